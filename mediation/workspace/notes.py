"""What is noted beside a run so that nobody has to look at all runs: what came behind others or again, nodes' numbers.

Conventions
-----------
- Everything here happens in the transaction that commits the run.
- Each note follows from what the catalogue has for good, and `verify` forms it again from that; but how often a content
  was given follows from nothing, and has a hash of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import blake3

from mediation.workspace.rows import Behind, Repeat, Seen, SourceRow

OF_FEED = "FROM source WHERE feed = ? AND refused IS NULL"
TOUCHING = "FROM stretch WHERE feed = ? AND node = ? AND first <= ? AND last >= ?"


def add_sources(connection: sqlite3.Connection, sources: Sequence[SourceRow]) -> None:
    """Add the files of a run, and which of them come behind others of their feed."""
    for source in sources:
        behind = None if source.refused is not None else _behind(connection, source)
        _insert(connection, "source", (*source[:-1], json.dumps(source.counts)))
        if behind is not None:
            _insert(connection, "behind", behind)


def _behind(connection: sqlite3.Connection, source: SourceRow) -> Behind | None:
    ((newest,),) = connection.execute(f"SELECT max(date) {OF_FEED}", (source.feed,)).fetchall()
    of_date = f"SELECT max(sequence) {OF_FEED} AND date IS ?"
    ((highest,),) = connection.execute(of_date, (source.feed, source.date)).fetchall()
    is_behind = _below(source.date, newest) or _below(source.sequence, highest)
    return Behind(source.source_id, newest, highest) if is_behind else None


def _below(value: Any, most: Any) -> bool:
    return value is not None and most is not None and value < most


def add_repeats(connection: sqlite3.Connection, repeats: Sequence[Repeat]) -> None:
    """Count contents that were given again."""
    for each in repeats:
        of_content = (each.content_hash,)
        before = connection.execute("SELECT times FROM repeat WHERE content_hash = ?", of_content).fetchall()
        noted = each._replace(times=each.times + sum(times for (times,) in before))
        connection.execute("DELETE FROM repeat WHERE content_hash = ?", of_content)
        _insert(connection, "repeat", (*noted, hash_of_repeat(noted)))


def add_stretches(connection: sqlite3.Connection, seen: Sequence[Seen]) -> None:
    """Put what a run has seen of the nodes' numbers together with what was seen before."""
    for each in seen:
        if each.last < each.first:
            continue
        touched = each.feed, each.node, each.last + 1, each.first - 1
        known = connection.execute(f"SELECT first, last, records {TOUCHING}", touched).fetchall()
        firsts, lasts, records = zip(*known, (each.first, each.last, each.records), strict=True)
        connection.execute(f"DELETE {TOUCHING}", touched)
        _insert(connection, "stretch", (each.feed, each.node, min(firsts), max(lasts), sum(records)))


def _insert(connection: sqlite3.Connection, table: str, row: Sequence) -> None:
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def hash_of_repeat(repeat: Repeat) -> str:
    """As `hash_of`."""
    return hash_of(repeat.content_hash, f"{repeat.name}\0{repeat.times}".encode())


def hash_of(name: str, value: bytes) -> str:
    """Of what follows from nothing else in the catalogue, so that a change of it is told."""
    return blake3.blake3(name.encode() + b"\0" + value).hexdigest()
