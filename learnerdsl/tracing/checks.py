"""What every rule must hold, however it was made; each failure says what to write instead."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import sympy
from sympy.core.symbol import Str
from sympy.logic.boolalg import BooleanAtom

from learnerdsl.elementary import BY_NODE, FUNCTIONS
from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    SQUARE_SHAPES,
    AxisSize,
    Clock,
    Condition,
    Draw,
    GradientSymbol,
    Identity,
    MatrixFunction,
    Maximum,
    Minimum,
    ModelState,
    ParameterSymbol,
    Position,
    Power,
    Reduction,
    RingState,
    RuleSymbol,
    TensorScalar,
    Where,
    brief,
    constant_value,
    is_constant,
    nodes,
    samples,
    step,
    symbols_in,
    vanishes,
)


def check_name(name: str) -> None:
    """Refuse a rule whose name cannot be that of a function."""
    if not name.isidentifier():
        msg = f"A rule needs a Python identifier for a name, got {name!r}."
        raise RuleError(msg)


def check_lines(rule: Any) -> None:
    """Every symbol known and defined before use, every state and the parameter assigned."""
    checked: dict[Any, bool] = {}
    _check_starts(rule, checked)
    inputs: set[sympy.Basic] = {rule.parameter, rule.gradient, *rule.hyperparameters, *rule.extras}
    inputs |= {spec.symbol for spec in rule.states}
    own_values = {line.value for line in rule.lines}
    defined: set[sympy.Basic] = set()
    for number, line in enumerate(rule.lines, 1):

        def place(line: Any = line, number: int = number) -> str:
            text = f"{line.target} <- {brief(line.expression)}"
            return f"{text} (statement {number} of rule {rule.name})"

        _check_nodes(line.expression, place, rule.ndim, checked)
        for symbol in sorted(symbols_in(line.expression), key=str):
            if symbol in inputs or symbol in defined or isinstance(symbol, _BUILT_IN):
                continue
            raise RuleError(_why_unknown(rule, line, symbol, own_values, place()))
        if line.value in defined:
            msg = (
                f"{line.target} is assigned twice in rule {rule.name}; give it one value, "
                "and name intermediate results with let(...)."
            )
            raise RuleError(msg)
        defined.add(line.value)
    _check_evaluation(rule, checked)
    _check_assigned(rule)


def _check_starts(rule: Any, checked: dict[Any, bool]) -> None:
    """Refuse start values of states that cannot be computed."""
    for spec in rule.states:
        place = f"init of state {str(spec.symbol)!r} of rule {rule.name}"
        if spec.init not in (sympy.oo, -sympy.oo):
            _check_nodes(spec.init, lambda place=place: place, rule.ndim, checked)
        _check_breadth(spec, place, rule.ndim or 0)
        for symbol in symbols_in(spec.init):
            if symbol.owner not in ("", rule.name):
                msg = f"{place}: {symbol} belongs to rule {symbol.owner}, not to this one."
                raise RuleError(msg)


def _check_assigned(rule: Any) -> None:
    """Refuse a rule that gives the parameter or a state no value."""
    assigned = {line.target for line in rule.lines}
    if rule.parameter not in assigned:
        msg = (
            f"Rule {rule.name} never assigns {rule.parameter}, so it would not learn; "
            f"end it with assign({rule.parameter}, ...)."
        )
        raise RuleError(msg)
    symbols = [spec.symbol for spec in rule.states]
    forgotten = [s for s in symbols if s not in assigned and not is_kept_in_ring(s)]
    if forgotten:
        msg = (
            f"Rule {rule.name} never assigns the state {names(forgotten)}; "
            "assign it a new value, or itself where it is to keep the value it starts with."
        )
        raise RuleError(msg)


def _check_evaluation(rule: Any, checked: dict[Any, bool]) -> None:
    """Refuse parameters to evaluate with that cannot be computed after an update."""
    if rule.evaluation is None:
        return
    place = f"evaluate({brief(rule.evaluation)}) of rule {rule.name}"
    _check_nodes(rule.evaluation, lambda: place, rule.ndim, checked)
    known = {rule.parameter, *rule.hyperparameters, *(spec.symbol for spec in rule.states)}
    for symbol in sorted(symbols_in(rule.evaluation), key=str):
        if symbol not in known and not isinstance(symbol, _BUILT_IN):
            msg = (
                f"{place}: {symbol} is not known after an update; write it by the parameter, "
                "states and hyperparameters."
            )
            raise RuleError(msg)


def is_kept_in_ring(symbol: Any) -> bool:
    """Whether a state stays where it is, as younger values of rings do."""
    return isinstance(symbol, RingState) and symbol.lag < symbol.length


def _check_breadth(spec: Any, place: str, ndim: int) -> None:
    """Refuse a start value with more numbers than the state."""
    shape = spec.symbol.shape
    room = {"element": range(ndim), "tensor": (), "model": ()}.get(shape, shape)
    needed = _axes_of(spec.init, ndim)
    if shape not in SQUARE_SHAPES and needed - set(room):
        msg = (
            f"{place}: {spec.init} has one number for each index of axes {tuple(sorted(needed))}, "
            f"the state one for each index of {tuple(room)}; reduce it over the other axes."
        )
        raise RuleError(msg)


def _axes_of(expr: Any, ndim: int) -> set[int]:
    """The axes over which a start value differs."""
    if isinstance(expr, (ParameterSymbol, GradientSymbol, Draw)):
        return set(range(ndim))
    if isinstance(expr, Reduction):
        gone = expr.axes or range(ndim)
        return _axes_of(expr.argument, ndim) - {axis % ndim for axis in gone}
    return set().union(*(_axes_of(argument, ndim) for argument in expr.args))


def uses_axes(expressions: Iterable[sympy.Basic]) -> bool:
    """Whether what some expressions say depends on the axes of the tensors."""

    def is_one(node: Any) -> bool:
        axes = isinstance(node, Reduction) and node.axes
        return bool(axes) or isinstance(node, (AxisSize, MatrixFunction, Identity))

    return any(is_one(node) for node in nodes(expressions))


def chooses_by_counts(lines: Iterable[Any]) -> bool:
    """Whether a choice depends on remainders of the step, or on a count that the model keeps."""
    given = list(lines)
    measured = _measured(given)
    counts = {line.target for line in given if isinstance(line.target, ModelState)} - measured
    for line in given:
        below: dict[Any, bool] = {}
        for node in nodes([line.expression]):
            is_count = node in counts
            is_turn = isinstance(node, sympy.Mod) and bool(symbols_in(node) & {step, samples})
            is_sum = isinstance(node, Reduction)
            below[node] = is_count or is_turn or (not is_sum and any(below[a] for a in node.args))
            if isinstance(node, Where) and below[node.condition]:
                return True
        if below[line.expression]:
            counts.add(line.value)
    return False


def _measured(lines: Iterable[Any]) -> set[Any]:
    """The targets and values that depend on gradients or parameters, which no count does."""
    found: set[Any] = set()
    for line in lines:
        inside = nodes([line.expression])
        kinds = (Reduction, ParameterSymbol, GradientSymbol)
        if any(isinstance(node, kinds) or node in found for node in inside):
            found |= {line.target, line.value}
    return found


def _why_unknown(rule: Any, line: Any, symbol: Any, own_values: set[Any], place: str) -> str:
    if symbol in own_values:
        reductions = [n for n in nodes([line.expression]) if isinstance(n, Reduction)]
        reduced = symbol in symbols_in(*reductions)
        what = "a reduction is inside its own input" if reduced else "the assigns form a cycle"
        return f"{place}: {what}: {symbol} is used before it is defined; order the assigns."
    if isinstance(symbol, RuleSymbol) and symbol.owner != rule.name:
        return f"{place}: {symbol} belongs to rule {symbol.owner}, not to this one."
    known = [rule.parameter, rule.gradient, *rule.hyperparameters, *(s.symbol for s in rule.states)]
    if symbol.name in [own.name for own in known]:
        return (
            f"{place}: {symbol} is another symbol than the {symbol} of this rule; "
            "write the argument itself, or what state(...) returned."
        )
    return (
        f"{place}: {symbol} is not a symbol of this rule. Known are {names(known)}; "
        "declare a state with state(...), or a hyperparameter as an argument with a float default."
    )


def _check_axes(axes: tuple[int, ...], ndim: int | None, place: Callable[[], str]) -> None:
    """Refuse axes that the tensors have not."""
    if axes and ndim is not None and not all(-ndim <= axis < ndim for axis in axes):
        msg = (
            f"{place()}: a tensor with {ndim} axes has not all of the axes {axes}; write another "
            "rule for such tensors under `if learnerdsl.ndim(p) ...:`."
        )
        raise RuleError(msg)
    if axes and ndim is not None and len({axis % ndim for axis in axes}) < len(axes):
        msg = f"{place()}: the axes {axes} of a tensor with {ndim} axes name one twice."
        raise RuleError(msg)


def _check_nodes(
    expr: sympy.Basic, place: Callable[[], str], ndim: int | None, checked: dict[Any, bool]
) -> None:
    """Refuse functions and numbers that no kernel can compute.

    Args:
        expr: an expression.
        place: gives what the messages call it.
        ndim: number of axes of the parameters, if it matters.
        checked: node that is known to be right -> whether it is a constant; those of `expr` are
            entered.
    """
    for node in nodes([expr], checked):
        _check_node(node, place, ndim)
        checked[node] = is_constant(node, all(checked[argument] for argument in node.args))
        if checked[node] and not node.args:
            _check_constant(node, place)
        elif not checked[node]:
            # A choice may be NaN, which is what a sympy.Piecewise is where no condition holds.
            for argument in node.args:
                if checked[argument] and not isinstance(node, Where):
                    _check_constant(argument, place, may_be_nan=False)
    if checked[expr]:
        _check_constant(expr, place, may_be_nan=False)


def _check_constant(node: Any, place: Callable[[], str], may_be_nan: bool = True) -> None:
    """Refuse a constant that float64 does not hold."""
    if node is sympy.nan and may_be_nan:
        return
    value = constant_value(node)
    if math.isfinite(value) and not vanishes(node):
        return
    why = "is not a finite number"
    if math.isnan(value) and node is not sympy.nan:
        why = "is not a real number"
    elif value == 0.0:
        why = "is too small for float64, but not 0"
    msg = f"{place()}: the constant {brief(node)} {why}; rules compute with finite real numbers."
    raise RuleError(msg)


def _check_node(node: Any, place: Callable[[], str], ndim: int | None) -> None:
    if node is sympy.zoo:
        msg = f"{place()}: the constant {node} is not a finite number."
        raise RuleError(msg)
    if node is sympy.I or node.is_commutative is False:
        msg = f"{place()}: {node} is not a real number; rules compute with real numbers only."
        raise RuleError(msg)
    if isinstance(node, Reduction):
        _check_axes(node.axes, ndim, place)
    elif isinstance(node, AxisSize):
        _check_axes((node.axis,), ndim, place)
    elif isinstance(node, (MatrixFunction, Identity)):
        if ndim is not None and ndim < 2:
            msg = (
                f"{place()}: {brief(node)} is of a matrix, which a tensor with ndim {ndim} is not; "
                "write another rule for such tensors under `if learnerdsl.ndim(p) < 2:`."
            )
            raise RuleError(msg)
    elif not isinstance(node, _KNOWN_NODES) and node.func not in BY_NODE:
        known = ", ".join(row.name for row in FUNCTIONS)
        msg = (
            f"{place()}: {node.func.__name__} has no meaning in a kernel. The "
            f"functions are {known}; and minimum, maximum, clip, where, powers."
        )
        raise RuleError(msg)


_BUILT_IN = (Clock, Position, TensorScalar)
_KNOWN_NODES = (
    sympy.Symbol,
    sympy.Number,
    sympy.NumberSymbol,
    sympy.Add,
    sympy.Mul,
    sympy.Pow,
    Power,
    Maximum,
    Minimum,
    sympy.Mod,
    Where,
    Condition,
    BooleanAtom,
    Reduction,
    Draw,
    Str,
    sympy.Tuple,
)


def names(symbols: Iterable[Any]) -> str:
    """The symbols as a list in a sentence."""
    return ", ".join(str(symbol) for symbol in symbols)
