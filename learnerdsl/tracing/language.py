"""Define the functions that a rule calls to declare states and to assign values.

They can be called only while a rule is being traced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    PARAMETER_SIDES,
    STATE_SHAPES,
    AxisExtra,
    AxisState,
    ExtraArray,
    ExtraScalar,
    ExtraSymbol,
    GradientSymbol,
    Hyperparameter,
    LetValue,
    MatrixDraw,
    MatrixExtra,
    MatrixState,
    Named,
    NarrowDraw,
    NewValue,
    ParameterSymbol,
    Reduction,
    RuleSymbol,
    StateSymbol,
    TensorExtra,
    TensorScalar,
    array_shape,
    as_sides,
    brief,
    equal,
    filled,
    has,
    may_be_narrower,
    model_size,
    nodes,
    rebuilt,
    replaced,
    sides_of,
    sides_of_own,
    step,
    symbols_in,
    where,
)
from learnerdsl.storage import STORAGES
from learnerdsl.tracing.checks import names
from learnerdsl.tracing.context import Trace, tracing_now
from learnerdsl.tracing.definition import Assignment, StateSpec
from learnerdsl.tracing.places import place_of_caller
from learnerdsl.tracing.rings import Ring


def state(
    name: str,
    init: Any = 0.0,
    shape: str | tuple[Any, ...] = "element",
    ring: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Declare a state variable and return the symbol of its old value.

    Args:
        name: a Python identifier; `learner.state` and checkpoints use it.
        init: start value: a number, or an expression of the parameter, hyperparameters and sizes,
            evaluated when the learner is made and by `reset`. If it uses the gradient, it is
            evaluated at the first update and is the old value there: `state("last", init=g)`. So
            is one with random numbers of another shape, `normal(shape=...)`. A
            scalar state may start from reductions: `state("d", init=1e-6 * norm(p),
            shape="tensor")`.
        shape: what the state has one value for. "element": each element of the parameter, in its
            dtype. "tensor": each parameter, a float64 scalar. "model": the whole learner, a float64
            scalar. "rows" (all axes but the last), "cols" (all axes but the second to last) or a
            tuple of axes: each index of those axes, in the parameter's dtype. ("rows", "rows"),
            ("cols", 4) or two other sides: a matrix for each matrix of the last two axes, with
            sides of the length of "rows", of "cols", or of a number; write `sides(4, 4)` where
            both are numbers.
        ring: number of past values to keep, each one per element: `past = state("past", ring=3)`
            makes `past[1]`, the value that the last update assigned, to `past[3]`.
        dtype: number type of the state in memory, such as "bfloat16" or "int8"; None for the dtype
            of the arithmetic, which is float32 for narrow parameters. The argument `states` of a
            learner overrides it; float64 parameters do not follow it.

    Returns:
        The symbol of the value before the update; with `ring`, a `Ring` of such symbols.

    Raises:
        RuleError: the name is taken or is not an identifier, the shape is unknown, `init` uses a
            state or the step, `init` varies where the state has one value, or the dtype is unknown.
    """
    trace_now = tracing_now("state(...)")
    start = trace_now.expression(init)
    if dtype is not None and (not isinstance(dtype, str) or dtype not in STORAGES):
        listed = ", ".join(STORAGES)
        msg = f"State {name!r} cannot be stored as {dtype!r}; choose one of {listed}."
        raise RuleError(msg)
    storage = dtype or ""
    if ring is not None:
        if shape != "element" or has(start, *_OF_UPDATES):
            msg = (
                f"State {name!r} is a ring, which has one value per element and cannot start from "
                "the gradient or random numbers; leave out shape, and write another init."
            )
            raise RuleError(msg)
        _check_start(name, start, shape)
        return Ring(trace_now, trace_now.take_name(name, "state"), ring, start, storage)
    symbol = _state_symbol(trace_now, name, shape)
    _check_start(name, start, symbol.shape)
    if not has(start, *_OF_UPDATES):
        trace_now.states.append(StateSpec(symbol, start, storage))
        return symbol
    trace_now.states.append(StateSpec(symbol, sympy.S.Zero, storage))
    old = LetValue(trace_now.take_name(f"{symbol.name}_old", "state"), trace_now.name)
    _record_sides(trace_now, old, symbol, symbol)
    trace_now.lines.append(Assignment(old, old, where(equal(step, 1), start, symbol)))
    trace_now.old_values[old] = symbol
    return old


_RANDOM = (MatrixDraw, NarrowDraw)
_OF_UPDATES = (GradientSymbol, *_RANDOM)
"""What a start value cannot use before the first update."""


def _state_symbol(trace_now: Trace, name: str, shape: Any) -> StateSymbol:
    """Return the symbol of a state; negative axes are counted from 0."""
    if shape == ():
        shape = "tensor"
    own = as_sides(shape)
    if own is not None:
        require_matrix(trace_now, f"State {name!r} of shape {own}")
        if own == PARAMETER_SIDES:
            return StateSymbol(trace_now.take_name(name, "state"), trace_now.name)
        return MatrixState(trace_now.take_name(name, "state"), trace_now.name, own)
    if isinstance(shape, str) and shape in STATE_SHAPES:
        return STATE_SHAPES[shape](trace_now.take_name(name, "state"), trace_now.name)
    kept = kept_axes(trace_now, f"State {name!r}", shape)
    if kept is None:
        known = ", ".join((*STATE_SHAPES, "rows", "cols"))
        msg = (
            f"State {name!r} cannot have shape {shape!r}; write one of {known}, a tuple of axes, "
            "or two sides of a matrix such as ('rows', 'rows') or ('cols', 4)."
        )
        raise RuleError(msg)
    if len(kept) == trace_now.ndim:
        return StateSymbol(trace_now.take_name(name, "state"), trace_now.name)
    return AxisState(trace_now.take_name(name, "state"), trace_now.name, kept)


def kept_axes(trace_now: Trace, what: str, shape: Any) -> tuple[int, ...] | None:
    """Return the axes of a state or an extra, counted from 0; None if its shape names none."""
    axes: Any = shape
    if shape in ("rows", "cols"):
        require_matrix(trace_now, f"{what} of shape {shape!r}")
        left_out = trace_now.ndim - (1 if shape == "rows" else 2)
        axes = tuple(a for a in range(trace_now.ndim) if a != left_out)
    if not isinstance(axes, tuple) or not all(type(axis) is int for axis in axes):
        return None
    ndim = trace_now.ndim
    if any(not -ndim <= axis < ndim for axis in axes):
        msg = (
            f"{what} has the axes {shape!r}, but a tensor with {ndim} axes does not have all "
            f"of them; write axes from {-ndim} to {ndim - 1}."
        )
        raise RuleError(msg)
    return tuple(sorted({axis % ndim for axis in axes}))


def _record_sides(trace_now: Trace, named: Named, like: Any, value: Any) -> None:
    """Let functions of a value that has a name know whether it is a matrix, and its sides."""
    own = sides_of(like)
    if own is not None:
        trace_now.sides[named] = own
        if may_be_narrower(value, trace_now.narrower):
            trace_now.narrower.add(named)


def require_matrix(trace_now: Trace, what: str) -> None:
    """Raise a RuleError about `what` if the tensor that a rule is traced for is no matrix."""
    if trace_now.ndim < 2:
        msg = (
            f"{what} needs a tensor with at least 2 axes, but this one has {trace_now.ndim}; "
            "write another rule for it under `if learnerdsl.ndim(p) < 2:`."
        )
        raise RuleError(msg)


def ndim(x: Any) -> int:
    """Return the number of axes of the parameter: a plain int, for use in Python's `if`.

    A learner traces a rule that calls this once for each number of axes among its parameters.

    Args:
        x: the parameter or the gradient.

    Raises:
        RuleError: `x` is something else.
    """
    return len(shape(x))


def shape(x: Any) -> tuple[int, ...]:
    """Return the shape of the parameter, as plain ints; see `ndim`.

    A learner traces the rule once for each shape and compiles each different result. So use the
    shape to choose (`rows > cols`), or for the side of a state (`min(rows, cols)`), but in
    expressions write sizes as `size(p, axis=0)`.

    Args:
        x: the parameter, the gradient, or a matrix that does not have their shape.

    Raises:
        RuleError: `x` is something else.
    """
    trace_now = tracing_now("shape(...)")
    own = sides_of_own(x)
    if own is None and not isinstance(x, (ParameterSymbol, GradientSymbol)):
        msg = f"The shape of {x} is not known; ask for that of the parameter or the gradient."
        raise RuleError(msg)
    trace_now.asked = True
    return trace_now.shape if own is None else array_shape(own, trace_now.shape)


def _check_start(name: str, start: sympy.Expr, shape: Any) -> None:
    """Refuse a start value of unknown symbols, or one that varies where the state does not.

    A scalar state may start from reductions: `narrow` are the ones whose result varies no more
    than the state, so what they reduce does not matter; outside them nothing in `wide` may occur.
    """
    if isinstance(shape, tuple):
        shape = "element"
    known = (ParameterSymbol, GradientSymbol, Hyperparameter, TensorScalar)
    kept = {model_size, *symbols_in(*(n for n in nodes([start]) if isinstance(n, _RANDOM)))}
    foreign = [s for s in symbols_in(start) if not isinstance(s, known) and s not in kept]
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
"""Default shapes of the extras with well-known names."""


def extra(name: str, shape: str | tuple[int, ...] | None = None) -> ExtraSymbol:
    """Declare an input of every update besides the gradients, and return its symbol.

    A rule with `extra("loss")` is updated by `learner.update(gradients, loss=0.7)`, one with
    `extra("hessian_diag")` by `learner.update(gradients, hessian_diag=arrays)`, and one with
    `extra("max_logit", shape=(0,))` by `learner.update(gradients, max_logit={"q": array})`, where
    the array has a value for each index of the first axis of `q`.

    Values other than "model" come in the form of the gradients: a dict, or a sequence with one
    for each parameter. Every update needs them for each parameter that it updates and whose rule
    declares the extra; other parameters are left out of a dict, and have None in a sequence.
    Checkpoints do not hold extras.

    Args:
        name: a Python identifier: the name of the argument of `update`.
        shape: what the extra has one value for, as with `state`. "model": the whole learner, a
            number. "tensor": each parameter, a number. "element": each element, an array with the
            shape of the parameter. "rows" (all axes but the last), "cols" (all axes but the second
            to last) or a tuple of axes: each index of those axes. ("rows", "rows"), ("cols", 4) or
            two other sides: a matrix for each matrix of the last two axes. May be left out for
            "loss", which is "model", and "hessian_diag", which is "element".

    Raises:
        RuleError: the name is taken or is not an identifier, the shape is missing or unknown, or
            the parameter does not have its axes.
    """
    trace_now = tracing_now("extra(...)")
    if shape is None and isinstance(name, str):
        shape = EXTRA_SHAPES.get(name)
    if name in UPDATE_ARGUMENTS:
        msg = (
            f"An extra cannot be called {name!r}, because every update has an argument of that "
            "name; "
            "choose another."
        )
        raise RuleError(msg)
    symbol = _extra_symbol(trace_now, name, shape)
    trace_now.extras.append(symbol)
    return symbol


def _extra_symbol(trace_now: Trace, name: str, given: Any) -> ExtraSymbol:
    """Return the symbol of an extra of the shape `given`; negative axes are counted from 0."""
    kinds: dict[Any, type[ExtraSymbol]] = {
        kind.shape: kind for kind in (ExtraScalar, TensorExtra, ExtraArray)
    }
    # Other objects, such as arrays, may not be comparable with words and tuples.
    shape: Any = given if isinstance(given, (str, tuple)) else None
    shape = "tensor" if shape == () else shape
    if isinstance(shape, str) and shape in kinds:
        return kinds[shape](trace_now.take_name(name, "extra"), trace_now.name)
    own = as_sides(shape)
    if own is not None:
        require_matrix(trace_now, f"extra({name!r}) of shape {own}")
        if own != PARAMETER_SIDES:
            return MatrixExtra(trace_now.take_name(name, "extra"), trace_now.name, own)
        shape = tuple(range(trace_now.ndim))
    kept = kept_axes(trace_now, f"extra({name!r})", shape)
    if kept is None:
        msg = (
            f"extra({name!r}) cannot have shape {given!r}; write shape='model' for a number, "
            "'tensor' for one for each parameter, 'element' for arrays like the parameters, "
            "'rows', 'cols' or a tuple of axes for a value for each index of those, or two sides "
            "of a matrix such as ('rows', 'rows')."
        )
        raise RuleError(msg)
    return AxisExtra(trace_now.take_name(name, "extra"), trace_now.name, kept)


def evaluate(value: Any) -> None:
    """Declare the weights to evaluate the model with: `learner.evaluation_parameters()`.

    For rules whose result is not the parameter that they train, such as rules that average weights:
    `evaluate(average)`. In `value`, states and the parameter have their values after the update,
    and `step` is the number of updates done.

    Args:
        value: expression of the parameter, states per element, hyperparameters and scalars. A
            symbol that `assign` returned stands for its target.

    Raises:
        RuleError: it was declared already, or `value` uses the gradient or a value named by `let`.
    """
    trace_now = tracing_now("evaluate(...)")
    if trace_now.evaluation is not None:
        msg = (
            f"Rule {trace_now.name} declares its evaluation parameters twice; call evaluate(...) "
            "once."
        )
        raise RuleError(msg)
    targets: dict[Any, Any] = {line.value: line.target for line in trace_now.lines}
    targets |= trace_now.old_values
    declared = replaced(trace_now.expression(value), targets, rebuilt)
    foreign = [s for s in symbols_in(declared) if isinstance(s, (GradientSymbol, Named))]
    if foreign:
        msg = (
            f"Rule {trace_now.name} cannot evaluate with {brief(declared)}: {names(foreign)} is "
            "not kept after an update; use the parameter and states instead."
        )
        raise RuleError(msg)
    trace_now.evaluation = declared


def assign(target: Any, value: Any) -> NewValue:
    """Give `target` a new value and return the symbol of that new value.

    `target` itself keeps meaning the value before this update, wherever it is written.

    Args:
        target: the parameter or a state of this rule.
        value: a SymPy expression.

    Returns:
        The symbol of the new value, `<target>_new`.

    Raises:
        RuleError: the target is the gradient, a new value, or not a symbol of this rule; or it is
            assigned already.
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
    own = trace_now.expression(filled(value, sides_of(target)))
    _record_sides(trace_now, new, target, own)
    trace_now.lines.append(Assignment(target, new, own, place=place_of_caller()))
    return new


def let(name: str, value: Any, dtype: str | None = None) -> LetValue:
    """Name an intermediate value and return its symbol.

    The value is computed once and has this name in the generated code. Neither SymPy nor the
    compiler moves arithmetic across it.

    Args:
        name: a Python identifier.
        value: a SymPy expression.
        dtype: None, or "parameter" to round a scalar to the parameter's dtype.

    Raises:
        RuleError: the name is taken or is not an identifier, or the dtype is unknown.
    """
    trace_now = tracing_now("let(...)")
    if dtype is not None and not (isinstance(dtype, str) and dtype == "parameter"):
        msg = f"let({name!r}) cannot have dtype={dtype!r}; write dtype='parameter' or leave it out."
        raise RuleError(msg)
    symbol = LetValue(trace_now.take_name(name, "let"), trace_now.name)
    value = trace_now.expression(filled(value, sides_of(value)))
    _record_sides(trace_now, symbol, value, value)
    rounded = dtype == "parameter"
    trace_now.lines.append(Assignment(symbol, symbol, value, rounded, place_of_caller()))
    return symbol


@dataclass(frozen=True)
class Combination:
    """Several assigned values that a rule returns together."""

    values: tuple[NewValue, ...]


def combine(assigns: Iterable[Any]) -> Combination:
    """Join several assigns, for a rule whose last assign does not depend on the others.

    Args:
        assigns: results of `assign` or `combine`.

    Returns:
        An object for the rule to return.

    Raises:
        RuleError: an item is something else.
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
    """Raise a RuleError that says why, unless `target` can be assigned."""
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
            "use the argument itself, or what state(...) returned"
        )
    else:
        why = f"it is not one of {known}; declare a state with state(...)"
    msg = f"Rule {trace_now.name} cannot assign to {target}: {why}."
    raise RuleError(msg)
