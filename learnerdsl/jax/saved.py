"""Hold the states of an optimizer by the names of parameters, between two libraries."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from learnerdsl.define import UpdateRule
from learnerdsl.errors import CheckpointError, RuleError
from learnerdsl.jax.state import LearnerState
from learnerdsl.jax.transformation import SAMPLES, Transformation
from learnerdsl.numbers import quoted


@dataclass(frozen=True)
class Saved:
    """The states of an optimizer.

    Attributes:
        origin: where they are from, for errors.
        count: number of updates done.
        states: name of a parameter -> name of a state in the rule -> its value.
        model: name of a state of the whole model -> its value.
        hint: what to do where a shape does not fit, for errors.
    """

    origin: str
    count: Any
    states: Mapping[str, Mapping[str, Any]]
    model: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    def of(self, names: Sequence[str], needed: Set[str]) -> list[Mapping[str, Any]]:
        """Return the states of each of these parameters.

        The names are those of `self.states` in any order, without parameters that have no states
        because they stay as they are; or those are numbers, which count the leaves of the tree.

        Args:
            names: those of all parameters.
            needed: those of parameters that have states.

        Raises:
            CheckpointError: neither is so.
        """
        if needed <= set(self.states) <= set(names):
            return [self.states.get(name, {}) for name in names]
        numbers = [str(k) for k in range(len(names))]
        wanted = {number for number, name in zip(numbers, names, strict=True) if name in needed}
        if wanted <= set(self.states) <= set(numbers):
            return [self.states.get(number, {}) for number in numbers]
        msg = (
            f"{self.origin} has the parameters {_listed(self.states)}, the tree "
            f"{_listed(names)}; give both the same names, or {self.origin.lower()} a list in the "
            "order of jax.tree.leaves(params)."
        )
        raise CheckpointError(msg)


def _listed(names: Any) -> str:
    shown = list(names)
    return ", ".join(map(repr, shown[:6])) + (", …" if len(shown) > 6 else "")


def paths_of(tree: Any) -> list[tuple[str, Any]]:
    """Return (name, leaf) for each leaf of a tree; names are paths such as "layers.0.weight".

    `optax.MaskedNode()`, in place of an array, is a leaf.
    """
    found = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_absent)[0]
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in found]


def is_absent(node: Any) -> bool:
    """Return whether a node of a tree stands for an array that is not there."""
    return isinstance(node, optax.MaskedNode)


def filled(template: LearnerState, params: Any, saved: Saved) -> LearnerState:
    """Return a state with the values of another library.

    Args:
        template: the state before the first update.
        params: the tree of parameters.
        saved: the values.

    Raises:
        CheckpointError: they are of another rule or model.
    """
    names = [name for name, _ in paths_of(params)]
    tree = jax.tree.structure(params)
    needed = {
        name
        for values in template.states.values()
        for name, own in zip(names, tree.flatten_up_to(values), strict=True)
        if not is_absent(own)
    }
    each = saved.of(names, needed)
    _refuse_others(saved, template)
    states: dict[str, Any] = {}
    for state, values in template.states.items():
        leaves = tree.flatten_up_to(values)
        new = [
            own if is_absent(own) else _of_parameter(saved, name, theirs, state, own)
            for name, theirs, own in zip(names, each, leaves, strict=True)
        ]
        states[state] = jax.tree.unflatten(tree, new)
    model = {
        state: like(_found(saved.model, state, saved.origin), own, f"{state!r}")
        for state, own in template.model.items()
    }
    return LearnerState(like(saved.count, template.count, "the count"), states, model)


def _refuse_others(saved: Saved, template: LearnerState) -> None:
    """Raise if another library has states that the rule has not."""
    known = {*template.states, *template.model, SAMPLES}
    theirs = {*saved.model, *(name for own in saved.states.values() for name in own)}
    if not theirs <= known:
        msg = (
            f"{saved.origin} has the states {', '.join(sorted(theirs - known))}, which the rule "
            f"does not have; it has {', '.join(sorted(known - {SAMPLES})) or 'none'}."
        )
        raise CheckpointError(msg)


def _found(values: Mapping[str, Any], name: str, origin: str) -> Any:
    if name not in values:
        msg = f"{origin} has no state {name!r}; there are: {', '.join(values) or 'none'}."
        raise CheckpointError(msg)
    return values[name]


def _of_parameter(
    saved: Saved, parameter: str, theirs: Mapping[str, Any], state: str, own: Any
) -> Any:
    """Return the value of a state of a parameter."""
    value = _found(theirs, state, f"{saved.origin} for parameter {parameter!r}")
    return like(value, own, f"state {state!r} of {parameter!r}", saved.hint)


def like(value: Any, own: Any, what: str, hint: str = "") -> Any:
    """Return a value as an array with shape, dtype and devices of another one.

    Axes of length 1 may be missing, or be there in addition.

    Raises:
        CheckpointError: it has another shape.
    """
    with jax.enable_x64(True):
        array = jnp.array(value, copy=True)
        if _long_axes(array.shape) != _long_axes(own.shape):
            msg = f"{what[0].upper()}{what[1:]} has shape {array.shape}, here {own.shape}.{hint}"
            raise CheckpointError(msg)
        if jnp.issubdtype(own.dtype, jnp.integer):
            array = jnp.round(array.astype(jnp.float64))
        array = array.reshape(own.shape).astype(own.dtype)
        is_placed = isinstance(own, jax.Array) and not isinstance(own, Tracer)
        is_concrete = not isinstance(array, Tracer)
        return jax.device_put(array, own.sharding) if is_placed and is_concrete else array


def _long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def checked_transformation(name: str, tx: Any) -> Transformation:
    """Return a transformation, or raise if it is none by a rule."""
    if not isinstance(tx, Transformation):
        msg = (
            f"{name} takes a transformation of learnerdsl.jax, got {quoted(tx)}; of a chain or a "
            "wrapper of optax convert the part that updates by the rule."
        )
        raise RuleError(msg)
    return tx


def name_of_one_rule(name: str, tx: Transformation) -> str:
    """Return the name of a transformation's rule, or raise if it has several."""
    if not isinstance(tx.rule, UpdateRule):
        msg = (
            f"{name} converts the states of one rule, and this transformation has several; convert "
            "the parameters of each rule with a transformation of their own."
        )
        raise RuleError(msg)
    return tx.rule.name


def checked_state(name: str, state: Any) -> LearnerState:
    """Return the state of a transformation, or raise if it is none."""
    if not isinstance(state, LearnerState):
        msg = (
            f"{name} takes a LearnerState, got {quoted(state)}; of a chain or a wrapper of optax "
            "give the part that updates by the rule."
        )
        raise CheckpointError(msg)
    return state


def by_parameter(state: LearnerState, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return name of a parameter in another library -> its states.

    Raises:
        CheckpointError: the state has parameters of other names, and these are not numbers.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for own, values in state.states.items():
        pairs = paths_of(values)
        present = {name for name, value in pairs if not is_absent(value)}
        if not present <= set(names):
            pairs = [(str(k), value) for k, (_, value) in enumerate(pairs)]
        theirs = {name for name, value in pairs if not is_absent(value)}
        if not theirs <= set(names) <= {name for name, _ in pairs}:
            msg = (
                f"The state has the parameters {_listed(sorted(present))}, the other side "
                f"{_listed(names)}; give both the same names, or the other side a list in the "
                "order of jax.tree.leaves(params)."
            )
            raise CheckpointError(msg)
        for name, value in pairs:
            if not is_absent(value):
                found[name][own] = value
    return found


def fitted(value: Any, own: Any, parameter: Any, state: str) -> Any:
    """Return a value as an array of the shape that a learner has; its dtype if it is a number."""
    array = np.asarray(value)
    if own is None:
        return array
    if tuple(n for n in array.shape if n != 1) != tuple(n for n in own.shape if n != 1):
        msg = (
            f"State {state!r} of {parameter!r} has shape {array.shape}, in the learner {own.shape}."
        )
        raise CheckpointError(msg)
    return array.reshape(own.shape).astype(own.dtype if own.shape == () else array.dtype)
