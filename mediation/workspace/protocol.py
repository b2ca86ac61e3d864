"""How a run is made to last: staged, committed, published; and what is done about one that was interrupted.

Conventions
-----------
- A run is written into `staging/ATTEMPT`, whose name no other attempt has. When all of it is on disk, one transaction
  of the catalogue commits it; then its folder is renamed to `runs/FOLDER` and its inputs are moved.
- Before the transaction nothing names what was written: a death leaves rubbish, and the inputs where they were. After
  it, `recover` repeats what was left undone, any number of times.
- A rename may be lost with a power failure until both folders were synced; only then the catalogue forgets the attempt.
- What a run gives up is removed after its transaction, in the same way: repeated until it lasts.
- A commit that was reported as failed may come back with the next start, as long as its frames stand in SQLite's log.
  So an attempt's files are removed only after another transaction was written over them.
- Nothing here knows what a run computes; that is `ingest.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mediation.errors import InvariantError, TemporaryError
from mediation.pipeline.disk import Disk
from mediation.workspace.catalogue import Catalogue
from mediation.workspace.rows import Noted, Run

STAGING, RUNS = "staging", "runs"


class Place(NamedTuple):
    """A workspace: its folder, the disk that it lies on, and its catalogue."""

    root: Path
    disk: Disk
    catalogue: Catalogue

    def folder(self, run: Run) -> Path:
        """Where a run's files are, published or not yet."""
        published = self.root / RUNS / run.folder
        if run.attempt is None or self.disk.exists(published):
            return published
        return self.root / STAGING / run.attempt


def stage(place: Place, attempt: str) -> Path:
    """The folder of an attempt, new and empty."""
    folder = place.root / STAGING / attempt
    place.disk.make_folder(folder)
    return folder


def abandon(place: Place, attempt: str) -> None:
    """Forget an attempt that was not committed."""
    folder = place.root / STAGING / attempt
    if place.disk.exists(folder):
        place.disk.remove(folder)


def commit(place: Place, run: Run, noted: Noted) -> None:
    """Commit a staged run whose files are on disk, and publish it.

    Raises
    ------
    InvariantError
        It was committed before.
    TemporaryError
        Something failed; the message says whether the run is committed.
    """
    assert run.attempt is not None
    place.disk.sync_folder(place.root / STAGING / run.attempt)
    place.disk.sync_folder(place.root / STAGING)
    place.catalogue.commit(run, noted)
    try:
        publish(place, run)
        finish_moves(place)
        finish_removals(place)
    except OSError as error:
        raise TemporaryError(
            f"{place.root}: run {run.ordinal} is committed, and will be published by whoever writes next: {error}"
        ) from error


def publish(place: Place, run: Run) -> None:
    """Put a committed run's folder into its place."""
    assert run.attempt is not None
    staged, published = place.root / STAGING / run.attempt, place.root / RUNS / run.folder
    if place.disk.exists(staged):
        place.disk.rename(staged, published)
    elif not place.disk.exists(published):
        raise InvariantError(f"run {run.ordinal} is committed, and neither {staged} nor {published} is there")
    place.disk.sync_folder(place.root / RUNS)
    place.disk.sync_folder(place.root / STAGING)
    place.catalogue.published(run.ordinal)


def finish_moves(place: Place) -> None:
    """Move the inputs of committed runs; one that has gone, or is another file by now, is left alone."""
    moves = place.catalogue.moves()
    ready: set[Path] = set()
    changed: set[Path] = set()
    for move in moves:
        source, target = Path(move.source), Path(move.target)
        if place.disk.exists(source) and place.disk.hash(source) == move.file_hash:
            if target.parent not in ready:
                _ensure_folder(place, target.parent)
                ready.add(target.parent)
            place.disk.rename(source, target)
        if place.disk.exists(target):  # moved just now, or by somebody who could not tell whether that lasts
            changed |= {source.parent, target.parent}
    for folder in sorted(changed):
        place.disk.sync_folder(folder)
    if moves:
        place.catalogue.moved(moves)


def _ensure_folder(place: Place, folder: Path) -> None:
    """Have a folder that lasts; one that is there may have been made by somebody who died before the sync."""
    if not place.disk.exists(folder):
        place.disk.make_folder(folder)
    place.disk.sync_folder(folder.parent)


def finish_removals(place: Place) -> None:
    """Remove what committed runs have given up."""
    removals = place.catalogue.removals()
    changed: set[Path] = set()
    for removal in removals:
        path = place.root / removal.path
        if place.disk.exists(path):
            place.disk.remove(path)
        changed.add(path.parent)  # also of what is gone: who has removed it may have died before the sync
    for folder in sorted(changed):
        place.disk.sync_folder(folder)
    if removals:
        place.catalogue.removed(removals)


def recover(place: Place) -> None:
    """Finish what was committed, and forget what was not.

    Raises
    ------
    TemporaryError
        The disk does not let us.
    """
    try:
        for run in place.catalogue.unpublished():
            publish(place, run)
        finish_moves(place)
        finish_removals(place)
        left = place.disk.names(place.root / STAGING)
        if left:
            place.catalogue.settle()
        for name in left:  # no attempt has its name again, so that it does not matter when this reaches the disk
            place.disk.remove(place.root / STAGING / name)
    except OSError as error:
        raise TemporaryError(f"{place.root}: an interrupted run cannot be finished: {error}") from error
