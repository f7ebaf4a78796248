"""Print expressions in jax.numpy: elements in their dtype, scalars in float64."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sympy

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.codegen.operations import divided, is_reciprocal, turned
from learnerdsl.codegen.printer import ATOM, POWER, PRODUCT
from learnerdsl.export.dialects import JaxPrinter
from learnerdsl.export.statements import Body
from learnerdsl.expr import (
    AxisSize,
    Draw,
    IsFinite,
    MatMul,
    Power,
    Where,
    seed,
    step,
    symbols_in,
    tensor_number,
    tensor_size,
)
from learnerdsl.monoids import MONOIDS, SUM
from learnerdsl.xla.laziness import is_lazy
from learnerdsl.xla.wholes import Whole

WHOLE = 64
"""Largest exponent that is printed as a number, which becomes multiplications."""

OPERATIONS = frozenset(
    {
        *LINEAR_ALGEBRA,
        *("along", "axis_size", "empty", "matmul", "normal", "power"),
        *("cast", "either", "quotient", "root", "rounded", "size", "times", "uniform", "when"),
        *("where", "whole"),
        *(f"{name}_{extent}" for name in MONOIDS for extent in ("all", "over")),
    }
)
"""Functions that the text may call, besides those of jax.numpy."""


class XlaPrinter(JaxPrinter):
    """A printer of one statement.

    Args:
        names: symbol -> its name in the text.
        body: the statements that the expression belongs to.
        is_guarded: whether a choice may leave the value out, so that no derivative in it may be
            infinite: a cotangent of 0 times infinity is NaN.
    """

    double = "jnp.float64"

    def __init__(self, names: Mapping[Any, str], body: Body, is_guarded: bool) -> None:
        super().__init__(names, body, from_last=True)
        self.is_guarded = is_guarded

    def own(self, name: str, *arguments: Any) -> str:
        """Return a call of one of `OPERATIONS`."""
        self.used.add(name)
        return f"{name}({', '.join(map(str, arguments))})"

    def decayed(self, term: Any) -> tuple[Any, Any]:
        """Return (None, None): in float64, 1 - x**step is computed as it is written."""
        del term
        return None, None

    def text(self, expr: Any) -> tuple[str, int]:
        """Return (text, how tightly it binds)."""
        if isinstance(expr, MatMul):
            result = self(expr.args[0])
            for factor in expr.args[1:]:
                result = self.own("matmul", result, self(factor))
            return result, ATOM
        if isinstance(expr, Whole):
            return self.own("whole", self(expr.args[0])), ATOM
        if expr == tensor_size:
            return self.size(), ATOM
        return super().text(expr)

    def size(self) -> str:
        """Return the number of elements of the parameter, of which each device may have a part."""
        return self.own("size", self.parameter)

    def length(self, axis: int) -> str:
        """Return the length of an axis, of which each device may have a part."""
        return self.own("axis_size", self.parameter, self.axis(axis))

    def number(self, value: float) -> str:
        """Return a constant."""
        if value != value or value in (float("inf"), float("-inf")):
            return {"inf": "jnp.inf", "-inf": "-jnp.inf"}.get(str(value), "jnp.nan")
        return super().number(value)

    def power(self, expr: Any) -> tuple[str, int]:
        """Return a power: a quotient, a root, a product, or a call of `power`."""
        base, exponent = expr.base, expr.exp
        if is_reciprocal(expr):
            divisor = turned(expr)
            if self.is_guarded and not self.is_of_sizes(divisor):
                return self.own("quotient", 1, self(divisor)), ATOM
            return f"1 / {self.tight(divisor, POWER)}", PRODUCT
        if exponent == sympy.S.Half:
            is_safe = self.is_guarded or self.body.is_scalar(base)
            return self.own("root" if is_safe else "jnp.sqrt", self(base)), ATOM
        if exponent.is_Integer and 0 < exponent <= WHOLE:
            return f"{self.tight(base, ATOM)}**{exponent}", POWER
        written = self.constant_exponent(exponent)
        if self.body.is_scalar(expr) or self.is_guarded:
            return self.own("power", self(base), written), ATOM
        return f"jnp.power({self(base)}, {written})", ATOM

    def constant_exponent(self, exponent: Any) -> str:
        """Return an exponent; fractions become numbers with a point."""
        is_fraction = exponent.is_Rational and not exponent.is_Integer
        return repr(float(exponent)) if is_fraction else self(exponent)

    def product(self, expr: Any) -> str:
        """Return a product; where derivatives must be finite, its quotients are calls.

        So are products by a hyperparameter that is infinite by default, a limit that is off, and of
        scalars by roots, which are NaN for negative numbers.
        """
        if not self.is_guarded:
            return super().product(expr)
        wholes, divisors = zip(*map(divided, expr.args), strict=True)
        divisors = sorted((d for d in divisors if d is not None), key=self.rank)
        above = [whole for whole in wholes if whole != 1]
        limits = sorted((w for w in above if self.is_limit(w)), key=self.rank)
        if all(map(self.is_of_sizes, divisors)) and (not limits or len(above) == 1):
            return super().product(expr)
        if len(above) == 1:
            limits = []
        others = [whole for whole in above if whole not in limits]
        text = self(sympy.Mul(*others, evaluate=False)) if others else "1"
        for limit in limits:
            text = self.own("times", self(limit), text)
        for divisor in divisors:
            text = self.own("quotient", text, self(divisor))
        return text

    def is_limit(self, factor: Any) -> bool:
        """Return whether a factor may be infinite or NaN where a choice leaves it out."""
        if isinstance(factor, (sympy.Pow, Power)) and self.body.is_scalar(factor):
            is_root = factor.args[1].is_Rational and not factor.args[1].is_Integer
            return is_root and not self.is_of_sizes(factor)
        rule: Any = self.body.rule
        if rule is None or factor not in rule.hyperparameters:
            return False  # a schedule is of no rule
        return is_infinite(rule.defaults[rule.hyperparameters.index(factor)])

    def is_of_sizes(self, expr: Any) -> bool:
        """Return whether a value is known when JAX traces: one of numbers and sizes."""
        return all(isinstance(s, AxisSize) or s == tensor_size for s in symbols_in(expr))

    def choice(self, expr: Where) -> str:
        """Return a choice, whose branches have finite derivatives where they are left out."""
        condition = self(expr.condition)
        with self.guarding():
            branches = [self(branch) for branch in (expr.then, expr.otherwise)]
        if is_lazy(expr, self.body):
            return self.own("either", condition, *(f"lambda: {branch}" for branch in branches))
        return self.own("where", condition, *branches)

    def extreme(self, expr: Any) -> str:
        """Return the largest or smallest value: a choice, too."""
        with self.guarding():
            return super().extreme(expr)

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Print what a choice may leave out."""
        before, self.is_guarded = self.is_guarded, True
        yield
        self.is_guarded = before

    def function(self, name: str, arguments: list[Any]) -> str:
        """Return a call of an elementary function."""
        if name == "sqrt":
            is_safe = self.is_guarded or self.body.is_scalar(arguments[0])
            return self.own("root" if is_safe else "jnp.sqrt", self(arguments[0]))
        return super().function(name, arguments)

    def condition(self, expr: Any) -> str:
        """Return a condition; symbols stand for conditions that have a name."""
        if isinstance(expr, IsFinite):
            return f"jnp.isfinite({self(expr.args[0])})"
        return super().condition(expr)

    def reduction(self, expr: Any) -> str:
        """Return a reduction over axes or a tensor, or what a tensor contributes to the model's."""
        if expr.of == "tensors":
            return self.counted(expr, self.size())
        axes = self.body.axes_of(expr.argument)
        if not axes and not expr.axes:
            if expr.monoid is SUM:
                return f"({self.size()} * {self.tight(expr.argument, POWER)})"
            if not expr.monoid.is_operator:
                return self.tight(expr.argument, ATOM)  # one of equal values
            return self.own("power", self(expr.argument), self.size())
        text = self.filled(expr, expr.argument, axes)
        name = expr.monoid.name
        if not expr.axes:
            return self.own(f"{name}_all", text)
        written = self.reduced_axes(expr.axes)
        over = self.own(f"{name}_over", text, written)
        if self.body.axes_of(expr):
            return over
        # No axis is left: a scalar, in float64 as all are.
        if text.startswith("jnp.broadcast_to("):
            return self.own("max_all", over)  # one of equal values
        is_of_all = len(set(expr.axes)) == self.body.rule.ndim
        return self.own(f"{name}_all", text, *([] if is_of_all else [written]))

    def squared(self, argument: Any) -> str:
        """Return the argument of a reduction."""
        if isinstance(argument, (sympy.Pow, Power)) and argument.exp == 2:
            return f"jnp.square({self(argument.base)})"
        return self(argument)

    def draw(self, expr: Draw) -> str:
        """Return random numbers with the parameter's shape."""
        places = (self.names[symbol] for symbol in (seed, step, tensor_number))
        return self.own(expr.distribution, self.parameter, expr.stream, *places)


def is_infinite(value: Any) -> bool:
    """Return whether the default of a hyperparameter is infinity."""
    return isinstance(value, (int, float)) and math.isinf(value)
