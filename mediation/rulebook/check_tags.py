"""Checks of a layout of BER records: the paths of its fields, and what suits the codings they end in.

Conventions
-----------
- Everything is reported, nothing is raised.
- What a layout's own format brought along is sound: its tables are tested.
"""

from __future__ import annotations

from mediation.rulebook.check_fields import LayoutPlace
from mediation.rulebook.check_members import check_members
from mediation.rulebook.columns import column_kind
from mediation.rulebook.formats import format_table
from mediation.rulebook.model import MOST_DECIMALS, Ber, Field
from mediation.rulebook.tags import field_paths, members_of, paths_of, paths_of_values, tag_of

MOST_ENTITY_TYPE = 63
MOST_UNLISTED = 4095
MOST_RECORD_HEADER = 255
# Codings by the type of field whose values they can mean.
_NUMBERS = ("octets", "integer", "bcd", "tbcd", "address")
CODINGS_OF = {
    "text": ("octets", "integer", "bcd", "tbcd", "address", "hex", "ip", "entity", "plmn", "uri"),
    "digits": (*_NUMBERS, "uri"),
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
_PLACES = ("records", "sequence", "record_count")
# Options of a field, and the codings of values that are held against them.
_HEEDED = {
    "strip": ("octets", "header"),
    **dict.fromkeys(("prefix", "null_if", "characters", "leading_zero"), ("octets",)),
    **dict.fromkeys(("min_length", "max_length"), ("octets", "bcd", "tbcd", "address")),
    **dict.fromkeys(("min", "max"), (*_NUMBERS, "negated", "uri")),
    **dict.fromkeys(("pattern", "zone"), ("octets", "bcd", "tbcd")),
    "entity_types": ("entity",),
}
_OF_TEXT = ("characters", "leading_zero", "min_length", "max_length")
_NEVER = ("start", "width", "name", "may_be_absent")


def check_tags(of: LayoutPlace) -> None:
    """Add every fault of a layout of BER records."""
    layout = of.layout
    table = format_table(layout.format)
    if table is not None and not table.usage:
        of.fault(".format", f"holds no usage to be charged; read such files by md.decode(path, {layout.format!r})")
    lines = ("quote", "record_length", "header", "trailer", "delimiter", "terminator", "header_lines")
    of.has_not(lines, "BER has no such thing; [layout.ber] says what stands around the records")
    if layout.encoding != "utf-8":
        of.fault(".encoding", "text in BER elements is UTF-8")
    if layout.ber is None:
        of.fault(".ber", "missing; say in which element the records stand, or {} where they stand one after the other")
    else:
        _check_places(of, layout.ber)
        _check_around(of, layout.ber)
        check_members(of, layout.ber)
    for place, field in enumerate(layout.field):
        if field.type != "constant":
            _check_field(of, f".field[{place}]", field)


def _check_places(of: LayoutPlace, declared: Ber) -> None:
    for name in _PLACES:
        _check_path(of, f".ber.{name}", getattr(declared, name))
    for name, members in _MEMBERS.items():
        _check_members(of, f".ber.{name}", getattr(declared, name), members)
    for name in ("items", "without_items", "lists"):
        for place, path in enumerate(getattr(declared, name)):
            _check_path(of, f".ber.{name}[{place}]", path)
    if declared.without_items and not declared.items:
        of.fault(".ber.without_items", "has no effect where no elements are items")
    if isinstance(declared.decimals, str):
        _check_path(of, ".ber.decimals", declared.decimals)
    elif not 0 <= (declared.decimals or 0) <= MOST_DECIMALS:
        of.fault(".ber.decimals", f"0 to {MOST_DECIMALS}, or the path of the element that says it")
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


def _check_around(of: LayoutPlace, declared: Ber) -> None:
    """What stands around records that is no element."""
    most = {"header_bytes": of.layout.max_record_bytes, "record_header_bytes": MOST_RECORD_HEADER}
    for name, limit in {**most, "block_bytes": of.layout.max_record_bytes}.items():
        if not 0 <= getattr(declared, name) <= limit:
            of.fault(f".ber.{name}", f"0 to {limit}")
    for name in ("record_header_bytes", "block_bytes"):
        if getattr(declared, name) and declared.records:
            of.fault(f".ber.{name}", "has no effect on records in an element, which stand one after the other there")
    if declared.record_header_bytes and declared.block_bytes:
        of.fault(".ber.block_bytes", "what fills a block up could begin a record's header; declare one of the two")


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


def _check_meaning(of: LayoutPlace, where: str, value: str, is_type: bool) -> None:
    try:
        paths = paths_of_values([value])
    except ValueError as error:
        of.fault(where, str(error))
        return
    if is_type and any(len(path.steps) > 1 for path in paths):
        of.fault(where, "the tag of a record is one step, such as 79 or 20[0=18]")


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
    unset = Field(type=field.type)
    for name in _NEVER:
        if getattr(field, name) != getattr(unset, name):
            of.fault(f"{path}.{name}", "elements have tags; only fields of text have it")
    if field.default is not None and field.header is None:
        of.fault(f"{path}.default", "has no effect; only what the header says has one")
    given = [name for name in ("tag", "header") if getattr(field, name) is not None]
    if field.coding == "tag":
        if given or field.type != "enumeration" or not isinstance(field.values, dict):
            of.fault(
                f"{path}.coding", "tag: an enumeration whose values are the paths of tags that mean them, and no path"
            )
        for tag in field.values or ():
            _check_meaning(of, f"{path}.values.{tag}", tag, field.column == "record_type")
        _check_heeded(of, path, field, {"tag"})
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
        _check_heeded(of, path, field, {"header"})
        return
    if field.aliases:
        of.fault(f"{path}.aliases", "has no effect; only what the header says has other names")
    try:
        paths = field_paths(field.tag)
    except ValueError as error:
        of.fault(f"{path}.tag", str(error))
        return
    codings = {each.coding or field.coding for each in paths}
    _check_heeded(of, path, field, codings)
    for coding in sorted(codings):
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
    if field.type == "decimal" and field.unit not in ("1", "yuan"):
        of.fault(f"{path}.unit", "amounts are in decimals of the currency; [layout.ber] decimals says in how many")


def _check_heeded(of: LayoutPlace, path: str, field: Field, codings: set[str]) -> None:
    """An option that no value of these codings is held against would be silently left aside."""
    unset = Field(type=field.type)
    for name, heeded in _HEEDED.items():
        if getattr(field, name) == getattr(unset, name):
            continue
        if not codings & {*heeded}:
            of.fault(f"{path}.{name}", f"has no effect on values of the coding {', '.join(sorted(codings))}")
        elif name in _OF_TEXT and column_kind(field.column or "", field.type) != "utf8":
            of.fault(f"{path}.{name}", f"has no effect where an element fills {field.column} with a number")
        elif name in ("min", "max") and field.type == "decimal":
            of.fault(f"{path}.{name}", "has no effect on amounts, whose decimals the file says")
