// Values of many rows at once. What looks as nearly all values do is converted with few questions; every other row is
// marked strange, and fields.hpp looks at it with care: that is also the slow twin.
//
// Conventions
// - Rows come as `Bounds`, and spare rows may be read and written up to the next eighth: columns end in padding.
// - `strange` has a bit a row and is all zero at first. What is stored for a strange row does not matter.
// - Where the field may be empty (`optional`), an empty value is null: 0 is stored, and 1 in `nulls`.
#pragma once

#include <cstdint>

#include "decode/bounds.hpp"
#include "decode/digits.hpp"
#include "native/cpu.hpp"

namespace mediation {

struct Strange {
    uint8_t bits[kBlockRows / 8 + 1] = {};
    void mark(uint32_t row) noexcept { bits[row / 8] |= static_cast<uint8_t>(1u << row % 8); }
};

struct IntegerRule {
    uint32_t shortest, longest;  // 1 to 16 digits
    int64_t min, max;            // before the multiplier, whose product is within int64
    int64_t multiplier;
    bool optional;
};

struct InstantRule {
    const TimestampShape* shape;
    uint8_t literals[32];  // those of the shape, and an offset that was seen before
    uint32_t literal_mask;
    uint32_t length;
    LocalRange range;      // local times that are `offset_us` from UTC
    int64_t offset_us;
    bool optional;
};

struct CodeRule {
    const ShortValue* values;
    uint32_t count;
    bool optional;
};

struct TextRule {
    uint32_t shortest, longest;  // 1 to 32 bytes when bytes are looked at
    uint8_t low[16], high[16];   // a byte b < 0x80 may stand where low[b & 15] and high[b >> 4] share a bit
    bool bytes;                  // false: any byte may stand
    bool zero_first;             // a leading zero may stand
    bool optional;
};

namespace detail {

inline void integers_base(const Bounds& b, const IntegerRule& rule, int64_t* out, uint8_t* nulls,
                          Strange& strange) noexcept {
    const IntegerRule r = rule;  // in registers, whatever `out` may alias
    for (uint32_t row = 0; row < b.count; ++row) {
        const Span s = b.at(row);
        const bool empty = r.optional && s.length == 0;
        if (nulls) nulls[row] = empty;
        out[row] = 0;
        if (empty) continue;
        if (s.length < r.shortest || s.length > r.longest) {
            strange.mark(row);
            continue;
        }
        uint64_t bad = 0;
        const uint32_t low = s.length < 8 ? s.length : 8;
        int64_t value = static_cast<int64_t>(up_to_8_digits(s.begin + (s.length - low), low, bad));
        if (s.length > 8) value += static_cast<int64_t>(up_to_8_digits(s.begin, s.length - 8, bad)) * 100000000;
        if (bad != 0 || value < r.min || value > r.max) strange.mark(row);
        else out[row] = value * r.multiplier;
    }
}

// Of a time's fourteen digits, and of the two-digit numbers that they are: century, year, month, day, hour, minute,
// second, and one of no meaning. Days are looked at again by month.
alignas(16) inline constexpr uint8_t kMostDigit[16] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 255};
alignas(16) inline constexpr int8_t kTens[16] = {10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 0, 0};
alignas(16) inline constexpr uint16_t kFirstOfPart[8] = {0, 0, 1, 1, 0, 0, 0, 0};
alignas(16) inline constexpr uint16_t kMoreOfPart[8] = {99, 99, 11, 30, 23, 59, 59, 0xFFFF};
alignas(16) inline constexpr int16_t kPartWeights[8] = {1200, 12, 1, 0, 3600, 60, 1, 0};  // months; seconds

}  // namespace detail
}  // namespace mediation

#include "decode/quick_avx2.hpp"
#include "decode/quick_avx512.hpp"

namespace mediation::detail {

inline void quick_integers(Simd simd, const Bounds& b, const IntegerRule& rule, int64_t* out, uint8_t* nulls,
                           Strange& strange) noexcept {
#ifdef MEDIATION_X86
    if (simd == Simd::avx512) return avx512::integers(b, rule, out, nulls, strange);
    if (simd == Simd::avx2) return avx2::integers(b, rule, out, nulls, strange);
#endif
    (void)simd;
    integers_base(b, rule, out, nulls, strange);
}

// The others are false, and have done nothing, where the instruction set has no such loop.

inline bool quick_instants(Simd simd, const Bounds& b, const InstantRule& rule, int64_t* out, uint8_t* nulls,
                           Strange& strange) noexcept {
#ifdef MEDIATION_X86
    if (simd == Simd::avx512) return avx512::instants(b, rule, out, nulls, strange), true;
    if (simd == Simd::avx2) return avx2::instants(b, rule, out, nulls, strange), true;
#endif
    return (void)simd, (void)b, (void)rule, (void)out, (void)nulls, (void)strange, false;
}

inline bool quick_codes(Simd simd, const Bounds& b, const CodeRule& rule, int16_t* out, uint8_t* nulls,
                        Strange& strange) noexcept {
#ifdef MEDIATION_X86
    if (simd == Simd::avx512) return avx512::codes(b, rule, out, nulls, strange), true;
    if (simd == Simd::avx2) return avx2::codes(b, rule, out, nulls, strange), true;
#endif
    return (void)simd, (void)b, (void)rule, (void)out, (void)nulls, (void)strange, false;
}

inline bool quick_texts(Simd simd, const Bounds& b, const TextRule& rule, uint8_t* nulls, Strange& strange) noexcept {
#ifdef MEDIATION_X86
    if (simd == Simd::avx512) return avx512::texts(b, rule, nulls, strange), true;
    if (simd == Simd::avx2) return avx2::texts(b, rule, nulls, strange), true;
#endif
    return (void)simd, (void)b, (void)rule, (void)nulls, (void)strange, false;
}

}  // namespace mediation::detail
