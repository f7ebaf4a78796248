"""Divide arrays over the devices inside `jax.shard_map`: gather parts, and take a part back."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
from jax.sharding import PartitionSpec

from learnerdsl.expr import MatrixExtra, MatrixState

Names = tuple[str, ...]


def varying(x: Any) -> frozenset[str]:
    """Return the axes of the mesh over which the parts of an array differ."""
    kind = x if isinstance(x, jax.ShapeDtypeStruct) else jax.typeof(x)
    types = getattr(kind, "mat", getattr(kind, "manual_axis_type", None))  # JAX 0.10
    found = getattr(types, "varying", None)
    return found if found is not None else getattr(kind, "vma", frozenset())


def varied(x: Any, names: Iterable[str]) -> Any:
    """Return an array with a type that says that its parts differ over some axes of the mesh."""
    missing = tuple(name for name in names if name not in varying(x))
    return jax.lax.pcast(x, missing, to="varying") if missing else x


def parts_over(names: Sequence[str]) -> int:
    """Return the number of parts that some axes of the mesh make."""
    return math.prod(jax.lax.axis_size(name) for name in names)


def part_over(names: Sequence[str]) -> Any:
    """Return the number of the part of this device, from 0; the last axis counts fastest."""
    number: Any = 0
    for name in names:
        number = number * jax.lax.axis_size(name) + jax.lax.axis_index(name)
    return number


@dataclass(frozen=True)
class Division:
    """How an array is divided over the axes of a mesh.

    Attributes:
        axes: for each axis of the array, the axes of the mesh that divide it, as in a
            `PartitionSpec`.
    """

    axes: tuple[Names, ...]

    @cached_property
    def names(self) -> Names:
        """Return the axes of the mesh that divide the array."""
        return tuple(name for names in self.axes for name in names)

    @property
    def outer(self) -> "Division":
        """Return how the matrices in the last two axes are divided among devices, but not split."""
        return Division((*self.axes[:-2], *((),) * min(2, len(self.axes))))

    @property
    def inner(self) -> "Division":
        """Return how these matrices are split."""
        return Division((*((),) * len(self.axes[:-2]), *self.axes[-2:]))

    @property
    def spec(self) -> PartitionSpec:
        """Return the spec of the array; axes that nothing divides after the last are left out."""
        entries = [names[0] if len(names) == 1 else names or None for names in self.axes]
        while entries and entries[-1] is None:
            entries.pop()
        return PartitionSpec(*entries)

    def along(self, kept: Sequence[int]) -> "Division":
        """Return how an array is divided that has only some of the axes, and length 1 for others.

        Args:
            kept: the axes that it has; negative ones count from the last.
        """
        places = {axis % len(self.axes) for axis in kept}
        return Division(tuple(names if k in places else () for k, names in enumerate(self.axes)))

    def over(self, axes: Sequence[int]) -> Names:
        """Return the axes of the mesh that divide some axes of the array."""
        return self.along(axes).names

    def whole_shape(self, part: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the whole array, from that of a part."""
        return tuple(n * parts_over(names) for n, names in zip(part, self.axes, strict=True))

    def varied(self, x: Any) -> Any:
        """Return a part with a type that says over which axes of the mesh parts differ."""
        return varied(x, self.names)

    def whole(self, part: Any) -> Any:
        """Return the whole array on each device, by one collective."""
        if not self.names:
            return part
        every = jax.lax.all_gather(self.varied(part), self.names, to="invarying")
        ndim = len(self.axes)
        every = every.reshape(*map(parts_over, self.axes), *part.shape)
        order = [place for axis in range(ndim) for place in (axis, ndim + axis)]
        return every.transpose(order).reshape(self.whole_shape(part.shape))

    def part(self, whole: Any) -> Any:
        """Return the part of this device of a whole array."""
        x = whole
        for axis, names in enumerate(self.axes):
            if names:
                count = whole.shape[axis] // parts_over(names)
                x = jax.lax.dynamic_slice_in_dim(x, part_over(names) * count, count, axis)
        return x


@dataclass(frozen=True)
class Shard:
    """What of the arrays of a tensor its functions see: parts, or matrices that are whole.

    Attributes:
        division: how the parameter is divided; None if this device has all of it, or if that was
            not told.
        is_gathered: whether matrices, in the last two axes, are whole, as functions of them need.
    """

    division: Division | None = None
    is_gathered: bool = False

    @property
    def inside(self) -> Division | None:
        """Return how the arrays that functions see are divided."""
        return self.division.outer if self.division and self.is_gathered else self.division

    def entered(self, x: Any, symbol: Any) -> Any:
        """Return an array as functions see it.

        Args:
            x: what this device has of the array.
            symbol: what it is the value of.
        """
        own = self._of(symbol)
        if own is None:
            return x
        return own.outer.varied(own.inner.whole(x)) if self.is_gathered else own.varied(x)

    def left(self, x: Any, symbol: Any) -> Any:
        """Return what this device keeps of an array that functions computed."""
        own = self._of(symbol)
        if own is None:
            return x
        return own.varied(own.inner.part(x) if self.is_gathered else x)

    def _of(self, symbol: Any) -> Division | None:
        return None if self.division is None else division_of(symbol, self.division)


def division_of(symbol: Any, division: Division) -> Division:
    """Return how the value of a symbol is divided; axes that it does not have are not.

    Args:
        symbol: a parameter, gradient, state or extra input; matrices of other sides are not split.
        division: how the parameter is divided.
    """
    shape = getattr(symbol, "shape", "element")
    if isinstance(symbol, (MatrixExtra, MatrixState)):
        return division.outer
    if shape in ("tensor", "model"):
        return division.along(())
    return division.along(shape) if isinstance(shape, tuple) else division
