"""Random RAP files, 1.5, and what each of their returned details refers to.

Conventions
-----------
- A file is a value of `RapDataInterChange` whose count and total are right, and the rows that it means: one for each
  error of a detail, or one where a detail has none. Missing is None.
- What a returned event says of itself is what it would say in a TAP file; but its time is local, and its charge stands
  in the first row of its detail.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from tests.asn1 import modules, tap
from tests.asn1.tap_rows import charges, meaning, stripped, under
from tests.asn1.values import Habits, digits, value

CALL_EVENTS = {
    "mobileOriginatedCall": "mobile_originated_call",
    "mobileTerminatedCall": "mobile_terminated_call",
    "supplServiceEvent": "supplementary_service",
    "serviceCentreUsage": "service_centre_usage",
    "gprsCall": "gprs_call",
    "contentTransaction": "content_transaction",
    "locationService": "location_service",
    "messagingEvent": "messaging_event",
    "mobileSession": "mobile_session",
}
STARTS = {
    "mobileOriginatedCall": ("basicCallInformation", "callEventStartTimeStamp"),
    "mobileTerminatedCall": ("basicCallInformation", "callEventStartTimeStamp"),
    "gprsCall": ("gprsBasicCallInformation", "callEventStartTimeStamp"),
    "supplServiceEvent": ("supplServiceUsed", "chargingTimeStamp"),
    "serviceCentreUsage": ("scuTimeStamps", "depositTimeStamp"),
    "contentTransaction": ("contentTransactionBasicInfo", "orderPlacedTimeStamp"),
    "locationService": ("locationServiceUsage", "chargingTimeStamp"),
    "messagingEvent": ("serviceStartTimestamp",),
    "mobileSession": ("serviceStartTimestamp",),
}
PARTS = {
    "transferBatchError": (None, "transfer_batch"),
    "notificationError": ("notification", "notification"),
    "batchControlError": ("batchControlInfo", "batch_control"),
    "accountingInfoError": ("accountingInfo", "accounting_info"),
    "networkInfoError": ("networkInfo", "network_info"),
    "messageDescriptionError": ("messageDescriptionInfo", "message_description"),
    "auditControlInfoError": ("auditControlInfo", "audit_control"),
}
COLUMNS = (
    *("record_type", "sender", "recipient", "roaming_partner", "rap_sequence", "tap_sequence", "tap_sequence_to"),
    *("error_part", "error_code", "error_offset", "call_event", "served_imsi", "served_msisdn", "local_start_time"),
    *("charging_id", "host_record_id", "host_charge_amount", "tap_currency"),
)
Rows = list[dict[str, Any]]


def sequence(random: Random) -> bytes:
    return digits(random, 5, 5).encode()


def errors(random: Random) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        path = [{"pathItemId": random.randrange(500), "itemLevel": level} for level in range(1, random.randint(2, 5))]
        place = {"itemOffset": random.randrange(20)} if random.random() < 0.5 else {}
        return {"errorContext": path, "errorCode": random.randrange(300), **place}

    return [one() for _ in range(random.randint(1, 3))]


def rows_of(found: list[dict[str, Any]], part: str, row: dict[str, Any]) -> Rows:
    told = [{"error_part": part, "error_code": e["errorCode"], "error_offset": e.get("itemOffset")} for e in found]
    return [row | each for each in told]


def severe(random: Random, decimals: int) -> tuple[dict[str, Any], Rows, int]:
    types = modules.members(modules.members(modules.members(modules.tap().DataInterChange)["transferBatch"])
                            ["callEventDetails"]._cont)  # fmt: skip
    kind = random.choice(tap.EVENTS)
    event = value(types[kind], random, Habits(tap.LEAVES, 0.75, tap.ALWAYS, most=2))
    found, number = errors(random), sequence(random)
    usage = meaning(kind, event, tap.tables_of(random))[0]
    amounts = [amount for part in event.get("contentServiceUsed", [event]) for amount in charges(part)]
    row = {
        "record_type": "severe_return",
        "tap_sequence": number.decode(),
        "call_event": CALL_EVENTS[kind],
        "local_start_time": stripped(under(event, *STARTS[kind], "localTimeStamp")),
        **{name: usage.get(name) for name in ("served_imsi", "served_msisdn", "charging_id", "host_record_id")},
    }
    rows = rows_of(found, "call_event", row)
    rows[0]["host_charge_amount"] = Decimal(sum(amounts)) / 10**decimals if amounts else None
    told = {"fileSequenceNumber": number, "callEventDetail": (kind, event), "errorDetail": found}
    return told, rows, sum(amounts)


def fatal(random: Random, _: int) -> tuple[dict[str, Any], Rows, int]:
    number = sequence(random)
    told: dict[str, Any] = {"fileSequenceNumber": number}
    row, rows = {"record_type": "fatal_return", "tap_sequence": number.decode()}, []
    batch = modules.members(modules.members(modules.rap())["returnBatch"])["returnDetails"]._cont
    parts = modules.members(modules.members(batch)["fatalReturn"])
    for name in sorted(random.sample(list(PARTS), random.choice([1, 1, 2])), key=list(PARTS).index):
        inside, part = PARTS[name]
        found = errors(random)
        kind = modules.members(parts[name])
        returned = {} if inside is None else {inside: value(kind[inside], random, Habits(tap.LEAVES, 0.5, most=2))}
        told[name] = {**returned, "errorDetail": found}
        rows += rows_of(found, part, row)
    return told, rows, 0


def missing(random: Random, _: int) -> tuple[dict[str, Any], Rows, int]:
    told = {"startMissingSeqNumber": sequence(random)}
    if random.random() < 0.5:
        told["endMissingSeqNumber"] = sequence(random)
    first, last = (stripped(told.get(name)) for name in ("startMissingSeqNumber", "endMissingSeqNumber"))
    return told, [{"record_type": "missing_return", "tap_sequence": first, "tap_sequence_to": last}], 0


def stop(random: Random, _: int) -> tuple[dict[str, Any], Rows, int]:
    last = sequence(random)
    return {"lastSeqNumber": last}, [{"record_type": "stop_return", "tap_sequence": last.decode()}], 0


DETAILS: dict[str, Callable[[Random, int], tuple[dict[str, Any], Rows, int]]] = {
    "severeReturn": severe,
    "fatalReturn": fatal,
    "missingReturn": missing,
    "stopReturn": stop,
}


def control(random: Random, decimals: int | None) -> dict[str, Any]:
    scale = {} if decimals is None else {"tapDecimalPlaces": decimals, "tapCurrency": b"SDR"}
    return {
        "sender": b"CHNMV",
        "recipient": b"AUTPT",
        "rapFileSequenceNumber": sequence(random),
        "rapFileCreationTimeStamp": tap.zoned(random),
        "rapFileAvailableTimeStamp": tap.zoned(random),
        "specificationVersionNumber": 3,
        "releaseVersionNumber": 12,
        "rapSpecificationVersionNumber": 1,
        "rapReleaseVersionNumber": 5,
        **({"roamingPartner": b"EUR01"} if random.random() < 0.5 else {}),
        **scale,
    }


def file_of(random: Random, count: int, *, decimals: int | None = 3) -> tuple[bytes, Rows]:
    """A file of so many returned details; without decimals it has no severe ones."""
    kinds = [name for name in DETAILS if decimals is not None or name != "severeReturn"]
    head, details, rows, total = control(random, decimals), [], [], 0
    said = {"sender": "CHNMV", "recipient": "AUTPT", "roaming_partner": stripped(head.get("roamingPartner"))}
    said |= {"rap_sequence": head["rapFileSequenceNumber"].decode(), "tap_currency": stripped(head.get("tapCurrency"))}
    for _ in range(count):
        kind = random.choice(kinds)
        told, meant, charge = DETAILS[kind](random, decimals or 0)
        details.append((kind, told))
        rows += [dict.fromkeys(COLUMNS) | said | row for row in meant]
        total += charge
    audit = {"totalSevereReturnValue": total, "returnDetailsCount": count}
    batch = {"rapBatchControlInfoRap": head, "returnDetails": details, "rapAuditControlInfo": audit}
    return modules.rap_codec().encode("RapDataInterChange", ("returnBatch", batch)), rows


def acknowledgement(random: Random) -> bytes:
    """A file that says a RAP file was received."""
    told = {
        "sender": b"AUTPT",
        "recipient": b"CHNMV",
        "rapFileSequenceNumber": sequence(random),
        "ackFileCreationTimeStamp": tap.zoned(random),
        "ackFileAvailableTimeStamp": tap.zoned(random),
    }
    return modules.rap_codec().encode("RapDataInterChange", ("acknowledgement", told))
