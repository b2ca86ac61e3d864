"""What a rule book is compiled from: time zones, instants, file names, number rules, prices.

Conventions
-----------
- Time zones are compared with the standard library's reading of the same files.
"""

from __future__ import annotations

import datetime as dt
import io
from bisect import bisect_right
from importlib import resources
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediation.rulebook import prices
from mediation.rulebook.instants import OPEN_FROM_US, OPEN_TO_US, instant_us, minute_of_day, validity_us
from mediation.rulebook.model import NationalNumber, Numbers, Price
from mediation.rulebook.names import NameTemplate
from mediation.rulebook.numbers import CARRIER, compile_numbers, normalise, to_msisdn
from mediation.rulebook.zones import is_zone, local_to_utc_us, transitions, tzdata_version, zone_table

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = dt.timedelta(microseconds=1)
FIRST, LAST = dt.datetime(1990, 1, 1), dt.datetime(2100, 12, 31)
# No rule, yearly rules north and south, a table that ends, half an hour, rules with a day before, UTC, none since 1991.
ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Pacific/Apia",
    "America/New_York",
    "Asia/Kolkata",
    "UTC",
)


def standard(name):
    content = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    return ZoneInfo.from_file(io.BytesIO(content), key=name)


# ------------------------------------------------------------------------------------------------- time zones


def offset_at_s(name, instant_us):
    """Local minus UTC by the zone's table."""
    starts, offsets = transitions(name)
    return offsets[bisect_right(starts, instant_us) - 1]


@given(name=st.sampled_from(ZONES), moment=st.datetimes(FIRST, LAST, timezones=st.just(UTC)))
def test_offsets_are_the_standard_librarys(name, moment):
    offset = moment.astimezone(standard(name)).utcoffset()
    assert offset_at_s(name, (moment - EPOCH) // MICROSECOND) == offset.total_seconds()


@pytest.mark.parametrize("name", ZONES)
def test_offsets_change_exactly_where_they_do(name):
    zone, (starts, offsets) = standard(name), zone_table(name)
    assert starts.dtype == np.int64
    assert offsets.dtype == np.int32
    assert starts[0] == np.iinfo(np.int64).min
    assert not starts.flags.writeable
    assert np.all(starts[1:] > starts[:-1])
    assert np.all(offsets[1:] != offsets[:-1])
    for start, before, after in zip(starts[1:].tolist(), offsets[:-1], offsets[1:], strict=True):
        moment = EPOCH + start * MICROSECOND
        assert moment.astimezone(zone).utcoffset().total_seconds() == after
        assert (moment - MICROSECOND).astimezone(zone).utcoffset().total_seconds() == before


def test_china_has_had_one_offset_since_1991():
    starts, offsets = transitions("Asia/Shanghai")
    assert offsets[-1] == 8 * 3600
    assert EPOCH + starts[-1] * MICROSECOND < dt.datetime(1992, 1, 1, tzinfo=UTC)


@given(
    name=st.sampled_from(ZONES),
    local=st.datetimes(FIRST + dt.timedelta(days=2), LAST),
)
@example(name="Europe/Berlin", local=dt.datetime(2014, 10, 26, 2, 30))
@example(name="Europe/Berlin", local=dt.datetime(2014, 3, 30, 2, 30))
@example(name="Pacific/Apia", local=dt.datetime(2011, 12, 30, 12))
def test_local_times_are_read_once_or_refused(name, local):
    zone = standard(name)
    readings = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = {instant for instant in readings if instant.astimezone(zone).replace(tzinfo=None, fold=0) == local}
    local_us = (local.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
    if len(shown) == 1:
        assert local_to_utc_us(name, local_us) == (shown.pop() - EPOCH) // MICROSECOND
    else:
        with pytest.raises(ValueError, match="twice" if shown else "skipped"):
            local_to_utc_us(name, local_us)


def test_zone_names_are_those_of_the_package():
    for name in ("Asia/Nowhere", "../zone.tab", "zones", "Asia", "", "/etc/localtime", "tzdata.zi", "Asia//Shanghai"):
        assert not is_zone(name), name
        with pytest.raises(LookupError):
            zone_table(name)
    assert is_zone("America/Argentina/Ushuaia")
    assert tzdata_version()[:2] == "20"


# ---------------------------------------------------------------------------------------------------- instants


def test_instants():
    midnight = instant_us("2026-06-16", "Asia/Shanghai")
    assert midnight == (dt.datetime(2026, 6, 15, 16, tzinfo=UTC) - EPOCH) // MICROSECOND
    for same in ("2026-06-16T00:00", "2026-06-16 00:00:00", "2026-06-15T16:00:00Z", "2026-06-16T00:00:00.0+08:00"):
        assert instant_us(same, "Asia/Shanghai") == midnight
    assert instant_us("2026-06-16T00:00:00.000001", "Asia/Shanghai") == midnight + 1
    assert validity_us("", "", "UTC") == (OPEN_FROM_US, OPEN_TO_US)


@pytest.mark.parametrize(
    "text", ["", "2026", "20260616", "2026-06-31", "2026-W01-1", "2026-06-16T24:01", "2026-06-16T1:00", "٢٠٢٦-06-16"]
)
def test_what_is_no_instant(text):
    with pytest.raises(ValueError, match=r"not a date|no such date"):
        instant_us(text, "UTC")


def test_times_of_day():
    assert [minute_of_day(text) for text in ("00:00", "08:30", "23:59", "24:00")] == [0, 510, 1439, 1440]
    for text in ("24:01", "8:00", "12:60", "", "12:00:00"):
        with pytest.raises(ValueError, match="HH:MM"):
            minute_of_day(text)


# -------------------------------------------------------------------------------------------------- file names


def test_names_say_date_and_sequence():
    template = NameTemplate("A.{date}_*_{sequence:4}.txt")
    assert template.match("A.20260601_x_0042.txt.gz") == (dt.date(2026, 6, 1), 42)
    assert template.match("A.20260601__0042.txt.zst") == (dt.date(2026, 6, 1), 42)
    for other in (
        "Ab20260601_x_0042.txt",  # a dot is a dot
        "A.20260231_x_0042.txt",
        "A.20260601_x_042.txt",
        "A.20260601_x_0042.txt.gz.gz",
        "A.20260601_x/y_0042.txt",
        "A.20260601_x_0042.txt\n",
        "A.٢٠٢٦٠٦٠١_x_0042.txt",
        "A.20260601_" + "x" * 65 + "_0042.txt",
    ):
        assert template.match(other) is None, other
    assert NameTemplate("cdr.txt").match("cdr.txt") == (None, None)


@given(
    date=st.dates(dt.date(1000, 1, 1)),
    sequence=st.integers(0, 10**18 - 1),
    words=st.lists(st.text("abcXYZ.-(+[", max_size=6), min_size=3, max_size=3),
)
def test_a_name_made_from_a_template_matches_it(date, sequence, words):
    template = NameTemplate("{}{{date}}{}_{{sequence}}{}~".format(*words))
    assert template.match(f"{words[0]}{date:%Y%m%d}{words[1]}_{sequence}{words[2]}~") == (date, sequence)


@pytest.mark.parametrize(
    "template",
    [
        *[
            r"a/b",
            r"a\b",
            r"{",
            r"}",
            r"{}",
            r"{date:4}",
            r"{date}{date}",
            r"{sequence:0}",
            r"{sequence:19}",
            r"{sequence:}",
            r"{sequence:x}",
            r"{number}",
            r"****",
        ],
        "",
        "x" * 256,
    ],
)
def test_malformed_templates(template):
    with pytest.raises(ValueError, match=r"\w"):
        NameTemplate(template)


def test_matching_is_bounded():
    template = NameTemplate("*a*a*{sequence}z")
    began = dt.datetime.now()
    assert template.match("a" * 255) is None
    assert template.match("a1" * 127) is None
    assert dt.datetime.now() - began < dt.timedelta(seconds=2)


# ----------------------------------------------------------------------------------------------------- numbers

CHINA = Numbers(
    country_code="86",
    carrier_prefixes=["1795", "17951", "12593"],
    national=[NationalNumber(starts_with=f"1{digit}", digits=11) for digit in range(3, 10)],
)
RULES = compile_numbers(CHINA)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("13800000000", "8613800000000"),  # bare national
        ("8613800000000", "8613800000000"),
        ("+8613800000000", "8613800000000"),
        ("008613800000000", "8613800000000"),
        ("013800000000", "8613800000000"),  # national prefix
        ("01012345678", "861012345678"),
        ("1795113800000000", "8613800000000"),  # carrier, the longest first
        ("17951013800000000", "8613800000000"),
        ("17951+8613800000000", "8613800000000"),
        ("1795100852212345678", "852212345678"),
        ("+12125550100", "12125550100"),
        ("12345678", "12345678"),  # no area code: nobody can say where
        # What is no number stays as it is.
        *(
            (text, text)
            for text in ("110", "10086", "17951", "10690123456", "*21#", "BANK", "", "0", "00", "+", "0000")
        ),
        *(
            (text, text)
            for text in ("00110", "0110", "+1-212-555-0100", "17951110", "000013800000000", "+013800000000")
        ),
        ("00" + "8" * 16, "00" + "8" * 16),  # more digits than E.164 has
    ],
)
def test_numbers(written, meant):
    assert normalise(written, RULES) == meant
    assert normalise(written, ()) == written


subscribers = st.builds(lambda head, rest: f"{head}{rest:09}", st.integers(13, 19), st.integers(0, 10**9 - 1))


@given(
    number=subscribers,
    carrier=st.sampled_from(["", "17951", "12593"]),
    form=st.sampled_from(["{}", "0{}", "86{}", "+86{}", "0086{}"]),
)
def test_every_way_of_writing_a_number_is_one_number(number, carrier, form):
    if (carrier + form.format(number)).startswith(("+17951", "+12593")):
        return
    assert normalise(carrier + form.format(number), RULES) == f"86{number}"
    assert to_msisdn(carrier + form.format(number), RULES) == int(f"86{number}")


@given(st.text("0123456789+*#a", max_size=24))
def test_what_has_come_to_the_country_code_stays(text):
    once = normalise(text, RULES)
    if once.startswith("86") or once == text:
        assert normalise(once, RULES) == once


@given(st.text("0123456789+*#a", max_size=24))
def test_a_served_number_is_e164(text):
    number = to_msisdn(text, RULES)
    assert number is None or (str(number) == normalise(text, RULES) and 5 <= len(str(number)) <= 15)


def test_the_table_is_in_the_order_of_trial():
    stages = [rule.stage for rule in RULES]
    assert stages == sorted(stages)
    assert [rule.prefix for rule in RULES if rule.stage == CARRIER] == [b"12593", b"17951", b"1795"]
    assert [rule.prefix for rule in RULES if rule.stage != CARRIER][:3] == [b"00", b"+", b"0"]
    assert compile_numbers(None) == ()


# ------------------------------------------------------------------------------------------------------ prices


@given(st.decimals(0, 10**9, places=6))
def test_costs_are_exact(cost):
    assert prices.cost(f"{cost:f}", 6) == int(cost * 10**6)
    assert prices.cost(f"{cost:f}000", 6) == int(cost * 10**6)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.", ".5", "1e3", "0,15", "0.1234567", "1" * 30, "１", "NaN"])
def test_what_is_no_cost(text):
    with pytest.raises(ValueError, match=r"not a cost|decimals|beyond"):
        prices.cost(text, 6)


def test_units():
    assert [prices.units(text, "duration_s") for text in ("60", "60s", "1min", "1h")] == [60, 60, 60, 3600]
    assert [prices.units(text, "volume_bytes") for text in ("1", "1KiB", "1kB", "1MiB", "1GB")] == [
        1,
        1024,
        1000,
        1 << 20,
        10**9,
    ]
    assert prices.units("1", "message_segments") == 1
    for text, quantity in (("0", "duration_s"), ("", "duration_s"), ("1KiB", "duration_s"), ("1s", "event_count")):
        with pytest.raises(ValueError, match=r"not a positive|does not measure"):
            prices.units(text, quantity)


def test_what_follows_the_first_increment_is_as_the_first_unless_said():
    price = Price(
        side="retail",
        party="*",
        record_type="voice",
        valid_from="",
        first_increment="1min",
        first_cost="0.2",
        first_per="60",
    )
    values = prices.amounts(price, "duration_s", 3)
    assert (values["next_increment"], values["next_cost"], values["next_per"]) == (60, 200, 60)
    found = []
    bad = Price(side="retail", party="*", record_type="voice", valid_from="", first_cost="x", setup="y", next_per="z")
    prices.amounts(bad, "duration_s", 3, lambda column, _: found.append(column))
    assert found == ["first_cost", "next_cost", "next_per", "setup"]
