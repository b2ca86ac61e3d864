"""The nested table: all that the format's own structure has, for every record that was taken."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import mediation as md
from mediation.decode.ber.nested import members_of_format
from mediation.errors import RulebookError, UsageError
from mediation.rulebook import load_rulebook
from tests.asn1 import ber, chf, declared, differential, modules, tap, ts32298
from tests.asn1.book import book_of
from tests.naive.nested import Twin
from tests.tap_book import book_files, tap_book
from tests.test_ber_feed import VENDOR, vendor_file, vendor_record
from tests.test_tap3 import CALL, CONTENT, NOTIFICATION
from tests.test_ts32298 import CONTAINERS, pgw, tlv

PROVENANCE = ["source_id", "record_no", "byte_offset", "byte_length"]
# The places of TAP without control totals: a file that was damaged is taken all the same.
UNCHECKED = """\
[layout.ber]
records = "a1/a3"
identity = "a4"
items = ["a17/a285/a352"]
decimals = "a1/a5/a244"
utc_offsets = "a1/a6/a234/a233/{a232,a231}"
entities = "a1/a6/a188/a183/{a184,a186,a400}"
rates = "a1/a5/a80/a106/{a105,a159,a104}"
"""


def pruned(value: Any) -> Any:
    """Without members that are missing."""
    if isinstance(value, dict):
        return {name: pruned(each) for name, each in value.items() if each is not None}
    return [pruned(each) for each in value] if isinstance(value, list) else value


def nested_rows(path, feed) -> list[dict[str, Any]]:
    _, _, nested = md.decode(path, feed, nested=True)
    nested.validate(full=True)
    return [pruned(row) for row in nested.to_pylist()]


@pytest.fixture(scope="module")
def packet(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("ts32298"), format_name="ts32298").feeds["t"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Records one after the other, whatever their first octets look like."""
    layout = '[layout.ber]\nrecords = ""\nitems = ["79/34/u16"]\n'
    return tap_book(tmp_path_factory.mktemp("bare"), layout=layout, format_name="ts32298").feeds["t"]


@pytest.fixture(scope="module")
def roaming(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("tap3")).feeds["t"]


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory):
    return tap_book(tmp_path_factory.mktemp("tap3"), layout=UNCHECKED).feeds["t"]


# ------------------------------------------------------------------------------------------- by hand


def test_a_packet_record_is_as_the_standard_has_it(tmp_path, packet):
    (tmp_path / "x").write_bytes(pgw())
    (row,) = nested_rows(tmp_path / "x", packet)
    assert row == {
        "source_id": 0,
        "record_no": 0,
        "byte_offset": 0,
        "byte_length": len(pgw()),
        "record": "pgw_record",
        "left_out": {"unknown": 0, "repeated": 0, "unreadable": 0},
        "record_type": 85,
        "served_imsi": "262092645691710",
        "pgw_address": "10.0.0.1",
        "charging_id": 0x0102A3B4,
        "access_point_name_ni": "internet",
        "record_opening_time": dt.datetime(2015, 10, 21, 5, 0, 37, tzinfo=dt.UTC),
        "record_opening_time_utc_offset_s": 21600,
        "duration": 3600,
        "cause_for_rec_closing": 16,
        "record_sequence_number": 2,
        "node_id": "pgw1",
        "local_sequence_number": 2**32 - 1,
        "served_msisdn": "+49170123456",
        "rat_type": 6,
        "list_of_service_data": [
            {"rating_group": group, "datavolume_fbc_uplink": up, "datavolume_fbc_downlink": down}
            for group, up, down in CONTAINERS
        ],
    }


def test_a_call_is_as_the_standard_has_it(roaming):
    (row,) = nested_rows(CALL, roaming)
    assert row["record"] == "mobile_originated_call"
    assert row["left_out"] == {"unknown": 0, "repeated": 0, "unreadable": 0}
    information = row["basic_call_information"]
    assert information["chargeable_subscriber"]["sim_chargeable_subscriber"]["imsi"] == "262092464569171"
    assert information["call_event_start_time_stamp"] == dt.datetime(2000, 11, 8, 20, 0, 0, tzinfo=dt.UTC)
    (service,) = row["basic_service_used_list"]
    (charge,) = service["charge_information_list"]
    assert (charge["exchange_rate_code"], charge["exchange_rate"]) == (1, Decimal(12))
    assert [detail["charge"] for detail in charge["charge_detail_list"] if detail["charge_type"] == "00"] == [25]
    assert row["location_information"]["network_location"]["rec_entity_id"] == "ARSENAL1"


def test_content_transactions_keep_their_services_and_charges(roaming):
    usage, _, nested = md.decode(CONTENT, roaming, nested=True)
    charges = [
        detail["charge"]
        for row in nested.to_pylist()
        for service in row["content_service_used"]
        for information in service["charge_information_list"]
        for detail in information["charge_detail_list"]
        if detail["charge_type"] == "00"
    ]
    assert sum(charges) == sum(usage["host_charge_amount"].to_pylist()) == Decimal("37.517")


def test_without_records_there_is_a_table_of_the_same_schema(roaming):
    _, _, none = md.decode(NOTIFICATION, roaming, nested=True)
    _, _, one = md.decode(CALL, roaming, nested=True)
    assert (none.num_rows, one.num_rows) == (0, 1)
    assert pa.concat_tables([none, one]).num_rows == 1


def test_records_that_are_not_taken_have_no_columns(tmp_path, packet):
    layout = 'field = [{ column = "record_type", type = "enumeration", coding = "tag", values.79 = "data" }]'
    feed = tap_book(tmp_path / "book", layout=layout, format_name="ts32298").feeds["t"]
    (tmp_path / "x").write_bytes(pgw())
    all_types, one_type = (md.decode(tmp_path / "x", each, nested=True)[2] for each in (packet, feed))
    assert one_type["list_of_service_data"].to_pylist() == all_types["list_of_service_data"].to_pylist()
    assert {*all_types.column_names} - {*one_type.column_names} >= {"answer_time", "destination_number"}


def test_members_that_are_asked_for_are_the_columns(tmp_path, packet):
    wanted = ("list_of_service_data", "served_imsi")
    (tmp_path / "x").write_bytes(pgw() + tlv("bf4e", tlv("ac", tlv("30"))))
    _, _, every = md.decode(tmp_path / "x", packet, nested=True)
    _, _, some = md.decode(tmp_path / "x", packet, nested=wanted)
    assert some == every.select([*every.column_names[:6], *wanted])
    assert md.decode(tmp_path / "x", packet, nested=())[2] == every.select(every.column_names[:6])
    with pytest.raises(UsageError, match="no member served_imsy; did you mean served_imsi"):
        md.decode(tmp_path / "x", packet, nested=["served_imsy"])
    with pytest.raises(UsageError, match=r"a list of members: \['served_imsi'\]"):
        md.decode(tmp_path / "x", packet, nested="served_imsi")


def test_a_list_that_is_there_without_elements_is_empty(tmp_path, packet):
    (tmp_path / "x").write_bytes(tlv("bf4f", tlv("bf22")) + tlv("bf4f"))
    rows = nested_rows(tmp_path / "x", packet)
    assert [row.get("list_of_service_data") for row in rows] == [[], None]


def test_what_a_row_does_not_have_is_counted(tmp_path, packet):
    twice, strange = tlv("87", b"again"), tlv("9f8148", b"unknown")
    unreadable = [tlv("9f26", b"short"), tlv("90", b"simple"), tlv("a6", b"\x80\x7f")]
    (tmp_path / "x").write_bytes(tlv("bf4f", tlv("87", b"first"), twice, strange, strange, *unreadable))
    (row,) = nested_rows(tmp_path / "x", packet)
    assert row["access_point_name_ni"] == "first"
    assert row["left_out"] == {"unknown": 2, "repeated": 1, "unreadable": 3}
    assert row["serving_node_address"] == []


def test_what_nobody_explains_is_counted(tmp_path, unchecked):
    """The call's time has a code whose offset the header does not say."""
    data = CALL.read_bytes()
    assert data.count(b"\x5f\x81\x68\x01\x01") > 1
    at = data.rindex(b"\x5f\x81\x68\x01\x01")
    (tmp_path / "x").write_bytes(data[: at + 4] + b"\x63" + data[at + 5 :])
    (row,) = nested_rows(tmp_path / "x", unchecked)
    assert row["left_out"]["unreadable"] == 1


def test_only_records_that_were_taken_have_rows(tmp_path, packet):
    bad = pgw().replace(bytes.fromhex("151021110037"), bytes.fromhex("151321110037"))
    assert bad != pgw()
    (tmp_path / "x").write_bytes(pgw() + bad + pgw(reverse=True))
    usage, rejects, nested = md.decode(tmp_path / "x", packet, nested=True)
    assert nested["record_no"].to_pylist() == [0, 2]
    assert rejects["record_no"].to_pylist() == [1]
    assert (
        nested.select(PROVENANCE).to_pylist()
        == usage.filter(pc.equal(usage["item_no"], 0)).select(PROVENANCE).to_pylist()
    )


# ------------------------------------------------------------------------------------ a feed's own table


def vendor_feed(folder, text: str = VENDOR):
    for name, content in book_files(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(folder).feeds["t"]


def test_the_paths_of_a_vendors_fields_are_a_table(tmp_path):
    feed = vendor_feed(tmp_path / "book", VENDOR + "lists = [\"0/3/u16[0='U']\"]\n")
    (tmp_path / "x").write_bytes(vendor_file(vendor_record(), vendor_record(volume=3)))
    first, second = nested_rows(tmp_path / "x", feed)
    assert first["record"] == "tag_0"
    assert first["tag_3"] == {"tag_u16": [{"uplink_bytes": 2048}, {"uplink_bytes": 2048}]}
    assert second["tag_3"] == {"tag_u16": [{"uplink_bytes": 3072}, {"uplink_bytes": 3072}]}
    assert first["start_time"] == dt.datetime(2026, 3, 20, 10, 54, 41, tzinfo=dt.UTC)
    assert (first["served_msisdn"], first["other_party"]) == (461612345678, "+91")


def test_what_no_list_is_declared_for_is_counted(tmp_path):
    feed = vendor_feed(tmp_path / "book")
    (tmp_path / "x").write_bytes(vendor_file(vendor_record()))
    (row,) = nested_rows(tmp_path / "x", feed)
    assert row["tag_3"] == {"tag_u16": {"uplink_bytes": 2048}}
    assert row["left_out"]["repeated"] == 1


MEMBERS = """\
[layout.ber.members.records]
0 = "call"
[layout.ber.members.types.call]
1 = "subscriber tbcd"
"3/u16" = "volumes[] volume"
[layout.ber.members.types.volume]
0 = "direction text"
1 = "kibibytes integer"
"""


def test_an_element_may_be_a_value_and_hold_members(tmp_path):
    members = MEMBERS.replace('1 = "subscriber tbcd"', '5 = "raw hex"\n"5/u2" = "inner integer"')
    feed = vendor_feed(tmp_path / "book", VENDOR + members)
    (tmp_path / "x").write_bytes(vendor_file(vendor_record()))
    (row,) = nested_rows(tmp_path / "x", feed)
    assert (row["raw"], row.get("inner"), row["left_out"]["unreadable"]) == ("202b393120", None, 0)


def test_a_vendors_members_have_names(tmp_path):
    feed = vendor_feed(tmp_path / "book", VENDOR + MEMBERS)
    (tmp_path / "x").write_bytes(vendor_file(vendor_record()))
    (row,) = nested_rows(tmp_path / "x", feed)
    assert (row["record"], row["subscriber"]) == ("call", "461612345678")
    assert Counter((each["direction"], each["kibibytes"]) for each in row["volumes"]) == {("U", 2): 2, ("D", 99): 1}


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (('"volumes[] volume"', '"volumes[] volumes"'), "types.call.3/u16", "no type"),
        (('"volumes[] volume"', '"volumes volume int"'), "types.call.3/u16", "is not a name"),
        (('"kibibytes integer"', '"kibibytes call"'), "types.volume.1", "stands in itself"),
        (('1 = "subscriber', 'zz = "subscriber'), "types.call.zz", "no step"),
        (('0 = "call"', '0 = "cal"'), "records.0", "no type"),
        (('"subscriber tbcd"', '"record_no tbcd"'), "records", "every nested table"),
        (('1 = "subscriber tbcd"', '1 = "volumes tbcd"'), "types.call.3/u16", "something else"),
        (('1 = "subscriber tbcd"', '"3/u16/0" = "subscriber tbcd"'), "types.call.3/u16", "leads through"),
        (('"subscriber tbcd"', '["subscriber[] tbcd", "number hex"]'), "types.call.1", "nothing else"),
        (("types.volume]", "types.volume]\n2 = 'flags[] null'"), "types.volume.2", "holds nothing"),
    ],
)
def test_faults_of_members_are_told(tmp_path, change, where, what):
    text = VENDOR + MEMBERS.replace(*change)
    assert text != VENDOR + MEMBERS
    with pytest.raises(RulebookError) as raised:
        vendor_feed(tmp_path, text)
    told = [line for line in str(raised.value).splitlines() if f"ber.members.{where}" in line]
    assert any(what in line for line in told), str(raised.value)


@pytest.mark.parametrize("lists", ["0/7", "0", "0/3/zz"])
def test_lists_that_lead_nowhere_are_told(tmp_path, lists):
    with pytest.raises(RulebookError, match=r"ber\.lists\[0\]"):
        vendor_feed(tmp_path, VENDOR + f'lists = ["{lists}"]\n')


def test_text_is_not_nested(tmp_path):
    feed = load_rulebook("mediation/sample/rulebook").feeds["cucc"]
    with pytest.raises(UsageError, match="only BER"):
        md.decode(tmp_path / "x", feed, nested=True)


# --------------------------------------------------------------------------------- equal to the twin


def same_as_the_twin(path, feed, header) -> int:
    """Whether every row is the twin's; how many there are."""
    members = members_of_format(feed.declared.layout[0].format)
    twin, data, rows = Twin(members, header), path.read_bytes(), nested_rows(path, feed)
    for row in rows:
        begin = row["byte_offset"]
        expected = twin.row(data, begin, begin + row["byte_length"])
        assert {name: each for name, each in row.items() if name not in PROVENANCE} == expected
    return len(rows)


def header_of(file: tap.File) -> dict[str, Any]:
    accounting, network = (file.value[1][name] for name in ("accountingInfo", "networkInfo"))
    seconds = {
        each["utcTimeOffsetCode"]: int(each["utcTimeOffset"][:3]) * 3600
        + int(each["utcTimeOffset"][:1] + each["utcTimeOffset"][3:]) * 60
        for each in network["utcTimeOffsetInfo"]
    }
    return {
        "decimals": accounting["tapDecimalPlaces"],
        "offsets": seconds,
        "entities": {
            each["recEntityCode"]: (each["recEntityType"], each["recEntityId"].decode())
            for each in network["recEntityInfo"]
        },
        "rates": {each["exchangeRateCode"]: each["exchangeRate"] * 10 for each in accounting["currencyConversionInfo"]},
    }


def damaged(data: bytes, random: Random, begin: int) -> bytes:
    """Some octets behind `begin` changed."""
    octets = bytearray(data)
    for _ in range(random.choice([0, 1, 1, 3])):
        octets[random.randrange(begin, len(data))] = random.choice([0, 0x80, 0xFF, random.randrange(256)])
    return bytes(octets)


@pytest.mark.parametrize("kind", tap.EVENTS)
def test_events_are_the_twins(tmp_path, unchecked, kind):
    random = Random(1)
    file = tap.file_of(random, [kind] * 20, always=random.choice([tap.ALWAYS, frozenset()]))
    written = ber.rewrite(file.encoded(), random, differential.tap_shape(), ber.Manner(unknown=0.05)).data
    for data in (file.encoded(), written):
        (tmp_path / "x").write_bytes(data)
        assert same_as_the_twin(tmp_path / "x", unchecked, header_of(file)) == 20


def test_damaged_events_are_the_twins(tmp_path, unchecked):
    rows = 0
    for seed in range(60):
        random = Random(seed)
        file = tap.file_of(random, random.choices(tap.EVENTS, k=6))
        data = ber.rewrite(file.encoded(), random, differential.tap_shape(), ber.Manner(unknown=0)).data
        (tmp_path / "x").write_bytes(damaged(data, random, len(data) // 2))
        try:
            rows += same_as_the_twin(tmp_path / "x", unchecked, header_of(file))
        except md.errors.SourceRefused:
            continue
    assert rows > 150


@pytest.mark.parametrize("kind", modules.GPRS_RECORDS + modules.CS_RECORDS)
def test_records_are_the_twins(tmp_path, bare, kind):
    shape, rows = differential.records_shape(kind), 0
    for seed in range(20):
        random = Random(seed)
        data = b"".join(ts32298.encoded(kind, ts32298.record(random, kind)) for _ in range(8))
        if seed % 3:
            data = ber.rewrite(data, random, shape).data
        (tmp_path / "x").write_bytes(damaged(data, random, 0) if seed > 5 else data)
        rows += same_as_the_twin(tmp_path / "x", bare, {})
    assert rows > 100


# ----------------------------------------------------------------------------------- equal to usage


OF_SERVICES = ("list_of_service_data", "datavolume_fbc_uplink", "datavolume_fbc_downlink")
VOLUMES = ("list_of_traffic_volumes", "data_volume_gprs_uplink", "data_volume_gprs_downlink")


def volumes(row: dict) -> tuple[int, int]:
    """Up and down: of a record's containers, or of its traffic volumes where it has none."""
    name, up, down = OF_SERVICES if row["list_of_service_data"] else VOLUMES
    parts = row[name] or []
    return sum(each[up] or 0 for each in parts), sum(each[down] or 0 for each in parts)


@pytest.mark.parametrize("kind", ["pGWRecord", "sGWRecord", "sgsnPDPRecord"])
def test_containers_add_up_to_usage(tmp_path, bare, kind):
    random = Random(1)
    data = b"".join(ts32298.encoded(kind, ts32298.record(random, kind)) for _ in range(300))
    (tmp_path / "x").write_bytes(ber.rewrite(data, random, differential.records_shape(kind)).data)
    usage, rejects, nested = md.decode(tmp_path / "x", bare, nested=True)
    assert rejects.num_rows == 0
    by_record = usage.group_by("record_no").aggregate([("uplink_bytes", "sum"), ("downlink_bytes", "sum")])
    expected = {row["record_no"]: (row["uplink_bytes_sum"] or 0, row["downlink_bytes_sum"] or 0)
                for row in by_record.to_pylist()}  # fmt: skip
    found = {row["record_no"]: volumes(row) for row in nested.to_pylist()}
    assert found == expected


def test_used_units_stand_in_their_rating_groups(tmp_path):
    """Lists in lists: each used unit container of every rating group of a charging function's record."""
    members = msgspec.to_builtins(members_of_format("ts32298"))
    table = declared.CHF | {"ber": declared.CHF["ber"] | {"members": members}}
    feed, random = book_of(tmp_path / "book", "ber", **table).feeds["t"], Random(1)
    made = [chf.record(random) for _ in range(50)]
    data = ber.rewrite(b"".join(map(chf.encoded, made)), random, chf.SHAPE).data
    (tmp_path / "x").write_bytes(data)
    found = [
        [
            (each["rating_group"], [(unit["data_volume_uplink"], unit["data_volume_downlink"]) for unit in units])
            for each in row["list_of_multiple_unit_usage"]
            for units in [each["used_unit_containers"]]
        ]
        for row in md.decode(tmp_path / "x", feed, nested=True)[2].to_pylist()
    ]
    sessions = [chf.meaning(each) for each in made]
    assert found == [
        [(group, [(unit.uplink, unit.downlink) for unit in units]) for group, units in said.groups] for said in sessions
    ]
    assert max(len(units) for said in sessions for _, units in said.groups) > 1


@pytest.mark.parametrize("kind", tap.EVENTS)
def test_charges_add_up_to_usage(tmp_path, roaming, kind):
    """A record's charges of type 00 wherever they stand, its fees, and those of events that have one, less refunds."""
    file = tap.file_of(Random(1), [kind] * 100)
    (tmp_path / "x").write_bytes(file.encoded())
    usage, _, nested = md.decode(tmp_path / "x", roaming, nested=True)

    def charges(value: Any) -> Decimal:
        if isinstance(value, list):
            return sum(map(charges, value), Decimal(0))
        if not isinstance(value, dict):
            return Decimal(0)
        if "charge_type" in value:
            return value["charge"] or Decimal(0) if value["charge_type"] == "00" else Decimal(0)
        sign = -1 if value.get("charge_refund_indicator") == 1 else 1
        return sign * sum(map(charges, value.values()), value.get("camel_invocation_fee") or Decimal(0))

    found = {row["record_no"]: charges(row) + (row["charge"] or 0) for row in nested.to_pylist()}
    expected = dict.fromkeys(found, Decimal(0))
    for row in usage.to_pylist():
        expected[row["record_no"]] += row["host_charge_amount"] or 0
    assert found == expected


def test_a_chunk_after_the_other_gives_the_same_rows(tmp_path, packet):
    """Records of many chunks, whose numbers count from the file's begin."""
    data = pgw() * 40_000
    (tmp_path / "x").write_bytes(data)
    usage, _, nested = md.decode(tmp_path / "x", packet, nested=True)
    assert nested["record_no"].to_pylist() == list(range(40_000))
    assert nested["list_of_service_data"].num_chunks > 1
    assert len(pc.list_flatten(nested["list_of_service_data"])) == usage.num_rows == 80_000
