"""Check what printers rely on; a failure is a bug of the compiler, so it raises InternalError.

The pass checks that blocks are grouped in levels, that every symbol is defined before it is used,
that every array is written exactly once and its old value is not read after that, that scalar
blocks contain scalars, and that expressions of sweeps contain no scalar arithmetic.
"""

import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import CLOCK, AxisSize, position, tensor_number, tensor_size
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank


def verify(kernel: Kernel) -> Kernel:
    """Check the kernel and return it unchanged."""
    always = (*CLOCK, tensor_size, tensor_number, position)
    scalars: set[sympy.Basic] = {*always, *kernel.hyperparameters}
    scalars |= {symbol for symbol in kernel.domains if isinstance(symbol, AxisSize)}
    inputs = (*kernel.extras, *kernel.states)
    scalars |= {s for s in inputs if kernel.domains[s] != Domain.ELEMENT}
    written: set[sympy.Basic] = set()
    for block in kernel.blocks:
        known = set(scalars)
        for load in block.loads:
            overwritten = load.symbol == load.array and load.array in written
            _require(not overwritten, kernel, f"{load} after its store")
            known.add(load.symbol)
        _check_values(kernel, block, known)
        for store in block.stores:
            _require(store.value in known, kernel, f"{store} of an unknown value")
            _require(store.target not in written, kernel, f"a second {store}")
            written.add(store.target)
        if block.domain == Domain.ELEMENT:
            scalars |= {reduce.symbol for reduce in block.reduces}
        else:
            scalars |= known
    missing = {kernel.parameter, *kernel.states} - written - {*kernel.constants}
    _require(not missing, kernel, f"{missing} never stored")
    _require(bool(kernel.levels), kernel, "no level")
    return kernel


def _check_values(kernel: Kernel, block: Block, known: set[sympy.Basic]) -> None:
    """Check the computations of a block; add the symbols that they define to `known`."""
    for item in (*block.computes, *block.reduces):
        unknown = item.expression.free_symbols - known
        _require(not unknown, kernel, f"{item.symbol} uses {unknown} before definition")
        if isinstance(item, Compute):
            known.add(item.symbol)
        if block.domain == Domain.ELEMENT:
            _check_hoisted(kernel, item.expression)
        else:
            room = _ROOM.get(block.domain or Domain.MODEL, Rank.MATRIX)
            fits = kernel.domain_of(item.expression).rank <= room
            _require(fits, kernel, f"{item.symbol} in a block of domain {block.domain}")


def _check_hoisted(kernel: Kernel, expression: sympy.Basic) -> None:
    """Check that an expression of a sweep contains no scalar arithmetic."""
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, (sympy.Add, sympy.Mul)):
            composite = [
                a
                for a in node.args
                if a.free_symbols and not a.is_Atom and kernel.domain_of(a).rank < Rank.ELEMENT
            ]
            bare = [a for a in composite if not a.could_extract_minus_sign()]
            _require(not bare, kernel, f"scalar arithmetic {bare} left in a loop")


_ROOM = {Domain.MODEL: Rank.MODEL, Domain.TENSOR: Rank.VECTOR}
"""Domain of a block of scalars -> widest rank of its values."""


def _require(holds: bool, kernel: Kernel, what: str) -> None:
    """Raise InternalError unless a condition holds."""
    if not holds:
        msg = f"verify {kernel.name}: {what}\n{kernel}"
        raise InternalError(msg)
