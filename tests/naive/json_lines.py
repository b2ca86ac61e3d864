"""The specification of JSON lines in plain Python: by descent, character by character.

Conventions
-----------
- A value is None (null), the bytes of a scalar, a dictionary of declared members, or a list; what no path leads to is
  read and forgotten.
- A fault of the structure ends a record where it is met. Faults of fields are numbers and codes, in the order in which
  they are found; the least number counts, and of one field the first.
- Rows and rejects are those of `naive.decode`, with `item_no`.
"""

from __future__ import annotations

import re

from mediation.rulebook.paths import lists_of, steps_of
from tests.naive import decode as naive

DEEPEST, MOST_ITEMS, LEAST_ITEM_BYTES = 64, 32767, 16
NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
ESCAPES = {b"\\" + bytes([c]): m for c, m in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True)}


class Broken(Exception):
    """The record is none: code, and the number of the field or 0."""


class Line:
    """One line as it is read."""

    def __init__(self, content: bytes, paths: dict, most_items: int):
        self.text, self.at, self.depth = content, 0, 0
        self.paths, self.most_items, self.items = paths, most_items, 0
        self.ways = {path[:length] for path in paths for length in range(len(path) + 1)}
        self.innermost = max(map(lists_of, paths), key=len, default=())
        self.faults: list = []

    def least(self, way) -> int:
        return min(number for path, number in self.paths.items() if path[: len(way)] == way)

    def shape(self, way):
        further = [path[len(way)] for path in self.paths if path[: len(way)] == way and len(path) > len(way)]
        return bytes if not further else list if further[0] is None else dict

    def tell(self, way, code) -> None:
        self.faults.append((self.least(way), code))

    # ------------------------------------------------------------------------------------------ grammar

    def peek(self) -> bytes:
        while self.text[self.at : self.at + 1] in (b" ", b"\t", b"\r"):
            self.at += 1
        return self.text[self.at : self.at + 1]

    def expect(self, wanted: bytes) -> None:
        if self.peek() != wanted:
            raise Broken("bad_json", 0)
        self.at += 1

    def record(self):
        if self.peek() != b"{":
            raise Broken("bad_json", 0)
        value = self.value(())
        if self.peek():
            raise Broken("bad_json", 0)
        return value

    def value(self, way):
        first = self.peek()
        if first in (b"{", b"["):
            return self.container(way, dict if first == b"{" else list)
        text = self.scalar(first, way)
        if way is not None and text is not None and self.shape(way) is not bytes:
            self.tell(way, "wrong_structure")
            return None
        return text

    def container(self, way, kind):
        self.at += 1
        self.depth += 1
        if self.depth > DEEPEST:
            raise Broken("too_deep", 0)
        if way is not None and self.shape(way) is not kind:
            self.tell(way, "wrong_structure")
            way = None
        found, close = kind(), b"}" if kind is dict else b"]"
        if self.peek() == close:
            self.at += 1
            self.depth -= 1
            return found if way is not None else None
        while True:
            self.member(way, found) if kind is dict else self.element(way, found)
            if self.peek() == close:
                break
            self.expect(b",")
        self.at += 1
        self.depth -= 1
        return found if way is not None else None

    def member(self, way, found: dict) -> None:
        self.expect(b'"')
        name = self.string(None).decode()
        self.expect(b":")
        further = None if way is None or (*way, name) not in self.ways else (*way, name)
        if further is not None and name in found:
            self.tell(further, "repeated_key")
            further = None
        elif further is not None:
            found[name] = None
        value = self.value(further)
        if further is not None:
            found[name] = value

    def element(self, way, found: list) -> None:
        if not self.peek():
            raise Broken("bad_json", 0)
        further = None if way is None else (*way, None)
        if further is not None and further == self.innermost:
            self.items += 1
            if self.items > self.most_items:
                raise Broken("too_many_items", 0)
        found.append(self.value(further))

    def scalar(self, first: bytes, way):
        if first == b'"':
            self.at += 1
            return self.string(way)
        for word in (b"true", b"false", b"null"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return None if word == b"null" else word
        number = NUMBER.match(self.text, self.at)
        if number is None:
            raise Broken("bad_json", 0)
        self.at = number.end()
        return number[0]

    def string(self, way) -> bytes:
        field = self.least(way) if way is not None and self.shape(way) is bytes else 0
        out = b""
        while True:
            c = self.text[self.at : self.at + 1]
            if c == b'"':
                self.at += 1
                return out
            if c < b" ":  # none, too
                raise Broken("bad_json", 0)
            if c == b"\\":
                out += self.escape(field)
                continue
            for size in range(1, 5):
                try:
                    out += self.text[self.at : self.at + size].decode().encode()
                    break
                except UnicodeDecodeError:
                    continue
            else:
                raise Broken("invalid_encoding", field)
            self.at += size

    def escape(self, field: int) -> bytes:
        two = self.text[self.at : self.at + 2]
        if two in ESCAPES:
            self.at += 2
            return bytes([ESCAPES[two]])
        found = re.compile(rb"\\u([0-9a-fA-F]{4})(?:\\u([0-9a-fA-F]{4}))?").match(self.text, self.at)
        if found is None:
            raise Broken("bad_json", 0)
        high, low = int(found[1], 16), int(found[2] or b"0", 16)
        if 0xD800 <= high < 0xDC00 <= low < 0xE000:
            self.at += 12
            return chr(0x10000 + (high - 0xD800) * 1024 + low - 0xDC00).encode()
        if 0xD800 <= high < 0xE000:
            raise Broken("invalid_encoding", field)
        self.at += 6
        return chr(high).encode()


# --------------------------------------------------------------------------------------------- records


def expand(line: Line, value, way) -> tuple[dict, list | None]:
    """What a value says of all items in it, by number of the field, and these items; None where no list was met."""
    if value is None:
        return {}, None
    if isinstance(value, bytes):
        return {line.paths[way]: value}, None
    if isinstance(value, list):
        items = []
        for element in value:
            shared, further = expand(line, element, (*way, None))
            items += [shared] if (*way, None) == line.innermost else [shared | item for item in further or []]
        return {}, items
    shared, items = {}, None
    for name, member in value.items():
        more, further = expand(line, member, (*way, name))
        shared |= more
        items = items if further is None else further
    return shared, items


def rows_of(line: Line) -> list:
    """The values of every item, by number of the field."""
    shared, items = expand(line, line.record(), ())
    return [shared | item for item in items or [{}]]


def spans_of(values: dict, count: int):
    """Values side by side, as the converters of other formats take them."""
    raw, spans = b"", []
    for number in range(1, count + 1):
        text = values.get(number, b"")
        spans.append((len(raw), len(raw) + len(text), False))
        raw += text
    return naive.Record(raw, spans, None)


def decode_line(feed, layout, content: bytes, size: int, zone: str, rules: tuple) -> list:
    """The rows of a record; raises `Broken` for what is to be told of it."""
    fields = [f for f in layout.field if f.type != "constant"]
    paths = {steps_of(field.path): number for number, field in enumerate(fields, 1)}
    line = Line(content, paths, min(MOST_ITEMS, size // LEAST_ITEM_BYTES + 1))
    rows, later = [], []
    for item_no, values in enumerate(rows_of(line)):
        row, unreadable = naive.constant_row(feed, layout) | {"item_no": item_no}, set()
        record = spans_of(values, len(fields))
        line.faults += naive.value_faults(feed, layout, record, zone, rules, row, fields, unreadable)
        later += naive.condition_faults(fields, row, unreadable)
        rows.append(row)
    if line.faults + later:
        number, code = min(line.faults + later, key=lambda each: each[0])
        raise Broken(code, number)
    return rows


def decode(data: bytes, feed, layout, zone: str, rules: tuple = ()) -> tuple[list, list]:
    """Every row and every reject of a file."""
    begin = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    fields = [f for f in layout.field if f.type != "constant"]
    rows, rejects, record_no = [], [], 0
    while begin < len(data):
        raw = data[begin : naive.line_end(data, begin)]
        content, fault = naive.line_content(layout, raw)
        place = {"record_no": record_no, "byte_offset": begin, "byte_length": len(raw)}
        begin += len(raw)
        if not content:
            continue
        record_no += 1
        try:
            if len(raw) > layout.max_record_bytes:
                raise Broken("record_too_long", 0)
            if fault:
                raise Broken(fault, 0)
            rows += [place | row for row in decode_line(feed, layout, content, len(raw), zone, rules)]
        except Broken as error:
            code, number = error.args
            name = fields[number - 1].column if number else None
            rejects.append({**place, "code": code, "field": name, "raw": raw[: layout.max_record_bytes]})
    return rows, rejects
