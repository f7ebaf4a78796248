"""Print expressions over whole arrays, in the dialects of NumPy, PyTorch and jax.numpy."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import sympy

from learnerdsl.codegen.namespace_printer import NamespacePrinter
from learnerdsl.codegen.operations import is_reciprocal, turned
from learnerdsl.codegen.printer import ATOM, POWER, PRODUCT
from learnerdsl.elementary import BY_NODE
from learnerdsl.export.statements import Axes, Body
from learnerdsl.expr import (
    And,
    AxisSize,
    Comparison,
    Draw,
    Filled,
    Identity,
    IsFinite,
    MatMul,
    MatrixDraw,
    MatrixFunction,
    MatrixLeaf,
    MatrixState,
    NarrowDraw,
    Not,
    Or,
    Power,
    Reduction,
    Side,
    Sides,
    StateSymbol,
    Transpose,
    Tril,
    seed,
    step,
    tensor_number,
    tensor_size,
)
from learnerdsl.monoids import SUM
from learnerdsl.passes.lower import over_one_divisor

_SIMPLE = re.compile(r"-?[\w.]+")
_EXACT = (sympy.floor, sympy.ceiling, sympy.Mod, Comparison)


class ArrayPrinter(NamespacePrinter):
    """A printer of expressions of arrays whose last axes broadcast.

    A value with fewer axes than the parameter keeps the others with length 1.

    Args:
        names: symbol -> its name in the text.
        body: the statements that the expressions belong to.
        from_last: whether axes are counted from the last, as matrices are; else a reduction over
            all axes but the first says so.

    Attributes:
        used: names of the functions that the text calls and the file has to define.
    """

    functions: ClassVar[Mapping[str, str]] = {}
    axis_word: ClassVar[str] = "axis"
    keep_word: ClassVar[str] = "keepdims"
    double: ClassVar[str]
    """The dtype of scalars."""
    wide: ClassVar[str]
    """Arguments of a sum over a tensor that make it exact."""

    def __init__(self, names: Mapping[Any, str], body: Body, from_last: bool) -> None:
        super().__init__(names, frozenset(), "float64")
        self.body = body
        self.from_last = from_last
        self.used: set[str] = set()

    @property
    def parameter(self) -> str:
        """Return the name of the parameter."""
        return self.names[self.body.rule.parameter]

    def rank(self, factor: sympy.Basic) -> tuple[int, bool]:
        """Return a sort key of a factor: numbers, scalars, the rest; symbols first in each."""
        group = 0 if factor.is_number else 1 if self.body.is_scalar(factor) else 2
        return group, not factor.is_Symbol

    def text(self, expr: Any) -> tuple[str, int]:
        """Return (text, how tightly it binds)."""
        if isinstance(expr, AxisSize):
            return self.length(expr.axis), ATOM
        if isinstance(expr, Power):
            return self.power(expr)
        if isinstance(expr, MatMul):
            return " @ ".join(self.tight(a, POWER) for a in expr.args), PRODUCT
        if isinstance(expr, sympy.NumberSymbol):
            return self.constant(expr), ATOM
        if isinstance(expr, _EXACT):
            arguments = tuple(over_one_divisor(a) for a in expr.args)
            if arguments != expr.args:
                return super().text(type(expr)(*arguments, **_as_written(expr)))
        if isinstance(expr, sympy.Mul) and self.is_share_of_sizes(expr):
            return self.share_of_sizes(expr)
        return super().text(expr)

    def constant(self, expr: Any) -> str:
        """Return a constant with a name."""
        name = {sympy.pi: "pi", sympy.E: "e"}.get(expr)
        return f"{self.xp}.{name}" if name else repr(float(expr))

    def number(self, value: float) -> str:
        """Return a constant; whole numbers have no point."""
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return str(int(value)) if value == int(value) and abs(value) < 1e6 else repr(value)

    def length(self, axis: int) -> str:
        """Return the length of an axis."""
        return f"{self.parameter}.shape[{self.axis(axis)}]"

    def axis(self, axis: int) -> int:
        """Return the number of an axis, as it is written."""
        ndim = self.body.rule.ndim
        if ndim is None:
            return axis
        positive = axis % ndim
        return positive - ndim if self.from_last else positive

    def is_share_of_sizes(self, expr: sympy.Mul) -> bool:
        """Return whether a product has the lengths of all axes but the first as divisors."""
        return not self.from_last and len(self._divisors(expr)) > 0

    def _divisors(self, expr: sympy.Mul) -> list[Any]:
        ndim = self.body.rule.ndim or 0
        arguments: tuple[Any, ...] = expr.args
        found = [a for a in arguments if a.is_Pow and isinstance(a.base, AxisSize) and a.exp == -1]
        axes = {a.base.axis % ndim for a in found} if ndim else set()
        return found if axes == set(range(1, ndim)) and ndim > 1 else []

    def share_of_sizes(self, expr: sympy.Mul) -> tuple[str, int]:
        """Return a product divided by the number of elements for each index of the first axis."""
        divisors = self._divisors(expr)
        others = sympy.Mul(*(a for a in expr.args if a not in divisors), evaluate=False)
        size = f"({self.names[tensor_size]} / {self.parameter}.shape[0])"
        return f"{self.tight(others, POWER)} / {size}", PRODUCT

    def power(self, expr: Any) -> tuple[str, int]:
        """Return a power: as a division, a root, or `**`."""
        if is_reciprocal(expr):
            return f"1 / {self.tight(turned(expr), POWER)}", PRODUCT
        if expr.exp == sympy.S.Half:
            return self.function("sqrt", [expr.base]), ATOM
        base, exponent = self.tight(expr.base, ATOM), self.tight(expr.exp, ATOM)
        if expr.exp.is_Rational and not expr.exp.is_Integer:
            exponent = repr(float(expr.exp))
        is_simple = _SIMPLE.fullmatch(base) and _SIMPLE.fullmatch(exponent)
        return f"{base}**{exponent}" if is_simple else f"{base} ** {exponent}", POWER

    def call(self, expr: Any) -> str:
        """Return the text of a function call or a choice."""
        if isinstance(expr, Reduction):
            return self.reduction(expr)
        if isinstance(expr, (MatrixFunction, MatrixLeaf)):
            return self.matrix(expr)
        if isinstance(expr, (Draw, NarrowDraw)):
            return self.draw(expr) if isinstance(expr, Draw) else self.narrow_draw(expr)
        if expr.func in BY_NODE:
            return self.function(BY_NODE[expr.func].name, list(expr.args))
        return super().call(expr)

    def function(self, name: str, arguments: list[Any]) -> str:
        """Return a call of an elementary function."""
        if name == "abs":
            return f"abs({self(arguments[0])})"
        template = self.functions.get(name, f"{self.xp}.{name}({{}})")
        if "-{}" in template:
            return template.format(self.tight(arguments[0], ATOM))
        return template.format(", ".join(map(self, arguments)))

    def is_choice_of_python(self, condition: Any) -> bool:
        """Return whether a condition is one for the whole tensor, so that Python may choose."""
        return self.body.is_scalar(condition)

    def condition(self, expr: Any) -> str:
        """Return a condition; those of elements are joined by `&`, `|` and `~`."""
        if isinstance(expr, IsFinite):
            return self.function("isfinite", [expr.args[0]])
        if self.is_choice_of_python(expr) and isinstance(expr, (And, Or)):
            word = " and " if isinstance(expr, And) else " or "
            return word.join(self.part_of(a) for a in expr.args)
        if self.is_choice_of_python(expr):
            return super().condition(expr)
        if isinstance(expr, (And, Or)):
            sign = " & " if isinstance(expr, And) else " | "
            return sign.join(self.operand(argument) for argument in expr.args)
        if isinstance(expr, Not):
            return f"~{self.operand(expr.args[0])}"
        return super().condition(expr)

    def part_of(self, expr: Any) -> str:
        """Return a condition as an operand of `and` or `or`."""
        return f"({self(expr)})" if isinstance(expr, (And, Or)) else self(expr)

    def operand(self, expr: Any) -> str:
        """Return a condition as an operand of `&`, `|` or `~`."""
        text = self(expr)
        return text if text.endswith(")") and isinstance(expr, IsFinite) else f"({text})"

    def reduction(self, expr: Reduction) -> str:
        """Return a reduction over axes or a tensor, or what a tensor contributes to the model's."""
        if expr.of == "tensors":
            return self.counted(expr, self.names[tensor_size])
        argument, name = expr.argument, expr.monoid.name
        axes = self.body.axes_of(argument)
        if not axes and expr.monoid is SUM and not expr.axes:
            return f"({self.names[tensor_size]} * {self.tight(argument, POWER)})"
        text = self.filled(expr, argument, axes)
        if not expr.axes:
            return self.over_tensor(name, text)
        return self.over_axes(name, text, self.reduced_axes(expr.axes))

    def counted(self, expr: Reduction, size: str) -> str:
        """Return what a tensor contributes to a reduction of tensors: nothing if it is empty."""
        return f"({self(expr.argument)} if {size} else {self.number(expr.monoid.identity)})"

    def filled(self, expr: Reduction, argument: Any, axes: Axes) -> str:
        """Return the argument of a reduction, with a value for each element if it has fewer."""
        ndim = self.body.rule.ndim or 0
        needed = {axis % ndim for axis in expr.axes} if ndim and expr.axes else self.body.element
        is_full = "all" in axes or len(axes) == ndim
        if is_full or (expr.axes and needed <= axes):
            return self.squared(argument)
        return f"{self.xp}.broadcast_to({self(argument)}, {self.parameter}.shape)"

    def squared(self, argument: Any) -> str:
        """Return the argument of a reduction; squares are computed by a function."""
        if isinstance(argument, (sympy.Pow, Power)) and argument.exp == 2:
            return f"{self.xp}.square({self(argument.base)})"
        return self(argument)

    def over_tensor(self, name: str, text: str) -> str:
        """Return a reduction over all elements."""
        wide = f", {self.wide}" if name in ("sum", "prod") and self.wide else ""
        return f"{self.xp}.{name}({text}{wide})"

    def over_axes(self, name: str, text: str, axes: str) -> str:
        """Return a reduction over axes, which keep the length 1."""
        return f"{self.xp}.{name}({text}, {self.axis_word}={axes}, {self.keep_word}=True)"

    def reduced_axes(self, axes: tuple[int, ...]) -> str:
        """Return the axes of a reduction."""
        ndim = self.body.rule.ndim
        positive = sorted(axis % ndim for axis in axes) if ndim else list(axes)
        if ndim and not self.from_last and positive == list(range(1, ndim)) and ndim > 1:
            return f"tuple(range(1, {self.parameter}.ndim))"
        written = [self.axis(axis) for axis in positive]
        return str(written[0]) if len(written) == 1 else f"({', '.join(map(str, written))})"

    def matrix(self, expr: Any) -> str:
        """Return a function of matrices."""
        if isinstance(expr, Identity):
            return self.identity(expr.side)
        if isinstance(expr, MatrixDraw):
            return self.drawn_matrix(expr)
        if isinstance(expr, Transpose):
            return f"{self.tight(expr.args[0], ATOM)}.mT"
        if isinstance(expr, Filled):
            return self.filled_matrix(self(expr.args[0]), self.shape_of(expr.sides()))
        if isinstance(expr, Tril):
            return f"{self.xp}.{expr.name}({self(expr.args[0])})"
        self.used.add(expr.name)
        literals = (text.replace("'", '"') for text in expr.literals)
        return f"{expr.name}({', '.join((*map(self, expr.operands), *literals))})"

    def drawn_matrix(self, expr: MatrixDraw) -> str:
        """Return a random matrix."""
        self.used |= {expr.distribution, "empty"}
        lengths = ", ".join(map(self.length_of, expr.sides))
        places = ", ".join(map(self, expr.places))
        return f"{expr.distribution}(empty({self.parameter}, {lengths}), {expr.stream}, {places})"

    def identity(self, side: Side) -> str:
        """Return an identity matrix of the length of a side."""
        return f"{self.xp}.eye({self.length_of(side)}, dtype={self.parameter}.dtype)"

    def filled_matrix(self, value: str, shape: str) -> str:
        """Return a matrix of the parameter's dtype, filled with a value."""
        array = f"{self.xp}.asarray({value}, {self.parameter}.dtype)"
        return f"{self.xp}.broadcast_to({array}, {shape})"

    def shape_of(self, own: Sides) -> str:
        """Return the shape of matrices."""
        return f"(*{self.parameter}.shape[:-2], {', '.join(map(self.length_of, own))})"

    def length_of(self, side: Side) -> str:
        """Return the length of a side of a matrix."""
        if not isinstance(side, str):
            return str(side)
        return f"{self.parameter}.shape[{-2 if side == 'rows' else -1}]"

    def draw(self, expr: Draw) -> str:
        """Return random numbers with the parameter's shape."""
        self.used.add(expr.distribution)
        places = (seed, step, tensor_number)
        arguments = ", ".join(self.names[symbol] for symbol in places)
        return f"{expr.distribution}({self.parameter}, {expr.stream}, {arguments})"

    def narrow_draw(self, expr: NarrowDraw) -> str:
        """Return a random number for the model or a tensor, or those for the indices of axes."""
        self.used.add(expr.distribution)
        like = f"{self.xp}.empty((), dtype={self.double})"
        if expr.axes:
            self.used.add("along")
            like = f"along({', '.join([self.parameter, *map(str, map(self.axis, expr.axes))])})"
        *places, number = expr.places
        of = str(number) if number.is_Integer else self(number)
        return f"{expr.distribution}({like}, {expr.stream}, {', '.join(map(self, places))}, {of})"

    def state_shape(self, symbol: StateSymbol) -> str:
        """Return the shape of a state's array; axes that it does not range over have length 1."""
        p, ndim = self.parameter, self.body.rule.ndim or 0
        if isinstance(symbol, MatrixState):
            return self.shape_of(symbol.shape)
        axes = tuple(symbol.shape)
        if axes == (0,) and not self.from_last:
            return f"({p}.shape[0],) + (1,) * ({p}.ndim - 1)"
        if self.from_last and axes == tuple(range(ndim - 1)):
            return f"(*{p}.shape[:-1], 1)"
        if self.from_last and axes == (*range(ndim - 2), ndim - 1):
            return f"(*{p}.shape[:-2], 1, {p}.shape[-1])"
        sizes = [f"{p}.shape[{k}]" if k in axes else "1" for k in range(ndim)]
        return f"({', '.join(sizes)}{',' * (ndim == 1)})"

    def needs_array(self, symbol: StateSymbol) -> bool:
        """Return whether a state is an array, not a number."""
        return symbol.shape not in ("tensor", "model")


def _as_written(expr: Any) -> dict[str, bool]:
    """Return the argument with which SymPy does not evaluate a node."""
    return {"evaluate": False} if type(expr).__module__.startswith("sympy.") else {}
