"""The studies on a few thousand records: they run to their end, and their arithmetic is right."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from benchmarks.measure import Measurement
from benchmarks.studies import asn1, day, history, hosts, ingests, memory, roofline, threads


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture
def printed(monkeypatch, capsys, work):
    """Runs a study and gives the tables that it printed, as rows of cells."""

    def call(study, *options: str) -> list[list[str]]:
        monkeypatch.setattr(sys, "argv", [study.__name__, "--work", str(work), *options])
        study.main()
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
        return [line.strip("| ").split(" | ") for line in lines]

    return call


def cost(wall_s: float, cpu_s: float, peak_bytes: int = 0, **totals) -> Measurement:
    return Measurement(wall_s, cpu_s, peak_bytes, totals)


def test_threads(printed):
    rows = printed(threads, "--rows", "8000", "--rounds", "1", "--tasks", "T2", "--inputs", "single-file", "zstd")
    assert [row[:2] for row in rows[2:]] == [["T2", "single-file"], ["T2", "zstd"]]


def test_speed_up_is_formed_within_a_round():
    pairs = [(cost(4.0, 4.0), cost(2.0, 3.0)), (cost(9.0, 4.0), cost(6.0, 3.0))]
    assert threads.row("T1", "plain", pairs)[2:] == [
        *("6.50", "4.00", "1.75× (1.50–2.00)", "1.00", "4.00 → 3.00"),
    ]


def test_memory(printed):
    rows = printed(memory, "--records", "8000", "16000", "--task", "T5")
    assert [row[0] for row in rows[2:]] == ["8,000", "16,000"]


def test_growth_is_told_by_key_and_by_account_day():
    before = cost(1.0, 1.0, 10_000_000, accepted=1000, account_days=500)
    after = cost(2.0, 2.0, 10_106_000, accepted=2000, account_days=1500)
    assert memory.row(2000, after, before)[-3:] == ["0", "106.0", "74.0"]
    assert memory.row(2000, after, None)[-3:] == ["", "", ""]


def test_day(printed):
    rows = printed(day, "--rows", "8000")
    assert rows[2][0] == "8,000"
    assert [row[0] for row in rows[5:]][-1] == "outside"


def test_history(printed, monkeypatch):
    monkeypatch.setattr(history, "SEGMENT_KEYS", 4000)
    rows = printed(history, "--keys", "20000", "--rounds", "1")
    assert [row[:2] for row in rows[2:6]] == [
        ["a day a run", "200"],
        ["a day a run", "4,000"],
        ["a day a run", "20,000"],
        ["a day a run, computed", "1,000,000,000"],
    ]
    assert [row[0] for row in rows[6:]] == [*["one day"] * 3, "one day, computed", "one day, merged"]
    assert [row[2] for row in rows[6:]] == ["1", "1", "5", "250000", "1"]
    assert float(rows[4][3]) <= 24


def test_ingests(printed):
    rows = printed(ingests, "--rows", "2000", "--files", "20")
    assert [row[1] for row in rows[2:]] == ["2", "4", "6", "8", "10", "12", "14", "1", "3", "5"]
    assert [row[2] for row in rows[2:]] == [*["0"] * 7, "1", "1", "1"]
    assert float(rows[-1][-1]) > 0


def test_a_billion_keys_are_computed_by_key_and_by_segment():
    small = history.Cost("one day", 10_000_000, 1, 220_000_000, 0.5, 1e-4, 20_000_000, 0.02, 100e-9, 40e-9)
    large = history.Cost("one day", 100_000_000, 10, 2_200_000_000, 5.0, 1e-3, 200_000_000, 0.038, 280e-9, 40e-9)
    made = history.computed(small, large)
    assert (made.segments, made.disk_bytes, made.memory_bytes) == (100, 22_000_000_000, 2_000_000_000)
    assert made.record_s == pytest.approx(2080e-9)
    assert made.reads == pytest.approx(0.218)


def test_hosts(printed):
    rows = printed(hosts, "--rows", "4000", "--rounds", "1")
    assert [row[0] for row in rows[2:]] == ["cmcc", "ctcc", "cucc", "yardstick"]
    assert rows[-1][-1] == "1.00 (1.00–1.00)"


def test_asn1(printed):
    rows = printed(asn1, "--events", "300", "600", "--peer", "200", "--rounds", "1")
    ours = [(name, events) for events in ("300", "600") for name in ("mediation.decode", "mediation.stream")]
    told = [(form, *each) for form in ("tap", "pgw") for each in (("asn1tools", "200"), *ours)]
    assert [tuple(row[:3]) for row in rows[2:]] == told


def test_roofline(printed, monkeypatch):
    monkeypatch.setattr(roofline, "TRIES", 1)
    monkeypatch.setattr(roofline, "MEMORY_BYTES", 8 << 20)
    rows = printed(roofline, "--rows", "8000", "--rounds", "1")
    stages = [row[0] for row in rows[8:]]
    assert stages[:2] == ["read", "decode"]
    assert "all stages" in stages


def test_limits_are_bytes_over_rates():
    usage = pa.table({name: pa.array([1, 2]) for name in {*roofline.KEY_COLUMNS, *roofline.RATE_READS}})
    added = {name: pa.array([1, 2]) for name in {*roofline.ADDED, *roofline.SETTLE_READS}}
    limits = roofline.Limits(read=1e9, copy=2e9, load=4e9, hash=1e9, place_s=10e-9, write_s=300e-9)
    found = roofline.stage_limits(limits, 100.0, usage, pa.table(added))
    assert found["read"] == ("load and hash 100 B", pytest.approx(125e-9))
    assert found["deduplicate"] == ("read 48 B, one random place", pytest.approx(58e-9))
    assert found["write"][1] == 300e-9


def test_an_amount_counts_with_its_low_half():
    amounts = pa.table({"amount": pa.array([1, 2], pa.decimal128(18, 6)), "number": pa.array([1, 2])})
    assert roofline.width(amounts) == 16
    assert roofline.width(amounts, ("number",)) == 8
