"""Checks of one field of a layout: its column, type, unit, bounds, pattern, values and conditions.

Conventions
-----------
- Everything is reported, nothing is raised.
- An option that the field's type knows nothing of is a fault: it would be silently left aside.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mediation.rulebook.columns import (
    FIELD_TYPES,
    FILLED_BY_DECODER,
    KIND_OF_FIELD,
    field_values,
    reserved_names,
    usage_kinds,
)
from mediation.rulebook.known import Known, suggestion
from mediation.rulebook.model import Feed, Field, Layout
from mediation.rulebook.zones import is_zone

MOST_RECORD_BYTES = 1 << 24
MOST_VALUE_BYTES = 16  # of an enumeration's raw value
MOST_NUMBER = 2**63 - 1
MOST_DECIMALS = {"yuan": 6, "fen": 4, "micro": 0, "1": 6}
_SECONDS, _BYTES, _AMOUNTS = ("s", "min", "1"), ("B", "KiB", "MiB", "kB", "MB", "1"), tuple(MOST_DECIMALS)
UNITS_OF_COLUMN = {
    "duration_s": _SECONDS,
    "utc_offset_s": _SECONDS,
    "uplink_bytes": _BYTES,
    "downlink_bytes": _BYTES,
}
UNITS_OF_KIND = {"int64": (*_SECONDS[:-1], *_BYTES), "decimal": _AMOUNTS}
# Options that say something only of these types of field.
_ONLY_FOR = {
    "pattern": ("timestamp",),
    "zone": ("timestamp",),
    "values": ("enumeration",),
    "prefix": ("digits", "text", "integer", "decimal", "timestamp", "enumeration"),
    "value": ("constant",),
    "signed": ("integer", "decimal"),
    "min": ("integer", "digits", "decimal"),
    "max": ("integer", "digits", "decimal"),
    "characters": ("text", "digits"),
    "leading_zero": ("text", "digits"),
    "min_length": ("text", "digits", "integer", "decimal"),
    "max_length": ("text", "digits", "integer", "decimal"),
    "unlisted": ("enumeration",),
    "sum": ("integer", "decimal"),
}
_UNSET = {"characters": "any", "prefix": "", "leading_zero": True, "signed": False, "sum": False}
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = ("Y", "m", "d", "H", "M", "S", "f", "L", "N", "z")


def units_of(column: str, kind: str) -> tuple[str, ...]:
    """The units in which a number of this column may be written."""
    return UNITS_OF_COLUMN.get(column) or UNITS_OF_KIND.get(kind, ("1",))


class LayoutPlace(NamedTuple):
    """A layout, and where it stands in which file."""

    known: Known
    file: str
    path: str
    feed: Feed
    layout: Layout

    def fault(self, path: str, what: str) -> None:
        self.known.findings.fault(self.file, self.path + path, what)

    def has_not(self, options: tuple[str, ...], what: str) -> None:
        """The layout sets no option that belongs to another format."""
        unset = Layout(valid_from=self.layout.valid_from, format=self.layout.format)
        for name in options:
            if getattr(self.layout, name) != getattr(unset, name):
                self.fault(f".{name}", what)

    def encoded(self, path: str, text: str) -> bytes | None:
        """`text` as its file holds it, or None after a fault."""
        try:
            return text.encode(self.layout.encoding)
        except UnicodeEncodeError:
            self.fault(path, f"can not be written in {self.layout.encoding}")
            return None


class FieldCheck:
    """The checks of one field."""

    def __init__(self, of: LayoutPlace, place: int, field: Field):
        self.of, self.field, self.path = of, field, f".field[{place}]"
        self.known = of.known

    def fault(self, path: str, what: str) -> None:
        self.of.fault(self.path + path, what)

    def check(self) -> None:
        """Add every fault of the field."""
        field = self.field
        if field.type == "ignored":
            return
        if len(field.pad.encode()) != 1:
            self.fault(".pad", "must be a single byte")
        elif self._cuts_characters():
            self.fault(".pad", "ends characters of GB18030; stripped on the right, it would take them apart")
        self.of.encoded(f"{self.path}.prefix", field.prefix)
        for place, text in enumerate(field.null_if):
            self.of.encoded(f"{self.path}.null_if[{place}]", text)
        self._column()
        self._without_effect()
        self._bounds()
        if field.type == "timestamp":
            self._timestamp()
        elif field.type == "enumeration":
            self._enumeration()
        elif field.type == "constant" and not field.value:
            self.fault(".value", "missing; a constant has one")
        for name in ("required_if", "empty_if"):
            self._condition(name, getattr(field, name) or {})
        self._values()

    def _column(self) -> None:
        field, book = self.field, self.known.result.book
        if field.column is None:
            self.fault(".column", "missing; name the column that it fills, or give it the type ignored")
            return
        kind = usage_kinds().get(field.column)
        if field.column in FILLED_BY_DECODER:
            self.fault(".column", f"{field.column} is filled by the decoder itself")
        elif kind is not None:
            if field.type not in FIELD_TYPES[kind]:
                what = f"{field.column} is {kind}; a field that fills it has the type {' or '.join(FIELD_TYPES[kind])}"
                self.fault(".type", what)
        elif field.column == "city" and book is not None and book.city == "feed":
            return
        elif field.column in reserved_names():
            self.fault(".column", f"{field.column} is added by a later stage; choose another name")
        elif not _COLUMN.fullmatch(field.column):
            self.fault(".column", "a column's name has small letters, digits and _, and begins with a letter")

    def _cuts_characters(self) -> bool:
        """Whether padding on the right may be the last byte of a character: the second of two, the fourth of four."""
        field = self.field
        right = field.type == "text" and field.strip in ("right", "both")
        return right and self.of.layout.encoding == "gb18030" and field.pad >= "0"

    def _without_effect(self) -> None:
        """An option that the field's type knows nothing of is a slip: it would be silently left aside."""
        field = self.field
        for name, types in _ONLY_FOR.items():
            if field.type not in types and getattr(field, name) != _UNSET.get(name):
                self.fault(f".{name}", f"has no effect on the type {field.type}, only on {', '.join(types)}")
        placed = [name for name in ("start", "width", "name", "path", "may_be_absent") if getattr(field, name)]
        if field.type == "constant" and placed:
            self.fault(f".{placed[0]}", f"a constant stands nowhere in the record; leave {' and '.join(placed)} out")

    def _bounds(self) -> None:
        field = self.field
        if field.min is not None and field.max is not None and field.min > field.max:
            self.fault(".min", "greater than max")
        if field.min_length is not None and field.max_length is not None and field.min_length > field.max_length:
            self.fault(".min_length", "greater than max_length")
        for name in ("min_length", "max_length"):
            if not 0 <= (getattr(field, name) or 0) <= MOST_RECORD_BYTES:
                self.fault(f".{name}", f"0 to {MOST_RECORD_BYTES}")
        for name in ("min", "max"):
            if abs(getattr(field, name) or 0) * 10 ** min(abs(field.decimals), 6) > MOST_NUMBER:
                self.fault(f".{name}", f"beyond {MOST_NUMBER} of the field's last decimal")
        if field.unit != "1" and field.type not in ("integer", "decimal"):
            self.fault(".unit", f"a field of type {field.type} has no unit")
        elif field.type in ("integer", "decimal"):
            allowed = units_of(field.column or "", KIND_OF_FIELD[field.type])
            if field.unit not in allowed:
                self.fault(".unit", f"{field.unit} does not measure {field.column}; use {', '.join(allowed)}")
                return
        most = MOST_DECIMALS.get(field.unit, 0) if field.type == "decimal" else 0
        if not 0 <= field.decimals <= most:
            self.fault(".decimals", f"0 to {most} for the type {field.type} with the unit {field.unit}")

    def _timestamp(self) -> None:
        field = self.field
        if field.zone is not None and not is_zone(field.zone):
            self.fault(".zone", f"no time zone {field.zone!r} in tzdata; write an IANA name such as Asia/Shanghai")
        if not field.pattern and field.coding in ("tap_time", "nrtrde_time", "time9", "integer"):
            return
        if not field.pattern:
            self.fault(".pattern", "missing; such as %Y%m%d%H%M%S")
            return
        if field.pattern == "%s":
            return
        self.of.encoded(self.path + ".pattern", field.pattern)
        directives = [letter for letter in _DIRECTIVE.findall(field.pattern) if letter != "%"]
        for letter in sorted(set(directives)):
            if letter not in _DIRECTIVES:
                known = " ".join(f"%{each}" for each in _DIRECTIVES)
                self.fault(".pattern", f"unknown directive %{letter}; known are {known}, and %s alone")
            elif directives.count(letter) > 1:
                self.fault(".pattern", f"%{letter} stands twice")
        missing = [f"%{letter}" for letter in "YmdHMS" if letter not in directives]
        if missing:
            self.fault(".pattern", f"has no {' '.join(missing)}")
        if "z" in directives and not field.pattern.endswith("%z"):
            self.fault(".pattern", "%z must stand last")
        if "N" in directives and not field.pattern.removesuffix("%z").endswith("%N"):
            self.fault(".pattern", "%N, a point and a fraction of varying length, stands last or just before %z")
        if sum(letter in directives for letter in "fLN") > 1:
            self.fault(".pattern", "more than one of %f, %L and %N")

    def _enumeration(self) -> None:
        field = self.field
        if not field.values:
            self.fault(".values", "missing; an enumeration lists its values")
            return
        named = isinstance(field.values, dict)
        for place, raw in enumerate(field.values):
            path = f".values.{raw}" if named else f".values[{place}]"
            written = self.of.encoded(self.path + path, raw)
            if written is None:
                continue
            size = max(len(raw.encode()), len(written))
            if not 1 <= size <= MOST_VALUE_BYTES:
                self.fault(path, f"has {size} bytes; a value has 1 to {MOST_VALUE_BYTES}")
            if isinstance(field.values, list) and raw in field.values[:place]:
                self.fault(path, "stands twice")

    def _values(self) -> None:
        """Values of `host` and `record_type` are names of the book."""
        field, known = self.field, self.known
        if field.column not in ("host", "record_type") or field.type not in ("enumeration", "constant"):
            return
        names = known.hosts if field.column == "host" else known.record_types
        noun = "host" if field.column == "host" else "record type"
        if isinstance(field.values, dict):
            entries = [(f".values.{raw}", name) for raw, name in field.values.items()]
        elif field.values is not None:
            entries = [(f".values[{place}]", name) for place, name in enumerate(field.values)]
        else:
            entries = [(".value", field.value)] if field.value else []
        for path, name in entries:
            known.refer(name, names, self.of.file, self.of.path + self.path + path, noun)

    def _condition(self, name: str, condition: dict[str, list[str]]) -> None:
        layout, feed = self.of.layout, self.of.feed
        values: dict[str, set[str]] = {}
        for field in layout.field:
            if field.column is not None and field.type in ("enumeration", "constant"):
                values.setdefault(field.column, set()).update(field_values(field))
        for column, constant in (("host", feed.host), ("record_type", feed.record_type)):
            if constant is not None:
                values[column] = {constant}
        for column, wanted in condition.items():
            path = f"{self.path}.{name}.{column}"
            if not self.known.refer(column, values, self.of.file, self.of.path + path, "enumeration of this layout"):
                continue
            for place, value in enumerate(wanted):
                if value not in values[column]:
                    what = f"{column} has no value {value!r}; {suggestion(value, values[column])}"
                    self.of.fault(f"{path}[{place}]", what)
