// Several segments written as one, front to back, with a slice of it in memory at a time.
//
// Conventions
// - Partition by partition, and of a partition slice by slice, some of its buckets each: the inputs' buckets that reach
//   into the slice are taken, and what lies behind it waits for the next. Filters and begins are kept until the end,
//   where they lie in the file.
// - The kernel says which bytes it wants and is given them: it reads no file.
// - The result is that of SortedSegment over all entries, byte for byte; only an identity says of days that were left
//   out that they once were there.
// - A bucket that closes and yet holds what belongs elsewhere is damage.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "dedup/segment_probe.hpp"
#include "dedup/segment_write.hpp"

namespace mediation {

// A partition of an input that goes into the partition at hand, and its first bucket that was not taken yet.
struct MergeSource {
    uint32_t input, partition, next;
};

// The buckets [begin, end) of a source, which reach into the slice at hand.
struct WantedBuckets {
    uint32_t source, begin, end;
    uint64_t offset, bytes;
};

struct HeldEntry {
    Fingerprint key;
    int32_t check;
};

class MergedSegment {
  public:
    // Contract: no fingerprint is in two inputs; kMostEntries at most in all. The inputs stay where they are.
    // Dated partitions before `floor_day` are left out.
    MergedSegment(const std::vector<const SegmentIndex*>& inputs, int32_t floor_day, const SipState& secret)
        : inputs_(inputs) {
        Fingerprint identity{0, 0};
        std::map<int32_t, uint64_t> entries;  // by day
        for (const SegmentIndex* input : inputs) {
            add_to_identity(identity, input->header.identity);
            for (const Partition& each : input->partitions) entries[each.place.day] += each.place.entries;
        }
        std::vector<PartitionPlace> places;
        for (const auto& [day, count] : entries)
            if (day == kUndated || day >= floor_day) places.push_back(place_for(day, count));
        frame = SegmentFrame(places, identity, secret);
        uint64_t blocks = 0, begins = 0;
        for (const PartitionPlace& place : frame.places()) {
            first_block_.push_back(blocks);
            first_begin_.push_back(begins);
            blocks += uint64_t{place.blocks} + 1;
            begins += uint64_t{place.buckets} + 1;
        }
        filters_.resize(blocks);
        begins_.resize(begins);
    }

    SegmentFrame frame;

    // Turns to the next partition; gives what goes into it. Contract: before a source's buckets are asked for, its
    // begins are read.
    const std::vector<MergeSource>& begin(uint64_t partition) {
        partition_ = partition;
        slice_begin_ = slice_end_ = 0;
        held_.clear();
        sources_.clear();
        for (uint32_t i = 0; i < inputs_.size(); ++i) {
            const Partition* found = inputs_[i]->partition_of(place().day);
            if (found) sources_.push_back({i, inputs_[i]->number_of(found), 0});
        }
        return sources_;
    }

    // Turns to the slice of the partition's buckets from the last one's end up to `end`; gives what it wants.
    const std::vector<WantedBuckets>& want(uint64_t end) {
        wanted_.clear();
        slice_begin_ = slice_end_;
        slice_end_ = end;
        const uint64_t last = last_of_share(end - 1, place().buckets);
        for (uint32_t s = 0; s < sources_.size(); ++s) {
            const Partition& partition = partition_of(sources_[s]);
            const uint32_t begin = sources_[s].next, beyond = share_of(last, partition.place.buckets) + 1;
            if (beyond <= begin) continue;
            const uint64_t offset = partition.offset_of(begin);
            wanted_.push_back({s, begin, beyond, offset, partition.offset_of(beyond) - offset});
        }
        return wanted_;
    }

    // Takes what the slice wants. False: it is damaged.
    [[nodiscard]] bool take(const WantedBuckets& wanted, const uint8_t* bytes, uint64_t count) {
        MergeSource& source = sources_[wanted.source];
        const SegmentIndex& input = *inputs_[source.input];
        if (!input.buckets_close(source.partition, wanted.begin, wanted.end, bytes, count)) return false;
        const Partition& partition = partition_of(source);
        size_t at = held_.size();
        held_.resize(at + partition.begins[wanted.end] - partition.begins[wanted.begin]);
        for (uint32_t b = wanted.begin; b < wanted.end; ++b) {
            const uint32_t entries = partition.begins[b + 1] - partition.begins[b];
            const uint8_t* checks = bytes + sizeof(Fingerprint) * entries;
            for (uint32_t i = 0; i < entries; ++i, ++at) {
                std::memcpy(&held_[at].key, bytes + sizeof(Fingerprint) * i, sizeof(Fingerprint));
                std::memcpy(&held_[at].check, checks + sizeof(int32_t) * i, sizeof(int32_t));
                if (share_of(held_[at].key.low, partition.place.buckets) != b) return false;
            }
            bytes += entries * kEntryBytes + kChecksumBytes;
        }
        source.next = wanted.end;
        return true;
    }

    // Sorts the slice; gives the length of its buckets. Contract: all that it wants was taken.
    uint64_t sort_slice() {
        const uint64_t all_slots = place().buckets * kSlots, first = slice_begin_ * kSlots;
        const uint64_t slots = (slice_end_ - slice_begin_) * kSlots;
        const auto slot_of = [&](const HeldEntry& entry) {  // one more is for what lies behind the slice
            return std::min(share_of(entry.key.low, all_slots) - first, slots);
        };
        ends_.assign(slots + 2, 0);
        sorted_.resize(held_.size());
        for (const HeldEntry& entry : held_) ++ends_[slot_of(entry) + 1];
        for (uint64_t s = 0; s <= slots; ++s) ends_[s + 1] += ends_[s];
        for (const HeldEntry& entry : held_) sorted_[ends_[slot_of(entry)]++] = entry;
        uint32_t begin = 0;
        for (uint64_t s = 0; s < slots; ++s) {
            if (ends_[s] - begin > 1)
                std::sort(sorted_.begin() + begin, sorted_.begin() + ends_[s],
                          [](const HeldEntry& a, const HeldEntry& b) { return detail::before(a.key, b.key); });
            begin = ends_[s];
        }
        held_.assign(sorted_.begin() + begin, sorted_.end());
        return buckets_bytes(begin, slice_end_ - slice_begin_);
    }

    // Contract: it is sorted; `out` has room for its bytes.
    void write_slice(uint8_t* out) {
        uint32_t* begins = begins_.data() + first_begin_[partition_];
        FilterBlock* filter = filters_.data() + first_block_[partition_];
        const HeldEntry* entry = sorted_.data();
        for (uint64_t b = slice_begin_; b < slice_end_; ++b) {
            const HeldEntry* end = sorted_.data() + ends_[(b - slice_begin_ + 1) * kSlots - 1];
            const auto count = static_cast<uint32_t>(end - entry);
            begins[b + 1] = begins[b] + count;
            for (uint32_t i = 0; i < count; ++i, ++entry) {
                std::memcpy(out + sizeof(Fingerprint) * i, &entry->key, sizeof entry->key);
                std::memcpy(out + sizeof(Fingerprint) * count + sizeof(int32_t) * i, &entry->check,
                            sizeof entry->check);
                add_to_filter(filter[share_of(entry->key.low, place().blocks)], entry->key.high);
            }
            frame.seal().close(SegmentPart::bucket, partition_, b, out, count * kEntryBytes);
            out += count * kEntryBytes + kChecksumBytes;
        }
        if (slice_end_ < place().buckets) return;
        const uint64_t filter_length = filter_bytes(place()) - kChecksumBytes;
        frame.seal().close(SegmentPart::filter, partition_, 0, reinterpret_cast<uint8_t*>(filter), filter_length);
    }

    // Contract of both: all slices of the partition are written.
    const uint32_t* begins_of(uint64_t partition) const { return begins_.data() + first_begin_[partition]; }
    const FilterBlock* filter_of(uint64_t partition) const { return filters_.data() + first_block_[partition]; }

    int64_t nbytes() const {
        return static_cast<int64_t>(filters_.capacity() * sizeof(FilterBlock) + begins_.capacity() * sizeof(uint32_t) +
                                    (held_.capacity() + sorted_.capacity()) * sizeof(HeldEntry) +
                                    ends_.capacity() * sizeof(uint32_t));
    }

  private:
    const PartitionPlace& place() const { return frame.places()[partition_]; }
    const Partition& partition_of(const MergeSource& source) const {
        return inputs_[source.input]->partitions[source.partition];
    }

    std::vector<const SegmentIndex*> inputs_;
    std::vector<FilterBlock> filters_;  // each partition's blocks, and one for the checksum
    std::vector<uint32_t> begins_;
    std::vector<uint64_t> first_block_, first_begin_;
    uint64_t partition_ = 0, slice_begin_ = 0, slice_end_ = 0;
    std::vector<MergeSource> sources_;
    std::vector<WantedBuckets> wanted_;
    std::vector<HeldEntry> held_, sorted_;  // what lies behind the last slice, and the slice at hand
    std::vector<uint32_t> ends_;            // of slots
};

}  // namespace mediation
