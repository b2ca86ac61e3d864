"""Lengths that lie, end nowhere or are longer than they need be; files cut short; what stands after the last record."""

from __future__ import annotations

from tests.asn1.ber import END, length, tag, tlv
from tests.malformed.asn1 import (
    BODY,
    GOOD,
    MEMBERS,
    NEXT,
    PGW,
    SERVICES,
    STRUCTURE,
    bad,
    family,
    filler,
    good,
    pgw,
)

KIND = tag(120, constructed=True)  # of nobody's
WHOLE = GOOD.raw


def lost(name, raw, code, field=None):
    """A record whose length cannot be believed: with it goes what stands after it."""
    return family(name, [GOOD, bad(raw + NEXT.raw, code, field)])


def damaged(name, raw, code, field=None):
    """A record whose end is known: its neighbours are not touched."""
    return family(name, [GOOD, bad(raw, code, field), NEXT])


def sound(name, raw, x=7):
    """Unusual, and yet what BER allows."""
    return family(name, [GOOD, good(raw, x), NEXT])


def cut_at(name, octets):
    """The last record ends after so many octets."""
    return family(name, [GOOD, bad(WHOLE[:octets], "element_overrun")])


LENGTHS = [
    lost("a length beyond the end", PGW + b"\x82\x40\x00" + BODY, "element_overrun"),
    lost("a length of four gigabytes", PGW + b"\x84\xff\xff\xff\xff" + BODY, "element_overrun"),
    lost("a length of 2^31", PGW + b"\x84\x80\x00\x00\x00" + BODY, "element_overrun"),
    lost("a length of 2^63 - 1", PGW + b"\x88\x7f" + b"\xff" * 7 + BODY, "bad_length_octets"),
    lost("a length of 2^64 - 1", PGW + b"\x88" + b"\xff" * 8 + BODY, "bad_length_octets"),
    lost("a length that wraps to nothing", PGW + b"\x89\x01" + bytes(8) + BODY, "bad_length_octets"),
    lost("a length of a hundred octets", PGW + b"\xe4" + b"\x01" * 100 + BODY, "bad_length_octets"),
    lost("the reserved length", PGW + b"\xff" + BODY, "bad_length_octets"),
    family("a length one octet beyond the end", [GOOD, bad(PGW + length(len(BODY) + 1) + BODY, "element_overrun")]),
    sound("a length with leading zeros", PGW + length(len(BODY), 6) + BODY),
    sound("a length of nine octets, most of them zeros", PGW + length(len(BODY), 8) + BODY),
    sound("a length of 126 octets, most of them zeros", PGW + length(len(BODY), 125) + BODY),
    sound("an indefinite length", PGW + b"\x80" + BODY + END),
    sound("indefinite lengths in one another", PGW + b"\x80" + KIND + b"\x80" + KIND + b"\x80" + END * 2 + BODY + END),
    lost("an indefinite length without an end", PGW + b"\x80" + BODY, "element_overrun"),
    damaged("a simple value of indefinite length", pgw(more=tag(110) + b"\x80" + END), "bad_length_octets"),
    damaged("an indefinite member without an end", pgw(more=KIND + b"\x80"), "element_overrun"),
    damaged("an indefinite member that ends with its record", pgw(more=KIND + b"\x80\x9f\x6e\x00"), "element_overrun"),
    damaged("an end of contents in a definite record", pgw(more=END), "bad_tag"),
    damaged("an end of contents before the last member", tlv(PGW, BODY[:3] + END + BODY[3:]), "bad_tag"),
    damaged("an end of contents of one octet", PGW + length(len(BODY) + 3) + BODY + b"\x00\x01\x00", "bad_tag"),
    damaged("half an end of contents", pgw(more=b"\x00"), "element_overrun"),
    damaged("a member longer than its record", pgw(more=tag(110) + b"\x05\x01"), "element_overrun"),
    damaged("a member one octet longer than its record", pgw(more=tag(110) + b"\x02\x01"), "element_overrun"),
    damaged("a member of four gigabytes", pgw(more=tag(110) + b"\x84\xff\xff\xff\xff"), "element_overrun"),
    damaged("a list of four gigabytes", pgw({SERVICES: None}, SERVICES + b"\x84\xff\xff\xff\xff"), "element_overrun"),
    damaged("an element longer than its list", pgw({SERVICES: STRUCTURE + b"\x20\x81\x01\x01"}), "element_overrun"),
    damaged("a member's length cut off", pgw(more=tag(110) + b"\x84\x00"), "element_overrun"),
    damaged("a member without a length", pgw(more=tag(110)), "element_overrun"),
    damaged("a record of nothing", PGW + b"\x00", "missing_value", "start_time"),
    damaged("everything of zero length", pgw(dict.fromkeys(MEMBERS, b"")), "missing_value", "start_time"),
    damaged("an indefinite record of nothing", PGW + b"\x80" + END, "missing_value", "start_time"),
    family("a file of nothing", []),
    family("records of zero length without end", [bad(PGW + b"\x00", "missing_value", "start_time")] * 500),
    cut_at("cut in a tag", 1),
    cut_at("cut before a length", 2),
    cut_at("cut in a length", 3),
    cut_at("cut after a length", 4),
    cut_at("cut in a member's tag", 5),
    cut_at("cut in a member", 12),
    cut_at("cut before the last octet", len(WHOLE) - 1),
    family("only ends of contents", [filler(END * 500)]),
    family("endless ends of contents", [GOOD, filler(END * 50_000)]),
    family("zeros after the last record", [GOOD, NEXT, filler(bytes(700))]),
    family("an odd number of zeros", [GOOD, filler(bytes(701))]),
    family("ones after the last record", [GOOD, NEXT, filler(b"\xff" * 700)]),
    family("zeros and then ones", [GOOD, filler(bytes(30) + b"\xff" * 30)]),
    family("filler between records", [GOOD, filler(b"\xff" * 30), NEXT, filler(bytes(30)), GOOD]),
    family("only filler", [filler(b"\xff" * 4096)]),
    family("garbage after the last record", [GOOD, NEXT, bad(b"\x5a\xa5garbage" * 9, "bad_length_octets")]),
    family("a line of text after the last record", [GOOD, NEXT, bad(b"end of file\n", "element_overrun")]),
    family("a line feed after the last record", [GOOD, NEXT, bad(b"\n", "element_overrun")]),
    family("blocks of one size", [GOOD, NEXT, filler(b"\xff" * 360), GOOD, filler(b"\xff" * 437)]),
]
