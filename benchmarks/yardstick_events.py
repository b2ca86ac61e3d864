"""The yardstick's events as columns: who used what, when, and which records will be malformed.

Conventions
-----------
- A piece is `PIECE_ROWS` records of one file, deterministic in its `Slice` and number: any can be made again alone,
  which is how a file repeats records of the file before it. The order of draws is part of the format.
- Numbers are uint64, codes uint8; `time` is seconds after 2026-06-01 00:00 local; `malformed` is a kind or -1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.yardstick_reference import AREA_CODES, COUNTRY_CODES

SUBSCRIBERS = 1_000_000
DAYS = 30
PIECE_ROWS = 200_000
FIRST_RECORD_ID = 100_000_000_000
TYPE_SHARES = (0.14, 0.11, 0.03, 0.12, 0.60)
HOST_SHARES = (0.5, 0.3, 0.2)
MALFORMED_KINDS = 9  # drawn at random; the tenth is the truncated last line of a file
TRUNCATED = 9
SMS_MT, DATA = 3, 4
u64 = np.uint64

_AREAS = np.array(AREA_CODES, u64)
_COUNTRIES = np.array(COUNTRY_CODES, u64)
_SHORT = np.array([10010, 10086, 10000, 12306, 95588, 110_012, 11901, 12010], u64)
Columns = dict[str, np.ndarray]


class Slice(NamedTuple):
    """The part of the events that one file holds."""

    seed: int
    file: int
    files: int
    days: int


def scramble(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64: a fixed bijection of 64-bit integers."""
    x = values.astype(u64)
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u64(27))) * u64(0x94D049BB133111EB)
    return x ^ (x >> u64(31))


def contact_numbers(subscriber: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """The number of a subscriber's n-th contact: a stable list per subscriber, mostly mobiles."""
    h = scramble(subscriber * u64(64) + contact)
    local = h % u64(100_000_000)
    mobile = u64(8613_000_000_000) + (h >> u64(8)) % u64(7) * u64(10**9) + local + (h >> u64(20)) % u64(10) * u64(10**8)
    pick = h >> u64(12)
    area = _AREAS[pick % u64(len(_AREAS))]
    area_digits = np.where(area < 100, 100, 1000).astype(u64)
    fixed_line = (u64(86) * area_digits + area) * u64(10**8) + u64(20_000_000) + local % u64(70_000_000)
    foreign = _COUNTRIES[pick % u64(len(_COUNTRIES))] * u64(10**9) + u64(10**8) + (h >> u64(5)) % u64(900_000_000)
    short = _SHORT[(h >> u64(9)) % u64(8)]
    share = (h >> u64(40)) % u64(1000)
    return np.select([share < 850, share < 930, share < 970], [mobile, fixed_line, foreign], short)


def piece(of: Slice, number: int, count: int, first_record: int, last: bool) -> Columns:
    """The base records of a piece, before any is repeated.

    Parameters
    ----------
    of : Slice
    number : int
        Which piece of the file.
    count, first_record : int
        Records to make, and how many went before in all files.
    last : bool
        Its last record is the file's truncated last line.
    """
    rng = np.random.default_rng([of.seed, of.file, number])
    columns: Columns = {"record_id": u64(FIRST_RECORD_ID + first_record) + np.arange(count, dtype=u64)}
    kind = columns["type"] = rng.choice(5, count, p=TYPE_SHARES).astype(np.uint8)
    subscriber = np.minimum((SUBSCRIBERS * rng.random(count) ** 2.5).astype(u64), u64(SUBSCRIBERS - 1))
    columns["imsi"] = u64(460_010_000_000_000) + subscriber * u64(2654435761) % u64(10**10)
    columns["msisdn"] = u64(8617_000_000_000) + subscriber * u64(61803399) % u64(10**8)
    contact = np.minimum((20 * rng.random(count) ** 2).astype(u64), u64(19))
    industry = u64(10690 * 10**8) + scramble(rng.integers(0, 5000, count)) % u64(10**8)
    from_industry = (kind == SMS_MT) & (rng.random(count) < 0.7)
    other = np.where(from_industry, industry, contact_numbers(subscriber, contact))
    columns["other"] = np.where(kind == DATA, u64(0), other)
    columns["time"] = start_seconds(rng, of, count)
    columns |= quantities(rng, kind)
    columns["city"] = rng.integers(0, 340, count).astype(u64) + u64(1000)
    columns["host"] = rng.choice(3, count, p=HOST_SHARES).astype(np.uint8)
    columns["apn"] = rng.integers(0, 5, count).astype(np.uint8)
    columns["sequence"] = u64(of.file * 50_000_000 + number * PIECE_ROWS) + np.arange(count, dtype=u64)
    columns["charging_id"] = u64(10**9) + scramble(columns["record_id"]) % u64(9 * 10**9)
    malformed = np.full(count, -1, np.int8)
    chosen = rng.random(count) < 0.001
    malformed[chosen] = rng.integers(0, MALFORMED_KINDS, int(chosen.sum()))
    malformed[-1] = TRUNCATED if last else -1
    columns["malformed"] = malformed
    return columns


def start_seconds(rng: np.random.Generator, of: Slice, count: int) -> np.ndarray:
    """A file covers its slice of the days, with a late tail of up to two days."""
    span = of.days * 86400
    width = span / of.files
    time = of.file * width + rng.random(count) * width
    late = rng.random(count) < 0.02
    time = np.where(late, np.maximum(0, time - rng.random(count) * min(2 * 86400, span)), time)
    return np.minimum(time.astype(np.int64), span - 1)


def quantities(rng: np.random.Generator, kind: np.ndarray) -> Columns:
    """Durations and volumes by record type."""
    count = len(kind)
    call = np.minimum(rng.exponential(75, count).astype(u64), u64(7200))
    session = np.minimum(rng.exponential(900, count).astype(u64), u64(86400))
    is_data = kind == DATA
    return {
        "duration": np.where(kind < 2, call, np.where(is_data, session, u64(0))),
        "up": np.where(is_data, np.exp(rng.normal(10, 2, count)).clip(0, 4e9), 0).astype(u64),
        "down": np.where(is_data, np.exp(rng.normal(12.5, 2.2, count)).clip(0, 4e10), 0).astype(u64),
    }
