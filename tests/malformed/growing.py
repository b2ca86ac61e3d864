"""Families of any size: what a decoder may be asked to hold, to look back over or to wait for.

Conventions
-----------
- `make(size)` gives a file of about `size` bytes, before compression where it is packed; twice the size is twice the
  damage, not twice the number of sound records around it.
- `slow` are those whose every few bytes cost a call: members, frames and blocks.
- What becomes of them is told elsewhere; here only memory and work are bounded.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zstandard

from tests.decode_book import NUMBER, TIME, feed_of, fixed
from tests.malformed import GOOD, HEAD
from tests.malformed.encodings import ENCODINGS
from tests.malformed.envelopes import ENVELOPE
from tests.malformed.json_lines import FIELDS, JSON_LINES
from tests.malformed.json_lines import HEAD as OBJECT
from tests.malformed.quotes import QUOTES
from tests.malformed.records import RECORDS
from tests.malformed.sources import NAME, SKIPPABLE, block, frame, header
from tests.malformed.times import TIMES
from tests.malformed.values import VALUES
from tests.malformed.widths import WIDTHS

TEXT = [NUMBER, TIME, {"column": "x", "type": "text"}]
NARROW, WIDE = fixed((13, NUMBER), (14, TIME), (4, {"column": "x", "type": "text"}))
FIXED_HEAD = b"861380000000120260110080000"
QUOTED = {"quote": '"'}
JSON = {"fields": FIELDS, "format": "jsonl"}
CHINESE = {"encoding": "gb18030"}
PIECES = {"slow": True, "feed": {"limits": {"max_ratio": 10**6, "max_members": 10**6}}}
RATIO = {"limits": {"max_ratio": 10**6, "max_members": 10**6}}


class Growing(NamedTuple):
    name: str
    make: Callable
    fields: list
    feed: dict
    layout: dict
    slow: bool

    def declared(self, folder: Path, **layout):
        """The feed that takes such a file, of a book in an empty folder."""
        return feed_of(folder, self.fields, feed=self.feed, **self.layout, **layout)


def growing(name, make, *, fields=TEXT, feed=None, slow=False, **layout):
    return Growing(name, make, fields, {"zone": "Europe/Berlin"} | (feed or {}), layout, slow)


def again(piece, before=b"", after=b""):
    """A piece over and over, in so many bytes."""
    return lambda size: before + piece * max(1, size // len(piece)) + after


def packed(pack, make):
    return lambda size: pack(make(size))


def in_members(pack, piece):
    return lambda size: pack(piece) * max(1, size // len(piece))


zstd = zstandard.ZstdCompressor().compress
LINE_CHINESE = "通话".encode("gb18030")
EMPTY_BLOCK = block(b"", last=False)

GROWING = [
    growing("a line without end", again(b"x", GOOD.raw)),
    growing("a line without end, then others", again(b"x", GOOD.raw, b"\n" + GOOD.raw)),
    growing("delimiters without end", again(b"|")),
    growing("NULs without end", again(b"\0")),
    growing("empty lines without end", again(b"\n")),
    growing("empty lines of two bytes", again(b"\r\n"), terminator="crlf"),
    growing("carriage returns without end", again(b"\r"), terminator="any"),
    growing("one field of Chinese", again("中".encode(), HEAD, b"\n")),
    growing("one field of Chinese in GB18030", again(LINE_CHINESE, HEAD, b"\n"), **CHINESE),
    growing("one field of lead bytes", again(b"\xe4", HEAD, b"\n")),
    growing("one field of lead bytes in GB18030", again(b"\x81", HEAD, b"\n"), **CHINESE),
    growing("one number of digits", again(b"9", b"", b"|20260110080000|a\n")),
    growing("one number of zeros", again(b"0", b"", b"|20260110080000|a\n")),
    growing("one timestamp", again(b"2", b"8613800000001|", b"|a\n")),
    growing("padding without end", again(b" ", HEAD, b"\n"), fields=[*TEXT[:2], {**TEXT[2], "strip": "both"}]),
    growing("records of one byte", again(b"x\n")),
    growing("records of another kind", again(HEAD[:-1] + b"\n")),
    growing("a quote never closed", again(b"x", HEAD + b'"'), **QUOTED),
    growing("a quote never closed over many lines", again(b"x\n", HEAD + b'"'), **QUOTED),
    growing("a quote never closed over empty lines", again(b"\n", HEAD + b'"'), **QUOTED),
    growing("quotes without end", again(b'"', HEAD), **QUOTED),
    growing("doubled quotes over many lines", again(b'""\n', HEAD + b'"'), **QUOTED),
    growing("unclosed quotes on every line", again(HEAD + b'"a\n'), **QUOTED),
    growing("a quote on every second line", again(HEAD + b'"a\n' + GOOD.raw), **QUOTED),
    growing("lines that close what others open", again(b'"|"\n', HEAD + b'"'), **QUOTED),
    growing("fields that open on every line", again(b'"|"|"\n'), **QUOTED),
    growing("quotes in GB18030", again(b'\x81"\n', HEAD + b'"'), **QUOTED, **CHINESE),
    growing("a quote never closed before a trailer", again(b"x\n", b'H|\n"', b"T|1\n"), **QUOTED, **ENVELOPE),
    growing("fixed, a line without end", again(FIXED_HEAD), fields=NARROW, **WIDE),
    growing("fixed, no line ends", again(FIXED_HEAD), fields=NARROW, **{**WIDE, "terminator": "none"}),
    growing("a header never closed", again(b"\n", b'"H|'), **QUOTED, **ENVELOPE),
    growing("a header never closed over lines", again(b"x\n", b'"H|'), **QUOTED, **ENVELOPE),
    growing("a header without end", again(b"x", b"H|"), **ENVELOPE),
    growing("empty lines before a header", again(b"\n", b"", b"H|\nT|0\n"), **ENVELOPE),
    growing("empty lines after a trailer", again(b"\n", b"H|\nT|0\n"), **ENVELOPE),
    growing("a trailer without end", again(b"x", b"H|\nT|0|"), **ENVELOPE),
    growing("fields of a trailer without end", again(b"|", b"H|\nT|0", b"\n"), **ENVELOPE),
    growing("trailers without end", again(b"T|1\n", b"H|\n"), **ENVELOPE),
    growing("no trailer", again(GOOD.raw, b"H|\n"), **ENVELOPE),
    growing("JSON, a line without end", again(b" ", b"{"), **JSON),
    growing("JSON, brackets without end", again(b"["), **JSON),
    growing("JSON, brackets on every line", again(b'{"y":[\n'), **JSON),
    growing("JSON, one string", again(b"y", OBJECT.encode() + b',"y":"', b'"}\n'), **JSON),
    growing("JSON, one string of escapes", again(b"\\u0079", OBJECT.encode() + b',"a":{"x":"', b'"}}\n'), **JSON),
    growing("JSON, one escaped name", again(b"\\u0079", OBJECT.encode() + b',"', b'":1}\n'), **JSON),
    growing("JSON, one string of Chinese", again("中".encode(), OBJECT.encode() + b',"a":{"x":"', b'"}}\n'), **JSON),
    growing("JSON, one number", again(b"9", OBJECT.encode() + b',"y":', b"}\n"), **JSON),
    growing("JSON, members without end", again(b',"y":1', OBJECT.encode(), b"}\n"), **JSON),
    growing("JSON, a member again and again", again(b',"number":1', OBJECT.encode(), b"}\n"), **JSON),
    growing("JSON, items", again(b'{"n":1234567890},', OBJECT.encode() + b',"items":[', b"{}]}\n"), **JSON),
    growing("JSON, items of nothing", again(b"{},", OBJECT.encode() + b',"items":[', b"{}]}\n"), **JSON),
    growing("JSON, records of many items", again(OBJECT.encode() + b',"items":[{},{},{}]}\n'), **JSON),
    growing("JSON, empty objects", again(b"{}\n"), **JSON),
    growing("JSON, quotes on every line", again(b'"\n'), **JSON),
    growing("gzip of a line without end", packed(gzip.compress, again(b"x")), feed=RATIO),
    growing("zstd of a line without end", packed(zstd, again(b"x")), feed=RATIO),
    growing("gzip bomb", packed(gzip.compress, again(b"\0"))),
    growing("zstd bomb", packed(zstd, again(b"\0"))),
    growing("gzip members", in_members(gzip.compress, GOOD.raw), **PIECES),
    growing("gzip members of nothing", again(gzip.compress(b"")), **PIECES),
    growing("zstd frames", in_members(zstd, GOOD.raw), **PIECES),
    growing("zstd frames of nothing", again(zstd(b"")), **PIECES),
    growing("zstd blocks of nothing", again(EMPTY_BLOCK, frame(descriptor=0), block(b"")), slow=True),
    growing("zstd skippable frames", again(SKIPPABLE + bytes(4)), **PIECES),
    growing("a zstd skippable frame", lambda size: SKIPPABLE + size.to_bytes(4, "little") + bytes(size)),
    growing("zeros after gzip", again(b"\0", gzip.compress(GOOD.raw))),
    growing("a gzip name without end", again(b"x", header(NAME))),
]


def of_one_layout():
    """Files in which families of one layout, sixteen at most, stand one after the other, over and over."""
    layouts: dict[str, list] = {}
    for case in VALUES + TIMES + ENCODINGS + RECORDS + QUOTES + WIDTHS + JSON_LINES:
        if len(case.pieces) < 100 and all(len(piece.raw) < 4096 for piece in case.pieces):  # those are above
            layouts.setdefault(repr((case.fields, case.feed, case.layout)), []).append(case)
    groups = [cases[at : at + 16] for cases in layouts.values() for at in range(0, len(cases), 16)]
    for cases in groups:
        if len(cases) < 4:
            continue
        piece = b"".join(piece.raw for case in cases for piece in case.pieces)
        first, more = cases[0], {"fields": cases[0].fields, "feed": cases[0].feed}
        yield growing(f"{first.name} and {len(cases) - 1} families like it", again(piece), **more, **first.layout)


GROWING += of_one_layout()
