// A column as one number that depends on every row: what batches are compared by when nothing of them is kept.
//
// Conventions
// - Modulo 2^64, as Arrow adds integers; a decimal counts as the integer that it is stored as, by its low half.
// - A code counts as its place in the dictionary, a text with its bytes' number. Null counts nothing, whatever lies
//   under it.
#pragma once

#include <cstdint>

#include "native/column.hpp"

namespace mediation {
namespace detail {

// `value(row)`: what a row counts. A row that is null is masked, not passed over: which one is, is a coin's toss.
template <typename Value>
[[gnu::always_inline]] inline uint64_t total(const ColumnView column, Value value) noexcept {
    uint64_t sum = 0;
    if (!column.validity)
        for (int64_t row = 0; row < column.length; ++row) sum += value(row);
    else
        for (int64_t row = 0; row < column.length; ++row) sum += value(row) & -uint64_t{column.valid(row)};
    return sum;
}

template <typename T>
inline uint64_t total_of(const ColumnView column) noexcept {
    const T* values = column.as<T>();
    return total(column, [=](int64_t row) { return static_cast<uint64_t>(static_cast<int64_t>(values[row])); });
}

}  // namespace detail

inline uint64_t column_total(const ColumnView& column) noexcept {
    switch (column.kind) {
        case Kind::i16:
        case Kind::code:
            return detail::total_of<int16_t>(column);
        case Kind::i32:
        case Kind::date32:
            return detail::total_of<int32_t>(column);
        case Kind::i64:
        case Kind::timestamp:
            return detail::total_of<int64_t>(column);
        case Kind::decimal128:
        case Kind::fixed16:
            return detail::total(column, [data = column.as<Decimal128>()](int64_t row) { return data[row].low; });
        default:
            return detail::total(column, [at = column.offsets + column.offset](int64_t row) {
                return static_cast<uint64_t>(static_cast<int64_t>(at[row + 1] - at[row]));
            });
    }
}

}  // namespace mediation
