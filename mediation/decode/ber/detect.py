"""Which format a file of BER elements is of, by its first octets.

Conventions
-----------
- Nothing is believed but octets: names of files lie. What is not recognised is None.
- TAP and NRTRDE begin with the same tag; the first element inside tells them apart.
"""

from __future__ import annotations

import functools
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

_BY_TAG = {"a2": NOTIFICATION, "a534": RAP, "a535": ACKNOWLEDGEMENT}
_TAGS = {tag_of(tag): found for tag, found in _BY_TAG.items()}
_SECOND = {tag_of(f"a{number}"): TAP for number in (3, 4, 5, 6, 7, 8, 15)}
_SECOND |= {tag_of(f"a{number}"): NRTRDE for number in (2, 20, 31, 36, 37, 38, 39, 41, 45)}


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
    if file_header(data) is not None:
        return CDR_FILE
    at = len(data) - len(data.lstrip(b"\0\xff"))
    if at == len(data):
        return None
    try:
        first = elements.opening(data, at, len(data))
        if first.tag in _TAGS:
            return _TAGS[first.tag]
        inside = elements.opening(data, first.content, len(data)) if first.constructed else None
    except (elements.Unreadable, IndexError):
        return None
    if inside is not None and first.tag == tag_of("a1") and inside.tag in _SECOND:
        return _SECOND[inside.tag]
    if first.constructed and first.tag in _cdr_tags():
        return CDRS
    if inside is None or (first.end is not None and first.end > file_bytes):
        return None
    fits = first.end is None or inside.end is None or inside.end <= first.end  # text rarely looks so
    return RECORDS if fits else None
