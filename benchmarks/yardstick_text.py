"""The yardstick's events as text, and what is done to the malformed ones.

Conventions
-----------
- 14 fields, `|`, LF, no header, ASCII. Local times with +0800.
- A malformed record starts as a good one; `spoil` changes its bytes. The order of draws is part of the format.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.yardstick_events import Columns
from benchmarks.yardstick_reference import HOSTS, RECORD_TYPES
from mediation.sample.cells import Cells, choices, numbers
from mediation.sample.render import write

APNS = (b"3gnet", b"ctnet", b"cmnet", b"iot.mvno170.cn", b"wap.mvno170.cn")
START_S = int(np.datetime64("2026-06-01T00:00:00", "s").astype(np.int64))
_TYPES = [name.encode() for name in RECORD_TYPES]
_HOSTS = [name.encode() for name in HOSTS]
_MOMENT = b"%Y%m%d%H%M%S+0800"


def render(columns: Columns) -> tuple[bytearray, np.ndarray]:
    """The records' bytes, and where each begins."""

    def number(name: str) -> Cells:
        return numbers(columns[name].astype(np.int64))

    time = Cells(values=START_S + columns["time"].astype(np.int64), pattern=_MOMENT)
    other = numbers(columns["other"].astype(np.int64), columns["other"] > 0)
    cells = [number("record_id"), choices(_TYPES, columns["type"]), number("imsi"), number("msisdn"), other, time]
    cells += [number(name) for name in ("duration", "up", "down", "city")]
    cells += [choices(_HOSTS, columns["host"]), choices(APNS, columns["apn"])]
    cells += [number("sequence"), number("charging_id")]
    return write([(b"|" if place else b"", *cell) for place, cell in enumerate(cells)], b"\n")


def _bad_date(fields, rng):
    fields[5] = b"2026-06-" + fields[5][6:8] + b" 12:00"


def _missing_field(fields, rng):
    del fields[int(rng.integers(6, 13))]


def _nondigit_number(fields, rng):
    field = int(rng.choice([2, 3, 7, 13]))
    fields[field] = fields[field][:3] + b"O" + fields[field][4:]


def _negative_duration(fields, rng):
    fields[6] = b"-5" if fields[6] == b"0" else b"-" + fields[6]


def _impossible_month(fields, rng):
    fields[5] = fields[5][:4] + b"13" + fields[5][6:]


def _too_many_fields(fields, rng):
    fields.insert(int(rng.integers(1, 14)), b"0")


def _garbage_bytes(fields, rng):
    fields[int(rng.choice([1, 3, 10]))] = b"\xff\xfe\x80\x07\xc3"


def _unknown_host(fields, rng):
    fields[10] = b"XXCC"


def _short_msisdn(fields, rng):
    fields[3] = fields[3][:9]


KINDS: dict[str, Callable[[list[bytes], np.random.Generator], None]] = {
    "bad_date": _bad_date,
    "missing_field": _missing_field,
    "nondigit_number": _nondigit_number,
    "negative_duration": _negative_duration,
    "impossible_month": _impossible_month,
    "too_many_fields": _too_many_fields,
    "garbage_bytes": _garbage_bytes,
    "unknown_host": _unknown_host,
    "short_msisdn": _short_msisdn,
}
TRUNCATED_LAST_LINE = "truncated_last_line"
KIND_NAMES = (*KINDS, TRUNCATED_LAST_LINE)


def spoil(line: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """A good line made malformed."""
    if kind == TRUNCATED_LAST_LINE:
        return line.rstrip(b"\n")[: int(rng.integers(20, 60))]
    fields = line.rstrip(b"\n").split(b"|")
    KINDS[kind](fields, rng)
    return b"|".join(fields) + b"\n"
