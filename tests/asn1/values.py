"""Random values of any type of ASN.1: which members, which alternative, how many; what a leaf holds is told by tables.

Conventions
-----------
- A leaf is made by the first of `leaves` that is named as the member, its type, or what that type is made of.
- `random` is `random.Random` or one that Hypothesis draws from: the same generator for both.
- Integers are often small and at times at the edge of an octet, where the length of an encoding changes.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.asn1.modules import LISTS, members

Leaves = Mapping[str, Callable[[Random], Any]]
PRINTABLE = string.ascii_letters + string.digits + "-_.@: "
EDGES = [edge + step for bits in (7, 8, 15, 16, 23, 31, 32, 40) for edge in (1 << bits,) for step in (-1, 0)]


def whole(most: int = 1 << 40) -> Callable[[Random], int]:
    """Non-negative integers up to `most`."""
    edges = [edge for edge in EDGES if edge <= most]

    def make(random: Random) -> int:
        if random.random() < 0.2:
            return random.choice(edges or [most])
        return random.randrange(1 << random.randint(0, most.bit_length() - 1))

    return make


def digits(random: Random, least: int, most: int) -> str:
    return "".join(random.choice(string.digits) for _ in range(random.randint(least, most)))


def text(random: Random, least: int, most: int) -> str:
    """No space at either end: what is one of padding is another matter."""
    made = "".join(random.choice(PRINTABLE) for _ in range(random.randint(least, most)))
    return made.replace(" ", "_", 1)[::-1].replace(" ", "_", 1)[::-1] if made.strip() != made else made


def names(kind) -> list[str]:
    """What a type is called, from the member to the type that it is made of in the end."""
    found = [kind._name]
    while kind._tr is not None:
        kind = kind._tr
        found.append(kind._name)
    return found


def bounds(kind, constraint: str, most: int) -> tuple[int, int]:
    """Least and greatest size (``_const_sz``) or value (``_const_val``) that the module allows."""
    while kind is not None:
        allowed = getattr(kind, constraint, None)
        if allowed is not None:
            first = allowed.root[0]
            return (first, first) if isinstance(first, int) else (first.lb or 0, first.ub or most)
        kind = kind._tr
    return 0, most


def leaf(kind, random: Random, leaves: Leaves) -> Any:
    for name in names(kind):
        if name in leaves:
            return leaves[name](random)
    least, most = bounds(kind, "_const_sz", 12)
    match kind.TYPE:
        case "INTEGER":
            least, most = bounds(kind, "_const_val", 1 << 31)
            return min(max(whole(1 << 31)(random), least), most)
        case "BOOLEAN":
            return random.random() < 0.5
        case "NULL":
            return None
        case "ENUMERATED":
            return random.choice(list(kind._cont))
        case "OCTET STRING":
            return random.randbytes(random.randint(least, most))
        case "BIT STRING":
            bits = random.randint(max(least, 1), max(most, 1))
            number = random.getrandbits(bits) << (-bits % 8)
            return number.to_bytes((bits + 7) // 8, "big"), bits
        case _:
            return text(random, max(least, 1), min(most, 20))


class Habits(NamedTuple):
    """How values of constructed types are made."""

    leaves: Leaves = MappingProxyType({})
    share: float = 0.5  # of the optional members that are there
    always: frozenset[str] = frozenset()  # members and elements that are there whatever the share
    most: int = 3  # elements of a list


def value(kind, random: Random, habits: Habits) -> Any:
    """A value of a type."""
    if not habits.leaves.keys().isdisjoint(names(kind)):
        return leaf(kind, random, habits.leaves)
    if kind.TYPE == "CHOICE":
        name = random.choice(list(members(kind)))
        return name, value(members(kind)[name], random, habits)
    if kind.TYPE in LISTS:
        return [value(kind._cont, random, habits) for _ in range(random.randint(1, habits.most))]
    if kind.TYPE in ("SEQUENCE", "SET"):
        return {
            name: value(each, random, habits)
            for name, each in members(kind).items()
            if not each._opt or name in habits.always or random.random() < habits.share
        }
    return leaf(kind, random, habits.leaves)
