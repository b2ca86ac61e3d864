"""Files of NRTRDE and RAP that are damaged, or whose parts and totals are not what they say.

Conventions
-----------
- An NRTRDE event is a call whose other party has the digits told; a returned detail of RAP is of the TAP file that has
  the sequence told, severe ones with a charge of 1500 and one error.
"""

from __future__ import annotations

from tests.asn1.ber import length, tlv
from tests.asn1.tap import bcd
from tests.malformed import Piece
from tests.malformed.asn1 import bad, family, filler, good, header, refused, trailer
from tests.malformed.asn1.tap import CALL as TAP_CALL
from tests.malformed.asn1.tap import WHOLE as TAP_WHOLE
from tests.malformed.asn1.tap import application, call, group, joined, text, whole

# --------------------------------------------------------------------------------------------- NRTRDE


def head(version: int = 2, sequence: str = "0000001") -> tuple[bytes, ...]:
    told = (whole(41, version), whole(37, 1), text(38, "AUTPT"), text(36, "EUR01"), text(39, sequence))
    return (*told, text(31, "20260110080000"), text(45, "+0100"))


def moc(
    other: str = "8613900000001",
    *,
    local: str = "20260110080000",
    offset: str | None = "+0800",
    imsi: bytes = bcd("460001234567890"),
    duration: bytes = b"\x3c",
    more: bytes = b"",
) -> bytes:
    zone = () if offset is None else (text(45, offset),)
    told = (tlv(application(34), imsi), text(21, local), *zone, tlv(application(19), duration), text(27, other))
    return group(3, *told, group(46, text(43, "11")), more)


def envelope(outer: int, inner: int, before: bytes, events: int, after: bytes) -> bytes:
    """What stands before records of so many octets in `inner`, which is in `outer`."""
    ahead = before + application(inner, True) + length(events)
    return application(outer, True) + length(len(ahead) + events + len(after)) + ahead


def report(*pieces: Piece, version: int = 2, count: int | None = None) -> list[Piece]:
    """The pieces of a whole NRTRDE file."""
    after = whole(20, len(pieces) if count is None else count)
    events = sum(len(piece.raw) for piece in pieces)
    return [header(envelope(1, 2, b"".join(head(version)), events, after)), *pieces, trailer(after)]


MOC = good(moc(), "8613900000001")
NEXT = good(moc("8613900000002"), "8613900000002")
REPORT = joined(report(MOC))


def nrtrde(name, raw, code, field=None):
    """One bad event between two good ones."""
    return family(name, report(MOC, bad(raw, code, field), NEXT), "nrtrde")


NRTRDE = [
    family("two events", report(MOC, NEXT), "nrtrde"),
    family("no events", report(), "nrtrde"),
    family("no list of events", [header(group(1, *head(), whole(20, 0)))], "nrtrde"),
    family("an event without an offset", report(good(moc(offset=None), "8613900000001")), "nrtrde"),
    family("an event of nothing", report(good(group(3), None)), "nrtrde"),
    family("members of an event that are nobody's", report(good(moc(more=text(400, "x")), "8613900000001")), "nrtrde"),
    family("zeros after the report", [*report(MOC), filler(bytes(64))], "nrtrde"),
    family("two reports", [*report(MOC), bad(REPORT, "trailing_bytes")], "nrtrde"),
    nrtrde("a kind of event that is nobody's", group(6, text(21, "x")), "unknown_value", "record_type"),
    nrtrde("a TAP call in a report", call(), "unknown_value", "record_type"),
    nrtrde("an event that is a simple value", tlv(application(3), b"\x01\x02"), "bad_tag"),
    nrtrde("an event in pieces", group(3, b"\x5f\x22\x7f"), "element_overrun"),
    nrtrde("an event at a time of thirteen digits", moc(local="2026011008000"), "bad_timestamp", "start_time"),
    nrtrde("an event in month 13", moc(local="20261310080000"), "impossible_time", "start_time"),
    nrtrde("an event's offset of letters", moc(offset="+ab00"), "bad_utc_offset", "start_time"),
    nrtrde("an event's offset of a day", moc(offset="+2400"), "bad_utc_offset", "start_time"),
    nrtrde("an event's IMSI of letters", moc(imsi=bytes.fromhex("46000a")), "not_a_number", "served_imsi"),
    nrtrde("an event of negative duration", moc(duration=b"\xff"), "negative", "duration_s"),
    nrtrde("an event's duration of nine octets", moc(duration=b"\x01" + bytes(8)), "number_overflow", "duration_s"),
]


def no_report(name: str, code: str, content: bytes):
    return refused(name, code, content, "nrtrde")


OPEN_REPORT = application(1, True) + b"\x80" + REPORT[2 + (REPORT[1] > 0x80) :]
NRTRDE_REFUSED = [
    no_report("TAP as NRTRDE", "wrong_format", TAP_WHOLE),
    no_report("a notification as NRTRDE", "wrong_format", group(2, text(196, "AUTPT"))),
    no_report("a return file as NRTRDE", "wrong_format", group(534, group(537))),
    no_report("text as NRTRDE", "wrong_format", b"8613800000001|20260110080000|a\n"),
    no_report("nothing as NRTRDE", "header_missing", b""),
    no_report("an event as NRTRDE", "wrong_format", moc()),
    no_report("NRTRDE of version 3", "unknown_version", joined(report(MOC, version=3))),
    no_report("NRTRDE of version -2", "unknown_version", joined(report(MOC, version=-2))),
    no_report("events that are too few", "record_count_mismatch", joined(report(MOC, count=2))),
    no_report("events that are too many", "record_count_mismatch", joined(report(MOC, count=0))),
    no_report("events that nobody counts", "trailer_missing", group(1, *head(), group(2, MOC.raw))),
    no_report("a report cut in an event", "trailer_missing", REPORT[: len(REPORT) - 30]),
    no_report("a report cut before its count", "trailer_missing", REPORT[:-4]),
    no_report("an indefinite report without an end", "trailer_missing", OPEN_REPORT),
]

# ------------------------------------------------------------------------------------------------ RAP


def error(code: bytes = b"\x14") -> bytes:
    return group(520, group(521, tlv(application(519), code)))


def severe(sequence: str = "00001", *, event: bytes = TAP_CALL.raw, errors: bytes | None = None) -> bytes:
    return group(540, text(109, sequence), event, error() if errors is None else errors)


def lost(sequence: str = "00007") -> bytes:
    return group(538, text(532, sequence))


def returned(*pieces: Piece, version: int = 1, count: int | None = None, total: int = 0) -> list[Piece]:
    """The pieces of a whole RAP file."""
    told = (text(196, "EUR01"), text(182, "AUTPT"), text(181, "00001"), whole(544, version), whole(543, 5))
    control = group(537, *told, whole(244, 3), text(210, "SDR"))
    after = group(541, whole(533, total), whole(528, len(pieces) if count is None else count))
    details = sum(len(piece.raw) for piece in pieces)
    return [header(envelope(534, 536, control, details, after)), *pieces, trailer(after)]


SEVERE, LOST = good(severe(), "00001"), good(lost(), "00007")
RETURNED = joined(returned(SEVERE, total=1500))


def detail(name, raw, code, field=None, *, charge=0):
    """One bad detail between two good ones."""
    return family(name, returned(SEVERE, bad(raw, code, field), LOST, total=1500 + charge), "rap")


FATAL = group(539, text(109, "00009"), group(517, group(4), error()), group(513, group(15), error() + error()))
RAP = [
    family("two details", returned(SEVERE, LOST, total=1500), "rap"),
    family("no details", returned(), "rap"),
    family("a fatal return of two parts", returned(good(FATAL, "00009")), "rap"),
    family("a severe return without errors", returned(good(severe(errors=b""), "00001"), total=1500), "rap"),
    family("a severe return of no event", returned(good(severe(event=b""), "00001")), "rap"),
    family("an event of nobody's that is returned", returned(good(severe(event=group(400)), "00001")), "rap"),
    family("an acknowledgement", [header(group(535, text(196, "AUTPT"), text(181, "00001")))], "rap"),
    detail("a detail of nobody's", group(556, text(109, "00001")), "unknown_value", "record_type"),
    detail("a detail that is a simple value", tlv(application(540), b"\x01"), "bad_tag"),
    detail("a detail in pieces", group(540, b"\x7f\x14\x7f"), "element_overrun"),
    detail("an error code of nine octets", severe(errors=error(b"\x01" + bytes(8))), "number_overflow", "error_code",
           charge=1500),
    detail("a returned event that is a simple value", severe(event=tlv(application(9), b"\x01")), "bad_tag"),
]  # fmt: skip


def no_return(name: str, code: str, content: bytes):
    return refused(name, code, content, "rap")


RAP_REFUSED = [
    no_return("TAP as RAP", "wrong_format", TAP_WHOLE),
    no_return("NRTRDE as RAP", "wrong_format", REPORT),
    no_return("nothing as RAP", "header_missing", b""),
    no_return("RAP of version 2", "unknown_version", joined(returned(SEVERE, version=2, total=1500))),
    no_return("details that are too few", "record_count_mismatch", joined(returned(SEVERE, count=2, total=1500))),
    no_return("a total of returns too great", "control_sum_mismatch", joined(returned(SEVERE, total=1501))),
    no_return("RAP cut in a detail", "trailer_missing", RETURNED[: len(RETURNED) - 30]),
    no_return("an acknowledgement cut short", "header_missing", group(535, text(196, "AUTPT"))[:-2]),
]
