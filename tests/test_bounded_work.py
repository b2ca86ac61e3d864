"""Work is in proportion to a file's bytes: a family of twice the size takes at most 2.2 times the instructions.

Why callgrind, and why the whole decoder in it: seconds depend on the neighbours, and counters of the processor are
missing on most virtual machines; callgrind counts the same everywhere. Decompression, envelopes and the cutting of
texts are Python, the records C++, and what was quadratic lay between the two; so no harness of headers alone would do.
Loading Python takes most of the time, hence one process for all families. Without valgrind the tests are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.malformed.counted import ONCE, REGIMES, TWICE, cases
from tests.malformed.grown import GROWN

ROOT = Path(__file__).resolve().parent.parent
MOST_TIMES = 2.2
COUNT = re.compile(r"^desc: Trigger: Client Request: (\d+) (\d+) (\w+)$.*^totals: (\d+)$", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts the steps; it is not here"),
    pytest.mark.xdist_group("counted"),  # once, for all families
]


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Instructions by regime, family and size."""
    folder = tmp_path_factory.mktemp("counted")
    marks = folder / "marks.so"
    source = Path(__file__).parent / "malformed" / "counting.cpp"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", "-o", marks, source], check=True)
    callgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no"]
    command = [*callgrind, f"--callgrind-out-file={folder / 'steps'}", sys.executable, "-m", "tests.malformed.counted"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("MEDIATION_SIMD", None)  # valgrind has no AVX-512
    subprocess.run([*command, folder, marks], check=True, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    told = (COUNT.search(file.read_text()) for file in folder.glob("steps.*"))
    return {(int(found[1]), int(found[2]), found[3]): int(found[4]) for found in told if found}


# What is counted: the regime and the family, by number.
COUNTED = [(place, number) for place in range(len(REGIMES)) for number, _ in cases(place)]


@pytest.mark.parametrize(
    ("regime", "number"), COUNTED, ids=[f"{place}-{GROWN[n].name.replace(' ', '_')}" for place, n in COUNTED]
)
def test_twice_the_bytes_take_twice_the_steps(counts, regime, number):
    once, twice = counts[regime, number, ONCE], counts[regime, number, TWICE]
    assert twice <= MOST_TIMES * once, f"{once:,} steps, then {twice:,}"
