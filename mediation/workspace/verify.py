"""A workspace checked from its files alone: every hash, every total, every equation.

Conventions
-----------
- Nothing is believed that can be computed: files are read whole, tables counted, certificates added up, links of the
  chain formed again.
- A fault is a sentence that says where; nothing is changed.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from mediation.decode.bytestream import ByteStream
from mediation.errors import DamagedState, NoInputError, SourceRefused
from mediation.pipeline.audit import INTO, OUT_OF
from mediation.rulebook.model import SourceLimits
from mediation.workspace import history, protocol, retention, sequences, staged, suspense
from mediation.workspace.edited import FIXED
from mediation.workspace.intake import PIECE_BYTES, kept_copy
from mediation.workspace.protocol import Place
from mediation.workspace.rows import BEHIND, RESULTS, SOURCES, Artifact, Run, SourceRow, collected

COUNTED = {  # where the certificate counts the rows of a table
    "rated": ("rate", "items_out"),
    "rejects": ("decode", "items_exceptions"),
    "suspended": ("rate", "items_exceptions"),
    "duplicates": ("deduplicate", "items_exceptions"),
}

MOVED = {"suspended": 1, "duplicates": -1}  # what is too old is suspended, by the stage that finds repeats


def verify(place: Place) -> list[str]:
    """Every fault of a workspace; none where all is well."""
    faults = place.catalogue.faults()
    if faults:
        return faults  # what follows reads it
    runs = place.catalogue.runs()
    parent, link = staged.NO_PARENT, staged.NO_PARENT
    sums: dict = {}
    for number, run in enumerate(runs, 1):
        sources, artifacts = place.catalogue.sources(run.ordinal), place.catalogue.artifacts(run.ordinal)
        found = [] if run.ordinal == number else [f"run {number} is missing before it"]
        if run.parent != parent:
            found.append("its parent is not the run before")
        named = run.parent, run.kind, run.version, run.rulebook_hash, run.reference_hash, run.arguments
        if staged.run_identity(*named) != run.run_id:
            found.append("its id is not the hash of what it depends on")
        if run.folder != staged.folder_name(run.ordinal, run.run_id):
            found.append("its folder's name does not follow from its id")
        if staged.chain(run._replace(chain=link), sources, artifacts) != run.chain:
            found.append("its certificate's link does not follow from the one before and from what it holds")
        if (sums := staged.added(sums, run.totals)) != run.sums:
            found.append("the totals of all runs up to it are not the sum of theirs")
        found += _noted_faults(place, run)
        found = found or _run_faults(place, run, sources, artifacts)  # which believes what is told of it
        if not found and not faults:  # of it and of those before it
            found = _content_faults(place, run)
        faults += [f"run {run.ordinal}: {fault}" for fault in found]
        parent, link = run.run_id, run.chain
    if place.catalogue.ask(BEHIND) != place.catalogue.ask("SELECT * FROM behind ORDER BY source_id"):
        faults.append("which files came behind others is not what the files say")
    faults += sequences.faults(place)
    return faults + _unknown_folders(place, runs) + _history_faults(place)


def _noted_faults(place: Place, run: Run) -> list[str]:
    """Of what the catalogue notes beside the run, so that it can be asked for."""
    catalogue, arguments = place.catalogue, run.arguments
    noted = {
        "suspended": (
            {code: (items, oldest) for code, items, oldest in catalogue.suspended(run.ordinal)},
            {
                code: (items, run.totals.get("oldest_suspended", {}).get(code))
                for code, items in run.totals["exceptions"]["suspended"].items()
            },
        ),
        "settled": (
            [[each.run, each.code] for each in catalogue.settled_by(run.ordinal)],
            sorted(arguments.get("settled", [])),
        ),
        "corrected": (
            [list(each[:2]) + list(each[3:]) for each in catalogue.corrected_by(run.ordinal)],
            sorted(arguments.get("corrected", [])),
        ),
        "collected": (catalogue.collected_by(run.ordinal), collected(catalogue.sources(run.ordinal))),
        "merged": (
            [each.run for each in catalogue.merged_by(run.ordinal)],
            sorted(arguments.get("merged", [])),
        ),
        "given_up": (
            [[each.run, each.part] for each in catalogue.dropped_by(run.ordinal)],
            sorted([each, part] for part, runs in arguments.get("given_up", {}).items() for each in runs),
        ),
        "history_from": (
            [retention.written(retention.date_of(day)) for day in catalogue.horizon_by(run.ordinal)],
            [day for day in [arguments.get("history_from")] if day is not None],
        ),
    }
    return [f"what is noted as {name} is not what it has {name}" for name, (told, did) in noted.items() if told != did]


def _run_faults(place: Place, run: Run, sources: list[SourceRow], artifacts: list[Artifact]) -> list[str]:
    folder = place.folder(run)
    given_up = {each.part for each in place.catalogue.dropped_of(run.ordinal)}
    artifacts = [each for each in artifacts if retention.part_of(each.path) not in given_up]
    faults = [fault for artifact in artifacts for fault in _file_faults(place, folder, artifact)]
    if faults:
        return faults  # what follows reads them
    result = json.loads((folder / "run.json").read_bytes())
    for name in run.totals:  # an older version's knows fewer
        if result.get(name) != run.totals[name]:
            faults.append(f"run.json and the catalogue differ in {name}")
    into, out_of = (sum(run.totals[name] for name in side) for side in (INTO, OUT_OF))
    if into != out_of:
        faults.append(f"{into} records came in, {out_of} went out")
    if run.totals["bytes_in"] != run.totals["bytes_accounted"]:
        faults.append(f"{run.totals['bytes_in']} bytes came in, {run.totals['bytes_accounted']} are accounted for")
    accepted = [source for source in sources if source.refused is None]
    for name in (*INTO, *OUT_OF, "bytes_in", "conflicts") if run.kind == "ingest" else ():
        if sum(source.counts[name] for source in accepted) != run.totals[name]:
            faults.append(f"its files do not add up to its {name}")
    for table in COUNTED if RESULTS not in given_up else ():
        faults += _table_faults(folder, table, artifacts, result)
    known = {artifact.path for artifact in artifacts}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    faults += [f"{path}: nobody has written it" for path in sorted(there - known)]
    for source in accepted if SOURCES not in given_up else ():
        faults += _kept_faults(kept_copy(folder, source.source_id), source)
    return faults


def _content_faults(place: Place, run: Run) -> list[str]:
    """Of what only the rows of files tell: which numbers were seen, and that what was rated edited had waited."""
    if place.catalogue.seen_by(run.ordinal) != sequences.read(place, run):
        return ["what is noted as seen is not what it has seen"]
    if "edited" not in run.arguments:
        return []
    try:
        edited, waited = suspense.corrected_by(place, run)
    except NoInputError:  # a run has given it up
        return []
    here, there = (
        sorted(zip(*(each[name].to_pylist() for name in ("run", *FIXED)), strict=True), key=str)
        for each in (edited, waited)
    )
    faults = [] if here == there else [f"{suspense.EDITED} holds rows that did not wait, or for another reason"]
    counts = Counter(zip(edited["run"].to_pylist(), edited["code"].to_pylist(), strict=True))
    if dict(counts) != {(number, code): items for number, code, items, _ in run.arguments["corrected"]}:
        faults.append(f"{suspense.EDITED} does not hold as many rows as it has settled")
    return faults


def _file_faults(place: Place, folder: Path, artifact: Artifact) -> list[str]:
    path = folder / artifact.path
    if not place.disk.exists(path):
        return [f"{artifact.path} is missing"]
    if place.disk.hash(path) != artifact.hash:
        return [f"{artifact.path} is not what was written"]
    return []


def _table_faults(folder: Path, table: str, artifacts: list[Artifact], result: dict) -> list[str]:
    import pyarrow.parquet as pq

    parts = [each.path for each in artifacts if each.path.startswith(f"{table}/")]
    rows = sum(pq.read_metadata(folder / part).num_rows for part in parts)
    stage, side = COUNTED[table]
    wanted = sum(row[side] for row in result["certificate"] if row["stage"] == stage)
    wanted += MOVED.get(table, 0) * result["exceptions"]["suspended"].get("too_old", 0)
    return [] if rows == wanted else [f"{table} has {rows} rows, and its certificate {wanted}"]


def _kept_faults(path: Path, source: SourceRow) -> list[str]:
    limits = SourceLimits(max_bytes=1 << 62, max_ratio=1 << 31)
    try:
        stream = ByteStream(path, "zstd", limits)
        try:
            for _ in stream.pieces(PIECE_BYTES):
                pass
            found = stream.finish()
        finally:
            stream.close()
    except SourceRefused as refusal:
        return [f"the copy of {source.name}: {refusal}"]
    return [] if found == source.content_hash else [f"the copy of {source.name} is not what was read"]


def _unknown_folders(place: Place, runs: list[Run]) -> list[str]:
    known = {run.folder for run in runs}
    names = place.disk.names(place.root / protocol.RUNS)
    return [f"runs/{name}: the catalogue does not know it" for name in names if name not in known]


def _history_faults(place: Place) -> list[str]:
    """Of the segments; nothing that the runs' files have not told already."""
    faults, merging = [], {each.by_run for each in place.catalogue.merged()}
    try:
        for ordinal, segment in history.every(place):
            segment.verify()
            own = [] if ordinal in merging else history.days_of(segment.days, ordinal)
            if own != place.catalogue.event_days(ordinal):
                faults.append(f"run {ordinal}: what is noted of its event days is not what its history holds")
    except (DamagedState, OSError) as error:
        faults.append(str(error))
    return faults
