// What threads share in the native parts, without Python's lock between them: the pool, columns that one thread fills
// and another releases, settlement, account days. Built with ThreadSanitizer, which must see no race; the sums say that
// nothing was lost.
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <thread>

#include "settle/account_days.hpp"
#include "settle/settlement.hpp"

using namespace mediation;

namespace {

constexpr int kThreads = 4, kBatches = 200, kRows = 700, kAccounts = 97, kHosts = 5;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "threads: %s\n", what);
    std::exit(1);
}

void require(bool holds, const char* what) {
    if (!holds) fail(what);
}

template <typename Work>
void in_threads(Work work) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
    for (std::thread& thread : threads) thread.join();
}

template <typename T, typename Value>
Column column_of(const char* name, Kind kind, Value value) {
    BuildColumn built;
    require(build_column(built, name, kind, false, nullptr, kRows, 0), "no memory");
    for (int i = 0; i < kRows; ++i) built.out.as<T>()[i] = static_cast<T>(value(i));
    return finish_column(built, kRows);
}

BatchData batch_of(int seed) {
    BatchData batch;
    batch.length = kRows;
    constexpr int64_t kDay = 86400000000;
    batch.columns.push_back(column_of<int64_t>("start_time", Kind::timestamp, [](int i) { return i * kDay / 7; }));
    batch.columns.push_back(column_of<int64_t>("account", Kind::i64, [=](int i) { return (i * seed) % kAccounts; }));
    batch.columns.push_back(column_of<__int128>("amount", Kind::decimal128, [=](int i) { return i + seed; }));
    batch.columns.push_back(column_of<int16_t>("code", Kind::code, [](int i) { return i % kHosts; }));
    batch.columns.push_back(column_of<int32_t>("cycle", Kind::date32, [](int i) { return i % 3; }));
    return batch;
}

// One queue between those that fill and those that release, as between a run and its consumer.
class Queue {
  public:
    void put(ArrowArray array) {
        std::lock_guard<std::mutex> hold(mutex_);
        waiting_.push_back(array);
        changed_.notify_one();
    }
    ArrowArray take() {
        std::unique_lock<std::mutex> hold(mutex_);
        changed_.wait(hold, [&] { return !waiting_.empty(); });
        const ArrowArray array = waiting_.front();
        waiting_.pop_front();
        return array;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<ArrowArray> waiting_;
};

void hand_on_and_release() {
    Queue queue;
    in_threads([&](int t) {
        for (int b = 0; b < kBatches; ++b) {
            if (t % 2 == 0) {
                ArrowArray array;
                export_array(batch_of(b + 1), &array);
                queue.put(array);
            } else {
                ArrowArray array = queue.take();
                const auto* codes = static_cast<const int16_t*>(array.children[3]->buffers[1]);
                require(codes[kHosts + 1] == 1, "a block was given to two");
                array.release(&array);
            }
        }
    });
    require(exported_arrays() == 0, "arrays are still out");
}

void add_up() {
    Settlement settlement;
    AccountDays days(false);
    const int64_t starts[] = {INT64_MIN, 86400000000};
    const int32_t offsets[] = {3600, 7200};
    in_threads([&](int t) {
        for (int b = 0; b < kBatches; ++b) {
            const BatchData batch = batch_of(t * kBatches + b);
            auto view = [&](int place) { return batch.columns[static_cast<size_t>(place)].view; };
            require(days.add({nullptr, kRows, view(0), view(1), view(2), view(2)}, {starts, offsets, 2}) ==
                        FoldStatus::ok, "account days");
            const SettlementRows rows{nullptr, kRows, view(3), view(3), view(2), view(1), view(4), view(3), view(3),
                                      view(3), view(1), view(2), view(2)};
            require(settlement.add(rows) == FoldStatus::ok, "settlement");
        }
    });
    std::vector<SettlementLine> lines;
    require(settlement.merge(lines) == FoldStatus::ok, "merge");
    int64_t records = 0;
    for (const SettlementLine& line : lines) records += line.records;
    require(records == int64_t{kThreads} * kBatches * kRows, "rows of the settlement are lost");
    require(days.close() == FoldStatus::ok && days.size() > kAccounts, "close");
}

}  // namespace

int main() {
    hand_on_and_release();
    add_up();
    require(Pool::instance().live_blocks() == 0, "blocks are still out");
    std::puts("threads: no race");
}
