"""Branches of the headers under a folder that was built with --coverage: how many were taken, and which never.

    branches.py FOLDER

Conventions
-----------
- A branch is an edge that gcov counts on a line. The edges to exceptions, which the compiler adds to calls, are none;
  in functions that are always inlined gcov does not know them, and a line without a word that branches has none there.
- A check that ends the process where the code is wrong has an edge that nothing takes: lines of MEDIATION_CHECK are not
  counted.
- A line that is compiled many times (templates, modules, instruction sets) is one line: an edge is taken when it was
  taken in any of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

BRANCHES = re.compile(r"\b(if|for|while|switch)\b|[?]|&&|[|][|]|MEDIATION_DEFINE")
GOAL = ("mediation/decode/", "mediation/dedup/", "mediation/native/money.hpp")


def edges(branches: list) -> list[int]:
    """Counts of the edges of a line, without calls that may throw."""
    kept: list[int] = []
    for branch in branches:
        if branch["throw"]:
            kept.pop()  # the edge before it: the call has come back
        else:
            kept.append(branch["count"])
    return kept


def counted(folder: Path) -> dict[str, dict[tuple[int, int], list[int]]]:
    """By header, then line and number of edges: the counts of the edges, over all builds of the line."""
    headers: dict = defaultdict(dict)
    for data in sorted(folder.rglob("*.gcda")):
        gcov = ["gcov", "--json-format", "--branch-probabilities", "--stdout", data.name]
        told = subprocess.run(gcov, cwd=data.parent, check=True, capture_output=True, text=True).stdout
        for file in json.loads(told)["files"]:
            place = file["file"].rpartition("mediation/")
            if not file["file"].endswith(".hpp") or not place[1] or "/exact/" in file["file"]:
                continue
            name = place[1] + place[2]
            lines, source = headers[name], (folder / name).read_text().splitlines()
            for line in file["lines"]:
                inlined = "function_name" not in line
                text = source[line["line_number"] - 1]
                if "MEDIATION_CHECK" in text or (inlined and not BRANCHES.search(text)):
                    continue
                found = edges(line["branches"])
                before = lines.setdefault((line["line_number"], len(found)), [0] * len(found))
                lines[line["line_number"], len(found)] = [a + b for a, b in zip(before, found, strict=True)]
    return headers


def main(folder: Path) -> None:
    for name, lines in sorted(counted(folder).items()):
        total = sum(map(len, lines.values()))
        missed = {line: counts for (line, _), counts in sorted(lines.items()) if 0 in counts}
        taken = total - sum(counts.count(0) for counts in missed.values())
        print(f"{taken / max(total, 1):8.1%} {taken:5} of {total:5}  {name}")
        source = (folder / name).read_text().splitlines()
        for line, counts in missed.items() if name.startswith(GOAL) else ():
            print(f"{'':24}{line}: {source[line - 1].strip()}  {counts}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
