"""Files and records in the framing of TS 32.297: a small encoder.

Conventions
-----------
- All numbers are big-endian. A release of 10 and more, as 3GPP counts them from Rel-10 on, is 7 and an octet more;
  before that R99 is 0 and Rel-4 is 1.
- A time has no year and no seconds: four bits of month, five of day, five of hour, six of minute, one of sign (1 is +),
  five and six of the offset's hours and minutes.
- The length of a record does not count its header, that of the file counts all.
"""

from __future__ import annotations

from typing import NamedTuple

OPEN = 0xFFFFFFFF
BER = 1
TS_NUMBERS = {"32.250": 6, "32.251": 7, "32.260": 9, "32.255": 20, "32.274": 15}
NORMAL, SIZE, TIME, COUNT, MANUAL, ABNORMAL = 0, 1, 2, 3, 4, 128


class Moment(NamedTuple):
    month: int
    day: int
    hour: int
    minute: int
    offset_minutes: int = 0

    def packed(self) -> bytes:
        offset = abs(self.offset_minutes)
        number = self.month
        for bits, value in (
            *((5, self.day), (5, self.hour), (6, self.minute)),
            *((1, self.offset_minutes >= 0), (5, offset // 60), (6, offset % 60)),
        ):
            number = number << bits | value
        return number.to_bytes(4, "big")


class Release(NamedTuple):
    """A release of the standard as its number, 99 for the first, and the version in it."""

    number: int
    version: int = 0

    @property
    def code(self) -> int:
        return 0 if self.number == 99 else self.number - 3 if self.number < 10 else 7

    @property
    def octet(self) -> bytes:
        return bytes([self.code << 5 | self.version])

    @property
    def extension(self) -> bytes:
        return bytes([self.number - 10]) if self.code == 7 else b""


REL_9 = Release(9)


def record(body: bytes, release: Release = REL_9, ts: str = "32.251", encoding: int = BER) -> bytes:
    """A record and its header of four octets, or five."""
    head = len(body).to_bytes(2, "big") + release.octet + bytes([encoding << 5 | TS_NUMBERS[ts]])
    return head + release.extension + body


class Header(NamedTuple):
    """A file's header; what is None is as the records say."""

    opened: Moment = Moment(1, 10, 8, 0, 480)
    appended: Moment = Moment(1, 10, 8, 5, 480)
    high: Release = REL_9
    low: Release = Release(8)
    sequence: int = 1
    closure: int = NORMAL
    node: bytes = b"\xff" * 4 + bytes(12) + bytes([10, 0, 0, 1])
    lost: int = 0
    filter: bytes = b""
    private: bytes = b""
    count: int | None = None
    length: int | None = None
    header_length: int | None = None

    def packed(self, count: int, body: int) -> bytes:
        """The header of a file of so many records in so many octets."""
        rest = b"".join(
            [
                self.high.octet + self.low.octet,
                self.opened.packed() + self.appended.packed(),
                (count if self.count is None else self.count).to_bytes(4, "big"),
                self.sequence.to_bytes(4, "big"),
                bytes([self.closure]),
                self.node,
                bytes([self.lost]),
                len(self.filter).to_bytes(2, "big") + self.filter,
                len(self.private).to_bytes(2, "big") + self.private,
                self.high.extension + self.low.extension,
            ]
        )
        size = len(rest) + 8
        length = size + body if self.length is None else self.length
        told = size if self.header_length is None else self.header_length
        return length.to_bytes(4, "big") + told.to_bytes(4, "big") + rest


USUAL = Header()


def file_of(bodies: list[bytes], header: Header = USUAL, release: Release = REL_9, ts: str = "32.251") -> bytes:
    """A file of records."""
    records = [record(body, release, ts) for body in bodies]
    return header.packed(len(records), sum(map(len, records))) + b"".join(records)
