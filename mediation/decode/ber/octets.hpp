// Octets to numbers, digits and times, as BER, TAP and 3GPP TS 32.298 write them.
//
// Conventions: octets stand in a padded text, `length` is never 0 (an empty element is a null). BCD has the first digit
// in the high half of an octet (TAP), TBCD in the low half (3GPP TS 29.002); F fills up at the end and stands nowhere
// else. Digits beyond 9 are * # a b c.
#pragma once

#include <cstdint>
#include <cstring>

#include "decode/digits.hpp"
#include "decode/timestamp.hpp"

namespace mediation {

// Two's complement to 64 bits, in any number of octets.
inline Parsed ber_integer(const uint8_t* at, uint32_t length) noexcept {
    const uint8_t sign = at[0] & 0x80 ? 0xFF : 0x00;
    while (length > 8) {
        if (*at != sign) return {0, Code::number_overflow};
        ++at;
        --length;
    }
    if ((*at & 0x80) != (sign & 0x80)) return {0, Code::number_overflow};
    uint64_t word;
    std::memcpy(&word, at, 8);
    word = __builtin_bswap64(word);
    return {static_cast<int64_t>(word) >> (64 - 8 * length), Code::ok};
}

// Halves of at most 8 octets in the order of their digits, the last in the lowest bits; fillers at the end are gone.
struct Nibbles {
    uint64_t word;
    uint32_t count;
};

namespace detail {

inline constexpr uint64_t kLowHalves = 0x0F0F0F0F0F0F0F0Full, kOnes = 0x1111111111111111ull;

inline uint64_t any_above_nine(uint64_t halves) noexcept { return halves >> 3 & (halves >> 2 | halves >> 1) & kOnes; }
inline uint64_t any_filler(uint64_t halves) noexcept {
    return halves & halves >> 1 & halves >> 2 & halves >> 3 & kOnes;
}

inline uint8_t nibble(const uint8_t* at, uint32_t i, bool swapped) noexcept {
    const uint8_t octet = at[i / 2];
    return (i % 2 == 0) == swapped ? octet & 15 : octet >> 4;
}

}  // namespace detail

// 1 to 8 octets.
inline Nibbles nibbles_of(const uint8_t* at, uint32_t length, bool swapped) noexcept {
    uint64_t word;
    std::memcpy(&word, at, 8);
    word = __builtin_bswap64(word) >> (64 - 8 * length);
    if (swapped) word = (word & detail::kLowHalves) << 4 | (word >> 4 & detail::kLowHalves);
    const uint32_t fillers = ~word ? static_cast<uint32_t>(__builtin_ctzll(~word)) / 4 : 16;
    const uint32_t count = fillers < 2 * length ? 2 * length - fillers : 0;
    return {count ? word >> (4 * fillers) : 0, count};
}

// How many digits there are; bad_character when a filler stands among them.
inline Parsed count_digits(const uint8_t* at, uint32_t length, bool swapped) noexcept {
    if (length <= 8) {
        const Nibbles n = nibbles_of(at, length, swapped);
        return {n.count, detail::any_filler(n.word) ? Code::bad_character : Code::ok};
    }
    uint32_t count = 2 * length;
    while (count && detail::nibble(at, count - 1, swapped) == 15) --count;
    for (uint32_t i = 0; i < count; ++i)
        if (detail::nibble(at, i, swapped) == 15) return {0, Code::bad_character};
    return {count, Code::ok};
}

// Decimal digits as a number; not_a_number for any other.
inline Parsed digits_value(const uint8_t* at, uint32_t length, bool swapped) noexcept {
    if (length > 8) {
        const Parsed digits = count_digits(at, length, swapped);
        if (digits.code != Code::ok) return {0, Code::not_a_number};
        int64_t value = 0;
        for (int64_t i = 0; i < digits.value; ++i) {
            const uint8_t digit = detail::nibble(at, static_cast<uint32_t>(i), swapped);
            if (digit > 9) return {0, Code::not_a_number};
            if (__builtin_mul_overflow(value, int64_t{10}, &value)) return {0, Code::number_overflow};
            if (__builtin_add_overflow(value, int64_t{digit}, &value)) return {0, Code::number_overflow};
        }
        return {value, digits.value ? Code::ok : Code::missing_value};
    }
    const Nibbles n = nibbles_of(at, length, swapped);
    if (detail::any_above_nine(n.word)) return {0, Code::not_a_number};
    uint64_t x = n.word - 6 * (n.word >> 4 & detail::kLowHalves);
    x = (x & 0x00FF00FF00FF00FFull) + (x >> 8 & 0x00FF00FF00FF00FFull) * 100;
    x = (x & 0x0000FFFF0000FFFFull) + (x >> 16 & 0x0000FFFF0000FFFFull) * 10000;
    return {static_cast<int64_t>((x & 0xFFFFFFFF) + (x >> 32) * 100000000), n.count ? Code::ok : Code::missing_value};
}

namespace detail {

struct DigitPairs {
    uint8_t of[2][256][2];  // by order of the halves and octet
};

constexpr DigitPairs make_pairs() {
    constexpr char kCharacters[] = "0123456789*#abcF";
    DigitPairs pairs{};
    for (int octet = 0; octet < 256; ++octet)
        for (int half = 0; half < 2; ++half) {
            pairs.of[0][octet][half] = static_cast<uint8_t>(kCharacters[half ? octet & 15 : octet >> 4]);
            pairs.of[1][octet][half] = static_cast<uint8_t>(kCharacters[half ? octet >> 4 : octet & 15]);
        }
    return pairs;
}

inline constexpr DigitPairs kPairs = make_pairs();

}  // namespace detail

// Writes `count` digits as characters, and perhaps one octet more behind them.
inline uint8_t* write_digits(const uint8_t* at, uint32_t count, bool swapped, uint8_t* out) noexcept {
    for (uint32_t i = 0; i < count; i += 2) std::memcpy(out + i, detail::kPairs.of[swapped][at[i / 2]], 2);
    return out + count;
}

inline uint8_t* write_hex(const uint8_t* at, uint32_t length, uint8_t* out) noexcept {
    static constexpr char kCharacters[] = "0123456789abcdef";
    for (uint32_t i = 0; i < 2 * length; ++i)
        *out++ = static_cast<uint8_t>(kCharacters[detail::nibble(at, i, false)]);
    return out;
}

// Octets before an address's digits: of type and plan, and of presentation where the first's top bit is not set (3GPP
// TS 24.008).
inline uint32_t address_head(const uint8_t* at) noexcept { return at[0] & 0x80 ? 1 : 2; }

// ---------------------------------------------------------------------------------------------- networks

namespace detail {

inline constexpr uint32_t kPlmnDigits[] = {0, 1, 2, 4, 5, 3};  // halves of the octets in the order of MCC and MNC

}  // namespace detail

// How many digits a network's code has (3GPP TS 24.008, MCC and MNC); 0 when all is filler.
inline Parsed plmn_digits(const uint8_t* at, uint32_t length) noexcept {
    if (length != 3) return {0, Code::bad_length};
    if (at[0] == 0xFF && at[1] == 0xFF && at[2] == 0xFF) return {0, Code::ok};
    const int64_t count = detail::nibble(at, 3, true) == 15 ? 5 : 6;
    for (int64_t i = 0; i < count; ++i)
        if (detail::nibble(at, detail::kPlmnDigits[i], true) > 9) return {0, Code::bad_character};
    return {count, Code::ok};
}

inline uint8_t* write_plmn(const uint8_t* at, uint32_t count, uint8_t* out) noexcept {
    for (uint32_t i = 0; i < count; ++i)
        *out++ = static_cast<uint8_t>('0' + detail::nibble(at, detail::kPlmnDigits[i], true));
    return out;
}

// ------------------------------------------------------------------------------------------------ times

// Fourteen ASCII digits YYYYMMDDhhmmss, as if they were UTC.
inline Instant local_time14(const uint8_t* at, uint32_t length) noexcept {
    if (length != 14) return {0, Code::bad_timestamp, false};
    uint64_t bad = 0;
    const uint64_t date = detail::up_to_8_digits(at, 8, bad), time = detail::up_to_8_digits(at + 8, 6, bad);
    if (bad) return {0, Code::bad_timestamp, false};
    const detail::Wall wall{static_cast<uint32_t>(date / 10000), static_cast<uint32_t>(date / 100 % 100),
                            static_cast<uint32_t>(date % 100), static_cast<uint32_t>(time / 10000),
                            static_cast<uint32_t>(time / 100 % 100), static_cast<uint32_t>(time % 100), 0};
    return detail::local_instant(wall);
}

struct Offset {
    int64_t us;
    Code code;
};

// The last three of the nine octets of a TimeStamp: a sign in ASCII, hours and minutes.
inline Offset time9_offset(const uint8_t* at, uint32_t length) noexcept {
    if (length != 9) return {0, Code::bad_timestamp};
    const Nibbles n = nibbles_of(at + 7, 2, false);
    const uint32_t minutes = static_cast<uint32_t>((n.word >> 12 & 15) * 600 + (n.word >> 8 & 15) * 60 +
                                                   (n.word >> 4 & 15) * 10 + (n.word & 15));
    const bool digits = n.count == 4 && !detail::any_above_nine(n.word) && (n.word >> 4 & 15) < 6;
    if (!digits || (at[6] != '+' && at[6] != '-') || minutes > 18 * 60) return {0, Code::bad_utc_offset};
    const int64_t us = int64_t{minutes} * 60 * detail::kSecond;
    return {at[6] == '-' ? -us : us, Code::ok};
}

// YYMMDDhhmmss in BCD and an offset (3GPP TS 32.298); the century is the twenty-first.
inline Instant time9(const uint8_t* at, uint32_t length) noexcept {
    const Offset offset = time9_offset(at, length);
    if (offset.code != Code::ok) return {0, offset.code, false};
    const Nibbles n = nibbles_of(at, 6, false);
    if (n.count != 12 || detail::any_above_nine(n.word)) return {0, Code::bad_timestamp, false};
    uint32_t parts[6];
    for (uint32_t i = 0; i < 6; ++i)
        parts[i] = static_cast<uint32_t>((n.word >> (44 - 8 * i) & 15) * 10 + (n.word >> (40 - 8 * i) & 15));
    Instant local = detail::local_instant({2000 + parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], 0});
    local.us -= local.code == Code::ok ? offset.us : 0;
    return local;
}

}  // namespace mediation
