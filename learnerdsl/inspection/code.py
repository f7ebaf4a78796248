"""Show the code that runs: loops over memory, LLVM, assembly and PTX."""

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnerdsl.errors import HyperparameterError
from learnerdsl.inspection.assembly import read, with_lines
from learnerdsl.inspection.cpu_loops import hot_loops
from learnerdsl.inspection.cuda_loops import ptx_loop
from learnerdsl.inspection.hot_loops import HotLoops
from learnerdsl.inspection.instructions import PTX
from learnerdsl.pipeline import Program
from learnerdsl.runtime.backends import cpu_module, cuda_module

if TYPE_CHECKING:
    from learnerdsl.kernels.machine_code import Listing

OLDEST_GPU = (7, 5)
"""Lowest compute capability that CUDA 13 compiles for."""


_OVER_ELEMENTS = ("element", "element_pass", "block_pass")
"""Decorators of generated functions that loop over memory or are called by these loops."""


def loops(program: Program) -> str:
    """Return only the functions of the generated source that loop over memory."""
    functions = [f for f in ast.parse(program.source).body if isinstance(f, ast.FunctionDef)]
    lines = program.source.splitlines()
    parts = [
        "\n".join(lines[f.decorator_list[0].lineno - 1 : f.end_lineno])
        for f in functions
        if any(ast.unparse(d) in _OVER_ELEMENTS for d in f.decorator_list)
    ]
    return "\n\n\n".join(parts)


def ptx(program: Program, capability: tuple[int, int]) -> str:
    """Return the PTX of every kernel of a program for CUDA; a GPU is not needed.

    Raises:
        LearnerError: see `ptx_kernels`.
    """
    kernels = ptx_kernels(program, capability).values()
    return "\n".join(f"// {kernel.name}\n{kernel.ptx(capability)}" for kernel in kernels)


def ptx_loops(program: Program, capability: tuple[int, int]) -> HotLoops:
    """Return the hot loop of each sweep of a program for CUDA; a GPU is not needed.

    Raises:
        LearnerError: see `ptx_kernels`.
    """
    kernels = ptx_kernels(program, capability)
    found = []
    for name in (level.element for level in program.levels if level.element):
        kernel = kernels[name]
        report = kernel.assembler_report(capability)
        arithmetic = program.precision.arithmetic
        listed = read(kernel.ptx(capability), PTX)
        found.append(ptx_loop(listed, program.source, name, arithmetic, report))
    return HotLoops(tuple(found))


def ptx_kernels(program: Program, capability: tuple[int, int]) -> dict[str, Any]:
    """Return name -> kernel of a program for CUDA.

    Raises:
        LearnerError: numba-cuda is not installed, the compute capability is malformed or too old,
            or the program is for another target.
    """
    is_pair = isinstance(capability, (tuple, list)) and len(capability) == 2
    if not is_pair or not all(type(number) is int for number in capability):
        msg = f"A compute capability must be a pair such as (9, 0), got {capability!r}."
        raise HyperparameterError(msg)
    if tuple(capability) < OLDEST_GPU:
        msg = (
            f"NVIDIA's compilers no longer support the compute capability {capability!r}; the "
            "lowest "
            f"is {OLDEST_GPU}."
        )
        raise HyperparameterError(msg)
    if program.target != "cuda":
        msg = (
            f"{program.rule.name} is compiled for {program.target}, which has no PTX; write "
            "rule.ptx()."
        )
        raise HyperparameterError(msg)
    module = cuda_module("engine").load_kernels(program)
    return {name: getattr(module, name) for name in _kernel_names(program)}


def _kernel_names(program: Program) -> list[str]:
    return [n for level in program.levels for n in (level.model, level.tensor, level.element) if n]


def llvm(program: Program) -> str:
    """Return the optimised LLVM of every function of a program."""
    return "\n".join(f"; {name}\n{own.llvm}" for name, own in listings(program).items())


def asm(program: Program) -> str:
    """Return the machine code of every function of a program, as assembly."""
    return "\n".join(f"# {name}\n{own.assembly}" for name, own in listings(program).items())


def asm_loops(program: Program) -> HotLoops:
    """Return the hot loop of each sweep of a program for the CPU.

    Raises:
        HyperparameterError: the program is for another target, nothing is compiled, or the
            assembly is that of a processor that cannot be read.
    """
    running = listings(program)
    module = cpu_module("engine").load_kernels(program)
    lines_of = importlib.import_module("learnerdsl.kernels.cpu").lines_of
    found = []
    for name in (level.element for level in program.levels if level.element):
        listed, is_same = with_lines(running[name].assembly, lines_of(getattr(module, name)))
        file = Path(module.__file__ or "").name
        arithmetic = program.precision.arithmetic
        found += hot_loops(listed, program.source, file, name, arithmetic, is_same)
    return HotLoops(tuple(found))


def listings(program: Program) -> "dict[str, Listing]":
    """Return function name -> LLVM and assembly of a program for the CPU.

    Raises:
        HyperparameterError: the program is for another target, or nothing is compiled.
    """
    if program.target != "cpu":
        msg = (
            f"{program.rule.name} is compiled for {program.target}; its assembly is shown by ptx()."
        )
        raise HyperparameterError(msg)
    if importlib.import_module("numba.core.config").DISABLE_JIT:
        msg = (
            f"{program.rule.name} runs as Python, for NUMBA_DISABLE_JIT is set; "
            "unset it to see machine code."
        )
        raise HyperparameterError(msg)
    module = cpu_module("engine").load_kernels(program)
    listing_of = importlib.import_module("learnerdsl.kernels.cpu").listing_of
    return {name: listing_of(getattr(module, name)) for name in _kernel_names(program)}
