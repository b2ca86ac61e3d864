"""One run: files in, rated tables and exceptions out, with the certificate.

Conventions
-----------
- The same content and order at any thread count and whatever the order of the paths.
- `stream` gives batches as files are accepted and keeps none; `process` keeps all of them.
- A run whose certificate does not close raises InvariantError at its end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from mediation.errors import UsageError
from mediation.native import simd_level
from mediation.pipeline.audit import STAGES, Audit
from mediation.pipeline.digest import TableDigest, digest_of_all
from mediation.pipeline.engine import NO_PAST, Engine, Past
from mediation.pipeline.finish import TABLES, Finished, Finisher, RunBatch
from mediation.pipeline.sequences import NodeSequences, Stretch
from mediation.pipeline.sources import Listed, list_sources
from mediation.rulebook.zones import tzdata_version


def peak_rss_bytes() -> int:
    """The most memory that this process has had."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Stream(Finished):
    """The batches of a run, in order: an iterator that may be used once; parameters as of `stream`.

    Parameters
    ----------
    listed : list of Listed
        In source order.
    past : Past
        What the workspace knows of earlier runs.

    Attributes
    ----------
    audit : Audit
        Complete when the iteration has ended.
    """

    def __init__(
        self,
        listed: list[Listed],
        book: Any,
        threads: int | None = None,
        columns: Any = None,
        through: str = "rate",
        settle: bool = True,
        duplicates: bool = True,
        batch_bytes: int | None = None,
        past: Past = NO_PAST,
    ):
        if through not in STAGES:
            raise UsageError(f"there is no stage {through!r}; a run goes through {', '.join(STAGES)}")
        if batch_bytes is not None and not 0 < batch_bytes < 1 << 31:
            raise UsageError(f"a batch of {batch_bytes} bytes: from 1 byte to below 2 GiB")
        self.book = book
        self.threads = max(1, threads if threads is not None else os.cpu_count() or 1)
        self.listed, self.hash_name = listed, past.hash_name
        self._finisher = Finisher(book, columns, through, settle, duplicates)
        if past.dated:  # in a workspace, which follows them over many runs
            self._finisher.sequences = NodeSequences(book)
        self._engine = Engine(self.listed, book, self.threads, self._finisher.finish, through, batch_bytes, past)
        self._results = self._engine.results()
        self.audit = Audit()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> RunBatch:
        for batch in self._results:
            return batch
        if not self._engine.completed:  # closed, or failed before
            raise StopIteration
        self.audit = Audit([state.audit for state in self._engine.states])
        self.audit.check()
        raise StopIteration

    def __del__(self) -> None:
        if hasattr(self, "_results"):  # else it was never made
            self.close()

    def close(self) -> None:
        """Stop reading; batches not yet taken are lost."""
        self._results.close()

    @property
    def keeps_duplicates(self) -> bool:
        """Whether there is a table of them."""
        return self._finisher.keeps_duplicates

    @property
    def bytes_total(self) -> int:
        """Bytes of all files, as they lie on disk."""
        return sum(entry.file_bytes for entry in self.listed)

    @property
    def bytes_done(self) -> int:
        """Of these, those of the files that have been read."""
        return self._engine.bytes_done

    @property
    def records_done(self) -> int:
        """Records read so far."""
        return self._engine.records_done

    @property
    def admission(self) -> Any:
        """The set of the run's fingerprints, which only a workspace asks for; None when the others have ended."""
        return self._engine.admission

    @property
    def stretches(self) -> list[Stretch]:
        """Which of the nodes' numbers have come, once the iteration has ended; only in a workspace."""
        return [] if self._finisher.sequences is None else self._finisher.sequences.stretches()

    @property
    def clock(self):
        """Seconds and rows of every stage."""
        return self._engine.clock


def stream(
    paths: Iterable,
    book: Any,
    *,
    threads: int | None = None,
    columns: Any = None,
    through: str = "rate",
    settle: bool = True,
    duplicates: bool = True,
    batch_bytes: int | None = None,
) -> Stream:
    """Process files batch by batch, in bounded memory.

    Parameters
    ----------
    paths : iterable of path
    book : Rulebook
    threads : int, optional
        Default: as many as there are processors. The one that takes the batches is one of them.
    columns : str or iterable of str, optional
        Of the rated batches: names, or the name of a set of the rule book. Default: all.
    through : str
        The last stage: ``decode``, ``deduplicate`` or ``rate``. A run that stops before rating hands usage on, which
        its certificate counts as held: it is not charged yet.
    settle : bool
        False: no account days and no settlement, for those who add up themselves.
    duplicates : bool
        False: they are left out and counted, and no batch has a table of them.
    batch_bytes : int, optional
        Of a file, in a batch: 2 MiB, which a processor's cache holds (of BER 4). For whom every batch is dear, 6 MiB.
        No header or trailer of a BER file may be longer.

    Returns
    -------
    Stream
        An iterator of `RunBatch`; its `audit` is complete at the end.
    """
    return Stream(list_sources(paths, book), book, threads, columns, through, settle, duplicates, batch_bytes)


@dataclass(frozen=True)
class Run:
    """Everything that came of a run, in memory."""

    rated: pa.Table
    rejects: pa.Table
    suspended: pa.Table
    duplicates: pa.Table
    account_days: pa.Table
    settlement: pa.Table
    audit: Audit
    _told: dict  # the summary, but for the digest
    _whole: bool = True  # no table was left out

    @cached_property
    def summary(self) -> dict:
        """What run.json says, but for what writing adds. The tables are hashed when it is first asked for.

        The digest is None where a table was left out.
        """
        from concurrent.futures import ThreadPoolExecutor

        told, digests = dict(self._told), []
        if not self._whole:
            return told
        with ThreadPoolExecutor(told["threads"]) as executor:
            for name in TABLES:
                table = getattr(self, name)
                digests.append(TableDigest(table.schema, NO_PAST.hash_name))
                digests[-1].put_all(table, executor.map)
        return {**told, "digest": digest_of_all(digests, NO_PAST.hash_name)}


def process(
    paths: Iterable,
    book: Any,
    *,
    threads: int | None = None,
    columns: Any = None,
    settle: bool = True,
    duplicates: bool = True,
) -> Run:
    """Process files and keep everything in memory; parameters as of `stream`.

    Returns
    -------
    Run
        Its account days and settlement are empty where `settle` is False, its duplicates where they are left out.
    """
    batches = stream(paths, book, threads=threads, columns=columns, settle=settle, duplicates=duplicates)
    parts: dict[str, list[pa.Table]] = {name: [getattr(batches.columns, name).empty_table()] for name in TABLES}
    for batch in batches:
        for name in TABLES:
            table = getattr(batch, name)
            if table is not None and table.num_rows:
                parts[name].append(table)
    tables = {name: pa.concat_tables(found[1:] or found) for name, found in parts.items()}
    told = summary(batches, None)
    return Run(**tables, **closing(batches), audit=batches.audit, _told=told, _whole=batches.keeps_duplicates)


def closing(batches: Stream) -> dict[str, pa.Table]:
    """The sums of a stream that has ended."""
    return {"account_days": batches.account_days.table(), "settlement": batches.settlement}


def summary(batches: Stream, digest: str | None) -> dict:
    """What run.json says, but for what writing adds."""
    from mediation import __version__

    audit, book = batches.audit, batches.book
    settled = batches.settlement if batches.settles else None
    return {
        **audit.totals(),
        "conflicts": audit.conflicts,
        "files": len(audit.sources),
        "files_refused": len(audit.refused),
        "bytes_refused": sum(source.bytes_in or source.file_bytes for source in audit.refused),
        "bytes_in": audit.bytes_in,
        "bytes_accounted": sum(audit.classes().values()),
        "bytes": audit.classes(),
        "file_bytes": sum(source.file_bytes for source in audit.accepted),
        "wholesale_micro": _micro(settled, "wholesale_amount"),
        "retail_micro": _micro(settled, "retail_amount"),
        "exceptions": {kind: dict(sorted(codes.items())) for kind, codes in batches.exceptions.items()},
        "oldest_suspended": {code: day.isoformat() for code, day in sorted(batches.oldest_suspended.items())},
        "version": __version__,
        "tzdata": tzdata_version(),
        "rulebook_hash": book.hash,
        "reference_hash": book.reference_hash,
        "digest": digest,
        "closes": audit.closes,
        "stages": {name: dict(entry) for name, entry in batches.clock.stages.items()},
        "peak_rss_bytes": peak_rss_bytes(),
        "threads": batches.threads,
        "simd": simd_level(),
        "sources": audit.files(),
    }


def _micro(settled: pa.Table | None, name: str) -> int | None:
    if settled is None:  # nobody has added up
        return None
    return sum(int(value.scaleb(6)) for value in settled[name].to_pylist() if value is not None)
