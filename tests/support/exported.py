"""Exported files run beside the oracle: how a file is loaded and driven, and how near it comes."""

import types

import jax
import numpy as np
import optax
import torch

from learnerdsl import learners
from support.problems import ARRAY_EXTRAS, SCALAR_EXTRAS, fitted

SHAPES = ((), (6,), (5, 3), (3, 5), (2, 3, 4))
STEPS = 7
ONE_SHAPE = {"dion2": (9, 6), "nordion2": (9, 6)}
"""Builtins that count rows when they are traced: a file of them is for one shape, such as this."""


def loaded(text, name="exported"):
    """The file as a module."""
    module = types.ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


class Problem:
    """Parameters and gradients of a few tensors, and what else an update of a rule takes."""

    def __init__(self, rule, dtype=np.float64, shapes=SHAPES, steps=STEPS):
        rng = np.random.default_rng([17, *rule.name.encode()])
        shapes = fitted(rule.name, shapes)
        self.rule = rule
        self.dtype = dtype
        self.start = [np.array(rng.standard_normal(s), dtype) for s in shapes]
        self.gradients = [
            [np.array(rng.standard_normal(s), dtype) for s in shapes] for _ in range(steps)
        ]
        extras = rule.trace(shape=shapes[-1]).extras
        draws = {"model": lambda e: rng.uniform(*SCALAR_EXTRAS.get(e.name, (1, 2)))}
        draws["element"] = lambda e: [
            np.array(rng.uniform(*ARRAY_EXTRAS.get(e.name, (1, 2)), s), dtype) for s in shapes
        ]
        self.extras = [{e.name: draws[e.shape](e) for e in extras} for _ in range(steps)]

    @property
    def names(self):
        return [f"w{k}" for k in range(len(self.start))]

    def named(self, arrays):
        return {name: array.copy() for name, array in zip(self.names, arrays, strict=True)}

    def named_extras(self, extras):
        return {n: self.named(v) if isinstance(v, list) else v for n, v in extras.items()}

    def path_of_rule(self, backend="numpy", **options):
        """The parameters after each step of the rule itself, and its states at the end."""
        params = self.named(self.start)
        learner = self.rule(params, backend=backend, **options)
        path = []
        for gradients, extras in zip(self.gradients, self.extras, strict=True):
            assert learner.update(self.named(gradients), **self.named_extras(extras))
            path.append([p.copy() for p in params.values()])
        return path, learner

    def path_of_numpy(self, module, **hypers):
        """The parameters after each step of a file of NumPy, and its state at the end."""
        params = self.named(self.start)
        accepted = module.init.__code__.co_varnames[: module.init.__code__.co_argcount]
        state = module.init(params, **{n: v for n, v in hypers.items() if n in accepted})
        path = []
        for gradients, extras in zip(self.gradients, self.extras, strict=True):
            more = self.named_extras(extras)
            module.update(params, self.named(gradients), state, **more, **hypers)
            path.append([p.copy() for p in params.values()])
        return path, state

    def path_of_torch(self, make):
        """The parameters after each step of an optimizer of torch, and the optimizer."""
        params = [torch.tensor(p, requires_grad=True) for p in self.start]
        optimizer = make(params)
        path = []
        for gradients, extras in zip(self.gradients, self.extras, strict=True):
            for p, g in zip(params, gradients, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step(**{n: self.tensors(params, v) for n, v in extras.items()})
            path.append([p.detach().numpy().copy() for p in params])
        return path, optimizer

    def tensors(self, params, value):
        if not isinstance(value, list):
            return value
        return {p: torch.tensor(v) for p, v in zip(params, value, strict=True)}

    def path_of_jax(self, transformation):
        """The parameters after each update of a transformation, jitted, and its state."""
        params = self.named(self.start)
        state = transformation.init(params)
        traces = []

        def update(gradients, state, params, extras):
            traces.append(1)
            changes, state = transformation.update(gradients, state, params, **extras)
            return optax.apply_updates(params, changes), state

        update = jax.jit(update)
        path = []
        for gradients, extras in zip(self.gradients, self.extras, strict=True):
            more = self.named_extras(extras)
            params, state = update(self.named(gradients), state, params, more)
            path.append([np.asarray(params[name]) for name in self.names])
        assert len(traces) == 1
        return path, state

    def error(self, path, expected):
        """The largest difference of two paths, as a part of the movement of its tensor."""
        worst = 0.0
        for got, wanted in zip(path, expected, strict=True):
            for start, a, b in zip(self.start, got, wanted, strict=True):
                rounding = 4 * STEPS * np.spacing(np.abs(b).max())
                movement = np.abs(b.astype(float) - start).max()
                difference = np.abs(np.asarray(a, float) - b).max()
                assert np.shape(a) == np.shape(b)
                assert np.isfinite(difference)
                worst = max(worst, max(difference - rounding, 0) / max(movement, 1e-300))
        return worst


RULES = {name: getattr(learners, name) for name in learners.__all__}


def of_file(name, **given):
    """A problem that a file of a builtin can solve, and the options to export it with."""
    if name not in ONE_SHAPE:
        return Problem(RULES[name], **given), {}
    shape = ONE_SHAPE[name]
    return Problem(RULES[name], **{**given, "shapes": (shape,)}), {"shape": shape}
