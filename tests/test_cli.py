"""The command line: exit codes, what is printed, and what is never printed."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mediation.cli
import mediation.sample
from mediation.cli import console, files, main, workspaces
from mediation.cli.console import shown
from mediation.cli.files import money
from mediation.native._status import simd_levels
from tests.decode_book import NUMBER, TIME, feed_of
from tests.malformed import GOOD

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
        (["generate", "--out", "{tmp}/out", "--files", "1"], 64),
        (["generate", "--out", "{tmp}/out", "--date", "9999-12-31"], 64),
        (["generate", "--out", "{tmp}/out", "--files", "10001"], 64),
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
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, **pipes, preexec_fn=signals_as_at_login)


def signals_as_at_login():
    """Whatever runs the tests (nohup, a shell's background) may ignore signals, and a child inherits that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


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


def test_a_signal_that_a_library_makes_an_error_of_its_own_of_is_a_signal(capsys):
    @click.group(cls=console.Command, invoke_without_command=True)
    def command():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("no such module") from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as end:
            command([])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 75
    assert capsys.readouterr().err.startswith("mediation: stopped before the end")


def test_a_reader_that_goes_away_changes_nothing(day, tmp_path):
    running = spoken_in(tmp_path, day)
    running.stdout.close()
    assert (running.stderr.read(), running.wait()) == (b"", 0)
    assert (tmp_path / "out" / "run.json").exists()


def test_without_stdout_and_stderr_the_exit_code_is_the_same(tmp_path):
    for folder, code in ((BOOK, 0), (tmp_path, 78)):
        command = [sys.executable, "-m", "mediation", "check", folder]
        assert subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]).returncode == code


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


@pytest.mark.parametrize(
    ("text", "terminal"),
    [
        ("北京 1,234.50 CNY", "北京 1,234.50 CNY"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nmediation: all is well", "a\\nmediation: all is well"),
        ("a\r\tb\0\x7f\x08", "a\\r\\tb\\x00\\x7f\\x08"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("a\u202egnp.exe\u2066\u200b\u2028", "a\\u202egnp.exe\\u2066\\u200b\\u2028"),
        ("a\udcff", "a\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_printed_is_obeyed_by_a_terminal(text, terminal):
    assert shown(text) == terminal


EVIL = os.fsdecode(b"\x1b[2J\xff\nmediation: all is well")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "--rulebook", "{tmp}/book", "--out", "{tmp}/out", "{tmp}/x{evil}.txt", "{tmp}/y{evil}"], 65),
        (["run", "--rulebook", "{tmp}/book", "--out", "{tmp}/out{evil}", "{tmp}/x{evil}.txt"], 65),
        (["run", "--rulebook", "{tmp}/book", "--out", "{tmp}/out", "{tmp}/{evil}"], 66),
        (["run", "--rulebook", "{tmp}/book", "--out", "{tmp}/{evil}/out", "{tmp}/x{evil}.txt"], 73),
        (["run", "--rulebook", "{tmp}/book", "--out", "{tmp}/out", "--columns", "{evil}", "{tmp}/x{evil}.txt"], 64),
        (["run", "--{evil}"], 64),
        (["{evil}"], 64),
        (["check", "{tmp}/{evil}"], 78),
        (["check", "{tmp}/bad"], 78),
        (["check", "{tmp}/book"], 0),
        (["generate", "--out", "{tmp}/{evil}/out"], 73),
        (["generate", "--out", "{tmp}/new", "--feed", "{evil}"], 64),
        (["generate", "--out", "{tmp}/new", "--date", "{evil}"], 64),
    ],
)
def test_names_from_outside_are_printed_as_text(tmp_path, arguments, code):
    book = feed_of(tmp_path / "book", [NUMBER, TIME, {"column": "x", "type": "text"}], feed={"zone": "Asia/Shanghai"})
    rules = (tmp_path / "book" / "rulebook.toml").read_text()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "rulebook.toml").write_text(rules.replace('"p"', r'"\u001b[2J\nmediation: all is well"'))
    assert book.name == "f"
    for name in ("x" + EVIL + ".txt", "y" + EVIL):
        (tmp_path / name).write_bytes(GOOD.raw + b"bad\n")
    result = call(*(argument.format(tmp=tmp_path, evil=EVIL) for argument in arguments))
    printed = result.stdout + result.stderr
    assert result.exit_code == code, printed
    assert not [c for c in printed if not c.isprintable() and c != "\n"]
    assert "\nmediation: all is well" not in printed
    assert "Traceback" not in printed


def test_one_function_prints():
    """Everything else goes through `say`, but for JSON, which escapes by itself."""
    source = "".join(map(inspect.getsource, (mediation.cli, console, files, workspaces)))
    assert source.count("click.echo(") == 1
    assert not re.search(r"\bprint\(|sys\.std(out|err)\.write|click\.secho", source)
