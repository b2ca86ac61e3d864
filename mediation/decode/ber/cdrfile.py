"""The file header of 3GPP TS 32.297: lengths, counts, times, why the file was closed, and what was lost.

Conventions
-----------
- Numbers are big-endian. A length or count of FFFFFFFF is not known, because the file was not closed; so is a count of
  0 in a file that has records.
- The header says itself how long it is, and so do its routeing filter and private extension; releases from Rel-10 on
  have an octet at its end. What stands between these and its end is passed over.
- A time has no year and no seconds; the year is that which brings it nearest to a date known from elsewhere.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

FIXED = 50  # octets up to the length of the routeing filter
LEAST = FIXED + 2  # … of the private extension
MOST = 4096
UNKNOWN = 0xFFFFFFFF
EXTENDED = 7  # of a release: its number stands in an octet of its own
CLOSURES = {
    0: "normal",
    1: "file_size_limit",
    2: "open_time_limit",
    3: "record_count_limit",
    4: "manual_intervention",
    5: "release_version_or_encoding_change",
    128: "abnormal",
    129: "file_system_error",
    130: "file_system_full",
    131: "file_integrity_error",
}


class Lost(NamedTuple):
    """How many records were lost while the file was written; at least so many where `exact` is False."""

    records: int
    exact: bool


class FileHeader(NamedTuple):
    """A file's header. Releases are texts (``R99``, ``Rel-9.2``), times as they stand."""

    length: int
    header_bytes: int
    high: str
    low: str
    opened: int
    appended: int
    records: int
    sequence: int
    closure: str
    node: bytes
    lost: Lost
    filter: bytes
    private: bytes


def file_header(data: bytes) -> FileHeader | None:
    """The header at the begin of a file, None when its lengths cannot be those of one.

    Parameters
    ----------
    data : bytes
        The file's first octets, the whole header among them.
    """
    if len(data) < LEAST:
        return None
    length, header_bytes, *_ = _numbers(data, 0, 2)
    if not LEAST <= header_bytes <= min(MOST, len(data)) or length < header_bytes:
        return None
    at = FIXED + int.from_bytes(data[FIXED - 2 : FIXED], "big")
    private = at + 2 + int.from_bytes(data[at : at + 2], "big")
    extensions = [data[place] >> 5 == EXTENDED for place in (8, 9)]
    if private + sum(extensions) > header_bytes:
        return None
    return FileHeader(
        length,
        header_bytes,
        _release(data[8], data[private] if extensions[0] else 0),
        _release(data[9], data[private + extensions[0]] if extensions[1] else 0),
        *_numbers(data, 10, 4),
        CLOSURES.get(data[26], str(data[26])),
        data[27:47],
        lost_records(data[47]),
        data[FIXED:at],
        data[at + 2 : private],
    )


def _numbers(data: bytes, at: int, count: int) -> list[int]:
    return [int.from_bytes(data[place : place + 4], "big") for place in range(at, at + 4 * count, 4)]


def _release(octet: int, extension: int) -> str:
    code, version = octet >> 5, octet & 31
    name = f"Rel-{10 + extension if code == EXTENDED else code + 3}" if code else "R99"
    return f"{name}.{version}"


def lost_records(indicator: int) -> Lost:
    """What the lost-CDR indicator says: none, at least 1 to 127, some (128), exactly 1 to 126, 127 and more (255)."""
    if indicator in (0x80, 0xFF):
        return Lost(max(indicator & 0x7F, 1), False)
    return Lost(indicator & 0x7F, indicator == 0 or indicator > 0x80)


def moment(packed: int, near: dt.date) -> dt.datetime | None:
    """A time of the header in the year that brings it nearest to a date; None when it is none.

    Parameters
    ----------
    packed : int
        Month in 4 bits, day 5, hour 5, minute 6, sign of the UTC offset 1 (set: east), its hours 5, its minutes 6.
    near : date
    """
    month, day, hour, minute = packed >> 28, packed >> 23 & 31, packed >> 18 & 31, packed >> 12 & 63
    offset = dt.timedelta(hours=packed >> 6 & 31, minutes=packed & 63)
    if offset >= dt.timedelta(days=1):
        return None
    zone = dt.timezone(offset if packed >> 11 & 1 else -offset)
    found = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            found.append(dt.datetime(year, month, day, hour, minute, tzinfo=zone))
        except ValueError:  # the 29th of February in most years
            continue
    return min(found, key=lambda each: abs(each.date() - near), default=None)
