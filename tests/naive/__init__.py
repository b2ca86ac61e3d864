"""Naive twins of the kernels: written from the specification, readable, slow. Tests compare."""
