"""Files of BER records as feeds: a vendor's own table, and what a run, its audit and its exceptions make of them."""

from __future__ import annotations

import shutil

import pytest

import mediation as md
from mediation.errors import RulebookError, SourceRefused
from mediation.rulebook import load_rulebook
from tests.malformed.asn1 import tap
from tests.tap_book import book_files, tap_book
from tests.test_tap3 import CALL, CONTENT, NOTIFICATION
from tests.test_ts32298 import octets, tlv

VENDOR = """\
file_name = "*"
host = "h"
record_type = "data"
[[layout]]
from = 2000-01-01
format = "ber"
field = [
    { column = "served_msisdn", type = "digits", tag = "0/1:tbcd" },
    { column = "start_time", type = "timestamp", pattern = "%d%m%Y%H%M%S", coding = "bcd", tag = "0/2" },
    { column = "uplink_bytes", type = "integer", unit = "KiB", sum = true, tag = "0/3/u16[0='U']/1:integer" },
    { column = "downlink_bytes", type = "integer", unit = "B", coding = "integer", optional = true, tag = "0/4" },
    { column = "other_party", type = "text", strip = "both", optional = true, tag = "0/5" },
]
[layout.ber]
records = "u16/1"
record_count = "u16/2"
"""


BROKEN_PLACES = """\
versions = { "0/zz" = [1], "0" = [] }
entities = "a183/{a184,a186,a400|zz}"
"""
BROKEN_TAGS = """\
    { column = "part", type = "enumeration", coding = "tag", values = { "0:hex" = "a", "" = "b" } },"""


def vendor_record(volume: int = 2, time: str = "20032026115441") -> bytes:
    volumes = [tlv("30", tlv("80", b"U"), tlv("81", bytes([volume]))), tlv("30", tlv("80", b"D"), tlv("81", b"\x63"))]
    parts = [tlv("81", octets("64 61 21 43 65 87")), tlv("82", octets(time)), tlv("a3", *volumes, volumes[0])]
    return tlv("a0", *parts, tlv("85", b" +91 "), tlv("9f8148", b"unknown"))


def vendor_file(*records: bytes, count: int | None = None) -> bytes:
    count = len(records) if count is None else count
    return tlv("30", tlv("a0", tlv("80", b"vendor")), tlv("a1", *records), tlv("82", bytes([count])))


@pytest.fixture
def vendor(tmp_path):
    for name, content in book_files(VENDOR).items():
        path = tmp_path / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(tmp_path / "book")


def test_a_vendors_own_table(tmp_path, vendor):
    path = tmp_path / "x"
    path.write_bytes(vendor_file(vendor_record(), vendor_record(time="20132026115441"), vendor_record(volume=3)))
    usage, rejects = md.decode(path, vendor.feeds["t"])
    assert [row["uplink_bytes"] for row in usage.to_pylist()] == [4 * 1024, 6 * 1024]
    first = usage.to_pylist()[0]
    assert (first["served_msisdn"], first["other_party"], first["downlink_bytes"]) == (461612345678, "+91", None)
    assert first["start_time"].isoformat() == "2026-03-20T10:54:41+00:00"
    assert [(row["code"], row["field"], row["record_no"]) for row in rejects.to_pylist()] == [
        ("impossible_time", "start_time", 1)
    ]


def test_a_vendors_count_is_checked(tmp_path, vendor):
    path = tmp_path / "x"
    path.write_bytes(vendor_file(vendor_record(), count=2))
    with pytest.raises(SourceRefused, match="record_count_mismatch"):
        md.decode(path, vendor.feeds["t"])


def test_faults_of_a_table_are_told_all_at_once(tmp_path):
    broken = VENDOR.replace('"0/2"', '"0/zz"').replace('"0/1:tbcd"', '"0/1:hex"').replace('"u16/1"', '"{u16/1,u16/2}"')
    broken = broken.replace("[layout.ber]", '[layout.ber]\nrates = "a80/{a105,a104}"\nutc_offsets = "a234/a233"')
    broken = broken.replace('column = "downlink_bytes",', 'column = "downlink_bytes", aliases = { SDR = "XDR" },')
    broken = broken.replace("[layout.ber]", "[layout.ber]\n" + BROKEN_PLACES)
    broken = broken.replace("\n]\n", "\n" + BROKEN_TAGS + "\n]\n", 1)
    for name, content in book_files(broken).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RulebookError) as raised:
        load_rulebook(tmp_path)
    text = str(raised.value)
    for where in ("field[0].coding", "field[1].tag", "field[3].aliases", "ber.records", "ber.rates", "ber.utc_offsets"):
        assert where in text
    for where in ("ber.versions.0/zz", "ber.versions.0", "ber.entities", "field[5].values.0:hex", "field[5].values."):
        assert where in text


def tap_of(before: int, behind: int) -> bytes:
    """A file of one call whose header and trailer are of so many bytes more."""
    described = tap.group(8, tap.group(143, tap.text(142, "x" * before)))
    after = tap.audit(1500, 1, tap.text(163, "x" * behind))
    return tap.joined(tap.batch(tap.CALL, parts=(*tap.PARTS, described), after=after))


@pytest.mark.parametrize(("before", "behind"), [(3 << 20, 0), (0, 3 << 20), (2 << 20, 2 << 20)])
def test_a_header_or_trailer_that_is_too_long_is_refused_with_a_hint(tmp_path, before, behind):
    path = tmp_path / "x"
    path.write_bytes(tap_of(before, behind))
    hint = r"envelope_too_long: .* more than 2097152 bytes; a greater max_record_bytes allows it"
    with pytest.raises(SourceRefused, match=hint):
        md.decode(path, tap_book(tmp_path / "book").feeds["t"])
    usage, _ = md.decode(path, tap_book(tmp_path / "wide", layout="max_record_bytes = 4194304").feeds["t"])
    assert usage.num_rows == 1


def test_a_vendors_file_that_is_cut_between_records_is_refused_though_nothing_counts_them(tmp_path):
    for name, content in book_files(VENDOR.replace('record_count = "u16/2"', "")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    feed, path, record = load_rulebook(tmp_path).feeds["t"], tmp_path / "x", vendor_record()
    whole = vendor_file(record, record)
    path.write_bytes(whole)
    assert md.decode(path, feed)[0].num_rows == 2
    path.write_bytes(whole[: whole.rindex(record)])
    with pytest.raises(SourceRefused, match=r"trailer_missing: .* ends before the element that all stands in"):
        md.decode(path, feed)


def test_a_sum_beside_items_stands_in_the_first_row(tmp_path):
    """So that it adds up as often as the file counts it."""
    items = VENDOR.replace("[layout.ber]", '[layout.ber]\nitems = ["0/3/u16"]\nsums = { downlink_bytes = "u16/3" }')
    for name, content in book_files(
        items.replace("tag = \"0/3/u16[0='U']/1:", 'optional = true, tag = "0/3/u16/1:')
    ).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    record, path = vendor_record(), tmp_path / "x"
    number = record.index(b"\x85")
    changed = tlv("a0", record[2:number], tlv("84", b"\x07"), record[number:])
    whole = [tlv("a1", changed, changed), tlv("82", b"\x02"), tlv("83", b"\x0e")]
    path.write_bytes(tlv("30", *whole))
    usage, rejects = md.decode(path, load_rulebook(tmp_path).feeds["t"])
    assert (usage["downlink_bytes"].to_pylist(), rejects.num_rows) == ([7, None, None] * 2, 0)
    feed = tmp_path / "feeds" / "t.toml"
    feed.write_text(feed.read_text().replace('coding = "integer", optional = true, tag = "0/4"', 'tag = "0/4:integer"'))
    with pytest.raises(RulebookError, match="downlink_bytes must be optional: beside items"):
        load_rulebook(tmp_path)


def test_a_run_of_tap_files_closes(tmp_path):
    book, inbox = tap_book(tmp_path / "book"), tmp_path / "in"
    inbox.mkdir()
    for path in (CALL, CONTENT, NOTIFICATION):
        shutil.copy(path, inbox)
    whole = CALL.read_bytes()
    (inbox / "changed").write_bytes(whole.replace(b"\x5f\x2b\x01\x01", b"\x5f\x2b\x01\x02"))
    (inbox / "nrtrde").write_bytes(octets("6107 5f290102 5f3e00"))
    run = md.process(sorted(inbox.iterdir()), book, threads=2)
    assert run.summary["closes"]
    assert (run.summary["records_in"], run.summary["rejected"]) == (9, 0)
    refused = {source["name"]: source["refused"] for source in run.summary["sources"] if source["refused"]}
    assert refused == {"changed": "record_count_mismatch", "nrtrde": "wrong_format"}
    assert run.summary["bytes"]["header"] > 0
    assert run.summary["bytes"]["trailer"] > 0
