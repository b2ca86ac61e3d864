"""3GPP records by hand-worked octets: bare, padded, and in files of TS 32.297."""

from __future__ import annotations

import datetime as dt

import pytest

import mediation as md
from mediation.decode.decode import decode
from mediation.decode.layout import layout_of
from mediation.errors import SourceRefused
from tests.asn1 import ts32297
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
    "closing_kind": "intermediate",
    "is_final": "no",
}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("ts32298"), format_name="ts32298").feeds["t"]


def record(tag: str, *members: str) -> bytes:
    return tlv(tag, *map(octets, members))


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


def test_only_a_file_that_has_totals_waits_for_its_end(tmp_path, feed):
    layout = layout_of(feed, None)
    framed = ts32297.file_of([pgw()], ts32297.Header(high=ts32297.Release(17)), ts32297.Release(16))
    for content, held in ((pgw(), False), (framed, True)):
        (tmp_path / "x").write_bytes(content)
        with layout.source(tmp_path / "x", feed, layout, feed.declared.limits) as source:
            assert next(iter(source))
            assert source.held == held


def test_a_file_cut_short_is_refused(tmp_path, feed):
    path = tmp_path / "x"
    path.write_bytes(cdr_file(pgw(), pgw())[:-10])
    with pytest.raises(SourceRefused, match="trailer_missing"):
        decode(path, feed)


# ------------------------------------------------------------------------------- a record of a CHF by hand

CHF_RECORD = octets(
    "bf 81 48 81 9c"
    "80 02 00 c8  81 05 63 68 66 2d 31"  # 200, chf-1
    "a2 14 80 01 01 81 0f 34 36 30 30 31 31 32 33 34 35 36 37 38 39 30"  # IMSI 460011234567890
    "a5 49"
    "30 29 80 01 0a a1 24"  # rating group 10
    "30 0f 84 02 0b b8 85 02 03 e8 86 02 07 d0 89 01 07"  # 1000 up, 2000 down, container 7
    "30 11 81 01 3c 84 02 00 80 85 02 00 80 86 01 00 89 01 08"  # 60 s, 128 up, 0 down, container 8
    "30 07 80 05 00 ff ff ff ff"  # rating group 2^32 - 1: nothing used
    "30 13 a1 0e 30 0c 84 01 03 85 01 01 86 01 02 89 01 09 80 01 14"  # 1 up, 2 down: of rating group 20
    "86 09 26 01 10 08 00 00 2b 08 00  87 02 0e 10"  # 10 January 2026, 8:00 at +8:00; an hour
    "88 01 02  89 01 11  8b 01 63"  # the second, for its time; the node's 99th
    "ad 16 80 04 7f ff ff ff 86 01 05 8c 01 33 8d 03 69 6d 73 9b 03 64 f0 10"  # session 5 in NR; ims; 460 01
)


def test_used_units_of_a_chf_are_items_with_their_rating_group(tmp_path, feed):
    usage, rejects = rows(tmp_path, feed, CHF_RECORD + pgw())
    assert rejects == []
    columns = ("item_no", "rating_group", "uplink_bytes", "downlink_bytes", "total_bytes", "usage_s", "container_no")
    assert [tuple(row[column] for column in columns) for row in usage if row["record_no"] == 0] == [
        (0, 10, 1000, 2000, 3000, None, 7),
        (1, 10, 128, 0, 128, 60, 8),
        (2, 20, 1, 2, 3, None, 9),
    ]
    said = {
        "record_type": "data",
        "served_imsi": 460011234567890,
        "start_time": dt.datetime(2026, 1, 10, tzinfo=dt.UTC),
        "duration_s": 3600,
        "sequence_no": 2,
        "local_sequence_no": 99,
        "node_id": "chf-1",
        "charging_id": 2**31 - 1,
        "rat_type": "nr",
        "apn": "ims",
        "serving_network": "46001",
        "cause_for_closing": "time_limit",
        "closing_kind": "intermediate",
    }
    assert all({name: row[name] for name in said} == said for row in usage if row["record_no"] == 0)
    assert [row["rating_group"] for row in usage if row["record_no"] == 1] == [10, 20]


def test_damage_in_a_chf_record_has_its_place(tmp_path, feed):
    _, rejects = rows(tmp_path, feed, CHF_RECORD.replace(octets("30 0f 84 02"), octets("30 0f 84 7f")))
    assert [(row["code"], row["field"]) for row in rejects] == [("element_overrun", "200/5/u16/1/u16")]


# ------------------------------------------------------------------------------------------- the others


def test_the_other_party_of_an_ims_record_goes_by_the_nodes_role(tmp_path, feed):
    def scscf(role: int) -> bytes:
        parties = tlv("a6", tlv("80", b"sip:+8613800000001@ims.example;user=phone")), tlv("a7", tlv("81", b"tel:10086"))
        served = tlv("bf1f", tlv("31", tlv("80", b"\0"), tlv("81", b"8613900000002")))
        times = tlv("8a", octets("260110080000 2b0800")), tlv("8b", octets("260110080130 2b0800"))
        cause, visited = tlv("91", b"\3"), tlv("9f36", b"ims.mnc001.mcc460.3gppnetwork.org")
        node, method = tlv("a4", tlv("81", b"scscf-1")), tlv("82", b"INVITE")
        return tlv("bf3f", *parties, served, *times, cause, visited, node, method, tlv("83", bytes([role])))

    usage, rejects = rows(tmp_path, feed, scscf(0) + scscf(1))
    assert rejects == []
    assert [row["other_party"] for row in usage] == ["10086", "+8613800000001"]
    assert [row["role_of_node"] for row in usage] == ["0", "1"]
    for row in usage:
        assert (row["record_type"], row["service_code"], row["node_id"]) == ("ims_scscf", "INVITE", "scscf-1")
        assert (row["served_msisdn"], row["calling_party"]) == (8613900000002, "+8613800000001")
        assert row["end_time"] - row["start_time"] == dt.timedelta(seconds=90)
        assert row["duration_s"] == 90
        assert (row["cause_for_closing"], row["closing_kind"], row["is_final"]) == ("time_limit", "intermediate", "no")
        assert row["serving_network"] == "ims.mnc001.mcc460.3gppnetwork.org"


def test_a_feed_says_which_ims_record_is_charged_as_what(tmp_path):
    derive = """
derive = [
    { record_type = ["ims_as"], column = "service_code", starts_with = ["INVITE"], becomes = "voice_mo" },
    { record_type = ["voice_mo"], column = "role_of_node", starts_with = ["1"], becomes = "voice_mt" },
]"""
    feed = tap_book(tmp_path / "book", derive, format_name="ts32298").feeds["t"]
    made = [(b"INVITE", 0), (b"INVITE", 1), (b"REGISTER", 0)]
    data = b"".join(tlv("bf45", tlv("82", method), tlv("83", bytes([role]))) for method, role in made)
    usage, _ = rows(tmp_path, feed, data)
    assert [row["record_type"] for row in usage] == ["voice_mo", "voice_mt", "ims_as"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("64f010", "46001"),
        ("130014", "310410"),
        ("21436587", "bad_length"),
        ("64f0", "bad_length"),
        ("ffffff", None),
        ("64ff10", "bad_character"),
        ("6af010", "bad_character"),
        ("64f0f1", "bad_character"),
    ],
)
def test_a_network_is_its_country_and_network_code(tmp_path, feed, raw, said):
    usage, rejects = rows(tmp_path, feed, record("bf4f", "9b" + f"{len(raw) // 2:02x}" + raw))
    found = [row["serving_network"] for row in usage] + [row["code"] for row in rejects]
    assert found == [said]


@pytest.mark.parametrize(
    ("raw", "party"),
    [
        ("91 68 31 00", "+861300"),
        ("81 01 80 f6", "10086"),
        ("11 83 68 31 00", "+861300"),  # with presentation and screening
        ("21 81 01 f3", "103"),
        ("21", None),
        ("a1", None),
    ],
)
def test_an_address_may_have_an_octet_of_presentation(tmp_path, feed, raw, party):
    number = octets(raw)
    usage, rejects = rows(tmp_path, feed, tlv("a1", tlv("84", number)))
    assert rejects == []
    assert [row["other_party"] for row in usage] == [party]


def test_causes_are_final_abnormal_or_intermediate_and_others_keep_their_number(tmp_path, feed):
    data = b"".join(record("bf4f", f"8f 02 00 {cause:02x}") for cause in range(256))
    usage, rejects = rows(tmp_path, feed, data)
    assert rejects == []
    named = {n: row for n, row in enumerate(usage) if not row["cause_for_closing"].isdigit()}
    assert sorted(named) == [0, 1, 2, 3, 4, 5, *range(16, 28), 52, 53, 54, 58, 59]
    kinds: dict[str, set[int]] = {}
    for number, row in named.items():
        kinds.setdefault(row["closing_kind"], set()).add(number)
        assert row["is_final"] == ("no" if row["closing_kind"] == "intermediate" else "yes")
    assert kinds == {
        "final": {0, 5},
        "abnormal": {3, 4, 52, 53, 54, 58},
        "intermediate": {1, 2, *range(16, 28), 59},
    }
    for number in {*range(256)} - {*named}:
        row = usage[number]
        assert {row["cause_for_closing"], row["closing_kind"], row["is_final"]} == {str(number)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("the SRVCC record of an MSC, tagged as an SGSN's", record("b4", "80 01 57")),
        ("a call forwarded to a roamer, tagged as a GGSN's", record("b5", "80 01 58")),
        ("a record of an emergency CSCF, tagged as a GGSN's", record("bf46", "80 01 46", "82 06 494e56495445")),
        ("a CHF's record of a registration", record("bf8148", "80 02 00c8", "b3 03 80 01 00")),
        ("a record of supplementary services", record("aa", "80 01 0a")),
    ],
)
def test_what_is_no_usage_or_tagged_alike_is_rejected(tmp_path, feed, name, data):
    usage, rejects = rows(tmp_path, feed, data + pgw())
    assert [(row["code"], row["field"], row["record_no"]) for row in rejects] == [("unknown_value", "record_type", 0)]
    assert [row["record_no"] for row in usage] == [1, 1], name
