// Chosen rows of columns, copied: what leaves a batch without keeping the rest of it alive.
//
// Conventions
// - Rows ascend. They come in runs (a selection drops few rows or keeps few), and a run is copied at once: on the
//   yardstick 4 ns a row of 19 columns, where looking up every row takes 30.
// - A null row's bytes are copied as they are: equal batches stay equal.
// - In place rows only move towards the first: what is written over has been read.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "native/column.hpp"

namespace mediation {

struct RowRun {
    RowRun(int64_t first, int64_t count) : begin(first), length(count) {}
    int64_t begin;
    int64_t length;
};

inline std::vector<RowRun> runs_of(const int32_t* rows, int64_t count) {
    std::vector<RowRun> runs;
    for (int64_t i = 0; i < count;) {
        const int64_t begin = rows[i];
        const int64_t first = i++;
        while (i < count && rows[i] == begin + (i - first)) ++i;
        runs.emplace_back(begin, i - first);
    }
    return runs;
}

// Bytes that the chosen texts take.
inline int64_t gathered_bytes(const ColumnView& in, const std::vector<RowRun>& runs) noexcept {
    const int32_t* offsets = in.offsets + in.offset;
    int64_t bytes = 0;
    for (const RowRun& run : runs) bytes += offsets[run.begin + run.length] - offsets[run.begin];
    return bytes;
}

struct Amount {
    int64_t records = 0, items = 0, bytes = 0;
};

// Of chosen rows of usage. The bytes of a record stand with its first row, whose item number is 0.
inline Amount amount_of(const ColumnView& item_no, const ColumnView& byte_length,
                        const std::vector<RowRun>& runs) noexcept {
    const int16_t* items = item_no.i16();
    const int64_t* lengths = byte_length.i64();
    Amount amount;
    for (const RowRun& run : runs) {
        int64_t records = 0, bytes = 0;
        for (int64_t i = run.begin; i < run.begin + run.length; ++i) {
            records += items[i] == 0;
            bytes += items[i] == 0 ? lengths[i] : 0;
        }
        amount.records += records;
        amount.items += run.length;
        amount.bytes += bytes;
    }
    return amount;
}

namespace detail {

// A run of duplicates is mostly one row: a loop of known width takes half as long as calls for a few bytes.
template <size_t width>
inline void gather_runs(const uint8_t* data, const std::vector<RowRun>& runs, uint8_t* at) noexcept {
    constexpr int64_t kShort = 4;
    for (const RowRun& run : runs) {
        const uint8_t* from = data + static_cast<size_t>(run.begin) * width;
        const size_t bytes = static_cast<size_t>(run.length) * width;
        if (run.length > kShort) std::memmove(at, from, bytes);
        else
            for (size_t i = 0; i < bytes && at != from; i += width) std::memcpy(at + i, from + i, width);
        at += bytes;
    }
}

inline void gather_fixed(const ColumnView& in, const std::vector<RowRun>& runs, ColumnOut& out) noexcept {
    const auto width = static_cast<size_t>(kWidths[static_cast<int>(in.kind)]);
    const uint8_t* data = in.data + static_cast<size_t>(in.offset) * width;
    switch (width) {
        case 2: return gather_runs<2>(data, runs, out.data);
        case 4: return gather_runs<4>(data, runs, out.data);
        case 8: return gather_runs<8>(data, runs, out.data);
        default: return gather_runs<16>(data, runs, out.data);
    }
}

inline void gather_text(const ColumnView& in, const std::vector<RowRun>& runs, ColumnOut& out) noexcept {
    const int32_t* offsets = in.offsets + in.offset;
    int32_t* ends = out.offsets + 1;
    int32_t at = 0;
    for (const RowRun& run : runs) {
        const int32_t* of_run = offsets + run.begin;
        const int32_t bytes = of_run[run.length] - of_run[0], shift = at - of_run[0];
        if (bytes) std::memmove(out.data + at, in.data + of_run[0], static_cast<size_t>(bytes));
        for (int64_t i = 1; i <= run.length; ++i) *ends++ = of_run[i] + shift;
        at += bytes;
    }
}

inline constexpr int64_t kBitsAtOnce = 56;  // with those before the first, at most a word

// The null bits of rows [begin, begin + count), ones; `count` is at most kBitsAtOnce.
inline uint64_t nulls_at(const ColumnView& in, int64_t begin, int64_t count) noexcept {
    const int64_t bit = in.offset + begin, left_bytes = (in.offset + in.length + 7) / 8 - bit / 8;
    uint64_t word = 0;
    if (left_bytes >= 8) std::memcpy(&word, in.validity + bit / 8, 8);
    else std::memcpy(&word, in.validity + bit / 8, static_cast<size_t>(left_bytes));
    return ~(word >> (bit & 7)) & ((uint64_t{1} << count) - 1);
}

// Words of bits are moved, not rows: whether a row is null is a coin's toss.
inline void gather_nulls(const ColumnView& in, const std::vector<RowRun>& runs, ColumnOut& out) noexcept {
    int64_t row = 0;
    for (const RowRun& run : runs) {
        for (int64_t done = 0; done < run.length; done += kBitsAtOnce) {
            const int64_t count = run.length - done < kBitsAtOnce ? run.length - done : kBitsAtOnce;
            const uint64_t nulls = nulls_at(in, run.begin + done, count);
            uint8_t* at = out.validity + (row + done) / 8;
            uint64_t word;
            std::memcpy(&word, at, 8);  // a pool's block: behind its last byte is padding
            word &= ~(nulls << ((row + done) & 7));
            std::memcpy(at, &word, 8);
            out.null_count += __builtin_popcountll(nulls);
        }
        row += run.length;
    }
}

}  // namespace detail

// `out` has room for all chosen rows, and validity where `in` has.
inline void gather(const ColumnView& in, const std::vector<RowRun>& runs, ColumnOut& out) noexcept {
    if (has_offsets(in.kind)) detail::gather_text(in, runs, out);
    else detail::gather_fixed(in, runs, out);
    if (in.validity) detail::gather_nulls(in, runs, out);
}

// Whether nobody else can see what a column stands in, so that its rows may be moved.
inline bool is_ours_alone(const Column& column) noexcept {
    for (const auto& owner : column.owners)
        if (owner && owner.use_count() != 1) return false;
    std::atomic_thread_fence(std::memory_order_acquire);  // what another has read, it has read before it let go
    return column.built && column.view.offset == 0;
}

// Moves the chosen rows of a column together where they stand: a run takes a fiftieth less time than with copies.
// False when there is none for the null bits.
[[nodiscard]] inline bool gather_in_place(Column& column, const std::vector<RowRun>& runs, int64_t count) {
    ColumnOut out;
    out.data = const_cast<uint8_t*>(column.view.data);
    out.offsets = const_cast<int32_t*>(column.view.offsets);
    std::shared_ptr<uint8_t> validity;
    if (column.view.validity) {
        const int64_t bytes = (count + 7) / 8;
        if (!(validity = Pool::instance().allocate(bytes))) return false;
        std::memset(validity.get(), 0xFF, static_cast<size_t>(bytes));
        out.validity = validity.get();
    }
    gather(column.view, runs, out);
    column.view.length = count;
    column.view.null_count = out.null_count;
    column.view.validity = out.null_count ? out.validity : nullptr;
    column.owners[0] = std::move(validity);
    return true;
}

}  // namespace mediation
