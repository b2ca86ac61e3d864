"""JSON lines equal their plain twin on any bytes, and the standard library on what is JSON at all."""

from __future__ import annotations

import functools
import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediation
from mediation.decode.source import CHUNK_BYTES
from mediation.errors import RulebookError
from mediation.native._status import simd_levels
from mediation.rulebook.numbers import compile_numbers
from tests.decode_book import decoded, feed_of
from tests.naive import json_lines as naive

MAX_RECORD_BYTES = 4096
UTC = "%Y-%m-%dT%H:%M:%S%N%z"
NUMBER = {"column": "served_msisdn", "type": "digits", "path": "user.gpsi", "prefix": "msisdn-"}
TIME = {"column": "start_time", "type": "timestamp", "path": "time", "pattern": UTC}
SERVED = {"column": "served_imsi", "type": "integer", "path": "imsi", "prefix": "imsi-", "optional": True}
NODE = {"column": "node_id", "type": "text", "path": "user.node", "max_length": 9, "optional": True}
GROUP = {"column": "rating_group", "type": "integer", "path": "units[].group", "max": 99, "optional": True}
UPLINK = {"column": "uplink_bytes", "type": "integer", "path": "units[].used[].up", "optional": True}
KIND = {"column": "kind", "type": "enumeration", "path": "units[].used[].kind", "values": {"true": "yes", "a": "a"}}
PLACE = {"column": "location", "type": "text", "path": "units[].used[].at.place", "required_if": {"kind": ["a"]}}
PRICE = {"column": "host_charge_amount", "type": "decimal", "path": "price", "decimals": 2, "optional": True}
FIELDS = [NUMBER, TIME, GROUP, SERVED, UPLINK, KIND | {"optional": True}, PLACE, NODE, PRICE]
FLAT = [{**NUMBER, "path": "number"}, TIME, {**NODE, "path": "node"}]
ELEMENTS = [{**NUMBER, "path": "number"}, TIME, {**UPLINK, "path": "up[]"}]
DEEP = [{**NUMBER, "path": "number"}, TIME, {**UPLINK, "path": "a[].b.c[][].d"}, {**GROUP, "path": "a[].b.g"}]
# A rule speaks of a field before the first one that must be there.
RULED = [{**NODE, "path": "node", "required_if": {"host": ["h"]}}, {**NUMBER, "path": "number"}, TIME]
LAYOUTS = {"ruled": RULED, "items": FIELDS, "flat": FLAT, "elements": ELEMENTS, "deep": DEEP}


@functools.cache
def book(folder, name):
    extra = {"terminator": "any"} if name == "flat" else {}
    feed = {"numbers": "cn"} if name == "items" else {}
    layout = {"format": "jsonl", "max_record_bytes": MAX_RECORD_BYTES, **extra}
    return feed_of(folder / name, LAYOUTS[name], feed=feed, **layout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("json")


def check(folder, name, data, **how):
    """The kernel's rows, rejects and certificate are the twin's."""
    feed = book(folder, name)
    (folder / "x.txt").write_bytes(data)
    found = decoded(folder / "x.txt", feed, **how)
    home = feed.book.declared.book
    rules = compile_numbers(home.numbers.get(feed.declared.numbers or ""))
    rows, rejects = naive.decode(data, feed.declared, feed.declared.layout[0], home.zone, rules)
    left_out = ("source_id", "feed", "stage")
    assert [{k: v for k, v in row.items() if k not in (*left_out, "item_no")} for row in found.rejects] == rejects
    usage = [{key: value for key, value in row.items() if key not in left_out} for row in found.usage]
    for row in usage:
        if row.get("host_charge_amount") is not None:
            row["host_charge_amount"] = int(row["host_charge_amount"].scaleb(6))
    assert usage == rows
    parts = found.bytes
    firsts = sum(row["byte_length"] for row in found.usage if row["item_no"] == 0)
    assert (firsts, sum(row["byte_length"] for row in found.rejects)) == (parts["usage"], parts["reject"])
    assert parts["usage"] + parts["reject"] == parts["record"] + parts["undecodable"]
    assert parts["in"] == len(data) == parts["record"] + parts["undecodable"] + parts["filler"]
    return found


# ------------------------------------------------------------------------------------------- drawing

SCALARS = ["null", "true", "false", "0", "-1", "17", "18446744073709551615", "9223372036854775807", "1e3", "1.5", '""']
SCALARS += ['"a"', '"true"', '"17"', '"msisdn-8613800000001"', '"13800000001"', '"imsi-460001234567890"', '"\\u0061"']
SCALARS += ['"2026-06-01T10:00:00.123456789+08:00"', '"é\\n\\ud83d\\ude00"', '"\\ud800"', '"2026-06-01T10:00:00Z"']
SCALARS += ["{}", "[]", "NaN", "01", "1.", '"\\x"', '"\t"', "nul", "-", '"', "[[]]", '{"a":1}', "'a'"]
SOUND = {
    "gpsi": ['"msisdn-8613800000001"', '"13800000001"', '"8613800000001"', "8613800000001"],
    "number": ['"8613800000001"', "13800000001"],
    "time": ['"2026-06-01T10:00:00Z"', '"2026-06-01T10:00:00.25+08:00"', '"2026-06-01T10:00:00+0800"'],
    "imsi": ['"imsi-460001234567890"', "460001234567890", "null"],
    "up": ["0", "17", "null", '"99"', "9007199254740993"],
    "group": ["1", "99"],
    "g": ["1", "2"],
    "d": ["1", "2"],
    "kind": ["true", '"a"', "null"],
    "place": ['"here"', '"\\u4e2d\\""'],
    "node": ['"n1"', '"中"', "5", "true"],
    "price": ["1.25", '"0.5"', "3"],
}
USED = {"up": 0, "kind": 0, "at": {"place": 0}, "y": 0}
UNITS = [{"group": 0, "used": [USED]}]
SHAPES = {
    "items": {"user": {"gpsi": 0, "node": 0}, "time": 0, "imsi": 0, "price": 0, "units": UNITS, "x": 0},
    "ruled": {"number": 0, "time": 0, "node": 0},
    "flat": {"number": 0, "time": 0, "node": 0, "x": 0},
    "elements": {"number": 0, "time": 0, "up": ["up"], "x": 0},
    "deep": {"number": 0, "time": 0, "a": [{"b": {"g": 0, "c": [[{"d": 0}]]}}]},
}


def text_of(shape, name, random, share):
    """A value of a shape, with strange things in a share of its places."""
    if random.random() < share:
        return random.choice(SCALARS)
    if isinstance(shape, list):
        return (
            "[" + ",".join(text_of(shape[0], name, random, share) for _ in range(random.choice([0, 1, 1, 2, 3]))) + "]"
        )
    if not isinstance(shape, dict):
        return random.choice(SOUND.get(name, SCALARS[:9]))
    names = list(shape)
    random.shuffle(names)
    names += [random.choice(names)] if random.random() < share else []
    names = [name for name in names if random.random() >= share]
    space = random.choice(["", "", " ", "\t", "\r "])
    written = {name: random.choice([name, name, f"\\u{ord(name[0]):04x}{name[1:]}"]) for name in names}
    return "{" + ",".join(f'{space}"{written[n]}"{space}:{text_of(shape[n], n, random, share)}' for n in names) + "}"


def changed(data, random):
    data = bytearray(data)
    for _ in range(random.choice([0, 0, 1, 2])):
        at, byte = random.randrange(len(data) + 1), random.choice(b'{}[],:"\\u09-+.eE tn\x00\x1f\n\r\x80\xc3\xed\xff')
        kind = random.randrange(3)
        if kind == 0:
            data[at : at + 1] = bytes([byte])
        elif kind == 1:
            data[at:at] = bytes([byte]) * random.choice([1, 1, 2, 70])
        else:
            del data[at : at + random.choice([1, 2, 9])]
    return bytes(data)


def lines_of(name, random, count):
    out = b""
    for _ in range(count):
        line = text_of(SHAPES[name], "", random, random.choice([0, 0, 0.03, 0.2])).encode()
        out += changed(line, random) + random.choice([b"\n", b"\n", b"\r\n"])
    return out


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_kernel_equals_twin(folder, name, seed):
    random = Random(seed)
    check(folder, name, lines_of(name, random, random.randrange(8)))


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60) | st.text('{}[]",:\\/nu0a1eE+-. \t', max_size=40).map(str.encode))
def test_any_bytes(folder, name, data):
    check(folder, name, b"\n" + data)  # which is compressed by no means


@pytest.mark.parametrize("name", LAYOUTS)
def test_neither_cuts_nor_instruction_sets_change_anything(folder, name):
    random = Random(name)
    data = lines_of(name, random, 700)
    whole = check(folder, name, data)
    assert len({row["code"] for row in whole.rejects}) > 6
    assert len(whole.usage) > 200
    for simd in simd_levels():
        for chunk_bytes in (CHUNK_BYTES, 4 * MAX_RECORD_BYTES + random.randrange(99)):
            found = decoded(folder / "x.txt", book(folder, name), chunk_bytes=chunk_bytes, simd=simd)
            assert (found.usage, found.rejects, found.bytes) == (whole.usage, whole.rejects, whole.bytes)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_json_is_what_the_standard_library_reads(folder, seed):
    """Beside what it reads and RFC 8259 does not, or leaves open: NaN, lone surrogates, depth."""
    random = Random(seed)
    line = changed(text_of({"x": [{"y": 0}, 0], "z": 0}, "", random, 0.2).encode(), random).replace(b"\n", b"")

    def refuse(word):
        raise ValueError(word)

    try:
        value = json.loads(line.decode(), parse_constant=refuse, object_pairs_hook=tuple)
        json.dumps(value, ensure_ascii=False).encode()
        is_object = isinstance(value, tuple)
    except ValueError:
        is_object = False
    (folder / "x.txt").write_bytes(line + b"\n")
    found = decoded(folder / "x.txt", book(folder, "flat"))
    codes = {row["code"] for row in found.rejects}
    if "too_deep" in codes:
        return
    assert (not codes & {"bad_json", "invalid_encoding"}) == (is_object or not line.strip(b"\r"))


# -------------------------------------------------------------------------------------------- by hand

HEAD = '{"user":{"gpsi":"13800000001"},"time":"2026-06-01T10:00:00Z"'


def test_a_list_on_a_path_splits_a_record(folder):
    """What stands outside the list is the same in all items, whatever the order of members."""
    data = (
        HEAD
        + ',"units":[{"used":[{"up":1},{"up":2}],"group":7},{"group":8},{"group":9,"used":[{"up":3}]}],"price":1}\n'
    )
    found = check(folder, "items", (data + HEAD + "}\n" + HEAD + ',"units":[]}\n').encode())
    assert [(row["record_no"], row["item_no"], row["rating_group"], row["uplink_bytes"]) for row in found.usage] == [
        (0, 0, 7, 1),
        (0, 1, 7, 2),
        (0, 2, 9, 3),
        (1, 0, None, None),
        (2, 0, None, None),
    ]
    assert {int(row["host_charge_amount"]) for row in found.usage[:3]} == {1}


def test_a_line_that_ends_without_its_carriage_return(folder):
    layout = {"format": "jsonl", "max_record_bytes": MAX_RECORD_BYTES, "terminator": "crlf"}
    feed = feed_of(folder / "crlf", FLAT, **layout)
    line = '{"number":"13800000001","time":"2026-06-01T10:00:00Z"}'
    (folder / "x.txt").write_bytes(f"{line}\r\n{line}\n{line}\r\n".encode())
    found = decoded(folder / "x.txt", feed)
    assert [row["record_no"] for row in found.usage] == [0, 2]
    assert [(row["record_no"], row["code"]) for row in found.rejects] == [(1, "bad_terminator")]


def test_items_beyond_a_block_of_rows_have_one_fault(folder):
    """A fault of a value in a late item, and one of a rule in an early one: where rows are cut must not choose."""
    feed = book(folder, "items")
    early, late = '{"kind":"a","at":{"place":null}}', '{"kind":"a","at":{"place":[]}}'
    line = HEAD + ',"units":[{"used":[' + ",".join([early] + ['{"kind":"true"}'] * 100 + [late]) + "]}]}\n"
    codes = set()
    for before in (0, 1, 150, 200, 255):
        (folder / "x.txt").write_text((HEAD + "}\n") * before + line)
        codes.add(decoded(folder / "x.txt", feed).rejects[0]["code"])
    assert codes == {"wrong_structure"}


def test_a_run_counts_records_and_items(tmp_path):
    volume = {**UPLINK, "optional": False}
    fields = [{**NUMBER, "path": "number"}, TIME, volume]
    feed = feed_of(tmp_path / "book", fields, format="jsonl")
    head = '{"number":13800000001,"time":"2026-06-01T10:00:00Z","units":[{"used":['
    good, bad = head + '{"up":1},{"up":2},{"up":3}]}]}\n', head + '{"up":1},{"up":"x"}]}]}\n'
    (tmp_path / "x.txt").write_text(good + bad + good + good.replace("3}", "4}"))
    run = mediation.process([tmp_path / "x.txt"], feed.book)
    assert run.audit.closes
    assert (run.summary["records_in"], run.summary["rejected"], run.summary["duplicates"]) == (4, 1, 1)
    assert (run.rated.num_rows, run.duplicates.num_rows) == (6, 3)
    assert run.rejects.column("field").to_pylist() == ["uplink_bytes"]


PATHS = [
    ([{"path": "a..b"}], [".field[2].path"]),
    ([{"path": "a[b]"}], [".field[2].path"]),
    ([{"path": "a.b[]."}], [".field[2].path"]),
    ([{"path": "[].a"}], [".field[2].path"]),
    ([{"path": ".".join("a" * 33)}], [".field[2].path"]),
    ([{}], [".field[2].path"]),
    ([{"path": "time"}], [".field[2].path"]),
    ([{"path": "time.zone"}], [".field[2].path"]),
    ([{"path": "a[].b"}, {"path": "c[].b"}], [".field[3].path"]),
    ([{"path": "a[].b"}, {"path": "a.b"}], [".field[3].path"]),
    ([{"path": "a", "start": 1}], [".field[2].start"]),
    ([{"path": "a", "name": "b"}], [".field[2].name"]),
    ([{"path": "a", "may_be_absent": True}], [".field[2].may_be_absent"]),
]


@pytest.mark.parametrize(("fields", "places"), PATHS)
def test_paths_are_checked(tmp_path, fields, places):
    columns = [{"column": name, "type": "text"} for name in ("x", "y")]
    declared = [NUMBER, TIME, *(column | field for column, field in zip(columns, fields, strict=False))]
    with pytest.raises(RulebookError) as error:
        feed_of(tmp_path, declared, format="jsonl")
    assert [fault.split(": ")[1] for fault in error.value.faults] == [f"$.layout[0]{place}" for place in places]


@pytest.mark.parametrize(
    "layout",
    [
        {"encoding": "gb18030"},
        {"terminator": "none"},
        {"quote": '"'},
        {"record_length": 9},
        {"header_lines": 1},
        {"trailer": {"starts_with": "T"}},
    ],
)
def test_what_json_lines_have_not(tmp_path, layout):
    with pytest.raises(RulebookError) as error:
        feed_of(tmp_path, [NUMBER, TIME], format="jsonl", **layout)
    assert [fault.split(": ")[1] for fault in error.value.faults] == [f"$.layout[0].{next(iter(layout))}"]


def test_only_json_records_have_paths(tmp_path):
    with pytest.raises(RulebookError) as error:
        feed_of(tmp_path, [NUMBER, {**TIME, "path": "a"}])
    assert len(error.value.faults) == 2
