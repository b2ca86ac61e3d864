"""What the generator must know of a rule book: who carries what, and which events cannot be charged.

Conventions
-----------
- Takes the declarations as `load_rulebook(...).declared` has them; reads nothing itself.
- Only record types that every product and the feed's host can rate are made, and only destinations that every zone set
  without a default knows; the exceptions are made on purpose and counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mediation.errors import UsageError
from mediation.sample.events import OTHER_SHARE, SHARES, Destinations

HOST_SHARES = (0.5, 0.3, 0.2)
_MOBILE = (86135, 86136, 86138, 86139, 86150, 86158, 86159, 86180, 86186, 86188)
_FIXED = (8610, 8620, 8621, 8622, 8623, 8624, 8625, 8627, 8628, 8629)
_ABROAD = (33, 44, 49, 60, 61, 65, 81, 82, 84, 852, 853, 886, 971)
_SHORT = (110, 120, 10000, 10010, 10086, 12306, 95588)
_NOWHERE = (999, 888, 979, 699, 384, 210)


class Carriage(NamedTuple):
    """What one feed carries."""

    host: str
    record_types: tuple[str, ...]
    share: float  # of all records
    suspended_by_host: tuple[bool, ...]  # per record type: an unknown destination has no wholesale zone
    suspended_by_product: tuple[tuple[bool, ...], ...]  # per product and record type


def open_sets(declared) -> dict[str, set[str]]:
    """The prefixes of every zone set without a default."""
    sets: dict[str, set[str]] = {}
    for row in declared.zones:
        sets.setdefault(row.zone_set, set()).add(row.prefix)
    return {name: prefixes for name, prefixes in sets.items() if "" not in prefixes}


def destinations(declared) -> Destinations:
    """Beginnings of numbers that all zone sets know, and one that none knows."""
    sets = open_sets(declared).values()

    def known(beginning: int) -> bool:
        text = str(beginning)
        return all(any(text.startswith(prefix) for prefix in prefixes) for prefixes in sets)

    def foreign(beginning: int) -> bool:
        text = str(beginning)
        return not any(prefix.startswith(text) or text.startswith(prefix) for prefixes in sets for prefix in prefixes)

    groups = ((_MOBILE, 8, 0.85), (_FIXED, 8, 0.08), (_ABROAD, 8, 0.04), (_SHORT, 0, 0.03))
    rows = [
        (beginning, following, share / len(group))
        for group, following, share in groups
        for beginning in group
        if known(beginning)
    ]
    if not rows:
        raise UsageError("no zone set without a default knows a Chinese number: the generator cannot call anybody")
    beginnings, following, weights = zip(*rows, strict=True)
    unknown = next((beginning for beginning in _NOWHERE if foreign(beginning)), 0) if sets else 0
    return Destinations(np.array(beginnings, np.int64), np.array(following, np.int64), weights, unknown)


def _fails_for_unknown(tariff, record_type: str, sets) -> bool:
    rule = tariff.zones[record_type]
    return rule.zone is None and rule.set in sets and rule.number == "other_party"


def carriage(declared, name: str) -> Carriage:
    """What a feed carries; a feed whose host is a field carries each of its hosts' records in turn, as one."""
    feed = declared.feeds[name]
    layout = feed.layout[-1]
    fields = {field.column: field for field in layout.field if field.column}
    if feed.host is None and "host" not in fields:
        raise UsageError(f"feed {name}: no host")
    host = feed.host or values_of(fields["host"])[0]
    types = [feed.record_type] if feed.record_type else values_of(fields["record_type"])
    becoming = {source: derive.becomes for derive in feed.derive for source in derive.record_type}
    tariffs = [declared.hosts[host], *declared.products.values()]

    def rateable(record_type: str) -> bool:
        wanted = {record_type, becoming.get(record_type, record_type)}
        return all(wanted <= set(tariff.zones) for tariff in tariffs)

    kept = tuple(record_type for record_type in types if rateable(record_type))
    if not kept:
        raise UsageError(f"feed {name}: none of its record types can be rated by {host} and by every product")
    sets = open_sets(declared)
    by_product = tuple(
        tuple(_fails_for_unknown(product, record_type, sets) for record_type in kept)
        for product in declared.products.values()
    )
    by_host = tuple(_fails_for_unknown(declared.hosts[host], record_type, sets) for record_type in kept)
    rank = list(declared.hosts).index(host) if host in declared.hosts else 0
    share = sum(SHARES.get(record_type, OTHER_SHARE) for record_type in kept)
    return Carriage(host, kept, share * HOST_SHARES[min(rank, 2)], by_host, by_product)


def values_of(field) -> list[str]:
    """The canonical values of an enumeration or a constant, in order."""
    if field.type == "constant":
        return [field.value]
    values = field.values.values() if isinstance(field.values, dict) else field.values
    return list(dict.fromkeys(values))
