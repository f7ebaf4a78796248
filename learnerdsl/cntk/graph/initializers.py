"""Random start values of parameters, in CNTK's scales. Seeds count up from 1, so runs repeat.

An initialiser is a function `(shape, dtype) -> array`. The last `output_rank` axes of a shape are
outputs ("fan out"), the others inputs ("fan in").
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from learnerdsl.cntk.checks import LARGEST, is_whole, number, shown, whole
from learnerdsl.cntk.graph.nodes import Scalar, Shape, checked_shape, scalar_type
from learnerdsl.errors import HyperparameterError

Initializer: TypeAlias = Callable[[Shape, Scalar], np.ndarray]

_seeds = itertools.count(1)


def set_fixed_random_seed(seed: int) -> None:
    """Let the seeds of what is made from now on count up from `seed`.

    Args:
        seed: an int from 0.
    """
    global _seeds
    _seeds = itertools.count(_checked_seed(seed))


def next_seed(seed: int | None = None) -> int:
    """`seed` if it is given, else the next one of the count."""
    return next(_seeds) if seed is None else _checked_seed(seed)


def _checked_seed(seed: Any) -> int:
    if not is_whole(seed) or not 0 <= seed <= LARGEST:
        msg = f"seed={shown(seed)} is no seed; give an int from 0, or None for the next unused one."
        raise HyperparameterError(msg)
    return int(seed)


def fans(shape: Shape, output_rank: int) -> tuple[int, int]:
    """Number of inputs that an element's output sums, and number of outputs."""
    split = max(len(shape) - output_rank, 0)
    return math.prod(shape[:split]), math.prod(shape[split:])


def _drawn(width: Callable[[Shape], float], normal: bool, seed: int | None) -> Initializer:
    """An initialiser with a standard deviation, or half range, of `width(shape)`.

    Without a seed each array gets one of its own, so that layers with one initialiser differ.
    """
    if seed is not None:
        _checked_seed(seed)

    def draw(shape: Shape, dtype: Scalar) -> np.ndarray:
        shape, dtype = checked_shape(shape), scalar_type(dtype)
        size = width(shape)
        generator = np.random.default_rng(next_seed(seed))
        if normal:
            return generator.normal(0, size, shape).astype(dtype)
        return generator.uniform(-size, size, shape).astype(dtype)

    return draw


def _checked_scale(scale: float) -> float:
    return number("scale", scale, lambda x: 0 < x < math.inf, "a finite number above 0")


def uniform(scale: float, seed: int | None = None) -> Initializer:
    """Uniform numbers from -`scale` to `scale`.

    Args:
        scale: half the range.
        seed: an int; the next unused one if left out.

    Example:
        >>> import learnerdsl.cntk as C
        >>> abs(C.parameter(100, init=C.uniform(0.1, seed=1)).value).max() < 0.1
        np.True_
    """
    half = _checked_scale(scale)
    return _drawn(lambda shape: half, False, seed)


def normal(scale: float, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Normal numbers with mean 0 and standard deviation `scale`.

    Args:
        scale: the standard deviation.
        output_rank: accepted for CNTK's sake.
        seed: an int; the next unused one if left out.
    """
    deviation = _checked_scale(scale)
    whole("output_rank", output_rank)
    return _drawn(lambda shape: deviation, True, seed)


def glorot_uniform(
    scale: float = 1.0, output_rank: int = 1, seed: int | None = None
) -> Initializer:
    """Uniform numbers up to `scale` * sqrt(6 / (fan in + fan out)).

    Args:
        scale: a factor.
        output_rank: number of last axes that are outputs.
        seed: an int; the next unused one if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _drawn(lambda shape: factor * math.sqrt(6 / sum(fans(shape, rank))), False, seed)


def glorot_normal(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Normal numbers with standard deviation `scale` * sqrt(2 / (fan in + fan out)).

    Args:
        scale: a factor.
        output_rank: number of last axes that are outputs.
        seed: an int; the next unused one if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _drawn(lambda shape: factor * math.sqrt(2 / sum(fans(shape, rank))), True, seed)


def he_uniform(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Uniform numbers up to `scale` * sqrt(6 / fan in).

    Args:
        scale: a factor.
        output_rank: number of last axes that are outputs.
        seed: an int; the next unused one if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _drawn(lambda shape: factor * math.sqrt(6 / fans(shape, rank)[0]), False, seed)


def he_normal(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Normal numbers with standard deviation `scale` * sqrt(2 / fan in).

    Args:
        scale: a factor.
        output_rank: number of last axes that are outputs.
        seed: an int; the next unused one if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _drawn(lambda shape: factor * math.sqrt(2 / fans(shape, rank)[0]), True, seed)
