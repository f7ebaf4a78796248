"""Functions that exported files contain where a rule needs them; their text is copied."""

import ast
from collections.abc import Iterable
from pathlib import Path


def text_of(dialect: str, names: Iterable[str]) -> list[str]:
    """Return the texts of functions and of those that they call, in the order of their file.

    Args:
        dialect: name of a module beside this one.
        names: names of functions in it; others are left out.
    """
    text = (Path(__file__).parent / f"{dialect}.py").read_text()
    tree = ast.parse(text)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted: set[str] = set()
    waiting = [name for name in names if name in functions]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            called = {n.id for n in ast.walk(functions[name]) if isinstance(n, ast.Name)}
            waiting += sorted(called & functions.keys())
    return [
        ast.get_source_segment(text, node) or ""
        for name, node in functions.items()
        if name in wanted
    ]
