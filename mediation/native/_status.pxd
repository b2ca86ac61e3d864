cdef extern from "native/cpu.hpp" namespace "mediation" nogil:
    cdef enum class Simd(int):
        base
        avx2
        avx512

    Simd simd_of_machine()
