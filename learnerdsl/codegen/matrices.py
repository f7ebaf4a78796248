"""Printing of functions of whole matrices, as calls of NumPy or of a namespace like it."""

from typing import Any

import sympy

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.codegen.printer import ATOM, Printer
from learnerdsl.codegen.text import INDENT, Text, indented, symbols_of
from learnerdsl.elementary import BY_NODE, Function
from learnerdsl.expr import (
    And,
    Eigenvectors,
    Identity,
    InverseRoot,
    MatMul,
    MatrixFunction,
    MatrixState,
    Maximum,
    Not,
    Or,
    Orthonormal,
    Transpose,
    Where,
)
from learnerdsl.ir import Block, Compute, Domain, Rank


def print_matrices(text: Text, block: Block, name: str) -> list[str]:
    """Return the function of a block on matrices, in NumPy; no lines if it would be empty."""
    # A Python float takes the dtype of the matrix in an operation, a NumPy scalar does not.
    lines = _lines(text, block, "np", "float")
    return [
        f"def {name}(matrices, model, tensor):",
        f'{INDENT}"""Functions of whole matrices, of one tensor, in NumPy."""',
        *indented(lines),
    ] * bool(lines)


def print_cuda_matrices(text: Text, block: Block, name: str) -> list[str]:
    """Return the function of a block on matrices, in the device's array namespace `xp`."""
    lines = _lines(text, block, "xp", "xp.scalar")
    return [
        f"def {name}(xp, matrices, model, tensor):",
        f'{INDENT}"""Functions of whole matrices, of one tensor, in a library of the device."""',
        *indented(lines),
    ] * bool(lines)


def _lines(text: Text, block: Block, xp: str, scalar: str) -> list[str]:
    """Return the body of the function; every read of a scalar is wrapped in a call of `scalar`."""
    if not block.computes and not block.stores:
        return []
    own: set[sympy.Basic] = {c.symbol for c in block.computes}
    narrow = {
        s for s in symbols_of(block.computes) - own if text.kernel.domains[s].rank < Rank.VECTOR
    }
    printer = _MatrixPrinter(text, xp)
    names = text.names.values
    lines = list(text.read_rows(narrow, scalar).values())
    lines += [f"{names[load.symbol]} = matrices[{str(load.array)!r}]" for load in block.loads]
    kept = own - {store.value for store in block.stores}
    later = _needed_later(text, block) & kept
    lasting = later | {s.value for s in block.stores if isinstance(s.target, MatrixState)}
    views = _views(text, block)
    for compute in block.computes:
        lines += text.compute(compute, printer)
        if text.kernel.domain_of(compute.expression).rank < Rank.ELEMENT:
            lines.append(_filled(text, compute, xp))
        if compute.symbol in lasting and views[compute.symbol]:
            # Copy it: the store of the state that it aliases would change it.
            lines.append(f"{names[compute.symbol]} = {xp}.copy({names[compute.symbol]})")
    lines += [f"matrices[{str(s)!r}] = {names[s]}" for s in sorted(later, key=str)]
    for store in block.stores:
        lines.append(f"matrices[{str(store.target)!r}][...] = {names[store.value]}")
    return lines


def _filled(text: Text, compute: Compute, xp: str) -> str:
    """Return the statement that fills a matrix with a number, for a state or the parameter."""
    stores = [store for block in text.kernel.blocks for store in block.stores]
    targets = [store.target for store in stores if store.value == compute.symbol]
    name, like = text.names.values[compute.symbol], (*targets, text.kernel.parameter)[0]
    return f"{name} = {xp}.zeros_like(matrices[{str(like)!r}]) + {name}"


def _needed_later(text: Text, block: Block) -> set[sympy.Basic]:
    """Return the symbols that other blocks on matrices load."""
    others = [b for b in text.kernel.blocks if b.domain == Domain.MATRIX and b is not block]
    return {load.symbol for other in others for load in other.loads}


def _views(text: Text, block: Block) -> dict[sympy.Basic, set[sympy.Basic]]:
    """Map each symbol to the states and parameters whose memory its value may alias."""
    changing = {text.kernel.parameter, *text.kernel.states}
    found: dict[sympy.Basic, set[sympy.Basic]] = {}

    def of(expr: Any) -> set[sympy.Basic]:
        if expr.is_Symbol:
            return found.get(expr, {expr} & changing)
        if isinstance(expr, Transpose):
            return of(expr.args[0])
        if isinstance(expr, Where):
            return of(expr.then) | of(expr.otherwise)
        return set()

    targets = {store.value: store.target for b in text.kernel.blocks for store in b.stores}
    for compute in block.computes:
        views = of(compute.expression)
        if not compute.expression.has(Transpose):
            # A state that keeps its value is stored to the memory that it aliases, unchanged.
            views -= {targets.get(compute.symbol)}
        found[compute.symbol] = views
    return found


class _MatrixPrinter(Printer):
    """A printer of expressions of arrays; it prints choices by scalars as Python's `if`."""

    def __init__(self, text: Text, xp: str) -> None:
        super().__init__(text.names.values, text.scalar_names, "float64")
        self.xp = xp
        self.kernel = text.kernel

    def call(self, expr: Any) -> str:
        """Return a call of a function of matrices or of the namespace."""
        if isinstance(expr, (MatrixFunction, Identity)):
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
            like = f"matrices[{str(self.kernel.parameter)!r}]"
            axis = -2 if expr.side == "rows" else -1
            return f"{self.xp}.eye({like}.shape[{axis}], dtype={like}.dtype)"
        arguments = [self(argument) for argument in expr.args]
        if isinstance(expr, MatMul):
            return f"{self.xp}.matmul({', '.join(arguments)})"
        if isinstance(expr, Transpose):
            return f"{self.xp}.swapaxes({arguments[0]}, -1, -2)"
        names = {Eigenvectors: 0, InverseRoot: 1, Orthonormal: 2}
        prefix = "" if self.xp == "np" else f"{self.xp}."
        return f"{prefix}{LINEAR_ALGEBRA[names[expr.func]]}({', '.join(arguments)})"

    def root(self, base: sympy.Expr, exponent: Any) -> tuple[str, int]:
        """Return a square root as a call, other roots as powers."""
        if exponent == sympy.Rational(1, 2):
            return f"{self.xp}.sqrt({self(base)})", ATOM
        return f"({self(base)}) ** {float(exponent)!r}", ATOM

    def choice(self, expr: Any) -> str:
        """Return a choice; if the condition is a scalar, only one branch is computed."""
        symbols = expr.condition.free_symbols
        if all(self.kernel.domains[s].rank < Rank.ELEMENT for s in symbols):
            return super().choice(expr)
        return f"{self.xp}.where({', '.join(self(argument) for argument in expr.args)})"

    def extreme(self, expr: sympy.Basic) -> str:
        """Return nested calls of `maximum` or `minimum`, which propagate NaN."""
        name = f"{self.xp}.{'maximum' if isinstance(expr, Maximum) else 'minimum'}"
        texts = [self(a) for a in expr.args]
        result = texts[0]
        for text in texts[1:]:
            result = f"{name}({result}, {text})"
        return result

    def condition(self, expr: sympy.Basic) -> str:
        """Return a condition; those of elements are joined by `&`, `|` and `~`."""
        wide = any(self.kernel.domains[s].rank >= Rank.ELEMENT for s in expr.free_symbols)
        if wide and isinstance(expr, (And, Or)):
            sign = " & " if isinstance(expr, And) else " | "
            return sign.join(f"({self(a)})" for a in expr.args)
        if wide and isinstance(expr, Not):
            return f"~({self(expr.args[0])})"
        return super().condition(expr)
