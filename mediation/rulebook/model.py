"""What the operator declares: the rule book as typed objects, nothing checked against anything else yet.

Conventions
-----------
- One struct per TOML table; an unknown key is an error. `valid_from` and `valid_to` are written `from` and `to` in the
  files and are half-open: `[from, to)`.
- Units are declared, never guessed. Money is decimal text in the files and integers after compiling.
- Annotations are not text here, or msgspec would compile them one by one in every process.
- Cross-references and overlaps are `check.py`'s business, flat arrays are those of `rates.py`.
"""

import datetime as dt
from typing import Literal

import msgspec
from msgspec import field

FieldType = Literal["digits", "text", "integer", "decimal", "timestamp", "enumeration", "constant", "ignored"]
Unit = Literal["s", "min", "B", "KiB", "MiB", "kB", "MB", "1", "yuan", "fen", "micro"]
Coding = Literal[
    *("octets", "integer", "bcd", "tbcd", "address", "hex", "ip", "tag", "entity", "rate"),
    *("negated", "tap_time", "tap_offset", "nrtrde_time", "nrtrde_offset", "time9", "plmn", "uri"),
]
Quantity = Literal["duration_s", "volume_bytes", "event_count", "message_segments"]
Crossing = Literal["start", "split_exact", "increment_start", "split_round"]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_DECIMALS = 18  # of amounts of BER records


class Declared(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every table of the rule book."""


# ---------------------------------------------------------------------------------------------- feeds


class Field(Declared, frozen=True, kw_only=True):
    """One field of a layout. `column` is a column of `schema.USAGE`, or an extra column of the operator's own."""

    type: FieldType
    column: str | None = None
    start: int | None = None  # fixed width: first byte, from 1
    width: int | None = None  # fixed width: bytes
    path: str | None = None  # jsonl: names with points between; name[] goes through a list and splits into items
    name: str | None = None  # delimited with header_lines: what the first of these calls the column
    may_be_absent: bool = False  # delimited: the header may lack the name, or a record its last fields; null then
    strip: Literal["none", "left", "right", "both"] = "none"
    pad: str = " "
    prefix: str = ""  # is left out where the stripped field begins with it: imsi-, msisdn-
    optional: bool = False  # empty is null; otherwise empty is a reject
    null_if: list[str] = []
    min_length: int | None = None  # in bytes of the stripped field
    max_length: int | None = None
    min: int | None = None
    max: int | None = None
    characters: Literal["any", "digits", "alphanumeric", "hexadecimal", "printable", "dialled"] = "any"
    leading_zero: bool = True  # False: text of digits may not begin with 0
    required_if: dict[str, list[str]] | None = None  # {enumeration column: values}: must then be present
    empty_if: dict[str, list[str]] | None = None  # must then be empty
    signed: bool = False
    unit: Unit = "1"  # converted at decode to s, bytes or yuan
    decimals: int = 0  # decimal: the most digits after the point
    pattern: str | None = None  # timestamp: %Y %m %d %H %M %S %f %L %N %z and literals, or %s
    zone: str | None = None  # timestamp without offset: IANA name; default the feed's
    values: dict[str, str] | list[str] | None = None  # enumeration: raw -> canonical
    value: str | None = None  # constant
    tag: str | list[str] | None = None  # BER: paths of tags from the record inwards (rulebook/tags.py)
    header: str | None = None  # BER: path of an element of the file's header that holds it for all records
    default: str | None = None  # BER: where the header has no such element
    aliases: dict[str, str] = {}  # BER: what the header may say for one of `values`
    coding: Coding = "octets"  # BER: how octets mean a value
    sum: bool = False  # BER: of all that the record holds; otherwise the first counts
    unlisted: int | None = None  # BER: integers up to this, where `values` does not list them, are named by themselves
    entity_types: list[int] = []  # BER: the recording entities that are meant; all when empty


class ControlSum(Declared, frozen=True, kw_only=True):
    """A sum that a header or trailer declares over a column of the file."""

    column: str
    position: int | None = None  # delimited: field of the envelope, from 1
    start: int | None = None  # fixed width: first byte, from 1
    width: int | None = None
    unit: Unit = "1"


class Slot(Declared, frozen=True, kw_only=True):
    """Where a value stands in a header or trailer: a field position, or a first byte and a width (both from 1)."""

    position: int | None = None
    start: int | None = None
    width: int | None = None


class Envelope(Declared, frozen=True, kw_only=True):
    """A header or trailer record."""

    starts_with: str
    record_count: Slot | None = None
    date: Slot | None = None  # must agree with the file name's
    sequence: Slot | None = None
    sums: list[ControlSum] = []


class Members(Declared, frozen=True, kw_only=True):
    """What stands in records, as it is nested there: the nested table (rulebook/members.py)."""

    records: dict[str, str]  # type of a record, by its own tag
    types: dict[str, dict[str, str | list[str]]]  # what stands at a path in each type: name[] and what it holds


class Ber(Declared, frozen=True, kw_only=True):
    """How records stand in a file of BER elements, and what its header and trailer say; each by a path of tags."""

    records: str = ""  # the element that holds the records; "": they stand one after the other
    framing: Literal["elements", "detect"] = "elements"  # detect: a file may have the headers of 3GPP TS 32.297
    header_bytes: int = 0  # of a header of the sender's own before everything else, which is no element
    record_header_bytes: int = 0  # … before each record
    block_bytes: int = 0  # no record crosses a multiple of it in the file; what is left of a block is 00 or FF
    identity: str | None = None  # of an element in the header, without which the file is of another format
    versions: dict[str, list[int]] = {}  # path of a number before the records -> those that are known
    without_records: list[str] = []  # tags of files that have none
    items: list[str] = []  # elements that are rows of their own; one that holds items is said again in each of them
    without_items: list[str] = []  # elements that count only in records that have none of these
    lists: list[str] = []  # … that repeat in the nested table, as items do
    members: Members | None = None  # of the nested table; None: those of the format, else what the fields' paths name
    sequence: str | None = None  # must agree with the file name's
    decimals: str | int | None = None  # of amounts: where the header says it, or how many; 0 by default
    decimals_optional: bool = False  # a file need not say them: its amounts are null then
    utc_offsets: str | None = None  # elements of {code,offset}, by the tags of these members; a|b: of either
    entities: str | None = None  # … of {code,type,id}
    rates: str | None = None  # … of {code,decimals,rate}
    record_count: str | None = None  # after the records
    sums: dict[str, str] = {}  # column -> path of its sum, in its field's unit or the file's own decimals
    refunds: dict[str, str] = {}  # … of what is to be taken off this sum: amounts that are negative in the column


class Layout(Declared, frozen=True, kw_only=True):
    """One version of a feed's record layout, chosen by the file's date."""

    valid_from: dt.date = field(name="from")
    valid_to: dt.date | None = field(name="to", default=None)
    format: Literal["delimited", "fixed", "jsonl", "ber", "tap3", "nrtrde", "rap", "ts32298"]
    encoding: Literal["ascii", "utf-8", "gb18030"] = "utf-8"
    delimiter: str = "|"
    quote: str | None = None  # RFC 4180: one character, doubled inside
    terminator: Literal["lf", "crlf", "any", "none"] = "lf"
    record_length: int | None = None  # fixed width: bytes without terminator
    header_lines: int = 0  # delimited: lines above the records; where fields have names, the first names the columns
    max_record_bytes: int = 65536
    header: Envelope | None = None
    trailer: Envelope | None = None
    ber: Ber | None = None
    field: list[Field] = []  # a format that the package knows by name brings its own


class Derive(Declared, frozen=True, kw_only=True):
    """Gives a record another `record_type` from what its fields say (an SMS from a 106… sender is industry SMS)."""

    record_type: list[str]  # of these
    column: str  # a utf8 column
    starts_with: list[str]
    becomes: str


class FormatTable(Declared, frozen=True, kw_only=True):
    """What a format that the package knows by name brings to a layout."""

    ber: Ber
    usage: bool = True  # False: what it holds is not to be charged, and no feed of a book has it
    field: list[Field]
    derive: list[Derive] = []
    duration_from_times: bool = False
    names: dict[str, str] = {}  # of elements, by tag
    readable: list[str] = []  # tags of elements that never hold a subscriber's number


class Segments(Declared, frozen=True, kw_only=True):
    """Counts an SMS's segments from its length and coding: GSM-7 160/153, UCS-2 70/67 (3GPP TS 23.040, 23.038)."""

    ucs2: list[str]  # values of message_coding that mean UCS-2; all others are GSM-7


class Key(Declared, frozen=True, kw_only=True):
    """What makes a record the same record, and what may differ in a retransmission of it."""

    key: list[str] | None = None  # None: the whole record
    not_payload: list[str] = []


class Dedup(Key, frozen=True, kw_only=True):
    by_record_type: dict[str, Key] = {}


class NodeSequence(Declared, frozen=True, kw_only=True):
    """The numbers that a network node gives its records, one after the other (3GPP localSequenceNumber)."""

    number: str  # an integer column
    node: str | None = None  # a column that tells the counters apart; None: the feed has one


class SourceLimits(Declared, frozen=True, kw_only=True):
    """Caps against bombs, per file."""

    max_bytes: int = 64 << 30  # of the decompressed stream
    max_ratio: int = 200  # decompressed to compressed, once past 64 MiB
    max_members: int = 1024


class Feed(Declared, frozen=True, kw_only=True):
    """One kind of file of one sender."""

    file_name: str  # template: literals, {date} (YYYYMMDD), {sequence} or {sequence:N}, * ; .gz and .zst may follow
    layout: list[Layout]
    family: str | None = None  # feeds of one family repeat each other's records; default: the feed's own name
    host: str | None = None  # constant; None: a field of the layout fills `host`
    record_type: str | None = None  # constant, likewise
    numbers: str | None = None  # the set of number rules that its numbers are written by
    zone: str | None = None  # of its local times; default: the home zone
    compression: Literal["auto", "none", "gzip", "zstd"] = "auto"
    late_after_days: int | None = None  # a file whose date is more days than this before the feed's newest is late
    duration_from_times: bool = False  # a record that does not say its duration has that from start to end
    duration_tolerance_s: int | None = None  # flag records whose duration differs from end - start by more
    derive: list[Derive] = []
    segments: Segments | None = None
    dedup: Dedup = Dedup()
    sequence: NodeSequence | None = None  # followed by a workspace, which tells gaps and repeats
    limits: SourceLimits = SourceLimits()


# -------------------------------------------------------------------------------------------- tariffs


class Band(Declared, frozen=True, kw_only=True):
    """Local wall time `[from, to)` as HH:MM; `to` at or before `from` runs over midnight; 00:00 to 24:00 is all day."""

    valid_from: str = field(name="from")
    valid_to: str = field(name="to")
    band: str


class ZoneRule(Declared, frozen=True, kw_only=True):
    """Where a record type's zone comes from: the longest prefix of a number in a set, or a constant."""

    set: str | None = None
    number: Literal["other_party", "forwarded_to"] = "other_party"
    zone: str | None = None


class Rounding(Declared, frozen=True, kw_only=True):
    """Where a line is rounded. `bill`: the line is stored rounded once to 10^-6 and the bill rounds their sum."""

    level: Literal["record", "component", "bill"] = "bill"
    scale: int = 2
    mode: Literal["half_away", "half_even", "up", "down"] = "half_away"


class Cycle(Declared, frozen=True, kw_only=True):
    period: Literal["month"] = "month"
    first_day: int = 1  # 1 to 28


class Tariff(Declared, frozen=True, kw_only=True):
    """How one side (a product, or a host's wholesale agreement) prices an event; the prices stand in prices.csv."""

    zone: str | None = None  # IANA time zone of its bands, days and cycles; default: the home zone
    currency: str | None = None  # default, and so far the only one: the book's
    calendar: str | None = None  # of calendars.csv: its dates override the weekdays
    day_types: dict[str, list[str]] = {}  # day type -> weekdays mon … sun; all days are "any" when empty
    bands: dict[str, list[Band]] = {}  # day type -> bands that cover the day; all day is "any" when empty
    crossing: Crossing = "increment_start"  # what a call that crosses into another band pays
    zones: dict[str, ZoneRule]  # record type -> rule; a record type not named here is not rateable
    rounding: Rounding = Rounding()
    cycle: Cycle = Cycle()


class Product(Tariff, frozen=True, kw_only=True):
    title: str = ""


class Host(Tariff, frozen=True, kw_only=True):
    title: str = ""
    payment_days: int = 30
    dispute_days: int = 21


class Price(Declared, frozen=True, kw_only=True):
    """A row of prices.csv: cost per n units, never a per-unit decimal (3GPP Rate-Element)."""

    side: Literal["retail", "wholesale"]
    party: str  # product or host; * is all
    record_type: str
    zone: str = "*"
    band: str = "*"
    valid_from: str = field(name="from")  # date or date and time, in the side's zone
    valid_to: str = field(name="to", default="")
    version: str = ""  # label; default: `from`
    first_increment: str = "1"  # integer, or with a unit: 60, 1KiB, 1MB, 1min
    first_cost: str = "0"
    first_per: str = "1"
    next_increment: str = ""  # default: the first
    next_cost: str = ""
    next_per: str = ""
    setup: str = "0"
    minimum: str = "0"


class ZonePrefix(Declared, frozen=True, kw_only=True):
    """A row of zones.csv. An empty prefix is the set's default zone."""

    zone_set: str
    prefix: str
    zone: str
    valid_from: str = field(name="from", default="")
    valid_to: str = field(name="to", default="")


class CalendarDay(Declared, frozen=True, kw_only=True):
    """A row of calendars.csv."""

    calendar: str
    date: dt.date
    day_type: str


# ----------------------------------------------------------------------------------------------- book


class Service(Declared, frozen=True, kw_only=True):
    """What a family of record types is sold by."""

    record_types: list[str]
    quantity: Quantity
    unit: str = ""  # what the settlement calls a unit of the rated quantity; s or B for durations and volumes


class NationalNumber(Declared, frozen=True, kw_only=True):
    """A bare national number: beginning and length."""

    starts_with: str
    digits: int


class Numbers(Declared, frozen=True, kw_only=True):
    """How a sender writes phone numbers, brought to E.164 digits without + (ITU-T E.164)."""

    country_code: str
    international_prefixes: list[str] = field(default_factory=lambda: ["+", "00"])
    carrier_prefixes: list[str] = []  # dialled before the number (IP calling), removed first
    national_prefix: str | None = "0"
    national: list[NationalNumber] = []


class Limits(Declared, frozen=True, kw_only=True):
    """Beyond these a run's data are bad (exit 65)."""

    max_reject_share: float = 0.05
    max_refused_files: int = 0


class Retention(Declared, frozen=True, kw_only=True):
    """What a workspace keeps, in event days before the newest; None is for ever."""

    history_days: int | None = None  # repeats are recognised; what is older is suspended as too old
    sources_days: int | None = None  # copies of the files: runs can be replayed
    tables_days: int | None = None  # rated, rejects, suspended, duplicates; certificates and sums stay


class Book(Declared, frozen=True, kw_only=True):
    """rulebook.toml"""

    name: str
    zone: str
    currency: str = "CNY"
    price_decimals: int = 6
    account: Literal["subscription", "served_msisdn"] = "subscription"
    product: str | None = None  # one product for all; needed without subscriptions
    city: Literal["subscription", "number_range", "feed", "none"] = "subscription"
    services: dict[str, Service]
    numbers: dict[str, Numbers] = {}
    columns: dict[str, list[str]] = {}  # named sets for --columns
    limits: Limits = Limits()
    retention: Retention = Retention()


class Declarations(msgspec.Struct, frozen=True, kw_only=True):
    """The whole rule book as read, before any check across files."""

    book: Book
    feeds: dict[str, Feed]
    hosts: dict[str, Host]
    products: dict[str, Product]
    prices: list[Price]
    zones: list[ZonePrefix]
    calendars: list[CalendarDay]
