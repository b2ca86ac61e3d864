"""A day of a million subscribers: files on disk to Parquet with all columns, account days and settlement.

    python -m benchmarks.studies.day [--rows 100000000] [--threads 2]

Conventions
-----------
- The records are made piece by piece into 20 files and stay in the work folder: 13 GB for 100 M, and about as much room
  is needed for the output, which goes away. Nothing is made where the disk has no room.
- The page cache holds of the input what it can; a machine with less memory than input reads from disk.
"""

from __future__ import annotations

from benchmarks import data as making
from benchmarks import machine
from benchmarks.measure import Measurement
from benchmarks.report import markdown, seconds
from benchmarks.studies import common

FILES = 20
OUTPUT_BYTES_PER_RECORD = 120
COLUMNS = ("records", "input GB", "seconds", "CPU seconds", "M records/s", "peak GB", "account days")
STAGE_COLUMNS = ("stage", "CPU seconds", "ns a record")


def stage_rows(cost: Measurement, records: int) -> list[list[str]]:
    """CPU seconds by stage, and what lies outside of all stages."""
    spent = {name: entry["cpu_s"] for name, entry in cost.totals["stages"].items()}
    spent["outside"] = cost.cpu_s - sum(spent.values())
    return [[name, f"{cpu_s:.2f}", f"{cpu_s / records * 1e9:.0f}"] for name, cpu_s in spent.items()]


def main() -> None:
    """Run the command line."""
    arguments = common.parser("day", __doc__, rows=100_000_000, threads=2).parse_args()
    data = making.prepare(arguments.work, making.DataSet(arguments.rows, FILES, days=1))
    making.need_room(arguments.work, arguments.rows * OUTPUT_BYTES_PER_RECORD)
    data.warm()
    heading = machine.heading()
    cost, records = common.measured(data, "T5-all", arguments.threads, arguments.work), data.expected["rows"]
    cells = [f"{records:,}", f"{data.bytes / 1e9:.1f}", seconds(cost.wall_s), seconds(cost.cpu_s)]
    cells += [f"{records / cost.wall_s / 1e6:.2f}", f"{cost.peak_bytes / 1e9:.2f}", f"{cost.totals['account_days']:,}"]
    print(heading)
    print(f"All columns, threads: {arguments.threads}\n")
    print(markdown(COLUMNS, [cells], text_columns=0))
    print(markdown(STAGE_COLUMNS, stage_rows(cost, records)))


if __name__ == "__main__":
    main()
