"""Guide and rate, one row at a time: the specification that the kernel has to agree with.

Conventions
-----------
- Amounts are Fractions of the currency; time is zoneinfo's; sessions are walked second by second, increment by
  increment.
- A row is a dict of usage columns, absent or None where missing; instants are aware datetimes.
- The result is a dict of `schema.RATED` columns (codes as text, amounts as Fractions), or a
  `Suspended`.
"""

from __future__ import annotations

import datetime as dt
import io
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mediation.rulebook.numbers import compile_numbers, normalise

UNITS = {"s": 1, "min": 60, "h": 3600, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LINE_LIMIT = Fraction(10**12)
MICRO = Fraction(1, 10**6)
LONGEST_SESSION_S = 3660 * 86400


class Suspended(NamedTuple):
    stage: str
    code: str
    field: str


class Stop(Exception):
    pass


def stop(stage, code, field):
    raise Stop(Suspended(stage, code, field))


@cache
def zone_info(name):
    content = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    return ZoneInfo.from_file(io.BytesIO(content), key=name)


def units(text):
    digits = "".join(character for character in text if character.isdigit())
    return int(digits) * UNITS.get(text[len(digits) :], 1)


def instant(text, zone):
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone_info(zone))


def in_force(row, at, zone):
    return (not row.valid_from or instant(row.valid_from, zone) <= at) and (
        not row.valid_to or at < instant(row.valid_to, zone)
    )


def round_to(amount, granule, mode):
    steps = abs(amount) / granule
    whole, rest = steps.numerator // steps.denominator, steps - steps.numerator // steps.denominator
    up = {
        "half_away": rest >= Fraction(1, 2),
        "half_even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        "up": rest > 0,
        "down": False,
    }[mode]
    return (whole + up) * granule * (-1 if amount < 0 else 1)


def minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


class Side:
    """One party's tariff."""

    def __init__(self, declared, side, party):
        self.declared, self.side, self.party = declared, side, party
        self.tariff = (declared.products if side == "retail" else declared.hosts)[party]
        self.zone = self.tariff.zone or declared.book.zone

    def local(self, instant_s):
        return dt.datetime.fromtimestamp(instant_s, zone_info(self.zone))

    def day_type(self, date):
        if self.tariff.bands:
            for row in self.declared.calendars:
                if row.calendar == self.tariff.calendar and row.date == date:
                    return row.day_type
        for name, days in self.tariff.day_types.items():
            if WEEKDAYS[date.weekday()] in days:
                return name
        return "any"

    def band(self, instant_s):
        if not self.tariff.bands:
            return "any"
        local = self.local(instant_s)
        minute = local.hour * 60 + local.minute
        for band in self.tariff.bands[self.day_type(local.date())]:
            begin, end = minutes(band.valid_from), minutes(band.valid_to)
            if begin <= minute < end if begin < end else (minute >= begin or minute < end):
                return band.band
        raise AssertionError("the bands of a day cover it")

    def cycle(self, instant_s):
        date = self.local(instant_s).date()
        first_day = self.tariff.cycle.first_day
        if date.day >= first_day:
            return date.replace(day=first_day)
        return (date.replace(day=1) - dt.timedelta(days=1)).replace(day=first_day)

    def destination(self, row):
        rule = self.tariff.zones[row["record_type"]]
        if rule.zone is not None:
            return rule.zone
        number = row.get(rule.number)
        if not number:
            stop("rate", "missing_destination", rule.number)
        feed = self.declared.feeds.get(row.get("feed"))
        if feed is not None and feed.numbers is not None:
            number = normalise(number, compile_numbers(self.declared.book.numbers[feed.numbers]))
        fitting = [
            each
            for each in self.declared.zones
            if each.zone_set == rule.set
            and number.startswith(each.prefix)
            and in_force(each, row["start_time"], self.declared.book.zone)
        ]
        if not fitting:
            stop("rate", "unknown_destination", rule.number)
        return max(fitting, key=lambda each: len(each.prefix)).zone

    def price(self, row, zone, band):
        for each in self.declared.prices:
            if (
                each.side == self.side
                and each.party in ("*", self.party)
                and each.record_type == row["record_type"]
                and each.zone in ("*", zone)
                and each.band in ("*", band)
                and in_force(each, row["start_time"], self.zone)
            ):
                return Price(each)
        return stop("rate", "no_price", f"{self.side}_amount")


class Price:
    def __init__(self, declared):
        self.version = declared.version or declared.valid_from
        self.first_increment = units(declared.first_increment)
        self.next_increment = units(declared.next_increment or declared.first_increment)
        self.first_rate = Fraction(declared.first_cost) / units(declared.first_per)
        self.next_rate = Fraction(declared.next_cost or declared.first_cost) / units(
            declared.next_per or declared.first_per
        )
        self.setup, self.minimum = Fraction(declared.setup), Fraction(declared.minimum)

    def rounded_up(self, quantity):
        total = self.first_increment
        if quantity > total:
            total += -(-(quantity - total) // self.next_increment) * self.next_increment
        return total

    def cost(self, begin, end, first_increment):
        """Units `begin` to `end` of a session whose first increment has `first_increment` units."""
        first = max(0, min(end, first_increment) - begin)
        return first * self.first_rate + (end - begin - first) * self.next_rate


def stretches(side, start_s, quantity):
    """(first second, end, band) of each uninterrupted band."""
    found = []
    for second in range(quantity):
        band = side.band(start_s + second)
        if found and found[-1][2] == band:
            found[-1][1] = second + 1
        else:
            found.append([second, second + 1, band])
    return found


def usage_components(side, row, zone, quantity, start_s, price):
    """What each stretch costs, and how many units are charged."""
    crossing = side.tariff.crossing
    timed = next(s for s in side.declared.book.services.values() if row["record_type"] in s.record_types)
    first = price.first_increment
    banded = len({b.band for bands in side.tariff.bands.values() for b in bands}) > 1
    if timed.quantity != "duration_s" or crossing == "start" or not banded:
        total = price.rounded_up(quantity)
        return [price.cost(0, total, first)], total
    if quantity > LONGEST_SESSION_S:
        stop("rate", "out_of_range", f"{side.side}_amount")
    parts = stretches(side, start_s, quantity)
    prices = {}

    def price_in(band):
        if band not in prices:
            prices[band] = price if band == parts[0][2] else side.price(row, zone, band)
        return prices[band]

    if crossing == "split_exact":
        total = price.rounded_up(quantity)
        parts[-1][1] = total
        return [price_in(band).cost(begin, end, first) for begin, end, band in parts], total
    costs, total = [Fraction(0) for _ in parts], 0
    if crossing == "split_round":
        for number, (begin, end, band) in enumerate(parts):
            here = price_in(band)
            if number == 0:
                part = here.rounded_up(end)
                costs[0] = here.cost(0, part, first)
            else:
                part = -(-(end - begin) // here.next_increment) * here.next_increment
                costs[number] = part * here.next_rate
            total += part
        return costs, total
    at = 0
    while at < quantity:
        number = next(n for n, (begin, end, _) in enumerate(parts) if begin <= at < end)
        here = price_in(parts[number][2])
        part = first if at == 0 else here.next_increment
        costs[number] += part * (here.first_rate if at == 0 else here.next_rate)
        at += part
    return costs, at


def charge(side, row, zone, quantity, start_s, price):
    """(units, stored amount, residue in 10^-12)."""
    if quantity == 0:
        return 0, Fraction(0), 0
    rounding = side.tariff.rounding
    granule = MICRO if rounding.level == "bill" else Fraction(1, 10**rounding.scale)
    costs, total = usage_components(side, row, zone, quantity, start_s, price)
    exact = price.setup + sum(costs)
    if exact < price.minimum:
        exact = price.minimum
        stored = round_to(exact, granule, rounding.mode)
    elif rounding.level == "component":
        stored = sum(round_to(cost, granule, rounding.mode) for cost in [price.setup, *costs])
    else:
        stored = round_to(exact, granule, rounding.mode)
    if abs(stored) >= LINE_LIMIT or total >= 2**63:
        stop("rate", "amount_overflow", f"{side.side}_amount")
    return total, stored, int((exact - stored) * 10**12)


def measure(declared, row):
    service = next(s for s in declared.book.services.values() if row["record_type"] in s.record_types)
    if service.quantity == "volume_bytes":
        given = [row.get(name) for name in ("uplink_bytes", "downlink_bytes") if row.get(name) is not None]
        field, value = "downlink_bytes", sum(given) if given else None
        if any(each < 0 for each in given):
            stop("rate", "negative", field)
        if value is not None and value >= 2**63:
            stop("rate", "amount_overflow", field)
    elif service.quantity == "duration_s":
        field, value = "duration_s", row.get("duration_s")
    else:
        field, value = service.quantity, row.get(service.quantity)
        value = 1 if value is None else value
    if value is None:
        stop("rate", "missing_quantity", field)
    if value < 0:
        stop("rate", "negative", field)
    return value


def owner(declared, row, subscriptions, number_ranges):
    number, at, book = row.get("served_msisdn"), row["start_time"], declared.book
    if number is None:
        stop("guide", "missing_number", "served_msisdn")
    city = None
    if book.account == "served_msisdn":
        account, product = number, book.product
    else:
        known = [each for each in subscriptions if each["msisdn"] == number]
        if not known:
            stop("guide", "unknown_number", "served_msisdn")
        held = [
            each
            for each in known
            if (each["from"] is None or each["from"] <= at) and (each["to"] is None or at < each["to"])
        ]
        if not held:
            stop("guide", "number_not_owned", "served_msisdn")
        account, product = held[0]["account_id"], held[0]["product"]
        if product not in declared.products:
            stop("guide", "no_product", "product")
        city = held[0]["city"] if book.city == "subscription" else None
    if book.city == "number_range":
        fitting = [(prefix, name) for prefix, name in number_ranges if str(number).startswith(prefix)]
        city = max(fitting, key=lambda each: len(each[0]))[1] if fitting else None
    return account, product, city


def rate_one(declared, row, subscriptions=(), number_ranges=()):
    """The rated columns of a row, or why it is suspended."""
    try:
        return _rate_one(declared, row, subscriptions, number_ranges)
    except Stop as stopped:
        return stopped.args[0]


def _rate_one(declared, row, subscriptions, number_ranges):
    if row.get("start_time") is None:
        stop("guide", "missing_time", "start_time")
    start_s = (row["start_time"] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    if row.get("host") not in declared.hosts:
        stop("guide", "no_host", "host")
    known = {name for service in declared.book.services.values() for name in service.record_types}
    if row.get("record_type") not in known:
        stop("rate", "not_rateable", "record_type")
    account, product, city = owner(declared, row, subscriptions, number_ranges)
    quantity = measure(declared, row)
    result = {"account_id": account, "product": product, "city": city}
    for name, party in (("retail", product), ("wholesale", row["host"])):
        side = Side(declared, name, party)
        if row["record_type"] not in side.tariff.zones:
            stop("rate", "not_rateable", "record_type")
        zone = side.destination(row)
        band = side.band(start_s)
        price = side.price(row, zone, band)
        total, stored, residue = charge(side, row, zone, quantity, start_s, price)
        result |= {
            "cycle" if name == "retail" else "host_cycle": side.cycle(start_s),
            f"{name}_zone": zone,
            f"{name}_time_band": band,
            f"{name}_tariff_version": price.version,
            f"{name}_quantity": total,
            f"{name}_amount": stored,
            f"{name}_residue": residue,
        }
    result["margin_amount"] = result["retail_amount"] - result["wholesale_amount"]
    return result
