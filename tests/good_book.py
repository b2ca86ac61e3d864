"""A small sound rule book, and ways to write it with something changed."""

from __future__ import annotations

GOOD = {
    "rulebook.toml": """\
name = "good"
zone = "Asia/Shanghai"
[services.voice]
record_types = ["voice_mo", "voice_mt"]
quantity = "duration_s"
[services.sms]
record_types = ["sms_mo"]
quantity = "message_segments"
[services.data]
record_types = ["data"]
quantity = "volume_bytes"
[numbers.cn]
country_code = "86"
carrier_prefixes = ["17951"]
national = [{ starts_with = "1", digits = 11 }]
[columns]
short = ["record_type", "retail_amount", "trunk"]
""",
    "feeds/alpha.toml": """\
file_name = "ALPHA_{date}_{sequence:4}.txt"
host = "north"
numbers = "cn"
duration_tolerance_s = 2
[dedup]
key = ["record_type", "served_msisdn", "start_time"]
not_payload = ["trunk"]
[dedup.by_record_type.data]
key = ["served_msisdn", "start_time"]
[segments]
ucs2 = ["wide"]
[[derive]]
record_type = ["voice_mo"]
column = "other_party"
starts_with = ["110"]
becomes = "voice_mt"
[[layout]]
from = 2026-01-01
format = "delimited"
header = { starts_with = "H", date = { position = 2 }, sequence = { position = 3 } }
trailer = { starts_with = "T", record_count = { position = 2 }, sums = [{ column = "duration_s", position = 3 }] }
field = [
    { column = "record_type", type = "enumeration", values = { A = "voice_mo", B = "sms_mo", C = "data" } },
    { column = "served_msisdn", type = "digits" },
    { column = "start_time", type = "timestamp", pattern = "%Y%m%d%H%M%S" },
    { column = "end_time", type = "timestamp", pattern = "%Y%m%d%H%M%S", optional = true },
    { column = "duration_s", type = "integer", unit = "s", empty_if = { record_type = ["data"] }, optional = true },
    { column = "uplink_bytes", type = "integer", unit = "KiB", min = 0, max = 9 },
    { column = "other_party", type = "text", min_length = 1, max_length = 24, optional = true },
    { column = "message_length", type = "integer", optional = true },
    { column = "message_coding", type = "enumeration", values = ["narrow", "wide"], optional = true },
    { column = "trunk", type = "text" },
    { column = "location", type = "text" },
]
""",
    "feeds/beta.toml": """\
file_name = "BETA_{date}.txt"
record_type = "voice_mt"
zone = "Asia/Urumqi"
[[layout]]
from = 2026-01-01
to = 2026-07-01
format = "fixed"
record_length = 40
field = [
    { column = "host", type = "enumeration", start = 1, width = 5, values = ["north", "south"] },
    { column = "served_msisdn", type = "digits", start = 6, width = 13 },
    { column = "start_time", type = "timestamp", start = 19, width = 14, pattern = "%Y%m%d%H%M%S" },
    { column = "duration_s", type = "integer", start = 33, width = 6 },
    { type = "ignored", start = 39, width = 2 },
]
[[layout]]
from = 2026-07-01
format = "delimited"
delimiter = ","
quote = '"'
field = [
    { column = "host", type = "enumeration", values = ["north", "south"] },
    { column = "served_msisdn", type = "digits" },
    { column = "start_time", type = "timestamp", pattern = "%Y%m%d%H%M%S" },
    { column = "duration_s", type = "integer" },
    { column = "host_charge_amount", type = "decimal", decimals = 2, unit = "yuan" },
]
""",
    "hosts/north.toml": """\
[zones]
voice_mo = { zone = "all" }
voice_mt = { zone = "all" }
sms_mo = { zone = "all" }
data = { zone = "all" }
""",
    "hosts/south.toml": """\
payment_days = 45
[zones]
voice_mo = { zone = "all" }
voice_mt = { zone = "all" }
sms_mo = { zone = "all" }
data = { zone = "all" }
""",
    "products/plain.toml": """\
calendar = "cn"
[day_types]
work = ["mon", "tue", "wed", "thu", "fri"]
rest = ["sat", "sun"]
[bands]
work = [{ from = "08:00", to = "21:00", band = "peak" }, { from = "21:00", to = "08:00", band = "off" }]
rest = [{ from = "00:00", to = "24:00", band = "off" }]
[zones]
voice_mo = { set = "world" }
voice_mt = { zone = "in" }
sms_mo = { set = "world" }
data = { zone = "in" }
""",
    "prices.csv": """\
side,party,record_type,zone,band,from,to,first_increment,first_cost,first_per
retail,plain,voice_mo,*,peak,2026-01-01,2026-06-01,1min,0.15,1min
retail,plain,voice_mo,*,peak,2026-06-01,,1min,0.12,1min
retail,plain,voice_mo,*,off,2026-01-01,,60,0.10,60
retail,*,voice_mt,in,*,2026-01-01,,60,0,60
retail,*,sms_mo,home,*,2026-01-01,,1,0.1,1
retail,*,sms_mo,away,*,2026-01-01,,1,0.5,1
retail,*,data,*,*,2026-01-01,,1KiB,0.1,1MiB
wholesale,*,voice_mo,*,*,2026-01-01,,60,0.05,60
wholesale,*,voice_mt,*,*,2026-01-01,,60,0.05,60
wholesale,*,sms_mo,*,*,2026-01-01,,1,0.05,1
wholesale,north,data,*,*,2026-01-01,,1,0.01,1MiB
wholesale,south,data,*,*,2026-01-01,,1,0.01,1MiB
""",
    "zones.csv": """\
zone_set,prefix,zone,from,to
world,,away,,
world,86,home,,
world,8610,home,2026-01-01,2026-05-01
world,8610,away,2026-05-01,
""",
    "calendars.csv": """\
calendar,date,day_type
cn,2026-10-01,rest
cn,2026-10-10,work
""",
}


def write(folder, files=GOOD):
    """Write a rule book."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def changed(file, old, new):
    """The good book with one place changed."""
    assert GOOD[file].count(old) == 1, f"{old!r} must stand once in {file}"
    return {**GOOD, file: GOOD[file].replace(old, new)}


def places(found):
    """`file: path` of each fault."""
    return [": ".join(each.split(": ", 2)[:2]) for each in found]


ALPHA, BETA, PLAIN = "feeds/alpha.toml", "feeds/beta.toml", "products/plain.toml"
BOOK, PRICES, ZONES = "rulebook.toml", "prices.csv", "zones.csv"
