"""Ingests into a real workspace that are killed, or whose system calls fail, at chosen steps.

    python -m tests.kills PREPARED FOLDER < points.json > results.json

Conventions
-----------
- `failing_calls.cpp` is loaded before everything else, and counts and fails the calls of Python and of SQLite.
- Every point is a copy of PREPARED (a workspace `ws` with a run in it, and an `inbox`), an ingest in a forked child
  that meets the fault, and another child that ingests again and tells what the workspace holds.
- This process only forks: it has no threads, and reads nothing that would start some.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
import zstandard  # noqa: F401

from mediation.errors import RulebookError, TemporaryError
from mediation.pipeline.sources import file_hash
from mediation.workspace import Workspace
from mediation.workspace.catalogue import Catalogue
from mediation.workspace.collection import COLLECTED

KINDS = {"none": 0, "kill": 1, "torn": 2, "fails": 3, "fails, but done": 4, "short": 5}
MOST_TRIES = 3
MOST_SECONDS = 500
EXPECTED = TemporaryError, RulebookError  # the latter where the system does not let the rule book be read
SETTLES = "settles"


class Point(NamedTuple):
    """A fault, and the step of a second try in the same process at which that is killed (0: there is none)."""

    step: int
    kind: str
    error: int = 0
    for_ever: bool = False
    opens_only: bool = False
    killed_again: int = 0


def arm(folder: Path, point: Point) -> None:
    """Have the fault happen to this process."""
    calls = ctypes.CDLL(None)
    last = point.error, point.for_ever, point.opens_only
    calls.fault_arm(os.fsencode(folder), ctypes.c_long(point.step), KINDS[point.kind], *map(int, last))


def disarm() -> None:
    """Let all calls pass."""
    if hasattr(ctypes.CDLL(None), "fault_arm"):
        ctypes.CDLL(None).fault_arm(b"", ctypes.c_long(0), 0, 0, 0, 0)


def ingest(folder: Path, point: Point, log: Path | None = None) -> None:
    """Meet a fault. What a caller could not have expected is raised."""
    if log is not None:
        ctypes.CDLL(None).fault_log(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600))
    arm(folder, point)
    try:
        workspace = Workspace(folder / "ws")
    except EXPECTED:
        return
    try:
        workspace.ingest_inbox(folder / "inbox", threads=1)
    except EXPECTED:
        if point.killed_again:
            arm(folder, Point(point.killed_again, "kill"))
            with contextlib.suppress(*EXPECTED):
                workspace.ingest_inbox(folder / "inbox", threads=1)
    workspace.close()


def told(folder: Path) -> dict[str, Any]:
    """Ingest until it passes, and tell all that a workspace holds; only what was measured is left out."""
    for tries in range(MOST_TRIES):
        try:
            with Workspace(folder / "ws") as workspace:
                workspace.ingest_inbox(folder / "inbox", threads=1)
                break
        except TemporaryError:
            if tries == MOST_TRIES - 1:
                raise
    with Workspace(folder / "ws") as workspace:
        place = workspace.place
        runs = [(run.ordinal, run.run_id, run.totals, run.folder, run.attempt) for run in place.catalogue.runs()]
        artifacts = [each for each in place.catalogue.artifacts() if each.path != "run.json"]
        return {
            "verify": workspace.verify(),
            "runs": runs,
            "sources": place.catalogue.sources(),
            "artifacts": artifacts,
            "moves": place.catalogue.moves(),
            "collected": place.catalogue.ask(COLLECTED),
            "staging": os.listdir(folder / "ws" / "staging"),
            "folders": sorted(os.listdir(folder / "ws" / "runs")),
            "inputs": {
                path.relative_to(folder).as_posix(): file_hash(path, 1 << 40)
                for path in sorted((folder / "inbox").rglob("*"))
                if path.is_file()
            },
        }


def fork(work: Any, *arguments: Any, closed: tuple[int, ...] = ()) -> tuple[int, int]:
    """A child that does some work, without these handles; its number, and where its result can be read."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    for handle in (reader, *closed):
        os.close(handle)
    signal.alarm(MOST_SECONDS)
    try:
        result = json.dumps(work(*arguments))
    except BaseException as error:
        disarm()
        result = json.dumps(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    disarm()
    with os.fdopen(writer, "w") as file:
        file.write(result)
    os._exit(0)


def result_of(child: int, reader: int) -> Any:
    """What the work has returned, as JSON; what it has raised, or what has killed it, as text."""
    with os.fdopen(reader) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return json.loads(text)


def in_a_child(work: Any, *arguments: Any) -> Any:
    """The result of work that is done in a child."""
    return result_of(*fork(work, *arguments))


def meet(prepared: Path, folder: Path, point: Point, wanted: Any) -> str:
    """What went wrong at a point, or nothing."""
    shutil.copytree(prepared, folder)
    try:
        happened = in_a_child(ingest, folder, point)
        killed = point.kind in ("kill", "torn") or point.killed_again
        if happened and not (killed and happened == "ended by SIGKILL"):
            return f"{point}: {happened}"
        found = in_a_child(told, folder)
        if isinstance(found, str):
            return f"{point}: then {found}"
        wrong = [f"{name}: {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
        return f"{point}: {'; '.join(wrong)[:2000]}" if wrong else ""
    finally:
        shutil.rmtree(folder)


def undisturbed(prepared: Path, folder: Path) -> tuple[list[str], Any]:
    """The steps of an ingest, as the log tells them, and what the workspace holds after it."""
    shutil.copytree(prepared, folder)
    log = folder.with_suffix(".log")
    happened = in_a_child(ingest, folder, Point(0, "none"), log)
    assert not happened, happened
    lines = [line.replace(f"{folder}/", "") for line in log.read_text().splitlines()]
    wanted = in_a_child(told, folder)
    shutil.rmtree(folder)
    return lines, wanted


def main() -> None:
    """See above."""
    prepared, folder = map(Path, sys.argv[1:3])
    lines, wanted = undisturbed(prepared, folder / "undisturbed")
    assert isinstance(wanted, dict), wanted
    points = [Point(*point) for point in json.load(sys.stdin)]
    if SETTLES not in sys.argv:
        mock.patch.object(Catalogue, "settle").start()
    faults = [meet(prepared, folder / f"{number:06d}", point, wanted) for number, point in enumerate(points)]
    json.dump({"steps": lines, "wanted": wanted, "faults": [fault for fault in faults if fault]}, sys.stdout)


if __name__ == "__main__":
    main()
