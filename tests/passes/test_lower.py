"""Lowering: one block for each statement, and what rounding a rule asks for."""

import numpy as np

import learnerdsl as ld
from learnerdsl.learners import adam, lamb


def test_lowering_gives_one_block_for_each_statement():
    blocks = lamb.stages()["lower"].blocks
    assert [len(b.computes) + len(b.reduces) for b in blocks] == [1] * len(blocks)


def test_float_exponents_become_roots_and_powers():
    @ld.rule
    def floats(p, g, lr=0.1):
        return ld.assign(p, p - lr * g**2.0 * (1 + g**2) ** 0.5)

    assert "g_i**2" in floats.loops()
    assert "sqrt(" in floats.loops()
    assert "** float32" not in floats.loops()


def test_rounded_let_is_rounded_to_the_parameters_type():
    @ld.rule
    def rounded(p, g, beta=0.9999986):
        one_minus = ld.let("one_minus", 1 - ld.let("b", beta, dtype="parameter"), dtype="parameter")
        return ld.assign(p, 0 * p + one_minus + 0 * g)

    for dtype in (np.float32, np.float64):
        weights = np.zeros(2, dtype)
        rounded([weights]).update([np.zeros(2, dtype)])
        assert weights[0] == dtype(1) - dtype(0.9999986)


def test_changed_assignments_make_a_learner():
    traced = adam.trace()
    eps = traced.hyperparameters[3]
    changed = traced.with_assignments([(t, e.subs(eps, 0.25)) for t, e in traced.assignments])
    weights = np.ones(1)
    ld.Learner(changed, [weights], hyperparameters={"lr": 1.0}).update([np.ones(1)])
    np.testing.assert_allclose(weights, 1 - 1 / 1.25)


def test_whether_an_exponential_of_a_floor_is_finite_is_compiled():
    """Its size, evaluated by SymPy, has the real part of a floor, for which there is no text."""

    @ld.rule
    def held(p, g, lr=0.1):
        s = ld.state("s", shape="tensor")
        s_new = ld.assign(s, s + 1)
        return ld.combine([ld.assign(p, ld.where(ld.isfinite(ld.exp(g // s)), p - lr, p)), s_new])

    weights = np.zeros(2)
    held([weights], backend="cpu").update([np.array([1e9, -1e9])])
    np.testing.assert_array_equal(weights, [0.0, -0.1])  # exp(inf), exp(-inf)
