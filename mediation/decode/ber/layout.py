"""A tag table made into the tree that the interpreter runs: decided once, so that the loop has no questions in it.

Conventions
-----------
- Paths that begin alike share their nodes. Nodes of one tag that differ by a predicate are variants; the plain one is
  tried last.
- Fields of the file's header have no node: their values come with each chunk's context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mediation.decode._text import Decoded
from mediation.decode.ber._ber import BerPlan, decode_ber
from mediation.decode.ber.source import BerSource
from mediation.decode.filesource import Chunk
from mediation.decode.layout import CompiledLayout, add_field, finish, new_plan, set_frame
from mediation.rulebook import model
from mediation.rulebook.tags import Path, Step, field_paths, paths_of, tag_of, tag_text

if TYPE_CHECKING:
    from mediation.rulebook import FeedBook

ALL_TYPES = (1 << 64) - 1


class Node:
    """A step of a path, and what follows it."""

    def __init__(self, name: str):
        self.name = name
        self.children: dict[Step, Node] = {}
        self.actions: list[tuple] = []
        self.item = False

    def reach(self, steps: tuple[Step, ...]) -> Node:
        """The node at the end of a path from here, made where it is missing."""
        node = self
        for step in steps:
            name = f"{node.name}/{tag_text(step.tag)}".removeprefix("/")
            node = node.children.setdefault(step, Node(name))
        return node


def decode_chunk_of_ber(plan: BerPlan, chunk: Chunk, source_id: int) -> Decoded:
    """What a chunk of BER records holds."""
    decoded, _ = decode_ber(plan, chunk.context, chunk.text, chunk.begin, chunk.length, chunk.byte_offset, source_id)
    return decoded


def compile_ber(feed: FeedBook, layout: model.Layout) -> CompiledLayout:
    """The plan of one layout of BER records. The rule book has been checked: nothing is refused here."""
    assert layout.ber is not None
    plan = new_plan(BerPlan, feed, layout)
    set_frame(plan, layout)
    root = Node("")
    item_steps = [path.steps for text in layout.ber.items for path in paths_of(text)]
    for steps in item_steps:
        root.reach(steps).item = True
    fields = [field for field in layout.field if field.type != "constant"]
    in_items: set[str | None] = set()
    for number, field in enumerate(fields):
        add_field(plan, feed, layout, field)
        for path in _paths(field):
            _add_action(root, feed, field, number, path)
            if any(path.steps[: len(steps)] == steps for steps in item_steps):
                in_items.add(field.column)
    add_nodes(plan, root)
    plan.finish_tree(
        record_columns=[f.column for f in fields if f.column not in in_items],
        header_fields=[number for number, field in enumerate(fields) if field.header is not None],
        required=[number for number, field in enumerate(fields) if not field.optional],
        type_field=next((number for number, field in enumerate(fields) if field.coding == "tag"), -1),
    )
    controls = tuple(layout.ber.sums)
    finish(plan, feed, controls)
    header_fields = [(f, feed.book.dictionaries.get(f.column or "")) for f in fields if f.header is not None]
    return CompiledLayout(plan, layout, controls, BerSource, decode_chunk_of_ber, header_fields)


def _paths(field: model.Field) -> list[Path]:
    if field.coding == "tag":
        return [Path((Step(tag_of(raw)),), None) for raw in field.values or ()]
    return field_paths(field.tag)


def _add_action(root: Node, feed: FeedBook, field: model.Field, number: int, path: Path) -> None:
    coding = path.coding or field.coding
    constant = -1
    if coding == "tag" and isinstance(field.values, dict):
        name = next(name for raw, name in field.values.items() if tag_of(raw) == path.steps[0].tag)
        constant = feed.book.dictionaries[field.column or ""].index(name)
    types = sum(1 << kind for kind in set(field.entity_types)) or ALL_TYPES
    root.reach(path.steps).actions.append((number, coding, field.sum, constant, types))


class Placed(NamedTuple):
    """A node in its place, the step that leads to it, and its parent's place."""

    node: Node
    step: Step | None
    parent: int


def _placed(root: Node) -> list[Placed]:
    """Every node after its parent; variants of one tag stand together, the plain one last."""
    placed = [Placed(root, None, -1)]
    for place, (node, _, _) in enumerate(placed):  # grows while it is gone through
        steps = sorted(node.children, key=lambda step: (step.tag, step.child is None, str(step.value)))
        placed += [Placed(node.children[step], step, place) for step in steps]
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
        )
    return placed
