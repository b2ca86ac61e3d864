"""The yardstick: data that are what they were, equal totals of every program and task, differences noticed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter

import pytest

import mediation as md
from benchmarks import bench, machine, workload, yardstick_rulebook
from benchmarks.data import DataSet, prepare
from benchmarks.measure import Measurement, RunFailed, run
from benchmarks.report import best_peer_ratios, memory_shares, ratios, table
from benchmarks.totals import OURS_ALONE, TASKS, disagreements, modulo_word
from benchmarks.yardstick_events import scramble

# Of 20,000 records in two files with the default seed. The published totals of every tool depend on these bytes.
DIGESTS = {
    "cdr_0000.txt": "6a06270b0ee3a61c3c73b5d983f3cede",
    "cdr_0001.txt": "408f88c037e7559b48fd32eedce6993c",
    "ref/prefixes.csv": "c58ba67e19f49834c6618d49bec1c087",
    "ref/tariffs.csv": "9fbb334222e2a7b5970d01c1ab9e67f9",
    "ref/wholesale.csv": "0b28d688ab816b62aac9266a9af6734c",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The yardstick's data, small."""
    folder = tmp_path_factory.mktemp("yardstick")
    workload.generate(folder, 20_000, 2, processes=1)
    return folder


def test_bytes_are_what_they_were(data):
    found = {name: hashlib.blake2b((data / name).read_bytes(), digest_size=16).hexdigest() for name in DIGESTS}
    assert found == DIGESTS


def test_processes_do_not_matter(data, tmp_path):
    workload.generate(tmp_path, 20_000, 2, processes=2)
    for name in (*DIGESTS, "expected.json"):
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes()


def test_expected_counts_are_those_of_the_files(data):
    expected = json.loads((data / "expected.json").read_text())
    lines = [line for name in ("cdr_0000.txt", "cdr_0001.txt") for line in (data / name).read_bytes().split(b"\n")]
    lines = [line for line in lines if line]
    assert len(lines) == expected["rows"] == expected["valid"] + expected["rejects"]
    keys = Counter()
    for line in lines:
        fields = line.split(b"|")
        if len(fields) == 14:
            keys[fields[1], fields[3], fields[5], fields[4], fields[13], fields[12]] += 1
    assert sum(count - 1 for count in keys.values()) == expected["duplicates"]


def test_too_many_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="files"):
        workload.generate(tmp_path, 1000, 21)


def test_scramble_is_a_fixed_bijection():
    import numpy as np

    assert scramble(np.array([1, 2], np.uint64)).tolist() == [0x5692161D100B05E5, 0xDBD238973A2B148A]


@pytest.fixture(scope="module")
def rulebook(data, tmp_path_factory):
    """The rule book of the yardstick."""
    folder = tmp_path_factory.mktemp("rulebook")
    yardstick_rulebook.write(data / "ref", folder)
    return folder


def test_rule_book_has_every_tariff_to_the_micro_yuan(data, rulebook):
    with open(rulebook / "prices.csv", newline="") as source:
        prices = list(csv.DictReader(source))
    retail = {
        (row["record_type"], row["zone"], row["band"], row["version"]): row for row in prices if row["side"] == "retail"
    }
    with open(data / "ref" / "tariffs.csv", newline="") as source:
        tariffs = list(csv.DictReader(source))
    assert len(retail) == len(tariffs) == 600
    for row in tariffs:
        price = retail[row["record_type"], row["zone"], row["band"], row["version"]]
        assert price["first_cost"].replace(".", "").lstrip("0") == row["price_first"].lstrip("0")
        assert price["next_cost"].replace(".", "").lstrip("0") == row["price_next"].lstrip("0")
        assert (price["first_increment"], price["next_increment"]) == (row["inc_first"], row["inc_next"])
        assert price["to"] == ("2026-06-16 00:00:00" if row["version"] == "1" else "")
    assert sum(row["side"] == "wholesale" for row in prices) == 3 * 5


def test_rule_book_is_toml_and_names_the_19_columns(rulebook):
    book = tomllib.loads((rulebook / "rulebook.toml").read_text())
    assert len(book["columns"]["yardstick"]) == len(set(book["columns"]["yardstick"])) == 19
    feed = tomllib.loads((rulebook / "feeds" / "yardstick.toml").read_text())
    assert len(feed["layout"][0]["field"]) == 14


def test_rule_book_loads(rulebook):
    assert list(md.load_rulebook(rulebook).feeds) == ["yardstick"]


def test_a_day_is_a_day(tmp_path):
    expected = workload.generate(tmp_path, 4_000, 2, processes=1, days=1)
    lines = b"".join(path.read_bytes() for path in tmp_path.glob("cdr_*.txt")).split(b"\n")
    days = Counter(line.split(b"|")[5][:8] for line in lines if line.count(b"|") == 13)
    assert days[b"20260601"] > 0.99 * expected["rows"]
    assert sum(days.values()) - days[b"20260601"] < expected["rejects"]
    with pytest.raises(ValueError, match="days"):
        workload.generate(tmp_path, 1000, 2, days=31)


# ------------------------------------------------------------------------------------------ comparison


def test_a_difference_is_noticed():
    assert disagreements("T1-table", {"a": {"valid": 1, "rejects": 5}, "b": {"valid": 1, "rejects": 6}}, {}) == [
        "rejects: a 5, b 6"
    ]
    assert disagreements("T1-table", {"a": {"valid": 2, "rejects": 0}}, {"valid": 1}) == ["valid: a 2, expected 1"]
    assert disagreements("T1-table", {"a": {"valid": 1, "rejects": 0}}, {"valid": 1}) == []


def test_a_total_that_is_not_told_is_a_difference():
    assert disagreements("T1-table", {"a": {"valid": 1, "rejects": 0}, "b": {"valid": 1}}, {}) == [
        "rejects: a 0, b nothing"
    ]


def test_sums_are_compared_modulo_2_to_the_64th():
    assert modulo_word({"a": (1 << 64) + 3, "b": -1, "c": None}) == {"a": 3, "b": (1 << 64) - 1, "c": 0}


# ----------------------------------------------------------------------------------------- measurement


def test_a_run_is_measured():
    cost = run(["-c", "print('noise'); print('{\"valid\": 3}')"])
    assert cost.totals == {"valid": 3}
    assert cost.wall_s > 0
    assert cost.cpu_s > 0
    assert cost.peak_bytes > 1 << 20
    with pytest.raises(RunFailed, match="ended with 3"):
        run(["-c", "raise SystemExit(3)"])


def test_a_large_parent_does_not_count():
    held = bytearray(b"x" * (300 << 20))
    assert run(["-c", "print('{}')"]).peak_bytes < 100 << 20 < len(held)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processors cannot be chosen here")
def test_processors_are_counted():
    program = ["-c", "import os; print('{\"processors\": %d}' % len(os.sched_getaffinity(0)))"]
    assert run(program, processors=1).totals == {"processors": 1}
    assert run(program).totals == {"processors": len(os.sched_getaffinity(0))}


def test_ratios_are_formed_within_a_round():
    def cost(seconds: float, peak: int = 10**9) -> Measurement:
        return Measurement(seconds, seconds, peak, {})

    rounds = [
        {"mediation": cost(1.0), "duckdb": cost(4.0), "polars": cost(3.0, 2 * 10**9)},
        {"mediation": cost(2.0), "duckdb": cost(8.0, 4 * 10**9), "polars": cost(10.0, 2 * 10**9)},
    ]
    assert ratios(rounds, "polars") == [3.0, 5.0]
    assert best_peer_ratios(rounds) == [3.0, 4.0]
    assert memory_shares(rounds) == [1.0, 0.5]
    assert best_peer_ratios([{"duckdb": cost(1.0)}]) == best_peer_ratios([{"mediation": cost(1.0)}]) == []
    printed = table({"T5": rounds}, 3_000_000)
    assert "| T5 | polars | 6.50 | 6.50 | 0.46 | 2.00 | 4.00× (3.00–5.00) |  |" in printed
    assert "| T5 | mediation | 1.50 | 1.50 | 2.00 | 1.00 | 3.50× (3.00–4.00) | 0.75 |" in printed


def test_the_heading_names_machine_and_versions():
    assert machine.processor()
    assert "load average" in machine.heading()
    assert f"mediation {md.__version__}" in machine.heading()


# ----------------------------------------------------------------------------------- equal totals


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder."""
    return tmp_path_factory.mktemp("bench")


@pytest.mark.parametrize("task", TASKS)
def test_all_programs_find_the_same(work, task):
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    data = prepare(work, DataSet(8_000, 2))
    (found,) = bench.in_turn(task, data, list(bench.PROGRAMS), 1, 2, work / "out")
    assert set(found) == ({"mediation"} if task in OURS_ALONE else set(bench.PROGRAMS))
    assert not (work / "out").exists()


@pytest.mark.parametrize("wanted", [DataSet(8_000, 1), DataSet(8_000, 2, "gzip"), DataSet(8_000, 2, "zstd")])
def test_other_inputs_too(work, wanted):
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    data = prepare(work, wanted)
    bench.in_turn("T2", data, list(bench.PROGRAMS), 1, 1, work / "out")


def test_a_wrong_total_ends_the_command(work):
    data = prepare(work, DataSet(8_000, 2))
    with pytest.raises(SystemExit, match="totals differ"):
        bench.in_turn("T1", data._replace(expected={"valid": 1}), ["mediation"], 1, 1, work / "out")


def test_the_command_prints_a_table(work):
    options = ["--work", str(work), "--rows", "8000", "--single-file", "--rounds", "1", "--programs", "mediation"]
    arguments = [sys.executable, "-m", "benchmarks", *options, "--threads", "1", "--tasks", "T1"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "8,000 records, files: 1, threads: 1, rounds: 1" in done.stdout
    assert "| T1 | mediation |" in done.stdout
