"""What stands in a file outside its records: header and trailer elements, and what they say.

Conventions
-----------
- An element is found by its path of tags; the first one counts.
- A code that stands twice means what it meant first. What is not written as it should be is as if it were not there.
- No message holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mediation.decode.ber import elements
from mediation.decode.ber._ber import Context
from mediation.errors import SourceRefused
from mediation.rulebook import model
from mediation.rulebook.tags import Step, members_of, paths_of

MOST_TEXT = 255  # characters of what may stand in every row; a longer text is none
NO_TYPE = -1  # of an entity that does not say it
_OFFSET = re.compile(r"([+-])([01][0-9])([0-5][0-9])")


class Part(NamedTuple):
    """A whole element, where it stands in the stream, and the tags of the elements around it."""

    above: tuple[int, ...]
    data: bytes
    offset: int


class Outside:
    """The parts of a file `before` and `after` its records, each in their order."""

    def __init__(self) -> None:
        self.before: list[Part] = []
        self.after: list[Part] = []

    def tags(self) -> set[int]:
        """Of the parts before the records."""
        return {elements.opening(part.data, 0, len(part.data)).tag for part in self.before}

    def find(self, path: str | None) -> Iterator[tuple[bytes, elements.Element]]:
        """Every element at a path, with the bytes that it stands in."""
        for each in paths_of(path) if path else ():
            tags = tuple(step.tag for step in each.steps)
            for part in self.before + self.after:
                depth = len(part.above)
                if tags[:depth] == part.above and len(tags) > depth:
                    for element in _below(part.data, 0, len(part.data), each.steps[depth:]):
                        yield part.data, element

    def integer(self, path: str | None) -> int | None:
        """The first integer at a path."""
        return next((elements.integer(*found) for found in self.find(path)), None)

    def text(self, path: str | None) -> str | None:
        """The first text at a path."""
        return next((elements.text(*found) for found in self.find(path)), None)

    def rows(self, path: str | None) -> Iterator[tuple[bytes, list[elements.Element | None]]]:
        """Of every element at a path that ends in ``{…,…}``: the first child of each of these tags, None if missing.

        Of a member's several tags the first counts that is there.
        """
        above, tags = members_of(path) if path else (None, [])
        for data, element in self.find(above):
            try:
                members = list(elements.children(data, element.content, element.end))
            except elements.Unreadable:
                continue
            yield data, [next((each for tag in any_of for each in members if each.tag == tag), None) for any_of in tags]


def _below(data: bytes, at: int, limit: int, steps: tuple[Step, ...]) -> Iterator[elements.Element]:
    try:
        for element in elements.children(data, at, limit):
            if element.tag != steps[0].tag or not _fits(data, element, steps[0]):
                continue
            if len(steps) == 1:
                yield element
            else:
                yield from _below(data, element.content, element.end, steps[1:])
    except elements.Unreadable:
        return


def _fits(data: bytes, element: elements.Element, step: Step) -> bool:
    """Whether the first child that a step asks for holds what it asks."""
    if step.child is None:
        return True
    children = elements.children(data, element.content, element.end)
    child = next((each for each in children if each.tag == step.child), None)
    if child is None or step.value is None or child.constructed:
        return child is not None and step.value is None
    if isinstance(step.value, bytes):
        return data[child.content : child.end] == step.value
    return child.content < child.end and elements.integer(data, child) == step.value


def _seconds(text: str) -> int | None:
    """``+hhmm`` or ``-hhmm`` in seconds."""
    found = _OFFSET.fullmatch(text)
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def _offsets(outside: Outside, path: str | None) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for data, (code, offset) in outside.rows(path):
        seconds = _seconds(elements.text(data, offset)) if code and offset else None
        if seconds is not None:
            offsets.setdefault(elements.integer(data, code), seconds)
    return offsets


def _rates(outside: Outside, path: str | None) -> dict[int, int]:
    """In 10^-6; a rate that cannot be said so is left out."""
    rates: dict[int, int] = {}
    for data, row in outside.rows(path):
        if None in row:
            continue
        code, decimals, rate = [elements.integer(data, element) for element in row]
        if 0 <= decimals <= model.MOST_DECIMALS:
            micro, rest = divmod(rate * 10**6, 10**decimals)
            if rest == 0 and 0 <= micro < 10**18:
                rates.setdefault(code, micro)
    return rates


def _entities(outside: Outside, path: str | None) -> dict[int, tuple[int, str]]:
    entities: dict[int, tuple[int, str]] = {}
    for data, (code, kind, identity) in outside.rows(path):
        if code and identity:
            type_ = elements.integer(data, kind) if kind else NO_TYPE
            entities.setdefault(elements.integer(data, code), (type_, elements.text(data, identity)))
    return {code: each for code, each in entities.items() if -(2**63) <= code < 2**63 and 0 < len(each[1]) <= MOST_TEXT}


def decimals_of(outside: Outside, declared: model.Ber) -> int | None:
    """How many decimals the file's amounts have; None where its header should say it, and does not."""
    if isinstance(declared.decimals, str):
        return outside.integer(declared.decimals)
    return declared.decimals or 0


def context_of(
    outside: Outside,
    declared: model.Ber,
    fields: Iterable[tuple[model.Field, list[str] | None]],
    *,
    cdrs: bool,
) -> Context:
    """What a header says to the records.

    Parameters
    ----------
    outside : Outside
    declared : Ber
    fields : iterable of tuple
        Each field that the header fills, and the values of its column; None for text.
    cdrs : bool
        The file has the headers of 3GPP TS 32.297.

    Raises
    ------
    SourceRefused
        ``header_missing`` when the decimals of amounts are not said, ``unknown_value``.
    """
    decimals = decimals_of(outside, declared)
    missing = decimals is None and not declared.decimals_optional
    if missing or (decimals is not None and not 0 <= decimals <= model.MOST_DECIMALS):
        raise SourceRefused("header_missing", "the header does not say how many decimals amounts have")
    texts, codes = [], []
    for field, values in fields:
        said = outside.text(field.header) or ""
        text = said if 0 < len(said) <= MOST_TEXT else field.default
        texts.append(text if values is None else None)
        codes.append(-1 if values is None or text is None else _code(field, values, text))
    return Context(
        cdrs=cdrs,
        head=0 if cdrs else declared.record_header_bytes,
        decimals=decimals,
        offsets=_offsets(outside, declared.utc_offsets),
        rates=_rates(outside, declared.rates),
        entities=_entities(outside, declared.entities),
        texts=texts,
        codes=codes,
    )


def _code(field: model.Field, values: list[str], text: str) -> int:
    listed = field.values if isinstance(field.values, dict) else {value: value for value in field.values or ()}
    text = field.aliases.get(text, text)
    if text not in listed:
        raise SourceRefused("unknown_value", f"the header gives {field.column} a value that the layout does not list")
    return values.index(listed[text])
