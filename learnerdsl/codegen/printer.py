"""Printing of expressions as text that Numba compiles without changing the arithmetic.

Constants have a type, roots are `sqrt` and never `**0.5`, each quotient is one division, and scalar
factors come first. x/3 is printed as a division by 3, not as a product with a rounded 1/3, so it is
exact where the quotient is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from learnerdsl.codegen.operations import divided, is_reciprocal, turned
from learnerdsl.elementary import BY_NODE
from learnerdsl.errors import InternalError
from learnerdsl.expr import (
    And,
    Comparison,
    Draw,
    IndexDraw,
    Maximum,
    Minimum,
    NarrowDraw,
    Not,
    Or,
    Where,
)

ATOM, POWER, PRODUCT, SUM, CONDITION = range(5)
_LARGEST = 1024
"""Largest exponent that is printed as an integer, which Numba turns into multiplications."""


class Printer:
    """A printer of expressions that are computed in one dtype.

    Args:
        names: symbol -> its name in the text.
        scalars: names of the symbols that are scalars; they come first in a product.
        dtype: "float64", or the dtype to which constants are cast.
        start: text of the number, in its flattened tensor, of element 0 of a loop; "" if the index
            `i` of an element is that number.
    """

    words = "and", "or", "not "
    """What joins conditions, and what stands before one that is not to hold."""

    def __init__(
        self,
        names: Mapping[sympy.Basic, str],
        scalars: frozenset[str],
        dtype: str,
        start: str = "start",
    ) -> None:
        self.start = start
        self.position = f"{start} + i" if start else "i"
        self.names = names
        self.scalars = scalars
        self.dtype = dtype

    def __call__(self, expression: sympy.Basic) -> str:
        """Return the text of an expression."""
        return self.text(expression)[0]

    def statement(self, expression: sympy.Basic) -> str:
        """Return the text of the value that a statement computes."""
        return self(expression)

    def text(self, expr: sympy.Basic) -> tuple[str, int]:
        """Return (text, how tightly it binds), the latter from ATOM to CONDITION."""
        if expr.is_Symbol:
            return self.names[expr], ATOM
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return self.number(float(expr)), ATOM if not expr.is_negative else PRODUCT
        if isinstance(expr, sympy.Add):
            return self.total(expr), SUM
        if isinstance(expr, sympy.Mul):
            return self.product(expr), PRODUCT
        if isinstance(expr, sympy.Pow):
            return self.power(expr)
        if isinstance(expr, sympy.Mod):
            # SUM adds parentheses in products and sums: in -a % b the minus would belong to a.
            return " % ".join(self.tight(a, POWER) for a in expr.args), SUM
        if not isinstance(expr, sympy.Expr):
            return self.condition(expr), CONDITION
        return self.call(expr), ATOM

    def call(self, expr: sympy.Basic) -> str:
        """Return the text of a function call, or of a choice in parentheses."""
        if isinstance(expr, Where):
            return self.choice(expr)
        if isinstance(expr, (Maximum, Minimum)):
            return self.extreme(expr)
        if isinstance(expr, IndexDraw):
            arguments = ["key", self.index_of(expr), str(expr.stream)]
            return self.narrowed(self.called(f"{expr.distribution}_float64", arguments))
        if isinstance(expr, Draw):
            arguments = ["key", self.position, str(expr.stream)]
            return self.called(f"{expr.distribution}_{self.dtype}", arguments)
        if isinstance(expr, NarrowDraw):
            # A loop over the indices of axes counts them by `k`.
            arguments = [self.key(expr.places), "k" if expr.axes else "0", str(expr.stream)]
            return self.called(f"{expr.distribution}_float64", arguments)
        if expr.func in BY_NODE:
            return self.called(BY_NODE[expr.func].name, [self(a) for a in expr.args])
        msg = f"no text for {expr.func} in {expr}"
        raise InternalError(msg)

    def index_of(self, draw: IndexDraw) -> str:
        """Return the number of an index of axes, for an element that computes its own."""
        text = ""
        for step, count in draw.runs:
            own = f"({self.position})"
            own += "" if step == 1 else f" {self.quotient} {self.whole(step)}"
            own += "" if count == 0 else f" % {self.whole(count)}"
            text = f"({text}) * {self.whole(count)} + {own}" if text else own
        return text

    quotient = "//"
    """The operator that divides whole numbers."""

    def whole(self, expr: Any) -> str:
        """Return a length, converted to a whole number."""
        return f"int64({self.names[expr]})"

    def narrowed(self, text: str) -> str:
        """Return the text of a float64 value, in the printer's dtype."""
        return text if self.dtype == "float64" else f"{self.dtype}({text})"

    def key(self, places: Sequence[sympy.Basic]) -> str:
        """Return the key of random numbers for seed, step and number of a tensor."""
        return f"key_of({', '.join(map(self, places))})"

    def called(self, name: str, arguments: Sequence[str]) -> str:
        """Return the call of a function."""
        return f"{name}({', '.join(arguments)})"

    def tight(self, expr: sympy.Basic, limit: int) -> str:
        """Return the text, in parentheses if it binds less tightly than `limit`."""
        text, binding = self.text(expr)
        return f"({text})" if binding > limit else text

    def number(self, value: float) -> str:
        """Return a constant of the printer's dtype; its text may be `inf` or `nan`."""
        return repr(value) if self.dtype == "float64" else f"{self.dtype}({value!r})"

    def as_double(self, text: str) -> str:
        """Return the value of a text, converted to float64."""
        return f"float64({text})"

    def square_of(self, text: str) -> str:
        """Return the square of a function call."""
        return f"{text}**2"

    def total(self, expr: sympy.Add) -> str:
        """Return a sum; terms without a minus sign come first."""
        terms = [(not _is_negated(t), t) for t in expr.args]
        terms.sort(key=lambda term: (not term[0], not term[1].is_Symbol))
        text = ""
        for positive, term in terms:
            body = self.tight(term if positive else _negated(term), PRODUCT)
            sign = "" if positive and not text else (" + " if positive else " - ")
            text += f"{sign.strip() if not text else sign}{body}"
        return text

    def product(self, expr: Any) -> str:
        """Return a product: sign, numbers, scalars, the rest; then one division per divisor."""
        factors, divisors, negative = [], [], False
        for factor in expr.args:
            whole, divisor = divided(factor)
            if whole == -1:
                negative = not negative
            elif whole != 1:
                factors.append(whole)
            if divisor is not None:
                divisors.append(divisor)
        factors.sort(key=self.rank)
        text = " * ".join(self.tight(f, POWER) for f in factors) or self.number(1.0)
        for divisor in sorted(divisors, key=self.rank):
            text += f" / {self.tight(divisor, POWER)}"
        return f"-{text}" if negative else text

    def rank(self, factor: sympy.Basic) -> tuple[int, bool]:
        """Return a sort key of a factor: numbers, scalars, the rest; symbols first in each."""
        name = self.names.get(factor, "")
        return (0 if factor.is_number else 1 if name in self.scalars else 2), not factor.is_Symbol

    def power(self, expr: Any) -> tuple[str, int]:
        """Return a power: as a division, an integer power, square roots, or else `**`."""
        base, exponent = expr.base, expr.exp
        if is_reciprocal(expr):
            divisor = self.tight(turned(expr), POWER)
            return f"{self.number(1.0)} / {divisor}", PRODUCT
        if exponent.is_Integer and exponent <= _LARGEST:
            return self.whole_power(base, int(exponent))
        if exponent.is_Rational and exponent.q in (2, 4, 8):
            return self.root(base, exponent)
        return self.real_power(base, exponent)

    def whole_power(self, base: sympy.Expr, exponent: int) -> tuple[str, int]:
        """Return a power with a positive integer."""
        return f"{self.tight(base, ATOM)}**{exponent}", POWER

    def real_power(self, base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
        """Return a power with an exponent for which nothing simpler is known."""
        return f"{self.tight(base, ATOM)} ** {self.tight(exponent, ATOM)}", POWER

    def root(self, base: sympy.Expr, exponent: Any) -> tuple[str, int]:
        """Return x**(7/4) as x * sqrt(x) * sqrt(sqrt(x)), and so on for halves to eighths."""
        whole, remainder = divmod(int(exponent.p), int(exponent.q))
        factors = [self.whole_power(base, whole)[0]] if whole > 1 else []
        factors += [self.tight(base, POWER)] if whole == 1 else []
        text, weight = self(base), exponent.q
        while remainder:
            text, weight = self.called("sqrt", [text]), weight // 2
            if remainder >= weight:
                factors.append(text)
                remainder -= weight
        return " * ".join(factors), ATOM if len(factors) == 1 else PRODUCT

    def choice(self, expr: Any) -> str:
        """Return a conditional expression."""
        condition, then, otherwise = (self(argument) for argument in expr.args)
        return f"({then} if {condition} else {otherwise})"

    def extreme(self, expr: sympy.Basic) -> str:
        """Return nested calls of `maximum` or `minimum`, which propagate NaN as in NumPy."""
        name = "maximum" if isinstance(expr, Maximum) else "minimum"
        texts = [self(a) for a in expr.args]
        result = texts[0]
        for text in texts[1:]:
            result = self.called(name, [result, text])
        return result

    def condition(self, expr: sympy.Basic) -> str:
        """Return a comparison, or several joined by `and`, `or`, `not`."""
        if isinstance(expr, Comparison):
            left, right = (self.tight(side, SUM) for side in expr.args)
            return f"{left} {expr.sign} {right}"
        if isinstance(expr, (And, Or)):
            word = f" {self.words[0] if isinstance(expr, And) else self.words[1]} "
            return word.join(f"({self(a)})" for a in expr.args)
        if isinstance(expr, Not):
            return f"{self.words[2]}({self(expr.args[0])})"
        return self.truth(bool(expr))

    def truth(self, value: bool) -> str:
        """Return a condition that is known."""
        return str(value)


def _is_negated(term: sympy.Basic) -> bool:
    """Return whether a minus sign can be taken out of `term`."""
    if isinstance(term, sympy.Mul):
        return -1 in term.args or any(a.is_Number and a.is_negative for a in term.args)
    return bool(term.is_Number and term.is_negative)


def _negated(term: Any) -> Any:
    """Return the term without its minus sign, unevaluated: nothing is multiplied out."""
    if not isinstance(term, sympy.Mul):
        return -term
    number = next((a for a in term.args if a == -1), None)
    if number is None:
        number = next(a for a in term.args if a.is_Number and a.is_negative)
    others = list(term.args)
    others.remove(number)
    return sympy.Mul(*([] if number == -1 else [-number]), *others, evaluate=False)
