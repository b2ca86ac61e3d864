"""Malformed files of ASN.1 by families: what is rejected, where, with which bytes, and that its neighbours are not."""

from __future__ import annotations

import pytest

import mediation
from tests.asn1.book import book_of, decoded
from tests.malformed import ANYTHING
from tests.malformed.asn1 import contents, framed, lengths, tags, tap

FAMILIES = lengths.LENGTHS + tags.TAGS + contents.CONTENTS + tap.TAP + framed.FRAMES
REFUSED = tap.ENVELOPES + framed.REFUSED
IDENTITY = {"tap3": "other_party", "ts32298": "charging_id", "ts32297": "charging_id"}
named = {"ids": lambda case: case.name.replace(" ", "_")}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Gives the book of a format, the same for all families that declare the same."""
    made: dict[str, object] = {}

    def of(case):
        key = repr((case.form, case.layout))
        if key not in made:
            made[key] = book_of(tmp_path_factory.mktemp("book"), case.form, **case.layout)
        return made[key]

    return of


def check(found, case):
    """Rows, rejects and every other byte are where the pieces stand."""
    offset, record_no, rows, rejects = 0, 0, [], []
    of_kind = dict.fromkeys(("header", "record", "trailer", "filler", "undecodable"), 0)
    for piece in case.pieces:
        place = {"record_no": record_no, "byte_offset": offset, "byte_length": len(piece.raw)}
        if piece.kind == "bad":
            rejects.append({**place, "code": piece.code, "raw": piece.raw[:64]})
        elif piece.kind == "good":
            rows.append((place, piece.x))
        else:
            of_kind[piece.kind] += len(piece.raw)
        offset += len(piece.raw)
        record_no += piece.kind in ("good", "bad")
    told = [{key: row[key] for key in ("record_no", "byte_offset", "byte_length", "code")} for row in found.rejects]
    told = [{**row, "raw": reject["raw"][:64]} for row, reject in zip(told, found.rejects, strict=True)]
    assert told == rejects
    first = [row for row in found.usage if row["item_no"] == 0]
    assert [{key: row[key] for key in place} for row in first] == [place for place, _ in rows] if rows else not first
    for row, (_, x) in zip(first, rows, strict=True):
        assert x is ANYTHING or row[IDENTITY[case.form]] == x
    for kind in ("header", "trailer", "filler"):
        assert found.classes[kind] == of_kind[kind], kind
    assert sum(found.classes.values()) == found.bytes_in == offset
    assert found.records_in == record_no


def test_families_are_many_and_named_once():
    names = [case.name for case in FAMILIES + REFUSED]
    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.mark.parametrize("case", FAMILIES, **named)
def test_family(tmp_path, book, case):
    (tmp_path / "x").write_bytes(b"".join(piece.raw for piece in case.pieces))
    found = decoded(tmp_path / "x", book(case))
    assert found.code is None
    check(found, case)


@pytest.mark.parametrize("case", FAMILIES, **named)
def test_the_field_is_named(tmp_path, book, case):
    """Where a family says which field is at fault, so does its reject."""
    (tmp_path / "x").write_bytes(b"".join(piece.raw for piece in case.pieces))
    found = decoded(tmp_path / "x", book(case))
    told = [piece.field for piece in case.pieces if piece.kind == "bad"]
    for row, field in zip(found.rejects, told, strict=True):
        assert field is None or row["field"] == field


@pytest.mark.parametrize("case", REFUSED, **named)
def test_a_refused_file_leaves_no_trace(tmp_path, book, case):
    (tmp_path / "x").write_bytes(case.content)
    found = decoded(tmp_path / "x", book(case))
    assert (found.code, found.usage, found.rejects, found.records_in) == (case.code, [], [], 0)
    assert mediation.process([tmp_path / "x"], book(case)).audit.closes
