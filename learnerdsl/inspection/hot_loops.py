"""Hold the hot loops of machine code: instructions under the lines of source they come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learnerdsl.cards import counted
from learnerdsl.inspection.assembly import Listed, Loop, calls_of
from learnerdsl.inspection.instructions import Instruction, Place
from learnerdsl.inspection.source_loops import SourceLoop


@dataclass(frozen=True)
class OtherLoop:
    """A further version of a hot loop: for what is left at the end, or for arrays that overlap.

    Attributes:
        elements: elements of the tensor that an iteration updates; 0 if it is not known.
        bits: width of its vectors; 0 if it is scalar.
        instructions: number of its instructions.
    """

    elements: int
    bits: int
    instructions: int


@dataclass(frozen=True)
class HotLoop:
    """The machine code of one loop over the elements of a chunk.

    Attributes:
        function: name of the generated function.
        first_line: line of the generated source where the loop begins.
        last_line: line of the generated source where it ends.
        target: "x86-64", "AArch64" or "PTX".
        bits: width of its vectors in bits; 0 if it is scalar.
        width: width of its vectors in numbers of the type that it computes in; 1 if it is scalar.
        number: bytes of such a number.
        elements: elements of the tensor that an iteration updates; 0 if it is not known.
        instructions: the instructions, in the order in which they run.
        scalar: those that work on one number of the data.
        calls: names of the functions that it calls.
        spills: number of moves of data between registers and the stack.
        others: its further versions.
        outside: number of instructions of the function that are in no version of a loop: what
            comes before, between and after.
        is_located: whether the lines are certain: the code with line numbers has these very
            instructions. PTX has no lines.
        source: place -> text of the line of source.
        registers: number of registers of a thread, for PTX; None if NVIDIA's assembler is not
            installed.
        spilled_bytes: bytes that it moves between registers and memory for lack of registers.
    """

    function: str
    first_line: int
    last_line: int
    target: str
    bits: int
    width: int
    number: int
    elements: int
    instructions: tuple[Instruction, ...]
    scalar: tuple[Instruction, ...]
    calls: tuple[str, ...]
    spills: int
    others: tuple[OtherLoop, ...]
    outside: int
    is_located: bool
    source: Mapping[Place, str] = field(repr=False)
    registers: int | None = None
    spilled_bytes: int | None = None

    @property
    def is_vector(self) -> bool:
        """Whether it works on vectors alone: without calls and instructions on single numbers."""
        return bool(self.width > 1 and not self.scalar and not self.calls)

    @property
    def unrolled(self) -> float:
        """The number of vectors that an iteration works on; 0 if it is not known."""
        ratio = self.elements / self.width
        return int(ratio) if ratio == int(ratio) else ratio

    @property
    def instructions_per_element(self) -> float:
        """The number of instructions for each element; NaN if it is not known."""
        return len(self.instructions) / self.elements if self.elements else float("nan")

    def __str__(self) -> str:
        lines = [
            f"{self.function}, lines {self.first_line} to {self.last_line} of the source",
            f"  {self.target}: {self._vectors()}",
            f"  {self._iteration()}",
            f"  {self._not_vector()}",
            f"  {self._rest()}",
            *self._remarks(),
        ]
        return "\n".join([*lines, "", *self._by_line()])

    def _vectors(self) -> str:
        if self.width == 1:
            return "no vectors, one number at a time"
        what = "loads and stores" if self.target == "PTX" else "vectors"
        return f"{what} of {self.bits} bits, {self.width} float{8 * self.number}"

    def _remarks(self) -> list[str]:
        """Return what else there is to say, a line each."""
        if self.registers is not None:
            spills = f"{self.spilled_bytes} bytes spilled" if self.spilled_bytes else "none spilled"
            return [f"  a thread uses {self.registers} registers, {spills}"]
        if self.target == "PTX":
            return ["  registers are not known, as NVIDIA's assembler is not installed"]
        if not self.is_located:
            return ["  some lines are not known: the code with line numbers is another"]
        return []

    def _iteration(self) -> str:
        count = counted(len(self.instructions), "instruction")
        if not self.elements:
            return f"{count} in an iteration, over an unknown number of elements"
        return (
            f"an iteration updates {counted(self.elements, 'element')} "
            f"({self.unrolled:g} x {self.width}) with {count}, "
            f"{self.instructions_per_element:.3g} per element"
        )

    def _not_vector(self) -> str:
        parts = [counted(len(self.scalar), "instruction") + " on single numbers"]
        parts += [f"calls of {', '.join(dict.fromkeys(self.calls))}"] if self.calls else []
        parts += [f"{counted(self.spills, 'move')} to or from the stack"] if self.spills else []
        if self.scalar or self.calls or self.spills:
            return f"not vectors: {'; '.join(parts)}"
        if self.target == "PTX":
            return "every access to memory is one of vectors"
        return "everything is vectors, besides counters and jumps"

    def _rest(self) -> str:
        widths = [f"{o.bits} bits" if o.bits else "scalar" for o in self.others]
        each = [f"{o.elements or '?'} ({w})" for o, w in zip(self.others, widths, strict=True)]
        others = f"; other loops, for what is left, of {', '.join(each)} elements" if each else ""
        return f"outside of the loop: {counted(self.outside, 'instruction')}{others}"

    def _by_line(self) -> Iterator[str]:
        """Yield each line of source, and its instructions with their numbers."""
        numbered = list(enumerate(self.instructions, 1))
        if not any(own.place for own in self.instructions):
            yield from (f"{number:>8}  {own.text}" for number, own in numbered)
            return
        places = dict.fromkeys(own.place for own in self.instructions)
        for place in sorted(places, key=_order_of):
            yield _heading(place, self.source)
            for number, own in numbered:
                if own.place == place:
                    yield f"{number:>8}  {own.text}"


def hot_loop(
    listed: Listed,
    written: SourceLoop,
    versions: Sequence[tuple[Loop, OtherLoop]],
    best: int,
    number: int,
    **others: Any,
) -> HotLoop:
    """Return the best of the versions of a loop.

    Args:
        listed: the machine code that has them.
        written: the loop of the source.
        versions: the loops that it became, with their measures.
        best: number of the best of them.
        number: bytes of a number that it computes with.
        **others: attributes of the result that machine code alone does not tell.
    """
    loop, measures = versions[best]
    return HotLoop(
        function=written.function,
        first_line=written.first,
        last_line=written.last,
        target=listed.processor.name,
        bits=measures.bits,
        width=max(1, measures.bits // (8 * number)),
        number=number,
        elements=measures.elements,
        instructions=loop.instructions,
        scalar=loop.of("scalar"),
        calls=tuple(calls_of(loop, listed)),
        spills=sum(own.is_spill for own in loop.instructions),
        others=tuple(own for k, (_, own) in enumerate(versions) if k != best),
        **others,
    )


def _order_of(place: Place | None) -> tuple[bool, str, int]:
    return (True, "", 0) if place is None else (False, *place)


def _heading(place: Place | None, source: Mapping[Place, str]) -> str:
    """Return a line with a line of source."""
    if place is None:
        return "       of no line"
    file, line = place
    if place not in source:
        return f"       inlined, from {file}:{line}"
    return f"{line:>5}  {source[place].strip()}"


@dataclass(frozen=True)
class HotLoops:
    """The hot loops of a learner or a rule, in the order in which they run.

    Attributes:
        loops: the loops.
        notes: what else there is to say about the machine code.
    """

    loops: tuple[HotLoop, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[HotLoop]:
        return iter(self.loops)

    def __len__(self) -> int:
        return len(self.loops)

    def __getitem__(self, number: int) -> HotLoop:
        return self.loops[number]

    def __add__(self, other: "HotLoops") -> "HotLoops":
        return HotLoops((*self.loops, *other.loops), (*self.notes, *other.notes))

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.loops), *self.notes])
