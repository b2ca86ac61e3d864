// Dialled numbers by a sender's rules, and the zone of their longest prefix, against string operations.
#include <algorithm>
#include <map>

#include "common.hpp"
#include "native/numbers.hpp"
#include "rate/prefixes.hpp"

using namespace fuzz;

namespace {

// ------------------------------------------------------------------------------------------- the rules

DialRules rules_of(Input& input) {
    static constexpr const char* kPrefixes[] = {"+", "00", "0", "17951", "1", "8613", "", "12593"};
    static constexpr const char* kCodes[] = {"", "86", "852", "1"};
    DialRules rules;
    for (uint32_t n = input.below(5); n; --n) {
        const bool carrier = input.coin();
        const std::string prefix = kPrefixes[input.below(8)];
        const int32_t strip = carrier || input.coin() ? static_cast<int32_t>(prefix.size()) : 0;
        const auto least = static_cast<int32_t>(input.below(8) + 1);
        const int32_t most = std::min(24, least + static_cast<int32_t>(input.below(16)));
        rules.push_back({carrier, prefix, strip, carrier ? "" : kCodes[input.below(4)], least, most});
    }
    return rules;
}

bool plain_fits(const DialRule& rule, const std::string& text) {
    if (text.compare(0, rule.prefix.size(), rule.prefix) != 0) return false;
    std::string digits = text.substr(static_cast<size_t>(rule.strip));
    if (rule.carrier && digits[0] == '+') digits.erase(0, 1);
    const auto count = static_cast<int64_t>(digits.size());
    if (count < rule.min_digits || count > rule.max_digits) return false;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return false;
    return rule.carrier || rule.strip == 0 || digits[0] != '0';
}

std::string plain_number(const DialRules& rules, std::string text) {
    for (const bool carrier : {true, false}) {
        const auto rule = std::find_if(rules.begin(), rules.end(), [&](const DialRule& r) {
            return r.carrier == carrier && plain_fits(r, text);
        });
        if (rule != rules.end()) text = rule->prepend + text.substr(static_cast<size_t>(rule->strip));
    }
    return text;
}

// ---------------------------------------------------------------------------------------- the prefixes

using Zones = std::map<std::string, int16_t>;  // by prefix; the empty one is the default

int16_t plain_zone(const Zones& zones, std::string_view number) {
    const size_t digits = std::min(number.find_first_not_of("0123456789"), number.size());
    for (size_t n = std::min<size_t>(digits, kPrefixDigits) + 1; n-- > 0;) {
        const auto found = zones.find(std::string{number.substr(0, n)});
        if (found != zones.end()) return found->second;
    }
    return -1;
}

// The keys of all numbers that begin with a prefix.
std::pair<int64_t, int64_t> interval(const std::string& prefix) {
    int64_t first = prefix.empty() ? 0 : std::stoll(prefix), beyond = first + 1;
    for (size_t n = prefix.size(); n < kPrefixDigits; ++n) first *= 10, beyond *= 10;
    return {first * 32 + static_cast<int64_t>(prefix.size()), beyond * 32};
}

// One slice for all times, as rulebook/prefixes.py lays it out.
struct Tables {
    std::vector<int64_t> keys;
    std::vector<int16_t> zones;
    std::vector<int32_t> buckets;
    PrefixSet set{0, 1};
    PrefixSlice slice{INT64_MIN, 0, 0, 0, 0, 0};
    Prefixes view{};

    Tables(const Zones& of_prefix, int digits) {
        flatten(of_prefix);
        fill_buckets(digits);
        keys.insert(keys.end(), kNearby, INT64_MAX);
        zones.insert(zones.end(), kNearby, -1);
        view = {&set, &slice, keys.data(), zones.data(), buckets.data()};
    }

    // Every begin and end of a prefix's numbers; then each prefix paints its own, the shortest first.
    void flatten(const Zones& of_prefix) {
        std::vector<std::pair<std::string, int16_t>> shortest_first(of_prefix.begin(), of_prefix.end());
        std::stable_sort(shortest_first.begin(), shortest_first.end(),
                         [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
        keys.push_back(0);
        for (const auto& named : shortest_first) {
            const auto [begin, end] = interval(named.first);
            keys.insert(keys.end(), {begin, end});
        }
        std::sort(keys.begin(), keys.end());
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
        zones.assign(keys.size(), -1);
        for (const auto& [prefix, zone] : shortest_first) {
            const auto [begin, end] = interval(prefix);
            const auto first = std::lower_bound(keys.begin(), keys.end(), begin) - keys.begin();
            for (auto i = static_cast<size_t>(first); i < keys.size() && keys[i] < end; ++i) zones[i] = zone;
        }
        slice.count = static_cast<int64_t>(keys.size());
    }

    void fill_buckets(int digits) {
        int64_t count = 1, width = 32, divisor = 1;
        for (int i = 0; i < digits; ++i) count *= 10;
        for (int i = digits; i < kPrefixDigits; ++i) width *= 10;
        for (int i = digits; i < 8; ++i) divisor *= 10;
        for (int64_t bucket = 0; bucket < count; ++bucket) {
            const auto after = std::upper_bound(keys.begin(), keys.end(), bucket * width);
            const auto beyond = std::lower_bound(after, keys.end(), (bucket + 1) * width);
            const int64_t first = after - keys.begin() - 1, inside = std::min<int64_t>(beyond - after, kManyIntervals);
            buckets.push_back(inside ? static_cast<int32_t>(~(first << 7 | inside))
                                     : zones[static_cast<size_t>(first)]);
        }
        slice.shift = 28 + (64 - __builtin_clzll(static_cast<uint64_t>(divisor)));
        slice.multiplier = ((uint64_t{1} << slice.shift) + static_cast<uint64_t>(divisor) - 1) /
                           static_cast<uint64_t>(divisor);
    }
};

Zones zones_of(Input& input) {
    Zones zones;
    for (uint32_t n = input.below(24); n; --n) {
        std::string prefix;
        for (uint32_t digits = input.below(18); digits > 1; --digits) prefix += "0123456789"[input.below(10)];
        zones[prefix] = static_cast<int16_t>(input.below(8));
    }
    // A range of neighbours, so that buckets hold more intervals than are compared one by one.
    for (uint32_t n = input.below(160); n; --n) zones["77" + std::to_string(1000 + n)] = static_cast<int16_t>(n % 5);
    return zones;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input{data, size};
    const DialRules rules = rules_of(input);
    const Zones zones = zones_of(input);
    const Tables tables{zones, static_cast<int>(input.below(2)) + 1};
    const std::string text{input.take(40)};

    const std::unique_ptr<char[]> exact(new char[text.size()]);  // these may not read beyond: no padding
    std::copy(text.begin(), text.end(), exact.get());
    Dialled buffer;
    const std::string_view number = dialled_number(rules, {exact.get(), text.size()}, buffer);
    REQUIRE(number == plain_number(rules, text));
    const std::unique_ptr<char[]> digits(new char[number.size()]);
    std::copy(number.begin(), number.end(), digits.get());
    const std::string_view dialled{digits.get(), number.size()};
    REQUIRE(zone_of(tables.view, 0, 0, dialled) == plain_zone(zones, dialled));

    int64_t whole = 0;
    for (const char c : dialled.substr(0, 18)) whole = whole * 10 + (c & 7);
    if (whole > 0) REQUIRE(zone_of(tables.view, 0, 0, whole) == plain_zone(zones, std::to_string(whole)));
    return 0;
}
