"""A run that is being made: its staged folder, every file that is written into it, and what is committed of it.

Conventions
-----------
- A run depends on what its id is the hash of, and on nothing else: the same work on the same state is the same run.
- Every file is hashed while it is written; the certificates' links are a chain of hashes over all of it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import blake3

from mediation.errors import TemporaryError
from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.disk import Disk
from mediation.workspace import protocol
from mediation.workspace.protocol import Place
from mediation.workspace.rows import Artifact, Noted, Run, SourceRow

NO_PARENT = "0" * 64
SUMMED = (
    *(*INTO, *OUT_OF, "conflicts", "files_refused", "bytes_refused", "bytes_in", "bytes_accounted"),
    *("wholesale_micro", "retail_micro"),
)
OF_RUN = (*SUMMED, "files", "file_bytes", "digest", "exceptions", "oldest_suspended", "tzdata")


class _Hashed:
    """A file whose bytes are hashed as they are written."""

    closed = False

    def __init__(self, file: Any):
        self._file, self._hash, self.bytes = file, blake3.blake3(), 0
        self.flush, self.close = file.flush, file.close

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            self._hash.update(view)
            self.bytes += view.nbytes
        self._file.write(data)
        return len(data)

    def tell(self) -> int:
        return self.bytes

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class Recorder:
    """A disk that notes size and hash of every file that is created in one run's folder."""

    def __init__(self, disk: Disk, run: int, folder: Path):
        self._disk, self._run, self._folder = disk, run, folder
        self.artifacts: dict[str, Artifact] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    @contextmanager
    def create(self, path: Path) -> Iterator[Any]:
        """A new file for writing."""
        with self._disk.create(path) as file:
            hashed = _Hashed(file)
            yield hashed
        name = path.relative_to(self._folder).as_posix()
        self.artifacts[name] = Artifact(self._run, name, hashed.bytes, hashed.hexdigest())

    def remove(self, path: Path) -> None:
        """Remove a file of the run."""
        self._disk.remove(path)
        self.artifacts.pop(path.relative_to(self._folder).as_posix(), None)


@contextmanager
def staged(place: Place) -> Iterator[Staged]:
    """The next run of a workspace, to be committed or abandoned; what the disk refuses is a `TemporaryError`."""
    try:
        yield Staged(place)
    except OSError as error:
        raise TemporaryError(f"{place.root}: writing failed: {error.strerror or error}; run it again") from error


class Staged:
    """A run that is being made.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    """

    def __init__(self, place: Place):
        self._place, self._last, self.attempt = place, place.catalogue.last_run(), secrets.token_hex(8)
        self.ordinal = 1 if self._last is None else self._last.ordinal + 1
        self.folder = protocol.stage(place, self.attempt)
        self.disk: Any = Recorder(place.disk, self.ordinal, self.folder)

    def abandon(self) -> None:
        """Forget it."""
        protocol.abandon(self._place, self.attempt)

    def commit(self, kind: str, book: Any, arguments: dict, result: dict, noted: Noted = Noted()) -> Run:  # noqa: B008
        """Commit and publish it; `result` is what its run.json holds."""
        last, noted = self._last, noted._replace(artifacts=sorted(self.disk.artifacts.values()))
        parent, link = (NO_PARENT, NO_PARENT) if last is None else (last.run_id, last.chain)
        made_by = result["version"], book.hash, book.reference_hash
        run_id = run_identity(parent, kind, *made_by, arguments)
        totals = {name: result[name] for name in OF_RUN}
        folder = folder_name(self.ordinal, run_id)
        sums = added({} if last is None else last.sums, totals)
        run = Run(self.ordinal, run_id, parent, kind, *made_by, arguments, totals, link, folder, self.attempt, sums)
        run = run._replace(chain=chain(run, noted.sources, noted.artifacts))
        protocol.commit(self._place, run, noted)
        return run


def added(sums: dict, totals: dict) -> dict:
    """The totals of all runs, with one more."""
    return {name: sums.get(name, 0) + totals[name] for name in SUMMED}


def run_identity(parent: str, kind: str, version: str, rulebook: str, reference: str, arguments: dict) -> str:
    """The id of a run: a hash of all that it depends on."""
    return blake3.blake3(json.dumps([parent, kind, version, rulebook, reference, arguments]).encode()).hexdigest()


def folder_name(ordinal: int, run_id: str) -> str:
    """Of a run, in `runs/`."""
    return f"{ordinal:08d}-{run_id[:16]}"


def chain(run: Run, sources: Sequence[SourceRow], artifacts: Sequence[Artifact]) -> str:
    """The certificate's link: a hash of the link before (in `run.chain`), and of what the run came to."""
    told = json.dumps([run.chain, run.run_id, run.totals, run.sums, sources, sorted(artifacts)], sort_keys=True)
    return blake3.blake3(told.encode()).hexdigest()
