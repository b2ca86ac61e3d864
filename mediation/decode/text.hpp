// One text to columns: find the records, convert field by field, drop the faulty rows, copy what is text.
//
// Conventions: the steps are called in the order in which they stand here, each once; between them the caller adds the
// columns whose sizes the step before has told. All rows of a step are dense: row i of a column is the i-th sound
// record until `compact`, the i-th kept record after it.
#pragma once

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "decode/fields.hpp"
#include "decode/records.hpp"

namespace mediation {

// Rows that stay: `count` of them from `row`; where each record is a row, of the records from `record`.
struct Run {
    uint32_t row, record, count;
};

struct Work {
    Records records;
    Simd simd = Simd::base;
    std::vector<std::shared_ptr<uint8_t>> blocks;
    std::vector<uint8_t*> data;    // by column; null for text and for columns without a field
    std::vector<uint8_t*> nulls;   // by column; null where nothing can be null
    std::vector<uint32_t*> begins, ends;  // by field: of text for all rows, else for those of one block
    std::vector<int64_t> text_bytes;      // by field; of all rows
    std::vector<uint32_t> zone_hints;     // by field
    std::vector<int64_t> unreadable;      // by column
    uint8_t* flags = nullptr;
    std::vector<Run> runs;          // of the rows that are kept
    uint32_t* kept_rows = nullptr;  // … one by one; null: all of them
    uint32_t kept = 0;
    int64_t length = 0;  // of the text
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

inline uint32_t* take_rows(Work& w, int64_t rows) {
    return reinterpret_cast<uint32_t*>(take(w, (rows + kSpareRows) * 4));
}

inline bool take_bounds(const TextPlan& plan, Work& w) {
    const size_t fields = plan.fields.size();
    w.begins.assign(fields, nullptr);
    w.ends.assign(fields, nullptr);
    constexpr int64_t kRows = kBlockRows + kSpareRows;
    uint32_t* block = take_rows(w, 2 * kRows * static_cast<int64_t>(fields));
    if (!block) return false;
    for (size_t f = 0; f < fields; ++f) {
        if (plan.fields[f].type == FieldType::ignored) continue;
        const bool kept = plan.fields[f].type == FieldType::text;
        w.begins[f] = kept ? take_rows(w, w.records.rows) : block + 2 * kRows * static_cast<int64_t>(f);
        w.ends[f] = kept ? take_rows(w, w.records.rows) : w.begins[f] + kRows;
        if (!w.begins[f] || !w.ends[f]) return false;
    }
    return true;
}

}  // namespace detail

// Step 1. False when memory is exhausted.
inline bool structure(const TextPlan& plan, Simd simd, const uint8_t* text, uint32_t length, Work& w) {
    if (!prepare(w.records, plan.frame, simd, text, length)) return false;
    if (plan.frame.framing != Framing::json) find_records(plan.frame, text, length, w.records);
    else if (!find_json(plan.json, plan.frame, text, length, w.records)) return false;
    const int64_t rows = w.records.rows;
    w.simd = simd;
    w.length = length;
    w.data.assign(plan.columns.size(), nullptr);
    w.nulls.assign(plan.columns.size(), nullptr);
    w.unreadable.assign(plan.columns.size(), 0);
    w.text_bytes.assign(plan.fields.size(), 0);
    w.zone_hints.assign(plan.fields.size(), 0);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (!plan.columns[c].nullable || plan.columns[c].field < 0) continue;
        if (!(w.nulls[c] = detail::take(w, rows + kSpareRows))) return false;
    }
    if (!detail::take_bounds(plan, w)) return false;
    if (!(w.flags = detail::take(w, rows + 1))) return false;
    std::memset(w.flags, 0, static_cast<size_t>(rows + 1));
    return true;
}

// What the fields' bounds are positions in: from here on converters are given it as the text.
inline const uint8_t* values_of(const uint8_t* text, const Work& w) noexcept {
    return w.records.values ? w.records.values : text;
}

namespace detail {

inline void convert_block(const TextPlan& plan, const uint8_t* text, size_t field, uint32_t from, uint32_t count,
                          uint32_t* begins, uint32_t* ends, Work& w) noexcept {
    const FieldPlan& f = plan.fields[field];
    const auto c = static_cast<size_t>(f.column);
    if (!f.plain()) trim(f, text, count, begins, ends);
    uint8_t* data = w.data[c] ? w.data[c] + size_t{from} * kWidths[static_cast<int>(plan.columns[c].kind)] : nullptr;
    Target target{&w.records, w.records.row_record + from, data, w.nulls[c] ? w.nulls[c] + from : nullptr,
                  w.flags + from, &w.zone_hints[field]};
    convert_field(w.simd, f, {text, begins, ends, count}, target);
    w.unreadable[c] += target.unreadable;
    if (f.type == FieldType::text) w.text_bytes[field] += total_length(begins, ends, count);
}

inline void check_rules(const TextPlan& plan, uint32_t from, uint32_t count, Work& w) {
    for (const FieldPlan& f : plan.fields)
        if (!f.required_if.empty() || !f.empty_if.empty())
            check_conditions(f, plan.columns, w.data, w.nulls, from, count, w.records);
}

}  // namespace detail

// Step 2. `data` points to the columns of fixed width.
inline void convert(const TextPlan& plan, const uint8_t* text, Work& w) {
    const uint32_t rows = w.records.rows;
    // A record's items may lie in two blocks: which of two faults of a field comes first must not depend on that.
    const bool has_items = plan.frame.framing == Framing::json;
    std::vector<uint32_t*> begins(plan.fields.size()), ends(plan.fields.size());  // of the block
    for (uint32_t from = 0; from < rows; from += kBlockRows) {
        const uint32_t count = std::min(rows - from, kBlockRows);
        for (size_t i = 0; i < plan.fields.size(); ++i) {
            const uint32_t first = plan.fields[i].type == FieldType::text ? from : 0;
            begins[i] = w.begins[i] ? w.begins[i] + first : nullptr;
            ends[i] = w.ends[i] ? w.ends[i] + first : nullptr;
        }
        locate(w.simd, plan.frame, w.records, from, count, begins.data(), ends.data());
        for (size_t i = 0; i < plan.fields.size(); ++i)
            if (begins[i]) detail::convert_block(plan, text, i, from, count, begins[i], ends[i], w);
        if (!has_items) detail::check_rules(plan, from, count, w);
    }
    for (uint32_t from = 0; has_items && from < rows; from += kBlockRows)
        detail::check_rules(plan, from, std::min(rows - from, kBlockRows), w);
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

// Moves the kept rows of a column together, a run of neighbours at a time.
inline void keep_rows(uint8_t* data, size_t width, const std::vector<Run>& runs) noexcept {
    uint8_t* out = data;
    for (const Run& run : runs) {
        const uint8_t* from = data + run.row * width;
        if (out != from) std::memmove(out, from, run.count * width);
        out += run.count * width;
    }
}

// What stays where every record has one row or none: looks at the faults, of which there are few.
inline void find_kept(Work& w) {
    const Records& r = w.records;
    uint32_t row = 0, record = 0;  // of the run that goes on
    for (uint32_t at = 0;; ++at) {
        if (at < r.records && r.fault[at] == 0) continue;
        const uint32_t count = at - record;
        if (count) w.runs.push_back({row, record, count});
        std::iota(w.kept_rows + w.kept, w.kept_rows + w.kept + count, row);
        w.kept += count;
        row += count;
        record = at + 1;
        if (at == r.records) return;
        const uint32_t bytes = r.end[at] - r.begin[at];
        const bool has_row = row < r.rows && r.row_record[row] == at;
        row += has_row;
        w.usage_bytes -= bytes;
        w.record_bytes -= has_row ? 0 : bytes;
    }
}

// The same where a record may have many rows: one by one.
inline void find_kept_items(Work& w) {
    const Records& r = w.records;
    w.record_bytes = w.usage_bytes = 0;
    for (uint32_t row = 0; row < r.rows; ++row) {
        const uint32_t record = r.row_record[row];
        const uint32_t bytes = r.row_item[row] ? 0 : r.end[record] - r.begin[record];
        const bool sound = r.fault[record] == 0;
        w.record_bytes += bytes;
        w.usage_bytes += sound ? bytes : 0;
        w.kept_rows[w.kept] = row;
        w.kept += sound;
        if (!sound) continue;
        if (w.runs.empty() || w.runs.back().row + w.runs.back().count != row) w.runs.push_back({row, record, 0});
        ++w.runs.back().count;
    }
}

}  // namespace detail

// Step 3. Leaves the rows without a fault, counts bytes. False when memory is exhausted.
inline bool compact(const TextPlan& plan, Work& w) {
    const Records& r = w.records;
    w.record_bytes = w.usage_bytes = w.length - r.filler_bytes;
    if (!r.faulty) {
        w.kept = r.rows;
        w.runs.push_back({0, 0, r.rows});
        return true;
    }
    if (!(w.kept_rows = detail::take_rows(w, r.rows))) return false;
    if (r.row_item) detail::find_kept_items(w);
    else detail::find_kept(w);
    w.undecodable_bytes = w.length - r.filler_bytes - w.record_bytes;
    detail::keep_rows(w.flags, 1, w.runs);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (w.nulls[c]) detail::keep_rows(w.nulls[c], 1, w.runs);
        const auto width = static_cast<size_t>(kWidths[static_cast<int>(plan.columns[c].kind)]);
        if (w.data[c]) detail::keep_rows(w.data[c], width, w.runs);
    }
    return true;
}

// Bytes that a text column needs at most.
inline int64_t text_bytes(const TextPlan& plan, const Work& w, int32_t field) {
    const int64_t bytes = w.text_bytes[static_cast<size_t>(field)];
    return plan.frame.encoding == Encoding::gb18030 ? bytes * 3 / 2 + 4 : bytes;
}

namespace detail {

inline uint8_t* copy_value(const TextPlan& plan, Span s, bool escaped, uint8_t* out) noexcept {
    const uint8_t quote = plan.frame.quote;
    if (plan.frame.encoding != Encoding::gb18030) {  // escaped: others are copied as they are
        for (uint32_t i = 0; i < s.length; ++i) {
            *out++ = s.begin[i];
            i += s.begin[i] == quote;
        }
        return out;
    }
    const uint8_t* at = s.begin;
    const uint8_t* end = at + s.length;
    while (at < end) {  // a quote is ASCII and never the second byte of a character
        const uint32_t n = escaped ? std::max(gb18030_at(plan.frame.gb18030, at, end).bytes, 1u) : s.length;
        out = gb18030_to_utf8(plan.frame.gb18030, at, at + n, out);
        if (escaped && *at == quote) ++at;
        at += n;
    }
    return out;
}

// Whole registers, where they hold the value: text and column end in padding.
inline void copy_bytes(uint8_t* out, const uint8_t* from, uint32_t length) noexcept {
    if (length <= 16) std::memcpy(out, from, 16);
    else if (length <= 32) std::memcpy(out, from, 32);
    else std::memcpy(out, from, length);
}

}  // namespace detail

// Step 4, for each text column.
inline void copy_text(const TextPlan& plan, const uint8_t* text, const Work& w, int32_t field, ColumnOut& out) {
    const auto f = static_cast<size_t>(field);
    const uint32_t *begins = w.begins[f], *ends = w.ends[f];
    const bool as_is = plan.frame.encoding != Encoding::gb18030, quoted = plan.frame.framing == Framing::quoted;
    uint8_t* at = out.data;
    for (uint32_t i = 0; i < w.kept; ++i) {
        const uint32_t row = w.kept_rows ? w.kept_rows[i] : i, length = ends[row] - begins[row];
        const bool escaped = quoted && w.records.begins[w.records.row_first[row] + f] & kEscaped;
        if (as_is && !escaped) {
            detail::copy_bytes(at, text + begins[row], length);
            at += length;
        } else {
            at = detail::copy_value(plan, {text + begins[row], length}, escaped, at);
        }
        out.offsets[i + 1] = static_cast<int32_t>(at - out.data);
    }
}

namespace detail {

// Eight null bytes (0 or 1; after the last row anything) as bits.
inline uint64_t null_bits(const uint8_t* nulls) noexcept {
    uint64_t word;
    std::memcpy(&word, nulls, 8);
    return (word & 0x0101010101010101ull) * 0x0102040810204080ull >> 56;
}

}  // namespace detail

// Step 5. Null bits from null bytes; a column without a field is constant or wholly null.
inline void finish_nulls(const ColumnPlan& plan, const uint8_t* nulls, uint32_t rows, ColumnOut& out) {
    if (plan.field >= 0) {
        for (uint32_t i = 0; nulls && i < rows; i += 8) {
            uint64_t bits = detail::null_bits(nulls + i);
            if (rows - i < 8) bits &= (1u << (rows - i)) - 1;
            out.validity[i / 8] = static_cast<uint8_t>(~bits);
            out.null_count += __builtin_popcountll(bits);
        }
        return;
    }
    if (plan.filled) {
        std::fill_n(out.i16(), rows, plan.constant);
        return;
    }
    std::memset(out.validity, 0, static_cast<size_t>((rows + 7) / 8));
    out.null_count = rows;
    if (has_offsets(plan.kind)) std::memset(out.offsets, 0, (size_t{rows} + 1) * 4);
    else std::memset(out.data, 0, size_t{rows} * static_cast<size_t>(kWidths[static_cast<int>(plan.kind)]));
}

// A duration that the record does not say: the whole seconds from its start to its end.
inline void derive_durations(const ColumnOut& start, const ColumnOut& end, uint32_t rows, ColumnOut& duration) {
    for (uint32_t i = 0; i < rows; ++i) {
        if (duration.valid(i) || !start.valid(i) || !end.valid(i) || end.i64()[i] < start.i64()[i]) continue;
        duration.i64()[i] = (end.i64()[i] - start.i64()[i]) / detail::kSecond;
        duration.set_valid(i);
    }
}

// Step 6. What follows from the fields: another record type, the segments of a message, a duration, flags.
inline void derive(const TextPlan& plan, const Work& w, const std::vector<ColumnOut*>& columns) {
    auto column = [&](int32_t c) { return columns[static_cast<size_t>(c)]; };
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
    int64_t* flags = column(plan.flags)->i64();
    for (uint32_t i = 0; i < w.kept; ++i) flags[i] = w.flags[i];
    if (plan.duration_from_times)
        derive_durations(*column(plan.start_time), *column(plan.end_time), w.kept, *column(plan.duration));
    if (plan.duration_tolerance_s < 0) return;
    const ColumnOut *start = column(plan.start_time), *end = column(plan.end_time), *duration = column(plan.duration);
    for (uint32_t i = 0; i < w.kept; ++i) {
        if (!start->valid(i) || !end->valid(i) || !duration->valid(i)) continue;
        const int64_t elapsed_s = (end->i64()[i] - start->i64()[i]) / detail::kSecond;
        const __int128 apart = static_cast<__int128>(elapsed_s) - duration->i64()[i];
        flags[i] |= (apart < 0 ? -apart : apart) > plan.duration_tolerance_s;
    }
}

// Provenance of the kept rows; where a row is a record, by loops of one column, which a compiler makes wide.
inline void provenance(const Work& w, int32_t source_id, int64_t byte_offset, int32_t* source, int64_t* record_no,
                       int16_t* item_no, int64_t* offset, int64_t* length) noexcept {
    const Records& r = w.records;
    std::fill_n(source, w.kept, source_id);
    for (uint32_t i = 0; r.row_item && i < w.kept; ++i) {
        const uint32_t row = w.kept_rows ? w.kept_rows[i] : i, record = r.row_record[row];
        record_no[i] = record;
        item_no[i] = r.row_item[row];
        offset[i] = byte_offset + r.begin[record];
        length[i] = r.end[record] - r.begin[record];
    }
    if (r.row_item) return;
    std::fill_n(item_no, w.kept, int16_t{0});
    for (const Run& run : w.runs) {
        const uint32_t *begin = r.begin + run.record, *end = r.end + run.record;
        for (uint32_t i = 0; i < run.count; ++i) record_no[i] = run.record + i;
        for (uint32_t i = 0; i < run.count; ++i) offset[i] = byte_offset + begin[i];
        for (uint32_t i = 0; i < run.count; ++i) length[i] = end[i] - begin[i];
        record_no += run.count;
        offset += run.count;
        length += run.count;
    }
}

}  // namespace mediation
