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
        self.item = False
        self.columns: list[str] = []  # of an item that holds items, said again in these

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
    items = [path.steps for text in layout.ber.items for path in paths_of(text)]
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
    _add_nodes(plan, root)
    plan.finish_tree(
        record_columns=sorted({field.column or "" for field in fields} - _below(paths, items)),
        header_fields=[number for number, field in enumerate(fields) if field.header is not None],
        required=[number for number, field in enumerate(fields) if not field.optional],
        type_field=next((number for number, field in enumerate(fields) if field.coding == "tag"), -1),
    )
    controls = tuple(layout.ber.sums)
    finish(plan, feed, controls)
    header_fields = [(f, feed.book.dictionaries.get(f.column or "")) for f in fields if f.header is not None]
    return CompiledLayout(plan, layout, controls, BerSource, decode_chunk_of_ber, header_fields)


def _paths(field: model.Field) -> list[tuple[Path, str | None]]:
    """The paths of a field, with the name that a record's own tag gives."""
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
    """Every node after its parent; variants of one tag stand together, the plain one last."""
    placed = [Placed(root, None, -1)]
    for place, (node, _, _) in enumerate(placed):  # grows while it is gone through
        placed += [Placed(node.children[step], step, place) for step in sorted(node.children, key=tried)]
    return placed


def _add_nodes(plan: BerPlan, root: Node) -> None:
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
            columns=node.columns,
        )
