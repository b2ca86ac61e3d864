// A run's entries sorted into the parts of a segment.
//
// Conventions
// - Only numbers of entries are sorted, by counting: a bucket is divided into kSlots slots, which hold about four
//   entries each and are then sorted alone. Entries that come by the first bits of their fingerprints, as an admission
//   lists them, are so read and written within the cache. Any order is right.
// - Parts are written one by one, in any order, each a function of the entries alone: equal sets give equal files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dedup/partition_day.hpp"
#include "dedup/segment.hpp"
#include "native/column.hpp"
#include "native/cpu.hpp"

namespace mediation {

inline constexpr uint64_t kMostEntries = UINT32_MAX;
inline constexpr uint64_t kSlots = 16;       // of a bucket
inline constexpr uint32_t kOrderAhead = 32;  // entries fetched before they are read; the order is that much longer

// Contract: no fingerprint comes twice; at most kMostEntries.
struct EntryColumns {
    const Fingerprint* fingerprints;
    const int32_t* checks;
    ColumnView days;
    uint32_t count;
};

namespace detail {

inline bool before(const Fingerprint& a, const Fingerprint& b) {
    return a.low != b.low ? a.low < b.low : a.high < b.high;
}

// The codes of days [first, end) that entries have.
struct DayCodes {
    uint32_t first, end;
};

inline DayCodes day_codes(const EntryColumns& entries) {
    DayCodes codes{kDayCodes, 0};
    for (uint32_t i = 0; i < entries.count; ++i) {
        const uint32_t code = day_code(entries.days, i);
        codes.first = std::min(codes.first, code);
        codes.end = std::max(codes.end, code + 1);
    }
    return codes;
}

MEDIATION_PREFETCHES void prefetch_key(const EntryColumns& entries, const uint32_t* order) {
    __builtin_prefetch(&entries.fingerprints[order[kOrderAhead]]);
}

// A partition's slots: the first of all, and their number.
struct Slots {
    uint64_t first, count;

    uint64_t of(const Fingerprint& key) const { return first + share_of(key.low, count); }
};

// Contract: `slots` begin with the first day's; `ends` has one more entry than there are slots and is all 0. Each end
// becomes the begin of the next slot.
inline void sort_by_slot(const EntryColumns& entries, const Slots* slots, uint32_t first_day, uint32_t* ends,
                         uint64_t slot_count, uint32_t* order) {
    const auto slot_of = [&](uint32_t i) {
        return slots[day_code(entries.days, i) - first_day].of(entries.fingerprints[i]);
    };
    for (uint32_t i = 0; i < entries.count; ++i) ++ends[slot_of(i)];
    uint32_t begin = 0;
    for (uint64_t s = 0; s <= slot_count; ++s) {
        const uint32_t count = ends[s];
        ends[s] = begin;
        begin += count;
    }
    for (uint32_t i = 0; i < entries.count; ++i) order[ends[slot_of(i)]++] = i;
}

inline void sort_slots(const EntryColumns& entries, const uint32_t* ends, uint64_t slot_count, uint32_t* order) {
    const Fingerprint* keys = entries.fingerprints;
    const auto by_key = [keys](uint32_t a, uint32_t b) { return before(keys[a], keys[b]); };
    uint32_t begin = 0;
    for (uint64_t s = 0; s < slot_count; ++s) {
        for (uint32_t i = begin; i < ends[s]; ++i) prefetch_key(entries, order + i);
        if (ends[s] - begin > 1) std::sort(order + begin, order + ends[s], by_key);
        begin = ends[s];
    }
}

}  // namespace detail

// Where the parts of a segment lie, and those of them that hold no entries.
class SegmentFrame {
  public:
    SegmentFrame() = default;
    SegmentFrame(const std::vector<PartitionPlace>& counted, const Fingerprint& identity, const SipState& secret)
        : places_(counted), secret_(secret), identity_(identity), seal_(secret, identity) {
        directory_offset_ = lay_out(places_);
    }

    const std::vector<PartitionPlace>& places() const { return places_; }
    const Seal& seal() const { return seal_; }
    uint64_t bytes() const { return directory_offset_ + directory_bytes(places_.size()); }

    // Contract of all: `out` has room for the part's bytes.
    void write_header(uint8_t* out) const {
        SegmentHeader header{};
        std::memcpy(header.magic, kSegmentMagic, sizeof header.magic);
        header.version = kSegmentVersion;
        header.partitions = static_cast<uint32_t>(places_.size());
        for (const PartitionPlace& place : places_) header.entries += place.entries;
        header.identity = identity_;
        header.directory_offset = directory_offset_;
        header.bytes = bytes();
        std::memcpy(out, &header, sizeof header);
        Seal(secret_, {0, 0}).close(SegmentPart::header, 0, 0, out, sizeof header - kChecksumBytes);
    }
    void write_begins(uint64_t partition, const uint32_t* begins, uint8_t* out) const {
        const uint64_t count = begins_bytes(places_[partition]) - kChecksumBytes;
        std::memcpy(out, begins, count);
        seal_.close(SegmentPart::begins, partition, 0, out, count);
    }
    void write_directory(uint8_t* out) const {
        const uint64_t count = places_.size() * sizeof(PartitionPlace);
        if (count) std::memcpy(out, places_.data(), count);
        seal_.close(SegmentPart::directory, 0, 0, out, count);
    }

  private:
    std::vector<PartitionPlace> places_;
    SipState secret_;
    Fingerprint identity_{0, 0};
    Seal seal_;
    uint64_t directory_offset_ = 0;
};

class SortedSegment {
  public:
    // Allocates; nothing else does.
    SortedSegment(const EntryColumns& entries, const SipState& secret)
        : entries_(entries), order_(size_t{entries.count} + kOrderAhead) {
        const detail::DayCodes codes = detail::day_codes(entries);
        const uint32_t days = entries.count ? codes.end - codes.first : 0;
        std::vector<uint32_t> counts(days);
        std::vector<detail::Slots> slots(days);
        std::vector<PartitionPlace> places;
        for (uint32_t i = 0; i < entries.count; ++i) ++counts[day_code(entries.days, i) - codes.first];
        uint64_t slot_count = 0;
        for (uint32_t d = 0; d < days; ++d) {
            if (!counts[d]) continue;
            places.push_back(place_for(static_cast<int32_t>(codes.first + d) - 1, counts[d]));
            slots[d] = {slot_count, places.back().buckets * kSlots};
            slot_count += slots[d].count;
        }
        std::vector<uint32_t> ends(slot_count + 1);
        detail::sort_by_slot(entries, slots.data(), codes.first, ends.data(), slot_count, order_.data());
        detail::sort_slots(entries, ends.data(), slot_count, order_.data());
        Fingerprint identity{0, 0};
        for (uint32_t i = 0; i < entries.count; ++i) add_to_identity(identity, entries.fingerprints[i]);
        frame = SegmentFrame(places, identity, secret);
        find_buckets(ends.data());
    }

    SegmentFrame frame;

    const uint32_t* begins_of(uint64_t partition) const { return begins_.data() + first_begin_[partition]; }
    uint64_t bytes_of_buckets(uint64_t partition, uint64_t begin, uint64_t end) const {
        const uint32_t* begins = begins_of(partition);
        return buckets_bytes(begins[end] - begins[begin], end - begin);
    }

    // Contract of all: `out` has room for the part's bytes.
    void write_buckets(uint64_t partition, uint64_t begin, uint64_t end, uint8_t* out) const {
        const uint32_t* begins = begins_of(partition);
        for (uint64_t b = begin; b < end; ++b) {
            const uint32_t count = begins[b + 1] - begins[b];
            const uint32_t* order = order_.data() + first_entry_[partition] + begins[b];
            uint8_t* checks = out + sizeof(Fingerprint) * count;
            for (uint32_t i = 0; i < count; ++i) {
                detail::prefetch_key(entries_, order + i);
                __builtin_prefetch(&entries_.checks[order[i + kOrderAhead]]);
                std::memcpy(out + sizeof(Fingerprint) * i, &entries_.fingerprints[order[i]], sizeof(Fingerprint));
                std::memcpy(checks + sizeof(int32_t) * i, &entries_.checks[order[i]], sizeof(int32_t));
            }
            frame.seal().close(SegmentPart::bucket, partition, b, out, count * kEntryBytes);
            out += count * kEntryBytes + kChecksumBytes;
        }
    }
    void write_filter(uint64_t partition, uint8_t* out) const {
        const PartitionPlace& place = frame.places()[partition];
        const uint32_t* order = order_.data() + first_entry_[partition];
        std::memset(out, 0, filter_bytes(place));
        FilterBlock block{};
        uint32_t at = 0;
        for (uint64_t i = 0; i < place.entries; ++i) {
            detail::prefetch_key(entries_, order + i);
            const Fingerprint& key = entries_.fingerprints[order[i]];
            const uint32_t next = share_of(key.low, place.blocks);
            if (next != at) {
                std::memcpy(out + sizeof block * at, &block, sizeof block);
                block = {};
                at = next;
            }
            add_to_filter(block, key.high);
        }
        std::memcpy(out + sizeof block * at, &block, sizeof block);
        frame.seal().close(SegmentPart::filter, partition, 0, out, filter_bytes(place) - kChecksumBytes);
    }

  private:
    // A bucket begins where its first slot does, which is where the slot before ends.
    void find_buckets(const uint32_t* ends) {
        uint64_t slot = 0, begins = 0;
        for (const PartitionPlace& place : frame.places()) begins += uint64_t{place.buckets} + 1;
        begins_.reserve(begins);
        first_begin_.reserve(frame.places().size());
        first_entry_.reserve(frame.places().size());
        for (const PartitionPlace& place : frame.places()) {
            const uint32_t first = slot ? ends[slot - 1] : 0;
            first_entry_.push_back(first);
            first_begin_.push_back(begins_.size());
            for (uint64_t b = 0; b <= place.buckets; ++b, slot += kSlots)
                begins_.push_back(slot ? ends[slot - 1] - first : 0);
            slot -= kSlots;
        }
    }

    EntryColumns entries_;
    std::vector<uint32_t> order_;
    std::vector<uint32_t> begins_, first_entry_;  // begins: one more a partition than buckets
    std::vector<uint64_t> first_begin_;
};

}  // namespace mediation
