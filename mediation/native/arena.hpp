// Memory that is taken piece by piece and given back all at once.
//
// Why: pieces that are visited at random over tens of megabytes cost a walk of the page tables at every visit. Large
// blocks of an arena for such pieces are therefore advised to be huge pages: on a virtual server a visit takes 12 ns
// instead of 22. What is written in order gains nothing, and pays: where the host has to find the memory first, a huge
// page takes 5 ms, and small ones are mostly at hand.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "native/pages.hpp"

namespace mediation {

enum class Visits { in_order, at_random };

class Arena {
  public:
    static constexpr size_t kHugePage = size_t{2} << 20;

    explicit Arena(Visits visits) : visits_(visits) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena() {
        for (uint8_t* block : blocks_) std::free(block);
    }

    // A multiple of 64 bytes, aligned so, with anything in it. Null when the machine has no memory left.
    [[nodiscard]] uint8_t* take(size_t bytes) {
        if (bytes >= kHugePage) return add_block(bytes);  // exactly: what is left over of a block grows with its pieces
        if (left_ < bytes) {
            const size_t size = next_size(bytes);
            uint8_t* block = add_block(size);
            if (!block) return nullptr;
            at_ = touched_ = block;
            left_ = size;
        }
        uint8_t* piece = at_;
        at_ += bytes;
        left_ -= bytes;
        if (visits_ == Visits::in_order && at_ > touched_) touch_some();
        return piece;
    }

    // What was taken, and what was left over between.
    int64_t nbytes() const { return static_cast<int64_t>(total_ - left_ + blocks_.capacity() * sizeof(uint8_t*)); }

  private:
    static constexpr size_t kLeastBlock = size_t{64} << 10, kMostBlock = 8 * kHugePage;

    // Of a block that is no multiple of huge pages, what is beyond the last whole one stays small, or is never touched.
    uint8_t* add_block(size_t size) {
        const size_t unit = size < kHugePage ? 64 : kHugePage;
        auto* block = static_cast<uint8_t*>(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
        if (!block) return nullptr;
        if (visits_ == Visits::at_random && size >= kHugePage) prefer_huge_pages(block, size / kHugePage * kHugePage);
        blocks_.push_back(block);
        total_ += size;
        return block;
    }

    // What was just taken and some of what comes next, in large blocks.
    void touch_some() {
        constexpr size_t kMany = size_t{256} << 10;
        const auto taken = static_cast<size_t>(at_ - touched_);
        const size_t bytes = taken + (left_ < kMany ? left_ : kMany);
        if (bytes >= kMany) touch_pages(touched_, static_cast<int64_t>(bytes));
        touched_ += bytes;
    }

    // As much as there is already, within the bounds: a small set stays small.
    size_t next_size(size_t bytes) const {
        size_t size = kLeastBlock;
        while (size < bytes || (size < kMostBlock && 2 * size <= total_)) size *= 2;
        return size;
    }

    const Visits visits_;
    std::vector<uint8_t*> blocks_;
    uint8_t* at_ = nullptr;
    uint8_t* touched_ = nullptr;  // up to here its pages have been brought in
    size_t left_ = 0, total_ = 0;
};

}  // namespace mediation
