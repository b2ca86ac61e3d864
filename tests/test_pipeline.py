"""Whole runs: the generator's truth, the same content whatever threads, chunks and order, folders whole or absent."""

from __future__ import annotations

import gc
import io
import itertools
import json
import os
import random
import shutil
import stat
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

import mediation.sample
from mediation import schema
from mediation.decode.source import Source
from mediation.errors import InvariantError, NoInputError, OutputError, UsageError
from mediation.native._column import Batch
from mediation.pipeline import digest, output, parquet
from mediation.pipeline.audit import Audit, SourceAudit
from mediation.pipeline.run import process, stream
from mediation.pipeline.sources import list_sources
from mediation.pipeline.spool import Spool
from mediation.rulebook import load_rulebook
from mediation.sample.generate import generate

BOOK = Path(mediation.sample.__file__).parent / "rulebook"
RECORDS = 30_000


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A generated day with a refused file per feed, and what is expected of it."""
    out = tmp_path_factory.mktemp("pipeline") / "day"
    expected = generate(out, records=RECORDS, seed=11, faults=True, processes=1)
    return sorted((out / "in").iterdir()), expected, out


@pytest.fixture(scope="module")
def book(day):
    return load_rulebook(BOOK, day[2] / "reference")


@pytest.fixture(scope="module")
def whole(day, book):
    return process(day[0], book, threads=2)


@pytest.fixture
def polars():
    if "libtsan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("polars ends the process when it is loaded under ThreadSanitizer")
    return pytest.importorskip("polars")


def test_totals_are_the_truth(day, whole):
    _, expected, _ = day
    summary = whole.summary
    assert summary["records_in"] == expected["records"]
    found = {fate: summary[name] for fate, name in FATE_NAMES.items()}
    assert found == expected["fates"]
    classes = dict(summary["bytes"])
    classes["record"] += classes.pop("undecodable")  # the truth does not tell them apart
    assert classes | {"undecodable": 0} == expected["bytes"]
    assert summary["bytes_in"] == summary["bytes_accounted"] == expected["bytes_in"]
    assert summary["file_bytes"] == expected["file_bytes"]
    assert summary["exceptions"]["duplicates"] == {k: v for k, v in expected["verdicts"].items() if v}
    assert summary["conflicts"] == expected["verdicts"]["conflict"]
    codes = Counter(summary["exceptions"]["rejects"]) + Counter(summary["exceptions"]["suspended"])
    assert codes == {code: count for code, count in expected["codes"].items() if count}


FATE_NAMES = {"rated": "rated", "rejected": "rejected", "suspended": "suspended", "duplicate": "duplicates"}


def test_refused_files_are_listed_and_leave_nothing(day, whole):
    _, expected, _ = day
    refused = {entry["name"]: entry for entry in whole.summary["sources"] if entry["refused"]}
    assert {name: entry["refused"] for name, entry in refused.items()} == {
        name: entry["code"] for name, entry in expected["refused"].items()
    }
    assert whole.summary["bytes_refused"] == sum(entry["bytes"] for entry in expected["refused"].values())
    ids = {entry["source_id"] for entry in refused.values()}
    for table in (whole.rated, whole.rejects, whole.suspended, whole.duplicates):
        assert not ids & set(table["source_id"].unique().to_pylist())
    assert all(len(entry["content_hash"]) == 32 for entry in refused.values())


def test_plain_files_are_known_by_the_hash_of_their_bytes(day, whole):
    known = {entry["name"]: entry for entry in whole.summary["sources"]}
    plain = [path for path in day[0] if known[path.name]["compression"] == "none"]
    assert plain
    for path in plain:
        assert known[path.name]["content_hash"] == xxhash.xxh3_128_hexdigest(path.read_bytes())


def test_every_record_has_its_fate(day, whole):
    names = {entry["source_id"]: entry["name"] for entry in whole.summary["sources"]}
    found = {}
    tables = {"rated": whole.rated, "rejected": whole.rejects, "suspended": whole.suspended}
    for fate, table in {**tables, "duplicate": whole.duplicates}.items():
        for source, record, offset in zip(
            *(table[name].to_pylist() for name in ("source_id", "record_no", "byte_offset")), strict=True
        ):
            assert found.setdefault((names[source], record), (fate, offset)) == (fate, offset)
    truth = pq.read_table(day[2] / "truth" / "fates.parquet").to_pylist()
    assert found == {(row["file"], row["record_no"]): (row["fate"], row["byte_offset"]) for row in truth}
    firsts = {
        (names[row["source_id"]], row["record_no"]): (names[row["first_source_id"]], row["first_record_no"])
        for row in whole.duplicates.select(["source_id", "record_no", "first_source_id", "first_record_no"]).to_pylist()
    }
    assert firsts == {
        (row["file"], row["record_no"]): (row["first_file"], row["first_record_no"])
        for row in truth
        if row["fate"] == "duplicate"
    }


def test_who_adds_up_himself_gets_the_same_rows(day, book, whole):
    run = process(day[0], book, threads=2, settle=False)
    assert run.summary["digest"] == whole.summary["digest"]
    assert run.account_days.num_rows == run.settlement.num_rows == 0
    assert run.summary["retail_micro"] is run.summary["wholesale_micro"] is None


def test_duplicates_may_be_counted_only(day, book, whole):
    batches = stream(day[0], book, threads=2, duplicates=False)
    assert all(batch.duplicates is None for batch in batches)
    assert batches.audit.closes
    assert batches.audit.totals() == whole.audit.totals()
    assert batches.exceptions["duplicates"].total() == whole.duplicates.num_rows > 0
    run = process(day[0], book, threads=2, duplicates=False)
    assert run.duplicates.num_rows == 0
    assert run.duplicates.schema == whole.duplicates.schema
    assert run.rated.equals(whole.rated)
    assert run.summary["duplicates"] == whole.summary["duplicates"]
    assert run.summary["digest"] is None
    assert whole.summary["digest"] is not None


def test_money_adds_up_everywhere(whole):
    rated = sum(whole.rated["retail_amount"].to_pylist())
    assert (
        rated
        == sum(whole.settlement["retail_amount"].to_pylist())
        == sum(whole.account_days["retail_amount"].to_pylist())
    )
    assert int(rated.scaleb(6)) == whole.summary["retail_micro"]
    assert sum(whole.settlement["records"].to_pylist()) == whole.rated.num_rows


@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize("chunk_bytes", [4_096, 1 << 20])
def test_same_content_at_any_thread_count_chunk_size_and_order(day, book, whole, monkeypatch, threads, chunk_bytes):
    monkeypatch.setitem(Source.__init__.__kwdefaults__, "chunk_bytes", chunk_bytes)
    paths = list(day[0])
    random.Random(threads).shuffle(paths)
    again = process(paths, book, threads=threads)
    assert again.summary["digest"] == whole.summary["digest"]
    assert again.settlement.equals(whole.settlement)
    assert again.account_days.equals(whole.account_days)


@pytest.mark.parametrize("memory_bytes", [0, 200_000])
def test_what_is_held_may_wait_on_disk(day, book, whole, monkeypatch, memory_bytes):
    monkeypatch.setattr(Spool.__init__, "__defaults__", (memory_bytes,))
    monkeypatch.setitem(Source.__init__.__kwdefaults__, "chunk_bytes", 100_000)
    assert process(day[0], book, threads=3).summary["digest"] == whole.summary["digest"]


def test_stream_comes_in_source_order_and_is_the_same(day, book, whole):
    batches = stream(day[0], book, threads=3, columns=["record_type", "retail_amount"])
    seen, total = [], 0
    for batch in batches:
        seen.append(batch.source_id)
        assert batch.rated.column_names == ["record_type", "retail_amount"]
        total += batch.num_rows
        assert batch["retail_amount"] is not None
    assert seen == sorted(seen)
    assert total == whole.rated.num_rows
    assert batches.audit.closes
    assert "closes" in str(batches.audit)


def test_a_stream_may_stop_after_any_stage(day, book, whole):
    counts = {}
    for through in ("decode", "deduplicate", "rate"):
        batches = stream(day[0], book, threads=2, through=through, settle=False)
        tables = [batch.table for batch in batches]
        table = pa.concat_tables(tables)
        counts[through] = totals = batches.audit.totals()
        assert batches.audit.closes
        assert table.num_rows == totals["held_after"] + totals["rated"]
        assert batches.settlement.num_rows == len(batches.account_days) == 0
        if through != "rate":
            assert table.column_names == list(book.usage_columns)
            assert (totals["rated"], totals["suspended"]) == (0, 0)
    assert counts["decode"]["held_after"] == whole.summary["records_in"] - whole.summary["rejected"]
    assert counts["deduplicate"]["duplicates"] == whole.summary["duplicates"]
    assert counts["deduplicate"]["held_after"] == whole.summary["rated"] + whole.summary["suspended"]
    assert counts["rate"]["rated"] == whole.summary["rated"]
    with pytest.raises(UsageError, match="no stage"):
        stream(day[0], book, through="bill")
    with pytest.raises(UsageError, match="no column"):
        stream(day[0], book, through="decode", columns=["retail_amount"])


def test_what_is_held_may_stop_after_decoding(day, book, monkeypatch):
    monkeypatch.setattr(Spool.__init__, "__defaults__", (0,))
    batches = stream(day[0], book, threads=2, through="decode", columns=["record_type"])
    assert sum(batch.num_rows for batch in batches) == batches.audit.totals()["held_after"] > 0


def test_an_abandoned_stream_ends_its_threads(day, book):
    batches = stream(day[0], book, threads=2)
    next(batches)
    del batches
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mediation-")]


def test_schemas_are_those_of_schema_py(book, whole):
    assert whole.rejects.schema.equals(schema.schema(schema.REJECTS))
    usage = list(book.usage_columns)
    assert whole.suspended.column_names == usage + list(schema.SUSPENDED)
    assert whole.duplicates.column_names == usage + list(schema.DUPLICATES)
    assert set(whole.rated.column_names) == set(usage) | set(schema.RATED)


def test_other_tools_read_the_tables(whole, polars):
    database = duckdb.connect()
    database.register("rated", whole.rated)
    assert database.execute("select count(*) from rated").fetchall() == [(whole.rated.num_rows,)]
    assert polars.from_arrow(whole.rated).height == whole.rated.num_rows


def test_folder_is_private_and_in_parts(day, book, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(output, "PART_ROWS", 10_000)
    monkeypatch.setattr(digest, "BLOCK_ROWS", 2_500)
    out = tmp_path / "out"
    result = output.write(day[0], book, out, threads=2)
    assert result["digest"] == process(day[0], book, threads=2).summary["digest"]
    assert json.loads((out / "run.json").read_text()) == result
    for path in (out, *out.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    parts = sorted((out / "rated").iterdir())
    rows = [pq.read_metadata(part).num_rows for part in parts]
    assert len(rows) > 2
    assert rows[:-1] == [10_000] * (len(rows) - 1)
    assert sum(rows) == whole.rated.num_rows
    assert pa.concat_tables([pq.read_table(part) for part in parts])["margin_amount"].equals(
        pa.chunked_array(whole.rated["margin_amount"].chunks)
    )
    assert list(tmp_path.iterdir()) == [out]


def test_parquet_is_encoded_as_its_readers_need_it(day, book, tmp_path):
    """Numbers byte-stream split, margins delta-packed, decimals of 18 digits as INT64, codes a dictionary, all zstd."""
    out = tmp_path / "out"
    output.write(day[0], book, out, threads=2)
    for path in out.rglob("*.parquet"):
        metadata, arrow = pq.read_metadata(path), pq.read_schema(path)
        for place in range(metadata.num_columns):
            column, kind = metadata.row_group(0).column(place), arrow.field(place).type
            assert column.compression == "ZSTD"
            wanted = "DELTA_BINARY_PACKED" if column.path_in_schema in parquet.SIGNED else "BYTE_STREAM_SPLIT"
            assert (wanted in column.encodings) == (not is_text(kind)), (path.name, column.path_in_schema)
            assert not pa.types.is_dictionary(kind) or "RLE_DICTIONARY" in column.encodings
            assert not pa.types.is_decimal(kind) or column.physical_type == "INT64"


@given(st.data())
@settings(max_examples=60)
def test_a_parquet_file_holds_the_rows_and_the_types_that_it_was_given(data):
    amounts = st.one_of(st.none(), st.integers(-(10**18) + 1, 10**18 - 1).map(lambda micro: Decimal(micro).scaleb(-6)))
    values = data.draw(st.lists(amounts, max_size=60))
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=3).map(sorted))
    table = pa.table({"retail_amount": pa.array(values, schema.AMOUNT), "product": pa.array(["a"] * len(values))})
    table = table.set_column(1, "product", table["product"].dictionary_encode().cast(schema.CODE))
    groups = [table.slice(a, b - a) for a, b in itertools.pairwise([0, *cuts, len(values)])]
    memory = io.BytesIO()
    with parquet.TableFile(memory, table.schema) as sink:
        for group in groups:
            sink.write(pa.concat_tables([group.slice(0, 3), group.slice(3)]))
    assert pq.read_table(memory).equals(table)
    assert pq.read_schema(memory).equals(table.schema)


def test_a_pyarrow_that_cannot_write_narrow_amounts_writes_wide_ones(monkeypatch):
    monkeypatch.setattr(parquet, "_narrow_is_written", lambda: False)
    amounts = pa.array([Decimal("1.5"), None, Decimal("-0.000001")], schema.AMOUNT)
    table, memory = pa.table({"retail_amount": amounts}), io.BytesIO()
    with parquet.TableFile(memory, table.schema) as sink:
        assert sink._schema.equals(table.schema)
        sink.write(table)
    assert pq.read_table(memory).equals(table)


def test_arrow_writes_a_file_itself(tmp_path):
    table = pa.table({"n": [1, 2]})
    with (tmp_path / "x").open("wb") as file, parquet.TableFile(file, table.schema) as sink:
        assert type(sink._sink) is pa.OSFile
        sink.write(table)
    assert pq.read_table(tmp_path / "x").equals(table)


def test_other_tools_read_the_folder(day, book, whole, tmp_path, monkeypatch, polars):
    monkeypatch.setattr(output, "PART_ROWS", 10_000)
    out = tmp_path / "out"
    output.write(day[0], book, out, threads=2)
    sql = f"select sum(retail_amount), count(*) from read_parquet('{out}/rated/*.parquet')"
    found = duckdb.connect().execute(sql).fetchall()[0]
    frame = polars.read_parquet(str(out / "rated" / "*.parquet"))
    assert int(found[0].scaleb(6)) == int(frame["retail_amount"].sum().scaleb(6)) == whole.summary["retail_micro"]
    for name in ("rejects", "suspended", "duplicates"):
        assert polars.read_parquet(str(out / name / "*.parquet")).height == getattr(whole, name).num_rows
    database = duckdb.connect()
    for name in ("rated/*", "rejects/*", "suspended/*", "duplicates/*", "account_day/*"):
        files = str(out / f"{name}.parquet")
        frame = polars.read_parquet(files)
        assert database.execute(f"select count(*) from '{files}'").fetchall() == [(frame.height,)]
        if "margin_amount" in frame.columns:
            sums = database.execute(f"select sum(margin_amount) from '{files}'").fetchall()
            assert sums == [(frame["margin_amount"].sum(),)]
        for column, kind in frame.schema.items():
            if kind == polars.Decimal(18, 6):
                found = database.execute(f"select sum({column}), typeof(any_value({column})) from '{files}'").fetchall()
                assert found == [(frame[column].sum(), "DECIMAL(18,6)")]


def is_text(kind):
    return pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind) or "fixed" in str(kind)


def test_nothing_is_published_when_something_fails(day, book, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(SourceAudit, "faults", lambda self: ["one record is missing"])
    with pytest.raises(InvariantError, match="one record is missing"):
        output.write(day[0], book, out)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(day, book, tmp_path):
    with pytest.raises(OutputError):
        output.write(day[0], book, tmp_path)
    with pytest.raises(OutputError):
        output.write(day[0], book, tmp_path / "missing" / "out")


def test_what_was_asked_for_is_checked_before_reading(day, book):
    with pytest.raises(UsageError, match="no column or set of columns nonsense; sets: billing, reconciliation; col"):
        stream(day[0], book, columns="nonsense,billing")
    for none in ("", " , ", [], "billing,cycle"):
        with pytest.raises(UsageError, match="twice, or none"):
            stream(day[0], book, columns=none)
    assert stream(day[0], book, columns="host, billing").columns.asked == ["host", *BILLING]
    with pytest.raises(UsageError):
        stream([], book)
    with pytest.raises(UsageError, match="twice"):
        stream([day[0][0], day[0][0]], book)
    with pytest.raises(NoInputError):
        stream(["/nowhere/x"], book)


BILLING = [
    *("account_id", "product", "cycle", "record_type", "served_msisdn", "other_party", "start_time", "duration_s"),
    *("retail_zone", "retail_time_band", "retail_tariff_version", "retail_quantity", "retail_amount"),
]


def test_names_decide_the_feed_and_the_order(day, book, tmp_path):
    stranger = tmp_path / "stranger.txt"
    stranger.write_bytes(b"what?\n")
    listed = list_sources([*reversed(day[0]), stranger], book)
    assert listed[0].code == "no_feed_matches"
    assert [entry.source_id for entry in listed] == list(range(len(listed)))
    keys = [(entry.feed, entry.date, entry.sequence) for entry in listed[1:]]
    assert keys == sorted(keys)
    run = process([stranger], book)
    assert run.summary["files_refused"] == 1
    assert run.summary["bytes_refused"] == 6
    assert run.rated.num_rows == 0


def test_a_link_is_refused_and_does_not_stop_the_others(day, book, tmp_path):
    link = tmp_path / day[0][0].name
    link.symlink_to(day[0][0])
    copy = tmp_path / day[0][1].name
    shutil.copy(day[0][1], copy)
    run = process([link, copy], book)
    assert [entry["refused"] for entry in run.summary["sources"]].count("not_a_regular_file") == 1


def test_certificate_sees_every_gap():
    source = SourceAudit(0, "a", "f")
    source.add("records_in", (2, 2, 20))
    source.enter("decode", (2, 2, 20))
    source.bytes_in = source.classes["record"] = 20
    assert len(source.faults()) == 6  # three measures, in the equation and at the first stage
    source.add("rejected", (2, 2, 20))
    assert Audit([source]).closes
    source.bytes_in = 21
    assert not Audit([source]).closes
    with pytest.raises(InvariantError):
        Audit([source]).check()
    source.refuse("trailer_missing", "")
    assert Audit([source]).closes
    assert Audit([source]).totals()["records_in"] == 0


def digest_of(table):
    found = digest.TableDigest(table.schema, "xxh3-128")
    found.put_all(table)
    return found.digest()


def test_digest_does_not_depend_on_how_a_table_is_cut(whole, monkeypatch):
    def recut(table, rows):
        return pa.concat_tables([table.slice(at, rows) for at in range(0, max(table.num_rows, 1), rows)])

    monkeypatch.setattr(digest, "BLOCK_ROWS", 4_000)
    for table in (whole.rated, whole.rejects, whole.suspended, whole.duplicates):
        assert digest_of(recut(table, 7_000)) == digest_of(recut(table, 333)) == digest_of(table.combine_chunks())
    assert digest_of(whole.rated) != digest_of(whole.rated.slice(1))
    swapped = pa.concat_tables([whole.rated.slice(4_000, 4_000), whole.rated.slice(0, 4_000), whole.rated.slice(8_000)])
    assert digest_of(whole.rated) != digest_of(swapped)


DIGESTED = ["retail_amount", "served_msisdn", "record_type", "start_time", "retail_zone", "other_party"]


@pytest.mark.parametrize("name", DIGESTED)
def test_digest_sees_every_value(whole, name):
    table = whole.rated.select([name])
    values = table[name].to_pylist()
    other = next(place for place, value in enumerate(values) if value != values[-1])
    changed = table.take([*range(table.num_rows - 1), other])
    assert digest_of(changed) != digest_of(table)
    assert digest_of(pa.concat_tables([table.slice(0, 0), table])) == digest_of(table)


def test_digest_sees_nulls_and_borders():
    def of(*values):
        return digest_of(pa.table({"a": pa.array(values, pa.utf8())}))

    assert len({of("a", "b"), of("ab", ""), of("", "ab"), of("ab", None), of(None, "ab")}) == 5


def test_spool_gives_back_what_it_was_given():
    spool = Spool(1_000)
    prints = pa.record_batch(
        [pa.array([b"x" * 16] * 50, pa.binary(16)), pa.array(range(50), pa.int32())],
        names=["fingerprint", "payload_check"],
    )
    for number in range(4):
        usage = pa.record_batch({"record_no": pa.array(range(number, number + 50), pa.int64())})
        spool.add(Batch.of(usage), Batch.of(prints))
    assert len(spool) == 4
    assert spool.spooled == 2
    for number in (3, 0, 2, 1):
        usage, found = spool.get(number)
        assert pa.record_batch(usage)["record_no"][0].as_py() == number
        assert pa.record_batch(found).equals(prints)
        spool.forget(number)
    assert spool._file is None
