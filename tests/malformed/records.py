"""Where records and their fields begin and end, and rules that look at two fields of one record."""

from __future__ import annotations

import bz2
import lzma
import zlib

from tests.decode_book import NUMBER, TIME
from tests.malformed import CRLF, GOOD, HEAD, bad, family, filler, good

KIND = {"column": "kind", "type": "enumeration", "values": {"A": "a", "B": "b"}}
IF_B = [NUMBER, TIME, KIND, {"column": "x", "type": "text", "required_if": {"kind": ["b"]}}]
NOT_B = [NUMBER, TIME, KIND, {"column": "x", "type": "text", "optional": True, "empty_if": {"kind": ["b"]}}]
MEGABYTE = 1 << 20


def strange(name, raw):
    """A file of another kind under a name of ours: no line of it is a record."""
    lines = [line + b"\n" for line in raw.split(b"\n")]
    return family(name, [bad(line, "wrong_field_count") for line in lines if line != b"\n"] + [GOOD])


RECORDS = [
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
    family("a megabyte of one line", [GOOD, bad(HEAD + b"a" * MEGABYTE + b"\n", "record_too_long"), GOOD]),
    family("a megabyte without a newline", [GOOD, bad(HEAD + b"a" * MEGABYTE, "record_too_long")]),
    family("a megabyte of delimiters", [GOOD, bad(b"|" * MEGABYTE + b"\n", "record_too_long"), GOOD]),
    family("a megabyte of NULs", [GOOD, bad(bytes(MEGABYTE), "record_too_long")]),
    family("a megabyte of empty lines", [filler(b"\n" * MEGABYTE), GOOD]),
    family("thousands of fields", [GOOD, bad(b"|" * 5000 + b"\n", "wrong_field_count"), GOOD]),
    family("NULs between records", [GOOD, bad(b"\0\n", "wrong_field_count"), GOOD]),
    family("NUL before a record", [bad(b"\0" + GOOD.raw, "not_a_number", "served_msisdn"), GOOD]),
    family("end-of-file character", [GOOD, bad(b"\x1a", "wrong_field_count")]),
    family(
        "line feed before carriage return",
        [GOOD, bad(b"\r" + GOOD.raw, "not_a_number", "served_msisdn"), bad(b"\r", "wrong_field_count")],
    ),
    family("two carriage returns", [CRLF, good(HEAD + b"a\r\r\n", "a\r"), CRLF], terminator="crlf"),
    family(
        "a carriage return among the fields",
        [bad(HEAD[:-1] + b"\r|a\r\n", "bad_timestamp", "start_time"), CRLF],
        terminator="any",
    ),
    family("a carriage return for a record", [CRLF, bad(b"\ra\r\n", "wrong_field_count"), CRLF], terminator="crlf"),
    family(
        "line ends of Unicode are text",
        [good(HEAD + "a\x0b\x0c\x85\u2028b\n".encode(), "a\x0b\x0c\x85\u2028b"), GOOD],
    ),
    family("an escape sequence is text", [good(HEAD + b"\x1b]0;x\x07\n", "\x1b]0;x\x07"), GOOD]),
    family("spaces only", [GOOD, bad(b"   \n", "wrong_field_count"), GOOD]),
    family("a line of column names", [bad(b"number|time|x\n", "not_a_number", "served_msisdn"), GOOD]),
    strange("a page that says the file was not found", b"<!DOCTYPE html>\n<html>\n<h1>404</h1>\n</html>"),
    strange("a private key", b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"),
    strange("zlib without gzip", zlib.compress(b"a" * 99)),
    strange("bzip2", bz2.compress(b"a" * 99)),
    strange("xz", lzma.compress(b"a" * 99)),
    strange("an archive", b"PK\x03\x04" + bytes(26)),
]
