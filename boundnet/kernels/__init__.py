"""Compiled inner loops and how work is spread over threads.

Kernels are serial numba functions that release the interpreter lock; :mod:`boundnet.kernels.threads` runs them, and
single-threaded BLAS calls, on disjoint parts of the work.  numba is imported by the first kernel that is used, not before.
"""
