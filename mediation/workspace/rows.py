"""What the catalogue holds: its tables, version by version, and their rows.

Conventions
-----------
- A catalogue of version n has taken the first n of `STEPS`; a step that stands is never changed.
- A row has its table's columns in their order; JSON is text in the table and an object in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
RETENTION = """
CREATE TABLE event_day (
    day INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES run, records INTEGER NOT NULL, PRIMARY KEY (day, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_day_run ON event_day (run);
CREATE TABLE horizon (by_run INTEGER PRIMARY KEY REFERENCES run, day INTEGER NOT NULL) STRICT;
CREATE TABLE dropped (
    run INTEGER NOT NULL REFERENCES run, part TEXT NOT NULL, by_run INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (run, part)
) STRICT;
CREATE INDEX dropped_by ON dropped (by_run);
CREATE TABLE removal (path TEXT PRIMARY KEY) STRICT;
"""
SUSPENSE = """
ALTER TABLE suspended ADD COLUMN oldest TEXT;
CREATE TABLE corrected (
    run INTEGER NOT NULL REFERENCES run, code TEXT NOT NULL, by_run INTEGER NOT NULL REFERENCES run,
    items INTEGER NOT NULL, oldest TEXT, PRIMARY KEY (run, code, by_run)
) STRICT;
CREATE INDEX corrected_by ON corrected (by_run);
"""
BEHIND = """
SELECT source_id, newest, highest FROM (
    SELECT source_id, date, sequence,
        max(date) OVER (PARTITION BY feed ORDER BY source_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS newest,
        max(sequence) OVER (
            PARTITION BY feed, date ORDER BY source_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS highest
    FROM source WHERE refused IS NULL
) AS placed WHERE date < newest OR sequence < highest ORDER BY source_id
"""  # slow where there are many: what `behind` must hold
COLLECTION = f"""
CREATE TABLE behind (source_id INTEGER PRIMARY KEY REFERENCES source, newest TEXT, highest INTEGER) STRICT;
INSERT INTO behind {BEHIND.strip()};
CREATE TABLE collected (
    feed TEXT NOT NULL, run INTEGER NOT NULL REFERENCES run, files INTEGER NOT NULL, refused INTEGER NOT NULL,
    sums_open INTEGER NOT NULL, bytes_in INTEGER NOT NULL, records_in INTEGER NOT NULL, rejected INTEGER NOT NULL,
    duplicates INTEGER NOT NULL, conflicts INTEGER NOT NULL, suspended INTEGER NOT NULL, rated INTEGER NOT NULL,
    PRIMARY KEY (feed, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX collected_run ON collected (run);
INSERT INTO collected SELECT
    coalesce(feed, ''), run, count(*) - count(refused), count(refused),
    sum(refused IS NULL AND json_extract(counts, '$.sum_verified') IS 0),
    sum(CASE WHEN refused IS NULL THEN json_extract(counts, '$.bytes_in') ELSE 0 END),
    sum(json_extract(counts, '$.records_in')), sum(json_extract(counts, '$.rejected')),
    sum(json_extract(counts, '$.duplicates')), sum(json_extract(counts, '$.conflicts')),
    sum(json_extract(counts, '$.suspended')), sum(json_extract(counts, '$.rated'))
    FROM source GROUP BY coalesce(feed, ''), run;
CREATE INDEX source_of_feed ON source (feed, date, sequence) WHERE refused IS NULL;
CREATE TABLE repeat (
    content_hash TEXT PRIMARY KEY, name TEXT NOT NULL, times INTEGER NOT NULL, hash TEXT NOT NULL
) STRICT;
"""
SEQUENCES = """
CREATE TABLE seen (
    feed TEXT NOT NULL, node TEXT NOT NULL, first INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES run,
    last INTEGER NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (feed, node, first, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by ON seen (run);
CREATE TABLE stretch (
    feed TEXT NOT NULL, node TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, records INTEGER NOT NULL,
    PRIMARY KEY (feed, node, first)
) STRICT, WITHOUT ROWID;
"""
LOST = """
ALTER TABLE collected ADD COLUMN lost_records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collected ADD COLUMN unknown_elements INTEGER NOT NULL DEFAULT 0;
"""
HISTORY, SOURCES, RESULTS = PARTS = ("history", "sources", "tables")  # of a run's files, which are given up together
EDITED = "edited.parquet"  # of a run that has rated edited rows: which, and how they then were
STEPS = TABLES, RETENTION, SUSPENSE, COLLECTION, SEQUENCES, LOST
VERSION = len(STEPS)


def named(names: Sequence[str], rows: Sequence[tuple]) -> list[dict]:
    """Rows as they are told: values by name."""
    return [dict(zip(names, row, strict=True)) for row in rows]


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


class Collected(NamedTuple):
    """What a run has collected of a feed, or ('') of none: accepted and refused files, and what became of the records.

    `sums_open` counts files whose declared sums could not be proved, because records of them could not be read,
    `lost_records` what their headers say was lost before they were written, at least.
    """

    feed: str
    run: int
    files: int
    refused: int
    sums_open: int
    bytes_in: int
    records_in: int
    rejected: int
    duplicates: int
    conflicts: int
    suspended: int
    rated: int
    lost_records: int
    unknown_elements: int


class Seen(NamedTuple):
    """A stretch of a node's numbers that a run has seen, as `pipeline.sequences.Stretch`."""

    feed: str
    node: str
    first: int
    run: int
    last: int
    records: int


class Behind(NamedTuple):
    """An accepted file of an earlier date or a lower number than one that had come before, in the same run or earlier.

    `newest` is the latest date of its feed until then, `highest` the greatest number of its date.
    """

    source_id: int
    newest: str | None
    highest: int | None


class Repeat(NamedTuple):
    """A content that was given again after it had been taken: the name that it had last, and how often.

    It is a note beside the runs, and no part of a certificate: how often a file is given is not what it holds. An input
    that could not be read when it was to be moved stays in its inbox, and counts when it is looked at again.
    """

    content_hash: str
    name: str
    times: int = 1


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


class Corrected(NamedTuple):
    """How many items of what a run has suspended by a code a later one has rated edited: those in its `edited.parquet`.

    `oldest` is the first event day of what then waits on.
    """

    run: int
    code: str
    by_run: int
    items: int
    oldest: str | None


class Merged(NamedTuple):
    """A run whose history stands in a later one's segment too, which is asked in its place."""

    run: int
    by_run: int


class EventDay(NamedTuple):
    """How many records of a UTC day (since 1970) a run has accepted; those without one are not told."""

    day: int
    run: int
    records: int


class Horizon(NamedTuple):
    """From this run on, the first day whose history is there: what is older cannot be told from a repeat."""

    by_run: int
    day: int


class Dropped(NamedTuple):
    """Files of a run that a later one has given up: one of `PARTS`."""

    run: int
    part: str
    by_run: int


class Move(NamedTuple):
    """An input that is to be moved once its run is committed."""

    source: str
    target: str
    file_hash: str


class Removal(NamedTuple):
    """A file in the workspace that is to be removed once the run that gives it up is committed."""

    path: str


class Noted(NamedTuple):
    """What is committed with a run."""

    sources: Sequence[SourceRow] = ()
    artifacts: Sequence[Artifact] = ()
    moves: Sequence[Move] = ()
    repeats: Sequence[Repeat] = ()
    seen: Sequence[Seen] = ()
    settled: Sequence[Settled] = ()
    corrected: Sequence[Corrected] = ()
    merged: Sequence[Merged] = ()
    event_days: Sequence[EventDay] = ()
    horizon: Sequence[Horizon] = ()
    dropped: Sequence[Dropped] = ()
    removals: Sequence[Removal] = ()


def collected(sources: Sequence[SourceRow]) -> list[Collected]:
    """What a run's files add up to, feed by feed."""
    found: dict[tuple[str, int], list[SourceRow]] = {}
    for source in sources:
        found.setdefault((source.feed or "", source.run), []).append(source)
    rows = []
    for key, of_feed in sorted(found.items()):
        accepted = [source for source in of_feed if source.refused is None]
        left_open = sum(source.counts.get("sum_verified") is False for source in accepted)
        sums = [sum(source.counts.get(name) or 0 for source in accepted) for name in Collected._fields[5:]]
        rows.append(Collected(*key, len(accepted), len(of_feed) - len(accepted), left_open, *sums))
    return rows
