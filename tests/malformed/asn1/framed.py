"""Files of TS 32.297: headers of files and records that say what is not so."""

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
REFUSED = [
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
