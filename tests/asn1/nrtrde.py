"""Random NRTRDE files, and what each of their events means.

Conventions
-----------
- As in ``tap.py``: missing is None, BCD has the first digit in the high half of an octet, incoming is downlink.
- An event says its own UTC offset; without it nobody knows when it was.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.asn1 import ber, modules
from tests.asn1.tap import bcd, offset, padded, stamp
from tests.asn1.tap_rows import CAUSES, digits_of, seconds_of, stripped, unpacked
from tests.asn1.values import digits, whole

COLUMNS = (
    *("record_type", "served_imsi", "served_msisdn", "imei", "other_party", "dialled_digits", "third_party"),
    *("start_time", "utc_offset_s", "duration_s", "uplink_bytes", "downlink_bytes", "service_code"),
    *(
        "supplementary_service",
        "location_area",
        "cell_id",
        "serving_network",
        "event_network",
        "apn",
        "charging_id",
        "node_id",
    ),
    *("gateway_id", "host_record_id", "cause_for_closing", "charge_amount"),
)
LEAVES = {
    "imsi": lambda random: bcd("460" + digits(random, 11, 12)),
    "msisdn": lambda random: bcd("86" + digits(random, 7, 11)),
    "imei": lambda random: bcd(digits(random, 14, 16)),
    "callEventStartTimeStamp": stamp,
    "utcTimeOffset": offset,
    "teleServiceCode": lambda random: random.choice([b"11", b"21", b"22"]),
    "bearerServiceCode": lambda random: b"37",
    "causeForTermination": lambda random: random.choice([0, 1, 3, 4, 9]),
    "chargingId": whole((1 << 32) - 1),
}
ALWAYS = ("imsi", "callEventStartTimeStamp", "utcTimeOffset", "callEventDuration", "serviceCode")


def leaf(random: Random, name: str, kind: Any) -> Any:
    if isinstance(kind, dict):
        name, (_, kind) = random.choice(list(kind.items()))
        return name, leaf(random, name, kind)
    if name in LEAVES:
        return LEAVES[name](random)
    return whole(1 << 42)(random) if kind == "i" else padded(random)


def event(random: Random) -> tuple[str, dict[str, Any]]:
    name, (_, members) = random.choice(list(modules.NRTRDE_EVENTS.items()))
    share = random.choice([0.3, 0.9])
    return name, {
        member: leaf(random, member, kind)
        for member, (_, kind) in members.items()
        if (member in ALWAYS and random.random() < 0.95) or random.random() < share
    }


def started(found: dict[str, Any]) -> dict[str, Any]:
    zone = found.get("utcTimeOffset")
    offset_s = zone and seconds_of(zone)
    local = found.get("callEventStartTimeStamp")
    if zone is None or local is None:
        return {"start_time": None, "utc_offset_s": offset_s}
    instant = datetime.strptime(local.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return {"start_time": instant - timedelta(seconds=offset_s), "utc_offset_s": offset_s}


def meaning(name: str, found: dict[str, Any], sender: bytes) -> dict[str, Any]:
    tele, code = found.get("serviceCode", (None, None))
    service = code.decode() if tele == "teleServiceCode" else None
    kinds = {("moc", "22"): "sms_mo", ("mtc", "21"): "sms_mt"}
    parties = (stripped(found.get(each)) for each in ("connectedNumber", "callingNumber"))
    nodes = (stripped(found.get(each)) for each in ("recEntityId", "sgsnAddress"))
    reference, cause = found.get("callReference"), found.get("causeForTermination")
    return {
        "record_type": kinds.get((name, service), {"moc": "voice_mo", "mtc": "voice_mt", "gprs": "data"}[name]),
        "served_imsi": digits_of(found.get("imsi")),
        "served_msisdn": digits_of(found.get("msisdn")),
        "imei": unpacked(found["imei"]) if "imei" in found else None,
        "other_party": next((each for each in parties if each), None),
        "dialled_digits": stripped(found.get("dialledDigits")),
        "third_party": stripped(found.get("thirdPartyNumber")),
        **started(found),
        "duration_s": found.get("callEventDuration"),
        "uplink_bytes": found.get("dataVolumeOutgoing"),
        "downlink_bytes": found.get("dataVolumeIncoming"),
        "service_code": service,
        "supplementary_service": stripped(found.get("supplementaryServiceCode")),
        "location_area": found.get("locationArea"),
        "cell_id": found.get("cellId"),
        "serving_network": stripped(sender),
        "event_network": stripped(found.get("servingNetwork")),
        "apn": stripped(found.get("accessPointNameNI")),
        "charging_id": found.get("chargingId"),
        "node_id": next((each for each in nodes if each), None),
        "gateway_id": stripped(found.get("ggsnAddress")),
        "host_record_id": None if reference is None else str(reference),
        "cause_for_closing": None if cause is None else CAUSES.get(cause, str(cause)),
        "charge_amount": found.get("chargeAmount"),
    }


def file_of(random: Random, count: int) -> tuple[bytes, list[dict[str, Any]]]:
    """A file of so many events, and its rows."""
    sender = bytes(random.choices(b"ABCDEFGHIJ01", k=5))
    events = [event(random) for _ in range(count)]
    value = {
        "specificationVersionNumber": 2,
        "releaseVersionNumber": 1,
        "sender": sender,
        "recipient": b"CHNMV",
        "sequenceNumber": digits(random, 7, 7).encode(),
        "fileAvailableTimeStamp": stamp(random),
        "utcTimeOffset": offset(random),
        "callEvents": events,
        "callEventsCount": count,
    }
    data = modules.nrtrde_codec().encode("Nrtrde", value)
    return data, [meaning(name, found, sender) for name, found in events]


def shape() -> ber.Shape:
    """What may be done to a file when it is rewritten."""

    def tag(number: int, constructed: bool = True) -> bytes:
        return ber.tag(number, of="APPLICATION", constructed=constructed)

    def of(table: dict[str, Any]) -> ber.Shape:
        simple = {tag(n, isinstance(kind, dict)): ber.Shape("leaf") for n, kind in table.values()}
        return ber.Shape("sequence", lambda: simple)

    events = {tag(number): of(table) for number, table in modules.NRTRDE_EVENTS.values()}
    inside = {tag(number, False): ber.Shape("leaf") for number, _ in modules.NRTRDE_HEAD.values()}
    inside |= {tag(2): ber.Shape("list", lambda: events), tag(20, False): ber.Shape("leaf")}
    return ber.Shape("choice", lambda: {tag(1): ber.Shape("sequence", lambda: inside)})
