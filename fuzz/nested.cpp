// Records of BER as they are nested: no more rows than were counted, lists one after the other, text that is UTF-8
// within its bounds; the same answer whatever stands behind the text, and record by record as from all at once; memory
// that is refused is told.
#include "common.hpp"
#include "decode/ber/nested.hpp"

using namespace fuzz;

namespace {

constexpr uint32_t kA = 1u << kTagClass;

struct Value {
    FieldType type;
    Kind kind;
    Coding coding;
};

constexpr Value kValues[] = {
    {FieldType::integer, Kind::i64, Coding::integer},      {FieldType::integer, Kind::i64, Coding::time9},
    {FieldType::text, Kind::utf8, Coding::octets},         {FieldType::text, Kind::utf8, Coding::tbcd},
    {FieldType::text, Kind::utf8, Coding::address},        {FieldType::text, Kind::utf8, Coding::hex},
    {FieldType::text, Kind::utf8, Coding::ip},             {FieldType::text, Kind::utf8, Coding::entity},
    {FieldType::decimal, Kind::decimal128, Coding::integer}, {FieldType::decimal, Kind::decimal128, Coding::rate},
    {FieldType::timestamp, Kind::timestamp, Coding::time9}, {FieldType::timestamp, Kind::timestamp, Coding::tap_time},
};

struct Table {
    TextPlan plan;
    BerProgram program;
    NestedProgram nested;
    BerContext context;
};

uint32_t add_column(Table& table, Kind kind, uint32_t of, int32_t field) {
    table.plan.columns.push_back({kind, field, 0, true, true});
    table.nested.column_table.push_back(of);
    return static_cast<uint32_t>(table.plan.columns.size()) - 1;
}

// A leaf at a node, in a column of a table.
void add_leaf(Table& table, Input& input, uint32_t node, uint32_t of) {
    const Value& value = kValues[input.below(std::size(kValues))];
    FieldPlan f;
    f.type = value.type;
    f.number = static_cast<uint32_t>(table.plan.fields.size()) + 1;
    f.is_signed = f.trim_left = f.trim_right = true;
    f.column = static_cast<int32_t>(add_column(table, value.kind, of, static_cast<int32_t>(f.number) - 1));
    table.plan.fields.push_back(f);
    BerAction action{};
    action.coding = value.coding;
    action.field = f.number - 1;
    table.program.nodes[node].first_action = static_cast<uint32_t>(table.program.actions.size());
    table.program.nodes[node].actions = 1;
    table.program.actions.push_back(action);
}

// A record a1: a value, a struct a2 with one, a flag a7, and in a3, which may stand in itself, a
// list of a4, each with a value and a list of a6.
Table choose_table(Input& input) {
    Table table;
    table.program.nodes.resize(10);
    table.nested.nodes.resize(10);
    for (const auto& [node, of] : {std::pair{6u, 0u}, {7u, 0u}, {9u, 1u}, {5u, 2u}}) add_leaf(table, input, node, of);
    auto mark = [&](uint32_t of) { return add_column(table, Kind::i16, of, 0); };
    table.nested.nodes[1].record = 0;
    table.nested.nodes[2].mark = static_cast<int32_t>(mark(0));
    table.nested.nodes[8].mark = static_cast<int32_t>(mark(0));
    table.nested.lists = {{0, mark(0)}, {1, mark(1)}};
    table.nested.opens = {0, 1};
    table.nested.nodes[3].opens = table.nested.nodes[4].opens = table.nested.nodes[5].opens = 1;
    table.nested.nodes[5].first_open = 1;
    table.nested.nodes[4].list = 0;
    table.nested.nodes[5].list = 1;
    const std::vector<std::vector<BerSlot>> children = {
        {{kA | 1, 1}}, {{kA | 2, 2}, {kA | 3, 3}, {kA | 5, 6}, {kA | 7, 8}}, {{kA | 5, 7}}, {{kA | 4, 4}, {kA | 3, 3}},
        {{kA | 5, 9}, {kA | 6, 5}}};
    for (uint32_t node = 0; node < 10; ++node)
        table.program.set_children(node, node < children.size() ? children[node] : std::vector<BerSlot>{});
    table.context.framing = input.below(4) ? BerFraming::elements : BerFraming::cdrs;
    table.context.divisor = input.coin() ? 100 : 1;
    table.context.multiplier = table.context.divisor == 1 ? 1000 : 1;
    table.context.offsets_us = {{1, 3600000000}, {2, -1800000000}};
    table.context.rates = {{1, 1387760}};
    table.context.entities = {{1, 3, "one"}, {2, 4, "another"}};
    return table;
}

void require_utf8(std::string_view rest) {
    while (!rest.empty()) {
        const PlainCharacter character = plain_utf8(rest);
        REQUIRE(character.bytes != 0);
        rest.remove_prefix(character.bytes);
    }
}

// The cells of a column, each with whether it is there.
std::string cells(const Table& table, const uint8_t* text, Work& work, size_t c, uint32_t rows, BuildColumn& built) {
    const ColumnPlan& column = table.plan.columns[c];
    std::string out;
    work.kept = rows;
    if (column.kind == Kind::utf8) {
        const int64_t bytes = coded_bytes(work, column.field);
        REQUIRE(build_column(built, "", column.kind, true, nullptr, rows, bytes));
        copy_coded(table.context, text, work, column.field, built.out);
        REQUIRE(built.out.offsets[rows] <= bytes);
    }
    finish_nulls(column, work.nulls[c], rows, built.out);
    const auto* data = reinterpret_cast<const char*>(built.out.data);
    const auto width = static_cast<size_t>(kWidths[static_cast<int>(column.kind)]);
    for (uint32_t row = 0; row < rows; ++row) {
        out += built.out.valid(row) ? '=' : ' ';
        if (column.kind != Kind::utf8) {
            out.append(data + row * width, width);
            continue;
        }
        const std::string value{data + built.out.offsets[row], data + built.out.offsets[row + 1]};
        require_utf8(value);
        out += value + "|";
    }
    return out;
}

// By column its cells; then by list how many elements each row has, and what is left out of every record.
std::vector<std::string> decode(const Table& table, const uint8_t* text, const std::vector<NestedRecord>& records) {
    Work work;
    const auto most = count_nested(table.plan, table.program, table.nested, table.context, text, records);
    REQUIRE(most[0] == records.size() && take_tables(table.plan, table.nested, most, work));
    std::vector<BuildColumn> built(table.plan.columns.size());
    for (size_t c = 0; c < built.size(); ++c) {
        if (table.plan.columns[c].kind == Kind::utf8) continue;
        const uint32_t rows = most[table.nested.column_table[c]];
        REQUIRE(build_column(built[c], "", table.plan.columns[c].kind, true, nullptr, rows, 0));
        work.data[c] = built[c].out.data;
    }
    std::vector<std::vector<uint32_t>> offsets;
    std::vector<uint32_t*> begins;
    for (const NestedList& list : table.nested.lists) offsets.emplace_back(most[list.above] + 1);
    for (auto& each : offsets) begins.push_back(each.data());
    std::vector<int64_t> counts(3 * records.size() + 1);
    std::vector<int16_t> kinds(records.size() + 1);
    const LeftOut out{counts.data(), counts.data() + records.size(), counts.data() + 2 * records.size(), kinds.data()};
    clear_tables(table.plan, table.nested, most, out, work);
    std::vector<uint32_t> rows = most;
    walk_nested(table.plan, table.program, table.nested, table.context, text, records, begins, out, rows, work);
    std::vector<std::string> found;
    for (size_t c = 0; c < built.size(); ++c)
        found.push_back(cells(table, text, work, c, rows[table.nested.column_table[c]], built[c]));
    for (uint32_t list = 0; list < begins.size(); ++list) {
        REQUIRE(rows[list + 1] <= most[list + 1]);
        finish_offsets(table.nested, list, rows, work, begins[list]);
        const uint32_t above = rows[table.nested.lists[list].above];
        found.emplace_back();
        for (uint32_t row = 0; row < above; ++row) {
            REQUIRE(begins[list][row] <= begins[list][row + 1]);
            found.back() += std::to_string(begins[list][row + 1] - begins[list][row]) + ",";
        }
        REQUIRE(begins[list][above] == rows[list + 1] && (above == 0 || begins[list][0] == 0));
    }
    found.emplace_back();
    for (size_t i = 0; i < records.size(); ++i)
        for (const int64_t count : {out.unknown[i], out.repeated[i], out.unreadable[i], int64_t{out.record[i]}})
            found.back() += std::to_string(count) + ",";
    return found;
}

// Any one block refused: the step says so, and nothing is held afterwards.
void require_refusals_told(const Table& table, const uint8_t* text, const std::vector<NestedRecord>& records) {
    const auto most = count_nested(table.plan, table.program, table.nested, table.context, text, records);
    Pool& pool = Pool::instance();
    bool enough = false;
    for (int64_t blocks = 0; !enough; ++blocks) {
        pool.left = blocks;
        {
            Work work;
            enough = take_tables(table.plan, table.nested, most, work);
        }
        REQUIRE(pool.live == 0);
        REQUIRE(enough == (pool.left >= 0));
    }
    pool.left = -1;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const Table table = choose_table(input);
    const BerFraming framing = table.context.framing;
    const std::string_view bytes = input.take(512);
    const PaddedText text{bytes, kPaddings[0]};
    const auto filled = static_cast<uint32_t>(bytes.size());
    std::vector<NestedRecord> records;
    Cut cut;
    while (cut.end < filled) {
        if (is_filler(framing, text.data(), cut.end, filled)) {
            ++cut.end;
            continue;
        }
        const uint32_t begin = cut.end;
        if (!cut_record(framing, text.data(), filled, 300, cut)) break;
        records.push_back({begin, cut.end});
    }
    const auto found = decode(table, text.data(), records);
    if (filled < 32) require_refusals_told(table, text.data(), records);
    for (const uint8_t padding : kPaddings)
        REQUIRE(decode(table, PaddedText{bytes, padding}.data(), records) == found);
    std::vector<std::string> one_by_one(found.size());
    for (const NestedRecord& record : records) {
        const auto one = decode(table, text.data(), {record});
        for (size_t i = 0; i < one.size(); ++i) one_by_one[i] += one[i];
    }
    REQUIRE(one_by_one == found);
    return 0;
}
