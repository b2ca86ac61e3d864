"""The reference data: what changes daily and is versioned apart from the rule book.

    reference/subscriptions.csv   msisdn, imsi, account_id, product, city, from, to
    reference/number_ranges.csv   prefix, city, from, to

Conventions
-----------
- CSV (UTF-8, a header line, no line breaks in values) or Parquet, never both. Empty is null; `from` and `to` are
  half-open and open where empty; a date or an instant without offset is the home zone's.
- Every fault names the line (CSV, the header is 1) or row (Parquet, from 1), never a number or another value.
- Whole columns at a time: a million subscriptions in a second or two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mediation.rulebook.faults import Findings
from mediation.rulebook.instants import OPEN_FROM_US, OPEN_TO_US, instant_us
from mediation.rulebook.model import Book
from mediation.rulebook.owners import (
    NONE,
    NONE_DECLARED,
    SUBSCRIPTION,
    Owners,
    Subscriptions,
    compile_owners,
    subscription_table,
)

if TYPE_CHECKING:
    import pyarrow as pa


SUBSCRIPTIONS = ("msisdn", "imsi", "account_id", "product", "city", "from", "to")
NUMBER_RANGES = ("prefix", "city", "from", "to")
REQUIRED = {"subscriptions": ("msisdn", "account_id"), "number_ranges": ("prefix", "city")}
MOST_REPORTED = 50  # of one kind in one column
_DAY_US = 86_400_000_000
_NEAR_US = 26 * 3_600_000_000
_INSTANT = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"


class NumberRange(NamedTuple):
    """A range of served numbers and its city, in force in `[from_us, to_us)`."""

    prefix: str
    city: str
    from_us: int
    to_us: int


class Reference:
    """The reference data.

    Attributes
    ----------
    owners : Owners
        The subscriptions as the guide kernel looks them up.
    number_ranges : list of NumberRange
        Sorted.
    hash : str
        blake3 of the content, hex.
    given : bool
        False where there are none.
    """

    def __init__(self, owners: Owners, number_ranges: list[NumberRange], content_hash: str, *, given: bool = True):
        self.owners, self.number_ranges, self.hash, self.given = owners, number_ranges, content_hash, given

    @classmethod
    def of(cls, subscriptions: Subscriptions, ranges: Iterable[NumberRange] = (), *, given: bool = True) -> Reference:
        """The reference data that these come to."""
        number_ranges = sorted(ranges)
        content_hash = _content_hash(subscriptions, number_ranges)
        return cls(compile_owners(subscriptions), number_ranges, content_hash, given=given)

    @classmethod
    def empty(cls) -> Reference:
        """No reference data."""
        return cls.of(NONE_DECLARED, given=False)

    @property
    def subscriptions(self) -> pa.Table:
        """msisdn, account_id, product, city, from, to, by (msisdn, from); an instant that is open is null."""
        return subscription_table(self.owners)

    @property
    def cities(self) -> list[str]:
        """The cities that anything names, sorted."""
        return sorted({*self.owners.cities, *(row.city for row in self.number_ranges)})


def read_reference(folder: str | Path, book: Book | None, findings: Findings) -> Reference:
    """Read the reference data in `folder`.

    Parameters
    ----------
    folder : str or Path
    book : Book or None
        Its zone and what it needs; None where rulebook.toml has faults.
    findings : Findings
        Every fault is added here.

    Returns
    -------
    Reference
        Empty where there are faults.
    """
    root, before = Path(folder), len(findings.faults)
    if not root.is_dir():
        findings.fault("reference/", "$", "no such folder; give the folder that holds subscriptions.csv or .parquet")
        return Reference.empty()
    for entry in sorted(root.iterdir()):
        if entry.suffix in (".csv", ".parquet") and entry.stem not in REQUIRED:
            findings.warning(f"reference/{entry.name}", "$", f"not read; known are {', '.join(REQUIRED)}")
    zone = book.zone if book is not None else "UTC"
    subscriptions = _read_subscriptions(root, zone, book, findings)
    ranges = _read_ranges(root, zone, book, findings)
    if len(findings.faults) > before or subscriptions is None:
        return Reference.empty()
    return Reference.of(subscriptions, ranges)


# ------------------------------------------------------------------------------------------------- tables


class _Columns:
    """A table as text columns, and where its rows stand."""

    def __init__(self, file: str, unit: str, table: pa.Table, skipped: list[int], findings: Findings):
        self.file, self.unit, self.table, self.skipped, self.findings = file, unit, table, sorted(skipped), findings

    def path(self, row: int) -> str:
        line = row + (2 if self.unit == "line" else 1)
        for skipped in self.skipped:
            line += skipped <= line
        return f"$.{self.unit}[{line}]"

    def report(self, rows: Any, what: str) -> None:
        """One fault for each of `rows`, up to a limit."""
        for row in rows[:MOST_REPORTED]:
            self.findings.fault(self.file, self.path(int(row)), what)
        if len(rows) > MOST_REPORTED:
            self.findings.fault(self.file, "$", f"{len(rows) - MOST_REPORTED} more rows: {what}")

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def text(self, name: str) -> pa.Array:
        """A column as text, empty as null; all null where the table does not have it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.has(name):
            return pa.nulls(self.table.num_rows, pa.utf8())
        column = self.table.column(name)
        try:
            text = column.cast(pa.utf8()).combine_chunks()
        except pa.ArrowException:
            self.findings.fault(self.file, f"$.{name}", "cannot be read as text; store text, integers or dates")
            return pa.nulls(self.table.num_rows, pa.utf8())
        text = text.chunk(0) if isinstance(text, pa.ChunkedArray) else text
        return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.utf8()), text)

    def digits(self, name: str, least: int, most: int, what: str, *, zero_first: bool = True) -> pa.Array:
        """A required column of integers of so many digits; rows that have something else are reported and become 0."""
        import pyarrow as pa
        import pyarrow.compute as pc

        text = self.text(name)
        length = pc.binary_length(text)
        good = pc.and_(pc.ascii_is_decimal(text), pc.and_(pc.less_equal(least, length), pc.less_equal(length, most)))
        if not zero_first:
            good = pc.and_not(good, pc.starts_with(text, "0"))
        good = pc.fill_null(good, False)
        self.report(_false_rows(good), f"{name}: {what}")
        return pc.if_else(good, text, "0").cast(pa.int64())

    def instants(self, name: str, zone: str, missing: int) -> np.ndarray:
        """A column of dates or instants, in microseconds UTC."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.has(name) and pa.types.is_timestamp(self.table.column(name).type):
            column = self.table.column(name)
            if column.type.tz is not None:
                try:
                    exact = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
                except pa.ArrowInvalid:
                    self.findings.fault(self.file, f"$.{name}", "finer than a microsecond; store timestamp[us]")
                    return np.full(len(column), missing)
                return pc.fill_null(exact, missing).to_numpy()
        values, bad = _instants_us(self.text(name), zone, missing)
        for what in sorted(set(bad.values())):
            self.report([row for row, why in bad.items() if why == what], f"{name}: {what}")
        return values


def _false_rows(good: pa.Array) -> np.ndarray:
    return np.flatnonzero(~np.asarray(good.to_numpy(zero_copy_only=False), bool))


def _instants_us(text: pa.Array, zone: str, missing: int) -> tuple[np.ndarray, dict[int, str]]:
    """Instants of a column and what is wrong, by row. What the quick ways do not read goes through `instant_us`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from mediation.rulebook.zones import zone_table

    encoded = text.dictionary_encode()
    words = encoded.dictionary
    values = np.full(len(words) + 1, missing, np.int64)
    done = np.zeros(len(words), bool)
    for pattern, kind in ((r"(Z|[+-]\d\d:\d\d)$", pa.timestamp("us", tz="UTC")), ("$", pa.timestamp("us"))):
        rows = np.flatnonzero(pc.match_substring_regex(words, _INSTANT + pattern).to_numpy(zero_copy_only=False))
        try:
            found = words.take(pa.array(rows)).cast(kind).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            continue
        if kind.tz is None:
            starts_us, offsets_s = zone_table(zone)
            later = np.searchsorted(starts_us, found + _NEAR_US, side="right") - 1
            far = later == np.searchsorted(starts_us, found - _NEAR_US, side="right") - 1
            rows, found = rows[far], (found - offsets_s[later].astype(np.int64) * 1_000_000)[far]
        values[rows], done[rows] = found, True
    wrong: dict[int, str] = {}
    for word in np.flatnonzero(~done):
        try:
            values[word] = instant_us(words[int(word)].as_py(), zone)
        except ValueError as error:
            wrong[int(word)] = str(error)
    places = pc.fill_null(encoded.indices, len(words)).to_numpy()
    suspects = np.flatnonzero(np.isin(places, list(wrong)))
    return values[places], {int(row): wrong[int(places[row])] for row in suspects}


def _open(root: Path, name: str, columns: tuple[str, ...], findings: Findings) -> _Columns | None:
    as_csv, as_parquet = root / f"{name}.csv", root / f"{name}.parquet"
    if as_csv.is_file() and as_parquet.is_file():
        findings.fault(f"reference/{name}.parquet", "$", f"stands beside {name}.csv; keep one of the two")
        return None
    if as_csv.is_file():
        found = _open_csv(as_csv, findings)
    elif as_parquet.is_file():
        found = _open_parquet(as_parquet, findings)
    else:
        return None
    if found is None:
        return None
    names, before = found.table.column_names, len(findings.faults)
    where = "$.line[1]" if found.unit == "line" else "$"
    for column in names:
        if column not in columns:
            findings.fault(found.file, where, f"unknown column {column!r}; known are {', '.join(columns)}")
        elif names.count(column) > 1:
            findings.fault(found.file, where, f"column {column} stands twice")
    for column in REQUIRED[name]:
        if column not in names:
            findings.fault(found.file, where, f"column {column} is missing")
    return found if len(findings.faults) == before else None


def _open_csv(path: Path, findings: Findings) -> _Columns | None:
    import pyarrow as pa
    from pyarrow import csv

    file, skipped, short = f"reference/{path.name}", [], []

    def on_invalid(row: csv.InvalidRow) -> str:
        skipped.append(row.number)
        if row.text.strip():
            short.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"

    try:
        with path.open("rb") as stream:
            header = stream.readline().decode("utf-8-sig").strip().split(",")
        kinds = {name.strip('"'): pa.utf8() for name in header}
        table = csv.read_csv(
            path,
            csv.ReadOptions(use_threads=False, block_size=1 << 22),
            csv.ParseOptions(invalid_row_handler=on_invalid, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        findings.fault(file, "$", "not UTF-8 CSV with a header line")
        return None
    except OSError as error:
        findings.fault(file, "$", f"cannot be read: {error.strerror}")
        return None
    for number, actual, expected in short[:MOST_REPORTED]:
        findings.fault(file, f"$.line[{number}]", f"{actual} fields; the header has {expected}")
    return _Columns(file, "line", table, skipped, findings)


def _open_parquet(path: Path, findings: Findings) -> _Columns | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = f"reference/{path.name}"
    try:
        return _Columns(file, "row", pq.read_table(path), [], findings)
    except (pa.ArrowException, OSError):
        findings.fault(file, "$", "not a Parquet file, or damaged")
        return None


# ------------------------------------------------------------------------------------------------ content


def _read_subscriptions(root: Path, zone: str, book: Book | None, findings: Findings) -> Subscriptions | None:
    found = _open(root, "subscriptions", SUBSCRIPTIONS, findings)
    if found is None:
        wanted = book is not None and book.account == "subscription"
        if wanted and not any(root.glob("subscriptions.*")):
            findings.fault("reference/subscriptions.csv", "$", "missing; the book's accounts come from subscriptions")
        return NONE_DECLARED
    msisdn = found.digits("msisdn", 5, 15, "not 5 to 15 digits of E.164 without +", zero_first=False).to_numpy()
    account = found.digits("account_id", 1, 18, "not an integer of at most 18 digits").to_numpy()
    from_us, to_us = found.instants("from", zone, OPEN_FROM_US), found.instants("to", zone, OPEN_TO_US)
    found.report(np.flatnonzero(from_us >= to_us), "from is not before to")
    order = _by_number_and_time(msisdn, from_us)
    rows = np.zeros(len(order), SUBSCRIPTION)
    rows["msisdn"], rows["account_id"] = msisdn[order], account[order]
    rows["from_us"], rows["to_us"] = from_us[order], to_us[order]
    _report_overlaps(found, order, rows["msisdn"], rows["from_us"], rows["to_us"])
    words = {}
    for name in ("product", "city"):
        places, words[name] = _places(found.text(name))
        rows[name] = places[order]
    return Subscriptions(rows, words["product"], words["city"])


def _places(column: pa.Array) -> tuple[np.ndarray, list[str]]:
    """The place of each row's word among the words, which are sorted; NONE for null."""
    import pyarrow.compute as pc

    encoded = column.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    words = sorted(found)
    place = {word: number for number, word in enumerate(words)}
    places = np.array([*(place[word] for word in found), NONE], np.int32)
    return places[pc.fill_null(encoded.indices, len(found)).to_numpy()], words


def _by_number_and_time(msisdn: np.ndarray, from_us: np.ndarray) -> np.ndarray:
    """The order of rows; a third of the time of a sort by both, as few numbers have several rows."""
    order = np.argsort(msisdn, kind="stable")
    same = np.diff(msisdn[order], prepend=-1, append=-1) == 0
    tied = np.flatnonzero(same[1:] | same[:-1])
    rows = order[tied]
    order[tied] = rows[np.lexsort((from_us[rows], msisdn[rows]))]
    return order


def _report_overlaps(found: _Columns, order: np.ndarray, msisdn: np.ndarray, from_us, to_us) -> None:
    """Every row that begins before an earlier one of its number has ended; all by (msisdn, from)."""

    # A number that has overlaps at all has two neighbours that overlap.
    neighbours = (msisdn[1:] == msisdn[:-1]) & (from_us[1:] < to_us[:-1]) & (msisdn[1:] != 0)
    numbers = np.unique(msisdn[1:][neighbours])
    for number in numbers[:MOST_REPORTED]:
        longest, *rows = range(*np.searchsorted(msisdn, [number, number + 1]).tolist())
        for row in rows:
            if from_us[row] < to_us[longest]:
                first, second = sorted((int(order[longest]), int(order[row])))
                what = f"the same number as {found.path(first)}, and the times overlap"
                found.findings.fault(found.file, found.path(second), what)
            longest = row if to_us[row] > to_us[longest] else longest
    if len(numbers) > MOST_REPORTED:
        found.findings.fault(found.file, "$", f"{len(numbers) - MOST_REPORTED} more numbers: the times overlap")


def _read_ranges(root: Path, zone: str, book: Book | None, findings: Findings) -> list[NumberRange]:
    found = _open(root, "number_ranges", NUMBER_RANGES, findings)
    if found is None:
        wanted = book is not None and book.city == "number_range"
        if wanted and not any(root.glob("number_ranges.*")):
            findings.fault("reference/number_ranges.csv", "$", "missing; the book's cities come from number ranges")
        return []
    found.digits("prefix", 1, 15, "not a prefix of 1 to 15 digits")
    prefixes, cities = found.text("prefix").to_pylist(), found.text("city").to_pylist()
    found.report([row for row, city in enumerate(cities) if city is None], "city: missing")
    from_us, to_us = found.instants("from", zone, OPEN_FROM_US), found.instants("to", zone, OPEN_TO_US)
    found.report(np.flatnonzero(from_us >= to_us), "from is not before to")
    keys = sorted((prefix or "", int(from_us[row]), row) for row, prefix in enumerate(prefixes))
    for prefix, group in itertools.groupby(keys, key=lambda each: each[0]):
        longest: int | None = None
        for _, begin, row in group:
            if prefix and longest is not None and begin < to_us[longest]:
                first, second = sorted((longest, row))
                what = f"the same prefix as {found.path(first)}, and the times overlap"
                findings.fault(found.file, found.path(second), what)
            longest = row if longest is None or to_us[row] > to_us[longest] else longest
    return [
        NumberRange(prefix or "", city or "", int(begin), int(end))
        for prefix, city, begin, end in zip(prefixes, cities, from_us, to_us, strict=True)
    ]


def _content_hash(subscriptions: Subscriptions, ranges: list[NumberRange]) -> str:
    import msgspec
    from blake3 import blake3

    rows = subscriptions.rows
    digest = blake3(msgspec.json.encode([len(rows), ranges]))
    for name, column, missing, words in (
        ("msisdn", rows["msisdn"], None, None),
        ("account_id", rows["account_id"], None, None),
        ("product", rows["product"], NONE, subscriptions.products),
        ("city", rows["city"], NONE, subscriptions.cities),
        ("from", rows["from_us"], OPEN_FROM_US, None),
        ("to", rows["to_us"], OPEN_TO_US, None),
    ):
        digest.update(name.encode() + b"\n")
        if words is not None:
            digest.update(msgspec.json.encode(words))
        present = np.ones(len(rows), bool) if missing is None else column != missing
        digest.update(present.view(np.uint8))
        digest.update(np.where(present, column, 0).astype(np.int64).view(np.uint8))
    return digest.hexdigest()
