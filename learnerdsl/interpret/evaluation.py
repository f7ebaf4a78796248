"""Evaluation of expressions over arrays: this defines the meaning of the language."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy

from learnerdsl.elementary import BY_NODE, DEFINED
from learnerdsl.errors import InternalError
from learnerdsl.expr import (
    And,
    AxisSize,
    Comparison,
    Draw,
    IsFinite,
    MatrixDraw,
    MatrixFunction,
    MatrixLeaf,
    Maximum,
    Minimum,
    NarrowDraw,
    Not,
    Or,
    Power,
    Reduction,
    Where,
    scaled_product,
    seed,
    step,
)
from learnerdsl.interpret.draws import drawn
from learnerdsl.interpret.matrices import (
    filled,
    has_elements,
    matrix_function,
    narrow_product,
)
from learnerdsl.tracing import Assignment

MISSING: Any = object()
"""Stands for the value of a symbol that is computed, or of a state that a tensor does not have."""


class Evaluation:
    """An evaluation of expressions for some tensors; it computes each node once per tensor.

    Args:
        symbols: symbol -> list with its value, or MISSING, for each tensor.
        definitions: for each tensor, symbol -> the line of its rule that computes the symbol.
        variants: for each tensor, the number of its rule among the distinct rules.
        of_model: for each distinct rule, its reductions over the model; the n-th ones of all rules
            are one reduction.
        parameters: arrays.
        xp: array namespace.

    A scalar is a float, or an array of float64 with the shape () if the namespace traces it. All
    other values are arrays.
    """

    def __init__(
        self,
        symbols: dict[Any, list[Any]],
        definitions: Sequence[dict[Any, Assignment]],
        variants: Sequence[int],
        of_model: Sequence[Sequence[Reduction]],
        parameters: Sequence[Any],
        xp: Any,
    ) -> None:
        self.symbols = symbols
        self.definitions = definitions
        self.variants = variants
        self.of_model = of_model
        self.parameters = parameters
        self.xp = xp
        self.known: list[dict[Any, Any]] = [{} for _ in parameters]
        self.reduced: dict[int, Any] = {}
        self.positions: Sequence[Any] | None = None
        self.numbers: Sequence[int] | None = None
        self.products: Sequence[str] = ["full"] * len(parameters)

    def __call__(self, root: Any, tensor: int) -> Any:
        """Return the value of an expression for tensor number `tensor`."""
        known = self.known[tensor]
        if root in known:
            return known[root]
        # Use a stack, not recursion: rules nest deeper than Python's recursion limit.
        stack = [root]
        with np.errstate(all="ignore"):
            while stack:
                node = stack[-1]
                missing = [n for n in self.needed(node, tensor) if n not in known]
                if missing:
                    stack += missing
                    continue
                stack.pop()
                if node not in known:
                    known[node] = _plain(self.compute(node, tensor))
        return known[root]

    def needed(self, node: Any, k: int) -> Sequence[Any]:
        """Return the nodes whose values are needed next to compute this one."""
        if node.is_Symbol:
            line = self.line_of(node, k)
            return [] if line is None else [line.expression]
        if isinstance(node, Reduction):
            return [] if node.over == "model" else node.args[:1]
        if isinstance(node, (Draw, MatrixLeaf, NarrowDraw)):
            return [node.places[1]] if isinstance(node, (MatrixDraw, NarrowDraw)) else []
        if isinstance(node, MatrixFunction):
            return node.operands
        if not isinstance(node, Where) or node.condition not in self.known[k]:
            return node.args[:1] if isinstance(node, Where) else node.args
        holds = self.known[k][node.condition]
        if isinstance(holds, (bool, np.bool_)):
            return [node.then if holds else node.otherwise]
        return node.args

    def line_of(self, symbol: Any, k: int) -> Assignment | None:
        """Return the line that computes a symbol; None if its value is given."""
        if symbol in self.symbols and self.symbols[symbol][k] is not MISSING:
            return None
        return None if isinstance(symbol, AxisSize) else self.definitions[k][symbol]

    def compute(self, expr: Any, k: int) -> Any:
        """Return the value of a node; the values of its arguments must be known."""
        if expr.is_Symbol:
            return self.symbol(expr, k)
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return float(expr)
        if isinstance(expr, Reduction):
            return self.reduce(expr, k)
        if isinstance(expr, (Draw, MatrixDraw, NarrowDraw)):
            return self.draw(expr, k)
        if isinstance(expr, (MatrixFunction, MatrixLeaf)):
            return self.matrix(expr, k)
        if isinstance(expr, Comparison):
            return self.compare(expr, k)
        if expr.func in _STRUCTURE:
            return _STRUCTURE[expr.func](self, expr, k)
        if isinstance(expr, IsFinite):
            return self.finite(self(expr.args[0], k))
        if expr.func in BY_NODE:
            return self.elementary(expr, k)
        msg = f"the interpreter does not know {expr.func} in {expr}"
        raise InternalError(msg)

    def symbol(self, symbol: Any, k: int) -> Any:
        """Return the value of a symbol: given, or of the line that computes it."""
        line = self.line_of(symbol, k)
        if line is not None:
            value = self.known[k][line.expression]
            if self.is_scalar(value) and has_elements(line.target):
                return filled(line.target, value, self.parameters[k], self.xp)
            return self.kept(value, self.parameters[k], line.rounded)
        if symbol in self.symbols and self.symbols[symbol][k] is not MISSING:
            return self.symbols[symbol][k]
        return float(np.shape(self.parameters[k])[symbol.axis])

    def is_scalar(self, value: Any) -> bool:
        """Return whether a value is a scalar."""
        if isinstance(value, float):
            return True
        return not np.shape(value) and getattr(value, "dtype", None) == self.xp.float64

    def alike(self, *values: Any) -> list[Any]:
        """Return values that meet in an operation: there a scalar takes the dtype of elements."""
        if all(isinstance(value, float) for value in values):
            return [np.float64(value) for value in values]
        own = [value.dtype for value in values if not self.is_scalar(value)]
        dtype = own[0] if own else self.xp.float64
        return [self.xp.asarray(v, dtype=dtype) if self.is_scalar(v) else v for v in values]

    def double(self, value: Any) -> Any:
        """Return a value of the shape () as a scalar, which is in float64."""
        return self.xp.asarray(value, dtype=self.xp.float64)[()]

    def kept(self, value: Any, parameter: Any, rounded: bool) -> Any:
        """Return the value of a line as later statements read it.

        An element has the parameter's dtype. A scalar stays in float64, and so does an array with
        one value for each index of some axes.
        """
        if self.is_scalar(value):
            return self.double(self.xp.asarray(value, dtype=parameter.dtype)) if rounded else value
        has_all = np.shape(value) == np.shape(parameter)
        return self.xp.asarray(value, dtype=parameter.dtype) if has_all else value

    def matrix(self, expr: Any, k: int) -> Any:
        """Return the value of a function of matrices, over the last two axes."""
        values = [self(argument, k) for argument in self.needed(expr, k)]
        return matrix_function(expr, values, self.parameters[k], self.xp, self.products[k])

    def draw(self, expr: Draw | MatrixDraw | NarrowDraw, k: int) -> Any:
        """Return the random numbers of tensor `k`, computed by Philox4x32-10."""
        count = self.symbols[step][k] if isinstance(expr, Draw) else self(expr.places[1], k)
        positions = None if self.positions is None else self.positions[k]
        number = k if self.numbers is None else self.numbers[k]
        own = self.symbols[seed][k]
        return drawn(expr, self.parameters[k], positions, own, count, number, self.xp)

    def finite(self, value: Any) -> Any:
        """Return whether a value is neither NaN nor infinite."""
        return math.isfinite(value) if isinstance(value, float) else self.xp.isfinite(value)

    def elementary(self, expr: Any, k: int) -> Any:
        """Return the value of an elementary function, computed by NumPy or a library like it."""
        row = BY_NODE[expr.func]
        values = self.alike(*(self.exactly(argument, k) for argument in expr.args))
        if isinstance(row.numpy, str):
            return self.call(row.numpy, *values)
        if self.xp is np or all(isinstance(value, float) for value in values):
            return row.of_arrays(*values)
        own = getattr(self.xp, row.name, None)
        if own:
            return own(*values)
        if expr.func in DEFINED:
            return self(expr.definition(*expr.args), k)
        return self.xp.asarray(row.of_arrays(*map(np.asarray, values)))

    def call(self, name: str, *values: Any) -> Any:
        """Call the function with NumPy's name `name`, with floats or arrays."""
        is_known = all(isinstance(value, float) for value in values)
        return getattr(np if is_known else self.xp, name)(*self.alike(*values))

    def product(self, expr: Any, k: int) -> Any:
        """Return a product: scalars first, in float64; then arrays; then one division per divisor.

        The denominator of a fraction is a divisor, too.
        """
        scalars, arrays, divisors = 1.0, [], []
        for factor in expr.args:
            if factor.is_Rational:
                scalars = scalars * float(factor.p)
                divisors += [float(factor.q)] * (factor.q != 1)
            elif factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                divisors.append(self.raised(self(factor.base, k), -factor.exp, k))
            else:
                value = self(factor, k)
                if self.is_scalar(value):
                    scalars = scalars * value
                else:
                    arrays.append(value)
        over = [divisor for divisor in divisors if not self.is_scalar(divisor)]
        is_one = isinstance(scalars, float) and scalars in (1.0, -1.0)
        is_scaled = not is_one or not arrays
        for divisor in divisors:
            if self.is_scalar(divisor) and is_scaled:
                scalars = _plain(operator.truediv(*self.alike(scalars, divisor)))
            elif self.is_scalar(divisor):
                over.append(divisor)
        result: Any = scalars
        for value in arrays:
            result = operator.mul(*self.alike(result, value))
        for divisor in over:
            result = operator.truediv(*self.alike(result, divisor))
        return result

    def total(self, expr: sympy.Add, k: int) -> Any:
        """Return a sum, scalars first; a sum of fractions of integers is exact."""
        scaled = None if self.products[k] == "full" else scaled_product(expr)
        if scaled is not None:
            alpha, product, beta, own = scaled
            values = [self(operand, k) for operand in product.args]
            return narrow_product(values, alpha, self(own, k), beta, self.xp)
        parts: list[Any] = [term.as_coeff_Mul() for term in expr.args]
        # Leave out sums with a float: `exactly` would call this method for them, without end.
        if all(factor.is_Rational and rest.is_integer for factor, rest in parts):
            return self.exactly(expr, k)
        return self.added([self(term, k) for term in expr.args])

    def added(self, terms: list[Any]) -> Any:
        """Return the sum of values, scalars first."""
        result: Any = 0.0
        for term in sorted(terms, key=lambda value: not self.is_scalar(value)):
            result = operator.add(*self.alike(result, term))
        return result

    def exactly(self, expr: Any, k: int) -> Any:
        """Return the value of a sum of fractions with one division: (x - 1)/3 for x/3 - 1/3.

        SymPy divides a sum term by term, and its rounding error would change the result of a floor
        or a comparison.
        """
        parts: list[Any] = [term.as_coeff_Mul() for term in sympy.Add.make_args(expr)]
        if not isinstance(expr, sympy.Add) or not all(c.is_Rational for c, _ in parts):
            return self(expr, k)
        divisor = math.lcm(*(int(c.q) for c, _ in parts))
        if divisor & (divisor - 1) == 0:
            return self.added([self(term, k) for term in expr.args])
        terms = [float(c.p * (divisor // c.q)) * self(rest, k) for c, rest in parts]
        return self.added([_plain(term) for term in terms]) / float(divisor)

    def power(self, expr: Any, k: int) -> Any:
        """Return a power."""
        return self.raised(self(expr.base, k), expr.exp, k)

    def raised(self, base: Any, exponent: Any, k: int) -> Any:
        """Return a power of a value, as a square root or an integer power where it is one."""
        if exponent == -1:
            return 1.0 / _wide(base)
        if exponent == 1:
            return base
        value = self(exponent, k)
        if exponent.is_number and value in (0.5, -0.5):
            root = self.call("sqrt", base)
            return root if value > 0 else 1.0 / _wide(root)
        if exponent.is_number and value.is_integer() and abs(value) <= 1024:
            return _wide(base) ** int(value)
        return operator.pow(*self.alike(base, value))

    def choose(self, expr: Any, k: int) -> Any:
        """Return a choice; if the condition is a scalar, only one branch is computed."""
        holds = self(expr.condition, k)
        if isinstance(holds, bool):
            return self(expr.then if holds else expr.otherwise, k)
        if isinstance(holds, np.bool_):
            chosen = self(expr.then if holds else expr.otherwise, k)
        else:
            branches = self.alike(self(expr.then, k), self(expr.otherwise, k))
            chosen = self.xp.where(holds, *branches)
            if self.is_scalar(chosen):
                return chosen
        # A number that is chosen for an element takes the element's dtype.
        return self.kept(chosen, self.parameters[k], rounded=True)

    def extreme(self, expr: Any, k: int) -> Any:
        """Return the maximum or minimum of any number of values; NaN if one is NaN."""
        name = "minimum" if isinstance(expr, Minimum) else "maximum"
        values = [self(argument, k) for argument in expr.args]
        result = values[0]
        for value in values[1:]:
            result = self.call(name, result, value)
        return result

    def modulo(self, expr: Any, k: int) -> Any:
        """Return the remainder of a division, with the sign of the divisor."""
        return self.call("remainder", *(self.exactly(argument, k) for argument in expr.args))

    def compare(self, expr: Any, k: int) -> Any:
        """Return the result of a comparison; false where a side is NaN, except for !=."""
        sides = self.alike(*(self.exactly(argument, k) for argument in expr.args))
        holds = _RELATIONS[expr.sign](*sides)
        is_known = all(isinstance(side, float) for side in sides)
        return bool(holds) if is_known else holds

    def logic(self, expr: Any, k: int) -> Any:
        """Return And, Or or Not of conditions."""
        values = [self(argument, k) for argument in expr.args]
        if all(isinstance(value, bool) for value in values):
            holds = any(values) if isinstance(expr, Or) else all(values)
            return not holds if isinstance(expr, Not) else holds
        if isinstance(expr, Not):
            return self.xp.logical_not(values[0])
        combine = self.xp.logical_and if isinstance(expr, And) else self.xp.logical_or
        result = values[0]
        for value in values[1:]:
            result = combine(result, value)
        return result

    def reduce(self, expr: Reduction, k: int) -> Any:
        """Return a reduction over one tensor, or over all of them in order; in float64."""
        if expr.over != "model":
            return self.reduce_tensor(expr, k)
        number = self.of_model[self.variants[k]].index(expr)
        if number not in self.reduced:
            peers = [self.of_model[variant][number] for variant in self.variants]
            parts = [self.reduce_tensor(peer, j) for j, peer in enumerate(peers)]
            result = parts[0]
            for part in parts[1:]:
                result = _plain(self.call(expr.monoid.ufunc.__name__, result, part))
            self.reduced[number] = result
        return self.reduced[number]

    def reduce_tensor(self, expr: Reduction, k: int) -> Any:
        """Return the reduction over one tensor, or its part of a reduction of tensors."""
        if expr.of == "tensors":
            is_empty = 0 in np.shape(self.parameters[k])
            return expr.monoid.identity if is_empty else self.double(self(expr.argument, k))
        value = self.xp.asarray(self.widened(expr.argument, k), dtype=self.xp.float64)
        value = self.xp.broadcast_to(value, np.shape(self.parameters[k]))
        if expr.axes:
            return self.reduce_axes(expr, value)
        if expr.block:
            elements = self.xp.asarray(value, dtype=self.parameters[k].dtype).ravel()
            return self.double(_sum_in_blocks(elements, expr.block, self.xp))
        if 0 in np.shape(value):
            return expr.monoid.identity
        return getattr(self.xp, expr.monoid.name)(value)

    def widened(self, expr: Any, k: int) -> Any:
        """Return the value to reduce; squares and products are in float64, to avoid overflow."""
        if expr.is_Pow and expr.exp == 2:
            return self.xp.asarray(self(expr.base, k), dtype=self.xp.float64) ** 2
        is_quotient = any(a.is_Pow and a.exp.is_negative for a in expr.args)
        if not isinstance(expr, sympy.Mul) or is_quotient:
            return self(expr, k)
        result: Any = 1.0
        for factor in expr.args:
            result = result * self.xp.asarray(self.widened(factor, k), dtype=self.xp.float64)
        return result

    def reduce_axes(self, expr: Reduction, value: Any) -> Any:
        """Return the reduction over axes, with these axes kept as length 1."""
        shape = list(np.shape(value))
        if any(shape[axis] == 0 for axis in expr.axes):
            for axis in expr.axes:
                shape[axis] = 1
            return self.xp.full(tuple(shape), expr.monoid.identity, dtype=self.xp.float64)
        return getattr(self.xp, expr.monoid.name)(value, expr.axes, keepdims=True)


def _sum_in_blocks(values: Any, size: int, xp: Any) -> Any:
    """Return the sum in the dtype of `values`: of whole blocks in order, then of other elements."""
    whole = len(values) // size * size
    blocks = values[:whole].reshape(-1, size)
    partial = xp.cumsum(blocks, axis=1, dtype=values.dtype)[:, -1] if whole else blocks.ravel()
    addends = xp.concatenate([xp.zeros(1, dtype=values.dtype), partial, values[whole:]])
    return xp.cumsum(addends, axis=0, dtype=values.dtype)[-1]


_STRUCTURE: dict[Any, Callable[[Evaluation, Any, int], Any]] = {
    sympy.Add: Evaluation.total,
    sympy.Mul: Evaluation.product,
    sympy.Pow: Evaluation.power,
    Power: Evaluation.power,
    Minimum: Evaluation.extreme,
    Maximum: Evaluation.extreme,
    sympy.Max: Evaluation.extreme,  # in definitions of functions
    sympy.Mod: Evaluation.modulo,
    Where: Evaluation.choose,
    And: Evaluation.logic,
    Or: Evaluation.logic,
    Not: Evaluation.logic,
    sympy.true.func: lambda *_: True,
    sympy.false.func: lambda *_: False,
}

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _wide(value: Any) -> Any:
    """Return a float as a NumPy scalar, which does not raise on division by 0 or overflow."""
    return np.float64(value) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """Return a float64 scalar as a Python float, which takes the dtype of arrays in operations."""
    return float(value) if isinstance(value, np.float64) else value
