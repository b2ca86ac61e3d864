// Exact sums by key while rated batches pass: account days, and the lines of a settlement.
//
// Conventions
// - Amounts are integers of 10^-6. An account day's sums are int64 and checked; a settlement's are int128 and checked.
// - Account days are shared by threads: a batch is first sorted by partition (a hash of the account), so that each
//   partition's lock is taken once a batch. Settlement tables are few and small: every thread fills its own, and they
//   are merged at the end. Sums are exact integers, so no order of threads changes a result.
// - `rows` leads from a rated row to its usage row; null means that they are the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "native/column.hpp"
#include "native/slot_table.hpp"

namespace mediation {

// An account's day is written like a line, as decimal(18, 6): either side below half of that, so that the margin
// fits too.
inline bool fits_a_line(int64_t micro) noexcept {
    constexpr int64_t kHalf = 500000000000000000;
    return micro > -kHalf && micro < kHalf;
}

enum class FoldStatus : int32_t { ok, memory, overflow, missing_time };

inline constexpr int64_t kNoValue = INT64_MIN;  // stands for null in a key

// `constant` is a large odd number: with a small one neighbouring keys would stay neighbours.
inline uint64_t fold_mix(uint64_t x, uint64_t constant) {
    const unsigned __int128 product = static_cast<unsigned __int128>(x ^ 0x9e3779b97f4a7c15ULL) * constant;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A zone's table as zones.py compiles it: from starts_us[i], local time is UTC + offsets_s[i].
struct ZoneTable {
    const int64_t* starts_us;
    const int32_t* offsets_s;
    int64_t size;
};

// The local day of instants; remembers the interval of the last one, as neighbours mostly share it.
class LocalDays {
  public:
    explicit LocalDays(const ZoneTable& zone) : zone_(zone) { enter(0); }

    int32_t operator()(int64_t instant_us) {
        if (instant_us < from_us_ || instant_us >= to_us_)
            enter(std::upper_bound(zone_.starts_us, zone_.starts_us + zone_.size, instant_us) - zone_.starts_us - 1);
        constexpr int64_t kDayUs = int64_t{86400} * 1000000;
        const int64_t local_us = instant_us + offset_us_;
        return static_cast<int32_t>(local_us / kDayUs - (local_us % kDayUs < 0));
    }

  private:
    void enter(int64_t i) {
        from_us_ = zone_.starts_us[i];
        to_us_ = i + 1 < zone_.size ? zone_.starts_us[i + 1] : INT64_MAX;
        offset_us_ = int64_t{zone_.offsets_s[i]} * 1000000;
    }

    ZoneTable zone_;
    int64_t from_us_ = 0, to_us_ = 0, offset_us_ = 0;
};

// -------------------------------------------------------------------------------------------- account days

struct AccountDay {
    int64_t account_id;
    int32_t day;
    uint32_t records;
    int64_t retail_micro;
    int64_t wholesale_micro;

    uint64_t hash() const {
        return fold_mix(static_cast<uint64_t>(account_id) + (uint64_t{static_cast<uint32_t>(day)} << 44),
                        0xd6e8feb86659fd93ULL);
    }
    uint32_t place() const { return static_cast<uint32_t>(hash() >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(hash()); }
};
static_assert(sizeof(AccountDay) == 32, "memory per key is part of the contract");

struct AccountDayKey {
    const AccountDay& row;
    uint32_t place() const { return row.place(); }
    uint32_t tag() const { return row.tag(); }
    bool is(const AccountDay& slot) const { return slot.account_id == row.account_id && slot.day == row.day; }
};

struct RatedRows {
    const int32_t* rows;  // or null
    int64_t count;
    ColumnView start_time;  // of usage
    ColumnView account_id, retail_amount, wholesale_amount;
};

inline int64_t amount_micro(const ColumnView& amounts, int64_t row) {
    return amounts.valid(row) ? static_cast<int64_t>(amounts.i128()[row]) : 0;  // 18 digits fit
}

class AccountDays {
  public:
    static constexpr int kPartitions = 256;

    explicit AccountDays(bool all_collide) : all_collide_(all_collide) {
        for (int p = 0; p < kPartitions; ++p) parts_[p].table.begin_with(staggered_entries(p, kPartitions));
    }

    // Thread-safe. On memory or overflow some rows may have been added: the run is over then.
    [[nodiscard]] FoldStatus add(const RatedRows& rated, const ZoneTable& zone) {
        Pool& pool = Pool::instance();
        const auto unsorted = pool.allocate(rated.count * static_cast<int64_t>(sizeof(AccountDay)));
        const auto sorted = pool.allocate(rated.count * static_cast<int64_t>(sizeof(AccountDay)));
        if (!unsorted || !sorted) return FoldStatus::memory;
        auto* rows = reinterpret_cast<AccountDay*>(unsorted.get());
        auto* ordered = reinterpret_cast<AccountDay*>(sorted.get());
        uint32_t starts[kPartitions + 1] = {};
        if (!gather(rated, zone, rows, starts)) return FoldStatus::missing_time;
        for (int p = 0; p < kPartitions; ++p) starts[p + 1] += starts[p];
        for (int64_t i = 0; i < rated.count; ++i) ordered[starts[partition(rows[i].account_id)]++] = rows[i];
        uint32_t begin = 0;
        for (int p = 0; p < kPartitions; ++p) {
            const uint32_t end = starts[p];
            if (end > begin) {
                const FoldStatus status = fold(parts_[p], ordered + begin, end - begin);
                if (status != FoldStatus::ok) return status;
            }
            begin = end;
        }
        return FoldStatus::ok;
    }

    int64_t size() const {
        int64_t total = 0;
        for (const Part& part : parts_) total += part.table.size();
        return total;
    }
    int64_t nbytes() const {
        int64_t total = 0;
        for (const Part& part : parts_) total += part.table.nbytes();
        return total;
    }

    // Sorts every partition in place; nothing may be added afterwards.
    void close();

    // After close: the next rows by (account, day), at most `most`; returns how many. Null accounts come first.
    int64_t next(int64_t most, ColumnOut* account_id, int32_t* day, int64_t* records, __int128* retail,
                 __int128* wholesale, __int128* margin);

  private:
    struct Part {
        std::mutex mutex;
        SlotTable<AccountDay> table;
        uint32_t at = 0;  // of the merge
    };
    struct Head {
        int64_t account_id;
        int part;
        bool operator<(const Head& other) const { return account_id > other.account_id; }  // the least on top
    };

    int partition(int64_t account_id) const {
        if (all_collide_) return 0;
        return static_cast<int>(fold_mix(static_cast<uint64_t>(account_id), 0xa0761d6478bd642fULL) >> 56);
    }

    bool gather(const RatedRows& rated, const ZoneTable& zone, AccountDay* rows, uint32_t* starts) const {
        LocalDays local_day(zone);
        for (int64_t i = 0; i < rated.count; ++i) {
            const int64_t usage_row = rated.rows ? rated.rows[i] : i;
            if (!rated.start_time.valid(usage_row)) return false;
            const int64_t account = rated.account_id.valid(i) ? rated.account_id.i64()[i] : kNoValue;
            rows[i] = {account, local_day(rated.start_time.i64()[usage_row]), 1,
                       amount_micro(rated.retail_amount, i), amount_micro(rated.wholesale_amount, i)};
            ++starts[partition(account) + 1];
        }
        return true;
    }

    static FoldStatus fold(Part& part, const AccountDay* rows, uint32_t count) {
        std::lock_guard<std::mutex> hold(part.mutex);
        SlotTable<AccountDay>& table = part.table;
        if (!table.reserve(uint64_t{table.size()} + count)) return FoldStatus::memory;
        constexpr uint32_t kAhead = 12;
        table.prefetch_end();
        for (uint32_t i = 0; i < count && i < kAhead; ++i) table.prefetch(rows[i].place());
        for (uint32_t i = 0; i < count; ++i) {
            if (i + kAhead < count) table.prefetch(rows[i + kAhead].place());
            if (i + kAhead / 2 < count) table.prefetch_slot(AccountDayKey{rows[i + kAhead / 2]});
            bool added = false;
            AccountDay& slot = table.find_or_append(AccountDayKey{rows[i]}, added);
            if (added) {
                slot = rows[i];
                continue;
            }
            if (__builtin_add_overflow(slot.records, 1u, &slot.records) ||
                __builtin_add_overflow(slot.retail_micro, rows[i].retail_micro, &slot.retail_micro) ||
                __builtin_add_overflow(slot.wholesale_micro, rows[i].wholesale_micro, &slot.wholesale_micro) ||
                !fits_a_line(slot.retail_micro) || !fits_a_line(slot.wholesale_micro))
                return FoldStatus::overflow;
        }
        return FoldStatus::ok;
    }

    Part parts_[kPartitions];
    std::vector<Head> heads_;
    bool all_collide_;
};

namespace detail {

// Sorts numbers by their bits [low, high), eleven at a time; `other` is scratch of the same size.
inline void radix_sort(std::vector<uint64_t>& numbers, std::vector<uint64_t>& other, int low, int high) {
    constexpr int kDigitBits = 11;
    for (int shift = low; shift < high; shift += kDigitBits) {
        uint32_t starts[(1 << kDigitBits) + 1] = {};
        constexpr uint64_t kMask = (1 << kDigitBits) - 1;
        for (const uint64_t number : numbers) ++starts[(number >> shift & kMask) + 1];
        for (uint64_t d = 0; d < kMask; ++d) starts[d + 1] += starts[d];
        for (const uint64_t number : numbers) other[starts[number >> shift & kMask]++] = number;
        numbers.swap(other);
    }
}

inline int bits_of(uint64_t range) { return range ? 64 - __builtin_clzll(range) : 0; }

// The places of rows in order of (account, day). Accounts, days and places mostly fit side by side into 64 bits.
inline void order_rows(const std::vector<AccountDay>& rows, std::vector<uint64_t>& places,
                       std::vector<uint64_t>& scratch) {
    int64_t least = rows[0].account_id, most = least;
    int32_t first_day = rows[0].day, last_day = first_day;
    for (const AccountDay& row : rows) {
        least = std::min(least, row.account_id);
        most = std::max(most, row.account_id);
        first_day = std::min(first_day, row.day);
        last_day = std::max(last_day, row.day);
    }
    const auto distance = [](int64_t from, int64_t to) {
        return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
    };
    const int place_bits = bits_of(rows.size()), day_bits = bits_of(distance(first_day, last_day));
    const int bits = place_bits + day_bits + bits_of(distance(least, most));
    places.resize(rows.size());
    scratch.resize(rows.size());
    if (bits > 64) {
        for (size_t i = 0; i < rows.size(); ++i) places[i] = i;
        std::sort(places.begin(), places.end(), [&](uint64_t a, uint64_t b) {
            return rows[a].account_id != rows[b].account_id ? rows[a].account_id < rows[b].account_id
                                                            : rows[a].day < rows[b].day;
        });
        return;
    }
    for (size_t i = 0; i < rows.size(); ++i)
        places[i] =
            (distance(least, rows[i].account_id) << day_bits | distance(first_day, rows[i].day)) << place_bits | i;
    radix_sort(places, scratch, place_bits, bits);
    for (uint64_t& place : places) place &= (uint64_t{1} << place_bits) - 1;
}

}  // namespace detail

inline void AccountDays::close() {
    std::vector<AccountDay> rows;
    std::vector<uint64_t> places, scratch;
    heads_.clear();
    for (int p = 0; p < kPartitions; ++p) {
        SlotTable<AccountDay>& table = parts_[p].table;
        const uint32_t size = table.size();
        parts_[p].at = 0;
        if (!size) continue;
        rows.resize(size);
        for (uint32_t i = 0; i < size; ++i) rows[i] = table.at(i);
        detail::order_rows(rows, places, scratch);
        table.drop_index();
        for (uint32_t i = 0; i < size; ++i) table.at(i) = rows[places[i]];
        heads_.push_back({table.at(0).account_id, p});
    }
    std::make_heap(heads_.begin(), heads_.end());
}

// An account lives in one partition, so partitions are merged account by account, not row by row.
inline int64_t AccountDays::next(int64_t most, ColumnOut* account_id, int32_t* day, int64_t* records,
                                 __int128* retail, __int128* wholesale, __int128* margin) {
    int64_t written = 0;
    while (!heads_.empty() && written < most) {
        std::pop_heap(heads_.begin(), heads_.end());
        const Head head = heads_.back();
        heads_.pop_back();
        Part& part = parts_[head.part];
        for (; part.at < part.table.size() && written < most; ++part.at, ++written) {
            const AccountDay& slot = part.table.at(part.at);
            if (slot.account_id != head.account_id) break;
            const bool known = slot.account_id != kNoValue;
            account_id->i64()[written] = known ? slot.account_id : 0;
            if (!known) account_id->set_null(written);
            day[written] = slot.day;
            records[written] = slot.records;
            retail[written] = slot.retail_micro;
            wholesale[written] = slot.wholesale_micro;
            margin[written] = static_cast<__int128>(slot.retail_micro) - slot.wholesale_micro;
        }
        if (part.at < part.table.size()) {
            __builtin_prefetch(&part.table.at(std::min(part.at + 2, part.table.size() - 1)));
            heads_.push_back({part.table.at(part.at).account_id, head.part});
            std::push_heap(heads_.begin(), heads_.end());
        }
    }
    return written;
}

// ---------------------------------------------------------------------------------------------- settlement

// Everything that a line is told apart by, packed by shifts (a word written in parts could not be read back at once).
// Codes are as in the batches, -1 for null; the city is kNoValue for null.
struct SettlementKey {
    int64_t city;
    uint64_t cycle_host_type;
    uint64_t zone_band_version;

    static SettlementKey of(int64_t city, int32_t cycle, int16_t host, int16_t record_type, int16_t zone, int16_t band,
                            int16_t version) {
        const auto code = [](int16_t value, int place) {
            return uint64_t{static_cast<uint16_t>(value)} << (16 * place);
        };
        return {city, uint64_t{static_cast<uint32_t>(cycle)} << 32 | code(host, 1) | code(record_type, 0),
                code(zone, 2) | code(band, 1) | code(version, 0)};
    }
    int32_t cycle() const { return static_cast<int32_t>(cycle_host_type >> 32); }
    int16_t host() const { return static_cast<int16_t>(cycle_host_type >> 16); }
    int16_t record_type() const { return static_cast<int16_t>(cycle_host_type); }
    int16_t zone() const { return static_cast<int16_t>(zone_band_version >> 32); }
    int16_t band() const { return static_cast<int16_t>(zone_band_version >> 16); }
    int16_t version() const { return static_cast<int16_t>(zone_band_version); }

    bool operator==(const SettlementKey& other) const {
        return !((city ^ other.city) | static_cast<int64_t>(cycle_host_type ^ other.cycle_host_type) |
                 static_cast<int64_t>(zone_band_version ^ other.zone_band_version));
    }
    uint64_t hash() const {
        const uint64_t mixed = fold_mix(static_cast<uint64_t>(city), 0xe7037ed1a0b428dbULL) ^ cycle_host_type;
        return fold_mix(fold_mix(mixed, 0x8ebc6af09c88c6e3ULL) ^ zone_band_version, 0x589965cc75374cc3ULL);
    }
    uint32_t place() const { return static_cast<uint32_t>(hash() >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(hash()); }
};

struct SettlementLine {
    SettlementKey key;
    int64_t records;
    __int128 quantity, host_charge, wholesale, retail;

    uint32_t place() const { return key.place(); }
    uint32_t tag() const { return key.tag(); }
};

struct SettlementLineKey {
    const SettlementKey& key;
    uint32_t place() const { return key.place(); }
    uint32_t tag() const { return key.tag(); }
    bool is(const SettlementLine& line) const { return line.key == key; }
};

struct SettlementRows {
    const int32_t* rows;  // or null
    int64_t count;
    ColumnView host, record_type, host_charge_amount;               // of usage
    ColumnView city, cycle, zone, band, version, quantity, wholesale, retail;  // rated
};

[[nodiscard]] inline bool merge_line(SettlementLine& line, const SettlementLine& more) {
    return !(__builtin_add_overflow(line.records, more.records, &line.records) ||
             __builtin_add_overflow(line.quantity, more.quantity, &line.quantity) ||
             __builtin_add_overflow(line.host_charge, more.host_charge, &line.host_charge) ||
             __builtin_add_overflow(line.wholesale, more.wholesale, &line.wholesale) ||
             __builtin_add_overflow(line.retail, more.retail, &line.retail));
}

class Settlement {
  public:
    // Thread-safe. On anything but ok the run is over.
    [[nodiscard]] FoldStatus add(const SettlementRows& rated) {
        Table* table = take();
        const FoldStatus status = table ? fold(*table, rated) : FoldStatus::memory;
        if (table) give_back(table);
        return status;
    }

    // All lines, in no useful order. No thread may add meanwhile.
    [[nodiscard]] FoldStatus merge(std::vector<SettlementLine>& lines) const {
        Table all;
        for (const auto& table : tables_) {
            if (!all.reserve(uint64_t{all.size()} + table->size())) return FoldStatus::memory;
            for (uint32_t i = 0; i < table->size(); ++i)
                if (!put(all, table->at(i))) return FoldStatus::overflow;
        }
        for (uint32_t i = 0; i < all.size(); ++i) lines.push_back(all.at(i));
        return FoldStatus::ok;
    }

  private:
    using Table = SlotTable<SettlementLine>;
    static constexpr uint32_t kAtOnce = 256;  // rows for which room is made beforehand

    Table* take() {
        std::lock_guard<std::mutex> hold(mutex_);
        if (idle_.empty()) {
            tables_.push_back(std::make_unique<Table>());
            return tables_.back().get();
        }
        Table* table = idle_.back();
        idle_.pop_back();
        return table;
    }
    void give_back(Table* table) {
        std::lock_guard<std::mutex> hold(mutex_);
        idle_.push_back(table);
    }

    static bool put(Table& table, const SettlementLine& line) {
        bool added = false;
        SettlementLine& slot = table.find_or_append(SettlementLineKey{line.key}, added);
        if (!added) return merge_line(slot, line);
        slot = line;
        return true;
    }

    static int16_t code_at(const ColumnView& codes, int64_t row) {
        return codes.present() && codes.valid(row) ? codes.i16()[row] : int16_t{-1};
    }
    static int64_t city_at(const ColumnView& city, int64_t row) {
        if (!city.present() || !city.valid(row)) return kNoValue;
        return city.kind == Kind::code ? city.i16()[row] : city.i64()[row];
    }

    static FoldStatus fold(Table& table, const SettlementRows& rated) {
        SettlementKey keys[kAtOnce];
        for (int64_t begin = 0; begin < rated.count; begin += kAtOnce) {
            const int64_t count = std::min<int64_t>(rated.count - begin, kAtOnce);
            if (!table.reserve(uint64_t{table.size()} + kAtOnce)) return FoldStatus::memory;
            for (int64_t i = 0; i < count; ++i) {
                keys[i] = key_of(rated, begin + i);
                table.prefetch(keys[i].place());
            }
            for (int64_t i = 0; i < count; ++i)
                if (!put(table, line_of(rated, begin + i, keys[i]))) return FoldStatus::overflow;
        }
        return FoldStatus::ok;
    }

    static SettlementKey key_of(const SettlementRows& rated, int64_t i) {
        const int64_t row = rated.rows ? rated.rows[i] : i;
        return SettlementKey::of(city_at(rated.city, i), rated.cycle.valid(i) ? rated.cycle.i32()[i] : INT32_MIN,
                                 code_at(rated.host, row), code_at(rated.record_type, row), code_at(rated.zone, i),
                                 code_at(rated.band, i), code_at(rated.version, i));
    }

    static SettlementLine line_of(const SettlementRows& rated, int64_t i, const SettlementKey& key) {
        const int64_t row = rated.rows ? rated.rows[i] : i;
        return {key,
                1,
                rated.quantity.valid(i) ? rated.quantity.i64()[i] : 0,
                rated.host_charge_amount.present() ? amount_micro(rated.host_charge_amount, row) : 0,
                amount_micro(rated.wholesale, i),
                amount_micro(rated.retail, i)};
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Table>> tables_;
    std::vector<Table*> idle_;
};

}  // namespace mediation
