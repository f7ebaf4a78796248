"""Builtins on a device beside the oracle, with hyperparameters that change at every step."""

import numpy as np

from learnerdsl import learners
from learnerdsl.runtime.arrays.interop import copy_to_host
from support.battery import start_values
from support.problems import EXTRAS, SCALAR_EXTRAS, fitted, hyperparameters

# More than a chunk, more than a block, one element, none; vectors, matrices, more axes.
SHAPES = ((), (0,), (7, 5), (3, 4, 2), (70, 61), (257,))
STEPS = 2


def path_of(rule, start, sequence, hypers, place, **arguments):
    """The parameters in NumPy after each step; `place` puts arrays where they are updated."""
    params = [place(array) for array in start]
    first = {n: v for n, v in hypers[0].items() if n in start_values(rule)}
    learner = rule(params, **first, **arguments)
    path = []
    for gradients, hyper in zip(sequence, hypers, strict=True):
        for name, value in hyper.items():
            if name not in EXTRAS:
                learner.hyperparameters[name] = value
        extras = {n: v for n, v in hyper.items() if n in EXTRAS}
        for name in extras.keys() - SCALAR_EXTRAS:
            extras[name] = [place(np.asarray(a, start[0].dtype)) for a in extras[name]]
        learner.update([place(g) for g in gradients], 3, **extras)
        path.append([np.array(copy_to_host(p)) for p in params])
    return path, learner


def run_both(name, dtype, place, shapes=SHAPES, **arguments):
    """Start, path on the device, path of the oracle, and both learners."""
    rule = getattr(learners, name)
    hypers = hyperparameters(name, np.random.default_rng(11), shapes, STEPS)
    rng = np.random.default_rng([7, *name.encode()])
    shapes = fitted(name, shapes)
    start = [np.array(rng.standard_normal(shape), dtype) for shape in shapes]
    sequence = [[np.array(rng.standard_normal(s), dtype) for s in shapes] for _ in hypers]
    found, learner = path_of(rule, start, sequence, hypers, place, **arguments)
    own = {**arguments, "backend": "numpy"}
    expected, oracle = path_of(rule, start, sequence, hypers, np.copy, **own)
    return start, found, expected, learner, oracle


def assert_same_states(learner, oracle, tolerance):
    """States agree, relative to the largest value of each."""
    found, expected = learner.state_dict(), oracle.state_dict()
    for name, states in expected["state"].items():
        assert found["state"][name].keys() == states.keys()
        for state, array in states.items():
            got = found["state"][name][state]
            assert (got.shape, got.dtype) == (array.shape, array.dtype)
            scale = np.max(np.abs(array[np.isfinite(array)]), initial=0)
            np.testing.assert_allclose(got, array, rtol=0, atol=tolerance * scale, err_msg=state)
    for state, value in expected["model_state"].items():
        np.testing.assert_allclose(found["model_state"][state], value, rtol=tolerance)
