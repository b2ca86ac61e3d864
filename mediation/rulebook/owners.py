"""Who owns a number, and when: the subscriptions as the flat arrays in which the guide kernel looks them up.

Conventions
-----------
- Rows stand in buckets by a hash of their number, which `rate/guide.hpp` forms too; a bucket's rows are all looked at.
- Product and city are places among words of their own, so that the arrays depend on nothing but the subscriptions: any
  rule book reads them through tables of its own codes.
- An open instant is the earliest or the latest there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mediation.rulebook.instants import OPEN_FROM_US, OPEN_TO_US

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

SUBSCRIPTION = np.dtype(
    [("msisdn", "i8"), ("from_us", "i8"), ("to_us", "i8"), ("account_id", "i8"), ("product", "i4"), ("city", "i4")]
)
NONE = -1  # no product, no city
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_LEAST_BITS = 4
_PLACE_BITS = np.uint64(31)  # more subscriptions there cannot be


class Subscriptions(NamedTuple):
    """The subscriptions of reference data, as declared, by (msisdn, from); the words are sorted."""

    rows: np.ndarray
    products: list[str]
    cities: list[str]


NONE_DECLARED = Subscriptions(np.zeros(0, SUBSCRIPTION), [], [])


class Owners(NamedTuple):
    """The subscriptions of reference data, compiled.

    `buckets` has the first row of each bucket, and the number of rows at its end.
    """

    rows: np.ndarray
    buckets: np.ndarray
    products: list[str]
    cities: list[str]

    def codes(self, column: str, codes: Mapping[str, int], default: int = NONE) -> np.ndarray:
        """The code of each word of ``products`` or ``cities``, NONE where there is no such code; `default` before."""
        return np.array([default, *(codes.get(word, NONE) for word in getattr(self, column))], np.int32)


def compile_owners(subscriptions: Subscriptions) -> Owners:
    """Put subscriptions into buckets."""
    order, buckets = _bucketed(subscriptions.rows["msisdn"])
    return Owners(subscriptions.rows.take(order), buckets, subscriptions.products, subscriptions.cities)


def subscription_table(owners: Owners) -> pa.Table:
    """msisdn, account_id, product, city, from, to, by (msisdn, from); an instant that is open is null."""
    import pyarrow as pa

    rows = owners.rows.take(np.lexsort((owners.rows["from_us"], owners.rows["msisdn"])))
    columns = {name: pa.array(np.ascontiguousarray(rows[name])) for name in ("msisdn", "account_id")}
    for name, words in (("product", owners.products), ("city", owners.cities)):
        places = np.ascontiguousarray(rows[name])
        columns[name] = pa.array(words, pa.utf8()).take(pa.array(places, mask=places == NONE))
    for name, open_end in (("from", OPEN_FROM_US), ("to", OPEN_TO_US)):
        instants = np.ascontiguousarray(rows[f"{name}_us"])
        columns[name] = pa.array(instants, pa.timestamp("us", tz="UTC"), mask=instants == open_end)
    return pa.table(columns)


def _bucketed(msisdn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of rows in which a bucket's stand together, as they came; and where each bucket begins."""
    bits = max(_LEAST_BITS, len(msisdn).bit_length())
    home = (msisdn.astype(np.uint64) * _SPREAD) >> np.uint64(64 - bits)
    placed = np.sort(home << _PLACE_BITS | np.arange(len(msisdn), dtype=np.uint64))  # quicker than a stable argsort
    order = (placed & ((np.uint64(1) << _PLACE_BITS) - np.uint64(1))).astype(np.int64)
    buckets = np.zeros((1 << bits) + 1, np.int32)
    np.cumsum(np.bincount(home.astype(np.int64), minlength=1 << bits), out=buckets[1:])
    return order, buckets


NOBODY = compile_owners(NONE_DECLARED)
