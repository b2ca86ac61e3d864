"""Families of BER of any size: what a decoder may be asked to hold, to look back over or to walk through again.

Conventions
-----------
- `make(size)` gives a file of about `size` bytes; twice the size is twice the damage.
- What becomes of them is told elsewhere; here only memory and work are bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.asn1 import ts32297
from tests.asn1.ber import END, length, tag, tlv
from tests.asn1.book import book_of
from tests.asn1.ts32297 import OPEN, Header
from tests.malformed.asn1 import BODY, FORMS, GOOD, PGW, SERVICES, STRUCTURE, container, pgw
from tests.malformed.asn1.lengths import KIND
from tests.malformed.asn1.tap import CALL, PARTS, application, audit, charged, envelope, group, text, whole
from tests.malformed.growing import again


class Growing(NamedTuple):
    name: str
    form: str
    make: Callable[[int], bytes]
    slow: bool = False

    def declared(self, folder: Path, **layout):
        """The feed that takes such a file, of a book in an empty folder."""
        form, table = FORMS[self.form]
        return book_of(folder, form, **table, **layout).feeds["t"]


def growing(name: str, make: Callable[[int], bytes], form: str = "ts32298") -> Growing:
    return Growing(name, form, make)


def in_record(piece: bytes) -> Callable[[int], bytes]:
    """One record of so many octets, its last member over and over."""
    inner = again(piece)
    return lambda size: pgw(more=inner(size))


def in_list(name: bytes, piece: bytes) -> Callable[[int], bytes]:
    inner = again(piece)
    return lambda size: pgw({name: inner(size)})


def in_batch(piece: bytes) -> Callable[[int], bytes]:
    """A TAP file of one event over and over; its audit counts none of them."""

    def make(size: int) -> bytes:
        events = piece * max(1, size // len(piece))
        before, after = envelope(len(events), *PARTS, after=audit(0, 0))
        return before + events + after

    return make


def in_tables(piece: bytes, number: int) -> Callable[[int], bytes]:
    """A TAP file whose list of time zones or entities goes on and on, before one event."""

    def make(size: int) -> bytes:
        network = group(6, group(number, piece * max(1, size // len(piece))))
        before, after = envelope(len(CALL.raw), *PARTS[:2], network, after=audit())
        return before + CALL.raw + after

    return make


def in_frames(body: bytes) -> Callable[[int], bytes]:
    """A file of TS 32.297 that was not closed."""
    framed = ts32297.record(body)
    header = Header(length=OPEN, count=OPEN).packed(0, 0)
    return lambda size: header + framed * max(1, size // len(framed))


def nested(size: int) -> bytes:
    """Definite lengths in one another, as deep as the octets go."""
    made = b""
    for _ in range(min(size // 3, 20_000)):
        made = tlv(KIND, made)
    return pgw(more=made)


OPEN_BATCH = application(1, True) + b"\x80" + b"".join(PARTS)
OPENED = KIND + b"\x80"
ZONE, ENTITY = group(233, whole(232, 3), text(231, "+0800")), group(183, whole(184, 3), text(400, "43664001"))
MANY = group(9, group(38, group(39, charged()) * 50))

GROWING = [
    growing("sound records", again(GOOD.raw)),
    growing("records of nothing", again(PGW + b"\x00")),
    growing("records of indefinite length", again(PGW + b"\x80" + BODY + END)),
    growing("records whose lengths lie", again(PGW + b"\x84\xff\xff\xff\xff" + BODY)),
    growing("records without an end", again(PGW + b"\x80" + BODY)),
    growing("records in one another", again(PGW + b"\x80")),
    growing("members in one another", again(OPENED, PGW + b"\x80")),
    growing("members in one another that end", lambda size: PGW + b"\x80" + OPENED * (size // 5) + END * (size // 5)),
    growing("members in one another of definite length", nested),
    growing("ends of contents", again(END)),
    growing("zeros", again(b"\x00", GOOD.raw)),
    growing("ones", again(b"\xff", GOOD.raw)),
    growing("filler and records in turn", again(b"\xff" * 9 + GOOD.raw)),
    growing("garbage", again(b"\x5a")),
    growing("octets of a tag", again(b"\x81", b"\xbf")),
    growing("octets of a length", again(b"\x01", PGW + b"\xfe")),
    growing("members of nobody's", in_record(tlv(tag(110), b"x"))),
    growing("empty members of nobody's", in_record(tlv(tag(110), b""))),
    growing("structures of nobody's", in_record(tlv(KIND, tlv(KIND, b"")))),
    growing("structures of nobody's without lengths", in_record(OPENED + END)),
    growing("members that end nowhere", in_record(OPENED)),
    growing("records of a hundred containers", again(pgw({SERVICES: container() * 100}))),
    growing("empty containers", in_list(SERVICES, tlv(STRUCTURE, b""))),
    growing("a number of octets", lambda size: pgw({tag(5): b"\x01" * size})),
    growing("a text of octets", lambda size: pgw({tag(7): b"a" * size})),
    growing("calls", in_batch(CALL.raw), "tap3"),
    growing("calls of nothing", in_batch(group(9)), "tap3"),
    growing("calls of many charges", in_batch(MANY), "tap3"),
    growing("events of nobody's", in_batch(group(400)), "tap3"),
    growing("zones of one code", in_tables(ZONE, 234), "tap3"),
    growing("entities of one code", in_tables(ENTITY, 188), "tap3"),
    growing("a batch without an end", again(CALL.raw, OPEN_BATCH + b"\x63\x80"), "tap3"),
    growing("an audit without an end", again(text(511, "x"), OPEN_BATCH + b"\x63\x00\x6f\x80"), "tap3"),
    growing("lengths of 126 octets", again(PGW + length(0, 125))),
    growing("blocks", again(GOOD.raw.ljust(512, b"\xff"))),
    growing("blocks of records cut short", again((GOOD.raw * 9)[:512])),
    growing("framed records", in_frames(GOOD.raw), "ts32297"),
    growing("frames of nothing", in_frames(b""), "ts32297"),
    growing("frames of one octet", in_frames(b"\x00"), "ts32297"),
    growing("frames of records that lie", in_frames(PGW + b"\x84\xff\xff\xff\xff"), "ts32297"),
    growing("a header without end", lambda size: Header(private=b"x" * min(size, 65_535)).packed(0, 0), "ts32297"),
]  # fmt: skip
