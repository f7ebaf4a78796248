"""Functions of kernels that Numba would call one element at a time."""
