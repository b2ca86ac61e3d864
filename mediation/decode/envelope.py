"""Headers and trailers: the values that they hold, and whether the file agrees with them.

Conventions
-----------
- A value that is missing or not written as declared disagrees, with the code of what it should have said.
- Counts are of all records between header and trailer, rejected ones too. Sums are compared exactly, in base units
  (s, bytes, 10^-6 yuan), unless records were unreadable: then nobody can say, and the file is accepted unverified.
- No message holds a value.
"""

from __future__ import annotations

import csv
import datetime as dt
import re

from mediation.errors import SourceRefused
from mediation.rulebook.names import NameMatch

_MONEY_DECIMALS = {"yuan": 6, "fen": 4, "micro": 0, "1": 6}  # amounts are in yuan unless another unit is declared
_FACTORS = {"s": 1, "min": 60, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "kB": 10**3, "MB": 10**6, "1": 1}
_INTEGER = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"(-?)([0-9]{1,36})(?:\.([0-9]{1,18}))?")
MAX_ENVELOPE_FIELDS = 4096


def begins(layout, declared, record: bytes) -> bool:
    """Whether a record is the declared header or trailer; without terminators it has the record length."""
    if layout.terminator == "none" and len(record) != layout.record_length:
        return False
    text = declared.starts_with.encode(layout.encoding)
    quoted = layout.quote is not None and record.startswith(layout.quote.encode() + text)
    return record.startswith(text) or quoted


def content_of(layout, record: bytes) -> bytes:
    """A record without its terminator."""
    if layout.terminator != "none":
        record = record.removesuffix(b"\n")
    return record.removesuffix(b"\r") if layout.terminator in ("crlf", "any") else record


def fields_of(layout, content: bytes) -> list[str]:
    """The fields of a delimited header, trailer or header line; what is beyond the most of them is one field."""
    text = content.decode(layout.encoding, "replace")
    if layout.quote is None:
        return text.split(layout.delimiter, MAX_ENVELOPE_FIELDS)
    try:
        return next(csv.reader([text], delimiter=layout.delimiter, quotechar=layout.quote), [])
    except csv.Error:  # e.g. a field beyond the csv module's limit
        return []


class EnvelopeValues:
    """A header's or trailer's values by their slots.

    Parameters
    ----------
    layout : Layout
    declared : Envelope
    record : bytes
        With or without its terminator.
    """

    def __init__(self, layout, declared, record: bytes):
        self.declared = declared
        self._encoding = layout.encoding
        self._record = content_of(layout, record)
        self._fields = None if layout.format == "fixed" else fields_of(layout, self._record)

    def text(self, slot) -> str:
        """A slot's text without surrounding spaces; empty where the record is too short."""
        if self._fields is None:
            first = slot.start - 1
            return self._record[first : first + slot.width].decode(self._encoding, "replace").strip(" ")
        return self._fields[slot.position - 1].strip(" ") if slot.position <= len(self._fields) else ""

    def integer(self, slot) -> int | None:
        """A slot's whole number of at most 18 digits, or None."""
        text = self.text(slot)
        return int(text) if _INTEGER.fullmatch(text) else None

    def date(self, slot) -> dt.date | None:
        """A slot's date as YYYYMMDD, or None."""
        text = self.text(slot)
        if len(text) != 8 or not _INTEGER.fullmatch(text):
            return None
        try:
            return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            return None

    def sum(self, control, is_amount: bool) -> int | None:
        """A control sum in base units, or None when it is not a number or not a whole number of them."""
        found = _NUMBER.fullmatch(self.text(control))
        if found is None:
            return None
        sign, whole, fraction = found[1], found[2], found[3] or ""
        factor = 10 ** _MONEY_DECIMALS[control.unit] if is_amount else _FACTORS[control.unit]
        scaled, rest = divmod(int(whole + fraction) * factor, 10 ** len(fraction))
        if rest:
            return None
        return -scaled if sign else scaled


def check_identity(values: EnvelopeValues, said: NameMatch, part: str) -> None:
    """Compare date and sequence with the file name's, where the name says any."""
    date, sequence = values.declared.date, values.declared.sequence
    if date is not None and said.date is not None and values.date(date) != said.date:
        raise SourceRefused("header_mismatch", f"the {part}'s date is not the file name's")
    if sequence is not None and said.sequence is not None and values.integer(sequence) != said.sequence:
        raise SourceRefused("header_mismatch", f"the {part}'s sequence is not the file name's")


def check_count(values: EnvelopeValues, records: int, part: str) -> None:
    """Compare the declared record count with the file's."""
    slot = values.declared.record_count
    if slot is not None and values.integer(slot) != records:
        raise SourceRefused("record_count_mismatch", f"the {part}'s record count is not that of the file")


def check_sums(values: EnvelopeValues, layout, columns, sums, unreadable, part: str) -> bool:
    """Compare the declared sums with the file's; False when unreadable records leave one open."""
    amounts = {field.column for field in layout.field if field.type == "decimal"} | {"host_charge_amount"}
    verified = True
    for control in values.declared.sums:
        place = columns.index(control.column)
        declared = values.sum(control, control.column in amounts)
        if declared is None:
            raise SourceRefused("control_sum_mismatch", f"the {part}'s sum of {control.column} is not a number")
        if unreadable[place]:
            verified = False
        elif declared != sums[place]:
            raise SourceRefused("control_sum_mismatch", f"the {part}'s sum of {control.column} is not that of the file")
    return verified
