"""Printing of kernels as source text: `printer` prints expressions, `cpu` and `cuda` functions."""
