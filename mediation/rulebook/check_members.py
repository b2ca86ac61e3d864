"""Checks of what a layout says of its nested table: declared members, or lists among the paths of its fields.

Conventions
-----------
- Everything is reported, nothing is raised; a path that is malformed is another check's.
"""

from __future__ import annotations

from mediation.rulebook.check_fields import LayoutPlace
from mediation.rulebook.members import Reader
from mediation.rulebook.model import Ber
from mediation.rulebook.tags import Path, field_paths, paths_of


def check_members(of: LayoutPlace, declared: Ber) -> None:
    """Add every fault of a layout's nested table."""
    if declared.members is None:
        _check_lists(of, declared)
        return
    for where, what in Reader(declared.members).faults:
        of.fault(f".ber.members{where}", what)
    if declared.lists:
        of.fault(".ber.lists", "has no effect; declared members say name[] for a list")


def _check_lists(of: LayoutPlace, declared: Ber) -> None:
    fields = [path.steps for field in of.layout.field for path in _sound(field.tag, field_paths)]
    for place, text in enumerate(declared.lists):
        for steps in (path.steps for path in _sound(text, paths_of)):
            below = [path for path in fields if path[: len(steps)] == steps]
            if len(steps) < 2 or not below:
                of.fault(f".ber.lists[{place}]", "has no effect; no field's path leads there, from a record inwards")
            if below.count(steps) > 1:
                of.fault(f".ber.lists[{place}]", "several fields are the element; members say what a list of it holds")


def _sound(text, read) -> list[Path]:
    try:
        return read(text)
    except ValueError:
        return []
