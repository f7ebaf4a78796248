"""Printing of functions of whole matrices, as calls of NumPy or of a namespace like it."""

from collections.abc import Sequence
from typing import Any

import sympy

from learnerdsl.codegen.matrix_printers import MatrixPrinter, ProductPrinter, with_sums
from learnerdsl.codegen.needs import chosen_by, needs_of
from learnerdsl.codegen.text import INDENT, Text, indented, symbols_of
from learnerdsl.expr import MatrixState, Transpose, Where
from learnerdsl.ir import Block, Compute, Rank


def print_matrices(text: Text, block: Block, name: str) -> list[str]:
    """Return the function of a block on matrices, in NumPy; no lines if it would be empty.

    NumPy has no bfloat16, so for products in it the function calls a namespace as on a device.
    """
    if text.products != "full":
        return print_cuda_matrices(text, block, name)
    # A Python float takes the dtype of the matrix in an operation, a NumPy scalar does not.
    lines = _lines(text, block, "np", "float")
    return [
        f"def {name}(matrices, model, tensor):",
        f'{INDENT}"""Functions of whole matrices, of one tensor, in NumPy."""',
        *indented(lines),
    ] * bool(lines)


def print_cuda_matrices(text: Text, block: Block, name: str) -> list[str]:
    """Return the function of a block on matrices, in the array namespace `xp`."""
    lines = _lines(text, block, "xp", "xp.scalar")
    return [
        f"def {name}(xp, matrices, model, tensor):",
        f'{INDENT}"""Functions of whole matrices, of one tensor, in the library `xp`."""',
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
    computes: Sequence[Compute] = block.computes
    printer = MatrixPrinter(text, xp)
    if text.products != "full":
        computes = with_sums(text.kernel, block)
        printer = ProductPrinter(text, xp)
    names = text.names.values
    lines: list[str] = []
    kept = own - {store.value for store in block.stores}
    later = _needed_later(text, block) & kept
    lasting = later | {s.value for s in block.stores if isinstance(s.target, MatrixState)}
    views = _views(text, block)
    printer.wide |= later | {store.value for store in block.stores}
    needs = needs_of(computes, own - kept | lasting, printer.is_choice_of_python)
    for compute in computes:
        need = needs.get(compute.symbol)
        lines += text.compute(chosen_by(need, compute), printer)
        if need:
            lines[-1] = _only_if(lines[-1], *need, printer)
        if text.kernel.domain_of(compute.expression).rank < Rank.ELEMENT:
            lines.append(_filled(text, compute, xp))
        if compute.symbol in lasting and views[compute.symbol]:
            # Copy it: the store of the state that it aliases would change it.
            lines.append(f"{names[compute.symbol]} = {xp}.copy({names[compute.symbol]})")
    lines += [f"matrices[{str(s)!r}] = {names[s]}" for s in sorted(later, key=str)]
    for store in block.stores:
        lines.append(f"matrices[{str(store.target)!r}][...] = {names[store.value]}")
    return [*text.read_rows(narrow, scalar).values(), *_loads(text, block, printer), *lines]


def _only_if(statement: str, condition: Any, holds: bool, printer: MatrixPrinter) -> str:
    """Return a statement that computes its value only if a condition holds, or does not."""
    name, _, value = statement.partition(" = ")
    then, otherwise = (value, "None") if holds else ("None", value)
    return f"{name} = ({then} if {printer.condition(condition)} else {otherwise})"


def _loads(text: Text, block: Block, printer: MatrixPrinter) -> list[str]:
    """Return the statements that take matrices from memory."""
    loads = {load.symbol: f"matrices[{str(load.array)!r}]" for load in block.loads}
    names = text.names.values
    return [f"{names[symbol]} = {printer.loaded(symbol, value)}" for symbol, value in loads.items()]


def _filled(text: Text, compute: Compute, xp: str) -> str:
    """Return the statement that fills a matrix with a number, for a state or the parameter."""
    stores = [store for block in text.kernel.blocks for store in block.stores]
    targets = [store.target for store in stores if store.value == compute.symbol]
    name, like = text.names.values[compute.symbol], (*targets, text.kernel.parameter)[0]
    return f"{name} = {xp}.zeros_like(matrices[{str(like)!r}]) + {name}"


def _needed_later(text: Text, block: Block) -> set[sympy.Basic]:
    """Return the symbols that other blocks on matrices load."""
    others = [b for b in text.kernel.matrix_blocks if b is not block]
    return {load.symbol for other in others for load in other.loads}


def _views(text: Text, block: Block) -> dict[sympy.Basic, set[tuple[Any, bool]]]:
    """Map each symbol to the memory that its value may alias.

    That is the memory of states and parameters, each with whether it is transposed.
    """
    changing = {text.kernel.parameter, *text.kernel.states}
    found: dict[sympy.Basic, set[tuple[Any, bool]]] = {}

    def of(expr: Any) -> set[tuple[Any, bool]]:
        if expr.is_Symbol:
            return found.get(expr, {(own, False) for own in {expr} & changing})
        if isinstance(expr, Transpose):
            return {(own, not is_turned) for own, is_turned in of(expr.args[0])}
        if isinstance(expr, Where):
            return of(expr.then) | of(expr.otherwise)
        return set()

    targets = {store.value: store.target for b in text.kernel.blocks for store in b.stores}
    for compute in block.computes:
        # A state that keeps its value is stored to the memory that it aliases, unchanged.
        found[compute.symbol] = of(compute.expression) - {(targets.get(compute.symbol), False)}
    return found
