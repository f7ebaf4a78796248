"""Random start values of parameters, scaled as in CNTK. Seeds count up from 1, so runs repeat.

An initialiser is a function `(shape, dtype) -> array`. The last `output_rank` axes of a shape are
outputs ("fan out"), the other axes inputs ("fan in").
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
    """Start the count of seeds at `seed`, for everything that is made from now on.

    Args:
        seed: a non-negative int.
    """
    global _seeds
    _seeds = itertools.count(_checked_seed(seed))


def next_seed(seed: int | None = None) -> int:
    """Return `seed` if it is given, else the next seed of the count."""
    return next(_seeds) if seed is None else _checked_seed(seed)


def _checked_seed(seed: Any) -> int:
    if not is_whole(seed) or not 0 <= seed <= LARGEST:
        msg = (
            f"seed={shown(seed)} is not a seed; give a non-negative int, or None for the next "
            "unused one."
        )
        raise HyperparameterError(msg)
    return int(seed)


def fans(shape: Shape, output_rank: int) -> tuple[int, int]:
    """Return (fan in, fan out): the number of inputs of each output, and of outputs."""
    split = max(len(shape) - output_rank, 0)
    return math.prod(shape[:split]), math.prod(shape[split:])


def _uniform(generator: np.random.Generator, width: float, shape: Shape) -> np.ndarray:
    """Draw from -`width` to `width`."""
    return generator.uniform(-width, width, shape)


def _normal(generator: np.random.Generator, width: float, shape: Shape) -> np.ndarray:
    """Draw with standard deviation `width`."""
    return generator.normal(0, width, shape)


def _initializer(
    distribution: Callable[[np.random.Generator, float, Shape], np.ndarray],
    width: Callable[[Shape], float],
    seed: int | None,
) -> Initializer:
    """Return an initialiser that draws from a distribution of width `width(shape)`.

    Without a seed each array gets its own, so that layers that share an initialiser differ.
    """
    if seed is not None:
        _checked_seed(seed)

    def draw(shape: Shape, dtype: Scalar) -> np.ndarray:
        shape, dtype = checked_shape(shape), scalar_type(dtype)
        generator = np.random.default_rng(next_seed(seed))
        return distribution(generator, width(shape), shape).astype(dtype)

    return draw


def _checked_scale(scale: float) -> float:
    return number("scale", scale, lambda x: 0 < x < math.inf, "a finite number above 0")


def uniform(scale: float, seed: int | None = None) -> Initializer:
    """Return an initialiser that draws uniform numbers from -`scale` to `scale`.

    Args:
        scale: half the range.
        seed: an int; the next unused seed if left out.

    Example:
        >>> import learnerdsl.cntk as C
        >>> abs(C.parameter(100, init=C.uniform(0.1, seed=1)).value).max() < 0.1
        np.True_
    """
    half = _checked_scale(scale)
    return _initializer(_uniform, lambda shape: half, seed)


def normal(scale: float, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Return an initialiser that draws normal numbers with standard deviation `scale`.

    Args:
        scale: the standard deviation.
        output_rank: accepted for compatibility with CNTK, ignored.
        seed: an int; the next unused seed if left out.
    """
    deviation = _checked_scale(scale)
    whole("output_rank", output_rank)
    return _initializer(_normal, lambda shape: deviation, seed)


def glorot_uniform(
    scale: float = 1.0, output_rank: int = 1, seed: int | None = None
) -> Initializer:
    """Return an initialiser that draws uniform numbers.

    Half the range is `scale` * sqrt(6 / (fan in + fan out)).

    Args:
        scale: a factor.
        output_rank: number of trailing axes that are outputs.
        seed: an int; the next unused seed if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _initializer(
        _uniform, lambda shape: factor * math.sqrt(6 / sum(fans(shape, rank))), seed
    )


def glorot_normal(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Return an initialiser that draws normal numbers.

    The standard deviation is `scale` * sqrt(2 / (fan in + fan out)).

    Args:
        scale: a factor.
        output_rank: number of trailing axes that are outputs.
        seed: an int; the next unused seed if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _initializer(_normal, lambda shape: factor * math.sqrt(2 / sum(fans(shape, rank))), seed)


def he_uniform(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Return an initialiser that draws uniform numbers.

    Half the range is `scale` * sqrt(6 / fan in).

    Args:
        scale: a factor.
        output_rank: number of trailing axes that are outputs.
        seed: an int; the next unused seed if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _initializer(_uniform, lambda shape: factor * math.sqrt(6 / fans(shape, rank)[0]), seed)


def he_normal(scale: float = 1.0, output_rank: int = 1, seed: int | None = None) -> Initializer:
    """Return an initialiser that draws normal numbers.

    The standard deviation is `scale` * sqrt(2 / fan in).

    Args:
        scale: a factor.
        output_rank: number of trailing axes that are outputs.
        seed: an int; the next unused seed if left out.
    """
    factor, rank = _checked_scale(scale), whole("output_rank", output_rank)
    return _initializer(_normal, lambda shape: factor * math.sqrt(2 / fans(shape, rank)[0]), seed)
