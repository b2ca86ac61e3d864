"""The file header of TS 32.297 against an encoder of the tests: every field, of any length, and what is no header."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediation.decode.ber.cdrfile import UNKNOWN, Lost, file_header, lost_records, moment
from tests.asn1.ts32297 import OPEN, Header, Moment, Release

releases = st.builds(Release, st.sampled_from([99, *range(4, 20), 265]), st.integers(0, 31))
moments = st.builds(
    Moment, st.integers(0, 15), *[st.integers(0, 31)] * 2, st.integers(0, 63), st.integers(-31 * 60, 31 * 60)
)
headers = st.builds(
    Header,
    opened=moments,
    appended=moments,
    high=releases,
    low=releases,
    sequence=st.integers(0, UNKNOWN),
    closure=st.integers(0, 255),
    node=st.binary(min_size=20, max_size=20),
    lost=st.integers(0, 255),
    filter=st.binary(max_size=40),
    private=st.binary(max_size=40),
    count=st.integers(0, UNKNOWN),
    length=st.none(),
    header_length=st.none(),
)
CLOSURES = {0: "normal", 1: "file_size_limit", 4: "manual_intervention", 129: "file_system_error", 77: "77"}


def named(release: Release) -> str:
    return f"{'R99' if release.number == 99 else f'Rel-{release.number}'}.{release.version}"


@given(header=headers, more=st.binary(max_size=9))
def test_every_field_is_read(header, more):
    data = header.packed(0, len(more)) + more
    found = file_header(data)
    assert (found.length, found.header_bytes) == (len(data), len(data) - len(more))
    assert (found.high, found.low) == (named(header.high), named(header.low))
    packed = [int.from_bytes(each.packed(), "big") for each in (header.opened, header.appended)]
    assert [found.opened, found.appended] == packed
    assert (found.records, found.sequence) == (header.count, header.sequence)
    assert (found.node, found.filter, found.private) == (header.node, header.filter, header.private)
    assert found.closure == CLOSURES.get(header.closure, found.closure)
    assert found.lost == lost_records(header.lost)


@given(header=headers, cut=st.integers(1, 60))
def test_a_header_that_ends_within_its_parts_is_none(header, cut):
    whole = header.packed(0, 0)
    told = header._replace(header_length=max(len(whole) - cut, 0), length=OPEN).packed(0, 0)
    assert file_header(told) is None
    assert file_header(whole[: len(whole) - cut]) is None


def test_what_stands_between_the_parts_and_the_end_is_passed_over():
    told = Header(header_length=58).packed(0, 6) + b"vendor"
    assert file_header(told).header_bytes == 58


@pytest.mark.parametrize(
    ("indicator", "lost"),
    [
        (0, Lost(0, True)),
        *((1, Lost(1, False)), (127, Lost(127, False))),
        *((128, Lost(1, False)), (129, Lost(1, True)), (254, Lost(126, True)), (255, Lost(127, False))),
    ],
)
def test_lost_records_are_at_least_or_exactly_so_many(indicator, lost):
    assert lost_records(indicator) == lost


@pytest.mark.parametrize(
    ("told", "near", "said"),
    [
        (Moment(1, 10, 8, 5, 480), dt.date(2026, 1, 10), "2026-01-10T08:05:00+08:00"),
        (Moment(12, 31, 23, 59, -210), dt.date(2026, 1, 1), "2025-12-31T23:59:00-03:30"),
        (Moment(1, 1, 0, 0, 0), dt.date(2025, 12, 31), "2026-01-01T00:00:00+00:00"),
        (Moment(2, 29, 0, 0, 345), dt.date(2027, 3, 1), "2028-02-29T00:00:00+05:45"),
        (Moment(2, 29, 0, 0, 0), dt.date(2026, 3, 1), None),
        (Moment(0, 1, 0, 0), dt.date(2026, 1, 1), None),
        (Moment(13, 1, 0, 0), dt.date(2026, 1, 1), None),
        (Moment(1, 1, 24, 0), dt.date(2026, 1, 1), None),
        (Moment(1, 1, 0, 0, 24 * 60), dt.date(2026, 1, 1), None),
    ],
)
def test_the_year_is_the_one_nearest_to_a_date(told, near, said):
    found = moment(int.from_bytes(told.packed(), "big"), near)
    assert (found and found.isoformat()) == said
