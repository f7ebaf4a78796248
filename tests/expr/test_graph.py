"""Rules are graphs: what is used many times, or nests deeply, compiles in the time of its nodes."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.expr import brief


def choices(n):
    def rule(p, g):
        x = g
        for i in range(n):
            x = ld.where(g > i, x, x + i)
        return ld.assign(p, p - x)

    return ld.rule(rule)


def newton_schulz(iterations, with_let):
    named = ld.let if with_let else lambda name, value: value

    @ld.rule
    def rule(p, g, a=3.4445, b=-4.7750, c=2.0315):
        x = named("x", g / ld.norm(g))
        for k in range(iterations):
            gram = named(f"gram{k}", ld.matmul(x, ld.transpose(x)))
            x = named(f"x{k}", a * x + ld.matmul(b * gram + c * ld.matmul(gram, gram), x))
        return ld.assign(p, p - x)

    return rule


def conditions(n):
    def rule(p, g):
        holds = g > 0
        for i in range(n):
            holds = (holds & (p > -i)) | (~holds & (p > i))
        return ld.assign(p, ld.where(holds, p, g))

    return ld.rule(rule)


def clipped(n):
    def rule(p, g):
        x = g
        for i in range(n):
            x = ld.clip(x + p, -i - 1, i + 1) * ld.maximum(x, -0.5)
        return ld.assign(p, x)

    return ld.rule(rule)


def reduced(n):
    def rule(p, g):
        x = g
        for _ in range(n):
            x = x / (1 + ld.norm(x)) + x
        return ld.assign(p, x)

    return ld.rule(rule)


@pytest.mark.parametrize(
    ("make", "few", "many"),
    [(choices, 20, 40), (conditions, 20, 40), (clipped, 20, 40), (reduced, 4, 8)],
)
def test_code_grows_with_the_nodes_of_the_graph(make, few, many):
    assert len(make(many).source()) < 2.5 * len(make(few).source())


def test_code_of_functions_of_matrices_grows_with_their_number():
    assert len(newton_schulz(10, False).source()) < 2.5 * len(newton_schulz(5, False).source())


def test_what_is_used_twice_costs_what_it_costs_with_a_name():
    without, named = newton_schulz(5, False), newton_schulz(5, True)
    assert without.plan().bytes_per_element <= named.plan().bytes_per_element
    p, q = (np.random.default_rng(0).standard_normal((5, 7)) for _ in range(2))
    q[...] = p
    gradient = np.random.default_rng(1).standard_normal((5, 7))
    without([p]).update([gradient])
    named([q]).update([gradient])
    np.testing.assert_allclose(p, q, rtol=1e-12)


@pytest.mark.parametrize("make", [choices, conditions, clipped])
def test_a_deep_nest_is_right(make):
    values = []
    for backend in ("cpu", "numpy"):
        p = np.linspace(-2, 60, 31)
        make(40)([p], backend=backend).update([np.linspace(-1, 50, 31)])
        values.append(p)
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_a_chain_of_many_lets_is_right():
    @ld.rule
    def rule(p, g):
        x = g
        for i in range(300):
            x = ld.let(f"x{i}", 0.5 * x + p / (i + 1))
        return ld.assign(p, p - 0.1 * x)

    values = []
    for backend in ("cpu", "numpy"):
        p = np.ones(3)
        rule([p], backend=backend).update([np.ones(3)])
        values.append(p)
    np.testing.assert_allclose(*values, rtol=1e-13)


def test_a_nest_that_is_too_deep_is_refused_with_what_to_write():
    @ld.rule
    def rule(p, g):
        x = g
        for _ in range(2000):
            x = ld.tanh(x + p)
        return ld.assign(p, x)

    with pytest.raises(ld.RuleError, match=r"name some of the values in between with let"):
        rule([np.ones(2)])


def test_comments_of_generated_code_are_lines():
    for make in (choices, conditions, clipped):
        comments = [line for line in make(40).source().splitlines() if "#" in line]
        assert max(len(line[line.index("#") :]) for line in comments) < 130


def test_an_expression_is_shortened_in_the_time_of_its_nodes_also_in_conditions():
    @ld.rule
    def nested(p, g):
        x = g
        for k in range(30):
            x = ld.where(x > 0.1 * k, x * g + 1, x - p)
        return ld.assign(p, p - x)

    # Not within an assert, which would write the whole expression if it failed.
    texts = [brief(nested.assignments[-1][1], limit) for limit in (90, 20)]
    assert texts == ["p - where(where(..., ..., ...) > 2.9, ... + 1, ... + ...)", "p - ..."]
