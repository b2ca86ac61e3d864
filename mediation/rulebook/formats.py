"""Formats that the package knows by name: a tag table that stands in for the fields that a feed would declare.

Conventions
-----------
- A table is data: ``mediation/decode/ber/<format>.toml``, in the words of a feed. What the feed declares itself comes
  before it: a field of its own for a column, its own derivations, any part of ``[layout.ber]``.
- Record types that the book does not sell are left out of the table: such a record is rejected as `unknown_value`.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Collection
from pathlib import Path

import msgspec

from mediation.rulebook.columns import feed_record_types
from mediation.rulebook.model import Ber, Feed, Field, FormatTable, Layout

TABLES = Path(__file__).parent.parent / "decode" / "ber"


@functools.cache
def format_table(name: str) -> FormatTable | None:
    """The table of a format, None where a feed brings its own."""
    path = TABLES / f"{name}.toml"
    if not path.exists():
        return None
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), FormatTable)


def _sold(field: Field, record_types: Collection[str] | None) -> Field:
    if field.column != "record_type" or record_types is None or not isinstance(field.values, dict):
        return field
    values = {raw: name for raw, name in field.values.items() if name in record_types}
    return msgspec.structs.replace(field, values=values)


def _expanded_layout(layout: Layout, table: FormatTable, record_types: Collection[str] | None) -> Layout:
    own = {field.column for field in layout.field}
    fields = [_sold(field, record_types) for field in table.field if field.column not in own]
    return msgspec.structs.replace(layout, ber=_merged(layout.ber, table.ber), field=[*layout.field, *fields])


def _merged(own: Ber | None, of_table: Ber) -> Ber:
    """The table's parts, but for those that the feed declares."""
    declared = {} if own is None else msgspec.structs.asdict(own)
    unset = msgspec.structs.asdict(Ber())
    return msgspec.structs.replace(of_table, **{name: each for name, each in declared.items() if each != unset[name]})


def expanded(feed: Feed, record_types: Collection[str] | None) -> Feed:
    """A feed whose layouts have the fields of their formats.

    Parameters
    ----------
    feed : Feed
    record_types : collection of str or None
        That the book sells; None where nobody knows.
    """
    tables = [format_table(layout.format) for layout in feed.layout]
    layouts = [
        layout if table is None else _expanded_layout(layout, table, record_types)
        for layout, table in zip(feed.layout, tables, strict=True)
    ]
    own = {derive.becomes for derive in feed.derive}
    carried = feed_record_types(msgspec.structs.replace(feed, layout=layouts))
    derived = [
        derive
        for table in tables
        if table is not None
        for derive in table.derive
        if derive.becomes not in own
        and {*derive.record_type} <= carried
        and (record_types is None or derive.becomes in record_types)
    ]
    unique = [each for place, each in enumerate(derived) if each not in derived[:place]]
    from_times = feed.duration_from_times or any(table is not None and table.duration_from_times for table in tables)
    return msgspec.structs.replace(feed, layout=layouts, derive=[*feed.derive, *unique], duration_from_times=from_times)
