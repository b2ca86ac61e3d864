"""The rating cases that every charging engine has to get right, with their published numbers."""

import datetime as dt
from decimal import Decimal

import pytest
from rate_book import (
    FREE_ZONES,
    Band,
    Host,
    Product,
    Rounding,
    ZonePrefix,
    ZoneRule,
    declare,
    event,
    free_prices,
    make_book,
    price,
    rate_rows,
    retail,
    yuan,
)

from mediation.rulebook.model import CalendarDay

CENTS = Rounding(level="record")
FREE_WHOLESALE = free_prices("wholesale")
EVENING = {
    "any": [
        Band(valid_from="08:00", valid_to="21:00", band="peak"),
        Band(valid_from="21:00", valid_to="08:00", band="off"),
    ]
}
NIGHT = {
    "any": [
        Band(valid_from="23:00", valid_to="07:00", band="night"),
        Band(valid_from="07:00", valid_to="23:00", band="day"),
    ]
}
CROSSINGS = ("start", "split_exact", "increment_start", "split_round")


def call(duration_s, *, rounding=CENTS, record_type="voice_mo", start="2014-06-02 12:00:00+08:00", **terms):
    """The retail amount of one call at one price."""
    declared = declare(
        [price(record_type=record_type, **terms), *FREE_WHOLESALE],
        product=Product(zones=FREE_ZONES, rounding=rounding),
    )
    return retail(declared, duration_s=duration_s, record_type=record_type, start=start)


def per(cost, units, increment, **more):
    return {"first_increment": increment, "first_cost": cost, "first_per": units, **more}


@pytest.mark.parametrize(
    ("duration_s", "increment", "units", "amount"),
    [(1, "60", 60, "0.20"), (60, "60", 60, "0.20"), (61, "60", 120, "0.40"), (61, "6", 66, "0.22")],
)
def test_f01_increment(duration_s, increment, units, amount):
    row = call(duration_s, **per("0.20", "60", increment))
    assert (row["retail_quantity"], row["retail_amount"]) == (units, yuan(amount))


@pytest.mark.parametrize(
    ("duration_s", "units", "amount"), [(32, 36, "0.0036"), (57, 60, "0.0060"), (75, 78, "0.0078"), (30, 30, "0.0030")]
)
def test_f02_first_and_next(duration_s, units, amount):
    row = call(duration_s, rounding=Rounding(), **per("0.006", "60", "30", next_increment="6"))
    assert (row["retail_quantity"], row["retail_amount"]) == (units, yuan(amount))


def test_f03_unrepresentable_unit_price():
    terms = per("0.10", "60", "60", next_increment="1", next_cost="0.05", next_per="60")
    assert call(85, **terms)["retail_amount"] == yuan("0.12")
    assert call(85, **terms)["retail_residue"] == 833_333_333
    line = call(85, rounding=Rounding(), **terms)
    assert (line["retail_amount"], line["retail_residue"]) == (yuan("0.120833"), 333_333)


def test_f04_nothing_used_is_nothing_charged():
    row = call(0, **per("0.20", "60", "60", setup="0.10", minimum="0.15"))
    assert (row["retail_quantity"], row["retail_amount"], row["retail_residue"]) == (0, 0, 0)


def test_f05_setup_of_one_session():
    assert call(61, **per("0.20", "60", "60", setup="0.10"))["retail_amount"] == yuan("0.50")


def test_f06_minimum():
    assert call(6, **per("0.006", "1", "1", minimum="0.15"))["retail_amount"] == yuan("0.15")
    assert call(60, **per("0.006", "1", "1", minimum="0.15"))["retail_amount"] == yuan("0.36")


def banded(crossing, bands, prices, *, zone="Asia/Shanghai", rounding=CENTS, calendars=(), **more):
    product = Product(zones=FREE_ZONES, rounding=rounding, crossing=crossing, bands=bands, zone=zone, **more)
    return declare([*prices, *FREE_WHOLESALE], product=product, calendars=calendars)


@pytest.mark.parametrize(("crossing", "amount"), list(zip(CROSSINGS, ("0.90", "0.60", "0.70", "0.80"), strict=True)))
def test_f08_crossing_into_another_band(crossing, amount):
    prices = [price(band="peak", **per("0.30", "60", "60")), price(band="off", **per("0.10", "60", "60"))]
    row = retail(banded(crossing, EVENING, prices), start="2014-06-02 20:58:30+08:00", duration_s=180)
    assert (row["retail_amount"], row["retail_time_band"]) == (yuan(amount), "peak")
    assert row["retail_quantity"] == (240 if crossing == "split_round" else 180)


@pytest.mark.parametrize("crossing", CROSSINGS)
def test_f08_rounding_up_is_no_crossing(crossing):
    """31 s before nine end at nine: the minute is the peak's, whatever the contract."""
    prices = [price(band="peak", **per("0.30", "60", "60")), price(band="off", **per("0.10", "60", "60"))]
    row = retail(banded(crossing, EVENING, prices), start="2014-06-02 20:59:29+08:00", duration_s=31)
    assert row["retail_amount"] == yuan("0.30")


@pytest.mark.parametrize("crossing", CROSSINGS)
def test_f09_the_version_is_that_of_the_session_start(crossing):
    prices = [
        price(band="peak", **per("0.30", "60", "1"), valid_to="2014-06-03"),
        price(band="off", **per("0.12", "60", "1"), valid_to="2014-06-03"),
        price(band="*", **per("9", "60", "1"), valid_from="2014-06-03", version="dear"),
    ]
    declared = banded(crossing, EVENING, prices)
    row = retail(declared, start="2014-06-02 23:59:30+08:00", duration_s=60)
    assert (row["retail_amount"], row["retail_tariff_version"]) == (yuan("0.12"), "2000-01-01")
    after = retail(declared, start="2014-06-03 00:00:00+08:00", duration_s=60)
    assert (after["retail_amount"], after["retail_tariff_version"]) == (yuan("9.00"), "dear")


def test_f09_data_containers_before_and_after_the_switch():
    terms = {"record_type": "data", "first_increment": "1MB", "first_per": "1MB"}
    prices = [
        price(first_cost="0.10", valid_to="2014-07-01", **terms),
        price(first_cost="0.05", valid_from="2014-07-01", **{**terms, "party": "p"}),
    ]
    book = make_book(declare([*prices, *FREE_WHOLESALE], product=Product(zones=FREE_ZONES, rounding=CENTS)))
    items = [
        event("2014-06-30 23:00:00+08:00", record_type="data", downlink_bytes=30_000_000),
        event("2014-07-01 00:00:00+08:00", record_type="data", uplink_bytes=20_000_000),
    ]
    rated, _ = rate_rows(book, items)
    assert [row["retail_amount"] for row in rated] == [yuan("3.00"), yuan("1.00")]


@pytest.mark.parametrize("crossing", CROSSINGS[1:])
def test_f10_a_band_over_midnight(crossing):
    prices = [price(band="night", **per("0.10", "60", "1")), price(band="day", **per("0.30", "60", "1"))]
    declared = banded(crossing, NIGHT, prices)
    assert retail(declared, start="2014-06-02 06:59:30+08:00", duration_s=60)["retail_amount"] == yuan("0.20")
    assert retail(declared, start="2014-06-02 23:59:30+08:00", duration_s=60)["retail_amount"] == yuan("0.10")


WEEK = {"work": ["mon", "tue", "wed", "thu", "fri"], "rest": ["sat", "sun"]}
WEEK_BANDS = {
    "work": [
        Band(valid_from="07:00", valid_to="19:00", band="peak"),
        Band(valid_from="19:00", valid_to="07:00", band="off"),
    ],
    "rest": [Band(valid_from="00:00", valid_to="24:00", band="off")],
}


@pytest.mark.parametrize(("date", "amount"), [("2014-05-30", "0.20"), ("2014-06-06", "0.10")])
def test_f11_holidays_are_data(date, amount):
    """A Friday call that runs past seven; on the second Friday the calendar says that nobody works."""
    prices = [price(band="peak", **per("0.30", "60", "1")), price(band="off", **per("0.10", "60", "1"))]
    holiday = CalendarDay(calendar="cn", date=dt.date(2014, 6, 6), day_type="rest")
    declared = banded("split_exact", WEEK_BANDS, prices, calendars=[holiday], calendar="cn", day_types=WEEK)
    assert retail(declared, start=f"{date} 18:59:30+08:00", duration_s=60)["retail_amount"] == yuan(amount)


def test_f12_summer_time():
    """Elapsed time is UTC's; the band is the wall's: 02:30 happens twice, and 02:00 to 03:00 once not at all."""
    hour = {
        "any": [
            Band(valid_from="02:00", valid_to="03:00", band="two"),
            Band(valid_from="03:00", valid_to="02:00", band="not"),
        ]
    }
    prices = [price(band="two", **per("1", "1", "1")), price(band="not", **per("0", "1", "1"))]
    declared = banded("split_exact", hour, prices, zone="Europe/Berlin")
    autumn = retail(declared, start="2014-10-26 01:30:00+02:00", duration_s=4 * 3600)
    assert autumn["retail_amount"] == yuan("7200")
    assert retail(declared, start="2014-10-26 02:30:00+02:00", duration_s=3600)["retail_amount"] == yuan("3600")
    spring = retail(declared, start="2014-03-30 01:59:30+01:00", duration_s=60)
    assert (spring["retail_amount"], spring["retail_quantity"]) == (0, 60)


def test_f13_a_leap_second_is_billed_as_reported():
    prices = [price(band="peak", **per("1", "1", "1")), price(band="off", **per("2", "1", "1"))]
    declared = banded("split_exact", EVENING, prices)
    row = retail(declared, start="2015-07-01 07:59:50+08:00", duration_s=20)
    assert (row["retail_quantity"], row["retail_amount"]) == (20, yuan("30"))  # 10 and 10; truly 11 and 9


def test_f14_the_duration_wins():
    declared = declare([price(**per("0.01", "1", "1")), *FREE_WHOLESALE])
    assert retail(declared, duration_s=62)["retail_amount"] == yuan("0.62")


@pytest.mark.parametrize(
    ("level", "mode", "stored", "bill"),
    [
        ("record", "half_away", "0.01", "0.03"),
        ("bill", "half_away", "0.005", "0.02"),
        ("record", "half_even", "0.00", "0.00"),
        ("bill", "half_even", "0.005", "0.02"),
    ],
)
def test_f22_where_a_line_is_rounded(level, mode, stored, bill):
    row = call(1, rounding=Rounding(level=level, mode=mode), **per("0.005", "1", "1"))
    assert row["retail_amount"] == yuan(stored)
    assert (3 * row["retail_amount"] + Decimal("0.001") * (level == "bill")).quantize(Decimal("0.01")) == Decimal(bill)


@pytest.mark.parametrize(("segments", "amount"), [(1, "0.10"), (2, "0.20"), (None, "0.10")])
def test_f39_message_segments(segments, amount):
    declared = declare([price(record_type="sms_mo", first_cost="0.10"), *FREE_WHOLESALE])
    assert retail(declared, record_type="sms_mo", message_segments=segments)["retail_amount"] == yuan(amount)


def test_f40_units_and_both_directions():
    terms = {"record_type": "data", "first_increment": "1MiB", "first_cost": "0.10", "first_per": "1MiB"}
    declared = declare([price(**terms), *FREE_WHOLESALE])
    row = retail(declared, record_type="data", uplink_bytes=1, downlink_bytes=1_048_576)
    assert (row["retail_quantity"], row["retail_amount"]) == (2 << 20, yuan("0.20"))
    decimal = declare([price(**{**terms, "first_increment": "1MB", "first_per": "1MB"}), *FREE_WHOLESALE])
    assert retail(decimal, record_type="data", uplink_bytes=1_000_001)["retail_amount"] == yuan("0.20")


def test_f41_a_negative_or_wrapped_counter_is_never_charged():
    book = make_book(declare([price(), price(record_type="data"), *FREE_WHOLESALE]))
    rows = [
        event(duration_s=-1),
        event(record_type="data", uplink_bytes=5, downlink_bytes=-1),
        event(record_type="data", uplink_bytes=(1 << 63) - 1, downlink_bytes=1),
    ]
    rated, suspended = rate_rows(book, rows)
    assert rated == []
    assert [row["code"] for row in suspended] == ["negative", "negative", "amount_overflow"]


CHINA_ZONES = [("86", "national", "0.20"), ("8610", "beijing", "0.15"), ("86170", "virtual", "0.10")]


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        ("8617012345678", "0.10"),
        ("+8617012345678", "0.10"),
        ("008617012345678", "0.10"),
        ("17012345678", "0.10"),
        ("17951017012345678", "0.10"),
        ("1795117012345678", "0.10"),
        ("861062345678", "0.15"),
        ("01062345678", "0.15"),
        ("8675512345678", "0.20"),
        ("86", "0.20"),
        ("8617", "0.20"),
    ],
)
def test_f42_the_longest_prefix_of_the_number_as_it_is_meant(number, amount):
    zones = [ZonePrefix(zone_set="retail", prefix=prefix, zone=zone) for prefix, zone, _ in CHINA_ZONES]
    product = Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="retail")}, rounding=CENTS)
    prices = [price(zone=zone, **per(cost, "60", "60")) for _, zone, cost in CHINA_ZONES]
    declared = declare([*prices, *FREE_WHOLESALE], product=product, zones=zones)
    row = retail(declared, feed="f", other_party=number, duration_s=60)
    assert (row["retail_amount"], row["other_party"]) == (yuan(amount), number)


def test_f43_a_free_destination_may_cost_wholesale():
    zones = [ZonePrefix(zone_set="r", prefix="110", zone="emergency")]
    product = Product(zones={**FREE_ZONES, "voice_mo": ZoneRule(set="r")}, rounding=CENTS)
    prices = [price(), price("wholesale", **per("0.06", "60", "60"))]
    row = retail(declare(prices, product=product, zones=zones), other_party="110", duration_s=10)
    assert (row["retail_amount"], row["margin_amount"]) == (0, yuan("-0.06"))


def test_f44_who_forwards_pays():
    """A calls B, B forwards to C: B pays the leg from B to C, by C's zone."""
    zones = [ZonePrefix(zone_set="r", prefix="86", zone="home"), ZonePrefix(zone_set="r", prefix="852", zone="abroad")]
    rule = ZoneRule(set="r", number="forwarded_to")
    product = Product(zones={**FREE_ZONES, "voice_forwarded": rule}, rounding=CENTS)
    prices = [
        price(record_type="voice_forwarded", zone="home", **per("0.20", "60", "60")),
        price(record_type="voice_forwarded", zone="abroad", **per("2", "60", "60")),
    ]
    declared = declare([*prices, *FREE_WHOLESALE], product=product, zones=zones)
    row = retail(
        declared, record_type="voice_forwarded", other_party="85212345678", forwarded_to="8613800000000", duration_s=60
    )
    assert (row["retail_amount"], row["account_id"]) == (yuan("0.20"), row["served_msisdn"])


def test_f45_each_side_rounds_by_its_own_increments():
    prices = [price(**per("0.20", "60", "60")), price("wholesale", **per("0.15", "60", "1"))]
    sides = {"product": Product(zones=FREE_ZONES), "host": Host(zones=FREE_ZONES)}
    row = retail(declare(prices, **sides), duration_s=61)
    assert row["retail_amount"] == yuan("0.40")
    assert row["wholesale_amount"] == yuan("0.1525")
    assert row["margin_amount"] == yuan("0.2475")
