"""The yardstick's data and its rule book.

    python -m benchmarks.workload --rows 2000000 --files 8 --out DIR [--days D]    data and reference tables
    python -m benchmarks.workload --ref DIR/ref --out RULEBOOK                     the rule book of those tables

Conventions
-----------
- Deterministic in (rows, files, days, seed); independent of the number of processes. At most 20 files.
- 2 % of the records repeat another with a new record_id: half from the same file, half from the file before (the last
  one for file 0). 0.1 % are malformed, and every file ends in a truncated line.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import yardstick_reference, yardstick_rulebook
from benchmarks.yardstick_events import DAYS, FIRST_RECORD_ID, PIECE_ROWS, Columns, Slice, piece
from benchmarks.yardstick_text import KIND_NAMES, render, spoil
from mediation.sample.render import splice

SEED = 20_260_601
MOST_FILES = 20


class FileJob(NamedTuple):
    """One file to write."""

    folder: Path
    seed: int
    file: int
    files: int
    rows: int
    days: int

    def slice(self, file: int) -> Slice:
        """Whose events a file holds."""
        return Slice(self.seed, file, self.files, self.days)


class FileTotals(NamedTuple):
    """What a file holds."""

    kinds: np.ndarray  # malformed records by place in KIND_NAMES
    duplicates: int
    size_bytes: int


def base_rows(job: FileJob, number: int) -> tuple[int, int]:
    """Records of a piece, and how many of them are no repeats."""
    count = min(PIECE_ROWS, job.rows - number * PIECE_ROWS)
    return count, count - count // 50


def with_repeats(job: FileJob, number: int, before: Columns, rng: np.random.Generator) -> Columns:
    """A whole piece: base records and repeats, shuffled; the last base record stays last."""
    count, base = base_rows(job, number)
    first = job.file * job.rows + number * PIECE_ROWS
    last = (number + 1) * PIECE_ROWS >= job.rows
    own = piece(job.slice(job.file), number, base, first, last)
    repeats = count - base
    own_repeats = repeats // 2 if job.files > 1 else repeats
    from_own = rng.choice(np.flatnonzero(own["malformed"] < 0), own_repeats)
    from_before = rng.choice(np.flatnonzero(before["malformed"] < 0), repeats - own_repeats)
    columns = {name: np.concatenate([own[name], own[name][from_own], before[name][from_before]]) for name in own}
    columns["record_id"][base:] = FIRST_RECORD_ID + first + base + np.arange(repeats)
    order = rng.permutation(count - 1)
    order = np.append(np.where(order >= base - 1, order + 1, order), base - 1)
    return {name: column[order] for name, column in columns.items()}


def write_file(job: FileJob) -> FileTotals:
    """Write one file of the yardstick."""
    pieces = -(-job.rows // PIECE_ROWS)
    previous = (job.file - 1) % job.files
    before = piece(job.slice(previous), 0, base_rows(job, 0)[1], previous * job.rows, last=pieces == 1)
    kinds = np.zeros(len(KIND_NAMES), np.int64)
    duplicates = size = 0
    with open(job.folder / f"cdr_{job.file:04d}.txt", "wb") as target:
        for number in range(pieces):
            rng = np.random.default_rng([job.seed, job.file, number, 77])
            columns = with_repeats(job, number, before, rng)
            count, base = base_rows(job, number)
            duplicates += count - base
            text, offsets = render(columns)
            replaced = {}
            for record in np.flatnonzero(columns["malformed"] >= 0):
                kind = columns["malformed"][record]
                kinds[kind] += 1
                line = bytes(text[offsets[record] : offsets[record + 1]])
                replaced[int(record)] = spoil(line, KIND_NAMES[kind], rng)
            parts, offsets = splice(text, offsets, replaced)
            target.writelines(parts)
            size += int(offsets[-1])
    return FileTotals(kinds, duplicates, size)


def generate(out: Path, rows: int, files: int, seed: int = SEED, processes: int = 2, days: int = DAYS) -> dict:
    """Write the yardstick's data into `out`.

    Parameters
    ----------
    out : Path
        Gets cdr_0000.txt …, ref/*.csv and expected.json.
    rows, files : int
        Records in all, evenly over the files.
    seed, processes : int
        The data depend on the seed alone.
    days : int
        Of June 2026 that the events are spread over.

    Returns
    -------
    dict
        What expected.json holds: rows, rejects by kind, valid, duplicates, accepted.
    """
    if not 1 <= files <= MOST_FILES:
        raise ValueError(f"files: from 1 to {MOST_FILES}, not {files}")
    if not 1 <= days <= DAYS:
        raise ValueError(f"days: from 1 to {DAYS}, not {days}")
    out.mkdir(parents=True, exist_ok=True)
    yardstick_reference.write(out / "ref", seed)
    per_file = rows // files
    jobs = [FileJob(out, seed, file, files, per_file, days) for file in range(files)]
    with ProcessPoolExecutor(processes) as executor:
        totals = list(executor.map(write_file, jobs))
    kinds = sum(total.kinds for total in totals)
    rejects = int(kinds.sum())
    duplicates = sum(total.duplicates for total in totals)
    expected = {
        "rows": per_file * files,
        "files": files,
        "bytes": sum(total.size_bytes for total in totals),
        "rejects": rejects,
        "reject_kinds": dict(zip(KIND_NAMES, map(int, kinds), strict=True)),
        "valid": per_file * files - rejects,
        "duplicates": duplicates,
        "accepted": per_file * files - rejects - duplicates,
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1))
    return expected


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workload", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="records in all")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ref", type=Path, help="reference tables: write their rule book instead of data")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if (arguments.rows is None) == (arguments.ref is None):
        parser.error("give either --rows or --ref")
    if arguments.ref is not None:
        yardstick_rulebook.write(arguments.ref, arguments.out)
    else:
        wanted = (arguments.rows, arguments.files, arguments.seed, arguments.processes, arguments.days)
        print(json.dumps(generate(arguments.out, *wanted)))


if __name__ == "__main__":
    main()
