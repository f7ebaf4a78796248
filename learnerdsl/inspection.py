"""Show what runs: mathematics, sweeps over memory, cost, LLVM, assembly, and notebook views."""

import ast
import html
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
from numba.core import config
from sympy.printing.latex import LatexPrinter
from sympy.printing.pretty.pretty import PrettyPrinter

from learnerdsl.codegen.operations import count_operations
from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import CLOCK, NewValue, StateSymbol, step, tensor_size
from learnerdsl.ir import Block, Domain
from learnerdsl.kernels.cpu import listing_of
from learnerdsl.kernels.machine_code import Listing
from learnerdsl.pipeline import Program
from learnerdsl.runtime.backends import cuda_module
from learnerdsl.runtime.cpu.engine import load_kernels
from learnerdsl.runtime.tables.tables import bytes_per_element
from learnerdsl.storage import STORAGES, Storage
from learnerdsl.tracing import Rule, checked_shape

_settings: Any = config

OLDEST_GPU = (7, 5)
"""Lowest compute capability that CUDA 13 compiles for."""


@dataclass(frozen=True)
class Pass:
    """One pass over memory.

    Attributes:
        reads: names of the arrays it loads.
        writes: names of the arrays it stores.
        reduces: its reductions, as text.
        functions: names of the results of matrix functions that run before it.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    reduces: tuple[str, ...]
    functions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The sweeps of a rule over memory, in order.

    Attributes:
        name: the rule's name.
        dtype: number types of the parameters, then of the arrays that have another one.
        passes: the sweeps, in order.
        bytes_per_element: memory traffic of one update: all loads and stores of arrays with a value
            for each element.
    """

    name: str
    dtype: str
    passes: tuple[Pass, ...]
    bytes_per_element: float

    def __str__(self) -> str:
        noun = "pass" if len(self.passes) == 1 else "passes"
        lines = [
            f"{self.name} ({self.dtype}): {len(self.passes)} {noun}, "
            f"{self.bytes_per_element:.4g} bytes per element"
        ]
        for number, one in enumerate(self.passes, 1):
            if one.functions:
                lines.append(f"  on whole matrices: {', '.join(one.functions)}")
            writes = f"writes {', '.join(one.writes)}" if one.writes else "writes nothing"
            lines.append(f"  pass {number}: reads {', '.join(one.reads)}; {writes}")
            lines += [f"    {text}" for text in one.reduces]
        return "\n".join(lines)


@dataclass(frozen=True)
class StateArray:
    """An array that a state is kept in.

    Attributes:
        name: its name in checkpoints: that of the state, or one with ".scale" or ".rest".
        dtype: its number type.
        itemsize: bytes of a value.
        ndim: number of dimensions that the parameter must have; None for any.
        array_shape: returns its shape, for a parameter of a given shape.
    """

    name: str
    dtype: str
    itemsize: int
    ndim: int | None
    array_shape: Callable[[tuple[int, ...]], tuple[int, ...]]


@dataclass(frozen=True)
class Cost:
    """The cost of one update.

    Attributes:
        bytes_per_element: memory traffic of arrays with a value for each element.
        state_bytes_per_element: memory of such states, with the scales of 8-bit blocks and the
            second arrays of master weights.
        other_state_bytes: memory of the other states: what has a value ("row", "column", "rows x
            rows", "tensor", "model") -> bytes of each such value.
        operations_per_element: name of an operation -> number of times per element.
        scalar_operations: number of operations done once per group of parameters or tensor.
        arrays: the arrays that states are kept in.
    """

    bytes_per_element: float
    state_bytes_per_element: float
    other_state_bytes: dict[str, int]
    operations_per_element: dict[str, int]
    scalar_operations: int
    arrays: tuple[StateArray, ...] = field(repr=False)

    def state_bytes(self, shape: Sequence[int]) -> int:
        """Return the memory of all states, for one parameter of this shape.

        Raises:
            RuleError: it is no shape.
            HyperparameterError: the cost is that of parameters of another number of dimensions;
                write `rule.cost(shape=shape)`.
        """
        given = checked_shape(shape)
        for array in self.arrays:
            if array.ndim not in (None, len(given)):
                msg = (
                    f"This is the cost for parameters of {array.ndim} dimensions, and {given} has "
                    f"{len(given)}; write rule.cost(shape={given}).state_bytes({given})."
                )
                raise HyperparameterError(msg)
        return sum(math.prod(a.array_shape(given)) * a.itemsize for a in self.arrays)

    def __str__(self) -> str:
        operations = ", ".join(f"{n} {name}" for name, n in self.operations_per_element.items())
        others = ", ".join(f"{n} per {what}" for what, n in self.other_state_bytes.items())
        return (
            f"{self.bytes_per_element:.4g} bytes of traffic and {self.state_bytes_per_element:.4g} "
            f"bytes of state per element; {f'besides {others} of state; ' if others else ''}"
            f"{operations} per element; {self.scalar_operations} operations per group or tensor"
        )


def plan(program: Program) -> Plan:
    """Return the sweeps over memory of a compiled rule."""
    return Plan(
        name=program.rule.name,
        dtype=_number_types(program),
        passes=tuple(
            _pass(level.element, level.matrix) for level in program.kernel.levels if level.element
        ),
        bytes_per_element=_whole(bytes_per_element(program)),
    )


def _number_types(program: Program) -> str:
    """Return the number types of the arrays, beginning with that of the parameters."""
    precision = program.precision
    own = [spec for spec in program.rule.states if _is_array(spec.symbol)]
    pairs = [(spec.public, _storage(program, spec.symbol).name) for spec in own]
    others = [(name, storage) for name, storage in pairs if storage != precision.parameter]
    return precision.described(others, str(program.kernel.gradient))


def _storage(program: Program, state: StateSymbol) -> Storage:
    """Return the number type of a state; scalars are float64."""
    return program.layout.storages[state] if _is_array(state) else STORAGES["float64"]


def _is_array(state: StateSymbol) -> bool:
    return state.shape not in ("tensor", "model")


def _whole(number: float) -> float:
    """Return a whole number as an int."""
    return int(number) if number == int(number) else number


def _pass(block: Block, before: Block) -> Pass:
    return Pass(
        reads=tuple(str(load.array) for load in block.loads),
        writes=tuple(str(store.target) for store in block.stores),
        reduces=tuple(str(reduce) for reduce in block.reduces),
        functions=tuple(str(compute.symbol) for compute in before.computes),
    )


def cost(program: Program) -> Cost:
    """Return traffic, memory and arithmetic of a compiled rule."""
    counted: Counter[str] = Counter()
    for block in program.kernel.passes:
        for item in (*block.computes, *block.reduces):
            counted += count_operations(item.expression)
        counted["add"] += len(block.reduces)
    scalars: Counter[str] = Counter()
    for block in program.kernel.blocks:
        if block.domain != Domain.ELEMENT:
            for compute in block.computes:
                scalars += count_operations(compute.expression)
    others: Counter[str] = Counter()
    for state in (spec.symbol for spec in program.rule.states):
        if state not in program.layout.element_states:
            others[_what_has_a_value(state)] += _storage(program, state).itemsize
    return Cost(
        bytes_per_element=_whole(bytes_per_element(program)),
        state_bytes_per_element=_whole(program.layout.state_bytes),
        other_state_bytes=dict(others),
        operations_per_element={name: n for name, n in sorted(counted.items()) if n},
        scalar_operations=scalars.total(),
        arrays=tuple(_state_arrays(program)),
    )


_AXES = {(0,): "row", (1,): "column"}


def _what_has_a_value(state: StateSymbol) -> str:
    """Return what a state that is not of elements has a value for."""
    shape = state.shape
    if isinstance(shape, str):
        return shape
    if isinstance(shape[0], str):
        return " x ".join(shape)
    return _AXES.get(shape, f"index of axes {', '.join(map(str, shape))}")


def _state_arrays(program: Program) -> Iterator[StateArray]:
    """Yield the arrays that states and the rests of master weights are kept in."""
    for state in (spec.symbol for spec in program.rule.states):
        storage = _storage(program, state)
        ndim = program.kernel.ndim if _is_array(state) and state.shape != "element" else None
        yield StateArray(state.name, storage.name, storage.itemsize, ndim, state.array_shape)
    for own in program.layout.companions:
        yield StateArray(own.key, own.dtype, own.itemsize, None, own.array_shape)


class _PositiveFirst:
    """Printers that write `p - step` rather than `-step + p`, as papers do."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expr, order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


class _Latex(_PositiveFirst, LatexPrinter):
    pass


class _Pretty(_PositiveFirst, PrettyPrinter):
    pass


def latex(rule: Rule) -> str:
    r"""Return the rule as a LaTeX `aligned` block; old values have index t-1, new ones t."""
    names: dict[sympy.Basic, str] = {step: "t"}
    for symbol in (rule.parameter, *(spec.symbol for spec in rule.states)):
        names[symbol] = f"{_letter(symbol.name)}_{{t-1}}"
    names[rule.gradient] = f"{_letter(rule.gradient.name)}_t"
    for line in rule.lines:
        is_new = isinstance(line.value, NewValue)
        names[line.value] = f"{_letter(line.target.name)}_t" if is_new else _letter(line.value.name)
    for symbol in (*rule.hyperparameters, *rule.extras, *CLOCK[1:], tensor_size):
        names[symbol] = _letter(symbol.name)
    printer = _Latex({"symbol_names": names})
    lines = [f"{names[line.value]} &= {printer.doprint(line.expression)}" for line in rule.lines]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


_LETTERS = {"lr": r"\eta", "eps": r"\epsilon", "weight_decay": r"\lambda", "momentum": r"\mu"}


def _letter(name: str) -> str:
    """Return a name in LaTeX: the letter papers use, a Greek letter, or an upright word."""
    if name in _LETTERS:
        return _LETTERS[name]
    text = sympy.latex(sympy.Symbol(name))
    plain = len(name) == 1 or "\\" in text
    return text if plain else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def pretty(rule: Rule) -> str:
    """Return the rule as mathematics in plain text; new values are called `<name>_new`."""
    printer = _Pretty({"use_unicode": True, "wrap_line": False})
    lines = [sympy.Eq(line.value, line.expression, evaluate=False) for line in rule.lines]
    return "\n\n".join(printer.doprint(line) for line in lines)


def loops(program: Program) -> str:
    """Return only the functions of the generated source that loop over memory."""
    functions = [f for f in ast.parse(program.source).body if isinstance(f, ast.FunctionDef)]
    lines = program.source.splitlines()
    parts = [
        "\n".join(lines[f.decorator_list[0].lineno - 1 : f.end_lineno])
        for f in functions
        if any(ast.unparse(d) in ("element", "element_pass") for d in f.decorator_list)
    ]
    return "\n\n\n".join(parts)


def ptx(program: Program, capability: tuple[int, int]) -> str:
    """Return the PTX of every kernel of a program for CUDA; a GPU is not needed.

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
    kernels = [getattr(module, name) for name in _kernel_names(program)]
    return "\n".join(f"// {kernel.name}\n{kernel.ptx(capability)}" for kernel in kernels)


def _kernel_names(program: Program) -> list[str]:
    return [n for level in program.levels for n in (level.model, level.tensor, level.element) if n]


def llvm(program: Program) -> str:
    """Return the optimised LLVM of every function of a program."""
    return "\n".join(f"; {name}\n{own.llvm}" for name, own in listings(program).items())


def asm(program: Program) -> str:
    """Return the machine code of every function of a program, as assembly."""
    return "\n".join(f"# {name}\n{own.assembly}" for name, own in listings(program).items())


def listings(program: Program) -> dict[str, Listing]:
    """Return function name -> LLVM and assembly of a program for the CPU.

    Raises:
        HyperparameterError: the program is for another target, or nothing is compiled.
    """
    if program.target != "cpu":
        msg = (
            f"{program.rule.name} is compiled for {program.target}; its assembly is shown by ptx()."
        )
        raise HyperparameterError(msg)
    if _settings.DISABLE_JIT:
        msg = (
            f"{program.rule.name} runs as Python, for NUMBA_DISABLE_JIT is set; "
            "unset it to see machine code."
        )
        raise HyperparameterError(msg)
    module = load_kernels(program)
    return {name: listing_of(getattr(module, name)) for name in _kernel_names(program)}


def repr_html(rule: Rule, program: Program) -> str:
    """Return HTML for a notebook: plan and mathematics, then the generated code, folded."""
    return (
        f"<p><b>{html.escape(rule.name)}</b>: {html.escape(str(plan(program)).splitlines()[0])}</p>"
        f"$${latex(rule)}$$"
        f"<details><summary>generated code</summary>"
        f"<pre>{html.escape(program.source)}</pre></details>"
    )
