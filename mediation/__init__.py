"""The public card: load a rule book, process files, or go stage by stage.

Conventions
-----------
- Everything here takes any Arrow object (``__arrow_c_stream__``, ``__arrow_c_array__``) and returns `pyarrow.Table`.
- Imports only; that of `Workspace`, which brings a database along, waits until somebody asks for it.
- `decode` and `rate` are functions here and folders on disk: the function wins, and ``from mediation.rate import …``
  still finds the folder.
"""

from typing import TYPE_CHECKING, Any

from mediation import errors, schema
from mediation.decode.decode import decode
from mediation.dedup.dedup import deduplicate
from mediation.errors import MediationError, RulebookError
from mediation.pipeline.audit import Audit
from mediation.pipeline.output import write
from mediation.pipeline.run import Run, RunBatch, process, stream
from mediation.rate.rate import rate
from mediation.rulebook import Rulebook, load_rulebook

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name != "Workspace":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mediation.workspace import Workspace

    globals()[name] = Workspace
    return Workspace
