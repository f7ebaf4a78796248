"""Show the examples of docstrings as code, wherever they stand in the text."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^[ \t]*>>> .*\n?(?:^[ \t]*\S.*\n?)*\n?(?=[ \t]*>>> )?)+", re.MULTILINE)


def fenced(docstring: str) -> str:
    """Return a docstring with its examples in blocks of code."""

    def fence(found: re.Match[str]) -> str:
        lines = found[0].rstrip().splitlines()
        margin = " " * (len(lines[0]) - len(lines[0].lstrip()))
        body = "\n".join(lines)
        return f"\n{margin}```python\n{body}\n{margin}```\n\n"

    return EXAMPLE.sub(fence, docstring)


class Doctests(griffe.Extension):
    """Fences the examples of every object that MkDocs reads."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of a function, class or module."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
