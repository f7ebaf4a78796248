"""Print expressions in NumPy, in jax.numpy and in PyTorch: what differs between them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import sympy

from learnerdsl.codegen.printer import ATOM
from learnerdsl.export.printer import ArrayPrinter
from learnerdsl.export.statements import Body
from learnerdsl.expr import (
    AxisSize,
    Draw,
    Maximum,
    NarrowDraw,
    Reduction,
    Side,
    step,
    symbols_in,
)


class NumpyPrinter(ArrayPrinter):
    """A printer in NumPy."""

    xp = "np"
    double = "np.float64"
    wide = "dtype=np.float64"
    functions: ClassVar[Mapping[str, str]] = {
        "acos": "np.arccos({})",
        "asin": "np.arcsin({})",
        "atan": "np.arctan({})",
        "atan2": "np.arctan2({})",
        "erf": "np.vectorize(math.erf, otypes=[float])({})",
        "sigmoid": "(1 / (1 + np.exp(-{})))",
        "softplus": "np.logaddexp(0, {})",
    }


class JaxPrinter(ArrayPrinter):
    """A printer in jax.numpy, of code that JAX traces."""

    xp = "jnp"
    double = "float"
    wide = "dtype=float"
    functions: ClassVar[Mapping[str, str]] = {
        "acos": "jnp.arccos({})",
        "asin": "jnp.arcsin({})",
        "atan": "jnp.arctan({})",
        "atan2": "jnp.arctan2({})",
        "erf": "jax.scipy.special.erf({})",
        "sigmoid": "jax.nn.sigmoid({})",
        "softplus": "jax.nn.softplus({})",
    }

    def is_choice_of_python(self, condition: Any) -> bool:
        """Return False: no value is known while JAX traces."""
        del condition
        return False

    def text(self, expr: Any) -> tuple[str, int]:
        """Return (text, how tightly it binds); 1 - x**step is a call of an exact function."""
        terms = expr.args if isinstance(expr, sympy.Add) else ()
        if len(terms) == 2 and sympy.S.One in terms:
            base, exponent = self.decayed(terms[1] if terms[0] == 1 else terms[0])
            if base is not None:
                self.used.add("one_minus_power")
                return f"one_minus_power({self(base)}, {self(exponent)})", ATOM
        return super().text(expr)

    def decayed(self, term: Any) -> tuple[Any, Any]:
        """Return (base, exponent) of the negative of a scalar to a power of the step."""
        if not isinstance(term, sympy.Mul) or len(term.args) != 2 or term.args[0] != -1:
            return None, None
        power: Any = term.args[1]
        if not power.is_Pow or step not in symbols_in(power.exp) or not self.body.is_scalar(power):
            return None, None
        return power.base, power.exp


class TorchPrinter(ArrayPrinter):
    """A printer in PyTorch, which does not mix its functions with Python's numbers.

    Attributes:
        python: symbols whose values are Python's numbers.
    """

    xp = "torch"
    double = "torch.float64"
    wide = "dtype=torch.float64"
    axis_word = "dim"
    keep_word = "keepdim"
    functions: ClassVar[Mapping[str, str]] = {
        "cbrt": "torch.copysign(torch.abs({0}) ** (1 / 3), {0})",
        "softplus": "torch.nn.functional.softplus({}, threshold=80)",
    }

    def __init__(
        self, names: Mapping[Any, str], body: Body, from_last: bool, python: set[Any]
    ) -> None:
        super().__init__(names, body, from_last)
        self.python = python

    def is_python(self, expr: Any) -> bool:
        """Return whether a value is one of Python's numbers."""
        return is_python(expr, self.python, self.body)

    def is_choice_of_python(self, condition: Any) -> bool:
        """Return whether Python may choose without waiting for a device."""
        return self.is_python(condition)

    def constant(self, expr: Any) -> str:
        """Return a constant with a name."""
        return {sympy.pi: "math.pi", sympy.E: "math.e"}.get(expr) or repr(float(expr))

    def function(self, name: str, arguments: list[Any]) -> str:
        """Return a call of an elementary function, of Python's if its arguments are numbers."""
        if name != "abs" and all(map(self.is_python, arguments)):
            if name in ("sign", "sigmoid", "softplus"):
                return f"float({self.of_tensor(name, arguments)})"
            return f"math.{name}({', '.join(map(self, arguments))})"
        return super().function(name, arguments)

    def of_tensor(self, name: str, arguments: list[Any]) -> str:
        """Return a call of a function of tensors for one of Python's numbers."""
        return f"torch.{name}(torch.tensor({self(arguments[0])}, dtype=torch.float64))"

    def narrow_draw(self, expr: NarrowDraw) -> str:
        """Return random numbers; one for the model or a tensor is drawn on the host."""
        text = super().narrow_draw(expr)
        return text if expr.axes else f"{text}.item()"

    def choice(self, expr: Any) -> str:
        """Return a choice; a number that is chosen for an element gets the parameter's dtype."""
        if self.is_choice_of_python(expr.condition):
            return self.choice_of_python(expr)
        condition, then, otherwise = map(self, expr.args)
        if self.is_python(expr.then) and self.is_python(expr.otherwise):
            is_scalar = self.body.is_scalar(expr.condition)
            kind = "torch.float64" if is_scalar else f"{self.parameter}.dtype"
            then = f"torch.tensor({then}, dtype={kind})"
        return f"torch.where({condition}, {then}, {otherwise})"

    def choice_of_python(self, expr: Any) -> str:
        """Return a choice by a number; if one branch is a tensor, the other is one, too."""
        branches = [expr.then, expr.otherwise]
        texts = [self(branch) for branch in branches]
        numbers = [self.is_python(branch) for branch in branches]
        if any(numbers) and not all(numbers):
            k = numbers.index(True)
            is_scalar = self.body.is_scalar(branches[1 - k])
            has_all = self.body.element <= self.body.axes_of(branches[1 - k])
            full = f"torch.full_like({self.parameter}, {texts[k]})"
            full = full if has_all else f"{self.parameter}.new_full((), {texts[k]})"
            texts[k] = f"torch.tensor({texts[k]}, dtype=torch.float64)" if is_scalar else full
        return f"({texts[0]} if {self(expr.condition)} else {texts[1]})"

    def extreme(self, expr: Any) -> str:
        """Return the largest or smallest value; limits that are numbers clamp."""
        is_maximum = isinstance(expr, Maximum)
        numbers = [self(a) for a in expr.args if self.is_python(a)]
        tensors = [self(a) for a in expr.args if not self.is_python(a)]
        limit = f"{'max' if is_maximum else 'min'}({', '.join(numbers)})"
        limit = numbers[0] if len(numbers) == 1 else limit
        if not tensors:
            return limit
        name = "torch.maximum" if is_maximum else "torch.minimum"
        result = tensors[0]
        for text in tensors[1:]:
            result = f"{name}({result}, {text})"
        word = "min" if is_maximum else "max"
        return f"torch.clamp({result}, {word}={limit})" if numbers else result

    def over_axes(self, name: str, text: str, axes: str) -> str:
        """Return a reduction over axes, which keep the length 1."""
        name = {"max": "amax", "min": "amin"}.get(name, name)
        return super().over_axes(name, text, axes)

    def filled_matrix(self, value: str, shape: str) -> str:
        """Return a matrix of the parameter's dtype, filled with a value."""
        return f"({self.parameter}.new_zeros({shape}) + ({value}))"

    def identity(self, side: Side) -> str:
        """Return an identity matrix of the length of a side."""
        p = self.parameter
        return f"torch.eye({self.length_of(side)}, dtype={p}.dtype, device={p}.device)"


def is_python(expr: Any, python: set[Any], body: Body) -> bool:
    """Return whether a value is computed from Python's numbers alone."""
    if not body.is_scalar(expr):
        return False
    if any(isinstance(n, (Reduction, Draw)) for n in sympy.preorder_traversal(expr)):
        return False
    return all(s in python or isinstance(s, AxisSize) for s in symbols_in(expr))
