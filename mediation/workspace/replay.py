"""A committed run once more: from what was put into it, the rule book it was made by, and the state before it.

Conventions
-----------
- What was put in: the kept copies of an ingest's files, the rows that waited, as they were or as they were edited, the
  segments that were merged.
- It is written like a run, hashed, and forgotten: what counts is that its tables' digest and its segment are the same.
- Copies are kept as long as retention says; a run whose copies are gone cannot be replayed, and the error says so.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mediation.errors import InvariantError, NoInputError, UsageError
from mediation.pipeline.output import BATCH_BYTES, write_run
from mediation.pipeline.run import Stream
from mediation.pipeline.sources import Listed
from mediation.workspace import history, merging, protocol, suspense
from mediation.workspace.intake import kept_copy
from mediation.workspace.protocol import Place
from mediation.workspace.rows import HISTORY, Run
from mediation.workspace.staged import Recorder

LEAST_OF_ID = 8  # characters, so that an ordinal is not one


class Replayed(NamedTuple):
    """A run's digest as it came out again, and whether the history that it has left did too."""

    run: Run
    digest: str
    same_history: bool

    @property
    def same(self) -> bool:
        """Whether all is as it was committed."""
        return self.digest == self.run.totals["digest"] and self.same_history


def find(place: Place, which: str | int) -> Run:
    """A run by ordinal, or by the first eight or more characters of its id."""
    runs = place.catalogue.runs()
    found = [run for run in runs if str(run.ordinal) == str(which)]
    if not found and len(str(which)) >= LEAST_OF_ID:
        found = [run for run in runs if run.run_id.startswith(str(which))]
    if len(found) != 1:
        raise UsageError(f"{which}: {'no run' if not found else 'more than one run'} of that number or id")
    return found[0]


def copies(place: Place, run: Run) -> list[Listed]:
    """The kept copies of a run's accepted files."""
    listed = []
    for source in place.catalogue.sources(run.ordinal):
        if source.refused is not None:
            continue
        path = kept_copy(place.folder(run), source.source_id)
        if not place.disk.exists(path):
            raise NoInputError(f"run {run.ordinal}: the copy of {source.name} is no longer kept: it cannot be replayed")
        date = dt.date.fromisoformat(source.date) if source.date else None
        size = path.stat().st_size
        listed.append(Listed(source.source_id, path, source.feed, date, source.sequence, None, "", size, source.name))
    return listed


def replay(place: Place, run: Run, book: Any, threads: int | None = None) -> Replayed:
    """Compute a run again.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    run : Run
    book : Rulebook
        The one that the run was made by.
    threads : int, optional

    Raises
    ------
    NoInputError
        A copy that it needs is no longer kept.
    """
    if (book.hash, book.reference_hash) != (run.rulebook_hash, run.reference_hash):
        raise InvariantError(f"run {run.ordinal}: the pinned rule book or reference data are not what they were")
    if run.kind not in AGAIN:
        raise UsageError(f"run {run.ordinal} is of kind {run.kind}, which computes nothing: it cannot be replayed")
    attempt = secrets.token_hex(8)
    folder = protocol.stage(place, attempt)
    disk = Recorder(place.disk, run.ordinal, folder)
    try:
        digest = AGAIN[run.kind](Again(place, run, book, folder, disk, threads))
    finally:
        protocol.abandon(place, attempt)
    committed = {each.path: each.hash for each in place.catalogue.artifacts(run.ordinal, history.SEGMENT)}
    segments = [committed.get(history.SEGMENT), getattr(disk.artifacts.get(history.SEGMENT), "hash", None)]
    return Replayed(run, digest, segments[0] == segments[1])


class Again(NamedTuple):
    """A run that is computed again, and where it is written."""

    place: Place
    run: Run
    book: Any
    folder: Path
    disk: Any
    threads: int | None


def _ingest(again: Again) -> str:
    listed = copies(again.place, again.run)
    if not listed:
        raise NoInputError(f"run {again.run.ordinal} has accepted no file: there is nothing to replay")
    past = history.past(again.place, before=again.run.ordinal)
    batches = Stream(listed, again.book, again.threads, batch_bytes=BATCH_BYTES, past=past)
    try:
        return _written(again, batches)
    finally:
        batches.close()


def _settle(again: Again) -> str:
    """Whatever has become of suspended rows."""
    place, run = again.place, again.run
    if "edited" in run.arguments:
        edited, waited = suspense.corrected_by(place, run)
        return _written(again, suspense.correcting(place, again.book, edited, waited, run.ordinal))
    wanted = [{"run": number, "code": code} for number, code in run.arguments["settled"]]
    table = suspense.rows(place, wanted, before=run.ordinal)
    assert table is not None  # else there were no run
    write_off = run.kind == "write_off"
    return _written(again, suspense.settling(place, again.book, table, write_off=write_off, before=run.ordinal))


def _merge(again: Again) -> str:
    place, merged = again.place, again.run.arguments["merged"]
    given_up = place.catalogue.given_up(HISTORY)
    for each in merged:
        if each in given_up:
            raise NoInputError(f"run {given_up[each]} has given up the history of run {each}, which is needed")
    return merging.write_merged(place, merged, again.book, again.folder, again.disk, before=again.run.ordinal)["digest"]


def _written(again: Again, batches: Any) -> str:
    result = write_run(batches, again.folder, again.disk)
    history.write(again.place, batches.admission, again.run.ordinal, again.folder, again.disk)
    return result["digest"]


AGAIN: dict[str, Callable[[Again], str]] = {
    "ingest": _ingest,
    "recycle": _settle,
    "write_off": _settle,
    "merge": _merge,
}
