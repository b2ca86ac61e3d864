// What rating works on: the plan of a rule book, the columns that are read and written, and a block of rows between.
//
// Conventions
// - A block's rows have a place, their order in the batch, and a slot: slots are sorted by group, the rows whose rules
//   are the same on both sides. What goes out in the batch's order stands by place, all else by slot.
// - The first code that a row is given stays. A row with a code goes on through the steps, as a row that uses nothing
//   where its own values must not be touched, and is left out at the end.
// - Outputs that nobody asked for are null pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "native/column.hpp"
#include "native/numbers.hpp"
#include "rate/guide.hpp"
#include "rate/prefixes.hpp"
#include "rate/tariff.hpp"
#include "rate/timeband.hpp"

namespace mediation {

inline constexpr int kBlock = 1024;
inline constexpr int kGroupBits = 11;  // twice as many places as a block can have groups

enum class CityFrom : int32_t { none, subscription, number_range };

// The column that a suspended row's code is about; rate.py knows the names.
enum class RateField : int16_t {
    start_time, host, record_type, served_msisdn, product, duration_s, downlink_bytes, event_count, message_segments,
    other_party, forwarded_to, retail_amount, wholesale_amount
};

struct Plan {
    Prefixes prefixes;
    Clocks clocks;
    Tariffs sides[2];  // retail, wholesale
    SubscriptionIndex subscriptions;
    std::vector<DialRules> number_rules;
    const int16_t* feed_rules = nullptr;  // by feed code: which of number_rules; -1: none
    const int16_t* host_party = nullptr;  // by host code; -1: not in the book
    const int8_t* quantities = nullptr;   // by record type code: Quantity
    int32_t feeds = 0;
    int32_t hosts = 0;
    int32_t record_types = 0;
    int32_t zone_count = 0;               // time zones
    int32_t only_product = -1;            // the number is the account, and this its product
    CityFrom city = CityFrom::none;
    int32_t city_set = -1;                // prefix set of the number ranges
    bool exact_only = false;              // the fast path is switched off
};

struct Usage {
    ColumnView feed, host, record_type, served_msisdn, other_party, forwarded_to, start_time, duration_s,
        uplink_bytes, downlink_bytes, event_count, message_segments;
    const int32_t* rows = nullptr;  // selection; null: all
    int64_t count = 0;              // rows to rate
};

struct SideOut {
    int16_t* zone = nullptr;
    int16_t* band = nullptr;
    int16_t* version = nullptr;
    int32_t* cycle = nullptr;
    int64_t* quantity = nullptr;
    int128* amount = nullptr;
    int64_t* residue = nullptr;
};

struct Outputs {
    int32_t* row = nullptr;
    int64_t* account_id = nullptr;
    int16_t* product = nullptr;
    ColumnOut* city = nullptr;
    SideOut sides[2];
    int128* margin = nullptr;
    int32_t* suspended_row = nullptr;
    int16_t* code = nullptr;   // number of the code
    int16_t* field = nullptr;
    int64_t rated = 0;
    int64_t suspended = 0;
};

inline bool given(const ColumnView& column, int64_t row) noexcept { return column.present() && column.valid(row); }

// The value of a row, or null.
inline const int64_t* integer_at(const ColumnView& column, int64_t row) noexcept {
    return given(column, row) ? column.i64() + row : nullptr;
}

// Rows with the same rules: slots [begin, end).
struct Group {
    uint64_t key;
    int32_t home;  // in the block's table of groups
    int32_t begin, end;
    int16_t record_type;
    const Rule* rules[2];
};

struct SideBlock {
    int32_t cycle[kBlock];
    int16_t zone[kBlock], band[kBlock], version[kBlock];
    int64_t quantity[kBlock], micro[kBlock], residue[kBlock];
};

struct Block {
    int count = 0;
    bool sound = true;  // no row has a code

    // by place
    int32_t row[kBlock];
    Code code[kBlock];
    RateField field[kBlock];
    int64_t account_id[kBlock];
    int16_t product[kBlock], city[kBlock], group[kBlock];

    // by slot
    int16_t place[kBlock];
    int64_t start_us[kBlock], start_s[kBlock], quantity[kBlock];
    int32_t day[kBlock], second[kBlock];  // local, in the zone of the side's clock
    int32_t zone[kBlock];                 // of the side's rule
    int16_t band[kBlock];                 // of the side's clock
    LeadingDigits digits[kBlock];
    const Price* price[kBlock];
    SideBlock sides[2];

    Lookup lookups[kBlock];
    int16_t looked_up[kBlock];  // the slot of each
    std::vector<ZoneSpan> spans;  // by time zone

    int group_count = 0;
    Group groups[kBlock];
    int16_t group_at[1 << kGroupBits] = {};  // by hash of the key, or behind it: the group, from 1

    void refuse_place(int at, Code why, RateField about) noexcept {
        if (code[at] != Code::ok) return;
        code[at] = why;
        field[at] = about;
        sound = false;
    }
    void refuse(int slot, Code why, RateField about) noexcept { refuse_place(place[slot], why, about); }

    int group_of(const Plan& plan, int32_t product, int32_t party, int32_t record_type) noexcept {
        const int32_t retail = product * plan.record_types + record_type;
        const int32_t wholesale = party * plan.record_types + record_type;
        const uint64_t key = static_cast<uint64_t>(retail) << 32 | static_cast<uint32_t>(wholesale);
        uint32_t home = static_cast<uint32_t>(key * 0x9E3779B97F4A7C15u >> (64 - kGroupBits));
        for (; group_at[home]; home = (home + 1) & ((1u << kGroupBits) - 1))
            if (groups[group_at[home] - 1].key == key) return group_at[home] - 1;
        groups[group_count] = {key, static_cast<int32_t>(home), 0, 0, static_cast<int16_t>(record_type),
                               {plan.sides[0].rules + retail, plan.sides[1].rules + wholesale}};
        group_at[home] = static_cast<int16_t>(++group_count);
        return group_count - 1;
    }
    void forget_groups() noexcept {
        for (int g = 0; g < group_count; ++g) group_at[groups[g].home] = 0;
        group_count = 0;
    }
};

}  // namespace mediation
