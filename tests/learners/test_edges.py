"""Every builtin at the edges of its hyperparameters and gradients, and some beside references."""

import numpy as np
import pytest
import torch
from support.problems import ARRAY_EXTRAS, SCALAR_EXTRAS, fitted
from support.tiers import few

import learnerdsl as ld
from learnerdsl import learners

SHAPES = ((3, 4), (4,), (), (1,), (0,), (3, 0))
STEPS = 4
BACKENDS = ["cpu", "numpy"]

MOVES_AT_RATE_0 = {
    "muown": "weights are written as lengths times directions, which rounds them",
    "muon_with_adamw": "vectors have a rate of their own, adamw_lr",
    "nero": "weights are made to keep their constraints, as the reference does when it is made",
    "rprop": "lr is where step sizes start, and these are step_min at least, as in torch",
    "srmm": "the parameter becomes its own running mean, as in the reference",
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def extras_of(learner):
    """Ones for what the rule takes beside the gradients."""
    shapes = [p.shape for p in learner.parameters.values()]
    values = dict.fromkeys(SCALAR_EXTRAS, 1.5) | {
        n: [np.ones(shape) for shape in shapes] for n in ARRAY_EXTRAS
    }
    return {n: values[n] for n in learner.extras}


def is_number(values):
    return all(not np.isnan(np.asarray(v, np.float64)).any() for v in values)


def normal(name):
    rng = np.random.default_rng([3, *name.encode()])
    shapes = fitted(name, SHAPES)
    return [[np.array(rng.standard_normal(shape)) for shape in shapes] for _ in range(STEPS + 1)]


def with_zero_lines(gradients):
    """The same without the first row and the first column."""
    result = [g.copy() for g in gradients]
    for g in result:
        if g.ndim and g.size:
            g[..., 0] = 0.0
            g[0] = 0.0
    return result


def times(factor):
    return lambda gradients: [np.array(factor * g) for g in gradients]


def same(arrays):
    return arrays


RISING = ld.schedules.warmup(ld.schedules.constant(0.01), steps=2)
FALLING = ld.schedules.linear(0.01, 0.0, steps=2)

# Hyperparameters, and what becomes of parameters and gradients of unit size.
EDGES = {
    "no gradients": ({}, same, times(0.0)),
    "no parameters": ({}, times(0.0), same),
    "neither": ({}, times(0.0), times(0.0)),
    "zero rows and columns": ({}, same, with_zero_lines),
    "ones": ({}, same, lambda gradients: [np.ones(g.shape) for g in gradients]),
    "tiny": ({}, same, times(1e-30)),
    "tinier": ({}, same, times(1e-150)),
    "huge": ({}, same, times(1e30)),
    "warm-up": ({"lr": RISING}, same, same),
    "cool-down": ({"lr": FALLING}, same, same),
    "rate 0": ({"lr": 0.0}, same, same),
    "no decay": ({"weight_decay": 0.0}, same, same),
    "no momentum": ({"momentum": 0.0}, same, same),
    "no beta": ({"beta": 0.0}, same, same),
    "no betas": ({"beta1": 0.0, "beta2": 0.0, "beta3": 0.0}, same, same),
}


@pytest.mark.parametrize("name", few(learners.__all__))
def test_a_builtin_stays_a_number_at_every_edge(name):
    rule = getattr(learners, name)
    start, *gradients = normal(name)
    traced = rule.trace(shape=start[0].shape)
    known = [symbol.name for symbol in traced.hyperparameters]
    for edge, (settings, of_start, of_gradient) in EDGES.items():
        settings = {n: v for n, v in settings.items() if n in known}
        params = [p.copy() for p in of_start(start)]
        learner = rule(params, backend="numpy", **settings)
        first = [p.copy() for p in params]
        for g in gradients:
            learner.update(of_gradient(g), **extras_of(learner))
        assert all(np.isfinite(p).all() for p in params), edge
        for p, state in zip(params, learner.state.values(), strict=True):
            # Of nothing there is no mean.
            assert not p.size or is_number(state.values()), edge
        if settings == {"lr": 0.0} and name not in MOVES_AT_RATE_0:
            assert all(np.array_equal(a, b) for a, b in zip(params, first, strict=True)), edge
        evaluated = learner.evaluation_parameters() if traced.evaluation is not None else []
        assert is_number(evaluated), edge


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["accsgd", "adabound", "ftrl", "gravity", "laprop", "madgrad"])
def test_a_group_with_rate_0_stays_where_it_is_when_compiled(name, dtype):
    rng = np.random.default_rng(1)
    params = {n: rng.standard_normal(5).astype(dtype) for n in ("w", "frozen")}
    frozen = params["frozen"].copy()
    groups = [{"params": ["frozen"], "lr": 0.0}]
    learner = getattr(learners, name)(params, lr=RISING, groups=groups)
    for _ in range(20):
        learner.update({n: rng.standard_normal(5).astype(dtype) for n in params})
    assert np.array_equal(params["frozen"], frozen)
    assert np.isfinite(params["w"]).all()


# What happens at a rate of 0, written out

GRADIENTS = [np.array([1.0, -2.0, 0.5]), np.array([0.3, 1.0, -1.0]), np.array([-1.0, 0.2, 0.7])]
RATES = ld.schedules.piecewise_constant([0.0, 0.05, 0.1, 0.0], [1, 2, 4])


def follow(rule, backend, **settings):
    """The parameters after each of six updates, with the rates 0, 0.05, 0.1, 0.1, 0 and 0."""
    params, path = [np.array([1.0, -1.0, 2.0])], []
    learner = rule(params, backend=backend, lr=RATES, **settings)
    for k in range(6):
        learner.update([GRADIENTS[k % 3]])
        path.append(params[0].copy())
    return path


def numbered():
    """Number of the update, rate and gradient."""
    return [(t, RATES(t), GRADIENTS[(t - 1) % 3]) for t in range(1, 7)]


def laprop_by_hand():
    p, m, v, l1, l2 = np.array([1.0, -1.0, 2.0]), 0.0, 0.0, 0.0, 0.0
    for _, lr, g in numbered():
        l1, l2, v = 0.9 * l1 + 0.1 * lr, 0.999 * l2 + 0.001, 0.999 * v + 0.001 * g**2
        m = 0.9 * m + 0.1 * lr * g / (np.sqrt(v / l2) + 1e-15)
        p = p - (m * lr / l1 if lr else 0.0)
        yield p


def adabound_by_hand():
    p, m, v, largest = np.array([1.0, -1.0, 2.0]), 0.0, 0.0, 0.0
    for t, lr, g in numbered():
        m, v, largest = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, max(largest, lr)
        final = 0.1 * lr / largest if largest else 0.0
        rate = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) / (np.sqrt(v) + 1e-8)
        low, high = final * (1 - 1 / (1e-3 * t + 1)), final * (1 + 1 / (1e-3 * t))
        p = p - m * np.clip(rate, low, high)
        yield p


def ftrl_by_hand():
    p, n, z = np.array([1.0, -1.0, 2.0]), 0.0, 0.0
    for _, lr, g in numbered():
        if lr:
            z, n = z + g - (np.sqrt(n + g**2) - np.sqrt(n)) / lr * p, n + g**2
            p = -z / (np.sqrt(n) / lr)
        yield p


def madgrad_by_hand():
    p, q, s = start = np.array([1.0, -1.0, 2.0]), 0.0, 0.0
    for t, lr, g in numbered():
        weight = (lr + 1e-6) * np.sqrt(t) if lr else 0.0
        q, s = q + weight * g**2, s + weight * g
        p = 0.9 * p + 0.1 * (start[0] - s / (np.cbrt(q) + 1e-6))
        yield p


def gravity_by_hand():
    p, v = np.array([1.0, -1.0, 2.0]), 0.0
    for t, lr, g in numbered():
        b = (0.9 * t + 1) / (t + 2)
        v = b * v + (1 - b) * g / (1 + (g * np.abs(g).max()) ** 2)
        p = p - lr * v
        yield p


@pytest.mark.parametrize(
    ("name", "by_hand"),
    {
        "laprop": laprop_by_hand,
        "adabound": adabound_by_hand,
        "ftrl": ftrl_by_hand,
        "madgrad": madgrad_by_hand,
        "gravity": gravity_by_hand,
    }.items(),
)
def test_rates_that_start_and_end_at_0_are_followed(name, by_hand, backend):
    path = follow(getattr(learners, name), backend)
    for got, wanted in zip(path, by_hand(), strict=True):
        assert got == pytest.approx(wanted, rel=1e-9)


# Epsilon 0, where the first update divides nothing by it


@pytest.mark.parametrize("name", ["avagrad", "soap"])
def test_a_first_update_that_moves_nothing_needs_no_epsilon(name, backend):
    rng = np.random.default_rng(4)
    params = [rng.standard_normal((3, 3)), rng.standard_normal(4)]
    start = [p.copy() for p in params]
    learner = getattr(learners, name)(params, backend=backend, eps=0.0)
    learner.update([rng.standard_normal(p.shape) for p in params])
    assert all(np.array_equal(p, q) for p, q in zip(params, start, strict=True))
    learner.update([rng.standard_normal(p.shape) for p in params])
    assert all(np.isfinite(p).all() and (p != q).any() for p, q in zip(params, start, strict=True))


# Factored second moments of rows and columns without gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-30, 0.0])
@pytest.mark.parametrize("shape", [(4, 3), (5,)])
def test_adafactor_is_that_of_torch_where_gradients_are_zero(shape, size, dtype, backend):
    rng = np.random.default_rng(6)
    weights = rng.standard_normal(shape).astype(dtype)
    theirs = torch.from_numpy(weights.copy()).requires_grad_()
    learner, peer = (
        learners.adafactor([weights], backend=backend, lr=0.01),
        torch.optim.Adafactor([theirs], lr=0.01),
    )
    for _ in range(4):
        gradient = (size * rng.standard_normal(shape)).astype(dtype)
        gradient[0] = 0.0
        gradient[..., -1] = 0.0
        theirs.grad = torch.from_numpy(gradient.copy())
        learner.update([gradient])
        peer.step()
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(weights, theirs.detach().numpy(), rtol=tolerance)


# Limits that are negative


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("adafactor", "d"),
        ("adafactor_optax", "clipping_threshold"),
        ("adagc", "lambda_abs"),
        ("adagc", "lambda_rel"),
        ("came", "clip_threshold"),
        ("fadam", "clip"),
        ("lamb_timm", "max_norm"),
        ("racs", "gamma"),
        ("sophia", "clip_threshold"),
    ],
)
@pytest.mark.parametrize("value", [0.1, -1.0])
def test_no_limit_turns_a_step_round(name, limit, value, backend):
    params = [np.zeros((2, 3)), np.zeros(3)]
    gradients = [np.arange(1.0, 7.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])]
    settings = {"warmup_steps": 0.0} if name == "adagc" else {}
    learner = getattr(learners, name)(params, backend=backend, **{limit: value}, **settings)
    for _ in range(3):
        learner.update(gradients, **extras_of(learner))
        assert all((p <= 0).all() for p in params)


# Options that are counts


@pytest.mark.parametrize(
    ("name", "option", "value", "least"),
    [
        ("aida", "k", -1, 0),
        ("asgo", "every", 0, 1),
        ("aurora", "passes", 0, 1),
        ("kl_soap", "every", 0, 1),
        ("conda", "update_proj_gap", 0, 1),
        ("cosmos", "rank", 0, 1),
        ("galore_adamw", "rank", 0, 1),
        ("galore_adamw", "update_proj_gap", 0, 1),
        ("muon", "ns_steps", -1, 0),
        ("padam", "roots", -1, 0),
        ("ranger", "k", 0, 1),
        ("psgd_kron", "balance_every", 0, 1),
        ("shampoo", "every", 0, 1),
        ("soap", "every", -1, 1),
        ("sophia", "update_interval", 0, 1),
        ("splus", "every", 0, 1),
    ],
)
def test_a_count_that_cannot_be_is_refused(name, option, value, least):
    with pytest.raises(ld.HyperparameterError) as caught:
        getattr(learners, name)([np.ones((3, 3))], **{option: value})
    assert f"{option} must be a whole number, {least} or more, got" in str(caught.value)
