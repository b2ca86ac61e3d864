"""A disk and a catalogue that fail on demand, in the place of `pipeline.disk.Disk` and the workspace's `Catalogue`.

Conventions
-----------
- Every change is a numbered step; a fault is a kind of misfortune at a step. Deadly ones raise `Died`, and everything
  fails until `reboot`; the others raise what the system would.
- A kill loses nothing that was written. A power failure takes any subset of the changes to folders that no sync has
  covered, and tears, empties or zeroes files that were not synced. A rename is one change of two folders: it has
  happened or not, and is certain when both were synced.
- A sync of a folder that fails leaves its changes uncertain, or stops the file system until it is mounted again, as
  journalling ones do.
- A transaction is one step, on SQLite in memory. One that fails may have happened; or it shows only after the next
  start, because its frames are in the log, unless a later one has overwritten them.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mediation.errors import TemporaryError
from mediation.workspace.catalogue import Catalogue

KILL = "kill"
LOSE, KEEP, SOME = "power, all unsynced lost", "power, all unsynced kept", "power, some unsynced lost"
BEFORE, AFTER = "error, nothing done", "error, but done"
STOP = "error, and the disk stops"
PHANTOM = "error, and done after the next start"
POWER = (LOSE, KEEP, SOME)
DEADLY = (KILL, *POWER)
ERRORS = (BEFORE, AFTER, STOP, PHANTOM)


class Died(BaseException):
    """The process is no more."""


class File:
    """What a file holds, and whether that is on disk."""

    __slots__ = ("data", "synced")

    def __init__(self, data: bytes = b"", synced: bool = False):
        self.data, self.synced = data, synced

    def tear(self, kind: str, chance: random.Random) -> None:
        """Lose what a power failure may take."""
        if not self.synced and kind != KEEP:
            cut = 0 if kind == LOSE else chance.randint(0, len(self.data))
            self.data = self.data[:cut] + b"\0" * (len(self.data) - cut) * chance.randint(0, 1)
        self.synced = True


class Folder:
    """The names in a folder: as they are seen, and as they are on disk; which change last set each of those."""

    __slots__ = ("lasting", "names", "set_by")

    def __init__(self) -> None:
        self.names: dict[str, File | Folder] = {}
        self.lasting: dict[str, File | Folder] = {}
        self.set_by: dict[str, int] = {}

    def tear(self, kind: str, chance: random.Random) -> None:
        """See what is on disk."""
        self.names = dict(self.lasting)
        for each in self.names.values():
            each.tear(kind, chance)


class Change:
    """Names that are set or taken away together, and the folders whose sync it still waits for."""

    __slots__ = ("names", "number", "waits")

    def __init__(self, number: int, names: list[tuple[Folder, str, File | Folder | None]]):
        self.number, self.names, self.waits = number, names, {folder for folder, _, _ in names}

    def last(self) -> None:
        """Be on disk, unless a later change of the same name is."""
        for folder, name, node in self.names:
            if folder.set_by.get(name, -1) < self.number:
                folder.set_by[name] = self.number
                if node is None:
                    folder.lasting.pop(name, None)
                else:
                    folder.lasting[name] = node


class SimulatedDisk:
    """`Disk` in memory.

    Parameters
    ----------
    faults : dict
        Kind of fault by the number of its step.
    seed : int
        Of what a power failure takes.
    """

    def __init__(self, faults: dict[int, str], seed: int = 0):
        self.faults, self.chance = faults, random.Random(seed)
        self.root, self.steps, self.changes = Folder(), 0, 0
        self.pending: list[Change] = []
        self.fell: str | None = None
        self.stopped = False

    # -------------------------------------------------------------------------------------------- faults

    def step(self, act: Callable[[], None], half: Callable[[], None] = lambda: None) -> str | None:
        """Do `act`, or what a fault leaves of it; kinds that only a catalogue knows are returned."""
        if self.fell:
            raise Died
        if self.stopped:
            raise OSError(errno.EROFS, "the disk has stopped")
        self.steps += 1
        kind = self.faults.get(self.steps)
        if kind is None:
            act()
        elif kind in DEADLY:
            half()
            self.fell = kind
            raise Died
        elif kind == AFTER:
            act()
            raise OSError(errno.EIO, kind)
        else:
            half()
            self.stopped = kind == STOP
            raise OSError(errno.EIO, kind)
        return None

    def reboot(self) -> None:
        """Start again after a death, or mount a disk again that has stopped."""
        kind = self.fell or SOME
        self.fell, self.stopped = None, False
        if kind == KILL:
            return
        for change in self.pending:
            if kind == KEEP or (kind == SOME and self.chance.random() < 0.5):
                change.last()
        self.pending = []
        self.root.tear(kind, self.chance)

    # --------------------------------------------------------------------------------------------- names

    def _node(self, path: Path) -> File | Folder:
        node: File | Folder = self.root
        for name in path.parts[1:]:
            if not isinstance(node, Folder) or name not in node.names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            node = node.names[name]
        return node

    def _folder(self, path: Path) -> Folder:
        node = self._node(path)
        if not isinstance(node, Folder):
            raise NotADirectoryError(errno.ENOTDIR, "no folder", str(path))
        return node

    def _change(self, *names: tuple[Folder, str, File | Folder | None]) -> None:
        self.changes += 1
        for folder, name, node in names:
            if node is None:
                del folder.names[name]
            else:
                folder.names[name] = node
        self.pending.append(Change(self.changes, list(names)))

    def _new(self, path: Path, node: File | Folder) -> None:
        folder = self._folder(path.parent)
        if path.name in folder.names:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        self._change((folder, path.name, node))

    def arrive(self, path: Path, node: File | Folder) -> None:
        """Somebody else puts something there, for good."""
        folder = self._folder(path.parent)
        self.changes += 1
        folder.names[path.name] = folder.lasting[path.name] = node
        folder.set_by[path.name] = self.changes

    # --------------------------------------------------------------------------------------- as of `Disk`

    def make_folder(self, path: Path) -> None:
        self.step(lambda: self._new(path, Folder()))

    @contextmanager
    def create(self, path: Path) -> Iterator[Writer]:
        file = File()
        self.step(lambda: self._new(path, file))
        yield Writer(self, file)
        self.step(lambda: setattr(file, "synced", True))

    def rename(self, source: Path, target: Path) -> None:
        def act() -> None:
            node, old, new = self._node(source), self._folder(source.parent), self._folder(target.parent)
            there = new.names.get(target.name)
            if isinstance(there, Folder) and there.names:
                raise OSError(errno.ENOTEMPTY, "not empty", str(target))
            self._change((old, source.name, None), (new, target.name, node))

        self.step(act)

    def sync_folder(self, path: Path) -> None:
        def act() -> None:
            folder = self._folder(path)
            for change in self.pending:
                change.waits.discard(folder)
                if not change.waits:
                    change.last()
            self.pending = [change for change in self.pending if change.waits]

        self.step(act)

    def remove(self, path: Path) -> None:
        node = self._node(path)
        for name in list(node.names) if isinstance(node, Folder) else ():
            self.remove(path / name)
        self.step(lambda: self._change((self._folder(path.parent), path.name, None)))

    def names(self, path: Path) -> list[str]:
        return sorted(self._folder(path).names)

    def exists(self, path: Path) -> bool:
        try:
            self._node(path)
        except OSError:
            return False
        return True

    def hash(self, path: Path) -> str:
        return content_hash(self.read(path)) if self.exists(path) else ""

    def read(self, path: Path) -> bytes:
        """What a file holds."""
        node = self._node(path)
        if not isinstance(node, File):
            raise IsADirectoryError(errno.EISDIR, "a folder", str(path))
        return node.data

    def files(self, path: Path) -> dict[str, bytes]:
        """Every file under a folder."""
        found = {}
        for name in self.names(path):
            if isinstance(self._node(path / name), Folder):
                found |= {f"{name}/{below}": data for below, data in self.files(path / name).items()}
            else:
                found[name] = self.read(path / name)
        return found


class Writer:
    """A file that is being written; a fault leaves half of what was to be written."""

    def __init__(self, disk: SimulatedDisk, file: File):
        self._disk, self._file = disk, file

    def write(self, data: bytes) -> int:
        def add(piece: bytes) -> None:
            self._file.data += piece

        self._disk.step(lambda: add(data), lambda: add(data[: len(data) // 2]))
        return len(data)


class SimulatedCatalogue(Catalogue):
    """`Catalogue` on SQLite in memory, whose transactions are steps of a simulated disk."""

    phantom: bytes | None = None

    def __init__(self, connection: sqlite3.Connection, disk: SimulatedDisk):
        super().__init__(connection)
        self._disk = disk

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        phantom = self._disk.faults.get(self._disk.steps + 1) == PHANTOM and not self._disk.fell
        done = False
        before = self._connection.serialize() if phantom else b""

        def act() -> None:
            nonlocal done
            done = True

        try:
            self._disk.step(act, act if phantom else lambda: None)
        except OSError as error:
            failure: TemporaryError | None = TemporaryError(f"the catalogue cannot be written: {error}")
        else:
            failure = None
        if not done:
            raise failure
        with super()._transaction():
            yield
        if phantom:
            self.phantom = self._connection.serialize()
            self._connection = opened(before)
        else:
            self.phantom = None
        if failure:
            raise failure

    def reboot(self) -> None:
        """See what the log holds."""
        if self.phantom is not None:
            self._connection = opened(self.phantom)
            self.phantom = None


def content_hash(data: bytes) -> str:
    """Of a simulated file."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def opened(image: bytes) -> sqlite3.Connection:
    """A new connection to a catalogue in memory; an old one would keep statements of what it held before."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(image)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@functools.cache
def _blank() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    Catalogue.create(connection, {"secret": b"x"})
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def blank() -> sqlite3.Connection:
    """An empty catalogue: the same one again, because preparing its statements is half of a history."""
    for table in ("move", "removal", "repeat", "dropped", "collected", "artifact", "source", "run"):
        _blank().execute(f"DELETE FROM {table}")
    return _blank()
