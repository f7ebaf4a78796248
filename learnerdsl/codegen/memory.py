"""Printing of access to arrays: views, loads that decode, and stores that encode.

Values of an array are stored as `Layout.storages` says, and computed in one dtype. With a master
weight, a second array holds bits that the parameter lacks. Arrays with 8-bit codes have a scale for
each block of elements; see `blocks`.
"""

from collections.abc import Iterable

import sympy

from learnerdsl.codegen.naming import Names
from learnerdsl.expr import RingState
from learnerdsl.ir import Block, Domain, Kernel, Store
from learnerdsl.kernels.slots import STEP
from learnerdsl.layout import Layout
from learnerdsl.storage import BLOCK, Precision, Storage, noise_multiplier


def array_view(dtype: str, column: int | str, start: str, count: str) -> str:
    """Return a view of `count` values of the array in a column of the address table."""
    return f"{dtype}_array(arrays[{column}], {start}, {count})"


class Memory:
    """A printer of access to the arrays of a kernel.

    Args:
        kernel: the kernel to print.
        layout: its tables.
        precision: the number types of its arrays.
        names: the names of its symbols.
        narrowing: function that converts a number to float32; "" for the dtype itself.
    """

    def __init__(
        self, kernel: Kernel, layout: Layout, precision: Precision, names: Names, narrowing: str
    ) -> None:
        self.kernel = kernel
        self.layout = layout
        self.precision = precision
        self.names = names
        self.narrowing = narrowing
        self.companions = {c.symbol: c for c in layout.companions}
        self.own: dict[tuple[sympy.Symbol, str], str] = {}
        self.second = {
            symbol: names.unique(f"{names.arrays[symbol]}_{c.role}")
            for symbol, c in self.companions.items()
        }
        self.itemsizes = {names.arrays[s]: layout.storages[s].itemsize for s in layout.arrays}
        self.itemsizes |= {self.second[s]: c.itemsize for s, c in self.companions.items()}
        is_random = precision.rounding == "stochastic"
        own = ("rounding", "base", "noise") if is_random else ()
        self.key, self.base, self.noise = map(names.unique, own) if is_random else ("", "", "")

    def views(self, block: Block, start: str, grad_start: str, count: str) -> list[str]:
        """Return views of the arrays that a loop reads and writes, `count` elements each.

        Those of scales are left out; see `views_of_scales`.
        """
        lines: list[str] = []
        for array in block.arrays:
            first = grad_start if array == self.kernel.gradient else start
            storage = self.layout.storages[array]
            column = self._column(array, self.layout.arrays.index(array))
            view = array_view(storage.raw, column, first, count)
            lines.append(f"{self.names.arrays[array]} = {view}")
            if self.has_rest(array):
                lines.append(self._view_of_second(array, start, count))
        return lines

    def views_of_scales(self, arrays: Iterable[sympy.Symbol]) -> list[str]:
        """Return views of the scales of arrays with 8-bit codes, for all blocks of a chunk."""
        first, count = f"start // {BLOCK}", f"(count + {BLOCK - 1}) // {BLOCK}"
        return [self._view_of_second(array, first, count) for array in arrays]

    def _column(self, array: sympy.Symbol, column: int) -> int | str:
        """Return the column of an array, given that of its symbol."""
        if not isinstance(array, RingState):
            return column
        # The step says which column holds which value, so that no update moves values.
        base = column + 1 - array.lag
        return f"{base} + (int64(model[{STEP}]) - {array.lag}) % {array.length}"

    def _view_of_second(self, array: sympy.Symbol, start: str, count: str) -> str:
        """Return the statement that names a view of an array's second array."""
        column = self._column(array, self.layout.companion_column(array))
        view = array_view(self.companions[array].raw, column, start, count)
        return f"{self.second[array]} = {view}"

    def name_of(self, array: sympy.Symbol, what: str) -> str:
        """Return the name of a variable that belongs to an array, the same in every call."""
        if (array, what) not in self.own:
            self.own[array, what] = self.names.unique(f"{self.names.arrays[array]}_{what}")
        return self.own[array, what]

    def load(self, array: sympy.Symbol, index: str, scale: str = "") -> str:
        """Return the value of an array at an index, in the dtype of the arithmetic.

        Args:
            array: symbol of the array.
            index: text of the index.
            scale: name of the factor of the block, for 8-bit codes.
        """
        return self.decoded(array, *self._places(array, index), scale)

    def _places(self, array: sympy.Symbol, index: str) -> tuple[str, str]:
        """Return the elements of an array, and of its second array, at an index."""
        second = self.second.get(array, "")
        return f"{self.names.arrays[array]}[{index}]", f"{second}[{index}]" if second else ""

    def decoded(self, array: sympy.Symbol, place: str, rest: str = "", scale: str = "") -> str:
        """Return the value of an element of an array, in the dtype of the arithmetic.

        Args:
            array: symbol of the array.
            place: text of what is stored.
            rest: text of what is stored in the second array of a master weight.
            scale: name of the factor of the block, for 8-bit codes.
        """
        storage = self.layout.storages[array]
        if self.has_rest(array):
            return self._whole_weight(storage, place, rest)
        return self._converted(self._decoded(storage, place, scale), storage)

    def has_rest(self, array: sympy.Symbol) -> bool:
        """Return whether an array is the parameter with a master weight in two arrays."""
        return array == self.kernel.parameter and bool(self.precision.master)

    def read_by_load(self, array: sympy.Symbol) -> list[str]:
        """Return the names of the arrays that a load reads, without those of scales."""
        name = self.names.arrays[array]
        if not self.has_rest(array):
            return [name]
        # A master weight in float32 is a whole one.
        is_whole = self.precision.master == "float32"
        return [*([] if is_whole else [name]), self.second[array]]

    def written_by_store(self, array: sympy.Symbol) -> list[str]:
        """Return the names of the arrays that a store writes, without those of scales."""
        rest = [self.second[array]] if self.has_rest(array) else []
        return [self.names.arrays[array], *rest]

    def is_plain(self, array: sympy.Symbol) -> bool:
        """Return whether values of an array are stored as they are computed."""
        return not self.has_rest(array) and self.decoded(array, "x") == "x"

    def load_wide(self, vector: sympy.Symbol, index: str) -> str:
        """Return the value of an axis array at an index, in float64."""
        place = f"{self.names.arrays[vector]}[{index}]"
        return f"float64({self._decoded(self.layout.storages[vector], place)})"

    def _whole_weight(self, storage: Storage, place: str, rest: str) -> str:
        if self.precision.master == "float32":
            return rest
        if self.precision.master == "kahan":
            return f"{self._decoded(storage, place)} + {self._decoded(storage, rest)}"
        return f"from_{self.precision.master}({place}, {rest})"

    def _decoded(self, storage: Storage, place: str, scale: str = "") -> str:
        if not storage.is_coded:
            return place
        arguments = f"{place}, {scale}" if scale else place
        return f"from_{storage.name}({arguments})"

    def _converted(self, text: str, storage: Storage) -> str:
        """Return a decoded value in the dtype of the arithmetic."""
        wanted = self.precision.arithmetic
        if storage.arithmetic == wanted:
            return text
        return f"{wanted if wanted == 'float64' else self.narrowing or wanted}({text})"

    def store(self, array: sympy.Symbol, index: str, value: str, scale: str = "") -> list[str]:
        """Return the statements that store a value, of the dtype of the arithmetic."""
        return self.store_at(array, *self._places(array, index), value, scale)

    def store_at(
        self, array: sympy.Symbol, place: str, rest: str, value: str, scale: str = ""
    ) -> list[str]:
        """Return the statements that encode a value; see `decoded`."""
        storage, master = self.layout.storages[array], self.precision.master
        if not self.has_rest(array):
            return [f"{place} = {self.encoded(array, value, scale)}"]
        nearest = f"to_{storage.name}({value})"
        if master == "float32":
            return [f"{rest} = {value}", f"{place} = {nearest}"]
        if master == "kahan":
            lost = f"kahan_rest({value}, {self._decoded(storage, place)})"
            return [f"{place} = {nearest}", f"{rest} = to_{storage.name}({lost})"]
        return [f"{place} = {master}_upper({value})", f"{rest} = {master}_rest({value})"]

    def encoded(self, array: sympy.Symbol, value: str, scale: str = "") -> str:
        """Return a value, of the dtype of the arithmetic, as it is stored in an array."""
        storage = self.layout.storages[array]
        if not storage.is_coded:
            is_wide = storage.name == self.precision.arithmetic
            return value if is_wide else f"{self.narrowing or storage.name}({value})"
        arguments = [value, *([scale] if scale else [])]
        if not self.is_random(array):
            return f"to_{storage.name}({', '.join(arguments)})"
        bits = f"noise_bits({self.noise}, {noise_multiplier(self._number(array))})"
        return f"to_{storage.name}_by({', '.join([*arguments, bits])})"

    def narrowed(self, store: Store, value: str) -> str:
        """Return the new value of a state along axes as it is stored, given in any float type."""
        storage = self.layout.storages[store.target]
        if not storage.is_coded:
            return value  # a store to such an array converts
        source = self.layout.storages.get(store.value)
        if source is not None:
            value = self._decoded(source, value)
        return self.encoded(store.target, f"{self.narrowing or 'float32'}({value})")

    def _number(self, array: sympy.Symbol) -> int:
        """Return the number by which an array takes its bits of the noise."""
        if array == self.kernel.parameter:
            return 0
        return 1 + self.kernel.states.index(array)

    def is_random(self, array: sympy.Symbol) -> bool:
        """Return whether stores to an array are rounded by chance.

        The few values of a state along axes are rounded to nearest.
        """
        storage = self.layout.storages[array]
        is_wide = self.kernel.domains[array] == Domain.ELEMENT
        return bool(self.noise) and storage.is_coded and is_wide and not self.has_rest(array)

    def read_key(self, block: Block) -> dict[str, str]:
        """Return name -> statement that makes the key of the noise, if a sweep needs it."""
        if not self.needs_noise(block):
            return {}
        return {self.key: f"{self.key} = rounding_key(model, tensor)"}

    def begin_noise(self, block: Block, start: str) -> list[str]:
        """Return the statement before a loop over elements from number `start` on."""
        return [f"{self.base} = low_word({start})"] if self.needs_noise(block) else []

    def draw_noise(self, block: Block, position: str = "") -> list[str]:
        """Return the statement that draws an element's noise, if a sweep needs it.

        Its number is `position`, or `i` elements after that of `begin_noise`.
        """
        # The sum is computed in 32 bits, which keeps vectors wide.
        number = position or f"{self.base} + uint32(i)"
        return [f"{self.noise} = noise_at({self.key}, {number})"] if self.needs_noise(block) else []

    def needs_noise(self, block: Block) -> bool:
        """Return whether a sweep rounds by chance."""
        return any(self.is_random(store.target) for store in block.stores)

    def has_blocks(self, block: Block) -> bool:
        """Return whether a sweep uses arrays of 8-bit codes."""
        return any(self.layout.storages[array].block for array in block.arrays)
