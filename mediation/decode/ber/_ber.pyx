"""BER records to columns: a tag table made once per layout, run on every piece of a file.

Conventions
-----------
- `cut` finds how much of a text is whole records, `portion` parts them where they have many rows; `decode_ber` takes
  nothing else.
- A `Context` is what one file's header says to its records; all pieces of the file are decoded with it.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from mediation.decode._text cimport (
    Decoded,
    Plan,
    Text,
    TextCopier,
    TextPlan,
    Work,
    add_fixed,
    checked,
    finish_decoded,
)
from mediation.native._column cimport Builder, ColumnOut

from mediation.native._status import codes as all_codes


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

    cdef enum class Code(int16_t):
        ok

    cdef uint32_t kMaxHead

    cdef cppclass Blocks:
        uint32_t octets
        uint32_t first

    cdef enum class Stop(uint8_t):
        paused
        more
        contents_end
        damaged

    cdef cppclass Cut:
        uint32_t end
        uint32_t records
        Stop stop
        Code code
        uint64_t next

    Cut cut_records(BerFraming framing, const uint8_t* text, uint32_t at, uint32_t filled, uint64_t container,
                    cbool indefinite, uint32_t longest, uint32_t most, Blocks blocks)
    cdef cppclass Portion:
        uint32_t end
        uint32_t rows

    Portion take_portion(const BerProgram& program, BerFraming framing, const uint8_t* text, uint32_t at,
                         uint32_t limit, uint32_t longest, uint32_t most)
    cbool begin_records(const TextPlan& plan, BerFraming framing, const uint8_t* text, uint32_t length, uint32_t rows,
                        Work& work)
    int64_t walk(const TextPlan& plan, const BerProgram& program, const BerContext& context, const uint8_t* text,
                 uint32_t capacity, Work& work)
    int64_t coded_bytes(const Work& work, int32_t field)
    void copy_coded(const BerContext& context, const uint8_t* text, const Work& work, int32_t field, ColumnOut& out)


CODINGS = {
    "octets": Coding.octets, "integer": Coding.integer, "bcd": Coding.bcd, "tbcd": Coding.tbcd,
    "address": Coding.address, "hex": Coding.hex, "ip": Coding.ip, "tag": Coding.tag, "tap_time": Coding.tap_time,
    "tap_offset": Coding.tap_offset, "nrtrde_time": Coding.nrtrde_time, "nrtrde_offset": Coding.nrtrde_offset,
    "time9": Coding.time9, "entity": Coding.entity, "rate": Coding.rate, "header": Coding.header,
    "negated": Coding.negated, "plmn": Coding.plmn, "uri": Coding.uri,
}
COMPOSITE = ("tag", "tap_time", "tap_offset", "nrtrde_time", "nrtrde_offset")  # what an element with members means
STOPS = {Stop.paused: "paused", Stop.more: "more", Stop.contents_end: "contents_end", Stop.damaged: "damaged"}
CODE_NAMES = {number: name for name, number in all_codes().items()}
MOST_ROWS = 1 << 16  # of one piece; bounds what its columns can take, however small records and items are


cdef class BerPlan(Plan):
    """A tag table made ready to run; built by `decode/ber/layout.py` and never changed afterwards."""

    cdef BerProgram program

    def add_node(self, str name, children, actions, *, predicate=None, int variant=-1, bint item=False,
                 bint waits=False, columns=(), to_items=()):
        """The next node of the tree; nodes of its children, by tag, come later.

        Parameters
        ----------
        name : str
            Of the rejects whose innermost sound element it is.
        children : list of tuple
            (tag, number of the first node for it).
        actions : list of tuple
            (field, coding, sum, constant, types).
        predicate : tuple, optional
            (tag, value): of a child; int, bytes, or None for any.
        variant : int
            The next node of the same tag and parent, -1 where there is none.
        item, waits : bool
            Its elements are items; what they say counts only in records without items.
        columns : list of str
            Of an item that holds items: said again in the rows of these.
        to_items : list of int
            Tags of the children that are items or have some below them.
        """
        cdef BerNode node
        cdef Predicate wanted
        cdef BerAction action
        cdef BerSlot slot
        cdef vector[BerSlot] slots
        node.name = 0
        if name:
            node.name = <uint32_t> self.names.fields.size()
            self.names.fields.push_back(name.encode())
        if predicate is not None:
            node.predicate = <int32_t> self.program.predicates.size()
            wanted.tag = predicate[0]
            if isinstance(predicate[1], int):
                wanted.wants, wanted.integer = Wants.integer, predicate[1]
            elif predicate[1] is not None:
                wanted.wants, wanted.octets = Wants.octets, predicate[1]
            self.program.predicates.push_back(wanted)
        node.variant, node.item, node.waits = variant, item, waits
        node.to_items = sum({1 << tag % 64 for tag in to_items})
        node.first_column, node.columns = <uint32_t> self.program.item_columns.size(), <uint32_t> len(columns)
        for column in columns:
            self.program.item_columns.push_back(self.index(column))
        node.no_value = bool(children) and all(coding in COMPOSITE for _, coding, *_ in actions)
        node.first_action, node.actions = <uint32_t> self.program.actions.size(), <uint32_t> len(actions)
        for field, coding, is_sum, constant, types in actions:
            action.field, action.coding, action.sum = field, CODINGS[coding], is_sum
            action.constant, action.types = constant, types
            self.program.actions.push_back(action)
        self.program.nodes.push_back(node)
        for tag, number in children:
            slot.tag, slot.node = tag, number
            slots.push_back(slot)
        self.program.set_children(<uint32_t> self.program.nodes.size() - 1, slots)

    def finish_tree(self, *, record_columns, header_fields, required, int type_field=-1):
        """What belongs to no node.

        Parameters
        ----------
        record_columns : list of str
            That stand beside a record's items.
        header_fields, required : list of int
            Fields that the header fills, and fields that no record lacks.
        type_field : int
            The field that a record's own tag fills, -1 where there is none.
        """
        self.program.record_columns = [self.index(column) for column in record_columns]
        self.program.header_fields = header_fields
        self.program.required = required
        self.program.type_field = type_field


cdef class Context:
    """What a file's header says to its records.

    Parameters
    ----------
    cdrs : bool
        Each record stands behind a CDR header of 3GPP TS 32.297.
    head : int
        Octets of another header before each record.
    decimals : int or None
        Of the file's amounts; None where it does not say them, and the amounts are null.
    offsets, rates : dict of int to int
        UTC offsets in seconds and exchange rates in 10^-6, by code.
    entities : dict of int to tuple
        (type, id) by code.
    texts : list of str or None
        For each of the plan's header fields.
    codes : list of int
        Likewise; -1 where there is none.
    """

    cdef BerContext native
    cdef readonly bint cdrs

    def __cinit__(self, *, bint cdrs=False, uint32_t head=0, decimals=0, offsets=(), rates=(), entities=(), texts=(),
                  codes=()):
        cdef Named named
        cdef Entity entity
        if decimals is not None and not 0 <= decimals <= 18:
            raise ValueError(f"{decimals} decimals")
        if head > kMaxHead:
            raise ValueError(f"a header of {head} octets")
        self.cdrs = cdrs
        self.native.framing.kind = FramingKind.cdrs if cdrs else FramingKind.elements
        self.native.framing.head = head
        self.native.multiplier = 0 if decimals is None else int("1" + "0" * (6 - decimals))
        self.native.divisor = 0 if decimals is None else int("1" + "0" * (decimals - 6))
        for code, seconds in sorted(dict(offsets).items()):
            named.code, named.value = code, seconds * 1_000_000
            self.native.offsets_us.push_back(named)
        for code, micro in sorted(dict(rates).items()):
            named.code, named.value = code, micro
            self.native.rates.push_back(named)
        for code, (kind, identity) in sorted(dict(entities).items()):
            entity.code, entity.type, entity.id = code, kind, identity.encode()
            self.native.entities.push_back(entity)
        self.native.texts = [(text or "").encode() for text in texts]
        self.native.codes = codes


cdef const BerProgramRef* program_of(Plan plan) except NULL:
    return <const BerProgramRef*> &(<BerPlan?> plan).program


cdef const BerContextRef* context_of(object context) except NULL:
    return <const BerContextRef*> &(<Context?> context).native


cdef class CodedCopier(TextCopier):
    cdef Context context

    cdef int64_t size(self, const Work& work, int32_t field) noexcept nogil:
        return coded_bytes(work, field)

    cdef void copy(self, const Work& work, int32_t field, ColumnOut& out) noexcept nogil:
        copy_coded(self.context.native, self.bytes_, work, field, out)


def cut(Context context, Text text, int64_t begin, int64_t filled, container, bint indefinite, int64_t longest,
        int64_t most=MOST_ROWS, uint32_t block=0, uint32_t first_block=0):
    """How much of a text is whole records.

    Parameters
    ----------
    begin, filled : int
        The bytes that are at hand.
    container : int or None
        Where the element that holds the records ends, counted like them; None when nobody knows.
    indefinite : bool
        It ends with end-of-contents octets.
    longest : int
        Octets of a record of indefinite length.
    most : int
        Records.
    block, first_block : int
        Octets of the blocks that no record crosses, 0 without; and where in the text the first of them ends.

    Returns
    -------
    end : int
        Where the whole records end.
    records : int
    stop : str
        ``paused``, ``more``, ``contents_end`` or ``damaged``.
    code : str
        Of what is damaged.
    next : int
        Where the record at `end` says that it ends; 0 when it does not.
    """
    cdef uint64_t ends = <uint64_t> -1 if container is None else container
    cdef const uint8_t* bytes_ = checked(text, 0, filled)
    cdef Cut found
    cdef Blocks blocks
    blocks.octets, blocks.first = block, first_block
    with nogil:
        found = cut_records(context.native.framing, bytes_, <uint32_t> begin, <uint32_t> filled, ends, indefinite,
                            <uint32_t> longest, <uint32_t> most, blocks)
    return found.end, found.records, STOPS[found.stop], CODE_NAMES[<int> found.code], found.next


def portion(BerPlan plan, Context context, Text text, int64_t begin, int64_t end, int64_t longest,
            int64_t most=MOST_ROWS):
    """Where whole records that stand up to `end` are to be parted, lest they have too many rows.

    Parameters
    ----------
    begin, end, longest : int
        As in `cut`.
    most : int
        Rows, where more than one record is taken.

    Returns
    -------
    end : int
        Of the portion.
    rows : int
        That it has at most.
    """
    cdef const uint8_t* bytes_ = checked(text, 0, end)
    cdef Portion taken
    with nogil:
        taken = take_portion(plan.program, context.native.framing, bytes_, <uint32_t> begin, <uint32_t> end,
                             <uint32_t> longest, <uint32_t> most)
    return taken.end, taken.rows


def decode_ber(BerPlan plan, Context context, Text text, int64_t begin, int64_t length, int64_t rows,
               int64_t byte_offset, int32_t source_id):
    """Decodes whole records.

    Parameters
    ----------
    begin, length : int
        The bytes of `text` to decode.
    rows : int
        What `portion` says of them.
    byte_offset : int
        Of the first of them in the file's decompressed stream.
    source_id : int

    Returns
    -------
    Decoded
    """
    cdef const uint8_t* bytes_ = checked(text, begin, length)
    cdef CodedCopier copier = CodedCopier()
    cdef Work work
    cdef cbool enough
    cdef int64_t unknown
    cdef Decoded decoded
    with nogil:
        enough = begin_records(plan.native, context.native.framing, bytes_, <uint32_t> length, <uint32_t> rows, work)
    if not enough:
        raise MemoryError
    cdef Builder builder = Builder(rows)
    places = add_fixed(plan, builder, work)
    with nogil:
        builder.touch_memory()
        unknown = walk(plan.native, plan.program, context.native, bytes_, <uint32_t> rows, work)
    copier.plan, copier.bytes_, copier.context = plan, bytes_, context
    decoded = finish_decoded(plan, builder, places, work, copier, source_id, byte_offset)
    decoded.unknown_elements = unknown
    return decoded
