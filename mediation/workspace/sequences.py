"""The numbers that nodes give their records, over all runs: which are missing, and how many have come again.

Conventions
-----------
- A run keeps the stretches that it has seen in `sequences.parquet`, and the catalogue has them as rows: few, unless
  much is missing. With each run they are put together with those before, so that asking stays quick.
- A number is missing that lies between two of its node that came. A jump of more than `MOST_MISSING` is a counter that
  has started anew, and nothing is missing there; when that happens earlier, numbers come again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mediation.pipeline.sequences import Stretch, united
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Run, Seen, named
from mediation.workspace.staged import Staged

FILE = "sequences.parquet"
COLUMNS = {"feed": pa.utf8(), "node": pa.utf8(), "first": pa.int64(), "last": pa.int64(), "records": pa.int64()}
MOST_MISSING, MOST_LISTED = 1_000_000, 1000
GAPS = f"""
SELECT feed, node, last + 1, following - 1 FROM (
    SELECT feed, node, last, lead(first) OVER (PARTITION BY feed, node ORDER BY first) AS following FROM stretch
) AS placed WHERE following - last - 1 <= {MOST_MISSING} ORDER BY feed, node, last
"""
NODES = "SELECT feed, node, sum(records), sum(last - first + 1) FROM stretch GROUP BY feed, node ORDER BY feed, node"
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
    gaps, nodes = place.catalogue.ask(GAPS), place.catalogue.ask(NODES)
    missing: Counter[tuple[str, str]] = Counter()
    for feed, node, first, last in gaps:
        missing[feed, node] += last - first + 1
    counts = [(feed, node, records, missing[feed, node], records - numbers) for feed, node, records, numbers in nodes]
    return {
        "nodes": named(("feed", "node", "records", "missing", "repeats"), counts),
        "missing_records": named(("feed", "node", "first", "last"), gaps[:MOST_LISTED]),
        "scattered": named(("feed", "run", "stretches"), place.catalogue.ask(SCATTERED)),
    }


def faults(place: Place) -> list[str]:
    """Whether what was put together run by run is what all runs have seen."""
    seen: dict[tuple[str, str], list[tuple]] = {}
    for feed, node, *stretch in place.catalogue.ask("SELECT feed, node, first, last, records FROM seen"):
        if stretch[1] >= stretch[0]:
            seen.setdefault((feed, node), []).append(tuple(stretch))
    wanted = [(*key, *row) for key, rows in sorted(seen.items()) for row in united(np.array(rows)).tolist()]
    found = place.catalogue.ask("SELECT * FROM stretch ORDER BY feed, node, first")
    return [] if found == wanted else ["the nodes' numbers are not put together as the runs have seen them"]
