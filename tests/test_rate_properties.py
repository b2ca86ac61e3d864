"""The kernel against its naive twin over random tariffs, zones, calendars, owners and events."""

import datetime as dt
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from naive.rate import Suspended, rate_one
from rate_book import (
    FREE_ZONES,
    Band,
    Cycle,
    Host,
    Product,
    Rounding,
    ZonePrefix,
    ZoneRule,
    declare,
    event,
    make_book,
    price,
    rate_rows,
    reference_data,
)

from mediation.rate.rate import compile_rates
from mediation.rulebook.compiled import compiled_form, reference_of
from mediation.rulebook.instants import OPEN_FROM_US, OPEN_TO_US
from mediation.rulebook.model import CalendarDay

SETTINGS = settings(max_examples=150)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "UTC")
TYPES = ("voice_mo", "voice_forwarded", "sms_mo", "data", "mms")
MOMENTS = [
    dt.datetime.fromisoformat(text)
    for text in (
        *("2014-10-25 22:30Z", "2014-03-30 00:20Z", "2014-06-01 15:00Z", "2014-06-30 23:59Z"),
        "1990-01-01 00:00Z",  # where the tables of days begin
    )
]
SWITCH = "2014-06-02"
NUMBERS = (
    "86",
    "8610",
    "86101234567",
    "+8613800138000",
    "1795113800138000",
    "110",
    "*21#",
    "0",
    "",
    "4917",
    "49x",
    "853",
)


@st.composite
def day_bands(draw, names):
    cuts = sorted(draw(st.sets(st.integers(0, 1439), min_size=1, max_size=4)))
    if len(cuts) == 1:
        return [Band(valid_from="00:00", valid_to="24:00", band=draw(st.sampled_from(names)))]
    texts = [f"{cut // 60:02}:{cut % 60:02}" for cut in cuts]
    following = [*texts[1:], texts[0]]
    return [
        Band(valid_from=begin, valid_to=end, band=draw(st.sampled_from(names)))
        for begin, end in zip(texts, following, strict=True)
    ]


@st.composite
def tariffs(draw, kind):
    day_types = draw(st.sampled_from([{}, {"work": ["mon", "tue", "wed", "thu", "fri"], "rest": ["sat", "sun"]}]))
    banded = bool(day_types) or draw(st.booleans())
    names = ["a", "b", "c"]
    bands = {name: draw(day_bands(names)) for name in (day_types or ["any"])} if banded else {}
    rules = dict(FREE_ZONES)
    for name in draw(st.sets(st.sampled_from(TYPES))):
        rules[name] = ZoneRule(set="set", number=draw(st.sampled_from(["other_party", "forwarded_to"])))
    rules = {name: rule for name, rule in rules.items() if draw(st.integers(0, 20)) != 13}
    return kind(
        zone=draw(st.sampled_from(ZONES)),
        calendar="days" if day_types and draw(st.booleans()) else None,
        day_types=day_types,
        bands=bands,
        crossing=draw(st.sampled_from(["start", "split_exact", "increment_start", "split_round"])),
        zones=rules,
        rounding=Rounding(
            level=draw(st.sampled_from(["record", "component", "bill"])),
            scale=draw(st.sampled_from([0, 2, 4, 6])),
            mode=draw(st.sampled_from(["half_away", "half_even", "up", "down"])),
        ),
        cycle=Cycle(first_day=draw(st.integers(1, 28))),
    )


MONEY = st.sampled_from(["0", "0.1", "0.20", "0.000001", "0.006", "1.5", "7", "0.333333"])
UNITS = st.sampled_from(["1", "6", "30", "60", "1000", "7", "1024"])


@st.composite
def priced(draw, side, tariff):
    """Prices of every cell but a few, some with a second version."""
    rows = []
    bands = sorted({band.band for each in tariff.bands.values() for band in each}) or ["any"]
    for record_type, rule in tariff.zones.items():
        zones = ["*"] if rule.zone else draw(st.sampled_from([["*"], ["home", "far", "all"]]))
        for zone in zones:
            for band in draw(st.sampled_from([["*"], bands])):
                if draw(st.integers(0, 30)) == 17:
                    continue
                terms = {"record_type": record_type, "zone": zone, "band": band}
                for span in draw(
                    st.sampled_from([[{}], [{"valid_to": SWITCH}, {"valid_from": SWITCH, "version": "2"}]])
                ):
                    costs = {
                        "first_increment": draw(UNITS),
                        "first_cost": draw(MONEY),
                        "first_per": draw(UNITS),
                        "setup": draw(MONEY),
                        "minimum": draw(MONEY),
                    }
                    if draw(st.booleans()):
                        costs |= {"next_increment": draw(UNITS), "next_cost": draw(MONEY), "next_per": draw(UNITS)}
                    rows.append(price(side, **terms, **costs, **span))
    return rows


@st.composite
def zone_rows(draw):
    default = [ZonePrefix(zone_set="set", prefix="", zone="far")] if draw(st.booleans()) else []
    prefixes = draw(st.sets(st.from_regex(r"(86|8610|49|1|0)?[0-9]{0,4}", fullmatch=True), max_size=12))
    spans = [{}, {"valid_to": SWITCH}, {"valid_from": SWITCH}]
    names = st.sampled_from(["home", "far", "all"])
    rows = [
        ZonePrefix(zone_set="set", prefix=prefix, zone=draw(names), **draw(st.sampled_from(spans)))
        for prefix in sorted(prefixes)
    ]
    rows = [row for row in rows if row.prefix] + default
    return [*rows, ZonePrefix(zone_set="set", prefix="86", zone="home")] if "86" not in prefixes else rows


@st.composite
def books(draw):
    product, host = draw(tariffs(Product)), draw(tariffs(Host))
    prices = [*draw(priced("retail", product)), *draw(priced("wholesale", host))]
    calendars = [
        CalendarDay(calendar="days", date=dt.date(2014, 6, day), day_type=draw(st.sampled_from(["work", "rest"])))
        for day in draw(st.sets(st.integers(1, 7)))
    ]
    if not product.day_types or not host.day_types:
        calendars = []
    zone = draw(st.sampled_from(ZONES))
    return declare(prices, product=product, host=host, zones=draw(zone_rows()), calendars=calendars, zone=zone)


@st.composite
def events(draw):
    moment = draw(st.sampled_from(MOMENTS)) + dt.timedelta(seconds=draw(st.integers(-(10**5), 10**5)))
    missing = st.integers(0, 60).map(lambda n: n == 37)
    row = event(str(moment + dt.timedelta(microseconds=draw(st.sampled_from([0, 999_999])))))
    row |= {
        "feed": draw(st.sampled_from(["f", "raw"])),
        "record_type": draw(st.sampled_from(TYPES)),
        "other_party": draw(st.sampled_from(NUMBERS)),
        "forwarded_to": draw(st.sampled_from(NUMBERS)),
        "duration_s": draw(st.one_of(st.integers(-1, 200), st.integers(0, 8000))),
        "uplink_bytes": draw(st.integers(0, 10**7)),
        "downlink_bytes": draw(st.integers(0, 10**10)),
        "event_count": draw(st.integers(0, 3)),
        "message_segments": draw(st.integers(0, 3)),
    }
    return {name: None if draw(missing) else value for name, value in row.items()}


def micro(value):
    return Fraction(value) * 10**6


def agrees(declared, rows, found, twin_arguments=()):
    """Every row is rated or suspended, as the twin says."""
    rated, suspended = (iter(each) for each in found)
    for row in rows:
        expected = rate_one(declared, row, *twin_arguments)
        if isinstance(expected, Suspended):
            result = next(suspended)
            assert (result["stage"], result["code"], result["field"]) == expected
            continue
        result = next(rated)
        for name, value in expected.items():
            if name.endswith("_amount"):
                assert micro(result[name]) == micro(value), name
            elif name in result:
                assert result[name] == value, name
        assert "city" in result or expected["city"] is None
    assert next(rated, None) is None
    assert next(suspended, None) is None


@SETTINGS
@given(books(), st.lists(events(), min_size=1, max_size=12))
def test_kernel_and_twin_agree(declared, rows):
    book = make_book(declared)
    found = rate_rows(book, rows)
    agrees(declared, rows, found)
    assert rate_rows(book, rows, compile_rates(book, exact_only=True)) == found


@SETTINGS
@given(books(), st.lists(events(), max_size=8), st.lists(events(), max_size=8))
def test_chunks_change_nothing(declared, first, second):
    book = make_book(declared)
    parts, whole = [rate_rows(book, rows) for rows in (first, second)], rate_rows(book, first + second)
    assert whole == tuple(parts[0][side] + parts[1][side] for side in (0, 1))


OWNERS = st.lists(
    st.tuples(
        st.integers(1, 3), st.integers(1, 4), st.sampled_from(["p", "unknown"]), st.sampled_from(["gz", "sh", None])
    ),
    max_size=6,
)


@SETTINGS
@given(
    OWNERS,
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), min_size=1, max_size=10),
    st.booleans(),
    st.booleans(),
)
def test_the_owner_at_the_events_time(owned, calls, by_range, from_file):
    start = dt.datetime(2014, 6, 1, tzinfo=dt.UTC)
    subscriptions, last = [], {}
    for number, days, product, city in owned:
        begin = last.get(number, start)
        last[number] = begin + dt.timedelta(days=days + 1)
        span = {"from": begin if number != 1 or begin != start else None, "to": last[number] - dt.timedelta(days=1)}
        account = len(subscriptions)
        subscriptions.append({"msisdn": number, "account_id": account, "product": product, "city": city, **span})
    ranges = [("1", "gz"), ("3", "sh")] if by_range else []
    reference = reference_data(subscriptions, [(*each, OPEN_FROM_US, OPEN_TO_US) for each in ranges])
    if from_file:
        reference = reference_of(b"".join(compiled_form(reference)))
    city = "number_range" if by_range else "subscription"
    declared = declare([price(), price("wholesale")], account="subscription", city=city)
    book = make_book(declared, reference, ["gz", "sh"])
    events = [event(str(start + dt.timedelta(days=day)), served_msisdn=n, duration_s=1) for n, day in calls]
    agrees(declared, events, rate_rows(book, events), (subscriptions, ranges))
