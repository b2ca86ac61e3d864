"""Checks of a layout of BER records: the paths of its fields, and what suits the codings they end in.

Conventions
-----------
- Everything is reported, nothing is raised.
- What a layout's own format brought along is sound: its tables are tested.
"""

from __future__ import annotations

from mediation.rulebook.check_fields import LayoutPlace
from mediation.rulebook.formats import format_table
from mediation.rulebook.model import Ber, Field
from mediation.rulebook.tags import field_paths, members_of, paths_of, tag_of

MOST_ENTITY_TYPE = 63
MOST_UNLISTED = 4095
# Codings by the type of field whose values they can mean.
_NUMBERS = ("octets", "integer", "bcd", "tbcd", "address")
CODINGS_OF = {
    "text": ("octets", "integer", "bcd", "tbcd", "address", "hex", "ip", "entity"),
    "digits": _NUMBERS,
    "integer": (*_NUMBERS, "negated", "tap_offset", "nrtrde_offset", "time9"),
    "decimal": ("octets", "integer", "negated", "rate"),
    "timestamp": ("octets", "integer", "bcd", "tbcd", "tap_time", "nrtrde_time", "time9"),
    "enumeration": ("octets", "integer", "tag"),
}
_MEMBERS = {
    "utc_offsets": ("code", "offset"),
    "entities": ("code", "type", "id"),
    "rates": ("code", "decimals", "rate"),
}
_PLACES = ("records", "sequence", "decimals", "record_count")


def check_tags(of: LayoutPlace) -> None:
    """Add every fault of a layout of BER records."""
    layout = of.layout
    table = format_table(layout.format)
    if table is not None and not table.usage:
        of.fault(".format", f"holds no usage to be charged; read such files by md.decode(path, {layout.format!r})")
    for name in ("quote", "record_length", "header", "trailer"):
        if getattr(layout, name) is not None:
            of.fault(f".{name}", "BER has no such thing; [layout.ber] says what stands around the records")
    if layout.encoding != "utf-8":
        of.fault(".encoding", "text in BER elements is UTF-8")
    if layout.ber is None:
        of.fault(".ber", "missing; say in which element the records stand, or {} where they stand one after the other")
    else:
        _check_places(of, layout.ber)
    for place, field in enumerate(layout.field):
        if field.type != "constant":
            _check_field(of, f".field[{place}]", field)


def _check_places(of: LayoutPlace, declared: Ber) -> None:
    for name in _PLACES:
        _check_path(of, f".ber.{name}", getattr(declared, name))
    for name, members in _MEMBERS.items():
        _check_members(of, f".ber.{name}", getattr(declared, name), members)
    for place, path in enumerate(declared.items):
        _check_path(of, f".ber.items[{place}]", path)
    for place, tag in enumerate(declared.without_records):
        _check_tag(of, f".ber.without_records[{place}]", tag)
    for path, known in declared.versions.items():
        _check_path(of, f".ber.versions.{path}", path)
        if not known:
            of.fault(f".ber.versions.{path}", "empty; list the numbers that are known")
    if declared.identity is not None:
        _check_tag(of, ".ber.identity", declared.identity)
    columns = {field.column: field for field in of.layout.field}
    for column, path in declared.sums.items():
        _check_path(of, f".ber.sums.{column}", path)
        if column not in columns or columns[column].type not in ("integer", "decimal"):
            of.fault(f".ber.sums.{column}", f"no field fills {column} with a number")
        elif not columns[column].optional and _beside_items(declared, columns[column]):
            what = f"the field of {column} must be optional: beside items it stands in the first row of its record only"
            of.fault(f".ber.sums.{column}", what)
    for column, path in declared.refunds.items():
        _check_path(of, f".ber.refunds.{column}", path)
        if column not in declared.sums:
            of.fault(f".ber.refunds.{column}", "has no effect; it is taken off a declared sum of the column")


def _beside_items(declared: Ber, field: Field) -> bool:
    """Whether a field is a record's, where records have items; malformed paths are told elsewhere."""
    try:
        items = [path.steps for text in declared.items for path in paths_of(text)]
        paths = [path.steps for path in field_paths(field.tag)]
    except ValueError:
        return False
    return bool(items) and not any(path[: len(item)] == item for path in paths for item in items)


def _check_tag(of: LayoutPlace, where: str, tag: str) -> None:
    try:
        tag_of(tag)
    except ValueError as error:
        of.fault(where, str(error))


def _check_path(of: LayoutPlace, where: str, path: str | None) -> None:
    try:
        found = paths_of(path) if path else []
    except ValueError as error:
        of.fault(where, str(error))
        return
    if any(each.coding for each in found):
        of.fault(where, "is no field's: a coding has no effect")
    if where.endswith(".records") and len(found) > 1:
        of.fault(where, "stands for several paths; the records stand in one element")
    asks = any(step.child is not None for each in found for step in each.steps)
    if asks and where.endswith(".records"):
        of.fault(where, "the element that holds the records is found by tags alone")


def _check_members(of: LayoutPlace, where: str, path: str | None, members: tuple[str, ...]) -> None:
    if not path:
        return
    try:
        above, given = members_of(path)
    except ValueError as error:
        of.fault(where, str(error))
        return
    _check_path(of, where, above)
    if len(given) != len(members):
        of.fault(where, f"ends in {len(given)} tags; the members are {', '.join(members)}")


def _check_field(of: LayoutPlace, path: str, field: Field) -> None:
    if field.type == "ignored":
        of.fault(f"{path}.type", "has no effect; elements that no field names are passed over")
        return
    given = [name for name in ("tag", "header") if getattr(field, name) is not None]
    if field.coding == "tag":
        if given or field.type != "enumeration" or not isinstance(field.values, dict):
            of.fault(
                f"{path}.coding", "tag: an enumeration whose values are the paths of tags that mean them, and no path"
            )
        for tag in field.values or ():
            _check_path(of, f"{path}.values.{tag}", tag)
            if not tag:
                of.fault(f"{path}.values.{tag}", "empty; a path begins with the record's own tag")
        return
    if len(given) != 1:
        of.fault(path, "needs tag, the path of its element in a record, or header, that of one before the records")
        return
    if field.header is not None:
        _check_path(of, f"{path}.header", field.header)
        if field.type not in ("text", "enumeration"):
            of.fault(f"{path}.type", "what the header fills is text or an enumeration")
        for alias, name in field.aliases.items():
            if name not in (field.values or ()):
                of.fault(f"{path}.aliases.{alias}", f"{name!r} is none of the field's values")
        return
    if field.aliases:
        of.fault(f"{path}.aliases", "has no effect; only what the header says has other names")
    try:
        paths = field_paths(field.tag)
    except ValueError as error:
        of.fault(f"{path}.tag", str(error))
        return
    for coding in sorted({each.coding or field.coding for each in paths}):
        if coding not in CODINGS_OF.get(field.type, ()):
            known = ", ".join(CODINGS_OF.get(field.type, ()))
            of.fault(f"{path}.coding", f"{coding} does not mean a value of the type {field.type}; use {known}")
    if any(not each.steps for each in paths):
        of.fault(f"{path}.tag", "empty; a path begins with the record's own tag")
    _check_limits(of, path, field)


def _check_limits(of: LayoutPlace, path: str, field: Field) -> None:
    if field.unlisted is not None and not 0 <= field.unlisted <= MOST_UNLISTED:
        of.fault(f"{path}.unlisted", f"0 to {MOST_UNLISTED}")
    if any(not 0 <= kind <= MOST_ENTITY_TYPE for kind in field.entity_types):
        of.fault(f"{path}.entity_types", f"0 to {MOST_ENTITY_TYPE}")
    for name in ("null_if", "required_if", "empty_if"):
        if getattr(field, name):
            of.fault(f"{path}.{name}", "is not looked at in BER records")
