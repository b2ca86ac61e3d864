// A layout as the kernels see it: what is declared for every field and column, in the order of a record.
//
// Conventions: filled once by `Plan` in _text.pyx, read by every thread, never changed. What a loop can be spared by
// looking at the declaration (short lists of values, the shape of a time) is worked out here.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "decode/digits.hpp"
#include "decode/json.hpp"
#include "decode/records.hpp"
#include "decode/timestamp.hpp"
#include "native/column.hpp"
#include "native/numbers.hpp"

namespace mediation {

enum class FieldType : uint8_t { integer, msisdn, decimal, timestamp, unix_time, enumeration, text, ignored };

enum CharacterClass : uint8_t {
    kAnyCharacter = 0, kDigit = 1, kAlphanumeric = 2, kHexadecimal = 4, kPrintable = 8, kDialled = 16
};

struct ShortValue {
    uint64_t word;  // its bytes, then zeros
    uint32_t length;
    int16_t code;
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
    std::vector<ShortValue> few;  // all of them when they are few and short, else none

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
            if (slot.length <= 8) few.push_back({slot.low, slot.length, slot.code});
        }
        if (few.size() != values.size() || few.size() > 16) few.clear();
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

struct Condition {  // holds for a row when `values[code + 1]` of an enumeration column is set; -1 is no code
    int32_t column = -1;
    std::vector<uint8_t> values;
};

// What most values need of it stands in its first 64 octets: one line of the cache.
struct alignas(64) FieldPlan {
    FieldType type = FieldType::ignored;
    uint8_t characters = kAnyCharacter;
    uint8_t pad = ' ';
    uint32_t number = 0;  // of the field in its record, from 1
    int32_t column = -1;  // of the plan's columns
    bool optional = false;
    bool is_signed = false;
    bool ranged = false;
    bool leading_zero = true;
    bool trim_left = false, trim_right = false;
    bool trim_cr = false;  // the last field of a line that may end in CR LF
    uint32_t min_length = 0, max_length = 0xFFFFFFFFu;
    int64_t min = INT64_MIN, max = INT64_MAX;
    int64_t multiplier = 1;
    uint32_t decimals = 0;
    std::string prefix;  // left out where a value begins with it
    std::vector<std::string> null_if;
    std::vector<Condition> required_if, empty_if;
    Enumeration enumeration;
    TimestampPlan timestamp;
    DialRules numbers;
    bool plain() const { return !trim_left && !trim_right && !trim_cr && prefix.empty() && null_if.empty(); }
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
    JsonTree json;  // where the framing is that
    std::vector<FieldPlan> fields;
    std::vector<ColumnPlan> columns;
    std::vector<Derivation> derivations;
    std::vector<int32_t> control_columns;
    std::vector<uint8_t> ucs2;  // by code of message_coding
    int32_t record_type = -1, start_time = -1, end_time = -1, duration = -1, flags = -1;
    int32_t message_length = -1, message_coding = -1, message_segments = -1;
    bool duration_from_times = false;  // where the record does not say it
    int64_t duration_tolerance_s = -1;
};

}  // namespace mediation
