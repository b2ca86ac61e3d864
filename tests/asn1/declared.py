"""Records of TS 32.298, of a CHF and of a vendor by tables that a feed declares itself (`format = "ber"`), and the
rows that their random values mean by these tables.

Conventions
-----------
- A table fills what the other tests can tell apart, not all that there is; a code is a number, not a name.
- A container of service data is an item, and a record of a CHF has one for each rating group, whose containers add up;
  traffic volumes of packet records without containers add up in the record.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.asn1 import chf, vendor
from tests.asn1.ts32298 import Instant, Record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def field(column: str, kind: str, coding: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {"column": column, "type": kind, "coding": coding, "tag": list(tags), "optional": True, **more}


def record_type(**values: str) -> dict[str, Any]:
    return {
        "column": "record_type",
        "type": "enumeration",
        "coding": "tag",
        "values": {tag.removeprefix("t"): name for tag, name in values.items()},
    }


def moment(*tags: str, **more: Any) -> list[dict[str, Any]]:
    return [
        field("start_time", "timestamp", "time9", *tags, **more),
        field("utc_offset_s", "integer", "time9", *tags, unit="s", signed=True),
    ]


BARE: dict[str, Any] = {"records": ""}
PACKET = {
    "ber": BARE | {"items": ["79/34/u16"], "without_items": ["79/12"]},
    "field": [
        record_type(t79="data", t78="data", t20="data"),
        field("served_imsi", "digits", "tbcd", "{79,78,20}/3"),
        field("served_msisdn", "digits", "address", "{79,78}/22", "20/27"),
        field("imei", "text", "tbcd", "{79,78}/29", "20/4"),
        *moment("{79,78}/13", "20/16", optional=False),
        field("duration_s", "integer", "integer", "{79,78}/14", "20/17", unit="s"),
        field("cause", "integer", "integer", "{79,78}/15", "20/19"),
        field("charging_id", "integer", "integer", "{79,78}/5", "20/10"),
        field("apn", "text", "octets", "{79,78}/7", "20/12"),
        field("rat", "integer", "integer", "{79,78}/30", "20/29"),
        field("serving_network", "text", "hex", "{79,78}/27", "20/38"),
        field("sequence_no", "integer", "integer", "{79,78}/17", "20/21"),
        field("local_sequence_no", "integer", "integer", "{79,78}/20", "20/24"),
        field("node_id", "text", "octets", "{79,78}/18", "20/22"),
        field("rating_group", "integer", "integer", "79/34/u16/1"),
        field("uplink_bytes", "integer", "integer", "79/34/u16/12", unit="B"),
        field("downlink_bytes", "integer", "integer", "79/34/u16/13", unit="B"),
        field("container_no", "integer", "integer", "79/34/u16/4"),
        field("first_usage", "timestamp", "time9", "79/34/u16/5"),
        field("volume_up", "integer", "integer", "{79,78}/12/u16/3", "20/15/u16/3", sum=True),
        field("volume_down", "integer", "integer", "{79,78}/12/u16/4", "20/15/u16/4", sum=True),
    ],
}
CIRCUIT = {
    "ber": BARE,
    "field": [
        record_type(t0="voice_mo", t1="voice_mt", t6="sms_mo", t7="sms_mt"),
        field("served_imsi", "digits", "tbcd", "{0,1,6}/1", "7/2"),
        field("served_msisdn", "digits", "address", "{0,1,6}/3", "7/4"),
        field("imei", "text", "tbcd", "{0,1,6}/2", "7/3"),
        field("other_party", "text", "address", "0/5", "1/4", "6/12"),
        *moment("0/23", "1/20", "6/9", "7/8"),
        field("end_time", "timestamp", "time9", "0/24", "1/21"),
        field("duration_s", "integer", "integer", "0/25", "1/22", unit="s"),
        field("cause", "integer", "integer", "0/30", "1/27"),
        field("host_record_id", "text", "hex", "0/32", "1/29"),
        field("sequence_no", "integer", "integer", "0/33", "1/30"),
    ],
}
CHF = {
    "ber": BARE | {"items": ["200/5/u16"]},
    "field": [
        record_type(t200="data"),
        field("served_imsi", "digits", "octets", "200/2/1"),
        field("served_msisdn", "digits", "octets", "200/13/1/3"),
        field("imei", "text", "tbcd", "200/13/2/1"),
        *moment("200/6"),
        field("duration_s", "integer", "integer", "200/7", unit="s"),
        field("cause", "integer", "integer", "200/9"),
        field("charging_id", "integer", "integer", "200/13/0"),
        field("apn", "text", "octets", "200/13/13"),
        field("rat", "integer", "integer", "200/13/12"),
        field("sequence_no", "integer", "integer", "200/8"),
        field("local_sequence_no", "integer", "integer", "200/11"),
        field("node_id", "text", "octets", "200/1"),
        field("session_id", "text", "octets", "200/16"),
        field("rating_group", "integer", "integer", "200/5/u16/0"),
        field("uplink_bytes", "integer", "integer", "200/5/u16/1/u16/5", unit="B", sum=True),
        field("downlink_bytes", "integer", "integer", "200/5/u16/1/u16/6", unit="B", sum=True),
    ],
}
VENDOR = {
    "ber": {"records": "u16/1", "identity": "0", "record_count": "u16/2/4"},
    "field": [
        record_type(t0="voice_mo"),
        field("served_imsi", "digits", "tbcd", "0/1"),
        field("served_msisdn", "digits", "address", "0/3"),
        field("other_party", "text", "address", "0/5"),
        *moment("0/23"),
        field("duration_s", "integer", "integer", "0/25", unit="s"),
        field("cause", "integer", "integer", "0/30"),
        field("host_record_id", "text", "hex", "0/32"),
        field("record_number", "integer", "integer", "0/232"),
    ],
}


PACKET_KINDS = ("pGWRecord", "sGWRecord", "sgsnPDPRecord")
CIRCUIT_KINDS = ("moCallRecord", "mtCallRecord", "moSMSRecord", "mtSMSRecord")


def columns(table: dict[str, Any]) -> tuple[str, ...]:
    return tuple(each["column"] for each in table["field"])


# --------------------------------------------------------------------------------------- what they mean


def when(said: Instant | None) -> datetime | None:
    return said and EPOCH + timedelta(microseconds=said.microseconds)


def started(said: Instant | None) -> dict[str, Any]:
    return {"start_time": when(said), "utc_offset_s": said and said.utc_offset_s}


def whole(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def total(volumes: list[tuple[int | None, ...]] | None, way: int) -> int | None:
    said = [each[way] for each in volumes or [] if each[way] is not None]
    return sum(said) if said else None


def served(said: Any) -> dict[str, Any]:
    return {
        "served_imsi": whole(said.imsi),
        "served_msisdn": whole(said.msisdn),
        "duration_s": said.duration,
        "cause": said.cause,
    }


def packet_rows(said: Record) -> list[dict[str, Any]]:
    row = {
        **dict.fromkeys(columns(PACKET)),
        **served(said),
        **started(said.opening),
        "record_type": "data",
        "imei": said.imei,
        "charging_id": said.charging_id,
        "apn": said.apn,
        "rat": said.rat,
        "serving_network": said.plmn and said.plmn.hex(),
        "sequence_no": said.sequence,
        "local_sequence_no": said.local_sequence,
        "node_id": said.node,
    }
    if not said.containers:
        return [row | {"volume_up": total(said.volumes, 0), "volume_down": total(said.volumes, 1)}]
    items = [
        {
            "rating_group": each.rating_group,
            "uplink_bytes": each.uplink,
            "downlink_bytes": each.downlink,
            "container_no": each.sequence,
            "first_usage": when(each.first),
        }
        for each in said.containers
    ]
    return [row | item for item in items]


def circuit_rows(said: Record) -> list[dict[str, Any]]:
    kinds = {"moCallRecord": "voice_mo", "mtCallRecord": "voice_mt", "moSMSRecord": "sms_mo", "mtSMSRecord": "sms_mt"}
    return [
        {
            **served(said),
            **started(said.answer if said.kind in ("moCallRecord", "mtCallRecord") else said.opening),
            "record_type": kinds[said.kind],
            "imei": said.imei,
            "other_party": said.calling if said.kind == "mtCallRecord" else said.called,
            "end_time": when(said.release),
            "host_record_id": said.reference and said.reference.hex(),
            "sequence_no": said.sequence,
        }
    ]


def chf_rows(said: chf.Session) -> list[dict[str, Any]]:
    row = {
        **served(said),
        **started(said.opening),
        "record_type": "data",
        "imei": said.imei,
        "charging_id": said.charging_id,
        "apn": said.dnn,
        "rat": said.rat,
        "sequence_no": said.sequence,
        "local_sequence_no": said.local_sequence,
        "node_id": said.node,
        "session_id": said.session_id and said.session_id.decode(),
    }
    return [
        row
        | {
            "rating_group": group,
            "uplink_bytes": total([(unit.uplink, unit.downlink) for unit in units], 0),
            "downlink_bytes": total([(unit.uplink, unit.downlink) for unit in units], 1),
        }
        for group, units in said.groups
    ]


def vendor_rows(said: vendor.Call) -> list[dict[str, Any]]:
    return [
        {
            **served(said),
            **started(said.answer),
            "record_type": "voice_mo",
            "other_party": "+" + said.called,
            "host_record_id": said.reference.hex(),
            "record_number": said.record_number,
        }
    ]
