"""A tag table made into the tree that the interpreter runs: decided once, so that the loop has no questions in it.

Conventions
-----------
- Paths that begin alike share their nodes. Nodes of one tag that differ by a predicate are variants; the plain one is
  tried last.
- Fields of the file's header have no node: their values come with each chunk's context.
- What a record says beside its items stands in each of their rows; but what the file's own sums add up, only in the
  first, so that it adds up here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mediation.decode._text import Decoded
from mediation.decode.ber._ber import BerPlan, decode_ber
from mediation.decode.ber.source import BerSource
from mediation.decode.filesource import Chunk
from mediation.decode.layout import CompiledLayout, add_field, finish, new_plan, set_frame
from mediation.rulebook import model
from mediation.rulebook.columns import may_be_null
from mediation.rulebook.tags import Path, Step, field_paths, paths_of, paths_of_values, tag_text, tried

if TYPE_CHECKING:
    from mediation.rulebook import FeedBook

ALL_TYPES = (1 << 64) - 1


class Node:
    """A step of a path, and what follows it."""

    def __init__(self, name: str):
        self.name = name
        self.children: dict[Step, Node] = {}
        self.actions: list[tuple] = []
        self.item = self.waits = False
        self.columns: list[str] = []  # of an item that holds items, said again in these

    @property
    def to_items(self) -> list[int]:
        """Tags of the children that are items, or that have some below them."""
        return [step.tag for step, node in self.children.items() if node.item or node.to_items]

    def reach(self, steps: tuple[Step, ...]) -> Node:
        """The node at the end of a path from here, made where it is missing."""
        node = self
        for step in steps:
            name = f"{node.name}/{tag_text(step.tag)}".removeprefix("/")
            node = node.children.setdefault(step, Node(name))
        return node


def decode_chunk_of_ber(plan: BerPlan, chunk: Chunk, source_id: int) -> Decoded:
    """What a chunk of BER records holds."""
    place = (chunk.text, chunk.begin, chunk.length, chunk.rows, chunk.byte_offset)
    return decode_ber(plan, chunk.context, *place, source_id)


def compile_ber(feed: FeedBook, layout: model.Layout) -> CompiledLayout:
    """The plan of one layout of BER records. The rule book has been checked: nothing is refused here."""
    assert layout.ber is not None
    plan = new_plan(BerPlan, feed, layout)
    set_frame(plan, layout)
    root = Node("")
    items = [path.steps for text in layout.ber.items for path in paths_of(text)]
    for text in layout.ber.without_items:
        for path in paths_of(text):
            root.reach(path.steps).waits = True
    fields = [field for field in layout.field if field.type != "constant"]
    paths: list[tuple[str, Path]] = []
    for number, field in enumerate(fields):
        add_field(plan, feed, layout, field)
        for path, name in _paths(field):
            _add_action(root, feed, field, number, path, name)
            paths.append((field.column or "", path))
    for steps in items:
        item, inside = root.reach(steps), [each for each in items if each != steps and _begins(each, steps)]
        item.columns = sorted(_below(paths, [steps]) - _below(paths, inside)) if inside else []
        item.item = bool(item.columns) or not inside
    in_items = _below(paths, items)
    add_nodes(plan, root)
    controls = tuple(layout.ber.sums)
    plan.finish_tree(
        record_columns=sorted({field.column or "" for field in fields} - in_items - {*controls}),
        header_fields=[number for number, field in enumerate(fields) if field.header is not None],
        required=[number for number, field in enumerate(fields) if not may_be_null(field)],
        type_field=next((number for number, field in enumerate(fields) if _is_type(field)), -1),
    )
    finish(plan, feed, controls)
    header_fields = [(f, feed.book.dictionaries.get(f.column or "")) for f in fields if f.header is not None]
    return CompiledLayout(plan, layout, controls, BerSource, decode_chunk_of_ber, header_fields)


def _is_type(field: model.Field) -> bool:
    return field.coding == "tag" and field.column == "record_type"


def _paths(field: model.Field) -> list[tuple[Path, str | None]]:
    """The paths of a field, with the name that an element's being there gives."""
    if field.coding == "tag" and isinstance(field.values, dict):
        return [(path, name) for raw, name in field.values.items() for path in paths_of_values([raw])]
    return [(path, None) for path in field_paths(field.tag)]


def _begins(steps: tuple[Step, ...], above: tuple[Step, ...]) -> bool:
    return steps[: len(above)] == above


def _below(paths: list[tuple[str, Path]], items: list[tuple[Step, ...]]) -> set[str]:
    """The columns that are filled below one of these items."""
    return {column for column, path in paths if any(_begins(path.steps, steps) for steps in items)}


def _add_action(root: Node, feed: FeedBook, field: model.Field, number: int, path: Path, name: str | None) -> None:
    coding = path.coding or field.coding
    constant = -1 if name is None else feed.book.dictionaries[field.column or ""].index(name)
    types = sum(1 << kind for kind in set(field.entity_types)) or ALL_TYPES
    root.reach(path.steps).actions.append((number, coding, field.sum, constant, types))


class Placed(NamedTuple):
    """A node in its place, the step that leads to it, and its parent's place."""

    node: Node
    step: Step | None
    parent: int


def _placed(root: Node) -> list[Placed]:
    """Every node after its parent, what is below it nearby; variants of one tag stand together, the plain one last."""
    placed, waiting = [Placed(root, None, -1)], [0]
    while waiting:
        place, first = waiting.pop(), len(placed)
        children = placed[place].node.children
        placed += [Placed(children[step], step, place) for step in sorted(children, key=tried)]
        waiting += reversed(range(first, len(placed)))
    return placed


def add_nodes(plan: BerPlan, root: Node) -> list[Placed]:
    """Give a plan the nodes of a tree; returns them in their order."""
    placed = _placed(root)
    children: list[dict[int, int]] = [{} for _ in placed]  # by tag, the first of its variants
    for place, (_, step, parent) in enumerate(placed):
        if step is not None:
            children[parent].setdefault(step.tag, place)
    for place, (node, step, parent) in enumerate(placed):
        after = placed[place + 1] if place + 1 < len(placed) else None
        varies = step and after and after.step and (after.parent, after.step.tag) == (parent, step.tag)
        plan.add_node(
            node.name,
            list(children[place].items()),
            node.actions,
            predicate=(step.child, step.value) if step and step.child is not None else None,
            variant=place + 1 if varies else -1,
            item=node.item,
            waits=node.waits,
            columns=node.columns,
            to_items=node.to_items,
        )
    return placed
