"""Decode and encode stored values with NumPy; see `learnerdsl.storage` for the number types.

The oracle, start values and checkpoints use it. It shares no code with the compiler's kernels.
"""

from typing import Any

import numpy as np

from learnerdsl.storage import BLOCK, STORAGES, Precision, Storage, blocks_of

_WORD = 0xFFFFFFFF
_KEPT = {"split16": 16, "split8": 8}
"""Master weight -> bits of a float32 that its second array holds."""


def decode(storage: Storage, stored: np.ndarray, scales: np.ndarray | None = None) -> np.ndarray:
    """Return the values of an array, in the dtype of the arithmetic.

    Args:
        storage: its number type.
        stored: its memory, in the dtype `storage.numpy`.
        scales: the scale of each block (blocks,), float32; None for types without blocks.
    """
    with np.errstate(all="ignore"):
        if storage.block:
            return _decode_blocks(storage, stored, np.asarray(scales))
        return np.asarray(stored).astype(storage.arithmetic)


def _decode_blocks(storage: Storage, stored: np.ndarray, scales: np.ndarray) -> np.ndarray:
    codes = stored.reshape(-1).astype(np.float32)
    scale = _spread(scales, codes.size)
    if storage.is_signed:
        values = scale * (codes / (np.float32(254.0) - np.abs(codes)))
    else:
        values = np.square(codes * (scale / np.float32(255.0)))
    return values.reshape(stored.shape)


def encode(
    storage: Storage, values: np.ndarray, noise: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (array in the dtype `storage.numpy`, its scales or None); the inverse of `decode`.

    Args:
        storage: the number type.
        values: values in the dtype of the arithmetic.
        noise: 16 random bits for each value, to round up or down by chance; None for to nearest.
    """
    with np.errstate(all="ignore"):
        if storage.block:
            return _encode_blocks(storage, values, noise)
        if noise is None or storage.name == storage.arithmetic:
            return values.astype(storage.numpy), None
        return _by_chance(storage, values, noise), None


def _encode_blocks(
    storage: Storage, values: np.ndarray, noise: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    flat = values.reshape(-1)
    magnitudes = np.zeros(blocks_of(flat.shape) * BLOCK, np.float32)
    magnitudes[: flat.size] = np.abs(flat)
    scales = magnitudes.reshape(-1, BLOCK).max(axis=1, initial=0.0)
    half = np.float32(0.5)
    if storage.is_signed:
        scale = _spread(scales, flat.size)
        codes = np.float32(127.0) * (flat / (half * scale + half * np.abs(flat)))
        codes = np.where(np.abs(codes) < 128, codes, np.float32(0.0))
    else:
        scales = np.sqrt(scales)
        codes = np.sqrt(flat) * _spread(np.float32(255.0) / scales, flat.size)
        # Rules divide by roots of such states: a small one must not become 0.
        codes = np.where((codes > 0) & (codes < 256), np.maximum(codes, 1), np.float32(0.0))
    if noise is None:
        codes = np.rint(codes)
    else:
        codes = np.floor(codes + np.ravel(noise).astype(np.float32) * np.float32(2.0**-16))
        codes = np.minimum(codes, 127 if storage.is_signed else 255)
    return codes.astype(storage.numpy).reshape(values.shape), scales


def _spread(scales: np.ndarray, size: int) -> np.ndarray:
    """Return the scale of each of `size` elements."""
    return np.repeat(scales, BLOCK)[:size]


def _by_chance(storage: Storage, values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return each value rounded up or down, so that the result is right on average."""
    # The neighbour towards 0, the one away from 0, and how far the value is from the first.
    exact = np.abs(values.astype(np.float64))
    unit = _unit(storage, exact)
    below = np.floor(exact / unit)
    share = exact / unit - below
    bits = 16 if storage.name == "bfloat16" else 13
    # A kernel adds the noise to the bits that it drops. For subnormals it compares all 16 bits.
    least = 2.0**-14 if storage.name == "float16" else 0.0
    drawn = np.where(exact < least, noise / 2.0**16, (noise >> (16 - bits)) / 2.0**bits)
    is_up = np.where(exact < least, drawn < share, share + drawn >= 1.0)
    rounded = np.copysign((below + is_up) * unit, values)
    special = ~np.isfinite(values)
    return np.where(special, values, rounded.astype(np.float32)).astype(storage.numpy)


def _unit(storage: Storage, magnitudes: np.ndarray) -> np.ndarray:
    """Return the distance of the neighbouring numbers of the type at these magnitudes."""
    mantissa, lowest = (7, -126) if storage.name == "bfloat16" else (10, -14)
    _, exponent = np.frexp(magnitudes)
    return np.ldexp(1.0, np.maximum(exponent - 1, lowest) - mantissa)


def decode_parameter(precision: Precision, stored: np.ndarray, rest: Any) -> np.ndarray:
    """Return the values of a parameter, with the bits that its second array `rest` holds."""
    storage = STORAGES[precision.parameter]
    if precision.master == "float32":
        return np.array(rest)
    if precision.master == "kahan":
        with np.errstate(all="ignore"):
            return decode(storage, stored) + decode(storage, rest)
    if precision.master in _KEPT:
        kept = _KEPT[precision.master]
        upper = stored.view(np.uint16).astype(np.int64)
        # The rest of 0 is not negative, unless others wrote the 0.
        rest = np.where((upper & 0x7FFF == 0) & (rest < 0), 0, rest)
        bits = ((upper << kept) + rest) << (16 - kept)
        return (bits & _WORD).astype(np.uint32).view(np.float32)
    return decode(storage, stored)


def encode_parameter(
    precision: Precision, values: np.ndarray, noise: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (parameter, its second array or None); the inverse of `decode_parameter`.

    Args:
        precision: how it is stored.
        values: its values, in the dtype of the arithmetic.
        noise: 16 random bits for each value; used only without a master weight.
    """
    storage = STORAGES[precision.parameter]
    if not precision.master:
        return encode(storage, values, noise)[0], None
    with np.errstate(all="ignore"):
        if precision.master in ("float32", "kahan"):
            rounded = values.astype(storage.numpy)
            if precision.master == "float32":
                return rounded, np.array(values)
            lost = values - decode(storage, rounded)
            return rounded, np.where(np.isfinite(lost), lost, np.float32(0.0)).astype(storage.numpy)
        return _split(storage, values, _KEPT[precision.master])


def _split(storage: Storage, values: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper 16 bits of float32 values, and the next `kept` bits; both are rounded."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.int64)
    dropped = 16 - kept
    bits = (bits + (1 << dropped >> 1)) >> dropped
    upper = (bits + (1 << kept >> 1)) >> kept
    rest = bits - (upper << kept)
    is_nan = np.isnan(values)
    sign = np.where(np.signbit(values), 0x8000, 0)
    upper = np.where(is_nan, sign | 0x7FC0, upper & 0xFFFF)
    dtype = np.int16 if kept == 16 else np.int8
    return (
        upper.astype(np.uint16).view(storage.numpy).reshape(values.shape),
        np.where(is_nan, 0, rest).astype(dtype).reshape(values.shape),
    )


def _mixed(x: Any) -> Any:
    """Return 32 bits that each depend on all bits of x; x is at most 32 bits of int64."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _WORD
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _WORD
    return x ^ (x >> 16)


def rounding_noise(seed: int, step: float, number: int, positions: np.ndarray) -> np.ndarray:
    """Return 32 random bits for each element of a tensor, uint64.

    Args:
        seed: seed of the learner.
        step: number of the update of the model.
        number: number of the tensor in the model.
        positions: number of each element in its tensor.
    """
    key = _mixed(seed & _WORD)
    for word in (seed >> 32, int(step) & _WORD, number & _WORD):
        key = _mixed(key ^ word)
    return _mixed((positions.astype(np.uint64) & np.uint64(_WORD)) ^ np.uint64(key))


def noise_of(noise: np.ndarray, multiplier: int) -> np.ndarray:
    """Return 16 of the random bits of each element, for the array with this multiplier."""
    return ((noise * np.uint64(multiplier)) & np.uint64(_WORD)) >> np.uint64(16)
