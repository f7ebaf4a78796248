"""Place values on devices under jit: whole matrices, and values like others.

Where no array is sharded, nothing is added to a program.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray, Tracer
from jax.experimental.shard_alike import shard_alike
from jax.sharding import AxisType, NamedSharding, PartitionSpec

# Inside jit, the mesh of a traced array is known, whatever the types of its axes. How an array is
# split over axes of the type Auto is not.


def _type(x: Any) -> Any:
    """Return the type of an array, which may be a type itself."""
    return x if isinstance(x, (ShapedArray, jax.ShapeDtypeStruct)) else jax.typeof(x)


def _mesh(x: Any) -> Any:
    """Return the mesh of a traced array, or None."""
    sharding = getattr(_type(x), "sharding", None)
    mesh = getattr(sharding, "mesh", None)
    return None if mesh is None or mesh.empty else mesh


def _spec(x: Any) -> tuple[Any, ...]:
    """Return for each axis of an array the Explicit axes of the mesh that it is split over."""
    spec = tuple(_type(x).sharding.spec)
    return spec + (None,) * (x.ndim - len(spec))


def _has_auto(mesh: Any) -> bool:
    return AxisType.Auto in mesh.axis_types


def unsplit(x: Any) -> Any:
    """Return matrices, in the last two axes, that are not split over Explicit axes."""
    if _mesh(x) is None or _spec(x)[-2:] in ((), (None, None)):
        return x
    place = NamedSharding(_mesh(x), PartitionSpec(*_spec(x)[:-2], None, None))
    return jax.sharding.reshard(x, place)


def whole(x: Any) -> Any:
    """Return matrices, in the last two axes, of which each device has all rows and columns."""
    x = unsplit(x)
    mesh = _mesh(x)
    if mesh is None or not _has_auto(mesh) or not isinstance(x, Tracer):
        return x
    free = (PartitionSpec.UNCONSTRAINED if axes is None else axes for axes in _spec(x)[:-2])
    place = NamedSharding(mesh, PartitionSpec(*free, None, None))
    return jax.lax.with_sharding_constraint(x, place)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Return `jnp.where` of values that may be split over different Explicit axes."""
    values = [condition, a, b]
    place = joined(values)
    if place is None:
        return jnp.where(*values)
    shape = jnp.broadcast_shapes(*map(jnp.shape, values))
    return jnp.where(*(placed(jnp.asarray(v), shape, place) for v in values))


def joined(values: Sequence[Any]) -> Any:
    """Return how values that are joined element by element are split, or None if none is."""
    arrays = [_type(v) for v in values if getattr(v, "ndim", 0)]
    split = [v for v in arrays if _mesh(v) is not None and any(_spec(v))]
    if not split:
        return None
    found: list[Any] = [None] * max(v.ndim for v in arrays)
    for v in split:
        for axis, axes in enumerate(_spec(v), len(found) - v.ndim):
            found[axis] = found[axis] or axes
    return NamedSharding(_mesh(split[0]), PartitionSpec(*found))


def placed(x: Any, shape: Any, place: Any) -> Any:
    """Return an array with a shape, split as `joined` says; None stands for nothing."""
    x = jnp.broadcast_to(x, shape)
    return x if place is None else jax.sharding.reshard(x, place)


def filled(value: Any, like: Any) -> Any:
    """Return a value with the shape of an array, split over Explicit axes as that is."""
    value = jnp.broadcast_to(value, like.shape)
    mesh = _mesh(like)
    if mesh is None or _spec(value) == _spec(like):
        return value
    return jax.sharding.reshard(value, NamedSharding(mesh, PartitionSpec(*_spec(like))))


def on_mesh(value: Any, like: Any) -> Any:
    """Return an array, whole on each device of the mesh on which another one is."""
    if isinstance(like, Tracer):
        return whole(value)
    place = getattr(like, "sharding", None)
    if not isinstance(place, NamedSharding) or len(place.device_set) == 1:
        return value
    return jax.device_put(value, NamedSharding(place.mesh, PartitionSpec()))


def scalars_on_mesh(state: Any, parameters: Sequence[Any]) -> Any:
    """Return a state whose scalars are on each device of the mesh on which all parameters are.

    Else the first update would return them on other devices than it got them, and the second one
    would be compiled anew.
    """
    meshes = [getattr(getattr(p, "sharding", None), "mesh", None) for p in parameters]
    is_one = bool(meshes) and all(mesh == meshes[0] for mesh in meshes)
    if not is_one or any(isinstance(p, Tracer) for p in parameters):
        return state
    return jax.tree.map(lambda x: x if x.ndim else on_mesh(x, parameters[0]), state)


def alike(value: Any, old: Any) -> Any:
    """Return a value that XLA splits over Auto axes as it does another of the same shape."""
    mesh = _mesh(old)
    if mesh is None or not _has_auto(mesh) or not isinstance(value, Tracer):
        return value
    return shard_alike(value, old)[0]
