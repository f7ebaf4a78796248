"""The elementary functions of the language, one row each: `FUNCTIONS`.

Whatever has to know a function reads it here: the public functions, the checks of a rule, the
printers, both kernel libraries, the oracle, schedules and `ld.check`. So a new function is a new
row; `docs/growing.md` says what else it takes: a golden file and a line of documentation.
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
        """Return the definition, evaluated."""
        return self.definition(*(argument.doit(**hints) for argument in self.args))

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition(*self.args)._eval_evalf(prec)


class expm1(Real):
    """exp(x) - 1, without the loss of digits near 0."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return exp(x) - 1."""
        return sympy.exp(arguments[0]) - 1

    def fdiff(self, argindex: int = 1) -> Any:
        """Return exp(x)."""
        return sympy.exp(self.args[0])


class log1p(Real):
    """log(1 + x), without the loss of digits near 0."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return log(x + 1)."""
        return sympy.log(arguments[0] + 1)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 1/(x + 1)."""
        (x,) = cast("tuple[Any, ...]", self.args)
        return 1 / (x + 1)


class cbrt(Real):
    """The real cube root, also of negative numbers; SymPy's own is complex there."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return the cube root of the size, with the sign of x."""
        (x,) = arguments
        return sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 1/(3 cbrt(x)**2)."""
        return 1 / (3 * self**2)


class sigmoid(Real):
    """1/(1 + exp(-x))."""

    @classmethod
    def definition(cls, *arguments: Any) -> Any:
        """Return 1/(1 + exp(-x)), which is right where exp(-x) is infinite, too."""
        return 1 / (1 + sympy.exp(-arguments[0]))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(x) (1 - sigmoid(x))."""
        return self * (1 - self)


class softplus(Real):
    """log(1 + exp(x))."""

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
        """Return SymPy's own."""
        return sympy.atan2(*arguments)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return x/(x**2 + y**2) for y, -y/(x**2 + y**2) for x."""
        y, x = cast("tuple[Any, ...]", self.args)
        return (x if argindex == 1 else -y) / (x**2 + y**2)


@dataclass(frozen=True)
class Function:
    """An elementary function: what it is called, and what computes it.

    Attributes:
        name: in the language and in generated code.
        node: class of SymPy's expressions with it; None for `sqrt`, which is a power there.
        summary: first sentence of its documentation.
        numpy: name in NumPy and in libraries like it, or a function of NumPy arrays.
        cpu: what Numba compiles for the CPU: "math.x", "numpy.x" or a function of the kernel
            library; "" if generated code has the definition of `node` instead.
        cuda: the same for CUDA: "math.x", "libdevice.x" or a function of the kernel library.
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
        """The function of NumPy arrays; it keeps their dtype."""
        return getattr(np, self.numpy) if isinstance(self.numpy, str) else self.numpy

    def for_cpu(self) -> Callable[..., Any] | None:
        """Return the function of numbers that Numba compiles, None if code has its definition."""
        return imported(self.cpu) if self.cpu else None


def imported(path: str) -> Any:
    """Return what a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _elementwise(function: Callable[..., float]) -> Callable[..., Any]:
    """Return a function of arrays that calls one of Python's floats for each element."""
    vectorised = np.vectorize(function, otypes=[np.float64])

    def of_arrays(*values: Any) -> Any:
        dtype = np.result_type(*values)
        wide = vectorised(*values)
        return wide.astype(dtype if dtype.kind == "f" else np.float64)[()]

    return of_arrays


def _row(name: str, node: Any, summary: str, **columns: Any) -> Function:
    """Return a row with what most functions have: NumPy's and `math`'s of the same name."""
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
"""Every function of numbers that rules can call, in alphabetical order."""

BY_NODE: dict[Any, Function] = {row.node: row for row in FUNCTIONS if row.node is not None}
"""Class of SymPy's expressions -> its row."""

DEFINED = tuple(row.node for row in FUNCTIONS if not row.cpu)
"""Classes whose definition is compiled in their place."""
