"""Matrix functions between two sweeps on a device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.expr import Eigenvectors, InverseRoot, Orthonormal, Where, nodes
from learnerdsl.ir import Block, Kernel, Rank
from learnerdsl.runtime.arrays.device import locate
from learnerdsl.runtime.arrays.interop import MATRIX_LIBRARIES, library_of
from learnerdsl.runtime.arrays.sparse import values_of
from learnerdsl.runtime.cuda.device import DeviceView

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
        kernel = engine.program.kernel
        self.function = getattr(engine.module, engine.program.levels[level].matrix)
        block = kernel.levels[level].matrix
        self.waits = engine.check_finite or _chooses(kernel, block)
        self.can_be_captured = not self.waits and not _decomposes(block)
        self.xp: Any = None
        self.matrices: list[dict[str, Any]] = [{} for _ in engine.shapes]

    def prepare(self, namespace: Any, parameters: Sequence[Any], earlier: Sequence[Any]) -> None:
        """Collect the arrays; all stages of a rule share them, as later ones read results."""
        engine = self.engine
        self.xp = namespace
        name = engine.program.kernel.parameter.name
        if earlier:
            self.matrices = earlier[0].matrices
        for matrices, own, parameter in zip(self.matrices, engine.places, parameters, strict=True):
            matrices[name] = namespace.array(parameter)
            for key, place in own.items():
                view = DeviceView(engine.device, engine.arena, *place)
                matrices.setdefault(key, namespace.array(view))
        self.model_rows, self.tensor_rows = (
            namespace.array(DeviceView(engine.device, engine, address, rows.shape, np.float64))
            for address, rows in (
                (engine.at.model_rows, engine.model_rows),
                (engine.at.tensor_rows, engine.tensor_rows),
            )
        )

    def bind(self, name: str, indices: Sequence[int], arrays: Sequence[Any]) -> None:
        """Use these gradients or array extras from now on."""
        for index, array in zip(indices, arrays, strict=True):
            self.matrices[index][name] = self.xp.array(as_view(self.engine, values_of(array)))

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
        with self.xp.on_stream(stream):
            for k, matrices in enumerate(self.matrices):
                self.function(self.xp, matrices, model[engine.groups[k]], tensor[k])


def as_view(engine: "CudaEngine", array: Any) -> Any:
    """Convert an array to one that the library of matrix functions accepts."""
    if library_of(array) in MATRIX_LIBRARIES:
        return array
    place = locate(array, "An array")
    return DeviceView(engine.device, array, place.address, place.shape, place.dtype)


def _decomposes(block: Block) -> bool:
    """Return whether the block decomposes a matrix."""
    return any(c.expression.has(Eigenvectors, InverseRoot, Orthonormal) for c in block.computes)


def _chooses(kernel: Kernel, block: Block) -> bool:
    """Return whether a condition in the block depends on a scalar."""
    return any(
        kernel.domains[symbol].rank < Rank.VECTOR
        for compute in block.computes
        for choice in nodes([compute.expression])
        if isinstance(choice, Where)
        for symbol in choice.condition.free_symbols
    )
