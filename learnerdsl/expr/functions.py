"""The functions of elements: SymPy's own, under the names of NumPy, and random numbers."""

from typing import Any

import sympy

from learnerdsl.errors import RuleError

# SymPy's own functions, under the names of NumPy.
abs = sympy.Abs
acos = sympy.acos
asin = sympy.asin
atan = sympy.atan
ceil = sympy.ceiling
cos = sympy.cos
cosh = sympy.cosh
equal = sympy.Eq
exp = sympy.exp
floor = sympy.floor
log = sympy.log
maximum = sympy.Max
minimum = sympy.Min
not_equal = sympy.Ne
sign = sympy.sign
sin = sympy.sin
sinh = sympy.sinh
sqrt = sympy.sqrt
tan = sympy.tan
tanh = sympy.tanh
pi = sympy.pi

UNARY_FUNCTIONS: dict[Any, str] = {
    sympy.Abs: "abs",
    sympy.acos: "acos",
    sympy.asin: "asin",
    sympy.atan: "atan",
    sympy.ceiling: "ceil",
    sympy.cos: "cos",
    sympy.cosh: "cosh",
    sympy.exp: "exp",
    sympy.floor: "floor",
    sympy.log: "log",
    sympy.sign: "sign",
    sympy.sin: "sin",
    sympy.sinh: "sinh",
    sympy.tan: "tan",
    sympy.tanh: "tanh",
}
"""The functions of one argument that have a meaning in a kernel, with their names in it."""


class Draw(sympy.Expr):
    """A random number of each element: a function of seed, step, tensor, element and `stream`."""

    is_commutative = True
    is_real = True
    distribution = ""

    def __new__(cls, where_from: Any, stream: Any) -> Any:
        """Build the node from `position` and the number of the draw within its rule."""
        return sympy.Expr.__new__(cls, where_from, sympy.Integer(stream))

    @property
    def stream(self) -> int:
        """Number of the draw within its rule."""
        return int(self.args[1])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}"

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}()"


class NormalDraw(Draw):
    """Standard normal."""

    distribution = "normal"


class UniformDraw(Draw):
    """Uniform from 0 up to and without 1."""

    distribution = "uniform"


def expression(value: Any) -> sympy.Expr:
    """`value` as a SymPy expression; RuleError if it is text, an array or a truth value."""
    if not isinstance(value, (str, bool)):
        try:
            sympified = sympy.sympify(value, strict=True)
        except sympy.SympifyError:
            sympified = None
        if isinstance(sympified, sympy.Expr):
            return sympified
    msg = (
        f"{value!r} ({type(value).__name__}) is not an expression; "
        "write symbols, numbers and the functions of learnerdsl or sympy."
    )
    raise RuleError(msg)


def where(condition: Any, then: Any, otherwise: Any) -> sympy.Expr:
    """`then` where `condition` holds and `otherwise` elsewhere, as numpy.where.

    Args:
        condition: a SymPy relation or a combination of them with `&`, `|`, `~`. Comparisons with
            NaN are false; equality is written `equal(a, b)`, because `==` compares symbols. Every
            k-th step is `equal(step % k, 0)`.
        then: an expression.
        otherwise: an expression.

    >>> from learnerdsl.expr import step, where
    >>> where(step > 10, 1, 2)
    Piecewise((1, step > 10), (2, True))
    """
    if condition in (True, sympy.true):
        return expression(then)
    if condition in (False, sympy.false):
        return expression(otherwise)
    if not isinstance(condition, sympy.logic.boolalg.Boolean) or condition.is_Symbol:
        msg = f"{condition!r} is not a condition; write a comparison such as g > 0."
        raise RuleError(msg)
    branches = [(expression(then), condition), (expression(otherwise), True)]
    # Unevaluated: SymPy would rewrite conditions, solving them as sets of real numbers.
    return sympy.Piecewise(*branches, evaluate=False)


def clip(x: Any, low: Any, high: Any) -> sympy.Expr:
    """`x` limited to the interval from `low` to `high`, as numpy.clip."""
    return minimum(maximum(expression(x), low), high)
