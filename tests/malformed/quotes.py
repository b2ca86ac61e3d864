"""Quoted fields: quotes that are not closed, not alone or not at their place. A stray one costs its line."""

from __future__ import annotations

from tests.malformed import CRLF, GOOD, HEAD, bad, family, filler, good
from tests.malformed.values import INTEGER

QUOTES = [
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
    family("a quote alone", [GOOD, bad(b'"\n', "unclosed_quote"), GOOD], quote='"'),
    family("three quotes", [GOOD, bad(HEAD + b'"""\n', "unclosed_quote"), GOOD], quote='"'),
    family("unclosed quotes on every line", [bad(HEAD + b'"a\n', "unclosed_quote")] * 50 + [GOOD], quote='"'),
    family("an unclosed quote before many lines", [bad(HEAD + b'"a\n', "unclosed_quote"), *[GOOD] * 4000], quote='"'),
    family(
        "an unclosed quote before a megabyte of one line",
        [bad(HEAD + b'"a' + b"x" * (1 << 20) + b"\n", "record_too_long"), GOOD],
        quote='"',
    ),
    family("a megabyte of quotes", [GOOD, bad(HEAD + b'"' * (1 << 20) + b"\n", "record_too_long"), GOOD], quote='"'),
    family("a quote escaped by a backslash", [GOOD, bad(HEAD + b'"a\\"b"\n', "bad_quote"), GOOD], quote='"'),
    family("typographic quotes are text", [good(HEAD + "“a”\n".encode(), "“a”"), GOOD], quote='"'),
    family("NUL in quotes", [good(HEAD + b'"a\0b"\n', "a\0b"), GOOD], quote='"'),
    family(
        "quotes around the record", [GOOD, bad(b'"' + GOOD.raw[:-1] + b'"\n', "wrong_field_count"), GOOD], quote='"'
    ),
    family("a quoted delimiter and no more", [GOOD, bad(b'"|"\n', "wrong_field_count"), GOOD], quote='"'),
    family("empty lines in quotes", [good(HEAD + b'"\n\n\n"\n', "\n\n\n"), GOOD], quote='"'),
    family(
        "a quoted record of too many lines",
        [bad(HEAD + b'"\n', "unclosed_quote"), filler(b"\n" * 64), bad(b'"\n', "unclosed_quote"), GOOD],
        quote='"',
        max_record_bytes=64,
    ),
    family(
        "apostrophes for quotes",
        [GOOD, bad(HEAD + b"'a\n", "unclosed_quote"), good(HEAD + b"'a\"'\n", 'a"'), GOOD],
        quote="'",
    ),
]
