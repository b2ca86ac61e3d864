"""Random TAP files, 3.11 and 3.12, and what each of their events means.

Conventions
-----------
- A file is a value of `DataInterChange` whose control totals are right, and the usage rows that it means, as columns
  by name; missing is None.
- BCD of TAP has the first digit in the high half of an octet and one F at the end of an odd number of digits.
- Files are made whole; what is damaged is told by families of malformed input.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from tests.asn1 import modules
from tests.asn1.tap_rows import TOTAL, Tables, charges, meaning, wherever
from tests.asn1.values import Habits, digits, text, value, whole

EVENTS_311 = (
    *("mobileOriginatedCall", "mobileTerminatedCall", "supplServiceEvent", "serviceCentreUsage", "gprsCall"),
    *("contentTransaction", "locationService"),
)
EVENTS = (*EVENTS_311, "messagingEvent", "mobileSession")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(2004, 2, 29), datetime(2031, 12, 31)
NO_CODE = 99  # of a time zone or recording entity that the file does not declare


def bcd(text: str) -> bytes:
    """Digits as TAP packs them."""
    return bytes.fromhex(text + "f" * (len(text) % 2))


def stamp(random: Random) -> bytes:
    """A local time of 14 digits."""
    instant = FIRST + timedelta(seconds=random.randrange(int((LAST - FIRST).total_seconds())))
    return instant.strftime("%Y%m%d%H%M%S").encode()


def offset(random: Random) -> bytes:
    """A UTC offset of a sign and four digits."""
    minutes = 15 * random.randint(-48, 56)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}".encode()


def padded(random: Random) -> bytes:
    """Text, at times with spaces before or after it that are no part of it."""
    return b" " * random.choice([0, 0, 0, 2]) + text(random, 1, 20).encode() + b" " * random.choice([0, 0, 0, 3])


def party(random: Random, kind: str, name: str) -> dict[str, Any]:
    """An IMSI, a number, or something else by which a subscriber is known."""
    number = random.choice([1, 2, 3])
    return {kind: number, name: digits(random, 8, 15).encode() if number < 3 else padded(random)}


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
    "ChargedPartyIdentification": lambda random: party(random, "chargedPartyIdType", "chargedPartyIdentifier"),
    "TrackingCustomerIdentification": lambda random: party(random, "customerIdType", "customerIdentifier"),
    "AsciiString": padded,
    "OperatorSpecInformation": padded,
    "Charge": whole(10**9),
    "CamelInvocationFee": whole(10**6),
    "ChargeRefundIndicator": lambda random: random.choice([0, 0, 1]),
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


class File(NamedTuple):
    value: tuple[str, dict[str, Any]]
    rows: list[dict[str, Any]]

    def encoded(self) -> bytes:
        return modules.tap_codec().encode("DataInterChange", self.value)


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


def tables_of(random: Random) -> Tables:
    """Codes and what they stand for."""
    return Tables(
        sender=LEAVES["PlmnId"](random).decode(),
        currency=random.choice(["XDR", "EUR", "USD"]),
        decimals=random.randint(0, 6),
        zones={code: offset(random) for code in (0, 1, 2, 3, 5)},
        entities={code: (random.randint(1, 8), digits(random, 8, 12)) for code in (0, 1, 2, 3)},
        rates={code: Decimal(random.randrange(1, 10**7)) / 10**5 for code in (0, 1)},
    )


def network(tables: Tables) -> dict[str, Any]:
    return {
        "utcTimeOffsetInfo": [
            {"utcTimeOffsetCode": code, "utcTimeOffset": each} for code, each in tables.zones.items()
        ],
        "recEntityInfo": [
            {"recEntityCode": code, "recEntityType": kind, "recEntityId": each.encode()}
            for code, (kind, each) in tables.entities.items()
        ],
    }


def accounting(tables: Tables) -> dict[str, Any]:
    rates = [
        {"exchangeRateCode": code, "numberOfDecimalPlaces": 5, "exchangeRate": int(rate * 10**5)}
        for code, rate in tables.rates.items()
    ]
    told = {"localCurrency": b"CNY", "tapCurrency": tables.currency.encode(), "currencyConversionInfo": rates}
    return told | {"tapDecimalPlaces": tables.decimals}


def audit(events: list[tuple[str, dict]], random: Random) -> dict[str, Any]:
    amounts = [amount for _, event in events for part in event.get("contentServiceUsed", [event])
               for amount in charges(part)]  # fmt: skip
    refunds = -sum(amount for amount in amounts if amount < 0)
    return {
        "earliestCallTimeStamp": zoned(random),
        "latestCallTimeStamp": zoned(random),
        "totalCharge": sum(amounts) + refunds,
        **({"totalChargeRefund": refunds} if refunds else {}),
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
    tables = tables_of(random)
    batch = {
        "batchControlInfo": batch_control(random, release) | {"sender": tables.sender.encode()},
        "accountingInfo": accounting(tables),
        "networkInfo": network(tables),
        "callEventDetails": events,
        "auditControlInfo": audit(events, random),
    }
    return File(("transferBatch", batch), [row for kind, event in events for row in meaning(kind, event, tables)])


def notification(random: Random) -> bytes:
    """A file that says there was no traffic."""
    told = batch_control(random, 12) | {"releaseVersionNumber": 11}
    return modules.tap_codec().encode("DataInterChange", ("notification", told))
