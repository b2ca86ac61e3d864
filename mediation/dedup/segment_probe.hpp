// Which of a batch's fingerprints a segment holds: filters in memory of the days that were asked, buckets as they are
// read.
//
// Conventions
// - A batch is sorted once, by day and the first bits of the fingerprints: each partition's filter is then gone through
//   in order, and the buckets wanted of it lie in order too.
// - The kernel says which bytes it wants, `BucketSpan`s of whole buckets, and is given them: it reads no file.
// - False means damage. Nothing of a part that does not close is used.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dedup/partition_day.hpp"
#include "dedup/segment.hpp"
#include "native/arena.hpp"
#include "native/column.hpp"
#include "native/cpu.hpp"

namespace mediation {

// ------------------------------------------------------------------------------------------ what is kept

struct Partition {
    PartitionPlace place;
    FilterBlock* filter = nullptr;  // until it is read
    std::vector<uint32_t> begins;   // of buckets, among the entries; one more than buckets, or none until they are read

    bool is_read() const { return filter && !begins.empty(); }
    uint64_t offset_of(uint64_t bucket) const {
        return place.buckets_offset + buckets_bytes(begins[bucket], bucket);
    }
    uint64_t bytes_of(uint64_t bucket) const { return buckets_bytes(begins[bucket + 1] - begins[bucket], 1); }
};

// Contract: header and directory are read first, and a partition's filter and begins before what they answer is asked.
class SegmentIndex {
  public:
    SegmentHeader header{};
    std::vector<Partition> partitions;

    [[nodiscard]] bool read_header(const uint8_t* bytes, uint64_t count, uint64_t file_bytes, const SipState& secret) {
        if (count != sizeof header) return false;
        std::memcpy(&header, bytes, sizeof header);
        if (std::memcmp(header.magic, kSegmentMagic, sizeof header.magic) != 0) return false;
        if (header.version != kSegmentVersion || header.bytes != file_bytes) return false;
        seal_ = Seal(secret, header.identity);
        return Seal(secret, {0, 0}).closes(SegmentPart::header, 0, 0, bytes, count) &&
               header.bytes == header.directory_offset + directory_bytes(header.partitions);
    }
    [[nodiscard]] bool read_directory(const uint8_t* bytes, uint64_t count) {
        if (count != directory_bytes(header.partitions)) return false;
        if (!seal_.closes(SegmentPart::directory, 0, 0, bytes, count)) return false;
        std::vector<PartitionPlace> told(header.partitions), wanted(header.partitions);
        if (header.partitions) std::memcpy(told.data(), bytes, told.size() * sizeof(PartitionPlace));
        uint64_t entries = 0;
        for (size_t i = 0; i < told.size(); ++i) {  // none is empty
            if (told[i].entries - 1 >= UINT32_MAX || told[i].day < kUndated || told[i].day > kLastDay) return false;
            if (i && told[i].day <= told[i - 1].day) return false;
            wanted[i] = place_for(told[i].day, told[i].entries);
            entries += told[i].entries;
        }
        if (lay_out(wanted) != header.directory_offset || entries != header.entries) return false;
        partitions.resize(told.size());
        for (size_t i = 0; i < told.size(); ++i) {
            if (std::memcmp(&told[i], &wanted[i], sizeof(PartitionPlace)) != 0) return false;
            partitions[i].place = told[i];
        }
        return true;
    }
    [[nodiscard]] bool filter_closes(uint64_t number, const uint8_t* bytes, uint64_t count) const {
        return count == filter_bytes(partitions[number].place) &&
               seal_.closes(SegmentPart::filter, number, 0, bytes, count);
    }
    // Contract: the bytes close. In huge pages, where it fills one. False: no memory.
    [[nodiscard]] bool keep_filter(uint64_t number, const uint8_t* bytes) {
        Partition& partition = partitions[number];
        const size_t size = partition.place.blocks * sizeof(FilterBlock);
        uint8_t* room = (size < Arena::kHugePage ? small_filters_ : large_filters_).take(size);
        if (!room) return false;
        std::memcpy(room, bytes, size);
        partition.filter = reinterpret_cast<FilterBlock*>(room);
        return true;
    }
    [[nodiscard]] bool read_begins(uint64_t number, const uint8_t* bytes, uint64_t count) {
        Partition& partition = partitions[number];
        if (count != begins_bytes(partition.place)) return false;
        if (!seal_.closes(SegmentPart::begins, number, 0, bytes, count)) return false;
        partition.begins.resize(uint64_t{partition.place.buckets} + 1);
        std::memcpy(partition.begins.data(), bytes, count - kChecksumBytes);
        return std::is_sorted(partition.begins.begin(), partition.begins.end()) && partition.begins.front() == 0 &&
               partition.begins.back() == partition.place.entries;
    }

    // `bytes` are the whole buckets from `begin` on, up to `end`.
    [[nodiscard]] bool buckets_close(uint64_t number, uint64_t begin, uint64_t end, const uint8_t* bytes,
                                     uint64_t count) const {
        for (uint64_t b = begin; b < end; ++b) {
            const uint64_t length = partitions[number].bytes_of(b);
            if (count < length || !bucket_closes(number, b, bytes)) return false;
            bytes += length;
            count -= length;
        }
        return count == 0;
    }
    bool bucket_closes(uint64_t number, uint64_t bucket, const uint8_t* bytes) const {
        return seal_.closes(SegmentPart::bucket, number, bucket, bytes, partitions[number].bytes_of(bucket));
    }
    // Of what is kept; the arenas have some more, which nobody has touched.
    int64_t nbytes() const {
        size_t total = sizeof *this + partitions.capacity() * sizeof(Partition);
        for (const Partition& partition : partitions) {
            total += partition.begins.capacity() * sizeof(uint32_t);
            if (partition.filter) total += partition.place.blocks * sizeof(FilterBlock);
        }
        return static_cast<int64_t>(total);
    }

    // The partition of a day, or null.
    const Partition* partition_of(int32_t day) const {
        const auto found = std::lower_bound(partitions.begin(), partitions.end(), day,
                                            [](const Partition& p, int32_t wanted) { return p.place.day < wanted; });
        return found != partitions.end() && found->place.day == day ? &*found : nullptr;
    }
    uint32_t number_of(const Partition* partition) const {
        return static_cast<uint32_t>(partition - partitions.data());
    }

  private:
    Seal seal_;
    Arena small_filters_{Visits::in_order}, large_filters_{Visits::at_random};
};

// ----------------------------------------------------------------------------------------- what is asked

struct AskedKey {
    Fingerprint key;
    int32_t row;
};

// The asked keys [begin, end) of one day.
struct AskedDay {
    int32_t day;
    uint32_t begin, end;
};

// The same of a segment's partition.
struct AskedPartition {
    uint32_t number, begin, end;
};

struct Candidate {
    uint32_t bucket, key;  // an asked key that the filter lets through
};

// Bytes of one partition's whole buckets, and the candidates [begin, end) that may be in them.
struct BucketSpan {
    uint64_t offset, bytes;
    uint32_t partition, begin, end;
};

inline constexpr int kAskedBits = 10;
inline constexpr uint64_t kMostGapBytes = 4096;            // read with its neighbours rather than left out
inline constexpr uint64_t kMostSpanBytes = uint64_t{1} << 20;  // unless one bucket is larger

namespace detail {

// Sorts stably by code(key), which is below `codes`. `begins` has room for one more.
template <typename Code>
inline void sort_asked(const AskedKey* keys, uint32_t count, uint32_t codes, uint32_t* begins, AskedKey* out,
                       Code&& code) {
    std::memset(begins, 0, sizeof(uint32_t) * (codes + 1));
    for (uint32_t i = 0; i < count; ++i) ++begins[code(keys[i]) + 1];
    for (uint32_t c = 0; c < codes; ++c) begins[c + 1] += begins[c];
    for (uint32_t i = 0; i < count; ++i) out[begins[code(keys[i])]++] = keys[i];
}

MEDIATION_PREFETCHES void prefetch_block(const Partition& partition, const Fingerprint& key) {
    __builtin_prefetch(&partition.filter[share_of(key.low, partition.place.blocks)]);
}

// Appends those of the keys that the filter lets through; returns how many. Contract: room for all.
inline uint32_t pass_filter(const Partition& partition, const AskedKey* keys, uint32_t begin, uint32_t end,
                            Candidate* out) {
    constexpr uint32_t kAhead = 32;
    uint32_t passed = 0;
    for (uint32_t i = begin; i < end; ++i) {
        prefetch_block(partition, keys[i + kAhead < end ? i + kAhead : i].key);
        const Fingerprint& key = keys[i].key;
        const FilterBlock& block = partition.filter[share_of(key.low, partition.place.blocks)];
        out[passed] = {share_of(key.low, partition.place.buckets), i};
        passed += filter_holds(block, key.high);
    }
    return passed;
}

// The place of the key in the bucket's ascending fingerprints, or -1.
inline int64_t find_in_bucket(const uint8_t* bytes, uint64_t count, const Fingerprint& key) {
    uint64_t begin = 0, end = count;
    while (begin < end) {
        const uint64_t middle = (begin + end) / 2;
        Fingerprint at;
        std::memcpy(&at, bytes + sizeof at * middle, sizeof at);
        if (at == key) return static_cast<int64_t>(middle);
        if (at.low != key.low ? at.low < key.low : at.high < key.high) begin = middle + 1;
        else end = middle;
    }
    return -1;
}

}  // namespace detail

// A batch that is looked up in one segment after the other; its arrays are kept for the next batch.
class Probe {
  public:
    // Contract: `checks` is nullable and has room for all rows, of which there are less than 2^31.
    void begin(const ColumnView& fingerprints, const ColumnView& days, ColumnOut* checks) {
        const auto* keys = fingerprints.as<Fingerprint>();
        const auto rows = static_cast<uint32_t>(fingerprints.length);
        hold(rows);
        uint32_t least = kDayCodes, most = 0;
        for (uint32_t i = 0; i < rows; ++i) {
            const uint32_t code = day_code(days, i);
            least = std::min(least, code);
            most = std::max(most, code);
            scratch_[i] = {keys[i], static_cast<int32_t>(i)};
        }
        detail::sort_asked(scratch_.data(), rows, 1 << kAskedBits, begins_.data(), keys_.data(),
                           [](const AskedKey& asked) { return asked.key.low >> (64 - kAskedBits); });
        groups_.clear();
        if (rows) group_by_day(days, rows, least, most);
        checks_ = checks;
        std::memset(checks->data, 0, sizeof(int32_t) * rows);
        std::memset(checks->validity, 0, (rows + 7) / 8);
        checks->null_count = rows;
    }

    // Turns to a segment; gives its partitions that the batch asks and that are not read yet.
    const std::vector<uint32_t>& turn_to(const SegmentIndex& index) {
        asked_.clear();
        unread_.clear();
        for (const AskedDay& asked : groups_) {
            const Partition* found = index.partition_of(asked.day);
            if (!found) continue;
            asked_.push_back({index.number_of(found), asked.begin, asked.end});
            if (!found->is_read()) unread_.push_back(index.number_of(found));
        }
        return unread_;
    }

    // The spans of the segment that may hold a key of the batch, ascending. Contract: it was turned to, and what it
    // asks is read.
    const std::vector<BucketSpan>& ask(const SegmentIndex& index) {
        spans_.clear();
        uint32_t passed = 0;
        for (const AskedPartition& asked : asked_) {
            const Partition& partition = index.partitions[asked.number];
            const uint32_t more =
                detail::pass_filter(partition, keys_.data(), asked.begin, asked.end, candidates_.data() + passed);
            std::sort(candidates_.begin() + passed, candidates_.begin() + passed + more,
                      [](const Candidate& a, const Candidate& b) {
                          return a.bucket != b.bucket ? a.bucket < b.bucket : a.key < b.key;
                      });
            join_buckets(partition, asked.number, passed, passed + more);
            passed += more;
        }
        return spans_;
    }

    // Answers for the keys that the span's bytes hold, where no earlier segment has.
    [[nodiscard]] bool search(const SegmentIndex& index, const BucketSpan& span, const uint8_t* bytes, uint64_t count) {
        const Partition& partition = index.partitions[span.partition];
        if (count != span.bytes) return false;
        for (uint32_t c = span.begin; c < span.end; ++c) {
            const uint32_t bucket = candidates_[c].bucket;
            const uint8_t* at = bytes + (partition.offset_of(bucket) - span.offset);
            const bool new_bucket = c == span.begin || candidates_[c - 1].bucket != bucket;
            if (new_bucket && !index.bucket_closes(span.partition, bucket, at)) return false;
            const uint64_t entries = partition.begins[bucket + 1] - partition.begins[bucket];
            const AskedKey& asked = keys_[candidates_[c].key];
            const int64_t place = detail::find_in_bucket(at, entries, asked.key);
            if (place >= 0) answer(asked.row, at + sizeof(Fingerprint) * entries + sizeof(int32_t) * place);
        }
        return true;
    }

    int64_t nbytes() const {
        return static_cast<int64_t>((keys_.capacity() + scratch_.capacity()) * sizeof(AskedKey) +
                                    candidates_.capacity() * sizeof(Candidate) + begins_.capacity() * sizeof(uint32_t) +
                                    groups_.capacity() * sizeof(AskedDay) +
                                    asked_.capacity() * sizeof(AskedPartition) +
                                    spans_.capacity() * sizeof(BucketSpan));
    }

  private:
    void hold(uint32_t rows) {
        if (begins_.empty()) begins_.resize(kDayCodes + 1);
        if (keys_.size() >= size_t{rows} + 1) return;
        keys_.resize(size_t{rows} + 1);
        scratch_.resize(size_t{rows} + 1);
        candidates_.resize(size_t{rows} + 1);
    }

    void group_by_day(const ColumnView& days, uint32_t rows, uint32_t least, uint32_t most) {
        if (least == most) {
            groups_.push_back({static_cast<int32_t>(least) - 1, 0, rows});
            return;
        }
        const auto code = [&](const AskedKey& asked) { return day_code(days, asked.row) - least; };
        keys_.swap(scratch_);
        detail::sort_asked(scratch_.data(), rows, most - least + 1, begins_.data(), keys_.data(), code);
        uint32_t begin = 0;
        for (uint32_t c = 0; c <= most - least; ++c) {  // each begin has moved on to its end
            if (begins_[c] > begin) groups_.push_back({static_cast<int32_t>(least + c) - 1, begin, begins_[c]});
            begin = begins_[c];
        }
    }

    void join_buckets(const Partition& partition, uint32_t number, uint32_t begin, uint32_t end) {
        const size_t first = spans_.size();
        for (uint32_t c = begin; c < end; ++c) {
            const uint32_t bucket = candidates_[c].bucket;
            const uint64_t from = partition.offset_of(bucket), to = from + partition.bytes_of(bucket);
            if (spans_.size() > first) {
                BucketSpan& last = spans_.back();
                const uint64_t last_to = last.offset + last.bytes;
                if (to <= last_to || (from <= last_to + kMostGapBytes && to - last.offset <= kMostSpanBytes)) {
                    last.bytes = std::max(last_to, to) - last.offset;
                    last.end = c + 1;
                    continue;
                }
            }
            spans_.push_back({from, to - from, number, c, c + 1});
        }
    }

    void answer(int32_t row, const uint8_t* check) {
        const auto bit = static_cast<uint8_t>(1u << (row & 7));
        uint8_t& validity = checks_->validity[row >> 3];
        if (validity & bit) return;
        validity |= bit;
        --checks_->null_count;
        std::memcpy(checks_->i32() + row, check, sizeof(int32_t));
    }

    ColumnOut* checks_ = nullptr;
    std::vector<AskedKey> keys_, scratch_;
    std::vector<uint32_t> begins_, unread_;
    std::vector<AskedDay> groups_;
    std::vector<AskedPartition> asked_;
    std::vector<Candidate> candidates_;
    std::vector<BucketSpan> spans_;
};

}  // namespace mediation
