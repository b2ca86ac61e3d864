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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mediation.errors import InvariantError, TemporaryError
from mediation.workspace import notes
from mediation.workspace.rows import (
    STEPS,
    VERSION,
    Artifact,
    Collected,
    Corrected,
    Dropped,
    EventDay,
    Merged,
    Move,
    Noted,
    Removal,
    Repeat,
    Run,
    Seen,
    Settled,
    SourceRow,
    collected,
)

NAME = "catalogue.sqlite"
APPLICATION_ID = 0x4D444941
DAMAGE = sqlite3.DatabaseError, UnicodeDecodeError  # the latter in place of a message that quotes what is damaged
DECLARED = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
WAITING = """
SELECT suspended.run AS run, suspended.code AS code, suspended.items - coalesce(sum(corrected.items), 0) AS items,
    coalesce(max(corrected.oldest), suspended.oldest) AS oldest
FROM suspended LEFT JOIN corrected ON corrected.run = suspended.run AND corrected.code = suspended.code
WHERE NOT EXISTS (SELECT 1 FROM settled WHERE settled.run = suspended.run AND settled.code = suspended.code)
GROUP BY suspended.run, suspended.code, suspended.items, suspended.oldest
HAVING suspended.items > coalesce(sum(corrected.items), 0)
"""
SETTLED_TWICE = """
SELECT new.run FROM corrected AS new JOIN suspended ON suspended.run = new.run AND suspended.code = new.code
WHERE new.by_run = ? AND (
    EXISTS (SELECT 1 FROM settled WHERE settled.run = new.run AND settled.code = new.code)
    OR suspended.items < (SELECT sum(items) FROM corrected WHERE run = new.run AND code = new.code)
)
"""


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
            for step in STEPS:
                catalogue._take_step(step)
            catalogue._set(settings)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        return catalogue

    def upgrade(self, event_days: Callable[[], list[EventDay]]) -> None:
        """Bring an older version's catalogue to this one, whole or not at all; `event_days` tells those of all runs."""
        version = self.version
        if version == VERSION:
            return
        with self._transaction():
            for step in STEPS[version:]:
                self._take_step(step)
            if version < 2:
                self._insert("event_day", event_days())
            self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def _take_step(self, step: str) -> None:
        for statement in step.strip().split(";\n"):
            self._connection.execute(statement)

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
            It is not a catalogue, a newer version's, or damaged. An older version's is opened as it is: see `upgrade`.
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
        if self._rows("PRAGMA application_id")[0][0] != APPLICATION_ID:
            raise InvariantError(f"{path}: not a catalogue of this program")
        if not 1 <= self.version <= VERSION:
            raise InvariantError(f"{path}: version {self.version}, and this program knows {VERSION}: use another one")

    @property
    def version(self) -> int:
        """Of what it declares: at most `VERSION`."""
        return self._rows("PRAGMA user_version")[0][0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # ----------------------------------------------------------------------------------------- reading

    def setting(self, name: str, missing: bytes | None = None) -> bytes:
        """A setting that was made with the workspace; one that older workspaces do not have is `missing` there."""
        rows = self._rows("SELECT value, hash FROM setting WHERE name = ?", name)
        if not rows and missing is not None:
            return missing
        if not rows or rows[0][1] != notes.hash_of(name, rows[0][0]):
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
                if told[1] != notes.hash_of(name, told[0])
            ]
            noted = self._rows("SELECT content_hash, name, times, hash FROM repeat ORDER BY content_hash")
            found += [
                f"how often {row[1]} came again" for row in noted if row[3] != notes.hash_of_repeat(Repeat(*row[:3]))
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

    def corrected(self, run: int) -> list[Corrected]:
        """What later ones have rated edited of what a run has suspended."""
        rows = self._rows("SELECT * FROM corrected WHERE run = ? ORDER BY by_run, code", run)
        return [Corrected(*row) for row in rows]

    def corrected_by(self, run: int) -> list[Corrected]:
        """What a run has rated edited."""
        rows = self._rows("SELECT * FROM corrected WHERE by_run = ? ORDER BY run, code", run)
        return [Corrected(*row) for row in rows]

    def merged(self) -> list[Merged]:
        """Runs whose history stands in a later one's segment too."""
        return [Merged(*row) for row in self._rows("SELECT * FROM merged ORDER BY run")]

    def merged_by(self, run: int) -> list[Merged]:
        """Of these, those in this run's segment."""
        return [Merged(*row) for row in self._rows("SELECT * FROM merged WHERE by_run = ? ORDER BY run", run)]

    def unmerged(self, path: str, before: int | None = None) -> list[Artifact]:
        """The files of this path whose runs were not merged: by any run, among those before an ordinal."""
        rows = self._rows(
            "SELECT artifact.* FROM run CROSS JOIN artifact ON artifact.run = ordinal AND path = ?1 "  # by its key
            "WHERE (?2 IS NULL OR ordinal < ?2) AND NOT EXISTS (SELECT 1 FROM merged "
            "WHERE merged.run = ordinal AND (?2 IS NULL OR by_run < ?2)) ORDER BY ordinal",
            *(path, before),
        )
        return [Artifact(*row) for row in rows]

    def run_count(self) -> int:
        """How many runs there are."""
        return self._rows("SELECT count(*) FROM run")[0][0]

    def file_count(self) -> int:
        """How many files were accepted."""
        return self._rows("SELECT count(*) FROM source WHERE refused IS NULL")[0][0]

    def refused(self) -> list[tuple[str, int, str]]:
        """Every refused file: name, run, code."""
        return self._rows("SELECT name, run, refused FROM source WHERE refused IS NOT NULL ORDER BY source_id")

    def waiting(self) -> list[tuple[int, str, int, str | None]]:
        """What is suspended and not settled: run, code, items, and the first event day."""
        return self._rows(f"{WAITING} ORDER BY run, code")

    def runs_of_waiting(self) -> set[int]:
        """Runs whose tables tell what waits: that have suspended it, or have rated a part of that edited."""
        runs = {run for run, *_ in self.waiting()}
        return runs | {by_run for run, by_run in self._rows("SELECT run, by_run FROM corrected") if run in runs}

    def waiting_by_code(self) -> list[tuple[str, int, int, str | None]]:
        """The same by code: items, the oldest run, and the first event day."""
        return self._rows(
            f"SELECT code, sum(items), min(run), min(oldest) FROM ({WAITING}) AS waiting GROUP BY code ORDER BY code"
        )

    def suspended(self, run: int) -> list[tuple[str, int, str | None]]:
        """What a run has suspended: code, items, and the first event day."""
        return self._rows("SELECT code, items, oldest FROM suspended WHERE run = ? ORDER BY code", run)

    def suspended_codes(self) -> set[str]:
        """Every code that anything was ever suspended by."""
        return {code for (code,) in self._rows("SELECT DISTINCT code FROM suspended")}

    def collected_by(self, run: int) -> list[Collected]:
        """What a run has collected of each feed."""
        return [Collected(*row) for row in self._rows("SELECT * FROM collected WHERE run = ? ORDER BY feed", run)]

    def seen_by(self, run: int) -> list[Seen]:
        """Which of the nodes' numbers a run has seen."""
        return [Seen(*row) for row in self._rows("SELECT * FROM seen WHERE run = ? ORDER BY feed, node, first", run)]

    def ask(self, sql: str, *values: Any) -> list[tuple]:
        """Rows of whatever `rows.STEPS` declares."""
        return self._rows(sql, *values)

    def moves(self) -> list[Move]:
        """Inputs that are to be moved."""
        return [Move(*row) for row in self._rows("SELECT * FROM move ORDER BY source")]

    def removals(self) -> list[Removal]:
        """Files that are to be removed."""
        return [Removal(*row) for row in self._rows("SELECT * FROM removal ORDER BY path")]

    def event_days(self, run: int) -> list[EventDay]:
        """How many records of which days a run has accepted."""
        return [EventDay(*row) for row in self._rows("SELECT * FROM event_day WHERE run = ? ORDER BY day", run)]

    def records_by_day(self) -> list[tuple[int, int]]:
        """Days and how many of their records all runs have accepted, the newest day first."""
        return self._rows("SELECT day, sum(records) FROM event_day GROUP BY day ORDER BY day DESC")

    def days_by_run(self) -> list[tuple[int, int, int]]:
        """Run, day, records: what every run has accepted, its newest day first."""
        return self._rows("SELECT run, day, records FROM event_day ORDER BY run, day DESC")

    def horizon(self, before: int | None = None) -> int | None:
        """The first day whose history is there, today or for the run of an ordinal; None: all there ever was."""
        where, values = ("", ()) if before is None else ("WHERE by_run < ?", (before,))
        return self._rows(f"SELECT max(day) FROM horizon {where}", *values)[0][0]

    def horizon_by(self, run: int) -> list[int]:
        """The first day that a run has left the history."""
        return [day for (day,) in self._rows("SELECT day FROM horizon WHERE by_run = ?", run)]

    def given_up(self, part: str) -> dict[int, int]:
        """The runs of which a part was given up, and the runs that have done it."""
        return dict(self._rows("SELECT run, by_run FROM dropped WHERE part = ? ORDER BY run", part))

    def dropped_of(self, run: int) -> list[Dropped]:
        """What was given up of a run."""
        return [Dropped(*row) for row in self._rows("SELECT * FROM dropped WHERE run = ? ORDER BY part", run)]

    def dropped_by(self, run: int) -> list[Dropped]:
        """What a run has given up."""
        return [Dropped(*row) for row in self._rows("SELECT * FROM dropped WHERE by_run = ? ORDER BY run, part", run)]

    def source_names(self) -> dict[int, tuple[str, str]]:
        """Name and feed of every source."""
        rows = self._rows("SELECT source_id, name, coalesce(feed, '') FROM source")
        return {source_id: (name, feed) for source_id, name, feed in rows}

    def run_of_source(self, source_id: int) -> int | None:
        """The run that a source came in."""
        rows = self._rows("SELECT run FROM source WHERE source_id = ?", source_id)
        return rows[0][0] if rows else None

    def run_of_content(self, content_hash: str) -> int | None:
        """The run that has accepted a file of this content."""
        rows = self._rows("SELECT run FROM source WHERE content_hash = ? AND refused IS NULL", content_hash)
        return rows[0][0] if rows else None

    def next_source_id(self) -> int:
        """One more than any source has."""
        return self._rows("SELECT coalesce(max(source_id) + 1, 0) FROM source")[0][0]

    # ----------------------------------------------------------------------------------------- writing

    def commit(self, run: Run, noted: Noted) -> None:
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
                notes.add_sources(self._connection, noted.sources)
                self._insert("artifact", noted.artifacts)
                self._insert("collected", collected(noted.sources))
                self._insert("move", noted.moves)
                notes.add_repeats(self._connection, noted.repeats)
                self._insert("seen", noted.seen)
                notes.add_stretches(self._connection, noted.seen)
                suspended = run.totals.get("exceptions", {}).get("suspended", {}).items()
                oldest = run.totals.get("oldest_suspended", {})
                self._insert("suspended", [(run.ordinal, code, items, oldest.get(code)) for code, items in suspended])
                self._insert("settled", noted.settled)
                self._insert("corrected", noted.corrected)
                if noted.corrected and self._rows(SETTLED_TWICE, run.ordinal):
                    raise InvariantError(f"run {run.ordinal} settles what was settled before")
                self._insert("merged", noted.merged)
                self._insert("event_day", noted.event_days)
                self._insert("horizon", noted.horizon)
                self._insert("dropped", noted.dropped)
                self._insert("removal", noted.removals)
        except sqlite3.IntegrityError as error:
            raise InvariantError(f"run {run.ordinal} was committed before, or a part of it: {error}") from error

    def add_moves(self, moves: Sequence[Move], repeats: Sequence[Repeat] = ()) -> None:
        """Note inputs that are to be moved without a run, and those that had come before."""
        with self._transaction():
            self._insert("move", moves)
            notes.add_repeats(self._connection, repeats)

    def published(self, ordinal: int) -> None:
        """Note that a run's folder is in its place, for good."""
        with self._transaction():
            self._connection.execute("UPDATE run SET attempt = NULL WHERE ordinal = ?", (ordinal,))

    def moved(self, moves: list[Move]) -> None:
        """Note that inputs are where they should be."""
        with self._transaction():
            self._connection.executemany("DELETE FROM move WHERE source = ?", [(move.source,) for move in moves])

    def removed(self, removals: list[Removal]) -> None:
        """Note that files are gone for good."""
        with self._transaction():
            self._connection.executemany("DELETE FROM removal WHERE path = ?", removals)

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
        rows = [(name, value, notes.hash_of(name, value)) for name, value in settings.items()]
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


@functools.cache
def _declared() -> list[tuple]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    Catalogue.create(connection, {})
    return connection.execute(DECLARED).fetchall()
