"""A workspace checked from its files alone: every hash, every total, every equation.

Conventions
-----------
- Nothing is believed that can be computed: files are read whole, tables counted, certificates added up, links of the
  chain formed again.
- A fault is a sentence that says where; nothing is changed.
"""

from __future__ import annotations

import json
from pathlib import Path

from mediation.decode.bytestream import ByteStream
from mediation.errors import DamagedState, SourceRefused
from mediation.pipeline.audit import INTO, OUT_OF
from mediation.rulebook.model import SourceLimits
from mediation.workspace import history, protocol, staged
from mediation.workspace.catalogue import Artifact, Run, SourceRow
from mediation.workspace.intake import PIECE_BYTES, kept_copy
from mediation.workspace.protocol import Place

COUNTED = {  # where the certificate counts the rows of a table
    "rated": ("rate", "items_out"),
    "rejects": ("decode", "items_exceptions"),
    "suspended": ("rate", "items_exceptions"),
    "duplicates": ("deduplicate", "items_exceptions"),
}


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
        faults += [f"run {run.ordinal}: {fault}" for fault in found]
        parent, link = run.run_id, run.chain
    return faults + _unknown_folders(place, runs) + _history_faults(place)


def _noted_faults(place: Place, run: Run) -> list[str]:
    """Of what the catalogue notes beside the run, so that it can be asked for."""
    catalogue, arguments = place.catalogue, run.arguments
    noted = {
        "suspended": (
            {code: items for _, code, items in catalogue.suspended(run.ordinal)},
            run.totals["exceptions"]["suspended"],
        ),
        "settled": (
            [[each.run, each.code] for each in catalogue.settled_by(run.ordinal)],
            sorted(arguments.get("settled", [])),
        ),
        "merged": (
            [each.run for each in catalogue.merged_by(run.ordinal)],
            sorted(arguments.get("merged", [])),
        ),
    }
    return [f"what is noted as {name} is not what it has {name}" for name, (told, did) in noted.items() if told != did]


def _run_faults(place: Place, run: Run, sources: list[SourceRow], artifacts: list[Artifact]) -> list[str]:
    folder = place.folder(run)
    faults = [fault for artifact in artifacts for fault in _file_faults(place, folder, artifact)]
    if faults:
        return faults  # what follows reads them
    result = json.loads((folder / "run.json").read_bytes())
    for name in staged.OF_RUN:
        if result[name] != run.totals[name]:
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
    for table in COUNTED:
        faults += _table_faults(folder, table, artifacts, result)
    known = {artifact.path for artifact in artifacts}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    faults += [f"{path}: nobody has written it" for path in sorted(there - known)]
    for source in accepted:
        faults += _kept_faults(kept_copy(folder, source.source_id), source)
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
    try:
        for _, segment in [*history.every(place), *history.opened(place)]:
            segment.verify()
    except (DamagedState, OSError) as error:
        return [str(error)]
    return []
