"""A bit flipped in a workspace at rest: opening it or `verify` says so, or nothing that it holds has changed.

FAULT_POINTS=all takes every byte of every file, not a choice of them.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mediation.errors import MediationError
from mediation.workspace import Workspace
from mediation.workspace.catalogue import NAME
from tests.test_workspace_kills import prepared

__all__ = ["prepared"]  # the fixture
FLIPS_OF_A_FILE, FLIPS_OF_THE_CATALOGUE = 6, 400
SEED = 20260601


@pytest.fixture(scope="module")
def workspace(prepared, tmp_path_factory) -> Path:
    """A workspace at rest, in which some of what waited was edited and a file came again: its catalogue is one file."""
    folder = tmp_path_factory.mktemp("damage") / "ws"
    shutil.copytree(prepared / "ws", folder)
    with Workspace(folder) as opened:
        assert opened.copy_suspended(folder.parent / "copy.csv")
        assert opened.correct(folder.parent / "copy.csv").run is not None
        again = next(path for path in (prepared / "inbox" / "done").iterdir())
        assert opened.ingest([again]).run is None
        assert opened.status()["repeats"]
    assert {path.name for path in folder.iterdir() if path.is_file()} == {NAME, "lock"}
    return folder


def content(workspace: Workspace) -> Any:
    """All that a workspace tells, and all that the next run depends on."""
    catalogue, book = workspace.place.catalogue, workspace.rulebook()
    committed = catalogue.runs(), catalogue.sources(), catalogue.artifacts(), catalogue.moves()
    known = [catalogue.run_of_content(source.content_hash) for source in committed[1]]  # by an index
    return committed, known, catalogue.setting("secret"), book.hash, book.reference_hash, workspace.status()


def accepted(folder: Path) -> Any:
    """The content of a workspace that nobody complains about; None for another."""
    try:
        with Workspace(folder) as workspace:
            return None if workspace.verify() else content(workspace)
    except MediationError:
        return None


def flips(size: int, most: int) -> list[int]:
    """The bytes to flip."""
    if os.environ.get("FAULT_POINTS") == "all" or size <= most:
        return list(range(size))
    return sorted(random.Random(SEED + size).sample(range(size), most))


def silent(folder: Path, path: Path, wanted: Any) -> list[str]:
    """The flips of a file that have changed what the workspace holds, and were accepted."""
    whole, found = path.read_bytes(), []
    for at in flips(len(whole), FLIPS_OF_THE_CATALOGUE if path.name == NAME else FLIPS_OF_A_FILE):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at * 5 % 8]) + whole[at + 1 :])
        if accepted(folder) not in (None, wanted):
            found.append(f"{path.relative_to(folder)}: byte {at}")
        for beside in ("-wal", "-shm"):
            Path(f"{path}{beside}").unlink(missing_ok=True)
    path.write_bytes(whole)
    return found


def test_no_flipped_bit_changes_what_is_held_in_silence(workspace):
    wanted = accepted(workspace)
    assert wanted is not None
    paths = sorted(path for path in workspace.rglob("*") if path.is_file())
    found = [fault for path in paths for fault in silent(workspace, path, wanted)]
    assert accepted(workspace) == wanted
    assert not found, "\n".join(found)


def test_what_a_run_has_written_is_covered_to_the_last_byte(workspace):
    """In a run's files there is no slack: every flip is seen."""
    for path in sorted((workspace / "runs").rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            assert accepted(workspace) is None, path
            path.write_bytes(whole)


def test_a_content_that_is_changed_anywhere_is_seen(workspace):
    """In its row, and in the index by which a file that comes again is found."""
    path = workspace / NAME
    whole = path.read_bytes()
    with Workspace(workspace) as opened:
        contents = [source.content_hash.encode() for source in opened.place.catalogue.sources()]
    for found in (found for each in contents for found in re.finditer(each, whole)):
        path.write_bytes(whole[: found.start()] + bytes([whole[found.start()] ^ 1]) + whole[found.start() + 1 :])
        assert accepted(workspace) is None, found.start()
    path.write_bytes(whole)
    assert all(whole.count(each) > 1 for each in contents)


@pytest.mark.parametrize("name", ["secret", "rulebook", "reference"])
def test_settings_that_were_changed_are_seen(workspace, name):
    whole = (workspace / NAME).read_bytes()
    with Workspace(workspace) as opened:
        value = opened.place.catalogue.setting(name)
        other = bytes([value[0] ^ 1]) + value[1:]
        with opened.place.catalogue._transaction():
            opened.place.catalogue._connection.execute("UPDATE setting SET value = ? WHERE name = ?", (other, name))
    assert accepted(workspace) is None
    (workspace / NAME).write_bytes(whole)
