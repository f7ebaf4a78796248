"""What a rule function calls to declare states and to give values.

These only mean something while a rule is being traced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    STATE_SHAPES,
    ExtraArray,
    ExtraScalar,
    ExtraSymbol,
    GradientSymbol,
    Hyperparameter,
    LetValue,
    Named,
    NewValue,
    NormalDraw,
    ParameterSymbol,
    Reduction,
    RuleSymbol,
    StateSymbol,
    TensorScalar,
    UniformDraw,
    equal,
    expression,
    model_size,
    position,
    step,
    where,
)
from learnerdsl.rule.checks import names
from learnerdsl.rule.context import Trace, tracing_now
from learnerdsl.rule.definition import Assignment, StateSpec


def state(name: str, init: Any = 0.0, shape: str = "element") -> StateSymbol | LetValue:
    """Declare a state variable and return the symbol of its old value.

    Args:
        name: a Python identifier; `learner.state` and checkpoints use it.
        init: number, or expression of the parameter, of hyperparameters and of sizes, evaluated
            when the learner is made (and by `reset`). One that uses the gradient is evaluated at
            the first update, whose old value it is: `state("last", init=g)`. A scalar state may
            start from reductions: `state("d", init=1e-6 * norm(p), shape="tensor")`.
        shape: "element" (one value per element of the parameter, in its dtype), "tensor" (one
            float64 scalar per parameter) or "model" (one float64 scalar for the whole learner).

    Raises:
        RuleError: the name is taken or not an identifier, the shape unknown, or `init` uses a
            state or the step, or has one number for each element where the state has not.
    """
    trace_now = tracing_now("state(...)")
    if not isinstance(shape, str) or shape not in STATE_SHAPES:
        msg = f"State {name!r} cannot have shape {shape!r}; write one of {', '.join(STATE_SHAPES)}."
        raise RuleError(msg)
    symbol = STATE_SHAPES[shape](trace_now.take_name(name, "state"), trace_now.name)
    start = expression(init)
    _check_start(name, start, shape)
    if not start.has(GradientSymbol):
        trace_now.states.append(StateSpec(symbol, start))
        return symbol
    trace_now.states.append(StateSpec(symbol, sympy.S.Zero))
    old = LetValue(trace_now.take_name(f"{symbol.name}_old", "state"), trace_now.name)
    trace_now.lines.append(Assignment(old, old, where(equal(step, 1), start, symbol)))
    trace_now.old_values[old] = symbol
    return old


def _check_start(name: str, start: sympy.Expr, shape: str) -> None:
    """Refuse a start value that cannot be known, or that has more numbers than the state."""
    known = (ParameterSymbol, GradientSymbol, Hyperparameter, TensorScalar)
    foreign = [s for s in start.free_symbols if not isinstance(s, known) and s != model_size]
    narrow = {"element": (), "tensor": (Reduction,), "model": (_over_model,)}[shape]
    outside = start
    for reduction in narrow:
        outside = outside.replace(reduction, lambda *_: sympy.S.Zero)
    wide = {"element": (), "tensor": (ParameterSymbol, GradientSymbol)}.get(
        shape, (ParameterSymbol, GradientSymbol, TensorScalar, Reduction)
    )
    if foreign or (wide and outside.has(*wide)):
        msg = (
            f"State {name!r} cannot start from {start}; a start value depends on numbers, "
            "hyperparameters and sizes, on the parameter and the first gradient where the state "
            "is per element, and on their reductions where it is per tensor or model."
        )
        raise RuleError(msg)


def _over_model(node: Any) -> bool:
    return isinstance(node, Reduction) and node.over == "model"


UPDATE_ARGUMENTS = ("gradients", "minibatch_size")
EXTRA_SHAPES = {"loss": "model", "hessian_diag": "element"}
"""Shapes of the extras with a name of their own."""


def extra(name: str, shape: str | None = None) -> ExtraSymbol:
    """Declare what every update is given beside the gradients, and return its symbol.

    A rule with `extra("loss")` is updated by `learner.update(gradients, loss=0.7)`, one with
    `extra("hessian_diag")` by `learner.update(gradients, hessian_diag=arrays)`.

    Args:
        name: a Python identifier; the argument of `update`.
        shape: "model" for a number, "element" for arrays of the shapes of the parameters, in the
            same form as the gradients. "loss" and "hessian_diag" need none.

    Raises:
        RuleError: the name is taken or not an identifier, or the shape missing or unknown.
    """
    trace_now = tracing_now("extra(...)")
    if shape is None:
        shape = EXTRA_SHAPES.get(name)
    kinds: dict[Any, type[ExtraSymbol]] = {"model": ExtraScalar, "element": ExtraArray}
    if shape not in kinds:
        msg = (
            f"extra({name!r}) cannot have shape {shape!r}; write shape='model' for a number, or "
            "shape='element' for arrays like the parameters."
        )
        raise RuleError(msg)
    if name in UPDATE_ARGUMENTS:
        msg = f"An extra cannot be called {name!r}, as an argument of every update is."
        raise RuleError(msg)
    symbol = kinds[shape](trace_now.take_name(name, "extra"), trace_now.name)
    trace_now.extras.append(symbol)
    return symbol


def evaluate(value: Any) -> None:
    """Declare the parameters to evaluate a model with: `learner.evaluation_parameters()`.

    For rules that train other values than those that are good in the end, such as averages of the
    weights: `evaluate(average)`. Values are those after the update, `step` the updates done.

    Args:
        value: expression of the parameter, of states per element, of hyperparameters and scalars;
            what `assign` returned stands for its target.

    Raises:
        RuleError: it was declared already, or `value` uses the gradient or what `let` named.
    """
    trace_now = tracing_now("evaluate(...)")
    if trace_now.evaluation is not None:
        msg = f"Rule {trace_now.name} declares its evaluation parameters twice; declare them once."
        raise RuleError(msg)
    targets: dict[Any, Any] = {line.value: line.target for line in trace_now.lines}
    targets |= trace_now.old_values
    declared = expression(expression(value).xreplace(targets))
    foreign = [s for s in declared.free_symbols if isinstance(s, (GradientSymbol, Named))]
    if foreign:
        msg = (
            f"Rule {trace_now.name} cannot evaluate with {declared}: {names(foreign)} is not kept "
            "after an update; write it by the parameter and states."
        )
        raise RuleError(msg)
    trace_now.evaluation = declared


def assign(target: Any, value: Any) -> NewValue:
    """Give `target` a new value and return the symbol of that new value.

    `target` itself keeps meaning the value before this update, wherever it is written.

    Args:
        target: the parameter or a state of this rule.
        value: a SymPy expression.

    Raises:
        RuleError: the target is the gradient, a new value, no symbol of this rule, or assigned
            already.
    """
    trace_now = tracing_now("assign(...)")
    target = trace_now.old_values.get(target, target)
    _check_target(trace_now, target)
    if any(line.target == target for line in trace_now.lines):
        msg = (
            f"{target} is assigned twice in rule {trace_now.name}; give it one value, "
            "and name intermediate results with let(...)."
        )
        raise RuleError(msg)
    name = f"{target.name}_new"
    while name in trace_now.names:
        name += "_"
    trace_now.names.add(name)
    new = NewValue(name, trace_now.name)
    trace_now.lines.append(Assignment(target, new, expression(value)))
    return new


def let(name: str, value: Any, dtype: str | None = None) -> LetValue:
    """Name an intermediate value, and return its symbol.

    The value is computed once, is called so in the generated code, and neither SymPy nor the
    compiler reorders arithmetic across it.

    Args:
        name: a Python identifier.
        value: a SymPy expression.
        dtype: None, or "parameter" to round a scalar to the parameter's dtype.
    """
    trace_now = tracing_now("let(...)")
    if dtype not in (None, "parameter"):
        msg = f"let({name!r}) cannot have dtype={dtype!r}; write dtype='parameter' or leave it out."
        raise RuleError(msg)
    symbol = LetValue(trace_now.take_name(name, "let"), trace_now.name)
    line = Assignment(symbol, symbol, expression(value), rounded=dtype == "parameter")
    trace_now.lines.append(line)
    return symbol


def normal() -> NormalDraw:
    """A standard normal random number, another one for each element, step and call.

    Numbers are counter-based (Philox4x32-10 and Box-Muller in float64): they depend on the
    learner's `seed`, the step, the number of the tensor and of the element, so they are the same
    for every number of threads, and after resuming.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
    https://doi.org/10.1145/2063384.2063405, 2011.
    """
    return NormalDraw(position, _next_stream("normal()"))


def uniform() -> UniformDraw:
    """A random number from 0 up to and without 1; see `normal`."""
    return UniformDraw(position, _next_stream("uniform()"))


def _next_stream(what: str) -> int:
    trace_now = tracing_now(what)
    trace_now.draws += 1
    return trace_now.draws


@dataclass(frozen=True)
class Combination:
    """Several assigns that make up one rule."""

    values: tuple[NewValue, ...]


def combine(assigns: Iterable[Any]) -> Combination:
    """One rule out of several assigns; needed where the last one does not depend on the others.

    Args:
        assigns: what `assign` or `combine` returned.
    """
    values: list[NewValue] = []
    if not isinstance(assigns, Iterable):
        msg = f"combine takes a list of what assign(...) returned, got {assigns!r}; write [...]."
        raise RuleError(msg)
    for item in assigns:
        if isinstance(item, Combination):
            values.extend(item.values)
        elif isinstance(item, NewValue):
            values.append(item)
        else:
            msg = f"combine takes what assign(...) returned, got {item!r}."
            raise RuleError(msg)
    return Combination(tuple(values))


def _check_target(trace_now: Trace, target: Any) -> None:
    declared = [spec.symbol for spec in trace_now.states]
    if isinstance(target, ParameterSymbol) and target == trace_now.parameter:
        return
    if isinstance(target, StateSymbol) and target in declared:
        return
    known = names([trace_now.parameter, *declared])
    if isinstance(target, GradientSymbol):
        why = "it is the gradient, an input; assign to a state, or name the value with let(...)"
    elif isinstance(target, Named):
        why = f"it is a value computed by this update; assign to one of {known}"
    elif isinstance(target, RuleSymbol) and target.owner not in ("", trace_now.name):
        why = f"it belongs to rule {target.owner}; declare a state of this rule with state(...)"
    elif str(target) in [str(symbol) for symbol in (trace_now.parameter, *declared)]:
        why = (
            f"it is a {type(target).__name__} of that name; "
            "write the argument itself, or what state(...) returned"
        )
    else:
        why = f"it is not one of {known}; declare a state with state(...)"
    msg = f"Rule {trace_now.name} cannot assign to {target}: {why}."
    raise RuleError(msg)
