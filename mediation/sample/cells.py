"""One column of a piece in writing, whatever the layout: a number, digits, a word or a moment, row by row.

Conventions
-----------
- A cell column knows how wide it is and how to write itself into a byte matrix, from the left, with a length per row.
  An empty value has length 0. Right alignment and padding are the layout's business (`render.py`).
- `units` are the numbers as written, for control sums.
"""

from __future__ import annotations

import re

import numpy as np

from mediation.errors import UsageError
from mediation.sample.rows import TENS, Words, digit_counts, write_digits

_PLACES = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}


class Cells:
    """A column in writing.

    Attributes
    ----------
    width : int
        The most bytes of a row.
    lengths : numpy.ndarray
        Bytes of each row.
    """

    width: int
    lengths: np.ndarray
    units: np.ndarray | None = None

    def write(self, target: np.ndarray) -> None:
        """Write each row from the left into `target` (rows × at least `width` bytes); the rest of a row is free."""
        raise NotImplementedError


class Numbers(Cells):
    """Integers of at most 18 digits, with `zeros` leading zeros, or a plus sign in the place of one."""

    def __init__(self, values, present=None, zeros=None, plus=None):
        self.units = values if present is None else np.where(present, values, 0)
        digits = digit_counts(values)
        self.lengths = digits if zeros is None else digits + zeros
        self.plus = plus
        if present is not None:
            self.lengths = np.where(present, self.lengths, 0)
        self.width = max(int(self.lengths.max(initial=1)), 1)

    def write(self, target: np.ndarray) -> None:
        """Shift each number to the left end, then write all at one width."""
        shift = np.take(TENS, self.width - self.lengths, mode="clip")
        write_digits(target[:, : self.width], self.units * shift)
        if self.plus is not None:
            target[self.plus, 0] = ord("+")


class Decimals(Cells):
    """Numbers in units of 10^-decimals, at least one digit before the point."""

    def __init__(self, units: np.ndarray, decimals: int, present=None):
        self.units = units if present is None else np.where(present, units, 0)
        self.decimals = decimals
        self.whole = Numbers(units // 10**decimals)
        self.lengths = self.whole.lengths + decimals + 1
        if present is not None:
            self.lengths = np.where(present, self.lengths, 0)
        self.width = self.whole.width + decimals + 1

    def write(self, target: np.ndarray) -> None:
        """The whole part from the left, then point and fraction group by group."""
        fraction = np.empty((len(self.units), self.decimals + 1), np.uint8)
        fraction[:, 0] = ord(".")
        write_digits(fraction[:, 1:], self.units % 10**self.decimals)
        self.whole.write(target)
        for length in range(1, self.whole.width + 1):
            rows = np.flatnonzero(self.whole.lengths == length)
            target[rows, length : length + self.decimals + 1] = fraction[rows]


class Choices(Cells):
    """Words of a vocabulary by index; -1 is empty."""

    def __init__(self, words: list[bytes], index: np.ndarray):
        self.vocabulary = Words(words)
        self.index = index
        self.lengths = np.where(index < 0, 0, self.vocabulary.lengths[index])
        self.width = self.vocabulary.width

    def write(self, target: np.ndarray) -> None:
        """Gather."""
        target[:, : self.width] = np.take(self.vocabulary.bytes, self.index, axis=0, mode="wrap")


class Moments(Cells):
    """Instants by a pattern of %Y %m %d %H %M %S, a last %z, and literals."""

    def __init__(self, seconds: np.ndarray, pattern: str, offset_s: int, present=None):
        self.local = seconds + offset_s
        sign, minutes = "-" if offset_s < 0 else "+", abs(offset_s) // 60
        pattern = pattern.replace("%z", f"{sign}{minutes // 60:02d}{minutes % 60:02d}")
        self.parts = [(part[1], "") if part[0] == "%" else ("", part) for part in re.findall(r"%.|[^%]+", pattern)]
        strange = [letter for letter, _ in self.parts if letter and letter not in _PLACES]
        if strange:
            raise UsageError(f"the generator does not write %{strange[0]}")
        self.width = sum(_PLACES[letter] if letter else len(text) for letter, text in self.parts)
        self.lengths = np.full(len(seconds), self.width)
        if present is not None:
            self.lengths = np.where(present, self.width, 0)

    def write(self, target: np.ndarray) -> None:
        """Part by part."""
        values = clock_parts(self.local)
        at = 0
        for letter, text in self.parts:
            width = _PLACES[letter] if letter else len(text)
            if letter:
                write_digits(target[:, at : at + width], values[letter])
            else:
                target[:, at : at + width] = np.frombuffer(text.encode("ascii"), np.uint8)
            at += width


def clock_parts(local_s: np.ndarray) -> dict[str, np.ndarray]:
    """Year, month, day, hour, minute and second by their pattern letters."""
    days = local_s // 86_400
    rest = local_s - days * 86_400
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    months = month.astype(np.int64)
    return {
        "Y": months // 12 + 1970,
        "m": months % 12 + 1,
        "d": (date - month).astype(np.int64) + 1,
        "H": rest // 3600,
        "M": rest // 60 % 60,
        "S": rest % 60,
    }
