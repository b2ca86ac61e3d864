"""What leaves a Batch: control totals of its columns, and rows as a table's schema has them."""

from __future__ import annotations

import gc

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediation import control_totals
from mediation.native._column import Batch, Form, memory
from tests.test_column import VALUES, OnlyCapsules, record_batch

# ------------------------------------------------------------------------------------------- control totals

TOTALS = {  # of what stands in VALUES, nulls passed over
    "i16": 0,
    "i32": 0,
    "i64": 0,
    "timestamp": 1_780_315_200_000_000,
    "date32": 20_605 - 1 + 47_482,
    "decimal128": (1 - 999_999_999_999_999_999 + 1_500_000) % (1 << 64),
    "utf8": 5 + 0 + 6 + 5,
    "binary": 2 + 0 + 5 + 300,
    "fixed16": (0x0706050403020100 + (1 << 64) - 1) % (1 << 64),
    "code": 0 + 1 + 0 + 2,
}


def test_every_column_has_a_total():
    table = pa.Table.from_batches([record_batch()])
    assert control_totals(table) == TOTALS
    assert control_totals(OnlyCapsules(record_batch())) == TOTALS
    assert control_totals(table.slice(0, 0)) == dict.fromkeys(VALUES, 0)
    parts = [control_totals(table.slice(at, 2)) for at in (0, 2, 4)]
    assert {name: sum(part[name] for part in parts) % (1 << 64) for name in VALUES} == TOTALS
    with pytest.raises(TypeError, match="Arrow format 'g'"):
        control_totals(pa.table({"real": [1.5]}))


def test_what_lies_under_a_null_does_not_count():
    nobodys = pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(b"\x05"), pa.array([1, 99, 3]).buffers()[1]])
    text = pa.Array.from_buffers(
        pa.utf8(), 2, [pa.py_buffer(b"\x02"), pa.array([0, 3, 5], pa.int32()).buffers()[1], pa.py_buffer(b"nulok")]
    )
    assert control_totals(pa.table({"number": nobodys})) == {"number": 4}
    assert control_totals(pa.table({"text": text})) == {"text": 2}


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=200), st.integers(0, 70))
def test_totals_are_those_of_the_values(values, begin):
    array = pa.array(values, pa.int64())[begin:]
    assert control_totals(pa.table({"n": array}))["n"] == sum(filter(None, values[begin:])) % (1 << 64)


# -------------------------------------------------------------------------------------------- rows of one form


def handed(form, *batches):
    return form.hand_over(pa.RecordBatch._import_from_c, *batches)


def test_batches_side_by_side_become_rows_of_the_form():
    whole = Batch.of(record_batch())
    names = list(reversed(VALUES))
    schema = pa.schema([record_batch().schema.field(name) for name in names])
    rows = handed(Form(schema), whole.select(names[::2]), whole.select(names))
    assert rows.schema.equals(schema)
    assert rows.equals(record_batch(names))
    assert rows["i64"].buffers()[1].address == pa.record_batch(whole)["i64"].buffers()[1].address


def test_what_is_not_of_the_form_is_refused_and_nothing_leaks():
    whole = Batch.of(record_batch(("i64", "utf8")))
    form = Form(pa.schema([("i64", pa.int64()), ("utf8", pa.utf8())]))
    gc.collect()
    before = memory()["exported_arrays"]
    with pytest.raises(KeyError, match="utf8"):
        handed(form, whole.select(["i64"]))
    with pytest.raises(TypeError, match="i64 is not of the schema's type"):
        handed(Form(pa.schema([("i64", pa.int32())])), whole)
    with pytest.raises(ValueError, match="1 rows beside 5"):
        handed(form, Batch.of(pa.record_batch({"i64": pa.array([1])})), whole)
    with pytest.raises(TypeError, match="Arrow format 'g'"):
        Form(pa.schema([("real", pa.float64())]))
    with pytest.raises(TypeError):
        handed(form, record_batch())
    with pytest.raises(ZeroDivisionError):
        form.hand_over(lambda address, schema: 1 / 0, whole)
    gc.collect()
    assert memory()["exported_arrays"] == before
    rows = handed(form, whole)
    assert memory()["exported_arrays"] == before + 3
    del rows
    gc.collect()
    assert memory()["exported_arrays"] == before
