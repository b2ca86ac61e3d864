"""Time zones as flat tables, from the `tzdata` package alone.

Conventions
-----------
- The system's zone database is never read: two machines with one rule book must agree, and the version is recorded.
- A table is (starts_us, offsets_s): from `starts_us[i]` (UTC, inclusive) local time is UTC + `offsets_s[i]`.
- Tables are right between 1990 and 2100. `starts_us[0]` is the least int64.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import struct
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MICROS_PER_SECOND = 1_000_000
EARLIEST_US = -(1 << 63)
_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}")
_UTC = dt.UTC
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=_UTC)
_FIRST_S = int(dt.datetime(1990, 1, 1, tzinfo=_UTC).timestamp())
_LAST_S = int(dt.datetime(2101, 1, 1, tzinfo=_UTC).timestamp())
# No rule of a TZif footer keeps an offset for less than a week.
_PROBE_S = 7 * 86400


def tzdata_version() -> str:
    """The IANA release of the zone tables, as the manifest records it."""
    import tzdata

    return tzdata.IANA_VERSION


def _read(name: str) -> bytes | None:
    if not _NAME.fullmatch(name):
        return None
    import tzdata

    entry = Path(tzdata.__file__).with_name("zoneinfo").joinpath(*name.split("/"))
    try:
        content = entry.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError):
        return None
    return content if content[:4] == b"TZif" else None


@functools.lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Whether `name` is a zone of the `tzdata` package."""
    return _read(name) is not None


def _listed_transitions(content: bytes) -> tuple[list[int], bool]:
    """The transition times of the 64-bit block of a TZif file, and whether its footer has yearly rules."""
    header = struct.Struct(">4sc15x6l")

    def counts(at):
        return header.unpack_from(content, at)[2:]

    isut, isstd, leap, times, types, chars = counts(0)
    second = header.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = counts(second)
    body = second + header.size
    listed = list(struct.unpack_from(f">{times}q", content, body))
    footer = content[body + times * 9 + types * 6 + chars + leap * 12 + isstd + isut :]
    return listed, b"," in footer


@functools.lru_cache(maxsize=64)
def transitions(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The table of a zone as plain integers: (starts_us, offsets_s).

    Raises
    ------
    LookupError
        The `tzdata` package has no such zone.
    """
    import io
    from zoneinfo import ZoneInfo

    content = _read(name)
    if content is None:
        raise LookupError(f"no time zone {name!r} in tzdata {tzdata_version()}")
    zone = ZoneInfo.from_file(io.BytesIO(content), key=name)

    def offset(second):
        local = (_EPOCH + dt.timedelta(seconds=second)).astimezone(zone)
        return round(local.utcoffset().total_seconds())

    listed, has_rules = _listed_transitions(content)
    starts = [second for second in listed if _FIRST_S < second < _LAST_S]
    if has_rules:
        begin = max([_FIRST_S, *starts])
        starts += _probed_transitions(offset, begin, _LAST_S)
    table = [(EARLIEST_US, offset(_FIRST_S))]
    for second in starts:
        now = offset(second)
        if now != table[-1][1]:
            table.append((second * MICROS_PER_SECOND, now))
    return tuple(start for start, _ in table), tuple(now for _, now in table)


def _probed_transitions(offset, begin: int, end: int) -> list[int]:
    found = []
    before = offset(begin)
    for probe in range(begin, end, _PROBE_S):
        stop = min(probe + _PROBE_S, end)
        after = offset(stop)
        if after == before:
            continue
        low, high = probe, stop
        while high - low > 1:
            middle = (low + high) // 2
            if offset(middle) == before:
                low = middle
            else:
                high = middle
        found.append(high)
        before = after
    return found


@functools.lru_cache(maxsize=64)
def zone_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The table of a zone as arrays for kernels: (starts_us int64, offsets_s int32), both read-only.

    Raises
    ------
    LookupError
        The `tzdata` package has no such zone.
    """
    import numpy as np

    starts, offsets = transitions(name)
    starts_us = np.array(starts, dtype=np.int64)
    offsets_s = np.array(offsets, dtype=np.int32)
    starts_us.flags.writeable = False
    offsets_s.flags.writeable = False
    return starts_us, offsets_s


def local_to_utc_us(name: str, local_us: int) -> int:
    """The instant at which the zone's wall clock shows `local_us` (microseconds since 1970-01-01 00:00 local).

    Raises
    ------
    ValueError
        The wall clock shows it twice, or never.
    """
    starts, offsets = transitions(name)
    found = []
    # Offsets are below 26 hours, so no other interval can hold the instant.
    near = bisect_right(starts, local_us - 26 * 3600 * MICROS_PER_SECOND) - 1
    for index in range(near, len(starts)):
        if starts[index] > local_us + 26 * 3600 * MICROS_PER_SECOND:
            break
        instant = local_us - offsets[index] * MICROS_PER_SECOND
        if starts[index] <= instant and (index + 1 == len(starts) or instant < starts[index + 1]):
            found.append(instant)
    if not found:
        raise ValueError(f"this local time is skipped in {name}; write it with its offset")
    if len(found) > 1:
        raise ValueError(f"this local time happens twice in {name}; write it with its offset")
    return found[0]
