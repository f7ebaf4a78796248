"""Functions of matrices of which each process holds a part."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from learnerdsl.ir import Block
from learnerdsl.pipeline import Program
from learnerdsl.runtime.cpu.memory import Memory
from learnerdsl.runtime.exchanges import keeps_matrices, matrix_blocks
from learnerdsl.runtime.shards import (
    Shard,
    Team,
    gather_parts,
    packed,
    shape_of_box,
    teams_of,
    unpacked,
)


class HasMatrices(Protocol):
    """An engine, as far as functions of matrices use it."""

    program: Program
    module: Any
    shards: Sequence[Shard | None]
    shapes: Sequence[tuple[int, ...]]
    groups: np.ndarray
    model_rows: np.ndarray
    tensor_rows: np.ndarray
    aside: Any

    @property
    def memory(self) -> Memory:
        """Its arrays."""
        ...


class WholeMatrices:
    """Runs the functions of matrices of an engine.

    If their results are parts of tensors alone, one process gathers the operands of a tensor and
    sends the others their parts; the tensors of a team are divided among its processes. If there
    are states that are matrices of their own, or results for later functions, every process
    computes them.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: HasMatrices) -> None:
        self.engine = engine
        program = engine.program
        self.blocks = matrix_blocks(program)
        self.elements = {str(symbol) for symbol in program.layout.arrays}
        self.is_shared = keeps_matrices(program)
        self.kept: list[dict[str, Any]] = [{} for _ in engine.shards]
        self.teams = teams_of(engine.shards)

    def run(self, level: int) -> None:
        """Run the functions of matrices between the scalars of a level and its sweep."""
        engine = self.engine
        name = engine.program.levels[level].matrix
        if not name:
            return
        function, block = getattr(engine.module, name), self.blocks[level]
        absent = set(engine.aside.absent) if engine.aside else set()
        for k, shard in enumerate(engine.shards):
            if shard is None and k not in absent:
                self.call(function, k, engine.memory.decode_for_matrices(k))
        for team, tensors in self.teams:
            present = [k for k in tensors if k not in absent]
            if self.is_shared:
                for k in present:
                    self.on_all(function, block, k)
            else:
                largest = sorted(present, key=lambda k: -int(np.prod(engine.shapes[k])))
                for start in range(0, len(largest), team.size):
                    self.on_owners(function, block, team, largest[start : start + team.size])

    def call(self, function: Any, k: int, matrices: dict[str, Any]) -> None:
        """Call a function for one tensor."""
        engine = self.engine
        with np.errstate(all="ignore"):
            function(matrices, engine.model_rows[engine.groups[k]], engine.tensor_rows[k])

    def on_all(self, function: Any, block: Block, k: int) -> None:
        """Run a function in every process, for one tensor."""
        shard: Any = self.engine.shards[k]
        own = self.operands(block, k)
        boxes = [[box] * len(own) for box in shard.boxes]
        shapes = [list(map(shape_of_box, of_one)) for of_one in boxes]
        parts = gather_parts(shard.team, list(own.values()), shapes) if own else []
        whole = self.whole(shard, list(own), parts)
        self.compute(function, block, k, whole)
        held = self.engine.memory.matrices[k]
        for name in self.targets(block):
            held[name][...] = whole[name][shard.own]

    def on_owners(self, function: Any, block: Block, team: Team, tensors: Sequence[int]) -> None:
        """Run a function for at most one tensor in each process."""
        engine, targets = self.engine, self.targets(block)
        given: dict[str, np.ndarray] = {}
        mine: Any = None
        for owner, k in enumerate(tensors):
            shard: Any = engine.shards[k]
            own = self.operands(block, k)
            shapes = [[shape_of_box(box)] * len(own) for box in shard.boxes]
            rows = team.collect(packed(list(own.values()), shapes), owner)
            if rows is not None:
                parts = [unpacked(row, s) for row, s in zip(rows, shapes, strict=True)]
                mine, given = k, self.whole(shard, list(own), parts)
        if mine is not None:
            self.compute(function, block, mine, given)
        for owner, k in enumerate(tensors):
            shard = engine.shards[k]
            held = engine.memory.matrices[k]
            shapes = [[shape_of_box(box)] * len(targets) for box in shard.boxes]
            own = packed([held[name] for name in targets], shapes)
            rows = None
            if owner == team.number:
                results = [[given[name][box] for name in targets] for box in shard.boxes]
                rows = np.array([packed(result, shapes) for result in results])
            row = team.spread(rows, owner, own)
            for name, part in zip(targets, unpacked(row, shapes[team.number]), strict=True):
                held[name][...] = part

    def operands(self, block: Block, k: int) -> dict[str, np.ndarray]:
        """Return the own parts of the arrays that a block reads, by name."""
        held = self.engine.memory.decode_for_matrices(k)
        names = dict.fromkeys(str(load.array) for load in block.loads)
        return {name: held[name] for name in names if name in self.elements}

    def targets(self, block: Block) -> list[str]:
        """Return the names of the arrays with a value for each element that a block writes."""
        names = dict.fromkeys(str(store.target) for store in block.stores)
        return [name for name in names if name in self.elements]

    def whole(
        self, shard: Shard, names: Sequence[str], parts: Sequence[Sequence[np.ndarray]]
    ) -> dict[str, Any]:
        """Return the whole arrays that the parts of all processes make, by name."""
        found: dict[str, Any] = {}
        for j, name in enumerate(names):
            found[name] = np.empty(shard.shape, parts[0][j].dtype)
            for box, of_process in zip(shard.boxes, parts, strict=True):
                found[name][box] = of_process[j]
        return found

    def compute(self, function: Any, block: Block, k: int, whole: dict[str, Any]) -> None:
        """Call a function with whole arrays; put those that it writes into `whole`."""
        engine, shape = self.engine, self.engine.shapes[k]
        dtype = np.dtype(engine.program.precision.arithmetic)
        for name in self.targets(block):
            whole.setdefault(name, np.empty(shape, dtype))
        parameter = str(engine.program.kernel.parameter)
        # Only its shape and dtype are used where it is not an operand.
        whole.setdefault(parameter, np.broadcast_to(np.zeros((), dtype), shape))
        states = {n: a for n, a in engine.memory.matrices[k].items() if n not in self.elements}
        matrices = {**states, **self.kept[k], **whole}
        self.call(function, k, matrices)
        self.kept[k] = {n: a for n, a in matrices.items() if n not in (*self.elements, *states)}
