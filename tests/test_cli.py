"""The command line: exit codes, what is printed, and what is never printed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import mediation.sample
from mediation.cli import main, money
from mediation.native._status import simd_levels

BOOK = str(Path(mediation.sample.__file__).parent / "rulebook")


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "day"
    result = call("generate", "--out", out, "--records", 12_000, "--seed", 3, "--processes", 1, "--json")
    assert result.exit_code == 0
    return out, json.loads(result.stdout)


def run_options(day, out):
    return ["run", "--rulebook", BOOK, "--reference", day[0] / "reference", "--out", out]


def test_run_prints_what_run_json_holds(day, tmp_path):
    result = call(*run_options(day, tmp_path / "out"), "--json", "--threads", 2, *sorted((day[0] / "in").iterdir()))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["records_in"] == day[1]["records"]
    assert report["threads"] == 2
    assert {"wall_s", "cpu_s", "rows"} == set(report["stages"]["decode"])
    assert (tmp_path / "out" / "settlement.csv").read_text().startswith("cycle,host,service,")
    for name in KEYS:
        assert name in report


KEYS = [
    "version",
    "tzdata",
    "records_in",
    "held_before",
    "recycled",
    "rated",
    "rejected",
    "suspended",
    "duplicates",
    "merged",
    "filtered",
    "written_off",
    "held_after",
    "conflicts",
    "files_refused",
    "bytes_refused",
    "bytes_in",
    "bytes_accounted",
    "file_bytes",
    "wholesale_micro",
    "retail_micro",
    "rulebook_hash",
    "reference_hash",
    "digest",
    "stages",
    "peak_rss_bytes",
    "threads",
    "simd",
]


def test_quiet_is_quiet_and_no_subscriber_number_is_shown(day, tmp_path):
    files = sorted((day[0] / "in").iterdir())
    quiet = call(*run_options(day, tmp_path / "quiet"), "--quiet", *files)
    assert (quiet.exit_code, quiet.output) == (0, "")
    loud = call(*run_options(day, tmp_path / "loud"), *files)
    assert loud.exit_code == 0
    assert "certificate" in loud.output
    assert "closes" in loud.output
    assert not re.search(r"(?<![0-9a-f])(86)?1[3-9][0-9]{9}(?![0-9a-f])", loud.output)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run"], 64),
        (["nonsense"], 64),
        (["run", "--rulebook", BOOK, "--out", "{tmp}/out", "{tmp}/missing"], 66),
        (["run", "--rulebook", "{tmp}/none", "--out", "{tmp}/out", "{file}"], 78),
        (["run", "--rulebook", BOOK, "--reference", "{reference}", "--out", "{tmp}", "{file}"], 73),
        (["run", "--rulebook", BOOK, "--reference", "{reference}", "--out", "{tmp}/x/out", "{file}"], 73),
        (["run", "--rulebook", BOOK, "--reference", "{reference}", "--columns", "x", "--out", "{tmp}/o", "{file}"], 64),
        (["run", "--rulebook", BOOK, "--reference", "{reference}", "--out", "{tmp}/o", "{stranger}"], 65),
        (["check", "{tmp}"], 78),
        (["check", BOOK], 0),
        (["generate", "--out", "{tmp}"], 73),
        (["generate", "--out", "{tmp}/out", "--feed", "nonsense"], 64),
        (["generate", "--out", "{tmp}/out", "--records", "3"], 64),
        (["--help"], 0),
    ],
)
def test_exit_codes(day, tmp_path, arguments, code):
    stranger = tmp_path / "stranger.txt"
    stranger.write_bytes(b"what?\n")
    places = {"tmp": tmp_path, "reference": day[0] / "reference", "stranger": stranger}
    places["file"] = min((day[0] / "in").iterdir())
    if code == 66:
        arguments = [*arguments[:3], "--reference", "{reference}", *arguments[3:]]
    result = call(*(argument.format(**places) for argument in arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_what_was_refused_is_explained(day, tmp_path):
    cut = tmp_path / "cmcc-usage-20260601-0001.csv.gz"
    cut.write_bytes((day[0] / "in" / cut.name).read_bytes()[:2_000])
    result = call(*run_options(day, tmp_path / "out"), cut, *sorted((day[0] / "in").glob("CUCC*")))
    assert result.exit_code == 65
    assert f"{cut.name}: damaged_compression: " in result.stderr
    assert "files refused: 1, allowed: 0" in result.stderr


@pytest.mark.parametrize("level", simd_levels())
def test_neither_the_instruction_set_nor_the_hash_seed_is_in_the_digest(day, tmp_path, level):
    results = []
    for out, threads, settings in (
        ("plain", 2, {}),
        ("forced", 1, {"MEDIATION_SIMD": level, "PYTHONHASHSEED": str(len(level))}),
    ):
        files = sorted((day[0] / "in").iterdir(), reverse=out == "forced")
        command = [*run_options(day, tmp_path / out), "--threads", threads, "--json", *files]
        command = [sys.executable, "-m", "mediation", *map(str, command)]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
        results.append(json.loads(done.stdout))
    plain, forced = results
    assert forced["simd"] == level
    assert forced["digest"] == plain["digest"]
    assert (tmp_path / "forced/settlement.csv").read_bytes() == (tmp_path / "plain/settlement.csv").read_bytes()


def test_an_instruction_set_that_nobody_has_is_a_usage_error(day, tmp_path):
    command = [*run_options(day, tmp_path / "out"), min((day[0] / "in").iterdir())]
    command = [sys.executable, "-m", "mediation", *map(str, command)]
    done = subprocess.run(command, env={**os.environ, "MEDIATION_SIMD": "mmx"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)


def spoken_in(folder, day):
    command = [
        sys.executable,
        "-m",
        "mediation",
        *map(str, run_options(day, "out")),
        *sorted((day[0] / "in").iterdir()),
    ]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_stopped_publishes_nothing(day, tmp_path, number):
    running = spoken_in(tmp_path, day)
    while not list(tmp_path.glob(".out.*/*")) and running.poll() is None:
        time.sleep(0.002)
    running.send_signal(number)
    stderr = running.communicate()[1].decode()
    assert running.returncode == (-number if number == signal.SIGKILL else 75)
    assert "Traceback" not in stderr
    assert not (tmp_path / "out").exists()
    assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_changes_nothing(day, tmp_path):
    running = spoken_in(tmp_path, day)
    running.stdout.close()
    assert (running.stderr.read(), running.wait()) == (b"", 0)
    assert (tmp_path / "out" / "run.json").exists()


def test_demo_shows_a_settled_day(tmp_path):
    result = call("demo", "--out", tmp_path / "demo", "--records", 10_000, "--threads", 2)
    assert result.exit_code == 0, result.output
    for expected in ("CMCC", "CUCC", "CTCC", "voice", "margin", "exceptions by code", "closes", "a second"):
        assert expected in result.output
    assert (tmp_path / "demo" / "out" / "rated" / "part-00000.parquet").exists()


def test_module_starts_quickly_without_a_traceback(tmp_path):
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "mediation", "check", str(tmp_path)], capture_output=True, text=True)
    assert time.perf_counter() - began < 5
    assert done.returncode == 78
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_money_is_rounded_half_away_from_zero():
    assert [money(value) for value in (5_000, -5_000, 1_234_567_890_000, 4_999)] == [
        "0.01",
        "-0.01",
        "1,234,567.89",
        "0.00",
    ]
