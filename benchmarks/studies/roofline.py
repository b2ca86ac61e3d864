"""Each stage against what this machine allows for the same bytes: a limit that no code of that stage can pass.

    python -m benchmarks.studies.roofline [--rows 2000000] [--rounds 3]

Conventions
-----------
- Measured: CPU seconds of run.json's stages, `mediation run` on one thread with the 19 columns, least of the rounds.
- The limits are measured in the same command, on one thread, with calls that do nothing else: libc's memchr reads, a
  memcpy copies, XXH3 and BLAKE3 hash, NumPy scatters to random places, pyarrow writes the same rows. Least of `TRIES`.
- A stage must read what it is given, write what it makes and touch a random place per key: nothing is counted for the
  work itself, so that 1.0 cannot be reached.
- Batches lie in the cache: reading and copying are measured on `CACHED_BYTES`; beside it, for the record, in memory.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

import mediation as md
from benchmarks import machine
from benchmarks.data import DataSet, Prepared, prepare
from benchmarks.measure import Measurement
from benchmarks.report import markdown
from benchmarks.studies import common
from mediation.pipeline.parquet import TableFile

TRIES = 5
CACHED_BYTES = 4 << 20  # as much as a run reads at once
MEMORY_BYTES = 256 << 20
SLOT_BYTES = 32  # of a key in the set of fingerprints, and of an account day
BATCH_KEYS = 1 << 15
ROW_GROUP_ROWS = 1 << 17  # as a run writes
KEY_COLUMNS = ("record_type", "served_msisdn", "start_time", "other_party", "charging_id", "sequence_no")
RATE_READS = ("record_type", "host", "served_msisdn", "start_time", "other_party", "duration_s", "uplink_bytes")
ADDED = ("retail_zone", "retail_time_band", "retail_tariff_version", "wholesale_amount", "retail_amount")
SETTLE_READS = ("served_msisdn", "start_time", "wholesale_amount", "retail_amount")
RATE_COLUMNS = ("operation", "GB/s in the cache", "GB/s in memory")
STAGE_COLUMNS = ("stage", "what it cannot do without", "measured, ns a record", "limit", "measured / limit")


def least_s(action: Callable[[], object]) -> float:
    """The least CPU seconds of some tries."""
    found = []
    for _ in range(TRIES):
        began = time.process_time()
        action()
        found.append(time.process_time() - began)
    return min(found)


class Limits(NamedTuple):
    """What this machine can do on one thread: bytes a second, and seconds a random place."""

    read: float
    copy: float
    load: float  # from the page cache
    hash: float  # XXH3: what a file is told apart by, and a table known by, where nobody forges
    place_s: float
    write_s: float  # a row into Parquet


def bytes_a_second(action: Callable[[], object], size_bytes: int) -> float:
    """The rate of an action on a piece of this size, which is repeated up to the size of memory."""
    times = MEMORY_BYTES // size_bytes

    def repeated() -> None:
        for _ in itertools.repeat(None, times):
            action()

    return size_bytes * times / least_s(repeated)


def read_rate(size_bytes: int) -> float:
    """Every byte looked at once: memchr for a byte that is not there."""
    piece = b"x" * size_bytes
    return bytes_a_second(lambda: piece.find(b"\0"), size_bytes)


def copy_rate(size_bytes: int) -> float:
    """Every byte read and written once."""
    source, target = np.ones(size_bytes, np.uint8), np.zeros(size_bytes, np.uint8)
    return bytes_a_second(lambda: np.copyto(target, source), size_bytes)


def load_rate(path: Path) -> float:
    """Reading a file that the page cache holds, piece by piece into the same buffer."""
    room = bytearray(CACHED_BYTES)

    def load() -> None:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(room):
                pass

    return path.stat().st_size / least_s(load)


def hash_rate(hasher) -> float:
    """Hashing a stream."""
    piece = b"x" * CACHED_BYTES
    return bytes_a_second(lambda: hasher.update(piece), CACHED_BYTES)


def seconds_a_place(keys: int) -> float:
    """Writing to a random slot of a table for this many keys, in batches, so that misses can overlap."""
    slots = max(keys, BATCH_KEYS)
    table = np.zeros((slots, SLOT_BYTES // 8), np.uint64)[:, 0]
    places = np.random.default_rng(1).integers(0, slots, (16, BATCH_KEYS))

    def scatter() -> None:
        for batch in places:
            table[batch] = 1

    return least_s(scatter) / places.size


def seconds_a_row(rated: pa.Table, path: Path) -> float:
    """Writing rated rows as a run does, and nothing else."""
    threads = pa.cpu_count()
    pa.set_cpu_count(1)

    def write() -> None:
        with path.open("wb") as file, TableFile(file, rated.schema) as sink:
            for at in range(0, rated.num_rows, ROW_GROUP_ROWS):
                sink.write(rated.slice(at, ROW_GROUP_ROWS))

    try:
        return least_s(write) / rated.num_rows
    finally:
        pa.set_cpu_count(threads)


def width(table: pa.Table, columns: tuple[str, ...] | None = None) -> float:
    """Bytes a row of some columns, or of all; of an amount its low half, which is all that an amount needs."""
    chosen = table if columns is None else table.select(columns)
    return chosen.nbytes / max(table.num_rows, 1) - 8 * sum(map(pa.types.is_decimal, chosen.schema.types))


def stage_limits(limits: Limits, record: float, usage: pa.Table, rated: pa.Table) -> dict[str, tuple[str, float]]:
    """Stage -> in words, and in seconds a record, what it cannot do without.

    Parameters
    ----------
    limits : Limits
    record : float
        Bytes of a record in its file.
    usage, rated : pyarrow.Table
        Rows of the data, from which widths are taken.
    """
    made, out, stored = width(usage), width(rated), rated.nbytes / max(rated.num_rows, 1)
    key, reads, adds = width(usage, KEY_COLUMNS), width(usage, RATE_READS), width(rated, ADDED)
    summed = width(rated, SETTLE_READS)
    return {
        "read": (f"load and hash {record:.0f} B", record / limits.load + record / limits.hash),
        "decode": (f"read {record:.0f} B, write {made:.0f} B", record / limits.read + made / limits.copy),
        "deduplicate": (f"read {key:.0f} B, one random place", key / limits.read + limits.place_s),
        "rate": (f"read {reads:.0f} B, write {adds:.0f} B", reads / limits.read + adds / limits.copy),
        "settle": (f"read {summed:.0f} B, one random place", summed / limits.read + limits.place_s),
        "collect": (f"copy {stored:.0f} B", stored / limits.copy),
        "digest": (f"hash {out:.0f} B", out / limits.hash),
        "write": ("pyarrow writing the same rows alone", limits.write_s),
    }


def rows(costs: list[Measurement], limits: dict[str, tuple[str, float]], records: int) -> list[list[str]]:
    """The lines of the table, and their sum; what lies outside of all stages is start and end of the process."""
    lines, sums = [], [0.0, 0.0]
    for stage, (words, limit) in limits.items():
        spent = min(cost.totals["stages"][stage]["cpu_s"] for cost in costs) / records
        sums = [sums[0] + spent, sums[1] + limit]
        lines.append([stage, words, f"{spent * 1e9:.1f}", f"{limit * 1e9:.1f}", f"{spent / limit:.1f}"])
    lines.append(["all stages", "", f"{sums[0] * 1e9:.1f}", f"{sums[1] * 1e9:.1f}", f"{sums[0] / sums[1]:.1f}"])
    outside = min(cost.cpu_s for cost in costs) / records - sums[0]
    return [*lines, ["outside of stages", "", f"{outside * 1e9:.1f}", "", ""]]


def sample_tables(data: Prepared) -> tuple[pa.Table, pa.Table]:
    """Usage and rated rows of the first file."""
    book, first = md.load_rulebook(data.rulebook), data.paths[:1]
    usage = [batch.table for batch in md.stream(first, book, threads=1, through="decode")]
    return pa.concat_tables(usage), md.process(first, book, threads=1, columns="yardstick").rated


def main() -> None:
    """Run the command line."""
    arguments = common.parser("roofline", __doc__, rows=2_000_000, rounds=3).parse_args()
    data, scratch = prepare(arguments.work, DataSet(arguments.rows)), arguments.work / "roofline"
    data.warm()
    heading, records = machine.heading(), data.expected["rows"]
    costs = [common.measured(data, "T5", 1, arguments.work) for _ in range(arguments.rounds)]
    usage, rated = sample_tables(data)
    scratch.mkdir(exist_ok=True)
    limits = Limits(
        read_rate(CACHED_BYTES),
        copy_rate(CACHED_BYTES),
        load_rate(data.paths[0]),
        hash_rate(xxhash.xxh3_128()),
        seconds_a_place(data.expected["accepted"]),
        seconds_a_row(rated, scratch / "rated.parquet"),
    )
    shutil.rmtree(scratch)
    print(heading)
    rates = [
        ["read (memchr)", f"{limits.read / 1e9:.1f}", f"{read_rate(MEMORY_BYTES) / 1e9:.1f}"],
        ["copy (memcpy)", f"{limits.copy / 1e9:.1f}", f"{copy_rate(MEMORY_BYTES) / 1e9:.1f}"],
        ["load from the page cache", f"{limits.load / 1e9:.1f}", ""],
        ["XXH3", f"{limits.hash / 1e9:.1f}", ""],
    ]
    print(markdown(RATE_COLUMNS, rates))
    print(f"A random place of {data.expected['accepted']:,} × {SLOT_BYTES} B: {limits.place_s * 1e9:.1f} ns\n")
    print(f"{records:,} records, 19 columns, one thread, rounds: {arguments.rounds}\n")
    print(markdown(STAGE_COLUMNS, rows(costs, stage_limits(limits, data.bytes / records, usage, rated), records), 2))


if __name__ == "__main__":
    main()
