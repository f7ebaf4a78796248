"""`ld.check`: the function of a rule, run on arrays, judges the compiled learner and the oracle."""

import functools
import itertools

import numpy as np
import pytest
import sympy
from support.tiers import FEW_TRANSFORMS, few_of_shared

import learnerdsl as ld
from learnerdsl import learners, transforms
from learnerdsl.transforms import accumulate, clip_by_global_norm, ema

THIRD = sympy.Rational(1, 3)


@pytest.mark.parametrize("name", few_of_shared(learners.__all__))
def test_builtin_is_computed_as_its_function_says(name):
    ld.check(getattr(learners, name), updates=4).raise_if_wrong()


@pytest.mark.parametrize("name", few_of_shared(transforms.__all__, FEW_TRANSFORMS))
def test_transform_in_a_chain_is_computed_as_its_function_says(name):
    transform = getattr(transforms, name)
    for rule in (learners.sgd, learners.adam):
        members = (rule, transform) if transform.place == "after" else (transform, rule)
        try:
            chained = ld.chain(*members)
        except ld.RuleError:
            continue  # it shares an argument that the rule has not
        ld.check(chained, dtype="float32", updates=4).raise_if_wrong()


def helped(x, factor=THIRD):
    return factor * ld.sqrt(1 + x**2)


def rule_of(expression, **more):
    def made(p, g, lr=0.1, mu=0.9):
        return ld.assign(p, expression(p, g, lr, mu))

    return ld.rule(made)


RIGHT = {
    "every operator": lambda p, g, lr, mu: (1 - p) * 2 / (3 + g**2) + 2**lr - (-p) % 3 + p // 2,
    "a helper of the module": lambda p, g, lr, mu: p - lr * helped(g),
    "a bound helper": lambda p, g, lr, mu: functools.partial(helped, factor=lr)(p + g),
    "constants of SymPy": lambda p, g, lr, mu: THIRD * p + ld.pi * g + sympy.E * sympy.S.Half,
    "SymPy's functions": lambda p, g, lr, mu: sympy.sin(p) + sympy.Max(g, 0) + sympy.Mod(g, 2),
    "conditions": lambda p, g, lr, mu: ld.where((g > 0) & ~(p <= 0.5) | (g < -1), p, mu * g),
    "a nested where": lambda p, g, lr, mu: ld.where(g > 0, ld.where(p > g, p, 2), -g),
    "the clock": lambda p, g, lr, mu: ld.where(ld.equal(ld.step % 2, 0), p, p - g / ld.step),
    "samples": lambda p, g, lr, mu: p + g * ld.minibatch_size / (1 + ld.samples),
    "sizes": lambda p, g, lr, mu: p - g / ld.size(p) * ld.size(p, over="model"),
    "reductions": lambda p, g, lr, mu: p - ld.norm(g - ld.mean(g)) * ld.max(p * ld.sum(g)),
    "the model": lambda p, g, lr, mu: p - g / (1 + ld.norm(g - ld.sum(p, "model"), "model")),
    "powers": lambda p, g, lr, mu: ld.abs(p) ** 0.3 + g**3 + (1 + g**2) ** -1.5 + 2.0**p,
    "random numbers": lambda p, g, lr, mu: p + ld.normal() - lr * ld.uniform(),
    "a schedule": lambda p, g, lr, mu: p - ld.schedules.cosine(0.1, steps=3).expression * g,
    "a derivative": lambda p, g, lr, mu: p - lr * sympy.diff(ld.exp(-p) * g**2, p),
    "a second derivative": lambda p, g, lr, mu: p - (ld.sin(p) * g**3).diff(g, 2),
    "rewriting": lambda p, g, lr, mu: sympy.expand((p + g) ** 2) + (p * g).simplify(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_rule_is_judged_right(name):
    report = ld.check(rule_of(RIGHT[name]), dtype="both", updates=3)
    assert report.ok, str(report)


@ld.rule
def everything_kept(p, g, lr=0.1, beta=0.9):
    m = ld.state("m", init=lr * p)
    first = ld.state("first", init=g)
    total = ld.state("total", shape="tensor")
    model = ld.state("model", shape="model", init=ld.norm(p, over="model"))
    m_new = ld.assign(m, beta * m + (1 - beta) * g)
    values = [
        ld.assign(first, first + m / 2),
        ld.assign(total, total + ld.sum(m_new * m)),
        ld.assign(model, model * beta + ld.max(g, over="model")),
    ]
    if ld.ndim(p) >= 2:
        rows = ld.state("rows", shape="rows")
        square = ld.state("square", shape=("rows", "rows"), init=ld.identity("rows"))
        values.append(ld.assign(rows, rows + ld.mean(g**2, axis=-1)))
        values.append(ld.assign(square, square + ld.matmul(g, ld.transpose(g))))
    step = ld.let("taken", lr * m_new / (1 + ld.extra("loss")), dtype=None)
    ld.evaluate(p + lr * m)
    return ld.combine([*values, ld.assign(p, p - step + model * 0 + first * lr)])


def test_states_of_every_shape_are_judged():
    report = ld.check(everything_kept, dtype="both")
    assert report.ok, str(report)
    names = {line.state for line in report.lines}
    assert {"m", "first", "total", "model", "rows", "square"} < names
    assert "evaluation parameter" in names


@ld.rule
def with_ring(p, g, lr=0.1):
    past = ld.state("past", ring=3, init=p)
    return ld.combine([ld.assign(p, p - lr * past[2] * past[3]), ld.assign(past, g + past[1])])


def test_values_of_rings_are_judged():
    report = ld.check(with_ring, dtype="both")
    assert report.ok, str(report)
    assert {"past_1", "past_2", "past_3"} < {line.state for line in report.lines}


@ld.rule
def compact(p, g, lr=0.1):
    """States whose number types the rule declares: an array, a row, a ring."""
    m, v = ld.state("m", dtype="int8"), ld.state("v", shape="rows", dtype="bfloat16")
    past = ld.state("past", ring=2, dtype="float16")
    m_new = ld.assign(m, 0.9 * m + 0.1 * g)
    v_new = ld.assign(v, 0.9 * v + 0.1 * ld.mean(g**2, axis=-1))
    p_new = ld.assign(p, p - lr * (m_new + past[2]) / (1 + ld.sqrt(v_new)))
    return ld.combine([ld.assign(past, g), p_new])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_states_are_judged_in_the_dtype_of_the_arithmetic(dtype):
    ld.check(compact, dtype=dtype).raise_if_wrong()


def test_members_of_a_chain_that_are_held_back_are_judged():
    limited = ld.renamed(clip_by_global_norm, max_norm="limit")
    chained = ld.chain(limited, accumulate, learners.adamw, ema)
    report = ld.check(chained, updates=6, limit=0.5)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    "members",
    [(accumulate, transforms.sam, learners.sgd), (transforms.asam, learners.schedule_free_sgd)],
    ids=["held twice", "shown where the rule left it"],
)
def test_members_that_see_another_parameter_are_judged(members):
    report = ld.check(ld.chain(*members), updates=6)
    assert report.ok, str(report)


def test_hyperparameters_options_and_parameters_are_those_that_are_given():
    params = {"w": np.linspace(-1, 1, 6).reshape(2, 3), "b": np.ones(3)}
    before = params["w"].copy()
    report = ld.check(
        learners.sgd, params, lr=ld.schedules.linear(1.0, 0.0, steps=4), weight_decay=0.1
    )
    assert report.ok, str(report)
    assert report.shapes == ((2, 3), (3,))
    np.testing.assert_array_equal(params["w"], before)


def test_nan_and_infinity_are_judged_too():
    report = ld.check(learners.adam, nonfinite=True)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("expression", "nonfinite"),
    [
        (lambda p, g, lr, mu: p + g / g, False),
        (lambda p, g, lr, mu: p + (g - g), True),
        (lambda p, g, lr, mu: ld.sqrt(p) ** 2, False),
        (lambda p, g, lr, mu: p + ld.exp(ld.log(g)), False),
    ],
    ids=["g / g", "g - g", "sqrt(p)**2", "exp(log(g))"],
)
def test_what_sympy_simplified_is_found_where_it_has_no_value(expression, nonfinite):
    report = ld.check(rule_of(expression), nonfinite=nonfinite)
    assert not report.ok
    assert {m.wrong for m in report.mismatches} == {"both"}
    assert all(np.isnan(m.right) for m in report.mismatches)


def test_wrong_number_names_its_place_and_the_three_values(monkeypatch):
    sgd = learners.sgd
    from_symbols = ld.rule(lambda_named(sgd.__wrapped__))
    other = ld.rule(lambda_named(lambda p, g, lr=1e-3: ld.assign(p, p - 2 * lr * g)))
    monkeypatch.setattr(from_symbols, "trace", other.trace)
    params = [np.ones(2)]
    report = ld.check(from_symbols, params, updates=1, lr=0.5)
    (found, *_) = report.mismatches
    assert (found.update, found.tensor, found.state, found.wrong) == (1, 0, "parameter", "both")
    with pytest.raises(ld.CheckError, match=r"update 1, float64 tensor 0 of shape \(2,\)"):
        report.raise_if_wrong()


def lambda_named(function):
    @functools.wraps(function)
    def wrong(p, g, lr=1e-3):
        return function(p, g, lr=lr)

    del wrong.__wrapped__
    wrong.__name__ = "wrong"
    return wrong


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ({"updates": 0}, ld.HyperparameterError, "updates must be"),
        ({"updates": True}, ld.HyperparameterError, "whole number"),
        ({"dtype": "int8"}, ld.HyperparameterError, "'float32'"),
        ({"backend": "cuda"}, ld.HyperparameterError, "'cpu'"),
        ({"speed": 1.0}, ld.UnknownNameError, "speed"),
        ({"states": "bfloat16"}, ld.HyperparameterError, "leave out states"),
        ({"master": "kahan"}, ld.HyperparameterError, "leave out master"),
        ({"rounding": "nearest"}, ld.HyperparameterError, "leave out rounding"),
    ],
)
def test_argument_that_cannot_be_is_refused(arguments, error, part):
    with pytest.raises(error, match=part):
        ld.check(learners.sgd, **arguments)


def test_what_is_no_rule_is_refused():
    with pytest.raises(ld.RuleError, match="needs a rule"):
        ld.check(ema)


@pytest.mark.parametrize(
    "expression",
    [lambda p, g, lr, mu: p - (lr * g).subs(g, p), lambda p, g, lr, mu: sympy.series(p, p, 0, 2)],
    ids=["subs", "series"],
)
def test_function_that_arrays_have_not_is_refused_with_its_name(expression):
    with pytest.raises(ld.LearnerError):
        ld.check(rule_of(expression))


def test_rule_whose_shapes_are_all_refused_says_why():
    def picky(p, g):
        message = "no shape will do"
        raise ld.RuleError(message)

    with pytest.raises(ld.RuleError, match="no shape will do"):
        ld.check(ld.rule(picky))


def test_jump_at_its_border_is_no_fault():
    @ld.rule
    def stairs(p, g, lr=0.1):
        return ld.assign(p, ld.floor(g * 3 / 3) + ld.where(p * 0.1 * 10 > p, 1, 0) + (3 * g) % 0.1)

    report = ld.check(stairs, dtype="both")
    assert report.ok, str(report)


def _zero(g):
    """0 where a gradient is not positive, which SymPy cannot know."""
    return ld.maximum(g, 0)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("element", lambda g: ld.tan(ld.acos(ld.clip(g, 0, 1)))),
        ("element", lambda g: g + ld.tan(ld.pi)),
        ("element", lambda g: ld.where(_zero(g) / -_zero(g) < 0, 1, 2)),
        ("element", lambda g: ld.where(ld.let("v", _zero(g) / -_zero(g)) <= 0, 1, 2)),
        ("element", lambda g: ld.minimum(7, 1 / -(_zero(g) + ld.sqrt(2 * _zero(g) ** 2)))),
        ("element", lambda g: ld.sqrt((ld.size(g) % 3) * g)),
        ("element", lambda g: ld.cos((g + 1000) ** 3)),
        ("tensor", lambda g: ld.cosh(1000 * ld.step)),
        ("tensor", lambda g: ld.exp(ld.mean(g) - 800 * ld.step)),
        ("tensor", lambda g: ld.where(ld.exp(-2000 * ld.step) > 0, 1, 2)),
        ("tensor", lambda g: 1e-6 * ld.sqrt(ld.step) - (-ld.where(ld.step > 5, 3, -1) - 1)),
    ],
    ids=itertools.count(),
)
def test_what_sympy_knows_better_than_rounding_is_not_called_wrong(shape, value):
    @ld.rule
    def rule(p, g):
        s = ld.state("s", shape=shape)
        return ld.combine([ld.assign(s, value(g)), ld.assign(p, p - g)])

    ld.check(rule, [np.zeros(3, np.float32), np.ones((2, 3), np.float32)]).raise_if_wrong()
    ld.check(rule, [np.zeros(3), np.ones((2, 3))]).raise_if_wrong()
