"""Many days of files arrive at a workspace that is killed again and again: nothing lost, nothing double.

    python -m tests.soak --records 100000000 --days 90 --kills 200 --seed 1

Conventions
-----------
- Every ingest is a process. One that is killed (after some time, or before or after a step of its disk) is followed by
  another that is given the same files, until one comes to its end.
- Lost and double are told record by record, by the ids of what is charged; then totals and certificates are compared
  with `soak_arrivals`' truth, and everything is verified.
- What arrives is chosen by the seed. When a timed kill strikes is not: the machine decides.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq

import mediation as md
from benchmarks.yardstick_events import FIRST_RECORD_ID
from mediation.pipeline.disk import Disk
from mediation.workspace.history import SEGMENT
from tests.soak_arrivals import CONFLICTING, HELD, OF_FILES, OF_RECORDS, Plan, make

FIRST_GUESS = 100  # steps of an ingest, and
FIRST_SECONDS = 0.5  # what it takes, before one has told
PUBLISHING_STEPS = {True: 24, False: 6}  # by inbox there are also files to move
TIMED, STEP, PUBLISHING = KINDS = ("after a time", "at a durable step", "while publishing")
REPLAYED = 3
PATIENCE = 50  # attempts in a row that were to be killed and came to their end
EXACT = ("records_in", "rated", "rejected", "suspended", "duplicates", "conflicts", "retail_micro", "wholesale_micro")
LEAST_RECORDS = 100  # an ingest; with fewer some of its files would be empty


class Mortal(Disk):
    """A disk whose process is killed at a step: before and after each change, and when a file is written, not synced.

    Parameters
    ----------
    last : int
        Number of the step; 0: never.
    publishing : bool
        Count from the first rename on: that is when a run has been committed.
    """

    def __init__(self, last: int, publishing: bool):
        self.last, self.steps, self._counts = last, 0, not publishing

    def _step(self) -> None:
        self.steps += self._counts
        if self.steps == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def _around(self, change: Callable[..., None], *paths: Path) -> None:
        self._step()
        change(*paths)
        self._step()

    @contextmanager
    def create(self, path: Path) -> Iterator[Any]:
        self._step()
        with super().create(path) as file:
            yield file
            self._step()
        self._step()

    def make_folder(self, path: Path) -> None:
        self._around(super().make_folder, path)

    def rename(self, source: Path, target: Path) -> None:
        self._counts = True
        self._around(super().rename, source, target)

    def sync_folder(self, path: Path) -> None:
        self._around(super().sync_folder, path)

    def remove(self, path: Path) -> None:
        self._around(super().remove, path)


# ---------------------------------------------------------------------------------------------- processes


class Ended(NamedTuple):
    """How a process ended; `told` is None where it was killed."""

    told: Any
    seconds: float
    peak_bytes: int


class Child:
    """A process that does one thing and tells what came of it. Forked, so that nothing is imported again."""

    def __init__(self, act: Callable, *arguments: Any):
        self._began, self._over = time.perf_counter(), False
        self._answer, told = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _live(told, act, arguments)
        os.close(told)

    def kill(self) -> None:
        """End it, if it has not ended yet."""
        os.kill(self._pid, signal.SIGKILL)

    def end(self) -> None:
        """End it, if nobody has waited for it."""
        if not self._over:
            self.kill()
            self.wait()

    def wait(self) -> Ended:
        """Wait for its end.

        Raises
        ------
        AssertionError
            It failed.
        """
        with os.fdopen(self._answer, "rb") as answer:
            text = answer.read()
        _, status, usage = os.wait4(self._pid, 0)
        self._over = True
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        told = None if killed else json.loads(text or b'{"failed": "without a word"}')
        if not killed and status:
            raise AssertionError(f"a process ended with status {status}:\n{told['failed']}")
        return Ended(told, time.perf_counter() - self._began, usage.ru_maxrss * 1024)


def _live(told: int, act: Callable, arguments: tuple) -> None:
    """All that a child does; never returns, so that nothing of its parent happens twice."""
    status = 1
    try:
        answer, status = act(*arguments), 0
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    try:
        os.write(told, json.dumps(answer).encode())
    finally:
        os._exit(status)


def ingest(root: Path, box: Path, by_inbox: bool, *last_step: Any) -> dict[str, int]:
    """Give a workspace the files of a box; how many steps that took, and how many runs were made."""
    disk = Mortal(*last_step)
    with md.Workspace(root, disk) as workspace:
        report = workspace.ingest_inbox(box) if by_inbox else workspace.ingest(sorted(box.iterdir()))
    return {"steps": disk.steps, "runs": int(report is not None and report.run is not None)}


# ------------------------------------------------------------------------------------------- the simulation


class Soak:
    """A workspace, what arrives at it, and the kills.

    Parameters
    ----------
    plan : Plan
    kills : int
        At least; spread evenly.
    """

    def __init__(self, plan: Plan, kills: int):
        self.plan, self.wanted = plan, kills
        self.root = plan.folder / "workspace"
        self.chance = random.Random(plan.seed)
        self.truth: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        # Of the last ingest that came to its end: its steps, by whether it was by inbox, and how long it took.
        self.steps, self.seconds = {True: FIRST_GUESS, False: FIRST_GUESS}, FIRST_SECONDS
        self.committed_before = 0  # ingests that were killed when their run was committed already
        self.ingest_s, self.peak_bytes = 0.0, 0

    def live(self) -> dict[str, Any]:
        """Let it all happen; what was found, as `found` tells it."""
        began = time.perf_counter()
        md.Workspace.init(self.root, self.plan.declare()).close()
        coming = Child(make, self.plan, 0)
        try:
            for number in range(self.plan.ingests + 1):
                self.truth.update(coming.wait().told)
                if number < self.plan.ingests:
                    coming = Child(make, self.plan, number + 1)
                self._arrive(number)
        finally:
            coming.end()
        checking = Child(found, self.plan, self.root, self.truth["rejected"]).wait()
        seconds = {"seconds": time.perf_counter() - began, "seconds of checking": checking.seconds}
        return {**checking.told, **seconds}

    def _arrive(self, number: int) -> None:
        """Have the files of a box ingested, whatever happens; the last time until there were enough kills."""
        box, last = self.plan.box(number), number == self.plan.ingests
        by_inbox = number % 2 == 0 and not last
        files, over, survived = len(list(box.iterdir())), False, 0
        owed = self.wanted * (number + 1) // (self.plan.ingests + 1)
        while self.kills.total() < owed and (last or not over) and survived < PATIENCE:
            killed = self._attempt(box, by_inbox)
            over, survived = over or not killed, 0 if killed else survived + 1
        if not over:
            self._finish(box, by_inbox)
        if by_inbox:
            self._require_moved(box, files)
        shutil.rmtree(box)

    def _attempt(self, box: Path, by_inbox: bool) -> bool:
        """One ingest that is to be killed; whether it was."""
        kind = self.chance.choice(KINDS)
        if kind == TIMED:
            child = self._child(box, by_inbox)
            time.sleep(self.chance.random() * self.seconds)
            child.kill()
        else:
            steps = self.steps[by_inbox] if kind == STEP else PUBLISHING_STEPS[by_inbox]
            child = self._child(box, by_inbox, 1 + self.chance.randrange(steps), kind == PUBLISHING)
        killed = child.wait().told is None
        self.kills[kind] += killed
        return killed

    def _child(self, box: Path, by_inbox: bool, last_step: int = 0, publishing: bool = False) -> Child:
        return Child(ingest, self.root, box, by_inbox, last_step, publishing)

    def _finish(self, box: Path, by_inbox: bool) -> None:
        ended = self._child(box, by_inbox).wait()
        if ended.told["runs"]:
            self.steps[by_inbox], self.seconds = ended.told["steps"], ended.seconds
        else:
            self.committed_before += 1
        self.ingest_s += ended.seconds
        self.peak_bytes = max(self.peak_bytes, ended.peak_bytes)

    def _require_moved(self, box: Path, files: int) -> None:
        assert len(list((box / "done").iterdir())) == files, f"{box}: not all files are in done/"
        assert [path.name for path in box.iterdir()] == ["done"], f"{box}: something is left"


def found(plan: Plan, root: Path, malformed: int) -> dict[str, Any]:
    """What a workspace has come to; of so many records nothing should be charged."""
    with md.Workspace(root) as workspace:
        faults, status, tables = workspace.verify(), workspace.status(), workspace.tables()
        times, foreign = charged(plan.records, tables["rated"])
        ordinals = random.Random(plan.seed).sample(range(1, status["runs"] + 1), min(REPLAYED, status["runs"]))
        replays = [workspace.replay(ordinal) for ordinal in ordinals]
        faults += [f"run {each.run.ordinal} does not come out the same again" for each in replays if not each.same]
        left = [path.name for path in (root / "staging").iterdir()]
        folded = {name: sum(tables["runs"][name].to_pylist()) for name in status["totals"]}
    faults += [f"staging/{name} is left" for name in left]
    if folded != status["totals"]:
        faults.append("the runs' certificates do not add up to the totals")
    return {
        **{name: status[name] for name in ("runs", "files")},
        **{name: status["totals"][name] for name in EXACT},
        "refused": len(status["refused"]),
        "lost": int((times == 0).sum()) - malformed,
        "double": int(np.maximum(times.astype(np.int64) - 1, 0).sum()) + foreign,
        "segments": len(list(root.glob(f"runs/*/{SEGMENT}"))),
        "workspace bytes": sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        "faults": faults,
    }


def charged(records: int, rated: pyarrow.dataset.Dataset) -> tuple[np.ndarray, int]:
    """How often each record was charged, and how many rows have an id that no original has."""
    times, foreign = np.zeros(records, np.uint8), 0
    for path in rated.files:
        for batch in pq.ParquetFile(path).iter_batches(columns=["record_id"]):
            places = batch["record_id"].to_numpy(zero_copy_only=False).astype(np.int64) - FIRST_RECORD_ID
            ours = (places >= 0) & (places < records)
            np.add.at(times, places[ours], 1)
            foreign += int((~ours).sum())
    return times, foreign


def faults_of(soak: Soak, outcome: dict[str, Any]) -> list[str]:
    """Everything that is not as it should be."""
    truth = soak.truth
    expected = {
        "records_in": soak.plan.records + truth["duplicates"],
        "suspended": 0,
        "conflicts": truth[CONFLICTING],
        **{
            name: truth[name]
            for name in ("files", "rated", "rejected", "duplicates", "retail_micro", "wholesale_micro")
        },
        **dict.fromkeys(("refused", "lost", "double"), 0),
    }
    wrong = [f"{name}: {outcome[name]:,}, not {value:,}" for name, value in expected.items() if outcome[name] != value]
    if soak.kills.total() < soak.wanted:
        wrong.append(f"{soak.kills.total()} kills of {soak.wanted}")
    return wrong + outcome["faults"]


def table(soak: Soak, outcome: dict[str, Any]) -> str:
    """What happened, as a table."""
    plan, truth, kills = soak.plan, soak.truth, soak.kills
    rows = {
        "distinct records": f"{plan.records:,}",
        "days, ingests a day": f"{plan.days}, {plan.ingests_a_day}",
        "runs, segments": f"{outcome['runs']}, {outcome['segments']}",
        "files accepted": f"{outcome['files']:,}",
        "records in accepted files": f"{outcome['records_in']:,}",
        "SIGKILLs": f"{kills.total()}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kills.items())),
        "ingests killed after their commit": f"{soak.committed_before}",
        **{f"{kind}, records": f"{truth[kind]:,}" for kind in (*OF_FILES, *OF_RECORDS, HELD)},
        "rejected": f"{outcome['rejected']:,}",
        "lost": f"{outcome['lost']:,}",
        "double": f"{outcome['double']:,}",
        "retail, wholesale": ", ".join(f"{outcome[f'{side}_micro'] / 1e6:,.6f}" for side in ("retail", "wholesale")),
        "faults of `verify` and replays": str(len(outcome["faults"])),
        "seconds in all; of checking": f"{outcome['seconds']:,.0f}; {outcome['seconds of checking']:,.0f}",
        "seconds of ingests that came to their end": f"{soak.ingest_s:,.0f}",
        "records a second, in these, in all": ", ".join(
            f"{plan.records / each:,.0f}" for each in (soak.ingest_s, outcome["seconds"])
        ),
        "peak memory of an ingest": f"{soak.peak_bytes / 1e9:.2f} GB",
        "workspace": f"{outcome['workspace bytes'] / 1e9:.2f} GB",
    }
    width = max(map(len, rows))
    lines = [f"| {name:<{width}} | {value} |" for name, value in rows.items()]
    return "\n".join([f"| {'what':<{width}} | how much |", f"|{'-' * (width + 2)}|---|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    for option, default in (("records", 100_000_000), ("days", 90), ("ingests-a-day", 3), ("kills", 200), ("seed", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument(
        "--folder", help="where everything lies meanwhile: 150 bytes a record; default: a temporary one"
    )
    wanted = parser.parse_args()
    if wanted.records < LEAST_RECORDS * wanted.days * wanted.ingests_a_day:
        parser.error(f"at least {LEAST_RECORDS} records for every ingest")
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        soak = Soak(Plan(Path(folder), wanted.records, wanted.days, wanted.ingests_a_day, wanted.seed), wanted.kills)
        outcome = soak.live()
    print(table(soak, outcome))
    if wrong := faults_of(soak, outcome):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
