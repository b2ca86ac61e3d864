"""Families of malformed input, told piece by piece.

Conventions
-----------
- A family is a layout and a file in pieces: `good` records (with the value of column `x`), `bad` records (with code
  and field) and `filler`. Offsets, lengths and raw bytes follow from the pieces.
- In most families a record is a number, a local time of Berlin and `x`.
"""

from __future__ import annotations

import gzip
from typing import Any, NamedTuple

from tests.decode_book import NUMBER, TIME, fixed

HEAD = b"8613800000001|20260110080000|"
ANYTHING = object()


class Piece(NamedTuple):
    raw: bytes
    kind: str
    code: str | None = None
    field: str | None = None
    x: Any = ANYTHING


class Family(NamedTuple):
    name: str
    fields: list
    pieces: list
    layout: dict
    feed: dict


def good(raw, x=ANYTHING):
    return Piece(raw, "good", x=x)


def bad(raw, code, field=None):
    return Piece(raw, "bad", code, field)


def filler(raw):
    return Piece(raw, "filler")


def family(name, pieces, *, x=None, fields=None, feed=None, **layout):
    declared = [NUMBER, TIME, {"column": "x", "type": "text"} | (x or {})] if fields is None else fields
    return Family(name, declared, pieces, layout, {"zone": "Europe/Berlin"} | (feed or {}))


def value(name, code, raw, around, *, x=ANYTHING, field="x", encoding="utf-8", **declared):
    """One value of `x` between two good ones."""
    pieces = [good(HEAD + around + b"\n", x), bad(HEAD + raw + b"\n", code, field), good(HEAD + around + b"\n", x)]
    return family(name, pieces, x=declared, encoding=encoding)


def instant(name, code, raw, *, pattern="%Y%m%d%H%M%S", around=b"20260110080000"):
    """One local time of Berlin between two good ones."""
    line = b"8613800000001|%b|a\n"
    fields = [NUMBER, {**TIME, "pattern": pattern}, {"column": "x", "type": "text"}]
    pieces = [good(line % around, "a"), bad(line % raw, code, "start_time"), good(line % around, "a")]
    return family(name, pieces, fields=fields)


INTEGER = {"type": "integer"}
KIND = {"column": "kind", "type": "enumeration", "values": {"A": "a", "B": "b"}}
IF_B = [NUMBER, TIME, KIND, {"column": "x", "type": "text", "required_if": {"kind": ["b"]}}]
NOT_B = [NUMBER, TIME, KIND, {"column": "x", "type": "text", "optional": True, "empty_if": {"kind": ["b"]}}]
AMOUNT = {"type": "decimal", "decimals": 2}
GOOD = good(HEAD + b"a\n", "a")
CRLF = good(HEAD + b"a\r\n", "a")

VALUES = [
    value("empty and required", "missing_value", b"", b"a", x="a"),
    value("null_if and required", "missing_value", b"-", b"a", x="a", null_if=["-"]),
    value("letter in a number", "not_a_number", b"1O", b"10", x=10, **INTEGER),
    value("unicode digits", "not_a_number", "١٢".encode(), b"12", x=12, **INTEGER),
    value("fullwidth digits", "not_a_number", "１２".encode(), b"12", x=12, **INTEGER),
    value("underscore in a number", "not_a_number", b"1_000", b"1000", x=1000, **INTEGER),
    value("leading plus", "not_a_number", b"+5", b"5", x=5, **INTEGER),
    value("space padding not stripped", "not_a_number", b" 5", b"5", x=5, **INTEGER),
    value("trailing space not stripped", "not_a_number", b"5 ", b"5", x=5, **INTEGER),
    value("NUL in a number", "not_a_number", b"5\0", b"5", x=5, **INTEGER),
    value("exponent", "not_a_number", b"1e3", b"1", x=1, **INTEGER),
    value("point in an integer", "not_a_number", b"1.0", b"1", x=1, **INTEGER),
    value("hexadecimal number", "not_a_number", b"0x10", b"16", x=16, **INTEGER),
    value("carriage return in a line-feed file", "not_a_number", b"5\r", b"5", x=5, **INTEGER),
    value("minus in a counter", "negative", b"-1", b"0", x=0, **INTEGER),
    value("minus alone", "not_a_number", b"-", b"-1", x=-1, signed=True, **INTEGER),
    value("two signs", "not_a_number", b"--1", b"+1", x=1, signed=True, **INTEGER),
    value("beyond int64", "number_overflow", b"9223372036854775808", b"9223372036854775807", x=2**63 - 1, **INTEGER),
    value("forty digits", "number_overflow", b"9" * 40, b"0" * 40, x=0, **INTEGER),
    value("overflow by the unit", "number_overflow", b"9223372036854775807", b"2", x=2048, unit="KiB", **INTEGER),
    value("below the range", "out_of_range", b"1", b"2", x=2, min=2, max=9, **INTEGER),
    value("above the range", "out_of_range", b"10", b"9", x=9, min=2, max=9, **INTEGER),
    value("decimals too many", "too_many_decimals", b"1.005", b"1.25", **AMOUNT),
    value("point without digits", "not_a_number", b"1.", b"1", **AMOUNT),
    value("decimal comma", "not_a_number", b"1,5", b"1.5", **AMOUNT),
    value("point first", "not_a_number", b".5", b"0.5", **AMOUNT),
    value("amount beyond its column", "number_overflow", b"1000000000000", b"999999999999.99", **AMOUNT),
    value("text too short", "bad_length", b"a", b"ab", x="ab", min_length=2, max_length=3),
    value("text too long", "bad_length", b"abcd", b"abc", x="abc", min_length=2, max_length=3),
    value("text too long in bytes", "bad_length", "中文".encode(), "中".encode(), x="中", max_length=3),
    value("leading zero", "bad_character", b"0571", b"571", x="571", leading_zero=False),
    value("not alphanumeric", "bad_character", b"a-b", b"aB3", x="aB3", characters="alphanumeric"),
    value("not hexadecimal", "bad_character", b"fg", b"fF", x="fF", characters="hexadecimal"),
    value("not printable", "bad_character", b"a\tb", b"a b", x="a b", characters="printable"),
    value("not dialled", "bad_character", b"12-3", b"+12*#", x="+12*#", characters="dialled"),
    value("letter in digits", "not_a_number", b"1A", b"12", x="12", characters="digits"),
    value("unknown enumeration", "unknown_value", b"C", b"A", x="a", type="enumeration", values={"A": "a"}),
    value("enumeration in small letters", "unknown_value", b"a", b"A", x="a", type="enumeration", values={"A": "a"}),
    value("enumeration too long", "unknown_value", b"A" * 17, b"A" * 16, type="enumeration", values=["A" * 16]),
    value("enumeration with NUL", "unknown_value", b"A\0", b"A", x="A", type="enumeration", values=["A"]),
    value("overlong UTF-8", "invalid_encoding", b"\xc0\xaf", "é".encode(), x="é"),
    value("overlong UTF-8 of three", "invalid_encoding", b"\xe0\x80\xaf", "€".encode(), x="€"),
    value("surrogate in UTF-8", "invalid_encoding", b"\xed\xa0\x80", "퟿".encode(), x="퟿"),
    value("beyond Unicode", "invalid_encoding", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf\xbf", x="\U0010ffff"),
    value("lone continuation", "invalid_encoding", b"a\x80", b"a", x="a"),
    value("UTF-8 cut by the line's end", "invalid_encoding", b"\xe4\xb8", "中".encode(), x="中"),
    value("UTF-16 byte order mark", "invalid_encoding", b"\xff\xfea", b"a", x="a"),
    value("high byte in ASCII", "invalid_encoding", b"caf\xe9", b"cafe", x="cafe", encoding="ascii"),
    value("invalid GB18030 lead", "invalid_encoding", b"\x80a", "中".encode("gb18030"), x="中", encoding="gb18030"),
    value("0xFF in GB18030", "invalid_encoding", b"a\xffb", "中".encode("gb18030"), x="中", encoding="gb18030"),
    value("invalid GB18030 trail", "invalid_encoding", b"\xd6\x7f", b"\xd6\xd0", x="中", encoding="gb18030"),
    value("GB18030 cut by the line's end", "invalid_encoding", b"\xd6", b"\xd6\xd0", x="中", encoding="gb18030"),
    value("GB18030 beyond Unicode", "invalid_encoding", b"\xfe\x39\xfe\x39", b"\x81\x30\x81\x30", encoding="gb18030"),
]

TIMES = [
    instant("timestamp too short", "bad_timestamp", b"2026011008000"),
    instant("timestamp too long", "bad_timestamp", b"202601100800000"),
    instant("letter in a timestamp", "bad_timestamp", b"2026011008000O"),
    instant("timestamp of another pattern", "bad_timestamp", b"2026-01-10 08:00:00"),
    instant("month 13", "impossible_time", b"20261310080000"),
    instant("month 0", "impossible_time", b"20260010080000"),
    instant("31 April", "impossible_time", b"20260431080000"),
    instant("day 0", "impossible_time", b"20260100080000"),
    instant("29 February of a common year", "impossible_time", b"20260229080000", around=b"20240229080000"),
    instant("29 February 2100", "impossible_time", b"21000229080000", around=b"20000229080000"),
    instant("hour 24", "impossible_time", b"20260110240000"),
    instant("minute 60", "impossible_time", b"20260110086000"),
    instant("second 61", "impossible_time", b"20260110080061"),
    instant("year 0", "impossible_time", b"00000110080000"),
    instant("happened twice", "ambiguous_time", b"20261025023000", around=b"20261025030000"),
    instant("skipped in spring", "nonexistent_time", b"20260329023000", around=b"20260329030000"),
    *(
        instant(
            f"bad offset {offset.decode()}",
            code,
            b"20260110080000" + offset,
            pattern="%Y%m%d%H%M%S%z",
            around=b"20260110080000+08:00",
        )
        for offset, code in (
            (b"+1801", "bad_utc_offset"),
            (b"+08:0", "bad_utc_offset"),
            (b"+0860", "bad_utc_offset"),
            (b"0800", "bad_utc_offset"),
            (b"z", "bad_utc_offset"),
            (b"", "bad_timestamp"),
        )
    ),
    family(
        "leap second",
        [good(b"8613800000001|20161231235960|a\n", "a"), good(b"8613800000001|20170101000000|a\n", "a")],
    ),
]

STRUCTURE = [
    family("missing field", [GOOD, bad(b"8613800000001|20260110080000\n", "wrong_field_count"), GOOD]),
    family("too many fields", [GOOD, bad(HEAD + b"a|\n", "wrong_field_count"), GOOD]),
    family(
        "required for this kind",
        [
            good(HEAD + b"A|\n"),
            bad(HEAD + b"B|\n", "missing_value", "x"),
            good(HEAD + b"B|v\n", "v"),
        ],
        fields=IF_B,
    ),
    family(
        "must be empty for this kind",
        [
            good(HEAD + b"A|v\n", "v"),
            bad(HEAD + b"B|v\n", "unexpected_value", "x"),
            good(HEAD + b"B|\n", None),
        ],
        fields=NOT_B,
    ),
    family(
        "a condition on an unknown value",
        [
            bad(HEAD + b"|C\n", "unknown_value", "kind"),
            bad(HEAD + b"|\n", "missing_value", "kind"),
            bad(HEAD + b"|A\n", "missing_value", "x"),
            good(HEAD + b"|B\n", None),
        ],
        fields=[NUMBER, TIME, {"column": "x", "type": "text", "required_if": {"kind": ["a"]}}, KIND],
    ),
    family(
        "a condition on a constant",
        [
            good(HEAD + b"a\n", "a"),
            bad(HEAD + b"\n", "missing_value", "x"),
        ],
        x={"required_if": {"host": ["h"]}},
    ),
    family(
        "the leftmost fault is told",
        [
            GOOD,
            bad(b"x|20261310080000|\n", "not_a_number", "served_msisdn"),
            bad(b"8613800000001|20261310080000|\n", "impossible_time", "start_time"),
            GOOD,
        ],
    ),
    family(
        "bad msisdn",
        [
            GOOD,
            *(
                bad(raw + b"|20260110080000|a\n", "bad_msisdn", "served_msisdn")
                for raw in (b"10086x", b"110", b"0000", b"8613800000001234", b"+", "１３".encode())
            ),
            good(b"13800000001|20260110080000|a\n"),
            good(b"008613800000001|20260110080000|a\n"),
        ],
        feed={"numbers": "cn"},
    ),
    family("NUL in text is text", [GOOD, good(HEAD + b"a\0b\n", "a\0b"), GOOD]),
    family(
        "byte order mark",
        [filler(b"\xef\xbb\xbf"), GOOD, bad(b"\xef\xbb\xbf" + HEAD + b"a\n", "not_a_number", "served_msisdn"), GOOD],
    ),
    family(
        "byte order mark in ASCII",
        [bad(b"\xef\xbb\xbf" + HEAD + b"a\n", "invalid_encoding", "served_msisdn"), GOOD],
        encoding="ascii",
    ),
    family("CR LF missing", [CRLF, bad(HEAD + b"a\n", "bad_terminator"), CRLF], terminator="crlf"),
    family("mixed newlines", [CRLF, GOOD, CRLF, filler(b"\r\n\n"), GOOD], terminator="any"),
    family("carriage return only", [bad(HEAD + b"a\r" + HEAD + b"a\r", "wrong_field_count")], terminator="any"),
    family("CR LF in a line-feed file", [GOOD, good(HEAD + b"a\r\n", "a\r"), bad(b"\r\n", "wrong_field_count"), GOOD]),
    family("blank lines", [filler(b"\n"), GOOD, filler(b"\n\n"), GOOD, filler(b"\n")]),
    family(
        "record too long",
        [
            GOOD,
            bad(HEAD + b"a" * 300 + b"\n", "record_too_long"),
            GOOD,
            good(HEAD + b"a" * 34 + b"\n"),
            bad(HEAD + b"a" * 35 + b"\n", "record_too_long"),
            good(HEAD + b"a" * 35),
        ],
        max_record_bytes=64,
    ),
    family(
        "a long record of many fields", [GOOD, bad(b"|" * 200 + b"\n", "record_too_long"), GOOD], max_record_bytes=64
    ),
    family("no final newline", [GOOD, good(HEAD + b"a", "a")]),
    family("no final newline after CR LF", [CRLF, good(HEAD + b"a", "a")], terminator="crlf"),
    family("final CR without LF", [CRLF, good(HEAD + b"a\r", "a")], terminator="crlf"),
    family("last line cut", [GOOD, bad(HEAD[:-4], "wrong_field_count")]),
    family("only newlines", [filler(b"\n" * 100)]),
    family("only CR LF", [filler(b"\r\n" * 100)], terminator="crlf"),
    family("empty file", []),
    family("only a byte order mark", [filler(b"\xef\xbb\xbf")]),
    family("trailing NULs", [GOOD, bad(b"\0" * 512, "wrong_field_count")]),
    family("another delimiter", [bad(HEAD.replace(b"|", b",") + b"a\n", "wrong_field_count"), GOOD]),
    family(
        "delimiter inside a GB18030 character",
        [good(HEAD + b"\x81\x7c\n", b"\x81\x7c".decode("gb18030")), good(HEAD + b"a\n", "a")],
        encoding="gb18030",
    ),
    family(
        "GB18030 enumeration",
        [
            good(HEAD + "语音".encode("gb18030") + b"\n", "voice"),
            bad(HEAD + "语音".encode() + b"\n", "unknown_value", "x"),
            good(HEAD + "短信".encode("gb18030") + b"\n", "sms"),
        ],
        x={"type": "enumeration", "values": {"语音": "voice", "短信": "sms"}},
        encoding="gb18030",
        delimiter="|",
    ),
    family(
        "GB18030 null_if",
        [good(HEAD + "无".encode("gb18030") + b"\n", None), GOOD],
        x={"optional": True, "null_if": ["无"]},
        encoding="gb18030",
    ),
]

QUOTED = [
    family("unclosed quote", [GOOD, bad(HEAD + b'"a\n', "unclosed_quote"), GOOD], quote='"'),
    family("unclosed quote at the end", [GOOD, bad(HEAD + b'"a', "unclosed_quote")], quote='"'),
    family("quote in the middle", [GOOD, bad(HEAD + b'a"b\n', "bad_quote"), GOOD], quote='"'),
    family("text after the closing quote", [GOOD, bad(HEAD + b'"a"b\n', "bad_quote"), GOOD], quote='"'),
    family("space before a quote", [GOOD, bad(HEAD + b' "a"\n', "bad_quote"), GOOD], quote='"'),
    family("space after a quote", [GOOD, bad(HEAD + b'"a" \n', "bad_quote"), GOOD], quote='"'),
    family("embedded newline", [GOOD, good(HEAD + b'"a\nb"\n', "a\nb"), GOOD], quote='"'),
    family("embedded CR LF", [CRLF, good(HEAD + b'"a\r\nb"\r\n', "a\r\nb"), CRLF], quote='"', terminator="crlf"),
    family("embedded delimiter", [GOOD, good(HEAD + b'"a|b"\n', "a|b"), GOOD], quote='"'),
    family("doubled quotes", [GOOD, good(HEAD + b'"a""b"""\n', 'a"b"'), GOOD], quote='"'),
    family("quoted and empty", [GOOD, bad(HEAD + b'""\n', "missing_value", "x"), GOOD], quote='"'),
    family("quoted number", [good(HEAD + b'"5"\n', 5), bad(HEAD + b'"5""\n', "unclosed_quote")], x=INTEGER, quote='"'),
    family("quoted, wrong field count", [GOOD, bad(HEAD + b'"a"|\n', "wrong_field_count"), GOOD], quote='"'),
    family("quoted, CR LF missing", [CRLF, bad(HEAD + b'"a"\n', "bad_terminator"), CRLF], quote='"', terminator="crlf"),
    family("quoted, invalid encoding", [GOOD, bad(HEAD + b'"\xff\n"\n', "invalid_encoding", "x"), GOOD], quote='"'),
    family(
        "quoted, too long",
        [
            GOOD,
            bad(HEAD + b'"' + b"a" * 300 + b'"\n', "record_too_long"),
            GOOD,
            bad(HEAD + b"a" * 35 + b"\n", "record_too_long"),
            good(HEAD + b"a" * 34 + b"\n"),
        ],
        quote='"',
        max_record_bytes=64,
    ),
    family("quoted, as long as may be", [good(HEAD + b'"' + b"a" * 33 + b'"')], quote='"', max_record_bytes=64),
    family("quoted, final CR without LF", [CRLF, good(HEAD + b"a\r", "a")], quote='"', terminator="crlf"),
    family("quoted, final CR after a quote", [CRLF, good(HEAD + b'"a"\r', "a")], quote='"', terminator="crlf"),
    family(
        "quoted, LF and a field missing", [CRLF, bad(b"a\n", "wrong_field_count"), CRLF], quote='"', terminator="crlf"
    ),
    family(
        "text after a closing quote of another line",
        [bad(HEAD + b'"a\n', "unclosed_quote"), bad(b'b"c\n', "bad_quote"), GOOD],
        quote='"',
    ),
    family(
        "0xFF twice in GB18030",
        [GOOD, bad(HEAD + b"\xffa\n", "invalid_encoding", "x"), bad(b"b\xff\n", "wrong_field_count"), GOOD],
        encoding="gb18030",
    ),
    family("quoted, blank lines", [filler(b"\n"), GOOD, filler(b"\n\n"), GOOD], quote='"'),
    family("quoted, no final newline", [GOOD, good(HEAD + b'"a"', "a")], quote='"'),
    family(
        "doubled quotes in GB18030",
        [
            good(HEAD + '"中""文"'.encode("gb18030") + b"\n", '中"文'),
            good(HEAD + b"\x81\x7c\n"),
        ],
        quote='"',
        encoding="gb18030",
    ),
]

LINES, LINE = fixed((13, NUMBER), (14, TIME), (4, {"column": "x", "type": "text", "strip": "right"}))
_, BLOCK = fixed((13, NUMBER), (14, TIME), (4, {"column": "x", "type": "text"}), terminator="none")
_, LINE_CRLF = fixed((31, {}), terminator="crlf")
GAP, GAP_LINE = fixed((13, NUMBER), (14, TIME), (4, {"column": "x", "type": "text"}), (2, {"type": "ignored"}))
F = b"861380000000120260110080000"

FIXED = [
    family(
        "fixed",
        [good(F + b"abcd\n", "abcd"), good(F + b"ab  \n", "ab"), good(F + b" b  \n", " b")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, too short",
        [good(F + b"abcd\n"), bad(F + b"abc\n", "wrong_record_length"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, too long",
        [good(F + b"abcd\n"), bad(F + b"abcde\n", "wrong_record_length"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, all spaces",
        [good(F + b"abcd\n"), bad(F + b"    \n", "missing_value", "x"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, CR LF missing",
        [
            good(F + b"abcd\r\n"),
            bad(F + b"abcd\n", "bad_terminator"),
            bad(F + b"abc\r\n", "wrong_record_length"),
            filler(b"\r\n"),
            good(F + b"abcd\r\n"),
        ],
        fields=LINES,
        **LINE_CRLF,
    ),
    family(
        "fixed, CR LF where LF is declared",
        [bad(F + b"abcd\r\n", "wrong_record_length"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, invalid encoding",
        [
            good(F + b"abcd\n"),
            bad(F + b"ab\xffd\n", "invalid_encoding", "x"),
            good(F + "ab中".encode()[:4].ljust(4, b".").replace(b"\xe4\xb8", b"..") + b"\n"),
        ],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, letter in a number",
        [bad(b"86138O000000120260110080000abcd\n", "not_a_number", "served_msisdn"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family("fixed, no final newline", [good(F + b"abcd\n"), good(F + b"wxyz", "wxyz")], fields=LINES, **LINE),
    family("fixed, last line cut", [good(F + b"abcd\n"), bad(F, "wrong_record_length")], fields=LINES, **LINE),
    family("fixed, blank lines", [filler(b"\n\n"), good(F + b"abcd\n"), filler(b"\n")], fields=LINES, **LINE),
    family(
        "no terminators",
        [good(F + b"abcd", "abcd"), good(F + b"a\n\r\n", "a\n\r\n"), good(F + b"wxyz", "wxyz")],
        fields=LINES,
        **{**BLOCK, "encoding": "ascii"},
    ),
    family(
        "no terminators, last record cut",
        [good(F + b"abcd"), bad(F + b"abc", "wrong_record_length")],
        fields=LINES,
        **BLOCK,
    ),
    family(
        "no terminators, trailing NULs",
        [
            good(F + b"abcd"),
            *(bad(b"\0" * 31, "not_a_number", "served_msisdn"),) * 2,
            bad(b"\0" * 5, "wrong_record_length"),
        ],
        fields=LINES,
        **BLOCK,
    ),
    family(
        "no terminators, a final newline", [good(F + b"abcd"), bad(b"\n", "wrong_record_length")], fields=LINES, **BLOCK
    ),
    family(
        "no terminators, a bad field",
        [good(F + b"abcd"), bad(b"x" + F[1:] + b"abcd", "not_a_number", "served_msisdn"), good(F + b"abcd")],
        fields=LINES,
        **BLOCK,
    ),
    family(
        "no terminators, invalid encoding",
        [good(F + b"abcd"), bad(F + b"abc\xe4", "invalid_encoding", "x"), good(F + b"abcd")],
        fields=LINES,
        **BLOCK,
    ),
]

ENVELOPE = {
    "header": {"starts_with": "H|"},
    "trailer": {"starts_with": "T|", "record_count": {"position": 2}},
}
REFUSED = {
    "no header": (b"T|0\n", "header_missing", {}),
    "header after a record": (HEAD + b"a\nH|\nT|1\n", "header_missing", {}),
    "no trailer": (b"H|\n" + HEAD + b"a\n", "trailer_missing", {}),
    "trailer cut": (b"H|\n" + HEAD + b"a\nT", "trailer_missing", {}),
    "a record after the trailer": (b"H|\nT|1\n" + HEAD + b"a\n", "trailer_missing", {}),
    "one record too few": (b"H|\nT|1\n", "record_count_mismatch", {}),
    "count is no number": (b"H|\n" + HEAD + b"a\nT|one\n", "record_count_mismatch", {}),
    "gzip cut": (gzip.compress(b"H|\nT|0\n")[:-6], "damaged_compression", {}),
    "gzip in gzip": (gzip.compress(gzip.compress(b"H|\nT|0\n")), "nested_compression", {}),
    "bytes after gzip": (gzip.compress(b"H|\nT|0\n") + b"x", "damaged_compression", {}),
    "plain where gzip is declared": (b"H|\nT|0\n", "wrong_compression", {"compression": "gzip"}),
    "empty where gzip is declared": (b"", "damaged_compression", {"compression": "gzip"}),
}
FAMILIES = VALUES + TIMES + STRUCTURE + QUOTED + FIXED
