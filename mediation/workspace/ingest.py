"""One run of a workspace: given files in, a committed run out, or nothing.

Conventions
-----------
- A run depends on what its id is the hash of, and on nothing else: the same files on the same state give the same run.
- A file whose content a run has accepted before is reported and takes no part; when no other is left there is no run.
- A refused file is part of the run, outside its equation, and may be given again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import blake3

from mediation.errors import InvariantError, TemporaryError
from mediation.pipeline.audit import INTO, OUT_OF
from mediation.pipeline.disk import Disk
from mediation.pipeline.engine import Past
from mediation.pipeline.output import write_run
from mediation.pipeline.run import Stream
from mediation.pipeline.sources import list_sources
from mediation.workspace import history, protocol
from mediation.workspace.catalogue import Artifact, Move, Run, SourceRow
from mediation.workspace.intake import Taken, take_in
from mediation.workspace.protocol import Place

NO_PARENT = "0" * 64
KEPT = "sources"
OF_SOURCE = (*INTO, *OUT_OF, "bytes_in", "conflicts", "sum_verified")
OF_RUN = (
    *(*INTO, *OUT_OF, "conflicts", "files", "files_refused", "bytes_refused", "bytes_in", "bytes_accounted"),
    *("file_bytes", "wholesale_micro", "retail_micro", "digest", "exceptions", "tzdata"),
)


class Report(NamedTuple):
    """What an ingest came to."""

    run: Run | None  # None: no new file was given
    repeats: list[Taken]
    result: dict  # what the run's run.json holds


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


def ingest(
    place: Place, book: Any, paths: Iterable, *, threads: int | None = None, inbox: Path | None = None
) -> Report:
    """Process files and commit what comes of them.

    Parameters
    ----------
    place : Place
        Locked, and recovered.
    book : Rulebook
        The workspace's.
    paths : iterable of path
    threads : int, optional
    inbox : Path, optional
        The files are moved from here to ``done/`` or ``quarantine/`` in it once the run is committed.
    """
    attempt = secrets.token_hex(8)
    last = place.catalogue.last_run()
    ordinal = 1 if last is None else last.ordinal + 1
    try:
        folder = protocol.stage(place, attempt)
        disk = Recorder(place.disk, ordinal, folder)
        disk.make_folder(folder / KEPT)
        given = list_sources(paths, book)
        taken = take_in(given, book, place.catalogue, disk, folder / KEPT, threads or 1)
        fresh = [each for each in taken if each.is_new]
        repeats = [each for each in taken if not each.is_new]
        if not fresh:
            protocol.abandon(place, attempt)
            place.catalogue.add_moves(_moves(place, inbox, repeats, set()))
            protocol.finish_moves(place)
            return Report(None, repeats, {})
        result = _write(place, book, [each.listed.path for each in fresh], folder, disk, threads)
        sources = _source_rows(ordinal, fresh, result, disk)
        disk.sync_folder(folder / KEPT)
        run = _run(ordinal, last, book, fresh, result, attempt)
        run = run._replace(chain=chain(run, sources, list(disk.artifacts.values())))
        refused = {source.name for source in sources if source.refused}
        protocol.commit(place, run, sources, list(disk.artifacts.values()), _moves(place, inbox, taken, refused))
        return Report(run, repeats, result)
    except OSError as error:
        raise TemporaryError(
            f"{place.root}: writing failed: {error.strerror or error}; nothing was committed"
        ) from error


def _write(place: Place, book: Any, paths: list[Path], folder: Path, disk: Any, threads: int | None) -> dict:
    secret = place.catalogue.setting("secret")
    past = Past(secret, history.opened(place, secret), place.catalogue.next_source_id())
    batches = Stream(paths, book, threads, past=past)
    try:
        result = write_run(batches, folder, disk)
        history.write(batches.admission, secret, folder, disk)
        disk.sync_folder(folder)
    finally:
        batches.close()
    return result


def _source_rows(run: int, fresh: list[Taken], result: dict, disk: Any) -> list[SourceRow]:
    """The run's files as it saw them; copies of refused ones are given up."""
    rows = []
    for each, found in zip(fresh, result["sources"], strict=True):
        listed, refused = each.listed, found["refused"]
        if refused is None and found["content_hash"] != each.content_hash:
            raise TemporaryError(f"{listed.name}: changed while it was read; nothing was committed")
        if refused is not None and each.kept is not None:
            disk.remove(each.kept)
        date = listed.date.isoformat() if listed.date else None
        named = (found["source_id"], run, listed.name, listed.feed, date, listed.sequence)
        counts = {name: found[name] for name in OF_SOURCE}
        rows.append(
            SourceRow(*named, each.content_hash, each.file_hash, listed.file_bytes, refused, found["detail"], counts)
        )
    return rows


def _run(ordinal: int, last: Run | None, book: Any, fresh: list[Taken], result: dict, attempt: str) -> Run:
    parent = NO_PARENT if last is None else last.run_id
    inputs = [each.content_hash or each.file_hash for each in fresh]
    kind, arguments = "ingest", {"inputs": inputs}
    run_id = run_identity(parent, kind, result["version"], book.hash, book.reference_hash, arguments)
    totals = {name: result[name] for name in OF_RUN}
    hashes = book.hash, book.reference_hash
    folder = folder_name(ordinal, run_id)
    parent_chain = NO_PARENT if last is None else last.chain
    return Run(
        ordinal, run_id, parent, kind, result["version"], *hashes, arguments, totals, parent_chain, folder, attempt
    )


def run_identity(parent: str, kind: str, version: str, rulebook: str, reference: str, arguments: dict) -> str:
    """The id of a run: a hash of all that it depends on."""
    return blake3.blake3(json.dumps([parent, kind, version, rulebook, reference, arguments]).encode()).hexdigest()


def folder_name(ordinal: int, run_id: str) -> str:
    """Of a run, in `runs/`."""
    return f"{ordinal:08d}-{run_id[:16]}"


def chain(run: Run, sources: list[SourceRow], artifacts: list[Artifact]) -> str:
    """The certificate's link: a hash of the link before (in `run.chain`), and of what the run came to."""
    told = json.dumps([run.chain, run.run_id, run.totals, sources, sorted(artifacts)], sort_keys=True)
    return blake3.blake3(told.encode()).hexdigest()


def _moves(place: Place, inbox: Path | None, taken: list[Taken], refused: set[str]) -> list[Move]:
    if inbox is None:
        return []
    moves = []
    for each in taken:
        name, path = each.listed.path.name, each.listed.path
        target = inbox / ("quarantine" if each.listed.name in refused else "done") / name
        if place.disk.exists(target):
            target = target.with_name(f"{name}.{each.file_hash[:16]}")
        if not each.file_hash:
            raise InvariantError(f"{each.listed.name}: cannot be read, and so not be moved")
        moves.append(Move(str(path.absolute()), str(target.absolute()), each.file_hash))
    return moves
