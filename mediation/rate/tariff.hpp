// What an event costs: the price in force in its zone and band, and the charge as a closed form over band stretches.
//
// Conventions
// - A rule says how a party (product or host) prices a record type. Its prices are found by [zone][band], then by the
//   instant at which the session began, which also holds for the bands it crosses into (F09).
// - A charge is an exact rational in micro over the rule's denominator, rounded once: the line, or with level
//   `component` the setup fee and the usage of each stretch apart. The minimum bounds the whole line, setup included.
// - Nothing used is nothing charged: quantity 0 costs 0, without setup and without minimum.
// - The first increment is granted once a session; later stretches continue with their own next increments.
// - Crossing into another band, for durations only (F08):
//     start            the band in which the session began prices all of it
//     split_exact      the duration is rounded up by the first band's increments, then each stretch pays its share to
//                      the second; what rounding added belongs to the band in which the session ended
//     increment_start  each increment is priced, and sized, by the band in which it begins
//     split_round      each stretch is rounded up for itself
// - Increments are counted by division, never one by one.
#pragma once

#include <cstdint>

#include "native/money.hpp"
#include "native/status.hpp"
#include "rate/timeband.hpp"

namespace mediation {

enum class Crossing : int8_t { start, split_exact, increment_start, split_round };
enum class Level : int8_t { record, component, bill };
enum class Quantity : int8_t { duration_s, volume_bytes, event_count, message_segments };
enum class NumberColumn : int8_t { none, other_party, forwarded_to };

inline constexpr int64_t kLongestSession_s = 3660 * kDay_s;  // that can be divided into bands

struct Rule {
    int64_t denominator;  // of all its prices
    int64_t granule_micro;
    int32_t clock;
    int32_t cells;       // first of its cells [zone][band]; -1: this party does not rate this record type
    int32_t zone_codes;  // first of its zones' dictionary codes
    int32_t prefix_set;  // -1: one constant zone
    NumberColumn number;
    Quantity quantity;
    Crossing crossing;
    RoundingMode mode;
    Level level;
    int8_t may_cross;    // a duration, a contract other than `start`, and more than one band
    int16_t bands;       // of its clock
    int8_t reserved[8];
};
static_assert(sizeof(Rule) == 48, "rates.py writes these");

// A cell's prices by time: spans [first, first + count), each from its instant to the next one's.
struct Cell {
    int32_t first;
    int32_t count;  // 0: never a price
};

struct PriceSpan {
    int64_t from_us;
    int32_t price;    // -1: none in force
    int32_t version;  // dictionary code
};
static_assert(sizeof(PriceSpan) == 16, "rates.py writes these");

struct Price {
    // Where the first and next increments cost whole micros, a quantity up to fast_limit is a product (-1: never).
    int64_t first_increment;
    int64_t next_increment;
    int64_t fast_first_micro;
    int64_t fast_next_micro;
    int64_t fast_minimum_micro;
    int64_t fast_limit;
    // Numerators over the rule's denominator: cost of one unit in the first increment, of one beyond, of a session.
    int128 first_rate;
    int128 next_rate;
    int128 setup;
    int128 minimum;
};
static_assert(sizeof(Price) == 112, "rates.py writes these");

struct Tariffs {
    const Rule* rules;  // [party][record type] of one side
    const Cell* cells;
    const PriceSpan* spans;
    const Price* prices;
    const int16_t* zone_codes;
    const int16_t* band_codes;  // [clock][kMaxBands]
};
inline constexpr int kMaxBands = 64;

struct Charge {
    int64_t quantity = 0;  // after rounding up to increments
    int64_t micro = 0;
    int64_t residue = 0;
    Code code = Code::ok;
};

inline const PriceSpan* price_at(const Tariffs& tariffs, int32_t cell, int64_t at_us) noexcept {
    const Cell found = tariffs.cells[cell];
    if (found.count == 0) return nullptr;
    int32_t low = found.first, high = found.first + found.count - 1;
    while (high - low > 1) {
        const int32_t middle = (low + high) >> 1;
        if (tariffs.spans[middle].from_us <= at_us) low = middle; else high = middle;
    }
    high = tariffs.spans[high].from_us <= at_us ? high : low;
    const PriceSpan* span = tariffs.spans + high;
    return span->price < 0 || span->from_us > at_us ? nullptr : span;
}

// One event before one rule.
struct Session {
    const Rule* rule;
    const Clock* clock;
    ZoneSpan* span;
    int32_t zone;        // within the rule
    int64_t start_us;
    int64_t start_s;
    int64_t quantity;    // > 0
};

// Sums a line stretch by stretch, rounding components where the rule says so.
class Line {
  public:
    explicit Line(const Rule& rule) : rule_(rule) {}

    // False: beyond what a line can hold.
    [[nodiscard]] bool component(int128 numerator) noexcept {
        if (!add_bounded(numerator, &exact_)) return false;
        if (rule_.level != Level::component) return true;
        int64_t micro;
        if (!round_line(numerator, rule_.denominator, rule_.granule_micro, rule_.mode, &micro)) return false;
        components_micro_ += micro;
        return true;
    }

    [[nodiscard]] bool close(int128 minimum, Charge* charge) noexcept {
        bool whole = rule_.level != Level::component;
        if (exact_ < minimum) {
            exact_ = minimum;
            whole = true;
        }
        if (whole) {
            if (!round_line(exact_, rule_.denominator, rule_.granule_micro, rule_.mode, &charge->micro)) return false;
        } else {
            if (magnitude(components_micro_) >= kLineLimitMicro) return false;
            charge->micro = static_cast<int64_t>(components_micro_);
        }
        charge->residue = residue_of(exact_, rule_.denominator, charge->micro);
        return true;
    }

  private:
    const Rule& rule_;
    int128 exact_ = 0;
    int128 components_micro_ = 0;
};

// Units of a session that is rounded up to its first and then to next increments. False: no int64 holds them.
[[nodiscard]] inline bool round_up(int64_t quantity, int64_t first, int64_t next, int64_t* units) noexcept {
    if (quantity <= first) {
        *units = first;
        return true;
    }
    int64_t beyond;
    return !__builtin_mul_overflow(div_ceil_i64(quantity - first, next), next, &beyond) &&
           !__builtin_add_overflow(first, beyond, units);
}

// Units `from` to `to` of a session at one price: those of the first increment at its rate, those beyond at the next.
[[nodiscard]] inline bool cost_of(const Price& price, int64_t from, int64_t to, int64_t first_increment,
                                  int128* numerator) noexcept {
    const int64_t turn = from > first_increment ? from : (to < first_increment ? to : first_increment);
    int128 first, next;
    if (!multiply_bounded(price.first_rate, turn - from, &first)) return false;
    if (!multiply_bounded(price.next_rate, to - turn, &next)) return false;
    *numerator = first;
    return add_bounded(next, numerator);
}

inline Charge refused(Code code) noexcept {
    Charge charge;
    charge.code = code;
    return charge;
}

inline Charge charge_whole(const Session& session, const Price& price) noexcept {
    Charge charge;
    Line line(*session.rule);
    int128 usage;
    const bool ok = round_up(session.quantity, price.first_increment, price.next_increment, &charge.quantity) &&
                    cost_of(price, 0, charge.quantity, price.first_increment, &usage) &&
                    line.component(price.setup) && line.component(usage) && line.close(price.minimum, &charge);
    return ok ? charge : refused(Code::amount_overflow);
}

// The price of the session in another band; null when there is none.
inline const Price* price_in_band(const Tariffs& tariffs, const Session& session, int32_t band) noexcept {
    const int32_t cell = session.rule->cells + session.zone * session.rule->bands + band;
    const PriceSpan* span = price_at(tariffs, cell, session.start_us);
    return span ? tariffs.prices + span->price : nullptr;
}

// One stretch of a split session: units `from` to `to` of the line, in a band. `done` is where the next one begins.
struct Stretch {
    int64_t from;
    int64_t done;
    int128 usage;
};

// `at` is how far the session has come, `until` where the stretch's band ends, both in seconds after its start.
[[nodiscard]] inline bool charge_stretch(const Session& session, const Price& start_price, const Price& price,
                                         int64_t at, int64_t until, int64_t total, Stretch* stretch) noexcept {
    const int64_t first = start_price.first_increment;
    if (session.rule->crossing == Crossing::split_exact) {
        stretch->done = until >= session.quantity ? total : until;
        return cost_of(price, at, stretch->done, first, &stretch->usage);
    }
    int64_t units;
    if (at == 0) {
        if (!round_up(until, first, price.next_increment, &units)) return false;
    } else {
        units = div_ceil_i64(until - at, price.next_increment) * price.next_increment;
    }
    stretch->from = at == 0 ? 0 : first;  // beyond the first increment only the next rate counts
    stretch->done = units;
    return cost_of(price, stretch->from, stretch->from + units, first, &stretch->usage);
}

inline Charge charge_split(const Clocks& clocks, const Tariffs& tariffs, const Session& session,
                           const Price& start_price) noexcept {
    const Crossing crossing = session.rule->crossing;
    if (session.quantity > kLongestSession_s) return refused(Code::out_of_range);
    Charge charge;
    Line line(*session.rule);
    int64_t total = 0;
    if (!round_up(session.quantity, start_price.first_increment, start_price.next_increment, &total) ||
        !line.component(start_price.setup))
        return refused(Code::amount_overflow);
    const int64_t end_s = session.start_s + session.quantity;
    int64_t at = 0;
    while (at < session.quantity) {
        const BandStretch found = band_from(clocks, *session.clock, session.start_s + at, end_s, *session.span);
        const Price* price = at == 0 ? &start_price : price_in_band(tariffs, session, found.band);
        if (!price) return refused(Code::no_price);
        const int64_t until = found.until_s - session.start_s;
        Stretch stretch{at, 0, 0};
        if (!charge_stretch(session, start_price, *price, at, until, total, &stretch) ||
            !line.component(stretch.usage) || stretch.done > kLineLimitMicro)
            return refused(Code::amount_overflow);
        if (crossing == Crossing::split_exact) {
            charge.quantity = stretch.done;
            at = stretch.done;
        } else {
            charge.quantity += stretch.done;
            at = crossing == Crossing::increment_start ? at + stretch.done : until;
        }
    }
    return line.close(start_price.minimum, &charge) ? charge : refused(Code::amount_overflow);
}

// Whole micros only: what charge_whole gives, by one multiplication. Contract: quantity <= price.fast_limit.
inline Charge charge_fast(const Rule& rule, const Price& price, int64_t quantity) noexcept {
    Charge charge;
    const int64_t beyond = quantity > price.first_increment ? quantity - price.first_increment : 0;
    const int64_t steps = div_ceil_small(beyond, price.next_increment);
    charge.quantity = price.first_increment + steps * price.next_increment;
    int64_t micro = price.fast_first_micro + steps * price.fast_next_micro;
    micro = micro < price.fast_minimum_micro ? price.fast_minimum_micro : micro;
    charge.micro = micro;
    if (rule.granule_micro > 1) {
        charge.micro = static_cast<int64_t>(div_rounded(micro, rule.granule_micro, rule.mode)) * rule.granule_micro;
        charge.residue = (micro - charge.micro) * kMicro;
    }
    return charge;
}

// `exact_only` forces the general path, so that tests can hold the two against each other.
inline Charge charge_session(const Clocks& clocks, const Tariffs& tariffs, const Session& session, const Price& price,
                             bool exact_only) noexcept {
    if (session.quantity == 0) return Charge{};
    const Rule& rule = *session.rule;
    if (rule.may_cross) {
        if (session.quantity > kLongestSession_s) return refused(Code::out_of_range);
        const int64_t end_s = session.start_s + session.quantity;
        if (band_from(clocks, *session.clock, session.start_s, end_s, *session.span).until_s < end_s)
            return charge_split(clocks, tariffs, session, price);
    }
    if (!exact_only && session.quantity <= price.fast_limit) return charge_fast(rule, price, session.quantity);
    return charge_whole(session, price);
}

}  // namespace mediation
