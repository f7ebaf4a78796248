"""Updates that are taken back."""

import numpy as np
import pytest
import torch
from support.battery import BUILTINS
from support.problems import takes_vectors
from support.small_rules import BACKENDS
from support.tiers import few, slow

import learnerdsl as ld
from learnerdsl.learners import (
    adam,
    adamax,
    adamw,
    asgd,
    lion,
    momentum_sgd,
    muon,
    rmsprop,
    sgd,
)
from learnerdsl.transforms import accumulate, clip_by_global_norm, ema

SHAPES = {"w": (6, 5), "b": (5,)}


@pytest.fixture(params=["numpy", slow("cpu")])
def backend(request):
    return request.param


@pytest.fixture(params=BACKENDS)
def every_backend(request):
    return request.param


def drawn(seed, dtype=np.float64, shapes=None):
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal(s).astype(dtype) for n, s in (shapes or SHAPES).items()}


def seen(learner):
    """What an update changes, as copies."""
    return {
        "parameters": {n: p.copy() for n, p in learner.parameters.items()},
        **{p: {n: np.array(v) for n, v in own.items()} for p, own in learner.state.items()},
        "model": {n: np.array(v) for n, v in learner.model_state.items()},
        "clock": {"step": np.array(learner.step_count), "samples": np.array(learner.samples)},
    }


def assert_close(found, expected, tolerance):
    for what, values in expected.items():
        for name, value in values.items():
            scale = max(np.abs(value).max(initial=0), 1.0)
            assert np.abs(found[what][name] - value).max(initial=0) <= tolerance * scale, (
                what,
                name,
            )


def assert_is_taken_back(learner, gradients, tolerance, **extras):
    before = []
    for g in gradients:
        before.append(seen(learner))
        assert learner.update(g, **extras)
    for g in reversed(gradients):
        assert learner.undo(g, **extras)
        assert_close(seen(learner), before.pop(), tolerance)


INVERTIBLE = tuple(
    """
    a2grad accsgd acprop adabelief adafactor_bv adagrad_optax adahessian adam adam_keras adam_mini
    adam_uncorrected adamc adamg adamod adams_momentum adamuon adamw adanorm adatam ademamix aggmo
    aida alig asgo aurora came cautious_adamw exadam gpa_adamw grams kate laprop lars lars_timm lion
    madam madgrad momentum_sgd msvag muon muon_optax muon_plus muon_squared muon_with_adamw nadamw
    nadamw_timm nesterov noisy_sgd normuon padam pnm polargrad polyak_sgd qhm radam radam_optax
    rmnp rmsprop_centered rmsprop_momentum rmsprop_optax scion sgd sgd_keras sgd_sai sgdw sign_sgd
    signum simplified_ademamix sinkgd sophia sparse_adam swan tiger
    """.split()  # noqa: SIM905
)
"""The builtins with an inverse for any hyperparameters that are not 0; docs/undo.md counts them."""

WITHOUT_DECAY = (
    "adagrad",
    "adams",
    "fadam",
    "lamb_timm",
    "nadam",
    "rmsprop",
    "shampoo",
    "stable_adamw",
)
"""The builtins that have an inverse if `weight_decay` is 0."""

SHARES = {"aggmo": {"beta1": 0.3}, "alig": {"momentum": 0.8}}
"""Hyperparameters for those which keep nothing of a state by default, as these are 0."""


def of_builtin(name):
    """A learner that has done an update, and what makes gradients for it."""
    shapes = {"w": (6, 5)} if not takes_vectors(name) else SHAPES
    rule = getattr(ld.learners, name)
    learner = rule(drawn(0, shapes=shapes), backend="numpy", **SHARES.get(name, {}))
    extras = {n: 0.5 if n == "loss" else drawn(9, shapes=shapes) for n in learner.extras}
    learner.update(drawn(1, shapes=shapes), **extras)
    return learner, lambda seed: drawn(seed, shapes=shapes), extras


@pytest.mark.parametrize("name", few([*INVERTIBLE, *WITHOUT_DECAY], {"lion", "came", "rmsprop"}))
def test_updates_of_a_builtin_are_taken_back(name):
    learner, gradients, extras = of_builtin(name)
    if name in WITHOUT_DECAY:
        learner.hyperparameters["weight_decay"] = 0.0
    assert_is_taken_back(learner, [gradients(k) for k in (2, 3)], 1e-8, **extras)


@pytest.mark.slow
def test_other_builtins_are_refused():
    for name in set(BUILTINS) - {*INVERTIBLE, *WITHOUT_DECAY}:
        with pytest.raises(ld.RuleError, match="cannot be undone"):
            getattr(ld.learners, name).inverse()


CHAIN = ld.chain(clip_by_global_norm, adamw)


@pytest.mark.parametrize("rule", [adam, adamw, lion, momentum_sgd, CHAIN])
def test_updates_are_taken_back(rule, every_backend):
    learner = rule(drawn(0), backend=every_backend)
    assert_is_taken_back(learner, [drawn(k) for k in range(1, 6)], 1e-10)


@pytest.mark.parametrize("rule", [adamw, CHAIN])
def test_what_follows_is_as_if_the_update_had_not_been(rule, backend):
    found, expected = drawn(0), drawn(0)
    learner, other = rule(found, backend=backend), rule(expected, backend=backend)
    for k in (1, 2):
        learner.update(drawn(k), minibatch_size=4)
        other.update(drawn(k), minibatch_size=4)
    learner.update(drawn(7), minibatch_size=8)
    learner.undo(drawn(7), minibatch_size=8)
    for k in (3, 4):
        learner.update(drawn(k))
        other.update(drawn(k))
    assert_close(seen(learner), seen(other), 1e-12)


def test_scalars_of_tensors_and_of_the_model_are_taken_back(every_backend):
    @ld.rule
    def counting(p, g, lr=0.1, beta=0.5):
        model = ld.state("model", shape="model")
        tensor = ld.state("tensor", shape="tensor")
        rows = ld.state("rows", shape="rows") if ld.ndim(p) > 1 else ld.state("rows")
        total = ld.assign(model, beta * model + ld.sum(g, over="model"))
        own = ld.assign(tensor, tensor + ld.norm(g))
        row = ld.sum(g, axis=-1) if ld.ndim(p) > 1 else g
        return ld.combine(
            [ld.assign(rows, rows / 2 + row), ld.assign(p, p - lr * g * own / (1 + total**2))]
        )

    learner = counting(drawn(0), backend=every_backend)
    assert_is_taken_back(learner, [drawn(k) for k in range(1, 5)], 1e-12)


def test_schedules_follow(backend):
    schedule = ld.schedules.linear(1.0, 0.0, steps=10)
    params = drawn(0)
    learner = sgd(params, lr=schedule, backend=backend)
    learner.update(drawn(1))
    learner.update(drawn(2))
    learner.undo(drawn(2))
    assert learner.hyperparameters["lr"] == schedule(2)
    assert_close(
        {"w": params}, {"w": {n: p - schedule(1) * drawn(1)[n] for n, p in drawn(0).items()}}, 1e-14
    )


def test_groups_frozen_parameters_and_missing_gradients(every_backend):
    shapes = {"w": (6, 5), "b": (5,), "c": (4,), "d": (3,)}
    groups = [{"params": ["b"], "lr": 0.5, "beta1": 0.5}, {"params": ["d"], "frozen": True}]
    learner = adam(
        drawn(0, shapes=shapes), lr=0.1, groups=groups, missing="skip", backend=every_backend
    )
    full = drawn(1, shapes=shapes)
    part = {n: g for n, g in drawn(2, shapes=shapes).items() if n != "c"}
    assert_is_taken_back(learner, [full, part, full, part], 1e-10)
    learner.update(full)
    before = seen(learner)
    with pytest.raises(ld.ArrayError, match="no update has left"):
        learner.undo(part)
    assert_close(seen(learner), before, 0)


def test_rules_of_several_parameters_are_taken_back(backend):
    rule = ld.by_parameter(lambda name, shape: muon if len(shape) == 2 else adamw)
    learner = rule(drawn(0), backend=backend)
    assert_is_taken_back(learner, [drawn(k) for k in range(1, 4)], 1e-10)


@pytest.mark.parametrize("backend", ["cpu"], indirect=True)
def test_narrow_parameters_are_taken_back_to_their_rounding(backend):
    arrays = drawn(0, np.float32)
    params = {n: torch.tensor(a).bfloat16() for n, a in arrays.items()}
    learner = adamw(params, lr=0.01, master="split16", backend=backend)
    gradients = [
        {n: torch.tensor(a).bfloat16() for n, a in drawn(k, np.float32).items()} for k in (1, 2, 3)
    ]
    learner.update(gradients[0])
    before = learner.master_parameters()
    for g in gradients[1:]:
        learner.update(g)
    for g in reversed(gradients[1:]):
        learner.undo(g)
    for name, array in learner.master_parameters().items():
        np.testing.assert_allclose(array, before[name], rtol=1e-6, atol=1e-7)


def test_a_mean_of_squares_never_becomes_negative(backend):
    """1 - beta2 times a square is rounded, so the difference could be below 0, and its root NaN."""
    rng = np.random.default_rng(3)
    w = [rng.standard_normal(1_000).astype(np.float32)]
    learner = adam(w, backend=backend)
    g = [rng.standard_normal(1_000).astype(np.float32)]
    learner.update(g)
    learner.undo(g)
    assert (learner.state[0]["v"] >= 0).all()
    learner.update([np.zeros(1_000, np.float32)])
    assert np.isfinite(w[0]).all()


def test_a_skipped_update_is_not_taken_back(backend):
    w = [np.ones(3)]
    learner = adam(w, nonfinite="skip", backend=backend)
    assert learner.update([np.ones(3)])
    bad = [np.array([1.0, np.nan, 1.0])]
    before = seen(learner)
    assert not learner.update(bad)
    assert not learner.undo(bad)
    assert_close(seen(learner), before, 0)


def refused(learner, gradients, text, error=ld.LearnerError):
    before = seen(learner)
    with pytest.raises(error, match=text):
        learner.undo(gradients)
    assert_close(seen(learner), before, 0)


def test_what_is_not_kept_is_refused_and_nothing_changes(backend):
    g = [np.array([1.0, -2.0])]
    for rule, text in (
        (adamax, r"old value of u does not follow from Max\(beta2\*u, .*not linear"),
        (asgd, "old value of eta is not kept, as eta becomes lr/"),
        (ld.chain(accumulate, sgd), "old value of accumulated is not kept where Mod"),
    ):
        learner = rule([np.ones(2)], backend=backend)
        learner.update(g)
        refused(learner, g, text, ld.RuleError)
    learner = momentum_sgd([np.ones(2)], momentum=0.0, backend=backend)
    learner.update(g)
    refused(learner, g, "multiplied by momentum, which was 0, so they are not kept")
    learner.hyperparameters["momentum"] = 0.5
    learner.update(g)
    assert learner.undo(g)


def test_a_rule_may_have_an_inverse_only_without_a_hyperparameter(backend):
    g = [np.array([1.0, -2.0])]
    learner = rmsprop([np.ones(2)], weight_decay=0.1, backend=backend)
    learner.update(g)
    refused(learner, g, "divided by .*weight_decay.* which may be 0", ld.RuleError)
    learner.hyperparameters["weight_decay"] = 0.0
    learner.update(g)
    assert learner.undo(g)


def test_calls_that_cannot_be_change_nothing(backend):
    learner = adam([np.ones(2)], backend=backend)
    refused(learner, [np.ones(2)], "has done no update")
    learner.update([np.ones(2)])
    refused(learner, [np.ones(3)], "shape")
    refused(learner, [], "missing 0")
    with pytest.raises(ld.HyperparameterError, match="minibatch_size"):
        learner.undo([np.ones(2)], minibatch_size=-1)
    assert learner.step_count == 1


def test_an_average_to_evaluate_with_is_taken_back(backend):
    learner = ld.chain(adam, ema)([np.ones(3)], decay=0.9, backend=backend)
    g = [np.array([1.0, 2.0, -3.0])]
    learner.update(g)
    expected = learner.evaluation_parameters()[0]
    learner.update(g)
    learner.undo(g)
    np.testing.assert_allclose(learner.evaluation_parameters()[0], expected, rtol=1e-12)


def test_the_history_forgets_what_was_taken_back(backend):
    learner = adam([np.ones(2)], observe=["grad_norm"], backend=backend)
    learner.update([np.array([3.0, 4.0])])
    learner.update([np.array([6.0, 8.0])])
    learner.undo([np.array([6.0, 8.0])])
    assert learner.history.to_dict() == {"step": [1], "grad_norm": [5.0]}
    learner.update([np.array([0.0, 2.0])])
    assert learner.history.to_dict() == {"step": [1, 2], "grad_norm": [5.0, 2.0]}


def test_states_are_those_of_the_learner_not_copies():
    learner = adam([np.ones(10_000)])
    learner.update([np.ones(10_000)])
    m = learner.state[0]["m"]
    learner.undo([np.ones(10_000)])
    assert learner.state[0]["m"].ctypes.data == m.ctypes.data
    assert learner._undoer.state[0]["m"].ctypes.data == m.ctypes.data


def test_a_step_of_torch_is_taken_back():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3).double()
    optimizer = adamw.torch(model.parameters(), lr=0.1)
    inputs = torch.randn(5, 4, dtype=torch.float64)
    with pytest.raises(ld.LearnerError, match="no step"):
        optimizer.undo()
    for _ in range(3):
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.zero_grad()
        model(inputs).square().sum().backward()
        optimizer.step()
    optimizer.undo()
    for p, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), old, rtol=1e-12, atol=1e-12)
    assert optimizer.state_dict()["state"][0]["step"] == 2
