"""Values of a record that are not what their type allows: numbers, digits, times, texts, addresses."""

from __future__ import annotations

from tests.asn1.ber import tag, tlv
from tests.asn1.ts32298 import tbcd
from tests.malformed.asn1 import (
    ADDRESS,
    APN,
    CAUSE,
    CHARGING_ID,
    DURATION,
    IMEI,
    IMSI,
    MOMENT,
    MSISDN,
    OPENING,
    PLMN,
    RAT,
    SERVICES,
    TYPE,
    container,
    pgw,
)
from tests.malformed.asn1.lengths import damaged, sound

MOST = b"\x7f" + b"\xff" * 7


def value(name, code, field, octets, member):
    return damaged(name, pgw({member: octets}), code, field)


def moment(name, code, octets):
    return value(name, code, "start_time", bytes.fromhex(octets.replace(" ", "")), OPENING)


def digits(name, code, octets, member=IMSI, field="served_imsi"):
    return value(name, code, field, octets, member)


CONTENTS = [
    sound("a number of no octets is none", pgw({CHARGING_ID: b""}), None),
    value("a number of nine octets", "number_overflow", "charging_id", b"\x01" + bytes(8), CHARGING_ID),
    value("a number of a thousand octets", "number_overflow", "charging_id", b"\x01" * 1000, CHARGING_ID),
    sound("a number of nine octets, one of them a zero", pgw({DURATION: b"\x00" + bytes(7) + b"\x07"})),
    sound("a number with a leading zero", pgw({CHARGING_ID: b"\x00\x00\x07"})),
    sound("the greatest number", pgw({CHARGING_ID: MOST}), (1 << 63) - 1),
    sound("a charging id with its top bit set", pgw({CHARGING_ID: b"\x00\xff\xff\xff\xff"}), (1 << 32) - 1),
    value("a negative duration", "negative", "duration_s", b"\xff", DURATION),
    damaged("a negative volume", pgw({SERVICES: container(up=b"\x80")}), "negative", "uplink_bytes"),
    damaged("a volume of nine octets", pgw({SERVICES: container(down=b"\x01" + bytes(8))}), "number_overflow"),
    sound("a volume of no octets is none", pgw({SERVICES: container(up=b"")})),
    sound("an unknown cause", pgw({CAUSE: b"\x7b"})),
    sound("an unknown access", pgw({RAT: b"\x01\x00"})),
    sound("another record type than its tag's", pgw({TYPE: b"\x54"})),
    sound("an IMSI of no digits is none", pgw({IMSI: b""})),
    sound("an IMSI of filler is none", pgw({IMSI: b"\xff" * 8})),
    digits("an IMSI of forty digits", "number_overflow", tbcd("46000123456789012345" * 2)),
    digits("an IMSI with a star", "not_a_number", tbcd("46000123456789*")),
    digits("an IMSI with filler in it", "not_a_number", bytes.fromhex("64f02143658709f1")),
    sound("a number of no digits is none", pgw({MSISDN: b"\x91"})),
    sound("a number without its kind is none", pgw({MSISDN: b""})),
    digits("a number with a letter", "not_a_number", b"\x91" + tbcd("8613a"), MSISDN, "served_msisdn"),
    digits(
        "a number of twenty digits", "number_overflow", b"\x91" + tbcd("86138000000012345678"), MSISDN, "served_msisdn"
    ),
    sound("an IMEI with a letter", pgw({IMEI: tbcd("12345678901234a")})),
    digits("an IMEI with filler in it", "bad_character", bytes.fromhex("21f3436587092143"), IMEI, "imei"),
    moment("a time of month 13", "impossible_time", "261310080000 2b0800"),
    moment("a time of day 31 in April", "impossible_time", "260431080000 2b0800"),
    moment("a time of 29 February in another year", "impossible_time", "260229080000 2b0800"),
    moment("a time of hour 24", "impossible_time", "260110240000 2b0800"),
    moment("a time of letters", "bad_timestamp", "26011008000a 2b0800"),
    moment("a time of zeros", "impossible_time", "000000000000 2b0000"),
    moment("a time of filler", "bad_utc_offset", "ff" * 9),
    moment("a time of eight octets", "bad_timestamp", "260110080000 2b08"),
    moment("a time of ten octets", "bad_timestamp", "260110080000 2b080000"),
    moment("a time of nothing", "missing_value", ""),
    moment("a time without a sign", "bad_utc_offset", "260110080000 200800"),
    moment("a time at +25:00", "bad_utc_offset", "260110080000 2b2500"),
    moment("a time at +08:60", "bad_utc_offset", "260110080000 2b0860"),
    moment("an offset of letters", "bad_utc_offset", "260110080000 2b0a00"),
    sound("29 February", pgw({OPENING: bytes.fromhex("280229235959") + MOMENT[6:]})),
    value("a text that is no ASCII", "invalid_encoding", "apn", b"cm\xe9net", APN),
    sound("a text with a NUL", pgw({APN: b"cm\0net"})),
    sound("a text of a thousand characters", pgw({APN: b"a" * 1000})),
    sound("a text of nothing", pgw({APN: b""})),
    sound("a network of two octets", pgw({PLMN: b"\x64\xf0"})),
    sound("an address of three octets", pgw({ADDRESS: tlv(tag(0), b"\x0a\x00\x00")})),
    sound("an address of no kind", pgw({ADDRESS: tlv(tag(9), b"\x0a\x00\x00\x01")})),
]
