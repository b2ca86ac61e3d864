"""Which format a file of BER elements is of, by its first octets.

Conventions
-----------
- Nothing is believed but octets: names of files lie. What is not recognised is None.
- TAP and NRTRDE begin with the same tag; the element inside tells them apart.
"""

from __future__ import annotations

from typing import NamedTuple

from mediation.decode.ber import elements
from mediation.rulebook.tags import tag_of

HEADER_297 = range(50, 4096)  # octets of a TS 32.297 file header, its private part included
UNKNOWN_LENGTH = 0xFFFFFFFF


class Detected(NamedTuple):
    """A format's name in a feed (None: none reads it), and what it is called."""

    format: str | None
    title: str


TAP = Detected("tap3", "TAP3 transfer batch")
NOTIFICATION = Detected("tap3", "TAP3 notification")
NRTRDE = Detected(None, "NRTRDE report")
RAP = Detected(None, "RAP return batch")
ACKNOWLEDGEMENT = Detected(None, "RAP acknowledgement")
CDR_FILE = Detected("ts32297", "3GPP TS 32.297 file of CDRs")
RECORDS = Detected("ber", "BER records")
_BY_TAG = {"a2": NOTIFICATION, "a534": RAP, "a535": ACKNOWLEDGEMENT}
_TAGS = {tag_of(tag): found for tag, found in _BY_TAG.items()}
_SECOND = {tag_of("a4"): TAP, tag_of("a41"): NRTRDE}


def detect(data: bytes, file_bytes: int) -> Detected | None:
    """The format of a file.

    Parameters
    ----------
    data : bytes
        The first few kilobytes of its decompressed stream.
    file_bytes : int
        Of the whole stream.
    """
    if _is_cdr_file(data, file_bytes):
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
    whole = first.constructed and (first.end is None or first.end <= file_bytes)
    return RECORDS if whole else None


def _is_cdr_file(data: bytes, file_bytes: int) -> bool:
    """Lengths at the begin of a file that agree with it; a file that is not closed has none."""
    if len(data) < HEADER_297[0]:
        return False
    length, header = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    return header in HEADER_297 and header <= file_bytes and length in (file_bytes, UNKNOWN_LENGTH)
