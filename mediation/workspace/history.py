"""The fingerprints that all runs have accepted: one segment a run, a file of its folder.

Conventions
-----------
- A run's segment is written with its tables and committed with them; it is never changed.
- An ingest opens every segment that it may have to ask. Merging, a run of its own, keeps them few.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from mediation.dedup.history import Segment, SegmentHistory, write_segment
from mediation.native._column import Batch
from mediation.pipeline.engine import Past
from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import Recycling
from mediation.workspace.catalogue import Merged, Run
from mediation.workspace.protocol import Place
from mediation.workspace.staged import staged

SEGMENT = "history.segment"
NO_ROWS = pa.table({})
MOST_MERGED = 16_000_000  # records in a merged segment: it is put together in memory


def past(place: Place, *, before: int | None = None) -> Past:
    """What a run has to know of those before it: of all, or of those before an ordinal."""
    known = [segment for _, segment in (opened(place) if before is None else every(place, before))]
    return Past(place.catalogue.setting("secret"), True, SegmentHistory(known) if known else None, "blake3")


def every(place: Place, before: int | None = None) -> list[tuple[int, Segment]]:
    """Each run's own segment, with its ordinal; of merging runs none, which have nothing of their own.

    Raises
    ------
    DamagedState
        One is not as it was written.
    """
    merging = {each.by_run for each in place.catalogue.merged()}
    wanted = _ordinals(place, before) - merging
    return [(ordinal, _open(place, ordinal)) for ordinal in sorted(wanted)]


def opened(place: Place) -> list[tuple[int, Segment]]:
    """The segments that hold everything once: merged ones in the place of those that they hold."""
    superseded = {each.run for each in place.catalogue.merged()}
    return [(ordinal, _open(place, ordinal)) for ordinal in sorted(_ordinals(place) - superseded)]


def _ordinals(place: Place, before: int | None = None) -> set[int]:
    return {each.run for each in place.catalogue.artifacts(path=SEGMENT) if before is None or each.run < before}


def _open(place: Place, ordinal: int) -> Segment:
    path = place.folder(place.catalogue.run(ordinal)) / SEGMENT
    return Segment(place.disk.open(path), place.catalogue.setting("secret"), f"of run {ordinal}")


def merge(place: Place, book: Any) -> Run | None:
    """Put many small segments into one, in a run of its own; None where there is nothing to gain.

    The segments that it holds stay where they are, for replays; they are no longer opened by an ingest.
    """
    small = sorted(opened(place), key=lambda each: (len(each[1]), each[0]))
    chosen, entries = [], 0
    for ordinal, segment in small:
        if entries + len(segment) <= MOST_MERGED:
            chosen.append((ordinal, segment))
            entries += len(segment)
    if len(chosen) < 2:
        return None
    parts = [pa.record_batch(part) for _, segment in chosen for part in segment.entries()]
    together = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
    ordinals = sorted(ordinal for ordinal, _ in chosen)
    with staged(place) as run:
        result = write_run(Recycling(NO_ROWS, {}, book), run.folder, run.disk)  # with empty tables, as any run's
        _write(place, Batch.of(together), run.folder, run.disk)
        merged = [Merged(ordinal, run.ordinal) for ordinal in ordinals]
        return run.commit("merge", book, {"merged": ordinals}, result, merged=merged)


def write(place: Place, admission: Any, folder: Path, disk: Any) -> None:
    """Write what a run has accepted."""
    if len(admission):
        _write(place, admission.entries(), folder, disk)


def _write(place: Place, entries: Batch, folder: Path, disk: Any) -> None:
    with disk.create(folder / SEGMENT) as file:
        for piece in write_segment(entries, place.catalogue.setting("secret")):
            file.write(piece)
