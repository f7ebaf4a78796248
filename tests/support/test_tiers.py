"""The first tier has a builtin of every structure."""

import re

import pytest

from learnerdsl import learners
from learnerdsl.expr import Draw, MatrixState
from support.problems import fitted
from support.tiers import FEW, REPRESENTATIVES


def structure(name):
    """What the kernels of a builtin are made of."""
    found = set()
    for shape in fitted(name, ((), (7,), (7, 5), (3, 4, 2))):
        program = getattr(learners, name).program("cpu", "float32", shape=shape)
        kernel = program.kernel
        count = len(program.levels)
        found |= {f"{count if count < 6 else 'many'} levels"}
        found |= {f"rows of axes {program.layout.row_axes}"}
        found |= {f"{type(s).__name__} over {domain_of(kernel, s)}" for s in kernel.states}
        found |= {f"extra of {type(extra).__name__}" for extra in program.rule.extras}
        for block in kernel.blocks:
            found |= {f"{r.monoid.name} over {kernel.domains.get(r.symbol)}" for r in block.reduces}
            if any(compute.expression.has(Draw) for compute in block.computes):
                found.add("random numbers")
        if any(level.matrix for level in program.levels):
            found.add("functions of matrices")
    return found


def domain_of(kernel, state):
    """What a state has values for; of the sides of a matrix, whether they are one."""
    if not isinstance(state, MatrixState):
        return kernel.domains[state]
    first, second = state.shape
    return f"matrix ({'square' if first == second else 'oblong'})"


@pytest.mark.slow
def test_representatives_have_every_structure_that_a_builtin_has():
    assert set(learners.__all__) > REPRESENTATIVES
    known = set().union(*map(structure, REPRESENTATIVES))
    unknown = {name: structure(name) - known for name in learners.__all__}
    assert {name: found for name, found in unknown.items() if found} == {}


def kinds(name):
    """The structure of a builtin, whatever the axes, and however many the passes."""
    return {re.sub(r" \(.*\)", "", s) for s in structure(name) if not s.endswith(" levels")}


@pytest.mark.slow
def test_few_representatives_have_every_kind_of_structure():
    assert FEW < REPRESENTATIVES
    known = set().union(*map(kinds, FEW))
    unknown = {name: kinds(name) - known for name in learners.__all__}
    assert {name: found for name, found in unknown.items() if found} == {}
