"""What a second thread brings: on many files, on one, and on compressed ones.

    python -m benchmarks.studies.threads [--rows 10000000] [--rounds 3] [--tasks T3 T5-all] [--inputs plain single-file]

Conventions
-----------
- One and two threads in turn, round by round; the speed-up is formed within a round.
- Busy processors are CPU seconds over wall seconds with two threads: 2 is all that there is to have.
"""

from __future__ import annotations

from statistics import median

from benchmarks import machine
from benchmarks.data import DataSet, prepare
from benchmarks.measure import Measurement
from benchmarks.report import markdown, seconds, spread
from benchmarks.studies import common
from benchmarks.totals import TASKS

INPUTS = {"plain": (8, "none"), "single-file": (1, "none"), "gzip": (8, "gzip"), "zstd": (8, "zstd")}
COLUMNS = (
    "task",
    "input",
    "seconds, 1 thread",
    "2 threads",
    "speed-up",
    "processors busy",
    "CPU seconds, 1 → 2 threads",
)
Pair = tuple[Measurement, Measurement]  # with one thread, with two


def row(task: str, kind: str, pairs: list[Pair]) -> list[str]:
    """One line of the table."""
    one, two = ([pair[place] for pair in pairs] for place in (0, 1))
    return [
        task,
        kind,
        seconds(median(cost.wall_s for cost in one)),
        seconds(median(cost.wall_s for cost in two)),
        spread([before.wall_s / after.wall_s for before, after in pairs]),
        f"{median(cost.cpu_s / cost.wall_s for cost in two):.2f}",
        f"{median(cost.cpu_s for cost in one):.2f} → {median(cost.cpu_s for cost in two):.2f}",
    ]


def main() -> None:
    """Run the command line."""
    parser = common.parser("threads", __doc__, rows=10_000_000, rounds=3)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["T3", "T5-all"])
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    arguments = parser.parse_args()
    heading, rows = machine.heading(), []
    for kind in arguments.inputs:
        data = prepare(arguments.work, DataSet(arguments.rows, *INPUTS[kind]))
        data.warm()
        for task in arguments.tasks:
            pairs: list[Pair] = []
            for _ in range(arguments.rounds):
                one, two = (common.measured(data, task, threads, arguments.work) for threads in (1, 2))
                pairs.append((one, two))
            rows.append(row(task, kind, pairs))
    print(heading)
    print(f"{arguments.rows:,} records, rounds: {arguments.rounds}; medians:\n")
    print(markdown(COLUMNS, rows, text_columns=2))


if __name__ == "__main__":
    main()
