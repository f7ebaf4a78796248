"""Functions of whole matrices between two passes on a device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.expr import Eigenvectors, InverseRoot, Orthonormal, Where, nodes
from learnerdsl.ir import Block, Kernel, Rank
from learnerdsl.runtime.arrays.device import locate
from learnerdsl.runtime.arrays.interop import library_of
from learnerdsl.runtime.arrays.sparse import values_of
from learnerdsl.runtime.cuda.device import DeviceView
from learnerdsl.runtime.cuda.linalg import LIBRARIES

if TYPE_CHECKING:
    from learnerdsl.runtime.cuda.engine import CudaEngine


class MatrixStage:
    """The functions of a level, which a library runs tensor by tensor.

    They read scalars on the device. Where a choice depends on one, the host has to know it, and
    waits. Decompositions wait by themselves, for whether they converged.

    Args:
        engine: whose tensors they work on.
        level: number of the level.
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
        """Take over the arrays; stages of one rule share the values that pass between them."""
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
        """The gradients, or other arrays, of some tensors."""
        for index, array in zip(indices, arrays, strict=True):
            self.matrices[index][name] = self.xp.array(as_view(self.engine, values_of(array)))

    def run(self, stream: int) -> None:
        """The functions of all tensors."""
        engine = self.engine
        model, tensor = self.model_rows, self.tensor_rows
        if not self.can_be_captured and engine.device.is_capturing(stream):
            msg = (
                f"{engine.program.rule.name} cannot be captured in a CUDA graph: its functions of "
                "matrices, or the choice between them, need the host."
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
    """An array as the library that has functions of matrices can take it."""
    if library_of(array) in LIBRARIES:
        return array
    place = locate(array, "An array")
    return DeviceView(engine.device, array, place.address, place.shape, place.dtype)


def _decomposes(block: Block) -> bool:
    """Whether a matrix is decomposed."""
    return any(c.expression.has(Eigenvectors, InverseRoot, Orthonormal) for c in block.computes)


def _chooses(kernel: Kernel, block: Block) -> bool:
    """Whether a condition of the functions is a scalar."""
    return any(
        kernel.domains[symbol].rank < Rank.VECTOR
        for compute in block.computes
        for choice in nodes([compute.expression])
        if isinstance(choice, Where)
        for symbol in choice.condition.free_symbols
    )
