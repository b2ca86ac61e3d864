"""The decoder equals its plain twin on any bytes, however they are cut and whatever the machine's instruction set."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.decode.decode import decode
from mediation.decode.source import CHUNK_BYTES
from mediation.native._status import simd_levels
from tests.decode_book import NUMBER, TIME, check_certificate, decoded, feed_of, fixed
from tests.decode_layouts import LAYOUTS, MAX_RECORD_BYTES, book, comparable, expected, pick

times = st.sampled_from(
    [
        "20260110080000",
        "20260329023000",
        "20261025023000",
        "20261025020000",
        "20261025030000",
        "20161231235960",
        "20260229000000",
        "19700101000000",
        "20260110080060",
        "2026011008000",
        "20261310080000",
        "21991231235959",
    ]
)
fractions = st.sampled_from(["", "", ".5", ".123456", ".9999999", ".123456789", ".1234567890", ".", "..5", ".5.5"])
values = {
    "served_msisdn": st.sampled_from(["8613800000001", "13800000001", "0013800000", "110", "1a", "-5", "9" * 20]),
    "start_time": times,
    "since": st.builds("{}{}".format, st.sampled_from(["2026-01-10 08:00:00", "2026-03-29 02:30:00"]), fractions),
    "seen": st.builds(
        "{}{}{}".format,
        st.sampled_from(["2026-01-10 08:00:00", "2016-12-31 23:59:60", "2026-02-30 00:00:00", "2026-01-10T08:00:00"]),
        fractions,
        st.sampled_from(["Z", "+08:00", "-0930", "+08", "+1800", "+1801", "08:00", "", "+8"]),
    ),
    "kind": st.sampled_from(["A", "B", "甲", "C", "", "a"]),
    "count": st.sampled_from(["", "0", "17", "-", "-1", "+1", "1000000000001", "007", " 7", "7 "]),
    "delta": st.sampled_from(["", "-17", "+17", "   5", "-", "9223372036854775808", "-9223372036854775807", "1e3"]),
    "host_charge_amount": st.sampled_from(["", "1.25", "-0.1", "1.", ".5", "1.255", "999999999999.99", "9" * 17, "+3"]),
    "other_party": st.sampled_from(["", "*21#", "+8610", "0571", "10a"]),
}
texts = st.text(st.sampled_from("ab1 |,;\"'\r\n中é\U00020000€\0"), max_size=9)
strange = st.sampled_from([False, False, False, False, False, True])
safe = st.sampled_from(["a", "b1", "é", "中"])
sound = {
    "served_msisdn": st.sampled_from(["13800000001", "00138000000", "21600000000"]),
    "start_time": st.sampled_from(["20260110080000", "20161231235960", "20261025030000"]),
    "seen": st.sampled_from(["2026-01-10 08:00:00Z", "2026-01-10 23:59:60-0930", ""]),
    "kind": st.sampled_from(["A", "B", ""]),
    "count": st.sampled_from(["", "0", "17", "-"]),
    "delta": st.sampled_from(["", "+17", "   5"]),
    "host_charge_amount": st.sampled_from(["", "1.25", "-0.1"]),
    "other_party": st.sampled_from(["", "*21#", "+8610"]),
    "node_id": st.sampled_from(["", "", " a "]),
}


def value(field, careful, draw):
    """A value of a field: one that is right when `careful`, else often one of its kind."""
    if careful:
        return draw(sound.get(field.column, safe))
    return draw(texts if field.column not in values or draw(strange) else values[field.column])


@st.composite
def files(draw, layout):
    """Records of a layout, some of them of strange values, then a few bytes changed."""
    fields = [field for field in layout.field if field.type != "constant"]
    encoding = {"ascii": "utf-8"}.get(layout.encoding, layout.encoding)
    ends = {"lf": ["\n"], "crlf": ["\r\n"], "any": ["\n", "\r\n"], "none": [""]}[layout.terminator]
    out = []
    for _ in range(draw(st.integers(0, 6))):
        careful = draw(strange) is False
        parts = [value(field, careful, draw) for field in fields]
        if not careful or draw(st.booleans()):
            place = draw(st.integers(0, len(fields) - 1))
            parts[place] = value(fields[place], False, draw)
        parts = [part.encode(encoding) for part in parts]
        if layout.format == "fixed":
            parts = [part[: f.width].ljust(f.width) for part, f in zip(parts, fields, strict=True)]
            line = b"".join(parts)
            if draw(strange):  # what follows stands a byte too far right: characters lie across bounds of fields
                at = draw(st.integers(0, len(line) - 1))
                line = line[:at] + b" " + line[at:-1]
        else:
            parts = parts[: draw(st.integers(sum(not f.may_be_absent for f in fields), len(fields)))]
            quote = (layout.quote or "").encode()
            if quote and draw(st.booleans()):
                parts = [quote + part.replace(quote, quote * 2) + quote for part in parts]
            line = layout.delimiter.encode().join(parts)
        out.append(line + draw(st.sampled_from(ends)).encode())
    data = bytearray(b"".join(out))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 5]))):
        change(data, draw)
    return bytes(data)


def change(data, draw):
    """One mutation in place: a byte changed, put in, taken out, or the file cut."""
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    byte = draw(st.sampled_from(b"|,;\"'\r\n\0 09-+A\x80\x81\xd6\xe4\xed\xff\xbf"))
    kind = draw(st.integers(0, 3))
    if kind == 0 and data:
        data[at] = byte
    elif kind == 1:
        data[at:at] = bytes([byte]) * draw(st.sampled_from([1, 1, 2, 40, 120]))
    elif kind == 2:
        del data[at : at + draw(st.sampled_from([1, 2, 30]))]
    else:
        del data[draw(st.integers(0, len(data))) :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("decode")


def check(folder, name, data):
    feed = book(folder, name)
    path = folder / "x.txt"
    path.write_bytes(data)
    found = decoded(path, feed)
    check_certificate(found, data)
    rows, rejects = comparable(found)
    rows_of_twin, rejects_of_twin = expected(data, feed)
    assert rejects == rejects_of_twin
    assert rows == rows_of_twin
    return path, feed, found


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=60)
@given(data=st.data())
def test_kernel_equals_twin(folder, name, data):
    check(folder, name, data.draw(files(book(folder, name).declared.layout[0])))


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=8)
@given(data=st.data(), extra=st.integers(0, 70))
def test_neither_cuts_nor_instruction_sets_change_anything(folder, name, data, extra):
    piece = data.draw(files(book(folder, name).declared.layout[0]))
    path, feed, whole = check(folder, name, piece * (1 + 2600 // max(len(piece), 1)))
    for simd in simd_levels():
        for chunk_bytes in (CHUNK_BYTES, 4 * MAX_RECORD_BYTES + extra):
            found = decoded(path, feed, chunk_bytes=chunk_bytes, simd=simd)
            assert (found.usage, found.rejects, found.bytes) == (whole.usage, whole.rejects, whole.bytes)


@pytest.mark.parametrize("name", ["plain", "fixed", "quoted", "crlf numbers", "many values, a wide time"])
@pytest.mark.parametrize("share", [0, 0.02, 0.5])
def test_many_rows_at_once_equal_one_at_a_time(folder, name, share):
    """Kernels take eight rows and more at once: here strange values stand among sound ones, at every place."""
    feed, random = book(folder, name), Random(f"{name} {share}")
    layout = feed.declared.layout[0]
    fields = [field for field in layout.field if field.type != "constant"]
    lines = []
    for _ in range(1100):
        row = [pick(field, random, share) for field in fields]
        if layout.format == "fixed":
            row = [part[: f.width].ljust(f.width) for part, f in zip(row, fields, strict=True)]
        lines.append(layout.delimiter.encode().join(row) if layout.format != "fixed" else b"".join(row))
    end = b"\r\n" if layout.terminator == "crlf" else b"\n"
    for count in (1100, 7, 8, 9, 513):
        path, feed, whole = check(folder, name, end.join([*lines[:count], b""]))
        for simd in simd_levels():
            found = decoded(path, feed, simd=simd)
            assert (found.usage, found.rejects) == (whole.usage, whole.rejects)


@pytest.mark.parametrize("name", ["plain", "fixed"])
def test_more_separators_than_most_texts_have(folder, name):
    line = b"8613800000001|20260110080000||A|5||||||\n"
    for dense in (b"\n" * 5000, b"|" * 70 + b"\n", b"|" * 9000, b"|\n" * 3000):
        path, feed, whole = check(folder, name, line * 3 + dense + line)
        for simd in simd_levels():
            found = decoded(path, feed, simd=simd)
            assert (found.usage, found.rejects) == (whole.usage, whole.rejects)


def test_every_chunk_size(folder):
    lines = b"".join(b"8613800000001|20260110080000||A|%d||||||\n" % i for i in range(40))
    data = lines + b"x" * 200 + b"\n\n\n" + lines[:-1]
    path, feed, whole = check(folder, "plain", data)
    assert len(whole.usage) == 80
    assert len(whole.rejects) == 1
    for chunk_bytes in range(4 * MAX_RECORD_BYTES, 4 * MAX_RECORD_BYTES + 130):
        found = decoded(path, feed, chunk_bytes=chunk_bytes)
        assert (found.usage, found.rejects, found.bytes) == (whole.usage, whole.rejects, whole.bytes)


def test_the_public_call_says_the_same(folder):
    data = b"8613800000001|20260110080000||A|5||||||\nx\n"
    path, feed, whole = check(folder, "plain", data)
    usage, rejects = decode(path, feed)
    assert usage.num_rows == len(whole.usage) == 1
    assert rejects.to_pylist() == whole.rejects


def test_a_message_has_as_many_segments_as_its_coding_says(tmp_path):
    coding = {"column": "message_coding", "type": "enumeration", "values": ["gsm", "ucs2"], "optional": True}
    fields = [NUMBER, TIME, {"column": "message_length", "type": "integer", "optional": True}, coding]
    lengths = [
        "160|gsm",
        "161|gsm",
        "306|gsm",
        "307|gsm",
        "70|ucs2",
        "71|ucs2",
        "134|ucs2",
        "135|ucs2",
        "161|",
        "|ucs2",
    ]
    path = tmp_path / "x.txt"
    path.write_text("".join(f"13800138000|20260601101010|{each}\n" for each in lengths))
    found = decoded(path, feed_of(tmp_path / "book", fields, feed={"segments": {"ucs2": ["ucs2"]}}))
    assert [row["message_segments"] for row in found.usage] == [1, 2, 2, 3, 1, 2, 2, 3, 2, None]


def test_durations_are_compared_where_all_three_are_there(tmp_path):
    end, duration = {**TIME, "column": "end_time", "optional": True}, {"column": "duration_s", "type": "integer"}
    fields = [NUMBER, {**TIME, "optional": True}, end, {**duration, "optional": True}]
    rows = [("101010", "101020", "10"), ("101010", "101020", "13"), ("101010", "", "13"), ("101010", "101020", "")]
    rows += [("101020", "101010", "10"), ("", "101010", "10")]
    line = "13800138000|{}|{}|{}\n".format
    path = tmp_path / "x.txt"
    path.write_text("".join(line(*(time and f"20260601{time}" for time in row[:2]), row[2]) for row in rows))
    found = decoded(path, feed_of(tmp_path / "book", fields, feed={"duration_tolerance_s": 2}))
    assert [row["flags"] for row in found.usage] == [0, 1, 0, 0, 1, 0]
    derived = decoded(path, feed_of(tmp_path / "derives", fields, feed={"duration_from_times": True}))
    assert [row["duration_s"] for row in derived.usage] == [10, 13, 13, 10, 10, 10]


def test_a_duration_follows_from_times_where_the_record_does_not_say_it(tmp_path):
    optional = {**TIME, "optional": True}
    fields = [NUMBER, optional, {**optional, "column": "end_time"}]
    fields.append({"column": "duration_s", "type": "integer", "optional": True})
    times = [("101010", "101011"), ("101010", "101010"), ("101011", "101010"), ("", "101010"), ("101010", "")]
    line = "13800138000|{}|{}|\n".format
    path = tmp_path / "x.txt"
    path.write_text("".join(line(*(time and f"20260601{time}" for time in pair)) for pair in times))
    found = decoded(path, feed_of(tmp_path / "book", fields, feed={"duration_from_times": True}))
    assert [row["duration_s"] for row in found.usage] == [1, 0, None, None, None]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("terminator", ["lf", "none"])
def test_fixed_field_that_ends_inside_a_character(tmp_path, encoding, terminator):
    """The record as a whole is text; half a character in a column would be none."""
    text = "a你b".encode(encoding)
    left, right = ({"column": name, "type": "text"} for name in ("location", "node_id"))
    fields, form = fixed((11, NUMBER), (14, TIME), (2, left), (len(text) - 2, right), terminator=terminator)
    path = tmp_path / "x.txt"
    path.write_bytes(b"13800138000" + b"20260601101010" + text + (b"\n" if terminator == "lf" else b""))
    found = decoded(path, feed_of(tmp_path / "book", fields, encoding=encoding, **form))
    assert [(reject["code"], reject["field"]) for reject in found.rejects] == [("invalid_encoding", "location")]
