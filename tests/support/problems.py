"""Random problems for rules: hyperparameters that change every step, parameters, gradients."""

import inspect

import numpy as np

from support import families
from support.references import REFERENCES

STEPS = 20
SHAPES = ((), (1,), (7, 5), (3, 4, 2))
SEED = 20240229

# Each step draws every hyperparameter from its interval, so that a rule which applies one of them
# at the wrong time (a learning rate inside the buffer, say) cannot pass.
# A family of rules may name others.
RANGES = {
    "lr": (1e-3, 1e-1),
    "momentum": (0.5, 0.95),
    "dampening": (0.0, 0.5),
    "alpha": (0.9, 0.99),
    "rho": (0.8, 0.99),
    "beta1": (0.8, 0.95),
    "beta2": (0.95, 0.999),
    "lr_decay": (0.0, 0.1),
    "trust_coefficient": (1e-3, 1e-2),
    "eps": (1e-9, 1e-7),
    "weight_decay": (1e-3, 1e-1),
}


# What `update` takes beside the gradients, as arguments of references.
SCALAR_EXTRAS = {"loss": (1.0, 2.0)}
ARRAY_EXTRAS = {"hessian_diag": (0.1, 2.0)}
EXTRAS = (*SCALAR_EXTRAS, *ARRAY_EXTRAS)

OF_MATRICES = frozenset(
    {
        *("adamuon", "apollo_low_rank", "apollo_mini", "asgo", "aurora", "conda", "cosmos"),
        *("dion", "dion2", "fira", "galore_adamw", "kl_shampoo", "kl_soap", "muon", "muon_optax"),
        *("muon_plus", "muon_squared", "muon_with_adamw", "muown", "namo", "nordion2"),
        *(
            "normuon",
            "polargrad",
            "psgd_kron",
            "scion",
            "shampoo",
            "soap",
            "soap_muon",
            "splus",
            "swan",
        ),
    }
)
"""Builtins with functions of matrices."""


def fitted(name, shapes):
    """The shapes, or ones like them that the rule is made for; also as values of a dict."""
    fit = families.SHAPES.get(name, tuple)
    if isinstance(shapes, dict):
        return {key: fit(shape) for key, shape in shapes.items()}
    return tuple(fit(shape) for shape in shapes)


def takes_vectors(name):
    """Whether a rule takes tensors of any number of axes."""
    return fitted(name, ((7,),)) == ((7,),)


def hyperparameters(name, rng, shapes=SHAPES, steps=STEPS, **fixed):
    """A dict of hyperparameters for each step, all drawn anew except the fixed ones."""
    parameters = inspect.signature(REFERENCES[name]).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    fixed = {n: value for n, value in fixed.items() if n in names}
    shapes = fitted(name, shapes)
    own = families.RANGES.get(name, {})

    def draw(n):
        if n in ARRAY_EXTRAS:
            return [np.array(rng.uniform(*ARRAY_EXTRAS[n], shape)) for shape in shapes]
        return rng.uniform(*{**RANGES, **SCALAR_EXTRAS, **own}[n])

    return [{**{n: draw(n) for n in names}, **fixed} for _ in range(steps)]


def trajectory(name, params, gradients, hypers):
    """The parameters after each step of the reference."""
    params = [p.copy() for p in params]
    state, result = {}, []
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES[name](params, [g.copy() for g in grads], state, t, **hyper)
        result.append([p.copy() for p in params])
    return result


def problem(name, gradient_size, shapes=SHAPES):
    """A random generator, parameters of unit size and gradients of the given size."""
    rng = np.random.default_rng([SEED, *name.encode()])
    shapes = fitted(name, shapes)
    params = [np.array(rng.standard_normal(shape)) for shape in shapes]
    gradients = [
        [np.array(gradient_size * rng.standard_normal(shape)) for shape in shapes]
        for _ in range(STEPS)
    ]
    return rng, params, gradients


def assert_same_path(relative, start, expected, actual):
    """Agreement to a part of the movement of each tensor, beside the rounding of the parameter.

    Stricter than that part of the parameter, which would let a wrong rule pass at small gradients.
    """
    for step, (wanted, got) in enumerate(zip(expected, actual, strict=True), 1):
        for p, a, b in zip(start, wanted, got, strict=True):
            tolerance = relative * np.abs(a - p).max() + 4 * STEPS * np.spacing(np.abs(a).max())
            assert b.shape == p.shape
            assert b.dtype == np.float64
            difference = np.abs(a - b).max()
            assert difference <= tolerance, (step, p.shape, difference, tolerance)
