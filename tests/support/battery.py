"""Builtins run beside their references: learners, what they are given, and how near they come."""

import numpy as np

from learnerdsl import learners
from support.problems import ARRAY_EXTRAS, EXTRAS, SCALAR_EXTRAS, fitted
from support.rules import my_rmsprop

RULES = {name: getattr(learners, name) for name in learners.__all__} | {"my_rmsprop": my_rmsprop}
BUILTINS = learners.__all__
SHAPES = ((), (1,), (0,), (7, 5), (3, 4, 2), (130, 129), (100_003,))
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def variants(rule):
    """The rule traced for a number, a vector and tensors of two and three axes."""
    shapes = fitted(rule.name, ((), (7,), (7, 5), (3, 4, 2)))
    return [rule.trace(shape=shape) for shape in shapes]


def start_values(rule):
    """Names of the hyperparameters that states start from; they count at construction alone."""
    inits = (spec.init for variant in variants(rule) for spec in variant.states)
    return {str(symbol) for init in inits for symbol in init.free_symbols}


def extra_values(hyper, dtype):
    """What `update` takes beside the gradients."""
    extras = {n: v for n, v in hyper.items() if n in EXTRAS}
    return {
        n: [np.asarray(a, dtype) for a in v] if isinstance(v, list) else v
        for n, v in extras.items()
    }


def follow(rule, start, sequence, hypers, **arguments):
    """The parameters after each step; the hyperparameters are those of that step."""
    params = [array.copy() for array in start]
    first = {n: v for n, v in hypers[0].items() if n in start_values(rule)}
    learner = rule(params, **first, **arguments)
    path = []
    for gradients, hyper in zip(sequence, hypers, strict=True):
        for name, value in hyper.items():
            if name not in EXTRAS:
                learner.hyperparameters[name] = value
        assert learner.update(gradients, 3, **extra_values(hyper, start[0].dtype))
        path.append([p.copy() for p in params])
    return path


def run(rule, dtype, shapes, hypers, **arguments):
    """Start, gradients and end of a run; the gradients are rounded to the dtype."""
    rng = np.random.default_rng([7, *rule.name.encode()])
    shapes = fitted(rule.name, shapes)
    start = [np.array(rng.standard_normal(shape), dtype) for shape in shapes]
    sequence = [[np.array(rng.standard_normal(shape), dtype) for shape in shapes] for _ in hypers]
    return start, sequence, follow(rule, start, sequence, hypers, **arguments)


def update_once(learner, gradients):
    """One update, with ones for what the rule takes beside the gradients."""
    shapes = [p.shape for p in learner.parameters.values()]
    values = dict.fromkeys(SCALAR_EXTRAS, 1.5) | {
        n: [np.ones(s) for s in shapes] for n in ARRAY_EXTRAS
    }
    named = isinstance(gradients, dict)
    dtype = next(iter(learner.parameters.values())).dtype
    extras = {}
    for n in getattr(learner, "extras", ()):
        value = values[n]
        if n in ARRAY_EXTRAS:
            value = [a.astype(dtype) for a in value]
            value = dict(zip(learner.parameters, value, strict=True)) if named else value
        extras[n] = value
    learner.update({n: g.copy() for n, g in gradients.items()} if named else gradients, **extras)


def assert_close(start, path, expected, tolerance):
    """Relative to the larger of the parameter and its movement, the way that its element went.

    The end point alone would not do: an element that returns to where it was near zero has moved
    through values whose rounding it keeps.
    """
    last = [np.asarray(p, np.float64) for p in start]
    movement = [np.zeros(np.shape(p)) for p in start]
    for step, (got, wanted) in enumerate(zip(path, expected, strict=True), 1):
        for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
            movement[k] = movement[k] + np.abs(b - last[k])
            last[k] = b
            scale = np.maximum(np.maximum(np.abs(b), movement[k]), np.abs(start[k]))
            error = np.abs(a - b) / np.where(scale > 0, scale, 1)
            assert np.max(error, initial=0) <= tolerance, (step, k, np.max(error))
