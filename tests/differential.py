"""The decoder against itself and against its plain twin, on as many records as one likes.

    python -m tests.differential [--records 10000000] [--twin 100000] [--seed 1]

Conventions
-----------
- A file is lines of one layout, drawn again and again from a few hundred of sound and strange values; then bytes of it
  are changed, put in and taken out.
- Every file is decoded whole and in small chunks at every instruction set: tables, certificate and fingerprints are
  the same. The first `twin` records come in small files, which the twin reads as well.
- Everything follows from the seed; a difference names it and leaves the file.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mediation.decode.source import CHUNK_BYTES
from mediation.dedup.dedup import compile_keys, fingerprint
from mediation.native._column import Batch
from mediation.native._status import simd_levels
from tests.decode_book import decoded_tables
from tests.decode_layouts import LAYOUTS, MAX_RECORD_BYTES, book, comparable, expected, pick

TELLING = np.frombuffer(b"|,;\"'\r\n\0 09-+A\x80\x81\xd6\xe4\xed\xff\xbf", np.uint8)
TEXTS = ["中", "é", "a\nb", "a\r\n", '"', "'", "|", ",", ";", "\0", "\U00020000", "x" * 40]
LINES, SMALL, LARGE = 400, 150, 60_000  # different lines of a file; records of one that the twin reads, and of others
LEAST_CHUNK = 4 * MAX_RECORD_BYTES


class Tally(NamedTuple):
    """What was compared: records, those that are usage, those that the twin read, and decodings."""

    records: int = 0
    usage: int = 0
    twin: int = 0
    decodings: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


def line(layout, random: Random) -> bytes:
    fields = [field for field in layout.field if field.type != "constant"]
    share = random.choice([0, 0, 0.05, 0.5])
    parts = [pick(field, random, share) for field in fields]
    if random.random() < 0.2:
        encoding = {"ascii": "utf-8"}.get(layout.encoding, layout.encoding)
        parts[random.randrange(len(parts))] = random.choice(TEXTS).encode(encoding)
    end = {"lf": b"\n", "crlf": b"\r\n", "any": random.choice([b"\n", b"\r\n"]), "none": b""}[layout.terminator]
    if layout.format == "fixed":
        return b"".join(part[: f.width].ljust(f.width) for part, f in zip(parts, fields, strict=True)) + end
    parts = parts[: random.randint(sum(not f.may_be_absent for f in fields), len(fields))]
    quote = (layout.quote or "").encode()
    for place in range(len(parts)):
        if quote and random.random() < 0.5:
            parts[place] = quote + parts[place].replace(quote, quote * 2) + quote
    return layout.delimiter.encode().join(parts) + end


def changed(data: bytes, draw: np.random.Generator) -> bytes:
    """About one byte in 300 changed, put in or taken out, and at times one put in many times over."""
    out, count = np.frombuffer(data, np.uint8).copy(), len(data) // 900
    out[draw.integers(len(out), size=count)] = draw.choice(TELLING, count)
    out = np.insert(out, draw.integers(len(out), size=count), draw.choice(TELLING, count))
    out = np.delete(out, draw.integers(len(out), size=count))
    long_at = draw.integers(len(out), size=len(data) // 30_000)
    return np.insert(out, np.repeat(long_at, 200), np.repeat(draw.choice(TELLING, len(long_at)), 200)).tobytes()


def file_of(layout, records: int, seed: int) -> bytes:
    random, draw = Random(seed), np.random.default_rng(seed)
    lines = [line(layout, random) for _ in range(min(LINES, records))]
    data = b"".join(lines[i] for i in draw.integers(len(lines), size=records))
    return changed(data, draw) if draw.random() < 0.8 else data


def fingerprints(feed, usage: pa.Table, simd: str) -> list[pa.RecordBatch]:
    plan = compile_keys(feed.book, simd=simd)
    return [pa.record_batch(fingerprint(plan, Batch.of(batch))) for batch in usage.to_batches()]


def require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def compare(feed, path: Path, chunks: list[int], twin: bool) -> Tally:
    """Decode a file in every way; raises AssertionError where two of them differ."""
    levels = simd_levels()
    whole = decoded_tables(path, feed, simd=levels[0])
    placed = sum(whole.bytes[part] for part in ("header", "record", "undecodable", "filler", "trailer"))
    require(placed == whole.bytes["in"] == path.stat().st_size, "bytes without a place")
    prints = fingerprints(feed, whole.usage, "alone")
    for simd in levels:
        for chunk_bytes in (CHUNK_BYTES, *chunks):
            found, told = decoded_tables(path, feed, chunk_bytes=chunk_bytes, simd=simd), f"{simd}, {chunk_bytes} bytes"
            require(found.bytes == whole.bytes, f"{told}: bytes")
            require(found.rejects.equals(whole.rejects), f"{told}: rejects")
            require(found.usage.equals(whole.usage), f"{told}: usage")
        require(fingerprints(feed, whole.usage, simd) == prints, f"{simd}: fingerprints")
    tally = Tally(whole.records, whole.usage.num_rows, twin * whole.records, len(levels) * (1 + len(chunks)))
    if twin:
        whole.usage, whole.rejects = whole.usage.to_pylist(), whole.rejects.to_pylist()
        require(comparable(whole) == expected(path.read_bytes(), feed), "the twin")
    return tally


def run(folder: Path, records: int, twin: int, seed: int) -> Tally:
    """Compare files of all layouts in turn until there were so many records."""
    tally, number, names = Tally(), 0, list(LAYOUTS)
    while tally.records < records:
        name, own_seed = names[number % len(names)], seed * 1_000_003 + number
        small = tally.twin < twin
        feed, draw = book(folder, name), Random(own_seed)
        path = folder / "x.txt"
        path.write_bytes(file_of(feed.declared.layout[0], SMALL if small else LARGE, own_seed))
        most = LEAST_CHUNK + 200 if small else 1 << 16
        chunks = [draw.randrange(LEAST_CHUNK, most) for _ in range(2)]
        try:
            tally = tally.plus(compare(feed, path, chunks, small))
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {own_seed}, {path}: {error}") from error
        number += 1
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("records", 10_000_000), ("twin", 100_000), ("seed", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    tally = run(folder, wanted.records, wanted.twin, wanted.seed)
    shutil.rmtree(folder)
    print(
        f"{tally.records:,} records in {len(LAYOUTS)} layouts, {tally.usage:,} of them usage: {tally.decodings:,} "
        f"decodings at {', '.join(simd_levels())} agree; the twin read {tally.twin:,} of them; "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f} s of CPU"
    )


if __name__ == "__main__":
    main()
