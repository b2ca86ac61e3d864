"""The workspace's protocol, weakened in one place each: every one must cost something that a history shows.

Conventions
-----------
- A weakening replaces functions of `protocol`, or what `Methods` holds.
- Two that one might look for are not here, because they cannot matter. A sync after recovery has removed what was
  staged: what comes back has a name that no attempt has again, nothing names it, and the next recovery removes it. And
  O_EXCL alone: only an attempt whose name is not its own can find a file in its way; so both are dropped together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mediation.workspace import protocol
from mediation.workspace.protocol import RUNS, STAGING, Place
from mediation.workspace.rows import Noted, Run
from tests.simulated_disk import File, SimulatedCatalogue, SimulatedDisk, Writer, opened
from tests.toy_history import INBOX, ROOT, Methods


class Weakening(NamedTuple):
    """A name, what it holds instead, and functions of `protocol` by name."""

    name: str
    methods: Methods
    functions: dict[str, Callable]


def weakening(name: str, *, disk: Any = None, catalogue: Any = None, methods: type = Methods, **functions: Callable):
    """A weakening."""
    instance = methods()
    if disk:
        instance.disk = disk
    if catalogue:
        instance.catalogue = catalogue
    return Weakening(name, instance, functions)


# ---------------------------------------------------------------------------------------- syncs left out


def deaf(function: str, of: Callable[[Path], bool]) -> type[SimulatedDisk]:
    """A disk that does not sync such folders when that function asks for it."""

    class Deaf(SimulatedDisk):
        def sync_folder(self, path: Path) -> None:
            if sys._getframe(1).f_code.co_name != function or not of(path):
                super().sync_folder(path)

    return Deaf


class NeverSyncsFiles(SimulatedDisk):
    @contextmanager
    def create(self, path: Path) -> Iterator[Writer]:
        file = File()
        self.step(lambda: self._new(path, file))
        yield Writer(self, file)


def ensure_folder_trusting_what_is_there(place: Place, folder: Path) -> None:
    if not place.disk.exists(folder):
        place.disk.make_folder(folder)
        place.disk.sync_folder(folder.parent)


def publish_trusting_what_is_there(place: Place, run: Run) -> None:
    staged, published = ROOT / STAGING / run.attempt, ROOT / RUNS / run.folder
    if place.disk.exists(staged):
        place.disk.rename(staged, published)
        place.disk.sync_folder(ROOT / RUNS)
        place.disk.sync_folder(ROOT / STAGING)
    place.catalogue.published(run.ordinal)


def finish_moves_trusting_what_is_there(place: Place) -> None:
    for move in place.catalogue.moves():
        source, target = Path(move.source), Path(move.target)
        if place.disk.exists(source) and place.disk.hash(source) == move.file_hash:
            protocol._ensure_folder(place, target.parent)
            place.disk.rename(source, target)
            place.disk.sync_folder(target.parent)
            place.disk.sync_folder(source.parent)
        place.catalogue.moved([move])


# --------------------------------------------------------------------------------------- another order


def commit_after_rename(place: Place, run: Run, noted: Noted) -> None:
    place.disk.sync_folder(ROOT / STAGING / run.attempt)
    place.disk.sync_folder(ROOT / STAGING)
    place.disk.rename(ROOT / STAGING / run.attempt, ROOT / RUNS / run.folder)
    place.disk.sync_folder(ROOT / RUNS)
    place.disk.sync_folder(ROOT / STAGING)
    place.catalogue.commit(run._replace(attempt=None), noted)
    protocol.finish_moves(place)
    protocol.finish_removals(place)


def commit_after_moves(place: Place, run: Run, noted: Noted) -> None:
    place.catalogue.add_moves(noted.moves)
    protocol.finish_moves(place)
    _commit(place, run, noted._replace(moves=[]))


def commit_before_syncs(place: Place, run: Run, noted: Noted) -> None:
    place.catalogue.commit(run, noted)
    place.disk.sync_folder(ROOT / STAGING / run.attempt)
    place.disk.sync_folder(ROOT / STAGING)
    protocol.publish(place, run)
    protocol.finish_moves(place)
    protocol.finish_removals(place)


def publish_noted_before_syncs(place: Place, run: Run) -> None:
    staged, published = ROOT / STAGING / run.attempt, ROOT / RUNS / run.folder
    if place.disk.exists(staged):
        place.disk.rename(staged, published)
    place.catalogue.published(run.ordinal)
    place.disk.sync_folder(ROOT / RUNS)
    place.disk.sync_folder(ROOT / STAGING)


def publish_noted_before_rename(place: Place, run: Run) -> None:
    place.catalogue.published(run.ordinal)
    _publish(place, run)


def finish_moves_noted_before_rename(place: Place) -> None:
    moves = place.catalogue.moves()
    place.catalogue.moved(moves)
    for move in moves:
        protocol._ensure_folder(place, Path(move.target).parent)
        place.disk.rename(Path(move.source), Path(move.target))


def finish_moves_of_any_content(place: Place) -> None:
    moves = place.catalogue.moves()
    for move in moves:
        if place.disk.exists(Path(move.source)):
            protocol._ensure_folder(place, Path(move.target).parent)
            place.disk.rename(Path(move.source), Path(move.target))
            place.disk.sync_folder(Path(move.target).parent)
            place.disk.sync_folder(Path(move.source).parent)
    place.catalogue.moved(moves)


def commit_after_removal(place: Place, run: Run, noted: Noted) -> None:
    for removal in noted.removals:
        if place.disk.exists(ROOT / removal.path):
            place.disk.remove(ROOT / removal.path)
    _commit(place, run, noted)


def finish_removals_noted_before_sync(place: Place) -> None:
    removals = place.catalogue.removals()
    for removal in removals:
        if place.disk.exists(ROOT / removal.path):
            place.disk.remove(ROOT / removal.path)
    place.catalogue.removed(removals)


def finish_removals_trusting_what_is_gone(place: Place) -> None:
    removals = place.catalogue.removals()
    for removal in removals:
        if place.disk.exists(ROOT / removal.path):
            place.disk.remove(ROOT / removal.path)
            place.disk.sync_folder((ROOT / removal.path).parent)
    if removals:
        place.catalogue.removed(removals)


def finish_removals_noted_first(place: Place) -> None:
    removals = place.catalogue.removals()
    if removals:
        place.catalogue.removed(removals)
    for removal in removals:
        place.disk.remove(ROOT / removal.path)
        place.disk.sync_folder((ROOT / removal.path).parent)


# ------------------------------------------------------------------------------------------- recovery


def _remove_staged(place: Place) -> None:
    for name in place.disk.names(ROOT / STAGING):
        place.disk.remove(ROOT / STAGING / name)


def recover_deleting_first(place: Place) -> None:
    place.catalogue.settle()
    _remove_staged(place)
    _recover(place)


def recover_without_publishing(place: Place) -> None:
    protocol.finish_moves(place)
    protocol.finish_removals(place)
    place.catalogue.settle()
    _remove_staged(place)


def recover_without_removing(place: Place) -> None:
    for run in place.catalogue.unpublished():
        protocol.publish(place, run)
    protocol.finish_moves(place)
    if place.disk.names(ROOT / STAGING):
        place.catalogue.settle()
        _remove_staged(place)


def recover_settling_last(place: Place) -> None:
    for run in place.catalogue.unpublished():
        protocol.publish(place, run)
    protocol.finish_moves(place)
    protocol.finish_removals(place)
    _remove_staged(place)
    place.catalogue.settle()


def recover_leaving_what_is_staged(place: Place) -> None:
    for run in place.catalogue.unpublished():
        protocol.publish(place, run)
    protocol.finish_moves(place)
    protocol.finish_removals(place)


class OneNameForAll(Methods):
    def attempt(self, number: int) -> str:
        return "attempt"


class Abandons(Methods):
    def failed(self, place: Place, attempt: str) -> None:
        protocol.abandon(place, attempt)


class WritesOverWhatIsThere(SimulatedDisk):
    def make_folder(self, path: Path) -> None:
        if not self.exists(path):
            super().make_folder(path)

    @contextmanager
    def create(self, path: Path) -> Iterator[Writer]:
        if self.exists(path):
            file = self._node(path)
            file.synced = False
            yield Writer(self, file)
            self.step(lambda: setattr(file, "synced", True))
        else:
            with super().create(path) as writer:
                yield writer


# ------------------------------------------------------------------------------------------ catalogue


class NotesRepeatsFirst(SimulatedCatalogue):
    def commit(self, run: Run, noted: Noted) -> None:
        self.add_moves([], noted.repeats)
        super().commit(run, noted._replace(repeats=[]))


class CommitsInTwo(SimulatedCatalogue):
    def commit(self, run: Run, noted: Noted) -> None:
        super().commit(run, noted._replace(artifacts=[], moves=[]))
        with self._transaction():
            self._insert("artifact", noted.artifacts)
            self._insert("move", noted.moves)


class ForgetsContent(SimulatedCatalogue):
    def __init__(self, connection: Any, disk: SimulatedDisk):
        super().__init__(opened(connection.serialize()), disk)
        self._connection.execute("DROP INDEX content_once")

    def run_of_content(self, content_hash: str) -> int | None:
        return None


class NeverSettles(SimulatedCatalogue):
    def settle(self) -> None:
        pass


_commit, _publish, _recover = protocol.commit, protocol.publish, protocol.recover

WEAKENINGS = [
    weakening("files are not synced", disk=NeverSyncsFiles),
    weakening("a table's folder is not synced", disk=deaf("_write", lambda path: True)),
    weakening("the staged folder is not synced", disk=deaf("commit", lambda path: path.parent.name == STAGING)),
    weakening("staging/ is not synced before the commit", disk=deaf("commit", lambda path: path.name == STAGING)),
    weakening("runs/ is not synced", disk=deaf("publish", lambda path: path.name == RUNS)),
    weakening("staging/ is not synced after the rename", disk=deaf("publish", lambda path: path.name == STAGING)),
    weakening("a new done/ is not synced", disk=deaf("_ensure_folder", lambda path: True)),
    weakening("done/ is trusted to last", _ensure_folder=ensure_folder_trusting_what_is_there),
    weakening("done/ is not synced after a move", disk=deaf("finish_moves", lambda path: path.name == "done")),
    weakening("the inbox is not synced after a move", disk=deaf("finish_moves", lambda path: path == INBOX)),
    weakening("a finished rename is trusted to last", publish=publish_trusting_what_is_there),
    weakening("a finished move is trusted to last", finish_moves=finish_moves_trusting_what_is_there),
    weakening("rename before the commit", commit=commit_after_rename),
    weakening("move before the commit", commit=commit_after_moves),
    weakening("commit before the syncs", commit=commit_before_syncs),
    weakening("published before the syncs", publish=publish_noted_before_syncs),
    weakening("published before the rename", publish=publish_noted_before_rename),
    weakening("moved before the rename", finish_moves=finish_moves_noted_before_rename),
    weakening("whatever has the input's name is moved", finish_moves=finish_moves_of_any_content),
    weakening("removal before the commit", commit=commit_after_removal),
    weakening("removed before the sync", finish_removals=finish_removals_noted_before_sync),
    weakening("removed before the removal", finish_removals=finish_removals_noted_first),
    weakening("a finished removal is trusted to last", finish_removals=finish_removals_trusting_what_is_gone),
    weakening("recovery does not remove what was given up", recover=recover_without_removing),
    weakening("recovery deletes before it publishes", recover=recover_deleting_first),
    weakening("recovery does not publish", recover=recover_without_publishing),
    weakening("recovery settles after it has deleted", recover=recover_settling_last),
    weakening("recovery does not settle", catalogue=NeverSettles),
    weakening("an attempt's name is not its own", methods=OneNameForAll, recover=recover_leaving_what_is_staged),
    weakening(
        "files are written over",
        methods=OneNameForAll,
        disk=WritesOverWhatIsThere,
        recover=recover_leaving_what_is_staged,
    ),
    weakening("a failed commit's files are removed", methods=Abandons),
    weakening("a commit is two transactions", catalogue=CommitsInTwo),
    weakening("repeats are noted before the commit", catalogue=NotesRepeatsFirst),
    weakening("content may come twice", catalogue=ForgetsContent),
]
