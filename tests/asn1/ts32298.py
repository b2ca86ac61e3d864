"""Random records of TS 32.298, packet and circuit-switched and of the IMS, and what those of its main kinds mean.

Conventions
-----------
- A `Record` is told in words of its own, missing is None; a container of service data is one of its `items`, traffic
  volumes are told apart. Which column or row each belongs to is for the tests to say.
- TBCD has the first digit in the low half of an octet, and F after an odd number of digits; an address has one octet
  before it, 0x91 for an international number, or two where the first one's top bit is not set.
- A network is MCC and MNC, of six digits or of five: `64 f0 10` is 460 01, `13 00 14` is 310 410.
- A time is nine octets: YYMMDDhhmmss and the offset's hhmm in digits as they are read, the sign in ASCII between them;
  the century is that of the year 2000.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from tests.asn1 import modules
from tests.asn1.values import Habits, digits, value, whole

# The choice's name of each record, the record type that stands in it, and the module that has it.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECORD_TYPES = {
    "pGWRecord": 85,
    "sGWRecord": 84,
    "sgsnPDPRecord": 18,
    "moCallRecord": 0,
    "mtCallRecord": 1,
    "moSMSRecord": 6,
    "mtSMSRecord": 7,
    "roamingRecord": 2,
    "incGatewayRecord": 3,
    "outGatewayRecord": 4,
    "transitRecord": 5,
    "sgsnSMORecord": 21,
    "sgsnSMTRecord": 22,
    "ePDGRecord": 96,
    "tWAGRecord": 97,
    "sCSCFRecord": 63,
    "pCSCFRecord": 64,
    "iCSCFRecord": 65,
    "mRFCRecord": 66,
    "mGCFRecord": 67,
    "bGCFRecord": 68,
    "aSRecord": 69,
    "iBCFRecord": 82,
    "tRFRecord": 89,
    "tFRecord": 90,
    "aTCFRecord": 91,
}
NIBBLES = "0123456789*#abc"
INTERNATIONAL, UNKNOWN = 0x91, 0x81
# International and national with an octet of presentation and screening behind.
WITH_PRESENTATION = (b"\x11\x83", b"\x21\x81")


def tbcd(text: str) -> bytes:
    """Digits and *#abc as 3GPP packs them."""
    halves = [NIBBLES.index(each) for each in text] + [15] * (len(text) % 2)
    return bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))


def untbcd(octets: bytes) -> str:
    halves = [half for octet in octets for half in (octet & 15, octet >> 4)]
    return "".join(NIBBLES[half] for half in halves if half != 15)


def address(random: Random) -> bytes:
    kind = random.choice([INTERNATIONAL, INTERNATIONAL, UNKNOWN])
    return bytes([kind]) + tbcd(digits(random, 3, 15))


def dialled(random: Random) -> bytes:
    """A number that may hold what is no digit."""
    number = digits(random, 2, 15)
    kind = random.choice([bytes([UNKNOWN]), bytes([INTERNATIONAL]), *WITH_PRESENTATION])
    return kind + tbcd(random.choice(["", "", "*", "#", "*#", "b"]) + number)


def plmn(random: Random) -> bytes:
    """A network's code of two or three digits, in China or the United States."""
    mcc, mnc = random.choice([("460", digits(random, 2, 2)), ("310", digits(random, 3, 3))])
    third = int(mnc[2]) if len(mnc) == 3 else 15
    return bytes([int(mcc[0]) | int(mcc[1]) << 4, int(mcc[2]) | third << 4, int(mnc[0]) | int(mnc[1]) << 4])


def packed(instant: datetime, offset_minutes: int) -> bytes:
    sign = b"-" if offset_minutes < 0 else b"+"
    offset = f"{abs(offset_minutes) // 60:02}{abs(offset_minutes) % 60:02}"
    return bytes.fromhex(instant.strftime("%y%m%d%H%M%S")) + sign + bytes.fromhex(offset)


def time(random: Random) -> bytes:
    instant = datetime(2004, 2, 28) + timedelta(seconds=random.randrange(900_000_000))
    return packed(instant, 15 * random.randint(-48, 56))


class Instant(NamedTuple):
    microseconds: int
    utc_offset_s: int


def instant(octets: bytes | None) -> Instant | None:
    """What nine octets say."""
    if octets is None:
        return None
    local = datetime.strptime("20" + octets[:6].hex(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    seconds = int(octets[7:8].hex()) * 3600 + int(octets[8:].hex()) * 60
    seconds = -seconds if octets[6:7] == b"-" else seconds
    return Instant((local - timedelta(seconds=seconds) - EPOCH) // timedelta(microseconds=1), seconds)


def apn(random: Random) -> str:
    return random.choice(["internet", "ims", "cmnet", "3gnet.mnc001.mcc460.gprs", "iot-1.example"])


def sip_uri(user: str, random: Random) -> str:
    scheme, plus, more = (random.choice(choices) for choices in (["sip:", "sips:", "SIP:"], ["+", ""], [":5060", ""]))
    return scheme + plus + user + random.choice(["", ";npdi", ":secret"]) + "@ims.example" + more


def subscription(random: Random) -> dict[str, str]:
    """An identity of the subscriber, and of which kind it is."""
    identity = random.choice(
        [
            ("eND-USER-E164", "86" + random.choice("1357") + digits(random, 6, 10)),
            ("eND-USER-IMSI", "460" + digits(random, 11, 12)),
            ("eND-USER-SIP-URI", "sip:alice@ims.example"),
        ]
    )
    return dict(zip(("subscriptionIDType", "subscriptionIDData"), identity, strict=True))


LEAVES = {
    "IMSI": lambda random: tbcd("460" + digits(random, 11, 12)),
    "servedMSISDN": lambda random: bytes([INTERNATIONAL]) + tbcd("86" + random.choice("1357") + digits(random, 6, 10)),
    "IMEI": lambda random: tbcd(digits(random, 15, 16)),
    "AddressString": address,
    "BCDDirectoryNumber": dialled,
    "SmsTpDestinationNumber": dialled,
    "TimeStamp": time,
    "PLMN-Id": plmn,
    "MCC-MNC": plmn,
    "AccessPointNameNI": apn,
    "CallDuration": whole(10**6),
    "DataVolumeGPRS": whole(1 << 42),
    "RatingGroupId": whole((1 << 32) - 1),
    "ChargingID": whole((1 << 32) - 1),
    "LocalSequenceNumber": whole((1 << 32) - 1),
    "recordSequenceNumber": whole(1 << 20),
    "CauseForRecClosing": lambda random: random.choice([0, 1, 4, 16, 17, 18, 19, 20, 22, 25, 52, 59, 77]),
    "CauseForTerm": lambda random: random.randrange(7),
    "RATType": lambda random: random.choice([1, 2, 3, 6, 7, 10]),
    "NodeID": lambda random: "node" + digits(random, 1, 6),
    "iPBinV4Address": lambda random: random.randbytes(4),
    "iPTextV4Address": lambda random: ".".join(str(random.randrange(256)) for _ in range(4)),
    "iPTextV6Address": lambda random: "2001:db8::" + digits(random, 1, 4),
    "SIP-Method": lambda random: random.choice(["INVITE", "MESSAGE", "REGISTER", "BYE"]),
    "sIP-URI": lambda random: sip_uri(digits(random, 3, 15), random),
    "tEL-URI": lambda random: "tel:+" + digits(random, 5, 15) + random.choice(["", ";phone-context=+86", ";npdi"]),
    "uRN": lambda random: "urn:service:sos",
    "iSDN-E164": lambda random: digits(random, 5, 15),
    "IMS-Charging-Identifier": lambda random: b"icid-" + digits(random, 1, 20).encode(),
    "iMSVisitedNetworkIdentifier": lambda random: (
        b"ims.mnc" + digits(random, 3, 3).encode() + b".mcc460.3gppnetwork.org"
    ),
    "SubscriptionID": lambda random: subscription(random),
    "SubscriberEquipmentNumber": lambda random: {
        "subscriberEquipmentNumberType": "iMEISV",
        "subscriberEquipmentNumberData": tbcd(digits(random, 16, 16)),
    },
}
ALWAYS = frozenset({"servedIMSI", "servedMSISDN", "datavolumeFBCUplink", "datavolumeFBCDownlink"})


class Container(NamedTuple):
    """Service data of one rating group."""

    rating_group: int | None
    uplink: int | None
    downlink: int | None
    sequence: int | None
    first: Instant | None
    last: Instant | None
    time_usage: int | None


class Record(NamedTuple):
    """What a record says; times are those of its kind: opening, or seizure, answer and release, or of the message."""

    kind: str
    imsi: str | None = None
    msisdn: str | None = None
    imei: str | None = None
    calling: str | None = None
    called: str | None = None
    opening: Instant | None = None
    seizure: Instant | None = None
    answer: Instant | None = None
    release: Instant | None = None
    duration: int | None = None
    cause: int | None = None
    charging_id: int | None = None
    apn: str | None = None
    rat: int | None = None
    plmn: bytes | None = None
    sequence: int | None = None
    local_sequence: int | None = None
    node: str | None = None
    reference: bytes | None = None
    containers: list[Container] | None = None
    volumes: list[tuple[int | None, int | None]] | None = None


def number(octets: bytes | None) -> str | None:
    """An address: with a plus where its first octet says that it is international."""
    if octets is None:
        return None
    return "+" * (octets[0] & 0x70 == 0x10) + untbcd(octets[1 if octets[0] & 0x80 else 2 :])


def container(found: dict[str, Any]) -> Container:
    return Container(
        found.get("ratingGroup"),
        found.get("datavolumeFBCUplink"),
        found.get("datavolumeFBCDownlink"),
        found.get("localSequenceNumber"),
        instant(found.get("timeOfFirstUsage")),
        instant(found.get("timeOfLastUsage")),
        found.get("timeUsage"),
    )


def meaning(kind: str, record: dict[str, Any]) -> Record:
    imsi, imei, msisdn = (record.get(name) for name in ("servedIMSI", "servedIMEI", "servedMSISDN"))
    services, volumes = record.get("listOfServiceData"), record.get("listOfTrafficVolumes")
    moment = record.get("recordOpeningTime", record.get("originationTime", record.get("deliveryTime")))
    return Record(
        kind,
        imsi=imsi and untbcd(imsi),
        msisdn=msisdn and number(msisdn).removeprefix("+"),
        imei=imei and untbcd(imei),
        calling=number(record.get("callingNumber")),
        called=number(record.get("calledNumber", record.get("destinationNumber"))),
        opening=instant(moment),
        seizure=instant(record.get("seizureTime")),
        answer=instant(record.get("answerTime")),
        release=instant(record.get("releaseTime")),
        duration=record.get("duration", record.get("callDuration")),
        cause=record.get("causeForRecClosing", record.get("causeForTerm")),
        charging_id=record.get("chargingID"),
        apn=record.get("accessPointNameNI"),
        rat=record.get("rATType"),
        plmn=record.get("servingNodePLMNIdentifier"),
        sequence=record.get("recordSequenceNumber", record.get("sequenceNumber")),
        local_sequence=record.get("localSequenceNumber"),
        node=record.get("nodeID"),
        reference=record.get("callReference"),
        containers=services and [container(each) for each in services],
        volumes=volumes
        and [(each.get("dataVolumeGPRSUplink"), each.get("dataVolumeGPRSDownlink")) for each in volumes],
    )


def domain(kind: str):
    """The choice that a record stands in, its name and its codec."""
    if kind in modules.GPRS_RECORDS:
        return modules.gprs(), "GPRSRecord", modules.gprs_codec()
    if kind in modules.IMS_RECORDS:
        return modules.ims(), "IMSRecord", modules.ims_codec()
    return modules.cs(), "CSRecord", modules.cs_codec()


def record(random: Random, kind: str, *, share: float = 0.4, always: frozenset[str] = ALWAYS) -> dict[str, Any]:
    top, _, _ = domain(kind)
    made = value(modules.members(top)[kind], random, Habits(LEAVES, share, always, most=4))
    return made | {"recordType": RECORD_TYPES[kind]}


def encoded(kind: str, record: dict[str, Any]) -> bytes:
    _, name, codec = domain(kind)
    return codec.encode(name, (kind, record))
