"""Events as columns: who used what and when, before anything is written.

Conventions
-----------
- A piece is the traffic of a short interval of one feed, deterministic in (seed, feed, piece). Its *specials* are few
  events that other files hold too: late ones are delivered by another file instead of their own, repeated ones as well.
  Specials are made apart, so that the other file can make them again without the piece.
- No two events of a feed have the same served number and start second: whatever a feed's key is, only what is meant to
  be a duplicate is one. `event_no` is unique in the feed.
- `variant` 1 is the same event told differently (a conflict). Instants are UTC seconds.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from mediation.errors import UsageError
from mediation.sample.population import Population, scramble

EVENT_NUMBERS = 1 << 17  # per piece; specials have the upper half
SHARES = {
    "voice_mo": 0.14,
    "voice_mt": 0.10,
    "voice_forwarded": 0.01,
    "sms_mo": 0.03,
    "sms_mt": 0.12,
    "mms": 0.01,
    "data": 0.59,
}
OTHER_SHARE = 0.02
UNKNOWN_NUMBER_SHARE = 0.002
STRANGERS = 1000  # numbers in no subscription, behind a host's own
UNKNOWN_DESTINATION_SHARE = 0.001
_SPELLS = {"voice": (75, 7_200), "data": (900, 86_400)}  # mean and most seconds
INDUSTRY_SHARE = 0.7  # of the SMS that subscribers receive
Columns = dict[str, np.ndarray]


class Destinations(NamedTuple):
    """Where calls go: beginnings of numbers in E.164 digits, and how many digits follow.

    `unknown` beginnings are in no zone set; with none of these no destination is unknown.
    """

    beginnings: np.ndarray
    following: np.ndarray
    weights: tuple[float, ...]
    unknown: int  # a beginning, or 0


class Traffic(NamedTuple):
    """What a feed carries."""

    seed: int
    rank: int  # of the feed
    record_types: tuple[str, ...]
    population: Population
    destinations: Destinations


def piece_interval(begin_s: int, seconds: int, place: int, places: int) -> tuple[int, int]:
    """The place-th of `places` parts of an interval, as first second and length."""
    first = begin_s + seconds * place // places
    return first, max(begin_s + seconds * (place + 1) // places - first, 1)


def specials(traffic: Traffic, piece: int, count: int, interval: tuple[int, int]) -> Columns:
    """The events of a piece that other files hold too."""
    columns = _events(traffic, piece, 1, count, interval)
    columns["event_no"] = piece * EVENT_NUMBERS + EVENT_NUMBERS // 2 + np.arange(count)
    return columns


def ordinary(traffic: Traffic, piece: int, count: int, interval: tuple[int, int], taken: Columns) -> Columns:
    """The other events of a piece; none has the number and second of one that is `taken`."""
    columns = _events(traffic, piece, 0, count, interval, taken)
    columns["event_no"] = piece * EVENT_NUMBERS + np.arange(count)
    return columns


def _events(traffic: Traffic, piece: int, part: int, count: int, interval: tuple[int, int], taken=None) -> Columns:
    rng = np.random.default_rng([traffic.seed, traffic.rank, piece, part])
    types, subscribers = traffic.record_types, traffic.population.count
    shares = tuple(SHARES.get(name, OTHER_SHARE) for name in types)
    kind = by_share(shares).take(rng.integers(0, 1 << 16, count, np.uint16))
    luck = rng.random(count)
    k = (subscribers * (luck * luck * np.sqrt(luck))).astype(np.int64)
    strangers = np.flatnonzero(rng.random(count, np.float32) < UNKNOWN_NUMBER_SHARE)
    k[strangers] = subscribers + k[strangers] % STRANGERS
    start = interval[0] + rng.integers(0, interval[1], count)
    _separate(rng, k, start, interval, subscribers, taken)
    mean, most = np.array([_SPELLS.get(name.partition("_")[0], (0, 0)) for name in types], np.float32).T
    spell = mean.take(kind) * rng.standard_exponential(count, np.float32)
    data = np.flatnonzero(np.array([name == "data" for name in types]).take(kind))
    columns = {
        "type": kind,
        "k": k,
        "start": start,
        "duration": np.minimum(spell, most.take(kind)).astype(np.int64),
        "up": np.zeros(count, np.int64),
        "down": np.zeros(count, np.int64),
        "variant": np.zeros(count, np.int8),
    }
    volume = rng.standard_normal((2, len(data)), np.float32)
    columns["up"][data] = np.exp(10 + 2 * volume[0]).clip(0, 4e9)
    columns["down"][data] = np.exp(12.5 + 2.2 * volume[1]).clip(0, 4e10)
    incoming_sms = np.flatnonzero(np.array([name == "sms_mt" for name in types]).take(kind))
    return columns | _other_parties(rng, traffic, k, incoming_sms)


@functools.cache
def by_share(shares: tuple[float, ...]) -> np.ndarray:
    """Which of the shares each 16-bit number falls to: drawing is then a look-up."""
    bounds = np.cumsum(shares)[:-1] / sum(shares)
    return np.searchsorted(bounds, np.arange(1 << 16) / (1 << 16), side="right").astype(np.int8)


def _other_parties(rng: np.random.Generator, traffic: Traffic, k: np.ndarray, incoming_sms: np.ndarray) -> Columns:
    """A stable contact list of twenty per subscriber; industry senders; a few numbers that lead nowhere."""
    count, where = len(k), traffic.destinations
    contact = scramble(k * 32 + (20 * rng.random(count, np.float32) ** 2).astype(np.int64), 1)
    place = by_share(where.weights).take(contact & 0xFFFF)
    tens = 10**where.following
    least = where.beginnings * tens + np.where(tens > 1, tens // 10, 0)
    other = least.take(place) + (contact >> 16) % np.maximum(tens - tens // 10, 1).take(place)
    luck = rng.random(count, np.float32)
    lost = (luck > 1 - UNKNOWN_DESTINATION_SHARE) & (where.unknown > 0)
    industry = incoming_sms[luck[incoming_sms] < INDUSTRY_SHARE]
    other[industry] = 10_690_000_000_000 + contact[industry] % 5000 * 7_919
    other[lost] = where.unknown * 10**8 + contact[lost] % 10**8
    return {"other": other, "lost": lost}


def _separate(rng, k: np.ndarray, start: np.ndarray, interval, subscribers: int, taken: Columns | None) -> None:
    """Move events that share number and second with another, in place."""
    base = np.int64(interval[1])

    def slots(number, second):
        return number * base + (second - interval[0])

    others = slots(taken["k"], taken["start"]) if taken is not None else np.empty(0, np.int64)
    for _ in range(64):
        both = np.concatenate([others, slots(k, start)])
        again = _repeated(both) - len(others)
        if len(again) == 0:
            return
        again = again[again >= 0]
        start[again] = interval[0] + (base * rng.random(len(again))).astype(np.int64)
        k[again] = (subscribers * rng.random(len(again))).astype(np.int64)
    raise UsageError("too few subscribers for so many records: give more subscribers or fewer records")


def _repeated(values: np.ndarray) -> np.ndarray:
    """Where a value stands that stands before, too."""
    ordered = np.sort(values)
    several = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(several) == 0:
        return several
    place = np.searchsorted(several, values).clip(max=len(several) - 1)
    rows = np.flatnonzero(several[place] == values)
    order = rows[np.argsort(values[rows], kind="stable")]
    return order[1:][values[order[1:]] == values[order[:-1]]]


def select(columns: Columns, rows: np.ndarray) -> Columns:
    """Some of the rows, in the given order."""
    return {name: column.take(rows) for name, column in columns.items()}


def join(parts: list[Columns]) -> Columns:
    """Rows of several tables with the same columns, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
