"""Rows of prices.csv as integers and instants.

Conventions
-----------
- Costs are integers of 10^-price_decimals of the currency. Increments and `per` are integers of the service's base
  unit: s, B, or 1.
- A party `*` is written out, one row for each product or host that rates the record type, because `from` and `to` are
  in the party's own zone. Zone and band keep their `*`. No two rows of one cell overlap, so `*` is no fallback.
- Validity is half-open, in microseconds UTC, open to the left or right at the least or greatest int64.
"""

from __future__ import annotations

import functools
import re

import msgspec

from mediation.rulebook.instants import validity_us
from mediation.rulebook.model import Book, Declarations, Host, Price, Product, Quantity

WILDCARD = "*"
MAX_UNITS = 10**15
MAX_COST = 10**17
_COST = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)
_UNITS = re.compile(r"(\d+)(s|min|h|B|KiB|MiB|GiB|kB|MB|GB)?", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
UNITS_OF: dict[str, dict[str, int]] = {
    "duration_s": _SECONDS,
    "volume_bytes": _BYTES,
    "event_count": {},
    "message_segments": {},
}


class PriceRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price in force for one party, record type, zone and band (`*`: all) in `[from_us, to_us)`."""

    side: str
    party: str
    record_type: str
    zone: str
    band: str
    from_us: int
    to_us: int
    version: str
    first_increment: int
    first_cost: int
    first_per: int
    next_increment: int
    next_cost: int
    next_per: int
    setup: int
    minimum: int
    index: int  # of declared.prices


@functools.lru_cache(maxsize=65536)
def cost(text: str, decimals: int) -> int:
    """A cost as an integer of 10^-decimals.

    Raises
    ------
    ValueError
        Not a plain decimal of zero or more, too many decimals, or too large; the message says which.
    """
    found = _COST.fullmatch(text)
    if found is None:
        raise ValueError("not a cost; write a decimal of zero or more, such as 0.15")
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{len(fraction)} decimals, and price_decimals is {decimals}; state it per more units")
    value = int(found[1]) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    if value > MAX_COST:
        raise ValueError(f"beyond {MAX_COST} of 10^-{decimals}")
    return value


@functools.lru_cache(maxsize=65536)
def units(text: str, quantity: Quantity) -> int:
    """An increment, or a `per`, in the base unit of the quantity.

    Raises
    ------
    ValueError
        Not a positive integer with a unit that the quantity has; the message says which.
    """
    found = _UNITS.fullmatch(text)
    known = UNITS_OF[quantity]
    if found is None or int(found[1]) < 1:
        raise ValueError("not a positive integer" + (f" with or without a unit ({', '.join(known)})" if known else ""))
    if found[2] and found[2] not in known:
        raise ValueError(f"the unit {found[2]} does not measure {quantity}; use {', '.join(known) or 'no unit'}")
    value = int(found[1]) * known.get(found[2] or "", 1)
    if value > MAX_UNITS:
        raise ValueError(f"beyond {MAX_UNITS} units")
    return value


def quantities(book: Book) -> dict[str, Quantity]:
    """The quantity that each record type is sold by."""
    return {name: service.quantity for service in book.services.values() for name in service.record_types}


def parties(price: Price, hosts: dict[str, Host], products: dict[str, Product]) -> list[str]:
    """The products or hosts that a row is for; `*` is all that rate its record type."""
    tariffs = products if price.side == "retail" else hosts
    if price.party != WILDCARD:
        return [price.party]
    return [name for name in sorted(tariffs) if price.record_type in tariffs[name].zones]


def amounts(price: Price, quantity: Quantity, decimals: int, on_error=None) -> dict[str, int]:
    """The row's costs and increments as integers, the defaults of `next_*` filled in.

    Parameters
    ----------
    price : Price
    quantity : str
        What the record type is sold by.
    decimals : int
        The book's `price_decimals`.
    on_error : callable, optional
        Called with (column, message) for each bad value; without it the first raises ValueError.
    """
    values: dict[str, int] = {}

    def parse(column, text, parser, argument):
        try:
            values[column] = parser(text, argument)
        except ValueError as error:
            if on_error is None:
                raise
            on_error(column, str(error))

    parse("first_increment", price.first_increment, units, quantity)
    parse("first_cost", price.first_cost, cost, decimals)
    parse("first_per", price.first_per, units, quantity)
    parse("next_increment", price.next_increment or price.first_increment, units, quantity)
    parse("next_cost", price.next_cost or price.first_cost, cost, decimals)
    parse("next_per", price.next_per or price.first_per, units, quantity)
    parse("setup", price.setup, cost, decimals)
    parse("minimum", price.minimum, cost, decimals)
    return values


def price_rows(declared: Declarations) -> list[PriceRow]:
    """Every price as integers, in the order of prices.csv and of the parties' names; the book must be checked."""
    book, sold_by = declared.book, quantities(declared.book)
    rows = []
    for index, price in enumerate(declared.prices):
        tariffs = declared.products if price.side == "retail" else declared.hosts
        values = amounts(price, sold_by[price.record_type], book.price_decimals)
        for party in parties(price, declared.hosts, declared.products):
            zone = tariffs[party].zone or book.zone
            from_us, to_us = validity_us(price.valid_from, price.valid_to, zone)
            rows.append(
                PriceRow(
                    side=price.side,
                    party=party,
                    record_type=price.record_type,
                    zone=price.zone,
                    band=price.band,
                    from_us=from_us,
                    to_us=to_us,
                    version=price.version or price.valid_from,
                    index=index,
                    **values,
                )
            )
    return rows
