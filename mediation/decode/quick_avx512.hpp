// Eight rows at once with AVX-512: included by quick.hpp, which says what each function promises.
//
// Sixteen bytes of a row lie in one lane; rows 0, 2, 4, 6 in one register and 1, 3, 5, 7 in another, so that unpacking
// lane by lane puts eight results in order.
#pragma once

#include "decode/quick.hpp"

#ifdef MEDIATION_X86

namespace mediation::detail::avx512 {

struct Pair {
    __m512i even, odd;
};

MEDIATION_AVX512 inline __m256i load_rows(const uint32_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

MEDIATION_AVX512 inline __m128i load_16(const uint8_t* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

MEDIATION_AVX512 inline __m256i load_32(const uint8_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// Sixteen bytes of every second row.
MEDIATION_AVX512 inline __m512i four_lanes(const uint8_t* text, const uint32_t* begins) {
    __m512i lanes = _mm512_castsi128_si512(load_16(text + begins[0]));
    lanes = _mm512_inserti32x4(lanes, load_16(text + begins[2]), 1);
    lanes = _mm512_inserti32x4(lanes, load_16(text + begins[4]), 2);
    return _mm512_inserti32x4(lanes, load_16(text + begins[6]), 3);
}

MEDIATION_AVX512 inline __m512i two_halves(const uint8_t* a, const uint8_t* b) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(load_32(a)), load_32(b), 1);
}

MEDIATION_AVX512 inline __m512i in_every_lane(const void* sixteen) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(sixteen)));
}

// A bit for each of eight rows whose lane is not zero.
MEDIATION_AVX512 inline uint8_t rows_not_zero(Pair p) {
    const __m512i any = _mm512_or_si512(_mm512_unpacklo_epi64(p.even, p.odd), _mm512_unpackhi_epi64(p.even, p.odd));
    return static_cast<uint8_t>(_mm512_test_epi64_mask(any, any));
}

MEDIATION_AVX512 inline void store_nulls(uint8_t* nulls, uint8_t empty) {
    if (nulls) _mm_storel_epi64(reinterpret_cast<__m128i*>(nulls), _mm_maskz_set1_epi8(empty, 1));
}

// Digits as numbers 0 to 9 at the end of each lane, zeros before them; anything else is more than 9. `first` says at
// which byte of `lengths` the lengths of these rows are: 0 for even rows, 4 for odd ones.
MEDIATION_AVX512 inline __m512i digits_of(const uint8_t* text, const uint32_t* begins, __m256i lengths, char first) {
    alignas(16) static constexpr int8_t kPlaces[16] = {-16, -15, -14, -13, -12, -11, -10, -9,
                                                       -8,  -7,  -6,  -5,  -4,  -3,  -2,  -1};
    alignas(64) static constexpr int8_t kRows[64] = {
        0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  8,  8,  8,  8,  8,  8,
        8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
        16, 16, 16, 16, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24};
    const __m512i rows = _mm512_add_epi8(_mm512_load_si512(kRows), _mm512_set1_epi8(first));
    const __m512i length = _mm512_permutexvar_epi8(rows, _mm512_castsi256_si512(lengths));
    const __m512i raw = _mm512_sub_epi8(four_lanes(text, begins), _mm512_set1_epi8('0'));
    return _mm512_shuffle_epi8(raw, _mm512_add_epi8(length, in_every_lane(kPlaces)));
}

// Groups of four digits as 32-bit numbers.
MEDIATION_AVX512 inline __m512i by_fours(__m512i digits) {
    return _mm512_madd_epi16(_mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A)), _mm512_set1_epi32(0x00010064));
}

MEDIATION_AVX512 inline __m512i values_of(Pair digits) {
    const __m512i fours = _mm512_packus_epi32(by_fours(digits.even), by_fours(digits.odd));
    const __m512i eights = _mm512_madd_epi16(fours, _mm512_set1_epi32(0x00012710));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, _mm512_set1_epi64(100000000)), _mm512_srli_epi64(eights, 32));
}

MEDIATION_AVX512 inline uint8_t rows_above_9(Pair digits) {
    const __m512i nine = _mm512_set1_epi8(9);
    if (!(_mm512_cmpgt_epu8_mask(digits.even, nine) | _mm512_cmpgt_epu8_mask(digits.odd, nine))) return 0;
    return rows_not_zero({_mm512_subs_epu8(digits.even, nine), _mm512_subs_epu8(digits.odd, nine)});
}

MEDIATION_AVX512_TARGET inline void integers(const Bounds& b, const IntegerRule& rule, int64_t* out, uint8_t* nulls,
                                             Strange& strange) noexcept {
    const __m256i shortest = _mm256_set1_epi32(static_cast<int>(rule.shortest));
    const __m256i more = _mm256_set1_epi32(static_cast<int>(rule.longest - rule.shortest));
    const __m512i min = _mm512_set1_epi64(rule.min), max = _mm512_set1_epi64(rule.max);
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const Pair digits{digits_of(b.text, b.begins + i, lengths, 0), digits_of(b.text, b.begins + i + 1, lengths, 4)};
        __m512i values = values_of(digits);
        const uint8_t empty = rule.optional ? _mm256_testn_epi32_mask(lengths, lengths) : 0;
        const uint8_t fits = _mm256_cmple_epu32_mask(_mm256_sub_epi32(lengths, shortest), more);
        const uint8_t inside = _mm512_mask_cmple_epi64_mask(_mm512_cmpge_epi64_mask(values, min), values, max);
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & inside & ~rows_above_9(digits)) | empty));
        store_nulls(nulls ? nulls + i : nullptr, empty);
        if (rule.multiplier != 1) values = _mm512_mullo_epi64(values, _mm512_set1_epi64(rule.multiplier));
        _mm512_storeu_si512(out + i, values);
    }
}

// Bits of rows 0, 2, 4, 6, whose halves are in two registers, where a literal is another.
MEDIATION_AVX512 inline uint32_t rows_unlike(__m512i a, __m512i c, __m512i literals, uint64_t mask) {
    const uint64_t x = _mm512_mask_cmpneq_epi8_mask(mask, a, literals);
    const uint64_t y = _mm512_mask_cmpneq_epi8_mask(mask, c, literals);
    if (!(x | y)) return 0;
    return (static_cast<uint32_t>(x) != 0) | (x >> 32 != 0) << 2 | (static_cast<uint32_t>(y) != 0) << 4 |
           (y >> 32 != 0) << 6;
}

struct TimeDigits {
    __m512i digits;  // YYYYMMDDHHMMSS in each lane, then two bytes of no meaning
    uint32_t unlike;
};

MEDIATION_AVX512 inline TimeDigits time_digits(const uint8_t* text, const uint32_t* begins, __m512i places,
                                               __m512i literals, uint64_t mask) {
    const __m512i a = two_halves(text + begins[0], text + begins[2]);
    const __m512i c = two_halves(text + begins[4], text + begins[6]);
    const __m512i digits = _mm512_permutex2var_epi8(a, places, c);
    return {_mm512_sub_epi8(digits, _mm512_set1_epi8('0')), rows_unlike(a, c, literals, mask)};
}

// Two-digit numbers of each lane: century, year, month, day, hour, minute, second, 0.
MEDIATION_AVX512 inline __m512i by_twos(__m512i digits) {
    return _mm512_maddubs_epi16(digits, in_every_lane(kTens));
}

// Not zero where a digit is none, or a number beyond what its kind may be; days are looked at again by month.
MEDIATION_AVX512 inline __m512i beyond(__m512i digits, __m512i twos) {
    return _mm512_or_si512(_mm512_subs_epu8(digits, in_every_lane(kMostDigit)),
                           _mm512_subs_epu16(_mm512_sub_epi16(twos, in_every_lane(kFirstOfPart)),
                                              in_every_lane(kMoreOfPart)));
}

// In each lane two 64-bit numbers: months since the year 0, and seconds of the day.
MEDIATION_AVX512 inline __m512i months_and_seconds(__m512i twos) {
    const __m512i parts = _mm512_madd_epi16(twos, in_every_lane(kPartWeights));
    return _mm512_and_si512(_mm512_add_epi32(parts, _mm512_srli_epi64(parts, 32)), _mm512_set1_epi64(0xFFFFFFFF));
}

struct LocalTimes {
    __m512i us;
    uint8_t sound;
};

MEDIATION_AVX512 inline LocalTimes local_times(Pair digits) {
    const Pair twos{by_twos(digits.even), by_twos(digits.odd)};
    const Pair sums{months_and_seconds(twos.even), months_and_seconds(twos.odd)};
    const __m512i month = _mm512_sub_epi64(_mm512_unpacklo_epi64(sums.even, sums.odd),
                                           _mm512_set1_epi64(kFirstYear * 12 + 1));
    const __m512i day = _mm512_srli_epi64(_mm512_unpacklo_epi64(twos.even, twos.odd), 48);
    const __mmask8 known = _mm512_cmplt_epu64_mask(month, _mm512_set1_epi64(kMonths));
    const __m512i entry = _mm512_cvtepi32_epi64(
        _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), known, month, kCalendar.months, 4));
    const __mmask8 sound = _mm512_mask_cmple_epu64_mask(known, day, _mm512_and_si512(entry, _mm512_set1_epi64(0xFF)));
    const __m512i days = _mm512_add_epi64(_mm512_srli_epi64(entry, 8), _mm512_sub_epi64(day, _mm512_set1_epi64(1)));
    const __m512i seconds = _mm512_add_epi64(_mm512_mul_epu32(days, _mm512_set1_epi64(86400)),
                                             _mm512_unpackhi_epi64(sums.even, sums.odd));
    const uint8_t bad = rows_not_zero({beyond(digits.even, twos.even), beyond(digits.odd, twos.odd)});
    return {_mm512_mullo_epi64(seconds, _mm512_set1_epi64(kSecond)), static_cast<uint8_t>(sound & ~bad)};
}

MEDIATION_AVX512_TARGET inline void instants(const Bounds& b, const InstantRule& rule, int64_t* out, uint8_t* nulls,
                                             Strange& strange) noexcept {
    alignas(64) uint8_t order[64];
    for (uint32_t k = 0; k < 64; ++k) order[k] = static_cast<uint8_t>(rule.shape->places[k % 16] + k / 16 * 32);
    const __m512i places = _mm512_load_si512(order);
    const __m512i literals = two_halves(rule.literals, rule.literals);
    const uint64_t mask = rule.literal_mask | uint64_t{rule.literal_mask} << 32;
    const __m256i length = _mm256_set1_epi32(static_cast<int>(rule.length));
    const __m512i first = _mm512_set1_epi64(rule.range.first), last = _mm512_set1_epi64(rule.range.last);
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const TimeDigits even = time_digits(b.text, b.begins + i, places, literals, mask);
        const TimeDigits odd = time_digits(b.text, b.begins + i + 1, places, literals, mask);
        const LocalTimes local = local_times({even.digits, odd.digits});
        const uint8_t empty = rule.optional ? _mm256_testn_epi32_mask(lengths, lengths) : 0;
        const uint8_t fits = _mm256_cmpeq_epi32_mask(lengths, length);
        const uint8_t inside = _mm512_mask_cmple_epi64_mask(_mm512_cmpge_epi64_mask(local.us, first), local.us, last);
        const uint32_t unlike = even.unlike | odd.unlike << 1;
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & inside & local.sound & ~unlike) | empty));
        store_nulls(nulls ? nulls + i : nullptr, empty);
        const __m512i utc = _mm512_sub_epi64(local.us, _mm512_set1_epi64(rule.offset_us));
        _mm512_storeu_si512(out + i, _mm512_maskz_mov_epi64(static_cast<uint8_t>(~empty), utc));
    }
}

MEDIATION_AVX512_TARGET inline void codes(const Bounds& b, const CodeRule& rule, int16_t* out, uint8_t* nulls,
                                          Strange& strange) noexcept {
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i begins = load_rows(b.begins + i), lengths = _mm256_sub_epi32(load_rows(b.ends + i), begins);
        const __m512i bits = _mm512_slli_epi64(_mm512_cvtepu32_epi64(lengths), 3);
        const __m512i shift = _mm512_sub_epi64(_mm512_set1_epi64(64), bits);
        const __m512i word = _mm512_and_si512(_mm512_i64gather_epi64(_mm512_cvtepu32_epi64(begins), b.text, 1),
                                              _mm512_srlv_epi64(_mm512_set1_epi64(-1), shift));
        const uint8_t empty = _mm256_testn_epi32_mask(lengths, lengths);
        __m128i codes = _mm_setzero_si128();
        uint8_t found = 0;
        for (uint32_t v = 0; v < rule.count; ++v) {
            const ShortValue& value = rule.values[v];
            const __mmask8 same = _mm512_mask_cmpeq_epi64_mask(
                _mm256_cmpeq_epi32_mask(lengths, _mm256_set1_epi32(static_cast<int>(value.length))), word,
                _mm512_set1_epi64(static_cast<int64_t>(value.word)));
            codes = _mm_mask_set1_epi16(codes, same, value.code);
            found |= same;
        }
        const uint8_t null = rule.optional ? empty : 0;
        strange.bits[i / 8] = static_cast<uint8_t>(~((found & ~empty) | null));
        store_nulls(nulls ? nulls + i : nullptr, null);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), codes);
    }
}

// Where one of the first `length` bytes may not stand.
MEDIATION_AVX512 inline uint32_t strangers(const uint8_t* at, uint32_t length, __m256i low, __m256i high) {
    const __m256i bytes = load_32(at), nibble = _mm256_set1_epi8(15);
    const __m256i from_low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    const __m256i from_high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return _bzhi_u32(_mm256_testn_epi8_mask(from_low, from_high), length);
}

MEDIATION_AVX512_TARGET inline void texts(const Bounds& b, const TextRule& rule, uint8_t* nulls,
                                          Strange& strange) noexcept {
    const __m256i low = _mm256_broadcastsi128_si256(load_16(rule.low));
    const __m256i high = _mm256_broadcastsi128_si256(load_16(rule.high));
    const __m256i shortest = _mm256_set1_epi32(static_cast<int>(rule.shortest));
    const __m256i more = _mm256_set1_epi32(static_cast<int>(rule.longest - rule.shortest));
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const uint8_t empty = rule.optional ? _mm256_testn_epi32_mask(lengths, lengths) : 0;
        const uint8_t fits = _mm256_cmple_epu32_mask(_mm256_sub_epi32(lengths, shortest), more);
        uint32_t bad = 0;
        for (uint32_t k = 0; rule.bytes && k < 8; ++k) {
            const uint8_t* at = b.text + b.begins[i + k];
            const uint32_t length = b.ends[i + k] - b.begins[i + k];
            const bool zero = !rule.zero_first & (*at == '0');
            bad |= static_cast<uint32_t>((strangers(at, length, low, high) != 0) | zero) << k;
        }
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & ~bad) | empty));
        store_nulls(nulls ? nulls + i : nullptr, empty);
    }
}

}  // namespace mediation::detail::avx512

#endif  // MEDIATION_X86
