// One text to columns: find the records, convert field by field, drop the faulty rows, copy what is text.
//
// Conventions: the steps are called in the order in which they stand here, each once; between them the caller adds the
// columns whose sizes the step before has told. All rows of a step are dense: row i of a column is the i-th sound
// record until `compact`, the i-th kept record after it.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "decode/fields.hpp"
#include "decode/records.hpp"

namespace mediation {

inline constexpr uint32_t kBlockRows = 1024;  // a block's text, bounds and columns stay in the second-level cache

struct Work {
    Records records;
    std::vector<std::shared_ptr<uint8_t>> blocks;
    std::vector<uint8_t*> data;    // by column; null for text and for columns without a field
    std::vector<uint8_t*> nulls;   // by column; null where nothing can be null
    std::vector<uint32_t*> begins, ends;  // by field; where bounds had to be trimmed
    std::vector<int64_t> unreadable;      // by column
    uint8_t* flags = nullptr;
    uint32_t* kept_rows = nullptr;
    uint32_t kept = 0;
    int64_t usage_bytes = 0;
    int64_t undecodable_bytes = 0;
    int64_t record_bytes = 0;
};

namespace detail {

inline uint8_t* take(Work& w, int64_t bytes) {
    auto block = Pool::instance().allocate(bytes);
    if (!block) return nullptr;
    w.blocks.push_back(block);
    return block.get();
}

template <class Use>
inline void with_extents(const TextPlan& plan, const Work& w, const uint8_t* text, size_t field, bool trimmed,
                         Use&& use) {
    const Records& r = w.records;
    const auto f = static_cast<uint32_t>(field);
    if (trimmed && w.begins[field]) use(Spans{text, w.begins[field], w.ends[field]});
    else if (plan.frame.framing == Framing::fixed)
        use(Fixed{text, r.row_first, plan.frame.starts[field], plan.frame.widths[field]});
    else if (plan.frame.framing == Framing::quoted) use(Quoted{text, r.begins, r.ends, r.row_first, f});
    else use(Delimited{text, r.separators.separators, r.row_first, f});
}

}  // namespace detail

// Step 1. False when memory is exhausted.
inline bool structure(const TextPlan& plan, Simd simd, const uint8_t* text, uint32_t length, Work& w) {
    if (!prepare(w.records, plan.frame, simd, text, length)) return false;
    find_records(plan.frame, simd, text, length, w.records);
    const int64_t rows = w.records.rows;
    w.data.assign(plan.columns.size(), nullptr);
    w.nulls.assign(plan.columns.size(), nullptr);
    w.unreadable.assign(plan.columns.size(), 0);
    w.begins.assign(plan.fields.size(), nullptr);
    w.ends.assign(plan.fields.size(), nullptr);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (!plan.columns[c].nullable || plan.columns[c].field < 0) continue;
        if (!(w.nulls[c] = detail::take(w, rows + 1))) return false;
        std::memset(w.nulls[c], 0, static_cast<size_t>(rows + 1));
    }
    for (size_t f = 0; f < plan.fields.size(); ++f) {
        if (plan.fields[f].type == FieldType::ignored || plan.fields[f].plain()) continue;
        w.begins[f] = reinterpret_cast<uint32_t*>(detail::take(w, rows * 4 + 4));
        w.ends[f] = reinterpret_cast<uint32_t*>(detail::take(w, rows * 4 + 4));
        if (!w.begins[f] || !w.ends[f]) return false;
    }
    w.flags = detail::take(w, rows + 1);
    w.kept_rows = reinterpret_cast<uint32_t*>(detail::take(w, rows * 4 + 4));
    if (!w.flags || !w.kept_rows) return false;
    std::memset(w.flags, 0, static_cast<size_t>(rows + 1));
    return true;
}

// Step 2. `data` points to the columns of fixed width.
inline void convert(const TextPlan& plan, const uint8_t* text, Work& w) {
    const uint32_t rows = w.records.rows;
    for (uint32_t from = 0; from < rows; from += kBlockRows) {
        const uint32_t to = std::min(rows, from + kBlockRows);
        for (size_t i = 0; i < plan.fields.size(); ++i) {
            const FieldPlan& f = plan.fields[i];
            if (f.type == FieldType::ignored) continue;
            const auto c = static_cast<size_t>(f.column);
            Target target{&w.records, w.data[c], w.nulls[c], w.flags};
            if (w.begins[i])
                detail::with_extents(plan, w, text, i, false, [&](auto extents) {
                    trim_field(f, extents, from, to, text, w.begins[i], w.ends[i]);
                });
            detail::with_extents(plan, w, text, i, true,
                                 [&](auto extents) { convert_field(f, extents, from, to, target); });
            w.unreadable[c] += target.unreadable;
        }
    }
    for (const FieldPlan& f : plan.fields)
        if (!f.required_if.empty() || !f.empty_if.empty())
            check_conditions(f, plan.columns, w.data, w.nulls, rows, w.records);
}

// The sum of a column over every row that could be read, faulty ones included; before `compact`.
inline __int128 control_sum(const TextPlan& plan, const Work& w, int32_t column) {
    __int128 sum = 0;
    const auto c = static_cast<size_t>(column);
    for (uint32_t row = 0; row < w.records.rows; ++row)
        sum += plan.columns[c].kind == Kind::decimal128 ? reinterpret_cast<const __int128*>(w.data[c])[row]
                                                        : reinterpret_cast<const int64_t*>(w.data[c])[row];
    return sum;
}

namespace detail {

template <typename T>
inline void keep_rows(uint8_t* data, const uint32_t* rows, uint32_t from, uint32_t kept) {
    T* values = reinterpret_cast<T*>(data);
    for (uint32_t i = from; i < kept; ++i) values[i] = values[rows[i]];
}

}  // namespace detail

// Step 3. Leaves the rows without a fault, counts bytes.
inline void compact(const TextPlan& plan, Work& w) {
    Records& r = w.records;
    uint32_t kept = 0;
    for (uint32_t row = 0; row < r.rows; ++row) {
        w.kept_rows[kept] = row;
        kept += r.fault[r.row_record[row]] == 0;
    }
    w.kept = kept;
    int64_t sound_bytes = 0, all_bytes = 0;
    for (uint32_t i = 0; i < kept; ++i) {
        const uint32_t record = r.row_record[w.kept_rows[i]];
        w.usage_bytes += r.end[record] - r.begin[record];
    }
    for (uint32_t row = 0; row < r.rows; ++row) sound_bytes += r.end[r.row_record[row]] - r.begin[r.row_record[row]];
    for (uint32_t i = 0; i < r.records; ++i) all_bytes += r.end[i] - r.begin[i];
    w.record_bytes = sound_bytes;
    w.undecodable_bytes = all_bytes - sound_bytes;
    if (kept == r.rows) return;
    uint32_t from = 0;
    while (from < kept && w.kept_rows[from] == from) ++from;
    detail::keep_rows<uint8_t>(w.flags, w.kept_rows, from, kept);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (w.nulls[c]) detail::keep_rows<uint8_t>(w.nulls[c], w.kept_rows, from, kept);
        if (!w.data[c]) continue;
        const int width = kWidths[static_cast<int>(plan.columns[c].kind)];
        if (width == 2) detail::keep_rows<int16_t>(w.data[c], w.kept_rows, from, kept);
        else if (width == 8) detail::keep_rows<int64_t>(w.data[c], w.kept_rows, from, kept);
        else detail::keep_rows<__int128>(w.data[c], w.kept_rows, from, kept);
    }
}

// Bytes that a text column needs at most; exactly, unless it has escapes or is not UTF-8.
inline int64_t text_bytes(const TextPlan& plan, const uint8_t* text, const Work& w, int32_t field) {
    int64_t bytes = 0;
    detail::with_extents(plan, w, text, static_cast<size_t>(field), true, [&](auto extents) {
        for (uint32_t i = 0; i < w.kept; ++i) bytes += extents.at(w.kept_rows[i]).length;
    });
    return plan.frame.encoding == Encoding::gb18030 ? bytes * 3 / 2 + 4 : bytes;
}

namespace detail {

inline uint8_t* copy_value(const TextPlan& plan, Span s, bool escaped, uint8_t* out) noexcept {
    const uint8_t quote = plan.frame.quote;
    if (plan.frame.encoding != Encoding::gb18030) {
        if (!escaped) {
            std::memcpy(out, s.begin, s.length);
            return out + s.length;
        }
        for (uint32_t i = 0; i < s.length; ++i) {
            *out++ = s.begin[i];
            i += s.begin[i] == quote;
        }
        return out;
    }
    const uint8_t* at = s.begin;
    const uint8_t* end = at + s.length;
    while (at < end) {  // a quote is ASCII and never the second byte of a character
        const uint32_t n = escaped ? gb18030_at(plan.frame.gb18030, at, end).bytes : static_cast<uint32_t>(s.length);
        out = gb18030_to_utf8(plan.frame.gb18030, at, at + n, out);
        if (escaped && *at == quote) ++at;
        at += n ? n : 1;
    }
    return out;
}

}  // namespace detail

// Step 4, for each text column.
inline void copy_text(const TextPlan& plan, const uint8_t* text, const Work& w, int32_t field, ColumnOut& out) {
    uint8_t* at = out.data;
    detail::with_extents(plan, w, text, static_cast<size_t>(field), true, [&](auto extents) {
        for (uint32_t i = 0; i < w.kept; ++i) {
            at = detail::copy_value(plan, extents.at(w.kept_rows[i]), extents.escaped(w.kept_rows[i]), at);
            out.offsets[i + 1] = static_cast<int32_t>(at - out.data);
        }
    });
}

// Step 5. Null bits from null bytes; a column without a field is constant or wholly null.
inline void finish_nulls(const ColumnPlan& plan, const uint8_t* nulls, uint32_t rows, ColumnOut& out) {
    if (plan.field >= 0) {
        if (nulls)
            for (uint32_t i = 0; i < rows; ++i)
                if (nulls[i]) out.set_null(i);
        return;
    }
    if (plan.filled) {
        for (uint32_t i = 0; i < rows; ++i) out.i16()[i] = plan.constant;
        return;
    }
    std::memset(out.validity, 0, static_cast<size_t>((rows + 7) / 8));
    out.null_count = rows;
    if (has_offsets(plan.kind)) std::memset(out.offsets, 0, (size_t{rows} + 1) * 4);
    else std::memset(out.data, 0, size_t{rows} * static_cast<size_t>(kWidths[static_cast<int>(plan.kind)]));
}

// Step 6. What follows from the fields: another record type, the segments of a message, flags.
inline void derive(const TextPlan& plan, const Work& w, const std::vector<ColumnOut*>& columns) {
    auto column = [&](int32_t c) -> ColumnOut* { return c < 0 ? nullptr : columns[static_cast<size_t>(c)]; };
    for (const Derivation& d : plan.derivations) {
        int16_t* type = column(plan.record_type)->i16();
        const ColumnOut* text = column(d.text_column);
        for (uint32_t i = 0; i < w.kept; ++i) {
            if (!d.from[static_cast<size_t>(type[i])]) continue;
            const std::string_view value{reinterpret_cast<const char*>(text->data) + text->offsets[i],
                                         static_cast<size_t>(text->offsets[i + 1] - text->offsets[i])};
            for (const std::string& prefix : d.starts_with)
                if (value.substr(0, prefix.size()) == prefix) type[i] = d.becomes;
        }
    }
    if (!plan.ucs2.empty()) {
        ColumnOut* out = column(plan.message_segments);
        const ColumnOut* length = column(plan.message_length);
        const ColumnOut* coding = column(plan.message_coding);
        for (uint32_t i = 0; i < w.kept; ++i) {
            out->i64()[i] = 0;
            const bool ucs2 = coding->valid(i) && plan.ucs2[static_cast<size_t>(coding->i16()[i])];
            if (!length->valid(i)) out->set_null(i);
            else out->i64()[i] = message_segments(length->i64()[i], ucs2);
        }
    }
    if (ColumnOut* flags = column(plan.flags)) {
        const ColumnOut *start = column(plan.start_time), *end = column(plan.end_time);
        const ColumnOut* duration = column(plan.duration);
        const bool compare = plan.duration_tolerance_s >= 0 && start && end && duration;
        for (uint32_t i = 0; i < w.kept; ++i) {
            int64_t value = w.flags[i];
            if (compare && start->valid(i) && end->valid(i) && duration->valid(i)) {
                const int64_t elapsed_s = (end->i64()[i] - start->i64()[i]) / detail::kSecond;
                const __int128 apart = static_cast<__int128>(elapsed_s) - duration->i64()[i];
                value |= (apart < 0 ? -apart : apart) > plan.duration_tolerance_s;
            }
            flags->i64()[i] = value;
        }
    }
}

// Provenance of the kept rows.
inline void provenance(const Work& w, int32_t source_id, int64_t byte_offset, int32_t* source, int64_t* record_no,
                       int16_t* item_no, int64_t* offset, int64_t* length) {
    const Records& r = w.records;
    for (uint32_t i = 0; i < w.kept; ++i) {
        const uint32_t record = r.row_record[w.kept_rows[i]];
        source[i] = source_id;
        record_no[i] = record;
        item_no[i] = 0;
        offset[i] = byte_offset + r.begin[record];
        length[i] = r.end[record] - r.begin[record];
    }
}

}  // namespace mediation
