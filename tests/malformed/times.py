"""Local times and offsets that no clock shows, between two that one does."""

from __future__ import annotations

from tests.malformed import family, good, instant

MILLISECONDS = {"pattern": "%Y%m%d%H%M%S.%L", "around": b"20260110080000.123"}
SECONDS = {"pattern": "%s", "around": b"7258118399"}

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
    instant("the year before the first", "impossible_time", b"19691231235959", around=b"19700101000000"),
    instant("the year after the last", "impossible_time", b"22000101000000", around=b"21991231235959"),
    instant("hour 25", "impossible_time", b"20260110250000"),
    instant("all nines", "impossible_time", b"99999999999999"),
    instant("all zeros", "impossible_time", b"0" * 14),
    instant("empty timestamp", "missing_value", b""),
    instant("blank timestamp", "bad_timestamp", b" " * 14),
    instant("fullwidth digits in a timestamp", "bad_timestamp", "２０２６".encode() + b"01"),
    instant("unicode digits in a timestamp", "bad_timestamp", "٢٠٢٦٠١١".encode()),
    instant("minus in a timestamp", "bad_timestamp", b"-2026011008000"),
    instant("NUL in a timestamp", "bad_timestamp", b"2026011008000\0"),
    instant("happened twice", "ambiguous_time", b"20261025023000", around=b"20261025030000"),
    instant("the first second that happened twice", "ambiguous_time", b"20261025020000", around=b"20261025015959"),
    instant("the last second that happened twice", "ambiguous_time", b"20261025025959", around=b"20261025030000"),
    instant("the first second that was skipped", "nonexistent_time", b"20260329020000", around=b"20260329015959"),
    instant("the last second that was skipped", "nonexistent_time", b"20260329025959", around=b"20260329030000"),
    instant("a leap second in a skipped minute", "nonexistent_time", b"20260329022960"),
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
            (b"-99", "bad_utc_offset"),
            (b"+08:00 ", "bad_utc_offset"),
            ("−08:00".encode(), "bad_utc_offset"),
            (b"CST", "bad_utc_offset"),
            (b"", "bad_timestamp"),
        )
    ),
    instant("six digits where milliseconds stand", "bad_timestamp", b"20260110080000.123456", **MILLISECONDS),
    instant("decimal comma in a timestamp", "bad_timestamp", b"20260110080000,123", **MILLISECONDS),
    instant("seconds before 1970", "impossible_time", b"-1", **SECONDS),
    instant("seconds after 2199", "impossible_time", b"7258118400", **SECONDS),
    instant("seconds beyond int64", "impossible_time", b"9" * 40, **SECONDS),
    instant("fraction of a second since 1970", "bad_timestamp", b"1768028400.5", **SECONDS),
    instant("plus before seconds since 1970", "bad_timestamp", b"+1768028400", **SECONDS),
    family(
        "leap second",
        [good(b"8613800000001|20161231235960|a\n", "a"), good(b"8613800000001|20170101000000|a\n", "a")],
    ),
]
