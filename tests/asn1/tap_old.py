"""TAP files of releases 3.9 and 3.10: files of 3.12 from an encoder, with everything that was otherwise then undone.

Conventions
-----------
- What was otherwise is told here as a rewriting of trees, apart from the decoder's table; the rows that a file means
  are those of its 3.12 form.
- What 3.12 can say and they could not (who gets a short message, most kinds of party) is left out of the values first.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.asn1 import ber, modules, tap
from tests.asn1.ber import Node
from tests.asn1.tap_rows import meaning
from tests.asn1.values import Habits, digits, value

KINDS = {9: tuple(kind for kind in tap.EVENTS_311 if kind != "locationService"), 10: tap.EVENTS_311}
CHOICES = {426, 427, 428, 430}  # have no tag of their own yet
RENAMED = {405: 33, 407: 33, 413: 137, 414: 137, 416: 223, 429: 102}
LEFT_OUT = {404, 431, 432}
IDENTITIES = {1: 151, 3: 131, 4: 131, 5: 296}  # of a recording entity, by its type


def name(number: int, constructed: bool) -> bytes:
    return ber.tag(number, of="APPLICATION", constructed=constructed)


def group(number: int, *nodes: Node) -> Node:
    return Node(name(number, True), list(nodes))


def simple(number: int, body: bytes) -> Node:
    return Node(name(number, False), body)


def number_of(node: Node) -> int:
    return next(n for n in range(1, 600) if name(n, node.constructed) == node.tag)


def whole(octets: bytes) -> int:
    return int.from_bytes(octets, "big", signed=True)


def octets_of(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


class Older:
    """Brings trees of 3.12 to a release."""

    def __init__(self, release: int):
        self.release = release

    def members(self, node: Node) -> list[Node]:
        return [new for each in node.body for new in self.of(each, number_of(node))]

    def of(self, node: Node, above: int = 0) -> Iterator[Node]:
        """What stands in the place of a node."""
        number = number_of(node)
        inner = self.members(node) if isinstance(node.body, list) else []
        match number:
            case _ if number in LEFT_OUT:
                return
            case _ if number in CHOICES or (number == 285 and self.release == 9):
                yield from inner
            case 15 | 121 | 183 | 309:
                yield group(number, *{15: totals, 121: usage, 183: entity, 309: self.party}[number](inner))
            case 189:
                yield simple(number, bytes([self.release]))
            case 286 if self.release == 9:
                yield group(199, *inner)
            case 397 if self.release == 9:
                yield simple(62, node.body)
            case 402:
                yield group(158, simple(33, tap.bcd(node.body.decode())))
            case 422:
                detail = group(63, simple(71, b"00"), simple(62, node.body))
                yield group(69, simple(66, b"L"), group(64, detail))
            case _:
                renamed = name(RENAMED.get(number, number), node.constructed)
                yield Node(renamed, inner if isinstance(node.body, list) else node.body)

    def party(self, nodes: list[Node]) -> list[Node]:
        """A charged party: up to 3.9 the element says what it is."""
        if self.release > 9:
            return nodes
        kind, identity = nodes
        return [kind, simple({1: 152, 2: 129}[whole(kind.body)], tap.bcd(identity.body.decode()))]


def totals(nodes: list[Node]) -> list[Node]:
    """The audit: charges and refunds by charge type, of which the first is not the total."""
    of = {number_of(node): node.body for node in nodes}
    told = [simple(71, b"00"), simple(241, of[415]), *([simple(355, of[355])] if 355 in of else [])]
    other = group(222, simple(71, b"01"), simple(241, b"\x07"))
    kept = [node for node in nodes if number_of(node) not in (415, 355)]
    return [group(224, other, group(222, *told)), *kept]


def usage(nodes: list[Node]) -> list[Node]:
    """GPRS volumes in a list, here each in two parts."""
    volumes = {number_of(node): whole(node.body) for node in nodes if number_of(node) in (250, 251)}
    parts = [{n: v // 3 for n, v in volumes.items()}, {n: v - v // 3 for n, v in volumes.items()}]
    listed = [group(119, *(simple(n, octets_of(v)) for n, v in part.items())) for part in parts]
    kept = [node for node in nodes if number_of(node) not in (250, 251)]
    return [group(120, *listed), *kept] if volumes else kept


def entity(nodes: list[Node]) -> list[Node]:
    kind = next(whole(node.body) for node in nodes if number_of(node) == 186)
    return [simple(IDENTITIES.get(kind, 151), n.body) if number_of(n) == 400 else n for n in nodes]


def sayable(random: Random, event: dict[str, Any], release: int) -> dict[str, Any]:
    """An event without what the release cannot say."""
    basic = event.get("basicInformation", {})
    if "nonChargedNumber" in basic:
        basic["nonChargedNumber"] = digits(random, 5, 14).encode()
    for found in (event.get("basicCallInformation", {}).get(each, {}) for each in ("destination", "callOriginator")):
        found.pop("sMSDestinationNumber", None)
        found.pop("sMSOriginator", None)
    if release == 9:
        event["contentServiceUsed"] = event.get("contentServiceUsed", [])[:1]
        parties = event.get("chargedPartyInformation", {}).get("chargedPartyIdList", [])
        parties[:] = [each for each in parties if each["chargedPartyIdType"] in (1, 2)]
    return {name: each for name, each in event.items() if each != []}


def file_of(random: Random, kind: str, count: int, release: int) -> tuple[bytes, list[dict[str, Any]]]:
    """A file of so many events of a kind, and its rows."""
    types = modules.members(modules.members(modules.members(modules.tap().DataInterChange)["transferBatch"])
                            ["callEventDetails"]._cont)  # fmt: skip
    habits = Habits(tap.LEAVES, 0.75, tap.ALWAYS, most=2)
    events = [(kind, sayable(random, value(types[kind], random, habits), release)) for _ in range(count)]
    tables = tap.tables_of(random)
    batch = {
        "batchControlInfo": tap.batch_control(random, 12) | {"sender": tables.sender.encode()},
        "accountingInfo": tap.accounting(tables),
        "networkInfo": tap.network(tables),
        "callEventDetails": events,
        "auditControlInfo": tap.audit(events, random),
    }
    (tree,) = ber.parse(modules.tap_codec().encode("DataInterChange", ("transferBatch", batch)))
    (old,) = Older(release).of(tree)
    return ber.emit(old), [row for each in events for row in meaning(*each, tables)]
