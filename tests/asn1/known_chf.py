"""The rows that random records of a CHF mean by the package's own table of TS 32.298.

Conventions
-----------
- A used unit container is a row, with the rating group that it stands in; a group of which nothing was used is none.
- A message is of the subscriber who sent it, but a delivery of its recipient.
"""

from __future__ import annotations

from typing import Any

from tests.asn1.declared import started, total, when
from tests.asn1.known import CAUSES, EMPTY, closed, hexadecimal, msisdn, name_of_rat, network, party, text
from tests.asn1.ts32298 import instant, number, untbcd

DELIVERY = 3
MESSAGES = {0: "sms_mo", DELIVERY: "sms_mt"}


def imei(values: dict[str, Any]) -> str | None:
    found = values.get("userEquipmentInfo")
    return found and untbcd(found["subscriberEquipmentNumberData"])


def user(session: dict[str, Any]) -> int | None:
    """The number of the session's user."""
    found = party(next(iter(session.get("userIdentifier", {}).items()), None))
    return found and int(found.removeprefix("+"))


def common(values: dict[str, Any]) -> dict[str, Any]:
    return {
        **EMPTY,
        **closed(values["causeForRecClosing"], CAUSES),
        "served_imsi": int(values["subscriberIdentifier"]["subscriptionIDData"]),
        "duration_s": values["duration"],
        "sequence_no": values.get("recordSequenceNumber"),
        "node_id": values["recordingNetworkFunctionID"],
        "local_sequence_no": values.get("localRecordSequenceNumber"),
        "session_id": text(values.get("chargingSessionIdentifier")),
    }


def data_rows(values: dict[str, Any]) -> list[dict[str, Any]]:
    session = values["pDUSessionChargingInformation"]
    flows = values.get("roamingQBCInformation", {}).get("multipleQFIcontainer", [])
    flow_volumes = [(each.get("dataVolumeUplink"), each.get("dataVolumeDownlink")) for each in flows]
    row = {
        **common(values),
        **started(instant(values["recordOpeningTime"])),
        "record_type": "data",
        "served_msisdn": user(session),
        "imei": imei(session),
        "end_time": when(instant(session.get("pDUSessionstopTime"))),
        "apn": session.get("dataNetworkNameIdentifier"),
        "rat_type": name_of_rat(session.get("rATType")),
        "serving_network": network(session.get("servingCNPLMNID")),
        "charging_id": session["pDUSessionChargingID"],
        "qos_flow_uplink_bytes": total(flow_volumes, 0),
        "qos_flow_downlink_bytes": total(flow_volumes, 1),
    }
    items = [
        {
            "rating_group": usage["ratingGroup"],
            "uplink_bytes": each.get("dataVolumeUplink"),
            "downlink_bytes": each.get("dataVolumeDownlink"),
            "total_bytes": each.get("dataTotalVolume"),
            "usage_s": each.get("time"),
            "container_no": each.get("localSequenceNumber"),
        }
        for usage in values["listOfMultipleUnitUsage"]
        for each in usage.get("usedUnitContainers", [])
    ]
    return [row | item for item in items or [{}]]


def message_rows(values: dict[str, Any]) -> list[dict[str, Any]]:
    message = values["sMSChargingInformation"]
    kind = message.get("sMMessageType")
    sender = message.get("originatorInfo", {}).get("originatorMSISDN")
    recipient = next((each.get("recipientMSISDN") for each in message.get("recipientInfos", [])), None)
    own, other = (recipient, sender) if kind == DELIVERY else (sender, recipient)
    reference = message.get("messageReference")
    return [
        {
            **common(values),
            **started(instant(message["eventtimestamp"])),
            "record_type": MESSAGES.get(kind, "sms"),
            "served_msisdn": msisdn(own),
            "imei": imei(message),
            "other_party": number(other),
            "rat_type": name_of_rat(message.get("rATType")),
            "host_record_id": hexadecimal(reference),
            "service_code": None if kind is None else str(kind),
        }
    ]


def ims_rows(values: dict[str, Any]) -> list[dict[str, Any]]:
    session = values["iMSChargingInformation"]
    called = party(next(iter(session.get("calledPartyAddress", {}).items()), None))
    calling = [party(next(iter(each.items()))) for each in session.get("callingPartyAddresses", [])]
    role = session.get("roleOfNode")
    return [
        {
            **common(values),
            **started(instant(values["recordOpeningTime"])),
            "record_type": "ims_chf",
            "served_msisdn": user(session),
            "imei": imei(session),
            "other_party": called,
            "calling_party": calling[0] if calling else None,
            "serving_network": session.get("imsVisitedNetworkIdentifier"),
            "session_id": text(session.get("imsChargingIdentifier")),
            "host_record_id": session.get("userSessionID"),
            "service_code": session.get("eventType", {}).get("sIPMethod"),
            "role_of_node": None if role is None else str(role),
        }
    ]
