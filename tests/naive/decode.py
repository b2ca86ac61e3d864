"""The specification of decoding in plain Python: a file's bytes to rows and rejects, by the declared layout.

Conventions
-----------
- A row is a dictionary of column to value (None is null; instants are microseconds, decimals integers of 10^-6) with
  `record_no`, `byte_offset`, `byte_length`; a reject has those and `code`, `field`, `raw`.
- Of several faults of a record the leftmost field's counts; a fault of the structure comes before all fields.
- Left out: headers, trailers and what is derived from fields.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mediation.rulebook.numbers import to_msisdn

MOST = 2**63 - 1
FACTORS = {"min": 60, "KiB": 1 << 10, "MiB": 1 << 20, "kB": 10**3, "MB": 10**6}
AMOUNT_DECIMALS = {"fen": 2, "micro": 6}
CLASSES = {
    "any": rb"[\x00-\xff]*",
    "digits": rb"[0-9]*",
    "alphanumeric": rb"[0-9A-Za-z]*",
    "hexadecimal": rb"[0-9A-Fa-f]*",
    "printable": rb"[^\x00-\x1f\x7f]*",
    "dialled": rb"[0-9*#+]*",
}
DIRECTIVES = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "f": 6, "L": 3}


class Faulty(Exception):
    """A value or a record that is not valid; its argument is the code."""


class Record(NamedTuple):
    """Bytes from the record's begin to past its terminator, and where its fields stand in them."""

    raw: bytes
    spans: list
    fault: str | None


# ------------------------------------------------------------------------------------------ structure


def line_content(layout, raw: bytes) -> tuple[bytes, str | None]:
    """A line without its terminator, and `bad_terminator`."""
    content = raw.removesuffix(b"\n")
    if layout.terminator == "lf":
        return content, None
    if content.endswith(b"\r"):
        return content[:-1], None
    return content, "bad_terminator" if layout.terminator == "crlf" and raw.endswith(b"\n") else None


def line_end(data: bytes, begin: int) -> int:
    found = data.find(b"\n", begin)
    return len(data) if found < 0 else found + 1


def characters(layout, content: bytes, begin: int):
    """(position, bytes) of every character as far as a reader must know them to tell delimiters."""
    at = begin
    while at < len(content):
        lead = layout.encoding == "gb18030" and 0x81 <= content[at] <= 0xFE
        size = 2 if lead and at + 1 < len(content) and content[at + 1] >= 0x40 else 1
        yield at, content[at : at + size]
        at += size


def delimited_spans(layout, content: bytes) -> list:
    spans, begin = [], 0
    for at, character in characters(layout, content, 0):
        if character == layout.delimiter.encode():
            spans.append((begin, at, False))
            begin = at + 1
    return [*spans, (begin, len(content), False)]


def quoted_field(layout, data: bytes, begin: int, most: int) -> tuple[tuple, int]:
    """Bounds of the field that begins with a quote, and where its closing quote ends."""
    quote, doubled, skip = layout.quote.encode(), False, -1
    for at, character in characters(layout, data[:most], begin + 1):
        if character != quote or at == skip:
            continue
        if data[at + 1 : min(at + 2, most)] != quote:
            return (begin + 1, at, doubled), at + 1
        doubled, skip = True, at + 1
    raise Faulty("unclosed_quote", most)


def unquoted_field(layout, data: bytes, begin: int) -> tuple[tuple, int]:
    for at, character in characters(layout, data, begin):
        if character in (layout.delimiter.encode(), b"\n"):
            return (begin, at, False), at
        if character == layout.quote.encode():
            raise Faulty("bad_quote", at)
    return (begin, len(data), False), len(data)


def quoted_record(layout, data: bytes, begin: int) -> Record:
    """One record of RFC 4180; what is not one costs its line."""
    delimiter, at, spans = layout.delimiter.encode(), begin, []
    most = min(len(data), begin + layout.max_record_bytes)
    try:
        while True:
            if data[at : at + 1] == layout.quote.encode():
                span, at = quoted_field(layout, data, at, most)
                end_of_line = re.match(rb"\r?(\n|\Z)" if layout.terminator != "lf" else rb"\n|\Z", data[at:])
                if not end_of_line and data[at : at + 1] != delimiter:
                    raise Faulty("bad_quote", at)
            else:
                span, at = unquoted_field(layout, data, at)
            spans.append((span[0] - begin, span[1] - begin, span[2]))
            if data[at : at + 1] != delimiter:
                break
            at += 1
        raw = data[begin : line_end(data, at)]
        if len(raw) > layout.max_record_bytes:
            raise Faulty("record_too_long", most)
    except Faulty as error:
        return broken_line(layout, data[begin : line_end(data, begin)], error.args[0], error.args[1] - begin)
    content, bad_terminator = line_content(layout, raw)
    spans[-1] = (spans[-1][0], min(spans[-1][1], len(content)), spans[-1][2])
    return Record(raw, spans, bad_terminator)


def broken_line(layout, line: bytes, fault: str, at: int) -> Record:
    """A line that is not RFC 4180; what was noticed after its end has no say in its code."""
    if len(line) > layout.max_record_bytes:
        fault = "record_too_long"
    elif at > len(line.removesuffix(b"\n")):
        fault = "unclosed_quote"
    return Record(line, [], fault)


def line_record(layout, data: bytes, begin: int) -> Record:
    raw = data[begin : line_end(data, begin)]
    content, fault = line_content(layout, raw)
    if len(raw) > layout.max_record_bytes:
        return Record(raw, [], "record_too_long")
    if layout.format == "delimited":
        return Record(raw, delimited_spans(layout, content), fault)
    return fixed_record(layout, raw, content, fault)


def fixed_record(layout, raw: bytes, content: bytes, fault: str | None) -> Record:
    if len(content) != layout.record_length:
        return Record(raw, [], "wrong_record_length")
    fields = [f for f in layout.field if f.type != "constant"]
    return Record(raw, [(f.start - 1, f.start - 1 + f.width, False) for f in fields], fault)


def records(layout, data: bytes, begin: int):
    """(offset, Record) of every record; what lies between them is filler."""
    while begin < len(data):
        if layout.terminator == "none":
            raw = data[begin : begin + layout.record_length]
            record = fixed_record(layout, raw, raw, None)
        elif layout.quote is not None:
            record = quoted_record(layout, data, begin)
        else:
            record = line_record(layout, data, begin)
        if layout.terminator == "none" or line_content(layout, record.raw)[0]:
            yield begin, record
        begin += len(record.raw)


def field_of(layout, record: Record, at: int) -> int:
    """The field, from 1, in which a byte of a record lies; 0 between fields of fixed width."""
    for number, (begin, end, _) in enumerate(record.spans, 1):
        if at <= end if layout.format == "delimited" else begin <= at < end:
            return number
    return 0


# --------------------------------------------------------------------------------------------- fields


def whole_number(text: bytes, signed: bool) -> int:
    if not re.fullmatch(rb"-?[0-9]+|\+[0-9]+" if signed else rb"-?[0-9]+", text):
        raise Faulty("not_a_number")
    if abs(int(text)) > MOST:
        raise Faulty("number_overflow")
    if text[:1] == b"-" and not signed:
        raise Faulty("negative")
    return int(text)


def decimal(field, text: bytes) -> int:
    """An integer of 10^-decimals."""
    found = re.fullmatch(rb"([+-]?)([0-9]+)(?:\.([0-9]+))?", text)
    if not found or (found[1] == b"+" and not field.signed):
        raise Faulty("not_a_number")
    fraction = found[3] or b""
    if len(fraction) > field.decimals:
        raise Faulty("too_many_decimals")
    value = int(found[2] + fraction.ljust(field.decimals, b"0"))
    if value > MOST:
        raise Faulty("number_overflow")
    if found[1] == b"-" and not field.signed:
        raise Faulty("negative")
    return -value if found[1] == b"-" else value


def number(field, text: bytes) -> int:
    is_decimal = field.type == "decimal"
    value = decimal(field, text) if is_decimal else whole_number(text, field.signed)
    check_length(field, text)
    check_range(field, value)
    if is_decimal:
        value *= 10 ** (6 - field.decimals - AMOUNT_DECIMALS.get(field.unit, 0))
        most = 10**18 - 1
    else:
        value *= FACTORS.get(field.unit, 1)
        most = MOST
    if abs(value) > most:
        raise Faulty("number_overflow")
    return value


def check_range(field, value: int) -> None:
    if not (-MOST - 1 if field.min is None else field.min) <= value <= (MOST if field.max is None else field.max):
        raise Faulty("out_of_range")


def check_length(field, text: bytes) -> None:
    if len(text) < (field.min_length or 0) or (field.max_length is not None and len(text) > field.max_length):
        raise Faulty("bad_length")


def text_value(layout, field, text: bytes) -> str:
    check_length(field, text)
    kind = "digits" if field.type == "digits" else field.characters
    if not re.fullmatch(CLASSES[kind], text, re.DOTALL):
        raise Faulty("not_a_number" if kind == "digits" else "bad_character")
    if not field.leading_zero and text[:1] == b"0":
        raise Faulty("bad_character")
    return text.decode(layout.encoding)


def utc_offset_s(text: bytes) -> int:
    found = re.fullmatch(rb"Z|([+-])([0-9]{2})(?::?([0-9]{2}))?", text)
    if not found:
        raise Faulty("bad_utc_offset")
    hours, minutes = int(found[2] or 0), int(found[3] or 0)
    if minutes > 59 or hours * 60 + minutes > 18 * 60:
        raise Faulty("bad_utc_offset")
    return (-1 if found[1] == b"-" else 1) * (hours * 60 + minutes) * 60


def to_utc(local: dt.datetime, zone: str) -> dt.datetime:
    """The only instant at which clocks of the zone showed this; from 1990 to 2100, as far as zone tables are right."""
    if not 1990 <= local.year <= 2100:  # the offset that the table has at this end
        end = dt.datetime(1990, 1, 1) if local.year < 1990 else dt.datetime(2100, 12, 31, 23)
        return (local - end.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).utcoffset()).replace(tzinfo=dt.UTC)
    instants = set()
    for fold in (0, 1):
        instant = local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC)
        if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local:
            instants.add(instant)
    if len(instants) != 1:
        raise Faulty("ambiguous_time" if instants else "nonexistent_time")
    return instants.pop()


def instant_us(field, text: bytes, zone: str) -> tuple[int, bool]:
    """Microseconds since 1970, and whether the second was 60."""
    expression, names = b"", []
    for directive, literal in re.findall(r"%(.)|([^%])", field.pattern, re.DOTALL):
        if directive in DIRECTIVES:
            names.append(directive)
            expression += b"([0-9]{%d})" % DIRECTIVES[directive]
        elif directive == "N":
            names.append(directive)
            expression += rb"(?:\.([0-9]{1,9})(?![0-9])|(?!\.))"
        elif directive != "z":
            expression += re.escape((literal or directive).encode())
    has_offset = field.pattern.endswith("%z")
    found = re.match(expression, text, re.DOTALL)
    if not found or (found.end() == len(text)) is has_offset:
        raise Faulty("bad_timestamp")
    part = {name: int(value or 0) for name, value in zip(names, found.groups(), strict=True) if name != "N"}
    if "N" in names:
        part["f"] = int((found.groups()[names.index("N")] or b"0")[:6].ljust(6, b"0"))
    offset_s = utc_offset_s(text[found.end() :]) if has_offset else 0
    try:
        if part["S"] > 60 or not 1970 <= part["Y"] <= 2199:
            raise ValueError
        local = dt.datetime(part["Y"], part["m"], part["d"], part["H"], part["M"])
    except ValueError:
        raise Faulty("impossible_time") from None
    local += dt.timedelta(seconds=part["S"], microseconds=part.get("f", part.get("L", 0) * 1000))
    instant = local.replace(tzinfo=dt.UTC) - dt.timedelta(seconds=offset_s) if has_offset else to_utc(local, zone)
    return (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1), part["S"] == 60


def unpadded(layout, field, raw: bytes, span: tuple) -> bytes:
    begin, end, doubled = span
    text, pad = raw[begin:end], field.pad.encode()
    if field.strip in ("right", "both"):
        text = text.rstrip(pad)
    if field.strip in ("left", "both"):
        text = text.lstrip(pad)
    text = text.removeprefix(field.prefix.encode(layout.encoding))
    if doubled:
        quote = layout.quote
        text = text.decode(layout.encoding).replace(quote * 2, quote).encode(layout.encoding)
    return b"" if text in [value.encode(layout.encoding) for value in field.null_if] else text


def convert(feed, layout, field, text: bytes, zone: str, rules: tuple):
    """(value, whether it is a leap second) of a text that is not empty."""
    if field.column == "served_msisdn" and rules:
        value = to_msisdn(text.decode(layout.encoding), rules)
        if value is None:
            raise Faulty("bad_msisdn")
        check_range(field, value)
        return value, False
    if field.type == "timestamp":
        return instant_us(field, text, field.zone or feed.zone or zone)
    if field.type == "enumeration":
        listed = field.values if isinstance(field.values, dict) else {value: value for value in field.values}
        by_bytes = {value.encode(layout.encoding): name for value, name in listed.items()}
        if text not in by_bytes:
            raise Faulty("unknown_value")
        return by_bytes[text], False
    if field.type in ("integer", "decimal") or (field.type == "digits" and field.column == "served_msisdn"):
        return number(field, text), False
    return text_value(layout, field, text), False


# -------------------------------------------------------------------------------------------- records


def decode_record(feed, layout, record: Record, zone: str, rules: tuple) -> tuple[dict, list]:
    """The row, and its faults as (number of the field, code), the order within a field being that of the checks."""
    fields = [f for f in layout.field if f.type != "constant"]
    row, unreadable = constant_row(feed, layout), set()
    faults = value_faults(feed, layout, record, zone, rules, row, fields, unreadable)
    return row, [*encoding_faults(layout, record), *faults, *condition_faults(fields, row, unreadable)]


def constant_row(feed, layout) -> dict:
    """What is the same in every row."""
    row = {"flags": 0} | {f.column: f.value for f in layout.field if f.type == "constant"}
    return row | {name: value for name, value in (("host", feed.host), ("record_type", feed.record_type)) if value}


def encoding_faults(layout, record: Record) -> list:
    """The first byte of the record that is not text; of fixed width, each field that is none by itself as well."""
    faults = []
    try:
        record.raw.decode(layout.encoding)
    except UnicodeDecodeError as error:
        faults.append((field_of(layout, record, error.start), "invalid_encoding"))
    for number, (begin, end, _) in enumerate(record.spans if layout.format == "fixed" else [], 1):
        try:
            record.raw[begin:end].decode(layout.encoding)
        except UnicodeDecodeError:
            faults.append((number, "invalid_encoding"))
    return faults


def value_faults(feed, layout, record, zone, rules, row, fields, unreadable) -> list:
    """Faults of the values, which are put into `row`."""
    faults = []
    for place, field in enumerate(fields, 1):
        if field.type == "ignored":
            continue
        row[field.column] = None
        may_be_null = field.optional or field.may_be_absent or field.required_if or field.empty_if
        try:
            text = unpadded(layout, field, record.raw, record.spans[place - 1])
            if text:
                row[field.column], leap = convert(feed, layout, field, text, zone, rules)
                row["flags"] |= 2 * leap
            elif not may_be_null:
                raise Faulty("missing_value")
        except (Faulty, UnicodeDecodeError) as error:
            faults.append((place, str(error)))
            unreadable.add(field.column)
    return faults


def condition_faults(fields, row, unreadable) -> list:
    """Faults of rules that look at two fields."""
    faults = []
    for place, field in enumerate(fields, 1):
        empty = row.get(field.column) is None and field.column not in unreadable
        for rules_of, when, code in (
            (field.required_if, True, "missing_value"),
            (field.empty_if, False, "unexpected_value"),
        ):
            if empty is when and any(row.get(column) in values for column, values in (rules_of or {}).items()):
                faults.append((place, code))
    return faults


def decode(data: bytes, feed, layout, zone: str, rules: tuple = ()) -> tuple[list, list]:
    """Every row and every reject of a file without header and trailer.

    Parameters
    ----------
    data : bytes
    feed, layout
        As declared.
    zone : str
        The home zone.
    rules : tuple
        Of `compile_numbers`.
    """
    begin = 3 if layout.encoding == "utf-8" and data.startswith(b"\xef\xbb\xbf") else 0
    rows, rejects = [], []
    fields = [f for f in layout.field if f.type != "constant"]
    for record_no, (offset, record) in enumerate(records(layout, data, begin)):
        place = {"record_no": record_no, "byte_offset": offset, "byte_length": len(record.raw)}
        fault = (0, record.fault) if record.fault else None
        least = sum(not field.may_be_absent for field in fields)
        if record.fault in (None, "bad_terminator") and not least <= len(record.spans) <= len(fields):
            fault = (0, "wrong_field_count")
        record = record._replace(spans=record.spans + [(0, 0, False)] * (len(fields) - len(record.spans)))
        if fault is None:
            row, faults = decode_record(feed, layout, record, zone, rules)
            fault = min(faults, key=lambda each: each[0], default=None)
        if fault is None:
            rows.append(place | row)
        else:
            name = fields[fault[0] - 1].column or "" if fault[0] else None
            raw = record.raw[: layout.max_record_bytes]
            rejects.append({**place, "code": fault[1], "field": name, "raw": raw})
    return rows, rejects
