from mediation.decode._text cimport Plan


cdef extern from "decode/ber/program.hpp" namespace "mediation" nogil:
    cdef cppclass BerProgramRef "mediation::BerProgram":
        pass

    cdef cppclass BerContextRef "mediation::BerContext":
        pass


# What another kernel of BER may have; it lives as long as the object that it is of.
cdef const BerProgramRef* program_of(Plan plan) except NULL
cdef const BerContextRef* context_of(object context) except NULL
