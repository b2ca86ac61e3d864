"""The parts of history segments: of a run's entries or of other segments, and searched for a batch's fingerprints.

Conventions
-----------
- Bytes in, bytes out: whoever calls reads and writes the files. The format is told in `segment.hpp`.
- False means that the bytes are not those that were written.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, ColumnOut, ColumnView, Kind


HEADER_BYTES = sizeof(SegmentHeader)


cdef SipState secret_of(bytes secret) except *:
    if len(secret) != 16:
        raise ValueError(f"the secret of a segment has 16 bytes, not {len(secret)}")
    return SipState.keyed(int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little"))


cdef const uint8_t* start_of(bytes data) noexcept:
    return <const uint8_t*> PyBytes_AS_STRING(data)


cdef bytes room_for(uint64_t count):
    return PyBytes_FromStringAndSize(NULL, <Py_ssize_t> count)


# The parts that hold no entries.

cdef bytes header_of(const SegmentFrame& frame):
    cdef bytes part = room_for(sizeof(SegmentHeader))
    frame.write_header(<uint8_t*> start_of(part))
    return part


cdef bytes begins_part(const SegmentFrame& frame, uint64_t partition, const uint32_t* begins):
    cdef bytes part = room_for(begins_bytes(frame.places()[partition]))
    frame.write_begins(partition, begins, <uint8_t*> start_of(part))
    return part


cdef bytes directory_of(const SegmentFrame& frame):
    cdef bytes part = room_for(directory_bytes(frame.places().size()))
    frame.write_directory(<uint8_t*> start_of(part))
    return part


cdef list buckets_of(const SegmentFrame& frame):
    cdef size_t i
    return [frame.places()[i].buckets for i in range(frame.places().size())]


cdef class SegmentWriter:
    """A run's entries sorted into the parts of a segment.

    Parameters
    ----------
    entries : Batch
        Of a dated admission: ``fingerprint``, ``payload_check`` and ``partition_day``. No fingerprint comes twice.
    secret : bytes
        16, the key of the checksums.
    """

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
        return self.sorted.get().frame.bytes()

    @property
    def buckets(self):
        """The number of buckets of every partition."""
        return buckets_of(self.sorted.get().frame)

    cdef int check(self, uint64_t partition) except -1:
        if partition >= self.sorted.get().frame.places().size():
            raise IndexError(partition)
        return 0

    def header(self):
        """The first part of the file."""
        return header_of(self.sorted.get().frame)

    def bucket_range(self, uint64_t partition, uint64_t begin, uint64_t end):
        """The buckets [begin, end) of a partition, one after the other."""
        cdef bytes part
        cdef uint8_t* out
        self.check(partition)
        if not begin <= end <= self.sorted.get().frame.places()[partition].buckets:
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
        part = room_for(filter_bytes(self.sorted.get().frame.places()[partition]))
        out = <uint8_t*> start_of(part)
        with nogil:
            self.sorted.get().write_filter(partition, out)
        return part

    def begins(self, uint64_t partition):
        """Where a partition's buckets begin."""
        self.check(partition)
        return begins_part(self.sorted.get().frame, partition, self.sorted.get().begins_of(partition))

    def directory(self):
        """The last part of the file."""
        return directory_of(self.sorted.get().frame)


cdef class SegmentIndex:
    """What is kept of a segment in memory: directory, and of partitions that were asked filter and bucket begins.

    Parameters
    ----------
    secret : bytes
        16.
    """

    def __cinit__(self, bytes secret):
        self.secret = secret_of(secret)

    def read_header(self, bytes data, uint64_t file_bytes):
        """Take the header of a file of this size in; whether it is sound."""
        return self.native.read_header(start_of(data), len(data), file_bytes, self.secret)

    def read_directory(self, bytes data):
        """Take the directory in; whether it is sound."""
        return self.native.read_directory(start_of(data), len(data))

    def filter_closes(self, uint64_t partition, bytes data):
        """Whether these bytes are a partition's filter."""
        self.check(partition)
        return self.native.filter_closes(partition, start_of(data), len(data))

    def read_filter(self, uint64_t partition, bytes data):
        """Take a partition's filter in; whether it is sound."""
        if not self.filter_closes(partition, data):
            return False
        if not self.native.keep_filter(partition, start_of(data)):
            raise MemoryError
        return True

    def read_begins(self, uint64_t partition, bytes data):
        """Take in where a partition's buckets begin; whether it is sound."""
        self.check(partition)
        return self.native.read_begins(partition, start_of(data), len(data))

    cdef int check(self, uint64_t partition) except -1:
        if partition >= self.native.partitions.size():
            raise IndexError(partition)
        return 0

    cdef const PartitionPlace* place_of(self, uint64_t partition) except NULL:
        self.check(partition)
        return &self.native.partitions[partition].place

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

    def filter_span(self, uint64_t partition):
        """Offset and length of a partition's filter."""
        cdef const PartitionPlace* place = self.place_of(partition)
        return place.filter_offset, filter_bytes(place[0])

    def begins_span(self, uint64_t partition):
        """Offset and length of a partition's bucket begins."""
        cdef const PartitionPlace* place = self.place_of(partition)
        return place.begins_offset, begins_bytes(place[0])

    def buckets(self, uint64_t partition):
        """The number of a partition's buckets."""
        return self.place_of(partition).buckets

    def bucket_span(self, uint64_t partition, uint64_t begin, uint64_t end):
        """Offset and length of the buckets [begin, end) of a partition."""
        cdef uint64_t offset
        self.check(partition)
        if not begin <= end < self.native.partitions[partition].begins.size():
            raise IndexError(end)
        offset = self.native.partitions[partition].offset_of(begin)
        return offset, self.native.partitions[partition].offset_of(end) - offset

    def buckets_close(self, uint64_t partition, uint64_t begin, uint64_t end, bytes data):
        """Whether the bytes of a `bucket_span` are sound."""
        cdef const uint8_t* at = start_of(data)
        cdef uint64_t count = len(data)
        cdef cbool sound
        self.bucket_span(partition, begin, end)
        with nogil:
            sound = self.native.buckets_close(partition, begin, end, at, count)
        return sound


cdef class SegmentMerger:
    """Segments that are written as one, front to back: partition by partition, and those slice by slice.

    Parameters
    ----------
    inputs : sequence of SegmentIndex
        No fingerprint is in two of them.
    secret : bytes
        16, theirs.
    floor_day : int, optional
        Dated partitions before it are left out.
    """

    def __cinit__(self, inputs, bytes secret, floor_day=None):
        cdef vector[const NativeIndex*] native
        cdef SipState state = secret_of(secret)
        cdef SegmentIndex index
        cdef uint64_t entries = 0
        self.inputs = tuple(inputs)
        for index in self.inputs:
            native.push_back(&index.native)
            entries += index.native.header.entries
        if entries > kMostEntries:
            raise OverflowError("a segment holds less than 2**32 records: merge fewer")
        self.merged.reset(new MergedSegment(native, -1 if floor_day is None else floor_day, state))

    @property
    def nbytes(self):
        """Memory, in bytes."""
        return self.merged.get().nbytes()

    @property
    def buckets(self):
        """The number of buckets of every partition."""
        return buckets_of(self.merged.get().frame)

    cdef int check(self, uint64_t partition) except -1:
        if partition >= self.merged.get().frame.places().size():
            raise IndexError(partition)
        return 0

    def header(self):
        """The first part of the file."""
        return header_of(self.merged.get().frame)

    def begin(self, uint64_t partition):
        """Turn to a partition; what goes into it: (number of the input, number of its partition), whose begins the
        inputs must have read."""
        cdef size_t i
        self.check(partition)
        self.sources = self.merged.get().begin(partition)
        self.partition, self.slice_end = partition, 0
        return [(self.sources[i].input, self.sources[i].partition) for i in range(self.sources.size())]

    def want(self, uint64_t end):
        """Turn to the partition's next buckets, up to `end`; what they want: (number of the input, offset, length)."""
        cdef size_t i
        cdef SegmentIndex index
        if not self.slice_end < end <= self.merged.get().frame.places()[self.partition].buckets:
            raise IndexError(end)
        for i in range(self.sources.size()):
            index = self.inputs[self.sources[i].input]
            if index.native.partitions[self.sources[i].partition].begins.empty():
                raise ValueError(f"the begins of partition {self.sources[i].partition} are not read")
        self.wanted = self.merged.get().want(end)
        self.slice_end, self.taken = end, 0
        return [(self.sources[self.wanted[i].source].input, self.wanted[i].offset, self.wanted[i].bytes)
                for i in range(self.wanted.size())]

    def take(self, bytes data):
        """Take what is wanted next; whether it is sound."""
        cdef const uint8_t* at = start_of(data)
        cdef uint64_t count = len(data)
        cdef cbool sound
        if self.taken == self.wanted.size():
            raise IndexError(self.taken)
        with nogil:
            sound = self.merged.get().take(self.wanted[self.taken], at, count)
        self.taken += 1
        return sound

    def bucket_range(self):
        """The buckets that were turned to, one after the other."""
        cdef bytes part
        cdef uint8_t* out
        cdef uint64_t count
        if self.taken != self.wanted.size():
            raise ValueError(f"{self.taken} of {self.wanted.size()} were taken")
        with nogil:
            count = self.merged.get().sort_slice()
        part = room_for(count)
        out = <uint8_t*> start_of(part)
        with nogil:
            self.merged.get().write_slice(out)
        return part

    def filter(self, uint64_t partition, uint64_t begin, uint64_t end):
        """The bytes [begin, end) of a partition's filter."""
        self.check(partition)
        if not begin <= end <= filter_bytes(self.merged.get().frame.places()[partition]):
            raise IndexError(end)
        return (<const char*> self.merged.get().filter_of(partition))[begin:end]

    @property
    def filters(self):
        """The length of every partition's filter."""
        cdef size_t i
        return [filter_bytes(self.merged.get().frame.places()[i])
                for i in range(self.merged.get().frame.places().size())]

    def begins(self, uint64_t partition):
        """Where a partition's buckets begin."""
        self.check(partition)
        return begins_part(self.merged.get().frame, partition, self.merged.get().begins_of(partition))

    def directory(self):
        """The last part of the file."""
        return directory_of(self.merged.get().frame)


cdef class SegmentProbe:
    """A batch that is looked up in one segment after the other; its memory serves the next batch."""

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

    def turn_to(self, SegmentIndex index):
        """Turn to a segment; its partitions that the batch asks, and of which filter and begins were not read yet."""
        self.index = index
        self.unread = self.native.turn_to(index.native)
        return self.unread

    def ask(self):
        """The spans (offset, length) of this segment that may hold fingerprints of the batch."""
        cdef size_t i
        for i in range(self.unread.size()):
            if not self.index.native.partitions[self.unread[i]].is_read():
                raise ValueError(f"partition {self.unread[i]} is not read")
        with nogil:
            self.spans = self.native.ask(self.index.native)
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
