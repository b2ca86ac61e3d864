"""Decodes families, one at a word from its parent, in hardly more memory than it needs to be there.

    python -m tests.malformed.frugal FOLDER [keep]

Conventions
-----------
- A line in is a family's number, its file being FOLDER/x.txt; a line out is what came of it, or ``no memory``.
- The limit is on the address space, so it is set when all modules and rule books are there. What is written before a
  limit is set would be memory that a family may use; so the parent makes the files.
- Each family has a process of its own, forked from one that is ready: none pays for what the one before left behind.
- With `keep` everything decoded is kept, as a reader without bounds would do.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from tests.decode_book import feed_of
from tests.malformed import GOOD
from tests.malformed.growing import GROWING
from tests.malformed.pour import pour

ALLOWED_BYTES = 24 << 20
CHUNK_BYTES = 1 << 18


def address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def outcome_of(path: Path, feed, keep: list | None) -> str:
    try:
        return pour(path, feed, chunk_bytes=CHUNK_BYTES, keep=keep)
    except MemoryError:
        if keep is not None:
            keep.clear()
        return "no memory"


def main(folder: Path, keep: list | None) -> None:
    books = enumerate(GROWING)
    feeds = [feed_of(folder / f"book-{n}", case.fields, feed=case.feed, **case.layout) for n, case in books]
    path = folder / "x.txt"
    path.write_bytes(GOOD.raw)
    for feed in feeds:
        pour(path, feed, chunk_bytes=CHUNK_BYTES)
    limit = address_space_bytes() + ALLOWED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            print(outcome_of(path, feeds[int(line)], keep), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print("died", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [] if sys.argv[2:] == ["keep"] else None)
