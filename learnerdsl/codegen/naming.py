"""Names in generated code: the user's own, made unique where Python or the kernel has them."""

import keyword

import sympy

from learnerdsl.ir import Kernel

RESERVED = frozenset(
    "abs acos accumulate arrays asin atan ceil cos cosh count element_pass exp "
    "float32 float32_array float64 float64_array floor grad_start i inf larger log maximum minimum model "
    "model_scalars nan range sign sin sinh sqrt start sums tan tanh tensor tensor_scalars ".split()
)


class Names:
    """The names of a kernel's symbols: of arrays, of their elements, and of values."""

    def __init__(self, kernel: Kernel) -> None:
        self.taken: set[str] = set()
        self.arrays = {symbol: self.unique(symbol.name) for symbol in kernel.arrays}
        self.values: dict[sympy.Basic, str] = {
            symbol: self.unique(f"{symbol.name}_i") for symbol in kernel.arrays
        }
        for symbol in kernel.domains:
            if symbol not in self.values:
                self.values[symbol] = self.unique(str(symbol))

    def unique(self, name: str) -> str:
        """`name`, with underscores behind it until nothing else is called so."""
        while name in self.taken or name in RESERVED or keyword.iskeyword(name):
            name += "_"
        self.taken.add(name)
        return name
