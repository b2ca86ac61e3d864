"""What one more small ingest costs a workspace that has had thousands, and what keeping its history small costs.

    python -m benchmarks.studies.ingests [--rows 2000000] [--files 2000]

Conventions
-----------
- Every file is an ingest of its own, in one process and one thread; `--no-merge` lets the history's segments stand.
- *Opened* are the segments that the next ingest opens. An ingest that was followed by merging costs what both cost.
- *Written again* is what merging has written, by what the ingests' own segments hold.
- Wall time has the disk's syncs in it; medians of the files between two lines.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import mediation as md
from benchmarks import data as making
from benchmarks import machine
from benchmarks.report import markdown
from benchmarks.studies import common
from mediation.workspace import history
from mediation.workspace.history import SEGMENT

LINES = 10
COLUMNS = ("ingests", "segments opened", "merges", "ms of an ingest", "CPU ms", "slowest ms", "written again")


class Ingest(NamedTuple):
    """What one has cost."""

    wall_s: float
    cpu_s: float
    opened: int
    merges: int
    own_bytes: int
    merged_bytes: int


def ingest(workspace: md.Workspace, path: Path, merge: bool) -> Ingest:
    """One file."""
    wall, cpu = time.perf_counter(), time.process_time()
    report = workspace.ingest([path], threads=1, merge=merge)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    if report.merge_fault is not None:
        raise SystemExit(report.merge_fault)
    own, *others = (
        sum(each.bytes for each in workspace.place.catalogue.artifacts(run.ordinal, SEGMENT))
        for run in (report.run, *report.merges)
    )
    return Ingest(*spent, len(history.standing(workspace.place)), len(others), own, sum(others))


def cut(data: Path, folder: Path, files: int) -> list[Path]:
    """The records of one file in many."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines, paths = data.read_bytes().splitlines(keepends=True), []
    for number in range(files):
        paths.append(folder / f"cdr_{number:06d}.txt")
        paths[-1].write_bytes(b"".join(lines[len(lines) * number // files : len(lines) * (number + 1) // files]))
    return paths


def row(before: int, made: list[Ingest], window: list[Ingest]) -> list[str]:
    """One line of the table."""
    again = sum(each.merged_bytes for each in made) / sum(each.own_bytes for each in made)
    counts = f"{before + len(window):,}", str(made[-1].opened), str(sum(each.merges for each in made))
    times = (median(each.wall_s for each in window), median(each.cpu_s for each in window))
    slowest = max(each.wall_s for each in window)
    return [*counts, *(f"{each * 1000:.0f}" for each in (*times, slowest)), f"{again:.2f}"]


def main() -> None:
    """Run the command line."""
    parser = common.parser("ingests", __doc__, rows=2_000_000, files=2_000)
    parser.add_argument("--no-merge", action="store_true", help="leave every run's segment as it is")
    arguments = parser.parse_args()
    data, root = making.prepare(arguments.work, making.DataSet(arguments.rows, 1)), arguments.work / "ws"
    paths = cut(data.paths[0], arguments.work / "cut", arguments.files)
    shutil.rmtree(root, ignore_errors=True)
    heading, made, rows = machine.heading(), [], []
    cuts = range(0, len(paths), max(len(paths) // LINES, 1))
    try:
        with md.Workspace.init(root, data.rulebook) as workspace:
            for begin in cuts:
                window = [ingest(workspace, path, not arguments.no_merge) for path in paths[begin:][: cuts.step]]
                made += window
                rows.append(row(begin, made, window))
            if workspace.status()["totals"]["records_in"] != data.expected["rows"]:
                raise SystemExit("records are missing")
    finally:
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(paths[0].parent)
    print(heading)
    print(f"{arguments.rows:,} records in {len(made):,} files, an ingest each\n")
    print(markdown(COLUMNS, rows, text_columns=0))


if __name__ == "__main__":
    main()
