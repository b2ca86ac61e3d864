"""Exact money: every rounding mode against Fractions, symmetry, the bound of a line, residues."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from naive.rate import round_to

from mediation.rate._rate import rounded_line
from mediation.rulebook.rates import MODES

MICRO = Fraction(1, 10**6)
LIMIT = 10**18
GRANULES = [10**n for n in range(7)]


def rounded(numerator, denominator, granule, mode):
    return rounded_line(numerator, denominator, granule, MODES.index(mode))


@given(
    st.integers(-(10**30), 10**30),
    st.integers(1, 10**12),
    st.sampled_from(GRANULES),
    st.sampled_from(MODES),
)
@example(125_000, 1, 10_000, "half_even")
@example(-5, 2, 1, "half_even")
def test_agrees_with_fractions(numerator, denominator, granule, mode):
    exact = Fraction(numerator, denominator)
    expected = round_to(exact, granule, mode)
    found = rounded(numerator, denominator, granule, mode)
    if abs(expected) >= LIMIT:
        assert found is None
    else:
        assert found == (expected, int((exact - expected) * 10**6))


@given(st.integers(0, 10**24), st.integers(1, 10**9), st.sampled_from(GRANULES), st.sampled_from(MODES))
def test_f24_symmetry(numerator, denominator, granule, mode):
    found, mirrored = (rounded(sign * numerator, denominator, granule, mode) for sign in (1, -1))
    assert (found is None) == (mirrored is None)
    if found is not None:
        assert mirrored == (-found[0], -found[1])


@pytest.mark.parametrize(
    ("amount", "mode", "cents"),
    [
        (125_000, "half_away", 13),
        (-125_000, "half_away", -13),
        (125_000, "half_even", 12),
        (135_000, "half_even", 14),
        (-125_000, "half_even", -12),
        (121_000, "up", 13),
        (-121_000, "up", -13),
        (129_000, "down", 12),
        (-129_000, "down", -12),
        (120_000, "up", 12),
    ],
)
def test_modes(amount, mode, cents):
    assert rounded(amount, 1, 10_000, mode) == (cents * 10_000, (amount - cents * 10_000) * 10**6)


def test_a_line_is_bounded():
    assert rounded(LIMIT - 1, 1, 1, "down") == (LIMIT - 1, 0)
    assert rounded(LIMIT, 1, 1, "down") is None
    assert rounded(-LIMIT, 1, 1, "down") is None
    assert rounded(1 - LIMIT, 1, 1, "down") == (1 - LIMIT, 0)
    assert rounded(10**37, 10**18, 1, "half_away") is None


def test_residue_is_truncated_toward_zero():
    assert rounded(1, 3, 1, "half_away") == (0, 333_333)
    assert rounded(2, 3, 1, "half_away") == (1, -333_333)
    assert rounded(-2, 3, 1, "half_away") == (-1, 333_333)
