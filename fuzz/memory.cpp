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
    convert(plan, text, work);
    return compact(plan, work);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    TextPlan plan;
    choose_plan(input, plan);
    const std::string_view bytes = input.take(512);
    const PaddedText text{bytes, kPaddings[3]};
    Pool& pool = Pool::instance();
    bool enough = false;
    for (int64_t blocks = 0; !enough; ++blocks) {
        pool.left = blocks;
        enough = decode(plan, simd_of_machine(), text.data(), static_cast<uint32_t>(bytes.size()));
        REQUIRE(pool.live == 0);
        REQUIRE(enough == (pool.left >= 0));
    }
    pool.left = -1;
    return 0;
}
