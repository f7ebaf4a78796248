"""Updates are expressions of their own: new parameter minus old one loses digits."""

import jax.numpy as jnp
import numpy as np
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners

SHAPE = (64, 64)


@pytest.mark.slow
def test_most_builtins_have_an_expression_of_the_update():
    texts = {n: getattr(learners, n).source("jax", shape=SHAPE) for n in learners.__all__}
    subtracted = {n for n, text in texts.items() if "change = p_new - p\n" in text}
    assert subtracted == {
        *("accsgd", "cocob", "ftrl", "muown", "nero"),  # it is not the old one and a step
        *("dion2", "nordion2"),  # rows are put into others
        *("focus", "ranger"),  # averages of the old value decide
    }


@ld.rule
def scaled(p, g, lr=0.1, keep=1.0):
    return ld.assign(p, keep * (p - lr * g))


@ld.rule
def scaled_by_name(p, g, lr=0.1, keep=1.0):
    moved = ld.let("moved", p - lr * g)
    return ld.assign(p, keep * moved)


@ld.rule
def decayed_by_name(p, g, lr=0.1, weight_decay=0.5):
    decayed = ld.let("decayed", p * (1 - lr * weight_decay))
    return ld.assign(p, decayed - lr * g)


@ld.rule
def now_and_then(p, g, lr=0.1):
    return ld.assign(p, ld.where(ld.step > 1, p - lr * g, p))


@ld.rule
def averaged(p, g, lr=0.1):
    average = ld.state("average", init=p)
    p_new = ld.assign(p, p - lr * g)
    return ld.assign(average, average / 2 + p_new / 2)


@ld.rule
def replaced(p, g, lr=0.1):
    return ld.assign(p, lr * g)


CHANGES = {
    "scaled": (scaled, "change = keep * (-lr * g) + factor * p"),
    "scaled_by_name": (scaled_by_name, "change = keep * (-lr * g) + factor * p"),
    "decayed_by_name": (decayed_by_name, "change = minus_lr_weight_decay * p - lr * g"),
    "now_and_then": (now_and_then, "change = where(step > 1, -lr * g, 0)"),
    "averaged": (averaged, "change = -lr * g"),
    "replaced": (replaced, "change = p_new - p"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_update_is_written_without_the_old_value(name):
    rule, line = CHANGES[name]
    text = rule.source("jax")
    assert line in text


def test_a_parameter_that_a_state_follows_adds_the_update():
    assert "p_new = p + change" in averaged.source("jax")


@pytest.mark.parametrize("rule", [learners.sgd, scaled, averaged], ids=lambda r: r.name)
def test_small_updates_of_large_parameters_keep_their_digits(rule):
    params, gradients = jnp.full(4, 1e4), jnp.array([1e-4, 3e-4, -7e-4, 1e-5])
    tx = ldj.factory(rule)(lr=0.3)
    updates, _ = tx.update(gradients, tx.init(params), params)
    np.testing.assert_allclose(updates, -0.3 * np.asarray(gradients, np.float64), rtol=2e-7)
    # 1e4 in float32 has a last digit of 1e-3: subtracted, these updates would be 0.
    assert np.float32(1e4) + np.float32(updates[0]) == np.float32(1e4)
