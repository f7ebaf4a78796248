"""Evaluates expressions over arrays: what every function of the language means."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import (
    UNARY_FUNCTIONS,
    AxisSize,
    Draw,
    Eigenvectors,
    Identity,
    MatMul,
    MatrixFunction,
    MaxOver,
    Orthonormal,
    Reduction,
    SumOver,
    Transpose,
    UniformDraw,
    seed,
    step,
)
from learnerdsl.interpret.philox import philox
from learnerdsl.rule import Assignment

MISSING: Any = object()
"""The value of a symbol that is not given but computed, or of a state that a tensor has not."""


class Evaluation:
    """Evaluates expressions for one tensor after the other, each expression once.

    Args:
        symbols: symbol -> for each tensor its value, or MISSING.
        definitions: for each tensor, symbol -> the line of its rule that gives the value.
        peer: function of a reduction over the model and the numbers of two tensors: the reduction
            that the rule of the second one writes for that of the first.
        parameters: arrays.
        xp: array namespace.
    """

    def __init__(
        self,
        symbols: dict[Any, list[Any]],
        definitions: Sequence[dict[Any, Assignment]],
        peer: Callable[[Reduction, int, int], Reduction],
        parameters: Sequence[Any],
        xp: Any,
    ) -> None:
        self.symbols = symbols
        self.definitions = definitions
        self.peer = peer
        self.parameters = parameters
        self.xp = xp
        self.known: dict[Any, Any] = {}
        self.positions: Sequence[Any] | None = None
        self.numbers: Sequence[int] | None = None

    def __call__(self, expr: sympy.Basic, tensor: int) -> Any:
        """The value of `expr` for tensor number `tensor`."""
        key = (expr, tensor)
        if key not in self.known:
            with np.errstate(all="ignore"):
                self.known[key] = _plain(self.compute(expr, tensor))
        return self.known[key]

    def compute(self, expr: Any, k: int) -> Any:
        """The same, anew."""
        if expr.is_Symbol:
            return self.symbol(expr, k)
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return float(expr)
        if isinstance(expr, Reduction):
            return self.reduce(expr, k)
        if isinstance(expr, Draw):
            return self.draw(expr, k)
        if isinstance(expr, (MatrixFunction, Identity)):
            return self.matrix(expr, k)
        if isinstance(expr, sympy.Piecewise):
            return self.choose(expr, k)
        if expr.func in _STRUCTURE:
            return _STRUCTURE[expr.func](self, expr, k)
        if expr.func in UNARY_FUNCTIONS:
            return self.call(UNARY_FUNCTIONS[expr.func], self(expr.args[0], k))
        msg = f"the interpreter does not know {expr.func} in {expr}"
        raise InternalError(msg)

    def symbol(self, symbol: Any, k: int) -> Any:
        """A given value, or that of the line which computes it."""
        if symbol in self.symbols and self.symbols[symbol][k] is not MISSING:
            return self.symbols[symbol][k]
        if isinstance(symbol, AxisSize):
            return float(np.shape(self.parameters[k])[symbol.axis])
        line = self.definitions[k][symbol]
        value = self(line.expression, k)
        return _rounded(value, self.parameters[k]) if line.rounded else value

    def matrix(self, expr: Any, k: int) -> Any:
        """A function of matrices, over the last two axes."""
        xp = self.xp
        if isinstance(expr, Identity):
            side = np.shape(self.parameters[k])[-2 if expr.side == "rows" else -1]
            return xp.eye(side, dtype=self.parameters[k].dtype)
        values = [self(argument, k) for argument in expr.args]
        if isinstance(expr, MatMul):
            return xp.matmul(*values)
        if isinstance(expr, Transpose):
            return xp.swapaxes(values[0], -1, -2)
        if isinstance(expr, Orthonormal):
            return xp.linalg.qr(values[0])[0]
        is_finite = xp.all(xp.isfinite(values[0]), (-2, -1))[..., None]
        roots, vectors = xp.linalg.eigh(xp.where(is_finite[..., None], values[0], 0.0))
        roots = xp.where(is_finite, roots, xp.nan)
        vectors = xp.where(is_finite[..., None], vectors, xp.nan)
        if isinstance(expr, Eigenvectors):
            return xp.flip(vectors, (-1,))
        if 0 in vectors.shape:
            return vectors
        least = xp.finfo(roots.dtype).eps * xp.max(xp.abs(roots), -1, keepdims=True)
        powers = xp.maximum(roots, least) ** (-1.0 / values[1])
        return xp.matmul(vectors * powers[..., None, :], xp.swapaxes(vectors, -1, -2))

    def draw(self, expr: Draw, k: int) -> Any:
        """Random numbers of tensor number `k`, by Philox4x32-10 in NumPy."""
        if self.positions is not None:
            position = self.positions[k]
        else:
            shape = np.shape(self.parameters[k])
            position = np.arange(int(np.prod(shape))).reshape(shape)
        key, count = (int(self.symbols[symbol][k]) for symbol in (seed, step))
        number = k if self.numbers is None else self.numbers[k]
        words = philox(np.asarray(position, np.uint64), expr.stream, key, count, number)
        u = ((words[0] << np.uint64(21)) ^ (words[1] >> np.uint64(11))) * 2.0**-53
        if isinstance(expr, UniformDraw):
            single = (words[0] >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
            drawn = single if self.parameters[k].dtype.itemsize == 4 else u
        else:
            v = ((words[2] << np.uint64(21)) ^ (words[3] >> np.uint64(11))) * 2.0**-53
            drawn = np.sqrt(-2.0 * np.log(1.0 - u)) * np.cos(2.0 * np.pi * v)
        return self.xp.asarray(drawn, dtype=self.parameters[k].dtype)

    def call(self, name: str, *values: Any) -> Any:
        """A function of NumPy's name, of floats or of arrays."""
        arrays = [v for v in values if not isinstance(v, float)]
        if not arrays:
            return getattr(np, name)(*map(np.float64, values))
        # Not every namespace takes floats beside arrays here.
        dtype = arrays[0].dtype
        operands = (self.xp.asarray(v, dtype=dtype) if isinstance(v, float) else v for v in values)
        return getattr(self.xp, name)(*operands)

    def product(self, expr: Any, k: int) -> Any:
        """Scalars first, as they are exact to 53 bits; divisors divide."""
        scalars, arrays, divisors = 1.0, [], []
        for factor in expr.args:
            if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                divisors.append(self(sympy.Pow(factor.base, -factor.exp), k))
            else:
                value = self(factor, k)
                if isinstance(value, float):
                    scalars = scalars * value
                else:
                    arrays.append(value)
        for divisor in divisors:
            if isinstance(divisor, float):
                scalars = float(np.float64(scalars) / np.float64(divisor))
        result: Any = scalars
        for value in arrays:
            result = result * value
        for divisor in divisors:
            if not isinstance(divisor, float):
                result = result / divisor
        return result

    def total(self, expr: sympy.Add, k: int) -> Any:
        """The sum of the terms, scalars first."""
        terms = [self(term, k) for term in expr.args]
        result: Any = 0.0
        for term in sorted(terms, key=lambda value: not isinstance(value, float)):
            result = result + term
        return result

    def power(self, expr: sympy.Pow, k: int) -> Any:
        """Roots and whole powers by their own functions, the rest by `**`."""
        base, exponent = self(expr.base, k), expr.exp
        if exponent == -1:
            return 1.0 / _wide(base)
        if exponent.is_number and float(exponent) in (0.5, -0.5):
            root = self.call("sqrt", base)
            return root if float(exponent) > 0 else 1.0 / _wide(root)
        if exponent.is_number and float(exponent).is_integer():
            return _wide(base) ** int(exponent)
        return _wide(base) ** self(exponent, k)

    def choose(self, expr: Any, k: int) -> Any:
        """The value of the first branch whose condition holds; the others are not computed."""
        branches: list[tuple[Any, Any]] = []
        result: Any = float("nan")
        for value, condition in expr.args:
            holds = self(condition, k)
            if not isinstance(holds, (bool, np.bool_)):
                branches.append((self(value, k), holds))
            elif holds:
                result = self(value, k)
                break
        for value, condition in reversed(branches):
            result = self.xp.where(condition, value, result)
        return result

    def extreme(self, expr: Any, k: int) -> Any:
        """Min or Max of any number of values; NaN if one is NaN."""
        name = "maximum" if isinstance(expr, sympy.Max) else "minimum"
        values = [self(argument, k) for argument in expr.args]
        result = values[0]
        for value in values[1:]:
            result = self.call(name, result, value)
        return result

    def modulo(self, expr: Any, k: int) -> Any:
        """The remainder, with the sign of the divisor."""
        return self.call("remainder", *(self(argument, k) for argument in expr.args))

    def compare(self, expr: Any, k: int) -> Any:
        """A relation; false where a side is NaN, but for `Ne`."""
        return _RELATIONS[expr.func](self(expr.lhs, k), self(expr.rhs, k))

    def logic(self, expr: Any, k: int) -> Any:
        """And, Or and Not of conditions."""
        values = [self(argument, k) for argument in expr.args]
        if isinstance(expr, sympy.Not):
            return self.xp.logical_not(values[0])
        combine = self.xp.logical_and if isinstance(expr, sympy.And) else self.xp.logical_or
        result = values[0]
        for value in values[1:]:
            result = combine(result, value)
        return result

    def reduce(self, expr: Reduction, k: int) -> Any:
        """Over one tensor, or over all of them in order; in float64."""
        if expr.over == "model":
            peers = [self.peer(expr, k, j) for j in range(len(self.parameters))]
            parts = [self.reduce_tensor(e, j) for j, e in enumerate(peers)]
        else:
            parts = [self.reduce_tensor(expr, k)]
        result = parts[0]
        for part in parts[1:]:
            result = (
                self.call("maximum", result, part) if isinstance(expr, MaxOver) else result + part
            )
        return result

    def reduce_tensor(self, expr: Reduction, k: int) -> Any:
        """The sum or maximum over one tensor."""
        value = self.xp.asarray(self(expr.argument, k), dtype=self.xp.float64)
        value = self.xp.broadcast_to(value, np.shape(self.parameters[k]))
        if expr.axes:
            return self.reduce_axes(expr, value)
        if isinstance(expr, SumOver) and expr.block:
            return _sum_in_blocks(np.asarray(value, self.parameters[k].dtype).ravel(), expr.block)
        if isinstance(expr, SumOver):
            return self.xp.sum(value)
        return self.xp.max(value) if 0 not in np.shape(value) else -np.inf

    def reduce_axes(self, expr: Reduction, value: Any) -> Any:
        """The sum or maximum over some axes, which are kept; a maximum of nothing is -infinity."""
        if isinstance(expr, SumOver):
            return self.xp.sum(value, expr.axes, keepdims=True)
        shape = list(np.shape(value))
        if any(shape[axis] == 0 for axis in expr.axes):
            for axis in expr.axes:
                shape[axis] = 1
            return self.xp.full(tuple(shape), -np.inf, dtype=self.xp.float64)
        return self.xp.max(value, expr.axes, keepdims=True)


def _sum_in_blocks(values: np.ndarray, size: int) -> float:
    """The sum in the dtype of `values`, one block after the other and then what is left over."""
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    partial = np.cumsum(blocks, axis=1, dtype=values.dtype)[:, -1] if whole else blocks.ravel()
    addends = np.concatenate([np.zeros(1, values.dtype), partial, values[whole:]])
    return float(np.cumsum(addends, dtype=values.dtype)[-1])


def _truth(evaluation: Evaluation, expr: Any, k: int) -> bool:
    del evaluation, k
    return bool(expr)


_STRUCTURE: dict[Any, Callable[[Evaluation, Any, int], Any]] = {
    sympy.Add: Evaluation.total,
    sympy.Mul: Evaluation.product,
    sympy.Pow: Evaluation.power,
    sympy.Min: Evaluation.extreme,
    sympy.Max: Evaluation.extreme,
    sympy.Mod: Evaluation.modulo,
    sympy.And: Evaluation.logic,
    sympy.Or: Evaluation.logic,
    sympy.Not: Evaluation.logic,
    sympy.Lt: Evaluation.compare,
    sympy.Le: Evaluation.compare,
    sympy.Gt: Evaluation.compare,
    sympy.Ge: Evaluation.compare,
    sympy.Eq: Evaluation.compare,
    sympy.Ne: Evaluation.compare,
    sympy.true.func: _truth,
    sympy.false.func: _truth,
}

_RELATIONS: dict[Any, Callable[[Any, Any], Any]] = {
    sympy.Lt: lambda a, b: a < b,
    sympy.Le: lambda a, b: a <= b,
    sympy.Gt: lambda a, b: a > b,
    sympy.Ge: lambda a, b: a >= b,
    sympy.Eq: lambda a, b: a == b,
    sympy.Ne: lambda a, b: a != b,
}


def _wide(value: Any) -> Any:
    """Python floats raise where IEEE arithmetic goes on; NumPy's do not."""
    return np.float64(value) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """A float64 scalar as a Python float, which takes the dtype of the array it meets."""
    return float(value) if isinstance(value, np.float64) else value


def _rounded(value: Any, parameter: Any) -> Any:
    return float(parameter.dtype.type(value)) if isinstance(value, float) else value
