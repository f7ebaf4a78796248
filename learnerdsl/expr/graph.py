"""Traversals of expressions as graphs: they visit each distinct node once and do not recurse.

SymPy's own traversals visit a node as often as it occurs. That is exponential where each of many
nested values is used twice. They also recurse, which fails at a depth of some hundred nodes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

Rebuild = Callable[[Any, tuple[Any, ...]], Any]
"""Function of a node and its new arguments."""


def nodes(roots: Iterable[Any], known: Any = ()) -> Iterator[Any]:
    """Yield every distinct node of `roots`, each after its arguments.

    Args:
        roots: expressions.
        known: a set or mapping of nodes to skip, together with the nodes below them.
    """
    done: set[Any] = set()
    for root in roots:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, is_entered = stack.pop()
            if node in done or node in known:
                continue
            if is_entered or not node.args:
                done.add(node)
                yield node
            else:
                stack.append((node, True))
                stack += [(argument, False) for argument in reversed(node.args)]


def mapped(root: Any, change: Rebuild, known: dict[Any, Any] | None = None) -> Any:
    """Return `root` with every node replaced by `change(node, new arguments)`.

    Args:
        root: an expression.
        change: function of a node and its changed arguments.
        known: node -> its replacement; this call adds the nodes that it visits.
    """
    found = {} if known is None else known
    for node in nodes([root], found):
        found[node] = change(node, tuple(found[argument] for argument in node.args))
    return found[root]


def replaced(root: Any, new: Mapping[Any, Any], rebuild: Rebuild) -> Any:
    """Return `root` with the keys of `new` replaced; `rebuild` builds the nodes above them."""

    def change(node: Any, arguments: tuple[Any, ...]) -> Any:
        if node in new:
            return new[node]
        same = all(a is b for a, b in zip(arguments, node.args, strict=True))
        return node if same else rebuild(node, arguments)

    return mapped(root, change)


def symbols_in(*roots: Any) -> set[Any]:
    """Return the symbols that expressions use."""
    return {node for node in nodes(roots) if isinstance(node, sympy.Symbol)}


def has(root: Any, *kinds: type) -> bool:
    """Return whether an expression has a node of one of these classes."""
    return any(isinstance(node, kinds) for node in nodes([root]))


def uses(roots: Iterable[Any]) -> Counter[Any]:
    """Return node -> how often it is a root or an argument of a distinct node."""
    counted: Counter[Any] = Counter()
    given = list(roots)
    counted.update(given)
    for node in nodes(given):
        counted.update(node.args)
    return counted


def size_and_depth(root: Any) -> tuple[int, int]:
    """Return (number of nodes of an expression that is written out as a tree, its depth)."""
    found: dict[Any, tuple[int, int]] = {}
    for node in nodes([root]):
        below = [found[argument] for argument in node.args]
        size = 1 + sum(count for count, _ in below)
        found[node] = size, 1 + max((depth for _, depth in below), default=0)
    return found[root]


LINE = 90
"""Maximum length of an expression's text in a comment or a message."""

_BITS = 64
"""Maximum bit length of an integer that is written out."""

_SHOWN = 60
"""Maximum number of nodes of an expression that is written out before it is shortened."""


def brief(root: Any, limit: int = LINE) -> str:
    """Return the expression as text of at most `limit` characters, with `...` for omitted parts."""
    if size_and_depth(root)[0] <= _SHOWN:
        text = str(_cut(root, _SHOWN, _SHOWN))
        if len(text) <= limit:
            return text
    for depth in range(4, 0, -1):
        text = str(_cut(root, depth, 6))
        if len(text) <= limit:
            return text
    return "..."


def _cut(node: Any, depth: int, width: int) -> Any:
    """Return the expression with symbols for parts deeper than `depth`, and shortened numbers."""
    if isinstance(node, sympy.Rational) and max(node.p.bit_length(), node.q.bit_length()) > _BITS:
        return node.n(5)
    if not node.args or not isinstance(node, (sympy.Expr, Boolean)):
        return node
    if depth == 0:
        return sympy.Symbol("...")
    if len(node.args) > width:
        return sympy.Symbol(f"{type(node).__name__.lower()} of {len(node.args)} parts")
    below = depth - isinstance(node, sympy.Expr)  # a condition is shown with its sides
    arguments = [_cut(argument, below, width) for argument in node.args]
    if all(a is b for a, b in zip(arguments, node.args, strict=True)):
        return node
    # Unevaluated: two omitted parts are both "...", but SymPy must not treat them as equal.
    as_written = {"evaluate": False} if type(node).__module__.startswith("sympy.") else {}
    return node.func(*arguments, **as_written)
