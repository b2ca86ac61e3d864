// Which instruction set the kernels use: the best that the machine has, or the one that MEDIATION_SIMD names.
//
// A level is kept only where a benchmark says that it is faster; every level is tested against the naive twin.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define MEDIATION_X86 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 sees one in the header's own undefined registers
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

// A loop that is written for one instruction set, and the pieces that are to be part of it.
#define MEDIATION_AVX2_TARGET [[gnu::target("avx2,bmi,bmi2,popcnt")]]
#define MEDIATION_AVX512_TARGET \
    [[gnu::target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")]]
#define MEDIATION_AVX2 MEDIATION_AVX2_TARGET [[gnu::always_inline]]
#define MEDIATION_AVX512 MEDIATION_AVX512_TARGET [[gnu::always_inline]]
#endif

// For functions that do nothing but prefetch: GCC takes them for functions without effect and drops the calls, unless
// they were inlined before.
#define MEDIATION_PREFETCHES [[gnu::always_inline]] inline

namespace mediation {

enum class Simd : int { base = 0, avx2 = 1, avx512 = 2 };

inline Simd simd_of_machine() {
#ifdef MEDIATION_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2"))
        return Simd::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return Simd::avx2;
#endif
    return Simd::base;
}

}  // namespace mediation
