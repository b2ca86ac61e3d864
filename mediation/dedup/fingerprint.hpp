// What makes a record the same record: 128-bit fingerprints of its key, and a 32-bit check of its payload.
//
// Conventions
// - Columns are of the kinds of usage: codes and texts, or 64-bit integers, instants and decimals.
// - Everything hashed is a value, never a code: a text is hashed as its bytes whether its column is open text or a
//   dictionary, so fingerprints survive a rule book that orders its dictionaries otherwise.
// - The message of a declared key: prefix (family, record type, names of the key's columns), one word of null bits,
//   then the columns that are not null. The message of a whole record: prefix, then (tag, value) of every column that
//   is not null, item by item, later items begun by kItemTag; a column that is always null therefore changes nothing.
// - A column's tag and mixer are the SipHash of its name and class under the same secret.
// - The payload check is a sum over columns, so that absent and null columns add nothing either.
#pragma once

#include <cstdint>
#include <vector>

#include "dedup/partition_day.hpp"
#include "dedup/siphash.hpp"
#include "native/column.hpp"

namespace mediation {

inline constexpr uint64_t kItemTag = 0x6d65746920747865ULL;    // "ext item"
inline constexpr uint64_t kItemFactor = 0x9e3779b97f4a7c15ULL;  // odd: no item can be lost in the sum of items
inline constexpr uint64_t kCheckSalt = 0x8ebc6af09c88c6e3ULL, kCheckMixer = 0x589965cc75374cc3ULL;
inline constexpr int kMostKeyColumns = 64;

inline uint64_t multiply_mix(uint64_t a, uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

struct HashedColumn {
    ColumnView view;                     // not present(): null in every row
    const Dictionary* values = nullptr;  // of codes
    const uint64_t* mixed = nullptr;     // of codes, where worked out beforehand: what each adds to the payload's sum
    uint64_t tag = 0, mixer = 1;

    bool is_text() const { return view.kind == Kind::code || has_offsets(view.kind); }
    std::string_view text(int64_t row) const {
        return view.kind == Kind::code ? values->at(view.i16()[row]) : view.text(row);
    }
    uint64_t integer(int64_t row) const {
        return static_cast<uint64_t>(view.kind == Kind::decimal128 ? static_cast<int64_t>(view.i128()[row])
                                                                   : view.i64()[row]);  // 18 digits fit
    }
};

struct KeyRule {
    SipState start;             // after the prefix
    uint64_t prefix_words = 0;
    bool whole_record = false;  // the message is tagged
    std::vector<int32_t> key;   // indices of columns
    std::vector<int32_t> payload;
    int32_t day = -1;           // index of the key's column that dates the record; -1: undated
};

// A record is the rows [first[i], first[i + 1]).
struct FingerprintTask {
    const HashedColumn* columns;
    const int32_t* first;
    Fingerprint* fingerprints;  // one a row
    int32_t* checks;            // one a row
    ColumnOut* days;            // one a row, or null: not asked for
    HashTile hash_tile;         // null: one record after another
};

namespace detail {

// ------------------------------------------------------------------------------------- one record alone

inline void add_value(SipStream& stream, const HashedColumn& column, int64_t row) {
    if (column.is_text()) stream.add_text(column.text(row));
    else stream.add(column.integer(row));
}

inline Fingerprint hash_record(const KeyRule& rule, const FingerprintTask& task, int64_t row, int64_t end) {
    SipStream stream{rule.start, rule.prefix_words};
    if (!rule.whole_record) {
        uint64_t nulls = 0;
        for (size_t i = 0; i < rule.key.size(); ++i) {
            const HashedColumn& column = task.columns[rule.key[i]];
            if (!column.view.present() || !column.view.valid(row)) nulls |= uint64_t{1} << i;
        }
        stream.add(nulls);
        for (size_t i = 0; i < rule.key.size(); ++i)
            if (!(nulls >> i & 1)) add_value(stream, task.columns[rule.key[i]], row);
        return stream.finish();
    }
    for (int64_t item = row; item < end; ++item) {
        if (item > row) stream.add(kItemTag);
        for (const int32_t index : rule.key) {
            const HashedColumn& column = task.columns[index];
            if (!column.view.present() || !column.view.valid(item)) continue;
            stream.add(column.tag);
            add_value(stream, column, item);
        }
    }
    return stream.finish();
}

// ------------------------------------------------------------------------------- a tile of records, by column

// Up to kTileRows records of one rule: their first rows and their messages.
struct RuleTile {
    int rows = 0;
    int uniform = 0;  // the count of every message so far while they agree; -1: see sip.counts
    int32_t row[kTileRows];
    int32_t end[kTileRows];
    uint64_t sums[kTileRows];
    Fingerprint fingerprints[kTileRows];
    SipTile sip;
};

// Room that a column needs at most beside its text: a tag, a length; and the last word of the message.
inline bool fits(uint64_t count, uint64_t text_words) { return count + text_words + 3 <= kTileWords; }

// A lane whose message is too long for the tile is given this count; its record is then hashed alone.
inline constexpr uint64_t kTooLong = ~uint64_t{0} >> 1;

inline void count_each(RuleTile& tile) {
    if (tile.uniform < 0) return;
    for (uint64_t& count : tile.sip.counts) count = static_cast<uint64_t>(tile.uniform);
    tile.uniform = -1;
}

// Not inlined, like its neighbours: each loop then has the registers to itself (measured: half the time).
template <typename T>
[[gnu::noinline]] inline void pack_integers(RuleTile& tile, const HashedColumn& column, bool tagged, int place) {
    const T* values = column.view.as<T>();
    const uint64_t tag = column.tag;
    const int rows = tile.rows;
    SipTile& sip = tile.sip;
    if (tile.uniform >= 0 && !column.view.validity && fits(static_cast<uint64_t>(tile.uniform), 0)) {
        if (tagged)
            for (uint64_t& word : sip.words[tile.uniform++]) word = tag;
        uint64_t* words = sip.words[tile.uniform++];
        for (int i = 0; i < rows; ++i) words[i] = static_cast<uint64_t>(static_cast<int64_t>(values[tile.row[i]]));
        return;
    }
    count_each(tile);
    for (int i = 0; i < rows; ++i) {
        uint64_t count = sip.counts[i];
        if (!column.view.valid(tile.row[i])) {
            if (!tagged) sip.words[0][i] |= uint64_t{1} << place;
            continue;
        }
        if (count == kTooLong || !fits(count, 0)) {
            sip.counts[i] = kTooLong;
            continue;
        }
        if (tagged) sip.words[count++][i] = tag;
        sip.words[count++][i] = static_cast<uint64_t>(static_cast<int64_t>(values[tile.row[i]]));
        sip.counts[i] = count;
    }
}

[[gnu::noinline]] inline void pack_texts(RuleTile& tile, const HashedColumn& column, bool tagged, int place) {
    SipTile& sip = tile.sip;
    count_each(tile);
    for (int i = 0; i < tile.rows; ++i) {
        uint64_t count = sip.counts[i];
        if (!column.view.valid(tile.row[i])) {
            if (!tagged) sip.words[0][i] |= uint64_t{1} << place;
            continue;
        }
        const std::string_view text = column.text(tile.row[i]);
        if (count == kTooLong || !fits(count, text.size() / 8 + 1)) {
            sip.counts[i] = kTooLong;
            continue;
        }
        if (tagged) sip.words[count++][i] = column.tag;
        sip.words[count++][i] = text.size();
        text_words(text, [&](uint64_t word) { sip.words[count++][i] = word; });
        sip.counts[i] = count;
    }
}

inline void pack_column(RuleTile& tile, const HashedColumn& column, bool tagged, int place) {
    if (!column.view.present()) {
        for (int i = 0; i < tile.rows && !tagged; ++i) tile.sip.words[0][i] |= uint64_t{1} << place;
        return;
    }
    if (column.is_text()) return pack_texts(tile, column, tagged, place);
    if (column.view.kind == Kind::decimal128) return pack_integers<Decimal128>(tile, column, tagged, place);
    pack_integers<int64_t>(tile, column, tagged, place);
}

inline void hash_keys(RuleTile& tile, const KeyRule& rule, const FingerprintTask& task) {
    if (!task.hash_tile) {
        for (int i = 0; i < tile.rows; ++i)
            tile.fingerprints[i] = hash_record(rule, task, tile.row[i], tile.end[i]);
        return;
    }
    const bool tagged = rule.whole_record;
    SipTile& sip = tile.sip;
    for (uint64_t& word : sip.words[0]) word = 0;
    tile.uniform = tagged ? 0 : 1;
    for (size_t k = 0; k < rule.key.size(); ++k)
        pack_column(tile, task.columns[rule.key[k]], tagged, static_cast<int>(k));
    count_each(tile);
    uint64_t alone = 0;
    for (int i = 0; i < kTileRows; ++i) {
        uint64_t& count = sip.counts[i];
        if (i < tile.rows && (count == kTooLong || (tagged && tile.end[i] - tile.row[i] > 1))) {
            alone |= uint64_t{1} << i;
            count = 0;
        }
        sip.words[count][i] = sip_last_word(rule.prefix_words + count);
        ++count;
    }
    task.hash_tile(rule.start, sip, tile.rows, tile.fingerprints);
    for (; alone; alone &= alone - 1) {
        const int i = __builtin_ctzll(alone);
        tile.fingerprints[i] = hash_record(rule, task, tile.row[i], tile.end[i]);
    }
}

// ------------------------------------------------------------------------------------------------ payload

inline uint64_t mix_text(const HashedColumn& column, std::string_view text) {
    uint64_t h = multiply_mix(text.size() ^ column.tag, column.mixer);
    text_words(text, [&](uint64_t word) { h = multiply_mix(h ^ word, column.mixer); });
    return h;
}

template <typename T>
[[gnu::noinline]] inline void sum_integers(RuleTile& tile, const HashedColumn& column, const int32_t* rows) {
    const T* values = column.view.as<T>();
    const uint64_t tag = column.tag, mixer = column.mixer;
    uint64_t* __restrict sums = tile.sums;
    const int count = tile.rows;
    if (!column.view.validity) {
        for (int i = 0; i < count; ++i)
            sums[i] += multiply_mix(static_cast<uint64_t>(static_cast<int64_t>(values[rows[i]])) ^ tag, mixer);
        return;
    }
    const ColumnView view = column.view;
    for (int i = 0; i < count; ++i) {
        const uint64_t value = static_cast<uint64_t>(static_cast<int64_t>(values[rows[i]]));
        sums[i] += view.valid(rows[i]) ? multiply_mix(value ^ tag, mixer) : 0;
    }
}

[[gnu::noinline]] inline void sum_codes(RuleTile& tile, const HashedColumn& column, const int32_t* rows) {
    const int16_t* codes = column.view.i16();
    for (int i = 0; i < tile.rows; ++i)
        if (column.view.valid(rows[i])) tile.sums[i] += column.mixed[codes[rows[i]]];
}

[[gnu::noinline]] inline void sum_texts(RuleTile& tile, const HashedColumn& column, const int32_t* rows) {
    for (int i = 0; i < tile.rows; ++i)
        if (column.view.valid(rows[i])) tile.sums[i] += mix_text(column, column.text(rows[i]));
}

inline void sum_column(RuleTile& tile, const HashedColumn& column, const int32_t* rows) {
    if (!column.view.present()) return;
    if (column.mixed) return sum_codes(tile, column, rows);
    if (column.is_text()) return sum_texts(tile, column, rows);
    if (column.view.kind == Kind::decimal128) return sum_integers<Decimal128>(tile, column, rows);
    sum_integers<int64_t>(tile, column, rows);
}

inline uint64_t sum_of_row(const KeyRule& rule, const FingerprintTask& task, int64_t row) {
    uint64_t sum = 0;
    for (const int32_t index : rule.payload) {
        const HashedColumn& column = task.columns[index];
        if (!column.view.present() || !column.view.valid(row)) continue;
        sum += column.is_text() ? mix_text(column, column.text(row))
                                : multiply_mix(column.integer(row) ^ column.tag, column.mixer);
    }
    return sum;
}

inline void hash_tile_of_rule(RuleTile& tile, const KeyRule& rule, const FingerprintTask& task) {
    hash_keys(tile, rule, task);
    for (int i = 0; i < tile.rows; ++i) tile.sums[i] = 0;
    for (const int32_t index : rule.payload) sum_column(tile, task.columns[index], tile.row);
    for (int i = 0; i < tile.rows; ++i) {
        uint64_t sum = tile.sums[i];
        for (int64_t item = tile.row[i] + 1; item < tile.end[i]; ++item)
            sum = sum * kItemFactor + sum_of_row(rule, task, item);
        const auto check = static_cast<int32_t>(static_cast<uint32_t>(multiply_mix(sum ^ kCheckSalt, kCheckMixer)));
        for (int64_t row = tile.row[i]; row < tile.end[i]; ++row) {
            task.fingerprints[row] = tile.fingerprints[i];
            task.checks[row] = check;
        }
    }
}

inline void date_tile(const RuleTile& tile, const KeyRule& rule, const FingerprintTask& task) {
    const bool dates = rule.day >= 0 && task.columns[rule.day].view.present();
    const ColumnView instants = dates ? task.columns[rule.day].view : ColumnView{};
    for (int i = 0; i < tile.rows; ++i) {
        const bool dated = dates && instants.valid(tile.row[i]);
        const int32_t day = dated ? partition_day(instants.i64()[tile.row[i]]) : 0;
        for (int64_t row = tile.row[i]; row < tile.end[i]; ++row) {
            task.days->i32()[row] = day;
            if (!dated) task.days->set_null(row);
        }
    }
}

}  // namespace detail

// Fingerprints the records `order[0 .. count)`, which all follow `rule`.
inline void fingerprint_rule(const KeyRule& rule, const FingerprintTask& task, const int32_t* order, int64_t count) {
    detail::RuleTile tile;
    for (int64_t begin = 0; begin < count; begin += kTileRows) {
        tile.rows = static_cast<int>(count - begin < kTileRows ? count - begin : kTileRows);
        for (int i = 0; i < tile.rows; ++i) {
            tile.row[i] = task.first[order[begin + i]];
            tile.end[i] = task.first[order[begin + i] + 1];
        }
        detail::hash_tile_of_rule(tile, rule, task);
        if (task.days) detail::date_tile(tile, rule, task);
    }
}

// Writes the first row of every record and then the number of rows; returns the number of records, or -1 when the batch
// begins inside a record. `first` has room for rows + 1.
inline int64_t find_records(const ColumnView& item_no, int64_t rows, int32_t* first) {
    int64_t records = 0;
    if (!item_no.present()) {
        for (; records < rows; ++records) first[records] = static_cast<int32_t>(records);
    } else {
        const int16_t* items = item_no.i16();
        if (rows && items[0] != 0) return -1;
        for (int64_t row = 0; row < rows; ++row) {
            first[records] = static_cast<int32_t>(row);
            records += items[row] == 0;
        }
    }
    first[records] = static_cast<int32_t>(rows);
    return records;
}

// What every value of a code column adds to the payload's sum. `mixed` has room for the dictionary.
inline void mix_codes(HashedColumn& column, uint64_t* mixed) {
    for (int64_t code = 0; code < column.values->size(); ++code)
        mixed[code] = detail::mix_text(column, column.values->at(code));
    column.mixed = mixed;
}

// A code's place (0 for null, -1 for a value that the rule book does not have) leads to its rule, -1 for none.
struct RuleLookup {
    ColumnView feed, record_type;
    const int32_t *feed_places, *type_places;  // by code
    const int32_t* rule_of;                    // by feed place * types + record type place
    int64_t types;

    int32_t at(int64_t row) const {
        const int32_t feed_place = place(feed, feed_places, row);
        const int32_t type_place = place(record_type, type_places, row);
        return feed_place < 0 || type_place < 0 ? -1 : rule_of[feed_place * types + type_place];
    }
    static int32_t place(const ColumnView& codes, const int32_t* places, int64_t row) {
        return codes.present() && codes.valid(row) ? places[codes.i16()[row]] : 0;
    }
};

inline constexpr int64_t kBlockRecords = 4096;  // sorted by rule together: their columns stay in the cache meanwhile

// Fingerprints all records. Returns -1, or the first record that has no rule. `starts` has room for rules + 1.
inline int64_t fingerprint_records(const KeyRule* rules, int64_t rule_count, const RuleLookup& lookup,
                                   const FingerprintTask& task, int64_t records, int32_t* starts) {
    int32_t of[kBlockRecords], order[kBlockRecords];
    for (int64_t begin = 0; begin < records; begin += kBlockRecords) {
        const int64_t count = records - begin < kBlockRecords ? records - begin : kBlockRecords;
        std::memset(starts, 0, sizeof(int32_t) * static_cast<size_t>(rule_count + 1));
        for (int64_t i = 0; i < count; ++i) {
            of[i] = lookup.at(task.first[begin + i]);
            if (of[i] < 0) return begin + i;
            ++starts[of[i] + 1];
        }
        for (int64_t r = 0; r < rule_count; ++r) starts[r + 1] += starts[r];
        // Each start moves on to its end, which is the next one's start.
        for (int64_t i = 0; i < count; ++i) order[starts[of[i]]++] = static_cast<int32_t>(begin + i);
        for (int64_t r = 0, from = 0; r < rule_count; from = starts[r++])
            if (starts[r] > from) fingerprint_rule(rules[r], task, order + from, starts[r] - from);
    }
    return -1;
}

}  // namespace mediation
