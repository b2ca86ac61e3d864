"""What is committed, and what somebody should look at.

Conventions
-----------
- A gap is a sequence number that lies between two that came, in the same feed and on the same date of the file name.
- Suspense is what runs have suspended and no later run has rated again or written off, in items, by run and code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pyarrow as pa

from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.run import TABLES
from mediation.workspace.catalogue import SourceRow
from mediation.workspace.protocol import Place

SUMMED = (*INTO, *OUT_OF, "conflicts", "bytes_in", "files_refused", "wholesale_micro", "retail_micro")
MOST_LISTED = 1000  # of a gap's numbers
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
    return found


def status(place: Place) -> dict:
    """Runs, files, gaps, suspense, totals, and the certificates' last link."""
    runs, sources = place.catalogue.runs(), place.catalogue.sources()
    totals: Counter[str] = Counter()
    for run in runs:
        totals.update({name: run.totals[name] for name in SUMMED})
    return {
        "runs": len(runs),
        "files": sum(source.refused is None for source in sources),
        "refused": [
            {"name": source.name, "run": source.run, "code": source.refused} for source in sources if source.refused
        ],
        "gaps": gaps(sources),
        "suspense": waiting(place),
        "totals": {name: totals[name] for name in SUMMED},
        "last_run": runs[-1].run_id if runs else None,
        "chain": runs[-1].chain if runs else None,
        "interrupted": len(place.catalogue.unpublished()),
    }


def waiting(place: Place) -> list[dict]:
    """What is suspended: run, code, items."""
    settled = {(each.run, each.code) for each in place.catalogue.settled()}
    return [
        {"run": run.ordinal, "code": code, "items": items}
        for run in place.catalogue.runs()
        for code, items in sorted(run.totals["exceptions"]["suspended"].items())
        if (run.ordinal, code) not in settled
    ]


def gaps(sources: list[SourceRow]) -> list[dict]:
    """Every sequence number that is missing between two that came."""
    came: dict[tuple, set[int]] = defaultdict(set)
    for source in sources:
        if source.refused is None and source.sequence is not None:
            came[source.feed, source.date].add(source.sequence)
    found = []
    for (feed, date), numbers in sorted(came.items(), key=str):
        missing: list[int] = []
        for before, after in pairwise(sorted(numbers)):
            missing.extend(range(before + 1, min(after, before + 1 + MOST_LISTED)))
        if missing:
            found.append({"feed": feed, "date": date, "missing": missing[:MOST_LISTED]})
    return found
