"""The polynomial functions of kernels, against NumPy in higher precision."""

import numba
import numpy as np
import pytest
from support.assembly import has_vector_loop

from learnerdsl.kernels import cpu_math

NAMES = ["exp", "log", "tanh"]
LARGEST = {("exp", "float32"): 110.0, ("exp", "float64"): 750.0}


def compiled(name, dtype):
    function = getattr(cpu_math, name)

    def fill(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    kind = {"float32": "f4", "float64": "f8"}[dtype]
    return numba.njit(f"void({kind}[::1], {kind}[::1])", error_model="numpy")(fill)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_function_is_within_three_units_of_the_last_place(name, dtype):
    rng = np.random.default_rng(0)
    limit = LARGEST.get((name, dtype), 50.0)
    small = -44 if dtype == "float32" else -322
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.625, np.sqrt(0.5), 88.8, -104.0]
    x = [rng.uniform(-limit, limit, 100_000), rng.normal(size=100_000)]
    x += [10 ** rng.uniform(small, 37, 100_000), special]
    x = np.concatenate(x).astype(dtype)
    out = np.empty_like(x)
    compiled(name, dtype)(x, out)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(out[~finite], expected[~finite])
    error = np.abs(out[finite] - expected[finite]) / np.spacing(np.abs(expected[finite]))
    assert error.max() <= 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_function_is_vectorised(name, dtype):
    assembly = next(iter(compiled(name, dtype).inspect_asm().values()))
    assert has_vector_loop(assembly, stores=True)
