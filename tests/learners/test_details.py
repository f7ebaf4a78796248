"""What single learners promise beside their steps: averages, noise, first steps, odd gradients."""

import numpy as np
import pytest
from support.families import TRUSTED
from support.problems import assert_same_path, hyperparameters, problem, trajectory
from support.references import REFERENCES

from learnerdsl import learners


def update(learner, gradients):
    for g in gradients:
        learner.update([g])


def test_asgd_evaluates_with_the_average_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((12, 5))
    weights = np.ones(5)
    learner = learners.asgd([weights], t0=4.0)
    tensor = torch.ones(5, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.ASGD([tensor], t0=4.0, foreach=False)
    update(learner, gradients)
    for g in gradients:
        tensor.grad = torch.tensor(g)
        theirs.step()
    average = theirs.state[tensor]["ax"].numpy()
    assert np.abs(average - tensor.detach().numpy()).max() > 1e-3
    # torch keeps the weight of the average in float32.
    np.testing.assert_allclose(learner.evaluation_parameters()[0], average, rtol=1e-6)


def test_asgd_reference_keeps_that_average():
    rng, params, gradients = problem("asgd", 1.0)
    hypers = hyperparameters("asgd", rng)
    state, values = {}, [p.copy() for p in params]
    compiled = [p.copy() for p in params]
    learner = learners.asgd(compiled, lr=hypers[0]["lr"])
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES["asgd"](values, grads, state, t, **hyper)
        for name, value in hyper.items():
            learner.hyperparameters[name] = value
        learner.update(grads)
    evaluated = learner.evaluation_parameters()
    for ours, theirs in zip(evaluated.values(), state["average"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_noise_of_noisy_sgd_has_the_variance_of_its_step():
    weights = np.zeros(200_000)
    learner = learners.noisy_sgd([weights], lr=1.0, eta=0.5, gamma=0.7, seed=3)
    before = weights.copy()
    for t in range(1, 4):
        learner.update([np.full(weights.size, 2.0)])
        noise = before - weights - 2.0
        variance = 0.5 / t**0.7
        assert abs(noise.mean()) < 5 * np.sqrt(variance / noise.size)
        assert abs(noise.var() / variance - 1) < 5 * np.sqrt(2 / noise.size)
        before = weights.copy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_centered_rmsprop_survives_a_gradient_that_does_not_change(dtype):
    weights = np.zeros(1000, dtype)
    gradient = np.linspace(0.1, 3, 1000).astype(dtype)
    learner = learners.rmsprop_centered([weights], alpha=0.5, eps=1e-3)
    update(learner, [gradient] * 200)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_focus_is_not_pulled_at_the_first_step(dtype):
    weights = np.random.default_rng(2).standard_normal(1000).astype(dtype)
    before = weights.copy()
    update(learners.focus([weights]), [np.zeros(1000, dtype)])
    np.testing.assert_array_equal(weights, before)


def test_focus_pulls_as_the_library_at_full_strength():
    rng, params, gradients = problem("focus", 1.0)
    hypers = hyperparameters("focus", rng, gamma=0.1)
    expected = TRUSTED["focus"](params, gradients, hypers)
    assert_same_path(1e-9, params, expected, trajectory("focus", params, gradients, hypers))
    values = [p.copy() for p in params]
    learner = learners.focus(values)
    for grads, hyper in zip(gradients, hypers, strict=True):
        for name, value in hyper.items():
            learner.hyperparameters[name] = value
        learner.update(grads)
    assert_same_path(1e-9, params, expected[-1:], [values])


@pytest.mark.parametrize("value", [0.1, 3.0])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_sgd_sai_scales_equal_gradients_by_their_norm(size, value):
    gradient = np.full(size, value, np.float32)
    learner = learners.sgd_sai([np.zeros(size, np.float32)])
    update(learner, [gradient, 5 * gradient])
    norm = np.sqrt(size) * float(np.float32(value))
    assert learner.state[0]["ratio"] == pytest.approx(norm, rel=1e-6)


def test_adagrad_optax_leaves_elements_without_gradients_where_nothing_was_summed():
    weights = np.ones(4)
    learner = learners.adagrad_optax([weights], lr=0.1, initial_accumulator=0.0, eps=0.0)
    update(learner, [np.array([0.0, 1.0, 0.0, -2.0])])
    np.testing.assert_allclose(weights, [1.0, 0.9, 1.0, 1.1])


def test_ftrl_gives_zeros_for_gradients_below_the_penalty():
    weights = np.zeros(3)
    update(learners.ftrl([weights], lr=0.1, lambda1=0.5), [np.array([0.4, -0.4, 2.0])])
    np.testing.assert_array_equal(weights[:2], [0.0, 0.0])
    assert weights[2] < 0


@pytest.mark.parametrize("name", ["qhm", "momentum_sgd"])
def test_qhm_with_all_weight_on_the_buffer_is_momentum(name):
    rng, params, gradients = problem("qhm", 1.0)
    hypers = hyperparameters("qhm", rng, nu=1.0, momentum=0.9, lr=0.1, weight_decay=0.01)
    expected = trajectory("qhm", params, gradients, hypers)[-1]
    values = [p.copy() for p in params]
    if name == "qhm":
        learner = learners.qhm(values, lr=0.1, momentum=0.9, nu=1.0, weight_decay=0.01)
    else:
        # The first buffer of momentum_sgd is the whole gradient, which a lower rate makes up for.
        learner = learners.momentum_sgd(values, lr=0.01, momentum=0.9, weight_decay=0.01)
    for grads in gradients:
        learner.update(grads)
    for ours, theirs in zip(values, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
