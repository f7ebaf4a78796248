"""Rules that optax has as well: arguments with which they train, and pairs of transformations."""

from functools import partial

import jax.numpy as jnp
import optax
import optax.contrib

import learnerdsl.jax as ldj

TRAINED = {
    "adabelief": {"lr": 1e-2},
    "adadelta": {"lr": 0.1},
    "adafactor_optax": {"lr": 5e-3},
    "adagrad_optax": {"lr": 1.0},
    "adam": {"lr": 0.1},
    "adamax": {"lr": 0.1},
    "adamaxw": {"lr": 0.1},
    "adamw": {"lr": 0.1, "weight_decay": 1e-4},
    "adan": {"lr": 0.1, "weight_decay": 0.0},
    "amsgrad_optax": {"lr": 0.1},
    "fromage": {"lr": 5e-3},
    "lamb": {"lr": 1e-3},
    "lars": {"lr": 1.0},
    "lion": {"lr": 1e-2, "weight_decay": 1e-4},
    "momentum_sgd": {"lr": 1e-3, "momentum": 0.9},
    "muon_optax": {"lr": 1e-2},
    "nadam": {"lr": 1e-2},
    "nadamw": {"lr": 1e-2},
    "noisy_sgd": {"lr": 1e-3},
    "novograd": {"lr": 1e-3},
    "optimistic_adam_v2": {"lr": 2e-3},
    "optimistic_gradient_descent": {"lr": 2e-3, "alpha": 0.7, "beta": 0.1},
    "polyak_sgd": {"lr": 1.0},
    "prodigy": {"lr": 0.1},
    "radam_optax": {"lr": 5e-3},
    "rmsprop_optax": {"lr": 5e-3},
    "rprop": {"lr": 0.1},
    "sign_sgd": {"lr": 0.1},
    "signum": {"lr": 1e-2},
    "sm3": {"lr": 1.0},
    "yogi": {"lr": 0.1},
}
"""Rule -> arguments with which it finds the minimum of Rosenbrock's function."""

FLOAT32_SCALARS = 5e-5
"""What optax's `1 - beta**t` in float32 may cost: it is off by 2e-5 at 0.999, in two places."""

ROUNDING = 1e-5
"""The rounding of 30 steps in float32."""

_DECAY = {"weight_decay": 0.1}

PAIRS = {
    "sgd": ({"lr": 0.05}, partial(optax.sgd, 0.05), ROUNDING),
    "momentum_sgd": (
        {"lr": 0.05, "momentum": 0.9},
        partial(optax.sgd, 0.05, momentum=0.9),
        ROUNDING,
    ),
    "adam": ({"lr": 0.01}, partial(optax.adam, 0.01), FLOAT32_SCALARS),
    "adamw": ({"lr": 0.01, **_DECAY}, partial(optax.adamw, 0.01, **_DECAY), FLOAT32_SCALARS),
    "nadamw": ({"lr": 0.01, **_DECAY}, partial(optax.nadamw, 0.01, **_DECAY), FLOAT32_SCALARS),
    "lamb": ({"lr": 0.01, **_DECAY}, partial(optax.lamb, 0.01, **_DECAY), FLOAT32_SCALARS),
    "lion": ({"lr": 0.01, **_DECAY}, partial(optax.lion, 0.01, **_DECAY), ROUNDING),
    "adagrad_optax": ({"lr": 0.1}, partial(optax.adagrad, 0.1), ROUNDING),
    "adabelief": ({"lr": 0.01}, partial(optax.adabelief, 0.01), FLOAT32_SCALARS),
    # Its factor of rectification is a difference of large numbers made of such scalars.
    "radam_optax": ({"lr": 0.01}, partial(optax.radam, 0.01), 1e-3),
    "adamaxw": ({"lr": 0.01, **_DECAY}, partial(optax.adamaxw, 0.01, **_DECAY), FLOAT32_SCALARS),
    "fromage": ({"lr": 0.01}, partial(optax.fromage, 0.01), FLOAT32_SCALARS),
    "novograd": ({"lr": 0.01}, partial(optax.novograd, 0.01), FLOAT32_SCALARS),
    "rmsprop_optax": ({"lr": 0.01}, partial(optax.rmsprop, 0.01), ROUNDING),
    "adafactor_optax": (
        {"lr": 0.01, "min_dim_size_to_factor": 3},
        partial(optax.adafactor, 0.01, min_dim_size_to_factor=3),
        FLOAT32_SCALARS,
    ),
    # Newton and Schulz's iteration amplifies rounding.
    "muon_optax": ({"lr": 0.01}, partial(optax.contrib.muon, 0.01), 1e-3),
    # Its estimate of the distance is a quotient of sums, which grows by itself.
    "prodigy": ({"d0": 0.01}, partial(optax.contrib.prodigy, estim_lr0=0.01), 1e-3),
}
"""Rule -> (our arguments, how to make optax's, difference allowed in float32 in parts of the
movement)."""


def made(name, **arguments):
    """Return our transformation."""
    return getattr(ldj, name)(**{**TRAINED.get(name, {}), **arguments})


def extras_of(name, loss):
    """Return what an update of the rule takes beside gradients."""
    return {"value": loss} if name == "polyak_sgd" else {}


def parabola(dtype):
    """Return the start, the minimum and the function."""
    end = jnp.array([1.0, -1.0, 1.0], dtype)
    return jnp.array([-1.0, 10.0, 1.0], dtype), end, lambda p: jnp.sum(jnp.square(p - end))


def rosenbrock(dtype):
    """Return the start, the minimum and the function."""
    start, end = jnp.zeros(2, dtype), jnp.ones(2, dtype)
    return start, end, lambda p: jnp.square(1 - p[0]) + 100 * jnp.square(p[1] - p[0] ** 2)
