"""Fingerprints of records, and the exact set that says which came first.

Conventions
-----------
- Batches in, batches out; every loop over rows is in `fingerprint.hpp`, `admit.hpp` and `set.hpp`, without the GIL.
- A batch's records are whole: its first row has item_no 0.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t
from libcpp.memory cimport unique_ptr
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, Column, ColumnOut, ColumnView, Dictionary, Kind, NativeDictionary


SIMD_LEVELS = ("alone", "base", "avx2", "avx512")
VERDICTS = Dictionary(["retransmission", "conflict"])


cdef void add_text(SipStream& stream, bytes text):
    stream.add_text(string_view(text, <size_t> len(text)))


cdef SipStream keyed_stream(bytes secret):
    cdef SipStream stream
    stream.state = SipState.keyed(int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little"))
    stream.words = 0
    return stream


def siphash(bytes secret, words):
    """SipHash-1-3-128 of 64-bit words: a seam for the test against the reference.

    Returns
    -------
    bytes
        16.
    """
    cdef SipStream stream = keyed_stream(secret)
    cdef Fingerprint digest
    for word in words:
        stream.add(word)
    digest = stream.finish()
    return (<uint64_t> digest.low).to_bytes(8, "little") + (<uint64_t> digest.high).to_bytes(8, "little")


cdef class KeyPlan:
    """How every feed and record type is fingerprinted.

    Parameters
    ----------
    secret : bytes
        16, the key of every hash.
    columns : dict of str to str
        Columns that take part, each with its class: ``integer`` or ``text``.
    feeds, record_types : sequence of str
        Values that the columns of that name may have.
    rules : dict of (str, str) to (str, bool, list of str, list of str, str or None)
        For a feed and a record type ("" is null): the family, whether the key is the whole record, the columns of the
        key and those of the payload, and the key's timestamp that dates a record.
    simd : str
        One of `SIMD_LEVELS` that the machine has; all give the same fingerprints.
    dated : bool
        Whether `fingerprint` tells the partition day as well.
    """

    def __cinit__(self, bytes secret, dict columns, feeds, record_types, dict rules, str simd, *, bint dated=False):
        cdef Fingerprint digest
        cdef SipStream stream
        if len(secret) != 16:
            raise ValueError(f"the secret of a fingerprint has 16 bytes, not {len(secret)}")
        self.columns = tuple(columns)
        self.feeds = tuple(feeds)
        self.record_types = tuple(record_types)
        self.simd = SIMD_LEVELS.index(simd)
        self.dated = dated
        for name, kind in columns.items():
            stream = keyed_stream(secret)
            add_text(stream, f"{name}:{kind}".encode())
            digest = stream.finish()
            self.tags.push_back(digest.low)
            self.mixers.push_back(digest.high | 1)
        for feed in ("", *self.feeds):
            for record_type in ("", *self.record_types):
                self.rule_of.push_back(-1)
                if (feed, record_type) in rules:
                    self.rule_of[self.rule_of.size() - 1] = <int32_t> self.rules.size()
                    self.add_rule(secret, columns, record_type, rules[feed, record_type])

    cdef void add_rule(self, bytes secret, dict columns, str record_type, tuple declared) except *:
        cdef KeyRule rule
        cdef SipStream stream = keyed_stream(secret)
        family, whole_record, key, payload, day = declared
        add_text(stream, family.encode())
        add_text(stream, record_type.encode())
        stream.add(0 if whole_record else <uint64_t> len(key))
        if not whole_record:
            for name in key:
                add_text(stream, f"{name}:{columns[name]}".encode())
        rule.start = stream.state
        rule.prefix_words = stream.words
        rule.whole_record = whole_record
        for name in key:
            rule.key.push_back(self.columns.index(name))
        for name in payload:
            rule.payload.push_back(self.columns.index(name))
        rule.day = -1 if day is None else self.columns.index(day)
        self.rules.push_back(rule)


cdef vector[int32_t] places_of(Batch batch, bytes name, tuple known) except *:
    # The place (from 1) that each code of this batch's own dictionary has among the known values; -1 for none.
    cdef const Column* column = batch.native.get().find(name)
    cdef vector[int32_t] places
    cdef const NativeDictionary* values
    cdef int64_t i
    if column == NULL:
        return places
    values = column.dictionary.get()
    if values == NULL:
        raise ValueError(f"column {name.decode()} must be a dictionary column")
    for i in range(values.size()):
        value = values.bytes[values.offsets[i]:values.offsets[i + 1]].decode()
        places.push_back(<int32_t> known.index(value) + 1 if value in known else -1)
    return places


cdef void hash_columns(KeyPlan plan, Batch usage, vector[HashedColumn]& columns,
                       vector[vector[uint64_t]]& mixed) except *:
    # Contract: `mixed` outlives `columns`, which point into it.
    cdef HashedColumn blank, hashed
    cdef const Column* column
    cdef size_t i
    mixed.resize(plan.tags.size())
    for i in range(plan.tags.size()):
        hashed = blank
        hashed.tag = plan.tags[i]
        hashed.mixer = plan.mixers[i]
        column = usage.native.get().find((<str> plan.columns[i]).encode())
        if column != NULL:
            hashed.view = column.view
            hashed.values = column.dictionary.get()
            if hashed.values != NULL and hashed.values.size() <= usage.num_rows:
                mixed[i].resize(hashed.values.size())
                mix_codes(hashed, mixed[i].data())
        columns.push_back(hashed)


def fingerprint(KeyPlan plan, Batch usage):
    """The fingerprint and payload check of every row; a record's items have those of their record.

    Returns
    -------
    Batch
        ``fingerprint`` (16 bytes), ``payload_check`` (int32) and, of a dated plan, ``partition_day`` (int32, days
        since 1970, null: undated), one row for each of `usage`.
    """
    cdef int64_t rows = usage.num_rows, records, wrong = -1
    cdef vector[int32_t] first = vector[int32_t](rows + 1), starts = vector[int32_t](plan.rules.size() + 1)
    cdef vector[int32_t] feeds = places_of(usage, b"feed", plan.feeds)
    cdef vector[int32_t] types = places_of(usage, b"record_type", plan.record_types)
    cdef vector[HashedColumn] columns
    cdef vector[vector[uint64_t]] mixed
    cdef ColumnView item_no = usage.view_or_none("item_no")
    cdef Builder builder = Builder(rows)
    cdef RuleLookup lookup
    cdef FingerprintTask task
    hash_columns(plan, usage, columns, mixed)
    builder.add("fingerprint", Kind.fixed16)
    builder.add("payload_check", Kind.i32)
    if plan.dated:
        builder.add("partition_day", Kind.i32, True)
    lookup.feed = usage.view_or_none("feed")
    lookup.record_type = usage.view_or_none("record_type")
    lookup.feed_places = feeds.data()
    lookup.type_places = types.data()
    lookup.rule_of = plan.rule_of.data()
    lookup.types = len(plan.record_types) + 1
    task.columns = columns.data()
    task.first = first.data()
    task.fingerprints = <Fingerprint*> builder.out(0).data
    task.checks = builder.out(1).i32()
    task.days = builder.out(2) if plan.dated else NULL
    task.hash_tile = hash_tile_of(plan.simd)
    with nogil:
        records = find_records(item_no, rows, first.data())
        if records >= 0:
            wrong = fingerprint_records(plan.rules.data(), <int64_t> plan.rules.size(), lookup, task, records,
                                        starts.data())
    if records < 0:
        raise ValueError("a batch of usage begins inside a record: its first item_no is not 0")
    if wrong >= 0:
        raise ValueError(f"row {first[wrong]}: the rule book has no such feed and record type")
    return builder.finish(rows)


MOST_EXPECTED = 1 << 26  # of a guess; 350 MB of index


cdef class Admission:
    """Every record that a run has accepted so far.

    Parameters
    ----------
    history : History, optional
        What earlier runs have accepted.
    dated : bool
        Remember the partition day of each, two bytes an ordinal, and tell it to the history.
    all_collide : bool
        Every key goes to the same place: slow, and still exact (for tests).
    """

    cdef unique_ptr[SeenSet] seen
    cdef vector[uint16_t] days  # codes by ordinal
    cdef AdmitBuffers buffers
    cdef readonly object history
    cdef readonly bint dated

    def __cinit__(self, history=None, *, bint dated=False, bint all_collide=False):
        self.seen.reset(new SeenSet(all_collide))
        self.history = history
        self.dated = dated

    def __len__(self):
        return self.seen.get().size()

    def expect(self, int64_t records):
        """Lay the set out for about so many records, `MOST_EXPECTED` at most; before the first call of `admit`."""
        if not len(self):
            self.seen.get().expect(<uint64_t> min(max(records, 0), MOST_EXPECTED))

    def clear(self):
        """Forget everything, and give the memory back: 0.1 ms a megabyte, in which other threads may run."""
        cdef unique_ptr[SeenSet] gone
        gone.swap(self.seen)
        self.seen.reset(new SeenSet(False))
        self.days = vector[uint16_t]()
        with nogil:
            gone.reset()

    @property
    def nbytes(self):
        """Memory of the set, in bytes."""
        return self.seen.get().nbytes() + <int64_t> (self.days.capacity() * sizeof(uint16_t))

    def admit(self, Batch fingerprints, Batch usage, int64_t ordinal_base):
        """Say of every row whether it is charged; the first of a key in the order of calls is.

        Parameters
        ----------
        fingerprints : Batch
            Of `fingerprint`, for the same rows; with ``partition_day`` where the admission is dated.
        usage : Batch
            Its ``record_no`` and ``item_no`` are read.
        ordinal_base : int
            A record's ordinal is this plus its ``record_no``: below 2**32.

        Returns
        -------
        fresh : Batch
            A selection: ``row`` (int32, ascending).
        duplicates : Batch
            ``row``, ``verdict`` (retransmission or conflict) and ``first_ordinal`` (null: in the history).
        """
        cdef ColumnView keys = fingerprints.view("fingerprint"), checks = fingerprints.view("payload_check")
        cdef ColumnView record_no = usage.view("record_no"), item_no = usage.view_or_none("item_no"), known
        cdef int64_t rows = usage.num_rows
        cdef AdmitTask task
        cdef Repeats repeats
        cdef AdmitStatus status
        cdef ColumnView days
        cdef Batch probed
        if self.dated:
            days = fingerprints.view("partition_day")
        if fingerprints.num_rows != rows:
            raise ValueError(f"{fingerprints.num_rows} fingerprints for {rows} rows")
        self.buffers.hold(rows)
        task.fingerprints = <const Fingerprint*> keys.data + keys.offset
        task.checks = checks.i32()
        task.record_nos = record_no.i64()
        task.first = self.buffers.first.data()
        task.records = find_records(item_no, rows, self.buffers.first.data())
        task.ordinal_base = ordinal_base
        task.in_history = NULL
        task.history_checks = NULL
        if task.records < 0:
            raise ValueError("a batch of usage begins inside a record: its first item_no is not 0")
        if self.history is not None:
            asked = ["fingerprint", "partition_day"] if self.dated else ["fingerprint"]
            probed = Batch.of(self.history.probe(fingerprints.select(asked)))
            known = probed.view("payload_check")
            mark_known(known, self.buffers.in_history.data())
            task.in_history = self.buffers.in_history.data()
            task.history_checks = known.i32()
        repeats = self.buffers.repeats()
        with nogil:
            status = admit_records(self.seen.get()[0], task, repeats)
        if status == AdmitStatus.ordinals:
            raise OverflowError("a run holds at most 2**32 records: split it")
        if status == AdmitStatus.memory:
            raise MemoryError
        if self.dated:
            if self.days.size() < ordinals_end(task):
                self.days.resize(ordinals_end(task))
            note_days(task, days, self.days.data())
        return written(task, repeats, rows)

    def probe(self, Batch fingerprints):
        """The payload check of every fingerprint that was admitted, null for the others: an Admission is a History."""
        cdef ColumnView keys = fingerprints.view("fingerprint")
        cdef Builder builder = Builder(fingerprints.num_rows)
        cdef ColumnOut* checks
        builder.add("payload_check", Kind.i32, True)
        checks = builder.out(0)
        with nogil:
            self.seen.get().probe(keys, checks)
        return builder.finish(fingerprints.num_rows)

    def entries(self):
        """Everything that was admitted, by the first bits of the fingerprint's first word.

        Returns
        -------
        Batch
            ``fingerprint``, ``payload_check``, ``ordinal`` and, of a dated admission, ``partition_day``.
        """
        cdef int64_t count = self.seen.get().size()
        cdef Builder builder = Builder(count)
        builder.add("fingerprint", Kind.fixed16)
        builder.add("payload_check", Kind.i32)
        builder.add("ordinal", Kind.i64)
        if self.dated:
            builder.add("partition_day", Kind.i32, True)
        cdef Fingerprint* keys = <Fingerprint*> builder.out(0).data
        cdef int32_t* checks = builder.out(1).i32()
        cdef int64_t* ordinals = builder.out(2).i64()
        cdef ColumnOut* days = builder.out(3) if self.dated else NULL
        with nogil:
            self.seen.get().list(keys, checks, ordinals)
            if days != NULL:
                list_days(ordinals, count, self.days.data(), days)
        return builder.finish(count)


cdef written(const AdmitTask& task, const Repeats& repeats, int64_t rows):
    cdef int64_t repeated = count_repeats(task, repeats.repeated)
    cdef Builder fresh = Builder(rows - repeated), duplicates = Builder(repeated)
    cdef RepeatRows out
    fresh.add("row", Kind.i32)
    duplicates.add("row", Kind.i32)
    duplicates.add("verdict", Kind.code, False, VERDICTS)
    duplicates.add("first_ordinal", Kind.i64, True)
    out.rows = duplicates.out(0).i32()
    out.verdicts = duplicates.out(1).i16()
    out.first_ordinals = duplicates.out(2)
    cdef int32_t* fresh_rows = fresh.out(0).i32()
    with nogil:
        write_rows(task, repeats, fresh_rows, out)
    return fresh.finish(rows - repeated), duplicates.finish(repeated)


def first_places(Batch duplicates, vector[int64_t] bases, vector[int32_t] sources):
    """Where the first of each duplicate lies.

    Parameters
    ----------
    duplicates : Batch
        As `Admission.admit` gives them.
    bases, sources : sequence of int
        With which ordinals sources begin, ascending, and which sources they are.

    Returns
    -------
    Batch
        ``first_source_id`` and ``first_record_no``, null where the first is in the history.
    """
    cdef int64_t rows = duplicates.num_rows, i, place
    cdef ColumnView ordinals = duplicates.view("first_ordinal")
    cdef Builder builder = Builder(rows)
    if bases.size() != sources.size():
        raise ValueError(f"{bases.size()} bases of {sources.size()} sources")
    builder.add("first_source_id", Kind.i32, True)
    builder.add("first_record_no", Kind.i64, True)
    cdef ColumnOut* source_ids = builder.out(0)
    cdef ColumnOut* record_nos = builder.out(1)
    with nogil:
        for i in range(rows):
            source_ids.i32()[i] = 0
            record_nos.i64()[i] = 0
            place = place_of_ordinal(bases, ordinals.i64()[i]) if ordinals.valid(i) else -1
            if place < 0:
                source_ids.set_null(i)
                record_nos.set_null(i)
                continue
            source_ids.i32()[i] = sources[place]
            record_nos.i64()[i] = ordinals.i64()[i] - bases[place]
    return builder.finish(rows)
