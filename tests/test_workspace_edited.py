"""Suspended rows that are edited: charged once, told from what came before, and refused whole where they cannot be."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.csv import write_csv

import mediation as md
import mediation.sample
from mediation.errors import EditedCopyError, InvariantError, NoInputError, OutputError, UsageError
from mediation.workspace import edited, suspense
from mediation.workspace.rows import Corrected, Noted
from tests.test_workspace import committed, day
from tests.test_workspace_retention import charged as charged_records
from tests.test_workspace_retention import files_of, months, some_of, three_months

__all__ = ["day", "months", "three_months"]  # the fixtures
RULES = Path(mediation.sample.__file__).parent / "rulebook"
IDENTITY = list(edited.IDENTITY)


@pytest.fixture
def workspace(day, tmp_path):
    """A workspace where rows of numbers that nobody owned wait."""
    with md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference") as opened:
        opened.ingest(day[1])
        yield opened


def rated(workspace) -> pa.Table:
    return workspace.tables()["rated"].to_table()


def waits(workspace) -> int:
    return sum(each["items"] for each in workspace.suspense())


def of_host(table: pa.Table, host: str, record_type: str) -> pa.Table:
    chosen = pc.and_(
        pc.equal(table["host"].cast(pa.utf8()), host), pc.equal(table["record_type"].cast(pa.utf8()), record_type)
    )
    return table.filter(chosen)


def copy_of(rows: pa.Table, path: Path, **changes) -> Path:
    """A copy of rows with other values: one for all, or one each."""
    table = pa.table(edited.plain(rows))
    for name, values in changes.items():
        values = values if isinstance(values, list) else [values] * len(table)
        column = pa.array(values) if isinstance(values[0], str) else pa.array(values, table[name].type)
        table = table.set_column(table.column_names.index(name), name, column)
    with open(path, "xb") as file:
        edited.write_copy(table, path.suffix, file)
    return path


def voices(workspace) -> tuple[pa.Table, pa.Table]:
    """CMCC data sessions: those that wait, and those that were charged; their key is number, time and charging id."""
    return of_host(workspace.suspended(), "CMCC", "data"), of_host(rated(workspace), "CMCC", "data")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_copy_that_nobody_has_edited_changes_nothing(workspace, tmp_path, suffix):
    before, rows = committed(workspace), workspace.suspended()
    assert workspace.copy_suspended(tmp_path / f"copy{suffix}") == rows.num_rows
    assert (tmp_path / f"copy{suffix}").stat().st_mode & 0o077 == 0
    run = workspace.correct(tmp_path / f"copy{suffix}").run
    assert (run.totals["recycled"], run.totals["suspended"], run.totals["duplicates"]) == (36, 36, 0)
    assert committed(workspace) == before
    assert workspace.suspended().sort_by([("source_id", "ascending"), ("record_no", "ascending")]).equals(rows)
    assert workspace.verify() == []
    assert workspace.replay(run.ordinal).same
    with pytest.raises(OutputError):
        workspace.copy_suspended(tmp_path / f"copy{suffix}")


def test_an_edited_row_is_charged_and_the_others_wait(workspace, tmp_path):
    before, (waiting, charged) = committed(workspace), voices(workspace)
    number, count = charged["served_msisdn"][0].as_py(), waits(workspace)
    path = copy_of(
        waiting.slice(0, 3).select([*IDENTITY, "served_msisdn"]), tmp_path / "copy.csv", served_msisdn=number
    )
    totals = workspace.correct(path).run.totals
    assert (totals["recycled"], totals["rated"], totals["suspended"]) == (3, 3, 0)
    assert waits(workspace) == count - 3 == workspace.suspended().num_rows
    assert {each["run"] for each in workspace.suspense()} == {1}
    added = committed(workspace) - before
    assert sum(added.values()) == 3
    assert before - committed(workspace) == Counter()
    assert rated(workspace).filter(pc.equal(rated(workspace)["served_msisdn"], number)).num_rows >= 3
    with pytest.raises(EditedCopyError, match="row 3: waits no longer"):
        workspace.correct(path)
    settling = workspace.recycle()
    assert settling.run.totals["recycled"] == count - 3
    assert workspace.verify() == []
    assert all(workspace.replay(number).same for number in (1, 2, 3))
    assert sum(committed(workspace).values()) == sum(before.values()) + 3


def test_who_edits_a_row_into_a_charged_one_is_told_that_it_is_a_duplicate(workspace, tmp_path):
    before, (waiting, charged) = committed(workspace), voices(workspace)
    key = ("served_msisdn", "start_time", "charging_id")
    same = {name: charged[name][0].as_py() for name in key}
    other = workspace.tables()["duplicates"].count_rows()
    totals = workspace.correct(copy_of(waiting.slice(0, 1), tmp_path / "copy.parquet", **same)).run.totals
    assert (totals["recycled"], totals["rated"], totals["duplicates"], totals["conflicts"]) == (1, 0, 1, 1)
    assert committed(workspace) == before
    row = workspace.tables()["duplicates"].to_table().to_pylist()[-1]
    assert workspace.tables()["duplicates"].count_rows() == other + 1
    assert (row["verdict"], row["first_source_id"]) == ("conflict", None)
    assert workspace.verify() == []
    assert workspace.replay(2).same


def test_of_rows_that_are_edited_into_the_same_record_one_is_charged(workspace, tmp_path):
    waiting, charged = voices(workspace)
    same = {"served_msisdn": charged["served_msisdn"][0].as_py(), "charging_id": 4711}
    same["start_time"] = waiting["start_time"][0].as_py()
    totals = workspace.correct(copy_of(waiting.slice(0, 3), tmp_path / "first.csv", **same)).run.totals
    assert (totals["rated"], totals["duplicates"]) == (1, 2)
    row = workspace.tables()["duplicates"].to_table().to_pylist()[-1]
    assert (row["first_source_id"], row["first_record_no"]) == tuple(waiting[name][0].as_py() for name in IDENTITY[:2])
    later = workspace.correct(copy_of(waiting.slice(3, 1), tmp_path / "later.csv", **same)).run.totals
    assert (later["rated"], later["duplicates"]) == (0, 1)
    workspace.merge()
    again = workspace.correct(copy_of(waiting.slice(4, 1), tmp_path / "again.csv", **same)).run.totals
    assert (again["rated"], again["duplicates"]) == (0, 1)
    assert workspace.verify() == []
    assert all(workspace.replay(number).same for number in (1, 2, 3, 4, 5))


def test_a_row_that_is_edited_back_is_not_its_own_duplicate(workspace, tmp_path):
    waiting, charged = voices(workspace)
    waiting = waiting.slice(0, 1)
    number, was = charged["served_msisdn"][0].as_py(), waiting["served_msisdn"][0].as_py()
    away = workspace.correct(copy_of(waiting, tmp_path / "away.csv", served_msisdn=8610000000000)).run.totals
    assert (away["suspended"], away["duplicates"]) == (1, 0)
    other = voices(workspace)[0].filter(pc.equal(voices(workspace)[0]["served_msisdn"], 8610000000000))
    back = workspace.correct(
        copy_of(other, tmp_path / "back.csv", served_msisdn=was, code=["unknown_number"])
    ).run.totals
    assert (back["suspended"], back["duplicates"]) == (1, 0)
    here = workspace.suspended().filter(pc.equal(workspace.suspended()["record_no"], waiting["record_no"][0]))
    here = here.filter(pc.equal(here["source_id"], waiting["source_id"][0]))
    charge = workspace.correct(copy_of(here, tmp_path / "charge.csv", served_msisdn=number)).run.totals
    assert (charge["rated"], charge["duplicates"]) == (1, 0)
    # somebody else's row is not what this one once was
    key = {name: waiting[name][0].as_py() for name in ("start_time", "charging_id")} | {"served_msisdn": was}
    rest = voices(workspace)[0].slice(0, 1)
    assert workspace.correct(copy_of(rest, tmp_path / "else.csv", **key)).run.totals["duplicates"] == 1
    assert workspace.verify() == []
    assert all(workspace.replay(number).same for number in range(1, 6))


def test_nobody_else_is_taken_for_what_a_row_once_was(workspace, tmp_path):
    first, second = (voices(workspace)[0].slice(number, 1) for number in (0, 1))
    workspace.correct(copy_of(first, tmp_path / "away.csv", served_msisdn=8610000000000))
    key = {name: first[name][0].as_py() for name in ("served_msisdn", "start_time", "charging_id")}
    both = pa.concat_tables([first.select([*IDENTITY, *key]), second.select([*IDENTITY, *key])])
    totals = workspace.correct(copy_of(both, tmp_path / "both.csv", **key)).run.totals
    assert (totals["suspended"], totals["duplicates"]) == (1, 1)


@pytest.mark.parametrize("merged", [False, True], ids=["its history is gone", "its history is still there, merged"])
def test_what_is_too_old_is_charged_only_where_it_is_edited_into_what_can_be_told(
    three_months, months, tmp_path, merged
):
    if merged:
        assert three_months.merge() is not None
    three_months.retire()
    three_months.ingest([some_of(files_of(months[0])[0], tmp_path, slice(0, 50))])
    before, count = charged_records(three_months), waits(three_months)
    settling = three_months.recycle(["too_old"])
    assert settling.run.totals["exceptions"]["suspended"] == {"too_old": settling.run.totals["recycled"]}
    assert settling.run.totals["recycled"] > 40
    old = of_host(three_months.suspended(["too_old"]), "CMCC", "data")
    known = of_host(rated(three_months), "CMCC", "data").sort_by("start_time")
    known = {name: known[name][-1].as_py() for name in ("start_time", "served_msisdn", "charging_id")}
    steps = [  # of one row, then of others: what is edited, and what comes of it
        (old.slice(0, 1), {"start_time": known["start_time"], "served_msisdn": 8610000000000}, "unknown_number"),
        (old.slice(0, 1), {"code": "unknown_number", "stage": "guide", "field": "served_msisdn"}, "too_old"),
        (old.slice(1, 1), known, "duplicates"),
        (old.slice(2, 1), {**known, "charging_id": 4711}, "rated"),
        (old.slice(3, 1), {**known, "charging_id": 4711}, "duplicates"),
    ]
    for number, (row, changes, wanted) in enumerate(steps):
        totals = three_months.correct(copy_of(row, tmp_path / f"{number}.csv", **changes)).run.totals
        found = {name: totals[name] for name in ("rated", "duplicates") if totals[name]}
        assert found | totals["exceptions"]["suspended"] == {wanted: 1}, number
    assert sum((charged_records(three_months) - before).values()) == 1
    assert waits(three_months) == count - 3
    assert three_months.verify() == []
    runs = range(5 + merged, 12 + merged)
    assert all(three_months.replay(number).same for number in runs)


def test_every_fault_is_told_at_once_and_nothing_is_written(workspace, tmp_path):
    rows = workspace.suspended().slice(0, 6)
    table = pa.table(edited.plain(rows))
    texts = {name: table[name].cast(pa.utf8()).to_pylist() for name in table.column_names}
    texts["record_no"][0] = "4000000"
    texts["source_id"][1] = "77"
    texts["start_time"][2] = "yesterday"
    texts["duration_s"][2] = "8613912345678x"
    texts["code"][3] = "no_price"
    texts["byte_offset"][3] = "1"
    texts["record_type"][4] = "carrier_pigeon"
    texts["host_record_id"][4] = None
    for name in IDENTITY:
        texts[name][5] = texts[name][2]
    texts["colour"] = ["red"] * 6
    write_csv(pa.table(texts), tmp_path / "copy.csv")
    before = workspace.status()
    with pytest.raises(EditedCopyError) as raised:
        workspace.correct(tmp_path / "copy.csv")
    assert [fault.split(": ")[0] for fault in raised.value.faults] == [
        "column colour",
        "row 1",
        "row 2",
        "row 3, column duration_s",
        "row 3, column start_time",
        "row 4, column byte_offset",
        "row 4, column code",
        "row 5, column host_record_id",
        "row 5, column record_type",
        "row 6",
    ]
    assert raised.value.faults[1].endswith("was never suspended")
    assert raised.value.faults[2].endswith("there is no such source")
    assert raised.value.faults[-1].endswith("the same row as row 3")
    told = str(raised.value)
    values = {str(value) for name in ("served_msisdn", "served_imsi") for value in rows[name].to_pylist()}
    assert not any(value in told for value in (*values, "86139", "pigeon", "red", "yesterday"))
    assert workspace.status() == before
    assert list((workspace.root / "staging").iterdir()) == []


def test_what_is_no_copy_is_refused(workspace, tmp_path):
    with pytest.raises(UsageError, match=r"neither \.csv nor \.parquet"):
        workspace.copy_suspended(tmp_path / "copy.xlsx")
    with pytest.raises(NoInputError):
        workspace.correct(tmp_path / "nowhere.csv")
    for name, content in {
        "a.csv": b"\xff\xfe,\n",
        "b.csv": b"record_no\n1\n",
        "c.parquet": b"PAR1",
        "d.csv": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EditedCopyError):
            workspace.correct(tmp_path / name)
    naive = pa.table(edited.plain(workspace.suspended()))
    at = naive.column_names.index("start_time")
    naive = naive.set_column(at, "start_time", naive["start_time"].cast(pa.timestamp("us")))
    pq.write_table(naive, tmp_path / "naive.parquet")
    with pytest.raises(EditedCopyError, match="column start_time: an instant needs a zone"):
        workspace.correct(tmp_path / "naive.parquet")
    pq.write_table(naive.select(IDENTITY).slice(0, 0), tmp_path / "none.parquet")
    assert workspace.correct(tmp_path / "none.parquet").run is None


def test_the_catalogue_refuses_what_was_settled_before(workspace):
    catalogue = workspace.place.catalogue
    first, (run, code, items, _) = catalogue.last_run(), catalogue.waiting()[0]

    def commit(number, count):
        noted = Noted(corrected=[Corrected(run, code, number, count, None)])
        catalogue.commit(first._replace(ordinal=number, run_id=str(number), folder=str(number), totals={}), noted)

    with pytest.raises(InvariantError, match="settles what was settled before"):
        commit(2, items + 1)
    commit(2, items - 1)
    with pytest.raises(InvariantError, match="settles what was settled before"):
        commit(3, 2)
    commit(3, 1)
    assert catalogue.waiting()[0][:2] != (run, code)
    assert catalogue.run_count() == 3


def test_verify_finds_what_was_charged_twice(workspace, tmp_path):
    waiting, charged = voices(workspace)
    number = charged["served_msisdn"][0].as_py()
    path = copy_of(waiting.slice(0, 2).select([*IDENTITY, "location"]), tmp_path / "copy.csv")
    workspace.correct(path)
    forgets = mock.patch.object(suspense, "_corrected", return_value=np.empty(0, np.int64))
    waits = mock.patch.object(suspense, "waiting", return_value=[{"run": 1, "code": waiting["code"][0].as_py()}])
    with forgets, waits:
        path = copy_of(
            waiting.slice(0, 1).select([*IDENTITY, "served_msisdn"]), tmp_path / "2.csv", served_msisdn=number
        )
        assert workspace.correct(path).run.totals["rated"] == 1
    assert workspace.verify() == [
        "run 3: edited.parquet holds rows that did not wait, or for another reason",
    ]


@given(st.lists(st.one_of(st.none(), st.text()), max_size=20))
def test_any_text_comes_back_from_a_csv_as_it_was(tmp_path_factory, texts):
    table = pa.table(
        {**{name: pa.array(range(len(texts)), pa.int64()) for name in IDENTITY}, "apn": pa.array(texts, pa.utf8())}
    )
    written = io.BytesIO()
    edited.write_copy(table, ".csv", written)
    path = tmp_path_factory.mktemp("copy") / "copy.csv"
    path.write_bytes(written.getvalue())
    assert edited.read_copy(path)["apn"].to_pylist() == texts


@pytest.mark.parametrize("text", ["=1+1", "@SUM(1)", "＝1", "\t=1", "0170", "+86139", "-1", "'=1", ""])
def test_no_text_of_a_copy_is_a_formula_or_a_number(text):
    assert edited._kept_text(text) == "'" + text


def test_the_command_edits_too(workspace, tmp_path):
    def mediation(*arguments):
        command = [sys.executable, "-m", "mediation", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    copy = tmp_path / "copy.csv"
    assert "36 rows" in mediation("suspense", "show", workspace.root, "--to", copy).stdout
    assert "recycled 36 = suspended 36" in mediation("suspense", "recycle", workspace.root, "--edited", copy).stdout
    assert mediation("suspense", "recycle", workspace.root, "--edited", copy, "--run", "1").returncode == 64
    copy.write_text(copy.read_text().replace("number_not_owned", "owned"))
    found = mediation("suspense", "recycle", workspace.root, "--edited", copy)
    assert found.returncode == 65
    assert "faults in the edited copy" in found.stderr
    assert "column code: may not change" in found.stderr
