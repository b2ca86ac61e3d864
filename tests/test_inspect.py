"""`mediation inspect`: a binary file by eye, whole or damaged, and never a subscriber's number unless asked for."""

from __future__ import annotations

import os
from random import Random

import pytest
from click.testing import CliRunner

from mediation.cli import main
from tests.asn1 import rap, ts32297
from tests.asn1.ts32297 import OPEN, Header, Moment, Release
from tests.malformed.asn1 import GOOD, NEXT, exchange
from tests.malformed.asn1.tap import joined
from tests.test_tap3 import CALL, CONTENT, NOTIFICATION

NUMBERS = ("262092464569171", "239228473214", "436643313540", "2620924645691", "262092464523231")
IMSI = bytes.fromhex("262092464569171f")


def inspected(path, *options):
    return CliRunner().invoke(main, ["inspect", str(path), *map(str, options)])


@pytest.mark.parametrize(
    ("path", "title", "says"),
    [
        (CALL, "TAP3 transfer batch", ["mobileOriginatedCall", "1 records: voice_mo 1", "its totals agree"]),
        (CONTENT, "TAP3 transfer batch", ["8 records: content_transaction 8", "its totals agree"]),
        (NOTIFICATION, "TAP3 notification", ["0 records", '"00304"']),
    ],
)
def test_what_a_file_is_and_holds(path, title, says):
    done = inspected(path)
    assert done.exit_code == 0, done.output
    assert title in done.output
    assert [each for each in says if each not in done.output] == []
    assert [each for each in NUMBERS if each in done.output] == []


EXCHANGED = {
    "nrtrde": (
        lambda: joined(exchange.report(exchange.MOC)),
        ["NRTRDE report", "connectedNumber", '"AUTPT"', "1 records: voice_mo 1", "it has no totals"],
    ),
    "rap": (
        lambda: joined(exchange.returned(exchange.SEVERE, exchange.LOST, total=1500)),
        ["RAP return batch", "severeReturn", "mobileOriginatedCall", "2 records: missing_return 1, severe_return 1"],
    ),
    "acknowledgement": (lambda: rap.acknowledgement(Random(1)), ["RAP acknowledgement", '"CHNMV"', "0 records"]),
}


@pytest.mark.parametrize("name", EXCHANGED)
def test_what_roaming_partners_exchange_beside_tap(tmp_path, name):
    make, says = EXCHANGED[name]
    (tmp_path / "x").write_bytes(make())
    done = inspected(tmp_path / "x")
    assert done.exit_code == 0, done.output
    assert [each for each in says if each not in done.output] == []
    assert [each for each in ("46000", "86139", "86138") if each in done.output] == []


def test_numbers_are_shown_when_asked_for():
    assert IMSI.hex() in inspected(CALL, "--unmask").output
    assert IMSI.hex() not in inspected(CALL).output


@pytest.mark.parametrize("length", [30, 200, 300, 500, 600, 660])
def test_a_file_cut_short_is_shown_and_refused(tmp_path, length):
    path = tmp_path / "cut"
    path.write_bytes(CALL.read_bytes()[:length])
    done = inspected(path)
    assert done.exit_code == 65, done.output
    assert "a run would refuse it" in done.output


def test_every_damage_is_said(tmp_path):
    """No byte of a file, whatever it becomes, ends `inspect` with a traceback."""
    sound, path = CALL.read_bytes(), tmp_path / "damaged"
    for at in range(0, len(sound), 3):
        for octet in (0x00, 0x80, 0xFF, sound[at] ^ 0x20):
            path.write_bytes(sound[:at] + bytes([octet]) + sound[at + 1 :])
            done = inspected(path)
            assert done.exit_code in (0, 64, 65), (at, octet, done.output[-500:], done.exception)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bytes.fromhex("6109 5f2901 02 5f3e01 01".replace(" ", "")), "NRTRDE report"),
        (bytes.fromhex("7f841604 9f220101".replace(" ", "")), "RAP return batch"),
        (bytes.fromhex("7f841700"), "RAP acknowledgement"),
        (b"\xff\xff" + bytes.fromhex("bf4f03 800155".replace(" ", "")), "3GPP TS 32.298 records"),
        (bytes.fromhex("3003 020101".replace(" ", "")), "BER records"),
    ],
)
def test_formats_are_told_by_their_bytes(tmp_path, data, says):
    path = tmp_path / "x"
    path.write_bytes(data)
    assert says in inspected(path).output


def test_what_is_no_binary_format_is_said(tmp_path):
    path = tmp_path / "x"
    for data, options, says in (
        (b"8613800000001|20260110080000\n", [], "it is text"),
        (b'"MO","20260110080000","8613800000001"\n' * 20, [], "it is text"),  # a tag, a length, and so on to the end
        (b"bytes,records\n1,2\n", [], "it is text"),  # a notification's tag
        ("号码|时间\n".encode("gb18030"), [], "it is text"),
        (b"", [], "it is empty"),
        (b"\1\2\3\4", ["--header-bytes", "4"], "it ends within the 4 bytes of its header"),
        (b"\1\2\3\4", [], "none of the binary formats"),
        (b"\1\2\3\4", [], "say its length with --header-bytes"),
    ):
        path.write_bytes(data)
        done = inspected(path, *options)
        assert done.exit_code == 64
        assert f"{path}: " in done.output, data[:20]
        assert says in done.output, data[:20]


def test_text_is_no_ber_although_its_first_octets_could_be(tmp_path):
    (tmp_path / "notes.md").write_text("# mediation\n\nA line of text, and more of it.\n")
    done = inspected(tmp_path / "notes.md")
    assert done.exit_code == 64, done.output


def test_a_file_of_ts32297_says_when_why_and_what_was_lost(tmp_path):
    header = Header(
        opened=Moment(12, 31, 23, 50, 480),
        appended=Moment(1, 1, 0, 10, 480),
        high=Release(17, 2),
        low=Release(99),
        closure=ts32297.TIME,
        lost=130,
        filter=b"\xab\xcd",
        private=b"\xef",
    )
    path = tmp_path / "pgw1_-_7.20260101_-_0010.dat"
    path.write_bytes(ts32297.file_of([GOOD.raw, NEXT.raw], header))
    done = inspected(path)
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    for line in (
        "releases R99.0 to Rel-17.2",
        "opened 2025-12-31 23:50 +0800, its year by its name",
        "last record 2026-01-01 00:10 +0800, its year by its name",
        "records 2",
        "closed open_time_limit",
        "records lost 2",
        "routeing filter abcd",
        "private extension ef",
        "2 records: data 2",
    ):
        assert line in lines


@pytest.mark.parametrize("name", ["x", "99999999.dat", "20261341"])
def test_without_a_date_in_its_name_the_modification_says_the_year(tmp_path, name):
    header = Header(opened=Moment(2, 29, 1, 2, 0), length=OPEN, count=OPEN, lost=128, closure=200)
    path = tmp_path / name
    path.write_bytes(ts32297.file_of([GOOD.raw], header))
    os.utime(path, (1709251200, 1709251200))  # 1 March 2024
    done = inspected(path)
    assert "2024-02-29 01:02 +0000, its year by its modification" in done.output
    assert done.output.count("not known") == 2
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert {"closed 200", "records lost at least 1"} <= {*lines}


def test_elements_that_no_table_names_are_counted(tmp_path):
    (tmp_path / "x").write_bytes(GOOD.raw[:2] + bytes([GOOD.raw[2] + 4]) + GOOD.raw[3:] + b"\x9f\x81\x48\x00")
    both = [inspected(tmp_path / "x").output]
    (tmp_path / "x").write_bytes(GOOD.raw)
    both.append(inspected(tmp_path / "x").output)
    counts = [int(output.partition("passed over: ")[2].split()[0]) for output in both]
    assert counts[0] == counts[1] + 1 > 1


def test_a_header_of_the_senders_own_is_passed_over_when_it_is_told(tmp_path):
    path = tmp_path / "x"
    for content, title in ((CALL.read_bytes(), "TAP3 transfer batch"), (GOOD.raw, "3GPP TS 32.298 records")):
        path.write_bytes(b"\0" * 24 + content)
        done = inspected(path, "--header-bytes", 24)
        assert done.exit_code == 0, done.output
        assert title in done.output
        assert "1 records" in done.output
    assert inspected(path, "--header-bytes", 60000).exit_code == 64
