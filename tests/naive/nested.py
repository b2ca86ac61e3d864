"""The specification of the nested table in plain Python: one record's octets to its members, by a declared table.

Conventions
-----------
- A row has what is there: a member that is missing has no key, a struct is a dictionary, a list is one of them or of
  values; instants are datetimes, amounts decimals. `left_out` counts what the row does not have.
- `header` stands for what a file says to its records: `decimals`, `offsets` (s), `entities` (type, id), `rates`.
- Only a record may ask what a child of it holds, and that is an integer.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from decimal import Decimal
from typing import Any, NamedTuple

from mediation.rulebook.model import Members
from mediation.rulebook.tags import Step, paths_of, tag_of
from tests.naive.ber import Bad, bounds, child_of, head
from tests.naive.octets import Faulty, characters, local, network, signed
from tests.naive.octets import address as number

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BY_HEADER = ("tap_time", "entity", "rate")


class Said(NamedTuple):
    """A member: where it stands in its type, what it is called, whether it repeats, what it holds."""

    steps: tuple[int, ...]
    name: str
    repeated: bool
    holds: str


class Context(NamedTuple):
    """A type that an element may belong to: the tags that lead there, and the struct that it fills."""

    type: str
    above: tuple[int, ...]
    struct: dict[str, Any]


def instant(microseconds: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=microseconds)


class Twin:
    """One table, and one file's header."""

    def __init__(self, declared: Members, header: dict[str, Any]):
        self.header = header
        self.records = {path.steps[0]: name for tag, name in declared.records.items() for path in paths_of(tag)}
        self.types: dict[str, list[Said]] = {}
        for type_, members in declared.types.items():
            said = self.types[type_] = []
            for text, words in members.items():
                for path in paths_of(text):
                    for each in [words] if isinstance(words, str) else words:
                        name, holds = each.split()
                        steps = tuple(step.tag for step in path.steps)
                        said.append(Said(steps, name.removesuffix("[]"), name.endswith("[]"), holds))

    def row(self, data: bytes, begin: int, end: int) -> dict[str, Any]:
        """The row of a record that stands between two offsets."""
        self.data, self.left = data, {"unknown": 0, "repeated": 0, "unreadable": 0}
        row: dict[str, Any] = {"left_out": self.left}
        node = head(data, begin, end)
        name = next((name for step, name in self.records.items() if self.is_record(step, node)), None)
        if name is None:
            self.left["unknown"] += 1
            return row
        row["record"] = name
        if node.constructed:
            self.contents(node.content, bounds(data, node)[0], [Context(row["record"], (), row)])
        else:
            self.left["unreadable"] += 1
            del row["record"]
        return row

    def is_record(self, step: Step, node) -> bool:
        """Whether a record has the tag, and a child that holds what it must."""
        if node.tag != step.tag or step.child is None:
            return node.tag == step.tag
        found = child_of(self.data, node.content, bounds(self.data, node)[0], step.child)
        if found is None or found[0].constructed:
            return False
        octets = self.data[found[0].content : found[1]]
        return bool(octets) and int.from_bytes(octets, "big", signed=True) == step.value

    def contents(self, at: int, end: int, contexts: list[Context]) -> None:
        """Elements one after the other; where none can be read nobody looks further."""
        while at < end:
            try:
                node = head(self.data, at, end)
                ends, at = bounds(self.data, node)
                if node.tag == 0:
                    raise Bad("bad_tag")
            except Bad:
                self.left["unreadable"] += 1
                return
            self.element(node, ends, contexts)

    def element(self, node, end: int, contexts: list[Context]) -> None:
        through = [
            (context, said)
            for context in contexts
            for said in self.types[context.type]
            if said.steps[: len(context.above) + 1] == (*context.above, node.tag)
        ]
        if not through:
            self.left["unknown"] += 1
            return
        here = [(context, said) for context, said in through if len(said.steps) == len(context.above) + 1]
        leaves = [each for each in here if each[1].holds not in self.types and each[1].holds != "null"]
        flags = [each for each in here if each[1].holds == "null"]
        structs = [each for each in here if each[1].holds in self.types]
        below = [context for context, said in through if len(said.steps) > len(context.above) + 1]
        if (structs or below) and not leaves and not node.constructed:
            self.left["unreadable"] += 1
            return
        for context, said in through:
            if said.repeated:
                context.struct.setdefault(said.name, [])
        following = [Context(each.type, (*each.above, node.tag), each.struct) for each in below]
        for context, said in structs + flags:
            if said.repeated:
                context.struct[said.name].append({})
            elif said.name in context.struct:
                self.left["repeated"] += 1
                return
            else:
                context.struct[said.name] = {} if said.holds in self.types else True
        for context, said in structs:
            made = context.struct[said.name]
            following.append(Context(said.holds, (), made[-1] if said.repeated else made))
        if leaves:
            self.values(node, end, leaves)
        if node.constructed and following:
            unique = {(each.type, each.above, id(each.struct)): each for each in following}
            self.contents(node.content, end, list(unique.values()))

    # ----------------------------------------------------------------------------------------- values

    def values(self, node, end: int, leaves: list[tuple[Context, Said]]) -> None:
        (context, said), octets = leaves[0], self.data[node.content : end]
        if not said.repeated and said.name in context.struct:
            self.left["repeated"] += 1
            return
        read = [(context, said, self.value(said, node.constructed, octets)) for context, said in leaves]
        for context, said, (found, _) in read:
            if said.repeated:
                context.struct[said.name].append(found[0])
                continue
            for suffix, each in zip(("", "_utc_offset_s"), found, strict=False):
                if each is not None:
                    context.struct[said.name + suffix] = each
        silent = said.holds in BY_HEADER and octets and read[0][2][0][0] is None
        self.left["unreadable"] += bool(silent or any(bad for _, _, (_, bad) in read))

    def value(self, said: Said, constructed: bool, octets: bytes) -> tuple[tuple[Any, ...], bool]:
        """The value, and beside a time its offset; and whether it is bad."""
        if said.holds == "tap_time":
            return self.tap_time(octets)
        if said.holds == "text":
            octets = octets.strip(b" ")
        if constructed:
            return (None,), True
        if not octets:
            return (None,), False
        if said.holds == "time9":
            return self.time9(octets)
        try:
            return (getattr(self, said.holds)(octets),), False
        except Faulty:
            return (None,), True

    @staticmethod
    def text(octets: bytes) -> str:
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise Faulty("invalid_encoding") from None

    @staticmethod
    def integer(octets: bytes) -> int:
        return signed(octets)

    @staticmethod
    def boolean(octets: bytes) -> bool:
        return signed(octets) != 0

    @staticmethod
    def plmn(octets: bytes) -> str | None:
        return network(octets)

    @staticmethod
    def hex(octets: bytes) -> str:
        return octets.hex()

    @staticmethod
    def bcd(octets: bytes) -> str | None:
        return characters(octets, False) or None

    @staticmethod
    def tbcd(octets: bytes) -> str | None:
        return characters(octets, True) or None

    @staticmethod
    def address(octets: bytes) -> str | None:
        international, half_octets = number(octets)
        digits = characters(half_octets, True)
        return ("+" if international else "") + digits if digits else None

    def ip(self, octets: bytes) -> str:
        if len(octets) == 4:
            return str(ipaddress.IPv4Address(octets))
        if len(octets) == 16:
            return ":".join(f"{int.from_bytes(octets[at : at + 2], 'big'):x}" for at in range(0, 16, 2))
        return self.text(octets)

    def amount(self, octets: bytes) -> Decimal:
        exact, rest = divmod(abs(signed(octets)) * 10**6, 10 ** self.header["decimals"])
        if rest:
            raise Faulty("too_many_decimals")
        if exact >= 10**18:
            raise Faulty("number_overflow")
        return Decimal(exact if octets[0] < 128 else -exact).scaleb(-6)

    def rate(self, octets: bytes) -> Decimal | None:
        micro = self.header["rates"].get(int.from_bytes(octets, "big", signed=True))
        return None if micro is None else Decimal(micro).scaleb(-6)

    def entity(self, octets: bytes) -> str | None:
        return self.header["entities"].get(int.from_bytes(octets, "big", signed=True), (None, None))[1]

    @staticmethod
    def time9(octets: bytes) -> tuple[tuple[Any, ...], bool]:
        offset = octets[7:].hex()
        signed = octets[6:7] in (b"+", b"-") and offset.isdigit() and int(offset[2:]) <= 59 and int(offset) <= 1800
        if len(octets) != 9 or not signed:
            return (None, None), True
        seconds = (int(offset[:2]) * 60 + int(offset[2:])) * (60 if octets[6:7] == b"+" else -60)
        try:
            return (instant(local("20" + octets[:6].hex()) - seconds * 10**6), seconds), False
        except Faulty:
            return (None, seconds), True

    def tap_time(self, octets: bytes) -> tuple[tuple[Any, ...], bool]:
        code, time = (child_of(octets, 0, len(octets), tag_of(tag)) for tag in ("a232", "a16"))
        offset = None
        if code is not None and code[1] > code[0].content:
            offset = self.header["offsets"].get(int.from_bytes(octets[code[0].content : code[1]], "big", signed=True))
        if time is None:
            return (None, offset), False
        try:
            at = local(octets[time[0].content : time[1]].decode("latin-1"))
        except Faulty:
            return (None, offset), True
        return (None if offset is None else instant(at - offset * 10**6), offset), False
