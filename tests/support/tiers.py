"""Which cases `make test` runs; the others are marked slow, and `make test-slow` runs them.

A test of a builtin's own mathematics runs there for every builtin. A test of a part that builtins
share, such as a target, runs for few builtins and for half of the representatives, which have
every structure that a builtin has. What is left is marked costly, too, and runs before a release:
`make test-costly`.
"""

import zlib

import pytest

REPRESENTATIVES = frozenset(
    {
        *("adam", "lion", "momentum_sgd", "sgd"),  # element by element
        *("lamb", "novograd", "stable_adamw", "cocob"),  # sums and states of tensors
        *("prodigy", "dog", "momo"),  # sums and states of the model; the loss
        *("adafactor", "came", "sm3", "adam_mini", "nero", "racs"),  # rows, columns, axes
        *("tam", "adamp"),  # variants for other shapes
        *("adashift", "adai", "amsgrad"),  # rings, and parts that differ from step to step
        *("muon", "shampoo", "soap", "swan"),  # functions of matrices, in few passes and many
        "apollo_mini",  # matrices of other sides than the parameter's
        *("noisy_sgd", "sgd_sai", "sophia", "schedule_free_adamw"),  # draws, starts, extras, means
    }
)
"""Builtins of which one at least has each structure that a builtin has."""

FEW = frozenset(
    {
        *("adam", "sgd"),
        *("lamb", "adashift", "schedule_free_adamw"),
        *("prodigy", "momo"),
        *("adafactor", "sm3"),
        *("muon", "soap"),
        *("noisy_sgd", "sgd_sai", "sophia"),
    }
)
"""Representatives with each kind of state, reduction and argument, for tests that take seconds."""

FEW_TRANSFORMS = frozenset(
    {
        *("clip_by_value", "cautious"),  # element by element; sums of what a rule computes
        *("clip_by_norm", "clip_by_global_norm", "adaptive_clip"),  # tensors, the model, units
        *("accumulate", "apply_if_finite"),  # what holds updates back
        *("decoupled_weight_decay", "lookahead", "ema"),  # what follows the rule
        "add_noise",  # random numbers
    }
)
"""The same of transforms."""

COSTLY = frozenset(
    {
        *("apollo_low_rank", "apollo_mini", "conda", "cosmos", "fira"),  # as muon and racs
        *("galore_adamw", "psgd_kron"),  # as these and soap
        *("asgo", "kl_shampoo", "kl_soap", "soap_muon", "splus"),  # as soap
        *(
            "adamuon",
            "aurora",
            "dion",
            "dion2",
            "mano",
            "muon_optax",
            "muon_plus",
            "muon_squared",
        ),  # as muon
        *("muon_with_adamw", "muown", "namo", "nordion2", "normuon"),  # as muon
        *("polargrad", "scion", "swan"),  # as muon
        *("adafactor_bv", "adafactor_optax", "sinkgd"),  # as adafactor
        *("adatam", "ranger", "sgdp"),  # as tam and adamp
        *("mars_adamw", "mars_lion"),  # as stable_adamw
    }
)
"""Builtins of seconds each, which are made as representatives are."""


def slow(*values):
    """Make a case that only `make test-all` runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def costly(*values):
    """Make a case that runs before a release."""
    return pytest.param(*values, marks=[pytest.mark.slow, pytest.mark.costly])


def one_of_each(names):
    """Mark the names slow that are not representatives."""
    return [name if name in REPRESENTATIVES else slow(name) for name in names]


def few(names, quick=FEW):
    """Mark the names slow that are not among the few representatives."""
    return [name if name in quick else slow(name) for name in names]


def is_costly(name):
    """Whether tests of shared parts leave a builtin to `make test-costly`.

    It follows from the name, so that a new builtin changes nothing for the others.
    """
    is_in_half = name in REPRESENTATIVES and zlib.crc32(name.encode()) % 2 == 0
    return name not in FEW and not is_in_half


def slow_for_shared(name, *values):
    """Make a slow case of a builtin in a test of a shared part, which may be costly as well."""
    return costly(name, *values) if is_costly(name) else slow(name, *values)


def few_of_shared(names, quick=FEW):
    """Mark the names slow that are not among the few, and most of those costly."""
    return [name if name in quick else slow_for_shared(name) for name in names]


def in_both_dtypes(names):
    """Pair names with dtypes; what is costly is slow, and float64 but for few representatives."""
    return [
        slow(name, dtype)
        if name in COSTLY or (dtype == "float64" and name not in FEW)
        else (name, dtype)
        for name in names
        for dtype in ("float32", "float64")
    ]


def in_float32(names, quick=REPRESENTATIVES):
    """Pair names with dtypes; all but the quick ones in float32 are slow, and many costly."""
    return [
        (name, dtype) if dtype == "float32" and name in quick else slow_for_shared(name, dtype)
        for name in names
        for dtype in ("float32", "float64")
    ]


def in_float32_alone(names, quick):
    """Pair names with float32; all but the quick ones are slow. Add float64 for few: costly.

    For tests of seconds each, where float64 differs in the types alone.
    """
    wide = [costly(name, "float64") for name in names if name in FEW]
    narrow = [(n, "float32") if n in quick else slow_for_shared(n, "float32") for n in names]
    return narrow + wide
