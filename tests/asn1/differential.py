"""The decoder of ASN.1 against encoders that are not its author's, on as many random values as one likes.

    python -m tests.asn1.differential [--values 100000] [--seed 1] [--kinds gprsCall …]

Conventions
-----------
- A file holds some hundred values of one kind. It is decoded as its encoder wrote it, rewritten (indefinite and longer
  lengths, sets in another order, members of nobody's), and with filler behind it: all have the rows that were meant.
  Where many values are to take little time, each file has one of these forms, in turn. Files are compared by as many
  processes as there are processors.
- Everything follows from the seed; a difference names kind, seed, form, row and column and leaves the file.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial, reduce
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.asn1 import (
    ber,
    chf,
    declared,
    gsn,
    known,
    known_chf,
    modules,
    nrtrde,
    tap,
    tap_old,
    tap_rows,
    ts32297,
    ts32298,
)
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


def old_tap_file(kind: str, release: int) -> Callable[[Random, int], tuple[bytes, list[dict[str, Any]]]]:
    return lambda random, values: tap_old.file_of(random, kind, values, release)


def tap_shape() -> ber.Shape:
    return ber.Shape("choice", lambda: ber.tagged_shapes(modules.tap().DataInterChange))


Maker = Callable[[Random], dict[str, Any]]
Rows = Callable[[dict[str, Any]], list[dict[str, Any]]]


def bare(make: Maker, encode: Callable[[dict[str, Any]], bytes], rows: Rows):
    """Records back to back."""

    def made(random: Random, values: int) -> tuple[bytes, list[dict[str, Any]]]:
        records = [make(random) for _ in range(values)]
        return b"".join(map(encode, records)), [row for each in records for row in rows(each)]

    return made


def records_file(kind: str, rows: Rows):
    """Records of TS 32.298, by a library's module."""
    return bare(partial(ts32298.record, kind=kind), partial(ts32298.encoded, kind), rows)


def records_shape(kind: str) -> ber.Shape:
    return ber.Shape("choice", lambda: ber.tagged_shapes(ts32298.domain(kind)[0]))


def by_declared_table(kind: str, table: dict[str, Any], rows) -> Kind:
    file = records_file(kind, lambda values: rows(ts32298.meaning(kind, values)))
    return Kind("ber", table, file, partial(records_shape, kind), declared.columns(table))


def by_known_table(file, shape: Callable[[], ber.Shape]) -> Kind:
    """Records by the package's own table, in a file of TS 32.297."""
    return Kind("ts32298", {}, file, shape, known.COLUMNS, framed)


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
        kind: by_declared_table(kind, table, rows)
        for kinds, table, rows in (
            (declared.PACKET_KINDS, declared.PACKET, declared.packet_rows),
            (declared.CIRCUIT_KINDS, declared.CIRCUIT, declared.circuit_rows),
        )
        for kind in kinds
    },
    "chargingFunctionRecord": Kind(
        "ber",
        declared.CHF,
        bare(chf.record, chf.encoded, lambda values: declared.chf_rows(chf.meaning(values))),
        lambda: chf.SHAPE,
        declared.columns(declared.CHF),
    ),
    **{
        f"{kind}-framed": by_known_table(records_file(kind, partial(rows, kind)), partial(records_shape, kind))
        for kinds, rows in (
            (modules.GPRS_RECORDS, known.packet_rows),
            (modules.CS_RECORDS, known.circuit_rows),
            (modules.IMS_RECORDS, known.ims_rows),
        )
        for kind in kinds
    },
    **{
        f"{kind}-framed": by_known_table(
            bare(partial(gsn.record, kind=kind), partial(gsn.encoded, kind), partial(known.packet_rows, kind)),
            partial(gsn.shape, kind),
        )
        for kind in gsn.RECORDS
    },
    **{
        f"chargingFunctionRecord-{service}": by_known_table(bare(make, chf.encoded, rows), lambda: chf.SHAPE)
        for service, make, rows in (
            ("data", chf.record, known_chf.data_rows),
            ("roaming", chf.roaming_record, known_chf.data_rows),
            ("message", chf.message_record, known_chf.message_rows),
            ("ims", chf.ims_record, known_chf.ims_rows),
        )
    },
    **{
        f"{kind}-3.{release}": Kind("tap3", {}, old_tap_file(kind, release), ber.Shape.unknown, tap_rows.COLUMNS)
        for release, kinds in tap_old.KINDS.items()
        for kind in kinds
    },
    "nrtrde": Kind("nrtrde", {}, nrtrde.file_of, nrtrde.shape, nrtrde.COLUMNS),
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


def with_filler(data: bytes, kind: Kind, random: Random) -> bytes:
    filler = random.choice(list(ber.FILLERS.values()))(random)
    return kind.wrap(ber.rewrite(data, random, kind.shape()).data) + filler


def rewritten(data: bytes, kind: Kind, random: Random, unknown: float) -> bytes:
    return kind.wrap(ber.rewrite(data, random, kind.shape(), ber.Manner(unknown=unknown)).data)


FORMS: dict[str, Callable[[bytes, Kind, Random], bytes]] = {
    "as it was written": lambda data, kind, _: kind.wrap(data),
    "in other lengths": partial(rewritten, unknown=0),
    "with members of nobody's": partial(rewritten, unknown=0.2),
    "with filler behind": with_filler,
}


def compare(folder: Path, name: str, forms: list[str], values: int, seed: int) -> Tally:
    """One file of a kind, in some forms."""
    kind, random = KINDS[name], Random(seed)
    place = Path(tempfile.mkdtemp(dir=folder))
    book, path = book_of(place / "book", kind.form, **kind.layout), place / "x"
    data, expected = kind.make(random, values)
    for form in forms:
        path.write_bytes(FORMS[form](data, kind, random))
        try:
            same(decoded(path, book), expected, kind.columns)
        except AssertionError as error:
            raise AssertionError(f"{name}, seed {seed}, {form}, {path}: {error}") from error
    shutil.rmtree(place)
    return Tally(values, len(expected), len(forms) * values)


def run(pool: ProcessPoolExecutor, folder: Path, name: str, values: int, seed: int, in_turn: bool = False) -> Tally:
    """Compare so many values of a kind: in every form, or each file in one form."""
    files = range(-(-values // VALUES))
    each = [[list(FORMS)[number % len(FORMS)]] if in_turn else list(FORMS) for number in files]
    sizes = [min(VALUES, values - number * VALUES) for number in files]
    seeds = [seed * 1_000_003 + number for number in files]
    return reduce(Tally.plus, pool.map(partial(compare, folder, name), each, sizes, seeds), Tally())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    wanted, folder = parser.parse_args(), Path(tempfile.mkdtemp())
    with ProcessPoolExecutor() as pool:
        for name in wanted.kinds:
            began = time.perf_counter()
            tally = run(pool, folder, name, wanted.values, wanted.seed)
            took = time.perf_counter() - began
            print(f"{name}: {tally.values:,} values in {tally.decodings:,} decodings agree; {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
