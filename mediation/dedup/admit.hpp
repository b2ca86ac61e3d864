// A batch's verdicts: records sorted for the set, and what it says of them turned into rows.
//
// Conventions
// - Rows are of the batch; a record's rows share its verdict. Where every row is a record, record i is row i.
// - Nearly all records are fresh: by record stands one byte that says so, and more only of the others.
// - A record that the history knows never reaches the set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dedup/partition_day.hpp"
#include "dedup/set.hpp"
#include "native/column.hpp"

namespace mediation {

enum class AdmitStatus : int32_t { ok, memory, ordinals };
enum class Verdict : int16_t { retransmission = 0, conflict = 1 };

struct AdmitTask {
    const Fingerprint* fingerprints;  // by row
    const int32_t* checks;
    const int64_t* record_nos;        // by row
    const int32_t* first;             // by record: its first row; one more entry than records
    int64_t records;
    int64_t ordinal_base;
    const uint8_t* in_history;        // by row, or null
    const int32_t* history_checks;
};

struct AdmitArrays {
    SeenRecord* sorted;
    int32_t* places;
    uint32_t* begins;  // kSetParts + 1
    Repeats repeats;   // by record; a first ordinal of -1 is one in the history
};

// The arrays of one call, kept for the next.
struct AdmitBuffers {
    std::vector<SeenRecord> sorted;
    std::vector<int32_t> first, places, first_checks;
    std::vector<int64_t> first_ordinals;
    std::vector<uint32_t> begins = std::vector<uint32_t>(kSetParts + 1);
    std::vector<uint8_t> repeated, in_history;

    void hold(int64_t rows) {
        const size_t size = static_cast<size_t>(rows) + 8;  // write_rows looks at eight records at once
        if (first.size() >= size) return;
        sorted.resize(size);
        for (auto* column : {&first, &places, &first_checks}) column->resize(size);
        first_ordinals.resize(size);
        for (auto* column : {&repeated, &in_history}) column->resize(size);
    }
    AdmitArrays arrays() {
        return {sorted.data(), places.data(), begins.data(),
                {repeated.data(), first_checks.data(), first_ordinals.data()}};
    }
};

// Marks the rows whose fingerprint the history knows.
inline void mark_known(const ColumnView& history_checks, uint8_t* in_history) {
    for (int64_t i = 0; i < history_checks.length; ++i) in_history[i] = history_checks.valid(i);
}

namespace detail {

// False when an ordinal is beyond 32 bits.
inline bool ordinals_fit(const AdmitTask& task) {
    uint64_t bits = 0;
    for (int64_t i = 0; i < task.records; ++i)
        bits |= static_cast<uint64_t>(task.ordinal_base + task.record_nos[task.first[i]]);
    return bits <= UINT32_MAX;
}

// Answers for the records that the history knows and sorts the others by part.
inline void sort_records(const AdmitTask& task, const AdmitArrays& arrays) {
    const Repeats& repeats = arrays.repeats;
    uint32_t* ends = arrays.begins + 1;  // each part's begin until its records are written, then its end
    std::memset(arrays.begins, 0, sizeof(uint32_t) * (kSetParts + 1));
    for (int64_t i = 0; i < task.records; ++i) {
        const int32_t row = task.first[i];
        if (task.in_history && task.in_history[row]) {
            repeats.repeated[i] = 1;
            repeats.first_checks[i] = task.history_checks[row];
            repeats.first_ordinals[i] = -1;
        } else {
            ++ends[part_of(task.fingerprints[row])];
        }
    }
    uint32_t begin = 0;
    for (int p = 0; p < kSetParts; ++p) {
        const uint32_t count = ends[p];
        ends[p] = begin;
        begin += count;
    }
    for (int64_t i = 0; i < task.records; ++i) {
        const int32_t row = task.first[i];
        if (task.in_history && task.in_history[row]) continue;
        const uint32_t at = ends[part_of(task.fingerprints[row])]++;
        const auto ordinal = static_cast<uint32_t>(task.ordinal_base + task.record_nos[row]);
        arrays.sorted[at] = {task.fingerprints[row], task.checks[row], ordinal};
        arrays.places[at] = static_cast<int32_t>(i);
    }
}

}  // namespace detail

inline AdmitStatus admit_records(SeenSet& set, const AdmitTask& task, const AdmitArrays& arrays) {
    if (!detail::ordinals_fit(task)) return AdmitStatus::ordinals;
    std::memset(arrays.repeats.repeated, 0, static_cast<size_t>(task.records));
    detail::sort_records(task, arrays);
    const SortedRecords batch{arrays.sorted, arrays.places, arrays.begins};
    return set.admit(batch, arrays.repeats) ? AdmitStatus::ok : AdmitStatus::memory;
}

// Room that note_days needs: one more than the greatest ordinal.
inline uint64_t ordinals_end(const AdmitTask& task) {
    uint64_t end = 0;
    for (int64_t i = 0; i < task.records; ++i)
        end = std::max(end, static_cast<uint64_t>(task.ordinal_base + task.record_nos[task.first[i]]) + 1);
    return end;
}

// Remembers the day of every record of the batch by its ordinal; those of repeats are never asked for.
inline void note_days(const AdmitTask& task, const ColumnView& days, uint16_t* codes) {
    for (int64_t i = 0; i < task.records; ++i) {
        const int32_t row = task.first[i];
        codes[task.ordinal_base + task.record_nos[row]] = day_code(days, row);
    }
}

// The days of these ordinals.
inline void list_days(const int64_t* ordinals, int64_t count, const uint16_t* codes, ColumnOut* days) {
    constexpr int64_t kAhead = 32;
    for (int64_t i = 0; i < count; ++i) {
        __builtin_prefetch(&codes[ordinals[std::min(i + kAhead, count - 1)]]);
        write_day(codes[ordinals[i]], days, i);
    }
}

// The number of rows that are repeats.
inline int64_t count_repeats(const AdmitTask& task, const uint8_t* repeated) {
    int64_t rows = 0;
    for (int64_t i = 0; i < task.records; ++i) rows += repeated[i] ? task.first[i + 1] - task.first[i] : 0;
    return rows;
}

struct RepeatRows {
    int32_t* rows;
    int16_t* verdicts;
    ColumnOut* first_ordinals;
};

// Contract: the outputs have room for the fresh rows and for count_repeats.
inline void write_rows(const AdmitTask& task, const Repeats& repeats, int32_t* fresh, const RepeatRows& out) {
    int64_t written = 0;
    for (int64_t i = 0; i < task.records; ++i) {
        const int32_t row = task.first[i];
        uint64_t eight;
        std::memcpy(&eight, repeats.repeated + i, 8);
        if (!eight && i + 8 <= task.records && task.first[i + 8] - row == 8) {
            for (int32_t k = 0; k < 8; ++k) fresh[k] = row + k;
            fresh += 8;
            i += 7;
            continue;
        }
        for (int32_t part = row; part < task.first[i + 1]; ++part) {
            if (!repeats.repeated[i]) {
                *fresh++ = part;
                continue;
            }
            const bool same = repeats.first_checks[i] == task.checks[row];
            const bool in_run = repeats.first_ordinals[i] >= 0;
            out.rows[written] = part;
            out.verdicts[written] = static_cast<int16_t>(same ? Verdict::retransmission : Verdict::conflict);
            out.first_ordinals->i64()[written] = in_run ? repeats.first_ordinals[i] : 0;
            if (!in_run) out.first_ordinals->set_null(written);
            ++written;
        }
    }
}

// Which of the ascending bases an ordinal lies behind, or -1.
inline int64_t place_of_ordinal(const std::vector<int64_t>& bases, int64_t ordinal) {
    return std::upper_bound(bases.begin(), bases.end(), ordinal) - bases.begin() - 1;
}

}  // namespace mediation
