"""Malformed records by kind: each breaks one thing, so that exactly one code is right.

Conventions
-----------
- A kind takes the record's raw fields (without quotes, fixed width with its padding) and changes one of them, or the
  record as a whole. Which kinds a layout can have follows from what its fields declare.
- The code is what the decoder must give. Where a fault could be read in two ways the kind is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mediation.sample.render import TERMINATORS, pad_byte, stands_right


class Kind(NamedTuple):
    """A way to be malformed."""

    name: str
    code: str
    record_types: frozenset[str]  # of these only; empty is any
    change: Callable[[bytes], bytes]  # a whole record to the malformed one


def kinds(layout) -> list[Kind]:
    """Every kind that a layout can have, in a stable order."""
    return [*_whole_record(layout), *(kind for place in range(len(layout.field)) for kind in _of_field(layout, place))]


def _whole_record(layout):
    terminator, any_type = TERMINATORS[layout.terminator], frozenset()
    end = len(terminator)
    code = "wrong_record_length" if layout.format == "fixed" else "wrong_field_count"
    body = slice(None, -end or None)
    if layout.format == "fixed":
        yield Kind("short_record", code, any_type, lambda line: line[body][:-7] + terminator)
        yield Kind("long_record", code, any_type, lambda line: line[body] + b"  0" + terminator)
    elif layout.quote is None:
        cut = layout.delimiter.encode()
        yield Kind("missing_field", code, any_type, lambda line: line[: line.rindex(cut)] + terminator)
        yield Kind("extra_field", code, any_type, lambda line: line[body] + cut + b"0" + terminator)
        yield Kind("cut_record", code, any_type, lambda line: line[: len(line) // 2] + terminator)
        yield Kind("garbage_line", code, any_type, lambda line: b"%%%%" + terminator)
    else:
        quote, cut = layout.quote.encode(), layout.delimiter.encode()
        split = quote + cut + quote
        yield Kind("missing_field", code, any_type, lambda line: line[: line.rindex(split)] + quote + terminator)
        yield Kind("extra_field", code, any_type, lambda line: line[body] + cut + b"0" + terminator)
        yield Kind(
            "text_after_quote", "bad_quote", any_type, lambda line: line.replace(split, quote + b"x" + cut + quote, 1)
        )
        yield Kind("open_quote", "bad_quote", any_type, lambda line: line.replace(split, cut + quote, 1))
        yield Kind("quote_in_field", "bad_quote", any_type, lambda line: b"a" + quote + line[1:])
    if layout.terminator == "crlf":
        yield Kind("bare_line_feed", "bad_terminator", any_type, lambda line: line[:-2] + b"\n")
    if layout.max_record_bytes <= 65_536 and layout.terminator != "none":
        filler = b"0" * layout.max_record_bytes
        yield Kind("endless_record", "record_too_long", any_type, lambda line: line[body] + filler + terminator)


def _fit(field, value: bytes) -> bytes | None:
    """A value in its fixed-width place, or None where it does not fit."""
    if len(value) > field.width:
        return None
    pad = bytes([pad_byte(field)])
    return value.rjust(field.width, pad) if stands_right(field) else value.ljust(field.width, pad)


def _replacing(layout, place: int, make: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of one field."""
    field = layout.field[place]
    if layout.format == "fixed":
        begin, stop = field.start - 1, field.start - 1 + field.width

        def change(line: bytes) -> bytes:
            return line[:begin] + (_fit(field, make(line[begin:stop])) or line[begin:stop]) + line[stop:]

        return change
    quote = (layout.quote or "").encode()
    cut = quote + layout.delimiter.encode() + quote
    end = len(TERMINATORS[layout.terminator]) + len(quote)

    def change_delimited(line: bytes) -> bytes:
        fields = line[len(quote) : -end].split(cut)
        fields[place] = make(fields[place])
        return quote + cut.join(fields) + line[-end:]

    return change_delimited


def _of_field(layout, place: int):
    field = layout.field[place]
    label = field.column or f"field_{place + 1}"
    for name, code, only, value in _changes(layout, field):
        sample = value(b"0" * (field.width or 1))
        if layout.format == "fixed" and (len(sample) > field.width or _fit(field, sample) is None):
            continue
        yield Kind(f"{name}:{label}", code, frozenset(only), _replacing(layout, place, value))


def _changes(layout, field):
    """(name, code, record types, new value) for one field."""
    by_type = {"integer": _number_changes, "timestamp": _moment_changes, "decimal": _number_changes}
    if field.type in by_type:
        yield from by_type[field.type](layout, field)
    if field.type == "enumeration":
        yield "unknown_value", "unknown_value", (), lambda raw: b"?" * len(raw or b"?")
    if field.type == "text" and field.column not in ("served_msisdn",):
        yield from _text_changes(layout, field)
    if field.column == "served_msisdn" and field.leading_zero and field.min is None:
        yield "zero_number", "bad_msisdn", (), lambda raw: b"0" * 11
    strippable = layout.format != "fixed" or field.strip != "none"
    blank = layout.format != "fixed" or field.pad == " "
    required = not field.optional and not field.empty_if and not field.required_if
    if strippable and blank and required and field.type not in ("constant", "ignored"):
        yield "empty", "missing_value", (), lambda raw: b""
    only = tuple((field.required_if or {}).get("record_type", ()))
    if strippable and blank and only and not set(only) & set((field.empty_if or {}).get("record_type", ())):
        yield "empty_though_required", "missing_value", only, lambda raw: b""
    only = tuple((field.empty_if or {}).get("record_type", ()))
    if only and field.type in ("text", "digits", "integer"):
        number = b"60" if field.type == "integer" else b"8613900000000"
        yield "filled_though_empty", "unexpected_value", only, lambda raw: number[: field.max_length or 13]
    fixed_length = field.min_length is not None and field.min_length == field.max_length and field.min_length > 3
    if fixed_length and field.column == "served_imsi" and layout.format != "fixed":
        yield "short_number", "bad_length", (), lambda raw: raw[:-2]


def _number_changes(layout, field):
    always = not (field.optional or field.empty_if or field.required_if)
    if not always:
        return
    if field.min_length is None:
        yield "letter", "not_a_number", (), lambda raw: b"1O" + raw[2:]
        if not field.signed:
            width = len(b"-5") if layout.format != "fixed" or field.strip != "none" else field.width
            yield "negative", "negative", (), lambda raw: b"-" + b"5".rjust(width - 1, b"0")
    if field.type == "decimal":
        if field.decimals < 6:
            yield "decimals", "too_many_decimals", (), lambda raw: b"1." + b"2" * (field.decimals + 1)
        return
    if field.max is None and field.max_length is None and layout.format != "fixed":
        yield "overflow", "number_overflow", (), lambda raw: b"9" * 25
    elif field.max is not None and field.max < 10**17 and field.max_length is None:
        yield "beyond", "out_of_range", (), lambda raw: str(field.max + 1).encode()


def _moment_changes(layout, field):
    if field.optional or field.empty_if or field.required_if:
        return
    pattern, at, places = field.pattern or "", 0, {}
    index = 0
    while index < len(pattern):
        if pattern[index] == "%":
            letter = pattern[index + 1]
            places[letter] = at
            at, index = at + {"Y": 4, "z": 5}.get(letter, 2), index + 2
        else:
            at, index = at + 1, index + 1

    def put(letter: str, text: bytes) -> Callable[[bytes], bytes]:
        begin = places[letter]
        return lambda raw: raw[:begin] + text + raw[begin + len(text) :]

    yield "no_date", "bad_timestamp", (), put("Y", b"20X6")
    yield "month_13", "impossible_time", (), put("m", b"13")
    yield "day_32", "impossible_time", (), put("d", b"32")
    if "H" in places:
        yield "hour_25", "impossible_time", (), put("H", b"25")
    if "M" in places:
        yield "minute_61", "impossible_time", (), put("M", b"61")
    if "z" in places:
        yield "offset_99", "bad_utc_offset", (), put("z", b"+9900")


def _text_changes(layout, field):
    conditional = field.optional or field.empty_if or field.required_if
    if conditional:
        return
    yield "no_encoding", "invalid_encoding", (), lambda raw: b"\xff\xff" + raw[2:]
    if field.characters != "any":
        code = "not_a_number" if field.characters == "digits" else "bad_character"
        yield "control_character", code, (), lambda raw: b"\x01" + raw[1:]
