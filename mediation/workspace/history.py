"""The fingerprints that all runs have accepted: one segment a run, a file of its folder.

Conventions
-----------
- A run's segment is written with its tables and committed with them; it is never changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mediation.dedup.history import Segment, SegmentHistory, write_segment
from mediation.pipeline.engine import Past
from mediation.workspace.protocol import Place

SEGMENT = "history.segment"


def past(place: Place, *, before: int | None = None, sources: int = 0) -> Past:
    """What a run has to know of those before it: of all, or of those before an ordinal."""
    secret = place.catalogue.setting("secret")
    known = [segment for ordinal, segment in segments(place) if before is None or ordinal < before]
    return Past(secret, True, SegmentHistory(known) if known else None, sources)


def segments(place: Place) -> list[tuple[int, Segment]]:
    """Every run's segment, with its ordinal.

    Raises
    ------
    DamagedState
        One is not as it was written.
    """
    secret = place.catalogue.setting("secret")
    folders = {run.ordinal: place.folder(run) for run in place.catalogue.runs()}
    found = []
    for artifact in place.catalogue.artifacts(path=SEGMENT):
        file = place.disk.open(folders[artifact.run] / artifact.path)
        found.append((artifact.run, Segment(file, secret, f"of run {artifact.run}")))
    return found


def write(place: Place, admission: Any, folder: Path, disk: Any) -> None:
    """Write what a run has accepted."""
    if len(admission):
        with disk.create(folder / SEGMENT) as file:
            for piece in write_segment(admission.entries(), place.catalogue.setting("secret")):
                file.write(piece)
