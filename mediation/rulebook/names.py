"""File-name templates: which feed a file belongs to, its date and its sequence number.

Conventions
-----------
- A template is literal text with `{date}` (YYYYMMDD), `{sequence}` (1 to 18 digits), `{sequence:N}` (exactly N digits)
  and at most three `*` (up to 64 characters each). `.gz` or `.zst` may follow.
- Only the name is matched, never the folder; case matters. A date that no calendar has does not match.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

_PART = re.compile(r"\{([^{}]*)\}|(\*)|([{}])")
MAX_NAME_CHARACTERS = 255
MAX_WILDCARDS = 3


class NameMatch(NamedTuple):
    """What a file's name says."""

    date: dt.date | None
    sequence: int | None


def _placeholder(body: str, seen: set[str]) -> str:
    name, _, digits = body.partition(":")
    if name not in ("date", "sequence") or (digits and name == "date") or body.endswith(":"):
        raise ValueError(f"unknown placeholder {{{body}}}: use {{date}}, {{sequence}} or {{sequence:N}}")
    if name in seen:
        raise ValueError(f"{{{name}}} stands twice")
    seen.add(name)
    if name == "date":
        return "(?P<date>[0-9]{8})"
    if not digits:
        return "(?P<sequence>[0-9]{1,18})"
    if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= 18:
        raise ValueError(f"{{{body}}}: the number of digits must be 1 to 18")
    return f"(?P<sequence>[0-9]{{{int(digits)}}})"


class NameTemplate:
    """A feed's file-name template, compiled.

    Parameters
    ----------
    template : str
        As the feed declares it.

    Raises
    ------
    ValueError
        The template is malformed; the message says how.
    """

    def __init__(self, template: str):
        if not template or len(template) > MAX_NAME_CHARACTERS:
            raise ValueError("a template has 1 to 255 characters")
        if "/" in template or "\\" in template or "\0" in template:
            raise ValueError("a template is a file name, without folders")
        pieces: list[str] = []
        seen: set[str] = set()
        at, wildcards = 0, 0
        for part in _PART.finditer(template):
            pieces.append(re.escape(template[at : part.start()]))
            at = part.end()
            if part.group(3):
                raise ValueError("a brace without its partner")
            if part.group(2):
                wildcards += 1
                pieces.append(r"[^/\\]{0,64}?")
            else:
                pieces.append(_placeholder(part.group(1), seen))
        if wildcards > MAX_WILDCARDS:
            raise ValueError(f"at most {MAX_WILDCARDS} * may stand in a template")
        pieces.append(re.escape(template[at:]))
        self.template = template
        self.has_date = "date" in seen
        self.has_sequence = "sequence" in seen
        self._pattern = re.compile("".join(pieces) + r"(?:\.gz|\.zst)?")

    def match(self, name: str) -> NameMatch | None:
        """What `name` says, or None when it does not follow the template."""
        if len(name) > MAX_NAME_CHARACTERS:
            return None
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        groups = found.groupdict()
        date = None
        if groups.get("date") is not None:
            digits = groups["date"]
            try:
                date = dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
            except ValueError:
                return None
        sequence = groups.get("sequence")
        return NameMatch(date, None if sequence is None else int(sequence))
