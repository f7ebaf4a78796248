"""What a rule function calls to declare states and to give values.

These only mean something while a rule is being traced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    SQUARE_SHAPES,
    STATE_SHAPES,
    AxisState,
    ExtraArray,
    ExtraScalar,
    ExtraSymbol,
    GradientSymbol,
    Hyperparameter,
    LetValue,
    MatrixState,
    Named,
    NewValue,
    NormalDraw,
    ParameterSymbol,
    Reduction,
    RuleSymbol,
    StateSymbol,
    TensorScalar,
    UniformDraw,
    brief,
    equal,
    has,
    model_size,
    position,
    rebuilt,
    replaced,
    step,
    symbols_in,
    where,
)
from learnerdsl.tracing.checks import names
from learnerdsl.tracing.context import Trace, tracing_now
from learnerdsl.tracing.definition import Assignment, StateSpec
from learnerdsl.tracing.rings import Ring


def state(
    name: str, init: Any = 0.0, shape: str | tuple[Any, ...] = "element", ring: int | None = None
) -> Any:
    """Declare a state variable and return the symbol of its old value.

    Args:
        name: a Python identifier; `learner.state` and checkpoints use it.
        init: number, or expression of the parameter, of hyperparameters and of sizes, evaluated
            when the learner is made (and by `reset`). One that uses the gradient is evaluated at
            the first update, whose old value it is: `state("last", init=g)`. A scalar state may
            start from reductions: `state("d", init=1e-6 * norm(p), shape="tensor")`.
        shape: "element" (one value per element of the parameter, in its dtype), "tensor" (one
            float64 scalar per parameter) or "model" (one float64 scalar for the whole learner);
            "rows" (all axes but the last), "cols" (all but the last but one) or a tuple of axes,
            one value for each index of those, in the parameter's dtype; ("rows", "rows") or
            ("cols", "cols"), a square matrix for each matrix of the last two axes.
        ring: how many of the last values to keep, one per element each: `past = state("past",
            ring=3)` gives `past[1]`, the value assigned at the last update, to `past[3]`.

    Raises:
        RuleError: the name is taken or not an identifier, the shape unknown, or `init` uses a
            state or the step, or has one number for each element where the state has not.
    """
    trace_now = tracing_now("state(...)")
    start = trace_now.expression(init)
    if ring is not None:
        if shape != "element" or has(start, GradientSymbol):
            msg = f"State {name!r} is a ring: leave out its shape, and start it from no gradient."
            raise RuleError(msg)
        _check_start(name, start, shape)
        return Ring(trace_now, trace_now.take_name(name, "state"), ring, start)
    symbol = _state_symbol(trace_now, name, shape)
    _check_start(name, start, symbol.shape)
    if not has(start, GradientSymbol):
        trace_now.states.append(StateSpec(symbol, start))
        return symbol
    trace_now.states.append(StateSpec(symbol, sympy.S.Zero))
    old = LetValue(trace_now.take_name(f"{symbol.name}_old", "state"), trace_now.name)
    trace_now.lines.append(Assignment(old, old, where(equal(step, 1), start, symbol)))
    trace_now.old_values[old] = symbol
    return old


def _state_symbol(trace_now: Trace, name: str, shape: Any) -> StateSymbol:
    """The symbol of a state of that shape, with axes counted from 0."""
    if shape == ():
        shape = "tensor"
    if shape in SQUARE_SHAPES:
        _require_matrix(trace_now, f"State {name!r} of shape {shape}")
        return MatrixState(trace_now.take_name(name, "state"), trace_now.name, shape)
    if isinstance(shape, str) and shape in STATE_SHAPES:
        return STATE_SHAPES[shape](trace_now.take_name(name, "state"), trace_now.name)
    axes: Any = shape
    if shape in ("rows", "cols"):
        _require_matrix(trace_now, f"State {name!r} of shape {shape!r}")
        left_out = trace_now.ndim - (1 if shape == "rows" else 2)
        axes = tuple(a for a in range(trace_now.ndim) if a != left_out)
    if not isinstance(axes, tuple) or not all(type(axis) is int for axis in axes):
        known = ", ".join((*STATE_SHAPES, "rows", "cols"))
        msg = (
            f"State {name!r} cannot have shape {shape!r}; write one of {known}, a tuple of axes, "
            "('rows', 'rows') or ('cols', 'cols')."
        )
        raise RuleError(msg)
    ndim = trace_now.ndim
    if any(not -ndim <= axis < ndim for axis in axes):
        msg = f"State {name!r} of axes {shape!r} needs more axes than a tensor with {ndim} has."
        raise RuleError(msg)
    kept = tuple(sorted({axis % ndim for axis in axes}))
    if len(kept) == ndim:
        return StateSymbol(trace_now.take_name(name, "state"), trace_now.name)
    return AxisState(trace_now.take_name(name, "state"), trace_now.name, kept)


def _require_matrix(trace_now: Trace, what: str) -> None:
    if trace_now.ndim < 2:
        msg = (
            f"{what} needs a tensor with at least 2 axes, this one has {trace_now.ndim}; "
            "write another rule for it under `if learnerdsl.ndim(p) < 2:`."
        )
        raise RuleError(msg)


def ndim(x: Any) -> int:
    """Number of axes of the parameter: a plain number, so that Python's `if` chooses a rule.

    A learner traces a rule that asks for it once for each number of axes among its parameters.
    """
    return len(shape(x))


def shape(x: Any) -> tuple[int, ...]:
    """The shape of the parameter, as plain numbers; see `ndim`.

    A learner traces the rule once for each shape, and compiles each different outcome: choose by
    it (`rows > cols`), but write sizes into expressions as `size(p, axis=0)`.
    """
    trace_now = tracing_now("shape(...)")
    if not isinstance(x, (ParameterSymbol, GradientSymbol)):
        msg = f"The shape of {x} is not known; write that of the parameter or the gradient."
        raise RuleError(msg)
    trace_now.asked = True
    return trace_now.shape


def _check_start(name: str, start: sympy.Expr, shape: Any) -> None:
    """Refuse a start value that cannot be known, or that has more numbers than the state."""
    if isinstance(shape, tuple):
        shape = "element"
    known = (ParameterSymbol, GradientSymbol, Hyperparameter, TensorScalar)
    foreign = [s for s in symbols_in(start) if not isinstance(s, known) and s != model_size]
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
    if shape is None and isinstance(name, str):
        shape = EXTRA_SHAPES.get(name)
    kinds: dict[Any, type[ExtraSymbol]] = {"model": ExtraScalar, "element": ExtraArray}
    if not isinstance(shape, str) or shape not in kinds:
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
    declared = replaced(trace_now.expression(value), targets, rebuilt)
    foreign = [s for s in symbols_in(declared) if isinstance(s, (GradientSymbol, Named))]
    if foreign:
        msg = (
            f"Rule {trace_now.name} cannot evaluate with {brief(declared)}: {names(foreign)} is "
            "not kept after an update; write it by the parameter and states."
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
    target = target[len(target)] if isinstance(target, Ring) else target
    if isinstance(target, Named):
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
    trace_now.lines.append(Assignment(target, new, trace_now.expression(value)))
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
    value = trace_now.expression(value)
    line = Assignment(symbol, symbol, value, rounded=dtype == "parameter")
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
