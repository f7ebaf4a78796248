"""What rules that work in singular directions do to matrices, and when they turn."""

from itertools import pairwise

import numpy as np
import pytest
from support.references import REFERENCES

from learnerdsl import learners

PROJECTING = ["conda", "fira", "galore_adamw"]
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


@pytest.mark.parametrize("name", PROJECTING)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_bases_are_renewed_at_the_first_update_and_then_one_in_so_many(name, shape):
    found = bases(name, shape, 3)
    same = [np.array_equal(a, b) for a, b in pairwise(found)]
    assert same == [True, True, False, True, True]
    for basis in found:
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)


@pytest.mark.parametrize("name", PROJECTING)
def test_stacks_are_updated_matrix_by_matrix(name):
    gradients = list(np.random.default_rng(2).standard_normal((4, 2, 5, 3)))
    _, together = trained(name, gradients)
    for k in range(2):
        _, own = trained(name, [g[k] for g in gradients])
        np.testing.assert_allclose(together[k], own, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", ["fira", "galore_adamw"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("rank", [1, 2, 3, 9])
def test_states_have_as_many_directions_as_the_rank(name, shape, rank):
    g = np.random.default_rng(3).standard_normal(shape)
    learner, _ = trained(name, [g], rank=rank)
    count, longer = min(rank, *shape), max(shape)
    is_tall = shape[0] >= shape[1]
    assert learner.state[0]["m"].shape == ((longer, count) if is_tall else (count, longer))
    assert learner.state[0]["basis"].shape == (min(shape), count)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_galore_moves_the_main_directions_alone(shape):
    g = np.random.default_rng(4).standard_normal(shape)
    left, _, right = np.linalg.svd(g, full_matrices=False)
    _, p = trained("galore_adamw", [g] * 3, rank=2)
    assert np.linalg.matrix_rank(p) == 2
    outside = left[:, 2:].T @ p if shape[0] < shape[1] else p @ right[2:].T
    np.testing.assert_allclose(outside, 0, atol=1e-14)


class Turning:
    """numpy.linalg.eigh, but that it turns vectors round in every second call."""

    def __init__(self, eigh):
        self.eigh = eigh
        self.calls = 0

    def __call__(self, a):
        self.calls += 1
        roots, vectors = self.eigh(a)
        return roots, vectors * (-1) ** (self.calls * np.arange(len(roots)))


@pytest.mark.parametrize("name", PROJECTING)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_signs_of_eigenvectors_are_no_matter(name, shape, monkeypatch):
    """Nor when they are found again, though moments of coordinates are kept."""
    gradients = list(np.random.default_rng(6).standard_normal((6, *shape)))
    options = {"backend": "numpy", "update_proj_gap": 2}
    _, expected = trained(name, gradients, **options)
    turning = Turning(np.linalg.eigh)
    monkeypatch.setattr(np.linalg, "eigh", turning)
    learner, p = trained(name, gradients, **options)
    assert turning.calls == 3
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    before = learner.state[0]["basis"].copy()
    learner.update([3 * gradients[-2]])
    assert (np.sum(before * learner.state[0]["basis"], axis=0) > 0).all()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_fira_adds_to_galore_is_the_gradient_outside_of_the_directions(shape):
    g = np.random.default_rng(7).standard_normal(shape)
    settings = {"rank": 2, "scale": 1.0, "beta1": 0.0, "beta2": 0.0, "eps": 0.0, "lr": 0.1}
    more = trained("fira", [g], **settings)[1] - trained("galore_adamw", [g], **settings)[1]
    left, _, right = np.linalg.svd(g, full_matrices=False)
    if shape[0] < shape[1]:
        r = left[:, :2].T @ g
        expected = (g - left[:, :2] @ r) * np.sqrt(2) / np.linalg.norm(r, axis=0)
    else:
        r = g @ right[:2].T
        expected = (g - r @ right[:2]) * np.sqrt(2) / np.linalg.norm(r, axis=1)[:, None]
    np.testing.assert_allclose(more, -0.1 * expected, rtol=1e-6)


def test_what_fira_adds_grows_by_at_most_1_percent():
    g = np.random.default_rng(8).standard_normal((5, 3))
    learner = learners.fira([np.zeros((5, 3))], rank=1, beta1=0.0, update_proj_gap=1000)
    lengths = []
    for size in (1, 1, 100, 1e4, 1, 1e-3):
        learner.update([size * g])
        lengths.append(float(learner.state[0]["length"]))
    growth = [b / a for a, b in pairwise(lengths)]
    np.testing.assert_allclose(growth[1:3], 1.01, rtol=1e-6)
    assert max(growth) < 1.01 + 1e-6
    assert growth[-1] < 0.5


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("rank", [1, 2])
def test_cosmos_of_few_directions_follows_its_reference(shape, rank):
    gradients = list(np.random.default_rng(9).standard_normal((20, *shape)))
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}
    settings |= {"gamma": 0.3, "lr_ratio": 0.5, "rank": rank}
    _, p = trained("cosmos", gradients, **settings)
    expected, state = np.zeros(shape), {}
    for t, g in enumerate(gradients, 1):
        REFERENCES["cosmos"]([expected], [g], state, t, **settings)
    np.testing.assert_allclose(p, expected, rtol=0, atol=1e-10)


def test_steps_of_cosmos_have_one_length_and_what_is_outside_of_the_directions():
    g = np.random.default_rng(10).standard_normal((6, 4))
    _, p = trained("cosmos", [g], lr=0.1, lr_ratio=0.5, rank=1, gamma=0.0)
    np.testing.assert_allclose(np.sqrt(np.mean(p**2)), 0.05, rtol=1e-6)
    assert np.linalg.matrix_rank(p) == 1
    _, p = trained("cosmos", [g], lr=0.1, lr_ratio=0.5, rank=1, gamma=0.5)
    np.testing.assert_allclose(np.sqrt(np.mean(p**2)), 0.05, rtol=1e-6)
    assert np.linalg.matrix_rank(p) == 4
