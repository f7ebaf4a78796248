"""States go from learners to transformations and back: training continues as it would have."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners

SHAPES = {"a": {"kernel": (4, 3), "bias": (3,)}, "b": (2, 4)}
IS_SHAPE = {"is_leaf": lambda node: isinstance(node, tuple)}
STEPS = 5
# A rule of each structure: elements, scalars of a tensor, axes, matrices, rings, model states,
# counters, copies of the parameters, the number of samples.
RULES = {
    "sgd": {},
    "adamw": {"lr": 0.03},
    "nadam": {"lr": 0.03},
    "novograd": {"lr": 0.03},
    "sm3": {"lr": 0.1},
    "adafactor": {"lr": 0.03},
    "soap": {"lr": 0.03},
    "shampoo": {"lr": 0.03},
    "muon_with_adamw": {},
    "adashift": {"lr": 0.03},
    "prodigy": {"d0": 0.01},
    "momo_adam": {},
    "schedule_free_adamw": {"lr": 0.03},
    "apollo": {"lr": 0.03},
    "noisy_sgd": {"lr": 0.03},
}


def dtype_of(array):
    return array.dtype


def trees(seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(rng.standard_normal, SHAPES, **IS_SHAPE)


def extras(rule, step):
    names = [symbol.name for symbol in rule.trace(shape=(4, 3)).extras]
    return dict.fromkeys(names, 1.0 / step)


def flat(tree):
    names = ("a.bias", "a.kernel", "b")
    return dict(zip(names, jax.tree.leaves(tree), strict=True))


def train_learner(rule, learner, first, last):
    for step in range(first, last + 1):
        learner.update(flat(trees(step)), **extras(rule, step))


def train(rule, tx, params, state, first, last):
    @jax.jit
    def update(gradients, state, params, extras):
        updates, state = tx.update(gradients, state, params, **extras)
        return optax.apply_updates(params, updates), state

    for step in range(first, last + 1):
        gradients = jax.tree.map(jnp.asarray, trees(step))
        params, state = update(gradients, state, params, extras(rule, step))
    return params, state


def check(found, expected, start):
    for name, theirs in flat(expected).items():
        moved = np.abs(theirs - flat(start)[name]).max()
        assert moved > 0
        np.testing.assert_allclose(flat(found)[name], theirs, rtol=0, atol=1e-9 * moved)


def as_learner(rule, tree, **hyper):
    arrays = {name: np.array(leaf) for name, leaf in flat(tree).items()}
    return rule(arrays, **hyper), arrays


def as_tree(arrays):
    return jax.tree.unflatten(jax.tree.structure(SHAPES, **IS_SHAPE), list(arrays.values()))


QUICK = ("adamw", "adafactor", "momo_adam")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in RULES]
)
def test_training_goes_on_in_jax_and_back(name):
    rule, hyper = getattr(learners, name), RULES[name]
    whole, expected = as_learner(rule, trees(0), **hyper)
    train_learner(rule, whole, 1, 3 * STEPS)
    first, arrays = as_learner(rule, trees(0), **hyper)
    train_learner(rule, first, 1, STEPS)
    with jax.enable_x64(True):
        tx = getattr(ldj, name)(**hyper)
        params = jax.tree.map(jnp.asarray, as_tree(arrays))
        state = ldj.from_learner(first, tx, params)
        assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, tx.init(params))
        assert jax.tree.map(dtype_of, state) == jax.tree.map(dtype_of, tx.init(params))
        params, state = train(rule, tx, params, state, STEPS + 1, 2 * STEPS)
    last, ends = as_learner(rule, params, **hyper)
    ldj.to_learner(state, last)
    assert last.step_count == 2 * STEPS
    train_learner(rule, last, 2 * STEPS + 1, 3 * STEPS)
    check(as_tree(ends), as_tree(expected), trees(0))


def test_state_dicts_lists_and_narrow_states_are_taken():
    arrays = [np.ones((2, 3), np.float32), np.ones(3, np.float32)]
    learner = learners.adam(arrays, states={"m": "int8", "v": "uint8"}, lr=0.1)
    learner.update([np.full((2, 3), 0.5, np.float32), np.full(3, 0.25, np.float32)])
    tx, params = ldj.adam(lr=0.1), {"a": jnp.ones((2, 3)), "b": jnp.ones(3)}
    state = ldj.from_learner(learner, tx, params)
    np.testing.assert_allclose(state.states["m"]["b"], 0.025, rtol=1e-6)
    again = ldj.from_learner(learner.state_dict(dtype="float32"), tx, params)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, state, again))
    with pytest.raises(ld.CheckpointError, match=r'8-bit states; make it by state_dict\(dtype="fl'):
        ldj.from_learner(learner.state_dict(), tx, params)
    other = learners.adam([np.ones((2, 3), np.float32), np.ones(3, np.float32)])
    ldj.to_learner(state, other)
    np.testing.assert_allclose(other.state[1]["m"], 0.025, rtol=1e-6)
    narrow = learners.adam(arrays, states={"m": "int8", "v": "uint8"}, lr=0.1)
    ldj.to_learner(state, narrow)
    np.testing.assert_allclose(narrow.state[1]["m"], 0.025, rtol=1e-6)


def test_frozen_parameters_have_no_states_on_either_side():
    arrays = {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)}
    learner = learners.adam(arrays, lr=0.1, groups=[{"params": ["a"], "frozen": True}])
    learner.update({"b": np.ones(2, np.float32)})
    params = {name: jnp.asarray(array) for name, array in arrays.items()}
    tx = ldj.adam(lr=0.1, groups={"frozen": None}, labels={"a": "frozen", "b": "trained"})
    state = ldj.from_learner(learner, tx, params)
    assert isinstance(state.states["m"]["a"], optax.MaskedNode)
    np.testing.assert_allclose(state.states["m"]["b"], 0.1, rtol=1e-6)
    updates, state = tx.update(params, state, params)
    assert not jnp.any(updates["a"])
    ldj.to_learner(state, learner)
    assert learner.step_count == 2
    np.testing.assert_allclose(learner.state["b"]["m"], state.states["m"]["b"])
    with pytest.raises(ld.CheckpointError, match="has the parameters 'b', the tree 'a', 'b'; give"):
        ldj.from_learner(learner, ldj.adam(), params)


def test_samples_are_counted_on():
    @ld.rule
    def slower(p, g, lr=0.5):
        seen = ld.samples + ld.minibatch_size
        return ld.assign(p, p - lr * g / seen)

    learner = slower({"w": np.ones(2, np.float32)})
    learner.update({"w": np.ones(2, np.float32)}, minibatch_size=8)
    tx, params = slower.optax(), {"w": jnp.ones(2)}
    state = ldj.from_learner(learner, tx, params)
    updates, state = tx.update(params, state, params, minibatch_size=2)
    np.testing.assert_allclose(updates["w"], -0.05, rtol=1e-6)
    ldj.to_learner(state, learner)
    assert learner.samples == 10


def test_what_does_not_fit_is_refused():
    learner = learners.adam({"w": np.ones(2, np.float32)})
    tx, params = ldj.adam(), {"w": jnp.ones(2)}
    with pytest.raises(ld.RuleError, match="of a chain or a wrapper of optax convert the part"):
        ldj.from_learner(learner, optax.chain(tx), params)
    with pytest.raises(
        ld.CheckpointError, match=r"takes a LearnerState, got .* give the part that"
    ):
        ldj.to_learner(optax.adam(0.1).init(params), learner)
    with pytest.raises(ld.CheckpointError, match="The learner updates by adam, the transforma"):
        ldj.from_learner(learner, ldj.lion(), params)
    with pytest.raises(
        ld.CheckpointError, match=r"has the parameters 'w', the tree 'b', 'w'; give"
    ):
        ldj.from_learner(learner, tx, {**params, "b": jnp.ones(2)})
    with pytest.raises(ld.CheckpointError, match=r"State 'm' of 'w' has shape \(2,\), here \(3,\)"):
        ldj.from_learner(learner, tx, {"w": jnp.ones(3)})
    with pytest.raises(
        ld.CheckpointError, match="has the parameters 'b', the other side 'w'; give"
    ):
        ldj.to_learner(tx.init({"b": jnp.ones(2)}), learner)
    with pytest.raises(ld.CheckpointError, match=r"has shape \(3,\), in the learner \(2,\)"):
        ldj.to_learner(tx.init({"w": jnp.ones(3)}), learner)
    with pytest.raises(ld.CheckpointError, match="other states of 'w'"):
        ldj.to_learner(ldj.lion().init(params), learner)
    two = learners.adam({"w": np.ones(2, np.float32), "b": np.ones(2, np.float32)})
    two.update({"w": np.ones(2, np.float32), "b": None})
    with pytest.raises(ld.CheckpointError, match="Updates of the learner have left out some"):
        ldj.from_learner(two, tx, {**params, "b": jnp.ones(2)})
