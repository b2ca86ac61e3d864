"""Small rule books in Python, and what the kernel makes of rows, beside the naive twin."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from mediation import schema
from mediation.rate.rate import compile_rates, rate
from mediation.rulebook.columns import dictionaries
from mediation.rulebook.instants import OPEN_FROM_US, OPEN_TO_US
from mediation.rulebook.model import (
    Band,
    Book,
    Cycle,
    Declarations,
    Feed,
    Field,
    Host,
    Layout,
    NationalNumber,
    Numbers,
    Price,
    Product,
    Rounding,
    Service,
    ZonePrefix,
    ZoneRule,
)
from mediation.rulebook.owners import NONE, SUBSCRIPTION, Subscriptions
from mediation.rulebook.rates import Rates
from mediation.rulebook.reference import NumberRange, Reference

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

USAGE = (
    "feed",
    "host",
    "record_type",
    "served_msisdn",
    "other_party",
    "forwarded_to",
    "start_time",
    "duration_s",
    "uplink_bytes",
    "downlink_bytes",
    "event_count",
    "message_segments",
)
SERVICES = {
    "voice": Service(record_types=["voice_mo", "voice_mt", "voice_forwarded"], quantity="duration_s"),
    "sms": Service(record_types=["sms_mo"], quantity="message_segments"),
    "data": Service(record_types=["data"], quantity="volume_bytes"),
    "event": Service(record_types=["mms"], quantity="event_count"),
}
FREE_ZONES = {name: ZoneRule(zone="all") for service in SERVICES.values() for name in service.record_types}
CHINA = Numbers(
    country_code="86",
    international_prefixes=["+", "00"],
    carrier_prefixes=["17951", "12593"],
    national_prefix="0",
    national=[NationalNumber(starts_with="1", digits=11)],
)
FREE = {"party": "*", "valid_from": "2000-01-01"}


def price(side="retail", record_type="voice_mo", **values):
    return Price(**{"side": side, "record_type": record_type, **FREE, **values})


def free_prices(side):
    return [price(side, name) for service in SERVICES.values() for name in service.record_types]


def feed(**values):
    layout = Layout(
        valid_from=dt.date(2000, 1, 1), format="delimited", field=[Field(type="text", column="other_party")]
    )
    return Feed(file_name="x_{date}.txt", layout=[layout], host="h", record_type="voice_mo", **values)


def declare(prices, *, product=None, host=None, zones=(), calendars=(), zone="Asia/Shanghai", feeds=None, **book):
    """A book of one host `h` and one product `p`; the number is the account unless said otherwise."""
    book = {"account": "served_msisdn", "product": "p", "city": "none", "numbers": {"cn": CHINA}} | book
    return Declarations(
        book=Book(name="test", zone=zone, services=SERVICES, **book),
        feeds=feeds or {"f": feed(numbers="cn"), "raw": feed()},
        hosts={"h": host or Host(zones=FREE_ZONES)},
        products={"p": product or Product(zones=FREE_ZONES)},
        prices=list(prices),
        zones=list(zones),
        calendars=list(calendars),
    )


def make_book(declared, reference=None, cities=()):
    """As much of a Rulebook as rating needs."""
    values = dictionaries(declared, cities)
    return SimpleNamespace(
        declared=declared,
        dictionaries=values,
        usage_columns={name: schema.USAGE[name] for name in USAGE},
        rates=Rates(declared, values, reference),
    )


def reference_data(subscriptions, ranges=()):
    """Reference data of rows with msisdn, account_id, product, city, from and to, in any order."""
    words = {name: sorted({row[name] for row in subscriptions} - {None}) for name in ("product", "city")}
    owned = [
        (
            *(row["msisdn"], microseconds(row["from"], OPEN_FROM_US), microseconds(row["to"], OPEN_TO_US)),
            row["account_id"],
            *(NONE if row[name] is None else words[name].index(row[name]) for name in ("product", "city")),
        )
        for row in subscriptions
    ]
    rows = np.array(sorted(owned), SUBSCRIPTION)
    return Reference.of(Subscriptions(rows, words["product"], words["city"]), [NumberRange(*each) for each in ranges])


def microseconds(instant, missing):
    return missing if instant is None else (instant - EPOCH) // dt.timedelta(microseconds=1)


def usage_table(rows):
    """Rows as plain text and integers; the rule book's codes are `conform`'s business."""
    kinds = {name: pa.utf8() if schema.USAGE[name] == schema.CODE else schema.USAGE[name] for name in USAGE}
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()})


def event(start="2014-06-02 12:00:00+08:00", **values):
    base = {"feed": "raw", "host": "h", "record_type": "voice_mo", "served_msisdn": 8617000000001}
    return {**base, "start_time": dt.datetime.fromisoformat(start).astimezone(dt.UTC), **values}


def rate_rows(book, rows, plan=None):
    """(rated, suspended) as lists of dicts."""
    rated, suspended = rate(usage_table(rows), book, plan=plan)
    return rated.to_pylist(), suspended.to_pylist()


def retail(declared, **values):
    """The one rated row of a call."""
    book = make_book(declared)
    rated, suspended = rate_rows(book, [event(**values)])
    assert suspended == []
    exact, none = rate_rows(book, [event(**values)], compile_rates(book, exact_only=True))
    assert exact == rated
    assert none == []
    return rated[0]


def yuan(text):
    return Decimal(text).quantize(Decimal("0.000001"))


__all__ = [
    "FREE_ZONES",
    "Band",
    "Cycle",
    "Host",
    "Product",
    "Rounding",
    "ZonePrefix",
    "ZoneRule",
    "declare",
    "event",
    "free_prices",
    "make_book",
    "price",
    "rate_rows",
    "retail",
    "usage_table",
    "yuan",
]
