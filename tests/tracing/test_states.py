"""The states of a rule and the names in it: shapes, starts and values that are refused."""

import numpy as np
import pytest
import sympy
from support.mistakes import FOREIGN, refused

import learnerdsl as ld

# Names and declarations of states


@pytest.mark.parametrize("name", ["1a", "for", "a b", "a-b", "", None, 3])
def test_a_state_needs_an_identifier_for_a_name(name):
    def rule(p, g, lr=0.1):
        a = ld.state(name)
        return ld.assign(p, p - lr * ld.assign(a, a + g))

    refused(rule, "state needs a Python identifier for a name", f"got {name!r}")


@pytest.mark.parametrize("name", ["1a", "lambda", None])
def test_a_let_needs_an_identifier_for_a_name(name):
    def rule(p, g, lr=0.1):
        return ld.assign(p, p - lr * ld.let(name, g))

    refused(rule, "let needs a Python identifier for a name", f"got {name!r}")


@pytest.mark.parametrize("name", ["p", "g", "lr", "a", "b"])
def test_a_name_that_is_taken_is_refused(name):
    def rule(p, g, lr=0.1):
        a, b = ld.state("a"), ld.let("b", g)
        c = ld.state(name)
        return ld.assign(p, p - lr * ld.assign(c, a + b))

    refused(rule, f"The name {name!r} is used twice in rule rule", "choose another for this state")


@pytest.mark.parametrize("shape", ["row", "Element", None, (1.0,), ["tensor"]])
def test_a_state_of_unknown_shape_is_refused_with_the_known_ones(shape):
    def rule(p, g, lr=0.1):
        a = ld.state("a", shape=shape)
        return ld.assign(p, p - lr * ld.assign(a, a + 1))

    refused(rule, f"State 'a' cannot have shape {shape!r}", "element, tensor, model")


STARTS = {
    "the step": lambda p, g: 1 / ld.step,
    "the samples": lambda p, g: ld.samples,
    "a plain symbol": lambda p, g: sympy.Symbol("q"),
    "a state": lambda p, g: ld.state("earlier"),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("shape", ["element", "tensor", "model"])
def test_a_state_cannot_start_from_what_is_not_known_at_the_start(shape, start):
    def rule(p, g, lr=0.1):
        a = ld.state("a", init=STARTS[start](p, g), shape=shape)
        return ld.assign(p, p - lr * ld.assign(a, a / 2))

    refused(rule, "State 'a' cannot start from", "depends on numbers, hyperparameters and sizes")


@pytest.mark.parametrize("shape", ["tensor", "model"])
def test_a_state_without_elements_cannot_start_from_the_elements_of_the_parameter(shape):
    def rule(p, g, lr=0.1):
        a = ld.state("a", init=p, shape=shape)
        return ld.assign(p, p - lr * ld.assign(a, a / 2))

    refused(rule, "State 'a' cannot start from p", "where the state is per element")


@pytest.mark.parametrize("what", ["hyperparameter", "parameter"])
def test_a_state_cannot_start_from_a_symbol_of_another_rule(what):
    def rule(p, g, lr=0.1):
        a = ld.state("a", init=FOREIGN[what])
        return ld.assign(p, p - lr * ld.assign(a, a / 2))

    refused(rule, f"{FOREIGN[what]}", "donor")


@pytest.mark.parametrize("start", [sympy.gamma, lambda p: sympy.I * p], ids=["gamma", "imaginary"])
def test_a_state_cannot_start_from_what_no_kernel_computes(start):
    def rule(p, g, lr=0.1):
        a = ld.state("a", init=start(p))
        return ld.assign(p, p - lr * ld.assign(a, a / 2))

    refused(rule, "'a'")


@pytest.mark.parametrize("start", ["0", None, True, np.zeros(2)], ids=repr)
def test_a_state_cannot_start_from_what_is_no_expression(start):
    def rule(p, g, lr=0.1):
        a = ld.state("a", init=start)
        return ld.assign(p, p - lr * ld.assign(a, a / 2))

    refused(rule, f"{start!r} ({type(start).__name__}) is not an expression")


ELEMENT_IN_SCALAR = {
    "tensor": "holds one for each tensor",
    "model": "holds one for each model",
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("shape", ELEMENT_IN_SCALAR)
def test_a_value_for_each_element_does_not_fit_into_a_scalar_state(shape, backend):
    @ld.rule
    def rule(p, g, lr=0.1):
        a = ld.state("a", shape=shape)
        return ld.assign(p, p - lr * ld.assign(a, a + g))

    with pytest.raises(ld.RuleError, match=ELEMENT_IN_SCALAR[shape]) as caught:
        rule([np.ones(3)], backend=backend)
    for part in (
        "one number for each element",
        "the state a",
        "sum, mean, norm or max",
        "'element'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_value_for_each_tensor_does_not_fit_into_a_state_of_the_model(backend):
    @ld.rule
    def rule(p, g, lr=0.1):
        a = ld.state("a", shape="model")
        return ld.assign(p, p - lr * ld.assign(a, a + ld.norm(g)))

    with pytest.raises(ld.RuleError, match="one number for each tensor"):
        rule([np.ones(3), np.ones(2)], backend=backend)
