"""Read what a docstring says: the first line, the meanings of arguments, the sources."""

import inspect
import re
from typing import Any

import sympy

_ARGUMENT = re.compile(r"(\w+): (.*)")
_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(\s*(https?://[^)\s]+)\)")
_ADDRESS = re.compile(r"(?<![(\[])https?://[^\s)\]]+")
_FORMULA = re.compile(r"\$([^$]+)\$")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s?")


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return readable(" ".join(inspect.cleandoc(text or "").split("\n\n")[0].split()))


def meanings(text: str) -> dict[str, str]:
    """Return argument -> what the docstring says about it, from its section `Args`."""
    lines = inspect.cleandoc(text or "")
    start = _SECTION.search(lines)
    found: dict[str, str] = {}
    last, indent = "", 0
    for line in lines[start.end() :].splitlines()[1:] if start else ():
        depth = len(line) - len(line.lstrip())
        if not line.strip() or not depth:
            break
        indent = indent or depth
        match = _ARGUMENT.fullmatch(line.strip())
        if match and depth == indent:
            last = match[1]
            found[last] = match[2]
        elif last:
            found[last] += f" {line.strip()}"
    return {name: readable(own) for name, own in found.items()}


def sources(text: str) -> list[tuple[str, str]]:
    """Return (title, address) of each link of a docstring."""
    joined = " ".join((text or "").split())
    found = {address: title for title, address in _LINK.findall(joined)}
    for address in _ADDRESS.findall(_LINK.sub("", joined)):
        found.setdefault(address.rstrip(".,;"), "")
    return [(title or address, address) for address, title in found.items()]


def readable(text: str) -> str:
    r"""Return text whose formulas are plain: `$\beta_1$` as `β_1`."""
    return _FORMULA.sub(lambda match: _plain(match[1]), text).replace("`", "")


def _plain(formula: str) -> str:
    text = re.sub(r"\\(?:text|mathrm|operatorname){([^{}]*)}", r"\1", formula)
    text = _COMMAND.sub(lambda match: _symbol(match[1]), text)
    return re.sub(r"\\.", " ", text).replace("{", "(").replace("}", ")")


_SIGNS = {"leq": "≤", "le": "≤", "geq": "≥", "lVert": "‖", "rVert": "‖", "cdot": "·", "sqrt": "√"}


def _symbol(name: str) -> str:
    """Return a command of LaTeX as a character, or its name."""
    if name in _SIGNS:
        return _SIGNS[name]
    letter = sympy.pretty(sympy.Symbol(name), use_unicode=True)
    return letter if len(letter) == 1 else ("" if name in ("left", "right") else name)


def code_of(function: Any) -> str:
    """Return the source of a function; "" if there is none, as for one typed into a prompt."""
    try:
        return inspect.cleandoc("\n" + inspect.getsource(function))
    except (OSError, TypeError):
        return ""
