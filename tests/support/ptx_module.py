"""A module of PTX: its functions, its variables, and the memory that they are in.

Memory finds accesses that no GPU would report: outside of every buffer, at addresses that are not
aligned, and by threads that do not wait for one another.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from support.ptx_instructions import TYPES, Array, Unsupported

# Where the spaces of memory are; 32 bits are enough for an address in .shared or in .local.
# Those besides MEMORY are above all addresses of the host.
MEMORY, MODULE, SHARED, LOCAL = (top << 40 for top in (0x7F, 0xFE, 0xFD, 0xFC))
WINDOW = 1 << 28
# An access is known by its interval between barriers, plus the number of its thread.
INTERVAL = 1 << 20
SEVERAL = INTERVAL - 1  # threads
FOREIGN = 1 << 62  # blocks

LABEL = re.compile(r"\s*([\w$]+):(?!:)")
IGNORED = re.compile(r"^\s*\.(?:version|target|address_size|file|loc)\b[^\n]*", re.M)
HEADER = re.compile(
    r"\.(entry|func)\b(?:\s+\.\w+)*\s*(?:\(([^)]*)\))?\s*([\w$%]+)\s*(?:\(([^)]*)\))?"
)
VARIABLE = re.compile(r"\.([busf]\d+)\s+(?:(?:\.\w+|\d+)\s+)*([\w$%]+)((?:\[\d*\])*)\s*$")
INSTRUCTION = re.compile(r"(?:@(!?[\w$%]+)\s+)?([a-z][\w.:]*)\s*(.*)")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s]+")


class MemoryFault(Exception):
    """An access outside of every buffer, or at an address that is not aligned."""


class Race(Exception):
    """Two threads touch a place, one of them writes, and nothing says which of them is first."""


class Who(NamedTuple):
    """The threads that access memory, as INTERVAL tells; since when their block runs; and where."""

    keys: Array
    since: int
    line: str


class Space:
    """A range of addresses: the bytes of its buffers, and who last read and wrote them."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.data = np.empty(0, np.uint8)
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.watch(4)

    def add(self, content: Array, align: int = 16, offset: int = 0) -> int:
        """Appends a buffer, between guards of poison; returns its address."""
        start = -(-(self.data.size + 64) // align) * align + offset
        end = start + content.size
        data = np.full(-(-(end + 64) // 64) * 64, 0xFF, np.uint8)
        data[: self.data.size], data[start:end] = self.data, content
        self.data = data
        self.starts.append(start)
        self.ends.append(end)
        return self.base + start

    def watch(self, unit: int) -> None:
        """Forgets who read and wrote; from now on keeps it for each `unit` bytes."""
        self.unit = unit
        self.written, self.seen = np.zeros((2, self.data.size // unit), np.int64)

    def check(self, offsets: Array, width: int, line: str) -> None:
        """Raises MemoryFault unless all accesses are aligned and inside of a buffer."""
        wrong, why = offsets & (width - 1) != 0, f"not aligned to {width} bytes"
        if not wrong.any():
            slot = bisect_right(self.starts, int(offsets.min())) - 1
            if slot >= 0 and int(offsets.max()) + width <= self.ends[slot]:
                return
            slots = np.searchsorted(self.starts, offsets, "right") - 1
            wrong = (slots < 0) | (offsets + width > np.array([*self.ends, 0])[slots])
            why = f"not in one buffer with all of its {width} bytes"
        if wrong.any():
            raise MemoryFault(f"{self.base + int(offsets[wrong][0]):#x} is {why}: {line}")

    def note_read(self, offsets: Array, width: int, who: Who) -> None:
        """Keeps who reads; raises Race if another writes and no barrier is between."""
        units, me = self._units(offsets, width, who.keys)
        written = self.written[units]
        if written.any():
            self._refuse(units, me, unordered(written, me, who.since), who.line)
        seen, key, now = self.seen[units], me, me[0] & -INTERVAL
        if seen.any():
            key = np.where((seen >= now) & (seen != me), now | SEVERAL, me)
            key[((seen > 0) & (seen < who.since)) | (seen >= FOREIGN)] = FOREIGN
        self.seen[units] = key
        self.seen[units[self.seen[units] != key]] = now | SEVERAL

    def note_write(self, offsets: Array, width: int, who: Who) -> None:
        """Keeps who writes; raises Race if another reads or writes and no barrier is between."""
        units, me = self._units(offsets, width, who.keys)
        clash = unordered(self.written[units], me, who.since)
        clash |= unordered(self.seen[units], me, who.since)
        self.written[units] = me
        self._refuse(units, me, clash | (self.written[units] != me), who.line)

    def _units(self, offsets: Array, width: int, keys: Array) -> tuple[Array, Array]:
        """Every unit of every access, and the key of who accesses it."""
        count, units = width // self.unit, offsets // self.unit
        if count == 1:
            return units, keys
        return (units[:, None] + np.arange(count)).ravel(), np.repeat(keys, count)

    def _refuse(self, units: Array, me: Array, clash: Array, line: str) -> None:
        if clash.any():
            place, thread = int(units[clash][0]) * self.unit, int(me[clash][0]) % INTERVAL
            slot = bisect_right(self.starts, place) - 1
            raise Race(f"{self.base + place:#x}, in buffer {slot}, by thread {thread}: {line}")


def unordered(keys: Array, me: Array, since: int) -> Array:
    """Which of the former accesses are of another block, or of another thread at the same time."""
    return ((keys >= (me[0] & -INTERVAL)) & (keys != me)) | ((keys > 0) & (keys < since))


class Memory(Space):
    """The global memory that kernels are launched on."""

    def __init__(self) -> None:
        super().__init__(MEMORY)
        self.kinds: dict[int, tuple[tuple[int, ...], DTypeLike]] = {}

    def windows(self) -> dict[int, tuple[Space, int]]:
        """The first bits of addresses -> the space that has them, and its base."""
        return {MEMORY >> 40: (self, MEMORY)}

    def place(self, array: Array, align: int = 256, offset: int = 0) -> int:
        """Copies an array to `offset` bytes after an aligned address; returns the address."""
        address = self.add(np.frombuffer(array.tobytes(), np.uint8), align, offset)
        self.kinds[address] = (array.shape, array.dtype)
        return address

    def read(self, address: int) -> Array:
        """What the buffer at an address holds now."""
        shape, dtype = self.kinds[address]
        slot = self.starts.index(address - self.base)
        content = self.data[self.starts[slot] : self.ends[slot]].tobytes()
        return np.frombuffer(content, dtype).reshape(shape).copy()


def statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines and texts of labels, of braces around statements, and of statements."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    text = IGNORED.sub("", text)
    start, line = 0, 1
    for mark in re.finditer(r"[;{}]", text):
        part = text[start : mark.start()]
        while label := LABEL.match(part):
            yield line, label[1] + ":"
            line += label[0].count("\n")
            start, part = start + label.end(), part[label.end() :]
        inside = part.strip() and not (mark[0] == "{" and HEADER.search(part))
        if mark[0] != ";" and inside:
            continue  # braces of operands
        if part.strip():
            blank = part[: len(part) - len(part.lstrip())].count("\n")
            yield line + blank, " ".join(part.split())
        if mark[0] != ";":
            yield line, mark[0]
        line, start = line + part.count("\n"), mark.end()


def constant(text: str, dtype: np.dtype[Any]) -> Any:
    """A number as it stands in PTX."""
    if text[:2].lower() in ("0f", "0d"):
        bits = np.array(int(text[2:], 16), "u4" if text[1] in "fF" else "u8")
        return (bits.view(f"f{bits.itemsize}") if dtype.kind == "f" else bits).astype(dtype)
    if dtype.kind == "b":
        return np.bool_(int(text, 0))
    value = int(text.rstrip("U"), 0) & ((1 << 8 * dtype.itemsize) - 1)
    return np.array(value, f"u{dtype.itemsize}").view(dtype)


class Variable:
    """What a declaration says: a name, a type, the alignment, and the bytes to begin with."""

    def __init__(self, text: str) -> None:
        head, _, values = text.partition("=")
        match = VARIABLE.search(head)
        if not match:
            raise Unsupported(text)
        kind, self.name, extents = match.groups()
        self.kind = TYPES[kind]
        align = re.search(r"\.align\s+(\d+)", head)
        self.align = int(align[1]) if align else self.kind.itemsize
        count = int(np.prod([int(n or 0) for n in re.findall(r"\[(\d*)\]", extents)]))
        self.content = np.zeros(count * self.kind.itemsize, np.uint8)
        given = [constant(value, self.kind) for value in OPERAND.findall(values.strip(" {}"))]
        if given:
            self.content[: len(given) * self.kind.itemsize] = np.array(given).view(np.uint8)

    def packed(self, value: Any) -> Array:
        """The bytes of an argument."""
        if self.kind.kind == "f":
            return np.array([value], self.kind).view(np.uint8)
        bits = operator.index(value) % (1 << 8 * self.kind.itemsize)
        return np.array([bits], f"u{self.kind.itemsize}").view(np.uint8)


class Function(NamedTuple):
    """An entry or a function: its parameters, and the statements between its braces."""

    results: list[Variable]
    parameters: list[Variable]
    body: list[tuple[int, str]]


class Scope(dict[str, Any]):
    """Names declared between braces: rows of registers, bytes of parameters, places."""

    def __init__(self, outer: "Scope | None" = None) -> None:
        super().__init__()
        self.outer = outer

    def __missing__(self, name: str) -> Any:
        if self.outer is None:
            raise KeyError(name)
        return self.outer[name]


class Module:
    """Functions, and places of variables."""

    def __init__(self, text: str) -> None:
        self.names = Scope()
        self.functions: dict[str, Function] = {}
        self.variables, self.shared = Space(MODULE), Space(WINDOW)
        self.entries: list[str] = []
        parts = statements(text)
        header = ""
        for _, part in parts:
            if part == "{":
                self.function(header, parts)
            elif not HEADER.search(part) and re.search(r"\.(global|const|shared)\b", part):
                self.define(part)
            header = part

    def function(self, header: str, parts: Iterator[tuple[int, str]]) -> None:
        """Keeps what is between the braces of a function."""
        kind, results, name, parameters = HEADER.search(header).groups()
        if kind == "entry":
            self.entries.append(name)
        declared = [
            [Variable(one) for one in (group or "").split(",") if one.strip()]
            for group in (results, parameters)
        ]
        body, depth = [], 1
        for line, part in parts:
            depth += (part == "{") - (part == "}")
            if not depth:
                break
            body.append((line, part))
        self.functions[name] = Function(*declared, body)

    def define(self, text: str) -> None:
        """Gives a variable of the module its place."""
        variable = Variable(text)
        if variable.name not in self.names:
            space = self.shared if ".shared" in text else self.variables
            self.names[variable.name] = space.add(variable.content, variable.align)


class Instruction(NamedTuple):
    line: str
    opcode: str
    operands: list[str]
    scope: Scope
    guard: str


class Kernel:
    """An entry for a number of threads: registers, and instructions, those of functions too."""

    def __init__(self, module: Module, name: str, size: int) -> None:
        self.module, self.size, self.ids = module, size, np.arange(size)
        self.names, self.calls = Scope(module.names), list[str]()
        self.instructions: list[Instruction] = []
        axes = [f"%{n}.{axis}" for n in ("tid", "ctaid", "ntid", "nctaid") for axis in "xyz"]
        self.names |= {axis: np.full(size, axis[1] == "n", np.uint32) for axis in axes}
        self.names["%tid.x"][:], self.names["%ntid.x"][:] = self.ids, size
        self.names |= {"%laneid": self.names["%tid.x"] % 32, "%warpid": self.names["%tid.x"] // 32}
        self.names |= {"WARP_SZ": np.full(size, 32, np.uint32), "%carry": np.zeros(size, bool)}
        self.local = Space(WINDOW)
        self.arguments = module.functions[name].parameters
        root = Scope(self.names)
        root.update({variable.name: self.bytes(variable) for variable in self.arguments})
        self.given = [root[variable.name] for variable in self.arguments]
        self.inline(name, root)
        self.names["%exit"] = len(self.instructions)
        self.stride = self.local.data.size
        self.local.data = np.zeros(size * self.stride, np.uint8)

    def bytes(self, variable: Variable) -> Array:
        return np.zeros((self.size, variable.content.size), np.uint8)

    def inline(self, name: str, root: Scope) -> None:
        """Appends what is in a function, and in those that it calls."""
        if name in self.calls:
            raise Unsupported(f"{name} calls itself")
        self.calls.append(name)
        scope = root
        for number, text in self.module.functions[name].body:
            if text == "{":
                scope = Scope(scope)
            elif text == "}":
                scope = scope.outer or root
            elif text.endswith(":"):
                scope[text[:-1]] = len(self.instructions)
            elif text.startswith("."):
                self.declare(text, scope)
            else:
                self.append(f"line {number}: {text}", text, scope)
        root["%return"] = len(self.instructions)
        self.calls.pop()

    def declare(self, text: str, scope: Scope) -> None:
        if text.startswith(".reg"):
            kind, *names = OPERAND.findall(text[4:])
            for name in names:
                stem, _, count = name.partition("<")
                for one in [f"{stem}{k}" for k in range(int(count[:-1]))] if count else [stem]:
                    scope[one] = np.zeros(self.size, TYPES[kind[1:]])
        elif text.startswith((".param", ".local")):
            variable = Variable(text)
            local = text.startswith(".local")
            place = self.local.add(variable.content, variable.align) if local else None
            scope[variable.name] = self.bytes(variable) if place is None else place
        elif text.startswith(".shared"):
            self.module.define(text)
        elif not text.startswith(".pragma"):
            raise Unsupported(text)

    def append(self, line: str, text: str, scope: Scope) -> None:
        match = INSTRUCTION.fullmatch(text)
        if not match:
            raise Unsupported(line)
        guard, opcode, rest = match.groups()
        operands = OPERAND.findall(rest)
        name = opcode.partition(".")[0]
        if name == "call" and not guard and self.call(operands, scope):
            return
        if name in ("ret", "exit"):
            opcode, operands = "bra", ["%exit" if name == "exit" else "%return"]
        self.instructions.append(Instruction(line, opcode, operands, scope, guard or ""))

    def call(self, operands: list[str], scope: Scope) -> bool:
        """Puts a function in the place of its call, if the module has it."""
        results = OPERAND.findall(operands.pop(0)[1:-1]) if operands[0][0] == "(" else []
        function = self.module.functions.get(operands[0])
        if not function:
            return False
        names = results + (OPERAND.findall(operands[1][1:-1]) if len(operands) > 1 else [])
        root = Scope(self.names)
        for variable, name in zip(function.results + function.parameters, names, strict=True):
            root[variable.name] = scope[name]
        self.inline(operands[0], root)
        return True
