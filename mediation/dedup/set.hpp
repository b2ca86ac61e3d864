// The exact set of fingerprints within a run: who was first, and with what payload.
//
// Conventions
// - `admit` takes the records of a batch and says of each that is not the first with its key who was, whether that one
//   came in this batch or an earlier one. The caller brings batches in source order.
// - Parts are few: each has a page of its own to write to, and in a run, whose other stages use the caches up between
//   batches, finding the page costs more than the record. With 1024 parts admitting took 75 ns a record, with 64 58,
//   and sorting a batch by them first gains nothing.
// - A record's bucket is fetched when the one kAhead before it is looked up.
// - Memory is reserved for the whole batch before the first insertion.
// - `all_collide` gives every key of a part one home and one print: slow, and still exact (for tests). It
//   also compares entries one by one, and so is the twin of the set that compares a bucket at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "dedup/seen_part.hpp"
#include "dedup/siphash.hpp"
#include "native/column.hpp"

namespace mediation {

inline constexpr int kSetBits = 6;
inline constexpr int kSetParts = 1 << kSetBits;

inline uint32_t part_of(const Fingerprint& key) { return static_cast<uint32_t>(key.low >> (64 - kSetBits)); }

struct SpreadKeys {
    static uint32_t of(const Fingerprint& key) { return static_cast<uint32_t>(key.high >> 32); }
    static BucketMatch match(const Bucket& bucket, uint32_t wanted, uint32_t mask) {
        return match_bucket(bucket, wanted, mask);
    }
};

struct CollidingKeys {
    static uint32_t of(const Fingerprint&) { return 0; }
    static BucketMatch match(const Bucket& bucket, uint32_t wanted, uint32_t mask) {
        return match_bucket_plainly(bucket, wanted, mask);
    }
};

// By place in the batch. Nothing is written of a record that is the first with its key.
struct Repeats {
    uint8_t* repeated;
    int32_t* first_checks;
    int64_t* first_ordinals;
};

template <typename Keys>
class FingerprintSet {
  public:
    FingerprintSet() {
        for (int p = 0; p < kSetParts; ++p) parts_[p].begin_with(p, kSetParts);
    }

    // Before the first admit. A guess: more and fewer are as well, but for what doubling costs.
    void expect(uint64_t records) {
        for (auto& part : parts_) part.expect(records / kSetParts);
    }

    // False: no memory, nothing was added. A batch knows how many `records` it has, and of each its `key`, its `record`
    // and whether it `is_known` already: that one is left out.
    template <typename Batch>
    [[nodiscard]] bool admit(const Batch& batch, const Repeats& repeats) {
        if (!reserve(batch)) return false;
        for (int64_t i = 0; i < batch.records; ++i) {
            const int64_t later = i + kAhead;
            if (later < batch.records && !batch.is_known(later)) prefetch(batch.key(later));
            if (batch.is_known(i)) continue;
            const SeenRecord record = batch.record(i);
            const SeenRecord* first = parts_[part_of(record.fingerprint)].find_or_append(record);
            if (!first) continue;
            repeats.repeated[i] = 1;
            repeats.first_checks[i] = first->check;
            repeats.first_ordinals[i] = first->ordinal;
        }
        return true;
    }

    // checks[i] of a fingerprint that the set does not hold is null.
    void probe(const Fingerprint* fingerprints, int64_t count, ColumnOut* checks) const {
        for (int64_t i = 0; i < count; ++i) {
            const Fingerprint& later = fingerprints[std::min(i + kAhead, count - 1)];
            if (parts_[part_of(later)].size()) prefetch(later);
            const auto& part = parts_[part_of(fingerprints[i])];
            const SeenRecord* found = part.size() ? part.find(fingerprints[i]) : nullptr;
            checks->i32()[i] = found ? found->check : 0;
            if (!found) checks->set_null(i);
        }
    }

    int64_t size() const {
        int64_t total = 0;
        for (const auto& part : parts_) total += part.size();
        return total;
    }
    int64_t nbytes() const {
        int64_t total = memory_.nbytes();
        for (const auto& part : parts_) total += part.nbytes();
        return total;
    }

    // Every record, by part and then in order of arrival; calls sink(record).
    template <typename Sink>
    void each(Sink&& sink) const {
        for (const auto& part : parts_)
            for (uint32_t i = 0; i < part.size(); ++i) sink(part.at(i));
    }

  private:
    static constexpr int kAhead = 32;

    template <typename Batch>
    [[nodiscard]] bool reserve(const Batch& batch) {
        uint32_t arriving[kSetParts] = {};
        for (int64_t i = 0; i < batch.records; ++i) arriving[part_of(batch.key(i))] += !batch.is_known(i);
        for (int p = 0; p < kSetParts; ++p)
            if (!parts_[p].reserve(arriving[p], memory_)) return false;
        return true;
    }

    MEDIATION_PREFETCHES void prefetch(const Fingerprint& key) const { parts_[part_of(key)].prefetch(key); }

    SeenPart<Keys> parts_[kSetParts];
    SeenMemory memory_;
};

// The two builds of the set behind one face: kernels hold this.
class SeenSet {
  public:
    explicit SeenSet(bool all_collide) {
        if (all_collide) colliding_ = std::make_unique<FingerprintSet<CollidingKeys>>();
        else spread_ = std::make_unique<FingerprintSet<SpreadKeys>>();
    }
    void expect(uint64_t records) {
        if (spread_) spread_->expect(records);
    }
    template <typename Batch>
    [[nodiscard]] bool admit(const Batch& batch, const Repeats& repeats) {
        return colliding_ ? colliding_->admit(batch, repeats) : spread_->admit(batch, repeats);
    }
    void probe(const ColumnView& fingerprints, ColumnOut* checks) const {
        const auto* keys = fingerprints.as<Fingerprint>();
        if (colliding_) colliding_->probe(keys, fingerprints.length, checks);
        else spread_->probe(keys, fingerprints.length, checks);
    }
    int64_t size() const { return colliding_ ? colliding_->size() : spread_->size(); }
    int64_t nbytes() const { return colliding_ ? colliding_->nbytes() : spread_->nbytes(); }
    void list(Fingerprint* fingerprints, int32_t* checks, int64_t* ordinals) const {
        const auto write = [&](const SeenRecord& record) {
            *fingerprints++ = record.fingerprint;
            *checks++ = record.check;
            *ordinals++ = record.ordinal;
        };
        if (colliding_) colliding_->each(write);
        else spread_->each(write);
    }

  private:
    std::unique_ptr<FingerprintSet<SpreadKeys>> spread_;
    std::unique_ptr<FingerprintSet<CollidingKeys>> colliding_;
};

}  // namespace mediation
