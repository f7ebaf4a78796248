"""Whether a number is what a value allows, and if not, where."""

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
    """How far an array is from the value it should have.

    Attributes:
        error: |got - right| for each element, relative to |right|.
        share: part of the tolerance that is used up; above 1 it is wrong.
        judged: number of elements whose bound says something.
        undefined: where the right value is NaN or infinite and the array has another.
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
        """Whether some element is."""
        return bool(np.any(self.share > 1))


def deviation(got: Any, value: Value, kind: Precision) -> Deviation:
    """How far `got` is from a value.

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
    """The shape of a value without the axes that a state lacks, if it has as many numbers."""
    return got.shape if np.size(array) == np.size(got) else np.shape(array)
