"""What an event says in each column of the usage schema, as its sender writes it.

Conventions
-----------
- The writing follows the layout's field: type, unit, pattern, enumeration, presence rules; numbers follow the
  book's number rules.
- A column that a key does not count as payload is written from `delivery`, which differs between two deliveries
  of one event; all others are written from the event alone.
- What a field has no natural value for is written from a hash of the event's number.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

import numpy as np

from mediation.errors import UsageError
from mediation.sample.cells import LEADS, Cells, choices, led_numbers, moments, numbers
from mediation.sample.events import STRANGERS, Columns
from mediation.sample.population import Population, scramble

_SPOKEN = {"voice_mo", "voice_mt", "voice_forwarded"}
_WRITTEN = {"sms_mo", "sms_mt", "mms"}
_DATA = {"data"}
# Record types that have the column at all; a column not named here belongs to every record.
NATURAL = {
    "other_party": _SPOKEN | _WRITTEN,
    "forwarded_to": {"voice_forwarded"},
    "duration_s": _SPOKEN | _DATA,
    "end_time": _SPOKEN | _DATA,
    "uplink_bytes": _DATA,
    "downlink_bytes": _DATA,
    "apn": _DATA,
    "rat_type": _DATA,
    "rating_group": _DATA,
    "charging_id": _DATA,
    "event_count": _WRITTEN,
    "message_length": _WRITTEN,
    "message_coding": _WRITTEN,
    "message_segments": _WRITTEN,
}
VARIES = ("duration_s", "downlink_bytes", "uplink_bytes", "host_charge_amount", "message_length")
UNIT_SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "kB": 1000, "MB": 10**6, "min": 60}
WORDS = {
    "apn": ("3gnet", "ctnet", "cmnet", "iot.mvno170.cn", "wap.mvno170.cn"),
    "serving_network": ("46000", "46001", "46003", "46011"),
    "node_id": ("GW01", "GW02", "GW03", "MSC11", "MSC12"),
    "location": ("北京", "上海", "广州", "成都", "杭州", "武汉", "西安", "哈尔滨"),
}
ASCII_PLACES = ("1001", "1002A", "2001", "2002B", "3001", "3002C", "4001", "4002D")


class Writer:
    """Writes the columns of one feed's events.

    Parameters
    ----------
    feed : FeedBook.declared
        The declared feed.
    layout : its layout in force
    home_zone : str
    number_rules : the feed's number rules, or None
    record_types : tuple of str
        What the events' `type` counts in.
    population : Population
    host : str
    """

    def __init__(self, feed, layout, home_zone, number_rules, record_types, population: Population, host: str):
        self.feed, self.layout, self.home_zone, self.rules = feed, layout, home_zone, number_rules
        self.record_types, self.population, self.host = record_types, population, host
        keys = [feed.dedup, *feed.dedup.by_record_type.values()]
        self.not_payload = {column for key in keys for column in key.not_payload}
        self._served: np.ndarray | None = None  # everybody's number as the feed writes it, once that is known

    def cells(self, columns: Columns) -> list[Cells]:
        """All fields of the layout, in its order."""
        self.columns = columns
        self._hash = scramble(columns["event_no"], 3)
        self._enumerations: dict[str, tuple[list[str], np.ndarray]] = {}
        for field in self.layout.field:
            if field.type == "enumeration" and field.column:
                self._enumerations[field.column] = self._choose(field)
        return [self._cells(field) for field in self.layout.field]

    def _drawn(self, column: str, count: int) -> np.ndarray:
        """One of so many (at most 65,536) for each event, by sixteen bits of its hash that go by the column's name."""
        return ((self._hash >> (5 * len(column) % 47)) & 0xFFFF) * count >> 16

    def present(self, field) -> np.ndarray | None:
        """Which rows have the field; None is all."""
        kinds = self.columns["type"]
        if field.required_if or field.empty_if:
            absent = self._any_of(field.empty_if)
            return ~absent if field.empty_if else self._any_of(field.required_if)
        if not field.optional or field.column not in NATURAL:
            return None
        return np.array([name in NATURAL[field.column] for name in self.record_types]).take(kinds)

    def _any_of(self, condition: dict[str, list[str]]) -> np.ndarray:
        rows = np.zeros(len(self.columns["type"]), bool)
        for column, values in (condition or {}).items():
            if column == "record_type" and column not in self._enumerations:
                rows |= np.array([name in values for name in self.record_types]).take(self.columns["type"])
            elif column in self._enumerations:
                canonical, index = self._enumerations[column]
                rows |= np.array([name in values for name in canonical]).take(index)
        return rows

    def _choose(self, field) -> tuple[list[str], np.ndarray]:
        """Canonical values of an enumeration, and which one each row has."""
        values = field.values
        canonical = list(values.values()) if isinstance(values, dict) else list(values or [])
        if field.column == "record_type":
            index = np.array([canonical.index(name) for name in self.record_types]).take(self.columns["type"])
        elif field.column == "host":
            index = np.full(len(self.columns["type"]), canonical.index(self.host))
        else:
            index = self._drawn(field.column, len(canonical))
        return canonical, index

    def _cells(self, field) -> Cells:
        column, present = field.column or "", None if field.type in ("constant", "ignored") else self.present(field)
        if field.type == "constant":
            return choices([(field.value or "").encode()], np.zeros(len(self.columns["type"]), np.int8))
        if field.type == "ignored":
            return choices([b"0"], np.zeros(len(self.columns["type"]), np.int8))
        if field.type == "enumeration":
            values = field.values
            raw = [text.encode(self.encoding) for text in values]  # a dict gives its keys
            index = self._enumerations[column][1] if column else np.zeros(len(self.columns["type"]), np.int8)
            return choices(raw, index, present)
        if field.type == "timestamp":
            seconds = self.columns["start"] + (self.columns["duration"] if column == "end_time" else 0)
            return moments(seconds, field.pattern, self.offset_s(field), present)
        if field.type == "decimal":
            return self._amount(field, present)
        if column in ("served_msisdn", "other_party", "forwarded_to"):
            return self._phone_number(field, column, present)
        if field.type == "text" and column in WORDS:
            return self._word(field, column, present)
        return self._number(field, column, present)

    @property
    def encoding(self) -> str:
        return self.layout.encoding

    def offset_s(self, field) -> int:
        """The UTC offset of the field's zone, which must be the same all through the files."""
        name = field.zone or self.feed.zone or self.home_zone
        zone = zoneinfo.ZoneInfo(name)
        ends = self.columns["start"][:: max(len(self.columns["start"]) - 1, 1)]
        offsets = {dt.datetime.fromtimestamp(int(end), zone).utcoffset() for end in ends}
        if len(offsets) != 1:
            raise UsageError(f"the generator does not write local times across a change of clocks ({name})")
        return int(offsets.pop().total_seconds())

    def _amount(self, field, present) -> Cells:
        """The host's charge: some fen per event, more for more of it."""
        fen = 3 + self.columns["duration"] // 60 * 6 + (self.columns["down"] >> 20) + self.columns["variant"]
        decimals = min(field.decimals, 6) if field.unit in ("yuan", "1") else 0
        if decimals == 0:
            return numbers(fen if field.unit == "fen" else fen // 100 + 1, present)
        return numbers(fen * 10 ** (decimals - 2) if decimals >= 2 else fen // 10, present, decimals)

    def _word(self, field, column: str, present) -> Cells:
        words = WORDS[column]
        if column == "location" and (self.encoding == "ascii" or field.characters != "any"):
            words = ASCII_PLACES
        encoded = [word.encode(self.encoding) for word in words]
        longest = min(field.width or 99, field.max_length or 99)
        encoded = [word for word in encoded if len(word) <= longest] or [b"0" * (field.min_length or 1)]
        return choices(encoded, self._drawn(column, len(encoded)), present)

    def _number(self, field, column: str, present) -> Cells:
        """Quantities and identifiers."""
        columns, variant = self.columns, self.columns["variant"].astype(np.int64)
        source = columns["delivery"] if column in self.not_payload else columns["event_no"]
        most = min(field.width or 15, field.max_length or 15, 15)
        if column in ("duration_s", "uplink_bytes", "downlink_bytes"):
            name, step = {"duration_s": ("duration", 7), "uplink_bytes": ("up", 1), "downlink_bytes": ("down", 4)}[
                column
            ]
            size = UNIT_SIZES.get(field.unit, 1)
            values = columns[name] // size + variant * step
            return numbers(np.minimum(values, field.max if field.max is not None else 10**most - 1), present)
        if column == "served_imsi":
            return numbers(self.population.imsi(columns["k"]), present)
        if column == "imei":
            return numbers(350_000_000_000_000 + below(10**12, columns["k"] * 97), present)
        if column in ("event_count", "message_segments"):
            return numbers(np.ones(len(variant), np.int64), present)
        if column == "message_length":
            return numbers(5 + self._drawn(column, 60) + variant, present)
        if column == "utc_offset_s":
            return numbers(np.full(len(variant), self.offset_s(field)), present)
        if column in ("rating_group", "city") or field.max is not None:
            low = max(field.min or 0, 1)
            return numbers(low + scramble(source, 5) % max(min(field.max or 999, 10**most - 1) - low + 1, 1), present)
        exact = field.min_length if field.min_length == field.max_length else None
        if exact or field.type == "text":
            digits = exact or min(12, most)
            return numbers(10 ** (digits - 1) + below(9 * 10 ** (digits - 1), source), present)
        return numbers(1 + below(10**most - 1, source), present)

    def _phone_number(self, field, column: str, present) -> Cells:
        if column == "served_msisdn":
            if self._served is None:
                everybody = np.arange(self.population.count + STRANGERS)
                self._served, _ = self._written(field, self.population.msisdn(everybody), may_lead=False)
            return numbers(self._served.take(self.columns["k"]), present)
        rows = slice(None) if present is None else np.flatnonzero(present)
        values = self.columns["other"][rows]
        if column == "forwarded_to":
            values = 8_613_800_000_000 + values % 10**8
        count = len(self.columns["other"])
        written, lead = np.full(count, -1), np.zeros(count, np.int16)
        written[rows], lead[rows] = self._written(field, values, may_lead=True)
        return led_numbers(written, lead)

    def _written(self, field, values: np.ndarray, may_lead: bool) -> tuple[np.ndarray, np.ndarray]:
        """Numbers in one of the writings that the sender's rules understand, and which of `LEADS` is before them."""
        lead = np.zeros(len(values), np.int16)
        if self.rules is None:
            return values, lead
        most, least = min(field.width or 18, field.max_length or 18), field.min_length or 1
        style, billions = scramble(values, 11) & 7, values // 10**9
        full = (billions > 0) & (billions != 10_690)
        if self.rules.country_code == "86" and least <= 11:
            bare = self._bare_billions().take(billions - 8_599, mode="clip") & (style < 6)
            values, full = np.where(bare, values - 86 * 10**11, values), full & ~bare
        if may_lead and most >= 16:
            if field.characters in ("any", "dialled", "printable") and "+" in self.rules.international_prefixes:
                lead[full & (style == 6)] = LEADS.index(b"+")
            if field.leading_zero and "00" in self.rules.international_prefixes:
                lead[full & (style == 7)] = LEADS.index(b"00")
        return values, lead

    def _bare_billions(self) -> np.ndarray:
        """Which Chinese numbers the sender may write without country code, by their billions from 8,599 to 8,700."""
        starts = tuple(rule.starts_with for rule in self.rules.national if rule.digits == 11)
        return np.array([False, *(f"{head:02d}".startswith(starts) for head in range(100)), False])


def below(bound: int, values: np.ndarray) -> np.ndarray:
    """Values modulo a bound, without the divisions where they are below it already."""
    return values if int(values.max(initial=0)) < bound else values % bound
