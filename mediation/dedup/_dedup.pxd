from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from mediation.native._column cimport ColumnOut, ColumnView, NativeDictionary


cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view(const char*, size_t)


cdef extern from "dedup/siphash.hpp" namespace "mediation" nogil:
    cdef cppclass Fingerprint:
        uint64_t low
        uint64_t high

    cdef cppclass SipState:
        @staticmethod
        SipState keyed(uint64_t k0, uint64_t k1)

    cdef cppclass SipStream:
        SipState state
        uint64_t words
        void add(uint64_t word)
        void add_text(string_view text)
        Fingerprint finish() const

    cdef cppclass HashTile:
        pass

    HashTile hash_tile_of(int level)


cdef extern from "dedup/fingerprint.hpp" namespace "mediation" nogil:
    const int kMostKeyColumns

    cdef cppclass HashedColumn:
        ColumnView view
        const NativeDictionary* values
        uint64_t tag
        uint64_t mixer

    cdef cppclass KeyRule:
        SipState start
        uint64_t prefix_words
        cbool whole_record
        vector[int32_t] key
        vector[int32_t] payload
        int32_t day

    cdef cppclass FingerprintTask:
        const HashedColumn* columns
        const int32_t* first
        Fingerprint* fingerprints
        int32_t* checks
        ColumnOut* days
        HashTile hash_tile

    int64_t find_records(const ColumnView& item_no, int64_t rows, int32_t* first)
    cdef cppclass RuleLookup:
        ColumnView feed
        ColumnView record_type
        const int32_t* feed_places
        const int32_t* type_places
        const int32_t* rule_of
        int64_t types

    void mix_codes(HashedColumn& column, uint64_t* mixed)
    int64_t fingerprint_records(const KeyRule* rules, int64_t rule_count, const RuleLookup& lookup,
                                const FingerprintTask& task, int64_t records, int32_t* starts)


cdef extern from "dedup/set.hpp" namespace "mediation" nogil:
    cdef cppclass SeenSet:
        SeenSet(cbool all_collide) except +
        void expect(uint64_t records)
        void probe(const ColumnView& fingerprints, ColumnOut* checks) const
        void list(Fingerprint* fingerprints, int32_t* checks, int64_t* ordinals) const
        int64_t size() const
        int64_t nbytes() const

    cdef cppclass Repeats:
        uint8_t* repeated


cdef extern from "dedup/admit.hpp" namespace "mediation" nogil:
    cdef enum class AdmitStatus(int32_t):
        ok
        memory
        ordinals

    cdef cppclass AdmitTask:
        const Fingerprint* fingerprints
        const int32_t* checks
        const int64_t* record_nos
        const int32_t* first
        int64_t records
        int64_t ordinal_base
        const uint8_t* in_history
        const int32_t* history_checks

    cdef cppclass AdmitBuffers:
        vector[int32_t] first
        vector[uint8_t] in_history
        void hold(int64_t rows) except +
        Repeats repeats()

    cdef cppclass RepeatRows:
        int32_t* rows
        int16_t* verdicts
        ColumnOut* first_ordinals

    AdmitStatus admit_records(SeenSet& seen, const AdmitTask& task, const Repeats& repeats)
    uint64_t ordinals_end(const AdmitTask& task)
    void note_days(const AdmitTask& task, const ColumnView& days, uint16_t* codes)
    void list_days(const int64_t* ordinals, int64_t count, const uint16_t* codes, ColumnOut* days)
    int64_t count_repeats(const AdmitTask& task, const uint8_t* repeated)
    void write_rows(const AdmitTask& task, const Repeats& repeats, int32_t* fresh, const RepeatRows& out)
    int64_t place_of_ordinal(const vector[int64_t]& bases, int64_t ordinal)
    void mark_known(const ColumnView& history_checks, uint8_t* in_history)


cdef class KeyPlan:
    """How every feed and record type is fingerprinted."""
    cdef vector[KeyRule] rules
    cdef vector[int32_t] rule_of
    cdef vector[uint64_t] tags
    cdef vector[uint64_t] mixers
    cdef readonly tuple columns
    cdef readonly tuple feeds
    cdef readonly tuple record_types
    cdef readonly bint dated
    cdef int simd
    cdef void add_rule(self, bytes secret, dict columns, str record_type, tuple declared) except *
