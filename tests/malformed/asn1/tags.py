"""Tags that are too long, unknown, repeated or of another kind; how deep a record may be."""

from __future__ import annotations

from tests.asn1.ber import END, tag, tlv
from tests.malformed.asn1 import (
    APN,
    BODY,
    CHARGING_ID,
    GOOD,
    GROUP,
    IMSI,
    MEMBERS,
    MSISDN,
    NEXT,
    OPENING,
    PGW,
    SERVICES,
    STRUCTURE,
    bad,
    container,
    family,
    pgw,
)
from tests.malformed.asn1.lengths import KIND, damaged, lost, sound

LONGEST = tag((1 << 14) - 1, of="PRIVATE")  # of three octets
ALLOWED_DEPTH, TOO_DEEP = 8, 10_000


def nested(depth: int) -> bytes:
    """Members of nobody's in one another."""
    made = b""
    for _ in range(depth):
        made = tlv(KIND, made)
    return made


def nested_endlessly(depth: int) -> bytes:
    return KIND + b"\x80" + (KIND + b"\x80") * (depth - 1) + END * depth


TAGS = [
    damaged("a tag of four octets", pgw(more=b"\x9f\x81\x80\x00\x01\x07"), "bad_tag"),
    damaged("a tag of a hundred octets", pgw(more=b"\x9f" + b"\x81" * 98 + b"\x01\x01\x07"), "bad_tag"),
    damaged("a tag that does not end", pgw(more=b"\x9f" + b"\x81" * 9), "bad_tag"),
    damaged("a tag cut off", pgw(more=b"\x9f"), "element_overrun"),
    sound("a tag with a leading zero", pgw(more=b"\x9f\x80\x7b\x01\x07")),
    lost("a record's tag of a hundred octets", b"\xbf" + b"\x81" * 98 + b"\x01" + GOOD.raw[2:], "bad_tag"),
    sound("the longest tag of nobody's", pgw(more=tlv(LONGEST, b"x"))),
    sound("a low number in the long form", pgw({CHARGING_ID: None}, b"\x9f\x05\x01\x07")),
    sound("a member of nobody's that is empty", pgw(more=tlv(tag(99), b""))),
    sound("a member of every class", pgw(more=tlv(b"\x05", b"") + tlv(b"\x41", b"x") + tlv(b"\xc5", b"x"))),
    sound("a known number of another class", pgw(more=tlv(b"\x45", b"\x09") + tlv(b"\xc5", b"\x09"))),
    sound("ten thousand members of nobody's", pgw(more=tlv(tag(99), b"x") * 10_000)),
    sound("every tag of one octet and two", pgw(more=b"".join(tlv(tag(n), b"x") for n in range(75, 128)))),
    sound("a hundred ratings of nothing", pgw({SERVICES: container() + tlv(STRUCTURE, tlv(GROUP, b"\x02")) * 100})),
    sound("two charging ids, of which the first counts", pgw(more=tlv(CHARGING_ID, b"\x09"))),
    sound("two numbers of the subscriber", pgw(more=tlv(MSISDN, MEMBERS[MSISDN]))),
    damaged(
        "a number that has members",
        pgw({CHARGING_ID: None}, tlv(b"\xa5", b"\x02\x01\x07")),
        "segmented_value",
        "charging_id",
    ),
    damaged("a text in pieces", pgw({APN: None}, tlv(b"\xa7", tlv(b"\x16", b"cmnet"))), "segmented_value", "apn"),
    damaged("a list without members", pgw({SERVICES: None}, tlv(tag(34), b"\x01\x02")), "bad_tag"),
    damaged("a record that is a simple value", b"\x9f\x4f\x02\x01\x01", "bad_tag"),
    damaged("a record of another kind", tlv(tag(93, constructed=True), BODY), "unknown_value", "record_type"),
    damaged("a structure where a record should be", tlv(STRUCTURE, BODY), "unknown_value", "record_type"),
    damaged("a number where a record should be", b"\x02\x01\x05", "unknown_value", "record_type"),
    damaged("a record in a record", tlv(PGW, GOOD.raw), "missing_value", "start_time"),
    sound("as deep as it may be", pgw(more=nested(ALLOWED_DEPTH))),
    sound("a member of nobody's that is too deep to look at", pgw(more=nested(TOO_DEEP))),
    damaged("too deep in indefinite lengths", pgw(more=nested_endlessly(TOO_DEEP)), "too_deep"),
    family("too deep and without an end", [GOOD, bad(PGW + b"\x80" + (KIND + b"\x80") * TOO_DEEP, "too_deep")]),
    lost("records in one another without an end", (PGW + b"\x80") * TOO_DEEP, "too_deep"),
    sound("members in another order", tlv(PGW, b"".join(tlv(*each) for each in reversed(MEMBERS.items())))),
    family("the same record again", [GOOD, GOOD, NEXT, GOOD]),
    damaged("no time", pgw({OPENING: None}), "missing_value", "start_time"),
    sound("no charging id", pgw({CHARGING_ID: None}), None),
    sound("no subscriber", pgw({IMSI: None, MSISDN: None})),
]
