"""Read one line of assembly: what the instruction works on, and how far it moves an address.

x86-64 is read in the syntax of AT&T, which LLVM prints: the target is the last operand. AArch64
(NEON, and SVE as far as vectors of an unknown width go) is read in the syntax of Arm, and PTX.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from learnerdsl.errors import HyperparameterError

Place = tuple[str, int]
"""The name of a source file, and a line of it."""


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        text: the instruction as assembly.
        kind: "vector"; "scalar" for one number of the data, in a register of vectors or not;
            "call"; "jump"; "other" for counters and addresses.
        bits: width of the largest vector in it; 0 for a vector whose width depends on the
            processor, and for everything else.
        itemsize: bytes of a float in its vector; 0 if the instruction does not say.
        computes: whether it is arithmetic on vectors or scalars, not a move.
        stores: whether it writes memory.
        is_spill: whether it moves a vector or a scalar between a register and the stack.
        addresses: registers that its address in memory consists of, with their factors.
        increments: register -> constant that is added to it.
        place: the line of source that it comes from; None if the compiler does not say.
    """

    text: str
    kind: str = "other"
    bits: int = 0
    itemsize: int = 0
    computes: bool = False
    stores: bool = False
    is_spill: bool = False
    addresses: tuple[tuple[str, int], ...] = ()
    increments: tuple[tuple[str, int], ...] = ()
    place: Place | None = None

    @property
    def target(self) -> str:
        """The operand of a jump or a call."""
        return self.text.split()[-1].lstrip("*")

    def at(self, place: Place | None) -> "Instruction":
        """Return the instruction with its line of source."""
        return replace(self, place=place)


_ARITHMETIC = r"v?(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)"
_X86_PACKED = re.compile(
    rf"{_ARITHMETIC}p[sd]$|v?p(?:add|sub|mul|abs|or|cmp)\w*$|v?(?:cmp|and|blend)\w*p[sd]$"
)
_X86_SCALAR_ARITHMETIC = re.compile(rf"{_ARITHMETIC}s[sd]$")
_X86_SCALAR = re.compile(
    r"v?(?:mov[dq]|pinsr\w|pextr\w|u?comis[sd]|cvtt?(?:s[sdi]|usi)2\w+)$"
    r"|(?!v?(?:p|broadcast))\w*s[sd]$"
)
_X86_MEMORY = re.compile(r"(?:-?\w+)?\((%\w+)?(?:,(%\w+)(?:,(\d))?)?\)")
_X86_NO_ACCESS = re.compile(r"lea|nop|prefetch")
_X86_BITS = {"x": 128, "y": 256, "z": 512}
_FLOATS = {"ps": 4, "pd": 8, "ss": 4, "sd": 8}


def read_x86(text: str) -> Instruction:
    """Read an instruction of x86-64."""
    opcode, _, operands = text.partition(" ")
    if opcode.startswith("call"):
        return Instruction(text, "call")
    if opcode.startswith(("j", "ret")):
        return Instruction(text, "jump")
    registers = re.findall(r"%([xyz])mm\d+", operands)
    is_vector = bool(registers) or bool(re.search(r"%k\d", operands))
    memory = None if _X86_NO_ACCESS.match(opcode) else _X86_MEMORY.search(operands)
    # With an index, the stack holds an array: a block of a state before it is encoded.
    on_stack = memory is not None and memory[1] == "%rsp" and not memory[2]
    moves_data = memory is not None and not on_stack
    kind = "other"
    if is_vector:
        kind = "scalar" if _X86_SCALAR.match(opcode) else "vector"
    elif moves_data:
        kind = "scalar"
    pattern = _X86_SCALAR_ARITHMETIC if kind == "scalar" else _X86_PACKED
    return Instruction(
        text,
        kind,
        bits=max((_X86_BITS[letter] for letter in registers), default=0) * (kind == "vector"),
        itemsize=_FLOATS.get(opcode[-2:], 0),
        computes=kind in ("vector", "scalar") and bool(pattern.match(opcode)),
        stores=memory is not None and re.sub(r" *\{.*?\}", "", text).endswith(")"),
        is_spill=on_stack and is_vector,
        addresses=_x86_address(memory) if memory is not None and moves_data else (),
        increments=_x86_increments(opcode, operands),
    )


def _x86_address(memory: re.Match[str]) -> tuple[tuple[str, int], ...]:
    """Return the registers of an address with their factors."""
    base, index, scale = memory.groups()
    parts = [(base, 1)] if base else []
    return (*parts, (index, int(scale or 1))) if index else tuple(parts)


def _x86_increments(opcode: str, operands: str) -> tuple[tuple[str, int], ...]:
    """Return the register and the constant of an addition to itself."""
    if match := re.fullmatch(r"\$(-?\d+), (%r\w+)", operands):
        sign = {"addq": 1, "subq": -1}.get(opcode, 0)
        return ((match[2], sign * int(match[1])),) if sign else ()
    if opcode in ("incq", "decq"):
        return ((operands, 1 if opcode == "incq" else -1),)
    if opcode == "leaq" and (match := re.fullmatch(r"(-?\d+)\((%\w+)\), \2", operands)):
        return ((match[2], int(match[1])),)
    return ()


_ARM_JUMP = re.compile(r"b(?:\.\w+)?$|cbn?z$|tbn?z$|ret$|br$")
_ARM_SHAPE = re.compile(r"\bv\d+\.(\d+)([bhsd])")
_ARM_MOVE = re.compile(r"ld|st|mov|dup|fmov|ins|umov|zip|uzp|ext$")
_ARM_MEMORY = re.compile(r"\[(\w+)(?:, (\w+)(?:, lsl #(\d))?)?[^\]]*\](!)?(?:, #(-?\d+))?")
_ARM_SIZES = {"b": 1, "h": 2, "s": 4, "d": 8}


def read_arm(text: str) -> Instruction:
    """Read an instruction of AArch64."""
    opcode, _, operands = text.partition(" ")
    if opcode in ("bl", "blr"):
        return Instruction(text, "call")
    if _ARM_JUMP.match(opcode):
        return Instruction(text, "jump")
    shapes = _ARM_SHAPE.findall(operands)
    bits = max((8 * int(count) * _ARM_SIZES[size] for count, size in shapes), default=0)
    if re.search(r"\bq\d+\b", operands):
        bits = 128
    memory = _ARM_MEMORY.search(operands) if opcode.startswith(("ld", "st")) else None
    on_stack = memory is not None and memory[1] == "sp" and not memory[2]
    is_scalable = bool(re.search(r"\bz\d+\b", operands))
    is_number = bool(re.search(r"(?:^|[ ,{])[bhsd]\d+\b", operands))
    kind = "other"
    if bits or is_scalable:
        kind = "vector"
    elif is_number or (memory is not None and not on_stack):
        kind = "scalar"
    return Instruction(
        text,
        kind,
        bits=bits,
        itemsize=_ARM_SIZES[shapes[0][1]] if shapes else 0,
        computes=kind in ("vector", "scalar") and not _ARM_MOVE.match(opcode),
        stores=opcode.startswith("st"),
        is_spill=on_stack and (bool(bits) or is_scalable or is_number),
        addresses=_arm_address(memory) if memory is not None and not on_stack else (),
        increments=_arm_increments(opcode, operands, memory),
    )


def _arm_address(memory: re.Match[str]) -> tuple[tuple[str, int], ...]:
    """Return the registers of an address with their factors."""
    base, index, shift = memory[1], memory[2], memory[3]
    return ((base, 1), (index, 1 << int(shift or 0))) if index else ((base, 1),)


def _arm_increments(
    opcode: str, operands: str, memory: re.Match[str] | None
) -> tuple[tuple[str, int], ...]:
    """Return the register and the constant of an addition to itself."""
    if memory is not None:
        before = re.search(r"#(-?\d+)\]!", operands)
        added = memory[5] or (before and before[1])
        return ((memory[1], int(added)),) if added else ()
    match = re.fullmatch(r"(x\d+), \1, #(\d+)", operands)
    sign = {"add": 1, "adds": 1, "sub": -1, "subs": -1}.get(opcode, 0)
    return ((match[1], sign * int(match[2])),) if match and sign else ()


_PTX_ACCESS = re.compile(r"(ld|st)\.(\w+)(?:\.\w+)*?(?:\.v(\d))?\.[a-z](\d+)$")


def read_ptx(text: str) -> Instruction:
    """Read an instruction of PTX, where "vector" is an access to several numbers at once."""
    text = text.rstrip(";")
    opcode = re.sub(r"^@!?%p\d+\s+", "", text).partition(" ")[0]
    if opcode.startswith("call"):
        return Instruction(text, "call")
    if opcode.startswith(("bra", "ret", "exit")):
        return Instruction(text, "jump")
    access = _PTX_ACCESS.match(opcode)
    if access is None or access[2] not in ("global", "shared", "local"):
        computes = not opcode.startswith(("ld", "st", "mov", "cvta", "setp"))
        return Instruction(text, computes=computes)
    size, count = int(access[4]) // 8, int(access[3] or 1)
    return Instruction(
        text,
        "vector" if count > 1 else "scalar",
        bits=8 * size * count,
        itemsize=size,
        stores=access[1] == "st",
        is_spill=access[2] == "local",
        addresses=((f"[{access[2]}]", 1),),
    )


@dataclass(frozen=True)
class Processor:
    """A family of processors.

    Attributes:
        name: its name.
        comment: what a comment looks like.
        read: reads an instruction.
    """

    name: str
    comment: re.Pattern[str]
    read: Callable[[str], Instruction]


X86 = Processor("x86-64", re.compile(r"\s*(?:#|//).*"), read_x86)
ARM = Processor("AArch64", re.compile(r"\s*(?://|;).*"), read_arm)
PTX = Processor("PTX", re.compile(r"\s*//.*"), read_ptx)


def processor_of(assembly: str) -> Processor:
    """Return the family of processors that an assembly is for.

    Raises:
        HyperparameterError: the assembly of this family cannot be read.
    """
    if re.search(r"^\.target sm_", assembly, re.MULTILINE):
        return PTX
    if re.search(r"%r[a-z]\w*|%[xyz]mm\d", assembly):
        return X86
    if re.search(r"^\s+(?:ret|stp|ldr|str)\b", assembly, re.MULTILINE):
        return ARM
    msg = (
        "The loops of this processor's assembly cannot be read, only those of x86-64 and AArch64; "
        "write asm() for the whole text."
    )
    raise HyperparameterError(msg)
