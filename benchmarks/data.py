"""The yardstick's data on disk: made once, in any number of files, plain or compressed, and their rule book.

Conventions
-----------
- A data set depends on what `DataSet` says and nothing else, and its folder is named after it. expected.json is written
  last: a folder without it is made again.
- A compressed set holds the same bytes as the plain one of its name, as hosts send them: gzip -6 or zstd -3.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import workload, yardstick_rulebook

READ_BYTES = 1 << 24
BYTES_PER_RECORD = 130
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


class DataSet(NamedTuple):
    """Which data."""

    rows: int
    files: int = 8
    compression: str = "none"
    days: int = workload.DAYS
    seed: int = workload.SEED

    @property
    def name(self) -> str:
        """The folder's name."""
        days = "" if self.days == workload.DAYS else f"-{self.days}d"
        packed = "" if self.compression == "none" else f"-{self.compression}"
        return f"data-{self.rows}-{self.files}-{self.seed}{days}{packed}"


class Prepared(NamedTuple):
    """Data that lie ready."""

    folder: Path
    rulebook: Path
    expected: dict
    paths: list[Path]

    @property
    def bytes(self) -> int:
        """Of all files, as they lie on disk."""
        return sum(path.stat().st_size for path in self.paths)

    def warm(self) -> None:
        """Bring the files into the page cache."""
        for path in self.paths:
            with open(path, "rb", buffering=0) as source:
                while source.read(READ_BYTES):
                    pass


def prepare(work: Path, wanted: DataSet) -> Prepared:
    """Make what is not there yet: data, compressed copies, rule book."""
    folder = work / wanted.name
    if not (folder / "expected.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making {wanted.rows:,} records in {folder}", file=sys.stderr)
        if wanted.compression == "none":
            need_room(work, wanted.rows * BYTES_PER_RECORD)
            workload.generate(folder, wanted.rows, wanted.files, wanted.seed, days=wanted.days)
        else:
            compress(prepare(work, wanted._replace(compression="none")), folder, wanted.compression)
    rulebook = work / f"rulebook-{wanted.seed}"
    shutil.rmtree(rulebook, ignore_errors=True)
    yardstick_rulebook.write(folder / "ref", rulebook)
    expected = json.loads((folder / "expected.json").read_text())
    return Prepared(folder, rulebook, expected, sorted(folder.glob("cdr_*.txt*")))


def need_room(work: Path, size_bytes: int) -> None:
    """End the command where the disk has no room."""
    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < size_bytes * 1.1:
        raise SystemExit(f"{work}: {size_bytes / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free")


def compress(plain: Prepared, folder: Path, compression: str, processes: int = 2) -> None:
    """Write a compressed copy of every file, and copy what stands beside them."""
    folder.mkdir(parents=True)
    with ProcessPoolExecutor(processes) as executor:
        list(executor.map(partial(compress_file, folder=folder, compression=compression), plain.paths))
    shutil.copytree(plain.folder / "ref", folder / "ref")
    shutil.copy(plain.folder / "expected.json", folder)


def compress_file(path: Path, folder: Path, compression: str) -> None:
    """Write one compressed copy."""
    target = folder / (path.name + ENDINGS[compression])
    with open(path, "rb") as source, open(target, "wb") as file:
        if compression == "gzip":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                shutil.copyfileobj(source, packed, READ_BYTES)
        else:
            import zstandard

            zstandard.ZstdCompressor(level=3).copy_stream(source, file)
