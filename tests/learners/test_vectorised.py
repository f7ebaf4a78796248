"""The hot loop of every builtin is vectorised; read from the machine code, not timed."""

import platform

import numba
import numpy as np
import pytest
from support.assembly import WIDENED, assembly_of, has_vector_loop, innermost_loops
from support.families import SCALAR
from support.rules import clipped_adamw_ema, largest_gradients, my_rmsprop
from support.tiers import in_both_dtypes

import learnerdsl as ld
from learnerdsl import learners

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly"
)
RULES = {name: getattr(learners, name) for name in learners.__all__}
RULES |= {r.name: r for r in (my_rmsprop, clipped_adamw_ema, largest_gradients)}


def passes(rule, dtype):
    """(assembly, block) of every pass."""
    program = rule.program(dtype=dtype)
    assembly = assembly_of(program)
    names = [level.element for level in program.levels if level.element]
    return [(assembly[n], b) for n, b in zip(names, program.kernel.passes, strict=True)]


@pytest.mark.parametrize(("name", "dtype"), in_both_dtypes(sorted(RULES.keys() - SCALAR)))
def test_every_pass_has_a_loop_of_vectors(name, dtype):
    for assembly, block in passes(RULES[name], dtype):
        computes = bool(block.computes or block.reduces)
        assert has_vector_loop(assembly, bool(block.stores), computes), assembly


@pytest.mark.parametrize("name", sorted(RULES))
def test_float32_loops_without_reductions_never_widen(name):
    for assembly, block in passes(RULES[name], "float32"):
        if not block.reduces:
            assert not any(WIDENED.search(loop) for loop in innermost_loops(assembly))


@pytest.mark.parametrize("options", [{}, {"error_model": "python"}], ids=["ours", "python"])
def test_the_reader_tells_vectors_from_scalars(options):
    # With Python's error model a division needs a branch, which makes the loop scalar.
    function = numba.njit("void(f4[::1], f4[::1])", **{"error_model": "numpy", **options})(_divide)
    assembly = next(iter(function.inspect_asm().values()))
    assert has_vector_loop(assembly, stores=True) == (not options)


def _divide(a, b):
    for i in range(a.size):
        a[i] = a[i] / b[i]


def test_learner_shows_assembly_and_llvm_of_a_kernel_from_the_cache():
    first = ld.rule(_halving)([np.ones(4, np.float32)])
    again = ld.rule(_halving)([np.ones(4, np.float32)])
    assert len(first.asm().splitlines()) == len(again.asm().splitlines())
    assert "_halving_pass_1" in again.asm()
    assert "fmul" in again.llvm()


def _halving(p, g, lr=0.5):
    return ld.assign(p, p - lr * g)
