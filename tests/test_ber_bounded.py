"""What a BER file says once and its rows have many times: bounded, however long it is and however many they are."""

from __future__ import annotations

import mediation as md
from mediation.decode._text import Text
from mediation.decode.ber._ber import Context, portion
from mediation.decode.layout import layout_of
from tests.decode_book import feed_of
from tests.test_ber_items import ITEMS, RECORD, items_of, long
from tests.test_ber_values import BESIDE, TEXT
from tests.test_ts32298 import tlv


def test_a_record_that_says_too_much_beside_its_items_has_no_row(tmp_path):
    """Its text in each of its rows would have half a gigabyte."""
    much = long("a0", long("86", b"x" * 100_000) + long("a3", tlv("30", tlv("81", b"\x01")) * 5000))
    rows, rejects = items_of(tmp_path, much + tlv("a0", RECORD))
    assert (len(rows), rejects) == (1, [(0, "too_many_items")])


def test_records_that_say_much_beside_their_items_are_decoded_one_by_one(tmp_path):
    one = long("a0", long("86", b"x" * 60_000) + long("a3", tlv("30", tlv("81", b"\x01")) * 3000))
    text = Text(3 * len(one))
    memoryview(text)[:] = 3 * one
    feed = feed_of(tmp_path, ITEMS["field"], feed={"file_name": "*"}, format="ber", ber=ITEMS["ber"])
    assert portion(layout_of(feed, None).plan, Context(), text, 0, 3 * len(one), 200_000) == (len(one), 3000)


def test_a_text_of_the_header_that_is_too_long_for_every_row_is_none(tmp_path):
    fields = [{**TEXT, "optional": True, "header": "u16/0/7"}, *BESIDE]
    feed = feed_of(tmp_path, fields, feed={"file_name": "*"}, format="ber", ber={"records": "u16/1"})
    for length, expected in ((255, ["n" * 255]), (256, [None])):
        (tmp_path / "x").write_bytes(long("30", tlv("a0", tlv("87", b"n" * length)) + tlv("a1", tlv("a0", b""))))
        assert md.decode(tmp_path / "x", feed)[0]["x"].to_pylist() == expected
