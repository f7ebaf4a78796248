"""Let a rule see parameters in other shapes, such as a kernel of a convolution as a matrix."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from learnerdsl.errors import ArrayError
from learnerdsl.numbers import as_count, quoted
from learnerdsl.runtime.arrays.gradients import NOTHING
from learnerdsl.runtime.arrays.host import Name

Shape = tuple[int, ...]
Reshape = Callable[[Any, Shape], Sequence[int] | None]


def seen_shapes(reshape: Reshape | None, arrays: Mapping[Name, Any]) -> dict[Name, Shape] | None:
    """Return the shape in which a rule sees each parameter; None if all stay as they are.

    Args:
        reshape: a function of name and shape that returns a shape, with -1 for a length that
            follows from the others, or None for the parameter's own.
        arrays: name -> parameter, or its shape.

    Raises:
        ArrayError: it is no function, or returned a shape of another number of elements.
    """
    if reshape is None:
        return None
    if not callable(reshape):
        msg = (
            f"reshape must be a function of name and shape, got {quoted(reshape)}; write "
            "reshape=lambda name, shape: (shape[0], -1) if len(shape) == 4 else None."
        )
        raise ArrayError(msg)
    shapes = {name: tuple(getattr(array, "shape", array)) for name, array in arrays.items()}
    return {name: _seen(reshape(name, shape), name, shape) for name, shape in shapes.items()}


def seen_shape(reshape: Reshape | None, name: Name, shape: Sequence[int]) -> Shape:
    """Return the shape in which a rule sees one parameter; see `seen_shapes`."""
    own = {name: tuple(shape)}
    return (seen_shapes(reshape, own) or own)[name]


def _seen(given: Any, name: Name, shape: Shape) -> Shape:
    """Return a shape that `reshape` returned, with all lengths known."""
    if given is None:
        return shape
    lengths = [as_count(n) for n in given] if isinstance(given, (tuple, list)) else [None]
    known = [n for n in lengths if n is not None and n >= 0]
    product, size = math.prod(known), math.prod(shape)
    is_open = len(known) == len(lengths) - 1 and -1 in lengths
    if is_open and product and size % product == 0:
        return tuple(size // product if n == -1 else int(n or 0) for n in lengths)
    if len(known) == len(lengths) and product == size:
        return tuple(known)
    msg = (
        f"reshape returned {quoted(given)} for {name!r} of shape {shape}; return a shape of "
        f"{size} elements, such as {(shape[:1] or (1,))[0], -1}, or None to leave it as it is."
    )
    raise ArrayError(msg)


def as_seen(
    arrays: Sequence[Any], indices: Sequence[int], shapes: Sequence[Shape] | None
) -> Sequence[Any]:
    """Return views of arrays in the shapes in which rules see their parameters.

    Args:
        arrays: contiguous arrays; those on a device that cannot be reshaped stay as they are, as
            engines there go by addresses.
        indices: the numbers of their parameters.
        shapes: the shape of each parameter; None if all are seen as they are.
    """
    if shapes is None:
        return arrays
    pairs = zip(arrays, indices, strict=True)
    return [
        array.reshape(shapes[k]) if array is not NOTHING and hasattr(array, "reshape") else array
        for array, k in pairs
    ]


def refuse_rows_of_reshaped(
    names: Sequence[Name],
    indices: Iterable[int],
    seen: Sequence[Shape] | None,
    shapes: Sequence[Shape],
) -> None:
    """Raise for a gradient of rows if these are not the rows of the matrix that a rule sees.

    Args:
        names: the names of all parameters.
        indices: the numbers of those that have such a gradient.
        seen: the shapes in which rules see parameters; None if that is their own.
        shapes: the shapes of the parameters.
    """
    for k in indices:
        if seen is not None and seen[k] != shapes[k]:
            msg = (
                f"Parameter {names[k]!r} is seen in another shape, so a RowSparse gradient does "
                "not name its rows; give a dense gradient, or leave reshape out for it."
            )
            raise ArrayError(msg)
