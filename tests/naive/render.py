"""Text records, one value at a time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal


def value(words, index, number, pattern: bytes, decimals: int) -> bytes:
    """A word, then a number or a local time; a negative index or number makes it empty."""
    if min(-1 if part is None else part for part in (index, number) if part is not None) < 0:
        return b""
    text = words[index] if index is not None else b""
    if number is None:
        return text
    if pattern:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=number)
        return text + moment.strftime(pattern.decode()).encode()
    return text + f"{Decimal(number).scaleb(-decimals):.{decimals}f}".encode()


def record(columns: list[tuple], end: bytes, row: int) -> bytes:
    """The row's bytes; ValueError for a value that is longer than its column."""
    text = b""
    for before, words, index, values, pattern, decimals, width, pad, right in columns:
        places = (None if column is None else int(column[row]) for column in (index, values))
        own = value(words, *places, pattern, decimals)
        if width and len(own) > width:
            raise ValueError(own)
        text += before + (own.rjust(width, bytes([pad])) if right else own.ljust(width, bytes([pad])))
    return text + end
