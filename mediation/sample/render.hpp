// Columns to text records: row by row each column's literal and value, then the record's end.
//
// Conventions
// - A value is a word, then a number or a local time; each may be missing. A negative index or value makes it empty.
// - A column of a width pads its values to it, on the right or (`right`) on the left; width 0 leaves them as they are.
// - Texts are copied eight bytes at a time: `Text` has that much room behind it, and so must what is written into.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace mediation {

constexpr int64_t kSlack = 16;  // bytes behind the last record that may be written

struct Text {
    explicit Text(const std::string& text = "") : bytes(text + std::string(8, '\0')), length(int64_t(text.size())) {}
    std::string bytes;
    int64_t length;
};

struct TextColumn {
    Text before;
    std::vector<Text> words;
    const int16_t* index = nullptr;   // which word; null is none
    const int64_t* values = nullptr;  // numbers, or local seconds since 1970; null is none
    std::string pattern;              // of local times: %Y %m %d %H %M %S and literals; empty for numbers
    int32_t decimals = 0;             // places behind the point, at most 8
    int64_t width = 0;
    char pad = ' ';
    bool right = false;

    // The most bytes that a row can take.
    int64_t most() const {
        int64_t word = 0;
        for (const Text& text : words) word = std::max(word, text.length);
        const int64_t number = std::max(21, decimals + 2) + int64_t(2 * pattern.size());
        return before.length + std::max(width, word + number);
    }
};

struct CivilDay {
    int64_t number = -1;  // days since 1970
    uint32_t year = 0, month = 0, day = 0;
};

inline char* put(char* at, const Text& text) noexcept {
    for (int64_t done = 0; done < text.length; done += 8) std::memcpy(at + done, text.bytes.data() + done, 8);
    return at + text.length;
}

inline char* put_two(char* at, uint32_t value) noexcept {
    at[0] = char('0' + value / 10);
    at[1] = char('0' + value % 10);
    return at + 2;
}

// Eight digits of a number below 10^8, the first in the lowest byte: halves, quarters, digits, each step in parallel.
inline uint64_t eight_digits(uint64_t value) noexcept {
    uint64_t all = value / 10'000 | value % 10'000 << 32;
    uint64_t high = (all * 10'486 >> 20) & 0x7F'0000'007F;
    all = high | (all - high * 100) << 16;
    high = (all * 103 >> 10) & 0x000F'000F'000F'000F;
    return (high | (all - high * 10) << 8) | 0x3030'3030'3030'3030;
}

// Of a number below 10^8.
inline int digits_of(uint32_t value) noexcept {
    static constexpr uint32_t tens[] = {1,       10,        100,        1'000,      10'000,
                                        100'000, 1'000'000, 10'000'000, 100'000'000};
    const int about = (32 - __builtin_clz(value | 1)) * 1233 >> 12;
    return about + ((value | 1) >= tens[about]);
}

// The last `count` (at most 8) digits of a number below 10^8; writes 8 bytes.
inline char* put_last(char* at, uint64_t value, int count) noexcept {
    const uint64_t digits = count == 0 ? 0 : eight_digits(value) >> (8 * (8 - count));
    std::memcpy(at, &digits, 8);
    return at + count;
}

inline char* put_number(char* at, uint64_t value) noexcept {
    constexpr uint64_t eight = 100'000'000;
    if (value < eight) return put_last(at, value, digits_of(uint32_t(value)));
    return put_last(put_number(at, value / eight), value % eight, 8);
}

inline char* put_decimal(char* at, uint64_t value, int32_t decimals) noexcept {
    uint64_t one = 1;
    for (int32_t place = 0; place < decimals; ++place) one *= 10;
    at = put_number(at, value / one);
    *at++ = '.';
    return put_last(at, value % one, decimals);
}

// The civil date of a day from 1970 on, by eras of 400 years that begin in March.
inline CivilDay civil(int64_t number) noexcept {
    const auto days = uint64_t(number + 719'468);
    const uint64_t era = days / 146'097, of_era = days % 146'097;
    const uint64_t year = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
    const uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    const uint64_t day = of_year - (153 * month + 2) / 5 + 1, civil_month = month < 10 ? month + 3 : month - 9;
    return {number, uint32_t(year + era * 400 + (civil_month <= 2)), uint32_t(civil_month), uint32_t(day)};
}

inline char* put_moment(char* at, const std::string& pattern, int64_t local_s, CivilDay& date) noexcept {
    const auto of_day = uint32_t(local_s % 86'400);
    if (date.number != local_s / 86'400) date = civil(local_s / 86'400);
    for (size_t place = 0; place < pattern.size(); ++place) {
        if (pattern[place] != '%') {
            *at++ = pattern[place];
            continue;
        }
        switch (pattern[++place]) {
            case 'Y': at = put_two(put_two(at, date.year / 100), date.year % 100); break;
            case 'm': at = put_two(at, date.month); break;
            case 'd': at = put_two(at, date.day); break;
            case 'H': at = put_two(at, of_day / 3600); break;
            case 'M': at = put_two(at, of_day / 60 % 60); break;
            default: at = put_two(at, of_day % 60);
        }
    }
    return at;
}

inline char* put_value(char* at, const TextColumn& column, int64_t row, CivilDay& date) noexcept {
    if (column.values != nullptr && column.values[row] < 0) return at;
    if (column.index != nullptr) {
        if (column.index[row] < 0) return at;
        at = put(at, column.words[size_t(column.index[row])]);
    }
    if (column.values == nullptr) return at;
    const int64_t value = column.values[row];
    if (!column.pattern.empty()) return put_moment(at, column.pattern, value, date);
    return column.decimals == 0 ? put_number(at, uint64_t(value)) : put_decimal(at, uint64_t(value), column.decimals);
}

struct TextRecord {
    std::vector<TextColumn> columns;
    Text end;

    // The room that so many rows may need.
    int64_t room(int64_t rows) const {
        int64_t most = end.length;
        for (const TextColumn& column : columns) most += column.most();
        return most * rows + kSlack;
    }

    // Write the rows; `offsets` gets where each begins, and the end. The column that is too narrow for a value, or -1.
    int64_t write(char* out, int64_t* offsets, int64_t rows) const noexcept {
        char* at = out;
        CivilDay date;
        for (int64_t row = 0; row < rows; ++row) {
            offsets[row] = at - out;
            for (const TextColumn& column : columns) {
                char* begin = put(at, column.before);
                at = put_value(begin, column, row, date);
                if (column.width == 0) continue;
                const int64_t length = at - begin, rest = column.width - length;
                if (rest < 0) return &column - columns.data();
                if (column.right && rest != 0) std::memmove(begin + rest, begin, size_t(length));
                std::memset(column.right ? begin : at, column.pad, size_t(rest));
                at = begin + column.width;
            }
            at = put(at, end);
        }
        offsets[rows] = at - out;
        return -1;
    }
};

}  // namespace mediation
