// One element's contents to one column: what the interpreter does where the tag table says that a value stands.
//
// Conventions
// - A value that is not valid is noted as its record's fault, with the field; the column keeps 0, so that control sums
//   count what could be read. Empty contents are a null.
// - Text is checked here and copied when the rows that stay are known: a row keeps its position and length | coding.
#pragma once

#include <cstdint>
#include <string_view>

#include "decode/ber/octets.hpp"
#include "decode/ber/program.hpp"
#include "decode/text.hpp"

namespace mediation {

inline constexpr uint32_t kTextLength = 0xFFFFFF;  // bits of a kept text's length; its coding is above them
inline constexpr uint8_t kNoUtcOffset = 4;         // of flags: a local time whose UTC offset the file does not say

// The record that is being read, and the row that its values go to.
struct BerRow {
    const TextPlan& plan;
    const BerProgram& program;
    const BerContext& context;
    const uint8_t* text;
    Work& work;
    uint32_t record = 0;
    uint32_t row = 0;
    uint8_t* filled = nullptr;  // by column: whether the row has its value
    int64_t unknown = 0;  // elements that the table does not know
};

namespace detail {

// What a kept text becomes at most, in any coding.
constexpr uint32_t most_characters(uint32_t kept) noexcept { return 3 * (kept & kTextLength) + 20; }

inline void fail(BerRow& r, const FieldPlan& f, Code code) noexcept {
    note(r.work.records, r.record, code, f.number);
    ++r.work.unreadable[static_cast<size_t>(f.column)];
}

template <typename T>
inline T& cell(BerRow& r, const FieldPlan& f) noexcept {
    return reinterpret_cast<T*>(r.work.data[static_cast<size_t>(f.column)])[r.row];
}

inline void fill(BerRow& r, const FieldPlan& f) noexcept {
    r.work.nulls[static_cast<size_t>(f.column)][r.row] = 0;
    r.filled[f.column] = 1;
}

// The user of a SIP or TEL URI (RFC 3261, 3966): without scheme, password, domain and parameters. Without a user it is
// the domain; what has no such scheme stays as it is.
inline Span user_of(Span s) noexcept {
    uint32_t scheme = 0;
    for (const std::string_view known : {"sip:", "sips:", "tel:"}) {
        if (s.length < known.size()) continue;
        uint32_t same = 0;
        while (same < known.size() && (s.begin[same] | (known[same] == ':' ? 0 : 0x20)) == known[same]) ++same;
        if (same == known.size()) scheme = same;
    }
    if (scheme == 0) return s;
    uint32_t length = 0;
    s = {s.begin + scheme, s.length - scheme};
    constexpr std::string_view kEnds = "@;?:";
    while (length < s.length && kEnds.find(static_cast<char>(s.begin[length])) == kEnds.npos) ++length;
    return {s.begin, length};
}

// ------------------------------------------------------------------------------------------- numbers

inline Parsed msisdn_of(const FieldPlan& f, Span s, bool swapped) noexcept {
    uint8_t digits[48];
    if (s.length > 12) return {0, Code::bad_msisdn};
    const Parsed count = count_digits(s.begin, s.length, swapped);
    if (count.code != Code::ok) return {0, Code::bad_msisdn};
    write_digits(s.begin, static_cast<uint32_t>(count.value), swapped, digits);
    return convert_msisdn(f, {digits, static_cast<uint32_t>(count.value)});
}

inline Parsed number_of(BerRow& r, const FieldPlan& f, Coding coding, Span s) noexcept {
    switch (coding) {
        case Coding::integer: return ber_integer(s.begin, s.length);
        case Coding::negated: {
            Parsed p = ber_integer(s.begin, s.length);
            if (__builtin_sub_overflow(int64_t{0}, p.value, &p.value)) p.code = Code::number_overflow;
            return p;
        }
        case Coding::address: {
            const bool international = (s.begin[0] >> 4 & 7) == 1;
            const uint32_t head = address_head(s.begin);
            if (s.length <= head) return {0, Code::missing_value};
            const Span digits{s.begin + head, s.length - head};
            if (f.type == FieldType::msisdn && !international) return msisdn_of(f, digits, true);
            return digits_value(digits.begin, digits.length, true);
        }
        case Coding::bcd:
        case Coding::tbcd:
            if (f.type == FieldType::msisdn) return msisdn_of(f, s, coding == Coding::tbcd);
            return digits_value(s.begin, s.length, coding == Coding::tbcd);
        case Coding::rate: {
            const Parsed code = ber_integer(s.begin, s.length);
            const BerContext::Named* rate = find_code(r.context.rates, code.value);
            return rate && code.code == Code::ok ? Parsed{rate->value, Code::ok} : Parsed{0, Code::missing_value};
        }
        case Coding::uri:
            if (f.type != FieldType::msisdn && *s.begin == '+') s = {s.begin + 1, s.length - 1};
            if (s.length == 0) return {0, Code::missing_value};
            [[fallthrough]];
        default: return f.type == FieldType::msisdn ? convert_msisdn(f, s) : parse_integer(s, f.is_signed);
    }
}

inline void store_integer(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    Parsed p = number_of(r, f, a.coding, s);
    if (p.code == Code::missing_value) return;
    if (p.code == Code::ok && p.value < 0 && !f.is_signed) p.code = Code::negative;
    if (p.code == Code::ok && (p.value < f.min || p.value > f.max)) p.code = Code::out_of_range;
    int64_t& out = cell<int64_t>(r, f);
    if (p.code == Code::ok && (__builtin_mul_overflow(p.value, f.multiplier, &p.value) ||
                               __builtin_add_overflow(out, p.value, &p.value)))
        p.code = Code::number_overflow;
    if (p.code != Code::ok) return fail(r, f, p.code);
    out = p.value;
    fill(r, f);
}

// An amount in the file's own decimals, or a rate that is brought to 10^-6 already.
inline void store_decimal(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    constexpr __int128 kLimit = 1000000000000000000;
    const Parsed p = number_of(r, f, a.coding, s);
    if (p.code == Code::missing_value) return;
    if (p.code != Code::ok) return fail(r, f, p.code);
    __int128 value = p.value;
    if (a.coding != Coding::rate) {
        if (!r.context.divisor) {
            ++r.work.unreadable[static_cast<size_t>(f.column)];
            return;
        }
        if (p.value % r.context.divisor) return fail(r, f, Code::too_many_decimals);
        value = __int128{p.value / r.context.divisor} * r.context.multiplier;
    }
    __int128& out = cell<__int128>(r, f);
    value += out;
    if (p.value < 0 && !f.is_signed) return fail(r, f, Code::negative);
    if (value >= kLimit || value <= -kLimit) return fail(r, f, Code::number_overflow);
    out = value;
    fill(r, f);
}

// --------------------------------------------------------------------------------------------- times

inline constexpr uint32_t kLocalTime = 1u << kTagClass | 16, kOffsetCode = 1u << kTagClass | 232;  // of TAP
inline constexpr uint32_t kEventTime = 1u << kTagClass | 21, kEventOffset = 1u << kTagClass | 45;  // of NRTRDE

// The offset of a TAP time's code; null when the time has no code, or the file does not say what it means.
inline const BerContext::Named* tap_offset(const BerRow& r, Span s) noexcept {
    Element code;
    if (!find_child(s.begin, 0, s.length, kOffsetCode, code) || length_of(code) == 0) return nullptr;
    const Parsed number = ber_integer(s.begin + code.content, length_of(code));
    return number.code == Code::ok ? find_code(r.context.offsets_us, number.value) : nullptr;
}

// The offset beside an NRTRDE event's time; missing_value when there is none.
inline Offset nrtrde_offset(Span s) noexcept {
    Element offset;
    const bool found = find_child(s.begin, 0, s.length, kEventOffset, offset);
    if (!found || length_of(offset) == 0) return {0, Code::missing_value};
    const Parsed us = parse_offset_us({s.begin + offset.content, length_of(offset)});
    return {us.value, us.code};
}

inline Offset offset_of(const BerRow& r, Coding coding, Span s) noexcept {
    if (coding == Coding::time9) return time9_offset(s.begin, s.length);
    if (coding == Coding::nrtrde_offset || coding == Coding::nrtrde_time) return nrtrde_offset(s);
    const BerContext::Named* offset = tap_offset(r, s);
    return offset ? Offset{offset->value, Code::ok} : Offset{0, Code::missing_value};
}

// A local time beside which its offset stands.
inline Instant local_time(BerRow& r, Coding coding, Span s) noexcept {
    Element local;
    const uint32_t tag = coding == Coding::tap_time ? kLocalTime : kEventTime;
    if (!find_child(s.begin, 0, s.length, tag, local)) return {0, Code::missing_value, false};
    Instant time = local_time14(s.begin + local.content, length_of(local));
    if (time.code != Code::ok) return time;
    const Offset offset = offset_of(r, coding, s);
    if (offset.code == Code::missing_value) r.work.flags[r.row] |= kNoUtcOffset;
    if (offset.code != Code::ok) return {0, offset.code, false};
    time.us -= offset.us;
    return time;
}

inline Instant digits_time(BerRow& r, const FieldPlan& f, Span s, bool swapped) noexcept {
    uint8_t digits[32 + 8] = {};
    const Parsed count = count_digits(s.begin, s.length, swapped);
    if (count.code != Code::ok || count.value > 32) return {0, Code::bad_timestamp, false};
    write_digits(s.begin, static_cast<uint32_t>(count.value), swapped, digits);
    return convert_instant(f, {digits, static_cast<uint32_t>(count.value)}, r.work.zone_hints[f.number - 1]);
}

inline Instant instant_of(BerRow& r, const FieldPlan& f, Coding coding, Span s) noexcept {
    switch (coding) {
        case Coding::tap_time:
        case Coding::nrtrde_time: return local_time(r, coding, s);
        case Coding::time9: return time9(s.begin, s.length);
        case Coding::bcd:
        case Coding::tbcd: return digits_time(r, f, s, coding == Coding::tbcd);
        case Coding::integer: {
            const Parsed p = ber_integer(s.begin, s.length);
            if (p.code != Code::ok || p.value < 0 || p.value > 7258118399) return {0, Code::impossible_time, false};
            return {p.value * kSecond, Code::ok, false};
        }
        default: return convert_instant(f, s, r.work.zone_hints[f.number - 1]);
    }
}

inline void store_instant(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    const Instant i = instant_of(r, f, a.coding, s);
    if (i.leap_second) r.work.flags[r.row] |= 2;
    if (i.code == Code::missing_value) return;
    if (i.code != Code::ok) return fail(r, f, i.code);
    cell<int64_t>(r, f) = i.us;
    fill(r, f);
}

// The UTC offset of a time, in seconds.
inline void store_offset(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    const Offset offset = offset_of(r, a.coding, s);
    if (offset.code == Code::missing_value) return;
    if (offset.code != Code::ok) return fail(r, f, offset.code);
    cell<int64_t>(r, f) = offset.us / kSecond;
    fill(r, f);
}

// ------------------------------------------------------------------------------------- codes and text

inline void store_code(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    uint8_t written[20 + 16] = {};  // digits, and what may be read behind them
    if (a.coding == Coding::integer) {
        const Parsed p = ber_integer(s.begin, s.length);
        if (p.code != Code::ok || p.value < 0) return fail(r, f, Code::unknown_value);
        uint8_t* at = written + 20;
        uint64_t value = static_cast<uint64_t>(p.value);
        do *--at = static_cast<uint8_t>('0' + value % 10);
        while (value /= 10);
        s = {at, static_cast<uint32_t>(written + 20 - at)};
    }
    const int16_t code = a.coding == Coding::tag ? a.constant : f.enumeration.find(s);
    if (code < 0) return fail(r, f, Code::unknown_value);
    cell<int16_t>(r, f) = code;
    fill(r, f);
}

struct Kept {
    uint32_t length;      // octets that are kept
    uint32_t characters;  // most that they become
    Code code;
};

inline Kept check_octets(const FieldPlan& f, Span s) noexcept {
    const Code code = check_text(f, s);
    if (code != Code::ok) return {0, 0, code};
    if (first_invalid(Encoding::utf8, {}, s.begin, s.length) >= 0) return {0, 0, Code::invalid_encoding};
    return {s.length, s.length, Code::ok};
}

inline Kept check_digits(const FieldPlan& f, const uint8_t* at, uint32_t length, bool swapped) noexcept {
    const Parsed digits = count_digits(at, length, swapped);
    const auto count = static_cast<uint32_t>(digits.value);
    if (digits.code == Code::ok && (count < f.min_length || count > f.max_length)) return {0, 0, Code::bad_length};
    return {count, count + 1, digits.code};
}

inline Kept check_kept(const FieldPlan& f, Coding coding, Span s) noexcept {
    switch (coding) {
        case Coding::bcd:
        case Coding::tbcd: return check_digits(f, s.begin, s.length, coding == Coding::tbcd);
        case Coding::address: {
            const uint32_t head = address_head(s.begin);
            if (s.length <= head) return {0, 0, Code::ok};
            return check_digits(f, s.begin + head, s.length - head, true);
        }
        case Coding::plmn: {
            const Parsed digits = plmn_digits(s.begin, s.length);
            return {static_cast<uint32_t>(digits.value), static_cast<uint32_t>(digits.value), digits.code};
        }
        case Coding::hex: return {s.length, 2 * s.length, Code::ok};
        case Coding::ip:
            if (s.length != 4 && s.length != 16) return check_octets(f, s);
            return {s.length, s.length == 4 ? 15 : 3 * s.length, Code::ok};
        case Coding::integer: return {s.length, 20, ber_integer(s.begin, s.length).code};
        default: return check_octets(f, s);
    }
}

inline void keep(BerRow& r, const FieldPlan& f, Coding coding, uint32_t at, const Kept& kept) noexcept {
    const size_t field = f.number - 1;
    if (kept.length == 0) return;
    r.work.begins[field][r.row] = at;
    r.work.ends[field][r.row] = kept.length | static_cast<uint32_t>(coding) << 24;
    r.work.text_bytes[field] += kept.characters;
    fill(r, f);
}

// A recording entity's name; null when the header does not have it, or it is not of the types that are meant.
inline void store_entity(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    const Parsed code = ber_integer(s.begin, s.length);
    const BerContext::Entity* found = find_code(r.context.entities, code.value);
    if (!found || code.code != Code::ok) return;
    if (a.types != ~uint64_t{0} && (found->type < 0 || found->type > 63 || !(a.types >> found->type & 1))) return;
    const auto length = static_cast<uint32_t>(found->id.size());
    keep(r, f, Coding::entity, static_cast<uint32_t>(found - r.context.entities.data()), {length, length, Code::ok});
}

inline void store_text(BerRow& r, const FieldPlan& f, const BerAction& a, Span s) noexcept {
    if (a.coding == Coding::entity) return store_entity(r, f, a, s);
    const Coding coding = a.coding == Coding::uri ? Coding::octets : a.coding;
    const Kept kept = check_kept(f, coding, s);
    if (kept.code != Code::ok) return fail(r, f, kept.code);
    keep(r, f, coding, static_cast<uint32_t>(s.begin - r.text), kept);
}

constexpr bool is_offset(Coding c) noexcept { return c == Coding::tap_offset || c == Coding::nrtrde_offset; }

// Whether an element with members may mean it.
constexpr bool composite(Coding c) noexcept {
    return c == Coding::tag || c == Coding::tap_time || c == Coding::nrtrde_time || is_offset(c);
}

}  // namespace detail

// Stores the contents [begin, end) of an element as the action says.
inline void store(BerRow& r, const BerAction& a, bool constructed, uint32_t begin, uint32_t end) noexcept {
    const FieldPlan& f = r.plan.fields[a.field];
    if (!a.sum && r.filled[f.column]) return;
    if (constructed && !detail::composite(a.coding)) return detail::fail(r, f, Code::segmented_value);
    if (a.coding == Coding::octets && !f.plain()) trim(f, r.text, 1, &begin, &end);
    Span s{r.text + begin, end - begin};
    if (a.coding == Coding::uri) s = detail::user_of(s);
    if (s.length == 0 && a.coding != Coding::tag) return;
    if (detail::is_offset(a.coding) || (a.coding == Coding::time9 && f.type == FieldType::integer))
        return detail::store_offset(r, f, a, s);
    switch (f.type) {
        case FieldType::integer:
        case FieldType::msisdn: return detail::store_integer(r, f, a, s);
        case FieldType::decimal: return detail::store_decimal(r, f, a, s);
        case FieldType::timestamp:
        case FieldType::unix_time: return detail::store_instant(r, f, a, s);
        case FieldType::enumeration: return detail::store_code(r, f, a, s);
        default: return detail::store_text(r, f, a, s);
    }
}

}  // namespace mediation
