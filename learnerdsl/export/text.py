"""Texts that exported files in Python are made of: tests, calls, dicts, numbers."""

import re
from collections.abc import Sequence
from typing import Any

from learnerdsl.codegen.text import indented
from learnerdsl.errors import RuleError

WIDTH = 100
"""Longest line of an exported file."""

Lines = list[str]
Shape = tuple[int, ...]


def condition_on(
    shapes: Sequence[tuple[int, ...]], every: Sequence[tuple[int, ...]], p: str
) -> str:
    """Return the condition on a parameter that holds for some of the shapes of a rule."""
    others = [shape for shape in every if shape not in shapes]
    ndims = {len(shape) for shape in shapes}
    shared = ndims & {len(shape) for shape in others}
    tests = [_test_of_ndim(ndims - shared, every, p)] if ndims - shared else []
    by_signs: dict[str, set[int]] = {}
    for ndim in sorted(shared):
        signs = {_sign(shape) for shape in shapes if len(shape) == ndim}
        if signs & {_sign(shape) for shape in others if len(shape) == ndim}:
            msg = (
                "The rule depends on the lengths of axes, not only on their number and on which is "
                "longer, so no file serves all parameters; write shape=(64, 32) for one of them."
            )
            raise RuleError(msg)
        by_signs.setdefault("".join(sorted(signs, key="<>=".index)), set()).add(ndim)
    for signs, own in by_signs.items():
        sign = "==" if signs == "=" else signs
        of_ndim = _test_of_ndim(own, every, p)
        tests.append(f"{of_ndim} and {p}.shape[-2] {sign} {p}.shape[-1]")
    return tests[0] if len(tests) == 1 else " or ".join(f"({test})" for test in tests)


def _sign(shape: Shape) -> str:
    """Return how the number of rows compares with that of columns."""
    if len(shape) < 2:
        return "="
    return "<" if shape[-2] < shape[-1] else ">" if shape[-2] > shape[-1] else "="


def _test_of_ndim(ndims: set[int], every: Sequence[Shape], p: str) -> str:
    """Return the condition on the number of axes."""
    all_of = sorted({len(shape) for shape in every})
    own = sorted(ndims)
    if len(own) == 1 and own[0] not in (all_of[0], all_of[-1]):
        return f"{p}.ndim == {own[0]}"
    if own == all_of[len(all_of) - len(own) :] and len(own) > 1:
        return f"{p}.ndim >= {own[0]}"
    if own == all_of[: len(own)] and own[0] == 0 and len(own) > 1:
        return f"{p}.ndim <= {own[-1]}"
    return f"{p}.ndim == {own[0]}" if len(own) == 1 else f"{p}.ndim in {tuple(own)}"


def bare(text: str) -> str:
    """Return a text without parentheses around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and place < len(text) - 1:
            return text
    return text[1:-1]


def docstring(text: str) -> str:
    """Return a docstring of one line, whatever quotes and backslashes a user wrote into it."""
    prefix = "r" if "\\" in text else ""
    harmless = text.replace('"""', "'" * 3).rstrip('\\"')
    return f'{prefix}"""{harmless}"""'


def number_text(value: Any) -> str:
    """Return a number as an argument's default."""
    value = float(value)
    if value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    text = repr(value)
    return re.sub(r"e-0(\d)$", r"e-\1", text)


def tuple_of(names: Sequence[str]) -> str:
    """Return the text of a tuple; that of one value is the value."""
    return ", ".join(names)


def unpacked(names: Sequence[str], source: str) -> str:
    """Return the statement that reads several values; one is the value itself."""
    return f"{', '.join(names)} = {source}"


def read_all(pairs: Sequence[tuple[str, str]]) -> Lines:
    """Return the statements that read values: in one line if it is short."""
    names, sources = [name for name, _ in pairs], [source for _, source in pairs]
    line = f"{', '.join(names)} = {', '.join(sources)}"
    if len(pairs) <= 1 or len(line) <= WIDTH - 24:
        return [line] if pairs else []
    return [f"{name} = {source}" for name, source in pairs]


def call_of(head: str, arguments: Sequence[str], tail: str, indent: int = 0) -> Lines:
    """Return a call or signature, in several lines if it is long."""
    line = f"{head}({', '.join(arguments)}){tail}"
    if len(line) <= WIDTH - indent:
        return [line]
    if len(", ".join(arguments)) <= WIDTH - indent - 4:
        return [f"{head}(", *indented([", ".join(arguments)]), f"){tail}"]
    return [f"{head}(", *indented(f"{argument}," for argument in arguments), f"){tail}"]


def dict_of(head: str, pairs: Sequence[tuple[str, str]], indent: int) -> Lines:
    """Return the statement of a dict, with one item in each line if it is long."""
    items = [f'"{name}": {text}' for name, text in pairs]
    line = f"{head}{{{', '.join(items)}}}"
    if len(line) <= WIDTH - indent:
        return [line]
    return [f"{head}{{", *indented(f"{item}," for item in items), "}"]
