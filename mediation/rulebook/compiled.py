"""Reference data in the form in which a run reads them: one file of flat arrays, mapped and used where it lies.

    length of the head | head, as JSON | rows of subscriptions | their buckets

Conventions
-----------
- The file is a function of the reference data alone: equal data have equal bytes.
- `FORM` names how the file is laid out, and by what hash the buckets; whoever finds another one compiles anew.
- What is read is believed. Who keeps such a file keeps its hash too, and checks it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from mediation.rulebook.reference import NumberRange, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = f"1-{sys.byteorder}"
_LENGTH_BYTES = 8
_ALIGNED = 64


class _Head(NamedTuple):
    """What the arrays do not tell."""

    reference_hash: str
    products: list[str]
    cities: list[str]
    number_ranges: list[NumberRange]
    rows: int
    buckets: int


def compiled_form(reference: Reference) -> Iterator[Any]:
    """The file's bytes, in pieces."""
    import msgspec

    owners = reference.owners
    head = _Head(
        *(reference.hash, owners.products, owners.cities, reference.number_ranges),
        *(len(owners.rows), len(owners.buckets)),
    )
    text = msgspec.json.encode(head)
    text += b" " * (-(len(text) + _LENGTH_BYTES) % _ALIGNED)
    yield len(text).to_bytes(_LENGTH_BYTES, "little") + text
    yield owners.rows.view("u1")
    yield owners.buckets.view("u1")


def reference_of(content: Any) -> Reference:
    """The reference data of a file that `compiled_form` has given; its arrays stay where they are in `content`."""
    import msgspec
    import numpy as np

    from mediation.rulebook.owners import SUBSCRIPTION, Owners

    view = memoryview(content)
    begin = _LENGTH_BYTES + int.from_bytes(view[:_LENGTH_BYTES], "little")
    head = msgspec.json.decode(view[_LENGTH_BYTES:begin], type=_Head)
    rows = np.frombuffer(content, SUBSCRIPTION, head.rows, begin)
    buckets = np.frombuffer(content, np.int32, head.buckets, begin + rows.nbytes)
    owners = Owners(rows, buckets, head.products, head.cities)
    return Reference(owners, head.number_ranges, head.reference_hash)
