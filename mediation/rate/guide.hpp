// Who owns a number at an instant: account, product, city.
//
// Conventions
// - A number's subscriptions do not overlap; each holds for [from, to). Codes are -1 for none.
// - A number that is known, but owned by nobody at that instant, is another exception than an unknown number (F29).
// - A book may say that the number is the account; then one product serves all and there are no subscriptions.
#pragma once

#include <cstdint>

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
static_assert(sizeof(Subscription) == 40, "owners.py writes these");

struct Owner {
    int64_t account_id = 0;
    int32_t product = -1;
    int32_t city = -1;
    Code code = Code::ok;
};

// Subscriptions in buckets by the hash of their number, as owners.py lays them out: twice as many buckets as rows at
// most, so that a miss is short. A product or city is a place among the subscriptions' own words; `products` and
// `cities` have the rule book's code of each, after that of none.
class SubscriptionIndex {
  public:
    // `buckets`: the first row of each, and the number of rows at the end; 2^bits + 1 of them, bits > 0.
    void open(const Subscription* rows, const int32_t* buckets, int bits, const int32_t* products,
              const int32_t* cities) {
        rows_ = rows;
        buckets_ = buckets;
        shift_ = 64 - bits;
        products_ = products + 1;
        cities_ = cities + 1;
    }

    // Two steps, each done for a whole block before the next, so that the cache misses of its rows overlap.
    MEDIATION_PREFETCHES void prefetch(int64_t msisdn) const noexcept { __builtin_prefetch(&buckets_[home(msisdn)]); }
    MEDIATION_PREFETCHES void approach(int64_t msisdn) const noexcept {
        __builtin_prefetch(&rows_[buckets_[home(msisdn)]]);
    }

    Owner find(int64_t msisdn, int64_t at_us) const noexcept {
        Owner owner;
        owner.code = Code::unknown_number;
        const uint64_t bucket = home(msisdn);
        for (int32_t i = buckets_[bucket]; i < buckets_[bucket + 1]; ++i) {
            const Subscription& row = rows_[i];
            if (row.msisdn != msisdn) continue;
            if (at_us >= row.from_us && at_us < row.to_us)
                return {row.account_id, products_[row.product], cities_[row.city], Code::ok};
            owner.code = Code::number_not_owned;
        }
        return owner;
    }

  private:
    uint64_t home(int64_t msisdn) const noexcept {
        return (static_cast<uint64_t>(msisdn) * 0x9E3779B97F4A7C15u) >> shift_;
    }

    const Subscription* rows_ = nullptr;
    const int32_t* buckets_ = nullptr;
    const int32_t* products_ = nullptr;
    const int32_t* cities_ = nullptr;
    int shift_ = 63;
};

}  // namespace mediation
