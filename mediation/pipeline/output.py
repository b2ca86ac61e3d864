"""A run's folder: Parquet tables, settlement and run.json, there whole or not at all.

Conventions
-----------
- Everything is written into a private folder beside OUT (0700, files 0600, never over anything), brought to disk and
  renamed into place when the certificate has closed. An existing OUT is refused.
- A part has 2^20 rows in canonical order and eight row groups, each a block of the digest, whatever the threads. A row
  group goes to its part's writer when it is full, is hashed and written there; several parts are written at once, and
  what waits for them is bounded (`WAITING_BYTES`).
"""

from __future__ import annotations

import io
import json
import os
import queue
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from mediation import schema
from mediation.errors import OutputError, TemporaryError
from mediation.pipeline import digest
from mediation.pipeline.disk import Disk
from mediation.pipeline.parquet import TableFile
from mediation.pipeline.run import TABLES, Stream, stream, summary
from mediation.settle.settlement import write_csv

ACCOUNT_DAY = "account_day"
PART_ROWS = 1 << 20
# Every batch is a piece of each column's hash and of its pages, 1.2 ms in all: with 4 MiB a run takes 3 % longer, and
# with 8 as long, and more memory.
BATCH_BYTES = (6 << 20) - 64
WAITING_BYTES = 128 << 20  # four row groups of the rated table with 19 columns, or fourteen of the account days


class _Part:
    """One Parquet file, written row group by row group as they come, each with its number in the table.

    Its rows are hashed where a digest is given.
    """

    def __init__(self, path: Path, table_schema: pa.Schema, table_digest: digest.TableDigest | None):
        self.path, self.schema, self.digest = path, table_schema, table_digest
        self.groups: queue.SimpleQueue[tuple[int, int, pa.Table] | None] = queue.SimpleQueue()


class PartWriter:
    """Cuts a table that comes in pieces into row groups, and those into parts.

    Parameters
    ----------
    folder : Path
        Made here.
    table_schema : pyarrow.Schema
    hash_name : str or None
        As of `TableDigest`; None: the table has no digest.
    writers : Writers
    """

    def __init__(self, folder: Path, table_schema: pa.Schema, hash_name: str | None, writers: Writers):
        writers.disk.make_folder(folder)
        self.folder, self.schema, self.writers = folder, table_schema, writers
        self.digest = None if hash_name is None else digest.TableDigest(table_schema, hash_name)
        self.parts = self.groups = 0
        self._part: _Part | None = None
        self._part_rows = 0
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, table: pa.Table | None) -> None:
        """Add the next rows."""
        if table is None or not table.num_rows:
            return
        while self._rows + table.num_rows >= digest.BLOCK_ROWS:
            fitting = digest.BLOCK_ROWS - self._rows
            self._waiting.append(table.slice(0, fitting))
            table = table.slice(fitting)
            self._send()
        if table.num_rows:
            self._waiting.append(table)
            self._rows += table.num_rows

    def _send(self) -> None:
        group = pa.concat_tables(self._waiting) if self._waiting else self.schema.empty_table()
        self._waiting, self._rows = [], 0
        if self._part is None:
            self._part = _Part(self.folder / f"part-{self.parts:05d}.parquet", self.schema, self.digest)
            self.parts += 1
            self.writers.start(self._part)
        self.writers.send(self._part, self.groups, group)
        self.groups += 1
        self._part_rows += group.num_rows
        if self._part_rows >= PART_ROWS:
            self._end_part()

    def _end_part(self) -> None:
        if self._part is not None:
            self._part.groups.put(None)
        self._part, self._part_rows = None, 0

    def finish(self) -> None:
        """Write what is left; a table without rows has one part without rows."""
        if self._rows or not self.parts:
            self._send()
        self._end_part()


class Room:
    """So many bytes at once; what is larger has to be alone."""

    def __init__(self, size_bytes: int):
        self._left, self._size = size_bytes, size_bytes
        self._changed = threading.Condition()

    def take(self, wanted_bytes: int, timeout_s: float) -> bool:
        """Wait for room; False when there was none in time."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._left >= min(wanted_bytes, self._size), timeout_s)
            if found:
                self._left -= wanted_bytes
            return found

    def give_back(self, taken_bytes: int) -> None:
        """Of what was taken."""
        with self._changed:
            self._left += taken_bytes
            self._changed.notify()


class Writers:
    """Threads that write parts. What waits for them is bounded: `send` blocks while there is too much of it."""

    def __init__(self, clock: Any, disk: Disk):
        self.clock, self.disk = clock, disk
        # The tables come at once, so each has a thread, and the busiest one has two.
        self.executor = ThreadPoolExecutor(len(TABLES) + 1)
        self.running: deque[Future] = deque()
        self.parts: list[_Part] = []
        self.room = Room(WAITING_BYTES)
        self.failed = threading.Event()

    def start(self, part: _Part) -> None:
        """Have a part written."""
        while self.running and self.running[0].done():
            self.running.popleft().result()
        self.parts.append(part)
        self.running.append(self.executor.submit(self._write, part))

    def send(self, part: _Part, number: int, group: pa.Table) -> None:
        """Hand a row group to its part."""
        size_bytes = group.nbytes
        while not self.room.take(size_bytes, 1.0):
            self._raise_failure()
        self._raise_failure()
        part.groups.put((number, size_bytes, group))

    def _raise_failure(self) -> None:
        if self.failed.is_set():
            for future in self.running:
                if future.done():
                    future.result()

    def _write(self, part: _Part) -> None:
        try:
            with self.disk.create(part.path) as file, TableFile(file, part.schema) as sink:
                while (waiting := part.groups.get()) is not None:
                    number, size_bytes, group = waiting
                    if part.digest is not None:
                        with self.clock.measure("digest", group.num_rows):
                            part.digest.put(number, group)
                    with self.clock.measure("write", group.num_rows):
                        sink.write(group)
                    del waiting, group
                    self.room.give_back(size_bytes)
        except BaseException:
            self.failed.set()
            raise

    def finish(self) -> None:
        """Wait until every part is on disk."""
        while self.running:
            self.running.popleft().result()

    def close(self) -> None:
        """Let the threads go, whatever they wait for."""
        for part in self.parts:
            part.groups.put(None)
        self.executor.shutdown(cancel_futures=True)


def write(
    paths: Iterable,
    book: Any,
    out: str | os.PathLike,
    *,
    threads: int | None = None,
    columns: Any = None,
    on_progress: Callable[[Stream], None] | None = None,
) -> dict:
    """Process files into a folder.

    Parameters
    ----------
    paths, book, threads, columns
        As of `stream`.
    out : path
        Must not exist; its parent must.
    on_progress : callable, optional
        Called with the stream after every batch.

    Returns
    -------
    dict
        What run.json holds.

    Raises
    ------
    OutputError
        OUT exists or cannot be created.
    InvariantError
        The certificate does not close; OUT was not created.
    """
    target = Path(os.path.abspath(out))
    if os.path.lexists(target):
        raise OutputError(f"{out} exists: choose another folder, or move it away")
    batches = stream(paths, book, threads=threads, columns=columns, batch_bytes=BATCH_BYTES)
    private = _private_folder(target)
    disk = Disk()
    try:
        result = write_run(batches, private, disk, on_progress)
        _publish(disk, private, target)
    except OSError as error:
        raise TemporaryError(f"{out}: writing failed: {error.strerror or error}; nothing was published") from error
    finally:
        batches.close()
        shutil.rmtree(private, ignore_errors=True)
    return result


def _private_folder(target: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))  # 0700
    except OSError as error:
        raise OutputError(f"{target}: cannot be created: {error.strerror or error}") from error


def write_run(batches: Stream, folder: Path, disk: Disk, on_progress: Callable[[Stream], None] | None = None) -> dict:
    """Write all that comes of a stream into a folder, whose names are then on disk too.

    Parameters
    ----------
    batches : Stream
        Not begun.
    folder : Path
        There, and empty.
    disk : Disk
    on_progress : callable, optional
        As of `write`.

    Returns
    -------
    dict
        What run.json holds.
    """
    began, writers = time.perf_counter(), Writers(batches.clock, disk)
    try:
        published, hash_name = batches.columns.published, batches.hash_name
        tables = {name: PartWriter(folder / name, published(name), hash_name, writers) for name in TABLES}
        for batch in batches:
            for name, writer in tables.items():
                writer.add(getattr(batch, name))
            if on_progress is not None:
                on_progress(batches)
        for writer in tables.values():
            writer.finish()
        settled = writers.executor.submit(_write_settlement, batches, folder / "settlement.csv", disk)
        _write_account_days(batches, folder / ACCOUNT_DAY, writers)
        settled.result()
        writers.finish()
    finally:
        writers.close()
    digests = [writer.digest for writer in tables.values() if writer.digest is not None]
    result = summary(batches, digest.digest_of_all(digests, batches.hash_name))
    result["wall_s"] = round(time.perf_counter() - began, 6)
    result["certificate"] = batches.audit.table().to_pylist()
    with disk.create(folder / "run.json") as file:
        file.write(json.dumps(result, indent=1).encode() + b"\n")
    for each in (*(folder / name for name in (*TABLES, ACCOUNT_DAY)), folder):
        disk.sync_folder(each)
    return result


def _write_account_days(batches: Stream, folder: Path, writers: Writers) -> None:
    fields = schema.schema(schema.ACCOUNT_DAY)
    table_schema = pa.schema([field.with_nullable(field.name == "account_id") for field in fields])
    writer = PartWriter(folder, table_schema, None, writers)
    batches.account_days.fold(writers.executor.map)
    for batch in batches.account_days.batches():
        writer.add(pa.Table.from_batches([batch]))
    writer.finish()


def _write_settlement(batches: Stream, path: Path, disk: Disk) -> None:
    with disk.create(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        write_csv(batches.settlement, text)
        text.detach()


def _publish(disk: Disk, private: Path, target: Path) -> None:
    try:
        disk.rename(private, target)  # an empty folder that appeared meanwhile is replaced; a filled one is an error
    except OSError as error:
        raise OutputError(f"{target} appeared while the run was writing: nothing was published") from error
    disk.sync_folder(target.parent)
