"""Find the loops of a function in its assembly, and measure them."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learnerdsl.inspection.instructions import Instruction, Place, Processor, processor_of

_LABEL = re.compile(r"([.\w$]+):")
_FILE = re.compile(r'\.file\s+(\d+)(?:\s+"(?P<folder>[^"]*)")?\s+"(?P<name>[^"]*)"')
_LINE = re.compile(r"\.loc\s+(\d+)\s+(\d+)(?:.*inlined_at\s+(\d+)\s+(\d+))?")
_LOADED_ADDRESS = re.compile(r"movabsq \$([\w.]+), (%r\w+)$")
_NAMES = re.compile(r"(?:cfunc\.)?_Z[\w.$]+|\.?\$?L_*[A-Za-z_]+\d[\w.]*")


@dataclass(frozen=True)
class Listed:
    """The instructions of an assembly.

    Attributes:
        processor: what the assembly is for.
        instructions: the instructions, in order.
        labels: name of a label -> number of the instruction after it.
    """

    processor: Processor
    instructions: tuple[Instruction, ...]
    labels: dict[str, int]


@dataclass(frozen=True)
class Loop:
    """A loop of machine code.

    Attributes:
        instructions: from the one that it jumps back to, to that jump.
        start: number of the first of them in the assembly.
    """

    instructions: tuple[Instruction, ...]
    start: int

    @property
    def end(self) -> int:
        """Number of the instruction after the loop."""
        return self.start + len(self.instructions)

    def of(self, kind: str) -> tuple[Instruction, ...]:
        """Return the instructions of a kind."""
        return tuple(own for own in self.instructions if own.kind == kind)

    @property
    def computes_vectors(self) -> bool:
        """Whether it does arithmetic on vectors."""
        return any(own.computes for own in self.of("vector"))

    @property
    def computes_scalars(self) -> bool:
        """Whether it does arithmetic on one number at a time."""
        return any(own.computes for own in self.of("scalar"))

    @property
    def is_vector(self) -> bool:
        """Whether it works on vectors and computes nothing number by number."""
        moves = any(own.addresses for own in self.of("vector"))
        return (moves or self.computes_vectors) and not self.computes_scalars

    @property
    def stores_vectors(self) -> bool:
        """Whether it writes vectors to memory."""
        return any(own.stores for own in self.of("vector"))

    def bits(self, itemsize: int) -> int:
        """Return the width of the vectors of floats of this many bytes; 0 for a scalar loop."""
        if not self.is_vector:
            return 0
        vectors = self.of("vector")
        own = [v.bits for v in vectors if v.itemsize == itemsize and v.computes]
        return max(own or [v.bits for v in vectors], default=0)

    @property
    def advance(self) -> int:
        """How many bytes the slowest address that moves does so in an iteration; 0 if none does."""
        moved: dict[str, int] = {}
        for own in self.instructions:
            for register, constant in own.increments:
                moved[register] = moved.get(register, 0) + constant
        sums = [
            sum(moved.get(register, 0) * factor for register, factor in own.addresses)
            for own in self.instructions
        ]
        return min((abs(own) for own in sums if own), default=0)


def read(assembly: str, processor: Processor | None = None) -> Listed:
    """Return the instructions of an assembly, with the lines of source that it names.

    Raises:
        HyperparameterError: it is for a processor that cannot be read.
    """
    processor = processor or processor_of(assembly)
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    files = {m[1]: m["name"].rpartition("/")[2] for m in _FILE.finditer(assembly)}
    place: Place | None = None
    for line in assembly.splitlines():
        text = " ".join(processor.comment.sub("", line).split())
        if match := _LABEL.fullmatch(text):
            labels[match[1]] = len(instructions)
        elif text.startswith(".loc"):
            place = _place(text, files)
        elif text and text[0] not in ".{}()$" and '"' not in text:
            instructions.append(processor.read(text).at(place))
    return Listed(processor, tuple(instructions), labels)


def _place(text: str, files: dict[str, str]) -> Place | None:
    """Return the place that a directive names, the one that calls it if it was inlined."""
    match = _LINE.match(text)
    if match is None:
        return None
    file, line = (match[3], match[4]) if match[3] else (match[1], match[2])
    return (files.get(file, "?"), int(line)) if int(line) else None


def loops(listed: Listed) -> list[Loop]:
    """Return every loop, in the order in which they end."""
    found: list[Loop] = []
    for number, own in enumerate(listed.instructions):
        start = listed.labels.get(own.target, number + 1) if own.kind == "jump" else number + 1
        if start <= number:
            found.append(Loop(listed.instructions[start : number + 1], start))
    return found


def innermost(found: Sequence[Loop]) -> list[Loop]:
    """Return the loops that contain no other of these."""
    return [
        own
        for own in found
        if not any(
            other is not own and own.start <= other.start and other.end <= own.end
            for other in found
        )
    ]


def calls_of(loop: Loop, listed: Listed) -> Iterator[str]:
    """Yield the names of the functions that a loop calls, or the registers with their addresses."""
    for number, own in enumerate(loop.instructions, loop.start):
        if own.kind != "call":
            continue
        before = listed.instructions[:number]
        loaded = (_LOADED_ADDRESS.match(other.text) for other in reversed(before))
        names = (match[1] for match in loaded if match and match[2] == own.target)
        yield next(names, own.target)


def without_names(listed: Listed) -> list[str]:
    """Return the instructions without names of labels and functions, to compare two assemblies."""
    return [_NAMES.sub("name", own.text) for own in listed.instructions]


def with_lines(running: str, located: str) -> tuple[Listed, bool]:
    """Return the code that runs, with the lines of another assembly of the same function.

    Returns:
        The instructions that run, and whether both have the same ones. Where they differ, the
        instructions that have no counterpart are without a line.
    """
    own, other = read(running), read(located)
    texts, others = without_names(own), without_names(other)
    if texts == others:
        return _placed(own, [instruction.place for instruction in other.instructions]), True
    places: list[Place | None] = [None] * len(texts)
    matcher = difflib.SequenceMatcher(None, texts, others, autojunk=False)
    for first, second, size in matcher.get_matching_blocks():
        for k in range(size):
            places[first + k] = other.instructions[second + k].place
    return _placed(own, places), False


def _placed(listed: Listed, places: Sequence[Place | None]) -> Listed:
    """Return the instructions at these lines."""
    pairs = zip(listed.instructions, places, strict=True)
    return Listed(listed.processor, tuple(i.at(place) for i, place in pairs), listed.labels)
