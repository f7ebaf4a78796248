"""The oracle: evaluated by hand for one rule, and over other array namespaces."""

from contextlib import nullcontext

import numpy as np
import pytest
from support.rules import clipped_adamw_ema, largest_gradients

import learnerdsl as ld
from learnerdsl.interpret import initial_states, interpret
from learnerdsl.interpret.evaluation import Evaluation
from learnerdsl.learners import adafactor, adam, lamb, rmsprop
from learnerdsl.transforms import clip_by_global_norm

CLOCK = {"step": 1, "samples": 0, "minibatch_size": 2, "seed": 0}
RULES = [adam, lamb, rmsprop, clipped_adamw_ema, largest_gradients]


def defaults(rule):
    traced = rule.trace()
    return dict(zip((h.name for h in traced.hyperparameters), traced.defaults, strict=True))


def test_one_step_of_rmsprop_by_hand():
    rule, p, g = rmsprop.trace(), np.array([1.0, 2.0]), np.array([3.0, -4.0])
    hypers = [{"lr": 0.1, "alpha": 0.75, "eps": 0.5, "weight_decay": 0.0}]
    states = initial_states(rule, [p], hypers)
    (updated,), states = interpret(rule, [p], [g], states, hypers, CLOCK)
    np.testing.assert_allclose(states["v"][0], [2.25, 4.0])
    np.testing.assert_allclose(updated, [1 - 0.3 / 2.0, 2 + 0.4 / 2.5])
    np.testing.assert_array_equal(p, [1.0, 2.0])


def test_a_learner_of_the_oracle_needs_no_program(monkeypatch):
    monkeypatch.delattr("learnerdsl.runtime.backends.compile_rule")
    p = np.ones(3)
    rmsprop([p], lr=0.1, backend="numpy").update([np.ones(3)])
    assert np.all(p < 1)


NAMESPACES = [
    pytest.param("jax.numpy", "asarray", id="jax"),
    pytest.param("torch", "as_tensor", id="torch"),
]


def two_steps(rule, params, gradients, hypers, xp, convert):
    own, gradients = ([convert(a) for a in arrays] for arrays in (params, gradients))
    states = initial_states(rule, own, hypers, xp)
    for step in (1, 2):
        clock = {**CLOCK, "step": step}
        own, states = interpret(rule, own, gradients, states, hypers, clock, xp)
    return [np.asarray(a) for a in own]


@pytest.mark.parametrize(("name", "maker"), NAMESPACES)
@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_other_namespaces_give_what_numpy_gives(rule, name, maker):
    xp = pytest.importorskip(name)
    make = getattr(xp, maker)
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(s).astype(np.float32) for s in ((5, 3), (7,))]
    gradients = [rng.standard_normal(p.shape).astype(np.float32) for p in params]
    hypers = [defaults(rule)] * 2
    ends = []
    for space, convert in ((np, np.asarray), (xp, make)):
        # Reductions ask for float64, which JAX has only where it is told so.
        with pytest.importorskip("jax").enable_x64(True) if "jax" in name else nullcontext():
            ends.append(two_steps(rule.trace(), params, gradients, hypers, space, convert))
    for a, b in zip(*ends, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_reduction_over_the_model_is_computed_once_in_an_update(monkeypatch):
    reduced, reduce_tensor = [], Evaluation.reduce_tensor

    def counted(self, expr, k):
        if expr.over == "model":
            reduced.append(k)
        return reduce_tensor(self, expr, k)

    monkeypatch.setattr(Evaluation, "reduce_tensor", counted)
    rule, params = (
        ld.chain(clip_by_global_norm, adafactor),
        [np.ones(s) for s in ((4, 3), (5,)) * 3],
    )
    rules = [rule.trace(shape=p.shape) for p in params]
    assert len(set(rules)) == 2
    hypers = [defaults(rule)] * len(params)
    states = initial_states(rules, params, hypers)
    interpret(rules, params, params, states, hypers, CLOCK)
    assert reduced == [*range(len(params))]
