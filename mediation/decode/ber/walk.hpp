// The interpreter of a tag table: one record after the other, each element once, what is open on a small stack.
//
// Conventions
// - Steps as in decode/text.hpp: `begin_records`, `walk`, then its `compact` and what follows it; text columns are
//   copied by `copy_coded`.
// - A record whose elements do not nest has no row: it is undecodable, with the code and the innermost element's name.
// - An item is a row of its own; values beside it belong to the record, and are said again in each of its rows. An item
//   that holds items is to these as the record is, but without any of them it has no row.
#pragma once

#include <cstdio>

#include "decode/ber/values.hpp"

namespace mediation {


enum class Walked : uint8_t { all, too_few_rows };

namespace detail {

struct Level {
    uint32_t node;
    uint32_t end;
    uint32_t row;  // that values beside it go to
    bool indefinite;
    bool item;     // it has a row
};

// A record while it is walked.
struct Walk {
    BerRow row;
    uint32_t capacity;   // rows
    uint32_t base = 0;   // the record's first row
    bool taken = false;  // the row at hand: an item has begun in it
    bool full = false;   // there is no row for an item
    uint32_t open = 0;
    Level levels[kMaxDepth] = {};
};

inline bool fits(const Predicate& p, const uint8_t* text, const Element& e) noexcept {
    if (p.tag == 0xFFFFFFFF) return true;
    Element child;
    if (!find_child(text, e.content, static_cast<uint32_t>(e.end), p.tag, child)) return false;
    if (p.wants == Predicate::Wants::anything) return true;
    if (child.constructed) return false;
    const uint32_t length = length_of(child);
    const uint8_t* at = text + child.content;
    if (p.wants == Predicate::Wants::octets)
        return length == p.octets.size() && !std::memcmp(at, p.octets.data(), length);
    if (length == 0) return false;
    const Parsed value = ber_integer(at, length);
    return value.code == Code::ok && value.value == p.integer;
}

inline void begin_row(Walk& w, uint32_t row, uint32_t item) noexcept {
    Records& r = w.row.work.records;
    w.row.row = row;
    r.row_record[row] = w.row.record;
    r.row_item[row] = static_cast<int16_t>(item);
    r.rows = row + 1;
}

// The row of the item that begins: the first of a record, or of an item, stands in the row of that.
inline Code begin_item(Walk& w) noexcept {
    const uint32_t row = w.row.work.records.rows, item = row - w.base;
    if (w.taken) {
        w.full = row >= w.capacity;
        if (w.full || item >= kMostItems) return Code::too_many_items;
        begin_row(w, row, item);
    }
    w.taken = false;
    return Code::ok;
}

// The node that the table has for an element; 0 when it is to be passed over.
inline uint32_t node_of(const Walk& w, const BerNode& parent, const Element& e) noexcept {
    const BerProgram& program = w.row.program;
    for (auto node = static_cast<int32_t>(program.child(parent, e.tag)); node > 0; node = program.nodes[node].variant)
        if (fits(program.nodes[static_cast<size_t>(node)].predicate, w.row.text, e)) return static_cast<uint32_t>(node);
    return 0;
}

// Takes the element that begins at `at`: stores its values, and passes it over or opens it.
inline Code take_element(Walk& w, const BerNode& parent, uint32_t limit, uint32_t& at) noexcept {
    const BerProgram& program = w.row.program;
    Element e;
    Code code = read_element(w.row.text, at, limit, e);
    if (code != Code::ok) return code;
    if (e.tag == 0) return Code::bad_tag;  // end-of-contents octets where none may stand
    const uint32_t found = node_of(w, parent, e);
    const BerNode& node = program.nodes[found];
    const bool opens = found && node.has_children && e.constructed;
    const bool values = found && node.actions;
    if (found && node.no_value && !e.constructed) return Code::bad_tag;
    w.row.unknown += found == 0;
    at = opens ? e.content : static_cast<uint32_t>(e.end);
    if (e.indefinite && (!opens || values)) {
        uint32_t end = 0;
        code = find_end(w.row.text, e.content, limit, end);
        if (code != Code::ok) return code;
        if (!opens) at = end + 2;
        e.end = end;
    }
    for (uint32_t i = 0; values && i < node.actions; ++i)
        store(w.row, program.actions[node.first_action + i], e.constructed, e.content, static_cast<uint32_t>(e.end));
    if (!opens) return Code::ok;
    if (w.open == kMaxDepth) return Code::too_deep;
    const uint32_t end = e.indefinite ? limit : static_cast<uint32_t>(e.end);
    w.levels[w.open++] = {found, end, w.row.row, e.indefinite, node.item && at < end};
    return w.levels[w.open - 1].item ? begin_item(w) : Code::ok;
}

inline void end_item(Walk& w, const BerNode& node, uint32_t row) noexcept;

// Walks the record [begin, end). `name` is that of the innermost element that was open where it went wrong.
inline Code walk_record(Walk& w, uint32_t begin, uint32_t end, uint32_t& name) noexcept {
    const BerProgram& program = w.row.program;
    uint32_t at = begin;
    w.open = 0;
    if (end - begin > w.row.plan.frame.max_record_bytes) return Code::record_too_long;
    if (w.row.context.framing == BerFraming::cdrs) {
        at += cdr_head(w.row.text, begin);
        if (!cdr_is_ber(w.row.text, begin)) return Code::unknown_value;
        if (at == end) return Code::element_overrun;
    }
    Code code = take_element(w, program.nodes[0], end, at);
    while (code == Code::ok && w.open) {
        const Level& level = w.levels[w.open - 1];
        const BerNode& node = program.nodes[level.node];
        name = node.name;
        const bool ends = level.indefinite ? end_of_contents(w.row.text, at, level.end) : at == level.end;
        if (ends) {
            at += level.indefinite ? 2 : 0;
            if (level.item) end_item(w, node, level.row);
            --w.open;
        } else {
            code = at < level.end ? take_element(w, node, level.end, at) : Code::element_overrun;
        }
    }
    return code == Code::ok && at != end ? Code::trailing_bytes : code;
}

// ------------------------------------------------------------------------------------- a record's rows

template <typename T>
inline void repeat(uint8_t* data, uint32_t from, uint32_t to) noexcept {
    reinterpret_cast<T*>(data)[to] = reinterpret_cast<const T*>(data)[from];
}

inline void copy_cell(const TextPlan& plan, Work& work, int32_t c, uint32_t from, uint32_t to) noexcept {
    const ColumnPlan& column = plan.columns[static_cast<size_t>(c)];
    uint8_t* nulls = work.nulls[static_cast<size_t>(c)];
    if (nulls[from]) return;  // so is the other: nothing else writes to it
    nulls[to] = 0;
    if (column.kind == Kind::utf8) {
        const auto field = static_cast<size_t>(column.field);
        work.begins[field][to] = work.begins[field][from];
        work.ends[field][to] = work.ends[field][from];
        work.text_bytes[field] += 3 * (work.ends[field][from] & kTextLength) + 20;
        return;
    }
    uint8_t* data = work.data[static_cast<size_t>(c)];
    switch (kWidths[static_cast<int>(column.kind)]) {
        case 2: return repeat<int16_t>(data, from, to);
        case 16: return repeat<__int128>(data, from, to);
        default: return repeat<int64_t>(data, from, to);
    }
}

// What a row says in some columns, in the rows after it that the record has so far.
inline void say_again(const Walk& w, uint32_t from, const int32_t* columns, uint32_t count) noexcept {
    Work& work = w.row.work;
    for (uint32_t row = from + 1; row < work.records.rows; ++row) {
        work.flags[row] |= work.flags[from];
        for (uint32_t i = 0; i < count; ++i) copy_cell(w.row.plan, work, columns[i], from, row);
    }
}

inline void clear_column(const TextPlan& plan, Work& work, size_t c, uint32_t from, uint32_t count) noexcept {
    const ColumnPlan& column = plan.columns[c];
    if (column.field < 0) return;
    std::memset(work.nulls[c] + from, 1, count);
    if (column.kind == Kind::utf8) {
        std::fill_n(work.begins[static_cast<size_t>(column.field)] + from, count, 0u);
        std::fill_n(work.ends[static_cast<size_t>(column.field)] + from, count, 0u);
        return;
    }
    const auto width = static_cast<size_t>(kWidths[static_cast<int>(column.kind)]);
    std::memset(work.data[c] + from * width, 0, count * width);
}

// Makes rows as if nothing had been written to them.
inline void clear_rows(const TextPlan& plan, Work& work, uint32_t from, uint32_t count) noexcept {
    std::memset(work.flags + from, 0, count);
    for (size_t c = 0; c < plan.columns.size(); ++c) clear_column(plan, work, c, from, count);
}

// The item's row is complete, or taken back; what follows goes to `row`, that beside it.
inline void end_item(Walk& w, const BerNode& node, uint32_t row) noexcept {
    Work& work = w.row.work;
    const uint32_t own = w.row.row;
    const bool any_inside = w.taken;
    w.row.row = row;
    w.taken = true;
    if (node.columns == 0) return;
    const int32_t* columns = &w.row.program.item_columns[node.first_column];
    if (any_inside) return say_again(w, own, columns, node.columns);
    for (uint32_t i = 0; i < node.columns; ++i)
        clear_column(w.row.plan, work, static_cast<size_t>(columns[i]), own, 1);
    w.taken = own != row;
    if (own == row) return;
    work.flags[own] = 0;
    work.records.rows = own;
}

inline void check_required(Walk& w) noexcept {
    for (const uint32_t field : w.row.program.required) {
        const FieldPlan& f = w.row.plan.fields[field];
        for (uint32_t row = w.base; row < w.row.work.records.rows; ++row) {
            w.row.row = row;
            const bool is_type = static_cast<int32_t>(field) == w.row.program.type_field;
            if (is_null(w.row, f)) fail(w.row, f, is_type ? Code::unknown_value : Code::missing_value);
        }
    }
}

// What the header says, in every row.
inline void fill_header(const BerRow& r, uint32_t rows) noexcept {
    for (size_t i = 0; i < r.program.header_fields.size(); ++i) {
        const FieldPlan& f = r.plan.fields[r.program.header_fields[i]];
        const auto c = static_cast<size_t>(f.column);
        const bool text = r.plan.columns[c].kind == Kind::utf8;
        if (text ? r.context.texts[i].empty() : r.context.codes[i] < 0) continue;
        std::memset(r.work.nulls[c], 0, rows);
        if (!text) {
            std::fill_n(reinterpret_cast<int16_t*>(r.work.data[c]), rows, r.context.codes[i]);
            continue;
        }
        const auto length = static_cast<uint32_t>(r.context.texts[i].size());
        std::fill_n(r.work.begins[f.number - 1], rows, static_cast<uint32_t>(i));
        std::fill_n(r.work.ends[f.number - 1], rows, length | static_cast<uint32_t>(Coding::header) << 24);
        r.work.text_bytes[f.number - 1] += int64_t{length} * rows;
    }
}

inline bool take_columns(const TextPlan& plan, uint32_t capacity, Work& w) {
    w.data.assign(plan.columns.size(), nullptr);
    w.nulls.assign(plan.columns.size(), nullptr);
    w.unreadable.assign(plan.columns.size(), 0);
    w.begins.assign(plan.fields.size(), nullptr);
    w.ends.assign(plan.fields.size(), nullptr);
    w.text_bytes.assign(plan.fields.size(), 0);
    w.zone_hints.assign(plan.fields.size(), 0);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (plan.columns[c].field < 0) continue;
        if (!(w.nulls[c] = take(w, capacity + 16))) return false;
        if (plan.columns[c].kind != Kind::utf8) continue;
        const auto f = static_cast<size_t>(plan.columns[c].field);
        if (!(w.begins[f] = take_rows(w, capacity)) || !(w.ends[f] = take_rows(w, capacity))) return false;
    }
    return (w.flags = take(w, capacity + 1)) != nullptr;
}

}  // namespace detail

// Step 1: finds the records of a text that holds whole ones, and takes what their rows need. False when memory is
// exhausted. Between this and `walk` the caller gives `data` its columns of fixed width, of `capacity` rows.
inline bool begin_records(const TextPlan& plan, BerFraming framing, const uint8_t* text, uint32_t length,
                          uint32_t spare, Work& w, uint32_t& capacity) {
    w = Work{};
    Records& r = w.records;
    w.length = length;
    const uint32_t longest = plan.frame.max_record_bytes;
    const Cut count = cut_records(framing, text, 0, length, length, false, longest, UINT32_MAX);
    capacity = count.records + spare;
    if (!detail::take(r, r.begin, count.records + 1) || !detail::take(r, r.end, count.records + 1) ||
        !detail::take(r, r.fault, count.records + 1) || !detail::take(r, r.row_record, capacity + 1))
        return false;
    uint8_t* items = detail::take(w, 2 * (int64_t{capacity} + 1));
    r.row_item = reinterpret_cast<int16_t*>(items);
    Cut cut;
    for (r.records = 0; r.records < count.records; ++r.records) {
        for (; is_filler(framing, text, cut.end, length); ++cut.end) ++r.filler_bytes;
        r.begin[r.records] = cut.end;
        (void)cut_record(framing, text, length, longest, cut);
        r.end[r.records] = cut.end;
        r.fault[r.records] = 0;
    }
    r.filler_bytes += length - cut.end;
    return items && detail::take_columns(plan, capacity, w);
}

// Step 2. `too_few_rows`: begin again with more spare ones.
inline Walked walk(const TextPlan& plan, const BerProgram& program, const BerContext& context, const uint8_t* text,
                   uint32_t capacity, Work& work, int64_t& unknown) {
    detail::clear_rows(plan, work, 0, capacity);
    detail::Walk w{{plan, program, context, text, work}, capacity};
    Records& r = work.records;
    for (uint32_t record = 0; record < r.records; ++record) {
        uint32_t name = 0;
        w.row.record = record;
        w.base = r.rows;
        w.taken = false;
        if (w.base == capacity) return Walked::too_few_rows;
        detail::begin_row(w, w.base, 0);
        const Code code = detail::walk_record(w, r.begin[record], r.end[record], name);
        if (w.full) return Walked::too_few_rows;
        if (code == Code::ok) {
            const auto& beside = program.record_columns;
            detail::say_again(w, w.base, beside.data(), static_cast<uint32_t>(beside.size()));
            detail::check_required(w);
            continue;
        }
        detail::clear_rows(plan, work, w.base, r.rows - w.base);
        r.rows = w.base;
        r.fault[record] = fault_of(code, name);
        r.faulty = true;
        ++r.rowless;
    }
    detail::fill_header(w.row, r.rows);
    unknown = w.row.unknown;
    return Walked::all;
}


// ---------------------------------------------------------------------------------------------- text

namespace detail {

inline uint8_t* write_ip(const uint8_t* at, uint32_t length, uint8_t* out) noexcept {
    if (length != 4 && length != 16) {
        std::memcpy(out, at, length);
        return out + length;
    }
    char written[48];
    int n = 0;
    for (uint32_t i = 0; i < length; i += length == 4 ? 1 : 2)
        n += length == 4 ? std::snprintf(written + n, sizeof written - n, i ? ".%u" : "%u", at[i])
                         : std::snprintf(written + n, sizeof written - n, i ? ":%x" : "%x", at[i] << 8 | at[i + 1]);
    std::memcpy(out, written, static_cast<size_t>(n));
    return out + n;
}

inline uint8_t* write_integer(const uint8_t* at, uint32_t length, uint8_t* out) noexcept {
    char written[24];
    const int n = std::snprintf(written, sizeof written, "%lld", static_cast<long long>(ber_integer(at, length).value));
    std::memcpy(out, written, static_cast<size_t>(n));
    return out + n;
}

inline uint8_t* write_coded(const BerContext& context, const uint8_t* text, uint32_t begin, uint32_t kept,
                            uint8_t* out) noexcept {
    const uint32_t length = kept & kTextLength;
    const auto coding = static_cast<Coding>(kept >> 24);
    const uint8_t* at = text + begin;
    switch (coding) {
        case Coding::bcd:
        case Coding::tbcd: return write_digits(at, length, coding == Coding::tbcd, out);
        case Coding::address:
            if ((at[0] >> 4 & 7) == 1) *out++ = '+';
            return write_digits(at + address_head(at), length, true, out);
        case Coding::hex: return write_hex(at, length, out);
        case Coding::plmn: return write_plmn(at, length, out);
        case Coding::ip: return write_ip(at, length, out);
        case Coding::integer: return write_integer(at, length, out);
        case Coding::entity:
        case Coding::header: {
            const std::string& value = coding == Coding::header ? context.texts[begin] : context.entities[begin].id;
            std::memcpy(out, value.data(), length);
            return out + length;
        }
        default: copy_bytes(out, at, length); return out + length;  // text and column end in padding
    }
}

}  // namespace detail

inline int64_t coded_bytes(const Work& w, int32_t field) noexcept { return w.text_bytes[static_cast<size_t>(field)]; }

// Step 4 of decode/text.hpp for a text column.
inline void copy_coded(const BerContext& context, const uint8_t* text, const Work& w, int32_t field,
                       ColumnOut& out) noexcept {
    const auto f = static_cast<size_t>(field);
    uint8_t* at = out.data;
    for (uint32_t i = 0; i < w.kept; ++i) {
        const uint32_t row = w.kept_rows ? w.kept_rows[i] : i;
        if (w.ends[f][row] & kTextLength) at = detail::write_coded(context, text, w.begins[f][row], w.ends[f][row], at);
        out.offsets[i + 1] = static_cast<int32_t>(at - out.data);
    }
}

}  // namespace mediation
