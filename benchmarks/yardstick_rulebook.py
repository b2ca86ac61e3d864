"""The rule book of the yardstick, written from its reference tables.

Conventions
-----------
- The host is a field of the record, the served number is the account, one product serves all, the city is the feed's.
- Micro-yuan become yuan with six decimals; a first increment costs its price once, so `per` is the increment itself.
- Rejects, key and charges are those of tasks T1 to T3, so that our totals can be compared with the peers' to the unit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.yardstick_reference import HOSTS, RECORD_TYPES

ZONE = "Asia/Shanghai"
PRODUCT = "yardstick"
ZONE_SET = "destinations"
DEFAULT_ZONE = "1"
RATED_BY_DESTINATION = ("voice_mo", "sms_mo")
COLUMNS = (
    *("record_id", "record_type", "served_imsi", "served_msisdn", "other_party", "duration_s", "uplink_bytes"),
    *("downlink_bytes", "city", "host", "apn", "sequence_no", "charging_id", "start_time", "retail_zone"),
    *("retail_time_band", "retail_tariff_version", "wholesale_amount", "retail_amount"),
)
KEY = ("record_type", "served_msisdn", "start_time", "other_party", "charging_id", "sequence_no")
WHOLESALE_UNITS = {"voice": 60, "sms": 1, "data": 1024}  # seconds, messages, bytes
PRICE_HEADER = (
    *("side", "party", "record_type", "zone", "band", "from", "to", "version"),
    *("first_increment", "first_cost", "first_per", "next_increment", "next_cost", "next_per", "setup", "minimum"),
)


def quoted(names) -> str:
    """A TOML list of strings."""
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


BOOK = f"""\
name = "yardstick"
zone = "{ZONE}"
currency = "CNY"
price_decimals = 6
account = "served_msisdn"
product = "{PRODUCT}"
city = "feed"

[services.voice]
record_types = ["voice_mo", "voice_mt"]
quantity = "duration_s"

[services.sms]
record_types = ["sms_mo", "sms_mt"]
quantity = "event_count"

[services.data]
record_types = ["data"]
quantity = "volume_bytes"

[columns]
yardstick = {quoted(COLUMNS)}

[limits]
max_reject_share = 0.05
max_refused_files = 0
"""

_MSISDN = "min_length = 13, max_length = 13, min = 8600000000000, max = 8699999999999"
_OTHER_PARTY = (
    'characters = "digits", leading_zero = false, max_length = 18, optional = true, '
    f'required_if = {{ record_type = {quoted(RECORD_TYPES[:4])} }}, empty_if = {{ record_type = ["data"] }}'
)
FEED = f"""\
file_name = "cdr_{{sequence}}.txt"
zone = "{ZONE}"

[dedup]
key = {quoted(KEY)}
not_payload = ["record_id"]

[[layout]]
from = 2026-01-01
format = "delimited"
encoding = "ascii"
delimiter = "|"
terminator = "lf"
field = [
    {{ column = "record_id", type = "integer" }},
    {{ column = "record_type", type = "enumeration", values = {quoted(RECORD_TYPES)} }},
    {{ column = "served_imsi", type = "digits", min_length = 15, max_length = 15 }},
    {{ column = "served_msisdn", type = "digits", {_MSISDN} }},
    {{ column = "other_party", type = "text", {_OTHER_PARTY} }},
    {{ column = "start_time", type = "timestamp", pattern = "%Y%m%d%H%M%S+0800" }},
    {{ column = "duration_s", type = "integer", unit = "s", max = 4294967295 }},
    {{ column = "uplink_bytes", type = "integer", unit = "B" }},
    {{ column = "downlink_bytes", type = "integer", unit = "B" }},
    {{ column = "city", type = "integer", max = 65535 }},
    {{ column = "host", type = "enumeration", values = {quoted(HOSTS)} }},
    {{ column = "apn", type = "text", optional = true }},
    {{ column = "sequence_no", type = "integer", max = 4294967295 }},
    {{ column = "charging_id", type = "integer" }},
]
"""

_BY_DESTINATION = "\n".join(f'{name} = {{ set = "{ZONE_SET}" }}' for name in RATED_BY_DESTINATION)
_AT_HOME = "\n".join(f'{name} = {{ zone = "0" }}' for name in RECORD_TYPES if name not in RATED_BY_DESTINATION)

TARIFF = f"""\
title = "The yardstick's one tariff"
crossing = "start"

[day_types]
weekday = ["mon", "tue", "wed", "thu", "fri"]
weekend = ["sat", "sun"]

[bands]
weekday = [{{ from = "08:00", to = "22:00", band = "0" }}, {{ from = "22:00", to = "08:00", band = "1" }}]
weekend = [{{ from = "00:00", to = "24:00", band = "2" }}]

[zones]
{_BY_DESTINATION}
{_AT_HOME}
"""

AGREEMENT = """\
title = "{host}"
crossing = "start"

[zones]
{zones}
"""


def yuan(micro: int) -> str:
    """Micro-yuan as decimal text."""
    return f"{micro // 10**6}.{micro % 10**6:06d}"


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV table."""
    with open(path, newline="") as source:
        return list(csv.DictReader(source))


def retail_prices(reference: Path) -> Iterator[tuple]:
    """Rows of prices.csv from tariffs.csv; a version ends where the next one of its tariff begins."""
    rows = read_table(reference / "tariffs.csv")
    starts: dict[tuple, list[str]] = {}
    for row in rows:
        starts.setdefault((row["record_type"], row["zone"], row["band"]), []).append(row["effective_from"])
    for row in rows:
        key = (row["record_type"], row["zone"], row["band"])
        end = min((start for start in starts[key] if start > row["effective_from"]), default="")
        first, following = row["inc_first"], row["inc_next"]
        costs = (first, yuan(int(row["price_first"])), first, following, yuan(int(row["price_next"])), following)
        yield ("retail", PRODUCT, *key, row["effective_from"], end, row["version"], *costs, "0", "0")


def wholesale_prices(reference: Path) -> Iterator[tuple]:
    """Rows of prices.csv from wholesale.csv: one price per host and service."""
    start = min(row["effective_from"] for row in read_table(reference / "tariffs.csv"))
    for row in read_table(reference / "wholesale.csv"):
        unit = WHOLESALE_UNITS[row["service"]]
        cost = (unit, yuan(int(row["price"])), unit)
        for record_type in RECORD_TYPES:
            if record_type.partition("_")[0] == row["service"]:
                yield ("wholesale", row["host"], record_type, "*", "*", start, "", "1", *cost, *cost, "0", "0")


def write_table(path: Path, header: tuple[str, ...], rows) -> None:
    """Write a CSV table."""
    with open(path, "w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write(reference: Path, out: Path) -> None:
    """Write the rule book into `out`.

    Parameters
    ----------
    reference : Path
        The folder of prefixes.csv, tariffs.csv and wholesale.csv.
    out : Path
        The rule book's folder; its files are written over.
    """
    for folder in ("feeds", "hosts", "products"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / "rulebook.toml").write_text(BOOK)
    (out / "feeds" / "yardstick.toml").write_text(FEED)
    (out / "products" / f"{PRODUCT}.toml").write_text(TARIFF)
    zones = "\n".join(f'{name} = {{ zone = "0" }}' for name in RECORD_TYPES)
    for host in HOSTS:
        (out / "hosts" / f"{host}.toml").write_text(AGREEMENT.format(host=host, zones=zones))
    write_table(out / "prices.csv", PRICE_HEADER, [*retail_prices(reference), *wholesale_prices(reference)])
    prefixes = [(ZONE_SET, row["prefix"], row["zone"], "", "") for row in read_table(reference / "prefixes.csv")]
    header = ("zone_set", "prefix", "zone", "from", "to")
    write_table(out / "zones.csv", header, [(ZONE_SET, "", DEFAULT_ZONE, "", ""), *prefixes])
