"""Collecting what is wrong with a rule book: every fault, each as `file: $.path: what`.

Conventions
-----------
- Paths are msgspec's: `$.layout[0].field[3].unit`, list places from 0. A row of a table is `$.line[14]` in a CSV file
  (the line an editor shows; the header is line 1) and `$.row[13]` in a Parquet file (from 1).
- A text says what is wrong and what to do. A fault stops the book, a warning does not.
- A misspelt key is read as the key that is meant, so that what stands under it, and all else that refers to the file,
  is checked in the same go; a key that means nothing is left out. The book is refused either way.
"""

from __future__ import annotations

import typing

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
    """`value` as `kind` after recording every fault in it; None where more than its keys is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        before = len(findings.faults)
        mended = _walk(value, inspect.type_info(kind), file, path, findings)
        try:
            return msgspec.convert(mended, kind)
        except msgspec.ValidationError:
            if len(findings.faults) == before:  # a rule that only the whole knows
                _convert_leaf(value, kind, file, path, findings)
            return None


def _convert_leaf(value, kind, file, path, findings) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        known = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        if known and type(value) in map(type, known):
            findings.fault(file, path, f"unknown value {value!r}; known are {', '.join(map(str, known))}")
            return
        what, _, inner = str(error).partition(" - at `$")
        findings.fault(file, path + inner.rstrip("`"), what[:1].lower() + what[1:])


def _walk(value, info, file, path, findings):
    """Go down to the tables and list entries, and convert each value by itself: msgspec stops at the first fault.

    Returns `value` with its keys mended.
    """
    if isinstance(info, inspect.UnionType):
        if value is None:
            return value
        inner = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
        if len(inner) != 1:
            _convert_leaf(value, _python_type(info), file, path, findings)
            return value
        info = inner[0]
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        return _walk_struct(value, info, file, path, findings)
    if isinstance(info, inspect.ListType) and isinstance(value, list):
        return [_walk(entry, info.item_type, file, f"{path}[{index}]", findings) for index, entry in enumerate(value)]
    if isinstance(info, inspect.DictType) and isinstance(value, dict):
        return {key: _walk(entry, info.value_type, file, f"{path}.{key}", findings) for key, entry in value.items()}
    _convert_leaf(value, _python_type(info), file, path, findings)
    return value


def _walk_struct(value, info, file, path, findings) -> dict:
    import difflib  # only a faulty book needs it

    known = {field.encode_name: field for field in info.fields}
    mended = {}
    for key, entry in value.items():
        name = key
        if key not in known:
            near = difflib.get_close_matches(key, set(known) - set(value) - set(mended), 1)
            listed = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
            findings.fault(file, f"{path}.{key}", f"unknown key; {listed}")
            if not near:
                continue
            name = near[0]
        mended[name] = _walk(entry, known[name].type, file, f"{path}.{key}", findings)
    for name, field in known.items():
        if field.required and name not in mended:
            findings.fault(file, f"{path}.{name}", "missing; this key is required")
    return mended


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
        return typing.Literal[tuple(info.values)]
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
