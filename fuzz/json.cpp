// JSON lines: a plain reader by descent gives the same verdict on every line, values are text within their bounds, and
// neither what stands behind a text, the instruction set nor the lines around a line change what it is.
#include "common.hpp"
#include "decode/json.hpp"

using namespace fuzz;

namespace {

// t, a.x, l[].n, l[].m[].v; `needed` is t.
const JsonTree& tree() {
    static const JsonTree made = [] {
        JsonTree t;
        auto add = [&](const char* name, JsonShape shape, bool element, uint32_t level, uint32_t child,
                       uint32_t children, uint32_t field) {
            t.nodes.push_back({name, shape, element, level, child, children, field, field + 1});
        };
        add("", JsonShape::object, false, 0, 1, 3, 0);
        add("t", JsonShape::value, false, 0, 4, 0, 0);
        add("a", JsonShape::object, false, 0, 4, 1, 1);
        add("l", JsonShape::list, false, 0, 5, 1, 2);
        add("x", JsonShape::value, false, 0, 6, 0, 1);
        add("", JsonShape::object, true, 1, 6, 2, 2);
        add("n", JsonShape::value, false, 1, 8, 0, 2);
        add("m", JsonShape::list, false, 1, 8, 1, 3);
        add("", JsonShape::object, true, 2, 9, 1, 3);
        add("v", JsonShape::value, false, 2, 10, 0, 3);
        t.levels = {{0, 1}, {2}, {3}};
        t.needed = 1;
        return t;
    }();
    return made;
}

// ------------------------------------------------------------------------------------------ the twin

struct Plain {
    std::string_view text;
    size_t at = 0;
    Code code = Code::ok;

    bool fail(Code what) { return code = code == Code::ok ? what : code, false; }
    int peek() {
        while (at < text.size() && std::strchr(" \t\r", text[at]) && text[at]) ++at;
        return at < text.size() ? static_cast<uint8_t>(text[at]) : -1;
    }
    bool take(char c) { return peek() == c ? (++at, true) : fail(Code::bad_json); }
    bool word(std::string_view w) {
        return text.substr(at, w.size()) == w ? (at += w.size(), true) : fail(Code::bad_json);
    }
    bool digits() {
        const size_t first = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        return at > first || fail(Code::bad_json);
    }
    bool number() {
        if (text[at] == '-') ++at;
        if (at < text.size() && text[at] == '0') ++at;
        else if (!digits()) return false;
        if (at < text.size() && text[at] == '.' && (++at, !digits())) return false;
        if (at >= text.size() || (text[at] != 'e' && text[at] != 'E')) return true;
        if (++at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        return digits();
    }
    int unit() {  // of \uXXXX at the backslash, or -1
        if (text.substr(at, 2) != "\\u" || text.size() - at < 6) return -1;
        const std::string hex(text.substr(at + 2, 4));
        if (hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return -1;
        return static_cast<int>(std::strtol(hex.c_str(), nullptr, 16));
    }
    bool escape() {
        if (at + 1 < text.size() && text[at + 1] != 'u' && std::strchr("\"\\/bfnrt", text[at + 1]) && text[at + 1])
            return at += 2, true;
        const int first = unit();
        if (first < 0) return fail(Code::bad_json);
        at += 6;
        if (first < 0xD800 || first > 0xDFFF) return true;
        const int second = first < 0xDC00 ? unit() : -1;
        if (second < 0xDC00 || second > 0xDFFF) return fail(Code::invalid_encoding);
        return at += 6, true;
    }
    bool string() {
        for (++at; at < text.size();) {
            const auto c = static_cast<uint8_t>(text[at]);
            if (c == '"') return ++at, true;
            if (c < 0x20) break;
            if (c == '\\') {
                if (!escape()) return false;
                continue;
            }
            const uint32_t bytes = plain_utf8(text.substr(at)).bytes;
            if (bytes == 0) return fail(Code::invalid_encoding);
            at += bytes;
        }
        return fail(Code::bad_json);
    }
    bool members(uint32_t depth) {
        do {
            if (peek() != '"') return fail(Code::bad_json);
            if (!string() || !take(':') || !value(depth)) return false;
        } while (peek() == ',' && ++at);
        return take('}');
    }
    bool elements(uint32_t depth) {
        do
            if (!value(depth)) return false;
        while (peek() == ',' && ++at);
        return take(']');
    }
    bool value(uint32_t depth) {
        const int c = peek();
        if (c == '{' || c == '[') {
            if (depth == kMostJsonDepth) return fail(Code::too_deep);
            ++at;
            if (peek() == (c == '{' ? '}' : ']')) return ++at, true;
            return c == '{' ? members(depth + 1) : elements(depth + 1);
        }
        if (c == '"') return string();
        if (c == 't') return word("true");
        if (c == 'f') return word("false");
        if (c == 'n') return word("null");
        return c >= 0 && (c == '-' || (c >= '0' && c <= '9')) ? number() : fail(Code::bad_json);
    }
    Code verdict() {
        if (peek() != '{') return Code::bad_json;
        if (value(0) && peek() >= 0) fail(Code::bad_json);
        return code;
    }
};

// ------------------------------------------------------------------------------------------ the kernel

struct Found {
    uint32_t begin, end, fault;
    std::vector<std::vector<std::string>> rows;
    bool operator==(const Found& o) const {
        return end - begin == o.end - o.begin && fault == o.fault && rows == o.rows;
    }
};

std::vector<Found> read(const Frame& frame, Simd simd, std::string_view bytes, uint8_t padding) {
    const PaddedText text{bytes, padding};
    const auto length = static_cast<uint32_t>(bytes.size());
    Records r;
    REQUIRE(prepare(r, frame, simd, text.data(), length));
    REQUIRE(find_json(tree(), frame, text.data(), length, r));
    std::vector<Found> found;
    int64_t placed = r.filler_bytes;
    for (uint32_t i = 0; i < r.records; ++i) {
        found.push_back({r.begin[i], r.end[i], r.fault[i], {}});
        placed += r.end[i] - r.begin[i];
    }
    REQUIRE(placed == length);
    for (uint32_t row = 0; row < r.rows; ++row) {
        std::vector<std::string> values;
        for (uint32_t f = 0; f < frame.fields; ++f) {
            const uint32_t begin = r.begins[r.row_first[row] + f], end = r.ends[r.row_first[row] + f];
            REQUIRE(begin <= end && end <= length);
            values.emplace_back(reinterpret_cast<const char*>(r.values) + begin, end - begin);
            for (std::string_view rest = values.back(); !rest.empty();) {
                const uint32_t n = plain_utf8(rest).bytes;
                REQUIRE(n > 0);
                rest.remove_prefix(n);
            }
        }
        REQUIRE(r.row_record[row] < r.records && (row == 0 || r.row_record[row - 1] <= r.row_record[row]));
        found[r.row_record[row]].rows.push_back(values);
    }
    return found;
}

// Any one block refused: the kernel says so, and nothing is held afterwards.
void require_refusals_told(const Frame& frame, std::string_view bytes) {
    const PaddedText text{bytes, '\n'};
    const auto length = static_cast<uint32_t>(bytes.size());
    Pool& pool = Pool::instance();
    bool enough = false;
    for (int64_t blocks = 0; !enough; ++blocks) {
        pool.left = blocks;
        {
            Records r;
            enough = prepare(r, frame, Simd::base, text.data(), length) &&
                     find_json(tree(), frame, text.data(), length, r);
        }
        REQUIRE(pool.live == 0);
        REQUIRE(enough == (pool.left >= 0));
    }
    pool.left = -1;
}

void require_verdict(std::string_view bytes, const Found& found) {
    std::string_view line = bytes.substr(found.begin, found.end - found.begin);
    if (line.back() == '\n') line.remove_suffix(1);
    const Code verdict = Plain{line}.verdict();
    const auto code = static_cast<Code>(found.fault & 0xFFFF);
    if (code == Code::record_too_long || code == Code::too_many_items) return REQUIRE(found.rows.empty());
    const bool sound = code == Code::ok || code == Code::missing_value || code == Code::repeated_key ||
                       code == Code::wrong_structure;
    REQUIRE(verdict == (sound ? Code::ok : code));
    REQUIRE(found.rows.empty() == (!sound || code == Code::missing_value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    Frame frame;
    frame.framing = Framing::json;
    frame.encoding = Encoding::utf8;
    frame.fields = 4;
    frame.max_record_bytes = input.below(4) ? 65536 : 64u + input.byte();
    const std::string_view bytes = input.rest();
    const std::vector<Found> whole = read(frame, Simd::base, bytes, '\n');
    require_refusals_told(frame, bytes);
    for (const Simd simd : levels()) REQUIRE(read(frame, simd, bytes, kPaddings[static_cast<int>(simd)]) == whole);
    for (const Found& found : whole) {
        require_verdict(bytes, found);
        const auto alone = read(frame, Simd::base, bytes.substr(found.begin, found.end - found.begin), '"');
        REQUIRE(alone.size() == 1 && alone[0] == found);
    }
    return 0;
}
