"""The arguments and options of a rule: which defaults and values are refused, and how."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from support.mistakes import donor

import learnerdsl as ld

# Arguments


def test_a_rule_needs_a_parameter_and_a_gradient():
    def rule(p):
        return ld.assign(p, p)

    with pytest.raises(ld.RuleError, match="rule must start with the parameter and its gradient"):
        ld.rule(rule)


def test_the_parameter_and_the_gradient_have_no_defaults():
    def rule(p, g=0.0):
        return ld.assign(p, p - g)

    with pytest.raises(ld.RuleError, match=r"must start with .*: def rule\(p, g, \.\.\.\)"):
        ld.rule(rule)


@pytest.mark.parametrize(
    "default",
    ["missing", None, [0.1], 1j, float, math.nan, np.array([0.1]), np.array(1j), Decimal("NaN")],
    ids=repr,
)
def test_an_argument_without_a_usable_default_is_refused(default):
    if default == "missing":

        def rule(p, g, lr):
            return ld.assign(p, p - lr * g)
    else:

        def rule(p, g, lr=default):
            return ld.assign(p, p - lr * g)

    with pytest.raises(
        ld.RuleError, match="Argument 'lr' of rule needs a default: a float or a sch"
    ):
        ld.rule(rule)


def test_arguments_without_names_are_refused():
    def rule(p, g, *others, **more):
        return ld.assign(p, p - g)

    with pytest.raises(ld.RuleError, match="Argument 'others' of rule needs a default"):
        ld.rule(rule)


@pytest.mark.parametrize("name", ["params", "backend", "groups", "nonfinite", "seed"])
def test_an_argument_with_a_name_of_the_learners_own_is_refused(name):
    namespace = {"ld": ld}
    exec(f"def rule(p, g, {name}=0.1): return ld.assign(p, p - {name} * g)", namespace)
    with pytest.raises(ld.RuleError, match=name):
        ld.rule(namespace["rule"])


def test_a_rule_without_a_name_of_its_own_is_refused():
    with pytest.raises(ld.RuleError, match="lambda"):
        ld.rule(lambda p, g, lr=0.1: ld.assign(p, p - lr * g))


NUMBERS = [
    np.float16(0.5),
    np.float32(0.5),
    np.array(0.5),
    torch.tensor(0.5),
    Decimal("0.5"),
    Fraction(1, 2),
    sympy.Rational(1, 2),
]


@pytest.mark.parametrize("default", NUMBERS, ids=lambda d: type(d).__name__)
def test_a_number_of_any_library_is_the_default_of_a_hyperparameter(default):
    @ld.rule
    def rule(p, g, lr=default):
        return ld.assign(p, p - lr * g)

    learner = rule([np.zeros(1)], backend="numpy")
    learner.update([np.ones(1)])
    assert learner.parameters[0].tolist() == [-0.5]
    assert dict(learner.hyperparameters) == {"lr": 0.5}


@pytest.mark.parametrize("default", [3, np.int64(3), np.array(3)], ids=lambda d: type(d).__name__)
def test_a_whole_number_is_the_default_of_an_option(default):
    @ld.rule
    def rule(p, g, power=default):
        return ld.assign(p, p - g**power)

    assert rule.trace().options == (("power", 3),)
    assert rule.trace(power=2).options == (("power", 2),)
    with pytest.raises(ld.HyperparameterError) as caught:
        rule([np.zeros(1)], power=0.5)
    assert "An int default makes an option; write power=3.0 in the definition" in str(caught.value)


@pytest.mark.parametrize("default", [True, np.bool_(True)], ids=["bool", "NumPy bool"])
def test_a_truth_value_is_the_default_of_an_option(default):
    @ld.rule
    def rule(p, g, nesterov=default):
        return ld.assign(p, p - (g if nesterov else 2 * g))

    assert rule.trace().options == (("nesterov", True),)


# Options


@ld.rule
def with_options(p, g, lr=0.1, nesterov=False, times=2, mode="plain"):
    """A rule with an option of each type."""
    return ld.assign(p, p - lr * times * g * (2 if nesterov else 1) * len(mode))


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(
        ld.UnknownNameError, match="no option 'nestrov'; its options are: nesterov, ti"
    ):
        with_options.trace(nestrov=True)


def test_a_hyperparameter_is_no_option():
    with pytest.raises(ld.UnknownNameError, match="with_options has no option 'lr'"):
        with_options.source(lr=0.1)


def test_an_unknown_argument_is_refused_with_the_known_ones():
    with pytest.raises(ld.UnknownNameError) as caught:
        with_options([np.ones(2)], learning_rate=0.1)
    assert "has no argument 'learning_rate'; its arguments are: lr, nesterov" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ({"nesterov": 1}, "bool"),
        ({"nesterov": "yes"}, "bool"),
        ({"times": True}, "int"),
        ({"times": 2.0}, "int"),
        ({"mode": 3}, "str"),
        ({"mode": None}, "str"),
        ({"mode": ["plain"]}, "str"),
    ],
    ids=str,
)
def test_an_option_of_the_wrong_type_is_refused(option, kind):
    (name, value), *_ = option.items()
    with pytest.raises(ld.HyperparameterError) as caught:
        with_options.trace(**option)
    assert f"Option {name}={value!r} of with_options must be of type {kind}" in str(caught.value)


@pytest.mark.parametrize("option", [{"nesterov": 1}, {"times": 2.0}], ids=str)
def test_an_option_of_the_wrong_type_is_refused_though_an_equal_one_was_traced(option):
    with_options.trace(nesterov=True)
    with_options.trace(times=2)
    with pytest.raises(ld.HyperparameterError, match="must be of type"):
        with_options.trace(**option)


@pytest.mark.parametrize("dtype", ["int8", "int32", "single precision"])
def test_source_for_an_unknown_number_type_is_refused(dtype):
    with pytest.raises(ld.DtypeError, match="float32, float64"):
        donor.source(dtype=dtype)


def test_source_for_an_unknown_machine_is_refused():
    with pytest.raises(ld.HyperparameterError, match="no code generator for target 'abacus'"):
        donor.source("abacus")


@ld.rule
def of_numbers(p, g, lr=0.1, weights=(1, 2.0), name="pair"):
    """Chooses by a tuple of numbers, and by what is a name or numbers."""
    by = {"pair": 3.0}[name] if isinstance(name, str) else name[0][0]
    return ld.assign(p, p - lr * (weights[0] + by) * g)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, ((1.0, 2.0), "pair")),
        ({"weights": [4, 5]}, ((4.0, 5.0), "pair")),
        (
            {"weights": [(4, 5), (6, 7)][0], "name": [[2], (3, 4)]},
            ((4.0, 5.0), ((2.0,), (3.0, 4.0))),
        ),
    ],
    ids=str,
)
def test_an_option_may_be_a_tuple_of_numbers(options, seen):
    assert tuple(dict(of_numbers.trace(**options).options).values()) == seen


@pytest.mark.parametrize("value", [3.0, (), ("a",), ((1.0, None),), None], ids=str)
def test_what_is_no_tuple_of_numbers_is_refused(value):
    with pytest.raises(ld.HyperparameterError) as caught:
        of_numbers.trace(weights=value)
    assert "must be a tuple of numbers, or text, as its default (1.0, 2.0)" in str(caught.value)


@ld.rule
def of_share(p, g, lr=0.1, share=ld.option(0.5)):
    """Counts rows by a number that Python computes with."""
    return ld.assign(p, p - lr * max(1, int(share * ld.shape(p)[0])) * g)


@pytest.mark.parametrize("value", [0.75, np.float32(0.75), np.array(0.75)], ids=repr)
def test_an_option_may_be_a_number(value):
    p = np.zeros(8)
    learner = of_share([p], lr=1.0, share=value)
    learner.update([np.ones(8)])
    assert p[0] == -6.0
    assert dict(of_share.trace(share=value).options) == {"share": 0.75}
    assert dict(of_share.trace().options) == {"share": 0.5}
    assert list(learner.hyperparameters) == ["lr"]


def test_groups_and_chains_have_numbers_as_options():
    p = {name: np.zeros(8) for name in "ab"}
    groups = [{"params": "b", "share": 1}]
    of_share(p, lr=1.0, groups=groups).update({name: np.ones(8) for name in "ab"})
    assert (p["a"][0], p["b"][0]) == (-4.0, -8.0)
    chain = ld.chain(ld.transforms.clip_by_value, ld.renamed(of_share, share="part"))
    q = np.zeros(8)
    chain([q], lr=1.0, part=0.25).update([np.ones(8)])
    assert q[0] == -2.0
    torch = pytest.importorskip("torch")
    tensors = [torch.zeros(8, dtype=torch.float64) for _ in "ab"]
    for tensor in tensors:
        tensor.grad = torch.ones_like(tensor)
    own = [{"params": [tensors[0]]}, {"params": [tensors[1]], "share": 1.0}]
    of_share.torch(own, lr=1.0, share=0.25).step()
    assert [float(t[0]) for t in tensors] == [-2.0, -8.0]


@pytest.mark.parametrize("value", [math.nan, -math.inf, "half", (0.5,), True, None], ids=repr)
def test_what_is_no_finite_number_is_refused_as_an_option(value):
    with pytest.raises(ld.HyperparameterError, match=r"must be a finite number, as its default 0"):
        of_share.trace(share=value)
    with pytest.raises(ld.RuleError, match=r"needs a finite float such as 0\.25; a default"):
        ld.option(value)
    with pytest.raises(ld.RuleError, match="an int, a str or a tuple of numbers makes an option"):
        ld.option(3)
