// Declared encodings: which bytes are text, and GB18030 to UTF-8.
//
// Conventions: nothing is repaired. A byte sequence that its encoding does not allow (overlong and surrogate UTF-8, a
// GB18030 code without a character) is a fault of the record. GB18030 (GB/T 18030, also covers GBK and GB 2312)
// is looked up in flat tables that decode/layout.py makes from Python's codec: 126 × 191 two-byte and
// 4 × 10 × 126 × 10 four-byte codes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace mediation {

enum class Encoding : uint8_t { ascii, utf8, gb18030 };

struct Gb18030 {
    const uint16_t* two = nullptr;   // [lead - 0x81][trail - 0x40]; 0: no character
    const uint16_t* four = nullptr;  // linear from 0x81308130, 39,420 codes of the basic plane; 0: no character
};

// Bytes of the valid sequence at `at`, 0 when there is none.
inline uint32_t utf8_length(const uint8_t* at, const uint8_t* end) noexcept {
    const uint8_t lead = at[0];
    if (lead < 0x80) return 1;
    const uint32_t n =
        lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    if (n == 0 || end - at < static_cast<int64_t>(n)) return 0;
    for (uint32_t i = 1; i < n; ++i)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if ((lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F)) return 0;
    if ((lead == 0xF0 && at[1] < 0x90) || (lead == 0xF4 && at[1] > 0x8F)) return 0;
    return n;
}

struct Character {
    uint32_t code = 0;
    uint32_t bytes = 0;  // 0: no character here
};

inline Character gb18030_at(const Gb18030& tables, const uint8_t* at, const uint8_t* end) noexcept {
    const uint8_t lead = at[0];
    if (lead < 0x80) return {lead, 1};
    if (lead == 0x80 || lead == 0xFF || end - at < 2) return {};
    const uint8_t trail = at[1];
    if (trail >= 0x40 && trail != 0x7F && trail != 0xFF) {
        const uint16_t code = tables.two[(lead - 0x81) * 191 + (trail - 0x40)];
        return {code, code ? 2u : 0u};
    }
    if (trail < 0x30 || trail > 0x39 || end - at < 4) return {};
    if (at[2] < 0x81 || at[2] == 0xFF || at[3] < 0x30 || at[3] > 0x39) return {};
    const uint32_t linear = ((lead - 0x81u) * 10 + (trail - 0x30u)) * 1260 + (at[2] - 0x81u) * 10 + (at[3] - 0x30u);
    if (linear < 39420) {
        const uint16_t code = tables.four[linear];
        return {code, code ? 4u : 0u};
    }
    const uint32_t astral = linear - 189000;  // 0x90308130
    if (linear < 189000 || astral > 0xFFFFF) return {};
    return {0x10000 + astral, 4};
}

// Past the ASCII that stands at `at`, eight bytes at a time: the last few may be left.
inline const uint8_t* skip_ascii(const uint8_t* at, const uint8_t* end) noexcept {
    for (uint64_t word; end - at >= 8; at += 8) {
        std::memcpy(&word, at, 8);
        if (word & 0x8080808080808080u) break;
    }
    return at;
}

// Position of the first byte that is not text, or -1.
inline int64_t first_invalid(Encoding encoding, const Gb18030& tables, const uint8_t* text, int64_t length) noexcept {
    const uint8_t* end = text + length;
    for (const uint8_t* at = skip_ascii(text, end); at < end; at = skip_ascii(at, end)) {
        uint32_t n = 1;
        if (*at >= 0x80) {
            if (encoding == Encoding::ascii) n = 0;
            else if (encoding == Encoding::utf8) n = utf8_length(at, end);
            else n = gb18030_at(tables, at, end).bytes;
        }
        if (n == 0) return at - text;
        at += n;
    }
    return -1;
}

// Appends valid GB18030 as UTF-8; at most 3 bytes for every 2. Returns the end of what was written.
inline uint8_t* gb18030_to_utf8(const Gb18030& tables, const uint8_t* at, const uint8_t* end, uint8_t* out) noexcept {
    while (at < end) {
        const Character c = gb18030_at(tables, at, end);
        at += std::max(c.bytes, 1u);
        if (c.code < 0x80) {
            *out++ = static_cast<uint8_t>(c.code);
        } else if (c.code < 0x800) {
            *out++ = static_cast<uint8_t>(0xC0 | (c.code >> 6));
            *out++ = static_cast<uint8_t>(0x80 | (c.code & 0x3F));
        } else if (c.code < 0x10000) {
            *out++ = static_cast<uint8_t>(0xE0 | (c.code >> 12));
            *out++ = static_cast<uint8_t>(0x80 | (c.code >> 6 & 0x3F));
            *out++ = static_cast<uint8_t>(0x80 | (c.code & 0x3F));
        } else {
            *out++ = static_cast<uint8_t>(0xF0 | (c.code >> 18));
            *out++ = static_cast<uint8_t>(0x80 | (c.code >> 12 & 0x3F));
            *out++ = static_cast<uint8_t>(0x80 | (c.code >> 6 & 0x3F));
            *out++ = static_cast<uint8_t>(0x80 | (c.code & 0x3F));
        }
    }
    return out;
}

}  // namespace mediation
