"""Hyperparameters and the minibatch size: what they accept, mean and refuse."""

import math
from decimal import Decimal
from fractions import Fraction

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy
import torch
from support.checkpoints import with_option
from support.small_rules import (
    BACKENDS,
    contents,
    descending,
    descent,
    every_state,
    falls,
    gradients,
    parameters,
    train,
)

import learnerdsl as ld
from learnerdsl.runtime import cache
from learnerdsl.schedules import cosine, linear


@ld.rule
def per_sample(p, g, lr=1.0):
    """A step that shows the clock: step, samples seen before, samples of this update."""
    return ld.assign(p, p - lr * (ld.step + 100 * ld.samples + 10000 * ld.minibatch_size) * g)


HALVING = ld.Schedule(sympy.Integer(2) ** -ld.step)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# Values


QUARTERS = {
    "float": 0.25,
    "float16": np.float16(0.25),
    "float32": np.float32(0.25),
    "float64": np.float64(0.25),
    "longdouble": np.longdouble(0.25),
    "0-d array": np.array(0.25, np.float32),
    "0-d tensor": torch.tensor(0.25),
    "0-d tensor of bfloat16": torch.tensor(0.25, dtype=torch.bfloat16),
    "0-d tensor with a gradient": torch.tensor(0.25, requires_grad=True),
    "0-d array of JAX": jnp.asarray(0.25),
    "0-d array of bfloat16": jnp.asarray(0.25, jnp.bfloat16),
    "bfloat16": np.asarray(jnp.asarray(0.25, jnp.bfloat16))[()],
    "decimal": Decimal("0.25"),
    "fraction": Fraction(1, 4),
    "mpmath": mpmath.mpf(0.25),
    "rational": sympy.Rational(1, 4),
    "sympy float": sympy.Float("0.25"),
    "sympy number": sympy.sqrt(2) * sympy.sqrt(2) / 8,
}
WHOLE = {
    "int": 2,
    "int64": np.int64(2),
    "uint8": np.uint8(2),
    "0-d array": np.array(2),
    "0-d tensor": torch.tensor(2),
    "sympy": sympy.Integer(2),
}


@pytest.mark.parametrize("value", QUARTERS.values(), ids=QUARTERS)
def test_a_number_is_used_as_it_is(value, backend):
    assert falls(descending(backend, lr=value), 2) == [0.25, 0.25]


@pytest.mark.parametrize("value", QUARTERS.values(), ids=QUARTERS)
def test_a_schedule_may_return_any_number(value):
    assert falls(descending(lr=lambda step: value), 2) == [0.25, 0.25]


@pytest.mark.parametrize("value", WHOLE.values(), ids=WHOLE)
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
    "tensor of one axis": torch.tensor([0.1]),
    "0-d array of a condition": np.array(True),
    "0-d tensor of a condition": torch.tensor(True),
    "0-d array of text": np.array("0.1"),
    "0-d array of complex numbers": np.array(1j),
    "0-d array of NaN": np.array(math.nan),
    "masked number": np.ma.masked,
    "masked array of no axes": np.ma.masked_array(0.1),
    "time": np.timedelta64(1, "s"),
    "bytes": b"0.1",
    "list": [0.1],
    "dict": {0: 0.1},
    "class": float,
    "function of SymPy": sympy.cos,
    "matrix": sympy.Matrix([[1]]),
    "whole number beyond floats": 10**400,
    "number that Python does not print": 10**5000,
    "SymPy integer beyond floats": sympy.Integer(10) ** 400,
    "SymPy float beyond floats": sympy.Float("1e400"),
    "decimal beyond floats": Decimal("1e400"),
    "decimal NaN": Decimal("NaN"),
    "fraction beyond floats": Fraction(10**400),
    "long double beyond floats": np.longdouble("1e400"),
    "complex": 1j,
    "NumPy complex": np.complex64(1),
    "complex with a root": sympy.sqrt(-2),
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


def test_an_option_is_no_hyperparameter_of_a_learner():
    learner = with_option([np.ones(3)])
    with pytest.raises(ld.UnknownNameError, match="'nesterov' is an option of with_option, which"):
        learner.hyperparameters["nesterov"] = True
