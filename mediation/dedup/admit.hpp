// A batch's verdicts: records brought to the set, and what it says of them turned into rows.
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

    bool is_known(int64_t i) const { return in_history && in_history[first[i]]; }
    const Fingerprint& key(int64_t i) const { return fingerprints[first[i]]; }
    SeenRecord record(int64_t i) const {
        const int32_t row = first[i];
        return {fingerprints[row], checks[row], static_cast<uint32_t>(ordinal_base + record_nos[row])};
    }
};

// The arrays of one call, kept for the next.
struct AdmitBuffers {
    std::vector<int32_t> first, first_checks;
    std::vector<int64_t> first_ordinals;
    std::vector<uint8_t> repeated, in_history;

    void hold(int64_t rows) {
        const size_t size = static_cast<size_t>(rows) + 8;  // write_rows looks at eight records at once
        if (first.size() >= size) return;
        for (auto* column : {&first, &first_checks}) column->resize(size);
        first_ordinals.resize(size);
        for (auto* column : {&repeated, &in_history}) column->resize(size);
    }
    Repeats repeats() { return {repeated.data(), first_checks.data(), first_ordinals.data()}; }
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

inline void answer_for_known(const AdmitTask& task, const Repeats& repeats) {
    if (!task.in_history) return;
    for (int64_t i = 0; i < task.records; ++i) {
        if (!task.is_known(i)) continue;
        repeats.repeated[i] = 1;
        repeats.first_checks[i] = task.history_checks[task.first[i]];
        repeats.first_ordinals[i] = -1;
    }
}

}  // namespace detail

// What is repeated, by record; a first ordinal of -1 is one in the history.
inline AdmitStatus admit_records(SeenSet& set, const AdmitTask& task, const Repeats& repeats) {
    if (!detail::ordinals_fit(task)) return AdmitStatus::ordinals;
    std::memset(repeats.repeated, 0, static_cast<size_t>(task.records));
    detail::answer_for_known(task, repeats);
    return set.admit(task, repeats) ? AdmitStatus::ok : AdmitStatus::memory;
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
