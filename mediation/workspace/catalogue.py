"""The catalogue: the only truth about a workspace, and the only place where a run is committed.

Conventions
-----------
- One SQLite file (WAL, synchronous FULL). What it does not name does not exist; `commit` is one transaction.
- The SQL is plain: no triggers, no extensions, JSON only as text that nobody queries.
- A run is known by its ordinal (1, 2, …) and by its id, a hash of all that it depends on: the same run cannot be
  committed twice, and neither can the same content of a file.
"""

from __future__ import annotations

import functools
import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import blake3

from mediation.errors import InvariantError, TemporaryError

NAME = "catalogue.sqlite"
APPLICATION_ID = 0x4D444941
VERSION = 1
TABLES = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TABLE run (
    ordinal INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, parent TEXT NOT NULL, kind TEXT NOT NULL,
    version TEXT NOT NULL, rulebook_hash TEXT NOT NULL, reference_hash TEXT NOT NULL, arguments TEXT NOT NULL,
    totals TEXT NOT NULL, chain TEXT NOT NULL, folder TEXT NOT NULL UNIQUE, attempt TEXT, sums TEXT NOT NULL
) STRICT;
CREATE INDEX not_published ON run (ordinal) WHERE attempt IS NOT NULL;
CREATE TABLE source (
    source_id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run, name TEXT NOT NULL, feed TEXT, date TEXT,
    sequence INTEGER, content_hash TEXT, file_hash TEXT NOT NULL, file_bytes INTEGER NOT NULL, refused TEXT,
    detail TEXT NOT NULL, counts TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX content_once ON source (content_hash) WHERE refused IS NULL;
CREATE INDEX source_run ON source (run);
CREATE TABLE artifact (
    run INTEGER NOT NULL REFERENCES run, path TEXT NOT NULL, bytes INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (run, path)
) STRICT;
CREATE TABLE suspended (
    run INTEGER NOT NULL REFERENCES run, code TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (run, code)
) STRICT;
CREATE TABLE settled (
    run INTEGER NOT NULL REFERENCES run, code TEXT NOT NULL, by_run INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (run, code)
) STRICT;
CREATE INDEX settled_by ON settled (by_run);
CREATE TABLE merged (run INTEGER PRIMARY KEY REFERENCES run, by_run INTEGER NOT NULL REFERENCES run) STRICT;
CREATE INDEX merged_by ON merged (by_run);
CREATE TABLE move (source TEXT PRIMARY KEY, target TEXT NOT NULL, file_hash TEXT NOT NULL) STRICT;
"""
DAMAGE = sqlite3.DatabaseError, UnicodeDecodeError  # the latter in place of a message that quotes what is damaged
DECLARED = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
NOT_SETTLED = "NOT EXISTS (SELECT 1 FROM settled WHERE settled.run = suspended.run AND settled.code = suspended.code)"


class Run(NamedTuple):
    """A run as it is committed; `attempt` is the staged folder, None once it is published.

    `totals` are its own, `sums` those of all runs up to it.
    """

    ordinal: int
    run_id: str
    parent: str
    kind: str
    version: str
    rulebook_hash: str
    reference_hash: str
    arguments: dict
    totals: dict
    chain: str
    folder: str
    attempt: str | None
    sums: dict = {}  # noqa: RUF012 - nobody changes it


class SourceRow(NamedTuple):
    """A file of a run."""

    source_id: int
    run: int
    name: str
    feed: str | None
    date: str | None
    sequence: int | None
    content_hash: str | None
    file_hash: str
    file_bytes: int
    refused: str | None
    detail: str
    counts: dict


class Artifact(NamedTuple):
    """A file that a run has written, by its path in the run's folder."""

    run: int
    path: str
    bytes: int
    hash: str


class Settled(NamedTuple):
    """What a run has suspended by a code, and a later one has rated again or written off: once, whatever came of it."""

    run: int
    code: str
    by_run: int


class Merged(NamedTuple):
    """A run whose history stands in a later one's segment too, which is asked in its place."""

    run: int
    by_run: int


class Move(NamedTuple):
    """An input that is to be moved once its run is committed."""

    source: str
    target: str
    file_hash: str


class Catalogue:
    """An open catalogue.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode; of a catalogue that `create` or `open_file` has checked.
    """

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection

    # ----------------------------------------------------------------------------------------- opening

    @classmethod
    def create(cls, connection: sqlite3.Connection, settings: dict[str, bytes]) -> Catalogue:
        """Make the tables of a new catalogue."""
        catalogue = cls(connection)
        with catalogue._transaction():
            for statement in TABLES.strip().split(";\n"):
                connection.execute(statement)
            catalogue._set(settings)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        return catalogue

    @staticmethod
    def connect(path: Path, *, new: bool = False) -> sqlite3.Connection:
        """Open the file so that what is committed lasts."""
        mode = "rwc" if new else "rw"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    @classmethod
    def open_file(cls, path: Path) -> Catalogue:
        """Open a catalogue that is there.

        Raises
        ------
        InvariantError
            It is not a catalogue, a newer version's, or damaged.
        TemporaryError
            The system does not let us.
        """
        try:
            connection = cls.connect(path)
        except sqlite3.OperationalError as error:
            raise TemporaryError(f"{path}: cannot be opened: {error}") from error
        except DAMAGE as error:
            raise InvariantError(f"{path}: cannot be read as a catalogue: {error}") from error
        catalogue = cls(connection)
        try:
            catalogue._refuse_foreign(path)
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    def _refuse_foreign(self, path: Path) -> None:
        found = [self._rows(f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version")]
        if found[0] != APPLICATION_ID:
            raise InvariantError(f"{path}: not a catalogue of this program")
        if found[1] != VERSION:
            raise InvariantError(f"{path}: version {found[1]}, and this program knows {VERSION}: use another one")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ----------------------------------------------------------------------------------------- reading

    def setting(self, name: str, missing: bytes | None = None) -> bytes:
        """A setting that was made with the workspace; one that older workspaces do not have is `missing` there."""
        rows = self._rows("SELECT value, hash FROM setting WHERE name = ?", name)
        if not rows and missing is not None:
            return missing
        if not rows or rows[0][1] != _hash_of(name, rows[0][0]):
            raise InvariantError(f"the catalogue is damaged: its setting {name} is not what was written")
        return rows[0][0]

    def faults(self) -> list[str]:
        """What is wrong with the file itself: its pages, its indexes, what it declares, its settings."""
        found = [row[0] for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]
        if not found and self._rows(DECLARED) != _declared():
            found = ["its tables are not those of this version"]
        if not found:
            settings = self._rows("SELECT name, value, hash FROM setting")
            found = [
                f"its setting {name} is not what was written"
                for name, *told in settings
                if told[1] != _hash_of(name, told[0])
            ]
        return [f"the catalogue: {fault}" for fault in found]

    def runs(self) -> list[Run]:
        """Every run, in order."""
        return [_run(row) for row in self._rows("SELECT * FROM run ORDER BY ordinal")]

    def run(self, ordinal: int) -> Run:
        """A run by its ordinal, which is there."""
        return _run(self._rows("SELECT * FROM run WHERE ordinal = ?", ordinal)[0])

    def last_run(self) -> Run | None:
        """The newest run; None where there is none."""
        rows = self._rows("SELECT * FROM run ORDER BY ordinal DESC LIMIT 1")
        return _run(rows[0]) if rows else None

    def unpublished(self) -> list[Run]:
        """Committed runs whose folders may not be in their place yet."""
        return [_run(row) for row in self._rows("SELECT * FROM run WHERE attempt IS NOT NULL ORDER BY ordinal")]

    def sources(self, run: int | None = None) -> list[SourceRow]:
        """The files of a run, or of all."""
        where, values = ("", ()) if run is None else ("WHERE run = ?", (run,))
        rows = self._rows(f"SELECT * FROM source {where} ORDER BY source_id", *values)
        return [SourceRow(*row[:-1], _object(row[-1])) for row in rows]

    def artifacts(self, run: int | None = None, path: str = "%") -> list[Artifact]:
        """Files of a run, or of all, whose path is like `path`."""
        where, values = ("", ()) if run is None else ("run = ? AND", (run,))
        rows = self._rows(f"SELECT * FROM artifact WHERE {where} path LIKE ? ORDER BY run, path", *values, path)
        return [Artifact(*row) for row in rows]

    def settled_by(self, run: int) -> list[Settled]:
        """What a run has rated again or written off."""
        return [Settled(*row) for row in self._rows("SELECT * FROM settled WHERE by_run = ? ORDER BY run, code", run)]

    def merged(self) -> list[Merged]:
        """Runs whose history stands in a later one's segment too."""
        return [Merged(*row) for row in self._rows("SELECT * FROM merged ORDER BY run")]

    def merged_by(self, run: int) -> list[Merged]:
        """Of these, those in this run's segment."""
        return [Merged(*row) for row in self._rows("SELECT * FROM merged WHERE by_run = ? ORDER BY run", run)]

    def run_count(self) -> int:
        """How many runs there are."""
        return self._rows("SELECT count(*) FROM run")[0][0]

    def file_count(self) -> int:
        """How many files were accepted."""
        return self._rows("SELECT count(*) FROM source WHERE refused IS NULL")[0][0]

    def refused(self) -> list[tuple[str, int, str]]:
        """Every refused file: name, run, code."""
        return self._rows("SELECT name, run, refused FROM source WHERE refused IS NOT NULL ORDER BY source_id")

    def sequences(self) -> list[tuple[str, str | None, int]]:
        """Feed, date and sequence of every accepted file whose name has one, in that order."""
        return self._rows(
            "SELECT DISTINCT feed, date, sequence FROM source WHERE refused IS NULL AND sequence IS NOT NULL "
            "ORDER BY feed, date, sequence"
        )

    def waiting(self) -> list[tuple[int, str, int]]:
        """What is suspended and not settled: run, code, items."""
        return self._rows(f"SELECT run, code, items FROM suspended WHERE {NOT_SETTLED} ORDER BY run, code")

    def waiting_by_code(self) -> list[tuple[str, int, int]]:
        """The same by code: items, and the oldest run."""
        return self._rows(
            f"SELECT code, sum(items), min(run) FROM suspended WHERE {NOT_SETTLED} GROUP BY code ORDER BY code"
        )

    def suspended(self, run: int) -> list[tuple[int, str, int]]:
        """What a run has suspended: run, code, items."""
        return self._rows("SELECT run, code, items FROM suspended WHERE run = ? ORDER BY code", run)

    def suspended_codes(self) -> set[str]:
        """Every code that anything was ever suspended by."""
        return {code for (code,) in self._rows("SELECT DISTINCT code FROM suspended")}

    def moves(self) -> list[Move]:
        """Inputs that are to be moved."""
        return [Move(*row) for row in self._rows("SELECT * FROM move ORDER BY source")]

    def run_of_content(self, content_hash: str) -> int | None:
        """The run that has accepted a file of this content."""
        rows = self._rows("SELECT run FROM source WHERE content_hash = ? AND refused IS NULL", content_hash)
        return rows[0][0] if rows else None

    def next_source_id(self) -> int:
        """One more than any source has."""
        return self._rows("SELECT coalesce(max(source_id) + 1, 0) FROM source")[0][0]

    # ----------------------------------------------------------------------------------------- writing

    def commit(
        self,
        run: Run,
        sources: list[SourceRow],
        artifacts: list[Artifact],
        moves: list[Move],
        settled: Sequence[Settled] = (),
        merged: Sequence[Merged] = (),
    ) -> None:
        """Make a run true: all of it, or nothing.

        Raises
        ------
        InvariantError
            The run, the content of one of its files, or what it settles was committed before.
        """
        row = [json.dumps(value) if isinstance(value, dict) else value for value in run]
        try:
            with self._transaction():
                self._connection.execute(f"INSERT INTO run VALUES ({_marks(row)})", row)
                self._insert("source", [(*source[:-1], json.dumps(source.counts)) for source in sources])
                self._insert("artifact", artifacts)
                self._insert("move", moves)
                suspended = run.totals.get("exceptions", {}).get("suspended", {})
                self._insert("suspended", [(run.ordinal, code, items) for code, items in suspended.items()])
                self._insert("settled", settled)
                self._insert("merged", merged)
        except sqlite3.IntegrityError as error:
            raise InvariantError(f"run {run.ordinal} was committed before, or a part of it: {error}") from error

    def add_moves(self, moves: list[Move]) -> None:
        """Note inputs that are to be moved without a run."""
        with self._transaction():
            self._insert("move", moves)

    def published(self, ordinal: int) -> None:
        """Note that a run's folder is in its place, for good."""
        with self._transaction():
            self._connection.execute("UPDATE run SET attempt = NULL WHERE ordinal = ?", (ordinal,))

    def moved(self, moves: list[Move]) -> None:
        """Note that inputs are where they should be."""
        with self._transaction():
            self._connection.executemany("DELETE FROM move WHERE source = ?", [(move.source,) for move in moves])

    def settle(self) -> None:
        """Write something, so that what was reported as failed cannot come back.

        When the log's sync fails, a transaction is undone in memory only: its frames stand in the log, and whoever
        reads that anew takes them for committed. The next transaction's are written over them, if it changes anything.
        """
        with self._transaction():
            self._set({"settled": secrets.token_bytes(16)})

    def set(self, settings: dict[str, bytes]) -> None:
        """Change settings."""
        with self._transaction():
            self._set(settings)

    # ---------------------------------------------------------------------------------------- internals

    def _rows(self, sql: str, *values: Any) -> list[tuple]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise TemporaryError(f"the catalogue cannot be read: {error}") from error
        except DAMAGE as error:
            raise InvariantError(f"the catalogue is damaged: {error}") from error

    def _set(self, settings: dict[str, bytes]) -> None:
        rows = [(name, value, _hash_of(name, value)) for name, value in settings.items()]
        self._connection.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?, ?)", rows)

    def _insert(self, table: str, rows: Sequence) -> None:
        if rows:
            self._connection.executemany(f"INSERT INTO {table} VALUES ({_marks(rows[0])})", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise TemporaryError(f"the catalogue cannot be written: {error}; try again") from error
        except sqlite3.IntegrityError:
            raise
        except DAMAGE as error:
            raise InvariantError(f"the catalogue is damaged: {error}") from error


def _marks(row: Any) -> str:
    return ", ".join("?" * len(row))


def _run(row: tuple) -> Run:
    run = Run(*row)
    return run._replace(arguments=_object(row[7]), totals=_object(row[8]), sums=_object(row[12]))


def _object(text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvariantError(f"the catalogue is damaged: {error}") from error


def _hash_of(name: str, value: bytes) -> str:
    """Of a setting: nothing else in the catalogue would tell that one was changed."""
    return blake3.blake3(name.encode() + b"\0" + value).hexdigest()


@functools.cache
def _declared() -> list[tuple]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    Catalogue.create(connection, {})
    return connection.execute(DECLARED).fetchall()
