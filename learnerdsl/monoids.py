"""The table of reductions, `MONOIDS`, with one row per operation.

A monoid is an associative operation with an identity element, which is the result of a reduction
over no element. Expressions, the compiler, the kernels, the engines and the oracle hold a row, or
its code in tables. They use its columns and never test which row it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy


@dataclass(frozen=True)
class Monoid:
    """An associative operation with an identity element.

    Attributes:
        name: name of the reduction in the language.
        code: number of the row in tables that kernels read.
        identity: the identity element, the result over no element.
        ufunc: NumPy's function that joins two arrays.
        join: operator or function that joins two values in generated code.
        hot: function of the CPU kernel library that joins in a loop over elements.
        loses_nan: whether `hot` drops NaN, so that the loop has to remember whether it met one.
        of_block: function of the CUDA kernel library that joins one value of each thread.
        repeated: function of (value, count) that returns the reduction of `count` equal values.
        latex: symbol of the reduction in LaTeX.
        instead: hint in the error for a call with two values, which is probably a mistake.
    """

    name: str
    code: int
    identity: float
    ufunc: np.ufunc
    join: str
    hot: str
    loses_nan: bool
    of_block: str
    repeated: Callable[[Any, Any], Any]
    latex: str
    instead: str

    def __reduce__(self) -> Any:
        return _row, (self.name,)

    @property
    def neutral(self) -> sympy.Expr:
        """The identity element as an expression."""
        return sympy.nsimplify(self.identity)

    def joined(self, a: str, b: str) -> str:
        """Return the text that joins two values."""
        return f"{a} {self.join} {b}" if self.is_operator else f"{self.join}({a}, {b})"

    def joined_into(self, place: str, value: str) -> str:
        """Return the statement that joins `value` to the variable or array element `place`."""
        if self.is_operator:
            return f"{place} {self.join}= {value}"
        return f"{place} = {self.joined(place, value)}"

    @property
    def is_operator(self) -> bool:
        """Whether `join` is an operator, not a function."""
        return not self.join.isidentifier()


def _once(value: Any, count: Any) -> Any:
    """Return `value`: the maximum or minimum of equal values is that value."""
    del count
    return value


SUM = Monoid(
    name="sum",
    code=0,
    identity=0.0,
    ufunc=np.add,
    join="+",
    hot="accumulate",
    loses_nan=False,
    of_block="sum_of",
    repeated=lambda value, count: sympy.Mul(count, value, evaluate=False),
    latex=r"\sum",
    instead="a + b for the sum of two values",
)
MAX = Monoid(
    name="max",
    code=1,
    identity=-np.inf,
    ufunc=np.maximum,
    join="maximum",
    hot="larger",
    loses_nan=True,
    of_block="maximum_of",
    repeated=_once,
    latex=r"\max",
    instead="maximum(a, b) for the larger of two values",
)
MIN = Monoid(
    name="min",
    code=2,
    identity=np.inf,
    ufunc=np.minimum,
    join="minimum",
    hot="smaller",
    loses_nan=True,
    of_block="minimum_of",
    repeated=_once,
    latex=r"\min",
    instead="minimum(a, b) for the smaller of two values",
)
PROD = Monoid(
    name="prod",
    code=3,
    identity=1.0,
    ufunc=np.multiply,
    join="*",
    hot="accumulate_product",
    loses_nan=False,
    of_block="product_of",
    repeated=lambda value, count: sympy.Pow(value, count, evaluate=False),
    latex=r"\prod",
    instead="a * b for the product of two values",
)

MONOIDS: dict[str, Monoid] = {monoid.name: monoid for monoid in (SUM, MAX, MIN, PROD)}
"""Name of a reduction -> its row."""


def _row(name: str) -> Monoid:
    """Return a row by name; pickles contain the name, because rows contain functions."""
    return MONOIDS[name]
