"""Columns found by the names of a header line: whatever their order, a file is what it is by position."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediation
from mediation.decode.header import MOST_HEADERS
from mediation.decode.layout import layout_of
from mediation.errors import RulebookError, SourceRefused
from tests.decode_book import NUMBER, TIME, check_certificate, decoded, feed_of
from tests.decode_layouts import comparable, expected

NAMED_NUMBER, NAMED_TIME = {**NUMBER, "name": "caller"}, {**TIME, "name": "when"}
X = {"column": "x", "type": "text", "name": "x", "optional": True}
KIND = {"column": "kind", "type": "enumeration", "values": ["a", "b"], "name": "kind", "may_be_absent": True}
IF_B = {"column": "location", "type": "text", "name": "place", "required_if": {"kind": ["a"]}}
FIELDS = [NAMED_NUMBER, NAMED_TIME, X, KIND, IF_B]
VALUES = {"caller": ["8613800000001", "x"], "when": ["20260110080000", "20261310080000"], "x": ["", "é"]}
VALUES |= {"kind": ["a", "b", "", "c"], "place": ["", "here"]}
CSV = {"delimiter": ",", "header_lines": 1}


def positional(feed, names):
    """The same fields by position, as the plain twin reads them."""
    declared = {field["name"]: field for field in FIELDS}
    absent = [field["column"] for name, field in declared.items() if name not in names]
    fields = []
    for name in names:
        field = {key: value for key, value in declared.get(name, {"type": "ignored"}).items() if key != "name"}
        if field.pop("may_be_absent", False) or set(field.get("required_if", ())) & set(absent):
            field |= {"optional": True}
            field.pop("required_if", None)
        fields.append(field)
    return feed_of(feed, fields, delimiter=",")


@settings(max_examples=60)
@given(data=st.data())
def test_any_order_is_an_order_by_position(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("header")
    may_lack = data.draw(st.booleans())
    names = [field["name"] for field in FIELDS if not (may_lack and field is KIND)]
    names = data.draw(st.permutations([*names, *data.draw(st.sampled_from([[], ["other"], ["other", "other"], [""]]))]))
    rows = [[data.draw(st.sampled_from(VALUES.get(name, ["", "z"]))) for name in names] for _ in range(5)]
    lines = b"".join(",".join(row).encode() + b"\n" for row in rows)
    head = ",".join(names).encode() + b"\n"
    (folder / "x.txt").write_bytes(head + lines)
    found = decoded(folder / "x.txt", feed_of(folder / "by-name", FIELDS, **CSV))
    check_certificate(found, head + lines)
    rows_by_twin, rejects_by_twin = expected(lines, positional(folder / "by-position", names))
    for row in rows_by_twin + rejects_by_twin:
        row["byte_offset"] += len(head)
    for row in rows_by_twin if may_lack else []:
        row["kind"] = None
    assert comparable(found) == (rows_by_twin, rejects_by_twin)


def test_two_lines_above_quoted_records(tmp_path):
    fields = [NAMED_NUMBER, NAMED_TIME, X]
    head = b'\xef\xbb\xbf"x","when"," caller "\r\n\r\nTEXT,TIME,VARCHAR(50)\r\n'
    data = head + b'"a ""b""",20260110080000,"8613800000001"\r\n'
    (tmp_path / "x.txt").write_bytes(data)
    feed = feed_of(tmp_path / "book", fields, delimiter=",", quote='"', terminator="any", header_lines=2)
    for chunk_bytes in (64, 1 << 20):
        found = decoded(tmp_path / "x.txt", feed, chunk_bytes=chunk_bytes)
        assert [(row["x"], row["served_msisdn"]) for row in found.usage] == [('a "b"', 8613800000001)]
        assert found.bytes["header"] + found.bytes["filler"] == len(head)
        assert found.bytes["filler"] == 5


def test_lines_without_names_are_passed_over(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"one\ntwo|\n8613800000001|20260110080000\n")
    found = decoded(tmp_path / "x.txt", feed_of(tmp_path / "book", [NUMBER, TIME], header_lines=2))
    assert (len(found.usage), found.rejects, found.bytes["header"]) == (1, [], 9)


def test_a_header_record_stands_before_the_names(tmp_path):
    header = {"starts_with": "H|", "record_count": {"position": 2}}
    feed = feed_of(tmp_path / "book", [NAMED_NUMBER, NAMED_TIME], header=header, header_lines=1)
    (tmp_path / "x.txt").write_bytes(b"H|1\nwhen|caller\n20260110080000|8613800000001\n")
    usage, rejects = mediation.decode(tmp_path / "x.txt", feed)
    assert (usage.num_rows, rejects.num_rows) == (1, 0)


GOOD = b"8613800000001,20260110080000,a\n"
UNFIT = {
    "no header line": (GOOD, "column_missing"),
    "an empty file": (b"", "header_missing"),
    "only empty lines": (b"\n\n\n", "header_missing"),
    "a name missing": (b"caller,x\n", "column_missing"),
    "a name in other letters": (b"Caller,when,x\n" + GOOD, "column_missing"),
    "a name twice": (b"caller,when,x,x\n", "column_repeated"),
    "a header line without end": (b"caller,when,x" + b"," * (1 << 17), "header_missing"),
    "a header line longer than a record": (b"caller,when,x" + b"," * (1 << 17) + b"\n" + GOOD, "header_missing"),
    "more columns than are read": (b"caller,when,x" + b"," * 4100 + b"\n" + GOOD, "too_many_columns"),
    "another delimiter": (b"caller|when|x\n", "column_missing"),
    "another encoding": ("caller,when,x\n".encode("utf-16"), "column_missing"),
    "NULs": (bytes(99) + b"\n", "column_missing"),
    "a quote never closed": (b'"caller,when,x\n' + GOOD, "column_missing"),
}


@pytest.mark.parametrize("quote", [None, '"'])
@pytest.mark.parametrize("name", UNFIT)
def test_a_file_whose_header_does_not_fit_is_refused(tmp_path, name, quote):
    content, code = UNFIT[name]
    feed = feed_of(tmp_path / "book", [NAMED_NUMBER, NAMED_TIME, X], **CSV, **({"quote": quote} if quote else {}))
    (tmp_path / "x1.txt").write_bytes(content)
    (tmp_path / "x2.txt").write_bytes(b"caller,when,x\n" + GOOD)
    with pytest.raises(SourceRefused) as refused:
        mediation.decode(tmp_path / "x1.txt", feed)
    assert refused.value.code == code
    run = mediation.process([tmp_path / "x1.txt", tmp_path / "x2.txt"], feed.book)
    assert [source["refused"] for source in run.summary["sources"]] == [code, None]
    assert (run.rated.num_rows, run.audit.closes) == (1, True)


def test_as_many_columns_as_are_read(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"caller,when,x" + b"," * 4093 + b"\n" + GOOD[:-1] + b"," * 4093 + b"\n" + GOOD)
    found = decoded(tmp_path / "x.txt", feed_of(tmp_path / "book", [NAMED_NUMBER, NAMED_TIME, X], **CSV))
    assert len(found.usage) == 1
    assert [reject["code"] for reject in found.rejects] == ["wrong_field_count"]


def test_plans_of_few_headers_are_kept(tmp_path):
    feed = feed_of(tmp_path / "book", [NAMED_NUMBER, NAMED_TIME, X], **CSV)
    kept = layout_of(feed, None).by_header
    for number in range(3 * MOST_HEADERS):
        (tmp_path / "x.txt").write_bytes(b"x,caller,when,%d\n,8613800000001,20260110080000,z\n" % (number % 20))
        assert len(decoded(tmp_path / "x.txt", feed).usage) == 1
        assert len(kept) <= MOST_HEADERS


def faults_of(folder, fields, **layout):
    with pytest.raises(RulebookError) as error:
        feed_of(folder, fields, **layout)
    return [fault.split(": ")[1].removeprefix("$.layout[0]") for fault in error.value.faults]


def test_names_are_checked(tmp_path):
    constant = {"column": "rat_type", "type": "constant", "value": "nr", "name": "rat"}
    fields = [NAMED_NUMBER, TIME, {**X, "name": "caller"}, {"type": "ignored"}, constant, {**KIND, "name": " kind"}]
    found = faults_of(tmp_path, fields, delimiter=",")
    assert sorted(found) == sorted(
        [".header_lines", ".field[1].name", ".field[2].name", ".field[3].type", ".field[4].name", ".field[5].name"]
    )


def test_only_the_last_fields_may_be_absent(tmp_path):
    absent = {"may_be_absent": True}
    text = {"column": "x", "type": "text"}
    assert faults_of(tmp_path / "a", [NUMBER, TIME | absent, text]) == [".field[2].may_be_absent"]
    assert faults_of(tmp_path / "b", [NUMBER | absent, TIME | absent]) == [".field[0].may_be_absent"]
    sums = {"starts_with": "T", "sums": [{"column": "n", "position": 2}]}
    number = {"column": "n", "type": "integer", **absent}
    assert faults_of(tmp_path / "c", [NUMBER, TIME, number], trailer=sums) == [".trailer.sums[0].column"]
