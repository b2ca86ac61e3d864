"""What a workspace gives up by age: what still works after it, what no longer does; nothing is charged twice."""

from __future__ import annotations

import datetime as dt
import gzip
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pytest
from click.testing import CliRunner

import mediation as md
import mediation.sample
from mediation.cli import main
from mediation.errors import NoInputError
from mediation.sample.generate import generate
from mediation.workspace import protocol, retention

RULES = Path(mediation.sample.__file__).parent / "rulebook"
MONTHS = dt.date(2026, 1, 10), dt.date(2026, 3, 10), dt.date(2026, 5, 10)
RECORDS = 2000


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    """A market in three months, each with its reference data, of a feed without control totals."""
    root = tmp_path_factory.mktemp("months")
    for number, date in enumerate(MONTHS):
        generate(root / str(number), records=RECORDS, files=2, date=date, seed=number, feeds=["cmcc"])
    return [root / str(number) for number in range(len(MONTHS))]


def files_of(month: Path) -> list[Path]:
    return sorted((month / "in").iterdir())


def rules(tmp_path: Path, **kept: int) -> Path:
    """The example's rule book with a retention."""
    folder = tmp_path / ("rules-" + "-".join(f"{name}{days}" for name, days in kept.items()))
    shutil.copytree(RULES, folder)
    declared = "\n".join(f"{name} = {days}" for name, days in kept.items())
    book = folder / "rulebook.toml"
    book.write_text(f"{book.read_text()}\n[retention]\n{declared}\n")
    return folder


@pytest.fixture
def three_months(months, tmp_path):
    """A workspace that has run once a month, and keeps the history of 35 days."""
    book = rules(tmp_path, history_days=35)
    with md.Workspace.init(tmp_path / "ws", book, months[0] / "reference") as workspace:
        for month in months:
            workspace.use(book, month / "reference")
            workspace.ingest(files_of(month))
        yield workspace


def some_of(path: Path, folder: Path, records: slice) -> Path:
    """Another file of the feed, with some of a file's records."""
    with gzip.open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)[records]
    other = folder / path.name.replace("-0001", "-9001").replace("-1.", "-9001.")
    other.write_bytes(gzip.compress(b"".join(lines)))
    return other


def charged(workspace) -> Counter:
    return Counter(workspace.tables()["rated"].to_table(columns=["host_record_id"])[0].to_pylist())


def day_number(date: dt.date) -> int:
    return (date - retention.FIRST_DAY).days


def test_old_history_is_given_up_and_what_is_too_old_is_never_charged(three_months, months, tmp_path):
    before = charged(three_months)
    run, plan = three_months.retire()
    assert plan.history_from == dt.date(2026, 4, 1)
    assert plan.given_up == {"history": [1, 2], "sources": [], "tables": []}
    assert three_months.status()["history_from"] == "2026-04-01"
    assert three_months.verify() == []
    assert charged(three_months) == before
    given = three_months.ingest([some_of(files_of(months[0])[0], tmp_path, slice(0, 50))])
    totals = given.run.totals
    assert totals["records_in"] == 50
    assert totals["rated"] == 0
    assert totals["exceptions"]["suspended"]["too_old"] == totals["suspended"] == 50 - totals["rejected"]
    assert three_months.verify() == []
    assert charged(three_months) == before
    assert run.ordinal == 4


def test_what_the_history_still_knows_is_told_from_what_is_too_old(three_months, months, tmp_path):
    three_months.retire()
    mixed = some_of(files_of(months[0])[0], tmp_path, slice(0, 30))
    lines = [
        gzip.decompress(path.read_bytes()) for path in (mixed, some_of(files_of(months[2])[0], tmp_path, slice(0, 40)))
    ]
    mixed.write_bytes(gzip.compress(b"".join(lines)))
    totals = three_months.ingest([mixed]).run.totals
    assert totals["records_in"] == 70
    assert totals["duplicates"] == 40 - sum(totals["exceptions"]["rejects"].values()) + (
        30 - totals["exceptions"]["suspended"]["too_old"]
    )
    suspended = three_months.suspended(["too_old"])
    assert set(suspended["stage"].to_pylist()) == {"deduplicate"}
    assert pc.max(suspended["start_time"]).as_py().date() < dt.date(2026, 4, 1)
    places = suspended.select(["record_no", "item_no"]).to_pylist()
    assert places == sorted(places, key=lambda row: (row["record_no"], row["item_no"]))
    assert three_months.verify() == []


def test_nothing_is_given_up_twice_and_nothing_without_a_declaration(three_months, months, tmp_path):
    assert three_months.retire(dry_run=True)[1].given_up["history"] == [1, 2]
    assert three_months.retire()[0] is not None
    run, plan = three_months.retire()
    assert run is None
    assert plan.is_empty
    three_months.use(RULES, months[2] / "reference")
    assert three_months.retire()[0] is None
    assert three_months.status()["history_from"] == "2026-04-01"  # what is gone does not come back


def test_a_longer_history_than_before_does_not_bring_back_what_is_gone(three_months, months, tmp_path):
    three_months.retire()
    three_months.use(rules(tmp_path, history_days=400), months[2] / "reference")
    run, plan = three_months.retire()
    assert run is None
    assert plan.history_from is None
    totals = three_months.ingest([some_of(files_of(months[1])[0], tmp_path, slice(0, 20))]).run.totals
    assert totals["rated"] == 0


def test_runs_can_be_replayed_as_long_as_all_that_they_need_is_kept(three_months, months, tmp_path):
    assert all(three_months.replay(run).same for run in (1, 2, 3))
    three_months.retire()
    late = three_months.ingest([some_of(files_of(months[1])[0], tmp_path, slice(0, 20))])
    assert three_months.replay(late.run.ordinal).same  # knows that these are too old
    with pytest.raises(NoInputError, match="run 4 has given up the history of run 1"):
        three_months.replay(3)
    assert three_months.replay(1).same  # nothing was before it


def test_sources_go_with_the_reference_data_of_their_runs(three_months, months, tmp_path):
    three_months.use(rules(tmp_path, sources_days=20), months[2] / "reference")
    folder, references = three_months.root / "runs", three_months.root / "references"
    assert len([each for each in references.iterdir() if each.is_dir()]) == 3
    _, plan = three_months.retire()
    assert plan.given_up == {"history": [], "sources": [1, 2], "tables": []}
    assert [len(list(each.rglob("*.zst"))) for each in sorted(folder.iterdir())] == [0, 0, 4, 0]
    assert len([each for each in references.iterdir() if each.is_dir()]) == 1
    assert three_months.verify() == []
    with pytest.raises(NoInputError, match="no longer kept"):
        three_months.replay(1)
    assert three_months.replay(3).same
    again = three_months.ingest(files_of(months[0]))  # their contents are still known
    assert again.run is None
    assert len(again.repeats) == len(files_of(months[0]))


def test_tables_go_but_not_while_anything_of_them_waits(months, tmp_path):
    book = rules(tmp_path, tables_days=35)
    with md.Workspace.init(tmp_path / "ws", book, months[2] / "reference") as workspace:  # the numbers of another month
        for month in months:
            workspace.ingest(files_of(month))
        rows = workspace.tables()["rated"].count_rows()
        waiting = {each["run"] for each in workspace.suspense()}
        assert 1 in waiting
        plan = workspace.retire(dry_run=True)[1]
        assert set(plan.waits) == waiting & {1, 2}
        workspace.write_off(runs=[1])
        _, plan = workspace.retire()
        assert 1 in plan.given_up["tables"]
        first = sorted((workspace.root / "runs").iterdir())[0]
        assert {path.name for path in first.iterdir() if path.is_file()} >= {"run.json", "settlement.csv"}
        assert list((first / "account_day").iterdir()) != []
        assert list((first / "rated").iterdir()) == []
        assert workspace.tables()["rated"].count_rows() < rows
        assert workspace.verify() == []
        assert workspace.status()["totals"]["rated"] == rows  # certificates stay


def test_a_merged_segment_is_asked_on_and_its_parts_go_with_the_sources(three_months, months, tmp_path):
    three_months.merge()
    three_months.retire()
    totals = three_months.ingest([some_of(files_of(months[2])[0], tmp_path, slice(0, 20))]).run.totals
    assert totals["duplicates"] == 20 - totals["rejected"]
    three_months.use(rules(tmp_path, sources_days=1), months[2] / "reference")
    _, plan = three_months.retire()
    assert plan.given_up["sources"] == [1, 2]
    assert plan.given_up["history"] == []  # run 3 can still be replayed
    assert three_months.verify() == []
    assert three_months.replay(6).same


def test_what_was_not_removed_is_removed_by_whoever_writes_next(three_months, monkeypatch):
    with monkeypatch.context() as dying:
        dying.setattr(protocol, "finish_removals", lambda place: None)
        three_months.retire()
    segments = sorted(three_months.root.rglob("*.segment"))
    assert len(segments) == 3
    with three_months.locked(0):
        pass
    assert len(list(three_months.root.rglob("*.segment"))) == 1
    assert three_months.verify() == []


def test_a_few_clocks_gone_wrong_move_nothing():
    june = day_number(dt.date(2026, 6, 1))
    assert retention.newest([(june + 400, 9), (june + 1, 10_000), (june, 90_000)]) == june + 1
    assert retention.newest([(june + 400, 1)]) == june + 400
    assert retention.newest([]) is None


def test_verify_finds_a_given_up_part_that_no_run_names(three_months):
    three_months.retire()
    three_months.place.catalogue._connection.execute("DELETE FROM dropped WHERE run = 1")
    assert any("given_up" in fault for fault in three_months.verify())


def test_the_command(three_months, tmp_path):
    root = str(three_months.root)
    told = CliRunner().invoke(main, ["retire", root, "--dry-run"])
    assert "2026-04-01" in told.output
    assert "no run was made" in told.output
    done = CliRunner().invoke(main, ["retire", root])
    assert done.exit_code == 0, done.output
    assert "run 4 is committed" in done.output
    assert "nothing is old enough" in CliRunner().invoke(main, ["retire", root]).output


def test_dates_that_nobody_could_mean_are_faults(tmp_path):
    with pytest.raises(md.RulebookError) as found:
        md.load_rulebook(rules(tmp_path, history_days=0, sources_days=99_999))
    assert [fault.split(": ")[1] for fault in found.value.faults] == [
        "$.retention.history_days",
        "$.retention.sources_days",
    ]
