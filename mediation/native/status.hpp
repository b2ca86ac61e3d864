// Every code a record or a file can be given, in one place.
//
// Conventions: 0 is ok. Codes are stable: a code once published is never given another meaning. The names are what
// tables, run.json and messages show; their explanations stand in errors.py.
#pragma once

#include <cstdint>

#define MEDIATION_CODES(X)                                                              \
    X(ok, 0)                                                                            \
    /* a record that could not be decoded, or is not valid: rejected at decode */       \
    X(wrong_field_count, 1)                                                             \
    X(wrong_record_length, 2)                                                           \
    X(bad_terminator, 3)                                                                \
    X(record_too_long, 4)                                                               \
    X(unclosed_quote, 5)                                                                \
    X(bad_quote, 6)                                                                     \
    X(invalid_encoding, 7)                                                              \
    X(missing_value, 8)                                                                 \
    X(unexpected_value, 9)                                                              \
    X(not_a_number, 10)                                                                 \
    X(negative, 11)                                                                     \
    X(number_overflow, 12)                                                              \
    X(too_many_decimals, 13)                                                            \
    X(out_of_range, 14)                                                                 \
    X(bad_length, 15)                                                                   \
    X(bad_character, 16)                                                                \
    X(unknown_value, 17)                                                                \
    X(bad_timestamp, 18)                                                                \
    X(impossible_time, 19)                                                              \
    X(ambiguous_time, 20)                                                               \
    X(nonexistent_time, 21)                                                             \
    X(bad_utc_offset, 22)                                                               \
    X(bad_msisdn, 23)                                                                   \
    X(bad_tag, 24)                                                                      \
    X(bad_length_octets, 25)                                                            \
    X(element_overrun, 26)                                                              \
    X(too_deep, 27)                                                                     \
    X(segmented_value, 28)                                                              \
    X(too_many_items, 29)                                                               \
    X(trailing_bytes, 30)                                                               \
    X(bad_json, 31)                                                                     \
    X(repeated_key, 32)                                                                 \
    X(wrong_structure, 33)                                                              \
    /* a record that cannot be charged yet: suspended */                                \
    X(unknown_number, 40)                                                               \
    X(number_not_owned, 41)                                                             \
    X(missing_number, 42)                                                               \
    X(missing_time, 43)                                                                 \
    X(missing_quantity, 44)                                                             \
    X(unknown_destination, 45)                                                          \
    X(missing_destination, 46)                                                          \
    X(no_product, 47)                                                                   \
    X(no_host, 48)                                                                      \
    X(no_price, 49)                                                                     \
    X(amount_overflow, 50)                                                              \
    X(not_rateable, 51)                                                                 \
    X(too_old, 52)                                                                      \
    /* the verdict on a repeated key: duplicate */                                      \
    X(retransmission, 60)                                                               \
    X(conflict, 61)                                                                     \
    /* a file that was refused whole */                                                 \
    X(no_feed_matches, 80)                                                              \
    X(several_feeds_match, 81)                                                          \
    X(no_layout_in_force, 82)                                                           \
    X(not_a_regular_file, 83)                                                           \
    X(changed_while_read, 84)                                                           \
    X(damaged_compression, 85)                                                          \
    X(too_many_bytes, 86)                                                               \
    X(compression_ratio_too_high, 87)                                                   \
    X(too_many_members, 88)                                                             \
    X(header_missing, 89)                                                               \
    X(header_mismatch, 90)                                                              \
    X(trailer_missing, 91)                                                              \
    X(record_count_mismatch, 92)                                                        \
    X(control_sum_mismatch, 93)                                                         \
    X(nested_compression, 94)                                                           \
    X(unreadable, 95)                                                                   \
    X(wrong_compression, 96)                                                            \
    X(wrong_format, 97)                                                                 \
    X(column_missing, 100)                                                              \
    X(column_repeated, 101)                                                             \
    X(too_many_columns, 102)                                                            \
    X(unknown_version, 103)                                                             \
    X(envelope_too_long, 104)

namespace mediation {

enum class Code : int16_t {
#define MEDIATION_ENUMERATE(name, number) name = number,
    MEDIATION_CODES(MEDIATION_ENUMERATE)
#undef MEDIATION_ENUMERATE
};

struct CodeName {
    int16_t code;
    const char* name;
};

inline constexpr CodeName kCodeNames[] = {
#define MEDIATION_NAME(name, number) {number, #name},
    MEDIATION_CODES(MEDIATION_NAME)
#undef MEDIATION_NAME
};
inline constexpr int kCodeCount = sizeof(kCodeNames) / sizeof(kCodeNames[0]);

}  // namespace mediation
