"""Little rule books of one feed, and everything that decoding a file by them says.

Conventions
-----------
- The feed `f` has the host `h`, the record type `event` (or a field of its own) and no reference data.
- Every record begins with a number and a local time, unless a test brings all fields itself.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow as pa

from mediation import schema
from mediation.decode.decode import decode_chunk
from mediation.decode.layout import layout_of
from mediation.decode.source import CHUNK_BYTES, Source
from mediation.rulebook import load_rulebook

BOOK = """\
name = "little"
zone = "Asia/Shanghai"
account = "served_msisdn"
product = "p"
city = "none"
[services.events]
record_types = ["event", "other"]
quantity = "event_count"
[numbers.cn]
country_code = "86"
carrier_prefixes = ["17951"]
national = [{ starts_with = "1", digits = 11 }]
"""
TARIFF = '[zones]\nevent = { zone = "all" }\nother = { zone = "all" }\n'
PRICES = "side,party,record_type,zone,band,from,to\n" + "".join(
    f"{side},*,{event},*,*,2000-01-01,\n" for side in ("retail", "wholesale") for event in ("event", "other")
)
NUMBER = {"column": "served_msisdn", "type": "digits"}
TIME = {"column": "start_time", "type": "timestamp", "pattern": "%Y%m%d%H%M%S"}


def toml(value) -> str:
    """An inline TOML value."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def feed_of(folder, fields, *, feed=None, **layout):
    """A loaded book's one feed.

    Parameters
    ----------
    folder : Path
        Empty or not there yet.
    fields : list of dict
        As in the rule book.
    feed, layout
        More of the feed and of its layout.
    """
    declared = {"file_name": "x*.txt", "host": "h"} | (feed or {})
    if "record_type" not in [field.get("column") for field in fields]:
        declared.setdefault("record_type", "event")
    layout = {"format": "delimited", **layout, "field": fields}
    lines = [f"{key} = {toml(value)}" for key, value in declared.items()]
    lines += ["[[layout]]", "from = 2000-01-01", *(f"{key} = {toml(value)}" for key, value in layout.items())]
    files = {"rulebook.toml": BOOK, "feeds/f.toml": "\n".join(lines) + "\n", "prices.csv": PRICES}
    for name, content in (files | {"hosts/h.toml": TARIFF, "products/p.toml": TARIFF}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return load_rulebook(folder).feeds["f"]


def fixed(*widths_and_fields, terminator="lf"):
    """Fields of fixed width side by side, and what else their layout needs."""
    start, fields = 1, []
    for width, field in widths_and_fields:
        fields.append({**field, "start": start, "width": width})
        start += width
    return fields, {"format": "fixed", "record_length": start - 1, "terminator": terminator}


def decoded(path, feed, *, chunk_bytes=CHUNK_BYTES, simd=None):
    """Every row, every reject and every sum of bytes of one file.

    Returns
    -------
    SimpleNamespace
        `usage` and `rejects` are lists of dicts, instants in microseconds; `bytes` has the certificate's terms.
    """
    found = decoded_tables(path, feed, chunk_bytes=chunk_bytes, simd=simd)
    found.usage, found.rejects = found.usage.to_pylist(), found.rejects.to_pylist()
    return found


def decoded_tables(path, feed, *, chunk_bytes=CHUNK_BYTES, simd=None):
    """The same, `usage` and `rejects` as Arrow tables."""
    layout = layout_of(feed, None)
    usage, rejects, records = [], [], 0
    parts = dict.fromkeys(("record", "undecodable", "filler", "usage", "reject"), 0)
    with Source(path, feed, layout, feed.declared.limits, chunk_bytes=chunk_bytes) as source:
        for piece in source:
            if simd is not None:
                source.layout.plan.set_simd(simd)
            found = decode_chunk(source.layout, piece, 0)
            found.number(records)
            records += found.records
            for part in parts:
                parts[part] += getattr(found, f"{part}_bytes")
            usage.append(pa.record_batch(found.usage))
            rejects.append(pa.record_batch(found.rejects))
        source.verify(records, [0] * len(layout.control_columns), [1] * len(layout.control_columns))
    fields = pa.schema(list(feed.book.usage_columns.items()))
    table = pa.Table.from_batches(usage, fields)
    table.validate(full=True)
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.int64()))
    rejected = pa.Table.from_batches(rejects, schema.schema(schema.REJECTS))
    rejected.validate(full=True)
    parts["filler"] += source.filler_bytes
    parts |= {"header": source.header_bytes, "trailer": source.trailer_bytes, "in": source.bytes_in}
    return SimpleNamespace(usage=table, rejects=rejected, records=records, bytes=parts)


def check_certificate(found, data: bytes) -> None:
    """Every byte of the file is in exactly one place."""
    parts = found.bytes
    outside = parts["header"] + parts["filler"] + parts["trailer"]
    assert parts["in"] == len(data) == outside + parts["record"] + parts["undecodable"]
    assert parts["usage"] + parts["reject"] == parts["record"] + parts["undecodable"]
    assert parts["usage"] == sum(row["byte_length"] for row in found.usage)
    assert parts["reject"] == sum(row["byte_length"] for row in found.rejects)
    rows = sorted(found.usage + found.rejects, key=lambda row: row["byte_offset"])
    assert [row["record_no"] for row in rows] == list(range(found.records))
    end = parts["header"]
    for row in rows:
        assert row["byte_offset"] >= end
        end = row["byte_offset"] + row["byte_length"]
