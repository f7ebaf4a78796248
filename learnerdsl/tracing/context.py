"""What a rule function has declared so far, while it is being traced."""

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
    StateSymbol,
    adopted,
    expression,
)
from learnerdsl.tracing.definition import Assignment, StateSpec


class Trace:
    """What a rule function has declared so far."""

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
        self.model_reductions: list[Reduction] = []
        self.adopted: dict[Any, Any] = {}

    def expression(self, value: Any) -> sympy.Expr:
        """Return `value` as an expression in nodes of the language."""
        return adopted(expression(value), self.adopted)

    @property
    def ndim(self) -> int:
        """Number of axes of the parameter; the rule is for tensors of that many from now on."""
        self.asked = True
        return len(self.shape)

    def take_name(self, name: str, what: str) -> str:
        """`name`, if it is an identifier that nothing else in this rule has."""
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            msg = f"{what} needs a Python identifier for a name, got {name!r}."
            raise RuleError(msg)
        # As Python's parser reads it: it takes several characters for the same.
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
    """The trace under way; RuleError that names `what` where there is none."""
    trace_now = current_trace.get()
    if trace_now is None:
        msg = (
            f"{what} was called outside a rule; write it inside a function under @learnerdsl.rule."
        )
        raise RuleError(msg)
    return trace_now
