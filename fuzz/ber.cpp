// BER records through every step: each byte in one place, the same answer whatever stands behind the text and from two
// pieces as from one, text that is UTF-8 within its bounds; integers and digits as plain readers find them.
#include <array>

#include "common.hpp"
#include "decode/ber/walk.hpp"

using namespace fuzz;

namespace {

constexpr uint32_t kMaxRecordBytes = 300;

struct Field {
    FieldType type;
    Kind kind;
    std::vector<Coding> codings;
};

const std::vector<Field>& kinds() {
    using C = Coding;
    static const std::vector<Field> all = {
        {FieldType::integer, Kind::i64, {C::octets, C::integer, C::bcd, C::tbcd, C::address, C::tap_offset, C::time9,
          C::nrtrde_offset}},
        {FieldType::msisdn, Kind::i64, {C::octets, C::bcd, C::tbcd, C::address}},
        {FieldType::decimal, Kind::decimal128, {C::octets, C::integer, C::rate}},
        {FieldType::timestamp, Kind::timestamp, {C::octets, C::integer, C::bcd, C::tap_time, C::time9,
          C::nrtrde_time}},
        {FieldType::enumeration, Kind::code, {C::octets, C::integer, C::tag}},
        {FieldType::text, Kind::utf8, {C::octets, C::integer, C::bcd, C::tbcd, C::address, C::hex, C::ip, C::entity}},
    };
    return all;
}

struct Table {
    TextPlan plan;
    BerProgram program;
    BerContext context;
};

void choose_field(Input& input, Table& table) {
    const Field& kind = kinds()[input.below(static_cast<uint32_t>(kinds().size()))];
    const auto number = static_cast<uint32_t>(table.plan.fields.size());
    FieldPlan f;
    f.type = kind.type;
    f.number = number + 1;
    f.column = static_cast<int32_t>(table.plan.columns.size());
    const uint32_t options = input.byte();
    f.optional = options & 1;
    f.trim_left = f.trim_right = options & 2;
    f.is_signed = options & 4;
    if (options & 8) f.min = 0, f.max = 1000;
    if (options & 16) f.multiplier = 1 << 20;
    if (options & 32) f.characters = kDigit;
    f.timestamp.parts = {{Part::year, 4, 0}, {Part::month, 2, 0}, {Part::day, 2, 0}, {Part::hour, 2, 0},
                         {Part::minute, 2, 0}, {Part::second, 2, 0}};
    f.timestamp.width = 14;
    f.timestamp.compact = true;
    f.timestamp.zone = {{INT64_MIN}, {0}};
    f.enumeration.build({"0", "1", "F", "255"}, {0, 1, 2, 3});
    table.plan.fields.push_back(f);
    table.plan.columns.push_back({kind.kind, static_cast<int32_t>(number), 0, true, f.optional});
    BerAction action{};
    action.coding = kind.codings[input.below(static_cast<uint32_t>(kind.codings.size()))];
    const bool other = options & 128;  // without a byte of its own: what a corpus means stays the same
    if (other && action.coding == Coding::hex) action.coding = Coding::plmn;
    const bool has_user = f.type == FieldType::text || f.type == FieldType::integer || f.type == FieldType::msisdn;
    if (other && action.coding == Coding::octets && has_user) action.coding = Coding::uri;
    action.sum = options & 64 && (kind.kind == Kind::i64 || kind.kind == Kind::decimal128) &&
                 !detail::is_offset(action.coding) && action.coding != Coding::time9;
    action.constant = options & 128 ? 1 : -1;
    action.field = number;
    if (!f.optional) table.program.required.push_back(number);
    table.program.actions.push_back(action);
}

// Below the records' tag a1 a container, an item and a pair of variants; values anywhere among them.
Table choose_table(Input& input) {
    static constexpr uint32_t kA = 1u << kTagClass;
    Table table;
    const uint32_t fields = input.below(6) + 1;
    for (uint32_t i = 0; i < fields; ++i) choose_field(input, table);
    auto& nodes = table.program.nodes;
    nodes.resize(8);
    uint32_t next = 0;
    for (uint32_t n = 1; n < 7 && next < fields; ++n) {
        nodes[n].first_action = next;
        nodes[n].actions = n == 6 ? fields - next : input.below(3);
        if (nodes[n].actions > fields - next) nodes[n].actions = fields - next;
        next += nodes[n].actions;
    }
    table.program.actions.resize(next);
    nodes[3].item = input.coin();
    nodes[2].waits = nodes[3].item && fields % 2;
    nodes[6].item = nodes[3].item && fields > 2;  // inside it, and in other places
    if (nodes[3].item) nodes[0].to_items = 1 << 1, nodes[1].to_items = uint64_t{1} << 300 % 64;
    if (nodes[6].item) {
        nodes[1].to_items |= 1 << 2 | 1 << 4;
        nodes[2].to_items = nodes[3].to_items = nodes[4].to_items = 1 << 5;
    }
    nodes[4].variant = 5;
    nodes[4].predicate = 0;
    table.program.predicates = {{kA | 16, static_cast<Predicate::Wants>(input.below(3)), 1, "00"}};
    table.program.set_children(0, {{kA | 1, 1}});
    table.program.set_children(1, {{kA | 2, 2}, {kA | 300, 3}, {kA | 4, 4}});
    table.program.set_children(2, {{kA | 5, 6}});
    table.program.set_children(3, {{kA | 5, 6}, {kA | 7, 5}});  // an item, and a value beside it
    table.program.set_children(4, {{kA | 5, 6}});
    table.program.set_children(5, {});
    table.program.set_children(6, nodes[6].item ? std::vector<BerSlot>{{kA | 7, 7}} : std::vector<BerSlot>{});
    table.program.set_children(7, {});
    for (size_t c = 0; c < table.plan.columns.size(); ++c)
        if (c % 2) table.program.record_columns.push_back(static_cast<int32_t>(c));
    table.program.item_columns = {0};
    nodes[3].columns = nodes[6].item;
    table.plan.frame.max_record_bytes = kMaxRecordBytes;
    const uint32_t framing = input.below(4);
    table.context.framing = {framing ? BerFraming::elements : BerFraming::cdrs, framing == 1 ? 2u : 0u};
    static constexpr int64_t kDivisors[] = {1, 100, 0}, kMultipliers[] = {1000, 1, 0};
    const uint32_t scale = input.below(3);
    table.context.divisor = kDivisors[scale];
    table.context.multiplier = kMultipliers[scale];
    table.context.offsets_us = {{1, 3600000000}, {2, -1800000000}};
    table.context.rates = {{1, 1387760}};
    table.context.entities = {{1, 3, "one"}, {2, 4, "another"}};
    return table;
}

struct Outcome {
    std::vector<std::array<uint32_t, 3>> records;
    std::vector<std::string> rows;  // all columns of a kept row
    int64_t filler = 0, record = 0, usage = 0, undecodable = 0, unknown = 0;
    bool operator==(const Outcome& o) const {
        return records == o.records && rows == o.rows && filler == o.filler && record == o.record &&
               usage == o.usage && undecodable == o.undecodable && unknown == o.unknown;
    }
};

void keep_column(const Table& table, const uint8_t* text, const Work& work, size_t c, BuildColumn& built,
                 Outcome& outcome) {
    const ColumnPlan& column = table.plan.columns[c];
    if (column.kind == Kind::utf8) {
        const int64_t bytes = coded_bytes(work, column.field);
        REQUIRE(build_column(built, "", column.kind, column.nullable, nullptr, work.records.rows, bytes));
        copy_coded(table.context, text, work, column.field, built.out);
        REQUIRE(built.out.offsets[work.kept] <= bytes);
    }
    finish_nulls(column, column.nullable ? work.nulls[c] : nullptr, work.kept, built.out);
    for (uint32_t row = 0; row < work.kept; ++row) {
        std::string& out = outcome.rows[row];
        const auto* data = reinterpret_cast<const char*>(built.out.data);
        const auto width = static_cast<size_t>(kWidths[static_cast<int>(column.kind)]);
        out += built.out.valid(row) ? '=' : ' ';
        if (column.kind != Kind::utf8) {
            out.append(data + row * width, width);
            continue;
        }
        std::string value{data + built.out.offsets[row], data + built.out.offsets[row + 1]};
        out += value + "|";
        for (std::string_view rest = value; !rest.empty();) {
            const PlainCharacter character = plain_utf8(rest);
            REQUIRE(character.bytes != 0);
            rest.remove_prefix(character.bytes);
        }
    }
}

// All steps but the last; false when one of them said that memory is exhausted.
bool decode_rows(const Table& table, const uint8_t* text, uint32_t length, Work& work, std::vector<BuildColumn>& built,
                 int64_t& unknown) {
    const BerFraming framing = table.context.framing;
    const Portion all = take_portion(table.program, framing, text, 0, length, kMaxRecordBytes, UINT32_MAX);
    REQUIRE(all.end == length);
    if (!begin_records(table.plan, framing, text, length, all.rows, work)) return false;
    for (size_t c = 0; c < built.size(); ++c) {
        if (table.plan.columns[c].kind == Kind::utf8) continue;
        const Kind kind = table.plan.columns[c].kind;
        if (!build_column(built[c], "", kind, table.plan.columns[c].nullable, nullptr, all.rows, 0)) return false;
        work.data[c] = built[c].out.data;
    }
    unknown = walk(table.plan, table.program, table.context, text, all.rows, work);
    return compact(table.plan, work);
}

// Any one block refused: the step says so, and nothing is held afterwards.
void require_refusals_told(const Table& table, const uint8_t* text, uint32_t length) {
    Pool& pool = Pool::instance();
    bool enough = false;
    for (int64_t blocks = 0; !enough; ++blocks) {
        pool.left = blocks;
        {
            Work work;
            std::vector<BuildColumn> built(table.plan.columns.size());
            int64_t unknown = 0;
            enough = decode_rows(table, text, length, work, built, unknown);
        }
        REQUIRE(pool.live == 0);
        REQUIRE(enough == (pool.left >= 0));
    }
    pool.left = -1;
}

Outcome decode(const Table& table, const uint8_t* text, uint32_t length) {
    Outcome outcome;
    Work work;
    std::vector<BuildColumn> built(table.plan.columns.size());
    REQUIRE(decode_rows(table, text, length, work, built, outcome.unknown));
    outcome.rows.resize(work.kept);
    for (size_t c = 0; c < built.size(); ++c) keep_column(table, text, work, c, built[c], outcome);
    const Records& r = work.records;
    for (uint32_t i = 0; i < r.records; ++i) outcome.records.push_back({r.begin[i], r.end[i], r.fault[i]});
    outcome.filler = r.filler_bytes;
    outcome.record = work.record_bytes;
    outcome.usage = work.usage_bytes;
    outcome.undecodable = work.undecodable_bytes;
    return outcome;
}

void require_every_byte_once(uint32_t length, const Outcome& outcome) {
    REQUIRE(outcome.filler + outcome.record + outcome.undecodable == length);
    uint32_t at = 0;
    int64_t sound = 0;
    for (const auto& [begin, end, fault] : outcome.records) {
        REQUIRE(begin >= at && end > begin && end <= length);
        sound += fault == 0 ? end - begin : 0;
        at = end;
    }
    REQUIRE(sound == outcome.usage);
}

void append(Outcome& first, const Outcome& second, uint32_t offset) {
    for (const auto& [begin, end, fault] : second.records)
        first.records.push_back({begin + offset, end + offset, fault});
    first.rows.insert(first.rows.end(), second.rows.begin(), second.rows.end());
    first.filler += second.filler;
    first.record += second.record;
    first.usage += second.usage;
    first.undecodable += second.undecodable;
    first.unknown += second.unknown;
}

void require_plain_values(std::string_view octets) {
    const PaddedText text{octets, 0xFF};
    const auto length = static_cast<uint32_t>(octets.size());
    __int128 value = static_cast<int8_t>(octets[0]) < 0 ? -1 : 0;
    bool fits = true;
    for (const char c : octets) {
        value = value * 256 + static_cast<uint8_t>(c);
        fits = fits && value >= INT64_MIN && value <= INT64_MAX;
    }
    const Parsed parsed = ber_integer(text.data(), length);
    REQUIRE((parsed.code == Code::ok) == fits && (!fits || parsed.value == value));
    for (const bool swapped : {false, true}) {
        std::string digits;
        for (const char c : octets) {
            const auto octet = static_cast<uint8_t>(c);
            digits += "0123456789abcdef"[swapped ? octet & 15 : octet >> 4];
            digits += "0123456789abcdef"[swapped ? octet >> 4 : octet & 15];
        }
        digits.erase(digits.find_last_not_of('f') + 1);
        const Parsed counted = count_digits(text.data(), length, swapped);
        REQUIRE((counted.code == Code::ok) == (digits.find('f') == std::string::npos));
        if (counted.code == Code::ok) REQUIRE(counted.value == static_cast<int64_t>(digits.size()));
        const bool decimal = digits.find_first_of("abcdef") == std::string::npos;
        const Parsed number = digits_value(text.data(), length, swapped);
        if (!decimal) REQUIRE(number.code != Code::ok);
        else if (digits.size() <= 18 && !digits.empty())
            REQUIRE(number.code == Code::ok && number.value == std::strtoll(digits.c_str(), nullptr, 10));
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const Table table = choose_table(input);
    const BerFraming framing = table.context.framing;
    const bool indefinite = input.coin() && framing.kind == BerFraming::elements;
    const std::string_view bytes = input.take(512);
    if (!bytes.empty()) require_plain_values(bytes.substr(0, 12));
    const PaddedText text{bytes, kPaddings[0]};
    const auto filled = static_cast<uint32_t>(bytes.size());
    const Cut cut = cut_records(framing, text.data(), 0, filled, filled, indefinite, kMaxRecordBytes, UINT32_MAX);
    REQUIRE(cut.end <= filled && (cut.stop != Stop::contents_end || indefinite || cut.end == filled));
    const Outcome outcome = decode(table, text.data(), cut.end);
    REQUIRE(outcome.records.size() == cut.records);
    require_every_byte_once(cut.end, outcome);
    if (cut.end < 32) require_refusals_told(table, text.data(), cut.end);
    for (const uint8_t padding : kPaddings)
        REQUIRE(decode(table, PaddedText{bytes.substr(0, cut.end), padding}.data(), cut.end) == outcome);
    const Cut some = cut_records(framing, text.data(), 0, filled, filled, indefinite, kMaxRecordBytes, cut.records / 2);
    Outcome pieces = decode(table, text.data(), some.end);
    append(pieces, decode(table, text.data() + some.end, cut.end - some.end), some.end);
    REQUIRE(pieces == outcome);
    const Blocks blocks{16 + filled % 32, filled % 16};
    const Cut within =
        cut_records(framing, text.data(), 0, filled, filled, indefinite, kMaxRecordBytes, UINT32_MAX, blocks);
    REQUIRE(within.end <= cut.end && within.records <= cut.records);
    for (const auto& [begin, end, fault] : decode(table, text.data(), within.end).records)
        REQUIRE(end <= blocks.end(begin) && (fault || begin < end));
    return 0;
}
