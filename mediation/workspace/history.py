"""The fingerprints of all runs, as files of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mediation.pipeline.disk import Disk
from mediation.workspace.protocol import Place


def opened(place: Place, secret: bytes, before: int | None = None) -> Any:
    return None


def write(admission: Any, secret: bytes, folder: Path, disk: Disk) -> None:
    return None
