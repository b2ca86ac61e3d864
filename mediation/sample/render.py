"""Cells to a piece of a file by its layout: delimited, quoted or fixed width; and the header and trailer around it.

Conventions
-----------
- A record's bytes include its terminator. Fixed width: numbers stand right where their field is stripped on the left,
  with zeros where nothing is stripped; text stands left.
- A count is of all records; a control sum is over the records whose summed value can be read, rejected or not.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from mediation.errors import UsageError
from mediation.sample._render import TooNarrow, write_records
from mediation.sample.cells import Cells

Buffer = bytes | bytearray | memoryview
TERMINATORS = {"lf": b"\n", "crlf": b"\r\n", "any": b"\n", "none": b""}


def render(layout, cells: list[Cells]) -> tuple[bytearray, np.ndarray]:
    """The records' bytes, and where each begins (one entry more than there are records)."""
    terminator = TERMINATORS[layout.terminator]
    if layout.format == "fixed":
        return _fixed(layout, cells, terminator)
    quote = (layout.quote or "").encode()
    cut = quote + layout.delimiter.encode() + quote
    return write([(cut if place else quote, *cell) for place, cell in enumerate(cells)], quote + terminator)


def write(columns: list[tuple], end: bytes) -> tuple[bytearray, np.ndarray]:
    """Records of columns as (what stands before it, *Cells), with `width, pad, right` where it has a width."""
    unpadded = (0, ord(" "), False)
    rows = next(len(column) for column in columns[0][2:4] if column is not None)
    offsets = np.empty(rows + 1, np.int64)
    return write_records([(*column, *unpadded)[:9] for column in columns], end, offsets), offsets


def _fixed(layout, cells: list[Cells], terminator: bytes) -> tuple[bytearray, np.ndarray]:
    columns, at = [], 1
    fields = sorted(zip(layout.field, cells, strict=True), key=lambda pair: pair[0].start)
    for field, cell in fields:
        columns.append((b" " * (field.start - at), *cell, field.width, pad_byte(field), stands_right(field)))
        at = field.start + field.width
    try:
        return write(columns, b" " * (layout.record_length + 1 - at) + terminator)
    except TooNarrow as error:
        field = fields[error.args[0]][0]
        raise UsageError(f"{field.column}: a value does not fit into {field.width} bytes") from None


def splice(text: bytearray, offsets: np.ndarray, replaced: dict[int, bytes]) -> tuple[list[Buffer], np.ndarray]:
    """Put other bytes in the place of some records.

    Parameters
    ----------
    text, offsets
        As `render` gives them.
    replaced : dict of int to bytes
        Record in the piece -> its new bytes, terminator included.

    Returns
    -------
    list of buffers, numpy.ndarray
        The new text in parts, and its offsets.
    """
    lengths, view = np.diff(offsets), memoryview(text)
    parts: list[Buffer] = []
    position = 0
    for record in sorted(replaced):
        parts += [view[position : offsets[record]], replaced[record]]
        position = offsets[record + 1]
        lengths[record] = len(replaced[record])
    parts.append(view[position:])
    return parts, np.concatenate([[0], np.cumsum(lengths)])


def pad_byte(field) -> int:
    """What a fixed-width field is filled up with."""
    return ord(field.pad) if field.strip != "none" else ord("0") if is_numeric(field) else ord(" ")


def is_numeric(field) -> bool:
    """Whether the field's values are numbers, which stand right."""
    return field.type in ("integer", "digits", "decimal")


def stands_right(field) -> bool:
    """Whether a value shorter than its field has the pad on its left."""
    return field.strip == "left" or (is_numeric(field) and field.strip in ("none", "both"))


def envelope(layout, declared, date: str, sequence: int, records: int, sums: dict[str, int]) -> bytes:
    """A header or trailer.

    Parameters
    ----------
    layout, declared
        The layout, and its `header` or `trailer`; None gives no bytes.
    date, sequence, records : str, int, int
        What it says of its file.
    sums : dict
        Column -> sum in the unit of the control sum.
    """
    if declared is None:
        return b""
    slots = [(declared.date, date), (declared.sequence, str(sequence)), (declared.record_count, str(records))]
    slots += [(control, str(sums[control.column])) for control in declared.sums]
    slots = [(slot, value) for slot, value in slots if slot is not None]
    terminator = TERMINATORS[layout.terminator]
    if layout.format == "fixed":
        text = bytearray(b" " * layout.record_length)
        text[: len(declared.starts_with)] = declared.starts_with.encode()
        for slot, value in slots:
            text[slot.start - 1 : slot.start - 1 + slot.width] = value.rjust(slot.width, "0").encode()
        return bytes(text) + terminator
    fields = [declared.starts_with.rstrip(layout.delimiter)]
    fields += [""] * (max((slot.position for slot, _ in slots), default=1) - 1)
    for slot, value in slots:
        fields[slot.position - 1] = value
    return layout.delimiter.join(fields).encode() + terminator


_MONEY = {"fen": 100, "yuan": 1, "micro": 10**6}


def controls(layout) -> list:
    """The control sums that header and trailer declare."""
    return [control for part in (layout.header, layout.trailer) if part is not None for control in part.sums]


def control_sums(layout, cells: list[Cells], unreadable: dict[str, np.ndarray]) -> Counter[str]:
    """The sum of each column that has a control sum, in its unit, over a piece's records but the `unreadable` ones."""
    found: Counter[str] = Counter()
    for control in controls(layout):
        place = next(place for place, field in enumerate(layout.field) if field.column == control.column)
        field, cell = layout.field[place], cells[place]
        total = sum_of(cell.values) - sum_of(cell.values[unreadable[control.column]])
        if field.type == "decimal":
            scale = _MONEY[control.unit if control.unit in _MONEY else "yuan"]
            unit = _MONEY[field.unit if field.unit in _MONEY else "yuan"]
            total = total * scale // (unit * 10**cell.decimals)
        found[control.column] = total
    return found


def sum_of(values: np.ndarray) -> int:
    """Of those that are there."""
    return int(np.maximum(values, 0).sum())
