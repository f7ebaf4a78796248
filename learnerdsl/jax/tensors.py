"""Hold the leaves of a tree of parameters, with the rule of each that is trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from learnerdsl.jax.choosing import Chosen
from learnerdsl.jax.division import Division, division_of
from learnerdsl.jax.inputs import extras_of_tensor
from learnerdsl.jax.programs import Model
from learnerdsl.jax.specs import check_gradient
from learnerdsl.jax.state import LearnerState


@dataclass(frozen=True)
class Tensors:
    """The leaves of a tree of parameters.

    Attributes:
        leaves: the parameters.
        tree: how to make the tree of them.
        places: the numbers of those that are trained.
        names: the paths of these.
        chosen: the rules of these.
        shapes: the shapes in which the rules see them.
        divisions: how they are divided inside shard_map; None for those that are whole.
    """

    leaves: list[Any]
    tree: Any
    places: list[int]
    names: list[str]
    chosen: Chosen
    shapes: list[tuple[int, ...]]
    divisions: list[Division | None]

    @property
    def groups(self) -> list[int]:
        """Return for each trained parameter the index of its settings."""
        return self.chosen.groups

    @property
    def model(self) -> Model:
        """Return the rules of the trained parameters."""
        return self.chosen.model

    def trained(self, values: Sequence[Any]) -> list[Any]:
        """Return those of the values, one for each leaf, that belong to trained parameters."""
        return [values[k] for k in self.places]

    def seen(self, values: Sequence[Any]) -> list[Any]:
        """Return those of the arrays that belong to trained parameters, as their rules see them."""
        return list(map(_reshaped, self.trained(values), self.shapes))

    def given(self, values: Sequence[Any]) -> list[Any]:
        """Return arrays of the trained parameters in the shapes that these have."""
        return list(map(_reshaped, values, [p.shape for p in self.trained(self.leaves)]))

    def extras(self, values: Mapping[Any, Sequence[Any]]) -> list[dict[Any, Any]]:
        """Return for each trained parameter, symbol -> value of the extra inputs that it has."""
        found: list[dict[Any, Any]] = []
        for k, (place, shape) in enumerate(zip(self.places, self.shapes, strict=True)):
            own = {symbol: value[place] for symbol, value in values.items()}
            rule, division = self.model.of(k).rule, self.divisions[k]
            whole = shape if division is None else division.inner.whole_shape(shape)
            found.append(extras_of_tensor(rule, self.names[k], shape, own, whole))
        return found

    def state_specs(self, divisions: Sequence[Division]) -> list[dict[str, PartitionSpec]]:
        """Return for each trained parameter, name -> spec of its states.

        Args:
            divisions: how these parameters are divided.
        """
        return [
            {
                state.symbol.name: division_of(state.symbol, division).spec
                for state in self.model.of(k).rule.states
                if state.symbol.shape != "model"
            }
            for k, division in enumerate(divisions)
        ]

    def check_gradients(self, rule: str, gradients: Sequence[Any]) -> None:
        """Raise if a gradient is divided over axes that its parameter is not divided over."""
        own = zip(self.names, self.divisions, self.trained(gradients), strict=True)
        for name, division, gradient in own:
            check_gradient(rule, name, division, gradient)

    def filled(self, values: Sequence[Any], others: Sequence[Any]) -> Any:
        """Return a tree of values of the trained parameters, and of other values for the rest."""
        every = dict(zip(self.places, values, strict=True))
        return jax.tree.unflatten(self.tree, [every.get(k, o) for k, o in enumerate(others)])

    def states(self, each: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
        """Return name of a state -> a tree of its values, from those of the trained parameters."""
        none = [optax.MaskedNode()] * len(self.leaves)
        return {n: self.filled([own.get(n, none[0]) for own in each], none) for n in names}

    def states_of(self, state: LearnerState) -> list[dict[str, Any]]:
        """Return for each leaf, name -> value of its states."""
        own: list[dict[str, Any]] = [{} for _ in self.leaves]
        for name, values in state.states.items():
            for k, value in enumerate(self.tree.flatten_up_to(values)):
                if not isinstance(value, optax.MaskedNode):
                    own[k][name] = value
        return own


def _reshaped(array: Any, shape: tuple[int, ...]) -> Any:
    """Return an array in another shape; itself if it has that."""
    return array if jnp.shape(array) == tuple(shape) else jnp.reshape(array, shape)
