"""Print expressions of a rule in LaTeX as papers write them."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter

from learnerdsl.expr import (
    AxisSize,
    Draw,
    Filled,
    GradientSymbol,
    Hyperparameter,
    Identity,
    MatrixDraw,
    MatrixFunction,
    MatrixLeaf,
    MatrixReduction,
    Maximum,
    Minimum,
    NarrowDraw,
    ParameterSymbol,
    Power,
    Reduction,
    StateSymbol,
    Where,
    nodes,
)
from learnerdsl.expr.symbols import Clock, ExtraSymbol, TensorScalar

_OWN_NAMES = frozenset(
    ["arccos", "arcsin", "arctan", "cos", "cosh", "exp", "log", "sin", "sinh", "tan", "tanh"]
)
"""Functions for which LaTeX has a command."""

_RENAMED = {"acos": "arccos", "asin": "arcsin", "atan": "arctan"}
_SCALARS = (Hyperparameter, Clock, TensorScalar, AxisSize)


def in_brackets(text: str) -> str:
    """Return a text in round brackets that grow with it."""
    return rf"\left({text}\right)"


def number(value: Any) -> str:
    r"""Return a float in LaTeX, `1e-08` as $10^{-8}$."""
    text = repr(float(value)).removesuffix(".0")
    match = re.fullmatch(r"(-?)(.+)e([+-]\d+)", text)
    if not match:
        return text.replace("inf", r"\infty")
    sign, digits, exponent = match.groups()
    front = "" if digits == "1" else rf"{digits} \cdot "
    return f"{sign}{front}10^{{{int(exponent)}}}"


class Widths:
    """Knows which values differ from element to element of a tensor, or are matrices.

    Attributes:
        has_matrices: whether some value is a function of whole matrices.
    """

    def __init__(self, lines: Iterable[tuple[Any, Any]]) -> None:
        self._wide: dict[Any, bool] = {}
        self.has_matrices = False
        for symbol, expression in lines:
            self._wide[symbol] = self(expression)

    def __call__(self, root: Any) -> bool:
        """Return whether an expression has more than one value in a tensor."""
        for node in nodes([root], self._wide):
            self.has_matrices |= isinstance(node, MatrixFunction)
            self._wide[node] = self._is_wide(node)
        return self._wide[root]

    def _is_wide(self, node: Any) -> bool:
        if isinstance(node, (NarrowDraw, Reduction)):
            return bool(node.axes)
        if isinstance(node, StateSymbol):
            return node.shape not in ("tensor", "model")
        if isinstance(node, ExtraSymbol):
            return node.shape not in ("tensor", "model")
        kinds = (Draw, MatrixFunction, MatrixLeaf, ParameterSymbol, GradientSymbol)
        return isinstance(node, kinds) or any(self._wide[argument] for argument in node.args)


class RulePrinter(LatexPrinter):
    """A printer of expressions of a rule.

    Args:
        names: symbol or random number -> its LaTeX.
        widths: tells what is not a scalar.
    """

    printmethod = "_latex_of_a_rule"  # nodes of the language are printed by methods of this class

    def __init__(self, names: dict[Any, str], widths: Widths) -> None:
        super().__init__({"symbol_names": names})
        self.names = names
        self.widths = widths
        self.target: Any = None

    # Sums, products and powers.

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        """Print what is added before what is subtracted, and the old value before all."""
        terms = sorted(self._as_ordered_terms(expr, order), key=self._place_in_sum)
        text = ""
        for term in terms:
            is_negative, rest = _signed(term)
            own = self.factor(rest) if isinstance(rest, (sympy.Add, Where)) else self._print(rest)
            start = ("-" if is_negative else "") if not text else (" - " if is_negative else " + ")
            text += start + own
        return text

    def _place_in_sum(self, term: Any) -> tuple[bool, bool]:
        holds_old = self.target is not None and term.has(self.target)
        return _signed(term)[0], not holds_old

    def _print_Mul(self, expr: Any) -> str:
        is_negative, above, below = _quotient(expr)
        text = self.product(above)
        if below:
            text = rf"\frac{{{text}}}{{{self.product(below)}}}"
        return f"- {text}" if is_negative else text

    def product(self, factors: list[Any]) -> str:
        """Return the product of factors: numbers, then scalars, then what has many values."""
        if len(factors) == 1:
            return self._print(factors[0])
        text, before = "", None
        in_order = sorted(factors, key=self._place_in_product)
        for factor in in_order:
            is_bare = factor is in_order[-1] and self._ends_a_product(factor, factors)
            own = self._print(factor) if is_bare else self.factor(factor)
            if text:
                text += self._between(before, factor, own)
            text += own
            before = factor
        return text or "1"

    def _ends_a_product(self, factor: Any, factors: list[Any]) -> bool:
        """Return whether the last factor needs no brackets: a sum, or the only matrix."""
        is_only_matrix = isinstance(factor, MatrixFunction) and sum(map(self.widths, factors)) == 1
        return isinstance(factor, Reduction) or is_only_matrix

    def _place_in_product(self, factor: Any) -> int:
        if factor.is_number:
            return 0
        if isinstance(factor, Reduction) and self.norm(factor) is None:
            return 4
        if not self.widths(factor):
            symbols = (node for node in nodes([factor]) if isinstance(node, sympy.Symbol))
            return 1 if all(isinstance(symbol, _SCALARS) for symbol in symbols) else 2
        return 3

    def _between(self, left: Any, right: Any, text: str) -> str:
        """Return what stands between two factors."""
        if text[0].isdigit():
            return r" \cdot "
        if self.widths.has_matrices and self.widths(left) and self.widths(right):
            return r" \odot "
        return " " if text.startswith(r"\left(") else r" \, "

    def factor(self, expr: Any) -> str:
        """Return an expression as a factor, in brackets where it needs them."""
        text = self._print(expr)
        needs = isinstance(expr, (sympy.Add, sympy.Mod, sympy.Piecewise, MatrixFunction))
        needs |= isinstance(expr, Where) and not text.startswith(r"\mathbb")
        needs |= isinstance(expr, Reduction) and self.norm(expr) is None
        return in_brackets(text) if needs or text.startswith("-") else text

    def _print_Pow(self, expr: Any) -> str:
        base, exponent = expr.args
        if exponent.is_Number and exponent.is_negative:
            below = sympy.Pow(base, -exponent, evaluate=False) if exponent != -1 else base
            return rf"\frac{{1}}{{{self._print(below)}}}"
        norm = self.norm(base)
        if norm is not None and exponent.is_Number:
            length, power = norm
            return _raised(length, power * exponent, self._print)
        if exponent.is_Rational and exponent.p == 1 and exponent.q > 1:
            degree = "" if exponent.q == 2 else f"[{exponent.q}]"
            return rf"\sqrt{degree}{{{self._print(base)}}}"
        mark = r"\odot " if self.widths.has_matrices and self.widths(base) else ""
        return f"{self.base(base)}^{{{mark}{self._print(exponent)}}}"

    def base(self, expr: Any) -> str:
        """Return an expression as the base of a power."""
        text = self._print(expr)
        is_bare = isinstance(expr, (sympy.Symbol, sympy.Abs)) or text.isdigit()
        return text if is_bare else in_brackets(text)

    def _print_Power(self, expr: Power) -> str:
        return self._print_Pow(expr)

    def _print_Infinity(self, expr: Any) -> str:
        del expr
        return r"\infty"

    def _print_NegativeInfinity(self, expr: Any) -> str:
        del expr
        return r"-\infty"

    def _print_Float(self, expr: Any) -> str:
        return number(expr)

    # Functions and choices.

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
        """Print a function; SymPy passes no exponent, as powers are printed above."""
        del exp
        name = _RENAMED.get(type(expr).__name__, type(expr).__name__)
        command = rf"\{name}" if name in _OWN_NAMES else rf"\operatorname{{{name}}}"
        return command + in_brackets(", ".join(map(self._print, expr.args)))

    def _print_sign(self, expr: Any, exp: Any = None) -> str:
        return self._print_Function(expr, exp)

    def _print_ExpBase(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"\exp{in_brackets(self._print(expr.args[0]))}"

    def _print_log(self, expr: Any, exp: Any = None) -> str:
        return self._print_Function(expr, exp)

    def _print_cbrt(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"\sqrt[3]{{{self._print(expr.args[0])}}}"

    def _print_Abs(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"\left|{self._print(expr.args[0])}\right|"

    def _print_floor(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"\left\lfloor {self._print(expr.args[0])} \right\rfloor"

    def _print_ceiling(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"\left\lceil {self._print(expr.args[0])} \right\rceil"

    def _print_Mod(self, expr: Any, exp: Any = None) -> str:
        del exp
        return rf"{self.factor(expr.args[0])} \bmod {self.factor(expr.args[1])}"

    def _print_Where(self, expr: Where) -> str:
        holds = self._print(expr.condition)
        if (expr.then, expr.otherwise) == (1, 0):
            return rf"\mathbb{{1}}\left[{holds}\right]"
        if (expr.then, expr.otherwise) == (0, 1):
            return rf"\mathbb{{1}}\left[\lnot {in_brackets(holds)}\right]"
        cases, rest = [], expr
        while isinstance(rest, Where):
            holds = self._print(rest.condition)
            cases.append(rf"{self._print(rest.then)} & \text{{if }} {holds}")
            rest = rest.otherwise
        cases.append(rf"{self._print(rest)} & \text{{otherwise}}")
        rows = r" \\ ".join(cases)
        return rf"\begin{{cases}} {rows} \end{{cases}}"

    def _print_Maximum(self, expr: Maximum) -> str:
        return rf"\max{in_brackets(', '.join(map(self._print, expr.args)))}"

    def _print_Minimum(self, expr: Minimum) -> str:
        first, *others = expr.args
        if len(others) == 1 and isinstance(first, Maximum) and len(first.args) == 2:
            value, low = map(self._print, first.args)
            bounds = rf"\left[{low}, {self._print(others[0])}\right]"
            return rf"\operatorname{{clip}}_{{{bounds}}}{in_brackets(value)}"
        return rf"\min{in_brackets(', '.join(map(self._print, expr.args)))}"

    # Conditions.

    def _print_Comparison(self, expr: Any) -> str:
        left, right = map(self._print, expr.args)
        if expr.sign == "!=" and left == right:
            return rf"{left} \text{{ is NaN}}"
        signs = {"<=": r"\leq", ">=": r"\geq", "==": "=", "!=": r"\neq"}
        return f"{left} {signs.get(expr.sign, expr.sign)} {right}"

    def _print_IsFinite(self, expr: Any) -> str:
        return rf"\left|{self._print(expr.args[0])}\right| < \infty"

    def _print_And(self, e: Any) -> str:
        return r" \land ".join(map(self._side, e.args))

    def _print_Or(self, e: Any) -> str:
        return r" \lor ".join(map(self._side, e.args))

    def _print_Not(self, e: Any) -> str:
        return rf"\lnot {in_brackets(self._print(e.args[0]))}"

    def _side(self, condition: Any) -> str:
        """Return a condition beside an "and" or an "or"."""
        text = self._print(condition)
        return in_brackets(text) if r"\land" in text or r"\lor" in text else text

    # Reductions, matrices and random numbers.

    def norm(self, expr: Any) -> tuple[str, int] | None:
        """Return the norm that a reduction is a power of, and the power; None if it is none."""
        if not isinstance(expr, Reduction):
            return None
        argument, kind = expr.argument, expr.monoid.name
        range_ = "" if expr.over == "tensor" else over(expr)
        if kind == "sum" and isinstance(argument, (sympy.Pow, Power)) and argument.args[1] == 2:
            return self._length(argument.args[0], range_), 2
        if isinstance(argument, sympy.Abs) and kind in ("sum", "max"):
            order = "1" if kind == "sum" else r"\infty"
            return self._length(argument.args[0], f"{order}, {range_}" if range_ else order), 1
        return None

    def _length(self, expr: Any, index: str) -> str:
        length = rf"\left\lVert {self._print(expr)} \right\rVert"
        return f"{length}_{{{index}}}" if index else length

    def _print_Reduction(self, expr: Reduction) -> str:
        norm = self.norm(expr)
        if norm is not None:
            return _raised(norm[0], sympy.Integer(norm[1]), self._print)
        head = rf"{expr.monoid.latex}_{{{over(expr)}}}"
        if expr.monoid.name in ("max", "min"):
            return f"{head} {in_brackets(self._print(expr.argument))}"
        return f"{head} {self.factor(expr.argument)}"

    def _print_MatrixFunction(self, expr: MatrixFunction) -> str:
        return expr.text.format(*(self._operand(a, expr) for a in expr.operands), *expr.literals)

    _print_MatMul = _print_Transpose = _print_MatrixFunction  # SymPy has nodes of these names

    def _print_MatrixDraw(self, expr: MatrixDraw) -> str:
        first, second = (rf"\mathrm{{{side}}}" for side in expr.sides)
        letter = {"normal": r"\mathcal{N}", "uniform": r"\mathcal{U}"}[expr.distribution]
        return rf"{letter}_{{{expr.stream}}}^{{{first} \times {second}}}"

    def _print_Filled(self, expr: Filled) -> str:
        return self._print(expr.args[0])

    def _print_MatrixReduction(self, expr: MatrixReduction) -> str:
        return rf"{expr.symbol}\,{self._operand(expr.args[0], expr)}"

    def _operand(self, argument: Any, function: MatrixFunction) -> str:
        text = self._print(argument)
        return text if function.is_bare(argument) else in_brackets(text)

    def _print_Identity(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, expr: Identity
    ) -> str:
        return rf"I_{{\mathrm{{{expr.side}}}}}"

    def _print_Draw(self, expr: Draw | NarrowDraw) -> str:
        return self.names[expr]

    _print_NarrowDraw = _print_Draw


def over(reduction: Reduction) -> str:
    """Return in LaTeX what a reduction ranges over."""
    if not reduction.axes:
        return rf"\mathrm{{{reduction.range}}}"
    return rf"\mathrm{{axis}}\,{', '.join(map(str, reduction.axes))}"


def _raised(text: str, power: Any, printed: Callable[[Any], str]) -> str:
    return text if power == 1 else f"{text}^{{{printed(power)}}}"


def _signed(term: Any) -> tuple[bool, Any]:
    """Return whether a term is subtracted, and its opposite if so."""
    if isinstance(term, sympy.Mul):
        is_negative, above, below = _quotient(term)
        if not is_negative:
            return False, term
        inverse = [sympy.Pow(factor, -1, evaluate=False) for factor in below]
        return True, sympy.Mul(*above, *inverse, evaluate=False) if above or inverse else 1
    if term.is_Number and term.is_negative:
        return True, -term
    return False, term


def _quotient(product: Any) -> tuple[bool, list[Any], list[Any]]:
    """Return whether a product is negative, and the factors above and below the line."""
    is_negative = False
    above: list[Any] = []
    below: list[Any] = []
    for factor in product.args:
        if factor.is_Number and factor.is_negative:
            is_negative, factor = not is_negative, -factor
        if factor.is_Rational:
            above += [sympy.Integer(factor.p)] if factor.p != 1 else []
            below += [sympy.Integer(factor.q)] if factor.q != 1 else []
        elif isinstance(factor, sympy.Pow) and factor.exp.is_Number and factor.exp.is_negative:
            power = -factor.exp
            below.append(
                sympy.Pow(factor.base, power, evaluate=False) if power != 1 else factor.base
            )
        else:
            above.append(factor)
    return is_negative, above, below
