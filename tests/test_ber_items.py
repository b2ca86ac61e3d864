"""Items of BER records: which rows they have, and what stands beside them in each."""

from __future__ import annotations

import pytest

import mediation as md
from tests.decode_book import feed_of
from tests.test_ber_values import AMOUNT, BESIDE, CODE, NINE, NUMBER, TEXT
from tests.test_ts32298 import octets, tlv

ITEMS = {
    "field": [
        {"column": "n", "type": "integer", "unit": "1", "coding": "integer", "optional": True, "tag": "0/3/u16/1"},
        {
            "column": "host_charge_amount",
            "type": "decimal",
            "decimals": 6,
            "coding": "integer",
            "optional": True,
            "tag": "0/4",
        },
        {**CODE, "coding": "integer", "optional": True, "tag": "0/5"},
        {**TEXT, "coding": "ip", "optional": True, "tag": "0/6"},
        {"column": "y", "type": "text", "optional": True, "tag": "0/7[1=5]/2"},
        *BESIDE,
    ],
    "ber": {"items": ["0/3/u16"]},
    "max_record_bytes": 200_000,
}
RECORD = tlv("84", b"\x07") + tlv("85", b"\x00") + tlv("86", b"\x0a\x00\x00\x01")


def items_of(folder, data: bytes):
    feed = feed_of(folder, ITEMS["field"], feed={"file_name": "*"}, format="ber", ber=ITEMS["ber"],
                   max_record_bytes=ITEMS["max_record_bytes"])  # fmt: skip
    path = folder / "x"
    path.write_bytes(data)
    usage, rejects = md.decode(path, feed)
    return usage.to_pylist(), [(row["record_no"], row["code"]) for row in rejects.to_pylist()]


def long(tag: str, content: bytes) -> bytes:
    return octets(tag) + b"\x83" + len(content).to_bytes(3, "big") + content


def test_every_item_has_what_its_record_says(tmp_path):
    """More rows than are finished at once, of records of no, one and many items; the record's values stand anywhere."""
    counts = [0, 1, 700, 2, 3, 0, 900, 1]
    records = []
    for number, count in enumerate(counts):
        items = tlv("a3", *(tlv("30", tlv("81", bytes([item % 100]))) for item in range(count)))
        records.append(tlv("a0", *((RECORD, items) if number % 2 else (items, RECORD))))
    rows, rejects = items_of(tmp_path, b"".join(records))
    assert rejects == []
    expected = [
        (no, item, item % 100 if count else None) for no, count in enumerate(counts) for item in range(max(count, 1))
    ]
    assert [(row["record_no"], row["item_no"], row["n"]) for row in rows] == expected
    assert {(int(row["host_charge_amount"]), row["cause_for_closing"], row["x"]) for row in rows} == {
        (7, "normal", "10.0.0.1")
    }


def test_an_empty_item_has_no_row_and_what_follows_stands_beside_it(tmp_path):
    empty, item = tlv("a3", tlv("30")), tlv("a3", tlv("30", tlv("81", b"\x09")))
    rows, rejects = items_of(tmp_path, tlv("a0", empty, RECORD) + tlv("a0", item, empty, RECORD))
    assert rejects == []
    assert [(row["record_no"], row["n"], int(row["host_charge_amount"])) for row in rows] == [(0, None, 7), (1, 9, 7)]


def test_a_group_without_items_leaves_nothing_to_the_next_record(tmp_path):
    number = {"type": "integer", "unit": "1", "coding": "integer", "optional": True}
    fields = [
        {**number, "column": "n", "sum": True, "tag": "0/3/u16/{1,2/u16/1}"},
        {**number, "column": "m", "tag": "0/3/u16/5"},
        *BESIDE,
    ]
    ber = {"items": ["0/3/u16", "0/3/u16/2/u16"]}
    one = tlv("30", tlv("a2", tlv("30", tlv("81", b"\x01"))))
    none = tlv("30", tlv("81", b"\x09"), tlv("85", b"\x04"))
    path = tmp_path / "x"
    path.write_bytes(tlv("a0", tlv("a3", one, none)) + tlv("a0", tlv("a3", one)) + tlv("a0"))
    usage, _ = md.decode(path, feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber=ber))
    assert [(row["record_no"], row["n"], row["m"]) for row in usage.to_pylist()] == [
        (0, 1, None),
        (1, 1, None),
        (2, None, None),
    ]


@pytest.mark.parametrize("empty", ["3000", "30800000"])
def test_an_empty_item_has_no_row_and_takes_no_values(tmp_path, empty):
    """In either form of its length; in the file's first record, and after one whose values stand in other rows."""
    items = tlv("a3", octets(empty), tlv("30", tlv("81", b"\x01")), octets(empty))
    bare = tlv("a3", octets(empty))
    rows, rejects = items_of(tmp_path, b"".join(tlv("a0", each, RECORD) for each in (bare, items, bare, items)))
    assert rejects == []
    assert [(row["record_no"], row["item_no"], row["n"]) for row in rows] == [
        (no, 0, 1 if no % 2 else None) for no in range(4)
    ]
    assert {(int(row["host_charge_amount"]), row["cause_for_closing"], row["x"]) for row in rows} == {
        (7, "normal", "10.0.0.1")
    }


def test_what_an_item_says_is_in_the_rows_of_those_inside_it(tmp_path):
    """Numbers, amounts, codes and text."""
    outer = {"n": ("81", b"\x05"), "host_charge_amount": ("82", b"\x07"), "cause_for_closing": ("83", b"\x00")}
    fields = [
        {**NUMBER, "coding": "integer", "optional": True, "tag": "0/3/u16/1"},
        {**AMOUNT, "coding": "integer", "optional": True, "tag": "0/3/u16/2"},
        {**CODE, "coding": "integer", "optional": True, "tag": "0/3/u16/3"},
        {**TEXT, "optional": True, "tag": "0/3/u16/4"},
        {"column": "rating_group", "type": "integer", "coding": "integer", "optional": True, "tag": "0/3/u16/5/1"},
        *BESIDE,
    ]
    ber = {"items": ["0/3/u16", "0/3/u16/5"]}
    feed = feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber=ber)
    said = b"".join(tlv(tag, content) for tag, content in outer.values()) + tlv("84", b"text")
    inner = [tlv("a5", tlv("81", bytes([group]))) for group in range(3)]
    (tmp_path / "x").write_bytes(tlv("a0", tlv("a3", tlv("30", *inner[:1], said, *inner[1:]))))
    usage, rejects = md.decode(tmp_path / "x", feed)
    assert len(rejects) == 0
    assert usage["rating_group"].to_pylist() == [0, 1, 2]
    rows = [(row["n"], int(row["host_charge_amount"]), row["cause_for_closing"], row["x"]) for row in usage.to_pylist()]
    assert rows == [(5, 7, "normal", "text")] * 3


def test_the_first_of_those_that_wait_counts(tmp_path):
    fields = [
        {**NUMBER, "coding": "integer", "optional": True, "tag": "0/3/u16/1"},
        {**TEXT, "optional": True, "tag": "0/4/1"},
        *BESIDE,
    ]
    ber = {"items": ["0/3/u16"], "without_items": ["0/4"]}
    feed = feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber=ber)
    waiting = tlv("a4", tlv("81", b"first")) + tlv("a4", tlv("81", b"second"))
    (tmp_path / "x").write_bytes(tlv("a0", waiting) + tlv("a0", waiting, tlv("a3", tlv("30", tlv("81", b"\x01")))))
    usage, _ = md.decode(tmp_path / "x", feed)
    assert usage["x"].to_pylist() == ["first", None]


def test_items_have_numbers_of_two_octets(tmp_path):
    item = tlv("30", tlv("81", b"\x01"))
    most, more = long("a0", long("a3", item * 32767)), long("a0", long("a3", item * 32768))
    rows, rejects = items_of(tmp_path, most + more + most[:0] + tlv("a0", RECORD))
    assert len(rows) == 32768
    assert rejects == [(1, "too_many_items")]
    assert (rows[-2]["item_no"], rows[-1]["item_no"]) == (32766, 0)


def test_a_record_that_is_too_long_has_no_row(tmp_path):
    rows, rejects = items_of(tmp_path, long("a0", bytes(200_000)) + tlv("a0", RECORD))
    assert (len(rows), rejects) == (1, [(0, "record_too_long")])


@pytest.mark.parametrize(
    "items", ["a380 3080 810101 0000", "8303 3080 81", "a380 3080 810101", "a303 3080 81", "a304 308400 81"]
)
def test_items_of_a_damaged_list(tmp_path, items):
    """Elements without their end above the items: the rows that were counted for them are not needed."""
    rows, rejects = items_of(tmp_path, tlv("a0", octets(items)) + tlv("a0", RECORD))
    assert (len(rows), rejects) == (1, [(0, "bad_tag" if items.startswith("83") else "element_overrun")])


def test_a_childs_value_that_is_none_decides_nothing(tmp_path):
    children = [b"\x81\x01\x05", b"\xa1\x01\x05", b"\x81\x00", b"\x81\x09" + NINE, b"\x81\x01\x04", b""]
    rows, _ = items_of(tmp_path, b"".join(tlv("a0", RECORD, tlv("a7", child, b"")) for child in children))
    assert len(rows) == len(children)
    unreadable = tlv("a7", b"\x8a\x00\xa9\x80\x81\x01", tlv("82", b"y"))  # it is passed over whole
    rows, rejects = items_of(tmp_path, tlv("a0", unreadable))
    assert ([row["y"] for row in rows], rejects) == ([None], [])


def test_a_tag_whose_end_is_not_at_hand(tmp_path):
    rows, rejects = items_of(tmp_path, tlv("a0", b"\x1f\x81") + tlv("a0", RECORD))
    assert (len(rows), rejects) == (1, [(0, "element_overrun")])
