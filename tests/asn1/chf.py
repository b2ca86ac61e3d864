"""Charging records of a CHF (TS 32.298, record type 200), for which no library has a module.

Conventions
-----------
- `FIELDS` is the record, as `table` wants it told.
- A session is that of data: one item for each used unit container, in the order of rating groups. Beside it there are
  records of messages and of IMS sessions.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from tests.asn1 import ber, table
from tests.asn1.ts32298 import INTERNATIONAL, LEAVES, Instant, address, apn, instant, plmn, tbcd, time
from tests.asn1.values import digits, whole

TRIGGER = ("choice", {"sMFTrigger": (0, "integer")})
PDU_CONTAINER = {
    "chargingRuleBaseName": (0, "text"),
    "timeOfFirstUsage": (2, "time"),
    "timeOfLastUsage": (3, "time"),
    "rATType": (7, "integer"),
    "uETimeZone": (11, "octets"),
}
USED_UNITS = {
    "serviceIdentifier": (0, "integer"),
    "time": (1, "integer"),
    "triggers": (2, [TRIGGER]),
    "triggerTimeStamp": (3, "time"),
    "dataTotalVolume": (4, "integer"),
    "dataVolumeUplink": (5, "integer"),
    "dataVolumeDownlink": (6, "integer"),
    "serviceSpecificUnits": (7, "integer"),
    "eventTimeStamp": (8, "time"),
    "localSequenceNumber": (9, "integer"),
    "ratingIndicator": (10, "boolean"),
    "pDUContainerInformation": (11, ("sequence", PDU_CONTAINER)),
}
UNIT_USAGE = {
    "ratingGroup": (0, "integer"),
    "usedUnitContainers": (1, [("sequence", USED_UNITS)]),
    "uPFID": (2, "text"),
}
SUBSCRIPTION = {"subscriptionIDType": (0, "integer"), "subscriptionIDData": (1, "text")}
EQUIPMENT = {"subscriberEquipmentNumberType": (0, "integer"), "subscriberEquipmentNumberData": (1, "octets")}
PARTY = {"sIP-URI": (0, "text"), "tEL-URI": (1, "text"), "uRN": (2, "text"), "iSDN-E164": (3, "text")}
PDU_SESSION = {
    "pDUSessionChargingID": (0, "integer"),
    "userIdentifier": (1, ("choice", PARTY)),
    "userEquipmentInfo": (2, ("set", EQUIPMENT)),
    "userLocationInformation": (3, "octets"),
    "userRoamerInOut": (4, "integer"),
    "pDUSessionId": (6, "integer"),
    "networkSliceInstanceID": (7, ("sequence", {"sST": (0, "integer"), "sD": (1, "octets")})),
    "pDUType": (8, "integer"),
    "sSCMode": (9, "integer"),
    "rATType": (12, "integer"),
    "dataNetworkNameIdentifier": (13, "text"),
    "uETimeZone": (16, "octets"),
    "pDUSessionstartTime": (17, "time"),
    "pDUSessionstopTime": (18, "time"),
    "chargingCharacteristics": (20, "octets"),
    "servingCNPLMNID": (27, "octets"),
}
QFI_CONTAINER = {
    "qosFlowId": (0, "integer"),
    "dataTotalVolume": (3, "integer"),
    "dataVolumeUplink": (4, "integer"),
    "dataVolumeDownlink": (5, "integer"),
    "localSequenceNumber": (6, "integer"),
    "reportTime": (15, "time"),
}
ORIGINATOR = {
    "originatorIMSI": (0, "octets"),
    "originatorMSISDN": (1, "octets"),
    "originatorSCCPAddress": (3, "octets"),
}
RECIPIENT = {"recipientIMSI": (0, "octets"), "recipientMSISDN": (1, "octets"), "recipientSCCPAddress": (3, "octets")}
MESSAGE = {
    "originatorInfo": (1, ("sequence", ORIGINATOR)),
    "recipientInfos": (2, [("sequence", RECIPIENT)]),
    "userEquipmentInfo": (3, ("set", EQUIPMENT)),
    "rATType": (6, "integer"),
    "sMSCAddress": (7, "octets"),
    "eventtimestamp": (8, "time"),
    "sMMessageType": (21, "integer"),
    "sMTotalNumber": (26, "integer"),
    "messageReference": (32, "octets"),
}
IMS = {
    "eventType": (0, ("sequence", {"sIPMethod": (0, "text"), "expiresHeader": (2, "text")})),
    "iMSNodeFunctionality": (1, "integer"),
    "roleOfNode": (2, "integer"),
    "userIdentifier": (3, ("choice", PARTY)),
    "userEquipmentInfo": (4, ("set", EQUIPMENT)),
    "userSessionID": (12, "text"),
    "callingPartyAddresses": (15, [("choice", PARTY)]),
    "calledPartyAddress": (16, ("choice", PARTY)),
    "imsChargingIdentifier": (27, "octets"),
    "causeCode": (47, "integer"),
    "imsVisitedNetworkIdentifier": (53, "text"),
}
FIELDS = {
    "recordType": (0, "integer"),
    "recordingNetworkFunctionID": (1, "text"),
    "subscriberIdentifier": (2, ("set", SUBSCRIPTION)),
    "nFunctionConsumerInformation": (
        3,
        ("sequence", {"networkFunctionality": (0, "integer"), "networkFunctionName": (1, "text")}),
    ),
    "triggers": (4, [TRIGGER]),
    "listOfMultipleUnitUsage": (5, [("sequence", UNIT_USAGE)]),
    "recordOpeningTime": (6, "time"),
    "duration": (7, "integer"),
    "recordSequenceNumber": (8, "integer"),
    "causeForRecClosing": (9, "integer"),
    "localRecordSequenceNumber": (11, "integer"),
    "pDUSessionChargingInformation": (13, ("set", PDU_SESSION)),
    "roamingQBCInformation": (
        14,
        ("set", {"multipleQFIcontainer": (0, [("sequence", QFI_CONTAINER)]), "uPFID": (1, "text")}),
    ),
    "sMSChargingInformation": (15, ("set", MESSAGE)),
    "chargingSessionIdentifier": (16, "octets"),
    "incompleteCDRIndication": (22, ("sequence", {"initialLost": (0, "boolean"), "updateLost": (1, "boolean")})),
    "chargingID": (27, "integer"),
    "iMSChargingInformation": (28, ("set", IMS)),
}
RECORD = ber.tag(200, constructed=True)
IMSI_TYPE, IMEISV_TYPE = 1, 0


def encoded(values: dict[str, Any]) -> bytes:
    """A charging record."""
    return ber.tlv(RECORD, table.members(FIELDS, values))


SHAPE = ber.Shape("choice", lambda: {RECORD: table.shape(("set", FIELDS))})


# -------------------------------------------------------------------------------------- random sessions


class Unit(NamedTuple):
    """A used unit container."""

    uplink: int | None
    downlink: int | None
    sequence: int | None
    time: int | None
    first: Instant | None
    last: Instant | None


class Session(NamedTuple):
    imsi: str
    msisdn: str | None
    imei: str | None
    opening: Instant
    duration: int
    cause: int
    sequence: int | None
    local_sequence: int | None
    node: str
    charging_id: int | None
    dnn: str | None
    rat: int | None
    session_id: bytes | None
    groups: list[tuple[int, list[Unit]]]  # rating groups and what was used of each


def some(random: Random, **makers) -> dict[str, Any]:
    """Each of them, or not."""
    return {name: make(random) for name, make in makers.items() if random.random() < 0.7}


def used_units(random: Random) -> dict[str, Any]:
    made = some(
        random,
        serviceIdentifier=whole(1 << 31),
        time=whole(10**6),
        triggers=lambda random: [{"sMFTrigger": random.choice([100, 301, 503])} for _ in range(random.randint(1, 2))],
        triggerTimeStamp=time,
        dataTotalVolume=whole(1 << 40),
        localSequenceNumber=whole((1 << 32) - 1),
        ratingIndicator=lambda random: random.random() < 0.5,
        pDUContainerInformation=lambda random: some(random, timeOfFirstUsage=time, timeOfLastUsage=time),
    )
    return made | {"dataVolumeUplink": whole(1 << 40)(random), "dataVolumeDownlink": whole(1 << 40)(random)}


def unit_usage(random: Random) -> dict[str, Any]:
    containers = [used_units(random) for _ in range(random.randint(1, 3))]
    return {"ratingGroup": whole((1 << 32) - 1)(random), "usedUnitContainers": containers}


def pdu_session(random: Random) -> dict[str, Any]:
    made = some(
        random,
        userIdentifier=lambda random: random.choice(
            [
                {"iSDN-E164": "86" + random.choice("1357") + digits(random, 6, 10)},
                {"tEL-URI": LEAVES["tEL-URI"](random)},
            ]
        ),
        userEquipmentInfo=equipment,
        rATType=lambda random: random.choice([6, 51, 52, 65]),
        dataNetworkNameIdentifier=apn,
        pDUSessionstartTime=time,
        pDUSessionstopTime=time,
        uETimeZone=lambda random: bytes([random.randrange(0x30), 0]),
        servingCNPLMNID=plmn,
    )
    return made | {"pDUSessionChargingID": whole((1 << 32) - 1)(random), "pDUSessionId": random.randrange(256)}


def any_record(random: Random) -> dict[str, Any]:
    """What records of every service have."""
    made = some(
        random,
        recordSequenceNumber=whole(1 << 20),
        localRecordSequenceNumber=whole((1 << 32) - 1),
        chargingSessionIdentifier=lambda random: digits(random, 8, 20).encode(),
        triggers=lambda random: [{"sMFTrigger": 503}],
        incompleteCDRIndication=lambda random: {"initialLost": False},
    )
    return made | {
        "recordType": 200,
        "recordingNetworkFunctionID": "chf-" + digits(random, 4, 8),
        "subscriberIdentifier": {
            "subscriptionIDType": IMSI_TYPE,
            "subscriptionIDData": "460" + digits(random, 11, 12),
        },
        "nFunctionConsumerInformation": {"networkFunctionality": 1, "networkFunctionName": "smf-1"},
        "recordOpeningTime": time(random),
        "duration": whole(10**6)(random),
        "causeForRecClosing": random.choice([0, 1, 4, 16, 17, 59]),
    }


def record(random: Random) -> dict[str, Any]:
    """The values of a random record of a PDU session."""
    return any_record(random) | {
        "listOfMultipleUnitUsage": [unit_usage(random) for _ in range(random.randint(1, 3))],
        "pDUSessionChargingInformation": pdu_session(random),
    }


def roaming_record(random: Random) -> dict[str, Any]:
    """… or of one whose QoS flows are counted too, and of whose rating groups some were not used."""
    containers = [
        some(random, qosFlowId=whole(63), dataVolumeUplink=whole(1 << 40), dataVolumeDownlink=whole(1 << 40))
        | {"reportTime": time(random)}
        for _ in range(random.randint(1, 3))
    ]
    made = record(random)
    usage = made["listOfMultipleUnitUsage"] if random.random() < 0.8 else []
    for _ in range(random.randint(1, 3)):
        unused = {"ratingGroup": whole((1 << 32) - 1)(random)} | some(random, uPFID=lambda random: "upf-1")
        usage.insert(random.randint(0, len(usage)), unused)
    return made | {"listOfMultipleUnitUsage": usage} | {"roamingQBCInformation": {"multipleQFIcontainer": containers}}


def equipment(random: Random) -> dict[str, Any]:
    return {"subscriberEquipmentNumberType": IMEISV_TYPE, "subscriberEquipmentNumberData": tbcd(digits(random, 16, 16))}


def msisdn(random: Random) -> bytes:
    return bytes([INTERNATIONAL]) + tbcd("86" + random.choice("1357") + digits(random, 6, 10))


def message_record(random: Random) -> dict[str, Any]:
    """The values of a random record of a short message."""
    made = some(
        random,
        originatorInfo=lambda random: some(random, originatorMSISDN=msisdn, originatorSCCPAddress=address),
        recipientInfos=lambda random: [some(random, recipientMSISDN=msisdn, recipientSCCPAddress=address)],
        userEquipmentInfo=equipment,
        rATType=lambda random: random.choice([6, 51, 65]),
        sMSCAddress=address,
        sMMessageType=lambda random: random.choice([0, 0, 1, 3, 3]),
        messageReference=lambda random: random.randbytes(1),
    )
    return any_record(random) | {"sMSChargingInformation": made | {"eventtimestamp": time(random)}}


def some_party(random: Random) -> dict[str, str]:
    kind = random.choice(list(PARTY))
    return {kind: LEAVES[kind](random)}


def ims_record(random: Random) -> dict[str, Any]:
    """The values of a random record of an IMS session."""
    made = some(
        random,
        eventType=lambda random: {"sIPMethod": LEAVES["SIP-Method"](random)},
        roleOfNode=lambda random: random.randrange(2),
        userIdentifier=lambda random: random.choice(
            [{"iSDN-E164": digits(random, 5, 14)}, {"tEL-URI": "tel:+861380013800"}]
        ),
        userEquipmentInfo=equipment,
        userSessionID=lambda random: digits(random, 8, 20) + "@ims.example",
        callingPartyAddresses=lambda random: [some_party(random) for _ in range(random.randint(1, 2))],
        calledPartyAddress=some_party,
        imsChargingIdentifier=LEAVES["IMS-Charging-Identifier"],
        causeCode=whole(1000),
        imsVisitedNetworkIdentifier=lambda random: "ims.mnc001.mcc460.3gppnetwork.org",
    )
    return any_record(random) | {"iMSChargingInformation": made | {"iMSNodeFunctionality": 1}}


def unit(found: dict[str, Any]) -> Unit:
    container = found.get("pDUContainerInformation", {})
    return Unit(
        found.get("dataVolumeUplink"),
        found.get("dataVolumeDownlink"),
        found.get("localSequenceNumber"),
        found.get("time"),
        instant(container.get("timeOfFirstUsage")),
        instant(container.get("timeOfLastUsage")),
    )


def meaning(values: dict[str, Any]) -> Session:
    session = values["pDUSessionChargingInformation"]
    equipment = session.get("userEquipmentInfo", {}).get("subscriberEquipmentNumberData")
    usage = values["listOfMultipleUnitUsage"]
    return Session(
        imsi=values["subscriberIdentifier"]["subscriptionIDData"],
        msisdn=session.get("userIdentifier", {}).get("iSDN-E164"),
        imei=equipment and "".join(f"{octet & 15}{octet >> 4}" for octet in equipment),
        opening=instant(values["recordOpeningTime"]),
        duration=values["duration"],
        cause=values["causeForRecClosing"],
        sequence=values.get("recordSequenceNumber"),
        local_sequence=values.get("localRecordSequenceNumber"),
        node=values["recordingNetworkFunctionID"],
        charging_id=session["pDUSessionChargingID"],
        dnn=session.get("dataNetworkNameIdentifier"),
        rat=session.get("rATType"),
        session_id=values.get("chargingSessionIdentifier"),
        groups=[(each["ratingGroup"], [unit(container) for container in each["usedUnitContainers"]]) for each in usage],
    )
