"""Checks of the feeds: file names, layouts, fields, envelopes, what is derived and what makes a record the same.

Conventions
-----------
- Everything is reported, nothing is raised; a check that needs what another has found wrong is left out.
- A column's kind comes from `schema.USAGE`, an extra column's from the first field that fills it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise

from mediation.rulebook.check_fields import MOST_RECORD_BYTES, FieldCheck, LayoutPlace, units_of
from mediation.rulebook.columns import (
    KIND_OF_FIELD,
    feed_columns,
    feed_record_types,
    field_values,
    layout_columns,
    usage_kinds,
)
from mediation.rulebook.known import Known, suggestion
from mediation.rulebook.model import Envelope, Feed, Field, Key, Slot
from mediation.rulebook.names import NameTemplate
from mediation.rulebook.paths import Steps, lists_of, steps_of
from mediation.rulebook.zones import is_zone

MOST_KEY_COLUMNS = 64
MOST_HEADER_LINES = 16
MOST_TOLERANCE_S = 86_400
ALWAYS_FILLED = ("host", "record_type", "served_msisdn", "start_time")
_OF_BER = ("tag", "header", "default", "aliases", "coding", "sum", "unlisted", "entity_types")
_FILLED_FOR = {"duration_s": ("duration_s",), "volume_bytes": ("uplink_bytes", "downlink_bytes")}


def check_feeds(known: Known) -> None:
    """Check every feed, and what they say of the same extra column and family."""
    feeds = known.result.feeds
    _check_families(known)
    templates: dict[str, str] = {}
    kinds: dict[str, tuple[str, str]] = {}  # extra column -> kind, feed
    for name, feed in sorted(feeds.items()):
        FeedCheck(known, name, feed).check()
        if templates.setdefault(feed.file_name, name) != name:
            what = f"feed {templates[feed.file_name]} has the same file name, so every file would match both"
            known.findings.fault(f"feeds/{name}.toml", "$.file_name", what)
        for index, layout in enumerate(feed.layout):
            for place, field in enumerate(layout.field):
                if field.column is None or field.column in usage_kinds() or field.type == "ignored":
                    continue
                kind = KIND_OF_FIELD[field.type]
                before, of = kinds.setdefault(field.column, (kind, name))
                if kind != before:
                    what = f"{field.column} is {kind} here and {before} in feed {of}; a column has one type"
                    known.findings.fault(f"feeds/{name}.toml", f"$.layout[{index}].field[{place}].type", what)


def _key_of(feed: Feed, record_type: str) -> list[str] | None:
    key = feed.dedup.by_record_type.get(record_type, feed.dedup).key
    return None if key is None else sorted({column for column in key if column != "record_type"})


def _check_families(known: Known) -> None:
    """Feeds of one family find each other's records only by the same key."""
    of: dict[tuple[str, str], str] = {}
    for name, feed in sorted(known.result.feeds.items()):
        for record_type in sorted(feed_record_types(feed)):
            first = of.setdefault((feed.family or name, record_type), name)
            if _key_of(known.result.feeds[first], record_type) != _key_of(feed, record_type):
                what = f"{record_type} has another key in feed {first} of this family; give both the same"
                known.findings.fault(f"feeds/{name}.toml", "$.family", what)


def spans_overlap(spans: list[tuple[dt.date, dt.date | None]]) -> Iterator[tuple[int, int]]:
    """Places (an earlier and a later beginning) whose half-open spans of dates overlap: each that does, once."""
    order = sorted(range(len(spans)), key=lambda place: spans[place][0])
    longest = order[0] if order else -1
    for place in order[1:]:
        end, own = spans[longest][1] or dt.date.max, spans[place][1] or dt.date.max
        if end > spans[place][0]:
            yield longest, place
        longest = place if own > end else longest


class FeedCheck:
    """The checks of one feed."""

    def __init__(self, known: Known, name: str, feed: Feed):
        self.known, self.feed, self.file = known, feed, f"feeds/{name}.toml"

    def fault(self, path: str, what: str) -> None:
        self.known.findings.fault(self.file, path, what)

    def check(self) -> None:
        """Add every fault of the feed."""
        feed, known = self.feed, self.known
        template = self._template()
        if feed.host is not None:
            known.refer(feed.host, known.hosts, self.file, "$.host", "host")
        if feed.record_type is not None:
            known.refer(feed.record_type, known.record_types, self.file, "$.record_type", "record type")
        if feed.numbers is not None:
            known.refer(feed.numbers, known.number_rules, self.file, "$.numbers", "set of number rules")
        if feed.zone is not None and not is_zone(feed.zone):
            self.fault("$.zone", f"no time zone {feed.zone!r} in tzdata; write an IANA name such as Asia/Shanghai")
        if not feed.layout:
            self.fault("$.layout", "no layout; a feed has at least one")
        for index, layout in enumerate(feed.layout):
            if layout.valid_to is not None and layout.valid_to <= layout.valid_from:
                self.fault(f"$.layout[{index}].to", "not after from")
            LayoutCheck(LayoutPlace(known, self.file, f"$.layout[{index}]", feed, layout), template).check()
        for first, second in spans_overlap([(each.valid_from, each.valid_to) for each in feed.layout]):
            self.fault(
                f"$.layout[{second}].from", f"in force at the same time as $.layout[{first}]; end that one with to"
            )
        if len(feed.layout) > 1 and template is not None and not template.has_date:
            self.fault("$.file_name", "has no {date}, which chooses between the layouts")
        self._derived()
        self._dedup()
        self._sequence()
        self._limits(template)

    def _template(self) -> NameTemplate | None:
        try:
            return NameTemplate(self.feed.file_name)
        except ValueError as error:
            self.fault("$.file_name", str(error))
            return None

    def _derived(self) -> None:
        carried, kinds = feed_record_types(self.feed), feed_columns(self.feed)
        for index, derive in enumerate(self.feed.derive):
            path = f"$.derive[{index}]"
            for place, name in enumerate(derive.record_type):
                self.known.refer(name, carried, self.file, f"{path}.record_type[{place}]", "record type of this feed")
            self.known.refer(derive.becomes, self.known.record_types, self.file, f"{path}.becomes", "record type")
            if self.known.refer(derive.column, kinds, self.file, f"{path}.column", "column of this feed"):
                kind = kinds[derive.column]
                if kind != "utf8":
                    self.fault(f"{path}.column", f"{derive.column} is {kind}; a record type is derived from text")
            if not derive.starts_with or "" in derive.starts_with:
                self.fault(f"{path}.starts_with", "empty; give the beginnings that make the difference")

    def _dedup(self) -> None:
        dedup, columns = self.feed.dedup, feed_columns(self.feed)
        carried = feed_record_types(self.feed)
        keys: list[tuple[str, Key]] = [("$.dedup", dedup)]
        for name, key in dedup.by_record_type.items():
            path = f"$.dedup.by_record_type.{name}"
            self.known.refer(name, carried, self.file, path, "record type of this feed")
            keys.append((path, key))
        for path, key in keys:
            self._key(f"{path}.key", key.key)
            for part, named, may in (
                ("key", key.key or [], columns),
                ("not_payload", key.not_payload, self.known.filled),
            ):
                for place, column in enumerate(named):
                    self.known.refer(column, may, self.file, f"{path}.{part}[{place}]", "column of this feed")
                    if column in named[:place]:
                        self.fault(f"{path}.{part}[{place}]", f"{column} stands twice")

    def _key(self, path: str, key: list[str] | None) -> None:
        if key is None:
            return
        if not 1 <= len(key) <= MOST_KEY_COLUMNS:
            self.fault(path, f"1 to {MOST_KEY_COLUMNS} columns; leave it out to compare the whole record")
        columns = feed_columns(self.feed)
        for place, column in enumerate(key):
            for index, layout in enumerate(self.feed.layout):
                if column in columns and column not in layout_columns(self.feed, layout):
                    what = f"$.layout[{index}] does not fill {column}, so records of it would pass for each other"
                    self.fault(f"{path}[{place}]", what)
        if key and all(columns.get(column, "timestamp") != "timestamp" for column in key):
            what = "no time in the key: such records are undated, and looked up over the whole history; add start_time"
            self.known.findings.warning(self.file, path, what)

    def _sequence(self) -> None:
        declared, columns = self.feed.sequence, feed_columns(self.feed)
        if declared is None:
            return
        named = {"number": (declared.number, "int64"), "node": (declared.node, "utf8")}
        for part, (column, kind) in named.items():
            if column is None or not self.known.refer(
                column, columns, self.file, f"$.sequence.{part}", "column of this feed"
            ):
                continue
            if columns[column] != kind and not (part == "node" and columns[column] == "code"):
                what = "integers" if part == "number" else "text or codes"
                self.fault(f"$.sequence.{part}", f"{column} is {columns[column]}, and must be {what}")

    def _limits(self, template: NameTemplate | None) -> None:
        limits = self.feed.limits
        for name in ("max_bytes", "max_ratio", "max_members"):
            if getattr(limits, name) < 1:
                self.fault(f"$.limits.{name}", "at least 1")
        if self.feed.late_after_days is not None:
            if self.feed.late_after_days < 0:
                self.fault("$.late_after_days", "at least 0")
            if template is not None and not template.has_date:
                self.fault("$.late_after_days", "files of this feed have no date: file_name has no {date}")
        tolerance = self.feed.duration_tolerance_s
        if tolerance is not None and not 0 <= tolerance <= MOST_TOLERANCE_S:
            self.fault("$.duration_tolerance_s", f"0 to {MOST_TOLERANCE_S} seconds")
        missing = [name for name in ("start_time", "end_time", "duration_s") if name not in feed_columns(self.feed)]
        asked = {"duration_tolerance_s": tolerance is not None, "duration_from_times": self.feed.duration_from_times}
        for name in (name for name in asked if asked[name] and missing):
            self.fault(f"$.{name}", f"needs {', '.join(missing)}, which no field fills")


class LayoutCheck:
    """The checks of one layout."""

    def __init__(self, at: LayoutPlace, template: NameTemplate | None):
        self.at, self.template, self.fault = at, template, at.fault
        self.known, self.file, self.path, self.feed, self.layout = at

    def check(self) -> None:
        """Add every fault of the layout."""
        layout = self.layout
        for name in ("delimiter", "quote"):
            text = getattr(layout, name)
            if text is not None and (len(text.encode()) != 1 or text in "\r\n\0"):
                self.fault(f".{name}", "must be a single byte, and no line end")
        formats = {"fixed": self._fixed, "delimited": self._delimited, "jsonl": self._json}
        if (check := formats.get(layout.format)) is not None:
            check()
            self._have_not(_OF_BER, "only fields of BER records have it")
            if layout.ber is not None:
                self.fault(".ber", f"says nothing of the format {layout.format}")
        else:
            from mediation.rulebook.check_tags import check_tags  # of all formats BER alone needs tags

            check_tags(self.at)
        if layout.format != "jsonl":
            self._have_not(("path",), "only fields of JSON records have it")
        if not 1 <= layout.max_record_bytes <= MOST_RECORD_BYTES:
            self.fault(".max_record_bytes", f"1 to {MOST_RECORD_BYTES}")
        seen: dict[str, int] = {}
        for place, field in enumerate(layout.field):
            FieldCheck(self.at, place, field).check()
            if field.column is not None and field.type != "ignored":
                before = seen.setdefault(field.column, place)
                shared = layout.ber is not None and field.type == layout.field[before].type == "enumeration"
                if before != place and not shared:  # the same column of other records, by other codes
                    self.fault(f".field[{place}].column", f"{field.column} is filled by field[{before}] already")
        self._filled()
        for name in ("header", "trailer"):
            envelope = getattr(layout, name)
            if envelope is not None:
                self._envelope(name, envelope)

    def _delimited(self) -> None:
        layout = self.layout
        if layout.terminator == "none":
            self.fault(".terminator", "only fixed-width records can do without")
        if layout.record_length is not None:
            self.fault(".record_length", "only fixed-width records have a length")
        if layout.quote == layout.delimiter:
            self.fault(".quote", "the same as the delimiter")
        if not 0 <= layout.header_lines <= MOST_HEADER_LINES:
            self.fault(".header_lines", f"0 to {MOST_HEADER_LINES}")
        self._have_not(("start", "width"), "only fields of fixed width have it")
        if any(field.name is not None for field in layout.field):
            self._named()
        else:
            self._last_ones_absent()

    def _have_not(self, options: tuple[str, ...], what: str) -> None:
        """No field has options that belong to another format."""
        for place, field in enumerate(self.layout.field):
            unset = Field(type=field.type)
            for name in options:
                if getattr(field, name) != getattr(unset, name):
                    self.fault(f".field[{place}].{name}", what)

    def _named(self) -> None:
        """Every field that stands in a record has a name of its own, and there is a line that holds the names."""
        seen: dict[str, int] = {}
        if self.layout.header_lines == 0:
            self.fault(".header_lines", "missing; how many lines stand above the records? The first names the columns")
        for place, field in enumerate(self.layout.field):
            path = f".field[{place}].name"
            if field.type == "constant":
                continue
            if field.type == "ignored":
                self.fault(f".field[{place}].type", "columns that no field names are passed over; leave this one out")
            elif not field.name or field.name != field.name.strip(" "):
                self.fault(path, "missing, or with spaces around it; name every field as the header line does, or none")
            else:
                self.at.encoded(path, field.name)
                if seen.setdefault(field.name, place) != place:
                    self.fault(path, f"{field.name} is the name of field[{seen[field.name]}] already")

    def _last_ones_absent(self) -> None:
        """By position only the last fields of a record can be absent, and not all of them."""
        placed = [(place, field) for place, field in enumerate(self.layout.field) if field.type != "constant"]
        for (first, field), (second, after) in pairwise(placed):
            if field.may_be_absent and not after.may_be_absent:
                self.fault(f".field[{second}].may_be_absent", f"missing; field[{first}] before it may be absent")
        if placed and placed[0][1].may_be_absent:
            self.fault(f".field[{placed[0][0]}].may_be_absent", "the first field of a record is always there")

    def _json(self) -> None:
        layout = self.layout
        if layout.encoding != "utf-8":
            self.fault(".encoding", "JSON is written in utf-8")
        if layout.terminator == "none":
            self.fault(".terminator", "only fixed-width records can do without")
        lines = ("delimiter", "quote", "record_length", "header_lines", "header", "trailer")
        self.at.has_not(lines, "JSON lines have none")
        self._have_not(("start", "width", "name"), "a field of a JSON record has a path instead")
        self._have_not(("may_be_absent",), "what is optional may be absent from a JSON record; leave it out")
        paths: dict[int, Steps] = {}
        for place, field in enumerate(layout.field):
            if field.type == "ignored":
                self.fault(f".field[{place}].type", "what no field names is passed over; leave this one out")
            elif field.type != "constant":
                try:
                    paths[place] = steps_of(field.path or "")
                except ValueError as error:
                    self.fault(f".field[{place}].path", str(error))
        self._one_way(paths)

    def _one_way(self, paths: dict[int, Steps]) -> None:
        """No path ends inside of another, and the lists of all are on the way to the innermost one."""
        innermost = max((lists_of(path) for path in paths.values()), key=len, default=())
        ends: dict[Steps, int] = {}
        for place, path in paths.items():
            if ends.setdefault(path, place) != place:
                self.fault(f".field[{place}].path", f"the path of field[{ends[path]}] already")
        shapes: dict[Steps, bool] = {}  # of what goes on: whether into a list
        for place, path in paths.items():
            lists = lists_of(path)
            if lists != innermost[: len(lists)]:
                self.fault(f".field[{place}].path", "goes through another list; a record is split into items by one")
            for length in range(1, len(path)):
                before = path[:length]
                if before in ends:
                    self.fault(f".field[{place}].path", f"goes on where field[{ends[before]}] has its value")
                elif shapes.setdefault(before, path[length] is None) != (path[length] is None):
                    self.fault(
                        f".field[{place}].path", "takes for a list what is an object in another path, or the reverse"
                    )

    def _fixed(self) -> None:
        layout, length = self.layout, self.layout.record_length
        if length is None:
            self.fault(".record_length", "missing; how many bytes has a record, its terminator not counted?")
        elif not 1 <= length <= min(layout.max_record_bytes, MOST_RECORD_BYTES):
            self.fault(".record_length", "1 to max_record_bytes")
        self.at.has_not(("delimiter", "quote", "header_lines"), "only delimited records have it")
        self._have_not(("name", "may_be_absent"), "only fields of delimited records have it")
        taken: list[tuple[int, int, int]] = []
        for place, field in enumerate(layout.field):
            if field.type == "constant":
                continue
            if field.start is None or field.width is None:
                self.fault(f".field[{place}]", "start and width are missing; a field of fixed width needs both")
            elif field.start < 1 or field.width < 1:
                self.fault(f".field[{place}]", "start and width count from 1")
            elif length is not None and field.start + field.width - 1 > length:
                self.fault(f".field[{place}].width", f"ends at byte {field.start + field.width - 1} of {length}")
            else:
                taken.append((field.start, field.start + field.width, place))
        taken.sort()
        for (_, end, first), (start, _, second) in pairwise(taken):
            if start < end:
                self.fault(f".field[{second}].start", f"overlaps with field[{first}], which ends at byte {end - 1}")

    def _filled(self) -> None:
        columns = layout_columns(self.feed, self.layout)
        fields = {field.column for field in self.layout.field if field.type != "ignored"}
        for name in ("host", "record_type"):
            if name in fields and getattr(self.feed, name) is not None:
                self.fault(".field", f"a field fills {name}, and so does the feed's constant; keep one of the two")
        for name in ALWAYS_FILLED:
            if name not in columns:
                constant = f", nor does the feed declare {name}" if name in ("host", "record_type") else ""
                self.fault(".field", f"no field fills {name}{constant}")
        if self.known.result.book is not None and self.known.result.book.city == "feed" and "city" not in columns:
            self.fault(".field", "no field fills city; the book says that feeds carry it")
        for name in sorted(feed_record_types(self.feed)):
            quantity = self.known.quantities.get(name, "event_count")
            needed = _FILLED_FOR.get(quantity, ("message_segments",) if quantity == "message_segments" else ())
            if needed and not any(column in columns for column in needed):
                what = f"no field fills {' or '.join(needed)}, which {name} is sold by"
                hint = "; or declare [segments], or sell it by event_count" if quantity == "message_segments" else ""
                self.fault(".field", what + hint)
        if self.feed.segments is not None:
            if "message_segments" in fields:
                self.fault(".field", "a field fills message_segments, and so does [segments]; keep one of the two")
            self._segments(columns)

    def _segments(self, columns: dict[str, str]) -> None:
        for name in ("message_length", "message_coding"):
            if name not in columns:
                self.fault(".field", f"no field fills {name}, which [segments] counts by")
        codings = {
            value for field in self.layout.field if field.column == "message_coding" for value in field_values(field)
        }
        if codings and self.feed.segments is not None:
            for place, value in enumerate(self.feed.segments.ucs2):
                if value not in codings:
                    what = f"no value of message_coding; {suggestion(value, codings)}"
                    self.known.findings.fault(self.file, f"$.segments.ucs2[{place}]", what)

    def _envelope(self, name: str, envelope: Envelope) -> None:
        if not envelope.starts_with:
            self.fault(f".{name}.starts_with", "empty; say how the record begins")
        self.at.encoded(f".{name}.starts_with", envelope.starts_with)
        for part in ("record_count", "date", "sequence"):
            slot = getattr(envelope, part)
            if slot is None:
                continue
            self._slot(f".{name}.{part}", slot)
            if part != "record_count" and self.template is not None and not getattr(self.template, f"has_{part}"):
                self.fault(f".{name}.{part}", f"must agree with the file's name, which has no {{{part}}}")
        columns = layout_columns(self.feed, self.layout)
        for place, total in enumerate(envelope.sums):
            path = f".{name}.sums[{place}]"
            self._slot(path, Slot(position=total.position, start=total.start, width=total.width))
            if self.known.refer(total.column, columns, self.file, f"{self.path}{path}.column", "column of this layout"):
                absent = [field.column for field in self.layout.field if field.may_be_absent]
                if columns[total.column] not in ("int64", "decimal"):
                    self.fault(f"{path}.column", f"{total.column} is no number")
                elif total.column in absent:
                    self.fault(f"{path}.column", f"{total.column} may be absent; only what every file has adds up")
                elif total.unit not in units_of(total.column, columns[total.column]):
                    self.fault(f"{path}.unit", f"{total.unit} does not measure {total.column}")

    def _slot(self, path: str, slot: Slot) -> None:
        fixed = self.layout.format == "fixed"
        given = (slot.position is not None, slot.start is not None and slot.width is not None)
        if given != (not fixed, fixed):
            self.fault(path, "needs start and width, and no position" if fixed else "needs position, no start or width")
        elif any(value is not None and value < 1 for value in (slot.position, slot.start, slot.width)):
            self.fault(path, "counts from 1")
