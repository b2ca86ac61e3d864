"""What every program must find alike, task by task.

Conventions
-----------
- Column sums are modulo 2^64: that is how two of the three programs add 64-bit integers up, and a lost or altered
  record shows all the same.
- A program may print more (its own codes, columns that it has in another form); only what stands here is compared, and
  a program that does not print one of these has no result.
- *Folded* (T1, T2, T3): every column is reduced to a sum and nothing is kept. *Materialised* (T1-table …): everything
  is in memory at the end.
"""

from __future__ import annotations

PARSED = ("valid", "rejects")
DEDUPLICATED = (*PARSED, "duplicates", "accepted")
RATED = (*DEDUPLICATED, "sum_wholesale", "sum_retail")
WRITTEN = (*RATED, "account_days")
COLUMNS = (
    *("sum_imsi", "sum_msisdn", "count_other_party", "sum_start_us", "sum_duration", "sum_uplink", "sum_downlink"),
    *("sum_city", "bytes_apn", "sum_sequence", "sum_charging_id"),
)
TASKS: dict[str, tuple[str, ...]] = {
    "T1": (*PARSED, *COLUMNS),
    "T2": (*DEDUPLICATED, *COLUMNS),
    "T3": (*RATED, *COLUMNS),
    "T3-all": (*RATED, *COLUMNS),
    "T1-table": PARSED,
    "T2-table": DEDUPLICATED,
    "T3-table": RATED,
    "T5": WRITTEN,
    "T5-all": WRITTEN,
}
OURS_ALONE = frozenset(["T3-all", "T5-all"])  # all columns that a run can give; the peers have the yardstick's
WORD = 1 << 64


def modulo_word(sums: dict[str, int | None]) -> dict[str, int]:
    """Column sums as they are compared; the sum of nothing is 0."""
    return {name: int(value or 0) % WORD for name, value in sums.items()}


def disagreements(task: str, found: dict[str, dict[str, int]], expected: dict[str, int]) -> list[str]:
    """Every total on which programs differ from each other or from what the generator expects.

    Parameters
    ----------
    task : str
    found : dict
        Program -> what it printed.
    expected : dict
        expected.json.
    """
    faults = []
    for name in TASKS[task]:
        values = {program: printed.get(name) for program, printed in found.items()}
        if name in expected:
            values["expected"] = expected[name]
        if len(set(values.values())) > 1 or None in values.values():
            faults.append(f"{name}: " + ", ".join(f"{program} {_shown(value)}" for program, value in values.items()))
    return faults


def _shown(value: int | None) -> str:
    return "nothing" if value is None else f"{value:,}"
