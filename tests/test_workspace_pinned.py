"""Reference data in a workspace: compiled once, read by every run, never wrong."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

import mediation as md
import mediation.sample
from mediation.errors import InvariantError
from mediation.rulebook.compiled import FORM
from mediation.sample.generate import generate
from mediation.workspace import pinned
from mediation.workspace.catalogue import NAME
from tests.test_workspace import without_some

RULES = Path(mediation.sample.__file__).parent / "rulebook"


@pytest.fixture(scope="module")
def day(tmp_path_factory) -> tuple[Path, list[Path]]:
    """Two files of one feed, and reference data."""
    folder = tmp_path_factory.mktemp("day")
    generate(folder, records=2_000, files=2, feeds=["cucc"], subscribers=300, processes=1)
    return folder / "reference", sorted((folder / "in").iterdir())[:2]


@pytest.fixture
def workspace(day, tmp_path):
    with md.Workspace.init(tmp_path / "ws", RULES, day[0]) as opened:
        yield opened


def again(workspace: md.Workspace) -> md.Workspace:
    """The same in another process, as far as what is remembered goes."""
    return md.Workspace(workspace.root)


def compiled(workspace: md.Workspace) -> list[Path]:
    """The files beside the copies of reference data."""
    return [path for path in (workspace.root / "references").iterdir() if not path.is_dir()]


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """Folders of reference data, as they are read."""
    found: list[Path] = []

    def noted(folder, *arguments):
        found.append(folder)
        return read(folder, *arguments)

    read = mediation.rulebook.book.read_reference
    monkeypatch.setattr(mediation.rulebook.book, "read_reference", noted)
    return found


def test_a_run_reads_what_was_compiled_and_comes_to_the_same(workspace, day, reads, tmp_path):
    workspace.close()
    shutil.copytree(workspace.root, tmp_path / "other")
    with again(workspace) as fast, md.Workspace(tmp_path / "other") as slow:
        compiled(slow)[0].unlink()
        reads.clear()
        by_copies = slow.ingest(day[1]).run
        assert reads == [slow.root / "references" / by_copies.reference_hash]
        reads.clear()
        by_form = fast.ingest(day[1]).run
        assert reads == []
        assert (by_form.run_id, by_form.totals) == (by_copies.run_id, by_copies.totals)
        assert [path.read_bytes() for path in compiled(slow)] == [path.read_bytes() for path in compiled(fast)]
        assert slow.verify() == fast.verify() == []


def test_no_changed_byte_is_read_in_silence(workspace, day):
    (path,) = compiled(workspace)
    whole = path.read_bytes()
    spots = [*range(0, len(whole), len(whole) // 40), len(whole) - 1]
    for harmed in [
        b"",
        whole[:-1],
        whole + b"\0",
        *(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in spots),
    ]:
        path.write_bytes(harmed)
        with again(workspace) as opened:
            assert opened.verify() == [f"references/{path.name} is not what was written"]
            with pytest.raises(InvariantError, match="remove it, and it is made anew"):
                opened.ingest(day[1])
            assert opened.status()["runs"] == 0
    path.unlink()
    with again(workspace) as opened:
        assert opened.verify() == []
        assert opened.ingest(day[1]).run.ordinal == 1
        assert path.read_bytes() == whole
        assert opened.verify() == []


def test_one_of_other_data_under_its_name_is_seen(workspace, day, tmp_path):
    """Sound by its own hash, and not what the copy compiles to."""
    with md.Workspace.init(tmp_path / "other", RULES, without_some(day[0], tmp_path / "poor")) as other:
        content = compiled(other)[0].read_bytes()
    (path,) = compiled(workspace)
    path.write_bytes(content)
    told = f"{path.name} {workspace.place.disk.hash(path)}"
    workspace.place.catalogue.set({"compiled": told.encode()})
    assert workspace.verify() == [f"references/{path.name} is not what its reference data compile to"]
    with again(workspace) as opened, pytest.raises(InvariantError, match="not what was copied"):
        opened.ingest(day[1])


@pytest.mark.parametrize("before", ["another form", "no form", "no setting"])
def test_what_an_older_version_has_left_is_compiled_anew_once(day, tmp_path, monkeypatch, reads, before):
    with monkeypatch.context() as patched:
        if before == "another form":
            patched.setattr(pinned, "FORM", "0-little")
        workspace = md.Workspace.init(tmp_path / "ws", RULES, day[0])
    (old,) = compiled(workspace)
    if before != "another form":
        old.unlink()
    if before == "no setting":
        connection = sqlite3.connect(workspace.root / NAME)
        connection.execute("DELETE FROM setting WHERE name = 'compiled'")
        connection.commit()
        connection.close()
    for times, path in enumerate(day[1]):
        reads.clear()
        with again(workspace) as opened:
            opened.ingest([path])
            assert len(reads) == (times == 0)
            assert [path.name for path in compiled(opened)] == [f"{opened.rulebook().reference_hash}.{FORM}"]
            assert opened.verify() == []
    workspace.close()


def test_only_the_form_in_force_is_kept_and_old_runs_can_be_replayed(workspace, day, tmp_path, reads):
    first = workspace.ingest(day[1][:1]).run
    left = workspace.root / "references" / ".of-somebody-who-died"
    left.mkdir()
    workspace.use(RULES, without_some(day[0], tmp_path / "poor"))
    second = workspace.ingest(day[1][1:]).run
    assert first.reference_hash != second.reference_hash
    assert [path.name for path in compiled(workspace)] == [f"{second.reference_hash}.{FORM}"]
    assert not left.exists()
    for run in (first, second):
        reads.clear()
        with again(workspace) as opened:
            assert opened.replay(run.ordinal).same
            assert len(reads) == (run is first)
    assert workspace.verify() == []
    workspace.use(RULES, day[0])
    assert [path.name for path in compiled(workspace)] == [f"{first.reference_hash}.{FORM}"]
    workspace.use(RULES)
    assert compiled(workspace) == []


def test_a_half_written_form_is_nobodys(workspace, day, monkeypatch):
    """Interrupted before the catalogue names it: the run before it stands, and the next one comes by."""
    shutil.copy(compiled(workspace)[0], workspace.root / "references" / ".half")
    compiled(workspace)[0].rename(workspace.root / "references" / f"{'0' * 64}.{FORM}")
    with again(workspace) as opened:
        opened.ingest(day[1])
        assert len(compiled(opened)) == 1
        assert opened.verify() == []
