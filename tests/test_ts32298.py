"""3GPP records by hand-worked octets: bare, padded, and in files of TS 32.297."""

from __future__ import annotations

import datetime as dt

import pytest

import mediation as md
from mediation.decode.decode import decode
from mediation.errors import SourceRefused
from tests.tap_book import tap_book


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def tlv(tag: str, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    return octets(tag) + (bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")) + content


CONTAINERS = [(10, 1000, 2000), (20, 5, 2**31)]


def pgw(*, reverse: bool = False) -> bytes:
    containers = [
        tlv("30", tlv("81", bytes([group])), tlv("8c", up.to_bytes(5, "big")), tlv("8d", down.to_bytes(5, "big")))
        for group, up, down in CONTAINERS
    ]
    members = [
        tlv("80", b"\x55"),
        tlv("83", octets("62 02 29 46 65 19 17 f0")),
        tlv("a4", tlv("80", bytes([10, 0, 0, 1]))),
        tlv("85", octets("0102a3b4")),
        tlv("87", b"internet"),
        tlv("8d", octets("15 10 21 11 00 37 2b 06 00")),
        tlv("8e", octets("0e10")),
        tlv("8f", b"\x10"),
        tlv("91", b"\x02"),
        tlv("92", b"pgw1"),
        tlv("94", octets("00 ff ff ff ff")),
        tlv("96", octets("91 94 71 10 32 54 f6")),
        tlv("9e", b"\x06"),
        tlv("bf22", *containers),
    ]
    return tlv("bf4f", *(reversed(members) if reverse else members))


EXPECTED = {
    "record_type": "data",
    "served_imsi": 262092645691710,
    "served_msisdn": 49170123456,
    "start_time": dt.datetime(2015, 10, 21, 5, 0, 37, tzinfo=dt.UTC),
    "utc_offset_s": 21600,
    "duration_s": 3600,
    "apn": "internet",
    "rat_type": "eutran",
    "charging_id": 0x0102A3B4,
    "gateway_id": "10.0.0.1",
    "sequence_no": 2,
    "node_id": "pgw1",
    "local_sequence_no": 2**32 - 1,
    "cause_for_closing": "volume_limit",
    "is_final": "no",
}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("ts32298"), format_name="ts32298").feeds["t"]


def rows(tmp_path, feed, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    usage, rejects = md.decode(path, feed)
    return usage.to_pylist(), rejects.to_pylist()


@pytest.mark.parametrize("reverse", [False, True])
def test_containers_are_items_of_their_record(tmp_path, feed, reverse):
    usage, rejects = rows(tmp_path, feed, pgw(reverse=reverse))
    assert rejects == []
    assert [row["item_no"] for row in usage] == [0, 1]
    assert {row["record_no"] for row in usage} == {0}
    assert [(row["rating_group"], row["uplink_bytes"], row["downlink_bytes"]) for row in usage] == CONTAINERS
    for row in usage:
        assert {name: row[name] for name in EXPECTED} == EXPECTED


def test_blocks_are_padded(tmp_path, feed):
    block = pgw() + b"\xff" * 100
    usage, rejects = rows(tmp_path, feed, block + pgw() + b"\0" * 50)
    assert rejects == []
    assert [row["byte_offset"] for row in usage if row["item_no"] == 0] == [0, len(block)]


def cdr_file(*cdrs: bytes, count: int | None = None, release: int = 5, closed: bool = True) -> bytes:
    extension = b"\x08" if release == 7 else b""
    body = b"".join(len(cdr).to_bytes(2, "big") + bytes([release << 5, 0x27]) + extension + cdr for cdr in cdrs)
    head = bytearray(54 if release == 7 else 52)
    length = len(head) + len(body)
    head[0:4] = length.to_bytes(4, "big") if closed else b"\xff" * 4
    head[4:8] = len(head).to_bytes(4, "big")
    head[8] = head[9] = release << 5
    head[18:22] = (len(cdrs) if count is None else count).to_bytes(4, "big")
    return bytes(head) + body


@pytest.mark.parametrize("release", [5, 7])
@pytest.mark.parametrize("closed", [True, False])
def test_files_of_ts32297(tmp_path, feed, release, closed):
    usage, rejects = rows(tmp_path, feed, cdr_file(pgw(), pgw(reverse=True), release=release, closed=closed))
    assert rejects == []
    assert [row["record_no"] for row in usage] == [0, 0, 1, 1]


def test_a_damaged_cdr_costs_itself_only(tmp_path, feed):
    bad = pgw()[:-3]
    usage, rejects = rows(tmp_path, feed, cdr_file(pgw(), bad, pgw()))
    assert [row["record_no"] for row in usage] == [0, 0, 2, 2]
    assert [(row["record_no"], row["code"]) for row in rejects] == [(1, "element_overrun")]


def test_the_count_of_the_header_is_checked(tmp_path, feed):
    path = tmp_path / "x"
    path.write_bytes(cdr_file(pgw(), count=2))
    with pytest.raises(SourceRefused, match="record_count_mismatch"):
        decode(path, feed)


def test_a_file_cut_short_is_refused(tmp_path, feed):
    path = tmp_path / "x"
    path.write_bytes(cdr_file(pgw(), pgw())[:-10])
    with pytest.raises(SourceRefused, match="trailer_missing"):
        decode(path, feed)
