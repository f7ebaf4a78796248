"""States go from optimizers of PyTorch to transformations and back."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

torch = pytest.importorskip("torch")

import learnerdsl as ld  # noqa: E402
import learnerdsl.jax as ldj  # noqa: E402
import learnerdsl.torch as ldt  # noqa: E402

STEPS = 3
SHAPES = {"b": (4,), "w": (4, 3)}
# Ours, the class, its arguments, and those that the rule calls otherwise.
CASES = [
    ("adamw", "AdamW", {"lr": 0.05, "weight_decay": 0.1}),
    ("nadam", "NAdam", {"lr": 0.05}),
    ("momentum_sgd", "SGD", {"lr": 0.05, "momentum": 0.8}),
    ("adafactor", "Adafactor", {"lr": 0.05}),
    ("prodigy", "Prodigy", {"d0": 0.01}),
]


def values(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def optimizer_of(module, name, arrays, arguments):
    tensors = {n: torch.nn.Parameter(torch.tensor(np.array(a))) for n, a in arrays.items()}
    return getattr(module, name)(list(tensors.items()), **arguments), tensors


def train(optimizer, tensors, first):
    for step in range(first, first + STEPS):
        for name, gradient in values(step).items():
            tensors[name].grad = torch.tensor(gradient)
        optimizer.step()


@pytest.mark.parametrize(
    ("module", "rule", "name", "arguments"),
    [(m, *case) for m in (ldt, torch.optim) for case in CASES if hasattr(m, case[1])],
)
def test_training_goes_on_in_jax_and_back(module, rule, name, arguments):
    whole, expected = optimizer_of(module, name, values(0), arguments)
    train(whole, expected, 1)
    first = {n: t.detach().numpy().copy() for n, t in expected.items()}
    with jax.enable_x64(True):
        tx = getattr(ldj, rule)(**arguments)
        params = {n: jnp.asarray(a) for n, a in first.items()}
        state = ldj.from_torch(whole, tx, params)
        update = jax.jit(tx.update)
        for step in range(1 + STEPS, 1 + 2 * STEPS):
            gradients = {n: jnp.asarray(g) for n, g in values(step).items()}
            updates, state = update(gradients, state, params)
            params = optax.apply_updates(params, updates)
        train(whole, expected, 1 + STEPS)
        train(whole, expected, 1 + 2 * STEPS)
        last, found = optimizer_of(ldt, name, params, arguments)
        ldj.to_torch(state, last)
    train(last, found, 1 + 2 * STEPS)
    for n, theirs in expected.items():
        moved = np.abs(theirs.detach().numpy() - first[n]).max()
        assert (found[n] - theirs).abs().max() <= 1e-6 * moved


def test_what_does_not_fit_is_refused():
    optimizer, tensors = optimizer_of(ldt, "Adam", values(0), {})
    params = {n: jnp.asarray(a, jnp.float32) for n, a in values(0).items()}
    with pytest.raises(ld.CheckpointError, match="takes an optimizer or its state_dict"):
        ldj.from_torch({"model": 1}, ldj.adam(), params)
    train(optimizer, tensors, 1)
    transposed = {**params, "w": params["w"].T}
    with pytest.raises(
        ld.CheckpointError, match=r"has shape \(4, 3\), here \(3, 4\).*transpose of"
    ):
        ldj.from_torch(optimizer, ldj.adam(), transposed)
    with pytest.raises(ld.CheckpointError, match="has the states exp_avg, exp_avg_sq, which the r"):
        ldj.from_torch(optimizer, ldj.lion(), params)
    unnamed = optimizer.state_dict()
    del unnamed["param_groups"][0]["param_names"]
    with pytest.raises(
        ld.CheckpointError, match="given no names, so its parameters are matched in"
    ):
        ldj.from_torch(unnamed, ldj.adam(), {"a": params["w"], "b": params["b"]})
    theirs, _ = optimizer_of(torch.optim, "Adam", values(0), {})
    with pytest.raises(ld.CheckpointError, match=r"takes an optimizer of learnerdsl.torch, got"):
        ldj.to_torch(ldj.adam().init(params), theirs)
    tensors["w"].grad = None
    optimizer.step()
    with pytest.raises(ld.CheckpointError, match=r"have seen \[3, 4\] updates; a transformation"):
        ldj.from_torch(optimizer, ldj.adam(), params)


def test_before_the_first_update_all_begins():
    optimizer, _ = optimizer_of(torch.optim, "Adam", values(0), {})
    params = {n: jnp.asarray(a, jnp.float32) for n, a in values(0).items()}
    state = ldj.from_torch(optimizer, ldj.adam(), params)
    assert state.count == 0
    assert not jnp.any(state.states["m"]["w"])
