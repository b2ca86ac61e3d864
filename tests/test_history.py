"""The history of segments: the same verdicts as one long run, and damage that is never silently used."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.dedup import dedup, history
from mediation.dedup._segment import HEADER_BYTES, SegmentIndex, SegmentProbe
from mediation.dedup.dedup import Admission, compile_keys, fingerprint
from mediation.dedup.history import Segment, SegmentHistory, write_segment
from mediation.errors import DamagedState, InvariantError, UsageError
from mediation.native._column import Batch
from mediation.rulebook.model import Dedup, Feed
from tests.naive import dedup as naive
from tests.test_dedup import COLUMNS, LEVELS, batch_of, book_of, record_lists, rule_of

SECRET = bytes(range(16))
OTHER_SECRET = bytes(16)
DAY_US = 86_400_000_000


class Bytes:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes):
        self.data, self.size, self.reads = data, len(data), []

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


def prints_batch(records) -> Batch:
    """(low, high, check, day or None) as prints."""
    keys = np.array([(low, high) for low, high, _, _ in records], np.uint64).reshape(-1, 2)
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(keys.tobytes())])
    checks = pa.array([check for _, _, check, _ in records], pa.int32())
    days = pa.array([day for _, _, _, day in records], pa.int32())
    return Batch.of(pa.record_batch({"fingerprint": column, "payload_check": checks, "partition_day": days}))


def numbered(count: int, base: int = 0) -> Batch:
    return Batch.of(pa.record_batch({"record_no": np.arange(base, base + count)}))


def verdicts_of(fresh, duplicates, count: int):
    found = [(None, None)] * count
    made = pa.record_batch(duplicates)
    for row, verdict, first in zip(*(made[name].to_pylist() for name in made.schema.names), strict=True):
        found[row] = (verdict, first)
    assert pa.record_batch(fresh)["row"].to_pylist() == [row for row in range(count) if found[row][0] is None]
    return found


def file_of(entries: Batch, secret: bytes = SECRET) -> Bytes:
    return Bytes(b"".join(write_segment(entries, secret)))


def segment_of(records) -> Segment:
    return Segment(file_of(prints_batch(records)), SECRET)


def known(segments, records) -> list:
    return pa.record_batch(SegmentHistory(segments).probe(prints_batch(records)))["payload_check"].to_pylist()


# ------------------------------------------------------------------------------------------ verdicts

WORDS = st.sampled_from([0, 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
KEYS = st.tuples(WORDS, WORDS)
DAYS = st.none() | st.sampled_from([0, 1, 20_000, 65_533, 65_534]) | st.integers(19_990, 20_010)


@st.composite
def runs(draw):
    """Records of several runs: keys come again, each always with its day; checks differ now and then."""
    keys = draw(st.lists(KEYS, min_size=1, max_size=40, unique=True))
    days = [draw(DAYS) for _ in keys]
    picks = st.lists(st.tuples(st.integers(0, len(keys) - 1), st.integers(0, 1)), max_size=60)
    return [[(*keys[k], check, days[k]) for k, check in run] for run in draw(st.lists(picks, min_size=1, max_size=5))]


@settings(deadline=None, max_examples=150)
@given(runs(), st.booleans(), st.integers(1, 25))
def test_runs_with_segments_give_the_verdicts_of_one_long_run(all_runs, collide, size):
    whole = naive.admit([((low, high), check, 0) for run in all_runs for low, high, check, _ in run], {})
    segments, found = [], []
    for run in all_runs:
        admission = Admission(SegmentHistory(segments), dated=True, all_collide=collide)
        for begin in range(0, len(run), size):
            piece = run[begin : begin + size]
            fresh, duplicates = admission.admit(prints_batch(piece), numbered(len(piece)), begin)
            found += verdicts_of(fresh, duplicates, len(piece))
        segments.append(Segment(file_of(admission.entries()), SECRET))
        segments[-1].verify()
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in whole]
    naive_history: dict = {}
    for run in all_runs:  # and run by run, with the ordinals
        seen: dict = {}
        named = [((low, high), check, number) for number, (low, high, check, _) in enumerate(run)]
        wanted = naive.admit(named, seen, naive_history)
        assert found[: len(run)] == wanted
        del found[: len(run)]
        naive_history |= {key: check for key, (check, _) in seen.items()}


@pytest.mark.parametrize("collide", ["nothing", "low", "bucket"])
def test_many_entries_are_found_and_strangers_are_not(collide):
    random = np.random.default_rng(3)
    count = 5_000
    lows = random.integers(0, 2**64, 2 * count, np.uint64)
    if collide != "nothing":
        lows = np.full(2 * count, 77, np.uint64) if collide == "low" else lows >> np.uint64(40)
    highs = random.permutation(2 * count) if collide == "low" else random.integers(0, 2**64, 2 * count, np.uint64)
    days = random.choice([None, 20_000, 20_001], 2 * count)
    records = [
        (int(low), int(high), number, day)
        for number, (low, high, day) in enumerate(zip(lows, highs, days, strict=True))
    ]
    segments = [segment_of(records[:2000]), segment_of([]), segment_of(records[2000:count])]
    order = random.permutation(2 * count)
    wanted = [int(number) if number < count else None for number in order]
    assert known(segments, [records[number] for number in order]) == wanted
    assert known(segments, []) == []


def test_a_key_is_looked_for_under_its_day_alone():
    segments = [segment_of([(1, 1, 5, 100)]), segment_of([(2, 2, 6, None)])]
    for segment in segments:
        segment._file.reads.clear()
    assert known(segments, [(1, 1, 0, 101), (2, 2, 0, 99)]) == [None, None]
    assert [segment._file.reads for segment in segments] == [[], []]
    assert known(segments, [(1, 1, 0, None), (2, 2, 0, 100)]) == [None, None]
    assert known(segments, [(2, 2, 0, None), (1, 1, 0, 100)]) == [6, 5]


def test_only_days_that_were_asked_are_read_and_kept():
    records = [(number << 48, number, number, number % 50) for number in range(1 << 14)]
    segment = segment_of(records)
    opened, index = segment.nbytes, segment.index
    assert [length for _, length in segment._file.reads] == [64, 50 * 48 + 8]
    assert opened < 10_000
    of_day = [(index.filter_span(day), index.begins_span(day)) for day in range(50)]
    for day in (7, 31, 7):
        segment._file.reads.clear()
        assert known([segment], records[day::50]) == list(range(day, 1 << 14, 50))
        assert [read for read in segment._file.reads if read[0] >= index.filter_span(0)[0]] == list(of_day[day])
        of_day[day] = ()
    kept = sum(length for day in (7, 31) for _, length in (index.filter_span(day), index.begins_span(day)))
    assert opened < segment.nbytes <= opened + kept
    segment.verify()  # reads everything, and keeps no filter
    begins = sum(index.begins_span(day)[1] for day in range(50))
    assert segment.nbytes <= opened + kept + begins


def test_a_partition_that_was_read_in_part_is_read_again():
    file = file_of(prints_batch([(1, 1, 5, 100)]))
    sound, segment = file.data, Segment(file, SECRET)
    offset, length = segment.index.begins_span(0)
    file.data = sound[:offset] + bytes(length) + sound[offset + length :]
    for _ in range(2):
        with pytest.raises(DamagedState):
            known([segment], [(1, 1, 5, 100)])
    file.data = sound
    assert known([segment], [(1, 1, 5, 100)]) == [5]


def test_a_partition_is_not_asked_before_it_is_read():
    probe, segment = SegmentProbe(), segment_of([(1, 1, 5, 100)])
    probe.begin(prints_batch([(1, 1, 5, 100)]))
    assert probe.turn_to(segment.index) == [0]
    with pytest.raises(ValueError, match="partition 0 is not read"):
        probe.ask()
    with pytest.raises(IndexError):
        segment.index.bucket_span(0, 0, 1)


def test_days_beyond_the_codes_are_found_under_the_first_and_last():
    segment = segment_of([(1, 1, 5, -7), (2, 2, 6, 2**31 - 1)])
    assert segment.days == ((0, 1), (65_534, 1))
    assert known([segment], [(1, 1, 0, -7), (2, 2, 0, 2**31 - 1)]) == [5, 6]


def test_the_earliest_of_two_segments_answers():
    assert known([segment_of([(1, 1, 5, 9)]), segment_of([(1, 1, 6, 9)])], [(1, 1, 0, 9)] * 3) == [5, 5, 5]


def test_neighbouring_buckets_are_read_together():
    records = [(number << 48, 0, number, 9) for number in range(1 << 16)]
    segment = segment_of(records)
    for reads in (3, 1):  # filter and begins, once
        segment._file.reads.clear()
        assert known([segment], records[20_000:40_000]) == list(range(20_000, 40_000))
        assert len(segment._file.reads) == reads
    segment._file.reads.clear()
    assert known([segment], records) == list(range(1 << 16))
    assert [length <= 1 << 20 for _, length in segment._file.reads] == [True, True]  # nobody holds more at once


# ---------------------------------------------------------------------------------------- partition day


def days_of(records, book=None):
    plan = compile_keys(book or book_of(), dated=True)
    return pa.record_batch(fingerprint(plan, batch_of(records)))["partition_day"].to_pylist()


@settings(deadline=None, max_examples=40)
@given(record_lists, st.integers(-(2**62), 2**62))
def test_partition_days_are_those_of_the_naive_twin(records, step):
    for items in records:
        for item in items:
            item["start_time"] = None if item["start_time"] is None else item["start_time"] * step // 3
    wanted = []
    for items in records:
        _, whole, key, _ = rule_of(items[0])
        wanted += [naive.partition_day(items, whole, key, {"start_time"})] * len(items)
    for level in LEVELS:
        prints = pa.record_batch(fingerprint(compile_keys(book_of(), simd=level, dated=True), batch_of(records)))
        assert prints["partition_day"].to_pylist() == wanted
        assert prints.select(["fingerprint", "payload_check"]).equals(
            pa.record_batch(fingerprint(compile_keys(book_of()), batch_of(records)))
        )


def test_the_partition_day_is_that_of_the_key():
    def row(feed, start_time, **more):
        return {"feed": feed, "record_type": "voice_mo", "start_time": start_time, **more}

    call = [row("whole", 3 * DAY_US), row("whole", 9 * DAY_US)]
    records = [
        [row("north", 20_000 * DAY_US - 1)],
        [row("north", 20_000 * DAY_US)],
        [row("north", None)],
        [row("part", DAY_US, charging_id=1)],  # its key has no instant
        [row("part", 5 * DAY_US) | {"record_type": "data"}],  # a whole record
        call,
        [row("whole", None)],
        [row("north", -1)],
        [row("north", 10**6 * DAY_US)],
    ]
    assert days_of(records) == [19_999, 20_000, None, None, 5, 3, 3, None, 0, 65_534]
    undated = pa.record_batch(fingerprint(compile_keys(book_of()), batch_of(records)))
    assert undated.schema.names == ["fingerprint", "payload_check"]


def test_records_without_the_column_that_dates_them_have_no_day():
    columns = {name: kind for name, kind in COLUMNS.items() if name != "start_time"}
    batch = batch_of([[{"feed": "north", "record_type": "voice_mo"}]] * 3, columns)
    prints = pa.record_batch(fingerprint(compile_keys(book_of(), dated=True), batch))
    assert prints["partition_day"].to_pylist() == [None] * 3


def test_another_instant_of_the_key_dates_where_there_is_no_start_time():
    book = book_of()
    book.usage_columns = {**book.usage_columns, "end_time": pa.timestamp("us", "UTC"), "at": pa.timestamp("us", "UTC")}
    rules = {}
    for name, declared in {
        "north": Dedup(key=["end_time", "at", "served_msisdn"]),
        "south": Dedup(key=["at", "start_time"]),
        "whole": Dedup(not_payload=["start_time"]),
    }.items():
        feed = Feed(file_name="x", layout=book.feeds[name].declared.layout, dedup=declared)
        rules[name] = dedup._rule(name, feed, "", dedup._hashed_columns(book), book)[-1]
    assert rules == {"north": "at", "south": "start_time", "whole": None}


def test_a_repeat_has_the_day_of_the_first():
    first = {"feed": "north", "record_type": "data", "served_msisdn": 1, "start_time": DAY_US, "duration_s": 1}
    plan = compile_keys(book_of(), dated=True)
    batch = batch_of([[first], [first | {"duration_s": 2, "feed": "south", "session_id": "x"}]])
    prints = pa.record_batch(fingerprint(plan, batch))
    assert prints["fingerprint"][0] == prints["fingerprint"][1]
    assert prints["partition_day"].to_pylist() == [1, 1]


def test_entries_are_dated_only_where_asked_for():
    records = [(1, 1, 5, 100), (2, 2, 6, None), (1, 1, 7, 100), (3, 3, 8, 65_534)]
    admission, undated = Admission(dated=True), Admission()
    for each in (admission, undated):
        each.admit(prints_batch(records), numbered(4), 10)
    rows = sorted(pa.record_batch(admission.entries()).to_pylist(), key=lambda row: row["ordinal"])
    assert [(row["ordinal"], row["payload_check"], row["partition_day"]) for row in rows] == [
        (10, 5, 100),
        (11, 6, None),
        (13, 8, 65_534),
    ]
    assert undated.entries().names == ["fingerprint", "payload_check", "ordinal"]
    with pytest.raises(UsageError, match="dated=True"):
        next(write_segment(undated.entries(), SECRET))
    with pytest.raises(UsageError, match="dated=True"):
        SegmentHistory([]).probe(undated.entries())
    with pytest.raises(KeyError, match="partition_day"):
        admission.admit(prints_batch(records).select(["fingerprint", "payload_check"]), numbered(4), 20)


# ------------------------------------------------------------------------------------------------ files


def test_a_segment_does_not_depend_on_the_order_of_its_entries():
    random = np.random.default_rng(5)
    records = [
        (int(low), int(low) % 7, number, random.choice([None, 3, 4]))
        for number, low in enumerate(random.integers(0, 2**64, 3000, np.uint64))
    ]
    shuffled = [records[number] for number in random.permutation(len(records))]
    assert file_of(prints_batch(records)).data == file_of(prints_batch(shuffled)).data
    segment = segment_of(records)
    assert [day for day, _ in segment.days] == [None, 3, 4]
    assert len(segment) == sum(count for _, count in segment.days) == 3000


def test_an_empty_segment_knows_nothing():
    segment = segment_of([])
    segment.verify()
    assert (len(segment), segment.days) == (0, ())
    assert known([segment], [(0, 0, 1, None), (0, 0, 1, 0)]) == [None, None]
    assert known([], [(0, 0, 1, None)]) == [None]


def test_every_flipped_byte_is_seen():
    random = np.random.default_rng(9)
    records = [
        (int(low), int(high), number, random.choice([None, 20_000]))
        for number, (low, high) in enumerate(random.integers(0, 2**64, (150, 2), np.uint64))
    ]
    sound = file_of(prints_batch(records)).data
    assert known([Segment(Bytes(sound), SECRET)], records) == list(range(150))
    for place in range(len(sound)):
        flipped = bytearray(sound)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(DamagedState, match="history today"):
            Segment(Bytes(bytes(flipped)), SECRET, "today").verify()
        with pytest.raises(DamagedState):
            known([Segment(Bytes(bytes(flipped)), SECRET)], records)


def test_files_cut_or_written_elsewhere_are_damage():
    records = [(number << 56, number, number, 9) for number in range(200)]
    sound = file_of(prints_batch(records)).data
    for wrong in (b"", sound[:-1], sound + b"\0", sound[:40], b"x" * len(sound)):
        with pytest.raises(DamagedState):
            Segment(Bytes(wrong), SECRET)
    with pytest.raises(DamagedState):
        Segment(Bytes(sound), OTHER_SECRET)
    shortened = Bytes(sound)
    segment = Segment(shortened, SECRET)
    shortened.data = sound[:100]
    with pytest.raises(DamagedState):
        segment.verify()
    with pytest.raises(DamagedState):
        known([segment], records)
    assert DamagedState.exit_code == 70
    assert issubclass(DamagedState, InvariantError)


def test_a_part_that_is_read_short_is_damage():
    """Each part by itself: its reader says so, and takes nothing in."""
    records = [(number << 56, number, number, 9) for number in range(200)]
    file = file_of(prints_batch(records))

    def parts(span):
        part = file.read_at(*span)
        return [part[:-1], part[:-8], part[8:], b"", part + b"\0", part]

    index = SegmentIndex(SECRET)
    only_the_last = [False] * 5 + [True]
    assert [index.read_header(part, file.size) for part in parts((0, HEADER_BYTES))] == only_the_last
    assert [index.read_directory(part) for part in parts(index.directory_span)] == only_the_last
    assert [index.read_filter(0, part) for part in parts(index.filter_span(0))] == only_the_last
    assert [index.read_begins(0, part) for part in parts(index.begins_span(0))] == only_the_last
    buckets = index.bucket_span(0, 0, index.buckets(0))
    assert [index.buckets_close(0, 0, index.buckets(0), part) for part in parts(buckets)] == only_the_last
    probe = SegmentProbe()
    probe.begin(prints_batch(records))
    assert probe.turn_to(index) == []
    assert [probe.search(0, part) for part in parts(probe.ask()[0])] == only_the_last


def test_parts_in_another_place_are_damage():
    """Two segments of equal shape: every part of the one closes there, and neither in the other nor elsewhere."""
    records = [(number << 56, number, number, day) for day in (8, 9) for number in range(256)]
    more = [(low, high + 1, *rest) for low, high, *rest in records]
    mine, other = (file_of(prints_batch(each)).data for each in (records, more))
    assert len(mine) == len(other)
    segment = Segment(Bytes(mine), SECRET)
    segment.verify()
    index = segment.index
    buckets = [index.bucket_span(day, number, number + 1) for day in (0, 1) for number in range(index.buckets(day))]
    assert [length for _, length in buckets] == [64 * 20 + 8] * 8
    others = [[span_of(day) for day in (0, 1)] for span_of in (index.filter_span, index.begins_span)]
    pairs = [itertools.pairwise(spans) for spans in (buckets, *others)]
    for (offset, length), (elsewhere, _) in itertools.chain(*pairs):
        for source, place in ((other, offset), (mine, elsewhere)):
            mixed = mine[:offset] + source[place : place + length] + mine[offset + length :]
            if mixed != mine:
                with pytest.raises(DamagedState):
                    Segment(Bytes(mixed), SECRET).verify()
    swapped = mine[: buckets[0][0]] + b"".join(
        mine[offset : offset + length] for offset, length in (buckets[4], *buckets[1:4], buckets[0], *buckets[5:])
    )
    with pytest.raises(DamagedState):
        Segment(Bytes(swapped + mine[len(swapped) :]), SECRET).verify()


def test_disk_and_memory_a_record_are_within_the_contract():
    random, count = np.random.default_rng(1), 1_500_000
    keys = random.integers(0, 2**64, (count, 2), np.uint64)
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(keys.tobytes())])
    days = pa.array(random.choice([20_600, 20_601, 20_602], count, p=[0.9, 0.09, 0.01]).astype(np.int32))
    checks = pa.array(np.arange(count, dtype=np.int32))
    entries = Batch.of(pa.record_batch({"fingerprint": column, "payload_check": checks, "partition_day": days}))
    file = file_of(entries)
    assert file.size <= 24 * count
    segment = Segment(file, SECRET)
    strangers = Batch.of(pa.record_batch({"fingerprint": column, "partition_day": another_day(days)}))
    assert pa.record_batch(SegmentHistory([segment]).probe(strangers))["payload_check"].null_count == count
    few = pa.record_batch(entries).slice(0, 10_000)
    found = pa.record_batch(SegmentHistory([segment]).probe(Batch.of(few)))
    assert found["payload_check"].to_pylist() == list(range(10_000))
    assert segment.nbytes <= 2 * count


def another_day(days):
    """Every key under another day of the segment."""
    return pa.array((days.to_numpy() - 20_600 + 1) % 3 + 20_600, pa.int32())


def test_the_filter_lets_few_strangers_through():
    random = np.random.default_rng(2)
    records = [(int(low), int(high), 0, 5) for low, high in random.integers(0, 2**64, (20_000, 2), np.uint64)]
    segment = segment_of(records[:10_000])
    segment._file.reads.clear()
    history.SegmentHistory([segment]).probe(prints_batch(records[10_000:]))
    assert len(segment._file.reads) < 60  # 2 of 1,000 are expected, and filter and begins


def test_a_day_is_utc():
    instant = dt.datetime(2026, 6, 1, 23, 59, 59, tzinfo=dt.UTC)
    micros = int(instant.timestamp() * 1_000_000)
    day = (instant.date() - dt.date(1970, 1, 1)).days
    row = {"feed": "north", "record_type": "data"}
    assert days_of([[row | {"start_time": micros}], [row | {"start_time": micros + 1_000_000}]]) == [day, day + 1]
