"""The decoded batches of a file that is not accepted yet: in memory up to a limit, then in a private file.

Conventions
-----------
- The file is unlinked when it is made, readable by us alone, and uncompressed Arrow IPC.
- Batches are read back in any order, by any thread. A spool's batches all have the same columns.
"""

from __future__ import annotations

import tempfile
import threading
from typing import Any

import pyarrow as pa

from mediation.native._column import Batch

MEMORY_BYTES = 128 << 20  # a file has two: its usage with fingerprints, and its rejects


class Spool:
    """What a held file has been decoded to: its usage with fingerprints, or its rejects.

    Parameters
    ----------
    memory_bytes : int
        What may be kept in memory.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES):
        self._left = memory_bytes
        self._kept: list[tuple[Batch, Batch | None] | int] = []
        self._prints: list[str] = []  # their columns
        self._file: Any = None
        self._writer: Any = None
        self._reader: Any = None
        self._written = 0
        self._wanted = 0  # batches not forgotten
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def spooled(self) -> int:
        """Batches that are not in memory."""
        return self._written

    def add(self, usage: Batch, prints: Batch | None) -> None:
        """Keep a batch and its fingerprints, where it has any."""
        self._wanted += 1
        batch = pa.record_batch(usage)
        size = batch.get_total_buffer_size()
        if size <= self._left:
            self._left -= size
            self._kept.append((usage, prints))
            return
        self._left = 0
        self._prints = [] if prints is None else prints.names
        both = pa.record_batch(usage if prints is None else usage.zip(prints))
        if self._writer is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the last batch
            self._writer = pa.ipc.new_file(self._file, both.schema)
        self._writer.write_batch(both)
        self._kept.append(self._written)
        self._written += 1

    def get(self, number: int) -> tuple[Batch, Batch | None]:
        """A batch that was kept, and its fingerprints. Nothing may be added afterwards."""
        kept = self._kept[number]
        if isinstance(kept, tuple):
            return kept
        with self._lock:
            if self._reader is None:
                self._writer.close()
                self._reader = pa.ipc.open_file(self._file)
            both = Batch.of(self._reader.get_batch(kept))
        usage = [name for name in both.names if name not in self._prints]
        return both.select(usage), both.select(self._prints) if self._prints else None

    def forget(self, number: int) -> None:
        """Let go of a batch; the last one closes the file."""
        with self._lock:
            self._kept[number] = -1
            self._wanted -= 1
            if self._wanted == 0:
                self._close()

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            self._close()

    def _close(self) -> None:
        file, self._file, self._reader, self._writer = self._file, None, None, None
        if file is not None:
            file.close()
