"""Joining by the code of a monoid, the same on the CPU and on CUDA."""

import math
from collections.abc import Callable
from typing import Any

from learnerdsl.monoids import MAX, MIN, PROD

_MAX, _MIN, _PROD = MAX.code, MIN.code, PROD.code


def joining_functions(
    inline: Callable[[Any], Any], maximum: Callable[..., Any], minimum: Callable[..., Any]
) -> tuple[Any, Any]:
    """Return `join` and `identity`.

    Args:
        inline: decorator that makes a function callable in kernels.
        maximum: larger of two float64 numbers, NaN if one is NaN, callable in kernels.
        minimum: smaller of two float64 numbers, likewise.
    """

    @inline
    def join(a: Any, b: Any, code: Any) -> Any:
        """Return two float64 values joined by the monoid of this code."""
        if code == _MAX:
            return maximum(a, b)
        if code == _MIN:
            return minimum(a, b)
        return a * b if code == _PROD else a + b

    @inline
    def identity(code: Any) -> Any:
        """Return the identity element of the monoid of this code, float64."""
        if code == _MAX:
            return -math.inf
        if code == _MIN:
            return math.inf
        return 1.0 if code == _PROD else 0.0

    return join, identity
