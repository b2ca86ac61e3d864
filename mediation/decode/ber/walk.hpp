// The interpreter of a tag table: one record after the other, each element once, what is open on a small stack.
//
// Conventions
// - Steps as in decode/text.hpp: `begin_records`, `walk`, then its `compact` and what follows it; text columns are
//   copied by `copy_coded`.
// - A record whose elements do not nest has no row: it is undecodable, with the code and the innermost element's name.
// - An item is a row of its own; values beside it belong to the record, and are said again in each of its rows. An item
//   that holds items is to these as the record is, but without any of them it has no row.
// - An element that says without items what they say with them waits until the record has shown that it has none.
#pragma once

#include "decode/ber/copy.hpp"
#include "decode/ber/items.hpp"
#include "decode/ber/rows.hpp"
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
    uint32_t capacity;         // rows
    uint8_t* filled;           // by column: of the record's first row, and of an item's at each depth
    uint32_t cleared = 0;      // rows that are made ready
    uint32_t base = 0;         // the record's first row
    bool taken = false;        // of the row at hand: an item has begun in it
    uint32_t waiting = 0;      // the first node that waits; its contents
    uint32_t waiting_begin = 0, waiting_end = 0;
    uint32_t open = 0;
    Level levels[kMaxDepth] = {};
    Place beside[kMaxDepth] = {};  // of an item: where what stands beside it goes
};

[[gnu::noinline]] inline void clear_ahead(Walk& w) noexcept {
    MEDIATION_CHECK(w.cleared < w.capacity);
    const uint32_t count = std::min(kRowsAhead, w.capacity - w.cleared);
    clear_rows(w.row.plan, w.row.work, w.cleared, count);
    w.cleared += count;
}

inline void begin_row(Walk& w, uint32_t row, uint32_t item) noexcept {
    Records& r = w.row.work.records;
    const size_t columns = w.row.plan.columns.size();
    if (row == w.cleared) clear_ahead(w);
    w.row.row = row;
    w.row.filled = w.filled + w.open * columns;
    std::memset(w.row.filled, 0, columns);
    r.row_record[row] = w.row.record;
    r.row_first[row] = w.base;
    r.row_item[row] = static_cast<int16_t>(item);
    r.rows = row + 1;
}

// The row of the item that begins: the first of a record, or of an item, stands in the row of that.
inline Code begin_item(Walk& w) noexcept {
    const uint32_t row = w.row.work.records.rows, item = row - w.base;
    if (w.taken) {
        if (item >= kMostItems) return Code::too_many_items;
        begin_row(w, row, item);
    }
    w.taken = false;
    return Code::ok;
}

// Nothing of the item at hand stays: neither its row nor, in the row of what it stands in, what it alone says.
inline void take_back(Walk& w, const int32_t* columns, uint32_t count, bool has_row) noexcept {
    BerRow& r = w.row;
    w.taken = has_row;
    if (has_row) {
        clear_rows(r.plan, r.work, r.row, 1);
        r.work.records.rows = r.row;
        return;
    }
    for (uint32_t i = 0; i < count; ++i) {
        clear_column(r.plan, r.work, static_cast<size_t>(columns[i]), r.row, 1);
        r.filled[columns[i]] = 0;
    }
}

// The item's row is complete, or taken back where it was to hold items and had none; what follows goes to the row
// beside it.
inline void end_item(Walk& w, const BerNode& node, const Place& beside) noexcept {
    const bool any_inside = w.taken, has_row = w.row.row != beside.row;
    w.taken = true;
    if (node.columns) {
        const int32_t* columns = &w.row.program.item_columns[node.first_column];
        if (any_inside) say_again(w.row, columns, node.columns);
        else take_back(w, columns, node.columns, has_row);
    }
    w.row.row = beside.row;
    w.row.filled = beside.filled;
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
    const bool has_members = found && node.has_children && e.constructed;
    const bool opens = has_members && !node.waits;
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
    if (!opens) {
        if (has_members && !w.waiting) {
            w.waiting = found;
            w.waiting_begin = e.content;
            w.waiting_end = static_cast<uint32_t>(e.end);
        }
        return Code::ok;
    }
    MEDIATION_CHECK(w.open < kMaxDepth);  // no path of a table is that long
    const uint32_t end = e.indefinite ? limit : static_cast<uint32_t>(e.end);
    Level& level = w.levels[w.open++] = {found, end, e.indefinite};
    level.item = node.item && !level.ends(w.row.text, at);
    if (!level.item) return Code::ok;
    w.beside[w.open - 1] = {w.row.row, w.row.filled};
    return begin_item(w);
}

// Walks to the end of what is open. `name` is that of the innermost element that was open where it went wrong.
inline Code walk_open(Walk& w, uint32_t& at, uint32_t& name) noexcept {
    const BerProgram& program = w.row.program;
    Code code = Code::ok;
    while (code == Code::ok && w.open) {
        const Level& level = w.levels[w.open - 1];
        const BerNode& node = program.nodes[level.node];
        name = node.name;
        if (level.ends(w.row.text, at)) {
            at += level.indefinite ? 2 : 0;
            --w.open;
            if (level.item) end_item(w, node, w.beside[w.open]);
        } else {
            code = at < level.end ? take_element(w, node, level.end, at) : Code::element_overrun;
        }
    }
    return code;
}

// Walks the record [begin, end).
inline Code walk_record(Walk& w, uint32_t begin, uint32_t end, uint32_t& name) noexcept {
    uint32_t at = begin;
    if (end - begin > w.row.plan.frame.max_record_bytes) return Code::record_too_long;
    at += head_of(w.row.context.framing, w.row.text, begin);
    if (w.row.context.framing.kind == BerFraming::cdrs) {
        if (!cdr_is_ber(w.row.text, begin)) return Code::unknown_value;
        if (at == end) return Code::element_overrun;
    }
    Code code = take_element(w, w.row.program.nodes[0], end, at);
    if (code == Code::ok) code = walk_open(w, at, name);
    if (code != Code::ok || at != end) return code == Code::ok ? Code::trailing_bytes : code;
    if (w.waiting && !w.taken) {
        w.levels[w.open++] = {w.waiting, w.waiting_end};
        code = walk_open(w, w.waiting_begin, name);
    }
    return code;
}

// Whether the texts of the record at hand, which is alone in its portion, are too long where each of its rows has them.
[[gnu::noinline]] inline bool says_too_much(const Walk& w) noexcept {
    Work& work = w.row.work;
    const uint32_t again = work.records.rows - w.base - 1;
    uint64_t octets = 0;
    for (const int64_t bytes : work.text_bytes) octets += static_cast<uint64_t>(bytes);
    for (const int32_t c : w.row.program.record_columns) {
        const ColumnPlan& column = w.row.plan.columns[static_cast<size_t>(c)];
        if (column.kind != Kind::utf8) continue;
        const uint32_t kept = work.ends[static_cast<size_t>(column.field)][w.base];
        octets += uint64_t{again} * most_characters(kept);
    }
    if (octets <= kMostSaid) return false;
    std::fill(work.text_bytes.begin(), work.text_bytes.end(), 0);
    return true;
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
        w.taken = false;
        w.open = w.waiting = 0;
        detail::begin_row(w, w.base, 0);
        Code code = detail::walk_record(w, r.begin[record], r.end[record], name);
        const bool is_long = uint64_t{r.rows - w.base} * (r.end[record] - r.begin[record]) > kMostSaid;
        if (code == Code::ok && is_long && detail::says_too_much(w)) code = Code::too_many_items;
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
    for (uint32_t from = 0; from < r.rows; from += kBlockRows)
        detail::check_rules(plan, from, std::min(r.rows - from, kBlockRows), work);
    return w.row.unknown;
}

}  // namespace mediation
