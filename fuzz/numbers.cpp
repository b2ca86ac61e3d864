// Digits, decimals and times against plain twins: __int128 for numbers, field after field for times.
#include <algorithm>

#include "common.hpp"
#include "decode/digits.hpp"
#include "decode/timestamp.hpp"

using namespace fuzz;

namespace {

bool all_digits(std::string_view s) {
    return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

Parsed plain_digits(std::string_view s) {
    if (!all_digits(s)) return {0, Code::not_a_number};
    __int128 value = 0;
    for (const char c : s) value = std::min<__int128>(value * 10 + (c - '0'), __int128{1} << 100);
    if (value > INT64_MAX) return {0, Code::number_overflow};
    return {static_cast<int64_t>(value), Code::ok};
}

bool has_sign(std::string_view s, bool is_signed) { return s[0] == '-' || (s[0] == '+' && is_signed); }

Parsed with_sign(Parsed parsed, bool minus, bool is_signed) {
    if (parsed.code == Code::ok && minus && !is_signed) return {0, Code::negative};
    return {minus ? -parsed.value : parsed.value, parsed.code};
}

Parsed plain_integer(std::string_view s, bool is_signed) {
    return with_sign(plain_digits(s.substr(has_sign(s, is_signed))), s[0] == '-', is_signed);
}

Parsed plain_decimal(std::string_view s, bool is_signed, uint32_t decimals) {
    const std::string_view number = s.substr(has_sign(s, is_signed));
    const size_t point = std::min(number.find('.'), number.size());
    const std::string_view whole = number.substr(0, point);
    std::string fraction{point < number.size() ? number.substr(point + 1) : ""};
    if (!all_digits(whole) || (point < number.size() && !all_digits(fraction))) return {0, Code::not_a_number};
    if (fraction.size() > decimals) return {0, Code::too_many_decimals};
    fraction.resize(decimals, '0');
    return with_sign(plain_digits(std::string{whole} + fraction), s[0] == '-', is_signed);
}

// ---------------------------------------------------------------------------------------------- times

constexpr int64_t kSecondUs = 1000000;

struct Pattern {
    const char* directives;  // as in strptime; L is milliseconds, z an offset
    bool compact;
};
constexpr Pattern kPatterns[] = {{"YmdHMS", true},        {"YmdHMS.L", true},      {"YmdHMSz", true},
                                 {"Y-m-d H:M:S", false},  {"Y-m-dTH:M:Sz", false}, {"d/m/Y H:M", false},
                                 {"Y-m-d H:M:S.f", false}, {"Ymd", false},          {"Y/m/d H:M:S.Lz", false}};

PatternPart part_of(char directive) {
    switch (directive) {
        case 'Y': return {Part::year, 4, 0};
        case 'm': return {Part::month, 2, 0};
        case 'd': return {Part::day, 2, 0};
        case 'H': return {Part::hour, 2, 0};
        case 'M': return {Part::minute, 2, 0};
        case 'S': return {Part::second, 2, 0};
        case 'L': return {Part::millisecond, 3, 0};
        case 'f': return {Part::microsecond, 6, 0};
        case 'z': return {Part::offset, 0, 0};
        default: return {Part::literal, 1, static_cast<uint8_t>(directive)};
    }
}

TimestampPlan plan_of(const Pattern& pattern) {
    TimestampPlan plan;
    for (const char* at = pattern.directives; *at; ++at) {
        plan.parts.push_back(part_of(*at));
        plan.width += plan.parts.back().width;
        plan.has_offset = *at == 'z';
    }
    plan.compact = pattern.compact;
    return plan;
}

// Up to three changes of the clock, more than a month apart, by less than a day.
ZoneTable zone_of(Input& input) {
    ZoneTable zone{{INT64_MIN}, {(int64_t{input.below(29)} - 14) * 3600 * kSecondUs}};
    int64_t start_s = 0;
    for (uint32_t changes = input.below(4); changes; --changes) {
        start_s += (int64_t{input.byte()} + 32) * 86400 * 9 + input.byte() * 600;
        zone.starts_us.push_back(start_s * kSecondUs);
        const int64_t shifted_us = zone.offsets_us.back() + (int64_t{input.below(93)} - 46) * 1800 * kSecondUs;
        zone.offsets_us.push_back(shifted_us);
    }
    return zone;
}

bool plain_offset(std::string_view s, int64_t& us) {
    us = 0;
    if (s == "Z") return true;
    if (s.size() != 3 && s.size() != 5 && s.size() != 6) return false;
    if (s[0] != '+' && s[0] != '-') return false;
    if (s.size() == 6 && s[3] != ':') return false;
    std::string digits{s.substr(1, 2)};
    digits += s.size() == 3 ? "00" : s.substr(s.size() - 2);
    if (!all_digits(digits)) return false;
    const int64_t minutes = plain_digits(digits.substr(0, 2)).value * 60 + plain_digits(digits.substr(2)).value;
    if (plain_digits(digits.substr(2)).value > 59 || minutes > 18 * 60) return false;
    us = (s[0] == '-' ? -minutes : minutes) * 60 * kSecondUs;
    return true;
}

int64_t plain_days_of_month(int64_t year, int64_t month) {
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2) return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

Instant plain_local(const int64_t (&fields)[128]) {
    const int64_t year = fields['Y'], month = fields['m'], day = fields['d'];
    if (year < 1970 || year > 2199 || month < 1 || month > 12 || day < 1 || day > plain_days_of_month(year, month) ||
        fields['H'] > 23 || fields['M'] > 59 || fields['S'] > 60)
        return {0, Code::impossible_time, false};
    int64_t days = day - 1;
    for (int64_t y = 1970; y < year; ++y) days += plain_days_of_month(y, 2) == 29 ? 366 : 365;
    for (int64_t m = 1; m < month; ++m) days += plain_days_of_month(year, m);
    const int64_t seconds = ((days * 24 + fields['H']) * 60 + fields['M']) * 60 + fields['S'];
    return {seconds * kSecondUs + fields['L'] * 1000 + fields['f'], Code::ok, fields['S'] == 60};
}

// The instants at which the clock of the zone showed `local`.
Instant plain_utc(const ZoneTable& zone, Instant local) {
    std::vector<int64_t> found;
    for (size_t i = 0; i < zone.starts_us.size(); ++i) {
        const int64_t us = local.us - zone.offsets_us[i];
        const bool before_next = i + 1 == zone.starts_us.size() || us < zone.starts_us[i + 1];
        if (us >= zone.starts_us[i] && before_next) found.push_back(us);
    }
    if (found.size() == 1) return {found[0], Code::ok, local.leap_second};
    return {0, found.empty() ? Code::nonexistent_time : Code::ambiguous_time, false};
}

Instant plain_timestamp(const Pattern& pattern, const TimestampPlan& plan, std::string_view s) {
    if (plan.has_offset ? s.size() <= plan.width : s.size() != plan.width) return {0, Code::bad_timestamp, false};
    int64_t fields[128] = {}, offset_us = 0;
    fields['Y'] = 1970, fields['m'] = fields['d'] = 1;
    bool sound_offset = true;
    size_t at = 0;
    for (size_t i = 0; i < plan.parts.size(); ++i) {
        const char directive = pattern.directives[i];
        const std::string_view part = s.substr(at, plan.parts[i].width);
        if (directive == 'z') {
            sound_offset = plain_offset(s.substr(at), offset_us);
        } else if (plan.parts[i].part == Part::literal) {
            if (part[0] != directive) return {0, Code::bad_timestamp, false};
        } else {
            const Parsed parsed = plain_digits(part);
            if (parsed.code != Code::ok) return {0, Code::bad_timestamp, false};
            fields[static_cast<size_t>(directive)] = parsed.value;
        }
        at += part.size();
    }
    if (!sound_offset) return {0, Code::bad_utc_offset, false};
    const Instant local = plain_local(fields);
    if (local.code != Code::ok) return local;
    if (plan.has_offset) return {local.us - offset_us, Code::ok, local.leap_second};
    return plain_utc(plan.zone, local);
}

// -------------------------------------------------------------------------------------------- compared

void require_same(Parsed got, Parsed wanted) {
    REQUIRE(got.code == wanted.code);
    REQUIRE(got.code != Code::ok || got.value == wanted.value);
}

void require_same(Instant got, Instant wanted) {
    REQUIRE(got.code == wanted.code);
    REQUIRE(got.code != Code::ok || (got.us == wanted.us && got.leap_second == wanted.leap_second));
}

void compare_times(Input& input, uint8_t padding) {
    const Pattern& pattern = kPatterns[input.below(sizeof kPatterns / sizeof kPatterns[0])];
    TimestampPlan plan = plan_of(pattern);
    plan.zone = zone_of(input);
    const std::string_view bytes = input.take(64);
    if (bytes.empty()) return;
    const PaddedText text{bytes, padding};
    const Instant wanted = plain_timestamp(pattern, plan, bytes);
    for (uint32_t hint = 0; hint <= plan.zone.starts_us.size(); ++hint) {  // a hint may be anything
        uint32_t used = hint;
        require_same(parse_timestamp(plan, {text.data(), static_cast<uint32_t>(bytes.size())}, used), wanted);
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const uint32_t what = input.below(3);
    const bool is_signed = input.coin();
    const uint32_t decimals = input.below(7);
    const uint8_t padding = kPaddings[input.below(4)];
    if (what == 0) {
        compare_times(input, padding);
        return 0;
    }
    const std::string_view bytes = input.take(64);
    if (bytes.empty()) return 0;
    const PaddedText text{bytes, padding};
    const Span span{text.data(), static_cast<uint32_t>(bytes.size())};
    require_same(parse_digits(span), plain_digits(bytes));
    require_same(parse_integer(span, is_signed), plain_integer(bytes, is_signed));
    require_same(parse_decimal(span, is_signed, decimals), plain_decimal(bytes, is_signed, decimals));
    const Parsed seconds = plain_integer(bytes, false);
    Instant wanted{0, Code::ok, false};
    if (seconds.code == Code::not_a_number) wanted.code = Code::bad_timestamp;
    else if (seconds.code != Code::ok || seconds.value > 7258118399) wanted.code = Code::impossible_time;
    else wanted.us = seconds.value * kSecondUs;
    require_same(parse_unix_seconds(span), wanted);
    return 0;
}
