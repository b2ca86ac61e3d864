"""Columns to text records, each column a word and then a number or a local time.

Conventions
-----------
- All numbers must be of one length; the conventions of `render.hpp` hold.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_Resize
from libc.stdint cimport int16_t, int32_t, int64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

cdef extern from "sample/render.hpp" namespace "mediation" nogil:
    cdef cppclass Text:
        Text()
        Text(const string& text) except +
        int64_t length

    cdef cppclass TextColumn:
        TextColumn() except +
        Text before
        vector[Text] words
        const int16_t* index
        const int64_t* values
        string pattern
        int32_t decimals
        int64_t width
        char pad
        cbool right

    cdef cppclass TextRecord:
        TextRecord() except +
        vector[TextColumn] columns
        Text end
        int64_t room(int64_t rows) const
        int64_t write(char* out, int64_t* offsets, int64_t rows) const


class TooNarrow(ValueError):
    """A value is longer than its column; the argument is the column's place."""


def write_records(list columns, bytes end, int64_t[::1] offsets not None):
    """The records' bytes, as many as `offsets` has entries but one; it gets where each begins, and their end.

    Parameters
    ----------
    columns : list of tuple
        (before, words, index, values, pattern, decimals, width, pad, right) as `TextColumn` has them; index is int16,
        values int64, None where there are none.
    end : bytes
        What ends a record.
    offsets : int64 array, changed in place

    Raises
    ------
    TooNarrow
    """
    cdef TextRecord record
    cdef TextColumn column
    cdef const int16_t[::1] index
    cdef const int64_t[::1] values
    cdef int64_t rows = offsets.shape[0] - 1, narrow
    cdef bytearray out
    cdef char* at
    if rows < 0:
        raise ValueError("offsets: no room for the end")
    for before, words, places, numbers, pattern, decimals, width, pad, right in columns:
        column = TextColumn()
        column.before = Text(before)
        for word in words:
            column.words.push_back(Text(<string>word))
        if places is not None:
            index = places
            if index.shape[0] != rows or (rows > 0 and places.max() >= len(words)):
                raise ValueError("an index for each row, of a word that there is")
            column.index = &index[0] if rows > 0 else NULL
        if numbers is not None:
            values = numbers
            if values.shape[0] != rows:
                raise ValueError("a value for each row")
            column.values = &values[0] if rows > 0 else NULL
        column.pattern, column.decimals, column.width = pattern, decimals, width
        if not 0 <= column.decimals <= 8:
            raise ValueError("at most 8 decimals")
        column.pad, column.right = pad, right
        record.columns.push_back(move(column))
    record.end = Text(end)
    out = PyByteArray_FromStringAndSize(NULL, record.room(rows))
    at = PyByteArray_AS_STRING(out)
    with nogil:
        narrow = record.write(at, &offsets[0], rows)
    if narrow >= 0:
        raise TooNarrow(narrow)
    PyByteArray_Resize(out, offsets[rows])
    return out
