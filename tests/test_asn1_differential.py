"""A thousand random values of every kind of record, from encoders that are not the decoder's author's.

`make differential` takes as many as one likes.
"""

from __future__ import annotations

import pytest

from tests.asn1 import differential


@pytest.mark.slow
@pytest.mark.parametrize("kind", differential.KINDS)
def test_what_was_encoded_is_decoded(tmp_path, kind):
    tally = differential.run(tmp_path, kind, values=1000, seed=1)
    assert tally.values == 1000
    assert tally.decodings == 4000


def test_another_value_is_seen(tmp_path, monkeypatch):
    def careless(path, book):
        found = real(path, book)
        found.usage[-1]["duration_s"] = -1
        return found

    real = differential.decoded
    monkeypatch.setattr(differential, "decoded", careless)
    with pytest.raises(AssertionError, match=r"seed .* duration_s"):
        differential.run(tmp_path, "gprsCall", values=5, seed=1)
