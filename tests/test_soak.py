"""Some days of files and kills, and what a soak says of a workspace that forgets; `make soak` takes any number.

Conventions
-----------
- A soak forks; so it runs in a process of its own, which has no threads.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

NO_HISTORY = """
from mediation.workspace import history
real = history.past
history.past = lambda place, **options: real(place, **options)._replace(history=None)
"""
FORGETFUL = """
from mediation.workspace.catalogue import Catalogue
Catalogue.run_of_content = lambda self, content_hash: None
"""
FILE_GONE = """
from tests import soak
real = soak.ingest
def careless(root, box, by_inbox, *last_step):
    sorted(box.glob("cdr_*"))[0].unlink()
    return real(root, box, False, *last_step)
soak.ingest, soak.Soak._require_moved = careless, lambda *_: None
"""
NOT_RECOVERED = """
from mediation.workspace import protocol
protocol.recover = lambda place: None
"""


def soaked(folder: Path, weakened: str = "", **options: int) -> subprocess.CompletedProcess:
    """A soak of its own, of a program that was weakened first."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    program = f"{weakened}\nfrom tests import soak\nsoak.main()"
    command = [sys.executable, "-c", program, *arguments, "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
def test_nothing_is_lost_or_double_however_often_it_is_killed(tmp_path):
    told = soaked(tmp_path, records=1_000_000, days=15, ingests_a_day=2, kills=40, seed=1)
    assert told.returncode == 0, told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("weakened", "sign"),
    [(NO_HISTORY, "double: "), (FILE_GONE, "lost: "), (FORGETFUL, "was committed before"), (NOT_RECOVERED, "")],
    ids=["history ignored", "a file gone", "files forgotten", "nothing recovered"],
)
def test_what_is_lost_or_double_is_told(tmp_path, weakened, sign):
    kills = 6 if weakened == NOT_RECOVERED else 0
    told = soaked(tmp_path, weakened, records=6000, days=2, ingests_a_day=2, kills=kills, seed=1)
    assert told.returncode == 1
    assert sign in told.stderr  # without recovery what goes wrong depends on where the kills struck
