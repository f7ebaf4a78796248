"""Walks through graphs: evaluation order, leaves, named nodes, and copies with replaced nodes."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from learnerdsl.cntk.graph.nodes import Node, apply
from learnerdsl.cntk.graph.variables import Variable
from learnerdsl.errors import UnknownNameError

Leaf = TypeVar("Leaf", bound=Variable)


def topological(outputs: Iterable[Node]) -> list[Node]:
    """Return every node that the outputs need; a node comes after its inputs."""
    order: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, done = stack.pop()
        if node in order:
            continue
        if done or not node.inputs:
            order[node] = None
            continue
        stack.append((node, True))
        stack.extend((operand, False) for operand in reversed(node.inputs))
    return list(order)


def leaves(outputs: Iterable[Node], kind: type[Leaf]) -> tuple[Leaf, ...]:
    """Return the leaves of a kind in CNTK's order: those of the last layer first."""
    found: dict[Leaf, None] = {}
    seen: set[Node] = set()
    stack = list(reversed(list(outputs)))
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, kind):
            found[node] = None
        stack.extend(reversed((*node.attributes.get("layer", ()), *node.inputs)))
    return tuple(found)


def named(outputs: Iterable[Node], name: str) -> list[Node]:
    """Return every node with this name."""
    return [node for node in topological(outputs) if node.name == name]


def one_named(output: Node, name: str) -> Node | None:
    """Return the only node with this name, None if there is none."""
    found = named((output,), name)
    if len(found) > 1:
        msg = (
            f"{len(found)} nodes are named {name!r}; use find_all_with_name, or give them "
            "different names."
        )
        raise UnknownNameError(msg)
    return found[0] if found else None


def substitute(output: Node, replacements: Mapping[Node, Node]) -> Node:
    """Return `output` with some nodes replaced; nodes that do not depend on them are shared."""
    new: dict[Node, Node] = dict(replacements)
    for node in topological((output,)):
        if node in new:
            continue
        inputs = tuple(new[operand] for operand in node.inputs)
        layer = node.attributes.get("layer", ())
        own = tuple(new.get(parameter, parameter) for parameter in layer)
        if inputs == node.inputs and own == tuple(layer):
            new[node] = node
            continue
        attributes = {**node.attributes, "layer": own} if layer else node.attributes
        new[node] = apply(node.op, inputs, attributes, node.name)
    return new[output]
