"""What rules that work in singular directions do to matrices, and when they turn."""

from itertools import pairwise

import numpy as np
import pytest

from learnerdsl import learners

SHAPES = {"wide": (3, 8), "tall": (8, 3), "square": (4, 4)}


def trained(name, gradients, **arguments):
    """The learner and its parameter, which starts from zeros."""
    p = np.zeros_like(gradients[0])
    learner = getattr(learners, name)([p], **arguments)
    for g in gradients:
        assert learner.update([g])
    return learner, p


def bases(name, shape, gap):
    """The basis after each of six updates."""
    learner = getattr(learners, name)([np.zeros(shape)], update_proj_gap=gap)
    found = []
    for k in range(6):
        learner.update([np.random.default_rng(k).standard_normal(shape)])
        found.append(learner.state[0]["basis"].copy())
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_first_step_of_conda_is_as_long_in_every_direction(shape):
    g = np.random.default_rng(1).standard_normal(shape) * np.geomspace(1, 0.01, shape[0])[:, None]
    _, p = trained("conda", [g], lr=0.1, scale=0.5, beta2=0.0, eps=0.0)
    left, values, right = np.linalg.svd(g, full_matrices=False)
    on_axes = left.T @ p @ right.T
    # Adam divides each element by its size, so it gives signs of coordinates, here of rows of V.
    signs = np.sign(right) if shape[0] < shape[1] else np.sign(left)
    expected = left @ signs if shape[0] < shape[1] else signs @ right
    np.testing.assert_allclose(p, -0.05 * expected, rtol=1e-8)
    assert np.linalg.norm(on_axes, axis=1).min() > 0.1 * np.linalg.norm(on_axes, axis=1).max()
    assert values.min() < 0.1 * values.max()


@pytest.mark.parametrize("name", ["conda"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_bases_are_renewed_at_the_first_update_and_then_one_in_so_many(name, shape):
    found = bases(name, shape, 3)
    same = [np.array_equal(a, b) for a, b in pairwise(found)]
    assert same == [True, True, False, True, True]
    for basis in found:
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)


@pytest.mark.parametrize("name", ["conda"])
def test_stacks_are_updated_matrix_by_matrix(name):
    gradients = list(np.random.default_rng(2).standard_normal((4, 2, 5, 3)))
    _, together = trained(name, gradients)
    for k in range(2):
        _, own = trained(name, [g[k] for g in gradients])
        np.testing.assert_allclose(together[k], own, rtol=1e-9, atol=1e-15)
