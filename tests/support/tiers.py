"""Which cases `make test` runs; the others are marked slow, and `make test-all` runs all."""

import pytest

REPRESENTATIVES = frozenset(
    {
        *("adam", "lion", "momentum_sgd", "sgd"),  # element by element
        *("lamb", "novograd", "stable_adamw", "cocob"),  # sums and states of tensors
        *("prodigy", "dog", "momo"),  # sums and states of the model; the loss
        *("adafactor", "came", "sm3", "adam_mini", "nero", "racs"),  # rows, columns, axes
        *("tam", "adamp"),  # variants for other shapes
        *("adashift", "adai", "amsgrad"),  # rings, and parts that differ from step to step
        *("muon", "shampoo", "soap"),  # functions of matrices
        *("noisy_sgd", "sgd_sai", "sophia", "schedule_free_adamw"),  # draws, starts, extras, means
    }
)
"""Builtins of which one at least has each structure that a builtin has."""


def slow(*values):
    """Make a case that only `make test-all` runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def one_of_each(names):
    """Mark the names slow that are not representatives."""
    return [name if name in REPRESENTATIVES else slow(name) for name in names]


def in_both_dtypes(names):
    """Pair names with dtypes; float64 is slow but for representatives."""
    return [
        slow(name, dtype) if dtype == "float64" and name not in REPRESENTATIVES else (name, dtype)
        for name in names
        for dtype in ("float32", "float64")
    ]


def in_float32(names):
    """Pair names with dtypes; all but representatives in float32 are slow."""
    return [
        (name, dtype) if dtype == "float32" and name in REPRESENTATIVES else slow(name, dtype)
        for name in names
        for dtype in ("float32", "float64")
    ]
