"""The yardstick's partial tasks through the public functions, as a user would write them.

    python -m benchmarks.driver --data DIR --rulebook RULEBOOK --task T1|T2|T3|T3-folded [--threads 2]

Conventions
-----------
- T1 decodes into Arrow tables; T2 goes on to dedup; T3 is `md.process`, everything in memory at the end, as the peers'
  is; T3-folded is `md.stream`, whose batches are added up and forgotten.
- The same totals as the peers', under the same names. Amounts are micro-yuan.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from benchmarks.peers.stopwatch import Stopwatch  # isort: skip  (starts the clock)

import pyarrow as pa
import pyarrow.compute as pc

import mediation as md

FEED = "yardstick"


def micro(amounts) -> int:
    """The sum of decimal amounts in micro-yuan; exact, in 128 bits."""
    total = pc.sum(amounts).as_py()
    return int((total or Decimal(0)).scaleb(6))


class Task:
    """One task over one set of files."""

    def __init__(self, data: Path, rulebook: Path, threads: int):
        self.watch = Stopwatch()
        self.paths = sorted(map(str, data.glob("cdr_*.txt")))
        self.threads = threads
        self.book = md.load_rulebook(rulebook)
        self.results: dict[str, int] = {}
        self.watch.mark("rulebook")

    def decode(self) -> pa.Table:
        """T1."""
        with ThreadPoolExecutor(self.threads) as executor:
            parts = list(executor.map(lambda path: md.decode(path, self.book.feeds[FEED]), self.paths))
        usage = pa.concat_tables([part[0] for part in parts])
        self.results.update(valid=usage.num_rows, rejects=sum(part[1].num_rows for part in parts))
        self.watch.mark("decode")
        return usage

    def deduplicate(self) -> None:
        """T2."""
        fresh, duplicates = md.deduplicate(self.decode(), self.book)
        self.results.update(accepted=fresh.num_rows, duplicates=duplicates.num_rows)
        self.watch.mark("deduplicate")

    def process(self) -> None:
        """T3, materialised."""
        run = md.process(self.paths, self.book, threads=self.threads)
        rated = run.rated
        self.watch.mark("process")
        self.results.update(
            valid=rated.num_rows + run.duplicates.num_rows + run.suspended.num_rows,
            rejects=run.rejects.num_rows,
            duplicates=run.duplicates.num_rows,
            accepted=rated.num_rows,
            sum_wholesale=micro(rated["wholesale_amount"]),
            sum_retail=micro(rated["retail_amount"]),
        )
        self.watch.mark("sums")

    def fold(self) -> None:
        """T3, folded: nothing is kept of a batch but its sums."""
        accepted = wholesale = retail = 0
        for batch in md.stream(self.paths, self.book, threads=self.threads):
            accepted += batch.num_rows
            wholesale += micro(batch["wholesale_amount"])
            retail += micro(batch["retail_amount"])
        self.results.update(accepted=accepted, sum_wholesale=wholesale, sum_retail=retail)
        self.watch.mark("stream")


TASKS = {"T1": Task.decode, "T2": Task.deduplicate, "T3": Task.process, "T3-folded": Task.fold}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rulebook", type=Path, required=True)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    task = Task(arguments.data, arguments.rulebook, arguments.threads)
    TASKS[arguments.task](task)
    task.watch.report("mediation", arguments.task, task.results)


if __name__ == "__main__":
    main()
