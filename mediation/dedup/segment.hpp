// The file of what one run has accepted: its parts, their places, filters and checksums.
//
// Conventions
// - Little-endian. header | buckets of every partition | filters | begins of buckets | directory of partitions.
// - A partition holds the records of one day, in the order of their fingerprints; undated ones are the first partition.
//   Its buckets and its filter's blocks divide the range of a fingerprint's first word evenly: who goes through
//   fingerprints in order goes through both in order.
// - A bucket is its fingerprints, their payload checks and a checksum: 20 bytes an entry and 8 more.
// - A block of the filter is one cache line, in which an entry sets one bit of each word: 14 bits an entry let about 2
//   strangers of 1,000 through.
// - Every part that is read apart ends in its checksum, a SipHash under the workspace's secret that also covers which
//   part it is and of which segment: a part in another's place is damage too.
// - Where a part lies follows from the counts of the partitions; a directory that says otherwise is damaged.
// - A segment's identity is the sum of its fingerprints; that of one merged from others is the sum of theirs, days that
//   were left out included.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "dedup/siphash.hpp"

namespace mediation {

inline constexpr char kSegmentMagic[] = "CDR-seen";
inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr int32_t kUndated = -1;
inline constexpr uint64_t kEntryBytes = 20, kChecksumBytes = 8;
inline constexpr uint64_t kEntriesInBucket = 64;  // on average
inline constexpr uint64_t kFilterBitsAnEntry = 14;

struct SegmentHeader {
    char magic[8];
    uint32_t version, partitions;
    uint64_t entries;
    Fingerprint identity;
    uint64_t directory_offset, bytes, checksum;
};
static_assert(sizeof(SegmentHeader) == 64, "as it lies in the file");

struct PartitionPlace {
    int32_t day;  // or kUndated
    uint32_t buckets, blocks, zero;
    uint64_t entries, buckets_offset, filter_offset, begins_offset;
};
static_assert(sizeof(PartitionPlace) == 48, "as it lies in the file");

inline void add_to_identity(Fingerprint& identity, const Fingerprint& more) {
    identity.low += more.low;
    identity.high += more.high;
}

struct alignas(64) FilterBlock {
    uint64_t words[8];
};

// Which of n equal shares of the range of 64 bits a word belongs to.
inline uint32_t share_of(uint64_t word, uint64_t n) {
    return static_cast<uint32_t>(static_cast<unsigned __int128>(word) * n >> 64);
}

// The greatest word of a share; share_of gives that and all before it this share or an earlier one.
inline uint64_t last_of_share(uint64_t share, uint64_t n) {
    return static_cast<uint64_t>((((static_cast<unsigned __int128>(share) + 1) << 64) + n - 1) / n - 1);
}

inline void add_to_filter(FilterBlock& block, uint64_t bits) {
    for (int w = 0; w < 8; ++w) block.words[w] |= uint64_t{1} << (bits >> (6 * w) & 63);
}

inline bool filter_holds(const FilterBlock& block, uint64_t bits) {
    uint64_t all = 1;
    for (int w = 0; w < 8; ++w) all &= block.words[w] >> (bits >> (6 * w) & 63);
    return all;
}

enum class SegmentPart : uint64_t { header, directory, filter, begins, bucket };

// Checksums of the parts of one segment; of its header with no identity.
class Seal {
  public:
    Seal() = default;
    Seal(const SipState& secret, const Fingerprint& identity) : start_{secret} {
        start_.add(identity.low);
        start_.add(identity.high);
    }
    uint64_t of(SegmentPart part, uint64_t partition, uint64_t bucket, const uint8_t* bytes, uint64_t count) const {
        SipStream stream = start_;
        stream.add(static_cast<uint64_t>(part) << 32 | partition);
        stream.add(bucket);
        stream.add_text({reinterpret_cast<const char*>(bytes), count});
        return stream.finish().low;
    }
    // Writes the checksum behind the bytes.
    void close(SegmentPart part, uint64_t partition, uint64_t bucket, uint8_t* bytes, uint64_t count) const {
        const uint64_t checksum = of(part, partition, bucket, bytes, count);
        std::memcpy(bytes + count, &checksum, sizeof checksum);
    }
    // Whether the last 8 of `count` bytes are the checksum of those before. Contract: there are as many.
    bool closes(SegmentPart part, uint64_t partition, uint64_t bucket, const uint8_t* bytes, uint64_t count) const {
        uint64_t told;
        std::memcpy(&told, bytes + count - sizeof told, sizeof told);
        return told == of(part, partition, bucket, bytes, count - sizeof told);
    }

  private:
    SipStream start_;
};

// The lengths of parts, checksums included.
inline uint64_t buckets_bytes(uint64_t entries, uint64_t buckets) {
    return entries * kEntryBytes + buckets * kChecksumBytes;
}
inline uint64_t filter_bytes(const PartitionPlace& place) {
    return place.blocks * uint64_t{sizeof(FilterBlock)} + kChecksumBytes;
}
inline uint64_t begins_bytes(const PartitionPlace& place) {
    return (uint64_t{place.buckets} + 1) * sizeof(uint32_t) + kChecksumBytes;
}
inline uint64_t directory_bytes(uint64_t partitions) { return partitions * sizeof(PartitionPlace) + kChecksumBytes; }

// Contract: there are entries.
inline PartitionPlace place_for(int32_t day, uint64_t entries) {
    const uint64_t buckets = (entries + kEntriesInBucket / 2) / kEntriesInBucket;
    const uint64_t bits = 8 * sizeof(FilterBlock);
    const uint64_t blocks = (entries * kFilterBitsAnEntry + bits - 1) / bits;
    return {day, static_cast<uint32_t>(buckets ? buckets : 1), static_cast<uint32_t>(blocks), 0, entries, 0, 0, 0};
}

// Gives every part its place; returns that of the directory.
inline uint64_t lay_out(std::vector<PartitionPlace>& places) {
    uint64_t at = sizeof(SegmentHeader);
    for (PartitionPlace& place : places) {
        place.buckets_offset = at;
        at += buckets_bytes(place.entries, place.buckets);
    }
    for (PartitionPlace& place : places) {
        place.filter_offset = at;
        at += filter_bytes(place);
    }
    for (PartitionPlace& place : places) {
        place.begins_offset = at;
        at += begins_bytes(place);
    }
    return at;
}

}  // namespace mediation
