"""Columns between kernels and Arrow: batches by the Arrow C data interface, without linking Arrow.

Conventions
-----------
- A `Batch` never changes, but that `keep` takes columns away from it; `select` and `zip` share its buffers.
- Capsules are named and released as the Arrow PyCapsule interface says: a struct that was moved out has a null release.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector


cdef extern from "native/gather.hpp" namespace "mediation" nogil:
    vector[RowRun] runs_of(const int32_t* rows, int64_t count)
    int64_t gathered_bytes(const ColumnView& column, const vector[RowRun]& runs)
    cdef cppclass Amount:
        int64_t records, items, bytes
    Amount amount_of(const ColumnView& item_no, const ColumnView& byte_length, const vector[RowRun]& runs)
    void gather(const ColumnView& column, const vector[RowRun]& runs, ColumnOut& out)
    cbool gather_in_place(Column& column, const vector[RowRun]& runs, int64_t count)
    cbool is_ours_alone(const Column& column)
    cbool has_offsets(Kind kind)

cdef extern from "native/totals.hpp" namespace "mediation" nogil:
    uint64_t column_total(const ColumnView& column)

cdef extern from "native/column.hpp" namespace "mediation" nogil:
    cdef cppclass ArrowSchema "ArrowSchema":
        void (*release)(ArrowSchema*)
        int64_t n_children
        ArrowSchema** children
        const char* format
        const char* name

    cdef cppclass ArrowArray "ArrowArray":
        void (*release)(ArrowArray*)

    cbool build_column(BuildColumn& built, string name, Kind kind, cbool nullable,
                       shared_ptr[const NativeDictionary] dictionary, int64_t capacity, int64_t bytes_capacity)
    Column finish_column(BuildColumn& built, int64_t length)
    void export_schema(const BatchData& batch, ArrowSchema* out)
    void export_array(BatchData batch, ArrowArray* out)
    cbool kind_of "mediation::detail::kind_of"(const ArrowSchema& schema, Kind& kind)
    int64_t import_batch(const ArrowSchema& schema, ArrowArray* array, BatchData& out)
    int64_t exported_arrays()

    cdef cppclass Pool:
        @staticmethod
        Pool& instance()
        int64_t live_bytes()
        int64_t live_blocks()
        int64_t kept_bytes()


def memory():
    """What the kernels hold: a seam for leak tests.

    Returns
    -------
    dict
        ``live_bytes`` and ``live_blocks`` in use, ``kept_bytes`` waiting to be used again, ``exported_arrays`` that
        their consumers have not released.
    """
    cdef Pool* pool = &Pool.instance()
    return {
        "live_bytes": pool.live_bytes(),
        "live_blocks": pool.live_blocks(),
        "kept_bytes": pool.kept_bytes(),
        "exported_arrays": exported_arrays(),
    }


cdef class Dictionary:
    """Immutable values of code columns.

    Parameters
    ----------
    values : iterable of str
        At most 32,767; a value's place is its code.
    """

    def __cinit__(self, values):
        cdef shared_ptr[NativeDictionary] native = make_shared[NativeDictionary]()
        cdef bytes encoded
        self.values = tuple(values)
        if len(self.values) > 32767:
            raise ValueError(f"a dictionary holds at most 32,767 values, not {len(self.values)}")
        for value in self.values:
            encoded = value.encode()
            native.get().add(<string> encoded)
        self.native = <shared_ptr[const NativeDictionary]> native

    def __len__(self):
        return len(self.values)


cdef void release_schema_capsule(object capsule) noexcept:
    cdef ArrowSchema* schema = <ArrowSchema*> PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


cdef void release_array_capsule(object capsule) noexcept:
    cdef ArrowArray* array = <ArrowArray*> PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef object new_schema_capsule(ArrowSchema** out):
    out[0] = <ArrowSchema*> malloc(sizeof(ArrowSchema))
    if out[0] == NULL:
        raise MemoryError
    out[0].release = NULL
    return PyCapsule_New(out[0], "arrow_schema", release_schema_capsule)


cdef object new_array_capsule(ArrowArray** out):
    out[0] = <ArrowArray*> malloc(sizeof(ArrowArray))
    if out[0] == NULL:
        raise MemoryError
    out[0].release = NULL
    return PyCapsule_New(out[0], "arrow_array", release_array_capsule)


cdef int prepare(BuildColumn& built, const Column& column, const vector[RowRun]& runs, int64_t count) except -1:
    cdef int64_t text_bytes = gathered_bytes(column.view, runs) if has_offsets(column.view.kind) else 0
    if not build_column(built, column.name, column.view.kind, column.view.validity != NULL, column.dictionary, count,
                        text_bytes):
        raise MemoryError
    return 0


cdef class Batch:
    """Immutable columns of equal length, ours or imported; any Arrow library reads them with no copy."""

    def __cinit__(self):
        self.native = make_shared[BatchData]()

    @staticmethod
    def of(source):
        """The batch that `source` is or exports by ``__arrow_c_array__``.

        Raises
        ------
        TypeError
            When a column's type is none of `Kind`.
        """
        cdef Batch batch
        cdef ArrowSchema* schema
        cdef int64_t foreign
        if isinstance(source, Batch):
            return source
        schema_capsule, array_capsule = source.__arrow_c_array__()
        schema = <ArrowSchema*> PyCapsule_GetPointer(schema_capsule, "arrow_schema")
        batch = Batch()
        foreign = import_batch(schema[0], <ArrowArray*> PyCapsule_GetPointer(array_capsule, "arrow_array"),
                               batch.native.get()[0])
        if foreign >= 0:
            raise TypeError(f"column {foreign} has Arrow format {schema.children[foreign].format.decode()!r}, "
                            "which no kernel reads: cast it first")
        return batch

    @property
    def num_rows(self):
        """Number of rows."""
        return self.native.get().length

    @property
    def names(self):
        """Column names, in order."""
        cdef size_t i
        return [self.native.get().columns[i].name.decode() for i in range(self.native.get().columns.size())]

    def __arrow_c_schema__(self):
        cdef ArrowSchema* out
        capsule = new_schema_capsule(&out)
        export_schema(self.native.get()[0], out)
        return capsule

    def __arrow_c_array__(self, requested_schema=None):
        cdef ArrowArray* out
        capsule = new_array_capsule(&out)
        export_array(self.native.get()[0], out)
        return self.__arrow_c_schema__(), capsule

    def select(self, names):
        """The named columns, in that order, without a copy."""
        cdef Batch batch = Batch()
        cdef const Column* column
        batch.native.get().length = self.native.get().length
        for name in names:
            column = self.native.get().find(name.encode())
            if column == NULL:
                raise KeyError(name)
            batch.native.get().columns.push_back(column[0])
        return batch

    def zip(self, Batch other):
        """These columns and then the other batch's, without a copy."""
        cdef Batch batch = Batch()
        cdef size_t i
        if self.native.get().length != other.native.get().length:
            raise ValueError(f"{self.num_rows} rows beside {other.num_rows}")
        batch.native.get().length = self.native.get().length
        batch.native.get().columns = self.native.get().columns
        for i in range(other.native.get().columns.size()):
            batch.native.get().columns.push_back(other.native.get().columns[i])
        return batch

    def take(self, Batch selection, names):
        """Copies of the named columns' selected rows: nothing of this batch stays alive with them.

        Parameters
        ----------
        selection : Batch
            `row` (int32, ascending).
        names : iterable of str
        """
        cdef int64_t count = selection.num_rows
        cdef Batch chosen = self.select(names), batch = Batch()
        cdef vector[RowRun] runs = self.runs(selection)
        cdef size_t columns = chosen.native.get().columns.size(), i
        cdef vector[BuildColumn] built
        built.resize(columns)
        for i in range(columns):
            prepare(built[i], chosen.native.get().columns[i], runs, count)
        with nogil:  # once: every return to Python is a wait for the other threads
            for i in range(columns):
                gather(chosen.native.get().columns[i].view, runs, built[i].out)
        batch.native.get().length = count
        for i in range(columns):
            batch.native.get().columns.push_back(finish_column(built[i], count))
        return batch

    def keep(self, Batch selection, names):
        """What `take` gives, but the columns leave this batch: most rows of what nobody else has are not copied."""
        cdef vector[RowRun] runs = self.runs(selection)
        cdef int64_t count = selection.num_rows
        cdef Batch kept = self.select(names)
        cdef size_t i
        cdef cbool enough = True
        cdef vector[Column]* columns = &kept.native.get().columns
        self.give_up(kept)
        if not self.num_rows // 4 * 3 <= count <= self.num_rows:  # few rows would hold the memory of many
            return kept.take(selection, names)
        for i in range(columns.size()):
            if not is_ours_alone(columns[0][i]):
                return kept.take(selection, names)
        with nogil:  # once: every return to Python is a wait for the other threads
            for i in range(columns.size()):
                enough = enough and gather_in_place(columns[0][i], runs, count)
        if not enough:
            raise MemoryError
        kept.native.get().length = count
        return kept

    cdef int give_up(self, Batch taken) except -1:
        cdef vector[Column] left
        cdef size_t i
        for i in range(self.native.get().columns.size()):
            if taken.native.get().find(self.native.get().columns[i].name) == NULL:
                left.push_back(self.native.get().columns[i])
        self.native.get().columns.swap(left)
        return 0

    def amounts(self, selections):
        """Records, items and bytes of usage: for each selection of the selected rows, for None of all.

        A record's first row has the `item_no` 0, and with it stand the bytes of the whole record (`byte_length`).
        """
        cdef vector[vector[RowRun]] runs
        cdef vector[Amount] amounts
        cdef ColumnView item_no = self.view("item_no"), byte_length = self.view("byte_length")
        cdef size_t i
        if item_no.kind != Kind.i16 or byte_length.kind != Kind.i64 or item_no.validity or byte_length.validity:
            raise TypeError("item_no or byte_length is not of its kind, or has nulls")
        for selection in selections:
            runs.push_back(self.runs(selection))
        amounts.resize(runs.size())
        with nogil:  # once: every return to Python is a wait for the other threads
            for i in range(runs.size()):
                amounts[i] = amount_of(item_no, byte_length, runs[i])
        return [(amount.records, amount.items, amount.bytes) for amount in amounts]

    def amount(self, Batch selection=None):
        """The same of one selection."""
        return self.amounts([selection])[0]

    def counts(self, str name):
        """How often each value of a code column stands in it; nulls do not count."""
        cdef ColumnView column = self.view(name)
        cdef const NativeDictionary* values = self.native.get().find(name.encode()).dictionary.get()
        cdef vector[int64_t] counts
        cdef int64_t i
        if values == NULL:
            raise TypeError(f"column {name} is not of codes")
        counts.resize(values.size())
        for i in range(column.length):  # of exceptions: too few to let another thread in
            if column.valid(i):
                counts[column.i16()[i]] += 1
        return {
            values.bytes[values.offsets[i]:values.offsets[i + 1]].decode(): counts[i]
            for i in range(values.size()) if counts[i]
        }

    def totals(self):
        """Every column's rows added up, by name; `totals.hpp` says what a row of each kind counts."""
        cdef vector[uint64_t] sums
        cdef size_t i
        sums.resize(self.native.get().columns.size())
        with nogil:  # once: every return to Python is a wait for the other threads
            for i in range(sums.size()):
                sums[i] = column_total(self.native.get().columns[i].view)
        return {self.native.get().columns[i].name.decode(): sums[i] for i in range(sums.size())}

    cdef vector[RowRun] runs(self, Batch selection) except *:
        cdef ColumnView rows
        cdef int64_t count
        if selection is None:
            return vector[RowRun](1, RowRun(0, self.num_rows))
        rows, count = selection.view("row"), selection.num_rows
        if count and not 0 <= rows.i32()[0] <= rows.i32()[count - 1] < self.num_rows:
            raise ValueError("the selection points outside the batch")
        return runs_of(rows.i32(), count)

    cdef ColumnView view(self, str name) except *:
        cdef ColumnView found = self.view_or_none(name)
        if self.native.get().find(name.encode()) == NULL:
            raise KeyError(name)
        return found

    cdef ColumnView view_or_none(self, str name) except *:
        cdef const Column* column = self.native.get().find(name.encode())
        cdef ColumnView none
        if column == NULL:
            return none
        return column.view


cdef class Form:
    """What rows look like: batches are handed over as it says, and nothing about it is made anew.

    Parameters
    ----------
    schema : Arrow schema
        Of columns that kernels make.
    """

    def __cinit__(self, schema):
        cdef Kind kind = Kind.i16
        cdef int64_t i
        cdef ArrowSchema* given
        self.schema = schema
        capsule = schema.__arrow_c_schema__()
        given = <ArrowSchema*> PyCapsule_GetPointer(capsule, "arrow_schema")
        for i in range(given.n_children):
            if not kind_of(given.children[i][0], kind):
                raise TypeError(f"column {i} has Arrow format {given.children[i].format.decode()!r}, "
                                "which no kernel makes")
            self.names.push_back(given.children[i].name)
            self.kinds.push_back(kind)

    def hand_over(self, take, *batches):
        """Columns of batches that stand side by side, without a copy. Of two with the same name the first is taken.

        Parameters
        ----------
        take : callable
            Given the address of an ArrowArray, which it takes over, and the schema.

        Returns
        -------
        object
            What `take` made of them.

        Raises
        ------
        KeyError, TypeError
            No batch has a column of the schema, or not of its type.
        """
        cdef BatchData chosen
        cdef const Column* column
        cdef Batch batch
        cdef ArrowArray exported
        cdef size_t i
        chosen.length = (<Batch?> batches[0]).native.get().length
        chosen.columns.reserve(self.names.size())
        for i in range(self.names.size()):
            column = NULL
            for batch in batches:
                column = batch.native.get().find(self.names[i])
                if column != NULL:
                    break
            if column == NULL:
                raise KeyError(self.names[i].decode())
            if column.view.kind != self.kinds[i]:
                raise TypeError(f"column {self.names[i].decode()} is not of the schema's type")
            if column.view.length != chosen.length:
                raise ValueError(f"{chosen.length} rows beside {column.view.length}")
            chosen.columns.push_back(column[0])
        export_array(move(chosen), &exported)
        try:
            return take(<uintptr_t> &exported, self.schema)
        finally:
            if exported.release != NULL:  # not taken over
                exported.release(&exported)


cdef class Builder:
    """Columns while a kernel fills them.

    Parameters
    ----------
    capacity : int
        Most rows that `finish` may be given.
    """

    def __cinit__(self, int64_t capacity):
        self.capacity = capacity
        self.dictionaries = []

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.built.size()):
            del self.built[i]

    cpdef int add(self, str name, Kind kind, bint nullable=False, Dictionary dictionary=None,
                  int64_t bytes_capacity=0) except -1:
        """Adds a column; returns its index. `bytes_capacity` bounds utf8 and binary data."""
        cdef BuildColumn* built = new BuildColumn()
        cdef shared_ptr[const NativeDictionary] values
        if dictionary is not None:
            values = dictionary.native
        self.built.push_back(built)
        if not build_column(built[0], name.encode(), kind, nullable, values, self.capacity, bytes_capacity):
            raise MemoryError
        return <int> self.built.size() - 1

    cdef ColumnOut* out(self, int index) noexcept nogil:
        return &self.built[index].out

    cdef void touch_memory(self) noexcept nogil:
        """Brings in the memory that nobody has had before; to be called where rows are about to be filled."""
        cdef size_t i
        for i in range(self.built.size()):
            touch(self.built[i][0])

    cpdef Batch finish(self, int64_t length):
        """The batch of the first `length` rows; the builder is empty afterwards."""
        cdef Batch batch = Batch()
        cdef size_t i
        if length > self.capacity:
            raise ValueError(f"{length} rows in a builder of {self.capacity}")
        batch.native.get().length = length
        for i in range(self.built.size()):
            batch.native.get().columns.push_back(finish_column(self.built[i][0], length))
            del self.built[i]
        self.built.clear()
        return batch
