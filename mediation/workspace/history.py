"""The fingerprints that all runs have accepted: one segment a run, a file of its folder.

Conventions
-----------
- A run's segment is written with its tables and committed with them; it is never changed.
- An ingest opens every segment that it may have to ask. Merging, a run of its own, keeps them few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mediation.dedup.history import Segment, SegmentHistory, write_segment
from mediation.errors import NoInputError
from mediation.native._column import Batch
from mediation.pipeline.engine import Past
from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import without_rows
from mediation.workspace.protocol import Place
from mediation.workspace.rows import EventDay, Merged, Noted, Run
from mediation.workspace.staged import staged

SEGMENT = "history.segment"
MOST_MERGED = 16_000_000  # records in a merged segment: it is put together in memory


def past(place: Place, *, before: int | None = None) -> Past:
    """What a run has to know of those before it: of all, or of those before an ordinal."""
    known = [each for _, each in opened(place, before)]
    horizon = place.catalogue.horizon(before)
    return Past(place.catalogue.setting("secret"), True, SegmentHistory(known) if known else None, horizon)


def opened(place: Place, before: int | None = None) -> list[tuple[int, Segment]]:
    """The segments that hold everything once, each with its run: merged ones in the place of those that they hold.

    Raises
    ------
    DamagedState
        One is not as it was written.
    NoInputError
        One was given up since.
    """
    merged = [each for each in place.catalogue.merged() if before is None or each.by_run < before]
    ordinals = _ordinals(place, before).difference(each.run for each in merged)
    dropped = {each.run: each.by_run for each in place.catalogue.dropped() if each.part == "history"}
    for ordinal in sorted(ordinals.intersection(dropped)):
        if before is not None and dropped[ordinal] > before:
            raise NoInputError(f"run {dropped[ordinal]} has given up the history of run {ordinal}, which is needed")
    return [(ordinal, segment(place, ordinal)) for ordinal in sorted(ordinals.difference(dropped))]


def every(place: Place) -> list[tuple[int, Segment]]:
    """Every segment that is there, with its run."""
    dropped = {each.run for each in place.catalogue.dropped() if each.part == "history"}
    return [(ordinal, segment(place, ordinal)) for ordinal in sorted(_ordinals(place) - dropped)]


def event_days(place: Place) -> list[EventDay]:
    """What every run has accepted of each day, from their own segments."""
    merging = {each.by_run for each in place.catalogue.merged()}
    own = [(ordinal, found) for ordinal, found in every(place) if ordinal not in merging]
    return [days for ordinal, found in own for days in days_of(found.days, ordinal)]


def days_of(days: Iterable[tuple[int | None, int]], run: int) -> list[EventDay]:
    """The same of one segment; undated records are left out."""
    return [EventDay(day, run, records) for day, records in days if day is not None]


def _ordinals(place: Place, before: int | None = None) -> set[int]:
    return {each.run for each in place.catalogue.artifacts(path=SEGMENT) if before is None or each.run < before}


def segment(place: Place, ordinal: int) -> Segment:
    """A run's."""
    return _read(place, place.folder(place.catalogue.run(ordinal)), ordinal)


def _read(place: Place, folder: Path, ordinal: int) -> Segment:
    return Segment(place.disk.open(folder / SEGMENT), place.catalogue.setting("secret"), f"of run {ordinal}")


def merge(place: Place, book: Any) -> Run | None:
    """Put many small segments into one, in a run of its own; None where there is nothing to gain.

    The segments that it holds stay where they are, for replays; they are no longer opened by an ingest.
    """
    small = sorted(opened(place), key=lambda each: (len(each[1]), each[0]))
    chosen, entries = [], 0
    for ordinal, found in small:
        if entries + len(found) <= MOST_MERGED:
            chosen.append((ordinal, found))
            entries += len(found)
    if len(chosen) < 2:
        return None
    ordinals = sorted(ordinal for ordinal, _ in chosen)
    with staged(place) as run:
        result = write_merged(place, ordinals, book, run.folder, run.disk)
        merged = [Merged(ordinal, run.ordinal) for ordinal in ordinals]
        return run.commit("merge", book, {"merged": ordinals}, result, Noted(merged=merged))


def write_merged(place: Place, ordinals: Sequence[int], book: Any, folder: Path, disk: Any) -> dict:
    """Write the run that puts these runs' segments into one; what its run.json holds."""
    parts = [pa.record_batch(part) for ordinal in ordinals for part in segment(place, ordinal).entries()]
    together = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
    result = write_run(without_rows(book), folder, disk)
    _write(place, Batch.of(together), folder, disk)
    return result


def write(place: Place, admission: Any, run: int, folder: Path, disk: Any) -> list[EventDay]:
    """Write what a run has accepted, and say of which days."""
    if not len(admission):
        return []
    _write(place, admission.entries(), folder, disk)
    return days_of(_read(place, folder, run).days, run)


def _write(place: Place, entries: Batch, folder: Path, disk: Any) -> None:
    with disk.create(folder / SEGMENT) as file:
        for piece in write_segment(entries, place.catalogue.setting("secret")):
            file.write(piece)
