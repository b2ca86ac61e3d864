"""RAP files read without a rule book: what they return, error by error; and formats where others are expected."""

from __future__ import annotations

from random import Random

import pytest

import mediation as md
from mediation.errors import RulebookError, SourceRefused, UsageError
from tests.asn1 import ber, modules, nrtrde, rap
from tests.malformed.asn1.growing import in_batch
from tests.malformed.asn1.tap import CALL
from tests.tap_book import tap_book


def shape() -> ber.Shape:
    return ber.Shape("choice", lambda: ber.tagged_shapes(modules.rap()))


def read(path, data: bytes):
    path.write_bytes(data)
    return md.decode(path, "rap")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("manner", [None, ber.Manner(unknown=0), ber.USUAL])
def test_what_is_returned_is_read(tmp_path, seed, manner):
    random = Random(seed)
    data, meant = rap.file_of(random, 60, decimals=random.choice([0, 3, 6]))
    usage, rejects = read(tmp_path / "x", data if manner is None else ber.rewrite(data, random, shape(), manner).data)
    assert rejects.num_rows == 0
    assert usage.select(list(rap.COLUMNS)).to_pylist() == meant
    assert max(usage["item_no"].to_pylist()) > 0


def test_a_file_without_charges_need_not_say_its_decimals(tmp_path):
    data, meant = rap.file_of(Random(1), 20, decimals=None)
    usage, _ = read(tmp_path / "x", data)
    assert usage.select(list(rap.COLUMNS)).to_pylist() == meant


def test_charges_without_decimals_are_null_and_their_total_is_not_checked(tmp_path):
    data, meant = rap.file_of(Random(1), 20)
    (batch,) = ber.parse(data)
    control = batch.body[0]
    scaleless = [node for node in control.body if node.tag != ber.tag(244, of="APPLICATION")]
    data = ber.emit(ber.Node(batch.tag, [ber.Node(control.tag, scaleless), *batch.body[1:]]))
    usage, _ = read(tmp_path / "x", data)
    assert usage["served_imsi"].to_pylist() == [row["served_imsi"] for row in meant]
    assert set(usage["host_charge_amount"].to_pylist()) == {None}


def test_an_acknowledgement_returns_nothing(tmp_path):
    usage, rejects = read(tmp_path / "x", rap.acknowledgement(Random(1)))
    assert (usage.num_rows, rejects.num_rows) == (0, 0)


def test_a_feed_of_a_rule_book_takes_no_returns(tmp_path):
    with pytest.raises(RulebookError, match=r"holds no usage to be charged; read such files by md.decode\(path, 'rap'"):
        tap_book(tmp_path, format_name="rap")


def test_a_format_that_nobody_knows_is_named(tmp_path):
    with pytest.raises(UsageError, match="known are nrtrde, rap, tap3, ts32298"):
        md.decode(tmp_path / "x", "tap4")


FILES = {
    "tap3": lambda: in_batch(CALL.raw)(3 << 20),
    "nrtrde": lambda: nrtrde.file_of(Random(1), 3)[0],
    "rap": lambda: rap.file_of(Random(1), 3)[0],
    "ts32298": lambda: bytes.fromhex("bf4f03800155"),
}


@pytest.mark.parametrize("held", FILES)
@pytest.mark.parametrize("declared", FILES)
def test_each_format_refuses_the_others(tmp_path, held, declared):
    """Even where a file is so long that the others' records are not among its first bytes."""
    if held == declared:
        return
    (tmp_path / "x").write_bytes(FILES[held]())
    with pytest.raises(SourceRefused, match="wrong_format: it is a file of another kind"):
        md.decode(tmp_path / "x", declared)
