"""What the relatives of Muon do to rows and columns, and what they refuse."""

import numpy as np
import pytest
from support.problems import takes_vectors
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.expr import MatMul

TALL = np.random.default_rng(5).standard_normal((8, 3)) * np.geomspace(1, 1e-2, 8)[:, None]
OF_MATRICES_ALONE = [name for name in learners.__all__ if not takes_vectors(name)]


def steps_of(name, gradients, start=None, **arguments):
    """What each update changes, without decay."""
    p = np.zeros_like(gradients[0]) if start is None else start.copy()
    learner = getattr(learners, name)([p], backend="numpy", weight_decay=0.0, **arguments)
    found = []
    for g in gradients:
        before = p.copy()
        assert learner.update([g])
        found.append(p - before)
    return found


def lengths(matrix, axis=1):
    return np.linalg.norm(matrix, axis=axis)


@pytest.mark.parametrize("name", OF_MATRICES_ALONE)
def test_vectors_are_refused_and_a_rule_for_them_is_named(name):
    with pytest.raises(ld.RuleError, match=rf"{name} is for matrices, not for ndim 1; .*adamw"):
        getattr(learners, name)([np.ones(3)])


@pytest.mark.parametrize("name", [n for n in OF_MATRICES_ALONE if n != "dion"])  # random starts
def test_stacks_are_updated_matrix_by_matrix(name):
    gradients = np.random.default_rng(1).standard_normal((4, 2, 5, 3))
    start = np.random.default_rng(2).standard_normal((2, 5, 3))
    together = steps_of(name, list(gradients), start)
    for k in range(2):
        for found, own in zip(
            together, steps_of(name, list(gradients[:, k]), start[k]), strict=True
        ):
            np.testing.assert_allclose(found[k], own, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", ["muon_squared", "namo", "normuon"])
def test_unknown_lengths_of_steps_are_refused(name):
    with pytest.raises(ld.RuleError, match="'spectral' is not known; write 'original' or"):
        getattr(learners, name)([np.ones((2, 2))], adjust_lr_fn="spectral")


def test_rows_of_normuon_become_alike_and_steps_as_long_as_those_of_muon():
    step = steps_of("normuon", [TALL], adjust_lr_fn="original", eps=1e-12)[0]
    np.testing.assert_allclose(lengths(step), lengths(step)[0], rtol=1e-6)
    of_muon = steps_of("muon", [TALL])[0]
    assert np.ptp(np.log(lengths(of_muon))) > 1
    np.testing.assert_allclose(np.linalg.norm(step), np.linalg.norm(of_muon), rtol=1e-6)
    (step,) = steps_of("normuon", [TALL], lr=0.1)
    np.testing.assert_allclose(np.sqrt(np.mean(step**2)), 0.02, rtol=1e-6)


@pytest.mark.parametrize("side", ["tall", "wide"])
def test_steps_of_aurora_have_long_sides_alike_and_are_orthogonal(side):
    g = TALL if side == "tall" else TALL.T.copy()
    step = steps_of("aurora", [g], lr=1.0, passes=12)[0]
    step = step / np.sqrt(8 / 3) if side == "tall" else step.T
    np.testing.assert_allclose(step.T @ step, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(lengths(step), np.sqrt(3 / 8), rtol=0.02)
    one = steps_of("aurora", [g], lr=1.0, passes=1)[0]
    one = one if side == "tall" else one.T
    assert np.ptp(np.log(lengths(one))) > np.ptp(np.log(lengths(step)))


def test_steps_of_square_matrices_are_those_of_muon_in_aurora():
    square, iterations = TALL[:3], {"ns_steps": 12, "ns_coefficients": (2.0, -1.5, 0.5)}
    found = steps_of("aurora", [square], lr=0.1)[0]
    np.testing.assert_allclose(found, steps_of("muon", [square], lr=0.1, **iterations)[0])


@pytest.mark.parametrize(
    ("mode", "axis"), [("row", 1), ("col", 0), ("col_row", 1), ("row_col", 0)], ids=str
)
def test_muon_plus_ends_with_the_lengths_that_its_mode_names(mode, axis):
    step = steps_of("muon_plus", [TALL], lr=1.0, norm_mode=mode, eps=0.0)[0]
    np.testing.assert_allclose(lengths(step, axis), np.sqrt(8 / 3), rtol=1e-9)


def test_muon_plus_refuses_other_modes():
    with pytest.raises(ld.RuleError, match="'both' is not known; write one of: row, col, row_col"):
        learners.muon_plus([np.ones((2, 2))], norm_mode="both")


def test_muon_squared_sees_no_scale_of_elements():
    scales = np.random.default_rng(3).uniform(0.1, 10.0, (5, 3))
    gradients = list(np.random.default_rng(4).standard_normal((3, 5, 3)))
    plain = steps_of("muon_squared", gradients)
    scaled = steps_of("muon_squared", [g * scales for g in gradients])
    np.testing.assert_allclose(plain, scaled, rtol=1e-6, atol=1e-12)


def test_steps_of_namo_become_short_where_gradients_are_noise():
    noise = list(np.random.default_rng(6).standard_normal((60, 4, 4)))
    of_noise, of_signal = steps_of("namo", noise), steps_of("namo", [noise[0]] * 60)
    assert np.linalg.norm(of_noise[-1]) < 0.5 * np.linalg.norm(of_signal[-1])
    of_muon = steps_of("muon", noise)[-1]
    assert np.linalg.norm(of_muon) > 0.8 * np.linalg.norm(steps_of("muon", [noise[0]])[0])


def test_steps_of_polargrad_are_as_long_as_the_nuclear_norm():
    step = steps_of("polargrad", [TALL], lr=1.0, momentum=0.0, ns_steps=20)[0]
    left, values, right = np.linalg.svd(TALL, full_matrices=False)
    np.testing.assert_allclose(step, -values.sum() * left @ right, rtol=1e-6, atol=1e-9)


def test_mano_turns_columns_and_then_rows():
    start = np.random.default_rng(7).standard_normal((8, 3))
    first, second = steps_of("mano", [TALL, TALL], start, lr=0.5)
    np.testing.assert_allclose(np.sum(first * start, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(lengths(first, 0), 0.1 * np.sqrt(8), rtol=1e-9)
    np.testing.assert_allclose(np.sum(second * (start + first), axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(lengths(second), 0.1 * np.sqrt(3), rtol=1e-9)


def test_rmnp_moves_every_row_as_far():
    step = steps_of("rmnp", [TALL], lr=0.1)[0]
    np.testing.assert_allclose(lengths(step), 0.1 * np.sqrt(8 / 3), rtol=1e-9)


def test_muown_keeps_lengths_of_rows_that_gradients_only_turn():
    start = np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 0.0]])
    g = np.array([[0.0, 0.0, 1.0], [0.0, -0.5, 0.2]])
    (step,) = steps_of("muown", [g], start, lr=0.1)
    np.testing.assert_allclose(lengths(start + step), [5.0, 1.1], rtol=1e-6)
    assert step[0, 2] < 0


def test_rows_of_zeros_are_no_hindrance_to_muown():
    g = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]])
    start = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    steps = np.array(steps_of("muown", [g] * 5, start, lr=0.1))
    assert np.isfinite(steps).all()
    assert not steps[:, 0].any()
    assert np.abs(steps[0, 1]).max() < 1e-9
    assert (steps[1:, 1] @ g[1] < -1e-3).all()


def has_option(name, option):
    return option in getattr(learners, name)._option_names


WITH_ITERATIONS = [name for name in learners.__all__ if has_option(name, "ns_coefficients")]


@pytest.mark.parametrize("name", WITH_ITERATIONS)
@pytest.mark.parametrize("shape", [(4, 13), slow((13, 4))], ids=str)
def test_iterations_on_gram_matrices_move_as_others_do(name, shape):
    gradients = list(np.random.default_rng(9).standard_normal((3, *shape)))
    start = np.random.default_rng(10).standard_normal(shape)
    ends = []
    for ns_gram in (False, True):
        p = start.copy()
        rule = getattr(learners, name)
        learner = rule([p], backend="numpy", lr=0.1, ns_gram=ns_gram)
        for g in gradients:
            assert learner.update([g])
        ends.append(p)
    moved = np.abs(ends[0] - start).max()
    # Rounding in float64, which iterations of matrices with these singular values enlarge.
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=1e-9 * moved)
    assert moved > 0


@pytest.mark.parametrize("name", WITH_ITERATIONS)
def test_iterations_on_gram_matrices_multiply_long_ones_less_often(name):
    multiplied = {}
    for ns_gram in (False, True):
        rule = getattr(learners, name).trace(shape=(16, 48), ns_gram=ns_gram)
        products = {
            node
            for line in rule.lines
            for node in line.expression.atoms(MatMul)
            if any(str(a).startswith("x_") for a in node.free_symbols)
        }
        multiplied[ns_gram] = len(products)
    assert 0 < multiplied[True] < multiplied[False]
