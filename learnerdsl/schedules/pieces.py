"""Schedules given by their values at some updates."""

from collections.abc import Sequence

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.schedules.checks import boundaries_between, choice, number
from learnerdsl.schedules.definition import Schedule, constant, join, piecewise, updates_done
from learnerdsl.schedules.shapes import LINEAR_OR_COSINE, between, left


def piecewise_constant(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """A value for each piece: $v_i$ for $b_{i-1} ≤ k < b_i$.

    Args:
        values: one more than there are boundaries.
        boundaries: numbers of updates done, increasing.

    Source: optax.piecewise_constant_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> piecewise_constant([0.1, 0.01], boundaries=[2]).values(4)
    array([0.1 , 0.1 , 0.01, 0.01])
    """
    _require_one_more(values, boundaries)
    return join([constant(value) for value in values], boundaries, relative=False)


def piecewise_interpolate(
    values: Sequence[float | sympy.Expr], boundaries: Sequence[int], shape: str = "linear"
) -> Schedule:
    r"""From value to value: $v_{i+1} + (v_i - v_{i+1}) s(x)$ for $b_i ≤ k < b_{i+1}$, $b_0 = 0$.

    x is the part $(k - b_i)/(b_{i+1} - b_i)$ of the piece that is done, and $s(x)$ is $1 - x$ or
    $(1 + \cos \pi x)/2$. The last value stays.

    Args:
        values: one more than there are boundaries; the first is that of the first update.
        boundaries: the numbers of updates done at which the other values are reached.
        shape: "linear" or "cosine".

    Source: optax.piecewise_interpolate_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> piecewise_interpolate([0.0, 1.0, 0.5], boundaries=[2, 4]).values(6)
    array([0.  , 0.5 , 1.  , 0.75, 0.5 , 0.5 ])
    """
    _require_one_more(values, boundaries)
    choice("shape", shape, LINEAR_OR_COSINE)
    ends = boundaries_between("values", len(values), boundaries)
    levels = [number("a value", value) for value in values]
    pieces = [
        between(levels[i], levels[i + 1], left((updates_done - start) / (end - start), shape))
        for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        if end > start
    ]
    return piecewise([*pieces, levels[-1]], [end for end in ends if end > 0])


def _require_one_more(values: Sequence[object], boundaries: Sequence[int]) -> None:
    if len(values) != len(boundaries) + 1:
        msg = (
            f"{len(boundaries)} boundaries separate {len(boundaries) + 1} values, "
            f"but {len(values)} were given."
        )
        raise HyperparameterError(msg)
