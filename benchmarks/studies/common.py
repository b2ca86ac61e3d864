"""What the studies share: their options, and a run of ours alone that has the totals it must have."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bench
from benchmarks.data import Prepared
from benchmarks.measure import Measurement
from benchmarks.report import OURS


def parser(name: str, doc: str, **defaults) -> argparse.ArgumentParser:
    """Options `--work` and, with their defaults, whichever of `--rows`, `--rounds` and `--threads` are given."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.studies.{name}", description=doc.splitlines()[0])
    made.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for data and output")
    for option, default in defaults.items():
        made.add_argument(f"--{option}", type=int, default=default, help=f"default: {default:,}")
    return made


def measured(data: Prepared, task: str, threads: int, work: Path) -> Measurement:
    """One run of ours; ends the command where its totals are not those of the generator."""
    (each,) = bench.in_turn(task, data, [OURS], 1, threads, work / "out")
    return each[OURS]
