"""The feeds of the example rule book against the yardstick: what other layouts and a real tariff cost per record.

    python -m benchmarks.studies.hosts [--rows 2000000] [--rounds 3]

Conventions
-----------
- One thread, `mediation run` with all columns, every feed alone and then the yardstick; the share is formed within a
  round, of records per CPU second.
- The example has subscriptions, several products, cells and a host's own charges; the yardstick has none of these.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import median
from typing import NamedTuple

import mediation.sample
from benchmarks import machine
from benchmarks.data import DataSet, prepare
from benchmarks.measure import Measurement, run
from benchmarks.report import markdown, seconds
from benchmarks.studies import common
from mediation.sample.generate import generate

RULES = Path(mediation.sample.__file__).parent / "rulebook"
YARDSTICK = "yardstick"
COLUMNS = ("feed", "records", "bytes a record", "CPU seconds", "M records a CPU second", "of the yardstick's")


class Sample(NamedTuple):
    """Files of one feed."""

    folder: Path
    expected: dict


def sample(work: Path, feed: str, records: int) -> Sample:
    """Make a feed's files once."""
    folder = work / f"sample-{feed}-{records}"
    told = folder / "made.json"
    if not told.exists():  # written last
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        expected = generate(folder, records=records, feeds=[feed])
        told.write_text(json.dumps({name: expected[name] for name in ("records", "bytes_in")}))
    return Sample(folder, json.loads(told.read_text()))


def process(made: Sample, out: Path) -> Measurement:
    """One run on one thread."""
    shutil.rmtree(out, ignore_errors=True)
    files = sorted(map(str, (made.folder / "in").iterdir()))
    books = ["--rulebook", str(RULES), "--reference", str(made.folder / "reference")]
    options = [*books, "--out", str(out), "--threads", "1", "--json", "--quiet"]
    cost = run(["-m", "mediation", "run", *options, *files], processors=1)
    shutil.rmtree(out, ignore_errors=True)
    found = cost.totals["records_in"]
    if found != made.expected["records"] or not cost.totals["closes"]:
        raise SystemExit(f"{made.folder}: {found:,} records of {made.expected['records']:,}")
    return cost


def row(name: str, records: int, size_bytes: int, costs: list[Measurement], shares: list[float]) -> list[str]:
    """One line of the table."""
    cpu = median(cost.cpu_s for cost in costs)
    cells = [name, f"{records:,}", f"{size_bytes / records:.0f}", seconds(cpu), f"{records / cpu / 1e6:.2f}"]
    return [*cells, f"{median(shares):.2f} ({min(shares):.2f}–{max(shares):.2f})"]


def main() -> None:
    """Run the command line."""
    arguments = common.parser("hosts", __doc__, rows=2_000_000, rounds=3).parse_args()
    feeds = sorted(path.stem for path in (RULES / "feeds").iterdir())
    samples = {feed: sample(arguments.work, feed, arguments.rows) for feed in feeds}
    sizes = {feed: (made.expected["records"], made.expected["bytes_in"]) for feed, made in samples.items()}
    data = prepare(arguments.work, DataSet(arguments.rows, 4))
    sizes[YARDSTICK] = data.expected["rows"], data.bytes
    data.warm()
    heading, costs = machine.heading(), {name: [] for name in sizes}
    for _ in range(arguments.rounds):
        for feed in feeds:
            costs[feed].append(process(samples[feed], arguments.work / "out"))
        costs[YARDSTICK].append(common.measured(data, "T5-all", 1, arguments.work))
    rates = {name: [sizes[name][0] / cost.cpu_s for cost in found] for name, found in costs.items()}
    rows = []
    for name, found in costs.items():
        shares = [own / whole for own, whole in zip(rates[name], rates[YARDSTICK], strict=True)]
        rows.append(row(name, *sizes[name], found, shares))
    print(heading)
    print(f"All columns, one thread, rounds: {arguments.rounds}; medians:\n")
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()
