// The zone of a dialled number: the longest prefix of its leading digits, among prefixes of up to 16 digits.
//
// Conventions
// - A number's key is (its first 16 digits padded with zeros on the right, how many of them it has), as one integer:
//   padded * 32 + count. A prefix p of n digits covers the keys [(p padded, n), (p + 1 padded, 0)), so that a number
//   never matches a prefix longer than itself. These intervals nest; rulebook/rates.py flattens them to disjoint ones.
// - A match ends at the first character that is no digit.
// - Zones are numbered within their set; -1 is none. A set with dates is a list of time slices, each a whole table.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace mediation {

inline constexpr int kPrefixDigits = 16;
inline constexpr uint64_t kPow10To8 = 100000000;

// Numbers [keys[i], keys[i + 1]) have zones[i]. A bucket is the numbers with the same leading digits: its entry is
// the zone of all of them (-1: none), or ~(first << 7 | count): the interval in force where the bucket begins, and
// how many more begin inside it (127: that many or more).
struct PrefixSlice {
    int64_t from_us;      // in force from this instant to the next slice's
    int64_t keys;         // first of its intervals in the arrays of all slices; kNearby greatest keys follow the last
    int64_t count;        // of its intervals
    int64_t buckets;      // first of its buckets
    uint64_t multiplier;  // head * multiplier >> shift = the bucket of the head's 8 digits
    int64_t shift;
};
static_assert(sizeof(PrefixSlice) == 48, "rulebook/prefixes.py writes these");
inline constexpr int kNearby = 4;
inline constexpr int32_t kManyIntervals = 127;

struct PrefixSet {
    int32_t first;  // slice
    int32_t count;
};

struct Prefixes {
    const PrefixSet* sets;
    const PrefixSlice* slices;
    const int64_t* keys;
    const int16_t* zones;
    const int32_t* buckets;
};

// Up to 8 leading digits of `size` characters, padded on the right with zeros to 8; `count` says how many there are.
inline uint64_t eight_digits(const char* text, size_t size, int* count) noexcept {
    uint64_t word = 0;
    if (size >= 8) {
        std::memcpy(&word, text, 8);
    } else if (size >= 4) {
        uint32_t low, high;
        std::memcpy(&low, text, 4);
        std::memcpy(&high, text + size - 4, 4);
        word = low | static_cast<uint64_t>(high) << ((size - 4) * 8);
    } else {
        for (size_t i = 0; i < size; ++i) word |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << (i * 8);
    }
    const uint64_t digits = word ^ 0x3030303030303030;  // a digit becomes 0 to 9
    const uint64_t foreign = (digits | (digits + 0x7676767676767676)) & 0x8080808080808080;
    *count = foreign ? __builtin_ctzll(foreign) >> 3 : 8;
    uint64_t value = foreign ? digits & ((uint64_t{1} << (*count * 8)) - 1) : digits;
    value = value * 10 + (value >> 8);
    return (((value & 0x000000FF000000FF) * (100 + (uint64_t{1000000} << 32))) +
            (((value >> 16) & 0x000000FF000000FF) * (1 + (uint64_t{10000} << 32)))) >> 32;
}

inline const PrefixSlice& slice_at(const Prefixes& prefixes, int32_t set, int64_t at_us) noexcept {
    const PrefixSet span = prefixes.sets[set];
    int32_t i = span.first + span.count - 1;
    while (i > span.first && prefixes.slices[i].from_us > at_us) --i;
    return prefixes.slices[i];
}

// A look-up on its way. The three steps are done for a whole block one after the other, so that the cache misses of
// its rows overlap: start, approach, finish.
struct Lookup {
    const PrefixSlice* slice;
    const int32_t* bucket;
    int64_t key;
};

// What a look-up reads of a number: its first 8 digits padded with zeros on the right, and its key.
struct LeadingDigits {
    uint64_t head;
    int64_t key;
};

inline LeadingDigits leading_digits(uint64_t head, uint64_t tail, int count) noexcept {
    return {head, static_cast<int64_t>((head * kPow10To8 + tail) * 32 + static_cast<uint64_t>(count))};
}

inline LeadingDigits leading_digits(std::string_view number) noexcept {
    int count, more = 0;
    const uint64_t head = eight_digits(number.data(), number.size(), &count);
    const bool longer = count == 8 && number.size() > 8;
    const uint64_t tail = longer ? eight_digits(number.data() + 8, number.size() - 8, &more) : 0;
    return leading_digits(head, tail, count + more);
}

// The same of a number that is an integer > 0.
inline LeadingDigits leading_digits(int64_t number) noexcept {
    uint64_t padded = static_cast<uint64_t>(number);
    int count = 1;
    for (uint64_t rest = padded / 10; rest; rest /= 10) ++count;
    for (int i = count; i < kPrefixDigits; ++i) padded *= 10;
    for (; count > kPrefixDigits; --count) padded /= 10;
    return leading_digits(padded / kPow10To8, padded % kPow10To8, count);
}

inline Lookup start_lookup(const Prefixes& prefixes, int32_t set, int64_t at_us, LeadingDigits digits) noexcept {
    const PrefixSlice& slice = slice_at(prefixes, set, at_us);
    const int32_t* bucket = prefixes.buckets + slice.buckets + (digits.head * slice.multiplier >> slice.shift);
    __builtin_prefetch(bucket);
    return {&slice, bucket, digits.key};
}

inline void approach(const Prefixes& prefixes, const Lookup& lookup) noexcept {
    const int64_t place = lookup.slice->keys + (~static_cast<int64_t>(*lookup.bucket) >> 7);
    const int64_t near = place < lookup.slice->keys ? lookup.slice->keys : place;
    __builtin_prefetch(prefixes.keys + near);
    __builtin_prefetch(prefixes.zones + near);
}

// The zone, or -1 when no prefix covers the number and the set has no default. Keys behind the bucket are greater than
// any key in it, so that a few are compared without asking how many there are.
inline int32_t finish(const Prefixes& prefixes, const Lookup& lookup) noexcept {
    if (*lookup.bucket >= -1) return *lookup.bucket;
    const PrefixSlice& slice = *lookup.slice;
    const int64_t* keys = prefixes.keys + slice.keys;
    const int64_t entry = ~static_cast<int64_t>(*lookup.bucket);
    int64_t low = entry >> 7, inside = entry & kManyIntervals;
    if (inside <= kNearby) {
        const int64_t* next = keys + low + 1;
        low += (next[0] <= lookup.key) + (next[1] <= lookup.key) + (next[2] <= lookup.key) + (next[3] <= lookup.key);
        return prefixes.zones[slice.keys + low];
    }
    // The last interval that begins at or before the key, by steps without a branch: which way is a coin's toss.
    int64_t left = inside == kManyIntervals ? slice.count - low : inside + 1;
    for (; left > 1; left -= left / 2) low += keys[low + left / 2] <= lookup.key ? left / 2 : 0;
    return prefixes.zones[slice.keys + low];
}

template <typename Number>
inline int32_t zone_of(const Prefixes& prefixes, int32_t set, int64_t at_us, Number number) noexcept {
    return finish(prefixes, start_lookup(prefixes, set, at_us, leading_digits(number)));
}

}  // namespace mediation
