"""Families of malformed input: one kind of damage each, told by its file piece by piece or by its refusal.

Where does a family belong?
---------------------------
- ``values.py``: one value of a field that is not what its layout declares: numbers, amounts, texts, enumerations.
- ``times.py``: one local time or offset that no clock shows.
- ``encodings.py``: bytes that are no text; byte order marks.
- ``records.py``: where records and fields begin and end: newlines, lengths, NULs, other people's files.
- ``quotes.py``: records of quoted fields. ``widths.py``: records of fixed width. ``json_lines.py``: JSON.
- ``envelopes.py``: headers and trailers that are not there, or say what the file does not hold.
- ``sources.py``: compression, file names and kinds of file.
- ``growing.py``: families of any size, for the bounds of memory and work.

Conventions
-----------
- A `Family` is a layout and a file in pieces: `good` records (with the value of column `x`), `bad` records (with code
  and field) and `filler`. Offsets, lengths and raw bytes follow from the pieces.
- A `Refused` is a file that is refused whole, with its code.
- In most families a record is a number, a local time of Berlin and `x`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.decode_book import NUMBER, TIME

HEAD = b"8613800000001|20260110080000|"
ANYTHING = object()


class Piece(NamedTuple):
    raw: bytes
    kind: str
    code: str | None = None
    field: str | None = None
    x: Any = ANYTHING


class Family(NamedTuple):
    name: str
    fields: list
    pieces: list
    layout: dict
    feed: dict


def good(raw, x=ANYTHING):
    return Piece(raw, "good", x=x)


def bad(raw, code, field=None):
    return Piece(raw, "bad", code, field)


def filler(raw):
    return Piece(raw, "filler")


def family(name, pieces, *, x=None, fields=None, feed=None, **layout):
    declared = [NUMBER, TIME, {"column": "x", "type": "text"} | (x or {})] if fields is None else fields
    return Family(name, declared, pieces, layout, {"zone": "Europe/Berlin"} | (feed or {}))


def value(name, code, raw, around, *, x=ANYTHING, field="x", encoding="utf-8", **declared):
    """One value of `x` between two good ones."""
    pieces = [good(HEAD + around + b"\n", x), bad(HEAD + raw + b"\n", code, field), good(HEAD + around + b"\n", x)]
    return family(name, pieces, x=declared, encoding=encoding)


def instant(name, code, raw, *, pattern="%Y%m%d%H%M%S", around=b"20260110080000"):
    """One local time of Berlin between two good ones."""
    line = b"8613800000001|%b|a\n"
    fields = [NUMBER, {**TIME, "pattern": pattern}, {"column": "x", "type": "text"}]
    pieces = [good(line % around, "a"), bad(line % raw, code, "start_time"), good(line % around, "a")]
    return family(name, pieces, fields=fields)


class Refused(NamedTuple):
    """A file refused whole.

    `content` is its bytes, or is called with the path to make the file; `sound` is a file that the same feed accepts
    and which holds the record of `GOOD` once.
    """

    name: str
    code: str
    content: bytes | Callable
    feed: dict
    layout: dict
    fields: list
    sound: bytes
    file: str


def refused(name, code, content, *, x=None, feed=None, sound=None, file="x.txt", **layout):
    fields = [NUMBER, TIME, {"column": "x", "type": "text"} | (x or {})]
    feed = {"zone": "Europe/Berlin"} | (feed or {})
    return Refused(name, code, content, feed, layout, fields, GOOD.raw if sound is None else sound, file)


GOOD = good(HEAD + b"a\n", "a")
CRLF = good(HEAD + b"a\r\n", "a")
