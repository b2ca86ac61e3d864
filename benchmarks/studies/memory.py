"""How peak memory grows with the input: by the keys that dedup remembers and by the account days, and by nothing else.

    python -m benchmarks.studies.memory [--records 2000000 10000000 40000000] [--threads 2] [--task T5-all]

Conventions
-----------
- `mediation run` once per size, from the same generator; each line is compared with the one before.
- What is left for an account day is the growth after `KEY_BYTES` for every new key. Where that is more than an account
  day's sums can need, something else grows.
"""

from __future__ import annotations

from benchmarks import machine
from benchmarks.data import DataSet, prepare
from benchmarks.measure import Measurement
from benchmarks.report import markdown, seconds
from benchmarks.studies import common

KEY_BYTES = 32
COLUMNS = (
    *("records", "seconds", "peak MB", "keys", "account days", "more MB", "bytes a new key"),
    f"bytes a new account day after {KEY_BYTES} a key",
)


def row(records: int, cost: Measurement, before: Measurement | None) -> list[str]:
    """One line of the table."""
    keys, days = cost.totals["accepted"], cost.totals["account_days"]
    cells = [f"{records:,}", seconds(cost.wall_s), f"{cost.peak_bytes / 1e6:.0f}", f"{keys:,}", f"{days:,}"]
    if before is None:
        return [*cells, "", "", ""]
    more, new_keys = cost.peak_bytes - before.peak_bytes, keys - before.totals["accepted"]
    new_days = days - before.totals["account_days"]
    rest = (more - KEY_BYTES * new_keys) / max(new_days, 1)
    return [*cells, f"{more / 1e6:.0f}", f"{more / max(new_keys, 1):.1f}", f"{rest:.1f}"]


def main() -> None:
    """Run the command line."""
    parser = common.parser("memory", __doc__, threads=2)
    parser.add_argument("--records", type=int, nargs="+", default=[2_000_000, 10_000_000, 40_000_000])
    parser.add_argument("--task", choices=["T5", "T5-all"], default="T5-all")
    arguments = parser.parse_args()
    heading, rows, before = machine.heading(), [], None
    for records in sorted(arguments.records):
        data = prepare(arguments.work, DataSet(records))
        cost = common.measured(data, arguments.task, arguments.threads, arguments.work)
        rows.append(row(data.expected["rows"], cost, before))
        before = cost
    print(heading)
    print(f"{arguments.task}, threads: {arguments.threads}\n")
    print(markdown(COLUMNS, rows, text_columns=0))


if __name__ == "__main__":
    main()
