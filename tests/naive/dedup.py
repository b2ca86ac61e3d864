"""The specification of deduplication in plain Python: SipHash over bytes, a dictionary of keys.

Conventions
-----------
- Rows are dictionaries of column to value (None is null); instants are microseconds, decimals integers of 10^-6.
- `classes` says of every hashed column whether it is `integer` or `text`.
"""

from __future__ import annotations

import struct

MASK = (1 << 64) - 1
ITEM_TAG = int.from_bytes(b"ext item", "little")
ITEM_FACTOR = 0x9E3779B97F4A7C15
CHECK_SALT, CHECK_MIXER = 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3


def siphash128(secret: bytes, message: bytes, c_rounds: int = 1, d_rounds: int = 3) -> bytes:
    """SipHash-c-d with 128 bits of output, as in the reference code."""

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count):
        v0, v1, v2, v3 = v
        for _ in range(count):
            v0 = (v0 + v1) & MASK
            v1 = rotate(v1, 13) ^ v0
            v0 = rotate(v0, 32)
            v2 = (v2 + v3) & MASK
            v3 = rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & MASK
            v3 = rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & MASK
            v1 = rotate(v1, 17) ^ v2
            v2 = rotate(v2, 32)
        v[:] = [v0, v1, v2, v3]

    k0, k1 = struct.unpack("<2Q", secret)
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D ^ 0xEE,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    whole = len(message) // 8 * 8
    last = message[whole:].ljust(7, b"\0") + bytes([len(message) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", message[:whole] + last):
        v[3] ^= word
        rounds(c_rounds)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(d_rounds)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(d_rounds)
    return struct.pack("<2Q", low, v[0] ^ v[1] ^ v[2] ^ v[3])


def word(value: int) -> bytes:
    """An integer as one word, two's complement."""
    return struct.pack("<Q", value & MASK)


def text(value: str | bytes) -> bytes:
    """A text: its length in bytes, then its bytes padded to words."""
    raw = value.encode() if isinstance(value, str) else value
    return word(len(raw)) + raw + b"\0" * (-len(raw) % 8)


def tag_and_mixer(secret: bytes, name: str, kind: str) -> tuple[int, int]:
    """The two constants of a column."""
    tag, mixer = struct.unpack("<2Q", siphash128(secret, text(f"{name}:{kind}")))
    return tag, mixer | 1


def encoded(value, kind: str) -> bytes:
    """A value that is not null."""
    return text(value) if kind == "text" else word(value)


def fingerprint(secret, items, family, whole_record, key, classes) -> bytes:
    """The fingerprint of a record, given its items in order."""
    prefix = text(family) + text(items[0]["record_type"] or "")
    if not whole_record:
        message = prefix + word(len(key)) + b"".join(text(f"{name}:{classes[name]}") for name in key)
        values = [items[0].get(name) for name in key]
        message += word(sum(1 << place for place, value in enumerate(values) if value is None))
        present = [(name, value) for name, value in zip(key, values, strict=True) if value is not None]
        return siphash128(secret, message + b"".join(encoded(value, classes[name]) for name, value in present))
    message = prefix + word(0)
    for number, item in enumerate(items):
        if number:
            message += word(ITEM_TAG)
        for name in key:
            if item.get(name) is not None:
                message += word(tag_and_mixer(secret, name, classes[name])[0]) + encoded(item[name], classes[name])
    return siphash128(secret, message)


def multiply_mix(a: int, b: int) -> int:
    """High and low half of the product, folded."""
    product = a * b
    return (product ^ product >> 64) & MASK


def payload_check(secret, items, payload, classes) -> int:
    """The 32-bit check of a record's payload, signed."""
    total = 0
    for item in items:
        total = total * ITEM_FACTOR & MASK
        for name in payload:
            if item.get(name) is None:
                continue
            tag, mixer = tag_and_mixer(secret, name, classes[name])
            words = [number for (number,) in struct.iter_unpack("<Q", encoded(item[name], classes[name]))]
            mixed = tag
            for number in words:
                mixed = multiply_mix(mixed ^ number, mixer)
            total += mixed
        total &= MASK
    low = multiply_mix(total ^ CHECK_SALT, CHECK_MIXER) & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def partition_day(items, whole_record, key, instants) -> int | None:
    """The UTC day that a record is filed under, from 1970 to 2149; None is undated.

    Parameters
    ----------
    instants : set of str
        The columns that are timestamps.
    """
    dating = [name for name in sorted(key) if name in instants and (name == "start_time" or not whole_record)]
    column = "start_time" if "start_time" in dating else next(iter(dating), None)
    instant = None if column is None else items[0].get(column)
    return None if instant is None else min(max(instant // 86_400_000_000, 0), 65_534)


def admit(records, seen, history=None):
    """Verdicts on records in order.

    Parameters
    ----------
    records : list of (fingerprint, payload check, ordinal)
    seen : dict
        What was admitted before, by fingerprint; this call adds to it.
    history : dict, optional
        Payload check by fingerprint.

    Returns
    -------
    list of (verdict, first ordinal)
        The verdict of a record that is charged is None.
    """
    verdicts = []
    for key, check, ordinal in records:
        if history and key in history:
            verdicts.append(("retransmission" if history[key] == check else "conflict", None))
        elif key in seen:
            first_check, first_ordinal = seen[key]
            verdicts.append(("retransmission" if first_check == check else "conflict", first_ordinal))
        else:
            seen[key] = (check, ordinal)
            verdicts.append((None, None))
    return verdicts
