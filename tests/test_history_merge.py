"""Segments put into one: the same bytes as of one long run, a slice in memory at a time."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.dedup import history
from mediation.dedup._segment import SegmentMerger
from mediation.dedup.history import Segment, merge_segments
from mediation.errors import DamagedState
from tests.test_history import DAYS, KEYS, SECRET, Bytes, file_of, known, prints_batch, segment_of


def merged(segments, floor_day=None) -> bytes:
    return b"".join(merge_segments(segments, SECRET, floor_day))


def parted(records, parts: int) -> list[Segment]:
    return [segment_of(records[number::parts]) for number in range(parts)]


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(KEYS, DAYS, max_size=200), st.integers(1, 6), st.integers(1, 3), st.data())
def test_a_merged_segment_is_the_one_that_is_written_at_once(days, parts, together, data):
    records = [(*key, number, day) for number, (key, day) in enumerate(days.items())]
    dealt: list[list] = [[] for _ in range(parts)]
    for record in records:
        dealt[data.draw(st.integers(0, parts - 1))].append(record)
    with mock.patch.multiple(history, BUCKETS_TOGETHER=together, FILTER_BYTES_TOGETHER=50):
        assert merged([segment_of(each) for each in dealt]) == file_of(prints_batch(records)).data


def test_large_and_small_segments_are_merged_slice_by_slice(monkeypatch):
    random, held = np.random.default_rng(4), []

    class Watched(SegmentMerger):
        def bucket_range(self):
            part = super().bucket_range()
            held.append(self.nbytes - sum(self.filters) - 4 * sum(self.buckets))
            return part

    monkeypatch.setattr(history, "SegmentMerger", Watched)
    monkeypatch.setattr(history, "BUCKETS_TOGETHER", 32)
    keys = random.integers(0, 2**64, (200_000, 2), np.uint64)
    days = np.where(keys[:, 0] % 5 == 0, keys[:, 1] % 3, 9)
    records = [
        (int(low), int(high), number, int(day) or None)
        for number, ((low, high), day) in enumerate(zip(keys, days, strict=True))
    ]
    segments = [segment_of(records[begin:end]) for begin, end in itertools.pairwise((0, 5, 9_000, 50_000, 200_000))]
    assert merged(segments) == file_of(prints_batch(records)).data
    slice_entries = 32 * 64 + 4 * 64
    assert max(held) < 2 * slice_entries * 24 * 2 + 100_000
    for segment in segments:
        filters = [segment.index.filter_span(number) for number in range(len(segment.days))]
        assert not set(filters) & set(segment._file.reads)


def test_merging_merged_segments_is_merging_all():
    records = [(number << 50, number, number, number % 3 or None) for number in range(5000)]
    parts = parted(records, 7)
    halves = [Segment(Bytes(merged(half)), SECRET) for half in (parts[:3], parts[3:])]
    assert merged(halves) == merged(parts) == file_of(prints_batch(records)).data
    assert merged([]) == file_of(prints_batch([])).data


def test_days_below_the_floor_are_left_out_and_undated_records_never():
    records = [(number << 50, number, number, (None, 10, 11, 12)[number % 4]) for number in range(1000)]
    for floor, left in ((None, 4), (0, 4), (10, 4), (11, 3), (13, 1)):
        segment = Segment(Bytes(merged(parted(records, 3), floor)), SECRET)
        segment.verify()
        assert [day for day, _ in segment.days] == [None, 10, 11, 12][:1] + [10, 11, 12][4 - left :]
        kept = [record[3] is None or floor is None or record[3] >= floor for record in records]
        assert known([segment], records) == [number if keep else None for number, keep in enumerate(kept)]


def test_damage_is_not_merged():
    records = [(number << 56, number, number, number % 2 or None) for number in range(200)]
    mine, other = (file_of(prints_batch(records[part::2])).data for part in (0, 1))
    filters = Segment(Bytes(mine), SECRET).index
    unread = [filters.filter_span(number) for number in range(len(filters.days))]
    for place in range(len(mine)):
        flipped = bytearray(mine)
        flipped[place] ^= 1 << place % 8
        if any(offset <= place < offset + length for offset, length in unread):
            continue
        with pytest.raises(DamagedState, match="history today"):
            merged([Segment(Bytes(bytes(flipped)), SECRET, "today"), Segment(Bytes(other), SECRET)])


def test_a_merger_is_asked_in_its_order():
    segment = segment_of([(number << 50, number, number, 7) for number in range(5000)])
    merger = SegmentMerger([segment.index], SECRET)
    with pytest.raises(IndexError):
        merger.begin(1)
    assert merger.begin(0) == [(0, 0)]
    with pytest.raises(ValueError, match="partition 0 are not read"):
        merger.want(1)
    segment.read_begins(0)
    (wanted,) = merger.want(3)
    with pytest.raises(ValueError, match="0 of 1 were taken"):
        merger.bucket_range()
    assert not merger.take(b"")
    with pytest.raises(IndexError):
        merger.take(segment.read(*wanted[1:]))
    for beyond in (3, merger.buckets[0] + 1):
        with pytest.raises(IndexError):
            merger.want(beyond)
    with pytest.raises(IndexError):
        merger.filter(0, 0, merger.filters[0] + 1)
