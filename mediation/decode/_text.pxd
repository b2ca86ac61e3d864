from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, ColumnOut, Dictionary, Kind
from mediation.native._status cimport Simd


cdef extern from "decode/rejects.hpp" namespace "mediation" nogil:
    cdef enum class Framing(uint8_t):
        delimited
        quoted
        fixed
        json

    cdef enum class Terminator(uint8_t):
        lf
        crlf
        any
        none

    cdef enum class Encoding(uint8_t):
        ascii
        utf8
        gb18030

    cdef enum class FieldType(uint8_t):
        integer
        msisdn
        decimal
        timestamp
        unix_time
        enumeration
        text
        ignored

    cdef enum class Part(uint8_t):
        literal
        year
        month
        day
        hour
        minute
        second
        millisecond
        microsecond
        fraction
        offset

    cdef cppclass Gb18030:
        const uint16_t* two
        const uint16_t* four

    cdef cppclass Frame:
        Framing framing
        Terminator terminator
        Encoding encoding
        uint8_t delimiter
        uint8_t quote
        uint32_t fields
        uint32_t least_fields
        uint32_t record_length
        uint32_t max_record_bytes
        vector[uint32_t] starts
        vector[uint32_t] widths
        Gb18030 gb18030
        vector[uint16_t] gb18030_two
        vector[uint16_t] gb18030_four

    cdef enum class JsonShape(uint8_t):
        value
        object "mediation::JsonShape::object"
        list "mediation::JsonShape::list"

    cdef cppclass JsonNode:
        string name
        JsonShape shape
        cbool element
        uint32_t level
        uint32_t first_child
        uint32_t children
        uint32_t field
        uint32_t number

    cdef cppclass JsonTree:
        vector[JsonNode] nodes
        vector[vector[uint32_t]] levels
        uint32_t needed

    cdef cppclass PatternPart:
        Part part
        uint8_t width
        uint8_t literal

    cdef cppclass ZoneTable:
        vector[int64_t] starts_us
        vector[int64_t] offsets_us

    cdef cppclass TimestampPlan:
        vector[PatternPart] parts
        uint32_t width
        cbool compact
        cbool has_offset
        cbool has_fraction
        ZoneTable zone
        void find_shape()

    cdef cppclass Enumeration:
        void build(const vector[string]& values, const vector[int16_t]& codes)

    cdef cppclass Condition:
        int32_t column
        vector[uint8_t] values

    cdef cppclass DialRule:
        cbool carrier
        string prefix
        int32_t strip
        string prepend
        int32_t min_digits
        int32_t max_digits

    cdef cppclass FieldPlan:
        FieldType type
        uint32_t number
        int32_t column
        cbool optional
        cbool is_signed
        cbool leading_zero
        cbool trim_left
        cbool trim_right
        cbool trim_cr
        uint8_t pad
        string prefix
        uint8_t characters
        uint32_t min_length
        uint32_t max_length
        int64_t min
        int64_t max
        int64_t multiplier
        uint32_t decimals
        vector[string] null_if
        vector[Condition] required_if
        vector[Condition] empty_if
        Enumeration enumeration
        TimestampPlan timestamp
        vector[DialRule] numbers

    cdef cppclass Derivation:
        vector[uint8_t] from_ "from"
        int32_t text_column
        vector[string] starts_with
        int16_t becomes

    cdef cppclass ColumnPlan:
        Kind kind
        int32_t field
        int16_t constant
        cbool filled
        cbool nullable

    cdef cppclass TextPlan:
        Frame frame
        JsonTree json
        vector[FieldPlan] fields
        vector[ColumnPlan] columns
        vector[Derivation] derivations
        vector[int32_t] control_columns
        vector[uint8_t] ucs2
        int32_t record_type
        int32_t start_time
        int32_t end_time
        int32_t duration
        int32_t flags
        int32_t message_length
        int32_t message_coding
        int32_t message_segments
        cbool duration_from_times
        int64_t duration_tolerance_s

    cdef cppclass Records:
        uint32_t records
        uint32_t rows
        uint32_t rowless
        int64_t filler_bytes

    cdef cppclass Work:
        Records records
        vector[uint8_t*] data
        vector[uint8_t*] nulls
        vector[int64_t] unreadable
        uint32_t kept
        int64_t usage_bytes
        int64_t undecodable_bytes
        int64_t record_bytes

    cdef cppclass RejectSizes:
        int64_t rows
        int64_t raw_bytes
        int64_t field_bytes
        int64_t reject_bytes

    cdef cppclass RejectNames:
        vector[string] fields
        vector[int16_t] codes
        int16_t feed
        int16_t stage

    cdef cppclass RejectColumns:
        ColumnOut* source_id
        ColumnOut* record_no
        ColumnOut* item_no
        ColumnOut* byte_offset
        ColumnOut* byte_length
        ColumnOut* feed
        ColumnOut* stage
        ColumnOut* code
        ColumnOut* field
        ColumnOut* raw

    cdef cppclass Int128 "__int128":
        pass

    cbool structure(const TextPlan& plan, Simd simd, const uint8_t* text, uint32_t length, Work& work)
    const uint8_t* values_of(const uint8_t* text, const Work& w)
    void convert(const TextPlan& plan, const uint8_t* text, Work& work)
    cbool compact(const TextPlan& plan, Work& work)
    int64_t text_bytes(const TextPlan& plan, const Work& work, int32_t field)
    void copy_text(const TextPlan& plan, const uint8_t* text, const Work& work, int32_t field, ColumnOut& out)
    void finish_nulls(const ColumnPlan& plan, const uint8_t* nulls, uint32_t rows, ColumnOut& out)
    void derive(const TextPlan& plan, const Work& work, const vector[ColumnOut*]& columns)
    void provenance(const Work& work, int32_t source_id, int64_t byte_offset, int32_t* source, int64_t* record_no,
                    int16_t* item_no, int64_t* offset, int64_t* length)
    RejectSizes measure_rejects(const TextPlan& plan, const RejectNames& names, const Records& records)
    void fill_rejects(const TextPlan& plan, const RejectNames& names, const uint8_t* text, const Records& records,
                      int32_t source_id, int64_t byte_offset, const RejectColumns& out)
    uint32_t native_first_record "mediation::first_record"(const Frame& frame, const uint8_t* text, uint32_t length)
    uint32_t native_complete_records "mediation::complete_records"(const Frame& frame, const uint8_t* text,
                                                                  uint32_t length, uint32_t& last_begin)


cdef class Text:
    """A padded buffer for a piece of a file."""
    cdef shared_ptr[uint8_t] block
    cdef readonly int64_t capacity


cdef class Plan:
    """A layout made ready to run."""
    cdef TextPlan native
    cdef RejectNames names
    cdef Simd simd
    cdef list columns, order
    cdef Dictionary feeds, stages, codes
    cdef int32_t index(self, str name) except -2
    cdef int add_conditions(self, vector[Condition]& conditions, declared) except -1
    cdef int set_timestamp(self, TimestampPlan& plan, declared) except -1
    cdef int add_numbers(self, vector[DialRule]& rules, declared) except -1


cdef class Decoded:
    """What a piece of a file held."""
    cdef readonly Batch usage, rejects
    cdef readonly int64_t records, record_bytes, undecodable_bytes, filler_bytes, usage_bytes, reject_bytes
    cdef readonly list control_sums, unreadable
    cdef public int64_t unknown_elements
    cdef int shift(self, Batch batch, int64_t base) except -1


cdef class TextCopier:
    """How kept values of a text column are copied: as they stand in a text of this layout."""
    cdef Plan plan
    cdef const uint8_t* bytes_  # of the records
    cdef const uint8_t* values  # what begins and ends of values count in
    cdef int64_t size(self, const Work& work, int32_t field) noexcept nogil
    cdef void copy(self, const Work& work, int32_t field, ColumnOut& out) noexcept nogil


cdef const uint8_t* checked(Text text, int64_t begin, int64_t length) except NULL
cdef list add_fixed(Plan plan, Builder builder, Work& work)
cdef Decoded finish_decoded(Plan plan, Builder builder, list places, Work& work, TextCopier copier, int32_t source_id,
                            int64_t byte_offset)
