"""Account days and the settlement against dictionaries of Python integers."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation import schema
from mediation.native._column import Batch
from mediation.rulebook.model import Book, Host, Service
from mediation.rulebook.zones import zone_table
from mediation.settle._fold import AccountDayFold
from mediation.settle.account_day import AccountDays
from mediation.settle.settlement import Settlement, guarded_text, write_csv
from tests.naive import settle as naive

DICTIONARIES = {
    "host": ["CMCC", "CUCC", "=cmd"],
    "record_type": ["voice_mo", "data", "voice_mt"],
    "city": ["", "0371", "西安"],
    "wholesale_zone": ["all", "far"],
    "wholesale_time_band": ["any", "night"],
    "wholesale_tariff_version": ["2026-01-01", "v2"],
}
SERVICES = {"voice_mo": "voice", "voice_mt": "voice", "data": "data"}
USAGE = ("start_time", "record_type", "host", "host_charge_amount")
RATED = (
    "account_id",
    "city",
    "host_cycle",
    "wholesale_zone",
    "wholesale_time_band",
    "wholesale_tariff_version",
    "wholesale_quantity",
    "retail_amount",
    "wholesale_amount",
)
LARGEST = 10**18 - 1
micros = st.integers(-LARGEST // 200, LARGEST // 200)
instants = st.integers(0, 4 * 10**15) | st.integers(-(10**14), 10**14)
codes = {name: st.sampled_from(values) for name, values in DICTIONARIES.items()}
rows_of = st.fixed_dictionaries(
    {
        "start_time": instants,
        "record_type": codes["record_type"],
        "host": codes["host"],
        "host_charge_amount": st.none() | micros,
        "account_id": st.none() | st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(0, 5),
        "city": st.none() | codes["city"],
        "host_cycle": st.sampled_from([20605, 20636]),
        "wholesale_zone": st.none() | codes["wholesale_zone"],
        "wholesale_time_band": codes["wholesale_time_band"],
        "wholesale_tariff_version": codes["wholesale_tariff_version"],
        "wholesale_quantity": st.integers(0, 2**50),
        "retail_amount": micros,
        "wholesale_amount": micros,
    }
)


def book_of():
    services = {
        "voice": Service(record_types=["voice_mo", "voice_mt"], quantity="duration_s", unit="s"),
        "data": Service(record_types=["data"], quantity="volume_bytes"),
    }
    book = Book(name="t", zone="Asia/Shanghai", services=services)
    hosts = {"CMCC": Host(zones={}), "CUCC": Host(zones={}), "=cmd": Host(zones={})}
    return SimpleNamespace(declared=SimpleNamespace(book=book, hosts=hosts))


def amounts(values):
    raw = b"".join((value or 0).to_bytes(16, "little", signed=True) for value in values)
    bits = np.packbits(np.array([value is not None for value in values], bool), bitorder="little").tobytes()
    return pa.Array.from_buffers(schema.AMOUNT, len(values), [pa.py_buffer(bits), pa.py_buffer(raw)])


def batch_of(names, rows, types=None):
    types = {**schema.USAGE, **schema.RATED, **(types or {})}
    arrays = {}
    for name in names:
        values = [row[name] for row in rows]
        if types[name] == schema.CODE:
            places = [None if value is None else DICTIONARIES[name].index(value) for value in values]
            arrays[name] = pa.DictionaryArray.from_arrays(pa.array(places, pa.int16()), pa.array(DICTIONARIES[name]))
        elif types[name] == schema.AMOUNT:
            arrays[name] = amounts(values)
        else:
            arrays[name] = pa.array(values, types[name])
    return Batch.of(pa.record_batch(arrays))


def selection(rows):
    return Batch.of(pa.record_batch({"row": pa.array(rows, pa.int32())}))


def pieces(rows, cuts, skip):
    """(usage, rated rows, rated) of every piece; the usage rows in `skip` were not rated."""
    cuts = sorted({0, *(cut % (len(rows) + 1) for cut in cuts), len(rows)})
    for begin, end in itertools.pairwise(cuts):
        piece = rows[begin:end]
        rated = [place for place in range(len(piece)) if begin + place not in skip]
        chosen = selection(rated) if skip else None
        yield batch_of(USAGE, piece), chosen, batch_of(RATED, [piece[place] for place in rated])


def micro(value):
    return None if value is None else int(value.scaleb(6, decimal.Context(prec=60)))


def account_day_rows(table):
    epoch = dt.date(1970, 1, 1)
    return [
        (row["account_id"], (row["day"] - epoch).days, row["records"], *(micro(row[name]) for name in list(row)[3:]))
        for row in table.to_pylist()
    ]


row_lists = st.lists(rows_of, min_size=1, max_size=80)
cut_lists = st.lists(st.integers(0, 100), max_size=4)
skips = st.sets(st.integers(0, 79), max_size=10)


@settings(max_examples=50)
@given(row_lists, cut_lists, skips, st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "UTC"]))
def test_account_days_are_those_of_the_naive_twin(rows, cuts, skip, zone):
    days = AccountDays(zone)
    for piece in pieces(rows, cuts, skip):
        days.add(*piece)
    wanted = naive.account_days([row for place, row in enumerate(rows) if place not in skip], zone_table(zone))
    assert len(days) == len(wanted)
    table = days.table()
    assert table.schema == schema.schema(schema.ACCOUNT_DAY)
    assert account_day_rows(table) == wanted


@settings(max_examples=50)
@given(row_lists, cut_lists, skips)
def test_settlement_lines_are_those_of_the_naive_twin(rows, cuts, skip):
    settlement = Settlement(book_of())
    for piece in pieces(rows, cuts, skip):
        settlement.add(*piece)
    wanted = naive.settlement_lines([row for place, row in enumerate(rows) if place not in skip], SERVICES)
    table = settlement.table()
    assert table.schema == schema.schema(schema.SETTLEMENT)
    assert table.num_rows == len(wanted)
    epoch = dt.date(1970, 1, 1)
    for row in table.to_pylist():
        zone, _, band = row["rate_class"].partition("/")
        key = ((row["cycle"] - epoch).days, row["host"], row["service"], row["city"], zone or None, band)
        records, quantity, charge, wholesale, retail = wanted.pop((*key, row["tariff_version"]))
        assert (row["records"], row["quantity"]) == (records, quantity)
        assert micro(row["host_charge_amount"]) == charge
        assert (micro(row["wholesale_amount"]), micro(row["retail_amount"])) == (wholesale, retail)
        assert micro(row["margin_amount"]) == retail - wholesale
        assert row["unit"] == {"voice": "s", "data": "B"}[row["service"]]
        assert row["currency"] == "CNY"


def many_rows(count, seed=7):
    random = np.random.default_rng(seed)
    return [
        {
            "start_time": int(1780243200_000000 + at),
            "record_type": DICTIONARIES["record_type"][n % 2],
            "host": DICTIONARIES["host"][n % 3],
            "host_charge_amount": None,
            "account_id": int(account),
            "city": DICTIONARIES["city"][n % 3],
            "host_cycle": 20605,
            "wholesale_zone": "all",
            "wholesale_time_band": "any",
            "wholesale_tariff_version": "v2",
            "wholesale_quantity": int(n),
            "retail_amount": int(n * 3),
            "wholesale_amount": int(n),
        }
        for n, (at, account) in enumerate(
            zip(random.integers(0, 30 * 86400 * 10**6, count), random.integers(0, 500, count), strict=True)
        )
    ]


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("collide", [False, True])
def test_threads_fold_to_the_same_tables(threads, collide):
    rows = many_rows(6000)
    work = list(pieces(rows, range(0, 6000, 97), set(range(0, 6000, 11))))
    fold, settlement = AccountDayFold(*zone_table("Asia/Shanghai"), all_collide=collide), Settlement(book_of())
    failures = []

    def worker(number):
        try:
            for piece in work[number::threads]:
                fold.add(*piece)
                settlement.add(*piece)
        except Exception as failure:
            failures.append(failure)

    workers = [threading.Thread(target=worker, args=(number,)) for number in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not failures
    days = AccountDays("Asia/Shanghai")
    days._fold = fold
    rated = [row for place, row in enumerate(rows) if place % 11]
    assert account_day_rows(days.table()) == naive.account_days(rated, zone_table("Asia/Shanghai"))
    lines = naive.settlement_lines(rated, SERVICES)
    table = settlement.table()
    assert table.num_rows == len(lines)
    assert sum(table["quantity"].to_pylist()) == sum(line[1] for line in lines.values())


def test_batches_of_account_days_are_the_table():
    rows = many_rows(2000)
    tables = []
    for size in (1, 7, 10**6):
        days = AccountDays("UTC")
        for piece in pieces(rows, [], set()):
            days.add(*piece)
        tables.append(pa.Table.from_batches(list(days.batches(size))).combine_chunks())
    assert tables[0].equals(tables[1])
    assert tables[1].equals(tables[2])


def test_a_city_may_be_a_number_or_absent():
    rows = [{**row, "city": number % 2} for number, row in enumerate(many_rows(10))]
    for names, cities in ((RATED, {"0", "1"}), (tuple(name for name in RATED if name != "city"), {None})):
        settlement = Settlement(book_of())
        settlement.add(batch_of(USAGE, rows), None, batch_of(names, rows, {"city": pa.int64()}))
        assert set(settlement.table()["city"].to_pylist()) == cities


def test_faults_are_named():
    row = many_rows(1)[0]
    usage, rated = batch_of(USAGE, [row]), batch_of(RATED, [row])
    days, settlement = AccountDays("UTC"), Settlement(book_of())
    for fold in (days, settlement):
        with pytest.raises(ValueError, match="outside"):
            fold.add(usage, selection([1]), rated)
        with pytest.raises(ValueError, match="selection"):
            fold.add(usage, None, batch_of(RATED, [row, row]))
    with pytest.raises(ValueError, match="start_time"):
        days.add(batch_of(USAGE, [{**row, "start_time": None}]), None, rated)
    for share, shares in ((-1, 2), (2, 2), (255, 2**31 - 1)):
        with pytest.raises(ValueError, match="no share"):
            AccountDayFold(*zone_table("UTC")).fold_share(share, shares)
    settlement.add(usage, None, rated)
    turned = pa.DictionaryArray.from_arrays(pa.array([0], pa.int16()), pa.array(["CUCC", "CMCC"]))
    other = Batch.of(pa.record_batch({"host": turned, "record_type": pa.record_batch(usage)["record_type"]}))
    with pytest.raises(ValueError, match="dictionary"):
        settlement.add(other, None, rated)
    days.add(usage, None, rated)
    days.table()
    with pytest.raises(ValueError, match="nothing may be added"):
        days.add(usage, None, rated)


def test_an_account_day_beyond_int64_raises():
    row = {**many_rows(1)[0], "retail_amount": LARGEST}
    usage, rated = batch_of(USAGE, [row] * 10), batch_of(RATED, [row] * 10)
    for repeats in (1, 300):  # found when the rows are folded, at the end or on the way
        days = AccountDays("UTC")
        with pytest.raises(OverflowError):
            for _ in range(repeats):
                days.add(usage, None, rated)
            days.table()
    settlement = Settlement(book_of())
    for _ in range(1000):
        settlement.add(usage, None, rated)
    assert micro(settlement.table()["retail_amount"][0].as_py()) == LARGEST * 10_000


COLUMNS = [
    *("cycle", "host", "service", "city", "rate_class", "tariff_version", "currency", "records", "quantity", "unit"),
    *("host_charge_amount", "wholesale_amount", "retail_amount", "margin_amount"),
]


def test_decimals_are_read_where_arrow_may_put_them():
    """Arrow promises an alignment of 8 bytes, not of 16: the sanitized build stops at a load that wants more."""
    rows = many_rows(50)
    fold, aside = AccountDays("UTC"), AccountDays("UTC")
    usage, rated = batch_of(USAGE, rows), pa.record_batch(batch_of(RATED, rows))
    arrays = dict(zip(rated.schema.names, rated.columns, strict=True))
    for name in ("retail_amount", "wholesale_amount"):
        raw = arrays[name].buffers()[1].to_pybytes()[: 16 * len(rows)]
        room = pa.allocate_buffer(16 * len(rows) + 8)  # 64-byte aligned
        np.frombuffer(room, np.uint8)[8:] = np.frombuffer(raw, np.uint8)
        moved = room.slice(8)
        arrays[name] = pa.Array.from_buffers(schema.AMOUNT, len(rows), [None, moved])
    fold.add(usage, None, batch_of(RATED, rows))
    aside.add(usage, None, Batch.of(pa.record_batch(arrays)))
    assert aside.table().equals(fold.table())


def test_csv_is_plain_and_never_a_formula():
    rows = [{**row, "host_charge_amount": -5} for row in many_rows(9)]
    settlement = Settlement(book_of())
    settlement.add(batch_of(USAGE, rows), None, batch_of(RATED, rows))
    out = io.StringIO(newline="")
    write_csv(settlement.table(), out)
    read = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert list(read[0]) == list(schema.SETTLEMENT) == COLUMNS
    assert {row["host"] for row in read} == {"CMCC", "CUCC", "'=cmd"}
    assert sum(decimal.Decimal(row["host_charge_amount"]) for row in read) == decimal.Decimal("-0.000045")
    assert "E" not in "".join(row["host_charge_amount"] for row in read)
    assert out.getvalue().count("\n") == len(read) + 1


FORMULAS = ["=1", "+1", "-1", "@SUM(1)", "＝1", "＋1", "－1", "＠SUM(1)", "﹦1", "﹢1", "﹣1", "﹫1", "⁼1"]
BEFORE_THEM = ["", " ", "   ", "\t", "\r", "\n", "\r\n", "\0", "\x1b", "\u00a0", "\u200b", "\u202e", "\u3000", "\ufeff"]
TEXTS = ["", " ", "x", "x=1", "'=1", "北京", " x", "1-2", "·=1", "（=1）", "106=", "\u3000北京"]


@pytest.mark.parametrize("before", BEFORE_THEM)
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_guarded_whatever_stands_before_it(before, formula):
    assert guarded_text(before + formula) == "'" + before + formula


@pytest.mark.parametrize("start", ["\t", "\r", "\n", "\0", "\x7f", "\x85"])
def test_a_control_character_is_guarded(start):
    assert guarded_text(start + "x") == "'" + start + "x"


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_formula_is_left_alone(text):
    assert guarded_text(text) == text


def day_batches(accounts, batches):
    """As many batches of the same accounts on one day."""
    zeros = amounts([0] * len(accounts))
    usage = Batch.of(pa.record_batch({"start_time": pa.array(np.zeros(len(accounts), np.int64)).cast(schema.INSTANT)}))
    rated = pa.record_batch({"account_id": pa.array(accounts), "retail_amount": zeros, "wholesale_amount": zeros})
    return [(usage, None, Batch.of(rated))] * batches


def test_memory_per_key_is_within_the_contract():
    count = 1 << 16
    fold = AccountDayFold(*zone_table("UTC"))
    for number in range(24):
        for piece in day_batches(np.arange(number * count, (number + 1) * count), 1):
            fold.add(*piece)
    assert len(fold) == 24 * count
    assert fold.nbytes / len(fold) <= 35


def test_rows_of_the_same_accounts_take_no_more_memory():
    fold = AccountDayFold(*zone_table("UTC"))
    most = 0
    for piece in day_batches(np.arange(1 << 18), 12):
        fold.add(*piece)
        most = max(most, fold.nbytes)
    # Half as many rows again may wait, but for the 2,048 that always may, and a chunk of 512 a partition.
    assert most <= 32 * (1 << 18) + 256 * 32 * (2048 + 2 * 512)
    assert len(fold) == 1 << 18
