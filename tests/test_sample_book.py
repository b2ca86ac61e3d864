"""The example rule book: it says something different for each host, and everything it can meet has a price.

Conventions
-----------
- Prices are looked up here in the declared rows, apart from the arrays that the rate kernel reads.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import mediation.sample
from mediation.rulebook import load_rulebook
from mediation.rulebook.columns import feed_record_types, record_types, tariff_bands, tariff_zones, zone_sets
from mediation.rulebook.prices import WILDCARD, price_rows
from mediation.rulebook.rates import Rates
from mediation.sample import market
from mediation.sample.generate import generate

SAMPLE_BOOK = Path(mediation.sample.__file__).parent / "rulebook"
CHINA = dt.timezone(dt.timedelta(hours=8))
NEW_TARIFF = dt.datetime(2026, 6, 16, tzinfo=CHINA)
SECOND = dt.timedelta(seconds=1)
MOMENTS = (
    dt.datetime(2026, 1, 1, tzinfo=CHINA),
    NEW_TARIFF - SECOND,
    NEW_TARIFF,
    dt.datetime(2030, 1, 1, tzinfo=CHINA),
)


@pytest.fixture(scope="module")
def declared():
    return load_rulebook(SAMPLE_BOOK).declared


def in_force(rows, side, party, record_type, zone, band, moment):
    """The price rows of one cell at one moment."""
    at_us = int(moment.timestamp()) * 10**6
    return [
        row
        for row in rows
        if (row.side, row.party, row.record_type) == (side, party, record_type)
        and row.zone in (zone, WILDCARD)
        and row.band in (band, WILDCARD)
        and row.from_us <= at_us < row.to_us
    ]


def test_every_cell_has_exactly_one_price_in_every_version(declared):
    rows, sets, cells = price_rows(declared), zone_sets(declared), 0
    used = set()
    for side, tariffs in (("retail", declared.products), ("wholesale", declared.hosts)):
        for party, tariff in tariffs.items():
            for record_type in tariff.zones:
                for zone in tariff_zones(tariff, sets, record_type):
                    for band in tariff_bands(tariff):
                        for moment in MOMENTS:
                            cell = (side, party, record_type, zone, band, moment)
                            found = in_force(rows, *cell)
                            assert len(found) == 1, cell
                            assert found[0].version.endswith("2026-2" if moment >= NEW_TARIFF else "2026-1")
                            used.add(found[0].index)
                            cells += 1
    assert cells > 800
    assert used == set(range(len(declared.prices)))


def test_every_feed_carries_what_its_host_and_every_product_can_rate(declared):
    carried = set()
    for name, feed in declared.feeds.items():
        types = feed_record_types(feed)
        carried |= types
        for tariff in [declared.hosts[feed.host], *declared.products.values()]:
            assert types <= set(tariff.zones)
        made = market.carriage(declared, name).record_types
        assert {*made, *(derive.becomes for derive in feed.derive)} == types
    assert carried == set(record_types(declared.book))


def test_every_destination_the_generator_dials_has_a_zone(declared):
    made = market.destinations(declared)
    everywhere = len(market._MOBILE) + len(market._FIXED) + len(market._ABROAD) + len(market._SHORT)
    assert len(made.beginnings) == everywhere
    sets = market.open_sets(declared)
    assert set(sets) == {"retail", "cucc", "cmcc"}
    for prefixes in sets.values():
        assert not any(str(made.unknown).startswith(prefix) for prefix in prefixes)
        assert {"110", "119", "120"} <= prefixes


def test_calls_for_help_and_incoming_calls_are_free_for_subscribers(declared):
    for row in price_rows(declared):
        if row.zone == "emergency" or (row.side == "retail" and row.record_type == "voice_mt"):
            assert (row.first_cost, row.next_cost, row.setup, row.minimum) == (0, 0, 0, 0)


def test_hosts_differ(declared):
    hosts = declared.hosts.values()
    assert len({host.crossing for host in hosts}) == len({host.rounding for host in hosts}) == 3
    assert len({host.calendar for host in hosts}) == len({tuple(sorted(tariff_bands(host))) for host in hosts}) == 3
    assert len({host.zones["voice_mo"].set for host in hosts}) == 3
    increments = {
        (row.party, row.first_increment, row.next_increment)
        for row in price_rows(declared)
        if row.side == "wholesale" and row.record_type == "voice_mo"
    }
    assert increments == {("CUCC", 60, 60), ("CTCC", 30, 6), ("CMCC", 1, 1)}
    layouts = [feed.layout[-1] for feed in declared.feeds.values()]
    assert len({(layout.format, layout.encoding, layout.delimiter, layout.quote) for layout in layouts}) == 3


def test_some_prices_are_below_what_a_host_charges(declared):
    rows = price_rows(declared)
    night = in_force(rows, "retail", "nightowl", "voice_mo", "mainland", "night", NEW_TARIFF)[0]
    bought = in_force(rows, "wholesale", "CUCC", "voice_mo", "offnet", "offpeak", NEW_TARIFF)[0]
    assert night.first_per == bought.first_per == 60
    assert night.first_cost < bought.first_cost


def test_calendars_are_those_of_2026(declared):
    days: dict[str, dict[dt.date, str]] = {}
    for row in declared.calendars:
        days.setdefault(row.calendar, {})[row.date] = row.day_type
    statutory = {date for date, _ in days["ctcc"].items()}
    assert len(statutory) == 13
    assert sum(kind == "holiday" for kind in days["cmcc"].values()) == 33
    assert {date for date, kind in days["cmcc"].items() if kind == "holiday"} > statutory
    assert all(date.weekday() >= 5 for date, kind in days["cucc"].items() if kind == "workday")


def test_the_book_compiles_with_its_reference(tmp_path):
    generate(tmp_path / "day", records=6_000, seed=3, processes=1)
    rates = load_rulebook(SAMPLE_BOOK, tmp_path / "day" / "reference").rates
    assert isinstance(rates, Rates)
    assert len(rates.arrays["subscriptions"]) >= 3_000
    for side in ("retail", "wholesale"):
        spans = rates.arrays[f"{side}_spans"]
        assert (spans["version"] >= 0).all()
