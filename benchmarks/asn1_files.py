"""TAP files and PGW records for the benchmarks: millions of events, every one another, control totals right.

Conventions
-----------
- An event is first encoded once, by an independent library, with a marker where a value belongs; then thousands at a
  time are copies of these octets with their values put in. So lengths are those of the templates, values vary.
- TAP: 40 % originated (a quarter of them short messages), 20 % terminated, 40 % data; about 300 bytes and 50 elements.
  PGW: 1 to 8 containers of service data a record. Every kind has templates that differ in what is left out.
- The transfer batch has an indefinite length, as many producers write it; the list of events a definite one.
- A file depends on the number of events and the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.asn1 import ber, modules

CHUNK = 20_000
DECIMALS = 3
LONGEST = 4096  # bytes that no record has
MONTH = b"202606"
Column = Callable[[np.random.Generator, int], np.ndarray]  # values of so many events, as octets (events, width)


# ------------------------------------------------------------------------------------------ what varies


def octets(numbers: np.ndarray, width: int) -> np.ndarray:
    """Integers as big-endian octets."""
    return numbers.astype(">u8").view(np.uint8).reshape(len(numbers), 8)[:, 8 - width :]


def integers(width: int) -> Column:
    """Non-negative integers that need just so many octets."""
    least, most = 1 << (8 * width - 8), 1 << (8 * width - 1)
    return lambda draw, events: octets(draw.integers(least, most, events), width)


def digit_pairs(draw: np.random.Generator, events: int, pairs: int, swapped: bool) -> np.ndarray:
    first, second = draw.integers(0, 10, (2, events, pairs)).astype(np.uint8)
    return (second << 4 | first) if swapped else (first << 4 | second)


def number(head: str, digits: int, *, swapped: bool) -> Column:
    """Packed digits after a fixed head of whole octets; an odd number ends in F."""
    start = np.frombuffer(bytes.fromhex(head), np.uint8)

    def make(draw: np.random.Generator, events: int) -> np.ndarray:
        pairs = digit_pairs(draw, events, (digits + 1) // 2, swapped)
        if digits % 2:
            pairs[:, -1] |= 0xF0 if swapped else 0x0F
        return np.hstack([np.tile(start, (events, 1)), pairs])

    return make


def clock(draw: np.random.Generator, events: int) -> list[np.ndarray]:
    """Day, hour, minute and second."""
    limits = ((1, 31), (0, 24), (0, 60), (0, 60))
    return [draw.integers(least, most, events).astype(np.uint8) for least, most in limits]


def local_times(draw: np.random.Generator, events: int) -> np.ndarray:
    """Fourteen digits."""
    parts = [each for part in clock(draw, events) for each in (part // 10 + 48, part % 10 + 48)]
    return np.hstack([np.tile(np.frombuffer(MONTH, np.uint8), (events, 1)), np.stack(parts, axis=1)])


def packed_times(draw: np.random.Generator, events: int) -> np.ndarray:
    """The nine octets of TS 32.298, at +08:00."""
    parts = [part // 10 << 4 | part % 10 for part in clock(draw, events)]
    ends = [np.tile(np.frombuffer(each, np.uint8), (events, 1)) for each in (b"\x26\x06", b"\x2b\x08\x00")]
    return np.hstack([ends[0], np.stack(parts, axis=1), ends[1]])


def random_octets(width: int) -> Column:
    return lambda draw, events: draw.integers(0, 256, (events, width)).astype(np.uint8)


# ------------------------------------------------------------------------------------------- templates


class Patch(NamedTuple):
    at: int
    width: int
    column: Column
    summed: bool


class Template(NamedTuple):
    """An event's octets, and what is put in where."""

    octets: np.ndarray
    patches: list[Patch]
    share: float


class Markers:
    """Stand-ins for values, none like another, that are found again in what was encoded."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, Column, bool]] = []

    def octets(self, column: Column, *, summed: bool = False) -> bytes:
        width = column(np.random.default_rng(0), 1).shape[1]
        place = 0x41 + len(self.made)
        marker = bytes([place] * width) if width > 1 else bytes([place])
        self.made.append((marker, column, summed))
        return marker

    def integer(self, width: int, *, summed: bool = False) -> int:
        return int.from_bytes(self.octets(integers(width), summed=summed), "big")

    def template(self, encoded: bytes, share: float) -> Template:
        patches = []
        for marker, column, summed in self.made:
            assert encoded.count(marker) == 1, f"the marker {marker!r} is not found once"
            patches.append(Patch(encoded.index(marker), len(marker), column, summed))
        return Template(np.frombuffer(encoded, np.uint8), patches, share)


# ------------------------------------------------------------------------------------------------- TAP


def charged(markers: Markers, item: bytes, taxed: bool) -> list[dict[str, Any]]:
    details = [
        {"chargeType": b"00", "charge": markers.integer(3, summed=True), "chargeableUnits": markers.integer(2),
         "chargedUnits": markers.integer(2)},
        {"chargeType": b"01", "charge": markers.integer(3)},
    ]  # fmt: skip
    told = {"chargedItem": item, "exchangeRateCode": 0, "chargeDetailList": details}
    told["callTypeGroup"] = {"callTypeLevel1": 1, "callTypeLevel2": 0, "callTypeLevel3": 0}
    if taxed:
        told["taxInformation"] = [{"taxCode": 0, "taxValue": markers.integer(2), "taxableAmount": markers.integer(3)}]
    return [told]


def moment(markers: Markers) -> dict[str, Any]:
    return {"localTimeStamp": markers.octets(local_times), "utcTimeOffsetCode": 0}


def subscriber(markers: Markers) -> tuple[str, dict[str, bytes]]:
    imsi, msisdn = number("460019", 9, swapped=False), number("8613", 9, swapped=False)
    return "simChargeableSubscriber", {"imsi": markers.octets(imsi), "msisdn": markers.octets(msisdn)}


def place(markers: Markers) -> dict[str, Any]:
    network = {"recEntityCode": 0, "callReference": markers.octets(random_octets(5))}
    network |= {"locationArea": markers.integer(2), "cellId": markers.integer(3)}
    return {"networkLocation": network, "geographicalLocation": {"servingNetwork": b"AUTPT"}}


def call(kind: str, service: bytes, taxed: bool, share: float) -> Template:
    """A call or a short message."""
    markers = Markers()
    party = number("8613", 9, swapped=False)
    basic: dict[str, Any] = {"chargeableSubscriber": subscriber(markers)}
    if kind == "mobileOriginatedCall":
        basic["destination"] = {"calledNumber": markers.octets(party), "dialledDigits": b"013800138000"}
        basic["destinationNetwork"] = b"CHNCM"
    else:
        basic["callOriginator"] = {"callingNumber": markers.octets(party)}
    basic |= {"callEventStartTimeStamp": moment(markers), "totalCallEventDuration": markers.integer(2)}
    basic["causeForTerm"] = 0
    used = {
        "basicService": {"serviceCode": ("teleServiceCode", service), "transparencyIndicator": 0},
        "chargingTimeStamp": moment(markers),
        "chargeInformationList": charged(markers, b"D", taxed),
    }
    event = {
        "basicCallInformation": basic,
        "locationInformation": place(markers),
        "equipmentIdentifier": ("imei", markers.octets(number("3512", 11, swapped=False))),
        "basicServiceUsedList": [used],
    }
    return markers.template(event_octets(kind, event), share)


def data(taxed: bool, partial: bytes, share: float) -> Template:
    """A data session, or a part of one."""
    markers = Markers()
    basic = {
        "gprsChargeableSubscriber": {"chargeableSubscriber": subscriber(markers), "pdpAddress": b"10.24.161.203"},
        "gprsDestination": {"accessPointNameNI": b"3gnet", "accessPointNameOI": b"mnc001.mcc460.gprs"},
        "callEventStartTimeStamp": moment(markers),
        "totalCallEventDuration": markers.integer(2),
        "causeForTerm": 0,
        "chargingId": markers.integer(4),
    }
    if partial:
        basic["partialTypeIndicator"] = partial
    network = {"recEntity": [0, 1], "locationArea": markers.integer(2), "cellId": markers.integer(3)}
    event = {
        "gprsBasicCallInformation": basic,
        "gprsLocationInformation": {
            "gprsNetworkLocation": network,
            "geographicalLocation": {"servingNetwork": b"AUTPT"},
        },
        "equipmentIdentifier": ("imei", markers.octets(number("3512", 11, swapped=False))),
        "gprsServiceUsed": {
            "dataVolumeIncoming": markers.integer(4),
            "dataVolumeOutgoing": markers.integer(3),
            "chargeInformationList": charged(markers, b"X", taxed),
        },
    }
    return markers.template(event_octets("gprsCall", event), share)


def in_batch(events: list[tuple[str, dict]]) -> ber.Node:
    """The list of events of a batch that has nothing else."""
    encoded = modules.tap_codec().encode("DataInterChange", ("transferBatch", {"callEventDetails": events}))
    return ber.parse(encoded)[0].body[0]


def event_octets(kind: str, event: dict[str, Any]) -> bytes:
    return ber.emit(in_batch([(kind, event)]).body[0])


def tap_templates() -> list[Template]:
    return [
        *(call("mobileOriginatedCall", b"11", taxed, 0.15) for taxed in (True, False)),
        *(call("mobileOriginatedCall", b"22", taxed, 0.05) for taxed in (True, False)),
        *(call("mobileTerminatedCall", b"11", taxed, 0.10) for taxed in (True, False)),
        *(data(taxed, partial, 0.10) for taxed in (True, False) for partial in (b"", b"L")),
    ]


def envelope(events: int, charge: int) -> list[ber.Node]:
    """All of a batch but its events."""
    stamp = {"localTimeStamp": b"20260701000000", "utcTimeOffset": b"+0200"}
    entities = [(0, 1, b"43664000001"), (1, 3, b"10.0.0.1")]
    batch = {
        "batchControlInfo": {
            "sender": b"AUTPT", "recipient": b"CHNCU", "fileSequenceNumber": b"00001",
            "fileCreationTimeStamp": stamp, "transferCutOffTimeStamp": stamp, "fileAvailableTimeStamp": stamp,
            "specificationVersionNumber": 3, "releaseVersionNumber": 12, "fileTypeIndicator": b"T",
        },
        "accountingInfo": {
            "taxation": [{"taxCode": 0, "taxType": b"13", "taxRate": b"2000000"}],
            "localCurrency": b"EUR", "tapCurrency": b"XDR",
            "currencyConversionInfo": [{"exchangeRateCode": 0, "numberOfDecimalPlaces": 5, "exchangeRate": 138776}],
            "tapDecimalPlaces": DECIMALS,
        },
        "networkInfo": {
            "utcTimeOffsetInfo": [{"utcTimeOffsetCode": 0, "utcTimeOffset": b"+0200"}],
            "recEntityInfo": [
                {"recEntityCode": code, "recEntityType": kind, "recEntityId": each} for code, kind, each in entities
            ],
        },
        "auditControlInfo": {
            "earliestCallTimeStamp": stamp, "latestCallTimeStamp": stamp, "totalCharge": charge,
            "totalTaxValue": 0, "totalDiscountValue": 0, "callEventDetailsCount": events,
        },
    }  # fmt: skip
    return ber.parse(modules.tap_codec().encode("DataInterChange", ("transferBatch", batch)))[0].body


# ------------------------------------------------------------------------------------------------- PGW


def container(markers: Markers, bare: bool) -> dict[str, Any]:
    told = {
        "ratingGroup": markers.integer(2),
        "localSequenceNumber": markers.integer(3),
        "serviceConditionChange": (b"\x04\x00\x00\x00", 32),
        "datavolumeFBCUplink": markers.integer(3),
        "datavolumeFBCDownlink": markers.integer(4),
        "timeOfReport": markers.octets(packed_times),
    }
    if not bare:
        told |= {name: markers.octets(packed_times) for name in ("timeOfFirstUsage", "timeOfLastUsage")}
        told |= {"chargingRuleBaseName": "default-rule", "timeUsage": markers.integer(2)}
    return told


def session(containers: int, bare: bool) -> Template:
    """A record of so many containers of service data."""
    markers = Markers()
    address = ("iPBinaryAddress", ("iPBinV4Address", bytes([10, 0, 0, 1])))
    record = {
        "recordType": 85,
        "servedIMSI": markers.octets(number("640019", 9, swapped=True)),
        "p-GWAddress": address,
        "chargingID": markers.integer(4),
        "servingNodeAddress": [address],
        "accessPointNameNI": "3gnet",
        "recordOpeningTime": markers.octets(packed_times),
        "duration": markers.integer(2),
        "causeForRecClosing": 0,
        "nodeID": "pgw-07",
        "localSequenceNumber": markers.integer(4),
        "servedMSISDN": markers.octets(number("916831", 9, swapped=True)),
        "chargingCharacteristics": b"\x08\x00",
        "servingNodePLMNIdentifier": b"\x64\xf0\x10",
        "servedIMEI": markers.octets(number("5321", 11, swapped=True)),
        "rATType": 6,
        "mSTimeZone": b"\x23\x00",
        "userLocationInformation": markers.octets(random_octets(8)),
        "listOfServiceData": [container(markers, bare) for _ in range(containers)],
        "servingNodeType": ["gTPSGW"],
    }
    return markers.template(modules.gprs_codec().encode("GPRSRecord", ("pGWRecord", record)), 1 / 16)


def pgw_templates() -> list[Template]:
    return [session(containers, bare) for containers in range(1, 9) for bare in (True, False)]


# ----------------------------------------------------------------------------------------------- files


class Written(NamedTuple):
    path: Path
    events: int
    bytes: int
    charge: int  # the sum of what is to be paid


def chosen(templates: list[Template], events: int, seed: int) -> Iterator[tuple[np.random.Generator, np.ndarray]]:
    """For every chunk what its values are drawn from, and the template of each event."""
    shares = np.array([template.share for template in templates])
    for number, start in enumerate(range(0, events, CHUNK)):
        draw = np.random.default_rng([seed, number])
        yield draw, draw.choice(len(templates), min(CHUNK, events - start), p=shares / shares.sum())


def filled(templates: list[Template], draw: np.random.Generator, kinds: np.ndarray) -> tuple[bytes, int]:
    """Events one after the other, and the sum of their charges."""
    sizes = np.array([len(template.octets) for template in templates])[kinds]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    out, charge = np.empty(starts[-1], np.uint8), 0
    for kind, template in enumerate(templates):
        places = starts[:-1][kinds == kind]
        rows = np.tile(template.octets, (len(places), 1))
        for patch in template.patches:
            rows[:, patch.at : patch.at + patch.width] = made = patch.column(draw, len(places))
            if patch.summed:
                weights = 256 ** np.arange(patch.width - 1, -1, -1, dtype=np.int64)
                charge += int((made.astype(np.int64) * weights).sum())
        out[places[:, None] + np.arange(len(template.octets))] = rows
    return out.tobytes(), charge


def write_tap(path: Path, events: int, seed: int = 1) -> Written:
    """A TAP 3.12 file whose count and total charge are right."""
    templates = tap_templates()
    sizes = np.array([len(template.octets) for template in templates])
    size = sum(int(sizes[kinds].sum()) for _, kinds in chosen(templates, events, seed))
    charge = 0
    *before, _ = envelope(events, 0)
    with path.open("wb") as file:
        file.write(ber.tag(1, of="APPLICATION", constructed=True) + b"\x80" + b"".join(map(ber.emit, before)))
        file.write(ber.tag(3, of="APPLICATION", constructed=True) + ber.length(size))
        for draw, kinds in chosen(templates, events, seed):
            written, part = filled(templates, draw, kinds)
            charge += part
            file.write(written)
        file.write(ber.emit(envelope(events, charge)[-1]) + ber.END)
    return Written(path, events, path.stat().st_size, charge)


def write_pgw(path: Path, events: int, seed: int = 1) -> Written:
    """PGW records, back to back."""
    templates = pgw_templates()
    with path.open("wb") as file:
        for draw, kinds in chosen(templates, events, seed):
            file.write(filled(templates, draw, kinds)[0])
    return Written(path, events, path.stat().st_size, 0)
