"""Which columns a feed fills, with which kind, and the values of every code column.

Conventions
-----------
- A kind is one of int64, utf8, timestamp, decimal, code. A usage column has the kind that `schema.USAGE` gives it; an
  extra column of the operator's own has the kind that its field's type gives it.
- The decoder itself fills `feed` and `flags`; `host` and `record_type` where the feed declares them as constants;
  `message_segments` where the feed declares `[segments]`.
- Dictionaries: record types in the order of the services, all others sorted by code point; the place is the code.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mediation.rulebook.model import Book, Declarations, Feed, Field, Layout, Tariff

if TYPE_CHECKING:
    import pyarrow as pa

KIND_OF_FIELD = {
    "integer": "int64",
    "digits": "int64",
    "text": "utf8",
    "decimal": "decimal",
    "timestamp": "timestamp",
    "enumeration": "code",
    "constant": "code",
}
FIELD_TYPES = {
    "int64": ("integer", "digits"),
    "utf8": ("text", "digits"),
    "timestamp": ("timestamp",),
    "decimal": ("decimal",),
    "code": ("enumeration", "constant"),
}
FILLED_BY_DECODER = ("feed", "flags")
ANY = "any"  # the day type of every day, and the band of all day, where a tariff declares none


@functools.cache
def usage_kinds() -> dict[str, str]:
    """The kind of every column of `schema.USAGE`."""
    from mediation import schema

    kinds = {schema.CODE: "code", schema.INSTANT: "timestamp", schema.AMOUNT: "decimal"}
    return {name: kinds.get(arrow, str(arrow).replace("string", "utf8")) for name, arrow in schema.USAGE.items()}


@functools.cache
def reserved_names() -> frozenset[str]:
    """Names that an extra column may not have: those of provenance and of what later stages add."""
    from mediation import schema

    return frozenset([*schema.PROVENANCE, *schema.RATED, *schema.REJECTS, *schema.SUSPENDED, *schema.DUPLICATES])


def column_kind(column: str, field_type: str) -> str:
    """The kind of a column that a field of this type fills."""
    return usage_kinds().get(column) or KIND_OF_FIELD[field_type]


def layout_columns(feed: Feed, layout: Layout) -> dict[str, str]:
    """Every usage column that records of this layout have, with its kind, in the order of appearance."""
    columns = {"feed": "code"}
    if feed.host is not None:
        columns["host"] = "code"
    if feed.record_type is not None:
        columns["record_type"] = "code"
    for field in layout.field:
        if field.column is not None and field.type != "ignored":
            columns.setdefault(field.column, column_kind(field.column, field.type))
    if feed.segments is not None:
        columns["message_segments"] = "int64"
    columns["flags"] = "int64"
    return columns


def feed_columns(feed: Feed) -> dict[str, str]:
    """Every usage column that some layout of the feed fills, with its kind, in the order of appearance."""
    columns: dict[str, str] = {}
    for layout in feed.layout:
        for name, kind in layout_columns(feed, layout).items():
            columns.setdefault(name, kind)
    return columns


def field_values(field: Field) -> list[str]:
    """The canonical values that an enumeration or a constant can give."""
    if field.type == "constant":
        return [] if field.value is None else [field.value]
    listed = list(field.values.values()) if isinstance(field.values, dict) else list(field.values or [])
    if field.unlisted is not None:
        listed += [name for name in map(str, range(field.unlisted + 1)) if name not in (field.values or ())]
    return listed


def feed_values(feed: Feed, column: str) -> set[str]:
    """The values that a code column of the feed can have, before any `derive`."""
    constant = {"host": feed.host, "record_type": feed.record_type}.get(column)
    if constant is not None:
        return {constant}
    return {
        value
        for layout in feed.layout
        for field in layout.field
        if field.column == column
        for value in field_values(field)
    }


def feed_record_types(feed: Feed) -> set[str]:
    """The record types that the feed's records can have, derived ones too."""
    return feed_values(feed, "record_type") | {derive.becomes for derive in feed.derive}


def record_types(book: Book) -> list[str]:
    """All record types, in the order of the services."""
    return list(dict.fromkeys(name for service in book.services.values() for name in service.record_types))


def usage_columns(feeds: Mapping[str, Feed]) -> dict[str, pa.DataType]:
    """Provenance, then the usage columns that some feed fills, then the extra columns by feed name and appearance."""
    from mediation import schema

    filled: dict[str, str] = {}
    for name in sorted(feeds):
        for column, kind in feed_columns(feeds[name]).items():
            filled.setdefault(column, kind)
    arrow = {kind: schema.USAGE[name] for name, kind in usage_kinds().items()}
    columns = dict(schema.PROVENANCE)
    columns |= {name: kind for name, kind in schema.USAGE.items() if name in filled}
    columns |= {name: arrow[kind] for name, kind in filled.items() if name not in schema.USAGE}
    return columns


def may_be_null(field: Field) -> bool:
    """Whether a record may leave this field empty."""
    return field.optional or field.may_be_absent or bool(field.required_if) or bool(field.empty_if)


def required_columns(feeds: Mapping[str, Feed]) -> frozenset[str]:
    """The usage columns that every valid record of every feed has."""
    from mediation import schema

    everywhere: set[str] | None = None
    for layout_feed, layout in ((feed, layout) for feed in feeds.values() for layout in feed.layout):
        filled = set(layout_columns(layout_feed, layout)) - {"message_segments"}  # none where the length is not known
        filled -= {field.column for field in layout.field if field.column is not None and may_be_null(field)}
        everywhere = filled if everywhere is None else everywhere & filled
    return frozenset([*schema.PROVENANCE, *(everywhere or ())])


def tariff_zones(tariff: Tariff, sets: Mapping[str, Iterable[str]], record_type: str | None = None) -> set[str]:
    """The zones that a tariff can meet, for one record type or for all. `sets` has the zones of every zone set."""
    zones: set[str] = set()
    for name, rule in tariff.zones.items():
        if record_type is not None and name != record_type:
            continue
        zones |= {rule.zone} if rule.zone is not None else set(sets.get(rule.set or "", ()))
    return zones


def tariff_bands(tariff: Tariff) -> set[str]:
    """The bands that a tariff can meet."""
    return {band.band for bands in tariff.bands.values() for band in bands} or {ANY}


def zone_sets(declared: Declarations) -> dict[str, set[str]]:
    """The zones of every zone set."""
    sets: dict[str, set[str]] = {}
    for name, zone in {(row.zone_set, row.zone) for row in declared.zones}:
        sets.setdefault(name, set()).add(zone)
    return sets


def dictionaries(declared: Declarations, cities: Iterable[str] = ()) -> dict[str, list[str]]:
    """The values of every code column; the place in the list is the code.

    Parameters
    ----------
    declared : Declarations
    cities : iterable of str
        The cities that the reference data name.
    """
    found: dict[str, set[str]] = {
        "feed": set(declared.feeds),
        "host": set(declared.hosts),
        "product": set(declared.products),
        "city": set(cities),
    }
    for feed in declared.feeds.values():
        for column, kind in feed_columns(feed).items():
            if kind == "code" and column not in ("feed", "record_type"):
                found.setdefault(column, set()).update(feed_values(feed, column))
    sets = zone_sets(declared)
    for side, tariffs in (("retail", declared.products), ("wholesale", declared.hosts)):
        found[f"{side}_zone"] = set().union(*(tariff_zones(tariff, sets) for tariff in tariffs.values()))
        found[f"{side}_time_band"] = set().union(*(tariff_bands(tariff) for tariff in tariffs.values()))
        found[f"{side}_tariff_version"] = {
            price.version or price.valid_from for price in declared.prices if price.side == side
        }
    ordered = {column: sorted(values) for column, values in found.items()}
    return {"record_type": record_types(declared.book), **ordered}
