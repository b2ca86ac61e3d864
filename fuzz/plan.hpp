// A plan of decoding made from an input's first bytes: any that the checks of a rule book let pass.
#pragma once

#include "common.hpp"
#include "decode/text.hpp"

namespace fuzz {

inline void choose_frame(Input& input, Frame& frame) {
    frame.framing = static_cast<Framing>(input.below(3));
    frame.terminator = static_cast<Terminator>(input.below(frame.framing == Framing::fixed ? 4 : 3));
    frame.encoding = static_cast<Encoding>(input.below(3));
    frame.gb18030 = MadeUpTables::instance().view;
    frame.delimiter = static_cast<uint8_t>(input.one_of("|,;@"));
    if (frame.framing == Framing::delimited && frame.encoding == Encoding::gb18030 && frame.delimiter >= 0x40) {
        frame.framing = Framing::quoted;  // it may be a character's second byte
        frame.quote = kNoQuote;
    }
    frame.fields = input.below(6) + 1;
    // Without a byte of its own: what a corpus means stays the same.
    const bool may_lack = frame.framing == Framing::quoted && frame.delimiter == ';' && frame.fields > 2;
    frame.least_fields = may_lack ? frame.fields - 2 : frame.fields;
    frame.max_record_bytes = input.below(4) ? 65536 : 64u + input.byte();
    for (uint32_t f = 0; f < frame.fields && frame.framing == Framing::fixed; ++f) {
        const uint32_t gap = input.below(2), width = input.below(10) + 1;
        frame.starts.push_back(frame.record_length + gap);
        frame.widths.push_back(width);
        frame.record_length += gap + width;
    }
}

// YYYYMMDDHHMMSS where one hour of 1 April 2026 is missing and one of 1 October comes twice.
inline TimestampPlan compact_time() {
    constexpr int64_t kHour = 3600 * detail::kSecond;
    TimestampPlan plan;
    const Part parts[] = {Part::year, Part::month, Part::day, Part::hour, Part::minute, Part::second};
    for (const Part part : parts) plan.parts.push_back({part, static_cast<uint8_t>(part == Part::year ? 4 : 2), 0});
    plan.width = 14;
    plan.compact = true;
    plan.zone = {{INT64_MIN, 1775005200 * detail::kSecond, 1790820000 * detail::kSecond}, {kHour, 2 * kHour, kHour}};
    return plan;
}

inline void choose_limits(Input& input, FieldPlan& f) {
    f.is_signed = input.coin();
    f.leading_zero = input.below(4) != 0;
    if (input.below(4) == 0) f.min_length = input.below(4), f.max_length = f.min_length + input.below(20);
    if (input.below(4) == 0) f.min = input.byte() - 64, f.max = f.min + input.byte() * 1000;
    const uint8_t classes[] = {kAnyCharacter, kDigit, kAlphanumeric, kHexadecimal, kPrintable, kDialled};
    f.characters = classes[input.below(6)];
}

inline FieldPlan choose_field(Input& input, const Frame& frame, uint32_t number) {
    FieldPlan f;
    f.type = static_cast<FieldType>(input.below(8));
    f.number = number;
    const uint32_t options = input.byte();
    f.optional = options & 1;
    f.trim_left = options & 2;
    f.trim_right = options & 4;
    f.pad = static_cast<uint8_t>(" 0 @"[options >> 3 & 3]);
    if (frame.encoding == Encoding::gb18030) f.pad = ' ';  // the others may be a character's last byte
    if (options & 32) f.null_if = {"-", "NULL"};
    if (options & 64) choose_limits(input, f);
    f.trim_cr = frame.framing == Framing::delimited && frame.terminator != Terminator::lf && number == frame.fields;
    if (f.type == FieldType::integer) f.multiplier = options & 128 ? 1024 : 1;
    if (f.type == FieldType::decimal) {
        f.decimals = input.below(5);
        for (uint32_t i = f.decimals; i < 6; ++i) f.multiplier *= 10;
    }
    if (f.type == FieldType::enumeration) f.enumeration.build({"MO", "MT", "0", "sixteen bytes..."}, {0, 1, 2, 3});
    if (f.type == FieldType::timestamp) f.timestamp = compact_time();
    if (f.type == FieldType::msisdn) f.numbers = {{true, "17951", 5, "", 5, 24}, {false, "1", 0, "86", 11, 11}};
    return f;
}

inline Kind kind_of(FieldType type) {
    switch (type) {
        case FieldType::decimal: return Kind::decimal128;
        case FieldType::timestamp:
        case FieldType::unix_time: return Kind::timestamp;
        case FieldType::enumeration: return Kind::code;
        case FieldType::text: return Kind::utf8;
        default: return Kind::i64;
    }
}

inline void choose_plan(Input& input, TextPlan& plan) {
    choose_frame(input, plan.frame);
    int32_t enumerated = -1;
    for (uint32_t number = 1; number <= plan.frame.fields; ++number) {
        FieldPlan f = choose_field(input, plan.frame, number);
        if (f.type != FieldType::ignored) {
            f.column = static_cast<int32_t>(plan.columns.size());
            ColumnPlan column;
            column.kind = kind_of(f.type);
            column.field = static_cast<int32_t>(number) - 1;
            column.filled = true;
            column.nullable = f.optional;
            plan.columns.push_back(column);
            if (enumerated >= 0 && f.optional) (number % 2 ? f.required_if : f.empty_if) = {{enumerated, {1, 0, 1, 0}}};
            if (f.type == FieldType::enumeration) enumerated = f.column;
        }
        plan.fields.push_back(f);
    }
}

}  // namespace fuzz
