"""An expression of the step as a Python function, with the roundings of code written by hand.

SymPy turns (step - 1)/49 into step/49 - 1/49, which in floats is not 1 at step 50, and whose floor
may be one too small. Here such sums are divided at last, and quotients of whole numbers are exact
until then.
"""

from collections.abc import Callable
from typing import Any

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from learnerdsl.expr import step


class HostPrinter(PythonCodePrinter):
    """Python code of expressions; names of functions are those of `math`."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True})

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        content, _ = expr.primitive()
        rational = all(term.as_coeff_Mul()[0].is_Rational for term in expr.args)
        if not rational or content.q == 1:
            return str(super()._print_Add(expr, order=order))
        return f"({self._print(content.q * expr)})/{content.q}"

    def _print_Mul(self, expr: Any) -> str:
        factor, rest = expr.as_coeff_Mul()
        if not factor.is_Rational or factor.q == 1:
            return str(super()._print_Mul(expr))
        numerator = self.parenthesize(factor.p * rest, PRECEDENCE["Mul"])
        return f"{numerator}/{factor.q}"

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))

    def _print_Heaviside(self, expr: sympy.Heaviside) -> str:
        # Derivatives of Min and Max have it.
        return str(self._print(expr.rewrite(sympy.Piecewise)))


def function_of_step(expression: sympy.Expr) -> Callable[[int], Any]:
    """The expression as a function of one whole number."""
    return sympy.lambdify([step], expression, modules="math", printer=HostPrinter())
