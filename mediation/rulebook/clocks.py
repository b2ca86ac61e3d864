"""Zones, calendars, bands and cycles as the flat arrays that `rate/timeband.hpp` reads.

Conventions
-----------
- A clock is what a tariff says about time: zone, calendar, day types, bands, cycle. Tariffs that say the same share
  one.
- A date of the calendar has the calendar's day type, any other that of its weekday, "any" where none is declared.
- A band `[from, to)` with `to` at or before `from` holds for t >= from or t < to of every day of its day type (F10).
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np

from mediation.errors import RulebookError
from mediation.rulebook.columns import ANY
from mediation.rulebook.instants import minute_of_day
from mediation.rulebook.model import DAYS, Band, Declarations, Tariff
from mediation.rulebook.zones import zone_table

FIRST_DAY = 7305  # 1990-01-01, in days since 1970
DAY_COUNT = 40542  # to 2100-12-31
MAX_BANDS = 64
CLOCK = np.dtype(
    [
        ("transitions", "i4"),
        ("transition_count", "i4"),
        ("days", "i4"),
        ("cycles", "i4"),
        ("minutes", "i4"),
        ("first_day", "i4"),
        ("bands", "i4"),
        ("weekdays", "i1", 8),
        ("zone", "i4"),
    ]
)
MINUTE = np.dtype([("band", "i2"), ("until", "i2")])
_EPOCH = dt.date(1970, 1, 1)


class _Said(NamedTuple):
    """What a tariff says about time; equal for tariffs that share a clock."""

    zone: str
    calendar: str | None
    day_types: tuple
    bands: tuple
    first_day: int


def day_minutes(bands: list[Band], numbers: dict[str, int]) -> np.ndarray:
    """The band of each minute of a day, -1 where none covers it, and where the next may begin."""
    minutes = np.full(1440, -1, np.int16)
    for band in bands:
        begin, end = minute_of_day(band.valid_from), minute_of_day(band.valid_to)
        if end <= begin:
            minutes[:end] = numbers[band.band]
            end = 1440
        minutes[begin:end] = numbers[band.band]
    table = np.zeros(1440, MINUTE)
    table["band"] = minutes
    changes = np.append(np.flatnonzero(np.diff(minutes)) + 1, 1440)
    table["until"] = changes[np.searchsorted(changes, np.arange(1440), side="right")]
    return table


def cycle_starts(first_day: int) -> np.ndarray:
    """The first day of the monthly cycle of every day that the kernel looks up."""
    days = np.arange(FIRST_DAY, FIRST_DAY + DAY_COUNT).astype("M8[D]")
    months = days.astype("M8[M]")
    before = (days - months.astype("M8[D]")).astype(np.int64) + 1 < first_day
    starts = (months - before.astype("m8[M]")).astype("M8[D]").astype(np.int64) + first_day - 1
    return starts.astype(np.int32)


class ClockTables:
    """All clocks of a book."""

    def __init__(self, declared: Declarations):
        self._declared = declared
        self._clocks: dict[_Said, int] = {}
        self._rows: list[tuple] = []
        self._zones: dict[str, tuple[int, int, int]] = {}  # name -> number, first transition, count
        self._cycles: dict[int, int] = {}
        self._pieces: dict[str, list[np.ndarray]] = {
            name: [] for name in ("transitions_s", "offsets_s", "days", "cycles", "minutes")
        }
        self.bands: list[list[str]] = []  # of each clock, by number

    def add(self, tariff: Tariff) -> int:
        """The clock of a tariff."""
        said = _Said(
            tariff.zone or self._declared.book.zone,
            tariff.calendar,
            tuple(sorted((name, tuple(days)) for name, days in tariff.day_types.items())),
            tuple(sorted((name, tuple(bands)) for name, bands in tariff.bands.items())),
            tariff.cycle.first_day,
        )
        if said not in self._clocks:
            self._clocks[said] = len(self._rows)
            self._compile(said)
        return self._clocks[said]

    def _put(self, name: str, piece: np.ndarray) -> int:
        at = sum(map(len, self._pieces[name]))
        self._pieces[name].append(piece)
        return at

    def _zone(self, name: str) -> tuple[int, int, int]:
        if name not in self._zones:
            starts_us, offsets_s = zone_table(name)
            first = self._put("transitions_s", np.concatenate([starts_us[:1], starts_us[1:] // 1_000_000]))
            self._put("offsets_s", offsets_s)
            self._zones[name] = (len(self._zones), first, len(starts_us))
        return self._zones[name]

    def _compile(self, said: _Said) -> None:
        declared_bands = {name: list(bands) for name, bands in said.bands} or {ANY: [_ALL_DAY]}
        bands = sorted({band.band for each in declared_bands.values() for band in each})
        types = {name: number for number, name in enumerate(sorted(declared_bands))}
        weekday_types = {day: name for name, days in said.day_types for day in days}
        try:
            weekdays = [types[weekday_types.get(day, ANY)] for day in DAYS]
            days = self._days(said.calendar, types, weekdays, bool(said.bands))
        except KeyError as error:
            raise RulebookError([f"$.bands: no bands for the day type {error}; every day type needs them"]) from None
        tables = [day_minutes(declared_bands[name], {b: n for n, b in enumerate(bands)}) for name in sorted(types)]
        if len(bands) > MAX_BANDS or any((table["band"] < 0).any() for table in tables):
            raise RulebookError([f"$.bands: bands must cover each day, and there may be {MAX_BANDS} at most"])
        number, first, count = self._zone(said.zone)
        if said.first_day not in self._cycles:
            self._cycles[said.first_day] = self._put("cycles", cycle_starts(said.first_day))
        self._rows.append(
            (
                first,
                count,
                self._put("days", days),
                self._cycles[said.first_day],
                self._put("minutes", np.concatenate(tables)),
                said.first_day,
                len(bands),
                [*weekdays, 0],
                number,
            )
        )
        self.bands.append(bands)

    def _days(self, calendar: str | None, types: dict[str, int], weekdays: list[int], banded: bool) -> np.ndarray:
        days = np.array(weekdays, np.int8)[(np.arange(FIRST_DAY, FIRST_DAY + DAY_COUNT) + 3) % 7]
        for row in self._declared.calendars if banded else ():
            at = (row.date - _EPOCH).days - FIRST_DAY
            if row.calendar == calendar and 0 <= at < DAY_COUNT:
                days[at] = types[row.day_type]
        return days

    @property
    def zone_count(self) -> int:
        return len(self._zones)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by their kernel names."""
        rows = [tuple(row) for row in self._rows]
        types: dict[str, Any] = {
            "transitions_s": np.int64,
            "offsets_s": np.int32,
            "days": np.int8,
            "cycles": np.int32,
            "minutes": MINUTE,
        }
        pieces = {name: np.concatenate([np.zeros(0, types[name]), *found]) for name, found in self._pieces.items()}
        return {"clocks": np.array(rows, CLOCK), **pieces}


_ALL_DAY = Band(valid_from="00:00", valid_to="24:00", band=ANY)
