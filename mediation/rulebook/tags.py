"""Paths of BER tags, as a feed's tag table writes them.

Conventions
-----------
- A tag is its class and number: ``a147`` (application), ``u16`` (universal), ``p3`` (private), ``79`` or ``c79``
  (context); a path is tags with ``/`` between, from the record's own tag inwards.
- ``{a9/a147,a10/a153}/a44`` is two paths. ``a63[a71='00']`` is an element a63 whose child a71 holds these octets,
  ``a309[a305=1]`` one whose child holds this integer, ``a89[a419]`` one that has such a child. ``:bcd`` at the end
  says how the value is coded there.
- Where several of a tag's steps fit an element, those that ask for a child come first, by the child's tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, get_args

from mediation.rulebook.model import Coding

CODINGS = get_args(Coding)
CLASSES = {"u": 0, "a": 1, "c": 2, "": 2, "p": 3}
MOST_NUMBER = (1 << 14) - 1  # of a tag of three octets
MOST_DEPTH = 16
MOST_PATHS = 256
_STEP = re.compile(r"([uacp]?)([0-9]{1,5})(?:\[([uacp]?[0-9]{1,5})(?:=('[^'\[\]]{0,64}'|-?[0-9]{1,18}))?\])?")


class Step(NamedTuple):
    """A tag on a path, and what a child of the element must hold: its tag, and octets, an integer or None: anything."""

    tag: int
    child: int | None = None
    value: int | bytes | None = None


class Path(NamedTuple):
    """Steps from the record's own tag inwards, and the coding that the path ends in, if any."""

    steps: tuple[Step, ...]
    coding: str | None


def tag_of(text: str) -> int:
    """A tag as class << 14 | number.

    Raises
    ------
    ValueError
        It is none.
    """
    found = re.fullmatch(r"([uacp]?)([0-9]{1,5})", text)
    if not found or int(found[2]) > MOST_NUMBER:
        raise ValueError(
            f"{text!r} is no tag; write a class (u, a, c, p) and a number up to {MOST_NUMBER}, such as a147"
        )
    return CLASSES[found[1]] << 14 | int(found[2])


def tag_text(tag: int) -> str:
    """A tag as a path writes it."""
    return f"{'uacp'[tag >> 14]}{tag & MOST_NUMBER}".removeprefix("c")


def alternatives(text: str) -> list[str]:
    """Every path that ``{…,…}`` stands for."""
    found = re.search(r"\{([^{}]*)\}", text)
    if not found:
        return [text]
    before, after = text[: found.start()], text[found.end() :]
    return [path for part in found[1].split(",") for path in alternatives(before + part.strip() + after)]


def _step(text: str) -> Step:
    found = _STEP.fullmatch(text)
    if not found:
        what = "write tags such as a147 (application), 3 (context) or u16 (universal), or a63[a71='00']"
        raise ValueError(f"{text!r} is no step of a path; {what}")
    tag = tag_of(found[1] + found[2])
    if found[3] is None:
        return Step(tag)
    if found[4] is None:
        return Step(tag, tag_of(found[3]))
    value = found[4][1:-1].encode() if found[4].startswith("'") else int(found[4])
    return Step(tag, tag_of(found[3]), value)


def _path(body: str, coding: str) -> Path:
    if coding and coding not in CODINGS:
        raise ValueError(f"unknown coding {coding!r}; known are {', '.join(CODINGS)}")
    return Path(tuple(_step(step) for step in body.split("/")) if body else (), coding or None)


def paths_of(text: str) -> list[Path]:
    """The paths that a text stands for; an empty text is the place where records stand one after the other.

    Raises
    ------
    ValueError
        The text is malformed; the message says how.
    """
    written = alternatives(text)
    if len(written) > MOST_PATHS:
        raise ValueError(f"stands for {len(written)} paths, and {MOST_PATHS} are the most")
    paths = [_path(*each.partition(":")[::2]) for each in written]
    if any(len(path.steps) > MOST_DEPTH for path in paths):
        raise ValueError(f"a path has at most {MOST_DEPTH} tags")
    return paths


def paths_of_values(values: Iterable[str] | None) -> list[Path]:
    """The paths of elements whose being there is a value: ``79``, ``20[0=18]``, ``a14/a121``.

    Raises
    ------
    ValueError
        One of them is malformed, or no element's.
    """
    paths = [path for text in values or () for path in paths_of(text)]
    if any(not path.steps or path.coding for path in paths):
        raise ValueError("a path from the record's own tag on, such as 79, 20[0=18] or a14/a121, and no coding")
    return paths


def tried(step: Step) -> tuple:
    """The order in which steps are tried on an element: one that asks for no child comes last."""
    return step.tag, step.child is None, step.child or 0, str(step.value)


def members_of(text: str) -> tuple[str, list[tuple[int, ...]]]:
    """A path that ends in ``{…,…}`` as the path of the element and the tags of its members, in the order written.

    A member that has one of several tags is written ``a400|a151``.

    Raises
    ------
    ValueError
        It ends otherwise.
    """
    found = re.fullmatch(r"(.+)/\{([^{}]*)\}", text)
    if not found:
        raise ValueError(f"{text!r} does not end in the tags of an element's members, such as /{{a232,a231}}")
    members = [part.split("|") for part in found[2].split(",")]
    return found[1], [tuple(tag_of(tag.strip()) for tag in each) for each in members]


def field_paths(tags: str | list[str] | None) -> list[Path]:
    """The paths of a field's `tag`.

    Raises
    ------
    ValueError
        One of them is malformed.
    """
    given = [tags] if isinstance(tags, str) else tags or []
    return [path for text in given for path in paths_of(text)]
