"""One stage at a time, on 200,000 records of the yardstick.

Conventions
-----------
- Every case makes its own input through session fixtures: none depends on another having run.
- `rows` is in the extra information, so that seconds become records a second.
"""

from __future__ import annotations

import mediation as md


def test_decode(benchmark, yardstick):
    path, book = yardstick
    usage, _ = benchmark(md.decode, path, book.feeds["yardstick"])
    benchmark.extra_info["rows"] = usage.num_rows


def test_deduplicate(benchmark, yardstick, usage):
    fresh, _ = benchmark(md.deduplicate, usage, yardstick[1])
    benchmark.extra_info["rows"] = usage.num_rows
    assert fresh.num_rows < usage.num_rows


def test_rate(benchmark, yardstick, fresh):
    rated, suspended = benchmark(md.rate, fresh, yardstick[1])
    benchmark.extra_info["rows"] = fresh.num_rows
    assert rated.num_rows + suspended.num_rows == fresh.num_rows
