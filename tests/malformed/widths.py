"""Records of fixed width: lengths that differ, and characters that a field's bounds cut in two."""

from __future__ import annotations

from tests.decode_book import NUMBER, TIME, fixed
from tests.malformed import bad, family, filler, good

X = {"column": "x", "type": "text", "strip": "right"}
LINES, LINE = fixed((13, NUMBER), (14, TIME), (4, X))
_, BLOCK = fixed((13, NUMBER), (14, TIME), (4, {"column": "x", "type": "text"}), terminator="none")
_, LINE_CRLF = fixed((31, {}), terminator="crlf")
TWO, TWO_LINE = fixed((13, NUMBER), (14, TIME), (4, X), (3, {"column": "y", "type": "text"}))
GAP_LINE = {**TWO_LINE, "record_length": 33}
F = b"861380000000120260110080000"

WIDTHS = [
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
    family(
        "fixed, a character across two fields",
        [
            good(F + b"abc d..\n", "abc"),
            bad(F + "abc中d".encode() + b"\n", "invalid_encoding", "x"),
            bad(F + b"abcdef" + b"\xe4\n", "invalid_encoding", "y"),
            good(F + "a中中".encode() + b"\n", "a中"),
        ],
        fields=TWO,
        **TWO_LINE,
    ),
    family(
        "fixed, a character of GB18030 across two fields",
        [
            bad(F + "abc中de".encode("gb18030") + b"\n", "invalid_encoding", "x"),
            good(F + "中文".encode("gb18030") + b"abc\n", "中文"),
        ],
        fields=TWO,
        **TWO_LINE,
        encoding="gb18030",
    ),
    family(
        "fixed, a character across a field and a gap",
        [bad(F + "abc中".encode() + b"\n", "invalid_encoding", "x"), good(F + "abcdé".encode() + b"\n", "abcd")],
        fields=TWO[:3],
        **GAP_LINE,
    ),
    family(
        "fixed, no text in a gap",
        [bad(F + b"abcd\xff\xff\n", "invalid_encoding"), good(F + b"abcd..\n", "abcd")],
        fields=TWO[:3],
        **GAP_LINE,
    ),
    family(
        "fixed, tabs for spaces",
        [bad(b"\t" + F[1:] + b"abcd\n", "not_a_number", "served_msisdn"), good(F + b"ab\t \n", "ab\t")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, a megabyte of one line",
        [good(F + b"abcd\n"), bad(F * 40_000 + b"\n", "record_too_long"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, delimited all the same",
        [bad(b"8613800000001|20260110080000|a\n", "wrong_record_length"), good(F + b"abcd\n")],
        fields=LINES,
        **LINE,
    ),
    family(
        "fixed, two byte order marks",
        [filler(b"\xef\xbb\xbf"), bad(b"\xef\xbb\xbf" + F + b"a\n", "not_a_number", "served_msisdn")],
        fields=LINES,
        **LINE,
    ),
    family(
        "no terminators, shifted by one",
        [
            bad(b" " + F + b"abc", "not_a_number", "served_msisdn"),
            bad(b"d" + F + b"abc", "not_a_number", "served_msisdn"),
            bad(b"d", "wrong_record_length"),
        ],
        fields=LINES,
        **BLOCK,
    ),
]
