"""One program run as a fresh process: wall and CPU seconds, peak memory, and the totals that it prints.

Conventions
-----------
- What is measured is what the kernel reports to the parent that waits (`launch`). Nothing inside the program is trusted
  with its own measurement.
- Our packages are compiled to bytecode first, as those of the peers were when they were installed.
- A program prints one JSON object as its last line, or one that fills its whole output.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

LAUNCH = Path(__file__).with_name("launch.py")
PACKAGES = ("benchmarks", "mediation")


class Measurement(NamedTuple):
    """What a run cost, and what it printed or found."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    totals: dict


class RunFailed(RuntimeError):
    """A measured program ended with an exit code or without a result."""


@cache
def compile_packages() -> None:
    """Python need not compile what it measures, even where it is told to keep no bytecode."""
    for package in PACKAGES:
        compileall.compile_dir(LAUNCH.parent.parent / package, quiet=2)


def run(arguments: list[str], environment: dict[str, str] | None = None, processors: int = 0) -> Measurement:
    """Run Python with these arguments to its end, on so many processors (0: all).

    Raises
    ------
    RunFailed
        It ended with an exit code, or printed nothing.
    """
    compile_packages()
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        tempfile.NamedTemporaryFile() as cost,
    ):
        process = subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCH), cost.name, str(processors), sys.executable, *arguments],
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
        output.seek(0)
        errors.seek(0)
        printed = output.read().decode()
        if process.returncode != 0 or not printed.strip():
            tail = errors.read().decode(errors="replace")[-2000:]
            raise RunFailed(f"{' '.join(arguments[:3])} ended with {process.returncode}\n{tail}")
        costs = json.load(cost)
    text = printed if printed.lstrip().startswith("{\n") else printed.strip().splitlines()[-1]
    return Measurement(**costs, totals=json.loads(text))


def totals_of_run_json(report: dict, out: Path) -> dict[str, int]:
    """The yardstick's totals from what `mediation run --json` prints and from its account days."""
    import pyarrow.parquet as pq

    return {
        "valid": report["records_in"] - report["rejected"],
        "rejects": report["rejected"],
        "duplicates": report["duplicates"],
        "accepted": report["rated"],
        "sum_wholesale": report["wholesale_micro"],
        "sum_retail": report["retail_micro"],
        "account_days": sum(pq.read_metadata(part).num_rows for part in (out / "account_day").iterdir()),
    }
