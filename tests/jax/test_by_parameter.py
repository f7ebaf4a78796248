"""Several rules in one transformation: beside the Learner, their arguments, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl.learners import adamw, muon, sgd
from learnerdsl.transforms import clip_by_global_norm

clipped_muon = ld.chain(clip_by_global_norm, muon, name="clipped_muon")
clipped_adamw = ld.chain(clip_by_global_norm, adamw, name="clipped_adamw")
by_axes = ld.by_parameter(lambda name, shape: clipped_muon if len(shape) == 2 else clipped_adamw)
ARGUMENTS = {
    "lr": 0.01,
    "clipped_muon": {"lr": 0.02, "ns_steps": 4},
    "weight_decay": 0.0,
    "max_norm": 0.5,
}


def tree(seed):
    rng = np.random.default_rng(seed)
    return {
        "layers": [
            {"w": rng.normal(size=(4, 6)), "b": rng.normal(size=6)},
            {"w": rng.normal(size=(6, 3)), "b": rng.normal(size=3)},
        ]
    }


def on_jax(arrays):
    return jax.tree.map(jnp.asarray, arrays)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def trained(tx, params, steps=3, first=1):
    state, update = tx.init(params), jax.jit(tx.update)
    for seed in range(first, first + steps):
        updates, state = update(on_jax(tree(seed)), state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def assert_close(found, expected, tolerance=1e-12):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance), found, expected
    )


@pytest.mark.parametrize("groups", [None, {"first": {"lr": 0.1, "clipped_muon": {"lr": 0.2}}}])
def test_a_model_of_several_rules_moves_as_by_a_learner(groups):
    """With one norm over both rules."""
    own = jax.tree.map(np.array, tree(0))
    of_learner, labels = None, None
    if groups:
        of_learner = [{"params": "layers.0.*", **groups["first"]}]
        labels = {"layers": ["first", "others"]}
    learner = by_axes(own, groups=of_learner, **ARGUMENTS)
    for seed in range(1, 4):
        learner.update(tree(seed))

    tx = by_axes.optax(groups=groups, labels=labels, **ARGUMENTS)
    found, state = trained(tx, on_jax(tree(0)))

    assert_close(found, own)
    assert int(state.count) == 3
    assert isinstance(state.states["v"]["layers"][0]["w"], optax.MaskedNode)
    assert_close(ldj.from_learner(learner, tx, found).states, state.states)


def test_schedules_and_frozen_parameters():
    arguments = {**ARGUMENTS, "lr": ld.schedules.linear(0.1, 0.01, 3)}
    labels = {"layers": ["still", "others"]}
    tx = by_axes.optax(groups={"still": None}, labels=labels, **arguments)
    learner_params = jax.tree.map(np.array, tree(0))
    frozen = [{"params": "layers.0.*", "frozen": True}]
    learner = by_axes(learner_params, groups=frozen, **arguments)
    for seed in range(1, 4):
        learner.update(tree(seed))

    found, _ = trained(tx, on_jax(tree(0)))

    assert_close(found, learner_params)


def test_names_are_paths_as_in_a_learner():
    seen = []

    def choose(name, shape):
        seen.append((name, shape))
        return sgd

    ld.by_parameter(choose).optax(lr=0.1).init(on_jax(tree(0)))

    assert set(seen) == {
        ("layers.0.b", (6,)),
        ("layers.0.w", (4, 6)),
        ("layers.1.b", (3,)),
        ("layers.1.w", (6, 3)),
    }


def test_one_trace_is_enough():
    tx, traces = by_axes.optax(**ARGUMENTS), []
    params = on_jax(tree(0))
    state = tx.init(params)

    @jax.jit
    def update(gradients, state, params):
        traces.append(1)
        return tx.update(gradients, state, params)

    for _ in range(3):
        _, state = update(params, state, params)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"rate": 0.1}, ld.UnknownNameError, "No rule has an argument 'rate'"),
        ({"clipped_muon": {"beta1": 0.1}}, ld.UnknownNameError, "clipped_muon has no argument"),
        ({"lr": "fast"}, ld.HyperparameterError, "'lr' of clipped_"),
        ({"states": {"x": "bfloat16"}}, ld.UnknownNameError, "by_parameter has no state 'x'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        by_axes.optax(**arguments).init(on_jax(tree(0)))


def test_rules_that_compute_different_sums_over_the_model_are_refused():
    mixed = ld.by_parameter(lambda name, shape: clipped_muon if len(shape) == 2 else adamw)
    with pytest.raises(ld.RuleError, match="cannot update parts of one model together"):
        mixed.optax(lr=0.1).init(on_jax(tree(0)))


def test_a_tree_without_parameters_is_refused():
    with pytest.raises(ld.RuleError, match="the tree has none"):
        by_axes.optax(lr=0.1).init({})


@pytest.mark.parametrize("name", ["from_optax_state", "to_optax_state"])
def test_states_of_several_rules_have_no_counterpart_in_optax(name):
    tx, params = by_axes.optax(**ARGUMENTS), on_jax(tree(0))
    theirs = optax.adam(0.1).init(params)
    given = (tx, theirs, params) if name == "from_optax_state" else (tx, tx.init(params), theirs)
    with pytest.raises(ld.RuleError, match="converts the states of one rule"):
        getattr(ldj, name)(*given)


def test_groups_cannot_differ_in_what_a_state_of_the_model_is_computed_from():
    """Else the state would silently be that of the first group."""
    tx = ldj.prodigy(groups={"bias": {"beta2": 0.5}}, labels={"w": "w", "b": "bias"})
    with pytest.raises(ld.HyperparameterError, match=r"'beta2' cannot differ between groups"):
        tx.init({"w": jnp.ones((2, 2)), "b": jnp.ones(2)})


def as_matrix(name, shape):
    del name
    return (shape[0], -1) if len(shape) == 4 else None


@pytest.mark.parametrize("name", ["muon", "adafactor", "schedule_free_sgd"])
def test_a_kernel_moves_as_the_matrix_that_it_is_seen_as(name):
    rng = np.random.default_rng(0)
    params = {"conv": jnp.asarray(rng.normal(size=(6, 3, 2, 2)))}
    gradients = {"conv": jnp.asarray(rng.normal(size=(6, 3, 2, 2)))}
    flat = jax.tree.map(lambda a: a.reshape(6, -1), (params, gradients))
    seen, plain = getattr(ldj, name)(lr=0.1, reshape=as_matrix), getattr(ldj, name)(lr=0.1)

    update, state = jax.jit(seen.update)(gradients, seen.init(params), params)
    expected, own = jax.jit(plain.update)(flat[1], plain.init(flat[0]), flat[0])

    assert update["conv"].shape == (6, 3, 2, 2)
    assert_close(update["conv"].reshape(6, -1), expected["conv"])
    assert_close(state.states, own.states)
    shown = seen.evaluation_parameters(state, params)["conv"]
    assert_close(shown.reshape(6, -1), plain.evaluation_parameters(own, flat[0])["conv"])


def test_reshape_goes_into_a_choice_of_rules():
    mixed = ld.by_parameter(lambda name, shape: muon if len(shape) == 2 else sgd)
    tx = mixed.optax(lr=0.1, reshape=as_matrix)
    state = tx.init({"conv": jnp.ones((6, 3, 2, 2)), "b": jnp.ones(6)})
    assert state.states["m"]["conv"].shape == (6, 12)


def test_parts_of_parameters_cannot_be_reshaped():
    with pytest.raises(ld.HyperparameterError, match="cannot be reshaped"):
        ldj.muon(reshape=as_matrix, axis_name="data")
