"""Products and functions of matrices, over the last two axes; they broadcast over the others.

The parameter, and every value with its shape, is a matrix (..., rows, cols). Its product with its
transpose is (..., rows, rows), and with a state of shape ("cols", 4) it is (..., rows, 4). A
matrix of any sides may be a state. Elementwise operations combine matrices of the same sides, and
sides of length 1 broadcast.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sympy
from sympy.core.symbol import Str
from sympy.printing.pretty.stringpict import prettyForm

from learnerdsl.errors import RuleError
from learnerdsl.expr.draws import PlacedDraw
from learnerdsl.expr.functions import expression
from learnerdsl.expr.graph import nodes
from learnerdsl.expr.sides import (
    PARAMETER_SIDES,
    NoMatrix,
    Sides,
    broadcast,
    known_sides,
    side_named,
)
from learnerdsl.expr.symbols import (
    GradientSymbol,
    MatrixExtra,
    MatrixState,
    ParameterSymbol,
    Position,
)
from learnerdsl.expr.textual import called


class Misfit(ValueError):
    """The matrices of a function do not fit; the text says so, after the name of the rule."""


class MatrixFunction(sympy.Expr):
    """A matrix computed from whole matrices, not element by element.

    The default is a function of one square matrix, which has a result of the same sides.
    """

    is_commutative = True  # `*` multiplies element by element
    is_real = True
    name: ClassVar[str]
    text: ClassVar[str]
    """Its LaTeX text, with places for `operands` and then for `literals`."""
    needs_no_brackets: ClassVar[tuple[type, ...]] = ()
    is_decomposition: ClassVar[bool] = True
    """Whether a library factorizes a matrix for it, which takes long and makes a host wait."""

    @property
    def matrices(self) -> tuple[Any, ...]:
        """The arguments that are matrices."""
        return self.args[:1]

    @property
    def operands(self) -> tuple[Any, ...]:
        """The arguments that are values."""
        return tuple(a for a in self.args if isinstance(a, sympy.Expr))

    @property
    def literals(self) -> tuple[str, ...]:
        """The other arguments, as they are written in Python."""
        return ()

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of the result.

        Args:
            own: the sides of `matrices`.

        Raises:
            Misfit: the matrices do not fit.
        """
        first, second = own[0]
        if first != second:
            msg = f"takes {self} of {first} by {second}; it must be square."
            raise Misfit(msg)
        return own[0]

    def __new__(cls, *arguments: Any) -> "MatrixFunction":
        """Build the node from expressions."""
        return sympy.Expr.__new__(cls, *(expression(a) for a in arguments))

    def _latex(self, printer: Any) -> str:
        return self.text.format(*(self._operand(printer, a) for a in self.operands), *self.literals)

    def is_bare(self, argument: Any) -> bool:
        """Return whether an argument needs no brackets in LaTeX."""
        return argument.is_Atom or isinstance(argument, self.needs_no_brackets)

    def _operand(self, printer: Any, argument: Any) -> str:
        """Return the LaTeX text of an argument, in parentheses if it needs them."""
        text = printer.doprint(argument)
        return text if self.is_bare(argument) else rf"\left({text}\right)"

    def _pretty(self, printer: Any) -> Any:
        return called(printer, self.name, self.operands)

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer.doprint(a) for a in self.args)})"


class MatMul(MatrixFunction):
    """A matrix product."""

    name = "matmul"
    text = r"{0} \, {1}"
    needs_no_brackets = (MatrixFunction,)
    is_decomposition = False

    @property
    def matrices(self) -> tuple[Any, ...]:
        """Both arguments."""
        return self.args

    def sides(self, *own: Sides) -> Sides:
        """Return the rows of the first by the columns of the second."""
        if own[0][1] != own[1][0]:
            first, second = (f"{a} by {b}" for a, b in own)
            msg = f"multiplies {first} with {second} in {self}; transpose one of them."
            raise Misfit(msg)
        return Sides((own[0][0], own[1][1]))


class Transpose(MatrixFunction):
    """A matrix with rows and columns swapped."""

    name = "transpose"
    text = r"{0}^\top"
    is_decomposition = False

    def sides(self, *own: Sides) -> Sides:
        """Return the sides in the other order."""
        return Sides(own[0][::-1])


class MatrixReduction(MatrixFunction):
    """A reduction of matrices that do not have the parameter's shape.

    The result keeps the reduced axes with length 1, and so it is a matrix again.
    """

    name = "reduced"
    is_decomposition = False

    def __new__(cls, argument: Any, kind: Any, over: Any) -> "MatrixReduction":
        """Build the node.

        Args:
            argument: a matrix.
            kind: "sum", "mean", "norm", "max", "min" or "prod".
            over: "axes -1", "axes -2", "axes -2 -1" or "tensor".
        """
        return sympy.Expr.__new__(cls, expression(argument), Str(str(kind)), Str(str(over)))

    @property
    def operation(self) -> str:
        """What is computed: "sum", "mean", "norm", "max", "min" or "prod"."""
        return str(self.args[1])

    @property
    def axes(self) -> tuple[int, ...] | None:
        """The reduced axes; None if these are all axes of a stack of matrices."""
        return tuple(int(number) for number in str(self.args[2]).split()[1:]) or None

    @property
    def literals(self) -> tuple[str, ...]:
        """The kind and the axes."""
        return repr(self.operation), repr(self.axes)

    def sides(self, *own: Sides) -> Sides:
        """Return the sides that are not reduced, and 1 for the others."""
        gone = self.axes or (-2, -1)
        return Sides(1 if axis in gone else own[0][axis] for axis in (-2, -1))

    @property
    def _range(self) -> str:
        return "over='tensor'" if self.axes is None else f"axis={', '.join(map(str, self.axes))}"

    @property
    def symbol(self) -> str:
        """What stands before the argument in LaTeX."""
        where = "tensor" if self.axes is None else rf"axis\,{', '.join(map(str, self.axes))}"
        return rf"\mathrm{{{self.operation}}}_{{\mathrm{{{where}}}}}"

    def _latex(self, printer: Any) -> str:
        return rf"{self.symbol}\,{self._operand(printer, self.args[0])}"

    def _pretty(self, printer: Any) -> Any:
        return called(printer, self.operation, (self.args[0], prettyForm(self._range)))

    def _sympystr(self, printer: Any) -> str:
        return f"{self.operation}({printer.doprint(self.args[0])}, {self._range})"


class Filled(MatrixFunction):
    """A matrix of given sides whose entries are those of a number, a row or a column."""

    name = "filled"
    text = "{0}"
    is_decomposition = False

    def __new__(cls, value: Any, first: Any, second: Any) -> "Filled":
        """Build the node from a value and two sides."""
        return sympy.Expr.__new__(cls, expression(value), Str(str(first)), Str(str(second)))

    @property
    def matrices(self) -> tuple[Any, ...]:
        """None: the value may be a number."""
        return ()

    def sides(self, *own: Sides) -> Sides:
        """Return the given sides."""
        del own
        return Sides(side_named(str(name)) for name in self.args[1:])

    def _latex(self, printer: Any) -> str:
        return printer.doprint(self.args[0])

    def _pretty(self, printer: Any) -> Any:
        return printer._print(self.args[0])

    def _sympystr(self, printer: Any) -> str:
        return printer.doprint(self.args[0])


class MatrixLeaf(sympy.Expr):
    """A matrix that is not computed from others."""

    is_commutative = True
    is_real = True

    @property
    def sides(self) -> Sides:
        """What gives its rows and columns."""
        raise NotImplementedError


class Identity(MatrixLeaf):
    """The identity matrix: (rows, rows), (cols, cols), or of a number of rows."""

    def __new__(cls, kind: Any) -> "Identity":
        """Build the node; `kind` is "rows", "cols" or a positive whole number."""
        number = str(kind)
        is_number = not isinstance(kind, bool) and number.isdecimal() and int(number) > 0
        if number not in PARAMETER_SIDES and not is_number:
            msg = (
                f"identity({kind!r}) is not defined; write identity('rows'), identity('cols') or a "
                "whole number above 0."
            )
            raise RuleError(msg)
        return sympy.Expr.__new__(cls, Str(number))

    @property
    def side(self) -> str | int:
        """What gives its size: "rows", "cols" or a number."""
        return side_named(str(self.args[0]))

    @property
    def sides(self) -> Sides:
        """Its side twice."""
        return Sides((self.side, self.side))

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"I_{{\mathrm{{{self.side}}}}}"

    def _pretty(self, printer: Any) -> Any:
        return called(printer, "identity", (prettyForm(str(self.side)),))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"identity({self.side!r})"


class MatrixDraw(PlacedDraw, MatrixLeaf):
    """A random matrix: a function of seed, step, tensor, entry and the number of the draw."""

    def __new__(cls, *arguments: Any) -> "MatrixDraw":
        """Build the node.

        Args:
            arguments: "normal" or "uniform", the number of the draw in its rule, the symbols of
                seed, step and tensor number, and two sides.
        """
        kind, stream, *places, first, second = arguments
        texts = [Str(str(name)) for name in (kind, first, second)]
        values = [expression(value) for value in (stream, *places)]
        return sympy.Expr.__new__(cls, texts[0], *values, *texts[1:])

    @property
    def sides(self) -> Sides:
        """What gives its rows and columns."""
        return Sides(side_named(str(name)) for name in self.args[5:])

    def _latex(self, printer: Any) -> str:
        del printer
        first, second = (rf"\mathrm{{{side}}}" for side in self.sides)
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}^{{{first} \times {second}}}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Symbol(str(self)))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}(shape={self.sides!r})"


def sides_of(value: Any) -> Sides | None:
    """Return the sides of a value of the rule that is being traced; None if it is no matrix.

    Of matrices that do not fit, the result is None as well: the compiler says what is wrong.
    """
    root = expression(value)
    named = known_sides.get() or {}
    found: dict[Any, Sides | None] = {}
    for node in nodes([root]):
        found[node] = sides_of_node(node, found, named)
    return found[root]


def sides_of_node(node: Any, found: Mapping[Any, Any], named: Mapping[Any, Sides]) -> Sides | None:
    """Return the sides of a node; `found` has those of its arguments, `named` those of lets."""
    if isinstance(node, sympy.Symbol):
        is_array = isinstance(node, _ARRAYS) or getattr(node, "shape", "") == "element"
        own = node.shape if isinstance(node, (MatrixExtra, MatrixState)) else None
        return own or named.get(node) or (PARAMETER_SIDES if is_array else None)
    if isinstance(node, MatrixLeaf):
        return node.sides
    if isinstance(node, MatrixFunction):
        own = [found[a] for a in node.matrices]
        try:
            return None if None in own else node.sides(*own)
        except Misfit:
            return None
    if isinstance(node, NoMatrix):
        return None
    return joined_sides([found[argument] for argument in node.args])


def joined_sides(given: Sequence[Sides | None]) -> Sides | None:
    """Return the sides of values combined element by element; None if none is a matrix."""
    own = [one for one in given if one is not None]
    joined: Sides | None = own[0] if own else None
    for other in own[1:]:
        joined = None if joined is None else broadcast(joined, other)
    return joined


_ARRAYS = (ParameterSymbol, GradientSymbol, Position)


def sides_of_own(value: Any) -> Sides | None:
    """Return the sides of a matrix that does not have the parameter's shape, else None."""
    found = sides_of(value)
    return None if found == PARAMETER_SIDES else found


def scaled_product(expr: Any) -> tuple[float, MatMul, float, Any] | None:
    """Return (alpha, AB, beta, C) of a sum alpha*A*B + beta*C with numbers alpha and beta.

    C is A or B. Of anything else, return None. With `products="bfloat16"` such a sum is rounded
    once, as C is an operand, which has been rounded already.
    """
    if not isinstance(expr, sympy.Add) or len(expr.args) != 2:
        return None
    terms = [_scaled(term) for term in expr.args]
    for (alpha, product), (beta, own) in (terms, terms[::-1]):
        if isinstance(product, MatMul) and own in product.args:
            return alpha, product, beta, own
    return None


def _scaled(term: Any) -> tuple[float, Any]:
    """Return a term as a number times the rest, which is None if it has several factors."""
    factors = sympy.Mul.make_args(term)
    others = [factor for factor in factors if not factor.is_number]
    number = math.prod(float(factor) for factor in factors if factor.is_number)
    return number, others[0] if len(others) == 1 else None


def matmul(a: Any, b: Any) -> sympy.Expr:
    """Return the matrix product of `a` (..., n, k) and `b` (..., k, m), in the parameter's dtype.

    Operands are written to memory and multiplied by BLAS, so a product separates sweeps over
    memory. NaN spreads as in numpy.matmul.

    Raises:
        RuleError: when the rule is traced for a tensor, if an operand is not a matrix or the
            shapes do not match.

    >>> from learnerdsl.expr import matmul, transpose
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> matmul(x, transpose(x))
    matmul(x, transpose(x))
    """
    return MatMul(a, b)


def transpose(a: Any) -> sympy.Expr:
    """Return the matrix `a` (..., n, m) with rows and columns swapped: (..., m, n)."""
    value = expression(a)
    return value.args[0] if isinstance(value, Transpose) else Transpose(value)  # type: ignore[return-value]


def identity(kind: str | int) -> sympy.Expr:
    """Return the identity matrix, in the parameter's dtype.

    Args:
        kind: "rows" for (rows, rows), "cols" for (cols, cols), where rows and cols are the lengths
            of the parameter's last two axes; or a positive whole number.

    Raises:
        RuleError: `kind` is something else.
    """
    return Identity(kind)
