"""Check every rule, however it was made; each error says what to write instead."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import sympy
from sympy.core.symbol import Str
from sympy.logic.boolalg import BooleanAtom

from learnerdsl.elementary import BY_NODE, FUNCTIONS
from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    AxisSize,
    Clock,
    Condition,
    Draw,
    GradientSymbol,
    MatrixFunction,
    MatrixLeaf,
    MatrixState,
    Maximum,
    Minimum,
    ModelState,
    NarrowDraw,
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
from learnerdsl.tracing.places import located


def check_name(name: str) -> None:
    """Refuse a rule whose name cannot be that of a function."""
    if not name.isidentifier():
        msg = f"A rule needs a Python identifier for a name, got {name!r}."
        raise RuleError(msg)


def check_lines(rule: Any) -> None:
    """Raise unless symbols are defined before use and all states and the parameter assigned."""
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

        with located(line.place):
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
    """Refuse start values that cannot be computed."""
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
    """Refuse a rule that never assigns the parameter or a state."""
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
    """Refuse evaluation parameters that cannot be computed after an update."""
    if rule.evaluation is None:
        return
    place = f"evaluate({brief(rule.evaluation)}) of rule {rule.name}"
    _check_nodes(rule.evaluation, lambda: place, rule.ndim, checked)
    known = {rule.parameter, *rule.hyperparameters, *(spec.symbol for spec in rule.states)}
    for symbol in sorted(symbols_in(rule.evaluation), key=str):
        if symbol not in known and not isinstance(symbol, _BUILT_IN):
            msg = (
                f"{place}: {symbol} is not kept after an update; use the parameter, states and "
                "hyperparameters."
            )
            raise RuleError(msg)


def is_kept_in_ring(symbol: Any) -> bool:
    """Return whether a state is a younger value of a ring, which is never assigned itself."""
    return isinstance(symbol, RingState) and symbol.lag < symbol.length


def _check_breadth(spec: Any, place: str, ndim: int) -> None:
    """Refuse a start value that varies along axes which the state does not have."""
    shape = spec.symbol.shape
    room = {"element": range(ndim), "tensor": (), "model": ()}.get(shape, shape)
    needed = _axes_of(spec.init, ndim)
    if not isinstance(spec.symbol, MatrixState) and needed - set(room):
        msg = (
            f"{place}: {spec.init} varies along the axes {tuple(sorted(needed))}, but the state "
            "has "
            f"only the axes {tuple(room)}; reduce the start value over the other axes."
        )
        raise RuleError(msg)


def _axes_of(expr: Any, ndim: int) -> set[int]:
    """Return the axes along which a start value varies."""
    if isinstance(expr, (ParameterSymbol, GradientSymbol, Draw)):
        return set(range(ndim))
    if isinstance(expr, Reduction):
        gone = expr.axes or range(ndim)
        return _axes_of(expr.argument, ndim) - {axis % ndim for axis in gone}
    return set().union(*(_axes_of(argument, ndim) for argument in expr.args))


def uses_axes(expressions: Iterable[sympy.Basic]) -> bool:
    """Return whether the meaning of some expressions depends on the axes of the tensors."""

    def is_one(node: Any) -> bool:
        axes = isinstance(node, (NarrowDraw, Reduction)) and node.axes
        return bool(axes) or isinstance(node, (AxisSize, MatrixFunction, MatrixLeaf))

    return any(is_one(node) for node in nodes(expressions))


def chooses_by_counts(lines: Iterable[Any]) -> bool:
    """Return whether a `where` depends on `step % k`, or on a count in a model-wide state."""
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
    """Return the targets and values that depend on gradients or parameters: not counts."""
    found: set[Any] = set()
    for line in lines:
        inside = nodes([line.expression])
        kinds = (Reduction, ParameterSymbol, GradientSymbol)
        if any(isinstance(node, kinds) or node in found for node in inside):
            found |= {line.target, line.value}
    return found


def _why_unknown(rule: Any, line: Any, symbol: Any, own_values: set[Any], place: str) -> str:
    """Return the message for a symbol that is not defined where a line uses it."""
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
            f"{place}: {symbol} is not the {symbol} of this rule but another symbol of that name; "
            "use the argument itself, or what state(...) returned."
        )
    return (
        f"{place}: {symbol} is not a symbol of this rule. Known are {names(known)}; "
        "declare a state with state(...), or a hyperparameter as an argument with a float default."
    )


def _out_of_range(axes: tuple[int, ...], ndim: int) -> str:
    """Return which of the axes a tensor does not have, as the beginning of a sentence."""
    wrong = [str(axis) for axis in axes if not -ndim <= axis < ndim]
    noun, verb = ("axis", "is") if len(wrong) == 1 else ("axes", "are")
    return f"{noun} {', '.join(wrong)} {verb} out of range"


def _axes_in_words(ndim: int) -> str:
    return "1 axis" if ndim == 1 else f"{ndim} axes"


def _check_axes(axes: tuple[int, ...], ndim: int | None, place: Callable[[], str]) -> None:
    """Refuse axes that the tensors do not have, or one axis that is named twice."""
    if axes and ndim is not None and not all(-ndim <= axis < ndim for axis in axes):
        msg = (
            f"{place()}: {_out_of_range(axes, ndim)} for a tensor with {_axes_in_words(ndim)}; "
            "write another rule for such tensors under `if learnerdsl.ndim(p) ...:`."
        )
        raise RuleError(msg)
    if axes and ndim is not None and len({axis % ndim for axis in axes}) < len(axes):
        msg = (
            f"{place()}: the axes {axes} of a tensor with {ndim} axes name one axis twice; name "
            "it once."
        )
        raise RuleError(msg)


def _check_nodes(
    expr: sympy.Basic, place: Callable[[], str], ndim: int | None, checked: dict[Any, bool]
) -> None:
    """Refuse functions and numbers that no kernel can compute.

    Args:
        expr: an expression.
        place: returns the name of the expression for the messages.
        ndim: number of axes of the parameters, or None if the rule is for any number.
        checked: checked node -> whether it is a constant; the nodes of `expr` are added.
    """
    for node in nodes([expr], checked):
        _check_node(node, place, ndim)
        checked[node] = is_constant(node, all(checked[argument] for argument in node.args))
        if checked[node] and not node.args:
            _check_constant(node, place)
        elif not checked[node]:
            # A branch of `where` may be NaN: a sympy.Piecewise is NaN where no condition holds. It
            # may be infinite, which is the identity of the maximum or minimum with `where=`.
            for argument in node.args:
                if checked[argument] and not isinstance(node, Where):
                    _check_constant(argument, place, is_branch=False)
    if checked[expr]:
        _check_constant(expr, place, is_branch=False)


def _check_constant(node: Any, place: Callable[[], str], is_branch: bool = True) -> None:
    """Refuse a constant that float64 cannot represent, except for one in a branch of `where`."""
    if is_branch and node in (sympy.nan, sympy.oo, -sympy.oo):
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
    """Refuse one node that no kernel can compute."""
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
    elif isinstance(node, (MatrixFunction, MatrixLeaf)):
        if ndim is not None and ndim < 2:
            msg = (
                f"{place()}: {brief(node)} needs a matrix, but this tensor has "
                f"{_axes_in_words(ndim)}; "
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
    NarrowDraw,
    Str,
    sympy.Tuple,
)


def names(symbols: Iterable[Any]) -> str:
    """Join the names of symbols with commas."""
    return ", ".join(str(symbol) for symbol in symbols)
