"""Define Rule, the frozen description of an update rule: symbols, states and assignments."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    ExtraSymbol,
    GradientSymbol,
    Hyperparameter,
    LetValue,
    Named,
    ParameterSymbol,
    Reduction,
    RingState,
    StateSymbol,
    adopted,
    expression,
)
from learnerdsl.numbers import as_number, quoted
from learnerdsl.schedules import Schedule
from learnerdsl.tracing.checks import check_lines, check_name, chooses_by_counts, names, uses_axes

OptionValue = bool | int | float | str | tuple[Any, ...]
HyperDefault = float | Schedule | Callable[[int], float] | sympy.Expr


class NumberOption(float):
    """A number that is the default of an option, not of a hyperparameter; see `option`."""


def option(default: float) -> float:
    """Return a number as the default of an option, which the rule sees as a plain float.

    A float as a default makes a hyperparameter, a symbol that may change at any time. An option has
    a kernel for each value, so it may decide what a kernel has to know: how many rows to choose, or
    whether to leave out a term.

    Args:
        default: a finite float.

    Raises:
        RuleError: it is something else.

    >>> import learnerdsl as ld
    >>> @ld.rule
    ... def of_some_rows(p, g, lr=0.1, fraction=ld.option(0.25)):
    ...     count = max(1, int(fraction * ld.shape(p)[-2]))
    ...     chosen = ld.top_rows(ld.norm(ld.matmul(g, ld.transpose(g)), axis=-1), count)
    ...     return ld.assign(p, ld.put_rows(p, chosen, ld.take_rows(p - lr * g, chosen)))
    """
    number = None if isinstance(default, int) else as_number(default)
    if number is None or not math.isfinite(number):
        msg = (
            f"option({quoted(default)}) needs a finite float such as 0.25; a default that is a "
            "bool, an int, a str or a tuple of numbers makes an option by itself."
        )
        raise RuleError(msg)
    return NumberOption(number)


@dataclass(frozen=True)
class StateSpec:
    """A state variable and its start value.

    Attributes:
        symbol: the state's symbol in expressions; its `shape` says what it ranges over.
        init: start value, an expression of the parameter, hyperparameters and sizes, evaluated
            when the learner is made or reset.
        dtype: number type in memory, a key of `STORAGES`; "" for that of the arithmetic.
    """

    symbol: StateSymbol
    init: sympy.Expr
    dtype: str = ""

    @property
    def public(self) -> str:
        """The name that users know: that of the ring, for a value of a ring."""
        is_of_ring = isinstance(self.symbol, RingState)
        return self.symbol.name.rpartition("_")[0] if is_of_ring else self.symbol.name


@dataclass(frozen=True)
class Assignment:
    """One line of a rule: `target` gets the value of `expression`.

    Attributes:
        target: the state or the parameter that is assigned; for a `let` the same as `value`.
        value: symbol that stands for the new value in other lines.
        expression: the new value.
        rounded: whether a scalar is rounded to the parameter's dtype.
        place: the line of the user's code that wrote it, as `FILE:LINE`; "" if none did.
    """

    target: StateSymbol | ParameterSymbol | LetValue
    value: Named
    expression: sympy.Expr
    rounded: bool = False
    place: str = field(default="", compare=False, repr=False)


def _pairs(assignments: Any) -> list[tuple[Any, Any]]:
    """Return `assignments` as a list, or raise unless it holds (target, expression) pairs."""
    given = list(assignments) if isinstance(assignments, Iterable) else [assignments]
    for pair in given:
        if not isinstance(pair, tuple) or len(pair) != 2:
            msg = f"Assignments must be (target, expression) pairs, got {pair!r}."
            raise RuleError(msg)
    return given


@dataclass(frozen=True)
class Rule:
    """A traced update rule: what an update does to one element, as SymPy expressions.

    Attributes:
        name: name of the traced function.
        version: number the author gave to this definition; checkpoints carry it.
        parameter: symbol of the parameter before the update.
        gradient: symbol of the gradient.
        hyperparameters: symbols of the runtime scalars.
        defaults: their default values, in the same order.
        options: the options this trace was specialised for, as (name, value) pairs, and the
            hyperparameters that are fixed at a number.
        states: the state variables.
        lines: the assignments in dependency order.
        extras: inputs of an update besides the gradients.
        evaluation: expression for the weights to use at evaluation time, over the updated states
            and parameter; None if they are the parameter itself.
        ndim: number of axes of the parameters the rule is for; None if it is for any number.
        written: reductions over the model, in the order in which the function wrote them.
        writers: the function that wrote each of them: that of the rule, or a member of a chain.
        phases: how many updates make one step, each with a gradient of its own, where a rule moves
            the parameter to evaluate the gradient there.
        foreign: names of hyperparameters that only other rules of the same learner use.
        doc: docstring of the function.
        place: where the function begins, as `FILE:LINE`; "" for one that is not the user's.
    """

    name: str
    version: int
    parameter: ParameterSymbol
    gradient: GradientSymbol
    hyperparameters: tuple[Hyperparameter, ...]
    defaults: tuple[HyperDefault, ...] = field(compare=False)
    options: tuple[tuple[str, OptionValue | float], ...]
    states: tuple[StateSpec, ...]
    lines: tuple[Assignment, ...]
    extras: tuple[ExtraSymbol, ...] = ()
    evaluation: sympy.Expr | None = None
    ndim: int | None = None
    written: tuple[Reduction, ...] = ()
    writers: tuple[str, ...] = field(default=(), compare=False)
    phases: int = 1
    foreign: frozenset[str] = field(default=frozenset(), compare=False)
    doc: str = field(default="", compare=False)
    place: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise a RuleError if this cannot be an update rule."""
        check_name(self.name)
        check_lines(self)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Cached: a learner of many tensors looks up its rules often, and expressions are long."""
        return hash(tuple(getattr(self, f.name) for f in fields(self) if f.compare))

    def __getstate__(self) -> dict[str, Any]:
        # Hashes of strings differ between processes.
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    @cached_property
    def needs_whole_tensors(self) -> bool:
        """Whether an update needs all rows of a tensor, because it uses axes or past values."""
        given = (*self.extras, *(spec.symbol for spec in self.states))
        has_axes = any(isinstance(s.shape, tuple) or isinstance(s, RingState) for s in given)
        return has_axes or uses_axes(line.expression for line in self.lines)

    @cached_property
    def needs_every_row(self) -> bool:
        """Whether an update must also change the rows that a row-sparse gradient leaves out.

        That is so if a choice depends on a count of updates (`step % k`, a model-wide state): a row
        that has a gradient now would wait for an update that may not include it. It is also so for
        averages to evaluate with, which every update must advance in all rows.
        """
        return self.evaluation is not None or chooses_by_counts(self.lines)

    @property
    def assignments(self) -> tuple[tuple[sympy.Symbol, sympy.Expr], ...]:
        """(target, expression) pairs in dependency order; plain SymPy.

        A target is a state, the parameter, or a name given by `let`. Inside an expression the
        symbol of a target means its old value; the new one has a symbol of its own, `<name>_new`.
        """
        return tuple((line.target, line.expression) for line in self.lines)

    def with_assignments(self, assignments: Iterable[tuple[Any, Any]]) -> "Rule":
        """Return a copy of the rule with other expressions, for example after `subs` or `simplify`.

        `learnerdsl.Learner(rule, params)` makes a learner of it.

        Args:
            assignments: (target, expression) pairs; each target must be one of this rule.

        Raises:
            RuleError: a target is not assigned by this rule, or the result is not a rule.
        """
        by_target = {line.target: line for line in self.lines}
        lines: list[Assignment] = []
        for target, value in _pairs(assignments):
            if target not in by_target:
                msg = (
                    f"{target} is not assigned by {self.name}; its targets are {names(by_target)}."
                )
                raise RuleError(msg)
            lines.append(replace(by_target[target], expression=adopted(expression(value))))
        return replace(self, lines=tuple(lines))

    def __str__(self) -> str:
        """Return the assignments as text, one in each line."""
        return "\n".join(f"{target} <- {value}" for target, value in self.assignments)
