"""Find the loops of generated source, and what an iteration reads and writes."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SourceLoop:
    """A loop of a generated function that contains no other.

    Attributes:
        function: name of the function.
        first: its first line.
        last: its last line.
        itemsize: bytes of the smallest number among those that it reads and writes by index.
        pack: elements of an iteration: more than 1 if it reads and writes packs of them.
        traffic: bytes that an iteration reads and writes.
    """

    function: str
    first: int
    last: int
    itemsize: int
    pack: int
    traffic: int


def source_loops(source: str, function: str) -> list[SourceLoop]:
    """Return the innermost loops of a generated function."""
    definitions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    own = next(node for node in definitions if node.name == function)
    sizes = dict(_sizes_of_arrays(own))
    found: list[SourceLoop] = []
    for node in ast.walk(own):
        if not isinstance(node, ast.For) or any(
            isinstance(inner, ast.For) for inner in ast.walk(node) if inner is not node
        ):
            continue
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        least = min((sizes[name] for name in names if name in sizes), default=0)
        accesses = list(_accesses(node))
        found.append(
            SourceLoop(
                function,
                node.lineno,
                node.end_lineno or node.lineno,
                least,
                max((pack for _, pack in accesses), default=1),
                sum(sizes.get(array, 0) * pack for array, pack in accesses),
            )
        )
    return sorted(found, key=lambda loop: loop.first)


_PACK = re.compile(r"(?:load|store)(\d+)(?:_within)?$")


def _accesses(loop: ast.For) -> Iterator[tuple[str, int]]:
    """Yield the array and the number of elements of every read and write in a loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            yield node.value.id, 1
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
            yield ast.unparse(node.target.value), 1  # it is read as well
        elif isinstance(node, ast.Call) and (match := _PACK.match(ast.unparse(node.func))):
            yield ast.unparse(node.args[0]), int(match[1])


def _sizes_of_arrays(function: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """Yield the names of arrays in a function, and the bytes of their numbers."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        kind, _, array = ast.unparse(node.value.func).rpartition("_")
        if array == "array" and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, np.dtype(kind).itemsize
