"""Random TAP files, 3.11 and 3.12, and what each of their events means.

Conventions
-----------
- A file is a value of `DataInterChange` whose control totals are right, and `Event`s in its order.
- An `Event` is told in words of its own: times in seconds, charges as integers of the file's scale, missing is None.
  Which column it belongs to is for the tests to say.
- BCD of TAP has the first digit in the high half of an octet and one F at the end of an odd number of digits.
- Incoming is what the subscriber receives, outgoing what it sends. A charge is what stands under charge type 00.
- Files are made whole; what is damaged is told by families of malformed input.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from tests.asn1 import modules
from tests.asn1.values import Habits, digits, text, value, whole

EVENTS_311 = (
    *("mobileOriginatedCall", "mobileTerminatedCall", "supplServiceEvent", "serviceCentreUsage", "gprsCall"),
    *("contentTransaction", "locationService"),
)
EVENTS = (*EVENTS_311, "messagingEvent", "mobileSession")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(2004, 2, 29), datetime(2031, 12, 31)
TOTAL = b"00"
NO_CODE = 99  # of a time zone or recording entity that the file does not declare


def bcd(text: str) -> bytes:
    """Digits as TAP packs them."""
    return bytes.fromhex(text + "f" * (len(text) % 2))


def unpacked(octets: bytes) -> str:
    return octets.hex().removesuffix("f")


def stamp(random: Random) -> bytes:
    """A local time of 14 digits."""
    instant = FIRST + timedelta(seconds=random.randrange(int((LAST - FIRST).total_seconds())))
    return instant.strftime("%Y%m%d%H%M%S").encode()


def offset(random: Random) -> bytes:
    """A UTC offset of a sign and four digits."""
    minutes = 15 * random.randint(-48, 56)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}".encode()


def seconds_of(offset: bytes) -> int:
    sign = -1 if offset[:1] == b"-" else 1
    return sign * (int(offset[1:3]) * 3600 + int(offset[3:5]) * 60)


def padded(random: Random) -> bytes:
    """Text, at times with spaces before or after it that are no part of it."""
    return b" " * random.choice([0, 0, 0, 2]) + text(random, 1, 20).encode() + b" " * random.choice([0, 0, 0, 3])


LEAVES = {
    "LocalTimeStamp": stamp,
    "UtcTimeOffset": offset,
    "Imsi": lambda random: bcd("460" + digits(random, 11, 12)),
    "Msisdn": lambda random: bcd("86" + random.choice("1357") + digits(random, 6, 10)),
    "Imei": lambda random: bcd(digits(random, 14, 16)),
    "AddressStringDigits": lambda random: bcd(digits(random, 1, 20)),
    "Min": lambda random: digits(random, 10, 10).encode(),
    "Mdn": lambda random: b"1" + digits(random, 9, 9).encode(),
    "Esn": lambda random: digits(random, 8, 11).encode(),
    "PlmnId": lambda random: bytes(random.choices(b"ABCDEFGHIKLMNOPRSTUVWXYZ0123456789", k=5)),
    "NetworkId": lambda random: bytes(random.choices(b"ABCDEFGHIKLMNOPRSTUVWXYZ0123456789", k=random.randint(5, 6))),
    "FileSequenceNumber": lambda random: digits(random, 5, 5).encode(),
    "TaxRate": lambda random: digits(random, 7, 7).encode(),
    "TeleServiceCode": lambda random: random.choice([b"11", b"12", b"21", b"22", b"61"]),
    "BearerServiceCode": lambda random: random.choice([b"20", b"30", b"37"]),
    "HexString": lambda random: b"%02X" % random.randrange(256),
    "ChargeType": lambda random: random.choice([TOTAL, TOTAL, b"01", b"03", b"10", b"50"]),
    "ChargedItem": lambda random: random.choice([b"A", b"D", b"E", b"P", b"V", b"W", b"X"]),
    "PartialTypeIndicator": lambda random: random.choice([b"F", b"I", b"L"]),
    "FileTypeIndicator": lambda random: b"T",
    "Currency": lambda random: random.choice([b"EUR", b"USD", b"CNY"]),
    "AsciiString": padded,
    "OperatorSpecInformation": padded,
    "Charge": whole(10**9),
    "CamelInvocationFee": whole(10**6),
    "ChargeRefundIndicator": lambda random: 0,
    "UtcTimeOffsetCode": lambda random: random.choice([0, 1, 2, 3, 3, 5, NO_CODE]),
    "RecEntityCode": lambda random: random.choice([0, 1, 2, 3, NO_CODE]),
    "ExchangeRateCode": lambda random: random.choice([0, 1]),
    "TotalCallEventDuration": whole(10**6),
    "DataVolumeIncoming": whole(1 << 42),
    "DataVolumeOutgoing": whole(1 << 42),
    "ChargingId": whole((1 << 32) - 1),
    "LocationArea": whole((1 << 16) - 1),
    "CellId": whole((1 << 28) - 1),
    "CauseForTerm": lambda random: random.choice([0, 0, 1, 3, 4, 7, 31]),
}


class Event(NamedTuple):
    """What one event says, whatever its type; a list of codes is that of its recording entities."""

    kind: str
    imsi: str | None = None
    msisdn: str | None = None
    imei: str | None = None
    other_party: str | None = None
    teleservice: str | None = None
    local_time: str | None = None
    utc_offset_s: int | None = None
    start_us: int | None = None
    duration_s: int | None = None
    outgoing_bytes: int | None = None
    incoming_bytes: int | None = None
    apn: str | None = None
    charging_id: int | None = None
    cause: int | None = None
    partial: str | None = None
    entities: list[str | None] | None = None
    area: int | None = None
    cell: int | None = None
    reference: bytes | None = None
    charge: int | None = None


class File(NamedTuple):
    value: tuple[str, dict[str, Any]]
    events: list[Event]
    decimals: int
    currency: str

    def encoded(self) -> bytes:
        return modules.tap_codec().encode("DataInterChange", self.value)


# ---------------------------------------------------------------------------------------- what it means


def under(tree: Any, *path: str) -> Any:
    """What stands at the end of a path, through choices; None where it is not."""
    for name in path:
        if isinstance(tree, tuple):
            tree = tree[1]
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def wherever(tree: Any, name: str) -> Iterator[Any]:
    """Every value of a name, at any depth."""
    if isinstance(tree, dict):
        for each, inner in tree.items():
            if each == name:
                yield inner
            yield from wherever(inner, name)
    elif isinstance(tree, list):
        for inner in tree:
            yield from wherever(inner, name)
    elif isinstance(tree, tuple):
        yield from wherever({tree[0]: tree[1]}, name)


def stripped(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode().strip(" ") or None


def charges(event: Any) -> list[int]:
    """Every amount that belongs to an event's total."""
    details = [each for found in wherever(event, "chargeDetailList") for each in found]
    found = [each["charge"] for each in details if each.get("chargeType") == TOTAL and "charge" in each]
    found += list(wherever(event, "camelInvocationFee"))
    return found + ([event["charge"]] if "charge" in event else [])


def times(found: dict | None, zones: dict[int, bytes]) -> dict[str, Any]:
    """A time that says its zone by a code of the file's."""
    if not found or "localTimeStamp" not in found:
        return {}
    local = found["localTimeStamp"].decode()
    zone = zones.get(found.get("utcTimeOffsetCode"))
    if zone is None:
        return {"local_time": local}
    instant = datetime.strptime(local, "%Y%m%d%H%M%S").replace(tzinfo=UTC) - timedelta(seconds=seconds_of(zone))
    microseconds = (instant - EPOCH) // timedelta(microseconds=1)
    return {"local_time": local, "utc_offset_s": seconds_of(zone), "start_us": microseconds}


def subscriber(found: Any) -> dict[str, Any]:
    imsi, msisdn = under(found, "imsi"), under(found, "msisdn")
    return {"imsi": imsi and unpacked(imsi), "msisdn": msisdn and unpacked(msisdn)}


def equipment(event: dict) -> str | None:
    kind, octets = event.get("equipmentIdentifier") or (None, b"")
    return unpacked(octets) if kind == "imei" else None


def call(kind: str, event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    """A call or short message, of either direction."""
    basic = event.get("basicCallInformation", {})
    network = under(event, "locationInformation", "networkLocation") or {}
    services = event.get("basicServiceUsedList") or [{}]
    service, code = under(services[0], "basicService", "serviceCode") or (None, b"")
    if kind == "mobileOriginatedCall":
        parties = basic.get("destination", {})
        number, *others = parties.get("calledNumber"), parties.get("sMSDestinationNumber"), parties.get("dialledDigits")
    else:
        parties = basic.get("callOriginator", {})
        number, *others = parties.get("callingNumber"), parties.get("sMSOriginator")
    texts = [stripped(each) for each in others if stripped(each)]
    return {
        **subscriber(basic.get("chargeableSubscriber")),
        **times(basic.get("callEventStartTimeStamp"), zones),
        "imei": equipment(event),
        "teleservice": code.decode() if service == "teleServiceCode" else None,
        "other_party": unpacked(number) if number is not None else next(iter(texts), None),
        "duration_s": basic.get("totalCallEventDuration"),
        "cause": basic.get("causeForTerm"),
        "entities": [entities.get(network["recEntityCode"])] if "recEntityCode" in network else None,
        "area": network.get("locationArea"),
        "cell": network.get("cellId"),
        "reference": network.get("callReference"),
    }


def data(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    basic = event.get("gprsBasicCallInformation", {})
    network = under(event, "gprsLocationInformation", "gprsNetworkLocation") or {}
    return {
        **subscriber(under(basic, "gprsChargeableSubscriber", "chargeableSubscriber")),
        **times(basic.get("callEventStartTimeStamp"), zones),
        "imei": equipment(event),
        "duration_s": basic.get("totalCallEventDuration"),
        "cause": basic.get("causeForTerm"),
        "partial": stripped(basic.get("partialTypeIndicator")),
        "charging_id": basic.get("chargingId"),
        "apn": stripped(under(basic, "gprsDestination", "accessPointNameNI")),
        "incoming_bytes": under(event, "gprsServiceUsed", "dataVolumeIncoming"),
        "outgoing_bytes": under(event, "gprsServiceUsed", "dataVolumeOutgoing"),
        "entities": [entities.get(code) for code in network["recEntity"]] if "recEntity" in network else None,
        "area": network.get("locationArea"),
        "cell": network.get("cellId"),
    }


def supplementary(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    network = under(event, "locationInformation", "networkLocation") or {}
    return {
        **subscriber(event.get("chargeableSubscriber")),
        **times(under(event, "supplServiceUsed", "chargingTimeStamp"), zones),
        "imei": equipment(event),
        "entities": [entities.get(network["recEntityCode"])] if "recEntityCode" in network else None,
        "area": network.get("locationArea"),
        "cell": network.get("cellId"),
        "reference": network.get("callReference"),
    }


def service_centre(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    basic = event.get("basicInformation", {})
    return {
        **subscriber(basic.get("chargeableSubscriber")),
        **times(under(event, "scuTimeStamps", "depositTimeStamp"), zones),
        "other_party": stripped(basic.get("nonChargedNumber")),
        "entities": [entities.get(event["recEntityCode"])] if "recEntityCode" in event else None,
    }


def content(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    basic = event.get("contentTransactionBasicInfo", {})
    return {**times(basic.get("orderPlacedTimeStamp"), zones), "duration_s": basic.get("totalTransactionDuration")}


def location(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    requested = under(event, "locationServiceUsage", "lCSQosRequested", "lCSRequestTimestamp")
    return {
        **times(requested, zones),
        "entities": [entities.get(event["recEntityCode"])] if "recEntityCode" in event else None,
        "reference": event.get("callReference"),
    }


def session(event: dict, zones: dict, entities: dict) -> dict[str, Any]:
    """A messaging event or a mobile session."""
    imei, number = under(event, "chargedParty", "imei"), under(event, "nonChargedParty", "nonChargedPartyNumber")
    return {
        **subscriber(event.get("chargedParty")),
        **times(event.get("serviceStartTimestamp"), zones),
        "imei": imei and unpacked(imei),
        "other_party": number and unpacked(number),
        "duration_s": event.get("totalCallEventDuration"),
        "cause": event.get("causeForTerm"),
        "entities": [entities.get(code) for code in event["recEntityCodeList"]]
        if "recEntityCodeList" in event
        else None,
        "area": event.get("locationArea"),
        "cell": event.get("cellId"),
    }


READERS = {
    "mobileOriginatedCall": lambda *parts: call("mobileOriginatedCall", *parts),
    "mobileTerminatedCall": lambda *parts: call("mobileTerminatedCall", *parts),
    "supplServiceEvent": supplementary,
    "serviceCentreUsage": service_centre,
    "gprsCall": data,
    "contentTransaction": content,
    "locationService": location,
    "messagingEvent": session,
    "mobileSession": session,
}


def meaning(kind: str, event: dict, zones: dict[int, bytes], entities: dict[int, str]) -> Event:
    found = charges(event)
    return Event(kind, **READERS[kind](event, zones, entities), charge=sum(found) if found else None)


# ------------------------------------------------------------------------------------------- made whole


def zoned(random: Random) -> dict[str, bytes]:
    return {"localTimeStamp": stamp(random), "utcTimeOffset": offset(random)}


def batch_control(random: Random, release: int) -> dict[str, Any]:
    return {
        "sender": LEAVES["PlmnId"](random),
        "recipient": LEAVES["PlmnId"](random),
        "fileSequenceNumber": digits(random, 5, 5).encode(),
        "fileCreationTimeStamp": zoned(random),
        "transferCutOffTimeStamp": zoned(random),
        "fileAvailableTimeStamp": zoned(random),
        "specificationVersionNumber": 3,
        "releaseVersionNumber": release,
        "fileTypeIndicator": b"T",
    }


def network(random: Random) -> tuple[dict[str, Any], dict[int, bytes], dict[int, str]]:
    """Codes of time zones and recording entities, and what they stand for."""
    zones = {code: offset(random) for code in (0, 1, 2, 3, 5)}
    entities = {code: digits(random, 8, 12) for code in (0, 1, 2, 3)}
    told = {
        "utcTimeOffsetInfo": [{"utcTimeOffsetCode": code, "utcTimeOffset": each} for code, each in zones.items()],
        "recEntityInfo": [
            {"recEntityCode": code, "recEntityType": random.randint(1, 8), "recEntityId": each.encode()}
            for code, each in entities.items()
        ],
    }
    return told, zones, entities


def audit(events: list[tuple[str, dict]], random: Random) -> dict[str, Any]:
    return {
        "earliestCallTimeStamp": zoned(random),
        "latestCallTimeStamp": zoned(random),
        "totalCharge": sum(sum(charges(event)) for _, event in events),
        "totalTaxValue": sum(found for _, event in events for found in wherever(event, "taxValue")),
        "totalDiscountValue": sum(found for _, event in events for found in wherever(event, "discount")),
        "callEventDetailsCount": len(events),
    }


# What no event of these files does without.
ALWAYS = frozenset(
    [
        *("chargeableSubscriber", "imsi", "msisdn", "basicCallInformation", "callEventStartTimeStamp"),
        *("localTimeStamp", "utcTimeOffsetCode", "gprsBasicCallInformation", "gprsChargeableSubscriber"),
        *("basicServiceUsedList", "basicService", "serviceCode", "basicInformation", "scuTimeStamps"),
        *("depositTimeStamp", "supplServiceUsed", "chargingTimeStamp", "contentTransactionBasicInfo"),
        *("orderPlacedTimeStamp", "locationServiceUsage", "lCSQosRequested", "lCSRequestTimestamp"),
        *("chargedParty", "serviceStartTimestamp", "totalCallEventDuration", "gprsServiceUsed"),
    ]
)


def file_of(random: Random, kinds: list[str], *, always: frozenset[str] = ALWAYS, share: float = 0.75) -> File:
    """A file of so many events of these kinds."""
    habits = Habits(LEAVES, share, always, most=2)
    types = modules.members(modules.members(modules.members(modules.tap().DataInterChange)["transferBatch"])
                            ["callEventDetails"]._cont)  # fmt: skip
    events = [(kind, value(types[kind], random, habits)) for kind in kinds]
    release = 12 if set(kinds) - set(EVENTS_311) else random.choice([11, 12])
    told, zones, entities = network(random)
    decimals = random.randint(0, 6)
    accounting = {
        "localCurrency": b"CNY",
        "tapCurrency": random.choice([b"SDR", b"XDR", b"EUR"]),
        "currencyConversionInfo": [
            {"exchangeRateCode": code, "numberOfDecimalPlaces": 5, "exchangeRate": random.randrange(1, 10**7)}
            for code in (0, 1)
        ],
        "tapDecimalPlaces": decimals,
    }
    batch = {
        "batchControlInfo": batch_control(random, release),
        "accountingInfo": accounting,
        "networkInfo": told,
        "callEventDetails": events,
        "auditControlInfo": audit(events, random),
    }
    means = [meaning(kind, event, zones, entities) for kind, event in events]
    return File(("transferBatch", batch), means, decimals, accounting["tapCurrency"].decode())


def notification(random: Random) -> bytes:
    """A file that says there was no traffic."""
    told = batch_control(random, 12) | {"releaseVersionNumber": 11}
    return modules.tap_codec().encode("DataInterChange", ("notification", told))
