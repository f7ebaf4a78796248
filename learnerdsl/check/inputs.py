"""Draw parameters, gradients and extras to judge a rule with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SHAPES = ((), (5,), (3, 4), (2, 3, 4))
"""Shapes of the parameters where none are given: a number, a vector, a matrix, a stack of them."""

SCALES = (1.0, 1.0, 1e-6, 1e6)
"""Sizes of the gradients of the first updates, and then again."""


def parameters(
    shapes: Sequence[tuple[int, ...]], dtype: str, rng: np.random.Generator
) -> list[np.ndarray]:
    """Draw normal numbers, with a zero, a negative zero and a repeated value if they fit."""
    arrays = [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    for array in arrays:
        flat = array.reshape(-1)
        if flat.size > 4:
            flat[1], flat[2] = 0.0, flat[3]
    return arrays


def gradients(
    shapes: Sequence[tuple[int, ...]],
    dtype: str,
    rng: np.random.Generator,
    scale: float,
    nonfinite: bool,
) -> list[np.ndarray]:
    """Draw gradients of one size, with zeros and repeated values; if asked, NaN and infinity."""
    arrays = [np.asarray(scale * rng.normal(size=shape), dtype) for shape in shapes]
    for array in arrays:
        flat = array.reshape(-1)
        if flat.size > 4:
            flat[0], flat[2] = 0.0, flat[3]
            flat[4] = -0.0 if rng.random() < 0.5 else flat[4]
        if nonfinite and flat.size > 2:
            places = rng.choice(flat.size, size=2, replace=False)
            flat[places] = [np.nan, np.inf * rng.choice([-1, 1])]
    return arrays


def extras(
    declared: Mapping[str, str], arrays: Sequence[np.ndarray], rng: np.random.Generator
) -> dict[str, Any]:
    """Draw the extra inputs of an update.

    Args:
        declared: name -> "model" for a number or "element" for arrays.
        arrays: the parameters.
        rng: source of random numbers.
    """
    given: dict[str, Any] = {}
    for name, shape in declared.items():
        if shape == "model":
            given[name] = float(abs(rng.normal()) + 0.1)
        else:
            given[name] = [np.asarray(rng.normal(size=a.shape), a.dtype) for a in arrays]
    return given
