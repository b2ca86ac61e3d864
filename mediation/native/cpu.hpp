// Which instruction set the kernels use: the best that the machine has, or the one that MEDIATION_SIMD names.
//
// A level is kept only where a benchmark says that it is faster; every level is tested against the naive twin.
#pragma once

#include <atomic>

namespace mediation {

enum class Simd : int { base = 0, avx2 = 1, avx512 = 2 };

inline Simd simd_of_machine() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2"))
        return Simd::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return Simd::avx2;
#endif
    return Simd::base;
}

}  // namespace mediation
