"""Modules of ASN.1 as two independent libraries have them: pycrate brings them, asn1tools is told them by pycrate.

Conventions
-----------
- No module text is in this project: pycrate has TAP and TS 32.298 compiled, and `specification` says the same to
  asn1tools, which encodes several times as fast and is the usual Python decoder of such files. So two authors who are
  not ours encode, and each reads what the other wrote.
- A value has the form of asn1tools: a dict for members, (name, value) for a choice, (bytes, bits) for a bit string.
- pycrate names a class of tags by a number: 0 universal, 1 application, 2 context, 3 private.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import asn1tools

UNIVERSAL = 0
CLASSES = {1: "APPLICATION", 3: "PRIVATE"}
# What says its own tag: an own tag beside it is explicit.
TAGGED_BY_OTHERS = {"CHOICE", "OPEN_TYPE"}
WITH_MEMBERS = {"SEQUENCE", "SET", "CHOICE"}
LISTS = {"SEQUENCE OF", "SET OF"}
# Members that carry any type at all or their own kind: left out.
LEFT_OUT = {"OPEN_TYPE", "ANY", "EXTERNAL", "OBJECT IDENTIFIER", "REAL"}


def members(kind) -> dict[str, Any]:
    """The members that can be encoded, by name."""
    return {name: each for name, each in kind._cont.items() if encodable(each)}


def encodable(kind) -> bool:
    if kind is None or kind.TYPE in LEFT_OUT:
        return False
    if kind.TYPE in LISTS:
        return encodable(kind._cont)
    if kind.TYPE in ("SEQUENCE", "SET"):
        return all(each._opt or encodable(each) for each in kind._cont.values())
    return True


def tag_of(kind) -> dict[str, Any]:
    """The one tag of a type's own, or none."""
    own = [tag for tag in kind._tagc if tag[0] != UNIVERSAL]
    if not own:
        return {}
    ((number_class, number),) = own
    told = {"number": number, "kind": "EXPLICIT" if kind.TYPE in TAGGED_BY_OTHERS else "IMPLICIT"}
    return {"tag": told | ({"class": CLASSES[number_class]} if number_class in CLASSES else {})}


def contents(kind, types: dict[str, Any]) -> dict[str, Any]:
    """A type without its tag, as asn1tools wants it told."""
    told: dict[str, Any] = {"type": kind.TYPE}
    if kind.TYPE in WITH_MEMBERS:
        told["members"] = [
            {"name": name, **reference(each, types)} | ({"optional": True} if each._opt else {})
            for name, each in members(kind).items()
        ]
    elif kind.TYPE in LISTS:
        told["element"] = reference(kind._cont, types)
    elif kind.TYPE == "ENUMERATED":
        told["values"] = sorted(kind._cont.items(), key=lambda pair: pair[1])
    return told


def reference(kind, types: dict[str, Any]) -> dict[str, Any]:
    """A member's type: what has a name goes to `types` once."""
    if kind._tr is None:
        return contents(kind, types) | tag_of(kind)
    name = kind._tr._name
    if name not in types:
        types[name] = {}  # it may refer to itself
        types[name] = contents(kind._tr, types)
    return {"type": name, **tag_of(kind)}


def compiled(name: str, kind, only: tuple[str, ...] = ()):
    """An encoder and decoder of one type, of a choice by `only` so many names."""
    types: dict[str, Any] = {}
    told = contents(kind, types) | tag_of(kind)
    told["members"] = [each for each in told["members"] if not only or each["name"] in only]
    module = {"extensibility-implied": False, "imports": {}, "object-classes": {}, "object-sets": {}, "values": {}}
    return asn1tools.compile_dict({"M": {**module, "tags": "IMPLICIT", "types": {name: told, **types}}}, "ber")


@cache
def tap():
    """pycrate's TAP 3.12."""
    from pycrate_asn1dir import TAP3

    return TAP3.TAP_0312


@cache
def tap_codec():
    """asn1tools' TAP 3.12: type `DataInterChange`."""
    return compiled("DataInterChange", tap().DataInterChange)


@cache
def gprs():
    """pycrate's records of the packet domain."""
    from pycrate_asn1dir import CDR

    return CDR.GPRSChargingDataTypes.GPRSRecord


@cache
def cs():
    """pycrate's records of the circuit-switched domain."""
    from pycrate_asn1dir import CDR

    return CDR.CSChargingDataTypes.CSRecord


@cache
def ims():
    """pycrate's records of the IMS."""
    from pycrate_asn1dir import CDR

    return CDR.IMSChargingDataTypes.IMSRecord


GPRS_RECORDS = ("pGWRecord", "sGWRecord", "sgsnPDPRecord", "ePDGRecord", "tWAGRecord", "sgsnSMORecord", "sgsnSMTRecord")
CS_RECORDS = (
    *("moCallRecord", "mtCallRecord", "moSMSRecord", "mtSMSRecord"),
    *("roamingRecord", "incGatewayRecord", "outGatewayRecord", "transitRecord"),
)
IMS_RECORDS = (
    *("sCSCFRecord", "pCSCFRecord", "iCSCFRecord", "mRFCRecord", "mGCFRecord", "bGCFRecord", "aSRecord"),
    *("iBCFRecord", "tRFRecord", "tFRecord", "aTCFRecord"),
)


@cache
def gprs_codec():
    """asn1tools' records of the packet domain: type `GPRSRecord`."""
    return compiled("GPRSRecord", gprs(), GPRS_RECORDS)


@cache
def cs_codec():
    """asn1tools' records of the circuit-switched domain: type `CSRecord`."""
    return compiled("CSRecord", cs(), CS_RECORDS)


@cache
def ims_codec():
    """asn1tools' records of the IMS: type `IMSRecord`."""
    return compiled("IMSRecord", ims(), IMS_RECORDS)


def to_pycrate(kind, value):
    """A value in asn1tools' form as pycrate wants it."""
    if kind.TYPE == "CHOICE":
        name, inner = value
        return name, to_pycrate(kind._cont[name], inner)
    if kind.TYPE in WITH_MEMBERS:
        return {name: to_pycrate(kind._cont[name], inner) for name, inner in value.items()}
    if kind.TYPE in LISTS:
        return [to_pycrate(kind._cont, inner) for inner in value]
    if kind.TYPE == "BIT STRING":
        content, bits = value
        return int.from_bytes(content, "big") >> (8 * len(content) - bits), bits
    return 0 if kind.TYPE == "NULL" else value


# --------------------------------------------------------------------------------------------- NRTRDE


def table(text: str) -> dict[str, tuple[int, Any]]:
    """Members by name: application tag and type, `s` for octets. Written from what is told of NRTRDE 2.1."""
    members = [each.split() for each in text.split(",")]
    return {name: (int(number), kind) for name, number, kind in members}


COMMON = table(
    "imsi 34 s, imei 33 s, callEventStartTimeStamp 21 s, utcTimeOffset 45 s, callEventDuration 19 i,"
    "causeForTermination 24 i"
)
SERVICE = {"serviceCode": (46, table("teleServiceCode 43 s, bearerServiceCode 18 s"))}
RECORDED = table("recEntityId 35 s, callReference 23 i")
PLACED = table("chargeAmount 25 i, servingNetwork 15 s, msisdn 49 s, locationArea 48 i, cellId 47 i")
NUMBERS = table("supplementaryServiceCode 42 s, dialledDigits 30 s, connectedNumber 27 s, thirdPartyNumber 44 s")
CARRIED = table(
    "accessPointNameNI 16 s, accessPointNameOI 17 s, dataVolumeIncoming 28 i, dataVolumeOutgoing 29 i,"
    "sgsnAddress 40 s, ggsnAddress 32 s, chargingId 26 i"
)
NRTRDE_EVENTS = {
    "moc": (3, {**COMMON, **SERVICE, **NUMBERS, **RECORDED, **PLACED}),
    "mtc": (4, {**COMMON, **SERVICE, **table("callingNumber 22 s"), **RECORDED, **PLACED}),
    "gprs": (5, {**COMMON, **CARRIED, **PLACED}),
}
NRTRDE_HEAD = table(
    "specificationVersionNumber 41 i, releaseVersionNumber 37 i, sender 38 s, recipient 36 s, sequenceNumber 39 s,"
    "fileAvailableTimeStamp 31 s, utcTimeOffset 45 s"
)


def application(number: int, kind: str = "IMPLICIT") -> dict[str, Any]:
    return {"tag": {"number": number, "class": "APPLICATION", "kind": kind}}


def told(name: str, number: int, kind: Any) -> dict[str, Any]:
    """A member as asn1tools wants it told; a dict stands for a choice."""
    if isinstance(kind, dict):
        alternatives = [told(*pair[:1], *pair[1]) for pair in kind.items()]
        return {"name": name, "type": "CHOICE", "members": alternatives, **application(number, "EXPLICIT")}
    return {"name": name, "type": {"s": "OCTET STRING", "i": "INTEGER"}[kind], **application(number)}


@cache
def nrtrde_codec():
    """asn1tools' NRTRDE 2.1: type `Nrtrde`."""

    def members(table: dict[str, Any]) -> list[dict[str, Any]]:
        return [told(name, *each) | {"optional": True} for name, each in table.items()]

    events = [
        {"name": name, "type": "SEQUENCE", "members": members(table), **application(number)}
        for name, (number, table) in NRTRDE_EVENTS.items()
    ]
    listed = {"type": "SEQUENCE OF", "element": {"type": "CallEvent"}, **application(2)}
    file = [*members(NRTRDE_HEAD), {"name": "callEvents", "optional": True, **listed}]
    file.append(told("callEventsCount", 20, "i") | {"optional": True})
    types = {
        "Nrtrde": {"type": "SEQUENCE", "members": file, **application(1)},
        "CallEvent": {"type": "CHOICE", "members": events},
    }
    module = {"extensibility-implied": False, "imports": {}, "object-classes": {}, "object-sets": {}, "values": {}}
    return asn1tools.compile_dict({"M": {**module, "tags": "IMPLICIT", "types": types}}, "ber")


# ------------------------------------------------------------------------------------------------ RAP


@cache
def rap():
    """pycrate's RAP 1.5."""
    from pycrate_asn1dir import TAP3

    return TAP3.RAP_0105.RapDataInterChange


@cache
def rap_codec():
    """asn1tools' RAP 1.5: type `RapDataInterChange`."""
    return compiled("RapDataInterChange", rap())
