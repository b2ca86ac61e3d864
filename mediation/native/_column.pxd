from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef extern from "native/column.hpp" namespace "mediation" nogil:
    cpdef enum class Kind(uint8_t):
        i16
        i32
        i64
        timestamp
        date32
        decimal128
        utf8
        binary
        fixed16
        code

    cdef cppclass NativeDictionary "mediation::Dictionary":
        NativeDictionary()
        int64_t size() const
        void add(string value)
        vector[int32_t] offsets
        string bytes

    cdef cppclass ColumnView:
        Kind kind
        int64_t length
        int64_t offset
        int64_t null_count
        const uint8_t* validity
        const uint8_t* data
        const int32_t* offsets
        const int16_t* i16() const
        const int32_t* i32() const
        const int64_t* i64() const
        cbool present() const
        cbool valid(int64_t i) const

    cdef cppclass ColumnOut:
        Kind kind
        uint8_t* validity
        uint8_t* data
        int32_t* offsets
        int64_t null_count
        int64_t capacity
        int64_t bytes_capacity
        int16_t* i16() const
        int32_t* i32() const
        int64_t* i64() const
        void set_null(int64_t i)

    cdef cppclass Column:
        string name
        ColumnView view
        shared_ptr[const NativeDictionary] dictionary

    cdef cppclass BatchData:
        int64_t length
        vector[Column] columns
        const Column* find(string name) const

    cdef cppclass BuildColumn:
        Column column
        ColumnOut out

    void touch(BuildColumn& built)


cdef extern from "native/gather.hpp" namespace "mediation" nogil:
    cdef cppclass RowRun:
        RowRun(int64_t begin, int64_t length)


cdef class Dictionary:
    """Immutable values of code columns."""
    cdef shared_ptr[const NativeDictionary] native
    cdef readonly tuple values


cdef class Batch:
    """Immutable columns of equal length."""
    cdef shared_ptr[BatchData] native
    cdef int give_up(self, Batch taken) except -1  # its columns leave this batch
    cdef vector[RowRun] runs(self, Batch selection) except *  # None: all; ValueError when it points outside
    cdef ColumnView view(self, str name) except *        # KeyError when there is no such column
    cdef ColumnView view_or_none(self, str name) except *  # .present() is false when there is no such column


cdef class Form:
    """The schema of rows."""
    cdef readonly object schema
    cdef vector[string] names
    cdef vector[Kind] kinds


cdef class Builder:
    """Columns while a kernel fills them."""
    cdef vector[BuildColumn*] built
    cdef list dictionaries
    cdef int64_t capacity
    cpdef int add(self, str name, Kind kind, bint nullable=*, Dictionary dictionary=*,
                  int64_t bytes_capacity=*) except -1
    cdef ColumnOut* out(self, int index) noexcept nogil
    cdef void touch_memory(self) noexcept nogil
    cpdef Batch finish(self, int64_t length)
