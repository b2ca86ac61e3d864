"""The yardstick: `mediation` against DuckDB and Polars, in turn, with equal totals or no result.

    python -m benchmarks [--work build/bench] [--rows 10000000] [--rounds 5] [--tasks T5] [--programs mediation duckdb]

Conventions
-----------
- A fresh process each time, imports included; page cache warm; programs in turn (A B C A B C …).
- Totals must agree between all programs and with the generator, in every round; otherwise the command fails.
- Data are made once per data set and kept in the work folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bench, machine, report
from benchmarks.data import ENDINGS, DataSet, prepare
from benchmarks.totals import TASKS


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for data and output")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--single-file", action="store_const", const=1, dest="files", help="all records in one file")
    parser.add_argument("--compression", choices=ENDINGS, default="none", help="of the input")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["T5"])
    parser.add_argument("--programs", nargs="+", choices=bench.PROGRAMS, default=list(bench.PROGRAMS))
    arguments = parser.parse_args()
    wanted = DataSet(arguments.rows, arguments.files, arguments.compression)
    data = prepare(arguments.work, wanted)
    data.warm()
    heading, out = machine.heading(), arguments.work / "out"
    results = {
        task: bench.in_turn(task, data, arguments.programs, arguments.rounds, arguments.threads, out)
        for task in arguments.tasks
    }
    print(heading)
    amounts = f"files: {len(data.paths)}, threads: {arguments.threads}, rounds: {arguments.rounds}"
    print(f"{data.expected['rows']:,} records, {amounts}, compression: {arguments.compression}; medians:\n")
    print(report.table(results, data.expected["rows"]))


if __name__ == "__main__":
    main()
