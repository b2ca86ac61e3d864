// Memory for columns and text that is used again instead of given back.
//
// Why: on a virtual machine the first touch of fresh pages costs more than filling them. A stream of batches therefore
// runs in the same few megabytes. Blocks are 64-byte aligned and end in 64 readable bytes of padding, so that a kernel
// may load a whole register at the last element.
//
// Slabs: batches leave the cache between two stages, and so do their entries in the page tables. Once a job has turned
// out not to be small, its blocks are cut from slabs of huge pages: decoding to rating takes 5 % less processor time.
// A small job would pay more for its first huge page than for all of its small ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mediation {

inline constexpr int64_t kPadding = 64;

class Pool {
  public:
    static Pool& instance() {
        static Pool* pool = new Pool;  // never destroyed: Arrow consumers may release after static destruction
        return *pool;
    }

    // Null when the machine has no memory left.
    std::shared_ptr<uint8_t> allocate(int64_t bytes) {
        const int c = class_of(bytes + kPadding);
        Block block = take(c);
        if (!block.at)
            block = {static_cast<uint8_t*>(std::aligned_alloc(64, static_cast<size_t>(class_bytes(c)))), false};
        if (!block.at) return nullptr;
        live_bytes_.fetch_add(class_bytes(c), std::memory_order_relaxed);
        live_blocks_.fetch_add(1, std::memory_order_relaxed);
        return {block.at, [this, c, cut = block.cut](uint8_t* at) { give_back({at, cut}, c); }};
    }

    int64_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }
    int64_t live_blocks() const { return live_blocks_.load(std::memory_order_relaxed); }
    int64_t kept_bytes() {
        std::lock_guard<std::mutex> hold(mutex_);
        return kept_bytes_ + kept_cut_bytes_;
    }

  private:
    struct Block {
        uint8_t* at;
        bool cut;  // from a slab, and so kept for good
    };

    // Four classes an octave: at most a quarter of a block is waste.
    static constexpr int kClasses = 4 * 48;
    static constexpr int64_t kKeepBytes = int64_t{64} << 20;  // of blocks that are not cut
    static constexpr int64_t kHugePage = int64_t{2} << 20, kSlab = 8 * kHugePage, kMostSlabs = int64_t{128} << 20;
    static constexpr int64_t kSmallJob = int64_t{16} << 20, kLeastCut = int64_t{32} << 10, kMostCut = kSlab / 2;

    static int64_t class_bytes(int c) { return ((int64_t{4} + (c & 3)) << (c >> 2)) * 64; }
    static int class_of(int64_t bytes) {
        int c = 0;
        if (bytes > 256) c = ((63 - __builtin_clzll(static_cast<uint64_t>(bytes) / 64)) - 2) * 4;
        while (class_bytes(c) < bytes) ++c;
        return c;
    }

    Block take(int c) {
        std::lock_guard<std::mutex> hold(mutex_);
        if (!cut_[c].empty()) {
            kept_cut_bytes_ -= class_bytes(c);
            return {pop(cut_[c]), true};
        }
        if (!kept_[c].empty()) {
            kept_bytes_ -= class_bytes(c);
            return {pop(kept_[c]), false};
        }
        fresh_bytes_ += class_bytes(c);
        return {cut(class_bytes(c)), true};
    }

    static uint8_t* pop(std::vector<uint8_t*>& blocks) {
        uint8_t* block = blocks.back();
        blocks.pop_back();
        return block;
    }

    // A piece of a slab; null where the job is small, the piece is none for slabs, or there are enough of them.
    uint8_t* cut(int64_t bytes) {
        if (fresh_bytes_ <= kSmallJob || bytes < kLeastCut || bytes > kMostCut) return nullptr;
        if (left_ < bytes && !add_slab()) return nullptr;
        uint8_t* piece = slab_;
        slab_ += bytes;
        left_ -= bytes;
        return piece;
    }

    bool add_slab() {
        if (slab_bytes_ + kSlab > kMostSlabs) return false;
        void* slab = std::aligned_alloc(kHugePage, kSlab);
        if (!slab) return false;
#if defined(__linux__)
        (void)madvise(slab, kSlab, MADV_HUGEPAGE);  // refused: as good as without
#endif
        slab_ = static_cast<uint8_t*>(slab);
        left_ = kSlab;
        slab_bytes_ += kSlab;
        return true;
    }

    void give_back(Block block, int c) {
        live_bytes_.fetch_sub(class_bytes(c), std::memory_order_relaxed);
        live_blocks_.fetch_sub(1, std::memory_order_relaxed);
        std::lock_guard<std::mutex> hold(mutex_);
        if (block.cut) {
            cut_[c].push_back(block.at);
            kept_cut_bytes_ += class_bytes(c);
            return;
        }
        kept_[c].push_back(block.at);
        kept_bytes_ += class_bytes(c);
        while (kept_bytes_ > kKeepBytes) free_one(c);
    }

    // Of another class where there is one: what was given back last is asked for next, when a run comes to batches of
    // another size. Contract: something is kept.
    void free_one(int last) {
        for (int i = 0; i < kClasses; ++i) {
            freed_ = (freed_ + 1) % kClasses;
            if (freed_ != last && !kept_[freed_].empty()) break;
            if (i + 1 == kClasses) freed_ = last;
        }
        std::free(pop(kept_[freed_]));
        kept_bytes_ -= class_bytes(freed_);
    }

    std::mutex mutex_;
    std::vector<uint8_t*> kept_[kClasses], cut_[kClasses];
    int64_t kept_bytes_ = 0, kept_cut_bytes_ = 0;
    int64_t fresh_bytes_ = 0;  // that were asked of the machine so far
    uint8_t* slab_ = nullptr;  // what is left of the last one
    int64_t left_ = 0, slab_bytes_ = 0;
    int freed_ = 0;  // the class that a block was last freed of
    std::atomic<int64_t> live_bytes_{0};
    std::atomic<int64_t> live_blocks_{0};
};

}  // namespace mediation
