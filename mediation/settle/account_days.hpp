// Exact sums by account and local day while rated batches pass.
//
// Conventions
// - Rows are appended to one of 256 partitions (by a hash of the account) and folded into its account days when they
//   have become more: one sort in the cache and one merge in place. Rows hardly repeat an account's day within a run,
//   so that looking each of them up in a table of hundreds of megabytes costs more (measured: 95 against 45 ns a row
//   of the yardstick), and so does folding when they are half as many (67 against 57). Where most were new, four times
//   as many wait: they need their memory anyway.
// - Memory is 32 bytes an account day, as much again for rows not folded yet (four times as much at most, should an
//   account's days suddenly repeat), a chunk a partition, and while one is folded 48 bytes for each of its rows.
// - Sums are int64 and checked; whether they fit a line is asked at the end, so that no order of threads matters.
// - Threads add at the same time: a batch is first sorted by partition, and each lock is taken once a batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "settle/fold.hpp"

namespace mediation {

struct AccountDay {
    int64_t account_id;
    int32_t day;
    uint32_t records;
    int64_t retail_micro;
    int64_t wholesale_micro;

    bool same_key(const AccountDay& other) const { return account_id == other.account_id && day == other.day; }
    bool operator<(const AccountDay& other) const {
        return account_id != other.account_id ? account_id < other.account_id : day < other.day;
    }
    [[nodiscard]] bool merge(const AccountDay& more) {
        return !(__builtin_add_overflow(records, more.records, &records) ||
                 __builtin_add_overflow(retail_micro, more.retail_micro, &retail_micro) ||
                 __builtin_add_overflow(wholesale_micro, more.wholesale_micro, &wholesale_micro));
    }
    // It is written like a line, as decimal(18, 6): either side below half of that, so that the margin fits too.
    bool fits_a_line() const {
        constexpr int64_t kHalf = 500000000000000000;
        return retail_micro > -kHalf && retail_micro < kHalf && wholesale_micro > -kHalf && wholesale_micro < kHalf;
    }
};
static_assert(sizeof(AccountDay) == 32, "memory per key is part of the contract");

struct RatedRows {
    const int32_t* rows;  // or null
    int64_t count;
    ColumnView start_time;  // of usage
    ColumnView account_id, retail_amount, wholesale_amount;
};

namespace detail {

// Sorts numbers by their bits [low, high), eleven at a time; returns which of the two buffers holds them then.
inline uint64_t* radix_sort(uint64_t* numbers, uint64_t* other, uint32_t count, int low, int high) {
    constexpr int kDigitBits = 11;
    constexpr uint64_t kMask = (1 << kDigitBits) - 1;
    for (int shift = low; shift < high; shift += kDigitBits) {
        uint32_t starts[(1 << kDigitBits) + 1] = {};
        for (uint32_t i = 0; i < count; ++i) ++starts[(numbers[i] >> shift & kMask) + 1];
        for (uint64_t d = 0; d < kMask; ++d) starts[d + 1] += starts[d];
        for (uint32_t i = 0; i < count; ++i) other[starts[numbers[i] >> shift & kMask]++] = numbers[i];
        std::swap(numbers, other);
    }
    return numbers;
}

inline int bits_of(uint64_t range) { return range ? 64 - __builtin_clzll(range) : 0; }

inline uint64_t distance(int64_t from, int64_t to) { return static_cast<uint64_t>(to) - static_cast<uint64_t>(from); }

// The places of rows in order of (account, day). Accounts, days and places mostly fit side by side into 64 bits.
template <typename Rows>
const uint64_t* order_rows(const Rows& rows, uint32_t count, uint64_t* places, uint64_t* scratch) {
    int64_t least = rows(0).account_id, most = least;
    int32_t first_day = rows(0).day, last_day = first_day;
    for (uint32_t i = 0; i < count; ++i) {
        const AccountDay& row = rows(i);
        least = std::min(least, row.account_id);
        most = std::max(most, row.account_id);
        first_day = std::min(first_day, row.day);
        last_day = std::max(last_day, row.day);
    }
    const int place_bits = bits_of(count), day_bits = bits_of(distance(first_day, last_day));
    const int bits = place_bits + day_bits + bits_of(distance(least, most));
    if (bits > 64) {
        for (uint32_t i = 0; i < count; ++i) places[i] = i;
        std::sort(places, places + count, [&](uint64_t a, uint64_t b) {
            return rows(static_cast<uint32_t>(a)) < rows(static_cast<uint32_t>(b));
        });
        return places;
    }
    for (uint32_t i = 0; i < count; ++i) {
        const AccountDay& row = rows(i);
        places[i] = (distance(least, row.account_id) << day_bits | distance(first_day, row.day)) << place_bits | i;
    }
    uint64_t* ordered = radix_sort(places, scratch, count, place_bits, bits);
    for (uint32_t i = 0; i < count; ++i) ordered[i] &= (uint64_t{1} << place_bits) - 1;
    return ordered;
}

// Account days in order, and behind them rows that are not folded yet. Chunks never move.
class AccountDayPart {
  public:
    AccountDayPart() = default;
    AccountDayPart(const AccountDayPart&) = delete;
    AccountDayPart& operator=(const AccountDayPart&) = delete;
    ~AccountDayPart() {
        for (AccountDay* chunk : chunks_) std::free(chunk);
    }

    uint32_t size() const { return folded_; }
    AccountDay& at(uint32_t i) const { return chunks_[i / kChunk][i % kChunk]; }
    int64_t nbytes() const { return static_cast<int64_t>(chunks_.size() * kChunk * sizeof(AccountDay)); }

    [[nodiscard]] FoldStatus append(const AccountDay* rows, uint32_t count) {
        if (uint64_t{folded_} + waiting_ + count > kMostRows) return FoldStatus::memory;
        while (count) {
            const uint32_t end = folded_ + waiting_, room = kChunk - end % kChunk;
            if (end == chunks_.size() * kChunk && !grow()) return FoldStatus::memory;
            const uint32_t fitting = std::min(room, count);
            std::memcpy(&at(end), rows, fitting * sizeof(AccountDay));
            waiting_ += fitting;
            rows += fitting;
            count -= fitting;
        }
        return waiting_ > std::max(kLeastWaiting, folded_ * patience_) ? fold() : FoldStatus::ok;
    }

    // Folds what waits into the account days.
    [[nodiscard]] FoldStatus fold() {
        if (!waiting_) return FoldStatus::ok;
        Pool& pool = Pool::instance();
        const auto memory = pool.allocate(int64_t{waiting_} * (sizeof(AccountDay) + 2 * sizeof(uint64_t)));
        if (!memory) return FoldStatus::memory;
        auto* sorted = reinterpret_cast<AccountDay*>(memory.get());
        auto* places = reinterpret_cast<uint64_t*>(sorted + waiting_);
        const auto waiting = [this](uint32_t i) -> const AccountDay& { return at(folded_ + i); };
        const uint64_t* order = order_rows(waiting, waiting_, places, places + waiting_);
        uint32_t count = 0;
        for (uint32_t i = 0; i < waiting_; ++i) {
            const AccountDay& row = waiting(static_cast<uint32_t>(order[i]));
            if (count == 0 || !sorted[count - 1].same_key(row)) sorted[count++] = row;
            else if (!sorted[count - 1].merge(row)) return FoldStatus::overflow;
        }
        const uint32_t rows_folded = std::exchange(waiting_, 0);
        if (!merge_known(sorted, &count)) return FoldStatus::overflow;
        insert_new(sorted, count);
        patience_ = count > rows_folded / 4 * 3 ? kMostPatience : 1;
        return FoldStatus::ok;
    }

  private:
    static constexpr uint32_t kChunk = 512;
    static constexpr uint32_t kLeastWaiting = 2048;
    static constexpr uint32_t kMostRows = 1u << 29;
    static constexpr uint32_t kMostPatience = 4;

    bool grow() {
        auto* chunk = static_cast<AccountDay*>(std::malloc(kChunk * sizeof(AccountDay)));
        if (chunk) chunks_.push_back(chunk);
        return chunk != nullptr;
    }

    // Adds sorted rows to the account days that are there; leaves the others, and says how many they are.
    bool merge_known(AccountDay* sorted, uint32_t* count) {
        uint32_t fresh = 0, known = 0;
        for (uint32_t i = 0; i < *count; ++i) {
            while (known < folded_ && at(known) < sorted[i]) ++known;
            if (known == folded_ || !at(known).same_key(sorted[i])) sorted[fresh++] = sorted[i];
            else if (!at(known).merge(sorted[i])) return false;
        }
        *count = fresh;
        return true;
    }

    // From the back, so that nothing is overwritten before it has moved.
    void insert_new(const AccountDay* sorted, uint32_t count) {
        uint32_t to = folded_ + count, from = folded_;
        folded_ = to;
        while (count) {
            const AccountDay& last = sorted[count - 1];
            if (from && last < at(from - 1)) {
                at(--to) = at(--from);
            } else {
                at(--to) = last;
                --count;
            }
        }
    }

    std::vector<AccountDay*> chunks_;
    uint32_t folded_ = 0;
    uint32_t waiting_ = 0;
    uint32_t patience_ = 1;  // times as many rows as account days may wait
};

}  // namespace detail

class AccountDays {
  public:
    static constexpr int kPartitions = 256;

    explicit AccountDays(bool all_collide) : all_collide_(all_collide) {}

    // Thread-safe. On memory or overflow some rows may have been added: the run is over then.
    [[nodiscard]] FoldStatus add(const RatedRows& rated, const ZoneTable& zone) {
        Pool& pool = Pool::instance();
        const auto sorted = pool.allocate(rated.count * static_cast<int64_t>(sizeof(AccountDay)));
        const auto numbers = pool.allocate(rated.count);
        if (!sorted || !numbers) return FoldStatus::memory;
        auto* ordered = reinterpret_cast<AccountDay*>(sorted.get());
        uint32_t starts[kPartitions + 1] = {};
        for (int64_t i = 0; i < rated.count; ++i) {
            numbers.get()[i] = partition(account_of(rated, i));
            ++starts[numbers.get()[i] + 1];
        }
        for (int p = 0; p < kPartitions; ++p) starts[p + 1] += starts[p];
        if (!sort(rated, zone, numbers.get(), starts, ordered)) return FoldStatus::missing_time;
        // Each start has moved on to its end, which is the next one's start.
        for (int p = 0, from = 0; p < kPartitions; from = static_cast<int>(starts[p++])) {
            const uint32_t count = starts[p] - static_cast<uint32_t>(from);
            if (!count) continue;
            std::lock_guard<std::mutex> hold(parts_[p].mutex);
            const FoldStatus status = parts_[p].days.append(ordered + from, count);
            if (status != FoldStatus::ok) return status;
        }
        return FoldStatus::ok;
    }

    // Folds the rows of a partition that wait. Thread-safe.
    [[nodiscard]] FoldStatus fold_partition(int p) {
        std::lock_guard<std::mutex> hold(parts_[p].mutex);
        return parts_[p].days.fold();
    }

    // … and of all.
    [[nodiscard]] FoldStatus fold() {
        for (int p = 0; p < kPartitions; ++p) {
            const FoldStatus status = fold_partition(p);
            if (status != FoldStatus::ok) return status;
        }
        return FoldStatus::ok;
    }

    // Of what has been folded.
    int64_t size() const {
        int64_t total = 0;
        for (const Part& part : parts_) total += part.days.size();
        return total;
    }
    int64_t nbytes() const {
        int64_t total = static_cast<int64_t>(sizeof(*this));
        for (const Part& part : parts_) total += part.days.nbytes();
        return total;
    }

    // Brings everything into order; nothing may be added afterwards.
    [[nodiscard]] FoldStatus close();

    // After close: the next rows by (account, day), at most `most`; returns how many. Null accounts come first.
    int64_t next(int64_t most, ColumnOut* account_id, int32_t* day, int64_t* records, __int128* retail,
                 __int128* wholesale, __int128* margin);

  private:
    struct Part {
        std::mutex mutex;
        detail::AccountDayPart days;
        uint32_t at = 0;  // of the merge
    };
    struct Head {
        int64_t account_id;
        int part;
        bool operator<(const Head& other) const { return account_id > other.account_id; }  // the least on top
    };

    uint8_t partition(int64_t account_id) const {
        if (all_collide_) return 0;
        return static_cast<uint8_t>(fold_mix(static_cast<uint64_t>(account_id), 0xa0761d6478bd642fULL) >> 56);
    }

    static int64_t account_of(const RatedRows& rated, int64_t i) {
        return rated.account_id.valid(i) ? rated.account_id.i64()[i] : kNoValue;
    }

    // Writes the rows where those of their partitions begin, and moves the begins on. False: one has no time.
    static bool sort(const RatedRows rated, const ZoneTable& zone, const uint8_t* numbers, uint32_t* starts,
                     AccountDay* ordered) {
        LocalDays local_day(zone);
        for (int64_t i = 0; i < rated.count; ++i) {
            const int64_t usage_row = rated.rows ? rated.rows[i] : i;
            if (!rated.start_time.valid(usage_row)) return false;
            ordered[starts[numbers[i]]++] = {account_of(rated, i), local_day(rated.start_time.i64()[usage_row]), 1,
                                             amount_micro(rated.retail_amount, i),
                                             amount_micro(rated.wholesale_amount, i)};
        }
        return true;
    }

    Part parts_[kPartitions];
    std::vector<Head> heads_;
    bool all_collide_;
};

inline FoldStatus AccountDays::close() {
    const FoldStatus status = fold();
    if (status != FoldStatus::ok) return status;
    heads_.clear();
    for (int p = 0; p < kPartitions; ++p) {
        const detail::AccountDayPart& days = parts_[p].days;
        parts_[p].at = 0;
        for (uint32_t i = 0; i < days.size(); ++i)
            if (!days.at(i).fits_a_line()) return FoldStatus::overflow;
        if (days.size()) heads_.push_back({days.at(0).account_id, p});
    }
    std::make_heap(heads_.begin(), heads_.end());
    return FoldStatus::ok;
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
        for (; part.at < part.days.size() && written < most; ++part.at, ++written) {
            const AccountDay& slot = part.days.at(part.at);
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
        if (part.at < part.days.size()) {
            __builtin_prefetch(&part.days.at(std::min(part.at + 2, part.days.size() - 1)));
            heads_.push_back({part.days.at(part.at).account_id, head.part});
            std::push_heap(heads_.begin(), heads_.end());
        }
    }
    return written;
}

}  // namespace mediation
