"""Four runs on a simulated disk: records that come once are kept once, by the workspace's protocol.

Conventions
-----------
- A file is lines of `key value`. A run keeps the lines whose keys no run before it has kept. The fourth gives up the
  copies of the inputs that the first has kept.
- A history is disturbed by its faults only. It ends when every file was taken; then `differences` compares it with one
  that nothing has disturbed.
- After two runs, at the next start or at the end, somebody puts another file where one of the second run's lay.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mediation.errors import TemporaryError
from mediation.workspace import protocol
from mediation.workspace.collection import REPEATS
from mediation.workspace.protocol import RUNS, STAGING, Place
from mediation.workspace.rows import Artifact, Dropped, Move, Noted, Removal, Repeat, Run, SourceRow
from tests.simulated_disk import LOSE, Died, File, Folder, SimulatedCatalogue, SimulatedDisk, blank, content_hash


class QuickPath(type(Path())):
    """A path that joins what it has joined before at once: half of a history is paths."""

    joined = functools.cache(Path.__truediv__)

    def __truediv__(self, name: str) -> QuickPath:
        return self.joined(name)


ROOT, INBOX = QuickPath("/workspace"), QuickPath("/inbox")
BATCHES: tuple[dict[str, bytes], ...] = (
    {"a": b"k1 1\nk2 2\n", "b": b"k3 3\n"},
    {"c": b"k4 4\nk2 2\n", "again": b"k3 3\n"},  # k2 is repeated, and so is all of b
)
LATE = {"c": b"k5 5\nk4 4\n"}  # the third run's
KEPT, RETIRE = "sources", "retire"
MOST_TRIES = 12


class Wrong(AssertionError):
    """A history that has gone wrong."""


class Methods:
    """What a weakening may change beside the protocol's own functions."""

    disk: type[SimulatedDisk] = SimulatedDisk
    catalogue: type[SimulatedCatalogue] = SimulatedCatalogue

    def attempt(self, number: int) -> str:
        """The name of an attempt."""
        return f"attempt-{number}"

    def failed(self, place: Place, attempt: str) -> None:
        """An attempt has ended with an error."""


class History:
    """One history.

    Parameters
    ----------
    faults : dict
        Kind of fault by the number of its step.
    seed : int
    methods : Methods, optional
    """

    def __init__(self, faults: dict[int, str], seed: int = 0, methods: Methods | None = None):
        self.methods = methods or Methods()
        self.disk = self.methods.disk(faults, seed)
        self.place = Place(ROOT, self.disk, self.methods.catalogue(blank(), self.disk))
        for folder in (ROOT, INBOX, ROOT / STAGING, ROOT / RUNS):
            self.disk.arrive(folder, Folder())
        self.attempts = 0
        self.passed: list[int] = []  # the steps at which an ingest has passed
        self.late = False

    def live(self) -> History:
        """All of it, until every file was taken."""
        for batch in BATCHES:
            self.arrive(batch)
            self.until_it_passes()
        self.arrive_late()
        self.until_it_passes()
        self.until_it_passes(retire)
        self.disk.fell = LOSE  # what is done must last
        self.reboot()
        return self

    def arrive(self, batch: dict[str, bytes]) -> None:
        for name, data in batch.items():
            self.disk.arrive(INBOX / name, File(data, synced=True))

    def arrive_late(self) -> None:
        if not self.late and len(self.place.catalogue.runs()) == len(BATCHES):
            self.late = True
            self.arrive(LATE)

    def until_it_passes(self, work: Callable[[Place, str], None] | None = None) -> None:
        for _ in range(MOST_TRIES):
            self.attempts += 1
            attempt = self.methods.attempt(self.attempts)
            try:
                protocol.recover(self.place)
                (work or ingest)(self.place, attempt)
                self.passed.append(self.disk.steps)
                return
            except Died:
                self.reboot()
            except (OSError, TemporaryError):
                if self.disk.stopped:
                    self.reboot()
                else:
                    self.failed(attempt)
        raise Wrong("it does not pass, however often it is tried")

    def failed(self, attempt: str) -> None:
        try:
            self.methods.failed(self.place, attempt)
        except Died:
            self.reboot()
        except OSError:
            pass

    def reboot(self) -> None:
        self.disk.reboot()
        self.place.catalogue.reboot()
        for missing in lost_copies(self.place):
            raise Wrong(f"{missing} is gone, and nobody has given it up")
        pending = {move.source for move in self.place.catalogue.moves()}
        taken = {source.content_hash for source in self.place.catalogue.sources()}
        for name, data in inputs(self.disk):
            untouched = content_hash(data) not in taken or str(INBOX / name) in pending
            if not untouched and name not in self.given():
                raise Wrong(f"{name} was moved for good, and is back")
        self.arrive_late()

    def given(self) -> set[str]:
        """Files that may lie in the inbox although their content was taken: nobody has looked at them yet."""
        return {"again"} if len(self.place.catalogue.runs()) == 1 else set()


def inputs(disk: SimulatedDisk) -> list[tuple[str, bytes]]:
    """The files in the inbox."""
    nodes = [(name, disk._node(INBOX / name)) for name in disk.names(INBOX)]
    return [(name, node.data) for name, node in nodes if isinstance(node, File)]


def ingest(place: Place, attempt: str) -> None:
    """One run over all that is in the inbox."""
    found, catalogue = inputs(place.disk), place.catalogue
    if not found:
        return
    seen: set[str] = set()
    fresh = []
    for name, data in found:
        known = content_hash(data) in seen or catalogue.run_of_content(content_hash(data)) is not None
        seen.add(content_hash(data))
        if not known:
            fresh.append((name, data))
    moves = [_move(place, name, data) for name, data in found]
    repeats = [Repeat(content_hash(data), name) for name, data in found if (name, data) not in fresh]
    folder = protocol.stage(place, attempt)
    if not fresh:
        protocol.abandon(place, attempt)
        catalogue.add_moves(moves, repeats)
        protocol.finish_moves(place)
        return
    last = catalogue.last_run()
    ordinal = 1 if last is None else last.ordinal + 1
    artifacts = _write(place, ordinal, folder, fresh)
    run_id = content_hash(b"".join(data for _, data in fresh))
    texts = "parent", "toy", "version", "book", "reference"
    run = Run(ordinal, run_id, *texts, {}, {}, "chain", f"{ordinal}-{run_id}", attempt)
    protocol.commit(place, run, Noted(_sources(catalogue.next_source_id(), ordinal, fresh), artifacts, moves, repeats))


def retire(place: Place, attempt: str) -> None:
    """A run that gives up what the first has kept of its inputs."""
    runs = place.catalogue.runs()
    if len(runs) < len(BATCHES) + 1:
        raise Wrong("a run is missing")
    first, last = runs[0], runs[-1]
    if last.kind == RETIRE:
        return
    folder = protocol.stage(place, attempt)
    with place.disk.create(folder / "run.json") as file:
        file.write(b"0")
    ordinal = last.ordinal + 1
    run = Run(ordinal, RETIRE, "parent", RETIRE, "version", "book", "reference", {}, {}, "chain", RETIRE, attempt)
    artifacts = [Artifact(ordinal, "run.json", 1, content_hash(b"0"))]
    dropped, removals = [Dropped(1, KEPT, ordinal)], [Removal(f"{RUNS}/{first.folder}/{KEPT}")]
    protocol.commit(place, run, Noted(artifacts=artifacts, dropped=dropped, removals=removals))


def _write(place: Place, ordinal: int, folder: Path, fresh: list[tuple[str, bytes]]) -> list[Artifact]:
    kept = {line.split()[0] for data in contents(place).values() for line in data.splitlines()}
    lines = []
    for line in b"".join(data for _, data in fresh).splitlines():
        if line.split()[0] not in kept:
            kept.add(line.split()[0])
            lines.append(line + b"\n")
    place.disk.make_folder(folder / "rated")
    files = {"rated/part": b"".join(lines), KEPT: b"".join(data for _, data in fresh)}
    for name, data in files.items():
        with place.disk.create(folder / name) as file:
            file.write(data)
    place.disk.sync_folder(folder / "rated")
    return [Artifact(ordinal, name, len(data), content_hash(data)) for name, data in files.items()]


def lost_copies(place: Place) -> list[str]:
    """Copies of inputs that should be there, and are not."""
    given_up = place.catalogue.given_up(KEPT)
    folders = {run.ordinal: place.folder(run) for run in place.catalogue.runs()}
    kept = [each for each in place.catalogue.artifacts(path=KEPT) if each.run not in given_up]
    return [f"{folders[each.run]}/{KEPT}" for each in kept if not place.disk.exists(folders[each.run] / KEPT)]


def _sources(first: int, ordinal: int, fresh: list[tuple[str, bytes]]) -> list[SourceRow]:
    return [
        SourceRow(number, ordinal, name, None, None, None, content_hash(data), "", len(data), None, "", {})
        for number, (name, data) in enumerate(fresh, first)
    ]


def _move(place: Place, name: str, data: bytes) -> Move:
    target = INBOX / "done" / name
    if place.disk.exists(target):
        target = target.with_name(f"{name}.{content_hash(data)}")
    return Move(str(INBOX / name), str(target), content_hash(data))


def contents(place: Place) -> dict[int, bytes]:
    """What every run has kept; it is all read back from the disk."""
    folders = {run.ordinal: place.folder(run) for run in place.catalogue.runs()}
    artifacts = place.catalogue.artifacts(path="rated/%")
    return {each.run: place.disk.read(folders[each.run] / each.path) for each in artifacts}


def outcome(history: History) -> dict[str, Any]:
    """All that must not depend on what has happened on the way."""
    catalogue, disk = history.place.catalogue, history.disk
    given = Counter(data for batch in (*BATCHES, LATE) for data in batch.values())
    replaced = Counter([BATCHES[-1]["c"]])  # who puts a file over another has that one no more
    done = Counter(disk.files(INBOX / "done").values())
    return {
        "runs": catalogue.runs(),
        "sources": catalogue.sources(),
        "artifacts": catalogue.artifacts(),
        "files": disk.files(ROOT / RUNS),
        "moves": catalogue.moves(),
        "repeats": catalogue.ask(REPEATS),
        "removals": catalogue.removals(),
        "inbox": inputs(disk),
        "lost": given - replaced - done,
        "strange": done - given,
    }


def differences(history: History) -> list[str]:
    """What is not as it is when nothing goes wrong."""
    found, wanted = outcome(history), _undisturbed()
    faults = [f"{name}: {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    faults += [
        f"run {each.run} {each.path}: not what the catalogue names"
        for each in history.place.catalogue.artifacts()
        for run in history.place.catalogue.runs()
        if run.ordinal == each.run
        and (each.run, each.path) != (1, KEPT)
        and content_hash(found["files"].get(f"{run.folder}/{each.path}", b"")) != each.hash
    ]
    if len(history.disk.names(ROOT / RUNS)) != len(found["runs"]):
        faults.append("an unnamed folder in runs/")
    return faults


@functools.cache
def _undisturbed() -> dict[str, Any]:
    return outcome(History({}).live())
