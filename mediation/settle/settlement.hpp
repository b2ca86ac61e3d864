// Exact sums by settlement line while rated batches pass.
//
// Conventions: sums are int128 and checked. Tables are few and small: every thread fills its own, and they are merged
// at the end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "settle/fold.hpp"
#include "settle/slot_table.hpp"

namespace mediation {

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
};

struct SettlementLine {
    SettlementKey key;
    int64_t records;
    __int128 quantity, host_charge, wholesale, retail;

    uint32_t place() const { return static_cast<uint32_t>(key.hash() >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(key.hash()); }
};

struct SettlementLineKey {
    const SettlementKey& key;
    uint64_t hash;
    uint32_t place() const { return static_cast<uint32_t>(hash >> 32); }
    uint32_t tag() const { return static_cast<uint32_t>(hash); }
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
                if (!put(all, table->at(i), table->at(i).key.hash())) return FoldStatus::overflow;
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

    static bool put(Table& table, const SettlementLine& line, uint64_t hash) {
        bool added = false;
        SettlementLine& slot = table.find_or_append(SettlementLineKey{line.key, hash}, added);
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

    static FoldStatus fold(Table& table, const SettlementRows rated) {
        SettlementKey keys[kAtOnce];
        uint64_t hashes[kAtOnce];
        for (int64_t begin = 0; begin < rated.count; begin += kAtOnce) {
            const int64_t count = std::min<int64_t>(rated.count - begin, kAtOnce);
            if (!table.reserve(uint64_t{table.size()} + kAtOnce)) return FoldStatus::memory;
            for (int64_t i = 0; i < count; ++i) {
                keys[i] = key_of(rated, begin + i);
                hashes[i] = keys[i].hash();
                table.prefetch(SettlementLineKey{keys[i], hashes[i]}.place());
            }
            for (int64_t i = 0; i < count; ++i)
                if (!put(table, line_of(rated, begin + i, keys[i]), hashes[i])) return FoldStatus::overflow;
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
