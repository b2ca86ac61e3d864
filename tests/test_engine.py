"""The engine's threads: whatever they do when, the result is the same, and a failure of one ends all."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import mediation.sample
from mediation.decode.source import Source
from mediation.errors import UsageError
from mediation.pipeline import engine, finish
from mediation.pipeline.run import process, stream
from mediation.pipeline.spool import Spool
from mediation.rulebook import load_rulebook
from mediation.sample.generate import generate

BOOK = Path(mediation.sample.__file__).parent / "rulebook"
STEPS = [  # of a thread
    (engine.Engine, "_next_ticket"),
    (engine.decoding, "decode_chunk"),
    (engine.Engine, "_take_in"),
    (engine.Engine, "_end"),
    (engine.Engine, "_admit"),
    (finish.rate, "rate_batch"),
    (engine.Engine, "_deliver"),
]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A generated day: its files, all of which are held until their end, and its folder."""
    out = tmp_path_factory.mktemp("engine") / "day"
    generate(out, records=30_000, seed=12, faults=True, processes=1)
    return sorted((out / "in").iterdir()), out


@pytest.fixture(scope="module")
def book(day):
    return load_rulebook(BOOK, day[1] / "reference")


def threads_end():
    """Whether all threads of the engine end; they are not waited for by those who stop them."""
    for _ in range(6000):
        if not [thread for thread in threading.enumerate() if thread.name.startswith("mediation-")]:
            return True
        time.sleep(0.01)
    return False


def test_threads_that_dawdle_change_nothing(day, book, monkeypatch):
    luck, wanted = random.Random(3), process(day[0], book, threads=1).summary["digest"]

    def dawdling(does):
        def dawdle(*arguments):
            time.sleep(luck.choice([0, 0, 0.001, 0.01]))
            return does(*arguments)

        return dawdle

    monkeypatch.setitem(Source.__init__.__kwdefaults__, "chunk_bytes", 50_000)
    for where, name in STEPS:
        monkeypatch.setattr(where, name, dawdling(getattr(where, name)))
    assert process(day[0], book, threads=4).summary["digest"] == wanted


def test_while_a_thread_admits_the_others_decode_so_much_and_no_more(day, tmp_path, monkeypatch):
    threads, decoded, enough = 3, [], threading.Event()
    most = 2 * threads  # chunks on the way
    feed = shutil.copytree(BOOK, tmp_path / "book") / "feeds" / "cmcc.toml"
    feed.write_text(feed.read_text().replace('compression = "gzip"', 'compression = "none"'))
    book = load_rulebook(tmp_path / "book", day[1] / "reference")
    packed = max((path for path in day[0] if path.name.startswith("cmcc")), key=os.path.getsize)
    plain = tmp_path / packed.stem  # what is compressed is held until its end
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    wanted = process([plain], book, threads=1).summary["digest"]

    def decode(*arguments, _decode=engine.decoding.decode_chunk):
        decoded.append(None)
        if len(decoded) > most:  # one is being admitted
            enough.set()
        return _decode(*arguments)

    def admit(self, job, _admit=engine.Engine._admit):
        if job.number == 0:
            assert enough.wait(60), "the others wait for the one that admits"
            time.sleep(0.1)
            assert len(decoded) == most + 1
        return _admit(self, job)

    monkeypatch.setitem(Source.__init__.__kwdefaults__, "chunk_bytes", 10_000)
    monkeypatch.setattr(engine.decoding, "decode_chunk", decode)
    monkeypatch.setattr(engine.Engine, "_admit", admit)
    assert process([plain], book, threads=threads).summary["digest"] == wanted


@pytest.mark.parametrize(("where", "name"), [*STEPS, (Spool, "get")])
def test_a_failure_in_a_thread_is_raised_where_results_are_taken(day, book, monkeypatch, where, name):
    calls, works = [], getattr(where, name)

    def broken(*arguments):
        calls.append(None)
        if len(calls) == 3:
            raise ZeroDivisionError("as if")
        return works(*arguments)

    monkeypatch.setattr(where, name, broken)
    with pytest.raises(ZeroDivisionError):
        process(day[0], book, threads=3)
    assert threads_end()


IMPORTS = """
import sys
from pathlib import Path
from mediation.pipeline import engine, output
from mediation.rulebook import load_rulebook

def start(self, _start=engine.Engine._start):
    before.update(sys.modules)
    _start(self)

before = set()
engine.Engine._start = start
book, day, out = map(Path, sys.argv[1:])
output.write(sorted((day / "in").iterdir()), load_rulebook(book, day / "reference"), out, threads=2)
print(*sorted({*sys.modules} - before))
"""


def test_threads_import_nothing(day, tmp_path):
    """A signal that meets the first thread in an import may leave the import lock taken: others would wait for ever."""
    command = [sys.executable, "-c", IMPORTS, BOOK, day[1], tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} <= {"resource"}  # by the first thread, when all others have ended


def test_a_signal_while_a_thread_is_started_ends_that_thread_too(day, book, monkeypatch):
    """It has begun, and nobody has been told: it may be reading when the files are closed."""
    start, began = threading.Thread.start, threading.Event()

    def started_and_stopped(thread):
        start(thread)
        if thread.name.startswith("mediation-"):
            assert began.wait(60)
            raise KeyboardInterrupt

    def read_slowly(*arguments, _state=engine.SourceState):
        began.set()
        time.sleep(0.1)
        return _state(*arguments)

    monkeypatch.setattr(threading.Thread, "start", started_and_stopped)
    monkeypatch.setattr(engine, "SourceState", read_slowly)
    with pytest.raises(KeyboardInterrupt):
        process(day[0], book, threads=3)
    assert threads_end()


def test_a_consumer_that_dawdles_is_waited_for(day, book, monkeypatch):
    monkeypatch.setitem(Source.__init__.__kwdefaults__, "chunk_bytes", 10_000)
    batches, most = stream(day[0], book, threads=3), 0
    for number, _ in enumerate(batches):
        if number < 10:
            time.sleep(0.05)
        most = max(most, len(batches._engine._results))
    assert 1 < most <= batches._engine._window


@pytest.mark.parametrize("batch_bytes", [0, -1, 1 << 31])
def test_a_batch_has_a_size(day, book, batch_bytes):
    with pytest.raises(UsageError, match="a batch of"):
        stream(day[0], book, batch_bytes=batch_bytes)


def test_batches_may_be_small(day, book):
    few, many = (sum(1 for _ in stream(day[0], book, batch_bytes=size)) for size in (1 << 22, 1 << 18))
    assert few < many
