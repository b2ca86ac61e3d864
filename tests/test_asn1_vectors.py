"""The encoders of the tests against octets that were worked by hand, bit by bit."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.asn1 import ber, chf, tap, ts32297, ts32298
from tests.asn1.ts32297 import Header, Moment, Release


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        # 0001 01010 01000 000101 1 01000 000000: 10 January, 8:05, +8:00
        (Moment(1, 10, 8, 5, 480), "15205a00"),
        # 1100 11111 10111 111011 0 00011 011110: 31 December, 23:59, -3:30
        (Moment(12, 31, 23, 59, -210), "cfdfb0de"),
        # 0010 11101 00000 000000 1 00101 101101: 29 February, 0:00, +5:45
        (Moment(2, 29, 0, 0, 345), "2e80096d"),
    ],
)
def test_a_moment(moment, octets):
    assert moment.packed().hex() == octets


def test_a_file_of_nothing_is_52_octets():
    header = Header(opened=Moment(1, 10, 8, 0, 480), appended=Moment(1, 10, 8, 5, 480))
    by_hand = [
        *("00000034", "00000034", "c0", "a0"),  # both lengths, Rel-9, Rel-8
        *("15200a00", "15205a00"),
        *("00000000", "00000001", "00"),  # records, sequence, normal closure
        *("ffffffff", "00" * 12, "0a000001"),
        *("00", "0000", "0000"),  # none lost, no filter, no extension
    ]
    assert header.packed(0, 0).hex() == "".join(by_hand)


def test_release_extensions_make_a_file_header_of_54_octets():
    packed = Header(high=Release(17, 3), low=Release(16, 1)).packed(0, 0)
    assert (len(packed), packed[8:10].hex(), packed[-2:].hex()) == (54, "e3e1", "0706")
    only_low = Header(low=Release(15)).packed(0, 0)
    assert (len(only_low), only_low[8:10].hex(), only_low[-1:].hex()) == (53, "c0e0", "05")


@pytest.mark.parametrize(
    ("release", "octets"),
    [
        (Release(99), "00030027aabbcc"),
        (Release(8, 2), "0003a227aabbcc"),
        (Release(16, 4), "0003e42706aabbcc"),
    ],
)
def test_a_record_header_is_of_four_octets_or_five(release, octets):
    assert ts32297.record(b"\xaa\xbb\xcc", release).hex() == octets


def test_digits_are_packed_in_two_ways():
    assert tap.bcd("262092460000001").hex() == "262092460000001f"
    assert ts32298.tbcd("262092460000001").hex() == "62022964000000f1"
    assert ts32298.tbcd("*#1a").hex() == "bac1"


def test_a_time_of_ts_32298():
    octets = bytes.fromhex("1510211100372b0600")
    assert ts32298.instant(octets) == (1445403637_000_000, 21600)
    assert ts32298.instant(bytes.fromhex("1510211100372d0330")).utc_offset_s == -12600


def test_a_charging_record_by_hand():
    values = {
        "recordType": 200,
        "recordingNetworkFunctionID": "chf",
        "subscriberIdentifier": {"subscriptionIDType": 1, "subscriptionIDData": "46001"},
        "listOfMultipleUnitUsage": [
            {"ratingGroup": 128, "usedUnitContainers": [{"dataVolumeUplink": 1, "dataVolumeDownlink": 255}]},
        ],
        "triggers": [{"sMFTrigger": 503}],
        "pDUSessionChargingInformation": {"userIdentifier": {"iSDN-E164": "8613"}},
        "recordOpeningTime": bytes.fromhex("1510211100372b0600"),
        "duration": 0,
    }
    by_hand = "".join(
        [
            *("8002" "00c8", "8103" "636866", "a20a" "800101" "81053436303031"),
            *("a404" "800201f7", "a511" "300f" "80020080" "a109" "3007" "850101" "860200ff"),
            *("8609" "1510211100372b0600", "870100", "ad08" "a106" "830438363133"),
        ]
    )  # fmt: skip
    assert chf.encoded(values).hex() == "bf8148" + f"{len(by_hand) // 2:02x}" + by_hand


@given(random=st.integers(0, 1 << 32).map(Random))
def test_a_charging_record_survives_rewriting(random):
    data = chf.encoded(chf.record(random))
    found = ber.rewrite(data, random, chf.SHAPE, ber.Manner(unknown=0.3))
    assert ber.plain(found.data, chf.SHAPE) == ber.plain(data, chf.SHAPE)


def test_blocks_hold_whole_records():
    data = ber.in_blocks([b"a" * 5, b"b" * 4, b"c" * 8], 10, 0xFF)
    assert data == b"aaaaabbbb\xffcccccccc\xff\xff"
