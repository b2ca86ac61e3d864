// JSON lines: each line an object, from which declared paths are taken as fields, a row for each item.
//
// Why not a library: a row needs the place of each value in its line, a code and a field for what is wrong, integers as
// they are written (uint64 and amounts pass through no double), and memory and work in proportion to the bytes,
// whatever they are. simdjson and yyjson are headers or libraries that a wheel would have to carry, and leave what is
// skipped unchecked or build a tree of every record; msgspec makes Python objects under the GIL, and pyarrow.json gives
// up a whole block for one bad line. What is particular here is small: one pass over a line with a stack. In one run on
// requests of TS 32.291, of 1.3 kB and three items in the mean, it decoded 0.7 GB/s; msgspec made its objects at
// 0.05 GB/s and pyarrow.json its nested table at 0.18 GB/s, neither of them converted.
//
// Conventions
// - A line is one object of RFC 8259, all of it checked, in UTF-8 without lone surrogates; depth is bounded. What is
//   not costs its line, at the first byte that does not fit.
// - Declared paths are a tree. What stands beside it is checked and passed over. A declared member that comes twice in
//   its object is a fault, for readers differ on which one counts; so is a list or an object where a value is declared,
//   or a value where one of these is. null is the same as nothing.
// - A list on a path splits the record into items, one for each element of the innermost list; what is declared outside
//   of it is the same in all of them. A record without elements is one item.
// - Values are copied together, unescaped, into `Records::values`, and their bounds are positions there: to converters
//   they look like any other text. A number is taken as it is written, and may be written as a string.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "decode/records.hpp"

namespace mediation {

enum class JsonShape : uint8_t { value, object, list };

struct JsonNode {
    std::string name;             // of the member; empty for the root and for elements
    JsonShape shape = JsonShape::object;
    bool element = false;         // of a list on a path
    uint32_t level = 0;           // lists around it
    uint32_t first_child = 0, children = 0;  // of a list its one element
    uint32_t field = 0;           // of a value: from 0
    uint32_t number = 0;          // the first field under it, from 1
};

struct JsonTree {
    std::vector<JsonNode> nodes;               // [0] is the record
    std::vector<std::vector<uint32_t>> levels;  // fields by the lists around them; the last are an item's own
    // What a record lacks that has no declared value, from 1; 0: nothing. Rows of such would be larger than its bytes.
    uint32_t needed = 0;
};

inline constexpr uint32_t kMostJsonDepth = 64;
inline constexpr uint32_t kLeastItemBytes = 16;  // of its record: or a line of braces would fill the memory
inline constexpr uint32_t kMostTimesSaid = 32;   // octets of all rows' values, by those of their record
inline constexpr uint32_t kBesidePaths = 0xFFFFFFFFu;

namespace detail {

// --------------------------------------------------------------------------------------------- tokens

inline uint32_t skip_space(const uint8_t* text, uint32_t at, uint32_t end) noexcept {
    while (at < end && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) ++at;
    return at;
}

// Bytes before the first of eight that is a quote, a backslash, a control character or not ASCII; 8 when none is.
inline uint32_t plain_bytes(const uint8_t* at) noexcept {
    constexpr uint64_t kOnes = 0x0101010101010101ull;
    uint64_t x;
    std::memcpy(&x, at, 8);
    auto zero = [](uint64_t word) { return (word - kOnes) & ~word; };
    const uint64_t control = (x - 0x20 * kOnes) & ~x;
    const uint64_t found = (zero(x ^ '"' * kOnes) | zero(x ^ '\\' * kOnes) | control | x) & 0x80 * kOnes;
    return found ? static_cast<uint32_t>(__builtin_ctzll(found)) / 8 : 8;
}

inline int32_t hex_digit(uint8_t c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits of \uXXXX from `at`, or -1.
inline int32_t hex_code(const uint8_t* at) noexcept {
    int32_t code = 0;
    for (uint32_t i = 0; i < 4; ++i) {
        const int32_t digit = hex_digit(at[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

struct Escape {
    uint32_t bytes = 0;      // of the escape, 0 when it is none
    uint32_t character = 0;  // a lone surrogate where there is no other
};

inline bool lone_surrogate(Escape e) noexcept { return e.character >= 0xD800 && e.character <= 0xDFFF; }

// The escape whose backslash is at `at`.
inline Escape escape_at(const uint8_t* at, uint32_t left) noexcept {
    static constexpr char kLetters[] = "\"\\/bfnrt", kMeanings[] = "\"\\/\b\f\n\r\t";
    if (left < 2) return {};
    if (at[1] != 'u') {
        for (uint32_t i = 0; i < sizeof kLetters - 1; ++i)
            if (at[1] == kLetters[i]) return {2, static_cast<uint8_t>(kMeanings[i])};
        return {};
    }
    const int32_t first = left < 6 ? -1 : hex_code(at + 2);
    if (first < 0) return {};
    if (first < 0xD800 || first > 0xDBFF || left < 12 || at[6] != '\\' || at[7] != 'u')
        return {6, static_cast<uint32_t>(first)};
    const int32_t second = hex_code(at + 8);
    if (second < 0xDC00 || second > 0xDFFF) return {6, static_cast<uint32_t>(first)};
    return {12, 0x10000u + (static_cast<uint32_t>(first - 0xD800) << 10) + static_cast<uint32_t>(second - 0xDC00)};
}

inline uint8_t* put_utf8(uint32_t c, uint8_t* out) noexcept {
    auto low = [](uint32_t bits) { return static_cast<uint8_t>(0x80 | (bits & 0x3F)); };
    if (c < 0x80) return *out++ = static_cast<uint8_t>(c), out;
    if (c < 0x800) {
        *out++ = static_cast<uint8_t>(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = static_cast<uint8_t>(0xE0 | c >> 12);
        } else {
            *out++ = static_cast<uint8_t>(0xF0 | c >> 18);
            *out++ = low(c >> 12);
        }
        *out++ = low(c >> 6);
    }
    return *out++ = low(c), out;
}

struct JsonToken {
    uint32_t begin, end;    // of a string: between its quotes
    uint32_t after;         // where the next token may begin
    bool escaped = false;
    Code code = Code::ok;
};

// The string whose opening quote is before `begin`.
inline JsonToken scan_string(const uint8_t* text, uint32_t begin, uint32_t end) noexcept {
    JsonToken token{begin, begin, end};
    for (uint32_t at = begin; at < end;) {
        const uint32_t plain = plain_bytes(text + at);
        at += plain;
        if (plain == 8) continue;
        if (at >= end || text[at] < 0x20) break;
        if (text[at] == '"') {
            token.end = at;
            token.after = at + 1;
            return token;
        }
        if (text[at] == '\\') {
            const Escape escape = escape_at(text + at, end - at);
            if (escape.bytes == 0) break;
            if (lone_surrogate(escape)) return token.code = Code::invalid_encoding, token;
            token.escaped = true;
            at += escape.bytes;
            continue;
        }
        const uint32_t bytes = utf8_length(text + at, text + end);
        if (bytes == 0) return token.code = Code::invalid_encoding, token;
        at += bytes;
    }
    token.code = Code::bad_json;
    return token;
}

inline uint32_t skip_digits(const uint8_t* text, uint32_t at, uint32_t end) noexcept {
    while (at < end && text[at] >= '0' && text[at] <= '9') ++at;
    return at;
}

inline JsonToken scan_number(const uint8_t* text, uint32_t begin, uint32_t end) noexcept {
    JsonToken token{begin, begin, end};
    auto digits = [&](uint32_t& at) {
        const uint32_t first = at;
        at = skip_digits(text, at, end);
        return at > first;
    };
    uint32_t at = begin + (text[begin] == '-');
    bool good = true;
    if (at < end && text[at] == '0') ++at;
    else good = digits(at);
    if (good && at < end && text[at] == '.') good = digits(++at);
    if (good && at < end && (text[at] | 0x20) == 'e') {
        ++at;
        if (at < end && (text[at] == '+' || text[at] == '-')) ++at;
        good = digits(at);
    }
    token.end = token.after = at;
    if (!good) token.code = Code::bad_json;
    return token;
}

// A string, a number, true or false; null is an empty token.
inline JsonToken scan_scalar(const uint8_t* text, uint32_t begin, uint32_t end) noexcept {
    auto word = [&](const char* letters, uint32_t count) {
        return end - begin >= count && std::memcmp(text + begin, letters, count) == 0;
    };
    switch (text[begin]) {
        case '"': return scan_string(text, begin + 1, end);
        case 't': if (word("true", 4)) return {begin, begin + 4, begin + 4}; break;
        case 'f': if (word("false", 5)) return {begin, begin + 5, begin + 5}; break;
        case 'n': if (word("null", 4)) return {begin, begin, begin + 4}; break;
        default: return scan_number(text, begin, end);
    }
    return {begin, begin, end, false, Code::bad_json};
}

// Out is where the token's text is put, unescaped; its end is returned.
inline uint8_t* put_text(const uint8_t* text, JsonToken token, uint8_t* out) noexcept {
    if (!token.escaped) {
        std::memcpy(out, text + token.begin, token.end - token.begin);
        return out + (token.end - token.begin);
    }
    for (uint32_t at = token.begin; at < token.end;) {
        if (text[at] != '\\') {
            *out++ = text[at++];
            continue;
        }
        const Escape escape = escape_at(text + at, token.end - at);
        out = put_utf8(escape.character, out);
        at += escape.bytes;
    }
    return out;
}

// ---------------------------------------------------------------------------------------------- lines

// What is open around the place that is read.
struct JsonOpen {
    uint32_t node;       // kBesidePaths: of no interest
    uint32_t serial;     // of this object or list among those of interest
    uint32_t first_row;  // that began in it
    bool is_object;
};

// Of one text; `record` is set anew for each line.
struct JsonReader {
    const JsonTree& tree;
    const uint8_t* text;
    Records& r;
    const uint32_t fields, items_level;
    std::vector<uint32_t> seen;  // by node: in which object it was met last
    std::vector<uint32_t> head_begins, head_ends;  // by field: what items that are still to come will share
    uint32_t used = 0;    // of `Records::values`
    uint32_t serial = 0;
    uint32_t first_row = 0, rows = 0;  // of the record: its first one, and past its last
    uint32_t most_rows = 0;
    uint32_t fault = 0;   // of a field of the record
    uint32_t empty = 0;   // `used`, as long as the record has no declared value
    JsonOpen open[kMostJsonDepth];
    uint32_t depth = 0;

    JsonReader(const JsonTree& of, const uint8_t* bytes, Records& records, uint32_t count)
        : tree(of), text(bytes), r(records), fields(count), items_level(static_cast<uint32_t>(of.levels.size()) - 1),
          seen(of.nodes.size()), head_begins(count), head_ends(count) {}
};

inline void tell(JsonReader& j, Code code, uint32_t node) noexcept {
    const uint32_t number = j.tree.nodes[node].number;
    if (j.fault == 0 || number < j.fault >> 16) j.fault = fault_of(code, number);
}

inline void add_row(JsonReader& j) noexcept {
    std::fill_n(j.r.begins + size_t{j.rows} * j.fields, j.fields, 0u);
    std::fill_n(j.r.ends + size_t{j.rows} * j.fields, j.fields, 0u);
    ++j.rows;
}

// Gives the values of a level to the rows from `first` on, and forgets them.
inline void share(JsonReader& j, uint32_t level, uint32_t first) noexcept {
    for (const uint32_t f : j.tree.levels[level]) {
        for (uint32_t row = first; row < j.rows; ++row) {
            j.r.begins[size_t{row} * j.fields + f] = j.head_begins[f];
            j.r.ends[size_t{row} * j.fields + f] = j.head_ends[f];
        }
        j.head_begins[f] = j.head_ends[f] = 0;
    }
}

inline void take_value(JsonReader& j, const JsonNode& node, JsonToken token) noexcept {
    uint8_t* out = j.r.values + j.used;
    const auto length = static_cast<uint32_t>(put_text(j.text, token, out) - out);
    const bool own = node.level == j.items_level;
    const size_t cell = size_t{j.rows - 1} * j.fields + node.field;
    (own ? j.r.begins[cell] : j.head_begins[node.field]) = j.used;
    (own ? j.r.ends[cell] : j.head_ends[node.field]) = j.used + length;
    j.used += length;
}

// The declared member of this name in the object that is open. What is unescaped for that is not kept.
inline uint32_t member_named(JsonReader& j, JsonToken key) noexcept {
    const JsonOpen& in = j.open[j.depth - 1];
    if (in.node == kBesidePaths) return kBesidePaths;
    const uint8_t* name = j.text + key.begin;
    uint32_t length = key.end - key.begin;
    if (key.escaped) {
        uint8_t* out = j.r.values + j.used;
        length = static_cast<uint32_t>(put_text(j.text, key, out) - out);
        name = out;
    }
    const JsonNode& node = j.tree.nodes[in.node];
    for (uint32_t n = node.first_child; n < node.first_child + node.children; ++n) {
        const std::string& declared = j.tree.nodes[n].name;
        if (declared.size() != length || std::memcmp(declared.data(), name, length) != 0) continue;
        if (j.seen[n] == in.serial) return tell(j, Code::repeated_key, n), kBesidePaths;
        j.seen[n] = in.serial;
        return n;
    }
    return kBesidePaths;
}

inline Code open_container(JsonReader& j, uint32_t node, bool is_object) noexcept {
    if (j.depth == kMostJsonDepth) return Code::too_deep;
    if (node != kBesidePaths && j.tree.nodes[node].shape != (is_object ? JsonShape::object : JsonShape::list)) {
        tell(j, Code::wrong_structure, node);
        node = kBesidePaths;
    }
    j.open[j.depth++] = {node, ++j.serial, j.rows, is_object};
    return Code::ok;
}

inline void close_container(JsonReader& j) noexcept {
    const JsonOpen& closed = j.open[--j.depth];
    if (closed.node == kBesidePaths) return;
    const JsonNode& node = j.tree.nodes[closed.node];
    if (node.element && node.level < j.items_level) share(j, node.level, closed.first_row);
}

// An element of a list: which node it is, and a row where it is an item.
inline Code begin_element(JsonReader& j, uint32_t& node) noexcept {
    const JsonOpen& in = j.open[j.depth - 1];
    node = in.node == kBesidePaths ? kBesidePaths : j.tree.nodes[in.node].first_child;
    if (node == kBesidePaths || j.tree.nodes[node].level != j.items_level) return Code::ok;
    if (j.rows == j.most_rows) return Code::too_many_items;
    add_row(j);
    return Code::ok;
}

enum class JsonNext : uint8_t { first_member, member, first_element, element, comma };

// The value at `at`, which is moved past it or into it.
inline Code read_value(JsonReader& j, uint32_t node, uint32_t& at, uint32_t end, JsonNext& next) noexcept {
    const uint8_t c = j.text[at];
    if (c == '{' || c == '[') {
        ++at;
        next = c == '{' ? JsonNext::first_member : JsonNext::first_element;
        return open_container(j, node, c == '{');
    }
    const JsonToken token = scan_scalar(j.text, at, end);
    next = JsonNext::comma;
    if (token.code != Code::ok || node == kBesidePaths) return at = token.after, token.code;
    const bool null = c == 'n';
    at = token.after;
    if (j.tree.nodes[node].shape == JsonShape::value) take_value(j, j.tree.nodes[node], token);
    else if (!null) tell(j, Code::wrong_structure, node);
    return Code::ok;
}

// The member whose name begins at `at`, which is moved to its value.
inline Code read_name(JsonReader& j, uint32_t& node, uint32_t& at, uint32_t end) noexcept {
    if (j.text[at] != '"') return Code::bad_json;
    const JsonToken key = scan_string(j.text, at + 1, end);
    if (key.code != Code::ok) return key.code;
    at = skip_space(j.text, key.after, end);
    if (at == end || j.text[at] != ':') return Code::bad_json;
    at = skip_space(j.text, at + 1, end);
    if (at == end) return Code::bad_json;
    node = member_named(j, key);
    return Code::ok;
}

// One object from `at` to `end`; `node` is where it stopped, when its code is not ok.
inline Code read_object(JsonReader& j, uint32_t at, uint32_t end, uint32_t& node) noexcept {
    at = skip_space(j.text, at, end);
    node = 0;
    if (at == end || j.text[at] != '{') return Code::bad_json;
    JsonNext next = JsonNext::comma;
    Code code = read_value(j, node, at, end, next);
    while (code == Code::ok && j.depth > 0) {
        node = kBesidePaths;
        at = skip_space(j.text, at, end);
        if (at == end) return Code::bad_json;
        const bool is_object = j.open[j.depth - 1].is_object;
        const bool must_follow = next == JsonNext::member || next == JsonNext::element;
        if (!must_follow && j.text[at] == (is_object ? '}' : ']')) {
            close_container(j);
            ++at;
            next = JsonNext::comma;
        } else if (next == JsonNext::comma) {
            if (j.text[at++] != ',') return Code::bad_json;
            next = is_object ? JsonNext::member : JsonNext::element;
        } else {
            code = is_object ? read_name(j, node, at, end) : begin_element(j, node);
            if (code == Code::ok) code = read_value(j, node, at, end, next);
        }
    }
    if (code == Code::ok && skip_space(j.text, at, end) != end) return node = kBesidePaths, Code::bad_json;
    return code;
}

// Room for so many rows; what is there is moved. False when memory is exhausted.
inline bool reserve_rows(Records& r, uint32_t fields, uint32_t rows, uint32_t& room) {
    if (rows <= room) return true;
    const Records old = r;
    room = std::max(rows, 2 * room);
    const int64_t cells = int64_t{room} * fields;
    uint32_t* items = nullptr;
    if (!take(r, r.row_record, room) || !take(r, r.row_first, room) || !take(r, items, room / 2 + 1)) return false;
    r.row_item = reinterpret_cast<int16_t*>(items);
    if (!take(r, r.begins, cells) || !take(r, r.ends, cells)) return false;
    std::copy_n(old.row_record, r.rows, r.row_record);
    std::copy_n(old.row_first, r.rows, r.row_first);
    std::copy_n(old.row_item, r.rows, r.row_item);
    std::copy_n(old.begins, size_t{r.rows} * fields, r.begins);
    std::copy_n(old.ends, size_t{r.rows} * fields, r.ends);
    return true;
}

// Whether the record's rows have more octets of values than `kMostTimesSaid` times its own: all say what it says once.
inline bool says_too_much(const JsonReader& j, uint32_t bytes) noexcept {
    if (j.rows - j.first_row < kMostTimesSaid) return false;
    uint64_t said = 0;
    for (uint64_t cell = uint64_t{j.first_row} * j.fields; cell < uint64_t{j.rows} * j.fields; ++cell)
        said += j.r.ends[cell] - j.r.begins[cell];
    return said > uint64_t{kMostTimesSaid} * bytes;
}

// The record of a line whose structure is sound so far: its rows, or its fault.
inline void add_object(JsonReader& j, uint32_t begin, uint32_t content_end, uint32_t end) noexcept {
    uint32_t node = 0;
    j.first_row = j.rows = j.r.rows;
    j.most_rows = j.rows + std::min(kMostItems, (end - begin) / kLeastItemBytes + 1);
    j.fault = j.depth = 0;
    j.empty = j.used;
    if (j.items_level == 0) add_row(j);
    Code code = read_object(j, begin, content_end, node);
    if (code == Code::ok && j.fault == 0 && j.used == j.empty && j.tree.needed) code = Code::missing_value;
    if (code == Code::ok && j.rows == j.first_row) add_row(j);
    if (code == Code::ok && j.items_level > 0) share(j, 0, j.first_row);
    if (code == Code::ok && says_too_much(j, end - begin)) code = Code::too_many_items;
    add_record(j.r, begin, end, code, 0);
    const uint32_t record = j.r.records - 1;
    if (code != Code::ok) {
        const bool in_value = node != kBesidePaths && j.tree.nodes[node].shape == JsonShape::value;
        if (code == Code::missing_value) j.r.fault[record] = fault_of(code, j.tree.needed);
        if (code == Code::invalid_encoding && in_value) j.r.fault[record] = fault_of(code, j.tree.nodes[node].number);
        for (uint32_t f = 0; f < j.fields; ++f) j.head_begins[f] = j.head_ends[f] = 0;
        return;
    }
    for (uint32_t row = j.first_row; row < j.rows; ++row) {
        j.r.row_record[row] = record;
        j.r.row_item[row] = static_cast<int16_t>(row - j.first_row);
        j.r.row_first[row] = row * j.fields;
    }
    j.r.rows = j.rows;
    if (j.fault != 0) note(j.r, record, static_cast<Code>(j.fault & 0xFFFF), j.fault >> 16);
}

}  // namespace detail

// After `prepare`: finds the records of a text, their items and their values. False when memory is exhausted.
inline bool find_json(const JsonTree& tree, const Frame& frame, const uint8_t* text, uint32_t length, Records& r) {
    auto values = Pool::instance().allocate(length);
    if (!values) return false;
    r.values = values.get();
    r.blocks.push_back(std::move(values));
    detail::JsonReader reader(tree, text, r, frame.fields);
    uint32_t room = 0;
    bool enough = detail::reserve_rows(r, frame.fields, length / 128 + 64, room);
    detail::each_line(frame, text, length, r, [&](const detail::Line& line) {
        const uint32_t bytes = line.end - line.begin;
        if (bytes > frame.max_record_bytes || line.code != Code::ok) {
            const Code code = bytes > frame.max_record_bytes ? Code::record_too_long : line.code;
            return detail::add_record(r, line.begin, line.end, code, 0);
        }
        const uint32_t most = std::min(kMostItems, bytes / kLeastItemBytes + 1) + 1;
        enough = enough && detail::reserve_rows(r, frame.fields, r.rows + most, room);
        if (enough) detail::add_object(reader, line.begin, line.content_end, line.end);
    });
    return enough;
}

}  // namespace mediation
