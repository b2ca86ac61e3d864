"""A file of BER elements as texts of whole records between its header and trailer.

Conventions
-----------
- The records stand one after the other, or in an element at the layout's path; what stands before it is the header,
  what stands after it to the end of the outermost element the trailer. Neither is longer than MOST_OUTSIDE, or than the
  longest record where that is more. A file that ends before that element does is refused.
- A header of declared length may stand before all that. Octets 00 and FF between and behind records are filler.
  Anything else behind the outermost element is one stretch.
- A record that cannot be read is passed over as far as it says that it goes; where it does not say so, everything up to
  the end of the records' element is one stretch, or up to the end of the file; where records stand in blocks, up to
  the next of them. A file of TS 32.297 has no blocks: its CDR headers say where the next record is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mediation.decode._text import Text
from mediation.decode.ber import elements
from mediation.decode.ber._ber import cut, portion
from mediation.decode.ber.cdrfile import MOST, UNKNOWN, FileHeader, file_header
from mediation.decode.ber.detect import TEXT, detect
from mediation.decode.ber.outside import Outside, Part, context_of, decimals_of
from mediation.decode.filesource import Chunk, FileSource, Stretch, Window
from mediation.decode.layout import UNIT_FACTORS
from mediation.errors import SourceRefused, UsageError
from mediation.rulebook.tags import paths_of, tag_of

MOST_OUTSIDE = 1 << 21  # octets of a header or trailer: a few thousand recording entities take a tenth of that
CHUNK_BYTES = (1 << 22) - 64  # a header is read whole: twice as much as text has
LEAST_MEAN_BYTES = 128  # of rows; smaller ones are cut into more pieces, because a row's columns take more than they
FILLER = b"\x00\xff"
_NO_FILLER = re.compile(rb"[^\x00\xff]")


class Level(NamedTuple):
    """An element that is open around the records: its tag, and where it ends in the stream; None where only its
    end-of-contents octets tell."""

    tag: int
    end: int | None


class BerSource(FileSource):
    """A file of BER elements; see `FileSource`.

    Attributes
    ----------
    outside : Outside
        What stands before and after the records, as far as the file has been read.
    cdrs : FileHeader or None
        The header of TS 32.297, where the file has one.
    """

    def __init__(self, *args, chunk_bytes: int = CHUNK_BYTES, **options):
        self.outside = Outside()
        self.cdrs: FileHeader | None = None
        super().__init__(*args, chunk_bytes=chunk_bytes, **options)

    def _is_told_late(self) -> bool:
        return bool(self._declared.ber.records or self._declared.ber.framing == "detect")

    def _pieces(self, window: Window):
        self._levels: list[Level] = []
        self._steps = [step.tag for step in paths_of(self._declared.ber.records)[0].steps]
        self._stretches = self._trailing = 0
        self._most = min(max(MOST_OUTSIDE, self._longest), self._limit)
        self._unended: SourceRefused | None = None
        window, has_records = self._header(window)
        self.held &= self.compression != "none" or bool(self._steps) or self.cdrs is not None
        if not has_records:
            yield from self._trailer(window)
            return
        cdrs = self.cdrs is not None
        self._context = context_of(self.outside, self._declared.ber, self.layout.header_fields, cdrs=cdrs)
        yield from self._records(window)

    # ----------------------------------------------------------------------------------------- header

    def _header(self, window: Window) -> tuple[Window, bool]:
        """Where the records begin, and whether there are any; without, where the trailer goes on."""
        own = self._declared.ber.header_bytes
        if window.filled < own:
            raise SourceRefused("header_missing", f"the file ends within its first {own} bytes, which are its header")
        self.header_bytes, window = own, window._replace(begin=own)
        with memoryview(window.text) as view:
            data = bytes(view[: min(window.filled, own + self._most)])
        self._refuse_other_formats(data[own:])
        if not self._steps:
            return self._cdr_header(window, data), True
        found = _NO_FILLER.search(data, own)
        begin = found.start() if found else len(data)
        self.filler_bytes += begin - own
        try:
            at, found = self._open_levels(data, begin)
        except elements.Unreadable as error:
            if error.code == "element_overrun" and (window.filled == self._limit or window.filled > len(data)):
                raise self._too_long("before") from error
            raise SourceRefused("header_missing", f"{error.code} at byte {error.offset}") from error
        self._check_versions()
        self.header_bytes += at - begin
        return window._replace(begin=at), found

    @staticmethod
    def _cut_short() -> SourceRefused:
        what = "the file, or what can be read behind its records, ends before the element that all stands in"
        return SourceRefused("trailer_missing", what)

    def _too_long(self, where: str) -> SourceRefused:
        what = f"what stands {where} the records has more than {self._most} bytes; a greater max_record_bytes allows it"
        return SourceRefused("envelope_too_long", what)

    def _refuse_other_formats(self, data: bytes) -> None:
        """Formats that the package knows by name are told apart by their first octets."""
        found, declared = detect(data, len(data)), self._declared.format
        if found is None or found.format == declared or ("ber" in (found.format, declared) and found != TEXT):
            return
        raise SourceRefused("wrong_format", f"it is a file of another kind, {found.title}; the feed has {declared}")

    def _check_versions(self) -> None:
        for path, known in self._declared.ber.versions.items():
            version = self.outside.integer(path)
            if version is not None and version not in known:
                what = f"its number at {path} is not {' or '.join(map(str, known))}, and elements may mean other things"
                raise SourceRefused("unknown_version", what)

    def _cdr_header(self, window: Window, data: bytes) -> Window:
        """Behind the header of TS 32.297, where records stand one after the other and the file has one."""
        if self._declared.ber.framing == "detect":
            self.cdrs = file_header(data[window.begin : window.begin + MOST])
        if self.cdrs is None:
            return window
        self.header_bytes += self.cdrs.header_bytes
        self.closure, self.lost_records = self.cdrs.closure, self.cdrs.lost.records
        return window._replace(begin=self.header_bytes)

    def _open_levels(self, data: bytes, at: int) -> tuple[int, bool]:
        declared = self._declared.ber
        limit = len(data)
        if at == limit:
            raise SourceRefused("header_missing", "the file is empty")
        first = elements.opening(data, at, limit).tag
        if first in [tag_of(tag) for tag in declared.without_records]:
            whole = elements.element_at(data, at, limit)
            self.outside.before.append(Part((), data[at : whole.next], at))
            return whole.next, False
        for depth, step in enumerate(self._steps):
            at, found = self._find(data, at, tuple(self._steps[:depth]), step)
            if not found:
                if depth == 0:
                    raise SourceRefused("wrong_format", "it does not begin with the element that holds the records")
                break
        if not found and self._steps[1:] and not declared.record_count:
            what = f"there is no element {declared.records} with records, and no count that says that there are none"
            raise SourceRefused("wrong_format", what)
        if declared.identity and tag_of(declared.identity) not in self.outside.tags():
            what = f"it begins alike, but there is no element {declared.identity} before the records"
            raise SourceRefused("wrong_format", what)
        return at, found

    def _find(self, data: bytes, at: int, above: tuple[int, ...], step: int) -> tuple[int, bool]:
        """Behind the opening of the element `step` among those at `at`; the others before it are the header's."""
        end = self._levels[-1].end if self._levels else len(data)
        limit = len(data) if end is None else min(end, len(data))
        while at < limit:
            if end is None and data[at : at + 2] == b"\0\0":
                return at, False
            opening = elements.opening(data, at, limit)
            if opening.tag == step:
                if opening.end is not None and end is not None and self._levels and opening.end > end:
                    raise elements.Unreadable("element_overrun", at)
                self._levels.append(Level(step, opening.end))
                return opening.content, True
            if not above:
                return at, False
            element = elements.element_at(data, at, limit)
            self.outside.before.append(Part(above, data[at : element.next], at))
            at = element.next
        if end is None or end > limit:
            raise elements.Unreadable("element_overrun", at)
        return at, False

    # ---------------------------------------------------------------------------------------- records

    def _records(self, window: Window):
        container = self._levels[-1].end if self._levels else None
        if self.cdrs is not None and self.cdrs.length != UNKNOWN:
            container = self._declared.ber.header_bytes + self.cdrs.length
        indefinite = bool(self._levels) and container is None
        most, block = max(1, self._capacity // LEAST_MEAN_BYTES), 0 if self.cdrs else self._declared.ber.block_bytes
        while True:
            text, begin, filled, offset = window
            ends = None if container is None else container - offset
            blocks = (block, -offset % block) if block else ()
            end, _, stop, code, says = cut(
                self._context, text, begin, filled, ends, indefinite, self._longest, most, *blocks
            )
            while begin < end:
                to, rows = portion(self._plan, self._context, text, begin, end, self._longest, most)
                yield Chunk(text, begin, to - begin, offset + begin, self._context, rows)
                begin = to
            window = window._replace(begin=end)
            if stop == "contents_end":
                yield from self._trailer(window)
                return
            if stop == "paused":
                continue
            more = filled == self._limit
            if stop == "more" and more and filled - end <= self._longest:
                window = self._carry(window, end)
                continue
            if not more and stop == "more" and self._is_filler(window):
                self.filler_bytes += filled - end
                self._unended = self._cut_short() if self._levels else None
                return
            goes_on = stop == "more" and more and says != 0  # a record whose end is known, and not at hand
            next_block = block and offset + end - (offset + end) % block + block
            to = offset + says if goes_on else next_block or container
            stretch, window = self._pass_over(window, to, "record_too_long" if goes_on else code)
            if goes_on and stretch.byte_offset + stretch.length < to:
                stretch = stretch._replace(code=code)  # it ends behind the stream, however that was cut
            self._stretches += 1
            if stretch.length:
                yield stretch
            if not goes_on and not block:
                yield from self._trailer(window)
                return

    @staticmethod
    def _is_filler(window: Window) -> bool:
        """Whether nothing but filler, or nothing at all, is left at the end of the stream."""
        with memoryview(window.text) as view:
            return not bytes(view[window.begin : window.filled]).strip(FILLER)

    def _pass_over(self, window: Window, to: int | None, code: str) -> tuple[Stretch, Window]:
        """Everything up to a place of the stream, None for its end, as one stretch; and what is at hand there."""
        text, begin, filled, offset = window
        with memoryview(text) as view:
            raw = bytes(view[begin : min(filled, begin + self._declared.max_record_bytes)])
        first = offset + begin
        while filled == self._limit and (to is None or to > offset + filled):
            offset += filled
            text = Text(self._capacity)
            filled = self._fill(text, 0)
        end = offset + filled if to is None else min(to, offset + filled)
        stretch = Stretch(first, end - first, raw[: end - first], code)
        return stretch, Window(text, end - offset, filled, offset)

    # ---------------------------------------------------------------------------------------- trailer

    def _trailer(self, window: Window):
        """What follows the records to the end of the outermost element, then filler."""
        if window.filled == self._limit:
            window = self._carry(window, window.begin)
        with memoryview(window.text) as view:
            data = bytes(view[: min(window.filled, window.begin + self._most)])
        at, ended = self._close_levels(data, window.begin, window.offset)
        if not ended:
            is_all = len(data) == window.filled < self._limit
            self._unended = self._cut_short() if is_all else self._too_long("behind")
        if self._levels:
            self.trailer_bytes = at - window.begin
        window = window._replace(begin=at)
        found = None
        while found is None:
            with memoryview(window.text) as view:
                found = _NO_FILLER.search(view, window.begin, window.filled)
            end = found.start() if found else window.filled
            self.filler_bytes += end - window.begin
            window = window._replace(begin=end)
            if found is None:
                if window.filled < self._limit:
                    return
                window = self._carry(window, end)
        stretch, _ = self._pass_over(window, None, "trailing_bytes")
        self._stretches, self._trailing = self._stretches + 1, self._trailing + 1
        yield stretch

    def _close_levels(self, data: bytes, at: int, offset: int) -> tuple[int, bool]:
        """Reads to the end of every open element as far as that can be read; and whether all of them ended."""
        above = tuple(level.tag for level in self._levels)
        for depth in reversed(range(len(self._levels))):
            end = self._levels[depth].end
            limit = len(data) if end is None else min(len(data), end - offset)
            while at < limit:
                if end is None and data[at : at + 2] == b"\0\0":
                    at, end = at + 2, offset + at + 2
                    break
                try:
                    element = elements.element_at(data, at, limit)
                except elements.Unreadable:
                    return at, False
                self.outside.after.append(Part(above[: depth + 1], data[at : element.next], offset + at))
                at = element.next
            if end is None or offset + at < end:
                return at, False
        return at, True

    # ----------------------------------------------------------------------------------------- verify

    def verify(self, records: int, sums, unreadable) -> None:
        if self.content_hash is None:
            raise UsageError("a source is verified after it was read to its end")
        declared, outside = self._declared.ber, self.outside
        said, sequence = self._said.sequence, outside.text(declared.sequence)
        if declared.sequence and said is not None and sequence != "" and _number(sequence) != said:
            raise SourceRefused("header_mismatch", "the header's sequence is not the file name's")
        if self.cdrs is not None:
            own = self._declared.ber.header_bytes
            if self.cdrs.length != UNKNOWN and own + self.cdrs.length > self.bytes_in:
                raise SourceRefused("trailer_missing", "the file is shorter than its header says")
            if self.cdrs.records not in (0, UNKNOWN):
                self._verify_count(self.cdrs.records, records - self._trailing)
        if self._unended:
            raise self._unended
        if not self._levels:
            return
        if declared.record_count:
            self._verify_count(outside.integer(declared.record_count), records - self._trailing)
        for column, path in declared.sums.items():
            place = self._columns.index(column)
            said, paid_back = outside.integer(path), outside.integer(declared.refunds.get(column)) or 0
            net = None if said is None else said - paid_back
            self._verify_sum(column, net, sums[place], unreadable[place])

    def _verify_count(self, count: int | None, records: int) -> None:
        if count is None:
            where = f"no number at {self._declared.ber.record_count}"
            raise SourceRefused("trailer_missing", f"the file does not say how many records it has: {where}")
        lost = self._stretches - self._trailing  # in each of them there may be many records
        if records != count and (not lost or count < records):
            what = f"the file's own record count is not what it holds, {records}"
            raise SourceRefused("record_count_mismatch", what)

    def _verify_sum(self, column: str, declared: int | None, total: int, unreadable: int) -> None:
        verified = declared is not None and not unreadable
        if verified:
            field = next(each for each in self._declared.field if each.column == column)
            unit, parts = UNIT_FACTORS.get(field.unit, 1), 1
            if field.type == "decimal":
                unit, parts = 10**6, 10 ** (decimals_of(self.outside, self._declared.ber) or 0)
            if declared * unit != total * parts:
                raise SourceRefused("control_sum_mismatch", f"the trailer's sum of {column} is not that of the file")
        self.sum_verified = verified and self.sum_verified is not False


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
