"""Which rows Dion2 and NorDion2 move, how far, and what their options do."""

import math

import numpy as np
import pytest
from support.problems import assert_same_path
from support.references import REFERENCES

import learnerdsl as ld
from learnerdsl import learners

NAMES = ["dion2", "nordion2"]
HYPERS = {"lr": 0.1, "mu": 0.9, "weight_decay": 0.1, "eps": 1e-8}


def made(name, start, **arguments):
    """Parameters, and a learner of them."""
    p = start.copy()
    return p, getattr(learners, name)([p], backend="numpy", **arguments)


@pytest.mark.parametrize("fraction", [1, 0.5, 2 / 3, 0.01])
@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (2, 5, 6)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_any_fraction_follows_the_reference(name, shape, fraction):
    rng = np.random.default_rng(1)
    start = rng.standard_normal(shape)
    p, learner = made(name, start, fraction=fraction, **HYPERS)
    own, state, hypers = [start.copy()], {}, dict(HYPERS)
    if name == "nordion2":
        hypers["beta2"] = 0.95
    for t in range(1, 13):
        g = rng.standard_normal(shape)
        assert learner.update([g])
        REFERENCES[name](own, [g], state, t, fraction=fraction, **hypers)
    assert_same_path(1e-11, [start], [own], [[p]])


@pytest.mark.parametrize(
    ("name", "shape", "axis"),
    [("dion2", (4, 9), 0), ("dion2", (9, 4), 1), ("nordion2", (4, 9), 0), ("nordion2", (9, 4), 0)],
    ids=str,
)
def test_a_share_of_the_lines_moves_and_the_others_keep_their_momentum(name, shape, axis):
    g = np.random.default_rng(2).standard_normal(shape)
    p, learner = made(name, np.zeros(shape), fraction=0.5, mu=0.5)
    assert learner.update([g])
    sums = np.abs(g).sum(axis=1 - axis)
    count = math.ceil(shape[axis] / 2)
    largest = np.argsort(-sums)[:count]
    moves = np.abs(p).sum(axis=1 - axis) > 0
    assert set(np.flatnonzero(moves)) == set(largest)
    factor = np.where(moves, 0.5, 1.0)
    factor = factor[:, None] if axis == 0 else factor
    np.testing.assert_allclose(learner.state[0]["m"], factor * g, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_the_length_of_steps_is_that_of_the_authors(name):
    g = np.random.default_rng(3).standard_normal((3, 8))
    steps = {}
    for way in ("spectral_norm", "rms_norm", "none"):
        steps[way], learner = made(name, np.zeros((3, 8)), adjust_lr=way)
        assert learner.update([g])
    np.testing.assert_allclose(steps["spectral_norm"], steps["none"] * math.sqrt(3 / 8))
    np.testing.assert_allclose(steps["rms_norm"], steps["none"] * 0.2 * math.sqrt(8))


def test_rows_of_nordion2_become_alike():
    g = np.random.default_rng(4).standard_normal((8, 3)) * np.geomspace(1, 1e-2, 8)[:, None]
    p, learner = made("nordion2", np.zeros((8, 3)), fraction=0.75, eps=1e-12)
    assert learner.update([g])
    lengths = np.linalg.norm(p[:6], axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)
    assert not p[6:].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fraction", [0, 1.25, -0.5])
def test_what_is_no_fraction_is_refused(name, fraction):
    with pytest.raises(ld.HyperparameterError, match=r"above 0 and at most 1.*for a quarter"):
        made(name, np.ones((3, 3)), fraction=fraction)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fraction", ["all", (1, 4), True, math.nan, math.inf, None], ids=str)
def test_what_is_no_number_is_refused(name, fraction):
    with pytest.raises(ld.HyperparameterError, match=r"must be a finite number, as its default"):
        made(name, np.ones((3, 3)), fraction=fraction)


@pytest.mark.parametrize("name", NAMES)
def test_learners_with_another_fraction_do_not_take_each_others_checkpoints(name):
    start = np.ones((8, 3))
    _, learner = made(name, start, fraction=np.float32(0.5))
    _, other = made(name, start, fraction=0.25)
    other.load_state_dict(made(name, start, fraction=1 / 4)[1].state_dict())
    with pytest.raises(ld.CheckpointError, match="fraction"):
        other.load_state_dict(learner.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_unknown_lengths_of_steps_are_refused(name):
    with pytest.raises(ld.RuleError, match="'original' is not known; write 'spectral_norm', 'rms"):
        made(name, np.ones((3, 3)), adjust_lr="original")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_for_one_shape(name):
    with pytest.raises(ld.RuleError, match="depends on the lengths of axes"):
        getattr(learners, name).export("numpy")


@pytest.mark.parametrize("name", NAMES)
def test_products_in_bfloat16_choose_the_same_rows(name):
    pytest.importorskip("torch")
    g = np.random.default_rng(5).standard_normal((12, 30)).astype(np.float32)
    ends = []
    for products in ("full", "bfloat16"):
        p = np.zeros_like(g)
        assert getattr(learners, name)([p], products=products).update([g])
        ends.append(p)
    assert (ends[0].any(axis=1) == ends[1].any(axis=1)).all()
    np.testing.assert_allclose(*ends, atol=0.05 * np.abs(ends[0]).max())
