"""Reads the files of a rule book into typed declarations, collecting every fault on the way.

Conventions
-----------
- TOML for structure; each long table as NAME.csv (UTF-8, a header line) or NAME.parquet, never both.
- The name of a feed, host or product is its file's name without `.toml`.
- Nothing is checked here against anything else: that is `check.py`. A file with a fault in a value is left out of what
  was read, but its name is remembered, so that one fault does not bring others with it.
- A date column of a Parquet table is read as the text that a CSV file would hold.
"""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import msgspec

from mediation.rulebook.columns import record_types
from mediation.rulebook.faults import Findings, convert
from mediation.rulebook.formats import expanded
from mediation.rulebook.model import (
    Book,
    CalendarDay,
    Declarations,
    Feed,
    Host,
    Price,
    Product,
    ZonePrefix,
)

TABLES: dict[str, type] = {"prices": Price, "zones": ZonePrefix, "calendars": CalendarDay}
FOLDERS: dict[str, type] = {"feeds": Feed, "hosts": Host, "products": Product}
_REQUIRED_TABLES = ("prices",)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class TableRows:
    """A long table as read, and where its rows stand in their file."""

    def __init__(self, file: str, unit: str = "line", rows: list | None = None, places: list[int] | None = None):
        self.file = file
        self.unit = unit  # line of a CSV file, row of a Parquet file
        self.rows = rows if rows is not None else []
        self.places = places  # None: one after the other, from the first

    def place(self, index: int) -> int:
        """The line or row of `rows[index]`."""
        return self.places[index] if self.places is not None else index + (2 if self.unit == "line" else 1)

    def path(self, index: int) -> str:
        """Where `rows[index]` stands: `$.line[14]` or `$.row[13]`."""
        return f"$.{self.unit}[{self.place(index)}]"


class Read:
    """What was read of a rule book, whole or not.

    Attributes
    ----------
    book : Book or None
        None where rulebook.toml has faults.
    feeds, hosts, products : dict
        By name; those with faults are missing here and named in `broken`.
    tables : dict of TableRows
        prices, zones, calendars; rows with faults are missing.
    incomplete : set of str
        The tables that have faults, so that what is not found there may yet be there.
    """

    def __init__(self):
        self.findings = Findings()
        self.book: Book | None = None
        self.feeds: dict[str, Feed] = {}
        self.hosts: dict[str, Host] = {}
        self.products: dict[str, Product] = {}
        self.broken: dict[str, set[str]] = {folder: set() for folder in FOLDERS}
        self.tables: dict[str, TableRows] = {name: TableRows(f"{name}.csv") for name in TABLES}
        self.incomplete: set[str] = set()

    def declared(self) -> Declarations:
        """The declarations; only where there are no faults."""
        assert self.book is not None
        return Declarations(
            book=self.book,
            feeds=self.feeds,
            hosts=self.hosts,
            products=self.products,
            prices=self.tables["prices"].rows,
            zones=self.tables["zones"].rows,
            calendars=self.tables["calendars"].rows,
        )


def read(path: str | Path) -> Read:
    """Read the rule book in the folder `path`.

    Parameters
    ----------
    path : str or Path
        The folder that holds rulebook.toml.

    Returns
    -------
    Read
        With every fault in `findings`.
    """
    root, result = Path(path), Read()
    if not root.is_dir():
        result.findings.fault(str(path), "$", "no such folder; give the folder that holds rulebook.toml")
        return result
    result.book = _read_toml(root / "rulebook.toml", "rulebook.toml", Book, result.findings)
    for folder, kind in FOLDERS.items():
        _read_folder(root, folder, kind, result)
    sold = None if result.book is None else record_types(result.book)
    result.feeds = {name: expanded(feed, sold) for name, feed in result.feeds.items()}
    for name, kind in TABLES.items():
        _read_table(root, name, kind, result)
    _refuse_strangers(root, result.findings)
    return result


def _read_toml(path: Path, file: str, kind: type, findings: Findings):
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        findings.fault(file, "$", "missing; every rule book has this file")
        return None
    except OSError as error:
        findings.fault(file, "$", f"cannot be read: {error.strerror}")
        return None
    try:
        tree = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        findings.fault(file, "$", f"not UTF-8 at byte {error.start}; save the file as UTF-8")
        return None
    except tomllib.TOMLDecodeError as error:
        findings.fault(file, "$", f"not TOML: {error}")
        return None
    except RecursionError:
        findings.fault(file, "$", "not TOML: nested too deeply")
        return None
    return convert(tree, kind, file, findings)


def _read_folder(root: Path, folder: str, kind: type, result: Read) -> None:
    typed = getattr(result, folder)
    entries = sorted((root / folder).glob("*.toml"))
    if not entries:
        result.findings.fault(folder + "/", "$", "no .toml file; every rule book has at least one")
    for entry in entries:
        file, name = f"{folder}/{entry.name}", entry.stem
        if not _NAME.fullmatch(name):
            result.findings.fault(file, "$", "a name has letters, digits, _ and -, and at most 63 of them")
        declared = _read_toml(entry, file, kind, result.findings)
        if declared is None:
            result.broken[folder].add(name)
        else:
            typed[name] = declared


def _refuse_strangers(root: Path, findings: Findings) -> None:
    """A misspelt file would be silently without effect."""
    known = {"rulebook.toml", *(f"{name}{end}" for name in TABLES for end in (".csv", ".parquet"))}
    for entry in sorted(root.iterdir()):
        if entry.is_dir():
            if entry.name not in FOLDERS and any(entry.glob("*.toml")):
                findings.fault(entry.name + "/", "$", f"unknown folder; known are {', '.join(FOLDERS)}")
        elif entry.suffix in (".toml", ".csv", ".parquet") and entry.name not in known:
            findings.fault(entry.name, "$", f"unknown file; known are {', '.join(sorted(known))}")


# --------------------------------------------------------------------------------------------- tables


def _read_table(root: Path, name: str, kind: type, result: Read) -> None:
    findings = result.findings
    as_csv, as_parquet = root / f"{name}.csv", root / f"{name}.parquet"
    if as_csv.is_file() and as_parquet.is_file():
        findings.fault(f"{name}.parquet", "$", f"stands beside {name}.csv; keep one of the two")
        result.incomplete.add(name)
    elif as_csv.is_file():
        result.tables[name] = _load_rows(_csv_rows(as_csv, name, kind, findings), kind, findings)
    elif as_parquet.is_file():
        result.tables[name] = _load_rows(_parquet_rows(as_parquet, name, kind, findings), kind, findings)
    elif name in _REQUIRED_TABLES:
        findings.fault(f"{name}.csv", "$", "missing; every rule book has this table")
        result.incomplete.add(name)
    if any(fault.startswith(f"{name}.") for fault in findings.faults):
        result.incomplete.add(name)


def _header_faults(header: list[str], kind: type, file: str, findings: Findings) -> bool:
    columns = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    before = len(findings.faults)
    for index, name in enumerate(header):
        if name not in columns:
            findings.fault(file, "$.line[1]", f"unknown column {name!r}; known are {', '.join(columns)}")
        elif name in header[:index]:
            findings.fault(file, "$.line[1]", f"column {name} stands twice")
    for name, field in columns.items():
        if field.required and name not in header:
            findings.fault(file, "$.line[1]", f"column {name} is missing")
    return len(findings.faults) > before


def _csv_rows(path: Path, name: str, kind: type, findings: Findings) -> tuple[TableRows, list[dict]]:
    file, lines, rows, exact = f"{name}.csv", [], [], True
    table = TableRows(file)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = [column.strip() for column in next(reader, [])]
            if not header:
                findings.fault(file, "$", "empty; the first line names the columns")
                return table, []
            if _header_faults(header, kind, file, findings):
                return table, []
            width = len(header)
            for row in reader:
                if len(row) == width:
                    rows.append(dict(zip(header, row, strict=True)))
                    lines.append(reader.line_num)
                elif row:
                    findings.fault(file, f"$.line[{reader.line_num}]", f"{len(row)} fields; the header has {width}")
            exact = not lines or (lines[0] == 2 and lines[-1] == len(lines) + 1)
    except UnicodeDecodeError:
        findings.fault(file, "$", "not UTF-8; save the file as UTF-8")
        return table, []
    except csv.Error as error:
        findings.fault(file, f"$.line[{reader.line_num}]", f"not CSV: {error}")
        return table, []
    except OSError as error:
        findings.fault(file, "$", f"cannot be read: {error.strerror}")
        return table, []
    return TableRows(file, places=None if exact else lines), rows


def _parquet_rows(path: Path, name: str, kind: type, findings: Findings) -> tuple[TableRows, list[dict]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = f"{name}.parquet"
    table = TableRows(file, unit="row")
    try:
        content = pq.read_table(path)
    except (pa.ArrowException, OSError):
        findings.fault(file, "$", "not a Parquet file, or damaged")
        return table, []
    if _header_faults(content.column_names, kind, file, findings):
        return table, []
    texts = {}
    for column in content.column_names:
        try:
            texts[column] = content.column(column).cast(pa.utf8()).to_pylist()
        except pa.ArrowException:
            findings.fault(file, f"$.{column}", "cannot be read as text; store text, integers or dates")
            return table, []
    rows = [
        {key: value for key, value in zip(texts, row, strict=True) if value is not None}
        for row in zip(*texts.values(), strict=True)
    ]
    return table, rows


def _load_rows(source: tuple[TableRows, list[dict]], kind: type, findings: Findings) -> TableRows:
    table, rows = source
    try:
        table.rows = msgspec.convert(rows, list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        kept, places = [], []
        for index, row in enumerate(rows):
            typed = convert(row, kind, table.file, findings, table.path(index))
            if typed is not None:
                kept.append(typed)
                places.append(table.place(index))
        table.rows, table.places = kept, places
    return table
