"""Lowers a unit of an update graph to a rule: operations of the graph become SymPy expressions.

A sum of the same reduction over all parameters becomes a reduction over the model. Any other
reduction of another parameter is a scalar that has to be measured before the rule runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter as Argument
from inspect import Signature
from typing import Any

import numpy as np
import sympy

from learnerdsl import expr
from learnerdsl.cntk.errors import GraphError
from learnerdsl.cntk.graph.evaluation import stored
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.shapes import REDUCTIONS
from learnerdsl.cntk.graph.walks import topological
from learnerdsl.cntk.learning.update_graph import Unit, UpdateGraph
from learnerdsl.tracing import Rule, assign, combine, state, trace

_COMPARISONS: dict[str, Any] = {
    "less": sympy.Lt,
    "less_equal": sympy.Le,
    "greater": sympy.Gt,
    "greater_equal": sympy.Ge,
    "equal": sympy.Eq,
    "not_equal": sympy.Ne,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "plus": lambda x, y: x + y,
    "minus": lambda x, y: x - y,
    "element_times": lambda x, y: x * y,
    "element_divide": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "element_max": expr.maximum,
    "element_min": expr.minimum,
    "clip": expr.clip,
    "relu": lambda x: expr.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + expr.exp(-x)),
    "tanh": expr.tanh,
    "exp": expr.exp,
    "log": expr.log,
    "sqrt": expr.sqrt,
    "square": lambda x: x**2,
    "abs": expr.abs,
    "negate": lambda x: -x,
    "stop_gradient": lambda x: x,
    "alias": lambda x: x,
}

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": expr.sum,
    "reduce_mean": expr.mean,
    "reduce_max": expr.max,
    "reduce_min": lambda x: -expr.max(-x),
}


class MustMeasure(Exception):
    """A rule needs a reduction of another parameter, which it cannot compute itself."""


@dataclass(frozen=True)
class Lowered:
    """The rule of a unit.

    Attributes:
        rule: the rule.
        states: the constant for each state of the rule, in the rule's order.
        sources: the node for each hyperparameter of the rule, in the rule's order.
    """

    rule: Rule
    states: tuple[Node, ...]
    sources: tuple[Node, ...]


def lower_unit(graph: UpdateGraph, unit: Unit, name: str) -> Lowered:
    """Turn a unit into a rule that computes everything it needs.

    Args:
        graph: the graph that the unit belongs to.
        unit: one of its units.
        name: name of the rule.

    Raises:
        MustMeasure: the unit reads a reduction of another parameter that is not a part of a sum
            over all parameters.
        GraphError: an operation that no rule can express; the message names the node.
    """
    return _lowered_by(_Lowering(graph, unit), name)


def lower_measured_unit(graph: UpdateGraph, unit: Unit, name: str) -> Lowered:
    """Turn a unit into a rule whose hyperparameters are the reductions of other parameters.

    Args:
        graph: the graph that the unit belongs to.
        unit: one of its units.
        name: name of the rule.

    Raises:
        GraphError: an operation that no rule can express; the message names the node.
    """
    return _lowered_by(_MeasuredLowering(graph, unit), name)


def _lowered_by(lowering: "_Lowering", name: str) -> Lowered:
    graph, unit = lowering.graph, lowering.unit
    own = graph.reached(unit.assigns)
    lowering.scalar_assigns = [
        node
        for node in graph.scalar_assigns
        if node in own or (unit.index == 0 and not _is_used(graph, node))
    ]
    reached = graph.reached([*lowering.scalar_assigns, *unit.assigns])
    rule = trace(lowering.function(name, reached))
    return Lowered(rule, tuple(lowering.states), tuple(lowering.hypers))


def lower_reduction(graph: UpdateGraph, node: Node) -> tuple[int, Lowered]:
    """Return the index of a parameter, and a rule that reduces its elements to a scalar state."""
    owners = graph.owners(node.inputs[0])
    if len(owners) != 1:
        msg = (
            f"{node!r} reduces an expression that combines elements of several parameters; "
            "reduce each parameter separately."
        )
        raise GraphError(msg)
    unit = graph.units[owners.pop()]
    stray = [leaf for leaf in graph.leaves(node.inputs[0]) if leaf in graph.assigned]
    if any(leaf is not unit.parameter for leaf in stray) or _has_assign(graph, node):
        msg = (
            f"{node!r} reduces a state or the new value of {unit.parameter!r} for the update of "
            "another parameter; reduce its old value or its gradient instead."
        )
        raise GraphError(msg)
    lowering = _Lowering(graph, Unit(unit.index, unit.parameter, unit.gradient))

    def measure(p: Any, g: Any) -> Any:
        lowering.start(p, g, {})
        total = state("total", shape="tensor")
        return combine([assign(total, lowering.lower(node)), assign(p, p)])

    return unit.index, Lowered(trace(measure), (), ())


def _is_used(graph: UpdateGraph, node: Node) -> bool:
    """Return whether the update of any parameter needs the scalar that a node assigns."""
    return any(node in graph.reached(unit.assigns) for unit in graph.units)


def _has_assign(graph: UpdateGraph, node: Node) -> bool:
    return any(one.op == "assign" and one in graph.elements for one in topological((node,)))


class _Lowering:
    """Translates nodes to expressions in the symbols of one unit."""

    def __init__(self, graph: UpdateGraph, unit: Unit) -> None:
        self.graph = graph
        self.unit = unit
        self.scalar_assigns: list[Node] = []
        self.states: list[Node] = []
        self.hypers: dict[Node, str] = {}
        self.names: set[str] = {"p", "g"}
        self.known: dict[Node, Any] = {}
        self.signatures: dict[Any, int] = {}
        self.signed: dict[tuple[Node, int], int] = {}

    def function(self, name: str, reached: Sequence[Node]) -> Callable[..., Any]:
        """Return a function for `trace`, with an argument for each scalar that can change."""
        for node in reached:
            if self._is_live(node):
                self.hypers[node] = self._free_name(node.name or node.op)

        def update(p: Any, g: Any, **hypers: Any) -> Any:
            self.start(p, g, hypers)
            return self._update(p)

        kind = Argument.POSITIONAL_OR_KEYWORD
        arguments = [Argument("p", kind), Argument("g", kind)]
        arguments += [Argument(name, kind, default=0.0) for name in self.hypers.values()]
        update.__name__ = name if name.isidentifier() else "universal"
        update.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
        return update

    def start(self, p: Any, g: Any, hypers: dict[str, Any]) -> None:
        """Set the symbols of the parameter, the gradient and the hyperparameters."""
        self.known = {self.unit.parameter: p, self.unit.gradient: g}
        self.known |= {node: hypers[name] for node, name in self.hypers.items()}
        self.states = []

    def _update(self, p: Any) -> Any:
        for target in self.unit.states:
            self._declare(target, "element")
        for node in self.scalar_assigns:
            self._declare(node.inputs[0], self._scalar_shape(node))
        assigns = [self.lower(node) for node in (*self.scalar_assigns, *self.unit.assigns)]
        # A constant array that nothing assigns keeps its value.
        fixed = [node for node in self.states if node not in self.graph.assigned]
        assigns += [assign(self.known[node], self.known[node]) for node in fixed]
        if self.unit.parameter not in self.graph.assigned:
            assigns.append(assign(p, p))
        return combine(assigns)

    def _is_live(self, node: Node) -> bool:
        """Return whether a node is a scalar that may change between updates."""
        if node.op == "schedule":
            return True
        if node in self.graph.assigned or node in self.graph.elements:
            return False
        if node.op in ("constant", "parameter"):
            return bool(node.name)
        return self._is_measured(node)

    def _is_measured(self, node: Node) -> bool:
        """Return whether the value of a node is measured before the rule runs."""
        return False

    def _is_foreign(self, node: Node) -> bool:
        owners = self.graph.owners(node.inputs[0])
        return bool(owners) and owners != {self.unit.index}

    def _free_name(self, wanted: str) -> str:
        name, count = wanted if wanted.isidentifier() else "x", 1
        stem = name
        while name in self.names or (len(stem) == 1 and count == 1 and stem in "pg"):
            count += 1
            name = f"{stem}{count}"
        self.names.add(name)
        return name

    def _declare(self, target: Node, shape: str) -> None:
        """Declare a state for an assigned constant."""
        array = stored(target)
        start = literal(array.flat[0]) if np.all(array == array.flat[0]) else 0
        name = self._free_name(target.name or "a")
        self.known[target] = state(name, init=start, shape=shape)
        self.states.append(target)

    def _scalar_shape(self, node: Node) -> str:
        """Return "model" if a scalar state is the same for all parameters, else "tensor"."""
        inside = self.graph.reached([node.inputs[1]])
        reduced = any(n.op in REDUCTIONS and n.inputs[0] in self.graph.elements for n in inside)
        return "tensor" if reduced and len(self.graph.units) > 1 else "model"

    def lower(self, node: Node) -> Any:
        """Return the expression of a node."""
        if node not in self.known:
            self.known[node] = self._lowered(node)
        return self.known[node]

    def _lowered(self, node: Node) -> Any:
        self._check_shape(node)
        if not node.inputs:
            return self._leaf(node)
        if node.op == "assign":
            return assign(self.lower(node.inputs[0]), self.lower(node.inputs[1]))
        if node.op in REDUCTIONS:
            return self._reduction(node)
        if node.op == "plus" and node not in self.graph.elements:
            return self._total(node)
        if node.op in _COMPARISONS:
            return expr.where(self._condition(node), 1, 0)
        if node.op == "element_select":
            flag, then, otherwise = node.inputs
            return expr.where(self._condition(flag), self.lower(then), self.lower(otherwise))
        if node.op in _FUNCTIONS:
            return _FUNCTIONS[node.op](*(self.lower(operand) for operand in node.inputs))
        msg = (
            f"{node!r} is the operation {node.op}, which does not go element by element; write an "
            "update with arithmetic, functions of one element, and reductions to one number."
        )
        raise GraphError(msg)

    def _check_shape(self, node: Node) -> None:
        own = self.unit.parameter.shape
        if node.op in REDUCTIONS and int(np.prod(node.shape, dtype=int)) != 1:
            msg = (
                f"{node!r} reduces over some axes only; an update can only reduce to one number, "
                "so leave out axis."
            )
            raise GraphError(msg)
        if node in self.graph.elements and node.shape != own and int(np.prod(node.shape)) != 1:
            msg = (
                f"{node!r} has shape {node.shape}, but its parameter {self.unit.parameter!r} has "
                f"{own}; an update goes element by element, so use that shape or one number."
            )
            raise GraphError(msg)

    def _leaf(self, node: Node) -> Any:
        """Return the expression of a constant; raise for leaves that a rule cannot read."""
        if node.op not in ("constant", "parameter"):
            msg = f"{node!r} has no value in an update; use constants, parameters and gradients."
            raise GraphError(msg)
        array = stored(node)
        if node in self.graph.owner:
            msg = (
                f"{node!r} belongs to another parameter than {self.unit.parameter!r}; reduce it to "
                "one number."
            )
            raise GraphError(msg)
        if np.all(array == array.flat[0]):
            return literal(array.flat[0])
        symbol = state(self._free_name(node.name or "c"))
        self.states.append(node)
        return symbol

    def _condition(self, node: Node) -> Any:
        """Return the condition that a node is not 0; a comparison is its own condition."""
        if node.op in _COMPARISONS:
            return _COMPARISONS[node.op](*(self.lower(operand) for operand in node.inputs))
        return sympy.Ne(self.lower(node), 0)

    def _reduction(self, node: Node) -> Any:
        (operand,) = node.inputs
        if operand not in self.graph.elements:
            return self.lower(operand)
        if self._is_foreign(node):
            raise MustMeasure
        return _REDUCTIONS[node.op](self.lower(operand))

    def _total(self, node: Node) -> Any:
        """Return a sum of scalars; a sum over all parameters becomes a sum over the model."""
        terms = _terms(node)
        total, done = sympy.S.Zero, set()
        for group in self._model_wide_sums(terms):
            own = group[self.unit.index].inputs[0]
            total += expr.sum(self.lower(own), over="model")
            done |= set(group.values())
        rest = [self.lower(term) for term in terms if term not in done]
        return sympy.Add(total, *rest)

    def _model_wide_sums(self, terms: Sequence[Node]) -> list[dict[int, Node]]:
        """Group the terms that are the same reduction of every parameter, by parameter index."""
        count = len(self.graph.units)
        if count == 1:
            return []
        groups: dict[int, dict[int, Node]] = {}
        for term in terms:
            owners = self.graph.owners(term.inputs[0]) if term.op == "reduce_sum" else set()
            if len(owners) == 1:
                (owner,) = owners
                key = self._signature(term.inputs[0], self.graph.units[owner])
                groups.setdefault(key, {})[owner] = term
        return [group for group in groups.values() if len(group) == count]

    def _signature(self, node: Node, unit: Unit) -> int:
        """Return a number that is the same for equal expressions of two units."""
        place = (node, unit.index)
        if place not in self.signed:
            key = self._signature_key(node, unit)
            self.signed[place] = self.signatures.setdefault(key, len(self.signatures))
        return self.signed[place]

    def _signature_key(self, node: Node, unit: Unit) -> Any:
        if node is unit.parameter or node is unit.gradient:
            return "p" if node is unit.parameter else "g"
        if node in unit.states:
            return ("state", unit.states.index(node))
        if not node.inputs and node not in self.graph.elements and not self._is_live(node):
            return ("number", float(stored(node).flat[0])) if node.op == "constant" else node
        if not node.inputs:
            return node
        return (node.op, *(self._signature(operand, unit) for operand in node.inputs))


class _MeasuredLowering(_Lowering):
    """Translates nodes of a rule whose hyperparameters include reductions of other parameters."""

    def _is_measured(self, node: Node) -> bool:
        return node.op in REDUCTIONS and self._is_foreign(node)

    def _model_wide_sums(self, terms: Sequence[Node]) -> list[dict[int, Node]]:
        return []


def _terms(node: Node) -> list[Node]:
    """Return the terms of a chain of plus."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if here.op == "plus":
            waiting.extend(reversed(here.inputs))
        else:
            found.append(here)
    return found


def literal(value: np.floating[Any]) -> float | int:
    """Return the shortest number that rounds to the same value in the array's dtype."""
    number = float(str(value)) if np.isfinite(value) else float(value)
    return int(number) if np.isfinite(number) and number.is_integer() else number
