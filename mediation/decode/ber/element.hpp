// One element of BER (ITU-T X.690): its tag, its length in any form, and where its contents end.
//
// Conventions
// - A tag is class << 14 | number, of at most three octets. Lengths are definite in any number of octets, minimal or
//   not, or indefinite; contents end where their container ends at the latest.
// - Nothing is recursive: what is open is counted and bounded. Every octet is looked at a bounded number of times.
// - Texts end in padding: up to 64 octets behind `limit` may be read, none of them counts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/status.hpp"

namespace mediation {

inline constexpr uint32_t kMaxDepth = 32;  // of open containers; TAP and 3GPP records have less than half
inline constexpr uint32_t kTagClass = 14;  // bits below the class

struct Element {
    uint32_t tag;
    uint32_t content;  // where the contents begin
    uint64_t end;      // … and end; of an indefinite length: the limit, until `find_end` says it
    bool constructed;
    bool indefinite;
};

namespace detail {

// Everything but the short form. `at` is behind the first length octet.
[[gnu::noinline]] inline Code long_length(const uint8_t* text, uint32_t& at, uint32_t limit, uint8_t first,
                                          Element& e, uint64_t& length) noexcept {
    if (first == 0x80) {
        e.indefinite = true;
        return e.constructed ? Code::ok : Code::bad_length_octets;
    }
    if (first == 0xFF) return Code::bad_length_octets;
    const uint32_t octets = first & 0x7F;
    if (octets > limit - at) return Code::element_overrun;
    length = 0;
    for (uint32_t i = 0; i < octets; ++i) {
        if (length >> 32) return Code::bad_length_octets;
        length = length << 8 | text[at + i];
    }
    at += octets;
    return length >> 32 ? Code::bad_length_octets : Code::ok;
}

}  // namespace detail

// The element at `at`, which is before `limit`. element_overrun: it ends behind the limit; `e.end` says where when its
// length could be read, and is 0 otherwise.
inline Code read_element(const uint8_t* text, uint32_t at, uint32_t limit, Element& e) noexcept {
    const uint8_t first = text[at++];
    uint32_t number = first & 31;
    e.constructed = first & 32;
    e.indefinite = false;
    e.end = 0;
    if (number == 31) {
        uint8_t octet = text[at++];
        number = octet & 127;
        if (octet & 128) {
            octet = text[at++];
            number = number << 7 | (octet & 127);
            if (octet & 128) return at <= limit ? Code::bad_tag : Code::element_overrun;
        }
    }
    if (at >= limit) return Code::element_overrun;
    e.tag = uint32_t{first} >> 6 << kTagClass | number;
    const uint8_t length_octet = text[at++];
    uint64_t length = length_octet;
    if (length_octet & 128) {
        const Code code = detail::long_length(text, at, limit, length_octet, e, length);
        if (code != Code::ok) return code;
        if (e.indefinite) length = limit - at;
    }
    e.content = at;
    e.end = at + length;
    return e.end > limit ? Code::element_overrun : Code::ok;
}

inline bool end_of_contents(const uint8_t* text, uint32_t at, uint32_t limit) noexcept {
    return limit - at >= 2 && text[at] == 0 && text[at + 1] == 0;
}

// Where the contents of an element of indefinite length end, before their end-of-contents octets. Containers of known
// length are passed over whole.
inline Code find_end(const uint8_t* text, uint32_t at, uint32_t limit, uint32_t& end) noexcept {
    uint32_t open = 1;
    while (at < limit) {
        if (end_of_contents(text, at, limit)) {
            end = at;
            if (--open == 0) return Code::ok;
            at += 2;
            continue;
        }
        Element e;
        const Code code = read_element(text, at, limit, e);
        if (code != Code::ok) return code;
        if (e.indefinite && ++open > kMaxDepth) return Code::too_deep;
        at = e.indefinite ? e.content : static_cast<uint32_t>(e.end);
    }
    return Code::element_overrun;
}

// The element at `at`, with `e.end` where its contents really end, and behind all of it in `next`.
inline Code whole_element(const uint8_t* text, uint32_t at, uint32_t limit, Element& e, uint32_t& next) noexcept {
    Code code = read_element(text, at, limit, e);
    if (code != Code::ok) return code;
    next = static_cast<uint32_t>(e.end);
    if (!e.indefinite) return Code::ok;
    uint32_t end = 0;
    code = find_end(text, e.content, limit, end);
    e.end = code == Code::ok ? end : 0;
    next = end + 2;
    return code;
}

// The first element of a tag among the contents; false when there is none or they cannot be read.
inline bool find_child(const uint8_t* text, uint32_t at, uint32_t limit, uint32_t tag, Element& e) noexcept {
    while (at < limit && !end_of_contents(text, at, limit)) {
        uint32_t next = 0;
        if (whole_element(text, at, limit, e, next) != Code::ok) return false;
        if (e.tag == tag) return true;
        at = next;
    }
    return false;
}

inline uint32_t length_of(const Element& e) noexcept { return static_cast<uint32_t>(e.end) - e.content; }

// ------------------------------------------------------------------------------------------- records

enum class Stop : uint8_t {
    paused,        // as many records as were asked for
    more,          // the text ends before the record at `end` does
    contents_end,  // the records' container ends at `end`
    damaged        // no record can be read at `end`
};

struct Cut {
    uint32_t end = 0;  // of the last whole record, or of filler behind it
    uint32_t records = 0;
    Stop stop = Stop::paused;
    Code code = Code::ok;  // of what is damaged at `end`
    uint64_t next = 0;     // where the record at `end` says that it ends; 0 when it does not
};

// How one record follows the other: as elements, each perhaps behind a header of `head` octets that say nothing here,
// or behind a CDR header of 3GPP TS 32.297 that says its length.
struct BerFraming {
    enum Kind : uint8_t { elements, cdrs } kind = elements;
    uint32_t head = 0;  // at most kMaxHead
    constexpr BerFraming(Kind of = elements, uint32_t octets = 0) noexcept : kind(of), head(octets) {}
};

inline constexpr uint32_t kMaxHead = 255;

// Whether no record begins at `at`: where one may have a header, that is not only 00 or FF up to the record's tag.
inline bool is_filler(BerFraming framing, const uint8_t* text, uint32_t at, uint32_t limit) noexcept {
    const uint8_t octet = text[at];
    if (octet != 0x00 && octet != 0xFF) return false;
    const uint32_t more = framing.kind == BerFraming::cdrs ? 3 : framing.head;
    if (limit - at <= more) return false;
    for (uint32_t i = 1; i <= more; ++i)
        if (text[at + i] != octet) return false;
    return true;
}

// Octets of the CDR header at `at`; its fifth is there in releases that need it.
inline uint32_t cdr_head(const uint8_t* text, uint32_t at) noexcept { return text[at + 2] >> 5 == 7 ? 5 : 4; }

// Octets of the header of the record at `at`.
inline uint32_t head_of(BerFraming framing, const uint8_t* text, uint32_t at) noexcept {
    return framing.kind == BerFraming::cdrs ? cdr_head(text, at) : framing.head;
}
inline bool cdr_is_ber(const uint8_t* text, uint32_t at) noexcept { return text[at + 3] >> 5 == 1; }

// The CDR at `cut.end`; false when it does not end within `limit`.
inline bool cut_cdr(const uint8_t* text, uint32_t limit, Cut& cut) noexcept {
    const uint32_t at = cut.end;
    cut.next = limit - at < 4 ? 0 : uint64_t{at} + cdr_head(text, at) + (uint32_t{text[at]} << 8 | text[at + 1]);
    cut.code = cut.next == 0 || cut.next > limit ? Code::element_overrun : Code::ok;
    if (cut.code != Code::ok) return false;
    cut.end = static_cast<uint32_t>(cut.next);
    ++cut.records;
    return true;
}

// The record at `cut.end`; false when it is not one that ends within `limit`. One of indefinite length has to end
// within `longest` octets: nobody looks further.
inline bool cut_record(BerFraming framing, const uint8_t* text, uint32_t limit, uint32_t longest, Cut& cut) noexcept {
    if (framing.kind == BerFraming::cdrs) return cut_cdr(text, limit, cut);
    Element e;
    e.indefinite = false;
    e.end = 0;
    cut.code = Code::element_overrun;
    if (limit - cut.end > framing.head) cut.code = read_element(text, cut.end + framing.head, limit, e);
    if (cut.code == Code::ok && e.indefinite) {
        const bool further = limit - cut.end > longest;
        uint32_t end = 0;
        cut.code = find_end(text, e.content, further ? cut.end + longest : limit, end);
        if (further && cut.code == Code::element_overrun) cut.code = Code::record_too_long;
        e.end = uint64_t{end} + 2;
    }
    if (cut.code != Code::ok) {
        cut.next = e.indefinite ? 0 : e.end;
        return false;
    }
    cut.end = static_cast<uint32_t>(e.end);
    ++cut.records;
    return true;
}

// Blocks of so many octets, 0: none, of which one ends `first` octets behind the text's begin. No record crosses one.
struct Blocks {
    uint32_t octets = 0, first = 0;
    uint64_t end(uint32_t at) const noexcept {
        if (octets == 0) return UINT64_MAX;
        return at < first ? first : at + octets - (at - first) % octets;
    }
};

// Whole records from `at` on, at most `most`. Their container ends at `container` (beyond `filled`: not at hand yet)
// or, when it is of indefinite length, with end-of-contents octets.
inline Cut cut_records(BerFraming framing, const uint8_t* text, uint32_t at, uint32_t filled, uint64_t container,
                       bool indefinite, uint32_t longest, uint32_t most, Blocks blocks = {}) noexcept {
    const auto limit = static_cast<uint32_t>(container < filled ? container : filled);
    Cut cut;
    cut.end = at;
    while (cut.end < limit) {
        if (cut.records == most) return cut;
        if (indefinite && text[cut.end] == 0) {
            const bool whole = limit - cut.end >= 2;
            cut.stop = !whole ? Stop::more : text[cut.end + 1] == 0 ? Stop::contents_end : Stop::damaged;
            cut.code = whole ? Code::bad_tag : Code::element_overrun;
            return cut;
        }
        if (is_filler(framing, text, cut.end, limit)) {
            ++cut.end;
            continue;
        }
        const uint64_t ends = std::min(container, blocks.end(cut.end));
        const auto within = static_cast<uint32_t>(std::min<uint64_t>(ends, filled));
        if (!cut_record(framing, text, within, longest, cut)) {
            const bool at_hand = cut.code != Code::element_overrun || within == ends || cut.next > ends;
            cut.stop = at_hand ? Stop::damaged : Stop::more;
            return cut;
        }
    }
    cut.stop = limit == container ? Stop::contents_end : Stop::more;
    return cut;
}

}  // namespace mediation
