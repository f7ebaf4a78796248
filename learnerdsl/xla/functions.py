"""Divide the statements of a rule into functions of scalars and of tensors, level by level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from learnerdsl.export.statements import Body, Statement, Sum
from learnerdsl.expr import (
    AxisExtra,
    AxisSize,
    AxisState,
    Draw,
    MatrixExtra,
    MatrixFunction,
    MatrixLeaf,
    MatrixState,
    Maximum,
    Minimum,
    NarrowDraw,
    Position,
    Reduction,
    Where,
    nodes,
    seed,
    step,
    symbols_in,
    tensor_number,
    tensor_size,
)
from learnerdsl.xla.narrowing import Narrowing

Symbols = tuple[Any, ...]


@dataclass(frozen=True)
class Function:
    """A function of generated code.

    Attributes:
        name: its name in the module.
        arguments: the symbols whose values it takes, after the parameter if it is of a tensor.
        rounded: those arguments that it takes with the dtype of the elements.
        results: the symbols whose values it returns as a tuple.
    """

    name: str
    arguments: Symbols
    rounded: frozenset[Any]
    results: Symbols


@dataclass(frozen=True)
class Part:
    """The statements of one function.

    Attributes:
        body: the variant that they are of.
        statements: the statements, in order.
        sums: the parts of reductions over the model that a tensor contributes.
        results: the symbols that other functions use.
        is_of_tensor: whether the function is called for each tensor.
    """

    body: Body
    statements: tuple[Statement, ...]
    sums: tuple[Sum, ...]
    results: Symbols
    is_of_tensor: bool


def parts_of(body: Body, change: Any, narrowing: Narrowing) -> list[tuple[Part, Part]]:
    """Return for each level the function of scalars and that of a tensor.

    Args:
        body: the statements, with rounded scalars where these meet elements.
        change: the symbol of the change of the parameter, or None.
        narrowing: the rounded scalars.
    """
    model = body.of_model
    wide = narrowing.wide
    kept = {change, *body.new.values()} - {None, body.new.get(body.rule.parameter)}
    parts: list[tuple[Part, Part]] = []
    for level in range(body.last + 1):
        own = [s for s in body.statements if body.level[s.symbol] == level]
        sums = tuple(one for one in body.sums if body.level[one.symbol] == level + 1)
        scalars = [s for s in own if s.symbol in model]
        others = [s for s in own if s.symbol not in model]
        found: list[Part] = []
        for is_of_tensor, statements in ((False, scalars), (True, others)):
            inside = {s.symbol for s in statements}
            outside = [s for s in body.statements if s.symbol not in inside]
            ends = [one.node for one in body.sums if not (is_of_tensor and one in sums)]
            used = symbols_in(*(s.expression for s in outside), *ends) | kept
            used |= {wide[symbol] for symbol in used & wide.keys()}
            results = tuple(s.symbol for s in statements if s.symbol in used)
            own_sums = sums if is_of_tensor else ()
            found.append(Part(body, tuple(statements), own_sums, results, is_of_tensor))
        parts.append((found[0], found[1]))
    return parts


def needed(part: Part, narrowing: Narrowing) -> tuple[Symbols, frozenset[Any], frozenset[Any]]:
    """Return (arguments, those of them taken rounded, scalars to round inside) of a function."""
    roots = [s.expression for s in part.statements] + [one.node for one in part.sums]
    inside = {s.symbol for s in part.statements}
    wide = narrowing.wide
    found, rounded, local = set[Any](), set[Any](), set[Any]()
    for symbol in symbols_in(*roots) - inside:
        if isinstance(symbol, Position):
            continue
        if symbol not in wide:
            found.add(symbol)
        elif wide[symbol] in inside:
            local.add(symbol)
        else:
            found.add(symbol)
            rounded.add(symbol)
    if any(isinstance(node, Draw) for node in nodes(roots)):
        found |= {seed, step, tensor_number}
    own = {symbol for symbol in found if isinstance(symbol, AxisSize) or symbol == tensor_size}
    found -= own | {part.body.rule.parameter}
    order = _order(part.body)
    arguments = sorted(found, key=lambda s: (order.get(s, len(order)), str(s)))
    return tuple(arguments), frozenset(rounded), frozenset(local)


def _order(body: Body) -> dict[Any, int]:
    """Return the places of the gradient and the states, which come first among arguments."""
    first = [body.rule.gradient, *(spec.symbol for spec in body.rule.states)]
    return {symbol: place for place, symbol in enumerate(first)}


def guarded(body: Body) -> set[Any]:
    """Return the values that a choice may leave out: those its branches use, and what those use.

    A maximum or minimum is a choice as well. What a reduction is of is not among them: other uses
    of it would give NaN as well.
    """
    roots = [s.expression for s in body.statements] + [one.node for one in body.sums]
    found = _outside_reductions(branches_in(roots))
    for statement in reversed(body.statements):
        if statement.symbol in found:
            found |= _outside_reductions([statement.expression])
    return found


def branches_in(roots: Sequence[Any]) -> list[Any]:
    """Return the expressions in others that a choice may leave out."""
    found = [b for n in nodes(list(roots)) if isinstance(n, Where) for b in n.args[1:]]
    extremes = [n for n in nodes(list(roots)) if isinstance(n, (Maximum, Minimum))]
    return found + [b for n in extremes for b in n.args]


def _outside_reductions(roots: Sequence[Any]) -> set[Any]:
    """Return the symbols in expressions, but not those of which a reduction is."""
    reductions = {node for node in nodes(list(roots)) if isinstance(node, Reduction)}
    return {node for node in nodes(list(roots), reductions) if node.is_Symbol}


def has_matrices(body: Body) -> bool:
    """Return whether matrices are computed, or given as states or extras."""
    if any(isinstance(symbol, (MatrixExtra, MatrixState)) for symbol in _given(body)):
        return True
    roots = [s.expression for s in body.statements]
    return any(isinstance(node, (MatrixFunction, MatrixLeaf)) for node in nodes(roots))


def has_axes(body: Body) -> bool:
    """Return whether values belong to axes of the parameter, or to matrices."""
    if any(isinstance(symbol, (AxisExtra, AxisState)) for symbol in _given(body)):
        return True
    roots = [s.expression for s in body.statements] + [one.node for one in body.sums]
    kinds = (AxisSize, MatrixLeaf, MatrixFunction)
    over_axes = (NarrowDraw, Reduction)
    return any(isinstance(n, kinds) or (isinstance(n, over_axes) and n.axes) for n in nodes(roots))


def _given(body: Body) -> list[Any]:
    """Return the extra inputs and the states of a rule."""
    return [*body.rule.extras, *(spec.symbol for spec in body.rule.states)]
