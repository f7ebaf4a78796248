"""Chains against the libraries that have the same transforms, in float64."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.coins import coins_of
from support.families.libraries import timm_module
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import transforms as our
from learnerdsl.learners import adam, sgd

Arrays = list[np.ndarray]
SHAPES = ((4, 5), (3,), (2, 2, 2))
STEPS = 12
LR = 0.05


def problem(gradient_size=1.0):
    rng = np.random.default_rng(7)
    params = [rng.standard_normal(s) for s in SHAPES]
    return params, [[gradient_size * rng.standard_normal(s) for s in SHAPES] for _ in range(STEPS)]


def run_optax(make: Callable[[Any], Any], params: Arrays, sequence, project=None) -> list[Arrays]:
    """The parameters after each update of an optax transformation, projected if there is a way."""
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    path = []
    with jax.enable_x64(True):
        values = [jax.numpy.asarray(p, dtype=jax.numpy.float64) for p in params]
        transformation = make(optax)
        state = transformation.init(values)
        for gradients in sequence:
            grads = [jax.numpy.asarray(g, dtype=jax.numpy.float64) for g in gradients]
            updates, state = transformation.update(grads, state, values)
            values = optax.apply_updates(values, updates)
            values = values if project is None else project(optax, values)
            path.append([np.array(v) for v in values])
    return path


def run_torch(
    make: Callable[[Any, Any], Any], params: Arrays, sequence, change=None, after=None
) -> list[Arrays]:
    """The same for torch; `change` works on the gradients, `after` on the parameters."""
    torch = pytest.importorskip("torch")
    tensors = [torch.nn.Parameter(torch.tensor(p)) for p in params]
    learner = make(torch, tensors)
    path = []
    for gradients in sequence:
        for tensor, g in zip(tensors, gradients, strict=True):
            tensor.grad = torch.tensor(g)
        if change is not None:
            change(torch, tensors)
        learner.step()
        if after is not None:
            after(torch, tensors)
        path.append([t.detach().numpy().copy() for t in tensors])
    return path


def assert_follows(chain, expected, params, sequence, tolerance=1e-12, **arguments):
    """Our chain goes the way of the library."""
    own = [p.copy() for p in params]
    learner = chain(own, lr=LR, **arguments)
    for k, (gradients, wanted) in enumerate(zip(sequence, expected, strict=True)):
        learner.update(gradients)
        for a, b in zip(own, wanted, strict=True):
            np.testing.assert_allclose(a, b, tolerance, tolerance, err_msg=f"update {k + 1}")


def first(transform, optax_name, *values):
    """A transform before sgd, and the same of optax."""
    return (
        ld.chain(transform, sgd),
        lambda optax: optax.chain(getattr(optax, optax_name)(*values), optax.sgd(LR)),
    )


OPTAX = {
    "clip_by_value": (*first(our.clip_by_value, "clip", 0.4), {"max_value": 0.4}),
    "clip_by_block_rms": (
        *first(our.clip_by_block_rms, "clip_by_block_rms", 0.9),
        {"threshold": 0.9},
    ),
    "clip_by_global_norm": (
        *first(our.clip_by_global_norm, "clip_by_global_norm", 5.5),
        {"max_norm": 5.5},
    ),
    "normalize_by_global_norm": (
        *first(our.normalize_by_global_norm, "normalize_by_update_norm", 2.0, 1e-3),
        {"norm_scale": 2.0, "norm_eps": 1e-3},
    ),
    "add_decayed_weights": (
        *first(our.add_decayed_weights, "add_decayed_weights", 0.1),
        {"coupled_decay": 0.1},
    ),
    "centralize": (*first(our.centralize, "centralize"), {}),
    "zero_nans": (*first(our.zero_nans, "zero_nans"), {}),
    "accumulate": (
        ld.chain(our.accumulate, adam),
        lambda optax: optax.MultiSteps(optax.adam(LR), 3, accumulator_dtype="float64"),
        {"k": 3},
    ),
    "apply_if_finite": (
        ld.chain(our.apply_if_finite, adam),
        lambda optax: optax.apply_if_finite(optax.adam(LR), 100),
        {},
    ),
    "decoupled_weight_decay": (
        ld.chain(adam, our.decoupled_weight_decay),
        lambda optax: optax.adamw(LR, weight_decay=0.3),
        {"decoupled_decay": 0.3},
    ),
    "trust_ratio": (
        ld.chain(adam, our.trust_ratio),
        lambda optax: optax.chain(
            optax.scale_by_adam(),
            optax.scale_by_trust_ratio(trust_coefficient=0.7, eps=0.01),
            optax.scale(-LR),
        ),
        {"trust_coefficient": 0.7, "trust_eps": 0.01},
    ),
    "scale_by_block_rms": (
        ld.chain(adam, our.scale_by_block_rms),
        lambda optax: optax.chain(
            optax.scale_by_adam(), optax.scale_by_param_block_rms(0.9), optax.scale(-LR)
        ),
        {"min_scale": 0.9},
    ),
    "mechanic": (
        ld.chain(adam, our.mechanic),
        lambda optax: optax.contrib.mechanize(
            optax.adam(LR), weight_decay=0.3, eps=1e-4, s_init=0.2, num_betas=4
        ),
        {"mechanic_decay": 0.3, "mechanic_eps": 1e-4, "mechanic_init": 0.2, "mechanic_betas": 4},
    ),
    "non_negative": (
        ld.chain(adam, our.non_negative),
        lambda optax: optax.chain(optax.adam(LR), optax.keep_params_nonnegative()),
        {},
    ),
}


@pytest.mark.parametrize("gradient_size", [1.0, slow(1e-6)])
@pytest.mark.parametrize("name", OPTAX)
def test_chain_follows_optax(name, gradient_size):
    chain, make, arguments = OPTAX[name]
    params, sequence = problem(gradient_size)
    if name == "non_negative":
        params = [np.abs(p) for p in params]
    if name in ("zero_nans", "apply_if_finite"):
        sequence[2][0][1, 3] = sequence[5][1][0] = np.nan
    assert_follows(chain, run_optax(make, params, sequence), params, sequence, **arguments)


PROJECTIONS = {
    "project_box": (
        {"low": -0.5, "high": 0.3},
        "projection_box",
        lambda n: ([-0.5] * n, [0.3] * n),
    ),
    "project_l2_ball": ({"radius": 4.0}, "projection_l2_ball", lambda n: (4.0,)),
}


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projection_follows_optax(name):
    arguments, theirs, values = PROJECTIONS[name]
    params, sequence = problem()
    expected = run_optax(
        lambda optax: optax.adam(LR),
        params,
        sequence,
        lambda optax, tree: getattr(optax.projections, theirs)(tree, *values(len(tree))),
    )
    assert_follows(ld.chain(adam, getattr(our, name)), expected, params, sequence, **arguments)


def test_lookahead_follows_optax():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    params, sequence = problem()
    expected = []
    with jax.enable_x64(True):
        start = [jax.numpy.asarray(p, dtype=jax.numpy.float64) for p in params]
        pair = optax.LookaheadParams.init_synced(start)
        optimizer = optax.lookahead(optax.adam(LR), sync_period=4, slow_step_size=0.3)
        state = optimizer.init(pair)
        for gradients in sequence:
            grads = [jax.numpy.asarray(g, dtype=jax.numpy.float64) for g in gradients]
            updates, state = optimizer.update(grads, state, pair)
            pair = optax.apply_updates(pair, updates)
            expected.append([np.array(v) for v in pair.fast])
    chain = ld.chain(adam, our.lookahead)
    assert_follows(chain, expected, params, sequence, sync_period=4, slow_step=0.3)


def torch_adam(torch, tensors):
    return torch.optim.Adam(tensors, lr=LR)


@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("name", ["clip_grad_norm", "clip_by_value", "adaptive_clip"])
def test_clipping_follows_torch_and_timm(name, gradient_size):
    params, sequence = problem(gradient_size)
    limit = 0.5 * gradient_size
    adaptive_clip_grad = timm_module("agc", "utils").adaptive_clip_grad

    def change(torch, tensors):
        if name == "clip_grad_norm":
            torch.nn.utils.clip_grad_norm_(tensors, limit)
        elif name == "adaptive_clip":
            adaptive_clip_grad(tensors, limit, eps=0.3)
        else:
            torch.nn.utils.clip_grad_value_(tensors, limit)

    expected = run_torch(torch_adam, params, sequence, change)
    arguments = {
        "clip_grad_norm": {"max_norm": limit},
        "clip_by_value": {"max_value": limit},
        "adaptive_clip": {"clip_factor": limit, "clip_eps": 0.3},
    }
    chain = ld.chain(getattr(our, name), adam)
    assert_follows(chain, expected, params, sequence, **arguments[name])


def test_the_largest_norm_of_units_is_that_of_torch():
    def project(torch, tensors):
        for tensor in tensors:
            units = tensor.data.reshape(1, -1) if tensor.ndim == 1 else tensor.data
            tensor.data = torch.renorm(units, 2, 0, 1.0).reshape(tensor.shape)

    params, sequence = problem()
    expected = run_torch(torch_adam, params, sequence, after=project)
    own = [p.copy() for p in params]
    learner = ld.chain(adam, our.project_max_norm)(own, lr=LR, largest_norm=1.0)
    for gradients, wanted in zip(sequence, expected, strict=True):
        learner.update(gradients)
        for a, b in zip(own, wanted, strict=True):
            # torch adds 1e-7 to the norm.
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)


def test_cautious_follows_timm():
    optimizers = timm_module("adamw")
    params, sequence = problem()

    def make(torch, tensors):
        return optimizers.AdamWLegacy(tensors, lr=LR, weight_decay=0.2, caution=True)

    chain = ld.chain(adam, our.cautious, our.decoupled_weight_decay)
    expected = run_torch(make, params, sequence)
    assert_follows(chain, expected, params, sequence, decoupled_decay=0.2)


def test_orthograd_follows_pytorch_optimizer():
    library = pytest.importorskip("pytorch_optimizer")
    params, sequence = problem()
    expected = run_torch(
        lambda torch, tensors: library.OrthoGrad(torch.optim.Adam(tensors, lr=LR)), params, sequence
    )
    assert_follows(ld.chain(our.orthograd, adam), expected, params, sequence)


def test_magma_follows_pytorch_optimizer():
    library = pytest.importorskip("pytorch_optimizer")
    torch = pytest.importorskip("torch")
    params, sequence = problem()
    coins = [float(c) for update in coins_of(SHAPES, STEPS, seed=0) for c in update]

    def make(torch, tensors):
        options = {"tau": 1.5, "momentum_beta": 0.8, "alignment_ema": 0.7, "moment_key": None}
        return library.Magma(torch.optim.Adam(tensors, lr=LR), **options)

    with mock.patch.object(torch, "bernoulli", side_effect=map(torch.tensor, coins)):
        expected = run_torch(make, params, sequence)
    arguments = {"magma_tau": 1.5, "magma_beta": 0.8, "alignment_beta": 0.7}
    # The library keeps the alignment in float32.
    assert_follows(ld.chain(adam, our.magma), expected, params, sequence, 1e-7, **arguments)


def test_grokfast_follows_pytorch_optimizer():
    filters = pytest.importorskip("pytorch_optimizer.optimizer.grokfast")
    params, sequence = problem()
    seen: dict[str, Any] = {}

    def change(torch, tensors):
        module = torch.nn.ParameterList(tensors)
        seen["grads"] = filters.gradfilter_ema(module, seen.get("grads"), alpha=0.8, lamb=1.5)

    expected = run_torch(torch_adam, params, sequence, change)
    chain = ld.chain(our.grokfast_ema, adam)
    assert_follows(chain, expected, params, sequence, grokfast_alpha=0.8, grokfast_lamb=1.5)


def torch_averages(average_of, params, sequence, steps):
    """What a torch AveragedModel holds after Adam, updated at the given steps."""
    torch = pytest.importorskip("torch")
    model = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(p)) for p in params])
    averaged = average_of(torch, model)
    learner = torch.optim.Adam(model.parameters(), lr=LR)
    for t, gradients in enumerate(sequence, 1):
        for tensor, g in zip(model, gradients, strict=True):
            tensor.grad = torch.tensor(g)
        learner.step()
        if t in steps:
            averaged.update_parameters(model)
    return [p.detach().numpy() for p in averaged.module]


def test_ema_follows_torch():
    def average_of(torch, model):
        utilities = torch.optim.swa_utils
        averaged = utilities.AveragedModel(model, multi_avg_fn=utilities.get_ema_multi_avg_fn(0.9))
        # Ours starts from the first weights, torch's copies those after the first update.
        averaged.n_averaged += 1
        return averaged

    params, sequence = problem()
    expected = torch_averages(average_of, params, sequence, range(1, STEPS + 1))
    learner = ld.chain(adam, our.ema)([p.copy() for p in params], lr=LR, decay=0.9)
    for gradients in sequence:
        learner.update(gradients)
    for got, wanted in zip(learner.evaluation_parameters().values(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_swa_follows_torch():
    params, sequence = problem()
    expected = torch_averages(
        lambda torch, model: torch.optim.swa_utils.AveragedModel(model),
        params,
        sequence,
        range(4, STEPS + 1, 3),
    )
    learner = ld.chain(adam, our.swa)([p.copy() for p in params], lr=LR, swa_start=4, swa_every=3)
    for gradients in sequence:
        learner.update(gradients)
    for got, wanted in zip(learner.evaluation_parameters().values(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
