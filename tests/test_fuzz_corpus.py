"""The fuzz targets on their corpus and on mutations of it, built with g++ and its sanitizers alone.

`make fuzz` searches for new inputs; this keeps what was found from coming back.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLAGS = ["-std=c++17", "-O1", "-g1", "-w", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
INCLUDES = [f"-I{ROOT / 'fuzz' / 'exact'}", f"-I{ROOT / 'mediation'}"]
TARGETS = sorted(path.name for path in (ROOT / "fuzz" / "corpus").iterdir())
EXECUTIONS = 2000  # about, of each target


def test_every_target_has_a_corpus():
    programs = {path.stem for path in (ROOT / "fuzz").glob("*.cpp")} - {"replay"}
    assert programs == set(TARGETS)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("target", TARGETS)
def test_replay(target, tmp_path):
    program = tmp_path / target
    sources = [ROOT / "fuzz" / f"{target}.cpp", ROOT / "fuzz" / "replay.cpp"]
    subprocess.run(["g++", *FLAGS, *INCLUDES, *sources, "-o", program], check=True)
    corpus = sorted((ROOT / "fuzz" / "corpus" / target).iterdir())
    # Whatever finds a fault aborts, so that the replay prints the input.
    options = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0", "UBSAN_OPTIONS": "abort_on_error=1"}
    command = [program, str(EXECUTIONS // len(corpus)), *corpus]
    done = subprocess.run(command, env={**os.environ, **options}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout.split()[0]) >= len(corpus)
