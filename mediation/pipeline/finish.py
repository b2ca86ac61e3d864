"""What becomes of an admitted batch: guided, rated, added up, and made into rows of the run's tables.

Conventions
-----------
- `Finisher.finish` is called by several threads at once; only counting is done under a lock.
- What goes out is counted here, on the rows themselves, apart from what the decoder says came in. What a run that stops
  before rating hands on is not charged yet: it counts as held.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mediation.native._column import Batch
from mediation.pipeline.engine import Engine, Job
from mediation.pipeline.sequences import NodeSequences
from mediation.pipeline.tables import Columns
from mediation.rate import rate
from mediation.settle.account_day import AccountDays
from mediation.settle.settlement import Settlement

TABLES = ("rated", "rejects", "suspended", "duplicates")
CONFLICT = "conflict"


class RunBatch(NamedTuple):
    """What became of one stretch of a source. Taken as an Arrow object or by column name it is its `table`."""

    source_id: int
    rated: pa.Table | None  # None in a run that stops before rating
    rejects: pa.Table | None
    suspended: pa.Table | None
    duplicates: pa.Table | None
    usage: pa.Table | None = None  # in a run that stops before rating: what it hands on

    @property
    def table(self) -> pa.Table:
        """The rows that the run hands on: rated, or usage."""
        return self.usage if self.rated is None else self.rated

    @property
    def num_rows(self) -> int:
        """Rows of `table`."""
        return self.table.num_rows

    def __getitem__(self, place):
        return self.table[place] if isinstance(place, str) else tuple.__getitem__(self, place)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Finisher:
    """The part of a run that knows no order.

    Parameters
    ----------
    book : Rulebook
    columns : str, iterable of str, or None
        As of `Columns`.
    through : str
        The last stage: one of `audit.STAGES`.
    settle : bool
        Whether to add up account days and settlement.
    duplicates : bool
        Whether to make a table of them; they are counted in any case.

    Attributes
    ----------
    exceptions : dict of str to Counter
        How often each code stands in each table of exceptions.
    oldest_suspended : dict of str to date
        The first UTC day of an event that was suspended by a code.
    sequences : NodeSequences or None
        Follows the nodes' numbers, where somebody wants that.
    """

    def __init__(self, book: Any, columns: Any, through: str, settle: bool, duplicates: bool):
        self.rates, self.settles = through == "rate", through == "rate" and settle
        self.keeps_duplicates = duplicates
        self.plan = rate.compile_rates(book) if self.rates else None
        has_city = self.plan is not None and self.plan.has_city
        self.columns = Columns(book, columns, has_city, self.rates, self.settles)
        self.account_days = AccountDays(book.declared.book.zone)
        self.settlement = Settlement(book)
        self.exceptions: dict[str, Counter[str]] = {kind: Counter() for kind in TABLES[1:]}
        self.oldest_suspended: dict[str, dt.date] = {}
        self._city_of_feed = book.declared.book.city == "feed" and "city" in self.columns.usage.names
        self.sequences: NodeSequences | None = None
        self._lock = threading.Lock()

    def finish(self, engine: Engine, job: Job) -> RunBatch:
        """Rate a job, where the run rates, and make its tables."""
        if self.sequences is not None:
            self.sequences.add(job.state.audit.feed, job.usage)
        rating = self._rated(engine, job) if self.rates else None
        set_aside = [rows for rows in (job.too_old, rating and rating.suspended) if rows is not None and rows.num_rows]
        rejects = suspended = duplicates = rated = usage = None
        with engine.clock.measure("collect", job.usage.num_rows):
            if set_aside:
                suspended = self._suspended(job, set_aside)
            if job.rejects.num_rows:
                rejects = self.columns.rejects_table(job.rejects)
            if self.keeps_duplicates and job.duplicates is not None and job.duplicates.num_rows:
                firsts = engine.first_places(job.duplicates)
                duplicates = self.columns.duplicates_table(job.usage, job.duplicates, firsts, job.prints)
            self._count(job, rating, set_aside)
            if rating is None:  # last, either of them: what is handed on leaves the batch
                usage = self.columns.usage_table(job.usage, job.fresh)
            else:
                rated = self.columns.rated_table(job.usage, rating.rated_rows, rating.rated)
        return RunBatch(job.state.audit.source_id, rated, rejects, suspended, duplicates, usage)

    def _suspended(self, job: Job, set_aside: list[Batch]) -> pa.Table:
        tables = [self.columns.suspended_table(job.usage, rows) for rows in set_aside]
        if len(tables) == 1:
            return tables[0]
        return pa.concat_tables(tables).sort_by([("record_no", "ascending"), ("item_no", "ascending")])

    def _rated(self, engine: Engine, job: Job) -> rate.Rating:
        with engine.clock.measure("rate", job.fresh.num_rows):
            rating = rate.rate_batch(self.plan, job.usage, job.fresh, self.columns.computed)
        if self.settles:
            with engine.clock.measure("settle", rating.rated.num_rows):
                self.account_days.add(job.usage, rating.rated_rows, rating.rated)
                city = [job.usage.take(rating.rated_rows, ["city"])] if self._city_of_feed else []
                self.settlement.add(job.usage, rating.rated_rows, rating.rated.zip(*city) if city else rating.rated)
        return rating

    def _count(self, job: Job, rating: rate.Rating | None, set_aside: list[Batch]) -> None:
        selections: dict[str, Batch | None] = {"everything": None, "fresh": job.fresh}
        if rating is not None:
            selections |= {"rated": rating.rated_rows, "suspended": rating.suspended}
        apart = {"duplicates": job.duplicates, "too_old": job.too_old}
        selections |= {name: rows for name, rows in apart.items() if rows is not None}
        amounts = dict(zip(selections, job.usage.amounts(selections.values()), strict=True))
        measured = {name: amounts[name] for name in ("rated", "suspended", "duplicates") if name in amounts}
        if rating is None:
            measured["held_after"] = amounts["fresh"]
        counted = {"rejects": job.rejects.counts("code")}
        oldest: dict[str, dt.date] = {}
        for rows in set_aside:
            counted["suspended"] = counted.get("suspended", {}) | rows.counts("code")
            oldest |= _oldest(job.usage, rows)
        if job.duplicates is not None:
            counted["duplicates"] = job.duplicates.counts("verdict")
        rejects, audit = job.rejects.num_rows, job.state.audit
        with self._lock:
            for kind, codes in counted.items():
                self.exceptions[kind].update(codes)
            for code, day in oldest.items():
                self.oldest_suspended[code] = min(day, self.oldest_suspended.get(code, day))
            for name, measure in measured.items():
                audit.add(name, measure)
            audit.set_too_old_aside(amounts.get("too_old", (0, 0, 0)))
            audit.add("rejected", (rejects, rejects, job.reject_bytes))
            for stage, entered in (("deduplicate", amounts["everything"]), ("rate", amounts["fresh"])):
                if stage in audit.stages:
                    audit.enter(stage, entered)
            audit.conflicts += counted.get("duplicates", {}).get(CONFLICT, 0)


def _oldest(usage: Batch, suspended: Batch) -> dict[str, dt.date]:
    """The first day of the events that each code suspends; of none, where they have no time."""
    if "start_time" not in usage.names:
        return {}
    times = pa.record_batch(usage.take(suspended, ["start_time"]))["start_time"].to_numpy(zero_copy_only=False)
    codes = pa.record_batch(suspended.select(["code"]))["code"]
    found = codes.indices.to_numpy()
    firsts = {codes.dictionary[number].as_py(): np.fmin.reduce(times[found == number]) for number in np.unique(found)}
    return {code: first.astype("datetime64[D]").item() for code, first in firsts.items() if not np.isnat(first)}


class Finished:
    """What is asked of a run at its end, whatever has given its batches."""

    _finisher: Finisher
    hash_name = "blake3"  # of the digest, and of the files that were read

    @property
    def columns(self) -> Columns:
        """The schemas of the tables."""
        return self._finisher.columns

    @property
    def settles(self) -> bool:
        """Whether account days and settlement are added up."""
        return self._finisher.settles

    @property
    def account_days(self) -> AccountDays:
        """The sums by account and day, to be read once the iteration has ended."""
        return self._finisher.account_days

    @property
    def exceptions(self) -> dict[str, Counter[str]]:
        """How often each code stands in each table of exceptions."""
        return self._finisher.exceptions

    @property
    def oldest_suspended(self) -> dict[str, dt.date]:
        """The first UTC day of an event that was suspended by a code."""
        return self._finisher.oldest_suspended

    @cached_property
    def settlement(self) -> pa.Table:
        """Every settlement line (`schema.SETTLEMENT`), once the iteration has ended."""
        return self._finisher.settlement.table()
