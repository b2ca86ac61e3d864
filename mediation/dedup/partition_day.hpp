// The day that a record is filed under in the history: the UTC day of its key's timestamp, or none.
//
// Conventions
// - A day is a function of the key's values alone, so that whatever repeats a record is looked for where the record is.
// - Days are counted from 1970 and clamped to [0, kLastDay]: a code has 16 bits, and still is such a function.
// - Code 0 is undated and sorts first; day d has the code d + 1.
#pragma once

#include <cstdint>

#include "native/column.hpp"

namespace mediation {

inline constexpr int32_t kLastDay = 65534;  // in 2149
inline constexpr int32_t kDayCodes = kLastDay + 2;
inline constexpr int64_t kDayMicroseconds = int64_t{86400} * 1000000;

inline int32_t partition_day(int64_t instant_us) {
    if (instant_us < 0) return 0;
    const int64_t day = instant_us / kDayMicroseconds;
    return static_cast<int32_t>(day < kLastDay ? day : kLastDay);
}

inline uint16_t day_code(const ColumnView& days, int64_t i) {
    if (!days.valid(i)) return 0;
    const int32_t day = days.i32()[i];
    return static_cast<uint16_t>(day < 0 ? 1 : (day < kLastDay ? day : kLastDay) + 1);
}

// Contract: the column is nullable.
inline void write_day(uint16_t code, ColumnOut* days, int64_t i) {
    days->i32()[i] = code ? code - 1 : 0;
    if (!code) days->set_null(i);
}

}  // namespace mediation
