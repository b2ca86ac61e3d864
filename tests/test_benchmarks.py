"""The yardstick: data that are what they were, a rule book that loads, a comparison that notices differences."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from collections import Counter

import pytest

import mediation as md
from benchmarks import workload, yardstick_rulebook
from benchmarks.__main__ import Bench
from benchmarks.measure import Measurement, RunFailed, disagreements, run
from benchmarks.report import best_peer_ratio, ratios, table
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
    if not hasattr(md, "load_rulebook"):
        pytest.skip("load_rulebook is not built yet")
    book = md.load_rulebook(rulebook)
    assert list(book.feeds) == ["yardstick"]


def test_a_difference_is_noticed():
    found = {"a": {"valid": 1, "sum_retail": 5}, "b": {"valid": 1, "sum_retail": 6}}
    assert disagreements(found, {"valid": 1}) == ["sum_retail: a 5, b 6"]
    assert disagreements({"a": {"valid": 2}}, {"valid": 1}) == ["valid: a 2, expected 1"]
    assert disagreements({"a": {"valid": 1}}, {"valid": 1}) == []


def test_a_run_is_measured():
    wall, cpu, peak, printed = run(["-c", "print('noise'); print('{\"valid\": 3}')"])
    assert printed == {"valid": 3}
    assert wall > 0
    assert cpu > 0
    assert peak > 1 << 20
    with pytest.raises(RunFailed, match="ended with 3"):
        run(["-c", "raise SystemExit(3)"])


def test_ratios_are_formed_within_a_round():
    def cost(seconds: float) -> Measurement:
        return Measurement(seconds, seconds, 10**9, {})

    rounds = [
        {"mediation": cost(1.0), "duckdb": cost(4.0), "polars": cost(3.0)},
        {"mediation": cost(2.0), "duckdb": cost(8.0), "polars": cost(10.0)},
    ]
    assert ratios(rounds, "polars") == [3.0, 5.0]
    assert best_peer_ratio(rounds) == 3.5
    assert best_peer_ratio([{"duckdb": cost(1.0)}]) is None
    printed = table({"T5": rounds}, 3_000_000)
    assert "| T5 | polars | 6.50 | 6.50 | 0.46 | 1.00 | 4.00× (3.00–5.00) |" in printed


def test_peers_agree_with_what_is_expected(tmp_path):
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    bench = Bench(tmp_path, 20_000, 2, workload.SEED, threads=2)
    for task in ("T1", "T2", "T3", "T5"):
        rounds = bench.rounds(task, ["duckdb", "polars"], 1)
        assert set(rounds[0]) == {"duckdb", "polars"}
