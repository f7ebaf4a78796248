"""Compare an array with a value and its bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.check.values import SCALAR_LEAST, SCALAR_UNIT, WIDE, Precision, Value

TIMES = 8
"""How many times the bound of a value may be used up.

The bound counts one rounding for each operation as it is written. SymPy distributes numbers over
sums and splits quotients into factors, the compiler forms coefficients and divides by multiplying,
and its exp, log and tanh are within 3 units in the last place: a few roundings more for each one.
"""


@dataclass(frozen=True)
class Deviation:
    """The deviation of an array from the value it should have.

    Attributes:
        error: |got - right| for each element, relative to |right|.
        share: |got - right| in parts of the tolerance; above 1 the element is wrong.
        judged: number of elements with a finite bound.
        undefined: where the right value is NaN or infinite and the array has another value.
    """

    error: Any
    share: Any
    judged: int
    undefined: Any

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the largest share."""
        place = int(np.argmax(self.share)) if self.share.size else 0
        return tuple(int(i) for i in np.unravel_index(place, self.share.shape))

    @property
    def is_wrong(self) -> bool:
        """Whether any element is wrong."""
        return bool(np.any(self.share > 1))


def deviation(got: Any, value: Value, kind: Precision) -> Deviation:
    """Return how far `got` deviates from a value.

    Args:
        got: array or number.
        value: what it should be.
        kind: precision of the parameter.
    """
    got = np.asarray(got, WIDE)
    right = np.broadcast_to(np.reshape(value.number, _fitting(value.number, got)), got.shape)
    bound = np.broadcast_to(np.reshape(value.bound, _fitting(value.bound, got)), got.shape)
    unit, least = (kind.unit, kind.least) if value.is_array else (SCALAR_UNIT, SCALAR_LEAST)
    with np.errstate(all="ignore"):
        apart = np.abs(got - right)
        allowed = TIMES * bound + 2 * unit * np.abs(right) + 2 * least
        share = np.where(apart == 0, 0, apart / np.where(allowed > 0, allowed, 1))
        share = np.where((allowed == 0) & (apart > 0), np.inf, share)
        error = np.where(apart == 0, 0, apart / np.where(right == 0, 1, np.abs(right)))
    same = (got == right) | (np.isnan(got) & np.isnan(right))
    is_defined = np.isfinite(right) & np.isfinite(got)
    unknown = ~np.isfinite(bound)
    share = np.where(unknown | same, 0, np.where(is_defined, share, np.inf))
    error = np.where(unknown | same, 0, np.where(is_defined, error, np.inf))
    undefined = ~np.isfinite(right) & ~same & ~unknown
    return Deviation(error, share, int(np.sum(~unknown)), undefined)


def _fitting(array: Any, got: Any) -> Any:
    """Return the shape to compare in: that of `got` if the number of elements agrees."""
    return got.shape if np.size(array) == np.size(got) else np.shape(array)
