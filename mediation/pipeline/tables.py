"""The tables of a run: which columns they have, and how a batch becomes rows of them.

Conventions
-----------
- Only the columns that were asked for are taken; rating computes only these and what the sums need.
- Every batch of a table has the schema that `Columns` says, whatever it holds.
- A table keeps nothing of its batch alive but its own columns: it may wait long for company.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from mediation import schema
from mediation.errors import UsageError
from mediation.native._column import Batch, Form

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
        Of the rated table, in that order: names, or the name of a set of the rule book; None is all. A run that stops
        before rating has the usage columns to choose from.
    has_city : bool
        Whether rating adds `city`.
    rates, settles : bool
        Whether the run rates, and whether it adds up account days and settlement.

    Raises
    ------
    UsageError
        There is no such column or set.
    """

    def __init__(self, book: Any, asked: str | Iterable[str] | None, has_city: bool, rates: bool, settles: bool):
        usage = dict(book.usage_columns)
        added = {name: kind for name, kind in schema.RATED.items() if name != "city" or has_city} if rates else {}
        everything = {**usage, **added}
        self.asked = list(everything) if asked is None else _named(asked, book.declared.book.columns, everything)
        self.usage = pa.schema(list(usage.items()))
        self.rated = pa.schema([(name, everything[name]) for name in self.asked])
        self.rejects = schema.schema(schema.REJECTS)
        self.suspended = pa.schema([*self.usage, *schema.schema(schema.SUSPENDED)])
        self.duplicates = pa.schema([*self.usage, *schema.schema(schema.DUPLICATES)])
        self.computed = frozenset(self.asked).intersection(added) | (SUMMED if settles else frozenset())
        self._required = book.required_columns.union(added) - {"city"}
        self._of_usage = [name for name in self.asked if name not in added]
        self._usage_names = self.usage.names
        self._rated_form, self._rejects_form = Form(self.rated), Form(self.rejects)
        self._duplicates_form = Form(self.duplicates)

    def published(self, name: str) -> pa.Schema:
        """The schema of a table on disk: what is never null says so, and costs a tenth less to write."""
        return pa.schema([field.with_nullable(field.name not in self._required) for field in getattr(self, name)])

    def rated_table(self, usage: Batch, rows: Batch, rated: Batch) -> pa.Table:
        """The rated rows: `rated` stands beside the usage of `rows`, whose columns leave `usage`."""
        whole = rows.num_rows == usage.num_rows
        return _table(self._rated_form, rated, usage if whole else usage.keep(rows, self._of_usage))

    def usage_table(self, usage: Batch, rows: Batch | None) -> pa.Table:
        """Usage that is handed on as it is: the rows of a selection, whose columns leave `usage`, or all."""
        return _table(self._rated_form, usage if rows is None else usage.keep(rows, self.asked))

    def rejects_table(self, rejects: Batch) -> pa.Table:
        """The rejects as they came."""
        return _table(self._rejects_form, rejects)

    def suspended_table(self, usage: Batch, suspended: Batch) -> pa.Table:
        """The suspended rows with stage, code and field."""
        rows = pa.record_batch(usage.take(suspended, self._usage_names))
        beside = pa.record_batch(suspended.select(schema.SUSPENDED))
        arrays = [*rows.columns, beside["stage"], beside["code"], _text(beside["field"])]
        return pa.Table.from_arrays(arrays, schema=self.suspended)

    def duplicates_table(self, usage: Batch, duplicates: Batch, firsts: Batch, prints: Batch) -> pa.Table:
        """The duplicates with verdict, provenance of the first and fingerprint."""
        rows, their_prints = usage.take(duplicates, self._usage_names), prints.take(duplicates, ["fingerprint"])
        return _table(self._duplicates_form, rows, duplicates, firsts, their_prints)


def _table(form: Form, *batches: Batch) -> pa.Table:
    """Of columns of batches, with a schema that is there: importing it with each takes more than twice as long."""
    return pa.Table.from_batches([form.hand_over(pa.RecordBatch._import_from_c, *batches)])


def _text(words: pa.DictionaryArray) -> pa.Array:
    """The same as text; a cast would import pyarrow.compute, which takes longer than a small run's rows."""
    dictionary = words.dictionary.to_pylist()
    return pa.array([None if place is None else dictionary[place] for place in words.indices.to_pylist()], pa.utf8())


def _named(asked: str | Iterable[str], sets: dict[str, list[str]], everything: dict) -> list[str]:
    names: list[str] = []
    for name in [part.strip() for part in asked.split(",") if part.strip()] if isinstance(asked, str) else asked:
        names += sets.get(name, [name])
    unknown = [name for name in names if name not in everything]
    if unknown:
        known = f"sets: {', '.join(sets) or 'none'}; columns: {', '.join(everything)}"
        raise UsageError(f"no column or set of columns {', '.join(unknown)}; {known}")
    if not names or len(set(names)) < len(names):
        raise UsageError("a column is named twice, or none is")
    return names
