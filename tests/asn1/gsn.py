"""Records of a GGSN (TS 32.298 of Release 6), for which no library has a module any more.

Conventions
-----------
- `ggsnPDPRecord` is the plain one, `egsnPDPRecord` the enhanced one of flow based charging. `table` wants both so told.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.asn1 import ber, table
from tests.asn1.ts32298 import INTERNATIONAL, LEAVES, apn, plmn, tbcd, time
from tests.asn1.values import digits, whole

ADDRESSES = {
    "iPBinV4Address": (0, "octets"),
    "iPBinV6Address": (1, "octets"),
    "iPTextV4Address": (2, "text"),
    "iPTextV6Address": (3, "text"),
}
ADDRESS = ("choice", ADDRESSES)
VOLUMES = {
    "qosNegotiated": (2, "octets"),
    "dataVolumeGPRSUplink": (3, "integer"),
    "dataVolumeGPRSDownlink": (4, "integer"),
    "changeCondition": (5, "integer"),
    "changeTime": (6, "time"),
}
SERVICE_DATA = {
    "ratingGroup": (1, "integer"),
    "chargingRuleBaseName": (2, "text"),
    "localSequenceNumber": (4, "integer"),
    "timeOfFirstUsage": (5, "time"),
    "timeOfLastUsage": (6, "time"),
    "timeUsage": (7, "integer"),
    "serviceConditionChange": (8, "octets"),
    "datavolumeFBCUplink": (12, "integer"),
    "datavolumeFBCDownlink": (13, "integer"),
    "timeOfReport": (14, "time"),
}
FIELDS = {
    "recordType": (0, "integer"),
    "networkInitiation": (1, "boolean"),
    "anonymousAccessIndicator": (2, "boolean"),  # of the first releases; none here
    "servedIMSI": (3, "octets"),
    "ggsnAddress": (4, ADDRESS),
    "chargingID": (5, "integer"),
    "sgsnAddress": (6, [ADDRESS]),
    "accessPointNameNI": (7, "text"),
    "pdpType": (8, "octets"),
    "dynamicAddressFlag": (11, "boolean"),
    "listOfTrafficVolumes": (12, [("sequence", VOLUMES)]),
    "recordOpeningTime": (13, "time"),
    "duration": (14, "integer"),
    "causeForRecClosing": (15, "integer"),
    "recordSequenceNumber": (17, "integer"),
    "nodeID": (18, "text"),
    "localSequenceNumber": (20, "integer"),
    "servedMSISDN": (22, "octets"),
    "chargingCharacteristics": (23, "octets"),
    "sgsnPLMNIdentifier": (27, "octets"),
    "servedIMEI": (29, "octets"),
    "rATType": (30, "integer"),
    "listOfServiceData": (34, [("sequence", SERVICE_DATA)]),
}
RECORDS = {"ggsnPDPRecord": (21, 19), "egsnPDPRecord": (70, 70)}  # the choice's tag, and the type of record


def encoded(kind: str, values: dict[str, Any]) -> bytes:
    return ber.tlv(ber.tag(RECORDS[kind][0], constructed=True), table.members(FIELDS, values))


def shape(kind: str) -> ber.Shape:
    record = ber.tag(RECORDS[kind][0], constructed=True)
    return ber.Shape("choice", lambda: {record: table.shape(("set", FIELDS))})


def some(random: Random, **makers) -> dict[str, Any]:
    """Each of them, or not."""
    return {name: make(random) for name, make in makers.items() if random.random() < 0.7}


def address(random: Random) -> dict[str, Any]:
    kind = random.choice(list(ADDRESSES))
    return {kind: random.randbytes(16) if kind == "iPBinV6Address" else LEAVES[kind](random)}


def volumes(random: Random) -> dict[str, Any]:
    said = some(random, dataVolumeGPRSUplink=whole(1 << 40), dataVolumeGPRSDownlink=whole(1 << 40))
    return said | {"changeCondition": 2, "changeTime": time(random)}


def service_data(random: Random) -> dict[str, Any]:
    said = some(
        random,
        chargingRuleBaseName=lambda random: "rule",
        localSequenceNumber=whole((1 << 32) - 1),
        timeOfFirstUsage=time,
        timeUsage=whole(10**6),
        datavolumeFBCUplink=whole(1 << 40),
        datavolumeFBCDownlink=whole(1 << 40),
    )
    return said | {"ratingGroup": whole((1 << 32) - 1)(random), "timeOfReport": time(random)}


def record(random: Random, kind: str) -> dict[str, Any]:
    """The values of a random record."""
    made = some(
        random,
        networkInitiation=lambda random: False,
        accessPointNameNI=apn,
        dynamicAddressFlag=lambda random: True,
        listOfTrafficVolumes=lambda random: [volumes(random) for _ in range(random.randint(1, 3))],
        recordSequenceNumber=whole(1 << 20),
        nodeID=lambda random: "ggsn" + digits(random, 1, 6),
        localSequenceNumber=whole((1 << 32) - 1),
        servedMSISDN=lambda random: bytes([INTERNATIONAL]) + tbcd("86" + random.choice("1357") + digits(random, 6, 10)),
        sgsnPLMNIdentifier=plmn,
        servedIMEI=lambda random: tbcd(digits(random, 15, 16)),
        rATType=lambda random: random.choice([1, 2, 6, 10]),
    )
    if kind == "egsnPDPRecord":
        made |= some(
            random, listOfServiceData=lambda random: [service_data(random) for _ in range(random.randint(1, 4))]
        )
    return made | {
        "recordType": RECORDS[kind][1],
        "servedIMSI": tbcd("460" + digits(random, 11, 12)),
        "ggsnAddress": address(random),
        "chargingID": whole((1 << 32) - 1)(random),
        "sgsnAddress": [address(random)],
        "recordOpeningTime": time(random),
        "duration": whole(10**6)(random),
        "causeForRecClosing": random.choice([0, 1, 4, 16, 17, 18, 52, 77]),
        "chargingCharacteristics": b"\x08\x00",
    }
