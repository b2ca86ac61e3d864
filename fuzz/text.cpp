// Whole texts through every step of decoding: each byte in one place, the same answer from every instruction set and
// whatever stands behind the text, and from two pieces as from one; records and values as a plain reader finds them.
#include <array>

#include "plan.hpp"

using namespace fuzz;

namespace {

constexpr uint32_t kCutsDecoded = 4;  // of a text; of the others only the place is checked

struct Outcome {
    std::vector<std::array<uint32_t, 3>> records;  // begin, end, fault
    std::vector<std::vector<std::string>> columns;  // of kept rows: "" is null, else '=' and the value's bytes
    std::vector<__int128> sums;
    std::vector<int64_t> unreadable;
    int64_t filler_bytes = 0, usage_bytes = 0, undecodable_bytes = 0, record_bytes = 0;

    bool operator==(const Outcome& other) const {
        return records == other.records && columns == other.columns && sums == other.sums &&
               unreadable == other.unreadable && filler_bytes == other.filler_bytes &&
               usage_bytes == other.usage_bytes && undecodable_bytes == other.undecodable_bytes &&
               record_bytes == other.record_bytes;
    }
};

std::string value_at(const ColumnOut& out, uint32_t row) {
    if (!out.valid(row)) return "";
    const auto* data = reinterpret_cast<const char*>(out.data);
    if (has_offsets(out.kind))
        return "=" + std::string(data + out.offsets[row], data + out.offsets[row + 1]);
    const auto width = static_cast<size_t>(kWidths[static_cast<int>(out.kind)]);
    return "=" + std::string(data + row * width, width);
}

void keep_column(const TextPlan& plan, const uint8_t* text, const Work& work, size_t c, BuildColumn& built,
                 Outcome& outcome) {
    const ColumnPlan& column = plan.columns[c];
    if (column.kind == Kind::utf8) {
        const int64_t bytes = text_bytes(plan, work, column.field);
        REQUIRE(build_column(built, "", column.kind, column.nullable, nullptr, work.records.rows, bytes));
        copy_text(plan, text, work, column.field, built.out);
        REQUIRE(built.out.offsets[work.kept] <= bytes);
    }
    finish_nulls(column, work.nulls[c], work.kept, built.out);
    for (uint32_t row = 0; row < work.kept; ++row) outcome.columns[c].push_back(value_at(built.out, row));
}

Outcome decode(const TextPlan& plan, Simd simd, const uint8_t* text, uint32_t length) {
    Outcome outcome;
    Work work;
    REQUIRE(structure(plan, simd, text, length, work));
    const Records& r = work.records;
    std::vector<BuildColumn> built(plan.columns.size());
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (plan.columns[c].kind == Kind::utf8) continue;
        REQUIRE(build_column(built[c], "", plan.columns[c].kind, plan.columns[c].nullable, nullptr, r.rows, 0));
        work.data[c] = built[c].out.data;
    }
    convert(plan, text, work);
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        const bool number = plan.columns[c].kind == Kind::i64 || plan.columns[c].kind == Kind::decimal128;
        outcome.sums.push_back(number ? control_sum(plan, work, static_cast<int32_t>(c)) : 0);
    }
    REQUIRE(compact(plan, work));
    outcome.columns.resize(plan.columns.size());
    for (size_t c = 0; c < plan.columns.size(); ++c) keep_column(plan, text, work, c, built[c], outcome);
    for (uint32_t i = 0; i < r.records; ++i) outcome.records.push_back({r.begin[i], r.end[i], r.fault[i]});
    outcome.unreadable = work.unreadable;
    outcome.filler_bytes = r.filler_bytes;
    outcome.usage_bytes = work.usage_bytes;
    outcome.undecodable_bytes = work.undecodable_bytes;
    outcome.record_bytes = work.record_bytes;
    return outcome;
}

void append(Outcome& first, const Outcome& second, uint32_t offset) {
    for (const auto& [begin, end, fault] : second.records)
        first.records.push_back({begin + offset, end + offset, fault});
    for (size_t c = 0; c < first.columns.size(); ++c) {
        first.columns[c].insert(first.columns[c].end(), second.columns[c].begin(), second.columns[c].end());
        first.sums[c] += second.sums[c];
        first.unreadable[c] += second.unreadable[c];
    }
    first.filler_bytes += second.filler_bytes;
    first.usage_bytes += second.usage_bytes;
    first.undecodable_bytes += second.undecodable_bytes;
    first.record_bytes += second.record_bytes;
}

// ------------------------------------------------------------------------------------------ invariants

void require_every_byte_once(const TextPlan& plan, uint32_t length, const Outcome& outcome) {
    uint32_t beyond = 0;
    int64_t sound = 0, bytes = 0;
    size_t kept = 0;
    for (const auto& [begin, end, fault] : outcome.records) {
        REQUIRE(beyond <= begin && begin < end && end <= length);
        REQUIRE((fault >> 16) <= plan.frame.fields && (fault == 0 || (fault & 0xFFFF) != 0));
        beyond = end;
        bytes += end - begin;
        kept += fault == 0;
        if (fault == 0) sound += end - begin;
    }
    REQUIRE(bytes + outcome.filler_bytes == length);
    REQUIRE(outcome.record_bytes + outcome.undecodable_bytes == bytes);
    REQUIRE(outcome.usage_bytes == sound);
    for (const auto& column : outcome.columns) REQUIRE(column.size() == kept);
}

void require_utf8(const TextPlan& plan, const Outcome& outcome) {
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (plan.columns[c].kind != Kind::utf8) continue;
        for (const std::string& value : outcome.columns[c])
            for (size_t at = 0; at < value.size();) {
                const uint32_t bytes = plain_utf8(std::string_view{value}.substr(at)).bytes;
                REQUIRE(bytes > 0);
                at += bytes;
            }
    }
}

// Wherever a file is cut, no record is: what is whole there and the rest of the file give what the file gives.
void require_any_cut(const TextPlan& plan, const PaddedText& text, uint32_t length, const Outcome& whole) {
    uint32_t previous = 0, decoded = 0;
    for (uint32_t cut = 0; cut <= length; ++cut) {
        uint32_t last_begin = 0;
        const uint32_t end = complete_records(plan.frame, text.data(), cut, last_begin);
        REQUIRE(end <= cut && (end == 0 || last_begin < end) && previous <= end);
        if (end == previous) continue;
        REQUIRE(last_begin >= previous);
        for (const auto& record : whole.records) REQUIRE(end <= record[0] || record[1] <= end);
        previous = end;
        if (++decoded > kCutsDecoded) continue;
        Outcome halves = decode(plan, simd_of_machine(), text.data(), end);
        append(halves, decode(plan, simd_of_machine(), text.data() + end, length - end), end);
        REQUIRE(halves == whole);
    }
}

// --------------------------------------------------------------------------------------- a plain reader

struct PlainLine {
    std::string_view content;  // without terminator
    Code code;
};

PlainLine plain_line(const Frame& frame, std::string_view line) {
    const bool terminated = line.back() == '\n';
    std::string_view content = line.substr(0, line.size() - terminated);
    const bool cr = !content.empty() && content.back() == '\r';
    if (frame.terminator == Terminator::none) return {line, Code::ok};
    if (frame.terminator == Terminator::lf) return {content, Code::ok};
    if (cr) content.remove_suffix(1);
    return {content, cr || !terminated || frame.terminator == Terminator::any ? Code::ok : Code::bad_terminator};
}

std::vector<std::string_view> plain_fields(const Frame& frame, std::string_view content) {
    std::vector<std::string_view> fields;
    for (size_t f = 0; f < frame.widths.size(); ++f) fields.push_back(content.substr(frame.starts[f], frame.widths[f]));
    if (frame.framing == Framing::fixed) return fields;
    for (size_t at = 0;;) {
        const size_t end = std::min(content.find(static_cast<char>(frame.delimiter), at), content.size());
        fields.push_back(content.substr(at, end - at));
        if (end == content.size()) return fields;
        at = end + 1;
    }
}

bool is_text(Encoding encoding, std::string_view s) {
    while (!s.empty()) {
        const uint32_t bytes = plain_character(encoding, s).bytes;
        if (bytes == 0) return false;
        s.remove_prefix(bytes);
    }
    return true;
}

std::string_view trimmed(const FieldPlan& f, std::string_view s) {
    while (f.trim_right && !s.empty() && static_cast<uint8_t>(s.back()) == f.pad) s.remove_suffix(1);
    while (f.trim_left && !s.empty() && static_cast<uint8_t>(s.front()) == f.pad) s.remove_prefix(1);
    return std::count(f.null_if.begin(), f.null_if.end(), s) ? std::string_view{} : s;
}

void require_row(const TextPlan& plan, std::string_view content, const Outcome& outcome, size_t row) {
    const std::vector<std::string_view> fields = plain_fields(plan.frame, content);
    for (const FieldPlan& f : plan.fields) {
        if (f.type != FieldType::integer && f.type != FieldType::text) continue;
        const std::string_view field = trimmed(f, fields[f.number - 1]);
        const std::string& value = outcome.columns[static_cast<size_t>(f.column)][row];
        if (field.empty()) {
            REQUIRE(f.optional && value.empty());
        } else if (f.type == FieldType::integer) {
            const int64_t number = static_cast<int64_t>(std::strtoll(std::string{field}.c_str(), nullptr, 10));
            const int64_t scaled = number * f.multiplier;
            REQUIRE(value.size() == 9 && std::memcmp(value.data() + 1, &scaled, 8) == 0);
        } else if (plan.frame.encoding != Encoding::gb18030) {
            REQUIRE(value.substr(1) == field);
        }
    }
}

// A field of fixed width may end inside a character of a line that is text.
bool fields_are_text(const Frame& frame, std::string_view line) {
    bool text = is_text(frame.encoding, line);
    for (size_t f = 0; frame.framing == Framing::fixed && f < frame.starts.size(); ++f)
        text = text && is_text(frame.encoding, line.substr(frame.starts[f], frame.widths[f]));
    return text;
}

void require_lines(const TextPlan& plan, std::string_view bytes, const Outcome& outcome) {
    const Frame& frame = plan.frame;
    size_t record = 0, row = 0;
    for (size_t at = 0, end; at < bytes.size(); at = end) {
        end = frame.terminator == Terminator::none ? at + frame.record_length : bytes.find('\n', at) + 1;
        if (end > bytes.size() || end == 0) end = bytes.size();
        const std::string_view line = bytes.substr(at, end - at);
        auto [content, code] = plain_line(frame, line);
        if (content.empty()) continue;
        const bool fixed = frame.framing == Framing::fixed;
        const bool fits = fixed ? content.size() == frame.record_length
                                : plain_fields(frame, content).size() == frame.fields;
        if (!fits) code = fixed ? Code::wrong_record_length : Code::wrong_field_count;
        if (line.size() > frame.max_record_bytes && frame.terminator != Terminator::none) code = Code::record_too_long;
        REQUIRE(record < outcome.records.size());
        const auto& [begin, beyond, fault] = outcome.records[record++];
        REQUIRE(begin == at && beyond == end);
        const Code found = static_cast<Code>(fault & 0xFFFF);
        if (code != Code::ok) REQUIRE(fault == fault_of(code, 0));
        else REQUIRE(fields_are_text(frame, line) ? found != Code::invalid_encoding : found != Code::ok);
        if (fault == 0) require_row(plan, content, outcome, row++);
    }
    REQUIRE(record == outcome.records.size());
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    TextPlan plan;
    choose_plan(input, plan);
    const std::string_view bytes = input.take(512);
    const auto length = static_cast<uint32_t>(bytes.size());
    const PaddedText text{bytes, kPaddings[3]};
    const Outcome outcome = decode(plan, Simd::base, text.data(), length);
    require_every_byte_once(plan, length, outcome);
    for (const Simd simd : levels())
        REQUIRE(decode(plan, simd, PaddedText{bytes, kPaddings[static_cast<int>(simd)]}.data(), length) == outcome);
    if (plan.frame.framing != Framing::quoted) require_lines(plan, bytes, outcome);
    require_utf8(plan, outcome);
    require_any_cut(plan, text, length, outcome);
    return 0;
}
