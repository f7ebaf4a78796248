"""States go from optax's own optimizers to transformations and back."""

import importlib
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners
from learnerdsl.jax.optax_states import OPTAX

STEPS = 3
SHAPES = {"b": (4,), "w": (4, 4)}
# Ours, and the arguments of optax, where they are not lr and learning_rate alone.
LOUD = {"betas": (0.9, 0.999), "estim_lr0": 0.05}
ARGUMENTS = {
    "adabelief": ({}, {"eps": 1e-16, "eps_root": 1e-16}),
    "adadelta": ({"lr": 1.0}, {"learning_rate": 1.0}),
    "adafactor_optax": (
        {"use_momentum": True, "min_dim_size_to_factor": 2},
        {"momentum": 0.9, "min_dim_size_to_factor": 2},
    ),
    "adamaxw": ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "adamw": ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "ademamix": ({}, {"b3": 0.9999, "alpha": 5.0}),
    "cocob": ({"lr": None}, {"learning_rate": None}),
    "dadapt_adamw": ({"lr": 1.0, "d0": 0.05}, {"learning_rate": 1.0, **LOUD}),
    "dowg": ({"lr": 1.0}, {"learning_rate": 1.0}),
    "dog": (
        {"lr": 1.0, "reps_rel": 0.01},
        {"learning_rate": 1.0, "init_step": ("heuristic", 0.01)},
    ),
    "lars": ({"lr": 1.0}, {"learning_rate": 1.0}),
    "lion": ({}, {"weight_decay": 0.0}),
    "momentum_sgd": ({}, {"momentum": 0.9}),
    "momo": ({"lr": 0.5}, {"learning_rate": 0.5}),
    "nesterov": ({}, {"momentum": 0.9, "nesterov": True}),
    "polyak_sgd": ({"lr": 1.0}, {"max_learning_rate": 1.0, "learning_rate": None}),
    "prodigy": ({"lr": 1.0, "d0": 0.05}, {"learning_rate": 1.0, **LOUD}),
    "simplified_ademamix": ({"alpha": 0.5}, {"alpha": 0.5}),
    "yogi": ({"initial_accumulator": 1e-6}, {}),
}
UNCOUNTED = ("adadelta", "adagrad_optax", "cocob", "dog", "dowg", "fromage", "lars")
UNCOUNTED += ("momentum_sgd", "nesterov", "optimistic_gradient_descent", "polyak_sgd")
UNCOUNTED += ("rmsprop_optax", "sgd", "sign_sgd", "sm3")
LOSSES = ("momo", "momo_adam", "polyak_sgd")


def dtype_of(array):
    return array.dtype


def values(seed):
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(rng.standard_normal(shape)) for name, shape in SHAPES.items()}


def given(arguments):
    return {name: value for name, value in arguments.items() if value is not None}


def both(name):
    """Our transformation and optax's."""
    ours, theirs = ARGUMENTS.get(name, ({}, {}))
    module, _, function = OPTAX[name].name.rpartition(".")
    made = getattr(importlib.import_module(module), function)
    tx = getattr(ldj, name)(**given({"lr": 0.05, **ours}))
    return tx, made(**given({"learning_rate": 0.05, **theirs}))


def trainer(name, tx):
    """A function that trains from one step on; compiled once."""

    @jax.jit
    def update(gradients, state, params, loss):
        extras = {"value": loss} if name in LOSSES else {}
        updates, state = tx.update(gradients, state, params, **extras)
        return optax.apply_updates(params, updates), state

    def train(params, state, first):
        for step in range(first, first + STEPS):
            params, state = update(values(step), state, params, jnp.asarray(2.0 / step))
        return params, state

    return train


def check(found, expected):
    for name, theirs in expected.items():
        moved = np.abs(theirs - values(0)[name]).max()
        assert moved > 1e-5
        np.testing.assert_allclose(found[name], theirs, rtol=0, atol=1e-6 * moved)


QUICK = ("adam", "dog", "sm3")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in OPTAX]
)
def test_training_goes_on_here_and_there(name):
    with jax.enable_x64(True):
        tx, theirs = both(name)
        train_there, train_here = trainer(name, theirs), trainer(name, tx)
        middle, state = train_there(values(0), theirs.init(values(0)), 1)
        expected, their_state = train_there(middle, state, 1 + STEPS)
        own = ldj.from_optax_state(tx, state, middle)
        if name in UNCOUNTED:
            assert own.count == 0
            own = ldj.from_optax_state(tx, state, middle, count=STEPS)
        assert own.count == STEPS
        assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, tx.init(middle))
        params, own = train_here(middle, own, 1 + STEPS)
        check(params, expected)
        back = ldj.to_optax_state(tx, own, theirs.init(values(0)))
        assert jax.tree.map(jnp.shape, back) == jax.tree.map(jnp.shape, their_state)
        assert jax.tree.map(dtype_of, back) == jax.tree.map(dtype_of, their_state)
        last, _ = train_there(params, back, 1 + 2 * STEPS)
        end, _ = train_there(expected, their_state, 1 + 2 * STEPS)
        check(last, end)


def test_states_are_found_in_chains_and_wrappers():
    params = {"w": jnp.ones(2)}
    theirs = optax.inject_hyperparams(optax.adamw)(learning_rate=0.1)
    theirs = optax.MultiSteps(optax.chain(optax.clip(1.0), theirs), 1)
    _, state = theirs.update(params, theirs.init(params), params)
    tx = ldj.adamw(lr=0.1)
    own = ldj.from_optax_state(tx, state, params)
    assert own.count == 1
    np.testing.assert_allclose(own.states["m"]["w"], 0.1, rtol=1e-6)
    back = ldj.to_optax_state(tx, own, theirs.init(params))
    found = optax.tree.get(back, "mu")
    np.testing.assert_allclose(found["w"], 0.1, rtol=1e-6)


def test_what_does_not_fit_is_refused():
    params = {"w": jnp.ones(2)}
    with pytest.raises(ld.UnknownNameError, match="optax has no counterpart of pid; there is one"):
        ldj.from_optax_state(ldj.pid(), (), params)
    with pytest.raises(ld.CheckpointError, match=r"lacks ScaleByAdamState.mu, which optax.adam\("):
        ldj.from_optax_state(ldj.adam(), optax.lion(0.1).init(params), params)
    with pytest.raises(ld.CheckpointError, match=r"which optax.sgd\(momentum=0.9\) has for 'b' of"):
        ldj.to_optax_state(
            ldj.momentum_sgd(), ldj.momentum_sgd().init(params), optax.sgd(0.1).init(params)
        )
    state = optax.adam(0.1).init({"b": jnp.ones(2)})
    with pytest.raises(ld.CheckpointError, match="state of optax has no 'm' for 'w'; it has b"):
        ldj.from_optax_state(ldj.adam(), state, params)
    state = optax.adam(0.1).init({"w": jnp.ones(3)})
    with pytest.raises(ld.CheckpointError, match=r"State 'm' of 'w' has shape \(3,\), here \(2,\)"):
        ldj.from_optax_state(ldj.adam(), state, params)


def test_each_counterpart_is_a_builtin_with_these_states():
    for name, own in OPTAX.items():
        rule = getattr(learners, name)
        known = {
            spec.symbol.name for shape in ((4,), (4, 4)) for spec in rule.trace(shape=shape).states
        }
        assert known <= {*own.states, *OPTAX["sm3"].states}


def test_the_page_has_the_table():
    page = (Path(__file__).parents[2] / "docs" / "jax.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)(?:\((.*)\))?` \| (.*) \|$", page, re.MULTILINE)
    found = {rule: (called, arguments) for rule, called, arguments, _ in rows}
    assert found == {rule: (own.name, own.arguments) for rule, own in OPTAX.items()}
    for rule, _, _, states in rows:
        fields = [place.split(".")[1] for p in OPTAX[rule].states.values() for place in p.split()]
        assert set(re.findall(r"→ (\w+)", states)) == set(fields)
