"""Exact deduplication: which records came before, in this run or in history.

Conventions
-----------
- The key is declared per feed and record type; without a declaration it is the whole record. `feed` and `flags` are
  never part of it, nor of the payload: feeds of one family repeat each other's records, and flags follow from others.
- First in source order wins. Same key and payload is a retransmission, other payload a conflict; neither is charged.
- A record's items share one verdict: a declared key is that of its first item, the payload check covers all items.
- Fingerprints depend on values, never on a rule book's codes: they stay the same when the rule book changes, as long as
  family, record type, the key's columns and the secret do.
- A record's partition day is the UTC day of a timestamp of its key (`start_time` before others, then by name), of a
  whole record that of `start_time`: a repeat has the day of the first. Without such a value a record is undated.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

from mediation import schema
from mediation.dedup._dedup import Admission, KeyPlan, fingerprint, first_places
from mediation.errors import UsageError
from mediation.native import simd_level
from mediation.native._column import Batch
from mediation.rulebook.conform import conform

if TYPE_CHECKING:
    import pyarrow as pa

    from mediation.rulebook.model import Feed, Key

__all__ = [
    "PUBLISHED_SECRET",
    "Admission",
    "History",
    "KeyPlan",
    "compile_keys",
    "deduplicate",
    "fingerprint",
    "first_places",
]

PUBLISHED_SECRET = b"mediation.dedup."  # where no workspace has a secret of its own
NEVER_HASHED = frozenset([*schema.PROVENANCE, "feed", "flags", "record_type"])  # record_type stands in the prefix
MOST_KEY_COLUMNS = 64
ROWS_PER_BATCH = 1 << 16


class History(Protocol):
    """What earlier runs have accepted. An `Admission` that is no longer fed is one."""

    def probe(self, fingerprints: Batch) -> Batch:
        """Say which records are known.

        Parameters
        ----------
        fingerprints : Batch
            ``fingerprint`` (16 bytes a row) and, of a dated admission, ``partition_day`` (int32, null: undated).

        Returns
        -------
        Batch
            ``payload_check`` (int32) of the first record with that fingerprint; null where there was none.
        """
        ...


def _hashed_columns(book) -> dict[str, str]:
    import pyarrow as pa

    def kind(arrow: pa.DataType) -> str:
        text = pa.types.is_dictionary(arrow) or pa.types.is_string(arrow) or pa.types.is_binary(arrow)
        return "text" if text else "integer"

    return {name: kind(arrow) for name, arrow in book.usage_columns.items() if name not in NEVER_HASHED}


def _dating(names: list[str], book) -> str | None:
    import pyarrow as pa

    instants = sorted(name for name in names if pa.types.is_timestamp(book.usage_columns[name]))
    return "start_time" if "start_time" in instants else next(iter(instants), None)


def _rule(feed_name: str, feed: Feed, record_type: str, columns: dict[str, str], book):
    declared: Key = feed.dedup.by_record_type.get(record_type, feed.dedup)
    family = feed.family or feed_name
    compared = sorted(name for name in columns if name not in declared.not_payload)
    if declared.key is None:
        # Columns may join a whole record later, null in what came before: none but this one may date it.
        return family, True, compared, [], _dating([name for name in compared if name == "start_time"], book)
    named = sorted(name for name in set(declared.key) if name != "record_type")
    unknown = [name for name in named if name not in columns]
    if unknown:
        raise UsageError(f"feed {feed_name}: no feed of the rule book fills key column {unknown[0]}")
    key = sorted(named, key=columns.__getitem__)  # integers first: their words stand side by side in every message
    if len(key) > MOST_KEY_COLUMNS:
        raise UsageError(f"feed {feed_name}: a key has at most {MOST_KEY_COLUMNS} columns; declare the whole record")
    return family, False, key, [name for name in compared if name not in key], _dating(key, book)


def compile_keys(book, secret: bytes = PUBLISHED_SECRET, simd: str | None = None, *, dated: bool = False) -> KeyPlan:
    """How every feed and record type of a rule book is fingerprinted.

    Parameters
    ----------
    book : Rulebook
    secret : bytes
        16. A workspace has its own, so that nobody outside can make two records collide.
    simd : str, optional
        ``alone``, ``base``, ``avx2`` or ``avx512``; default that of the process. All give the same fingerprints.
    dated : bool
        `fingerprint` gives ``partition_day`` too, which a history of segments needs.

    Returns
    -------
    KeyPlan
    """
    columns = _hashed_columns(book)
    record_types = book.dictionaries["record_type"]
    rules = {
        (name, record_type): _rule(name, feed.declared, record_type, columns, book)
        for name, feed in book.feeds.items()
        for record_type in ("", *record_types)
    }
    return KeyPlan(secret, columns, book.dictionaries["feed"], record_types, rules, simd or simd_level(), dated=dated)


def _in_source_order(table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow.compute as pc

    identity = ["source_id", "record_no", "item_no"]
    missing = [name for name in identity if name not in table.column_names]
    if missing:
        raise UsageError(f"usage has no column {missing[0]}: rows are told apart by their provenance")
    source, record, item = (np.diff(table[name].to_numpy()) for name in identity)
    if np.all((source > 0) | (source == 0) & ((record > 0) | (record == 0) & (item > 0))):
        return table
    return table.take(pc.sort_indices(table, [(name, "ascending") for name in identity]))


def deduplicate(usage, book, history: History | None = None):
    """Part usage into the first of each record and its repetitions.

    Parameters
    ----------
    usage : Arrow table, or any object with ``__arrow_c_stream__`` or ``__arrow_c_array__``
        Columns as `schema.USAGE` with provenance; those that the rule book does not have are left out. Rows are taken
        in source order, whatever their order in the table.
    book : Rulebook
    history : History, optional
        What earlier runs have accepted.

    Returns
    -------
    fresh : pyarrow.Table
        The usage that was not seen before.
    duplicates : pyarrow.Table
        The rest, with the columns of `schema.DUPLICATES`.
    """
    import numpy as np
    import pyarrow as pa

    conformed = [pa.record_batch(batch) for batch in conform(usage, book)]
    table = _in_source_order(pa.Table.from_batches(conformed))
    starts_record = table["item_no"].to_numpy() == 0
    ordinals = np.cumsum(starts_record) - 1
    record_rows = np.flatnonzero(starts_record)
    plan, admission = compile_keys(book), Admission(history)
    cuts = [*record_rows[::ROWS_PER_BATCH].tolist(), table.num_rows]
    kept, repeated = [np.empty(0, np.int64)], []
    for begin, end in itertools.pairwise(cuts):
        piece = table.slice(begin, end - begin).combine_chunks()
        prints = fingerprint(plan, Batch.of(piece.to_batches()[0]))
        places = Batch.of(pa.record_batch({"record_no": ordinals[begin:end], "item_no": piece["item_no"].chunk(0)}))
        fresh, duplicates = (pa.record_batch(part) for part in admission.admit(prints, places, 0))
        kept.append(fresh["row"].to_numpy() + begin)
        if duplicates.num_rows:
            first_row = pa.array(record_rows).take(duplicates["first_ordinal"])
            repeated.append(
                piece.take(duplicates["row"])
                .append_column("verdict", duplicates["verdict"])
                .append_column("first_source_id", table["source_id"].take(first_row))
                .append_column("first_record_no", table["record_no"].take(first_row))
                .append_column("fingerprint", pa.record_batch(prints)["fingerprint"].take(duplicates["row"]))
            )
    wanted = pa.schema([*table.schema, *schema.schema(schema.DUPLICATES)])
    return table.take(pa.array(np.concatenate(kept))), pa.concat_tables([wanted.empty_table(), *repeated])
