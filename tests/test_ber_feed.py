"""Files of BER records as feeds: a vendor's own table, and what a run, its audit and its exceptions make of them."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

import mediation as md
from mediation.cli import main
from mediation.errors import RulebookError, SourceRefused
from mediation.rulebook import load_rulebook
from tests.asn1 import ts32297
from tests.malformed.asn1 import GOOD, NEXT, pgw, tap
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


def written(folder, feed: str):
    """The folder, with a rule book whose one feed is given."""
    for name, content in book_files(feed).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def vendor(tmp_path):
    return load_rulebook(written(tmp_path / "book", VENDOR))


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


def test_records_that_do_not_stand_where_the_table_says_are_not_lost(tmp_path):
    """A file that is nothing but header would pass for one without records."""
    (tmp_path / "x").write_bytes(vendor_file(vendor_record()))
    misled = VENDOR.replace('"u16/1"', '"u16/7"')
    uncounted = load_rulebook(written(tmp_path / "uncounted", misled.replace('record_count = "u16/2"', "")))
    with pytest.raises(SourceRefused, match=r"wrong_format: there is no element u16/7 with records"):
        md.decode(tmp_path / "x", uncounted.feeds["t"])
    counted = load_rulebook(written(tmp_path / "counted", misled))
    with pytest.raises(SourceRefused, match=r"record_count_mismatch: .* is not what it holds, 0"):
        md.decode(tmp_path / "x", counted.feeds["t"])
    miscounted = load_rulebook(written(tmp_path / "miscounted", VENDOR.replace('"u16/2"', '"u16/9"')))
    with pytest.raises(SourceRefused, match=r"trailer_missing: .* no number at u16/9"):
        md.decode(tmp_path / "x", miscounted.feeds["t"])


@pytest.mark.parametrize("form", ["ts32298", "bare"])
def test_text_is_refused_where_records_stand_one_after_the_other(tmp_path, vendor, form):
    """Letters can be read as tags and lengths, and would be as many rejects."""
    (tmp_path / "x").write_bytes(b'"MO","20260110080000","8613800000001","8613900000001"\n' * 20)
    bare = VENDOR.replace('records = "u16/1"\nrecord_count = "u16/2"\n', "")
    feed = load_rulebook(written(tmp_path / "book", bare)).feeds["t"] if form == "bare" else form
    with pytest.raises(SourceRefused, match="wrong_format: it is a file of another kind, text; the feed has"):
        md.decode(tmp_path / "x", feed)


def test_faults_of_a_table_are_told_all_at_once(tmp_path):
    broken = VENDOR.replace('"0/2"', '"0/zz"').replace('"0/1:tbcd"', '"0/1:hex"').replace('"u16/1"', '"{u16/1,u16/2}"')
    broken = broken.replace("[layout.ber]", '[layout.ber]\nrates = "a80/{a105,a104}"\nutc_offsets = "a234/a233"')
    broken = broken.replace('column = "downlink_bytes",', 'column = "downlink_bytes", aliases = { SDR = "XDR" },')
    broken = broken.replace("[layout.ber]", "[layout.ber]\n" + BROKEN_PLACES)
    broken = broken.replace("\n]\n", "\n" + BROKEN_TAGS + "\n]\n", 1)
    with pytest.raises(RulebookError) as raised:
        load_rulebook(written(tmp_path, broken))
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
    book = load_rulebook(written(tmp_path, VENDOR.replace('record_count = "u16/2"', "")))
    feed, path, record = book.feeds["t"], tmp_path / "x", vendor_record()
    whole = vendor_file(record, record)
    path.write_bytes(whole)
    assert md.decode(path, feed)[0].num_rows == 2
    path.write_bytes(whole[: whole.rindex(record)])
    with pytest.raises(SourceRefused, match=r"trailer_missing: .* ends before the element that all stands in"):
        md.decode(path, feed)


BY_TYPE = """\
file_name = "*"
host = "h"
duration_from_times = true
[[layout]]
from = 2000-01-01
format = "ber"
ber = {}
field = [
    { column = "record_type", type = "enumeration", coding = "tag", values = { "0[1=5]" = "data", "0/1" = "data" } },
    { column = "cause", type = "enumeration", coding = "integer", tag = "0[1=5]/3", values = { "1" = "a" } },
    { column = "cause", type = "enumeration", coding = "integer", tag = "0/3", values = { "1" = "b" } },
    { column = "duration_s", type = "integer", coding = "plmn", unit = "s", tag = "0/4" },
    { column = "duration_s", type = "integer", coding = "integer", unit = "s", tag = "0/5" },
]
"""


def test_a_column_is_filled_twice_by_codes_only(tmp_path):
    with pytest.raises(RulebookError) as raised:
        load_rulebook(written(tmp_path, BY_TYPE))
    text = str(raised.value)
    for where in ("field[0].values.0/1", "field[3].coding", "field[4].column", "$.duration_from_times"):
        assert where in text
    assert "field[2]" not in text


def test_a_sum_beside_items_stands_in_the_first_row(tmp_path):
    """So that it adds up as often as the file counts it."""
    items = VENDOR.replace("[layout.ber]", '[layout.ber]\nitems = ["0/3/u16"]\nsums = { downlink_bytes = "u16/3" }')
    written(tmp_path, items.replace("tag = \"0/3/u16[0='U']/1:", 'optional = true, tag = "0/3/u16/1:'))
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


# ---------------------------------------------------------------------- options of fields, and what has no effect

RULED = """\
file_name = "*"
host = "h"
[[layout]]
from = 2000-01-01
format = "ber"
field = [
    { column = "record_type", type = "enumeration", coding = "tag", values = { 0 = "data", 1 = "sms_mo" } },
    { column = "served_msisdn", type = "digits", tag = "{0,1}/1", optional = true, prefix = "tel:", \
      null_if = ["none"] },
    { column = "start_time", type = "timestamp", coding = "integer", tag = "{0,1}/2" },
    { column = "uplink_bytes", type = "integer", unit = "B", coding = "integer", tag = ["{0,1}/3", "0/4/u16/0"], \
      sum = true, required_if = { record_type = ["data"] } },
    { column = "other_party", type = "text", tag = "{0,1}/5", strip = "both", null_if = ["-"], \
      empty_if = { record_type = ["data"] } },
    { column = "host_charge_amount", type = "decimal", coding = "integer", optional = true, tag = "{0,1}/6" },
]
[layout.ber]
items = ["0/4/u16"]
decimals = 2
"""


def ruled(kind: str, **members: bytes) -> bytes:
    """A record with a time and other members."""
    tags = {"number": "81", "volume": "83", "items": "a4", "party": "85", "amount": "86"}
    return tlv(kind, tlv("82", b"\x65\0\0\0"), *(tlv(tags[name], value) for name, value in members.items()))


ITEMS = tlv("30", tlv("80", b"\x05")) + tlv("30", tlv("80", b"\x06"))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (ruled("a0", volume=b"\x09"), [9]),
        (ruled("a0", items=ITEMS), [5, 6]),
        (ruled("a1"), [None]),
        (ruled("a0"), ("missing_value", "uplink_bytes")),
        (ruled("a0", items=ITEMS + tlv("30")), [5, 6]),
        (ruled("a0", items=ITEMS + tlv("30", tlv("81"))), ("missing_value", "uplink_bytes")),
        (ruled("a0", volume=b"\x09", party=b"x"), ("unexpected_value", "other_party")),
        (ruled("a0", volume=b"\x09", party=b" - "), [9]),
        (ruled("a1", party=b"x", volume=b"\x01"), [1]),
    ],
)
def test_rules_between_fields(tmp_path, record, said):
    book, path = load_rulebook(written(tmp_path / "book", RULED)), tmp_path / "x"
    path.write_bytes(record + ruled("a1", number=b"1234567"))
    usage, rejects = md.decode(path, book.feeds["t"])
    found = [row["uplink_bytes"] for row in usage.to_pylist()[:-1]]
    told = [(row["code"], row["field"]) for row in rejects.to_pylist()]
    assert (told or found) == ([said] if isinstance(said, tuple) else said)


def test_prefixes_empty_values_and_declared_decimals(tmp_path):
    book, path = load_rulebook(written(tmp_path / "book", RULED)), tmp_path / "x"
    numbers = {b"tel:8613800000001": 8613800000001, b"8613800000002": 8613800000002, b"tel:none": None, b"tel:": None}
    path.write_bytes(b"".join(ruled("a1", number=number, amount=b"\x01\x01") for number in numbers))
    usage, rejects = md.decode(path, book.feeds["t"])
    assert rejects.num_rows == 0
    assert usage["served_msisdn"].to_pylist() == list(numbers.values())
    assert {str(amount) for amount in usage["host_charge_amount"].to_pylist()} == {"2.570000"}


@pytest.mark.parametrize(
    ("what", "by", "where"),
    [
        (
            'coding = "integer", tag = "{0,1}/2"',
            'coding = "integer", tag = "{0,1}/2", pattern = "%s"',
            "field[2].pattern",
        ),
        ('coding = "integer", tag = "{0,1}/2"', 'coding = "integer", tag = "{0,1}/2", zone = "UTC"', "field[2].zone"),
        ("sum = true", 'sum = true, null_if = ["0"]', "field[3].null_if"),
        ("sum = true", 'sum = true, prefix = "0"', "field[3].prefix"),
        ("sum = true", "sum = true, max_length = 4", "field[3].max_length"),
        ('prefix = "tel:"', 'prefix = "tel:", min_length = 4', "field[1].min_length"),
        ('prefix = "tel:"', 'prefix = "tel:", leading_zero = false', "field[1].leading_zero"),
        ("sum = true", "sum = true, start = 4", "field[3].start"),
        ("sum = true", 'sum = true, name = "x"', "field[3].name"),
        ("sum = true", "sum = true, may_be_absent = true", "field[3].may_be_absent"),
        ("sum = true", 'sum = true, default = "0"', "field[3].default"),
        ("sum = true", "sum = true, entity_types = [3]", "field[3].entity_types"),
        ('"sms_mo" } }', '"sms_mo" }, null_if = ["0"] }', "field[0].null_if"),
        ('optional = true, tag = "{0,1}/6"', 'optional = true, tag = "{0,1}/6", unit = "fen"', "field[5].unit"),
        ('optional = true, tag = "{0,1}/6"', 'optional = true, tag = "{0,1}/6", max = 6', "field[5].max"),
        ("empty_if = { record_type", "empty_if = { record_typ", "field[4].empty_if.record_typ"),
        ('format = "ber"', 'format = "ber"\ndelimiter = ","', "delimiter"),
        ('format = "ber"', 'format = "ber"\nheader_lines = 1', "header_lines"),
        ("decimals = 2", "decimals = 19", "ber.decimals"),
        ("decimals = 2", "header_bytes = -1", "ber.header_bytes"),
        ("decimals = 2", "header_bytes = 70000", "ber.header_bytes"),
        ("decimals = 2", "record_header_bytes = 256", "ber.record_header_bytes"),
        ("decimals = 2", "block_bytes = 70000", "ber.block_bytes"),
        ("decimals = 2", "block_bytes = 2048\nrecord_header_bytes = 2", "ber.block_bytes"),
        ("decimals = 2", 'records = "u16/1"\nblock_bytes = 2048', "ber.block_bytes"),
        ("decimals = 2", 'records = "u16/1"\nrecord_header_bytes = 2', "ber.record_header_bytes"),
        ("decimals = 2", 'without_items = ["0/zz"]', "ber.without_items[0]"),
        ('items = ["0/4/u16"]', 'without_items = ["0/4"]', "ber.without_items"),
    ],
)
def test_what_has_no_effect_is_a_fault(tmp_path, what, by, where):
    assert what in RULED
    with pytest.raises(RulebookError) as raised:
        load_rulebook(written(tmp_path, RULED.replace(what, by)))
    assert [fault.split(": ")[1] for fault in raised.value.faults] == [f"$.layout[0].{where}"]


def test_a_feed_changes_single_parts_of_what_its_format_says(tmp_path):
    layout = tap_book(tmp_path, layout="[layout.ber]\nheader_bytes = 24").feeds["t"].declared.layout[0]
    assert (layout.ber.header_bytes, layout.ber.records, layout.ber.identity) == (24, "a1/a3", "a4")


TEXT_FIELDS = """\
    { column = "served_msisdn", type = "digits", path = "n" },
    { column = "start_time", type = "timestamp", pattern = "%s", path = "t" },
    { column = "uplink_bytes", type = "integer", unit = "B", path = "u" },
    { column = "cause", type = "enumeration", values = ["a"], path = "c" },
]
"""


@pytest.mark.parametrize(
    ("path", "option"),
    [
        *(("u", option) for option in ('tag = "1"', 'coding = "bcd"', "sum = true", 'default = "1"')),
        *(("u", "entity_types = [1]"), ("c", "unlisted = 3")),
    ],
)
def test_fields_of_text_have_nothing_of_ber(tmp_path, path, option):
    feed = VENDOR.replace('"ber"', '"jsonl"').partition("    {")[0] + TEXT_FIELDS
    load_rulebook(written(tmp_path / "without", feed))
    with pytest.raises(RulebookError) as raised:
        load_rulebook(written(tmp_path / "with", feed.replace(f'path = "{path}"', f'path = "{path}", {option}')))
    where = f"$.layout[0].field[{'ntuc'.index(path)}].{option.partition(' ')[0]}"
    assert [fault.split(": ")[1] for fault in raised.value.faults] == [where]


# ------------------------------------------------------------------------------------- what files say of themselves


def cdr_files(folder):
    """Files of TS 32.297: one with 5 records lost at least, one with 3 lost and an element of nobody's, one sound."""
    folder.mkdir()
    strange = ts32297.Header(lost=131, closure=ts32297.ABNORMAL)
    for name, header, body in (
        ("a", ts32297.Header(lost=5, closure=ts32297.SIZE), GOOD.raw),
        ("b", strange, pgw({}, tlv("9f8148", b"?"))),
        ("c", ts32297.USUAL, NEXT.raw),
    ):
        (folder / name).write_bytes(ts32297.file_of([body], header))
    return sorted(folder.iterdir())


def test_a_run_tells_what_files_say_was_lost(tmp_path):
    sources = md.process(cdr_files(tmp_path / "in"), tap_book(tmp_path / "book", format_name="ts32298")).summary[
        "sources"
    ]
    told = [(each["closure"], each["lost_records"]) for each in sources]
    assert told == [("file_size_limit", 5), ("abnormal", 3), ("normal", 0)]
    known, strange, _ = (each["unknown_elements"] for each in sources)
    assert strange == known + 1


def test_the_command_says_what_was_lost_and_passed_over(tmp_path):
    tap_book(tmp_path / "book", format_name="ts32298")
    files = map(str, cdr_files(tmp_path / "in"))
    done = CliRunner().invoke(
        main, ["run", "--rulebook", str(tmp_path / "book"), "--out", str(tmp_path / "out"), *files]
    )
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert {"lost at least 5 before a was written", "lost at least 3 before b was written"} <= {*lines}
    assert any(line.startswith("passed over elements of no layout") for line in lines)
    assert not any("before c" in line for line in lines)


def test_a_refused_file_tells_it_too(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(ts32297.file_of([GOOD.raw], ts32297.Header(count=9, lost=255)))
    (told,) = md.process([path], tap_book(tmp_path / "book", format_name="ts32298")).summary["sources"]
    assert (told["refused"], told["lost_records"], told["unknown_elements"]) == ("record_count_mismatch", 127, 0)


def test_files_without_such_a_header_tell_nothing_of_it(tmp_path):
    shutil.copy(CALL, tmp_path / "x")
    (told,) = md.process([tmp_path / "x"], tap_book(tmp_path / "book")).summary["sources"]
    assert (told["closure"], told["lost_records"]) == (None, None)
    assert told["unknown_elements"] > 0


def test_a_workspace_tells_what_was_lost(tmp_path):
    tap_book(tmp_path / "book", format_name="ts32298")
    with md.Workspace.init(tmp_path / "ws", tmp_path / "book") as workspace:
        workspace.ingest(cdr_files(tmp_path / "in"))
        (feed,) = workspace.status()["feeds"]
        files = workspace.tables()["files"].to_pylist()
        assert feed["lost_records"] == 8 == sum(each["lost_records"] for each in files)
        assert feed["unknown_elements"] == sum(each["unknown_elements"] for each in files) > 0
        assert [each["closure"] for each in files] == ["file_size_limit", "abnormal", "normal"]
        assert workspace.verify() == []
    shown = CliRunner().invoke(main, ["status", str(tmp_path / "ws")]).output
    assert "lost_records 8" in shown
