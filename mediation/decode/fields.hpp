// Values second: one field of a block of records at a time, by a converter chosen once per layout.
//
// Conventions
// - A converter reads the rows of a block, writes its column at the same rows, and notes a fault where a value is not
//   valid; it then writes 0, so that control sums over the column count only what could be read.
// - What quick.hpp leaves as strange is converted here, a value at a time; at the level `base` every value is.
// - Null flags are bytes while a text is decoded and become Arrow bits when the faulty rows have gone (`compact`).
// - Text is only checked here; it is copied once the rows that stay are known.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "decode/bounds.hpp"
#include "decode/plan.hpp"
#include "decode/quick.hpp"
#include "decode/timestamp.hpp"
#include "native/numbers.hpp"

namespace mediation {

// What a converter writes to: all of it begins at the block's first row.
struct Target {
    Records* records;
    const uint32_t* row_record;
    uint8_t* data;
    uint8_t* nulls;  // a byte a row; null where the column cannot be null
    uint8_t* flags;
    uint32_t* zone_hint;  // of a timestamp
    int64_t unreadable = 0;
    template <typename T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
};

namespace detail {

struct ClassTable {
    uint8_t of[256];  // the classes of each byte
};

constexpr ClassTable make_classes() {
    ClassTable table{};
    for (int c = 0; c < 256; ++c) {
        const bool digit = c >= '0' && c <= '9', letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool hexadecimal = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        const bool dialled = digit || c == '*' || c == '#' || c == '+', printable = c >= 0x20 && c != 0x7F;
        table.of[c] = static_cast<uint8_t>(kDigit * digit | kAlphanumeric * (digit || letter) |
                                           kHexadecimal * hexadecimal | kPrintable * printable | kDialled * dialled);
    }
    return table;
}

inline constexpr ClassTable kClasses = make_classes();

inline void fail(Target& t, const FieldPlan& f, uint32_t row, Code code) noexcept {
    note(*t.records, t.row_record[row], code, f.number);
    ++t.unreadable;
}

// True when the value is to be converted; an empty one is null or a fault.
inline bool present(Target& t, const FieldPlan& f, uint32_t row, Span s) noexcept {
    if (t.nulls) t.nulls[row] = s.length == 0;
    if (s.length != 0) return true;
    if (!f.optional) fail(t, f, row, Code::missing_value);
    return false;
}

inline Code check_text(const FieldPlan& f, Span s) noexcept {
    if (s.length < f.min_length || s.length > f.max_length) return Code::bad_length;
    for (uint32_t i = 0; f.characters != kAnyCharacter && i < s.length; ++i)
        if (!(kClasses.of[s.begin[i]] & f.characters))
            return f.characters == kDigit ? Code::not_a_number : Code::bad_character;
    if (!f.leading_zero && s.begin[0] == '0') return Code::bad_character;
    return Code::ok;
}

inline Parsed convert_number(const FieldPlan& f, Span s) noexcept {
    Parsed p = f.type == FieldType::decimal ? parse_decimal(s, f.is_signed, f.decimals) : parse_integer(s, f.is_signed);
    if (p.code != Code::ok) return p;
    if (s.length < f.min_length || s.length > f.max_length) return {0, Code::bad_length};
    if (p.value < f.min || p.value > f.max) return {0, Code::out_of_range};
    if (__builtin_mul_overflow(p.value, f.multiplier, &p.value)) return {0, Code::number_overflow};
    return p;
}

inline Parsed convert_msisdn(const FieldPlan& f, Span s) noexcept {
    Dialled buffer;
    const std::string_view dialled{reinterpret_cast<const char*>(s.begin), s.length};
    const std::string_view digits = dialled_number(f.numbers, dialled, buffer);
    if (digits.size() < 5 || digits.size() > 15 || digits.front() == '0') return {0, Code::bad_msisdn};
    int64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return {0, Code::bad_msisdn};
        value = value * 10 + (c - '0');
    }
    if (value < f.min || value > f.max) return {0, Code::out_of_range};
    return {value, Code::ok};
}

inline Parsed convert_amount(const FieldPlan& f, Span s) noexcept {
    constexpr int64_t kLimit = 1000000000000000000;
    const Parsed p = convert_number(f, s);
    if (p.code == Code::ok && (p.value >= kLimit || p.value <= -kLimit)) return {0, Code::number_overflow};
    return p;
}

inline Instant convert_instant(const FieldPlan& f, Span s, uint32_t& hint) noexcept {
    return f.type == FieldType::timestamp ? parse_timestamp(f.timestamp, s, hint) : parse_unix_seconds(s);
}

}  // namespace detail

namespace detail {

// One value, whatever it looks like.
[[gnu::noinline]] inline void careful_integer(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    int64_t& out = t.as<int64_t>()[row];
    out = 0;
    if (!present(t, f, row, s)) return;
    const Parsed p = f.type == FieldType::msisdn ? convert_msisdn(f, s) : convert_number(f, s);
    if (p.code != Code::ok) return fail(t, f, row, p.code);
    out = p.value;
}

inline void careful_decimal(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    __int128& out = t.as<__int128>()[row];
    out = 0;
    if (!present(t, f, row, s)) return;
    const Parsed p = convert_amount(f, s);
    if (p.code != Code::ok) return fail(t, f, row, p.code);
    out = p.value;
}

inline void careful_instant(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    int64_t& out = t.as<int64_t>()[row];
    out = 0;
    if (!present(t, f, row, s)) return;
    const Instant i = convert_instant(f, s, *t.zone_hint);
    if (i.leap_second) t.flags[row] |= 2;
    if (i.code != Code::ok) return fail(t, f, row, i.code);
    out = i.us;
}

// -1 where a value is not listed or not there: no condition holds for it.
inline void careful_code(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    int16_t& out = t.as<int16_t>()[row];
    out = t.nulls ? 0 : -1;
    if (!present(t, f, row, s)) return;
    out = f.enumeration.find(s);
    if (out < 0) fail(t, f, row, Code::unknown_value);
}

inline void careful_text(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    if (!present(t, f, row, s)) return;
    const Code code = check_text(f, s);
    if (code != Code::ok) fail(t, f, row, code);
}

using Careful = void (*)(const FieldPlan&, Span, uint32_t, Target&) noexcept;

template <Careful careful>
inline void every_row(const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    for (uint32_t row = 0; row < b.count; ++row) careful(f, b.at(row), row, t);
}

template <Careful careful>
inline void strange_rows(const FieldPlan& f, const Bounds& b, Strange& strange, Target& t) noexcept {
    if (b.count % 8) strange.bits[b.count / 8] &= static_cast<uint8_t>((1u << b.count % 8) - 1);
    for (uint32_t i = 0; i * 8 < b.count; ++i)
        for (uint32_t bits = strange.bits[i]; bits; bits &= bits - 1) {
            const uint32_t row = i * 8 + static_cast<uint32_t>(__builtin_ctz(bits));
            careful(f, b.at(row), row, t);
        }
}

// ------------------------------------------------------------------------------- what quick.hpp is told

inline bool integer_rule(const FieldPlan& f, IntegerRule& rule) noexcept {
    rule = {std::max(f.min_length, 1u), std::min(f.max_length, 16u), f.min, std::min(f.max, INT64_MAX / f.multiplier),
            f.multiplier, f.optional};
    return rule.shortest <= rule.longest;
}

// An offset from UTC is a literal as long as it is that of the block's first value.
inline bool instant_rule(const FieldPlan& f, const Bounds& b, uint32_t& hint, InstantRule& rule) noexcept {
    const TimestampPlan& plan = f.timestamp;
    uint32_t row = 0;
    while (row < b.count && b.ends[row] == b.begins[row]) ++row;
    const Span s = b.at(row);
    if (!plan.shape.simple || s.length > sizeof rule.literals || s.length < plan.width) return false;
    rule.shape = &plan.shape;
    rule.literal_mask = plan.shape.literal_mask;
    std::memcpy(rule.literals, plan.shape.literals, sizeof rule.literals);
    rule.length = s.length;
    rule.optional = f.optional;
    if (plan.has_offset) {
        const Parsed offset = parse_offset_us({s.begin + plan.width, s.length - plan.width});
        if (offset.code != Code::ok) return false;
        for (uint32_t i = plan.width; i < s.length; ++i) {
            rule.literals[i] = s.begin[i];
            rule.literal_mask |= 1u << i;
        }
        rule.range = {INT64_MIN, INT64_MAX};
        rule.offset_us = offset.value;
        return true;
    }
    (void)parse_timestamp(plan, s, hint);
    rule.range = far_inside(plan.zone, hint);
    rule.offset_us = plan.zone.offsets_us[hint];
    return s.length == plan.width;
}

struct ByteSet {
    uint8_t low[16], high[16];
};

inline ByteSet byte_set(uint8_t characters) noexcept {
    ByteSet set{};
    auto stands = [&](uint32_t b) { return characters == kAnyCharacter || kClasses.of[b] & characters; };
    for (uint32_t b = 0; b < 128; ++b)
        if (stands(b)) set.low[b & 15] |= static_cast<uint8_t>(1u << (b >> 4));
    const bool beyond_ascii = stands(128);
    for (uint32_t i = 0; i < 16; ++i) set.high[i] = static_cast<uint8_t>(i < 8 ? 1u << i : beyond_ascii ? 255 : 0);
    return set;
}

inline bool text_rule(const FieldPlan& f, TextRule& rule) noexcept {
    rule.bytes = f.characters != kAnyCharacter || !f.leading_zero;
    rule.zero_first = f.leading_zero;
    rule.optional = f.optional;
    rule.shortest = std::max(f.min_length, 1u);
    rule.longest = rule.bytes ? std::min(f.max_length, 32u) : f.max_length;
    if (rule.bytes) {
        const ByteSet set = byte_set(f.characters);
        std::memcpy(rule.low, set.low, sizeof rule.low);
        std::memcpy(rule.high, set.high, sizeof rule.high);
    }
    return rule.shortest <= rule.longest;
}

// ----------------------------------------------------------------------------- quick, then with care

inline void convert_integers(Simd simd, const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    IntegerRule rule;
    if (!integer_rule(f, rule)) return every_row<careful_integer>(f, b, t);
    Strange strange;
    quick_integers(simd, b, rule, t.as<int64_t>(), t.nulls, strange);
    strange_rows<careful_integer>(f, b, strange, t);
}

inline void convert_timestamps(Simd simd, const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    InstantRule rule;
    Strange strange;
    if (!instant_rule(f, b, *t.zone_hint, rule) || !quick_instants(simd, b, rule, t.as<int64_t>(), t.nulls, strange))
        return every_row<careful_instant>(f, b, t);
    strange_rows<careful_instant>(f, b, strange, t);
}

inline void convert_codes(Simd simd, const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    const CodeRule rule{f.enumeration.few.data(), static_cast<uint32_t>(f.enumeration.few.size()), f.optional};
    Strange strange;
    if (rule.count == 0 || !quick_codes(simd, b, rule, t.as<int16_t>(), t.nulls, strange))
        return every_row<careful_code>(f, b, t);
    strange_rows<careful_code>(f, b, strange, t);
}

inline void convert_texts(Simd simd, const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    TextRule rule;
    Strange strange;
    if (!text_rule(f, rule) || !quick_texts(simd, b, rule, t.nulls, strange)) return every_row<careful_text>(f, b, t);
    strange_rows<careful_text>(f, b, strange, t);
}

}  // namespace detail

// Contract: the field is not ignored.
inline void convert_field(Simd simd, const FieldPlan& f, const Bounds& b, Target& t) noexcept {
    switch (f.type) {
        case FieldType::integer: return detail::convert_integers(simd, f, b, t);
        case FieldType::msisdn: return detail::every_row<detail::careful_integer>(f, b, t);
        case FieldType::decimal: return detail::every_row<detail::careful_decimal>(f, b, t);
        case FieldType::timestamp: return detail::convert_timestamps(simd, f, b, t);
        case FieldType::unix_time: return detail::every_row<detail::careful_instant>(f, b, t);
        case FieldType::enumeration: return detail::convert_codes(simd, f, b, t);
        default: return detail::convert_texts(simd, f, b, t);
    }
}

namespace detail {

// Whether a row breaks a condition: it holds, and the field is empty (or is not).
struct Breaks {
    const uint8_t* holds;   // by code + 1
    const int16_t* codes;
    const uint8_t* nulls;   // of the codes
    const uint8_t* empty;
    bool when_empty;
    bool operator()(uint32_t row) const noexcept {
        return holds[codes[row] + 1] & !(nulls && nulls[row]) & ((empty[row] != 0) == when_empty);
    }
};

inline bool any_breaks(Breaks breaks, uint32_t count) noexcept {
    bool any = false;
    for (uint32_t row = 0; row < count; ++row) any |= breaks(row);
    return any;
}

}  // namespace detail

// Rules that look at two fields, when all of rows [from, from + count) are converted.
inline void check_conditions(const FieldPlan& f, const std::vector<ColumnPlan>& columns,
                             const std::vector<uint8_t*>& data, const std::vector<uint8_t*>& nulls, uint32_t from,
                             uint32_t count, Records& records) noexcept {
    const uint8_t* empty = nulls[static_cast<size_t>(f.column)] + from;
    auto check = [&](const Condition& c, bool when_empty, Code code) {
        const auto column = static_cast<size_t>(c.column);
        int16_t constants[kBlockRows];
        const bool constant = columns[column].field < 0;
        if (constant) std::fill_n(constants, count, columns[column].constant);
        const int16_t* codes = constant ? constants : reinterpret_cast<const int16_t*>(data[column]) + from;
        const detail::Breaks breaks{c.values.data(), codes, nulls[column] ? nulls[column] + from : nullptr, empty,
                                    when_empty};
        if (!detail::any_breaks(breaks, count)) return;
        for (uint32_t row = 0; row < count; ++row)
            if (breaks(row)) note(records, records.row_record[from + row], code, f.number);
    };
    for (const Condition& c : f.required_if) check(c, true, Code::missing_value);
    for (const Condition& c : f.empty_if) check(c, false, Code::unexpected_value);
}

// Segments of one short message: GSM-7 160 or 153 a part, UCS-2 70 or 67 (3GPP TS 23.040, 23.038).
inline int64_t message_segments(int64_t characters, bool ucs2) noexcept {
    const int64_t single = ucs2 ? 70 : 160, part = ucs2 ? 67 : 153;
    return characters <= single ? 1 : (characters + part - 1) / part;
}

}  // namespace mediation
