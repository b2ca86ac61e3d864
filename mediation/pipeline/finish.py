"""What becomes of an admitted batch: guided, rated, added up, and made into rows of the run's tables.

Conventions
-----------
- `Finisher.finish` is called by several threads at once; only counting is done under a lock.
- What goes out is counted here, on the rows themselves, apart from what the decoder says came in.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mediation.native._column import Batch
from mediation.pipeline.engine import Engine, Job
from mediation.pipeline.tables import Columns, all_rows, copied
from mediation.rate import rate
from mediation.settle.account_day import AccountDays
from mediation.settle.settlement import Settlement

TABLES = ("rated", "rejects", "suspended", "duplicates")
CONFLICT = "conflict"


class RunBatch(NamedTuple):
    """What became of one stretch of a source. Taken as an Arrow object or by column name it is its rated rows."""

    source_id: int
    rated: pa.Table
    rejects: pa.Table | None
    suspended: pa.Table | None
    duplicates: pa.Table | None

    @property
    def num_rows(self) -> int:
        """Rated rows."""
        return self.rated.num_rows

    def __getitem__(self, place):
        return self.rated[place] if isinstance(place, str) else tuple.__getitem__(self, place)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.rated.__arrow_c_stream__(requested_schema)


class Finisher:
    """The part of a run that knows no order.

    Parameters
    ----------
    book : Rulebook
    columns : str, iterable of str, or None
        As of `Columns`.

    Attributes
    ----------
    exceptions : dict of str to Counter
        How often each code stands in each table of exceptions.
    """

    def __init__(self, book: Any, columns: Any):
        self.plan = rate.compile_rates(book)
        self.columns = Columns(book, columns, self.plan.has_city)
        self.account_days = AccountDays(book.declared.book.zone)
        self.settlement = Settlement(book)
        self.exceptions: dict[str, Counter[str]] = {kind: Counter() for kind in TABLES[1:]}
        self._city_of_feed = book.declared.book.city == "feed" and "city" in self.columns.usage.names
        self._lock = threading.Lock()

    def finish(self, engine: Engine, job: Job) -> RunBatch:
        """Rate a job and make its tables."""
        clock, usage = engine.clock, pa.record_batch(job.usage)
        with clock.measure("rate", job.fresh.num_rows):
            rating = rate.rate_batch(self.plan, job.usage, job.fresh, self.columns.computed)
        rows = pa.record_batch(rating.rated_rows)["row"]
        with clock.measure("settle", len(rows)):
            self.account_days.add(job.usage, rating.rated_rows, rating.rated)
            self.settlement.add(job.usage, rating.rated_rows, self._with_city(usage, rows, rating.rated))
        with clock.measure("collect", len(rows)):
            rated = self.columns.rated_table(usage, rows, pa.record_batch(rating.rated))
            rejects = suspended = duplicates = None
            if job.rejects.num_rows:
                arrays = pa.record_batch(job.rejects).columns
                rejects = pa.Table.from_arrays(arrays, schema=self.columns.rejects)
            if rating.suspended.num_rows:
                suspended = self.columns.suspended_table(usage, pa.record_batch(rating.suspended))
            if job.duplicates.num_rows:
                duplicates = self._duplicates(engine, job, usage)
        self._count(job, usage, rows, rating.suspended)
        return RunBatch(job.state.listed.source_id, rated, rejects, suspended, duplicates)

    def _with_city(self, usage: pa.RecordBatch, rows: pa.Array, rated: Batch) -> Batch:
        if not self._city_of_feed:
            return rated
        return rated.zip(Batch.of(pa.record_batch({"city": usage["city"].take(rows)})))

    def _duplicates(self, engine: Engine, job: Job, usage: pa.RecordBatch) -> pa.Table:
        found = pa.record_batch(job.duplicates)
        ordinals = found["first_ordinal"]
        unknown = ordinals.is_null().to_numpy(zero_copy_only=False)
        sources, records = engine.first_of(ordinals.fill_null(0).to_numpy())
        beside = [
            copied(found["verdict"], all_rows(found.num_rows)),
            pa.array(sources, pa.int32(), mask=unknown),
            pa.array(records, pa.int64(), mask=unknown),
            pa.record_batch(job.prints)["fingerprint"].take(found["row"]),
        ]
        return self.columns.duplicates_table(usage, found["row"], beside)

    def _count(self, job: Job, usage: pa.RecordBatch, rated_rows: pa.Array, suspended: Batch) -> None:
        lengths, items = usage["byte_length"].to_numpy(), usage["item_no"].to_numpy()
        duplicates = pa.record_batch(job.duplicates)
        measured = {
            "rated": _amount(rated_rows, lengths, items),
            "suspended": _amount(pa.record_batch(suspended)["row"], lengths, items),
            "duplicates": _amount(duplicates["row"], lengths, items),
        }
        everything = _amount(None, lengths, items)
        fresh = _amount(pa.record_batch(job.fresh)["row"], lengths, items)
        rejects = job.rejects.num_rows
        audit = job.state.audit
        counted = {
            "rejects": _by_code(pa.record_batch(job.rejects)["code"]),
            "suspended": _by_code(pa.record_batch(suspended)["code"]),
            "duplicates": _by_code(duplicates["verdict"]),
        }
        with self._lock:
            for kind, codes in counted.items():
                self.exceptions[kind].update(codes)
            for name, amount in measured.items():
                audit.add(name, amount)
            audit.add("rejected", (rejects, rejects, job.reject_bytes))
            audit.enter("deduplicate", everything)
            audit.enter("rate", fresh)
            audit.conflicts += counted["duplicates"].get(CONFLICT, 0)


def _by_code(codes: pa.DictionaryArray) -> dict[str, int]:
    counts = np.bincount(codes.indices.to_numpy(), minlength=1)
    return {codes.dictionary[int(code)].as_py(): int(counts[code]) for code in np.flatnonzero(counts)}


def _amount(rows: pa.Array | None, lengths: np.ndarray, items: np.ndarray) -> tuple[int, int, int]:
    """Records, items and bytes of some rows; a record's bytes stand with its first item."""
    if rows is not None:
        chosen = rows.to_numpy()
        lengths, items = lengths[chosen], items[chosen]
    first = items == 0
    return int(np.count_nonzero(first)), len(items), int(lengths.sum(where=first))
