// Which node of the tag table an element is, and how many rows a record will have: counted before columns are taken.
//
// Conventions: `count_rows` goes through the elements that lead to items and through no others. It never says fewer
// rows than `walk` begins; more only where an item is empty, or where the record is not sound.
#pragma once

#include <algorithm>

#include "decode/ber/values.hpp"
#include "native/check.hpp"

namespace mediation {

namespace detail {

struct Level {
    uint32_t node;
    uint32_t end;
    bool indefinite = false;
    bool item = false;  // it is one that is not empty, and has a row

    bool ends(const uint8_t* text, uint32_t at) const noexcept {
        return indefinite ? end_of_contents(text, at, end) : at == end;
    }
};

inline bool fits(const Predicate& p, const uint8_t* text, const Element& e) noexcept {
    Element child;
    if (!find_child(text, e.content, static_cast<uint32_t>(e.end), p.tag, child)) return false;
    if (p.wants == Predicate::Wants::anything) return true;
    if (child.constructed) return false;
    const uint32_t length = length_of(child);
    const uint8_t* at = text + child.content;
    if (p.wants == Predicate::Wants::octets)
        return length == p.octets.size() && !std::memcmp(at, p.octets.data(), length);
    if (length == 0) return false;
    const Parsed value = ber_integer(at, length);
    return value.code == Code::ok && value.value == p.integer;
}

// The first of a tag's variants from `found` on that fits; 0 when none does.
[[gnu::noinline]] inline uint32_t variant_of(const BerProgram& program, int32_t found, const uint8_t* text,
                                             const Element& e) noexcept {
    while (found > 0) {
        const BerNode& node = program.nodes[static_cast<size_t>(found)];
        if (node.predicate < 0 || fits(program.predicates[static_cast<size_t>(node.predicate)], text, e))
            return static_cast<uint32_t>(found);
        found = node.variant;
    }
    return 0;
}

// The node that the table has for an element; 0 when it is to be passed over.
inline uint32_t node_of(const BerProgram& program, const BerNode& parent, const uint8_t* text,
                        const Element& e) noexcept {
    const uint32_t found = program.child(parent, e.tag);
    return program.nodes[found].predicate < 0 ? found : variant_of(program, static_cast<int32_t>(found), text, e);
}

// Passes over the element at `at`, or opens it where items may be in it; false when it cannot be read.
inline bool count_element(const BerProgram& program, const uint8_t* text, Level* levels, uint32_t& open, uint32_t& at,
                          uint32_t& items) noexcept {
    const Level level = levels[open - 1];
    Element e;
    if (at >= level.end || read_element(text, at, level.end, e) != Code::ok) return false;
    const BerNode& parent = program.nodes[level.node];
    if (parent.to_items >> (e.tag % 64) & 1) {
        const uint32_t found = node_of(program, parent, text, e);
        const BerNode& node = program.nodes[found];
        items += node.item;
        if (found && node.to_items && e.constructed) {
            MEDIATION_CHECK(open < kMaxDepth);
            levels[open++] = {found, static_cast<uint32_t>(e.end), e.indefinite};
            at = e.content;
            return true;
        }
    }
    uint32_t end = static_cast<uint32_t>(e.end);
    if (e.indefinite) {
        if (find_end(text, e.content, level.end, end) != Code::ok) return false;
        end += 2;
    }
    at = end;
    return true;
}

// Rows of the record whose elements are [begin, end). What cannot be read might be items of two octets all through.
inline uint32_t count_rows(const BerProgram& program, const uint8_t* text, uint32_t begin, uint32_t end) noexcept {
    if (!program.nodes[0].to_items) return 1;
    Level levels[kMaxDepth];
    uint32_t at = begin, items = 0, open = 1;
    levels[0] = {0, end, false};
    while (open) {
        const Level& level = levels[open - 1];
        if (level.ends(text, at)) {
            at += level.indefinite ? 2 : 0;
            --open;
        } else if (!count_element(program, text, levels, open, at, items)) {
            items += (end - at) / 2;
            break;
        }
    }
    return std::clamp(items, 1u, kMostItems);
}

}  // namespace detail

// Of the records of a portion, each as often as it has rows: it bounds the octets that their texts become.
inline constexpr uint64_t kMostSaid = 1 << 28;

// Records that follow each other, to be decoded at once.
struct Portion {
    uint32_t end;
    uint32_t rows = 0;  // that they will have at most
};

// The records from `at` on that have at most `most` rows and say no more than `kMostSaid`, but at least one; `limit` is
// where a whole record ends, or filler behind it.
inline Portion take_portion(const BerProgram& program, BerFraming framing, const uint8_t* text, uint32_t at,
                            uint32_t limit, uint32_t longest, uint32_t most) noexcept {
    Portion portion{limit};
    uint64_t said = 0;
    Cut cut;
    cut.end = at;
    while (cut.end < limit) {
        const uint32_t begin = cut.end;
        if (is_filler(framing, text, begin, limit)) {
            ++cut.end;
            continue;
        }
        if (!cut_record(framing, text, limit, longest, cut)) break;
        const uint32_t head = head_of(framing, text, begin);
        const uint32_t rows = detail::count_rows(program, text, begin + head, cut.end);
        said += uint64_t{rows} * (cut.end - begin);
        if (portion.rows && (portion.rows + rows > most || said > kMostSaid)) {
            portion.end = begin;
            break;
        }
        portion.rows += rows;
    }
    return portion;
}

}  // namespace mediation
