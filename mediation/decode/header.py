"""Columns by name: a file's first header line says where each declared column stands, once a file.

Conventions
-----------
- A layout whose fields have names becomes an ordinary layout by position: the kernel knows nothing of names, and the
  loop over a file's records is the same.
- A name is compared as it is written, without the spaces around it. Columns that no field names are passed over; only
  of a declared name may there not be two.
- A message tells declared names, never what a file holds.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from mediation.decode.envelope import MAX_ENVELOPE_FIELDS, content_of, fields_of
from mediation.decode.layout import CompiledLayout, compile_layout
from mediation.errors import SourceRefused
from mediation.rulebook import model
from mediation.rulebook.columns import may_be_null

if TYPE_CHECKING:
    from mediation.rulebook import FeedBook

MOST_HEADERS = 16  # different ones of a layout whose plans are kept


def fitted(feed: FeedBook, layout: CompiledLayout, record: bytes) -> CompiledLayout:
    """The layout for a file whose first header line is `record`.

    Parameters
    ----------
    feed : FeedBook
    layout : CompiledLayout
    record : bytes
        With its terminator.

    Raises
    ------
    SourceRefused
        ``column_missing``, ``column_repeated`` or ``too_many_columns``.
    """
    if not any(field.name is not None for field in layout.declared.field):
        return layout
    names = tuple(name.strip(" ") for name in fields_of(layout.declared, content_of(layout.declared, record)))
    found = layout.by_header.get(names)
    if found is None:
        found = compile_layout(feed, by_position(layout.declared, names))
        if len(layout.by_header) == MOST_HEADERS:
            layout.by_header.clear()
        layout.by_header[names] = found
    return found


def by_position(layout: model.Layout, names: tuple[str, ...]) -> model.Layout:
    """The layout with its fields in the order of `names`, those that no field has ignored.

    Raises
    ------
    SourceRefused
        ``column_missing``, ``column_repeated`` or ``too_many_columns``.
    """
    if len(names) > MAX_ENVELOPE_FIELDS:
        raise SourceRefused("too_many_columns", f"more than {MAX_ENVELOPE_FIELDS} columns in the header line")
    declared = {field.name: field for field in layout.field if field.name is not None}
    counts = Counter(names)
    repeated = [name for name in declared if counts[name] > 1]
    missing = [name for name, field in declared.items() if not counts[name] and not field.may_be_absent]
    if repeated:
        raise SourceRefused("column_repeated", f"named more than once in the header line: {', '.join(repeated)}")
    if missing:
        raise SourceRefused("column_missing", f"not in the header line: {', '.join(missing)}")
    absent = {field.column for name, field in declared.items() if not counts[name]}
    unnamed = model.Field(type="ignored")
    fields = [_present(declared[name], absent) if name in declared else unnamed for name in names]
    constants = [field for field in layout.field if field.type == "constant"]
    return msgspec.structs.replace(layout, header_lines=0, field=[*fields, *constants])


def _present(field: model.Field, absent: set[str | None]) -> model.Field:
    """A field that the file has, without conditions on columns that it lacks: these never hold."""

    def left(conditions: dict[str, list[str]] | None) -> dict[str, list[str]]:
        return {column: values for column, values in (conditions or {}).items() if column not in absent}

    return msgspec.structs.replace(
        field,
        name=None,
        may_be_absent=False,
        optional=may_be_null(field),
        required_if=left(field.required_if),
        empty_if=left(field.empty_if),
    )
