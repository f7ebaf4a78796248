"""NaN, infinities, signs of zero: the same compiled, in Python, and in NumPy."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import special_values

import learnerdsl as ld

KINDS = {
    "float32": lambda backend: special_values.elements(np.float32, backend),
    "float64": lambda backend: special_values.elements(np.float64, backend),
    "scalars": special_values.scalars,
}
FUNCTIONS = [*special_values.UNARY, *special_values.BINARY]


def assert_same(found, expected):
    """Equal but for three units in the last place; NaN, infinity and the sign of 0 exactly."""
    exact = ~np.isfinite(expected) | (expected == 0)
    np.testing.assert_array_equal(found[exact], expected[exact])
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))
    with np.errstate(over="ignore"):
        limit = 3 * np.spacing(np.abs(expected[~exact]))
        error = np.abs(found[~exact] - expected[~exact])
    assert (error <= limit).all()


@pytest.fixture(scope="module")
def compiled():
    """Kind -> function -> values, by the compiled kernels."""
    return {kind: make("cpu") for kind, make in KINDS.items()}


@pytest.fixture(scope="module")
def interpreted():
    """The same by NumPy."""
    with np.errstate(all="ignore"):
        return {kind: make("numpy") for kind, make in KINDS.items()}


@pytest.fixture(scope="module")
def in_python(compiled):
    """The same by the generated text in Python, where nothing is compiled."""
    script = Path(special_values.__file__)
    found = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=Path(ld.__file__).parents[1],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    lines = iter(found.stdout.splitlines())
    result = {}
    for kind, table in compiled.items():
        result[kind] = {}
        for _ in table:
            name, text = next(lines).split()
            dtype = np.float32 if kind == "float32" else np.float64
            result[kind][name] = np.frombuffer(bytes.fromhex(text), dtype)
    return result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_function_has_the_special_values_of_numpy(name, kind, compiled, interpreted):
    assert_same(compiled[kind][name], interpreted[kind][name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_in_python_has_the_values_of_the_compiled_one(name, kind, compiled, in_python):
    assert_same(in_python[kind][name], compiled[kind][name])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("tanh", -0.0, -0.0),
        ("sign", -0.0, 0.0),
        ("sqrt", -0.0, -0.0),
        ("abs", -0.0, 0.0),
        ("ceil", -0.5, -0.0),
        ("floor", -0.0, -0.0),
        ("sin", -0.0, -0.0),
        ("atan", -0.0, -0.0),
    ],
)
def test_the_sign_of_zero_shows_in_a_reciprocal(name, argument, expected, backend):
    @ld.rule
    def reciprocal(p, g):
        return ld.assign(p, 1 / getattr(ld, name)(g))

    weights = np.ones(9)
    reciprocal([weights], backend=backend).update([np.full(9, argument)])
    assert (weights == np.copysign(np.inf, expected)).all()
