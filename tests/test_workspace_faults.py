"""Four runs under every fault, every pair of faults and many random ones: nothing lost, nothing double, nothing torn.

FAULT_HISTORIES sets how many random histories there are.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterable, Iterator
from unittest import mock

import pytest

from mediation.errors import MediationError
from mediation.workspace import protocol
from tests.simulated_disk import BEFORE, DEADLY, ERRORS, KILL, LOSE, SOME, Died
from tests.toy_history import ROOT, History, Methods, differences, ingest
from tests.weakenings import WEAKENINGS, Weakening

RANDOM_HISTORIES = int(os.environ.get("FAULT_HISTORIES", "10000"))
MOST_FAULTS = 4
NEAR = 8  # steps
HUNTED = 4000  # random histories at most until a weakening shows
Faults = dict[int, str]


def wrong(faults: Faults, seed: int, methods: Methods | None = None) -> str:
    """What a history comes to, or nothing where it comes to what it should."""
    try:
        found = differences(History(faults, seed, methods).live())
    except (AssertionError, MediationError, OSError) as error:
        return f"{faults} seed {seed}: {type(error).__name__}: {error}"
    return f"{faults} seed {seed}: {found[0]}" if found else ""


def undisturbed_steps() -> int:
    return History({}).live().disk.steps


def singles() -> Iterator[Faults]:
    """Every fault at every step."""
    for step, kind in itertools.product(range(1, undisturbed_steps() + 1), (*DEADLY, *ERRORS)):
        yield {step: kind}


def pairs(kinds: Iterable[str] = (KILL, SOME)) -> Iterator[Faults]:
    """A death or power failure at every step, then another at every step of what puts it right."""
    for first, kind in itertools.product(range(1, undisturbed_steps() + 1), kinds):
        history = History({first: kind}, first).live()
        end = next(passed for passed in history.passed if passed > first)
        for second, then in itertools.product(range(first + 1, end + 1), (KILL, LOSE, SOME)):
            yield {first: kind, second: then}


def random_faults(seed: int) -> Faults:
    chance = random.Random(seed)
    steps = undisturbed_steps() * 3 // 2  # recovery takes some too
    count = chance.randint(1, MOST_FAULTS)
    if chance.random() < 0.5:  # near each other, where one meets what the other has left
        first = chance.randint(1, steps)
        places = [first + chance.randint(0, 12) for _ in range(count)]
    else:
        places = [chance.randint(1, steps) for _ in range(count)]
    return {place: chance.choice((*DEADLY, *ERRORS)) for place in places}


def report(faults: list[str]) -> None:
    assert not faults, f"{len(faults)} histories went wrong:\n" + "\n".join(faults[:20])


def test_undisturbed_history_keeps_every_key_once():
    history = History({}).live()
    kept = b"".join(data for name, data in sorted(history.disk.files(ROOT / protocol.RUNS).items()) if "part" in name)
    assert kept == b"k1 1\nk2 2\nk3 3\nk4 4\nk5 5\n"
    assert not differences(history)


def test_every_single_fault():
    report([fault for faults in singles() if (fault := wrong(faults, sum(faults)))])


def test_every_pair_of_faults():
    report([fault for faults in pairs() if (fault := wrong(faults, sum(faults)))])


def test_random_histories():
    report([fault for seed in range(RANDOM_HISTORIES) if (fault := wrong(random_faults(seed), seed))])


@pytest.mark.parametrize("kind", [*DEADLY, *ERRORS])
def test_a_fault_ends_what_is_not_tried_again(kind):
    with mock.patch.object(History, "until_it_passes", once), pytest.raises((Died, OSError, MediationError)):
        History({4: kind}).live()


def once(history: History) -> None:
    protocol.recover(history.place)
    history.attempts += 1
    ingest(history.place, history.methods.attempt(history.attempts))


def caught(weak: Weakening) -> str:
    """The first history that shows a weakening."""
    with mock.patch.multiple(protocol, **weak.functions) if weak.functions else mock.patch.dict({}):
        for faults in hunted():
            found = wrong(faults, sum(faults), weak.methods)
            if found:
                return found
    return ""


def hunted() -> Iterator[Faults]:
    """What might show a weakening: pairs too, those first that lie near each other."""
    yield {}
    yield from singles()
    steps = undisturbed_steps()
    for between, first in itertools.product(range(1, NEAR), range(1, steps)):
        for kind, then in itertools.product((KILL, SOME, BEFORE), (KILL, SOME)):
            yield {first: kind, first + between: then}
    yield from map(random_faults, range(HUNTED))


@pytest.mark.parametrize("weak", WEAKENINGS, ids=lambda weak: weak.name)
def test_weakening_is_caught(weak):
    assert caught(weak), f"no history shows that {weak.name}"
