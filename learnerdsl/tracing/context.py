"""Collect what a rule function declares while it is being traced."""

import keyword
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    ExtraSymbol,
    GradientSymbol,
    Named,
    ParameterSymbol,
    Reduction,
    Sides,
    StateSymbol,
    adopted,
    expression,
    with_whole_operands,
)
from learnerdsl.tracing.definition import Assignment, StateSpec


class Trace:
    """The states, lines and names that a rule function has declared so far.

    Attributes:
        name: name of the rule.
        shape: shape of the parameter the rule is traced for.
        asked: whether the function has asked for the shape or the number of axes.
        names: all names in use.
        states: declared states, in order.
        lines: assignments and lets, in order.
        old_values: symbol for the old value of a state that starts from the gradient -> the state.
        extras: declared extra inputs.
        evaluation: expression of the evaluation parameters, if declared.
        draws: number of random draws so far, without those of the model.
        draws_of_model: number of random draws of the model so far.
        model_reductions: reductions over the model in the order in which they were written.
        writers: the function that wrote each of them.
        adopted: SymPy node -> the same in nodes of the language.
        sides: value with a name that is a matrix -> its sides.
        narrower: those of which only a part may be computed, as a number is filled in elsewhere.
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.shape = shape
        self.asked = False
        self.parameter: ParameterSymbol
        self.gradient: GradientSymbol
        self.names: set[str] = set()
        self.states: list[StateSpec] = []
        self.lines: list[Assignment] = []
        self.old_values: dict[Named, StateSymbol] = {}
        self.extras: list[ExtraSymbol] = []
        self.evaluation: sympy.Expr | None = None
        self.draws = 0
        self.draws_of_model = 0
        self.model_reductions: list[Reduction] = []
        self.writers: list[str] = []
        self.adopted: dict[Any, Any] = {}
        self.sides: dict[Any, Sides] = {}
        self.narrower: set[Any] = set()

    def expression(self, value: Any) -> sympy.Expr:
        """Return `value` as an expression made of nodes of the language."""
        own = adopted(expression(value), self.adopted)
        return with_whole_operands(own, self.narrower)

    @property
    def ndim(self) -> int:
        """Number of axes of the parameter. Reading it ties the rule to tensors with that many."""
        self.asked = True
        return len(self.shape)

    def take_name(self, name: str, what: str) -> str:
        """Reserve a name and return it, normalized.

        Raises:
            RuleError: it is not a Python identifier, or something else in this rule has it.
        """
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            msg = f"{what} needs a Python identifier for a name, got {name!r}."
            raise RuleError(msg)
        # Python's parser normalizes identifiers in the same way.
        name = unicodedata.normalize("NFKC", name)
        if name in self.names:
            msg = (
                f"The name {name!r} is used twice in rule {self.name}; "
                f"choose another for this {what}."
            )
            raise RuleError(msg)
        self.names.add(name)
        return name


@contextmanager
def within_depth(name: str) -> Iterator[None]:
    """Raise a RuleError where expressions nest deeper than Python recurses."""
    try:
        yield
    except RecursionError:
        msg = (
            f"Rule {name} nests expressions too deeply; name some of the values in between with "
            "let(...)."
        )
        raise RuleError(msg) from None


current_trace: ContextVar[Trace | None] = ContextVar("learnerdsl_trace", default=None)


def tracing_now(what: str) -> Trace:
    """Return the current trace; raise a RuleError that names `what` if there is none."""
    trace_now = current_trace.get()
    if trace_now is None:
        msg = (
            f"{what} was called outside a rule; write it inside a function under @learnerdsl.rule."
        )
        raise RuleError(msg)
    return trace_now
