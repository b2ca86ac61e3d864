// Where a text's separators are: the one loop over bytes that is written per instruction set.
//
// In: text with 64 readable bytes after its end, and room that most texts need. Out, in one pass:
// - separators[1 …]: positions of the delimiter and of line feeds, ascending; separators[0] is one before the text
// - ends[…]: for every line feed, its index in `separators`
// - dirty[…]: 64-byte blocks that hold a byte >= 0x80 (their records' encoding is checked afterwards)
#pragma once

#include <cstdint>
#include <cstring>

#include "native/cpu.hpp"

namespace mediation {

inline constexpr uint32_t kBeforeText = 0xFFFFFFFFu;  // + 1 is 0

struct Separators {
    uint32_t* separators;
    uint32_t* ends;
    uint32_t* dirty;
    uint32_t room = 0;       // for separators; 64 more can be written
    uint32_t line_room = 0;  // for ends, likewise
    uint32_t count = 1;  // of separators, with the one before the text
    uint32_t lines = 0;
    uint32_t dirty_count = 0;
};

struct BlockMasks {
    uint64_t separator, line_feed, high;
};

namespace detail {

// The bits of a 64-byte block, eight bytes at a time: every machine can do this.
struct BaseBlocks {
    static constexpr uint64_t kOnes = 0x0101010101010101ull;

    static uint64_t equal(uint64_t word, uint64_t repeated) {
        const uint64_t x = word ^ repeated;
        const uint64_t zero = ~(((x & 0x7F * kOnes) + 0x7F * kOnes) | x | 0x7F * kOnes);
        return gather(zero);
    }
    // The top bit of every byte, as eight bits.
    static uint64_t gather(uint64_t tops) { return ((tops >> 7) * 0x0102040810204080ull) >> 56; }

    static inline BlockMasks masks(const uint8_t* block, uint8_t delimiter) {
        BlockMasks m{0, 0, 0};
        for (int i = 0; i < 8; ++i) {
            uint64_t word;
            std::memcpy(&word, block + 8 * i, 8);
            const uint64_t lf = equal(word, '\n' * kOnes);
            m.line_feed |= lf << (8 * i);
            m.separator |= (lf | equal(word, delimiter * kOnes)) << (8 * i);
            m.high |= gather(word & 0x80 * kOnes) << (8 * i);
        }
        return m;
    }
    static inline void emit(uint64_t mask, uint32_t base, uint32_t* out) {
        while (mask) {
            *out++ = base + static_cast<uint32_t>(__builtin_ctzll(mask));
            mask &= mask - 1;
        }
    }
};

// The algorithm, once; a macro, because a template cannot be given its caller's instruction set. The first line feed of
// a block is stored whether there is one or not: whether there is cannot be foretold.
#define MEDIATION_DEFINE_SCAN(NAME, BLOCKS, TARGET)                                                             \
    TARGET inline bool NAME(const uint8_t* text, uint32_t length, uint8_t delimiter, Separators& out) {         \
        uint32_t count = 1, lines = 0, dirty = 0;                                                               \
        out.separators[0] = kBeforeText;                                                                        \
        for (uint32_t at = 0; at < length; at += 64) {                                                          \
            if (count > out.room || lines > out.line_room) return false;                                        \
            BlockMasks m = BLOCKS::masks(text + at, delimiter);                                                 \
            if (length - at < 64) {                                                                             \
                const uint64_t inside = (uint64_t{1} << (length - at)) - 1;                                     \
                m.separator &= inside;                                                                          \
                m.line_feed &= inside;                                                                          \
                m.high &= inside;                                                                               \
            }                                                                                                   \
            uint64_t lf = m.line_feed;                                                                          \
            do {                                                                                                \
                const uint64_t below = (lf & -lf) - 1;                                                          \
                out.ends[lines] = count + static_cast<uint32_t>(__builtin_popcountll(m.separator & below));     \
                lines += lf != 0;                                                                               \
                lf &= lf - 1;                                                                                   \
            } while (lf);                                                                                       \
            BLOCKS::emit(m.separator, at, out.separators + count);                                              \
            count += static_cast<uint32_t>(__builtin_popcountll(m.separator));                                  \
            out.dirty[dirty] = at / 64;                                                                         \
            dirty += m.high != 0;                                                                               \
        }                                                                                                       \
        out.count = count;                                                                                      \
        out.lines = lines;                                                                                      \
        out.dirty_count = dirty;                                                                                \
        return true;                                                                                            \
    }

MEDIATION_DEFINE_SCAN(scan_base, BaseBlocks, )

#ifdef MEDIATION_X86

struct Avx2Blocks {
    MEDIATION_AVX2 static inline BlockMasks masks(const uint8_t* block, uint8_t delimiter) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32));
        const __m256i lf = _mm256_set1_epi8('\n'), delim = _mm256_set1_epi8(static_cast<char>(delimiter));
        const uint64_t line_feed = bits(_mm256_cmpeq_epi8(a, lf), _mm256_cmpeq_epi8(b, lf));
        return {line_feed | bits(_mm256_cmpeq_epi8(a, delim), _mm256_cmpeq_epi8(b, delim)), line_feed, bits(a, b)};
    }
    MEDIATION_AVX2 static inline uint64_t bits(__m256i a, __m256i b) {
        return static_cast<uint32_t>(_mm256_movemask_epi8(a)) |
               (static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(b))) << 32);
    }
    // Writes eight at a time, past the last position: `out` has room for 64 more. How many positions there are cannot
    // be foretold, how many eights mostly can.
    MEDIATION_AVX2 static inline void emit(uint64_t mask, uint32_t base, uint32_t* out) {
        do {
            for (int i = 0; i < 8; ++i) {
                out[i] = base + static_cast<uint32_t>(_tzcnt_u64(mask));
                mask = _blsr_u64(mask);
            }
            out += 8;
        } while (mask);
    }
};

struct Avx512Blocks {
    MEDIATION_AVX512 static inline BlockMasks masks(const uint8_t* block, uint8_t delimiter) {
        const __m512i bytes = _mm512_loadu_si512(block);
        const uint64_t line_feed = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'));
        const uint64_t delim = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(static_cast<char>(delimiter)));
        return {line_feed | delim, line_feed, _mm512_movepi8_mask(bytes)};
    }
    // Writes whole registers past the last position: `out` has room for 64 more.
    MEDIATION_AVX512 static inline void emit(uint64_t mask, uint32_t base, uint32_t* out) {
        alignas(64) static constexpr uint8_t kIota[64] = {
            0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
            22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
            44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
        const int n = static_cast<int>(_mm_popcnt_u64(mask));
        const __m512i packed = _mm512_maskz_compress_epi8(mask, _mm512_load_si512(kIota));
        const __m512i start = _mm512_set1_epi32(static_cast<int>(base));
        store_16(_mm512_castsi512_si128(packed), start, out);
        if (n <= 16) return;
        store_16(_mm512_extracti32x4_epi32(packed, 1), start, out + 16);
        if (n <= 32) return;
        store_16(_mm512_extracti32x4_epi32(packed, 2), start, out + 32);
        store_16(_mm512_extracti32x4_epi32(packed, 3), start, out + 48);
    }
    MEDIATION_AVX512 static inline void store_16(__m128i places, __m512i start, uint32_t* out) {
        _mm512_storeu_si512(out, _mm512_add_epi32(start, _mm512_cvtepu8_epi32(places)));
    }
};

MEDIATION_DEFINE_SCAN(scan_avx2, Avx2Blocks, MEDIATION_AVX2_TARGET)
MEDIATION_DEFINE_SCAN(scan_avx512, Avx512Blocks, MEDIATION_AVX512_TARGET)

#endif  // MEDIATION_X86

}  // namespace detail

struct SeparatorCount {
    int64_t separators = 0;  // line feeds among them
    int64_t line_feeds = 0;
};

namespace detail {

#define MEDIATION_DEFINE_COUNT(NAME, TARGET)                                                                   \
    TARGET inline SeparatorCount NAME(const uint8_t* text, uint32_t length, uint8_t delimiter) {               \
        SeparatorCount count;                                                                                  \
        for (uint32_t from = 0; from < length; from += 192) { /* a byte counts to 255 */                       \
            const uint32_t to = length - from < 192 ? length : from + 192;                                     \
            uint8_t delimiters = 0, line_feeds = 0;                                                            \
            for (uint32_t at = from; at < to; ++at) {                                                          \
                delimiters = static_cast<uint8_t>(delimiters + (text[at] == delimiter));                       \
                line_feeds = static_cast<uint8_t>(line_feeds + (text[at] == '\n'));                            \
            }                                                                                                  \
            count.separators += delimiters;                                                                    \
            count.line_feeds += line_feeds;                                                                    \
        }                                                                                                      \
        if (delimiter != '\n') count.separators += count.line_feeds;                                           \
        return count;                                                                                          \
    }

MEDIATION_DEFINE_COUNT(count_base, )
#ifdef MEDIATION_X86
MEDIATION_DEFINE_COUNT(count_avx2, MEDIATION_AVX2_TARGET)
#endif

}  // namespace detail

inline SeparatorCount count_separators(Simd simd, const uint8_t* text, uint32_t length, uint8_t delimiter) noexcept {
#ifdef MEDIATION_X86
    if (simd != Simd::base) return detail::count_avx2(text, length, delimiter);
#endif
    (void)simd;
    return detail::count_base(text, length, delimiter);
}

// False when there was no room for all; nothing can be said of the text then.
inline bool scan(Simd simd, const uint8_t* text, uint32_t length, uint8_t delimiter, Separators& out) noexcept {
#ifdef MEDIATION_X86
    if (simd == Simd::avx512) return detail::scan_avx512(text, length, delimiter, out);
    if (simd == Simd::avx2) return detail::scan_avx2(text, length, delimiter, out);
#endif
    (void)simd;
    return detail::scan_base(text, length, delimiter, out);
}

}  // namespace mediation
