"""A declared layout made into the plan that the kernel runs: decided once, so that the loop has no questions in it.

Conventions
-----------
- A column's null flags exist only where the field may be empty: optional, or bound by `required_if` or `empty_if`.
- Units become factors here: minutes to seconds, KiB to bytes, fen to micro-units of the currency.
- The tables of GB18030 are made from Python's codec, once a process.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mediation import schema
from mediation.decode._text import Decoded, Plan, decode_text
from mediation.decode.filesource import Chunk, FileSource
from mediation.decode.json import tree_of
from mediation.decode.source import Source
from mediation.errors import SourceRefused
from mediation.native import simd_level
from mediation.native._column import Dictionary, Kind
from mediation.native._status import codes
from mediation.rulebook import model
from mediation.rulebook.columns import field_values, may_be_null
from mediation.rulebook.numbers import compile_numbers
from mediation.rulebook.zones import transitions

if TYPE_CHECKING:
    from mediation.rulebook import FeedBook

KINDS = {
    schema.CODE: Kind.code,
    schema.INSTANT: Kind.timestamp,
    schema.AMOUNT: Kind.decimal128,
    pa.int64(): Kind.i64,
    pa.utf8(): Kind.utf8,
}
CHARACTERS = {"any": 0, "digits": 1, "alphanumeric": 2, "hexadecimal": 4, "printable": 8, "dialled": 16}
UNIT_FACTORS = {"s": 1, "min": 60, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "kB": 10**3, "MB": 10**6, "1": 1}
# Decimal digits by which an amount's unit is smaller than the currency's main unit.
AMOUNT_DECIMALS = {"yuan": 0, "1": 0, "fen": 2, "micro": 6}
_PATTERN = re.compile(r"%(.)|([^%])", re.DOTALL)
_PARTS = {"Y": ("year", 4), "m": ("month", 2), "d": ("day", 2), "H": ("hour", 2), "M": ("minute", 2)}
_PARTS |= {"S": ("second", 2), "f": ("microsecond", 6), "L": ("millisecond", 3), "N": ("fraction", 0)}
_PARTS["z"] = ("offset", 0)
_COMPACT = ["year", "month", "day", "hour", "minute", "second"]


def decode_chunk_of_text(plan: Plan, chunk: Chunk, source_id: int) -> Decoded:
    """What a chunk of text holds."""
    return decode_text(plan, chunk.text, chunk.begin, chunk.length, chunk.byte_offset, source_id)


@dataclasses.dataclass(frozen=True)
class CompiledLayout:
    """A layout in force, ready to run.

    Attributes
    ----------
    plan : Plan
    declared : model.Layout
    control_columns : tuple of str
        The columns that `Decoded.control_sums` adds up, in its order.
    by_header : dict
        Of a layout whose fields have names: those fitted to the header lines that were met, by their names.
    source : type
        The `FileSource` that reads such files.
    decode : callable
        Given plan, chunk and source id, what the chunk holds.
    header_fields : list of tuple
        Fields that a file's header fills for all its records, each with the values of its column; None for text.
    """

    plan: Plan
    declared: model.Layout
    control_columns: tuple[str, ...]
    source: type[FileSource] = Source
    decode: Callable[[Any, Chunk, int], Decoded] = decode_chunk_of_text
    header_fields: Sequence[tuple[model.Field, list[str] | None]] = ()
    by_header: dict[tuple[str, ...], CompiledLayout] = dataclasses.field(default_factory=dict)


def layout_of(feed: FeedBook, date: dt.date | None) -> CompiledLayout:
    """The layout in force for a file of that date; the last one for a file without a date.

    Raises
    ------
    SourceRefused
        ``no_layout_in_force``.
    """
    layouts = feed.declared.layout
    if date is None:
        return compiled(feed, len(layouts) - 1)
    for place, layout in enumerate(layouts):
        if layout.valid_from <= date and (layout.valid_to is None or date < layout.valid_to):
            return compiled(feed, place)
    raise SourceRefused("no_layout_in_force", f"feed {feed.name} has no layout for {date}")


def compiled(feed: FeedBook, place: int) -> CompiledLayout:
    """Layout number `place` of a feed, compiled once for the life of its rule book."""
    cache = feed.book.__dict__.setdefault("_layouts", {})
    key = (feed.name, place)
    if key not in cache:
        layout = feed.declared.layout[place]
        cache[key] = compile_layout(feed, layout) if layout.ber is None else _compile_ber(feed, layout)
    return cache[key]


def _compile_ber(feed: FeedBook, layout: model.Layout) -> CompiledLayout:
    from mediation.decode.ber.layout import compile_ber  # it stands on this module

    return compile_ber(feed, layout)


def timestamp_parts(pattern: str, encoding: str = "utf-8") -> list[tuple[str, int, int]]:
    """A timestamp pattern as (part, width, literal byte) in order.

    Raises
    ------
    ValueError
        An unknown directive, or one of varying width that is not at the end.
    """
    parts = []
    for directive, literal in _PATTERN.findall(pattern):
        if literal or directive == "%":
            parts += [("literal", 1, byte) for byte in (literal or "%").encode(encoding)]
            continue
        if directive not in _PARTS:
            raise ValueError(f"unknown directive %{directive}")
        parts.append((*_PARTS[directive], 0))
    names = [part for part, _, _ in parts]
    if "offset" in names[:-1] or ("fraction" in names and names[names.index("fraction") + 1 :] not in ([], ["offset"])):
        raise ValueError("%z must stand last, and %N before nothing else")
    return parts


@functools.cache
def gb18030_tables() -> tuple[list[int], list[int]]:
    """Two-byte codes by (lead - 0x81) * 191 + trail - 0x40, and the basic plane's four-byte codes in linear order."""

    def code(sequence: bytes) -> int:
        try:
            text = sequence.decode("gb18030")
        except UnicodeDecodeError:
            return 0
        return ord(text) if len(text) == 1 and ord(text) < 0x10000 else 0

    two = [code(bytes((lead, trail))) for lead in range(0x81, 0xFF) for trail in range(0x40, 0xFF)]
    four = []
    for linear in range(39420):
        rest, d = divmod(linear, 10)
        rest, c = divmod(rest, 126)
        a, b = divmod(rest, 10)
        four.append(code(bytes((0x81 + a, 0x30 + b, 0x81 + c, 0x30 + d))))
    return two, four


def new_plan(kind: type[Plan], feed: FeedBook, layout: model.Layout) -> Any:
    """A plan of a kind with the book's columns, to which fields can be added."""
    book, declared = feed.book, feed.declared
    nullable = {f.column for f in layout.field if f.column is not None and may_be_null(f)}
    filled = {f.column: f for f in layout.field if f.column is not None and f.type != "ignored"}
    columns = []
    for name, arrow in book.usage_columns.items():
        if name in schema.PROVENANCE:
            continue
        values = book.dictionaries.get(name) if arrow == schema.CODE else None
        constant = _constant(feed, filled.get(name), name, values)
        computed = name == "flags" or (name == "message_segments" and declared.segments is not None)
        absent = constant is None and name not in filled and not computed
        null = absent or name in nullable or (computed and name != "flags")
        dictionary = Dictionary(values) if values is not None else None
        columns.append((name, KINDS[arrow], dictionary, null, not absent, constant or 0))
    plan = kind(columns, book.dictionaries["feed"], book.dictionaries["feed"].index(feed.name), codes())
    plan.set_simd(simd_level())
    return plan


def compile_layout(feed: FeedBook, layout: model.Layout) -> CompiledLayout:
    """The plan of one layout of text. The rule book has been checked: nothing is refused here."""
    plan = new_plan(Plan, feed, layout)
    set_frame(plan, layout)
    last = max((place for place, f in enumerate(layout.field) if f.type != "constant"), default=-1)
    for place, field in enumerate(layout.field):
        if field.type != "constant":
            ends_in_cr = _framing(layout) == "delimited" and layout.terminator in ("crlf", "any")
            add_field(plan, feed, layout, field, trim_cr=ends_in_cr and place == last)
    finish(plan, feed, control_columns(layout))
    return CompiledLayout(plan, layout, control_columns(layout))


def control_columns(layout: model.Layout) -> tuple[str, ...]:
    """The columns over which a header or trailer declares a sum."""
    envelopes = [envelope for envelope in (layout.header, layout.trailer) if envelope is not None]
    return tuple(dict.fromkeys(total.column for envelope in envelopes for total in envelope.sums))


def _constant(feed: FeedBook, field: model.Field | None, column: str, values: list[str] | None) -> int | None:
    """The code of a column that is the same in every record, or None."""
    text: str | None
    if column == "feed":
        text = feed.name
    elif field is not None:
        text = field.value if field.type == "constant" else None
    else:
        text = {"host": feed.declared.host, "record_type": feed.declared.record_type}.get(column)
    return None if text is None or values is None else values.index(text)


def _framing(layout: model.Layout) -> str:
    """Which reader cuts the records."""
    if (framing := {"fixed": "fixed", "jsonl": "json"}.get(layout.format)) is not None:
        return framing
    # A delimiter that can be the second byte of a character needs the reader that knows characters.
    by_character = layout.encoding == "gb18030" and ord(layout.delimiter) >= 0x40
    return "quoted" if layout.quote or by_character or _least_fields(layout) < len(_placed(layout)) else "delimited"


def _placed(layout: model.Layout) -> list[model.Field]:
    """The fields that stand in a record."""
    return [f for f in layout.field if f.type != "constant"]


def _least_fields(layout: model.Layout) -> int:
    """How many fields a record has at least; by name, whether one is there is the header's word."""
    return sum(not f.may_be_absent or f.name is not None for f in _placed(layout))


def set_frame(plan: Plan, layout: model.Layout) -> None:
    """How the plan's records are cut."""
    fixed = layout.format == "fixed"
    fields = _placed(layout)
    starts = [(f.start or 1) - 1 for f in fields] if fixed else []
    widths = [f.width or 0 for f in fields] if fixed else []
    length = layout.record_length or max((s + w for s, w in zip(starts, widths, strict=True)), default=0)
    plan.set_frame(
        framing=_framing(layout),
        terminator=layout.terminator,
        encoding=layout.encoding,
        delimiter=ord(layout.delimiter),
        quote=ord(layout.quote) if layout.quote else 0xFF,
        fields=len(fields),
        least_fields=_least_fields(layout),
        record_length=length,
        max_record_bytes=layout.max_record_bytes,
        starts=starts,
        widths=widths,
        gb18030=gb18030_tables() if layout.encoding == "gb18030" else None,
    )
    if layout.format == "jsonl":
        plan.set_paths(*tree_of(fields))


def add_field(
    plan: Plan,
    feed: FeedBook,
    layout: model.Layout,
    field: model.Field,
    *,
    trim_cr: bool = False,
    into: str | None = None,
) -> None:
    """The next field of a record; `into` is the plan's column that it fills, where that is not the field's own."""
    rules = compile_numbers(feed.book.declared.book.numbers.get(feed.declared.numbers or ""))
    kind, options = _kind_of(feed, field, layout.encoding)
    column = None if kind == "ignored" else field.column
    if column == "served_msisdn" and rules:
        kind, options = "msisdn", {"numbers": rules}
    plan.add_field(
        field.column or "",
        kind,
        into or column,
        optional=may_be_null(field),
        is_signed=field.signed,
        leading_zero=field.leading_zero,
        trim_left=field.strip in ("left", "both"),
        trim_right=field.strip in ("right", "both"),
        trim_cr=trim_cr,
        pad=ord(field.pad),
        prefix=field.prefix.encode(layout.encoding),
        min_length=field.min_length,
        max_length=field.max_length,
        minimum=_bound(field, field.min),
        maximum=_bound(field, field.max),
        null_if=[value.encode(layout.encoding) for value in field.null_if],
        required_if=_conditions(feed, field.required_if),
        empty_if=_conditions(feed, field.empty_if),
        **options,
    )


def _kind_of(feed: FeedBook, field: model.Field, encoding: str) -> tuple[str, dict[str, Any]]:
    """The kernel's field type and what is particular to it."""
    if field.type in ("ignored", "text"):
        return field.type, {"characters": CHARACTERS[field.characters]}
    target = feed.book.usage_columns[field.column or ""]
    if field.type == "digits" and target != pa.int64():
        return "text", {"characters": CHARACTERS["digits"]}
    if field.type in ("digits", "integer"):
        return "integer", {"multiplier": UNIT_FACTORS[field.unit]}
    if field.type == "decimal":
        return "decimal", _decimal(field)
    if field.type == "timestamp":
        return _timestamp(feed, field, encoding)
    values = feed.book.dictionaries[field.column or ""]
    listed = field.values if isinstance(field.values, dict) else {v: v for v in field_values(field)}
    if field.unlisted is not None:
        listed = {name: name for name in map(str, range(field.unlisted + 1))} | listed
    return "enumeration", {"values": [(raw.encode(encoding), values.index(name)) for raw, name in listed.items()]}


def _bound(field: model.Field, bound: int | None) -> int | None:
    """A declared bound in the units in which the kernel compares: those of the field, to its last decimal."""
    return None if bound is None else bound * 10**field.decimals if field.type == "decimal" else bound


def _decimal(field: model.Field) -> dict[str, Any]:
    """An amount as an integer of 10^-6 of the currency."""
    decimals = field.decimals + AMOUNT_DECIMALS[field.unit]
    return {"decimals": field.decimals, "multiplier": 10 ** (6 - decimals)}


def _timestamp(feed: FeedBook, field: model.Field, encoding: str) -> tuple[str, dict[str, Any]]:
    if field.pattern is None:  # the coding says all
        return "timestamp", {}
    if field.pattern == "%s":
        return "unix_time", {}
    parts = timestamp_parts(field.pattern or "", encoding)
    names = [part for part, _, _ in parts]
    starts, offsets = transitions(field.zone or feed.declared.zone or feed.book.declared.book.zone)
    return "timestamp", {
        "timestamp": {
            "parts": parts,
            "compact": names[:6] == _COMPACT,
            "has_offset": names[-1:] == ["offset"],
            "has_fraction": "fraction" in names,
            "starts_us": starts,
            "offsets_us": [offset * 1_000_000 for offset in offsets],
        }
    }


def _conditions(feed: FeedBook, declared: dict[str, list[str]] | None) -> list[tuple[str, list[int]]]:
    values = feed.book.dictionaries
    return [(column, [values[column].index(v) for v in wanted]) for column, wanted in (declared or {}).items()]


def finish(plan: Plan, feed: FeedBook, control_columns: tuple[str, ...]) -> None:
    """What follows from the fields, and the columns that are added up."""
    values = feed.book.dictionaries
    types = values["record_type"]
    derivations = [
        ([types.index(t) for t in derive.record_type], derive.column, derive.starts_with, types.index(derive.becomes))
        for derive in feed.declared.derive
    ]
    segments = feed.declared.segments
    plan.finish(
        derivations=derivations,
        ucs2=None if segments is None else [values["message_coding"].index(v) for v in segments.ucs2],
        duration_from_times=feed.declared.duration_from_times,
        duration_tolerance_s=feed.declared.duration_tolerance_s,
        control_columns=control_columns,
    )
