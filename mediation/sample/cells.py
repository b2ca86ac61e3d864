"""One column of a piece in writing, whatever the layout: numbers, words or local times, row by row.

Conventions
-----------
- What is written is a word, then a number or a local time; each may be missing. A negative index or value is a row that
  stays empty. Alignment and padding are the layout's business (`render.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mediation.errors import UsageError

LEADS = (b"", b"+", b"00")  # in front of a number


class Cells(NamedTuple):
    """A column in writing.

    Attributes
    ----------
    words, index : sequence of bytes, int16 array or None
        The words, and which one each row has.
    values : int64 array, optional
        Numbers in units of 10^-`decimals`, or local seconds since 1970 where there is a `pattern`.
    """

    words: Sequence[bytes] = ()
    index: np.ndarray | None = None
    values: np.ndarray | None = None
    pattern: bytes = b""
    decimals: int = 0


def numbers(values: np.ndarray, present: np.ndarray | None = None, decimals: int = 0) -> Cells:
    """Non-negative integers, as they are or with a point before the last `decimals` digits."""
    return Cells(values=_where(present, values), decimals=decimals)


def led_numbers(values: np.ndarray, lead: np.ndarray) -> Cells:
    """Integers, each behind one of `LEADS`, by an int16 index."""
    return Cells(LEADS, lead, values)


def choices(words: Sequence[bytes], index: np.ndarray, present: np.ndarray | None = None) -> Cells:
    """Words of a vocabulary by index."""
    return Cells(words, _where(present, index.astype(np.int16)))


def moments(seconds: np.ndarray, pattern: str, offset_s: int, present: np.ndarray | None = None) -> Cells:
    """Instants by a pattern of %Y %m %d %H %M %S, %z and literals."""
    sign, minutes = "-" if offset_s < 0 else "+", abs(offset_s) // 60
    pattern = pattern.replace("%z", f"{sign}{minutes // 60:02d}{minutes % 60:02d}")
    strange = re.search("%[^YmdHMS]", pattern)
    if strange:
        raise UsageError(f"the generator does not write {strange[0]}")
    return Cells(values=_where(present, seconds + offset_s), pattern=pattern.encode("ascii"))


def _where(present: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    return values if present is None else np.where(present, values, values.dtype.type(-1))
