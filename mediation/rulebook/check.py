"""Checks a rule book as a whole, across its files: every fault at once, none found by running into it.

Conventions
-----------
- A fault is something that can not be meant; a warning is something that may be.
- Nothing is checked against what has faults itself, so that one mistake is one fault.
"""

from __future__ import annotations

from pathlib import Path

from mediation.errors import RulebookError
from mediation.rulebook.check_feeds import check_feeds
from mediation.rulebook.check_tariffs import MAX_PRICE_DECIMALS, check_tariffs
from mediation.rulebook.columns import dictionaries
from mediation.rulebook.known import Known
from mediation.rulebook.load import Read, read
from mediation.rulebook.model import Book, Numbers
from mediation.rulebook.prices import UNITS_OF
from mediation.rulebook.zones import is_zone

_FILE = "rulebook.toml"
MAX_RETENTION_DAYS = 36_500
_DIALLED = frozenset("0123456789*#+")


def check(result: Read) -> None:
    """Add every fault and warning across files to `result.findings`.

    Parameters
    ----------
    result : Read
        Whole or not: what has faults itself is left out.
    """
    if not result.feeds and not result.hosts and not result.products and result.book is None:
        return
    known = Known(result)
    if result.book is not None:
        _check_book(known, result.book)
    check_feeds(known)
    check_tariffs(known)


def check_book(path: str | Path, reference: str | Path | None = None) -> tuple[list[str], list[str]]:
    """Every fault and every warning of a rule book, and of its reference data.

    Parameters
    ----------
    path : str or Path
        The folder that holds rulebook.toml.
    reference : str or Path, optional
        The folder of the reference data.

    Returns
    -------
    faults, warnings : list of str
        Each as ``file: $.path: what``.
    """
    from mediation.rulebook.reference import read_reference

    result = read(path)
    check(result)
    if reference is not None:
        read_reference(reference, result.book, result.findings)
    if not result.findings.faults:
        _check_compiles(result)
    return result.findings.faults, result.findings.warnings


def _check_compiles(result: Read) -> None:
    """What only the arrays' limits know, such as prices without a small common denominator."""
    from mediation.rulebook.rates import Rates

    declared = result.declared()
    try:
        Rates(declared, dictionaries(declared))
    except RulebookError as error:
        result.findings.faults.extend(error.faults)


def _check_book(known: Known, book: Book) -> None:
    fault = known.findings.fault
    if not is_zone(book.zone):
        fault(_FILE, "$.zone", f"no time zone {book.zone!r} in tzdata; write an IANA name such as Asia/Shanghai")
        known.home_zone = "UTC"
    if not (len(book.currency) == 3 and book.currency.isascii() and book.currency.isupper()):
        fault(_FILE, "$.currency", "not three capital letters of ISO 4217, such as CNY")
    if not 0 <= book.price_decimals <= MAX_PRICE_DECIMALS:
        fault(_FILE, "$.price_decimals", f"0 to {MAX_PRICE_DECIMALS}")
    if book.product is not None:
        known.refer(book.product, known.products, _FILE, "$.product", "product")
    elif book.account == "served_msisdn":
        fault(_FILE, "$.product", "missing; where the number is the account, one product is for all")
    if not 0 <= book.limits.max_reject_share <= 1:
        fault(_FILE, "$.limits.max_reject_share", "a share of 0 to 1")
    if book.limits.max_refused_files < 0:
        fault(_FILE, "$.limits.max_refused_files", "zero or more")
    for name in ("history_days", "sources_days", "tables_days"):
        days = getattr(book.retention, name)
        if days is not None and not 1 <= days <= MAX_RETENTION_DAYS:
            fault(_FILE, f"$.retention.{name}", f"1 to {MAX_RETENTION_DAYS}; leave it out to keep all for ever")
    _check_services(known, book)
    for name, numbers in book.numbers.items():
        _check_numbers(known, f"$.numbers.{name}", numbers)
    _check_columns(known, book)


def _check_services(known: Known, book: Book) -> None:
    if not book.services:
        known.findings.fault(_FILE, "$.services", "none; a service names its record types and what it is sold by")
    seen: dict[str, str] = {}
    for name, service in book.services.items():
        measured = UNITS_OF[service.quantity]  # by a unit that the settlement would have to convert to
        if service.unit and measured and service.unit != next(iter(measured)):
            what = f"quantities are in {next(iter(measured))} and not converted; leave it out"
            known.findings.fault(_FILE, f"$.services.{name}.unit", what)
        for place, record_type in enumerate(service.record_types):
            path = f"$.services.{name}.record_types[{place}]"
            if not record_type:
                known.findings.fault(_FILE, path, "empty")
            elif record_type in seen:
                known.findings.fault(_FILE, path, f"{record_type} belongs to service {seen[record_type]} already")
            seen.setdefault(record_type, name)


def _check_numbers(known: Known, path: str, numbers: Numbers) -> None:
    def fault(part: str, what: str) -> None:
        known.findings.fault(_FILE, f"{path}.{part}", what)

    def is_digits(text: str) -> bool:
        return text.isascii() and text.isdigit()

    if not (is_digits(numbers.country_code) and len(numbers.country_code) <= 3 and numbers.country_code[0] != "0"):
        fault("country_code", "not 1 to 3 digits of ITU-T E.164, such as 86")
    for part in ("international_prefixes", "carrier_prefixes"):
        for place, prefix in enumerate(getattr(numbers, part)):
            if not prefix or not _DIALLED.issuperset(prefix):
                fault(f"{part}[{place}]", "not a prefix that one can dial: digits, +, * and #")
    if numbers.national_prefix and not is_digits(numbers.national_prefix):
        fault("national_prefix", "not digits")
    for place, rule in enumerate(numbers.national):
        if not is_digits(rule.starts_with):
            fault(f"national[{place}].starts_with", "not digits")
        if not 5 <= rule.digits <= 14:
            fault(f"national[{place}].digits", "5 to 14")


def _check_columns(known: Known, book: Book) -> None:
    if known.filled is None:
        return
    from mediation import schema

    columns = {*schema.PROVENANCE, *known.filled, *schema.RATED}
    for name, names in book.columns.items():
        if not names:
            known.findings.fault(_FILE, f"$.columns.{name}", "empty; name its columns")
        for place, column in enumerate(names):
            known.refer(column, columns, _FILE, f"$.columns.{name}[{place}]", "column")
