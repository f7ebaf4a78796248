"""The battery that every builtin learner passes; its cases come from the package."""

import numpy as np
import pytest
from support.battery import (
    BUILTINS,
    RULES,
    SHAPES,
    TOLERANCE,
    assert_close,
    follow,
    run,
    update_once,
)
from support.families import PASSES, ROUNDING
from support.problems import (
    STEPS,
    assert_same_path,
    fitted,
    hyperparameters,
    problem,
    trajectory,
)
from support.references import REFERENCES
from support.tiers import REPRESENTATIVES, few_of_shared, in_both_dtypes, in_float32, one_of_each

import learnerdsl as ld
from learnerdsl import learners


def check_by_reference(name, shapes, dtype):
    """Assert that the compiled rule goes the way of the one written by hand."""
    hypers = hyperparameters(name, np.random.default_rng(11), shapes)
    start, sequence, path = run(RULES[name], dtype, shapes, hypers)
    wide = [[g.astype(np.float64) for g in gradients] for gradients in sequence]
    expected = trajectory(name, [p.astype(np.float64) for p in start], wide, hypers)
    factor = ROUNDING.get(name, (1, ""))[0]
    assert_close(start, path, expected, factor * TOLERANCE[dtype])


@pytest.mark.parametrize(("name", "dtype"), in_both_dtypes(sorted(RULES)))
def test_compiled_rule_follows_the_reference(name, dtype):
    check_by_reference(name, SHAPES, dtype)


@pytest.mark.parametrize(("name", "dtype"), in_float32(sorted(RULES)))
def test_compiled_rule_follows_the_reference_on_300_tensors(name, dtype):
    check_by_reference(name, ((3, 5),) * 300, dtype)


@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("name", one_of_each(sorted(RULES)))
def test_steps_are_those_of_the_reference_for_gradients_of_any_size(name, gradient_size):
    rng, start, sequence = problem(name, gradient_size)
    hypers = hyperparameters(name, rng)
    path = follow(RULES[name], start, sequence, hypers)
    assert_same_path(1e-9, start, trajectory(name, start, sequence, hypers), path)


@pytest.mark.parametrize(("name", "dtype"), in_float32(sorted(RULES)))
def test_compiled_rule_follows_the_oracle(name, dtype):
    hypers = hyperparameters(name, np.random.default_rng(12), SHAPES[:-1])
    start, _, path = run(RULES[name], dtype, SHAPES[:-1], hypers)
    _, _, expected = run(RULES[name], dtype, SHAPES[:-1], hypers, backend="numpy")
    factor = ROUNDING.get(name, (1, ""))[0]
    assert_close(start, path, expected, factor * TOLERANCE[dtype])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", few_of_shared(sorted(RULES), REPRESENTATIVES))
def test_nonfinite_gradients_propagate_as_in_numpy(name, bad):
    ends = []
    for backend in ("cpu", "numpy"):
        many, one = fitted(name, ((40,), ()))
        params = [np.linspace(-1, 1, 40, dtype=np.float32).reshape(many), np.ones(one, np.float32)]
        params.append(params[0].reshape(8, 5).copy())
        learner = RULES[name](params, backend=backend)
        gradient = np.linspace(1, 2, 40, dtype=np.float32).reshape(many)
        for is_bad in (False, True):
            if is_bad:
                gradient.flat[[0, 17, 39]] = bad
            update_once(learner, [gradient, np.ones(one, np.float32), gradient.reshape(8, 5)])
        states = [a for s in learner.state.values() for _, a in sorted(s.items())]
        ends.append([*params, *states])
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_array_equal(np.isnan(compiled), np.isnan(oracle))
        np.testing.assert_array_equal(np.isinf(compiled), np.isinf(oracle))


@pytest.mark.parametrize("name", learners.__all__)
def test_every_builtin_has_a_reference(name):
    assert name in REFERENCES


@pytest.mark.parametrize(("name", "dtype"), in_both_dtypes(sorted(RULES)))
def test_states_have_their_shape_and_the_dtype_of_the_parameter(name, dtype):
    shapes = fitted(name, {"w": (3, 4), "v": (5,), "b": ()})
    params = {n: np.ones(shape, dtype) for n, shape in shapes.items()}
    learner = RULES[name](params)
    update_once(learner, params)
    for parameter, states in learner.state.items():
        p = params[parameter]
        assert p.dtype == dtype
        own = (spec.symbol for spec in RULES[name].trace(shape=p.shape).states)
        symbols = {symbol.name: symbol for symbol in own}
        of_model = {s for s, symbol in symbols.items() if symbol.shape == "model"}
        assert states.keys() == symbols.keys() - of_model
        assert learner.model_state.keys() == of_model
        for state, array in states.items():
            assert array.shape == symbols[state].array_shape(p.shape)
            assert array.dtype == (np.float64 if symbols[state].shape == "tensor" else dtype)


@pytest.mark.parametrize("name", few_of_shared(BUILTINS, REPRESENTATIVES))
def test_saved_and_resumed_run_is_bitwise_the_same(name, tmp_path):
    rng = np.random.default_rng(13)
    shapes = fitted(name, {"w": (3, 4), "b": (5,)})
    gradients = [{n: rng.standard_normal(s) for n, s in shapes.items()} for _ in range(6)]
    whole = {n: np.ones(s) for n, s in shapes.items()}
    learner = RULES[name](whole)
    for k, gradient in enumerate(gradients):
        if k == 3:
            learner.save(tmp_path / "state")
            parted = {n: p.copy() for n, p in whole.items()}
        update_once(learner, gradient)
    resumed = RULES[name](parted)
    resumed.load(tmp_path / "state")
    for gradient in gradients[3:]:
        update_once(resumed, gradient)
    for n in shapes:
        np.testing.assert_array_equal(whole[n], parted[n])


@pytest.mark.parametrize("name", few_of_shared(BUILTINS, REPRESENTATIVES))
def test_every_hyperparameter_takes_a_schedule(name):
    names = [str(symbol) for symbol in RULES[name].trace().hyperparameters]
    (shape,) = fitted(name, ((7,),))
    plain, scheduled = np.ones(shape), np.ones(shape)
    defaults = RULES[name]([np.ones(shape)]).hyperparameters
    learners_ = [
        RULES[name]([plain]),
        RULES[name]([scheduled], **{n: ld.schedules.constant(defaults[n]) for n in names}),
    ]
    for learner in learners_:
        for _ in range(3):
            update_once(learner, [np.linspace(-1, 1, 7).reshape(shape)])
    np.testing.assert_array_equal(plain, scheduled)


@pytest.mark.parametrize("name", few_of_shared(sorted(RULES), REPRESENTATIVES))
def test_serial_and_parallel_launches_agree_bitwise(name):
    rng = np.random.default_rng(5)
    shapes = fitted(name, ((70_001,), (3,), (200, 100)))
    start = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    gradients = [rng.standard_normal(p.shape).astype(np.float32) for p in start]
    ends = []
    for is_parallel in (False, True):
        params = [p.copy() for p in start]
        learner = RULES[name](params)
        learner._engine.use_threads(is_parallel)
        for _ in range(3):
            update_once(learner, gradients)
        ends.append([*params, *(a for s in learner.state.values() for a in s.values())])
    for serial, parallel in zip(*ends, strict=True):
        np.testing.assert_array_equal(serial, parallel)


@pytest.mark.parametrize("name", sorted(RULES))
def test_plan_has_the_fewest_passes_and_touches_each_array_once_in_each(name):
    plan = RULES[name].plan()
    assert len(plan.passes) == PASSES.get(name, 1)
    for one in plan.passes:
        assert len(set(one.reads)) == len(one.reads)
    written = [array for one in plan.passes for array in one.writes]
    assert len(set(written)) == len(written)


def test_plans_have_the_known_traffic():
    traffic = {name: RULES[name].plan().bytes_per_element for name in RULES}
    expected = {"sgd": 12, "momentum_sgd": 20, "adam": 28, "lion": 20, "lars": 28, "lamb": 40}
    assert {name: traffic[name] for name in expected} == expected


def test_hyperparameters_change_every_step_in_these_tests():
    assert len({h["lr"] for h in hyperparameters("adam", np.random.default_rng(11))}) == STEPS
