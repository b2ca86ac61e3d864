"""Files that are no TAP, and TAP files whose parts, tables and totals are not what they say.

Conventions
-----------
- A file is made of parts: `batch` has the octets of its envelope before and after the events.
- An event is a short message by default, whose other party has the digits told; charges are of the file's three
  decimals.
"""

from __future__ import annotations

from tests.asn1.ber import END, length, tag, tlv
from tests.asn1.tap import bcd
from tests.malformed.asn1 import bad, family, filler, good, header, refused, trailer


def application(number: int, constructed: bool = False) -> bytes:
    return tag(number, of="APPLICATION", constructed=constructed)


def text(number: int, value: str) -> bytes:
    return tlv(application(number), value.encode())


def whole(number: int, value: int) -> bytes:
    return tlv(application(number), value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def group(number: int, *members: bytes) -> bytes:
    return tlv(application(number, constructed=True), b"".join(members))


def stamp(number: int, local: str = "20260110080000", offset: str = "+0800") -> bytes:
    return group(number, text(16, local), text(231, offset))


def batch_control(*, version: int = 3, release: int = 12, sequence: str = "00001") -> bytes:
    told = (text(196, "AUTPT"), text(182, "EUR01"), text(109, sequence), stamp(108), stamp(227), stamp(107))
    return group(4, *told, whole(201, version), whole(189, release), text(110, "T"))


def accounting(decimals: bytes | None = b"\x03", currency: str = "XDR", rate: int = 138776) -> bytes:
    rates = group(80, group(106, whole(105, 0), whole(159, 5), whole(104, rate)))
    places = b"" if decimals is None else tlv(application(244), decimals)
    return group(5, text(135, "EUR"), text(210, currency), rates, places)


def network(offset: str = "+0800", code: int = 0, entity: int = 0) -> bytes:
    zones = group(234, group(233, whole(232, code), text(231, offset)))
    return group(6, zones, group(188, group(183, whole(184, entity), whole(186, 1), text(400, "43664001"))))


def audit(charge: int = 1500, count: int | None = 1, *more: bytes) -> bytes:
    return group(15, whole(415, charge), *([whole(43, count)] if count is not None else []), *more)


def charged(charge: bytes = b"\x05\xdc", kind: str = "00") -> bytes:
    detail = group(63, text(71, kind), tlv(application(62), charge))
    return group(70, group(69, text(66, "E"), whole(105, 0), group(64, detail)))


def call(
    other: str = "8613900000001",
    *,
    local: str = "20260110080000",
    zone: int | None = 0,
    imsi: bytes = bcd("460001234567890"),
    duration: int = 60,
    charge: bytes = b"\x05\xdc",
    entity: int = 0,
    number: int = 9,
) -> bytes:
    """A mobile originated call."""
    subscriber = group(427, group(199, tlv(application(129), imsi), tlv(application(152), bcd("8613800000001"))))
    moment = group(44, text(16, local), *([whole(232, zone)] if zone is not None else []))
    party = group(89, tlv(application(407), bcd(other)))
    basic = group(147, subscriber, party, moment, whole(223, duration), whole(58, 0))
    place = group(138, group(156, whole(184, entity), whole(136, 258), whole(59, 515)))
    service = group(36, group(426, text(218, "11")))
    return group(number, basic, place, group(38, group(39, service, charged(charge))))


def envelope(events: int, *before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """What stands before events of so many octets, and after them."""
    ahead = b"".join(before) + application(3, constructed=True) + length(events)
    size = len(ahead) + events + len(after)
    return application(1, constructed=True) + length(size) + ahead, after


PARTS = (batch_control(), accounting(), network())


def batch(*pieces, parts=PARTS, after=None):
    """Pieces of a whole file: its envelope and, between, events."""
    events = sum(len(piece.raw) for piece in pieces)
    ahead, behind = envelope(events, *parts, after=audit(1500 * len(pieces), len(pieces)) if after is None else after)
    return [header(ahead), *pieces, trailer(behind)]


def joined(pieces) -> bytes:
    return b"".join(piece.raw for piece in pieces)


CALL = good(call(), "8613900000001")
OTHER = good(call("8613900000002"), "8613900000002")
WHOLE = joined(batch(CALL))


def tap(name, *pieces, **parts):
    return family(name, batch(*pieces, **parts), "tap3")


def event(name, raw, code, field=None, *, charge=0):
    """One bad event between two good ones; the audit counts all three and what could be read of the charge."""
    return tap(name, CALL, bad(raw, code, field), OTHER, after=audit(3000 + charge, 3))


def lying(name, code, after, **parts):
    return refused(name, code, joined(batch(CALL, after=after, **parts)))


def strange(name, content):
    return refused(name, "wrong_format", content)


TAP = [
    tap("two calls", CALL, OTHER),
    tap("no calls"),
    tap("3.11", CALL, parts=(batch_control(release=11), *PARTS[1:])),
    tap("a release of tomorrow", CALL, parts=(batch_control(release=99), *PARTS[1:])),
    tap("no exchange rates", CALL, parts=(PARTS[0], group(5, text(210, "XDR"), whole(244, 3)), PARTS[2])),
    tap("an exchange rate of nothing", CALL, parts=(PARTS[0], accounting(rate=0), PARTS[2])),
    tap("an audit of nobody's members", CALL, after=audit(1500, 1, text(511, "x"))),
    tap("a call in a zone that was not told", good(call(zone=7), "8613900000001")),
    tap("a call without a zone", good(call(zone=None), "8613900000001")),
    tap("a call of an entity that was not told", good(call(entity=7), "8613900000001")),
    tap("no network", CALL, parts=PARTS[:2]),
    tap("an event of nobody's", CALL, bad(call(number=400), "unknown_value", "record_type"), after=audit(1500, 2)),
    event("a call that is a simple value", tlv(application(9), b"\x01\x02"), "bad_tag"),
    event("a call in pieces", group(9, b"\x7f\x81\x13\x7f"), "element_overrun"),
    tap("a call of nothing", CALL, good(group(9), None), after=audit(1500, 2)),
    event(
        "a call at a time of thirteen digits", call(local="2026011008000"), "bad_timestamp", "start_time", charge=1500
    ),
    event("a call in month 13", call(local="20261310080000"), "impossible_time", "start_time", charge=1500),
    event("a call at a time of letters", call(local="2026011008000x"), "bad_timestamp", "start_time", charge=1500),
    event("an IMSI of letters", call(imsi=bytes.fromhex("46000a")), "not_a_number", "served_imsi", charge=1500),
    tap("an IMSI of nothing is none", good(call(imsi=b""), "8613900000001")),
    event("a call of negative duration", call(duration=-1), "negative", "duration_s", charge=1500),
    event("a charge of nine octets", call(charge=b"\x01" + bytes(8)), "number_overflow", "host_charge_amount"),
    tap("a charge of no octets is none", good(call(charge=b""), "8613900000001"), after=audit(0, 1)),
    tap("a negative charge", good(call(charge=b"\xff"), "8613900000001"), after=audit(-1, 1)),
    tap("seven decimals", good(call(), "8613900000001"), parts=(PARTS[0], accounting(b"\x07"), PARTS[2])),
    tap(
        "a charge of more decimals than there are",
        bad(call(charge=b"\x05\xdd"), "too_many_decimals", "host_charge_amount"),
        parts=(PARTS[0], accounting(b"\x07"), PARTS[2]),
    ),
    tap("a zone of letters", good(call(), "8613900000001"), parts=(*PARTS[:2], network(offset="+ab00"))),
    tap("a zone of a day", good(call(), "8613900000001"), parts=(*PARTS[:2], network(offset="+2400"))),
    family("zeros after the batch", [*batch(CALL), filler(bytes(64))], "tap3"),
    family("garbage after the batch", [*batch(CALL), bad(b"garbage", "trailing_bytes")], "tap3"),
    family("two batches", [*batch(CALL), bad(WHOLE, "trailing_bytes")], "tap3"),
    family("the audit before the events", batch(CALL, parts=(*PARTS, audit()), after=b""), "tap3"),
]


def two_lists() -> bytes:
    return group(1, *PARTS, group(3, CALL.raw), group(3, OTHER.raw), audit(3000, 2))


def versioned(version: int) -> bytes:
    return joined(batch(CALL, parts=(batch_control(version=version), *PARTS[1:])))


def totals(charge: int, kind: str = "00") -> bytes:
    """The audit of 3.10, whose totals stand by charge type."""
    total = group(222, text(71, kind), whole(241, charge))
    return group(15, group(224, group(222, text(71, "01"), whole(241, 7)), total), whole(43, 1))


TAP += [
    tap("a total by charge type", CALL, after=totals(1500)),
    tap("no total of the charge type", CALL, after=totals(1501, "02")),
]
ENVELOPES = [
    refused("TAP of version 2", "unknown_version", versioned(2)),
    refused("TAP of version 2^64", "unknown_version", versioned(1 << 64)),
    refused("a notification of version 4", "unknown_version", group(2, text(196, "AUTPT"), whole(201, 4))),
    lying("a total by charge type too great", "control_sum_mismatch", totals(1501)),
    strange("NRTRDE as TAP", bytes.fromhex("61095f2901025f810d0101")),
    strange("a return file as TAP", bytes.fromhex("7f8416025f00")),
    strange("an acknowledgement as TAP", bytes.fromhex("7f841700")),
    strange("text as TAP", b"8613800000001|20260110080000|a\n"),
    refused("nothing as TAP", "header_missing", b""),
    refused("zeros as TAP", "header_missing", bytes(4096)),
    strange("a bare record as TAP", call()),
    lying("a count too great", "record_count_mismatch", audit(1500, 2)),
    lying("a count too small", "record_count_mismatch", audit(1500, 0)),
    lying("a negative count", "record_count_mismatch", audit(1500, -1)),
    lying(
        "a count of 2^64",
        "record_count_mismatch",
        group(15, whole(415, 1500), tlv(application(43), b"\x01" + bytes(8))),
    ),
    lying("a total too great", "control_sum_mismatch", audit(1501, 1)),
    lying("a total too small", "control_sum_mismatch", audit(1499, 1)),
    lying("a total of another sign", "control_sum_mismatch", audit(-1500, 1)),
    lying("a refund of nobody", "control_sum_mismatch", audit(1500, 1, whole(355, 1))),
    lying("a total that wraps", "control_sum_mismatch", audit((1 << 64) + 1500, 1)),
    lying("minus one decimals", "header_missing", None, parts=(PARTS[0], accounting(b"\xff"), PARTS[2])),
    lying("2^63 decimals", "header_missing", None, parts=(PARTS[0], accounting(b"\x7f" + b"\xff" * 7), PARTS[2])),
    lying("no decimals told", "header_missing", None, parts=(PARTS[0], accounting(None), PARTS[2])),
    lying("a currency of four letters", "unknown_value", None, parts=(PARTS[0], accounting(currency="EURO"), PARTS[2])),
    lying("no audit", "trailer_missing", b""),
    lying("an audit without a count", "trailer_missing", audit(1500, None)),
    refused("cut in the batch control", "header_missing", WHOLE[:40]),
    refused("cut before the events", "trailer_missing", joined(batch(CALL)[:1])),
    refused("cut in an event", "trailer_missing", joined(batch(CALL)[:1]) + CALL.raw[:30]),
    refused("cut before the audit", "trailer_missing", joined(batch(CALL)[:2])),
    refused("cut in the audit", "trailer_missing", WHOLE[:-1]),
    refused("an indefinite batch without an end", "trailer_missing", application(1, True) + b"\x80" + WHOLE[4:]),
    refused("a batch of four gigabytes", "trailer_missing", application(1, True) + b"\x84\xff\xff\xff\xff" + WHOLE[4:]),
    refused("two lists of events", "record_count_mismatch", two_lists()),
    refused("no events and no audit", "trailer_missing", group(1, PARTS[0])),
    refused("a batch of nothing", "wrong_format", group(1)),
    refused("an indefinite batch of nothing", "wrong_format", application(1, True) + b"\x80" + END),
]
