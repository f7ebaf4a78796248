"""The number types of parameters, states and arithmetic: one table, and nothing else decides.

Arithmetic runs in the parameter's type; scalars (hyperparameters and whatever depends only on them)
are float64 always. A narrow storage type is one more row here, with a wider `arithmetic`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import DtypeError


@dataclass(frozen=True)
class NumberType:
    """A type in which parameters may be stored.

    Attributes:
        name: NumPy's name of the type.
        itemsize: bytes an element takes.
        arithmetic: name of the type that element loops compute in.
    """

    name: str
    itemsize: int
    arithmetic: str

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return np.dtype(self.name)


NUMBER_TYPES: dict[str, NumberType] = {
    "float32": NumberType("float32", 4, "float32"),
    "float64": NumberType("float64", 8, "float64"),
}


def number_type(dtype: Any, what: str = "array") -> NumberType:
    """The table row of `dtype`; DtypeError names `what` if there is none."""
    name = np.dtype(dtype).name
    if name not in NUMBER_TYPES:
        msg = (
            f"{what} has dtype {name}, which cannot be updated; "
            f"create it with one of {', '.join(NUMBER_TYPES)}."
        )
        raise DtypeError(msg)
    return NUMBER_TYPES[name]
