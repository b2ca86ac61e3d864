"""What is owed to every host, line by line: the statement that its invoice is compared with.

Conventions
-----------
- A line is a host cycle, host, service, city, rate class (wholesale zone/time band) and tariff version. A record type
  that needs lines of its own is a service of its own.
- Quantity and unit are the wholesale side's; sums are exact, margin is retail less wholesale.
- Lines are sorted by these, null first. In the CSV null is empty, amounts are plain decimals, and a text that a
  spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import functools
import unicodedata
from typing import TYPE_CHECKING

from mediation import schema
from mediation.settle._fold import SettlementFold

if TYPE_CHECKING:
    from typing import TextIO

    import pyarrow as pa

    from mediation.native._column import Batch

UNITS = {"duration_s": "s", "volume_bytes": "B", "event_count": "1", "message_segments": "1"}
EXACT = decimal.Context(prec=40)
FORMULA_STARTS = frozenset("=+-@")
EPOCH = dt.date(1970, 1, 1)
KEYS = ("cycle", "host", "service", "city", "rate_class", "tariff_version", "unit")
SUMS = ("records", "quantity", "host_charge_amount", "wholesale_amount", "retail_amount")


class Settlement:
    """The sums of a run by settlement line.

    Parameters
    ----------
    book : Rulebook
        Names the service and unit of every record type, and the currency.
    """

    def __init__(self, book):
        declared = book.declared
        self._fold = SettlementFold()
        self._services = {
            record_type: (name, service.unit or UNITS[service.quantity])
            for name, service in declared.book.services.items()
            for record_type in service.record_types
        }
        self._currency = declared.book.currency

    def add(self, usage: Batch, rated_rows: Batch | None, rated: Batch) -> None:
        """Add a rated batch; see `SettlementFold.add`. Threads may call this at the same time."""
        self._fold.add(usage, rated_rows, rated)

    def table(self) -> pa.Table:
        """Every line, as `schema.SETTLEMENT`. No thread may add meanwhile."""
        import pyarrow as pa

        lines: dict[tuple, list[int]] = {}
        for line in self._fold.lines():
            key, sums = self._key(line), line[len(line) - len(SUMS) :]
            lines[key] = [old + new for old, new in zip(lines.get(key, [0] * len(SUMS)), sums, strict=True)]
        keys = sorted(lines, key=_order)
        columns: dict[str, list] = {name: [key[place] for key in keys] for place, name in enumerate(KEYS)}
        columns |= {name: [lines[key][place] for key in keys] for place, name in enumerate(SUMS)}
        amounts = zip(columns["retail_amount"], columns["wholesale_amount"], strict=True)
        columns |= {
            "currency": [self._currency] * len(keys),
            "margin_amount": [retail - wholesale for retail, wholesale in amounts],
        }
        for name, declared in schema.SETTLEMENT.items():
            if declared == schema.TOTAL:
                columns[name] = list(map(_decimal, columns[name]))
        return pa.table(columns, schema=schema.schema(schema.SETTLEMENT))

    def _key(self, line) -> tuple:
        cycle, host, record_type, city, zone, band, version, *_ = line
        service, unit = self._services.get(record_type, (None, None))
        return (
            None if cycle is None else EPOCH + dt.timedelta(days=cycle),
            host,
            service,
            None if city is None else str(city),
            None if zone is None and band is None else f"{zone or ''}/{band or ''}",
            version,
            unit,
        )


def _order(key: tuple) -> tuple:
    return tuple(["" if value is None else f"\0{value}" for value in key])  # null before the empty text


def _decimal(micro: int) -> decimal.Decimal:
    return EXACT.scaleb(decimal.Decimal(micro), -6)


@functools.lru_cache(maxsize=4096)  # lines differ in few of their texts
def guarded_text(text: str) -> str:
    """The text as a spreadsheet may be given it: never a formula.

    Programs skip what stands invisibly before a formula (spaces, line ends, NUL, a byte order mark) and take the
    full-width forms of its signs for the signs; a control character at the begin is reason enough.
    """
    visible = next((character for character in text if unicodedata.category(character)[0] not in "ZC"), "")
    controlled = text != "" and unicodedata.category(text[0]) == "Cc"
    return "'" + text if controlled or unicodedata.normalize("NFKC", visible)[:1] in FORMULA_STARTS else text


def write_csv(table: pa.Table, out: TextIO) -> None:
    """Write a settlement as CSV (RFC 4180, LF, header).

    Parameters
    ----------
    table : pyarrow.Table
        As `Settlement.table` gives it.
    out : text file
        Opened with ``newline=""``.
    """
    import pyarrow as pa

    def cells(column):
        values = column.to_pylist()
        if pa.types.is_integer(column.type) or pa.types.is_date(column.type):
            return values
        if pa.types.is_decimal(column.type):
            return [None if value is None else f"{value:.6f}" for value in values]
        return [None if value is None else guarded_text(value) for value in values]

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*map(cells, table.columns), strict=True))
