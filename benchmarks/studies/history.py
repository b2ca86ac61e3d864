"""What a record costs that is looked up in the history of all earlier runs, and what the history costs itself.

    python -m benchmarks.studies.history [--keys 100000000] [--rounds 3]

Conventions
-----------
- Keys are random, and every run has accepted 10 M of them; histories of a hundredth, a tenth and all of `--keys`.
- *A day a run*: every segment has its own day, and a batch asks for all days. *One day*: everything has the same day,
  so that every record is asked of every segment: nothing is worse. *Merged*: the same, put into segments as large as
  a workspace makes them; to write is then to merge.
- Asked for: `ASKED` records, 2 % of them known, in batches of `BATCH_ROWS`, as a run does: probed, and the others
  admitted to the run's own set. Files are in the page cache, as far as that holds them. Medians of the rounds, in CPU
  seconds of one thread. Opening reads no filter; the memory is that of all days asked.
- With fewer keys, what a billion would cost is computed: on disk and in memory by the key, in time by the segment,
  where there are several.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks import machine
from benchmarks.data import need_room
from benchmarks.report import markdown
from benchmarks.studies import common
from mediation.dedup.dedup import Admission
from mediation.dedup.history import Segment, SegmentHistory, merge_segments, write_segment
from mediation.native._column import Batch
from mediation.workspace.merging import MOST_BYTES

SECRET = b"a study's secret"
SEGMENT_KEYS = 10_000_000
ASKED, KNOWN = 1_000_000, 0.02
BATCH_ROWS = 1 << 15
FIRST_DAY = 20_600
A_DAY_A_RUN, ONE_DAY, MERGED = "a day a run", "one day", "one day, merged"
BILLION = 1_000_000_000
BYTES_A_KEY = 22
COLUMNS = (
    *("history", "keys", "segments", "bytes a record on disk", "ns a record to write", "ms to open", "memory MB"),
    *("bytes a key", "reads per 1,000", "ns a record", "of it its own set", "M records a CPU second"),
)


class File:
    """A segment's file; its bytes are in the page cache."""

    def __init__(self, path: Path):
        self._number = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._number).st_size
        self.reads = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """These bytes."""
        self.reads += 1
        return os.pread(self._number, length, offset)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._number)


class Written(NamedTuple):
    """A segment, what writing it cost, and some of its keys."""

    path: Path
    day: int
    keys: int
    write_s: float
    sample: np.ndarray


class Cost(NamedTuple):
    """One line of the table."""

    kind: str
    keys: int
    segments: int
    disk_bytes: int
    write_s: float
    open_s: float
    memory_bytes: int
    reads: float  # a record
    record_s: float
    own_s: float  # of it without a history


def batch_of(keys: np.ndarray, days: np.ndarray) -> Batch:
    """Prints of these keys, two words each."""
    raw = pa.py_buffer(np.ascontiguousarray(keys))
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, raw])
    checks = pa.array(keys[:, 1].astype(np.int32))
    return Batch.of(pa.record_batch({"fingerprint": column, "payload_check": checks, "partition_day": pa.array(days)}))


def random_keys(random: np.random.Generator, count: int) -> np.ndarray:
    """Fingerprints, which are as good as random."""
    return random.integers(0, 1 << 64, (count, 2), np.uint64)


def write(folder: Path, number: int, keys: int, day: int) -> Written:
    """A run that accepts so many records, and its segment."""
    random, admission, sample = np.random.default_rng(number), Admission(dated=True), []
    for begin in range(0, keys, BATCH_ROWS):
        found = random_keys(random, min(BATCH_ROWS, keys - begin))
        sample.append(found[: 1 + len(found) // 100].copy())
        days = np.full(len(found), day, np.int32)
        places = Batch.of(pa.record_batch({"record_no": np.arange(len(found))}))
        admission.admit(batch_of(found, days), places, begin)
    entries, path = admission.entries(), folder / f"{number}.seen"
    del admission
    return Written(path, day, keys, write_s(path, write_segment(entries, SECRET)), np.concatenate(sample))


def write_s(path: Path, pieces: Iterator[bytes]) -> float:
    """Write a segment; the CPU seconds of its pieces."""
    spent = 0.0
    with open(path, "wb", buffering=0) as file:
        while True:
            began = time.process_time()
            piece = next(pieces, None)
            spent += time.process_time() - began
            if piece is None:
                return spent
            file.write(piece)


def merge(folder: Path, segments: list[Written]) -> list[Written]:
    """The same keys in segments as large as a workspace makes them."""
    groups: list[list[Written]] = []
    for each in segments:
        together = sum(other.path.stat().st_size for other in (*groups[-1], each)) if groups else MOST_BYTES + 1
        groups += [[]] * (together > MOST_BYTES)
        groups[-1] = [*groups[-1], each]
    made = []
    for number, group in enumerate(groups):
        files, path = [File(each.path) for each in group], folder / f"merged-{number}.seen"
        spent = write_s(path, merge_segments([Segment(file, SECRET) for file in files], SECRET))
        for file in files:
            file.close()
        sample = np.concatenate([each.sample for each in group])
        made.append(Written(path, group[0].day, sum(each.keys for each in group), spent, sample))
    return made


def asked(segments: list[Written], records: int, seed: int) -> list[Batch]:
    """Batches of which `KNOWN` are in the history, under the days of its segments."""
    random = np.random.default_rng([1 + seed, records])
    keys, picks = random_keys(random, records), random.integers(0, len(segments), records)
    days = np.array([each.day for each in segments], np.int32)[picks]
    known = random.random(records) < KNOWN
    for number, each in enumerate(segments):
        (rows,) = np.nonzero(known & (picks == number))
        keys[rows] = each.sample[random.integers(0, len(each.sample), len(rows))]
    cuts = range(0, records, BATCH_ROWS)
    return [batch_of(keys[begin : begin + BATCH_ROWS], days[begin : begin + BATCH_ROWS]) for begin in cuts]


def admit_s(batches: list[Batch], history: SegmentHistory | None) -> tuple[float, int]:
    """CPU seconds of a run over the batches, and how many records it accepted."""
    places = Batch.of(pa.record_batch({"record_no": np.arange(BATCH_ROWS)}))
    pieces = [Batch.of(pa.record_batch(places).slice(0, batch.num_rows)) for batch in batches]
    admission = Admission(history, dated=True)
    began = time.process_time()
    for number, (batch, piece) in enumerate(zip(batches, pieces, strict=True)):
        admission.admit(batch, piece, number * BATCH_ROWS)
    return time.process_time() - began, len(admission)


def measure(kind: str, segments: list[Written], records: int, rounds: int) -> Cost:
    """Ask a history of these segments."""
    files, began = [File(each.path) for each in segments], time.process_time()
    history = SegmentHistory(Segment(file, SECRET, each.path.name) for file, each in zip(files, segments, strict=True))
    open_s = time.process_time() - began
    for file in files:
        file.reads = 0
    with_history, alone = [], []
    for number in range(rounds):
        batches = asked(segments, records, number)
        spent, accepted = admit_s(batches, history)
        if not 0.9 * KNOWN * records < records - accepted < 1.1 * KNOWN * records + 100:
            raise SystemExit(f"{kind}: {records - accepted:,} of {records:,} records are known")
        with_history.append(spent / records)
        alone.append(admit_s(batches, None)[0] / records)
    reads = sum(file.reads for file in files) / (rounds * records)
    for file in files:
        file.close()
    keys, disk, spent = len(history), sum(file.size for file in files), sum(each.write_s for each in segments)
    costs = reads, median(with_history), median(alone)
    return Cost(kind, keys, len(segments), disk, spent, open_s, history.nbytes, *costs)


def computed(small: Cost, large: Cost) -> Cost:
    """A billion keys in segments as large, from two histories of which one has more segments."""
    grown, segments = BILLION / large.keys, round(BILLION / large.keys * large.segments)
    steps = (segments - large.segments) / (large.segments - small.segments)
    open_s = large.open_s / large.segments * segments
    sizes = round(large.disk_bytes * grown), large.write_s * grown, open_s, round(large.memory_bytes * grown)
    reads = large.reads + (large.reads - small.reads) * steps
    record_s = large.record_s + (large.record_s - small.record_s) * steps
    return Cost(f"{large.kind}, computed", BILLION, segments, *sizes, reads, record_s, large.own_s)


def row(cost: Cost) -> list[str]:
    """One line of the table."""
    sizes = f"{cost.disk_bytes / cost.keys:.2f}", f"{cost.write_s / cost.keys * 1e9:.0f}", f"{cost.open_s * 1000:.1f}"
    memory = f"{cost.memory_bytes / 1e6:.0f}", f"{cost.memory_bytes / cost.keys:.2f}"
    times = f"{cost.record_s * 1e9:.0f}", f"{cost.own_s * 1e9:.0f}", f"{1 / cost.record_s / 1e6:.1f}"
    return [cost.kind, f"{cost.keys:,}", str(cost.segments), *sizes, *memory, f"{cost.reads * 1000:.1f}", *times]


def study(kind: str, keys: int, rounds: int, folder: Path) -> list[Cost]:
    """Histories of a hundredth, a tenth and all of the keys; and of all in merged segments, where they have one day."""
    folder.mkdir(parents=True)
    sizes = [SEGMENT_KEYS] * (keys // SEGMENT_KEYS) or [keys]
    days = [FIRST_DAY + (number if kind == A_DAY_A_RUN else 0) for number in range(len(sizes))]
    least = max(keys // 100, 1)
    costs = [measure(kind, [write(folder, len(sizes), least, FIRST_DAY)], min(ASKED, keys), rounds)]
    segments = [write(folder, number, *each) for number, each in enumerate(zip(sizes, days, strict=True))]
    for share in sorted({max(len(segments) // 10, 1), len(segments)}):
        costs.append(measure(kind, segments[:share], min(ASKED, keys), rounds))
    if len(segments) > 1 and keys < BILLION:
        costs.append(computed(*costs[-2:]))
    if len(segments) > 1 and kind == ONE_DAY:
        costs.append(measure(MERGED, merge(folder, segments), min(ASKED, keys), rounds))
    return costs


def main() -> None:
    """Run the command line."""
    arguments = common.parser("history", __doc__, keys=100_000_000, rounds=3).parse_args()
    need_room(arguments.work, 2 * BYTES_A_KEY * arguments.keys)
    heading, rows, folder = machine.heading(), [], arguments.work / "history"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for kind in (A_DAY_A_RUN, ONE_DAY):
            rows += [row(cost) for cost in study(kind, arguments.keys, arguments.rounds, folder)]
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(heading)
    print(f"{arguments.rounds} rounds, one thread; 2 % of the records are known:\n")
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()
