"""What could not be charged yet: looked at, rated again by the rules of today, or written off.

Conventions
-----------
- All that a run has suspended by a code is settled together, by one later run, once: what that run cannot rate either
  is suspended there, and what it was before no longer counts. The catalogue refuses a second time.
- Recycling and writing off are runs, with certificates of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow as pa

from mediation.errors import UsageError
from mediation.pipeline.output import write_run
from mediation.pipeline.recycle import Recycling
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Noted, Run, Settled
from mediation.workspace.staged import staged
from mediation.workspace.status import waiting


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


def rows(place: Place, wanted: list[dict]) -> pa.Table | None:
    """The suspended rows; None where there are none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    codes: dict[int, list[str]] = {}
    for each in wanted:
        codes.setdefault(each["run"], []).append(each["code"])
    parts = []
    for run in place.catalogue.runs():
        for artifact in place.catalogue.artifacts(run.ordinal, "suspended/part-%") if run.ordinal in codes else ():
            table = pq.read_table(place.folder(run) / artifact.path)
            of_codes = pc.is_in(table["code"].cast(pa.utf8()), value_set=pa.array(codes[run.ordinal], pa.utf8()))
            parts.append(table.filter(of_codes))
    return pa.concat_tables(parts, promote_options="permissive") if parts else None


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
    names = {source.source_id: (source.name, source.feed or "") for source in place.catalogue.sources()}
    kind = "write_off" if write_off else "recycle"
    with staged(place) as run:
        result = write_run(Recycling(table, names, book, write_off=write_off), run.folder, run.disk)
        settled = [Settled(each["run"], each["code"], run.ordinal) for each in wanted]
        arguments = {"settled": [[each.run, each.code] for each in settled]}
        return Settling(run.commit(kind, book, arguments, result, Noted(settled=settled)), result)
