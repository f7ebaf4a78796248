"""The launcher: runs the kernels of any rule over all tensors, in one call.

There are two drivers, serial and parallel. They differ only in the loop over spans (runs of
chunks), so their results are bitwise the same. Both read one array of addresses and counts, the
frame; `Frame` names its fields. A reduction has one partial sum for each chunk; these are combined
in chunk order, then in tensor order.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from learnerdsl.kernels.cpu import identity, join, pointer
from learnerdsl.kernels.cpu_math import OPTIONS
from learnerdsl.kernels.machine_code import KeptCode, code_of, compile_function, compiling, key_of
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.runtime.arrays.interop import same_threads_in_torch
from learnerdsl.runtime.tables import units
from learnerdsl.runtime.tables.units import CHECK, is_sweep, level_of, sweep_of


class Frame(IntEnum):
    """Fields of a frame: counts, addresses of tables, and the units to run."""

    TENSORS = 0
    CHUNKS = 1
    GROUPS = 2
    SPANS = 3
    LEVELS = 4
    ARRAYS = 5
    MODEL_WIDTH = 6
    TENSOR_WIDTH = 7
    REDUCES = 8
    ADDRESSES = 9  # uint64 (tensors, arrays)
    CHUNK_TABLE = 10  # int64 (chunks, 4): tensor, start, start in the gradient, count
    SPAN_TABLE = 11  # int64 (spans + 1): first chunk of each span
    TENSOR_CHUNKS = 12  # int64 (tensors + 1): first chunk of each tensor
    TENSOR_GROUPS = 13  # int64 (tensors): model row of each tensor
    MODEL_ROWS = 14  # float64 (groups, model width)
    TENSOR_ROWS = 15  # float64 (tensors, tensor width)
    CHUNK_SUMS = 16  # float64 (chunks, reduces)
    PROGRAM = 17  # uint64 (levels, 5): functions for model, tensor, chunk; first reduce, last + 1
    REDUCE_TABLE = 18  # int64 (reduces, 3): code of its monoid, is over the model, slot in its row
    FINITE_PASS = 19  # function that counts NaN and infinite values, or 0
    FIRST_UNIT = 20  # the first unit of the launch: see runtime/tables/units.py
    LAST_UNIT = 21  # one past the last unit
    THREADS = 22  # number of threads of a launch; 0 for Numba's own choice
    FIELDS = 23


def _caller(name: str, arguments: str) -> Any:
    """Return an intrinsic that calls the C function at an address.

    `arguments` has one letter for each argument: p for a pointer, i for an integer.
    """

    def call(typing_context: Any, function: Any, values: Any) -> Any:
        del typing_context, function
        pointer_type, count_type = ir.IntType(8).as_pointer(), ir.IntType(64)
        wanted = [pointer_type if kind == "p" else count_type for kind in arguments]
        passed = [types.uint64 if kind == "p" else types.int64 for kind in arguments]

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(ir.VoidType(), wanted).as_pointer()
            target = builder.inttoptr(args[0], kind)
            unpacked = cgutils.unpack_tuple(builder, args[1])
            cast = [
                builder.inttoptr(value, pointer_type) if a == "p" else value
                for value, a in zip(unpacked, arguments, strict=True)
            ]
            builder.call(target, cast)
            return context.get_dummy_value()

        return types.void(types.uint64, types.Tuple(passed)), generate

    call.__name__ = name
    return intrinsic(call)


_call_pass = _caller("call_pass", "pppiiip")
_call_model = _caller("call_model", "p")
_call_tensor = _caller("call_tensor", "ppp")


@njit(**OPTIONS)
def _counts(frame: Any, field: int, count: int) -> Any:
    return carray(pointer(frame[field]), (count,), np.int64)


@njit(**OPTIONS)
def _numbers(frame: Any, field: int, count: int) -> Any:
    return carray(pointer(frame[field]), (count,), np.float64)


@njit(**OPTIONS)
def _row(frame: Any, field: int, width: int, index: int) -> Any:
    """Return the address of a row of float64 or uint64 values."""
    return frame[field] + np.uint64(8) * frame[width] * np.uint64(index)


@njit(**OPTIONS)
def _run_span(frame: Any, function: Any, span: int) -> None:
    """Sweep over the chunks of a span."""
    spans = _counts(frame, Frame.SPAN_TABLE, np.int64(frame[Frame.SPANS]) + 1)
    chunks = _counts(frame, Frame.CHUNK_TABLE, 4 * np.int64(frame[Frame.CHUNKS]))
    groups = _counts(frame, Frame.TENSOR_GROUPS, np.int64(frame[Frame.TENSORS]))
    for chunk in range(spans[span], spans[span + 1]):
        tensor = chunks[4 * chunk]
        _call_pass(
            function,
            (
                _row(frame, Frame.ADDRESSES, Frame.ARRAYS, tensor),
                _row(frame, Frame.MODEL_ROWS, Frame.MODEL_WIDTH, groups[tensor]),
                _row(frame, Frame.TENSOR_ROWS, Frame.TENSOR_WIDTH, tensor),
                chunks[4 * chunk + 1],
                chunks[4 * chunk + 2],
                chunks[4 * chunk + 3],
                _row(frame, Frame.CHUNK_SUMS, Frame.REDUCES, chunk),
            ),
        )


@njit(**OPTIONS)
def _run_scalars(frame: Any, level: int) -> None:
    """Compute the scalars of a level: of every model row, then of every tensor."""
    program = carray(pointer(frame[Frame.PROGRAM]), (5 * (level + 1),), np.uint64)
    model_function, tensor_function = program[5 * level], program[5 * level + 1]
    if model_function != 0:
        for group in range(np.int64(frame[Frame.GROUPS])):
            _call_model(model_function, (_row(frame, Frame.MODEL_ROWS, Frame.MODEL_WIDTH, group),))
    if tensor_function != 0:
        tensors = np.int64(frame[Frame.TENSORS])
        groups = _counts(frame, Frame.TENSOR_GROUPS, tensors)
        for tensor in range(tensors):
            model = _row(frame, Frame.MODEL_ROWS, Frame.MODEL_WIDTH, groups[tensor])
            arrays = _row(frame, Frame.ADDRESSES, Frame.ARRAYS, tensor)
            own = _row(frame, Frame.TENSOR_ROWS, Frame.TENSOR_WIDTH, tensor)
            _call_tensor(tensor_function, (arrays, model, own))


@njit(**OPTIONS)
def _combine(frame: Any, level: int) -> None:
    """Combine the partial sums into tensor rows and model rows, in a fixed order."""
    program = carray(pointer(frame[Frame.PROGRAM]), (5 * (level + 1),), np.uint64)
    first, last = np.int64(program[5 * level + 3]), np.int64(program[5 * level + 4])
    if first == last:
        return
    reduces, tensors = np.int64(frame[Frame.REDUCES]), np.int64(frame[Frame.TENSORS])
    groups, width = np.int64(frame[Frame.GROUPS]), np.int64(frame[Frame.MODEL_WIDTH])
    tensor_width = np.int64(frame[Frame.TENSOR_WIDTH])
    table = _counts(frame, Frame.REDUCE_TABLE, 3 * reduces)
    sums = _numbers(frame, Frame.CHUNK_SUMS, np.int64(frame[Frame.CHUNKS]) * reduces)
    bounds = _counts(frame, Frame.TENSOR_CHUNKS, tensors + 1)
    model_rows = _numbers(frame, Frame.MODEL_ROWS, groups * width)
    tensor_rows = _numbers(frame, Frame.TENSOR_ROWS, tensors * tensor_width)
    for r in range(first, last):
        code, is_model, slot = table[3 * r], table[3 * r + 1], table[3 * r + 2]
        total = identity(code)
        for tensor in range(tensors):
            part = identity(code)
            for chunk in range(bounds[tensor], bounds[tensor + 1]):
                value = sums[chunk * reduces + r]
                part = join(part, value, code)
            if is_model:
                total = join(total, part, code)
            else:
                tensor_rows[tensor * tensor_width + slot] = part
        if is_model:
            for group in range(groups):
                model_rows[group * width + slot] = total


@njit(**OPTIONS)
def _count_nonfinite(frame: Any) -> float:
    """Add up column 0 of the partial sums, after the check of gradients."""
    chunks, reduces = np.int64(frame[Frame.CHUNKS]), np.int64(frame[Frame.REDUCES])
    sums = _numbers(frame, Frame.CHUNK_SUMS, chunks * reduces)
    total = 0.0
    for chunk in range(chunks):
        total += sums[chunk * reduces]
    return total


@njit(**OPTIONS)
def _advance(frame: Any, slot: int, amount_slot: int) -> None:
    """Add 1, or the value of slot `amount_slot` if not negative, to a slot of every model row."""
    groups, width = np.int64(frame[Frame.GROUPS]), np.int64(frame[Frame.MODEL_WIDTH])
    rows = _numbers(frame, Frame.MODEL_ROWS, groups * width)
    for group in range(groups):
        amount = 1.0 if amount_slot < 0 else rows[group * width + amount_slot]
        rows[group * width + slot] += amount


_level_of, _is_sweep, _sweep_of = (njit(**OPTIONS)(f) for f in (level_of, is_sweep, sweep_of))


@njit(**OPTIONS)
def _before(frame: Any, unit: int) -> Any:
    """Begin a unit: compute its scalars, or return the address of its sweep's function, else 0."""
    if unit == CHECK:
        return frame[Frame.FINITE_PASS]
    level = _level_of(unit)
    if _is_sweep(unit):
        return carray(pointer(frame[Frame.PROGRAM]), (5 * (level + 1),), np.uint64)[5 * level + 2]
    if level == 0:
        _advance(frame, STEP, -1)
    _run_scalars(frame, level)
    return np.uint64(0)


@njit(**OPTIONS)
def _after(frame: Any, unit: int, function: Any) -> float:
    """End a unit: combine partial sums; return how many gradient values are NaN or infinite."""
    if unit == CHECK:
        return _count_nonfinite(frame) if function != 0 else 0.0
    if function != 0:
        _combine(frame, _level_of(unit))
    if unit == _sweep_of(np.int64(frame[Frame.LEVELS]) - 1):
        _advance(frame, SAMPLES, MINIBATCH_SIZE)
    return 0.0


@intrinsic
def _use_threads(typing_context: Any, count: Any) -> Any:
    """Set the number of threads of this thread's parallel loops; return the number before.

    Numba's own function contains an address of this process, so another process could not load
    its machine code from disk.
    """
    del typing_context, count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        wide, narrow = ir.IntType(64), ir.IntType(32)
        get, use = (
            cgutils.get_or_insert_function(builder.module, ir.FunctionType(*kind), name)
            for name, kind in (
                ("get_num_threads", (wide, [])),
                ("set_num_threads", (ir.VoidType(), [narrow])),
            )
        )
        before = builder.sext(builder.trunc(builder.call(get, []), narrow), wide)
        builder.call(use, [builder.trunc(args[0], narrow)])
        return before

    return types.int64(types.int64), generate


def launch_serial(frame: Any) -> float:
    """Run the units in this thread; return how many gradient values are NaN or infinite."""
    for unit in range(np.int64(frame[Frame.FIRST_UNIT]), np.int64(frame[Frame.LAST_UNIT])):
        function = _before(frame, unit)
        if function != 0:
            for span in range(np.int64(frame[Frame.SPANS])):
                _run_span(frame, function, span)
        refused = _after(frame, unit, function)
        if refused != 0:
            return refused
    return 0.0


def launch_parallel(frame: Any) -> float:
    """Run the units on Numba's threads; the results are bitwise those of `launch_serial`."""
    # The number is a property of the calling thread, so restore it for other code with Numba.
    wanted = np.int64(frame[Frame.THREADS])
    before = _use_threads(wanted) if wanted != 0 else 0
    refused = 0.0
    for unit in range(np.int64(frame[Frame.FIRST_UNIT]), np.int64(frame[Frame.LAST_UNIT])):
        function = _before(frame, unit)
        if function != 0:
            for span in prange(np.int64(frame[Frame.SPANS])):
                _run_span(frame, function, span)
        refused = _after(frame, unit, function)
        if refused != 0:
            break
    if wanted != 0:
        _use_threads(before)
    return refused


_SOURCES = (__name__, units.__name__)
"""Modules outside `learnerdsl.kernels` whose functions are compiled into the launcher."""


@lru_cache(maxsize=1)
def serial_driver() -> Callable[[np.ndarray], float]:
    """Return `launch_serial`, compiled now or loaded from disk."""
    return _driver(launch_serial)


@lru_cache(maxsize=1)
def parallel_driver() -> Callable[[np.ndarray], float]:
    """Return `launch_parallel`, compiled now or loaded from disk; this starts Numba's threads."""
    with same_threads_in_torch():
        return _driver(launch_parallel, parallel=True)


def _driver(function: Callable[[Any], float], **options: Any) -> Callable[[np.ndarray], float]:
    key = key_of(b"".join(map(code_of, _SOURCES)).decode(errors="replace"))
    kept = KeptCode(function, f"launch-{key[:16]}", key)
    with compiling:
        return compile_function(
            function, "float64(uint64[::1])", {"nogil": True, **options, **OPTIONS}, kept
        )
