"""Printing of a kernel as the source of a Python module; a target prints each kind of function."""

import symtable
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from learnerdsl.codegen.text import Text
from learnerdsl.ir import Block, Kernel
from learnerdsl.layout import Layout
from learnerdsl.storage import Precision

Lines = list[str]


@dataclass(frozen=True)
class Functions:
    """Names of the functions of one level, in the order in which they run; "" if there is none.

    Attributes:
        model: function of the scalars of a group of parameters.
        tensor: function of the scalars and axis arrays of a tensor.
        matrix: function of whole matrices, in Python.
        element: function of the sweep over memory.
    """

    model: str
    tensor: str
    matrix: str
    element: str


@dataclass(frozen=True)
class Target:
    """A kind of machine, with the printers of functions for it.

    Attributes:
        name: name in the docstring of a module.
        about: sentence of that docstring about the functions.
        imports: (module, names that code may import from it) pairs.
        model_scalars: prints the scalars of the model: (text, block, name).
        tensor_scalars: prints the scalars of a tensor: (text, block, name, sweep before it).
        matrices: prints functions of whole matrices: (text, block, name).
        element: prints a sweep as one or more functions: (text, block, number of its level).
        narrowing: function that converts a scalar to float32; "" for the dtype itself.
    """

    name: str
    about: str
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    model_scalars: Callable[[Text, Block, str], Lines]
    tensor_scalars: Callable[[Text, Block, str, Block | None], Lines]
    matrices: Callable[[Text, Block, str], Lines]
    element: Callable[[Text, Block, int], list[Lines]]
    narrowing: str = ""


def print_kernel(
    kernel: Kernel, layout: Layout, precision: Precision, target: Target
) -> tuple[str, tuple[Functions, ...]]:
    """Return the source text of a kernel and the names of its functions, level by level."""
    text = Text(kernel, layout, precision, target.narrowing)
    functions: list[Lines] = []

    def add(lines: Lines, name: str) -> str:
        if lines:
            functions.append(lines)
        return name if lines else ""

    levels: list[Functions] = []
    last_pass: Block | None = None
    for k, level in enumerate(kernel.levels, 1):
        element = level.element
        names = [text.function(kind, k) for kind in ("scalars", "tensor_scalars", "matrices")]
        functions_of_level = Functions(
            model=add(target.model_scalars(text, level.model, names[0]), names[0]),
            tensor=add(target.tensor_scalars(text, level.tensor, names[1], last_pass), names[1]),
            matrix=add(target.matrices(text, level.matrix, names[2]), names[2]),
            element=text.function("pass", k) if element else "",
        )
        levels.append(functions_of_level)
        if element:
            functions += target.element(text, element, k)
        last_pass = element
    head = f"The rule {kernel.name} over {', '.join(map(str, kernel.arrays))}, in {precision}"
    return _module(head, functions, target), tuple(levels)


def _module(head: str, functions: list[Lines], target: Target) -> str:
    """Return the source text of the module: docstring, imports, functions."""
    body = "\n\n\n".join("\n".join(lines) for lines in functions)
    lines = [
        f'"""{head}, for {target.name}.',
        "",
        f"Written by learnerdsl; changes are lost. {target.about}",
        '"""',
        "",
    ]
    free = free_names(body)
    if "np" in free:
        lines += ["import numpy as np", ""]
    for module, names in target.imports:
        used = [name for name in names if name in free]
        if used:
            lines += [f"from {module} import (", *(f"    {name}," for name in used), ")"]
    return "\n".join(lines) + "\n\n\n" + body + "\n"


def free_names(code: str) -> set[str]:
    """Return the names that functions read and do not define: what a module has to import."""
    # Not by the syntax tree: Python 3.11 may fail to make two at once, in threads.
    module = symtable.symtable(code, "<generated>", "exec")
    symbols = [symbol for scope in _scopes(module) for symbol in scope.get_symbols()]
    assigned = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned()}
    return {symbol.get_name() for symbol in symbols if symbol.is_global()} - assigned


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield a scope and those within it."""
    yield scope
    for inner in scope.get_children():
        yield from _scopes(inner)
