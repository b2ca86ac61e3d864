"""A little rule book for files of ASN.1, and everything that decoding one of them says.

Conventions
-----------
- The feed `f` has the host `h` and a format that the package knows by name; every record type of that format is sold.
- A record type's price is of no matter here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

import mediation
from mediation.rulebook import load_rulebook
from tests.decode_book import toml

RECORD_TYPES = (
    *("voice_mo", "voice_mt", "sms_mo", "sms_mt", "data", "supplementary_service", "service_centre_usage"),
    *("content_transaction", "location_service", "messaging_event", "mobile_session"),
)
BOOK = f"""\
name = "little"
zone = "Asia/Shanghai"
account = "served_msisdn"
product = "p"
city = "none"
[services.events]
record_types = {toml(RECORD_TYPES)}
quantity = "event_count"
"""
TARIFF = "[zones]\n" + "".join(f'{event} = {{ zone = "all" }}\n' for event in RECORD_TYPES)
PRICES = "side,party,record_type,zone,band,from,to\n" + "".join(
    f"{side},*,{event},*,*,2000-01-01,\n" for side in ("retail", "wholesale") for event in RECORD_TYPES
)


def book_of(folder: Path, form: str, **layout: Any):
    """A loaded book whose one feed takes any file."""
    declared = {"file_name": "x*", "host": "h", "zone": "Asia/Shanghai"}
    lines = [f"{key} = {toml(value)}" for key, value in declared.items()]
    lines += ["[[layout]]", "from = 2000-01-01", f'format = "{form}"']
    lines += [f"{key} = {toml(value)}" for key, value in layout.items()]
    files = {"rulebook.toml": BOOK, "feeds/f.toml": "\n".join(lines) + "\n", "prices.csv": PRICES}
    for name, content in (files | {"hosts/h.toml": TARIFF, "products/p.toml": TARIFF}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(folder)


class Decoded(NamedTuple):
    """Rows, rejects and the certificate of one file; `code` says why it was refused."""

    usage: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    classes: dict[str, int]
    bytes_in: int
    records_in: int
    code: str | None


def decoded(path: Path, book) -> Decoded:
    """Decode a file by the public card; a certificate that does not close is an error of its own."""
    stream = mediation.stream([path], book, threads=1, through="decode")
    usage, rejects = [], []
    for batch in stream:
        usage += pa.table(batch.usage).to_pylist()
        rejects += pa.table(batch.rejects).to_pylist()
    (audit,) = stream.audit.sources
    return Decoded(usage, rejects, dict(audit.classes), audit.bytes_in, audit.counts["records_in"][0], audit.code)
