"""Many processes that ingest into one workspace at once; run by `test_workspace_races`.

    python -m tests.races PREPARED FOLDER ROUNDS > results.json

Conventions
-----------
- Every round is a copy of PREPARED (a workspace `ws` and an `inbox`), and processes that are let go together: each
  takes some of the files or all, and waits for the others or does not.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

from mediation.errors import TemporaryError
from mediation.workspace import Workspace
from tests.kills import fork, result_of, told

PROCESSES = 16
PATIENCE_S = 400


def ingest(folder: Path, gate: int, seed: int) -> str:
    """Take files as soon as the gate opens; "passed", or "busy" where another was writing."""
    chance = random.Random(seed)
    paths = sorted(path for path in (folder / "inbox").iterdir() if path.is_file())
    if chance.random() < 0.5:
        paths = chance.sample(paths, chance.randint(1, len(paths)))
    wait_s = PATIENCE_S if chance.random() < 0.7 else 0.0
    os.read(gate, 1)
    try:
        with Workspace(folder / "ws") as workspace:
            workspace.ingest(paths, threads=1, wait_s=wait_s)
            return "passed"
    except TemporaryError as error:
        return "busy" if not wait_s else f"busy, although it has waited: {error}"


def race(prepared: Path, folder: Path, number: int) -> dict[str, Any]:
    """A round: what came of its processes, and of the workspace."""
    shutil.copytree(prepared, folder)
    gate, opener = os.pipe()
    children = [fork(ingest, folder, gate, number * PROCESSES + each, closed=(opener,)) for each in range(PROCESSES)]
    os.close(gate)
    os.close(opener)
    results = [result_of(*child) for child in children]
    found = result_of(*fork(told, folder))
    shutil.rmtree(folder)
    return {"results": results, "told": found}


def main() -> None:
    """See above."""
    prepared, folder, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    json.dump([race(prepared, folder / f"{number:04d}", number) for number in range(rounds)], sys.stdout)


if __name__ == "__main__":
    main()
