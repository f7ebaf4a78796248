"""`universal`: makes a learner from an update function that returns a graph of assigns.

The graph is lowered to update rules and fused. Parameters whose graphs have the same structure
share a rule and a learner. If an update needs a reduction of another parameter that is not part of
a sum over all parameters, a separate learner measures it first.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import shown
from learnerdsl.cntk.graph.evaluation import stored
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.shapes import REDUCTIONS
from learnerdsl.cntk.graph.variables import Constant, Parameter, Stored
from learnerdsl.cntk.learning.builtin import RuleLearner
from learnerdsl.cntk.learning.learner import Gradient
from learnerdsl.cntk.learning.lowering import (
    Lowered,
    MustMeasure,
    lower_measured_unit,
    lower_reduction,
    lower_unit,
)
from learnerdsl.cntk.learning.running import Runner
from learnerdsl.cntk.learning.schedules import TrainingParameterSchedule
from learnerdsl.cntk.learning.update_graph import Unit, UpdateGraph
from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import Reduction
from learnerdsl.tracing import Rule

UpdateFunction = Callable[[Sequence[Parameter], Sequence[Constant]], Node]
Members = tuple[list[Lowered], list[Parameter]]


@dataclass
class Structure:
    """Parameters that one rule updates.

    Attributes:
        lowered: for each parameter the rule, and the nodes of its states and hyperparameters.
        parameters: the parameters.
        scalars: values of the hyperparameters at the coming update.
        runner: updates the parameters.
    """

    lowered: list[Lowered]
    parameters: list[Parameter]
    scalars: dict[str, float] = field(default_factory=dict)
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        """Make the runner, and store the constants of the graph in the memory of its states."""
        rule = self.rule
        self.scalars |= {symbol.name: 0.0 for symbol in rule.hyperparameters}
        self.runner = Runner(self.parameters, _always(rule), self.scalars, splits=False)
        self.start = [[stored(node) for node in one.states] for one in self.lowered]
        self.fill()
        self._tensor_states: list[tuple[Node, np.ndarray]] = []
        self._model_states: list[tuple[Node, str]] = []
        for one, states in zip(self.lowered, self.runner.states, strict=True):
            for spec, node in zip(rule.states, one.states, strict=True):
                name, shape = spec.symbol.name, spec.symbol.shape
                if shape == "element" and isinstance(node, Stored):
                    node.use_memory(states[name])
                elif shape == "tensor":
                    self._tensor_states.append((node, states[name]))
                elif one is self.lowered[0]:
                    self._model_states.append((node, name))
        self.start = [[_compact(array) for array in arrays] for arrays in self.start]

    @property
    def rule(self) -> Rule:
        """The rule that all the parameters share."""
        return self.lowered[0].rule

    def fill(self) -> None:
        """Set the states to the values that the constants had when the learner was made."""
        for states, arrays in zip(self.runner.states, self.start, strict=True):
            for spec, array in zip(self.rule.states, arrays, strict=True):
                if spec.symbol.shape == "element":
                    states[spec.symbol.name][...] = array

    def publish(self) -> None:
        """Copy states that are one number into their constants."""
        for node, array in self._tensor_states:
            stored(node)[...] = array
        if self._model_states:
            values = self.runner.parts[0].learner.model_state
            for node, name in self._model_states:
                stored(node)[...] = values[name]


@dataclass(frozen=True)
class Measurement:
    """Reductions that are measured before the rules run.

    Attributes:
        nodes: the reductions, one for each parameter.
        runner: runs the rule that reduces.
    """

    nodes: tuple[Node, ...]
    runner: Runner

    def measure(self, gradients: Mapping[Parameter, Gradient], count: int) -> dict[Node, float]:
        """Return the values of the reductions; the parameters do not change."""
        self.runner.update([gradients[p] for p in self.runner.parameters], count)
        totals = [float(states["total"]) for states in self.runner.states]
        return dict(zip(self.nodes, totals, strict=True))


class UniversalLearner(RuleLearner):
    """A learner from an update function; made by `universal`.

    Args:
        update_func: takes lists of parameters and gradients, and returns a graph of assigns.
        parameters: list or tuple of different parameters.
    """

    def __init__(self, update_func: UpdateFunction, parameters: Sequence[Parameter]) -> None:
        super().__init__(parameters, TrainingParameterSchedule([(0, 1.0)], 0, 0))
        _check_function(update_func)
        gradients = [_gradient_of(parameter) for parameter in self.all_parameters]
        root = update_func(list(self.all_parameters), list(gradients))
        _check_result(root)
        graph = UpdateGraph(root, self.all_parameters, gradients)
        name = _name_of(update_func)
        try:
            found = self._lower(graph, name, lower_unit)
            _check_model_wide(found, len(graph.units))
        except MustMeasure:
            found = self._lower(graph, name, lower_measured_unit)
        self._structures = [Structure(lowered, members) for lowered, members in found]
        self._measurements = self._measure(graph)
        self.runners = [structure.runner for structure in self._structures]

    def _lower(
        self, graph: UpdateGraph, name: str, lower: Callable[[UpdateGraph, Unit, str], Lowered]
    ) -> list[Members]:
        """Lower each unit, and collect the parameters that share a rule."""
        found: dict[Any, Members] = {}
        for unit in graph.units:
            if not unit.assigns and not (unit.index == 0 and graph.scalar_assigns):
                continue
            lowered = lower(graph, unit, name)
            parameter = self.all_parameters[unit.index]
            key = (lowered.rule, parameter.dtype, lowered.sources)
            members = found.setdefault(key, ([], []))
            members[0].append(lowered)
            members[1].append(parameter)
        return list(found.values())

    def _measure(self, graph: UpdateGraph) -> list[Measurement]:
        """Lower the reductions that have to be known before the rules run."""
        found: dict[Any, tuple[list[Node], list[Parameter]]] = {}
        sources = [node for s in self._structures for one in s.lowered for node in one.sources]
        for node in dict.fromkeys(node for node in sources if node.op in REDUCTIONS):
            index, lowered = lower_reduction(graph, node)
            parameter = self.all_parameters[index]
            # Two reductions of one parameter need two learners.
            turn = sum(parameter in members for _, members in found.values())
            nodes, members = found.setdefault((lowered.rule, parameter.dtype, turn), ([], []))
            nodes.append(node)
            members.append(parameter)
        return [
            Measurement(tuple(nodes), Runner(members, _always(rule), {}, splits=False))
            for (rule, _, _), (nodes, members) in found.items()
        ]

    def prepare(self, count: int) -> bool:
        """Set the hyperparameters to the values of schedules and named constants in the graph."""
        del count
        if self.learning_rate() == 0:
            return False
        for structure in self._structures:
            sources = structure.lowered[0].sources
            for name, node in zip(structure.scalars, sources, strict=True):
                if node.op not in REDUCTIONS:
                    structure.scalars[name] = self._value(node)
        return True

    def _value(self, node: Node) -> float:
        if node.op == "schedule":
            return self.value_of(node.attributes["schedule"])
        return float(stored(node))

    def run(self, gradients: Mapping[Parameter, Gradient], count: int) -> None:
        """Measure reductions, then update."""
        measured: dict[Node, float] = {}
        for measurement in self._measurements:
            measured |= measurement.measure(gradients, count)
        for structure in self._structures:
            sources = structure.lowered[0].sources
            for name, node in zip(structure.scalars, sources, strict=True):
                if node in measured:
                    structure.scalars[name] = measured[node]
        super().run(gradients, count)
        for structure in self._structures:
            structure.publish()

    def reset_smoothed_gradients(self) -> None:
        """Reset the states to the first values of their constants."""
        super().reset_smoothed_gradients()
        for structure in self._structures:
            structure.fill()
            structure.publish()

    def restore_states(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the states, all or none, and the constants that show them."""
        super().restore_states(checkpoint)
        for structure in self._structures:
            structure.publish()

    def __repr__(self) -> str:
        names = ", ".join(structure.rule.name for structure in self._structures)
        return f"<universal learner of {len(self.all_parameters)} parameters: {names}>"


def universal(update_func: UpdateFunction, parameters: Sequence[Parameter]) -> UniversalLearner:
    """Make a learner that does what `update_func` describes, fused into loops.

    Args:
        update_func: takes a list of parameters and a list of their gradients (constants named
            "grad", summed over the minibatch), and returns one `assign` or a `combine` of several.
            It is called once. The value of an `assign` is the new value; its target, read
            elsewhere, still has the old one. Constants that it assigns are states. Expressions may
            contain schedules, whose values follow the samples seen, and constants with a name,
            whose values are read at every update.
        parameters: list or tuple of different parameters.

    Raises:
        GraphError: a RuntimeError; the graph cannot be expressed as a rule.
        HyperparameterError: a ValueError; `update_func` does not take two arguments, or does not
            return a function.

    >>> import numpy as np
    >>> import learnerdsl.cntk as C
    >>> def momentum(parameters, gradients):
    ...     updates = []
    ...     for p, g in zip(parameters, gradients):
    ...         v = C.constant(0, shape=p.shape, name="v")
    ...         v_new = C.assign(v, 0.5 * v + g)
    ...         updates.append(C.assign(p, p - 0.25 * v_new))
    ...     return C.combine(updates)
    >>> w = C.parameter(shape=(2,), init=1)
    >>> learner = C.universal(momentum, [w])
    >>> [learner.update({w: np.ones(2, np.float32)}, 1) for _ in range(2)]
    [True, True]
    >>> w.value
    array([0.375, 0.375], dtype=float32)
    >>> print(learner.plan())
    momentum (float32): 1 pass, 20 bytes per element
      pass 1: reads p, g, v; writes v, p
    """
    return UniversalLearner(update_func, parameters)


def _always(rule: Rule) -> Callable[[bool], Rule]:
    """Return a function that returns `rule`, whether gradients are row-sparse or not."""
    return lambda is_sparse: rule


def _check_function(update_func: Any) -> None:
    if not callable(update_func):
        msg = f"universal needs an update function as first argument, got {shown(update_func)}."
        raise HyperparameterError(msg)
    try:
        arguments = inspect.signature(update_func).parameters
    except ValueError:
        msg = f"{shown(update_func)} does not have a signature; write a function in Python."
        raise HyperparameterError(msg) from None
    if len(arguments) != 2:
        msg = (
            f"{_name_of(update_func)} takes {len(arguments)} arguments; an update function takes "
            "two: the list of parameters and the list of gradients."
        )
        raise HyperparameterError(msg)


def _name_of(update_func: Callable[..., Any]) -> str:
    """Return the name of a function; "universal" if it does not have one."""
    return getattr(update_func, "__name__", "universal")


def _check_result(root: Any) -> None:
    if not isinstance(root, Node):
        given = "a list" if isinstance(root, (list, tuple)) else shown(root)
        msg = f"The update function returned {given}; return C.combine([...]) or one C.assign."
        raise HyperparameterError(msg)


def _gradient_of(parameter: Parameter) -> Constant:
    """Return a constant for a gradient, whose elements share one number in memory."""
    constant = Constant(0, dtype=parameter.dtype, name="grad")
    constant.shape = parameter.shape
    constant.use_memory(np.broadcast_to(constant.memory, parameter.shape))
    return constant


def _check_model_wide(found: Sequence[Members], units: int) -> None:
    """Raise MustMeasure if a rule reduces over the model, but does not update all of it."""
    is_whole = len(found) == 1 and len(found[0][1]) == units
    if not is_whole and any(_spans_model(lowered[0].rule) for lowered, _ in found):
        raise MustMeasure


def _spans_model(rule: Rule) -> bool:
    reductions = [r for line in rule.lines for r in line.expression.atoms(Reduction)]
    return any(reduction.over == "model" for reduction in reductions)


def _compact(array: np.ndarray) -> np.ndarray:
    """Return one number if all elements are equal, else a copy of the array."""
    first = array.flat[:1]
    return first.copy().reshape(()) if np.all(array == first) else array.copy()
