"""Define schedules by their values at some updates."""

from collections.abc import Sequence
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.schedules.checks import boundaries_between, choice, listed, number
from learnerdsl.schedules.definition import Schedule, constant, join, piecewise, updates_done
from learnerdsl.schedules.shapes import LINEAR_OR_COSINE, between, left


def piecewise_constant(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """Use one value in each piece: $v_i$ for $b_{i-1} ≤ k < b_i$.

    Args:
        values: one more than there are boundaries.
        boundaries: numbers of updates done, increasing.

    Source: optax.piecewise_constant_schedule,
    https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html

    >>> piecewise_constant([0.1, 0.01], boundaries=[2]).values(4)
    array([0.1 , 0.1 , 0.01, 0.01])
    """
    given, ends = _one_more(values, boundaries)
    return join([constant(value) for value in given], ends, relative=False)


def piecewise_interpolate(
    values: Sequence[float | sympy.Expr], boundaries: Sequence[int], shape: str = "linear"
) -> Schedule:
    r"""Interpolate: $v_{i+1} + (v_i - v_{i+1}) s(x)$ for $b_i ≤ k < b_{i+1}$, $b_0 = 0$.

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
    given, ends = _one_more(values, boundaries)
    choice("shape", shape, LINEAR_OR_COSINE)
    ends = boundaries_between("values", len(given), ends)
    levels = [number("a value", value) for value in given]
    pieces = [
        between(levels[i], levels[i + 1], left((updates_done - start) / (end - start), shape))
        for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        if end > start
    ]
    return piecewise([*pieces, levels[-1]], [end for end in ends if end > 0])


def _one_more(values: Any, boundaries: Any) -> tuple[list[Any], list[Any]]:
    """Return values and boundaries as lists, or raise unless there is one more value."""
    given, ends = listed("values", values), listed("boundaries", boundaries)
    if len(given) != len(ends) + 1:
        msg = (
            f"{len(ends)} boundaries separate {len(ends) + 1} values, but {len(given)} were given."
        )
        raise HyperparameterError(msg)
    return given, ends
