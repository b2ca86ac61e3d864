// Guide and rate in one pass: rows of usage in, both sides' zones, bands, prices and amounts out, or a code.
//
// Conventions
// - Rows go through in blocks that stay in the cache, each step over the whole block. A row that has a code is skipped
//   by later steps; the first code that is found stays. Steps, and so codes, come in the order: time, host, record
//   type, owner, quantity, then retail and wholesale each by rule, zone, price, charge.
// - Nothing is asked twice: what depends on (party, record type) is in the Rule, what depends on the book in the Plan.
// - Rated rows are emitted in order; outputs that nobody asked for are null pointers.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "native/column.hpp"
#include "native/numbers.hpp"
#include "rate/guide.hpp"
#include "rate/prefixes.hpp"
#include "rate/tariff.hpp"
#include "rate/timeband.hpp"

namespace mediation {

inline constexpr int kBlock = 512;

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

struct SideBlock {
    int32_t cycle[kBlock];
    int16_t zone[kBlock], band[kBlock], version[kBlock];
    int64_t quantity[kBlock], micro[kBlock], residue[kBlock];
};

struct Block {
    int count = 0;
    int32_t row[kBlock];
    Code code[kBlock];
    RateField field[kBlock];
    int16_t record_type[kBlock], party[2][kBlock], city[kBlock];
    int64_t account_id[kBlock], start_us[kBlock], start_s[kBlock], quantity[kBlock];
    int16_t band[kBlock];  // of the side's clock
    int32_t zone[kBlock];  // of the side's rule
    int32_t price[kBlock];
    Lookup lookups[kBlock];
    int16_t looked_up[kBlock];  // the row of each
    int32_t local_zone[kBlock];
    LocalTime local[kBlock];  // in local_zone
    SideBlock sides[2];
    std::vector<ZoneSpan> spans;  // by time zone

    void refuse(int i, Code why, RateField about) noexcept {
        code[i] = why;
        field[i] = about;
    }
};

inline bool given(const ColumnView& column, int64_t row) noexcept { return column.present() && column.valid(row); }

// ------------------------------------------------------------------------------------------------ guide

inline void read_event(const Plan& plan, const Usage& usage, Block& block) noexcept {
    for (int i = 0; i < block.count; ++i) {
        const int64_t row = block.row[i];
        block.code[i] = Code::ok;
        if (!given(usage.start_time, row)) {
            block.refuse(i, Code::missing_time, RateField::start_time);
            continue;
        }
        const int64_t start_us = usage.start_time.i64()[row];
        block.start_us[i] = start_us;
        block.start_s[i] = floor_div(start_us, kMicro);
        const int32_t host = given(usage.host, row) ? usage.host.i16()[row] : -1;
        block.party[1][i] = host >= 0 && host < plan.hosts ? plan.host_party[host] : -1;
        if (block.party[1][i] < 0) {
            block.refuse(i, Code::no_host, RateField::host);
            continue;
        }
        const int32_t type = given(usage.record_type, row) ? usage.record_type.i16()[row] : -1;
        block.record_type[i] = static_cast<int16_t>(type);
        if (type < 0 || type >= plan.record_types) block.refuse(i, Code::not_rateable, RateField::record_type);
    }
}

inline void find_owner(const Plan& plan, int i, int64_t msisdn, Block& block) noexcept {
    block.city[i] = -1;
    if (plan.only_product >= 0) {
        block.account_id[i] = msisdn;
        block.party[0][i] = static_cast<int16_t>(plan.only_product);
    } else {
        const Owner owner = plan.subscriptions.find(msisdn, block.start_us[i]);
        if (owner.code != Code::ok) return block.refuse(i, owner.code, RateField::served_msisdn);
        if (owner.product < 0) return block.refuse(i, Code::no_product, RateField::product);
        block.account_id[i] = owner.account_id;
        block.party[0][i] = static_cast<int16_t>(owner.product);
        block.city[i] = static_cast<int16_t>(owner.city);
    }
    if (plan.city == CityFrom::number_range && msisdn > 0)
        block.city[i] = static_cast<int16_t>(zone_of(plan.prefixes, plan.city_set, block.start_us[i], msisdn));
}

inline void guide(const Plan& plan, const Usage& usage, Block& block) noexcept {
    if (plan.only_product < 0)
        for (int i = 0; i < block.count; ++i)
            if (given(usage.served_msisdn, block.row[i]))
                plan.subscriptions.prefetch(usage.served_msisdn.i64()[block.row[i]]);
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        if (given(usage.served_msisdn, block.row[i]))
            find_owner(plan, i, usage.served_msisdn.i64()[block.row[i]], block);
        else
            block.refuse(i, Code::missing_number, RateField::served_msisdn);
    }
}

// Both volume columns may be filled, or the one that the host gives; other missing quantities are 1 or an exception.
inline void measure(const Plan& plan, const Usage& usage, Block& block) noexcept {
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const int64_t row = block.row[i];
        int64_t quantity = 1;
        RateField field;
        bool missing = false, overflow = false, negative = false;
        switch (static_cast<Quantity>(plan.quantities[block.record_type[i]])) {
            case Quantity::duration_s:
                field = RateField::duration_s;
                missing = !given(usage.duration_s, row);
                if (!missing) quantity = usage.duration_s.i64()[row];
                break;
            case Quantity::volume_bytes: {
                field = RateField::downlink_bytes;
                const bool up = given(usage.uplink_bytes, row), down = given(usage.downlink_bytes, row);
                const int64_t sent = up ? usage.uplink_bytes.i64()[row] : 0;
                const int64_t received = down ? usage.downlink_bytes.i64()[row] : 0;
                missing = !up && !down;
                negative = sent < 0 || received < 0;
                overflow = __builtin_add_overflow(sent, received, &quantity);
                break;
            }
            case Quantity::event_count:
                field = RateField::event_count;
                if (given(usage.event_count, row)) quantity = usage.event_count.i64()[row];
                break;
            default:
                field = RateField::message_segments;
                if (given(usage.message_segments, row)) quantity = usage.message_segments.i64()[row];
        }
        block.quantity[i] = quantity;
        if (missing) block.refuse(i, Code::missing_quantity, field);
        else if (negative || (quantity < 0 && !overflow)) block.refuse(i, Code::negative, field);
        else if (overflow) block.refuse(i, Code::amount_overflow, field);
    }
}

// ------------------------------------------------------------------------------------------------- rate

inline const Rule& rule_of(const Plan& plan, int side, const Block& block, int i) noexcept {
    return plan.sides[side].rules[block.party[side][i] * plan.record_types + block.record_type[i]];
}

inline void place_in_time(const Plan& plan, int side, Block& block) noexcept {
    SideBlock& out = block.sides[side];
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const Rule& rule = rule_of(plan, side, block, i);
        if (rule.cells < 0) {
            block.refuse(i, Code::not_rateable, RateField::record_type);
            continue;
        }
        const Clock& clock = plan.clocks.clocks[rule.clock];
        if (side == 0 || clock.zone != block.local_zone[i]) {
            block.local[i] = local_time(plan.clocks, clock, block.start_s[i], block.spans[clock.zone]);
            block.local_zone[i] = clock.zone;
        }
        const int32_t band = rule.bands == 1 ? 0 : minute_of(plan.clocks, clock, block.local[i]).band;
        block.band[i] = static_cast<int16_t>(band);
        out.cycle[i] = cycle_of(plan.clocks, clock, block.local[i].day);
        out.band[i] = plan.sides[side].band_codes[rule.clock * kMaxBands + band];
    }
}

// The number is normalised for the look-up only, by the rules of the row's feed.
inline Lookup start_zone(const Plan& plan, const Usage& usage, int32_t set, int64_t row, int64_t start_us,
                         std::string_view number) noexcept {
    Dialled buffer;
    if (!plan.number_rules.empty()) {
        const int32_t feed = given(usage.feed, row) ? usage.feed.i16()[row] : -1;
        const int32_t rules = feed >= 0 && feed < plan.feeds ? plan.feed_rules[feed] : -1;
        if (rules >= 0) number = dialled_number(plan.number_rules[static_cast<size_t>(rules)], number, buffer);
    }
    return start_lookup(plan.prefixes, set, start_us, number);
}

inline void find_zones(const Plan& plan, const Usage& usage, int side, Block& block) noexcept {
    int count = 0;
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const Rule& rule = rule_of(plan, side, block, i);
        block.zone[i] = 0;
        if (rule.prefix_set < 0) continue;
        const bool forwarded = rule.number == NumberColumn::forwarded_to;
        const ColumnView& column = forwarded ? usage.forwarded_to : usage.other_party;
        const int64_t row = block.row[i];
        const std::string_view number = given(column, row) ? column.text(row) : std::string_view{};
        if (number.empty()) {
            block.refuse(i, Code::missing_destination, forwarded ? RateField::forwarded_to : RateField::other_party);
            continue;
        }
        block.lookups[count] = start_zone(plan, usage, rule.prefix_set, row, block.start_us[i], number);
        block.looked_up[count++] = static_cast<int16_t>(i);
    }
    for (int j = 0; j < count; ++j) approach(plan.prefixes, block.lookups[j]);
    for (int j = 0; j < count; ++j) {
        const int i = block.looked_up[j];
        block.zone[i] = finish(plan.prefixes, block.lookups[j]);
        if (block.zone[i] >= 0) continue;
        const bool forwarded = rule_of(plan, side, block, i).number == NumberColumn::forwarded_to;
        block.refuse(i, Code::unknown_destination, forwarded ? RateField::forwarded_to : RateField::other_party);
    }
}

// Most rows: whole micros, no band to cross, no coarser rounding. False: nothing was done.
inline bool charge_plain(const Plan& plan, const Rule& rule, const Price& price, int i, int64_t quantity,
                         SideBlock& out) noexcept {
    if (plan.exact_only || rule.may_cross || rule.granule_micro > 1 || quantity > price.fast_limit) return false;
    const int64_t beyond = quantity > price.first_increment ? quantity - price.first_increment : 0;
    const int64_t steps = div_ceil_small(beyond, price.next_increment);
    const int64_t micro = price.fast_first_micro + steps * price.fast_next_micro;
    const int64_t used = -static_cast<int64_t>(quantity != 0);  // all ones, or 0 where nothing was used
    out.quantity[i] = (price.first_increment + steps * price.next_increment) & used;
    out.micro[i] = (micro < price.fast_minimum_micro ? price.fast_minimum_micro : micro) & used;
    out.residue[i] = 0;
    return true;
}

inline void find_prices(const Plan& plan, int side, Block& block) noexcept {
    const Tariffs& tariffs = plan.sides[side];
    SideBlock& out = block.sides[side];
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const Rule& rule = rule_of(plan, side, block, i);
        const int32_t zone = block.zone[i];
        const PriceSpan* span = price_at(tariffs, rule.cells + zone * rule.bands + block.band[i], block.start_us[i]);
        if (!span) {
            block.refuse(i, Code::no_price, side == 0 ? RateField::retail_amount : RateField::wholesale_amount);
            continue;
        }
        block.price[i] = span->price;
        out.zone[i] = tariffs.zone_codes[rule.zone_codes + zone];
        out.version[i] = static_cast<int16_t>(span->version);
    }
}

// A loop of its own: with the unpredictable branches of the look-ups behind it, its divisions overlap.
inline void charge_side(const Plan& plan, int side, Block& block) noexcept {
    const Tariffs& tariffs = plan.sides[side];
    SideBlock& out = block.sides[side];
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const Rule& rule = rule_of(plan, side, block, i);
        const Price& price = tariffs.prices[block.price[i]];
        if (charge_plain(plan, rule, price, i, block.quantity[i], out)) continue;
        const Clock& clock = plan.clocks.clocks[rule.clock];
        const Session session{&rule, &clock, &block.spans[clock.zone], block.zone[i],
                              block.start_us[i], block.start_s[i], block.quantity[i]};
        const Charge charge = charge_session(plan.clocks, tariffs, session, price, plan.exact_only);
        out.quantity[i] = charge.quantity;
        out.micro[i] = charge.micro;
        out.residue[i] = charge.residue;
        if (charge.code != Code::ok)
            block.refuse(i, charge.code, side == 0 ? RateField::retail_amount : RateField::wholesale_amount);
    }
}

// ------------------------------------------------------------------------------------------------- emit

// Which rows of a block go out: the first `count` as they stand, or those in `rows`.
struct Chosen {
    int count = 0;
    bool all = false;
    int16_t rows[kBlock];
};

template <typename To, typename From>
inline void emit(To* out, const From* values, const Chosen& chosen) noexcept {
    if (!out) return;
    if (chosen.all)
        for (int j = 0; j < chosen.count; ++j) out[j] = values[j];
    else
        for (int j = 0; j < chosen.count; ++j) out[j] = values[chosen.rows[j]];
}

template <typename T>
inline T* from_row(T* column, int64_t row) noexcept {
    return column ? column + row : nullptr;
}

inline void emit_city(const Block& block, const Chosen& chosen, Outputs& out) noexcept {
    if (!out.city) return;
    for (int j = 0; j < chosen.count; ++j) {
        const int16_t city = block.city[chosen.rows[j]];
        out.city->i16()[out.rated + j] = city < 0 ? 0 : city;
        if (city < 0) out.city->set_null(out.rated + j);
    }
}

inline void emit_block(const Block& block, Outputs& out) noexcept {
    Chosen chosen;
    for (int i = 0; i < block.count; ++i) {
        chosen.rows[chosen.count] = static_cast<int16_t>(i);
        chosen.count += block.code[i] == Code::ok;
    }
    chosen.all = chosen.count == block.count;
    const int64_t at = out.rated;
    emit(out.row + at, block.row, chosen);
    emit(from_row(out.account_id, at), block.account_id, chosen);
    emit(from_row(out.product, at), block.party[0], chosen);
    emit_city(block, chosen, out);
    for (int side = 0; side < 2; ++side) {
        const SideBlock& from = block.sides[side];
        const SideOut& to = out.sides[side];
        emit(from_row(to.zone, at), from.zone, chosen);
        emit(from_row(to.band, at), from.band, chosen);
        emit(from_row(to.version, at), from.version, chosen);
        emit(from_row(to.cycle, at), from.cycle, chosen);
        emit(from_row(to.quantity, at), from.quantity, chosen);
        emit(from_row(to.amount, at), from.micro, chosen);
        emit(from_row(to.residue, at), from.residue, chosen);
    }
    if (out.margin)
        for (int j = 0; j < chosen.count; ++j) {
            const int i = chosen.rows[j];
            out.margin[at + j] = block.sides[0].micro[i] - block.sides[1].micro[i];
        }
    out.rated += chosen.count;
    for (int i = 0; !chosen.all && i < block.count; ++i) {
        if (block.code[i] == Code::ok) continue;
        out.suspended_row[out.suspended] = block.row[i];
        out.code[out.suspended] = static_cast<int16_t>(block.code[i]);
        out.field[out.suspended++] = static_cast<int16_t>(block.field[i]);
    }
}

// False when memory is exhausted.
[[nodiscard]] inline bool rate_rows(const Plan& plan, const Usage& usage, Outputs& out) noexcept {
    const std::unique_ptr<Block> held(new (std::nothrow) Block);
    if (!held) return false;
    Block& block = *held;
    block.spans.resize(static_cast<size_t>(plan.zone_count));
    for (int64_t base = 0; base < usage.count; base += kBlock) {
        block.count = static_cast<int>(usage.count - base < kBlock ? usage.count - base : kBlock);
        for (int i = 0; i < block.count; ++i)
            block.row[i] = usage.rows ? usage.rows[base + i] : static_cast<int32_t>(base + i);
        read_event(plan, usage, block);
        guide(plan, usage, block);
        measure(plan, usage, block);
        for (int side = 0; side < 2; ++side) {
            place_in_time(plan, side, block);
            find_zones(plan, usage, side, block);
            find_prices(plan, side, block);
            charge_side(plan, side, block);
        }
        emit_block(block, out);
    }
    return true;
}

}  // namespace mediation
