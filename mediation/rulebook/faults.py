"""Collecting what is wrong with a rule book: every fault, each as `file: $.path: what`.

Conventions
-----------
- Paths are msgspec's: `$.layout[0].field[3].unit`, list places from 0. A row of a table is `$.line[14]` in a CSV file
  (the line an editor shows; the header is line 1) and `$.row[13]` in a Parquet file (from 1).
- A text says what is wrong and what to do. A fault stops the book, a warning does not.
"""

from __future__ import annotations

import msgspec
from msgspec import inspect


class Findings:
    """Faults and warnings, in the order in which they were found."""

    def __init__(self):
        self.faults: list[str] = []
        self.warnings: list[str] = []

    def fault(self, file: str, path: str, what: str) -> None:
        self.faults.append(f"{file}: {path}: {what}")

    def warning(self, file: str, path: str, what: str) -> None:
        self.warnings.append(f"{file}: {path}: {what}")


def convert(value, kind: type, file: str, findings: Findings, path: str = "$"):
    """`value` as `kind`, or None after recording every fault in it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        before = len(findings.faults)
        _walk(value, inspect.type_info(kind), file, path, findings)
        if len(findings.faults) == before:  # a rule that only the whole knows
            _convert_leaf(value, kind, file, path, findings)
        return None


def _convert_leaf(value, kind, file, path, findings) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, inner = str(error).partition(" - at `$")
        findings.fault(file, path + inner.rstrip("`"), what[:1].lower() + what[1:])


def _walk(value, info, file, path, findings) -> None:
    """Go down to the tables and list entries, and convert each value by itself: msgspec stops at the first fault."""
    if isinstance(info, inspect.UnionType):
        if value is None:
            return
        inner = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
        if len(inner) != 1:
            _convert_leaf(value, _python_type(info), file, path, findings)
            return
        info = inner[0]
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        _walk_struct(value, info, file, path, findings)
    elif isinstance(info, inspect.ListType) and isinstance(value, list):
        for index, entry in enumerate(value):
            _walk(entry, info.item_type, file, f"{path}[{index}]", findings)
    elif isinstance(info, inspect.DictType) and isinstance(value, dict):
        for key, entry in value.items():
            _walk(entry, info.value_type, file, f"{path}.{key}", findings)
    else:
        _convert_leaf(value, _python_type(info), file, path, findings)


def _walk_struct(value, info, file, path, findings) -> None:
    known = {field.encode_name: field for field in info.fields}
    for key, entry in value.items():
        if key in known:
            _walk(entry, known[key].type, file, f"{path}.{key}", findings)
        else:
            findings.fault(file, f"{path}.{key}", f"unknown key; known here: {', '.join(sorted(known))}")
    for name, field in known.items():
        if field.required and name not in value:
            findings.fault(file, f"{path}.{name}", "missing; this key is required")


def _python_type(info):
    """The Python annotation of a leaf, from msgspec's description of it."""
    plain = {
        inspect.StrType: str,
        inspect.IntType: int,
        inspect.FloatType: float,
        inspect.BoolType: bool,
        inspect.NoneType: None,
    }
    if type(info) in plain:
        return plain[type(info)]
    if isinstance(info, inspect.LiteralType):
        from typing import Literal

        return Literal[tuple(info.values)]
    if isinstance(info, inspect.StructType):
        return info.cls
    if isinstance(info, inspect.DateType):
        import datetime as dt

        return dt.date
    if isinstance(info, inspect.ListType):
        return list[_python_type(info.item_type)]  # type: ignore[misc]
    if isinstance(info, inspect.DictType):
        return dict[_python_type(info.key_type), _python_type(info.value_type)]  # type: ignore[misc]
    if isinstance(info, inspect.UnionType):
        import functools
        import operator

        return functools.reduce(operator.or_, [_python_type(kind) for kind in info.types])
    raise TypeError(f"no annotation for {info!r}")
