"""Guide and rate usage: who owns it, and what each side pays, in one pass.

Conventions
-----------
- A row is rated whole, both sides, or suspended with the first thing that is missing; nothing unknown costs 0.
- Columns that the rule book does not use are left out: no `city` where the usage table carries it or nobody knows it.
- `rating.hpp` has the order of the checks, `tariff.hpp` the contracts of a charge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mediation import schema
from mediation.errors import UsageError
from mediation.rate._rate import RatePlan, Rating, rate_batch
from mediation.rulebook.conform import as_table, conform

if TYPE_CHECKING:
    from mediation.rulebook import Rulebook

__all__ = ["RatePlan", "Rating", "compile_rates", "rate", "rate_batch"]

READ = frozenset(
    [
        "feed",
        "host",
        "record_type",
        "served_msisdn",
        "other_party",
        "forwarded_to",
        "start_time",
        "duration_s",
        "uplink_bytes",
        "downlink_bytes",
        "event_count",
        "message_segments",
    ]
)
NEEDED = ("host", "record_type", "served_msisdn", "start_time")


def compile_rates(book: Rulebook, *, exact_only: bool = False) -> RatePlan:
    """The kernel's plan of a rule book, made once and kept with `book.rates`.

    Parameters
    ----------
    book : Rulebook
    exact_only : bool
        A plan of its own that never takes the fast path; its results are the same.

    Returns
    -------
    RatePlan
    """
    if exact_only:
        return RatePlan(book.rates, exact_only=True)
    if book.rates.plan is None:
        book.rates.plan = RatePlan(book.rates)
    return book.rates.plan


def rate(usage: Any, book: Rulebook, *, plan: RatePlan | None = None) -> tuple[pa.Table, pa.Table]:
    """Guide and rate a table of usage.

    Parameters
    ----------
    usage : Arrow object
        With ``__arrow_c_stream__`` or ``__arrow_c_array__``; columns of `schema.USAGE`, others are carried along.
        A host or record type that the rule book does not know suspends its row.
    book : Rulebook
    plan : RatePlan, optional
        Another plan than ``compile_rates(book)``.

    Returns
    -------
    rated : pyarrow.Table
        The usage columns and those of `schema.RATED` that the rule book uses; rows keep their order.
    suspended : pyarrow.Table
        The usage columns and `stage`, `code`, `field`.

    Raises
    ------
    UsageError
        A column is missing, or not of its type, or already there.
    """
    table = _takeable(as_table(usage))
    plan = plan or compile_rates(book)
    _check_columns(table, book)
    rated, suspended, at = [], [], 0
    for batch in conform(table, book, READ, strict=False):
        rating = rate_batch(plan, batch)
        piece = table.slice(at, batch.num_rows)
        rated.append(_beside(piece, rating.rated_rows, rating.rated))
        suspended.append(_beside(piece, rating.suspended.select(["row"]), rating.suspended.select(schema.SUSPENDED)))
        at += batch.num_rows
    suspended_table = pa.concat_tables(suspended)
    place = suspended_table.schema.get_field_index("field")
    text = suspended_table.column(place).cast(pa.utf8())
    return pa.concat_tables(rated), suspended_table.set_column(place, "field", text)


def _check_columns(table: pa.Table, book: Rulebook) -> None:
    needed = [*NEEDED, "feed"] if book.rates.number_rules else NEEDED
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise UsageError(f"the usage has no column {', '.join(missing)}")
    added = {*schema.RATED, *schema.SUSPENDED}
    if book.declared.book.city == "feed":
        added -= {"city"}
    taken = [name for name in table.column_names if name in added]
    if taken:
        raise UsageError(f"the usage already has {', '.join(taken)}; drop what an earlier rating added")


def _takeable(table: pa.Table) -> pa.Table:
    """Text views as utf8: pyarrow can not take rows of them."""
    for place, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.utf8()))
    return table


def _beside(piece: pa.Table, rows: Any, added: Any) -> pa.Table:
    chosen = pa.record_batch(rows).column(0)
    kept = piece if len(chosen) == piece.num_rows else piece.take(chosen)
    batch = pa.record_batch(added)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        kept = kept.append_column(name, column)
    return kept
