"""Memory is a few texts, whatever a file holds: families many times the memory that is left to their decoder.

A decoder that kept a byte for each byte of a family would need more than the limit leaves it; that the limit bites is
shown on one that keeps what it decodes.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.malformed.frugal import ALLOWED_BYTES
from tests.malformed.grown import GROWN

OUTCOMES = {"closed", "header_missing", "trailer_missing", "record_count_mismatch", "damaged_compression"}
OUTCOMES |= {"envelope_too_long", "wrong_format"}
# More arenas are address space that threads have reserved and not used: memory beside the limit.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
BYTES, SLOW_BYTES = 2 * ALLOWED_BYTES, 2 << 20
ROOT = Path(__file__).resolve().parent.parent


class Child:
    """A decoder under the limit; answers for one family after the other."""

    def __init__(self, folder, *options):
        self.path = folder / "x.txt"
        command = [sys.executable, "-m", "tests.malformed.frugal", str(folder), *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **ONE_ARENA}, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def outcome(self, number) -> str:
        case = GROWN[number]
        self.path.write_bytes(case.make(SLOW_BYTES if case.slow else BYTES))
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.path.unlink()


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    child = Child(tmp_path_factory.mktemp("frugal"))
    yield child
    child.close()


@pytest.mark.parametrize("number", [pytest.param(n, id=case.name.replace(" ", "_")) for n, case in enumerate(GROWN)])
def test_memory_does_not_follow_the_size(child, number):
    assert child.outcome(number) in OUTCOMES


def test_the_limit_bites(tmp_path):
    child = Child(tmp_path, "keep")
    number = next(n for n, case in enumerate(GROWN) if case.name == "no trailer")
    assert child.outcome(number) == "no memory"
    child.close()


HELD = """
import resource, sys
from pathlib import Path
import mediation
from mediation.decode.source import Source
from mediation.pipeline.spool import Spool
from tests.decode_book import feed_of
from tests.malformed.growing import RATIO, TEXT
Spool.__init__.__defaults__ = (0,)
Source.__init__.__kwdefaults__["chunk_bytes"] = 1 << 18
folder = Path(sys.argv[1])
book = feed_of(folder / "book", TEXT, feed={"zone": "Asia/Shanghai", **RATIO}).book
rejected = sum(batch.rejects.num_rows for batch in mediation.stream([folder / "x.txt.gz"], book, threads=2))
print(rejected, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_rejects_of_a_held_file_wait_on_disk(tmp_path):
    """A reject of two bytes takes some fifty: a held file of them must not wait in memory."""
    peaks = []
    for size in (1 << 20, 8 << 20):
        (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"x\n" * (size // 2), 1))
        command = [sys.executable, "-c", HELD, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rejected, peak = map(int, done.stdout.split())
        assert rejected == size // 2
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 60 << 20, peaks
