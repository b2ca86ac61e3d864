"""The Arrow bridge: what goes through a Batch comes back equal, without a copy and without a leak."""

from __future__ import annotations

import datetime as dt
import gc
from decimal import Decimal

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediation.native._column import Batch, Builder, Dictionary, Kind, memory
from mediation.pipeline.recycle import amount_of
from mediation.schema import AMOUNT, CODE, INSTANT

UTC = dt.UTC
VALUES = {
    "i16": (pa.int16(), [1, None, -(2**15), 2**15 - 1, 0]),
    "i32": (pa.int32(), [1, None, -(2**31), 2**31 - 1, 0]),
    "i64": (pa.int64(), [1, None, -(2**63), 2**63 - 1, 0]),
    "timestamp": (
        INSTANT,
        [dt.datetime(2026, 6, 1, 12, tzinfo=UTC), None, dt.datetime(1970, 1, 1, tzinfo=UTC)] + [None] * 2,
    ),
    "date32": (pa.date32(), [dt.date(2026, 6, 1), None, dt.date(1969, 12, 31), dt.date(2100, 1, 1), None]),
    "decimal128": (AMOUNT, [Decimal("0.000001"), None, Decimal("-999999999999.999999"), Decimal(0), Decimal("1.5")]),
    "utf8": (pa.utf8(), ["10658", None, "", "号码", "*#06#"]),
    "binary": (pa.binary(), [b"\x00\xff", None, b"", b"raw\r\n", b"x" * 300]),
    "fixed16": (pa.binary(16), [bytes(range(16)), None, b"\xff" * 16, b"\x00" * 16, None]),
    "code": (CODE, ["voice_mo", None, "sms_mt", "voice_mo", "data"]),
}


def record_batch(names=tuple(VALUES)) -> pa.RecordBatch:
    arrays = []
    for name in names:
        kind, values = VALUES[name]
        if pa.types.is_dictionary(kind):
            arrays.append(pa.array(values, pa.utf8()).dictionary_encode().cast(kind))
        else:
            arrays.append(pa.array(values, kind))
    return pa.record_batch(arrays, names=list(names))


class OnlyCapsules:
    """Hides everything of an object but the Arrow PyCapsule interface."""

    def __init__(self, inner):
        self.inner = inner

    def __arrow_c_array__(self, requested_schema=None):
        return self.inner.__arrow_c_array__(requested_schema)


def columns_of(batch) -> dict:
    return pa.record_batch(batch).to_pydict()


@pytest.fixture
def nothing_leaks():
    """What the kernels hold after the test is what they held before it."""
    gc.collect()
    before = memory()
    yield
    gc.collect()
    after = memory()
    for counter in ("live_bytes", "live_blocks", "exported_arrays"):
        assert after[counter] == before[counter], counter


# ---------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("name", list(VALUES))
def test_every_kind_comes_back(name, nothing_leaks):
    given_batch = record_batch([name])
    back = pa.record_batch(Batch.of(given_batch))
    back.validate(full=True)
    assert back.schema.types == given_batch.schema.types
    assert back.to_pydict() == given_batch.to_pydict()


def test_all_kinds_side_by_side(nothing_leaks):
    batch = Batch.of(OnlyCapsules(record_batch()))
    assert batch.num_rows == 5
    assert batch.names == list(VALUES)
    assert columns_of(batch) == record_batch().to_pydict()


@pytest.mark.parametrize(("offset", "length"), [(0, 5), (1, 3), (2, 0), (3, 2), (4, 1), (5, 0)])
def test_slices_keep_their_place(offset, length, nothing_leaks):
    part = record_batch().slice(offset, length)
    back = pa.record_batch(Batch.of(part))
    back.validate(full=True)
    assert back.to_pydict() == part.to_pydict()


def test_a_slice_of_what_we_exported_comes_back(nothing_leaks):
    once = pa.record_batch(Batch.of(record_batch().slice(1)))
    twice = pa.record_batch(Batch.of(once.slice(1, 2)))
    twice.validate(full=True)
    assert twice.to_pydict() == record_batch().slice(2, 2).to_pydict()


@given(st.lists(st.none() | st.text(max_size=9)), st.integers(0, 20), st.integers(0, 20))
def test_text_of_any_shape(values, offset, length):
    part = pa.record_batch({"t": pa.array(values, pa.utf8())}).slice(min(offset, len(values)), length)
    back = pa.record_batch(Batch.of(part))
    back.validate(full=True)
    assert back.to_pydict() == part.to_pydict()


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.integers(0, 20), st.integers(0, 20))
def test_integers_and_nulls_of_any_shape(values, offset, length):
    part = pa.record_batch({"n": pa.array(values, pa.int64())}).slice(min(offset, len(values)), length)
    back = pa.record_batch(Batch.of(part))
    back.validate(full=True)
    assert back.column(0).null_count == part.column(0).null_count
    assert back.to_pydict() == part.to_pydict()


def test_no_rows(nothing_leaks):
    back = pa.record_batch(Batch.of(record_batch().slice(0, 0)))
    back.validate(full=True)
    assert back.num_rows == 0
    assert back.schema.names == list(VALUES)


def test_no_copy_on_the_way():
    numbers = pa.array(np.arange(1000), pa.int64())
    back = pa.record_batch(Batch.of(pa.record_batch({"n": numbers})))
    assert back.column(0).buffers()[1].address == numbers.buffers()[1].address


def test_a_batch_is_its_own_import():
    batch = Batch.of(record_batch())
    assert Batch.of(batch) is batch


@pytest.mark.parametrize("kind", [pa.float64(), pa.large_utf8(), pa.int8(), pa.timestamp("ns", tz="UTC"), pa.bool_()])
def test_a_type_that_no_kernel_reads_is_refused(kind, nothing_leaks):
    foreign = pa.record_batch([pa.array([1]), pa.nulls(1, kind)], names=["n", "foreign"])
    with pytest.raises(TypeError, match="column 1 has Arrow format"):
        Batch.of(foreign)
    assert foreign.num_rows == 1


def test_what_is_not_arrow_is_refused():
    with pytest.raises(AttributeError, match="__arrow_c_array__"):
        Batch.of([1, 2, 3])


# ---------------------------------------------------------------------------------- select, zip, codes


def test_select_shares_the_buffers(nothing_leaks):
    batch = Batch.of(record_batch())
    chosen = batch.select(["code", "i64"])
    del batch
    assert columns_of(chosen) == record_batch(["code", "i64"]).to_pydict()
    with pytest.raises(KeyError, match="absent"):
        chosen.select(["absent"])


def test_zip_puts_columns_side_by_side(nothing_leaks):
    left, right = Batch.of(record_batch(["i64"])), Batch.of(record_batch(["utf8", "code"]))
    both = left.zip(right)
    del left, right
    assert columns_of(both) == record_batch(["i64", "utf8", "code"]).to_pydict()
    with pytest.raises(ValueError, match="5 rows beside 2"):
        both.zip(Batch.of(record_batch(["i16"]).slice(0, 2)))


def test_sliced_dictionaries(nothing_leaks):
    values = pa.array(["unused", "a", "", "号"], pa.utf8()).slice(1)
    codes = pa.DictionaryArray.from_arrays(pa.array([2, 0, None, 1], pa.int16()), values)
    back = pa.record_batch(Batch.of(pa.record_batch({"c": codes})))
    assert back.column(0).dictionary.to_pylist() == ["a", "", "号"]
    assert back.column(0).to_pylist() == ["号", "a", None, ""]


def test_an_empty_dictionary(nothing_leaks):
    codes = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int16()), pa.array([], pa.utf8()))
    back = pa.record_batch(Batch.of(pa.record_batch({"c": codes})))
    back.validate(full=True)
    assert back.column(0).to_pylist() == [None, None]


def test_a_dictionary_has_a_bound():
    assert len(Dictionary(["a", "b"])) == 2
    assert Dictionary(["a", "b"]).values == ("a", "b")
    assert len(Dictionary(str(n) for n in range(32767))) == 32767
    with pytest.raises(ValueError, match="32,767"):
        Dictionary(str(n) for n in range(32768))


# -------------------------------------------------------------------------------------------- building


def test_built_columns_have_the_declared_types(nothing_leaks):
    builder = Builder(8)
    for position, kind in enumerate(Kind):
        dictionary = Dictionary(["a"]) if kind == Kind.code else None
        assert builder.add(kind.name, kind, nullable=True, dictionary=dictionary, bytes_capacity=64) == position
    built = pa.record_batch(builder.finish(0))
    assert built.num_rows == 0
    assert dict(zip(built.schema.names, built.schema.types, strict=True)) == {
        name: kind for name, (kind, _) in VALUES.items()
    }


def test_a_builder_never_finishes_more_than_it_holds(nothing_leaks):
    builder = Builder(4)
    builder.add("n", Kind.i64)
    with pytest.raises(ValueError, match="5 rows in a builder of 4"):
        builder.finish(5)


def test_a_builder_has_no_text_beyond_what_offsets_count(nothing_leaks):
    with pytest.raises(MemoryError):
        Builder(1).add("t", Kind.utf8, bytes_capacity=1 << 31)


def test_an_abandoned_builder_gives_its_memory_back(nothing_leaks):
    builder = Builder(1000)
    builder.add("n", Kind.i64, nullable=True)
    builder.add("t", Kind.utf8, bytes_capacity=4096)
    assert memory()["live_blocks"] >= 4
    del builder


def test_buffers_are_used_again():
    def build():
        builder = Builder(100_000)
        builder.add("n", Kind.i64)
        return builder.finish(0)

    address = pa.record_batch(build()).num_rows  # released at once
    kept = memory()["kept_bytes"]
    assert address == 0
    assert kept >= 800_000
    again = build()
    assert memory()["kept_bytes"] < kept
    del again
    assert memory()["kept_bytes"] == kept


# ------------------------------------------------------------------------------------------- lifetimes


def test_a_capsule_that_nobody_consumes_is_released(nothing_leaks):
    batch = Batch.of(record_batch())
    before = memory()["exported_arrays"]
    capsules = batch.__arrow_c_array__()
    assert memory()["exported_arrays"] > before
    del capsules
    schema = batch.__arrow_c_schema__()
    del schema


def test_consumers_outlive_the_batch(nothing_leaks):
    builder = Builder(3)
    builder.add("n", Kind.i64)
    batch = builder.finish(0)
    del builder
    table = pa.record_batch(batch)
    del batch
    gc.collect()
    assert memory()["exported_arrays"] > 0
    assert table.num_rows == 0
    del table


def test_the_batch_outlives_its_consumers(nothing_leaks):
    batch = Batch.of(record_batch())
    for _ in range(3):
        assert columns_of(batch) == record_batch().to_pydict()
    gc.collect()
    assert columns_of(batch.select(["utf8"])) == record_batch(["utf8"]).to_pydict()


def test_columns_may_be_released_one_by_one(nothing_leaks):
    table = pa.record_batch(Batch.of(record_batch()))
    last, first = table.column("utf8"), table.column("i16")
    del table
    gc.collect()
    del first
    assert last.to_pylist() == VALUES["utf8"][1]
    del last


def test_the_source_is_kept_as_long_as_it_is_read():
    pa_before = pa.total_allocated_bytes()
    source = pa.record_batch({"n": pa.array(range(100_000), pa.int64())})
    batch = Batch.of(source)
    del source
    gc.collect()
    assert pa.total_allocated_bytes() - pa_before >= 800_000
    assert pa.record_batch(batch).column(0)[99_999].as_py() == 99_999
    del batch
    gc.collect()
    assert pa.total_allocated_bytes() - pa_before < 800_000


def test_many_crossings_leave_nothing(nothing_leaks):
    source = record_batch()
    for _ in range(200):
        columns_of(Batch.of(source).select(["code", "utf8", "i64"]).zip(Batch.of(source).select(["i16"])))


def selection(rows) -> Batch:
    return Batch.of(pa.record_batch({"row": pa.array(rows, pa.int32())}))


@given(st.data())
@settings(max_examples=60)
def test_taken_rows_are_those_of_arrow(data):
    source = record_batch()
    begin = data.draw(st.integers(0, source.num_rows))
    sliced = source.slice(begin)
    rows = sorted(data.draw(st.sets(st.integers(0, sliced.num_rows - 1)))) if sliced.num_rows else []
    names = data.draw(st.permutations(list(VALUES)))
    taken = pa.record_batch(Batch.of(sliced).take(selection(rows), names))
    taken.validate(full=True)
    assert taken.to_pydict() == sliced.select(names).take(pa.array(rows, pa.int32())).to_pydict()
    assert [column.null_count for column in taken.columns] == [
        column.null_count for column in sliced.select(names).take(pa.array(rows, pa.int32())).columns
    ]


def usage(item_no, byte_length) -> pa.RecordBatch:
    arrays = [pa.array(item_no, pa.int16()), pa.array(byte_length, pa.int64())]
    return pa.record_batch(arrays, ["item_no", "byte_length"])


@given(st.data())
def test_an_amount_is_of_the_selected_rows(data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**40)), min_size=1, max_size=80))
    item_no, byte_length = map(np.array, zip(*rows, strict=True))
    begin = data.draw(st.integers(0, len(rows) - 1))
    batch = Batch.of(usage(item_no, byte_length).slice(begin))
    chosen = sorted(data.draw(st.sets(st.integers(0, len(rows) - begin - 1))))
    of_chosen = begin + np.array(chosen, int)
    assert batch.amount(selection(chosen)) == amount_of(item_no[of_chosen], byte_length[of_chosen])
    assert batch.amount() == amount_of(item_no[begin:], byte_length[begin:])


def test_an_amount_is_of_whole_numbers_within_the_batch():
    with pytest.raises(ValueError, match="outside"):
        Batch.of(usage([0, 1], [5, 5])).amount(selection([2]))
    with pytest.raises(KeyError):
        Batch.of(usage([0], [5]).select(["item_no"])).amount()
    wrong_kind = pa.record_batch({"item_no": [0, 0], "byte_length": [5, 5]})
    for batch in (usage([0, None], [5, 5]), usage([0, 0], [5, None]), wrong_kind):
        with pytest.raises(TypeError):
            Batch.of(batch).amount()


def test_taken_rows_keep_nothing_else_alive(nothing_leaks):
    builder = Builder(100_000)
    for name in ("a", "b"):
        builder.add(name, Kind.i64)
    before = memory()["live_bytes"]
    taken = builder.finish(100_000).take(selection([1, 2, 5]), ["b"])
    del builder
    assert memory()["live_bytes"] < before - 1_000_000
    assert taken.num_rows == 3
    with pytest.raises(ValueError, match="outside"):
        taken.take(selection([3]), ["b"])
    with pytest.raises(KeyError):
        taken.take(selection([0]), ["a"])


# ------------------------------------------------------------------------------------------- consumers


def test_polars_reads_a_batch(nothing_leaks):
    names = [name for name in VALUES if name != "fixed16"]
    frame = pl.DataFrame(
        pa.table(pa.record_batch(Batch.of(record_batch(names))).to_pydict(), record_batch(names).schema)
    )
    table = pa.Table.from_batches([pa.record_batch(Batch.of(record_batch(names)))])
    assert pl.DataFrame(table).to_dict(as_series=False)["code"] == VALUES["code"][1]
    assert frame["decimal128"].sum() == pl.DataFrame(table)["decimal128"].sum()
    del frame, table


def test_duckdb_reads_a_batch(nothing_leaks):
    table = pa.Table.from_batches([pa.record_batch(Batch.of(record_batch()))])
    with duckdb.connect() as connection:
        connection.register("usage", table)
        found = connection.execute(
            "select count(*), count(code), sum(decimal128), max(utf8), min(i64) from usage where code is not null"
        ).fetchall()
    assert found == [(4, 4, Decimal("-999999999998.499998"), "号码", -(2**63))]
    del table


def many_rows(times=40) -> pa.RecordBatch:
    """VALUES over and over, of one dictionary."""
    return pa.Table.from_batches([record_batch()] * times).combine_chunks().to_batches()[0]


@example(set(range(50)), False)
@example(set(range(51)), False)
@given(st.sets(st.integers(0, 199), max_size=70), st.booleans())
@settings(max_examples=60)
def test_rows_that_are_kept_are_those_that_are_taken(dropped, shared):
    rows = [row for row in range(200) if row not in dropped]
    imported = Batch.of(many_rows())
    built = imported.take(selection(range(200)), VALUES)
    wanted = pa.record_batch(built.take(selection(rows), VALUES))
    others = built.select(["utf8", "i64"]) if shared else None
    stood_at = pa.record_batch(built)["i64"].buffers()[1].address
    kept = [built.keep(selection(rows), names) for names in (["utf8", "i64"], ["code"])]
    assert built.names == [name for name in VALUES if name not in ("utf8", "i64", "code")]
    stands_at = pa.record_batch(kept[0])["i64"].buffers()[1].address
    assert (stands_at == stood_at) == (not shared and len(rows) >= 150)  # few rows do not hold the memory of many
    kept.append(built.keep(selection(rows), built.names))
    for batch in kept:
        assert pa.record_batch(batch).equals(wanted.select(batch.names))
        pa.record_batch(batch).validate(full=True)
    if shared:
        assert pa.record_batch(others).equals(many_rows().select(["utf8", "i64"]))


def test_rows_that_were_imported_do_not_move():
    for name in VALUES:
        theirs = many_rows().select([name])
        kept = Batch.of(theirs).keep(selection([3, 8, 190]), [name])
        assert pa.record_batch(kept).equals(theirs.take(pa.array([3, 8, 190])))
        assert theirs.equals(many_rows().select([name]))
