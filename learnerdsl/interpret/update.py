"""One update of every tensor, and what comes before and after it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.expr import CLOCK, tensor_size
from learnerdsl.interpret.evaluation import Evaluation
from learnerdsl.rule import Rule

_CLOCK = {symbol.name: symbol for symbol in CLOCK}

Values = dict[str, Any]
"""State name -> a list with one array (or float) for each tensor, or one float for the model."""


def initial_states(
    rule: Rule,
    parameters: Sequence[Any],
    hyperparameters: Sequence[Mapping[str, float]],
    xp: Any = np,
) -> Values:
    """The states of `rule` before the first update.

    Args:
        rule: a traced rule.
        parameters: the arrays that will be updated.
        hyperparameters: for each tensor, name -> value.
        xp: array namespace.
    """
    symbols = _symbol_values(rule, parameters, None, {}, hyperparameters, {})
    evaluate = Evaluation(symbols, parameters, xp)
    states: Values = {}
    for spec in rule.states:
        if spec.symbol.shape == "element":
            states[spec.symbol.name] = [
                _like(evaluate(spec.init, k), parameter, xp)
                for k, parameter in enumerate(parameters)
            ]
        elif spec.symbol.shape == "tensor":
            states[spec.symbol.name] = [evaluate(spec.init, k) for k in range(len(parameters))]
        else:
            states[spec.symbol.name] = evaluate(spec.init, 0)
    return states


def interpret(
    rule: Rule,
    parameters: Sequence[Any],
    gradients: Sequence[Any],
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, float],
    xp: Any = np,
    positions: Sequence[Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> tuple[list[Any], Values]:
    """One update of every tensor.

    Args:
        rule: a traced rule.
        parameters: arrays.
        gradients: arrays of the same shapes.
        states: what `initial_states` or the previous update returned.
        hyperparameters: for each tensor, name -> value.
        clock: values of "step", "samples", "minibatch_size" and "seed".
        xp: array namespace.
        positions: for each tensor, the numbers of its elements where it is only part of one;
            random numbers depend on them.
        extras: name -> number, or list with an array for each tensor.

    Returns:
        The new parameters and the new states.
    """
    symbols = _symbol_values(rule, parameters, gradients, states, hyperparameters, clock)
    count = len(parameters)
    for extra in rule.extras:
        value = (extras or {})[extra.name]
        symbols[extra] = [float(value)] * count if extra.shape == "model" else list(value)
    evaluate = Evaluation(symbols, parameters, xp)
    evaluate.positions = positions
    for line in rule.lines:
        values = [evaluate(line.expression, k) for k in range(count)]
        if line.rounded:
            values = [_rounded(v, p) for v, p in zip(values, parameters, strict=True)]
        symbols[line.value] = values
    new = {line.target.name: symbols[line.value] for line in rule.lines}
    new_states: Values = {}
    for spec in rule.states:
        values = new[spec.symbol.name]
        if spec.symbol.shape == "element":
            values = [_like(v, p, xp) for v, p in zip(values, parameters, strict=True)]
        new_states[spec.symbol.name] = values[0] if spec.symbol.shape == "model" else values
    updated = [_like(v, p, xp) for v, p in zip(new[rule.parameter.name], parameters, strict=True)]
    return updated, new_states


def evaluation_parameters(
    rule: Rule,
    parameters: Sequence[Any],
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, float],
    xp: Any = np,
) -> list[Any]:
    """The parameters to evaluate a model with after an update; see `interpret` for arguments."""
    if rule.evaluation is None:
        return [xp.asarray(p) for p in parameters]
    symbols = _symbol_values(rule, parameters, None, states, hyperparameters, clock)
    evaluate = Evaluation(symbols, parameters, xp)
    return [_like(evaluate(rule.evaluation, k), p, xp) for k, p in enumerate(parameters)]


def _symbol_values(
    rule: Rule,
    parameters: Sequence[Any],
    gradients: Sequence[Any] | None,
    states: Values,
    hyperparameters: Sequence[Mapping[str, float]],
    clock: Mapping[str, float],
) -> dict[sympy.Basic, list[Any]]:
    """Symbol -> its value for each tensor."""
    count = len(parameters)
    symbols: dict[Any, list[Any]] = {rule.parameter: list(parameters)}
    if gradients is not None:
        symbols[rule.gradient] = list(gradients)
    for hyper in rule.hyperparameters:
        symbols[hyper] = [float(values[hyper.name]) for values in hyperparameters]
    for spec in rule.states:
        if spec.symbol.name in states:
            value = states[spec.symbol.name]
            symbols[spec.symbol] = [value] * count if spec.symbol.shape == "model" else list(value)
    sizes = [float(np.prod(np.shape(p))) for p in parameters]
    symbols[tensor_size] = sizes
    totals = {**clock, "model_size": sum(sizes)}
    for name, value in totals.items():
        symbols[_CLOCK[name]] = [float(value)] * count
    return symbols


def _rounded(value: Any, parameter: Any) -> Any:
    return float(parameter.dtype.type(value)) if isinstance(value, float) else value


def _like(value: Any, parameter: Any, xp: Any) -> Any:
    """`value` as an array of the parameter's shape and dtype."""
    array = xp.asarray(value, dtype=parameter.dtype)
    return xp.broadcast_to(array, parameter.shape) if array.shape != parameter.shape else array
