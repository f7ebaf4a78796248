import numpy as np
import pytest
from support.battery import RULES, update_once
from support.problems import fitted

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.tracing import is_counter, is_nonnegative

KEPT = {
    "p**2": True,
    "g**2": True,
    "g**4": True,
    "g**3": False,
    "abs(g)": True,
    "g": False,
    "-g": False,
    "-g**2": False,
    "lr": True,
    "1 - lr": True,
    "1 - lr**ld.step": True,
    "lr - 1": False,
    "1 - 2 * lr": False,
    "1 - s": False,
    "s": True,
    "2 * s": True,
    "-s": False,
    "s + g": False,
    "s - s": True,
    "lr * s + (1 - lr) * g**2": True,
    "lr * s - (1 - lr) * g**2": False,
    "ld.maximum(s, g)": True,
    "ld.maximum(lr * s, abs(g))": True,
    "ld.maximum(p, g)": False,
    "ld.minimum(s, g**2)": True,
    "ld.minimum(s, g)": False,
    "ld.where(g > 0, s, g**2)": True,
    "ld.where(g > 0, g, -g)": False,
    "ld.sqrt(s)": True,
    "ld.sqrt(g**2)": True,
    "ld.exp(g)": True,
    "ld.log(s)": False,
    "ld.sign(g)": False,
    "ld.sigmoid(g)": True,
    "ld.tanh(g)": False,
    "1 / s": True,
    "g**2 / (s + lr)": True,
    "g / (s + lr)": False,
    "ld.sum(g**2)": True,
    "ld.mean(g)": False,
    "ld.norm(g)": True,
    "ld.max(abs(g))": True,
    "ld.max(g)": False,
    "ld.size(p)": True,
    "ld.step": True,
    "g * g": True,
    "g * p": False,
    "(g - p)**2": True,
    "other**2": True,
    "other": False,
    "abs(other) * s": True,
    "3": True,
    "-3": False,
    "ld.floor(s)": False,
    "s % 2": False,
    "ld.extra('loss')": False,
    "ld.extra('h', shape='element')": False,
    "ld.extra('h', shape='element')**2": True,
    "ld.normal()": False,
    "ld.uniform()": False,
}
"""New value of a state that starts at 0 -> whether it is proved not to be negative."""


def rule_of(new, init="0.0"):
    names = {"ld": ld}
    source = (
        "def rule(p, g, lr=0.1):\n"
        f"    s, other = ld.state('s', init={init}), ld.state('other')\n"
        f"    lines = [ld.assign(s, {new}), ld.assign(other, other + g), ld.assign(p, p - s)]\n"
        "    return ld.combine(lines)\n"
    )
    exec(source, names)
    return ld.rule(names["rule"]).trace(shape=(3, 4))


def state_of(rule, name="s"):
    return next(spec.symbol for spec in rule.states if spec.symbol.name == name)


@pytest.mark.parametrize("new", KEPT)
def test_a_state_is_proved_not_to_be_negative(new):
    rule = rule_of(new)
    assert is_nonnegative(rule, state_of(rule)) == KEPT[new]


@pytest.mark.parametrize(
    ("init", "expected"),
    [("0.0", True), ("1", True), ("lr", True), ("-1", False), ("p", False), ("p**2", True)],
)
def test_a_start_value_counts_too(init, expected):
    rule = rule_of("s", init)
    assert is_nonnegative(rule, state_of(rule)) == expected


def test_values_in_between_are_followed():
    @ld.rule
    def rule(p, g, beta=0.9):
        s, t = ld.state("s"), ld.state("t")
        square = ld.let("square", (g - p) ** 2)
        s_new = ld.assign(s, beta * s + (1 - beta) * square)
        t_new = ld.assign(t, s_new - square)
        return ld.combine([s_new, t_new, ld.assign(p, p - t_new)])

    traced = rule.trace()
    assert is_nonnegative(traced, state_of(traced))
    assert not is_nonnegative(traced, state_of(traced, "t"))


@pytest.mark.parametrize(("new", "expected"), [("g", False), ("abs(g)", True), ("g**2", True)])
def test_all_values_of_a_ring_have_the_sign_of_what_it_is_given(new, expected):
    names = {"ld": ld}
    source = (
        "def rule(p, g):\n    past, other = ld.state('past', ring=3), ld.state('other', ring=2)\n"
        f"    lines = [ld.assign(past, {new}), ld.assign(other, g), ld.assign(p, p - past[3])]\n"
        "    return ld.combine(lines)\n"
    )
    exec(source, names)
    rule = ld.rule(names["rule"]).trace()
    proved = {s.symbol.name for s in rule.states if is_nonnegative(rule, s.symbol)}
    assert proved == ({"past_1", "past_2", "past_3"} if expected else set())


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("s + 1", True),
        ("s + 0.5", True),
        ("s - 1", True),
        ("1 + s", True),
        ("ld.where(g > 0, s + 1, s)", True),
        ("ld.where(g > 0, ld.where(p > 0, 0, s + 2), s)", True),
        ("s + g", False),
        ("2 * s", False),
        ("s", False),
        ("lr * s + 1", False),
        ("g", False),
    ],
)
def test_counters_are_recognised(new, expected):
    rule = rule_of(new)
    assert is_counter(rule, state_of(rule)) == expected


@pytest.mark.parametrize("name", learners.__all__)
def test_what_is_proved_holds_in_builtins(name):
    rule = RULES[name]
    shapes = fitted(name, ((7, 5), (9,)))
    rng = np.random.default_rng(1)
    params = [rng.standard_normal(shape) for shape in shapes]
    learner = rule(params, backend="numpy")
    traced = [rule.trace(shape=shape) for shape in shapes]
    for _ in range(5):
        update_once(learner, [rng.standard_normal(shape) for shape in shapes])
        for k, own in enumerate(traced):
            for spec in own.states:
                if spec.symbol.shape != "model" and is_nonnegative(own, spec.symbol):
                    assert (learner.state[k][spec.symbol.name] >= 0).all()


def test_second_moments_of_builtins_are_proved():
    proved = {}
    for name in learners.__all__:
        traced = RULES[name].trace(shape=fitted(name, ((7, 5),))[0])
        symbols = [spec.symbol for spec in traced.states if spec.symbol.shape == "element"]
        proved[name] = {s.name for s in symbols if is_nonnegative(traced, s)}
    assert proved["adam"] == {"v"}
    assert proved["amsgrad"] == {"v", "v_max"} or "v" in proved["amsgrad"]
    assert proved["lion"] == proved["momentum_sgd"] == set()
    assert "v" in proved["adamw"] & proved["lamb"] & proved["radam"] & proved["nadam"]
