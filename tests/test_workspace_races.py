"""Sixteen processes and one workspace: one history, and who cannot write is told to try again.

FAULT_ROUNDS sets how many rounds there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

from mediation.workspace.rows import SourceRow
from tests.races import PROCESSES
from tests.test_workspace_kills import ROOT, prepared

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))

CONTENT_HASH, FILE_HASH, REFUSED = (SourceRow._fields.index(name) for name in ("content_hash", "file_hash", "refused"))

__all__ = ["prepared"]  # the fixture


def test_a_race_has_one_history(prepared, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.races", prepared, tmp_path, str(ROUNDS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    came: Counter[str] = Counter()
    for race in json.loads(done.stdout):
        assert set(race["results"]) <= {"passed", "busy"}, race["results"]
        came.update(race["results"])
        told = race["told"]
        assert isinstance(told, dict), told
        assert told["verify"] == []
        assert told["staging"] == []
        assert [ordinal for ordinal, *_ in told["runs"]] == list(range(1, len(told["runs"]) + 1))
        accepted = Counter(source[CONTENT_HASH] for source in told["sources"] if source[REFUSED] is None)
        assert set(accepted.values()) == {1}, "a content was taken twice"
        assert {source[FILE_HASH] for source in told["sources"]} == set(told["inputs"].values())
    assert came["passed"] + came["busy"] == PROCESSES * ROUNDS
    assert came["passed"] >= ROUNDS
