// Values second: one field of many records at a time, by a converter chosen once per layout.
//
// Conventions
// - A converter reads rows [from, to), writes its column at the same rows, and notes a fault where a value is not
//   valid; it then writes 0, so that control sums over the column count only what could be read.
// - Null flags are bytes while a text is decoded and become Arrow bits when the faulty rows have gone (`compact`).
// - Text is only checked here; it is copied once the rows that stay are known.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "decode/digits.hpp"
#include "decode/records.hpp"
#include "decode/timestamp.hpp"
#include "native/column.hpp"
#include "native/numbers.hpp"

namespace mediation {

enum class FieldType : uint8_t { integer, msisdn, decimal, timestamp, unix_time, enumeration, text, ignored };

enum CharacterClass : uint8_t {
    kAnyCharacter = 0, kDigit = 1, kAlphanumeric = 2, kHexadecimal = 4, kPrintable = 8, kDialled = 16
};

// Values of at most 16 bytes, found by one probe of an open table.
struct Enumeration {
    struct Slot {
        uint64_t low, high;
        uint32_t length;  // 0xFFFFFFFF: empty
        int16_t code;
    };
    std::vector<Slot> slots;
    uint64_t mask = 0;

    static uint64_t hash(uint64_t low, uint64_t high, uint32_t length) noexcept {
        uint64_t h = (low ^ (high * 0x9E3779B97F4A7C15ull) ^ length) * 0xD6E8FEB86659FD93ull;
        return h ^ (h >> 32);
    }
    static void words(const uint8_t* at, uint32_t length, uint64_t& low, uint64_t& high) noexcept {
        std::memcpy(&low, at, 8);
        std::memcpy(&high, at + 8, 8);
        if (length < 8) low &= (uint64_t{1} << (8 * length)) - 1;
        high &= length <= 8 ? 0 : length >= 16 ? ~uint64_t{0} : (uint64_t{1} << (8 * (length - 8))) - 1;
    }
    void build(const std::vector<std::string>& values, const std::vector<int16_t>& codes) {
        size_t size = 8;
        while (size < 4 * values.size()) size *= 2;
        slots.assign(size, Slot{0, 0, 0xFFFFFFFFu, -1});
        mask = size - 1;
        for (size_t i = 0; i < values.size(); ++i) {
            std::string padded = values[i];
            padded.resize(16, '\0');
            Slot slot{0, 0, static_cast<uint32_t>(values[i].size()), codes[i]};
            words(reinterpret_cast<const uint8_t*>(padded.data()), slot.length, slot.low, slot.high);
            uint64_t at = hash(slot.low, slot.high, slot.length) & mask;
            while (slots[at].length != 0xFFFFFFFFu) at = (at + 1) & mask;
            slots[at] = slot;
        }
    }
    // -1: not listed.
    int16_t find(Span s) const noexcept {
        if (s.length > 16) return -1;
        uint64_t low, high;
        words(s.begin, s.length, low, high);
        for (uint64_t at = hash(low, high, s.length) & mask;; at = (at + 1) & mask) {
            const Slot& slot = slots[at];
            if (slot.length == 0xFFFFFFFFu) return -1;
            if (slot.low == low && slot.high == high && slot.length == s.length) return slot.code;
        }
    }
};

struct Condition {  // holds for a row when `values[code]` of an enumeration column is set
    int32_t column = -1;
    std::vector<uint8_t> values;
};

struct FieldPlan {
    FieldType type = FieldType::ignored;
    uint32_t number = 0;  // of the field in its record, from 1
    int32_t column = -1;  // of the plan's columns
    bool optional = false;
    bool is_signed = false;
    bool ranged = false;
    bool leading_zero = true;
    bool trim_left = false, trim_right = false;
    bool trim_cr = false;  // the last field of a line that may end in CR LF
    uint8_t pad = ' ';
    uint8_t characters = kAnyCharacter;
    uint32_t min_length = 0, max_length = 0xFFFFFFFFu;
    int64_t min = INT64_MIN, max = INT64_MAX;
    int64_t multiplier = 1;
    uint32_t decimals = 0;
    std::vector<std::string> null_if;
    std::vector<Condition> required_if, empty_if;
    Enumeration enumeration;
    TimestampPlan timestamp;
    DialRules numbers;
    bool plain() const { return !trim_left && !trim_right && !trim_cr && null_if.empty(); }
};

struct Derivation {  // of record_type
    std::vector<uint8_t> from;
    int32_t text_column = -1;
    std::vector<std::string> starts_with;
    int16_t becomes = 0;
};

struct ColumnPlan {
    Kind kind = Kind::i64;
    int32_t field = -1;    // -1: no field fills it
    int16_t constant = 0;  // code, where no field fills it
    bool filled = false;   // false: this layout has no such column; every row is null
    bool nullable = false;
};

struct TextPlan {
    Frame frame;
    std::vector<FieldPlan> fields;
    std::vector<ColumnPlan> columns;
    std::vector<Derivation> derivations;
    std::vector<int32_t> control_columns;
    std::vector<uint8_t> ucs2;  // by code of message_coding
    int32_t record_type = -1, start_time = -1, end_time = -1, duration = -1, flags = -1;
    int32_t message_length = -1, message_coding = -1, message_segments = -1;
    int64_t duration_tolerance_s = -1;
};

// Where the fields of rows stand: one of four forms, so that no loop asks which. `escaped`: quotes inside are doubled.
struct Delimited {
    const uint8_t* text;
    const uint32_t* separators;
    const uint32_t* first;
    uint32_t field;
    Span at(uint32_t row) const noexcept {
        const uint32_t* s = separators + first[row] + field;
        const uint32_t begin = s[0] + 1;
        return {text + begin, s[1] - begin};
    }
    static bool escaped(uint32_t) noexcept { return false; }
};
struct Quoted {
    const uint8_t* text;
    const uint32_t* begins;
    const uint32_t* ends;
    const uint32_t* first;
    uint32_t field;
    Span at(uint32_t row) const noexcept {
        const uint32_t begin = begins[first[row] + field] & ~kEscaped;
        return {text + begin, ends[first[row] + field] - begin};
    }
    bool escaped(uint32_t row) const noexcept { return begins[first[row] + field] & kEscaped; }
};
struct Fixed {
    const uint8_t* text;
    const uint32_t* first;
    uint32_t start, width;
    Span at(uint32_t row) const noexcept { return {text + first[row] + start, width}; }
    static bool escaped(uint32_t) noexcept { return false; }
};
struct Spans {
    const uint8_t* text;
    const uint32_t* begins;
    const uint32_t* ends;
    Span at(uint32_t row) const noexcept {
        const uint32_t begin = begins[row] & ~kEscaped;
        return {text + begin, ends[row] - begin};
    }
    bool escaped(uint32_t row) const noexcept { return begins[row] & kEscaped; }
};

// What a converter writes to.
struct Target {
    Records* records;
    uint8_t* data;
    uint8_t* nulls;  // a byte a row; null where the column cannot be null
    uint8_t* flags;
    int64_t unreadable = 0;
    template <typename T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
};

namespace detail {

inline const uint8_t* character_classes() {
    static const auto* table = [] {
        auto* t = new uint8_t[256]();
        for (int c = 0; c < 256; ++c) {
            const bool digit = c >= '0' && c <= '9', letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            if (digit) t[c] |= kDigit;
            if (digit || letter) t[c] |= kAlphanumeric;
            if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) t[c] |= kHexadecimal;
            if (c >= 0x20 && c != 0x7F) t[c] |= kPrintable;
            if (digit || c == '*' || c == '#' || c == '+') t[c] |= kDialled;
        }
        return t;
    }();
    return table;
}

inline void fail(Target& t, const FieldPlan& f, uint32_t row, Code code) noexcept {
    note(*t.records, t.records->row_record[row], code, f.number);
    ++t.unreadable;
}

// True when the value is to be converted; an empty one is null or a fault.
inline bool present(Target& t, const FieldPlan& f, uint32_t row, Span s) noexcept {
    if (s.length != 0) return true;
    if (t.nulls) t.nulls[row] = 1;
    if (!f.optional) fail(t, f, row, Code::missing_value);
    return false;
}

inline Code check_text(const FieldPlan& f, Span s) noexcept {
    if (s.length < f.min_length || s.length > f.max_length) return Code::bad_length;
    if (f.characters != kAnyCharacter) {
        const uint8_t* table = character_classes();
        for (uint32_t i = 0; i < s.length; ++i)
            if (!(table[s.begin[i]] & f.characters))
                return f.characters == kDigit ? Code::not_a_number : Code::bad_character;
    }
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
[[gnu::noinline]] inline int64_t integer_with_care(const FieldPlan& f, Span s, uint32_t row, Target& t) noexcept {
    if (!present(t, f, row, s)) return 0;
    const Parsed p = f.type == FieldType::msisdn ? convert_msisdn(f, s) : convert_number(f, s);
    if (p.code == Code::ok) return p.value;
    fail(t, f, row, p.code);
    return 0;
}

// Nearly every value is 1 to 16 digits within its bounds: those are told by a few comparisons on locals.
template <class Extents>
inline void convert_integers(const FieldPlan& f, const Extents& extents, uint32_t from, uint32_t to,
                             Target& t) noexcept {
    const Extents where = extents;
    const int64_t multiplier = f.multiplier, min = f.min, max = std::min(f.max, INT64_MAX / multiplier);
    const uint32_t shortest = std::max(f.min_length, 1u), longest = std::min(f.max_length, 16u);
    const bool quick = f.type == FieldType::integer;
    int64_t* out = t.as<int64_t>();
    for (uint32_t row = from; row < to; ++row) {
        const Span s = where.at(row);
        if (quick && s.length >= shortest && s.length <= longest) {
            uint64_t bad = 0;
            const uint32_t low = std::min(s.length, 8u);
            int64_t value = static_cast<int64_t>(up_to_8_digits(s.begin + (s.length - low), low, bad));
            if (s.length > 8) value += static_cast<int64_t>(up_to_8_digits(s.begin, s.length - 8, bad)) * 100000000;
            if (bad == 0 && value >= min && value <= max) {
                out[row] = value * multiplier;
                continue;
            }
        }
        out[row] = integer_with_care(f, s, row, t);
    }
}

}  // namespace detail

template <class Extents>
inline void convert_field(const FieldPlan& f, const Extents& extents, uint32_t from, uint32_t to, Target& t) noexcept {
    switch (f.type) {
        case FieldType::integer:
        case FieldType::msisdn: return detail::convert_integers(f, extents, from, to, t);
        case FieldType::decimal: {
            __int128* out = t.as<__int128>();
            for (uint32_t row = from; row < to; ++row) {
                const Span s = extents.at(row);
                out[row] = 0;
                if (!detail::present(t, f, row, s)) continue;
                const Parsed p = detail::convert_amount(f, s);
                if (p.code != Code::ok) detail::fail(t, f, row, p.code);
                else out[row] = p.value;
            }
            return;
        }
        case FieldType::timestamp:
        case FieldType::unix_time: {
            int64_t* out = t.as<int64_t>();
            uint32_t hint = 0;
            for (uint32_t row = from; row < to; ++row) {
                const Span s = extents.at(row);
                out[row] = 0;
                if (!detail::present(t, f, row, s)) continue;
                const Instant i = detail::convert_instant(f, s, hint);
                if (i.code != Code::ok) detail::fail(t, f, row, i.code);
                else out[row] = i.us;
                if (i.leap_second) t.flags[row] |= 2;
            }
            return;
        }
        case FieldType::enumeration: {
            int16_t* out = t.as<int16_t>();
            for (uint32_t row = from; row < to; ++row) {
                const Span s = extents.at(row);
                out[row] = t.nulls ? 0 : -1;
                if (!detail::present(t, f, row, s)) continue;
                out[row] = f.enumeration.find(s);  // -1 where it is not listed: no condition holds for it
                if (out[row] < 0) detail::fail(t, f, row, Code::unknown_value);
            }
            return;
        }
        case FieldType::text:
            for (uint32_t row = from; row < to; ++row) {
                const Span s = extents.at(row);
                if (!detail::present(t, f, row, s)) continue;
                const Code code = detail::check_text(f, s);
                if (code != Code::ok) detail::fail(t, f, row, code);
            }
            return;
        case FieldType::ignored: return;
    }
}

// Bounds of one field of rows [from, to) without padding, with null_if values emptied.
template <class Extents>
inline void trim_field(const FieldPlan& f, const Extents& extents, uint32_t from, uint32_t to, const uint8_t* text,
                       uint32_t* begins, uint32_t* ends) noexcept {
    for (uint32_t row = from; row < to; ++row) {
        Span s = extents.at(row);
        if (f.trim_cr && s.length > 0 && s.begin[s.length - 1] == '\r') --s.length;
        if (f.trim_right)
            while (s.length > 0 && s.begin[s.length - 1] == f.pad) --s.length;
        if (f.trim_left)
            while (s.length > 0 && *s.begin == f.pad) ++s.begin, --s.length;
        for (const std::string& value : f.null_if)
            if (s.length == value.size() && std::memcmp(s.begin, value.data(), s.length) == 0) s.length = 0;
        const auto begin = static_cast<uint32_t>(s.begin - text);
        begins[row] = begin | (extents.escaped(row) ? kEscaped : 0);
        ends[row] = begin + s.length;
    }
}

// Rules that look at two fields, after all are converted.
inline void check_conditions(const FieldPlan& f, const std::vector<ColumnPlan>& columns,
                             const std::vector<uint8_t*>& codes, const std::vector<uint8_t*>& nulls, uint32_t rows,
                             Records& records) noexcept {
    const uint8_t* empty = nulls[static_cast<size_t>(f.column)];
    auto holds = [&](const Condition& c, uint32_t row) {
        const size_t column = static_cast<size_t>(c.column);
        if (nulls[column] && nulls[column][row]) return false;
        const bool constant = columns[column].field < 0;
        const int16_t code = constant ? columns[column].constant : reinterpret_cast<const int16_t*>(codes[column])[row];
        return code >= 0 && c.values[static_cast<size_t>(code)] != 0;
    };
    for (uint32_t row = 0; row < rows; ++row) {
        for (const Condition& c : f.required_if)
            if (empty[row] && holds(c, row)) note(records, records.row_record[row], Code::missing_value, f.number);
        for (const Condition& c : f.empty_if)
            if (!empty[row] && holds(c, row)) note(records, records.row_record[row], Code::unexpected_value, f.number);
    }
}

// Segments of one short message: GSM-7 160 or 153 a part, UCS-2 70 or 67 (3GPP TS 23.040, 23.038).
inline int64_t message_segments(int64_t characters, bool ucs2) noexcept {
    const int64_t single = ucs2 ? 70 : 160, part = ucs2 ? 67 : 153;
    return characters <= single ? 1 : (characters + part - 1) / part;
}

}  // namespace mediation
