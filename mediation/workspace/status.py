"""What is committed, and what somebody should look at.

Conventions
-----------
- Suspense is what runs have suspended and no later run has rated again or written off, in items. It ages by event days:
  from the first that waits to the newest of which any record was accepted; no clock is asked.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.run import TABLES
from mediation.workspace.collection import collection, missing_files
from mediation.workspace.protocol import Place
from mediation.workspace.staged import SUMMED

EPOCH = dt.date(1970, 1, 1)
RUN_COLUMNS = {
    "ordinal": pa.int64(),
    "run_id": pa.utf8(),
    "kind": pa.utf8(),
    "version": pa.utf8(),
    "rulebook_hash": pa.utf8(),
    "reference_hash": pa.utf8(),
    "chain": pa.utf8(),
    **dict.fromkeys(SUMMED, pa.int64()),
}
FILE_COLUMNS = {
    "source_id": pa.int64(),
    "run": pa.int64(),
    "name": pa.utf8(),
    "feed": pa.utf8(),
    "date": pa.utf8(),
    "sequence": pa.int64(),
    "content_hash": pa.utf8(),
    "file_bytes": pa.int64(),
    "refused": pa.utf8(),
    **dict.fromkeys((*INTO, *OUT_OF, "bytes_in"), pa.int64()),
}
MISSING_COLUMNS = {"feed": pa.utf8(), "date": pa.utf8(), "sequence": pa.int64()}


def tables(place: Place) -> dict[str, Any]:
    """Name -> Arrow dataset or table of what is committed."""
    import pyarrow.dataset

    runs, sources = place.catalogue.runs(), place.catalogue.sources()
    folders = {run.ordinal: place.folder(run) for run in runs}
    found: dict[str, Any] = {}
    for name in TABLES:
        files = [
            str(folders[each.run] / each.path) for each in place.catalogue.artifacts(path=f"{name}/part-%.parquet")
        ]
        if files:
            found[name] = pyarrow.dataset.dataset(files, format="parquet")
    told = [{**run._asdict(), **run.totals} for run in runs]
    found["runs"] = pa.Table.from_pylist(told, schema=pa.schema(list(RUN_COLUMNS.items())))
    told = [{**source._asdict(), **source.counts} for source in sources]
    found["files"] = pa.Table.from_pylist(told, schema=pa.schema(list(FILE_COLUMNS.items())))
    found["missing"] = pa.Table.from_pylist(missing_files(place), schema=pa.schema(list(MISSING_COLUMNS.items())))
    return found


def status(place: Place) -> dict:
    """Runs, files, what was collected, suspense, totals, and the certificates' last link."""
    catalogue = place.catalogue
    last = catalogue.last_run()
    return {
        "runs": catalogue.run_count(),
        "files": catalogue.file_count(),
        "refused": _named(("name", "run", "code"), catalogue.refused()),
        **collection(place),
        "suspense": [_aged(each, catalogue.newest_day()) for each in waiting_by_code(place)],
        "totals": dict.fromkeys(SUMMED, 0) if last is None else last.sums,
        "last_run": None if last is None else last.run_id,
        "chain": None if last is None else last.chain,
        "interrupted": len(catalogue.unpublished()),
    }


def waiting(place: Place) -> list[dict]:
    """What is suspended: run, code, items, and the first event day."""
    return _named(("run", "code", "items", "oldest_day"), place.catalogue.waiting())


def waiting_by_code(place: Place) -> list[dict]:
    """The same by code, with the oldest run."""
    return _named(("code", "items", "since_run", "oldest_day"), place.catalogue.waiting_by_code())


def _aged(waits: dict, newest: int | None) -> dict:
    """With the days from the first event that waits to the newest that was accepted, where both are known."""
    oldest = waits["oldest_day"]
    age = None if oldest is None or newest is None else newest - (dt.date.fromisoformat(oldest) - EPOCH).days
    return {**waits, "age_days": age}


def _named(names: tuple[str, ...], rows: list[tuple]) -> list[dict]:
    return [dict(zip(names, row, strict=True)) for row in rows]
