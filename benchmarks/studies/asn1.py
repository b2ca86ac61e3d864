"""Files of ASN.1 into Arrow columns: records a CPU second against asn1tools, and whether memory follows the file.

    python -m benchmarks.studies.asn1 [--events 20000 2000000] [--peer 2000] [--rounds 3]

Conventions
-----------
- TAP 3.12 files of events of 300 bytes and 52 elements, and PGW records of 1 to 8 containers: see `asn1_files`.
- Three programs in turn, each in a process of its own on one thread: `mediation.decode`, all of a file in memory;
  `mediation.stream` through the decoder, every batch dropped; asn1tools, which gives Python objects and no columns, on
  a smaller file of the same kind.
- CPU seconds are taken inside the process, around the decoding alone, of which the first is not counted: loading what a
  process loads once takes longer than a small file. Small files are decoded again and again. Peak memory is what the
  kernel reports of the whole process.
- The ratio to asn1tools is formed within a round. Records, and the charges of TAP, must be what was written.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import asn1_files, machine
from benchmarks.asn1_files import Written
from benchmarks.measure import Measurement, run
from benchmarks.report import markdown
from benchmarks.studies import common

DECODE, STREAM, PEER = "mediation.decode", "mediation.stream", "asn1tools"
WRITERS = {"tap": asn1_files.write_tap, "pgw": asn1_files.write_pgw}
FORMATS = {"tap": "tap3", "pgw": "ts32298"}
AT_LEAST = 100_000  # records that a small file comes to by being decoded again
COLUMNS = ("file", "program", "records", "MB", "ns a record", "records a CPU second", "asn1tools takes", "peak MB")


class Found(NamedTuple):
    """What a program made of a file; a charge is in the file's own scale."""

    records: int
    charge: int


def book(path: Path, form: str):
    """A rule book that takes such a file."""
    from tests.asn1.book import book_of

    return book_of(path.with_suffix(".book"), FORMATS[form])


def columns_of(path: Path, form: str) -> Callable[[], Found]:
    """The whole file as Arrow tables."""
    import mediation

    feed = book(path, form).feeds["t"]

    def decode() -> Found:
        usage, rejects = mediation.decode(path, feed)
        return told(usage, form, rejects.num_rows)

    return decode


def batches_of(path: Path, form: str) -> Callable[[], Found]:
    """The same, in batches that are dropped."""
    import mediation

    rules = book(path, form)

    def stream() -> Found:
        found = Found(0, 0)
        for batch in mediation.stream([path], rules, threads=1, through="decode"):
            here = told(batch.table, form, 0 if batch.rejects is None else batch.rejects.num_rows)
            found = Found(found.records + here.records, found.charge + here.charge)
        return found

    return stream


def told(usage, form: str, rejected: int) -> Found:
    import pyarrow.compute as pc

    if rejected:
        raise SystemExit(f"{rejected} records were rejected")
    records = usage.num_rows if form == "tap" else pc.sum(pc.equal(usage["item_no"], 0)).as_py() or 0
    charge = pc.sum(usage["host_charge_amount"]).as_py() if form == "tap" else 0
    return Found(records, int((charge or 0) * Decimal(10) ** asn1_files.DECIMALS))


def objects_of(path: Path, form: str) -> Callable[[], Found]:
    """Python objects, by asn1tools."""
    from tests.asn1 import modules, tap_rows

    data = path.read_bytes()
    codec = modules.tap_codec() if form == "tap" else modules.gprs_codec()

    def batch() -> Found:
        _, value = codec.decode("DataInterChange", data)
        events = value["callEventDetails"]
        return Found(len(events), sum(sum(tap_rows.charges(event)) for _, event in events))

    def records() -> Found:
        at = count = 0
        while at < len(data):
            _, size = codec.decode_with_length("GPRSRecord", data[at : at + asn1_files.LONGEST])
            at, count = at + size, count + 1
        return Found(count, 0)

    return batch if form == "tap" else records


PROGRAMS = {DECODE: columns_of, STREAM: batches_of, PEER: objects_of}


def inside(program: str, form: str, path: Path) -> None:
    """What a child does: decode, and print what it found and took."""
    decode, records, cpu = PROGRAMS[program](path, form), 0, 0.0
    decode()
    while records < (AT_LEAST if program != PEER else 1):
        began = time.process_time()
        found = decode()
        cpu += time.process_time() - began
        records += found.records
    print(json.dumps({"records": found.records, "charge": found.charge, "record_s": cpu / records}))


def measured(program: str, form: str, file: Written) -> Measurement:
    """One program in a process of its own; ends the command where it found other than was written."""
    cost = run(["-m", "benchmarks.studies.asn1", "--inside", program, form, str(file.path)], processors=1)
    found = Found(cost.totals["records"], cost.totals["charge"])
    if found != Found(file.events, file.charge):
        raise SystemExit(f"{program}, {file.path}: found {found}, written were {file.events:,} and {file.charge:,}")
    return cost


def rows(form: str, files: list[Written], peer: Written, rounds: int) -> list[list[str]]:
    """The lines of one kind of file, programs in turn."""
    told = [(PEER, peer), *((program, file) for file in files for program in (DECODE, STREAM))]
    costs: list[list[Measurement]] = [[] for _ in told]
    for _ in range(rounds):
        for (program, file), found in zip(told, costs, strict=True):
            found.append(measured(program, form, file))
    made = []
    for (program, file), found in zip(told, costs, strict=True):
        pairs = zip(costs[0], found, strict=True)
        shares = [theirs.totals["record_s"] / ours.totals["record_s"] for theirs, ours in pairs]
        record_s = median(cost.totals["record_s"] for cost in found)
        peak = median(cost.peak_bytes for cost in found)
        cells = [form, program, f"{file.events:,}", f"{file.bytes / 1e6:.1f}", f"{record_s * 1e9:,.0f}"]
        ratio = "" if program == PEER else f"{median(shares):.1f}× ({min(shares):.1f}–{max(shares):.1f})"
        made.append([*cells, f"{1 / record_s:,.0f}", ratio, f"{peak / 1e6:.0f}"])
    return made


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["--inside"]:
        program, form, path = sys.argv[2:]
        inside(program, form, Path(path))
        return
    parser = common.parser("asn1", __doc__, peer=2_000, rounds=3)
    parser.add_argument("--events", type=int, nargs="+", default=[20_000, 2_000_000], help="default: 20000 2000000")
    arguments = parser.parse_args()
    folder = arguments.work / "asn1"
    folder.mkdir(parents=True, exist_ok=True)
    heading, table = machine.heading(), []
    for form, write in WRITERS.items():
        peer, *files = [
            write(folder / f"{form}-{events}.{form}", events) for events in (arguments.peer, *arguments.events)
        ]
        table += rows(form, files, peer, arguments.rounds)
    print(heading)
    print(f"One thread, rounds: {arguments.rounds}; medians:\n")
    print(markdown(COLUMNS, table, text_columns=2))


if __name__ == "__main__":
    main()
