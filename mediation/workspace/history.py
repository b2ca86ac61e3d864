"""The fingerprints that all runs have accepted: one segment a run, a file of its folder.

Conventions
-----------
- A run's segment is written with its tables and committed with them; it is never changed.
- A run asks every segment that holds what no other does. Merging, a run of its own, keeps them few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mediation.dedup.history import Segment, SegmentHistory, write_segment
from mediation.errors import NoInputError
from mediation.pipeline.engine import Past
from mediation.workspace.protocol import Place
from mediation.workspace.rows import HISTORY, Artifact, EventDay

SEGMENT = "history.segment"


def past(place: Place, *, before: int | None = None) -> Past:
    """What a run has to know of those before it: of all, or of those before an ordinal."""
    known, horizon = [each for _, each in opened(place, before)], place.catalogue.horizon(before)
    secret = place.catalogue.setting("secret")
    return Past(secret, True, SegmentHistory(known) if known else None, horizon, "blake3")


def opened(place: Place, before: int | None = None) -> list[tuple[int, Segment]]:
    """The segments that hold everything once, each with its run: merged ones in the place of those that they hold.

    Raises
    ------
    DamagedState
        One is not as it was written.
    NoInputError
        One was given up since.
    """
    return [(each.run, segment(place, each.run)) for each in standing(place, before)]


def standing(place: Place, before: int | None = None) -> list[Artifact]:
    """The files of these segments."""
    found = place.catalogue.unmerged(SEGMENT, before)
    given_up = place.catalogue.given_up(HISTORY)
    for each in found:
        if before is not None and given_up.get(each.run, 0) > before:
            raise NoInputError(f"run {given_up[each.run]} has given up the history of run {each.run}, which is needed")
    return [each for each in found if each.run not in given_up]


def every(place: Place) -> Iterator[tuple[int, Segment]]:
    """Every segment that is there, with its run, one after the other."""
    given_up = place.catalogue.given_up(HISTORY)
    there = (each.run for each in place.catalogue.artifacts(path=SEGMENT) if each.run not in given_up)
    return ((ordinal, segment(place, ordinal)) for ordinal in there)


def event_days(place: Place) -> list[EventDay]:
    """What every run has accepted of each day, from their own segments."""
    merging = {each.by_run for each in place.catalogue.merged()}
    own = ((ordinal, found) for ordinal, found in every(place) if ordinal not in merging)
    return [days for ordinal, found in own for days in days_of(found.days, ordinal)]


def days_of(days: Iterable[tuple[int | None, int]], run: int) -> list[EventDay]:
    """The same of one segment; undated records are left out."""
    return [EventDay(day, run, records) for day, records in days if day is not None]


def segment(place: Place, ordinal: int) -> Segment:
    """A run's."""
    return _read(place, place.folder(place.catalogue.run(ordinal)), ordinal)


def _read(place: Place, folder: Path, ordinal: int) -> Segment:
    return Segment(place.disk.open(folder / SEGMENT), place.catalogue.setting("secret"), f"of run {ordinal}")


def write(place: Place, admission: Any, run: int, folder: Path, disk: Any) -> list[EventDay]:
    """Write what a run has accepted, and say of which days."""
    if not len(admission):
        return []
    write_pieces(write_segment(admission.entries(), place.catalogue.setting("secret")), folder, disk)
    return days_of(_read(place, folder, run).days, run)


def write_pieces(pieces: Iterable[bytes], folder: Path, disk: Any) -> None:
    """Write a segment into a run's folder."""
    with disk.create(folder / SEGMENT) as file:
        for piece in pieces:
            file.write(piece)
