"""The files that arrive at a workspace in many days, and what must come of them.

Conventions
-----------
- Every ingest has a box, a folder of the files that arrive for it. `make` fills one; what is late it puts into later
  boxes. The box after the last ingest gets what is still to come then, and no record of its own.
- Of an ingest's records every sort of repetition concerns `SHARE`; no record is repeated in two ways.
- Ids count the records from `FIRST_RECORD_ID` on, in the order they are made. A record told again under another id has
  one beyond all of these.
- The truth is known when a file is made; money comes of a plain run over the distinct records, which has no history.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import zstandard

import mediation as md
from benchmarks.workload import yardstick_reference, yardstick_rulebook
from benchmarks.yardstick_events import Columns, Slice, piece
from benchmarks.yardstick_text import KIND_NAMES, render, spoil
from mediation.sample.render import splice

SHARE = 1 / 50
AGAIN, RENAMED, GZIP, ZSTD = "file again", "file renamed", "file as gzip", "file as zstd"
INSIDE, LATE = "records inside another file", "records of earlier days"
RETRANSMITTED, CONFLICTING = "records retransmitted", "records conflicting"
HELD, FRESH, REST = "files days late", "fresh", "rest"
OF_FILES, OF_RECORDS = (AGAIN, RENAMED, GZIP, ZSTD), (INSIDE, LATE, RETRANSMITTED, CONFLICTING)
FILES = (*OF_FILES, INSIDE, LATE, HELD, REST)  # a file each; its place is the last digit of its sequence number
MIXED = 9
LATE_DAYS, HELD_DAYS = (2, 11), (1, 6)
AMOUNTS = {"retail_micro": "retail_amount", "wholesale_micro": "wholesale_amount"}


class Plan(NamedTuple):
    """A simulation; `folder` holds the boxes and the declarations."""

    folder: Path
    records: int
    days: int
    ingests_a_day: int
    seed: int

    @property
    def ingests(self) -> int:
        """With records of their own."""
        return self.days * self.ingests_a_day

    def first(self, number: int) -> int:
        """The first record of an ingest."""
        return self.records * number // self.ingests

    def box(self, number: int) -> Path:
        """Where the files for an ingest arrive; there when this returns."""
        folder = self.folder / "boxes" / f"{min(number, self.ingests):05d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def declare(self) -> Path:
        """Write the rule book."""
        yardstick_reference.write(self.folder / "tables", self.seed)
        yardstick_rulebook.write(self.folder / "tables", self.folder / "rulebook")
        return self.folder / "rulebook"


class Records:
    """The records of an ingest, as columns and as text."""

    def __init__(self, columns: Columns, rng: np.random.Generator):
        self.columns, self.valid = columns, columns["malformed"] < 0
        text, offsets = render(columns)
        replaced = {}
        for record in np.flatnonzero(~self.valid):
            line = bytes(text[offsets[record] : offsets[record + 1]])
            replaced[int(record)] = spoil(line, KIND_NAMES[columns["malformed"][record]], rng)
        parts, self._offsets = splice(text, offsets, replaced)
        self._text = b"".join(parts)

    def __len__(self) -> int:
        return len(self.valid)

    def text(self, begin: int, end: int) -> bytes:
        """A range of them."""
        return self._text[self._offsets[begin] : self._offsets[end]]

    def valid_text(self, begin: int, end: int) -> tuple[bytes, int]:
        """The same without the malformed ones, and how many are left."""
        rows = begin + np.flatnonzero(self.valid[begin:end])
        return b"".join(self.text(row, row + 1) for row in rows), len(rows)

    def told_again(self, rows: np.ndarray, records: int, *, otherwise: bool) -> bytes:
        """Rows under other ids; `otherwise` with another duration and volume."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        columns["record_id"] = columns["record_id"] + np.uint64(records)
        if otherwise:
            columns["duration"] = columns["duration"] + np.uint64(60)
            columns["up"] = columns["up"] + np.uint64(1 << 20)
        return bytes(render(columns)[0])


def events(plan: Plan, number: int) -> Columns:
    """The distinct records of an ingest."""
    day, part = divmod(number, plan.ingests_a_day)
    first, end = plan.first(number), plan.first(number + 1)
    columns = piece(Slice(plan.seed, day, plan.days, plan.days), part, end - first, first, last=False)
    columns["sequence"] = np.arange(first, end, dtype=np.uint64)  # is in the key: no two records have the same
    return columns


class _Delays:
    """How many ingests later something comes."""

    def __init__(self, plan: Plan, rng: np.random.Generator):
        self._a_day, self._rng = plan.ingests_a_day, rng

    def soon(self, least: int = 0) -> int:
        return least + int(self._rng.integers(0, 2 * self._a_day))

    def days(self, bounds: tuple[int, int]) -> int:
        return int(self._rng.integers(*bounds)) * self._a_day


DISGUISES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    AGAIN: ("", bytes),
    RENAMED: ("9", bytes),
    GZIP: ("", lambda data: gzip.compress(data, 1)),
    ZSTD: ("", lambda data: zstandard.compress(data, 1)),
}


def make(plan: Plan, number: int) -> dict[str, int]:
    """Fill the box of an ingest.

    Returns
    -------
    dict
        What it adds to the totals that a workspace must come to, and how much is repeated in which way.
    """
    truth: Counter[str] = Counter()
    rng = np.random.default_rng([plan.seed, number, 1])
    if number < plan.ingests:
        _post(plan, number, Records(events(plan, number), rng), rng, truth)
    truth["files"] += _mix(plan.box(number), number, rng)
    return dict(truth)


def _post(plan: Plan, number: int, records: Records, rng: np.random.Generator, truth: Counter[str]) -> None:
    share, delays = int(len(records) * SHARE), _Delays(plan, rng)
    ends = [share * (place + 1) for place in range(len(FILES))]
    ends[-1] = len(records) - share
    for place, (kind, end) in enumerate(zip(FILES, ends, strict=True)):
        begin, name = share * place, f"{number:05d}{place}.txt"
        text = records.text(begin, end)
        later = delays.days(HELD_DAYS) if kind == HELD else 0
        (plan.box(number + later) / f"cdr_{name}").write_bytes(text)
        truth["files"] += 1
        if kind in DISGUISES:
            prefix, disguise = DISGUISES[kind]
            box = plan.box(number + delays.soon(0 if prefix else 1))
            (box / f"cdr_{prefix}{name}").write_bytes(disguise(text))
        if kind in (INSIDE, LATE):
            text, count = records.valid_text(begin, end)
            later = delays.soon() if kind == INSIDE else delays.days(LATE_DAYS)
            _to_be_mixed(plan, number, later, kind, text)
            truth["duplicates"] += count
        if kind != REST:
            truth[kind] += count if kind in (INSIDE, LATE) else end - begin
    _to_be_mixed(plan, number, 0, FRESH, records.text(ends[-1], len(records)))
    rows = rng.permutation(ends[-2] + np.flatnonzero(records.valid[ends[-2] : ends[-1]]))
    for kind, some in ((RETRANSMITTED, rows[:share]), (CONFLICTING, rows[share : 2 * share])):
        text = records.told_again(some, plan.records, otherwise=kind == CONFLICTING)
        _to_be_mixed(plan, number, delays.soon(), kind, text)
        truth[kind] += len(some)
        truth["duplicates"] += len(some)
    truth["rejected"] += int((~records.valid).sum())
    truth["rated"] += int(records.valid.sum())
    truth.update(_charged(plan, number, records))


def _to_be_mixed(plan: Plan, number: int, later: int, kind: str, text: bytes) -> None:
    (plan.box(number + later) / f".{number:05d} {kind}").write_bytes(text)


def _mix(box: Path, number: int, rng: np.random.Generator) -> bool:
    """Make one file of all that is to be mixed, if anything is; it comes last, so that originals are first."""
    lines: list[bytes] = []
    for path in sorted(box.glob(".*")):
        lines += path.read_bytes().splitlines(keepends=True)
        path.unlink()
    if lines:
        (box / f"cdr_{number:05d}{MIXED}.txt").write_bytes(
            b"".join(lines[place] for place in rng.permutation(len(lines)))
        )
    return bool(lines)


def _charged(plan: Plan, number: int, records: Records) -> dict[str, int]:
    """The money of distinct records."""
    path = plan.folder / f"cdr_{number:05d}.txt"
    path.write_bytes(records.text(0, len(records)))
    book = md.load_rulebook(plan.folder / "rulebook")
    batches = md.stream([path], book, threads=1, columns=list(AMOUNTS.values()), settle=False)
    sums: Counter[str] = Counter()
    for batch in batches:
        for name, column in AMOUNTS.items():
            amount = pc.sum(batch.rated[column]).as_py()
            sums[name] += int(amount.scaleb(6)) if amount is not None else 0
    assert batches.audit.totals()["rated"] == int(records.valid.sum()), (
        "the records made are not all distinct and valid"
    )
    path.unlink()
    return dict(sums)
