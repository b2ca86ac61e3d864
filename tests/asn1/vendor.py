"""A vendor's file of circuit-switched records: a header, records of any kind, a trailer that counts them, all in one.

Conventions
-----------
- The shape is that of a call event data file; the records have some members of TS 32.298 and some of the vendor's own,
  with tags of three octets.
- Kinds of record that no reader was told of stand among the others.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from tests.asn1 import ber, table
from tests.asn1.ts32298 import INTERNATIONAL, Instant, instant, tbcd, time
from tests.asn1.values import digits, whole

STAMPED = {"productionDateTime": (0, "time"), "recordingEntity": (1, "octets")}
MO_CALL = {
    "recordType": (0, "integer"),
    "servedIMSI": (1, "octets"),
    "servedMSISDN": (3, "octets"),
    "calledNumber": (5, "octets"),
    "recordingEntity": (9, "octets"),
    "answerTime": (23, "time"),
    "releaseTime": (24, "time"),
    "callDuration": (25, "integer"),
    "causeForTerm": (30, "integer"),
    "callReference": (32, "octets"),
    "chargeAreaCode": (145, "octets"),
    "recordNumber": (232, "integer"),
    "globalAreaID": (188, "octets"),
}
ACTION = {"recordType": (0, "integer"), "servedIMSI": (1, "octets"), "ssActionTime": (7, "time")}
RECORDS = {"moCallRecord": (0, ("set", MO_CALL)), "ssActionRecord": (10, ("set", ACTION))}
FILE = {
    "headerRecord": (0, ("sequence", STAMPED)),
    "callEventRecords": (1, [("choice", RECORDS)]),
    "trailerRecord": (2, ("sequence", {**STAMPED, "noOfRecords": (4, "integer")})),
    "extensions": (3, ["octets"]),
}
SHAPE = ber.Shape("choice", lambda: {table.SEQUENCE: table.shape(("sequence", FILE))})


class Call(NamedTuple):
    imsi: str
    msisdn: str
    called: str
    answer: Instant
    duration: int
    cause: int
    reference: bytes
    record_number: int


def call(random: Random) -> tuple[dict[str, Any], Call]:
    imsi, msisdn, called = "460" + digits(random, 12, 12), "86" + digits(random, 11, 11), digits(random, 3, 15)
    answer, duration, number = time(random), whole(10**6)(random), whole(1 << 31)(random)
    values = {
        "recordType": 0,
        "servedIMSI": tbcd(imsi),
        "servedMSISDN": bytes([INTERNATIONAL]) + tbcd(msisdn),
        "calledNumber": bytes([INTERNATIONAL]) + tbcd(called),
        "recordingEntity": bytes([INTERNATIONAL]) + tbcd("8613800"),
        "answerTime": answer,
        "callDuration": duration,
        "causeForTerm": random.randrange(30),
        "callReference": random.randbytes(5),
        "recordNumber": number,
        "globalAreaID": random.randbytes(7),
    }
    said = Call(
        imsi, msisdn, called, instant(answer), duration, values["causeForTerm"], values["callReference"], number
    )
    return values, said


def file_of(random: Random, calls: int, *, count: int | None = None) -> tuple[bytes, list[Call]]:
    """A file of so many calls among actions that are no usage, whose trailer counts them all."""
    records, said = [], []
    for _ in range(calls):
        values, each = call(random)
        records.append({"moCallRecord": values})
        said.append(each)
        if random.random() < 0.3:
            records.append({"ssActionRecord": {"recordType": 10, "servedIMSI": tbcd("460001234567890")}})
    stamped = {"productionDateTime": time(random), "recordingEntity": bytes([INTERNATIONAL]) + tbcd("8613800")}
    values = {
        "headerRecord": stamped,
        "callEventRecords": records,
        "trailerRecord": stamped | {"noOfRecords": len(records) if count is None else count},
        "extensions": [],
    }
    return ber.tlv(table.SEQUENCE, table.members(FILE, values)), said
