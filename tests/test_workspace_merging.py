"""The history's segments stay few by themselves, whatever comes, and nothing is known less for it."""

from __future__ import annotations

import errno
import random
from collections import Counter

import pytest

import mediation as md
from mediation.cli import workspaces
from mediation.pipeline.disk import Disk
from mediation.workspace import history, merging
from mediation.workspace.rows import Artifact
from tests.test_workspace import RULES, committed, day, workspace

__all__ = ["day", "workspace"]  # the fixtures
GB = 1 << 30


def kinds(workspace) -> Counter:
    return Counter(workspace.tables()["runs"]["kind"].to_pylist())


def opened(workspace) -> int:
    return len(history.opened(workspace.place))


@pytest.fixture
def few(monkeypatch):
    """Two segments are many, whatever their length."""
    monkeypatch.setattr(merging, "FACTOR", 2)
    monkeypatch.setattr(merging, "_tier", lambda size: 0)


class Filling(Disk):
    """A disk that has no room for the next segment that is written, when it is said so."""

    full = False

    def create(self, path):
        if self.full and path.name == history.SEGMENT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path)


# -------------------------------------------------------------------------------------------- choosing


def grown(sizes) -> tuple[list[int], float, int, int]:
    """Segments of these lengths come one after the other: those that stand there in the end, bytes written again for
    each byte, merges, and the most that stood there before a run."""
    standing: list[Artifact] = []
    rewritten, merges, most = 0, 0, 0
    for run, size in enumerate(sizes):
        most = max(most, len(standing))
        standing.append(Artifact(run, history.SEGMENT, size, ""))
        while chosen := merging._full(standing):
            assert len(chosen) > 1
            together = sum(each.bytes for each in chosen)
            assert together <= merging.MOST_BYTES
            standing = [each for each in standing if each not in chosen]
            standing.append(Artifact(run, history.SEGMENT, together, ""))
            rewritten += together
            merges += 1
    return sorted(each.bytes for each in standing), rewritten / sum(sizes), merges, most


@pytest.mark.parametrize(
    ("smallest", "largest", "runs", "most_open", "most_rewritten"),
    [
        (2_000, 2_000, 5_000, 45, 3.0),  # a hundred records every five minutes
        (2_000_000, 2_000_000, 20_000, 95, 2.5),  # a hundred thousand
        (300, 3_000_000, 5_000, 70, 2.5),  # of all sizes
    ],
)
def test_segments_stay_few_and_are_seldom_written_again(smallest, largest, runs, most_open, most_rewritten):
    chance = random.Random(1)
    sizes = [round(smallest * (largest / smallest) ** chance.random()) for _ in range(runs)]
    standing, rewritten, merges, most = grown(sizes)
    assert sum(standing) == sum(sizes)
    assert most <= most_open
    assert rewritten <= most_rewritten
    assert merges < runs / 14


def test_what_is_large_enough_is_left_alone():
    standing, rewritten, _, _ = grown([GB] * 40)
    assert (len(standing), rewritten) == (40, 0)
    standing, _, _, _ = grown([GB // 2] * 40)
    assert max(standing) == GB
    assert len(standing) <= 20 + merging.FACTOR


def test_an_order_merges_the_smallest_whatever_their_tiers(monkeypatch):
    segments = [Artifact(run, history.SEGMENT, size, "") for run, size in enumerate([GB, 100, GB // 4, 7, GB])]
    assert [each.run for each in merging._fitting(sorted(segments, key=lambda each: each.bytes))] == [3, 1, 2, 0]
    monkeypatch.setattr(merging, "MOST_TOGETHER", 2)
    assert [each.run for each in merging._fitting(segments)] == [0, 1]


# ------------------------------------------------------------------------------------------ a workspace


def test_runs_are_followed_by_merges_and_everything_is_known_and_replayed(day, tmp_path, few):
    with md.Workspace.init(tmp_path / "whole", RULES, day[0] / "reference") as whole:
        whole.ingest(day[1])
        wanted = committed(whole)
    with md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference") as workspace:
        merges = [run for path in day[1] for run in workspace.ingest([path]).merges]
        assert len(merges) == kinds(workspace)["merge"] >= 2
        assert opened(workspace) == 1
        assert committed(workspace) == wanted
        assert workspace.verify() == []
        with_rows = [run for run in workspace.tables()["runs"].to_pylist() if run["rated"]]
        assert all(workspace.replay(run["ordinal"]).same for run in with_rows)
        before = workspace.status()["runs"]
        assert workspace.ingest([day[1][0]]).run is None
        assert workspace.status()["runs"] == before


def test_a_run_whose_merge_fails_is_committed_and_the_next_one_tries_again(day, tmp_path, monkeypatch, few):
    md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference").close()
    disk = Filling()
    with md.Workspace(tmp_path / "ws", disk) as workspace:
        workspace.ingest(day[1][:1])
        real = merging.after

        def after(*arguments):
            disk.full = True
            return real(*arguments)

        monkeypatch.setattr(merging, "after", after)
        report = workspace.ingest(day[1][1:2])
        assert (report.run.ordinal, list(report.merges)) == (2, [])
        assert "No space left on device" in report.merge_fault
        disk.full = False
        monkeypatch.setattr(merging, "after", real)
        report = workspace.ingest(day[1][2:3])
        assert report.merge_fault is None
        assert report.merges[0].arguments["merged"][:2] == [1, 2]
        assert workspace.verify() == []


def test_a_damaged_segment_ends_the_merge_not_the_run(day, tmp_path, few, capsys):
    with md.Workspace.init(tmp_path / "ws", RULES, day[0] / "reference") as workspace:
        run = workspace.ingest(day[1][:1]).run
        path = workspace.place.folder(run) / history.SEGMENT
        data = bytearray(path.read_bytes())
        data[70] ^= 1  # of a bucket, which a run reads only where its filter lets something through
        path.write_bytes(bytes(data))
    other = next(path for path in day[1] if path.name[:2] != day[1][0].name[:2])
    command = [str(tmp_path / "ws"), str(other), "--quiet"]
    workspaces.ingest.main(command, standalone_mode=False)
    assert "run 2 is committed; putting the history together has failed after it" in capsys.readouterr().err
    with md.Workspace(tmp_path / "ws") as workspace:
        assert kinds(workspace) == {"ingest": 2}


def test_a_stop_while_merging_is_told_and_the_run_stands(workspace, day, monkeypatch, few):
    def stop(*arguments):
        raise KeyboardInterrupt

    workspace.ingest(day[1][:1])
    monkeypatch.setattr(merging, "merge_segments", stop)
    report = workspace.ingest(day[1][1:2])
    assert (report.run.ordinal, report.merge_fault) == (2, "stopped")


def test_merging_can_be_left_to_an_order(workspace, day, few):
    for path in day[1][:4]:
        assert workspace.ingest([path], merge=False).merges == ()
    several = [ordinal for ordinal, _ in history.opened(workspace.place)]
    assert workspace.merge().arguments == {"merged": several}
    assert workspace.merge() is None
    assert opened(workspace) == 1


def test_days_before_the_horizon_are_not_merged(workspace, day, monkeypatch):
    for path in day[1]:
        workspace.ingest([path], merge=False)
    days = sorted({day for _, each in history.opened(workspace.place) for day, _ in each.days if day is not None})
    monkeypatch.setattr(type(workspace.place.catalogue), "horizon", lambda catalogue, before=None: days[-1])
    workspace.merge()
    ((_, merged),) = history.opened(workspace.place)
    assert {day for day, _ in merged.days} <= {None, days[-1]}
