"""Read how parameters are divided over devices from a tree of `PartitionSpec`s."""

from typing import Any

import jax
from jax.sharding import PartitionSpec
from jax.tree_util import keystr, tree_flatten_with_path

from learnerdsl.errors import ArrayError, HyperparameterError
from learnerdsl.jax.division import Division, varying
from learnerdsl.jax.parts import check_axes, is_bound
from learnerdsl.jax.settings import current
from learnerdsl.numbers import quoted


class Specs:
    """How the parameters of a transformation are divided inside `jax.shard_map`.

    Args:
        rule: name of the rule, for errors.
        tree: a tree of `PartitionSpec`s like the parameters, or a prefix of it.

    Attributes:
        axes: names of the axes of the mesh that divide parameters.
    """

    def __init__(self, rule: str, tree: Any) -> None:
        self.rule = rule
        self.tree = tree
        leaves = jax.tree.leaves(tree, is_leaf=_is_leaf)
        for spec in leaves:
            if not isinstance(spec, PartitionSpec):
                msg = (
                    f"specs of {rule} must be a tree of jax.P like the parameters, or its "
                    f"beginning, such as {{'w': jax.P('model', None), 'b': jax.P()}}; got "
                    f"{quoted(spec)} in it."
                )
                raise HyperparameterError(msg)
        found = (name for spec in leaves for names in _axes_of(spec) for name in names)
        self.axes = tuple(dict.fromkeys(found))

    def divisions(self, params: Any) -> list[Division]:
        """Return how each parameter is divided.

        Args:
            params: the tree of parameters.

        Raises:
            HyperparameterError: the specs do not fit the tree.
        """
        try:
            tree = jax.tree.map(
                lambda spec, part: jax.tree.map(lambda _: spec, part),
                self.tree,
                params,
                is_leaf=_is_leaf,
            )
        except (ValueError, TypeError) as error:
            msg = f"The specs of {self.rule} do not fit the tree of parameters: {error}"
            raise HyperparameterError(msg) from None
        specs = jax.tree.leaves(tree, is_leaf=_is_leaf)
        return [
            self._division(name, spec, len(leaf.shape))
            for (name, leaf), spec in zip(_leaves(params), specs, strict=True)
        ]

    def _division(self, name: str, spec: Any, ndim: int) -> Division:
        axes = _axes_of(spec)
        if len(axes) > ndim:
            msg = (
                f"The spec of {name!r}, {spec}, has {len(axes)} axes, but the parameter has "
                f"{ndim}; give specs={{...: jax.P(...)}} with at most one entry for each axis."
            )
            raise HyperparameterError(msg)
        return Division(axes + ((),) * (ndim - len(axes)))

    def of_parts(self, params: Any) -> list[Division | None]:
        """Return how the parameters are divided that are parts; None for those that are whole.

        Outside of shard_map, as where a state is made of whole arrays, all of them are whole.

        Args:
            params: the tree of parameters.

        Raises:
            LearnerError: the arrays are not divided as the specs say.
        """
        divisions = self.divisions(params)
        if not any(map(is_bound, current().axes)):
            return [None] * len(divisions)
        check_axes(self.rule)
        for (name, leaf), division in zip(_leaves(params), divisions, strict=True):
            self._check(name, division, leaf)
        return [division if division.names else None for division in divisions]

    def _check(self, name: str, division: Division, leaf: Any) -> None:
        """Raise if an array is not divided as its spec says."""
        own = varying(leaf)
        extra = [axis for axis in current().axes if axis in own and axis not in division.names]
        missing = [axis for axis in division.names if axis not in own]
        if extra or missing:
            found = "divides" if extra else "does not divide"
            msg = (
                f"The specs of {self.rule} and the in_specs of jax.shard_map differ: shard_map "
                f"{found} {name!r} over {(extra + missing)[0]!r}; give both the same specs."
            )
            raise ArrayError(msg)


def check_gradient(rule: str, name: str, division: Division | None, gradient: Any) -> None:
    """Raise if a gradient differs between devices that have the same part of its parameter.

    Raises:
        ArrayError: over which axis.
    """
    known = () if division is None else division.names
    for axis in current().axes:
        if axis in varying(gradient) and axis not in known:
            msg = (
                f"The gradient of {name!r} differs between the devices of {axis!r}, over which "
                f"specs of {rule} does not divide the parameter; average it first, by "
                f"jax.lax.pmean(gradient, {axis!r})."
            )
            raise ArrayError(msg)


def _leaves(params: Any) -> list[tuple[str, Any]]:
    """Return the paths of parameters, such as "layers.0.weight", and the parameters."""
    paths, _ = tree_flatten_with_path(params)
    return [(keystr(path, simple=True, separator="."), leaf) for path, leaf in paths]


def _is_leaf(node: Any) -> bool:
    return isinstance(node, PartitionSpec)


def _axes_of(spec: Any) -> tuple[tuple[str, ...], ...]:
    """Return for each axis of an array the axes of the mesh in its entry of a spec."""
    return tuple(
        () if not isinstance(names, (str, tuple)) else (names,) if isinstance(names, str) else names
        for names in spec
    )
