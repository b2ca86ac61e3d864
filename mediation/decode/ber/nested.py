"""The nested table: a row for every record that was taken, as the format nests it, for joining to usage and rejects.

Conventions
-----------
- The rule book alone decides the schema: tables of any files of a layout can be put together.
- Structs stand for elements with members and lists for what repeats; an element that is missing is null, a list without
  elements is empty.
- What a row leaves out of its record is counted in `left_out`: elements that the table does not name, elements that
  are there again where it has one, and elements that are not what it says.
"""

from __future__ import annotations

import functools
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mediation import schema
from mediation.decode._text import Decoded
from mediation.decode.ber._ber import BerPlan
from mediation.decode.ber._nested import OWN, NestedPlan, decode_nested
from mediation.decode.ber.layout import ALL_TYPES, Node, add_nodes
from mediation.decode.filesource import Chunk
from mediation.decode.layout import KINDS, add_field
from mediation.errors import UsageError
from mediation.native._column import Batch, Dictionary, Kind
from mediation.native._status import codes
from mediation.rulebook import model
from mediation.rulebook.formats import TABLES
from mediation.rulebook.known import suggestion
from mediation.rulebook.members import Member, Place, Tree, tree_of_fields, tree_of_members
from mediation.rulebook.tags import paths_of

if TYPE_CHECKING:
    from mediation.rulebook import FeedBook

PROVENANCE = {name: kind for name, kind in schema.PROVENANCE.items() if name != "item_no"}
LEFT_OUT = pa.struct([(name, pa.int64()) for name in OWN[1:]])
TYPES = {
    "text": pa.utf8(),
    "integer": pa.int64(),
    "decimal": schema.AMOUNT,
    "timestamp": schema.INSTANT,
    "boolean": pa.bool_(),
    "presence": pa.bool_(),
}
KERNEL_TYPES = {"boolean": pa.int64()}


class Slot(NamedTuple):
    """Where a member's values are: its table and column, and for a list the number of that."""

    table: int
    column: str
    list: int | None = None


@functools.cache
def members_of_format(name: str) -> model.Members | None:
    """The members that a format's records have, None where the package does not know."""
    path = TABLES / "members" / f"{name}.toml"
    if not path.exists():
        return None
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), model.Members)


def tree_of(layout: model.Layout) -> Tree:
    """The nested table's columns and the tags that fill them; records of a type that is not sold have none."""
    assert layout.ber is not None
    declared = layout.ber.members or members_of_format(layout.format)
    if declared is None:
        return tree_of_fields(layout)
    sold = {_own_tag(raw) for field in layout.field if field.coding == "tag" for raw in field.values or ()}
    records = {tag: name for tag, name in declared.records.items() if not sold or _own_tag(tag) in sold}
    return tree_of_members(msgspec.structs.replace(declared, records=records))


def _own_tag(text: str) -> int:
    return paths_of(text)[0].steps[0].tag


class NestedLayout:
    """A layout's nested table, ready to be filled.

    Parameters
    ----------
    feed : FeedBook
    layout : Layout
        Of records of BER.
    wanted : tuple of str, optional
        Of the records' own members those that are columns; default: all.

    Attributes
    ----------
    schema : pyarrow.Schema

    Raises
    ------
    UsageError
        One that is wanted is no member of these records.
    """

    def __init__(self, feed: FeedBook, layout: model.Layout, wanted: tuple[str, ...] | None = None):
        self._feed, self._root = feed, (tree := tree_of(layout)).root
        if unknown := [name for name in wanted or () if name not in tree.root.members]:
            hint = suggestion(unknown[0], tree.root.members)
            raise UsageError(f"records of feed {feed.name} have no member {', '.join(unknown)}; {hint}")
        if wanted is not None:
            tree.root.members = {name: tree.root.members[name] for name in wanted}
        self._slots: dict[Member, Slot] = {}
        self._leaves: dict[Member, tuple[int, str]] = {}  # table and column
        self._lists: list[tuple[int, str]] = []
        self._columns: list[tuple[Any, ...]] = []
        self._tables: list[int] = []  # by column
        self._place_members(tree.root, 0)
        self._types: dict[Member, pa.DataType] = {}
        records = sorted({place.record for place in tree.top.children.values() if place.record})
        own = {"record": schema.CODE, "left_out": LEFT_OUT}
        members = {name: self._type(member) for name, member in tree.root.members.items()}
        self.schema = pa.schema([*(PROVENANCE | own | members).items()])
        plan = BerPlan(self._columns, [feed.name], 0, codes())
        fields = {member: number for number, member in enumerate(self._leaves)}
        for member, (_, column) in self._leaves.items():
            self._add_field(plan, layout, member, column)
        places: dict[Node, Place] = {}
        nodes = add_nodes(plan, self._node(tree.top, fields, places))
        self._plan = NestedPlan(
            plan,
            nodes=[self._meaning(places[node]) for node, *_ in nodes],
            lists=self._lists,
            column_tables=self._tables,
            records=records,
        )

    # ---------------------------------------------------------------------------------------- columns

    def _add_column(self, table: int, kind: Kind, dictionary: Dictionary | None = None) -> str:
        name = str(len(self._columns))
        self._columns.append((name, kind, dictionary, True, True, 0))
        self._tables.append(table)
        return name

    def _place_members(self, struct: Member, table: int) -> None:
        """Columns for all that stands in a struct whose rows are those of `table`."""
        for member in struct.members.values():
            if member.repeated:
                mark = self._add_column(table, Kind.i16)
                self._slots[member] = Slot(table, mark, len(self._lists))
                self._lists.append((table, mark))
                self._place_value(member, len(self._lists))
            elif member.leaf is None or member.leaf.type == "presence":
                self._slots[member] = Slot(table, self._add_column(table, Kind.i16))
                self._place_members(member, table)
            else:
                self._place_value(member, table)

    def _place_value(self, member: Member, table: int) -> None:
        """What a member holds: a value in a column of `table`, or members of its own."""
        if member.leaf is None:
            self._place_members(member, table)
            return
        arrow, dictionary = self._leaf_type(member), None
        if arrow == schema.CODE and member.field is not None:
            dictionary = Dictionary(self._feed.book.dictionaries[member.field.column or ""])
        kernel = KERNEL_TYPES.get(member.leaf.type, arrow)
        self._leaves[member] = table, self._add_column(table, KINDS[kernel], dictionary)

    def _leaf_type(self, member: Member) -> pa.DataType:
        if member.field is not None:
            return self._feed.book.usage_columns[member.field.column or ""]
        assert member.leaf is not None
        return TYPES[member.leaf.type]

    def _value_type(self, member: Member) -> pa.DataType:
        if member.leaf is not None:
            return self._leaf_type(member)
        return pa.struct([(name, self._type(each)) for name, each in member.members.items()])

    def _type(self, member: Member) -> pa.DataType:
        if member not in self._types:
            value = self._value_type(member)
            self._types[member] = pa.list_(value) if member.repeated else value
        return self._types[member]

    def _add_field(self, plan: BerPlan, layout: model.Layout, member: Member, column: str) -> None:
        if member.field is not None:
            add_field(plan, self._feed, layout, member.field, into=column)
            return
        assert member.leaf is not None
        kind = "integer" if member.leaf.type == "boolean" else member.leaf.type
        plan.add_field(member.name, kind, column, is_signed=True, trim_left=True, trim_right=True)

    # ------------------------------------------------------------------------------------------- tags

    def _node(self, place: Place, fields: dict[Member, int], places: dict[Node, Place]) -> Node:
        """The node of a place, and those below it; whose place each is comes into `places`."""
        node = Node("")
        places[node] = place
        for member, coding in place.meanings:
            if member in fields:
                kinds = set(member.field.entity_types) if member.field else ()
                node.actions.append((fields[member], coding, False, -1, sum(1 << kind for kind in kinds) or ALL_TYPES))
        node.children = {step: self._node(child, fields, places) for step, child in place.children.items()}
        return node

    def _meaning(self, place: Place) -> tuple[list[int], str | None, int | None, str | None]:
        marked = [self._slots[member] for member, _ in place.meanings if member in self._slots]
        slot = marked[0] if marked else Slot(0, "")
        mark = slot.column if marked and slot.list is None else None
        opens = [self._slots[member].list or 0 for member in place.opens if member in self._slots]
        return opens, mark, slot.list, place.record

    # ----------------------------------------------------------------------------------------- arrays

    def decode(self, chunk: Chunk, decoded: Decoded) -> pa.RecordBatch:
        """The rows of a chunk's records.

        Parameters
        ----------
        chunk : Chunk
        decoded : Decoded
            What the chunk was decoded to, with record numbers that count from the file's begin.
        """
        usage = pa.record_batch(decoded.usage)
        taken = usage.filter(pc.equal(usage["item_no"], 0)).select(list(PROVENANCE))
        batches, offsets = decode_nested(
            self._plan, chunk.context, chunk.text, chunk.begin, chunk.length, chunk.byte_offset, Batch.of(taken)
        )
        tables, begins = [[pa.record_batch(each) for each in some] for some in (batches, offsets)]
        record, *counts = (tables[0].column(name) for name in OWN)
        left_out = pa.StructArray.from_arrays(counts, fields=list(LEFT_OUT))
        members = [self._array(member, tables, begins) for member in self._root.members.values()]
        return pa.record_batch([*taken.columns, record, left_out, *members], self.schema)

    def _array(self, member: Member, tables: list[pa.RecordBatch], begins: list[pa.RecordBatch]) -> pa.Array:
        if member not in self._slots:
            return self._value(member, tables, begins)
        slot = self._slots[member]
        mark = tables[slot.table].column(slot.column)
        there, missing, rows = mark.buffers()[0], mark.null_count, len(mark)
        if slot.list is not None:
            buffers, children = [there, begins[slot.list].column(0).buffers()[1]], [self._value(member, tables, begins)]
        elif member.leaf is not None:
            return pc.if_else(mark.is_valid(), pa.scalar(True), pa.scalar(None, pa.bool_()))
        else:
            buffers, children = [there], [self._array(each, tables, begins) for each in member.members.values()]
        return pa.Array.from_buffers(self._type(member), rows, buffers, missing, 0, children)

    def _value(self, member: Member, tables: list[pa.RecordBatch], begins: list[pa.RecordBatch]) -> pa.Array:
        """What a member that is no struct has in every row, or a list's elements, one after the other."""
        if member.leaf is None:
            children = [self._array(each, tables, begins) for each in member.members.values()]
            rows = tables[(self._slots[member].list or 0) + 1].num_rows
            return pa.Array.from_buffers(self._type(member).value_type, rows, [None], 0, 0, children)
        table, column = self._leaves[member]
        values = tables[table].column(column)
        return pc.not_equal(values, 0) if member.leaf.type == "boolean" else values


def nested_layout(feed: FeedBook, layout: model.Layout, wanted: tuple[str, ...] | None = None) -> NestedLayout:
    """A layout's nested table, made once for the life of its rule book; parameters as of `NestedLayout`."""
    cache = feed.book.__dict__.setdefault("_nested", {})
    key = (feed.name, layout.valid_from, wanted)
    if key not in cache:
        cache[key] = NestedLayout(feed, layout, wanted)
    return cache[key]
