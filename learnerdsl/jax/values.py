"""Read hyperparameters: numbers, arrays, schedules of optax and of this package."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.jax.loading import loaded
from learnerdsl.numbers import as_number, quoted
from learnerdsl.schedules import Schedule
from learnerdsl.xla import schedule_source


@dataclass(frozen=True)
class FromOptax:
    """A schedule of optax: a function of the number of updates done, which is 0 at the first.

    Attributes:
        function: the schedule.
    """

    function: Callable[[Any], Any]

    def __call__(self, count: Any) -> Any:
        """Return the value after `count` updates."""
        return self.function(count)


@dataclass(frozen=True)
class FromStep:
    """A schedule as a function of the number of the update, which is 1 at the first.

    Attributes:
        function: a function of a JAX array.
    """

    function: Callable[[Any], Any]


def from_optax(schedule: Callable[[Any], Any]) -> FromOptax:
    """Use a schedule of optax as a hyperparameter: at the first update it is called with 0.

    Args:
        schedule: a function of the number of updates done, such as those of `optax.schedules`.

    Raises:
        HyperparameterError: it is not a function, or a schedule of this package.

    >>> import optax
    >>> import learnerdsl.jax as ldj
    >>> tx = ldj.adamw(lr=ldj.from_optax(optax.cosine_decay_schedule(1e-3, 10_000)))
    """
    return FromOptax(_checked(schedule, "from_optax", "updates done, from 0"))


def from_step(schedule: Callable[[Any], Any]) -> FromStep:
    """Use a function of the update's number as a hyperparameter: at the first it is called with 1.

    Args:
        schedule: a function of an int32 array that JAX can trace.

    Raises:
        HyperparameterError: it is not a function, or a schedule of this package.

    >>> import learnerdsl.jax as ldj
    >>> tx = ldj.sgd(lr=ldj.from_step(lambda step: 0.1 / step))
    """
    return FromStep(_checked(schedule, "from_step", "the update, from 1"))


def to_optax(schedule: Any) -> Callable[[Any], Any]:
    """Return a schedule of this package as one of optax, which counts the updates done.

    Args:
        schedule: a `Schedule`, or an expression of `learnerdsl.step`.

    Returns:
        A function that JAX can trace. It computes in float64 and returns a float32 number, or a
        float64 number where that is enabled.

    Raises:
        HyperparameterError: `schedule` is something else.

    >>> import learnerdsl as ld
    >>> import learnerdsl.jax as ldj
    >>> rate = ldj.to_optax(ld.schedules.linear(1.0, 0.0, steps=4))
    >>> [float(rate(count)) for count in (0, 1, 4)]
    [1.0, 0.75, 0.0]
    """
    expression = _expression(schedule)
    if expression is None:
        msg = (
            "to_optax takes a schedule of learnerdsl or an expression of learnerdsl.step, got "
            f"{quoted(schedule)}."
        )
        raise HyperparameterError(msg)
    evaluate = _traced(expression)

    def value(count: Any) -> Any:
        dtype = jnp.result_type(float)
        with jax.enable_x64(True):
            return evaluate(jnp.asarray(count).astype(jnp.float64) + 1).astype(dtype)

    return value


def _checked(schedule: Any, name: str, counts: str) -> Callable[[Any], Any]:
    if isinstance(schedule, (Schedule, FromOptax, FromStep)) or not callable(schedule):
        msg = (
            f"{name} takes a function of the number of {counts}, got {quoted(schedule)}; numbers, "
            "schedules of learnerdsl and expressions of learnerdsl.step are given as they are."
        )
        raise HyperparameterError(msg)
    return schedule


def _expression(value: Any) -> sympy.Expr | None:
    """Return the expression of a schedule of this package, or None if it is something else."""
    if isinstance(value, Schedule):
        return value.expression
    if isinstance(value, sympy.Expr) and not value.is_number:
        return Schedule(value).expression
    return None


@cache
def _traced(expression: sympy.Expr) -> Callable[[Any], Any]:
    """Return a function of the step, a float64 array, that evaluates an expression."""
    return loaded("schedule", schedule_source(expression))["schedule"]


@dataclass(frozen=True)
class Setting:
    """What a hyperparameter was set to.

    Attributes:
        name: its name.
        given: the number, array or schedule.
    """

    name: str
    given: Any

    @cached_property
    def static(self) -> float | None:
        """Its value, if that is a number of Python or NumPy, which stays as it is."""
        return None if isinstance(self.given, jax.Array) else as_number(self.given)

    @cached_property
    def _function(self) -> Callable[[Any], Any] | None:
        expression = _expression(self.given)
        return None if expression is None else _traced(expression)

    def called(self, number: Any) -> Any:
        """Return what a function of the caller returns in the update of a number; else None."""
        if isinstance(self.given, FromOptax):
            return self.given.function(number - 1)
        if isinstance(self.given, FromStep):
            return self.given.function(number)
        return None

    def value(self, step: Any, called: Any) -> Any:
        """Return the value at a step: a number of Python, or a float64 array.

        Args:
            step: the number of the update, a float64 array.
            called: what `called` returned.
        """
        if self.static is not None:
            return self.static
        if self._function is not None:
            return self._function(step)
        return jnp.asarray(self.given if called is None else called, jnp.float64)


def setting(rule: str, name: str, value: Any) -> Setting:
    """Return what a hyperparameter is set to.

    Raises:
        HyperparameterError: the value is none of those that a hyperparameter can have.
    """
    own = Setting(name, value)
    if isinstance(value, (FromOptax, FromStep, Schedule)):
        return own
    if isinstance(value, sympy.Expr) and not value.is_number:
        return Setting(name, Schedule(value))
    if _is_scalar(value) or (own.static is not None and not math.isnan(own.static)):
        return own
    if callable(value) and not isinstance(value, type):
        msg = (
            f"The hyperparameter {name!r} of {rule} is a function, {quoted(value)}, which does not "
            "say whether it counts from 0, as in optax, or from 1; write learnerdsl.jax.from_optax"
            f"({name}) or learnerdsl.jax.from_step({name})."
        )
        raise HyperparameterError(msg)
    msg = (
        f"The hyperparameter {name!r} of {rule} cannot be {quoted(value)}; give a number, a scalar "
        "array of JAX, a schedule of learnerdsl, an expression of learnerdsl.step, or "
        "learnerdsl.jax.from_optax(schedule)."
    )
    raise HyperparameterError(msg)


def _is_scalar(value: Any) -> bool:
    """Return whether a value is a real number in an array of JAX."""
    if not isinstance(value, jax.Array) or value.ndim:
        return False
    return not jnp.issubdtype(value.dtype, jnp.complexfloating)
