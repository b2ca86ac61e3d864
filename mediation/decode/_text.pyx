"""Text records to columns: a plan made once per layout, run on every piece of a file.

Conventions
-----------
- A `Text` is filled through its buffer, then decoded; it ends in readable padding, so that kernels may load whole
  words.
- `decode_text` takes whole records only: cut with `complete_records`, or at the file's end.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport INT64_MAX, INT64_MIN, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr
from libcpp.vector cimport vector

from mediation.native._column cimport Batch, Builder, ColumnOut, Dictionary, Kind
from mediation.native._status cimport Simd, simd_of_machine


cdef extern from *:
    """
    #include "decode/text.hpp"
    #include "native/pool.hpp"
    static std::shared_ptr<uint8_t> take_block(int64_t bytes) { return mediation::Pool::instance().allocate(bytes); }
    static void split_sum(const mediation::TextPlan& plan, const mediation::Work& work, int32_t column, int64_t* high,
                          uint64_t* low) {
        const __int128 sum = mediation::control_sum(plan, work, column);
        *high = static_cast<int64_t>(sum >> 64);
        *low = static_cast<uint64_t>(sum);
    }
    static const uint8_t* nulls_of(const mediation::TextPlan& plan, const mediation::Work& work, size_t column) {
        return plan.columns[column].nullable ? work.nulls[column] : nullptr;
    }
    static void add_base(const mediation::ColumnView& column, int64_t base) {
        int64_t* values = const_cast<int64_t*>(column.i64());
        for (int64_t i = 0; i < column.length; ++i) values[i] += base;
    }
    """
    shared_ptr[uint8_t] take_block(int64_t bytes) nogil
    void split_sum(const TextPlan& plan, const Work& work, int32_t column, int64_t* high, uint64_t* low) nogil
    const uint8_t* nulls_of(const TextPlan& plan, const Work& work, size_t column) nogil
    void add_base(ColumnViewRef column, int64_t base) nogil
    cdef cppclass ColumnViewRef "mediation::ColumnView":
        pass


cdef class Text:
    """A padded buffer for a piece of a file; writable through the buffer protocol.

    Parameters
    ----------
    capacity : int
        Bytes, below 2 GiB.
    """

    def __cinit__(self, int64_t capacity):
        if not 0 < capacity < 1 << 31:
            raise ValueError(f"a text of {capacity} bytes")
        self.block = take_block(capacity)
        if self.block.get() == NULL:
            raise MemoryError
        self.capacity = capacity

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.block.get(), self.capacity, 0, flags)

    def __releasebuffer__(self, Py_buffer* buffer):
        pass


cdef class Plan:
    """A layout made ready to run; built by `decode/layout.py` and never changed afterwards.

    Parameters
    ----------
    columns : list of tuple
        (name, kind, dictionary or None, nullable, filled, constant code) of every usage column after provenance.
    feeds : list of str
        The dictionary of the column `feed`.
    feed_code : int
        The feed's place in it.
    codes : dict of str to int
        Every code's number by name.
    """

    def __cinit__(self, columns, feeds, int16_t feed_code, codes):
        cdef ColumnPlan column
        self.simd = simd_of_machine()
        self.columns = list(columns)
        self.order = [*PROVENANCE, *(column[0] for column in self.columns)]
        self.feeds = Dictionary(feeds)
        self.stages = Dictionary(["decode"])
        self.codes = Dictionary(codes)
        self.names.feed = feed_code
        self.names.stage = 0
        self.names.codes.assign(1024, 0)
        for place, number in enumerate(codes.values()):
            self.names.codes[number] = place
        self.names.fields.push_back(b"")
        for _, kind, _, nullable, filled, constant in self.columns:
            column.kind = kind
            column.field = -1
            column.constant = constant
            column.filled = filled
            column.nullable = nullable
            self.native.columns.push_back(column)
        self.native.record_type = self.index("record_type")
        self.native.start_time = self.index("start_time")
        self.native.end_time = self.index("end_time")
        self.native.duration = self.index("duration_s")
        self.native.flags = self.index("flags")
        self.native.message_length = self.index("message_length")
        self.native.message_coding = self.index("message_coding")
        self.native.message_segments = self.index("message_segments")

    cdef int32_t index(self, str name) except -2:
        for i in range(len(self.columns)):
            if self.columns[i][0] == name:
                return i
        return -1

    def set_simd(self, str level):
        """Forces an instruction set: base, avx2 or avx512 (which this machine must have)."""
        self.simd = {"base": Simd.base, "avx2": Simd.avx2, "avx512": Simd.avx512}[level]

    def set_frame(self, *, framing, terminator, encoding, int delimiter, int quote, uint32_t fields,
                  uint32_t least_fields, uint32_t record_length, uint32_t max_record_bytes, starts, widths, gb18030):
        """How records are cut. `gb18030` is (two-byte table, four-byte table) or None."""
        cdef Frame* frame = &self.native.frame
        frame.framing = {"delimited": Framing.delimited, "quoted": Framing.quoted, "fixed": Framing.fixed,
                         "json": Framing.json}[framing]
        frame.terminator = {"lf": Terminator.lf, "crlf": Terminator.crlf, "any": Terminator.any,
                            "none": Terminator.none}[terminator]
        frame.encoding = {"ascii": Encoding.ascii, "utf-8": Encoding.utf8, "gb18030": Encoding.gb18030}[encoding]
        frame.delimiter = delimiter
        frame.quote = quote
        frame.fields, frame.least_fields = fields, least_fields
        frame.record_length = record_length
        frame.max_record_bytes = max_record_bytes
        frame.starts = starts
        frame.widths = widths
        if gb18030 is not None:
            frame.gb18030_two = gb18030[0]
            frame.gb18030_four = gb18030[1]
            frame.gb18030.two = frame.gb18030_two.data()
            frame.gb18030.four = frame.gb18030_four.data()

    def set_paths(self, nodes, levels, uint32_t needed):
        """Where the fields stand in a JSON record: `decode/json.py` says how. Before the first field is added."""
        cdef JsonNode native
        shapes = {"value": JsonShape.value, "object": JsonShape.object, "list": JsonShape.list}
        for node in nodes:
            native.name, native.shape, native.element = node.name.encode(), shapes[node.shape], node.element
            native.level, native.first_child, native.children = node.level, node.first_child, node.children
            native.field, native.number = node.field, node.number
            self.native.json.nodes.push_back(native)
        self.native.json.levels, self.native.json.needed = levels, needed

    def add_field(self, str name, kind, column, *, bint optional=False, bint is_signed=False, bint leading_zero=True,
                  bint trim_left=False, bint trim_right=False, bint trim_cr=False, int pad=32, bytes prefix=b"",
                  int characters=0, min_length=None, max_length=None, minimum=None, maximum=None,
                  int64_t multiplier=1, uint32_t decimals=0, null_if=(), required_if=(), empty_if=(), values=None,
                  timestamp=None, numbers=()):
        """The next field of a record. `column` is the usage column that it fills, or None."""
        cdef FieldPlan f
        f.type = {"integer": FieldType.integer, "msisdn": FieldType.msisdn, "decimal": FieldType.decimal,
                  "timestamp": FieldType.timestamp, "unix_time": FieldType.unix_time, "text": FieldType.text,
                  "enumeration": FieldType.enumeration, "ignored": FieldType.ignored}[kind]
        f.number = <uint32_t> self.native.fields.size() + 1
        f.column = -1 if column is None else self.index(column)
        if f.column >= 0:
            self.native.columns[f.column].field = <int32_t> self.native.fields.size()
        self.names.fields.push_back(name.encode())
        f.optional, f.is_signed, f.leading_zero = optional, is_signed, leading_zero
        f.trim_left, f.trim_right, f.trim_cr, f.pad = trim_left, trim_right, trim_cr, pad
        f.prefix, f.characters = prefix, characters
        f.min_length = 0 if min_length is None else min_length
        f.max_length = 0xFFFFFFFF if max_length is None else max_length
        f.min = INT64_MIN if minimum is None else minimum
        f.max = INT64_MAX if maximum is None else maximum
        f.multiplier, f.decimals = multiplier, decimals
        f.null_if = null_if
        self.add_conditions(f.required_if, required_if)
        self.add_conditions(f.empty_if, empty_if)
        if values is not None:
            f.enumeration.build([raw for raw, _ in values], [code for _, code in values])
        if timestamp is not None:
            self.set_timestamp(f.timestamp, timestamp)
        self.add_numbers(f.numbers, numbers)
        self.native.fields.push_back(f)

    cdef int add_conditions(self, vector[Condition]& conditions, declared) except -1:
        cdef Condition condition
        for column, codes in declared:
            condition.column = self.index(column)
            condition.values.assign(<size_t> len(self.columns[condition.column][2]) + 1, 0)
            for code in codes:
                condition.values[code + 1] = 1
            conditions.push_back(condition)
        return 0

    cdef int set_timestamp(self, TimestampPlan& plan, declared) except -1:
        cdef PatternPart part
        kinds = {"literal": Part.literal, "year": Part.year, "month": Part.month, "day": Part.day, "hour": Part.hour,
                 "minute": Part.minute, "second": Part.second, "millisecond": Part.millisecond,
                 "microsecond": Part.microsecond, "fraction": Part.fraction, "offset": Part.offset}
        plan.width = 0
        for kind, width, literal in declared["parts"]:
            part.part, part.width, part.literal = kinds[kind], width, literal
            plan.parts.push_back(part)
            plan.width += width
        plan.compact, plan.has_offset = declared["compact"], declared["has_offset"]
        plan.has_fraction = declared["has_fraction"]
        plan.zone.starts_us, plan.zone.offsets_us = declared["starts_us"], declared["offsets_us"]
        plan.find_shape()
        return 0

    cdef int add_numbers(self, vector[DialRule]& rules, declared) except -1:
        cdef DialRule native
        for rule in declared:
            native.carrier, native.prefix, native.strip = rule.stage == 0, rule.prefix, rule.strip
            native.prepend, native.min_digits, native.max_digits = rule.prepend, rule.min_digits, rule.max_digits
            rules.push_back(native)
        return 0

    def finish(self, *, derivations, ucs2, bint duration_from_times, duration_tolerance_s, control_columns):
        """What follows from the fields, and the columns whose sums a header or trailer declares."""
        cdef Derivation native
        for from_codes, column, prefixes, becomes in derivations:
            native.from_.assign(<size_t> len(self.columns[self.native.record_type][2]), 0)
            for code in from_codes:
                native.from_[code] = 1
            native.text_column = self.index(column)
            native.starts_with = [prefix.encode() for prefix in prefixes]
            native.becomes = becomes
            self.native.derivations.push_back(native)
        if ucs2 is not None:
            self.native.ucs2.assign(<size_t> len(self.columns[self.native.message_coding][2]), 0)
            for code in ucs2:
                self.native.ucs2[code] = 1
        self.native.duration_from_times = duration_from_times
        self.native.duration_tolerance_s = -1 if duration_tolerance_s is None else duration_tolerance_s
        for column in control_columns:
            self.native.control_columns.push_back(self.index(column))

    def undecodable(self, Text raw, int64_t raw_bytes, str code, int64_t byte_offset, int64_t length,
                    int32_t source_id):
        """A `Decoded` of one record of `length` bytes that no text could hold; its first bytes are in `raw`."""
        cdef Decoded decoded = decode_text(self, raw, 0, 0, byte_offset, source_id)
        decoded.rejects = one_reject(self, raw, raw_bytes, self.codes.values.index(code), byte_offset, length,
                                     source_id)
        decoded.records = 1
        decoded.undecodable_bytes = decoded.reject_bytes = length
        decoded.unreadable = [1] * len(decoded.unreadable)
        return decoded


cdef class Decoded:
    """What a piece of a file held.

    Attributes
    ----------
    usage, rejects : Batch
    records : int
        In this piece, filler not counted.
    record_bytes, undecodable_bytes, filler_bytes : int
        They add up to the piece's bytes.
    usage_bytes, reject_bytes : int
        Bytes of the records of either batch.
    control_sums, unreadable : list of int
        For each declared control sum: its sum, and the records in which it could not be read.
    unknown_elements : int
        Of BER records: those that the layout does not know, passed over.
    """

    def number(self, int64_t first_record_no):
        """Makes record numbers count from the file's begin. Call once, before the batches are handed on."""
        for batch in (self.usage, self.rejects):
            self.shift(batch, first_record_no)

    cdef int shift(self, Batch batch, int64_t base) except -1:
        add_base(<ColumnViewRef> batch.view("record_no"), base)
        return 0


def first_record(Plan plan, Text text, int64_t begin, int64_t length):
    """Bytes of the first record of a text that holds more than max_record_bytes, or is all that is left of the file."""
    cdef uint32_t end
    with nogil:
        end = native_first_record(plan.native.frame, text.block.get() + begin, <uint32_t> length)
    return end


def complete_records(Plan plan, Text text, int64_t begin, int64_t length):
    """How much of a text is whole records, when the file goes on after it.

    Returns
    -------
    end, last_begin : int
        Bytes from `begin` to the end of the last whole record, and to its beginning.
    """
    cdef uint32_t last_begin = 0, end
    with nogil:
        end = native_complete_records(plan.native.frame, text.block.get() + begin, <uint32_t> length, last_begin)
    return end, last_begin


def decode_text(Plan plan, Text text, int64_t begin, int64_t length, int64_t byte_offset, int32_t source_id):
    """Decodes whole records.

    Parameters
    ----------
    begin, length : int
        The bytes of `text` to decode.
    byte_offset : int
        Of the first of them in the file's decompressed stream.
    source_id : int

    Returns
    -------
    Decoded
    """
    cdef Work work
    cdef const uint8_t* bytes_ = checked(text, begin, length)
    cdef cbool enough
    cdef TextCopier copier = TextCopier()
    with nogil:
        enough = structure(plan.native, plan.simd, bytes_, <uint32_t> length, work)
    if not enough:
        raise MemoryError
    cdef Builder builder = Builder(work.records.rows)
    places = add_fixed(plan, builder, work)
    copier.plan, copier.bytes_, copier.values = plan, bytes_, values_of(bytes_, work)
    with nogil:
        builder.touch_memory()
        convert(plan.native, copier.values, work)
    return finish_decoded(plan, builder, places, work, copier, source_id, byte_offset)


cdef const uint8_t* checked(Text text, int64_t begin, int64_t length) except NULL:
    """The first of a text's bytes, all of which are in it."""
    if begin < 0 or length < 0 or begin + length > text.capacity:
        raise ValueError(f"bytes {begin} to {begin + length} of a text of {text.capacity}")
    return text.block.get() + begin


cdef class TextCopier:
    cdef int64_t size(self, const Work& work, int32_t field) noexcept nogil:
        return text_bytes(self.plan.native, work, field)

    cdef void copy(self, const Work& work, int32_t field, ColumnOut& out) noexcept nogil:
        copy_text(self.plan.native, self.values, work, field, out)


cdef Decoded finish_decoded(Plan plan, Builder builder, list places, Work& work, TextCopier copier, int32_t source_id,
                            int64_t byte_offset):
    """Sums, then the kept rows and the rejects of converted records."""
    cdef Decoded decoded = Decoded()
    cdef cbool enough
    cdef int64_t high
    cdef uint64_t low
    cdef RejectSizes sizes
    cdef vector[ColumnOut*] outs
    decoded.control_sums, decoded.unreadable = [], []
    for column in plan.native.control_columns:
        split_sum(plan.native, work, column, &high, &low)
        decoded.control_sums.append((<object> high << 64) + low)
        decoded.unreadable.append(work.unreadable[column] + work.records.rowless)
    with nogil:
        enough = compact(plan.native, work)
        sizes = measure_rejects(plan.native, plan.names, work.records)
    if not enough:
        raise MemoryError
    rejects = Builder(sizes.rows)
    cdef RejectColumns rejected = reject_columns(plan, rejects, sizes.field_bytes, sizes.raw_bytes)
    outs = usage_columns(plan, builder, places, work, copier)
    with nogil:  # once: every return to Python is a wait for the other threads
        builder.touch_memory()
        fill_usage(plan.native, work, copier, outs)
        provenance(work, source_id, byte_offset, builder.out(0).i32(), builder.out(1).i64(), builder.out(2).i16(),
                   builder.out(3).i64(), builder.out(4).i64())
        fill_rejects(plan.native, plan.names, copier.bytes_, work.records, source_id, byte_offset, rejected)
    decoded.usage = builder.finish(work.kept).select(plan.order)
    decoded.rejects = rejects.finish(sizes.rows)
    decoded.reject_bytes = sizes.reject_bytes
    decoded.records = work.records.records
    decoded.record_bytes = work.record_bytes
    decoded.undecodable_bytes = work.undecodable_bytes
    decoded.filler_bytes = work.records.filler_bytes
    decoded.usage_bytes = work.usage_bytes
    return decoded


PROVENANCE = ("source_id", "record_no", "item_no", "byte_offset", "byte_length")


cdef int add_provenance(Builder builder) except -1:
    """Adds what says where a row is from, as the first five columns."""
    builder.add("source_id", Kind.i32)
    builder.add("record_no", Kind.i64)
    builder.add("item_no", Kind.i16)
    builder.add("byte_offset", Kind.i64)
    builder.add("byte_length", Kind.i64)
    return 0


cdef list add_fixed(Plan plan, Builder builder, Work& work):
    """Adds provenance and every column of fixed width; returns the builder's place of each, None for text."""
    cdef size_t i
    cdef ColumnPlan* column
    add_provenance(builder)
    places = []
    for i in range(plan.native.columns.size()):
        column = &plan.native.columns[i]
        if column.kind == Kind.utf8:
            places.append(None)
            continue
        places.append(builder.add(plan.columns[i][0], column.kind, column.nullable, plan.columns[i][2]))
        if column.field >= 0:
            work.data[i] = builder.out(places[i]).data
    return places


cdef vector[ColumnOut*] usage_columns(Plan plan, Builder builder, list places, Work& work,
                                       TextCopier copier) except *:
    """Adds what is still missing, columns of text; all of them in the plan's order."""
    cdef vector[ColumnOut*] outs
    cdef size_t i
    cdef int32_t field
    cdef int64_t size
    for i in range(plan.native.columns.size()):
        if places[i] is None:
            field = plan.native.columns[i].field
            size = copier.size(work, field) if field >= 0 else 0
            places[i] = builder.add(plan.columns[i][0], Kind.utf8, plan.columns[i][3], None, size)
        outs.push_back(builder.out(places[i]))
    return outs


cdef void fill_usage(const TextPlan& plan, const Work& work, TextCopier copier,
                     const vector[ColumnOut*]& outs) noexcept nogil:
    cdef size_t i
    cdef int32_t field
    for i in range(plan.columns.size()):
        field = plan.columns[i].field
        if field >= 0 and plan.columns[i].kind == Kind.utf8:
            copier.copy(work, field, outs[i][0])
        finish_nulls(plan.columns[i], nulls_of(plan, work, i), work.kept, outs[i][0])
    derive(plan, work, outs)


cdef RejectColumns reject_columns(Plan plan, Builder builder, int64_t field_bytes, int64_t raw_bytes) except *:
    """Adds the columns of `schema.REJECTS`."""
    cdef RejectColumns out
    add_provenance(builder)
    builder.add("feed", Kind.code, False, plan.feeds)
    builder.add("stage", Kind.code, False, plan.stages)
    builder.add("code", Kind.code, False, plan.codes)
    builder.add("field", Kind.utf8, True, None, field_bytes)
    builder.add("raw", Kind.binary, False, None, raw_bytes)
    out.source_id, out.record_no, out.item_no = builder.out(0), builder.out(1), builder.out(2)
    out.byte_offset, out.byte_length, out.feed = builder.out(3), builder.out(4), builder.out(5)
    out.stage, out.code, out.field, out.raw = builder.out(6), builder.out(7), builder.out(8), builder.out(9)
    return out


cdef Batch one_reject(Plan plan, Text raw, int64_t raw_bytes, int16_t code, int64_t byte_offset, int64_t length,
                      int32_t source_id):
    builder = Builder(1)
    cdef RejectColumns out = reject_columns(plan, builder, 0, raw_bytes)
    out.source_id.i32()[0] = source_id
    out.record_no.i64()[0] = 0
    out.item_no.i16()[0] = 0
    out.byte_offset.i64()[0] = byte_offset
    out.byte_length.i64()[0] = length
    out.feed.i16()[0] = plan.names.feed
    out.stage.i16()[0] = plan.names.stage
    out.code.i16()[0] = code
    out.field.offsets[1] = 0
    out.field.set_null(0)
    memcpy(out.raw.data, raw.block.get(), raw_bytes)
    out.raw.offsets[1] = <int32_t> raw_bytes
    return builder.finish(1)
