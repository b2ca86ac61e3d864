"""Records in writing: the kernel against its naive twin, and what splices them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediation.sample._render import TooNarrow, write_records
from mediation.sample.render import splice
from tests.naive import render as naive

EDGES = [edge for power in range(19) for edge in (10**power - 1, 10**power)] + [2**63 - 1]
NUMBERS = st.sampled_from([-1, *EDGES]) | st.integers(-1, 2**63 - 1) | st.integers(0, 10**7)
MOMENTS = st.integers(-1, 4_102_444_800 + 366 * 86_400)
PATTERNS = st.sampled_from([b"%Y%m%d%H%M%S", b"%Y-%m-%dT%H:%M:%S+0800", b"%d.%m.%Y"])
TEXTS = st.binary(max_size=20)


@st.composite
def columns_of(draw, rows: int):
    """A column as the kernel takes it."""
    kind = draw(st.sampled_from(["word", "number", "moment"]))
    words = draw(st.lists(TEXTS, min_size=1, max_size=4)) if kind == "word" or draw(st.booleans()) else []
    index = draw(st.lists(st.integers(-1, len(words) - 1), min_size=rows, max_size=rows)) if words else None
    choice = {"word": st.none(), "number": NUMBERS, "moment": MOMENTS}[kind]
    values = None if kind == "word" else draw(st.lists(choice, min_size=rows, max_size=rows))
    pattern = draw(PATTERNS) if kind == "moment" else b""
    width = draw(st.sampled_from([0, 15, 60]))
    return (
        draw(TEXTS),
        words,
        None if index is None else np.array(index, np.int16),
        None if values is None else np.array(values, np.int64),
        pattern,
        draw(st.integers(0, 8)) if kind == "number" else 0,
        width,
        draw(st.sampled_from(b" 0")),
        draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(0, 6), TEXTS)
def test_records_are_those_of_the_naive_twin(data, rows, end):
    columns = data.draw(st.lists(columns_of(rows), max_size=5))
    offsets = np.zeros(rows + 1, np.int64)
    try:
        wanted = [naive.record(columns, end, row) for row in range(rows)]
    except ValueError:
        with pytest.raises(TooNarrow):
            write_records(columns, end, offsets)
        return
    assert bytes(write_records(columns, end, offsets)) == b"".join(wanted)
    assert np.diff(offsets).tolist() == [len(record) for record in wanted]


def test_columns_that_do_not_fit_together_are_refused():
    def column(index, values):
        return (b"", [b"a"], index, values, b"", 0, 0, 32, False)

    two = np.zeros(3, np.int64)
    for index, values in ((np.array([0, 1], np.int16), None), (None, np.zeros(3, np.int64))):
        with pytest.raises(ValueError, match="for each row"):
            write_records([column(index, values)], b"\n", two)
    with pytest.raises(ValueError, match="decimals"):
        write_records([(b"", [], None, np.zeros(2, np.int64), b"", 9, 0, 32, False)], b"\n", two)


def test_records_are_spliced():
    text, offsets = bytearray(b"0|ab\n12|cdef\n3|g\n"), np.array([0, 5, 13, 17])
    parts, moved = splice(text, offsets, {1: b"broken\n"})
    assert b"".join(parts) == b"0|ab\nbroken\n3|g\n"
    assert moved.tolist() == [0, 5, 12, 16]
    assert b"".join(splice(text, offsets, {})[0]) == text
