"""Declared JSON paths as the tree that `json.hpp` reads by.

Conventions
-----------
- The fields of a layout are numbered as they stand in it, constants left out. A node comes before its children, which
  stand side by side.
- The paths have been checked: none ends inside of another, and all lists are on one way.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from mediation.rulebook import model
from mediation.rulebook.columns import may_be_null
from mediation.rulebook.paths import Steps, steps_of


class Node(NamedTuple):
    """A place in a record: of `field` where it is a value; `number` is the first field under it, from 1."""

    name: str
    shape: str
    element: bool
    level: int
    first_child: int
    children: int
    field: int
    number: int


def tree_of(fields: list[model.Field]) -> tuple[list[Node], list[list[int]], int]:
    """The nodes, the record first, the fields by how many lists are around them, and which one a record cannot lack.

    Parameters
    ----------
    fields : list of Field
        Those that stand in a record, each with a path.
    """
    paths = [steps_of(field.path or "") for field in fields]
    nodes: list[Node] = []
    places = 1  # given to nodes so far
    waiting: deque[Steps] = deque([()])
    while waiting:
        way = waiting.popleft()
        under = [number for number, path in enumerate(paths) if path[: len(way)] == way]
        children = list(
            dict.fromkeys(paths[number][: len(way) + 1] for number in under if len(paths[number]) > len(way))
        )
        shape = "value" if not children else "list" if children[0][-1] is None else "object"
        name, is_element = (way[-1] or "", way[-1] is None) if way else ("", False)
        level, first = way.count(None), under[0]
        nodes.append(Node(name, shape, is_element, level, places, len(children), first, first + 1))
        waiting.extend(children)
        places += len(children)
    depth = max(path.count(None) for path in paths)
    levels = [[number for number, path in enumerate(paths) if path.count(None) == level] for level in range(depth + 1)]
    return nodes, levels, _needed(fields)


def _needed(fields: list[model.Field]) -> int:
    """The first field that may not be empty, from 1; 0 where none is, or a rule might speak of one before it."""
    for number, field in enumerate(fields, 1):
        if field.required_if:
            return 0
        if not may_be_null(field):
            return number
    return 0
