// Memory for columns and text that is used again instead of given back.
//
// Why: on a virtual machine the first touch of fresh pages costs more than filling them. A stream of batches therefore
// runs in the same few megabytes.
//
// A block goes back to the thread that took it, whoever gives it back, and is kept apart where that was another: what a
// thread takes and gives back itself lies in its own cache. Without that, runs of two threads on two processors fell
// into a state in which each scanned texts in memory that the other had used last: decoding took 1.1 CPU seconds in
// every second run, and 0.6 in the others.
//
// Blocks are 64-byte aligned and end in 64 readable bytes of padding, so that a kernel may load a whole register at the
// last element.
//
// Huge pages for them were tried: a twentieth less time from decoding to rating on one server, nothing on another, and
// more time and memory wherever results wait, because where the host has to find a huge page first, it takes 2 ms.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

namespace mediation {

inline constexpr int64_t kPadding = 64;

class Pool {
  public:
    static Pool& instance() {
        static Pool* pool = new Pool;  // never destroyed: Arrow consumers may release after static destruction
        return *pool;
    }

    // Null when the machine has no memory left. `fresh` becomes whether nobody has had the block before.
    std::shared_ptr<uint8_t> allocate(int64_t bytes, bool* fresh = nullptr) {
        const int c = class_of(bytes + kPadding), home = place_of_thread();
        uint8_t* block = take(c, home);
        if (fresh) *fresh = !block;
        if (!block) block = static_cast<uint8_t*>(std::aligned_alloc(64, static_cast<size_t>(class_bytes(c))));
        if (!block) return nullptr;
        live_bytes_.fetch_add(class_bytes(c), std::memory_order_relaxed);
        live_blocks_.fetch_add(1, std::memory_order_relaxed);
        return {block, [this, c, home](uint8_t* at) { give_back(at, c, home); }};
    }

    int64_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }
    int64_t live_blocks() const { return live_blocks_.load(std::memory_order_relaxed); }
    int64_t kept_bytes() {
        std::lock_guard<std::mutex> hold(mutex_);
        return kept_bytes_;
    }

  private:
    // Four classes an octave: at most a quarter of a block is waste.
    static constexpr int kClasses = 4 * 48;
    static constexpr int kPlaces = 16;
    static constexpr int64_t kKeepBytes = int64_t{64} << 20;

    static int64_t class_bytes(int c) { return ((int64_t{4} + (c & 3)) << (c >> 2)) * 64; }
    static int class_of(int64_t bytes) {
        int c = 0;
        if (bytes > 256) c = ((63 - __builtin_clzll(static_cast<uint64_t>(bytes) / 64)) - 2) * 4;
        while (class_bytes(c) < bytes) ++c;
        return c;
    }

    // The warmest of the place, or else of another; null where none of the class is kept.
    uint8_t* take(int c, int home) {
        std::lock_guard<std::mutex> hold(mutex_);
        if (!kept_[c]) return nullptr;
        if (uint8_t* block = pop_last(used_there_[home][c], c)) return block;
        for (int i = 0; i < kPlaces; ++i)
            if (uint8_t* block = pop_last(came_back_[(home + i) % kPlaces][c], c)) return block;
        for (int i = 1; i < kPlaces; ++i)
            if (uint8_t* block = pop_first(used_there_[(home + i) % kPlaces][c], c)) return block;
        return nullptr;
    }

    uint8_t* pop_last(std::vector<uint8_t*>& blocks, int c) {
        if (blocks.empty()) return nullptr;
        uint8_t* block = blocks.back();
        blocks.pop_back();
        --kept_[c];
        kept_bytes_ -= class_bytes(c);
        return block;
    }
    uint8_t* pop_first(std::vector<uint8_t*>& blocks, int c) {
        if (blocks.empty()) return nullptr;
        uint8_t* block = blocks.front();
        blocks.erase(blocks.begin());
        --kept_[c];
        kept_bytes_ -= class_bytes(c);
        return block;
    }

    void give_back(uint8_t* block, int c, int home) {
        live_bytes_.fetch_sub(class_bytes(c), std::memory_order_relaxed);
        live_blocks_.fetch_sub(1, std::memory_order_relaxed);
        auto& kept = home == place_of_thread() ? used_there_ : came_back_;
        std::lock_guard<std::mutex> hold(mutex_);
        kept[home][c].push_back(block);
        ++kept_[c];
        kept_bytes_ += class_bytes(c);
        while (kept_bytes_ > kKeepBytes) free_one(c);
    }

    // Of another class where there is one: what was given back last is asked for next, when a run comes to batches of
    // another size. Contract: something is kept.
    void free_one(int last) {
        for (int i = 0; i < kClasses; ++i) {
            freed_ = (freed_ + 1) % kClasses;
            if (freed_ != last && free_of(freed_)) return;
        }
        free_of(last);
    }

    bool free_of(int c) {
        if (!kept_[c]) return false;
        for (auto& kept : {came_back_, used_there_}) {
            for (int i = kPlaces - 1; i >= 0; --i) {  // the first is mostly the main thread's
                if (uint8_t* block = pop_first(kept[i][c], c)) {
                    std::free(block);
                    return true;
                }
            }
        }
        return false;
    }

    // Threads beyond kPlaces share places.
    static int place_of_thread() {
        static std::atomic<uint32_t> threads{0};
        thread_local const int place = static_cast<int>(threads.fetch_add(1, std::memory_order_relaxed) % kPlaces);
        return place;
    }

    std::mutex mutex_;
    int kept_[kClasses] = {};  // blocks of each class, wherever they are
    // By place and class: given back by the thread that took them, and by others.
    std::vector<uint8_t*> used_there_[kPlaces][kClasses], came_back_[kPlaces][kClasses];
    int64_t kept_bytes_ = 0;
    int freed_ = 0;  // the class that a block was last freed of
    std::atomic<int64_t> live_bytes_{0};
    std::atomic<int64_t> live_blocks_{0};
};

}  // namespace mediation
