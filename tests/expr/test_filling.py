"""A choice between a matrix and a number is a whole matrix for a function of matrices."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded

import learnerdsl as ld
from learnerdsl import jax as ldj
from learnerdsl.expr import Filled, nodes

SHAPES = (3, 4), (4, 3), (2, 3, 3)


@ld.rule
def begun(p, g, lr=0.1):
    """Operands of which a branch is a number: as they are, in a product, in a choice, named."""
    m = ld.state("m")
    first = ld.equal(ld.step, 1)
    m_new = ld.assign(m, 0.9 * m + g)
    plain = ld.where(first, 0, m)
    named = ld.let("named", ld.where(first, 1, m))
    square = ld.where(
        ld.equal(ld.step, 2),
        ld.where(ld.step > lr, 0.5, 2),
        2 * ld.where(first, 1, ld.matmul(named, ld.transpose(g))),
    )
    product = ld.matmul(ld.matmul(square, plain), ld.matmul(ld.transpose(named), named))
    return ld.combine([m_new, ld.assign(p, p - lr * product / (1 + ld.norm(product)))])


def by_hand(p, gradients, lr=0.1):
    """The same in NumPy."""
    m = np.zeros_like(p)
    for step, g in enumerate(gradients, 1):
        full = np.ones((*p.shape[:-1], p.shape[-2]))
        plain, named = (0 * m, 1 + 0 * m) if step == 1 else (m, m)
        square = {1: 2 * full, 2: 0.5 * full}.get(step, 2 * named @ np.swapaxes(g, -1, -2))
        product = (square @ plain) @ (np.swapaxes(named, -1, -2) @ named)
        p = p - lr * product / (1 + np.linalg.norm(product))
        m = 0.9 * m + g
    return p


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_numbers_fill_matrices(shape, backend):
    rng = np.random.default_rng(3)
    start, *gradients = rng.standard_normal((5, *shape))
    found = start.copy()
    learner = begun([found], backend=backend)
    for g in gradients:
        learner.update([g])
    np.testing.assert_allclose(found, by_hand(start, gradients), rtol=1e-10)


def test_numbers_fill_matrices_on_every_target():
    own = Problem(begun, np.float64, shapes=SHAPES, steps=4)
    expected, _ = own.path_of_rule()
    with jax.enable_x64(True):
        path, _ = own.path_of_jax(ldj.transformation(begun))
    assert own.error(path, expected) <= 1e-12
    for target in ("numpy", "torch", "jax"):
        made = loaded(begun.export(target))
        with jax.enable_x64(True):
            if target == "torch":
                path, _ = own.path_of_torch(made.Begun)
            else:
                run = own.path_of_jax if target == "jax" else own.path_of_numpy
                path, _ = run(made.begun() if target == "jax" else made)
        assert own.error(path, expected) <= 1e-12, target


def test_the_function_on_arrays_agrees():
    ld.check(begun, dtype="both", updates=4).raise_if_wrong()


def test_whole_matrices_stay_as_they_are():
    @ld.rule
    def rule(p, g, lr=0.1):
        m = ld.state("m")
        chosen = ld.where(g > 0, 0, m) + ld.where(ld.equal(ld.step, 1), 0, m) - g
        return ld.combine([ld.assign(m, g), ld.assign(p, p - lr * ld.matmul(chosen, g))])

    lines = rule.trace(shape=(3, 3)).lines
    assert not [
        node for node in nodes(line.expression for line in lines) if isinstance(node, Filled)
    ]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("kind", ["identity", "draw", "state"])
def test_matrices_decide_entry_by_entry(kind, backend):
    @ld.rule
    def rule(p, g, lr=1.0):
        q = ld.state("q", shape=("cols", "cols"), init=ld.identity("cols"))
        choose = {"identity": ld.identity("cols"), "draw": ld.uniform(shape=("cols", "cols")) - 2}
        gram = ld.matmul(ld.transpose(g), g)
        q_new = ld.assign(q, ld.where(choose.get(kind, q) > 0, gram, -1))
        return ld.combine([ld.assign(p, p), q_new])

    g = np.array([[1.0, 2.0], [3.0, 4.0]])
    learner = rule([np.ones((2, 2))], backend=backend)
    learner.update([g])
    expected = np.full((2, 2), -1.0) if kind == "draw" else np.where(np.eye(2) > 0, g.T @ g, -1)
    np.testing.assert_array_equal(learner.state[0]["q"], expected)
