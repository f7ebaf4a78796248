"""Printers of expressions of whole matrices, in the arithmetic's dtype and with narrow products."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.codegen.namespace_printer import NamespacePrinter
from learnerdsl.codegen.printer import ATOM, PRODUCT
from learnerdsl.codegen.text import Text
from learnerdsl.elementary import BY_NODE, Function
from learnerdsl.expr import (
    And,
    Filled,
    Identity,
    MatMul,
    MatrixDraw,
    MatrixFunction,
    MatrixLeaf,
    Not,
    Or,
    Side,
    Sides,
    Transpose,
    Tril,
    has,
    scaled_product,
)
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank


def symmetric_values(kernel: Kernel) -> dict[sympy.Basic, sympy.Basic]:
    """Return the symbols of matrices that are symmetric, whatever the input is, with their roots.

    The root of a symmetric matrix is one of which it is a polynomial, or itself.
    """
    found: dict[sympy.Basic, sympy.Basic] = {}
    for compute in _of_matrices(kernel):
        root = _root(compute.expression, found, kernel)
        if root is not None:
            found[compute.symbol] = compute.symbol if root == compute.expression else root
    return found


def _of_matrices(kernel: Kernel) -> list[Compute]:
    return [c for block in kernel.blocks if block.domain == Domain.MATRIX for c in block.computes]


_ONE = sympy.S.One
"""The root of the identity matrix, which is a polynomial of every matrix."""


def _root(expr: Any, known: Mapping[Any, Any], kernel: Kernel) -> Any:
    """Return the root of a symmetric matrix; None if it is not symmetric.

    Args:
        expr: the matrix.
        known: symbols of symmetric matrices -> their roots.
        kernel: where the symbols are from.
    """
    if expr in known:
        return known[expr]
    if isinstance(expr, Identity):
        return _ONE
    if isinstance(expr, MatMul):
        first, second = expr.args
        if first == Transpose(second) or second == Transpose(first):
            return expr
        return _common([_root(a, known, kernel) for a in expr.args])
    if not isinstance(expr, (sympy.Add, sympy.Mul)):
        return None
    narrow = {s for s in expr.free_symbols if kernel.domains[s].rank < Rank.VECTOR}
    wide = [a for a in expr.args if not a.free_symbols <= narrow or a.has(Identity)]
    roots = [_root(argument, known, kernel) for argument in wide]
    if not roots or None in roots:
        return None
    # Products of elements are no polynomials, nor is a sum with a number, added to all elements.
    is_sum = isinstance(expr, sympy.Add)
    is_polynomial = len(wide) == len(expr.args) if is_sum else len(wide) == 1
    return (is_polynomial and _common(roots)) or expr


def _common(roots: Sequence[Any]) -> Any:
    """Return the root that matrices have in common, so that they commute; None if they have not."""
    own = set(roots) - {_ONE}
    if len(own) > 1 or None in own:
        return None
    return own.pop() if own else _ONE


class MatrixPrinter(NamespacePrinter):
    """A printer of expressions of arrays; it prints choices by scalars as Python's `if`.

    Attributes:
        symmetric: the symbols of symmetric matrices, with their roots.
        wide: symbols whose values are used in the arithmetic's dtype, as far as that is known.
    """

    def __init__(self, text: Text, xp: str) -> None:
        super().__init__(text.names.values, text.scalar_names, "float64")
        self.xp = xp
        self.kernel = text.kernel
        self.symmetric = symmetric_values(text.kernel)
        self.wide: set[sympy.Basic] = set()

    def loaded(self, symbol: sympy.Symbol, value: str) -> str:
        """Return the text of a matrix as it is taken from memory; `value` is that of its place."""
        del symbol
        return value

    def call(self, expr: Any) -> str:
        """Return a call of a function of matrices or of the namespace."""
        if isinstance(expr, (MatrixFunction, MatrixLeaf)):
            return self.matrix(expr)
        if expr.func in BY_NODE:
            return f"{self.function(BY_NODE[expr.func])}({', '.join(map(self, expr.args))})"
        return super().call(expr)

    def function(self, row: Function) -> str:
        """Return the name of a function: the namespace's, or ours if NumPy lacks it."""
        if isinstance(row.numpy, str):
            return f"{self.xp}.{row.numpy}"
        return f"array_{row.name}" if self.xp == "np" else f"{self.xp}.{row.name}"

    def matrix(self, expr: Any) -> str:
        """Return a call of a function of matrices."""
        if isinstance(expr, Identity):
            return f"{self.xp}.eye({self.length(expr.side)}, dtype={self.like}.dtype)"
        if isinstance(expr, MatrixDraw):
            return self.drawn(expr)
        arguments = [self(argument) for argument in expr.operands]
        if isinstance(expr, Filled):
            return f"({self.zeros(expr.sides())} + {self.tight(expr.args[0], PRODUCT)})"
        if isinstance(expr, MatMul):
            first, second = expr.args
            if self.xp == "np" and first == second and first in self.symmetric:
                # Of a product with the own transpose, BLAS computes only a half.
                arguments[1] = f"np.swapaxes({arguments[1]}, -1, -2)"
            return f"{self.xp}.matmul({', '.join(arguments)})"
        if isinstance(expr, Transpose):
            return f"{self.xp}.swapaxes({arguments[0]}, -1, -2)"
        prefix = f"{self.xp}." if isinstance(expr, Tril) else self.prefix
        return f"{prefix}{expr.name}({', '.join((*arguments, *expr.literals))})"

    def drawn(self, expr: MatrixDraw) -> str:
        """Return a call that draws a random matrix."""
        places = ", ".join(map(self, expr.places))
        kind = f"{expr.distribution!r}, {expr.stream}, {places}"
        return f"{self.prefix}drawn({self.shape(expr.sides)}, {self.like}.dtype, {kind})"

    @property
    def prefix(self) -> str:
        """What stands before the name of a function that NumPy lacks."""
        return "" if self.xp == "np" else f"{self.xp}."

    @property
    def like(self) -> str:
        """The text of the parameter, whose shape and dtype other matrices follow."""
        return f"matrices[{str(self.kernel.parameter)!r}]"

    def length(self, side: Side) -> str:
        """Return the text of the length of a side."""
        if not isinstance(side, str):
            return str(side)
        return f"{self.like}.shape[{-2 if side == 'rows' else -1}]"

    def zeros(self, own: Sides) -> str:
        """Return the text of matrices of zeros."""
        return f"{self.xp}.zeros({self.shape(own)}, dtype={self.like}.dtype)"

    def shape(self, own: Sides) -> str:
        """Return the text of the shape of matrices."""
        return f"(*{self.like}.shape[:-2], {', '.join(map(self.length, own))})"

    def root(self, base: sympy.Expr, exponent: Any) -> tuple[str, int]:
        """Return a square root as a call, other roots as powers."""
        if exponent == sympy.Rational(1, 2):
            return f"{self.xp}.sqrt({self(base)})", ATOM
        return f"({self(base)}) ** {float(exponent)!r}", ATOM

    def is_choice_of_python(self, condition: Any) -> bool:
        """Return whether a condition is one for the whole matrix."""
        if has(condition, MatrixLeaf):
            return False
        return all(self.kernel.domains[s].rank < Rank.ELEMENT for s in condition.free_symbols)

    def condition(self, expr: sympy.Basic) -> str:
        """Return a condition; those of elements are joined by `&`, `|` and `~`."""
        wide = not self.is_choice_of_python(expr)
        if wide and isinstance(expr, (And, Or)):
            sign = " & " if isinstance(expr, And) else " | "
            return sign.join(f"({self(a)})" for a in expr.args)
        if wide and isinstance(expr, Not):
            return f"~({self(expr.args[0])})"
        return super().condition(expr)


def with_sums(kernel: Kernel, block: Block) -> list[Compute]:
    """Return the statements of a block, with products inside the only sum that uses them.

    So a sum alpha*A*B + beta*C is in one statement; see `scaled_product`.
    """
    items = [item for own in kernel.blocks for item in (*own.computes, *own.reduces)]
    uses = Counter(symbol for item in items for symbol in item.expression.free_symbols)
    uses.update(store.value for own in kernel.blocks for store in own.stores)
    products = {
        c.symbol: c.expression
        for c in block.computes
        if isinstance(c.expression, MatMul) and uses[c.symbol] == 1
    }
    found: list[Compute] = []
    for compute in block.computes:
        inside, whole = _with_product(compute.expression, products)
        found = [other for other in found if other.symbol != inside]
        found.append(replace(compute, expression=whole))
    return found


def _with_product(expression: Any, products: Mapping[Any, Any]) -> tuple[Any, Any]:
    """Return (symbol, sum with its product in its place) if that is a `scaled_product`.

    If it is none, return (None, expression).
    """
    for term in expression.args if isinstance(expression, sympy.Add) else ():
        for symbol in term.free_symbols & set(products):
            others: list[Any] = [other for other in expression.args if other is not term]
            own: Any = term.xreplace({symbol: products[symbol]})
            whole = sympy.Add(own, *others, evaluate=False)
            if scaled_product(whole):
                return symbol, whole
    return None, expression


class ProductPrinter(MatrixPrinter):
    """A printer of products of narrow matrices, which `xp` rounds.

    The result of a product is narrow, and stays so where other products use it; all other
    arithmetic is that of wide matrices.

    Attributes:
        narrow: the symbols whose values are narrow.
    """

    def __init__(self, text: Text, xp: str) -> None:
        super().__init__(text, xp)
        self.narrow: set[sympy.Basic] = set()
        blocks = [block for block in text.kernel.blocks if block.domain == Domain.MATRIX]
        for compute in (c for block in blocks for c in with_sums(text.kernel, block)):
            if self.narrow_text(compute.expression):
                self.narrow.add(compute.symbol)
        self.wide.clear()

    def loaded(self, symbol: sympy.Symbol, value: str) -> str:
        """Return the text of a matrix as it is taken from memory, rounded once if it may be."""
        is_operand = symbol not in self.narrow | self.wide
        return f"{self.xp}.narrow({value})" if is_operand else value

    def statement(self, expression: Any) -> str:
        """Return the text of the value of a statement."""
        return self.narrow_text(expression) or self(expression)

    def text(self, expr: Any) -> tuple[str, int]:
        """Return the text of a wide matrix or a scalar; see `Printer.text`."""
        narrow = self.narrow_text(expr)
        if narrow:
            return f"{self.xp}.wide({narrow})", ATOM
        if expr.is_Symbol:
            self.wide.add(expr)
        return super().text(expr)

    def narrow_text(self, expr: Any) -> str:
        """Return the text of a matrix that is narrow by itself, or an empty string."""
        if expr in self.narrow:
            return self.names[expr]
        if isinstance(expr, Transpose) and self.narrow_text(expr.args[0]):
            return f"{self.xp}.swapaxes({self.narrow_text(expr.args[0])}, -1, -2)"
        if isinstance(expr, MatMul):
            return self.multiplied(expr)
        terms = scaled_product(expr)
        if terms is None:
            return ""
        alpha, product, beta, own = terms
        scaled = f", {alpha!r}, {self.operand(own)}, {beta!r}"
        return self.multiplied(product, scaled, self.is_symmetric(own))

    def is_symmetric(self, expr: Any) -> bool:
        """Return whether a matrix is symmetric, whatever the input is."""
        return _root(expr, self.symmetric, self.kernel) is not None

    def multiplied(self, expr: MatMul, scaled: str = "", may_be_symmetric: bool = True) -> str:
        """Return a call that multiplies two matrices, and adds one of them if asked to."""
        operands = ", ".join(map(self.operand, expr.args))
        is_symmetric = may_be_symmetric and self.is_symmetric(expr)
        keyword = ", is_symmetric=True" if is_symmetric else ""
        return f"{self.xp}.product({operands}{scaled}{keyword})"

    def operand(self, expr: Any) -> str:
        """Return the text of an operand of a product, which rounds it if it is wide."""
        if expr.is_Symbol:
            return self.names[expr]
        if isinstance(expr, Transpose):
            return f"{self.xp}.swapaxes({self.operand(expr.args[0])}, -1, -2)"
        return self.narrow_text(expr) or self(expr)
