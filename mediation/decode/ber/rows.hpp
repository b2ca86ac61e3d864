// Rows of BER records: made ready, said again for what stands beside items, and finished.
//
// Conventions: what a record says beside its items is spread over many records' rows at once, column by column; what an
// item says beside the items inside it is copied when it ends.
#pragma once

#include <algorithm>

#include "decode/ber/values.hpp"

namespace mediation {

namespace detail {

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

// ------------------------------------------------------------------------------------------- nested items

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
        work.text_bytes[field] += most_characters(work.ends[field][from]);
        return;
    }
    uint8_t* data = work.data[static_cast<size_t>(c)];
    switch (kWidths[static_cast<int>(column.kind)]) {
        case 2: return repeat<int16_t>(data, from, to);
        case 16: return repeat<__int128>(data, from, to);
        default: return repeat<int64_t>(data, from, to);
    }
}

// What the item of the row at hand says beside the items inside it, in the rows of these.
inline void say_again(BerRow& r, const int32_t* columns, uint32_t count) noexcept {
    for (uint32_t row = r.row + 1; row < r.work.records.rows; ++row) {
        r.work.flags[row] |= r.work.flags[r.row];
        for (uint32_t i = 0; i < count; ++i) copy_cell(r.plan, r.work, columns[i], r.row, row);
    }
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
            bytes += most_characters(work.ends[field][row]) * (first[row] != row);
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

}  // namespace mediation
