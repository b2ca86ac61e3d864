// Texts of the kept rows: octets of the records as characters, in the way of each coding.
#pragma once

#include "decode/ber/values.hpp"

namespace mediation {

namespace detail {

inline uint8_t* write_decimal(uint64_t value, uint8_t* out) noexcept {
    uint8_t digits[20];
    uint32_t first = 20;
    do digits[--first] = static_cast<uint8_t>('0' + value % 10);
    while (value /= 10);
    std::memcpy(out, digits + first, 20 - first);
    return out + 20 - first;
}

inline uint8_t* write_integer(int64_t value, uint8_t* out) noexcept {
    if (value < 0) *out++ = '-';
    return write_decimal(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value), out);
}

// Two octets as hexadecimal digits without leading zeros.
inline uint8_t* write_group(uint32_t group, uint8_t* out) noexcept {
    for (uint32_t shift = group >> 12 ? 16 : group >> 8 ? 12 : group >> 4 ? 8 : 4; shift; ++out) {
        shift -= 4;
        *out = static_cast<uint8_t>("0123456789abcdef"[group >> shift & 15]);
    }
    return out;
}

// An address of 4 or 16 octets; any other stands there as text.
inline uint8_t* write_ip(const uint8_t* at, uint32_t length, uint8_t* out) noexcept {
    if (length == 4) {
        out = write_decimal(at[0], out);
        for (uint32_t i = 1; i < 4; ++i) *out++ = '.', out = write_decimal(at[i], out);
    } else if (length == 16) {
        out = write_group(at[0] << 8 | at[1], out);
        for (uint32_t i = 2; i < 16; i += 2) *out++ = ':', out = write_group(at[i] << 8 | at[i + 1], out);
    } else {
        std::memcpy(out, at, length);
        out += length;
    }
    return out;
}

inline uint8_t* write_coded(const BerContext& context, const uint8_t* text, uint32_t begin, uint32_t kept,
                            uint8_t* out) noexcept {
    const uint32_t length = kept & kTextLength;
    const auto coding = static_cast<Coding>(kept >> 24);
    const uint8_t* at = text + begin;
    switch (coding) {
        case Coding::bcd:
        case Coding::tbcd: return write_digits(at, length, coding == Coding::tbcd, out);
        case Coding::address:
            if ((at[0] >> 4 & 7) == 1) *out++ = '+';
            return write_digits(at + address_head(at), length, true, out);
        case Coding::hex: return write_hex(at, length, out);
        case Coding::plmn: return write_plmn(at, length, out);
        case Coding::ip: return write_ip(at, length, out);
        case Coding::integer: return write_integer(ber_integer(at, length).value, out);
        default: {  // of the file's header
            const std::string& value = coding == Coding::header ? context.texts[begin] : context.entities[begin].id;
            std::memcpy(out, value.data(), length);
            return out + length;
        }
    }
}

}  // namespace detail

inline int64_t coded_bytes(const Work& w, int32_t field) noexcept { return w.text_bytes[static_cast<size_t>(field)]; }

// Step 4 of decode/text.hpp for a text column. A value that stands where the one above it does is not made again: all
// items of a record share what the record says.
inline void copy_coded(const BerContext& context, const uint8_t* text, const Work& w, int32_t field,
                       ColumnOut& out) noexcept {
    const uint32_t *begins = w.begins[static_cast<size_t>(field)], *ends = w.ends[static_cast<size_t>(field)];
    uint32_t begin = 0, kept = 0;
    uint8_t* at = out.data;
    if (w.text_bytes[static_cast<size_t>(field)] == 0) {
        std::fill_n(out.offsets + 1, w.kept, 0);
        return;
    }
    for (uint32_t i = 0; i < w.kept; ++i) {
        __builtin_prefetch(text + begins[i + kSpareRows - 1]);  // perhaps of another row: it hurts nobody
        const uint32_t row = w.kept_rows ? w.kept_rows[i] : i;
        const bool again = begins[row] == begin && ends[row] == kept;
        begin = begins[row];
        kept = ends[row];
        if (kept >> 24 == static_cast<uint32_t>(Coding::octets)) {
            detail::copy_bytes(at, text + begin, kept & kTextLength);  // text and column end in padding
            at += kept & kTextLength;
        } else if (again) {
            const int32_t above = out.offsets[i - 1], length = out.offsets[i] - above;
            std::memmove(at, out.data + above, static_cast<size_t>(length));
            at += length;
        } else {
            at = detail::write_coded(context, text, begin, kept, at);
        }
        out.offsets[i + 1] = static_cast<int32_t>(at - out.data);
    }
}

}  // namespace mediation
