// Batches of records that an exact set admits, against a plain map: who is the first with a key, whatever the keys have
// in common, whether the set was laid out for many, few or the right number, and however an instruction set compares.
// A batch for which any one piece of memory is refused adds nothing, and may come again.
#include <algorithm>
#include <map>

#include "common.hpp"
#include "dedup/admit.hpp"

using namespace fuzz;

namespace {

struct First {
    int32_t check;
    int64_t ordinal;
};
using Key = std::pair<uint64_t, uint64_t>;
using Twin = std::map<Key, First>;

// The columns of a batch whose records are one row each.
struct Arrivals {
    std::vector<Fingerprint> keys;
    std::vector<int32_t> checks, first, history_checks;
    std::vector<int64_t> record_nos;
    std::vector<uint8_t> in_history;

    AdmitTask task(int64_t ordinal_base) const {
        return {keys.data(), checks.data(), record_nos.data(), first.data(), static_cast<int64_t>(keys.size()),
                ordinal_base, in_history.data(), history_checks.data()};
    }
};

uint64_t spread(uint64_t n) { return (n + 1) * 0x9E3779B97F4A7C15ull; }

// Keys that are spread, of one part, or of one place in it.
Fingerprint key_of(uint32_t shape, uint64_t number) {
    if (shape == 0) return {spread(number), spread(number * 7)};
    return {spread(number) >> 20, shape == 1 ? spread(number * 7) : 77};
}

Arrivals choose_arrivals(Input& input) {
    const uint32_t count = input.byte() * (input.coin() ? 4u : 1u), shape = input.below(3);
    const uint32_t from = input.byte(), every = input.byte() + 2u, known = input.byte();
    Arrivals arrivals;
    for (uint32_t i = 0; i < count; ++i) {
        arrivals.keys.push_back(key_of(shape, i % every ? from * 4 + i : from));
        arrivals.checks.push_back(static_cast<int32_t>(i % 3));
        arrivals.history_checks.push_back(static_cast<int32_t>(i % 2));
        arrivals.in_history.push_back(known && i % known == 1);
        arrivals.record_nos.push_back(i);
        arrivals.first.push_back(static_cast<int32_t>(i));
    }
    arrivals.first.push_back(static_cast<int32_t>(count));
    return arrivals;
}

void require_verdicts(const Arrivals& arrivals, int64_t ordinal_base, const Repeats& found, Twin& twin) {
    for (size_t i = 0; i < arrivals.keys.size(); ++i) {
        if (arrivals.in_history[i]) {
            REQUIRE(found.repeated[i] && found.first_ordinals[i] == -1);
            REQUIRE(found.first_checks[i] == arrivals.history_checks[i]);
            continue;
        }
        const Key key{arrivals.keys[i].low, arrivals.keys[i].high};
        const auto [first, fresh] = twin.insert({key, {arrivals.checks[i], ordinal_base + static_cast<int64_t>(i)}});
        REQUIRE(found.repeated[i] == !fresh);
        if (fresh) continue;
        REQUIRE(found.first_checks[i] == first->second.check);
        REQUIRE(found.first_ordinals[i] == first->second.ordinal);
    }
}

void admit(SeenSet& set, const Arrivals& arrivals, int64_t ordinal_base, int64_t pieces, Twin& twin) {
    AdmitBuffers buffers;
    buffers.hold(static_cast<int64_t>(arrivals.keys.size()));
    const Repeats repeats = buffers.repeats();
    Arena::left = pieces;
    AdmitStatus status = admit_records(set, arrivals.task(ordinal_base), repeats);
    REQUIRE(status == AdmitStatus::ok || (status == AdmitStatus::memory && Arena::left < 0));
    Arena::left = -1;
    if (status == AdmitStatus::memory) {
        REQUIRE(set.size() == static_cast<int64_t>(twin.size()));
        status = admit_records(set, arrivals.task(ordinal_base), repeats);
    }
    REQUIRE(status == AdmitStatus::ok);
    require_verdicts(arrivals, ordinal_base, repeats, twin);
}

void require_beyond_32_bits_to_be_told(SeenSet& set, const Arrivals& arrivals) {
    AdmitBuffers buffers;
    buffers.hold(static_cast<int64_t>(arrivals.keys.size()));
    const auto last = static_cast<int64_t>(arrivals.keys.size()) - 1;
    if (last >= 0)
        REQUIRE(admit_records(set, arrivals.task(UINT32_MAX - last + 1), buffers.repeats()) == AdmitStatus::ordinals);
}

// What the set lists and what it answers are what the twin holds.
void require_the_same(const SeenSet& set, const Twin& twin) {
    const auto size = static_cast<size_t>(set.size());
    REQUIRE(size == twin.size());
    std::vector<Fingerprint> keys(size + 1);
    std::vector<int32_t> checks(size + 1), answers(size + 1);
    std::vector<int64_t> ordinals(size + 1);
    std::vector<uint8_t> validity(size / 8 + 1, 0xFF);
    set.list(keys.data(), checks.data(), ordinals.data());
    keys[size] = {~uint64_t{0}, ~uint64_t{0}};  // nobody's
    ColumnView asked;
    asked.kind = Kind::fixed16;
    asked.length = static_cast<int64_t>(size + 1);
    asked.data = reinterpret_cast<const uint8_t*>(keys.data());
    ColumnOut out;
    out.data = reinterpret_cast<uint8_t*>(answers.data());
    out.validity = validity.data();
    set.probe(asked, &out);
    for (size_t i = 0; i < size; ++i) {
        const auto found = twin.find({keys[i].low, keys[i].high});
        REQUIRE(found != twin.end() && found->second.check == checks[i] && found->second.ordinal == ordinals[i]);
        REQUIRE(out.valid(static_cast<int64_t>(i)) && answers[i] == checks[i]);
    }
    REQUIRE(!out.valid(static_cast<int64_t>(size)));
}

// A part that may double twice only: what it has when its numbers end it still has, and takes no more.
void require_full_part_to_be_told(uint64_t from) {
    SeenPart<SpreadKeys, 2> part;
    SeenMemory memory;
    part.begin_with(0, 1);
    uint64_t added = 0;
    for (; part.reserve(1, memory); ++added) {
        const Fingerprint key = key_of(0, from + added);
        REQUIRE(!part.find_or_append({key, static_cast<int32_t>(added), 0}));
    }
    REQUIRE(added == 4 * 16 * 16 * 27 / 32 && part.size() == added && !part.reserve(1, memory));
    for (uint64_t i = 0; i < added; ++i) {
        const SeenRecord* found = part.find(key_of(0, from + i));
        REQUIRE(found && found->check == static_cast<int32_t>(i));
    }
    REQUIRE(!part.find(key_of(0, from + added)));
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    SeenSet set(input.coin());
    Twin twin;
    if (input.coin()) set.expect(input.byte() * 4096u);
    int64_t ordinal_base = 0;
    for (uint32_t batches = input.below(6) + 1; batches; --batches) {
        const Arrivals arrivals = choose_arrivals(input);
        const uint32_t pieces = input.byte();
        admit(set, arrivals, ordinal_base, pieces < 128 ? pieces : -1, twin);
        require_beyond_32_bits_to_be_told(set, arrivals);
        ordinal_base += static_cast<int64_t>(arrivals.keys.size()) + input.byte();
    }
    require_the_same(set, twin);
    require_full_part_to_be_told(static_cast<uint64_t>(ordinal_base));
    return 0;
}
