"""Tracing: a Python function over symbols becomes a Rule, and every mistake gets an error.

`state`, `assign`, `let` and `combine` only mean something while a rule is being traced.
"""

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError, RuleError, UnknownNameError
from learnerdsl.expr import (
    STATE_SHAPES,
    GradientSymbol,
    Hyperparameter,
    LetValue,
    Named,
    NewValue,
    NormalDraw,
    ParameterSymbol,
    RuleSymbol,
    StateSymbol,
    TensorScalar,
    UniformDraw,
    expression,
    model_size,
    position,
)
from learnerdsl.rule.checks import names
from learnerdsl.rule.definition import Assignment, HyperDefault, OptionValue, Rule, StateSpec
from learnerdsl.schedules import Schedule


class _Trace:
    """What a rule function has declared so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameter: ParameterSymbol
        self.gradient: GradientSymbol
        self.names: set[str] = set()
        self.states: list[StateSpec] = []
        self.lines: list[Assignment] = []
        self.draws = 0

    def take_name(self, name: str, what: str) -> str:
        """`name`, if it is an identifier that nothing else in this rule has."""
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            msg = f"{what} needs a Python identifier for a name, got {name!r}."
            raise RuleError(msg)
        if name in self.names:
            msg = (
                f"The name {name!r} is used twice in rule {self.name}; "
                f"choose another for this {what}."
            )
            raise RuleError(msg)
        self.names.add(name)
        return name


_current: ContextVar[_Trace | None] = ContextVar("learnerdsl_trace", default=None)


def _tracing(what: str) -> _Trace:
    trace_now = _current.get()
    if trace_now is None:
        msg = (
            f"{what} was called outside a rule; write it inside a function under @learnerdsl.rule."
        )
        raise RuleError(msg)
    return trace_now


def state(name: str, init: Any = 0.0, shape: str = "element") -> StateSymbol:
    """Declare a state variable and return the symbol of its old value.

    Args:
        name: a Python identifier; `learner.state` and checkpoints use it.
        init: number, or expression of the parameter, of hyperparameters and of sizes, evaluated
            when the learner is made (and by `reset`).
        shape: "element" (one value per element of the parameter, in its dtype), "tensor" (one
            float64 scalar per parameter) or "model" (one float64 scalar for the whole learner).

    Raises:
        RuleError: the name is taken or not an identifier, the shape unknown, or `init` uses the
            gradient, a state or the step.
    """
    trace_now = _tracing("state(...)")
    if not isinstance(shape, str) or shape not in STATE_SHAPES:
        msg = f"State {name!r} cannot have shape {shape!r}; write one of {', '.join(STATE_SHAPES)}."
        raise RuleError(msg)
    symbol = STATE_SHAPES[shape](trace_now.take_name(name, "state"), trace_now.name)
    start = expression(init)
    known = (ParameterSymbol, Hyperparameter, TensorScalar)
    foreign = [s for s in start.free_symbols if not isinstance(s, known) and s != model_size]
    if foreign or (shape != "element" and start.has(ParameterSymbol)):
        msg = (
            f"State {name!r} cannot start from {start}; a start value depends on numbers, "
            "hyperparameters and sizes, and on the parameter where the state is per element."
        )
        raise RuleError(msg)
    trace_now.states.append(StateSpec(symbol, start))
    return symbol


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
    trace_now = _tracing("assign(...)")
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
    trace_now = _tracing("let(...)")
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
    trace_now = _tracing(what)
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


LEARNER_ARGUMENTS = ("params", "backend", "groups", "nonfinite", "seed")
"""Keyword arguments of every learner, which no rule can have as well."""

_HINTS = {
    "truth value of Relational": "write learnerdsl.where(condition, a, b) instead of if",
    "loop of ufunc": "write learnerdsl.sqrt and the like instead of NumPy's functions",
    "Cannot convert expression": "write learnerdsl.sqrt and the like instead of math's",
}
"""What a TypeError of SymPy's says, and what the user should have written."""


def trace(
    function: Callable[..., Any], version: int = 1, options: Mapping[str, OptionValue] | None = None
) -> Rule:
    """Run `function` once over symbols and return the rule it describes.

    Args:
        function: `f(p, g, lr=0.01, nesterov=False)`: parameter, gradient, then hyperparameters
            (float, schedule or callable default) and options (bool, int or str default).
        version: number of this definition, for checkpoints.
        options: values of options to specialise for; the others keep their defaults.

    Raises:
        RuleError: the function does not describe an update rule; the message names the line.
        UnknownNameError: `options` names no option of the function.
    """
    parameter_name, gradient_name, hypers, defaults = signature(function)
    chosen = _choose_options(function.__name__, defaults, dict(options or {}))
    current = _Trace(function.__name__)
    parameter = ParameterSymbol(current.take_name(parameter_name, "parameter"), current.name)
    gradient = GradientSymbol(current.take_name(gradient_name, "gradient"), current.name)
    current.parameter = parameter
    current.gradient = gradient
    symbols = {
        n: Hyperparameter(current.take_name(n, "hyperparameter"), current.name) for n in hypers
    }
    token = _current.set(current)
    try:
        result = function(parameter, gradient, **symbols, **chosen)
    except TypeError as error:
        hint = next((hint for text, hint in _HINTS.items() if text in str(error)), None)
        if hint is None:
            raise
        msg = f"Rule {current.name} is run over symbols, not numbers; {hint}."
        raise RuleError(msg) from error
    finally:
        _current.reset(token)
    rule = Rule(
        name=current.name,
        version=version,
        parameter=parameter,
        gradient=gradient,
        hyperparameters=tuple(symbols.values()),
        defaults=tuple(hypers.values()),
        options=tuple(chosen.items()),
        states=tuple(current.states),
        lines=tuple(current.lines),
        doc=inspect.getdoc(function) or "",
    )
    _check_result(rule, result)
    return rule


def signature(
    function: Callable[..., Any],
) -> tuple[str, str, dict[str, HyperDefault], dict[str, OptionValue]]:
    """Names of the parameter and the gradient, hyperparameters and options with their defaults."""
    arguments = list(inspect.signature(function).parameters.values())
    if len(arguments) < 2 or any(a.default is not a.empty for a in arguments[:2]):
        msg = (
            f"{function.__name__} must start with the parameter and its gradient: "
            "def rule(p, g, ...)."
        )
        raise RuleError(msg)
    if not function.__name__.isidentifier():
        msg = f"A rule needs a name, got {function.__name__}; write it as a function with def."
        raise RuleError(msg)
    hypers: dict[str, HyperDefault] = {}
    options: dict[str, OptionValue] = {}
    for argument in arguments[2:]:
        if argument.name in LEARNER_ARGUMENTS:
            msg = (
                f"Argument {argument.name!r} of {function.__name__} is called like one that every "
                "learner has; choose another name."
            )
            raise RuleError(msg)
        default = argument.default
        if isinstance(default, (bool, int, str)):
            options[argument.name] = default
        elif isinstance(default, (float, Schedule, sympy.Expr)) or _is_schedule(default):
            hypers[argument.name] = default
        else:
            msg = (
                f"Argument {argument.name!r} of {function.__name__} needs a default: a float or a "
                "schedule for a hyperparameter, a bool, int or str for a compile-time option."
            )
            raise RuleError(msg)
    return arguments[0].name, arguments[1].name, hypers, options


def _is_schedule(default: Any) -> bool:
    return callable(default) and default is not inspect.Parameter.empty


def _choose_options(
    rule_name: str, defaults: dict[str, OptionValue], given: dict[str, OptionValue]
) -> dict[str, OptionValue]:
    for name, value in given.items():
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            msg = f"{rule_name} has no option {name!r}; its options are: {known}."
            raise UnknownNameError(msg)
        kind = type(defaults[name])
        if type(value) is not kind:
            msg = (
                f"Option {name}={value!r} of {rule_name} must be of type {kind.__name__}, "
                f"as its default {defaults[name]!r}."
            )
            raise HyperparameterError(msg)
    return {**defaults, **given}


def _check_target(trace_now: _Trace, target: Any) -> None:
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


def _check_result(rule: Rule, result: Any) -> None:
    """Every assign must be returned, or be needed by one that is."""
    if isinstance(result, NewValue):
        reached = {result}
    elif isinstance(result, Combination):
        reached = set(result.values)
    else:
        msg = (
            f"Rule {rule.name} returned {result!r}; "
            "return the last assign(...), or combine([...]) of several."
        )
        raise RuleError(msg)
    for line in reversed(rule.lines):
        if line.value in reached:
            reached |= line.expression.free_symbols
    lost = [line for line in rule.lines if line.value not in reached]
    if lost:
        targets = names(line.target for line in lost)
        msg = (
            f"Rule {rule.name} returns nothing that depends on {targets}; "
            "return combine([...]) with every assign, and drop a let(...) that is not used."
        )
        raise RuleError(msg)
