// Four rows at once with AVX2: included by quick.hpp, which says what each function promises.
//
// Sixteen bytes of a row lie in one lane; rows 0 and 2 in one register and 1 and 3 in another, so that unpacking lane
// by lane puts four results in order. Nothing is gathered: on processors that are guarded against the leak of what
// gathers have read, that is slower than four loads, and on older ones no faster.
#pragma once

#include <cstring>

#include "decode/quick.hpp"

#ifdef MEDIATION_X86

namespace mediation::detail::avx2 {

struct Pair {
    __m256i even, odd;
};

MEDIATION_AVX2 inline __m256i load_rows(const uint32_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

MEDIATION_AVX2 inline __m128i load_16(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }

MEDIATION_AVX2 inline __m256i in_every_lane(const void* sixteen) {
    return _mm256_broadcastsi128_si256(load_16(sixteen));
}

MEDIATION_AVX2 inline __m256i two_lanes(const void* a, const void* b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_16(a)), load_16(b), 1);
}

// A bit for each of eight rows, or of four, whose mask is set.
MEDIATION_AVX2 inline uint32_t bits_of_8(__m256i mask) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(mask)));
}
MEDIATION_AVX2 inline uint32_t bits_of_4(__m256i mask) {
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(mask)));
}

// A bit for each of four rows whose lane is zero.
MEDIATION_AVX2 inline uint32_t rows_zero(Pair p) {
    const __m256i any = _mm256_or_si256(_mm256_unpacklo_epi64(p.even, p.odd), _mm256_unpackhi_epi64(p.even, p.odd));
    return bits_of_4(_mm256_cmpeq_epi64(any, _mm256_setzero_si256()));
}

// The low 64 bits of products.
MEDIATION_AVX2 inline __m256i times(__m256i a, __m256i b) {
    const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b),
                                           _mm256_mul_epu32(a, _mm256_srli_epi64(b, 32)));
    return _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64(cross, 32));
}

MEDIATION_AVX2 inline __m256i empty_rows(__m256i lengths, bool optional) {
    return _mm256_and_si256(_mm256_cmpeq_epi32(lengths, _mm256_setzero_si256()), _mm256_set1_epi32(-optional));
}

MEDIATION_AVX2 inline void store_nulls(uint8_t* nulls, __m256i empty) {
    if (!nulls) return;
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(empty), _mm256_extracti128_si256(empty, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(nulls), _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1)));
}

// Rows whose length is at least `shortest` and at most `more` beyond it.
MEDIATION_AVX2 inline uint32_t rows_that_fit(__m256i lengths, __m256i shortest, __m256i more) {
    const __m256i beyond = _mm256_sub_epi32(lengths, shortest);
    return bits_of_8(_mm256_cmpeq_epi32(_mm256_min_epu32(beyond, more), beyond));
}

// Digits of rows 0 and 2 as numbers 0 to 9 at the end of each lane, zeros before them; anything else is more than 9.
MEDIATION_AVX2 inline __m256i digits_of(const uint8_t* text, const uint32_t* begins, const uint32_t* ends) {
    alignas(64) static constexpr int8_t kPlaces[47] = {  // from a length on: where each byte of the lane comes from
        -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0,  1,  2,  3,  4,  5,  6, 7,
        8,   9,   10,  11,  12,  13,  14,  15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
    const __m256i places = two_lanes(kPlaces + ((ends[0] - begins[0]) & 31), kPlaces + ((ends[2] - begins[2]) & 31));
    return _mm256_shuffle_epi8(
        _mm256_sub_epi8(two_lanes(text + begins[0], text + begins[2]), _mm256_set1_epi8('0')), places);
}

// Groups of four digits as 32-bit numbers.
MEDIATION_AVX2 inline __m256i by_fours(__m256i digits) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A)), _mm256_set1_epi32(0x00010064));
}

MEDIATION_AVX2 inline __m256i values_of(Pair digits) {
    const __m256i fours = _mm256_packus_epi32(by_fours(digits.even), by_fours(digits.odd));
    const __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    return _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)), _mm256_srli_epi64(eights, 32));
}

MEDIATION_AVX2_TARGET inline void integers(const Bounds& b, const IntegerRule& rule, int64_t* out, uint8_t* nulls,
                                           Strange& strange) noexcept {
    const __m256i shortest = _mm256_set1_epi32(static_cast<int>(rule.shortest)), nine = _mm256_set1_epi8(9);
    const __m256i more = _mm256_set1_epi32(static_cast<int>(rule.longest - rule.shortest));
    const __m256i min = _mm256_set1_epi64x(rule.min), max = _mm256_set1_epi64x(rule.max);
    const __m256i multiplier = _mm256_set1_epi64x(rule.multiplier);
    for (uint32_t i = 0; i < b.count; i += 8) {
        uint32_t sound = 0;
        for (uint32_t half = 0; half < 8; half += 4) {
            const uint32_t *begins = b.begins + i + half, *ends = b.ends + i + half;
            const Pair digits{digits_of(b.text, begins, ends), digits_of(b.text, begins + 1, ends + 1)};
            __m256i values = values_of(digits);
            const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi64(min, values), _mm256_cmpgt_epi64(values, max));
            sound |= (rows_zero({_mm256_subs_epu8(digits.even, nine), _mm256_subs_epu8(digits.odd, nine)}) &
                      ~bits_of_4(outside)) << half;
            if (rule.multiplier != 1) values = times(values, multiplier);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i + half), values);
        }
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const __m256i empty = empty_rows(lengths, rule.optional);
        const uint32_t fits = rows_that_fit(lengths, shortest, more);
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & sound) | bits_of_8(empty)));
        store_nulls(nulls ? nulls + i : nullptr, empty);
    }
}

// Where a time's digits and literals stand, in the first sixteen bytes of a value and in the next.
struct TimeShape {
    __m256i places[2], literals[2], literal_mask[2];
};

MEDIATION_AVX2 inline TimeShape time_shape(const InstantRule& rule) {
    TimeShape shape;
    for (uint32_t half = 0; half < 2; ++half) {
        uint8_t places[16], mask[16];
        for (uint32_t k = 0; k < 16; ++k) {
            const uint32_t place = rule.shape->places[k];
            places[k] = place / 16 == half ? place % 16 : 0x80;
            mask[k] = rule.literal_mask >> (16 * half + k) & 1 ? 0xFF : 0;
        }
        shape.places[half] = in_every_lane(places);
        shape.literals[half] = in_every_lane(rule.literals + 16 * half);
        shape.literal_mask[half] = in_every_lane(mask);
    }
    return shape;
}

struct TimeDigits {
    __m256i digits;  // YYYYMMDDHHMMSS in each lane, then two bytes of no meaning
    __m256i unlike;  // not zero where a literal is another
};

// Of rows 0 and 2.
MEDIATION_AVX2 inline TimeDigits time_digits(const uint8_t* text, const uint32_t* begins, const TimeShape& shape) {
    TimeDigits time{_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (uint32_t half = 0; half < 2; ++half) {
        const __m256i bytes = two_lanes(text + begins[0] + 16 * half, text + begins[2] + 16 * half);
        const __m256i same = _mm256_cmpeq_epi8(bytes, shape.literals[half]);
        time.digits = _mm256_or_si256(time.digits, _mm256_shuffle_epi8(bytes, shape.places[half]));
        time.unlike = _mm256_or_si256(time.unlike, _mm256_andnot_si256(same, shape.literal_mask[half]));
    }
    time.digits = _mm256_sub_epi8(time.digits, _mm256_set1_epi8('0'));
    return time;
}

// Two-digit numbers of each lane: century, year, month, day, hour, minute, second, 0.
MEDIATION_AVX2 inline __m256i by_twos(__m256i digits) {
    return _mm256_maddubs_epi16(digits, in_every_lane(kTens));
}

// Not zero where a digit is none, or a number beyond what its kind may be; days are looked at again by month.
MEDIATION_AVX2 inline __m256i beyond(__m256i digits, __m256i twos) {
    return _mm256_or_si256(_mm256_subs_epu8(digits, in_every_lane(kMostDigit)),
                           _mm256_subs_epu16(_mm256_sub_epi16(twos, in_every_lane(kFirstOfPart)),
                                              in_every_lane(kMoreOfPart)));
}

// In each lane two 64-bit numbers: months since the year 0, and seconds of the day.
MEDIATION_AVX2 inline __m256i months_and_seconds(__m256i twos) {
    const __m256i parts = _mm256_madd_epi16(twos, in_every_lane(kPartWeights));
    return _mm256_and_si256(_mm256_add_epi32(parts, _mm256_srli_epi64(parts, 32)), _mm256_set1_epi64x(0xFFFFFFFF));
}

// The calendar's entries of four months, each of which it has.
MEDIATION_AVX2 inline __m256i calendar_of(__m256i months) {
    alignas(32) uint64_t month[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(month), months);
    const int32_t* entry = kCalendar.months;
    return _mm256_cvtepi32_epi64(_mm_setr_epi32(entry[month[0]], entry[month[1]], entry[month[2]], entry[month[3]]));
}

struct LocalTimes {
    __m256i us;
    __m256i sound;  // the day is one of the month's
};

MEDIATION_AVX2 inline LocalTimes local_times(Pair twos) {
    const __m256i one = _mm256_set1_epi64x(1);
    const Pair sums{months_and_seconds(twos.even), months_and_seconds(twos.odd)};
    const __m256i month = _mm256_sub_epi64(_mm256_unpacklo_epi64(sums.even, sums.odd),
                                           _mm256_set1_epi64x(kFirstYear * 12 + 1));
    const __m256i day = _mm256_srli_epi64(_mm256_unpacklo_epi64(twos.even, twos.odd), 48);
    const __m256i known = _mm256_andnot_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), month),
                                              _mm256_cmpgt_epi64(_mm256_set1_epi64x(kMonths), month));
    const __m256i entry = calendar_of(_mm256_and_si256(month, known));
    const __m256i after = _mm256_cmpgt_epi64(day, _mm256_and_si256(entry, _mm256_set1_epi64x(0xFF)));
    const __m256i days = _mm256_add_epi64(_mm256_srli_epi64(entry, 8), _mm256_sub_epi64(day, one));
    const __m256i seconds = _mm256_add_epi64(_mm256_mul_epu32(days, _mm256_set1_epi64x(86400)),
                                             _mm256_unpackhi_epi64(sums.even, sums.odd));
    return {times(seconds, _mm256_set1_epi64x(kSecond)), _mm256_andnot_si256(after, known)};
}

MEDIATION_AVX2_TARGET inline void instants(const Bounds& b, const InstantRule& rule, int64_t* out, uint8_t* nulls,
                                           Strange& strange) noexcept {
    const TimeShape shape = time_shape(rule);
    const __m256i length = _mm256_set1_epi32(static_cast<int>(rule.length));
    const __m256i first = _mm256_set1_epi64x(rule.range.first), last = _mm256_set1_epi64x(rule.range.last);
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const __m256i empty = empty_rows(lengths, rule.optional);
        uint32_t sound = 0;
        for (uint32_t half = 0; half < 8; half += 4) {
            const TimeDigits even = time_digits(b.text, b.begins + i + half, shape);
            const TimeDigits odd = time_digits(b.text, b.begins + i + half + 1, shape);
            const Pair twos{by_twos(even.digits), by_twos(odd.digits)};
            const LocalTimes local = local_times(twos);
            const __m256i outside =
                _mm256_or_si256(_mm256_cmpgt_epi64(first, local.us), _mm256_cmpgt_epi64(local.us, last));
            sound |= (bits_of_4(_mm256_andnot_si256(outside, local.sound)) &
                      rows_zero({_mm256_or_si256(even.unlike, beyond(even.digits, twos.even)),
                                 _mm256_or_si256(odd.unlike, beyond(odd.digits, twos.odd))})) << half;
            const __m128i none = half ? _mm256_extracti128_si256(empty, 1) : _mm256_castsi256_si128(empty);
            const __m256i utc = _mm256_sub_epi64(local.us, _mm256_set1_epi64x(rule.offset_us));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i + half),
                                _mm256_andnot_si256(_mm256_cvtepi32_epi64(none), utc));
        }
        const uint32_t fits = bits_of_8(_mm256_cmpeq_epi32(lengths, length));
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & sound) | bits_of_8(empty)));
        store_nulls(nulls ? nulls + i : nullptr, empty);
    }
}

// The first bytes of four values, at most eight, then zeros.
MEDIATION_AVX2 inline __m256i words_of(const uint8_t* text, const uint32_t* begins, __m256i lengths) {
    auto eight = [&](uint32_t k) {
        int64_t word;
        std::memcpy(&word, text + begins[k], 8);
        return word;
    };
    const __m256i bytes = _mm256_setr_epi64x(eight(0), eight(1), eight(2), eight(3));
    const __m256i shift = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64(lengths, 3));
    return _mm256_and_si256(bytes, _mm256_srlv_epi64(_mm256_set1_epi64x(-1), shift));
}

MEDIATION_AVX2_TARGET inline void codes(const Bounds& b, const CodeRule& rule, int16_t* out, uint8_t* nulls,
                                        Strange& strange) noexcept {
    uint64_t answers[16];  // of each value: its code, and its length above
    for (uint32_t v = 0; v < rule.count; ++v)
        answers[v] = uint64_t{rule.values[v].length} << 32 | static_cast<uint16_t>(rule.values[v].code);
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const __m256i empty = empty_rows(lengths, true), null = empty_rows(lengths, rule.optional);
        __m128i found[2];
        uint32_t sound = 0;
        for (uint32_t half = 0; half < 2; ++half) {
            const __m256i length = _mm256_cvtepu32_epi64(half ? _mm256_extracti128_si256(lengths, 1)
                                                              : _mm256_castsi256_si128(lengths));
            const __m256i word = words_of(b.text, b.begins + i + 4 * half, length);
            __m256i answer = _mm256_set1_epi64x(-1);
            for (uint32_t v = 0; v < rule.count; ++v) {
                const __m256i same = _mm256_cmpeq_epi64(
                    word, _mm256_set1_epi64x(static_cast<int64_t>(rule.values[v].word)));
                answer = _mm256_blendv_epi8(answer, _mm256_set1_epi64x(static_cast<int64_t>(answers[v])), same);
            }
            const __m256i known = _mm256_cmpeq_epi64(_mm256_srli_epi64(answer, 32), length);
            const __m256i code = _mm256_and_si256(_mm256_and_si256(answer, known), _mm256_set1_epi64x(0xFFFF));
            const __m256i evens = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
            found[half] = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(code, evens));
            sound |= bits_of_4(known) << 4 * half;
        }
        strange.bits[i / 8] = static_cast<uint8_t>(~((sound & ~bits_of_8(empty)) | bits_of_8(null)));
        store_nulls(nulls ? nulls + i : nullptr, null);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_packus_epi32(found[0], found[1]));
    }
}

// Where one of the first `length` bytes may not stand.
MEDIATION_AVX2 inline uint32_t strangers(const uint8_t* at, uint32_t length, __m256i low, __m256i high) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)), nibble = _mm256_set1_epi8(15);
    const __m256i from_low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    const __m256i from_high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    const __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(from_low, from_high), _mm256_setzero_si256());
    return _bzhi_u32(static_cast<uint32_t>(_mm256_movemask_epi8(none)), length);
}

MEDIATION_AVX2_TARGET inline void texts(const Bounds& b, const TextRule& rule, uint8_t* nulls,
                                        Strange& strange) noexcept {
    const __m256i low = in_every_lane(rule.low), high = in_every_lane(rule.high);
    const __m256i shortest = _mm256_set1_epi32(static_cast<int>(rule.shortest));
    const __m256i more = _mm256_set1_epi32(static_cast<int>(rule.longest - rule.shortest));
    for (uint32_t i = 0; i < b.count; i += 8) {
        const __m256i lengths = _mm256_sub_epi32(load_rows(b.ends + i), load_rows(b.begins + i));
        const __m256i empty = empty_rows(lengths, rule.optional);
        const uint32_t fits = rows_that_fit(lengths, shortest, more);
        uint32_t bad = 0;
        for (uint32_t k = 0; rule.bytes && k < 8; ++k) {
            const uint8_t* at = b.text + b.begins[i + k];
            const uint32_t length = b.ends[i + k] - b.begins[i + k];
            const bool zero = !rule.zero_first & (*at == '0');
            bad |= static_cast<uint32_t>((strangers(at, length, low, high) != 0) | zero) << k;
        }
        strange.bits[i / 8] = static_cast<uint8_t>(~((fits & ~bad) | bits_of_8(empty)));
        store_nulls(nulls ? nulls + i : nullptr, empty);
    }
}

}  // namespace mediation::detail::avx2

#endif  // MEDIATION_X86
