"""Sorts the assigns of an update function by parameter, before they are lowered.

The graph that the function returned comes in; units go out, each a parameter with the assigns that
go along its elements. A reduction to one number does not connect units.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from learnerdsl.cntk.errors import GraphError
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.shapes import REDUCTIONS
from learnerdsl.cntk.graph.walks import topological


@dataclass
class Unit:
    """A parameter and the assigns that go along its elements.

    Attributes:
        index: index of the parameter.
        parameter: the parameter.
        gradient: the node for its gradient.
        assigns: its assigns, in the order of the graph.
        states: assigned constants of its shape, in the order of the assigns.
    """

    index: int
    parameter: Node
    gradient: Node
    assigns: list[Node] = field(default_factory=list)
    states: list[Node] = field(default_factory=list)


class UpdateGraph:
    """The graph of an update function, sorted by parameters.

    Args:
        root: the node that the function returned.
        parameters: the parameters that the function was called with.
        gradients: the nodes for their gradients.

    Raises:
        GraphError: assigns contradict each other or mix parameters; the message names the node.
    """

    def __init__(self, root: Node, parameters: Sequence[Node], gradients: Sequence[Node]) -> None:
        self.order = topological((root,))
        self.units = [
            Unit(index, p, g)
            for index, (p, g) in enumerate(zip(parameters, gradients, strict=True))
        ]
        self.assigned: dict[Node, Node] = {}
        for node in self.order:
            if node.op == "assign":
                self._add_assign(node)
        self._check_reached()
        self.elements = self._element_nodes()
        self.owner: dict[Node, int] = {}
        self._tie()
        self.scalar_assigns = [n for n in self.assigned.values() if n not in self.elements]
        for node in self.assigned.values():
            if node in self.elements:
                self._give(node)

    def _add_assign(self, node: Node) -> None:
        target = node.inputs[0]
        if target in self.assigned:
            msg = (
                f"{target!r} is assigned twice, by {self.assigned[target]!r} and {node!r}; "
                "assign it once."
            )
            raise GraphError(msg)
        if any(target is unit.gradient for unit in self.units):
            msg = f"{node!r} assigns to a gradient, which is an input; assign to a constant."
            raise GraphError(msg)
        self.assigned[target] = node

    def _check_reached(self) -> None:
        reached = set(self.order)
        for unit in self.units:
            if unit.parameter not in reached:
                msg = (
                    f"The update function does not use {unit.parameter!r}; assign it, or make a "
                    "learner without it."
                )
                raise GraphError(msg)
            if unit.gradient not in reached:
                text = f"The update function does not use the gradient of {unit.parameter!r}."
                warnings.warn(text, RuntimeWarning, stacklevel=4)

    def _element_nodes(self) -> set[Node]:
        """Return the nodes that have a value for each element of a parameter, not one number."""
        found: set[Node] = {leaf for unit in self.units for leaf in (unit.parameter, unit.gradient)}
        size = -1
        while size != len(found):
            size = len(found)
            for node in self.order:
                if self._is_element(node, found):
                    found.add(node)
        return found

    def _is_element(self, node: Node, found: set[Node]) -> bool:
        if node.op == "assign":
            return node.inputs[1] in found or node.inputs[0] in found
        if node.op in REDUCTIONS and _is_number(node):
            return False
        if not node.inputs:
            return not _is_number(node) or self.assigned.get(node) in found
        return any(operand in found for operand in node.inputs)

    def leaves(self, node: Node) -> set[Node]:
        """Return the leaves whose elements a node combines, outside of reductions."""
        found: set[Node] = set()
        seen: set[Node] = set()
        waiting = [node]
        while waiting:
            here = waiting.pop()
            if here in seen or here not in self.elements:
                continue
            seen.add(here)
            if not here.inputs:
                found.add(here)
            waiting.extend(here.inputs)
        return found

    def owners(self, node: Node) -> set[int]:
        """Return the indices of the parameters whose elements a node combines."""
        return {self.owner[leaf] for leaf in self.leaves(node) if leaf in self.owner}

    def _tie(self) -> None:
        """Find the parameter of each leaf: leaves that an assign combines belong together."""
        for unit in self.units:
            self.owner[unit.parameter] = self.owner[unit.gradient] = unit.index
        together = [
            self.leaves(node)
            for node in self.order
            if node.op == "assign" and node in self.elements
        ]
        free = {leaf for leaf in self.assigned if leaf in self.elements} - set(self.owner)
        while free:
            known = len(free)
            for leaves in together:
                owners = {self.owner[leaf] for leaf in leaves if leaf in self.owner}
                for leaf in leaves & free if owners else ():
                    self.owner[leaf] = min(owners)
                    free.discard(leaf)
            if len(free) == known:
                break

    def _give(self, node: Node) -> None:
        """Put an assign into the unit of its parameter."""
        owners = self.owners(node)
        target = node.inputs[0]
        if not owners:
            msg = (
                f"{node!r} assigns {target!r}, but does not combine it with a parameter or "
                "gradient; combine it with one of the same shape, or make it one number."
            )
            raise GraphError(msg)
        if len(owners) > 1:
            first, second = (self.units[index].parameter for index in sorted(owners)[:2])
            msg = (
                f"{node!r} combines elements of {first!r} and {second!r}; an update goes element "
                "by element, so reduce the other parameter to one number, for example by "
                "reduce_sum."
            )
            raise GraphError(msg)
        unit = self.units[owners.pop()]
        if target is not unit.parameter and target.is_parameter:
            msg = (
                f"{node!r} assigns {target!r}, which the learner was not given; add it to the list."
            )
            raise GraphError(msg)
        if target.shape != unit.parameter.shape:
            msg = (
                f"{target!r} has shape {target.shape}, but its parameter has "
                f"{unit.parameter.shape}; a state must have the shape of the parameter, or be one "
                "number."
            )
            raise GraphError(msg)
        unit.assigns.append(node)
        if target is not unit.parameter:
            unit.states.append(target)

    def reached(self, nodes: Iterable[Node]) -> list[Node]:
        """Return all nodes that `nodes` depend on, also through the assigns of their leaves."""
        found: dict[Node, None] = {}
        waiting = list(nodes)
        while waiting:
            for node in topological((waiting.pop(),)):
                if node not in found:
                    found[node] = None
                    if node in self.assigned and self.assigned[node] not in found:
                        waiting.append(self.assigned[node])
        return list(found)


def _is_number(node: Node) -> bool:
    return int(np.prod(node.shape, dtype=int)) == 1
