"""Exact sums by account day and by settlement line, fed batch by batch from any thread.

Conventions
-----------
- `usage` is read through `rated_rows` (a selection, or None where every usage row was rated); `rated` row by row.
- Amounts are integers of 10^-6; what does not fit raises OverflowError and ends the run.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, Column, ColumnOut, ColumnView, Kind, NativeDictionary

cdef extern from *:
    """
    static inline uint64_t low_half(__int128 x) { return (uint64_t)x; }
    static inline int64_t high_half(__int128 x) { return (int64_t)(x >> 64); }
    """
    ctypedef int int128 "__int128"
    uint64_t low_half(int128 x) noexcept nogil
    int64_t high_half(int128 x) noexcept nogil

cdef extern from "settle/fold.hpp" namespace "mediation" nogil:
    const int64_t kNoValue

    cdef enum class FoldStatus(int32_t):
        ok
        memory
        overflow
        missing_time

    cdef cppclass ZoneTable:
        const int64_t* starts_us
        const int32_t* offsets_s
        int64_t size

cdef extern from "settle/account_days.hpp" namespace "mediation" nogil:
    cdef cppclass RatedRows:
        const int32_t* rows
        int64_t count
        ColumnView start_time
        ColumnView account_id
        ColumnView retail_amount
        ColumnView wholesale_amount

    cdef int kPartitions "mediation::AccountDays::kPartitions"

    cdef cppclass NativeAccountDays "mediation::AccountDays":
        NativeAccountDays(cbool all_collide) except +
        FoldStatus add(const RatedRows& rated, const ZoneTable& zone) except +
        FoldStatus fold() except +
        FoldStatus fold_partition(int partition) except +
        int64_t size() const
        int64_t nbytes() const
        FoldStatus close() except +
        int64_t next(int64_t most, ColumnOut* account_id, int32_t* day, int64_t* records, int128* retail,
                     int128* wholesale, int128* margin) except +

cdef extern from "settle/settlement.hpp" namespace "mediation" nogil:
    cdef cppclass SettlementKey:
        int64_t city
        int32_t cycle() const
        int16_t host() const
        int16_t record_type() const
        int16_t zone() const
        int16_t band() const
        int16_t version() const

    cdef cppclass SettlementLine:
        SettlementKey key
        int64_t records
        int128 quantity
        int128 host_charge
        int128 wholesale
        int128 retail

    cdef cppclass SettlementRows:
        const int32_t* rows
        int64_t count
        ColumnView host
        ColumnView record_type
        ColumnView host_charge_amount
        ColumnView city
        ColumnView cycle
        ColumnView zone
        ColumnView band
        ColumnView version
        ColumnView quantity
        ColumnView wholesale
        ColumnView retail

    cdef cppclass NativeSettlement "mediation::Settlement":
        NativeSettlement() except +
        FoldStatus add(const SettlementRows& rated) except +
        FoldStatus merge(vector[SettlementLine]& lines) except +


cdef object integer(int128 value):
    return (int(high_half(value)) << 64) | int(low_half(value))


cdef int check(FoldStatus status) except -1:
    if status == FoldStatus.memory:
        raise MemoryError
    if status == FoldStatus.overflow:
        raise OverflowError("a sum of amounts is beyond what it can hold")
    if status == FoldStatus.missing_time:
        raise ValueError("a rated row has no start_time")
    return 0


cdef const int32_t* selected(Batch usage, rated_rows, Batch rated, ColumnView* rows) except? NULL:
    # The rows' pointer (NULL: all), checked against both batches; `rows` keeps nothing alive.
    cdef Batch selection
    cdef int64_t count
    if rated_rows is None:
        if usage.num_rows != rated.num_rows:
            raise ValueError(f"{rated.num_rows} rated rows for {usage.num_rows} usage rows, and no selection")
        return NULL
    selection = rated_rows
    rows[0] = selection.view("row")
    count = rated.num_rows
    if selection.num_rows != count:
        raise ValueError(f"{count} rated rows for a selection of {selection.num_rows}")
    if count and not 0 <= rows[0].i32()[0] <= rows[0].i32()[count - 1] < usage.num_rows:
        raise ValueError("the selection points outside the usage batch")
    return rows[0].i32()


cdef ColumnView kind_checked(Batch batch, str name, Kind kind) except *:
    cdef ColumnView view = batch.view(name)
    if view.kind != kind:
        raise TypeError(f"column {name} has another type than its schema declares")
    return view


cdef class AccountDayFold:
    """Records, retail and wholesale of every account and local day.

    Parameters
    ----------
    starts_us, offsets_s : array of int64, array of int32
        The home zone's table, as `rulebook.zones.zone_table` gives it.
    all_collide : bool
        Every account goes to the same partition (for tests).
    """

    cdef unique_ptr[NativeAccountDays] native
    cdef const int64_t[::1] starts_us
    cdef const int32_t[::1] offsets_s
    cdef bint closed

    def __cinit__(self, const int64_t[::1] starts_us, const int32_t[::1] offsets_s, *, bint all_collide=False):
        self.native.reset(new NativeAccountDays(all_collide))
        if len(starts_us) == 0 or len(starts_us) != len(offsets_s):
            raise ValueError("a zone's table has as many offsets as starts, and one at least")
        self.starts_us = starts_us
        self.offsets_s = offsets_s
        self.closed = False

    def __len__(self):
        if not self.closed:
            check(self.native.get().fold())
        return self.native.get().size()

    @property
    def nbytes(self):
        """Memory of the table, in bytes."""
        return self.native.get().nbytes()

    def add(self, Batch usage, Batch rated_rows, Batch rated):
        """Add a rated batch. Threads may call this at the same time.

        Parameters
        ----------
        usage : Batch
            ``start_time`` is read.
        rated_rows : Batch or None
            Which usage rows were rated, in the order of `rated`.
        rated : Batch
            ``account_id``, ``retail_amount``, ``wholesale_amount`` are read.
        """
        cdef RatedRows rows
        cdef ZoneTable zone
        cdef ColumnView selection
        cdef FoldStatus status
        if self.closed:
            raise ValueError("the account days have been read: nothing may be added")
        rows.rows = selected(usage, rated_rows, rated, &selection)
        rows.count = rated.num_rows
        rows.start_time = kind_checked(usage, "start_time", Kind.timestamp)
        rows.account_id = kind_checked(rated, "account_id", Kind.i64)
        rows.retail_amount = kind_checked(rated, "retail_amount", Kind.decimal128)
        rows.wholesale_amount = kind_checked(rated, "wholesale_amount", Kind.decimal128)
        zone.starts_us = &self.starts_us[0]
        zone.offsets_s = &self.offsets_s[0]
        zone.size = self.starts_us.shape[0]
        with nogil:
            status = self.native.get().add(rows, zone)
        check(status)

    def fold_share(self, int share, int shares):
        """Fold the rows that wait in every so many-th partition. Threads may do others meanwhile, and add."""
        cdef FoldStatus status = FoldStatus.ok
        cdef int partition = share
        if not 0 <= share < shares <= kPartitions:
            raise ValueError(f"there is no share {share} of {shares}")
        with nogil:
            while partition < kPartitions and status == FoldStatus.ok:
                status = self.native.get().fold_partition(partition)
                partition += shares
        check(status)

    def close(self):
        """Bring everything into order, in place; nothing may be added afterwards."""
        cdef FoldStatus status
        if not self.closed:
            self.closed = True
            with nogil:
                status = self.native.get().close()
            check(status)

    def next(self, int64_t most):
        """The next rows by account and day, `most` at most; none when all were given.

        Returns
        -------
        Batch
            As `schema.ACCOUNT_DAY`, but the amounts as decimal128(18, 6) by name.
        """
        cdef Builder builder
        cdef int64_t count
        cdef ColumnOut* account_id
        if not self.closed:
            raise ValueError("close the account days before reading them")
        most = max(0, min(most, self.native.get().size()))
        builder = Builder(most)
        builder.add("account_id", Kind.i64, True)
        builder.add("day", Kind.date32)
        builder.add("records", Kind.i64)
        for name in ("retail_amount", "wholesale_amount", "margin_amount"):
            builder.add(name, Kind.decimal128)
        account_id = builder.out(0)
        cdef int32_t* day = builder.out(1).i32()
        cdef int64_t* records = builder.out(2).i64()
        cdef int128* retail = <int128*> builder.out(3).data
        cdef int128* wholesale = <int128*> builder.out(4).data
        cdef int128* margin = <int128*> builder.out(5).data
        with nogil:
            count = self.native.get().next(most, account_id, day, records, retail, wholesale, margin)
        return builder.finish(count)


CODES = ("host", "record_type", "city", "wholesale_zone", "wholesale_time_band", "wholesale_tariff_version")


cdef class SettlementFold:
    """Sums of every settlement line. The code columns of all batches must have the dictionaries of the first."""

    cdef unique_ptr[NativeSettlement] native
    cdef dict dictionaries
    cdef list held

    def __cinit__(self):
        self.native.reset(new NativeSettlement())
        self.dictionaries = {}

    cdef ColumnView coded(self, Batch batch, str name) except *:
        # Contract: nothing, a code column whose values are those of the first batch, or (city) an int64 column.
        cdef const Column* column = batch.native.get().find(name.encode())
        cdef const NativeDictionary* values
        cdef ColumnView none
        if column == NULL:
            return none
        if column.view.kind != Kind.code:
            if name == "city" and column.view.kind == Kind.i64 and self.dictionaries.setdefault(name, ()) == ():
                return column.view
            raise TypeError(f"column {name} must be a code column in every batch")
        values = column.dictionary.get()
        known = self.dictionaries.get(name)
        if known is None or (<size_t> values) != known[0]:
            texts = [values.bytes[values.offsets[i]:values.offsets[i + 1]].decode() for i in range(values.size())]
            known = self.dictionaries.setdefault(name, (<size_t> values, texts, batch.select([name])))
            if known == () or known[1] != texts:
                raise ValueError(f"column {name} has another dictionary than in the first batch")
        return column.view

    def add(self, Batch usage, Batch rated_rows, Batch rated):
        """Add a rated batch. Threads may call this at the same time.

        Parameters
        ----------
        usage : Batch
            ``host``, ``record_type``, ``host_charge_amount`` are read, where present.
        rated_rows : Batch or None
            Which usage rows were rated, in the order of `rated`.
        rated : Batch
            ``city`` where present, ``host_cycle``, the wholesale columns and both amounts are read.
        """
        cdef SettlementRows rows
        cdef ColumnView selection
        cdef FoldStatus status
        rows.rows = selected(usage, rated_rows, rated, &selection)
        rows.count = rated.num_rows
        rows.host = self.coded(usage, "host")
        rows.record_type = self.coded(usage, "record_type")
        if usage.view_or_none("host_charge_amount").present():
            rows.host_charge_amount = kind_checked(usage, "host_charge_amount", Kind.decimal128)
        rows.city = self.coded(rated, "city")
        rows.cycle = kind_checked(rated, "host_cycle", Kind.date32)
        rows.zone = self.coded(rated, "wholesale_zone")
        rows.band = self.coded(rated, "wholesale_time_band")
        rows.version = self.coded(rated, "wholesale_tariff_version")
        rows.quantity = kind_checked(rated, "wholesale_quantity", Kind.i64)
        rows.wholesale = kind_checked(rated, "wholesale_amount", Kind.decimal128)
        rows.retail = kind_checked(rated, "retail_amount", Kind.decimal128)
        with nogil:
            status = self.native.get().add(rows)
        check(status)

    def lines(self):
        """Every line, in no useful order.

        Returns
        -------
        list of tuple
            (cycle as days since 1970 or None, host, record_type, city, zone, band, version, records, quantity,
            host charge, wholesale, retail); texts are None for null, a city is text or int, amounts integers of 10^-6.
        """
        cdef vector[SettlementLine] lines
        cdef SettlementLine line
        cdef FoldStatus status
        cdef size_t i
        with nogil:
            status = self.native.get().merge(lines)
        check(status)
        found = []
        for i in range(lines.size()):
            line = lines[i]
            codes = (line.key.host(), line.key.record_type(), line.key.city, line.key.zone(), line.key.band(),
                     line.key.version())
            found.append((
                None if line.key.cycle() == -2147483648 else line.key.cycle(),
                *(self.text(name, code) for name, code in zip(CODES, codes)),
                line.records,
                integer(line.quantity),
                integer(line.host_charge),
                integer(line.wholesale),
                integer(line.retail),
            ))
        return found

    def text(self, str name, int64_t code):
        """What a code of a line stands for; None for null."""
        known = self.dictionaries.get(name)
        if known is None or code == kNoValue or (known and code < 0):
            return None
        return known[1][code] if known else code
