"""Guide and rate: a batch of usage in, the columns that rating adds and the suspended rows out.

Conventions
-----------
- The plan keeps the arrays of `rulebook.rates.Rates` alive and points into them; it never changes.
- Rows are those of the selection, or all. `rated` has one row for each row of `rated_rows`, in their order.
- A suspended row has the code that was found first (see rating.hpp for the order) and the column that it is about.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, ColumnOut, ColumnView, Dictionary, Kind

from mediation.native._status import codes


cdef extern from *:
    """
    static inline __int128 whole(int64_t high, uint64_t low) {
        return (__int128)((unsigned __int128)(uint64_t)high << 64 | low);
    }
    """
    ctypedef long long int128 "__int128"
    int128 whole(int64_t high, uint64_t low) noexcept nogil


cdef extern from "rate/rating.hpp" namespace "mediation" nogil:
    cdef cppclass PrefixSet:
        pass
    cdef cppclass PrefixSlice:
        pass
    cdef cppclass Clock:
        pass
    cdef cppclass Minute:
        pass
    cdef cppclass Rule:
        pass
    cdef cppclass Cell:
        pass
    cdef cppclass PriceSpan:
        pass
    cdef cppclass Price:
        pass
    cdef cppclass Subscription:
        pass

    cdef cppclass Prefixes:
        const PrefixSet* sets
        const PrefixSlice* slices
        const int64_t* keys
        const int16_t* zones
        const int32_t* buckets

    cdef cppclass Clocks:
        const Clock* clocks
        const int64_t* transitions_s
        const int32_t* offsets_s
        const int8_t* days
        const int32_t* cycles
        const Minute* minutes

    cdef cppclass Tariffs:
        const Rule* rules
        const Cell* cells
        const PriceSpan* spans
        const Price* prices
        const int16_t* zone_codes
        const int16_t* band_codes

    cdef cppclass SubscriptionIndex:
        void open(const Subscription* rows, const int32_t* buckets, int bits, const int32_t* products,
                  const int32_t* cities)

    cdef cppclass DialRule:
        cbool carrier
        string prefix
        int32_t strip
        string prepend
        int32_t min_digits
        int32_t max_digits

    cdef enum class CityFrom(int32_t):
        none
        subscription
        number_range

    cdef cppclass Plan:
        Prefixes prefixes
        Clocks clocks
        Tariffs sides[2]
        SubscriptionIndex subscriptions
        vector[vector[DialRule]] number_rules
        const int16_t* feed_rules
        const int16_t* host_party
        const int8_t* quantities
        int32_t feeds
        int32_t hosts
        int32_t record_types
        int32_t zone_count
        int32_t only_product
        CityFrom city
        int32_t city_set
        cbool exact_only

    cdef cppclass Usage:
        ColumnView feed, host, record_type, served_msisdn, other_party, forwarded_to, start_time, duration_s
        ColumnView uplink_bytes, downlink_bytes, event_count, message_segments
        const int32_t* rows
        int64_t count

    cdef cppclass SideOut:
        int16_t* zone
        int16_t* band
        int16_t* version
        int32_t* cycle
        int64_t* quantity
        int128* amount
        int64_t* residue

    cdef cppclass Outputs:
        int32_t* row
        int64_t* account_id
        int16_t* product
        ColumnOut* city
        SideOut sides[2]
        int128* margin
        int32_t* suspended_row
        int16_t* code
        int16_t* field
        int64_t rated
        int64_t suspended

    cbool rate_rows(const Plan& plan, const Usage& usage, Outputs& out)
    cdef enum class RoundingMode(int8_t):
        pass
    cbool round_line(int128 numerator, int128 denominator, int64_t granule, RoundingMode mode, int64_t* micro)
    int64_t residue_of(int128 numerator, int128 denominator, int64_t micro)
    int32_t zone_of_text "mediation::zone_of<std::string_view>"(const Prefixes& prefixes, int32_t set, int64_t at_us,
                                                                string number)


GUIDE_CODES = frozenset(
    ["missing_time", "no_host", "missing_number", "unknown_number", "number_not_owned", "no_product"]
)
FIELDS = (
    "start_time", "host", "record_type", "served_msisdn", "product", "duration_s", "downlink_bytes", "event_count",
    "message_segments", "other_party", "forwarded_to", "retail_amount", "wholesale_amount",
)
CODE_COLUMNS = (
    "product", "city", "retail_zone", "retail_time_band", "retail_tariff_version", "wholesale_zone",
    "wholesale_time_band", "wholesale_tariff_version",
)
STAGES = Dictionary(["guide", "rate"])
CODES = Dictionary(codes())
FIELD_NAMES = Dictionary(FIELDS)


cdef class RatePlan:
    """A rule book's rates, ready for `rate_batch`.

    Parameters
    ----------
    rates : Rates
        As `rulebook.rates` compiles them.
    exact_only : bool
        Switches the fast path off, so that tests can hold it against the exact one.
    """

    cdef Plan native
    cdef list kept
    cdef readonly dict dictionaries
    cdef readonly bint has_city
    cdef int16_t stage_of[256]
    cdef int16_t place_of[256]

    def __cinit__(self, rates, *, bint exact_only=False):
        self.kept = []
        self.point_at_tables(rates.arrays)
        self.point_at_side(&self.native.sides[0], "retail_", rates.arrays)
        self.point_at_side(&self.native.sides[1], "wholesale_", rates.arrays)
        self.native.subscriptions.open(<const Subscription*> self.data(rates.arrays["subscriptions"]),
                                       <const int32_t*> self.data(rates.arrays["subscription_buckets"]),
                                       (len(rates.arrays["subscription_buckets"]) - 1).bit_length() - 1,
                                       <const int32_t*> self.data(rates.arrays["product_codes"]),
                                       <const int32_t*> self.data(rates.arrays["city_codes"]))
        self.add_number_rules(rates.number_rules)
        self.native.feeds = len(rates.arrays["feed_rules"]) - 1
        self.native.hosts = len(rates.arrays["host_party"]) - 1
        self.native.record_types = len(rates.arrays["quantities"]) - 1
        self.native.zone_count = rates.zone_count
        self.native.only_product = rates.only_product
        self.native.city_set = rates.city_set
        self.native.city = {"subscription": CityFrom.subscription, "number_range": CityFrom.number_range}.get(
            rates.city if rates.city != "number_range" or rates.city_set >= 0 else "none", CityFrom.none)
        self.has_city = rates.city in ("subscription", "number_range")
        self.native.exact_only = exact_only
        self.dictionaries = {name: Dictionary(rates.dictionaries.get(name, ())) for name in CODE_COLUMNS}
        for place, (name, number) in enumerate(codes().items()):
            self.place_of[<int> number] = <int16_t> (<int> place)
            self.stage_of[<int> number] = 0 if name in GUIDE_CODES else 1

    cdef const void* data(self, array) except? NULL:
        cdef const unsigned char[::1] view = array.view("u1")
        self.kept.append(array)
        return &view[0] if len(view) else NULL

    cdef int point_at_tables(self, dict arrays) except -1:
        cdef Prefixes* prefixes = &self.native.prefixes
        cdef Clocks* clocks = &self.native.clocks
        prefixes.sets = <const PrefixSet*> self.data(arrays["prefix_sets"])
        prefixes.slices = <const PrefixSlice*> self.data(arrays["prefix_slices"])
        prefixes.keys = <const int64_t*> self.data(arrays["prefix_keys"])
        prefixes.zones = <const int16_t*> self.data(arrays["prefix_zones"])
        prefixes.buckets = <const int32_t*> self.data(arrays["prefix_buckets"])
        clocks.clocks = <const Clock*> self.data(arrays["clocks"])
        clocks.transitions_s = <const int64_t*> self.data(arrays["transitions_s"])
        clocks.offsets_s = <const int32_t*> self.data(arrays["offsets_s"])
        clocks.days = <const int8_t*> self.data(arrays["days"])
        clocks.cycles = <const int32_t*> self.data(arrays["cycles"])
        clocks.minutes = <const Minute*> self.data(arrays["minutes"])
        self.native.feed_rules = <const int16_t*> self.data(arrays["feed_rules"])
        self.native.host_party = <const int16_t*> self.data(arrays["host_party"])
        self.native.quantities = <const int8_t*> self.data(arrays["quantities"])
        return 0

    cdef int point_at_side(self, Tariffs* side, str prefix, dict arrays) except -1:
        side.rules = <const Rule*> self.data(arrays[prefix + "rules"])
        side.cells = <const Cell*> self.data(arrays[prefix + "cells"])
        side.spans = <const PriceSpan*> self.data(arrays[prefix + "spans"])
        side.prices = <const Price*> self.data(arrays[prefix + "prices"])
        side.zone_codes = <const int16_t*> self.data(arrays[prefix + "zone_codes"])
        side.band_codes = <const int16_t*> self.data(arrays[prefix + "band_codes"])
        return 0

    cdef int add_number_rules(self, sets) except -1:
        cdef vector[DialRule] rules
        cdef DialRule native
        for declared in sets:
            rules.clear()
            for rule in declared:
                native.carrier = rule.stage == 0
                native.prefix = rule.prefix
                native.strip = rule.strip
                native.prepend = rule.prepend
                native.min_digits = rule.min_digits
                native.max_digits = rule.max_digits
                rules.push_back(native)
            self.native.number_rules.push_back(rules)
        return 0


cdef class Rating:
    """What `rate_batch` gives.

    Attributes
    ----------
    rated : Batch
        The columns that rating adds, for each rated row.
    rated_rows : Batch
        The selection that `rated` stands beside: `row` (int32), ascending.
    suspended : Batch
        `row` (int32), `stage`, `code`, `field`.
    """

    cdef readonly Batch rated
    cdef readonly Batch rated_rows
    cdef readonly Batch suspended


cdef class Columns:
    """The builder of `rated`, and which of its columns are asked for."""

    cdef Builder builder
    cdef RatePlan plan
    cdef object wanted

    def __cinit__(self, RatePlan plan, int64_t capacity, wanted):
        self.builder = Builder(capacity)
        self.plan = plan
        self.wanted = wanted

    cdef ColumnOut* add(self, str name, Kind kind, bint nullable=False) except? NULL:
        if self.wanted is not None and name not in self.wanted:
            return NULL
        return self.builder.out(self.builder.add(name, kind, nullable, self.plan.dictionaries.get(name)))


cdef void* start(ColumnOut* out) noexcept:
    return NULL if out == NULL else <void*> out.data


cdef int add_columns(Columns columns, Outputs* out) except -1:
    """Adds the columns of schema.RATED, in its order."""
    cdef int side
    out.account_id = <int64_t*> start(columns.add("account_id", Kind.i64))
    out.product = <int16_t*> start(columns.add("product", Kind.code))
    if columns.plan.has_city:
        out.city = columns.add("city", Kind.code, True)
    out.sides[0].cycle = <int32_t*> start(columns.add("cycle", Kind.date32))
    out.sides[1].cycle = <int32_t*> start(columns.add("host_cycle", Kind.date32))
    for side, name in enumerate(("retail", "wholesale")):
        out.sides[side].zone = <int16_t*> start(columns.add(name + "_zone", Kind.code))
        out.sides[side].band = <int16_t*> start(columns.add(name + "_time_band", Kind.code))
        out.sides[side].version = <int16_t*> start(columns.add(name + "_tariff_version", Kind.code))
    for side, name in enumerate(("retail", "wholesale")):
        out.sides[side].quantity = <int64_t*> start(columns.add(name + "_quantity", Kind.i64))
    for side, name in enumerate(("retail", "wholesale")):
        out.sides[side].amount = <int128*> start(columns.add(name + "_amount", Kind.decimal128))
    out.margin = <int128*> start(columns.add("margin_amount", Kind.decimal128))
    for side, name in enumerate(("retail", "wholesale")):
        out.sides[side].residue = <int64_t*> start(columns.add(name + "_residue", Kind.i64))
    return 0


cdef int read_usage(Batch batch, Batch selection, Usage* usage) except -1:
    usage.feed = batch.view_or_none("feed")
    usage.host = batch.view_or_none("host")
    usage.record_type = batch.view_or_none("record_type")
    usage.served_msisdn = batch.view_or_none("served_msisdn")
    usage.other_party = batch.view_or_none("other_party")
    usage.forwarded_to = batch.view_or_none("forwarded_to")
    usage.start_time = batch.view_or_none("start_time")
    usage.duration_s = batch.view_or_none("duration_s")
    usage.uplink_bytes = batch.view_or_none("uplink_bytes")
    usage.downlink_bytes = batch.view_or_none("downlink_bytes")
    usage.event_count = batch.view_or_none("event_count")
    usage.message_segments = batch.view_or_none("message_segments")
    usage.rows = NULL
    usage.count = batch.num_rows
    if selection is not None:
        usage.rows = selection.view("row").i32()
        usage.count = selection.num_rows
    return 0


cdef Batch suspended_batch(RatePlan plan, Builder builder, const int16_t* found, int64_t count):
    """Names the codes: `found` holds their numbers."""
    cdef int16_t* stage = builder.out(1).i16()
    cdef int16_t* code = builder.out(2).i16()
    cdef int64_t i
    for i in range(count):
        stage[i] = plan.stage_of[found[i]]
        code[i] = plan.place_of[found[i]]
    return builder.finish(count)


def rate_batch(RatePlan plan not None, usage, selection=None, columns=None):
    """Guides and rates the selected rows of a batch of usage, both sides in one pass.

    Parameters
    ----------
    plan : RatePlan
    usage : Batch or Arrow array of structs
        Columns of `schema.USAGE` with the kinds and codes of the rule book.
    selection : Batch, optional
        `row` (int32), ascending; all rows without it.
    columns : container of str, optional
        The columns of `schema.RATED` that are wanted; all that the book has without it.

    Returns
    -------
    Rating
    """
    cdef Batch batch = Batch.of(usage)
    cdef Batch chosen = None if selection is None else Batch.of(selection)
    cdef Usage view
    cdef Outputs out
    cdef cbool ok
    read_usage(batch, chosen, &view)
    cdef Columns rated = Columns(plan, view.count, columns)
    cdef Builder rows = Builder(view.count)
    cdef Builder suspended = Builder(view.count)
    cdef Builder scratch = Builder(view.count)
    add_columns(rated, &out)
    out.row = rows.out(rows.add("row", Kind.i32)).i32()
    out.suspended_row = suspended.out(suspended.add("row", Kind.i32)).i32()
    suspended.add("stage", Kind.code, False, STAGES)
    suspended.add("code", Kind.code, False, CODES)
    out.field = suspended.out(suspended.add("field", Kind.code, False, FIELD_NAMES)).i16()
    out.code = scratch.out(scratch.add("number", Kind.i16)).i16()
    with nogil:
        rated.builder.touch_memory()
        ok = rate_rows(plan.native, view, out)
    if not ok:
        raise MemoryError
    cdef Rating rating = Rating()
    rating.rated = rated.builder.finish(out.rated)
    rating.rated_rows = rows.finish(out.rated)
    rating.suspended = suspended_batch(plan, suspended, out.code, out.suspended)
    return rating


def zone_numbers(RatePlan plan not None, int32_t prefix_set, int64_t at_us, numbers):
    """The zone number of each text of digits, -1 for none: a seam for tests of the longest prefix."""
    return [zone_of_text(plan.native.prefixes, prefix_set, at_us, number.encode()) for number in numbers]


def rounded_line(numerator, int64_t denominator, int64_t granule_micro, int mode):
    """An exact amount as (micro, residue), or None beyond what a line can hold: a seam for tests of money.hpp."""
    cdef int64_t high = numerator >> 64
    cdef uint64_t low = numerator & 0xFFFFFFFFFFFFFFFF
    cdef int128 exact = whole(high, low)
    cdef int64_t micro = 0
    if not round_line(exact, denominator, granule_micro, <RoundingMode> mode, &micro):
        return None
    return micro, residue_of(exact, denominator, micro)
