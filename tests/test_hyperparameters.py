"""Hyperparameters, groups, schedules and the minibatch size: what they accept, mean and refuse."""

import math

import numpy as np
import pytest
import sympy
from fixtures_runtime import BACKENDS, contents, every_state, gradients, parameters, train

import learnerdsl as ld
from learnerdsl.runtime import cache
from learnerdsl.schedules import (
    constant,
    cosine,
    exponential,
    inverse_time,
    join,
    linear,
    piecewise_constant,
    polynomial,
    updates_done,
    warmup,
)


@ld.rule
def descent(p, g, lr=0.5, decay=0.0):
    """One step along the gradient: with g = 1, p falls by the learning rate in force."""
    return ld.assign(p, p - lr * (g + decay * p))


@ld.rule
def per_sample(p, g, lr=1.0):
    """A step that shows the clock: step, samples seen before, samples of this update."""
    return ld.assign(p, p - lr * (ld.step + 100 * ld.samples + 10000 * ld.minibatch_size) * g)


@ld.rule
def model_energy(p, g, lr=0.1, keep=0.5, scale=1.0, start=2.0):
    """A state of the model that is computed from `keep` and `start`."""
    energy = ld.state("energy", init=start, shape="model")
    kept = ld.let("kept", keep * energy)
    new = ld.assign(energy, kept + ld.sum(scale * g**2, over="model"))
    return ld.assign(p, p - lr * g / new)


HALVING = ld.Schedule(sympy.Integer(2) ** -ld.step)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def falls(learner, updates):
    """By how much an element with gradient 1 falls in each of the next updates."""
    (array,) = learner.parameters.values()
    fallen = []
    for _ in range(updates):
        before = float(array[0])
        learner.update([np.ones_like(array)])
        fallen.append(before - float(array[0]))
    return fallen


def descending(backend="cpu", **settings):
    """A learner of one zero; in float64, so that small whole multiples of 1/64 are exact."""
    return descent([np.zeros(1)], backend=backend, **settings)


# Values


@pytest.mark.parametrize(
    "value",
    [0.25, np.float32(0.25), np.float64(0.25), sympy.Rational(1, 4), sympy.Float("0.25")],
    ids=["float", "float32", "float64", "rational", "sympy float"],
)
def test_a_number_is_used_as_it_is(value, backend):
    assert falls(descending(backend, lr=value), 2) == [0.25, 0.25]


@pytest.mark.parametrize("value", [2, np.int64(2), sympy.Integer(2)], ids=["int", "int64", "sympy"])
def test_a_whole_number_is_a_number(value, backend):
    assert falls(descending(backend, lr=value), 1) == [2.0]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda step: 1 / 2**step,
        HALVING,
        sympy.Integer(2) ** -ld.step,
        0.5**ld.step,
    ],
    ids=["function", "Schedule", "expression", "expression with a float"],
)
def test_a_schedule_is_evaluated_at_the_number_of_the_update(schedule, backend):
    assert falls(descending(backend, lr=schedule), 3) == [0.5, 0.25, 0.125]


def test_the_default_of_a_rule_may_be_a_schedule(backend):
    @ld.rule
    def halving(p, g, lr=HALVING):
        return ld.assign(p, p - lr * g)

    assert falls(halving([np.zeros(1)], backend=backend), 2) == [0.5, 0.25]


def test_infinity_is_a_number(backend):
    learner = descending(backend, lr=math.inf)
    learner.update([np.ones(1)])
    assert learner.parameters[0][0] == -math.inf


@pytest.mark.parametrize(
    "value", [0.25, lambda step: 0.25, ld.step / 4], ids=["number", "f", "expr"]
)
def test_a_setting_while_training_acts_from_the_next_update(value, backend):
    learner = descending(backend)
    train(learner, [0])
    learner.hyperparameters["lr"] = value
    assert falls(learner, 1) == [0.25 if not isinstance(value, sympy.Expr) else 0.5]


def test_a_number_replaces_a_schedule(backend):
    learner = descending(backend, lr=lambda step: 1 / 2**step)
    falls(learner, 1)
    learner.hyperparameters["lr"] = 2.0
    assert falls(learner, 2) == [2.0, 2.0]


BAD_VALUES = {
    "None": None,
    "text": "0.1",
    "NaN": math.nan,
    "sympy NaN": sympy.nan,
    "bool": True,
    "NumPy bool": np.bool_(True),
    "array": np.array([0.1]),
    "0-d array": np.array(0.1),
    "list": [0.1],
    "complex": 1j,
    "sympy complex": sympy.I,
    "complex infinity": sympy.zoo,
    "condition": ld.step > 3,
    "object": object(),
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_cannot_be_used_is_refused_at_construction(value):
    with pytest.raises(ld.HyperparameterError) as caught:
        descent([np.zeros(1)], lr=value)
    assert "Hyperparameter 'lr' of descent cannot be" in str(caught.value)
    assert "give a number, a schedule, a function of the step" in str(caught.value)


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_cannot_be_used_changes_nothing_when_set(value):
    learner = every_state(parameters("dict"), lr=0.05)
    train(learner, [0])
    before = contents(learner)
    with pytest.raises(ld.HyperparameterError):
        learner.hyperparameters["lr"] = value
    assert contents(learner) == before


def test_an_expression_of_something_else_than_the_step_is_refused():
    with pytest.raises(
        ld.HyperparameterError, match=r"depends on samples; only learnerdsl\.step may"
    ):
        descent([np.zeros(1)], lr=1 / ld.samples)


def test_a_whole_number_beyond_all_floats_is_refused():
    with pytest.raises(ld.HyperparameterError, match="'lr'"):
        descent([np.zeros(1)], lr=10**400)


# Names


def test_an_unknown_hyperparameter_is_refused_at_construction_with_the_known_ones():
    with pytest.raises(
        ld.UnknownNameError, match=r"descent has no argument 'rate'.* are: lr, decay"
    ):
        descent([np.zeros(1)], rate=0.1)


def test_an_unknown_hyperparameter_is_refused_when_read():
    with pytest.raises(
        ld.UnknownNameError, match="descent has no hyperparameter 'rate'; it has: lr,"
    ):
        descending().hyperparameters["rate"]


def test_an_unknown_hyperparameter_is_refused_when_set():
    learner = descending()
    with pytest.raises(
        ld.UnknownNameError, match="descent has no hyperparameter 'rate'; it has: lr,"
    ):
        learner.hyperparameters["rate"] = 0.1
    assert dict(learner.hyperparameters) == {"lr": 0.5, "decay": 0.0}


def test_a_rule_without_hyperparameters_says_so():
    @ld.rule
    def fixed(p, g):
        return ld.assign(p, p - g)

    with pytest.raises(ld.UnknownNameError, match="its arguments are: none"):
        fixed([np.zeros(1)], lr=0.1)


def test_hyperparameters_are_a_mapping_of_the_values_in_force():
    hyperparameters = descending(lr=lambda step: step / 4).hyperparameters
    assert dict(hyperparameters) == {"lr": 0.25, "decay": 0.0}
    assert len(hyperparameters) == 2
    assert "rate" not in hyperparameters


def test_hyperparameters_are_printed_with_their_values():
    shown = repr(descending(lr=lambda step: step / 4).hyperparameters)
    assert shown == "Hyperparameters(lr=0.25, decay=0.0)"


def test_reading_gives_the_value_of_the_coming_update(backend):
    learner = descending(backend, lr=lambda step: 1 / 2**step)
    read = []
    for _ in range(3):
        read.append(learner.hyperparameters["lr"])
        assert falls(learner, 1) == read[-1:]
    assert read == [0.5, 0.25, 0.125]


def test_the_setting_is_the_schedule_itself():
    schedule = linear(1.0, 0.0, steps=4)
    assert descending(lr=schedule).hyperparameters.setting("lr") is schedule


def test_a_hyperparameter_cannot_be_deleted():
    with pytest.raises((AttributeError, TypeError)):
        del descending().hyperparameters["lr"]


# Schedules that fail


@pytest.mark.parametrize(
    ("returned", "written"),
    [(math.nan, "nan"), ("0.1", "'0.1'"), (None, "None"), (1j, "1j"), (np.array([1.0]), "array")],
    ids=["NaN", "text", "None", "complex", "array"],
)
def test_a_schedule_that_returns_no_number_is_refused_with_the_step(returned, written, backend):
    learner = descending(backend, lr=lambda step: returned if step == 2 else 0.5)
    learner.update([np.ones(1)])
    with pytest.raises(ld.HyperparameterError) as caught:
        learner.update([np.ones(1)])
    assert f"The schedule of 'lr' returned {written}" in str(caught.value)
    assert "at step 2; a schedule returns a number that is not NaN" in str(caught.value)


def failing_at(step, how):
    """A schedule that fails at one step."""

    def schedule(now):
        if now != step:
            return now / 10
        if how == "raises":
            msg = "no rate today"
            raise RuntimeError(msg)
        return {"NaN": math.nan, "text": "0.1"}[how]

    return schedule


@pytest.mark.parametrize("name", ["lr", "keep"])
@pytest.mark.parametrize("how", ["NaN", "text", "raises"])
def test_a_schedule_that_fails_changes_nothing(how, name, backend):
    settings = {"lr": lambda step: step / 20, "keep": lambda step: 0.5 + step / 20}
    learner = every_state(
        parameters("dict"), backend=backend, **{**settings, name: failing_at(3, how)}
    )
    train(learner, [0, 1])
    before = contents(learner)
    with pytest.raises((ld.HyperparameterError, RuntimeError)):
        train(learner, [2])
    assert contents(learner) == before


@pytest.mark.parametrize("how", ["NaN", "text", "raises"])
def test_training_goes_on_after_a_schedule_that_failed(how, backend):
    learner = every_state(parameters("dict"), backend=backend, lr=failing_at(3, how))
    expected = every_state(parameters("dict"), backend=backend, lr=lambda step: step / 10)
    train(learner, [0, 1])
    train(expected, [0, 1, 2, 3])
    with pytest.raises((ld.HyperparameterError, RuntimeError)):
        train(learner, [2])
    learner.hyperparameters["lr"] = lambda step: step / 10
    train(learner, [2, 3])
    assert contents(learner)[:4] == contents(expected)[:4]


def test_the_error_of_a_users_schedule_comes_through():
    learner = descending(lr=failing_at(2, "raises"))
    learner.update([np.ones(1)])
    with pytest.raises(RuntimeError, match="no rate today"):
        learner.update([np.ones(1)])


def test_an_expression_without_a_value_at_a_step_is_refused_with_the_step():
    learner = descending(lr=1 / (ld.step - 2))
    learner.update([np.ones(1)])
    with pytest.raises(ld.HyperparameterError, match=r"'lr'.*at step 2"):
        learner.update([np.ones(1)])


def test_a_schedule_that_fails_at_the_first_step_is_refused_at_construction():
    with pytest.raises(ld.HyperparameterError, match="returned nan at step 1"):
        descending(lr=lambda step: math.nan)


# Groups


@pytest.mark.parametrize(
    ("form", "member"), [("dict", "b"), ("list", 1)], ids=["by name", "by index"]
)
def test_a_group_has_values_of_its_own(form, member, backend):
    learner = descent(parameters(form), backend=backend, groups=[{"params": [member], "lr": 0.0}])
    before = contents(learner)
    learner.update(gradients(learner, 0))
    after = contents(learner)
    unmoved = [name for name in before[0] if before[0][name] == after[0][name]]
    assert unmoved == [("parameter", member)]


def test_a_group_does_what_a_learner_of_its_own_would_do(backend):
    both = every_state(
        parameters("dict"), backend=backend, groups=[{"params": ["b"], "lr": 0.3, "keep": 0.5}]
    )
    same = every_state(parameters("dict"), backend=backend, lr=0.3, keep=0.5)
    train(both, [0, 1])
    train(same, [0, 1])
    # Both states of the model depend on the gradients of all, never on the groups.
    assert both.model_state == same.model_state
    assert (both.parameters["b"] == same.parameters["b"]).all()
    assert (both.parameters["w"] != same.parameters["w"]).any()


def test_a_group_uses_the_base_where_it_has_no_value():
    learner = descent(parameters("dict"), lr=0.25, groups=[{"params": ["b"], "decay": 0.5}])
    assert dict(learner.groups[0]) == {"lr": 0.25, "decay": 0.5}


def test_setting_the_base_does_not_change_a_value_of_a_group():
    learner = descent(parameters("dict"), groups=[{"params": ["b"], "lr": 0.0}])
    learner.hyperparameters["lr"] = 0.25
    assert learner.groups[0]["lr"] == 0.0


def test_setting_the_base_changes_what_a_group_has_no_value_for(backend):
    learner = descent(parameters("dict"), backend=backend, groups=[{"params": ["b"], "decay": 0.0}])
    expected = descent(parameters("dict"), backend=backend, lr=0.25)
    learner.hyperparameters["lr"] = 0.25
    learner.update(gradients(learner, 0))
    expected.update(gradients(expected, 0))
    assert contents(learner)[0] == contents(expected)[0]


def test_setting_a_value_of_a_group_does_not_change_the_base():
    learner = descent(parameters("dict"), groups=[{"params": ["b"]}])
    learner.groups[0]["lr"] = 0.25
    assert dict(learner.hyperparameters) == {"lr": 0.5, "decay": 0.0}
    assert dict(learner.groups[0]) == {"lr": 0.25, "decay": 0.0}


def test_a_group_may_have_a_schedule(backend):
    learner = descent(
        [np.zeros(1), np.zeros(1)],
        backend=backend,
        groups=[{"params": [1], "lr": lambda step: 1 / 2**step}],
    )
    for _ in range(2):
        learner.update([np.ones(1), np.ones(1)])
    assert [array[0] for array in learner.parameters.values()] == [-1.0, -0.75]


def test_groups_come_in_the_order_in_which_they_were_given():
    learner = descent(
        [np.zeros(1), np.zeros(1), np.zeros(1)],
        groups=[{"params": [2], "lr": 0.2}, {"params": [0], "lr": 0.1}],
    )
    assert [group["lr"] for group in learner.groups] == [0.2, 0.1]


@pytest.mark.parametrize(
    "params", [["b", "w"], ("b", "w"), {"b", "w"}], ids=["list", "tuple", "set"]
)
def test_a_group_may_hold_all_parameters(params):
    learner = descent(parameters("dict"), groups=[{"params": params, "lr": 0.0}])
    before = contents(learner)[0]
    learner.update(gradients(learner, 0))
    assert contents(learner)[0] == before


def test_a_group_may_be_empty(backend):
    learner = descent(parameters("dict"), backend=backend, groups=[{"params": [], "lr": 0.0}])
    expected = descent(parameters("dict"), backend=backend)
    learner.update(gradients(learner, 0))
    expected.update(gradients(expected, 0))
    assert contents(learner)[0] == contents(expected)[0]


BAD_GROUPS = {
    "no params": (
        [{"lr": 0.0}],
        ld.HyperparameterError,
        ("{'params': ['b'], 'lr': 0.0}", "got {'lr'"),
    ),
    "no dict": ([["b"]], ld.HyperparameterError, ("A group is a dict such as", "got ['b']")),
    "one dict": ({"params": ["b"]}, ld.HyperparameterError, ("A group is a dict such as",)),
    "a number": (3, ld.HyperparameterError, ("groups",)),
    "unknown name": (
        [{"params": ["bias"], "lr": 0.0}],
        ld.UnknownNameError,
        ("Group 1 names 'bias', which is not a parameter", "there are 'w', 'b'"),
    ),
    "index of a dict": ([{"params": [1]}], ld.UnknownNameError, ("Group 1 names 1",)),
    "name in two groups": (
        [{"params": ["b"], "lr": 0.0}, {"params": ["w", "b"], "lr": 0.1}],
        ld.HyperparameterError,
        ("Parameter 'b' is in groups 1 and 2", "name it once"),
    ),
    "name twice": ([{"params": ["b", "b"]}], ld.HyperparameterError, ("'b'", "name it once")),
    "text for a list": ([{"params": "bias"}], ld.LearnerError, ("'bias'", "['bias']")),
    "text of one letter": ([{"params": "b"}], ld.LearnerError, ("'b'", "['b']")),
    "number for a list": ([{"params": 1}], ld.LearnerError, ("1",)),
    "arrays for names": ([{"params": [np.zeros(2)]}], ld.LearnerError, ("Group 1",)),
    "unknown hyperparameter": (
        [{"params": ["b"], "rate": 0.1}],
        ld.UnknownNameError,
        ("descent has no hyperparameter 'rate'", "it has: lr, decay"),
    ),
    "bad value": ([{"params": ["b"], "lr": "0.1"}], ld.HyperparameterError, ("cannot be '0.1'",)),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_groups_that_cannot_be_used_are_refused(case):
    groups, error, parts = BAD_GROUPS[case]
    with pytest.raises(error) as caught:
        descent(parameters("dict"), groups=groups)
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)


def test_an_index_beyond_the_parameters_is_refused():
    with pytest.raises(ld.UnknownNameError, match="Group 1 names 2, which is not a parameter"):
        descent(parameters("list"), groups=[{"params": [2]}])


@pytest.mark.parametrize("name", ["keep", "start"])
def test_a_group_cannot_change_what_a_state_of_the_model_is_computed_from(name):
    with pytest.raises(ld.HyperparameterError) as caught:
        model_energy(parameters("dict"), groups=[{"params": ["b"], name: 0.1}])
    assert f"{name!r} of model_energy cannot differ between groups" in str(caught.value)
    assert "state 'energy', one scalar for the whole model" in str(caught.value)


def test_setting_in_a_group_what_a_state_of_the_model_is_computed_from_changes_nothing():
    learner = model_energy(parameters("dict"), groups=[{"params": ["b"], "lr": 0.2}])
    before = contents(learner)
    with pytest.raises(ld.HyperparameterError, match="'keep' of model_energy cannot differ"):
        learner.groups[0]["keep"] = 0.1
    assert contents(learner) == before


@pytest.mark.parametrize("name", ["lr", "scale"])
def test_a_group_may_change_what_a_state_of_the_model_only_sums_over_elements(name):
    values = {"lr": 0.25, "scale": 3.0}
    cpu, oracle = (
        model_energy(
            parameters("dict", np.float64),
            backend=backend,
            groups=[{"params": ["b"], name: values[name]}],
        )
        for backend in BACKENDS
    )
    train(cpu, [0, 1])
    train(oracle, [0, 1])
    assert cpu.model_state["energy"] == pytest.approx(oracle.model_state["energy"], rel=1e-14)
    np.testing.assert_allclose(cpu.parameters["b"], oracle.parameters["b"], rtol=1e-14)


def test_the_base_may_change_what_a_state_of_the_model_is_computed_from(backend):
    learner = model_energy(
        parameters("dict"), backend=backend, groups=[{"params": ["b"], "lr": 0.2}]
    )
    learner.hyperparameters["keep"] = 0.0
    learner.update({"w": np.zeros((3, 4), np.float32), "b": np.ones(4, np.float32)})
    assert learner.model_state == {"energy": 4.0}


# The minibatch size and the samples


@pytest.mark.parametrize(
    "size", [0, -1, -0.5, math.nan, math.inf, "32", None, [32], np.array([32]), 1j], ids=repr
)
def test_a_minibatch_size_that_is_no_positive_number_is_refused(size):
    learner = descending()
    with pytest.raises(ld.HyperparameterError) as caught:
        learner.update([np.ones(1)], minibatch_size=size)
    assert f"minibatch_size must be a positive number of samples, got {size!r}" in str(caught.value)


@pytest.mark.parametrize("size", [0, "32", math.nan])
def test_a_bad_minibatch_size_changes_nothing(size, backend):
    learner = every_state(parameters("dict"), backend=backend)
    expected = every_state(parameters("dict"), backend=backend)
    train(learner, [0])
    with pytest.raises(ld.HyperparameterError):
        learner.update(gradients(learner, 1), minibatch_size=size)
    train(learner, [1])
    train(expected, [0, 1])
    assert contents(learner) == contents(expected)


def test_samples_are_the_sum_of_the_minibatches(backend):
    learner = descending(backend)
    seen = [learner.samples]
    for size in (3, 3, 0.5, np.int64(2)):
        learner.update([np.ones(1)], minibatch_size=size)
        seen.append(learner.samples)
    assert seen == [0.0, 3.0, 6.0, 6.5, 8.5]


def test_an_update_is_of_one_sample_unless_it_says_otherwise(backend):
    learner = descending(backend)
    learner.update([np.ones(1)], minibatch_size=5)
    learner.update([np.ones(1)])
    assert learner.samples == 6.0


def test_a_rule_sees_the_step_the_samples_before_it_and_the_minibatch(backend):
    learner = per_sample([np.zeros(1)], backend=backend)
    fallen = []
    for size in (3, 5):
        before = float(learner.parameters[0][0])
        learner.update([np.ones(1)], minibatch_size=size)
        fallen.append(before - float(learner.parameters[0][0]))
    assert fallen == [30001.0, 50302.0]


# Nothing compiles again


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A cache directory for this test, which no other process writes to."""
    monkeypatch.setenv("LEARNERDSL_CACHE_DIR", str(tmp_path))
    return tmp_path


def compiled(directory):
    """How many modules of kernels this process has, and every file with the time of its writing."""
    files = sorted(directory.rglob("*.*"))
    return len(cache._loaded), [(file, file.stat().st_mtime_ns) for file in files]


CHANGES = {
    "a number": 0.25,
    "a function": lambda step: 0.1,
    "a schedule": cosine(0.1, steps=10),
    "an expression": 0.1 / ld.sqrt(ld.step),
}


def test_making_a_learner_of_a_new_rule_does_compile(directory):
    before = compiled(directory)
    descent(parameters("dict"))
    assert compiled(directory)[0] == before[0] + 1
    assert compiled(directory)[1]


@pytest.mark.parametrize("value", CHANGES.values(), ids=CHANGES)
def test_setting_a_hyperparameter_compiles_nothing(value, directory):
    learner = descent(parameters("dict"))
    train(learner, [0])
    before = compiled(directory)
    learner.hyperparameters["lr"] = value
    train(learner, [1, 2])
    assert compiled(directory) == before


@pytest.mark.parametrize("value", CHANGES.values(), ids=CHANGES)
def test_a_learner_with_other_hyperparameters_compiles_nothing(value, directory):
    train(descent(parameters("dict")), [0])
    before = compiled(directory)
    train(descent(parameters("dict"), lr=value), [0])
    assert compiled(directory) == before


def test_groups_other_shapes_and_other_forms_compile_nothing(directory):
    train(descent(parameters("dict")), [0])
    before = compiled(directory)
    train(descent(parameters("list"), groups=[{"params": [0], "lr": 0.2}]), [0])
    train(descent([np.ones((2, 3, 4), np.float32)]), [0])
    assert compiled(directory) == before


# The schedules of the package against closed formulas, k being the number of updates done

STEPS = (1, 2, 3, 5, 8, 13, 40)

FORMULAS = {
    "constant": (constant(0.3), lambda k: 0.3),
    "exponential": (exponential(0.5, 0.9), lambda k: 0.5 * 0.9**k),
    "exponential slowly": (exponential(0.5, 0.9, 4), lambda k: 0.5 * 0.9 ** (k / 4)),
    "inverse time": (inverse_time(0.5, 2.0), lambda k: 0.5 / (1 + 2 * k)),
    "inverse time slowly": (inverse_time(0.5, 2.0, 4), lambda k: 0.5 / (1 + k / 2)),
    "linear": (linear(1.0, 0.2, 8), lambda k: 1 - 0.8 * min(k, 8) / 8),
    "linear upwards": (linear(0.0, 2.0, 5), lambda k: 2 * min(k, 5) / 5),
    "polynomial": (polynomial(1.0, 0.2, 8, 3), lambda k: 0.2 + 0.8 * (1 - min(k, 8) / 8) ** 3),
    "root": (polynomial(1.0, 0.0, 8, 0.5), lambda k: math.sqrt(1 - min(k, 8) / 8)),
    "cosine": (cosine(0.4, 10), lambda k: 0.2 * (1 + math.cos(math.pi * min(k, 10) / 10))),
    "cosine to a rest": (
        cosine(0.4, 10, final=0.1),
        lambda k: 0.1 + 0.15 * (1 + math.cos(math.pi * min(k, 10) / 10)),
    ),
    "piecewise constant": (
        piecewise_constant([0.4, 0.2, 0.1], [2, 7]),
        lambda k: 0.4 if k < 2 else 0.2 if k < 7 else 0.1,
    ),
    "warmup": (
        warmup(exponential(0.5, 0.9), 4),
        lambda k: 0.5 * k / 4 if k < 4 else 0.5 * 0.9 ** (k - 4),
    ),
    "warmup from a value": (
        warmup(constant(1.0), 5, initial=0.5),
        lambda k: 0.5 + 0.5 * min(k, 5) / 5,
    ),
    "join": (
        join([constant(0.7), exponential(1.0, 0.5), linear(0.5, 0.0, 4)], [3, 6]),
        lambda k: 0.7 if k < 3 else 0.5 ** (k - 3) if k < 6 else 0.5 - 0.5 * min(k - 6, 4) / 4,
    ),
    "join from the very start": (
        join([constant(0.7), exponential(1.0, 0.5)], [3], relative=False),
        lambda k: 0.7 if k < 3 else 0.5**k,
    ),
    "an expression": (ld.Schedule(0.1 / ld.sqrt(ld.step)), lambda k: 0.1 / math.sqrt(k + 1)),
    "arithmetic": (
        ld.Schedule(linear(1.0, 0.0, 8).expression * 2 + updates_done),
        lambda k: 2 * (1 - min(k, 8) / 8) + k,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_schedule_follows_its_formula(name):
    schedule, formula = FORMULAS[name]
    expected = [formula(step - 1) for step in STEPS]
    assert [schedule(step) for step in STEPS] == pytest.approx(expected, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_schedule_is_an_expression_of_the_step(name):
    schedule, _ = FORMULAS[name]
    assert schedule.expression.free_symbols <= {ld.step}
    assert float(schedule.expression.subs(ld.step, 5)) == pytest.approx(schedule(5), rel=1e-14)


def test_schedules_with_equal_expressions_are_equal():
    assert linear(1.0, 0.0, 4) == polynomial(1.0, 0.0, 4)
    assert hash(linear(1.0, 0.0, 4)) == hash(polynomial(1.0, 0.0, 4))


def test_a_schedule_gives_a_learner_the_same_numbers_as_it_gives_when_called():
    schedule = cosine(1.0, steps=4)
    expected = [schedule(step) for step in (1, 2, 3, 4, 5)]
    assert falls(descending(lr=schedule), 5) == pytest.approx(expected, rel=1e-14, abs=1e-15)


def test_a_schedule_can_be_shown_as_mathematics():
    assert constant(0.5)._repr_latex_() == "$$0.5$$"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda steps: exponential(1.0, 0.5, steps), "decay_steps"),
        (lambda steps: inverse_time(1.0, 0.5, steps), "decay_steps"),
        (lambda steps: polynomial(1.0, 0.0, steps), "steps"),
        (lambda steps: linear(1.0, 0.0, steps), "steps"),
        (lambda steps: cosine(1.0, steps), "steps"),
        (lambda steps: warmup(constant(1.0), steps), "steps"),
    ],
    ids=["exponential", "inverse_time", "polynomial", "linear", "cosine", "warmup"],
)
@pytest.mark.parametrize("steps", [0, -1, math.nan, "4", None])
def test_a_schedule_lasts_a_positive_number_of_updates(make, name, steps):
    with pytest.raises(ld.HyperparameterError, match=f"positive number of updates, got {name}="):
        make(steps)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.2, 0.3]], ids=len)
def test_one_boundary_separates_two_values(values):
    with pytest.raises(ld.HyperparameterError, match="1 boundaries separate 2 values, but"):
        piecewise_constant(values, [3])


@pytest.mark.parametrize("boundaries", [[5, 2], [3, 3]], ids=["falling", "equal"])
def test_boundaries_increase(boundaries):
    with pytest.raises(
        ld.HyperparameterError, match="3 schedules need 2 increasing boundaries; got"
    ):
        piecewise_constant([0.1, 0.2, 0.3], boundaries)


def test_schedules_are_joined_by_one_boundary_less():
    with pytest.raises(ld.HyperparameterError, match="2 schedules need 1 increasing boundaries"):
        join([constant(0.1), constant(0.2)], [])


@pytest.mark.parametrize("value", [None, "0.1", True], ids=repr)
def test_a_constant_schedule_needs_a_number(value):
    with pytest.raises(ld.LearnerError, match="is not an expression"):
        constant(value)


@pytest.mark.parametrize(
    "make", [warmup, lambda rate, steps: join([rate, rate], [steps])], ids=["warmup", "join"]
)
@pytest.mark.parametrize("rate", [0.1, lambda step: 0.1], ids=["number", "function"])
def test_what_is_no_schedule_cannot_be_joined(make, rate):
    with pytest.raises(ld.HyperparameterError, match="schedule"):
        make(rate, 4)
