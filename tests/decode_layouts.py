"""Layouts of every form, what stands in their fields, and what the plain twin makes of a file."""

from __future__ import annotations

import functools

from mediation.rulebook.numbers import compile_numbers
from tests.decode_book import NUMBER, TIME, feed_of, fixed
from tests.naive import decode as naive

MAX_RECORD_BYTES = 160
OFFSET_TIME = {"column": "seen", "type": "timestamp", "pattern": "%Y-%m-%d %H:%M:%S%z", "optional": True}
KIND = {"column": "kind", "type": "enumeration", "values": {"A": "a", "B": "b", "甲": "c"}, "optional": True}
COUNT = {
    "column": "count",
    "type": "integer",
    "min": 0,
    "max": 10**12,
    "unit": "KiB",
    "null_if": ["-"],
    "optional": True,
}
SIGNED = {"column": "delta", "type": "integer", "signed": True, "max_length": 20, "strip": "left", "optional": True}
AMOUNT = {"column": "host_charge_amount", "type": "decimal", "decimals": 2, "signed": True, "optional": True}
TEXT = {"column": "location", "type": "text", "max_length": 9, "required_if": {"kind": ["b"]}}
FREE_TEXT = {key: value for key, value in TEXT.items() if key != "max_length"}
DIALLED = {"column": "other_party", "type": "text", "characters": "dialled", "leading_zero": False, "optional": True}
UNUSED = {"type": "ignored"}
EMPTY = {"column": "node_id", "type": "text", "empty_if": {"kind": ["a"], "host": ["h"]}, "strip": "both", "pad": " "}
FIELDS = [NUMBER, TIME, OFFSET_TIME, KIND, COUNT, SIGNED, AMOUNT, TEXT, DIALLED, UNUSED, EMPTY]
SHORT = [f"s{n:02}" for n in range(18)]
SHADES = [*SHORT, "grey and green", "grey and blue", "sixteen bytes..."]
SHADE = {"column": "shade", "type": "enumeration", "values": SHADES, "optional": True}
TINT = {"column": "tint", "type": "enumeration", "values": SHORT}
WORDY_TIME = {"column": "start_time", "type": "timestamp", "pattern": "%Y-%m-%d, %H hours, %M minutes, %S seconds"}
NARROW, FIXED = fixed(
    (11, NUMBER),
    (14, TIME),
    (3, {**KIND, "values": {"A  ": "a", "B  ": "b", "甲": "c"}, "null_if": ["   "]}),
    (6, {**COUNT, "strip": "both"}),
    (8, {**AMOUNT, "strip": "both"}),
    (2, UNUSED),
    (5, {**TEXT, "strip": "right"}),
)
SIDE_BY_SIDE, HALVES = fixed(
    (11, NUMBER), (14, TIME), (5, {**FREE_TEXT, "required_if": {}}), (4, EMPTY | {"empty_if": {}})
)
LONG_TIME = {"column": "seen", "type": "timestamp", "pattern": "%Y-%m-%d %H:%M:%S%N%z", "optional": True}
SINCE = {"column": "since", "type": "timestamp", "pattern": "%Y-%m-%d %H:%M:%S%N", "optional": True}
PREFIXED = {"column": "served_msisdn", "type": "digits", "prefix": "imsi-"}
LACKING = [NUMBER, TIME, DIALLED, FREE_TEXT | {"may_be_absent": True}, COUNT | {"may_be_absent": True}]
LAYOUTS = {
    "plain": (FIELDS, {}),
    "comma ascii any": (
        [NUMBER, TIME, AMOUNT, TEXT | {"required_if": {}}],
        {"encoding": "ascii", "delimiter": ",", "terminator": "any"},
    ),
    "crlf numbers": (
        [{**NUMBER, "min": 10**10, "max": 10**13}, *FIELDS[1:5], TEXT],
        {"terminator": "crlf", "feed": {"numbers": "cn"}},
    ),
    "many values, a wide time": ([NUMBER, WORDY_TIME, SHADE, TINT], {}),
    "quoted": ([FREE_TEXT if field is TEXT else field for field in FIELDS], {"quote": '"'}),
    "quoted crlf": ([NUMBER, TIME, KIND, FREE_TEXT], {"quote": "'", "delimiter": ",", "terminator": "crlf"}),
    "quoted any": ([NUMBER, TIME, DIALLED], {"quote": '"', "delimiter": ";", "terminator": "any"}),
    "gb18030": ([NUMBER, TIME, DIALLED, EMPTY | {"empty_if": {}}, UNUSED], {"encoding": "gb18030"}),
    "gb18030 comma": ([NUMBER, TIME, EMPTY | {"empty_if": {}}], {"encoding": "gb18030", "delimiter": ","}),
    "gb18030 quoted": ([NUMBER, EMPTY | {"empty_if": {}}, TIME], {"encoding": "gb18030", "quote": '"'}),
    "fractions and prefixes": ([PREFIXED, TIME, LONG_TIME, SINCE, {**DIALLED, "prefix": "*"}], {}),
    "last fields absent": ([NUMBER, TIME, KIND, *LACKING[2:]], {"terminator": "any"}),
    "last fields absent, quoted": ([NUMBER, TIME, KIND, *LACKING[2:]], {"quote": '"', "delimiter": ","}),
    "fixed": (NARROW, FIXED),
    "fixed crlf": (NARROW, {**FIXED, "terminator": "crlf"}),
    "fixed any": (NARROW, {**FIXED, "terminator": "any"}),
    "fixed none": (NARROW, {**FIXED, "terminator": "none"}),
    "fixed gb18030": (SIDE_BY_SIDE, {**HALVES, "encoding": "gb18030"}),
}

# Listed but for their last bytes, or for NULs behind them: only all of length and bytes tell them apart.
NEAR = [
    *(b"grey and %d" % n for n in range(400)),
    *(short.encode() + b"\0" * n for short in SHORT for n in range(1, 14)),
]

# For many rows at once: what nearly all values look like, and what a kernel must not take for it.
PLAIN = {
    "served_msisdn": [b"13800000001", b"00138000000", b"21600000000"],
    "start_time": [b"20260110080000", b"20240229235959", b"19700101000000", b"21991231000000"],
    "since": [b"2026-01-10 08:00:00", b"2026-01-10 08:00:00.5", b"2026-02-28 23:59:59.999999999", b""],
    "seen": [b"2026-01-10 08:00:00Z", b"2026-02-28 23:59:59Z", b"2026-03-31 00:00:00+0800", b""],
    "kind": [b"A", b"B", b""],
    "count": [b"", b"0", b"17", b"999999999", b"1000000000000", b"-"],
    "delta": [b"", b"1", b"1234567812345678", b"   5", b"-17"],
    "host_charge_amount": [b"", b"1.25", b"-0.1"],
    "other_party": [b"", b"*21#", b"+8610", b"13800000000", b"1" * 31],
    "shade": [*(shade.encode() for shade in SHADES * 20), *NEAR],
    "tint": [*(tint.encode() for tint in SHORT * 20), *NEAR],
}
WORDY = b"2026-01-10, 08 hours, 00 minutes, %02d seconds"
STRANGE = [
    *[b"", b"x", b"-1", b"+1", b"12345678123456789", b"99999999999999999999", b"1/2", b"1:2", b"\xc3\xa9", b"0571"],
    *[b"20260110080060", b"20261301000000", b"20260431000000", b"20230229000000", b"20260110240000", b"20260110086000"],
    *[b"20261025023000", b"19691231235959", b"22000101000000", b"2026011008000\x7f", b"2016-12-31 23:59:60Z"],
    *[
        b"2026-01-10 08:00:00.123Z",
        b"2026-01-10 08:00:00.1234567890Z",
        b"2026-01-10 08:00:00.Z",
        b"2026-01-10 08:00:00.5",
        b"imsi-5",
        b"imsi-",
    ],
    *[b"2026-01-10T08:00:00Z", b"2026-01-10 08:00:00+08:00", b"1" * 33, b"A\0", b"A" * 17, b"1a"],
]


@functools.cache
def book(folder, name):
    fields, layout = LAYOUTS[name]
    layout = dict(layout)
    feed = {"zone": "Europe/Berlin"} | layout.pop("feed", {})
    return feed_of(folder / name.replace(" ", "_"), fields, feed=feed, max_record_bytes=MAX_RECORD_BYTES, **layout)


def pick(field, random, share):
    if random.random() < share:
        return random.choice(STRANGE)
    if field.type == "timestamp" and field.pattern == WORDY_TIME["pattern"]:
        return WORDY % random.randrange(62)
    if field.column in PLAIN:
        return random.choice(PLAIN[field.column])
    return random.choice([b"", b"", b"1", b"a"]) if field.column == "node_id" else b"abc"


def expected(data, feed):
    book = feed.declared, feed.declared.layout[0], feed.book.declared.book
    rules = compile_numbers(book[2].numbers.get(feed.declared.numbers or ""))
    return naive.decode(data, book[0], book[1], book[2].zone, rules)


def comparable(found):
    """Kernel rows and rejects with the twin's keys; decimals as integers of 10^-6."""
    left_out = ("source_id", "item_no", "feed", "stage")
    rows = []
    for row in found.usage:
        row = {key: value for key, value in row.items() if key not in left_out}
        if row.get("host_charge_amount") is not None:
            row["host_charge_amount"] = int(row["host_charge_amount"].scaleb(6))
        rows.append(row)
    return rows, [{key: value for key, value in row.items() if key not in left_out} for row in found.rejects]
