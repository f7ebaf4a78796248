"""The loops of rules that work on axes: long, vectors, and with little memory beside them."""

import numpy as np
import pytest
from support.assembly import assembly_of, has_vector_loop
from support.tiers import slow

import learnerdsl as ld


def step_with(value):
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / (1e-8 + value(p, g)))

    return ld.rule(rule)


RULES = {
    "centralised": lambda p, g: ld.mean(g, axis=tuple(range(1, ld.ndim(p)))),
    "norms of rows": lambda p, g: ld.norm(g, axis=-1),
    "norms of columns": lambda p, g: ld.norm(g, axis=-2),
    "largest of rows": lambda p, g: ld.max(ld.abs(g), axis=-1),
    "largest of columns": lambda p, g: ld.max(ld.abs(g), axis=-2),
    "all but the middle": lambda p, g: ld.sum(g, axis=(0, ld.ndim(p) - 1)),
}


@pytest.mark.parametrize("shape", [(32, 64), (8, 16, 32)], ids=len)
@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
@pytest.mark.parametrize("name", RULES)
def test_passes_by_rows_are_vectors(name, dtype, shape):
    assembly = assembly_of(step_with(RULES[name]).program("cpu", dtype, shape=shape))
    assert has_vector_loop(assembly["rule_pass_1"], stores=False)
    assert has_vector_loop(assembly["rule_pass_2"], stores=True)


ROWS = {
    "centralised": (1, 2, 3),
    "norms of rows": (3,),
    "norms of columns": (3,),
    "all but the middle": (3,),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_as_many_axes_as_values_have_or_lack_together(name):
    program = step_with(RULES[name]).program(shape=(8, 8, 3, 3))
    assert program.layout.row_axes == ROWS[name]


def test_sums_of_columns_go_along_several_axes():
    assert step_with(lambda p, g: ld.sum(g, axis=0)).program().layout.row_axes == (1,)
    long = step_with(lambda p, g: ld.sum(g, axis=0)).program(shape=(2, 3, 4))
    assert long.layout.row_axes == (1, 2)


@ld.rule
def factored(p, g, lr=0.1):
    """A state for each choice of axes but one."""
    scale, new = 1.0, []
    for axis in range(ld.ndim(p)):
        kept = tuple(a for a in range(ld.ndim(p)) if a != axis)
        for number, axes in enumerate((kept, (axis,))):
            state = ld.state(f"v_{axis}_{number}", shape=axes)
            rest = tuple(a for a in range(ld.ndim(p)) if a not in axes)
            new.append(ld.assign(state, 0.9 * state + 0.1 * ld.sum(g**2, axis=rest)))
            scale = scale + new[-1]
    return ld.combine([*new, ld.assign(p, p - lr * g / scale)])


@pytest.mark.parametrize(
    "shape", [(64, 64, 3, 3), slow((3, 300, 40)), (30, 300, 40), (4_000, 4, 8), (200_000, 1)]
)
def test_parts_of_sums_take_little_memory(shape):
    p = np.ones(shape, np.float32)
    learner = factored([p])
    vectors = learner._engine.memory.vectors[0]
    states = sum(state.size for state in learner.state[0].values())
    held = sum(vector.size for vector in vectors.values())
    # Each state has a sum, its parts, and a value for the loop.
    assert held < 8 * states + 2 * p.size
    learner.update([np.ones(shape, np.float32)])
    assert np.isfinite(p).all()
