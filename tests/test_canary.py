"""No subscriber number in what a person or a log collector sees: output, errors, tracebacks, run.json."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mediation.sample
from mediation.sample.generate import generate

RULES = Path(mediation.sample.__file__).parent / "rulebook"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    folder = tmp_path_factory.mktemp("canary") / "market"
    generate(folder, records=9000, processes=1, faults=True)
    return folder


@pytest.fixture(scope="module")
def canaries(market):
    """Every subscriber number of the market, as files write it: with and without the country code."""
    with open(market / "reference" / "subscriptions.csv", newline="", encoding="utf-8") as file:
        numbers = {row["msisdn"] for row in csv.DictReader(file)}
    return numbers | {number.removeprefix("86") for number in numbers}


def spoken(*arguments, cwd):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "mediation", *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def leaks(text, canaries):
    return {number for number in re.findall(r"\d{11,}", text) if number in canaries}


def test_run_says_no_number(market, canaries, tmp_path):
    assert len(canaries) > 1000
    files = sorted((market / "in").iterdir())
    common = ("run", "--rulebook", RULES, "--reference", market / "reference")
    code, text = spoken(*common, "--out", tmp_path / "out", *files, cwd=tmp_path)
    assert code in (0, 65)
    assert not leaks(text, canaries)
    assert not leaks((tmp_path / "out" / "run.json").read_text(), canaries)
    code, text = spoken(*common, "--out", tmp_path / "again", "--json", *files, cwd=tmp_path)
    assert code in (0, 65)
    assert not leaks(text, canaries)


def test_a_broken_reference_says_no_number(market, canaries, tmp_path):
    reference = tmp_path / "reference"
    reference.mkdir()
    lines = (market / "reference" / "subscriptions.csv").read_text(encoding="utf-8").splitlines()
    (reference / "subscriptions.csv").write_text("\n".join([*lines, lines[1], lines[2].replace(",", ";", 1)]) + "\n")
    files = sorted((market / "in").iterdir())
    arguments = ("run", "--rulebook", RULES, "--reference", reference, "--out", tmp_path / "out", *files)
    code, text = spoken(*arguments, cwd=tmp_path)
    assert code == 78
    assert "subscriptions.csv" in text
    assert not leaks(text, canaries)
    assert not (tmp_path / "out").exists()
