// Records as they are nested: one row each, and rows of their own for what repeats in them.
//
// Conventions
// - Table 0 has a row for every record, table l + 1 one for every element of list l, in the order of the text. What is
//   there once has its columns in the table of what it stands in.
// - A mark is a column that is null where its struct or list is missing. Offsets of a list say for every row of the
//   table that it stands in where its elements begin.
// - The records have been taken: nothing here rejects one. What is left out of a row is counted in it.
// - Steps: `count_nested`, `take_tables`, `clear_tables`, `walk_nested`, `finish_offsets`; `copy_coded` copies text.
#pragma once

#include <algorithm>

#include "decode/ber/walk.hpp"

namespace mediation {

// Beside a node of the program: what an element there is to the nested table.
struct NestedNode {
    uint32_t first_open = 0, opens = 0;  // lists that are there with it, be they without elements
    int32_t mark = -1;                   // column of the struct or flag that it is
    int32_t list = -1;                   // that it is an element of
    int16_t record = -1;                 // code of the record that it is
};

struct NestedList {
    uint32_t above = 0;  // table that it stands in
    uint32_t mark = 0;   // column there
};

struct NestedProgram {
    std::vector<NestedNode> nodes;      // by node of the program
    std::vector<uint32_t> opens;
    std::vector<NestedList> lists;
    std::vector<uint32_t> column_table;  // by column
};

struct NestedRecord {
    uint32_t begin, end;
};

// What a row of table 0 does not have, though its record does.
struct LeftOut {
    int64_t* unknown;     // elements that the table does not name
    int64_t* repeated;    // … that are there again where the table has one
    int64_t* unreadable;  // … that are not what the table says
    int16_t* record;      // the record's code
};

namespace detail {

struct NestedLevel {
    uint32_t node;
    uint32_t end;    // of its contents
    uint32_t next;   // behind it
    uint32_t table, row;  // that values went to before it
};

struct NestedWalk {
    BerRow row;
    const NestedProgram& nested;
    std::vector<uint32_t>& rows;               // of each table, so far
    const std::vector<uint32_t*>& offsets;     // by list
    LeftOut out;
    uint32_t table = 0;
    uint32_t open = 0;
    NestedLevel levels[kMaxDepth] = {};

    int64_t& counted(int64_t* column) const noexcept { return column[rows[0] - 1]; }
    uint8_t& missing(uint32_t column) const noexcept { return row.work.nulls[column][row.row]; }
};

inline void open_list(NestedWalk& w, uint32_t list) noexcept {
    uint8_t& missing = w.missing(w.nested.lists[list].mark);
    if (missing) w.offsets[list][w.row.row] = w.rows[list + 1];
    missing = 0;
}

// Values that mean nothing without the file's header.
inline bool by_header(Coding coding) noexcept {
    return coding == Coding::tap_time || coding == Coding::entity || coding == Coding::rate;
}

// Values of an element that is there once: the first counts.
inline void store_values(NestedWalk& w, const BerNode& node, const Element& e) noexcept {
    const BerAction* actions = &w.row.program.actions[node.first_action];
    const FieldPlan& first = w.row.plan.fields[actions->field];
    if (!w.missing(static_cast<uint32_t>(first.column))) {
        ++w.counted(w.out.repeated);
        return;
    }
    for (uint32_t i = 0; i < node.actions; ++i) {
        const FieldPlan& f = w.row.plan.fields[actions[i].field];
        w.row.filled[f.column] = !w.missing(static_cast<uint32_t>(f.column));
        store(w.row, actions[i], e.constructed, e.content, static_cast<uint32_t>(e.end));
    }
    uint32_t& fault = w.row.work.records.fault[0];
    const bool unexplained = by_header(actions->coding) && e.content < e.end &&
                             w.missing(static_cast<uint32_t>(first.column));
    w.counted(w.out.unreadable) += fault != 0 || unexplained;
    fault = 0;
}

// Notes an element that the table names. False when all of it is passed over.
inline bool take_nested(NestedWalk& w, uint32_t found, const BerNode& node, const Element& e) noexcept {
    const NestedNode& n = w.nested.nodes[found];
    if (node.has_children && !node.actions && !e.constructed) {
        ++w.counted(w.out.unreadable);
        return false;
    }
    for (uint32_t i = 0; i < n.opens; ++i) open_list(w, w.nested.opens[n.first_open + i]);
    if (n.record >= 0) w.out.record[w.row.row] = n.record;
    if (n.mark >= 0) {
        uint8_t& missing = w.missing(static_cast<uint32_t>(n.mark));
        if (!missing) {
            ++w.counted(w.out.repeated);
            return false;
        }
        missing = 0;
    }
    return true;
}

// The row of a list's element.
inline void begin_nested(NestedWalk& w, uint32_t list) noexcept {
    w.table = list + 1;
    w.row.row = w.rows[w.table]++;
}

// The element at hand, of the level that is open. Without `kFill` rows are counted, at least as many as there will be.
template <bool kFill>
inline void nested_element(NestedWalk& w, const BerNode& parent, const Element& e, uint32_t next,
                           uint32_t& at) noexcept {
    const uint32_t found = node_of(w.row.program, parent, w.row.text, e);
    at = next;
    if (!found) {
        if (kFill) ++w.counted(w.out.unknown);
        return;
    }
    const BerNode& node = w.row.program.nodes[found];
    const int32_t list = w.nested.nodes[found].list;
    const bool opens = node.has_children && e.constructed;
    const bool too_deep = opens && w.open == kMaxDepth;
    if (kFill && too_deep) ++w.counted(w.out.unreadable);
    if (kFill && !take_nested(w, found, node, e)) return;
    const NestedLevel level{found, static_cast<uint32_t>(e.end), next, w.table, w.row.row};
    if (list >= 0) begin_nested(w, static_cast<uint32_t>(list));
    if (kFill && node.actions) store_values(w, node, e);
    if (opens && !too_deep) {
        w.levels[w.open++] = level;
        at = e.content;
        return;
    }
    w.table = level.table;
    w.row.row = level.row;
}

// One record. Where no element can be read, what is left of the innermost one that is open is passed over.
template <bool kFill>
inline void nested_record(NestedWalk& w, NestedRecord record) noexcept {
    w.table = 0;
    w.row.row = w.rows[0]++;
    w.levels[0] = {0, record.end, record.end, 0, w.row.row};
    w.open = 1;
    uint32_t at = record.begin + head_of(w.row.context.framing, w.row.text, record.begin);
    while (w.open) {
        const NestedLevel level = w.levels[w.open - 1];
        if (at >= level.end) {
            at = level.next;
            w.table = level.table;
            w.row.row = level.row;
            --w.open;
            continue;
        }
        Element e;
        uint32_t next = 0;
        const Code code = whole_element(w.row.text, at, level.end, e, next);
        if (code == Code::ok && e.tag != 0) {
            nested_element<kFill>(w, w.row.program.nodes[level.node], e, next, at);
            continue;
        }
        at = level.end;
        if (kFill) ++w.counted(w.out.unreadable);
    }
}

template <bool kFill>
inline void nested_records(NestedWalk& w, const std::vector<NestedRecord>& records) noexcept {
    std::fill(w.rows.begin(), w.rows.end(), 0u);
    for (const NestedRecord& record : records) nested_record<kFill>(w, record);
}

}  // namespace detail

// Step 1: at most so many rows of every table.
inline std::vector<uint32_t> count_nested(const TextPlan& plan, const BerProgram& program, const NestedProgram& nested,
                                          const BerContext& context, const uint8_t* text,
                                          const std::vector<NestedRecord>& records) {
    Work none;
    std::vector<uint32_t> rows(nested.lists.size() + 1);
    detail::NestedWalk w{{plan, program, context, text, none}, nested, rows, {}, {}};
    detail::nested_records<false>(w, records);
    return rows;
}

// Step 2: takes what the rows need but for columns of fixed width, which the caller adds to `data`. False when memory
// is exhausted.
inline bool take_tables(const TextPlan& plan, const NestedProgram& nested, const std::vector<uint32_t>& rows, Work& w) {
    w = Work{};
    const size_t columns = plan.columns.size(), fields = plan.fields.size();
    w.data.assign(columns, nullptr);
    w.nulls.assign(columns, nullptr);
    w.unreadable.assign(columns, 0);
    w.begins.assign(fields, nullptr);
    w.ends.assign(fields, nullptr);
    w.text_bytes.assign(fields, 0);
    w.zone_hints.assign(fields, 0);
    const int64_t most = *std::max_element(rows.begin(), rows.end());
    if (!(w.flags = detail::take(w, most + 1)) || !detail::take(w.records, w.records.fault, 1)) return false;
    w.records.fault[0] = 0;
    for (size_t c = 0; c < columns; ++c) {
        const int64_t count = rows[nested.column_table[c]];
        if (!(w.nulls[c] = detail::take(w, count + 16))) return false;
        std::memset(w.nulls[c], 1, static_cast<size_t>(count) + 16);
        if (plan.columns[c].kind != Kind::utf8) continue;
        const auto f = static_cast<size_t>(plan.columns[c].field);
        if (!(w.begins[f] = detail::take_rows(w, count)) || !(w.ends[f] = detail::take_rows(w, count))) return false;
        for (uint32_t* bounds : {w.begins[f], w.ends[f]}) std::fill_n(bounds, count, 0u);
    }
    return true;
}

// Step 3, when columns of fixed width are there: makes rows as if nothing had been written to them.
inline void clear_tables(const TextPlan& plan, const NestedProgram& nested, const std::vector<uint32_t>& rows,
                         const LeftOut& out, const Work& w) noexcept {
    for (int64_t* column : {out.unknown, out.repeated, out.unreadable}) std::fill_n(column, rows[0], int64_t{0});
    std::fill_n(out.record, rows[0], int16_t{-1});
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        const auto width = static_cast<size_t>(kWidths[static_cast<int>(plan.columns[c].kind)]);
        if (width) std::memset(w.data[c], 0, rows[nested.column_table[c]] * width);
    }
}

// Step 4: `rows` becomes what every table has.
inline void walk_nested(const TextPlan& plan, const BerProgram& program, const NestedProgram& nested,
                        const BerContext& context, const uint8_t* text, const std::vector<NestedRecord>& records,
                        const std::vector<uint32_t*>& offsets, const LeftOut& out, std::vector<uint32_t>& rows,
                        Work& work) {
    std::vector<uint8_t> filled(plan.columns.size());
    detail::NestedWalk w{{plan, program, context, text, work}, nested, rows, offsets, out};
    w.row.filled = filled.data();
    detail::nested_records<true>(w, records);
}

// Step 5: where a list is missing it begins where the next one does.
inline void finish_offsets(const NestedProgram& nested, uint32_t list, const std::vector<uint32_t>& rows,
                           const Work& work, uint32_t* offsets) noexcept {
    const uint32_t count = rows[nested.lists[list].above];
    const uint8_t* missing = work.nulls[nested.lists[list].mark];
    offsets[count] = rows[list + 1];
    for (uint32_t row = count; row-- > 0;)
        if (missing[row]) offsets[row] = offsets[row + 1];
}

}  // namespace mediation
