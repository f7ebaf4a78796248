"""Random numbers of rules, from the words of the generator."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerdsl.expr import NUMBER_OF_MODEL, Draw, MatrixDraw, NarrowDraw, array_shape
from learnerdsl.interpret.philox import philox


def drawn(
    expr: Draw | MatrixDraw | NarrowDraw,
    parameter: Any,
    positions: Any,
    seed: Any,
    step: Any,
    number: int,
    xp: Any,
) -> Any:
    """Return a random number for each of what a draw has values for.

    Those of elements and entries of matrices have the dtype of the parameter, others float64.

    Args:
        expr: the draw.
        parameter: array.
        positions: the indices of its elements in the whole tensor; None if it is the whole tensor.
        seed: seed of the model, a scalar.
        step: number of the update, a scalar.
        number: number of the tensor in the model.
        xp: array namespace.
    """
    dtype, is_single, own = parameter.dtype, parameter.dtype.itemsize == 4, xp
    if isinstance(expr, NarrowDraw):
        dtype, is_single = xp.float64, False
        number = NUMBER_OF_MODEL if expr.shape == "model" else number
    if isinstance(seed, float) and isinstance(step, float):
        # Not every namespace has uint64, so only numbers that are traced need it there.
        seed, step, own = int(seed), int(step), np
    if positions is None or not isinstance(expr, Draw):
        shape = np.shape(parameter)
        if isinstance(expr, MatrixDraw):
            shape = array_shape(expr.sides, shape)
        elif isinstance(expr, NarrowDraw):
            shape = expr.shape_in(shape)
        positions = own.arange(math.prod(shape), dtype=own.uint64).reshape(shape)
    words = philox(own.asarray(positions, dtype=own.uint64), expr.stream, seed, step, number, own)
    if expr.distribution == "uniform":
        values = _uniform(words, is_single, own)
    else:
        values = _normal(words, own)
    return xp.asarray(values, dtype=dtype)


def _uniform(words: Sequence[Any], is_single: bool, xp: Any) -> Any:
    """Return numbers from [0, 1): in float32 of 24 bits if `is_single`, else in float64 of 53."""
    if is_single:
        return xp.asarray(words[0] >> np.uint64(8), dtype=xp.float32) * np.float32(2.0**-24)
    return _fraction(words[0], words[1], xp)


def _normal(words: Sequence[Any], xp: Any) -> Any:
    """Return standard normal numbers in float64, by the method of Box and Muller."""
    u, v = _fraction(words[0], words[1], xp), _fraction(words[2], words[3], xp)
    return xp.sqrt(-2.0 * xp.log(1.0 - u)) * xp.cos(2.0 * np.pi * v)


def _fraction(high: Any, low: Any, xp: Any) -> Any:
    """Return a number from [0, 1) of 53 random bits."""
    bits = (high << np.uint64(21)) ^ (low >> np.uint64(11))
    return xp.asarray(bits, dtype=xp.float64) * 2.0**-53
