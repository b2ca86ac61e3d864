"""What rewrites BER for the other tests is itself right: two libraries read the same value from both forms."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.asn1 import ber, modules
from tests.asn1.values import Habits, value

# A value takes thousands of choices: too many to draw one by one.
RANDOMS = st.integers(0, 1 << 32).map(Random)
TYPES = {
    "tap": ("DataInterChange", lambda: modules.tap().DataInterChange, modules.tap_codec, None),
    **{name: ("GPRSRecord", modules.gprs, modules.gprs_codec, name) for name in modules.GPRS_RECORDS},
    **{name: ("CSRecord", modules.cs, modules.cs_codec, name) for name in modules.CS_RECORDS},
}


def drawn(case, random):
    """A value of one type: its type, its codec and its name there."""
    name, kind, codec, alternative = TYPES[case]
    if alternative is None:
        return kind(), codec(), name, value(kind(), random, Habits(most=2))
    made = value(modules.members(kind())[alternative], random, Habits(share=0.3, most=2))
    return kind(), codec(), name, (alternative, made)


def top(kind) -> ber.Shape:
    return ber.Shape("choice", lambda: ber.tagged_shapes(kind))


@pytest.mark.parametrize("case", TYPES)
@given(random=RANDOMS)
def test_two_libraries_write_the_same(case, random):
    kind, codec, name, made = drawn(case, random)
    kind.set_val(modules.to_pycrate(kind, made))
    assert codec.encode(name, made) == kind.to_ber()


@pytest.mark.parametrize("case", TYPES)
@given(random=RANDOMS)
def test_two_libraries_read_the_same_from_both(case, random):
    kind, codec, name, made = drawn(case, random)
    data = codec.encode(name, made)
    found = ber.rewrite(data, random, top(kind), ber.Manner(unknown=0))
    assert found.unknown == 0
    assert codec.decode(name, found.data) == made
    kind.from_ber(found.data)
    assert kind.get_val() == modules.to_pycrate(kind, made)


@pytest.mark.parametrize("case", TYPES)
@given(random=RANDOMS)
def test_nothing_but_what_was_put_in_is_new(case, random):
    kind, codec, name, made = drawn(case, random)
    data = codec.encode(name, made)
    found = ber.rewrite(data, random, top(kind), ber.Manner(unknown=0.5))
    assert ber.plain(found.data, top(kind)) == ber.plain(data, top(kind))
    assert (found.unknown == 0) == (len(tags(found.data)) == len(tags(data)))


def tags(data: bytes) -> list[bytes]:
    """All tags of a file, in order."""
    found, waiting = [], ber.parse(data)
    while waiting:
        node = waiting.pop()
        found.append(node.tag)
        waiting += node.body if isinstance(node.body, list) else []
    return found


def test_every_form_is_met():
    """Not all that a rewriter could do is nothing."""
    kind, codec, name, made = drawn("pGWRecord", Random(7))
    data = codec.encode(name, made)
    forms = [ber.rewrite(data, Random(seed), top(kind)).data for seed in range(20)]
    assert len(set(forms)) == 20
    assert any(ber.END in form for form in forms)
    assert any(tags(form) != tags(data) for form in forms)
    assert len({form[:3] for form in forms}) > 2


@pytest.mark.parametrize(
    ("number", "octets"), [(0, "80"), (30, "9e"), (31, "9f1f"), (127, "9f7f"), (128, "9f8100"), (200, "9f8148")]
)
def test_tags_by_hand(number, octets):
    assert ber.tag(number).hex() == octets
    assert ber.cut_tag(bytes.fromhex(octets) + b"\x00", 0) == (bytes.fromhex(octets), len(octets) // 2)


@pytest.mark.parametrize(
    ("size", "spare", "octets"),
    [(5, 0, "05"), (5, 1, "820005"), (127, 0, "7f"), (128, 0, "8180"), (300, 2, "840000012c")],
)
def test_lengths_by_hand(size, spare, octets):
    assert ber.length(size, spare).hex() == octets
