"""Count the floating-point operations of an update, those of functions of matrices included."""

import math
from collections.abc import Iterator
from typing import Any

import sympy

from learnerdsl.codegen.operations import count_operations
from learnerdsl.expr import (
    Cholesky,
    Eigenvalues,
    Eigenvectors,
    Identity,
    Inverse,
    InverseRoot,
    MatMul,
    MatrixFunction,
    MatrixReduction,
    Orthonormal,
    Solve,
    SolveTriangular,
    length,
)
from learnerdsl.ir import Block, Domain, Kernel, Rank

Shape = tuple[int, ...]

EIGEN_FLOPS = 9
"""Operations for all eigenvalues and eigenvectors of a symmetric matrix, divided by n**3."""


def flops_of_sweep(block: Block, elements: int) -> int:
    """Return the operations of a sweep: an addition, a root or a function is one."""
    counted = sum(
        count_operations(item.expression).total() for item in (*block.computes, *block.reduces)
    )
    return elements * (counted + len(block.reduces))


def flops_of_matrices(kernel: Kernel, block: Block, shape: Shape) -> dict[str, int]:
    """Return the operations of functions of whole matrices, by kind, for a tensor of this shape."""
    found = {"products": 0, "decompositions": 0, "elements": 0}
    for compute in block.computes:
        for node in sympy.preorder_traversal(compute.expression):
            for kind, flops in _of_node(kernel, node, shape):
                found[kind] += flops
        names = count_operations(compute.expression)
        own = sum(n for name, n in names.items() if name not in _FUNCTIONS)
        found["elements"] += own * math.prod(_sides(kernel, compute.expression, shape))
    batch = math.prod(shape[:-2])
    return {kind: batch * flops for kind, flops in found.items()}


def _names(cls: type) -> Iterator[str]:
    """Yield the names by which operations of a class and its subclasses are counted."""
    yield cls.__name__.lower()
    for own in cls.__subclasses__():
        yield from _names(own)


_FUNCTIONS = {*_names(MatrixFunction), *_names(Identity)}


def _sides(kernel: Kernel, value: Any, shape: Shape) -> tuple[int, int]:
    """Return the rows and columns of a matrix; (1, 1) of a number."""
    domain: Domain = kernel.domain_of(value)
    if domain.rank < Rank.ELEMENT or len(shape) < 2:
        return 1, 1
    first, second = (length(side, shape) for side in domain.sides)
    return first, second


def _of_node(kernel: Kernel, node: Any, shape: Shape) -> Iterator[tuple[str, int]]:
    """Yield the kind and the operations of a function of matrices, by the usual formulas."""
    if not isinstance(node, MatrixFunction):
        return
    rows, cols = _sides(kernel, node.args[0], shape)
    more = _sides(kernel, node.matrices[-1], shape)[1] if node.matrices else 0
    least = min(rows, cols)
    formulas = {
        MatrixReduction: (("elements", rows * cols),),
        MatMul: (("products", 2 * rows * cols * more),),
        SolveTriangular: (("decompositions", rows**2 * more),),
        Solve: (("decompositions", 2 * rows**3 / 3), ("products", 2 * rows**2 * more)),
        Inverse: (("decompositions", 2 * rows**3),),
        Cholesky: (("decompositions", rows**3 / 3),),
        Eigenvalues: (("decompositions", EIGEN_FLOPS * rows**3),),
        Eigenvectors: (("decompositions", EIGEN_FLOPS * rows**3),),
        InverseRoot: (("decompositions", EIGEN_FLOPS * rows**3), ("products", 2 * rows**3)),
        Orthonormal: (("decompositions", 4 * (max(rows, cols) * least**2 - least**3 / 3)),),
    }
    for kind, flops in formulas.get(node.func, ()):
        yield kind, round(flops)
