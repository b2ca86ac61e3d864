// The records of a text that were not taken: where they stand, what is wrong, in which field, and their bytes.
#pragma once

#include <string>
#include <vector>

#include "decode/text.hpp"

namespace mediation {

struct RejectSizes {
    int64_t rows = 0;
    int64_t raw_bytes = 0;
    int64_t field_bytes = 0;
    int64_t reject_bytes = 0;  // of the records; raw bytes are cut at max_record_bytes
};

struct RejectNames {
    std::vector<std::string> fields;  // by field number; [0] is the record itself
    std::vector<int16_t> codes;       // code number -> place in the dictionary of codes
    int16_t feed = 0;
    int16_t stage = 0;
};

inline RejectSizes measure_rejects(const TextPlan& plan, const RejectNames& names, const Records& r) noexcept {
    RejectSizes sizes;
    for (uint32_t i = 0; r.faulty && i < r.records; ++i) {
        if (r.fault[i] == 0) continue;
        const uint32_t bytes = r.end[i] - r.begin[i];
        ++sizes.rows;
        sizes.reject_bytes += bytes;
        sizes.raw_bytes += std::min(bytes, plan.frame.max_record_bytes);
        sizes.field_bytes += static_cast<int64_t>(names.fields[r.fault[i] >> 16].size());
    }
    return sizes;
}

struct RejectColumns {
    ColumnOut *source_id, *record_no, *item_no, *byte_offset, *byte_length, *feed, *stage, *code, *field, *raw;
};

namespace detail {

inline void append(ColumnOut& out, int64_t row, const void* bytes, size_t length) noexcept {
    std::memcpy(out.data + out.offsets[row], bytes, length);
    out.offsets[row + 1] = out.offsets[row] + static_cast<int32_t>(length);
}

}  // namespace detail

inline void fill_rejects(const TextPlan& plan, const RejectNames& names, const uint8_t* text, const Records& r,
                         int32_t source_id, int64_t byte_offset, const RejectColumns& out) noexcept {
    int64_t row = 0;
    for (uint32_t i = 0; r.faulty && i < r.records; ++i) {
        if (r.fault[i] == 0) continue;
        const uint32_t bytes = r.end[i] - r.begin[i], field = r.fault[i] >> 16;
        out.source_id->i32()[row] = source_id;
        out.record_no->i64()[row] = i;
        out.item_no->i16()[row] = 0;
        out.byte_offset->i64()[row] = byte_offset + r.begin[i];
        out.byte_length->i64()[row] = bytes;
        out.feed->i16()[row] = names.feed;
        out.stage->i16()[row] = names.stage;
        out.code->i16()[row] = names.codes[r.fault[i] & 0xFFFF];
        detail::append(*out.field, row, names.fields[field].data(), names.fields[field].size());
        if (field == 0) out.field->set_null(row);
        detail::append(*out.raw, row, text + r.begin[i], std::min(bytes, plan.frame.max_record_bytes));
        ++row;
    }
}

}  // namespace mediation
