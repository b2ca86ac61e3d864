"""Files of TS 32.297: headers of files and records that say what is not so; a sender's own headers; padded blocks."""

from __future__ import annotations

from tests.asn1 import ts32297
from tests.asn1.ts32297 import OPEN, Header, Moment, Release
from tests.malformed.asn1 import GOOD, NEXT, bad, family, filler, good, header, refused
from tests.malformed.asn1.lengths import PGW

BODIES = (GOOD.raw, NEXT.raw)
TWO = [good(ts32297.record(GOOD.raw), 7), good(ts32297.record(NEXT.raw), 8)]
FRAMED = "ts32297"


def framed(name, pieces, told: Header = ts32297.USUAL, count: int | None = None):
    """A file of pieces whose header says how many records and octets there are, unless `told` says otherwise."""
    size = sum(len(piece.raw) for piece in pieces if piece.kind != "filler")
    records = sum(piece.kind in ("good", "bad") for piece in pieces) if count is None else count
    return family(name, [header(told.packed(records, size)), *pieces], FRAMED)


def of(name, told: Header):
    return framed(name, TWO, told)


def lying(name, code, told: Header, after: bytes = b""):
    return refused(name, code, ts32297.file_of(list(BODIES), told) + after, FRAMED)


def record(name, raw, code, field=None):
    """One bad record between two good ones, found by its header's length."""
    return framed(name, [TWO[0], bad(raw, code, field), TWO[1]])


HUGE = PGW + b"\x84\xff\xff\xff\xff"
SIZE = len(ts32297.file_of(list(BODIES)))
HEAD = ts32297.record(GOOD.raw)[:4]
FRAMES = [
    of("two records", Header()),
    framed("no records", []),
    of("both release extensions", Header(high=Release(17), low=Release(16))),
    of("the low release extension alone", Header(low=Release(15))),
    of("the high release extension alone", Header(high=Release(10))),
    of("a routeing filter", Header(filter=b"filter")),
    of("a private extension", Header(private=b"private" * 9)),
    of("an open file", Header(length=OPEN, count=OPEN)),
    of("an open file that counts nothing", Header(length=OPEN, count=0)),
    of("an unknown closure", Header(closure=77)),
    of("an abnormal closure", Header(closure=ts32297.ABNORMAL)),
    of("lost records", Header(lost=129)),
    of("a file opened in month 0", Header(opened=Moment(0, 1, 0, 0))),
    of("a file opened in month 13", Header(opened=Moment(13, 1, 0, 0))),
    of("a node that is no address", Header(node=b"\xff" * 20)),
    framed("records of three releases", [
        good(ts32297.record(GOOD.raw, Release(99)), 7),
        good(ts32297.record(GOOD.raw, Release(16)), 7),
        good(ts32297.record(NEXT.raw, Release(9, 3)), 8),
    ]),
    record("a record of no octets", ts32297.record(b""), "element_overrun"),
    record("a record cut short", ts32297.record(GOOD.raw[:-1]), "element_overrun"),
    record("octets after a record", ts32297.record(GOOD.raw + b"\x05\x00"), "trailing_bytes"),
    record("a framed record of another kind", ts32297.record(b"\x30\x00"), "unknown_value", "record_type"),
    record("a length that lies within its frame", ts32297.record(HUGE + GOOD.raw), "element_overrun"),
    record("an encoding that is not BER", ts32297.record(GOOD.raw, encoding=3), "unknown_value"),
    framed("a record longer than the file", [TWO[0], bad(b"\xff\xff" + HEAD[2:] + NEXT.raw, "element_overrun")]),
    framed("a record's header cut short", [TWO[0], bad(HEAD[:3], "element_overrun")], count=2),
    framed("zeros after framed records", [*TWO, filler(bytes(64))], count=2),
    framed("ones after framed records", [*TWO, filler(b"\xff" * 64)], count=2),
]  # fmt: skip


FRAMES += [
    family(
        "a file that ends before its last octet",
        [
            header(Header(length=SIZE - 1).packed(2, 0)),
            TWO[0],
            bad(TWO[1].raw[:-1], "element_overrun"),
            bad(TWO[1].raw[-1:], "trailing_bytes"),
        ],
        FRAMED,
    ),
    family("bare records where a header may be", [GOOD, NEXT], FRAMED),
    family("nothing where a header may be", [], FRAMED),
]


# ------------------------------------------------------------------------- a sender's own headers, and blocks

OWN = header(b"\x00\x00\x00\x18" + b"\xff" * 19 + b"\x30")  # what is filler elsewhere, and what begins an element


def headed(name, pieces, form="headed"):
    return family(name, [OWN, *pieces], form)


def numbered(piece, number: int = 1):
    """A piece behind a header of its own, which begins as filler does."""
    return piece._replace(raw=b"\x00\x00" + number.to_bytes(2, "big") + piece.raw)


def each_numbered(name, pieces):
    return headed(name, [numbered(piece, number) for number, piece in enumerate(pieces, 1)], "headed records")


def blocks(name, *of):
    """Blocks of 512 octets, each of pieces, filled up."""
    pieces = []
    for number, block in enumerate(of):
        fill = (0xFF, 0x00)[number % 2]
        used = sum(len(piece.raw) for piece in block)
        pieces += [*block, *([filler(bytes([fill]) * (512 - used))] if used < 512 else [])]
    return family(name, pieces, "blocks")


REST = 512 - len(GOOD.raw)
FULL = [GOOD] * (512 // len(GOOD.raw))
CUT = bad(NEXT.raw[: 512 % len(GOOD.raw)], "element_overrun")
FRAMES += [
    headed("records after a header of the sender's own", [GOOD, filler(b"\0" * 9), NEXT]),
    headed("nothing after a header of the sender's own", []),
    headed("filler alone after a header of the sender's own", [filler(b"\xff" * 99)]),
    headed("a damaged record after a header of the sender's own", [GOOD, bad(b"\x1f\xff\xff" + NEXT.raw, "bad_tag")]),
    headed("a TS 32.297 file after a header of the sender's own", [
        header(ts32297.USUAL.packed(2, sum(len(piece.raw) for piece in TWO))), *TWO
    ]),
    each_numbered("a header before each record", [GOOD, NEXT, GOOD]),
    headed("filler after records with headers", [numbered(GOOD), filler(bytes(70))], "headed records"),
    headed("a record's own header cut short", [numbered(GOOD), bad(b"\0\0\1", "element_overrun")], "headed records"),
    headed("a record's own header and nothing else", [bad(b"\0\0\0\1", "element_overrun")], "headed records"),
    each_numbered("a record of another kind behind its header", [GOOD, bad(b"\x30\x00", "unknown_value"), NEXT]),
    each_numbered("a record that is no element behind its header", [GOOD, bad(b"\x1f\xff\xff\xff", "bad_tag")]),
    blocks("records in padded blocks", [GOOD, NEXT], [GOOD], [], [NEXT, GOOD]),
    blocks("a record cut short by the end of a block", [*FULL, CUT], [NEXT]),
    blocks("a length beyond its block", [GOOD, bad((HUGE + GOOD.raw).ljust(REST, b"\0"), "element_overrun")], [NEXT]),
    blocks("a tag without an end in a block", [bad(b"\x1f" + b"\xff" * 511, "bad_tag")], [GOOD], [NEXT]),
    blocks("a record without an end in a block", [bad((PGW + b"\x80").ljust(512, b"\x05"), "element_overrun")], [GOOD]),
    family("a last block cut short", [GOOD, filler(b"\xff" * REST), bad(NEXT.raw[:-1], "element_overrun")], "blocks"),
]  # fmt: skip
REFUSED = [
    refused("a file shorter than its own header", "header_missing", b"\0" * 23, "headed"),
    refused("a file of no octets where a header stands", "header_missing", b"", "headed"),
    refused("no TAP behind a header of the sender's own", "wrong_format", b"\x30\x00" * 40, "headed tap3"),
    lying("a count of records too great", "record_count_mismatch", Header(count=3)),
    lying("a count of records too small", "record_count_mismatch", Header(count=1)),
    lying("a file longer than it is", "trailer_missing", Header(length=SIZE + 1)),
]
# Headers that cannot be one: what follows is read as bare records, and none of it is one.
STRANGE = {
    "a file of no length": Header(length=0),
    "a header shorter than it is": Header(header_length=51),
    "a header of no length": Header(header_length=0),
    "a header longer than the file": Header(header_length=SIZE + 1),
    "a header of four gigabytes": Header(header_length=OPEN),
    "a header that ends in its filter": Header(filter=b"x" * 60, header_length=60),
}
