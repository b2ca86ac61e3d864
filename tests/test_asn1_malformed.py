"""Malformed files of ASN.1 by families: what is rejected, where, with which bytes, and that its neighbours are not."""

from __future__ import annotations

import pytest

import mediation
from mediation.rulebook.bare import bare_feed
from tests.asn1 import ts32297
from tests.asn1.book import book_of, decoded
from tests.malformed import ANYTHING
from tests.malformed.asn1 import FORMS, contents, exchange, framed, lengths, tags, tap

FAMILIES = lengths.LENGTHS + tags.TAGS + contents.CONTENTS + tap.TAP + framed.FRAMES + exchange.NRTRDE + exchange.RAP
REFUSED = tap.ENVELOPES + framed.REFUSED + exchange.NRTRDE_REFUSED + exchange.RAP_REFUSED
IDENTITY = {
    **dict.fromkeys(("tap3", "nrtrde"), "other_party"),
    **dict.fromkeys(("ts32298", "ts32297"), "charging_id"),
    "rap": "tap_sequence",
}


def parameter(case):
    return pytest.param(case, id=case.name.replace(" ", "_"))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Gives the book of a format, the same for all families."""
    made: dict[str, object] = {}

    def of(case):
        if case.form not in made:
            form, layout = FORMS[case.form]
            is_usage = form != "rap"
            folder = tmp_path_factory.mktemp("book")
            made[case.form] = book_of(folder, form, **layout) if is_usage else bare_feed(form).book
        return made[case.form]

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
    assert told == [{key: row[key] for key in told[0]} for row in rejects] if told else not rejects
    assert [row["raw"][:64] for row in found.rejects] == [row["raw"] for row in rejects]
    first = [row for row in found.usage if row["item_no"] == 0]
    assert [{key: row[key] for key in place} for row in first] == [place for place, _ in rows] if rows else not first
    for row, (_, x) in zip(first, rows, strict=True):
        assert x is ANYTHING or row[IDENTITY.get(case.form, "charging_id")] == x
    for kind in ("header", "trailer", "filler"):
        assert found.classes[kind] == of_kind[kind], kind
    assert sum(found.classes.values()) == found.bytes_in == offset
    assert found.records_in == record_no


def test_families_are_many_and_named_once():
    names = [case.name for case in FAMILIES + REFUSED]
    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.mark.parametrize("case", [*map(parameter, FAMILIES)])
def test_family(tmp_path, book, case):
    (tmp_path / "x").write_bytes(b"".join(piece.raw for piece in case.pieces))
    found = decoded(tmp_path / "x", book(case))
    assert found.code is None
    check(found, case)
    fields = [piece.field for piece in case.pieces if piece.kind == "bad"]
    for row, field in zip(found.rejects, fields, strict=True):
        assert field is None or row["field"] == field


@pytest.mark.parametrize("case", [*map(parameter, REFUSED)])
def test_a_refused_file_leaves_no_trace(tmp_path, book, case):
    (tmp_path / "x").write_bytes(case.content)
    found = decoded(tmp_path / "x", book(case))
    assert (found.code, found.usage, found.rejects, found.records_in) == (case.code, [], [], 0)
    assert case.form == "rap" or mediation.process([tmp_path / "x"], book(case)).audit.closes


@pytest.mark.parametrize("name", framed.STRANGE)
def test_nothing_comes_of_a_header_that_is_none(tmp_path, name):
    data = ts32297.file_of(list(framed.BODIES), framed.STRANGE[name])
    (tmp_path / "x").write_bytes(data)
    form, layout = FORMS["ts32297"]
    found = decoded(tmp_path / "x", book_of(tmp_path / "book", form, **layout))
    assert (found.code, found.usage) == (None, [])
    assert found.rejects
    assert sum(found.classes.values()) == found.bytes_in == len(data)
