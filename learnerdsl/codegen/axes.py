"""Text of index arithmetic: where the value of some axes lies, given an index over more of them."""

from collections.abc import Iterable, Sequence


def axis_name(axis: int) -> str:
    """Name of the number of indices of an axis, as a whole number."""
    return f"axis{axis}"


def count_of(axes: Iterable[int]) -> str:
    """How many values some axes have together."""
    return " * ".join(axis_name(axis) for axis in axes) or "1"


def flat_index(axes: Sequence[int], space: Sequence[int], variable: str) -> str:
    """Index over `axes`, where `variable` is an index over the axes `space` that hold them.

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
    return count_of(axes) if len(axes) == 1 else f"({count_of(axes)})"
