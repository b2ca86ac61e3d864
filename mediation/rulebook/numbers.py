"""Phone numbers as senders write them, brought to E.164 digits without +.

Conventions
-----------
The order, agreed for every kernel and for `normalise`, which is their plain twin:

1. Carrier: the longest carrier prefix that fits is removed, once. What is left may begin with + and is looked at again.
2. Then the first rule that fits rewrites the number, and no other is tried:
   international prefixes (longest first) are stripped; the national prefix is stripped and the country code put in
   front; a bare national number (its beginning and its exact length) gets the country code in front.
3. Where none fits the text stays as it is: digits that already begin with the country code, short codes (110, 10086,
   106…), feature codes (*21#), letters.

A rule fits when the text begins with its prefix, what is left after it is `min_digits` to `max_digits` ASCII digits
(a leading + of a carrier's rest is not counted), and, for a rule that strips an international or national prefix, what
is left does not begin with 0. So 0000… is not a number and stays.
"""

from __future__ import annotations

from typing import NamedTuple

from mediation.rulebook.model import Numbers

CARRIER = 0
REWRITE = 1
# ITU-T E.164: at most 15 digits. Below 5 a number is a short code, whatever stands before it.
MIN_DIGITS = 5
MAX_DIGITS = 15
_MAX_DIALLED = 24


class NumberRule(NamedTuple):
    """One rule of the flat table, in the order in which they are tried."""

    stage: int  # CARRIER or REWRITE
    prefix: bytes  # the text begins with it
    strip: int  # bytes removed from the left: len(prefix) or 0
    prepend: bytes
    min_digits: int  # of what is left after the strip
    max_digits: int


def compile_numbers(numbers: Numbers | None) -> tuple[NumberRule, ...]:
    """The rules of a sender as a flat table; without any, numbers stay as they are."""
    if numbers is None:
        return ()
    code = numbers.country_code.encode()
    national_max = MAX_DIGITS - len(code)

    def longest_first(prefixes):
        return sorted({prefix.encode() for prefix in prefixes}, key=lambda prefix: (-len(prefix), prefix))

    rules = [
        NumberRule(CARRIER, prefix, len(prefix), b"", MIN_DIGITS, _MAX_DIALLED)
        for prefix in longest_first(numbers.carrier_prefixes)
    ]
    rules += [
        NumberRule(REWRITE, prefix, len(prefix), b"", MIN_DIGITS, MAX_DIGITS)
        for prefix in longest_first(numbers.international_prefixes)
    ]
    if numbers.national_prefix:
        prefix = numbers.national_prefix.encode()
        rules.append(NumberRule(REWRITE, prefix, len(prefix), code, MIN_DIGITS, national_max))
    for national in sorted(numbers.national, key=lambda rule: (-len(rule.starts_with), rule.starts_with, rule.digits)):
        rules.append(NumberRule(REWRITE, national.starts_with.encode(), 0, code, national.digits, national.digits))
    return tuple(rules)


def _fits(rule: NumberRule, text: bytes) -> bool:
    if not text.startswith(rule.prefix):
        return False
    rest = text[rule.strip :]
    digits = rest[1:] if rule.stage == CARRIER and rest[:1] == b"+" else rest
    if not rule.min_digits <= len(digits) <= rule.max_digits or not digits.isdigit():
        return False
    return rule.stage == CARRIER or rule.strip == 0 or digits[:1] != b"0"


def normalise(text: str, rules: tuple[NumberRule, ...]) -> str:
    """`text` by the rules of its sender; the readable twin of the kernels."""
    raw = text.encode()
    for rule in rules:
        if rule.stage == CARRIER and _fits(rule, raw):
            raw = raw[rule.strip :]
            break
    for rule in rules:
        if rule.stage == REWRITE and _fits(rule, raw):
            return (rule.prepend + raw[rule.strip :]).decode()
    return raw.decode()


def to_msisdn(text: str, rules: tuple[NumberRule, ...]) -> int | None:
    """The served number as int64, or None (`bad_msisdn`): E.164, 5 to 15 digits, the first not 0."""
    digits = normalise(text, rules)
    if not digits.isascii() or not digits.isdigit() or not MIN_DIGITS <= len(digits) <= MAX_DIGITS:
        return None
    return int(digits) if digits[0] != "0" else None
