from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from mediation.decode._text cimport Plan, Work
from mediation.native._column cimport ColumnOut


cdef extern from "decode/ber/walk.hpp" namespace "mediation" nogil:
    cdef enum class Coding(uint8_t):
        octets
        integer
        bcd
        tbcd
        address
        hex
        ip
        tag
        tap_time
        tap_offset
        nrtrde_time
        nrtrde_offset
        time9
        entity
        rate
        header
        negated
        plmn
        uri

    cdef enum FramingKind "mediation::BerFraming::Kind":
        elements "mediation::BerFraming::elements"
        cdrs "mediation::BerFraming::cdrs"

    cdef cppclass BerFraming:
        FramingKind kind
        uint32_t head

    cdef enum class Wants "mediation::Predicate::Wants"(uint8_t):
        anything
        integer
        octets

    cdef cppclass Predicate:
        uint32_t tag
        Wants wants
        int64_t integer
        string octets

    cdef cppclass BerAction:
        Coding coding
        cbool sum
        int16_t constant
        uint64_t types
        uint32_t field

    cdef cppclass BerNode:
        int32_t predicate
        int32_t variant
        uint32_t first_action
        uint32_t actions
        uint32_t first_column
        uint32_t columns
        uint32_t name
        cbool item
        cbool waits
        cbool no_value
        uint64_t to_items

    cdef cppclass BerSlot:
        uint32_t tag
        uint32_t node

    cdef cppclass BerProgram:
        vector[BerNode] nodes
        vector[Predicate] predicates
        vector[BerAction] actions
        vector[int32_t] record_columns
        vector[int32_t] item_columns
        vector[uint32_t] header_fields
        vector[uint32_t] required
        int32_t type_field
        void set_children(uint32_t parent, const vector[BerSlot]& children)

    cdef cppclass Named "mediation::BerContext::Named":
        int64_t code
        int64_t value

    cdef cppclass Entity "mediation::BerContext::Entity":
        int64_t code
        int64_t type
        string id

    cdef cppclass BerContext:
        BerFraming framing
        int64_t multiplier
        int64_t divisor
        vector[Named] offsets_us
        vector[Named] rates
        vector[Entity] entities
        vector[string] texts
        vector[int16_t] codes

    int64_t coded_bytes(const Work& work, int32_t field)
    void copy_coded(const BerContext& context, const uint8_t* text, const Work& work, int32_t field, ColumnOut& out)


cdef class BerPlan(Plan):
    """A tag table made ready to run."""
    cdef BerProgram program


cdef class Context:
    """What a file's header says to its records."""
    cdef BerContext native
    cdef readonly bint cdrs
