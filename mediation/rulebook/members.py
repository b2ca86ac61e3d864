"""What the members of records are called and hold, as they are nested: the tree that the nested table is made by.

Conventions
-----------
- A table says of every type what stands at which path of tags (rulebook/tags.py) in it, from it inwards:
  ``"34/u16" = "list_of_service_data[] service_data"``. The words are the member's name, ``[]`` where every element at
  the path counts and not the first alone, and what it holds: another type, or one of `LEAVES`. An array of such texts
  is for an element that means several things.
- Members of one name in one place are one column: records of several kinds, and several paths, share theirs.
- A time has a second member for the offset that it was said with: its name and ``_utc_offset_s``.
- Without such a table the tree is that of the paths of the layout's fields: ``tag_34`` holds what stands in the
  element 34, what an item is or `lists` names is repeated, and values are those of the usage columns.
"""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

from mediation.rulebook import model
from mediation.rulebook.tags import Path, Step, field_paths, paths_of, tag_text

MOST_PLACES = 1 << 12
MOST_DEPTH = 30  # of elements in each other
OWN = ("source_id", "record_no", "byte_offset", "byte_length", "record", "left_out")  # columns that no element fills
_TEXT = re.compile(r"([a-z][a-z0-9_]{0,62})(\[\])? ([a-z][a-z0-9_]{0,62})")


class Leaf(NamedTuple):
    """How octets mean a value, and the type of field that it is; a presence says no more than that it is there."""

    coding: str
    type: str


LEAVES = {
    "text": Leaf("octets", "text"),
    **{coding: Leaf(coding, "text") for coding in ("bcd", "tbcd", "address", "hex", "ip", "entity", "plmn")},
    "integer": Leaf("integer", "integer"),
    "boolean": Leaf("integer", "boolean"),
    "null": Leaf("", "presence"),
    "amount": Leaf("integer", "decimal"),  # in the file's own decimals
    "rate": Leaf("rate", "decimal"),
    "time9": Leaf("time9", "timestamp"),
    "tap_time": Leaf("tap_time", "timestamp"),
}
OFFSETS = {"time9": Leaf("time9", "integer"), "tap_time": Leaf("tap_offset", "integer")}


@dataclasses.dataclass(eq=False)
class Member:
    """A column of the nested table, or of a struct or list in it.

    Attributes
    ----------
    name : str
    leaf : Leaf or None
        None: it has `members`.
    repeated : bool
        It is a list.
    field : Field or None
        Whose values it has, where a field of the layout says what they are.
    """

    name: str
    leaf: Leaf | None = None
    repeated: bool = False
    field: model.Field | None = None
    members: dict[str, Member] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(eq=False)
class Place:
    """A tag where it may stand.

    Attributes
    ----------
    depth : int
        Of elements around it, itself counted.
    record : str or None
        What a record of this tag is called.
    meanings : list of tuple
        The members that an element here is, each with the coding of its value.
    opens : list of Member
        Lists that are there with it, be they without elements.
    is_way : bool
        A path leads through it to a member of the struct that it stands in.
    """

    depth: int = 0
    record: str | None = None
    meanings: list[tuple[Member, str]] = dataclasses.field(default_factory=list)
    opens: list[Member] = dataclasses.field(default_factory=list)
    is_way: bool = False
    children: dict[Step, Place] = dataclasses.field(default_factory=dict)

    def reach(self, steps: tuple[Step, ...]) -> Place:
        """The place at the end of a path from here, made where it is missing."""
        place = self
        for step in steps:
            place = place.children.setdefault(step, Place(place.depth + 1))
        return place

    def mean(self, member: Member, coding: str) -> None:
        if all(known is not member for known, _ in self.meanings):
            self.meanings.append((member, coding))

    @property
    def is_element(self) -> bool:
        """Of a list."""
        return any(member.repeated for member, _ in self.meanings)


class Tree(NamedTuple):
    """The nested table's columns, as the members of a struct, and the tags that fill them."""

    root: Member
    top: Place


class Reader:
    """Reads a declared table; whatever is wrong with it is in `faults`, each with the place in the table."""

    def __init__(self, declared: model.Members):
        self.types = declared.types
        self.tree = Tree(Member(""), Place())
        self.faults: list[tuple[str, str]] = []
        self._places = 0
        for tag, name in declared.records.items():
            self._read_record(f".records.{tag}", tag, name)
        for name in {*self.types} & {*LEAVES}:
            self.faults.append((f".types.{name}", "is a coding; a type has another name"))
        for name in {*self.tree.root.members} & {*OWN}:
            self.faults.append((".records", f"{name}: a column of every nested table has this name"))
        self.faults = sorted(set(self.faults))  # a type is read wherever it stands

    def _read_record(self, where: str, tag: str, name: str) -> None:
        try:
            paths = paths_of(tag)
        except ValueError as error:
            self.faults.append((where, str(error)))
            return
        if name not in self.types:
            self.faults.append((where, f"there is no type {name!r}"))
        elif any(path.coding or len(path.steps) != 1 for path in paths):
            self.faults.append((where, "is a record's own tag, perhaps with what a child of it holds"))
        else:
            for path in paths:
                place = self.tree.top.reach(path.steps)
                place.record = name
                self._read_type(name, self.tree.root, place, (name,))

    def _read_type(self, name: str, struct: Member, place: Place, above: tuple[str, ...]) -> None:
        if self._places > MOST_PLACES:
            return
        for text, said in self.types[name].items():
            where = f".types.{name}.{text}"
            try:
                paths = paths_of(text)
            except ValueError as error:
                self.faults.append((where, str(error)))
                continue
            if any(path.coding or not path.steps for path in paths):
                self.faults.append((where, "a path has at least one tag, and what it holds stands in the text"))
                continue
            for each in [said] if isinstance(said, str) else said:
                self._read_member(where, each, paths, struct, place, above)

    def _read_member(self, where: str, text: str, paths: list[Path], struct: Member, place: Place, above) -> None:
        found = _TEXT.fullmatch(text)
        if not found:
            self.faults.append((where, f"{text!r} is not a name, perhaps [], and what it holds, such as 'apn text'"))
            return
        name, repeated, holds = found[1], bool(found[2]), found[3]
        if holds in above:
            self.faults.append((where, f"{holds} stands in itself"))
            return
        if holds not in LEAVES and holds not in self.types:
            self.faults.append((where, f"{holds!r} is no type of the table, and none of {', '.join(LEAVES)}"))
            return
        if holds == "null" and repeated:
            self.faults.append((where, "what holds nothing is no list"))
            return
        pairs = [(name, LEAVES.get(holds))]
        if holds in OFFSETS and not repeated:
            pairs.append((f"{name}_utc_offset_s", OFFSETS[holds]))
        if any(place.depth + len(path.steps) > MOST_DEPTH for path in paths):
            self.faults.append((where, f"more than {MOST_DEPTH} elements in each other"))
            return
        for path in paths:
            for called, leaf in pairs:
                self._add(where, Member(called, leaf, repeated), path.steps, struct, place)
            if holds in self.types:
                self._read_type(holds, struct.members[name], place.reach(path.steps), (*above, holds))

    def _add(self, where: str, member: Member, steps: tuple[Step, ...], struct: Member, place: Place) -> None:
        known = struct.members.setdefault(member.name, member)
        if (known.leaf, known.repeated) != (member.leaf, member.repeated):
            self.faults.append((where, f"{member.name} is something else in another place"))
        self._places += len(steps)
        if self._places > MOST_PLACES:
            if self._places - len(steps) <= MOST_PLACES:
                self.faults.append((where, f"more than {MOST_PLACES} places of tags"))
            return
        ways, end = [place.reach(steps[:depth]) for depth in range(1, len(steps))], place.reach(steps)
        for way in ways:
            way.is_way = True
        if any(way.is_element for way in ways) or (member.repeated and end.is_way):
            what = "a path leads through an element of a list: what stands there is a member of what the list holds"
            self.faults.append((where, what))
        end.mean(known, "" if member.leaf is None else member.leaf.coding)
        if end.is_element and len(end.meanings) > 1:
            self.faults.append((where, "is an element of a list, and is nothing else beside"))
        if known.repeated:
            for way in (*ways, end):
                if all(known is not each for each in way.opens):
                    way.opens.append(known)


def tree_of_members(declared: model.Members) -> Tree:
    """The tree of a table that has been checked."""
    reader = Reader(declared)
    assert not reader.faults, reader.faults
    return reader.tree


def tree_of_fields(layout: model.Layout) -> Tree:
    """The tree of the paths of a layout's fields."""
    assert layout.ber is not None
    tree = Tree(Member(""), Place())
    lists = {path.steps for text in (*layout.ber.items, *layout.ber.lists) for path in paths_of(text)}
    for field in layout.field:
        if field.column is None or field.tag is None:
            continue
        for path in field_paths(field.tag):
            struct, place = tree.root, tree.top.reach(path.steps[:1])
            place.record = f"tag_{tag_text(path.steps[0].tag)}"
            for depth, step in enumerate(path.steps[1:], 2):
                is_leaf, repeated = depth == len(path.steps), path.steps[:depth] in lists
                coding = (path.coding or field.coding) if is_leaf else ""
                name = field.column if is_leaf else f"tag_{tag_text(step.tag)}"
                made = Member(name, Leaf(coding, field.type) if is_leaf else None, repeated, field if is_leaf else None)
                struct, place = struct.members.setdefault(name, made), place.reach((step,))
                place.mean(struct, coding)
                if repeated and not place.opens:
                    place.opens.append(struct)
    return tree
