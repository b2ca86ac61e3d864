// Who owns a number at an instant: account, product, city.
//
// Conventions
// - Subscriptions are sorted by (msisdn, from) and do not overlap; each holds for [from, to). Codes are -1 for none.
// - A number that is known, but owned by nobody at that instant, is another exception than an unknown number (F29).
// - A book may say that the number is the account; then one product serves all and there are no subscriptions.
#pragma once

#include <cstdint>
#include <vector>

#include "native/cpu.hpp"
#include "native/status.hpp"

namespace mediation {

struct Subscription {
    int64_t msisdn;
    int64_t from_us;
    int64_t to_us;
    int64_t account_id;
    int32_t product;
    int32_t city;
};
static_assert(sizeof(Subscription) == 40, "rates.py writes these");

struct Owner {
    int64_t account_id = 0;
    int32_t product = -1;
    int32_t city = -1;
    Code code = Code::ok;
};

// Open addressing: number -> its first subscription. At most half full, so that a miss is short.
class SubscriptionIndex {
  public:
    void build(const Subscription* rows, int64_t count) {
        rows_ = rows;
        count_ = count;
        uint64_t capacity = 16;
        while (capacity < static_cast<uint64_t>(count) * 2) capacity *= 2;
        shift_ = 64 - __builtin_ctzll(capacity);
        mask_ = capacity - 1;
        slots_.assign(capacity, -1);
        for (int64_t i = 0; i < count; ++i) {
            if (i > 0 && rows[i].msisdn == rows[i - 1].msisdn) continue;
            uint64_t slot = home(rows[i].msisdn);
            while (slots_[slot] >= 0) slot = (slot + 1) & mask_;
            slots_[slot] = static_cast<int32_t>(i);
        }
    }

    MEDIATION_PREFETCHES void prefetch(int64_t msisdn) const noexcept { __builtin_prefetch(&slots_[home(msisdn)]); }

    Owner find(int64_t msisdn, int64_t at_us) const noexcept {
        Owner owner;
        uint64_t slot = home(msisdn);
        while (slots_[slot] >= 0 && rows_[slots_[slot]].msisdn != msisdn) slot = (slot + 1) & mask_;
        if (slots_[slot] < 0) {
            owner.code = Code::unknown_number;
            return owner;
        }
        for (int64_t i = slots_[slot]; i < count_ && rows_[i].msisdn == msisdn; ++i) {
            const Subscription& row = rows_[i];
            if (at_us < row.from_us || at_us >= row.to_us) continue;
            return {row.account_id, row.product, row.city, Code::ok};
        }
        owner.code = Code::number_not_owned;
        return owner;
    }

  private:
    uint64_t home(int64_t msisdn) const noexcept {
        return (static_cast<uint64_t>(msisdn) * 0x9E3779B97F4A7C15u) >> shift_;
    }

    const Subscription* rows_ = nullptr;
    int64_t count_ = 0;
    int shift_ = 60;
    uint64_t mask_ = 0;
    std::vector<int32_t> slots_;
};

}  // namespace mediation
