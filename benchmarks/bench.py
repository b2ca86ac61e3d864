"""How every program is started on a data set, run in turn with the others, and compared.

Conventions
-----------
- Programs run in turn within a round (A B C A B C …). The first total that differs ends the command: there is no
  figure without the right answer.
- As many threads as processors: what a program starts beside its threads (to write, to add up) has no other to run on.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.data import Prepared
from benchmarks.measure import Measurement, run, totals_of_run_json
from benchmarks.report import OURS, Rounds
from benchmarks.totals import OURS_ALONE, disagreements

PEERS = ("duckdb", "polars")
PROGRAMS = (OURS, *PEERS)
RUN_COLUMNS = {"T5": ["--columns", "yardstick"], "T5-all": []}


def ours(data: Prepared, task: str, threads: int, out: Path) -> list[str]:
    """What Python is started with to do a task with `mediation`."""
    if task in RUN_COLUMNS:
        options = ["--rulebook", str(data.rulebook), "--out", str(out), "--threads", str(threads), *RUN_COLUMNS[task]]
        return ["-m", "mediation", "run", *options, "--json", "--quiet", *map(str, data.paths)]
    options = ["--data", str(data.folder), "--rulebook", str(data.rulebook), "--threads", str(threads)]
    return ["-m", "benchmarks.driver", *options, "--task", task]


def peers(program: str, data: Prepared, task: str, threads: int, out: Path) -> list[str]:
    """The same for a peer."""
    options = ["--data", str(data.folder), "--task", task, "--out", str(out)]
    if program == "duckdb":
        options += ["--threads", str(threads)]
    return ["-m", f"benchmarks.peers.{program}_peer", *options]


def measure(program: str, data: Prepared, task: str, threads: int, out: Path) -> Measurement:
    """Run one program once."""
    shutil.rmtree(out, ignore_errors=True)
    if program == OURS:  # `mediation run` makes its folder itself
        cost = run(ours(data, task, threads, out), processors=threads)
        if task in RUN_COLUMNS:
            cost = cost._replace(totals=cost.totals | totals_of_run_json(cost.totals, out))
    else:
        out.mkdir()
        cost = run(peers(program, data, task, threads, out), {"POLARS_MAX_THREADS": str(threads)}, threads)
    shutil.rmtree(out, ignore_errors=True)
    return cost


def in_turn(task: str, data: Prepared, programs: list[str], count: int, threads: int, out: Path) -> Rounds:
    """All rounds of a task; ends the command at the first disagreement."""
    programs = [program for program in programs if program == OURS or task not in OURS_ALONE]
    results: Rounds = []
    for number in range(count):
        each = {}
        for program in programs:
            each[program] = measure(program, data, task, threads, out)
            print(f"{task} {number + 1}/{count} {program}: {each[program].wall_s:.2f} s", file=sys.stderr)
        agree(task, each, data)
        results.append(each)
    return results


def agree(task: str, each: dict[str, Measurement], data: Prepared) -> None:
    """End the command where totals differ."""
    faults = disagreements(task, {program: cost.totals for program, cost in each.items()}, data.expected)
    if faults:
        raise SystemExit(f"{task}: the totals differ\n" + "\n".join(faults))
