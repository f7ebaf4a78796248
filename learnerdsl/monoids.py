"""What a reduction joins values by, one row each: `MONOIDS`.

A reduction is a monoid over the elements: an operation that may be done in any grouping, and an
identity element, which is the result over nothing. Expressions, the compiler, the kernels, the
engines and the oracle carry a row, or its code in tables, and never ask which one it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy


@dataclass(frozen=True)
class Monoid:
    """How values are joined.

    Attributes:
        name: of the reduction in the language.
        code: its number in tables that kernels read.
        identity: the result over nothing.
        ufunc: what joins arrays in NumPy.
        join: what joins two values in generated code: an operator, or a function.
        hot: function of the CPU's kernel library that joins in a loop over elements.
        loses_nan: whether `hot` drops NaN, so that the loop has to remember whether it met one.
        of_block: function of the CUDA kernel library that joins what threads of a block have.
        repeated: value and number of times -> the result over that many equal values.
        latex: the symbol.
        instead: what may have been meant by a call with two values.
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
        return (
            sympy.Integer(int(self.identity))
            if np.isfinite(self.identity)
            else (sympy.oo if self.identity > 0 else -sympy.oo)
        )

    def joined(self, a: str, b: str) -> str:
        """Return the text of two values joined."""
        return f"{a} {self.join} {b}" if self.is_operator else f"{self.join}({a}, {b})"

    def joined_into(self, place: str, value: str) -> str:
        """Return the statement that joins a value to what is at a place."""
        if self.is_operator:
            return f"{place} {self.join}= {value}"
        return f"{place} = {self.joined(place, value)}"

    @property
    def is_operator(self) -> bool:
        """Whether generated code joins by an operator."""
        return not self.join.isidentifier()


def _once(value: Any, count: Any) -> Any:
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
    hot="multiply",
    loses_nan=False,
    of_block="product_of",
    repeated=lambda value, count: sympy.Pow(value, count, evaluate=False),
    latex=r"\prod",
    instead="a * b for the product of two values",
)

MONOIDS: dict[str, Monoid] = {monoid.name: monoid for monoid in (SUM, MAX, MIN, PROD)}
"""Name of a reduction -> its row."""


def _row(name: str) -> Monoid:
    """Return the row of a name; pickles hold names, as rows have functions in them."""
    return MONOIDS[name]
