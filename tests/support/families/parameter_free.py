"""Learners that estimate their learning rate: D-Adaptation and Prodigy."""

from functools import partial

import numpy as np
import pytest

from support.families.libraries import Hyper, run_torch, same, torch_names


def run_contrib(optimizer, params, gradient_sequence, hyper_sequence, **fixed):
    """The parameters after each step of a learner of optax.contrib that takes a tuple of betas.

    The learner is made anew at every step, as such a tuple cannot be changed.
    """
    jax = pytest.importorskip("jax")
    contrib = pytest.importorskip("optax.contrib")

    def make(hyper):
        return getattr(contrib, optimizer)(**fixed, **_contrib_names(hyper))

    @jax.jit
    def update(hyper, gradients, opt_state, values):
        changes, opt_state = make(hyper).update(gradients, opt_state, values)
        return [v + c for v, c in zip(values, changes, strict=True)], opt_state

    with jax.enable_x64(True):
        values = [jax.numpy.asarray(p, dtype=jax.numpy.float64) for p in params]
        opt_state = make(hyper_sequence[0]).init(values)
        trajectory = []
        for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
            gradients = [jax.numpy.asarray(g, dtype=jax.numpy.float64) for g in grads]
            values, opt_state = update(hyper, gradients, opt_state, values)
            trajectory.append([np.array(value) for value in values])
    return trajectory


def _contrib_names(hyper: Hyper) -> Hyper:
    theirs = {"lr": "learning_rate", "d0": "estim_lr0", "d_coef": "estim_lr_coef"}
    others = {theirs.get(n, n): v for n, v in hyper.items() if not n.startswith("beta")}
    return {**others, "betas": (hyper["beta1"], hyper["beta2"])}


_run_dadaptation = partial(run_torch, module="dadaptation")

TRUSTED = {
    "dadapt_adagrad": partial(_run_dadaptation, "DAdaptAdaGrad", same),
    "dadapt_adamw": partial(run_contrib, "dadapt_adamw"),
    "dadapt_adan": partial(_run_dadaptation, "DAdaptAdan", torch_names),
    "dadapt_lion": partial(_run_dadaptation, "DAdaptLion", torch_names),
    "dadapt_sgd": partial(_run_dadaptation, "DAdaptSGD", same),
    "prodigy": partial(run_contrib, "prodigy"),
    "prodigy_official": partial(run_torch, "Prodigy", torch_names, module="prodigyopt"),
}

# A large d0, as nothing can be seen of steps of 1e-6; it is given at construction alone.
_RANGES = {"lr": (0.5, 1.5), "d0": (0.05, 0.05), "d_coef": (0.5, 2.0), "growth_rate": (1.02, 1.5)}
RANGES = dict.fromkeys(TRUSTED, _RANGES)
# The library takes differences of sums over the same states, which hold for one epsilon alone.
RANGES["dadapt_adagrad"] = {**_RANGES, "eps": (1e-6, 1e-6)}
RANGES["dadapt_adan"] = {**_RANGES, "beta2": (0.8, 0.95), "beta3": (0.95, 0.999)}
TRAINING: dict[str, Hyper] = {name: {"lr": 1.0} for name in TRUSTED}
# At 1 its estimate overshoots where gradients vanish, and the loss of separable data rises.
TRAINING["dadapt_adan"] = {"lr": 0.5}
PASSES = {"dadapt_sgd": 2, "prodigy": 2, "prodigy_official": 2}
