"""Options of rules with values for each row or axis, which the battery leaves at their defaults."""

import numpy as np
import pytest
from support.families.axes import optax_adafactor, run_adafactor_bv
from support.families.libraries import run_optax, run_torch, timm_module, torch_names
from support.families.steppers import run_stepper
from support.problems import assert_same_path, hyperparameters, problem

from learnerdsl import learners

pytestmark = pytest.mark.slow  # most of it is optax's compilation
SHAPES = ((7, 5), (5, 7), (3, 4, 2), (2, 5, 1, 3), (6,), ())


def _follow(rule, start, gradients, hypers, **options):
    """The parameters after each step."""
    params = [p.copy() for p in start]
    learner = rule(params, **options)
    path = []
    for grads, hyper in zip(gradients, hypers, strict=True):
        for name, value in hyper.items():
            learner.hyperparameters[name] = value
        learner.update([g.copy() for g in grads])
        path.append([p.copy() for p in params])
    return path


@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("least", [1, 4])
def test_adafactor_factors_the_two_largest_axes_as_optax(least, gradient_size):
    rng, start, gradients = problem("adafactor_optax", gradient_size, SHAPES)
    hypers = hyperparameters("adafactor_optax", rng)
    expected = run_optax(
        "adafactor", optax_adafactor, start, gradients, hypers, min_dim_size_to_factor=least
    )
    rule = learners.adafactor_optax
    path = _follow(rule, start, gradients, hypers, min_dim_size_to_factor=least)
    assert_same_path(1e-9, start, expected, path)


def test_adafactor_with_momentum_and_without_scales_of_parameters_is_that_of_optax():
    rng, start, gradients = problem("adafactor_optax", 1.0, SHAPES)
    hypers = [{**h, "momentum": 0.8} for h in hyperparameters("adafactor_optax", rng)]
    expected = run_optax(
        "adafactor",
        optax_adafactor,
        start,
        gradients,
        hypers,
        min_dim_size_to_factor=1,
        multiply_by_parameter_scale=False,
        dtype_momentum=np.float64,
    )
    options = {"min_dim_size_to_factor": 1, "multiply_by_parameter_scale": False}
    rule = learners.adafactor_optax
    path = _follow(rule, start, gradients, hypers, use_momentum=True, **options)
    assert_same_path(1e-9, start, expected, path)


@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
def test_adafactor_bv_factors_the_two_largest_axes_as_timm(gradient_size):
    rng, start, gradients = problem("adafactor_bv", gradient_size, SHAPES)
    hypers = hyperparameters("adafactor_bv", rng)
    expected = run_adafactor_bv(start, gradients, hypers, min_dim_size_to_factor=3)
    path = _follow(learners.adafactor_bv, start, gradients, hypers, min_dim_size_to_factor=3)
    assert_same_path(1e-9, start, expected, path)


@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adafactor_is_torchs_in_both_dtypes_with_its_defaults(dtype, gradient_size):
    torch = pytest.importorskip("torch")
    _, start, gradients = problem("adafactor", gradient_size, SHAPES)
    params = [p.astype(dtype) for p in start]
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    ours, theirs = learners.adafactor(params), torch.optim.Adafactor(tensors)
    for grads in gradients:
        given = [g.astype(dtype) for g in grads]
        for tensor, g in zip(tensors, given, strict=True):
            tensor.grad = torch.tensor(g)
        ours.update(given)
        theirs.step()
    for p, tensor, first in zip(params, tensors, start, strict=True):
        wanted = tensor.detach().numpy()
        moved = np.abs(wanted - first).max()
        tolerance = 1e-5 * moved + 20 * np.spacing(np.abs(wanted).max())
        np.testing.assert_allclose(p, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["sgdp", "adamp"])
def test_projecting_learners_look_ahead_as_timm(name):
    rng, start, gradients = problem(name, 1.0, SHAPES)
    hypers = hyperparameters(name, rng)
    optimizer = getattr(timm_module(name), name.upper().replace("ADAM", "Adam"))
    expected = run_stepper(
        lambda tensors, h: optimizer(tensors, lr=h["lr"], nesterov=True),
        lambda hyper, _: torch_names(hyper),
        start,
        gradients,
        hypers,
    )
    path = _follow(getattr(learners, name), start, gradients, hypers, nesterov=True)
    assert_same_path(1e-9, start, expected, path)


@pytest.mark.parametrize("kind", ["adamw", "lion"])
def test_mars_treats_vectors_as_matrices_if_asked(kind):
    rng, start, gradients = problem("mars", 1.0, SHAPES)
    hypers = hyperparameters(f"mars_{kind}", rng)
    expected = run_stepper(
        lambda tensors, _: timm_module("mars").Mars(tensors, mars_type=kind, optimize_1d=True),
        lambda hyper, _: torch_names(hyper),
        start,
        gradients,
        hypers,
    )
    rule = getattr(learners, f"mars_{kind}")
    path = _follow(rule, start, gradients, hypers, optimize_1d=True)
    assert_same_path(1e-9, start, expected, path)


def _po(optimizer, rename, *given, **fixed):
    return run_torch(optimizer, rename, *given, module="pytorch_optimizer", foreach=False, **fixed)


def test_nero_without_constraints_is_that_of_pytorch_optimizer():
    rng, start, gradients = problem("nero", 1.0, SHAPES)
    hypers = hyperparameters("nero", rng)
    expected = _po("Nero", dict, start, gradients, hypers, constraints=False)
    path = _follow(learners.nero, start, gradients, hypers, constraints=False)
    assert_same_path(1e-9, start, expected, path)


def test_ranger_with_other_periods_and_without_centralisation_is_that_of_pytorch_optimizer():
    rng, start, gradients = problem("ranger", 1.0, SHAPES)
    hypers = hyperparameters("ranger", rng)
    fixed = {"k": 4, "use_gc": False, "degenerated_to_sgd": True}
    expected = _po("Ranger", torch_names, start, gradients, hypers, **fixed)
    path = _follow(learners.ranger, start, gradients, hypers, k=4, centralise=False)
    assert_same_path(1e-9, start, expected, path)


def test_the_projection_happens_in_some_of_these_tests_and_in_some_not():
    weights = np.array([[1.0, 0.0], [0.0, 1.0]])
    for gradient, is_projected in ((weights[::-1], True), (weights, False)):
        params = weights.copy()
        learners.sgdp([params], lr=0.1, weight_decay=0.1, wd_ratio=0.0).update([gradient.copy()])
        decay = 1.0 if is_projected else 0.99
        np.testing.assert_allclose(params, decay * weights - 0.1 * gradient, atol=1e-12)
