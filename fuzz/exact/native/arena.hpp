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
    static inline bool exhausted = false;

    explicit Arena(Visits) {}

    [[nodiscard]] uint8_t* take(size_t bytes) {
        if (exhausted) return nullptr;
        pieces_.emplace_back(static_cast<uint8_t*>(::operator new(bytes, kAlignment)));
        return pieces_.back().get();
    }

  private:
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(uint8_t* piece) const { ::operator delete(piece, kAlignment); }
    };

    std::vector<std::unique_ptr<uint8_t, Free>> pieces_;
};

}  // namespace mediation
