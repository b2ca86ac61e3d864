"""The yardstick: `mediation` against DuckDB and Polars, in turn, with equal totals or no result.

    python -m benchmarks [--work build/bench] [--rows 10000000] [--rounds 5] [--tasks T5] [--programs mediation duckdb]

Conventions
-----------
- A fresh process each time, imports included; page cache warm; programs in turn (A B C A B C …).
- Totals must agree between all programs and with the generator, in every round; otherwise the command fails.
- Data are made once per (rows, files, seed) and kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from benchmarks import report, workload, yardstick_rulebook
from benchmarks.measure import Measurement, disagreements, run, totals_of_run_json

PROGRAMS = ("mediation", "duckdb", "polars")
TASKS = ("T1", "T2", "T3", "T3-folded", "T5")


class Bench:
    """Data, rule book and the ways to run each program on them."""

    def __init__(self, work: Path, rows: int, files: int, seed: int, threads: int):
        self.data = work / f"data-{rows}-{files}-{seed}"
        self.rulebook = work / f"rulebook-{seed}"
        self.out = work / "out"
        self.threads = threads
        if not (self.data / "expected.json").exists():  # written last
            print(f"making {rows:,} records in {self.data}", file=sys.stderr)
            workload.generate(self.data, rows, files, seed)
        shutil.rmtree(self.rulebook, ignore_errors=True)
        yardstick_rulebook.write(self.data / "ref", self.rulebook)
        self.expected = json.loads((self.data / "expected.json").read_text())
        self.paths = sorted(self.data.glob("cdr_*.txt"))

    def warm(self) -> None:
        """Bring the files into the page cache."""
        for path in self.paths:
            with open(path, "rb") as source:
                while source.read(1 << 24):
                    pass

    def arguments(self, program: str, task: str) -> list[str]:
        """What Python is started with."""
        if program != "mediation":
            threads = ["--threads", str(self.threads)] if program == "duckdb" else []
            folders = ["--data", str(self.data), "--out", str(self.out)]
            peer_task = task.partition("-")[0]
            return ["-m", f"benchmarks.peers.{program}_peer", *folders, "--task", peer_task, *threads]
        threads = ["--threads", str(self.threads)]
        if task != "T5":
            folders = ["--data", str(self.data), "--rulebook", str(self.rulebook)]
            return ["-m", "benchmarks.driver", *folders, "--task", task, *threads]
        options = ["--rulebook", str(self.rulebook), "--out", str(self.out), "--columns", "yardstick"]
        return ["-m", "mediation", "run", *options, *threads, "--json", "--quiet", *map(str, self.paths)]

    def measure(self, program: str, task: str) -> Measurement:
        """Run one program once."""
        shutil.rmtree(self.out, ignore_errors=True)
        whole_run = program == "mediation" and task == "T5"
        if not whole_run:  # `mediation run` makes its folder itself
            self.out.mkdir()
        environment = {"POLARS_MAX_THREADS": str(self.threads)}
        wall, cpu, peak, printed = run(self.arguments(program, task), environment)
        totals = totals_of_run_json(printed, self.out) if whole_run else printed
        return Measurement(wall, cpu, peak, totals)

    def rounds(self, task: str, programs: list[str], count: int) -> report.Rounds:
        """All rounds of a task; fails on the first disagreement."""
        results: report.Rounds = []
        for number in range(count):
            each = {}
            for program in programs:
                each[program] = self.measure(program, task)
                cost = each[program]
                print(f"{task} {number + 1}/{count} {program}: {cost.wall_s:.2f} s", file=sys.stderr)
            faults = disagreements({program: cost.totals for program, cost in each.items()}, self.expected)
            if faults:
                raise SystemExit(f"{task}: the totals differ\n" + "\n".join(faults))
            results.append(each)
        shutil.rmtree(self.out, ignore_errors=True)
        return results


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for data and output")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=workload.SEED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["T5"])
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    arguments = parser.parse_args()
    bench = Bench(arguments.work, arguments.rows, arguments.files, arguments.seed, arguments.threads)
    bench.warm()
    results = {task: bench.rounds(task, arguments.programs, arguments.rounds) for task in arguments.tasks}
    print(report.table(results, bench.expected["rows"]))
    for task, rounds in results.items():
        ratio = report.best_peer_ratio(rounds)
        if ratio is not None:
            print(f"{task}: {ratio:.2f}× the better peer, in the same round (median of {len(rounds)})")


if __name__ == "__main__":
    main()
