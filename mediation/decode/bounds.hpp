// Where one field of a block of rows stands: found as the form of its records says, then trimmed. Converters know only
// this, so that none is written once per form.
//
// Conventions
// - Row i of a block is `begins[i]` to `ends[i]`, positions in the text. Sixteen more rows are readable and empty: a
//   kernel may take eight at a time.
// - Bounds are made again for every field of every block, in the same few kilobytes; only text keeps them, for it is
//   copied once the rows that stay are known.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "decode/plan.hpp"
#include "native/cpu.hpp"

namespace mediation {

inline constexpr uint32_t kBlockRows = 256;  // their text, bounds and columns stay in the second-level cache
inline constexpr uint32_t kSpareRows = 16;

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

#ifdef MEDIATION_X86

// Four separators of rows 0, 4, 8 and 12.
MEDIATION_AVX512 inline __m512i every_fourth_row(const uint32_t* separators, const uint32_t* first) {
    auto at = [&](int row) { return reinterpret_cast<const __m128i*>(separators + first[row]); };
    __m512i rows = _mm512_castsi128_si512(_mm_loadu_si128(at(0)));
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128(at(4)), 1);
    rows = _mm512_inserti32x4(rows, _mm_loadu_si128(at(8)), 2);
    return _mm512_inserti32x4(rows, _mm_loadu_si128(at(12)), 3);
}

// All fields of a block: sixteen rows of four separators become four columns of sixteen, in less than half the time
// that a field after the other takes.
MEDIATION_AVX512_TARGET inline void locate_avx512(const uint32_t* separators, const uint32_t* first, uint32_t fields,
                                                  uint32_t count, uint32_t* const* begins,
                                                  uint32_t* const* ends) noexcept {
    for (uint32_t row = 0; row < count; row += 16) {
        uint32_t rows[16];
        for (uint32_t k = 0; k < 16; ++k) rows[k] = first[std::min(row + k, count - 1)];
        for (uint32_t s = 0; s <= fields; s += 4) {
            const __m512i a = every_fourth_row(separators + s, rows), b = every_fourth_row(separators + s, rows + 1);
            const __m512i c = every_fourth_row(separators + s, rows + 2);
            const __m512i d = every_fourth_row(separators + s, rows + 3);
            const __m512i ab_low = _mm512_unpacklo_epi32(a, b), cd_low = _mm512_unpacklo_epi32(c, d);
            const __m512i ab_high = _mm512_unpackhi_epi32(a, b), cd_high = _mm512_unpackhi_epi32(c, d);
            const __m512i columns[4] = {
                _mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
                _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)};
            for (uint32_t k = 0; k < 4 && s + k <= fields; ++k) {  // a separator ends one field and is before the next
                if (s + k > 0 && ends[s + k - 1]) _mm512_storeu_si512(ends[s + k - 1] + row, columns[k]);
                if (s + k < fields && begins[s + k])
                    _mm512_storeu_si512(begins[s + k] + row, _mm512_add_epi32(columns[k], _mm512_set1_epi32(1)));
            }
        }
    }
}

// Four separators of rows 0 and 4.
MEDIATION_AVX2 inline __m256i rows_0_and_4(const uint32_t* separators, const uint32_t* first) {
    auto at = [&](int row) { return reinterpret_cast<const __m128i*>(separators + first[row]); };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(at(0))), _mm_loadu_si128(at(4)), 1);
}

// The same, eight rows at once.
MEDIATION_AVX2_TARGET inline void locate_avx2(const uint32_t* separators, const uint32_t* first, uint32_t fields,
                                              uint32_t count, uint32_t* const* begins,
                                              uint32_t* const* ends) noexcept {
    for (uint32_t row = 0; row < count; row += 8) {
        uint32_t rows[8];
        for (uint32_t k = 0; k < 8; ++k) rows[k] = first[std::min(row + k, count - 1)];
        for (uint32_t s = 0; s <= fields; s += 4) {
            const __m256i a = rows_0_and_4(separators + s, rows), b = rows_0_and_4(separators + s, rows + 1);
            const __m256i c = rows_0_and_4(separators + s, rows + 2), d = rows_0_and_4(separators + s, rows + 3);
            const __m256i ab_low = _mm256_unpacklo_epi32(a, b), cd_low = _mm256_unpacklo_epi32(c, d);
            const __m256i ab_high = _mm256_unpackhi_epi32(a, b), cd_high = _mm256_unpackhi_epi32(c, d);
            const __m256i columns[4] = {
                _mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
                _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
            for (uint32_t k = 0; k < 4 && s + k <= fields; ++k) {
                auto* end = s + k > 0 ? reinterpret_cast<__m256i*>(ends[s + k - 1]) : nullptr;
                auto* begin = s + k < fields ? reinterpret_cast<__m256i*>(begins[s + k]) : nullptr;
                if (end) _mm256_storeu_si256(end + row / 8, columns[k]);
                if (begin) _mm256_storeu_si256(begin + row / 8, _mm256_add_epi32(columns[k], _mm256_set1_epi32(1)));
            }
        }
    }
}

#endif  // MEDIATION_X86

}  // namespace detail

// Bounds of all fields of rows [from, from + count): of field f in begins[f] and ends[f], unless these are null.
inline void locate(Simd simd, const Frame& frame, const Records& r, uint32_t from, uint32_t count,
                   uint32_t* const* begins, uint32_t* const* ends) noexcept {
    const uint32_t* first = r.row_first + from;
    bool located = false;
#ifdef MEDIATION_X86
    if (simd != Simd::base && frame.framing == Framing::delimited) {
        const auto locate = simd == Simd::avx512 ? detail::locate_avx512 : detail::locate_avx2;
        locate(r.separators.separators, first, frame.fields, count, begins, ends);
        located = true;
    }
#endif
    for (uint32_t f = 0; f < frame.fields; ++f) {
        if (!begins[f]) continue;
        if (located) (void)simd;
        else if (frame.framing == Framing::fixed)
            detail::locate_fixed(frame.starts[f], frame.widths[f], first, count, begins[f], ends[f]);
        else if (r.begins)
            detail::locate_quoted(r.begins + f, r.ends + f, first, count, begins[f], ends[f]);
        else detail::locate_delimited(r.separators.separators + f, first, count, begins[f], ends[f]);
        std::fill_n(begins[f] + count, kSpareRows, 0u);
        std::fill_n(ends[f] + count, kSpareRows, 0u);
    }
}

inline int64_t total_length(const uint32_t* begins, const uint32_t* ends, uint32_t count) noexcept {
    uint32_t total = 0;  // of one text's bytes, below 2 GiB
    for (uint32_t row = 0; row < count; ++row) total += ends[row] - begins[row];
    return total;
}

// Leaves padding and prefix out and empties the values of null_if.
inline void trim(const FieldPlan& f, const uint8_t* text, uint32_t count, uint32_t* begins, uint32_t* ends) noexcept {
    const uint64_t pads = f.pad * 0x0101010101010101u;
    const auto eight = [text](uint32_t at) {
        uint64_t word;
        std::memcpy(&word, text + at, 8);
        return word;
    };
    for (uint32_t row = 0; row < count; ++row) {
        uint32_t begin = begins[row], end = ends[row];
        if (f.trim_cr && end > begin && text[end - 1] == '\r') --end;
        if (f.trim_right) {
            while (end - begin >= 8 && eight(end - 8) == pads) end -= 8;
            while (end > begin && text[end - 1] == f.pad) --end;
        }
        if (f.trim_left) {
            while (end - begin >= 8 && eight(begin) == pads) begin += 8;
            while (end > begin && text[begin] == f.pad) ++begin;
        }
        if (!f.prefix.empty() && end - begin >= f.prefix.size() &&
            std::memcmp(text + begin, f.prefix.data(), f.prefix.size()) == 0)
            begin += static_cast<uint32_t>(f.prefix.size());
        for (const std::string& value : f.null_if)
            if (end - begin == value.size() && std::memcmp(text + begin, value.data(), value.size()) == 0) end = begin;
        begins[row] = begin;
        ends[row] = end;
    }
}

}  // namespace mediation
