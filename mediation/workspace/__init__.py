"""Many runs: a workspace that loses nothing and charges nothing twice.

    intake ─▶ ingest ─▶ protocol ─▶ catalogue        status, verify read what is committed

Conventions
-----------
- `protocol` says in which order things reach the disk, `catalogue` what is true, `ingest` what a run is.
"""

from mediation.workspace.workspace import Workspace

__all__ = ["Workspace"]
