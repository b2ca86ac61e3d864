"""Suspended rows as a file that somebody edits, and read back: Parquet or CSV, by the suffix.

Conventions
-----------
- A row is found by its provenance (`IDENTITY`), whatever the order; columns that a copy does not have stay as they
  were, and so does a row that it does not have. Where a row came from and why it waits (`FIXED`) may not change.
- CSV is UTF-8 (RFC 4180) with a header. Empty is null. A text that a spreadsheet would change (a formula, or one that
  begins as a number does) or that begins with an apostrophe is written behind one; read, one is taken away.
- Everything is checked before anything is written: `EditedCopyError` lists every fault by row (from 1, the header not
  counted) and column, and never a value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mediation import schema
from mediation.errors import EditedCopyError, NoInputError, UsageError
from mediation.pipeline.recycle import record_keys
from mediation.settle.settlement import guarded_text

IDENTITY = ("source_id", "record_no", "item_no")
FIXED = (*schema.PROVENANCE, "feed", *schema.SUSPENDED)  # the first three are the identity
APOSTROPHE = "'"
UNREADABLE = "cannot be read as {}: save it anew, as UTF-8 with commas where it is CSV"


# ------------------------------------------------------------------------------------------------ writing


def write_copy(rows: pa.Table, suffix: str, file: Any) -> None:
    """Write rows to an open binary file.

    Parameters
    ----------
    rows : pyarrow.Table
    suffix : str
        As of `kind_of`.
    file : binary file
    """
    import pyarrow.parquet as pq

    if suffix == ".parquet":
        pq.write_table(rows, file, compression="zstd")
        return
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")  # so that a CR in a text is quoted
    writer.writerow(rows.column_names)
    for batch in rows.to_batches(max_chunksize=1 << 14):
        writer.writerows(zip(*map(_cells, batch.columns), strict=True))
    text.detach()


def _cells(column: pa.Array) -> list[str]:
    told = column.cast(pa.utf8()).to_pylist()
    is_text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
    return ["" if cell is None else _kept_text(cell) if is_text else cell for cell in told]


def _kept_text(text: str) -> str:
    changed = not text or text[0] == APOSTROPHE or text[0].isdigit() or text[0].isspace()
    return APOSTROPHE + text if changed else guarded_text(text)


def kind_of(path: Path) -> str:
    """The suffix of a copy, which says how it is written.

    Raises
    ------
    UsageError
        It is neither ``.csv`` nor ``.parquet``.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"{path.name}: neither .csv nor .parquet")
    return suffix


# ------------------------------------------------------------------------------------------------ reading


def read_copy(path: Path) -> pa.RecordBatch:
    """What a copy holds; every column of a CSV as text.

    Raises
    ------
    NoInputError
        There is no such file.
    EditedCopyError
        It is not what its suffix says.
    """
    import pyarrow.csv
    import pyarrow.parquet as pq

    kind = kind_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NoInputError(f"{path}: {error.strerror}") from error
    try:
        if kind == ".parquet":
            table = pq.read_table(pa.BufferReader(content))
        else:
            names = next(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")), [])
            options = pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.utf8()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            )
            table = pyarrow.csv.read_csv(
                io.BytesIO(content),
                pyarrow.csv.ReadOptions(use_threads=False, block_size=max(len(content), 1)),
                pyarrow.csv.ParseOptions(newlines_in_values=True),
                options,
            )
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error):
        raise EditedCopyError([f"{path.name}: {UNREADABLE.format(kind[1:])}"]) from None
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    missing = [name for name in IDENTITY if name not in table.column_names]
    faults = [f"column {name}: stands twice" for name in twice]
    faults += [f"column {name}: missing; rows are found by {', '.join(IDENTITY)}" for name in missing]
    if faults:
        raise EditedCopyError(faults)
    return plain(table, _without_apostrophe if kind == ".csv" else _as_it_is)


def _without_apostrophe(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.starts_with(text, APOSTROPHE), pc.utf8_slice_codeunits(text, 1, None), text)


def _as_it_is(array: pa.Array) -> pa.Array:
    return array


def plain(table: pa.Table, become: Callable[[pa.Array], pa.Array] = _as_it_is) -> pa.RecordBatch:
    """A table in one piece, its codes and texts as utf8."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        columns[name] = become(column.cast(pa.utf8() if is_text else kind).combine_chunks())
    return pa.record_batch(columns)


class Copy:
    """An edited copy beside the rows that wait.

    Parameters
    ----------
    copy : pyarrow.RecordBatch
        As of `read_copy`.
    waiting : pyarrow.RecordBatch
        Every row that waits, `plain`.
    book : Rulebook
    strange : callable
        Says of the identity of a row that does not wait why it does not.
    """

    def __init__(self, copy: pa.RecordBatch, waiting: pa.RecordBatch, book: Any, strange: Callable[..., str]):
        self._copy, self._waiting, self._book, self._strange = copy, waiting, book, strange
        self._faults: list[tuple[int, str, str]] = []  # row from 0 (-1: the whole column), column, what

    def rows(self) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """The records that the copy holds rows of: as they are now, and as they waited, in the same order.

        Raises
        ------
        EditedCopyError
            With every fault.
        """
        columns = {name: self._fitting(name) for name in self._copy.schema.names}
        places = self._places([columns[name] for name in IDENTITY])
        for name in set(FIXED).intersection(columns):
            self._must_be_as_it_was(name, columns[name], places)
        if self._faults:
            raise EditedCopyError(_told(self._faults))
        records = record_keys(self._waiting)
        chosen = np.flatnonzero(np.isin(records, records[places]))  # with items that the copy does not have
        of_copy = np.full(len(records), -1)
        of_copy[places] = np.arange(len(places))
        waited = self._waiting.take(pa.array(chosen))
        edited = {name: column for name, column in columns.items() if name not in FIXED}
        return _replaced(waited, edited, of_copy[chosen]), waited

    def _fault(self, rows: Any, column: str, what: str) -> None:
        self._faults += [(int(row), column, what) for row in rows]

    def _fitting(self, name: str) -> pa.Array:
        """A column as the type that it should have; what does not fit is a fault, and null."""
        array = self._copy[name]
        if name in schema.SUSPENDED:
            return self._cast(name, array, pa.utf8())
        if name not in self._book.usage_columns:
            self._fault([-1], name, "no column of the rule book's usage")
            return array
        target = self._book.usage_columns[name]
        if name in self._book.required_columns:
            self._fault(np.flatnonzero(array.is_null()), name, "empty, and it is never null")
        if not pa.types.is_dictionary(target):
            return self._cast(name, array, target)
        codes = self._cast(name, array, pa.utf8())
        known = pa.array([*self._book.dictionaries[name], None], pa.utf8())
        self._fault(np.flatnonzero(pc.invert(pc.is_in(codes, known))), name, "not a value of the rule book")
        return codes

    def _cast(self, name: str, array: pa.Array, target: pa.DataType) -> pa.Array:
        if pa.types.is_timestamp(target) and pa.types.is_timestamp(array.type) and array.type.tz is None:
            self._fault([-1], name, "an instant needs a zone, such as timestamp[us, tz=UTC]")
            return pa.nulls(len(array), target)
        if pa.types.is_string(target) and not (pa.types.is_string(array.type) or pa.types.is_null(array.type)):
            self._fault([-1], name, f"is {array.type}, not text")
            return pa.nulls(len(array), target)
        wrong = _unfitting(array, target)
        self._fault(wrong, name, f"does not fit {target}")
        fits = np.ones(len(array), bool)
        fits[wrong] = False
        return pc.if_else(pa.array(fits), array, pa.scalar(None, array.type)).cast(target)

    def _places(self, identity: list[pa.Array]) -> np.ndarray:
        """Where each row of the copy is among those that wait; -1 for one that is not."""
        at = {each: place for place, each in enumerate(_identities([self._waiting[name] for name in IDENTITY]))}
        first: dict[tuple, int] = {}
        places = np.full(len(self._copy), -1)
        for row, each in enumerate(_identities(identity)):
            if None in each:
                continue  # has a fault already
            if each in first:
                self._fault([row], "", f"the same row as row {first[each] + 1}")
            elif each in at:
                places[row] = at[each]
            else:
                self._fault([row], "", self._strange(each))
            first.setdefault(each, row)
        return places

    def _must_be_as_it_was(self, name: str, column: pa.Array, places: np.ndarray) -> None:
        told = {row for row, where, _ in self._faults if where == name}
        if -1 in told:
            return
        before, now = self._waiting[name].to_pylist(), column.to_pylist()
        changed = [row for row, place in enumerate(places) if place >= 0 and now[row] != before[place]]
        what = "may not change: it says where the row came from, or why it waits"
        self._fault([row for row in changed if row not in told], name, what)


def _unfitting(array: pa.Array, target: pa.DataType, begin: int = 0) -> list[int]:
    """Places of the values that do not fit a type."""
    try:
        array.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        if len(array) == 1:
            return [begin]
        half = len(array) // 2
        return _unfitting(array[:half], target, begin) + _unfitting(array[half:], target, begin + half)
    return []


def _replaced(rows: pa.RecordBatch, edited: dict[str, pa.Array], of_copy: np.ndarray) -> pa.RecordBatch:
    """The rows with the copy's values where `of_copy` says which row of it (-1: none)."""
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    has, places = pa.array(of_copy >= 0), pa.array(of_copy, mask=of_copy < 0)
    for name, values in edited.items():
        before = columns.get(name, pa.nulls(len(rows), values.type))  # a column may be newer than the rows
        columns[name] = pc.if_else(has, values.take(places), before.cast(values.type))
    return pa.record_batch(columns)


def _identities(columns: list[pa.Array]) -> list[tuple[int, ...]]:
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def _told(faults: list[tuple[int, str, str]]) -> list[str]:
    lines = []
    for row, column, what in sorted(set(faults), key=lambda fault: (fault[0], fault[1])):
        place = ([f"row {row + 1}"] if row >= 0 else []) + ([f"column {column}"] if column else [])
        lines.append(f"{', '.join(place)}: {what}")
    return lines
