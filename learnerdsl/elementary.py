"""The table of elementary functions, `FUNCTIONS`, with one row per function.

Everything that depends on the set of functions reads this table: the public functions, the checks
of a rule, the printers, both kernel libraries, the oracle, schedules and `ld.check`. To add a
function, add a row; `docs/growing.md` lists the rest, a golden file and a line of documentation.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import sympy


class Real(sympy.Function):
    """A function of real numbers that SymPy does not rewrite."""

    is_real = True

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return the function in terms of SymPy's own."""
        raise NotImplementedError

    def doit(self, **hints: Any) -> Any:
        """Return the definition with evaluated arguments."""
        return self.definition(*(argument.doit(**hints) for argument in self.args))

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition(*self.args)._eval_evalf(prec)


class expm1(Real):
    """The function exp(x) - 1, accurate near 0."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return exp(x) - 1."""
        return sympy.exp(arguments[0]) - 1

    def fdiff(self, argindex: int = 1) -> Any:
        """Return exp(x)."""
        return sympy.exp(self.args[0])


class log1p(Real):
    """The function log(1 + x), accurate near 0."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return log(x + 1)."""
        return sympy.log(arguments[0] + 1)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 1/(x + 1)."""
        (x,) = cast("tuple[Any, ...]", self.args)
        return 1 / (x + 1)


class cbrt(Real):
    """The real cube root, also for negative numbers, where SymPy's own is complex."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return the cube root of |x| with the sign of x."""
        (x,) = arguments
        return sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 1/(3 cbrt(x)**2)."""
        return 1 / (3 * self**2)


class sigmoid(Real):
    """The logistic function 1/(1 + exp(-x))."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return 1/(1 + exp(-x)), which is correct even where exp(-x) is infinite."""
        return 1 / (1 + sympy.exp(-arguments[0]))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(x) (1 - sigmoid(x))."""
        return self * (1 - self)


class softplus(Real):
    """The function log(1 + exp(x))."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return log(1 + exp(x)), written so that exp does not overflow."""
        (x,) = arguments
        return sympy.Max(x, 0) + log1p(sympy.exp(-sympy.Abs(x)))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(x)."""
        return sigmoid(self.args[0])


class atan2(Real):
    """The angle of the point (x, y), from -pi to pi."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return SymPy's function of the same name."""
        return sympy.atan2(*arguments)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the derivative: x/(x**2 + y**2) by y, -y/(x**2 + y**2) by x."""
        y, x = cast("tuple[Any, ...]", self.args)
        return (x if argindex == 1 else -y) / (x**2 + y**2)


@dataclass(frozen=True)
class Function:
    """An elementary function: its name, its node, and its implementation in each library.

    Attributes:
        name: name in the language and in generated code.
        node: class of the SymPy node; None for `sqrt`, which is a power in SymPy.
        summary: first sentence of its documentation.
        numpy: name in NumPy and in libraries like it, or a function of NumPy arrays.
        cpu: path of the function that Numba compiles for the CPU: "math.x", "numpy.x" or one of the
            kernel library; "" if generated code contains the definition of `node` instead.
        cuda: path of the function for CUDA: "math.x", "libdevice.x" or one of the kernel library.
        arguments: names of its arguments.
    """

    name: str
    node: Any
    summary: str
    numpy: str | Callable[..., Any]
    cpu: str
    cuda: str
    arguments: tuple[str, ...] = ("x",)

    @property
    def of_arrays(self) -> Callable[..., Any]:
        """The function of NumPy arrays; its result has their dtype."""
        return getattr(np, self.numpy) if isinstance(self.numpy, str) else self.numpy


def imported(path: str) -> Any:
    """Import and return the object with a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _elementwise(function: Callable[..., float]) -> Callable[..., Any]:
    """Return a function of arrays that calls a function of floats for each element."""
    vectorised = np.vectorize(function, otypes=[np.float64])

    def of_arrays(*values: Any) -> Any:
        dtype = np.result_type(*values)
        wide = vectorised(*values)
        return wide.astype(dtype if dtype.kind == "f" else np.float64)[()]

    return of_arrays


def _row(name: str, node: Any, summary: str, **columns: Any) -> Function:
    """Return a row that uses, unless told otherwise, NumPy's and `math`'s function of that name."""
    usual = {"numpy": name, "cpu": f"math.{name}", "cuda": f"math.{name}"}
    return Function(name, node, summary, **{**usual, **columns})


_CPU = "learnerdsl.kernels.cpu_math"

FUNCTIONS = (
    _row("abs", sympy.Abs, "Return the absolute value.", cpu="builtins.abs", cuda="builtins.abs"),
    _row(
        "acos",
        sympy.acos,
        "Return the angle in radians whose cosine is x; NaN outside -1 to 1.",
        numpy="arccos",
    ),
    _row(
        "asin",
        sympy.asin,
        "Return the angle in radians whose sine is x; NaN outside -1 to 1.",
        numpy="arcsin",
    ),
    _row("atan", sympy.atan, "Return the angle in radians whose tangent is x.", numpy="arctan"),
    _row(
        "atan2",
        atan2,
        "Return the angle in radians of the point (x, y), from -pi to pi, as numpy.arctan2.",
        numpy="arctan2",
        arguments=("y", "x"),
    ),
    _row(
        "cbrt",
        cbrt,
        "Return the real cube root, also of negative numbers.",
        cpu="numpy.cbrt",
        cuda="libdevice.cbrt",
    ),
    _row(
        "ceil",
        sympy.ceiling,
        "Return the smallest whole number that is not below `x`.",
        cpu="numpy.ceil",
        cuda="libdevice.ceil",
    ),
    _row("cos", sympy.cos, "Return the cosine of an angle in radians."),
    _row("cosh", sympy.cosh, "Return the hyperbolic cosine."),
    _row(
        "erf",
        sympy.erf,
        "Return the error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.",
        numpy=_elementwise(math.erf),
    ),
    _row("exp", sympy.exp, "Return e to the power x.", cpu=f"{_CPU}.exp"),
    _row("expm1", expm1, "Return exp(x) - 1, exact near 0."),
    _row(
        "floor",
        sympy.floor,
        "Return the largest whole number that is not above `x`.",
        cpu="numpy.floor",
        cuda="libdevice.floor",
    ),
    _row(
        "log",
        sympy.log,
        "Return the natural logarithm; -infinity at 0, NaN below.",
        cpu=f"{_CPU}.log",
    ),
    _row("log1p", log1p, "Return log(1 + x), exact near 0; NaN below -1."),
    _row(
        "sigmoid",
        sigmoid,
        "Return the logistic function 1/(1 + exp(-x)).",
        numpy=lambda x: 1 / (1 + np.exp(-x)),
        cpu="",
        cuda="",
    ),
    _row(
        "sign",
        sympy.sign,
        "Return -1, 0 or 1; NaN for NaN.",
        cpu=f"{_CPU}.sign",
        cuda="learnerdsl.kernels.cuda_math.sign",
    ),
    _row("sin", sympy.sin, "Return the sine of an angle in radians."),
    _row("sinh", sympy.sinh, "Return the hyperbolic sine."),
    _row(
        "softplus",
        softplus,
        "Return log(1 + exp(x)), also where exp(x) is infinite.",
        numpy=lambda x: np.logaddexp(np.zeros_like(x), x),
        cpu="",
        cuda="",
    ),
    _row("sqrt", None, "Return the square root; NaN below 0."),
    _row("tan", sympy.tan, "Return the tangent of an angle in radians."),
    _row("tanh", sympy.tanh, "Return the hyperbolic tangent.", cpu=f"{_CPU}.tanh"),
)
"""Every elementary function that rules can call, in alphabetical order."""

BY_NODE: dict[Any, Function] = {row.node: row for row in FUNCTIONS if row.node is not None}
"""Class of a SymPy node -> its row."""

DEFINED = tuple(row.node for row in FUNCTIONS if not row.cpu)
"""Classes of nodes that are compiled as their definition."""
