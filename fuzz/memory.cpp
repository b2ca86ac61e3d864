// Any one allocation of a decoding refused: the step says so, and nothing is held afterwards.
#include "plan.hpp"

using namespace fuzz;

namespace {

// False when a step said that memory is exhausted.
bool decode(const TextPlan& plan, Simd simd, const uint8_t* text, uint32_t length) {
    Work work;
    if (!structure(plan, simd, text, length, work)) return false;
    std::vector<BuildColumn> built(plan.columns.size());
    for (size_t c = 0; c < plan.columns.size(); ++c) {
        if (plan.columns[c].kind == Kind::utf8) continue;
        const ColumnPlan& column = plan.columns[c];
        if (!build_column(built[c], "", column.kind, column.nullable, nullptr, work.records.rows, 0)) return false;
        work.data[c] = built[c].out.data;
    }
    convert(plan, values_of(text, work), work);
    return compact(plan, work);
}

// The text at `t` of every line.
const TextPlan& plan_of_json() {
    static const TextPlan made = [] {
        TextPlan plan;
        plan.frame.framing = Framing::json;
        plan.frame.encoding = Encoding::utf8;
        plan.frame.fields = 1;
        plan.json.nodes = {{"", JsonShape::object, false, 0, 1, 1, 0, 1},
                           {"t", JsonShape::value, false, 0, 2, 0, 0, 1}};
        plan.json.levels = {{0}};
        FieldPlan field;
        field.type = FieldType::text;
        field.number = 1;
        field.column = 0;
        plan.fields = {field};
        ColumnPlan column;
        column.kind = Kind::utf8;
        column.field = 0;
        plan.columns = {column};
        return plan;
    }();
    return made;
}

void require_memory_to_be_asked(const TextPlan& plan, const uint8_t* text, uint32_t length) {
    Pool& pool = Pool::instance();
    bool enough = false;
    for (int64_t blocks = 0; !enough; ++blocks) {
        pool.left = blocks;
        enough = decode(plan, simd_of_machine(), text, length);
        REQUIRE(pool.live == 0);
        REQUIRE(enough == (pool.left >= 0));
    }
    pool.left = -1;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    TextPlan plan;
    choose_plan(input, plan);
    const std::string_view bytes = input.take(512);
    const PaddedText text{bytes, kPaddings[3]};
    const auto length = static_cast<uint32_t>(bytes.size());
    require_memory_to_be_asked(plan, text.data(), length);
    require_memory_to_be_asked(plan_of_json(), text.data(), length);
    return 0;
}
