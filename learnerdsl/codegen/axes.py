"""Text of index arithmetic: flat indices into axis arrays, and products of lengths."""

from collections.abc import Iterable, Sequence


def axis_name(axis: int) -> str:
    """Return the name of the variable with the length of an axis, an integer."""
    return f"axis{axis}"


def count_of(axes: Iterable[int]) -> str:
    """Return the product of the lengths of some axes."""
    return " * ".join(axis_name(axis) for axis in axes) or "1"


def flat_index(axes: Sequence[int], space: Sequence[int], variable: str) -> str:
    """Return the flat index over `axes`, given the flat index `variable` over the axes `space`.

    `axes` are some of `space`.

    >>> flat_index((0,), (0, 1, 2), "k")
    'k // (axis1 * axis2)'
    >>> flat_index((0, 2), (0, 1, 2), "k")
    'k // (axis1 * axis2) * axis2 + k % axis2'
    >>> flat_index((1,), (0, 1), "k"), flat_index((0, 1), (0, 1), "k"), flat_index((), (0,), "k")
    ('k % axis1', 'k', '0')
    """
    terms: list[str] = []
    remaining = list(axes)
    while remaining:
        run = [remaining.pop(0)]
        while remaining and space.index(remaining[0]) == space.index(run[-1]) + 1:
            run.append(remaining.pop(0))
        text = variable
        inner = [axis for axis in space if axis > run[-1]]
        if inner:
            text += f" // {_grouped(inner)}"
        if run[0] != space[0]:
            text = f"({text}) % {_grouped(run)}" if inner else f"{text} % {_grouped(run)}"
        terms.append(f"{text} * {_grouped(remaining)}" if remaining else text)
    return " + ".join(terms) or "0"


def _grouped(axes: Sequence[int]) -> str:
    """Return the product of the lengths of axes, in parentheses if it has several factors."""
    return count_of(axes) if len(axes) == 1 else f"({count_of(axes)})"
