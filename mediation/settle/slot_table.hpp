// Exact keyed sums in memory: dense slots in order of arrival, found through a small index. Slots are written once,
// next to each other, and never move; only the 4-byte entries are spread and re-spread.
//
// Conventions
// - A table holds at most kMostSlots slots. Nothing is ever removed, so there are no tombstones.
// - `reserve` allocates; `find_or_append` never does. The caller reserves for a whole batch, then inserts.
// - The hash of a slot is a pure function of its key: Slot::place() gives 32 bits for the position, Slot::tag() 10
//   bits or more that spare comparisons. Equality is decided by the key alone, so any hash is exact.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "native/cpu.hpp"

namespace mediation {

inline constexpr uint32_t kIndexBits = 22;
inline constexpr uint32_t kMostSlots = (1u << kIndexBits) - 1;  // entry 0 is empty
inline constexpr uint32_t kTagMask = (1u << (32 - kIndexBits)) - 1;

template <typename Slot>
class SlotTable {
  public:
    SlotTable() = default;
    SlotTable(const SlotTable&) = delete;
    SlotTable& operator=(const SlotTable&) = delete;
    ~SlotTable() {
        for (Slot* chunk : chunks_) std::free(chunk);
        std::free(index_);
    }

    uint32_t size() const { return size_; }
    Slot& at(uint32_t i) const { return chunks_[i / kChunk][i % kChunk]; }

    // Makes room for `count` slots in all. False when memory or the table is exhausted.
    [[nodiscard]] bool reserve(uint64_t count) {
        if (count > kMostSlots) return false;
        while (chunks_.size() * kChunk < count) {
            auto* chunk = static_cast<Slot*>(std::malloc(kChunk * sizeof(Slot)));
            if (!chunk) return false;
            chunks_.push_back(chunk);
        }
        return count * kLoadUnder <= uint64_t{capacity_} * kLoadOver || respread(count);
    }

    // Only after a reserve of 1 or more.
    MEDIATION_PREFETCHES void prefetch(uint32_t place) const { __builtin_prefetch(index_ + position(place), 1); }

    // The slot with this key, or a new one whose content is the caller's to write; `added` says which.
    template <typename Key>
    Slot& find_or_append(const Key& key, bool& added) {
        const uint32_t tag = (key.tag() & kTagMask) << kIndexBits;
        for (uint32_t at = position(key.place());; at = at + 1 == capacity_ ? 0 : at + 1) {
            const uint32_t entry = index_[at];
            if (!entry) {
                index_[at] = tag | (size_ + 1);
                added = true;
                return this->at(size_++);
            }
            if (((entry ^ tag) >> kIndexBits) == 0) {
                Slot& slot = this->at((entry & kMostSlots) - 1);
                if (key.is(slot)) {
                    added = false;
                    return slot;
                }
            }
        }
    }

  private:
    static constexpr uint32_t kChunk = 64;
    // At most half of the entries are taken: then the processor foresees how many are looked at, and a row takes 19 ns
    // to settle where it took 21 with four fifths.
    static constexpr uint64_t kLoadOver = 1, kLoadUnder = 2;
    static constexpr uint32_t kLeastEntries = 16;

    static uint64_t entries_for(uint64_t count) {
        return (count * kLoadUnder + kLoadOver - 1) / kLoadOver + kLeastEntries;
    }

    uint32_t position(uint32_t place) const {
        return static_cast<uint32_t>((uint64_t{place} * capacity_) >> 32);
    }

    bool respread(uint64_t count) {
        const uint64_t needed = entries_for(count);
        uint64_t entries = kLeastEntries;
        while (entries < needed) entries += entries / 4 * 3;
        return set_capacity(entries);
    }

    bool set_capacity(uint64_t entries) {
        auto* fresh = static_cast<uint32_t*>(std::calloc(entries, sizeof(uint32_t)));
        if (!fresh) return false;
        std::free(index_);
        index_ = fresh;
        capacity_ = static_cast<uint32_t>(entries);
        for (uint32_t i = 0; i < size_; ++i) {
            const Slot& slot = at(i);
            uint32_t at = position(slot.place());
            while (index_[at]) at = at + 1 == capacity_ ? 0 : at + 1;
            index_[at] = ((slot.tag() & kTagMask) << kIndexBits) | (i + 1);
        }
        return true;
    }

    uint32_t* index_ = nullptr;
    uint32_t capacity_ = 0;
    uint32_t size_ = 0;
    std::vector<Slot*> chunks_;
};

}  // namespace mediation
