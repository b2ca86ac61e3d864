// Local times by a declared pattern, brought to UTC microseconds.
//
// A pattern is a list of parts of fixed width; only what stands last varies: a fraction (a point and 1 to 9 digits, or
// nothing; what is less than a microsecond is cut off) and an offset (Z, ±hh, ±hhmm or ±hh:mm). A time without offset
// is local to a zone given as UTC transitions; one that happened twice or never is a fault, never a guess.
// Second 60 (a leap second) is accepted and stands at the next minute's :00, as POSIX counts. Years 1970 to 2199.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "decode/digits.hpp"

namespace mediation {

enum class Part : uint8_t {
    literal, year, month, day, hour, minute, second, millisecond, microsecond, fraction, offset, unix_seconds
};

struct PatternPart {
    Part part;
    uint8_t width;
    uint8_t literal;
};

struct ZoneTable {
    std::vector<int64_t> starts_us;  // UTC; the first is the least int64
    std::vector<int64_t> offsets_us;
};

// Where the fourteen digits YYYYMMDDHHMMSS stand, and the literals around them, in a pattern that has nothing else.
struct TimestampShape {
    bool simple = false;  // such a pattern, within 32 bytes; an offset may follow
    uint8_t places[16] = {};
    uint8_t literals[32] = {};
    uint32_t literal_mask = 0;
};

struct TimestampPlan {
    std::vector<PatternPart> parts;
    uint32_t width = 0;       // of all parts of fixed width
    bool compact = false;     // begins with YYYYMMDDHHMMSS
    bool has_offset = false;
    bool has_fraction = false;
    ZoneTable zone;
    TimestampShape shape;
    void find_shape();  // when all parts are there
};

inline void TimestampPlan::find_shape() {
    static constexpr Part kParts[] = {Part::year, Part::month, Part::day, Part::hour, Part::minute, Part::second};
    shape = TimestampShape{};
    uint32_t at = 0, seen = 0;
    for (const PatternPart& p : parts) {
        const auto* found = std::find(std::begin(kParts), std::end(kParts), p.part);
        const bool digits = found != std::end(kParts);
        const bool varies = p.part == Part::fraction || p.part == Part::offset;
        if (at + p.width > 32 || (!digits && !varies && p.part != Part::literal)) return;
        if (digits) {
            const auto i = static_cast<uint32_t>(found - std::begin(kParts));
            const uint32_t place = i == 0 ? 0 : 2 + 2 * i;
            for (uint32_t k = 0; k < p.width; ++k) shape.places[place + k] = static_cast<uint8_t>(at + k);
            seen |= 1u << i;
        } else if (p.part == Part::literal) {
            shape.literals[at] = p.literal;
            shape.literal_mask |= 1u << at;
        }
        at += p.width;
    }
    shape.simple = seen == 0x3F;
}

struct Instant {
    int64_t us;
    Code code;
    bool leap_second;
};

namespace detail {

inline constexpr int64_t kSecond = 1000000;

inline constexpr uint32_t kFirstYear = 1970, kMonths = (2199 - kFirstYear + 1) * 12;

struct MonthTable {
    int32_t months[kMonths];  // since January 1970: days before it << 8 | its days
};

constexpr MonthTable make_months() {
    constexpr int32_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    MonthTable table{};
    int32_t before = 0;
    for (uint32_t i = 0; i < kMonths; ++i) {
        const uint32_t year = kFirstYear + i / 12;
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        const int32_t days = kDays[i % 12] + (leap && i % 12 == 1);
        table.months[i] = before << 8 | days;
        before += days;
    }
    return table;
}

inline constexpr MonthTable kCalendar = make_months();

struct Wall {
    uint32_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, microsecond = 0;
};

inline Instant local_instant(const Wall& w) noexcept {
    const uint32_t month = (w.year - kFirstYear) * 12 + w.month - 1;
    if (w.month < 1 || w.month > 12 || month >= kMonths) return {0, Code::impossible_time, false};
    const int32_t entry = kCalendar.months[month];
    if (w.day < 1 || w.day > static_cast<uint32_t>(entry & 0xFF) || w.hour > 23 || w.minute > 59 || w.second > 60)
        return {0, Code::impossible_time, false};
    const int64_t seconds = ((entry >> 8) + int64_t{w.day} - 1) * 86400 + w.hour * 3600 + w.minute * 60 + w.second;
    return {seconds * kSecond + w.microsecond, Code::ok, w.second == 60};
}

// Z, ±hh, ±hhmm, ±hh:mm
inline Parsed parse_offset_us(Span s) noexcept {
    if (s.length == 1 && s.begin[0] == 'Z') return {0, Code::ok};
    const bool colon = s.length == 6 && s.begin[3] == ':';
    if ((s.length != 3 && s.length != 5 && !colon) || (s.begin[0] != '+' && s.begin[0] != '-'))
        return {0, Code::bad_utc_offset};
    uint64_t bad = 0;
    const uint64_t hours = up_to_8_digits(s.begin + 1, 2, bad);
    const uint64_t minutes = s.length == 3 ? 0 : up_to_8_digits(s.begin + (colon ? 4 : 3), 2, bad);
    if (bad || minutes > 59 || hours * 60 + minutes > 18 * 60) return {0, Code::bad_utc_offset};
    const int64_t us = static_cast<int64_t>(hours * 60 + minutes) * 60 * kSecond;
    return {s.begin[0] == '-' ? -us : us, Code::ok};
}

// A point and 1 to 9 digits as microseconds, or nothing; moves `at` past them.
inline uint32_t take_fraction_us(const uint8_t*& at, const uint8_t* end, uint64_t& bad) noexcept {
    if (at == end || *at != '.') return 0;
    const uint8_t* first = ++at;
    uint32_t us = 0;
    for (uint32_t scale = 100000; at < end && *at >= '0' && *at <= '9'; ++at, scale /= 10) us += (*at - '0') * scale;
    bad |= at == first || at - first > 9;
    return us;
}

}  // namespace detail

struct LocalRange {
    int64_t first, last;  // both included
};

// Local times that are in interval i of a zone and a day or more from its ends: they happened once.
inline LocalRange far_inside(const ZoneTable& zone, size_t i) noexcept {
    static constexpr int64_t kDay = 86400 * detail::kSecond;
    const bool begins = zone.starts_us[i] != INT64_MIN, ends = i + 1 < zone.starts_us.size();
    return {begins ? zone.starts_us[i] + zone.offsets_us[i] + kDay : INT64_MIN,
            ends ? zone.starts_us[i + 1] + zone.offsets_us[i] - kDay - 1 : INT64_MAX};
}

// The UTC instant of a local time. `hint` is the interval of the last call: nearly always right.
inline Instant local_to_utc(const ZoneTable& zone, Instant local, uint32_t& hint) noexcept {
    const size_t n = zone.starts_us.size();
    if (hint < n) {
        const LocalRange range = far_inside(zone, hint);
        if (local.us >= range.first && local.us <= range.last)
            return {local.us - zone.offsets_us[hint], local.code, local.leap_second};
    }
    uint32_t found = 0;
    int64_t us = 0;
    for (size_t i = 0; i < n; ++i) {
        const bool begun = zone.starts_us[i] == INT64_MIN || local.us >= zone.starts_us[i] + zone.offsets_us[i];
        if (!begun || (i + 1 < n && local.us >= zone.starts_us[i + 1] + zone.offsets_us[i])) continue;
        ++found;
        us = local.us - zone.offsets_us[i];
        hint = static_cast<uint32_t>(i);
    }
    if (found == 1) return {us, local.code, local.leap_second};
    return {0, found ? Code::ambiguous_time : Code::nonexistent_time, false};
}

inline Instant parse_timestamp(const TimestampPlan& plan, Span s, uint32_t& hint) noexcept {
    const bool fits = plan.has_offset     ? s.length > plan.width
                      : plan.has_fraction ? s.length >= plan.width
                                          : s.length == plan.width;
    if (!fits) return {0, Code::bad_timestamp, false};
    detail::Wall wall;
    uint64_t bad = 0;
    size_t part = 0;
    const uint8_t* at = s.begin;
    if (plan.compact) {
        const uint64_t date = detail::up_to_8_digits(at, 8, bad), time = detail::up_to_8_digits(at + 8, 6, bad);
        wall = {static_cast<uint32_t>(date / 10000), static_cast<uint32_t>(date / 100 % 100),
                static_cast<uint32_t>(date % 100),
                static_cast<uint32_t>(time / 10000), static_cast<uint32_t>(time / 100 % 100),
                static_cast<uint32_t>(time % 100), 0};
        at += 14;
        part = 6;
    }
    Parsed offset{0, Code::ok};
    for (; part < plan.parts.size(); ++part) {
        const PatternPart& p = plan.parts[part];
        if (p.part == Part::literal) {
            bad |= *at != p.literal;
        } else if (p.part == Part::fraction) {
            wall.microsecond = detail::take_fraction_us(at, s.begin + s.length, bad);
            bad |= plan.has_offset == (at == s.begin + s.length);
        } else if (p.part == Part::offset) {
            offset = detail::parse_offset_us({at, static_cast<uint32_t>(s.begin + s.length - at)});
        } else {
            const uint32_t value = static_cast<uint32_t>(detail::up_to_8_digits(at, p.width, bad));
            switch (p.part) {
                case Part::year: wall.year = value; break;
                case Part::month: wall.month = value; break;
                case Part::day: wall.day = value; break;
                case Part::hour: wall.hour = value; break;
                case Part::minute: wall.minute = value; break;
                case Part::second: wall.second = value; break;
                case Part::millisecond: wall.microsecond = value * 1000; break;
                default: wall.microsecond = value; break;
            }
        }
        at += p.width;
    }
    if (bad) return {0, Code::bad_timestamp, false};
    if (offset.code != Code::ok) return {0, offset.code, false};
    const Instant local = detail::local_instant(wall);
    if (local.code != Code::ok) return local;
    if (plan.has_offset) return {local.us - offset.value, Code::ok, local.leap_second};
    return local_to_utc(plan.zone, local, hint);
}

// Whole seconds since 1970, UTC.
inline Instant parse_unix_seconds(Span s) noexcept {
    const Parsed parsed = parse_integer(s, false);
    if (parsed.code == Code::not_a_number) return {0, Code::bad_timestamp, false};
    if (parsed.code != Code::ok || parsed.value > 7258118399) return {0, Code::impossible_time, false};
    return {parsed.value * detail::kSecond, Code::ok, false};
}

}  // namespace mediation
