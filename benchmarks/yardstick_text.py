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
from mediation.sample.rows import Rows, Words, write_digits

APNS = (b"3gnet", b"ctnet", b"cmnet", b"iot.mvno170.cn", b"wap.mvno170.cn")
START = np.datetime64("2026-06-01T00:00:00", "s")
WIDTHS = (12, 8, 15, 13, 15, 19, 6, 11, 11, 4, 4, 14, 10, 10)
_TYPES = Words([name.encode() for name in RECORD_TYPES])
_HOSTS = Words([name.encode() for name in HOSTS])
_APNS = Words(APNS)
_NUMBERS = ((0, "record_id"), (2, "imsi"), (3, "msisdn"), (6, "duration"), (7, "up"), (8, "down"), (9, "city"))


def calendar_digits(seconds: np.ndarray) -> np.ndarray:
    """YYYYMMDDHHMMSS as one integer."""
    instant = START + seconds.astype("timedelta64[s]")
    day = instant.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    months = month.astype(np.int64)
    date = (months // 12 + 1970) * 10_000 + (months % 12 + 1) * 100 + ((day - month).astype(np.int64) + 1)
    rest = (instant - day).astype(np.int64)
    return date * 1_000_000 + rest // 3600 * 10_000 + rest // 60 % 60 * 100 + rest % 60


def render(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """The records' bytes, and where each begins."""
    rows = Rows(len(columns["record_id"]), WIDTHS, b"|", b"\n")
    for field, name in (*_NUMBERS, (12, "sequence"), (13, "charging_id")):
        rows.digits(field, columns[name])
    rows.words(1, _TYPES, columns["type"])
    rows.digits(4, columns["other"], present=columns["other"] > 0)
    span = rows.span(5)
    write_digits(rows.bytes[:, span.start : span.start + 14], calendar_digits(columns["time"]))
    rows.bytes[:, span.start + 14 : span.stop] = np.frombuffer(b"+0800", np.uint8)
    rows.words(10, _HOSTS, columns["host"])
    rows.words(11, _APNS, columns["apn"])
    return rows.squeeze()


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
