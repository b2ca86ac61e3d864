"""A run whose rows were suspended by earlier ones and then edited: admitted anew where their key has changed, rated.

Conventions
-----------
- A row whose fingerprint is not the one that it waited by is another record: it is looked up among all that were ever
  accepted and in this run, and what it is now is remembered. One that came before is a duplicate, never charged.
- A row that was suspended as too old was never accepted: it is looked up too, and waits on unless it can be told now.
- A row that is edited back to what it once was is itself, not its own duplicate, where the history goes back to it.
- All other rows enter where they were set aside, at rating. The certificate counts both as given to `deduplicate`.
- Counted by source like any run: recycled = rated + suspended + duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mediation.dedup import dedup
from mediation.dedup.horizon import Bounded
from mediation.native._column import Batch
from mediation.pipeline.audit import SourceAudit
from mediation.pipeline.engine import Job, Past
from mediation.pipeline.finish import RunBatch
from mediation.pipeline.recycle import Recycling, in_order, record_keys
from mediation.rulebook.conform import conform

ROWS_AT_ONCE = 1 << 16


class Correcting(Recycling):
    """Edited rows on their way through deduplication and rating.

    Parameters
    ----------
    rows : pyarrow.Table
        Whole records, as they are now.
    waited : pyarrow.Table
        The same rows as they waited.
    names, book
        As of `Recycling`.
    past : Past
        What earlier runs have accepted.
    earlier : callable
        Given (source_id, record_no) of records, returns tables of what these have been before, one for each time:
        asked only where a row is now what was accepted before.

    Attributes
    ----------
    admission : Admission
        What the run has accepted.
    """

    stages = ("deduplicate", "rate")

    def __init__(
        self,
        rows: pa.Table,
        waited: pa.Table,
        names: dict[int, tuple[str, str]],
        book: Any,
        past: Past,
        earlier: Callable[[set[tuple[int, int]]], list[pa.Table]],
    ):
        super().__init__(rows, names, book)
        unknown = waited.filter(pc.equal(waited["stage"].cast(pa.utf8()), "deduplicate"))
        self._unknown = np.isin(record_keys(self._rows), record_keys(unknown))
        self._waited, self._past, self._earlier = in_order(waited, book), past, earlier
        self._keys = dedup.compile_keys(book, past.secret, dated=True)
        self._bounded = Bounded(past.history, past.horizon)
        self.admission = dedup.Admission(self._bounded.asked, dated=True)
        self._starts = self._rows["item_no"].to_numpy() == 0  # of records, whose ordinals are their places among these
        self._ordinals = np.cumsum(self._starts) - 1

    def _finished(self, begin: int, end: int, audit: SourceAudit) -> Iterator[RunBatch]:
        starts = np.flatnonzero(self._starts[begin:end]) + begin
        cuts = [*starts[::ROWS_AT_ONCE].tolist(), end]
        for at, until in pairwise(cuts):
            yield self._batch(at, until, SimpleNamespace(audit=audit))

    def _batch(self, begin: int, end: int, state: Any) -> RunBatch:
        usage = _conformed(self._rows.slice(begin, end - begin), self.book)
        prints = dedup.fingerprint(self._keys, usage)
        others = self._others(begin, end, prints)
        everything = Batch.of(pa.record_batch({"row": np.arange(end - begin, dtype=np.int32)}))
        job = Job(0, state, -1, 0, usage, prints, self._rejects, 0, everything)
        if others.any():
            job = self._admitted(begin, np.flatnonzero(others), job)
        return self._finisher.finish(self, job)  # type: ignore[arg-type]

    def _others(self, begin: int, end: int, prints: Batch) -> np.ndarray:
        """Which rows are records that they were never before."""
        now = _fingerprints(prints)
        waited = _conformed(self._waited.slice(begin, end - begin), self.book, strict=False)
        others = self._unknown[begin:end] | (now != _fingerprints(dedup.fingerprint(self._keys, waited)))
        if not others.any() or self._past.history is None:
            return others
        known = pa.record_batch(self._past.history.probe(prints.select(["fingerprint", "partition_day"])))
        doubtful = others & known["payload_check"].is_valid().to_numpy(zero_copy_only=False)
        if self._bounded.first_day is not None:  # what is too old is so, whatever it was
            days = pa.record_batch(prints.select(["partition_day"]))["partition_day"]
            doubtful &= pc.greater_equal(days, self._bounded.first_day).fill_null(True).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(doubtful)
        if len(rows):
            places = self._rows.slice(begin, end - begin).select(["source_id", "record_no"]).take(rows)
            records = [(row["source_id"], row["record_no"]) for row in places.to_pylist()]
            own = self._once(set(records))
            others[[row for row, record in zip(rows, records, strict=True) if (*record, now[row]) in own]] = False
        return others

    def _once(self, records: set[tuple[int, int]]) -> set[tuple[int, int, bytes]]:
        """What these records have ever been: source, record number and fingerprint."""
        found: set[tuple[int, int, bytes]] = set()
        for once in self._earlier(records):
            table = in_order(once, self.book)
            prints = _fingerprints(dedup.fingerprint(self._keys, _conformed(table, self.book, strict=False)))
            found.update(zip(table["source_id"].to_pylist(), table["record_no"].to_pylist(), prints, strict=True))
        return found

    def _admitted(self, begin: int, others: np.ndarray, job: Job) -> Job:
        """The job with those of its rows that are other records now looked up."""
        chosen = Batch.of(pa.record_batch({"row": others.astype(np.int32)}))
        prints = job.prints.take(chosen, ["fingerprint", "payload_check", "partition_day"])  # type: ignore[union-attr]
        item_no = self._rows["item_no"].to_numpy()[begin + others]
        places = Batch.of(pa.record_batch({"record_no": self._ordinals[begin + others], "item_no": item_no}))
        kept, duplicates = self.admission.admit(prints, places, 0)
        duplicates, too_old = self._bounded.part(duplicates, prints)
        fresh = np.ones(job.usage.num_rows, bool)  # type: ignore[union-attr]
        fresh[others] = False
        fresh[others[pa.record_batch(kept)["row"].to_numpy()]] = True
        return job._replace(
            fresh=Batch.of(pa.record_batch({"row": np.flatnonzero(fresh).astype(np.int32)})),
            duplicates=_at(others, duplicates),
            too_old=None if too_old is None else _at(others, too_old),
        )

    def first_places(self, duplicates: Batch) -> Batch:
        """Source and record number of the first of each duplicate that is in this run."""
        ordinals = pa.record_batch(duplicates)["first_ordinal"]
        firsts = self._rows.filter(pa.array(self._starts))
        places = {f"first_{name}": firsts[name].combine_chunks().take(ordinals) for name in ("source_id", "record_no")}
        return Batch.of(pa.record_batch(places))


def _at(places: np.ndarray, found: Batch) -> Batch:
    """What was found of a selection's rows, said of the rows that it selects."""
    batch = pa.record_batch(found)
    rows = pa.array(places[batch["row"].to_numpy()], pa.int32())
    return Batch.of(batch.set_column(batch.schema.names.index("row"), "row", rows))


def _conformed(rows: pa.Table, book: Any, *, strict: bool = True) -> Batch:
    (batch,) = conform(rows.combine_chunks(), book, strict=strict)  # far fewer rows than it cuts at
    return batch


def _fingerprints(prints: Batch) -> np.ndarray:
    return np.array(pa.record_batch(prints)["fingerprint"].to_pylist(), object)
