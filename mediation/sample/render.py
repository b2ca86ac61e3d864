"""Cells to a piece of a file by its layout: delimited, quoted or fixed width; and the header and trailer around it.

Conventions
-----------
- A record's bytes include its terminator. Fixed width: numbers stand right where their field is stripped on the left,
  with zeros where nothing is stripped; text stands left.
- A count is of all records; a control sum is over the records whose summed value can be read, rejected or not.
"""

from __future__ import annotations

import numpy as np

from mediation.errors import UsageError
from mediation.sample.cells import Cells, Numbers
from mediation.sample.rows import Rows, write_digits

TERMINATORS = {"lf": b"\n", "crlf": b"\r\n", "any": b"\n", "none": b""}


def render(layout, cells: list[Cells]) -> tuple[np.ndarray, np.ndarray]:
    """The records' bytes, and where each begins (one entry more than there are records)."""
    return _fixed(layout, cells) if layout.format == "fixed" else _delimited(layout, cells)


def _delimited(layout, cells: list[Cells]) -> tuple[np.ndarray, np.ndarray]:
    quote = (layout.quote or "").encode()
    count, terminator = len(cells[0].lengths), TERMINATORS[layout.terminator]
    rows = Rows(count, [cell.width for cell in cells], layout.delimiter.encode(), terminator, quote, quote)
    for place, cell in enumerate(cells):
        if isinstance(cell, Numbers) and cell.plus is None:
            write_digits(rows.bytes[:, rows.span(place)], cell.units)
            rows.keep_last(place, cell.lengths)
        else:
            cell.write(rows.bytes[:, rows.span(place)])
            rows.keep_first(place, cell.lengths)
    return rows.squeeze()


def _fixed(layout, cells: list[Cells]) -> tuple[np.ndarray, np.ndarray]:
    count, terminator = len(cells[0].lengths), TERMINATORS[layout.terminator]
    size = layout.record_length + len(terminator)
    text = np.full((count, size), ord(" "), np.uint8)
    text[:, layout.record_length :] = np.frombuffer(terminator, np.uint8)
    for field, cell in zip(layout.field, cells, strict=True):
        if cell.width > field.width:
            raise UsageError(f"{field.column}: {cell.width} bytes do not fit into {field.width}")
        _place(text[:, field.start - 1 : field.start - 1 + field.width], field, cell)
    return text.reshape(-1), np.arange(count + 1, dtype=np.int64) * size


def pad_byte(field) -> int:
    """What a fixed-width field is filled up with."""
    return ord(field.pad) if field.strip != "none" else ord("0") if is_numeric(field) else ord(" ")


def is_numeric(field) -> bool:
    """Whether the field's values are numbers, which stand right."""
    return field.type in ("integer", "digits", "decimal")


def stands_right(field) -> bool:
    """Whether a value shorter than its field has the pad on its left."""
    return field.strip == "left" or (is_numeric(field) and field.strip in ("none", "both"))


def _place(target: np.ndarray, field, cell: Cells) -> None:
    """Write a column into its place, each row on its side, the pad beside it."""
    pad, places = np.uint8(pad_byte(field)), np.arange(target.shape[1], dtype=np.int16)
    lengths = cell.lengths.astype(np.int16)[:, None]
    if not stands_right(field):
        cell.write(target)
        np.copyto(target, pad, where=places >= lengths)
    elif isinstance(cell, Numbers) and cell.plus is None:
        write_digits(target, cell.units)
        if pad != ord("0") or not lengths.all():
            np.copyto(target, pad, where=places < target.shape[1] - lengths)
    else:
        left = np.empty((len(target), cell.width), np.uint8)
        cell.write(left)
        target[:] = pad
        for length in np.unique(cell.lengths):
            rows = np.flatnonzero(cell.lengths == length)
            target[rows, target.shape[1] - length :] = left[rows, :length]


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


def control_sums(layout, cells: list[Cells], readable: dict[str, np.ndarray]) -> dict[str, int]:
    """The sums that the header and the trailer declare, in their units, over a piece's records that are `readable`."""
    found = {}
    for declared in (layout.header, layout.trailer):
        for control in declared.sums if declared is not None else ():
            place = next(place for place, field in enumerate(layout.field) if field.column == control.column)
            field, cell = layout.field[place], cells[place]
            total = int(cell.units[readable[control.column]].sum())
            if field.type == "decimal":
                scale = _MONEY[control.unit if control.unit in _MONEY else "yuan"]
                unit = _MONEY[field.unit if field.unit in _MONEY else "yuan"]
                total = total * scale // (unit * 10 ** getattr(cell, "decimals", 0))
            found[control.column] = total
    return found
