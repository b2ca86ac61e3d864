"""The members that the package knows by name, against independent modules of ASN.1: tags, names, kinds, lists."""

from __future__ import annotations

import pytest

from mediation.decode.ber.nested import members_of_format
from mediation.rulebook import model
from mediation.rulebook.members import LEAVES, Reader
from mediation.rulebook.tags import paths_of, tag_of
from tests.asn1 import chf, modules

UNIVERSAL, CONTEXT, SEQUENCE = 0, 2, 16
OLD = ("ggsn_pdp_record", "egsn_pdp_record")  # in no module any more
TEXTS = ("text", "bcd", "tbcd", "address", "hex", "ip", "plmn", "time9")
LEAVES_OF = {
    "INTEGER": ("integer", "amount", "rate", "entity"),
    "ENUMERATED": ("integer",),
    "BOOLEAN": ("boolean",),
    "NULL": ("null",),
    "SEQUENCE": ("tap_time",),
}
FORMATS = ("tap3", "ts32298")


def plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def standing(kind) -> dict[int, tuple[str, object]]:
    """What may stand in a type, by tag: an untagged choice is its alternatives."""
    pairs = [("", kind._cont)] if kind.TYPE in modules.LISTS else list(kind._cont.items())
    found = {}
    for name, each in pairs:
        if each is None:
            continue
        if each.TYPE == "CHOICE" and not each._tagc:
            found |= {tag: (name or inner, found_kind) for tag, (inner, found_kind) in standing(each).items()}
        else:
            number_class, number = each._tagc[0]
            found[number_class << 14 | number] = name, each
    return found


class Told:
    """What `asn1.table` is told of a type, in the words of a module: a CHF's record is in none."""

    def __init__(self, kind, number: int | None = None):
        self._tagc = [] if number is None else [(CONTEXT, number)]
        if isinstance(kind, str):
            self.TYPE = {"integer": "INTEGER", "boolean": "BOOLEAN"}.get(kind, "OCTET STRING")
        elif isinstance(kind, list):
            self.TYPE, element = "SEQUENCE OF", kind[0]
            self._cont = Told(element)
            if element[0] != "choice":
                self._cont._tagc = [(UNIVERSAL, SEQUENCE)]
        else:
            self.TYPE = kind[0].upper()
            self._cont = {name: Told(inner, number) for name, (number, inner) in kind[1].items()}


def records_of(form: str) -> dict[int, object]:
    if form == "tap3":
        batch = modules.tap().DataInterChange._cont["transferBatch"]
        kinds = standing(batch._cont["callEventDetails"])
        return {tag: kind for tag, (_, kind) in kinds.items()}
    choices = standing(modules.cs()) | standing(modules.gprs())
    return {tag: kind for tag, (_, kind) in choices.items()} | {tag_of("200"): Told(("set", chf.FIELDS))}


class Comparison:
    """Every path of a table, led through a module."""

    def __init__(self, declared: model.Members):
        self.types, self.faults, self.seen = declared.types, [], set()

    def compare(self, name: str, kind) -> None:
        self.seen.add(name)
        for text, said in self.types[name].items():
            each = said if isinstance(said, str) else said[0]  # the others are what the first stands for
            for path in paths_of(text):
                self.compare_path(f"{name}.{text}", each, [step.tag for step in path.steps], kind)

    def compare_path(self, where: str, said: str, tags: list[int], kind) -> None:
        called, holds = said.replace("[]", "").split()
        named, lists = None, 0
        for tag in tags:
            known = standing(kind) if kind.TYPE in modules.WITH_MEMBERS | modules.LISTS else {}
            if tag not in known:
                self.faults.append(f"{where}: the module has no tag {tag & 16383} there")
                return
            lists += kind.TYPE in modules.LISTS
            name, kind = known[tag]
            named = named or name
        if lists > ("[]" in said):
            self.faults.append(f"{where}: {lists} lists")
        if plain(named) != plain(called):
            self.faults.append(f"{where}: {called} is {named}")
        if holds in self.types and holds not in LEAVES:
            if kind.TYPE not in modules.WITH_MEMBERS:
                self.faults.append(f"{where}: {kind.TYPE} has no members")
            else:
                self.compare(holds, kind)
        elif holds not in LEAVES_OF.get(kind.TYPE, TEXTS):
            self.faults.append(f"{where}: {kind.TYPE} is not read as {holds}")


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_is_sound(form):
    declared = members_of_format(form)
    assert Reader(declared).faults == []


@pytest.mark.parametrize("form", FORMATS)
def test_tags_and_names_are_those_of_the_standard(form):
    declared, records = members_of_format(form), records_of(form)
    comparison = Comparison(declared)
    for tag, name in declared.records.items():
        (path,) = paths_of(tag)
        if name not in OLD:
            comparison.compare(name, records[path.steps[0].tag])
    assert sorted(set(comparison.faults)) == []
    assert comparison.seen == set(declared.types) - set(OLD)
