"""Hyperparameters over time: every schedule is a SymPy expression of `learnerdsl.step`.

So a schedule can be printed, plotted, differentiated, joined and combined with other expressions,
and it is a pure function of the step: resuming needs no replay. The functions below count updates
already done, k = step - 1, as torch and optax do: the first update uses the initial value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import expression, step

updates_done = step - 1


@dataclass(frozen=True)
class Schedule:
    """A hyperparameter as an expression of `learnerdsl.step`.

    Args:
        expression: a SymPy expression whose only symbol is `learnerdsl.step`.

    >>> from learnerdsl import step, sqrt
    >>> Schedule(0.1 / sqrt(step))(4)
    0.05
    """

    expression: sympy.Expr
    _evaluate: Callable[[int], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the symbols and build the function of the step."""
        if not isinstance(self.expression, sympy.Expr):
            msg = f"A schedule is a SymPy expression of learnerdsl.step, got {self.expression!r}."
            raise HyperparameterError(msg)
        foreign = sorted(str(symbol) for symbol in self.expression.free_symbols - {step})
        if foreign:
            msg = (
                f"The schedule {self.expression} depends on {', '.join(foreign)}; "
                "only learnerdsl.step may appear in it."
            )
            raise HyperparameterError(msg)
        evaluate = sympy.lambdify([step], self.expression, modules="math")
        object.__setattr__(self, "_evaluate", evaluate)

    def __call__(self, step_count: int) -> float:
        """The value at update number `step_count`, counted from 1."""
        return float(self._evaluate(step_count))

    def _repr_latex_(self) -> str:
        return f"$${sympy.latex(self.expression)}$$"


def constant(value: float) -> Schedule:
    """The same value at every update."""
    return Schedule(expression(value))


def exponential(initial: float, decay_rate: float, decay_steps: float = 1) -> Schedule:
    """`initial * decay_rate ** (k / decay_steps)`."""
    _require_positive("decay_steps", decay_steps)
    return Schedule(initial * expression(decay_rate) ** (updates_done / decay_steps))


def inverse_time(initial: float, decay_rate: float, decay_steps: float = 1) -> Schedule:
    """`initial / (1 + decay_rate * k / decay_steps)`."""
    _require_positive("decay_steps", decay_steps)
    return Schedule(initial / (1 + decay_rate * updates_done / decay_steps))


def polynomial(initial: float, final: float, steps: int, power: float = 1) -> Schedule:
    """From `initial` to `final` in `steps` updates along `(1 - k/steps) ** power`, then constant.

    >>> polynomial(1.0, 0.0, steps=4)(3)
    0.5
    """
    _require_positive("steps", steps)
    left = 1 - sympy.Min(updates_done, steps) / expression(steps)
    return Schedule(final + (initial - expression(final)) * left**power)


def linear(initial: float, final: float, steps: int) -> Schedule:
    """From `initial` to `final` in `steps` updates along a line, then constant."""
    return polynomial(initial, final, steps)


def cosine(initial: float, steps: int, final: float = 0.0) -> Schedule:
    """From `initial` to `final` in `steps` updates along half a cosine, then constant.

    Source: Loshchilov and Hutter, SGDR, https://arxiv.org/abs/1608.03983 (without restarts).

    >>> cosine(1.0, steps=10)(6)
    0.5
    """
    _require_positive("steps", steps)
    turn = sympy.pi * sympy.Min(updates_done, steps) / expression(steps)
    return Schedule(final + (initial - expression(final)) * (1 + sympy.cos(turn)) / 2)


def piecewise_constant(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """`values[i]` for boundaries[i-1] <= k < boundaries[i].

    Args:
        values: one more than there are boundaries.
        boundaries: numbers of updates done, increasing.

    >>> drops = piecewise_constant([0.1, 0.01], boundaries=[2])
    >>> [drops(t) for t in (1, 2, 3)]
    [0.1, 0.1, 0.01]
    """
    if len(values) != len(boundaries) + 1:
        msg = (
            f"{len(boundaries)} boundaries separate {len(boundaries) + 1} values, "
            f"but {len(values)} were given."
        )
        raise HyperparameterError(msg)
    return join([constant(value) for value in values], boundaries, relative=False)


def warmup(schedule: Schedule, steps: int, initial: float = 0.0) -> Schedule:
    """A line from `initial` to the first value of `schedule` in `steps` updates, then `schedule`.

    >>> rate = warmup(constant(1.0), steps=4)
    >>> [rate(t) for t in (1, 3, 5, 9)]
    [0.0, 0.5, 1.0, 1.0]
    """
    _require_positive("steps", steps)
    first = schedule(1) if isinstance(schedule, Schedule) else initial
    return join([linear(initial, first, steps), schedule], [steps])


def join(
    schedules: Sequence[Schedule], boundaries: Sequence[int], relative: bool = True
) -> Schedule:
    """One schedule after the other, as optax.join_schedules.

    Args:
        schedules: one more than there are boundaries.
        boundaries: numbers of updates done at which the next schedule takes over, increasing.
        relative: whether a schedule counts from where it takes over, or from the very start.
    """
    if len(schedules) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        msg = (
            f"{len(schedules)} schedules need {len(schedules) - 1} increasing boundaries; "
            f"got {list(boundaries)}."
        )
        raise HyperparameterError(msg)
    for schedule in schedules:
        if not isinstance(schedule, Schedule):
            msg = (
                f"{schedule!r} is no schedule; write learnerdsl.schedules.constant(...) or another."
            )
            raise HyperparameterError(msg)
    starts = [0, *boundaries]
    pieces = [
        schedule.expression.subs(step, step - start) if relative else schedule.expression
        for schedule, start in zip(schedules, starts, strict=True)
    ]
    conditions = [step <= boundary for boundary in boundaries]
    branches = list(zip(pieces, [*conditions, sympy.true], strict=True))
    return Schedule(sympy.Piecewise(*branches))


def _require_positive(name: str, value: float) -> None:
    if not isinstance(value, (int, float)) or not value > 0:
        msg = f"A schedule lasts a positive number of updates, got {name}={value!r}."
        raise HyperparameterError(msg)
