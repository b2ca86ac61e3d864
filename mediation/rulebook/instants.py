"""Dates and instants as the rule book and the reference data write them.

Conventions
-----------
- A date is YYYY-MM-DD and means 00:00 of that day in the stated zone; an instant is YYYY-MM-DDTHH:MM[:SS[.ffffff]]
  (a blank may stand for the T), in the stated zone or with its own offset (Z, +08:00).
- Results are microseconds since 1970-01-01 UTC. Validity is half-open: `[from, to)`.
"""

from __future__ import annotations

import datetime as dt
import functools
import re

from mediation.rulebook import zones

OPEN_FROM_US = -(1 << 63)
OPEN_TO_US = (1 << 63) - 1
_FORM = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1)


@functools.lru_cache(maxsize=65536)
def instant_us(text: str, zone: str) -> int:
    """The instant that `text` names, in microseconds UTC.

    Raises
    ------
    ValueError
        `text` is no date or instant, or a local time that `zone` skips or repeats. The message says which.
    """
    if not _FORM.fullmatch(text):
        raise ValueError("not a date YYYY-MM-DD or an instant YYYY-MM-DDTHH:MM:SS")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("no such date or time of day") from None
    if moment.tzinfo is not None:
        offset = moment.utcoffset()
        assert offset is not None
        return (moment.replace(tzinfo=None) - offset - _EPOCH) // dt.timedelta(microseconds=1)
    return zones.local_to_utc_us(zone, (moment - _EPOCH) // dt.timedelta(microseconds=1))


def validity_us(valid_from: str, valid_to: str, zone: str) -> tuple[int, int]:
    """The half-open interval that two texts name; an empty text is open."""
    begin = instant_us(valid_from, zone) if valid_from else OPEN_FROM_US
    end = instant_us(valid_to, zone) if valid_to else OPEN_TO_US
    return begin, end


def minute_of_day(text: str) -> int:
    """Minutes since midnight of HH:MM, up to 24:00.

    Raises
    ------
    ValueError
        `text` is no time of day.
    """
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", text, re.ASCII):
        raise ValueError("not a time of day HH:MM between 00:00 and 24:00")
    return int(text[:2]) * 60 + int(text[3:])
