"""Names in generated code: the user's own, changed where Python or the kernel uses them."""

import keyword
import re
from collections.abc import Iterable

import sympy

from learnerdsl.elementary import FUNCTIONS
from learnerdsl.ir import Kernel, Rank
from learnerdsl.kernels.encodings import NAMES as ENCODINGS
from learnerdsl.monoids import MONOIDS

EXACT_SUMS = ("accumulate_square", "accumulate_times")
"""Functions of the CPU that add a square or a product of what was float32."""

_OF_KERNELS = (
    *ENCODINGS,
    *EXACT_SUMS,
    *("block_scratch", "float_of", "int16_array", "int32", "int8_array", "uint16_array"),
    *("low_word", "uint32", "uint8_array"),
    *(monoid.hot for monoid in MONOIDS.values()),
    *("element_pass", "float32", "float32_array", "float64", "float64_array", "inf"),
    *("int64", "key_of", "maximum", "minimum", "model_scalars", "nan", "normal_float32"),
    *("normal_float64", "random_key", "tensor_scalars", "uniform_float32", "uniform_float64"),
)
KERNEL_FUNCTIONS = tuple(sorted((*_OF_KERNELS, *(row.name for row in FUNCTIONS if row.cpu))))
"""Functions that generated code for the CPU may import, in the order of the import."""

_BY_BLOCKS = (
    *(monoid.of_block for monoid in MONOIDS.values()),
    *("aligned", "block_pass", "element", "lanes_for", "load2", "load4", "load8"),
    *("load8_within", "narrowed", "store2", "store4", "store8", "store8_within", "sync"),
    *("tensor_vectors", "thread", "threads"),
)
CUDA_FUNCTIONS = tuple(
    sorted(
        {*KERNEL_FUNCTIONS, *_BY_BLOCKS} - {*EXACT_SUMS, *(m.hot for m in MONOIDS.values())},
        key=str.lower,
    )
)
"""Functions that generated code for CUDA may import, in the order of the import."""

LINEAR_ALGEBRA = (
    *("cholesky", "diagonal", "diagonal_matrix", "eigenvalues", "eigenvectors", "first_columns"),
    *("drawn", "inverse", "inverse_root", "orthonormal", "put_rows", "reduced", "solve"),
    *("solve_triangular", "take_rows", "top_rows"),
)
"""Functions of matrices that no array library has in this form."""
MATRIX_FUNCTIONS = (
    *LINEAR_ALGEBRA,
    *(f"array_{row.name}" for row in FUNCTIONS if not isinstance(row.numpy, str) and row.cpu),
)
"""Functions that generated code may import besides NumPy."""

_LOCAL = (
    *("arrays", "chunk_rows", "count", "first", "float", "grad_start", "here", "i", "k", "key"),
    *("groups", "is_row", "lane", "lanes", "own", "packs", "parts_here", "row_count"),
    *("row_turn", "row_turns", "scratch", "turn", "xp"),
    *("matrices", "max", "min", "model", "np", "offset", "part", "range", "row", "row_number"),
    *("start", "sums", "tensor"),
)
RESERVED = frozenset((*KERNEL_FUNCTIONS, *CUDA_FUNCTIONS, *MATRIX_FUNCTIONS, *_LOCAL))


class Names:
    """The names of a kernel's symbols: of arrays, of their elements, and of values.

    Args:
        kernel: the kernel to print.
        taken: names that the generated code uses already, besides `RESERVED`.
    """

    def __init__(self, kernel: Kernel, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self.arrays = {symbol: self.unique(symbol.name) for symbol in kernel.arrays}
        self.values: dict[sympy.Basic, str] = {
            symbol: self.unique(f"{symbol.name}_i") for symbol in kernel.arrays
        }
        for symbol, domain in kernel.domains.items():
            if domain.rank == Rank.VECTOR and isinstance(symbol, sympy.Symbol):
                self.arrays[symbol] = self.unique(symbol.name)
                self.values[symbol] = self.unique(f"{symbol.name}_i")
        for symbol in kernel.domains:
            if symbol not in self.values:
                self.values[symbol] = self.unique(str(symbol))

    def stem(self, symbol: sympy.Symbol) -> str:
        """Return the name of a value to which the number of an element can be appended."""
        return symbol.name if symbol in self.arrays else self.values[symbol]

    def is_reserved(self, name: str) -> bool:
        """Return whether a name has a meaning in generated code already."""
        return name in RESERVED or keyword.iskeyword(name) or bool(re.fullmatch(r"axis\d+", name))

    def free(self, name: str) -> str:
        """Return `name`, with underscores appended until nothing else has it."""
        while name in self.taken or self.is_reserved(name):
            name += "_"
        return name

    def unique(self, name: str) -> str:
        """Return `name`, with underscores appended until it is unique; reserve it."""
        name = self.free(name)
        self.taken.add(name)
        return name
