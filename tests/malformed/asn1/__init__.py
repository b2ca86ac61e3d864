"""Families of malformed BER: one kind of damage each, told by its file piece by piece or by its refusal.

Where does a family belong?
---------------------------
- ``lengths.py``: lengths that lie, end nowhere or are longer than they need be; files cut short; what stands after.
- ``tags.py``: tags that are too long, unknown, repeated or of another kind; depth.
- ``contents.py``: values of a record that are not what their type allows.
- ``tap.py``: files that are no TAP, or whose parts and totals are not what they say. ``exchange.py``: NRTRDE and RAP.
  ``framed.py``: TS 32.297.
- ``growing.py``: families of any size, for the bounds of memory and work.

Conventions
-----------
- A `Family` is a format and a file in pieces, as in the families of text: `good` records with their charging id or
  with the digits of their other party, `bad` ones with code and field, `filler`, and what belongs to the envelope.
- Bare records (``ts32298``) have nothing to find the next one by: where a length lies, the rest of the file is one
  undecodable stretch.
- Most records are of a packet gateway, made of `MEMBERS`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.asn1.ber import tag, tlv
from tests.asn1.declared import PACKET
from tests.asn1.ts32298 import tbcd
from tests.malformed import Piece, bad, filler, good

__all__ = ["Piece", "bad", "filler", "good"]


# The format that a form stands for, and what its layout declares.
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "tap3": ("tap3", {}),
    "nrtrde": ("nrtrde", {}),
    "rap": ("rap", {}),
    "ts32298": ("ber", PACKET),
    "ts32297": ("ts32298", {}),
    "headed": ("ts32298", {"ber": {"header_bytes": 24}}),
    "headed tap3": ("tap3", {"ber": {"header_bytes": 24}}),
    "headed records": ("ber", PACKET | {"ber": PACKET["ber"] | {"header_bytes": 24, "record_header_bytes": 4}}),
    "blocks": ("ber", PACKET | {"ber": PACKET["ber"] | {"block_bytes": 512}, "max_record_bytes": 512}),
}


class Family(NamedTuple):
    name: str
    form: str
    pieces: list[Piece]


class Refused(NamedTuple):
    """A file refused whole, with its code."""

    name: str
    form: str
    code: str
    content: bytes


def family(name: str, pieces: list[Piece], form: str = "ts32298") -> Family:
    return Family(name, form, pieces)


def refused(name: str, code: str, content: bytes, form: str = "tap3") -> Refused:
    return Refused(name, form, code, content)


def header(raw: bytes) -> Piece:
    return Piece(raw, "header")


def trailer(raw: bytes) -> Piece:
    return Piece(raw, "trailer")


# -------------------------------------------------------------------------- a record of a packet gateway

PGW, SGW = tag(79, constructed=True), tag(78, constructed=True)
TYPE, IMSI, ADDRESS, CHARGING_ID = tag(0), tag(3), tag(4, constructed=True), tag(5)
APN, OPENING, DURATION, CAUSE, SEQUENCE, LOCAL = tag(7), tag(13), tag(14), tag(15), tag(17), tag(20)
MSISDN, PLMN, IMEI, RAT, SERVICES = tag(22), tag(27), tag(29), tag(30), tag(34, constructed=True)
GROUP, UPLINK, DOWNLINK = tag(1), tag(12), tag(13)
STRUCTURE = b"\x30"
MOMENT = bytes.fromhex("2601100800002b0800")


def container(group: int = 1, up: bytes = b"\x0a", down: bytes = b"\x64") -> bytes:
    return tlv(STRUCTURE, tlv(GROUP, bytes([group])) + tlv(UPLINK, up) + tlv(DOWNLINK, down))


MEMBERS = {
    TYPE: b"\x55",
    IMSI: tbcd("460001234567890"),
    ADDRESS: tlv(tag(0), bytes([10, 0, 0, 1])),
    CHARGING_ID: b"\x07",
    APN: b"cmnet",
    OPENING: MOMENT,
    DURATION: b"\x3c",
    CAUSE: b"\x00",
    MSISDN: b"\x91" + tbcd("8613800000001"),
    SERVICES: container(),
}


def pgw(changed: dict[bytes, bytes | None] | None = None, more: bytes = b"", record: bytes = PGW) -> bytes:
    """A record with some members changed, left out (None) or put in, and octets after the last."""
    members = {**MEMBERS, **(changed or {})}
    return tlv(record, b"".join(tlv(name, body) for name, body in members.items() if body is not None) + more)


def body(raw: bytes) -> bytes:
    """What stands in a record whose length is short or of one octet more."""
    return raw[len(PGW) + (1 if raw[len(PGW)] < 0x80 else 2) :]


GOOD = good(pgw(), 7)
BODY = body(GOOD.raw)
NEXT = good(pgw({CHARGING_ID: b"\x08"}), 8)
