"""The expected fate of every record, and the totals that follow from it.

Conventions
-----------
- What a worker knows of a file is one `Written`; which of several deliveries of an event is the first is only known
  when all files are there, and is decided here: by source order, then by record.
- A record is rejected or, if a delivery of the same event came before, a duplicate; else suspended or rated.
- A duplicate's verdict compares it with the first: `retransmission` when both say the same, else `conflict`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RATED, REJECTED, SUSPENDED, DUPLICATE = range(4)
FATES = ("rated", "rejected", "suspended", "duplicate")
VERDICTS = ("retransmission", "conflict")


# What a worker keeps of each record until all files are there.
RECORD = np.dtype([("length", np.int32), ("fate", np.int8), ("code", np.int8), ("kind", np.int16)])


class Written(NamedTuple):
    """A file as its worker knows it; its records (of dtype `RECORD`) are kept aside."""

    header_bytes: int
    record_bytes: int
    trailer_bytes: int
    file_bytes: int  # as it lies on disk
    record: np.ndarray  # those records that are a delivery of an event that others may deliver too
    event: np.ndarray  # of these: which event,
    variant: np.ndarray  # and how it was told


class Repeats(NamedTuple):
    """Of one source: which records are duplicates, of what verdict, and where the first stands."""

    record: np.ndarray
    verdict: np.ndarray
    first_source: np.ndarray
    first_record: np.ndarray


def resolve(
    sources: int, source: np.ndarray, record: np.ndarray, event: np.ndarray, variant: np.ndarray
) -> list[Repeats]:
    """Decide which delivery of each event is the first.

    Parameters
    ----------
    sources : int
        How many there are; a source's number is its place in source order.
    source, record, event, variant : numpy.ndarray
        Every delivery of an event that may have another.
    """
    order = np.lexsort((record, source, event))
    source, record, event, variant = source[order], record[order], event[order], variant[order]
    begins = np.ones(len(event), bool)
    begins[1:] = event[1:] != event[:-1]
    first = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    again = np.flatnonzero(~begins)
    found = []
    by_source = again[np.argsort(source[again], kind="stable")]
    bounds = np.searchsorted(source[by_source], np.arange(sources + 1))
    for number in range(sources):
        rows = by_source[bounds[number] : bounds[number + 1]]
        rows = rows[np.argsort(record[rows])]
        verdict = (variant[rows] != variant[first[rows]]).astype(np.int8)
        found.append(Repeats(record[rows], verdict, source[first[rows]], record[first[rows]]))
    return found


def nullable(values: np.ndarray, arrow_type: pa.DataType) -> pa.Array:
    """Integers of which negative ones are null; 0 lies under a null, so that files are the same byte for byte."""
    valid = pa.py_buffer(np.packbits(values >= 0, bitorder="little"))
    return pa.Array.from_buffers(arrow_type, len(values), [valid, pa.py_buffer(np.maximum(values, 0))])


def coded(places: np.ndarray, names) -> pa.DictionaryArray:
    """A dictionary column; negative places are null.

    The names must be distinct: a Parquet dictionary page of repeated values ends in whatever lay in memory.
    """
    indices = nullable(places, pa.from_numpy_dtype(places.dtype))
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.utf8()))


class TruthWriter:
    """Writes truth/fates.parquet source by source, and truth/expected.json at the end."""

    def __init__(self, folder: Path, names: list[str], codes: list[str], kinds: list[str]):
        self.folder, self.names, self.codes, self.kinds = folder, names, codes, kinds
        self.writer: pq.ParquetWriter | None = None
        self.files: dict[str, dict] = {}

    def add(self, number: int, feed: str, written: Written, records: np.ndarray, repeats: Repeats, kind_places) -> None:
        """One source: its records with the duplicates filled in; `kind_places`: where its feed's kinds are in all."""
        count = len(records)
        fate, code = records["fate"].copy(), records["code"].copy()
        fate[repeats.record], code[repeats.record] = DUPLICATE, -1
        verdict, first_source = np.full(count, -1, np.int8), np.full(count, -1, np.int32)
        first_record = np.full(count, -1, np.int64)
        verdict[repeats.record], first_source[repeats.record] = repeats.verdict, repeats.first_source
        first_record[repeats.record] = repeats.first_record
        lengths = records["length"].astype(np.int64)
        offsets = written.header_bytes + np.cumsum(lengths) - lengths
        kind = np.where(records["kind"] < 0, -1, kind_places[records["kind"]])
        columns = {
            "file": coded(np.full(count, number, np.int32), self.names),
            "record_no": pa.array(np.arange(count, dtype=np.int64)),
            "byte_offset": pa.array(offsets),
            "byte_length": pa.array(lengths),
            "fate": coded(fate, FATES),
            "code": coded(code, self.codes),
            "verdict": coded(verdict, VERDICTS),
            "kind": coded(kind, self.kinds),
            "first_file": coded(first_source, self.names),
            "first_record_no": nullable(first_record, pa.int64()),
        }
        table = pa.table(columns)
        if self.writer is None:
            delta = dict.fromkeys(("record_no", "byte_offset", "byte_length"), "DELTA_BINARY_PACKED")
            coded_columns = ["file", "fate", "code", "verdict", "kind", "first_file"]
            path = self.folder / "fates.parquet"
            self.writer = pq.ParquetWriter(
                path,
                table.schema,
                compression="zstd",
                use_dictionary=coded_columns,
                column_encoding=delta,
                write_statistics=False,
            )
        self.writer.write_table(table)
        self.files[self.names[number]] = {
            "feed": feed,
            "records": count,
            "fates": _counts(fate, FATES),
            "codes": _counts(code, self.codes),
            "verdicts": _counts(verdict, VERDICTS),
            "bytes": {
                "header": written.header_bytes,
                "record": written.record_bytes,
                "trailer": written.trailer_bytes,
                "filler": 0,
                "undecodable": 0,
            },
            "rejected_bytes": int(lengths[fate == REJECTED].sum()),
            "file_bytes": written.file_bytes,
        }

    def finish(self, refused: dict[str, dict]) -> dict:
        """Write the totals.

        Parameters
        ----------
        refused : dict
            Name -> code, bytes and file bytes of each file that must be refused.
        """
        if self.writer is not None:
            self.writer.close()
        found = list(self.files.values())
        expected = {
            "records": sum(entry["records"] for entry in found),
            "fates": _added(found, "fates", FATES),
            "codes": _added(found, "codes"),
            "verdicts": _added(found, "verdicts", VERDICTS),
            "bytes": _added(found, "bytes"),
            "bytes_in": sum(sum(entry["bytes"].values()) for entry in found),
            "rejected_bytes": sum(entry["rejected_bytes"] for entry in found),
            "file_bytes": sum(entry["file_bytes"] for entry in found),
            "refused": refused,
            "files": self.files,
        }
        (self.folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        return expected


def _counts(places: np.ndarray, names) -> dict[str, int]:
    counts = np.bincount(places[places >= 0], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _added(entries: list[dict], key: str, names=()) -> dict[str, int]:
    total = dict.fromkeys(names, 0)
    for entry in entries:
        for name, count in entry[key].items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items())) if not names else total
