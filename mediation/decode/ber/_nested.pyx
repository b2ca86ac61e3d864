"""Records that were taken to rows as they are nested: a table for the records and one for what each list holds.

Conventions
-----------
- A `NestedPlan` is a tag table too; beside each of its nodes stands what an element there is to the tables.
- What the tables hold is put together by `decode/ber/nested.py`, which knows Arrow's nested types.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from libcpp.vector cimport vector

from mediation.decode._text cimport ColumnPlan, Plan, Text, TextPlan, Work, checked, finish_nulls
from mediation.decode.ber._ber cimport BerContextRef, BerProgramRef, context_of, program_of
from mediation.native._column cimport Batch, Builder, ColumnOut, ColumnView, Dictionary, Kind


cdef extern from "decode/ber/nested.hpp" namespace "mediation" nogil:
    cdef cppclass NestedNode:
        uint32_t first_open
        uint32_t opens
        int32_t mark
        int32_t list "list"
        int16_t record

    cdef cppclass NestedList:
        uint32_t above
        uint32_t mark

    cdef cppclass NestedProgram:
        vector[NestedNode] nodes
        vector[uint32_t] opens
        vector[NestedList] lists
        vector[uint32_t] column_table

    cdef cppclass NestedRecord:
        uint32_t begin
        uint32_t end

    cdef cppclass LeftOut:
        int64_t* unknown
        int64_t* repeated
        int64_t* unreadable
        int16_t* record

    vector[uint32_t] count_nested(const TextPlan& plan, const BerProgramRef& program, const NestedProgram& nested,
                                const BerContextRef& context, const uint8_t* text, const vector[NestedRecord]& records)
    bint take_tables(const TextPlan& plan, const NestedProgram& nested, const vector[uint32_t]& rows, Work& work)
    void clear_tables(const TextPlan& plan, const NestedProgram& nested, const vector[uint32_t]& rows,
                      const LeftOut& out, const Work& work)
    void walk_nested(const TextPlan& plan, const BerProgramRef& program, const NestedProgram& nested,
                     const BerContextRef& context, const uint8_t* text, const vector[NestedRecord]& records,
                     const vector[uint32_t*]& offsets, const LeftOut& out, vector[uint32_t]& rows, Work& work)
    int64_t coded_bytes(const Work& work, int32_t field)
    void copy_coded(const BerContextRef& context, const uint8_t* text, const Work& work, int32_t field, ColumnOut& out)
    void finish_offsets(const NestedProgram& nested, uint32_t list, const vector[uint32_t]& rows, const Work& work,
                        uint32_t* offsets)


OWN = ("record", "unknown", "repeated", "unreadable")  # columns of table 0 that no element fills


cdef class NestedPlan:
    """The nested table's tag table, made ready to run and never changed afterwards.

    Parameters
    ----------
    tree : BerPlan
        Its nodes, and a column for every value and every mark.
    nodes : list of tuple
        For each node: the lists that are there with it, the column that marks it or None, the list that it is an
        element of or None, and the record that it is or None.
    lists : list of tuple
        (table that the list stands in, column there that marks it).
    column_tables : list of int
        For each column of the tree.
    records : list of str
        The values of the column `record`.
    """

    cdef Plan tree
    cdef const BerProgramRef* program
    cdef NestedProgram nested
    cdef Dictionary records

    def __cinit__(self, Plan tree, *, nodes, lists, column_tables, records):
        cdef NestedNode node
        cdef NestedList each
        self.tree, self.program, self.records = tree, program_of(tree), Dictionary(records)
        for opens, mark, list_, record in nodes:
            node.first_open, node.opens = <uint32_t> self.nested.opens.size(), <uint32_t> len(opens)
            for number in opens:
                self.nested.opens.push_back(number)
            node.mark = -1 if mark is None else self.mark(mark)
            node.list = -1 if list_ is None else list_
            node.record = -1 if record is None else records.index(record)
            self.nested.nodes.push_back(node)
        for above, mark in lists:
            each.above, each.mark = above, self.mark(mark)
            self.nested.lists.push_back(each)
        self.nested.column_table = column_tables

    cdef int32_t mark(self, str name) except -1:
        """The place of a column that marks a struct or list: its nulls are those that it is given."""
        cdef int32_t column = self.tree.index(name)
        self.tree.native.columns[column].field = 0
        return column

    cdef list add_fixed(self, list builders, Work& work):
        """Adds a table's columns of fixed width; returns the places of all columns, None for text."""
        cdef size_t c
        cdef Builder builder
        places = []
        for c in range(self.tree.native.columns.size()):
            places.append(None)
            if self.tree.native.columns[c].kind != Kind.utf8:
                builder = builders[self.nested.column_table[c]]
                name, kind, dictionary, *_ = self.tree.columns[c]
                places[c] = builder.add(name, kind, True, dictionary)
                work.data[c] = builder.out(places[c]).data
        return places

    cdef int finish_columns(self, const BerContextRef& context, const uint8_t* bytes_, list builders, list places,
                            const vector[uint32_t]& rows, Work& work) except -1:
        """Adds the columns of text; then every column's nulls."""
        cdef size_t c
        cdef Builder builder
        cdef ColumnOut* out
        cdef ColumnPlan* column
        for c in range(self.tree.native.columns.size()):
            column, builder = &self.tree.native.columns[c], builders[self.nested.column_table[c]]
            if places[c] is None:
                size = coded_bytes(work, column.field)
                places[c] = builder.add(self.tree.columns[c][0], Kind.utf8, True, None, size)
            out, work.kept = builder.out(places[c]), rows[self.nested.column_table[c]]
            with nogil:
                if column.kind == Kind.utf8:
                    copy_coded(context, bytes_, work, column.field, out[0])
                finish_nulls(column[0], work.nulls[c], work.kept, out[0])
        return 0


cdef LeftOut own_columns(NestedPlan plan, Builder builder) except *:
    """Adds the columns of `OWN`."""
    cdef LeftOut out
    builder.add(OWN[0], Kind.code, True, plan.records)
    for name in OWN[1:]:
        builder.add(name, Kind.i64)
    out.record = builder.out(0).i16()
    out.unknown, out.repeated, out.unreadable = builder.out(1).i64(), builder.out(2).i64(), builder.out(3).i64()
    return out


cdef vector[NestedRecord] records_of(Batch records, int64_t byte_offset, int64_t length) except *:
    """Where the records stand in a text that is at `byte_offset` of the stream."""
    cdef ColumnView begins = records.view("byte_offset"), lengths = records.view("byte_length")
    cdef vector[NestedRecord] found
    cdef NestedRecord record
    cdef int64_t i, begin
    found.reserve(records.num_rows)
    for i in range(begins.length):
        begin = begins.i64()[i] - byte_offset
        if begin < 0 or lengths.i64()[i] < 0 or begin + lengths.i64()[i] > length:
            raise ValueError("a record stands outside the text")
        record.begin, record.end = <uint32_t> begin, <uint32_t> (begin + lengths.i64()[i])
        found.push_back(record)
    return found


def decode_nested(NestedPlan plan, context, Text text, int64_t begin, int64_t length, int64_t byte_offset,
                  Batch taken):
    """Records as they are nested.

    Parameters
    ----------
    context : Context
        What the file's header says to them.
    begin, length : int
        The bytes of `text` that hold them.
    byte_offset : int
        Of the first of these in the file's decompressed stream.
    taken : Batch
        `byte_offset` and `byte_length` of every record that was decoded to usage.

    Returns
    -------
    tables : list of Batch
        That of the records, whose first columns are those of `OWN`, then that of each list's elements.
    offsets : list of Batch
        For each list, in one column, where every row of the table that it stands in begins in that of its elements.
    """
    cdef const uint8_t* bytes_ = checked(text, begin, length)
    cdef const BerContextRef* said = context_of(context)
    cdef vector[NestedRecord] records = records_of(taken, byte_offset, length)
    cdef vector[uint32_t] rows
    cdef vector[uint32_t*] begins
    cdef Work work
    cdef bint enough
    cdef uint32_t i, list_
    cdef Builder builder
    with nogil:
        rows = count_nested(plan.tree.native, plan.program[0], plan.nested, said[0], bytes_, records)
        enough = take_tables(plan.tree.native, plan.nested, rows, work)
    if not enough:
        raise MemoryError
    builders = [Builder(rows[i]) for i in range(rows.size())]
    cdef LeftOut out = own_columns(plan, builders[0])
    places, offsets = plan.add_fixed(builders, work), []
    for list_ in range(plan.nested.lists.size()):
        builder = Builder(rows[plan.nested.lists[list_].above] + 1)
        builder.add("begin", Kind.i32)
        begins.push_back(<uint32_t*> builder.out(0).data)
        offsets.append(builder)
    with nogil:
        clear_tables(plan.tree.native, plan.nested, rows, out, work)
        walk_nested(plan.tree.native, plan.program[0], plan.nested, said[0], bytes_, records, begins, out, rows, work)
        for list_ in range(plan.nested.lists.size()):
            finish_offsets(plan.nested, list_, rows, work, begins[list_])
    plan.finish_columns(said[0], bytes_, builders, places, rows, work)
    builder = builders[0]
    for i in range(rows[0]):
        if out.record[i] < 0:
            out.record[i] = 0
            builder.out(0).set_null(i)
    return (
        [each.finish(rows[i]) for i, each in enumerate(builders)],
        [each.finish(rows[plan.nested.lists[i].above] + 1) for i, each in enumerate(offsets)],
    )
