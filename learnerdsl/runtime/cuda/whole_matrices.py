"""Functions of matrices of which each process holds a part, on a device.

Every process gets the operands of a tensor whole, in one collective, and computes its functions. So
all have bitwise the same results, of which each keeps its part, and the same states that are
matrices of their own. The host waits where it does for whole tensors.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learnerdsl.runtime.cuda.matrix_stage import MatrixStage
from learnerdsl.runtime.shards import Shard, shape_of_box

if TYPE_CHECKING:
    from learnerdsl.runtime.cuda.sharded import ShardedCudaEngine


class WholeMatrixStage(MatrixStage):
    """Runs the matrix functions of a level where processes hold parts; see `MatrixStage`.

    Attributes:
        elements: the names of the arrays with a value for each element, of which there are parts.
        like: a number in the dtype of the arithmetic, on the device.
        kept: for each tensor the results that later functions read, by name.
    """

    engine: "ShardedCudaEngine"

    def __init__(self, engine: "ShardedCudaEngine", level: int) -> None:
        super().__init__(engine, level)
        block = engine.program.kernel.levels[level].matrix
        self.elements = {str(symbol) for symbol in engine.program.layout.arrays}
        loaded = dict.fromkeys(str(load.array) for load in block.loads)
        stored = dict.fromkeys(str(store.target) for store in block.stores)
        self.operands = [name for name in loaded if name in self.elements]
        self.targets = [name for name in stored if name in self.elements]
        self.kept: list[dict[str, Any]] = [{} for _ in engine.shapes]
        allocate: Any = engine.allocate
        self.like = allocate((), np.dtype(engine.program.precision.arithmetic))

    def shapes_here(self) -> Sequence[tuple[int, ...]]:
        """Return the shapes of the parts."""
        return self.engine.part.shapes

    def prepare(self, namespace: Any, parameters: Sequence[Any], earlier: Sequence[Any]) -> None:
        """Collect the arrays, and what earlier functions leave for later ones."""
        super().prepare(namespace, parameters, earlier)
        if earlier:
            self.kept = earlier[0].kept

    def compute(self, k: int, model: Any, tensor: Any) -> None:
        """Run the functions for a tensor, with the row of its group and its own."""
        shard = self.engine.shards[k]
        if shard is None:
            super().compute(k, model, tensor)
            return
        held = self.matrices[k]
        whole = self.gathered(shard, [held[name] for name in self.operands])
        for name in self.targets:
            whole.setdefault(name, self.like.new_empty(shard.shape))
        # Only its shape and dtype are used where it is not an operand.
        parameter = str(self.engine.program.kernel.parameter)
        whole.setdefault(parameter, self.like.new_zeros(()).expand(shard.shape))
        states = {name: array for name, array in held.items() if name not in self.elements}
        given = {**states, **self.kept[k], **whole}
        self.function(self.xp, given, model, tensor)
        known = (*self.elements, *states)
        self.kept[k] = {name: array for name, array in given.items() if name not in known}
        for name in self.targets:
            held[name].copy_(whole[name][shard.own])

    def gathered(self, shard: Shard, parts: Sequence[Any]) -> dict[str, Any]:
        """Return the whole operands, by name, given the parts of this process."""
        if not parts:
            return {}
        shapes = [shape_of_box(box) for box in shard.boxes]
        sizes = [math.prod(shape) for shape in shapes]
        # Collectives gather equal lengths.
        most, count = max(sizes), len(parts)
        sent = parts[0].new_zeros((count, most))
        for row, part in zip(sent, parts, strict=True):
            row[: part.numel()].copy_(part.reshape(-1))
        found = sent.new_empty((shard.team.size, count, most))
        shard.team.gather_on_device(found.view(-1), sent.view(-1))
        whole = {name: sent.new_empty(shard.shape) for name in self.operands}
        for p, (box, shape, size) in enumerate(zip(shard.boxes, shapes, sizes, strict=True)):
            for j, name in enumerate(self.operands):
                whole[name][box].copy_(found[p, j, :size].view(shape))
        return whole
