"""The parts of history segments: written from a run's entries, and searched for a batch's fingerprints.

Conventions
-----------
- Bytes in, bytes out: whoever calls reads and writes the files. The format is told in `segment.hpp`.
- False means that the bytes are not those that were written.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, ColumnOut, ColumnView, Kind


cdef extern from "dedup/siphash.hpp" namespace "mediation" nogil:
    cdef cppclass Fingerprint:
        pass

    cdef cppclass SipState:
        @staticmethod
        SipState keyed(uint64_t k0, uint64_t k1)

cdef extern from "dedup/segment.hpp" namespace "mediation" nogil:
    const uint64_t kMostEntries

    cdef cppclass SegmentHeader:
        uint32_t partitions
        uint64_t entries
        uint64_t directory_offset
        uint64_t bytes

    cdef cppclass PartitionPlace:
        int32_t day
        uint32_t buckets
        uint64_t entries
        uint64_t filter_offset
        uint64_t begins_offset

    uint64_t buckets_bytes(uint64_t entries, uint64_t buckets)
    uint64_t filter_bytes(const PartitionPlace& place)
    uint64_t begins_bytes(const PartitionPlace& place)
    uint64_t directory_bytes(uint64_t partitions)

cdef extern from "dedup/segment_write.hpp" namespace "mediation" nogil:
    cdef cppclass EntryColumns:
        const Fingerprint* fingerprints
        const int32_t* checks
        ColumnView days
        uint32_t count

    cdef cppclass SortedSegment:
        SortedSegment(const EntryColumns& entries, const SipState& secret) except +
        const vector[PartitionPlace]& places() const
        uint64_t bytes() const
        uint64_t bytes_of_buckets(uint64_t partition, uint64_t begin, uint64_t end) const
        void write_header(uint8_t* out) const
        void write_buckets(uint64_t partition, uint64_t begin, uint64_t end, uint8_t* out) const
        void write_filter(uint64_t partition, uint8_t* out) const
        void write_begins(uint64_t partition, uint8_t* out) const
        void write_directory(uint8_t* out) const

cdef extern from "dedup/segment_probe.hpp" namespace "mediation" nogil:
    cdef cppclass Partition:
        PartitionPlace place
        vector[uint32_t] begins
        uint64_t offset_of(uint64_t bucket) const

    cdef cppclass NativeIndex "mediation::SegmentIndex":
        SegmentHeader header
        vector[Partition] partitions
        cbool read_header(const uint8_t* bytes, uint64_t count, uint64_t file_bytes, const SipState& secret)
        cbool read_directory(const uint8_t* bytes, uint64_t count) except +
        cbool take_room()
        cbool read_filter(uint64_t number, const uint8_t* bytes, uint64_t count) except +
        cbool read_begins(uint64_t number, const uint8_t* bytes, uint64_t count) except +
        cbool buckets_close(uint64_t number, uint64_t begin, uint64_t end, const uint8_t* bytes, uint64_t count) const
        int64_t nbytes() const

    void list_buckets(const Partition& partition, uint64_t begin, uint64_t end, const uint8_t* bytes,
                      Fingerprint* fingerprints, int32_t* checks, ColumnOut* days)

    cdef cppclass BucketSpan:
        uint64_t offset
        uint64_t bytes

    cdef cppclass NativeProbe "mediation::Probe":
        void begin(const ColumnView& fingerprints, const ColumnView& days, ColumnOut* checks) except +
        const vector[BucketSpan]& ask(const NativeIndex& index) except +
        cbool search(const NativeIndex& index, const BucketSpan& span, const uint8_t* bytes, uint64_t count)
        int64_t nbytes() const


HEADER_BYTES = sizeof(SegmentHeader)


cdef SipState secret_of(bytes secret) except *:
    if len(secret) != 16:
        raise ValueError(f"the secret of a segment has 16 bytes, not {len(secret)}")
    return SipState.keyed(int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little"))


cdef const uint8_t* start_of(bytes data) noexcept:
    return <const uint8_t*> PyBytes_AS_STRING(data)


cdef bytes room_for(uint64_t count):
    return PyBytes_FromStringAndSize(NULL, <Py_ssize_t> count)


cdef class SegmentWriter:
    """A run's entries sorted into the parts of a segment.

    Parameters
    ----------
    entries : Batch
        Of a dated admission: ``fingerprint``, ``payload_check`` and ``partition_day``. No fingerprint comes twice.
    secret : bytes
        16, the key of the checksums.
    """

    cdef unique_ptr[SortedSegment] sorted
    cdef Batch entries  # its columns are read until the end

    def __cinit__(self, Batch entries, bytes secret):
        cdef SipState state = secret_of(secret)
        cdef ColumnView keys = entries.view("fingerprint"), checks = entries.view("payload_check")
        cdef EntryColumns columns
        if <uint64_t> entries.num_rows > kMostEntries:
            raise OverflowError("a segment holds less than 2**32 records: split the run")
        self.entries = entries
        columns.fingerprints = <const Fingerprint*> keys.data + keys.offset
        columns.checks = checks.i32()
        columns.days = entries.view("partition_day")
        columns.count = <uint32_t> entries.num_rows
        with nogil:
            self.sorted.reset(new SortedSegment(columns, state))

    @property
    def nbytes(self):
        """The length of the file."""
        return self.sorted.get().bytes()

    @property
    def buckets(self):
        """The number of buckets of every partition."""
        cdef size_t i
        return [self.sorted.get().places()[i].buckets for i in range(self.sorted.get().places().size())]

    cdef int check(self, uint64_t partition) except -1:
        if partition >= self.sorted.get().places().size():
            raise IndexError(partition)
        return 0

    def header(self):
        """The first part of the file."""
        cdef bytes part = room_for(sizeof(SegmentHeader))
        self.sorted.get().write_header(<uint8_t*> start_of(part))
        return part

    def bucket_range(self, uint64_t partition, uint64_t begin, uint64_t end):
        """The buckets [begin, end) of a partition, one after the other."""
        cdef bytes part
        cdef uint8_t* out
        self.check(partition)
        if not begin <= end <= self.sorted.get().places()[partition].buckets:
            raise IndexError(end)
        part = room_for(self.sorted.get().bytes_of_buckets(partition, begin, end))
        out = <uint8_t*> start_of(part)
        with nogil:
            self.sorted.get().write_buckets(partition, begin, end, out)
        return part

    def filter(self, uint64_t partition):
        """A partition's filter."""
        cdef bytes part
        cdef uint8_t* out
        self.check(partition)
        part = room_for(filter_bytes(self.sorted.get().places()[partition]))
        out = <uint8_t*> start_of(part)
        with nogil:
            self.sorted.get().write_filter(partition, out)
        return part

    def begins(self, uint64_t partition):
        """Where a partition's buckets begin."""
        cdef bytes part
        self.check(partition)
        part = room_for(begins_bytes(self.sorted.get().places()[partition]))
        self.sorted.get().write_begins(partition, <uint8_t*> start_of(part))
        return part

    def directory(self):
        """The last part of the file."""
        cdef bytes part = room_for(directory_bytes(self.sorted.get().places().size()))
        self.sorted.get().write_directory(<uint8_t*> start_of(part))
        return part


cdef class SegmentIndex:
    """What is kept of a segment in memory: directory, filters and where buckets begin.

    Parameters
    ----------
    secret : bytes
        16.
    """

    cdef NativeIndex native
    cdef SipState secret

    def __cinit__(self, bytes secret):
        self.secret = secret_of(secret)

    def read_header(self, bytes data, uint64_t file_bytes):
        """Take the header of a file of this size in; whether it is sound."""
        return self.native.read_header(start_of(data), len(data), file_bytes, self.secret)

    def read_directory(self, bytes data):
        """Take the directory in; whether it is sound."""
        if not self.native.read_directory(start_of(data), len(data)):
            return False
        if not self.native.take_room():
            raise MemoryError
        return True

    def read_filter(self, uint64_t partition, bytes data):
        """Take a partition's filter in; whether it is sound."""
        self.check(partition)
        return self.native.read_filter(partition, start_of(data), len(data))

    def read_begins(self, uint64_t partition, bytes data):
        """Take in where a partition's buckets begin; whether it is sound."""
        self.check(partition)
        return self.native.read_begins(partition, start_of(data), len(data))

    cdef int check(self, uint64_t partition) except -1:
        if partition >= self.native.partitions.size():
            raise IndexError(partition)
        return 0

    @property
    def nbytes(self):
        """Memory, in bytes."""
        return self.native.nbytes()

    @property
    def entries(self):
        """Number of records."""
        return self.native.header.entries

    @property
    def days(self):
        """Each partition's day (None: undated) and number of records."""
        cdef size_t i
        return tuple(
            (None if self.native.partitions[i].place.day < 0 else self.native.partitions[i].place.day,
             self.native.partitions[i].place.entries)
            for i in range(self.native.partitions.size())
        )

    @property
    def directory_span(self):
        """Offset and length of the directory."""
        return self.native.header.directory_offset, directory_bytes(self.native.header.partitions)

    @property
    def filter_spans(self):
        """Offset and length of every partition's filter."""
        cdef size_t i
        return [(self.native.partitions[i].place.filter_offset, filter_bytes(self.native.partitions[i].place))
                for i in range(self.native.partitions.size())]

    @property
    def begins_spans(self):
        """Offset and length of every partition's bucket begins."""
        cdef size_t i
        return [(self.native.partitions[i].place.begins_offset, begins_bytes(self.native.partitions[i].place))
                for i in range(self.native.partitions.size())]

    def buckets(self, uint64_t partition):
        """The number of a partition's buckets."""
        self.check(partition)
        return self.native.partitions[partition].place.buckets

    def bucket_span(self, uint64_t partition, uint64_t begin, uint64_t end):
        """Offset and length of the buckets [begin, end) of a partition."""
        cdef uint64_t offset
        self.check(partition)
        if not begin <= end < self.native.partitions[partition].begins.size():
            raise IndexError(end)
        offset = self.native.partitions[partition].offset_of(begin)
        return offset, self.native.partitions[partition].offset_of(end) - offset

    def entries_of(self, uint64_t partition, uint64_t begin, uint64_t end, bytes data):
        """What the buckets [begin, end) hold, of which `buckets_close` has said that they are sound.

        Returns
        -------
        Batch
            ``fingerprint``, ``payload_check`` and ``partition_day``, as `SegmentWriter` takes them.
        """
        cdef const Partition* place
        cdef int64_t rows
        cdef Builder builder
        self.check(partition)
        place = &self.native.partitions[partition]
        if not begin <= end <= place.place.buckets:
            raise IndexError(end)
        rows = place.begins[end] - place.begins[begin]
        if <uint64_t> len(data) != buckets_bytes(<uint64_t> rows, end - begin):
            raise ValueError(f"{len(data)} bytes for {rows} entries in {end - begin} buckets")
        builder = Builder(rows)
        builder.add("fingerprint", Kind.fixed16)
        builder.add("payload_check", Kind.i32)
        builder.add("partition_day", Kind.i32, True)
        list_buckets(place[0], begin, end, start_of(data), <Fingerprint*> builder.out(0).data, builder.out(1).i32(),
                     builder.out(2))
        return builder.finish(rows)

    def buckets_close(self, uint64_t partition, uint64_t begin, uint64_t end, bytes data):
        """Whether the bytes of a `bucket_span` are sound."""
        cdef const uint8_t* at = start_of(data)
        cdef uint64_t count = len(data)
        cdef cbool sound
        self.bucket_span(partition, begin, end)
        with nogil:
            sound = self.native.buckets_close(partition, begin, end, at, count)
        return sound


cdef class SegmentProbe:
    """A batch that is looked up in one segment after the other; its memory serves the next batch."""

    cdef NativeProbe native
    cdef Builder builder
    cdef Batch asked
    cdef SegmentIndex index
    cdef vector[BucketSpan] spans

    @property
    def nbytes(self):
        """Memory, in bytes."""
        return self.native.nbytes()

    def begin(self, Batch asked):
        """Begin with a batch: ``fingerprint`` and ``partition_day``."""
        cdef ColumnView keys = asked.view("fingerprint"), days = asked.view("partition_day")
        if asked.num_rows >= 1 << 31:
            raise OverflowError("a batch has less than 2**31 rows")
        self.builder = Builder(asked.num_rows)
        self.builder.add("payload_check", Kind.i32, True)
        self.asked = asked
        cdef ColumnOut* checks = self.builder.out(0)
        with nogil:
            self.native.begin(keys, days, checks)

    def ask(self, SegmentIndex index):
        """The spans (offset, length) of this segment that may hold fingerprints of the batch."""
        cdef size_t i
        self.index = index
        with nogil:
            self.spans = self.native.ask(index.native)
        return [(self.spans[i].offset, self.spans[i].bytes) for i in range(self.spans.size())]

    def search(self, uint64_t number, bytes data):
        """Search the bytes of a span of the segment that was asked last; whether they are sound."""
        cdef uint64_t count = <uint64_t> PyBytes_GET_SIZE(data)
        if number >= self.spans.size():
            raise IndexError(number)
        return self.native.search(self.index.native, self.spans[number], start_of(data), count)

    def finish(self):
        """``payload_check`` of every row, null where no segment knows the fingerprint."""
        cdef Builder builder = self.builder
        self.builder = None
        made = builder.finish(self.asked.num_rows)
        self.asked = None
        return made
