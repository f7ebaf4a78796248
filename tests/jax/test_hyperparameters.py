"""Hyperparameters: numbers, schedules, arrays, groups; and what is said about other things."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj

PARAMS = {"w": jnp.ones(3), "b": jnp.zeros(2)}
ONES = jax.tree.map(jnp.ones_like, PARAMS)
SCHEDULES = {
    # XLA may multiply by the inverse of 49, so that this end has a rounding.
    "linear": (ld.schedules.linear(0.3, 0.0, 49), None),
    "linear, by a power of 2": (ld.schedules.linear(0.3, 0.1, 32), 0.1),
    "cosine": (ld.schedules.cosine(0.3, 49), 0.0),
    "polynomial": (ld.schedules.polynomial(0.3, 0.01, 49, 2.0), 0.01),
    "exponential": (ld.schedules.exponential(0.3, 0.8, 7), None),
    "inverse_sqrt": (ld.schedules.inverse_sqrt(0.3, 20), None),
    "noam": (ld.schedules.noam(512, 20), None),
    "one_cycle_optax": (ld.schedules.one_cycle_optax(2.0, 50), None),
    "warmup_cosine": (ld.schedules.warmup_cosine(0.01, 0.3, 10, 49, final=0.03), 0.03),
    "join": (ld.schedules.join([ld.schedules.constant(0.7), ld.schedules.constant(0.1)], [9]), 0.1),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_its_values(name):
    schedule, last = SCHEDULES[name]
    counts = np.array([0, 1, 9, 24, 47, 48, 49, 50, 60])
    expected = np.asarray(schedule.values(61))[counts]
    with jax.enable_x64(True):
        found = np.array(jax.jit(jax.vmap(ldj.to_optax(schedule)))(jnp.asarray(counts)))
    # Near 0 a cosine and a ramp keep the last digits of their largest values.
    assert np.abs(found - expected).max() <= 2 * np.spacing(np.abs(expected).max())
    if last is not None:
        assert list(found[-3:]) == [last] * 3


def first_updates(lr, steps=5):
    tx = ldj.sgd(lr=lr)
    state, found, traces = tx.init(PARAMS), [], []

    @jax.jit
    def once(state):
        traces.append(1)
        return tx.update(ONES, state, PARAMS)

    for _ in range(steps):
        updates, state = once(state)
        found.append(-float(updates["b"][0]))
    assert len(traces) == 1
    return found


def test_each_kind_of_schedule_counts_as_it_says():
    expected = [1.0, 0.75, 0.5, 0.25, 0.0]
    assert first_updates(ld.schedules.linear(1.0, 0.0, steps=4)) == expected
    assert first_updates(ldj.from_optax(optax.linear_schedule(1.0, 0.0, 4))) == expected
    assert first_updates(1 - (ld.step - 1) / 4) == expected
    harmonic = pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert first_updates(ldj.from_step(lambda number: 1.0 / number)) == harmonic
    assert first_updates(1 / ld.step) == harmonic


def test_injected_hyperparameters_change_without_compiling_again():
    tx, traces = optax.inject_hyperparams(ldj.adamw)(lr=0.1, weight_decay=0.1), []

    @jax.jit
    def once(state):
        traces.append(1)
        return tx.update(ONES, state, PARAMS)

    state, found = tx.init(PARAMS), []
    for rate in (0.1, 0.2, 0.4):
        state.hyperparams["lr"] = jnp.float32(rate)
        updates, state = once(state)
        found.append(float(updates["b"][0]))
    assert len(traces) == 1
    assert found == pytest.approx([-0.1, -0.2, -0.4], rel=1e-5)


def test_groups_share_one_norm_and_have_their_own_hyperparameters():
    rule = ld.chain(ld.transforms.clip_by_global_norm, ld.learners.sgd, name="clipped_sgd")
    tx = rule.optax(
        max_norm=1.0, lr=1.0, groups={"bias": {"lr": 3.0}}, labels={"w": "rest", "b": "bias"}
    )
    updates, _ = tx.update(ONES, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["w"], -1 / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(updates["b"], -3 / np.sqrt(5), rtol=1e-6)


def test_groups_choose_options_too():
    """Each parameter moves as in a learner with the same groups, whose gradients have one norm."""
    rule = ld.chain(ld.transforms.clip_by_global_norm, ld.learners.muon, name="clipped_muon")
    few = {"nesterov": False, "ns_steps": 2}
    arrays = {name: np.eye(3) + k for k, name in enumerate("abc")}
    own = {name: array.copy() for name, array in arrays.items()}
    learner = rule(
        own,
        lr=0.1,
        groups=[{"params": "b", **few}, {"params": "c", "lr": 0.5}],
    )
    tx = rule.optax(
        lr=0.1, groups={"few": few, "fast": {"lr": 0.5}}, labels={"a": "", "b": "few", "c": "fast"}
    )
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, arrays)
        state = tx.init(params)
        for scale in (1.0, -2.0):
            grads = {
                name: scale * np.arange(9.0).reshape(3, 3) ** (k + 1)
                for k, name in enumerate(arrays)
            }
            learner.update(grads)
            updates, state = tx.update(jax.tree.map(jnp.asarray, grads), state, params)
            params = optax.apply_updates(params, updates)
    for name, array in own.items():
        # Products of matrices add in another order; the iteration makes that larger.
        np.testing.assert_allclose(params[name], array, rtol=1e-12, atol=1e-12)


def test_a_state_that_an_option_adds_belongs_to_its_group():
    tx = ldj.adafactor_optax(
        momentum=0.9, groups={"slow": {"use_momentum": True}}, labels={"w": "slow", "b": ""}
    )
    state = tx.init(PARAMS)
    assert isinstance(state.states["m"]["b"], optax.MaskedNode)
    once, state = tx.update(ONES, state, PARAMS)
    twice, _ = tx.update(jax.tree.map(jnp.zeros_like, ONES), state, PARAMS)
    assert once["w"].all()
    assert once["b"].all()
    assert twice["w"].all()
    assert not twice["b"].any()


def test_a_group_of_none_stays():
    tx = ldj.adam(lr=0.1, groups={"still": None}, labels={"w": "still", "b": "moves"})
    state = tx.init(PARAMS)
    updates, state = jax.jit(tx.update)(ONES, state, PARAMS)
    assert not updates["w"].any()
    assert updates["b"].all()
    assert isinstance(state.states["m"]["w"], optax.MaskedNode)


def updated(tx, **extras):
    return tx.update(ONES, tx.init(PARAMS), None, **extras)


ERRORS = {
    "a function": (lambda: ldj.sgd(lr=lambda k: 1.0), "counts from 0.*write learnerdsl.jax.from"),
    "a text": (lambda: ldj.sgd(lr="x"), "cannot be 'x'; give a number"),
    "an unknown name": (lambda: ldj.sgd(rate=1), "no argument 'rate'; its arguments are: lr"),
    "a state": (lambda: ldj.adam(states="int8"), "stored as 'int8'; write.* Only a learner has"),
    "an unknown state": (lambda: ldj.adam(states={"x": "float32"}), "no state 'x'; it has: m, v"),
    "sums": (lambda: ldj.adam(sums="double"), 'must be "float32" or "float64", got \'double\''),
    "groups alone": (lambda: ldj.adam(groups={"a": {}}), "needs both groups= and labels="),
    "groups of numbers": (lambda: ldj.adam(groups=[1], labels={}), "must be a dict such as"),
    "labels": (
        lambda: ldj.adam(groups={"a": {}}, labels={"x": "a"}).init(PARAMS),
        "labels of adam do not fit the tree",
    ),
    "no parameters": (lambda: updated(ldj.adamw()), r"call update\(updates, state, params\)"),
    "no loss": (lambda: updated(ldj.polyak_sgd()), "needs 'loss' in each update"),
    "a whole number": (lambda: ldj.sgd().init({"a": jnp.ones(2, int)}), "leave it out by optax"),
    "no array": (lambda: ldj.sgd().init({"a": 1}), "is a int, not an array; filter"),
    "no schedule": (lambda: ldj.to_optax(3), "to_optax takes a schedule of learnerdsl"),
    "from_optax": (lambda: ldj.from_optax(0.1), "numbers, schedules of learnerdsl"),
    "an option": (lambda: ldj.muon_optax(ns_steps=jnp.array(5)), "static_args='ns_steps'"),
    "an option of a group": (
        lambda: ldj.muon_optax(groups={"a": {"ns_steps": jnp.array(5)}}, labels="a"),
        "static_args='ns_steps'",
    ),
    "an option that is refused": (
        lambda: ldj.muon(groups={"a": {"adjust_lr_fn": "best"}}, labels="a"),
        "'best' is not known; write 'original'",
    ),
    "an argument of a group": (
        lambda: ldj.sgd(groups={"a": {"beta": 0.5}}, labels="a"),
        "sgd has no argument 'beta'; its arguments are: lr",
    ),
    "no rule": (lambda: ldj.transformation(3), "needs a rule, got 3; decorate"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_to_write_instead(name):
    call, message = ERRORS[name]
    with pytest.raises(ld.LearnerError, match=message):
        call()
