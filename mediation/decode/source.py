"""A file as texts of whole records between its header and trailer.

Conventions
-----------
- Memory is a few texts, whatever the file holds: a record without end is passed over as a `Stretch`.
- Every byte of the decompressed stream is in exactly one of: header, trailer, filler (byte order mark, empty lines
  beside an envelope), a chunk, a stretch. Header and trailer are the first and the last record; an empty line is none.
  Header lines stand after the header, and count as part of it.
- A text is written only before its chunk is handed out: the consumer may keep it as long as it likes.
- A missing or mismatching envelope is told by `verify`, when the whole stream has been hashed; all else while reading.
"""

from __future__ import annotations

import re

from mediation.decode import envelope
from mediation.decode._text import Text, complete_records, first_record
from mediation.decode.filesource import CHUNK_BYTES, Chunk, FileSource, Stretch, Window
from mediation.errors import SourceRefused, UsageError

__all__ = ["CHUNK_BYTES", "Chunk", "Source", "Stretch"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_FEED = re.compile(rb"\n")
_EMPTY_LINES = {"lf": re.compile(rb"\n*"), "crlf": re.compile(rb"(?:\r?\n)*"), "any": re.compile(rb"(?:\r?\n)*")}


class Source(FileSource):
    """A file of text; see `FileSource`."""

    def _is_told_late(self) -> bool:
        header, trailer = self._declared.header, self._declared.trailer
        totals = header is not None and (header.record_count is not None or bool(header.sums))
        return trailer is not None or totals

    # ---------------------------------------------------------------------------------------- records

    def _pieces(self, window: Window):
        begun = self._after_header(window)
        if begun is None:
            self._drain(window.text)
        else:
            yield from self._records(begun)

    def _records(self, window: Window):
        while window.filled == self._limit:
            text, begin, filled, offset = window
            whole, keep = self._cut(window)
            endless = filled - whole > self._longest and self._declared.terminator != "none"
            if endless:
                keep = whole
            if keep > begin:
                yield Chunk(text, begin, keep - begin, offset + begin)
            if endless:
                stretch, window = self._pass_over(window, whole)
                yield stretch
                keep = window.begin
            if window.filled == self._limit:
                window = self._carry(window, keep)
        yield from self._last(window)

    def _cut(self, window: Window) -> tuple[int, int]:
        """Where the whole records end, and from where on bytes are kept back (a trailer may be among them)."""
        length, last = complete_records(self._plan, window.text, window.begin, window.filled - window.begin)
        whole = window.begin + length
        if self._declared.trailer is None or length == 0:
            return whole, whole
        return whole, self._last_record(window.text, window.begin, whole, window.begin + last)[0]

    def _last_record(self, text: Text, begin: int, end: int, last: int) -> tuple[int, int]:
        """The last record of `[begin, end)`, whose last line or record is `[last, end)`; empty lines are no records.

        `(end, end)` when it is too long for a trailer, or more than max_record_bytes of empty lines follow it.
        """
        if self._declared.terminator != "none":
            with memoryview(text) as view:
                content = self._content_end(view, begin, end)
                if content <= begin or end - content > self._longest:
                    return end, end
                line_end = _LINE_FEED.search(view, content, end)
                record_end = line_end.end() if line_end else end
            if content <= last:
                length, at = complete_records(self._plan, text, begin, record_end - begin)
                if length != record_end - begin:
                    return end, end
                last = begin + at
        else:
            record_end = end
        return (last, record_end) if record_end - last <= self._longest else (end, end)

    def _content_end(self, view, begin: int, end: int) -> int:
        """Where the content of the last line that has any ends; looks back a little more than max_record_bytes."""
        ends = b"\n" if self._declared.terminator == "lf" else b"\r\n"
        first = max(begin, end - self._longest - 2)
        return first + len(bytes(view[first:end]).rstrip(ends))

    def _pass_over(self, window: Window, begin: int) -> tuple[Stretch, Window]:
        """A record without end, and what is at hand after its line feed."""
        text, _, filled, offset = window
        with memoryview(text) as view:
            raw = bytes(view[begin : begin + self._declared.max_record_bytes])
        first = offset + begin
        while filled == self._limit:
            text, offset = Text(self._capacity), offset + filled
            filled = self._fill(text, 0)
            with memoryview(text) as view:
                found = _LINE_FEED.search(view, 0, filled)
            if found:
                after = Window(text, found.end(), filled, offset)
                return Stretch(first, offset + found.end() - first, raw, "record_too_long"), after
        return Stretch(first, offset + filled - first, raw, "record_too_long"), Window(text, filled, filled, offset)

    def _last(self, window: Window):
        """What remains at the end of the stream: records, and the trailer."""
        text, begin, filled, offset = window
        end = filled
        declared = self._declared.trailer
        if declared is not None:
            self._envelope["trailer"] = None
            record, record_end = self._final_record(window)
            with memoryview(text) as view:
                raw = bytes(view[record:record_end])
            if raw and envelope.begins(self._declared, declared, raw):
                end = record
                self._envelope["trailer"] = raw
                self.trailer_bytes = record_end - record
                self.filler_bytes += filled - record_end
        if end > begin:
            yield Chunk(text, begin, end - begin, offset + begin)

    def _final_record(self, window: Window) -> tuple[int, int]:
        """Bounds of the stream's last record.

        A line feed is put after the last byte for a moment, so that a record without one is seen whole. A quote that is
        never closed costs its line only, as in the decoder: the trailer may stand after it.
        """
        text, begin, filled, _ = window
        if self._declared.terminator == "none":
            whole, last = complete_records(self._plan, text, begin, filled - begin)
            return (begin + last, filled) if whole == filled - begin else (begin + whole, filled)
        with memoryview(text) as view:
            free, added = view[filled], filled > begin and view[filled - 1] != 0x0A
            end, at, last, base = filled + added, begin, begin, begin
            if added:
                view[filled] = 0x0A
            while at < end:
                length, place = complete_records(self._plan, text, at, end - at)
                if length:
                    base, last, at = at, at + place, at + length
                    continue
                base = last = at
                line_feed = _LINE_FEED.search(view, at, end)
                at = line_feed.end() if line_feed else end
            if at > begin:
                last, end = self._last_record(text, base, end, last)
            view[filled] = free
        return min(last, filled), min(end, filled)

    # --------------------------------------------------------------------------------------- envelope

    def _after_header(self, window: Window) -> Window | None:
        """What follows byte order mark, header and header lines; None when one is missing, or columns are."""
        from mediation.decode.header import fitted  # it stands on layouts, and they on this module

        with memoryview(window.text) as view:
            if self._declared.encoding == "utf-8" and bytes(view[: min(3, window.filled)]) == BYTE_ORDER_MARK:
                self.filler_bytes = len(BYTE_ORDER_MARK)
                window = window._replace(begin=self.filler_bytes)
        declared = self._declared.header
        try:
            if declared is not None:
                raw, window = self._header_record(window)
                if not envelope.begins(self._declared, declared, raw):
                    raise SourceRefused("header_missing")
                self._envelope["header"] = raw
            for number in range(self._declared.header_lines):
                raw, window = self._header_record(window)
                if number == 0:
                    self.layout = fitted(self._feed, self.layout, raw)
        except SourceRefused as refusal:
            self._refusal = refusal
            return None
        return window

    def _header_record(self, window: Window) -> tuple[bytes, Window]:
        """The first record at hand, and what follows it."""
        text, begin, filled, _ = window
        with memoryview(text) as view:
            begin = self._skip_empty_lines(view, begin, filled)
            end = begin + first_record(self._plan, text, begin, filled - begin)
            raw = bytes(view[begin : min(end, begin + self._longest + 1)])
        if not raw or len(raw) > self._longest:
            raise SourceRefused("header_missing")
        self.header_bytes += len(raw)
        return raw, window._replace(begin=end)

    def _skip_empty_lines(self, view, begin: int, filled: int) -> int:
        """Where the first line with content begins; after more than max_record_bytes of empty ones nobody looks."""
        if self._declared.terminator == "none":
            return begin
        found = _EMPTY_LINES[self._declared.terminator].match(view, begin, min(filled, begin + self._longest))
        self.filler_bytes += found.end() - begin
        return found.end()

    def verify(self, records: int, sums, unreadable) -> None:
        if self.content_hash is None:
            raise UsageError("a source is verified after it was read to its end")
        if self._refusal is not None:
            raise self._refusal
        parts = []
        for part in ("header", "trailer"):
            declared = getattr(self._declared, part)
            if declared is None:
                continue
            if self._envelope.get(part) is None:
                raise SourceRefused(f"{part}_missing")
            values = envelope.EnvelopeValues(self._declared, declared, self._envelope[part])
            envelope.check_identity(values, self._said, part)
            parts.append((part, values))
        for part, values in parts:
            envelope.check_count(values, records, part)
        for part, values in parts:
            if not values.declared.sums:
                continue
            verified = envelope.check_sums(values, self._declared, self._columns, sums, unreadable, part)
            self.sum_verified = verified and self.sum_verified is not False
