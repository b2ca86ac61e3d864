// Text to integers, eight digits at a time.
//
// Conventions: a span has 8 readable bytes at its begin, whatever its length (the padding of a text buffer). No
// function accepts a sign, a space or an underscore: what may stand around digits is the caller's rule.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/status.hpp"

namespace mediation {

struct Span {
    const uint8_t* begin;
    uint32_t length;
};

struct Parsed {
    int64_t value;
    Code code;
};

namespace detail {

// 1 to 8 digits. `bad` becomes nonzero when any byte is not a digit.
inline uint64_t up_to_8_digits(const uint8_t* at, uint32_t length, uint64_t& bad) noexcept {
    uint64_t x;
    std::memcpy(&x, at, 8);
    const uint32_t shift = 64 - 8 * length;
    x = (x << shift) - (0x3030303030303030ull << shift);
    bad |= ((x + 0x7676767676767676ull) | x) & 0x8080808080808080ull;
    x = x * 10 + (x >> 8);
    return (((x & 0x000000FF000000FFull) * 0x000F424000000064ull) +
            (((x >> 16) & 0x000000FF000000FFull) * 0x0000271000000001ull)) >> 32;
}

}  // namespace detail

// 1 or more digits; leading zeros are allowed. Overflow beyond int64 is number_overflow.
inline Parsed parse_digits(Span s) noexcept {
    uint64_t bad = 0;
    if (s.length <= 8) {
        const uint64_t value = detail::up_to_8_digits(s.begin, s.length, bad);
        return {static_cast<int64_t>(value), bad ? Code::not_a_number : Code::ok};
    }
    if (s.length <= 16) {
        const uint64_t high = detail::up_to_8_digits(s.begin, s.length - 8, bad);
        const uint64_t low = detail::up_to_8_digits(s.begin + s.length - 8, 8, bad);
        return {static_cast<int64_t>(high * 100000000 + low), bad ? Code::not_a_number : Code::ok};
    }
    int64_t value = 0;
    bool overflow = false;
    for (uint32_t i = 0; i < s.length; ++i) {
        const uint32_t digit = s.begin[i] - uint32_t{'0'};
        if (digit > 9) return {0, Code::not_a_number};
        overflow |= __builtin_mul_overflow(value, int64_t{10}, &value);
        overflow |= __builtin_add_overflow(value, static_cast<int64_t>(digit), &value);
    }
    return {overflow ? 0 : value, overflow ? Code::number_overflow : Code::ok};
}

// Digits, with a sign if the field may have one. A minus sign where none may stand is `negative`, not merely not a
// number: a counter that ran below zero is another fault than a letter O.
inline Parsed parse_integer(Span s, bool is_signed) noexcept {
    const uint8_t first = s.begin[0];
    if (first != '-' && (first != '+' || !is_signed)) return parse_digits(s);
    if (s.length == 1) return {0, Code::not_a_number};
    Parsed parsed = parse_digits({s.begin + 1, s.length - 1});
    if (parsed.code != Code::ok || first == '+') return parsed;
    if (!is_signed) return {0, Code::negative};
    return {-parsed.value, Code::ok};
}

// A decimal of at most `decimals` digits after the point, as an integer of 10^-decimals.
inline Parsed parse_decimal(Span s, bool is_signed, uint32_t decimals) noexcept {
    uint32_t at = 0;
    bool minus = false;
    if (s.begin[0] == '-' || (s.begin[0] == '+' && is_signed)) {
        minus = s.begin[0] == '-';
        at = 1;
    }
    int64_t value = 0;
    uint32_t digits = 0, after = 0;
    bool point = false, overflow = false;
    for (; at < s.length; ++at) {
        if (s.begin[at] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        const uint32_t digit = s.begin[at] - uint32_t{'0'};
        if (digit > 9) return {0, Code::not_a_number};
        ++digits;
        after += point;
        overflow |= __builtin_mul_overflow(value, int64_t{10}, &value);
        overflow |= __builtin_add_overflow(value, static_cast<int64_t>(digit), &value);
    }
    if (digits == 0 || (point && after == 0)) return {0, Code::not_a_number};
    if (after > decimals) return {0, Code::too_many_decimals};
    for (; after < decimals; ++after) overflow |= __builtin_mul_overflow(value, int64_t{10}, &value);
    if (overflow) return {0, Code::number_overflow};
    if (minus && !is_signed) return {0, Code::negative};
    return {minus ? -value : value, Code::ok};
}

}  // namespace mediation
