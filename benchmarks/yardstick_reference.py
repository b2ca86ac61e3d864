"""The yardstick's reference tables: 5,000 prefixes, 600 tariff rows, 9 wholesale prices.

Conventions
-----------
- Deterministic in the seed alone: the order of draws is part of the format, as the published totals depend on it.
- Money is micro-yuan, written as integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

RECORD_TYPES = ("voice_mo", "voice_mt", "sms_mo", "sms_mt", "data")
HOSTS = ("CUCC", "CTCC", "CMCC")
ZONES = 20
BANDS = 3
VERSIONS = ((1, "2026-01-01 00:00:00"), (2, "2026-06-16 00:00:00"))
SERVICE_PRICES = (("voice", 60_000), ("sms", 30_000), ("data", 9))
SHORT_NUMBERS = (10010, 10086, 10000, 12306, 95588, 110, 119, 120)
COUNTRY_CODES = (
    *(1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 54, 55, 56, 57, 60),
    *(61, 62, 63, 64, 65, 66, 81, 82, 84, 90, 91, 92, 93, 94, 95, 98, 212, 213, 216, 234, 251, 254, 255, 351),
    *(353, 358, 372, 380, 420, 852, 853, 855, 856, 880, 886, 960, 961, 962, 965, 966, 968, 971, 972, 973, 974),
    *(976, 977, 992, 993, 994, 995, 996, 998),
)
_AREA_RANGES = (
    *((20, 26), (27, 30), (310, 320), (351, 360), (370, 380), (410, 420), (431, 440), (510, 524), (530, 544)),
    *((550, 567), (570, 581), (591, 600), (710, 720), (730, 740), (750, 770), (770, 780)),
)
AREA_CODES = (10, *(code for first, stop in _AREA_RANGES for code in range(first, stop)))


def prefixes(draw: Callable[[int, int], int]) -> dict[int, int]:
    """Prefix -> zone. `draw(low, high)` gives the next random integer of [low, high)."""
    zones = {86: 1}
    for code in range(130, 200):
        zones[int(f"86{code}")] = draw(1, 4)
    while len(zones) < 3600:  # number blocks of home location registers: 9 digits
        zone = draw(1, 6)
        zones[int(f"861{draw(3, 10)}{draw(0, 100_000):05d}")] = zone
    for code in AREA_CODES:
        zones[int(f"86{code}")] = draw(2, 6)
    for code in COUNTRY_CODES:
        zones[code] = draw(6, 16)
    zones.update(dict.fromkeys(SHORT_NUMBERS, 19))
    zones[10690] = 16
    while len(zones) < 4200:  # ranges of industry short numbers
        zone = draw(16, 19)
        zones[int(f"10690{draw(0, 1000):03d}")] = zone
    while len(zones) < 5000:  # mobile ranges of countries
        code = COUNTRY_CODES[draw(0, len(COUNTRY_CODES))]
        zone = draw(6, 16)
        zones[int(f"{code}{draw(0, 1000):03d}")] = zone
    return zones


def increments(record_type: str, zone: int, factor: int) -> tuple[int, int, int, int]:
    """First increment and its price, next increment and its price."""
    if record_type.startswith("voice"):
        first, following = ((60, 60), (60, 6), (30, 1))[zone % 3]
        if record_type == "voice_mt":
            return first, 0, following, 0
        return first, 3000 * factor * first // 60 * (1 + zone), following, 300 * factor * following * (1 + zone) // 6
    if record_type.startswith("sms"):
        return 1, 0 if record_type == "sms_mt" else 100_000 + 1000 * factor * zone, 1, 0
    return 10_240, 30 * factor, 1024, 3 * factor


def tariff_lines(draw: Callable[[int, int], int]) -> Iterator[str]:
    """The 600 rows of tariffs.csv."""
    for record_type in RECORD_TYPES:
        for zone in range(ZONES):
            for band in range(BANDS):
                for version, effective_from in VERSIONS:
                    first, first_price, following, next_price = increments(record_type, zone, draw(1, 50))
                    key = f"{record_type},{zone},{band},{version},{effective_from}"
                    yield f"{key},{first},{first_price},{following},{next_price}\n"


def write(folder: Path, seed: int) -> None:
    """Write prefixes.csv, tariffs.csv and wholesale.csv into `folder`."""
    generator = np.random.default_rng(seed)

    def draw(low: int, high: int) -> int:
        return int(generator.integers(low, high))

    folder.mkdir(parents=True, exist_ok=True)
    zones = prefixes(draw)
    rows = (f"{prefix},{zones[prefix]}\n" for prefix in sorted(zones, key=str))
    (folder / "prefixes.csv").write_text("prefix,zone\n" + "".join(rows))
    header = "record_type,zone,band,version,effective_from,inc_first,price_first,inc_next,price_next\n"
    (folder / "tariffs.csv").write_text(header + "".join(tariff_lines(draw)))
    wholesale = (
        f"{host},{service},{price + rank * price // 10}\n"
        for rank, host in enumerate(HOSTS)
        for service, price in SERVICE_PRICES
    )
    (folder / "wholesale.csv").write_text("host,service,price\n" + "".join(wholesale))
