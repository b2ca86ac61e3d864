// The exact set of fingerprints within a run: who was first, and with what payload.
//
// Conventions
// - A slot is 24 bytes: fingerprint, payload check, ordinal of the record. Two keys are equal when all 128 bits are.
// - `admit` gives, for each record of a batch in order, the slot of the first with its key; records of one batch and of
//   earlier batches alike. The caller brings batches in source order.
// - Memory is reserved for the whole batch before the first insertion.
// - `all_collide` sends every key to one place with one tag: slow, and still exact (for tests).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dedup/siphash.hpp"
#include "native/column.hpp"
#include "native/slot_table.hpp"

namespace mediation {

struct SeenRecord {
    Fingerprint fingerprint;
    int32_t check;
    uint32_t ordinal;

    uint32_t place() const { return static_cast<uint32_t>(fingerprint.high >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(fingerprint.high); }
};
static_assert(sizeof(SeenRecord) == 24, "memory per key is part of the contract");

struct CollidingRecord : SeenRecord {
    uint32_t place() const { return 0; }
    uint32_t tag() const { return 0; }
};

inline constexpr int kSetBits = 10;
inline constexpr int kSetPartitions = 1 << kSetBits;

struct FingerprintKey {
    const Fingerprint& fingerprint;
    int partition() const { return static_cast<int>(fingerprint.low >> (64 - kSetBits)); }
    uint32_t place() const { return static_cast<uint32_t>(fingerprint.high >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(fingerprint.high); }
    bool is(const SeenRecord& slot) const { return slot.fingerprint == fingerprint; }
};

struct CollidingKey {
    const Fingerprint& fingerprint;
    int partition() const { return 0; }
    uint32_t place() const { return 0; }
    uint32_t tag() const { return 0; }
    bool is(const SeenRecord& slot) const { return slot.fingerprint == fingerprint; }
};

// Scratch of one call: `starts` has kSetPartitions + 1 entries, `order` one a record.
struct AdmitScratch {
    uint32_t* starts;
    int32_t* order;
};

template <typename Slot, typename Key>
class FingerprintSet {
  public:
    FingerprintSet() {
        for (int p = 0; p < kSetPartitions; ++p) tables_[p].begin_with(staggered_entries(p, kSetPartitions));
    }
    [[nodiscard]] bool expect(uint64_t keys) {
        // Partitions differ by chance: four standard deviations more than the mean.
        const double mean = static_cast<double>(keys) / kSetPartitions;
        const auto each = static_cast<uint64_t>(mean + 4 * __builtin_sqrt(mean));
        for (int p = 0; keys && p < kSetPartitions; ++p)
            if (!tables_[p].expect(each)) return false;
        return true;
    }

    // firsts[i]: the slot of the first record with record i's key; it is record i itself when added[i].
    // `skip`, where given, marks records that are not to be looked at. False: no memory, nothing was added.
    [[nodiscard]] bool admit(const Fingerprint* fingerprints, const int32_t* checks, const uint32_t* ordinals,
                             const uint8_t* skip, int64_t count, const AdmitScratch& scratch, SeenRecord** firsts,
                             uint8_t* added) {
        sort_by_partition(fingerprints, skip, count, scratch);
        for (int p = 0; p < kSetPartitions; ++p) {
            const uint32_t more = scratch.starts[p + 1] - scratch.starts[p];
            if (more && !tables_[p].reserve(uint64_t{tables_[p].size()} + more)) return false;
        }
        const int64_t total = scratch.starts[kSetPartitions];
        constexpr int64_t kAhead = 16;
        for (int64_t i = 0; i < total; ++i) {
            if (i + 2 * kAhead < total) __builtin_prefetch(&fingerprints[scratch.order[i + 2 * kAhead]]);
            if (i + kAhead < total) {
                const Fingerprint& next = fingerprints[scratch.order[i + kAhead]];
                const auto& table = tables_[partition(next)];
                table.prefetch(Key{next}.place());
                table.prefetch_end();
            }
            if (i + kAhead / 2 < total) {
                const Fingerprint& soon = fingerprints[scratch.order[i + kAhead / 2]];
                tables_[partition(soon)].prefetch_slot(Key{soon});
            }
            const int32_t record = scratch.order[i];
            const Fingerprint& fingerprint = fingerprints[record];
            bool is_new = false;
            Slot& slot = tables_[partition(fingerprint)].find_or_append(Key{fingerprint}, is_new);
            if (is_new) {
                slot.fingerprint = fingerprint;
                slot.check = checks[record];
                slot.ordinal = ordinals[record];
            }
            firsts[record] = &slot;
            added[record] = is_new;
        }
        return true;
    }

    // checks[i] of a fingerprint that the set does not hold is null.
    void probe(const Fingerprint* fingerprints, int64_t count, ColumnOut* checks) const {
        constexpr int64_t kAhead = 16;
        for (int64_t i = 0; i < count; ++i) {
            if (i + 2 * kAhead < count) __builtin_prefetch(&tables_[partition(fingerprints[i + 2 * kAhead])]);
            if (i + kAhead < count) {
                const auto& table = tables_[partition(fingerprints[i + kAhead])];
                if (table.size()) table.prefetch(Key{fingerprints[i + kAhead]}.place());
            }
            if (i + kAhead / 2 < count) {
                const auto& table = tables_[partition(fingerprints[i + kAhead / 2])];
                if (table.size()) table.prefetch_slot(Key{fingerprints[i + kAhead / 2]});
            }
            const auto& table = tables_[partition(fingerprints[i])];
            const Slot* found = table.size() ? table.find(Key{fingerprints[i]}) : nullptr;
            checks->i32()[i] = found ? found->check : 0;
            if (!found) checks->set_null(i);
        }
    }

    int64_t size() const {
        int64_t total = 0;
        for (const auto& table : tables_) total += table.size();
        return total;
    }
    int64_t nbytes() const {
        int64_t total = 0;
        for (const auto& table : tables_) total += table.nbytes();
        return total;
    }

    // Every slot, by partition and then in order of arrival; calls sink(slot).
    template <typename Sink>
    void each(Sink&& sink) const {
        for (const auto& table : tables_)
            for (uint32_t i = 0; i < table.size(); ++i) sink(table.at(i));
    }

  private:
    static int partition(const Fingerprint& fingerprint) { return Key{fingerprint}.partition(); }

    void sort_by_partition(const Fingerprint* fingerprints, const uint8_t* skip, int64_t count,
                           const AdmitScratch& scratch) const {
        std::memset(scratch.starts, 0, sizeof(uint32_t) * (kSetPartitions + 1));
        for (int64_t i = 0; i < count; ++i)
            if (!skip || !skip[i]) ++scratch.starts[partition(fingerprints[i]) + 1];
        for (int p = 0; p < kSetPartitions; ++p) scratch.starts[p + 1] += scratch.starts[p];
        // Filling moves every start to its end; the shift afterwards moves them back.
        for (int64_t i = 0; i < count; ++i)
            if (!skip || !skip[i])
                scratch.order[scratch.starts[partition(fingerprints[i])]++] = static_cast<int32_t>(i);
        std::memmove(scratch.starts + 1, scratch.starts, sizeof(uint32_t) * kSetPartitions);
        scratch.starts[0] = 0;
    }

    SlotTable<Slot> tables_[kSetPartitions];
};

// The two builds of the set behind one face: kernels hold this.
class SeenSet {
  public:
    explicit SeenSet(bool all_collide) {
        if (all_collide) colliding_ = std::make_unique<FingerprintSet<CollidingRecord, CollidingKey>>();
        else plain_ = std::make_unique<FingerprintSet<SeenRecord, FingerprintKey>>();
    }
    [[nodiscard]] bool expect(uint64_t keys) { return colliding_ ? true : plain_->expect(keys); }
    [[nodiscard]] bool admit(const Fingerprint* fingerprints, const int32_t* checks, const uint32_t* ordinals,
                             const uint8_t* skip, int64_t count, const AdmitScratch& scratch, SeenRecord** firsts,
                             uint8_t* added) {
        return colliding_ ? colliding_->admit(fingerprints, checks, ordinals, skip, count, scratch, firsts, added)
                          : plain_->admit(fingerprints, checks, ordinals, skip, count, scratch, firsts, added);
    }
    void probe(const Fingerprint* fingerprints, int64_t count, ColumnOut* checks) const {
        if (colliding_) colliding_->probe(fingerprints, count, checks);
        else plain_->probe(fingerprints, count, checks);
    }
    int64_t size() const { return colliding_ ? colliding_->size() : plain_->size(); }
    int64_t nbytes() const { return colliding_ ? colliding_->nbytes() : plain_->nbytes(); }
    template <typename Sink>
    void each(Sink&& sink) const {
        if (colliding_) colliding_->each(sink);
        else plain_->each(sink);
    }

  private:
    std::unique_ptr<FingerprintSet<SeenRecord, FingerprintKey>> plain_;
    std::unique_ptr<FingerprintSet<CollidingRecord, CollidingKey>> colliding_;
};

// ------------------------------------------------------------------------------------------ a batch's verdicts

enum class AdmitStatus : int32_t { ok, memory, ordinals };
enum class Verdict : int16_t { fresh = -1, retransmission = 0, conflict = 1 };

struct AdmitTask {
    const Fingerprint* row_fingerprints;  // by row
    const int32_t* row_checks;
    const int64_t* record_nos;            // by row
    const int32_t* first;                 // by record: its first row; one more entry than records
    int64_t records;
    int64_t ordinal_base;
    const uint8_t* in_history;            // by row, or null
    const int32_t* history_checks;
};

// By record.
struct AdmitArrays {
    Fingerprint* fingerprints;
    int32_t* checks;
    uint32_t* ordinals;
    uint8_t* skip;
    uint8_t* added;
    SeenRecord** firsts;
    Verdict* verdicts;
    int64_t* first_ordinals;  // of those that are not fresh; -1: not in this run
};

// The arrays of one call, kept for the next.
struct AdmitBuffers {
    std::vector<Fingerprint> fingerprints;
    std::vector<int32_t> checks, order, first;
    std::vector<uint32_t> ordinals, starts = std::vector<uint32_t>(kSetPartitions + 1);
    std::vector<uint8_t> skip, added, in_history;
    std::vector<SeenRecord*> firsts;
    std::vector<Verdict> verdicts;
    std::vector<int64_t> first_ordinals;

    void hold(int64_t rows) {
        const auto size = static_cast<size_t>(rows) + 1;
        if (first.size() >= size) return;
        fingerprints.resize(size);
        for (auto* column : {&checks, &order, &first}) column->resize(size);
        ordinals.resize(size);
        for (auto* column : {&skip, &added, &in_history}) column->resize(size);
        firsts.resize(size);
        verdicts.resize(size);
        first_ordinals.resize(size);
    }
    AdmitArrays arrays() {
        return {fingerprints.data(), checks.data(), ordinals.data(), skip.data(),
                added.data(),        firsts.data(), verdicts.data(), first_ordinals.data()};
    }
    AdmitScratch scratch() { return {starts.data(), order.data()}; }
};

// Marks the rows whose fingerprint the history knows.
inline void mark_known(const ColumnView& history_checks, uint8_t* in_history) {
    for (int64_t i = 0; i < history_checks.length; ++i) in_history[i] = history_checks.valid(i);
}

inline AdmitStatus admit_records(SeenSet& set, const AdmitTask& task, const AdmitScratch& scratch,
                                 const AdmitArrays& arrays) {
    for (int64_t i = 0; i < task.records; ++i) {
        const int32_t row = task.first[i];
        const int64_t ordinal = task.ordinal_base + task.record_nos[row];
        if (ordinal < 0 || ordinal > int64_t{UINT32_MAX}) return AdmitStatus::ordinals;
        arrays.fingerprints[i] = task.row_fingerprints[row];
        arrays.checks[i] = task.row_checks[row];
        arrays.ordinals[i] = static_cast<uint32_t>(ordinal);
        arrays.skip[i] = task.in_history && task.in_history[row];
    }
    if (!set.admit(arrays.fingerprints, arrays.checks, arrays.ordinals, task.in_history ? arrays.skip : nullptr,
                   task.records, scratch, arrays.firsts, arrays.added))
        return AdmitStatus::memory;
    for (int64_t i = 0; i < task.records; ++i) {
        const bool known = arrays.skip[i];
        if (!known && arrays.added[i]) {  // nearly all: their slots are cold again, and nobody asks for them
            arrays.verdicts[i] = Verdict::fresh;
            continue;
        }
        const int32_t first_check = known ? task.history_checks[task.first[i]] : arrays.firsts[i]->check;
        arrays.verdicts[i] = first_check == arrays.checks[i] ? Verdict::retransmission : Verdict::conflict;
        arrays.first_ordinals[i] = known ? -1 : int64_t{arrays.firsts[i]->ordinal};
    }
    return AdmitStatus::ok;
}

struct Counts {
    int64_t fresh, duplicate;
};

inline Counts count_rows(const AdmitTask& task, const Verdict* verdicts) {
    Counts counts{0, 0};
    for (int64_t i = 0; i < task.records; ++i)
        (verdicts[i] == Verdict::fresh ? counts.fresh : counts.duplicate) += task.first[i + 1] - task.first[i];
    return counts;
}

// Contract: the outputs have room for count_rows.
inline void write_rows(const AdmitTask& task, const AdmitArrays& arrays, int32_t* fresh, int32_t* rows,
                       int16_t* verdicts, ColumnOut* first_ordinals) {
    int64_t duplicate = 0;
    for (int64_t i = 0; i < task.records; ++i)
        for (int32_t row = task.first[i]; row < task.first[i + 1]; ++row) {
            if (arrays.verdicts[i] == Verdict::fresh) {
                *fresh++ = row;
                continue;
            }
            rows[duplicate] = row;
            verdicts[duplicate] = static_cast<int16_t>(arrays.verdicts[i]);
            const bool in_run = arrays.first_ordinals[i] >= 0;
            first_ordinals->i64()[duplicate] = in_run ? arrays.first_ordinals[i] : 0;
            if (!in_run) first_ordinals->set_null(duplicate);
            ++duplicate;
        }
}

// ------------------------------------------------------------------------------------------------- as a history

inline void probe(const SeenSet& set, const ColumnView& fingerprints, ColumnOut* checks) {
    set.probe(fingerprints.as<Fingerprint>(), fingerprints.length, checks);
}

inline void list_entries(const SeenSet& set, Fingerprint* fingerprints, int32_t* checks, int64_t* ordinals) {
    set.each([&](const SeenRecord& slot) {
        *fingerprints++ = slot.fingerprint;
        *checks++ = slot.check;
        *ordinals++ = slot.ordinal;
    });
}

}  // namespace mediation
