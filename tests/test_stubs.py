"""Every stub says what its compiled module has: signatures, defaults, classes, no more and no less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Cython's tables of doctests and of what other kernels call; the buffer protocol, which Python cannot see before 3.12.
ALLOWED = "".join(f".*\\.{name}\n" for name in ("__test__", "__pyx_capi__", "__buffer__", "__release_buffer__"))


def test_stubs_match_the_compiled_modules(tmp_path):
    allow_list = tmp_path / "allowed"
    allow_list.write_text(ALLOWED)
    kernels = sorted((ROOT / "mediation").rglob("_*.pyx"))
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in kernels]
    assert "mediation.native._column" in modules
    options = ["--mypy-config-file", "pyproject.toml", "--allowlist", str(allow_list), "--ignore-unused-allowlist"]
    command = [sys.executable, "-m", "mypy.stubtest", *options, *modules]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
