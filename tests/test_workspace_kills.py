"""A real workspace on a real disk: killed at every kind of step, or refused by the system, it holds what it should.

FAULT_POINTS=all takes every fault at every step, not a choice of them.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mediation.sample
from mediation.sample.generate import generate
from mediation.workspace import Workspace
from tests.kills import SETTLES, Point

ROOT = Path(__file__).resolve().parent.parent
BOOK = Path(mediation.sample.__file__).parent / "rulebook"
CHOSEN, SEED = 200, 20260601
MOST_STEPS_OF_A_SECOND_TRY = 220
LATE_NAME = "0099"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A workspace that has a run, and an inbox with new files, one of them again under another name, one refused."""
    folder = tmp_path_factory.mktemp("prepared")
    generate(folder / "day", records=2_000, seed=3, faults=True, feeds=["cmcc"], subscribers=50, files=4, processes=1)
    files = sorted((folder / "day" / "in").iterdir())
    inbox = folder / "all" / "inbox"
    inbox.mkdir(parents=True)
    with Workspace.init(folder / "all" / "ws", BOOK, folder / "day" / "reference") as workspace:
        for path in files[:2]:
            shutil.copy(path, inbox)
        workspace.ingest_inbox(inbox, threads=1)
    for path in files[2:]:
        shutil.copy(path, inbox)
    shutil.copy(files[0], inbox / files[0].name.replace("0001", LATE_NAME))
    return folder / "all"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The library whose calls fail."""
    built = tmp_path_factory.mktemp("library") / "calls.so"
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(
        [os.environ.get("CXX", "g++"), *flags, "-o", built, ROOT / "tests" / "failing_calls.cpp", "-ldl"], check=True
    )
    return built


@pytest.fixture(scope="module")
def meet(prepared, library, tmp_path_factory):
    """Meet points in a process of its own; its report."""

    def run(points: list[Point], *arguments: str) -> dict:
        folder = tmp_path_factory.mktemp("points")
        done = subprocess.run(
            [sys.executable, "-m", "tests.kills", prepared, folder, *arguments],
            input=json.dumps(points),
            env={**os.environ, "LD_PRELOAD": str(library)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def steps(meet):
    """(number, call, path) of every step of an undisturbed ingest."""
    lines = [line.split(maxsplit=2) for line in meet([], SETTLES)["steps"]]
    return [(int(number), call, path) for number, call, path in lines]


def points_at(number: int, call: str) -> Iterator[Point]:
    """Every fault that a call may meet."""
    yield Point(number, "kill")
    again = random.Random(number).randint(1, MOST_STEPS_OF_A_SECOND_TRY)
    errors = [errno.EIO]
    if call in ("write", "create", "make", "rename"):
        errors += [errno.ENOSPC, errno.EDQUOT]
    for error in errors:
        yield Point(number, "fails", error)
        yield Point(number, "fails", error, killed_again=again)
        yield Point(number, "fails", error, for_ever=True)
    if call not in ("open", "create"):
        yield Point(number, "fails, but done", errno.EIO)
        yield Point(number, "fails, but done", errno.EIO, killed_again=again)
    if call == "write":
        yield Point(number, "torn")
        yield Point(number, "short")
        yield Point(number, "short", for_ever=True)
    if call in ("open", "create"):
        yield Point(number, "fails", errno.EMFILE)
        yield Point(number, "fails", errno.EMFILE, for_ever=True, opens_only=True)


def chosen(steps: list[tuple[int, str, str]]) -> list[Point]:
    """All points, or some of each kind and those that matter most."""
    everything = [point for number, call, _ in steps for point in points_at(number, call)]
    if os.environ.get("FAULT_POINTS") == "all":
        return everything
    points = random.Random(SEED).sample(everything, CHOSEN)
    for number, call, path in steps:
        if call in ("sync", "rename") or ("catalogue" in path and "-shm" not in path):
            again = random.Random(number).randint(1, MOST_STEPS_OF_A_SECOND_TRY)
            points += [Point(number, "kill"), Point(number, "fails", errno.EIO, killed_again=again)]
    return list(dict.fromkeys(points))


def test_the_log_tells_every_durable_step(steps):
    told = {(call, Path(path).name) for _, call, path in steps}
    assert {("sync", "catalogue.sqlite-wal"), ("sync", "runs"), ("sync", "staging"), ("sync", "inbox")} <= told
    assert {("sync", "run.json"), ("write", "run.json"), ("make", "rated"), ("create", "00000002.zst")} <= told


def unsynced_at_the_commit(steps: list[tuple[int, str, str]]) -> set[str]:
    """What of a run a power failure could still take when its commit begins: files, and folders for their names."""
    unsynced: set[str] = set()
    for _, call, path in steps:
        if call == "write" and path.endswith("-wal"):
            break
        if call in ("create", "make"):
            unsynced.add(str(Path(path).parent))
        if call in ("create", "make", "write"):
            unsynced.add(path)
        if call in ("sync", "remove"):
            unsynced.discard(path)
    return {path for path in unsynced if "/staging" in path}


def test_all_of_a_run_is_on_disk_when_it_is_committed(steps):
    """The simulated disk shows that this matters; here it is seen of what really writes."""
    assert unsynced_at_the_commit(steps) == set()
    commit = next(number for number, call, path in steps if call == "write" and path.endswith("-wal"))
    synced = {path for number, call, path in steps if call == "sync" and number < commit and "/staging" in path}
    assert len(synced) > 15
    for left_out in synced:
        without = [step for step in steps if step[1:] != ("sync", left_out)]
        assert unsynced_at_the_commit(without) == {left_out}


def test_what_was_met_leaves_what_should_be(meet, steps):
    points = chosen(steps)
    faults = meet(points, SETTLES)["faults"]
    assert not faults, f"{len(faults)} of {len(points)} points went wrong:\n" + "\n".join(faults[:10])


def test_a_commit_that_sqlite_reports_as_failed_comes_back_where_nothing_is_written_over_it(meet, steps):
    """Why recovery settles: without that, files are removed that the next start finds named."""
    synced = [number for number, call, path in steps if call == "sync" and path.endswith("-wal")]
    points = [Point(synced[1], "fails", errno.EIO, killed_again=again) for again in range(20, 60, 3)]
    assert meet(points)["faults"]
    assert not meet(points, SETTLES)["faults"]
