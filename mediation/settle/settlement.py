"""What is owed to every host, line by line: the statement that its invoice is compared with.

Conventions
-----------
- A line is a host cycle, host, record type, city, rate class (wholesale zone/time band) and tariff version.
- Quantity and unit are the wholesale side's; sums are exact, margin is retail less wholesale.
- Lines are sorted by their texts, null first. In the CSV null is empty, amounts are plain decimals, and a text that a
  spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import datetime as dt
from typing import TYPE_CHECKING

from mediation import schema
from mediation.settle._fold import SettlementFold

if TYPE_CHECKING:
    from typing import TextIO

    import pyarrow as pa

    from mediation.native._column import Batch

UNITS = {"duration_s": "s", "volume_bytes": "B", "event_count": "1", "message_segments": "1"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
EPOCH = dt.date(1970, 1, 1)


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

        rows = sorted((self._row(line) for line in self._fold.lines()), key=_order)
        columns = {name: [row[name] for row in rows] for name in schema.SETTLEMENT}
        for name, declared in schema.SETTLEMENT.items():
            if declared == schema.TOTAL:
                columns[name] = [_decimal(value) for value in columns[name]]
        return pa.table(columns, schema=schema.schema(schema.SETTLEMENT))

    def _row(self, line) -> dict:
        cycle, host, record_type, city, zone, band, version, records, quantity, charge, wholesale, retail = line
        service, unit = self._services.get(record_type, (None, None))
        return {
            "cycle": None if cycle is None else EPOCH + dt.timedelta(days=cycle),
            "host": host,
            "service": service,
            "record_type": record_type,
            "city": None if city is None else str(city),
            "rate_class": None if zone is None and band is None else f"{zone or ''}/{band or ''}",
            "tariff_version": version,
            "currency": self._currency,
            "records": records,
            "quantity": quantity,
            "unit": unit,
            "host_charge_amount": charge,
            "wholesale_amount": wholesale,
            "retail_amount": retail,
            "margin_amount": retail - wholesale,
        }


def _order(row: dict) -> tuple:
    keys = ("cycle", "host", "service", "record_type", "city", "rate_class", "tariff_version")
    return tuple((row[name] is not None, str(row[name])) for name in keys)


def _decimal(micro: int):
    import decimal

    return decimal.Context(prec=40).scaleb(decimal.Decimal(micro), -6)


def guarded_text(text: str) -> str:
    """The text as a spreadsheet may be given it: never a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def write_csv(table: pa.Table, out: TextIO) -> None:
    """Write a settlement as CSV (RFC 4180, LF, header).

    Parameters
    ----------
    table : pyarrow.Table
        As `Settlement.table` gives it.
    out : text file
        Opened with ``newline=""``.
    """
    import decimal

    def cell(value):
        if value is None:
            return ""
        if isinstance(value, decimal.Decimal):
            return f"{value:.6f}"
        return guarded_text(value) if isinstance(value, str) else str(value)

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow([cell(value) for value in row])
