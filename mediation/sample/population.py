"""Subscribers: numbers, owners, products and cities over time, and the reference table that says so.

Conventions
-----------
- A subscriber is (host, k); the k-th number of a host is a fixed bijection, so that any number is made without a table.
- Of every fifty subscribers one's number changes owner with a gap, one changes owner at once, one changes product, one
  moves to another city. `split_s` is when the first row ends, `resume_s` when the second begins (UTC seconds).
- Numbers with k at or beyond the host's count are in no subscription.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

STAYS, GAP, HANDED_OVER, NEW_PRODUCT, MOVED = 0, 1, 2, 3, 4
FIRST_ACCOUNT = 100_000_000
# Resale ranges of the three networks (MIIT), four digits each, and their network codes (ITU-T E.212).
RANGES = {
    "CUCC": (1704, 1707, 1708, 1709, 1710, 1711, 1712, 1713, 1671, 1672),
    "CTCC": (1700, 1701, 1702, 1620, 1621, 1622, 1623, 1624, 1625, 1626),
    "CMCC": (1703, 1705, 1706, 1650, 1651, 1652, 1653, 1654, 1655, 1656),
}
NETWORKS = {"CUCC": 46001, "CTCC": 46003, "CMCC": 46000}
CITIES = ("beijing", "shanghai", "guangzhou", "chengdu", "hangzhou", "wuhan", "xian", "harbin")
_PER_RANGE = 10**7


def scramble(values: np.ndarray, salt: int) -> np.ndarray:
    """Well-mixed 63-bit integers of integers: the same for the same salt, on every machine."""
    x = values.astype(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (salt + 1)) & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return ((x ^ (x >> np.uint64(32))) >> np.uint64(1)).astype(np.int64)


class Population:
    """The subscribers of one host.

    Parameters
    ----------
    host : str
        Name of the host; one that is not in `RANGES` gets the first one's ranges.
    rank, hosts : int
        Which host this is of how many: accounts of different hosts differ.
    count : int
        Subscribers.
    products : list of str
    begin_s, end_s : int
        The time that the files cover, UTC seconds: changes of owner lie in it.
    """

    def __init__(self, host: str, rank: int, count: int, products: list[str], begin_s: int, end_s: int, seed: int):
        self.count, self.products, self.begin_s = count, products, begin_s
        self._ranges = np.array(RANGES.get(host, RANGES["CUCC"]), np.int64)
        self._network = NETWORKS.get(host, 46020 + rank)
        everyone = np.arange(count, dtype=np.int64)
        luck = scramble(everyone, seed * 8 + rank)
        self.change = np.where(luck % 50 <= MOVED, luck % 50, STAYS).astype(np.int8)
        self.split_s = begin_s + luck // 50 % max(end_s - begin_s, 1)
        gap_s = np.where(self.change == GAP, 3600 + luck // 7 % (12 * 3600), 0)
        self.resume_s = self.split_s + gap_s
        self.account = FIRST_ACCOUNT * (rank + 1) + everyone * 5 // 6  # every fifth account has two numbers
        self.product = luck // 11 % len(products)
        self.city = luck // 13 % len(CITIES)

    def msisdn(self, k: np.ndarray) -> np.ndarray:
        """E.164 digits of the k-th number."""
        national = self._ranges[k % len(self._ranges)] * _PER_RANGE + k // len(self._ranges) * 7_368_787 % _PER_RANGE
        return 86 * 10**11 + national

    def imsi(self, k: np.ndarray) -> np.ndarray:
        """The SIM card of the k-th number."""
        return self._network * 10**10 + k * 2_654_435_761 % 10**10

    def unowned(self, k: np.ndarray, at_s: np.ndarray) -> np.ndarray:
        """The rows at whose time nobody owned the number, though somebody does before and after."""
        rows = np.flatnonzero(self.change.take(k, mode="clip") == GAP)
        rows = rows[k[rows] < self.count]
        return rows[(at_s[rows] >= self.split_s[k[rows]]) & (at_s[rows] < self.resume_s[k[rows]])]

    def product_at(self, k: np.ndarray, at_s: np.ndarray) -> np.ndarray:
        """Index of the product in force; any for a number in no subscription."""
        known = np.minimum(k, self.count - 1)
        later = (self.change[known] == NEW_PRODUCT) & (at_s >= self.split_s[known])
        return (self.product[known] + later) % len(self.products)

    def table(self) -> pa.Table:
        """The subscriptions, half-open in time."""
        everyone = np.arange(self.count, dtype=np.int64)
        changed = everyone[self.change != STAYS]
        kind = self.change[changed]
        second_account = self.account[changed] + np.where(kind <= HANDED_OVER, FIRST_ACCOUNT // 2, 0)
        second_product = (self.product[changed] + (kind == NEW_PRODUCT)) % len(self.products)
        second_city = (self.city[changed] + (kind == MOVED)) % len(CITIES)
        from_s = np.concatenate([np.full(self.count, self.begin_s - 150 * 86400), self.resume_s[changed]])
        to_s = np.concatenate([self.split_s, np.zeros(len(changed), np.int64)])
        open_end = np.concatenate([self.change == STAYS, np.ones(len(changed), bool)])
        who = np.concatenate([everyone, changed])
        product = np.concatenate([self.product, second_product])
        city = np.concatenate([self.city, second_city])
        return pa.table(
            {
                "msisdn": self.msisdn(who),
                "imsi": self.imsi(who),
                "account_id": np.concatenate([self.account, second_account]),
                "product": pa.array(self.products).take(pa.array(product)),
                "city": pa.array(CITIES).take(pa.array(city)),
                "from": instants(from_s),
                "to": instants(to_s, open_end),
            }
        )


def instants(seconds: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """UTC instants as the reference data write them; null where `missing`."""
    text = pa.array(seconds, pa.timestamp("s"), mask=missing).cast(pa.string())
    return pc.binary_join_element_wise(text, "Z", "")


def write_subscriptions(path: Path, populations: list[Population]) -> None:
    """Write reference/subscriptions.csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = csv.WriteOptions(quoting_style="none")
    csv.write_csv(pa.concat_tables([population.table() for population in populations]), path, options)
