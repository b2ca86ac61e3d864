// SipHash-1-3 with 128 bits of output over 64-bit words (Aumasson and Bernstein; as in their reference code).
//
// Conventions
// - The hashed byte string is the words, little-endian: any SipHash-1-3-128 gives the same result.
// - A text is its length in bytes as one word, then its bytes padded with zeros to words: injective.
// - `finish` takes the number of words absorbed since the start, prefixes included.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace mediation {

struct Fingerprint {
    uint64_t low, high;  // bytes 0-7 and 8-15 of the digest, little-endian
    bool operator==(const Fingerprint& other) const { return low == other.low && high == other.high; }
};
static_assert(sizeof(Fingerprint) == 16, "a fingerprint is 16 bytes in memory and in files");

template <typename W, int bits>
[[gnu::always_inline]] inline void sip_rotate(W& x) {
    x = (x << bits) | (x >> (64 - bits));
}

// One round; W is uint64_t or a vector of them.
template <typename W>
[[gnu::always_inline]] inline void sip_round(W& v0, W& v1, W& v2, W& v3) {
    v0 += v1; sip_rotate<W, 13>(v1); v1 ^= v0; sip_rotate<W, 32>(v0);
    v2 += v3; sip_rotate<W, 16>(v3); v3 ^= v2;
    v0 += v3; sip_rotate<W, 21>(v3); v3 ^= v0;
    v2 += v1; sip_rotate<W, 17>(v1); v1 ^= v2; sip_rotate<W, 32>(v2);
}

// The word that ends a message of `words` words: the length in bytes, modulo 256, in the top byte.
inline uint64_t sip_last_word(uint64_t words) { return (words * 8) << 56; }

struct SipState {
    uint64_t v0 = 0, v1 = 0, v2 = 0, v3 = 0;

    static SipState keyed(uint64_t k0, uint64_t k1) {
        return {0x736f6d6570736575ULL ^ k0, 0x646f72616e646f6dULL ^ k1 ^ 0xee, 0x6c7967656e657261ULL ^ k0,
                0x7465646279746573ULL ^ k1};
    }
    void absorb(uint64_t word) {
        v3 ^= word;
        sip_round(v0, v1, v2, v3);
        v0 ^= word;
    }
};

// The words of a text after its length word; calls sink(word).
template <typename Sink>
[[gnu::always_inline]] inline void text_words(std::string_view text, Sink&& sink) {
    const char* at = text.data();
    size_t left = text.size();
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        std::memcpy(&word, at, 8);
        sink(word);
    }
    if (!left) return;
    uint64_t word = 0;
    if (text.size() >= 8) {  // the last 8 bytes, less those already given
        std::memcpy(&word, text.data() + text.size() - 8, 8);
        word >>= 8 * (8 - left);
    } else if (left >= 4) {
        uint32_t head, tail;
        std::memcpy(&head, at, 4);
        std::memcpy(&tail, at + left - 4, 4);
        word = head | uint64_t{tail} << (8 * (left - 4));
    } else {
        const auto byte = [at](size_t i) { return uint64_t{static_cast<uint8_t>(at[i])}; };
        word = byte(0) | byte(left / 2) << (8 * (left / 2)) | byte(left - 1) << (8 * (left - 1));
    }
    sink(word);
}

// A message that is absorbed word by word.
struct SipStream {
    SipState state{};
    uint64_t words = 0;

    void add(uint64_t word) {
        state.absorb(word);
        ++words;
    }
    void add_text(std::string_view text) {
        add(text.size());
        text_words(text, [this](uint64_t word) { add(word); });
    }
    Fingerprint finish() const { return close(sip_last_word(words)); }
    Fingerprint close(uint64_t last_word) const {
        SipState s = state;
        s.absorb(last_word);
        s.v2 ^= 0xee;
        for (int i = 0; i < 3; ++i) sip_round(s.v0, s.v1, s.v2, s.v3);
        const uint64_t low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
        s.v1 ^= 0xdd;
        for (int i = 0; i < 3; ++i) sip_round(s.v0, s.v1, s.v2, s.v3);
        return {low, s.v0 ^ s.v1 ^ s.v2 ^ s.v3};
    }
};

// ------------------------------------------------------------------------------ many messages side by side

inline constexpr int kTileRows = 64;   // messages hashed together
inline constexpr int kTileWords = 48;  // words that a message may have in a tile, the last word included

typedef uint64_t Lanes4 __attribute__((vector_size(32)));
typedef uint64_t Lanes8 __attribute__((vector_size(64)));

// words[k][row] holds word k of each message, its last word at counts[row] - 1. All begin from `start`.
struct SipTile {
    alignas(64) uint64_t words[kTileWords][kTileRows];
    alignas(64) uint64_t counts[kTileRows];
};

template <typename W>
[[gnu::always_inline]] inline void sip_lanes(const SipState& start, const SipTile& tile, int row, Fingerprint* out) {
    constexpr int kLanes = sizeof(W) / 8;
    W counts, v0 = W{} + start.v0, v1 = W{} + start.v1, v2 = W{} + start.v2, v3 = W{} + start.v3;
    std::memcpy(&counts, &tile.counts[row], sizeof counts);
    uint64_t least = ~uint64_t{0}, most = 0;
    for (int lane = 0; lane < kLanes; ++lane) {
        const uint64_t count = tile.counts[row + lane];
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    uint64_t k = 0;
    for (; k < least; ++k) {
        W word;
        std::memcpy(&word, &tile.words[k][row], sizeof word);
        v3 ^= word;
        sip_round(v0, v1, v2, v3);
        v0 ^= word;
    }
    for (; k < most; ++k) {
        W word, n0 = v0, n1 = v1, n2 = v2, n3 = v3;
        std::memcpy(&word, &tile.words[k][row], sizeof word);
        n3 ^= word;
        sip_round(n0, n1, n2, n3);
        n0 ^= word;
        const auto going = counts > (W{} + k);
        v0 = going ? n0 : v0;
        v1 = going ? n1 : v1;
        v2 = going ? n2 : v2;
        v3 = going ? n3 : v3;
    }
    v2 ^= W{} + 0xee;
    for (int i = 0; i < 3; ++i) sip_round(v0, v1, v2, v3);
    const W low = v0 ^ v1 ^ v2 ^ v3;
    v1 ^= W{} + 0xdd;
    for (int i = 0; i < 3; ++i) sip_round(v0, v1, v2, v3);
    const W high = v0 ^ v1 ^ v2 ^ v3;
    for (int lane = 0; lane < kLanes; ++lane) out[row + lane] = {low[lane], high[lane]};
}

// Contract of all three: rows up to the next multiple of 8 have counts (what they hold is free).
using HashTile = void (*)(const SipState&, const SipTile&, int rows, Fingerprint* out);

inline void hash_tile_base(const SipState& start, const SipTile& tile, int rows, Fingerprint* out) {
    for (int row = 0; row < rows; ++row) {
        SipStream stream{start};
        for (uint64_t k = 0; k + 1 < tile.counts[row]; ++k) stream.state.absorb(tile.words[k][row]);
        out[row] = stream.close(tile.words[tile.counts[row] - 1][row]);
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
[[gnu::target("avx2")]] inline void hash_tile_avx2(const SipState& start, const SipTile& tile, int rows,
                                                   Fingerprint* out) {
    for (int row = 0; row < rows; row += 4) sip_lanes<Lanes4>(start, tile, row, out);
}
[[gnu::target("avx512f,avx512bw,avx512vl")]] inline void hash_tile_avx512(const SipState& start, const SipTile& tile,
                                                                          int rows, Fingerprint* out) {
    for (int row = 0; row < rows; row += 8) sip_lanes<Lanes8>(start, tile, row, out);
}
inline constexpr HashTile kHashTile[] = {hash_tile_base, hash_tile_avx2, hash_tile_avx512};
#else
inline constexpr HashTile kHashTile[] = {hash_tile_base, hash_tile_base, hash_tile_base};
#endif

// Level 0: none, so that every record is hashed alone; then as in cpu.hpp.
inline HashTile hash_tile_of(int level) { return level ? kHashTile[level - 1] : nullptr; }

}  // namespace mediation
