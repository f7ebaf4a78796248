"""The text of modules exported for Numba, and the machine code that they become."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support.assembly import has_vector_loop
from support.exported_loops import InNumba, Inputs
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.learners import adam, lamb, prodigy

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("learnerdsl", "sympy"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
"""


def test_module_runs_where_this_package_is_not(tmp_path):
    code = """
import numpy as np
import adam
p, g = np.ones(10_000, np.float32), np.full(10_000, 0.5, np.float32)
m, v = np.zeros((2, 10_000), np.float32)
adam.adam_update(p, g, m, v, 1, lr=0.25)
assert np.allclose(p, 0.75), p
assert "learnerdsl" not in sys.modules
"""
    (tmp_path / "adam.py").write_text(adam.export("numba"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", BLOCKED + code]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)


def test_loop_of_adam_is_that_of_the_kernel():
    """The statements of the loop are the text of `loops()`."""
    wanted = adam.loops().partition("for i in range(count):\n")[2]
    assert wanted.rstrip() in adam.export("numba")


def test_arguments_are_documented_and_have_the_defaults_of_the_rule():
    module = InNumba(prodigy.export("numba")).module
    assert "d_state: a float64 array of one value." in module.prodigy_update.__doc__
    assert module.prodigy_update.__defaults__ == (1.0, 0.9, 0.999, 1e-8, 0.0, 1e-6, 1.0)
    assert module.prodigy_start.__defaults__ == (1e-6,)


def test_integers_are_taken_as_numbers():
    module = InNumba(adam.export("numba", "float64"), is_parallel=False).module
    found = []
    for one in (1, 1.0):
        arrays = [np.ones(5), np.full(5, 2.0), np.zeros(5), np.zeros(5)]
        module.adam_update(*arrays, 3 * one, lr=one, weight_decay=one)
        found.append(arrays)
    np.testing.assert_array_equal(*found)


@ld.rule
def njit(range, g, CHUNK=0.1, prange=0.9, np=0.5, stop=2.0, chunk=0.0, float32=1.0, size=3.0):
    """A rule with \"\"\"quotes\"\"\" and a \\ in its docstring.

    # and more
    """
    sums = ld.state("sums")
    start = ld.state("start", init=float32 * np, shape="tensor")
    number = ld.state("number", init=size, shape="model")
    π = ld.let("π", g * prange + ld.normal())
    sums_new = ld.assign(sums, sums * np + π)
    start_new = ld.assign(start, start * 0.5 + ld.norm(sums_new, over="tensor"))
    number_new = ld.assign(number, number + stop + ld.sum(π, over="model") / 1e3)
    step_taken = CHUNK * sums_new / (1 + start_new) + chunk + 1e-3 * number_new
    return ld.assign(range, range - step_taken)


def test_names_that_the_file_uses_itself_are_changed():
    text = njit.export("numba")
    shape = (70,)
    params = {"w0": np.ones(shape, np.float32), "w1": np.zeros(shape, np.float32)}
    mine = [array.copy() for array in params.values()]
    learner = njit(params, seed=3)
    inputs = Inputs(njit, mine, "float32", seed=3)
    exported = InNumba(text, is_parallel=False)
    exported.call("njit_start", inputs)
    gradients = [np.full(shape, 0.25, np.float32)] * 2
    for step in (1, 2, 3):
        inputs.take(step, gradients, {})
        exported.call("njit_update", inputs)
        learner.update(dict(zip(params, gradients, strict=True)))
    for own, wanted in zip(mine, params.values(), strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-6)


VECTORS = ["adam", "lamb", slow("adopt"), slow("madgrad"), slow("sophia"), slow("adan")]
VECTORS += [slow("ademamix"), slow("prodigy"), slow("lion"), slow("adapnm")]


@pytest.mark.parametrize("name", VECTORS)
def test_chunks_run_in_vectors(name):
    rule = getattr(learners, name)
    exported = InNumba(rule.export("numba", shape=(30,)), is_parallel=False)
    params = [np.ones(30, np.float32)]
    inputs = Inputs(rule, params, "float32")
    ones = np.ones(30, np.float32)
    extras = {str(e): [ones] if e.shape == "element" else 1.0 for e in inputs.rule.extras}
    inputs.take(1, [ones], extras)
    exported.call(f"{name}_update", inputs)
    chunks = {n: f for n, f in vars(exported.module).items() if n.startswith(f"{name}_chunk_")}
    assert chunks
    for chunk in chunks.values():
        (signature,) = chunk.signatures
        assert has_vector_loop(chunk.inspect_asm(signature), stores=False)


def test_sums_are_the_only_arithmetic_that_may_be_reordered():
    text = lamb.export("numba")
    assert text.count("fastmath") == 1
    # A product of float32 is exact in float64, so that it may be one instruction with the sum.
    assert 'fastmath={"reassoc", "contract"})\ndef accumulate_square(' in text
    wide = lamb.export("numba", dtype="float64")
    assert wide.count("fastmath") == 1
    assert 'fastmath={"reassoc"})\ndef accumulate(' in wide
