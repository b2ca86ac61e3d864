"""A hundred thousand records, the same at every instruction set, in every piece and from the plain twin.

`make differential` takes as many as one likes.
"""

from __future__ import annotations

import pytest

from tests import differential
from tests.decode_book import decoded_tables


@pytest.mark.slow
def test_all_ways_of_decoding_agree(tmp_path):
    tally = differential.run(tmp_path, records=100_000, twin=100_000, seed=1)
    assert tally.twin >= 100_000
    assert tally.usage > tally.records // 4
    assert tally.records - tally.usage > tally.records // 4


def test_a_lost_reject_is_seen(tmp_path, monkeypatch):
    def careless(path, feed, *, chunk_bytes=differential.CHUNK_BYTES, simd=None):
        found = decoded_tables(path, feed, chunk_bytes=chunk_bytes, simd=simd)
        if chunk_bytes != differential.CHUNK_BYTES:
            found.rejects = found.rejects.slice(1)
        return found

    monkeypatch.setattr(differential, "decoded_tables", careless)
    with pytest.raises(AssertionError, match=r"seed .* rejects"):
        differential.run(tmp_path, records=1000, twin=1000, seed=1)


def test_another_answer_of_the_twin_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(differential, "expected", lambda data, feed: ([], []))
    with pytest.raises(AssertionError, match="the twin"):
        differential.run(tmp_path, records=1000, twin=1000, seed=1)
