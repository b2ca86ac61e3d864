"""The decoder of ASN.1 against encoders that are not its author's, on as many random values as one likes.

    python -m tests.asn1.differential [--values 100000] [--seed 1] [--kinds gprsCall …]

Conventions
-----------
- A file holds some hundred values of one kind. It is decoded as its encoder wrote it, rewritten (indefinite and longer
  lengths, sets in another order, members of nobody's), and with filler behind it: all have the rows that were meant.
- Everything follows from the seed; a difference names kind, seed, form, row and column and leaves the file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.asn1 import ber, chf, declared, modules, tap, tap_rows, ts32297, ts32298
from tests.asn1.book import Decoded, book_of, decoded

VALUES = 250  # of a file


class Kind(NamedTuple):
    """A kind of record: the format it comes in, files of so many, and what may be done to them."""

    form: str
    layout: dict[str, Any]
    make: Callable[[Random, int], tuple[bytes, list[dict[str, Any]]]]
    shape: Callable[[], ber.Shape]
    columns: tuple[str, ...]
    wrap: Callable[[bytes], bytes] = bytes  # what stands around the records in the end


class Tally(NamedTuple):
    """Values, the rows they mean, and decodings of them."""

    values: int = 0
    rows: int = 0
    decodings: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


def tap_file(kind: str) -> Callable[[Random, int], tuple[bytes, list[dict[str, Any]]]]:
    def make(random: Random, values: int) -> tuple[bytes, list[dict[str, Any]]]:
        always = random.choice([tap.ALWAYS, tap.ALWAYS, frozenset()])
        file = tap.file_of(random, [kind] * values, always=always)
        return file.encoded(), file.rows

    return make


def tap_shape() -> ber.Shape:
    return ber.Shape("choice", lambda: ber.tagged_shapes(modules.tap().DataInterChange))


def records_file(kind: str, rows) -> Callable[[Random, int], tuple[bytes, list[dict[str, Any]]]]:
    """Records of TS 32.298, back to back."""

    def make(random: Random, values: int) -> tuple[bytes, list[dict[str, Any]]]:
        made = [ts32298.record(random, kind) for _ in range(values)]
        data = b"".join(ts32298.encoded(kind, each) for each in made)
        return data, [row for each in made for row in rows(ts32298.meaning(kind, each))]

    return make


def chf_file(random: Random, values: int) -> tuple[bytes, list[dict[str, Any]]]:
    made = [chf.record(random) for _ in range(values)]
    data = b"".join(map(chf.encoded, made))
    return data, [row for each in made for row in declared.chf_rows(chf.meaning(each))]


def records_shape(kind: str) -> Callable[[], ber.Shape]:
    return lambda: ber.Shape("choice", lambda: ber.tagged_shapes(ts32298.domain(kind)[0]))


def by_declared_table(kind: str, table: dict[str, Any], rows) -> Kind:
    return Kind("ber", table, records_file(kind, rows), records_shape(kind), declared.columns(table))


def by_known_table(kind: str, table: dict[str, Any], rows) -> Kind:
    """The same records by the package's own table, in a file of TS 32.297."""

    def known(said: ts32298.Record) -> list[dict[str, Any]]:
        volumes = {"volume_up": "uplink_bytes", "volume_down": "downlink_bytes"}
        made = rows(said)
        if table is declared.PACKET and not said.containers:
            made = [row | {known: row[own] for own, known in volumes.items()} for row in made]
        return made

    columns = tuple(column for column in declared.columns(table) if column not in declared.OWN_NAMES)
    if kind == "moSMSRecord":
        columns = tuple(column for column in columns if column != "host_record_id")  # there its message reference
    return Kind("ts32298", {}, records_file(kind, known), records_shape(kind), columns, framed)


def framed(data: bytes) -> bytes:
    """Records, one after the other, in a file of TS 32.297."""
    bodies, at = [], 0
    while at < len(data):
        _, end = ber.cut(data, at)
        bodies.append(data[at:end])
        at = end
    return ts32297.file_of(bodies, ts32297.Header(high=ts32297.Release(17)), ts32297.Release(16))


KINDS = {
    **{kind: Kind("tap3", {}, tap_file(kind), tap_shape, tap_rows.COLUMNS) for kind in tap.EVENTS},
    **{
        f"{kind}{how}": made(kind, table, rows)
        for how, made in (("", by_declared_table), ("-framed", by_known_table))
        for kinds, table, rows in (
            (modules.GPRS_RECORDS, declared.PACKET, declared.packet_rows),
            (modules.CS_RECORDS, declared.CIRCUIT, declared.circuit_rows),
        )
        for kind in kinds
    },
    "chargingFunctionRecord": Kind("ber", declared.CHF, chf_file, lambda: chf.SHAPE, declared.columns(declared.CHF)),
}


def require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def same(found: Decoded, expected: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """The rows are those that were meant; raises AssertionError where they are not."""
    require(found.code is None, f"the file was refused: {found.code}")
    for row in found.rejects[:1]:
        raise AssertionError(f"record {row['record_no']}: rejected, {row['code']} in {row['field']}")
    require(len(found.usage) == len(expected), f"{len(found.usage)} rows and not {len(expected)}")
    for number, (row, meant) in enumerate(zip(found.usage, expected, strict=True)):
        for column in columns:
            told = row.get(column)
            require(told == meant[column], f"row {number}: {column} is {told!r} and not {meant[column]!r}")
    require(sum(found.classes.values()) == found.bytes_in, "bytes without a place")


def forms(data: bytes, kind: Kind, random: Random) -> dict[str, bytes]:
    """The same values in every form."""
    shape = kind.shape()
    filler = random.choice(list(ber.FILLERS.values()))(random)
    return {
        "as it was written": kind.wrap(data),
        "in other lengths": kind.wrap(ber.rewrite(data, random, shape, ber.Manner(unknown=0)).data),
        "with members of nobody's": kind.wrap(ber.rewrite(data, random, shape, ber.Manner(unknown=0.2)).data),
        "with filler behind": kind.wrap(ber.rewrite(data, random, shape).data) + filler,
    }


def compare(folder: Path, name: str, values: int, seed: int) -> Tally:
    """One file of a kind, in every form."""
    kind, random, path = KINDS[name], Random(seed), folder / "x"
    book = book_of(folder / "book", kind.form, **kind.layout)
    data, expected = kind.make(random, values)
    made = forms(data, kind, random)
    for form, content in made.items():
        path.write_bytes(content)
        try:
            same(decoded(path, book), expected, kind.columns)
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {seed}, {form}, {path}: {error}") from error
    return Tally(values, len(expected), len(made) * values)


def run(folder: Path, name: str, values: int, seed: int) -> Tally:
    """Compare so many values of a kind."""
    tally, number = Tally(), 0
    while tally.values < values:
        tally = tally.plus(compare(folder, name, min(VALUES, values - tally.values), seed * 1_000_003 + number))
        number += 1
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    wanted, folder = parser.parse_args(), Path(tempfile.mkdtemp())
    for name in wanted.kinds:
        began = time.process_time()
        tally = run(folder, name, wanted.values, wanted.seed)
        took = time.process_time() - began
        print(
            f"{name}: {tally.values:,} values in {tally.decodings:,} decodings agree; {took:.0f} s of CPU", flush=True
        )


if __name__ == "__main__":
    main()
