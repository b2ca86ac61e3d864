"""The ready feeds: each copied into a rule book as it is printed, and a hand-written file of its sender decoded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediation
from mediation.cli import main
from mediation.rulebook import check_book, load_rulebook

DATA = Path(__file__).parent / "data"
BOOK = """\
name = "ready"
zone = "UTC"
account = "served_msisdn"
product = "p"
city = "none"
[services.voice]
record_types = ["voice_mo"]
quantity = "duration_s"
[services.data]
record_types = ["data"]
quantity = "volume_bytes"
"""
TARIFF = '[zones]\nvoice_mo = { zone = "all" }\ndata = { zone = "all" }\n'
PRICES = "side,party,record_type,zone,band,from\n" + "".join(
    f"{side},*,{kind},*,*,2000-01-01\n" for side in ("retail", "wholesale") for kind in ("voice_mo", "data")
)
FEEDS = ["asterisk", "chf", "cucm", "freeswitch"]
SUFFIX = {"chf": "jsonl"}


def shown(*arguments):
    result = CliRunner().invoke(main, ["feeds", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def book_of(folder, name):
    tariffs = {f"hosts/{host}.toml": TARIFF for host in ("pbx", "core")} | {"products/p.toml": TARIFF}
    content = {"rulebook.toml": BOOK, "prices.csv": PRICES, f"feeds/{name}.toml": shown("show", name), **tariffs}
    for file, text in content.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def test_they_are_listed_and_there_are_no_others():
    assert [line.split()[0] for line in shown("list").splitlines()] == FEEDS
    result = CliRunner().invoke(main, ["feeds", "show", "nobody"])
    assert result.exit_code == 64
    assert "asterisk, chf" in result.stderr


@pytest.mark.parametrize("name", FEEDS)
def test_it_is_printed_as_it_is_packaged(name):
    packaged = Path(mediation.__file__).parent / "feeds" / f"{name}.toml"
    assert shown("show", name) == packaged.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FEEDS)
def test_it_is_sound_in_a_rule_book(tmp_path, name):
    faults, warnings = check_book(book_of(tmp_path, name))
    assert (faults, warnings) == ([], [])


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


CALL = {"host": "pbx", "record_type": "voice_mo", "flags": 0, "item_no": 0}
ASTERISK = [
    {
        "served_msisdn": 8613800000001,
        "other_party": "10086",
        "dial_context": "from-inside",
        "caller_name": '"Test User" <8613800000001>',
        "channel": "SIP/100-00000001",
        "destination_channel": "SIP/trunk-00000002",
        "last_application": "Dial",
        "last_data": "SIP/trunk/10086,60",
        "start_time": utc(2026, 6, 1, 10),
        "answer_time": utc(2026, 6, 1, 10, 0, 5),
        "end_time": utc(2026, 6, 1, 10, 1, 5),
        "elapsed_s": 65,
        "duration_s": 60,
        "cause_for_closing": "answered",
        "ama_flags": "DOCUMENTATION",
    },
    {
        "account_code": "sales",
        "other_party": "101",
        "dial_context": "from-outside",
        "caller_name": "anonymous",
        "channel": "SIP/trunk-00000003",
        "last_application": "Queue",
        "last_data": "sales,t",
        "start_time": utc(2026, 6, 1, 10, 2),
        "end_time": utc(2026, 6, 1, 10, 2, 30),
        "elapsed_s": 30,
        "duration_s": 0,
        "cause_for_closing": "no_answer",
        "ama_flags": "DOCUMENTATION",
        "host_record_id": "1780308120.7",
    },
    {
        "served_msisdn": 8613800000002,
        "other_party": "*98",
        "dial_context": "from-inside",
        "caller_name": "8613800000002",
        "channel": "SIP/102-00000009",
        "last_application": "VoiceMail",
        "last_data": "102@default",
        "start_time": utc(2026, 6, 1, 10, 3),
        "end_time": utc(2026, 6, 1, 10, 3, 1),
        "elapsed_s": 1,
        "duration_s": 0,
        "cause_for_closing": "busy",
        "ama_flags": "BILLING",
        "host_record_id": "1780308180.9",
        "user_field": 'note, with "quotes"',
    },
]
FREESWITCH = [
    {
        "caller_name": "Test User",
        "served_msisdn": 8613800000001,
        "other_party": "10086",
        "dial_context": "default",
        "start_time": utc(2026, 6, 1, 10),
        "answer_time": utc(2026, 6, 1, 10, 0, 5),
        "end_time": utc(2026, 6, 1, 10, 1, 5),
        "elapsed_s": 65,
        "duration_s": 60,
        "hangup_cause": "NORMAL_CLEARING",
        "host_record_id": "5d1cbb3e-0f6a-4c5e-9b0e-0a3c5b0d7f01",
        "other_leg_id": "5d1cbb3e-0f6a-4c5e-9b0e-0a3c5b0d7f02",
        "account_code": "sales",
        "read_codec": "PCMU",
        "write_codec": "PCMU",
    },
    {
        "other_party": "101",
        "dial_context": "public",
        "start_time": utc(2026, 6, 1, 10, 2),
        "end_time": utc(2026, 6, 1, 10, 2, 30),
        "elapsed_s": 30,
        "duration_s": 0,
        "hangup_cause": "NO_ANSWER",
        "host_record_id": "5d1cbb3e-0f6a-4c5e-9b0e-0a3c5b0d7f03",
    },
]
CUCM = [
    {
        "host_record_id": "0b1d4b9c-7a3e-4c4e-9d6a-2f0e6c1a9b01",
        "start_time": utc(2026, 6, 1, 10),
        "answer_time": utc(2026, 6, 1, 10, 0, 5),
        "end_time": utc(2026, 6, 1, 10, 1, 5),
        "duration_s": 60,
        "served_msisdn": 8613800000001,
        "other_party": "10086",
        "dialled_party": "10086",
        "forwarded_to": "10086",
        "charging_id": 5001,
        "call_manager_id": 1,
        "node_id": "StandAloneCluster",
        "originating_leg_id": 111,
        "destination_leg_id": 112,
        "originating_cause": 0,
        "destination_cause": 16,
        "originating_device": "SEP001122334455",
        "destination_device": "trunk",
    },
    {
        "host_record_id": "0b1d4b9c-7a3e-4c4e-9d6a-2f0e6c1a9b02",
        "start_time": utc(2026, 6, 1, 10, 2),
        "end_time": utc(2026, 6, 1, 10, 2, 30),
        "duration_s": 0,
        "other_party": "7002",
        "dialled_party": "7002",
        "forwarded_to": "7002",
        "charging_id": 5002,
        "call_manager_id": 1,
        "node_id": "StandAloneCluster",
        "originating_leg_id": 113,
        "destination_leg_id": 0,
        "originating_cause": 0,
        "destination_cause": 1,
        "originating_device": "SEP001122334456",
    },
]
SESSION = {"host": "core", "record_type": "data", "flags": 0, "served_imsi": 460001234567890, "charging_id": 77}
SESSION |= {"served_msisdn": 8613800000001, "session_id": "5", "apn": "cmnet", "rat_type": "nr"}
SECOND = {**SESSION, "sequence_no": 1, "is_retransmission": "true", "location": "000000010"}
SECOND |= {"start_time": utc(2026, 6, 1, 10, 10, 0, 123456)}
CHF = [
    {
        **SESSION,
        "item_no": 0,
        "start_time": utc(2026, 6, 1, 10),
        "sequence_no": 0,
        "node_id": "smf-1",
        "imei": "3512345678901234",
    },
    {
        **SECOND,
        "item_no": 0,
        "rating_group": 10,
        "local_sequence_no": 1,
        "end_time": utc(2026, 6, 1, 2, 10, 0, 500000),
        "duration_s": 600,
        "uplink_bytes": 1024,
        "downlink_bytes": 1 << 32,
    },
    {**SECOND, "item_no": 1, "rating_group": 10, "local_sequence_no": 2, "uplink_bytes": 1, "downlink_bytes": 2},
    {**SECOND, "item_no": 2, "rating_group": 20, "total_bytes": 9007199254740993},
]
EXPECTED = {
    "asterisk": (
        [CALL | row for row in ASTERISK],
        [("wrong_field_count", None), ("unknown_value", "cause_for_closing")],
    ),
    "freeswitch": ([CALL | row for row in FREESWITCH], [("bad_quote", None), ("bad_timestamp", "start_time")]),
    "cucm": ([CALL | row for row in CUCM], [("bad_timestamp", "start_time")]),
    "chf": (CHF, [("not_a_number", "served_imsi"), ("number_overflow", "uplink_bytes"), ("bad_json", None)]),
}


@pytest.mark.parametrize("name", FEEDS)
def test_a_file_of_its_sender(tmp_path, name):
    feed = load_rulebook(book_of(tmp_path, name)).feeds[name]
    usage, rejects = mediation.decode(DATA / f"{name}.{SUFFIX.get(name, 'csv')}", feed)
    expected, refused = EXPECTED[name]
    left_out = {"source_id", "record_no", "byte_offset", "byte_length", "feed"}
    found = [{k: v for k, v in row.items() if v is not None and k not in left_out} for row in usage.to_pylist()]
    assert found == expected
    assert list(zip(rejects["code"].to_pylist(), rejects["field"].to_pylist(), strict=True)) == refused
