"""Segments of the history put into one, in runs of their own, so that the next run opens few of them.

Conventions
-----------
- A segment's tier follows from its file's length: each is of files `FACTOR` times as long as the one before. As soon as
  `FACTOR` segments of a tier stand there, they become one of a higher tier. A record is so written again once a tier at
  most, and fewer than `FACTOR` segments of each tier are opened, besides those that nothing can be put to.
- Nothing is put together beyond `MOST_BYTES`. Lengths are known to the catalogue: choosing opens no file.
- The segments that a merged one holds stay where they are, for replays of runs before it; no later run opens them.
- What lies before the history's horizon is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mediation.dedup.history import merge_segments
from mediation.errors import MediationError
from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import without_rows
from mediation.workspace import history
from mediation.workspace.ingest import Report
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Artifact, Merged, Noted, Run
from mediation.workspace.staged import staged

FACTOR = 16
MOST_BYTES = 64_000_000 * 24  # 64 M records
MOST_TOGETHER = 256  # open files


def merge(place: Place, book: Any) -> Run | None:
    """Put small segments into one, whatever their tiers, the smallest first; None where there is nothing to gain."""
    return _merge(place, book, _fitting(sorted(history.standing(place), key=lambda each: (each.bytes, each.run))))


def after(place: Place, book: Any, report: Report) -> Report:
    """Put together what a run has filled the tiers with; a fault is told, and leaves the run as it is.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
    report : Report
        Of the run.
    """
    merges: list[Run] = []
    try:
        while report.run is not None and (run := _merge(place, book, _full(history.standing(place)))):
            merges.append(run)
    except (MediationError, OSError) as error:
        return report._replace(merges=merges, merge_fault=str(error))
    except KeyboardInterrupt:
        return report._replace(merges=merges, merge_fault="stopped")
    return report._replace(merges=merges)


def _tier(size: int) -> int:
    tier = 0
    while size >= FACTOR:
        size //= FACTOR
        tier += 1
    return tier


def _full(segments: Iterable[Artifact]) -> list[Artifact]:
    """The oldest of the lowest tier that is full, as many as fit into one; none where none is."""
    tiers = defaultdict(list)
    for each in segments:
        tiers[_tier(each.bytes)].append(each)
    found = (_fitting(those) for _, those in sorted(tiers.items()) if len(those) >= FACTOR)
    return next((chosen for chosen in found if len(chosen) > 1), [])


def _fitting(segments: Iterable[Artifact]) -> list[Artifact]:
    chosen, left = [], MOST_BYTES
    for each in segments:
        if each.bytes <= left and len(chosen) < MOST_TOGETHER:
            chosen.append(each)
            left -= each.bytes
    return chosen


def _merge(place: Place, book: Any, chosen: list[Artifact]) -> Run | None:
    if len(chosen) < 2:
        return None
    ordinals = sorted(each.run for each in chosen)
    with staged(place) as run:
        result = write_merged(place, ordinals, book, run.folder, run.disk)
        merged = [Merged(ordinal, run.ordinal) for ordinal in ordinals]
        return run.commit("merge", book, {"merged": ordinals}, result, Noted(merged=merged))


def write_merged(
    place: Place, ordinals: Sequence[int], book: Any, folder: Path, disk: Any, *, before: int | None = None
) -> dict:
    """Write the run that puts these runs' segments into one, today or as the run of an ordinal.

    Returns
    -------
    dict
        What its run.json holds.
    """
    segments = [history.segment(place, ordinal) for ordinal in ordinals]
    result = write_run(without_rows(book), folder, disk)
    pieces = merge_segments(segments, place.catalogue.setting("secret"), place.catalogue.horizon(before))
    history.write_pieces(pieces, folder, disk)
    return result
