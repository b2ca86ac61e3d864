"""What the names of a rule book may refer to, for its checks.

Conventions
-----------
- A set of names is None where a file with faults may hold more of them: then nothing is called unknown.
- The name of a broken file counts as known, so that one fault does not bring others with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mediation.rulebook.columns import feed_columns, feed_record_types, zone_sets
from mediation.rulebook.columns import record_types as record_types_of
from mediation.rulebook.load import Read
from mediation.rulebook.model import Declarations, Quantity
from mediation.rulebook.prices import quantities

MOST_LISTED = 8


class Known:
    """Names of a rule book that was read, whole or not.

    Parameters
    ----------
    result : Read

    Attributes
    ----------
    record_types, zone_sets, calendars, number_rules : None or collection
    hosts, products : set of str
    quantities : dict
        What each record type is sold by.
    home_zone : str
    filled : dict of str to str, or None
        Every usage column that some feed fills, with its kind.
    """

    def __init__(self, result: Read):
        self.result, self.findings, book = result, result.findings, result.book
        self.hosts = {*result.hosts, *result.broken["hosts"]}
        self.products = {*result.products, *result.broken["products"]}
        self.record_types: list[str] | None = record_types_of(book) if book else None
        self.quantities: dict[str, Quantity] = quantities(book) if book else {}
        self.number_rules: set[str] | None = set(book.numbers) if book else None
        self.home_zone = book.zone if book else "UTC"
        zones, calendars = result.tables["zones"].rows, result.tables["calendars"].rows
        complete = "zones" not in result.incomplete
        self.zone_sets: dict[str, set[str]] | None = zone_sets(_with_zones(zones)) if complete else None
        self.calendars: dict[str, set[str]] | None = None
        if "calendars" not in result.incomplete:
            self.calendars = {}
            for day in calendars:
                self.calendars.setdefault(day.calendar, set()).add(day.day_type)
        self.filled: dict[str, str] | None = None
        if not result.broken["feeds"]:
            self.filled = {}
            for feed in result.feeds.values():
                self.filled = feed_columns(feed) | self.filled

    def refer(self, name: str, known: Collection[str] | None, file: str, path: str, noun: str) -> bool:
        """Whether `name` may be known; otherwise a fault is added."""
        if known is None or name in known:
            return True
        self.findings.fault(file, path, f"unknown {noun} {name!r}; {suggestion(name, known)}")
        return False

    def carried(self, host: str | None) -> dict[str, str]:
        """The record types that feeds bring, of one host or of all, and a feed that does."""
        found: dict[str, str] = {}
        for name, feed in sorted(self.result.feeds.items()):
            if host is None or feed.host in (None, host):
                found = dict.fromkeys(feed_record_types(feed), name) | found
        return found


def _with_zones(zones: list) -> Declarations:
    """Declarations of nothing but zones, for `columns.zone_sets`."""
    nothing: dict = {"feeds": {}, "hosts": {}, "products": {}, "prices": [], "calendars": []}
    return Declarations(book=None, zones=zones, **nothing)  # type: ignore[arg-type]


def suggestion(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or those there are."""
    import difflib  # only a faulty book needs it

    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    if not names:
        return "there is none"
    return f"known are {', '.join(names[:MOST_LISTED])}{', …' if len(names) > MOST_LISTED else ''}"
