"""What octets mean in BER records, in plain Python: numbers, digits, times, networks, users of URIs.

Conventions
-----------
- What is not valid is a `Faulty` with its code.
"""

from __future__ import annotations

import datetime as dt
import re
import struct

EPOCH = dt.datetime(1970, 1, 1)


class Faulty(Exception):
    """A value that is not valid; its argument is the code."""


def signed(octets: bytes) -> int:
    value = int.from_bytes(octets, "big", signed=True)
    if not -(2**63) <= value < 2**63:
        raise Faulty("number_overflow")
    return value


def digits(octets: bytes, swapped: bool) -> list[int]:
    """Half octets without the fillers at the end."""
    halves = [half for octet in octets for half in ((octet & 15, octet >> 4) if swapped else (octet >> 4, octet & 15))]
    while halves and halves[-1] == 15:
        halves.pop()
    return halves


def characters(octets: bytes, swapped: bool) -> str:
    halves = digits(octets, swapped)
    if 15 in halves:
        raise Faulty("bad_character")
    return "".join("0123456789*#abc"[half] for half in halves)


def decimal_digits(octets: bytes, swapped: bool) -> int | None:
    halves = digits(octets, swapped)
    if any(half > 9 for half in halves):
        raise Faulty("not_a_number")
    return int("".join(map(str, halves))) if halves else None


def local(text: str) -> int:
    """YYYYMMDDhhmmss as microseconds, as if it were UTC; second 60 is the next minute's first."""
    if len(text) != 14 or not text.isascii() or not text.isdigit():
        raise Faulty("bad_timestamp")
    year, month, day, hour, minute, second = (
        int(text[a:b]) for a, b in ((0, 4), *((i, i + 2) for i in range(4, 14, 2)))
    )
    if not 1970 <= year <= 2199 or second > 60:
        raise Faulty("impossible_time")
    try:
        whole = dt.datetime(year, month, day, hour, minute)
    except ValueError:
        raise Faulty("impossible_time") from None
    return (round((whole - EPOCH).total_seconds()) + second) * 10**6


def nine_octets(octets: bytes) -> tuple[int, int]:
    """The instant in microseconds and the UTC offset in seconds of YYMMDDhhmmss, a sign, hhmm."""
    if len(octets) != 9:
        raise Faulty("bad_timestamp")
    hours_and_minutes = octets[7:].hex()
    if not hours_and_minutes.isdecimal() or hours_and_minutes[2] > "5" or octets[6:7] not in (b"+", b"-"):
        raise Faulty("bad_utc_offset")
    offset = int(hours_and_minutes[:2]) * 3600 + int(hours_and_minutes[2:]) * 60
    if offset > 18 * 3600:
        raise Faulty("bad_utc_offset")
    offset = -offset if octets[6:7] == b"-" else offset
    return local("20" + octets[:6].hex()) - offset * 10**6, offset


def address(octets: bytes) -> tuple[bool, bytes]:
    """Whether a number is international, and the octets of its digits."""
    return octets[0] & 0x70 == 0x10, octets[1:] if octets[0] & 0x80 else octets[2:]


def network(octets: bytes) -> str | None:
    """MCC and MNC of 3GPP TS 24.008."""
    if len(octets) != 3:
        raise Faulty("bad_length")
    if octets == b"\xff\xff\xff":
        return None
    mcc1, mcc2, mcc3, mnc3, mnc1, mnc2 = (half for octet in octets for half in (octet & 15, octet >> 4))
    halves = [mcc1, mcc2, mcc3, mnc1, mnc2] + ([] if mnc3 == 15 else [mnc3])
    if max(halves) > 9:
        raise Faulty("bad_character")
    return "".join(map(str, halves))


def user(octets: bytes) -> bytes:
    """The user of a SIP or TEL URI."""
    for scheme in (b"sip:", b"sips:", b"tel:"):
        if octets[: len(scheme)].lower() == scheme:
            return re.split(rb"[@;?:]", octets[len(scheme) :])[0]
    return octets


def address_of_host(octets: bytes) -> str:
    """An IPv4 or IPv6 address, the latter in full."""
    if len(octets) == 4:
        return ".".join(map(str, octets))
    return ":".join(f"{part:x}" for part in struct.unpack(">8H", octets))
