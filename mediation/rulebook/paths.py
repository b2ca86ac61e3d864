"""Paths to values in JSON records: `pDUSessionChargingInformation.chargingId`, `multipleUnitUsage[].ratingGroup`.

Conventions
-----------
- A path begins at the record, which is an object: names of members with points between them. `[]` after a name goes
  through the elements of a list. Names with points, brackets or controls have no path.
- Steps are texts (a member of that name) and None (the elements of a list).
"""

from __future__ import annotations

import re

MOST_STEPS = 32
Steps = tuple[str | None, ...]
_PART = re.compile(r"([^.\[\]\x00-\x1f]+)((?:\[\])*)")


def steps_of(path: str) -> Steps:
    """The steps of a path, from the record on.

    Raises
    ------
    ValueError
        The path is malformed; the message says how.
    """
    steps: list[str | None] = []
    for part in path.split("."):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError("not names of members with points between them, each perhaps with [] behind it")
        steps += [found[1], *[None] * (len(found[2]) // 2)]
    if len(steps) > MOST_STEPS:
        raise ValueError(f"more than {MOST_STEPS} steps")
    return tuple(steps)


def lists_of(steps: Steps) -> Steps:
    """The steps up to the innermost list; none where there is no list."""
    return steps[: max((place + 1 for place, step in enumerate(steps) if step is None), default=0)]
