"""The README's examples run as they stand, on what `make demo` leaves."""

import re
from pathlib import Path

import pytest

from mediation.sample.generate import generate

ROOT = Path(__file__).parent.parent


@pytest.fixture
def after_demo(tmp_path, monkeypatch):
    generate(tmp_path / "demo", records=6000, processes=1)
    (tmp_path / "mediation").mkdir()
    (tmp_path / "mediation" / "sample").symlink_to(ROOT / "mediation" / "sample")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)


def test_examples(after_demo, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    run = names["run"]
    assert len(blocks) == 4
    assert run.audit.closes
    assert names["events"].num_rows == names["nested"].num_rows == 1
    assert run.rated.num_rows == run.summary["rated"] == names["margin"].num_rows > 0
    assert names["usage"].num_rows == names["fresh"].num_rows + names["duplicates"].num_rows
    assert names["fresh"].num_rows == names["rated"].num_rows + names["suspended"].num_rows
    assert str(run.summary["records_in"]) in capsys.readouterr().out
    assert names["charged"].count_rows() == run.rated.num_rows
