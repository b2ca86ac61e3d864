"""What every coding makes of contents at the edges of what it can mean: a value, a null, or a code.

Conventions
-----------
- A case is a field's declaration and what it makes of several contents, one record each: element 0/1 of its own file,
  whose header names a few entities, rates and UTC offsets.
- A string that begins with ``!`` is the code of a reject.
"""

from __future__ import annotations

import datetime as dt
from typing import get_args

import pytest

import mediation as md
from mediation.decode._text import Text
from mediation.decode.ber._ber import CODINGS, Context, cut
from mediation.rulebook.model import Coding
from tests.decode_book import feed_of
from tests.test_ts32298 import octets, tlv


def test_every_coding_that_a_rule_book_may_name_is_the_kernels():
    assert set(CODINGS) == {*get_args(Coding), "header"}


def members(*contents: bytes) -> bytes:
    return tlv("a1", *(tlv(f"{0x80 + number:02x}", content) for number, content in enumerate(contents)))


ENTITIES = [
    members(b"\x00", b"\x03", b"zero"),
    members(b"\x01", b"\x03", b"one"),
    members(b"\x02", b"\xff", b"below"),
    members(b"\x03", b"\x40", b"above"),
    members(b"\x07", b"\x03", b"seven"),
]
RATES, OFFSETS = [members(b"\x00", b"\x00", b"\x01"), members(b"\x01", b"\x02", b"\x7d")], [members(b"\x01", b"+0100")]
HEADER = tlv("a0", tlv("a1", *ENTITIES), tlv("a2", *RATES), tlv("a3", *OFFSETS), tlv("84", b"\x06"), tlv("85", b""))
BER = {
    "records": "u16/1",
    "entities": "u16/0/1/1/{0,1,2}",
    "rates": "u16/0/2/1/{0,1,2}",
    "utc_offsets": "u16/0/3/1/{0,1}",
    "decimals": "u16/0/4",
}


def local(time: str, code: bytes) -> bytes:
    return tlv("50", time.encode()) + tlv("5f8168", code)


def number(value: int) -> bytes:
    return tlv("82", value.to_bytes(8, "big", signed=True))


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


TEXT = {"column": "x", "type": "text"}
NUMBER = {"column": "n", "type": "integer", "unit": "1"}
AMOUNT = {"column": "host_charge_amount", "type": "decimal", "decimals": 6}
TIME = {"column": "start_time", "type": "timestamp"}
CODE = {"column": "cause_for_closing", "type": "enumeration", "values": {"0": "normal", "7": "odd", "abc": "text"}}
MSISDN = {"column": "served_msisdn", "type": "digits"}
NINE = b"\x01" + bytes(8)  # octets of an integer of more than 64 bits

# Fields that a layout must have.
BESIDE = [
    {**MSISDN, "coding": "tbcd", "optional": True, "tag": "0/8"},
    {**TIME, "coding": "time9", "optional": True, "tag": "0/9"},
]

CASES = {
    "integer as text": (
        {**TEXT, "coding": "integer"},
        [
            (b"\x00", "0"),
            (b"\xff", "-1"),
            (b"\x04\xd2", "1234"),
            (b"\x80" + bytes(7), str(-(2**63))),
            (b"", None),
            (NINE, "!number_overflow"),
        ],
    ),
    "ip": (
        {**TEXT, "coding": "ip"},
        [
            (b"\x0a\x00\x63\xff", "10.0.99.255"),
            (b"10.1.2.3", "10.1.2.3"),
            (octets("2001 0db8 0000 00ab 0000 0000 0000 000f"), "2001:db8:0:ab:0:0:0:f"),
        ],
    ),
    "text of a length": (
        {**TEXT, "min_length": 2, "max_length": 3, "strip": "both"},
        [(b"ab", "ab"), (b" abc ", "abc"), (b"a", "!bad_length"), (b"abcd", "!bad_length"), (b"   ", None)],
    ),
    "text of other characters": (
        {**TEXT, "characters": "digits"},
        [(b"12", "12"), (b"1x", "!not_a_number"), (b"\xc3\xa9", "!not_a_number")],
    ),
    "text that is none": ({**TEXT}, [(b"\xc3\xa9", "é"), (b"\xff", "!invalid_encoding")]),
    "hex": ({**TEXT, "coding": "hex"}, [(b"\x0f\xa0", "0fa0")]),
    "network": (
        {**TEXT, "coding": "plmn"},
        [
            (octets("64 f0 10"), "46001"),
            (octets("13 00 14"), "310410"),
            (octets("ff ff ff"), None),
            (octets("ff f0 10"), "!bad_character"),
            (octets("ff ff 10"), "!bad_character"),
            (octets("64 f0"), "!bad_length"),
        ],
    ),
    "user of a URI": (
        {"column": "served_imsi", "type": "digits", "coding": "uri"},
        [(b"tel:+12;x=1", 12), (b"tel:7", 7), (b"5", 5), (b"+", None), (b"sip:@a", None), (b"x", "!not_a_number")],
    ),
    "digits as text": (
        {**TEXT, "coding": "tbcd", "min_length": 2, "max_length": 18},
        [
            (b"\x21\xf3", "123"),
            (b"\xff\xff", "!bad_length"),
            (b"\xf1", "!bad_length"),
            (b"\x1f\x32", "!bad_character"),
            (b"\x21" * 9 + b"\xff", "12" * 9),
            (b"\x21" * 9 + b"\xf3", "!bad_length"),
            (b"\x1f" + b"\x21" * 8, "!bad_character"),
            (b"\xa0\xcb", "0*#a"),
        ],
    ),
    "digits as text, none": (
        {**TEXT, "coding": "bcd"},
        [(b"\xff", None), (b"\xff" * 8, None), (b"\xff" * 9, None), (b"\x12\x3f", "123")],
    ),
    "address as text": (
        {**TEXT, "coding": "address"},
        [(b"\x91", None), (b"\x91\x21", "+12"), (b"\xa1\x21", "12"), (b"\x91\x1f\x32", "!bad_character")],
    ),
    "entity": (
        {**TEXT, "coding": "entity"},
        [(b"\x01", "one"), (b"\x02", "below"), (b"\x05", None), (b"\x09", None), (NINE, None)],
    ),
    "entity of a type": (
        {**TEXT, "coding": "entity", "entity_types": [3]},
        [(b"\x01", "one"), (b"\x02", None), (b"\x03", None)],
    ),
    "entity of another type": ({**TEXT, "coding": "entity", "entity_types": [4]}, [(b"\x01", None)]),
    "integer": (
        {**NUMBER, "coding": "integer", "min": 5, "max": 300},
        [
            (b"\x05", 5),
            (b"\x04", "!out_of_range"),
            (b"\x01\x2d", "!out_of_range"),
            (b"\xff", "!negative"),
            (b"\x00\x80", 128),
            (NINE, "!number_overflow"),
            (b"\x00" * 8 + b"\x07", 7),
            (b"", None),
        ],
    ),
    "signed integer": (
        {**NUMBER, "coding": "integer", "signed": True},
        [(b"\xfe", -2), (b"\xff" * 8 + b"\xfe", -2), (b"\xff\x7f" + bytes(7), "!number_overflow")],
    ),
    "negated": (
        {**NUMBER, "coding": "negated", "signed": True},
        [(b"\x05", -5), (b"\xfb", 5), (b"\x80" + bytes(7), "!number_overflow")],
    ),
    "integer in a unit": (
        {"column": "uplink_bytes", "type": "integer", "unit": "MiB", "coding": "integer", "sum": True},
        [(b"\x02", 2 * 2**20), (b"\x40" + bytes(7), "!number_overflow")],
    ),
    "integer of digits": (
        {**NUMBER, "coding": "bcd"},
        [
            (b"\x12\x3f", 123),
            (b"\xff", None),
            (b"\xff" * 9, None),
            (b"\x1a", "!not_a_number"),
            (octets("09 22 33 72 03 68 54 77 58 07"), 2**63 - 1),
            (b"\x12" * 8 + b"\xa2", "!not_a_number"),
            (octets("09 22 33 72 03 68 54 77 58 08"), "!number_overflow"),
            (b"\x99" * 10, "!number_overflow"),
            (b"\x1f" + b"\x12" * 8, "!not_a_number"),
        ],
    ),
    "integer of an address": ({**NUMBER, "coding": "address"}, [(b"\x91\x21", 12), (b"\x91", None)]),
    "integer as characters": ({**NUMBER}, [(b"12", 12), (b"1x", "!not_a_number"), (b"-1", "!negative")]),
    "a subscriber's number": (
        {**MSISDN, "coding": "tbcd"},
        [
            (octets("31 88 10 32 54 f6"), 8613880123456),
            (octets("68 31 88 10 32 54 f6"), 8613880123456),
            (b"\x21" * 13, "!bad_msisdn"),
            (b"\x1f\x32", "!bad_msisdn"),
            (b"\xff", "!bad_msisdn"),
        ],
    ),
    "a subscriber's number, international": (
        {**MSISDN, "coding": "address"},
        [(octets("91 68 31 88 10 32 54 f6"), 8613880123456), (octets("a1 31 88 10 32 54 f6"), 8613880123456)],
    ),
    "a subscriber's number as characters": ({**MSISDN}, [(b"13880123456", 8613880123456), (b"x", "!bad_msisdn")]),
    "amount": (
        {**AMOUNT, "coding": "integer"},
        [
            (b"\x07", 7),
            (b"\xff", "!negative"),
            (NINE, "!number_overflow"),
            (b"", None),
            ((10**18).to_bytes(8, "big"), "!number_overflow"),
        ],
    ),
    "signed amount": (
        {**AMOUNT, "coding": "negated", "signed": True},
        [(b"\x07", -7), ((10**18).to_bytes(8, "big"), "!number_overflow")],
    ),
    "rate": (
        {"column": "exchange_rate", "type": "decimal", "decimals": 6, "coding": "rate"},
        [(b"\x01", 1250000), (b"\x02", None), (NINE, None)],
    ),
    "time of nine octets": (
        {**TIME, "coding": "time9"},
        [
            (octets("260320 115441 2b 0100"), at(2026, 3, 20, 10, 54, 41)),
            (b"\x26", "!bad_timestamp"),
            (octets("260320 115441 2d 0130"), at(2026, 3, 20, 13, 24, 41)),
            (octets("26032011544f2b0100"), "!bad_timestamp"),
            (octets("2603201154a12b0100"), "!bad_timestamp"),
            (octets("261320 115441 2b 0100"), "!impossible_time"),
            *(
                (octets(f"260320 115441 {bad}"), "!bad_utc_offset")
                for bad in ("20 0100", "2b 0160", "2b 1801", "2b 01a0", "2b 010f")
            ),
            (octets("261231 235960 2b 0000"), at(2027, 1, 1)),
        ],
    ),
    "offset of nine octets": (
        {"column": "utc_offset_s", "type": "integer", "unit": "s", "signed": True, "coding": "time9"},
        [(octets("260320 115441 2d 0100"), -3600), (b"\x26", "!bad_timestamp")],
    ),
    "time as an integer": (
        {**TIME, "coding": "integer"},
        [
            (b"\x00", at(1970, 1, 1)),
            (b"\xff", "!impossible_time"),
            (NINE, "!impossible_time"),
            ((7258118400).to_bytes(5, "big"), "!impossible_time"),
        ],
    ),
    "time of digits": (
        {**TIME, "pattern": "%Y%m%d%H%M%S", "zone": "UTC", "coding": "bcd"},
        [
            (octets("20260320 115441"), at(2026, 3, 20, 11, 54, 41)),
            (b"\x1f" * 7, "!bad_timestamp"),
            (b"\x20" * 17, "!bad_timestamp"),
            (octets("20261231 235960"), at(2027, 1, 1)),
        ],
    ),
    "time as characters": (
        {**TIME, "pattern": "%Y%m%d%H%M%S", "zone": "UTC"},
        [(b"20260320115441", at(2026, 3, 20, 11, 54, 41)), (b"2026", "!bad_timestamp")],
    ),
    "code": (
        {**CODE, "coding": "integer"},
        [
            (b"\x00", "normal"),
            (b"\x07", "odd"),
            (b"\x05", "!unknown_value"),
            (b"\xff", "!unknown_value"),
            (NINE, "!unknown_value"),
            (b"", None),
        ],
    ),
    "code as characters": ({**CODE}, [(b"abc", "text"), (b"abd", "!unknown_value"), (b"a" * 17, "!unknown_value")]),
}
NESTED = {
    "sum": (
        {**NUMBER, "coding": "integer", "signed": True, "sum": True, "tag": "0/1/2"},
        [(number(7) + number(-9), -2), (number(2**62) * 2, "!number_overflow"), (b"", None)],
    ),
    "sum of amounts": (
        {**AMOUNT, "coding": "integer", "sum": True, "tag": "0/1/2"},
        [(number(7) + number(9), 16), (number(6 * 10**17) * 2, "!number_overflow")],
    ),
    "time of TAP": (
        {**TIME, "coding": "tap_time"},
        [
            (local("20260320115441", b"\x01"), at(2026, 3, 20, 10, 54, 41)),
            (local("2026", b"\x01"), "!bad_timestamp"),
            (local("20260320115441", b"\x02"), None),
            (local("20260320115441", NINE), None),
            (tlv("5f8168", b"\x01"), None),
            (local("20261231235960", b"\x01"), at(2026, 12, 31, 23)),
            (local("2026032011544x", b"\x01"), "!bad_timestamp"),
            (tlv("50", b"20260320115441"), None),
            (local("20260320115441", b""), None),
            (b"\x50\x7f", None),
        ],
    ),
    "time of NRTRDE": (
        {**TIME, "coding": "nrtrde_time"},
        [
            (tlv("55", b"20260320115441") + tlv("5f2d", b"+0100"), at(2026, 3, 20, 10, 54, 41)),
            (tlv("55", b"20260320115441") + tlv("5f2d", b""), None),
            (tlv("55", b"20260320115441"), None),
            (tlv("5f2d", b"+0100"), None),
        ],
    ),
    "offset of TAP": (
        {"column": "utc_offset_s", "type": "integer", "unit": "s", "signed": True, "coding": "tap_offset"},
        [(local("20260320115441", b"\x01"), 3600), (local("20260320115441", b"\x02"), None)],
    ),
}


def file_of(contents: list[bytes], tag: str) -> bytes:
    return tlv("30", HEADER, tlv("a1", *(tlv("a0", tlv(tag, each), tlv("82", b"r")) for each in contents)))


def outcomes(folder, field: dict, contents: list[bytes], tag: str) -> list:
    """For each content what became of it."""
    beside = [each for each in BESIDE if each["column"] != field["column"]]
    declared = [{"tag": "0/1", **field, "optional": True}, *beside]
    given = {"file_name": "*", "numbers": "cn"} if field["type"] == "digits" else {"file_name": "*"}
    feed = feed_of(folder, declared, feed=given, format="ber", ber=BER)
    path = folder / "x"
    path.write_bytes(file_of(contents, tag))
    usage, rejects = md.decode(path, feed)
    column = field["column"]
    values = (
        usage[column] if field["type"] != "decimal" else [v.as_py() and int(v.as_py().scaleb(6)) for v in usage[column]]
    )
    found = dict(
        zip(usage["record_no"].to_pylist(), values if isinstance(values, list) else values.to_pylist(), strict=True)
    )
    found |= {row["record_no"]: f"!{row['code']}" for row in rejects.to_pylist()}
    assert {row["field"] for row in rejects.to_pylist()} <= {column}
    return [found[number] for number in range(len(contents))]


@pytest.mark.parametrize("name", [*CASES, *NESTED])
def test_contents_of_a_coding(tmp_path, name):
    field, cases = (CASES | NESTED)[name]
    found = outcomes(tmp_path, field, [contents for contents, _ in cases], "81" if name in CASES else "a1")
    assert found == [expected for _, expected in cases]


def test_members_are_not_a_value(tmp_path):
    field = {**NUMBER, "coding": "integer", "tag": "0/1/2"}
    feed = feed_of(tmp_path, [{**field, "optional": True}, *BESIDE], feed={"file_name": "*"}, format="ber", ber={})
    (tmp_path / "x").write_bytes(tlv("a0", tlv("81", b"\x05")) + tlv("a0", tlv("a1", tlv("82", b"\x05"))))
    usage, rejects = md.decode(tmp_path / "x", feed)
    assert (usage["n"].to_pylist(), rejects["code"].to_pylist()) == ([5], ["bad_tag"])


@pytest.mark.parametrize("said", [b"", tlv("86", b"7"), tlv("87", b"name"), tlv("86", b"7") + tlv("87", b"name")])
def test_what_the_header_says_is_in_every_row(tmp_path, said):
    fields = [
        {**CODE, "optional": True, "header": "u16/0/6"},
        {**TEXT, "optional": True, "header": "u16/0/7"},
        *BESIDE,
    ]
    feed = feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber={"records": "u16/1"})
    (tmp_path / "x").write_bytes(tlv("30", tlv("a0", said), tlv("a1", tlv("a0", b"") * 3)))
    usage, _ = md.decode(tmp_path / "x", feed)
    assert usage["cause_for_closing"].to_pylist() == ["odd" if b"7" in said else None] * 3
    assert usage["x"].to_pylist() == ["name" if b"name" in said else None] * 3


def test_an_amount_whose_decimals_nobody_says_is_null(tmp_path):
    fields = [{**AMOUNT, "coding": "integer", "optional": True, "tag": "0/1"}, *BESIDE]
    ber = {"records": "u16/1", "decimals": "u16/0/4", "decimals_optional": True}
    feed = feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber=ber)
    (tmp_path / "x").write_bytes(tlv("30", tlv("a0", b""), tlv("a1", tlv("a0", tlv("81", b"\x07")))))
    usage, rejects = md.decode(tmp_path / "x", feed)
    assert (usage["host_charge_amount"].to_pylist(), len(rejects)) == ([None], 0)


def test_an_element_in_segments_is_refused(tmp_path):
    assert outcomes(tmp_path, TEXT, [tlv("04", b"a")], "a1") == ["!segmented_value"]


# -------------------------------------------------------------------------------------------------- cuts


def cut_of(data: bytes, *, container: int | None = None, longest: int = 40):
    text = Text(len(data) + 1)
    memoryview(text)[: len(data)] = data
    return cut(Context(), text, 0, len(data), container, False, longest)


def test_a_record_beyond_its_container():
    record = octets("a0 10") + bytes(3)
    assert cut_of(record, container=10) == (0, 0, "damaged", "element_overrun", 18)
    assert cut_of(record, container=30) == (0, 0, "more", "element_overrun", 18)
    assert cut_of(record, container=5) == (0, 0, "damaged", "element_overrun", 18)


def test_a_record_that_ends_too_late():
    assert cut_of(octets("a0 80") + b"\x81\x01\x00" * 20)[2:4] == ("damaged", "record_too_long")
    assert cut_of(octets("a0 80") + b"\x81\xff" * 30)[2:4] == ("damaged", "bad_length_octets")
    assert cut_of(octets("a0 80") + b"\x81\x01\x00" * 5)[2:4] == ("more", "element_overrun")


def test_what_is_open_is_bounded():
    assert cut_of(octets("a0 80") * 32, longest=100)[2:4] == ("more", "element_overrun")
    assert cut_of(octets("a0 80") * 33, longest=100)[2:4] == ("damaged", "too_deep")
