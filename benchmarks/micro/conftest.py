"""The yardstick's first 200,000 records and their rule book, made once per session."""

from __future__ import annotations

import pytest

import mediation as md
from benchmarks import workload, yardstick_rulebook

ROWS = 200_000


@pytest.fixture(scope="session")
def yardstick(tmp_path_factory):
    """The folder of one file of records, and the loaded rule book."""
    folder = tmp_path_factory.mktemp("yardstick")
    workload.generate(folder, ROWS, 1, processes=1)
    yardstick_rulebook.write(folder / "ref", folder / "rulebook")
    return folder / "cdr_0000.txt", md.load_rulebook(folder / "rulebook")


@pytest.fixture(scope="session")
def usage(yardstick):
    """The valid records."""
    path, book = yardstick
    return md.decode(path, book.feeds["yardstick"])[0]


@pytest.fixture(scope="session")
def fresh(yardstick, usage):
    """The valid records without repeats."""
    return md.deduplicate(usage, yardstick[1])[0]


@pytest.fixture(scope="session")
def rated(yardstick, fresh):
    """The rated records."""
    return md.rate(fresh, yardstick[1])[0]
