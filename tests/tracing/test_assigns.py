"""The assigns of a rule: targets, order and what is missing; each message says what to do."""

import pytest
import sympy
from support.mistakes import DONOR, FOREIGN, refused

import learnerdsl as ld

# Targets


def test_a_target_assigned_twice_is_refused():
    def rule(p, g, lr=0.1):
        ld.assign(p, p - lr * g)
        return ld.assign(p, p - 2 * lr * g)

    refused(rule, "p is assigned twice in rule rule", "name intermediate results with let(...)")


def test_a_state_assigned_twice_is_refused():
    def rule(p, g, lr=0.1):
        a = ld.state("a")
        ld.assign(a, a + g)
        return ld.assign(p, p - lr * ld.assign(a, a - g))

    refused(rule, "a is assigned twice in rule rule")


def test_an_assign_to_the_gradient_is_refused():
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * ld.assign(g, g / 2))

    refused(rule, "cannot assign to g", "it is the gradient, an input", "let(...)")


def test_an_assign_to_a_new_value_is_refused_with_the_targets_there_are():
    def rule(p, g, lr=0.1):
        a = ld.state("a")
        a_new = ld.assign(a, a + g)
        ld.assign(a_new, a_new / 2)
        return ld.assign(p, p - lr * a_new)

    refused(rule, "cannot assign to a_new", "computed by this update", "assign to one of p, a")


def test_an_assign_to_what_let_named_is_refused():
    def rule(p, g, lr=0.1):
        step = ld.let("direction", -lr * g)
        return ld.assign(p, p + ld.assign(step, step / 2))

    refused(rule, "cannot assign to direction", "computed by this update")


@pytest.mark.parametrize("target", ["lr", "step", "sum", "twice p"])
def test_an_assign_to_what_is_no_target_is_refused(target):
    def rule(p, g, lr=0.1):
        targets = {"lr": lr, "step": ld.step, "sum": ld.sum(p), "twice p": 2 * p}
        return ld.assign(targets[target], p - lr * g)

    refused(rule, "Rule rule cannot assign to", "it is not one of p", "state(...)")


@pytest.mark.parametrize("target", ["p", sympy.Symbol("p")], ids=["text", "plain symbol"])
def test_an_assign_to_the_name_of_the_parameter_asks_for_the_symbol(target):
    def rule(p, g, lr=0.1):
        return ld.assign(target, p - lr * g)

    refused(rule, "cannot assign to p", type(target).__name__, "the argument itself")


@pytest.mark.parametrize("what", ["state", "parameter"])
def test_an_assign_to_a_symbol_of_another_rule_is_refused(what):
    def rule(p, g, lr=0.1):
        return ld.assign(FOREIGN[what], p - lr * g)

    refused(
        rule,
        f"Rule rule cannot assign to {FOREIGN[what]}",
        "it belongs to rule donor",
        "declare a state of this rule with state(...)",
    )


# Order


def test_assigns_that_form_a_cycle_through_an_earlier_trace_are_refused():
    kept = []

    def rule(p, g, lr=0.1):
        a, b = ld.state("a"), ld.state("b")
        a_new = ld.assign(a, a + g + sum(kept))
        b_new = ld.assign(b, b + a_new)
        kept.append(b_new)
        return ld.assign(p, p - lr * b_new)

    ld.rule(rule).trace()
    refused(
        rule,
        "(statement 1 of rule rule)",
        "the assigns form a cycle",
        "b_new is used before it is defined; order the assigns",
    )


def test_an_assign_that_needs_its_own_value_is_refused():
    kept = []

    def rule(p, g, lr=0.1):
        p_new = ld.assign(p, p - lr * g - sum(kept))
        kept.append(p_new)
        return p_new

    ld.rule(rule).trace()
    refused(rule, "the assigns form a cycle", "p_new is used before it is defined")


def test_a_reduction_inside_its_own_input_is_refused():
    kept = []

    def rule(p, g, lr=0.1):
        scaled = ld.let("scaled", g / (1 + ld.norm(kept[0] if kept else g)))
        kept.append(scaled)
        return ld.assign(p, p - lr * scaled)

    ld.rule(rule).trace()
    refused(
        rule,
        "(statement 1 of rule rule)",
        "a reduction is inside its own input",
        "order the assigns",
    )


def test_assignments_in_the_wrong_order_are_refused():
    with pytest.raises(ld.RuleError, match="form a cycle: a_new is used before it is defined"):
        DONOR.with_assignments(reversed(DONOR.assignments))


def test_an_assignment_replaced_by_one_that_needs_itself_is_refused():
    (a, update), last = DONOR.assignments
    with pytest.raises(ld.RuleError, match="form a cycle: a_new is used before it is defined"):
        DONOR.with_assignments([(a, update + DONOR.lines[0].value), last])


def test_assignments_with_a_target_twice_are_refused():
    first, last = DONOR.assignments
    with pytest.raises(ld.RuleError, match="a is assigned twice in rule donor"):
        DONOR.with_assignments([first, first, last])


def test_assignments_with_a_new_target_are_refused_with_the_targets_there_are():
    with pytest.raises(ld.RuleError, match="g is not assigned by donor; its targets are a, p"):
        DONOR.with_assignments([(DONOR.gradient, DONOR.gradient)])


def test_assignments_without_one_of_the_states_are_refused():
    with pytest.raises(ld.RuleError, match="Rule donor never assigns the state a"):
        DONOR.with_assignments([(DONOR.parameter, DONOR.parameter - DONOR.gradient)])


# What is missing


def test_a_rule_that_never_assigns_the_parameter_is_refused():
    def rule(p, g, lr=0.1):
        a = ld.state("a")
        return ld.assign(a, a + lr * g)

    refused(rule, "Rule rule never assigns p, so it would not learn", "end it with assign(p, ...)")


def test_a_state_that_is_never_assigned_is_refused():
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * g / ld.state("scale", init=1.0))

    refused(
        rule,
        "never assigns the state scale",
        "or itself where it is to keep the value it starts with",
    )


@pytest.mark.parametrize("returned", ["None", "an expression", "a list", "a state"])
def test_a_rule_that_does_not_return_an_assign_is_refused(returned):
    def rule(p, g, lr=0.1):
        p_new = ld.assign(p, p - lr * g)
        return {"None": None, "an expression": p_new + 1, "a list": [p_new], "a state": p}[returned]

    refused(rule, "Rule rule returned", "return the last assign(...), or combine([...])")


def test_an_assign_that_is_lost_asks_for_combine():
    def rule(p, g, lr=0.1):
        a = ld.state("a")
        ld.assign(a, a + g)
        return ld.assign(p, p - lr * g)

    refused(
        rule,
        "returns nothing that depends on the new value of a",
        "return combine([...]) with every assign",
    )


@pytest.mark.parametrize("use", [lambda v: v - v, lambda v: 0], ids=["cancelled", "forgotten"])
def test_a_let_that_nothing_needs_is_dropped(use):
    @ld.rule
    def rule(p, g, lr=0.1):
        unused = ld.let("unused", ld.sum(g**2))
        return ld.assign(p, p - lr * g + use(unused))

    assert [str(line.target) for line in rule.trace().lines] == ["p"]


def test_combine_takes_what_assign_returned():
    def rule(p, g, lr=0.1):
        return ld.combine([p - lr * g])

    refused(rule, "combine takes what assign(...) returned", "got -g*lr + p")


def test_combine_of_one_assign_without_a_list_is_refused():
    def rule(p, g, lr=0.1):
        return ld.combine(ld.assign(p, p - lr * g))

    refused(rule, "combine takes", "[")


def test_combine_of_nothing_is_a_rule_that_does_not_learn():
    def rule(p, g, lr=0.1):
        return ld.combine([])

    refused(rule, "never assigns p")
