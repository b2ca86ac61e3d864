"""Deduplication against its naive twin: fingerprints, verdicts, items, history, order, memory."""

from __future__ import annotations

import datetime as dt
import itertools
from types import SimpleNamespace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation import schema
from mediation.dedup import _dedup
from mediation.dedup.dedup import PUBLISHED_SECRET, Admission, compile_keys, deduplicate, fingerprint
from mediation.errors import UsageError
from mediation.native._column import Batch
from mediation.native._status import simd_levels
from mediation.rulebook.model import Dedup, Feed, Field, Key, Layout
from tests.naive import dedup as naive

LEVELS = ["alone", *simd_levels()]
RECORD_TYPES = ["voice_mo", "sms_mo", "data"]
FEEDS = {"north": "cucc", "south": "cucc", "whole": None, "part": None}
COLUMNS = {
    **schema.PROVENANCE,
    **{
        name: schema.USAGE[name]
        for name in (
            "feed",
            "host",
            "record_type",
            "served_msisdn",
            "other_party",
            "start_time",
            "duration_s",
            "charging_id",
            "session_id",
            "host_charge_amount",
            "flags",
        )
    },
    "area": schema.CODE,
}
CLASSES = {
    name: "text" if kind in (pa.utf8(), schema.CODE) else "integer"
    for name, kind in COLUMNS.items()
    if name not in schema.PROVENANCE and name not in ("feed", "flags", "record_type")
}
DEDUP = {
    "north": Dedup(
        key=["served_msisdn", "start_time", "other_party", "record_type", "area"], not_payload=["session_id"]
    ),
    "south": Dedup(
        key=["served_msisdn", "start_time", "other_party", "record_type", "area"], not_payload=["session_id"]
    ),
    "whole": Dedup(not_payload=["session_id"]),
    "part": Dedup(key=["charging_id"], by_record_type={"data": Key()}),
}


def book_of(dictionaries=None):
    layout = [Layout(valid_from=dt.date(2026, 1, 1), format="delimited", field=[Field(type="ignored")])]
    feeds = {
        name: Feed(file_name=f"{name}_*", layout=layout, family=family, dedup=DEDUP[name])
        for name, family in FEEDS.items()
    }
    return SimpleNamespace(
        feeds={name: SimpleNamespace(name=name, declared=feed) for name, feed in feeds.items()},
        dictionaries=dictionaries
        or {"feed": list(FEEDS), "record_type": RECORD_TYPES, "host": ["CMCC", "CUCC"], "area": ["a", "西", ""]},
        usage_columns=COLUMNS,
    )


def rule_of(row):
    feed, record_type = row["feed"], row["record_type"]
    declared = DEDUP[feed].by_record_type.get(record_type, DEDUP[feed])
    compared = sorted(name for name in CLASSES if name not in declared.not_payload)
    family = FEEDS[feed] or feed
    if declared.key is None:
        return family, True, compared, []
    key = sorted((name for name in declared.key if name != "record_type"), key=lambda name: (CLASSES[name], name))
    return family, False, key, [name for name in compared if name not in key]


def naive_prints(records):
    found = []
    for items in records:
        family, whole, key, payload = rule_of(items[0])
        found.append(
            (
                naive.fingerprint(PUBLISHED_SECRET, items, family, whole, key, CLASSES),
                naive.payload_check(PUBLISHED_SECRET, items, payload, CLASSES),
            )
        )
    return found


def table_of(records, columns=COLUMNS, dictionaries=None, source_id=0, first_record_no=0):
    dictionaries = dictionaries or book_of().dictionaries
    rows = [
        {"source_id": source_id, "record_no": first_record_no + number, "item_no": item_no, **item}
        for number, items in enumerate(records)
        for item_no, item in enumerate(items)
    ]
    arrays = {}
    for name, kind in columns.items():
        values = [row.get(name, 0 if name in schema.PROVENANCE else None) for row in rows]
        if kind == schema.CODE:
            codes = [None if value is None else dictionaries[name].index(value) for value in values]
            arrays[name] = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pa.array(dictionaries[name]))
        elif kind == schema.AMOUNT:
            raw = b"".join((value or 0).to_bytes(16, "little", signed=True) for value in values)
            mask = pa.array([value is not None for value in values]).buffers()[1]
            arrays[name] = pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(raw)])
        else:
            arrays[name] = pa.array(values, kind)
    return pa.table(arrays)


def batch_of(*args, **kwargs):
    return Batch.of(table_of(*args, **kwargs).combine_chunks().to_batches()[0])


def prints_of(plan, batch):
    made = pa.record_batch(fingerprint(plan, batch))
    return list(zip(made["fingerprint"].to_pylist(), made["payload_check"].to_pylist(), strict=True))


integers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2)
texts = st.none() | st.sampled_from(["", "10690", "0", "00", "1234567", "12345678"]) | st.text(max_size=40)
items = st.fixed_dictionaries(
    {
        "feed": st.sampled_from(list(FEEDS)),
        "host": st.sampled_from([None, "CMCC", "CUCC"]),
        "record_type": st.sampled_from([None, *RECORD_TYPES]),
        "served_msisdn": integers,
        "other_party": texts,
        "start_time": st.none() | st.integers(0, 3),
        "duration_s": integers,
        "charging_id": integers,
        "session_id": texts,
        "host_charge_amount": st.none() | st.integers(-(10**18) + 1, 10**18 - 1),
        "flags": st.integers(0, 3),
        "area": st.sampled_from([None, "a", "西", ""]),
    }
)
one_item = st.lists(items, min_size=1, max_size=1)
several_items = st.lists(items, min_size=2, max_size=4).map(
    lambda found: [{**item, "feed": found[0]["feed"], "record_type": found[0]["record_type"]} for item in found]
)
record_lists = st.lists(one_item | one_item | several_items, min_size=1, max_size=150)


def test_reference_siphash_gives_the_published_vectors():
    secret = bytes(range(16))
    published = {
        0: "a3817f04ba25a8e66df67214c7550293",
        1: "da87c1d86b99af44347659119b22fc45",
        2: "8177228da4a45dc7fca38bdef60affe4",
        3: "9c70b60c5267a94e5f33b6b02985ed51",
    }
    for length, digest in published.items():
        assert naive.siphash128(secret, bytes(range(length)), 2, 4).hex() == digest


@given(st.binary(min_size=16, max_size=16), st.lists(st.integers(0, 2**64 - 1), max_size=70))
def test_siphash_of_words_is_siphash_of_their_bytes(secret, words):
    message = b"".join(naive.word(number) for number in words)
    assert _dedup.siphash(secret, words) == naive.siphash128(secret, message)


@settings(max_examples=60)
@given(record_lists)
def test_fingerprints_are_those_of_the_naive_twin_at_every_level(records):
    wanted = [prints for items, prints in zip(records, naive_prints(records), strict=True) for _ in items]
    batch = batch_of(records)
    for level in LEVELS:
        assert prints_of(compile_keys(book_of(), simd=level), batch) == wanted, level


@pytest.mark.parametrize("level", LEVELS)
def test_a_message_too_long_for_a_tile_has_the_same_fingerprint(level):
    long = {"feed": "north", "record_type": "data", "served_msisdn": 1}
    records = [
        [{**long, "other_party": "7" * length}] for length in (0, 1, 300, 336, 337, 344, 352, 360, 368, 376, 5000)
    ]
    records += [[{**long, "feed": "whole", "other_party": "7" * length}] for length in (300, 320, 330, 340, 350, 9000)]
    assert prints_of(compile_keys(book_of(), simd=level), batch_of(records)) == naive_prints(records)


@settings(max_examples=30)
@given(record_lists)
def test_fingerprints_survive_other_dictionaries_and_new_columns(records):
    turned = {name: values[::-1] for name, values in book_of().dictionaries.items()}
    before = prints_of(compile_keys(book_of()), batch_of(records))
    book = book_of(turned)
    book.usage_columns = {**COLUMNS, "apn": pa.utf8(), "imei": pa.utf8()}
    assert prints_of(compile_keys(book), batch_of(records, dictionaries=turned)) == before
    as_text = {**COLUMNS, "area": pa.utf8()}
    assert prints_of(compile_keys(book), batch_of(records, columns=as_text, dictionaries=turned)) == before


def test_fingerprints_differ_where_the_specification_says_so():
    row = {"feed": "north", "record_type": "data", "served_msisdn": 1, "other_party": "12", "area": "a"}
    plan = compile_keys(book_of())

    def prints(**changes):
        return prints_of(plan, batch_of([[{**row, **changes}]]))[0]

    same_key = [{"duration_s": 5}, {"session_id": "x"}, {"feed": "south"}, {"flags": 3}]
    other_key = [
        {"other_party": "12\0"},
        {"other_party": None},
        {"record_type": "sms_mo"},
        {"area": ""},
        {"feed": "part"},
    ]
    assert all(prints(**change)[0] == prints()[0] for change in same_key)
    assert all(prints(**change)[0] != prints()[0] for change in other_key)
    assert prints(duration_s=5)[1] != prints(duration_s=0)[1] != prints()[1]
    assert prints(session_id="x")[1] == prints(feed="south")[1] == prints(flags=3)[1] == prints()[1]
    assert prints_of(compile_keys(book_of(), secret=b"0123456789abcdef"), batch_of([[row]]))[0][0] != prints()[0]


@pytest.mark.parametrize(
    "absent",
    [("area",), ("area", "host", "other_party"), ("area", "charging_id", "start_time"), ("record_type",)],
    ids=str,
)
@pytest.mark.parametrize("level", LEVELS)
def test_a_column_that_is_not_there_is_null_in_every_row(level, absent):
    whole = {"record_type": "data", "host": "CMCC", "area": "a", "other_party": "10690", "start_time": 1}
    records = [
        [{"feed": feed, "charging_id": n, "served_msisdn": n, "duration_s": -n, **whole, **dict.fromkeys(absent)}]
        for n in range(70)
        for feed in FEEDS
    ]
    columns = {name: kind for name, kind in COLUMNS.items() if name not in absent}
    assert prints_of(compile_keys(book_of(), simd=level), batch_of(records, columns)) == naive_prints(records)


@pytest.mark.parametrize("level", LEVELS)
def test_a_text_after_one_that_is_longer_than_a_tile(level):
    row = {"feed": "part", "record_type": "data", "session_id": "s"}
    records = [[{**row, "other_party": "1" * (400 * (n % 3)), "charging_id": n}] for n in range(70)]
    assert prints_of(compile_keys(book_of(), simd=level), batch_of(records)) == naive_prints(records)


def test_a_key_of_as_many_columns_as_a_key_may_have():
    """Of integers, so many that a tile does not hold them."""
    book, names = book_of(), [f"c{n:02}" for n in range(60)]
    book.usage_columns = columns = {**COLUMNS, **dict.fromkeys(names, pa.int64())}
    feed = book.feeds["part"]
    feed.declared = msgspec.structs.replace(feed.declared, dedup=Dedup(key=names))
    records = [
        [{"feed": "part", "record_type": "data", **{name: n + i for i, name in enumerate(names)}}] for n in range(9)
    ]
    classes = {**CLASSES, **dict.fromkeys(names, "integer")}
    wanted = [naive.fingerprint(PUBLISHED_SECRET, items, "part", False, names, classes) for items in records]
    for level in LEVELS:
        found = prints_of(compile_keys(book, simd=level), batch_of(records, columns))
        assert [each for each, _ in found] == wanted


def test_a_record_type_that_the_book_does_not_have_is_refused():
    dictionaries = {**book_of().dictionaries, "record_type": [*RECORD_TYPES, "fax"]}
    batch = batch_of([[{"feed": "north", "record_type": "fax"}]], dictionaries=dictionaries)
    with pytest.raises(ValueError, match="no such feed and record type"):
        fingerprint(compile_keys(book_of()), batch)


def naive_rows(records, history=None):
    """Row by row: verdict and the first's record number."""
    prints = [(*found, number) for number, found in enumerate(naive_prints(records))]
    verdicts = naive.admit(prints, {}, history)
    return [verdict for items, verdict in zip(records, verdicts, strict=True) for _ in items]


def kernel_rows(admission, plan, records, cuts):
    """The same from the kernel, fed in the pieces that `cuts` makes."""
    rows = []
    cuts = sorted({0, *(cut % (len(records) + 1) for cut in cuts), len(records)})
    for begin, end in itertools.pairwise(cuts):
        batch = batch_of(records[begin:end])
        fresh, duplicates = (pa.record_batch(part) for part in admission.admit(fingerprint(plan, batch), batch, begin))
        verdicts = dict(
            zip(
                duplicates["row"].to_pylist(),
                zip(duplicates["verdict"].to_pylist(), duplicates["first_ordinal"].to_pylist(), strict=True),
                strict=True,
            )
        )
        assert fresh["row"].to_pylist() == [row for row in range(batch.num_rows) if row not in verdicts]
        rows += [verdicts.get(row, (None, None)) for row in range(batch.num_rows)]
    return rows


repeating = st.lists(st.sampled_from(range(12)), min_size=1, max_size=120)


@settings(max_examples=40)
@given(
    st.lists(one_item | several_items, min_size=12, max_size=12), repeating, st.lists(st.integers(0, 200), max_size=5)
)
def test_verdicts_are_those_of_the_naive_twin_in_every_chunking(pool, picks, cuts):
    records = [[{**item, "duration_s": pick % 3} for item in pool[pick]] for pick in picks]
    wanted = naive_rows(records)
    plan = compile_keys(book_of())
    for collide in (False, True):
        admission = Admission(all_collide=collide)
        assert kernel_rows(admission, plan, records, cuts) == wanted
        assert len(admission) == len({found for found, _ in naive_prints(records)})


def message(number, duration_s=1):
    return {"feed": "part", "record_type": "sms_mo", "charging_id": number, "duration_s": duration_s}


@pytest.mark.parametrize("several", [{3}, {0, 7, 8}, {15}, {39}, set()])
def test_every_row_of_a_fresh_record_is_fresh_however_many_it_has(several):
    """Eight records without a repeat are written at once if they have a row each."""
    records = [[message(number)] * (3 if n in several else 1) for n, number in enumerate([*range(38), 5, 38])]
    assert kernel_rows(Admission(), compile_keys(book_of()), records, []) == naive_rows(records)


def test_an_earlier_admission_is_a_history():
    first = [[message(number)] for number in range(50)]
    second = [[message(number, number % 2)] for number in (49, 50, 10, 51, 50, 10)]
    plan = compile_keys(book_of())
    for collide in (False, True):
        yesterday = Admission(all_collide=collide)
        kernel_rows(yesterday, plan, first, [])
        today = Admission(history=yesterday)
        wanted = naive_rows(second, dict(naive_prints(first)))
        assert wanted == [
            ("retransmission", None),
            (None, None),
            ("conflict", None),
            (None, None),
            ("retransmission", 1),
            ("conflict", None),
        ]
        assert kernel_rows(today, plan, second, []) == wanted
        entries = pa.record_batch(today.entries())
        assert sorted(entries["ordinal"].to_pylist()) == [1, 3]


@pytest.mark.parametrize("collide", [False, True])
def test_a_history_is_asked_for_many_at_once(collide):
    first, second = ([[message(number, number % 2)] for number in range(0, 300, step)] for step in (3, 1))
    yesterday, plan = Admission(all_collide=collide), compile_keys(book_of())
    kernel_rows(yesterday, plan, first, [])
    assert kernel_rows(Admission(history=yesterday), plan, second, []) == naive_rows(second, dict(naive_prints(first)))
    assert sorted(pa.record_batch(yesterday.entries())["ordinal"].to_pylist()) == list(range(100))
    assert yesterday.nbytes > 100 * 24


@pytest.mark.parametrize("collide", [False, True])
def test_keys_are_equal_only_when_all_their_bits_are(collide):
    """Forged, so that they meet in one place with one tag."""
    low, high = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    forged = [(low, high), (low ^ 1, high), (low, high ^ 1 << 12), (low ^ 1, high), (low, high ^ 1 << 12)]
    raw = [low.to_bytes(8, "little") + high.to_bytes(8, "little") for low, high in forged]
    checks = pa.array([0] * 5, pa.int32())
    prints = Batch.of(pa.record_batch({"fingerprint": pa.array(raw, pa.binary(16)), "payload_check": checks}))
    numbers = {"record_no": pa.array(range(5), pa.int64()), "item_no": pa.array([0] * 5, pa.int16())}
    fresh, repeated = Admission(all_collide=collide).admit(prints, Batch.of(pa.record_batch(numbers)), 0)
    assert pa.record_batch(fresh)["row"].to_pylist() == [0, 1, 2]
    assert pa.record_batch(repeated)["first_ordinal"].to_pylist() == [1, 2]


def test_an_ordinal_before_the_first_is_refused():
    batch = batch_of([[{"feed": "part", "record_type": "sms_mo", "charging_id": 1}]])
    with pytest.raises(OverflowError):
        Admission().admit(fingerprint(compile_keys(book_of()), batch), batch, -1)


def test_deduplicate_takes_source_order_whatever_the_table_order():
    def rows(numbers, source_id):
        records = [
            [{"feed": "part", "record_type": "sms_mo", "charging_id": number, "duration_s": value, "start_time": 1}]
            for number, value in numbers
        ]
        return table_of(records, source_id=source_id)

    table = pa.concat_tables([rows([(2, 0), (3, 9), (4, 0)], 7), rows([(1, 0), (2, 0), (3, 0), (1, 0)], 3)])
    fresh, duplicates = deduplicate(table, book_of())
    assert fresh.schema == table.schema
    assert duplicates.column_names == [*COLUMNS, *schema.DUPLICATES]
    assert list(zip(fresh["source_id"].to_pylist(), fresh["record_no"].to_pylist(), strict=True)) == [
        (3, 0),
        (3, 1),
        (3, 2),
        (7, 2),
    ]
    assert duplicates.select(["source_id", "record_no", *list(schema.DUPLICATES)[:3]]).to_pylist() == [
        {"source_id": 3, "record_no": 3, "verdict": "retransmission", "first_source_id": 3, "first_record_no": 0},
        {"source_id": 7, "record_no": 0, "verdict": "retransmission", "first_source_id": 3, "first_record_no": 1},
        {"source_id": 7, "record_no": 1, "verdict": "conflict", "first_source_id": 3, "first_record_no": 2},
    ]
    again, repeated = deduplicate(fresh, book_of())
    assert again.equals(fresh)
    assert repeated.num_rows == 0


def test_deduplicate_of_nothing_and_of_items():
    empty = table_of([[{"feed": "part"}]]).slice(0, 0)
    fresh, duplicates = deduplicate(empty, book_of())
    assert (fresh.num_rows, duplicates.num_rows) == (0, 0)
    call = [{"feed": "whole", "record_type": "data", "duration_s": part} for part in (1, 2)]
    table = table_of([call, call[:1], call])
    fresh, duplicates = deduplicate(table, book_of())
    assert fresh["record_no"].to_pylist() == [0, 0, 1]
    assert duplicates["item_no"].to_pylist() == [0, 1]
    assert duplicates["first_record_no"].to_pylist() == [0, 0]


def test_faults_are_named():
    book = book_of()
    plan = compile_keys(book)
    batch = batch_of([[{"feed": "part", "record_type": "sms_mo"}] * 2])
    with pytest.raises(ValueError, match="begins inside a record"):
        fingerprint(plan, Batch.of(pa.record_batch(batch).slice(1)))
    with pytest.raises(OverflowError, match="2\\*\\*32"):
        Admission().admit(fingerprint(plan, batch), batch, 2**32)
    with pytest.raises(ValueError, match="no such feed"):
        fingerprint(plan, batch_of([[{"feed": "else"}]], dictionaries={**book.dictionaries, "feed": ["else"]}))
    with pytest.raises(UsageError, match="provenance"):
        deduplicate(table_of([[{"feed": "part"}]]).drop_columns(["record_no"]), book)
    book.feeds["part"].declared = Feed(file_name="x", layout=[], dedup=Dedup(key=["nothing"]))
    with pytest.raises(UsageError, match="nothing"):
        compile_keys(book)


def prints_batch(fingerprints, checks):
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(checks), [None, pa.py_buffer(fingerprints.tobytes())]
    )
    return Batch.of(pa.record_batch({"fingerprint": column, "payload_check": pa.array(checks)}))


@pytest.mark.parametrize(
    ("collide", "batches", "size", "expected"),
    [*((False, 6, 1 << 16, guess) for guess in (0, 20_000, 1 << 22)), (True, 6, 2000, 0), (True, 6, 2000, 12_000)],
)
def test_the_set_is_exact_while_it_grows(collide, batches, size, expected):
    """Against a dictionary: a third repeats other keys. Where all collide, every key is in the same part."""
    random = np.random.default_rng(7)
    admission, seen = Admission(all_collide=collide), {}
    for number in range(batches):
        admission.expect(expected if number == 0 else 1 << 20)  # later it is too late
        keys = random.integers(0, batches * size, size).astype(np.uint64)
        low = np.zeros(size, np.uint64) if collide else keys * np.uint64(0x9E3779B97F4A7C15)
        prints = np.stack([low, keys * np.uint64(0xD1B54A32D192ED03)], axis=1)
        checks = random.integers(0, 2, size).astype(np.int32)
        records = list(zip(keys.tolist(), checks.tolist(), range(number * size, (number + 1) * size), strict=True))
        wanted = [verdict for verdict in naive.admit(records, seen) if verdict[0]]
        usage = Batch.of(pa.record_batch({"record_no": np.arange(size)}))
        fresh, duplicates = (
            pa.record_batch(part) for part in admission.admit(prints_batch(prints, checks), usage, number * size)
        )
        verdicts = duplicates["verdict"].to_pylist()
        assert list(zip(verdicts, duplicates["first_ordinal"].to_pylist(), strict=True)) == wanted
        rows = [*fresh["row"].to_pylist(), *duplicates["row"].to_pylist()]
        assert sorted(rows) == list(range(size))
        assert len(admission) == len(seen)
    every = prints_batch(prints, checks)
    assert pa.record_batch(admission.probe(every))["payload_check"].to_pylist() == [
        seen[key][0] for key in keys.tolist()
    ]


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_memory_per_key_is_within_the_contract(share):
    random, size = np.random.default_rng(1), 1 << 16
    admission = Admission()
    admission.expect(int(share * 24 * size))
    usage = Batch.of(pa.record_batch({"record_no": np.arange(size)}))
    for number in range(24):
        prints = prints_batch(random.integers(0, 2**64, (size, 2), np.uint64), np.zeros(size, np.int32))
        fresh, _ = admission.admit(prints, usage, number * size)
        assert fresh.num_rows == size
        assert number < (23 if share == 1 else 12) or admission.nbytes / len(admission) <= 32


def test_what_was_cleared_is_fresh_again():
    admission, size = Admission(), 1000
    prints = prints_batch(np.arange(2 * size, dtype=np.uint64).reshape(-1, 2), np.zeros(size, np.int32))
    usage = Batch.of(pa.record_batch({"record_no": np.arange(size)}))
    assert [admission.admit(prints, usage, number * size)[0].num_rows for number in range(2)] == [size, 0]
    admission.clear()
    assert len(admission) == 0
    assert admission.admit(prints, usage, 2 * size)[0].num_rows == size
