"""Sets of prefixes as flat arrays for the longest-prefix look-up of `rate/prefixes.hpp`.

Conventions
-----------
- A prefix has 1 to 16 digits; the empty prefix gives the set's default. Of equal prefixes in force the last row wins
  (the rule-book check refuses them).
- A number's key is (its first 16 digits padded with zeros, how many of them it has) = padded * 32 + count. A prefix
  covers an interval of keys; the intervals nest, and painting them shortest first leaves disjoint ones.
- Rows with dates cut the set into time slices, each a whole table: meant for a few dates, not for one per prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mediation.errors import RulebookError

MAX_DIGITS = 16
EARLIEST_US = -(1 << 63)
LATEST_US = (1 << 63) - 1
SLICE = np.dtype(
    [("from_us", "i8"), ("keys", "i8"), ("count", "i8"), ("buckets", "i8"), ("multiplier", "u8"), ("shift", "i8")]
)
SET = np.dtype([("first", "i4"), ("count", "i4")])
_COUNT_SLOTS = 32
_MANY = 127
_NEARBY = 4  # the kernel looks this far beyond an interval without asking


class PrefixRow(NamedTuple):
    """A prefix and its zone (numbered within the set), in force in `[from_us, to_us)`."""

    prefix: str
    zone: int
    from_us: int = EARLIEST_US
    to_us: int = LATEST_US


class Flat(NamedTuple):
    """Disjoint intervals: numbers in ``[keys[i], keys[i + 1])`` have ``zones[i]`` (-1: none)."""

    keys: np.ndarray
    zones: np.ndarray


def flatten(prefixes: Sequence[str], zones: np.ndarray, default: int) -> Flat:
    """The disjoint intervals of a set of prefixes, without neighbours of equal zone.

    Parameters
    ----------
    prefixes : sequence of str
        Distinct, not empty, digits only.
    zones : numpy.ndarray
        One for each prefix.
    default : int
        The zone of all other numbers, or -1.
    """
    if not len(prefixes):
        return Flat(np.zeros(1, np.int64), np.full(1, default, np.int16))
    values = np.array(list(map(int, prefixes)), np.int64)
    lengths = np.array(list(map(len, prefixes)), np.int64)
    scale = 10 ** (MAX_DIGITS - lengths)
    begins = values * scale * _COUNT_SLOTS + lengths
    ends = (values + 1) * scale * _COUNT_SLOTS
    keys = np.sort(np.concatenate([[0], begins, ends]))
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]  # np.unique would import numpy.ma
    first, last = np.searchsorted(keys, begins), np.searchsorted(keys, ends)
    painted = np.full(len(keys), default, np.int16)
    for length in sorted(set(map(len, prefixes))):
        rows = np.flatnonzero(lengths == length)
        # Intervals of one length are disjoint, so a running sum of +number and -number says which covers a place.
        edges = np.zeros(len(keys) + 1, np.int64)
        edges[first[rows]] += rows + 1
        edges[last[rows]] -= rows + 1
        covering = np.cumsum(edges)[:-1]
        painted = np.where(covering > 0, zones[covering - 1], painted).astype(np.int16)
    keep = np.ones(len(keys), bool)
    keep[1:] = painted[1:] != painted[:-1]
    return Flat(keys[keep], painted[keep])


def bucket_table(flat: Flat) -> tuple[np.ndarray, int, int]:
    """Buckets by leading digits, sized to the table: (buckets, multiplier, shift).

    A bucket is the zone of all its numbers (-1: none), or ~(first << 7 | count): the interval in force where it
    begins, and how many more begin inside it.
    """
    digits = next(d for d in range(1, 8) if 10**d >= 2 * len(flat.keys) or d == 7)
    width = 10 ** (MAX_DIGITS - digits) * _COUNT_SLOTS
    # Bucket and beginning of every interval but the first; an interval that begins with its bucket is not inside it.
    of_key, rest = np.divmod(flat.keys, width)
    inside = np.bincount(of_key[rest > 0], minlength=10**digits)[: 10**digits]
    begin = np.cumsum(np.bincount(of_key[rest == 0], minlength=10**digits)[: 10**digits])
    begin[1:] += np.cumsum(inside)[:-1]
    first = begin - 1
    mixed = ~(first << 7 | np.minimum(inside, _MANY)).astype(np.int32)
    buckets = np.where(inside > 0, mixed, flat.zones[first].astype(np.int32))
    # head * multiplier >> shift is head // divisor for every head of 8 digits: the error stays below head / 2**shift.
    divisor = 10 ** (8 - digits)
    shift = 28 + divisor.bit_length()
    return buckets, -(-(1 << shift) // divisor), shift


class PrefixTables:
    """All sets of a book, as the arrays that the kernel reads."""

    def __init__(self):
        self._sets: list[tuple[int, int]] = []
        self._slices: list[tuple[int, ...]] = []
        self._keys: list[np.ndarray] = []
        self._zones: list[np.ndarray] = []
        self._buckets: list[np.ndarray] = []
        self._sizes = {"keys": 0, "buckets": 0}

    def add(self, rows: Sequence[PrefixRow]) -> int:
        """Compile a set; returns its number."""
        faults = [
            f"zones.csv: $: a prefix has 1 to {MAX_DIGITS} digits; row {index + 1} of its set has something else"
            for index, row in enumerate(rows)
            if row.prefix and not (row.prefix.isascii() and row.prefix.isdigit() and len(row.prefix) <= MAX_DIGITS)
        ]
        if faults:
            raise RulebookError(faults)
        instants = {instant for row in rows for instant in (row.from_us, row.to_us)} - {LATEST_US}
        starts = sorted(instants | {EARLIEST_US})
        self._sets.append((len(self._slices), len(starts)))
        dated = len(starts) > 1
        for start in starts:
            self._add_slice(start, [row for row in rows if row.from_us <= start < row.to_us] if dated else rows)
        return len(self._sets) - 1

    def _add_slice(self, start_us: int, rows: Sequence[PrefixRow]) -> None:
        default = next((row.zone for row in reversed(rows) if not row.prefix), -1)
        named = {row.prefix: row.zone for row in rows if row.prefix}
        flat = flatten(list(named), np.array(list(named.values()), np.int16), default)
        buckets, multiplier, shift = bucket_table(flat)
        place = (self._sizes["keys"], len(flat.keys), self._sizes["buckets"])
        self._slices.append((start_us, *place, multiplier, shift))
        self._keys.append(np.concatenate([flat.keys, np.full(_NEARBY, LATEST_US)]))
        self._zones.append(np.concatenate([flat.zones, np.full(_NEARBY, -1, np.int16)]))
        self._buckets.append(buckets)
        self._sizes["keys"] += len(self._keys[-1])
        self._sizes["buckets"] += len(buckets)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by their kernel names; none is empty."""
        return {
            "prefix_sets": np.array([*self._sets, (0, 0)], SET),
            "prefix_slices": np.array([*self._slices, (0,) * len(SLICE)], SLICE),
            "prefix_keys": np.concatenate([*self._keys, np.zeros(1, np.int64)]),
            "prefix_zones": np.concatenate([*self._zones, np.zeros(1, np.int16)]),
            "prefix_buckets": np.concatenate([*self._buckets, np.zeros(1, np.int32)]),
        }
