"""Whole TAP3 files: what they hold comes out in canonical columns, and they are accepted by their own totals."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

import mediation as md
from tests.tap_book import tap_book

SAMPLES = Path(__file__).parent / "data" / "tap311"
CONTENT, CALL, NOTIFICATION = sorted(SAMPLES.glob("TD*"))


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("tap3")).feeds["t"]


def test_content_transactions(feed):
    usage, rejects = md.decode(CONTENT, feed)
    assert (usage.num_rows, rejects.num_rows) == (8, 0)
    assert set(usage["record_type"].to_pylist()) == {"content_transaction"}
    assert sum(usage["host_charge_amount"].to_pylist()) == Decimal("37.517")
    assert usage["served_imsi"].to_pylist()[0] == 262092464523231
    first = usage["start_time"].to_pylist()[0]
    assert first == dt.datetime(2002, 1, 24, 9, 15, 36, tzinfo=dt.UTC)
    assert usage["utc_offset_s"].to_pylist()[:2] == [3600, 7200]


def test_a_call_of_indefinite_lengths(feed):
    usage, rejects = md.decode(CALL, feed)
    assert rejects.num_rows == 0
    (row,) = usage.to_pylist()
    expected = {
        "record_type": "voice_mo",
        "served_msisdn": 239228473214,
        "served_imsi": 262092464569171,
        "imei": "49010041059856",
        "other_party": "436643313540",
        "start_time": dt.datetime(2000, 11, 8, 20, 0, 0, tzinfo=dt.UTC),
        "duration_s": 300,
        "service_code": "11",
        "node_id": "ARSENAL1",
        "host_record_id": "06b0096f",
        "host_charge_amount": Decimal(25),
        "host_charge_currency": "XDR",
        "tax_amount": Decimal("2.5"),
        "exchange_rate": Decimal(12),
        "serving_network": "AUTPT",
    }
    assert {name: row[name] for name in expected} == expected


def test_a_notification_has_no_records(feed):
    usage, rejects = md.decode(NOTIFICATION, feed)
    assert (usage.num_rows, rejects.num_rows) == (0, 0)
