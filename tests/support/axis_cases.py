"""Rules over axes, and how they are run: compiled in one thread and in several, and interpreted."""

import numpy as np

SHAPES = (
    *((1,), (5,), (0,), (3, 4), (1, 6), (6, 1), (0, 5), (5, 0)),
    *((2, 3, 4), (1, 1, 5), (2, 0, 3), (2, 3, 1, 4), (1, 2, 0, 3)),
)
TOLERANCE = {"float32": {"rtol": 2e-5, "atol": 2e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}


def normal_arrays(seed, shapes, dtype):
    rng = np.random.default_rng(seed)
    return [np.array(rng.standard_normal(shape), dtype) for shape in shapes]


def trained(rule, shapes, dtype, backend, steps=2, is_parallel=False, **arguments):
    """Parameters, states of tensors and states of the model after some steps, and the learner."""
    params = normal_arrays(0, shapes, dtype)
    learner = rule(params, backend=backend, **arguments)
    if backend == "cpu":
        learner._engine.use_threads(is_parallel)
    for step in range(steps):
        learner.update(normal_arrays(1 + step, shapes, dtype))
    states = [a for own in learner.state.values() for a in own.values()]
    return [*params, *states, *(np.array(v) for v in learner.model_state.values())]


def assert_backends_agree(rule, shapes, dtype, **arguments):
    """Serial = parallel bitwise, and both = the oracle; returns what came out."""
    expected = trained(rule, shapes, dtype, "numpy", **arguments)
    serial = trained(rule, shapes, dtype, "cpu", **arguments)
    parallel = trained(rule, shapes, dtype, "cpu", is_parallel=True, **arguments)
    for wanted, one, other in zip(expected, serial, parallel, strict=True):
        assert one.dtype == wanted.dtype
        np.testing.assert_array_equal(one, other)
        largest = np.max(np.abs(wanted), initial=1.0, where=np.isfinite(wanted))
        tolerance = TOLERANCE[dtype]["rtol"]
        np.testing.assert_allclose(one, wanted, rtol=tolerance, atol=tolerance * largest)
    return serial
