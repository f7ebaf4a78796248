"""The battery that every builtin learner passes; its cases come from the package."""

import numpy as np
import pytest
from learners.problems import STEPS, hyperparameters, trajectory
from references import REFERENCES
from rules import my_rmsprop

from learnerdsl import learners

RULES = {name: getattr(learners, name) for name in learners.__all__} | {"my_rmsprop": my_rmsprop}
SHAPES = ((), (1,), (0,), (7, 5), (3, 4, 2), (100_003,))
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
TWO_PASSES = {"lamb", "lars"}
# These two set the size of their steps themselves; 0.02 of it would take for ever.
LEARNING_RATES = {"adadelta": 1.0, "lars": 1.0}


def run(rule, dtype, shapes, hypers, **arguments):
    """Start, gradients and end of a run; the gradients are rounded to the dtype."""
    rng = np.random.default_rng([7, *rule.name.encode()])
    start = [np.array(rng.standard_normal(shape), dtype) for shape in shapes]
    sequence = [[np.array(rng.standard_normal(shape), dtype) for shape in shapes] for _ in hypers]
    params = [array.copy() for array in start]
    first = {n: v for n, v in hypers[0].items() if n == "initial_accumulator"}
    learner = rule(params, **first, **arguments)
    path = []
    for gradients, hyper in zip(sequence, hypers, strict=True):
        for name, value in hyper.items():
            learner.hyperparameters[name] = value
        assert learner.update(gradients, minibatch_size=3)
        path.append([p.copy() for p in params])
    return start, sequence, path


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [SHAPES, ((3, 5),) * 300], ids=["shapes", "300-tensors"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_compiled_rule_follows_the_reference(name, shapes, dtype):
    hypers = hyperparameters(name, np.random.default_rng(11))
    start, sequence, path = run(RULES[name], dtype, shapes, hypers)
    wide = [[g.astype(np.float64) for g in gradients] for gradients in sequence]
    expected = trajectory(name, [p.astype(np.float64) for p in start], wide, hypers)
    assert_close(start, path, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_compiled_rule_follows_the_oracle(name, dtype):
    hypers = hyperparameters(name, np.random.default_rng(12))
    start, _, path = run(RULES[name], dtype, SHAPES[:-1], hypers)
    _, _, expected = run(RULES[name], dtype, SHAPES[:-1], hypers, backend="numpy")
    assert_close(start, path, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(RULES))
def test_nonfinite_gradients_propagate_as_in_numpy(name, bad):
    ends = []
    for backend in ("cpu", "numpy"):
        params = [np.linspace(-1, 1, 40, dtype=np.float32), np.ones((), np.float32)]
        learner = RULES[name](params, backend=backend)
        gradient = np.linspace(1, 2, 40, dtype=np.float32)
        learner.update([gradient, np.ones((), np.float32)])
        gradient[[0, 17, 39]] = bad
        learner.update([gradient, np.ones((), np.float32)])
        states = [a for s in learner.state.values() for a in s.values()]
        ends.append([*params, *states])
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_array_equal(np.isnan(compiled), np.isnan(oracle))
        np.testing.assert_array_equal(np.isinf(compiled), np.isinf(oracle))


@pytest.mark.parametrize("name", learners.__all__)
def test_every_builtin_has_a_reference(name):
    assert name in REFERENCES


@pytest.mark.parametrize("name", sorted(RULES))
def test_rule_falls_on_a_quadratic(name):
    rng = np.random.default_rng(3)
    target = rng.standard_normal(50).astype(np.float32)
    weights = np.ones(50, np.float32)
    learner = RULES[name]([weights], lr=LEARNING_RATES.get(name, 0.02))
    before = np.sum((weights - target) ** 2)
    for _ in range(1000 if name in LEARNING_RATES else 400):
        learner.update([weights - target])
    assert np.sum((weights - target) ** 2) < 0.7 * before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_states_have_the_shape_and_dtype_of_the_parameter(name, dtype):
    params = {"w": np.ones((3, 4), dtype), "b": np.ones((), dtype)}
    learner = RULES[name](params)
    learner.update({n: p.copy() for n, p in params.items()})
    for parameter, states in learner.state.items():
        assert params[parameter].dtype == dtype
        for array in states.values():
            assert array.shape == params[parameter].shape
            assert array.dtype == dtype


@pytest.mark.parametrize("name", sorted(RULES))
def test_serial_and_parallel_launches_agree_bitwise(name):
    rng = np.random.default_rng(5)
    start = [rng.standard_normal(n).astype(np.float32) for n in (70_001, 3, 20_000)]
    gradients = [rng.standard_normal(p.size).astype(np.float32) for p in start]
    ends = []
    for is_parallel in (False, True):
        params = [p.copy() for p in start]
        learner = RULES[name](params)
        learner._engine.use_threads(is_parallel)
        for _ in range(3):
            learner.update(gradients)
        ends.append([*params, *(a for s in learner.state.values() for a in s.values())])
    for serial, parallel in zip(*ends, strict=True):
        np.testing.assert_array_equal(serial, parallel)


@pytest.mark.parametrize("name", sorted(RULES))
def test_plan_has_the_fewest_passes_and_touches_each_array_once_in_each(name):
    plan = RULES[name].plan()
    assert len(plan.passes) == (2 if name in TWO_PASSES else 1)
    for one in plan.passes:
        assert len(set(one.reads)) == len(one.reads)
    written = [array for one in plan.passes for array in one.writes]
    assert len(set(written)) == len(written)


def test_plans_have_the_known_traffic():
    traffic = {name: RULES[name].plan().bytes_per_element for name in RULES}
    expected = {"sgd": 12, "momentum_sgd": 20, "adam": 28, "lion": 20, "lars": 28, "lamb": 40}
    assert {name: traffic[name] for name in expected} == expected


@pytest.mark.parametrize("name", learners.__all__)
def test_generated_code_is_the_golden_file(name, golden):
    golden(f"{name}.cpu.py", RULES[name].source("cpu"))


def test_hyperparameters_change_every_step_in_these_tests():
    assert len({h["lr"] for h in hyperparameters("adam", np.random.default_rng(11))}) == STEPS
