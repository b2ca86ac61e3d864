"""Decodes families, one at a word from its parent, in hardly more memory than it needs to be there.

    python -m tests.malformed.frugal FOLDER [keep]

Conventions
-----------
- A line in is a family's number, its file being FOLDER/x.txt; a line out is what came of it, or ``no memory``.
- The limit is on the address space. What a process has freed stays there and would be memory beside the limit; so each
  family has a process of its own, forked before any rule book was loaded, and its file is made elsewhere. What loading
  imports is imported before: the address space that an import leaves behind is not the decoder's either.
- With `keep` everything decoded is kept, as a reader without bounds would do.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pyarrow.compute  # noqa: F401

from tests.malformed import GOOD
from tests.malformed.grown import GROWN
from tests.malformed.pour import pour

ALLOWED_BYTES = 32 << 20  # the most that any needs is 24 MiB, however large its file
CHUNK_BYTES = 1 << 18


def address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def outcome_of(folder: Path, number: int, keep: list | None) -> str:
    case, path, warm = GROWN[number], folder / "x.txt", folder / "warm.txt"
    feed = case.declared(folder / f"book-{number}")
    warm.write_bytes(GOOD.raw)
    pour(warm, feed, chunk_bytes=CHUNK_BYTES)
    limit = address_space_bytes() + ALLOWED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        return pour(path, feed, chunk_bytes=CHUNK_BYTES, keep=keep)
    except MemoryError:
        return "no memory"


def main(folder: Path, *options: str) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            keep: list | None = [] if "keep" in options else None
            print(outcome_of(folder, int(line), keep), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print("died", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
