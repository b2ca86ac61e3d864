"""What is committed, and what somebody should look at.

Conventions
-----------
- Suspense is what runs have suspended and no later run has rated again or written off, in items. It ages by event days:
  from the first that waits to the watermark, the newest that was accepted; no clock is asked.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pyarrow as pa

from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.run import TABLES
from mediation.workspace import retention
from mediation.workspace.collection import collection, missing_files
from mediation.workspace.protocol import Place
from mediation.workspace.rows import RESULTS, named
from mediation.workspace.staged import SUMMED

PUBLISHED_WITHIN_S, ASK_AGAIN_S = 1.0, 0.01
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
    **dict.fromkeys((*INTO, *OUT_OF, "bytes_in", "unknown_elements"), pa.int64()),
    "closure": pa.utf8(),
    "lost_records": pa.int64(),
}
MISSING_COLUMNS = {"feed": pa.utf8(), "date": pa.utf8(), "sequence": pa.int64()}


def tables(place: Place) -> dict[str, Any]:
    """Name -> Arrow dataset or table of what is committed."""
    import pyarrow.dataset

    _await_publication(place)
    runs, sources = place.catalogue.runs(), place.catalogue.sources()
    folders = {run.ordinal: place.folder(run) for run in runs}
    given_up = place.catalogue.given_up(RESULTS)
    found: dict[str, Any] = {}
    for name in TABLES:
        parts = place.catalogue.artifacts(path=f"{name}/part-%.parquet")
        files = [str(folders[each.run] / each.path) for each in parts if each.run not in given_up]
        if files:
            found[name] = pyarrow.dataset.dataset(files, format="parquet")
    told = [{**run._asdict(), **run.totals} for run in runs]
    found["runs"] = pa.Table.from_pylist(told, schema=pa.schema(list(RUN_COLUMNS.items())))
    told = [{**source._asdict(), **source.counts} for source in sources]
    found["files"] = pa.Table.from_pylist(told, schema=pa.schema(list(FILE_COLUMNS.items())))
    found["missing"] = pa.Table.from_pylist(missing_files(place), schema=pa.schema(list(MISSING_COLUMNS.items())))
    return found


def _await_publication(place: Place) -> None:
    """Let a run that was committed just now come to its place; one whose writer died stays where it is."""
    until = time.monotonic() + PUBLISHED_WITHIN_S
    while place.catalogue.unpublished() and time.monotonic() < until:
        time.sleep(ASK_AGAIN_S)


def status(place: Place) -> dict:
    """Runs, files, what was collected, suspense, totals, and the certificates' last link."""
    catalogue = place.catalogue
    last, watermark = catalogue.last_run(), retention.date_of(retention.watermark(place))
    return {
        "runs": catalogue.run_count(),
        "files": catalogue.file_count(),
        "refused": named(("name", "run", "code"), catalogue.refused()),
        **collection(place),
        "suspense": [_aged(each, watermark) for each in waiting_by_code(place)],
        "totals": dict.fromkeys(SUMMED, 0) if last is None else last.sums,
        "last_run": None if last is None else last.run_id,
        "chain": None if last is None else last.chain,
        "watermark": retention.written(watermark),
        "history_from": retention.written(retention.date_of(catalogue.horizon())),
        "interrupted": len(catalogue.unpublished()),
    }


def waiting(place: Place) -> list[dict]:
    """What is suspended: run, code, items, and the first event day."""
    return named(("run", "code", "items", "oldest_day"), place.catalogue.waiting())


def waiting_by_code(place: Place) -> list[dict]:
    """The same by code, with the oldest run."""
    return named(("code", "items", "since_run", "oldest_day"), place.catalogue.waiting_by_code())


def _aged(waits: dict, watermark: dt.date | None) -> dict:
    oldest = waits["oldest_day"]
    known = oldest is not None and watermark is not None
    return {**waits, "age_days": (watermark - dt.date.fromisoformat(oldest)).days if known else None}
