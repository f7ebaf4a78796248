"""Nodes that SymPy does not rewrite: choices, comparisons, integer powers of products.

SymPy reads `a > b` as a statement about real numbers, solves it, and folds choices into it. That
changes the rule where a value is NaN, and where a choice stands in a reduction. It also writes
`(g / n)**2` as `g**2 / n**2`, which may overflow where the quotient does not. These nodes stay as
they are written. `doit()` returns SymPy's own nodes; `diff`, `subs` and `latex` work on both.
"""

from typing import Any, ClassVar

import sympy
from sympy.core.cache import cacheit
from sympy.logic.boolalg import Boolean, BooleanAtom
from sympy.printing.precedence import PRECEDENCE

from learnerdsl.errors import RuleError
from learnerdsl.expr.graph import brief
from learnerdsl.expr.textual import called


class _AsSympy:
    """A node that is printed as the corresponding node of SymPy."""

    def as_sympy(self) -> sympy.Basic:
        """Return the corresponding node of SymPy, unevaluated."""
        raise NotImplementedError

    def _printed(self, printer: Any) -> Any:
        return printer._print(self.as_sympy())

    _latex = _pretty = _pythoncode = _numpycode = _mpmathcode = _ccode = _printed


class Condition(_AsSympy, Boolean):
    """A condition, which may hold for some elements and updates and not for others.

    Python's `if`, `and`, `or` and chains such as `0 < g < 1` need a single truth value while the
    rule is traced, so they raise RuleError; write `where`, `&`, `|` and `~`.
    """

    sympy_class: ClassVar[Any]

    @cacheit
    def __new__(cls, *arguments: Any) -> Any:
        """Build the node from two expressions, or from conditions."""
        return Boolean.__new__(cls, *map(sympy.sympify, arguments))

    def as_sympy(self) -> Any:
        """Return the relation or function of SymPy, unevaluated."""
        return self.sympy_class(*self.args, evaluate=False)

    def doit(self, **hints: Any) -> Any:
        """Return the relation or function of SymPy, evaluated for real numbers."""
        return self.sympy_class(*(argument.doit(**hints) for argument in self.args))

    def __and__(self, other: Any) -> Any:
        return joined(And, self, other)

    def __rand__(self, other: Any) -> Any:
        return joined(And, other, self)

    def __or__(self, other: Any) -> Any:
        return joined(Or, self, other)

    def __ror__(self, other: Any) -> Any:
        return joined(Or, other, self)

    def __xor__(self, other: Any) -> Any:
        return (self & ~condition(other)) | (~self & condition(other))

    __rxor__ = __xor__

    def __invert__(self) -> Any:
        return Not(self)

    def __bool__(self) -> bool:
        msg = (
            f"Whether {brief(self)} holds differs from element to element and from update to "
            "update; write learnerdsl.where(condition, a, b) instead of if, (a > b) & (b > c) "
            "instead of `and` or a > b > c, and learnerdsl's functions instead of NumPy's, max "
            "and min."
        )
        raise RuleError(msg)


class Comparison(Condition):
    """A comparison of two values; false where one is NaN, except for `NotEqual`."""

    sign: ClassVar[str]
    precedence = PRECEDENCE["Relational"]

    def _sympystr(self, printer: Any) -> str:
        left, right = (printer.parenthesize(a, self.precedence) for a in self.args)
        return f"{left} {self.sign} {right}"


class Less(Comparison):
    """a < b."""

    sign = "<"
    sympy_class = sympy.StrictLessThan


class LessEqual(Comparison):
    """a <= b."""

    sign = "<="
    sympy_class = sympy.LessThan


class Greater(Comparison):
    """a > b."""

    sign = ">"
    sympy_class = sympy.StrictGreaterThan


class GreaterEqual(Comparison):
    """a >= b."""

    sign = ">="
    sympy_class = sympy.GreaterThan


class Equal(Comparison):
    """a == b."""

    sign = "=="
    sympy_class = sympy.Eq


class NotEqual(Comparison):
    """a != b; true where one is NaN."""

    sign = "!="
    sympy_class = sympy.Ne


class IsFinite(Condition):
    """The condition that a value is neither NaN nor infinite."""

    precedence = PRECEDENCE["Relational"]

    def as_sympy(self) -> Any:
        """Return |x| < oo, unevaluated."""
        return sympy.StrictLessThan(sympy.Abs(self.args[0]), sympy.oo, evaluate=False)

    def doit(self, **hints: Any) -> Any:
        """Return |x| < oo, or true where SymPy can prove it."""
        return sympy.StrictLessThan(sympy.Abs(self.args[0].doit(**hints)), sympy.oo)

    def _sympystr(self, printer: Any) -> str:
        return f"isfinite({printer._print(self.args[0])})"


class And(Condition):
    """The condition that both arguments hold."""

    sympy_class = sympy.And
    precedence = PRECEDENCE["And"]

    def _sympystr(self, printer: Any) -> str:
        return " & ".join(f"({printer._print(argument)})" for argument in self.args)


class Or(Condition):
    """The condition that at least one argument holds."""

    sympy_class = sympy.Or
    precedence = PRECEDENCE["Or"]

    def _sympystr(self, printer: Any) -> str:
        return " | ".join(f"({printer._print(argument)})" for argument in self.args)


class Not(Condition):
    """The negation of a condition; that of `a > b` holds where one is NaN, unlike `a <= b`."""

    sympy_class = sympy.Not
    precedence = PRECEDENCE["Not"]

    def _sympystr(self, printer: Any) -> str:
        return f"~({printer._print(self.args[0])})"


def condition(value: Any) -> Any:
    """Return `value` as a condition; raise RuleError if it is not one."""
    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if isinstance(value, Boolean) and not value.is_Symbol:
        return value
    msg = (
        f"{value!r} ({type(value).__name__}) is not a condition; write a comparison such as g > 0."
    )
    raise RuleError(msg)


def joined(kind: type[Condition], left: Any, right: Any) -> Any:
    """Return two conditions joined by `And` or `Or`; simplify if one is a constant."""
    first, second = condition(left), condition(right)
    decides = sympy.false if kind is And else sympy.true
    for one, other in ((first, second), (second, first)):
        if isinstance(one, BooleanAtom):
            return decides if one == decides else other
    return kind(first, second)


COMPARISONS: dict[Any, type[Comparison]] = {
    kind.sympy_class: kind for kind in (Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual)
}
"""Relation of SymPy -> the node of the language."""


class Where(_AsSympy, sympy.Expr):
    """A choice: one value where a condition holds, another elsewhere."""

    is_Piecewise = True  # so that the LaTeX printer adds parentheses where it is a factor
    is_commutative = True
    is_real = True

    @cacheit
    def __new__(cls, condition: Any, then: Any, otherwise: Any) -> Any:
        """Build the node; return the chosen value if the condition is a constant."""
        if isinstance(condition, BooleanAtom):
            return then if condition == sympy.true else otherwise
        return sympy.Expr.__new__(cls, *map(sympy.sympify, (condition, then, otherwise)))

    @property
    def condition(self) -> Any:
        """The condition."""
        return self.args[0]

    @property
    def then(self) -> Any:
        """The value where the condition holds."""
        return self.args[1]

    @property
    def otherwise(self) -> Any:
        """The value elsewhere."""
        return self.args[2]

    def as_sympy(self) -> sympy.Expr:
        """Return the Piecewise of SymPy, unevaluated."""
        branches = [(self.then, self.condition), (self.otherwise, True)]
        return sympy.Piecewise(*branches, evaluate=False)

    def doit(self, **hints: Any) -> Any:
        """Return the Piecewise of SymPy."""
        condition, then, otherwise = (argument.doit(**hints) for argument in self.args)
        return sympy.Piecewise((then, condition), (otherwise, True))

    @cacheit
    def _eval_derivative(self, symbol: Any) -> Any:
        return Where(self.condition, self.then.diff(symbol), self.otherwise.diff(symbol))

    def _eval_evalf(self, prec: int) -> Any:
        done = self.doit()
        return None if isinstance(done, sympy.Piecewise) else done._evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"where({', '.join(printer._print(argument) for argument in self.args)})"


class _Extreme(_AsSympy, sympy.Expr):
    """The largest or smallest of some values; NaN if one is NaN."""

    is_commutative = True
    is_real = True
    sympy_class: ClassVar[Any]
    above: ClassVar[type[Comparison]]
    below: ClassVar[type[Comparison]]

    @cacheit
    def __new__(cls, *values: Any) -> Any:
        """Build the node from one or more values."""
        given = [sympy.sympify(value) for value in values]
        if len(given) == 1 or all(isinstance(value, sympy.Number) for value in given):
            return cls.sympy_class(*given)
        return sympy.Expr.__new__(cls, *given)

    def as_sympy(self) -> Any:
        """Return the function of SymPy, unevaluated."""
        return self.sympy_class(*self.args, evaluate=False)

    def doit(self, **hints: Any) -> Any:
        """Return the function of SymPy."""
        return self.sympy_class(*(argument.doit(**hints) for argument in self.args))

    @cacheit
    def _eval_derivative(self, symbol: Any) -> Any:
        """Return the derivative of the chosen value; the mean of both where two are equal."""
        values: Any = self.args
        first, slope = values[0], values[0].diff(symbol)
        for other in values[1:]:
            new = other.diff(symbol)
            either = Where(self.below(first, other), new, (slope + new) / 2)
            slope = Where(self.above(first, other), slope, either)
            first = type(self)(first, other)
        return slope

    def _eval_evalf(self, prec: int) -> Any:
        return self.doit()._eval_evalf(prec)

    def _pretty(self, printer: Any) -> Any:
        return called(printer, self.sympy_class.__name__.lower(), self.args)

    def _sympystr(self, printer: Any) -> str:
        name = self.sympy_class.__name__
        return f"{name}({', '.join(printer._print(argument) for argument in self.args)})"


class Maximum(_Extreme):
    """The largest of its arguments; NaN if one is NaN."""

    sympy_class = sympy.Max
    above = Greater
    below = Less

    def _eval_is_nonnegative(self) -> bool | None:
        return any(a.is_Number and a.is_nonnegative for a in self.args) or None


class Minimum(_Extreme):
    """The smallest of its arguments; NaN if one is NaN."""

    sympy_class = sympy.Min
    above = Less
    below = Greater


class Power(_AsSympy, sympy.Expr):
    """An integer power of a product or quotient; SymPy would distribute it over the factors."""

    is_commutative = True
    is_real = True
    precedence = PRECEDENCE["Pow"]

    @cacheit
    def __new__(cls, base: Any, exponent: Any) -> Any:
        """Build the node from an expression and an integer of at least 2."""
        exponent = sympy.sympify(exponent)
        if not isinstance(base, (sympy.Mul, sympy.Symbol)) or not exponent.is_Integer:
            return sympy.Pow(base, exponent, evaluate=False)
        return sympy.Expr.__new__(cls, base, exponent)

    @property
    def base(self) -> Any:
        """The base."""
        return self.args[0]

    @property
    def exp(self) -> Any:
        """The exponent."""
        return self.args[1]

    def as_sympy(self) -> Any:
        """Return the power of SymPy, unevaluated."""
        return sympy.Pow(self.base, self.exp, evaluate=False)

    def doit(self, **hints: Any) -> Any:
        """Return the power of SymPy, which distributes over the factors."""
        return self.base.doit(**hints) ** self.exp

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.exp.is_even else self.base.is_nonnegative

    @cacheit
    def _eval_derivative(self, symbol: Any) -> Any:
        less = self.exp - 1
        raised = Power(self.base, less) if less > 1 else self.base
        return self.exp * raised * self.base.diff(symbol)

    def _eval_evalf(self, prec: int) -> Any:
        return (self.base._evalf(prec) ** self.exp)._evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.as_sympy()))
