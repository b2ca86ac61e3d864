"""The yardstick's partial tasks through the public functions, as a user would write them.

    python -m benchmarks.driver --data DIR --rulebook RULEBOOK --task TASK [--threads 2]

Conventions
-----------
- T1, T2, T3 are `md.stream`, stopped after a stage: each batch is reduced to sums over all its columns and dropped.
- T1-table, T2-table and T3-table have everything in Arrow memory at the end, as the peers' have.
- All have the columns that the peers have, T3-all whatever a run can give; what the peers add up in T5 alone (account
  days, settlement) is added up there alone. Duplicates are counted, as the peers count them.
- The same totals as the peers', under the same names. Amounts are micro-yuan.
- NumPy's linear algebra, which nobody here uses, is told not to start threads of its own: 0.03 CPU seconds.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.stopwatch import Stopwatch  # isort: skip  (starts the clock)

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pyarrow as pa

import mediation as md
from benchmarks.totals import modulo_word

SAME_COLUMNS = {
    "sum_imsi": "served_imsi",
    "sum_msisdn": "served_msisdn",
    "sum_start_us": "start_time",
    "sum_duration": "duration_s",
    "sum_uplink": "uplink_bytes",
    "sum_downlink": "downlink_bytes",
    "sum_city": "city",
    "bytes_apn": "apn",
    "sum_sequence": "sequence_no",
    "sum_charging_id": "charging_id",
}


USAGE = (*SAME_COLUMNS.values(), "record_id", "record_type", "other_party", "host")  # what the peers make of a record


class Way(NamedTuple):
    """How a task is done."""

    through: str
    columns: str | tuple[str, ...] | None = None
    folded: bool = True


TASKS = {
    "T1": Way("decode", USAGE),
    "T2": Way("deduplicate", USAGE),
    "T3": Way("rate", "yardstick"),
    "T3-all": Way("rate"),
    "T1-table": Way("decode", USAGE, folded=False),
    "T2-table": Way("deduplicate", USAGE, folded=False),
    "T3-table": Way("rate", "yardstick", folded=False),
}


def rows_of(table: pa.Table | None) -> int:
    """Rows of a table that may be absent."""
    return 0 if table is None else table.num_rows


def fold(stream: md.pipeline.run.Stream, way: Way) -> dict[str, int]:
    """Nothing is kept of a batch but its sums."""
    sums, counts = Counter(), Counter()
    for batch in stream:
        table = batch.table
        sums.update(md.control_totals(table))
        counts["rows"] += table.num_rows
        counts["count_other_party"] += table.num_rows - table["other_party"].null_count
        counts["rejects"] += rows_of(batch.rejects)
    totals = modulo_word({name: sums[column] for name, column in SAME_COLUMNS.items()})
    totals["count_other_party"] = counts["count_other_party"]
    if way.through == "rate":
        totals["sum_wholesale"] = sums["wholesale_amount"]
        totals["sum_retail"] = sums["retail_amount"]
    return totals | counted(way, counts["rows"], counts["rejects"], stream.audit)


def counted(way: Way, rows: int, rejects: int, audit: md.Audit) -> dict[str, int]:
    """The totals that count records; nothing is suspended in the yardstick, or `valid` will differ."""
    if way.through == "decode":
        return {"valid": rows, "rejects": rejects}
    duplicates = audit.totals()["duplicates"]
    return {"valid": rows + duplicates, "rejects": rejects, "duplicates": duplicates, "accepted": rows}


def collect(stream: md.pipeline.run.Stream, way: Way) -> dict[str, int]:
    """Everything is kept, as tables."""
    batches = [(batch.table, batch.rejects) for batch in stream]
    usage, rejects = (
        pa.concat_tables([table for table in tables if table is not None]) if any(map(rows_of, tables)) else None
        for tables in zip(*batches, strict=True)
    )
    return counted(way, rows_of(usage), rows_of(rejects), stream.audit)


def process(paths: list[str], book: md.Rulebook, way: Way, threads: int) -> dict[str, int]:
    """A whole run in memory."""
    run = md.process(paths, book, threads=threads, columns=way.columns, settle=False, duplicates=False)
    amounts = md.control_totals(run.rated.select(["wholesale_amount", "retail_amount"]))
    return {
        **counted(way, run.rated.num_rows, run.rejects.num_rows, run.audit),
        **{f"sum_{name}": amounts[f"{name}_amount"] for name in ("wholesale", "retail")},
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rulebook", type=Path, required=True)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    watch, way = Stopwatch(), TASKS[arguments.task]
    paths = sorted(map(str, arguments.data.glob("cdr_*.txt*")))
    book = md.load_rulebook(arguments.rulebook)
    watch.mark("rulebook")
    if way.through == "rate" and not way.folded:
        totals = process(paths, book, way, arguments.threads)
    else:
        options = {"through": way.through, "columns": way.columns, "settle": False, "duplicates": False}
        stream = md.stream(paths, book, threads=arguments.threads, **options)
        totals = (fold if way.folded else collect)(stream, way)
    watch.mark("run")
    watch.report(f"mediation {md.__version__}", arguments.task, totals)


if __name__ == "__main__":
    main()
