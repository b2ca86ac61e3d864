"""JSON lines: what is no JSON, what is JSON and yet means two things, and what would be too much of it."""

from __future__ import annotations

from tests.malformed import bad, family, filler, good

NUMBER = {"column": "served_msisdn", "type": "digits", "path": "number"}
TIME = {"column": "start_time", "type": "timestamp", "path": "time", "pattern": "%Y%m%d%H%M%S"}
X = {"column": "x", "type": "text", "path": "a.x", "optional": True}
COUNT = {"column": "count", "type": "integer", "path": "items[].n", "optional": True}
FIELDS = [NUMBER, TIME, X, COUNT]
HEAD = '{"number":8613800000001,"time":"20260110080000"'
GOOD = good((HEAD + ',"a":{"x":"v"}}\n').encode(), "v")
MEGABYTE = 1 << 20


def line(rest):
    return (HEAD + rest + "}\n").encode() if isinstance(rest, str) else HEAD.encode() + rest + b"}\n"


def json_family(name, pieces, **layout):
    return family(f"JSON, {name}", pieces, fields=FIELDS, format="jsonl", **layout)


def costs(name, code, raw, field=None):
    """One line between two good ones."""
    return json_family(name, [GOOD, bad(raw, code, field), GOOD])


def passes(name, raw, x):
    return json_family(name, [GOOD, good(raw, x), GOOD])


def items(count, each='{"n":1234567890}'):
    return line(f',"items":[{",".join([each] * count)}]')


def long_text():
    return b',"a":{"x":"' + b"v" * 20_000 + b'"}}\n'


JSON_LINES = [
    costs("not an object", "bad_json", b"[1]\n"),
    costs("a number for a record", "bad_json", b"17\n"),
    costs("null for a record", "bad_json", b"null\n"),
    costs("spaces for a record", "bad_json", b"  \n"),
    costs("two objects in a line", "bad_json", GOOD.raw[:-1] + GOOD.raw),
    costs("a comma after the record", "bad_json", GOOD.raw[:-1] + b",\n"),
    costs("a byte order mark in the middle", "bad_json", b"\xef\xbb\xbf" + GOOD.raw),
    json_family("a byte order mark at the beginning", [filler(b"\xef\xbb\xbf"), GOOD]),
    costs("a record over two lines, the first", "bad_json", HEAD.encode() + b",\n"),
    json_family("a line cut", [GOOD, bad(GOOD.raw[:40], "bad_json")]),
    json_family("a line cut in a string", [GOOD, bad(GOOD.raw[:-4], "bad_json")]),
    json_family("a line cut in an escape", [GOOD, bad((HEAD + ',"y":"\\u00').encode(), "bad_json")]),
    json_family("a line cut in a surrogate pair", [GOOD, bad((HEAD + ',"y":"\\ud83d').encode(), "invalid_encoding")]),
    json_family("a line cut in a character", [GOOD, bad(HEAD.encode() + b',"y":"\xe4\xb8', "invalid_encoding")]),
    json_family("no final newline", [GOOD, good(GOOD.raw[:-1], "v")]),
    json_family("CR LF", [good(GOOD.raw[:-1] + b"\r\n", "v"), filler(b"\n")]),
    json_family(
        "CR LF wanted", [bad(GOOD.raw, "bad_terminator"), good(GOOD.raw[:-1] + b"\r\n", "v")], terminator="crlf"
    ),
    *(costs(f"the word {word}", "bad_json", line(f',"y":{word}')) for word in ("NaN", "Infinity", "-Infinity", "True")),
    *(costs(f"the word {word}", "bad_json", line(f',"y":{word}')) for word in ("nul", "nulll", "undefined", "tru e")),
    *(costs(f"the number {n}", "bad_json", line(f',"y":{n}')) for n in ("01", "+1", "-", ".5", "1.", "1e", "0x1f")),
    *(costs(f"the number {n}", "bad_json", line(f',"y":{n}')) for n in ("1_000", "--1", "1e+", "00", "1 2")),
    passes("numbers of all forms", line(',"y":[0,-0,1.5,-1e9,1E+2,0.0e-0],"a":{"x":1e400}'), "1e400"),
    passes("a number as text", line(',"a":{"x":12345678901234567890}'), "12345678901234567890"),
    passes("true as text", line(',"a":{"x":true}'), "true"),
    passes("null is nothing", line(',"a":{"x":null}'), None),
    passes("null for an object is nothing", line(',"a":null,"items":null'), None),
    passes("an empty text is nothing", line(',"a":{"x":""}'), None),
    passes("NUL in text is text", line(',"a":{"x":"a\\u0000b"}'), "a\0b"),
    passes("escapes", line(',"a":{"x":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"}'), '"\\/\b\f\n\r\té😀'),
    passes("an escaped name", line(',"\\u0061":{"\\u0078":"v"}'), "v"),
    passes("a name that only looks escaped", line(',"\\\\u0061":{"x":"w"},"a":{"x":"v"}'), "v"),
    passes("names that begin alike", line(',"a":{"xx":1,"":2,"x":"v","X":3},"aa":{"x":4},"A":5'), "v"),
    passes("a name with a point is no path", line(',"a.x":"w","a":{"x":"v"}'), "v"),
    passes("spaces everywhere", b" " + HEAD.encode() + b' \t, "a" : { "x"\t:"v" } \r, "y" : [ ] } \n', "v"),
    costs("an unknown escape", "bad_json", line(',"a":{"x":"\\x41"}')),
    costs("an escape of three digits", "bad_json", line(',"a":{"x":"\\u041"}')),
    costs("an escape of no digits", "bad_json", line(',"a":{"x":"\\u00g0"}')),
    costs("a bare tab", "bad_json", line(',"a":{"x":"\t"}')),
    costs("a bare NUL", "bad_json", line(b',"a":{"x":"\0"}')),
    costs("a NUL between tokens", "bad_json", line(b',\0"a":{"x":"v"}')),
    costs("single quotes", "bad_json", line(",'a':{\"x\":1}")),
    costs("a name without quotes", "bad_json", line(',a:{"x":1}')),
    costs("a comment", "bad_json", line(',"y":1/* */')),
    costs("a comma too many", "bad_json", line(",")),
    costs("a comma too many in a list", "bad_json", line(',"y":[1,]')),
    costs("a comma missing", "bad_json", line(' "y":1')),
    costs("a colon missing", "bad_json", line(',"y" 1')),
    costs("a value missing", "bad_json", line(',"y":')),
    costs("a name missing", "bad_json", line(",:1")),
    costs("closed by the other bracket", "bad_json", line(',"y":[1}')),
    costs("closed once too often", "bad_json", line("}")),
    costs("never closed", "bad_json", HEAD.encode() + b',"y":[\n'),
    costs("a lone high surrogate", "invalid_encoding", line(',"a":{"x":"\\ud83d"}'), "x"),
    costs("a lone low surrogate", "invalid_encoding", line(',"a":{"x":"\\ude00\\ud83d"}'), "x"),
    costs("two high surrogates", "invalid_encoding", line(',"a":{"x":"\\ud83d\\ud83d"}'), "x"),
    costs("a high surrogate before another character", "invalid_encoding", line(',"a":{"x":"\\ud83d\\ue000"}'), "x"),
    costs("a lone surrogate elsewhere", "invalid_encoding", line(',"y":"\\ud83d"')),
    costs("a lone surrogate in a name", "invalid_encoding", line(',"\\ud83d":1')),
    costs("overlong UTF-8", "invalid_encoding", line(b',"a":{"x":"\xc0\xaf"}'), "x"),
    costs("a surrogate in UTF-8", "invalid_encoding", line(b',"a":{"x":"\xed\xa0\x80"}'), "x"),
    costs("beyond Unicode", "invalid_encoding", line(b',"y":"\xf4\x90\x80\x80"')),
    costs("a high byte in a name", "invalid_encoding", line(b',"\xff":1')),
    costs("a high byte between tokens", "bad_json", line(b",\xa0")),
    costs("a member twice", "repeated_key", line(',"a":{"x":"v","x":"v"}'), "x"),
    costs("a member twice, once escaped", "repeated_key", line(',"a":{"x":"v","\\u0078":"w"}'), "x"),
    costs("a member twice, once null", "repeated_key", line(',"a":{"x":null,"x":"w"}'), "x"),
    costs("an object twice", "repeated_key", line(',"a":{},"a":{"x":"v"}'), "x"),
    costs("a list twice", "repeated_key", line(',"items":[],"items":[]'), "count"),
    costs("a required member twice", "repeated_key", line(',"number":8613800000002'), "served_msisdn"),
    passes("a member that nobody reads, twice", line(',"y":1,"y":2,"a":{"x":"v"}'), "v"),
    passes("the same name in another object", line(',"y":{"x":1,"a":{"x":2}},"a":{"x":"v","a":{"x":3}}'), "v"),
    costs("an object for a value", "wrong_structure", line(',"a":{"x":{}}'), "x"),
    costs("a list for a value", "wrong_structure", line(',"a":{"x":["v"]}'), "x"),
    costs("a value for an object", "wrong_structure", line(',"a":"v"'), "x"),
    costs("a list for an object", "wrong_structure", line(',"a":[{"x":"v"}]'), "x"),
    costs("an object for a list", "wrong_structure", line(',"items":{"n":1}'), "count"),
    costs("a value for a list", "wrong_structure", line(',"items":1'), "count"),
    costs("a value for an item", "wrong_structure", line(',"items":[1]'), "count"),
    costs("a list for an item", "wrong_structure", line(',"items":[[{"n":1}]]'), "count"),
    costs(
        "an object for a required value", "wrong_structure", b'{"number":{},"time":"20260110080000"}\n', "served_msisdn"
    ),
    costs("a required member missing", "missing_value", b'{"number":8613800000001}\n', "start_time"),
    costs("no member at all", "missing_value", b"{}\n", "served_msisdn"),
    costs("uint64", "number_overflow", line(',"items":[{"n":18446744073709551615}]'), "count"),
    costs("an integer with a point", "not_a_number", line(',"items":[{"n":1.0}]'), "count"),
    costs("an integer with an exponent", "not_a_number", line(',"items":[{"n":1e3}]'), "count"),
    costs("a negative counter", "negative", line(',"items":[{"n":-1}]'), "count"),
    costs("true for a number", "not_a_number", line(',"items":[{"n":true}]'), "count"),
    costs("one item of many", "not_a_number", line(',"items":[{"n":1},{"n":"x"},{"n":3}]'), "count"),
    passes("nested as deeply as is read", line(',"y":' + "[" * 63 + "]" * 63 + ',"a":{"x":"v"}'), "v"),
    costs("nested one too deep", "too_deep", line(',"y":' + "[" * 64 + "]" * 64)),
    costs("nested and never closed", "too_deep", line(',"y":' + "[" * 30_000)),
    costs("objects in objects", "too_deep", line(',"y":' + '{"y":' * 9000)),
    costs("items of nothing", "too_many_items", items(9000, "{}")),
    costs("items of null", "too_many_items", items(9000, "0")),
    costs("a long text beside many items", "too_many_items", items(2000, '{"n":1}')[:-2] + long_text()),
    costs("thousands of digits", "number_overflow", line(f',"items":[{{"n":{"9" * 5000}}}]'), "count"),
    passes("thousands of digits beside", line(f',"y":{"9" * 5000},"a":{{"x":"v"}}'), "v"),
    costs("a megabyte of brackets", "record_too_long", b"[" * MEGABYTE + b"\n"),
    costs("a megabyte of one string", "record_too_long", line(f',"y":"{"y" * MEGABYTE}"')),
    costs("a megabyte of items", "record_too_long", items(60_000)),
    json_family("a megabyte without a newline", [GOOD, bad(b'{"' + b"y" * MEGABYTE, "record_too_long")]),
    json_family(
        "more items than can be numbered",
        [GOOD, bad(items(32768), "too_many_items"), GOOD],
        max_record_bytes=MEGABYTE,
    ),
    costs("UTF-16", "bad_json", "{}".encode("utf-16-be") + b"\n"),
    costs("a line of another format", "bad_json", b"8613800000001|20260110080000|a\n"),
]
