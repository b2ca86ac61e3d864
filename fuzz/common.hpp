// What the targets share: an input read front to back, texts with nothing readable behind their padding, characters by
// plain rules, and a check that ends the program.
//
// A target compares a kernel with a plain twin, or with itself by another way; it never only looks for crashes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "decode/encoding.hpp"
#include "native/cpu.hpp"
#include "native/pool.hpp"

#define REQUIRE(condition) ((condition) ? void() : fuzz::broken(#condition, __FILE__, __LINE__))

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace fuzz {

using namespace mediation;

[[noreturn]] inline void broken(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    std::abort();
}

// Choices come from the front, one byte each; 0 when there are none left.
class Input {
  public:
    Input(const uint8_t* data, size_t size) : bytes_(reinterpret_cast<const char*>(data), size) {}

    uint8_t byte() {
        if (bytes_.empty()) return 0;
        const char first = bytes_.front();
        bytes_.remove_prefix(1);
        return static_cast<uint8_t>(first);
    }
    uint32_t below(uint32_t n) { return byte() % n; }
    bool coin() { return byte() & 1; }
    template <size_t n>
    char one_of(const char (&characters)[n]) {
        return characters[below(n - 1)];
    }
    std::string_view take(size_t n) {
        const std::string_view taken = bytes_.substr(0, n);
        bytes_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() const { return bytes_; }

  private:
    std::string_view bytes_;
};

// Bytes followed by exactly the padding that a kernel may read; what stands in it must not matter.
class PaddedText {
  public:
    PaddedText(std::string_view bytes, uint8_t padding) : block_(new uint8_t[bytes.size() + kPadding]) {
        if (!bytes.empty()) std::memcpy(block_.get(), bytes.data(), bytes.size());
        std::memset(block_.get() + bytes.size(), padding, kPadding);
    }
    const uint8_t* data() const { return block_.get(); }

  private:
    std::unique_ptr<uint8_t[]> block_;
};

inline constexpr uint8_t kPaddings[] = {'\n', 0xFF, '7', '"'};

inline std::vector<Simd> levels() {
    std::vector<Simd> all;
    for (int level = 0; level <= static_cast<int>(simd_of_machine()); ++level) all.push_back(static_cast<Simd>(level));
    return all;
}

// ----------------------------------------------------------------------------------------- characters

struct PlainCharacter {
    uint32_t code = 0;
    uint32_t bytes = 0;  // 0: no character
};

inline std::string utf8_of(uint32_t code) {
    auto low = [](uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), low(code)};
    if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), low(code >> 6), low(code)};
    return {static_cast<char>(0xF0 | code >> 18), low(code >> 12), low(code >> 6), low(code)};
}

// Bytes are UTF-8 when the character that they would mean exists and is written by these very bytes.
inline PlainCharacter plain_utf8(std::string_view s) {
    static constexpr uint8_t kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    for (uint32_t n = 1; n <= 4 && n <= s.size(); ++n) {
        uint32_t code = static_cast<uint8_t>(s[0]) & kLeadBits[n];
        for (uint32_t i = 1; i < n; ++i) code = code << 6 | (static_cast<uint8_t>(s[i]) & 0x3F);
        const bool exists = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        if (exists && utf8_of(code) == s.substr(0, n)) return {code, n};
    }
    return {};
}

// Tables of the standard's shape with other characters and with holes: what is tested is the reader, and the tables'
// making is tested elsewhere.
struct MadeUpTables {
    std::vector<uint16_t> two, four;
    Gb18030 view;

    MadeUpTables() : two(126 * 191), four(39420) {
        for (uint32_t i = 0; i < two.size(); ++i)
            if (i % 11 && i % 191 != 0x7F - 0x40) two[i] = static_cast<uint16_t>(0x80 + i * 7 % 0xD700);
        for (uint32_t i = 0; i < four.size(); ++i)
            if (i % 13) four[i] = static_cast<uint16_t>(i % 2 ? 0x80 + i : 0xE000 + i % 0x2000);
        view = {two.data(), four.data()};
    }
    static const MadeUpTables& instance() {
        static const MadeUpTables tables;
        return tables;
    }
};

inline PlainCharacter plain_gb18030(std::string_view s) {
    const MadeUpTables& tables = MadeUpTables::instance();
    auto byte = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : 0u; };
    auto within = [](uint32_t x, uint32_t low, uint32_t high) { return low <= x && x <= high; };
    if (byte(0) < 0x80) return {byte(0), 1};
    if (!within(byte(0), 0x81, 0xFE)) return {};
    if (within(byte(1), 0x40, 0xFE)) {
        const uint32_t code = byte(1) == 0x7F ? 0 : tables.two[(byte(0) - 0x81) * 191 + byte(1) - 0x40];
        return {code, code ? 2u : 0u};
    }
    if (!within(byte(1), 0x30, 0x39) || !within(byte(2), 0x81, 0xFE) || !within(byte(3), 0x30, 0x39)) return {};
    const uint32_t place =
        (((byte(0) - 0x81) * 10 + byte(1) - 0x30) * 126 + byte(2) - 0x81) * 10 + byte(3) - 0x30;
    if (place < tables.four.size()) return {tables.four[place], tables.four[place] ? 4u : 0u};
    const uint32_t astral_begin = (0x90 - 0x81) * 12600;
    if (!within(place, astral_begin, astral_begin + 0xFFFFF)) return {};
    return {0x10000 + place - astral_begin, 4};
}

inline PlainCharacter plain_character(Encoding encoding, std::string_view s) {
    if (encoding == Encoding::utf8) return plain_utf8(s);
    if (encoding == Encoding::gb18030) return plain_gb18030(s);
    return {static_cast<uint8_t>(s[0]), static_cast<uint8_t>(s[0]) < 0x80 ? 1u : 0u};
}

}  // namespace fuzz
