"""Which format a file of BER elements is of, by its first octets.

Conventions
-----------
- Nothing is believed but octets: names of files lie. What is not recognised is None.
- TAP and NRTRDE begin with the same tag; what most of the elements inside are of tells them apart.
- Letters are tags and lengths too, but elements without any octet below the space are not to be expected: that is text.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from contextlib import suppress
from typing import NamedTuple

from mediation.decode.ber import elements
from mediation.decode.ber.cdrfile import file_header
from mediation.rulebook.formats import format_table
from mediation.rulebook.tags import paths_of_values, tag_of


class Detected(NamedTuple):
    """A format's name in a feed, and what it is called."""

    format: str
    title: str


TAP = Detected("tap3", "TAP3 transfer batch")
NOTIFICATION = Detected("tap3", "TAP3 notification")
NRTRDE = Detected("nrtrde", "NRTRDE report")
RAP = Detected("rap", "RAP return batch")
ACKNOWLEDGEMENT = Detected("rap", "RAP acknowledgement")
CDR_FILE = Detected("ts32298", "3GPP TS 32.297 file of CDRs")
RECORDS = Detected("ber", "BER records")
CDRS = Detected("ts32298", "3GPP TS 32.298 records")
TEXT = Detected("text", "text")

_BY_TAG = {"a2": NOTIFICATION, "a534": RAP, "a535": ACKNOWLEDGEMENT}
_TAGS = {tag_of(tag): found for tag, found in _BY_TAG.items()}
_INSIDE = {tag_of(f"a{number}"): TAP for number in (3, 4, 5, 6, 7, 8, 15)}
_INSIDE |= {tag_of(f"a{number}"): NRTRDE for number in (2, 20, 31, 36, 37, 38, 39, 41, 45)}
_EVENTS = {tag_of("a2"), tag_of("a3")}
_ENOUGH = 9  # elements to look at
_TEXT_BYTES = 512
_NOT_OF_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xff")


@functools.cache
def _cdr_tags() -> frozenset[int]:
    """Of the records of TS 32.298 that its table knows."""
    table = format_table("ts32298")
    assert table is not None
    values = next(field.values for field in table.field if field.coding == "tag")
    return frozenset(path.steps[0].tag for path in paths_of_values(values))


def detect(data: bytes, file_bytes: int) -> Detected | None:
    """The format of a file.

    Parameters
    ----------
    data : bytes
        The first few kilobytes of its decompressed stream.
    file_bytes : int
        Of the whole stream.
    """
    if _is_text(data[:_TEXT_BYTES]):
        return TEXT
    if not data.startswith((b"\0", b"\xff")) and (found := _roaming(data, 0)):
        return found  # a file of CDRs as long as its first octets would say is none
    if file_header(data) is not None:
        return CDR_FILE
    at = len(data) - len(data.lstrip(b"\0\xff"))
    return _roaming(data, at) or _records(data, at, file_bytes)


def _is_text(data: bytes) -> bool:
    """Whether it could be lines of ASCII, UTF-8 or GB 18030, as far as they are looked at."""
    return bool(data) and _NOT_OF_TEXT.search(data) is None


def _roaming(data: bytes, at: int) -> Detected | None:
    """TAP, NRTRDE or RAP."""
    with suppress(elements.Unreadable, IndexError):
        first = elements.opening(data, at, len(data))
        return _batch(data, first.content) if first.tag == tag_of("a1") else _TAGS.get(first.tag)
    return None


def _records(data: bytes, at: int, file_bytes: int) -> Detected | None:
    """Records that stand one after the other, or in an element."""
    try:
        first = elements.opening(data, at, len(data))
        inside = elements.opening(data, first.content, len(data)) if first.constructed else None
    except (elements.Unreadable, IndexError):
        return None
    if first.constructed and first.tag in _cdr_tags():
        return CDRS
    if inside is None or (first.end is not None and first.end > file_bytes):
        return None
    fits = first.end is None or inside.end is None or inside.end <= first.end  # text rarely looks so
    return RECORDS if fits else None


def _batch(data: bytes, at: int) -> Detected | None:
    """TAP or NRTRDE, by the elements at `at` up to the records; the first known decides between as many."""
    votes: Counter[Detected] = Counter()
    limit = len(data)
    with suppress(elements.Unreadable, IndexError):
        for _ in range(_ENOUGH):
            element = elements.opening(data, at, limit)
            votes.update([_INSIDE[element.tag]] if element.tag in _INSIDE else [])
            if element.tag in _EVENTS:
                break
            at = elements.element_at(data, at, limit).next
    return votes.most_common(1)[0][0] if votes else None
