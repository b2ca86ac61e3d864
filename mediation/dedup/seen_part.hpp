// One part of the exact set: records in order of arrival, found through an index that grows without reading them.
//
// Conventions
// - Records lie densely, 24 bytes each, and never move. An index entry has 4 bytes: a key costs about 31 in all, also
//   while the set grows, since parts begin with different widths and so double at different times.
// - The index is 2^level segments of `width` buckets. A bucket is one cache line: 16 entries, front first.
//   A key's hash times `width` gives its bucket and, as fraction, its 32-bit print. The print's bits from kLeastBits
//   up, as many as there are levels, choose the segment: bucket and segment are the key's home.
// - Segments lie in few blocks, the first those that the part began with and one more of each doubling: the part alone
//   says where a bucket is, and no table that a run's other stages would push out of the cache.
// - An entry is the print with its lowest kLeastBits + level bits replaced by the number of the record, from 1, and by
//   one bit that says that the entry stands after its home, which was full. 0 is empty.
// - Doubling gives every segment a partner: the lowest bit of the print in an entry says to which of the two it
//   belongs, and then is free for larger numbers. Only for entries that stand after their home is the record read.
// - Nothing is ever removed. `reserve` allocates; nothing else does. Two keys are equal when all 128 bits are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "dedup/siphash.hpp"
#include "native/arena.hpp"
#include "native/cpu.hpp"

namespace mediation {

struct SeenRecord {
    Fingerprint fingerprint;
    int32_t check;
    uint32_t ordinal;
};
static_assert(sizeof(SeenRecord) == 24, "memory per key is part of the contract");

inline constexpr uint32_t kBucketEntries = 16;

struct alignas(64) Bucket {
    uint32_t entries[kBucketEntries];
};

// Bit i of each: entry i is taken and agrees with `wanted` in the bits of `mask`; entry i is empty.
struct BucketMatch {
    uint32_t same, empty;
};

inline BucketMatch match_bucket_plainly(const Bucket& bucket, uint32_t wanted, uint32_t mask) {
    BucketMatch match{0, 0};
    for (uint32_t i = 0; i < kBucketEntries; ++i) {
        const uint32_t entry = bucket.entries[i];
        match.empty |= static_cast<uint32_t>(entry == 0) << i;
        match.same |= (static_cast<uint32_t>(entry != 0) & static_cast<uint32_t>(((entry ^ wanted) & mask) == 0)) << i;
    }
    return match;
}

#if defined(__SSE2__)
inline BucketMatch match_bucket(const Bucket& bucket, uint32_t wanted, uint32_t mask) {
    const __m128i zero = _mm_setzero_si128();
    const __m128i kept = _mm_set1_epi32(static_cast<int>(mask));
    const __m128i target = _mm_set1_epi32(static_cast<int>(wanted & mask));
    __m128i empty[4], same[4];
    for (int i = 0; i < 4; ++i) {
        const __m128i entries = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.entries) + i);
        empty[i] = _mm_cmpeq_epi32(entries, zero);
        same[i] = _mm_cmpeq_epi32(_mm_and_si128(entries, kept), target);
    }
    const auto bits = [](const __m128i* lanes) {
        return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(lanes[0], lanes[1]),
                                                                       _mm_packs_epi32(lanes[2], lanes[3]))));
    };
    const uint32_t empty_bits = bits(empty);
    return {bits(same) & ~empty_bits, empty_bits};
}
#else
inline BucketMatch match_bucket(const Bucket& bucket, uint32_t wanted, uint32_t mask) {
    return match_bucket_plainly(bucket, wanted, mask);
}
#endif

// What the parts of a set have in common. The index is read at random, so it lies apart and as closely as can be.
struct SeenMemory {
    Arena records{Visits::in_order}, index{Visits::at_random};
    std::vector<uint32_t> strayed;  // scratch

    int64_t nbytes() const {
        return records.nbytes() + index.nbytes() + static_cast<int64_t>(strayed.capacity() * sizeof(uint32_t));
    }
};

inline constexpr uint32_t kLeastBits = 10;               // of a number's field: 2 x 16 x 31 fits
inline constexpr uint32_t kMostLevel = 31 - kLeastBits;  // the field leaves one bit of the print

// `Keys::of` gives 32 bits of a key, and any function of the key is exact; `Keys::match` compares a bucket's entries.
// `kLastLevel`: after so many doublings the part is full; fewer than kMostLevel to see it happen.
template <typename Keys, uint32_t kLastLevel = kMostLevel>
class alignas(64) SeenPart {
  public:
    // Part p of n begins with 16 x 2^(p / n) buckets.
    void begin_with(int p, int n) {
        width_ = static_cast<uint32_t>(kBucketEntries * std::exp2(static_cast<double>(p) / n));
    }

    // Before the first reserve: the index begins as wide as it would have become by doubling. The caller bounds the
    // number: this much memory is taken at once.
    void expect(uint64_t records) {
        while (room_of(uint64_t{1} << first_level_) < records) ++first_level_;
    }

    uint32_t size() const { return size_; }
    SeenRecord& at(uint32_t i) const { return chunks_[i / kChunk][i % kChunk]; }
    int64_t nbytes() const {
        return static_cast<int64_t>(sizeof *this + chunks_.capacity() * sizeof(void*));
    }

    // Makes room for `more` records. False when memory or numbers are exhausted: nothing is lost.
    [[nodiscard]] bool reserve(uint32_t more, SeenMemory& memory) {
        const uint64_t count = uint64_t{size_} + more;
        return count <= room_ || make_room(count, memory);
    }

    // Only after a reserve of 1 or more.
    MEDIATION_PREFETCHES void prefetch(const Fingerprint& key) const { __builtin_prefetch(&home(place_of(key)), 1); }

    // The record with this key, or null. Only after a reserve of 1 or more.
    const SeenRecord* find(const Fingerprint& key) const {
        Walk walk = start(place_of(key));
        for (;; step(walk)) {
            const BucketMatch match = Keys::match(*walk.bucket, walk.wanted, ~field_mask());
            for (uint32_t same = match.same; same; same &= same - 1) {
                const SeenRecord& record = of_entry(walk.bucket->entries[__builtin_ctz(same)]);
                if (record.fingerprint == key) return &record;
            }
            if (match.empty) return nullptr;
        }
    }

    // The record with this key, or null after adding `record`, whose key it is.
    SeenRecord* find_or_append(const SeenRecord& record) {
        Walk walk = start(place_of(record.fingerprint));
        for (;; step(walk)) {
            const BucketMatch match = Keys::match(*walk.bucket, walk.wanted, ~field_mask());
            for (uint32_t same = match.same; same; same &= same - 1) {
                SeenRecord& first = of_entry(walk.bucket->entries[__builtin_ctz(same)]);
                if (first.fingerprint == record.fingerprint) return &first;
            }
            if (!match.empty) continue;
            *next_ = record;
            walk.bucket->entries[__builtin_ctz(match.empty)] = walk.wanted | ++size_ << 1 | walk.away;
            next_ = size_ % kChunk ? next_ + 1 : next_chunk();
            return nullptr;
        }
    }

  private:
    static constexpr uint32_t kChunk = 64;  // records allocated together
    static constexpr uint64_t kLoadOver = 27, kLoadUnder = 32;  // entries that may be taken

    struct Place {
        uint32_t bucket, print;
    };
    struct Walk {
        Bucket* bucket;
        uint32_t wanted;           // the entry's bits above the field
        uint32_t away;             // 0 at home
        uint32_t segment, number;  // of the bucket
    };

    uint64_t room_of(uint64_t segments) const { return segments * width_ * kBucketEntries * kLoadOver / kLoadUnder; }
    uint32_t field_mask() const { return (segments_ << kLeastBits) - 1; }
    uint32_t segment_of(uint32_t print) const { return print >> kLeastBits & (segments_ - 1); }
    SeenRecord& of_entry(uint32_t entry) const { return at(((entry & field_mask()) >> 1) - 1); }
    SeenRecord* next_chunk() const { return size_ / kChunk < chunks_.size() ? chunks_[size_ / kChunk] : nullptr; }

    // The first block has the segments that the part began with, each later one as many as all before it.
    Bucket* segment(uint32_t number) const {
        const uint32_t later = number >> first_level_;
        if (!later) return blocks_[0] + uint64_t{number} * width_;
        const auto block = static_cast<uint32_t>(32 - __builtin_clz(later));
        return blocks_[block] + (number - (uint64_t{1} << (first_level_ + block - 1))) * width_;
    }

    Place place_of(const Fingerprint& key) const {
        const uint64_t scaled = uint64_t{Keys::of(key)} * width_;
        return {static_cast<uint32_t>(scaled >> 32), static_cast<uint32_t>(scaled)};
    }
    Bucket& home(const Place& place) const { return segment(segment_of(place.print))[place.bucket]; }
    Walk start(const Place& place) const {
        const uint32_t number = segment_of(place.print);
        return {segment(number) + place.bucket, place.print & ~field_mask(), 0, number, place.bucket};
    }
    void step(Walk& walk) const {
        walk.away = 1;
        if (++walk.number == width_) {
            walk.number = 0;
            walk.segment = (walk.segment + 1) & (segments_ - 1);
            walk.bucket = segment(walk.segment);
        } else {
            ++walk.bucket;
        }
    }

    [[nodiscard]] bool make_room(uint64_t count, SeenMemory& memory) {
        while (chunks_.size() * kChunk < count) {
            auto* chunk = reinterpret_cast<SeenRecord*>(memory.records.take(kChunk * sizeof(SeenRecord)));
            if (!chunk) return false;
            chunks_.push_back(chunk);
        }
        next_ = &at(size_);
        while (count > room_of(segments_))
            if (!(segments_ ? double_index(memory) : begin_index(memory.index))) return false;
        room_ = static_cast<uint32_t>(std::min<uint64_t>(chunks_.size() * kChunk, room_of(segments_)));
        return true;
    }

    static Bucket* empty_block(uint64_t buckets, Arena& index) {
        uint8_t* block = index.take(buckets * sizeof(Bucket));
        if (block) std::memset(block, 0, buckets * sizeof(Bucket));
        return reinterpret_cast<Bucket*>(block);
    }

    [[nodiscard]] bool begin_index(Arena& index) {
        const uint32_t segments = uint32_t{1} << first_level_;
        if (!(blocks_[0] = empty_block(uint64_t{segments} * width_, index))) return false;
        segments_ = segments;
        return true;
    }

    [[nodiscard]] bool double_index(SeenMemory& memory) {
        const uint32_t bit = segments_ << kLeastBits;
        if (segments_ >> kLastLevel) return false;
        Bucket* fresh = empty_block(uint64_t{segments_} * width_, memory.index);
        if (!fresh) return false;
        const auto level = static_cast<uint32_t>(__builtin_ctz(segments_));
        blocks_[level - first_level_ + 1] = fresh;
        memory.strayed.clear();
        for (uint32_t s = 0; s < segments_; ++s)
            for (uint32_t b = 0; b < width_; ++b)
                split_bucket(segment(s)[b], fresh[uint64_t{s} * width_ + b], bit, memory.strayed);
        segments_ *= 2;
        constexpr size_t kAhead = 16;
        for (size_t i = 0; i < memory.strayed.size(); ++i) {
            if (i + kAhead < memory.strayed.size()) __builtin_prefetch(&at(memory.strayed[i + kAhead] - 1));
            const uint32_t number = memory.strayed[i];
            Walk walk = start(place_of(at(number - 1).fingerprint));
            uint32_t empty;
            while (!(empty = Keys::match(*walk.bucket, 0, 0).empty)) step(walk);
            walk.bucket->entries[__builtin_ctz(empty)] = walk.wanted | number << 1 | walk.away;
        }
        return true;
    }

    // Entries with `bit` go to `other`; those away from home are taken out and their numbers listed.
    static void split_bucket(Bucket& bucket, Bucket& other, uint32_t bit, std::vector<uint32_t>& strayed) {
        Bucket stay{}, go{};
        uint32_t stays = 0, goes = 0;
        for (const uint32_t entry : bucket.entries) {
            if (entry & 1) {
                strayed.push_back((entry & (bit - 1)) >> 1);
                continue;
            }
            const uint32_t going = (entry & bit) != 0;
            stay.entries[stays] = going ? 0 : entry;
            go.entries[goes] = going ? entry & ~bit : 0;
            goes += going;
            stays += entry != 0 && !going;
        }
        bucket = stay;
        other = go;
    }

    // What admitting reads, in one line.
    uint32_t size_ = 0;
    uint32_t room_ = 0;         // records that may come before more is reserved
    uint32_t segments_ = 0;     // a power of two, or none
    uint32_t width_ = kBucketEntries;
    uint32_t first_level_ = 0;  // of the segments that the part begins with
    SeenRecord* next_ = nullptr;
    Bucket* blocks_[kLastLevel + 2] = {};
    std::vector<SeenRecord*> chunks_;
};

}  // namespace mediation
