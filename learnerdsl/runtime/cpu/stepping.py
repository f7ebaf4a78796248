"""The launcher in Python, for NUMBA_DISABLE_JIT=1: a debugger can step through the kernels.

It reads the same tables as the compiled launcher, chunk by chunk in the same order.
"""

import ast
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from learnerdsl.codegen.source import Functions
from learnerdsl.kernels.cpu import identity, join
from learnerdsl.kernels.slots import MINIBATCH_SIZE, SAMPLES, STEP
from learnerdsl.runtime.cpu.launch import Frame
from learnerdsl.runtime.tables.units import CHECK, count_units, is_sweep, level_of, scalars_of

Tables = dict[Frame, np.ndarray]


class _FloatsOfNumPy(ast.NodeTransformer):
    """Wrap each float literal in a call of `float64`."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, float):
            return node
        call = ast.Call(ast.Name("_float64", ast.Load()), [node], [])
        return ast.copy_location(call, node)


def with_floats_of_numpy(source: str) -> ast.Module:
    """Return the text of a kernel with NumPy's floats, for Python to run; line numbers stay.

    With Python's floats, 1/0 and 0**-1 raise errors where compiled code returns infinity, and roots
    of negative numbers are complex. NumPy's floats return infinity and NaN.
    """
    tree = _FloatsOfNumPy().visit(ast.parse(source))
    name = ast.alias("float64", "_float64")
    # After the docstring, which has to stay the first statement.
    tree.body.insert(1, ast.ImportFrom("numpy", [name], 0))
    return ast.fix_missing_locations(tree)


def step_through(
    tables: Tables,
    module: ModuleType,
    levels: Sequence[Functions],
    count_nonfinite: Any,
    units: range,
) -> float:
    """Run units of an update; return how many gradient values are NaN or infinite.

    Args:
        tables: field of the frame -> table of the engine.
        module: the generated module.
        levels: names of its functions, in the order in which they run.
        count_nonfinite: function that counts NaN and infinite values of a chunk, or None.
        units: the units to run; see `runtime/tables/units.py`.
    """
    model_rows = tables[Frame.MODEL_ROWS]
    with np.errstate(all="ignore"):
        for unit in units:
            level = level_of(unit)
            if unit == CHECK and count_nonfinite is not None:
                _run_pass(tables, count_nonfinite)
                found = float(tables[Frame.CHUNK_SUMS][:, 0].sum())
                if found:
                    return found
            elif not is_sweep(unit):
                model_rows[:, STEP] += unit == scalars_of(0)
                _run_scalars(tables, module, levels[level])
            elif unit != CHECK and levels[level].element:
                _run_pass(tables, getattr(module, levels[level].element))
                _combine(tables, level)
        if units.stop == count_units(len(levels)):
            model_rows[:, SAMPLES] += model_rows[:, MINIBATCH_SIZE]
    return 0.0


def _run_scalars(tables: Tables, module: ModuleType, names: Functions) -> None:
    model_rows, tensor_rows = tables[Frame.MODEL_ROWS], tables[Frame.TENSOR_ROWS]
    if names.model:
        for row in model_rows:
            getattr(module, names.model)(row)
    if names.tensor:
        groups = tables[Frame.TENSOR_GROUPS]
        for arrays, row, group in zip(tables[Frame.ADDRESSES], tensor_rows, groups, strict=True):
            getattr(module, names.tensor)(arrays, model_rows[group], row)


def _run_pass(tables: Tables, function: Callable[..., None]) -> None:
    for chunk, (tensor, start, grad_start, count) in enumerate(tables[Frame.CHUNK_TABLE]):
        group = tables[Frame.TENSOR_GROUPS][tensor]
        function(
            tables[Frame.ADDRESSES][tensor],
            tables[Frame.MODEL_ROWS][group],
            tables[Frame.TENSOR_ROWS][tensor],
            int(start),
            int(grad_start),
            int(count),
            tables[Frame.CHUNK_SUMS][chunk],
        )


def _combine(tables: Tables, level: int) -> None:
    """Combine the partial sums into tensor rows and model rows, in chunk order."""
    first, last = (int(column) for column in tables[Frame.PROGRAM][level, 3:])
    bounds = tables[Frame.TENSOR_CHUNKS]
    for column in range(first, last):
        code, is_model, slot = tables[Frame.REDUCE_TABLE][column]
        total = identity(code)
        for tensor in range(len(bounds) - 1):
            part = identity(code)
            for value in tables[Frame.CHUNK_SUMS][bounds[tensor] : bounds[tensor + 1], column]:
                part = join(part, value, code)
            total = join(total, part, code)
            if not is_model:
                tables[Frame.TENSOR_ROWS][tensor, slot] = part
        if is_model:
            tables[Frame.MODEL_ROWS][:, slot] = total
