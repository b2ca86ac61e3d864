"""The specification of decoding BER records in plain Python: octets to rows and rejects, by the declared tag table.

Conventions
-----------
- A row is a dictionary of column to value (None is null; instants are microseconds, decimals integers of 10^-6) with
  `record_no`, `item_no`, `byte_offset`, `byte_length`; a reject has `code`, `field` and the provenance.
- Of several faults of a record the one of the first declared field counts; elements that do not nest come before all.
- `header` stands for what a file says to its records: `decimals`, `offsets` (s), `entities` (type, id), `rates`, and
  the values of header fields by column.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mediation.rulebook.columns import may_be_null
from mediation.rulebook.numbers import compile_numbers, to_msisdn
from mediation.rulebook.tags import Path, Step, field_paths, paths_of, paths_of_values, tag_of, tag_text
from tests.naive.octets import (
    Faulty,
    address,
    address_of_host,
    characters,
    decimal_digits,
    local,
    network,
    nine_octets,
    signed,
    user,
)

MEMBERS = {"tap_time": ("a16", "a232"), "nrtrde_time": ("a21", "a45")}  # of a time: local, and what says its offset
MEMBERS |= {"tap_offset": MEMBERS["tap_time"], "nrtrde_offset": MEMBERS["nrtrde_time"]}
COMPOSITE = ("tag", *MEMBERS)

DEPTH = 32


class Bad(Exception):
    """Octets that are no element; its argument is the code."""


class Node(NamedTuple):
    tag: int
    constructed: bool
    begin: int
    content: int
    end: int | None  # None: indefinite
    limit: int


# ------------------------------------------------------------------------------------------ structure


def head(data: bytes, at: int, limit: int) -> Node:
    """The element at `at`; its length says where it ends, within `limit`."""
    octets = [*data[at:limit]]
    first, begin = octets.pop(0), at
    number, tag_octets = first & 31, 1
    if number == 31:
        number = 0
        while True:
            if not octets:
                raise Bad("element_overrun")
            octet = octets.pop(0)
            tag_octets += 1
            number = number * 128 + octet % 128
            if octet < 128:
                break
            if tag_octets == 3:
                raise Bad("bad_tag")
    if not octets:
        raise Bad("element_overrun")
    length = octets.pop(0)
    content = at + tag_octets + 1
    tag, constructed = (first >> 6) * 16384 + number, first & 32 != 0
    if length == 128:
        if not constructed:
            raise Bad("bad_length_octets")
        return Node(tag, constructed, begin, content, None, limit)
    if length > 128:
        count = length - 128
        if count == 127:
            raise Bad("bad_length_octets")
        if count > len(octets):
            raise Bad("element_overrun")
        length = int.from_bytes(bytes(octets[:count]), "big")
        content += count
        if length >= 1 << 32:
            raise Bad("bad_length_octets")
    if content + length > limit:
        raise Bad("element_overrun")
    return Node(tag, constructed, begin, content, content + length, limit)


def closing(data: bytes, at: int, limit: int) -> int:
    """Where the contents at `at` of an element of indefinite length end."""
    depth = 1
    while True:
        if at >= limit:
            raise Bad("element_overrun")
        if data[at : at + 2] == b"\0\0" and at + 2 <= limit:
            depth -= 1
            if not depth:
                return at
            at += 2
            continue
        node = head(data, at, limit)
        if node.end is None:
            depth += 1
            if depth > DEPTH:
                raise Bad("too_deep")
            at = node.content
        else:
            at = node.end


def bounds(data: bytes, node: Node) -> tuple[int, int]:
    """Where the contents end, and where what follows begins."""
    if node.end is not None:
        return node.end, node.end
    end = closing(data, node.content, node.limit)
    return end, end + 2


def direct(data: bytes, at: int, limit: int) -> list[tuple[Node, int]]:
    """Elements one after the other with the ends of their contents, as far as they can be read."""
    found = []
    try:
        while at < limit and not (data[at : at + 2] == b"\0\0" and at + 2 <= limit):
            node = head(data, at, limit)
            end, at = bounds(data, node)
            found.append((node, end))
    except Bad:
        pass
    return found


def child_of(data: bytes, at: int, limit: int, tag: int) -> tuple[Node, int] | None:
    return next((each for each in direct(data, at, limit) if each[0].tag == tag), None)


# -------------------------------------------------------------------------------------------- records


class Place:
    """The row that values go to, and whether an item has begun in it."""

    def __init__(self, row: int):
        self.row, self.taken = row, False


class Decoder:
    """One layout and one file's header."""

    def __init__(self, feed, header):
        self.feed, self.header = feed, header
        self.layout = feed.declared.layout[0]
        self.rules = compile_numbers(feed.book.declared.book.numbers.get(feed.declared.numbers or ""))
        self.fields = [field for field in self.layout.field if field.type != "constant"]
        self.items = [path.steps for text in self.layout.ber.items for path in paths_of(text)]
        self.waits = [path.steps for text in self.layout.ber.without_items for path in paths_of(text)]
        self.paths: list[tuple[Path, int]] = []
        for number, field in enumerate(self.fields):
            found = paths_of_values(field.values) if field.coding == "tag" else field_paths(field.tag)
            self.paths += [(path, number) for path in found]

    # ------------------------------------------------------------------------------------- one record

    def record(self, data: bytes, begin: int, end: int):
        """Rows, or the code and field of its fault."""
        if end - begin > self.layout.max_record_bytes:
            return None, "record_too_long", None
        self.data, self.rows, self.faults, self.flags = data, [{}], [], [0]
        self.open, self.waiting, record = "", None, Place(0)
        try:
            self.element(begin, end, (), record, "", 0)
            if self.waiting is not None and not record.taken:
                self.contents(*self.waiting)
        except Bad as bad:
            return None, str(bad), self.open or None
        rows = [self.finished(row, flags) for row, flags in zip(self.rows, self.flags, strict=True)]
        for number, field in enumerate(self.fields):
            if not may_be_null(field) and any(row.get(field.column) is None for row in rows):
                is_type = field.coding == "tag" and field.column == "record_type"
                self.faults.append((number, "unknown_value" if is_type else "missing_value"))
            for row in rows:
                there = row.get(field.column) is not None
                if not there and any(row.get(column) in values for column, values in (field.required_if or {}).items()):
                    self.faults.append((number, "missing_value"))
                if there and any(row.get(column) in values for column, values in (field.empty_if or {}).items()):
                    self.faults.append((number, "unexpected_value"))
        if self.faults:
            number, code = min(self.faults, key=lambda fault: fault[0])
            return None, code, self.fields[number].column
        return rows, None, None

    def finished(self, row: dict, flags: int) -> dict:
        beside = {f.column for f in self.fields} - {
            self.fields[n].column for p, n in self.paths if self.in_item(p.steps)
        }
        shared = {name: self.rows[0][name] for name in beside - {*self.layout.ber.sums} if name in self.rows[0]}
        return row | shared | self.header["fields"] | {"flags": flags | self.flags[0]}

    def in_item(self, steps) -> bool:
        return any(steps[: len(item)] == item for item in self.items)

    def following(self, above, node: Node):
        """The step that the table has for an element, or None; the first variant whose predicate holds."""
        known = {path.steps[len(above)] for path, _ in self.paths if self.below(path.steps, above)}
        known |= {each[len(above)] for each in self.items + self.waits if self.below(each, above)}
        variants = [step for step in known if step.tag == node.tag]
        for step in sorted(variants, key=lambda each: (each.child is None, each.child or 0, str(each.value))):
            if step.child is None or self.holds(step, node):
                return step
        return None

    @staticmethod
    def below(steps, above) -> bool:
        return len(steps) > len(above) and steps[: len(above)] == above

    def holds(self, step: Step, node: Node) -> bool:
        limit = node.limit if node.end is None else node.end
        found = child_of(self.data, node.content, limit, step.child)
        if found is None or step.value is None:
            return found is not None
        if found[0].constructed:
            return False
        octets = self.data[found[0].content : found[1]]
        if isinstance(step.value, bytes):
            return octets == step.value
        return bool(octets) and int.from_bytes(octets, "big", signed=True) == step.value

    def element(self, at: int, limit: int, above, place: Place, name: str, depth: int) -> int:
        """Takes an element; returns where the next begins."""
        node = head(self.data, at, limit)
        if node.tag == 0:
            raise Bad("bad_tag")
        step = self.following(above, node)
        steps = (*above, step) if step else None
        actions = [number for path, number in self.paths if steps and path.steps == steps]
        opens = bool(steps) and node.constructed and self.has_below(steps)
        values = [path for path, _ in self.paths if path.steps == steps and self.coding(path, _) not in COMPOSITE]
        if steps and not values and not node.constructed and self.has_below(steps):
            raise Bad("bad_tag")
        waits = opens and steps in self.waits
        if node.end is not None or not opens or actions or waits:
            end, after = bounds(self.data, node)
        else:
            end, after = None, None
        for number in sorted(actions):
            coding = next(self.coding(path, n) for path, n in self.paths if path.steps == steps and n == number)
            self.value(number, coding, node, end, place.row, steps)
        if not opens:
            return after
        if depth == DEPTH:
            raise Bad("too_deep")
        stop = node.limit if node.end is None else node.end
        name = f"{name}/{tag_text(step.tag)}".removeprefix("/")
        if waits:
            self.waiting = self.waiting or (node._replace(end=end), steps, place, name, depth + 1, end)
            return after
        ends_at_once = node.end is None and self.data[node.content : stop][:2] == b"\0\0"
        if steps not in self.items or node.content >= stop or ends_at_once:
            return self.contents(node, steps, place, name, depth + 1, stop)
        if place.taken:
            self.rows.append({})
            self.flags.append(0)
        row = len(self.rows) - 1 if place.taken else place.row
        inside = [item for item in self.items if self.below(item, steps)]
        own = {self.fields[n].column for path, n in self.paths if path.steps[: len(steps)] == steps}
        own -= {self.fields[n].column for path, n in self.paths for item in inside if path.steps[: len(item)] == item}
        inner = Place(row)
        after = self.contents(node, steps, inner, name, depth + 1, stop)
        if inside and not inner.taken:  # a group of none: no row
            if place.taken:
                self.rows.pop()
                self.flags.pop()
            else:
                self.rows[row] = {name: value for name, value in self.rows[row].items() if name not in own}
            return after
        place.taken = True
        for later in range(row + 1, len(self.rows) if inside else 0):
            self.flags[later] |= self.flags[row]
            self.rows[later] |= {name: value for name, value in self.rows[row].items() if name in own}
        return after

    def coding(self, path: Path, number: int) -> str:
        return path.coding or self.fields[number].coding

    def has_below(self, steps) -> bool:
        return any(self.below(path.steps, steps) for path, _ in self.paths) or any(
            self.below(each, steps) for each in self.items + self.waits
        )

    def contents(self, node: Node, steps, place: Place, name: str, depth: int, stop: int) -> int:
        at = node.content
        while True:
            self.open = name
            if node.end is None:
                if self.data[at : at + 2] == b"\0\0" and at + 2 <= stop:
                    return at + 2
            elif at == stop:
                return at
            if at >= stop:
                raise Bad("element_overrun")
            at = self.element(at, stop, steps, place, name, depth)

    # -------------------------------------------------------------------------------------- one value

    def value(self, number: int, coding: str, node: Node, end: int, row: int, steps) -> None:
        field, known = self.fields[number], self.rows[row]
        if known.get(field.column) is not None and not field.sum:
            return
        octets = self.data[node.content : end]
        if node.constructed and coding not in COMPOSITE:
            self.faults.append((number, "segmented_value"))
            return
        if coding == "octets":
            octets = octets.rstrip(b" ") if field.strip in ("right", "both") else octets
            octets = octets.lstrip(b" ") if field.strip in ("left", "both") else octets
            octets = octets.removeprefix(field.prefix.encode())
            octets = b"" if octets.decode("latin-1") in field.null_if else octets
        if not octets and coding != "tag":
            return
        try:
            value = self.converted(field, coding, steps, octets, row)
            if value is not None:
                known[field.column] = self.added(field, known.get(field.column), value)
        except Faulty as faulty:
            self.faults.append((number, str(faulty)))

    @staticmethod
    def added(field, before, value):
        if not field.sum:
            return value
        value += before or 0
        most = 10**18 if field.type == "decimal" else 2**63
        if not -most < value < most:
            raise Faulty("number_overflow")
        return value

    def converted(self, field, coding: str, steps, octets: bytes, row: int):
        if coding == "tag":
            return next((name for raw, name in field.values.items() if Path(steps, None) in paths_of(raw)), None)
        if coding in MEMBERS:
            return self.time(coding, octets, row)
        if coding == "entity":
            kind, identity = self.header["entities"].get(int.from_bytes(octets, "big", signed=True), (None, None))
            return identity if not field.entity_types or kind in field.entity_types else None
        if coding == "rate":
            return self.header["rates"].get(int.from_bytes(octets, "big", signed=True))
        if field.type == "enumeration":
            return self.code(field, coding, octets)
        if coding == "time9":
            instant, offset = nine_octets(octets)
            self.flags[row] |= 2 * (field.type == "timestamp" and octets[5:6] == b"\x60")
            return instant if field.type == "timestamp" else offset
        if field.type == "text":
            return self.text(coding, octets)
        return self.number(field, coding, octets)

    def offset(self, coding: str, octets: bytes) -> int | None:
        """In seconds, by the file's code or as it is written."""
        said = child_of(octets, 0, len(octets), tag_of(MEMBERS[coding][1]))
        if said is None or said[1] == said[0].content:
            return None
        held = octets[said[0].content : said[1]]
        if coding.startswith("tap"):
            return self.header["offsets"].get(int.from_bytes(held, "big", signed=True))
        found = re.fullmatch(r"([+-])([0-9]{2}):?([0-5][0-9])", held.decode("latin-1"))
        if found is None or int(found[2]) * 60 + int(found[3]) > 18 * 60:
            raise Faulty("bad_utc_offset")
        return (int(found[2]) * 3600 + int(found[3]) * 60) * (-1 if found[1] == "-" else 1)

    def time(self, coding: str, octets: bytes, row: int):
        if coding.endswith("offset"):
            return self.offset(coding, octets)
        time = child_of(octets, 0, len(octets), tag_of(MEMBERS[coding][0]))
        if time is None:
            return None
        text = octets[time[0].content : time[1]].decode("latin-1")
        instant, offset = local(text), self.offset(coding, octets)
        if text.endswith("60"):
            self.flags[row] |= 2
        if offset is None:
            self.flags[row] = self.flags[row] & ~2 | 4
            return None
        return instant - offset * 10**6

    @staticmethod
    def code(field, coding: str, octets: bytes) -> str:
        raw = octets.decode("latin-1")
        if coding == "integer":
            number = int.from_bytes(octets, "big", signed=True)
            raw = str(number)
            if field.unlisted is not None and 0 <= number <= field.unlisted and raw not in field.values:
                return raw
        if raw not in field.values:
            raise Faulty("unknown_value")
        return field.values[raw] if isinstance(field.values, dict) else raw

    @staticmethod
    def text(coding: str, octets: bytes) -> str | None:
        if coding == "hex":
            return octets.hex()
        if coding == "integer":
            return str(signed(octets))
        if coding in ("bcd", "tbcd"):
            return characters(octets, coding == "tbcd") or None
        if coding == "address":
            international, digits_of = address(octets)
            found = characters(digits_of, True)
            return ("+" if international else "") + found if found else None
        if coding == "plmn":
            return network(octets)
        if coding == "ip" and len(octets) in (4, 16):
            return address_of_host(octets)
        if coding == "uri":
            octets = user(octets)
        if not octets:
            return None
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise Faulty("invalid_encoding") from None

    def number(self, field, coding: str, octets: bytes):
        if coding == "integer":
            value = signed(octets)
        elif coding == "negated":
            value = -signed(octets)
        elif field.column == "served_msisdn" and self.rules:
            value = to_msisdn(self.rules, characters(octets, coding == "tbcd"))
        elif coding in ("bcd", "tbcd"):
            value = decimal_digits(octets, coding == "tbcd")
        elif coding == "address":
            value = decimal_digits(address(octets)[1], True)
        else:
            text = (user(octets) if coding == "uri" else octets).decode("latin-1")
            text = text.removeprefix("+") if coding == "uri" else text
            if coding == "uri" and not text:
                return None
            if text[:1] == "-" and text[1:].isascii() and text[1:].isdigit():
                raise Faulty("negative")
            if not text.isascii() or not text.isdigit():
                raise Faulty("not_a_number")
            value = int(text)
        if value is None:
            return None
        if value >= 2**63:
            raise Faulty("number_overflow")
        if field.type == "decimal":
            exact, rest = divmod(value * 10**6, 10 ** self.header["decimals"])
            if rest:
                raise Faulty("too_many_decimals")
            if abs(exact) >= 10**18:
                raise Faulty("number_overflow")
            return exact
        if value < 0 and not field.signed:
            raise Faulty("negative")
        return value


def decode(decoder: Decoder, data: bytes, begin: int) -> tuple[list[dict], list[dict], int]:
    """Rows and rejects of the records from `begin` on, in an element of indefinite length, and where they end."""
    rows, rejects, at, record_no = [], [], begin, 0
    most = decoder.layout.max_record_bytes
    while at < len(data) and data[at : at + 2] != b"\0\0":
        if data[at] == 0xFF or data[at:] == b"\0":  # the last octet ends nothing: filler
            at += 1
            continue
        try:
            if data[at] == 0:
                raise Bad("bad_tag")
            node = head(data, at, len(data))
            if node.end is None and len(data) - at > most:
                try:
                    after = closing(data, node.content, at + most) + 2
                except Bad as bad:
                    raise Bad("record_too_long" if str(bad) == "element_overrun" else str(bad)) from None
            else:
                after = bounds(data, node)[1]
        except Bad as bad:
            place = {"record_no": record_no, "item_no": 0, "byte_offset": at, "byte_length": len(data) - at}
            return rows, [*rejects, {**place, "code": str(bad), "field": None}], len(data)
        found, code, field = decoder.record(data, at, after)
        place = {"record_no": record_no, "byte_offset": at, "byte_length": after - at}
        if found is None:
            rejects.append({**place, "item_no": 0, "code": code, "field": field})
        else:
            rows += [{**place, "item_no": item, **row} for item, row in enumerate(found)]
        record_no, at = record_no + 1, after
    return rows, rejects, at
