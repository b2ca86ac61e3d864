// What account days and settlement share: keys, amounts, local days.
//
// Conventions
// - Amounts are integers of 10^-6. Sums are exact and checked, so no order of threads changes a result.
// - `rows` leads from a rated row to its usage row; null means that they are the same.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/column.hpp"

namespace mediation {

enum class FoldStatus : int32_t { ok, memory, overflow, missing_time };

inline constexpr int64_t kNoValue = INT64_MIN;  // stands for null in a key

// `constant` is a large odd number: with a small one neighbouring keys would stay neighbours.
inline uint64_t fold_mix(uint64_t x, uint64_t constant) {
    const unsigned __int128 product = static_cast<unsigned __int128>(x ^ 0x9e3779b97f4a7c15ULL) * constant;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A zone's table as zones.py compiles it: from starts_us[i], local time is UTC + offsets_s[i].
struct ZoneTable {
    const int64_t* starts_us;
    const int32_t* offsets_s;
    int64_t size;
};

// The local day of instants; remembers the interval of the last one, as neighbours mostly share it.
class LocalDays {
  public:
    explicit LocalDays(const ZoneTable& zone) : zone_(zone) { enter(0); }

    int32_t operator()(int64_t instant_us) {
        if (instant_us < from_us_ || instant_us >= to_us_)
            enter(std::upper_bound(zone_.starts_us, zone_.starts_us + zone_.size, instant_us) - zone_.starts_us - 1);
        constexpr int64_t kDayUs = int64_t{86400} * 1000000;
        const int64_t local_us = instant_us + offset_us_;
        return static_cast<int32_t>(local_us / kDayUs - (local_us % kDayUs < 0));
    }

  private:
    void enter(int64_t i) {
        from_us_ = zone_.starts_us[i];
        to_us_ = i + 1 < zone_.size ? zone_.starts_us[i + 1] : INT64_MAX;
        offset_us_ = int64_t{zone_.offsets_s[i]} * 1000000;
    }

    ZoneTable zone_;
    int64_t from_us_ = 0, to_us_ = 0, offset_us_ = 0;
};

inline int64_t amount_micro(const ColumnView& amounts, int64_t row) {
    return amounts.valid(row) ? static_cast<int64_t>(amounts.i128()[row]) : 0;  // 18 digits fit
}

}  // namespace mediation
