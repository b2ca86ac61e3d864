"""Text records as one byte matrix: numbers and words written side by side, then squeezed into a file's bytes.

Conventions
-----------
- A matrix row is a record at its widest; a mask says which bytes are kept. Fields are numbered from 0 in layout order.
- Numbers are right-aligned in their field, words left-aligned; what a field does not use is masked away (delimited
  layouts) or holds the pad (fixed width, where no mask is needed).
- Values are non-negative int64 or uint64; a number wider than its field is the caller's mistake and raises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FOUR_DIGITS = np.char.zfill(np.arange(10_000).astype("S4"), 4).view(np.uint8).reshape(-1, 4).copy().view("<u4").ravel()
_WIDEST = 255
_FIRST = np.tri(_WIDEST + 1, _WIDEST, -1, dtype=bool)  # row n keeps the first n bytes
_LAST = _FIRST[:, ::-1]
TENS = 10 ** np.arange(19, dtype=np.int64)


def digit_counts(values: np.ndarray) -> np.ndarray:
    """How many digits each value is written with; 0 is written with one."""
    most = int(values.max(initial=0))
    narrow = values.astype(np.int32 if most < 1 << 31 else np.int64)
    counts = np.ones(len(values), np.int8)
    for bound in TENS[1:]:
        if bound > most:
            break
        counts += narrow >= bound.astype(narrow.dtype)
    return counts.astype(np.int64)


def write_digits(target: np.ndarray, values: np.ndarray) -> None:
    """Write zero-padded numbers into `target` (rows × width bytes), in place.

    Contract: bytes left of the number become "0"; the values fit into the width.
    """
    width = target.shape[1]
    rest = values.astype(np.int64)
    most = int(rest.max(initial=0))
    if width < 19 and most >= 10**width:
        raise ValueError(f"a number does not fit into {width} digits")
    stop = width
    while stop >= 4 and most > 0:
        if most < 1 << 31 and rest.dtype != np.int32:
            rest = rest.astype(np.int32)  # divides twice as fast
        quotient = rest // 10_000
        target[:, stop - 4 : stop].view("<u4")[:, 0] = np.take(_FOUR_DIGITS, rest - quotient * 10_000)
        rest, stop, most = quotient, stop - 4, most // 10_000
    if most == 0:
        target[:, :stop] = ord("0")
        return
    while stop > 0:
        quotient = rest // 10
        target[:, stop - 1] = rest - quotient * 10 + 48
        rest, stop = quotient, stop - 1


class Words:
    """A vocabulary of byte strings, ready to be written by index."""

    def __init__(self, words: Sequence[bytes]):
        self.width = max(map(len, words), default=0) or 1
        self.lengths = np.array([len(word) for word in words], np.int64)
        padded = b"".join(word.ljust(self.width, b" ") for word in words)
        self.bytes = np.frombuffer(padded, np.uint8).reshape(-1, self.width)


class Rows:
    """A piece of a file under construction.

    Parameters
    ----------
    count : int
        Records in the piece.
    widths : sequence of int
        The most bytes of each field.
    separator, terminator : bytes
        What stands between fields and after the last.
    before, after : bytes
        What encloses every field (quotes).
    """

    def __init__(
        self,
        count: int,
        widths: Sequence[int],
        separator: bytes,
        terminator: bytes,
        before: bytes = b"",
        after: bytes = b"",
    ):
        pieces, starts, at = [], [], 0
        for number, width in enumerate(widths):
            lead = (separator if number else b"") + before
            pieces.append(lead + b" " * width + after)
            starts.append(at + len(lead))
            at += len(pieces[-1])
        template = b"".join(pieces) + terminator
        self.starts, self.widths = starts, list(widths)
        self.bytes = np.tile(np.frombuffer(template, np.uint8), (count, 1))
        self.keep = np.ones(self.bytes.shape, bool)
        self.lengths = np.full(count, len(template), np.int64)

    def span(self, field: int) -> slice:
        """Where a field stands in the matrix."""
        return slice(self.starts[field], self.starts[field] + self.widths[field])

    def digits(self, field: int, values: np.ndarray, present: np.ndarray | None = None) -> None:
        """Numbers without leading zeros; rows that are not `present` stay empty."""
        span = self.span(field)
        write_digits(self.bytes[:, span], values)
        lengths = digit_counts(values)
        if present is not None:
            lengths = np.where(present, lengths, 0)
        self.keep_last(field, lengths)

    def padded(self, field: int, values: np.ndarray, present: np.ndarray | None = None) -> None:
        """Numbers with all leading zeros; rows that are not `present` stay empty."""
        write_digits(self.bytes[:, self.span(field)], values)
        if present is not None:
            self.keep_last(field, np.where(present, self.widths[field], 0))

    def words(self, field: int, vocabulary: Words, index: np.ndarray) -> None:
        """Words of a vocabulary, by index."""
        span = self.span(field)
        self.bytes[:, span.start : span.start + vocabulary.width] = np.take(vocabulary.bytes, index, axis=0)
        self.keep_first(field, vocabulary.lengths[index])

    def constant(self, field: int, text: bytes) -> None:
        """The same text in every row."""
        start = self.starts[field]
        self.bytes[:, start : start + len(text)] = np.frombuffer(text, np.uint8)
        self.keep[:, start + len(text) : start + self.widths[field]] = False
        self.lengths += len(text) - self.widths[field]

    def keep_last(self, field: int, lengths: np.ndarray) -> None:
        """Keep the last `lengths` bytes of a field. Every field is kept by one call at most."""
        width = self.widths[field]
        if int(lengths.min(initial=width)) == width:
            return
        self.keep[:, self.span(field)] = np.take(_LAST[: width + 1, -width:], lengths, axis=0)
        self.lengths += lengths - width

    def keep_first(self, field: int, lengths: np.ndarray) -> None:
        """Keep the first `lengths` bytes of a field. Every field is kept by one call at most."""
        width = self.widths[field]
        if int(lengths.min(initial=width)) == width:
            return
        self.keep[:, self.span(field)] = np.take(_FIRST[: width + 1, :width], lengths, axis=0)
        self.lengths += lengths - width

    def squeeze(self) -> tuple[np.ndarray, np.ndarray]:
        """The kept bytes, and where each record begins in them (one entry more than there are records)."""
        offsets = np.zeros(len(self.keep) + 1, np.int64)
        np.cumsum(self.lengths, out=offsets[1:])
        return self.bytes[self.keep], offsets


def splice(text: np.ndarray, offsets: np.ndarray, replaced: dict[int, bytes]) -> tuple[bytes, np.ndarray]:
    """Put other bytes in the place of some records.

    Parameters
    ----------
    text, offsets : numpy.ndarray
        As `Rows.squeeze` gives them.
    replaced : dict of int to bytes
        Record in the piece -> its new bytes, terminator included.

    Returns
    -------
    bytes, numpy.ndarray
        The new text and its offsets.
    """
    raw = text.tobytes()
    if not replaced:
        return raw, offsets
    lengths = np.diff(offsets)
    parts, position = [], 0
    for record in sorted(replaced):
        parts += [raw[position : offsets[record]], replaced[record]]
        position = offsets[record + 1]
        lengths[record] = len(replaced[record])
    parts.append(raw[position:])
    return b"".join(parts), np.concatenate([[0], np.cumsum(lengths)])
