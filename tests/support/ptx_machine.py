"""Runs PTX on the CPU, so that kernels can be tested where there is no GPU.

All threads of a block run at once, as NumPy arrays with a value for each thread; blocks run one
after another. Threads that part meet again, because those that are behind always run first.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from support.ptx_instructions import LOGICAL, TYPES, Array, Unsupported, decode
from support.ptx_module import (
    INTERVAL,
    LOCAL,
    MODULE,
    OPERAND,
    SHARED,
    WINDOW,
    Instruction,
    Kernel,
    Memory,
    MemoryFault,
    Module,
    Race,
    Scope,
    Space,
    Who,
    constant,
)

__all__ = ["Machine", "Memory", "MemoryFault", "Race", "Trap", "Unsupported"]

Step = Callable[[Any], Any]  # of a mask of threads, or of True where it is all of them
Pieces = Iterator[tuple[Space, Array, Any]]

BARRIER = 1 << 32  # threads at a barrier come after all others
DONE = 2 * BARRIER
MOST_JUMPS = 1_000_000
CONCURRENT = {"volatile", "relaxed", "acquire", "release", "mmio"}  # accesses that cannot race

ATOMIC: dict[str, Callable[..., Any]] = {**LOGICAL, "add": np.add, "min": np.fmin, "max": np.fmax}
ATOMIC |= {"exch": lambda old, new: new, "inc": lambda old, top: 0 if old >= top else old + 1}
ATOMIC |= {"cas": lambda old, expected, new: new if old == expected else old}
ATOMIC |= {"dec": lambda old, top: top if old == 0 or old > top else old - 1}

ADDRESS = re.compile(r"\[?\s*([^+\]\s]+)\s*(?:\+\s*(-?\w+))?\s*\]?")


class Trap(Exception):
    """A trap instruction, or a block that does not come to an end."""


def copying(targets: Iterable[Array], sources: Iterable[Array]) -> Step:
    """What copies rows of values for a mask of threads."""
    copies = list(zip(targets, sources, strict=True))

    def step(mask: Any) -> None:
        for target, source in copies:
            np.copyto(target, source, "unsafe", mask)

    return step


class Block(Kernel):
    """A kernel with a function for each of its instructions."""

    def __init__(self, module: Module, name: str, size: int) -> None:
        super().__init__(module, name, size)
        self.widths = {16}
        self.races, self.now, self.since, self.jumps = True, 0, 0, 0
        place = {MODULE >> 40: (module.variables, MODULE)}
        shared, local = module.shared, self.local
        self.spaces = {"global": dict(place), "const": place}
        self.spaces |= {"shared": {0: (shared, WINDOW)}, "local": {0: (local, WINDOW)}}
        place = place | {SHARED >> 40: (shared, SHARED + WINDOW)}
        self.spaces["generic"] = place | {LOCAL >> 40: (local, LOCAL + WINDOW)}
        self.steps = [self.step(i) for i in self.instructions]
        late = [i.opcode.startswith("bar") and ".warp" not in i.opcode for i in self.instructions]
        self.order = [*(k + BARRIER * waits for k, waits in enumerate(late)), DONE]
        self.keys = np.array(self.order)

    def step(self, i: Instruction) -> Step:
        """What executes an instruction; it returns where to go, if that is not the next one."""
        name = i.opcode.partition(".")[0]
        try:
            step = getattr(self, f"_{name}", self._compute)(i)
            flag = self.source(i.guard.strip("@!"), TYPES["pred"], i.scope) if i.guard else None
        except (Unsupported, LookupError, ValueError, AttributeError) as reason:
            raise Unsupported(i.line) from reason
        if flag is None or name == "bra":
            return step
        negated = "!" in i.guard

        def guarded(mask: Any) -> Any:
            taken = (flag != negated) & mask
            return step(True if taken.all() else taken) if taken.any() else None

        return guarded

    def source(self, text: str, dtype: np.dtype[Any], scope: Scope) -> Array:
        """A row of values for an instruction to read: a register, a number or an address."""
        if text[0] in "-0123456789":
            return np.full(self.size, constant(text, dtype))
        name, _, offset = text.partition("+")
        found = scope[name]
        if isinstance(found, int):
            return np.full(self.size, found + int(offset or 0)).astype(dtype)
        return found.view(dtype)[:: found.dtype.itemsize // dtype.itemsize]

    def target(self, text: str, dtype: np.dtype[Any], scope: Scope) -> Array:
        """A row of values for an instruction to write, in the type or in a wider one."""
        found = np.empty(self.size, dtype) if text == "_" else scope[text]
        if found.dtype.itemsize > dtype.itemsize:
            return found.view(f"{'i' if dtype.kind == 'i' else 'u'}{found.dtype.itemsize}")
        return found.view(dtype)

    def _compute(self, i: Instruction) -> Step:
        names = [*i.operands[0].split("|"), "%carry"]
        operation = decode(i.opcode, len(names) > 2)
        compute = operation.compute
        kinds = [TYPES[kind] for kind in operation.results]
        targets = [self.target(n, kind, i.scope) for n, kind in zip(names, kinds, strict=False)]
        given = [*i.operands[1:], *["%carry"] * ("carry" in operation.sources)]
        pairs = zip(given, operation.sources, strict=True)
        sources = [self.source(name, TYPES[kind], i.scope) for name, kind in pairs]
        out = targets[0]

        def direct(mask: Any) -> None:
            compute(*sources, out=out, where=mask)

        def indirect(mask: Any) -> None:
            np.copyto(out, compute(*sources), "unsafe", mask)

        def several(mask: Any) -> None:
            for target, value in zip(targets, compute(*sources), strict=True):
                np.copyto(target, value, "unsafe", mask)

        if len(targets) > 1:
            return several
        return direct if isinstance(compute, np.ufunc) and out.dtype == kinds[0] else indirect

    def _mov(self, i: Instruction) -> Step:
        into, given = i.operands
        kind = TYPES[i.opcode.rpartition(".")[2]]
        parts = OPERAND.findall((into if into[0] == "{" else given).strip("{} "))
        piece = np.dtype(f"u{kind.itemsize // len(parts)}") if len(parts) > 1 else kind
        if into[0] == "{":
            rows = self.source(given, kind, i.scope).view(piece).reshape(self.size, -1).T
            return copying([self.target(part, piece, i.scope) for part in parts], list(rows))
        rows = self.target(into, kind, i.scope).view(piece).reshape(self.size, -1).T
        return copying(list(rows), [self.source(part, piece, i.scope) for part in parts])

    def _cvta(self, i: Instruction) -> Step:
        parts = i.opcode.split(".")
        start = SHARED if "shared" in parts else LOCAL if "local" in parts else 0
        shift = np.uint64(-start % 2**64 if "to" in parts else start)
        out, given = (self.source(n, TYPES["u64"], i.scope) for n in i.operands)
        return lambda mask: np.copyto(out, given + shift, where=mask)

    def places(self, i: Instruction, operand: str, width: int) -> Callable[[Any], Pieces]:
        """What gives, for a mask of threads, spaces with the indices in them, and the threads."""
        parts = {part.partition(":")[0] for part in i.opcode.split(".")}
        spaces = self.spaces[next((part for part in self.spaces if part in parts), "generic")]
        name, shift = ADDRESS.fullmatch(operand).groups()
        row, shift = i.scope[name], np.uint64(int(shift or "0", 0) % 2**64)
        row = np.full(self.size, row) if isinstance(row, int) else row
        row = row.view(f"u{row.dtype.itemsize}")
        note = {"ld": Space.note_read, "st": Space.note_write}.get(i.opcode[:2])
        note = None if parts & CONCURRENT else note
        if note and "local" not in parts:
            self.widths.add(width)

        def piece(top: int, addresses: Array, lanes: Any) -> tuple[Space, Array, Any]:
            if top not in spaces:
                raise MemoryFault(f"{int(addresses[0]):#x} is in no space of these: {i.line}")
            space, base = spaces[top]
            offsets = (addresses - np.uint64(base)).view(np.int64)
            space.check(offsets, width, i.line)
            if space is self.local:
                offsets = offsets + self.ids[lanes] * self.stride
            elif note and self.races:
                note(space, offsets, width, Who(self.now + self.ids[lanes], self.since, i.line))
            return space, offsets // width, lanes

        def pieces(mask: Any) -> Pieces:
            lanes = slice(None) if mask is True else self.ids[mask]
            addresses = row[lanes].astype(np.uint64) + shift
            tops = addresses >> 40
            if (tops == tops[0]).all():
                yield piece(int(tops[0]), addresses, lanes)
                return
            for top in np.unique(tops):
                yield piece(int(top), addresses[tops == top], self.ids[lanes][tops == top])

        return pieces

    def columns(self, operand: str, kind: np.dtype[Any], count: int, scope: Scope) -> list[Array]:
        """The places in the bytes of a parameter that an operand names."""
        name, shift = ADDRESS.fullmatch(operand).groups()
        first, size = int(shift or 0), kind.itemsize
        starts = range(first, first + count * size, size)
        return [scope[name][:, start : start + size].view(kind)[:, 0] for start in starts]

    def _ld(self, i: Instruction) -> Step:
        parts = i.opcode.split(".")
        kind, names = TYPES[parts[-1]], OPERAND.findall(i.operands[0].strip("{}"))
        targets = [self.target(name, kind, i.scope) for name in names]
        if "param" in parts:
            return copying(targets, self.columns(i.operands[1], kind, len(names), i.scope))
        places = self.places(i, i.operands[1], kind.itemsize * len(names))

        def step(mask: Any) -> None:
            for space, indices, lanes in places(mask):
                values = space.data.view(kind).reshape(-1, len(names))[indices]
                for k, target in enumerate(targets):
                    target[lanes] = values[:, k]

        return step

    def _st(self, i: Instruction) -> Step:
        parts = i.opcode.split(".")
        kind, names = TYPES[parts[-1]], OPERAND.findall(i.operands[1].strip("{}"))
        sources = [self.source(name, kind, i.scope) for name in names]
        if "param" in parts:
            return copying(self.columns(i.operands[0], kind, len(names), i.scope), sources)
        places = self.places(i, i.operands[0], kind.itemsize * len(names))

        def step(mask: Any) -> None:
            for space, indices, lanes in places(mask):
                values = space.data.view(kind).reshape(-1, len(names))
                for k, source in enumerate(sources):
                    values[indices, k] = source[lanes]

        return step

    def _atom(self, i: Instruction) -> Step:
        parts = i.opcode.split(".")
        kind, apply = TYPES[parts[-1]], next(ATOMIC[part] for part in parts if part in ATOMIC)
        into, where, *given = ["_"] * (parts[0] == "red") + i.operands
        target = self.target(into, kind, i.scope)
        rows = [self.source(name, kind, i.scope) for name in given]
        places = self.places(i, where, kind.itemsize)

        def step(mask: Any) -> None:
            for space, indices, lanes in places(mask):
                cells = space.data.view(kind)
                for index, lane in zip(indices.tolist(), self.ids[lanes].tolist(), strict=True):
                    old = cells[index]
                    cells[index] = apply(old, *(row[lane] for row in rows))
                    target[lane] = old

        return step

    _red = _atom

    def _bra(self, i: Instruction) -> Step:
        name, scope = i.operands[0], i.scope
        target = scope[name]
        if not i.guard:
            return lambda mask: target
        flag, negated = scope[i.guard.strip("@!")], "!" in i.guard

        def step(mask: Any) -> Any:
            taken = (flag != negated) & mask
            if not taken.any():
                return None
            return target if (taken == mask).all() else (target, taken)

        return step

    def _bar(self, i: Instruction) -> Step:
        if i.guard or len(i.operands) > 1 or not i.opcode.endswith(".sync"):
            raise Unsupported(i.line)
        return self._membar(i) if "warp" in i.opcode else lambda mask: BARRIER

    _barrier = _bar

    def _membar(self, i: Instruction) -> Step:
        return lambda mask: None

    _fence = _nanosleep = _membar

    def _trap(self, i: Instruction) -> Step:
        def step(mask: Any) -> None:
            raise Trap(i.line)

        return step

    def _call(self, i: Instruction) -> Step:
        def step(mask: Any) -> None:
            raise Unsupported(f"a function that is not in the module: {i.line}")

        return step

    def launch(self, grid: int, given: Sequence[Any], memory: Memory, order: Sequence[int]) -> None:
        """Runs the blocks of a grid."""
        for variable, row, value in zip(self.arguments, self.given, given, strict=True):
            row[:] = variable.packed(value)
        for name in ("global", "generic"):
            self.spaces[name].update(memory.windows())
        for space in (memory, self.module.variables):
            space.watch(min(self.widths))
        self.names["%nctaid.x"][:] = grid
        self.now = 0
        with np.errstate(all="ignore"):
            for index in order:
                self.names["%ctaid.x"][:] = index
                self.run()

    def run(self) -> None:
        """Runs a block, always the threads that are behind."""
        self.module.shared.watch(min(self.widths))
        self.module.shared.data[:] = self.local.data[:] = 0xFF  # not a number
        self.now += INTERVAL
        self.since, self.jumps = self.now, 0
        places = np.zeros(self.size, np.int64)
        while (first := int((keys := self.keys[places]).min())) < DONE:
            here = keys == first
            others = keys[~here]
            limit = int(others.min()) if others.size else DONE
            self.advance(places, here, here if others.size else True, limit)

    def advance(self, places: Array, here: Array, mask: Any, limit: int) -> None:
        """Runs threads that stand at the same place, until others are behind, or they part."""
        place = int(places[here.argmax()])
        while self.order[place] < limit:
            jump = self.steps[place](mask)
            if jump is None:
                place += 1
                continue
            self.jumps += 1
            if self.jumps > MOST_JUMPS:
                raise Trap(f"no end is in sight at {self.instructions[place].line}")
            if jump is BARRIER:
                self.now += INTERVAL
                places[here] = place
                places[self.keys[places] < DONE] += 1  # all that have not ended stand at one
                return
            if isinstance(jump, tuple):
                places[here] = place + 1
                places[jump[1]] = jump[0]
                return
            place = jump
        places[here] = place


class Machine(Module):
    """A module of PTX that can be launched as on a GPU."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.blocks: dict[tuple[str, int], Block] = {}

    def launch(
        self,
        entry: str | None,
        grid: int,
        block: int,
        arguments: Sequence[Any],
        memory: Memory,
        *,
        order: Sequence[int] | None = None,
        races: bool = True,
    ) -> None:
        """Runs an entry, or the only one, on blocks of threads, one block after another.

        Arguments are numbers, one for each .param of the entry.
        """
        if entry is None:
            (entry,) = self.entries
        if not 0 < block <= 1024:
            raise ValueError(f"a block of {block} threads")
        key = (entry, block)
        if key not in self.blocks:
            self.blocks[key] = Block(self, entry, block)
        self.blocks[key].races = races
        self.blocks[key].launch(grid, arguments, memory, range(grid) if order is None else order)
