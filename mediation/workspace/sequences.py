"""The numbers that nodes give their records, over all runs: which are missing, and how many have come again.

Conventions
-----------
- A run keeps the stretches that it has seen in `sequences.parquet`, and the catalogue has them as rows: few, unless
  much is missing. Runs are put together when somebody asks, and never changed.
- A number is missing that lies between two of its node that came. A jump of more than `MOST_MISSING` is a counter that
  has started anew, and nothing is missing there; when that happens earlier, numbers come again.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mediation.pipeline.sequences import Stretch
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Run, Seen
from mediation.workspace.staged import Staged

FILE = "sequences.parquet"
COLUMNS = {"feed": pa.utf8(), "node": pa.utf8(), "first": pa.int64(), "last": pa.int64(), "records": pa.int64()}
MOST_MISSING, MOST_LISTED = 1_000_000, 1000
PLACED = """
SELECT feed, node, first, last, records, max(last) OVER (
    PARTITION BY feed, node ORDER BY first, run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
) AS reach FROM seen WHERE last >= first
"""
GAPS = f"""
SELECT feed, node, reach + 1, first - 1 FROM ({PLACED}) AS placed
WHERE first - reach BETWEEN 2 AND {MOST_MISSING + 1} ORDER BY feed, node, first
"""
NODES = f"""
SELECT feed, node, sum(records), sum(CASE WHEN first - reach BETWEEN 2 AND {MOST_MISSING + 1} THEN first - reach - 1
    ELSE 0 END), sum(records) - sum(CASE WHEN reach IS NULL OR reach < first THEN last - first + 1
    WHEN last > reach THEN last - reach ELSE 0 END)
FROM ({PLACED}) AS placed GROUP BY feed, node ORDER BY feed, node
"""
SCATTERED = "SELECT feed, run, records FROM seen WHERE last < first ORDER BY feed, run"


def write(stretches: list[Stretch], run: Staged) -> list[Seen]:
    """Keep what a run has seen; nothing where no feed declares a sequence."""
    if not stretches:
        return []
    table = pa.Table.from_pylist([each._asdict() for each in stretches], schema=pa.schema(list(COLUMNS.items())))
    with run.disk.create(run.folder / FILE) as file:
        pq.write_table(table, file, compression="zstd")
    return [_row(each._asdict(), run.ordinal) for each in stretches]


def read(place: Place, run: Run) -> list[Seen]:
    """What a run has kept, in order."""
    rows: list[dict] = []
    for artifact in place.catalogue.artifacts(run.ordinal, FILE):
        rows = pq.read_table(place.folder(run) / artifact.path).to_pylist()
    return sorted(_row(each, run.ordinal) for each in rows)


def _row(stretch: dict[str, Any], run: int) -> Seen:
    return Seen(stretch["feed"], stretch["node"], stretch["first"], run, stretch["last"], stretch["records"])


def told(place: Place) -> dict[str, list[dict]]:
    """`nodes` with their counts, the stretches of `missing_records`, and runs in which a feed's numbers were none."""
    ask = place.catalogue.ask
    return {
        "nodes": _named(("feed", "node", "records", "missing", "repeats"), ask(NODES)),
        "missing_records": _named(("feed", "node", "first", "last"), ask(f"{GAPS} LIMIT {MOST_LISTED}")),
        "scattered": _named(("feed", "run", "stretches"), ask(SCATTERED)),
    }


def _named(names: tuple[str, ...], rows: list[tuple]) -> list[dict]:
    return [dict(zip(names, row, strict=True)) for row in rows]
