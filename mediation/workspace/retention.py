"""What is given up by age, in a run of its own: old history, kept sources, tables, reference data that nobody needs.

Conventions
-----------
- The rule book says how many days are kept. They are counted back from the watermark, the newest event day of what was
  accepted, and never from the clock; whole months go.
- A clock gone wrong in a few records moves nothing: a day is the newest one where at least one in `STRAYS` records lies
  on it or after it.
- A run is as old as its own newest day, or, where it has accepted nothing, as the run before it.
- Certificates, settlements and account days are kept for ever; a table goes only when nothing of it waits in suspense.
- What the history has given up it no longer tells from a repeat: records of those days are suspended as too old.
- A segment goes when all of it is that old; undated records are kept for ever. One that stands in a merged one too goes
  when no run before that can be replayed any more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import without_rows
from mediation.pipeline.run import TABLES
from mediation.workspace import history
from mediation.workspace.intake import KEPT
from mediation.workspace.pinned import REFERENCES, in_force
from mediation.workspace.protocol import RUNS, Place
from mediation.workspace.rows import EDITED, HISTORY, PARTS, RESULTS, SOURCES, Dropped, Horizon, Noted, Removal, Run
from mediation.workspace.staged import staged

STRAYS = 10_000
FIRST_DAY = dt.date(1970, 1, 1)


class Plan(NamedTuple):
    """What would be given up today.

    `history_from` is the day from which on repeats would be recognised, None where that does not change; `given_up` are
    runs by part, `waits` runs whose tables are old enough, and hold rows that wait; `oldest_replay` is the first run of
    which sources stay, None where none do.
    """

    watermark: dt.date | None
    history_from: dt.date | None
    given_up: dict[str, list[int]]
    waits: list[int]
    oldest_replay: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not any(self.given_up.values()) and self.history_from is None


def part_of(path: str) -> str | None:
    """Which part of a run a file belongs to; None for what is kept for ever."""
    folder = path.partition("/")[0]
    if path == history.SEGMENT:
        return HISTORY
    if folder == KEPT:
        return SOURCES
    return RESULTS if folder in (*TABLES, EDITED) else None


def date_of(day: int | None) -> dt.date | None:
    """A day since 1970 as a date."""
    return None if day is None else FIRST_DAY + dt.timedelta(day)


def written(date: dt.date | None) -> str | None:
    """As runs and people are told."""
    return None if date is None else date.isoformat()


def newest(days: Iterable[tuple[int, int]]) -> int | None:
    """The newest of days and their numbers of records, given newest first, but for strays."""
    known = list(days)
    least, beyond = sum(records for _, records in known) / STRAYS, 0
    for day, records in known:
        beyond += records
        if beyond >= least:
            return day
    return None


def watermark(place: Place) -> int | None:
    """The newest event day of all that was accepted, since 1970."""
    return newest(place.catalogue.records_by_day())


def plan(place: Place, book: Any) -> Plan:
    """What is old enough to be given up.

    Parameters
    ----------
    place : Place
    book : Rulebook
        Whose `retention` says what is kept.
    """
    kept, mark = book.declared.book.retention, watermark(place)
    if mark is None:
        return Plan(None, None, {part: [] for part in PARTS}, [])
    days = {HISTORY: kept.history_days, SOURCES: kept.sources_days, RESULTS: kept.tables_days}
    begins = {part: None if age is None else _month_of(mark - age) for part, age in days.items()}
    there, by_run = _there(place), place.catalogue.days_by_run()
    ages = _ages(by_run, place.catalogue.run_count())
    waiting = place.catalogue.runs_of_waiting()
    old = {
        part: [run for run in sorted(there[part]) if begin is not None and ages.get(run, mark) < begin]
        for part, begin in begins.items()
    }
    before = place.catalogue.horizon()
    moved = begins[HISTORY] if before is None or (begins[HISTORY] or 0) > before else None
    first_day, oldest_replay = moved or before, min(there[SOURCES].difference(old[SOURCES]), default=None)
    young = {run for run, day, _ in by_run if first_day is None or day >= first_day}
    segments = _superseded(place, there[HISTORY], oldest_replay)
    if first_day is not None:
        segments |= {run for run in there[HISTORY] - segments - young if _ends_before(place, run, first_day)}
    given_up = {
        HISTORY: sorted(segments),
        SOURCES: old[SOURCES],
        RESULTS: [run for run in old[RESULTS] if run not in waiting],
    }
    waits = [run for run in old[RESULTS] if run in waiting]
    return Plan(date_of(mark), date_of(moved), given_up, waits, oldest_replay)


def _month_of(day: int) -> int:
    """The first day of its month."""
    return ((FIRST_DAY + dt.timedelta(max(day, 0))).replace(day=1) - FIRST_DAY).days


def _there(place: Place) -> dict[str, set[int]]:
    """The runs that still have files of each part."""
    there: dict[str, set[int]] = {part: set() for part in PARTS}
    for artifact in place.catalogue.artifacts():
        if (part := part_of(artifact.path)) is not None:
            there[part].add(artifact.run)
    return {part: runs.difference(place.catalogue.given_up(part)) for part, runs in there.items()}


def _ages(by_run: list[tuple[int, int, int]], runs: int) -> dict[int, int]:
    """Every run's newest day; none of runs before the first that has one."""
    grouped = groupby(by_run, key=itemgetter(0))
    days = {run: newest((day, records) for _, day, records in rows) for run, rows in grouped}
    ages: dict[int, int] = {}
    for run in range(1, runs + 1):
        age = days.get(run, ages.get(run - 1))
        if age is not None:
            ages[run] = age
    return ages


def _superseded(place: Place, there: set[int], oldest_replay: int | None) -> set[int]:
    """Runs whose segments stand in merged ones too, and which no replay asks for any more."""
    merged = {each.run: each.by_run for each in place.catalogue.merged()}
    return {run for run in there if run in merged and (oldest_replay is None or oldest_replay > merged[run])}


def _ends_before(place: Place, run: int, first_day: int) -> bool:
    """Whether all that a run's segment holds is older, be it a merged one; a record without a day never is."""
    return all(day is not None and day < first_day for day, _ in history.segment(place, run).days)


def retire(place: Place, book: Any, found: Plan) -> Run | None:
    """Give up what a plan says, in a run of its own; None where it says nothing.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
    found : Plan
        Of `plan`, under the same lock.
    """
    if found.is_empty:
        return None
    arguments = {
        "watermark": written(found.watermark),
        "history_from": written(found.history_from),
        "given_up": found.given_up,
    }
    with staged(place) as run:
        result = write_run(without_rows(book), run.folder, run.disk)
        noted = Noted(
            horizon=[Horizon(run.ordinal, (day - FIRST_DAY).days) for day in [found.history_from] if day is not None],
            dropped=[Dropped(each, part, run.ordinal) for part in PARTS for each in found.given_up[part]],
            removals=[*_files(place, found.given_up), *_references(place, found)],
        )
        return run.commit("retire", book, arguments, result, noted)


def _files(place: Place, given_up: dict[str, list[int]]) -> list[Removal]:
    removals = []
    for run in sorted(set().union(*given_up.values())):
        parts = {part for part in PARTS if run in given_up[part]}
        folder = f"{RUNS}/{place.catalogue.run(run).folder}"
        paths = [each.path for each in place.catalogue.artifacts(run) if part_of(each.path) in parts]
        removals += [Removal(f"{folder}/{path}") for path in paths]
    return removals


def _references(place: Place, found: Plan) -> list[Removal]:
    """Reference data that only runs which cannot be replayed any more were made by."""
    if not found.given_up[SOURCES]:
        return []
    oldest, runs = found.oldest_replay, place.catalogue.runs()
    needed = {run.reference_hash for run in runs if oldest is not None and run.ordinal >= oldest}
    needed.add(in_force(place.catalogue)[1])
    unneeded = sorted({run.reference_hash for run in runs if run.reference_hash} - needed)
    return [Removal(f"{REFERENCES}/{name}") for name in unneeded if place.disk.exists(place.root / REFERENCES / name)]
