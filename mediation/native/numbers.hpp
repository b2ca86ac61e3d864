// A dialled number brought to E.164 digits for the look-up; the row keeps the text as it came.
//
// Conventions: the rules, and the order in which they are tried, are those of rulebook/numbers.py, whose `normalise`
// is the plain twin: the longest carrier prefix that fits goes, once; then the first other rule that fits rewrites.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace mediation {

struct DialRule {
    bool carrier;
    std::string prefix;
    int32_t strip;
    std::string prepend;
    int32_t min_digits;  // of what is left after the strip; at most 24
    int32_t max_digits;
};
using DialRules = std::vector<DialRule>;

struct Dialled {
    char digits[48];
};

inline bool fits(const DialRule& rule, std::string_view text) noexcept {
    if (text.substr(0, rule.prefix.size()) != rule.prefix) return false;
    std::string_view digits = text.substr(static_cast<size_t>(rule.strip));
    if (rule.carrier && !digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    const auto count = static_cast<int64_t>(digits.size());
    if (count < rule.min_digits || count > rule.max_digits) return false;
    for (const char c : digits)
        if (c < '0' || c > '9') return false;
    return rule.carrier || rule.strip == 0 || digits.front() != '0';
}

// A view of `text` itself, or of `buffer`.
inline std::string_view dialled_number(const DialRules& rules, std::string_view text, Dialled& buffer) noexcept {
    for (const DialRule& rule : rules)
        if (rule.carrier && fits(rule, text)) {
            text.remove_prefix(static_cast<size_t>(rule.strip));
            break;
        }
    for (const DialRule& rule : rules) {
        if (rule.carrier || !fits(rule, text)) continue;
        text.remove_prefix(static_cast<size_t>(rule.strip));
        if (rule.prepend.empty()) return text;
        if (rule.prepend.size() + text.size() > sizeof buffer.digits) return text;
        std::memcpy(buffer.digits, rule.prepend.data(), rule.prepend.size());
        std::memcpy(buffer.digits + rule.prepend.size(), text.data(), text.size());
        return {buffer.digits, rule.prepend.size() + text.size()};
    }
    return text;
}

}  // namespace mediation
