"""Join what is computed of the parts of arrays inside `jax.shard_map`.

Where no transformation was told of axes or of specs, nothing is added to a program.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.errors import ArrayError
from learnerdsl.jax.division import Names, part_over, parts_over, varying
from learnerdsl.jax.settings import current


def named(x: Any) -> Names:
    """Return those of the axes that the transformation was told over which an array is split."""
    axes = current().axes
    return tuple(axis for axis in axes if axis in varying(x)) if axes else ()


def is_bound(axis: str) -> bool:
    """Return whether shard_map with an axis of this name is around."""
    try:
        jax.lax.axis_size(axis)
    except NameError:
        return False
    return True


def check_axes(rule: str) -> None:
    """Raise if it is not known over which of the named axes arrays are split.

    Raises:
        ArrayError: no shard_map is around, or one that does not keep track of it.
    """
    for axis in current().axes:
        if not is_bound(axis):
            msg = (
                f"{rule} was told that parameters are divided over the axis {axis!r} of a mesh, "
                "but its update is called where there is no such axis; call it inside "
                "jax.shard_map, or leave axis_name and specs out: under jit, sharded arrays need "
                "none."
            )
            raise ArrayError(msg)
        if axis not in varying(jax.lax.axis_index(axis)):
            msg = (
                f"{rule} was told that parameters are divided over the axis {axis!r} of a mesh, "
                "but it cannot be known which arrays are; use jax.shard_map with check_vma=True."
            )
            raise ArrayError(msg)


def size(x: Any) -> int:
    """Return the number of elements of all parts of a parameter."""
    division = current().division
    return x.size * parts_over(named(x) if division is None else division.names)


def axis_size(x: Any, axis: int) -> int:
    """Return the length of an axis of a parameter, over all parts."""
    division = current().division
    count = x.shape[axis]
    return count if division is None else count * parts_over(division.axes[axis])


def along(p: Any, *axes: int) -> Any:
    """Return an array over some axes of a tensor, in float64; its values do not count."""
    kept = {axis % p.ndim for axis in axes}
    own = jnp.empty([n if k in kept else 1 for k, n in enumerate(p.shape)], jnp.float64)
    division = current().division
    return own if division is None else division.along(axes).varied(own)


def empty(p: Any, rows: int, cols: int) -> Any:
    """Return matrices of another size beside those of a tensor, whose values do not count."""
    own = jnp.empty((*p.shape[:-2], rows, cols), p.dtype)
    division = current().division
    return own if division is None else division.outer.varied(own)


def positions(x: Any) -> Any:
    """Return the place of each element in the flattened whole of an array, as uint64."""
    division = current().division
    if division is None or not x.ndim:
        own = jnp.arange(x.size, dtype=jnp.uint64).reshape(x.shape)
        return own + _number(named(x)) * x.size if named(x) else own
    place: Any = jnp.zeros((), jnp.uint64)
    for axis, count in enumerate(x.shape):
        names = tuple(name for name in division.axes[axis] if name in varying(x))
        own = jnp.arange(count, dtype=jnp.uint64) + _number(names) * count
        shape = [count if k == axis else 1 for k in range(x.ndim)]
        place = place * (count * parts_over(names)) + own.reshape(shape)
    return place


def _number(names: Names) -> Any:
    return jnp.asarray(part_over(names)).astype(jnp.uint64)


# Reductions. What is not split over an axis of the mesh that divides the reduced axes has equal
# values in all parts.


def _joining(x: Any, axis: Any) -> tuple[Names, int]:
    """Return the axes of the mesh to reduce over, and the number of parts with equal values.

    Args:
        x: what is reduced.
        axis: the axis or axes of the reduction; None for all.
    """
    division = current().division
    if division is None:
        return (named(x), 1) if axis is None else ((), 1)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    names = division.over(axes)
    split = tuple(name for name in names if name in varying(x))
    return split, parts_over([name for name in names if name not in split])


def joined_sum(own: Any, x: Any, axis: Any = None) -> Any:
    """Return the sum over all parts of an array, from that over this part."""
    names, equal = _joining(x, axis)
    total = jax.lax.psum(own, names) if names else own
    return total if equal == 1 else total * equal


def joined_product(own: Any, x: Any, axis: Any = None) -> Any:
    """Return the product over all parts of an array, from that over this part."""
    names, equal = _joining(x, axis)
    if names:
        each = jnp.zeros((parts_over(names), *own.shape), own.dtype)
        own = jnp.prod(jax.lax.psum(each.at[part_over(names)].set(own), names), 0)
    return own if equal == 1 else own**equal


def joined_max(own: Any, x: Any, axis: Any = None) -> Any:
    """Return the largest element over all parts of an array, from that of this part."""
    return _chosen(jax.lax.pmax, own, x, axis)


def joined_min(own: Any, x: Any, axis: Any = None) -> Any:
    """Return the smallest element over all parts of an array, from that of this part."""
    return _chosen(jax.lax.pmin, own, x, axis)


def _chosen(choose: Callable[..., Any], own: Any, x: Any, axis: Any) -> Any:
    names, _ = _joining(x, axis)
    return choose(own, names) if names else own
