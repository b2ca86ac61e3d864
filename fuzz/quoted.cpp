// The reader of quoted records: what it takes as fields must spell the record again, and where a text is cut must not
// change what a record is.
#include "common.hpp"
#include "decode/records.hpp"

using namespace fuzz;

namespace {

Frame frame_of(Input& input) {
    Frame frame;
    frame.framing = Framing::quoted;
    frame.terminator = static_cast<Terminator>(input.below(3));
    frame.encoding = static_cast<Encoding>(input.below(3));
    frame.delimiter = static_cast<uint8_t>(input.one_of(",;|@"));
    frame.quote = input.below(8) ? static_cast<uint8_t>(input.one_of("\"'")) : kNoQuote;
    frame.max_record_bytes = input.below(4) ? 65536 : input.byte() + 1;
    return frame;
}

struct Read {
    QuotedRecord record;
    std::vector<uint32_t> begins, ends;
};

Read read(const Frame& frame, const uint8_t* text, uint32_t begin, uint32_t length, bool final) {
    Read r;
    r.begins.resize(length - begin + 1);  // no more fields than characters and one
    r.ends.resize(length - begin + 1);
    r.record = read_quoted(frame, text, begin, length, final, r.begins.data(), r.ends.data());
    return r;
}

bool same(const QuotedRecord& a, const QuotedRecord& b) {
    return a.end == b.end && a.content_end == b.content_end && a.code == b.code && a.complete == b.complete &&
           a.terminated == b.terminated && (a.code != Code::ok || a.fields == b.fields);
}

size_t character_at(const Frame& frame, std::string_view s) {
    const bool two = frame.encoding == Encoding::gb18030 && s.size() > 1 && static_cast<uint8_t>(s[0]) >= 0x81 &&
                     static_cast<uint8_t>(s[0]) < 0xFF && static_cast<uint8_t>(s[1]) >= 0x40;
    return two ? 2 : 1;
}

// A field's bytes hold no bare separator, and quotes only in pairs.
void require_plain_field(const Frame& frame, std::string_view field, bool quoted, bool escaped) {
    bool pairs = false;
    for (size_t i = 0; i < field.size(); i += character_at(frame, field.substr(i))) {
        const auto c = static_cast<uint8_t>(field[i]);
        if (!quoted) REQUIRE(c != frame.delimiter && c != '\n' && (frame.quote == kNoQuote || c != frame.quote));
        if (!quoted || c != frame.quote) continue;
        REQUIRE(i + 1 < field.size() && static_cast<uint8_t>(field[i + 1]) == frame.quote);
        pairs = true;
        ++i;
    }
    REQUIRE(escaped == pairs);
}

// Fields, their quotes, delimiters and the terminator, one after another, are the record.
void require_spelled(const Frame& frame, std::string_view bytes, uint32_t begin, const Read& r) {
    uint32_t at = begin;
    for (uint32_t f = 0; f < r.record.fields; ++f) {
        const bool quoted = frame.quote != kNoQuote && at < r.record.content_end &&
                            static_cast<uint8_t>(bytes[at]) == frame.quote;
        const uint32_t from = r.begins[f] & ~kEscaped, to = r.ends[f];
        REQUIRE(from == at + quoted && from <= to && to <= r.record.content_end);
        require_plain_field(frame, bytes.substr(from, to - from), quoted, r.begins[f] & kEscaped);
        at = to + quoted;
        if (f + 1 == r.record.fields) break;
        REQUIRE(static_cast<uint8_t>(bytes[at]) == frame.delimiter);
        ++at;
    }
    const bool cr = at + 1 == r.record.content_end && bytes[at] == '\r' && frame.terminator != Terminator::lf;
    REQUIRE(at + cr == r.record.content_end);
}

void require_sound(const Frame& frame, std::string_view bytes, uint32_t begin, const Read& r) {
    const QuotedRecord& record = r.record;
    REQUIRE(record.complete && record.end > begin && record.end <= bytes.size());
    REQUIRE(record.end == record.content_end + record.terminated);
    REQUIRE(record.terminated ? bytes[record.content_end] == '\n' : record.end == bytes.size());
    if (record.code == Code::ok) {
        REQUIRE(record.end - begin <= frame.max_record_bytes);
        require_spelled(frame, bytes, begin, r);
        return;
    }
    const size_t line = std::min(bytes.find('\n', begin), bytes.size());  // a broken one costs its line
    REQUIRE(record.content_end == line);
    REQUIRE((record.code == Code::record_too_long) == (record.end - begin > frame.max_record_bytes));
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const Frame frame = frame_of(input);
    const std::string_view bytes = input.take(512);
    const auto length = static_cast<uint32_t>(bytes.size());
    const PaddedText text{bytes, kPaddings[size % 4]};
    for (uint32_t at = 0; at < length;) {
        const Read whole = read(frame, text.data(), at, length, true);
        require_sound(frame, bytes, at, whole);
        const uint32_t nearby = std::min(length, whole.record.end + 3), step = nearby - at > 128 ? 7 : 1;
        for (uint32_t cut = at; cut <= nearby; cut += step) {
            const Read part = read(frame, text.data(), at, cut, false);
            if (!part.record.complete) continue;
            REQUIRE(same(part.record, whole.record));
            for (uint32_t f = 0; part.record.code == Code::ok && f < part.record.fields; ++f)
                REQUIRE(part.begins[f] == whole.begins[f] && part.ends[f] == whole.ends[f]);
        }
        at = whole.record.end;
    }
    return 0;
}
