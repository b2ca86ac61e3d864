"""The rating cases that are decided where a record is read, with their published numbers."""

import datetime as dt

import pytest
from decode_book import NUMBER, TIME, decoded, feed_of

END = {**TIME, "column": "end_time"}
DURATION = {"column": "duration_s", "type": "integer", "unit": "s"}
COUNTER = {"column": "downlink_bytes", "type": "integer", "unit": "B", "max": 4294967295}
CODING = {"column": "message_coding", "type": "enumeration", "values": {"0": "gsm7", "8": "ucs2"}}
LENGTH = {"column": "message_length", "type": "integer", "optional": True}
PARTY = {"column": "other_party", "type": "text", "optional": True, "null_if": ["-"]}
WITH_OFFSET = "%Y-%m-%dT%H:%M:%S%z"


def read(folder, line, fields, **feed):
    folder.mkdir(exist_ok=True)
    (folder / "x.txt").write_bytes(f"8613800000001|{line}\n".encode())
    return decoded(folder / "x.txt", feed_of(folder / "book", [NUMBER, *fields], feed=feed))


@pytest.mark.parametrize(
    ("start", "end", "elapsed_s"),
    [
        ("2014-10-26T02:30:00+02:00", "2014-10-26T02:30:00+01:00", 3600),
        ("2014-03-30T01:59:30+01:00", "2014-03-30T03:00:30+02:00", 60),
    ],
)
def test_f12_elapsed_time_is_utcs(tmp_path, start, end, elapsed_s):
    fields = [{**TIME, "pattern": WITH_OFFSET}, {**END, "pattern": WITH_OFFSET}, DURATION]
    found = read(tmp_path, f"{start}|{end}|{elapsed_s}", fields, duration_tolerance_s=0)
    (row,) = found.usage
    assert row["end_time"] - row["start_time"] == elapsed_s * 1_000_000
    assert row["flags"] == 0


@pytest.mark.parametrize(
    ("start", "code"), [("20141026023000", "ambiguous_time"), ("20140330023000", "nonexistent_time")]
)
def test_f12_a_local_time_without_its_offset_is_not_guessed(tmp_path, start, code):
    assert [row["code"] for row in read(tmp_path, start, [TIME], zone="Europe/Berlin").rejects] == [code]


def test_f13_the_reported_duration_of_a_leap_second_is_truth(tmp_path):
    line, fields = "20150701075950|20150701080009|20", [TIME, END, DURATION]
    (row,) = read(tmp_path / "a", line, fields, duration_tolerance_s=1).usage
    assert row["duration_s"] == 20
    assert row["end_time"] - row["start_time"] == 19_000_000  # POSIX says
    assert row["flags"] == 0
    (row,) = read(tmp_path / "b", "20150701075960", [TIME]).usage
    assert dt.datetime.fromtimestamp(row["start_time"] // 1_000_000, dt.UTC) == dt.datetime(2015, 7, 1, tzinfo=dt.UTC)
    assert row["flags"] == 2


@pytest.mark.parametrize(("tolerance_s", "flags"), [(2, 1), (3, 0), (0, 1)])
@pytest.mark.parametrize(("end", "duration_s"), [("20140602120105", 62), ("20140602120059", 62)])
def test_f14_a_duration_that_differs_is_flagged_and_kept(tmp_path, tolerance_s, flags, end, duration_s):
    found = read(
        tmp_path, f"20140602120000|{end}|{duration_s}", [TIME, END, DURATION], duration_tolerance_s=tolerance_s
    )
    assert [(row["duration_s"], row["flags"]) for row in found.usage] == [(62, flags)]


@pytest.mark.parametrize(
    ("coding", "length", "segments"),
    [
        *(("8", 1, 1), ("8", 70, 1), ("8", 71, 2), ("8", 134, 2), ("8", 135, 3), ("8", 201, 3), ("8", 202, 4)),
        *(("0", 1, 1), ("0", 160, 1), ("0", 161, 2), ("0", 306, 2), ("0", 307, 3)),
        *(("8", 0, 1), ("0", 0, 1), ("0", "", None)),
    ],
)
def test_f39_segments_by_length_and_coding(tmp_path, coding, length, segments):
    fields = [TIME, LENGTH, CODING]
    found = read(tmp_path, f"20140602120000|{length}|{coding}", fields, segments={"ucs2": ["ucs2"]})
    assert [row["message_segments"] for row in found.usage] == [segments]


@pytest.mark.parametrize(
    ("counter", "code"),
    [
        *(("-1", "negative"), ("4294967296", "out_of_range"), ("9223372036854775808", "number_overflow")),
        ("4294967295", None),
    ],
)
def test_f41_a_wrapped_counter_is_a_reject(tmp_path, counter, code):
    found = read(tmp_path, f"20140602120000|{counter}", [TIME, COUNTER])
    assert [row["code"] for row in found.rejects] == ([] if code is None else [code])
    assert [row["downlink_bytes"] for row in found.usage] == ([2**32 - 1] if code is None else [])


@pytest.mark.parametrize(
    ("party", "record_type"),
    [
        *(("10655", "other"), ("106", "other"), ("10", "event"), ("8610655", "event"), ("1065", "other")),
        *(("", "event"), ("-", "event")),
    ],
)
def test_a_feed_derives_the_record_type(tmp_path, party, record_type):
    rule = {"record_type": ["event"], "column": "other_party", "starts_with": ["107", "106"], "becomes": "other"}
    (row,) = read(tmp_path, f"20140602120000|{party}", [TIME, PARTY], derive=[rule]).usage
    assert (row["record_type"], row["other_party"]) == (record_type, None if party in ("", "-") else party)
