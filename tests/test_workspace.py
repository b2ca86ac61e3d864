"""A workspace as its user sees it: files in, exactly once; what is committed, and what is wrong with it."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pyarrow.compute as pc
import pytest
import zstandard
from pyarrow.csv import read_csv, write_csv

import mediation as md
import mediation.sample
from mediation.errors import InvariantError, NoInputError, OutputError, RulebookError, TemporaryError, UsageError
from mediation.pipeline.disk import Disk, network_of
from mediation.pipeline.sources import list_sources
from mediation.sample.generate import generate
from mediation.workspace import staged
from mediation.workspace.catalogue import NAME
from mediation.workspace.rows import STEPS

RULES = Path(mediation.sample.__file__).parent / "rulebook"


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A small market's raw files, in source order, with their reference data."""
    folder = tmp_path_factory.mktemp("day") / "market"
    generate(folder, records=6000, files=2, faults=True)
    book = md.load_rulebook(RULES, folder / "reference")
    return folder, [each.path for each in list_sources(sorted((folder / "in").iterdir()), book)]


@pytest.fixture
def workspace(day, tmp_path):
    with md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference") as opened:
        yield opened


def accepted(workspace):
    return Counter(name for name, refused in _files(workspace) if refused is None)


def _files(workspace):
    files = workspace.tables()["files"]
    return zip(files["name"].to_pylist(), files["refused"].to_pylist(), strict=True)


def committed(workspace):
    """The rated rows without what depends on how files were given to runs."""
    rows = workspace.tables()["rated"].to_table().drop_columns(["source_id"]).to_pylist()
    return Counter(json.dumps(row, default=str, sort_keys=True) for row in rows)


def test_a_run_is_what_a_plain_run_would_be(workspace, day):
    report = workspace.ingest(day[1])
    plain = md.process(day[1], md.load_rulebook(RULES, day[0] / "reference"))
    tables = workspace.tables()
    for name in ("rated", "rejects", "suspended"):
        assert tables[name].to_table().equals(getattr(plain, name).combine_chunks().cast(tables[name].schema))
    assert report.run.totals["records_in"] == plain.audit.totals()["records_in"]
    assert tables["duplicates"].count_rows() == plain.duplicates.num_rows
    assert workspace.verify() == []


def without_repeats(status):
    feeds = [{name: count for name, count in each.items() if name != "repeats"} for each in status["feeds"]]
    return {**status, "feeds": feeds, "repeats": []}


def test_the_same_files_again_change_nothing(workspace, day):
    workspace.ingest(day[1])
    before = committed(workspace), without_repeats(workspace.status())
    refused = {name for name, code in _files(workspace) if code}
    again = workspace.ingest([path for path in day[1] if path.name not in refused])
    assert again.run is None
    assert {each.known_from for each in again.repeats} == {1}
    noted = {each["name"]: each["times"] for each in workspace.status()["repeats"]}
    assert noted == dict.fromkeys((path.name for path in day[1] if path.name not in refused), 1)
    assert (committed(workspace), without_repeats(workspace.status())) == before


@pytest.mark.parametrize("disguise", ["renamed", "gzip", "zstd"])
def test_a_file_is_known_whatever_it_is_called_and_however_compressed(workspace, day, tmp_path, disguise):
    plain = next(path for path in day[1] if path.suffix == ".txt" and path.read_bytes()[:2] != b"\x1f\x8b")
    workspace.ingest([plain])
    other = tmp_path / plain.name.replace("0001", "0009").replace("0002", "0009")
    content = plain.read_bytes()
    packed = {"renamed": content, "gzip": gzip.compress(content), "zstd": zstandard.compress(content)}[disguise]
    other.write_bytes(packed)
    report = workspace.ingest([other])
    assert report.run is None
    assert [each.known_from for each in report.repeats] == [1]


def test_the_same_content_twice_in_one_ingest_is_taken_once(workspace, day, tmp_path):
    first = day[1][0]
    copy = tmp_path / "copy" / first.name
    copy.parent.mkdir()
    shutil.copy(first, copy)
    report = workspace.ingest([first, copy])
    assert accepted(workspace) == {first.name: 1}
    assert [each.known_from for each in report.repeats] == [0]


def test_runs_by_parts_hold_every_file_once_and_number_sources_on(workspace, day):
    for path in day[1]:
        workspace.ingest([path])
    files = workspace.tables()["files"]
    assert files["source_id"].to_pylist() == list(range(len(day[1])))
    assert files["run"].to_pylist() == list(range(1, len(day[1]) + 1))
    rated = workspace.tables()["rated"].to_table()
    assert set(rated["source_id"].to_pylist()) <= set(range(len(day[1])))
    assert workspace.verify() == []


def test_runs_by_parts_charge_what_one_run_would(day, tmp_path):
    """Records that stand in two files are charged once, whichever run has the second one."""
    kept = []
    for name, parts in (("whole", [day[1]]), ("parts", [[path] for path in day[1]])):
        with md.Workspace.init(tmp_path / name, RULES, day[0] / "reference") as workspace:
            for part in parts:
                workspace.ingest(part)
            verdicts = Counter(workspace.tables()["duplicates"].to_table()["verdict"].to_pylist())
            kept.append((committed(workspace), verdicts, workspace.status()["totals"]["duplicates"]))
            assert workspace.verify() == []
    assert kept[0] == kept[1]
    assert set(kept[0][1]) == {"retransmission", "conflict"}


def test_a_merged_history_knows_the_same_and_runs_before_it_can_still_be_replayed(day, tmp_path):
    with md.Workspace.init(tmp_path / "whole", RULES, day[0] / "reference") as whole:
        whole.ingest(day[1])
        wanted = committed(whole)
    with md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference") as workspace:
        assert workspace.merge() is None
        for number, path in enumerate(day[1]):
            workspace.ingest([path])
            if number % 3 == 2:
                workspace.merge()
        assert committed(workspace) == wanted
        merging = [run["ordinal"] for run in workspace.tables()["runs"].to_pylist() if run["kind"] == "merge"]
        assert len(merging) == len(day[1]) // 3
        with_rows = [run for run in workspace.tables()["runs"].to_pylist() if run["rated"]]
        assert all(workspace.replay(run["ordinal"]).same for run in with_rows)
        assert workspace.verify() == []
        assert workspace.merge() is not None
        assert workspace.merge() is None
        assert workspace.ingest([day[1][0]]).run is None


def test_a_refused_file_is_told_kept_out_and_may_come_again(workspace, day):
    workspace.ingest(day[1])
    refused = {name: code for name, code in _files(workspace) if code}
    assert refused
    assert {each["name"]: each["code"] for each in workspace.status()["refused"]} == refused
    again = workspace.ingest([path for path in day[1] if path.name in refused])
    assert again.run.ordinal == 2
    assert again.run.totals["files_refused"] == len(refused)
    assert workspace.verify() == []


def test_an_inbox_is_emptied_into_done_and_quarantine(workspace, day, tmp_path):
    inbox = tmp_path / "inbox"
    shutil.copytree(day[0] / "in", inbox)
    (inbox / ".half.txt").write_bytes(b"still being written")
    (inbox / "link.txt").symlink_to(day[1][0])
    report = workspace.ingest_inbox(inbox)
    refused = {name for name, code in _files(workspace) if code}
    assert {path.name for path in (inbox / "quarantine").iterdir()} == refused
    assert {path.name for path in (inbox / "done").iterdir()} == {path.name for path in day[1]} - refused
    assert sorted(path.name for path in inbox.iterdir() if path.is_file()) == [".half.txt", "link.txt"]
    assert report.run.ordinal == 1
    assert workspace.ingest_inbox(inbox) is None


def test_a_second_file_of_a_name_is_moved_beside_the_first(workspace, day, tmp_path):
    inbox, (one, two) = tmp_path / "inbox", day[1][:2]
    inbox.mkdir()
    for path in (one, two):
        shutil.copy(path, inbox / one.name)
        workspace.ingest_inbox(inbox)
    assert len(list((inbox / "done").iterdir())) + len(list((inbox / "quarantine").glob("*"))) == 2


def test_readers_glob_whole_runs(workspace, day):
    import duckdb
    import polars as pl

    workspace.ingest(day[1])
    glob = str(workspace.root / "runs" / "*" / "rated" / "*.parquet")
    rows = workspace.tables()["rated"].count_rows()
    assert duckdb.sql(f"SELECT count(*) FROM '{glob}'").fetchall() == [(rows,)]
    assert pl.scan_parquet(glob).select(pl.len()).collect().item() == rows


def test_another_rule_book_is_for_the_next_runs(workspace, day, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(RULES, other)
    text = (other / "rulebook.toml").read_text()
    (other / "rulebook.toml").write_text(text.replace('name = "', 'name = "other ', 1))
    workspace.ingest(day[1][:1])
    workspace.use(other, day[0] / "reference")
    workspace.ingest(day[1][1:2])
    hashes = workspace.tables()["runs"]["rulebook_hash"].to_pylist()
    assert len(set(hashes)) == 2
    assert workspace.verify() == []


def test_one_run_at_a_time(workspace, day):
    refused = pytest.raises(TemporaryError, match="another run is writing")
    with md.Workspace(workspace.root) as other, other.locked(0), refused:
        workspace.ingest(day[1])
    assert workspace.ingest(day[1]).run.ordinal == 1


def test_what_is_no_workspace_of_ours_is_refused(workspace, day, tmp_path):
    with pytest.raises(OutputError):
        md.Workspace.init(workspace.root, RULES, day[0] / "reference")
    with pytest.raises(RulebookError):
        md.Workspace.init(tmp_path / "never", tmp_path)
    assert not (tmp_path / "never").exists()
    with pytest.raises(InvariantError, match="no workspace"):
        md.Workspace(tmp_path)
    workspace.close()
    os.chmod(workspace.root, 0o770)
    with pytest.raises(InvariantError, match="others may write"):
        md.Workspace(workspace.root)
    os.chmod(workspace.root, 0o700)
    connection = sqlite3.connect(workspace.root / NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InvariantError, match="version 99"):
        md.Workspace(workspace.root)
    (workspace.root / NAME).write_bytes(b"x" * 4096)
    with pytest.raises(InvariantError):
        md.Workspace(workspace.root)


def test_an_older_versions_workspace_is_brought_up_to_date(workspace, day, tmp_path):
    files = day[1]
    of_run = tuple(name for name in staged.OF_RUN if name != "oldest_suspended")
    with mock.patch.object(staged, "OF_RUN", of_run):
        workspace.ingest(files[:3])
    workspace.close()
    of_version_1(workspace.root / NAME)
    with md.Workspace(workspace.root) as upgraded:
        assert upgraded.verify() == []
        assert upgraded.ingest(files).run.ordinal == 2
        assert upgraded.verify() == []
    with sqlite3.connect(workspace.root / NAME) as catalogue:
        catalogue.execute("UPDATE event_day SET records = records + 1")
    with md.Workspace(workspace.root) as changed:
        assert any("event days" in fault for fault in changed.verify())


def of_version_1(path):
    """Take away what later versions have added."""
    with sqlite3.connect(path) as catalogue:
        for step in reversed(STEPS[1:]):
            for name in re.findall("CREATE INDEX (\\w+) ON source ", step):
                catalogue.execute(f"DROP INDEX {name}")
            for name in reversed(re.findall("CREATE TABLE (\\w+)", step)):
                catalogue.execute(f"DROP TABLE {name}")
            for table, column in re.findall("ALTER TABLE (\\w+) ADD COLUMN (\\w+)", step):
                catalogue.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        catalogue.execute("PRAGMA user_version = 1")


MOUNTS = """\
29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 29 0:26 / /data rw - nfs4 server:/export rw
31 30 254:2 / /data/local\\040disk rw shared:7 master:3 - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/ws", None), ("/data/ws", "nfs4"), ("/data/local disk/ws", None), ("/database/ws", None)],
)
def test_a_file_system_over_a_network_is_known_by_its_mount(path, kind):
    assert network_of(Path(path), MOUNTS) == kind


def test_a_workspace_over_a_network_is_refused(day, tmp_path, monkeypatch):
    monkeypatch.setattr(Disk, "network", lambda self, path: "nfs4")
    with pytest.raises(InvariantError, match="on nfs4"):
        md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference")
    assert not (tmp_path / "ws").exists()


def test_nothing_but_the_owner_may_read_it(workspace, day):
    workspace.ingest(day[1])
    for path in workspace.root.rglob("*"):
        if not path.name.startswith(NAME):
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("harm", ["changed", "gone", "added", "a copy changed", "the catalogue changed"])
def test_verify_finds_harm(workspace, day, harm):
    workspace.ingest(day[1])
    (run,) = (workspace.root / "runs").iterdir()
    part = next((run / "rated").iterdir())
    if harm == "changed":
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif harm == "gone":
        part.unlink()
    elif harm == "added":
        shutil.copy(part, part.with_name("part-00099.parquet"))
    elif harm == "a copy changed":
        next((run / "sources").iterdir()).write_bytes(b"")
    else:
        connection = sqlite3.connect(workspace.root / NAME)
        connection.execute("UPDATE run SET totals = replace(totals, '\"rated\": ', '\"rated\": 1')")
        connection.commit()
        connection.close()
    assert workspace.verify() != []


def test_a_run_can_be_replayed_by_the_rule_book_it_was_made_by(workspace, day, tmp_path):
    for path in day[1]:
        workspace.ingest([path])
    other = tmp_path / "other"
    shutil.copytree(RULES, other)
    prices = (other / "prices.csv").read_text()
    (other / "prices.csv").write_text(prices.replace(",0.1", ",0.2"))
    workspace.use(other, day[0] / "reference")
    workspace.ingest([day[1][-1]])
    for run in workspace.tables()["runs"].to_pylist():
        if run["files_refused"] == 0:
            assert workspace.replay(run["ordinal"]).same
    next((workspace.root / "runs").glob("00000001-*/sources/*")).unlink()
    with pytest.raises(NoInputError, match="no longer kept"):
        workspace.replay(1)
    assert list((workspace.root / "staging").iterdir()) == []


def without_some(reference, target):
    """The reference data without the subscriptions of every eighth account."""
    target.mkdir()
    rows = read_csv(reference / "subscriptions.csv")
    write_csv(rows.filter(pc.not_equal(pc.bit_wise_and(rows["account_id"], 7), 3)), target / "subscriptions.csv")
    return target


def test_what_was_suspended_is_charged_once_when_the_reference_data_know_it(day, tmp_path):
    poor = without_some(day[0] / "reference", tmp_path / "poor")
    with md.Workspace.init(tmp_path / "whole", RULES, day[0] / "reference") as whole:
        whole.ingest(day[1])
        wanted, left = committed(whole), whole.suspended()
    with md.Workspace.init(tmp_path / "ws", RULES, poor) as workspace:
        workspace.ingest(day[1])
        assert workspace.suspended().num_rows > left.num_rows
        workspace.use(RULES, day[0] / "reference")
        settling = workspace.recycle()
        totals = settling.run.totals
        assert totals["recycled"] == totals["rated"] + totals["suspended"] > totals["suspended"] > 0
        assert committed(workspace) == wanted
        assert workspace.suspended().num_rows == left.num_rows
        assert {each["run"] for each in workspace.suspense()} == {2}
        again = workspace.recycle()
        assert (again.run.totals["rated"], again.run.totals["recycled"]) == (0, totals["suspended"])
        assert committed(workspace) == wanted
        assert workspace.verify() == []


def test_what_is_written_off_waits_no_more_and_is_never_charged(workspace, day):
    workspace.ingest(day[1])
    code, before = workspace.suspense()[0]["code"], committed(workspace)
    items = sum(each["items"] for each in workspace.suspense([code]))
    totals = workspace.write_off([code]).run.totals
    assert totals["recycled"] == totals["written_off"] == items
    assert workspace.suspense([code]) == []
    assert code not in {each["code"] for each in workspace.status()["suspense"]}
    assert workspace.write_off([code]).run is None
    workspace.recycle()
    assert committed(workspace) == before
    assert workspace.verify() == []
    with pytest.raises(UsageError, match="nothing was suspended by"):
        workspace.recycle(["no_such_code"])


def test_the_command_does_it_all(day, tmp_path):
    def mediation(*arguments):
        command = [sys.executable, "-m", "mediation", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    ws, files = tmp_path / "ws", [path for path in day[1] if "bad" not in path.name]
    assert mediation("init", ws, "--rulebook", RULES, "--reference", day[0] / "reference").returncode == 0
    first = mediation("ingest", ws, *files)
    assert "run 1 is committed" in first.stdout
    again = mediation("ingest", ws, *files[:1])
    assert "nothing new: no run was made" in again.stdout
    assert "1 runs" in mediation("status", ws).stdout
    assert json.loads(mediation("status", ws, "--json").stdout)["runs"] == 1
    assert mediation("verify", ws).returncode == 0
    assert "the same again" in mediation("replay", ws, "1").stdout
    assert "items wait" in mediation("suspense", "list", ws).stdout
    assert " record " in mediation("suspense", "show", ws).stdout
    assert "recycled" in mediation("suspense", "recycle", ws).stdout
    assert mediation("suspense", "write-off", ws).returncode == 64
    assert mediation("ingest", ws).returncode == 64
    assert mediation("ingest", ws, "--inbox", tmp_path / "nowhere").returncode == 66
    assert mediation("status", tmp_path).returncode == 70
