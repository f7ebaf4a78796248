"""Hyperparameters that are the number 0 take their terms with them."""

import jax
import jax.numpy as jnp
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners
from learnerdsl.tracing import without


def line(rule, *names):
    """The new parameter, as an expression."""
    traced = without(rule.trace(shape=(3,)), names)
    return next(e for t, e in reversed(traced.assignments) if t == traced.parameter)


@ld.rule
def terms(p, g, lr=1.0, a=0.0, b=0.0):
    return ld.assign(p, p - lr * (g + a * p) - ld.where(b > 0, b, 1) * a)


@ld.rule
def divides(p, g, lr=1.0, a=0.0):
    return ld.assign(p, p - lr * g / a)


@ld.rule
def powers(p, g, lr=1.0, a=0.0, b=0.0):
    return ld.assign(p, p - lr * g**a + (a + 1) ** ld.step * b**2)


def test_terms_and_choices_vanish():
    found = {str(s) for s in line(terms, "a", "b").free_symbols}
    assert found == {"p", "g", "lr"}


def test_a_number_to_the_power_zero_is_one():
    found = {str(s) for s in line(powers, "a", "b").free_symbols}
    assert found == {"p", "lr"}


def test_a_divisor_stays():
    assert "a" in {str(s) for s in line(divides, "a").free_symbols}


def test_what_is_not_a_hyperparameter_changes_nothing():
    traced = learners.adam.trace()
    assert without(traced, ["nothing"]) == traced


def reads(tx):
    """Whether an update uses the values of the parameters."""
    params = {"w": jnp.ones(3)}
    state = tx.init(params)
    jaxpr = jax.make_jaxpr(lambda p, s, g: tx.update(g, s, p))(params, state, params).jaxpr
    used = {v for equation in jaxpr.eqns for v in equation.invars if not hasattr(v, "val")}
    return jaxpr.invars[0] in used


@pytest.mark.parametrize("name", ["sgd", "adam", "lion", "adabelief", "momentum_sgd"])
def test_an_update_without_decay_does_not_read_parameters(name):
    make = ldj.factory(getattr(learners, name))
    known = [h.name for h in getattr(learners, name).trace().hyperparameters]
    decay = {"weight_decay": 0.0} if "weight_decay" in known else {}
    assert not reads(make(lr=0.1, **decay))
    assert "weight_decay" not in known or reads(make(lr=0.1, weight_decay=0.1))


def test_a_zero_in_one_group_alone_stays():
    tx = ldj.adam(lr=0.1, weight_decay=0.1, groups={"a": {"weight_decay": 0.0}}, labels={"w": "a"})
    assert reads(tx)
