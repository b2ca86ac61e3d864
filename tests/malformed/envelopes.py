"""Headers and trailers that are not there, stand elsewhere, or say what the file does not hold."""

from __future__ import annotations

import gzip

from tests.malformed import GOOD, HEAD, refused

ENVELOPE = {
    "header": {"starts_with": "H|"},
    "trailer": {"starts_with": "T|", "record_count": {"position": 2}},
}
SOUND = b"H|\n" + GOOD.raw + b"T|1\n"
TOTALS = {"trailer": {"starts_with": "T|", "sums": [{"column": "x", "position": 2, "unit": "1"}]}}
IDENTITY = {"header": {"starts_with": "H|", "date": {"position": 2}, "sequence": {"position": 3}}}
NAMED = {"file_name": "x{date}_{sequence}*.txt"}
LONG = 1 << 16  # bytes that no record, header or trailer may have


def enclosed(name, code, content, **more):
    """A header and a trailer with a count are declared."""
    return refused(name, code, content, sound=SOUND, **ENVELOPE, **more)


def counted(name, count):
    return enclosed(name, "record_count_mismatch", b"H|\n" + GOOD.raw + b"T|" + count + b"\n")


def summed(name, said):
    """A trailer has the sum of the column `x`, which is 2 in the file's only record."""
    record, line = HEAD + b"2\n", b"T|" + said + b"\n"
    sound = record + b"T|2\n"
    return refused(name, "control_sum_mismatch", record + line, x={"type": "integer"}, sound=sound, **TOTALS)


def identified(name, head):
    """A header has the date and the sequence of the file's name."""
    sound = b"H|20260110|7\n" + GOOD.raw
    return refused(
        name,
        "header_mismatch",
        head + b"\n" + GOOD.raw,
        sound=sound,
        feed=NAMED,
        file="x20260110_7.txt",
        **IDENTITY,
    )


ENVELOPES = [
    enclosed("no header", "header_missing", b"T|0\n"),
    enclosed("header after a record", "header_missing", GOOD.raw + b"H|\nT|1\n"),
    enclosed("empty where a header is declared", "header_missing", b""),
    enclosed("only empty lines", "header_missing", b"\n" * 9),
    enclosed("header after too many empty lines", "header_missing", b"\n" * (LONG + 1) + SOUND),
    enclosed("header too long", "header_missing", b"H|" + b"x" * LONG + b"\n" + SOUND),
    enclosed("header without end", "header_missing", b"H|" + b"x" * (5 << 20)),
    enclosed("header in another case", "header_missing", SOUND.lower()),
    enclosed("header after a NUL", "header_missing", b"\0" + SOUND),
    enclosed("header after two byte order marks", "header_missing", b"\xef\xbb\xbf\xef\xbb\xbf" + SOUND),
    enclosed("header in UTF-16", "header_missing", SOUND.decode().encode("utf-16")),
    enclosed("trailer before the header", "header_missing", b"T|1\n" + GOOD.raw + b"H|\n"),
    enclosed("no trailer", "trailer_missing", b"H|\n" + GOOD.raw),
    enclosed("only a header", "trailer_missing", b"H|\n"),
    enclosed("trailer cut", "trailer_missing", b"H|\n" + GOOD.raw + b"T"),
    enclosed("a record after the trailer", "trailer_missing", b"H|\nT|1\n" + GOOD.raw),
    enclosed("NULs after the trailer", "trailer_missing", SOUND + bytes(512)),
    enclosed("end-of-file character after the trailer", "trailer_missing", SOUND + b"\x1a"),
    enclosed("spaces after the trailer", "trailer_missing", SOUND + b"  \n"),
    enclosed("spaces before the trailer", "trailer_missing", b"H|\n" + GOOD.raw + b"  T|1\n"),
    enclosed("byte order mark before the trailer", "trailer_missing", b"H|\n" + GOOD.raw + b"\xef\xbb\xbfT|1\n"),
    enclosed("trailer too long", "trailer_missing", b"H|\n" + GOOD.raw + b"T|1|" + b"x" * LONG + b"\n"),
    enclosed("trailer before too many empty lines", "trailer_missing", SOUND + b"\n" * (5 << 20)),
    enclosed("one record too few", "record_count_mismatch", b"H|\nT|1\n"),
    enclosed("one record too many", "record_count_mismatch", b"H|\n" + GOOD.raw + HEAD + b"b\nT|1\n"),
    enclosed("two headers", "record_count_mismatch", b"H|\n" + SOUND),
    enclosed("two trailers", "record_count_mismatch", SOUND + b"T|1\n"),
    enclosed("a file in a file", "record_count_mismatch", SOUND + SOUND),
    enclosed("gzip without its second half", "damaged_compression", gzip.compress(SOUND)[:30]),
    counted("count is no number", b"one"),
    counted("no count", b""),
    counted("count below zero", b"-1"),
    counted("count with a plus", b"+1"),
    counted("count with a fraction", b"1.0"),
    counted("count in unicode digits", "١".encode()),
    counted("count with a NUL", b"1\0"),
    counted("count of forty digits", b"0" * 39 + b"1"),
    counted("count that is no text", b"1\xff"),
    summed("another sum", b"3"),
    summed("no sum", b""),
    summed("sum with an exponent", b"2e0"),
    summed("sum below zero", b"-2"),
    summed("sum with a fraction", b"2.5"),
    summed("sum of forty digits", b"0" * 39 + b"2"),
    summed("sum in fullwidth digits", "２".encode()),
    summed("sum by another name", b"inf"),
    identified("another date", b"H|20260111|7"),
    identified("another sequence", b"H|20260110|8"),
    identified("a date that no calendar has", b"H|20261301|7"),
    identified("a date in another order", b"H|10012026|7"),
    identified("neither date nor sequence", b"H|"),
    identified("a sequence below zero", b"H|20260110|-7"),
    identified("a sequence beyond int64", b"H|20260110|99999999999999999999"),
]
