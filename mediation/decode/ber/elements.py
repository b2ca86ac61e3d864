"""BER elements in Python, for what is read once a file: headers, trailers, and looking at a file by eye.

Conventions
-----------
- The same rules as `element.hpp`, said plainly; a tag is class << 14 | number.
- What cannot be read is an `Unreadable` with its code and offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MOST_DEPTH = 32
CONSTRUCTED = 0x20


class Element(NamedTuple):
    """An element: where it begins, where its contents do, where they end, and where what follows it begins."""

    tag: int
    constructed: bool
    begin: int
    content: int
    end: int
    next: int


class Unreadable(Exception):
    """No element stands at an offset.

    Attributes
    ----------
    code : str
    offset : int
    """

    def __init__(self, code: str, offset: int):
        super().__init__(code)
        self.code, self.offset = code, offset


class Opening(NamedTuple):
    """Tag and length of an element; `end` is None when the length is indefinite."""

    tag: int
    constructed: bool
    content: int
    end: int | None


def opening(data: bytes | memoryview, at: int, limit: int) -> Opening:
    """Tag and length of the element at `at`; whether it ends within `limit` is not looked at.

    Raises
    ------
    Unreadable
    """
    begin, first = at, data[at]
    number = first & 31
    at += 1
    if number == 31:
        number, octets = 0, 0
        while True:
            if at >= limit:
                raise Unreadable("element_overrun", begin)
            octet, at, octets = data[at], at + 1, octets + 1
            number = number << 7 | octet & 127
            if not octet & 128:
                break
            if octets == 2:
                raise Unreadable("bad_tag", begin)
    if at >= limit:
        raise Unreadable("element_overrun", begin)
    tag, constructed, length = first >> 6 << 14 | number, bool(first & CONSTRUCTED), data[at]
    at += 1
    if length == 0x80:
        if not constructed:
            raise Unreadable("bad_length_octets", begin)
        return Opening(tag, constructed, at, None)
    if length & 0x80:
        octets = length & 0x7F
        if octets == 0x7F:
            raise Unreadable("bad_length_octets", begin)
        if at + octets > limit:
            raise Unreadable("element_overrun", begin)
        length = int.from_bytes(data[at : at + octets], "big")
        at += octets
        if length >> 32:
            raise Unreadable("bad_length_octets", begin)
    return Opening(tag, constructed, at, at + length)


def find_end(data: bytes | memoryview, at: int, limit: int) -> int:
    """Where the contents of an element of indefinite length end, before their end-of-contents octets.

    Raises
    ------
    Unreadable
    """
    begin, open_elements = at, 1
    while at < limit:
        if data[at : at + 2] == b"\0\0" and at + 2 <= limit:
            open_elements -= 1
            if open_elements == 0:
                return at
            at += 2
            continue
        element = opening(data, at, limit)
        if element.end is None:
            open_elements += 1
            if open_elements > MOST_DEPTH:
                raise Unreadable("too_deep", at)
            at = element.content
        elif element.end > limit:
            raise Unreadable("element_overrun", at)
        else:
            at = element.end
    raise Unreadable("element_overrun", begin)


def element_at(data: bytes | memoryview, at: int, limit: int) -> Element:
    """The whole element at `at`.

    Raises
    ------
    Unreadable
    """
    found = opening(data, at, limit)
    if found.end is None:
        end = find_end(data, found.content, limit)
        return Element(found.tag, found.constructed, at, found.content, end, end + 2)
    if found.end > limit:
        raise Unreadable("element_overrun", at)
    return Element(found.tag, found.constructed, at, found.content, found.end, found.end)


def children(data: bytes | memoryview, at: int, limit: int) -> Iterator[Element]:
    """The elements between two offsets, one after the other.

    Raises
    ------
    Unreadable
        When one of them cannot be read; those before it were given.
    """
    while at < limit:
        element = element_at(data, at, limit)
        yield element
        at = element.next


def integer(data: bytes | memoryview, element: Element) -> int:
    """The contents as two's complement; 0 when there are none."""
    return int.from_bytes(data[element.content : element.end], "big", signed=True)


def text(data: bytes | memoryview, element: Element) -> str:
    """The contents as text, without spaces around; what is no ASCII is replaced."""
    return bytes(data[element.content : element.end]).decode("ascii", "replace").strip(" ")
