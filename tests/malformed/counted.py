"""Pours every growing family at two sizes under callgrind, which writes down the instructions of each.

    valgrind --tool=callgrind --instr-atstart=no … python -m tests.malformed.counted FOLDER MARKS.so

Conventions
-----------
- A count is told under ``REGIME FAMILY ONCE`` and ``REGIME FAMILY TWICE``, regime and family by number.
- Regimes: a family within one record's limit and one text, where a look back or ahead may be long; and over many texts,
  where what is carried from one to the next counts.
- What runs once in a process (imports, tables) has run before anything is counted.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

from tests.malformed.grown import GROWN
from tests.malformed.pour import pour

ONCE, TWICE = "once", "twice"
REGIMES = [
    {"max_record_bytes": 1 << 20, "chunk_bytes": 1 << 22, "size": 1 << 15},
    {"max_record_bytes": 1 << 12, "chunk_bytes": 1 << 14, "size": 1 << 16},
]


def cases(regime: int):
    """Families by number; those that are slow for each byte know nothing of texts, and are counted once."""
    return [(number, case) for number, case in enumerate(GROWN) if regime == 0 or not case.slow]


def main(folder: Path, marks: ctypes.CDLL) -> None:
    books: dict[str, object] = {}
    path = folder / "x.txt"

    def feed(case, regime):
        longest = regime["max_record_bytes"]
        key = repr([each for each in case if not callable(each) and each != case.name] + [longest])
        if key not in books:
            books[key] = case.declared(folder / f"book-{len(books)}", max_record_bytes=longest)
        return books[key]

    def poured(case, regime, size):
        path.write_bytes(case.make(size))
        declared = feed(case, regime)
        marks.count_from_here()
        pour(path, declared, chunk_bytes=regime["chunk_bytes"])

    for place, regime in enumerate(REGIMES):
        for _, case in cases(place):
            poured(case, regime, 1)
    gc.disable()  # it would count for whoever is poured when it comes
    marks.count_on()
    for place, regime in enumerate(REGIMES):
        for number, case in cases(place):
            for which, size in ((ONCE, regime["size"]), (TWICE, 2 * regime["size"])):
                poured(case, regime, size)
                marks.count_told(f"{place} {number} {which}".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), ctypes.CDLL(sys.argv[2]))
