"""Add observers to rules: numbers about an update that its own sweeps compute.

An observer is an expression of reductions. Each reduction becomes a state of its own kind, one
scalar for each tensor, that the rule assigns. So every pass and every engine treats it like a state
of shape "tensor". What the observer makes of its reductions is evaluated on the host.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import LearnerError, RuleError, UnknownNameError
from learnerdsl.expr import (
    GradientSymbol,
    MatrixFunction,
    Named,
    NewValue,
    ObservedState,
    ParameterSymbol,
    Reduction,
    brief,
    count,
    evaluated,
    expression,
    isfinite,
    model_size,
    nodes,
    norm,
    operators_of_rules,
    rebuilt,
    replaced,
    symbols_in,
    tensor_size,
)
from learnerdsl.monoids import Monoid
from learnerdsl.numbers import quoted
from learnerdsl.tracing.definition import Assignment, Rule, StateSpec

OBSERVERS: dict[str, Callable[..., Any]] = {
    "grad_norm": lambda g: norm(g),
    "update_norm": lambda p, new: norm(new - p),
    "param_norm": lambda p: norm(p),
    "update_ratio": lambda p, new: norm(new - p) / norm(p),
    "nonfinite": lambda g: count(~isfinite(g)),
}
"""Name of an observer that every rule has -> its function."""

_SIZE = sympy.Symbol("size", real=True)
"""Stands for the number of elements that an observer covers."""


@dataclass(frozen=True)
class Observer:
    """A number about an update, over a tensor or over the model.

    Attributes:
        name: its name.
        value: an expression of symbols for its reductions and of their number of elements.
        parts: the symbol of each reduction -> the reduction, over symbols of `inputs`.
        inputs: name of an argument of the function -> the symbol that stands for it.
        counts_nonfinite: whether it is the number of values of gradients that are NaN or infinite.
    """

    name: str
    value: sympy.Expr
    parts: Mapping[sympy.Symbol, Reduction]
    inputs: Mapping[str, sympy.Symbol]
    counts_nonfinite: bool = False

    @property
    def is_of_rows(self) -> bool:
        """Whether rows without a gradient, which do not change, add nothing to any reduction."""
        unchanged = {"p": 0.5, "new": 0.5, "g": 0.0}
        values = {symbol: unchanged.get(name, nan) for name, symbol in self.inputs.items()}
        parts = self.parts.values()
        return all(evaluated(part.argument, values) == part.monoid.identity for part in parts)

    def monoid(self, part: sympy.Symbol) -> Monoid:
        """Return the operation that joins a reduction over several tensors."""
        return self.parts[part].monoid

    def number(self, parts: Mapping[sympy.Symbol, float], size: float) -> float:
        """Return the value from those of the reductions, and from the number of elements."""
        return float(evaluated(self.value, {**parts, _SIZE: size}))


_P = ParameterSymbol("p")


def observers_of(given: Any) -> list[Observer]:
    """Return the observers that a user asks for.

    Args:
        given: names of `OBSERVERS`; or a dict with a function, or a name of `OBSERVERS`, for each
            name. Arguments of a function are `p`, `g`, `new`, or names of values of the rule.

    Raises:
        LearnerError: these are no observers.
    """
    if isinstance(given, str) or not isinstance(given, (Mapping, Sequence)):
        msg = (
            f"observe must be a list of names or a dict of functions, got {quoted(given)}; the "
            f"names are {', '.join(OBSERVERS)}."
        )
        raise UnknownNameError(msg)
    pairs = given.items() if isinstance(given, Mapping) else [(name, name) for name in given]
    found: dict[str, Callable[..., Any]] = {}
    for name, what in pairs:
        if not isinstance(name, str):
            msg = f"The name of an observer is text, got {quoted(name)}."
            raise UnknownNameError(msg)
        if name in found:
            msg = f"observe names {name!r} twice; name it once."
            raise UnknownNameError(msg)
        found[name] = _function(name, what)
    return [_observer(name, function) for name, function in found.items()]


def _function(name: str, what: Any) -> Callable[..., Any]:
    """Return the function of an observer."""
    if callable(what) and not isinstance(what, type):
        return what
    if isinstance(what, str) and what in OBSERVERS:
        return OBSERVERS[what]
    msg = (
        f"There is no observer {quoted(what)}; there are {', '.join(OBSERVERS)}. One of your own "
        "is a function: observe={'name': lambda p, g, new: learnerdsl.norm(new - p)}."
    )
    raise UnknownNameError(msg)


def _observer(name: str, function: Callable[..., Any]) -> Observer:
    """Call the function of an observer with symbols; return what it describes."""
    arguments = inspect.signature(function).parameters.values()
    inputs: dict[str, Any] = {}
    for argument in arguments:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            msg = f"The observer {name!r} takes any argument; name the values that it is to get."
            raise RuleError(msg)
        if argument.default is argument.empty:
            inputs[argument.name] = _input(argument.name)
    try:
        with operators_of_rules():
            value = expression(function(**inputs))
    except LearnerError as error:
        msg = f"Observer {name!r}: {error}"
        raise RuleError(msg) from None
    reductions = [node for node in nodes([value]) if isinstance(node, Reduction)]
    for reduction in reductions:
        _check_reduction(name, reduction)
    symbols: Any = {node: sympy.Symbol(f"part_{k}", real=True) for k, node in enumerate(reductions)}
    sizes: Any = {tensor_size: _SIZE, model_size: _SIZE}
    outer = replaced(value, {**symbols, **sizes}, rebuilt)
    loose = symbols_in(outer) - {*symbols.values(), _SIZE}
    if loose or not symbols:
        named = ", ".join(sorted(map(str, loose))) or "no reduction at all"
        msg = (
            f"The observer {name!r} is {brief(value)}, which is not one number: outside of "
            f"reductions there is {named}. Reduce it: learnerdsl.norm(x), sum, mean, max or min. A "
            "hyperparameter, which groups may differ in, goes into one: norm((new - p) / lr)."
        )
        raise RuleError(msg)
    parts = {symbol: node for node, symbol in symbols.items()}
    return Observer(name, outer, parts, inputs, function is OBSERVERS["nonfinite"])


def _input(name: str) -> Any:
    """Return the symbol that stands for an argument of an observer's function."""
    return {"p": _P, "g": GradientSymbol("g")}.get(name) or Named(name)


def _check_reduction(name: str, reduction: Reduction) -> None:
    """Refuse what the last sweep cannot reduce, or what cannot be joined over tensors."""
    inside = [n for n in nodes([reduction.argument]) if isinstance(n, (Reduction, MatrixFunction))]
    if inside or reduction.axes or reduction.block or reduction.of != "elements":
        what = brief(inside[0]) if inside else "axes, blocks or of='tensors'"
        msg = (
            f"The observer {name!r} has {brief(reduction)} with {what}, which would need sweeps of "
            "its own; reduce values of elements over the tensor, or name what the rule computes."
        )
        raise RuleError(msg)


@dataclass(frozen=True)
class Observed:
    """Rules with observers.

    Attributes:
        rules: the rule of each tensor, which computes the parts of all observers.
        observers: the observers.
        states: the state that holds each part of each observer.
    """

    rules: list[Rule]
    observers: list[Observer]
    states: dict[tuple[str, sympy.Symbol], str]


def observing(rules: Sequence[Rule], observers: Sequence[Observer]) -> Observed:
    """Return the rules with the observers; equal rules stay the same object.

    Args:
        rules: the traced rule of each tensor, all variants of one rule.
        observers: what to observe.

    Raises:
        LearnerError: an observer names a value that a rule does not have.
    """
    distinct = {id(rule): rule for rule in rules}
    taken = {name for rule in distinct.values() for name in _names_in(rule)}
    parts = [(observer.name, part) for observer in observers for part in observer.parts]
    states: dict[tuple[str, sympy.Symbol], str] = {}
    for number, part in enumerate(parts, 1):
        name = f"observed_{number}"
        while name in taken or f"{name}_new" in taken:
            name += "_"
        states[part] = name
    new = {key: _with_observers(rule, observers, states) for key, rule in distinct.items()}
    return Observed([new[id(rule)] for rule in rules], list(observers), states)


def _names_in(rule: Rule) -> set[str]:
    """Return the names of all symbols of a rule."""
    symbols = symbols_in(*(line.expression for line in rule.lines))
    symbols |= {line.value for line in rule.lines} | {line.target for line in rule.lines}
    symbols |= {rule.parameter, rule.gradient, *rule.hyperparameters, *rule.extras}
    return {symbol.name for symbol in symbols}


def _with_observers(
    rule: Rule, observers: Sequence[Observer], states: Mapping[tuple[str, Any], str]
) -> Rule:
    """Return a rule that also computes the parts of observers."""
    specs: list[StateSpec] = []
    lines: list[Assignment] = []
    values = _values_of(rule)
    for observer in observers:
        for name in observer.inputs:
            if name not in values:
                known = ", ".join(values)
                msg = (
                    f"The observer {observer.name!r} asks for {name!r}, which is not a value of "
                    f"{rule.name}; its values are {known}."
                )
                raise UnknownNameError(msg)
        own = {symbol: values[name] for name, symbol in observer.inputs.items()}
        for part, reduction in observer.parts.items():
            name = states[observer.name, part]
            symbol = ObservedState(name, rule.name)
            argument = replaced(reduction.argument, own, rebuilt)
            specs.append(StateSpec(symbol, sympy.S.Zero))
            over_tensor = type(reduction)(argument, "tensor")
            lines.append(Assignment(symbol, NewValue(f"{name}_new", rule.name), over_tensor))
    return replace(rule, states=(*rule.states, *specs), lines=(*rule.lines, *lines))


def _values_of(rule: Rule) -> dict[str, Any]:
    """Return name -> symbol of what an observer of a rule may ask for."""
    new = next(line.value for line in rule.lines if line.target == rule.parameter)
    named: dict[str, Any] = {"p": rule.parameter, "g": rule.gradient, "new": new}
    inputs = (*rule.hyperparameters, *rule.extras, *(spec.symbol for spec in rule.states))
    for symbol in (*inputs, *(line.value for line in rule.lines)):
        named.setdefault(symbol.name, symbol)
    return named


def joined_parts(monoid: Monoid, values: Sequence[float]) -> float:
    """Return a reduction over several tensors from those over each of them."""
    return float(monoid.ufunc.reduce(np.asarray(values, np.float64), initial=monoid.identity))
