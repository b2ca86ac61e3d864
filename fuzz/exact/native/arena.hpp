// Stands in for native/arena.hpp in the fuzz targets: every piece is a block of its own, exactly as long as asked.
#pragma once

#include <cstdint>
#include <memory>
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
        pieces_.emplace_back(new uint8_t[bytes]);
        return pieces_.back().get();
    }

  private:
    std::vector<std::unique_ptr<uint8_t[]>> pieces_;
};

}  // namespace mediation
