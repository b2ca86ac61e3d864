"""One program run as a fresh process: wall and CPU seconds, peak memory, and the totals that it prints.

Conventions
-----------
- CPU seconds are user and system over all threads; peak memory is the process's own, as the kernel reports it to the
  parent that waits for it. Nothing inside the program is trusted with its own measurement.
- A program prints one JSON object as its last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TOTALS = ("valid", "rejects", "duplicates", "accepted", "sum_wholesale", "sum_retail", "account_days")


class Measurement(NamedTuple):
    """What a run cost, and what it found."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    totals: dict[str, int]


class RunFailed(RuntimeError):
    """A measured program ended with an exit code or without a result."""


def run(arguments: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, int, dict]:
    """Run a program to its end.

    Returns
    -------
    tuple
        Wall seconds, CPU seconds, peak bytes, and the JSON object that it printed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=errors, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed = output.read().decode()
        if process.returncode != 0 or not printed.strip():
            tail = errors.read().decode(errors="replace")[-2000:]
            raise RunFailed(f"{' '.join(arguments[:3])} ended with {process.returncode}\n{tail}")
    text = printed if printed.lstrip().startswith("{\n") else printed.strip().splitlines()[-1]
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, json.loads(text)


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
        "account_days": pq.read_metadata(out / "account_day.parquet").num_rows,
    }


def disagreements(found: dict[str, dict[str, int]], expected: dict[str, int]) -> list[str]:
    """Every total on which the tools differ from each other or from what the generator expects.

    Parameters
    ----------
    found : dict
        Tool -> its totals; a task that has no such total leaves it out.
    expected : dict
        expected.json.
    """
    faults = []
    for name in TOTALS:
        values = {tool: totals[name] for tool, totals in found.items() if name in totals}
        if name in expected:
            values["expected"] = expected[name]
        if len(set(values.values())) > 1:
            faults.append(f"{name}: " + ", ".join(f"{tool} {value:,}" for tool, value in values.items()))
    return faults
