// What is asked of the system about pages of memory: advice, which it may refuse, and then all is as good as without.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mediation {

// Brings pages in at once that are to be filled: on a virtual server whose kernel is guarded against Meltdown and
// Retbleed, a page that is touched takes 4 us, and here 2.3; elsewhere it is no dearer. It takes long: to be called
// with no lock held that others wait for.
inline void touch_pages(void* memory, int64_t bytes) noexcept {
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    constexpr uintptr_t kPage = 4096;  // where pages are larger, or the kernel older, this is refused
    const auto at = reinterpret_cast<uintptr_t>(memory);
    (void)madvise(reinterpret_cast<void*>(at / kPage * kPage), static_cast<size_t>(bytes) + at % kPage,
                  MADV_POPULATE_WRITE);
#else
    (void)memory, (void)bytes;
#endif
}

// Pages that are visited at random over tens of megabytes: small ones cost a walk of the page tables at every visit.
inline void prefer_huge_pages(void* memory, size_t bytes) noexcept {
#if defined(__linux__)
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

}  // namespace mediation
