"""Functions of matrices of which each process holds a part."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from learnerdsl.ir import Block
from learnerdsl.pipeline import Program
from learnerdsl.runtime.cpu.memory import Memory
from learnerdsl.runtime.exchanges import keeps_matrices
from learnerdsl.runtime.shards import (
    Shard,
    Team,
    assembled,
    exchange_parts,
    gather_parts,
    shape_of_box,
    teams_of,
)


class HasMatrices(Protocol):
    """An engine, as far as functions of matrices use it."""

    program: Program
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

    def matrix_function(self, name: str) -> Any:
        """Return a function of whole matrices, of (arrays, model row, tensor row)."""
        ...


class WholeMatrices:
    """Runs the functions of matrices of an engine.

    If their results are parts of tensors alone, the tensors of a team are divided among its
    processes: each gets the operands of its tensors in one exchange, and sends the others their
    parts of the results in another. If there are states that are matrices of their own, or results
    for later functions, every process computes all.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: HasMatrices) -> None:
        self.engine = engine
        program = engine.program
        self.blocks = program.kernel.matrix_blocks
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
        function, block = engine.matrix_function(name), self.blocks[level]
        absent = set(engine.aside.absent) if engine.aside else set()
        for k, shard in enumerate(engine.shards):
            if shard is None and k not in absent:
                self.call(function, k, engine.memory.decode_for_matrices(k))
        for team, tensors in self.teams:
            present = [k for k in tensors if k not in absent]
            if self.is_shared:
                for k in present:
                    self.on_all(function, block, k)
            elif present:
                self.on_owners(function, block, team, present)

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
        """Run a function for each tensor in one process."""
        shards: Any = self.engine.shards
        owned = owners(tensors, self.engine.shapes, team.size)
        mine, processes = owned[team.number], range(team.size)
        given = {k: self.operands(block, k) for k in tensors}
        names, targets = list(given[tensors[0]]), self.targets(block)

        def shapes(count: int) -> list[list[tuple[int, ...]]]:
            """Return, for each process, the shapes of its parts of this one's tensors."""
            return [
                [shape_of_box(shards[k].boxes[p]) for k in mine for _ in range(count)]
                for p in processes
            ]

        dtype = np.dtype(self.engine.program.precision.arithmetic)
        sent = [[given[k][name] for k in own for name in names] for own in owned]
        got = exchange_parts(team, sent, shapes(len(names)), dtype)
        results: dict[int, dict[str, Any]] = {}
        for j, k in enumerate(mine):
            parts = [own[j * len(names) :][: len(names)] for own in got]
            results[k] = self.whole(shards[k], names, parts)
            self.compute(function, block, k, results[k])
        back = [
            [results[k][name][shards[k].boxes[p]] for k in mine for name in targets]
            for p in processes
        ]
        own_shapes = [[shape_of_box(shards[k].own) for k in own for _ in targets] for own in owned]
        returned = exchange_parts(team, back, own_shapes, dtype)
        for own, parts in zip(owned, returned, strict=True):
            places = [(k, name) for k in own for name in targets]
            for (k, name), part in zip(places, parts, strict=True):
                self.engine.memory.matrices[k][name][...] = part

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
        of_arrays = zip(*parts, strict=True)
        return {name: assembled(shard, own) for name, own in zip(names, of_arrays, strict=True)}

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


def owners(
    tensors: Sequence[int], shapes: Sequence[tuple[int, ...]], processes: int
) -> list[list[int]]:
    """Return the tensors of which each process computes functions: about equal work for all.

    >>> owners([0, 1, 2, 3], [(2, 2), (8, 8), (4, 4), (6, 6)], 2)
    [[1], [3, 2, 0]]
    """

    def cost(k: int) -> int:
        shape = shapes[k]
        return int(np.prod(shape, dtype=np.int64)) * min(shape[-2:])

    found: list[list[int]] = [[] for _ in range(processes)]
    load = [0] * processes
    for k in sorted(tensors, key=lambda k: (-cost(k), k)):
        owner = load.index(min(load))
        found[owner].append(k)
        load[owner] += cost(k)
    return found
