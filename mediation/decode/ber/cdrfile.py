"""The file header of 3GPP TS 32.297: lengths, counts, why the file was closed.

Conventions
-----------
- Numbers are big-endian. A length or count of FFFFFFFF is not known, because the file was not closed; so is a count of
  0 in a file that has records.
- The header says itself how long it is: extensions and private parts are passed over.
"""

from __future__ import annotations

from typing import NamedTuple

LEAST = 50  # octets up to the length of the routeing filter, which may end the header
MOST = 4096
UNKNOWN = 0xFFFFFFFF


class FileHeader(NamedTuple):
    """A file's header. `lost` is the lost-CDR indicator as it stands."""

    length: int
    header_bytes: int
    records: int
    sequence: int
    closure: int
    lost: int


def file_header(data: bytes) -> FileHeader | None:
    """The header at the begin of a file, None when its lengths cannot be those of one.

    Parameters
    ----------
    data : bytes
        The file's first octets, the whole header among them.
    """
    if len(data) < LEAST:
        return None
    length, header_bytes = (int.from_bytes(data[at : at + 4], "big") for at in (0, 4))
    if not LEAST <= header_bytes <= min(MOST, len(data)):
        return None
    if length < header_bytes:
        return None
    records, sequence = (int.from_bytes(data[at : at + 4], "big") for at in (18, 22))
    return FileHeader(length, header_bytes, records, sequence, data[26], data[47])
