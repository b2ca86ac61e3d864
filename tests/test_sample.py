"""The generator: deterministic, and a truth that holds when it is checked with nothing but the files.

Conventions
-----------
- Files are read here by their layouts with plain Python, apart from the generator's own code.
- A key is compared as it is written: the generator writes an event the same way wherever it stands.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import shutil
import threading
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

import mediation.sample
from mediation.errors import EXPLANATIONS, UsageError
from mediation.rulebook import load_rulebook
from mediation.sample.generate import generate
from mediation.sample.plan import file_name

RECORDS = 60_000
SAMPLE_BOOK = Path(mediation.sample.__file__).parent / "rulebook"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Generated files, with what `generate` returned."""
    out = tmp_path_factory.mktemp("sample") / "day"
    return out, generate(out, records=RECORDS, seed=7, faults=True)


def content(path) -> bytes:
    """A file's decompressed bytes."""
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def digests(out) -> dict[str, str]:
    """Hash of every file."""
    inside = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in inside}


def different_lines(one, other) -> list[tuple[str, int, bytes, bytes]]:
    """Where the decompressed files of two folders differ: the first line of each."""
    found = []
    for path in sorted((one / "in").iterdir()):
        pairs = zip(content(path).splitlines(), content(other / "in" / path.name).splitlines(), strict=False)
        differing = ((path.name, at, *pair) for at, pair in enumerate(pairs) if pair[0] != pair[1])
        found += [first] if (first := next(differing, None)) else []
    return found


def assert_same(one, other):
    """The records first: where these are the same and the files differ, their compression does."""
    assert different_lines(one, other) == []
    assert digests(one) == digests(other)


def fates_by_file(out) -> dict[str, list[dict]]:
    """The truth, record by record."""
    found: dict[str, list[dict]] = {}
    for row in pq.read_table(out / "truth" / "fates.parquet").to_pylist():
        found.setdefault(row["file"], []).append(row)
    return found


def test_same_seed_same_bytes_whatever_the_processes(sample, tmp_path):
    out, _ = sample
    generate(tmp_path / "again", records=RECORDS, seed=7, faults=True, processes=1)
    assert_same(tmp_path / "again", out)
    generate(tmp_path / "other", records=RECORDS, seed=8, faults=True, processes=1)
    assert digests(tmp_path / "other") != digests(out)


def test_beside_other_threads_workers_are_started_afresh(sample, tmp_path):
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        generate(tmp_path / "again", records=RECORDS, seed=7, faults=True)
    finally:
        stop.set()
        other.join()
    assert_same(tmp_path / "again", sample[0])


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_header_vouches_for_sums_as_a_trailer_does(tmp_path, compression):
    shutil.copytree(SAMPLE_BOOK, tmp_path / "book")
    feed = tmp_path / "book" / "feeds" / "cucc.toml"
    declared = feed.read_text().replace(
        "sequence = { position = 3 }",
        "sequence = { position = 3 }\nrecord_count = { position = 4 }\n"
        'sums = [{ column = "host_charge_amount", position = 5, unit = "fen" }]',
    )
    feed.write_text(f'compression = "{compression}"\n{declared}')
    options = {"records": 6_000, "feeds": ["cucc"], "processes": 1, "rulebook": tmp_path / "book"}
    expected = generate(tmp_path / "day", **options)
    for name, of_file in expected["files"].items():
        raw = (tmp_path / "day" / "in" / name).read_bytes()
        text = (
            zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(raw)
            if name.endswith("zst")
            else raw
        )
        assert len(text) == sum(of_file["bytes"].values())
        assert text.partition(b"\n")[0].split(b"|")[3:] == text.splitlines()[-1].split(b"|")[1:]


def test_every_byte_is_accounted_for(sample):
    out, expected = sample
    fates = fates_by_file(out)
    assert set(fates) | set(expected["refused"]) == {path.name for path in (out / "in").iterdir()}
    for name, rows in fates.items():
        of_file, text = expected["files"][name], content(out / "in" / name)
        assert [row["record_no"] for row in rows] == list(range(len(rows)))
        at = of_file["bytes"]["header"]
        for row in rows:
            assert row["byte_offset"] == at
            at += row["byte_length"]
        assert at + of_file["bytes"]["trailer"] == len(text) == sum(of_file["bytes"].values())
        assert of_file["file_bytes"] == (out / "in" / name).stat().st_size


def test_totals_are_those_of_the_records(sample):
    out, expected = sample
    rows = [row for part in fates_by_file(out).values() for row in part]
    assert len(rows) == RECORDS == expected["records"] == sum(expected["fates"].values())
    assert Counter(row["fate"] for row in rows) == Counter(expected["fates"])
    assert Counter(row["code"] for row in rows if row["code"]) == Counter(expected["codes"])
    assert Counter(row["verdict"] for row in rows if row["verdict"]) == Counter(expected["verdicts"])
    assert expected == json.loads((out / "truth" / "expected.json").read_text())
    assert set(expected["codes"]) <= set(EXPLANATIONS)
    for row in rows:
        assert (row["fate"] in ("rejected", "suspended")) == (row["code"] is not None)
        assert (row["fate"] == "rejected") == (row["kind"] is not None)
        assert (row["fate"] == "duplicate") == (row["verdict"] is not None) == (row["first_file"] is not None)


def test_there_is_something_of_everything(sample):
    _, expected = sample
    assert all(expected["fates"].values())
    assert all(expected["verdicts"].values())
    assert {"unknown_number", "number_not_owned", "unknown_destination"} <= set(expected["codes"])
    assert {refused["code"] for refused in expected["refused"].values()} == {"record_count_mismatch"}


def raw_fields(layout, record: bytes) -> list[bytes]:
    """A sound record's fields as they stand there."""
    if layout.format == "fixed":
        return [record[field.start - 1 : field.start - 1 + field.width] for field in layout.field]
    body = record.rstrip(b"\r\n")
    quote, cut = (layout.quote or "").encode(), layout.delimiter.encode()
    return body[len(quote) : len(body) - len(quote)].split(quote + cut + quote)


def key_and_payload(feed, fields: list[bytes]) -> tuple[tuple, tuple]:
    """What makes the record the same record, and what a retransmission may not change."""
    layout = feed.layout[-1]
    named = {field.column: raw for field, raw in zip(layout.field, fields, strict=True) if field.column}
    key = feed.dedup
    for field, raw in zip(layout.field, fields, strict=True):
        if field.column == "record_type":
            values = field.values if isinstance(field.values, dict) else {value: value for value in field.values}
            kind = values[raw.decode().strip()]
            own = feed.dedup.by_record_type.get(derived(feed, kind, named))
            key = own if own is not None else key
    columns = key.key if key.key is not None else list(named)
    hidden = {*(key.not_payload or feed.dedup.not_payload)}
    payload = tuple(raw for column, raw in named.items() if column not in hidden)
    key_texts = tuple(named.get(column, b"") for column in columns)
    return (named.get("record_type", b""), *key_texts), payload


def test_control_sums_are_those_that_plain_python_adds_up(sample):
    out, expected = sample
    feeds, fates, seen = load_rulebook(SAMPLE_BOOK).declared.feeds, fates_by_file(out), 0
    for name, rows in fates.items():
        layout = feeds[expected["files"][name]["feed"]].layout[-1]
        if layout.trailer is None:
            continue
        columns, text, fen = [field.column for field in layout.field], content(out / "in" / name), 0
        for row in rows:
            if row["kind"] and (":" not in row["kind"] or row["kind"].endswith(":host_charge_amount")):
                continue  # no record, or no amount that could be read
            record = text[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]
            fen += int(raw_fields(layout, record)[columns.index("host_charge_amount")].replace(b".", b""))
        trailer = text[-expected["files"][name]["bytes"]["trailer"] :]
        said = trailer[3:29] if layout.format == "fixed" else b"".join(trailer.split(b"|")[1:])
        counted = b"%010d%016d" % (len(rows), fen) if layout.format == "fixed" else b"%d%d\n" % (len(rows), fen)
        assert said == counted
        seen += 1
    assert seen == 12


def derived(feed, record_type: str, named: dict[str, bytes]) -> str:
    """The record type that the feed's rules make of another."""
    for rule in feed.derive:
        text = named.get(rule.column, b"").decode()
        if record_type in rule.record_type and any(text.startswith(start) for start in rule.starts_with):
            return rule.becomes
    return record_type


def test_duplicates_are_those_that_plain_python_finds(sample):
    out, expected = sample
    book, fates = load_rulebook(SAMPLE_BOOK).declared, fates_by_file(out)

    def place(name: str):
        feed = book.feeds[expected["files"][name]["feed"]]
        digits = next(
            (day, number)
            for day in (dt.date(2026, 6, 1), dt.date(2026, 6, 2))
            for number in range(1, 10)
            if file_name(feed.file_name, day, number, feed.compression) == name
        )
        return expected["files"][name]["feed"], *digits, name

    seen: dict[tuple, tuple] = {}
    for name in sorted(fates, key=place):
        feed_name = expected["files"][name]["feed"]
        feed, text = book.feeds[feed_name], content(out / "in" / name)
        for row in fates[name]:
            if row["fate"] == "rejected":
                continue
            record = text[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]
            key, payload = key_and_payload(feed, raw_fields(feed.layout[-1], record))
            first = seen.setdefault((feed.family or feed_name, key), (name, row["record_no"], payload))
            if first[:2] == (name, row["record_no"]):
                assert row["fate"] != "duplicate", (name, row["record_no"])
            else:
                verdict = "retransmission" if first[2] == payload else "conflict"
                found = (row["fate"], row["verdict"], row["first_file"], row["first_record_no"])
                assert found == ("duplicate", verdict, *first[:2])


def test_nothing_is_left_of_what_failed(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mediation.sample.generate._settle_truth", full)
    with pytest.raises(OSError, match="No space"):
        generate(tmp_path / "market", records=6_000, processes=1)
    assert list(tmp_path.iterdir()) == []


def test_too_few_records_are_refused(tmp_path):
    with pytest.raises(UsageError):
        generate(tmp_path / "few", records=10)
