"""Start values of states, one update of every tensor, and parameters for evaluation."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    CLOCK,
    AxisState,
    ExtraSymbol,
    MatrixExtra,
    MatrixState,
    RingState,
    StateSymbol,
    tensor_size,
)
from learnerdsl.interpret.evaluation import MISSING, Evaluation
from learnerdsl.tracing import Rule, model_reductions, shown, starts, values

_CLOCK = {symbol.name: symbol for symbol in CLOCK}

Values = dict[str, Any]
"""State name -> a list with one array (or scalar) for each tensor, or one scalar for the model.

If tensors have different rules, the entry of a tensor without the state is None."""

Rules = Rule | Sequence[Rule]
"""One rule for all tensors, or one for each: the same function, traced for each tensor's shape."""


def initial_states(
    rules: Rules,
    parameters: Sequence[Any],
    hyperparameters: Sequence[Mapping[str, float]],
    xp: Any = np,
) -> Values:
    """Return the states before the first update.

    Args:
        rules: traced rules.
        parameters: the arrays that will be updated.
        hyperparameters: for each tensor, name -> value.
        xp: array namespace.
    """
    each = _of_each(rules, len(parameters))
    symbols = _symbol_values(each, parameters, None, {}, hyperparameters, {}, xp)
    evaluate = _evaluation(each, symbols, parameters, xp, starts)
    constants: dict[int, Any] = {}

    def start(k: int, spec: Any) -> Any:
        if id(spec) not in constants:
            is_constant = isinstance(sympy.sympify(spec.init), sympy.Number)
            constants[id(spec)] = evaluate(spec.init, k) if is_constant else MISSING
        constant = constants[id(spec)]
        return evaluate(spec.init, k) if constant is MISSING else constant

    return _by_state(each, parameters, start, xp)


def interpret(
    rules: Rules,
    parameters: Sequence[Any],
    gradients: Sequence[Any],
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, Any],
    xp: Any = np,
    positions: Sequence[Any] | None = None,
    extras: Mapping[str, Any] | None = None,
    numbers: Sequence[int] | None = None,
    products: Sequence[str] | None = None,
) -> tuple[list[Any], Values]:
    """Update every tensor once.

    Args:
        rules: traced rules.
        parameters: arrays.
        gradients: arrays of the same shapes.
        states: the states that `initial_states` or the previous update returned.
        hyperparameters: for each tensor, name -> value.
        clock: values of "step" (a list if each tensor has its own), "samples", "minibatch_size"
            and "seed".
        xp: array namespace. Numbers among the arguments may also be its arrays of the shape ().
        positions: for each tensor, the indices of its elements in the whole tensor, if it is only
            a part of one; random numbers depend on them.
        extras: name -> number, or list with an array or a number for each tensor, None where its
            rule has no such extra.
        numbers: for each tensor, its number in the model, if the model has more tensors; random
            numbers depend on it.
        products: for each tensor, how its matrices are multiplied, if not in full; see `Precision`.

    Returns:
        The new parameters and the new states.
    """
    each = _of_each(rules, len(parameters))
    symbols = _symbol_values(each, parameters, gradients, states, hyperparameters, clock, xp)
    _put_extras(symbols, each, parameters, extras or {}, xp)
    evaluate = _evaluation(each, symbols, parameters, xp, values)
    evaluate.positions, evaluate.numbers = positions, numbers
    if products is not None:
        evaluate.products = products
    new = [_new_values(rule) for rule in each]
    new_states = _by_state(each, parameters, lambda k, spec: evaluate(new[k][spec.symbol], k), xp)
    updated = [
        _like(evaluate(new[k][rule.parameter], k), parameters[k], xp) for k, rule in enumerate(each)
    ]
    return updated, new_states


def _new_values(rule: Rule) -> dict[Any, Any]:
    """Return state or parameter -> the symbol of its new value; ring values move up by one lag."""
    new: dict[Any, Any] = {line.target: line.value for line in rule.lines}
    rings = [s.symbol for s in rule.states if isinstance(s.symbol, RingState)]
    for oldest in [s for s in rings if s.lag == s.length]:
        end = rings.index(oldest) + 1
        own = rings[end - oldest.length : end]
        new |= {own[0]: new[oldest], **{old: young for young, old in pairwise(own)}}
    return new


def evaluation_parameters(
    rules: Rules,
    parameters: Sequence[Any],
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, Any],
    xp: Any = np,
) -> list[Any]:
    """Return the parameters for evaluating a model after an update; see `interpret`."""
    each = _of_each(rules, len(parameters))
    symbols = _symbol_values(each, parameters, None, states, hyperparameters, clock, xp)
    evaluate = _evaluation(each, symbols, parameters, xp, shown)
    return [
        xp.asarray(p) if rule.evaluation is None else _like(evaluate(rule.evaluation, k), p, xp)
        for k, (rule, p) in enumerate(zip(each, parameters, strict=True))
    ]


def _of_each(rules: Rules, count: int) -> list[Rule]:
    """Return the rule of each tensor."""
    return [rules] * count if isinstance(rules, Rule) else list(rules)


def _evaluation(
    rules: list[Rule],
    symbols: Any,
    parameters: Any,
    xp: Any,
    place: Callable[[Rule], list[sympy.Expr]],
) -> Evaluation:
    """Return an evaluation; `place` returns the expressions of a rule that it evaluates.

    The n-th model-wide reduction in these expressions is the same one in all variants of a rule.
    """
    lines = {id(rule): {line.value: line for line in rule.lines} for rule in rules}
    definitions = [lines[id(rule)] for rule in rules]
    numbers: dict[Rule, int] = {}
    variants = [numbers.setdefault(rule, len(numbers)) for rule in rules]
    of_model = [model_reductions(rule, place(rule)) for rule in numbers]
    return Evaluation(symbols, definitions, variants, of_model, parameters, xp)


def _by_state(rules: list[Rule], parameters: Sequence[Any], value: Any, xp: Any) -> Values:
    """Return the values of all states; `value(tensor, spec)` computes one."""
    states: Values = {}
    for k, (rule, parameter) in enumerate(zip(rules, parameters, strict=True)):
        for spec in rule.states:
            name, shape = spec.symbol.name, spec.symbol.shape
            if shape == "model":
                if name not in states:
                    states[name] = value(k, spec)
                continue
            if name not in states:
                states[name] = [None] * len(rules)
            own = states[name]
            own[k] = value(k, spec)
            if shape != "tensor":
                own[k] = _like(own[k], parameter, xp, spec.symbol)
            elif np.ndim(own[k]):  # a reduction of a matrix, which has kept its axes
                own[k] = own[k].reshape(())
    return states


def _symbol_values(
    rules: list[Rule],
    parameters: Sequence[Any],
    gradients: Sequence[Any] | None,
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, Any],
    xp: Any,
) -> dict[sympy.Basic, list[Any]]:
    """Return symbol -> list with its value for each tensor."""
    count = len(parameters)
    symbols: dict[Any, list[Any]] = {rule.parameter: list(parameters) for rule in rules}
    if gradients is not None:
        symbols |= {rule.gradient: list(gradients) for rule in rules}
    for hyper in rules[0].hyperparameters:
        own = [values.get(hyper.name, math.nan) for values in hyperparameters]
        symbols[hyper] = [_scalar(value, xp) for value in own]
    for k, rule in enumerate(rules):
        for spec in rule.states:
            if spec.symbol.name in states:
                value = states[spec.symbol.name]
                own = _of_tensor(spec.symbol, value, k, parameters[k].ndim, xp)
                if spec.symbol not in symbols:
                    symbols[spec.symbol] = [MISSING] * count
                symbols[spec.symbol][k] = own
    sizes = [float(math.prod(np.shape(p))) for p in parameters]
    symbols[tensor_size] = sizes
    totals = {**clock, "model_size": sum(sizes)}
    for name, value in totals.items():
        of_each = value if isinstance(value, list) else [value] * count
        symbols[_CLOCK[name]] = [_scalar(v, xp) for v in of_each]
    return symbols


def _put_extras(
    symbols: dict[Any, list[Any]],
    rules: list[Rule],
    parameters: Sequence[Any],
    extras: Mapping[str, Any],
    xp: Any,
) -> None:
    """Add the extra inputs to the values of symbols."""
    for k, rule in enumerate(rules):
        for extra in rule.extras:
            own = _of_tensor(extra, extras[extra.name], k, parameters[k].ndim, xp)
            symbols.setdefault(extra, [MISSING] * len(rules))[k] = own


def _scalar(value: Any, xp: Any) -> Any:
    """Return a number as a float, and one of another library, which may be traced, in float64."""
    if isinstance(value, (int, float, np.number, np.ndarray)):
        return float(value)
    return xp.asarray(value, dtype=xp.float64)


def _of_tensor(symbol: StateSymbol | ExtraSymbol, value: Any, k: int, ndim: int, xp: Any) -> Any:
    """Return the value that a state or an extra has for tensor `k`, which has `ndim` axes."""
    one = value if symbol.shape == "model" else value[k]
    if symbol.shape in ("model", "tensor"):
        return _scalar(one, xp)
    return _kept(symbol, one, ndim)


def _kept(symbol: StateSymbol | ExtraSymbol, value: Any, ndim: int) -> Any:
    """Return a value over some axes with the other axes as length 1, so that it broadcasts."""
    axes = symbol.shape
    if not isinstance(axes, tuple) or isinstance(symbol, (MatrixExtra, MatrixState)):
        return value
    sizes = dict(zip(axes, value.shape, strict=True))
    return value.reshape(tuple(sizes.get(axis, 1) for axis in range(ndim)))


def _like(value: Any, parameter: Any, xp: Any, symbol: StateSymbol | None = None) -> Any:
    """Return `value` as an array with the parameter's dtype, and its shape or that of a state."""
    # Copy: the value may be the array of another state, which is about to be written.
    array = xp.asarray(value, dtype=parameter.dtype, copy=True)
    shape = tuple(parameter.shape)
    if symbol is None or symbol.shape == "element":
        return xp.broadcast_to(array, shape) if tuple(array.shape) != shape else array
    wanted = symbol.array_shape(shape)
    kept = symbol.broadcast_shape(shape) if isinstance(symbol, AxisState) else wanted
    try:
        return xp.reshape(xp.broadcast_to(array, kept), wanted)
    except ValueError:
        msg = (
            f"State {symbol.name} of {symbol.owner} has the shape {wanted}, but its start value "
            f"has {tuple(array.shape)}; write one that broadcasts to the state's shape."
        )
        raise RuleError(msg) from None
