"""List the dtypes that parameters may have, and what depends on them.

Arrays and the arithmetic of elements have the parameter's dtype. Scalars (hyperparameters and
whatever depends only on them) are always float64.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import DtypeError


@dataclass(frozen=True)
class NumberType:
    """A dtype that parameters may have.

    Attributes:
        name: NumPy's name of the dtype.
        itemsize: bytes per element.
    """

    name: str
    itemsize: int

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return np.dtype(self.name)


NUMBER_TYPES: dict[str, NumberType] = {
    "float32": NumberType("float32", 4),
    "float64": NumberType("float64", 8),
}


def number_type(dtype: Any, what: str = "array") -> NumberType:
    """Return the entry of `dtype` in the table.

    Args:
        dtype: a NumPy dtype or its name.
        what: what has this dtype, for the message.

    Raises:
        DtypeError: parameters cannot have this dtype.
    """
    name = np.dtype(dtype).name
    if name not in NUMBER_TYPES:
        msg = (
            f"{what} has dtype {name}, which cannot be updated; "
            f"create it with one of {', '.join(NUMBER_TYPES)}."
        )
        raise DtypeError(msg)
    return NUMBER_TYPES[name]
