"""Checks of the tariffs and of the long tables: zones, bands, calendars, prices.

Conventions
-----------
- A price's cell is (side, party, record type, zone, band), `*` written out; in a cell at most one price is in force.
- What has no price is a warning: an operator may leave a destination out on purpose, and its events are suspended.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from mediation.rulebook.columns import ANY, tariff_bands, tariff_zones
from mediation.rulebook.instants import OPEN_FROM_US, minute_of_day, validity_us
from mediation.rulebook.known import Known, suggestion
from mediation.rulebook.load import TableRows
from mediation.rulebook.model import DAYS, Band, Price, Quantity, Tariff
from mediation.rulebook.prices import WILDCARD, amounts, parties
from mediation.rulebook.zones import is_zone

MAX_BANDS = 64
MAX_PREFIX = 16
MAX_PRICE_DECIMALS = 12
MOST_REPORTED = 20  # gaps of one tariff
_DAY_MINUTES = 1440


def check_tariffs(known: Known) -> None:
    """Check hosts, products and the tables that they use."""
    result = known.result
    for folder, tariffs in (("hosts", result.hosts), ("products", result.products)):
        for name, tariff in sorted(tariffs.items()):
            _TariffCheck(known, folder, name, tariff).check()
    for name, host in sorted(result.hosts.items()):
        for part in ("payment_days", "dispute_days"):
            if getattr(host, part) < 0:
                known.findings.fault(f"hosts/{name}.toml", f"$.{part}", "zero or more days")
    _check_calendars(known)
    _check_zones(known)
    _PriceCheck(known).check()


class _TariffCheck:
    """The checks of one product or host."""

    def __init__(self, known: Known, folder: str, name: str, tariff: Tariff):
        self.known, self.folder, self.name, self.tariff = known, folder, name, tariff
        self.file = f"{folder}/{name}.toml"

    def fault(self, path: str, what: str) -> None:
        self.known.findings.fault(self.file, path, what)

    def check(self) -> None:
        tariff, known = self.tariff, self.known
        if tariff.zone is not None and not is_zone(tariff.zone):
            self.fault("$.zone", f"no time zone {tariff.zone!r} in tzdata; write an IANA name such as Asia/Shanghai")
        book = known.result.book
        if tariff.currency is not None and book is not None and tariff.currency != book.currency:
            self.fault("$.currency", f"{tariff.currency}, and the book's is {book.currency}; amounts are not converted")
        if not 1 <= tariff.cycle.first_day <= 28:
            self.fault("$.cycle.first_day", "1 to 28")
        if not 0 <= tariff.rounding.scale <= 6:
            self.fault("$.rounding.scale", "0 to 6 decimals")
        self._days()
        for day_type, bands in tariff.bands.items():
            self._bands(f"$.bands.{day_type}", bands)
        if len(tariff_bands(tariff)) > MAX_BANDS:
            self.fault("$.bands", f"at most {MAX_BANDS} different bands")
        self._zones()

    def _days(self) -> None:
        """Every day has a day type, and every day type has bands, where there are bands at all."""
        tariff, known = self.tariff, self.known
        taken: dict[str, str] = {}
        for day_type, days in tariff.day_types.items():
            for place, day in enumerate(days):
                path = f"$.day_types.{day_type}[{place}]"
                if day not in DAYS:
                    self.fault(path, f"no weekday {day!r}; use {', '.join(DAYS)}")
                elif taken.setdefault(day, day_type) != day_type:
                    self.fault(path, f"{day} is {taken[day]} already")
        in_calendar: Collection[str] | None = ()
        if tariff.calendar is not None:
            known.refer(tariff.calendar, known.calendars, self.file, "$.calendar", "calendar")
            in_calendar = known.calendars.get(tariff.calendar, ()) if known.calendars is not None else None
        if not tariff.bands:
            if tariff.day_types:
                self.fault("$.bands", "missing; day types are declared, and none has bands")
            return
        used = {*tariff.day_types, *(in_calendar or ())}
        if any(day not in taken for day in DAYS):
            used.add(ANY)
        for day_type in sorted(used - set(tariff.bands)):
            if day_type == ANY:
                idle = ", ".join(day for day in DAYS if day not in taken)
                self.fault("$.day_types", f"no day type for {idle}; name them, or declare bands for {ANY}")
            else:
                source = f"calendar {tariff.calendar}" if day_type not in tariff.day_types else "$.day_types"
                self.fault(f"$.bands.{day_type}", f"missing; {source} has this day type")
        if in_calendar is not None:
            for day_type in sorted(set(tariff.bands) - used):
                self.fault(f"$.bands.{day_type}", f"no day has this type; {suggestion(day_type, used)}")

    def _bands(self, path: str, bands: list[Band]) -> None:
        covered: list[int | None] = [None] * _DAY_MINUTES
        clashes: dict[int, int] = {}
        for place, band in enumerate(bands):
            if not band.band:
                self.fault(f"{path}[{place}].band", "empty; name the band")
            ends = []
            for part, text in (("from", band.valid_from), ("to", band.valid_to)):
                try:
                    ends.append(minute_of_day(text))
                except ValueError as error:
                    self.fault(f"{path}[{place}].{part}", str(error))
            if len(ends) < 2:
                return
            begin, end = ends
            minutes = range(begin, end) if end > begin else [*range(end), *range(begin, _DAY_MINUTES)]
            for minute in minutes:
                before = covered[minute]
                if before is not None:
                    clashes.setdefault(place, before)
                covered[minute] = place
        for place, before in clashes.items():
            self.fault(f"{path}[{place}].from", f"overlaps with [{before}] of the same day type")
        if None in covered:
            minute = covered.index(None)
            self.fault(path, f"no band at {minute // 60:02}:{minute % 60:02}; bands cover the whole day")

    def _zones(self) -> None:
        tariff, known = self.tariff, self.known
        for record_type, rule in tariff.zones.items():
            path = f"$.zones.{record_type}"
            known.refer(record_type, known.record_types, self.file, path, "record type")
            if (rule.set is None) == (rule.zone is None):
                self.fault(path, "needs either set or zone")
            elif rule.set is not None:
                known.refer(rule.set, known.zone_sets, self.file, f"{path}.set", "zone set")
                if known.filled is not None and rule.number not in known.filled:
                    self.fault(f"{path}.number", f"no feed fills {rule.number}, which decides on the zone")
            elif not rule.zone:
                self.fault(f"{path}.zone", "empty; name the zone")
        if known.result.book is None:
            return  # what it sells is not known, and a format could bring whatever it has
        host = self.name if self.folder == "hosts" else None
        for record_type, feed in sorted(known.carried(host).items()):
            if record_type not in tariff.zones:
                what = f"{record_type}, which feed {feed} brings, is not named: such events are suspended"
                known.findings.warning(self.file, "$.zones", what)


# ------------------------------------------------------------------------------------------------- tables


def _overlapping(spans: Iterable[tuple[int, int, int]]) -> Iterable[tuple[int, int]]:
    """Places (earlier and later row) whose spans (from, to, place) overlap: each row that does, once."""
    longest, first = OPEN_FROM_US, -1
    for begin, end, second in sorted(spans):
        if begin < longest:
            yield min(first, second), max(first, second)
        if end > longest:
            longest, first = end, second


@functools.lru_cache(maxsize=4096)
def _sound_validity(valid_from: str, valid_to: str, zone: str) -> tuple[int, int] | None:
    try:
        begin, end = validity_us(valid_from, valid_to, zone)
    except (ValueError, LookupError):
        return None
    return (begin, end) if begin < end else None


def _validity(known: Known, table: TableRows, index: int, zone: str) -> tuple[int, int] | None:
    row = table.rows[index]
    sound = _sound_validity(row.valid_from, row.valid_to, zone)
    if sound is not None:
        return sound
    ends = []
    for name, text in (("from", row.valid_from), ("to", row.valid_to)):
        try:
            ends.append(validity_us(text, "", zone)[0] if name == "from" else validity_us("", text, zone)[1])
        except ValueError as error:
            known.findings.fault(table.file, f"{table.path(index)}.{name}", str(error))
        except LookupError:
            return None  # the zone is at fault, and said to be
    if len(ends) < 2:
        return None
    if ends[0] >= ends[1]:
        known.findings.fault(table.file, f"{table.path(index)}.to", "not after from")
        return None
    return ends[0], ends[1]


def _check_calendars(known: Known) -> None:
    table = known.result.tables["calendars"]
    seen: dict[tuple, int] = {}
    for index, row in enumerate(table.rows):
        before = seen.setdefault((row.calendar, row.date), index)
        if before != index:
            what = f"the same date of {row.calendar} as {table.path(before)}"
            known.findings.fault(table.file, f"{table.path(index)}.date", what)
        if not row.day_type:
            known.findings.fault(table.file, f"{table.path(index)}.day_type", "empty")
    _warn_of_idle(known, table, "calendar", {row.calendar for row in table.rows}, lambda tariff: [tariff.calendar])


def _check_zones(known: Known) -> None:
    table = known.result.tables["zones"]
    cells: dict[tuple[str, str], tuple[int, int, int]] = {}
    several: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for index, row in enumerate(table.rows):
        prefix = row.prefix
        if prefix and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= MAX_PREFIX):
            what = f"a prefix has 1 to {MAX_PREFIX} digits; empty is the set's default"
            known.findings.fault(table.file, f"{table.path(index)}.prefix", what)
        if not (row.zone_set and row.zone):
            known.findings.fault(table.file, f"{table.path(index)}.{'zone' if row.zone_set else 'zone_set'}", "empty")
        span = _validity(known, table, index, known.home_zone)
        if span is not None:
            cell, found = (row.zone_set, prefix), (*span, index)
            first = cells.setdefault(cell, found)
            if first is not found:
                several.setdefault(cell, [first]).append(found)
    for (name, _), spans in several.items():
        for earlier, later in _overlapping(spans):
            what = f"the same prefix of {name} as {table.path(earlier)}, in force at the same time"
            known.findings.fault(table.file, f"{table.path(later)}.prefix", what)
    sets = {row.zone_set for row in table.rows}
    _warn_of_idle(known, table, "zone set", sets, lambda tariff: [rule.set for rule in tariff.zones.values()])


def _warn_of_idle(known: Known, table: TableRows, noun: str, names: set[str], used_by: Callable) -> None:
    """Warn of names that no tariff uses; a tariff that could not be read may yet use them."""
    result = known.result
    if result.broken["hosts"] or result.broken["products"]:
        return
    used = {name for tariff in (*result.hosts.values(), *result.products.values()) for name in used_by(tariff)}
    for name in sorted(names - used):
        known.findings.warning(table.file, "$", f"no tariff uses the {noun} {name}")


class _PriceCheck:
    """The checks of prices.csv."""

    def __init__(self, known: Known):
        self.known, self.table = known, known.result.tables["prices"]
        self.tariffs: dict[str, dict] = {"retail": known.result.products, "wholesale": known.result.hosts}
        # (side, party, record type) -> rows of (from, to, place)
        self.groups: dict[tuple[str, str, str], list[tuple[int, int, int]]] = defaultdict(list)
        # (side, party, record type) -> rows of zones that this record type never has
        self.idle: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self.bands: dict[tuple, set[str]] = {}
        self.zones: dict[tuple, set[str]] = {}

    def fault(self, index: int, column: str, what: str) -> None:
        path = self.table.path(index)
        self.known.findings.fault(self.table.file, f"{path}.{column}" if column else path, what)

    def check(self) -> None:
        known = self.known
        if known.result.book is None or known.record_types is None:
            return
        for index, price in enumerate(self.table.rows):
            self._row(index, price)
        for (_, party, record_type), rows in sorted(self.idle.items()):
            what = f"{party} never meets the zone of this row for {record_type} ({len(rows)} such rows): no effect"
            known.findings.warning(self.table.file, f"{self.table.path(rows[0])}.zone", what)
        reported: set[tuple[int, int]] = set()
        for group in sorted(self.groups):
            self._cells(group, reported)
        if "prices" not in known.result.incomplete and known.zone_sets is not None:
            self._gaps()

    def _row(self, index: int, price: Price) -> None:
        known, book = self.known, self.known.result.book
        path = self.table.path(index)
        names = known.products if price.side == "retail" else known.hosts
        sort = "product" if price.side == "retail" else "host"
        sound = known.refer(
            price.record_type, known.record_types, self.table.file, f"{path}.record_type", "record type"
        )
        if price.party != WILDCARD:
            sound &= known.refer(price.party, names, self.table.file, f"{path}.party", sort)
        if not sound or book is None:
            return
        if not (price.valid_from or price.version):
            self.fault(index, "from", "empty, and so is version; one of the two names the tariff's version")
        self._amounts(index, price, known.quantities[price.record_type], book.price_decimals)
        tariffs = self.tariffs[price.side]
        named = [name for name in parties(price, known.result.hosts, known.result.products) if name in tariffs]
        rating = [name for name in named if price.record_type in tariffs[name].zones]
        if not rating:
            if named or not known.result.broken[f"{sort}s"]:
                which = f"{sort} {price.party} does" if price.party != WILDCARD else f"{sort}s do"
                self.fault(index, "record_type", f"{which} not name {price.record_type} in its zones: no effect")
            return
        self._names(index, price, tuple(rating))
        for name in rating:
            span = _validity(known, self.table, index, tariffs[name].zone or known.home_zone)
            if span is None:
                return
            self.groups[price.side, name, price.record_type].append((*span, index))

    def _amounts(self, index: int, price: Price, quantity: Quantity, decimals: int) -> None:
        def report(column: str, what: str) -> None:
            if getattr(price, column) or not column.startswith("next_"):  # a default is reported where it stands
                self.fault(index, column, what)

        if 0 <= decimals <= MAX_PRICE_DECIMALS:
            amounts(price, quantity, decimals, report)

    def _names(self, index: int, price: Price, rating: tuple[str, ...]) -> None:
        """A zone or band that no tariff of the row can meet is misspelt."""
        path, of = self.table.path(index), (price.side, rating)
        if price.band != WILDCARD:
            self.known.refer(price.band, self._bands(*of), self.table.file, f"{path}.band", "band")
        if price.zone != WILDCARD and self.known.zone_sets is not None:
            known = self.known.refer(price.zone, self._zones(*of, None), self.table.file, f"{path}.zone", "zone")
            if known and price.zone not in self._zones(*of, price.record_type):
                self.idle[price.side, price.party, price.record_type].append(index)

    def _bands(self, side: str, rating: tuple[str, ...]) -> set[str]:
        """Those that the tariffs named can meet; most rows are of the same few, so they are kept."""
        if (side, rating) not in self.bands:
            tariffs = self.tariffs[side]
            self.bands[side, rating] = {band for name in rating for band in tariff_bands(tariffs[name])}
        return self.bands[side, rating]

    def _zones(self, side: str, rating: tuple[str, ...], record_type: str | None) -> set[str]:
        """Likewise, of one record type or of all."""
        of = (side, rating, record_type)
        if of not in self.zones:
            tariffs, sets = self.tariffs[side], self.known.zone_sets or {}
            self.zones[of] = {zone for name in rating for zone in tariff_zones(tariffs[name], sets, record_type)}
        return self.zones[of]

    def _cells(self, group: tuple[str, str, str], reported: set[tuple[int, int]]) -> None:
        """Report rows of one group that are in force at the same time in a cell that both price."""
        by_cell: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
        for span in self.groups[group]:
            price = self.table.rows[span[2]]
            by_cell[price.zone, price.band].append(span)
        zones, bands = sorted({zone for zone, _ in by_cell}), sorted({band for _, band in by_cell})
        for zone in zones:
            for band in bands:
                keys = {(zone, band), (zone, WILDCARD), (WILDCARD, band), (WILDCARD, WILDCARD)}
                spans = [span for key in keys for span in by_cell.get(key, ())]
                for pair in _overlapping(spans):
                    if pair not in reported:
                        reported.add(pair)
                        what = f"prices the same as {self.table.path(pair[0])} at the same time (* is no fallback)"
                        self.fault(pair[1], "from", what)

    def _gaps(self) -> None:
        """Warn of what a tariff can meet and no row prices at any time."""
        sets = self.known.zone_sets or {}
        for side, tariffs in self.tariffs.items():
            for name, tariff in sorted(tariffs.items()):
                missing = []
                for record_type in tariff.zones:
                    rows = [self.table.rows[place] for _, _, place in self.groups.get((side, name, record_type), ())]
                    priced = {(row.zone, row.band) for row in rows}
                    if (WILDCARD, WILDCARD) in priced:
                        continue
                    for zone in sorted(tariff_zones(tariff, sets, record_type)):
                        for band in sorted(tariff_bands(tariff)):
                            if not priced & {(zone, band), (zone, WILDCARD), (WILDCARD, band)}:
                                missing.append((record_type, zone, band))
                file = f"{'products' if side == 'retail' else 'hosts'}/{name}.toml"
                for record_type, zone, band in missing[:MOST_REPORTED]:
                    what = f"{self.table.file} has no price for zone {zone}, band {band}"
                    self.known.findings.warning(file, f"$.zones.{record_type}", what)
                if len(missing) > MOST_REPORTED:
                    what = f"{len(missing) - MOST_REPORTED} more cells without a price"
                    self.known.findings.warning(file, "$.zones", what)
