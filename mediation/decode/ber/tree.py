"""Elements of BER as lines that a person reads: offset, tag, name, length, value.

Conventions
-----------
- What may be a subscriber's number is masked: every value of more than four octets, unless its element is known to hold
  something else. Nobody has to know every tag for that to hold.
- Damage ends a branch with a line that says so; elements behind it are shown where their container is whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from mediation.decode.ber import elements
from mediation.rulebook.tags import tag_text

SHORT = 4  # octets that hold no number of a subscriber
MOST_SHOWN = 32  # octets of a value


class Line(NamedTuple):
    """One element, or what is wrong where one should stand."""

    depth: int
    offset: int
    tag: str
    name: str
    length: int
    value: str


class Shown(NamedTuple):
    """How elements are shown: names and what may be read by tag; with `unmask` all values are.

    With `cdrs` each outermost element stands behind a CDR header of TS 32.297.
    """

    names: Mapping[str, str]
    readable: Collection[str]
    unmask: bool
    cdrs: bool = False


def tree(data: bytes, offset: int, shown: Shown, most: int) -> Iterator[Line]:
    """At most `most` lines about the elements in `data`, which is at `offset` of the stream."""
    levels = [(0, len(data))]
    while levels and most > 0:
        at, limit = levels.pop()
        if at >= limit:
            continue
        depth = len(levels)
        passed = _passed_over(data, at, depth, shown)
        if passed:
            levels.append((at + passed, limit))
            continue
        at += cdr_head(data, at) if depth == 0 and shown.cdrs else 0
        most -= 1
        try:
            element = elements.element_at(data, at, limit)
        except elements.Unreadable as error:
            yield Line(depth, offset + at, "", error.code, limit - at, "")
            continue
        levels.append((element.next, limit))
        yield _line(data, offset, depth, element, shown)
        if element.constructed and depth < elements.MOST_DEPTH:
            levels.append((element.content, element.end))


def _passed_over(data: bytes, at: int, depth: int, shown: Shown) -> int:
    """Octets at `at` that are end-of-contents or filler."""
    if depth == 0 and not shown.cdrs and data[at] in b"\0\xff":
        return 1
    return 2 if depth and data[at : at + 2] == b"\0\0" else 0


def cdr_head(data: bytes, at: int) -> int:
    """Octets of the CDR header at `at`."""
    return 5 if data[at + 2 : at + 3] >= b"\xe0" else 4


def _line(data: bytes, offset: int, depth: int, element: elements.Element, shown: Shown) -> Line:
    tag = tag_text(element.tag)
    length = element.end - element.content
    value = ""
    if not element.constructed:
        readable = shown.unmask or length <= SHORT or tag in shown.readable
        value = value_text(data[element.content : element.end]) if readable else "masked"
    return Line(depth, offset + element.begin, tag, shown.names.get(tag, ""), length, value)


def value_text(octets: bytes) -> str:
    """Octets as a person may mean them: text where all is printable, else hexadecimal, with a short integer beside."""
    more = "…" if len(octets) > MOST_SHOWN else ""
    head = octets[:MOST_SHOWN]
    if len(octets) > 1 and all(0x20 <= octet < 0x7F for octet in octets):
        return f'"{head.decode("ascii")}{more}"'
    number = f" = {int.from_bytes(octets, 'big', signed=True)}" if 0 < len(octets) <= SHORT else ""
    return f"{head.hex()}{more}{number}"
