"""What each instruction set is worth: the loops that are written per set, on 200,000 records of the yardstick.

Conventions
-----------
- The levels are those that this machine has; the lowest is what a machine without any of them runs.
- A level that brings nothing here is to go.
"""

from __future__ import annotations

import pytest

from mediation.decode import decode
from mediation.decode.source import Source
from mediation.dedup import dedup
from mediation.native import simd_level
from mediation.native._column import Batch
from mediation.native._status import simd_levels

LEVELS = pytest.mark.parametrize("level", simd_levels())


@pytest.fixture(scope="module")
def chunks(yardstick):
    """The layout, and the file's pieces as they lie in memory."""
    path, book = yardstick
    feed = book.feeds["yardstick"]
    layout = decode.layout_of(feed, None)
    with Source(path, feed, layout, feed.declared.limits) as source:
        return layout, list(source)


@LEVELS
def test_decode(benchmark, chunks, level):
    layout, pieces = chunks
    layout.plan.set_simd(level)
    try:
        decoded = benchmark(lambda: [decode.decode_chunk(layout, piece, 0) for piece in pieces])
    finally:
        layout.plan.set_simd(simd_level())
    benchmark.extra_info["rows"] = sum(piece.records for piece in decoded)


@LEVELS
def test_fingerprint(benchmark, yardstick, usage, level):
    keys = dedup.compile_keys(yardstick[1], simd=level)
    batches = [Batch.of(batch) for batch in usage.to_batches()]
    benchmark(lambda: [dedup.fingerprint(keys, batch) for batch in batches])
    benchmark.extra_info["rows"] = usage.num_rows
