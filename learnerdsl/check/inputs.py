"""Draw parameters, gradients and extras to judge a rule with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerdsl.tracing import Rule

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
    rules: Sequence[Rule], arrays: Sequence[np.ndarray], rng: np.random.Generator
) -> dict[str, Any]:
    """Draw the extra inputs of an update: name -> number, or a value for each tensor or None.

    Args:
        rules: the rule of each tensor.
        arrays: the parameters.
        rng: source of random numbers.
    """
    given: dict[str, Any] = {}
    for name in dict.fromkeys(extra.name for rule in rules for extra in rule.extras):
        of_each = [next((e for e in rule.extras if e.name == name), None) for rule in rules]
        if of_each[0] is not None and of_each[0].shape == "model":
            given[name] = float(abs(rng.normal()) + 0.1)
        else:
            pairs = zip(of_each, arrays, strict=True)
            given[name] = [None if e is None else _drawn(e, a, rng) for e, a in pairs]
    return given


def _drawn(extra: Any, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an extra input of one tensor."""
    return np.asarray(rng.normal(size=extra.array_shape(array.shape)), array.dtype)


def filled_extras(
    rules: Sequence[Rule], arrays: Sequence[np.ndarray], value: float
) -> dict[str, Any]:
    """Return extra inputs as `extras` draws them, with one value everywhere."""
    drawn = extras(rules, arrays, np.random.default_rng(0))
    return {
        name: value
        if isinstance(given, float)
        else [None if own is None else np.full_like(own, value) for own in given]
        for name, given in drawn.items()
    }
