// A tag table as the interpreter sees it: a tree of nodes, found by tag, that say where values go.
//
// Conventions
// - Filled once by `BerPlan` in _ber.pyx, read by every thread, never changed. Node 0 is above the records.
// - Children of one node stand in an open table; nodes of one tag that differ by what a child of theirs says (a charge
//   of type 00, an identifier of the kind IMSI) are variants of each other, and the first that fits is entered.
// - A node with actions and children does both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "decode/ber/element.hpp"

namespace mediation {

// How octets mean a value.
enum class Coding : uint8_t {
    octets,         // text, or the digits of a number
    integer,        // two's complement
    bcd,            // digits, the high half of an octet first (TAP)
    tbcd,           // digits, the low half first (3GPP TS 29.002)
    address,        // an octet of type and plan, then TBCD
    hex,            // octets as hexadecimal digits
    ip,             // 4 or 16 octets, perhaps inside elements
    tag,            // the record's own tag
    tap_time,       // an element of a local time and a code of the file's UTC offsets
    tap_offset,     // the offset of such a time
    nrtrde_time,    // an element of a local time and its UTC offset
    nrtrde_offset,  // the offset of such a time
    time9,          // nine octets of TS 32.298, with offset
    entity,         // a code of the file's recording entities
    rate,           // a code of the file's exchange rates
    negated,        // two's complement, its sign changed: what is paid back
    plmn,           // a network's country and network code in three octets (3GPP TS 24.008)
    uri,            // the user of a SIP or TEL URI
    header          // what the file's header says, for every record
};

struct Predicate {
    uint32_t tag = 0;  // of a child
    enum class Wants : uint8_t { anything, integer, octets } wants = Wants::anything;
    int64_t integer = 0;
    std::string octets;
};

struct BerAction {
    Coding coding;
    bool sum = false;     // of all that are met; otherwise the first counts
    int16_t constant = -1;          // tag: the code; -1: the book has no such value
    uint64_t types = ~uint64_t{0};  // entity: the types that are meant
    uint32_t field = 0;   // of the plan's fields
};

struct BerNode {
    int32_t predicate = -1;  // none: always true
    int32_t variant = -1;
    uint32_t first_action = 0, actions = 0;
    uint32_t first_slot = 0, slot_mask = 0;
    uint32_t first_column = 0, columns = 0;  // of an item that holds items: said again in the rows of these
    uint32_t name = 0;                       // of the reject's field, where the element itself is damaged
    bool has_children = false;
    bool item = false;      // each is a row of its own
    bool waits = false;     // it counts only in a record that has no items
    bool no_value = false;  // it holds members and nothing else: contents that are none would be lost
    uint64_t to_items = 0;  // a bit for each tag, modulo 64, of its children that are items or lead to some
};

static_assert(sizeof(BerNode) == 48);

struct BerSlot {
    uint32_t tag = 0xFFFFFFFF;  // empty
    uint32_t node = 0;
};

struct BerProgram {
    std::vector<BerNode> nodes;
    std::vector<Predicate> predicates;
    std::vector<BerSlot> slots;
    std::vector<BerAction> actions;
    std::vector<int32_t> record_columns;  // not filled below an item
    std::vector<int32_t> item_columns;    // filled in an item, and not below the items inside it
    std::vector<uint32_t> header_fields;  // filled by what the file's header says
    std::vector<uint32_t> required;       // fields without which a record is not valid
    int32_t type_field = -1;              // … that its own tag fills

    // Gives `parent` a table of its children, (tag, node) each.
    void set_children(uint32_t parent, const std::vector<BerSlot>& children) {
        uint32_t size = 2;
        while (size < 2 * children.size()) size *= 2;
        nodes[parent].first_slot = static_cast<uint32_t>(slots.size());
        nodes[parent].slot_mask = size - 1;
        nodes[parent].has_children = !children.empty();
        slots.resize(slots.size() + size);
        for (const BerSlot& child : children) {
            uint32_t at = hash(child.tag) & (size - 1);
            while (slots[nodes[parent].first_slot + at].tag != 0xFFFFFFFF) at = (at + 1) & (size - 1);
            slots[nodes[parent].first_slot + at] = child;
        }
    }

    static uint32_t hash(uint32_t tag) noexcept { return tag * 0x9E3779B1u >> 20; }

    // The node of a child of a node that has some, 0 when the table does not know it.
    uint32_t child(const BerNode& parent, uint32_t tag) const noexcept {
        for (uint32_t at = hash(tag);; ++at) {
            const BerSlot& slot = slots[parent.first_slot + (at & parent.slot_mask)];
            if (slot.tag == tag) return slot.node;
            if (slot.tag == 0xFFFFFFFF) return 0;
        }
    }
};

// What a file's header says to its records. What has a code is sorted by it.
struct BerContext {
    struct Entity {
        int64_t code;
        int64_t type;
        std::string id;
    };
    struct Named {
        int64_t code;
        int64_t value;
    };
    BerFraming framing;
    int64_t multiplier = 1000000, divisor = 1;  // of amounts to 10^-6; 0: the file does not say their decimals
    std::vector<Named> offsets_us;
    std::vector<Named> rates;        // 10^-6
    std::vector<Entity> entities;
    std::vector<std::string> texts;  // by place in `header_fields`; empty: null
    std::vector<int16_t> codes;      // … of code columns; -1: null
};

// The entry of a code, null when the header has none.
template <typename T>
inline const T* find_code(const std::vector<T>& sorted, int64_t code) noexcept {
    const auto found = std::lower_bound(sorted.begin(), sorted.end(), code,
                                        [](const T& each, int64_t wanted) { return each.code < wanted; });
    return found != sorted.end() && found->code == code ? &*found : nullptr;
}

}  // namespace mediation
