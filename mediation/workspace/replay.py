"""A committed run once more: from the kept copies of its files, the rule book it was made by, and the state before it.

Conventions
-----------
- It is written like a run, hashed, and forgotten: what counts is that the digest is the same.
- Copies are kept as long as retention says; a run whose copies are gone cannot be replayed, and the error says so.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any, NamedTuple

from mediation.errors import InvariantError, NoInputError, UsageError
from mediation.pipeline.output import write_run
from mediation.pipeline.run import Stream
from mediation.pipeline.sources import Listed
from mediation.workspace import history, protocol
from mediation.workspace.intake import kept_copy
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Run

LEAST_OF_ID = 8  # characters, so that an ordinal is not one


class Replayed(NamedTuple):
    """A run's digest as committed, and as it came out again."""

    run: Run
    digest: str

    @property
    def same(self) -> bool:
        """Whether they are equal."""
        return self.digest == self.run.totals["digest"]


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
    listed = copies(place, run)
    if not listed:
        raise NoInputError(f"run {run.ordinal} has accepted no file: there is nothing to replay")
    past = history.past(place, before=run.ordinal)
    attempt = secrets.token_hex(8)
    folder = protocol.stage(place, attempt)
    batches = Stream(listed, book, threads, past=past)
    try:
        return Replayed(run, write_run(batches, folder, place.disk)["digest"])
    finally:
        batches.close()
        protocol.abandon(place, attempt)
