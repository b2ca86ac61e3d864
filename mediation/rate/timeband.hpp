// Local time: which band a wall clock stands in, until when, and which cycle a day belongs to.
//
// Conventions
// - Instants are seconds since 1970 UTC; elapsed time is counted there, bands are looked up on the local wall.
//   Fractions of a second do not move a band.
// - A clock is a zone, a calendar, bands and a cycle; parties that declare the same share one. Its bands are
//   numbered from 0.
// - Between 1990 and 2100 a day's type and cycle are looked up; outside only the weekday counts, no calendar.
// - A leap second does not exist here: an instant reported as :60 stands at the next minute's :00 (F13).
#pragma once

#include <cstdint>

namespace mediation {

inline constexpr int64_t kDay_s = 86400;
inline constexpr int32_t kFirstDay = 7305;   // 1990-01-01
inline constexpr int32_t kDayCount = 40542;  // to 2100-12-31
inline constexpr int kMinutes = 1440;

struct Minute {
    int16_t band;
    int16_t until;  // the minute at which another band may begin; 1440 is midnight
};

struct Clock {
    int32_t transitions;  // first of its zone's transitions
    int32_t transition_count;
    int32_t days;         // first of its days' types
    int32_t cycles;       // first of its days' cycle starts
    int32_t minutes;      // first of its minutes: [day type][minute]
    int32_t first_day;    // of a cycle, 1 to 28
    int32_t bands;        // how many; with one there is nothing to cross
    int8_t weekdays[8];   // day type of Monday … Sunday
    int32_t zone;         // clocks of one zone share a ZoneSpan
};
static_assert(sizeof(Clock) == 40, "rates.py writes these");

struct Clocks {
    const Clock* clocks;
    const int64_t* transitions_s;
    const int32_t* offsets_s;
    const int8_t* days;
    const int32_t* cycles;  // days since 1970
    const Minute* minutes;
};

// The stretch of a zone's time with one offset; kept from row to row, since neighbours mostly share it.
struct ZoneSpan {
    int64_t from_s = 0;
    int64_t to_s = 0;  // empty at first
    int64_t offset_s = 0;
};

inline void find_span(const Clocks& clocks, const Clock& clock, int64_t at_s, ZoneSpan& span) noexcept {
    if (at_s >= span.from_s && at_s < span.to_s) return;
    const int64_t* starts = clocks.transitions_s + clock.transitions;
    int32_t low = 0, high = clock.transition_count - 1;  // starts[0] is the beginning of time
    while (low < high) {
        const int32_t middle = (low + high + 1) >> 1;
        if (starts[middle] <= at_s) low = middle; else high = middle - 1;
    }
    span.from_s = starts[low];
    span.to_s = low + 1 < clock.transition_count ? starts[low + 1] : INT64_MAX;
    span.offset_s = clocks.offsets_s[clock.transitions + low];
}

inline int64_t floor_div(int64_t n, int64_t d) noexcept {
    const int64_t q = n / d;
    return q - (n % d < 0);
}

// Days since 1970 of the cycle's first day, by the civil calendar (H. Hinnant's algorithm).
inline int32_t civil_cycle(int64_t day, int32_t first_day) noexcept {
    const int64_t z = day + 719468;
    const int64_t era = floor_div(z, 146097);
    const int64_t in_era = z - era * 146097;
    const int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * in_year + 2) / 153;  // from March
    const int64_t of_month = in_year - (153 * month + 2) / 5 + 1;
    if (of_month >= first_day) return static_cast<int32_t>(day - of_month + first_day);
    const int64_t earlier = day - of_month;  // the last day of the month before
    const int64_t e = earlier + 719468 - floor_div(earlier + 719468, 146097) * 146097;
    const int64_t y = (e - e / 1460 + e / 36524 - e / 146096) / 365;
    const int64_t d = e - (365 * y + y / 4 - y / 100);
    const int64_t m = (5 * d + 2) / 153;
    return static_cast<int32_t>(earlier - (d - (153 * m + 2) / 5) + first_day - 1);
}

struct LocalTime {
    int64_t day;     // since 1970
    int32_t second;  // of the day
};

inline LocalTime local_time(const Clocks& clocks, const Clock& clock, int64_t at_s, ZoneSpan& span) noexcept {
    find_span(clocks, clock, at_s, span);
    const int64_t local = at_s + span.offset_s;
    const int64_t day = floor_div(local, kDay_s);
    return {day, static_cast<int32_t>(local - day * kDay_s)};
}

inline Minute minute_of(const Clocks& clocks, const Clock& clock, LocalTime at) noexcept {
    const int64_t i = at.day - kFirstDay;
    int32_t type;
    if (i >= 0 && i < kDayCount) {
        type = clocks.days[clock.days + i];
    } else {
        const int64_t weekday = (at.day + 3) - floor_div(at.day + 3, 7) * 7;  // 1970-01-01 was a Thursday
        type = clock.weekdays[weekday];
    }
    return clocks.minutes[clock.minutes + type * kMinutes + at.second / 60];
}

inline int32_t cycle_of(const Clocks& clocks, const Clock& clock, int64_t day) noexcept {
    const int64_t i = day - kFirstDay;
    if (i >= 0 && i < kDayCount) return clocks.cycles[clock.cycles + i];
    return civil_cycle(day, clock.first_day);
}

// The band at `at_s`, and the instant up to which it lasts without interruption, at most `end_s` > at_s. Midnights and
// changes of offset end a stretch of wall time but not a band that goes on behind them.
struct BandStretch {
    int32_t band;
    int64_t until_s;
};

inline BandStretch band_from(const Clocks& clocks, const Clock& clock, int64_t at_s, int64_t end_s,
                             ZoneSpan& span) noexcept {
    int32_t band = -1;
    while (at_s < end_s) {
        const LocalTime local = local_time(clocks, clock, at_s, span);
        const Minute minute = minute_of(clocks, clock, local);
        if (band >= 0 && minute.band != band) return {band, at_s};
        band = minute.band;
        const int64_t until_s = at_s + (int64_t{minute.until} * 60 - local.second);
        at_s = until_s < span.to_s ? until_s : span.to_s;
    }
    return {band, end_s};
}

}  // namespace mediation
