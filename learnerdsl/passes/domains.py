"""Give every symbol and block its domain; raise RuleError for a value stored where it cannot fit.

The pass assumes lowered blocks in dependency order. Afterwards `kernel.domains` has every symbol,
and each block has the domain of the value that it computes. A reduction over elements has the
domain ELEMENT, because it loops over elements. A reduction of an axis array has become a
computation: it reduces the stored values, then scales by the number of elements that each stands
for.
"""

from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    CLOCK,
    REDUCTIONS,
    AxisSize,
    Greater,
    Named,
    Reduction,
    Sides,
    Where,
    model_size,
    position,
    tensor_number,
    tensor_size,
)
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank, Reduce

_OF_SHAPE = {"model": Domain.MODEL, "tensor": Domain.TENSOR, "element": Domain.ELEMENT}


def type_domains(kernel: Kernel) -> Kernel:
    """Give every symbol and every block its domain."""
    known: dict[sympy.Basic, Domain] = dict.fromkeys(
        (*CLOCK, *kernel.hyperparameters), Domain.MODEL
    )
    known |= {tensor_size: Domain.TENSOR, tensor_number: Domain.TENSOR, position: Domain.ELEMENT}
    known |= {kernel.parameter: Domain.ELEMENT, kernel.gradient: Domain.ELEMENT}
    known |= dict.fromkeys(_axis_sizes(kernel), Domain.TENSOR)
    for symbol in (*kernel.extras, *kernel.states):
        known[symbol] = _domain_of_shape(getattr(symbol, "shape", "element"), kernel.ndim)
    typed = replace(kernel, domains=known)
    blocks = [_typed(block, typed, known) for block in kernel.blocks]
    return replace(kernel, blocks=tuple(blocks), domains=known)


def _axis_sizes(kernel: Kernel) -> set[AxisSize]:
    """Return the symbols of the axes' lengths: all that exist and all that statements use."""
    own = {AxisSize(axis) for axis in range(kernel.ndim or 0)}
    items = (item for block in kernel.blocks for item in (*block.computes, *block.reduces))
    return own.union(*(item.expression.atoms(AxisSize) for item in items))


def _domain_of_shape(shape: Any, ndim: int | None) -> Domain:
    """Return the domain of a state or extra input with this `shape`."""
    if isinstance(shape, str):
        return _OF_SHAPE[shape]
    if isinstance(shape, Sides):
        return Domain.of_sides(shape)
    return Domain.of_axes(shape, ndim)


def _typed(block: Block, kernel: Kernel, known: dict[sympy.Basic, Domain]) -> Block:
    """Return the block with its domain; add the symbols that it computes to `known`."""
    for reduce in block.reduces:
        return _typed_reduction(reduce, kernel, known)
    for compute in block.computes:
        known[compute.symbol] = kernel.domain_of(compute.expression)
    for store in block.stores:
        room = known[store.target]
        _check_fits(kernel, store.target, known[store.value])
        if room.rank >= Rank.VECTOR:
            known[store.value] = room
    domain = max((known[c.symbol] for c in block.computes), key=lambda d: d.rank)
    return replace(block, domain=domain)


def _typed_reduction(reduce: Reduce, kernel: Kernel, known: dict[sympy.Basic, Domain]) -> Block:
    """Return a sweep over the elements, or a computation if the reduction needs no elements."""
    own = kernel.domain_of(reduce.expression)
    if reduce.by_tensor:
        return _typed_by_tensor(reduce, own, kernel, known)
    if own.rank == Rank.MATRIX:
        msg = (
            f"Rule {kernel.name} reduces {reduce.expression}, {own}, as if it had values for each "
            "element of the parameter; write the reduction with sum, mean, norm, max, min or prod."
        )
        raise RuleError(msg)
    node = REDUCTIONS[reduce.monoid.name](reduce.expression, reduce.over)
    if own.rank == Rank.VECTOR and reduce.over != "model":
        return _reduction_of_vector(reduce, node, kernel, known)
    if own.rank < Rank.VECTOR and _needs_no_elements(reduce, kernel):
        return _reduction_of_scalar(reduce, node, own, known)
    ndim = kernel.ndim or 0
    left = {axis for axis in range(ndim) if axis not in {a % ndim for a in node.axes}}
    if node.axes:
        known[reduce.symbol] = Domain.of_axes(left, ndim)
    else:
        known[reduce.symbol] = _OF_SHAPE[reduce.over]
    return Block(Domain.ELEMENT, reduces=(reduce,))


def _typed_by_tensor(
    reduce: Reduce, own: Domain, kernel: Kernel, known: dict[sympy.Basic, Domain]
) -> Block:
    """Return a sweep whose first chunk of each tensor counts a scalar of the tensor."""
    if own.rank > Rank.TENSOR:
        msg = (
            f"Rule {kernel.name} counts {reduce.expression} once for each tensor, of='tensors', "
            f"but it has one number for each {_each(own)}; reduce it first, as in "
            "sum(norm(x), over='model', of='tensors'), and so a condition where= that differs "
            "between them."
        )
        raise RuleError(msg)
    known[reduce.symbol] = Domain.MODEL
    return Block(Domain.ELEMENT, reduces=(reduce,))


def _needs_no_elements(reduce: Reduce, kernel: Kernel) -> bool:
    """Return whether the reduction of a scalar follows from the scalar and the number of elements.

    That is not so for a sum over the model of scalars that differ between tensors, as do all but
    numbers: groups have hyperparameters of their own. It is also not done where a rule has variants
    (ndim is set): variants match their model-wide sums by the sweeps that compute them, so those
    sweeps have to stay.
    """
    is_number = reduce.expression.is_number and kernel.ndim is None
    return (reduce.over != "model" or is_number) and not reduce.block


def _reduction_of_scalar(
    reduce: Reduce, node: Reduction, own: Domain, known: dict[sympy.Basic, Domain]
) -> Block:
    """Return a block that computes the reduction of a scalar from the number of elements."""
    count: Any = model_size if reduce.over == "model" else tensor_size
    if node.axes:
        count = sympy.Mul(*(AxisSize(axis) for axis in node.axes))
    value = reduce.monoid.repeated(reduce.expression, count)
    domain = own if reduce.over == "model" else Domain.TENSOR
    known |= dict.fromkeys(count.free_symbols - known.keys(), Domain.TENSOR)
    known[reduce.symbol] = domain
    chosen = Where(Greater(count, sympy.S.Zero), value, reduce.monoid.neutral)
    return Block(domain, computes=(Compute(reduce.symbol, chosen),))


def _reduction_of_vector(
    reduce: Reduce, node: Reduction, kernel: Kernel, known: dict[sympy.Basic, Domain]
) -> Block:
    """Reduce the stored values of an axis array, then scale by the elements each stands for."""
    own = kernel.domain_of(reduce.expression)
    count = _count_of_others(node.axes, own, kernel.ndim or 0)
    inner = known[reduce.symbol] = kernel.domain_of(node)
    if count == 1:
        return Block(inner, computes=(Compute(reduce.symbol, node),))
    once = Named(f"{reduce.symbol}_once", kernel.name)
    known[once] = inner
    value = reduce.monoid.repeated(once, count)
    if value == once:
        value = Where(Greater(count, sympy.S.Zero), once, reduce.monoid.neutral)
    return Block(inner, computes=(Compute(once, node), Compute(reduce.symbol, value)))


def _count_of_others(axes: tuple[int, ...], own: Domain, ndim: int) -> sympy.Expr:
    """Return how many of the reduced elements each value of an axis array stands for.

    The reduction is over `axes`, or over all axes if there are none.
    """
    over = {axis % ndim for axis in axes} if axes else set(range(ndim))
    return sympy.Mul(*(AxisSize(axis) for axis in sorted(over - set(own.axes))))


def _check_fits(kernel: Kernel, target: sympy.Basic, needed: Domain) -> None:
    """Raise RuleError if a value of the domain `needed` does not fit into the state `target`."""
    room = kernel.domains[target]
    if room.joined(needed, kernel.ndim) == room:
        return
    remedy = repr(needed.axes or needed.rank.name.lower())
    msg = (
        f"Rule {kernel.name} assigns a value with one number for each {_each(needed)} "
        f"to the state {target}, which holds one for each {_each(room)}; reduce it with "
        f"sum, mean, norm or max, or declare the state with shape={remedy}."
    )
    raise RuleError(msg)


def _each(domain: Domain) -> str:
    """Return what a domain has a value for, in words."""
    words = {Rank.VECTOR: "index of axes", Rank.MATRIX: "entry of a matrix of"}
    rank = domain.rank
    return f"{words[rank]} {domain.axes}" if rank in words else rank.name.lower()
