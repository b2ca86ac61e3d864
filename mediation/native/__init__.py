"""Shared C++17 headers and the two bridges to Python: `_status` (codes, the machine) and `_column` (Arrow).

Conventions
-----------
- MEDIATION_SIMD (base, avx2, avx512) forces an instruction set for the whole process; it is read here, once, and
  nowhere else.
"""

from __future__ import annotations

import functools
import os

from mediation.errors import UsageError
from mediation.native._status import simd_levels


@functools.cache
def simd_level() -> str:
    """The instruction set of this process: the machine's best, or what MEDIATION_SIMD names.

    Raises
    ------
    UsageError
        MEDIATION_SIMD names none that this machine has.
    """
    levels = simd_levels()
    wanted = os.environ.get("MEDIATION_SIMD") or levels[-1]
    if wanted not in levels:
        raise UsageError(f"MEDIATION_SIMD={wanted!r}: this machine has {', '.join(levels)}")
    return wanted
