"""Trace a Python function over symbols into a Rule; explain every mistake in it."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl import expr
from learnerdsl.errors import HyperparameterError, LearnerError, RuleError, UnknownNameError
from learnerdsl.expr import (
    GradientSymbol,
    Hyperparameter,
    LetValue,
    NewValue,
    ParameterSymbol,
    knowing,
    operators_of_rules,
    symbols_in,
    written,
)
from learnerdsl.numbers import as_count, as_number, as_numbers, quoted
from learnerdsl.schedules import Schedule
from learnerdsl.tracing.checks import names, uses_axes
from learnerdsl.tracing.context import Trace, current_trace, within_depth
from learnerdsl.tracing.definition import (
    Assignment,
    HyperDefault,
    NumberOption,
    OptionValue,
    Rule,
)
from learnerdsl.tracing.language import Combination
from learnerdsl.tracing.pickling import own_name
from learnerdsl.tracing.places import (
    code_of,
    locate,
    locate_other,
    located,
    place_of,
    place_of_error,
)

LEARNER_ARGUMENTS = (
    *("params", "backend", "groups", "nonfinite", "seed", "missing", "shape"),
    *("states", "master", "rounding", "products", "observe"),
)
"""Keyword arguments of every learner, whose names a rule cannot use."""

_OF_VALUES = (
    "a rule describes one element; write learnerdsl.sum(x, axis=0), mean, norm, max, transpose and "
    "the like instead of indices and methods of arrays"
)
_HINTS = {
    "truth value of Relational": "write learnerdsl.where(condition, a, b) instead of if",
    "loop of ufunc": "write learnerdsl.sqrt and the like instead of NumPy's functions",
    "Cannot convert expression": "write learnerdsl.sqrt and the like instead of math's",
    "Cannot convert symbols to int": "write learnerdsl.floor(x) instead of int(x), or make the "
    "argument an option, such as fraction=learnerdsl.option(0.25), if Python needs its value",
    "Cannot truncate symbols": "write learnerdsl.floor(x) instead of int(x)",
    "Cannot round symbolic": "write learnerdsl.floor(x + 0.5) instead of round(x)",
    "' object is not subscriptable": _OF_VALUES,
    "' object has no attribute": _OF_VALUES,
    "' object is not iterable": _OF_VALUES,
    "has no len()": _OF_VALUES,
    "for @": "write learnerdsl.matmul(a, b) for the product of matrices",
}
"""Part of an error message of Python or SymPy -> what the user should have written."""

_OF_SYMBOLS = (TypeError, ValueError, ArithmeticError, AttributeError)
"""Errors that symbols raise if a rule uses them as numbers or arrays."""


DEFAULT_SHAPE = (32, 64)
"""Shape of the parameter for which a rule is traced to be shown."""


def trace(
    function: Callable[..., Any],
    version: int = 1,
    options: Mapping[str, OptionValue] | None = None,
    shape: tuple[int, ...] = DEFAULT_SHAPE,
) -> Rule:
    """Run `function` once over symbols and return the rule it describes.

    Args:
        function: `f(p, g, lr=0.01, nesterov=False)`: parameter, gradient, then hyperparameters
            (float, schedule or callable default) and options (bool, int, str or tuple default).
        version: number of this definition, for checkpoints.
        options: values of options to specialise for; the others keep their defaults.
        shape: shape of the parameters to specialise for, where the function asks for it.

    Raises:
        RuleError: the function does not describe an update rule; the message names the line.
        UnknownNameError: `options` has a name that is not an option of the function.
    """
    _, _, _, defaults = signature(function)
    chosen = choose_options(function.__name__, defaults, options or {})
    place = place_of(code_of(function))
    with located(place):
        return _traced(function, version, chosen, shape, place)


def _traced(
    function: Callable[..., Any],
    version: int,
    chosen: Mapping[str, OptionValue],
    shape: tuple[int, ...],
    place: str,
) -> Rule:
    """Return the rule of a function for these values of its options; `place` is where it begins."""
    parameter_name, gradient_name, hypers, _ = signature(function)
    current = Trace(function.__name__, tuple(shape))
    parameter = ParameterSymbol(current.take_name(parameter_name, "parameter"), current.name)
    gradient = GradientSymbol(current.take_name(gradient_name, "gradient"), current.name)
    current.parameter = parameter
    current.gradient = gradient
    symbols = {
        n: Hyperparameter(current.take_name(n, "hyperparameter"), current.name) for n in hypers
    }
    result = run(current, function, lambda: function(parameter, gradient, **symbols, **chosen))
    lines = needed_lines(current.name, current.lines, result)
    written, writers = written_in(current)
    return Rule(
        name=current.name,
        version=version,
        parameter=parameter,
        gradient=gradient,
        hyperparameters=tuple(symbols.values()),
        defaults=tuple(hypers.values()),
        options=tuple(chosen.items()),
        states=tuple(current.states),
        lines=tuple(lines),
        extras=tuple(current.extras),
        evaluation=current.evaluation,
        ndim=axes_of(current),
        written=written,
        writers=writers,
        doc=inspect.getdoc(function) or "",
        place=place,
    )


def run(current: Trace, writer: Callable[..., Any], function: Callable[[], Any]) -> Any:
    """Call `function` with `current` as the current trace, and return its result.

    Args:
        current: the trace.
        writer: the function of the rule or transform that it calls.
        function: takes no arguments.

    Raises:
        RuleError: the function used a symbol as a number or an array.
    """
    token, recording = current_trace.set(current), written.set(current.model_reductions)
    try:
        with (
            within_depth(current.name),
            operators_of_rules(),
            knowing(current.sides, current.shape),
        ):
            result = function()
            new = len(current.model_reductions) - len(current.writers)
            current.writers += [f"{writer.__module__}.{own_name(writer)}"] * new
            return result
    except LearnerError as error:
        locate(error, place_of_error(error))
        raise
    except _OF_SYMBOLS as error:
        if not _is_of_symbols(error):
            locate_other(error)
            raise
        hint = next((hint for text, hint in _HINTS.items() if text in str(error)), None)
        because = f"; {hint}" if hint else f": {type(error).__name__}: {error}"
        found = RuleError(f"Rule {current.name} is run over symbols, not numbers{because}.")
        locate(found, place_of_error(error))
        raise found from error
    except Exception as error:
        locate_other(error)
        raise
    finally:
        current_trace.reset(token)
        written.reset(recording)


def _is_of_symbols(error: BaseException) -> bool:
    """Return whether an error comes from SymPy, or from using one of its objects in Python."""
    text = str(error)
    named = re.findall(r"'(\w+)'", text)
    if any(hasattr(expr, name) or hasattr(sympy, name) for name in named if name[0].isupper()):
        return True
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback else ""
    is_numpys = any(hint in text for hint in ("loop of ufunc", "Cannot convert expression"))
    return module.startswith(("sympy.", "mpmath.")) or is_numpys


def axes_of(current: Trace) -> int | None:
    """Return the number of axes of the parameter if the rule depends on it, otherwise None."""
    return current.ndim if current.asked or uses_axes(_expressions(current)) else None


def written_in(current: Trace) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Return the reductions over the model in the order in which they were written, and by what."""
    found: dict[Any, str] = {}
    for reduction, writer in zip(current.model_reductions, current.writers, strict=True):
        found.setdefault(current.expression(reduction), writer)
    return tuple(found), tuple(found.values())


def _expressions(current: Trace) -> list[sympy.Basic]:
    """Return all expressions of a rule: start values, lines and evaluation parameters."""
    start = [spec.init for spec in current.states]
    shown = [] if current.evaluation is None else [current.evaluation]
    return [*start, *(line.expression for line in current.lines), *shown]


def check_function(function: Any, what: str, example: str) -> None:
    """Refuse what is not a function with a name."""
    if not callable(function) or not isinstance(getattr(function, "__name__", None), str):
        msg = f"{what} must be a function, {example}, got {quoted(function)}."
        raise RuleError(msg)


def check_version(version: Any) -> int:
    """Return the version of a definition, or raise if it is not a whole number."""
    if type(version) is not int:
        msg = f"The version of a definition must be a whole number, got {quoted(version)}."
        raise RuleError(msg)
    return version


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape to trace a rule for as a tuple, or raise if it cannot be one."""
    is_sequence = isinstance(shape, (tuple, list))
    if not is_sequence or not all(type(n) is int and n >= 0 for n in shape):
        msg = f"A shape must be a tuple of whole numbers such as (3, 4), got {quoted(shape)}."
        raise RuleError(msg)
    return tuple(shape)


def signature(
    function: Callable[..., Any],
) -> tuple[str, str, dict[str, HyperDefault], dict[str, OptionValue]]:
    """Return the names of parameter and gradient, and the defaults of the other arguments.

    Returns:
        Name of the parameter, name of the gradient, hyperparameter -> default, option -> default.

    Raises:
        RuleError: the arguments are not those of a rule.
    """
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
    hypers, options = sort_arguments(function.__name__, arguments[2:])
    return arguments[0].name, arguments[1].name, hypers, options


def sort_arguments(
    function_name: str, arguments: Iterable[inspect.Parameter]
) -> tuple[dict[str, HyperDefault], dict[str, OptionValue]]:
    """Split arguments with a default into hyperparameters and options: name -> default each."""
    hypers: dict[str, HyperDefault] = {}
    options: dict[str, OptionValue] = {}
    for argument in arguments:
        if argument.name in LEARNER_ARGUMENTS:
            msg = (
                f"Argument {argument.name!r} of {function_name} has the name of an argument of "
                "every learner; choose another name."
            )
            raise RuleError(msg)
        default, number = argument.default, as_number(argument.default)
        numbers = None if isinstance(argument.default, list) else as_numbers(argument.default)
        if numbers is not None:
            options[argument.name] = numbers
        elif isinstance(default, NumberOption):
            options[argument.name] = float(default)
        elif isinstance(default, (bool, np.bool_, str)):
            options[argument.name] = default if isinstance(default, str) else bool(default)
        elif as_count(default) is not None and not isinstance(default, sympy.Expr):
            options[argument.name] = int(default)
        elif isinstance(default, (Schedule, sympy.Expr)) or _is_schedule(default):
            hypers[argument.name] = default
        elif number is not None and not math.isnan(number):
            hypers[argument.name] = number
        else:
            msg = (
                f"Argument {argument.name!r} of {function_name} needs a default: a float or a "
                "schedule for a hyperparameter, a bool, int, str or tuple of numbers, or "
                "learnerdsl.option(0.5), for a compile-time option."
            )
            raise RuleError(msg)
    return hypers, options


def _is_schedule(default: Any) -> bool:
    return callable(default) and not isinstance(default, type)


def choose_options(
    rule_name: str, defaults: Mapping[str, OptionValue], given: Mapping[str, Any]
) -> dict[str, OptionValue]:
    """Return the value of every option; lists of numbers become tuples.

    Raises:
        UnknownNameError: a given option does not exist.
        HyperparameterError: its value has another type than its default. Tuples of numbers and
            texts may stand for each other, as numbers often have a name. A number may be of any
            type, but finite.
    """
    chosen = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            msg = f"{rule_name} has no option {name!r}; its options are: {known}."
            raise UnknownNameError(msg)
        kind = type(defaults[name])
        plain = _plain(value, kind)
        if type(plain) is not kind and {type(plain), kind} != {str, tuple}:
            raise HyperparameterError(_of_other_type(rule_name, name, value, defaults[name]))
        chosen[name] = plain
    return chosen


def _plain(value: Any, kind: type) -> Any:
    """Return the value of an option as one of its kind, if it stands for one."""
    if kind is float:
        number = as_number(value)
        return number if number is not None and math.isfinite(number) else None
    if kind not in (str, tuple) or isinstance(value, str):
        return value
    return as_numbers(value)


def _of_other_type(rule_name: str, name: str, value: Any, default: OptionValue) -> str:
    """Return the message that the value of an option has another type than its default."""
    kind = type(default)
    words = {tuple: "a tuple of numbers, or text,", float: "a finite number,"}
    what = words.get(kind, f"of type {kind.__name__},")
    msg = f"Option {name}={quoted(value)} of {rule_name} must be {what} as its default {default!r}."
    if kind is int:
        msg += (
            " An int default makes an option; write "
            f"{name}={quoted(default)}.0 in the definition for a hyperparameter."
        )
    return msg


def needed_lines(
    rule_name: str, lines: Sequence[Assignment], result: Any, may_lose: bool = False
) -> list[Assignment]:
    """Return the lines without the lets that nothing uses.

    A let can become unused because SymPy cancels it, or because it is the old value of a state that
    starts from the gradient and is not read.

    Args:
        rule_name: name of the rule, for the messages.
        lines: its lines.
        result: what its function returned.
        may_lose: whether the result need not depend on every assign, as where a factor is 0.

    Raises:
        RuleError: `result` is not a result of assign or combine; or an assign is lost, because it
            is neither returned nor used by one that is.
    """
    if isinstance(result, NewValue):
        reached: set[Any] = {result}
    elif isinstance(result, Combination):
        reached = set(result.values)
    else:
        msg = (
            f"Rule {rule_name} returned {result!r}; "
            "return the last assign(...), or combine([...]) of several."
        )
        raise RuleError(msg)
    if may_lose:
        reached |= {line.value for line in lines if not isinstance(line.value, LetValue)}
    for line in reversed(lines):
        if line.value in reached:
            reached |= symbols_in(line.expression)
    lost = [n for n in lines if n.value not in reached and not isinstance(n.value, LetValue)]
    if lost:
        targets = names(line.target for line in lost)
        msg = (
            f"Rule {rule_name} returns nothing that depends on the new value of {targets}, so its "
            "assign would be lost; return combine([...]) with every assign."
        )
        with located(lost[0].place):
            raise RuleError(msg)
    return [line for line in lines if line.value in reached]
