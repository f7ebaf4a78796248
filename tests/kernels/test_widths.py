"""LLVM chooses the width of vectors by the narrowest type, and only while kernels are compiled."""

import platform

import numpy as np
import pytest
from numba import njit

from learnerdsl.learners import adam

X86 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.mark.skipif(not X86, reason="LLVM chooses so by itself on some other machines")
def test_a_sum_in_float64_leaves_a_loop_over_float32_as_wide_as_it_is():
    plain = adam([np.ones(100, np.float32)]).asm(loop=True)
    summed = adam([np.ones(100, np.float32)], observe=["grad_norm"]).asm(loop=True)

    width = next(line for line in str(plain).splitlines() if "vectors of" in line)
    assert width in str(summed)


@pytest.mark.skipif(not X86, reason="LLVM chooses so by itself on some other machines")
def test_functions_of_others_are_compiled_as_before():
    def total(x):
        result = 0.0
        for i in range(x.size):
            result += np.float64(x[i])
        return result

    options = {"fastmath": {"reassoc"}, "boundscheck": False}
    x = np.ones(1000, np.float32)
    before = njit(**options)(total)
    before(x)
    adam([np.ones(3, np.float32)], observe=["update_norm"])
    after = njit(**options)(total)
    after(x)

    (one,), (other,) = before.inspect_asm().values(), after.inspect_asm().values()
    assert vectors(one) == vectors(other)


def vectors(assembly):
    """Return how often each register of vectors is named."""
    return {name: assembly.count(f"%{name}mm") for name in "xyz"}
