// Exact money: divisions that say how they round, line amounts that never wrap, the residue of a rounded line.
//
// Conventions
// - A line amount is an integer of 10^-6 of the currency ("micro") with |x| < 10^18; beyond is refused, never wrapped.
// - An exact amount is a rational numerator / denominator in micro; 0 < denominator <= 10^18, |numerator| <= 10^37.
// - Every rounding is symmetric: round(-x) = -round(x). "Up" is away from zero, "down" is toward zero; telecom's
//   "half up" is half away from zero. Only div_ceil and div_floor, which count increments, lean to one side.
#pragma once

#include <cstdint>

namespace mediation {

using int128 = __int128;

inline constexpr int64_t kMicro = 1000000;
inline constexpr int64_t kLineLimitMicro = 1000000000000000000;      // 10^18
inline constexpr int128 kExactLimit = int128{kLineLimitMicro} * kLineLimitMicro * 10;  // 10^37

enum class RoundingMode : int8_t { half_away, half_even, up, down };

inline int128 magnitude(int128 x) noexcept { return x < 0 ? -x : x; }

// All divisions: the divisor is positive.
inline int128 div_down(int128 n, int128 d) noexcept { return n / d; }

inline int128 div_up(int128 n, int128 d) noexcept {
    const int128 q = n / d;
    return q * d == n ? q : q + (n < 0 ? -1 : 1);
}

inline int128 div_floor(int128 n, int128 d) noexcept {
    const int128 q = n / d;
    return n < 0 && q * d != n ? q - 1 : q;
}

inline int128 div_ceil(int128 n, int128 d) noexcept {
    const int128 q = n / d;
    return n > 0 && q * d != n ? q + 1 : q;
}

inline int128 div_half_away(int128 n, int128 d) noexcept {
    const int128 q = n / d;
    const int128 rest = magnitude(n - q * d);
    return rest >= d - rest ? q + (n < 0 ? -1 : 1) : q;
}

inline int128 div_half_even(int128 n, int128 d) noexcept {
    const int128 q = n / d;
    const int128 rest = magnitude(n - q * d);
    const bool away = rest > d - rest || (rest == d - rest && (q & 1) != 0);
    return away ? q + (n < 0 ? -1 : 1) : q;
}

inline int128 div_rounded(int128 n, int128 d, RoundingMode mode) noexcept {
    switch (mode) {
        case RoundingMode::half_away: return div_half_away(n, d);
        case RoundingMode::half_even: return div_half_even(n, d);
        case RoundingMode::up: return div_up(n, d);
        default: return div_down(n, d);
    }
}

// Quantities: n >= 0, d > 0, both int64.
inline int64_t div_ceil_i64(int64_t n, int64_t d) noexcept {
    return n / d + (n % d != 0);
}

// The same for n >= 0 and d > 0 below 2^51, by one pipelined division: the quotient can not be rounded up to the next
// integer, because it is at least 1/d below it and a double of this size resolves that.
inline int64_t div_ceil_small(int64_t n, int64_t d) noexcept {
    return static_cast<int64_t>(static_cast<double>(n + d - 1) / static_cast<double>(d));
}

// Rounds an exact amount to a multiple of `granule` micro (a power of ten up to 10^6). False: not a line amount.
[[nodiscard]] inline bool round_line(int128 numerator, int128 denominator, int64_t granule, RoundingMode mode,
                                     int64_t* micro) noexcept {
    const int128 rounded = div_rounded(numerator, denominator * granule, mode) * granule;
    if (magnitude(rounded) >= kLineLimitMicro) return false;
    *micro = static_cast<int64_t>(rounded);
    return true;
}

// Exact minus stored in units of 10^-12, truncated toward zero. Contract: they differ by less than 10^12 micro.
inline int64_t residue_of(int128 numerator, int128 denominator, int64_t micro) noexcept {
    const int128 difference = numerator - int128{micro} * denominator;
    const int128 whole = difference / denominator;
    const int128 rest = difference - whole * denominator;
    return static_cast<int64_t>(whole * kMicro + rest * kMicro / denominator);
}

// rate * quantity for a rate and a quantity that are not negative. False: beyond kExactLimit.
[[nodiscard]] inline bool multiply_bounded(int128 rate, int64_t quantity, int128* product) noexcept {
    if (quantity != 0 && rate > kExactLimit / quantity) return false;
    *product = rate * quantity;
    return true;
}

[[nodiscard]] inline bool add_bounded(int128 a, int128* sum) noexcept {
    *sum += a;  // both within the limit: no wrap
    return magnitude(*sum) <= kExactLimit;
}

}  // namespace mediation
