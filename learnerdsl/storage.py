"""List the number types that arrays may have in memory, and what depends on them.

How a number is stored is apart from how it is computed. The arithmetic of elements is float64 for
float64 parameters and float32 for all others; a kernel decodes what it loads and encodes what it
stores. Scalars (hyperparameters and whatever depends only on them) are always float64.

An 8-bit state has one float32 scale for each block of 256 elements. With x in a block of scale s,
the codes are those of a companding function, which gives small values more of them
(https://arxiv.org/abs/2602.23349):

    int8     code = round(127 * 2 z / (1 + |z|)),  z = x / s,  s = max |x|
    uint8    code = round(255 * sqrt(x) / s),  s = max sqrt(x)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import DtypeError

BLOCK = 256
"""Number of elements of an 8-bit state that share a scale."""


@dataclass(frozen=True)
class Storage:
    """A number type in memory.

    Attributes:
        name: its name, which is NumPy's (or ml_dtypes') name of the dtype.
        itemsize: bytes per element.
        arithmetic: dtype in which kernels compute with values of this type.
        raw: dtype of the memory as kernels see it.
        for_parameters: whether parameters and gradients may have this type; states always may.
        block: number of elements that share a float32 scale; 0 if there are no scales.
        is_signed: whether it holds negative numbers.
        unsigned: name of the type that takes its place for states that are never negative.
    """

    name: str
    itemsize: int
    arithmetic: str
    raw: str
    for_parameters: bool = True
    block: int = 0
    is_signed: bool = True
    unsigned: str = ""

    @property
    def is_coded(self) -> bool:
        """Whether kernels have to decode what they load."""
        return self.name != self.raw or self.block > 0

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype.

        Raises:
            DtypeError: it is bfloat16, and ml_dtypes, which gives NumPy that dtype, is missing.
        """
        if self.name != "bfloat16":
            return np.dtype(self.name)
        try:
            import ml_dtypes  # noqa: PLC0415 - an optional dependency
        except ImportError:
            msg = (
                "NumPy has no bfloat16 without ml_dtypes; install it: "
                "pip install 'learnerdsl[bfloat16]'."
            )
            raise DtypeError(msg) from None
        return np.dtype(ml_dtypes.bfloat16)


STORAGES: dict[str, Storage] = {
    row.name: row
    for row in (
        Storage("float32", 4, "float32", "float32"),
        Storage("float64", 8, "float64", "float64"),
        Storage("bfloat16", 2, "float32", "uint16"),
        Storage("float16", 2, "float32", "uint16"),
        Storage("int8", 1, "float32", "int8", False, BLOCK, unsigned="uint8"),
        Storage("uint8", 1, "float32", "uint8", False, BLOCK, is_signed=False),
    )
}
"""Name -> number type. Nothing else in the package asks for a type by its name."""

PARAMETER_TYPES = tuple(row.name for row in STORAGES.values() if row.for_parameters)
ARITHMETIC_TYPES = tuple(dict.fromkeys(row.arithmetic for row in STORAGES.values()))


def memory_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a number type, or of another type of memory, such as "int16"."""
    return STORAGES[name].numpy if name in STORAGES else np.dtype(name)


def blocks_of(shape: tuple[int, ...]) -> int:
    """Return the number of blocks, each with a scale, of an 8-bit state of this shape."""
    return -(-math.prod(shape) // BLOCK)


SCALE = ".scale"
"""Suffix of the name of a state, for the scales of its blocks; not part of an identifier."""

PARAMETER_REST = "parameter.rest"
"""Name of the second array of a master weight, among the states."""


@dataclass(frozen=True)
class Master:
    """A way to keep more bits of a narrow parameter in a second array, `rest`.

    Attributes:
        name: its name.
        dtype: dtype of `rest`; "" for that of the parameter.
        parameters: the parameter types that it can extend.
        is_exact: whether both arrays together hold every float32 value.
    """

    name: str
    dtype: str
    parameters: tuple[str, ...]
    is_exact: bool

    @property
    def bytes(self) -> int:
        """Bytes of `rest` per element."""
        own = self.dtype or self.parameters[0]
        return STORAGES[own].itemsize if own in STORAGES else np.dtype(own).itemsize


MASTERS: dict[str, Master] = {
    row.name: row
    for row in (
        Master("float32", "float32", ("bfloat16", "float16"), is_exact=True),
        Master("split16", "int16", ("bfloat16",), is_exact=True),
        Master("split8", "int8", ("bfloat16",), is_exact=False),
        Master("kahan", "", ("bfloat16", "float16"), is_exact=False),
    )
}
"""Name -> way to keep a master weight."""

ROUNDINGS = ("nearest", "stochastic")

PRODUCTS = ("full", "bfloat16")
"""Ways to multiply matrices: in the dtype of the arithmetic, or with operands of bfloat16."""


def noise_multiplier(number: int) -> int:
    """Return the odd number (or 2**16) that gives an array its own bits of an element's noise.

    The noise of an element has 32 bits. Array 0, the parameter, takes the upper 16; array 1, the
    first state, the lower 16. Others take the upper 16 of a product. Powers of one number are used,
    since the products of two numbers in a ratio such as 5 to 7 are correlated.
    """
    return (1, 1 << 16)[number] if number < 2 else pow(0x9E3779B1, number, 2**32)


@dataclass(frozen=True)
class Precision:
    """How a kernel stores each of its arrays.

    Attributes:
        parameter: number type of the parameters.
        gradient: number type of the gradients.
        states: (name, number type) pairs of the states that are not stored in the dtype of the
            arithmetic.
        master: key of `MASTERS`; "" if there are no master weights.
        rounding: how parameters and states are rounded: "nearest" (ties to even), or "stochastic":
            up or down, so that the expected value is exact.
        products: how matrices are multiplied, one of `PRODUCTS`.
    """

    parameter: str = "float32"
    gradient: str = "float32"
    states: tuple[tuple[str, str], ...] = ()
    master: str = ""
    rounding: str = "nearest"
    products: str = "full"

    @staticmethod
    def of(dtype: str) -> "Precision":
        """Return the precision of parameters and gradients of one type."""
        return Precision(dtype, dtype)

    @property
    def arithmetic(self) -> str:
        """The dtype in which elements are computed."""
        return STORAGES[self.parameter].arithmetic

    def state(self, name: str) -> Storage:
        """Return the number type of a state with values per element or along axes."""
        return STORAGES[dict(self.states).get(name, self.arithmetic)]

    def readable(self, kind: str) -> str:
        """Return the type in which kernels read gradients of a type: their own if it fits."""
        is_wider = STORAGES[kind].itemsize > STORAGES[self.arithmetic].itemsize
        return self.arithmetic if is_wider else kind

    @property
    def has_blocks(self) -> bool:
        """Whether a state has scales of blocks."""
        return any(STORAGES[storage].block for _, storage in self.states)

    @property
    def rest(self) -> str:
        """The dtype of the second array of a master weight; "" if there is none."""
        return MASTERS[self.master].dtype or self.parameter if self.master else ""

    @property
    def rounds_parameter(self) -> bool:
        """Whether a new parameter may lose bits when it is stored."""
        if self.master:
            return not MASTERS[self.master].is_exact
        return self.parameter != self.arithmetic

    def __str__(self) -> str:
        return self.described(self.states, "gradients")

    def described(self, states: Iterable[tuple[str, str]], gradients: str) -> str:
        """Return a text that begins with the type of the parameters and names what differs.

        Args:
            states: (name, number type) pairs of the states to name.
            gradients: what to call the gradients.
        """
        parts = [self.parameter]
        if self.gradient != self.parameter:
            parts.append(f"{self.gradient} {gradients}")
        of_types: dict[str, dict[str, None]] = {}
        for name, storage in states:
            of_types.setdefault(storage, {})[name] = None
        parts += [f"{storage} {' '.join(names)}" for storage, names in of_types.items()]
        if self.master:
            parts.append(f"master {self.master}")
        if self.rounding != "nearest":
            parts.append(f"{self.rounding} rounding")
        if self.products != "full":
            parts.append(f"{self.products} products")
        return ", ".join(parts)


def number_type(dtype: Any, what: str = "array", names: Iterable[str] = PARAMETER_TYPES) -> Storage:
    """Return the entry of `dtype` in the table.

    Args:
        dtype: a NumPy dtype or its name.
        what: what has this dtype, for the message.
        names: the types that are allowed.

    Raises:
        DtypeError: it is none of these types.
    """
    name = dtype if dtype in STORAGES else np.dtype(dtype).name
    if name not in names:
        msg = (
            f"{what} has dtype {name}, which cannot be updated; "
            f"create it with one of {', '.join(names)}."
        )
        raise DtypeError(msg)
    return STORAGES[name]
