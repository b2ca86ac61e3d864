"""A file looked at by eye, without a rule book: its format, header, counts, totals and first records.

Conventions
-----------
- The file is read by the decoder that a feed would read it with, by a rule book of nothing but its format, so that what
  is said here is what a run would do.
- Damage is told, not raised; only a file that cannot be opened is an error.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mediation.decode import decode as decoding
from mediation.decode.ber import cdrfile, detect
from mediation.decode.ber.tree import Line, Shown, tree
from mediation.decode.bytestream import ByteStream
from mediation.decode.filesource import Chunk, Stretch
from mediation.errors import SourceRefused, UsageError
from mediation.rulebook import model
from mediation.rulebook.bare import bare_feed
from mediation.rulebook.formats import format_table

LOOKED_AT = 1 << 16  # octets by which a format is told
MOST_LINES = 4000
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")  # in a file's name


@dataclass
class Inspection:
    """What a file holds.

    Attributes
    ----------
    title : str
        Of its format.
    bytes : dict of int
        Header, record, trailer, filler and undecodable bytes.
    records : int
    unknown_elements : int
        That the format's table does not name; they are passed over.
    record_types, rejects : dict of int
        Rows by type, rejects by code.
    refused : str
        Why a run would refuse the file; empty where it would not.
    sum_verified : bool or None
        As of a source.
    file_header : dict of str
        What the header of TS 32.297 says, where there is one.
    header, trailer, first : list of Line
        Elements before and after the records, and the first records.
    """

    title: str
    bytes: dict[str, int] = field(default_factory=dict)
    records: int = 0
    unknown_elements: int = 0
    record_types: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    sum_verified: bool | None = None
    file_header: dict[str, str] = field(default_factory=dict)
    header: list[Line] = field(default_factory=list)
    trailer: list[Line] = field(default_factory=list)
    first: list[Line] = field(default_factory=list)


def inspect(
    path: str | os.PathLike[str], *, records: int = 3, unmask: bool = False, header_bytes: int = 0
) -> Inspection:
    """Look at a file.

    Parameters
    ----------
    path : path-like
    records : int
        How many to show.
    unmask : bool
        Show subscribers' numbers.
    header_bytes : int
        Of a header of the sender's own, before everything else.

    Raises
    ------
    UsageError
        It is of no format that is known here.
    """
    found = _detect(path, header_bytes)
    if found is None or found == detect.TEXT:
        raise UsageError(f"{os.fsdecode(path)}: {_not_known(path, found, header_bytes)}")
    shown = _shown(found, unmask)
    result = Inspection(found.title)
    feed = bare_feed(found.format, header_bytes)
    layout = decoding.layout_of(feed, None)
    with layout.source(path, feed, layout, feed.declared.limits) as source:
        try:
            _read(source, layout, result, records, shown)
        except SourceRefused as refusal:
            result.refused = str(refusal)
        result.sum_verified = source.sum_verified
        result.file_header = {} if source.cdrs is None else _told(source.cdrs, *_date_of(path))
        result.bytes |= {"header": source.header_bytes, "trailer": source.trailer_bytes}
        result.bytes["filler"] = result.bytes.get("filler", 0) + source.filler_bytes
        result.header, result.trailer = [
            [line for part in parts for line in tree(part.data, part.offset, shown, MOST_LINES)]
            for parts in (source.outside.before, source.outside.after)
        ]
    return result


def _shown(found: detect.Detected, unmask: bool) -> Shown:
    """By the format's table; what RAP returns is TAP's."""
    formats = ["tap3", "rap"] if found.format == "rap" else [found.format]
    tables = [table for table in map(format_table, formats) if table is not None]
    names = {tag: name for table in tables for tag, name in table.names.items()}
    return Shown(names, [tag for table in tables for tag in table.readable], unmask)


def _detect(path: str | os.PathLike[str], header_bytes: int) -> detect.Detected | None:
    """By the first bytes of the decompressed stream; a compressed file's length is not known yet."""
    stream = ByteStream(path, "auto", model.SourceLimits())
    try:
        data = bytearray(LOOKED_AT)
        with memoryview(data) as view:
            filled = stream.fill(view, 0, LOOKED_AT)
        size = stream.file_bytes if stream.compression == "none" else 1 << 62
        return detect.detect(bytes(data[header_bytes:filled]), size - header_bytes)
    finally:
        stream.close()


def _not_known(path: str | os.PathLike[str], found: detect.Detected | None, header_bytes: int) -> str:
    """Why there is nothing to show, and what else to try."""
    if found == detect.TEXT:
        return "it is text, which any editor shows"
    if os.path.getsize(path) <= header_bytes:
        return f"it ends within the {header_bytes} bytes of its header" if header_bytes else "it is empty"
    what = "of none of the binary formats that are known: TAP3, NRTRDE, RAP, TS 32.297, BER records"
    return f"{what}; behind a header of the sender's own, say its length with --header-bytes"


def _date_of(path: str | os.PathLike[str]) -> tuple[dt.date, str]:
    """The date of a file, and where it is from: the last in its name, or that of its last modification."""
    for year, _, month, day in reversed(_DATE.findall(os.path.basename(os.fsdecode(path)))):
        try:
            return dt.date(int(year), int(month), int(day)), "its name"
        except ValueError:
            continue
    return dt.datetime.fromtimestamp(os.stat(path).st_mtime, dt.UTC).date(), "its modification"


def _told(header: cdrfile.FileHeader, date: dt.date, dated_by: str) -> dict[str, str]:
    """A header of TS 32.297 in words; numbers that it leaves open are said to be so."""

    def number(value: int) -> str:
        return "not known" if value == cdrfile.UNKNOWN else f"{value:,}"

    def time(packed: int) -> str:
        found = cdrfile.moment(packed, date)
        return "no time" if found is None else f"{found:%Y-%m-%d %H:%M %z}, its year by {dated_by}"

    lost = "none"
    if header.lost.records:
        lost = f"{'' if header.lost.exact else 'at least '}{header.lost.records}"
    return {
        "file length": number(header.length),
        "header length": number(header.header_bytes),
        "releases": f"{header.low} to {header.high}",
        "opened": time(header.opened),
        "last record": time(header.appended),
        "records": number(header.records),
        "sequence": number(header.sequence),
        "closed": header.closure,
        "records lost": lost,
        "node": header.node.hex(),
        "routeing filter": header.filter.hex(),
        "private extension": header.private.hex(),
    }


def _read(source: Any, layout: Any, result: Inspection, records: int, shown: Shown) -> None:
    sums, unreadable = [0] * len(layout.control_columns), [0] * len(layout.control_columns)
    types: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for piece in source:
        found = decoding.decode_chunk(layout, piece, 0)
        if result.records < records:
            raw, begin = _octets(piece)
            cdrs = isinstance(piece, Chunk) and piece.context.cdrs
            lines = list(tree(raw, begin, shown._replace(cdrs=cdrs), MOST_LINES))
            roots = [place for place, line in enumerate(lines) if line.depth == 0]
            wanted = records - result.records
            result.first += lines[: roots[wanted] if wanted < len(roots) else len(lines)]
        result.records += found.records
        result.unknown_elements += found.unknown_elements
        if "record_type" in found.usage.names:
            types.update(found.usage.counts("record_type"))
        rejects.update(found.rejects.counts("code"))
        for name in ("record", "undecodable", "filler"):
            classes[name] += getattr(found, f"{name}_bytes")
        sums = [old + new for old, new in zip(sums, found.control_sums, strict=True)]
        unreadable = [old + new for old, new in zip(unreadable, found.unreadable, strict=True)]
    result.record_types, result.rejects, result.bytes = dict(types), dict(rejects), dict(classes)
    source.verify(result.records, sums, unreadable)


def _octets(piece: Any) -> tuple[bytes, int]:
    """A piece's bytes, and where they stand in the stream."""
    if isinstance(piece, Stretch):
        return piece.raw, piece.byte_offset
    with memoryview(piece.text) as view:
        return bytes(view[piece.begin : piece.begin + piece.length]), piece.byte_offset
