// Exact keyed records in memory: dense slots in order of arrival, found through a small index.
//
// Why not slots in the hash table itself: slots are written once, next to each other, and never move; only the 4-byte
// entries are spread and re-spread. A key costs its slot plus 5 to 9 bytes (7 on average, as partitions grow at
// different times), an insertion one unpredictable cache line.
//
// Conventions
// - A partition holds at most kMostSlots slots. Nothing is ever removed, so there are no tombstones.
// - `reserve` allocates; `find` and `append` never do. The caller reserves for a whole batch, then inserts.
// - The hash of a slot is a pure function of its key: Slot::place() gives 32 bits for the position, Slot::tag() 10
//   bits or more that spare comparisons. Equality is decided by the key alone, so any hash is exact.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace mediation {

inline constexpr uint32_t kIndexBits = 22;
inline constexpr uint32_t kMostSlots = (1u << kIndexBits) - 1;  // entry 0 is empty
inline constexpr uint32_t kTagMask = (1u << (32 - kIndexBits)) - 1;

// For begin_with: partition p of n begins at 16 x 1.75^(p / n) entries.
inline uint32_t staggered_entries(int p, int n) {
    return static_cast<uint32_t>(16 * std::pow(1.75, static_cast<double>(p) / n) + 0.5);
}

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

    // The index begins with this many entries and grows by three quarters: partitions that begin differently do not all
    // grow at once, so memory and time are even.
    void begin_with(uint32_t entries) { least_entries_ = entries < kLeastEntries ? kLeastEntries : entries; }

    uint32_t size() const { return size_; }
    Slot& at(uint32_t i) const { return chunks_[i / kChunk][i % kChunk]; }

    int64_t nbytes() const {
        const auto chunk_bytes = static_cast<int64_t>(kChunk * sizeof(Slot) + 16);  // 16: the allocator's own
        return static_cast<int64_t>(chunks_.size()) * chunk_bytes + int64_t{4} * capacity_ +
               static_cast<int64_t>(chunks_.capacity() * sizeof(Slot*) + sizeof(*this));
    }

    // Makes room for `count` slots in all. False when memory or the partition is exhausted.
    [[nodiscard]] bool reserve(uint64_t count) {
        if (count > kMostSlots) return false;
        while (chunks_.size() * kChunk < count) {
            auto* chunk = static_cast<Slot*>(std::malloc(kChunk * sizeof(Slot)));
            if (!chunk) return false;
            chunks_.push_back(chunk);
        }
        return count * kLoadUnder <= uint64_t{capacity_} * kLoadOver || respread(count);
    }

    // Sizes the index for `count` slots that are expected: nothing is lost when the guess is wrong.
    [[nodiscard]] bool expect(uint64_t count) {
        if (count > kMostSlots) count = kMostSlots;
        return count <= size_ || capacity_ >= entries_for(count) || set_capacity(entries_for(count));
    }

    // Gives the index back: the slots stay readable, in whatever order the caller puts them, but none is found again.
    void drop_index() {
        std::free(index_);
        index_ = nullptr;
        capacity_ = 0;
    }

    // Only after a reserve of 1 or more.
    void prefetch(uint32_t place) const { __builtin_prefetch(index_ + position(place), 1); }
    // Once the entry is here: the slot that it leads to, where that may be the key's.
    template <typename Key>
    void prefetch_slot(const Key& key) const {
        const uint32_t entry = index_[position(key.place())];
        if (entry && (((entry >> kIndexBits) ^ key.tag()) & kTagMask) == 0)
            __builtin_prefetch(&at((entry & kMostSlots) - 1), 1);
    }
    void prefetch_end() const {
        if (size_ / kChunk < chunks_.size()) __builtin_prefetch(&at(size_), 1);
    }

    // The slot with this key, or null. `Key` offers place(), tag() and is(slot). Only after a reserve of 1 or more.
    template <typename Key>
    Slot* find(const Key& key) const {
        const uint32_t tag = (key.tag() & kTagMask) << kIndexBits;
        for (uint32_t at = position(key.place());; at = at + 1 == capacity_ ? 0 : at + 1) {
            const uint32_t entry = index_[at];
            if (!entry) return nullptr;
            if (((entry ^ tag) >> kIndexBits) == 0) {
                Slot& slot = this->at((entry & kMostSlots) - 1);
                if (key.is(slot)) return &slot;
            }
        }
    }

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
    static constexpr uint64_t kLoadOver = 4, kLoadUnder = 5;  // at most 4/5 of the entries are taken
    static constexpr uint32_t kLeastEntries = 16;

    static uint64_t entries_for(uint64_t count) {
        return (count * kLoadUnder + kLoadOver - 1) / kLoadOver + kLeastEntries;
    }

    uint32_t position(uint32_t place) const {
        return static_cast<uint32_t>((uint64_t{place} * capacity_) >> 32);
    }

    bool respread(uint64_t count) {
        const uint64_t needed = entries_for(count);
        uint64_t entries = least_entries_;
        while (entries < needed) entries += entries / 4 * 3;
        return set_capacity(entries);
    }

    bool set_capacity(uint64_t entries) {
        // Not calloc: its pages would be mapped when an entry is read and again when it is written.
        auto* fresh = static_cast<uint32_t*>(std::malloc(entries * 4));
        if (!fresh) return false;
        std::memset(fresh, 0, entries * 4);
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
    uint32_t least_entries_ = kLeastEntries;
    std::vector<Slot*> chunks_;
};

}  // namespace mediation
