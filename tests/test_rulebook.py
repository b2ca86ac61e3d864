"""A loaded rule book: hashes, names, columns, and the reference data."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from good_book import ALPHA, BOOK, GOOD, PLAIN, PRICES, changed, places, write
from hypothesis import given
from hypothesis import strategies as st

from mediation import schema
from mediation.decode.layout import layout_of
from mediation.errors import RulebookError, SourceRefused
from mediation.rulebook import load_rulebook
from mediation.rulebook.compiled import compiled_form, reference_of
from mediation.rulebook.owners import SUBSCRIPTION, Subscriptions, compile_owners
from mediation.rulebook.reference import _by_number_and_time

NUMBER = "8613800000001"
SUBSCRIPTIONS = f"""\
msisdn,imsi,account_id,product,city,from,to
{NUMBER},1,7,plain,wuhan,2026-01-01,2026-02-01
8613800000002,,8,,,2026-01-01T00:00:00Z,
{NUMBER},2,9,plain,xian,2026-02-01,
"""


@pytest.fixture
def book(tmp_path):
    return load_rulebook(write(tmp_path / "book"))


def reference(folder, subscriptions=SUBSCRIPTIONS, **others):
    """Write reference data."""
    folder.mkdir()
    for name, content in {"subscriptions": subscriptions, **others}.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def load(tmp_path, *args, files=GOOD, **kwargs):
    return load_rulebook(write(tmp_path / "book", files), reference(tmp_path / "reference", *args, **kwargs))


# ------------------------------------------------------------------------------------------------- the book


def test_what_a_book_has(book):
    assert list(book.feeds) == ["alpha", "beta"]
    assert book.feeds["alpha"].book is book
    assert book.feeds["alpha"].declared.host == "north"
    assert book.dictionaries["record_type"] == ["voice_mo", "voice_mt", "sms_mo", "data"]
    assert book.dictionaries["retail_zone"] == ["away", "home", "in"]
    assert book.dictionaries["retail_time_band"] == ["off", "peak"]
    assert book.dictionaries["wholesale_time_band"] == ["any"]
    usage = [name for name in schema.USAGE if name in book.usage_columns]
    assert list(book.usage_columns) == [*schema.PROVENANCE, *usage, "trunk"]
    assert "apn" not in book.usage_columns
    assert book.usage_columns["trunk"] == pa.utf8()


def test_a_file_finds_its_feed_by_name(book):
    assert book.feed_of("in/ALPHA_20260301_0001.txt.gz").name == "alpha"
    assert book.feed_of("BETA_20260301.txt").name == "beta"
    for name in ("alpha_20260301_0001.txt", "ALPHA_20260230_0001.txt", "BETA_20260301.txt.zip"):
        with pytest.raises(SourceRefused) as caught:
            book.feed_of(name)
        assert caught.value.code == "no_feed_matches"


def test_a_file_of_two_feeds_is_refused(tmp_path):
    gamma = GOOD["feeds/beta.toml"].replace("BETA_{date}", "*_{date}")
    book = load_rulebook(write(tmp_path, {**GOOD, "feeds/gamma.toml": gamma}))
    with pytest.raises(SourceRefused, match="beta, gamma") as caught:
        book.feed_of("BETA_20260301.txt")
    assert caught.value.code == "several_feeds_match"


def test_the_hash_is_of_the_content(tmp_path, book):
    lines = GOOD[PRICES].splitlines(keepends=True)
    same = {
        **GOOD,
        PRICES: "".join([lines[0], *reversed(lines[1:])]),
        BOOK: "# a comment\n" + GOOD[BOOK].replace("[services.voice]", 'currency = "CNY"\n[services.voice]'),
    }
    assert load_rulebook(write(tmp_path / "same", same)).hash == book.hash
    for number, (file, old, new) in enumerate(
        [(PRICES, "0.15", "0.16"), (PLAIN, '"21:00", to', '"21:00",  to'), (ALPHA, "max = 9", "max = 8")]
    ):
        other = load_rulebook(write(tmp_path / str(number), changed(file, old, new)))
        assert (other.hash == book.hash) == (file == PLAIN)


def test_a_table_may_be_parquet(tmp_path, book):
    folder = write(tmp_path / "parquet", {name: text for name, text in GOOD.items() if name != PRICES})
    (tmp_path / "prices.csv").write_text(GOOD[PRICES])
    kinds = dict.fromkeys(GOOD[PRICES].splitlines()[0].split(","), pa.utf8()) | {"from": pa.date32()}
    table = pyarrow.csv.read_csv(
        tmp_path / "prices.csv", convert_options=pyarrow.csv.ConvertOptions(column_types=kinds)
    )
    pq.write_table(table.set_column(0, "side", table["side"].dictionary_encode()), folder / "prices.parquet")
    assert load_rulebook(folder).hash == book.hash


def test_a_book_is_pickled_without_what_was_compiled(tmp_path):
    book = load(tmp_path)
    assert layout_of(book.feeds["alpha"], None) is layout_of(book.feeds["alpha"], None)
    assert len(book.rates.arrays["subscriptions"]) == 3
    again = pickle.loads(pickle.dumps(book))
    assert (again.hash, again.reference_hash) == (book.hash, book.reference_hash)
    assert again.feeds["alpha"].book is again
    assert layout_of(again.feeds["alpha"], None).declared == again.feeds["alpha"].declared.layout[0]
    assert again.feed_of("BETA_20260301.txt").name == "beta"


def test_no_such_folder(tmp_path):
    with pytest.raises(RulebookError, match="no such folder"):
        load_rulebook(tmp_path / "nowhere")


# ---------------------------------------------------------------------------------------- the reference data


def test_accounts_need_reference_data(book):
    with pytest.raises(RulebookError, match=r"\$\.account"):
        _ = book.rates


def test_the_number_as_account_needs_none(tmp_path):
    files = changed(BOOK, "[services.voice]", 'account = "served_msisdn"\nproduct = "plain"\n[services.voice]')
    book = load_rulebook(write(tmp_path, files))
    assert book.rates.only_product == 0
    assert book.reference.subscriptions.num_rows == 0


def test_subscriptions(tmp_path):
    book = load(tmp_path)
    rows = book.reference.subscriptions.to_pylist()
    assert [row["account_id"] for row in rows] == [7, 9, 8]
    assert [str(row["from"]) for row in rows] == [
        "2025-12-31 16:00:00+00:00",
        "2026-01-31 16:00:00+00:00",
        "2026-01-01 00:00:00+00:00",
    ]
    assert [row["to"] is None for row in rows] == [False, True, True]
    assert [row["city"] for row in rows] == ["wuhan", "xian", None]
    assert book.dictionaries["city"] == ["wuhan", "xian"]
    assert "subscriptions" in book.rates.arrays


def test_the_reference_hash_is_of_the_content(tmp_path):
    lines = SUBSCRIPTIONS.splitlines(keepends=True)
    first = load(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    shuffled = load(tmp_path / "b", "".join([lines[0], *reversed(lines[1:])]))
    other = load(tmp_path / "c", SUBSCRIPTIONS.replace(",9,", ",10,"))
    assert shuffled.reference_hash == first.reference_hash != other.reference_hash
    assert shuffled.hash == other.hash


def test_parquet_gives_the_same(tmp_path):
    first = load(tmp_path)
    folder = tmp_path / "parquet"
    folder.mkdir()
    table = first.reference.subscriptions
    pq.write_table(table, folder / "subscriptions.parquet")
    assert load_rulebook(tmp_path / "book", folder).reference_hash == first.reference_hash
    (folder / "subscriptions.csv").write_text(SUBSCRIPTIONS)
    with pytest.raises(RulebookError, match="keep one of the two"):
        load_rulebook(tmp_path / "book", folder)


def test_equal_data_compile_to_equal_bytes_and_come_back(tmp_path):
    lines = SUBSCRIPTIONS.splitlines(keepends=True)
    ranges = "prefix,city,from,to\n86139,suzhou,,\n86138,wuhan,2026-01-01,\n"
    (tmp_path / "b").mkdir()
    first = load(tmp_path, number_ranges=ranges).reference
    shuffled = load(tmp_path / "b", "".join([lines[0], *reversed(lines[1:])]), number_ranges=ranges).reference
    content = b"".join(compiled_form(first))
    assert b"".join(compiled_form(shuffled)) == content
    again = reference_of(content)
    assert (again.hash, again.number_ranges, again.cities) == (first.hash, first.number_ranges, first.cities)
    assert again.cities == ["suzhou", "wuhan", "xian"]
    assert again.subscriptions.equals(first.subscriptions)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-9, 9)), max_size=12))
def test_subscriptions_come_by_number_and_time(rows):
    msisdn, from_us = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    assert _by_number_and_time(msisdn, from_us).tolist() == np.lexsort((from_us, msisdn)).tolist()


@given(st.lists(st.integers(1, 9_000), max_size=300, unique=True), st.integers(1, 9_000))
def test_a_number_stands_in_the_bucket_of_its_hash(numbers, other):
    rows = np.zeros(len(numbers), SUBSCRIPTION)
    rows["msisdn"] = numbers
    owners = compile_owners(Subscriptions(rows, [], []))
    assert sorted(owners.rows["msisdn"].tolist()) == sorted(numbers)
    for number in {other, *numbers}:
        bucket = (number * 0x9E3779B97F4A7C15 % 2**64) * (len(owners.buckets) - 1) >> 64
        found = owners.rows["msisdn"][owners.buckets[bucket] : owners.buckets[bucket + 1]]
        assert found.tolist().count(number) == numbers.count(number)


BAD_ROWS = [
    ("8613800000002", "8613", "3"),
    ("8613800000002", "8613800000002000", "3"),
    ("8613800000002", "86138000000\uff10", "3"),
    (",8,", ",1234567890123456789,", "3"),
    (",8,", ",-8,", "3"),
    (f"{NUMBER},1,7,plain,wuhan,2026-01-01,2026-02-01", f"{NUMBER},1,7,plain,wuhan,2026-01-01,2026-02-02", "4"),
    ("8613800000002", "08613800000002", "3"),
    ("8613800000002", "", "3"),
    (",8,", ",x8,", "3"),
    ("2026-01-01T00:00:00Z", "2026-01-32", "3"),
    ("2026-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "3"),
    ("2026-01-01T00:00:00Z", "yesterday", "3"),
    (f"{NUMBER},2,9,plain,xian,2026-02-01,", f"{NUMBER},2,9,plain,xian,2026-02-01,2026-02-01", "4"),
    (f"{NUMBER},2,9,plain,xian,2026-02-01,", f"{NUMBER},2", "4"),
]


@pytest.mark.parametrize(("old", "new", "line"), BAD_ROWS)
def test_a_bad_row_is_named_and_its_number_is_not(tmp_path, old, new, line):
    assert SUBSCRIPTIONS.count(old) == 1
    with pytest.raises(RulebookError) as caught:
        load(tmp_path, SUBSCRIPTIONS.replace(old, new))
    assert places(caught.value.faults) == [f"reference/subscriptions.csv: $.line[{line}]"]
    assert "138" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"), [("account_id", "account"), (",imsi", ",msisdn"), (SUBSCRIPTIONS, ""), ("wuhan", "wu\udcffhan")]
)
def test_a_bad_table_is_refused(tmp_path, old, new):
    folder = reference(tmp_path / "reference")
    (folder / "subscriptions.csv").write_bytes(SUBSCRIPTIONS.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(RulebookError) as caught:
        load_rulebook(write(tmp_path / "book"), folder)
    assert {each.split(":")[0] for each in caught.value.faults} == {"reference/subscriptions.csv"}


def test_faults_of_book_and_reference_come_together(tmp_path):
    with pytest.raises(RulebookError) as caught:
        load(tmp_path, SUBSCRIPTIONS.replace(",8,", ",x,"), files=changed(ALPHA, '"north"', '"nroth"'))
    assert places(caught.value.faults) == ["feeds/alpha.toml: $.host", "reference/subscriptions.csv: $.line[3]"]


def test_cities_by_number_range(tmp_path):
    files = changed(BOOK, "[services.voice]", 'city = "number_range"\n[services.voice]')
    ranges = "prefix,city,from,to\n861380,wuhan,,2026-05-01\n861380,xian,2026-05-01,\n"
    book = load(tmp_path, files=files, number_ranges=ranges)
    assert [(row.prefix, row.city) for row in book.reference.number_ranges] == [("861380", "wuhan"), ("861380", "xian")]
    assert book.rates.city_set >= 0
    (tmp_path / "bad").mkdir()
    with pytest.raises(RulebookError) as caught:
        load(tmp_path / "bad", files=files, number_ranges=ranges.replace("xian,2026-05-01", "xian,2026-04-30"))
    assert places(caught.value.faults) == ["reference/number_ranges.csv: $.line[3]"]
    (tmp_path / "none").mkdir()
    with pytest.raises(RulebookError, match=r"number_ranges\.csv: \$: missing"):
        load(tmp_path / "none", files=files)


def test_local_times_follow_the_home_zone(tmp_path):
    files = changed(BOOK, "Asia/Shanghai", "Europe/Berlin")
    rows = ["2026-03-29", "2026-03-29 01:59:59.5", "2026-03-30", "2026-03-30T00:00+08:00"]
    text = "msisdn,account_id,from\n" + "".join(f"861380000000{i},{i},{row}\n" for i, row in enumerate(rows))
    found = load(tmp_path, text, files=files).reference.subscriptions["from"].to_pylist()
    assert [str(each)[:-6] for each in found] == [
        "2026-03-28 23:00:00",
        "2026-03-29 00:59:59.500000",
        "2026-03-29 22:00:00",
        "2026-03-29 16:00:00",
    ]
    (tmp_path / "bad").mkdir()
    with pytest.raises(RulebookError, match="skipped in Europe/Berlin"):
        load(tmp_path / "bad", text.replace("01:59:59.5", "02:30"), files=files)
