"""A run whose rows were suspended by earlier ones: rated again by the rules of today, or written off.

Conventions
-----------
- Rows re-enter where they were set aside, at rating: they were decoded and admitted once, and are not looked up again.
- Counted by source like any run: recycled = rated + suspended + written_off.
- `Recycling` can be written like a `Stream`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from mediation import schema
from mediation.native._column import Batch
from mediation.pipeline.audit import Audit, SourceAudit
from mediation.pipeline.engine import Job, StageClock
from mediation.pipeline.finish import Finished, Finisher, RunBatch
from mediation.rulebook.conform import conform


class Recycling(Finished):
    """Suspended rows on their way through rating.

    Parameters
    ----------
    rows : pyarrow.Table
        Usage that was suspended, whole records; other columns are left out. It may have no row and no column.
    names : dict of int to (str, str)
        Name and feed of each source that the rows come from.
    book : Rulebook
    write_off : bool
        True: nothing is rated, all rows are given up.

    Attributes
    ----------
    audit : Audit
        Complete when the iteration has ended.
    """

    threads = 1
    stages: tuple[str, ...] = ("rate",)
    admission: Any = ()  # has accepted nothing

    def __init__(self, rows: pa.Table, names: dict[int, tuple[str, str]], book: Any, *, write_off: bool = False):
        self.book, self.clock, self.records_done = book, StageClock(), 0
        self._rows, self._names, self._write_off = in_order(rows, book), names, write_off
        self._finisher = Finisher(book, None, "rate", settle=True, duplicates=True)
        self._rejects = Batch.of(pa.RecordBatch.from_pylist([], schema=schema.schema(schema.REJECTS)))
        self.audit = Audit()

    def __iter__(self) -> Iterator[RunBatch]:
        audits = []
        ids, starts = np.unique(self._rows["source_id"].to_numpy(), return_index=True)
        ends = np.append(starts, len(self._rows))[1:]
        for source_id, begin, end in zip(ids, starts, ends, strict=True):
            rows = self._rows.slice(begin, end - begin)
            name, feed = self._names[int(source_id)]
            audit = SourceAudit(int(source_id), name, feed, stages=() if self._write_off else self.stages)
            audits.append(audit)
            amount = amount_of(rows["item_no"].to_numpy(), rows["byte_length"].to_numpy())
            audit.add("recycled", amount)
            if self._write_off:
                audit.add("written_off", amount)
            else:
                yield from self._finished(int(begin), int(end), audit)
            self.records_done += amount[0]
        self.audit = Audit(audits)
        self.audit.check()

    def _finished(self, begin: int, end: int, audit: SourceAudit) -> Iterator[RunBatch]:
        """What becomes of the rows of one source."""
        state = SimpleNamespace(audit=audit)
        for usage in conform(self._rows.slice(begin, end - begin), self.book):
            everything = Batch.of(pa.record_batch({"row": np.arange(usage.num_rows, dtype=np.int32)}))
            job = Job(0, state, -1, 0, usage, None, self._rejects, 0, everything, None)  # type: ignore[arg-type]
            yield self._finisher.finish(self, job)  # type: ignore[arg-type]


def amount_of(item_no: np.ndarray, byte_length: np.ndarray) -> tuple[int, int, int]:
    """Records, items and bytes of rows that come in: apart from `Batch.amount`, which counts what goes out."""
    begins = item_no == 0
    return int(np.count_nonzero(begins)), len(begins), int(byte_length.sum(where=begins))


def without_rows(book: Any) -> Recycling:
    """A run that has nothing to rate, as those that put a workspace in order: its tables are empty."""
    return Recycling(pa.table({}), {}, book)


def record_keys(rows: pa.Table | pa.RecordBatch) -> np.ndarray:
    """One number for each row's record: a run holds at most 2^32 of them, and so does a file."""
    source_id, record_no = (rows[name].to_numpy().astype(np.int64) for name in ("source_id", "record_no"))
    assert not len(rows) or (record_no.min() >= 0 and record_no.max() < 1 << 32)
    return source_id << 32 | record_no


def in_order(rows: pa.Table, book: Any) -> pa.Table:
    """The rule book's usage columns in canonical order; what the rows do not have is null."""
    missing = {name: kind for name, kind in book.usage_columns.items() if name not in rows.column_names}
    for name, kind in missing.items():
        rows = rows.append_column(name, pa.nulls(len(rows), kind))
    order = [(name, "ascending") for name in ("source_id", "record_no", "item_no")]
    return rows.select(list(book.usage_columns)).sort_by(order).combine_chunks()
