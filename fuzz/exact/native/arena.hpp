// Stands in for native/arena.hpp in the fuzz targets: every piece is a block of its own, exactly as long as asked.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace mediation {

enum class Visits { in_order, at_random };

class Arena {
  public:
    static constexpr size_t kHugePage = 512;  // so that there are pieces on both sides of it
    static inline int64_t left = -1;  // pieces until one is refused; negative: none is, or it has been

    explicit Arena(Visits) {}

    [[nodiscard]] uint8_t* take(size_t bytes) {
        if (left >= 0 && left-- == 0) return nullptr;
        pieces_.emplace_back(static_cast<uint8_t*>(::operator new(bytes, kAlignment)));
        total_ += static_cast<int64_t>(bytes);
        return pieces_.back().get();
    }

    int64_t nbytes() const { return total_; }

  private:
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(uint8_t* piece) const { ::operator delete(piece, kAlignment); }
    };

    std::vector<std::unique_ptr<uint8_t, Free>> pieces_;
    int64_t total_ = 0;
};

}  // namespace mediation
