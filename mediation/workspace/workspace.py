"""A folder that lasts: runs of many days, exactly once, and what can be asked of them.

Conventions
-----------
- `catalogue.sqlite` is the truth; `runs/` holds what is committed, whole runs only; `staging/` what is not yet;
  `rulebooks/` and `references/` the declarations that runs were made by, by content.
- One ingest at a time; readers are never blocked, and see what is committed.
- A workspace that is someone else's, writable by others, or of a newer version is refused.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediation.errors import InvariantError, NoInputError, OutputError, TemporaryError
from mediation.pipeline.disk import Disk
from mediation.rulebook import Rulebook, load_rulebook
from mediation.workspace import edited, history, ingest, merging, pinned, protocol, replay, retention, suspense
from mediation.workspace import status as told
from mediation.workspace import verify as checked
from mediation.workspace.catalogue import NAME, Catalogue
from mediation.workspace.pinned import REFERENCES, RULEBOOKS
from mediation.workspace.protocol import RUNS, STAGING, Place
from mediation.workspace.rows import VERSION, Run

if TYPE_CHECKING:
    import pyarrow as pa

LOCK = "lock"
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
ASK_AGAIN_S = 0.05


class Workspace:
    """An open workspace. A context manager.

    Parameters
    ----------
    path : path-like
        Made by `Workspace.init`.
    disk : Disk, optional

    Raises
    ------
    InvariantError
        It is damaged, a newer version's, or others may write into it. An older version's is brought up to date.
    """

    def __init__(self, path: str | os.PathLike, disk: Disk | None = None):
        self.root = Path(path).absolute()
        self._books: dict[tuple[str, str], Rulebook] = {}
        self._refuse_foreign()
        disk = disk or Disk()
        _refuse_network(disk, self.root)
        self.place = Place(self.root, disk, Catalogue.open_file(self.root / NAME))
        if self.place.catalogue.version < VERSION:
            try:
                with self.locked(0.0):
                    pass  # which brings it up to date
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalogue."""
        self.place.catalogue.close()

    def _refuse_foreign(self) -> None:
        try:
            found = self.root.lstat()
        except OSError as error:
            raise InvariantError(f"{self.root}: no workspace: {error.strerror}") from error
        if not stat.S_ISDIR(found.st_mode) or not (self.root / NAME).exists():
            raise InvariantError(f"{self.root}: no workspace: `mediation init` makes one")
        if found.st_uid != os.geteuid() or found.st_mode & OTHERS_MAY_WRITE:
            raise InvariantError(
                f"{self.root}: another user's, or others may write into it: see who has, then chmod 700"
            )

    @classmethod
    def init(cls, path: str | os.PathLike, rulebook: str | os.PathLike, reference: str | os.PathLike | None = None):
        """Make a workspace.

        Parameters
        ----------
        path : path-like
            Must not exist; its parent must.
        rulebook, reference : path-like
            Folders, as of `load_rulebook`; what they hold is copied.

        Raises
        ------
        OutputError
            `path` exists or cannot be made.
        RulebookError
        """
        root, disk = Path(path).absolute(), Disk()
        _refuse_network(disk, root.parent)
        book = load_rulebook(rulebook, reference)  # before anything is made
        try:
            disk.make_folder(root)
        except OSError as error:
            raise OutputError(f"{root}: cannot be made: {error.strerror}") from error
        for name in (STAGING, RUNS, RULEBOOKS, REFERENCES):
            disk.make_folder(root / name)
        with disk.create(root / LOCK):
            pass
        settings = pinned.pin(disk, root, book, rulebook, reference)
        half_made = root / f".{NAME}"
        connection = Catalogue.connect(half_made, new=True)
        Catalogue.create(connection, {"secret": secrets.token_bytes(16), **settings}).close()
        disk.rename(half_made, root / NAME)  # closed, it has no other files
        for folder in (root / RULEBOOKS, root / REFERENCES, root, root.parent):
            disk.sync_folder(folder)
        return cls(root)

    # ---------------------------------------------------------------------------------------- rule books

    def rulebook(self, rulebook_hash: str | None = None, reference_hash: str | None = None) -> Rulebook:
        """The rule book that the next run is made by, or one that an earlier run was made by.

        Raises
        ------
        InvariantError
            The workspace's copy is not what was copied.
        NoInputError
            An earlier run's reference data were given up since.
        """
        if rulebook_hash is None or reference_hash is None:
            rulebook_hash, reference_hash = pinned.in_force(self.place.catalogue)
        if (rulebook_hash, reference_hash) not in self._books:
            book = pinned.load(self.place, rulebook_hash, reference_hash)
            self._books = {(rulebook_hash, reference_hash): book}  # the last one only: they are large
        return self._books[rulebook_hash, reference_hash]

    def use(self, rulebook: str | os.PathLike, reference: str | os.PathLike | None = None) -> None:
        """Make the next runs by another rule book or other reference data."""
        book = load_rulebook(rulebook, reference)
        with self.locked(0):
            self.place.catalogue.set(pinned.pin(self.place.disk, self.root, book, rulebook, reference))
            pinned.forget_compiled(self.place)

    def _book_in_force(self) -> Rulebook:
        """The next run's, for who writes."""
        book = self.rulebook()
        pinned.keep_compiled(self.place, book)
        return book

    # -------------------------------------------------------------------------------------------- runs

    @contextmanager
    def locked(self, wait_s: float) -> Iterator[None]:
        """Be the only one who writes; what an interrupted run has left is put right first.

        Raises
        ------
        TemporaryError
            Somebody else writes, and did not end in time; or the system does not let us.
        """
        import fcntl  # where there is none, a workspace can still be read

        try:
            handle = os.open(self.root / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise TemporaryError(f"{self.root}: cannot be locked: {error.strerror}") from error
        try:
            until = time.monotonic() + wait_s
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise TemporaryError(f"{self.root}: another run is writing: try again, or wait") from None
                    time.sleep(ASK_AGAIN_S)
            self.place.catalogue.upgrade(lambda: history.event_days(self.place))
            protocol.recover(self.place)
            yield
        finally:
            os.close(handle)

    def ingest(
        self,
        paths: Iterable,
        *,
        threads: int | None = None,
        wait_s: float = 0.0,
        on_progress: Callable[[Any], None] | None = None,
        merge: bool = True,
    ) -> ingest.Report:
        """Process files and commit what comes of them; again and again is the same as once.

        Parameters
        ----------
        paths : iterable of path
        threads : int, optional
            Default: as many as there are processors.
        wait_s : float
            How long to wait for another run to end.
        on_progress : callable, optional
            As of `write`.
        merge : bool
            Keep the history's segments few: where the run has filled a tier of them, they are put into one, in another
            run. When that fails, this one is committed all the same, and the report says what has failed.

        Raises
        ------
        TemporaryError
            Another run is writing, or I/O failed: nothing was committed.
        """
        with self.locked(wait_s):
            return self._ingest(paths, merge, threads=threads, on_progress=on_progress)

    def _ingest(self, paths: Iterable, merge: bool, **options: Any) -> ingest.Report:
        book = self._book_in_force()
        report = ingest.ingest(self.place, book, paths, **options)
        return merging.after(self.place, book, report) if merge else report

    def ingest_inbox(self, inbox: str | os.PathLike, **options: Any) -> ingest.Report | None:
        """Process the files in a folder, and move them to ``done/`` or ``quarantine/`` in it.

        Parameters
        ----------
        inbox : path-like
            Folders, links, and files whose names begin with a dot are left alone.
        **options
            As of `ingest`.

        Returns
        -------
        Report or None
            None where there are no files.

        Raises
        ------
        NoInputError
            There is no such folder.
        """
        folder, wait_s, merge = Path(inbox).absolute(), options.pop("wait_s", 0.0), options.pop("merge", True)
        if not folder.is_dir():
            raise NoInputError(f"{inbox}: no such folder")
        with self.locked(wait_s):
            there = [each for each in sorted(folder.iterdir()) if not each.name.startswith(".")]
            paths = [each for each in there if each.is_file() and not each.is_symlink()]
            if not paths:
                return None
            return self._ingest(paths, merge, inbox=folder, **options)

    def suspense(self, codes: Collection[str] = (), runs: Collection[int] = ()) -> list[dict]:
        """What waits to be rated again: run, code and items; of these codes and runs only, where any are named."""
        return suspense.chosen(self.place, codes, runs)

    def suspended(self, codes: Collection[str] = (), runs: Collection[int] = ()) -> pa.Table | None:
        """The rows that wait; None where there are none."""
        found = suspense.rows(self.place, self.suspense(codes, runs))
        return None if found is None else found.drop_columns(["run"])

    def copy_suspended(
        self, path: str | os.PathLike, codes: Collection[str] = (), runs: Collection[int] = ()
    ) -> int | None:
        """Write the rows that wait to a file that somebody can edit and give to `correct`: ``.csv`` or ``.parquet``.

        Returns
        -------
        int or None
            How many; None (and no file) where there are none.

        Raises
        ------
        OutputError
            The file exists or cannot be made.
        """
        target, found = Path(path), self.suspended(codes, runs)
        kind = edited.kind_of(target)
        if found is None or not found.num_rows:
            return None
        try:
            with Disk().create(target) as file:
                edited.write_copy(found, kind, file)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        return found.num_rows

    def correct(self, path: str | os.PathLike, *, wait_s: float = 0.0) -> suspense.Settling:
        """Rate waiting rows as an edited copy has them; the records that it does not hold wait on.

        Raises
        ------
        EditedCopyError
            With every fault of the copy; nothing was written.
        """
        with self.locked(wait_s):
            return suspense.correct(self.place, self.rulebook(), Path(path))

    def recycle(
        self, codes: Collection[str] = (), runs: Collection[int] = (), *, wait_s: float = 0.0
    ) -> suspense.Settling:
        """Rate what waits again, by the rule book of today: what still cannot be charged waits on, in the new run."""
        with self.locked(wait_s):
            return suspense.settle(self.place, self.rulebook(), self.suspense(codes, runs), write_off=False)

    def write_off(
        self, codes: Collection[str] = (), runs: Collection[int] = (), *, wait_s: float = 0.0
    ) -> suspense.Settling:
        """Give up what waits: it is counted as written off, and never charged."""
        with self.locked(wait_s):
            return suspense.settle(self.place, self.rulebook(), self.suspense(codes, runs), write_off=True)

    def retire(self, *, dry_run: bool = False, wait_s: float = 0.0) -> tuple[Run | None, retention.Plan]:
        """Give up what is older than the rule book's `[retention]` keeps; or, in a dry run, say only what that is."""
        with self.locked(wait_s):
            found = retention.plan(self.place, self.rulebook())
            return None if dry_run else retention.retire(self.place, self.rulebook(), found), found

    def merge(self, *, wait_s: float = 0.0) -> Run | None:
        """Put more of the history's segments into one than an ingest does; None where there is nothing to gain."""
        with self.locked(wait_s):
            return merging.merge(self.place, self.rulebook())

    def replay(self, which: str | int, *, threads: int | None = None, wait_s: float = 0.0) -> replay.Replayed:
        """Compute a committed run again, by ordinal or by the beginning of its id; its digest must be the same."""
        with self.locked(wait_s):
            run = replay.find(self.place, which)
            book = self.rulebook(run.rulebook_hash, run.reference_hash)
            return replay.replay(self.place, run, book, threads)

    # --------------------------------------------------------------------------------------- questions

    def tables(self) -> dict[str, Any]:
        """Name -> Arrow dataset (rated, rejects, suspended, duplicates) or table (files, runs) of what is committed."""
        return told.tables(self.place)

    def status(self) -> dict:
        """Runs, files, gaps in sequences, suspense by code, totals and the last link of the certificates."""
        return told.status(self.place)

    def verify(self) -> list[str]:
        """Recompute every hash, total and equation from the files; every fault, none where all is well."""
        faults = checked.verify(self.place)
        return faults + pinned.faults(self.place)


def _refuse_network(disk: Disk, folder: Path) -> None:
    if (kind := disk.network(folder)) is not None:
        raise InvariantError(f"{folder}: on {kind}, whose locks and syncs cannot be relied upon: use a local disk")
