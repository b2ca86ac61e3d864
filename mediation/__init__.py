"""The public card: load a rule book, process files, or go stage by stage.

Conventions
-----------
- Everything here takes any Arrow object (``__arrow_c_stream__``, ``__arrow_c_array__``) and returns `pyarrow.Table`.
- Imports only; those of `write` and `Workspace`, which bring writers and a database along, wait until somebody asks.
- `decode` and `rate` are functions here and folders on disk: the function wins, and ``from mediation.rate import …``
  still finds the folder.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mediation import errors, schema
from mediation.decode.decode import decode
from mediation.dedup.dedup import deduplicate
from mediation.errors import MediationError, RulebookError
from mediation.pipeline.audit import Audit
from mediation.pipeline.run import Run, RunBatch, process, stream
from mediation.pipeline.totals import control_totals
from mediation.rate.rate import rate
from mediation.rulebook import Rulebook, load_rulebook

if TYPE_CHECKING:
    from mediation.pipeline.output import write
    from mediation.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "MediationError",
    "Rulebook",
    "RulebookError",
    "Run",
    "RunBatch",
    "Workspace",
    "control_totals",
    "decode",
    "deduplicate",
    "errors",
    "load_rulebook",
    "process",
    "rate",
    "schema",
    "stream",
    "write",
]


_LATER = {"write": "mediation.pipeline.output", "Workspace": "mediation.workspace"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LATER[name]), name)
    return found
