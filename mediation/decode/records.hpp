// Structure first: where records and their fields begin and end, and which records have none that can be trusted.
//
// Conventions
// - A record runs from its first byte to past its terminator; an empty line is filler. Every byte is in exactly one
//   of them.
// - A record's fault is (field << 16 | code), 0 when there is none; field 0 is the record itself. Of several faults
//   the one of the leftmost field stays, so that the answer does not depend on the order of conversion.
// - What a record is depends only on the bytes from its own begin: cutting a file elsewhere changes nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "decode/encoding.hpp"
#include "decode/scan.hpp"
#include "native/column.hpp"
#include "native/status.hpp"

namespace mediation {

enum class Framing : uint8_t { delimited, quoted, fixed, json };
enum class Terminator : uint8_t { lf, crlf, any, none };

struct Frame {
    Framing framing = Framing::delimited;
    Terminator terminator = Terminator::lf;
    Encoding encoding = Encoding::ascii;
    uint8_t delimiter = '|';
    uint8_t quote = '"';  // kNoQuote: none; fields are cut by characters all the same
    uint32_t fields = 0;
    uint32_t least_fields = 0;   // quoted: the last ones of a record may be missing, and are then empty
    uint32_t record_length = 0;  // fixed: without terminator
    uint32_t max_record_bytes = 65536;
    std::vector<uint32_t> starts, widths;  // fixed: of each field
    Gb18030 gb18030;
    std::vector<uint16_t> gb18030_two, gb18030_four;
};

inline constexpr uint32_t kMostItems = 32767;  // of a record: item_no is an int16
inline constexpr uint8_t kNoQuote = 0xFF;
inline constexpr uint32_t kEscaped = 0x80000000u;  // a bit of a quoted field's begin: quotes inside are doubled

inline uint32_t fault_of(Code code, uint32_t field) { return field << 16 | static_cast<uint16_t>(code); }

// Scratch of one decoder, used again for every text.
struct Records {
    std::vector<std::shared_ptr<uint8_t>> blocks;
    Separators separators{};
    uint32_t* begins = nullptr;     // quoted and json: of fields, row after row
    uint32_t* ends = nullptr;
    uint8_t* values = nullptr;      // json: what these are positions in; else it is the text
    uint32_t* begin = nullptr;      // of every record
    uint32_t* end = nullptr;        // terminator included
    uint32_t* fault = nullptr;
    uint32_t* row_record = nullptr;  // of every record whose structure is sound: its number
    uint32_t* row_first = nullptr;   // … and where its fields begin: an index (delimited, quoted), a position (fixed)
                                     // or, of BER, its record's first row
    int16_t* row_item = nullptr;     // its place among its record's rows; null: each record is one row
    uint32_t records = 0;
    uint32_t rows = 0;
    uint32_t rowless = 0;            // records that have no row
    uint32_t fields = 0;             // quoted: of all records so far
    int64_t filler_bytes = 0;
    bool faulty = false;             // a record has a fault
    bool last_terminated = true;
};

// Sets a record's fault unless a field further left has one.
inline void note(Records& r, uint32_t record, Code code, uint32_t field) noexcept {
    const uint32_t fault = fault_of(code, field);
    r.faulty = true;
    if (r.fault[record] == 0 || (fault >> 16) < (r.fault[record] >> 16)) r.fault[record] = fault;
}

namespace detail {

inline bool take(Records& r, uint32_t*& pointer, int64_t count) {
    auto block = Pool::instance().allocate(count * 4);
    if (!block) return false;
    pointer = reinterpret_cast<uint32_t*>(block.get());
    r.blocks.push_back(std::move(block));
    return true;
}

inline bool take_separators(Records& r, int64_t separators, int64_t lines) {
    r.separators.room = static_cast<uint32_t>(separators);
    r.separators.line_room = static_cast<uint32_t>(lines);
    return take(r, r.separators.separators, separators + 68) && take(r, r.separators.ends, lines + 68);
}

// Finds separators. Most texts have fewer than a quarter of their bytes; the others are counted and scanned again.
inline bool find_separators(Records& r, Simd simd, const uint8_t* text, uint32_t length, uint8_t delimiter) {
    if (!take(r, r.separators.dirty, length / 64 + 2) || !take_separators(r, length / 4, length / 32)) return false;
    if (scan(simd, text, length, delimiter, r.separators)) return true;
    const SeparatorCount count = count_separators(simd, text, length, delimiter);
    r.blocks.clear();
    if (!take(r, r.separators.dirty, length / 64 + 2)) return false;
    if (!take_separators(r, count.separators + 1, count.line_feeds + 1)) return false;
    return scan(simd, text, length, delimiter, r.separators);
}

}  // namespace detail

// Takes what `find_records` writes to, by what the text has: of lines it finds the separators, of quoted fields it
// counts them. False when memory is exhausted.
inline bool prepare(Records& r, const Frame& frame, Simd simd, const uint8_t* text, uint32_t length) {
    r = Records{};
    int64_t records;
    if (frame.terminator == Terminator::none) {
        records = length / frame.record_length + 2;
    } else if (frame.framing == Framing::quoted) {
        const SeparatorCount count = count_separators(simd, text, length, frame.delimiter);
        // A record without its last fields is given them; it has least_fields separators then.
        const int64_t cells = count.separators + count.line_feeds + 3;
        const int64_t fields = cells * frame.fields / std::max(frame.least_fields, 1u) + frame.fields;
        records = count.line_feeds + 2;
        if (!detail::take(r, r.begins, fields) || !detail::take(r, r.ends, fields)) return false;
    } else {
        const uint8_t delimiter = frame.framing == Framing::delimited ? frame.delimiter : '\n';
        if (!detail::find_separators(r, simd, text, length, delimiter)) return false;
        records = r.separators.lines + 2;
    }
    return detail::take(r, r.begin, records) && detail::take(r, r.end, records) && detail::take(r, r.fault, records) &&
           detail::take(r, r.row_record, records) && detail::take(r, r.row_first, records);
}

namespace detail {

inline void add_record(Records& r, uint32_t begin, uint32_t end, Code code, uint32_t first) noexcept {
    const uint32_t record = r.records++;
    r.begin[record] = begin;
    r.end[record] = end;
    r.fault[record] = fault_of(code, 0);
    if (code != Code::ok) {
        r.faulty = true;
        ++r.rowless;
        return;
    }
    r.row_record[r.rows] = record;
    r.row_first[r.rows++] = first;
}

// The bytes of a line's terminator that belong to no field, or bad_terminator.
inline Code strip_terminator(const Frame& frame, const uint8_t* text, uint32_t begin, uint32_t lf, bool terminated,
                             uint32_t& content_end) noexcept {
    content_end = lf;
    const bool cr = lf > begin && text[lf - 1] == '\r';
    if (frame.terminator == Terminator::lf) return Code::ok;
    if (cr) content_end = lf - 1;
    return cr || !terminated || frame.terminator == Terminator::any ? Code::ok : Code::bad_terminator;
}

// Field in which position `at` of a sound record lies.
inline uint32_t field_at(const Frame& frame, const Records& r, uint32_t row, uint32_t at) noexcept {
    const uint32_t first = r.row_first[row];
    for (uint32_t f = 0; f < frame.fields; ++f) {
        if (frame.framing == Framing::delimited && at <= r.separators.separators[first + f + 1]) return f + 1;
        if (frame.framing == Framing::quoted && at <= r.ends[first + f]) return f + 1;
        if (frame.framing == Framing::fixed && at - first >= frame.starts[f] &&
            at - first < frame.starts[f] + frame.widths[f])
            return f + 1;
    }
    return 0;
}

// A field of fixed width is cut by bytes, perhaps inside a character: each has to be text by itself.
inline void check_encoding(const Frame& frame, const uint8_t* text, Records& r, uint32_t row) noexcept {
    const uint32_t record = r.row_record[row], begin = r.begin[record];
    auto invalid = [&](uint32_t from, uint32_t bytes) {
        return first_invalid(frame.encoding, frame.gb18030, text + from, bytes);
    };
    const int64_t bad = invalid(begin, r.end[record] - begin);
    if (bad >= 0) note(r, record, Code::invalid_encoding, field_at(frame, r, row, begin + static_cast<uint32_t>(bad)));
    if (frame.framing != Framing::fixed) return;
    for (uint32_t f = 0; f < frame.fields; ++f) {
        if (invalid(begin + frame.starts[f], frame.widths[f]) < 0) continue;
        return note(r, record, Code::invalid_encoding, f + 1);
    }
}

// Rows and dirty blocks both ascend: each row is looked at once, though it may reach into many blocks.
inline void check_dirty(const Frame& frame, const uint8_t* text, Records& r) noexcept {
    uint32_t row = 0;
    for (uint32_t d = 0; d < r.separators.dirty_count; ++d) {
        const uint64_t block = uint64_t{r.separators.dirty[d]} * 64;
        while (row < r.rows && r.end[r.row_record[row]] <= block) ++row;
        while (row < r.rows && r.begin[r.row_record[row]] < block + 64) check_encoding(frame, text, r, row++);
    }
}

struct Line {
    uint32_t begin, content_end, end;
    uint32_t previous, last;  // separators: of the line before, and its own line feed
    Code code;                // bad_terminator, or ok
};

// Calls `record` with every line that is not empty; those that are become filler.
template <typename Record>
[[gnu::always_inline]] inline void each_line(const Frame& frame, const uint8_t* text, uint32_t length, Records& r,
                                             Record record) {
    Separators& s = r.separators;
    r.last_terminated = length == 0 || text[length - 1] == '\n';
    if (!r.last_terminated) {
        s.ends[s.lines++] = s.count;
        s.separators[s.count++] = length;
    }
    uint32_t previous = 0;
    for (uint32_t i = 0; i < s.lines; ++i) {
        const uint32_t last = s.ends[i], lf = s.separators[last], begin = s.separators[previous] + 1;
        const bool terminated = i + 1 < s.lines || r.last_terminated;
        const uint32_t end = lf + terminated;
        uint32_t content_end;
        const Code code = strip_terminator(frame, text, begin, lf, terminated, content_end);
        if (content_end == begin) r.filler_bytes += end - begin;
        else record(Line{begin, content_end, end, previous, last, code});
        previous = last;
    }
}

// Records of lines: delimited without quotes, and fixed width.
inline void lines(const Frame& frame, const uint8_t* text, uint32_t length, Records& r) noexcept {
    const bool fixed = frame.framing == Framing::fixed;
    each_line(frame, text, length, r, [&](const Line& line) {
        Code code = line.code;
        if (line.end - line.begin > frame.max_record_bytes) code = Code::record_too_long;
        else if (fixed && line.content_end - line.begin != frame.record_length) code = Code::wrong_record_length;
        else if (!fixed && line.last - line.previous != frame.fields) code = Code::wrong_field_count;
        add_record(r, line.begin, line.end, code, fixed ? line.begin : line.previous);
    });
    check_dirty(frame, text, r);
}

// Fixed width without terminators.
inline void blocks(const Frame& frame, const uint8_t* text, uint32_t length, Records& r) noexcept {
    for (uint32_t at = 0; at < length; at += frame.record_length) {
        const bool whole = length - at >= frame.record_length;
        add_record(r, at, whole ? at + frame.record_length : length, whole ? Code::ok : Code::wrong_record_length, at);
        if (whole) check_encoding(frame, text, r, r.rows - 1);
    }
}

}  // namespace detail

struct QuotedRecord {
    uint32_t end = 0;      // past the terminator
    uint32_t content_end = 0;
    uint32_t fields = 0;
    Code code = Code::ok;
    bool complete = false;  // false: the text ends before the record does
    bool terminated = false;
};

namespace detail {

// Bytes of the character at i: a second byte of GB18030 may look like a delimiter or a quote.
inline uint32_t character_bytes(const uint8_t* text, uint32_t i, uint32_t limit, bool multibyte) noexcept {
    return multibyte && text[i] >= 0x81 && text[i] != 0xFF && i + 1 < limit && text[i + 1] >= 0x40 ? 2 : 1;
}

// Moves `at` from inside a quoted field to its closing quote; false when none stands before `limit`.
inline bool find_closing_quote(const uint8_t* text, uint32_t limit, uint8_t quote, bool multibyte, uint32_t& at,
                               bool& escaped) noexcept {
    for (; at < limit; at += character_bytes(text, at, limit, multibyte)) {
        if (text[at] != quote) continue;
        if (at + 1 >= limit || text[at + 1] != quote) return true;
        escaped = true;
        ++at;
    }
    return false;
}

}  // namespace detail

// Reads one record of quoted fields from `begin`. Field bounds go to begins/ends when given. A quote opens a field
// only as its first byte. What cannot be read as RFC 4180 ends at the first line feed after its begin, so that one
// stray quote costs one line and not the file.
inline QuotedRecord read_quoted(const Frame& frame, const uint8_t* text, uint32_t begin, uint32_t length, bool final,
                                uint32_t* begins, uint32_t* ends) noexcept {
    QuotedRecord record;
    const uint32_t limit = length - begin > frame.max_record_bytes ? begin + frame.max_record_bytes : length;
    const bool multibyte = frame.encoding == Encoding::gb18030, quotes = frame.quote != kNoQuote;
    uint32_t at = begin;
    auto add = [&](uint32_t from, uint32_t to, bool escaped) {
        if (begins) {
            begins[record.fields] = from | (escaped ? kEscaped : 0);
            ends[record.fields] = to;
        }
        ++record.fields;
    };
    // Where a CR before `place` belongs to the terminator: a last line may lack the LF.
    auto ends_line = [&](uint32_t place) {
        return frame.terminator != Terminator::lf && (place == length || (place < limit && text[place] == '\n'));
    };
    Code broken = Code::ok;
    for (bool more = true; more && broken == Code::ok;) {
        more = false;
        if (quotes && at < limit && text[at] == frame.quote) {
            const uint32_t from = ++at;
            bool escaped = false;
            if (!detail::find_closing_quote(text, limit, frame.quote, multibyte, at, escaped)) {
                broken = Code::unclosed_quote;
                break;
            }
            add(from, at++, escaped);
            if (at < limit && text[at] == '\r' && ends_line(at + 1)) ++at;
            if (at < limit && text[at] == frame.delimiter) {
                ++at;
                more = true;
            } else if (at < limit && text[at] != '\n') {
                broken = Code::bad_quote;
            }
        } else {
            const uint32_t from = at;
            while (at < limit && text[at] != frame.delimiter && text[at] != '\n') {
                if (quotes && text[at] == frame.quote) broken = Code::bad_quote;
                at += detail::character_bytes(text, at, limit, multibyte);
            }
            add(from, at > from && text[at - 1] == '\r' && ends_line(at) ? at - 1 : at, false);
            if (at < limit && text[at] == frame.delimiter) {
                ++at;
                more = true;
            }
        }
    }
    const bool cut = at >= limit;  // no end of the record within the limit
    const bool too_far = cut && length - begin > frame.max_record_bytes;
    if (cut && !too_far && !final) return record;
    if (broken == Code::ok && too_far) broken = Code::record_too_long;
    if (broken != Code::ok) {
        const uint32_t noticed = at;
        at = begin;
        while (at < length && text[at] != '\n') ++at;
        if (at == length && !final) return record;
        if (noticed > at) broken = Code::unclosed_quote;  // what follows the line has no say in its code
        if (at - begin + (at < length) > frame.max_record_bytes) broken = Code::record_too_long;
    }
    record.code = broken;
    record.complete = true;
    record.terminated = at < length;
    record.end = at + record.terminated;
    record.content_end = at;
    return record;
}

namespace detail {

inline void quoted(const Frame& frame, const uint8_t* text, uint32_t length, Records& r) noexcept {
    for (uint32_t at = 0; at < length;) {
        const QuotedRecord q = read_quoted(frame, text, at, length, true, r.begins + r.fields, r.ends + r.fields);
        uint32_t content_end;
        Code code = strip_terminator(frame, text, at, q.content_end, q.terminated, content_end);
        r.last_terminated = q.terminated;
        if (content_end == at) {
            r.filler_bytes += q.end - at;
        } else {
            if (q.code != Code::ok) code = q.code;
            else if (q.fields < frame.least_fields || q.fields > frame.fields) code = Code::wrong_field_count;
            add_record(r, at, q.end, code, r.fields);
            if (code == Code::ok) {
                std::fill_n(r.begins + r.fields + q.fields, frame.fields - q.fields, content_end);
                std::fill_n(r.ends + r.fields + q.fields, frame.fields - q.fields, content_end);
                check_encoding(frame, text, r, r.rows - 1);
                r.fields += frame.fields;
            }
        }
        at = q.end;
    }
}

}  // namespace detail

// After `prepare`: finds the records of a text that begins and ends at record boundaries (as `complete_records` cut it,
// or at the file's end).
inline void find_records(const Frame& frame, const uint8_t* text, uint32_t length, Records& r) noexcept {
    if (frame.terminator == Terminator::none) detail::blocks(frame, text, length, r);
    else if (frame.framing == Framing::quoted) detail::quoted(frame, text, length, r);
    else detail::lines(frame, text, length, r);
}

// Where the first record of a text ends, which holds max_record_bytes and more or is all that is left of the file.
inline uint32_t first_record(const Frame& frame, const uint8_t* text, uint32_t length) noexcept {
    if (frame.terminator == Terminator::none) return length < frame.record_length ? length : frame.record_length;
    if (frame.framing == Framing::quoted) return read_quoted(frame, text, 0, length, true, nullptr, nullptr).end;
    const void* lf = std::memchr(text, '\n', length);
    return lf ? static_cast<uint32_t>(static_cast<const uint8_t*>(lf) - text) + 1 : length;
}

// How many leading bytes of a text are whole records, when the file goes on after it. `last_begin` is where the last of
// them begins (a trailer is kept back by it).
inline uint32_t complete_records(const Frame& frame, const uint8_t* text, uint32_t length,
                                 uint32_t& last_begin) noexcept {
    last_begin = 0;
    if (frame.terminator == Terminator::none) {
        const uint32_t whole = length / frame.record_length * frame.record_length;
        last_begin = whole ? whole - frame.record_length : 0;
        return whole;
    }
    if (frame.framing == Framing::quoted) {
        uint32_t at = 0;
        while (at < length) {
            const QuotedRecord q = read_quoted(frame, text, at, length, false, nullptr, nullptr);
            if (!q.complete) break;
            last_begin = at;
            at = q.end;
        }
        return at;
    }
    const void* lf = memrchr(text, '\n', length);
    if (!lf) return 0;
    const uint32_t end = static_cast<uint32_t>(static_cast<const uint8_t*>(lf) - text) + 1;
    const void* before = memrchr(text, '\n', end - 1);
    last_begin = before ? static_cast<uint32_t>(static_cast<const uint8_t*>(before) - text) + 1 : 0;
    return end;
}

}  // namespace mediation
