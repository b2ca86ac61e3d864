"""Ten thousand random values of every kind of record, from encoders that are not the decoder's author's.

`make differential` takes as many as one likes, each in every form.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from random import Random

import pytest

from mediation.rulebook.formats import format_table
from tests.asn1 import ber, declared, differential, known, tap, vendor
from tests.asn1.book import book_of, decoded
from tests.malformed.asn1 import tap as malformed

FEW = {"pGWRecord": 1000}  # by a declared table, of an encoder that takes twenty times as long as the others


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor() as processes:
        yield processes


@pytest.mark.slow
@pytest.mark.parametrize("kind", differential.KINDS)
def test_what_was_encoded_is_decoded(tmp_path, pool, kind):
    values = 250 if "-3." in kind else FEW.get(kind, 10_000)  # few of earlier TAP, whose files are made twice
    tally = differential.run(pool, tmp_path, kind, values, seed=1, in_turn=True)
    assert tally.values == tally.decodings == values


@pytest.mark.slow
@pytest.mark.parametrize("kind", differential.KINDS)
def test_every_form_means_the_same(tmp_path, pool, kind):
    tally = differential.run(pool, tmp_path, kind, 20, seed=2)
    assert tally.decodings == 4 * tally.values == 80


def test_every_column_of_the_table_is_compared():
    assert {field.column for field in format_table("ts32298").field} == {*known.COLUMNS}


def vendor_usage(path, book):
    """Of twenty files of a vendor: their usage, and what was meant."""
    for seed in range(20):
        random = Random(seed)
        data, calls = vendor.file_of(random, 50)
        path.write_bytes(ber.rewrite(data, random, vendor.SHAPE).data)
        found = decoded(path, book)
        assert found.code is None
        assert {row["field"] for row in found.rejects} == {"record_type"}  # what the table does not list
        yield found.usage, [row for each in calls for row in declared.vendor_rows(each)]


def test_a_file_of_a_vendor(tmp_path):
    """Header, records of several kinds, a trailer that counts them: by a declared table, no code."""
    book = book_of(tmp_path / "book", "ber", **declared.VENDOR)
    for usage, meant in vendor_usage(tmp_path / "x", book):
        assert [{column: row[column] for column in meant[0]} for row in usage] == meant


def vendor_by_known_table(folder):
    """The vendor's wrapper and its one member, around records that the package's table knows."""
    own = declared.field("record_number", "integer", "integer", "0/232")
    return book_of(folder, "ts32298", ber=declared.VENDOR["ber"], field=[own])


def test_a_file_of_a_vendor_by_the_packages_table(tmp_path):
    book = vendor_by_known_table(tmp_path / "book")
    for usage, meant in vendor_usage(tmp_path / "x", book):
        for row, known_row in zip(meant, usage, strict=True):
            row.pop("cause")  # has a name here
            assert {column: known_row[column] for column in row} == row


@pytest.mark.parametrize("count", [0, 49, 51])
@pytest.mark.parametrize("known_table", [False, True])
def test_a_vendors_count_is_checked(tmp_path, count, known_table):
    folder = tmp_path / "book"
    book = vendor_by_known_table(folder) if known_table else book_of(folder, "ber", **declared.VENDOR)
    (tmp_path / "x").write_bytes(vendor.file_of(Random(1), 50, count=count)[0])
    assert decoded(tmp_path / "x", book).code == "record_count_mismatch"


@pytest.mark.parametrize("kind", ["mobileOriginatedCall", "contentTransaction"])
def test_tables_of_the_header_may_have_members_of_nobodys(tmp_path, kind):
    """Time zones, entities and rates are what they are, whatever stands beside."""
    random, book = Random(1), book_of(tmp_path / "book", "tap3")
    file = tap.file_of(random, [kind] * 50)
    (tmp_path / "x").write_bytes(
        ber.rewrite(file.encoded(), random, differential.tap_shape(), ber.Manner(unknown=0.5)).data
    )
    found = decoded(tmp_path / "x", book)
    assert [row["node_id"] for row in found.usage] == [row["node_id"] for row in file.rows]
    assert [row["start_time"] for row in found.usage] == [row["start_time"] for row in file.rows]
    assert [row["exchange_rate"] for row in found.usage] == [row["exchange_rate"] for row in file.rows]


@pytest.mark.parametrize(("kind", "message"), [("mobileOriginatedCall", "sms_mo"), ("mobileTerminatedCall", "sms_mt")])
def test_the_other_party_of_a_short_message_is_not_its_service_centre(tmp_path, kind, message):
    file = tap.file_of(Random(1), [kind] * 100)
    (tmp_path / "x").write_bytes(file.encoded())
    found = decoded(tmp_path / "x", book_of(tmp_path / "book", "tap3"))
    told = [row["other_party"] for row in found.usage if row["record_type"] == message]
    assert told == [row["other_party"] for row in file.rows if row["record_type"] == message]


def test_special_drawing_rights_have_two_codes(tmp_path):
    """The sample files name advised charges in SDR; ISO 4217 has XDR."""
    control, _, network = malformed.PARTS
    pieces = malformed.batch(malformed.CALL, parts=(control, malformed.accounting(currency="SDR"), network))
    (tmp_path / "x").write_bytes(malformed.joined(pieces))
    found = decoded(tmp_path / "x", book_of(tmp_path / "book", "tap3"))
    assert [row["host_charge_currency"] for row in found.usage] == ["XDR"]


def test_what_is_paid_back_is_negative_and_the_file_accepted(tmp_path):
    file = tap.file_of(Random(1), ["contentTransaction"] * 100)
    (tmp_path / "x").write_bytes(file.encoded())
    found = decoded(tmp_path / "x", book_of(tmp_path / "book", "tap3"))
    assert found.code is None
    for column in ("host_charge_amount", "tax_amount"):
        told = [row[column] for row in found.usage]
        assert told == [row[column] for row in file.rows]
        assert min(amount for amount in told if amount is not None) < 0


def test_another_value_is_seen(tmp_path, monkeypatch):
    def careless(path, book):
        found = real(path, book)
        found.usage[-1]["duration_s"] = -1
        return found

    real = differential.decoded
    monkeypatch.setattr(differential, "decoded", careless)
    with pytest.raises(AssertionError, match=r"seed .* duration_s"):
        differential.compare(tmp_path, "gprsCall", list(differential.FORMS), values=5, seed=1)
