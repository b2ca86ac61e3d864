"""A wheel builds from these sources, and runs the demo where nothing of the checkout is in sight."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("mediation", "pyproject.toml", "setup.py", "README.md", "MANIFEST.in")


@pytest.mark.slow
def test_wheel_runs_the_demo(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(ROOT / part, source)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    wheels = tmp_path / "wheels"
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source], check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True)
    # -S leaves the editable install out of sight; the dependencies are found by path alone.
    path = os.pathsep.join([str(tmp_path / "site"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    command = [sys.executable, "-S", "-m", "mediation", "demo", "--out", "demo", "--records", "9000", "--json"]
    how = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": path}, "check": True}
    done = subprocess.run(command, **how, capture_output=True, text=True)
    result = json.loads(done.stdout)
    assert result["closes"]
    assert result["bytes_in"] == result["bytes_accounted"]
    assert (tmp_path / "demo" / "out" / "settlement.csv").exists()
    feeds = subprocess.run([*command[:4], "feeds", "list"], **how, capture_output=True, text=True)
    assert len(feeds.stdout.splitlines()) == 4
