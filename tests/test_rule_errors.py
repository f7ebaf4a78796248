"""Every mistake in the text of a rule: which error it is, and that the message says what to do."""

import math

import numpy as np
import pytest
import sympy

import learnerdsl as ld


@ld.rule
def donor(p, g, lr=0.1, mu=0.9):
    """A correct rule whose symbols the tests put where they do not belong."""
    a = ld.state("a")
    a_new = ld.assign(a, mu * a + g)
    return ld.assign(p, p - lr * a_new)


DONOR = donor.trace()
FOREIGN = {
    "parameter": DONOR.parameter,
    "gradient": DONOR.gradient,
    "hyperparameter": DONOR.hyperparameters[1],
    "state": DONOR.states[0].symbol,
    "new value": DONOR.lines[0].value,
}


def refused(function, *parts, error=ld.RuleError, **options):
    """Assert that tracing raises `error` with all the parts in its message."""
    with pytest.raises(error) as caught:
        ld.rule(function).trace(**options)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message


def expression_refused(expression, *parts, error=ld.RuleError):
    """The same for an expression of p and g that is assigned to p."""

    def rule(p, g, lr=0.1):
        return ld.assign(p, expression(p, g))

    refused(rule, *parts, error=error)


# Symbols that are not the rule's own


def test_an_unknown_symbol_is_refused_with_the_known_ones():
    expression_refused(
        lambda p, g: p - sympy.Symbol("q") * g,
        "p <- -g*q + p (statement 1 of rule rule)",
        "q is not a symbol of this rule",
        "Known are p, g, lr",
        "declare a state with state(...)",
        "hyperparameter as an argument with a float default",
    )


def test_a_plain_symbol_with_the_name_of_the_gradient_is_told_apart_from_it():
    expression_refused(
        lambda p, g: p - sympy.Symbol("g"),
        "g is another symbol than the g of this rule",
        "the argument itself",
    )


@pytest.mark.parametrize("what", FOREIGN)
def test_a_symbol_of_another_rule_is_refused_by_the_name_of_that_rule(what):
    expression_refused(
        lambda p, g: p - FOREIGN[what] * g,
        "statement 1 of rule rule",
        f"{FOREIGN[what]} belongs to rule donor, not to this one",
    )


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

    refused(rule, "never assigns the state scale", "or write a constant instead of a state")


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

    refused(rule, "returns nothing that depends on a", "return combine([...]) with every assign")


def test_a_let_that_nothing_needs_is_refused():
    def rule(p, g, lr=0.1):
        ld.let("unused", g**2)
        return ld.assign(p, p - lr * g)

    refused(rule, "returns nothing that depends on unused", "drop a let(...) that is not used")


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


@pytest.mark.parametrize("shape", ["row", "Element", None, (3, 4), ["tensor"]])
def test_a_state_of_unknown_shape_is_refused_with_the_known_ones(shape):
    def rule(p, g, lr=0.1):
        a = ld.state("a", shape=shape)
        return ld.assign(p, p - lr * ld.assign(a, a + 1))

    refused(rule, f"State 'a' cannot have shape {shape!r}", "element, tensor, model")


STARTS = {
    "the gradient": lambda p, g: g,
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

    refused(
        rule, "State 'a' cannot start from p", "on the parameter where the state is per element"
    )


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


# Expressions


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (lambda p, g: math.inf, "oo"),
        (lambda p, g: math.nan * g, "nan"),
        (lambda p, g: p - sympy.oo * g, "-oo"),
        (lambda p, g: ld.minimum(g, -sympy.oo), "-oo"),
        (lambda p, g: p - g / sympy.Integer(0), "zoo"),
    ],
    ids=["inf", "nan", "infinite factor", "infinite bound", "division by zero"],
)
def test_a_constant_that_is_not_finite_is_refused(value, written):
    expression_refused(value, "statement 1 of rule rule", f"constant {written} is not a finite")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda p, g: sympy.gamma(g), "gamma"),
        (lambda p, g: p * sympy.gamma(sympy.Rational(1, 3)), "gamma"),
        (lambda p, g: sympy.atan2(p, g), "atan2"),
        (lambda p, g: g % 2, "Mod"),
        (lambda p, g: sympy.Function("h")(g), "h"),
        (lambda p, g: sympy.Integral(p, g), "Integral"),
        (lambda p, g: ld.where((p > 0) ^ (g > 0), p, g), "Xor"),
    ],
    ids=["gamma", "gamma of a number", "atan2", "modulo", "undefined", "integral", "exclusive or"],
)
def test_a_function_that_no_kernel_has_is_refused_with_those_it_has(value, name):
    expression_refused(
        value,
        "statement 1 of rule rule",
        f"{name} has no meaning in a kernel",
        "abs, acos",
        "where",
    )


@pytest.mark.parametrize(
    "value",
    [
        lambda p, g: p + 1j * g,
        lambda p, g: p + sympy.I,
        lambda p, g: ld.sqrt(-1) * g,
        lambda p, g: ld.log(-1) * g,
        lambda p, g: p * sympy.Symbol("A", commutative=False),
    ],
    ids=["python", "sympy", "root", "logarithm", "matrix symbol"],
)
def test_a_value_that_is_not_real_is_refused(value):
    expression_refused(value, "is not a real number; rules compute with real numbers only")


@pytest.mark.parametrize(
    "value",
    ["p - g", True, None, np.zeros(2), (1, 2), sympy.true],
    ids=["text", "bool", "None", "array", "tuple", "truth"],
)
def test_what_is_no_expression_is_refused(value):
    expression_refused(
        lambda p, g: value,
        f"{value!r} ({type(value).__name__}) is not an expression",
        "write symbols, numbers and the functions of learnerdsl or sympy",
    )


def test_a_comparison_is_no_expression():
    expression_refused(lambda p, g: g > 0, "g > 0 (StrictGreaterThan) is not an expression")


def test_an_array_of_expressions_is_no_expression():
    expression_refused(lambda p, g: p + g * np.ones(2), "(ndarray) is not an expression")


@pytest.mark.parametrize(
    "condition", [lambda g: g, lambda g: "g > 0", lambda g: 2], ids=["symbol", "text", "number"]
)
def test_where_needs_a_comparison(condition):
    expression_refused(
        lambda p, g: ld.where(condition(g), p, g),
        "is not a condition",
        "a comparison such as g > 0",
    )


def test_a_python_if_on_a_symbol_asks_for_where():
    expression_refused(lambda p, g: p - g if g > 0 else p, "where(")


@pytest.mark.parametrize("function", [np.sqrt, math.sqrt], ids=["numpy", "math"])
def test_a_function_of_numbers_asks_for_one_of_symbols(function):
    expression_refused(lambda p, g: p - function(g), "learnerdsl.sqrt")


@pytest.mark.parametrize("over", ["rows", "Tensor", "", None, 0])
@pytest.mark.parametrize("reduction", [ld.sum, ld.mean, ld.norm, ld.max])
def test_a_reduction_over_something_unknown_is_refused(reduction, over):
    expression_refused(
        lambda p, g: p - reduction(g, over=over),
        f"A reduction cannot range over {str(over)!r}",
        "write over='tensor' or over='model'",
    )


def test_a_size_over_something_unknown_is_refused():
    expression_refused(
        lambda p, g: p / ld.size(p, over="rows"), "A size cannot range over 'rows'", "over='tensor'"
    )


@pytest.mark.parametrize(
    "of", [lambda p: 2 * p, lambda p: "p", lambda p: 3], ids=["expression", "text", "number"]
)
def test_the_size_of_an_expression_is_refused(of):
    expression_refused(lambda p, g: p / ld.size(of(p)), "is not defined; write the size of the par")


def test_a_let_of_another_dtype_is_refused():
    expression_refused(
        lambda p, g: ld.let("x", g, dtype="float16"),
        "let('x') cannot have dtype='float16'",
        "write dtype='parameter' or leave it out",
    )


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("state", lambda: ld.state("a")),
        ("assign", lambda: ld.assign(DONOR.parameter, 0)),
        ("let", lambda: ld.let("a", 0)),
    ],
)
def test_what_belongs_into_a_rule_is_refused_outside(name, call):
    with pytest.raises(
        ld.RuleError, match=rf"^{name}\(\.\.\.\) was called outside a rule; write it"
    ):
        call()


def test_after_a_failed_trace_no_rule_is_being_traced():
    expression_refused(lambda p, g: "text", "is not an expression")
    with pytest.raises(ld.RuleError, match="outside a rule"):
        ld.state("a")


def test_an_error_of_the_users_own_code_comes_through():
    expression_refused(lambda p, g: {}["missing"], "missing", error=KeyError)


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


@pytest.mark.parametrize("default", ["missing", None, [0.1], 1j], ids=repr)
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


def test_a_default_that_is_not_a_number_is_refused_when_a_learner_is_made():
    @ld.rule
    def rule(p, g, lr=math.nan):
        return ld.assign(p, p - lr * g)

    with pytest.raises(ld.HyperparameterError, match="'lr' of rule cannot be nan; give a number"):
        rule([np.ones(2)], backend="numpy")


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


@pytest.mark.parametrize("dtype", ["float16", "int32", "single precision"])
def test_source_for_an_unknown_number_type_is_refused(dtype):
    with pytest.raises(ld.DtypeError, match="float32, float64"):
        donor.source(dtype=dtype)


def test_source_for_an_unknown_machine_is_refused():
    with pytest.raises(ld.HyperparameterError, match="no code generator for target 'abacus'"):
        donor.source("abacus")


# Schedules as expressions


@pytest.mark.parametrize(
    "symbol", [sympy.Symbol("x"), DONOR.gradient, ld.samples], ids=["plain", "gradient", "samples"]
)
def test_a_schedule_of_other_symbols_than_the_step_is_refused(symbol):
    with pytest.raises(ld.HyperparameterError) as caught:
        ld.Schedule(symbol * ld.step)
    assert f"depends on {symbol}; only learnerdsl.step may appear in it" in str(caught.value)


@pytest.mark.parametrize(
    "value", ["step", None, lambda step: 0.1], ids=["text", "None", "function"]
)
def test_a_schedule_of_what_is_no_expression_is_refused(value):
    with pytest.raises(ld.LearnerError, match="expression"):
        ld.Schedule(value)


# The classes of errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ld.RuleError, ValueError),
        (ld.ArrayError, ValueError),
        (ld.DtypeError, TypeError),
        (ld.HyperparameterError, ValueError),
        (ld.UnknownNameError, KeyError),
        (ld.CheckpointError, ValueError),
        (ld.NonFiniteError, ValueError),
    ],
)
def test_every_error_of_the_user_is_a_learner_error_and_the_usual_builtin_one(error, builtin):
    assert issubclass(error, ld.LearnerError)
    assert issubclass(error, builtin)


def test_an_internal_error_is_not_the_users():
    assert not issubclass(ld.InternalError, ld.LearnerError)


def test_an_unknown_name_error_prints_its_message_without_quotes():
    assert str(ld.UnknownNameError("no 'x' here")) == "no 'x' here"
