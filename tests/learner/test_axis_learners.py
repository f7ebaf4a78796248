"""Learners whose rules work on axes: checkpoints, groups, refusals, and kernels in Python."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT, TESTS
from support.axis_cases import normal_arrays

import learnerdsl as ld

SHAPES = ((3, 4), (70, 5), (2, 3, 4), (0, 4))


@ld.rule
def factored(p, g, lr=0.1, keep=0.9, eps=1e-8):
    """Second moments of rows and columns, largest values of columns, noise by rows."""
    rows, cols = ld.state("rows", init=eps, shape="rows"), ld.state("cols", shape="cols")
    peak = ld.state("peak", init=ld.max(ld.abs(p), axis=-2), shape="cols")
    rows_new = ld.assign(rows, keep * rows + (1 - keep) * ld.mean(g**2, axis=-1))
    cols_new = ld.assign(cols, keep * cols + (1 - keep) * ld.mean(g**2, axis=-2))
    peak_new = ld.assign(peak, ld.maximum(keep * peak, ld.max(ld.abs(g), axis=-2)))
    scale = ld.sqrt(rows_new * cols_new / ld.mean(rows_new, axis=-1)) + peak_new + eps
    return ld.assign(p, p - lr * (g + 0.1 * ld.normal()) / scale)


def made(backend="cpu", **arguments):
    return factored(normal_arrays(0, SHAPES, "float32"), backend=backend, **arguments)


def train(learner, steps, first=1):
    for step in range(first, first + steps):
        learner.update(normal_arrays(step, SHAPES, "float32"))
    states = [a for own in learner.state.values() for a in own.values()]
    return [a.copy() for a in (*learner.parameters.values(), *states)]


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_states_of_axes_have_the_shapes_of_those_axes():
    learner = made()
    shapes = {name: state.shape for name, state in learner.state[2].items()}
    assert shapes == {"rows": (2, 3), "cols": (2, 4), "peak": (2, 4)}
    largest = np.abs(learner.parameters[1]).max(0)
    np.testing.assert_array_equal(learner.state[1]["peak"], largest)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_training_goes_on_bitwise_from_a_file(tmp_path, backend):
    learner = made(backend)
    train(learner, 3)
    learner.save(tmp_path / "learner.safetensors")
    resumed = factored([p.copy() for p in learner.parameters.values()], backend=backend)
    resumed.load(tmp_path / "learner.safetensors")
    assert_equal(train(resumed, 2, first=4), train(learner, 2, first=4))


def test_reset_gives_states_of_axes_their_start_values():
    learner = made()
    once = train(learner, 2)
    for p, start in zip(
        learner.parameters.values(), normal_arrays(0, SHAPES, "float32"), strict=True
    ):
        p[...] = start
    learner.reset()
    assert_equal(train(learner, 2), once)


def test_a_group_has_hyperparameters_of_its_own_in_loops_over_vectors():
    grouped = train(made(groups=[{"params": [1], "keep": 0.5, "lr": 0.01}]), 2)
    default, other = train(made(), 2), train(made(keep=0.5, lr=0.01), 2)
    for k in (0, 2, 3):
        np.testing.assert_array_equal(grouped[k], default[k])
    np.testing.assert_array_equal(grouped[1], other[1])
    assert (grouped[1] != default[1]).any()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_skipped_update_changes_nothing(backend):
    learner = made(backend, nonfinite="skip")
    before = train(learner, 1)
    gradients = normal_arrays(9, SHAPES, "float32")
    gradients[1][69, 4] = np.inf
    assert not learner.update(gradients)
    assert_equal(train(learner, 0), before)
    assert learner.step_count == 1


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_row_sparse_gradient_is_refused_and_nothing_changes(backend):
    learner, twin = made(backend), made(backend)
    gradients = normal_arrays(1, SHAPES, "float32")
    learner.update(gradients)
    twin.update(gradients)
    before = train(learner, 0)
    sparse = ld.RowSparse(np.array([1]), np.ones((1, 5), np.float32), (70, 5))
    with pytest.raises(ld.ArrayError, match="to_dense"):
        learner.update([gradients[0], sparse, *gradients[2:]])
    assert_equal(train(learner, 0), before)
    learner.update(gradients)
    twin.update(gradients)
    assert_equal(train(learner, 0), train(twin, 0))


@pytest.mark.parametrize(
    ("init", "shape"),
    [
        (lambda p: p, "rows"),
        (lambda p: ld.sum(p, axis=0), "rows"),
        (lambda p: ld.sum(p, axis=0), "tensor"),
        (lambda p: 1 + ld.max(p, axis=1), "cols"),
    ],
    ids=range(4),
)
def test_a_start_value_that_is_wider_than_its_state_is_refused(init, shape):
    @ld.rule
    def rule(p, g, lr=0.1):
        state = ld.state("state", init=init(p), shape=shape)
        return ld.combine([ld.assign(state, state), ld.assign(p, p - lr * state * g)])

    with pytest.raises(ld.RuleError, match=r"Parameter 0 of shape .*varies along the axes"):
        rule([np.ones((3, 3))])


def test_a_state_of_no_axes_is_one_of_the_tensor():
    @ld.rule
    def rule(p, g, lr=0.1):
        state = ld.state("state", init=2.0, shape=tuple(range(1, ld.ndim(p))))
        return ld.assign(p, p - lr * ld.assign(state, state + 1) * g)

    learner = rule([np.ones(3), np.ones((2, 3))])
    learner.update([np.ones(3), np.ones((2, 3))])
    assert learner.state[0]["state"].shape == ()
    np.testing.assert_array_equal(learner.state[1]["state"], np.full(3, 3.0))
    np.testing.assert_allclose(learner.parameters[0], 1 - 0.1 * 3)


@pytest.mark.parametrize("axis", [(0, -2), (1, -1)])
def test_an_axis_that_is_named_twice_is_refused(axis):
    with pytest.raises(ld.RuleError, match="name one axis twice"):
        ld.rule(lambda_rule(lambda g: ld.mean(g, axis=axis))).trace()


def test_sums_over_axes_are_not_in_blocks():
    with pytest.raises(ld.RuleError, match="leave out block=8"):
        ld.rule(lambda_rule(lambda g: ld.sum(g, axis=0, block=8))).trace()


def lambda_rule(step):
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * step(g))

    return rule


def test_axes_in_start_values_and_evaluations_make_variants():
    @ld.rule
    def rule(p, g, lr=0.1):
        state = ld.state("state", init=ld.sum(p, axis=-1), shape=())
        return ld.assign(p, p - lr * ld.assign(state, state + 1) * g)

    assert rule([np.ones(3)]).state[0]["state"] == 3.0
    with pytest.raises(ld.RuleError, match="Parameter 1 of shape"):
        rule([np.ones(3), np.ones((2, 3))])


@pytest.mark.parametrize("size", [3, 8])
def test_a_sum_in_blocks_does_not_see_the_rows(size):
    @ld.rule
    def rule(p, g, lr=1.0, size=8):
        total = ld.state("total", shape="tensor")
        total_new = ld.assign(total, ld.sum(g, block=size))
        return ld.combine([total_new, ld.assign(p, p - lr * g * ld.max(g, axis=0))])

    g = normal_arrays(1, [(13, 7)], "float32")
    states = [
        float(learner.state[0]["total"])
        for backend in ("cpu", "numpy")
        for learner in [rule([np.ones((13, 7), np.float32)], size=size, backend=backend)]
        if learner.update(g)
    ]
    assert states[0] == states[1]


PROGRAM = """
import sys
import numpy as np
from learner.test_axis_learners import made, train
np.savez(sys.argv[1], *train(made(), 2))
"""


def test_kernels_without_compilation_do_the_same(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
    }
    path = tmp_path / "arrays.npz"
    subprocess.run([sys.executable, "-c", PROGRAM, path], env=environment, check=True)
    with np.load(path) as stepped:
        for compiled, name in zip(train(made(), 2), stepped.files, strict=True):
            np.testing.assert_allclose(stepped[name], compiled, rtol=1e-5, atol=1e-6)
