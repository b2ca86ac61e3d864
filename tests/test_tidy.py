"""The craft rules of the tree, held by reading its sources.

Conventions
-----------
- Floors are read from imports: `ast` for Python, `cimport` and `import` lines for Cython, `#include` for headers.
  What stands under `if TYPE_CHECKING:` does not count: it is never run.
- A failing rule lists every violation at once, as ``file:line: what``.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from mediation.errors import EXPLANATIONS
from mediation.native._status import codes

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mediation"
STAGES = {"decode", "dedup", "rate", "correlate", "ledger", "settle"}
UPPER = {"pipeline", "workspace", "cluster", "sample", "cli"}
LINE, FUNCTION, FILE = 120, 70, 500
WRITTEN = (".py", ".pyi", ".pyx", ".pxd", ".hpp", ".cpp")


def sources(*suffixes: str, under: Path = ROOT) -> list[Path]:
    folders = [under] if under != ROOT else [PACKAGE, *(ROOT / name for name in ("tests", "benchmarks", "fuzz"))]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes)


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def room(path: Path) -> str:
    """The room that a file of the package stands in; a file at the top is its own."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def report(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


# --------------------------------------------------------------------------------------------- floors


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imported(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything that the file imports when it runs, at its top or inside a function."""
    found: list[tuple[int, str]] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path, node.lineno)}: a relative import"
            found.extend((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        for child in ast.iter_child_nodes(node):
            if not only_for_types(child):
                walk(child)

    walk(ast.parse(path.read_text()))
    return found


def stage_faults(home: str, name: str) -> str:
    """What is wrong with a stage that imports `name`, or nothing."""
    top, *rest = name.split(".")
    if top in {"threading", "concurrent", "multiprocessing", "asyncio", "subprocess"}:
        return "threads belong to the pipeline"
    if top == "time" or name in {"os.environ", "os.getenv"}:
        return "stages know no clock and no environment"
    if top != "mediation" or not rest:
        return ""
    if rest[0] in (STAGES | UPPER) - {home}:
        return f"{home} may not import {rest[0]}"
    return ""


def rulebook_faults(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "mediation" and len(parts) > 1 and parts[1] in STAGES | UPPER:
        return f"the rule book may not import {parts[1]}"
    return ""


def upper_faults(home: str, name: str) -> str:
    parts = name.split(".")
    if parts[0] != "mediation" or len(parts) < 3:
        return ""
    if parts[1] in STAGES and parts[2].startswith("_"):
        return f"{home} may not import the kernel {parts[1]}.{parts[2]}"
    return ""


def face_faults(home: str, name: str) -> str:
    """`cli` and `sample` stand on the public card, the pipeline and their own room."""
    parts = name.split(".")
    if parts[0] == "mediation" and len(parts) > 1 and parts[1] in STAGES | {"native"}:
        return f"{home} may not import {parts[1]}"
    return ""


def faults_of(home: str, name: str) -> str:
    if home in STAGES:
        return stage_faults(home, name)
    if home == "rulebook":
        return rulebook_faults(name)
    if home in {"cli", "sample"}:
        return face_faults(home, name)
    if home in UPPER:
        return upper_faults(home, name)
    if home == "native" and name.startswith("mediation") and name.split(".")[1] not in {"native", "errors"}:
        return "native stands on nothing but errors"
    if home == "schema" and name.startswith("mediation"):
        return "schema imports nothing of ours"
    return ""


def test_every_room_keeps_to_its_floor():
    violations = []
    for path in sources(".py", under=PACKAGE):
        for line, name in imported(path):
            fault = faults_of(room(path), name)
            if fault:
                violations.append(f"{place(path, line)}: {fault}")
    report(violations)


@pytest.mark.parametrize(
    ("home", "name", "allowed"),
    [
        ("rate", "mediation.rate._rate.rate_batch", True),
        ("rate", "mediation.dedup._dedup.Admission", False),
        ("rate", "mediation.pipeline.run", False),
        ("decode", "threading.Thread", False),
        ("decode", "datetime.date", True),
        ("decode", "time.monotonic", False),
        ("pipeline", "mediation.rate.rate.rate", True),
        ("pipeline", "mediation.rate._rate.rate_batch", False),
        ("pipeline", "mediation.native._column.Batch", True),
        ("cli", "mediation.rate.rate.rate", False),
        ("rulebook", "mediation.decode.layout", False),
        ("schema", "mediation.errors", False),
    ],
)
def test_floors_tell_right_from_wrong(home, name, allowed):
    assert (faults_of(home, name) == "") is allowed


def test_kernels_stand_on_native_alone():
    line_of_import = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", re.MULTILINE)
    forbidden = {"pyarrow", "numpy", "time", "os", "datetime", "threading", "random", "secrets", "io", "pathlib"}
    violations = []
    for path in sources(".pyx", ".pxd", under=PACKAGE):
        text = path.read_text()
        for found in line_of_import.finditer(text):
            name = found[1] or found[2]
            where = place(path, text.count("\n", 0, found.start(found.lastindex)) + 1)
            ours = name.split(".")[0] == "mediation"
            if name.split(".")[0] in forbidden:
                violations.append(f"{where}: a kernel may not use {name}")
            elif ours and name.split(".")[1] not in {"native", room(path)}:
                violations.append(f"{where}: {room(path)} may not use {name}")
    report(violations)


def test_headers_include_native_and_their_own_room():
    include = re.compile(r'^#include\s+"([^"]+)"', re.MULTILINE)
    violations = []
    for path in sources(".hpp", under=PACKAGE):
        text = path.read_text()
        for found in include.finditer(text):
            allowed = {"native"} if room(path) == "native" else {"native", room(path)}
            shared = room(path) == "rate" and found[1] == "ledger/lots.hpp"
            if found[1].split("/")[0] not in allowed and not shared:
                violations.append(f"{place(path, text.count(chr(10), 0, found.start()) + 1)}: includes {found[1]}")
    report(violations)


def without_comments(text: str) -> str:
    """The text with C++ comments and literals blanked, line numbers unchanged."""
    token = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'""", re.DOTALL)
    return token.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def test_headers_know_neither_python_nor_exceptions():
    banned = re.compile(
        r"\bthrow\b|\btry\s*\{|\bcatch\s*\(|Python\.h|\bPyObject\b|\bstd::(?:random_device|thread|getenv)\b"
    )
    violations = []
    for path in sources(".hpp", under=PACKAGE):
        assert "#include <Python.h>" not in path.read_text(), path
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            found = banned.search(line)
            if found:
                violations.append(f"{place(path, number)}: {found[0].strip()}")
    report(violations)


# ---------------------------------------------------------------------------------------------- craft


def careless_nogil(text: str) -> list[tuple[int, str]]:
    """(line, signature) of functions declared nogil without a word about errors, over as many lines as they take."""
    lines, found = text.splitlines(), []
    for start, line in enumerate(lines):
        if not re.match(r"\s*cp?def\s+(?!extern\b|class\b|struct\b|enum\b|cppclass\b)", line) or "(" not in line:
            continue
        end = start + 1
        while end < len(lines) and "".join(lines[start:end]).count("(") > "".join(lines[start:end]).count(")"):
            end += 1
        signature = " ".join(part.strip() for part in lines[start:end])
        promise = signature.rpartition(")")[2]
        if re.search(r"\bnogil\b", promise) and not re.search(r"\b(noexcept|except)\b", promise):
            found.append((start + 1, signature))
    return found


def test_nogil_functions_say_what_an_error_does():
    """Without `noexcept` or `except`, Cython takes the GIL back after every call to look for an exception."""
    violations = []
    for path in sources(".pyx", ".pxd", under=PACKAGE):
        violations += [f"{place(path, line)}: {what}" for line, what in careless_nogil(path.read_text())]
    report(violations)


def test_careless_nogil_is_seen():
    assert careless_nogil("cdef void f(int[:] x,\n            int y=0) nogil:\n    pass") == [
        (1, "cdef void f(int[:] x, int y=0) nogil:")
    ]
    assert not careless_nogil("cdef int f(int[:] x) except -1 nogil:\n    pass\ncdef void g() noexcept nogil\n")


def test_files_and_lines_stay_short():
    violations = []
    for path in sources(*WRITTEN):
        lines = path.read_text().splitlines()
        if len(lines) >= FILE:
            violations.append(f"{place(path, len(lines))}: a file of {len(lines)} lines")
        violations += [f"{place(path, n)}: {len(line)} columns" for n, line in enumerate(lines, 1) if len(line) > LINE]
    report(violations)


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())


def blocks_by_indent(path: Path) -> list[tuple[int, str, int]]:
    """(line, name, length) of the functions of a Cython file: from `def` to the last line indented deeper."""
    opening = re.compile(r"^\s*(?:def|cp?def)\s+(?!extern|class|struct|enum)[^=]*?(\w+)\s*\(")
    lines = path.read_text().splitlines()
    found = []
    for start, line in enumerate(lines):
        name = opening.match(line)
        if not name:
            continue
        signature = next((n for n in range(start, len(lines)) if re.search(r":\s*(#.*)?$", lines[n])), start)
        end = signature
        for n in range(signature + 1, len(lines)):
            if lines[n].strip() and indent_of(lines[n]) <= indent_of(line):
                break
            end = n if lines[n].strip() else end
        found.append((start + 1, name[1], end - start + 1))
    return found


def blocks_by_brace(path: Path) -> list[tuple[int, str, int]]:
    """(line, name, length) of the functions of a header: a brace that a parameter list precedes, to its partner."""
    text = without_comments(path.read_text())
    opening = re.compile(r"(\w+)\s*\([^;{}]*\)(?:\s*(?:const|noexcept|override|mutable|->\s*[\w:<>*&\s]+))*\s*\{")
    words = {"if", "for", "while", "switch", "catch", "return", "sizeof"}
    found = []
    for head in opening.finditer(text):
        if head[1] in words:
            continue
        depth, end = 1, head.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        first = text.count("\n", 0, head.start()) + 1
        found.append((first, head[1], text.count("\n", head.start(), end) + 1))
    return found


def blocks_of_python(path: Path) -> list[tuple[int, str, int]]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)]
    return [(node.lineno, node.name, node.end_lineno - node.lineno + 1) for node in nodes]


def test_functions_fit_on_a_page():
    readers = {".py": blocks_of_python, ".pyx": blocks_by_indent, ".hpp": blocks_by_brace, ".cpp": blocks_by_brace}
    violations = []
    for path in sources(*readers):
        for line, name, length in readers[path.suffix](path):
            if length >= FUNCTION:
                violations.append(f"{place(path, line)}: {name} has {length} lines")
    report(violations)


def test_nothing_is_left_for_later():
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
    violations = []
    for path in sources(*WRITTEN):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if words.search(line):
                violations.append(f"{place(path, number)}: {line.strip()}")
    report(violations)


def test_modules_say_what_they_are_for():
    violations = []
    for path in sources(".py", under=PACKAGE):
        tree = ast.parse(path.read_text())
        if tree.body and not ast.get_docstring(tree):
            violations.append(f"{place(path, 1)}: no docstring")
    for path in sources(".pyx", under=PACKAGE):
        if not path.read_text().startswith('"""'):
            violations.append(f"{place(path, 1)}: no docstring")
    for path in sources(".hpp", under=PACKAGE):
        if not path.read_text().startswith("//"):
            violations.append(f"{place(path, 1)}: no purpose at its head")
    report(violations)


def test_every_kernel_has_its_stub():
    report([str(path) for path in sources(".pyx", under=PACKAGE) if not path.with_suffix(".pyi").exists()])


# ------------------------------------------------------------------------------------------ published


def test_every_code_is_explained():
    assert set(EXPLANATIONS) == set(codes()) - {"ok"}


def test_codes_are_told_once_each():
    numbers = list(codes().values())
    assert numbers == sorted(set(numbers))
    assert codes()["ok"] == 0


def test_changelog_knows_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_setup_is_small():
    assert len((ROOT / "setup.py").read_text().splitlines()) < 50


@pytest.mark.parametrize(
    "target",
    [
        *("demo", "test", "lint", "bench", "build"),
        *("faults", "soak", "fuzz", "sanitize", "tsan", "coverage", "differential"),
    ],
)
def test_readme_and_makefile_name_the_same_commands(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"make {target}" in (ROOT / "README.md").read_text()
