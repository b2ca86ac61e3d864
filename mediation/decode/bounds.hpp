// Where one field of a block of rows stands: found as the form of its records says, then trimmed. Converters know only
// this, so that none is written once per form.
//
// Conventions
// - Row i of a block is `begins[i]` to `ends[i]`, positions in the text. Eight more rows are readable and empty: a
//   kernel may take eight at a time.
// - Bounds are made again for every field of every block, in the same few kilobytes; only text keeps them, for it is
//   copied once the rows that stay are known.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "decode/plan.hpp"

namespace mediation {

inline constexpr uint32_t kBlockRows = 256;  // their text, bounds and columns stay in the second-level cache
inline constexpr uint32_t kSpareRows = 8;

struct Bounds {
    const uint8_t* text;
    const uint32_t* begins;
    const uint32_t* ends;
    uint32_t count;
    Span at(uint32_t row) const noexcept { return {text + begins[row], ends[row] - begins[row]}; }
};

namespace detail {

inline void locate_delimited(const uint32_t* separators, const uint32_t* first, uint32_t count, uint32_t* begins,
                             uint32_t* ends) noexcept {
    for (uint32_t row = 0; row < count; ++row) {
        const uint32_t* s = separators + first[row];
        begins[row] = s[0] + 1;
        ends[row] = s[1];
    }
}

inline void locate_quoted(const uint32_t* from, const uint32_t* to, const uint32_t* first, uint32_t count,
                          uint32_t* begins, uint32_t* ends) noexcept {
    for (uint32_t row = 0; row < count; ++row) {
        begins[row] = from[first[row]] & ~kEscaped;
        ends[row] = to[first[row]];
    }
}

inline void locate_fixed(uint32_t start, uint32_t width, const uint32_t* first, uint32_t count, uint32_t* begins,
                         uint32_t* ends) noexcept {
    for (uint32_t row = 0; row < count; ++row) {
        begins[row] = first[row] + start;
        ends[row] = first[row] + start + width;
    }
}

}  // namespace detail

// Bounds of field `field` (from 0) of rows [from, from + count).
inline void locate(const Frame& frame, const Records& r, uint32_t field, uint32_t from, uint32_t count,
                   uint32_t* begins, uint32_t* ends) noexcept {
    const uint32_t* first = r.row_first + from;
    if (frame.framing == Framing::fixed)
        detail::locate_fixed(frame.starts[field], frame.widths[field], first, count, begins, ends);
    else if (frame.framing == Framing::quoted)
        detail::locate_quoted(r.begins + field, r.ends + field, first, count, begins, ends);
    else detail::locate_delimited(r.separators.separators + field, first, count, begins, ends);
    std::fill_n(begins + count, kSpareRows, 0u);
    std::fill_n(ends + count, kSpareRows, 0u);
}

inline int64_t total_length(const uint32_t* begins, const uint32_t* ends, uint32_t count) noexcept {
    uint32_t total = 0;  // of one text's bytes, below 2 GiB
    for (uint32_t row = 0; row < count; ++row) total += ends[row] - begins[row];
    return total;
}

// Leaves padding out and empties the values of null_if.
inline void trim(const FieldPlan& f, const uint8_t* text, uint32_t count, uint32_t* begins, uint32_t* ends) noexcept {
    for (uint32_t row = 0; row < count; ++row) {
        uint32_t begin = begins[row], end = ends[row];
        if (f.trim_cr && end > begin && text[end - 1] == '\r') --end;
        if (f.trim_right)
            while (end > begin && text[end - 1] == f.pad) --end;
        if (f.trim_left)
            while (end > begin && text[begin] == f.pad) ++begin;
        for (const std::string& value : f.null_if)
            if (end - begin == value.size() && std::memcmp(text + begin, value.data(), value.size()) == 0) end = begin;
        begins[row] = begin;
        ends[row] = end;
    }
}

}  // namespace mediation
