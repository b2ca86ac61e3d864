"""The stages give every generated record the fate that its truth foretold: decode, then dedup, then rate.

Conventions
-----------
- Files are taken in source order, without the pipeline; a record is named by its file and its number there.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import mediation.sample
from mediation.decode.decode import decode
from mediation.dedup import dedup
from mediation.errors import SourceRefused
from mediation.rate import rate
from mediation.rulebook import load_rulebook
from mediation.rulebook.conform import conform
from mediation.sample.generate import generate

SAMPLE_BOOK = Path(mediation.sample.__file__).parent / "rulebook"
RECORDS = 120_000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The generated files, their rule book, what is expected, and the truth by file."""
    out = tmp_path_factory.mktemp("truth") / "day"
    expected = generate(out, records=RECORDS, seed=11, faults=True)
    truth: dict[str, list[dict]] = {}
    for row in pq.read_table(out / "truth" / "fates.parquet").to_pylist():
        truth.setdefault(row["file"], []).append(row)
    return out, load_rulebook(SAMPLE_BOOK, out / "reference"), expected, truth


def in_source_order(book, names):
    """The files by feed, date, sequence, name."""

    def place(name: str):
        feed = book.feed_of(name)
        return feed.name, *feed.template.match(name), name

    return sorted(names, key=place)


def test_refused_files_are_refused_for_what_is_wrong_with_them(made):
    out, book, expected, _ = made
    assert len(expected["refused"]) == 2
    for name, refused in expected["refused"].items():
        with pytest.raises(SourceRefused) as caught:
            decode(out / "in" / name, book.feed_of(name))
        assert caught.value.code == refused["code"]


def test_decode_keeps_and_rejects_what_the_truth_says(made):
    out, book, expected, truth = made
    rejected = 0
    for name, rows in truth.items():
        usage, rejects = decode(out / "in" / name, book.feed_of(name))
        columns = ("record_no", "byte_offset", "byte_length")
        told = {column: [row[column] for row in rows if row["fate"] != "rejected"] for column in columns}
        assert usage.select(columns).to_pydict() == told, name
        found = dict(zip(rejects["record_no"].to_pylist(), rejects["code"].to_pylist(), strict=True))
        assert found == {row["record_no"]: row["code"] for row in rows if row["fate"] == "rejected"}, name
        rejected += len(found)
    assert rejected == expected["fates"]["rejected"] > 150


def test_duplicates_and_suspended_records_are_those_of_the_truth(made):
    out, book, expected, truth = made
    keys, prices, admission = dedup.compile_keys(book), rate.compile_rates(book), dedup.Admission()
    base, bases = 0, {}
    counted = {"duplicate": 0, "suspended": 0, "rated": 0}
    for name in in_source_order(book, truth):
        rows, bases[name] = truth[name], base
        base += len(rows)
        usage, _ = decode(out / "in" / name, book.feed_of(name))
        for batch in conform(usage, book):
            fresh, duplicates = admission.admit(dedup.fingerprint(keys, batch), batch, bases[name])
            numbers = pa.record_batch(batch)["record_no"]
            for number, verdict, first in by_record(duplicates, numbers, "verdict", "first_ordinal"):
                row = rows[number]
                assert (row["verdict"], bases[row["first_file"]] + row["first_record_no"]) == (verdict, first)
                counted["duplicate"] += 1
            rating = rate.rate_batch(prices, batch, fresh)
            for number, code in by_record(rating.suspended, numbers, "code"):
                assert (rows[number]["fate"], rows[number]["code"]) == ("suspended", code)
                counted["suspended"] += 1
            rated = pc.take(numbers, pa.record_batch(rating.rated_rows)["row"]).to_pylist()
            assert all(rows[number]["fate"] == "rated" for number in rated)
            counted["rated"] += len(rated)
    assert counted == {fate: expected["fates"][fate] for fate in counted}


def by_record(batch, numbers: pa.Array, *columns: str):
    """(record number, values …) of a batch whose `row` says which record."""
    table = pa.record_batch(batch)
    values = [table[column].to_pylist() for column in columns]
    return zip(pc.take(numbers, table["row"]).to_pylist(), *values, strict=True)
