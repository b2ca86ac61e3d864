"""Many threads, one order: files are read, decoded, admitted and rated, and their batches come out in source order.

Conventions
-----------
- A chunk is read with a ticket, by one thread at a time, and decoded by it alone. In the order of the tickets rows are
  numbered and batches become jobs with a number: by whichever thread comes with the one that is next.
- Jobs are admitted one after the other in the order of their numbers, so that the first of a key is the first in
  source order, whatever the threads do; rated by any thread; delivered in order through a window.
- Who takes the results is one of the threads, and works while none is ready. As one more thread it had to be woken for
  every batch and kept the others from the interpreter: a sixth of a run of small batches on two processors.
- No thread waits for another that reads or admits as long as it may read ahead: chunks and jobs on the way are at most
  twice as many as threads, but for those of a held source, which are read back by the thread that admits them.
- Batches of a held source become jobs in the turn of its end, when its totals have agreed; a refused source has none.
- The first error of a thread stops all of them and is raised where results are taken.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

# What threads need is imported before they begin: a signal may leave the interpreter's import lock taken, and a thread
# that comes to import waits for it for ever.
import mediation.decode.ber.layout
import mediation.decode.header  # noqa: F401
from mediation.decode import decode as decoding
from mediation.dedup import dedup
from mediation.dedup.horizon import Bounded
from mediation.errors import BadDataError, SourceRefused, TemporaryError
from mediation.native._column import Batch
from mediation.pipeline.audit import SourceAudit, stages_through
from mediation.pipeline.sources import Listed, file_hash, most_bytes
from mediation.pipeline.spool import Spool
from mediation.rulebook.names import NameMatch

TEMPORARY = frozenset(["changed_while_read", "unreadable"])


class Stopped(Exception):
    """Another thread has failed, or nobody wants the results any more."""


class SourceState:
    """A source while it is read."""

    def __init__(self, listed: Listed, through: str):
        self.listed = listed
        stages = stages_through(through)
        self.audit = SourceAudit(listed.source_id, listed.name, listed.feed, listed.file_bytes, stages)
        self.source: Any = None
        self.layout: Any = None
        self.held = False
        self.admitted = False  # a row of it has entered
        self.records = 0
        self.sums: list[int] = []
        self.unreadable: list[int] = []
        self.spool, self.rejects = Spool(), Spool()  # of a held source
        self.reject_bytes: list[int] = []  # of each of its batches

    def close(self) -> None:
        """Let go of what is held."""
        self.spool.close()
        self.rejects.close()


class Ticket(NamedTuple):
    """A chunk in its place, or with `chunk` None the end of a source and perhaps why it is refused."""

    number: int
    state: SourceState
    chunk: Any
    refusal: SourceRefused | None


class Job(NamedTuple):
    """A batch in its place; admitted, it knows which rows are fresh and which repeat others."""

    number: int
    state: SourceState
    kept: int  # where usage, prints and rejects are in the source's spools; -1: here
    ordinal_base: int
    usage: Batch | None
    prints: Batch | None  # None in a run that only decodes
    rejects: Batch | None
    reject_bytes: int
    fresh: Batch | None = None  # None: all
    duplicates: Batch | None = None
    too_old: Batch | None = None  # rows that are suspended, because nobody can say whether they repeat others


class StageClock:
    """Wall and CPU seconds and rows of every stage, summed over threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def measure(self, stage: str, rows: int = 0) -> Iterator[None]:
        """Charge what the block takes to a stage."""
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        self.add(stage, wall, cpu, rows)

    def add(self, stage: str, wall_s: float, cpu_s: float, rows: int) -> None:
        """Charge seconds and rows to a stage."""
        with self._lock:
            entry = self.stages.setdefault(stage, {"wall_s": 0.0, "cpu_s": 0.0, "rows": 0})
            entry["wall_s"] += wall_s
            entry["cpu_s"] += cpu_s
            entry["rows"] += rows


class Past(NamedTuple):
    """What earlier runs have left; nothing, where there is no workspace."""

    secret: bytes = dedup.PUBLISHED_SECRET
    dated: bool = False  # whether the run's own fingerprints are to become history
    history: Any = None
    horizon: int | None = None  # the first day that the history knows, since 1970; None: all
    hash_name: str = "xxh3-128"  # a workspace knows contents by their hash, and takes one that nobody can forge


NO_PAST = Past()


class Engine:
    """Runs sources through decode and dedup in their order, and through `finish` in parallel.

    Parameters
    ----------
    listed : list of Listed
        In source order.
    book : Rulebook
    threads : int
    finish : callable
        Given the engine and a job with its usage and fingerprints, returns what is delivered; called by several
        threads at once.
    through : str
        The last stage: one of `audit.STAGES`.
    batch_bytes : int or None
        Of a file, in a batch; None: as its format has it.
    past : Past
    """

    def __init__(
        self,
        listed: list[Listed],
        book: Any,
        threads: int,
        finish: Any,
        through: str,
        batch_bytes: int | None,
        past: Past,
    ):
        self.book, self.threads, self.finish, self.through = book, threads, finish, through
        self.clock = StageClock()
        self.states: list[SourceState] = []
        self.bases: list[int] = []  # ordinal of the first record of each source that has entered,
        self.base_sources: list[int] = []  # and which source it is
        self._source_options = {"hash_name": past.hash_name} | ({"chunk_bytes": batch_bytes} if batch_bytes else {})
        self._remembers = past.dated  # somebody asks for the set when all has been admitted
        self._listed_bytes = sum(entry.file_bytes for entry in listed)
        self.bytes_done = 0  # of the files as they lie on disk
        self.records_done = 0
        self.completed = False  # every result was taken
        self.keys = self.admission = None
        self._bounded = Bounded(past.history, past.horizon)
        if through != "decode":
            self.keys = dedup.compile_keys(book, past.secret, dated=past.dated)
            self.admission = dedup.Admission(self._bounded.asked, dated=past.dated)
        self._tickets = self._read(listed)
        # Taken by itself, not by entering the condition: that is Python, where a signal may come and leave it locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # what there is to do or to take, and failures
        # A thread is at it, and stays at it when it fails: then all others stop.
        self._reading = self._taking_in = self._admitting = False
        self._issued = self._turn = self._jobs = self._taken = 0
        self._decoded: dict[int, tuple[SourceState, SourceRefused | None, Any, Batch | None]] = {}  # by ticket
        self._ready: deque[Job] = deque()
        self._results: dict[int, Any] = {}
        self._window = 2 * threads + 2
        self._accepted_records = 0
        self._exhausted = False
        self._failure: BaseException | None = None
        self._at_work = 0  # threads that look for steps, but for the consumer's

    # ------------------------------------------------------------------------------------- the consumer

    def results(self) -> Generator[Any, None, None]:
        """What `finish` returned for every job, in order. Who takes them works while there is none."""
        try:
            self._start()
            while True:
                with self._lock:
                    if self._failure is not None:
                        raise self._failure
                    ready, step = self._taken in self._results, None
                    if ready:
                        result = self._results.pop(self._taken)
                        self._taken += 1
                        self._changed.notify_all()  # there is room for another
                    elif self._taken == self._jobs and self._is_drained():
                        self.completed = True
                        self._forget()
                        return
                    elif (step := self._find_step()) is None:
                        self._changed.wait()
                if ready:
                    yield result
                    del result  # it may be large, and the next takes long
                elif step is not None:
                    self._try(step)
        finally:
            self.stop()

    def _forget(self) -> None:
        """Give the set up where nobody asks for it: it is a third of a run's memory, and what follows needs some."""
        if self.admission is not None and not self._remembers:
            with suppress(RuntimeError):  # no thread is to be had: it is given back here
                threading.Thread(target=self.admission.clear, daemon=True).start()
            self.admission = None

    def stop(self) -> None:
        """End all threads; what they have not delivered is lost.

        They are not joined: a signal that came while one was being started has left a thread that nobody knows. One
        that comes to work later finds nothing to do.
        """
        self._fail(Stopped())
        with self._lock:
            while self._at_work:
                self._changed.wait()
        self._tickets.close()
        for state in self.states:
            state.close()

    def _start(self) -> None:
        for number in range(1, self.threads):
            threading.Thread(target=self._work, name=f"mediation-{number}", daemon=True).start()

    # -------------------------------------------------------------------------------------- the threads

    def _work(self) -> None:
        with self._lock:
            self._at_work += 1
        try:
            while (step := self._next_step()) is not None:
                self._try(step)
                del step  # its job: the next may be long in coming
        finally:
            with self._lock:
                self._at_work -= 1
                self._changed.notify_all()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as failure:  # raised again where the results are taken
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = failure
            self._changed.notify_all()

    def _next_step(self) -> Callable[[], None] | None:
        """What a thread is to do next; None when all is done, or one has failed."""
        with self._lock:
            while True:
                step = None if self._failure else self._find_step()
                if step is not None or self._failure or self._is_drained():
                    return step
                self._changed.wait()

    def _find_step(self) -> Callable[[], None] | None:
        """What there is to do now.

        As many jobs as threads are kept ready, for those who come while another reads. A job begins when there is room
        for its result.
        """
        if self._turn in self._decoded and not self._taking_in:
            self._taking_in = True
            return self._take_turn
        waiting = len(self._ready)
        on_the_way = self._issued - self._turn + waiting
        may_read = not self._reading and not self._exhausted and on_the_way < 2 * self.threads
        may_admit = waiting > 0 and not self._admitting and self._ready[0].number < self._taken + self._window
        if may_admit and (waiting >= self.threads or not may_read):
            self._admitting = self.admission is not None
            return partial(self._complete, self._ready.popleft())
        if may_read:
            self._reading = True
            return self._decode_next
        return None

    def _is_drained(self) -> bool:
        """Whether all has been read, and all jobs have begun."""
        return self._exhausted and self._issued == self._turn and not self._ready

    def _complete(self, job: Job) -> None:
        self._deliver(job.number, self._finished(job))

    def _finished(self, job: Job) -> Any:
        if job.kept < 0:
            return self.finish(self, self._admit(job))
        usage, prints = job.state.spool.get(job.kept)
        rejects, _ = job.state.rejects.get(job.kept)
        result = self.finish(self, self._admit(job._replace(usage=usage, prints=prints, rejects=rejects)))
        job.state.spool.forget(job.kept)
        job.state.rejects.forget(job.kept)
        return result

    def _admit(self, job: Job) -> Job:
        """Admits as the only thread; another may when it is done."""
        if self.admission is None:
            return job
        with self.clock.measure("deduplicate"):
            if job.number == 0:
                self.admission.expect(self._expected(job.usage))
            fresh, duplicates = self.admission.admit(job.prints, job.usage, job.ordinal_base)
            duplicates, too_old = self._bounded.part(duplicates, job.prints)
        with self._lock:
            self._admitting = False
            self._changed.notify_all()
        return job._replace(fresh=fresh, duplicates=duplicates, too_old=too_old)

    def _expected(self, usage: Batch) -> int:
        """Records of all files, if they are like these; compressed ones will have more."""
        records, _, size_bytes = usage.amount()
        return records * self._listed_bytes // max(size_bytes, 1)

    def _deliver(self, number: int, result: Any) -> None:
        with self._lock:
            self._raise_if_stopped()
            self._results[number] = result
            if number == self._taken:
                self._changed.notify_all()

    def _raise_if_stopped(self) -> None:
        if self._failure is not None:
            raise Stopped

    def _next_ticket(self) -> Ticket | None:
        with self.clock.measure("read"):
            found = next(self._tickets, None)
        with self._lock:
            self._reading = False
            self._changed.notify_all()
            if found is None:
                self._exhausted = True
                return None
            self._issued += 1
            return Ticket(self._issued - 1, *found)

    def _read(self, listed: list[Listed]) -> Generator[tuple[SourceState, Any, SourceRefused | None], None, None]:
        for entry in listed:
            state = SourceState(entry, self.through)
            self.states.append(state)
            try:
                if entry.code is not None:
                    raise SourceRefused(entry.code, entry.detail)
                feed = self.book.feeds[entry.feed]
                state.layout = decoding.layout_of(feed, entry.date)
                said, compression = NameMatch(entry.date, entry.sequence), "zstd" if entry.kept_of else None
                given = {"said": said, "compression": compression, **self._source_options}
                with state.layout.source(entry.path, feed, state.layout, feed.declared.limits, **given) as source:
                    state.source = source
                    state.sums = [0] * len(state.layout.control_columns)
                    state.unreadable = list(state.sums)
                    for chunk in source:
                        state.held = source.held or state.layout.declared.header is not None
                        yield state, chunk, None
                yield state, None, None
            except SourceRefused as refusal:
                yield state, None, refusal
            self.bytes_done += entry.file_bytes

    def _decode_next(self) -> None:
        ticket, decoded, prints = self._next_ticket(), None, None
        if ticket is None:
            return
        if ticket.chunk is not None:
            state = ticket.state
            with self.clock.measure("decode"):
                decoded = decoding.decode_chunk(state.source.layout, ticket.chunk, state.listed.source_id)
            self.clock.add("decode", 0, 0, decoded.records)
            if self.keys is not None:
                with self.clock.measure("deduplicate", decoded.usage.num_rows):
                    prints = dedup.fingerprint(self.keys, decoded.usage)
        with self._lock:
            self._decoded[ticket.number] = ticket.state, ticket.refusal, decoded, prints
            self._changed.notify_all()

    # ---------------------------------------------------------- in the tickets' turn: one thread at a time

    def _take_turn(self) -> None:
        with self._lock:
            state, refusal, decoded, prints = self._decoded.pop(self._turn)
        jobs = self._end(state, refusal) if decoded is None else self._take_in(state, decoded, prints)
        with self._lock:
            self._turn += 1
            self._taking_in = False
            self._ready.extend(jobs)
            self._changed.notify_all()

    def _take_in(self, state: SourceState, decoded: Any, prints: Batch | None) -> list[Job]:
        decoded.number(state.records)
        state.records += decoded.records
        self.records_done += decoded.records
        _count(state, decoded)
        if state.held:
            state.spool.add(decoded.usage, prints)
            state.rejects.add(decoded.rejects, None)
            state.reject_bytes.append(decoded.reject_bytes)
            return []
        if not state.admitted:
            self._enter(state)
        return [self._job(state, -1, decoded.usage, prints, decoded.rejects, decoded.reject_bytes)]

    def _enter(self, state: SourceState) -> None:
        state.admitted = True
        self.base_sources.append(state.listed.source_id)
        self.bases.append(self._accepted_records)

    def _job(self, state: SourceState, kept: int, *batch: Any) -> Job:
        number = self._jobs
        self._jobs += 1
        return Job(number, state, kept, self.bases[-1], *batch)

    def _end(self, state: SourceState, refusal: SourceRefused | None) -> list[Job]:
        source, audit = state.source, state.audit
        if refusal is None:
            try:
                source.verify(state.records, state.sums, state.unreadable)
            except SourceRefused as found:
                refusal = found
        if source is not None:
            audit.bytes_in = source.bytes_in
            audit.content_hash, audit.compression = source.content_hash, source.compression
            audit.sum_verified = source.sum_verified
            audit.closure, audit.lost_records = source.closure, source.lost_records
            audit.classes["header"], audit.classes["trailer"] = source.header_bytes, source.trailer_bytes
            audit.classes["filler"] += source.filler_bytes
        if refusal is not None:
            self._refuse(state, refusal)
            return []
        if len(state.spool):
            self._enter(state)
        jobs = [self._job(state, kept, None, None, None, size) for kept, size in enumerate(state.reject_bytes)]
        self._accepted_records += state.records
        return jobs

    def _refuse(self, state: SourceState, refusal: SourceRefused) -> None:
        if state.admitted:
            kind = TemporaryError if refusal.code in TEMPORARY else BadDataError
            raise kind(f"{state.audit.name}: {refusal}; rows of it had entered: nothing was published") from refusal
        state.close()
        if state.audit.content_hash is None:
            limit = most_bytes(self.book, state.listed.feed)
            state.audit.content_hash = file_hash(state.listed.path, limit, self._source_options["hash_name"])
        state.audit.refuse(refusal.code, refusal.detail)

    def first_places(self, duplicates: Batch) -> Batch:
        """Source and record number of the first of each duplicate."""
        bases = list(self.bases)  # copied first: a thread in its turn appends to it last
        return dedup.first_places(duplicates, bases, self.base_sources[: len(bases)])


def _count(state: SourceState, decoded: Any) -> None:
    # What came in, as the decoder saw it; what goes out is counted on the tables.
    audit, rejects = state.audit, decoded.rejects.num_rows
    amount = (decoded.records, decoded.usage.num_rows + rejects, decoded.record_bytes + decoded.undecodable_bytes)
    audit.add("records_in", amount)
    audit.enter("decode", amount)
    audit.classes["record"] += decoded.record_bytes
    audit.classes["undecodable"] += decoded.undecodable_bytes
    audit.classes["filler"] += decoded.filler_bytes
    audit.unknown_elements += decoded.unknown_elements
    state.sums = [old + new for old, new in zip(state.sums, decoded.control_sums, strict=True)]
    state.unreadable = [old + new for old, new in zip(state.unreadable, decoded.unreadable, strict=True)]
