"""BER as a tree, and the same tree written in as many ways as BER allows.

Conventions
-----------
- A node is a tag as it stands in the file and either its octets or its nodes.
- `rewrite` changes no meaning: lengths become indefinite or longer than they need be, members of a set change places,
  members that nobody knows are put in. A `Shape` tells what may be done where; what it does not know is only measured
  anew.
- Lists get no unknown members: there a tag is an element, not an extension.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from tests.asn1.modules import LISTS, members

END = b"\x00\x00"
CLASS_BITS = {"UNIVERSAL": 0x00, "APPLICATION": 0x40, "CONTEXT": 0x80, "PRIVATE": 0xC0}
CLASS_NAMES = tuple(CLASS_BITS)
CONSTRUCTED = 0x20


class Node(NamedTuple):
    tag: bytes
    body: bytes | list[Node]

    @property
    def constructed(self) -> bool:
        return bool(self.tag[0] & CONSTRUCTED)


def tag(number: int, *, of: str = "CONTEXT", constructed: bool = False) -> bytes:
    """The octets of a tag."""
    first = CLASS_BITS[of] | CONSTRUCTED * constructed
    if number < 31:
        return bytes([first | number])
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(0x80 | (number & 0x7F))
    return bytes([first | 31, *reversed(octets)])


def length(size: int, spare: int = 0) -> bytes:
    """The octets of a definite length, `spare` of them more than it needs; the short form has none to spare."""
    if size < 128 and not spare:
        return bytes([size])
    needed = max(1, (size.bit_length() + 7) // 8) + spare
    return bytes([0x80 | needed]) + size.to_bytes(needed, "big")


def tlv(tag: bytes, body: bytes) -> bytes:
    """A tag, the shortest length, a value."""
    return tag + length(len(body)) + body


def cut_tag(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1
    if data[at] & 31 == 31:
        while data[end] & 0x80:
            end += 1
        end += 1
    return data[at:end], end


def cut(data: bytes, at: int) -> tuple[Node, int]:
    """The node that begins at an offset, and where it ends."""
    name, at = cut_tag(data, at)
    size, at = data[at], at + 1
    if size == 0x80:
        nodes = []
        while data[at : at + 2] != END:
            node, at = cut(data, at)
            nodes.append(node)
        return Node(name, nodes), at + 2
    if size > 0x80:
        size, at = int.from_bytes(data[at : at + size - 0x80], "big"), at + size - 0x80
    body = data[at : at + size]
    assert len(body) == size, "cut short"
    return Node(name, parse(body) if name[0] & CONSTRUCTED else body), at + size


def parse(data: bytes) -> list[Node]:
    """Sound BER, all of it."""
    nodes, at = [], 0
    while at < len(data):
        node, at = cut(data, at)
        nodes.append(node)
    return nodes


def emit(node: Node) -> bytes:
    """The shortest form."""
    body = b"".join(map(emit, node.body)) if isinstance(node.body, list) else node.body
    return tlv(node.tag, body)


# --------------------------------------------------------------------------------------------- shapes


class Shape(NamedTuple):
    """What a constructed value is: set, sequence, list, choice or leaf; `members` gives the shapes by tag."""

    form: str
    members: Callable[[], dict[bytes, Shape]] = dict

    @staticmethod
    def unknown() -> Shape:
        """Of what only lengths may be changed in."""
        return Shape("leaf")


def member_shapes(kind) -> dict[bytes, Shape]:
    found: dict[bytes, Shape] = {}
    for each in [kind._cont] if kind.TYPE in LISTS else members(kind).values():
        found |= tagged_shapes(each)
    return found


def tagged_shapes(kind) -> dict[bytes, Shape]:
    """The tags under which a value of a type may stand."""
    if kind.TYPE == "CHOICE" and not kind._tagc:
        return member_shapes(kind)
    constructed = kind.TYPE in LISTS or kind.TYPE in ("SEQUENCE", "SET", "CHOICE")
    number_class, number = kind._tagc[0]
    return {tag(number, of=CLASS_NAMES[number_class], constructed=constructed): shape_of(kind)}


def shape_of(kind) -> Shape:
    """The shape of one of pycrate's types, its members looked up when they are asked for."""
    form = "list" if kind.TYPE in LISTS else {"SET": "set", "SEQUENCE": "sequence", "CHOICE": "choice"}.get(kind.TYPE)
    if form is None:
        return Shape("leaf")
    known: list[dict[bytes, Shape]] = []

    def once() -> dict[bytes, Shape]:
        if not known:
            known.append(member_shapes(kind))
        return known[0]

    return Shape(form, once)


# -------------------------------------------------------------------------------------------- rewriting


class Manner(NamedTuple):
    """How often what is done to a node; `spare` is the most length octets more than needed."""

    indefinite: float = 0.3
    longer: float = 0.3
    spare: int = 4
    shuffled: float = 1.0
    unknown: float = 0.1


class Rewritten(NamedTuple):
    data: bytes
    unknown: int  # members put in


def stranger(random: Random, known: dict[bytes, Shape]) -> Node:
    """A member that a shape does not know, simple or with members of its own.

    Application tags are above those that any release of the roaming formats has used: another's is no stranger.
    """
    while True:
        number = random.choice([random.randrange(31), random.randrange(31, 128), random.randrange(128, 1 << 14)])
        constructed = random.random() < 0.3
        of = random.choice(["CONTEXT", "PRIVATE", "APPLICATION"])
        name = tag(600 + number % 10_000 if of == "APPLICATION" else number, of=of, constructed=constructed)
        if name not in known and bytes([name[0] ^ CONSTRUCTED]) + name[1:] not in known:
            break
    content = random.randbytes(random.choice([0, 1, 5, 130]))
    return Node(name, [Node(b"\x04", content), Node(tag(40), b"")] if constructed else content)


class Writer:
    """Writes nodes by chance in one manner, and counts the members that it put in."""

    def __init__(self, random: Random, manner: Manner):
        self.random, self.manner, self.unknown = random, manner, 0

    def rearranged(self, nodes: list[Node], shape: Shape, known: dict[bytes, Shape]) -> list[Node]:
        if shape.form == "set" and self.random.random() < self.manner.shuffled:
            nodes = self.random.sample(nodes, len(nodes))
        if shape.form in ("set", "sequence") and self.random.random() < self.manner.unknown:
            self.unknown += 1
            place = self.random.randint(0, len(nodes))
            nodes = [*nodes[:place], stranger(self.random, known), *nodes[place:]]
        return nodes

    def written(self, node: Node, shape: Shape) -> bytes:
        random, manner, body = self.random, self.manner, node.body
        if isinstance(body, list):
            known = shape.members()
            nodes = self.rearranged(body, shape, known)
            body = b"".join(self.written(each, known.get(each.tag, Shape("leaf"))) for each in nodes)
            if random.random() < manner.indefinite:
                return node.tag + b"\x80" + body + END
        spare = random.randint(1, manner.spare) if random.random() < manner.longer else 0
        return node.tag + length(len(body), spare) + body


USUAL = Manner()


def rewrite(data: bytes, random: Random, shape: Shape | None = None, manner: Manner = USUAL) -> Rewritten:
    """The same values, written otherwise.

    Parameters
    ----------
    shape : Shape, optional
        Of what stands at the top, a choice where it may be one of several; without it only lengths change.
    """
    writer = Writer(random, manner)
    known = shape.members() if shape else {}
    body = b"".join(writer.written(node, known.get(node.tag, Shape("leaf"))) for node in parse(data))
    return Rewritten(body, writer.unknown)


def plain(data: bytes, shape: Shape) -> bytes:
    """What `rewrite` may change, taken back: the shortest form, sets by tag, without members that nobody knows."""

    def known_only(node: Node, shape: Shape) -> Node:
        if not isinstance(node.body, list):
            return node
        known = shape.members()
        nodes = [known_only(each, known[each.tag]) for each in node.body if each.tag in known]
        return Node(node.tag, sorted(nodes, key=lambda each: each.tag) if shape.form == "set" else nodes)

    known = shape.members()
    return b"".join(emit(known_only(node, known[node.tag])) for node in parse(data))


# ----------------------------------------------------------------------------------- what stands after


FILLERS = {
    "zeros": lambda random: bytes(random.randint(1, 600)),
    "ones": lambda random: b"\xff" * random.randint(1, 600),
    "ends of contents": lambda random: END * random.randint(1, 300),
}


def in_blocks(records: list[bytes], size: int, pad: int) -> bytes:
    """Records in blocks of one size, filled up with one octet; no record spans two."""
    blocks, block = [], b""
    for record in records:
        assert len(record) <= size
        if len(block) + len(record) > size:
            blocks.append(block.ljust(size, bytes([pad])))
            block = b""
        block += record
    return b"".join(blocks) + block.ljust(size, bytes([pad]))
