"""The specification of the sums in plain Python: dictionaries of unbounded integers.

Conventions
-----------
- A row is a dictionary of everything that usage and rating say of it; null is None, amounts are integers of 10^-6.
"""

from __future__ import annotations

from bisect import bisect_right

DAY_US = 86_400 * 1_000_000


def local_day(zone_table, instant_us: int) -> int:
    """Days since 1970-01-01 of the local date."""
    starts, offsets = zone_table
    return (instant_us + int(offsets[bisect_right(list(starts), instant_us) - 1]) * 1_000_000) // DAY_US


def account_days(rows, zone_table):
    """(account, day, records, retail, wholesale, margin) in order, a null account first."""
    sums = {}
    for row in rows:
        key = (row["account_id"], local_day(zone_table, row["start_time"]))
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += 1
        total[1] += row["retail_amount"]
        total[2] += row["wholesale_amount"]
    ordered = sorted(sums.items(), key=lambda entry: (entry[0][0] is not None, entry[0]))
    return [(*key, *total, total[1] - total[2]) for key, total in ordered]


LINE = (
    "host_cycle",
    "host",
    "service",
    "city",
    "wholesale_zone",
    "wholesale_time_band",
    "wholesale_tariff_version",
)


def settlement_lines(rows, services):
    """Key of a line -> [records, quantity, host charge, wholesale, retail]; `services` has that of a record type."""
    lines = {}
    for row in rows:
        row = {**row, "service": services[row["record_type"]]}
        total = lines.setdefault(tuple(row.get(name) for name in LINE), [0] * 5)
        total[0] += 1
        for place, name in enumerate(
            ("wholesale_quantity", "host_charge_amount", "wholesale_amount", "retail_amount"), start=1
        ):
            total[place] += row.get(name) or 0
    return lines
