// Stands in for native/pool.hpp in the fuzz targets: every block is as long as asked and its padding, and is given back
// to the heap, so that a sanitizer sees the first byte beyond it and the first use after its end.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace mediation {

inline constexpr int64_t kPadding = 64;

class Pool {
  public:
    static Pool& instance() {
        static Pool pool;
        return pool;
    }
    int64_t left = -1;  // blocks until one is refused; negative: none is, or it has been
    int64_t live = 0;   // blocks not given back yet

    // Null when the block is refused.
    std::shared_ptr<uint8_t> allocate(int64_t bytes, bool* = nullptr) {
        if (left >= 0 && left-- == 0) return nullptr;
        ++live;
        constexpr std::align_val_t kAlignment{64};
        const auto size = static_cast<size_t>(bytes + kPadding);
        return {static_cast<uint8_t*>(::operator new(size, kAlignment)),
                [this](uint8_t* block) {
                    --live;
                    ::operator delete(block, kAlignment);
                }};
    }
};

}  // namespace mediation
