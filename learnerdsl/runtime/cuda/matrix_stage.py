"""Matrix functions between two sweeps on a device."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.expr import MatrixFunction, Where, nodes
from learnerdsl.ir import Block, Kernel, Rank
from learnerdsl.runtime.arrays.device import locate
from learnerdsl.runtime.arrays.interop import MATRIX_LIBRARIES, library_of
from learnerdsl.runtime.arrays.sparse import RowSparse, values_of
from learnerdsl.runtime.cuda import builtin_kernels
from learnerdsl.runtime.cuda.device import DeviceView, Launch, Words
from learnerdsl.runtime.tables.tables import narrow_operands
from learnerdsl.storage import number_type

if TYPE_CHECKING:
    from learnerdsl.runtime.cuda.engine import CudaEngine


class MatrixStage:
    """Runs the matrix functions of a level with a library, tensor by tensor.

    The functions read scalars on the device. If a condition depends on a scalar, the host waits for
    its value. Decompositions always make the host wait, to learn whether they converged.

    Args:
        engine: the engine that owns the tensors.
        level: the level.
    """

    def __init__(self, engine: "CudaEngine", level: int) -> None:
        self.engine = engine
        self.level = level
        kernel = engine.program.kernel
        self.use_program()
        block = kernel.levels[level].matrix
        self.waits = engine.check_finite or _chooses(kernel, block)
        self.can_be_captured = not self.waits and not _decomposes(block)
        self.xp: Any = None
        self.shapes = self.shapes_here()
        self.matrices: list[dict[str, Any]] = [{} for _ in engine.shapes]

    def shapes_here(self) -> Sequence[tuple[int, ...]]:
        """Return the shapes of the arrays with a value for each element."""
        return self.engine.shapes

    def use_program(self) -> None:
        """Run the function, and read the operands, of the engine's present program."""
        program = self.engine.program
        self.function = getattr(self.engine.module, program.levels[self.level].matrix)
        self.narrow = narrow_operands(program)

    def prepare(self, namespace: Any, parameters: Sequence[Any], earlier: Sequence[Any]) -> None:
        """Collect the arrays; all stages of a rule share them, as later ones read results."""
        engine = self.engine
        self.xp = namespace
        name = engine.program.kernel.parameter.name
        if earlier:
            self.matrices = earlier[0].matrices
        is_narrow = engine.program.kernel.parameter in self.narrow
        readable = (np.float32, np.float64)
        every = zip(self.matrices, engine.places, engine.owners, parameters, strict=True)
        for matrices, own, owners, parameter in every:
            if not is_narrow:
                matrices[name] = namespace.array(parameter)
            for key, place in own.items():
                if place[2] in readable:
                    view = DeviceView(engine.device, engine.arena, *place)
                    matrices.setdefault(key, namespace.array(owners.get(key, view)))
        self.model_rows, self.tensor_rows = (
            namespace.array(DeviceView(engine.device, engine, address, rows.shape, np.float64))
            for address, rows in (
                (engine.at.model_rows, engine.model_rows),
                (engine.at.tensor_rows, engine.tensor_rows),
            )
        )

    def bind(self, name: str, indices: Sequence[int], arrays: Sequence[Any]) -> None:
        """Use these gradients or array extras from now on."""
        if any(symbol.name == name for symbol in self.narrow):
            return  # they are decoded from the addresses in the table
        for index, array in zip(indices, arrays, strict=True):
            shape = None if isinstance(array, RowSparse) else self.shapes[index]
            view = as_view(self.engine, values_of(array), shape)
            self.matrices[index][name] = self.xp.array(view)

    def run(self, stream: int) -> None:
        """Run the functions for all tensors."""
        engine = self.engine
        model, tensor = self.model_rows, self.tensor_rows
        if not self.can_be_captured and engine.device.is_capturing(stream):
            msg = (
                f"{engine.program.rule.name} cannot be captured in a CUDA graph: its matrix "
                "functions, or conditions on scalars around them, make the host wait."
            )
            raise LearnerError(msg)
        if self.waits:
            if engine.at.gate and engine.read(engine.at.gate, (1,), np.float64)[0]:
                return
            model = engine.read_model_rows()
            tensor = engine.read(engine.at.tensor_rows, engine.tensor_rows.shape, np.float64)
        self.decode(stream)
        with self.xp.on_stream(stream):
            for k in range(len(self.matrices)):
                self.compute(k, model[engine.groups[k]], tensor[k])

    def compute(self, k: int, model: Any, tensor: Any) -> None:
        """Run the functions for a tensor, with the row of its group and its own."""
        self.function(self.xp, self.matrices[k], model, tensor)

    def decode(self, stream: int) -> None:
        """Decode the narrow operands of all tensors into arrays of the arithmetic's dtype."""
        engine = self.engine
        program, kernel = engine.program, builtin_kernels.decode
        dtype = np.dtype(program.precision.arithmetic)
        for symbol in self.narrow:
            column = program.layout.arrays.index(symbol)
            encoding = self.encoding_of(symbol)
            for k, shape in enumerate(self.shapes):
                view = engine.decoded_operand(k, symbol.name, shape, dtype)
                count = math.prod(shape)
                source, second = engine.addresses_of(k, symbol, column)
                words = Words((source, second, view.address, count, encoding, dtype.itemsize == 8))
                blocks = -(-count // kernel.threads)
                engine.device.launch(
                    Launch(kernel, engine.device.load(kernel), blocks, words), stream
                )
                self.matrices[k][symbol.name] = self.xp.array(view)

    def encoding_of(self, symbol: Any) -> int:
        """Return the number of the encoding of an array; see `builtin_kernels.ENCODINGS`."""
        program = self.engine.program
        master = program.precision.master if symbol == program.kernel.parameter else ""
        name = program.layout.storages[symbol].name
        if master:
            name = f"{name} kahan" if master == "kahan" else master
        return builtin_kernels.ENCODINGS.index(name)


def as_view(engine: "CudaEngine", array: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Convert an array to one that the library of matrix functions accepts.

    Args:
        engine: the engine.
        array: a contiguous array.
        shape: the shape in which rules see it; None for its own.
    """
    if library_of(array) in MATRIX_LIBRARIES:
        return array if shape is None else array.reshape(shape)
    place = locate(array, "An array")
    dtype = number_type(place.dtype).numpy
    own = place.shape if shape is None else shape
    return DeviceView(engine.device, array, place.address, own, dtype)


def _decomposes(block: Block) -> bool:
    """Return whether the block decomposes a matrix."""
    every = nodes([compute.expression for compute in block.computes])
    return any(isinstance(node, MatrixFunction) and node.is_decomposition for node in every)


def _chooses(kernel: Kernel, block: Block) -> bool:
    """Return whether a condition in the block depends on a scalar."""
    return any(
        kernel.domains[symbol].rank < Rank.VECTOR
        for compute in block.computes
        for choice in nodes([compute.expression])
        if isinstance(choice, Where)
        for symbol in choice.condition.free_symbols
    )
