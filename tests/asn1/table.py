"""BER by table: an encoder for what no library has a module of.

Conventions
-----------
- Fields are a member's name, its context tag, and what it is made of: a word for a simple value, ``[element]`` for a
  list, ``("set", fields)`` or ``("sequence", fields)`` for a structure, ``("choice", fields)`` for an explicit choice.
- Tags are implicit. What has no value is left out.
"""

from __future__ import annotations

from typing import Any

from tests.asn1 import ber

ELEMENT = {"integer": b"\x02", "octets": b"\x04", "time": b"\x04", "text": b"\x16", "boolean": b"\x01"}
SEQUENCE = b"\x30"


def simple(kind: str, value: Any) -> bytes:
    """The octets of a value that has no members."""
    match kind:
        case "integer":
            return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        case "boolean":
            return b"\xff" if value else b"\x00"
        case "text":
            return value.encode()
        case _:
            return value


def element(kind: Any, value: Any) -> bytes:
    """A value in a list, under the tag of its type."""
    if isinstance(kind, str):
        return ber.tlv(ELEMENT[kind], simple(kind, value))
    form, fields = kind
    return members(fields, value) if form == "choice" else ber.tlv(SEQUENCE, members(fields, value))


def content(kind: Any, value: Any) -> bytes:
    if isinstance(kind, str):
        return simple(kind, value)
    if isinstance(kind, list):
        return b"".join(element(kind[0], each) for each in value)
    return members(kind[1], value)


def members(fields: dict[str, Any], values: dict[str, Any]) -> bytes:
    """The members that have a value, in the order of the table."""
    made = []
    for name, (number, kind) in fields.items():
        if name in values:
            tag = ber.tag(number, constructed=not isinstance(kind, str))
            made.append(ber.tlv(tag, content(kind, values[name])))
    return b"".join(made)


def shape(kind: Any) -> ber.Shape:
    """What may be done to a value when it is rewritten."""
    if isinstance(kind, str):
        return ber.Shape("leaf")
    if isinstance(kind, list):
        inner = kind[0]
        if isinstance(inner, tuple) and inner[0] != "choice":
            return ber.Shape("list", lambda: {SEQUENCE: shape(inner)})
        return ber.Shape("list", (lambda: shape(inner).members()) if isinstance(inner, tuple) else dict)
    form, fields = kind
    return ber.Shape(
        form,
        lambda: {ber.tag(number, constructed=not isinstance(k, str)): shape(k) for number, k in fields.values()},
    )
