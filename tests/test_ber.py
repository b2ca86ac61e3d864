"""The interpreter of tag tables equals its plain twin on any records, however they are written, damaged or cut."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mediation.decode.ber.detect import TEXT, detect
from mediation.decode.decode import decode_chunk
from mediation.decode.filesource import CHUNK_BYTES
from mediation.decode.layout import layout_of
from mediation.rulebook.formats import format_table
from mediation.rulebook.tags import MOST_NUMBER, tag_of, tried
from tests.decode_book import toml
from tests.naive import ber as naive
from tests.tap_book import tap_book
from tests.test_tap3 import CALL

EVENTS_AT = 277  # in the file of one call: behind its header
HEADER = {
    "decimals": 3,
    "offsets": {1: 3600},
    "entities": {1: (1, "ARSENAL1")},
    "rates": {1: 12 * 10**6},
    "fields": {"serving_network": "AUTPT", "host_charge_currency": "XDR"},
}
NO_HEADER = {"decimals": 0, "offsets": {}, "entities": {}, "rates": {}, "fields": {}}
MAX_RECORD_BYTES = 1500
# Beside what TAP has: what counts without items, what is left out and emptied, and rules between fields.
OWN = f"""
max_record_bytes = {MAX_RECORD_BYTES}
[layout.ber]
without_items = ["a17/a304"]
[[layout.field]]
column = "uplink_bytes"
type = "integer"
unit = "B"
coding = "integer"
sum = true
optional = true
tag = ["a14/a121/a251", "a17/a285/{{a352[a344=1],a352}}/a251", "a17/a304/u16/a251"]
[[layout.field]]
column = "note"
type = "text"
strip = "both"
prefix = "7"
null_if = ["a", "F"]
required_if = {{ record_type = ["voice_mo", "content_transaction"] }}
tag = "{{a9,a10,a11,a12,a14,a17,a297,a433,a434}}/a500"
[[layout.field]]
column = "mark"
type = "integer"
coding = "integer"
signed = true
empty_if = {{ record_type = ["voice_mt", "supplementary_service", "data", "location_service"] }}
tag = "{{a9,a10,a11,a12,a14,a17,a297,a433,a434}}/a501"
"""


TAP_DERIVED = {"voice_mo": {"22": "sms_mo"}, "voice_mt": {"21": "sms_mt"}}


class Setting(NamedTuple):
    """A feed, its twin, what stands around its records, and its derived record types."""

    feed: Any
    twin: naive.Decoder
    head: bytes
    tail: bytes
    derived: dict[str, dict[str, str]]


def tap_setting(folder) -> Setting:
    whole = CALL.read_bytes()
    feed = tap_book(folder / "book", layout=OWN).feeds["t"]
    return Setting(feed, naive.Decoder(feed, HEADER), whole[:EVENTS_AT], whole[EVENTS_AT + 301 :], TAP_DERIVED)


def nrtrde_setting(folder) -> Setting:
    head, tail = bytes.fromhex("6180 5f290102") + b"\x5f\x26\x05AUTPT" + bytes.fromhex("6280"), "0000 540100 0000"
    layout = f"max_record_bytes = {MAX_RECORD_BYTES}"
    feed = tap_book(folder / "book", layout=layout, format_name="nrtrde").feeds["t"]
    twin = naive.Decoder(feed, NO_HEADER | {"fields": {"serving_network": "AUTPT"}})
    return Setting(feed, twin, head, bytes.fromhex(tail), TAP_DERIVED)


def ts32298_setting(folder) -> Setting:
    """Its records inside an element, so that the twin need not know of filler."""
    known = format_table("ts32298").ber
    items = f"items = {toml(known.items)}\nwithout_items = {toml(known.without_items)}"
    layout = f'max_record_bytes = {MAX_RECORD_BYTES}\n[layout.ber]\nrecords = "u16"\n{items}'
    feed = tap_book(folder / "book", layout=layout, format_name="ts32298").feeds["t"]
    twin = naive.Decoder(feed, NO_HEADER)
    return Setting(feed, twin, b"\x30\x80", b"\0\0", {"sms": {"0": "sms_mo", "3": "sms_mt"}})


# --------------------------------------------------------------------------------------- random records


def tag_octets(tag: int, constructed: bool) -> bytes:
    first, number = (tag >> 14) << 6 | constructed << 5, tag & MOST_NUMBER
    if number < 31:
        return bytes([first | number])
    return bytes([first | 31, *([0x80 | number >> 7] if number > 127 else []), number & 127])


@st.composite
def written(draw, tag, constructed, content):
    """An element in one of the forms that BER allows."""
    head, length = tag_octets(tag, constructed), len(content)
    form = draw(st.sampled_from(["short", "short", "short", "long", "padded", "indefinite"]))
    if form == "indefinite" and constructed:
        return head + b"\x80" + content + b"\0\0"
    if form == "short" and length < 128:
        return head + bytes([length]) + content
    octets = length.to_bytes(4, "big") if form == "padded" else length.to_bytes(2, "big")
    return head + bytes([0x80 | len(octets)]) + octets + content


integers = st.one_of(st.integers(-2, 300), st.integers(-(2**70), 2**70), st.sampled_from([2**63 - 1, 2**63, 2**31]))
bcd = st.one_of(
    st.binary(max_size=12), st.sampled_from([bytes.fromhex(h) for h in ("2620924645691f1f", "8613f0", "ff")])
)
nine_octets = st.builds(
    lambda date, offset: bytes.fromhex(date) + offset,
    st.sampled_from(["260110080000", "161231235960", "260230000000", "2601100800", "26011008000a", "991231235959"]),
    st.sampled_from([b"+\x08\x00", b"+\x08\x00", b"-\x03\x30", b"+\x18\x01", b"+\x05\x60", b" \x08\x00", b"+\x0a\x00"]),
)
times = st.sampled_from([b"20260110080000", b"20161231235960", b"20260230000000", b"2026011008000", b"21991231235959"])
texts = st.sampled_from(
    [b"a", b" a ", b"   ", b"\xc3\xa9", b"\xff", b"F", b"00", b"22", b"262092464569171", b"-1", b"7x"]
)


def integer_octets(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


@st.composite
def tap_times(draw):
    parts = []
    if draw(st.integers(0, 9)):
        parts.append(draw(written(tag_of("a16"), False, draw(times))))
    if draw(st.integers(0, 9)):
        parts.append(draw(written(tag_of("a232"), False, draw(st.sampled_from([b"\1", b"\1", b"\2", b"", b"\0\1"])))))
    return b"".join(draw(st.permutations(parts)))


offsets = st.sampled_from(
    [b"+0800", b"+0800", b"-0330", b"+1800", b"+1801", b"+08:00", b"+0860", b"0800", b"+08x0", b""]
)


@st.composite
def event_times(draw):
    parts = [draw(written(tag_of("a21"), False, draw(times)))] if draw(st.integers(0, 9)) else []
    parts += [draw(written(tag_of("a45"), False, draw(offsets)))] if draw(st.integers(0, 9)) else []
    return b"".join(draw(st.permutations(parts)))


@st.composite
def values(draw, field, coding):
    """Whether it is constructed, and contents."""
    if coding in ("tap_time", "tap_offset"):
        return True, draw(tap_times())
    if coding in ("nrtrde_time", "nrtrde_offset"):
        return True, draw(event_times())
    if coding == "tag":
        return True, b""
    octets = {
        "integer": integers.map(integer_octets),
        "negated": integers.map(integer_octets),
        "entity": st.sampled_from([b"\1", b"\2", b"\0\0\1"]),
        "rate": st.sampled_from([b"\1", b"\3", b""]),
        "bcd": bcd,
        "tbcd": bcd,
        "address": st.one_of(bcd, st.tuples(st.sampled_from([b"\x91", b"\x81", b"\x11\x83"]), bcd).map(b"".join)),
        "hex": st.binary(max_size=6),
        "time9": nine_octets,
        "plmn": st.one_of(st.sampled_from([bytes.fromhex(h) for h in ("64f010", "130014", "ffffff")]), st.binary()),
        "uri": st.sampled_from([b"sip:+8613:x@a", b"TEL:+861;npdi", b"sips:", b"tel:+", b"sip:a.b", b"urn:x", b"86"]),
        "ip": st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16), texts),
    }.get(coding, texts)
    return draw(st.integers(0, 30)) == 0, draw(st.one_of(octets, octets, octets, st.binary(max_size=9)))


@st.composite
def element(draw, paths, depth=0):
    """The element that begins all of the paths, each of which ends in a value."""
    step = paths[0][0].steps[depth]
    ends = [(path, field) for path, field in paths if len(path.steps) == depth + 1]
    if ends:
        path, field = draw(st.sampled_from(ends))
        constructed, content = draw(values(field, path.coding or field.coding))
    else:
        constructed, content = True, b""
    deeper = [each for each in paths if len(each[0].steps) > depth + 1]
    parts = []
    if step.child is not None:
        right = step.value if isinstance(step.value, bytes) else integer_octets(step.value or 0)
        parts.append(draw(written(step.child, False, draw(st.sampled_from([right, right, right, b"\1", b"10"])))))
    for following in sorted({each[0].steps[depth + 1] for each in deeper}, key=tried):
        below = [each for each in deeper if each[0].steps[depth + 1] == following]
        parts += [draw(element(below, depth + 1)) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
    if draw(st.integers(0, 4)) == 0:
        parts.append(draw(written(draw(st.sampled_from([4, 200, 9000, tag_of("p3")])), False, b"unknown")))
    constructed = constructed or bool(parts)
    return draw(written(step.tag, constructed, content + b"".join(draw(st.permutations(parts)))))


@st.composite
def records(draw, setting):
    """One record: some of the fields that records of its tag can have."""
    decoder = setting.twin
    tops = sorted({path.steps[0] for path, _ in decoder.paths}, key=tried)
    top = draw(st.sampled_from([*tops, *(steps[0] for steps in decoder.items * 4)]))  # those with items more often
    paths = [(path, decoder.fields[number]) for path, number in decoder.paths if path.steps[0] == top]
    places = draw(st.lists(st.integers(0, len(paths) - 1), min_size=1, max_size=12, unique=True))
    typed = [each for each in paths if each[1].coding == "tag"][:1]
    return draw(element([*(paths[place] for place in places), *typed]))


@st.composite
def files(draw, setting):
    """Records, then perhaps a few octets changed."""
    data = bytearray(b"".join(draw(st.lists(records(setting), max_size=5))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 4]))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        octet = draw(st.sampled_from(b"\0\x80\xff\x30\x61\x1f\x5f\x81\x82\1"))
        kind = draw(st.integers(0, 3))
        if kind == 0 and data:
            data[at] = octet
        elif kind == 1:
            data[at:at] = bytes([octet]) * draw(st.sampled_from([1, 1, 2, 60]))
        elif kind == 2:
            del data[at : at + draw(st.sampled_from([1, 2, 30]))]
        else:
            del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


# ------------------------------------------------------------------------------------------- the twin


@pytest.fixture(scope="module", params=[tap_setting, nrtrde_setting, ts32298_setting])
def setting(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("ber"))


def read(path, feed, chunk_bytes=CHUNK_BYTES):
    """Rows, rejects, bytes by place, and the source; nothing is verified."""
    layout = layout_of(feed, None)
    usage, rejects, count, places = [], [], 0, dict.fromkeys(("record", "undecodable", "filler", "usage", "reject"), 0)
    with layout.source(path, feed, layout, feed.declared.limits, chunk_bytes=chunk_bytes) as source:
        for piece in source:
            found = decode_chunk(layout, piece, 0)
            found.number(count)
            count += found.records
            for place in places:
                places[place] += getattr(found, f"{place}_bytes")
            for batch, into in ((found.usage, usage), (found.rejects, rejects)):
                table = pa.table(batch)
                table.validate(full=True)
                into += table.to_pylist()
        places["filler"] += source.filler_bytes
        places |= {"header": source.header_bytes, "trailer": source.trailer_bytes, "in": source.bytes_in}
    return usage, rejects, places


def comparable(row: dict) -> dict:
    """A row as the twin says it."""
    out = {}
    for name, value in row.items():
        if name in ("feed", "host", "source_id", "stage", "raw") or value is None:
            continue
        if isinstance(value, dt.datetime):
            value = round(value.timestamp()) * 10**6
        elif name in ("host_charge_amount", "tax_amount", "exchange_rate"):
            value = int(value.scaleb(6))
        out[name] = value
    return out


def without_nulls(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}


def check(path, setting, events: bytes):
    feed, begin = setting.feed, len(setting.head)
    data = setting.head + events + setting.tail
    assume(detect(data, len(data)) != TEXT)  # refused as a whole, and so without rows to compare
    path.write_bytes(data)
    usage, rejects, places = read(path, feed)
    rows, expected, end = naive.decode(setting.twin, data, begin)
    for row in rows:
        derived = setting.derived.get(row["record_type"], {})
        row["record_type"] = derived.get(
            row.get("service_code", "")[: len(next(iter(derived), ""))], row["record_type"]
        )
    # What stands behind the outermost element is one more reject; the twin does not look there.
    inside = [row for row in rejects if row["code"] != "trailing_bytes"]
    assert [comparable(row) for row in inside] == [without_nulls(row) for row in expected]
    assert [comparable(row) for row in usage] == [without_nulls(row) for row in rows]
    outside = places["header"] + places["trailer"] + places["filler"]
    assert places["in"] == len(data) == outside + places["record"] + places["undecodable"]
    assert places["usage"] + places["reject"] == places["record"] + places["undecodable"]
    assert places["reject"] == sum(row["byte_length"] for row in rejects)
    assert places["usage"] == sum(row["byte_length"] for row in usage if row["item_no"] == 0)
    assert end >= begin
    return usage, rejects, places


@settings(max_examples=100)
@given(data=st.data())
def test_interpreter_equals_twin(tmp_path_factory, setting, data):
    path = tmp_path_factory.getbasetemp() / "twin"
    check(path, setting, data.draw(files(setting)))


@settings(max_examples=8)
@given(data=st.data(), extra=st.integers(0, 70))
def test_cuts_change_nothing(tmp_path_factory, setting, data, extra):
    path = tmp_path_factory.getbasetemp() / "cuts"
    piece = data.draw(files(setting))
    whole = check(path, setting, piece * (1 + 9000 // max(len(piece), 1)))
    assume(whole[2]["trailer"] + whole[2]["undecodable"] < 4 * MAX_RECORD_BYTES)  # what stands outside fits into a text
    assert read(path, setting.feed, 4 * MAX_RECORD_BYTES + extra) == whole
