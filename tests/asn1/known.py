"""The rows that random records of TS 32.298 mean by the package's own table, formed from the members' names.

Conventions
-----------
- A row has all columns of the table; what a record does not say is None.
- A cause, an access or a partial record's kind has a name, or where the table has none its number.
"""

from __future__ import annotations

import re
from typing import Any

from tests.asn1.declared import started, total, when, whole
from tests.asn1.ts32298 import instant, number, untbcd

COLUMNS = (
    *("record_type", "served_imsi", "served_msisdn", "imei", "other_party", "calling_party"),
    *("start_time", "utc_offset_s", "request_time", "end_time", "duration_s"),
    *("uplink_bytes", "downlink_bytes", "total_bytes", "usage_s", "rating_group", "container_no"),
    *("qos_flow_uplink_bytes", "qos_flow_downlink_bytes", "apn", "rat_type", "serving_network", "charging_id"),
    *("gateway_id", "session_id", "sequence_no", "node_id", "local_sequence_no", "host_record_id"),
    *("service_code", "role_of_node", "reason_code", "incoming_trunk", "outgoing_trunk"),
    *("partial_record_type", "cause_for_closing", "closing_kind", "is_final"),
)
EMPTY: dict[str, Any] = dict.fromkeys(COLUMNS)
RECORD_TYPES = {
    "moCallRecord": "voice_mo",
    "mtCallRecord": "voice_mt",
    "roamingRecord": "roaming",
    "incGatewayRecord": "incoming_gateway",
    "outGatewayRecord": "outgoing_gateway",
    "transitRecord": "transit",
    "moSMSRecord": "sms_mo",
    "mtSMSRecord": "sms_mt",
    "sgsnSMORecord": "sms_mo",
    "sgsnSMTRecord": "sms_mt",
}
RATS = {1: "utran", 2: "geran", 3: "wlan", 6: "eutran", 8: "nb_iot", 51: "nr"}
# Number: name and kind of closing.
CAUSES = {
    0: ("normal_release", "final"),
    1: ("partial_record", "intermediate"),
    2: ("partial_record_call_reestablishment", "intermediate"),
    3: ("unsuccessful_call", "abnormal"),
    4: ("abnormal_release", "abnormal"),
    5: ("camel_init_call_release", "final"),
    16: ("volume_limit", "intermediate"),
    17: ("time_limit", "intermediate"),
    18: ("serving_node_change", "intermediate"),
    19: ("max_change_cond", "intermediate"),
    20: ("management_intervention", "intermediate"),
    22: ("rat_change", "intermediate"),
    25: ("sgw_change", "intermediate"),
    52: ("unauthorized_requesting_network", "abnormal"),
    59: ("list_of_downstream_node_change", "intermediate"),
}
IMS_CAUSES = {
    "serviceDeliveryEndSuccessfully": ("service_delivery_end", "final"),
    "unSuccessfulServiceDelivery": ("unsuccessful_service_delivery", "abnormal"),
    "timeLimit": ("time_limit", "intermediate"),
    "serviceChange": ("service_change", "intermediate"),
    "managementIntervention": ("management_intervention", "intermediate"),
}
PARTIAL_RECORDS = {
    "timeLimit": "time_limit",
    "serviceChange": "service_change",
    "locationChange": "location_change",
    "classmarkChange": "classmark_change",
    "aocParmChange": "aoc_parm_change",
    "radioChannelChange": "radio_channel_change",
    "hSCSDParmChange": "hscsd_parm_change",
    "changeOfCAMELDestination": "change_of_camel_destination",
}


def network(octets: bytes | None) -> str | None:
    """MCC and MNC."""
    if octets is None:
        return None
    mcc2, mcc1, mnc3, mcc3, mnc2, mnc1 = (half for octet in octets for half in (octet >> 4, octet & 15))
    return "".join(str(digit) for digit in (mcc1, mcc2, mcc3, mnc1, mnc2, mnc3) if digit != 15)


def closed(cause: int | str | None, names: dict[Any, tuple[str, str]]) -> dict[str, Any]:
    if cause is None:
        return {}
    name, kind = names.get(cause, (str(cause), str(cause)))
    final = {"intermediate": "no", "final": "yes", "abnormal": "yes"}.get(kind, kind)
    return {"cause_for_closing": name, "closing_kind": kind, "is_final": final}


def address(found: Any) -> str | None:
    """An IPAddress or a NodeAddress, through all its choices; None where the table does not know the last."""
    name = None
    if isinstance(found, dict):
        (found,) = found.items()
    while isinstance(found, tuple):
        name, found = found
    if name == "iPBinV4Address":
        return ".".join(map(str, found))
    if name == "iPBinV6Address":
        return ":".join(f"{found[at] << 8 | found[at + 1]:x}" for at in range(0, 16, 2))
    return found if isinstance(found, str) else None


def party(found: tuple[str, str] | None) -> str | None:
    """The user of a URI, or what else names somebody."""
    if found is None or found[0] == "externalId":
        return None
    kind, name = found
    uri = re.fullmatch(r"(?i:sips?|tel):([^@;:?]*).*", name)
    return uri[1] if uri and kind in ("sIP-URI", "tEL-URI") else name


def first(parties: list[tuple[str, str]] | None) -> str | None:
    return next((party(each) for each in parties or [] if party(each)), None)


def msisdn(octets: bytes | None) -> int | None:
    return octets and int(number(octets).removeprefix("+"))


def text(octets: bytes | None) -> str | None:
    return octets and octets.decode()


def hexadecimal(octets: bytes | None) -> str | None:
    """Octets as digits; none of them is nothing said."""
    return octets.hex() if octets else None


def name_of_rat(rat: int | None) -> str | None:
    return None if rat is None else RATS.get(rat, str(rat))


def served(values: dict[str, Any]) -> dict[str, Any]:
    imsi, imei = values.get("servedIMSI"), values.get("servedIMEI")
    return {
        "served_imsi": whole(imsi and untbcd(imsi)),
        "served_msisdn": msisdn(values.get("servedMSISDN")),
        "imei": imei and untbcd(imei),
    }


# -------------------------------------------------------------------------------------- circuit-switched


def trunk(found: tuple[str, Any] | None) -> str | None:
    return found and str(found[1])


def circuit_rows(kind: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    times = ("answerTime", "answerTimestamp", "originationTime", "deliveryTime")
    moment = next((values[name] for name in times if name in values), None)
    between = kind in ("incGatewayRecord", "outGatewayRecord", "transitRecord")
    called = number(values.get("calledNumber", values.get("destinationNumber")))
    calling = number(values.get("callingNumber"))
    reference = values.get("callReference", values.get("messageReference"))
    row = {
        **EMPTY,
        **served(values),
        **started(instant(moment)),
        **closed(values.get("causeForTerm"), CAUSES),
        "record_type": RECORD_TYPES[kind],
        "other_party": calling if kind in ("mtCallRecord", "roamingRecord") else called,
        "calling_party": calling if between else None,
        "end_time": when(instant(values.get("releaseTime", values.get("releaseTimestamp")))),
        "duration_s": values.get("callDuration"),
        "serving_network": network(values.get("location", {}).get("mCC-MNC")),
        "session_id": text(values.get("iMS-Charging-Identifier")),
        "sequence_no": values.get("sequenceNumber"),
        "node_id": number(values["recordingEntity"]),
        "host_record_id": hexadecimal(reference),
        "partial_record_type": PARTIAL_RECORDS.get(values.get("partialRecordType")),
    }
    if between or kind == "roamingRecord":
        row["incoming_trunk"] = trunk(values.get("mscIncomingTKGP"))
        row["outgoing_trunk"] = trunk(values.get("mscOutgoingTKGP"))
    return [row]


# ---------------------------------------------------------------------------------------------- packets


def message_row(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """A message over SGSN or MME."""
    reference = values.get("messageReference")
    return {
        **EMPTY,
        **served(values),
        **started(instant(values["eventTimeStamp"])),
        "record_type": RECORD_TYPES[kind],
        "other_party": number(values.get("destinationNumber", values.get("originatingAddress"))),
        "rat_type": name_of_rat(values.get("rATType")),
        "serving_network": network(values.get("servingNodePLMNIdentifier")),
        "node_id": values.get("nodeID"),
        "local_sequence_no": values.get("localSequenceNumber"),
        "host_record_id": hexadecimal(reference),
    }


def packet_rows(kind: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    if kind in RECORD_TYPES:
        return [message_row(kind, values)]
    gateways = ("p-GWAddress", "ggsnAddress", "ggsnAddressUsed", "p-GWAddressUsed")
    network_of = values.get("servingNodePLMNIdentifier", values.get("sgsnPLMNIdentifier"))
    row = {
        **EMPTY,
        **served(values),
        **started(instant(values["recordOpeningTime"])),
        **closed(values["causeForRecClosing"], CAUSES),
        "record_type": "data",
        "end_time": when(instant(values.get("stopTime"))),
        "duration_s": values["duration"],
        "apn": values.get("accessPointNameNI"),
        "rat_type": name_of_rat(values.get("rATType")),
        "serving_network": network(network_of),
        "charging_id": values["chargingID"],
        "gateway_id": next((address(values[name]) for name in gateways if name in values), None),
        "sequence_no": values.get("recordSequenceNumber"),
        "node_id": values.get("nodeID"),
        "local_sequence_no": values.get("localSequenceNumber"),
    }
    containers = values.get("listOfServiceData") if kind in ("pGWRecord", "egsnPDPRecord") else None
    if not containers:
        volumes = [
            (each.get("dataVolumeGPRSUplink"), each.get("dataVolumeGPRSDownlink"))
            for each in values.get("listOfTrafficVolumes", [])
        ]
        return [row | {"uplink_bytes": total(volumes, 0), "downlink_bytes": total(volumes, 1)}]
    items = [
        {
            "rating_group": each.get("ratingGroup"),
            "uplink_bytes": each.get("datavolumeFBCUplink"),
            "downlink_bytes": each.get("datavolumeFBCDownlink"),
            "usage_s": each.get("timeUsage"),
            "container_no": each.get("localSequenceNumber"),
        }
        for each in containers
    ]
    return [row | item for item in items]


# -------------------------------------------------------------------------------------------------- IMS


def subscribed(values: dict[str, Any], kind: str) -> int | None:
    found = values.get("list-of-subscription-ID", [])
    return next((int(each["subscriptionIDData"]) for each in found if each["subscriptionIDType"] == kind), None)


def ims_rows(kind: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    of_subscriber = kind in ("sCSCFRecord", "pCSCFRecord", "aSRecord", "aTCFRecord")
    role = values.get("role-of-Node")
    calling, called = first(values.get("list-Of-Calling-Party-Address")), party(values.get("called-Party-Address"))
    request = instant(values.get("serviceRequestTimeStamp"))
    start = request if kind in ("iCSCFRecord", "bGCFRecord") else instant(values.get("serviceDeliveryStartTimeStamp"))
    equipment = values.get("subscriberEquipmentNumber", {}).get("subscriberEquipmentNumberData")
    end = instant(values.get("serviceDeliveryEndTimeStamp"))
    lasted = end.microseconds - start.microseconds if start and end else -1
    trunks = dict([values["trunkGroupID"]]) if "trunkGroupID" in values else {}
    row = {
        **EMPTY,
        **started(start),
        **closed(values.get("causeForRecordClosing"), IMS_CAUSES),
        "record_type": "ims_" + kind.removesuffix("Record").lower(),
        "served_imsi": subscribed(values, "eND-USER-IMSI"),
        "served_msisdn": subscribed(values, "eND-USER-E164"),
        "other_party": calling if of_subscriber and role == "terminating" else called,
        "calling_party": calling,
        "request_time": when(request),
        "end_time": when(end),
        "duration_s": lasted // 10**6 if lasted >= 0 else None,
        "session_id": text(values.get("iMS-Charging-Identifier")),
        "sequence_no": values.get("recordSequenceNumber"),
        "node_id": address(values.get("nodeAddress")),
        "local_sequence_no": values.get("localRecordSequenceNumber"),
        "host_record_id": values.get("session-Id"),
        "service_code": values.get("sIP-Method"),
        "role_of_node": role and str(["originating", "terminating"].index(role)),
        "reason_code": values.get("serviceReasonReturnCode"),
        "incoming_trunk": trunks.get("incoming"),
        "outgoing_trunk": trunks.get("outgoing"),
    }
    if kind in ("sCSCFRecord", "pCSCFRecord", "aSRecord"):
        visited = text(values.get("iMSVisitedNetworkIdentifier"))
        row |= {"imei": equipment and untbcd(equipment), "serving_network": visited}
    return [row]
