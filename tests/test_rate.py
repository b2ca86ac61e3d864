"""Rating at its edges: foreign tables, selections, refusals, look-up tables, owners, limits."""

import datetime as dt
import random

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive.rate import zone_info
from rate_book import (
    CHINA,
    FREE_ZONES,
    Band,
    Cycle,
    Host,
    Product,
    Rounding,
    ZonePrefix,
    ZoneRule,
    declare,
    event,
    free_prices,
    make_book,
    price,
    rate_rows,
    reference_data,
    usage_table,
    yuan,
)

from mediation import schema
from mediation.errors import RulebookError, UsageError
from mediation.native._column import Batch, memory
from mediation.rate._rate import zone_numbers
from mediation.rate.rate import compile_rates, rate, rate_batch
from mediation.rulebook.clocks import DAY_COUNT, FIRST_DAY, cycle_starts
from mediation.rulebook.conform import conform
from mediation.rulebook.numbers import compile_numbers, normalise
from mediation.rulebook.prefixes import MAX_DIGITS, PrefixRow, flatten

FREE = [*free_prices("retail"), *free_prices("wholesale")]
FREE_BUT_DATA = [row for row in FREE if (row.side, row.record_type) != ("retail", "data")]


@pytest.fixture(scope="module")
def book():
    return make_book(declare([price(first_increment="60", first_cost="0.2", first_per="60"), *FREE[1:]]))


ROWS = [event(duration_s=n, other_party=str(n)) for n in range(7)] + [event(host="x")]


# -------------------------------------------------------------------------------------- foreign tables


def foreign_tables():
    table = usage_table(ROWS)
    host = table.schema.get_field_index("host")
    other = table.schema.get_field_index("other_party")
    yield table
    yield pa.concat_tables([table.slice(0, 3), table.slice(3)])
    yield pa.concat_tables([table, table, table]).slice(len(ROWS), len(ROWS))
    yield table.set_column(other, "other_party", table["other_party"].cast(pa.large_utf8()))
    yield table.set_column(other, "other_party", table["other_party"].cast(pa.string_view()))
    yield table.set_column(other, "other_party", table["other_party"].dictionary_encode())
    backwards = pa.DictionaryArray.from_arrays(
        pa.array([1] * 7 + [0], pa.int8()), pa.array(["x", "h"], pa.large_utf8())
    )
    yield table.set_column(host, "host", backwards)
    yield table.set_column(
        table.schema.get_field_index("duration_s"), "duration_s", table["duration_s"].cast(pa.uint16())
    )
    shanghai = table["start_time"].cast(pa.timestamp("s", "Asia/Shanghai"))
    yield table.set_column(table.schema.get_field_index("start_time"), "start_time", shanghai)
    yield table.combine_chunks().to_batches()[0]
    yield pl.from_arrow(table)
    yield pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2))


@pytest.mark.parametrize("number", range(12))
def test_any_arrow_table_gives_the_same(book, number):
    expected = rate(usage_table(ROWS), book)
    found = rate(list(foreign_tables())[number], book)
    added = list(schema.RATED)
    for mine, theirs in zip(expected, found, strict=True):
        names = [name for name in mine.column_names if name in added or name in schema.SUSPENDED]
        assert theirs.select(names).to_pylist() == mine.select(names).to_pylist()
    assert found[1]["host"].to_pylist() == ["x"]  # the row as it came, though the rule book has no such host


def test_the_tables_have_the_declared_types(book):
    rated, suspended = rate(usage_table(ROWS), book)
    assert rated.column_names == [*usage_table([]).column_names, *(name for name in schema.RATED if name != "city")]
    for name, kind in schema.RATED.items():
        assert name == "city" or rated.schema.field(name).type == kind
    for name, kind in schema.SUSPENDED.items():
        assert suspended.schema.field(name).type == kind


def test_no_rows(book):
    rated, suspended = rate(usage_table([]), book)
    assert (rated.num_rows, suspended.num_rows) == (0, 0)
    assert "retail_amount" in rated.column_names


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("start_time", pa.array([dt.datetime(2014, 6, 2)])),
        ("start_time", pa.array(["2014-06-02"])),
        ("duration_s", pa.array(["60"])),
        ("duration_s", pa.array([1.5])),
        ("other_party", pa.array([8613800138000])),
        ("host", pa.array([1])),
    ],
)
def test_what_can_not_be_read_without_loss_is_refused(book, name, column):
    table = usage_table([event(other_party="1")])
    table = table.set_column(table.schema.get_field_index(name), name, column)
    with pytest.raises(UsageError, match=name) as refused:
        rate(table, book)
    assert "138001" not in str(refused.value)


def test_missing_or_taken_columns_are_named(book):
    table = usage_table(ROWS)
    with pytest.raises(UsageError, match="start_time"):
        rate(table.drop_columns(["start_time"]), book)
    with pytest.raises(UsageError, match="feed"):
        rate(table.drop_columns(["feed"]), book)
    with pytest.raises(UsageError, match="account_id"):
        rate(rate(table, book)[0], book)
    with pytest.raises(UsageError, match="no Arrow table"):
        rate([1], book)


def test_strict_conforming_refuses_unknown_codes(book):
    with pytest.raises(UsageError, match="host"):
        conform(usage_table(ROWS), book)
    batch = conform(usage_table(ROWS), book, ["host", "duration_s"], strict=False)[0]
    assert batch.names == ["host", "duration_s"]
    assert pa.record_batch(batch)["host"].null_count == 1


# ---------------------------------------------------------------------------------------- rate_batch


def test_selection_and_columns(book):
    batch = conform(usage_table(ROWS), book, strict=False)[0]
    selection = Batch.of(pa.record_batch({"row": pa.array([1, 5, 7], pa.int32())}))
    rating = rate_batch(compile_rates(book), batch, selection, {"retail_amount", "retail_zone"})
    assert rating.rated.names == ["retail_zone", "retail_amount"]
    assert pa.record_batch(rating.rated_rows)["row"].to_pylist() == [1, 5]
    assert pa.record_batch(rating.suspended).to_pylist() == [
        {"row": 7, "stage": "guide", "code": "no_host", "field": "host"}
    ]


def test_memory_is_given_back(book):
    batch = conform(usage_table(ROWS), book, strict=False)[0]
    before = memory()["live_blocks"]
    for _ in range(5):
        rating = rate_batch(compile_rates(book), batch)
        table = pa.record_batch(rating.rated)
    del rating, table
    assert memory()["live_blocks"] == before


def test_blocks_of_any_length():
    """Rows beyond one block, with refusals in between, keep their order."""
    book = make_book(declare([price(first_cost="0.01"), *FREE[1:]]))
    rows = [event(duration_s=n if n % 7 else None) for n in range(1500)]
    rated, suspended = rate_rows(book, rows)
    assert [int(row["retail_amount"] * 100) for row in rated] == [n for n in range(1500) if n % 7]
    assert len(suspended) == 1500 - len(rated)


def test_every_row_may_have_rules_of_its_own():
    """More products, hosts and record types than a block has rows, each pair priced by itself."""
    products, hosts = [f"p{n}" for n in range(30)], [f"h{n}" for n in range(7)]
    kinds = sorted(FREE_ZONES)
    prices = [
        price(side, kind, party=party, first_cost=str(100 * place + kinds.index(kind)), minimum="0.5")
        for side, parties in (("retail", products), ("wholesale", hosts))
        for place, party in enumerate(parties)
        for kind in kinds
    ]
    declared = declare(prices, account="subscription")
    declared = msgspec.structs.replace(
        declared,
        products={name: Product(zones=FREE_ZONES) for name in products},
        hosts={name: Host(zones=FREE_ZONES) for name in hosts},
    )
    owners = [
        {"msisdn": n + 1, "account_id": n, "product": name, "city": None, "from": None, "to": None}
        for n, name in enumerate(products)
    ]
    book = make_book(declared, reference_data(owners))
    used = {"duration_s": 1, "uplink_bytes": 1, "message_segments": 1}
    pairs = [(p, h, kind) for p in range(len(products)) for kind in kinds for h in range(len(hosts))]
    rows = [event(served_msisdn=p + 1, host=hosts[h], record_type=kind, **used) for p, h, kind in pairs]
    rated, suspended = rate_rows(book, rows)
    assert suspended == []
    found = [(row["account_id"], row["retail_amount"], row["wholesale_amount"], row["margin_amount"]) for row in rated]
    assert found == [
        (p, r := yuan(max(100 * p + kinds.index(kind), 0.5)), w := yuan(max(100 * h + kinds.index(kind), 0.5)), r - w)
        for p, h, kind in pairs
    ]


# -------------------------------------------------------------------------------------------- tables


@given(
    st.sets(st.text("0123456789", min_size=1, max_size=5), max_size=30),
    st.booleans(),
    st.lists(st.text("0123456789*a", max_size=20), max_size=20),
)
def test_longest_prefix(prefixes, has_default, numbers):
    prefixes = sorted(prefixes)
    rows = [ZonePrefix(zone_set="z", prefix=prefix, zone=f"{n:02}") for n, prefix in enumerate(prefixes)]
    rows += [ZonePrefix(zone_set="z", prefix="", zone="99")] * has_default
    rows += [ZonePrefix(zone_set="z", prefix="7777777777777777", zone="98")]
    product = Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="z")})
    plan = compile_rates(make_book(declare(FREE, product=product, zones=rows)))
    names = sorted({row.zone for row in rows})
    numbers += [prefix + more for prefix in prefixes for more in ("", "0", "9", "0000000000000", "99999999999999")]
    for number, found in zip(numbers, zone_numbers(plan, 0, 0, numbers), strict=True):
        fitting = [row for row in rows if number.startswith(row.prefix)]
        expected = names.index(max(fitting, key=lambda row: len(row.prefix)).zone) if fitting else -1
        assert found == expected


def test_two_hundred_thousand_prefixes():
    rng = random.Random(7)
    prefixes = {str(rng.randrange(10 ** rng.randint(1, 11))) for _ in range(230_000)}
    zones = {prefix: rng.randrange(300) for prefix in prefixes}
    product = Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="z")})
    rows = [ZonePrefix(zone_set="z", prefix=prefix, zone=f"{zone:03}") for prefix, zone in zones.items()]
    plan = compile_rates(make_book(declare(FREE, product=product, zones=rows)))
    numbers = [str(rng.randrange(10 ** rng.randint(1, 15))) for _ in range(20_000)]
    found = zone_numbers(plan, 0, 0, numbers)
    for number, zone in zip(numbers, found, strict=True):
        parts = (number[:length] for length in range(len(number), 0, -1))
        assert zone == next((zones[part] for part in parts if part in zones), -1)


def test_a_dated_prefix():
    zones = [
        ZonePrefix(zone_set="z", prefix="86", zone="old", valid_to="2014-07-01"),
        ZonePrefix(zone_set="z", prefix="86", zone="new", valid_from="2014-07-01"),
        ZonePrefix(zone_set="z", prefix="861", zone="gone", valid_to="2014-06-01"),
    ]
    book = make_book(declare(FREE, product=Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="z")}), zones=zones))
    starts = ("2014-05-31 23:59:59", "2014-06-01 00:00:00", "2014-06-30 23:59:59", "2014-07-01 00:00:00")
    rated, _ = rate_rows(book, [event(f"{start}+08:00", other_party="8613", duration_s=1) for start in starts])
    assert [row["retail_zone"] for row in rated] == ["gone", "old", "old", "new"]


def test_equal_neighbours_are_one_interval():
    flat = flatten(["86", "861", "8613"], np.array([1, 1, 1], np.int16), -1)
    assert flat.zones.tolist() == [-1, 1, -1]


@pytest.mark.parametrize("prefix", ["8" * (MAX_DIGITS + 1), "+86", "12a"])
def test_a_prefix_that_can_not_be_looked_up_is_a_fault(prefix):
    zones = [ZonePrefix(zone_set="z", prefix=prefix, zone="x")]
    with pytest.raises(RulebookError, match="digits"):
        make_book(declare(FREE, product=Product(zones={"voice_mo": ZoneRule(set="z")}), zones=zones))
    assert PrefixRow(prefix, 0).to_us > 0


@given(st.text("+0123456789*#a", max_size=26))
def test_dialled_numbers_are_read_as_the_feeds_rules_say(number):
    """A set whose prefixes are single digits tells where the kernel's look-up begins."""
    zones = [ZonePrefix(zone_set="z", prefix=f"{n:02}", zone=f"{n:02}") for n in range(100)]
    zones += [ZonePrefix(zone_set="z", prefix="", zone="none")]
    book = make_book(declare(FREE, product=Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="z")}), zones=zones))
    rated, suspended = rate_rows(book, [event(feed="f", other_party=number, duration_s=1)])
    if not number:
        assert suspended[0]["code"] == "missing_destination"
        return
    meant = normalise(number, compile_numbers(CHINA))[:2]
    assert rated[0]["retail_zone"] == (meant if len(meant) == 2 and meant.isdigit() else "none")


@pytest.mark.parametrize("first_day", [1, 2, 15, 28])
def test_cycles_by_table_and_by_calendar(first_day):
    starts = cycle_starts(first_day)
    for at in range(0, DAY_COUNT, 97):
        day = dt.date(1970, 1, 1) + dt.timedelta(days=FIRST_DAY + at)
        month = day if day.day >= first_day else day.replace(day=1) - dt.timedelta(days=1)
        assert dt.date(1970, 1, 1) + dt.timedelta(days=int(starts[at])) == month.replace(day=first_day)
    book = make_book(declare(FREE, product=Product(zones=FREE_ZONES, cycle=Cycle(first_day=first_day)), zone="UTC"))
    book.declared.prices[:] = []
    days = [dt.datetime(2101 + n, 1 + n % 12, 1 + n % 28, tzinfo=dt.UTC) for n in range(60)]
    rated, _ = rate_rows(book, [event(str(day), duration_s=1) for day in days])
    for day, row in zip(days, rated, strict=True):
        month = day.date() if day.day >= first_day else day.date().replace(day=1) - dt.timedelta(days=1)
        assert row["cycle"] == month.replace(day=first_day)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"])
def test_bands_follow_the_wall(zone):
    bands = [Band(valid_from=f"{h:02}:00", valid_to=f"{h + 1:02}:00", band=f"h{h:02}") for h in range(24)]
    book = make_book(declare(FREE, product=Product(zones=FREE_ZONES, zone=zone, bands={"any": bands})))
    rng = random.Random(zone)
    starts = [dt.datetime.fromtimestamp(rng.randrange(10**9, 4 * 10**9), dt.UTC) for _ in range(3000)]
    rated, _ = rate_rows(book, [event(str(start), duration_s=0) for start in starts])
    assert [row["retail_time_band"] for row in rated] == [
        f"h{start.astimezone(zone_info(zone)).hour:02}" for start in starts
    ]


# ------------------------------------------------------------------------------------ owners and limits


def test_f29_a_recycled_number():
    def instant(text):
        return dt.datetime.fromisoformat(text + "T00:00:00+08:00")

    subscriptions = [
        {"msisdn": 5, "account_id": 200, "product": "p", "city": "sh", "from": instant("2014-12-01"), "to": None},
        {"msisdn": 5, "account_id": 100, "product": "p", "city": "gz", "from": None, "to": instant("2014-09-01")},
        {"msisdn": 6, "account_id": 300, "product": "lost", "city": None, "from": None, "to": None},
    ]
    reference = reference_data(subscriptions)
    declared = declare(FREE, account="subscription", city="subscription")
    book = make_book(declared, reference, ["gz", "sh"])
    moments = ("2014-08-31 23:59:59", "2014-09-01 00:00:00", "2014-10-15 12:00:00", "2014-12-01 00:00:00")
    rows = [event(f"{moment}+08:00", served_msisdn=5, duration_s=1) for moment in moments]
    rows += [event(served_msisdn=number, duration_s=1) for number in (6, 7, None)]
    rated, suspended = rate_rows(book, rows)
    assert [(row["account_id"], row["city"]) for row in rated] == [(100, "gz"), (200, "sh")]
    codes = ["number_not_owned", "number_not_owned", "no_product", "unknown_number", "missing_number"]
    assert [row["code"] for row in suspended] == codes
    assert {row["stage"] for row in suspended} == {"guide"}


def test_a_line_beyond_what_it_can_hold():
    terms = {"record_type": "data", "first_cost": "90000000000", "first_per": "1"}
    for level in ("record", "component", "bill"):
        product = Product(zones=FREE_ZONES, rounding=Rounding(level=level))
        book = make_book(declare([price(**terms), *FREE_BUT_DATA], product=product))
        quantities = [11, 12, 1 << 40, (1 << 63) - 1]
        rows = [event(record_type="data", downlink_bytes=quantity) for quantity in quantities]
        for plan in (compile_rates(book), compile_rates(book, exact_only=True)):
            rated, suspended = rate_rows(book, rows, plan)
            assert [int(row["retail_amount"]) for row in rated] == [990_000_000_000]
            assert [(row["code"], row["field"]) for row in suspended] == [("amount_overflow", "retail_amount")] * 3


def test_a_quantity_that_no_increment_holds():
    terms = {"record_type": "data", "first_increment": "1000GB", "first_per": "1GB"}
    book = make_book(declare([price(**terms), *FREE_BUT_DATA]))
    rows = [event(record_type="data", downlink_bytes=(1 << 63) - 1)]
    for plan in (compile_rates(book), compile_rates(book, exact_only=True)):
        assert [row["code"] for row in rate_rows(book, rows, plan)[1]] == ["amount_overflow"]


def test_an_exact_amount_beyond_what_a_fraction_can_hold():
    terms = {"record_type": "data", "first_cost": "1", "first_per": "97", "next_cost": "90000000000", "next_per": "1"}
    book = make_book(declare([price(**terms), *FREE_BUT_DATA]))
    rows = [event(record_type="data", downlink_bytes=(1 << 63) - 1)]
    for plan in (compile_rates(book), compile_rates(book, exact_only=True)):
        assert [row["code"] for row in rate_rows(book, rows, plan)[1]] == ["amount_overflow"]


def test_an_endless_session_ends_in_a_code():
    bands = {
        "any": [
            Band(valid_from="08:00", valid_to="20:00", band="a"),
            Band(valid_from="20:00", valid_to="08:00", band="b"),
        ]
    }
    book = make_book(declare(FREE, product=Product(zones=FREE_ZONES, bands=bands)))
    rows = [event(duration_s=3660 * 86400 + extra) for extra in (0, 1)] + [event(duration_s=(1 << 63) - 1)]
    rated, suspended = rate_rows(book, rows)
    assert len(rated) == 1
    assert [row["code"] for row in suspended] == ["out_of_range"] * 2


def test_times_beyond_the_tables_are_rated_by_the_last_offset():
    ends = pa.array([-(1 << 63), (1 << 63) - 1, 0], pa.int64()).cast(schema.INSTANT)
    table = usage_table([event(duration_s=1)] * 3)
    book = make_book(declare(FREE, host=Host(zones=FREE_ZONES, zone="Europe/Berlin")))
    rated, suspended = rate(table.set_column(table.schema.get_field_index("start_time"), "start_time", ends), book)
    assert rated.num_rows + suspended.num_rows == 3
