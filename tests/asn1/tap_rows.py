"""What TAP events mean: the usage rows of a value, column by column.

Conventions
-----------
- Missing is None. A part that several elements could say is said by the first of them.
- Incoming is what the subscriber receives, outgoing what it sends. A charge is what stands under charge type 00, and
  the fee of a CAMEL service: the file's total has both.
- The other party of a short message is who sent or gets it; the called or calling number is its service centre's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

TOTAL = b"00"
CAUSES = {0: "normal_release", 1: "partial_record", 3: "unsuccessful_call", 4: "abnormal_release"}
COLUMNS = (
    *("record_type", "served_imsi", "served_msisdn", "imei", "other_party", "start_time", "utc_offset_s"),
    *("duration_s", "uplink_bytes", "downlink_bytes", "service_code", "location", "location_area", "cell_id"),
    *("serving_network", "apn", "charging_id", "node_id", "gateway_id", "host_record_id", "cause_for_closing"),
    *("is_partial", "is_final", "host_charge_amount", "tax_amount", "exchange_rate", "host_charge_currency"),
)


def unpacked(octets: bytes) -> str:
    return octets.hex().removesuffix("f")


def seconds_of(offset: bytes) -> int:
    sign = -1 if offset[:1] == b"-" else 1
    return sign * (int(offset[1:3]) * 3600 + int(offset[3:5]) * 60)


class Tables(NamedTuple):
    """What a file says once for all its events."""

    sender: str
    currency: str
    decimals: int
    zones: dict[int, bytes]
    entities: dict[int, tuple[int, str]]  # type and id
    rates: dict[int, Decimal]


def under(tree: Any, *path: str) -> Any:
    """What stands at the end of a path, through choices; None where it is not."""
    for name in path:
        if isinstance(tree, tuple):
            tree = tree[1]
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def wherever(tree: Any, name: str) -> Iterator[Any]:
    """Every value of a name, at any depth, in order."""
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


def digits_of(octets: bytes | None) -> int | None:
    return None if octets is None else int(unpacked(octets))


def hex_of(octets: bytes | None) -> str | None:
    return None if octets is None else octets.hex()


def sign_of(event: dict) -> int:
    """Of the amounts of an event or a part of it: what is paid back is negative."""
    return -1 if event.get("chargeRefundIndicator") == 1 else 1


def charges(event: Any) -> list[int]:
    """Every amount that belongs to the file's total charge, or, negative, to its total refund."""
    details = [each for found in wherever(event, "chargeDetailList") for each in found]
    found = [each["charge"] for each in details if each.get("chargeType") == TOTAL and "charge" in each]
    found += wherever(event, "camelInvocationFee")
    found += [event["charge"]] if "charge" in event else []
    return [sign_of(event) * each for each in found]


def charged(event: dict, tables: Tables) -> dict[str, Any]:
    """What is to be paid for an event, or for a part of it."""
    own = {name: inner for name, inner in event.items() if name != "camelServiceUsed"}
    amounts, taxes = charges(event), [sign_of(event) * each for each in wherever(own, "taxValue")]
    scale = Decimal(10) ** tables.decimals
    return {
        "host_charge_amount": Decimal(sum(amounts)) / scale if amounts else None,
        "tax_amount": Decimal(sum(taxes)) / scale if taxes else None,
        "exchange_rate": next((tables.rates[code] for code in wherever(own, "exchangeRateCode")), None),
    }


def times(found: dict | None, tables: Tables) -> dict[str, Any]:
    """A time that says its zone by a code of the file's; without the zone nobody knows when it was."""
    zone = tables.zones.get(under(found, "utcTimeOffsetCode"))
    offset_s = zone and seconds_of(zone)
    if zone is None or "localTimeStamp" not in found:
        return {"start_time": None, "utc_offset_s": offset_s}
    local = datetime.strptime(found["localTimeStamp"].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return {"start_time": local - timedelta(seconds=offset_s), "utc_offset_s": offset_s}


def subscriber(found: Any) -> dict[str, Any]:
    return {"served_imsi": digits_of(under(found, "imsi")), "served_msisdn": digits_of(under(found, "msisdn"))}


def equipment(event: dict) -> str | None:
    kind, octets = event.get("equipmentIdentifier") or (None, b"")
    return unpacked(octets) if kind == "imei" else None


def recorded_by(tables: Tables, *codes: int | None) -> dict[str, Any]:
    """The first entity that recorded an event, of those that the file tells."""
    return {"node_id": next((tables.entities[code][1] for code in codes if code in tables.entities), None)}


def gateway(tables: Tables, codes: list[int]) -> dict[str, Any]:
    """The first entity that is a GGSN or P-GW."""
    found = [tables.entities.get(code) for code in codes]
    return {"gateway_id": next((each[1] for each in found if each and each[0] in (3, 7)), None)}


def place(area: dict | None, geography: dict | None) -> dict[str, Any]:
    return {
        "location_area": under(area, "locationArea"),
        "cell_id": under(area, "cellId"),
        "location": stripped(under(geography, "servingLocationDescription")),
    }


def cause(found: int | None) -> str | None:
    return None if found is None else CAUSES.get(found, str(found))


def other_party(parties: dict[str, bytes]) -> str | None:
    """Who was called or has called. Only messages have the name; where it is, the number is the service centre's."""
    number = parties.get("calledNumber", parties.get("callingNumber"))
    recipient = parties.get("sMSDestinationNumber", parties.get("sMSOriginator"))
    if recipient is not None:
        return stripped(recipient)
    others = (unpacked(number) if number else None, stripped(parties.get("dialledDigits")))
    return next((each for each in others if each), None)


def call(kind: str, event: dict, tables: Tables) -> dict[str, Any]:
    """A call or short message, of either direction."""
    basic, where = event.get("basicCallInformation", {}), event.get("locationInformation", {})
    network = where.get("networkLocation", {})
    services = [under(each, "basicService", "serviceCode") for each in event.get("basicServiceUsedList", [])]
    service = next((stripped(code[1]) for code in services if code and code[0] == "teleServiceCode"), None)
    out = kind == "mobileOriginatedCall"
    parties = basic.get("destination" if out else "callOriginator", {})
    message = {(True, "22"): "sms_mo", (False, "21"): "sms_mt"}.get((out, service))
    return {
        "record_type": message or ("voice_mo" if out else "voice_mt"),
        "service_code": service,
        "other_party": other_party(parties),
        "duration_s": basic.get("totalCallEventDuration"),
        "cause_for_closing": cause(basic.get("causeForTerm")),
        "imei": equipment(event),
        "host_record_id": hex_of(network.get("callReference")),
        **subscriber(basic.get("chargeableSubscriber")),
        **times(basic.get("callEventStartTimeStamp"), tables),
        **recorded_by(tables, network.get("recEntityCode")),
        **place(network, where.get("geographicalLocation")),
    }


def data(event: dict, tables: Tables) -> dict[str, Any]:
    basic, where = event.get("gprsBasicCallInformation", {}), event.get("gprsLocationInformation", {})
    network, partial = where.get("gprsNetworkLocation", {}), stripped(basic.get("partialTypeIndicator"))
    return {
        "record_type": "data",
        "duration_s": basic.get("totalCallEventDuration"),
        "cause_for_closing": cause(basic.get("causeForTerm")),
        "imei": equipment(event),
        "is_partial": partial and "yes",
        "is_final": partial and ("yes" if partial == "L" else "no"),
        "charging_id": basic.get("chargingId"),
        "apn": stripped(under(basic, "gprsDestination", "accessPointNameNI")),
        "downlink_bytes": under(event, "gprsServiceUsed", "dataVolumeIncoming"),
        "uplink_bytes": under(event, "gprsServiceUsed", "dataVolumeOutgoing"),
        **subscriber(under(basic, "gprsChargeableSubscriber", "chargeableSubscriber")),
        **times(basic.get("callEventStartTimeStamp"), tables),
        **recorded_by(tables, *network.get("recEntity", [])),
        **gateway(tables, network.get("recEntity", [])),
        **place(network, where.get("geographicalLocation")),
    }


def supplementary(event: dict, tables: Tables) -> dict[str, Any]:
    where = event.get("locationInformation", {})
    network = where.get("networkLocation", {})
    return {
        "record_type": "supplementary_service",
        "imei": equipment(event),
        "host_record_id": hex_of(network.get("callReference")),
        **subscriber(event.get("chargeableSubscriber")),
        **times(under(event, "supplServiceUsed", "chargingTimeStamp"), tables),
        **recorded_by(tables, network.get("recEntityCode")),
        **place(network, where.get("geographicalLocation")),
    }


def service_centre(event: dict, tables: Tables) -> dict[str, Any]:
    basic = event.get("basicInformation", {})
    return {
        "record_type": "service_centre_usage",
        "other_party": stripped(basic.get("nonChargedNumber")),
        **subscriber(basic.get("chargeableSubscriber")),
        **times(under(event, "scuTimeStamps", "depositTimeStamp"), tables),
        **recorded_by(tables, event.get("recEntityCode")),
    }


def identified(listed: list[dict] | None, kind: str, name: str) -> dict[str, Any]:
    """A subscriber by a list of kinds and names: 1 is an MSISDN, 2 an IMSI."""
    found = {each.get(kind): each.get(name) for each in reversed(listed or [])}
    return {
        column: int(found[number]) if found.get(number) is not None else None
        for number, column in ((1, "served_msisdn"), (2, "served_imsi"))
    }


def content(event: dict, tables: Tables) -> dict[str, Any]:
    basic = event.get("contentTransactionBasicInfo", {})
    party = under(event, "chargedPartyInformation", "chargedPartyIdList")
    return {
        "record_type": "content_transaction",
        "duration_s": basic.get("totalTransactionDuration"),
        **identified(party, "chargedPartyIdType", "chargedPartyIdentifier"),
        **times(basic.get("orderPlacedTimeStamp"), tables),
    }


def content_item(used: dict) -> dict[str, Any]:
    return {
        "downlink_bytes": used.get("dataVolumeIncoming"),
        "uplink_bytes": used.get("dataVolumeOutgoing"),
        "host_record_id": stripped(used.get("transactionIdentifier")),
    }


def location(event: dict, tables: Tables) -> dict[str, Any]:
    customer = under(event, "trackingCustomerInformation", "trackingCustomerIdList")
    return {
        "record_type": "location_service",
        "host_record_id": hex_of(event.get("callReference")),
        **identified(customer, "customerIdType", "customerIdentifier"),
        **times(under(event, "locationServiceUsage", "chargingTimeStamp"), tables),
        **recorded_by(tables, event.get("recEntityCode")),
    }


def session(kind: str, event: dict, tables: Tables) -> dict[str, Any]:
    """A messaging event or a mobile session."""
    party = event.get("nonChargedParty", {})
    number, imei = party.get("nonChargedPartyNumber"), under(event, "chargedParty", "imei")
    return {
        "record_type": {"messagingEvent": "messaging_event", "mobileSession": "mobile_session"}[kind],
        "imei": imei and unpacked(imei),
        "other_party": unpacked(number) if number else stripped(party.get("nonChargedPublicUserId")),
        "duration_s": event.get("totalCallEventDuration"),
        "cause_for_closing": cause(event.get("causeForTerm")),
        "host_record_id": stripped(event.get("eventReference")),
        **subscriber(event.get("chargedParty")),
        **times(event.get("serviceStartTimestamp"), tables),
        **recorded_by(tables, *event.get("recEntityCodeList", [])),
        **place(event, event.get("geographicalLocation")),
    }


READERS = {
    "gprsCall": data,
    "supplServiceEvent": supplementary,
    "serviceCentreUsage": service_centre,
    "contentTransaction": content,
    "locationService": location,
}


def meaning(kind: str, event: dict, tables: Tables) -> list[dict[str, Any]]:
    """The rows of one event: a content transaction has one for each service used."""
    if kind in READERS:
        row = READERS[kind](event, tables)
    else:
        row = (session if kind in ("messagingEvent", "mobileSession") else call)(kind, event, tables)
    used = event.get("contentServiceUsed")
    parts = [{**content_item(each), **charged(each, tables)} for each in used] if used else [charged(event, tables)]
    said = {"serving_network": tables.sender, "host_charge_currency": tables.currency}
    return [{**dict.fromkeys(COLUMNS), **said, **row, **part} for part in parts]
