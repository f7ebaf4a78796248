"""Python's operators in a rule: they build nodes of the language instead of SymPy's.

SymPy simplifies `a > b`, `a % b`, `a // b`, `abs(a)` and `(a * b)**2` immediately, with laws that
hold for real numbers but not in floating point. While a rule is traced, these operators build nodes
of the language in the rule's own code; code of SymPy's still gets SymPy's operators. `==` between
symbols compares how they are written, which a rule cannot mean, so it raises RuleError.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sympy
from sympy.core.sympify import SympifyError

from learnerdsl.errors import RuleError
from learnerdsl.expr.adopting import raised
from learnerdsl.expr.constants import number_of
from learnerdsl.expr.graph import brief
from learnerdsl.expr.nodes import Greater, GreaterEqual, Less, LessEqual
from learnerdsl.forks import hold_across_forks

_is_written: ContextVar[bool] = ContextVar("learnerdsl_operators", default=False)


@contextmanager
def operators_of_rules() -> Iterator[None]:
    """Give operators their meaning in rules, in this thread and until the block ends."""
    token = _is_written.set(True)
    _installation.count(1)
    try:
        yield
    finally:
        _installation.count(-1)
        _is_written.reset(token)


def remainder(a: Any, b: Any) -> Any:
    """Return the remainder of a division, with the sign of the divisor, like numpy.remainder.

    Raises:
        RuleError: the divisor is 0.
    """
    if b.is_zero:
        msg = f"{brief(a)} % 0 has no value; divide by another number."
        raise RuleError(msg)
    numbers = number_of(a), number_of(b)
    is_known = all(number is not None for number in numbers)
    return sympy.Mod(*numbers) if is_known else sympy.Mod(a, b, evaluate=False)


def rounded_down(x: Any) -> Any:
    """Return the largest whole number that is not above `x`."""
    number = number_of(x)
    return sympy.floor(x, evaluate=False) if number is None else sympy.floor(number)


def rounded_up(x: Any) -> Any:
    """Return the smallest whole number that is not below `x`."""
    number = number_of(x)
    return sympy.ceiling(x, evaluate=False) if number is None else sympy.ceiling(number)


def size_of(x: Any) -> Any:
    """Return the absolute value."""
    return sympy.Abs(x, evaluate=isinstance(x, sympy.Number))


def _divided_down(a: Any, b: Any) -> Any:
    """Return the quotient, rounded down."""
    return rounded_down(a / b)


def _swapped(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return `function` with its two arguments swapped, for operators such as `__rmod__`."""
    return lambda a, b: function(b, a)


def _refused(sign: str) -> Callable[[Any, Any], Any]:
    """Return an operator that always raises RuleError."""

    def refuse(a: Any, b: Any) -> Any:
        name = "equal" if sign == "==" else "not_equal"
        msg = (
            f"{brief(a)} {sign} {brief(b)} compares how the two are written, not their values; "
            f"write learnerdsl.{name}(a, b) as the condition of where(...)."
        )
        raise RuleError(msg)

    return refuse


_MEANINGS: dict[str, Callable[..., Any]] = {
    "__lt__": Less,
    "__le__": LessEqual,
    "__gt__": Greater,
    "__ge__": GreaterEqual,
    "__mod__": remainder,
    "__rmod__": _swapped(remainder),
    "__floordiv__": _divided_down,
    "__rfloordiv__": _swapped(_divided_down),
    "__pow__": raised,
    "__eq__": _refused("=="),
    "__ne__": _refused("!="),
}
"""Operator -> its meaning in a rule."""

_DIVISIONS = {_MEANINGS[f"__{name}__"] for name in ("mod", "rmod", "floordiv", "rfloordiv")}
"""Operators that replace SymPy's for two numbers as well: those fail for huge numbers and for 0."""

_WITH_THEIR_OWN = (
    *(sympy.Rational, sympy.Integer, sympy.Float, sympy.core.numbers.NumberSymbol),
    *(sympy.floor, sympy.ceiling),
)
_PLACES = [
    *((sympy.Basic, name) for name in ("__eq__", "__ne__")),
    *(
        (kind, name)
        for kind in (sympy.Expr, *_WITH_THEIR_OWN)
        for name in (*_MEANINGS, "__abs__")
        if name in vars(kind) and name not in ("__eq__", "__ne__")
    ),
]
"""(class of SymPy's, operator that it defines) pairs: the methods to replace."""

_OURS = ("sympy", "learnerdsl")
_RULES_OF_OURS = ("learnerdsl.learners", "learnerdsl.transforms")


def _is_of_a_rule(depth: int) -> bool:
    """Return whether the code `depth` frames above the caller is a rule, not SymPy's or ours."""
    module = sys._getframe(depth + 1).f_globals.get("__name__") or ""
    if module.startswith(_RULES_OF_OURS):
        return True
    return module.partition(".")[0] not in _OURS


def _truth(value: Any) -> bool:
    """Raise RuleError for an expression in `if` or `while`; to SymPy it is true unless it is 0."""
    if _is_written.get() and _is_of_a_rule(1) and not isinstance(value, sympy.Number):
        msg = (
            f"Whether {brief(value)} is 0 is not known while the rule is traced; write "
            "learnerdsl.where(learnerdsl.not_equal(x, 0), a, b) instead of if."
        )
        raise RuleError(msg)
    return True


def _operator(name: str, original: Any) -> Any:
    """Return an operator with its meaning in rules if a rule calls it, else `original`."""
    if name == "__abs__":
        return _size(original)
    meaning = _MEANINGS[name]

    def operate(self: Any, other: Any, *more: Any) -> Any:
        if more or not _is_written.get() or not _is_of_a_rule(1):
            return original(self, other, *more)
        try:
            operand = sympy.sympify(other, strict=True)
        except SympifyError:
            return original(self, other)
        numbers = isinstance(self, sympy.Number) and isinstance(operand, sympy.Number)
        if (numbers and meaning not in _DIVISIONS) or not isinstance(operand, sympy.Expr):
            return original(self, other)
        return meaning(self, operand)

    return operate


def _size(original: Any) -> Any:
    """Return `abs` with its meaning in rules if a rule calls it, else `original`."""

    def size(self: Any) -> Any:
        is_written = _is_written.get() and _is_of_a_rule(1)
        return size_of(self) if is_written else original(self)

    return size


class _Installation:
    """The operators that replace those of SymPy's classes.

    The first trace installs them, and they stay: outside rules they call SymPy's. `==` and the
    truth of an expression are removed when the last trace ends, because SymPy uses them so often
    that the detour would be slow.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.traces = 0
        self.originals: dict[tuple[type, str], Any] = {}

    def count(self, change: int) -> None:
        """Count a trace that starts (1) or ends (-1) in some thread; add or remove operators."""
        with self.lock:
            self.traces += change
            if not self.originals:
                self.originals = {place: vars(place[0])[place[1]] for place in _PLACES}
                for (kind, name), original in self.originals.items():
                    setattr(kind, name, _operator(name, original))
            elif self.traces == change == 1 or self.traces == 0:
                for name in ("__eq__", "__ne__"):
                    original = self.originals[sympy.Basic, name]
                    is_on = self.traces > 0
                    setattr(sympy.Basic, name, _operator(name, original) if is_on else original)
            if self.traces == change == 1:
                sympy.Expr.__bool__ = _truth  # type: ignore[attr-defined]
            elif self.traces == 0:
                del sympy.Expr.__bool__  # type: ignore[attr-defined]

    def settle_child(self) -> None:
        """Forget, in a child process, the traces of threads that the fork did not copy."""
        while self.traces and not _is_written.get():
            self.count(-1)


_installation = _Installation()

# Another thread may be tracing, and nobody would end its trace in the child.
hold_across_forks(_installation.lock, _installation.settle_child)
