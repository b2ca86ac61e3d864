"""Malformed input by families: what is rejected, where, with which bytes, and that its neighbours are not."""

from __future__ import annotations

import gzip

import pytest

import mediation
from mediation.decode.source import CHUNK_BYTES
from mediation.native._status import simd_levels
from tests.decode_book import NUMBER, TIME, check_certificate, decoded, feed_of
from tests.malformed import ANYTHING, GOOD, HEAD
from tests.malformed.encodings import ENCODINGS
from tests.malformed.envelopes import ENVELOPE, ENVELOPES, TOTALS
from tests.malformed.json_lines import JSON_LINES
from tests.malformed.quotes import QUOTES
from tests.malformed.records import RECORDS
from tests.malformed.sources import COMPRESSED, KINDS, NAMES
from tests.malformed.times import TIMES
from tests.malformed.values import VALUES
from tests.malformed.widths import WIDTHS

FAMILIES = VALUES + TIMES + ENCODINGS + RECORDS + QUOTES + WIDTHS + JSON_LINES
REFUSED = ENVELOPES + COMPRESSED + KINDS + NAMES
named = {"ids": lambda case: case.name.replace(" ", "_")}


def check(found, data, pieces):
    """Rejects, good records and filler are where the pieces stand."""
    offset, record_no, rows, rejects = 0, 0, [], []
    for piece in pieces:
        place = {"record_no": record_no, "byte_offset": offset, "byte_length": len(piece.raw)}
        if piece.kind == "bad":
            rejects.append({**place, "code": piece.code, "field": piece.field, "raw": piece.raw})
        elif piece.kind == "good":
            rows.append((place, piece.x))
        offset += len(piece.raw)
        record_no += piece.kind != "filler"
    rejected = [{key: row[key] for key in (*place, "code", "field", "raw")} for row in found.rejects]
    assert [{**row, "raw": row["raw"][:64]} for row in rejected] == [{**row, "raw": row["raw"][:64]} for row in rejects]
    assert len(found.usage) == len(rows)
    for row, (place, x) in zip(found.usage, rows, strict=True):
        assert {key: row[key] for key in place} == place
        assert x is ANYTHING or row["x"] == x
    assert all(row["stage"] == "decode" and row["feed"] == "f" for row in found.rejects)
    check_certificate(found, data)


def test_families_are_many_and_named_once():
    names = [family.name for family in FAMILIES + REFUSED]
    assert len(names) == len(set(names))
    assert len(FAMILIES) >= 200
    assert len(REFUSED) >= 100


@pytest.mark.parametrize("case", FAMILIES, **named)
def test_family(tmp_path, case):
    feed = feed_of(tmp_path / "book", case.fields, feed=case.feed, **case.layout)
    data = b"".join(piece.raw for piece in case.pieces)
    (tmp_path / "x.txt").write_bytes(data)
    for chunk_bytes in (CHUNK_BYTES, 64):
        for simd in simd_levels() if chunk_bytes == CHUNK_BYTES else [None]:
            found = decoded(tmp_path / "x.txt", feed, chunk_bytes=chunk_bytes, simd=simd)
            check(found, data, case.pieces)


@pytest.mark.parametrize("case", REFUSED, **named)
def test_a_refused_file_leaves_no_trace(tmp_path, case, monkeypatch):
    """The file after it in source order holds the same record: it is rated, and no duplicate of a refused one."""
    monkeypatch.chdir(tmp_path)
    feed = feed_of(tmp_path / "book", case.fields, feed=case.feed, **case.layout)
    path, after = tmp_path / case.file, tmp_path / "x20260110_7z.txt"
    path.write_bytes(case.content) if isinstance(case.content, bytes) else case.content(path)
    after.write_bytes(case.sound)
    run = mediation.process([after, path], feed.book)
    told = {source.code: source for source in run.audit.sources}
    assert set(told) == {case.code, None}
    assert run.audit.bytes_in == told[None].bytes_in
    assert sum(sum(count) for count in told[case.code].counts.values()) == 0
    assert (run.summary["records_in"], run.summary["rated"], run.summary["duplicates"]) == (1, 1, 0)
    assert run.audit.closes
    assert run.audit.table().num_rows > 0


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_rejected_records_count_between_header_and_trailer(tmp_path, pack):
    feed = feed_of(tmp_path / "book", [NUMBER, TIME, {"column": "x", "type": "text"}], **ENVELOPE)
    data = b"\xef\xbb\xbfH|\n" + HEAD + b"a\nbad\n\n" + HEAD + b"\n" + b"T|3\n\n"
    (tmp_path / "x.txt").write_bytes(pack(data))
    found = decoded(tmp_path / "x.txt", feed)
    assert [row["code"] for row in found.rejects] == ["wrong_field_count", "missing_value"]
    assert (found.bytes["header"], found.bytes["trailer"], found.bytes["filler"]) == (3, 4, 5)
    assert found.bytes["in"] == len(data) == 12 + found.bytes["record"] + found.bytes["undecodable"]


def test_a_file_of_no_records_has_sums_of_nothing(tmp_path):
    fields = [NUMBER, TIME, {"column": "x", "type": "integer"}]
    feed = feed_of(tmp_path / "book", fields, **TOTALS)
    for said, code in ((b"0", None), (b"1", "control_sum_mismatch")):
        (tmp_path / "x.txt").write_bytes(b"T|" + said + b"\n")
        run = mediation.process([tmp_path / "x.txt"], feed.book)
        assert [source.code for source in run.audit.sources] == [code]


def test_a_quote_that_the_header_does_not_close_costs_its_line(tmp_path):
    fields = [NUMBER, TIME, {"column": "x", "type": "text"}]
    feed = feed_of(tmp_path / "book", fields, quote='"', header={"starts_with": "H|"})
    (tmp_path / "x.txt").write_bytes(b'"H|\n' + GOOD.raw)
    found = decoded(tmp_path / "x.txt", feed)
    assert (found.bytes["header"], len(found.usage), found.rejects) == (4, 1, [])


@pytest.mark.parametrize("empty", [(1 << 16) - 1, 1 << 16])
@pytest.mark.parametrize("chunk_bytes", [64, CHUNK_BYTES])
def test_a_header_may_stand_after_empty_lines(tmp_path, empty, chunk_bytes):
    feed = feed_of(tmp_path / "book", [NUMBER, TIME, {"column": "x", "type": "text"}], **ENVELOPE)
    (tmp_path / "x.txt").write_bytes(b"\n" * empty + b"H|\n" + GOOD.raw + b"T|1\n")
    found = decoded(tmp_path / "x.txt", feed, chunk_bytes=chunk_bytes)
    assert (found.bytes["filler"], found.bytes["header"], len(found.usage)) == (empty, 3, 1)


def test_leap_seconds_are_flagged(tmp_path):
    feed = feed_of(tmp_path / "book", [NUMBER, TIME], feed={"zone": "Asia/Shanghai"})
    (tmp_path / "x.txt").write_bytes(b"8613800000001|20170101075960\n8613800000001|20170101080000\n")
    rows = decoded(tmp_path / "x.txt", feed).usage
    assert [(row["start_time"], row["flags"]) for row in rows] == [(1483228800_000_000, 2), (1483228800_000_000, 0)]
