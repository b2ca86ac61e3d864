"""The numbers that nodes give their records: what is missing, and what has come again, over all runs."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediation as md
import mediation.sample
from mediation.errors import RulebookError
from mediation.native._column import Batch
from mediation.pipeline import sequences as seen
from mediation.sample.generate import generate
from mediation.workspace import notes, sequences
from mediation.workspace.catalogue import Catalogue
from mediation.workspace.rows import Seen
from tests.simulated_disk import opened

RULES = Path(mediation.sample.__file__).parent / "rulebook"
DECLARED = '\n[sequence]\nnode = "location"\nnumber = "local_sequence_no"\n'
Runs = list[list[tuple[str, int]]]
NUMBERS = st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=25), max_size=4)


def book(node: str | None = "node_id"):
    declared = SimpleNamespace(declared=SimpleNamespace(sequence=SimpleNamespace(node=node, number="n")))
    return SimpleNamespace(feeds={"f": declared, "other": SimpleNamespace(declared=SimpleNamespace(sequence=None))})


def stretches(records: list[tuple[str, int]], batches: int) -> list[seen.Stretch]:
    """Of records that come in batches, in any order."""
    found = seen.NodeSequences(book())
    for part in np.array_split(np.array(records, dtype=object).reshape(-1, 2), batches):
        columns = {"node_id": pa.array(part[:, 0], pa.utf8()), "n": pa.array(part[:, 1], pa.int64())}
        item_no = pa.array(np.zeros(len(part), np.int16))
        found.add("f", Batch.of(pa.record_batch({**columns, "item_no": item_no})))
    return found.stretches()


@given(NUMBERS, st.integers(1, 4))
def test_stretches_are_the_numbers_that_have_come(runs: Runs, batches: int):
    for records in runs:
        found = stretches(records, batches)
        for node in "ab":
            of_node = [each for each in found if each.node == node]
            numbers = [n for each in of_node for n in range(each.first, each.last + 1)]
            wanted = Counter(n for name, n in records if name == node)
            assert numbers == sorted(wanted)
            assert all(after.first > before.last + 1 for before, after in itertools.pairwise(of_node))
            for each in of_node:
                assert each.records == sum(wanted[n] for n in range(each.first, each.last + 1))


@settings(max_examples=200)
@given(NUMBERS)
def test_gaps_and_repeats_are_those_of_all_runs_together(runs: Runs):
    connection = opened(_catalogue())
    connection.execute("PRAGMA foreign_keys = OFF")
    for run, records in enumerate(runs, 1):
        see(connection, [Seen(s.feed, s.node, s.first, run, s.last, s.records) for s in stretches(records, 2)])
    place = SimpleNamespace(catalogue=Catalogue(connection))
    assert sequences.faults(place) == []
    told = sequences.told(place)
    everything = [record for records in runs for record in records]
    for node in sorted({node for node, _ in everything}):
        numbers = [n for name, n in everything if name == node]
        missing = sorted(set(range(min(numbers), max(numbers))) - set(numbers))
        (row,) = [each for each in told["nodes"] if each["node"] == node]
        gaps = [(each["first"], each["last"]) for each in told["missing_records"] if each["node"] == node]
        assert [n for first, last in gaps for n in range(first, last + 1)] == missing
        assert (row["records"], row["missing"]) == (len(numbers), len(missing))
        assert row["repeats"] == len(numbers) - len(set(numbers))
    assert len(told["nodes"]) == len({node for node, _ in everything})


def see(connection, seen_by_a_run: list[Seen]) -> None:
    connection.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)", seen_by_a_run)
    notes.add_stretches(connection, seen_by_a_run)


def _catalogue() -> bytes:
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    Catalogue.create(connection, {})
    return connection.serialize()


def test_a_counter_that_starts_anew_leaves_no_gap():
    connection = opened(_catalogue())
    connection.execute("PRAGMA foreign_keys = OFF")
    rows = [("f", "a", 1, 1, 9, 9), ("f", "a", 4_294_967_000, 1, 4_294_967_295, 296), ("f", "a", 12, 2, 20, 9)]
    see(connection, [Seen(*row) for row in rows])
    told = sequences.told(SimpleNamespace(catalogue=Catalogue(connection)))
    assert told["nodes"] == [{"feed": "f", "node": "a", "records": 314, "missing": 2, "repeats": 0}]
    assert told["missing_records"] == [{"feed": "f", "node": "a", "first": 10, "last": 11}]


def test_what_is_no_sequence_is_said_and_not_followed():
    numbers = random.Random(1).sample(range(0, 10_000_000, 7), seen.MOST_STRETCHES + 1)
    assert stretches([("a", n) for n in numbers], 3) == [seen.Stretch("f", "", 0, -1, len(numbers))]


def test_records_of_items_nulls_and_other_feeds_do_not_count():
    found = seen.NodeSequences(book(None))
    numbers, item_no = pa.array([5, 5, None, 6]), pa.array([0, 1, 0, 0], pa.int16())
    batch = Batch.of(pa.record_batch({"n": numbers, "item_no": item_no}))
    for feed in ("f", "other", None):
        found.add(feed, batch)
    assert found.stretches() == [seen.Stretch("f", "", 5, 6, 2)]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    generate(folder / "market", records=4000, files=2, feeds=["cucc"], processes=1)
    shutil.copytree(RULES, folder / "rules")
    with open(folder / "rules" / "feeds" / "cucc.toml", "a") as file:
        file.write(DECLARED)
    return folder, sorted((folder / "market" / "in").iterdir())


def test_a_workspace_follows_what_a_feed_declares(market, tmp_path):
    folder, files = market
    with md.Workspace.init(tmp_path / "ws", folder / "rules", folder / "market" / "reference") as workspace:
        workspace.ingest(files[:1], threads=2)
        workspace.ingest(files[1:2], threads=1)
        status = workspace.status()
        rows = pa.concat_tables(
            workspace.tables()[name].to_table(columns=["location", "local_sequence_no"])
            for name in ("rated", "suspended", "duplicates")
        )
        wanted = Counter(rows["location"].to_pylist())
        assert {each["node"]: each["records"] for each in status["nodes"]} == dict(wanted)
        distinct = len(set(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True)))
        assert sum(each["repeats"] for each in status["nodes"]) == rows.num_rows - distinct
        assert workspace.verify() == []
        workspace.recycle()
        assert workspace.status()["nodes"] == status["nodes"]
        assert workspace.replay(1).same
        catalogue = workspace.place.catalogue
        catalogue._connection.execute("UPDATE seen SET records = records + 1 WHERE run = 2 AND first = 0")
        catalogue._connection.execute("UPDATE seen SET last = last + 1 WHERE run = 2")
        assert workspace.verify() == [
            "run 2: what is noted as seen is not what it has seen",
            "the nodes' numbers are not put together as the runs have seen them",
        ]


def test_nothing_is_kept_where_nothing_is_declared(market, tmp_path):
    folder, files = market
    nothing = mock.patch.object(seen, "united", side_effect=AssertionError)
    with nothing, md.Workspace.init(tmp_path / "ws", RULES, folder / "market" / "reference") as workspace:
        run = workspace.ingest(files[:1]).run
        assert not workspace.place.catalogue.artifacts(run.ordinal, sequences.FILE)
        assert workspace.status()["nodes"] == []


def test_a_sequence_of_what_is_no_number_is_a_fault(market, tmp_path):
    shutil.copytree(RULES, tmp_path / "rules")
    with open(tmp_path / "rules" / "feeds" / "cucc.toml", "a") as file:
        file.write('\n[sequence]\nnode = "start_time"\nnumber = "locl_sequence_no"\n')
    with pytest.raises(RulebookError) as raised:
        md.load_rulebook(tmp_path / "rules")
    told = [fault.split(": ")[1] for fault in raised.value.faults]
    assert told == ["$.sequence.number", "$.sequence.node"]
