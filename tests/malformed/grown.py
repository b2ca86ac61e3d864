"""All families of any size, of text and of BER, in one order: what the bounds of memory and work are measured on."""

from __future__ import annotations

from tests.malformed import growing
from tests.malformed.asn1 import growing as of_ber

GROWN = [*growing.GROWING, *of_ber.GROWING]
