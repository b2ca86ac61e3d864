"""The rule book's tariffs, prices, zones, calendars and subscriptions as the flat arrays that the rate kernel reads.

Conventions
-----------
- Codes are places in the book's dictionaries. Zones and bands are numbered anew within their zone set and clock, and
  translated to codes only where a row is written.
- A price becomes numerators over one denominator for each (party, record type), so that a line of several bands is a
  sum of integers; where increments cost whole micros a second, integer form stands beside it.
- Structures are those of `rate/*.hpp`; the headers assert their sizes.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mediation.errors import RulebookError
from mediation.rulebook.clocks import MAX_BANDS, ClockTables
from mediation.rulebook.instants import validity_us
from mediation.rulebook.model import Declarations, Tariff, ZonePrefix, ZoneRule
from mediation.rulebook.numbers import compile_numbers
from mediation.rulebook.owners import NOBODY, NONE
from mediation.rulebook.prefixes import LATEST_US, PrefixRow, PrefixTables
from mediation.rulebook.prices import WILDCARD, PriceRow, price_rows, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mediation.rulebook.reference import Reference

SIDES = ("retail", "wholesale")
QUANTITIES = ("duration_s", "volume_bytes", "event_count", "message_segments")
CROSSINGS = ("start", "split_exact", "increment_start", "split_round")
MODES = ("half_away", "half_even", "up", "down")
LEVELS = ("record", "component", "bill")
NUMBER_COLUMNS = (None, "other_party", "forwarded_to")

_INT128 = [("low", "u8"), ("high", "i8")]
RULE = np.dtype(
    [
        ("denominator", "i8"),
        ("granule_micro", "i8"),
        ("clock", "i4"),
        ("cells", "i4"),
        ("zone_codes", "i4"),
        ("prefix_set", "i4"),
        ("number", "i1"),
        ("quantity", "i1"),
        ("crossing", "i1"),
        ("mode", "i1"),
        ("level", "i1"),
        ("may_cross", "i1"),
        ("bands", "i2"),
        ("reserved", "i1", 8),
    ]
)
CELL = np.dtype([("first", "i4"), ("count", "i4")])
SPAN = np.dtype([("from_us", "i8"), ("price", "i4"), ("version", "i4")])
PRICE = np.dtype(
    [
        ("first_increment", "i8"),
        ("next_increment", "i8"),
        ("fast_first_micro", "i8"),
        ("fast_next_micro", "i8"),
        ("fast_minimum_micro", "i8"),
        ("fast_limit", "i8"),
        ("first_rate", _INT128),
        ("next_rate", _INT128),
        ("setup", _INT128),
        ("minimum", _INT128),
    ]
)
MICRO = 10**6
LINE_LIMIT_MICRO = 10**18
FAST_QUANTITY = (1 << 51) - 1  # beyond it the kernel's quick division is not exact


class Rates:
    """What the rate kernel needs of a rule book.

    Parameters
    ----------
    declared : Declarations
        Checked.
    dictionaries : mapping of str to list of str
        The book's.
    reference : Reference, optional

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        By kernel name; those of a side are prefixed ``retail_`` and ``wholesale_``.
    dictionaries : mapping of str to list of str
        The book's.
    number_rules : list of tuple
        One list of rules for each set that some feed uses.
    only_product : int
        The code of the one product when the number is the account, else -1.
    city : str
        ``subscription``, ``number_range``, ``feed`` or ``none``.
    city_set : int
        The prefix set of the number ranges, else -1.
    plan : object
        The kernel's plan, once `rate.compile_rates` has made it.
    """

    def __init__(
        self, declared: Declarations, dictionaries: Mapping[str, Sequence[str]], reference: Reference | None = None
    ):
        self.declared = declared
        self.dictionaries = dictionaries
        self.plan: object | None = None
        self._codes = {name: {v: i for i, v in enumerate(values)} for name, values in dictionaries.items()}
        self._prefixes = PrefixTables()
        self._clocks = ClockTables(declared)
        self._sets: dict[str, tuple[int, list[str]]] = {}
        self._zone_rows: dict[str, list[ZonePrefix]] = defaultdict(list)
        for row in declared.zones:
            self._zone_rows[row.zone_set].append(row)
        self._prices: dict[tuple[str, str, str], list[PriceRow]] = defaultdict(list)
        for priced in price_rows(declared):
            self._prices[priced.side, priced.party, priced.record_type].append(priced)
        self.arrays: dict[str, np.ndarray] = {}
        for side, tariffs, parties in (
            ("retail", declared.products, dictionaries["product"]),
            ("wholesale", declared.hosts, dictionaries["host"]),
        ):
            for name, array in _SideTables(self, side).compile(tariffs, parties).items():
                self.arrays[f"{side}_{name}"] = array
        self._compile_guide(reference)
        self._compile_feeds()
        self.arrays |= self._prefixes.arrays() | self._clocks.arrays()
        self.zone_count = self._clocks.zone_count

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"plan": None}  # the kernel's plan is made anew where it is needed

    def _compile_feeds(self) -> None:
        declared, sets = self.declared, sorted(self.declared.book.numbers)
        self.number_rules = [compile_numbers(declared.book.numbers[name]) for name in sets]
        rules = [
            sets.index(feed.numbers) if feed and feed.numbers is not None else -1
            for feed in map(declared.feeds.get, self.dictionaries["feed"])
        ]
        if all(rule < 0 for rule in rules):
            self.number_rules = []
        hosts = [code if name in declared.hosts else -1 for code, name in enumerate(self.dictionaries["host"])]
        sold_by = quantities(declared.book)
        self.arrays["feed_rules"] = np.array([*rules, -1], np.int16)
        self.arrays["host_party"] = np.array([*hosts, -1], np.int16)
        kinds = [QUANTITIES.index(sold_by[name]) for name in self.dictionaries["record_type"]]
        self.arrays["quantities"] = np.array([*kinds, 0], np.int8)

    def _compile_guide(self, reference: Reference | None) -> None:
        book = self.declared.book
        self.only_product, self.city, self.city_set = -1, book.city, -1
        owners = NOBODY
        if book.account == "served_msisdn":
            if book.product not in self._codes["product"]:
                raise RulebookError(["rulebook.toml: $.product: an account that is the number needs one product"])
            self.only_product = self._codes["product"][book.product]
            self.city = "none" if self.city == "subscription" else self.city
        elif reference is not None:
            owners = reference.owners
        if self.city == "number_range" and reference is not None:
            ranges = [
                PrefixRow(str(row.prefix), self._codes["city"][row.city], row.from_us, row.to_us)
                for row in reference.number_ranges
            ]
            self.city_set = self._prefixes.add(ranges)
        products = self._codes["product"]
        self.arrays["subscriptions"], self.arrays["subscription_buckets"] = owners.rows, owners.buckets
        self.arrays["product_codes"] = owners.codes("products", products, products.get(book.product or "", NONE))
        self.arrays["city_codes"] = owners.codes("cities", self._codes.get("city", {}))

    def zone_set(self, name: str) -> tuple[int, list[str]]:
        """The compiled prefix set and the names of its zones, by their numbers; dates are the home zone's."""
        if name not in self._sets:
            rows = self._zone_rows[name]
            zones = sorted({row.zone for row in rows})
            numbers = {zone: number for number, zone in enumerate(zones)}
            home = self.declared.book.zone
            compiled = [
                PrefixRow(row.prefix, numbers[row.zone], *validity_us(row.valid_from, row.valid_to, home))
                for row in rows
            ]
            self._sets[name] = self._prefixes.add(compiled), zones
        return self._sets[name]

    def code(self, column: str, value: str) -> int:
        return self._codes[column][value]

    def clock(self, tariff: Tariff) -> tuple[int, list[str]]:
        number = self._clocks.add(tariff)
        return number, self._clocks.bands[number]

    def prices(self, side: str, party: str, record_type: str) -> list[PriceRow]:
        return self._prices.get((side, party, record_type), [])


class _SideTables:
    """Rules, cells, spans and prices of one side."""

    def __init__(self, rates: Rates, side: str):
        self.rates, self.side = rates, side
        self.decimals = rates.declared.book.price_decimals
        self.sold_by = quantities(rates.declared.book)
        self.cells: list[tuple[int, int]] = []
        self.spans: list[tuple[int, int, int]] = []
        self.price_records: list[tuple] = []
        self.zone_codes: list[int] = []
        self.band_codes: dict[int, list[int]] = {}

    def compile(self, tariffs: Mapping[str, Tariff], parties: Sequence[str]) -> dict[str, np.ndarray]:
        record_types = self.rates.dictionaries["record_type"]
        rules = np.zeros(max(1, len(parties) * len(record_types)), RULE)
        rules["cells"] = -1
        rules["denominator"] = 1
        for party, name in enumerate(parties):
            if name not in tariffs:
                continue
            for number, record_type in enumerate(record_types):
                if record_type in tariffs[name].zones:
                    rule = self._rule(name, tariffs[name], record_type)
                    rules[party * len(record_types) + number] = rule
        clocks = max([*self.band_codes, 0]) + 1
        band_codes = np.zeros((clocks, MAX_BANDS), np.int16)
        for clock, codes in self.band_codes.items():
            band_codes[clock, : len(codes)] = codes
        return {
            "rules": rules,
            "cells": np.array([*self.cells, (0, 0)], CELL),
            "spans": np.array([*self.spans, (0, -1, 0)], SPAN),
            "prices": np.array([*self.price_records, _price_record((1, 1), (0, 0, 0, 0), 1, False)], PRICE),
            "zone_codes": np.array([*self.zone_codes, 0], np.int16),
            "band_codes": band_codes.ravel(),
        }

    def _zones(self, declared: ZoneRule) -> tuple[int, list[str], int]:
        if declared.zone is not None:
            return -1, [declared.zone], 0
        number, zones = self.rates.zone_set(declared.set or "")
        return number, zones, NUMBER_COLUMNS.index(declared.number)

    def _rule(self, party: str, tariff: Tariff, record_type: str) -> tuple:
        prefix_set, zones, number = self._zones(tariff.zones[record_type])
        clock, bands = self.rates.clock(tariff)
        if clock not in self.band_codes:
            self.band_codes[clock] = [self.rates.code(f"{self.side}_time_band", band) for band in bands]
        rows = self.rates.prices(self.side, party, record_type)
        level = tariff.rounding.level
        granule = 1 if level == "bill" else 10 ** (6 - tariff.rounding.scale)
        costs = [_rational_costs(row, self.decimals) for row in rows]
        denominator = math.lcm(1, *{of for each in costs for _, of in each})
        if denominator > LINE_LIMIT_MICRO:
            raise RulebookError([f"prices.csv: $: {party}, {record_type}: prices without a small common denominator"])
        first_price = len(self.price_records)
        separate = level == "component" and granule > 1  # where there is a setup fee, it is not the whole line
        for row, cost in zip(rows, costs, strict=True):
            numerators = [numerator * (denominator // of) for numerator, of in cost]
            increments = row.first_increment, row.next_increment
            self.price_records.append(_price_record(increments, numerators, denominator, separate))
        zone_codes, cells = len(self.zone_codes), len(self.cells)
        self.zone_codes += [self.rates.code(f"{self.side}_zone", zone) for zone in zones]
        self._add_cells(rows, first_price, zones, bands)
        kinds = (QUANTITIES.index(self.sold_by[record_type]), CROSSINGS.index(tariff.crossing))
        rounding = (MODES.index(tariff.rounding.mode), LEVELS.index(level))
        may_cross = kinds[0] == 0 and kinds[1] != 0 and len(bands) > 1
        places = (clock, cells, zone_codes, prefix_set, number)
        return (denominator, granule, *places, *kinds, *rounding, may_cross, len(bands), [0] * 8)

    def _add_cells(self, rows: list[PriceRow], first_price: int, zones: list[str], bands: list[str]) -> None:
        by_cell = defaultdict(list)
        for place, row in enumerate(rows):
            by_cell[row.zone, row.band].append(place)
        made: dict[tuple[int, ...], tuple[int, int]] = {}
        for zone in zones:
            for band in bands:
                keys = ((zone, band), (zone, WILDCARD), (WILDCARD, band), (WILDCARD, WILDCARD))
                places = tuple(place for key in keys for place in by_cell.get(key, ()))
                if places not in made:
                    made[places] = self._add_spans([(rows[place], first_price + place) for place in places])
                self.cells.append(made[places])

    def _add_spans(self, priced: list[tuple[PriceRow, int]]) -> tuple[int, int]:
        first = len(self.spans)
        priced = sorted(priced, key=lambda each: each[0].from_us)
        for index, (row, price) in enumerate(priced):
            version = self.rates.code(f"{self.side}_tariff_version", row.version)
            self.spans.append((row.from_us, price, version))
            following = priced[index + 1][0].from_us if index + 1 < len(priced) else LATEST_US
            if row.to_us < following:
                self.spans.append((row.to_us, -1, 0))
        return first, len(self.spans) - first


def _rational_costs(row: PriceRow, decimals: int) -> list[tuple[int, int]]:
    """Costs in micro, each in lowest terms: of one unit in the first increment, of one beyond, of a session, at least.

    Pairs of integers: a book has thousands, and `Fraction` takes twenty times as long.
    """
    costs = ((row.first_cost, row.first_per), (row.next_cost, row.next_per), (row.setup, 1), (row.minimum, 1))
    return [_in_micro(cost, 10**decimals * per) for cost, per in costs]


@functools.lru_cache(maxsize=65536)
def _in_micro(cost: int, per: int) -> tuple[int, int]:
    shared = math.gcd(cost * MICRO, per)
    return cost * MICRO // shared, per // shared


def _int128(value: int) -> tuple[int, int]:
    if value > 10**37:
        raise RulebookError(["prices.csv: $: a cost is beyond what a line can hold"])
    return value & (2**64 - 1), value >> 64


def _price_record(increments: tuple[int, int], costs: Sequence[int], denominator: int, separate: bool) -> tuple:
    # `costs` are numerators over the denominator; `separate`: a setup fee is rounded apart from the usage.
    (first_increment, next_increment), (first_rate, next_rate, setup, minimum) = increments, costs
    whole = (setup + first_increment * first_rate, next_increment * next_rate, minimum, setup)
    fast = (0, 0, 0, -1)
    if not (separate and setup) and not any(cost % denominator for cost in whole):
        first, step, least, _ = (cost // denominator for cost in whole)
        most = LINE_LIMIT_MICRO - MICRO - 1
        if max(first, least) <= most:
            steps = (most - first) // step if step else FAST_QUANTITY
            limit = min(FAST_QUANTITY - next_increment, first_increment + steps * next_increment)
            fast = (first, step, least, limit)
    return (first_increment, next_increment, *fast, *map(_int128, costs))
