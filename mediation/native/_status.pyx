"""The codes of `status.hpp` and what this machine can do."""

from libc.stdint cimport int16_t


cdef extern from "native/status.hpp" namespace "mediation" nogil:
    cdef struct CodeName:
        int16_t code
        const char* name

    const CodeName* kCodeNames
    const int kCodeCount


def codes():
    """Every code by name.

    Returns
    -------
    dict of str to int
        In the order of their numbers.
    """
    return {kCodeNames[i].name.decode(): kCodeNames[i].code for i in range(kCodeCount)}


def simd_levels():
    """The instruction sets that this machine has, narrowest first, as MEDIATION_SIMD names them."""
    return ["base", "avx2", "avx512"][: <int> simd_of_machine() + 1]
