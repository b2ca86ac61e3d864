"""What `_segment.pyx` is made of."""

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

    cdef cppclass SegmentFrame:
        const vector[PartitionPlace]& places() const
        uint64_t bytes() const
        void write_header(uint8_t* out) const
        void write_begins(uint64_t partition, const uint32_t* begins, uint8_t* out) const
        void write_directory(uint8_t* out) const

    cdef cppclass SortedSegment:
        SortedSegment(const EntryColumns& entries, const SipState& secret) except +
        const SegmentFrame frame
        const uint32_t* begins_of(uint64_t partition) const
        uint64_t bytes_of_buckets(uint64_t partition, uint64_t begin, uint64_t end) const
        void write_buckets(uint64_t partition, uint64_t begin, uint64_t end, uint8_t* out) const
        void write_filter(uint64_t partition, uint8_t* out) const

cdef extern from "dedup/segment_probe.hpp" namespace "mediation" nogil:
    cdef cppclass Partition:
        PartitionPlace place
        vector[uint32_t] begins
        cbool is_read() const
        uint64_t offset_of(uint64_t bucket) const

    cdef cppclass NativeIndex "mediation::SegmentIndex":
        SegmentHeader header
        vector[Partition] partitions
        cbool read_header(const uint8_t* bytes, uint64_t count, uint64_t file_bytes, const SipState& secret)
        cbool read_directory(const uint8_t* bytes, uint64_t count) except +
        cbool filter_closes(uint64_t number, const uint8_t* bytes, uint64_t count) const
        cbool keep_filter(uint64_t number, const uint8_t* bytes) except +
        cbool read_begins(uint64_t number, const uint8_t* bytes, uint64_t count) except +
        cbool buckets_close(uint64_t number, uint64_t begin, uint64_t end, const uint8_t* bytes, uint64_t count) const
        int64_t nbytes() const

    cdef cppclass BucketSpan:
        uint64_t offset
        uint64_t bytes

    cdef cppclass NativeProbe "mediation::Probe":
        void begin(const ColumnView& fingerprints, const ColumnView& days, ColumnOut* checks) except +
        const vector[uint32_t]& turn_to(const NativeIndex& index) except +
        const vector[BucketSpan]& ask(const NativeIndex& index) except +
        cbool search(const NativeIndex& index, const BucketSpan& span, const uint8_t* bytes, uint64_t count)
        int64_t nbytes() const

cdef extern from "dedup/segment_merge.hpp" namespace "mediation" nogil:
    cdef cppclass MergeSource:
        uint32_t input
        uint32_t partition

    cdef cppclass WantedBuckets:
        uint32_t source
        uint64_t offset
        uint64_t bytes

    cdef cppclass MergedSegment:
        MergedSegment(const vector[const NativeIndex*]& inputs, int32_t floor_day, const SipState& secret) except +
        const SegmentFrame frame
        const vector[MergeSource]& begin(uint64_t partition) except +
        const vector[WantedBuckets]& want(uint64_t end) except +
        cbool take(const WantedBuckets& wanted, const uint8_t* bytes, uint64_t count) except +
        uint64_t sort_slice() except +
        void write_slice(uint8_t* out)
        const uint32_t* begins_of(uint64_t partition) const
        const void* filter_of(uint64_t partition) const
        int64_t nbytes() const


cdef class SegmentWriter:
    cdef unique_ptr[SortedSegment] sorted
    cdef Batch entries  # its columns are read until the end

    cdef int check(self, uint64_t partition) except -1


cdef class SegmentIndex:
    cdef NativeIndex native
    cdef SipState secret

    cdef int check(self, uint64_t partition) except -1
    cdef const PartitionPlace* place_of(self, uint64_t partition) except NULL


cdef class SegmentMerger:
    cdef unique_ptr[MergedSegment] merged
    cdef tuple inputs  # they are asked until the end
    cdef vector[MergeSource] sources
    cdef vector[WantedBuckets] wanted
    cdef size_t taken
    cdef uint64_t partition, slice_end

    cdef int check(self, uint64_t partition) except -1


cdef class SegmentProbe:
    cdef NativeProbe native
    cdef Builder builder
    cdef Batch asked
    cdef SegmentIndex index
    cdef vector[uint32_t] unread
    cdef vector[BucketSpan] spans
