"""What a workspace tells of its collection: what is missing, came again, out of turn or late, feed by feed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mediation as md
import mediation.sample
from mediation.sample.generate import generate

RULES = Path(mediation.sample.__file__).parent / "rulebook"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Files 1 to 6 of one host, and a rule book by which they are late after two days."""
    folder = tmp_path_factory.mktemp("collection")
    generate(folder / "market", records=2400, files=6, feeds=["cucc"], processes=1)
    shutil.copytree(RULES, folder / "rules")
    feed = folder / "rules" / "feeds" / "cucc.toml"
    feed.write_text("late_after_days = 2\n" + feed.read_text())
    return folder, sorted((folder / "market" / "in").iterdir())


@pytest.fixture
def workspace(market, tmp_path):
    with md.Workspace.init(tmp_path / "ws", market[0] / "rules", market[0] / "market" / "reference") as opened:
        yield opened


def of_date(path: Path, date: str, folder: Path) -> Path:
    """The same file of another day, with its own records."""
    folder.mkdir(exist_ok=True)
    copy = folder / path.name.replace("20260601", date)
    copy.write_bytes(path.read_bytes().replace(b"20260601", date.encode()))
    return copy


def feed_of(workspace, name="cucc") -> dict:
    return next(each for each in workspace.status()["feeds"] if each["feed"] == name)


def test_every_missing_file_is_a_row_until_it_comes(workspace, market):
    files = market[1]
    workspace.ingest(files[:1])
    assert workspace.status()["missing"] == []
    workspace.ingest(files[4:5])
    wanted = [{"feed": "cucc", "date": "2026-06-01", "sequence": number} for number in (2, 3, 4)]
    assert workspace.status()["missing"] == wanted == workspace.tables()["missing"].to_pylist()
    workspace.ingest(files[2:3])
    assert [each["sequence"] for each in workspace.status()["missing"]] == [2, 4]
    assert feed_of(workspace)["missing"] == 2
    workspace.ingest(files)
    assert workspace.status()["missing"] == []
    assert workspace.tables()["missing"].num_rows == 0


def test_a_gap_that_nobody_can_list_is_still_counted(workspace, market, tmp_path):
    workspace.ingest(market[1][:1])
    far = tmp_path / market[1][1].name.replace("0002", "9999")
    far.write_bytes(market[1][1].read_bytes().replace(b"H|20260601|2\n", b"H|20260601|9999\n"))
    workspace.ingest([far])
    assert feed_of(workspace)["missing"] == 9997
    assert len(workspace.status()["missing"]) == 1000


def test_what_comes_out_of_turn_is_told(workspace, market):
    files = market[1]
    workspace.ingest(files[2:4])
    assert workspace.status()["out_of_order"] == []
    workspace.ingest(files[:2])
    told = [(each["name"], each["run"], each["sequence"], each["after"]) for each in workspace.status()["out_of_order"]]
    assert told == [(files[0].name, 2, 1, 4), (files[1].name, 2, 2, 4)]
    assert feed_of(workspace)["out_of_order"] == 2


def test_what_comes_late_is_told_by_days_and_by_no_clock(workspace, market, tmp_path):
    files = market[1]
    workspace.ingest([of_date(files[0], "20260610", tmp_path / "new")])
    workspace.ingest([of_date(files[1], "20260608", tmp_path / "two days")])
    assert workspace.status()["late"] == []
    workspace.ingest([of_date(files[2], "20260607", tmp_path / "three days"), files[3]])
    assert [(each["date"], each["days"], each["run"]) for each in workspace.status()["late"]] == [
        ("2026-06-01", 9, 3),
        ("2026-06-07", 3, 3),
    ]
    assert (feed_of(workspace)["late"], feed_of(workspace)["newest"]) == (2, "2026-06-10")
    assert workspace.verify() == []


def test_a_feed_that_declares_no_lateness_has_none(market, tmp_path):
    with md.Workspace.init(tmp_path / "ws", RULES, market[0] / "market" / "reference") as workspace:
        workspace.ingest([of_date(market[1][0], "20260620", tmp_path / "new")])
        workspace.ingest(market[1][:1])
        assert workspace.status()["late"] == []


def test_lateness_wants_a_date_and_days(market, tmp_path):
    shutil.copytree(RULES, tmp_path / "rules")
    feed = tmp_path / "rules" / "feeds" / "cucc.toml"
    feed.write_text("late_after_days = -1\n" + feed.read_text().replace("_{date}", ""))
    with pytest.raises(md.errors.RulebookError) as raised:
        md.load_rulebook(tmp_path / "rules")
    assert [fault for fault in raised.value.faults if "$.late_after_days" in fault] == [
        "feeds/cucc.toml: $.late_after_days: at least 0",
        "feeds/cucc.toml: $.late_after_days: files of this feed have no date: file_name has no {date}",
    ]


def test_repeats_are_noted_once_a_content(workspace, market, tmp_path):
    files = market[1]
    workspace.ingest(files[:2])
    before = {name: table for name, table in workspace.tables().items() if name in ("files", "runs")}
    workspace.ingest(files[:1])
    other = tmp_path / files[0].name.replace("0001", "0077")
    shutil.copy(files[0], other)
    workspace.ingest([other, files[1]])
    assert workspace.status()["repeats"] == [
        {"name": other.name, "feed": "cucc", "run": 1, "times": 2},
        {"name": files[1].name, "feed": "cucc", "run": 1, "times": 1},
    ]
    assert feed_of(workspace)["repeats"] == 2
    assert all(workspace.tables()[name].equals(table) for name, table in before.items())
    workspace.ingest([*files[1:3], tmp_path / other.name])
    assert [each["times"] for each in workspace.status()["repeats"]] == [3, 2]
    assert workspace.verify() == []


def test_counts_by_feed_are_those_of_the_runs(workspace, market, tmp_path):
    files = market[1]
    bad = tmp_path / files[5].name
    bad.write_bytes(files[5].read_bytes()[:-20])
    stranger = tmp_path / "stranger.txt"
    stranger.write_bytes(b"?")
    for given in (files[:3], [*files[3:5], bad], [stranger]):
        workspace.ingest(given)
    feeds, totals = {each["feed"]: each for each in workspace.status()["feeds"]}, workspace.status()["totals"]
    assert (feeds["cucc"]["files"], feeds["cucc"]["refused"], feeds[""]["refused"]) == (5, 1, 1)
    for name in ("records_in", "bytes_in", "rated", "rejected", "duplicates", "suspended"):
        assert feeds["cucc"][name] + feeds[""][name] == totals[name] >= 0
    workspace.place.catalogue._connection.execute("UPDATE collected SET rated = rated + 1 WHERE run = 2")
    assert workspace.verify() == ["run 2: what is noted as collected is not what it has collected"]


def test_how_long_suspense_waits_is_told_by_event_days(workspace, market, tmp_path):
    files = market[1]
    strange = tmp_path / files[0].name
    lines = files[0].read_bytes().split(b"\n")
    fields = lines[1].split(b"|")
    fields[2] = b"8613999999999"
    lines[1] = b"|".join(fields)
    strange.write_bytes(b"\n".join(lines))
    workspace.ingest([strange])
    (waits,) = [each for each in workspace.status()["suspense"] if each["code"] == "unknown_number"]
    assert (waits["since_run"], waits["oldest_day"], waits["age_days"]) == (1, "2026-05-31", 1)  # in UTC
    workspace.ingest([of_date(files[1], "20260611", tmp_path / "later")])
    (waits,) = [each for each in workspace.status()["suspense"] if each["code"] == "unknown_number"]
    assert (waits["since_run"], waits["oldest_day"], waits["age_days"]) == (1, "2026-05-31", 10)
