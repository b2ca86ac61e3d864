// The interpreter of a tag table: one record after the other, each element once, what is open on a small stack.
//
// Conventions
// - Steps as in decode/text.hpp: `begin_records`, `walk`, then its `compact` and what follows it; text columns are
//   copied by `copy_coded`.
// - A record whose elements do not nest has no row: it is undecodable, with the code and the innermost element's name.
// - An item is a row of its own; values beside it belong to the record, and are said again in each of its rows.
#pragma once

#include "decode/ber/copy.hpp"
#include "decode/ber/items.hpp"
#include "native/check.hpp"

namespace mediation {

namespace detail {

inline constexpr uint32_t kRowsAhead = 512;  // made ready and finished together: their cells stay in the cache

// Where values go.
struct Place {
    uint32_t row;
    uint8_t* filled;
};

// A record while it is walked.
struct Walk {
    BerRow row;
    uint32_t capacity;     // rows
    uint8_t* filled;       // by column, and by how many elements were open when the row began
    uint32_t cleared = 0;  // rows that are made ready
    uint32_t base = 0;     // the record's first row
    uint32_t items = 0;    // begun in this record
    uint32_t open = 0;
    Level levels[kMaxDepth] = {};
    Place beside[kMaxDepth] = {};  // of an item: where what stands beside it goes
};

// Makes rows as if nothing had been written to them.
inline void clear_rows(const TextPlan& plan, Work& work, uint32_t from, uint32_t count) noexcept {
    std::memset(work.flags + from, 0, count);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        const ColumnPlan& column = plan.columns[c];
        if (column.field < 0) continue;
        std::memset(work.nulls[c] + from, 1, count);
        if (column.kind == Kind::utf8) {
            std::fill_n(work.begins[static_cast<size_t>(column.field)] + from, count, 0u);
            std::fill_n(work.ends[static_cast<size_t>(column.field)] + from, count, 0u);
            continue;
        }
        const auto width = static_cast<size_t>(kWidths[static_cast<int>(column.kind)]);
        std::memset(work.data[c] + from * width, 0, count * width);
    }
}

[[gnu::noinline]] inline void clear_ahead(Walk& w) noexcept {
    MEDIATION_CHECK(w.cleared < w.capacity);
    const uint32_t count = std::min(kRowsAhead, w.capacity - w.cleared);
    clear_rows(w.row.plan, w.row.work, w.cleared, count);
    w.cleared += count;
}

inline void begin_row(Walk& w, uint32_t row, uint32_t item) noexcept {
    Records& r = w.row.work.records;
    if (row == w.cleared) clear_ahead(w);
    w.row.row = row;
    w.row.filled = w.filled + w.open * w.row.plan.columns.size();
    std::memset(w.row.filled, 0, w.row.plan.columns.size());
    r.row_record[row] = w.row.record;
    r.row_first[row] = w.base;
    r.row_item[row] = static_cast<int16_t>(item);
    r.rows = row + 1;
}

// The row of the item that begins.
inline Code begin_item(Walk& w) noexcept {
    const uint32_t item = w.items++;
    if (item == 0) return Code::ok;
    if (item >= kMostItems) return Code::too_many_items;
    begin_row(w, w.base + item, item);
    return Code::ok;
}

// Takes the element that begins at `at`: stores its values, and passes it over or opens it.
inline Code take_element(Walk& w, const BerNode& parent, uint32_t limit, uint32_t& at) noexcept {
    const BerProgram& program = w.row.program;
    Element e;
    Code code = read_element(w.row.text, at, limit, e);
    if (code != Code::ok) return code;
    if (e.tag == 0) return Code::bad_tag;  // end-of-contents octets where none may stand
    const uint32_t found = node_of(program, parent, w.row.text, e);
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
    MEDIATION_CHECK(w.open < kMaxDepth);  // no path of a table is that long
    w.levels[w.open++] = {found, e.indefinite ? limit : static_cast<uint32_t>(e.end), e.indefinite};
    if (!node.item) return Code::ok;
    w.beside[w.open - 1] = {w.row.row, w.row.filled};
    return at < w.levels[w.open - 1].end ? begin_item(w) : Code::ok;
}

// Walks the record [begin, end). `name` is that of the innermost element that was open where it went wrong.
inline Code walk_record(Walk& w, uint32_t begin, uint32_t end, uint32_t& name) noexcept {
    const BerProgram& program = w.row.program;
    uint32_t at = begin;
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
        if (level.ends(w.row.text, at)) {
            at += level.indefinite ? 2 : 0;
            --w.open;
            if (node.item) w.row.row = w.beside[w.open].row, w.row.filled = w.beside[w.open].filled;
        } else {
            code = at < level.end ? take_element(w, node, level.end, at) : Code::element_overrun;
        }
    }
    return code == Code::ok && at != end ? Code::trailing_bytes : code;
}

// ----------------------------------------------------------------------------------------- finished rows

// Rows [from, to) of whole records take what the first row of their record has.
template <typename T>
inline void spread(T* data, const uint32_t* first, uint32_t from, uint32_t to) noexcept {
    for (uint32_t row = from; row < to; ++row) data[row] = data[first[row]];
}

inline void spread_column(const TextPlan& plan, Work& work, int32_t column, uint32_t from, uint32_t to) noexcept {
    const uint32_t* first = work.records.row_first;
    const auto c = static_cast<size_t>(column);
    if (!std::memchr(work.nulls[c] + from, 0, to - from)) return;
    spread(work.nulls[c], first, from, to);
    if (plan.columns[c].kind == Kind::utf8) {
        const auto field = static_cast<size_t>(plan.columns[c].field);
        int64_t bytes = 0;
        spread(work.begins[field], first, from, to);
        spread(work.ends[field], first, from, to);
        for (uint32_t row = from; row < to; ++row)
            bytes += (3 * (work.ends[field][row] & kTextLength) + 20) * (first[row] != row);
        work.text_bytes[field] += bytes;
        return;
    }
    switch (kWidths[static_cast<int>(plan.columns[c].kind)]) {
        case 2: return spread(reinterpret_cast<int16_t*>(work.data[c]), first, from, to);
        case 16: return spread(reinterpret_cast<__int128*>(work.data[c]), first, from, to);
        default: return spread(reinterpret_cast<int64_t*>(work.data[c]), first, from, to);
    }
}

inline void check_required(BerRow& r, uint32_t from, uint32_t to) noexcept {
    for (const uint32_t field : r.program.required) {
        const FieldPlan& f = r.plan.fields[field];
        const uint8_t* nulls = r.work.nulls[static_cast<size_t>(f.column)];
        const bool is_type = static_cast<int32_t>(field) == r.program.type_field;
        for (uint32_t row = from; row < to; ++row) {
            if (!nulls[row]) continue;
            r.record = r.work.records.row_record[row];
            fail(r, f, is_type ? Code::unknown_value : Code::missing_value);
        }
    }
}

// Whole records' rows: what a record says beside its items is said in each of their rows; what must be there is.
inline void finish_rows(BerRow& r, uint32_t from, uint32_t to) noexcept {
    const uint32_t* first = r.work.records.row_first;
    bool items = false;
    for (uint32_t row = from; row < to; ++row) items |= first[row] != row;
    if (items) {
        for (uint32_t row = from; row < to; ++row) r.work.flags[row] |= r.work.flags[first[row]];
        for (const int32_t c : r.program.record_columns) spread_column(r.plan, r.work, c, from, to);
    }
    check_required(r, from, to);
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

// Step 1: finds the records of a text that holds whole ones of at most `rows` rows, and takes what these need. False
// when memory is exhausted. Between this and `walk` the caller gives `data` its columns of fixed width.
inline bool begin_records(const TextPlan& plan, BerFraming framing, const uint8_t* text, uint32_t length,
                          uint32_t rows, Work& w) {
    w = Work{};
    Records& r = w.records;
    w.length = length;
    if (!detail::take(r, r.begin, rows + 1) || !detail::take(r, r.end, rows + 1) ||
        !detail::take(r, r.fault, rows + 1) || !detail::take(r, r.row_record, rows + 1) ||
        !detail::take(r, r.row_first, rows + 1))
        return false;
    uint8_t* items = detail::take(w, 2 * (int64_t{rows} + 1));
    r.row_item = reinterpret_cast<int16_t*>(items);
    Cut cut;
    while (cut.end < length) {
        const uint32_t begin = cut.end;
        if (is_filler(framing, text, begin, length)) {
            ++r.filler_bytes;
            ++cut.end;
            continue;
        }
        if (!cut_record(framing, text, length, plan.frame.max_record_bytes, cut)) break;
        MEDIATION_CHECK(r.records < rows);
        r.begin[r.records] = begin;
        r.end[r.records] = cut.end;
        r.fault[r.records++] = 0;
    }
    r.filler_bytes += length - cut.end;
    return items && detail::take_columns(plan, rows, w);
}

// Step 2. Returns how many elements the table does not know; they are passed over.
inline int64_t walk(const TextPlan& plan, const BerProgram& program, const BerContext& context, const uint8_t* text,
                    uint32_t capacity, Work& work) {
    std::vector<uint8_t> filled((kMaxDepth + 1) * plan.columns.size());
    detail::Walk w{{plan, program, context, text, work}, capacity, filled.data()};
    Records& r = work.records;
    uint32_t finished = 0;
    for (uint32_t record = 0; record < r.records; ++record) {
        uint32_t name = 0;
        w.row.record = record;
        w.base = r.rows;
        w.items = w.open = 0;
        detail::begin_row(w, w.base, 0);
        const Code code = detail::walk_record(w, r.begin[record], r.end[record], name);
        if (code != Code::ok) {
            detail::clear_rows(plan, work, w.base, r.rows - w.base);
            r.rows = w.base;
            r.fault[record] = fault_of(code, name);
            r.faulty = true;
            ++r.rowless;
        }
        if (r.rows - finished >= detail::kRowsAhead) {
            detail::finish_rows(w.row, finished, r.rows);
            finished = r.rows;
        }
    }
    detail::finish_rows(w.row, finished, r.rows);
    detail::fill_header(w.row, r.rows);
    return w.row.unknown;
}

}  // namespace mediation
