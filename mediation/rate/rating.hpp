// Guide and rate in one pass: rows of usage in, both sides' zones, bands, prices and amounts out, or a code.
//
// Conventions
// - Rows go through in blocks that stay in the cache. The rows of a group have the same rules on both sides, so that
//   each step is a loop in which little is left to decide: of 60 ns a row that left 39.
// - Codes come in the order: time, host, record type, owner, quantity, then retail and wholesale each by rule, zone,
//   price, charge.
// - Nothing is asked twice: what depends on (party, record type) is in the Rule, what depends on the book in the Plan.
// - Loops work on copies of the views and pointers that they read by: a block's stores could reach anything that is
//   read through a reference, which would then be loaded anew for every row.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

#include "rate/block.hpp"

namespace mediation {

// ------------------------------------------------------------------------------------------------ guide

// False: the row is refused.
inline bool find_owner(const Plan& plan, int place, int64_t msisdn, int64_t start_us, Block& block) noexcept {
    if (plan.only_product >= 0) {
        block.account_id[place] = msisdn;
        block.product[place] = static_cast<int16_t>(plan.only_product);
        block.city[place] = -1;
    } else {
        const Owner owner = plan.subscriptions.find(msisdn, start_us);
        if (owner.code != Code::ok || owner.product < 0) {
            const bool owned = owner.code == Code::ok;
            block.refuse_place(place, owned ? Code::no_product : owner.code,
                               owned ? RateField::product : RateField::served_msisdn);
            return false;
        }
        block.account_id[place] = owner.account_id;
        block.product[place] = static_cast<int16_t>(owner.product);
        block.city[place] = static_cast<int16_t>(owner.city);
    }
    if (plan.city == CityFrom::number_range && msisdn > 0)
        block.city[place] = static_cast<int16_t>(zone_of(plan.prefixes, plan.city_set, start_us, msisdn));
    return true;
}

// Finds each row's group, or refuses it.
inline void guide(const Plan& plan, const Usage& usage, Block& block) noexcept {
    const ColumnView times = usage.start_time, hosts = usage.host, types = usage.record_type,
                     numbers = usage.served_msisdn;
    const int16_t* host_party = plan.host_party;
    const int32_t host_count = plan.hosts, type_count = plan.record_types;
    if (plan.only_product < 0) {
        for (int i = 0; i < block.count; ++i)
            if (given(numbers, block.row[i])) plan.subscriptions.prefetch(numbers.i64()[block.row[i]]);
        for (int i = 0; i < block.count; ++i)
            if (given(numbers, block.row[i])) plan.subscriptions.approach(numbers.i64()[block.row[i]]);
    }
    for (int i = 0; i < block.count; ++i) {
        const int64_t row = block.row[i];
        block.code[i] = Code::ok;
        block.group[i] = -1;
        if (!given(times, row)) {
            block.refuse_place(i, Code::missing_time, RateField::start_time);
            continue;
        }
        const int32_t host = given(hosts, row) ? hosts.i16()[row] : -1;
        const int32_t party = host >= 0 && host < host_count ? host_party[host] : -1;
        const int32_t type = given(types, row) ? types.i16()[row] : -1;
        if (party < 0) block.refuse_place(i, Code::no_host, RateField::host);
        else if (type < 0 || type >= type_count) block.refuse_place(i, Code::not_rateable, RateField::record_type);
        else if (!given(numbers, row)) block.refuse_place(i, Code::missing_number, RateField::served_msisdn);
        else if (find_owner(plan, i, numbers.i64()[row], times.i64()[row], block)) {
            const int group = block.group_of(plan, block.product[i], party, type);
            block.group[i] = static_cast<int16_t>(group);
            ++block.groups[group].end;
        }
    }
}

// Gives each row that has a group its slot.
inline void sort_by_group(const Usage& usage, Block& block) noexcept {
    int32_t slots = 0;
    for (int g = 0; g < block.group_count; ++g) {
        Group& group = block.groups[g];
        group.begin = slots;
        slots += group.end;
        group.end = group.begin;
    }
    const int64_t* times = usage.start_time.i64();
    for (int i = 0; i < block.count; ++i) {
        if (block.group[i] < 0) continue;
        const int32_t slot = block.groups[block.group[i]].end++;
        block.place[slot] = static_cast<int16_t>(i);
        block.start_us[slot] = times[block.row[i]];
    }
    for (int32_t slot = 0; slot < slots; ++slot) block.start_s[slot] = floor_div(block.start_us[slot], kMicro);
}

inline void measure_one(const ColumnView column, Code if_missing, RateField about, const Group& group,
                        Block& block) noexcept {
    for (int j = group.begin; j < group.end; ++j) {
        const int64_t* found = integer_at(column, block.row[block.place[j]]);
        const int64_t quantity = found ? *found : 1;
        block.quantity[j] = quantity < 0 ? 0 : quantity;
        if (!found && if_missing != Code::ok) block.refuse(j, if_missing, about);
        else if (quantity < 0) block.refuse(j, Code::negative, about);
    }
}

// Both volume columns may be filled, or the one that the host gives.
inline void measure_volumes(const ColumnView uplink, const ColumnView downlink, const Group& group,
                            Block& block) noexcept {
    for (int j = group.begin; j < group.end; ++j) {
        const int64_t row = block.row[block.place[j]];
        const int64_t *up = integer_at(uplink, row), *down = integer_at(downlink, row);
        const int64_t sent = up ? *up : 0, received = down ? *down : 0;
        int64_t quantity = 0;
        if (!up && !down) block.refuse(j, Code::missing_quantity, RateField::downlink_bytes);
        else if (sent < 0 || received < 0) block.refuse(j, Code::negative, RateField::downlink_bytes);
        else if (__builtin_add_overflow(sent, received, &quantity)) {
            block.refuse(j, Code::amount_overflow, RateField::downlink_bytes);
            quantity = 0;
        }
        block.quantity[j] = quantity;
    }
}

// Missing events and segments are one; a missing duration or volume is an exception.
inline void measure(const Plan& plan, const Usage& usage, const Group& group, Block& block) noexcept {
    switch (static_cast<Quantity>(plan.quantities[group.record_type])) {
        case Quantity::duration_s:
            return measure_one(usage.duration_s, Code::missing_quantity, RateField::duration_s, group, block);
        case Quantity::volume_bytes:
            return measure_volumes(usage.uplink_bytes, usage.downlink_bytes, group, block);
        case Quantity::event_count:
            return measure_one(usage.event_count, Code::ok, RateField::event_count, group, block);
        default:
            return measure_one(usage.message_segments, Code::ok, RateField::message_segments, group, block);
    }
}

// ------------------------------------------------------------------------------------------------- time

// Local day and second of a group's rows. True: all days stand in the clocks' tables.
inline bool find_local(const Clocks& clocks, const Clock& clock, const Group& group, Block& block) noexcept {
    ZoneSpan& span = block.spans[static_cast<size_t>(clock.zone)];
    int64_t first_s = INT64_MAX, last_s = INT64_MIN;
    for (int j = group.begin; j < group.end; ++j) {
        first_s = block.start_s[j] < first_s ? block.start_s[j] : first_s;
        last_s = block.start_s[j] > last_s ? block.start_s[j] : last_s;
    }
    find_span(clocks, clock, first_s, span);
    const int64_t shift_s = span.offset_s - kFirstDay * kDay_s;
    if (last_s >= span.to_s || first_s + shift_s < 0 || last_s + shift_s >= kDayCount * kDay_s) {
        for (int j = group.begin; j < group.end; ++j) {
            const LocalTime local = local_time(clocks, clock, block.start_s[j], span);
            block.day[j] = static_cast<int32_t>(local.day);
            block.second[j] = local.second;
        }
        return false;
    }
    for (int j = group.begin; j < group.end; ++j) {
        const auto local_s = static_cast<uint32_t>(block.start_s[j] + shift_s);  // 110 years have 3.5e9 seconds
        const uint32_t day = local_s / uint32_t{kDay_s};
        block.day[j] = static_cast<int32_t>(day) + kFirstDay;
        block.second[j] = static_cast<int32_t>(local_s - day * uint32_t{kDay_s});
    }
    return true;
}

inline void place_in_time(const Plan& plan, int side, const Group& group, bool in_tables, Block& block) noexcept {
    const Clocks clocks = plan.clocks;
    const Rule& rule = *group.rules[side];
    const Clock& clock = clocks.clocks[rule.clock];
    const int16_t* band_codes = plan.sides[side].band_codes + rule.clock * kMaxBands;
    SideBlock& out = block.sides[side];
    if (!in_tables) {
        for (int j = group.begin; j < group.end; ++j) {
            const LocalTime local{block.day[j], block.second[j]};
            block.band[j] = rule.bands == 1 ? int16_t{0} : minute_of(clocks, clock, local).band;
            out.cycle[j] = cycle_of(clocks, clock, local.day);
        }
    } else {
        const int32_t days = clock.days - kFirstDay, cycles = clock.cycles - kFirstDay;
        const Minute* minutes = clocks.minutes + clock.minutes;
        const bool banded = rule.bands > 1;
        for (int j = group.begin; j < group.end; ++j) out.cycle[j] = clocks.cycles[cycles + block.day[j]];
        for (int j = group.begin; j < group.end; ++j) {
            const uint32_t minute = static_cast<uint32_t>(block.second[j]) / 60;
            block.band[j] = banded ? minutes[clocks.days[days + block.day[j]] * kMinutes + minute].band : int16_t{0};
        }
    }
    for (int j = group.begin; j < group.end; ++j) out.band[j] = band_codes[block.band[j]];
}

// ------------------------------------------------------------------------------------------------- zone

inline RateField field_of(const Rule& rule) noexcept {
    return rule.number == NumberColumn::forwarded_to ? RateField::forwarded_to : RateField::other_party;
}

// The number is normalised for the look-up only, by the rules of the row's feed.
inline std::string_view normalised(const Plan& plan, const Usage& usage, int64_t row, std::string_view number,
                                   Dialled& buffer) noexcept {
    const int32_t feed = given(usage.feed, row) ? usage.feed.i16()[row] : -1;
    const int32_t rules = feed >= 0 && feed < plan.feeds ? plan.feed_rules[feed] : -1;
    return rules < 0 ? number : dialled_number(plan.number_rules[static_cast<size_t>(rules)], number, buffer);
}

// The digits of a group's numbers; a row without one is refused, and looked up as if it had dialled nothing.
inline void read_numbers(const Plan& plan, const Usage& usage, const Rule& rule, const Group& group,
                         Block& block) noexcept {
    const ColumnView column = rule.number == NumberColumn::forwarded_to ? usage.forwarded_to : usage.other_party;
    const bool normalises = !plan.number_rules.empty();
    for (int j = group.begin; j < group.end; ++j) {
        const int64_t row = block.row[block.place[j]];
        const std::string_view number = given(column, row) ? column.text(row) : std::string_view{};
        if (number.empty()) block.refuse(j, Code::missing_destination, field_of(rule));
        Dialled buffer;
        block.digits[j] = leading_digits(normalises ? normalised(plan, usage, row, number, buffer) : number);
    }
}

inline void find_zones(const Plan& plan, const Rule& rule, const Group& group, Block& block) noexcept {
    const Prefixes prefixes = plan.prefixes;
    for (int j = group.begin; j < group.end; ++j)
        block.lookups[j] = start_lookup(prefixes, rule.prefix_set, block.start_us[j], block.digits[j]);
    for (int j = group.begin; j < group.end; ++j) approach(prefixes, block.lookups[j]);
    for (int j = group.begin; j < group.end; ++j) {
        const int32_t zone = finish(prefixes, block.lookups[j]);
        block.zone[j] = zone < 0 ? 0 : zone;
        if (zone < 0) block.refuse(j, Code::unknown_destination, field_of(rule));
    }
}

// ---------------------------------------------------------------------------------------- price and charge

inline constexpr Price kNothing{1, 1, 0, 0, 0, INT64_MAX, 0, 0, 0, 0};  // of a row that is refused

inline RateField amount_field(int side) noexcept {
    return side == 0 ? RateField::retail_amount : RateField::wholesale_amount;
}

inline void find_prices(const Tariffs tariffs, int side, const Group& group, Block& block) noexcept {
    const Rule rule = *group.rules[side];
    const int16_t* zone_codes = tariffs.zone_codes + rule.zone_codes;
    SideBlock& out = block.sides[side];
    for (int j = group.begin; j < group.end; ++j) {
        const int32_t zone = block.zone[j];
        const PriceSpan* span = price_at(tariffs, rule.cells + zone * rule.bands + block.band[j], block.start_us[j]);
        block.price[j] = span ? tariffs.prices + span->price : &kNothing;
        out.zone[j] = zone_codes[zone];
        out.version[j] = span ? static_cast<int16_t>(span->version) : int16_t{0};
        if (!span) block.refuse(j, Code::no_price, amount_field(side));
    }
}

// Most rows: whole micros, no band to cross, no coarser rounding. Rows beyond their price's fast_limit are charged as
// if they had used nothing. True: there are such rows.
inline bool charge_plainly(int side, const Group& group, Block& block) noexcept {
    SideBlock& out = block.sides[side];
    bool beyond_limit = false;
    for (int j = group.begin; j < group.end; ++j) {
        const Price& price = *block.price[j];
        const bool within = block.quantity[j] <= price.fast_limit;
        const int64_t quantity = within ? block.quantity[j] : 0;
        const int64_t beyond = quantity > price.first_increment ? quantity - price.first_increment : 0;
        const int64_t steps = div_ceil_small(beyond, price.next_increment);
        const int64_t micro = price.fast_first_micro + steps * price.fast_next_micro;
        const int64_t used = -static_cast<int64_t>(quantity != 0);  // all ones, or 0 where nothing was used
        out.quantity[j] = (price.first_increment + steps * price.next_increment) & used;
        out.micro[j] = (micro < price.fast_minimum_micro ? price.fast_minimum_micro : micro) & used;
        out.residue[j] = 0;
        beyond_limit |= !within;
    }
    return beyond_limit;
}

// One by one; `all`: not only those beyond their price's fast_limit.
inline void charge_exactly(const Plan& plan, int side, const Group& group, bool all, Block& block) noexcept {
    const Tariffs& tariffs = plan.sides[side];
    const Rule& rule = *group.rules[side];
    const Clock& clock = plan.clocks.clocks[rule.clock];
    SideBlock& out = block.sides[side];
    for (int j = group.begin; j < group.end; ++j) {
        const Price& price = *block.price[j];
        if (block.code[block.place[j]] != Code::ok || (!all && block.quantity[j] <= price.fast_limit)) continue;
        const Session session{&rule, &clock, &block.spans[static_cast<size_t>(clock.zone)], block.zone[j],
                              block.start_us[j], block.start_s[j], block.quantity[j]};
        const Charge charge = charge_session(plan.clocks, tariffs, session, price, plan.exact_only);
        out.quantity[j] = charge.quantity;
        out.micro[j] = charge.micro;
        out.residue[j] = charge.residue;
        if (charge.code != Code::ok) block.refuse(j, charge.code, amount_field(side));
    }
}

inline void refuse_all(const Group& group, Code why, RateField about, Block& block) noexcept {
    for (int j = group.begin; j < group.end; ++j) block.refuse(j, why, about);
}

inline void rate_group(const Plan& plan, const Usage& usage, const Group& group, Block& block) noexcept {
    int32_t local_zone = -1;
    bool in_tables = false;
    NumberColumn numbers = NumberColumn::none;  // those that have been read
    for (int side = 0; side < 2; ++side) {
        const Rule& rule = *group.rules[side];
        if (rule.cells < 0) return refuse_all(group, Code::not_rateable, RateField::record_type, block);
        const Clock& clock = plan.clocks.clocks[rule.clock];
        if (clock.zone != local_zone) in_tables = find_local(plan.clocks, clock, group, block);
        local_zone = clock.zone;
        place_in_time(plan, side, group, in_tables, block);
        if (rule.prefix_set < 0) {
            for (int j = group.begin; j < group.end; ++j) block.zone[j] = 0;
        } else {
            if (numbers == NumberColumn::none || numbers != rule.number) read_numbers(plan, usage, rule, group, block);
            numbers = rule.number;
            find_zones(plan, rule, group, block);
        }
        find_prices(plan.sides[side], side, group, block);
        const bool exact = plan.exact_only || rule.may_cross || rule.granule_micro > 1;
        if (exact || charge_plainly(side, group, block)) charge_exactly(plan, side, group, exact, block);
    }
}

// ------------------------------------------------------------------------------------------------- emit

// Where each row of a block goes, counted from the first: by place and by slot. Rows with a code all go behind the
// last, where the next block's first will be, or nothing.
struct Destinations {
    int count = 0;
    int16_t of_place[kBlock], of_slot[kBlock];
};

inline void find_destinations(const Block& block, int slots, Destinations& to) noexcept {
    for (int i = 0; i < block.count; ++i) {
        to.of_place[i] = static_cast<int16_t>(to.count);
        to.count += block.code[i] == Code::ok;
    }
    for (int i = 0; i < block.count; ++i)
        if (block.code[i] != Code::ok) to.of_place[i] = static_cast<int16_t>(to.count);
    for (int j = 0; j < slots; ++j) to.of_slot[j] = to.of_place[block.place[j]];
}

template <typename To, typename From>
inline void emit(To* out, int64_t at, const From* values, const int16_t* to, int count) noexcept {
    if (!out) return;
    out += at;
    for (int i = 0; i < count; ++i) out[to[i]] = values[i];
}

inline void emit_city(const Block& block, Outputs& out) noexcept {
    int64_t at = out.rated;
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] != Code::ok) continue;
        const int16_t city = block.city[i];
        out.city->i16()[at] = city < 0 ? 0 : city;
        if (city < 0) out.city->set_null(at);
        ++at;
    }
}

inline void emit_suspended(const Block& block, Outputs& out) noexcept {
    for (int i = 0; i < block.count; ++i) {
        if (block.code[i] == Code::ok) continue;
        out.suspended_row[out.suspended] = block.row[i];
        out.code[out.suspended] = static_cast<int16_t>(block.code[i]);
        out.field[out.suspended++] = static_cast<int16_t>(block.field[i]);
    }
}

inline void emit_block(const Block& block, Outputs& out) noexcept {
    Destinations to;
    const int slots = block.group_count ? block.groups[block.group_count - 1].end : 0;
    const int64_t at = out.rated;
    find_destinations(block, slots, to);
    emit(out.row, at, block.row, to.of_place, block.count);
    emit(out.account_id, at, block.account_id, to.of_place, block.count);
    emit(out.product, at, block.product, to.of_place, block.count);
    if (out.city) emit_city(block, out);
    for (int side = 0; side < 2; ++side) {
        const SideBlock& from = block.sides[side];
        const SideOut& side_out = out.sides[side];
        emit(side_out.zone, at, from.zone, to.of_slot, slots);
        emit(side_out.band, at, from.band, to.of_slot, slots);
        emit(side_out.version, at, from.version, to.of_slot, slots);
        emit(side_out.cycle, at, from.cycle, to.of_slot, slots);
        emit(side_out.quantity, at, from.quantity, to.of_slot, slots);
        emit(side_out.amount, at, from.micro, to.of_slot, slots);
        emit(side_out.residue, at, from.residue, to.of_slot, slots);
    }
    if (out.margin)
        for (int j = 0; j < slots; ++j)
            out.margin[at + to.of_slot[j]] = block.sides[0].micro[j] - block.sides[1].micro[j];
    out.rated += to.count;
    if (!block.sound) emit_suspended(block, out);
}

// False when memory is exhausted.
[[nodiscard]] inline bool rate_rows(const Plan& plan, const Usage& usage, Outputs& out) noexcept {
    const std::unique_ptr<Block> held(new (std::nothrow) Block());
    if (!held) return false;
    Block& block = *held;
    block.spans.resize(static_cast<size_t>(plan.zone_count));
    for (int64_t base = 0; base < usage.count; base += kBlock) {
        block.count = static_cast<int>(usage.count - base < kBlock ? usage.count - base : kBlock);
        block.sound = true;
        for (int i = 0; i < block.count; ++i)
            block.row[i] = usage.rows ? usage.rows[base + i] : static_cast<int32_t>(base + i);
        guide(plan, usage, block);
        sort_by_group(usage, block);
        for (int g = 0; g < block.group_count; ++g) {
            measure(plan, usage, block.groups[g], block);
            rate_group(plan, usage, block.groups[g], block);
        }
        emit_block(block, out);
        block.forget_groups();
    }
    return true;
}

}  // namespace mediation
