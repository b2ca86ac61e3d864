"""What could not be charged yet: looked at, rated again by the rules of today or as edited, or written off.

Conventions
-----------
- All that a run has suspended by a code is settled together, by one later run, once: what that run cannot rate either
  is suspended there, and what it was before no longer counts. The catalogue refuses a second time.
- An edited copy settles the records that it holds rows of, and no others: the rest waits on where it was. The
  catalogue notes how many items of a run and code that were; which ones stands in the run's own `edited.parquet`,
  as they then were, beside the run and code that they waited by.
- What is too old to be told from a repeat is looked up again, and waits on unless it is edited into what can be told.
- Recycling and writing off are runs, with certificates of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mediation.errors import NoInputError, UsageError
from mediation.pipeline.correct import Correcting
from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import Recycling, record_keys
from mediation.workspace import history
from mediation.workspace.edited import IDENTITY, Copy, plain, read_copy
from mediation.workspace.protocol import Place
from mediation.workspace.rows import EDITED, RESULTS, Artifact, Corrected, EventDay, Noted, Run, Settled
from mediation.workspace.staged import Staged, staged
from mediation.workspace.status import waiting

NOT_ADMITTED = "deduplicate"  # the stage of rows that no run has accepted: they are looked up before they are rated


class Settling(NamedTuple):
    """What a run of suspense came to."""

    run: Run | None  # None: nothing was waiting
    result: dict


def chosen(place: Place, codes: Collection[str] = (), runs: Collection[int] = ()) -> list[dict]:
    """What is waiting, of these codes and runs; of all where none are named.

    Raises
    ------
    UsageError
        Nothing has ever been suspended by one of the codes, or there is no such run.
    """
    ever = place.catalogue.suspended_codes()
    strange = sorted(set(codes) - ever)
    if strange:
        raise UsageError(f"nothing was suspended by {strange[0]}; codes: {', '.join(sorted(ever)) or 'none'}")
    if beyond := [run for run in runs if not 1 <= run <= place.catalogue.run_count()]:
        raise UsageError(f"there is no run {beyond[0]}")
    found = waiting(place)
    return [each for each in found if (not codes or each["code"] in codes) and (not runs or each["run"] in runs)]


def rows(
    place: Place,
    wanted: list[dict],
    *,
    before: int | None = None,
    sources: Collection[int] | None = None,
    columns: list[str] | None = None,
) -> pa.Table | None:
    """The suspended rows that wait, with the `run` in which they do; None where there are none.

    Parameters
    ----------
    place : Place
    wanted : list of dict
        As of `chosen`.
    before : int, optional
        As they waited before a run.
    sources : collection of int, optional
        Of these sources only.
    columns : list of str, optional
        These only, with those that identify a row.

    Raises
    ------
    NoInputError
        A run has given up its tables since, in which nothing waits any more.
    """
    codes: dict[int, list[str]] = {}
    for each in wanted:
        codes.setdefault(each["run"], []).append(each["code"])
    asked = columns and list(dict.fromkeys([*IDENTITY, "code", *columns]))
    filters = None if sources is None else [("source_id", "in", sorted(sources))]
    parts = []
    for number in sorted(codes):
        if _has_given_up(place, number):
            raise NoInputError(f"run {number} has given up its tables, which are needed")
        gone = _corrected(place, number, before)
        for artifact in place.catalogue.artifacts(number, "suspended/part-%"):
            table = pq.read_table(_path(place, artifact), columns=asked, filters=filters)
            waits = pc.is_in(table["code"].cast(pa.utf8()), value_set=pa.array(codes[number], pa.utf8()))
            if gone.size:
                waits = pc.and_(waits, pa.array(~np.isin(record_keys(table), gone)))
            table = table.filter(waits)
            parts.append(table.append_column("run", pa.array(np.full(len(table), number))))
    return pa.concat_tables(parts, promote_options="permissive") if parts else None


def _corrected(place: Place, run: int, before: int | None) -> np.ndarray:
    """The records that a run has suspended, and a later one has rated edited."""
    by_runs = {each.by_run for each in place.catalogue.corrected(run) if before is None or each.by_run < before}
    paths = [_path(place, each) for by_run in sorted(by_runs) for each in place.catalogue.artifacts(by_run, EDITED)]
    found = [record_keys(pq.read_table(path, filters=[("run", "=", run)])) for path in paths]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _has_given_up(place: Place, run: int) -> bool:
    return any(each.part == RESULTS for each in place.catalogue.dropped_of(run))


def _path(place: Place, artifact: Artifact) -> Path:
    return place.folder(place.catalogue.run(artifact.run)) / artifact.path


def settle(place: Place, book: Any, wanted: list[dict], *, write_off: bool) -> Settling:
    """Rate what is waiting again, or write it off, in a run of its own.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
        By which it is rated.
    wanted : list of dict
        As of `chosen`.
    """
    table = rows(place, wanted)
    if table is None or not table.num_rows:
        return Settling(None, {})
    with staged(place) as run:
        batches = settling(place, book, table, write_off=write_off)
        result = write_run(batches, run.folder, run.disk)
        settled = [Settled(each["run"], each["code"], run.ordinal) for each in wanted]
        arguments = {"settled": [[each.run, each.code] for each in settled]}
        noted = Noted(settled=settled, event_days=_accepted(place, batches, run))
        return Settling(run.commit("write_off" if write_off else "recycle", book, arguments, result, noted), result)


def _accepted(place: Place, batches: Recycling, run: Staged) -> list[EventDay]:
    return history.write(place, batches.admission, run.ordinal, run.folder, run.disk)


def settling(
    place: Place, book: Any, table: pa.Table, *, write_off: bool = False, before: int | None = None
) -> Recycling:
    """The run over rows that wait, on the state of today or before a run."""
    if not write_off and pc.any(pc.equal(table["stage"].cast(pa.utf8()), NOT_ADMITTED)).as_py():
        return correcting(place, book, table, table, before)
    return Recycling(table, place.catalogue.source_names(), book, write_off=write_off)


# ------------------------------------------------------------------------------------------ edited copies


def correct(place: Place, book: Any, path: Path) -> Settling:
    """Rate waiting rows as somebody has edited them, in a run of its own.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
        By which they are rated.
    path : Path
        The copy, as of `read_copy`.

    Raises
    ------
    EditedCopyError
        The copy cannot be taken: nothing was written.
    """
    copy = read_copy(path)
    if not len(copy):
        return Settling(None, {})
    told = pc.unique(copy["source_id"].cast(pa.utf8()).drop_null()).to_pylist()
    known = {source_id for source_id in place.catalogue.source_names() if str(source_id) in told}
    table = rows(place, waiting(place), sources=known)
    if table is None:
        table = pa.table({name: pa.array([], book.usage_columns[name]) for name in IDENTITY})
    now, waited = Copy(copy, plain(table), book, lambda identity: _strange(place, identity)).rows()
    edited = pa.Table.from_batches([now])
    with staged(place) as run:
        with run.disk.create(run.folder / EDITED) as file:
            pq.write_table(edited, file, compression="zstd")
        batches = correcting(place, book, edited, pa.Table.from_batches([waited]))
        result = write_run(batches, run.folder, run.disk)
        corrected = _noted(place, edited, run.ordinal)
        arguments = {
            "edited": run.disk.artifacts[EDITED].hash,
            "corrected": [[each.run, each.code, each.items, each.oldest] for each in corrected],
        }
        noted = Noted(corrected=corrected, event_days=_accepted(place, batches, run))
        return Settling(run.commit("recycle", book, arguments, result, noted), result)


def correcting(place: Place, book: Any, edited: pa.Table, waited: pa.Table, before: int | None = None) -> Correcting:
    """The run over edited rows, on the state of today or before a run."""

    def earlier(records: set[tuple[int, int]]) -> list[pa.Table]:
        return _earlier(place, records, before)

    past = history.past(place, before=before)
    return Correcting(edited, waited, place.catalogue.source_names(), book, past, earlier)


def corrected_by(place: Place, run: Run) -> tuple[pa.Table, pa.Table]:
    """What a run has rated edited: as it then was, and as it had waited before."""
    if _has_given_up(place, run.ordinal):
        raise NoInputError(f"run {run.ordinal} has given up its tables, which are needed")
    (artifact,) = place.catalogue.artifacts(run.ordinal, EDITED)
    edited = pq.read_table(_path(place, artifact))
    wanted = [{"run": number, "code": code} for number, code, *_ in run.arguments["corrected"]]
    table = rows(place, wanted, before=run.ordinal, sources=pc.unique(edited["source_id"]).to_pylist())
    assert table is not None
    waited = table.filter(pa.array(np.isin(record_keys(table), record_keys(edited))))
    return edited, waited


def _noted(place: Place, edited: pa.Table, by_run: int) -> list[Corrected]:
    """How much of which run and code was edited, and the first day of what is left of each."""
    counts = Counter(zip(edited["run"].to_pylist(), edited["code"].to_pylist(), strict=True))
    table = rows(place, [{"run": run, "code": code} for run, code in counts], columns=["start_time"])
    assert table is not None
    left = plain(table.filter(pa.array(~np.isin(record_keys(table), record_keys(edited)))))
    firsts = pa.table(left).group_by(["run", "code"]).aggregate([("start_time", "min")]).to_pylist()
    oldest = {(row["run"], row["code"]): row["start_time_min"] for row in firsts}
    return [
        Corrected(run, code, by_run, items, day.date().isoformat() if (day := oldest.get((run, code))) else None)
        for (run, code), items in sorted(counts.items())
    ]


def _earlier(place: Place, records: set[tuple[int, int]], before: int | None) -> list[pa.Table]:
    """All that records were when they came, and when runs rated them edited: one table for each time."""
    ids = sorted({source_id for source_id, _ in records})
    keys = np.array([source_id << 32 | record_no for source_id, record_no in records])
    came_in = {place.catalogue.run_of_source(source_id) for source_id in ids}
    found = [each for run in came_in for each in place.catalogue.artifacts(run, "suspended/part-%")]
    found += [each for each in place.catalogue.artifacts(path=EDITED) if before is None or each.run < before]
    paths = [_path(place, each) for each in found if not _has_given_up(place, each.run)]
    tables = [pq.read_table(path, filters=[("source_id", "in", ids)]) for path in paths]
    return [found for each in tables if len(found := each.filter(pa.array(np.isin(record_keys(each), keys))))]


def _strange(place: Place, identity: tuple[int, ...]) -> str:
    """Why there is no such row among those that wait."""
    run = place.catalogue.run_of_source(identity[0])
    if run is None:
        return "there is no such source"
    every = [{"run": run, "code": code} for code, *_ in place.catalogue.suspended(run)]
    table = rows(place, every, before=run, sources=[identity[0]], columns=list(IDENTITY))
    was = table is not None and identity in zip(*(table[name].to_pylist() for name in IDENTITY), strict=True)
    return "waits no longer: it was settled" if was else "was never suspended"
