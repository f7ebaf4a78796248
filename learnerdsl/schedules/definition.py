"""Define Schedule, and combine schedules by arithmetic, `product` and `join`."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import sympy
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.pretty_symbology import pretty_use_unicode

from learnerdsl.cards import Curve, HasCard, Item, Mathematics, ShownCard, Text
from learnerdsl.cards.content import sections
from learnerdsl.errors import HyperparameterError, OperandError, RuleError
from learnerdsl.expr import expression as as_expression
from learnerdsl.expr import step
from learnerdsl.schedules.checks import (
    EXACT,
    boundaries_between,
    count,
    listed,
    number,
    update_number,
)
from learnerdsl.schedules.contents import TOO_LONG, checked_depth, shown
from learnerdsl.schedules.evaluation import Function, functions_of_step

updates_done = step - 1

SURELY_SHORT_ENOUGH = 25
"""Python can always parse the code of expressions that are nested no deeper than this."""


@dataclass(frozen=True, repr=False)
class Schedule(HasCard):
    """A hyperparameter as an expression of `learnerdsl.step`.

    Schedules can be added, multiplied and so on with schedules, numbers and expressions of the
    step. SymPy's functions accept schedules too.

    Args:
        expression: a SymPy expression whose only symbol is `learnerdsl.step`.

    >>> from learnerdsl import step, sqrt
    >>> rate = Schedule(0.1 / sqrt(step))
    >>> rate(4)
    0.05
    >>> 2 * rate + 1
    Schedule(1 + 0.2/sqrt(step))
    """

    expression: sympy.Expr

    # Make NumPy and SymPy numbers defer arithmetic to the methods of the schedule.
    __array_ufunc__ = None
    _op_priority = math.inf

    def __post_init__(self) -> None:
        """Raise a HyperparameterError if the expression cannot be a schedule."""
        depth = checked_depth(self.expression)
        if depth > SURELY_SHORT_ENOUGH:
            try:
                self._functions  # noqa: B018
            except (RecursionError, SyntaxError, MemoryError):
                raise HyperparameterError(TOO_LONG) from None

    @cached_property
    def _functions(self) -> tuple[Function, Function]:
        return functions_of_step(self.expression)

    def __call__(self, step_count: float) -> float:
        """Return the value at update number `step_count`, counted from 1.

        Intermediate results follow IEEE 754: 1/0 is infinite, and a minimum with it may be finite.

        Raises:
            HyperparameterError: there is no such update, or the value is not finite and the
                expression itself does not contain infinity.
        """
        if type(step_count) is not int or not 0 < step_count <= EXACT:
            step_count = update_number(step_count)
        fast, exact = self._functions
        try:
            value = float(fast(step_count))
        except (ArithmeticError, ValueError):
            value = float(exact(step_count))
        if math.isfinite(value) or (math.isinf(value) and self.expression.has(sympy.oo, -sympy.oo)):
            return value
        msg = (
            f"The schedule {shown(self.expression)} is {value} at step {step_count}; look for a "
            "division by zero, an overflow, or a root or logarithm of a negative number."
        )
        raise HyperparameterError(msg)

    def values(self, updates: int) -> np.ndarray:
        """Return the values of the first updates, for a plot or a table.

        >>> from learnerdsl.schedules import linear
        >>> linear(1.0, 0.0, steps=4).values(6)
        array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
        """
        total = count("updates", updates, least=0)
        return np.array([self(step_count) for step_count in range(1, total + 1)], np.float64)

    def derivative(self) -> "Schedule":
        """Return the derivative by the step; floors count as constants, jumps are ignored.

        >>> from learnerdsl.schedules import inverse_time
        >>> inverse_time(0.5, 1).derivative()
        Schedule(-0.5/step**2)
        """
        smooth = self.expression.replace(sympy.Mod, lambda a, b: a - b * sympy.floor(a / b))
        stairs = smooth.atoms(sympy.floor, sympy.ceiling)
        floors = {floor: sympy.Dummy(real=True) for floor in stairs}
        slope: Any = sympy.diff(smooth.xreplace(floors), step)
        slope = slope.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)
        if slope.has(sympy.I):
            msg = (
                f"The schedule {shown(self.expression)} is defined only at whole steps, so it "
                "does not have a derivative."
            )
            raise HyperparameterError(msg)
        return Schedule(slope.xreplace({dummy: floor for floor, dummy in floors.items()}))

    def latex(self) -> str:
        """Return the expression in LaTeX; the step is called t, as in rules."""
        # With dots, because SymPy would write a product of numbers as 0.1 {0.5}^{...}.
        return sympy.latex(self.expression, mul_symbol="dot", symbol_names={step: "t"})

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def card(self) -> ShownCard:
        """Return the expression and its curve; print it, or write `.html()`.

        >>> from learnerdsl.schedules import linear
        >>> "from step 1 to 201: 0 to 1" in str(linear(1.0, 0.0, steps=100).card())
        True
        """
        shown = sections(("Value at step t", [formula(self)]), ("Curve", [curve(self)]))
        return ShownCard("Schedule", "hyperparameter over time", "", shown)

    def __repr__(self) -> str:
        return f"Schedule({self.expression})"

    def _sympy_(self) -> sympy.Expr:
        return self.expression

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle only the expression: functions built at run time cannot be pickled.
        return Schedule, (self.expression,)

    def __neg__(self) -> "Schedule":
        return Schedule(-self.expression)

    def __add__(self, other: Any) -> "Schedule":
        return _combined(operator.add, self, other)

    def __radd__(self, other: Any) -> "Schedule":
        return _combined(operator.add, other, self)

    def __sub__(self, other: Any) -> "Schedule":
        return _combined(operator.sub, self, other)

    def __rsub__(self, other: Any) -> "Schedule":
        return _combined(operator.sub, other, self)

    def __mul__(self, other: Any) -> "Schedule":
        return _combined(operator.mul, self, other)

    def __rmul__(self, other: Any) -> "Schedule":
        return _combined(operator.mul, other, self)

    def __truediv__(self, other: Any) -> "Schedule":
        return _combined(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> "Schedule":
        return _combined(operator.truediv, other, self)

    def __pow__(self, other: Any) -> "Schedule":
        return _combined(operator.pow, self, other)

    def __rpow__(self, other: Any) -> "Schedule":
        return _combined(operator.pow, other, self)


_POINTS = 200
"""Number of values in a curve."""


class _Pretty(PrettyPrinter):
    """A printer that writes extremes as papers do: min(1, step)."""

    def _print_Min(self, expr: Any) -> Any:
        return self._print_Function(expr, func_name="min")

    def _print_Max(self, expr: Any) -> Any:
        return self._print_Function(expr, func_name="max")


def formula(schedule: Schedule, name: str = r"\eta") -> Item:
    """Return the expression as mathematics.

    Args:
        schedule: the schedule.
        name: the letter or word of the hyperparameter in LaTeX.
    """
    had_unicode = pretty_use_unicode(True)
    try:
        plain = _Pretty({"wrap_line": False}).doprint(schedule.expression)
    finally:
        pretty_use_unicode(had_unicode)
    return Mathematics(((f"{name}_t", "=", schedule.latex()),), plain)


def curve(schedule: Schedule, marked: int | None = None) -> Item:
    """Return the values up to twice the last step at which the expression changes its form.

    Args:
        schedule: the schedule.
        marked: a step to mark, which the curve reaches.
    """
    # Whole numbers of an expression are its periods and ends, but not what is too large to be seen.
    numbers = (abs(n) for n in _numbers_in(schedule.expression))
    last = 1 + 2 * max((n for n in numbers if n <= EXACT // 4), default=50)
    last = max(last, marked or 0, 2)
    steps = sorted({1 + (last - 1) * k // (_POINTS - 1) for k in range(_POINTS)} | {marked or 1})
    try:
        values = tuple(schedule(own) for own in steps)
    except HyperparameterError as error:
        return Text(str(error), is_error=True)
    if not all(map(math.isfinite, values)):
        return Text("The schedule is infinite at some step, so it has no curve.")
    return Curve(tuple(steps), values, marked)


def _numbers_in(expression: sympy.Expr) -> list[int]:
    """Return the whole numbers of an expression, and the denominators of its fractions."""
    found = expression.atoms(sympy.Rational)
    return [int(n) for own in found for n in (own.p, own.q)]


def _combined(function: Callable[[Any, Any], sympy.Expr], left: Any, right: Any) -> Schedule:
    """Apply an operator to two operands, at least one of which is a schedule."""
    try:
        return Schedule(function(_operand(left), _operand(right)))
    except (RuleError, TypeError):
        other = right if isinstance(left, Schedule) else left
    msg = (
        f"A schedule cannot be combined with {other!r} ({type(other).__name__}); combine "
        "schedules with numbers, schedules and expressions of learnerdsl.step."
    )
    raise OperandError(msg)


def _operand(value: Any) -> sympy.Expr:
    if isinstance(value, Real) and not isinstance(value, (bool, sympy.Expr)):
        return number("A factor or term", value)
    return as_expression(value)


def constant(value: float) -> Schedule:
    r"""Use the same value at every update: $\eta$.

    Args:
        value: the value $\eta$.

    Source: optax.constant_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> constant(0.1).values(3)
    array([0.1, 0.1, 0.1])
    """
    return Schedule(number("value", value))


def product(schedules: Sequence[Schedule]) -> Schedule:
    """Multiply schedules, all counted from the first update.

    Args:
        schedules: one or more; usually one of values, the others of factors such as 1, 0.9, 0.81.

    Source: torch.optim.lr_scheduler.ChainedScheduler,
    https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ChainedScheduler.html

    >>> from learnerdsl.schedules import exponential, held
    >>> product([held(0.8, factor=0.5, steps=2), exponential(1.0, 0.5)]).values(4)
    array([0.4, 0.2, 0.2, 0.1])
    """
    return Schedule(sympy.Mul(*(schedule.expression for schedule in _listed(schedules))))


def join(
    schedules: Sequence[Schedule], boundaries: Sequence[int], relative: bool = True
) -> Schedule:
    """Run schedules one after the other: the i-th for $b_{i-1} ≤ k < b_i$.

    Args:
        schedules: one more than there are boundaries.
        boundaries: increasing numbers of updates done, at which the next schedule takes over.
        relative: whether each schedule counts from where it takes over; else from the start.

    Source: optax.join_schedules,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> from learnerdsl.schedules import linear
    >>> join([constant(1.0), linear(1.0, 0.0, steps=2)], [3]).values(6)
    array([1. , 1. , 1. , 1. , 0.5, 0. ])
    """
    given = _listed(schedules)
    starts = boundaries_between("schedules", len(given), boundaries)
    pieces: list[Any] = [
        schedule.expression.xreplace({step: step - start}) if relative else schedule.expression
        for schedule, start in zip(given, [0, *starts], strict=True)
    ]
    return piecewise(pieces, starts)


def piecewise(pieces: Sequence[sympy.Expr], ends: Sequence[Any]) -> Schedule:
    """Return the schedule of the first piece whose end is not passed; the last has no end."""
    conditions = [step <= end for end in ends]
    return Schedule(sympy.Piecewise(*zip(pieces, [*conditions, sympy.true], strict=True)))


def _listed(schedules: Any) -> list[Schedule]:
    """Return one or more schedules as a list, or raise."""
    given = [] if isinstance(schedules, Schedule) else listed("schedules", schedules)
    if not given:
        msg = f"Give a list of one or more schedules, got {schedules!r}."
        raise HyperparameterError(msg)
    for schedule in given:
        if not isinstance(schedule, Schedule):
            msg = (
                f"{schedule!r} is not a schedule; write learnerdsl.schedules.constant(...) or "
                "another."
            )
            raise HyperparameterError(msg)
    return given
