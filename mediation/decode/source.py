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

import os
import re
from typing import NamedTuple

from mediation.decode import envelope
from mediation.decode._text import Text, complete_records, first_record
from mediation.decode.bytestream import ByteStream
from mediation.decode.header import fitted
from mediation.errors import SourceRefused, UsageError
from mediation.rulebook.names import NameMatch

# Below this the threads wake each other more than they work; above it columns leave the cache and memory grows.
CHUNK_BYTES = 1 << 22
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_FEED = re.compile(rb"\n")
_EMPTY_LINES = {"lf": re.compile(rb"\n*"), "crlf": re.compile(rb"(?:\r?\n)*"), "any": re.compile(rb"(?:\r?\n)*")}


class Chunk(NamedTuple):
    """Whole records: `length` bytes of `text` from `begin`, which is at `byte_offset` of the decompressed stream."""

    text: Text
    begin: int
    length: int
    byte_offset: int


class Stretch(NamedTuple):
    """A record longer than max_record_bytes whose end was not at hand: up to and with the next line feed.

    `raw` is its first max_record_bytes.
    """

    byte_offset: int
    length: int
    raw: bytes
    code: str


class _Window(NamedTuple):
    """What is at hand: `text` from `begin` to `filled`; `text[0]` is at `offset` of the stream."""

    text: Text
    begin: int
    filled: int
    offset: int


class Source:
    """One file, read once. A context manager; iterating it yields `Chunk` and `Stretch` in stream order.

    Parameters
    ----------
    path : path-like
    feed : FeedBook
    layout : CompiledLayout
    limits : SourceLimits
    chunk_bytes : int
        Size of a text, raised to four times the longest record where that is more.
    said, compression : NameMatch and str, optional
        What the file's name says and what the file is, where that is not what `path` and the feed say.
    hash_name : str
        By which of `bytestream.HASHES` the content is known.

    Attributes
    ----------
    layout : CompiledLayout
        For `decode_chunk`: with its first chunk, the one that the file's header lines ask for.
    held : bool
        Acceptance can only be known at the end: the file is compressed, has a trailer, or a header with totals.
    compression : str
        ``none``, ``gzip`` or ``zstd``.
    bytes_in, file_bytes : int
        Of the decompressed stream, and of the file.
    header_bytes, trailer_bytes, filler_bytes : int
    content_hash : str or None
        Of the decompressed stream, in hex; None until it was read to its end.
    sum_verified : bool or None
        Set by `verify`: False when unreadable records left a declared sum open, None where none is declared.

    Raises
    ------
    SourceRefused
        Here and while iterating.
    NoInputError, TemporaryError
        The file cannot be opened, or reading it failed.
    """

    def __init__(
        self,
        path,
        feed,
        layout,
        limits,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        said: NameMatch | None = None,
        compression: str | None = None,
        hash_name: str = "blake3",
    ):
        self.layout, self._feed = layout, feed
        self._declared, self._plan, self._columns = layout.declared, layout.plan, list(layout.control_columns)
        named = feed.template.match(os.path.basename(os.fsdecode(path)))
        self._said = said or named or NameMatch(None, None)
        self._longest = max(self._declared.max_record_bytes, self._declared.record_length or 0)
        self._capacity = max(chunk_bytes, (4 + 2 * self._declared.header_lines) * self._longest, 64)
        self._limit = self._capacity - 1  # one byte is free to end a last record that has no terminator
        self._envelope: dict[str, bytes | None] = {}
        self._refusal: SourceRefused | None = None  # for what the file begins with
        self._begun = False
        self.content_hash = self.sum_verified = None
        self.header_bytes = self.trailer_bytes = self.filler_bytes = 0
        self._stream = ByteStream(path, compression or feed.declared.compression, limits, hash_name)
        header, trailer = self._declared.header, self._declared.trailer
        totals = header is not None and (header.record_count is not None or bool(header.sums))
        self.held = self.compression != "none" or trailer is not None or totals

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self) -> None:
        """Close the file; again is harmless."""
        self._stream.close()

    @property
    def compression(self) -> str:
        return self._stream.compression

    @property
    def file_bytes(self) -> int:
        return self._stream.file_bytes

    @property
    def bytes_in(self) -> int:
        return self._stream.bytes_in

    def _fill(self, text: Text, filled: int) -> int:
        """Read until `text` is full or the stream ends (then the answer is below the limit)."""
        with memoryview(text) as view:
            return self._stream.fill(view, filled, self._limit)

    # ---------------------------------------------------------------------------------------- records

    def __iter__(self):
        if self._begun:
            raise UsageError("a source is read once")
        self._begun = True
        text = Text(self._capacity)
        window = self._after_header(_Window(text, 0, self._fill(text, 0), 0))
        if window is None:
            while self._fill(text, 0) == self._limit:
                pass
        else:
            yield from self._pieces(window)
        self.content_hash = self._stream.finish()

    def _pieces(self, window: _Window):
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

    def _carry(self, window: _Window, keep: int) -> _Window:
        """A new text that begins with what the old one has from `keep` on."""
        text, length = Text(self._capacity), window.filled - keep
        with memoryview(window.text) as old, memoryview(text) as new:
            new[:length] = old[keep : window.filled]
        return _Window(text, 0, self._fill(text, length), window.offset + keep)

    def _cut(self, window: _Window) -> tuple[int, int]:
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

    def _pass_over(self, window: _Window, begin: int) -> tuple[Stretch, _Window]:
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
                after = _Window(text, found.end(), filled, offset)
                return Stretch(first, offset + found.end() - first, raw, "record_too_long"), after
        return Stretch(first, offset + filled - first, raw, "record_too_long"), _Window(text, filled, filled, offset)

    def _last(self, window: _Window):
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

    def _final_record(self, window: _Window) -> tuple[int, int]:
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

    def _after_header(self, window: _Window) -> _Window | None:
        """What follows byte order mark, header and header lines; None when one is missing, or columns are."""
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

    def _header_record(self, window: _Window) -> tuple[bytes, _Window]:
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
        """Compare the envelope with what the file holds, after the last chunk.

        Parameters
        ----------
        records : int
            All records that chunks and stretches held, rejected ones too.
        sums, unreadable : sequence of int
            Per column of the layout's `control_columns`: its sum in base units, and the records where it could not be
            read.

        Raises
        ------
        SourceRefused
            ``header_missing``, ``column_missing``, ``column_repeated``, ``too_many_columns``, ``header_mismatch``,
            ``trailer_missing``, ``record_count_mismatch`` or ``control_sum_mismatch``.
        """
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
