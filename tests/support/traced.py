"""Transformations beside the oracle: hyperparameters are traced, and others in each step."""

import jax
import numpy as np
import optax

import learnerdsl.jax as ldj
from support.battery import EXTRAS, extra_values, follow, start_values
from support.problems import fitted, hyperparameters

SHAPES = ((), (4, 3), (3, 5), (6,))
STEPS = 6
MINIBATCH = 3
"""What `follow` gives to learners."""

QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}
"""Options of XLA for what runs a few times."""


class Run:
    """A rule, parameters and gradients of a few tensors, and hyperparameters of each step.

    All numbers are those of the dtype, so that only rounding on the way differs.
    """

    def __init__(self, rule, dtype):
        rng = np.random.default_rng([23, *rule.name.encode()])
        shapes = fitted(rule.name, SHAPES)
        self.rule, self.dtype = rule, np.dtype(dtype)
        self.start = [self.rounded(rng.standard_normal(s)) for s in shapes]
        self.gradients = [
            [self.rounded(rng.standard_normal(s)) for s in shapes] for _ in range(STEPS)
        ]
        drawn = hyperparameters(rule.name, rng, shapes, STEPS)
        self.hypers = [{n: self.given(v) for n, v in own.items()} for own in drawn]
        first = start_values(rule)
        self.hypers = [
            {**own, **{n: v for n, v in self.hypers[0].items() if n in first}}
            for own in self.hypers
        ]

    def rounded(self, array):
        return np.array(np.asarray(array, np.float32), np.float64)

    def given(self, value):
        if isinstance(value, list):
            return [self.rounded(array) for array in value]
        return float(np.float32(value))

    def oracle(self, dtype):
        """The parameters after each step of the interpreter on NumPy."""
        start = [np.array(p, dtype) for p in self.start]
        gradients = [[np.array(g, dtype) for g in own] for own in self.gradients]
        return follow(self.rule, start, gradients, self.hypers, backend="numpy")

    def path(self):
        """The parameters after each jitted update, and how often it was traced."""
        make, traces = ldj.factory(self.rule), []
        first = self.rule.trace(shape=self.start[-1].shape)
        defaults = {h.name: d for h, d in zip(first.hyperparameters, first.defaults, strict=True)}

        def split(hyper):
            own = {n: jax.numpy.asarray(v) for n, v in hyper.items() if n not in EXTRAS}
            return {n: jax.numpy.asarray(v) for n, v in defaults.items()} | own

        def update(hyper, extras, gradients, state, params):
            traces.append(1)
            changes, state = make(**hyper).update(gradients, state, params, **extras)
            return optax.apply_updates(params, changes), state

        jitted = jax.jit(update, compiler_options=QUICKLY_COMPILED)
        params = [jax.numpy.asarray(p, self.dtype) for p in self.start]
        state = make(**{n: v for n, v in self.hypers[0].items() if n not in EXTRAS}).init(params)
        path = []
        for gradients, hyper in zip(self.gradients, self.hypers, strict=True):
            extras = extra_values(hyper, self.dtype) | {"minibatch_size": MINIBATCH}
            own = [jax.numpy.asarray(g, self.dtype) for g in gradients]
            params, state = jitted(split(hyper), extras, own, state, params)
            path.append([np.asarray(p, np.float64) for p in params])
        return path, len(traces)

    def error(self, path, expected, rounding):
        """The largest difference of two paths, as a part of the movement of its tensor.

        Args:
            rounding: how many last digits of a parameter may differ in each step: where a rule
                moves it by less, they are all that the sum of parameter and update keeps.
        """
        worst = 0.0
        for step, (got, wanted) in enumerate(zip(path, expected, strict=True), 1):
            for start, a, b in zip(self.start, got, wanted, strict=True):
                assert a.shape == b.shape == start.shape
                b = b.astype(np.float64)
                difference = np.abs(a - b).max()
                assert np.isfinite(difference)
                digits = rounding * step * np.spacing(np.abs(b).max().astype(self.dtype))
                movement = np.abs(b - start).max()
                worst = max(worst, max(difference - digits, 0) / max(movement, 1e-300))
        return worst
