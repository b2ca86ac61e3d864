"""The tables of a run: which columns they have, and how a rated batch becomes rows of them.

Conventions
-----------
- Only the columns that were asked for are taken; rating computes only these and what the sums need.
- Every batch of a table has the schema that `Columns` says, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mediation import schema
from mediation.errors import UsageError

# What the account days and the settlement add up.
SUMMED = frozenset(
    [
        *("account_id", "host_cycle", "wholesale_zone", "wholesale_time_band", "wholesale_tariff_version"),
        *("wholesale_quantity", "retail_amount", "wholesale_amount"),
    ]
)


class Columns:
    """The columns of a run's tables.

    Parameters
    ----------
    book : Rulebook
    asked : str, iterable of str, or None
        Of the rated table, in that order: names, or the name of a set of the rule book; None is all.
    has_city : bool
        Whether rating adds `city`.

    Raises
    ------
    UsageError
        There is no such column or set.
    """

    def __init__(self, book: Any, asked: str | Iterable[str] | None, has_city: bool):
        usage = dict(book.usage_columns)
        added = {name: kind for name, kind in schema.RATED.items() if name != "city" or has_city}
        everything = {**usage, **added}
        self.asked = list(everything) if asked is None else _named(asked, book.declared.book.columns, everything)
        self.usage = pa.schema(list(usage.items()))
        self.rated = pa.schema([(name, everything[name]) for name in self.asked])
        self.rejects = schema.schema(schema.REJECTS)
        self.suspended = pa.schema([*self.usage, *schema.schema(schema.SUSPENDED)])
        self.duplicates = pa.schema([*self.usage, *schema.schema(schema.DUPLICATES)])
        self.computed = (SUMMED | set(self.asked)) & set(added)
        self._added = frozenset(added)

    def rated_table(self, usage: pa.RecordBatch, rows: pa.Array, rated: pa.RecordBatch) -> pa.Table:
        """The rated rows: `rated` stands beside the usage of `rows`."""
        whole = len(rows) == usage.num_rows
        arrays = [
            rated.column(name) if name in self._added else _take(usage.column(name), rows, whole) for name in self.asked
        ]
        return pa.Table.from_arrays(arrays, schema=self.rated)

    def suspended_table(self, usage: pa.RecordBatch, suspended: pa.RecordBatch) -> pa.Table:
        """The suspended rows with stage, code and field."""
        every = all_rows(suspended.num_rows)
        beside = [copied(suspended[name], every) for name in ("stage", "code")]
        beside.append(suspended["field"].cast(pa.utf8()))
        arrays = [*(copied(column, suspended["row"]) for column in usage.columns), *beside]
        return pa.Table.from_arrays(arrays, schema=self.suspended)

    def duplicates_table(self, usage: pa.RecordBatch, rows: pa.Array, beside: list[pa.Array]) -> pa.Table:
        """The duplicates with verdict, provenance of the first and fingerprint."""
        arrays = [*(copied(column, rows) for column in usage.columns), *beside]
        return pa.Table.from_arrays(arrays, schema=self.duplicates)


def _take(column: pa.Array, rows: pa.Array, whole: bool = False) -> pa.Array:
    return column if whole else pc.take(column, rows, boundscheck=False)


_values: list[pa.Array] = []  # dictionaries of our own; threads may add the same one twice


def copied(column: pa.Array, rows: pa.Array) -> pa.Array:
    """Rows of a column that keep nothing of its batch alive: exceptions wait long for company.

    A dictionary that came from a kernel would hold the memory of its whole batch.
    """
    if not isinstance(column, pa.DictionaryArray):
        return _take(column, rows)
    values = next((own for own in _values if own.equals(column.dictionary)), None)
    if values is None:
        values = pa.array(column.dictionary.to_pylist(), column.dictionary.type)
        _values.append(values)
    return pa.DictionaryArray.from_arrays(_take(column.indices, rows), values)


def all_rows(count: int) -> pa.Array:
    """The selection of every row."""
    return pa.array(range(count), pa.int32())


def _named(asked: str | Iterable[str], sets: dict[str, list[str]], everything: dict) -> list[str]:
    names: list[str] = []
    for name in [part.strip() for part in asked.split(",")] if isinstance(asked, str) else asked:
        names += sets.get(name, [name])
    unknown = [name for name in names if name not in everything]
    if unknown:
        raise UsageError(f"no column {', '.join(unknown)}; there are: {', '.join(everything)}")
    if not names or len(set(names)) < len(names):
        raise UsageError("a column is named twice, or none is")
    return names
