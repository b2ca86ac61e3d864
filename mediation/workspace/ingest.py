"""One run of a workspace: given files in, a committed run out, or nothing.

Conventions
-----------
- A file whose content a run has accepted before is reported and takes no part; when no other is left there is no run.
- A refused file is part of the run, outside its equation, and may be given again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mediation.errors import InvariantError, TemporaryError
from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.output import BATCH_BYTES, write_run
from mediation.pipeline.run import Stream
from mediation.pipeline.sources import list_sources
from mediation.workspace import history, protocol, sequences
from mediation.workspace.intake import KEPT, Taken, take_in
from mediation.workspace.protocol import Place
from mediation.workspace.rows import EventDay, Move, Noted, Repeat, Run, SourceRow
from mediation.workspace.staged import Staged, staged

OF_SOURCE = (*INTO, *OUT_OF, "bytes_in", "conflicts", "sum_verified", "unknown_elements", "closure", "lost_records")


class Report(NamedTuple):
    """What an ingest came to."""

    run: Run | None  # None: no new file was given
    repeats: list[Taken]
    result: dict  # what the run's run.json holds; and in its stages `keep`, making the copies
    merges: Sequence[Run] = ()  # runs that followed, in which the history's segments were put together
    merge_fault: str | None = None  # why the next of these has failed


def ingest(
    place: Place,
    book: Any,
    paths: Iterable,
    *,
    threads: int | None = None,
    inbox: Path | None = None,
    on_progress: Callable[[Any], None] | None = None,
) -> Report:
    """Process files and commit what comes of them.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
        The workspace's.
    paths : iterable of path
    threads : int, optional
    inbox : Path, optional
        The files are moved from here to ``done/`` or ``quarantine/`` in it once the run is committed.
    on_progress : callable, optional
        As of `write_run`.
    """
    with staged(place) as run:
        run.disk.make_folder(run.folder / KEPT)
        wall, cpu = time.perf_counter(), time.process_time()
        given, workers = list_sources(paths, book), threads or os.cpu_count() or 1
        taken = take_in(given, book, place.catalogue, run.disk, run.folder, workers)
        keeping = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "rows": 0}
        fresh = [each for each in taken if each.is_new]
        repeats = [each for each in taken if not each.is_new]
        if not fresh:
            run.abandon()
            place.catalogue.add_moves(_moves(place, inbox, repeats, set()), _noted(repeats))
            protocol.finish_moves(place)
            return Report(None, repeats, {})
        batches = Stream(
            [each.listed for each in fresh], book, threads, batch_bytes=BATCH_BYTES, past=history.past(place)
        )
        result, event_days = _write(place, batches, run, on_progress)
        seen = sequences.write(batches.stretches, run)
        result["stages"]["keep"] = keeping  # is over before run.json is written, and not part of what it tells
        sources = _source_rows(run, book, fresh, result)
        run.disk.sync_folder(run.folder / KEPT)
        refused = {source.name for source in sources if source.refused}
        arguments = {"inputs": [each.content_hash or each.file_hash for each in fresh]}
        moves = _moves(place, inbox, taken, refused)
        noted = Noted(sources=sources, moves=moves, repeats=_noted(repeats), event_days=event_days, seen=seen)
        return Report(run.commit("ingest", book, arguments, result, noted), repeats, result)


def _write(place: Place, batches: Stream, run: Staged, on_progress: Any) -> tuple[dict, list[EventDay]]:
    try:
        result = write_run(batches, run.folder, run.disk, on_progress)
        event_days = history.write(place, batches.admission, run.ordinal, run.folder, run.disk)
        run.disk.sync_folder(run.folder)
    finally:
        batches.close()
    return result, event_days


def _source_rows(run: Staged, book: Any, fresh: list[Taken], result: dict) -> list[SourceRow]:
    """The run's files as it saw them; copies of refused ones are given up."""
    rows = []
    for each, found in zip(fresh, result["sources"], strict=True):
        listed, refused = each.listed, found["refused"]
        if refused is None and found["content_hash"] != each.content_hash:
            raise TemporaryError(f"{listed.name}: changed while it was read; nothing was committed")
        if refused is not None and each.kept is not None:
            run.disk.remove(each.kept)
        date = listed.date.isoformat() if listed.date else None
        named = (found["source_id"], run.ordinal, listed.name, listed.feed, date, listed.sequence)
        counts = {name: found[name] for name in OF_SOURCE}
        late_after = None if listed.feed is None else book.feeds[listed.feed].declared.late_after_days
        if late_after is not None:
            counts["late_after_days"] = late_after
        rows.append(
            SourceRow(*named, each.content_hash, each.file_hash, listed.file_bytes, refused, found["detail"], counts)
        )
    return rows


def _noted(repeats: list[Taken]) -> list[Repeat]:
    return [Repeat(each.content_hash, each.listed.name) for each in repeats if each.content_hash is not None]


def _moves(place: Place, inbox: Path | None, taken: list[Taken], refused: set[str]) -> list[Move]:
    if inbox is None:
        return []
    moves = []
    for each in taken:
        name, path = each.listed.path.name, each.listed.path
        target = inbox / ("quarantine" if each.listed.name in refused else "done") / name
        if place.disk.exists(target):
            target = target.with_name(f"{name}.{each.file_hash[:16]}")
        if not each.file_hash:
            raise InvariantError(f"{each.listed.name}: cannot be read, and so not be moved")
        moves.append(Move(str(path.absolute()), str(target.absolute()), each.file_hash))
    return moves
